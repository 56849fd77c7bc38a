"""Sequences of unequal lengths that exchange features or stretches of time.

Lengths stay. A step takes the place of the donor's step at the same relative time, so
that a sequence of another length is read slower or faster. For sequences of one length
this is a plain exchange, step by step.
"""

from numbers import Integral

import numpy as np

from skrnn.inputs.containers import (
    column_of_sequences,
    holds_sequences,
    open_container,
    refuse_sparse,
)

__all__ = [
    "OpenedItems",
    "feature_numbers",
    "open_items",
    "segment_of",
    "steps_of_donor",
]


def steps_of_donor(n_steps, n_donor):
    """The steps of a donor that stand in for those of another sequence.

    The middle of step t of n is (t + 1/2) / n of the whole time; the step of the donor
    is the one that holds this moment.

    Parameters
    ----------
    n_steps : int
        Steps of the sequence that takes.
    n_donor : int
        Steps of the one that gives.

    Returns
    -------
    steps : ndarray of shape (n_steps,), intp
    """
    return (2 * np.arange(n_steps, dtype=np.intp) + 1) * n_donor // (2 * n_steps)


def segment_of(n_steps, n_segments):
    """The number of the stretch of relative time that holds the middle of each step."""
    return steps_of_donor(n_steps, n_segments)


class OpenedItems:
    """Sequences as tables of one dtype, and the way back to the user's form.

    Attributes
    ----------
    tables : list of ndarray of shape (n_steps_i, n_features)
        The sequences.
    names : list of str or None
        The names of the features, if they have any.
    """

    def __init__(self, tables, *, items=None, names=None, squeeze=False):
        self.tables, self.names = tables, names
        self._items = items  # as they were given; None of one array
        self._squeeze = squeeze  # whether that had no axis of features

    @property
    def n_features(self):
        """Features of a step."""
        return self.tables[0].shape[1]

    def exchanged(self, rows, donors, columns, segments):
        """Sequences of which others gave parts.

        Parameters
        ----------
        rows : array-like of shape (n_rows,)
            Which sequences are wanted.
        donors : ndarray of shape (n_rows, n_parts)
            Which sequence gives each part.
        columns : list of ndarray, one for each part
            The features of the part.
        segments : list of (int, int) or None, one for each part
            The number of a stretch of time, and how many there are; None is all time.

        Returns
        -------
        X : sequences in the user's form
        """
        taken = []
        for i, givers in zip(rows, donors, strict=True):
            own = self.tables[i]
            table = own.copy()
            for j in np.flatnonzero(givers != i):
                other = self.tables[givers[j]]
                steps = steps_of_donor(len(own), len(other))
                where = slice(None)
                if segments[j] is not None:
                    number, n_segments = segments[j]
                    where = np.flatnonzero(segment_of(len(own), n_segments) == number)
                at = steps[where]
                table[np.ix_(np.arange(len(own))[where], columns[j])] = other[
                    np.ix_(at, columns[j])
                ]
            taken.append(table)
        if self._items is None:
            block = np.stack(taken)
            return block[:, :, 0] if self._squeeze else block
        pairs = zip(rows, taken, strict=True)
        return [_like(self._items[i], table) for i, table in pairs]


def open_items(X):
    """Open sequences in any form of the user's.

    Parameters
    ----------
    X : sequences
        A list, tuple, object array or Series of arrays, DataFrames or lists; a table
        with one column of these; a 3-D or 2-D array.

    Returns
    -------
    opened : OpenedItems
    """
    X = column_of_sequences(X)
    container = open_container(X, "X")
    if container.kind == "sparse":
        refuse_sparse("X")
    if container.kind == "frame":
        raise TypeError(
            "X is a table, not sequences. Of a table with a row for each univariate "
            "sequence, give X.to_numpy(); of one with a row for each step, give a list "
            "with a table for each sequence."
        )
    if container.kind == "array" and container.given.dtype != object:
        return _open_block(container.given)
    if container.kind == "column" and not holds_sequences(X):
        raise TypeError("X must hold sequences, got a column of single values.")
    if container.kind not in ("items", "array", "column"):
        raise TypeError(f"X must hold sequences, got {type(X).__name__}.")
    items = container.to_list()
    if not len(items):
        raise ValueError("X holds no sequences.")
    return _open_items(items, container.each)


def _open_block(block):
    """Open an array (n_seqs, n_steps) or (n_seqs, n_steps, n_features)."""
    if block.ndim not in (2, 3) or not block.size:
        raise ValueError(
            f"X must have shape (n_seqs, n_steps) or (n_seqs, n_steps, n_features), "
            f"and not be empty, got {block.shape}."
        )
    wide = block.ndim == 2
    tables = list(block[:, :, np.newaxis] if wide else block)
    return OpenedItems(tables, squeeze=wide)


def _open_items(items, each):
    """Open a list whose items are arrays, DataFrames, or lists of numbers or tokens."""
    tables = [_as_table(item, each.format(i)) for i, item in enumerate(items)]
    widths = [table.shape[1] for table in tables]
    for i, width in enumerate(widths):
        if width != widths[0]:
            raise ValueError(
                f"{each.format(i)} has {width} features, but {each.format(0)} has "
                f"{widths[0]}."
            )
    # One dtype, so that nothing is cut off that another sequence gives.
    dtypes = {table.dtype for table in tables}
    if len(dtypes) > 1:
        common = np.result_type(*dtypes)
        tables = [table.astype(common, copy=False) for table in tables]
    names = None
    if all(hasattr(item, "columns") for item in items):
        names = [str(name) for name in items[0].columns]
    return OpenedItems(tables, items=items, names=names)


def _as_table(item, name):
    """A sequence as (n_steps, n_features)."""
    if isinstance(item, str | bytes):
        raise TypeError(
            f"{name} is a text. Which parts of texts to exchange, you must say: give "
            "lists of words or of characters, as in [text.split() for text in X]."
        )
    table = np.asarray(item)
    if table.dtype.kind in "UST":
        table = table.astype(object)
    if table.ndim not in (1, 2) or not table.size:
        raise ValueError(
            f"{name} must have shape (n_steps, n_features) or (n_steps,), and not be "
            f"empty, got {table.shape}."
        )
    return table[:, np.newaxis] if table.ndim == 1 else table


def _like(item, table):
    """A table in the form that a sequence had."""
    if hasattr(item, "columns"):
        if hasattr(item, "iloc"):  # pandas
            frame = type(item)(table, index=item.index, columns=item.columns)
            return frame if table.dtype != object else frame.astype(item.dtypes)
        return type(item)(table, schema=item.schema, orient="row")
    shaped = table if getattr(item, "ndim", None) == 2 else None
    if shaped is None:
        nested = isinstance(item, list | tuple) and np.ndim(item[0]) > 0
        shaped = table if nested else table[:, 0]
    return list(shaped) if isinstance(item, list | tuple) else shaped


def feature_numbers(features, names, n_features):
    """The numbers of features that are given by their numbers or names.

    Parameters
    ----------
    features : int, str or list of these
        One feature, or several.
    names : list of str or None
        The names of all features.
    n_features : int
        How many there are.

    Returns
    -------
    numbers : ndarray, intp
    """
    single = isinstance(features, Integral | str)
    numbers = []
    for feature in [features] if single else features:
        if isinstance(feature, str) and names is not None and feature in names:
            feature = names.index(feature)
        known = isinstance(feature, Integral) and not isinstance(feature, bool)
        if not known or not -n_features <= feature < n_features:
            have = f" Their names are {names}." if names else ""
            raise ValueError(
                f"features names {feature!r}, which is not one of the {n_features} "
                f"features of X.{have}"
            )
        numbers.append(int(feature) % n_features)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(
            f"A group of features must name each of them once, got {features!r}."
        )
    return np.asarray(numbers, dtype=np.intp)
