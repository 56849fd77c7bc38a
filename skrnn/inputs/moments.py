"""Weights, means and variances, of parts of the data and of all of them."""

from typing import NamedTuple

import numpy as np

from skrnn._packing import add_all, moments_of

__all__ = ["Moments", "Sums", "Total"]

# So many numbers are kept of sequences at most, beside those of all together.
MOST_KEPT = 1 << 21
# By so many standard deviations the mean may be off the center that is subtracted.
MOST_APART = 2.0**20


class Moments(NamedTuple):
    """What known values weigh, their mean and their variance, by column.

    Parameters
    ----------
    weight, mean, variance : ndarray of shape (n_columns,), float64
    """

    weight: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def joined(self, other):
        """Return the moments of these values and others."""
        weight = self.weight + other.weight
        # Where nothing is known, there is nothing to divide.
        total = np.where(weight > 0, weight, 1.0)
        share = other.weight / total
        with np.errstate(over="ignore", invalid="ignore"):
            apart = other.mean - self.mean
            mean = self.mean + share * apart
            variance = self.variance + share * (other.variance - self.variance)
            variance = variance + (self.weight / total) * share * apart**2
        first = self.weight == 0
        mean = np.where(first, other.mean, mean)
        variance = np.where(first, other.variance, variance)
        return Moments(weight, mean, np.maximum(variance, 0.0))

    @staticmethod
    def merged(parts):
        """Return the moments of all parts; those of a single part are its own."""
        parts = iter(parts)
        found = next(parts)
        for part in parts:
            found = found.joined(part)
        return found


class Total(NamedTuple):
    """Sums of values less a center, by column; see `Table.add_sums`.

    Parameters
    ----------
    sums : ndarray of shape (6, n_columns)
    center : ndarray of shape (n_columns,)
    """

    sums: np.ndarray
    center: np.ndarray

    def moments(self):
        """Return the `Moments`, and whether all their digits are right."""
        *found, apart = moments_of(self.sums, self.center)
        return Moments(*found), not (apart > MOST_APART).any()


class Sums:
    """Sums over the steps of each sequence, or of all together if there are many.

    The moments of any of the sequences, with any weights, follow from those of each.

    Parameters
    ----------
    n_seqs, n_columns : int
    """

    def __init__(self, n_seqs, n_columns):
        self._center = None
        self._total = np.zeros((6, n_columns))
        self._each = None
        if 5 * n_seqs * n_columns <= MOST_KEPT:
            self._each = np.empty((n_seqs, 5, n_columns))

    def add(self, part, table):
        """Count sequences.

        Parameters
        ----------
        part : slice
            Which ones.
        table : Table
            What they hold, as native floats.
        """
        if self._center is None:
            self._center = center_of(table)
        if self._each is None:
            table.add_sums(self._total, self._center, None)
        else:
            each = self._each[part]
            table.sum_each(each, self._center)
            add_all(self._total, each)

    @property
    def total(self):
        """The `Total` of all that was counted, without weights."""
        return Total(self._total, self._center)

    def take(self, indices):
        """Return the sums of some sequences, None if they are not known."""
        if self._each is None:
            return None
        sums = Sums(0, self._total.shape[1])
        sums._center, sums._each = self._center, self._each[indices]
        add_all(sums._total, sums._each)
        return sums

    def weighted(self, weight):
        """Return the `Total` for weights of sequences, None if it is not known."""
        if weight is None:
            return self.total
        if self._each is None:
            return None
        found = Total(np.zeros_like(self._total), self._center)
        add_all(found.sums, self._each, weight)
        return found


def center_of(table):
    """Return what to subtract from the values of a table: its first step, (n_columns,).

    It is 0 where that is not finite.
    """
    if not table.n_seqs or not table.n_features:
        return np.zeros(table.n_features)
    first = np.asarray(table.owner[table.row(0)])
    first = first.reshape(len(first), -1)[0].astype(np.float64)
    return np.where(np.isfinite(first), first, 0.0)
