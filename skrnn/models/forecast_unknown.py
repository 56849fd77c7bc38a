"""Covariates that are unknown in rows to forecast, and what is forecast there.

Such rows are forecast from the targets alone, by a linear forecast that was fitted
without covariates. So a covariate that is missing never makes a forecast worse than one
that never had it.
"""

from dataclasses import replace

import numpy as np

__all__ = [
    "carried",
    "merged",
    "unclear_origins",
    "unclear_rows",
    "without_covariates",
]

# A covariate with less than this share of the effect is read as its last known value.
MINOR_SHARE = 0.01
# A column with a smaller share of known values in `fit` is one that is unknown as a
# rule, such as the price of a promotion: unknown is then a value like others.
USUAL_SHARE = 0.5


def _usually_known(model):
    """Say of each covariate whether it changes and is known as a rule."""
    known = np.zeros(model.schema.n_covariates)
    n_rows = 0
    for series in model.history:
        x = series.x[: series.n_past]
        known += np.count_nonzero(~np.isnan(x), axis=0)
        n_rows += len(x)
    return (known >= USUAL_SHARE * n_rows) & model.schema.changing


def unclear_rows(model, x, past=False):
    """Say of rows of covariates whether what is unknown in them would count.

    Parameters
    ----------
    model : ForecastModel
    x : ndarray of shape (n_rows, n_covariates)
        Not standardised; NaN is unknown.
    past : bool, default=False
        Whether the columns count, too, that are known of the past only.

    Returns
    -------
    unclear : ndarray of shape (n_rows,), bool
    """
    first = 0 if past else model.reader.n_past_only
    unknown = np.isnan(x[:, first:])
    if not unknown.any():
        return np.zeros(len(x), dtype=bool)
    unknown &= _usually_known(model)[first:]
    if model.coef is None:
        trusted = model.gate is not None and model.gate.any()
        return unknown.any(axis=1) if trusted else np.zeros(len(x), dtype=bool)
    weight = (model.coef**2).sum(axis=1)
    unknown = unknown[:, unknown.shape[1] - len(weight) :]
    share = np.where(unknown, weight, 0.0).sum(axis=1)
    return share > MINOR_SHARE * weight.sum()


def carried(x):
    """Return rows of covariates with their last known value where they are unknown."""
    row = np.arange(len(x))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(np.isnan(x), -1, row), axis=0)
    found = np.take_along_axis(x, np.maximum(last, 0), axis=0)
    return np.where(last >= 0, found, np.nan)


def unclear_origins(model, series, origins):
    """Say of origins whether the covariates of most known targets before are unknown.

    Parameters
    ----------
    model : ForecastModel
    series : Series
    origins : ndarray of shape (n_origins,)

    Returns
    -------
    unclear : ndarray of shape (n_origins,), bool
    """
    n_past = min(int(origins.max(initial=0)), len(series.y))
    unclear = unclear_rows(model, series.x[:n_past], past=True)
    if not unclear.any():
        return np.zeros(len(origins), dtype=bool)
    known = np.isfinite(series.y[:n_past]).any(axis=1)
    counts = np.zeros((2, n_past + 1), dtype=np.intp)
    counts[:, 1:] = np.cumsum([known, known & unclear], axis=1)
    end = np.minimum(origins, n_past)
    n_known, n_unclear = (
        counts[:, end] - counts[:, np.maximum(end - model.reader.window, 0)]
    )
    return 2 * n_unclear > n_known


def merged(forecast, other, unclear, quantiles):
    """Return a forecast with the rows of another one where covariates are unclear.

    Parameters
    ----------
    forecast, other : Forecast
    unclear : ndarray of shape (n_series, n_rows), bool
    quantiles : ndarray or None
        The quantiles of `other`, if `forecast` has learned some.

    Returns
    -------
    forecast : Forecast
    """
    middle = np.where(unclear[..., np.newaxis], other.middle, forecast.middle)
    spread = np.where(unclear[..., np.newaxis], other.spread, forecast.spread)
    if quantiles is not None:
        where = unclear[..., np.newaxis, np.newaxis]
        quantiles = np.where(where, quantiles, forecast.quantiles)
    changes = {"middle": middle, "quantiles": quantiles, "spread": spread}
    return forecast._replace(**changes, unclear=unclear)


def without_covariates(model):
    """Return the model that forecasts targets from their own past alone."""
    weights, errors = model.plain_weights, model.plain_errors
    return replace(
        model,
        coef=None,
        linear_weights=model.linear_weights if weights is None else weights,
        errors=model.errors if errors is None else errors,
        gate=np.zeros_like(model.gate),
        cold=None,
        home=model.home if weights is None else model.plain_home,
        _idle=type(model._idle)(),
    )
