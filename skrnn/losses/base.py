"""What all losses have in common."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from skrnn.network.layout import Layout
from skrnn.network.parts import Pass

__all__ = ["Loss", "PointLoss"]


class Loss(ABC):
    """A loss of raw outputs: its value and its gradient.

    A loss reads the outputs of the readout, before any link function, so that it is
    exact for outputs of any size. Its value is the weighted mean over the rows. A loss
    does not check its targets: the estimators do.

    Attributes
    ----------
    n_out : int
        Number of outputs.
    out_activation : str
        The function that turns raw outputs into predictions.
    scale_power : int
        Errors that are `a` times as large have a loss ``a**scale_power`` times as
        large.
    """

    n_out: int
    out_activation = "identity"
    scale_power = 1

    def declare(self, layout: Layout) -> None:  # noqa: B027
        """Add the loss's own parameters to a layout, behind those of the network."""

    @abstractmethod
    def value_and_gradient(
        self,
        targets: Any,
        raw: np.ndarray,
        weight: np.ndarray | None = None,
        run: Pass | None = None,
        p: list[np.ndarray] | None = None,
        g: list[np.ndarray] | None = None,
        share: float = 1.0,
    ) -> tuple[float, np.ndarray]:
        """Return ``share`` times the weighted mean of the loss, and its gradient.

        Parameters
        ----------
        targets : ndarray
            In the form that the loss reads, rows in the order of `raw`.
        raw : ndarray of shape (n_rows, n_out), dtype float32 or float64
            Outputs of the network, C-contiguous.
        weight : ndarray of shape (n_rows,), dtype float64, default=None
            Weights; at least one is positive. A row of weight 0 does not count,
            whatever its values are.
        run : Pass or None, default=None
            The pass that made `raw`. It knows which rows belong to one sequence.
        p, g : lists of ndarrays or None, default=None
            All parameters and all gradients, by slot. A loss with parameters of its own
            reads them from `p`, and adds ``share`` times their gradients to `g`.
        share : float, default=1.0

        Returns
        -------
        value : float
        d_raw : ndarray like raw
        """

    def value(
        self,
        targets: Any,
        raw: np.ndarray,
        weight: np.ndarray | None = None,
        run: Pass | None = None,
        p: list[np.ndarray] | None = None,
    ) -> float:
        """Return the weighted mean of the loss."""
        return self.value_and_gradient(targets, raw, weight, run, p)[0]


class PointLoss(Loss):
    """A loss without parameters, where each row counts for itself."""

    def value_and_gradient(
        self,
        targets: Any,
        raw: np.ndarray,
        weight: np.ndarray | None = None,
        run: Pass | None = None,
        p: list[np.ndarray] | None = None,
        g: list[np.ndarray] | None = None,
        share: float = 1.0,
    ) -> tuple[float, np.ndarray]:
        """Return ``share`` times the weighted mean of the loss, and its gradient."""
        if weight is None:
            weight = np.ones(len(targets))
        # The compiled loops do not check their indices.
        if not (
            raw.shape == (len(targets), self.n_out)
            and (targets.ndim == 1 or targets.shape == raw.shape)
            and weight.shape == (len(targets),)
        ):
            raise ValueError(
                f"A loss of {self.n_out} outputs got targets of shape {targets.shape}, "
                f"raw of shape {raw.shape} and weights of shape {weight.shape}."
            )
        d_raw = np.empty_like(raw)
        value = self._compute(targets, raw, weight, d_raw)
        if share != 1.0:
            value, d_raw = share * value, np.multiply(d_raw, share, out=d_raw)
        return value, d_raw

    def replace(
        self,
        targets: np.ndarray,
        wide: np.ndarray,
        weight: np.ndarray,
        share: float = 1.0,
    ) -> float:
        """Turn outputs into their gradient, in place; return ``share`` times the loss.

        Parameters
        ----------
        targets : ndarray
        wide : ndarray of shape (n_rows, width)
            The outputs, in rows that are filled up to a multiple of 16 columns. What
            fills them becomes zero.
        weight : ndarray of shape (n_rows,)
        share : float, default=1.0

        Returns
        -------
        value : float
        """
        raw = np.ascontiguousarray(wide[:, : self.n_out])
        value, d_raw = self.value_and_gradient(targets, raw, weight, share=share)
        wide[:, : self.n_out] = d_raw
        wide[:, self.n_out :] = 0
        return value

    @abstractmethod
    def _compute(
        self,
        targets: np.ndarray,
        raw: np.ndarray,
        weight: np.ndarray,
        d_raw: np.ndarray,
    ) -> float:
        """Return the weighted mean of the loss; write its gradient to `d_raw`."""
