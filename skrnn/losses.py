"""Losses of raw outputs: their values, gradients and probabilities.

A loss sees what the network's head gives, before any link function, so that it is
exact for outputs of any size. Its value is the weighted mean over sequences, and its
gradient is the gradient of that mean. All arithmetic is in double; a probability
depends on its own row and on nothing else. Values are trusted: the estimators check.
"""

import numpy as np

from skrnn import _elementary


class _Loss:
    def value(self, y, raw, sample_weight=None):
        """Return the weighted mean of the loss."""
        return self.value_and_gradient(y, raw, sample_weight)[0]

    def value_and_gradient(self, y, raw, sample_weight=None, gradient=None):
        """Return the weighted mean of the loss and its gradient with respect to raw.

        Parameters
        ----------
        y : ndarray of shape (n_seqs,), dtype intp, or (n_seqs, n_out), dtype float64
            Indices of classes for `LogLoss`, else a matrix; C-contiguous.
        raw : ndarray of shape (n_seqs, n_out), dtype float32 or float64
            Outputs of the network, C-contiguous.
        sample_weight : ndarray of shape (n_seqs,), dtype float64, default=None
            Weights, of which one at least is positive. A row of weight 0 does not
            count, whatever is in it.
        gradient : ndarray like raw, default=None
            Where to put the gradient.

        Returns
        -------
        value : float
        gradient : ndarray like raw
        """
        if sample_weight is None:
            sample_weight = np.ones(len(y))
        if gradient is None:
            gradient = np.empty_like(raw)
        # The compiled loops index without looking.
        if not (
            raw.shape == gradient.shape == (len(y), self.n_out)
            and (y.ndim == 1 or y.shape == raw.shape)
            and sample_weight.shape == (len(y),)
        ):
            raise ValueError(
                f"A loss of {self.n_out} outputs got y of shape {y.shape}, raw of "
                f"shape {raw.shape}, sample_weight of shape {sample_weight.shape} and "
                f"gradient of shape {gradient.shape}."
            )
        return self._compute(y, raw, sample_weight, gradient), gradient


class _LogLoss(_Loss):
    def predict_proba(self, raw):
        """Return the probabilities of the classes or labels, in float64."""
        return self._predict(raw, logarithm=False)

    def predict_log_proba(self, raw):
        """Return the logarithms of the probabilities, finite where raw is finite."""
        return self._predict(raw, logarithm=True)


class LogLoss(_LogLoss):
    """Log loss of class indices.

    Two classes have one output, the log-odds of the second; more have one output each.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    """

    def __init__(self, n_classes):
        if n_classes < 2:
            raise ValueError(f"LogLoss needs at least 2 classes, got {n_classes}.")
        self.n_classes = n_classes
        self.n_out = n_classes if n_classes > 2 else 1
        self.out_activation = "softmax" if n_classes > 2 else "logistic"

    def _compute(self, y, raw, weight, gradient):
        if self.n_out == 1:
            y = y.astype(np.float64)[:, np.newaxis]
            return _elementary.logistic_loss(y, raw, weight, gradient)
        scratch = np.empty(self.n_classes)
        return _elementary.multinomial_loss(y, raw, weight, gradient, scratch)

    def _predict(self, raw, logarithm):
        out = np.empty((len(raw), self.n_classes))
        if self.n_out == 1:
            _elementary.expit(raw, -1.0, out[:, :1], logarithm)
            _elementary.expit(raw, 1.0, out[:, 1:], logarithm)
        else:
            _elementary.softmax(raw, out, logarithm)
        return out


class MultilabelLogLoss(_LogLoss):
    """Log loss of each label of an indicator matrix, summed over the labels.

    Parameters
    ----------
    n_labels : int
        Number of labels, each with one output: its log-odds.
    """

    out_activation = "logistic"

    def __init__(self, n_labels):
        self.n_out = n_labels

    def _compute(self, y, raw, weight, gradient):
        return _elementary.logistic_loss(y, raw, weight, gradient)

    def _predict(self, raw, logarithm):
        out = np.empty(raw.shape)
        _elementary.expit(raw, 1.0, out, logarithm)
        return out


class SquaredError(_Loss):
    """Half the squared error, averaged over the targets.

    Parameters
    ----------
    n_targets : int
        Number of targets, each with one output.
    """

    out_activation = "identity"

    def __init__(self, n_targets):
        self.n_out = n_targets

    def _compute(self, y, raw, weight, gradient):
        return _elementary.squared_loss(y, raw, weight, gradient)


class _ForecastLoss:
    """Loss of forecasts, of which some are known: the mean over the known steps.

    Parameters
    ----------
    horizon : int
        Steps of a forecast; targets are (n_windows, horizon), NaN where unknown.
    """

    def __init__(self, horizon):
        self.horizon = self.n_out = horizon

    def value(self, y, raw, sample_weight):
        """Return the weighted mean of the loss."""
        return self.value_and_gradient(y, raw, sample_weight)[0]

    def value_and_gradient(self, y, raw, sample_weight):
        """Return the weighted mean of the loss, and its gradient with respect to raw.

        Parameters
        ----------
        y : ndarray of shape (n_windows, horizon), dtype float64
        raw : ndarray of shape (n_windows, n_out), dtype float32 or float64
        sample_weight : ndarray of shape (n_windows,), dtype float64

        Returns
        -------
        value : float
        gradient : ndarray like raw
        """
        known = ~np.isnan(y)
        n_known = np.maximum(known.sum(axis=1), 1)
        total = _elementary.total_weight(sample_weight)
        share = np.divide(sample_weight, n_known) / (total if total > 0 else 1.0)
        # Whether all of it is finite is looked at where it is used.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradient = self.pointwise(np.where(known, y, 0.0), raw.astype(float))
        value = float(_ordered_sum(share * _ordered_sum((loss * known).T)))
        share = known * share[:, np.newaxis]
        gradient *= share if gradient.ndim == 2 else share[..., np.newaxis]
        return value, gradient.reshape(raw.shape).astype(raw.dtype)

    def forecast(self, raw):
        """Return what a network's outputs mean, (n_windows, horizon[, n_quantiles])."""
        return raw


def _ordered_sum(values):
    # One after the other along the first axis, on every machine.
    return np.add.accumulate(values, axis=0)[-1]


class ForecastSquaredError(_ForecastLoss):
    """Half the squared error."""

    def pointwise(self, y, raw):
        """Return the loss of each step and its derivative."""
        error = raw - y
        return 0.5 * error**2, error


class ForecastAbsoluteError(_ForecastLoss):
    """The absolute error, whose best forecast is the median."""

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
