"""What all targets have in common."""

from abc import ABC, abstractmethod

__all__ = ["Target"]


class Target(ABC):
    """The meaning of `y`: learned once, and the same in every later call.

    A target never changes; learning makes a new target.

    Attributes
    ----------
    per : {"sequence", "step"}
        Whether each sequence has a target, or each step of it.
    """

    per = "sequence"

    @staticmethod
    @abstractmethod
    def check(y):
        """Return `y` as an array; refuse `y` if it has no clear meaning."""

    @abstractmethod
    def require_same(self, y):
        """Refuse checked targets of another kind than the learned targets."""

    def scaled(self, y, sample_weight, standardize):
        """Return a target with the scale of the training sequences' `y`."""
        return self

    @abstractmethod
    def encode(self, y):
        """Return checked targets in the form that the loss reads."""

    def strata(self, y):
        """Return the class (int) of each target, for a stratified split, or None."""
        return None

    @abstractmethod
    def loss(self):
        """Return the loss for the targets."""

    @abstractmethod
    def outputs(self):
        """Return output functions by method: raw outputs in, a method's result out."""

    def choices(self, method):
        """Return the result of `method` for each output that may be largest, or None.

        A single output has two results: one for values of at most 0, one for others.
        """
        return None

    def affine(self, method):
        """Return (scale, mean, shape) if a result is ``raw * scale + mean``, or None.

        The shape is the shape of one result.
        """
        return None

    @abstractmethod
    def pack(self):
        """Return the target as plain values, by name."""
