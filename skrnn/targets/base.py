"""What all targets have in common."""

from abc import ABC, abstractmethod

__all__ = ["Target"]


class Target(ABC):
    """What `y` means: learned once, and the same in every later call.

    A target never changes; what it learns makes a new one.

    Attributes
    ----------
    per : {"sequence", "step"}
        What has a target: each sequence, or each step of it.
    """

    per = "sequence"

    @staticmethod
    @abstractmethod
    def check(y):
        """Return `y` as an array of what the user means, and refuse the rest."""

    @abstractmethod
    def require_same(self, y):
        """Refuse checked targets of another kind than those that were learned."""

    def scaled(self, y, sample_weight, standardize):
        """Return the target with the scale of the training sequences' `y`."""
        return self

    @abstractmethod
    def encode(self, y):
        """Return checked targets as the loss wants them."""

    def strata(self, y):
        """Return the classes (int) whose shares an inner split keeps, or None."""
        return None

    @abstractmethod
    def loss(self):
        """Return the loss for the targets."""

    @abstractmethod
    def outputs(self):
        """Return, by method, the function that makes its result of raw outputs."""

    def choices(self, method):
        """Return the results of `method` by which output is the largest, or None.

        A single output has two results: for a value of at most 0, and for others.
        """
        return None

    def affine(self, method):
        """Return (scale, mean, shape) if a result is ``raw * scale + mean``, or None.

        The shape is that of one result.
        """
        return None

    @abstractmethod
    def pack(self):
        """Return the target as plain values, by the names of its `FIELDS`."""
