"""Losses of numbers."""

from skrnn import _elementary
from skrnn.losses.base import PointLoss

__all__ = ["SquaredError"]


class SquaredError(PointLoss):
    """Half the squared error, averaged over the targets.

    Parameters
    ----------
    n_targets : int
        Number of targets, each with one output.
    """

    scale_power = 2

    def __init__(self, n_targets):
        self.n_out = n_targets

    def _compute(self, y, raw, weight, gradient):
        return _elementary.squared_loss(y, raw, weight, gradient)
