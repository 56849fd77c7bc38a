"""What all targets have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from skrnn.inputs.moments import Moments
from skrnn.losses import Loss

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
    def check(y: Any) -> np.ndarray:
        """Return `y` as an array; refuse `y` if it has no clear meaning."""

    @abstractmethod
    def require_same(self, y: np.ndarray) -> None:
        """Refuse checked targets of another kind than the learned targets."""

    def scaled(
        self, y: np.ndarray, sample_weight: np.ndarray | None, standardize: bool
    ) -> "Target":
        """Return a target with the scale of the training sequences' `y`."""
        return self

    def measure(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> Moments | None:
        """Return what `scaled_by` needs to know of checked `y`, None if nothing."""
        return None

    def scaled_by(self, moments: Moments | None) -> "Target":
        """Return what `scaled` returns for targets of which only moments are known."""
        return self

    @property
    def all_labels(self) -> np.ndarray | None:
        """The labels to learn all parts of the targets by, None if there are none."""
        return None

    def joined(self, others: list["Target"]) -> "Target":
        """Return the target of several parts of the data, if these have no labels."""
        return self

    def counts(
        self, y: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return what the classes weigh, (n_columns, n_classes), or None."""
        return None

    @abstractmethod
    def encode(self, y: np.ndarray) -> Any:
        """Return checked targets in the form that the loss reads."""

    def strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return the class (int) of each target, for a stratified split, or None."""
        return None

    @abstractmethod
    def loss(self) -> Loss:
        """Return the loss for the targets."""

    @abstractmethod
    def outputs(self) -> dict[str, Callable]:
        """Return output functions by method: raw outputs in, a method's result out."""

    def choices(self, method: str) -> list[np.ndarray] | None:
        """Return the result of `method` for each output that may be largest, or None.

        A single output has two results: one for values of at most 0, one for others.
        """
        return None

    def affine(self, method: str) -> tuple[np.ndarray, np.ndarray, tuple] | None:
        """Return (scale, mean, shape) if a result is ``raw * scale + mean``, or None.

        The shape is the shape of one result.
        """
        return None

    @abstractmethod
    def pack(self) -> dict[str, Any]:
        """Return the target as plain values, by name."""
