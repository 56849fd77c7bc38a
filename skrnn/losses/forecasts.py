"""Losses of forecasts, of which some steps are known."""

from abc import abstractmethod

import numpy as np

from skrnn import _elementary
from skrnn.losses.base import Loss

__all__ = [
    "FORECAST_LOSSES",
    "ForecastAbsoluteError",
    "ForecastQuantileLoss",
    "ForecastSquaredError",
    "make_forecast_loss",
]


class _ForecastLoss(Loss):
    """Loss of forecasts, of which some are known: the mean over the known steps.

    Parameters
    ----------
    horizon : int
        Steps of a forecast; targets are (n_windows, horizon), NaN where unknown.

    Attributes
    ----------
    learns_quantiles : bool
        Whether the loss is made with quantiles.
    bears_wild : bool
        Whether a few wild values shall count for nothing.
    quantiles : ndarray or None
        The quantiles that a network learns, None if it learns one value for each step.
    middle : int
        The number of the quantile that is taken for the forecast.
    """

    learns_quantiles = False
    bears_wild = False
    quantiles = None
    middle = 0

    def __init__(self, horizon):
        self.horizon = self.n_out = horizon

    def value_and_gradient(
        self, targets, raw, weight=None, run=None, p=None, g=None, share=1.0
    ):
        """Return ``share`` times the weighted mean of the loss, and its gradient.

        Parameters
        ----------
        targets : ndarray of shape (n_windows, horizon), dtype float64
        raw : ndarray of shape (n_windows, n_out), dtype float32 or float64
        weight : ndarray of shape (n_windows,), dtype float64
        run, p, g : None
        share : float, default=1.0

        Returns
        -------
        value : float
        d_raw : ndarray like raw
        """
        known = ~np.isnan(targets)
        n_known = np.maximum(known.sum(axis=1), 1)
        total = _elementary.total_weight(weight)
        step_weight = np.divide(weight, n_known) / (total if total > 0 else 1.0)
        # Whether all of it is finite is looked at where it is used.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradient = self.pointwise(
                np.where(known, targets, 0.0), raw.astype(float)
            )
        value = float(_ordered_sum(step_weight * _ordered_sum((loss * known).T)))
        factor = known * step_weight[:, np.newaxis]
        gradient *= factor if gradient.ndim == 2 else factor[..., np.newaxis]
        d_raw = gradient.reshape(raw.shape).astype(raw.dtype)
        if share != 1.0:
            value, d_raw = share * value, np.multiply(d_raw, share, out=d_raw)
        return value, d_raw

    @abstractmethod
    def pointwise(self, y, raw):
        """Return the loss of each step and its derivative."""

    def forecast(self, raw):
        """Return what a network's outputs mean, (n_windows, horizon[, n_quantiles])."""
        return raw

    def of_forecasts(self, y, forecast):
        """Return the loss of each step, for forecasts in place of raw outputs."""
        return self.pointwise(y, forecast)[0]


def _ordered_sum(values):
    # One after the other along the first axis, on every machine.
    return np.add.accumulate(values, axis=0)[-1]


class ForecastSquaredError(_ForecastLoss):
    """Half the squared error."""

    scale_power = 2

    def pointwise(self, y, raw):
        """Return the loss of each step and its derivative."""
        error = raw - y
        return 0.5 * error**2, error


class ForecastAbsoluteError(_ForecastLoss):
    """The absolute error, whose best forecast is the median."""

    bears_wild = True

    def pointwise(self, y, raw):
        """Return the loss of each step and its derivative."""
        error = raw - y
        return np.abs(error), np.sign(error)


class ForecastQuantileLoss(_ForecastLoss):
    """The mean pinball loss of several quantiles that never cross.

    The quantile nearest to the median is an output; from one quantile to the next
    outwards it is a positive function of an output, ``(x + sqrt(x**2 + 1)) / 2``.

    Parameters
    ----------
    horizon : int
    quantiles : sequence of float
        In increasing order.
    """

    learns_quantiles = True

    def __init__(self, horizon, quantiles):
        self.horizon = horizon
        self.quantiles = np.asarray(quantiles, dtype=float)
        self.n_out = horizon * len(self.quantiles)
        self.middle = int(np.argmin(np.abs(self.quantiles - 0.5)))

    def forecast(self, raw):
        """Return the quantiles, (n_windows, horizon, n_quantiles)."""
        raw = raw.reshape(len(raw), self.horizon, -1)
        with np.errstate(over="ignore"):  # looked at by whoever uses it
            step = (raw + np.sqrt(raw**2 + 1)) / 2
        out = np.empty(raw.shape)
        out[..., self.middle] = raw[..., self.middle]
        for q in range(self.middle + 1, raw.shape[-1]):
            out[..., q] = out[..., q - 1] + step[..., q]
        for q in range(self.middle - 1, -1, -1):
            out[..., q] = out[..., q + 1] - step[..., q]
        return out

    def of_forecasts(self, y, forecast):
        """Return the loss of each step, for forecasts in place of raw outputs."""
        error = y[..., np.newaxis] - forecast
        q = self.quantiles
        return np.maximum(q * error, (q - 1) * error).mean(axis=-1)

    def pointwise(self, y, raw):
        """Return the loss of each step and its derivative."""
        forecast = self.forecast(raw)
        error = y[..., np.newaxis] - forecast
        loss = np.maximum(self.quantiles * error, (self.quantiles - 1) * error)
        d = np.where(error > 0, -self.quantiles, 1 - self.quantiles)
        d = np.where(error == 0, 0.0, d) / len(self.quantiles)
        raw = raw.reshape(forecast.shape)
        slope = (1 + raw / np.sqrt(raw**2 + 1)) / 2
        gradient = np.empty(raw.shape)
        outwards = np.add.accumulate(d[..., :0:-1], axis=-1)[..., ::-1]
        inwards = np.add.accumulate(d[..., :-1], axis=-1)
        gradient[..., self.middle] = np.add.accumulate(d, axis=-1)[..., -1]
        for q in range(self.middle + 1, raw.shape[-1]):
            gradient[..., q] = outwards[..., q - 1] * slope[..., q]
        for q in range(self.middle):
            gradient[..., q] = -inwards[..., q] * slope[..., q]
        return np.add.accumulate(loss, axis=-1)[..., -1] / len(self.quantiles), gradient


FORECAST_LOSSES = {
    "squared_error": ForecastSquaredError,
    "absolute_error": ForecastAbsoluteError,
    "quantile": ForecastQuantileLoss,
}


def make_forecast_loss(name, horizon, quantiles=None):
    """Return a loss of forecasts by its name in `FORECAST_LOSSES`."""
    options = () if quantiles is None else (quantiles,)
    return FORECAST_LOSSES[name](horizon, *options)
