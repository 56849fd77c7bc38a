"""The linear part of a forecast: ridge regression of the future on a window."""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from skrnn import _windows
from skrnn._recurrence import Linear
from skrnn.forecasting.smoothing import fit_short, is_short
from skrnn.forecasting.windows import BLOCK_WINDOWS, Windows, forget_far

__all__ = [
    "LinearChoice",
    "LinearForecast",
    "Moments",
    "clear_gain",
    "fit_linear",
    "moments_of",
    "regression",
]

# Strengths of the ridge penalty, in units of the mean square of the inputs.
STRENGTHS = (1e3, 1e2, 1e1, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)
TIE_FACTOR = 1.01  # errors within 1 % of the smallest one count as a tie


class LinearForecast:
    """A linear function of the newest values of a window, less the last known one.

    Parameters
    ----------
    weights : ndarray of shape (n_lags, horizon)
        Without lags, the forecast repeats the last known value.
    """

    def __init__(self, weights):
        self.n_lags, self.horizon = weights.shape
        if self.n_lags:
            self.product = Linear(self.n_lags, self.horizon, np.float64)
            self.product.load(weights)

    def forecast(self, window):
        """Return the forecasts, (n_windows, horizon), less the last known value."""
        out = np.zeros((len(window), self.horizon))
        if self.n_lags:
            self.product.forward(window[:, window.shape[1] - self.n_lags :], out)
        return out


class Moments:
    """Sums of products of windows with themselves and with the values after them."""

    def __init__(self, n_lags, horizon):
        self.xx = np.zeros((n_lags, n_lags))
        self.xy = np.zeros((n_lags, horizon))
        self.yy = np.zeros(horizon)
        self.n = 0

    def add(self, x, y):
        """Add rows of x (n_rows, n_lags) and y (n_rows, horizon)."""
        if not len(x):
            return
        for values, total in ((x, self.xx), (y, self.xy)):
            product = Linear(x.shape[1], values.shape[1], np.float64)
            product.backward(x, values, total, None)
        self.yy += np.add.accumulate(y**2, axis=0)[-1]
        self.n += len(x)

    def __add__(self, other):
        total = Moments(*self.xy.shape)
        for name in ("xx", "xy", "yy", "n"):
            setattr(total, name, getattr(self, name) + getattr(other, name))
        return total

    def ridge(self, n_lags, strength):
        """Return the weights of the newest `n_lags` values, (n_lags, horizon)."""
        start = len(self.xx) - n_lags
        a = self.xx[start:, start:].copy()
        b = self.xy[start:].copy()
        mean = math.fsum(np.diagonal(self.xx)) / len(self.xx)
        if not mean > 0:
            return np.zeros_like(b)
        a[np.diag_indices(n_lags)] += strength * mean
        if not _windows.cholesky(a):
            return None
        _windows.solve(a, b)
        return b

    def ridge_around(self, weights, strength):
        """Return the weights of all lags that are near to others, or None."""
        if not weights.any():
            return self.ridge(len(weights), strength)
        rest = Moments(*self.xy.shape)
        rest.xx = self.xx
        rest.xy = self.xy - self._through(weights)
        change = rest.ridge(len(weights), strength)
        return None if change is None else weights + change

    def first_step(self):
        """Return the moments of the first step of the horizon."""
        first = Moments(len(self.xx), 1)
        first.xx, first.n = self.xx, self.n
        first.xy, first.yy = np.ascontiguousarray(self.xy[:, :1]), self.yy[:1]
        return first

    def _through(self, weights):
        """Return the sums of products of the newest values with their forecasts."""
        start = len(self.xx) - len(weights)
        through = np.empty_like(weights)
        product = Linear(len(weights), weights.shape[1], np.float64)
        product.load(np.ascontiguousarray(weights))
        product.forward(np.ascontiguousarray(self.xx[start:, start:]), through)
        return through

    def error(self, weights):
        """Return the sum of squared errors of weights, over all steps."""
        start = len(self.xx) - len(weights)
        through = self._through(weights)
        through -= 2 * self.xy[start:]
        through *= weights
        return math.fsum(self.yy) + math.fsum(map(math.fsum, through))


def moments_of(lines, line, origin, n_lags, horizon, options, weight):
    """Return the `Moments` of windows, each line weighted by `weight` (n_lines,).

    Unknown values are filled in from nearby ones, those of the future too.
    """
    moments = Moments(n_lags, horizon)
    for start in range(0, len(line), BLOCK_WINDOWS):
        part = slice(start, start + BLOCK_WINDOWS)
        windows = Windows.cut(lines, line[part], origin[part], n_lags, options)
        share = weight[line[part]][:, np.newaxis]
        known = np.isfinite(windows.level)[:, np.newaxis]
        x = np.where(known, windows.values * share, 0.0)
        y = lines.future(line[part], origin[part], horizon)
        y -= windows.level[:, np.newaxis]
        if options.robust:
            forget_far(y, windows)
            share = share * _bearing(windows, line[part], weight)
        gaps = np.isnan(y).any(axis=1)
        if gaps.any():
            whole = np.concatenate([windows.values[gaps], y[gaps]], axis=1)
            _windows.fill(whole, options.season)
            y[gaps] = whole[:, n_lags:]
        moments.add(x, np.where(known, y * share, 0.0))
    return moments


def _bearing(windows, line, weight):
    """Return weights (n_windows, 1), less for windows of an unusually large scale."""
    scale = windows.scale * weight[line]
    return (1 / np.maximum(scale, 1.0))[:, np.newaxis]


class LinearChoice(NamedTuple):
    """A linear forecast that was chosen, and how well it did on later windows."""

    n_lags: int
    strength: float
    error: float
    by_fold: list  # weights of each fold
    weights: np.ndarray
    cautious: bool = False  # whether what corrects it must win clearly


def clear_gain(n_forecasts):
    """Return the share by which the error must be below that of the last value.

    With few forecasts that do not overlap, a forecast beats the last value by chance.
    So the fewer there are, the larger the gain must be.
    """
    return min(max(n_forecasts**-0.5, 0.02), 0.1)


def fit_linear(
    lines, line, origin, folds, n_lags, horizon, options, weight, fold_lines=None
):
    """Fit a ridge regression of the future on windows; return a `LinearChoice`.

    The number of lags and the strength of the penalty are those with the smallest error
    on the test windows of the folds. Without folds, all lags are used, with strength 1.
    Of short series, see `fit_short`.
    `fold_lines` are the lines as each complete fold knows them, if these differ.
    """

    def moments(lines):
        return [
            moments_of(lines, line[i], origin[i], n_lags, horizon, options, weight)
            for i in folds.pieces
        ]

    def add(moments):
        return functools.reduce(operator.add, moments)

    pieces = moments(lines)
    by_fold = pieces if fold_lines is None else [moments(each) for each in fold_lines]
    total, sums = add(pieces), folds.combine(by_fold, add)
    last_value = np.zeros((0, horizon))
    last_errors = [math.fsum(test.yy) for _, test in sums]
    keep_last = _Candidate(0, np.inf, sum(last_errors), [last_value] * len(sums))
    gain = clear_gain(sum(test.n for _, test in sums) / horizon) if sums else 0.0
    if is_short(lines.n_rows, options.season):
        found = fit_short(total, sums, options.season, options.centered)
        # Without a season, much of what seems to go on in a random walk is chance.
        if options.season == 1 and found[1] > (1 - gain) * keep_last.error:
            return LinearChoice(*keep_last, last_value, cautious=True)
        return LinearChoice(n_lags, *found, cautious=True)
    # The other candidates must beat the last value, clearly and in each fold.
    if not sums:
        n, strength, error, by_fold = n_lags, 1.0, np.nan, []
    else:
        found = [
            candidate
            for n in sorted({n_lags, -(-2 * n_lags // 3), -(-n_lags // 3)})
            for candidate in _candidates(sums, n, last_errors)
        ]
        least = min((candidate.error for candidate in found), default=np.inf)
        if least > (1 - gain) * keep_last.error:
            found, least = [keep_last], keep_last.error
        # All of the data will afford a longer window than a part of them did.
        n = max(c.n_lags for c in found if c.error <= TIE_FACTOR * least)
        n, strength, error, by_fold = min(
            (c for c in found if c.n_lags == n), key=lambda c: c.error
        )
    weights = total.ridge(n, strength) if n else last_value
    if weights is None:
        weights = last_value
    # If no linear forecast beats the last value, the network must beat it clearly, as
    # on short series, where few later rows may speak for it by chance.
    cautious = not len(weights)
    return LinearChoice(len(weights), strength, error, by_fold, weights, cautious)


class _Candidate(NamedTuple):
    n_lags: int
    strength: float
    error: float  # on the test windows of all folds
    by_fold: list  # weights of each fold


def _candidates(sums, n_lags, last_errors):
    """Yield ridge regressions that beat the last value in each fold.

    Strengths fall. Each candidate is better than those before it.
    """
    best, worse = np.inf, 0
    for strength in STRENGTHS:
        weights = [training.ridge(n_lags, strength) for training, _ in sums]
        if any(w is None for w in weights):
            break
        errors = [test.error(w) for (_, test), w in zip(sums, weights, strict=True)]
        if strength == STRENGTHS[0] or sum(errors) < best:
            best, worse = sum(errors), 0
            if all(e < r for e, r in zip(errors, last_errors, strict=True)):
                yield _Candidate(n_lags, strength, best, weights)
        else:
            worse += 1
        if worse == 2:
            break


def regression(lines, reader, season, stop=None):
    """Regress changes of the targets on changes of the known covariates.

    Changes are those over one step, one season and the horizon. So a covariate that
    does not move explains neither a level nor a trend. With `stop`, only the rows
    before it are looked at.

    Returns
    -------
    coef : ndarray of shape (n_known_future, n_targets)
    """
    x = lines.x[:stop, reader.n_past_only :]
    coef = np.zeros((x.shape[1], len(lines)))
    changes = sorted({1, min(season, len(x) - 1), min(reader.horizon, len(x) - 1)})
    for k in range(len(lines)):
        y = lines.values[lines.begin[k] : lines.stop[k]][:stop]
        moments = Moments(x.shape[1], 1)
        for step in changes:
            dy, dx = y[step:] - y[:-step], x[step:] - x[:-step]
            known = np.isfinite(dy)
            dx, dy = np.ascontiguousarray(dx[known]), dy[known]
            moments.add(dx, dy[:, np.newaxis])
        weights = moments.ridge(x.shape[1], 1e-3)
        if weights is not None:
            coef[:, k] = weights[:, 0]
    return coef
