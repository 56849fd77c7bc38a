"""Sequences that are made when they are asked for, and read batch by batch."""

from collections import UserList
from collections.abc import Sequence

import numpy as np

from skrnn.inputs.frames import OpenedSequences, as_numbers, refuse_shape
from skrnn.inputs.moments import Sums

__all__ = ["LazyTable", "is_lazy", "open_lazy"]

IN_MEMORY = list | tuple | str | bytes | bytearray | memoryview | range | UserList


def is_lazy(X):
    """Whether something makes sequences of numbers when it is indexed.

    Parameters
    ----------
    X : object
        Whatever a user handed in.
    """
    in_memory = isinstance(X, IN_MEMORY) or hasattr(X, "__array__")
    if not isinstance(X, Sequence) or in_memory or not len(X):
        return False
    first = X[0]
    return type(first) in (np.ndarray, np.memmap) and first.dtype.kind in "biuf"


def open_lazy(X, name, as_table=None):
    """Read each sequence once, and keep its length, and its sums if they are needed.

    Parameters
    ----------
    X : Sequence
        ``X[i]`` is an array (n_steps_i, n_features) or (n_steps_i,).
    name : str
        What messages call an item of it.
    as_table : callable, default=None
        ``as_table(array)`` is the `Table` of one sequence, of native floats. Then the
        attribute `sums` of the table is the `Sums` of all.

    Returns
    -------
    opened : OpenedSequences
    """
    n = len(X)
    lengths = np.empty(n, dtype=np.intp)
    with_infinity = with_nan = -1
    first = sums = None
    for i in range(n):
        array = as_numbers(X[i], name.format(i))
        first = array if i == 0 else first
        if (
            array.ndim not in (1, 2)
            or 0 in array.shape
            or array.shape[1:] != first.shape[1:]
        ):
            refuse_shape([first] * i + [array], i, name)
        lengths[i] = len(array)
        if as_table is not None:
            sums = Sums(n, first[0].size) if i == 0 else sums
            with np.errstate(over="ignore"):
                sums.add(slice(i, i + 1), as_table(array))
        with np.errstate(over="ignore", invalid="ignore"):
            # A sum of floats is not finite if one of them is not.
            suspect = with_nan < 0 and not np.isfinite(array.sum(dtype=np.float64))
        if suspect or (with_infinity < 0 <= with_nan):
            if with_infinity < 0 and np.isinf(array).any():
                with_infinity = i
            if with_nan < 0 and not np.isfinite(array).all():
                with_nan = i
    n_features = first.shape[1] if first.ndim == 2 else 1
    given = _Given(X, name, lengths, n_features)
    table = LazyTable(given, lengths, np.arange(n), n_features)
    table.first_of = {True: with_infinity, False: with_nan}
    table.sums = sums
    return OpenedSequences(table, name)


class _Given:
    """What a user handed in, each item as an array that is checked once more."""

    def __init__(self, X, name, lengths, n_features):
        self.X, self.name = X, name
        self.lengths, self.n_features = lengths, n_features

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, row):
        row = int(row)
        array = as_numbers(self.X[row], self.name.format(row))
        n_features = array.shape[1] if array.ndim == 2 else 1
        if array.shape[:1] != self.lengths[row : row + 1] or (
            n_features != self.n_features
        ):
            raise ValueError(
                f"{self.name.format(row)} has the shape {array.shape}, but when it was "
                f"read first it had {self.lengths[row]} steps and {self.n_features} "
                "features. A sequence must be the same each time."
            )
        return array


class LazyTable:
    """Stands for the `Table` of sequences that are in no memory yet.

    Parameters
    ----------
    owner : _Given
        ``owner[row]`` is a sequence.
    lengths, rows : ndarray of shape (n_seqs,), intp
        Steps of each sequence, and which of the user's it is.
    n_features : int

    Attributes
    ----------
    first_of : dict or None
        The first sequence with an infinity, by True; the first with an infinity or
        NaN, by False; -1 if there is none.
    sums : Sums or None
    """

    native = False
    splits = False  # for each part of a sequence all of it would be made again
    first_of = sums = None

    def __init__(self, owner, lengths, rows, n_features):
        self.owner, self.lengths, self.rows = owner, lengths, rows
        self.n_features, self.n_seqs = n_features, len(lengths)

    def row(self, i):
        """Which of the user's sequences is sequence `i`."""
        if not 0 <= i < self.n_seqs:
            raise IndexError(f"sequence {i} of {self.n_seqs}")
        return int(self.rows[i])

    def is_native(self, i):
        """Whether a sequence can be read where it is."""
        return False

    def take(self, indices):
        """The table of the sequences `indices`."""
        if len(indices) and not 0 <= indices.min() <= indices.max() < self.n_seqs:
            raise IndexError(f"sequences {indices} of {self.n_seqs}")
        rows = self.rows[indices]
        return LazyTable(self.owner, self.lengths[indices], rows, self.n_features)
