"""Series without a value: what covariates tell of the level of a series.

A series that begins has no level to go on from. What is known of it, such as its kind
or its price, was known of the series of `fit`, too. A ridge regression of all their
values on these covariates forecasts it. How far off such forecasts are is tested on
series that the regression has not seen.
"""

import math
from typing import NamedTuple

import numpy as np

from skrnn.forecasting.calibration import LEVELS, error_quantiles, small_sample
from skrnn.forecasting.linear import Moments
from skrnn.forecasting.logarithms import inward, outward
from skrnn.forecasting.windows import thinned

__all__ = ["LEAST_SERIES", "ColdStart", "fit_cold"]

LEAST_SERIES = 3  # that tell how much series differ
MOST_FOLDS = 5
MOST_ROWS = 200  # of each series, evenly thinned
# Penalties in units of the mean square of the covariates; inf is the mean alone.
STRENGTHS = (np.inf, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)


class ColdStart(NamedTuple):
    """How series without a value are forecast.

    Parameters
    ----------
    coef : ndarray of shape (1 + n_columns, n_targets)
        The mean, and the effects of known covariates and of the calendar.
    center : ndarray of shape (n_columns,)
        The means of these columns.
    errors : ndarray of shape (n_targets, n_levels)
        Quantiles of the errors of unseen series.
    floor : ndarray of shape (n_targets,)
        Below which logarithms go on as a straight line; 0 if a target has none.
    """

    coef: np.ndarray
    center: np.ndarray
    errors: np.ndarray
    floor: np.ndarray

    def forecast(self, columns):
        """Return forecasts (n_rows, n_targets) by columns (n_rows, n_columns)."""
        logs = _predicted(columns - self.center, self.coef)
        return np.column_stack(
            [outward(z, floor) for z, floor in zip(logs.T, self.floor, strict=True)]
        )

    def quantiles(self, middle, levels):
        """Return quantiles (..., n_targets, n_levels) about (..., n_targets)."""
        out = np.empty((*middle.shape, len(levels)))
        for k, floor in enumerate(self.floor):
            error = np.interp(levels, LEVELS, self.errors[k])
            logs = inward(middle[..., k], floor)
            out[..., k, :] = outward(logs[..., np.newaxis] + error, floor)
        return out


def _predicted(centered, coef):
    # Term by term, so that a row has the same bits whatever rows are beside it.
    out = np.repeat(coef[:1], len(centered), axis=0)
    for column, effect in zip(centered.T, coef[1:], strict=True):
        out += column[:, np.newaxis] * effect
    return out


def fit_cold(tables):
    """Learn to forecast series without a value.

    Parameters
    ----------
    tables : list of (y, columns)
        Of each series, targets (n_rows, n_targets), NaN where unknown, and what is
        known of the future beside them (n_rows, n_columns).

    Returns
    -------
    cold : ColdStart or None
        None if too few series have values of a target.
    """
    n_targets, n_columns = tables[0][0].shape[1], tables[0][1].shape[1]
    means = [columns.mean(axis=0) for _, columns in tables if len(columns)]
    center = np.array(
        [math.fsum(column) / len(means) for column in zip(*means, strict=True)]
    )
    coef = np.zeros((1 + n_columns, n_targets))
    errors, floors = np.zeros((n_targets, len(LEVELS))), np.zeros(n_targets)
    for k in range(n_targets):
        parts = []
        for y, columns in tables:
            known = thinned(np.flatnonzero(np.isfinite(y[:, k])), MOST_ROWS)
            if len(known):
                parts.append((y[known, k], columns[known] - center))
        if len(parts) < LEAST_SERIES:
            return None
        coef[:, k], errors[k], floors[k] = _fit_target(parts)
    return ColdStart(coef, center, errors, floors)


def _fit_target(parts):
    """Return coefficients, quantiles of errors and the floor, of one target."""
    least = min(float(y.min()) for y, _ in parts)
    best = None
    for floor in (0.0, least / 2) if least > 0 else (0.0,):
        logs = [(inward(y, floor), x) for y, x in parts]
        found = _tested(logs)
        for strength, errors in found.items():
            total = math.fsum(
                _outside(y, z, error, floor)
                for (y, _), (z, _), error in zip(parts, logs, errors, strict=True)
            )
            if best is None or total < best[0]:
                best = total, floor, strength, errors, logs
    _, floor, strength, errors, logs = best
    error = np.concatenate([_spaced(each) for each in errors])
    both = np.concatenate([error, -error])[:, np.newaxis]
    group = np.zeros(len(both), dtype=np.intp)
    quantiles = error_quantiles(both, group, 1)[0, 0] * small_sample(len(parts) - 1)
    return _ridge(logs, strength), quantiles, floor


def _spaced(values):
    """Return as many values of each series, so that all count the same."""
    return values[np.arange(MOST_ROWS) * len(values) // MOST_ROWS]


def _outside(y, z, error, floor):
    """Return the mean absolute error of one series in units of its targets."""
    found = np.abs(y - outward(z - error, floor))
    return math.fsum(found) / len(found)


def _tested(parts):
    """Return errors of each series by regressions of others, by strength."""
    n_folds = min(len(parts), MOST_FOLDS)
    found = {strength: [None] * len(parts) for strength in STRENGTHS}
    for fold in range(n_folds):
        training = [part for i, part in enumerate(parts) if i % n_folds != fold]
        for strength in STRENGTHS:
            coef = _ridge(training, strength)
            for i in range(fold, len(parts), n_folds):
                y, x = parts[i]
                found[strength][i] = y - _predicted(x, coef[:, np.newaxis])[:, 0]
    return found


def _ridge(parts, strength):
    """Return the mean and the effects (1 + n_columns,); each series counts the same."""
    n_columns = parts[0][1].shape[1]
    mean = math.fsum(math.fsum(y) / len(y) for y, _ in parts) / len(parts)
    out = np.zeros(1 + n_columns)
    out[0] = mean
    if strength == np.inf or not n_columns:
        return out
    moments = Moments(n_columns + 1, 1)
    for y, x in parts:
        share = len(y) ** -0.5
        rows = np.column_stack([np.ones(len(y)), x]) * share
        moments.add(np.ascontiguousarray(rows), ((y - mean) * share)[:, np.newaxis])
    weights = moments.ridge(n_columns + 1, strength)
    if weights is not None:
        out[1:] = weights[1:, 0]
        out[0] += weights[0, 0]
    return out
