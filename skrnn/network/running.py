"""Poolings that a recurrence makes while it runs, without the states of all steps."""

import numpy as np

from skrnn._pooling import pool_largest, pool_last, pool_sum

__all__ = [
    "RunningJoined",
    "RunningLast",
    "RunningMax",
    "RunningMean",
    "RunningPool",
]


class RunningPool:
    """What a pooling makes of sequences that are read in one piece, or in several.

    Parameters
    ----------
    stack : RecurrentStack
    n_seqs : int

    Attributes
    ----------
    any_order : bool
        Whether steps may come in any order, so that a layer may read from the end.
    """

    any_order = True
    first = 0.0  # the value before the first step

    def __init__(self, stack, n_seqs):
        layers = stack.recurrences[-1]
        self.n_units = [recurrence.n_units for recurrence in layers]
        widths = [self.columns(recurrence) for recurrence in layers]
        self.pooled = [np.full((n_seqs, n), self.first, stack.dtype) for n in widths]

    @classmethod
    def fits(cls, stack):
        """Whether the bits are those of a pooling of the states of all steps."""
        return cls.any_order or len(stack.directions) == 1

    def columns(self, recurrence):
        """Return how many columns are kept of a recurrence, at least its units."""
        return recurrence.width

    def arguments(self, d, n_seqs):
        """Return what the recurrence of a direction takes for its first sequences."""
        raise NotImplementedError

    def add(self, states, shape):
        """Take the states of some steps, which are there, in the order of the steps."""
        raise NotImplementedError

    def rows(self, lengths):
        """Return the pooled states, (n_seqs, n_out), of sequences of these lengths."""
        pairs = zip(self.pooled, self.n_units, strict=True)
        parts = [rows[:, :n_units] for rows, n_units in pairs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


class RunningLast(RunningPool):
    """The state after the last step that was read."""

    def columns(self, recurrence):
        """Return how many columns are kept of a recurrence."""
        return recurrence.n_units

    def arguments(self, d, n_seqs):
        """Return what the recurrence of a direction takes for its first sequences."""
        return {"states": False, "last_h": self.pooled[d][:n_seqs]}


class RunningMean(RunningPool):
    """The sum over the steps, and at the end the mean."""

    any_order = False

    def arguments(self, d, n_seqs):
        """Return what the recurrence of a direction takes for its first sequences."""
        return {"states": False, "pooling": "sum", "pooled": self.pooled[d][:n_seqs]}

    def add(self, states, shape):
        """Take the states of some steps, which are there, in the order of the steps."""
        for d, h in enumerate(states.h):
            rows = self.pooled[d][: shape.n_seqs, : self.n_units[d]]
            pool_sum(h, shape.n_active, rows)

    def rows(self, lengths):
        """Return the mean states, (n_seqs, n_out), of sequences of these lengths."""
        total = super().rows(lengths)
        return total / np.asarray(lengths).astype(total.dtype)[:, np.newaxis]


class RunningMax(RunningPool):
    """The largest value over the steps, unit by unit."""

    first = -np.inf

    def arguments(self, d, n_seqs):
        """Return what the recurrence of a direction takes for its first sequences."""
        return {"states": False, "pooling": "max", "pooled": self.pooled[d][:n_seqs]}


class RunningJoined(RunningPool):
    """The last state, the mean and the largest value, of states that are there."""

    def __init__(self, stack, n_seqs):
        self.n_units = [recurrence.n_units for recurrence in stack.recurrences[-1]]
        self.last, self.total = np.zeros((2, n_seqs, sum(self.n_units)), stack.dtype)
        self.largest = np.full_like(self.total, -np.inf)
        self._begun = False

    @classmethod
    def fits(cls, stack):
        """False: a recurrence pools in one way while it runs."""
        return False

    def add(self, states, shape):
        """Take the states of some steps, which are there, in the order of the steps."""
        h, n, n_forward = states.joined(), shape.n_seqs, self.n_units[0]
        pool_sum(h, shape.n_active, self.total[:n])
        pool_largest(h, shape.n_active, self.largest[:n])
        pool_last(states.h[0], shape.last_row, self.last[:n, :n_forward])
        if not self._begun:  # in reverse, the first step is the last one
            for reverse in states.h[1:]:
                self.last[:, n_forward:] = reverse[:n]
        self._begun = True

    def rows(self, lengths):
        """Return the pooled states, (n_seqs, n_out), of sequences of these lengths."""
        lengths = np.asarray(lengths).astype(self.total.dtype)
        mean = self.total / lengths[:, np.newaxis]
        return np.concatenate([self.last, mean, self.largest], axis=1)
