"""Weights, means and variances, of parts of the data and of all of them."""

from typing import NamedTuple

import numpy as np

__all__ = ["Moments"]


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
