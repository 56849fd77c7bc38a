"""Losses of numbers."""

import numpy as np

from skrnn import _elementary
from skrnn.losses.base import PointLoss

__all__ = ["SquaredError", "StepAbsoluteError", "StepSquaredError"]


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


class StepSquaredError(SquaredError):
    """Half the squared error of one number per step; a step of weight 0 has none."""

    def __init__(self):
        super().__init__(1)


class StepAbsoluteError(PointLoss):
    """The absolute error of one number per step, whose best value is the median."""

    n_out = 1

    def _compute(self, y, raw, weight, gradient):
        error = np.where(weight > 0, raw.astype(np.float64) - y, 0.0)[:, 0]
        share = weight / _elementary.total_weight(weight)
        gradient[:, 0] = share * np.sign(error)
        return float(np.add.accumulate(share * np.abs(error))[-1])
