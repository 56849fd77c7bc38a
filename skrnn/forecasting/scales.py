"""Scales of columns and of lines."""

import math

import numpy as np

from skrnn.forecasting.windows import Windows, thinned

__all__ = ["column_moments", "line_weights", "usual_weights"]

MOST_WINDOWS = 200  # of each line, whose scale is looked at


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


def usual_weights(lines, line, origin, n_lags, options):
    """Return one over the median scale of the windows of each line, or 0.

    A few wild values or a jump of the level move it little.
    """
    weight = np.zeros(len(lines))
    for i in range(len(lines)):
        at = thinned(np.flatnonzero(line == i), MOST_WINDOWS)
        scale = Windows.cut(lines, line[at], origin[at], n_lags, options).scale
        scale = np.sort(scale[scale > 0])
        if len(scale):
            weight[i] = 1 / scale[len(scale) // 2]
    return weight
