"""Scales of columns and of lines."""

import math

import numpy as np

__all__ = ["column_moments", "line_weights"]


def column_moments(tables):
    """Return the mean and the scale of the known values of each column of tables.

    Sums are correctly rounded. The scale of a constant column is 1.
    """
    columns = np.concatenate(tables).T
    mean, scale = np.zeros(len(columns)), np.ones(len(columns))
    for i, column in enumerate(columns):
        column = column[np.isfinite(column)]
        if not len(column):
            continue
        if column.min() == column.max():
            mean[i] = column[0]
            continue
        try:
            with np.errstate(over="ignore"):
                mean[i] = math.fsum(column) / len(column)
                variance = math.fsum((column - mean[i]) ** 2) / len(column)
        except OverflowError:
            variance = math.inf
        if not math.isfinite(variance):
            raise ValueError(
                "Values are too large to be standardised. Divide them by a constant."
            )
        scale[i] = math.sqrt(variance) or 1.0
    return mean, scale


def line_weights(lines):
    """Return one over the scale of each line, and 0 for a constant line."""
    weight = np.zeros(len(lines))
    for i, (begin, stop) in enumerate(zip(lines.begin, lines.stop, strict=True)):
        values = lines.values[begin:stop]
        values = values[np.isfinite(values)]
        if len(values) and values.min() < values.max():
            weight[i] = 1 / column_moments([values[:, np.newaxis]])[1][0]
    return weight
