"""How improbable a value is among earlier ones: ranks, and a fitted tail.

A rank alone gives no p-value below 1 / (n + 1): all large outliers would be alike. So
the largest values are followed by a generalised Pareto tail.
"""

from bisect import bisect_left, insort
from collections import deque
from math import expm1, log, log1p

import numpy as np

__all__ = ["LEAST", "Memory", "TwoSidedMemory"]

LEAST = 30  # values, before there are p-values
TAIL_SHARE = 0.05  # the share of values that the tail is fitted to
LEAST_TAIL = 8
MAX_SHAPE = 0.5  # with a heavier tail there would be no variance
RENEWAL = 50  # the tail is fitted again when this part of the values is new


class Tail:
    """A generalised Pareto distribution of the largest of some values.

    Attributes
    ----------
    threshold : float
        Beyond this value the tail begins.
    scale, shape : float
    log_share : float
        Logarithm of the probability of a value beyond the threshold.
    """

    __slots__ = ("log_share", "scale", "shape", "threshold")

    def __init__(self, threshold, scale, shape, log_share):
        self.threshold, self.scale = threshold, scale
        self.shape, self.log_share = shape, log_share

    @classmethod
    def fit(cls, values, shape=None):
        """Fit the tail of sorted values, by probability-weighted moments.

        Parameters
        ----------
        values : list of float
        shape : float or None
            None is the shape that fits, from 0 on.
        """
        n = len(values)
        k = min(max(LEAST_TAIL, int(TAIL_SHARE * n)), n - 1)
        threshold = values[-k - 1]
        excess = np.array(values[-k:]) - threshold
        mean = float(excess.mean())
        if shape is None:
            weight = (k - 0.5 - np.arange(k)) / k
            moment = float((excess * weight).mean())
            gap = mean - 2 * moment
            shape = 2 - mean / gap if gap > 0 else MAX_SHAPE
            shape = min(max(shape, 0.0), MAX_SHAPE)
        scale = mean * (1 - shape)
        return cls(threshold, scale, shape, log(k / (n + 1)))

    def log_p(self, value):
        """Return the logarithm of the probability of a value as large or larger."""
        excess = value - self.threshold
        if self.scale <= 0:  # the largest values are all the same
            return self.log_share - (log1p(excess / abs(value)) if excess else 0.0)
        excess /= self.scale
        if self.shape > 1e-6:
            excess = log1p(self.shape * excess) / self.shape
        return self.log_share - excess

    def value_at(self, log_p):
        """Return the value of which `log_p` is the logarithm of the probability."""
        excess = max(0.0, self.log_share - log_p)
        if self.shape > 1e-6:
            excess = expm1(self.shape * excess) / self.shape
        return self.threshold + self.scale * excess


class Memory:
    """The newest values of a statistic, of which large ones are improbable.

    Parameters
    ----------
    capacity : int
        Number of values that are kept.
    shape : float or None, default=None
        The shape of the tail; None is the one that fits.
    """

    def __init__(self, capacity, shape=None):
        self.capacity, self.shape = capacity, shape
        self._order, self._sorted = deque(), []
        self._tail, self._until = None, 0

    def __len__(self):
        return len(self._sorted)

    def copy(self):
        """Return a memory that goes on apart from this one."""
        new = type(self)(self.capacity, self.shape)
        new._order, new._sorted = self._order.copy(), self._sorted.copy()
        new._tail, new._until = self._tail, self._until
        return new

    def add(self, value):
        """Take a value in, and the oldest one out if there are too many."""
        insort(self._sorted, value)
        self._order.append(value)
        if len(self._sorted) > self.capacity:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._until -= 1
        if self._until <= 0 and len(self._sorted) >= LEAST:
            self._tail = Tail.fit(self._sorted, self.shape)
            self._until = len(self._sorted) // RENEWAL

    def log_p(self, value):
        """Return the log of the probability of a value as large; 0 with few values."""
        if self._tail is None:
            return 0.0
        if value > self._tail.threshold:
            return self._tail.log_p(value)
        values = self._sorted
        n_larger = len(values) - bisect_left(values, value)
        return log((n_larger + 1) / (len(values) + 1))

    def clipped(self, value, log_p):
        """Return the value, but no larger than one of the probability `log_p`."""
        return value if self._tail is None else min(value, self._tail.value_at(log_p))

    def get_state(self):
        """Return the values from the oldest on, and how the tail stands."""
        tail = self._tail
        numbers = [0.0] * 4
        if tail is not None:
            numbers = [tail.threshold, tail.scale, tail.shape, tail.log_share]
        return np.array(self._order, dtype=float), np.array([*numbers, self._until])

    def set_state(self, values, numbers):
        """Go on where `get_state` was called."""
        self._order = deque(values.tolist())
        self._sorted = sorted(self._order)
        *tail, until = numbers[:5].tolist()
        self._until = int(until)
        self._tail = Tail(*tail) if len(self._sorted) >= LEAST else None


class TwoSidedMemory:
    """The newest values of a statistic, of which large and small ones are improbable.

    Parameters
    ----------
    capacity : int
    """

    def __init__(self, capacity):
        self.capacity = capacity
        self._above, self._below = Memory(capacity), Memory(capacity)

    def __len__(self):
        return len(self._above)

    def copy(self):
        """Return a memory that goes on apart from this one."""
        new = type(self)(self.capacity)
        new._above, new._below = self._above.copy(), self._below.copy()
        return new

    def add(self, value):
        """Take a value in."""
        self._above.add(value)
        self._below.add(-value)

    def log_p(self, value):
        """Return the log of the probability of a value as far from the middle."""
        smaller = min(self._above.log_p(value), self._below.log_p(-value))
        return min(0.0, smaller + log(2))

    def clipped(self, value, log_p):
        """Return the value, but no farther out than one of the probability `log_p`."""
        value = self._above.clipped(value, log_p)
        return -self._below.clipped(-value, log_p)

    def get_state(self):
        """Return the values from the oldest on, and how both tails stand."""
        values, above = self._above.get_state()
        return values, np.concatenate([above, self._below.get_state()[1]])

    def set_state(self, values, numbers):
        """Go on where `get_state` was called."""
        self._above.set_state(values, numbers[:5])
        self._below.set_state(-values, numbers[5:10])
