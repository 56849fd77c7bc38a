"""The linear part of short series: averages of forecasts that are safe and learned.

A short series has too few windows to learn a weight for each lag and step from. But
exponential smoothing, with a trend and a season or without, is a linear function of a
window, too, and has few parameters. Here it is the best linear forecast of a sum of
four processes: noise, a level that wanders or returns, a trend that fades, and a season
that changes, or a wave. What is known of later windows says how much each counts. Ridge
regression then learns what the windows say beyond that. All of this is one matrix of
weights in the end.
"""

import functools
import math

import numpy as np

from skrnn import _windows
from skrnn._elementary import exp, log

__all__ = [
    "MAX_ROWS",
    "MAX_SEASON",
    "fit_short",
    "forecasts_of",
    "from_forecasts",
    "is_short",
    "likelihoods",
    "smoothing_weights",
]

MAX_ROWS = 1_500  # of a short series
MAX_SEASON = 31  # longer seasons are not seen twice by the newest values
MAX_LAGS = 64  # that smoothing looks back on, or so many seasons
LAGS_IN_SEASONS = 5
MAX_HISTORY = 96  # newest rows of a line that tell how likely a process is
MAX_HISTORIES = 12  # lines that tell; more are thinned out evenly
# The processes, in units of the variance of the noise. A level takes a step of this
# variance each row, or returns: (how much of it is left a row later, its variance).
LEVELS = (1e-4, 0.03, 0.3, 2.0, 10.0, 100.0)
RETURNING = tuple((left, v) for left in (0.5, 0.8, 0.95) for v in (0.5, 3.0, 20.0))
# (how much of a trend is left a row later, variance of the trend)
STEADY, FASTER = (1.0, 0.03), (1.0, 1.0)
FADING = tuple((left, v) for left in (0.8, 0.9, 0.98) for v in (0.1, 1.0, 10.0, 100.0))
NO_TREND = (0.0, 0.0)
# (how much of a season is left a season later, variance of the season)
SEASONS = ((0.999, 4.0), (0.999, 100.0), (0.95, 30.0))
# Waves of 4, 5, 6, 8, 10, 12 and 16 rows, in series without a season: the cosine of the
# angle of a row. (How much of a wave is left a row later, its variance.)
COSINES = (0.0, 0.309017, 0.5, 0.707107, 0.809017, 0.866025, 0.92388)
WAVES = tuple((left, v) for left in (0.9, 0.98) for v in (3.0, 30.0))
LEVELS_OF_WAVES = (0.03, 2.0)
# Logarithms of how much each trend that fades and each wave counts at first. There are
# many of them, and most series without a season are simpler.
FADING_TRUST, WAVE_TRUST = -1.0, -3.0
ANY_LEVEL = 1e5  # variance of the first level, about which nothing is known
# How much the likelihood of processes counts. No process is the true one, so that the
# whole likelihood would be too sure.
LIKELIHOOD_TRUST = 0.4
# How much a forecast counts that does not overlap with others, when smoothing is
# chosen. By likelihood it would be 1 for each step, if errors of the steps were
# independent.
SMOOTHING_TRUST = 1.5
# The same when smoothing is compared with regressions, of which some win by chance if
# forecasts are few: the least, the most, and how many forecasts are few.
REGRESSION_TRUST, FEW_FORECASTS = (1.0, 2.0), 4.0
# How much smoothing counts at first, where all regressions together count 1, if
# forecasts are few and if they are many.
FIRST_TRUST = 10.0, 1.0
STRENGTHS = (1e3, 1e2, 1e1, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)
SHARES = (0.5, 1.0)  # of a forecast from forecasts
LARGEST_WEIGHT = 10.0  # of a forecast from forecasts that does not explode


def is_short(n_rows, season):
    """Say whether series, with these numbers of rows, are forecast as short ones."""
    return int(np.max(n_rows)) <= MAX_ROWS and season <= MAX_SEASON


def _powers(base, n):
    """Return base**0 ... base**(n - 1), the same on all machines."""
    factors = np.full(n, base)
    factors[0] = 1.0
    return np.multiply.accumulate(factors)


def _covariances(n, season):
    """Yield covariances (n, n) of n consecutive values, one for each process."""
    row = np.arange(n)
    apart = np.abs(row[:, np.newaxis] - row)
    wandering = np.minimum(row[:, np.newaxis], row) + 1.0
    levels = [step * wandering for step in LEVELS]
    returning = [variance * _powers(left, n)[apart] for left, variance in RETURNING]
    trends = {trend: _trend(*trend, apart) for trend in (NO_TREND, STEADY)}
    slow = [ANY_LEVEL + trend for trend in trends.values()]
    trends |= {trend: _trend(*trend, apart) for trend in (FASTER, *FADING)}
    for repeated in _seasons(n, season, apart):
        for trend in trends.values():
            for level in levels:
                yield ANY_LEVEL + repeated + trend + level
        for rest in slow:
            for level in returning:
                yield rest + repeated + level
    for wave in _waves(n, apart) if season == 1 else ():
        for rest in slow:
            for step in LEVELS_OF_WAVES:
                yield rest + wave + step * wandering


def _trend(left, variance, apart):
    trend = variance * _powers(left, len(apart))[apart]
    return np.add.accumulate(np.add.accumulate(trend, axis=0), axis=1)


def _seasons(n, season, apart):
    """Return covariances of seasons, and of none."""
    seasons = [np.zeros((n, n))]
    if season > 1:
        same = (apart % season == 0) - 1 / season
        for left, variance in SEASONS:
            # Powers of whole seasons, and lines between them.
            powers = _powers(left, n // season + 2)
            part = apart % season / season
            near = powers[apart // season]
            near = near + part * (powers[apart // season + 1] - near)
            seasons.append(variance * near * same)
    return seasons


def _waves(n, apart):
    """Yield covariances of waves."""
    for cosine in COSINES:
        wave = np.ones(max(n, 2))
        wave[1] = cosine
        for i in range(2, n):
            wave[i] = 2 * cosine * wave[i - 1] - wave[i - 2]
        for left, variance in WAVES:
            yield variance * (_powers(left, n) * wave[:n])[apart]


@functools.lru_cache(maxsize=4)
def smoothing_weights(n_lags, horizon, season):
    """Return weights of smoothing: best linear forecasts of some processes.

    Parameters
    ----------
    n_lags, horizon, season : int

    Returns
    -------
    weights : list of ndarray of shape (n_lags, horizon)
        The weights of each step sum to 1.
    """
    found = []
    for covariance in _covariances(n_lags + horizon, season):
        factor = np.ascontiguousarray(covariance[:n_lags, :n_lags])
        factor[np.diag_indices(n_lags)] += 1.0
        weights = np.ascontiguousarray(covariance[:n_lags, n_lags:])
        _factored(factor)
        _windows.solve(factor, weights)
        weights /= np.add.accumulate(weights, axis=0)[-1]
        weights.flags.writeable = False
        found.append(weights)
    return found


def _factored(covariance):
    """Replace covariances by their Cholesky factor."""
    if not _windows.cholesky(covariance):
        raise ArithmeticError("covariances of values are not positive definite.")


def likelihoods(histories, season):
    """Return logarithms of how likely each process makes some histories.

    A history's first value and the variance of its noise are not known: it is the
    likelihood of all other values, for the variance that makes it largest.

    Parameters
    ----------
    histories : list of ndarray of shape (n_rows,)
    season : int

    Returns
    -------
    found : ndarray of shape (n_histories, n_processes)
        Less a constant of each history.
    """
    sizes = [len(y) for y in histories]
    n = max(sizes)
    values = np.zeros((n, len(sizes)))
    for k, y in enumerate(histories):
        values[: len(y), k] = y - y[0]
    least = [1e-9 * math.fsum(column**2) for column in values.T]
    found = []
    for covariance in _covariances(n, season):
        covariance[np.diag_indices(n)] += 1.0
        _factored(covariance)
        white = values.copy()
        _windows.whiten(covariance, white)
        square = np.add.accumulate(white**2, axis=0)
        size = np.add.accumulate([log(pivot) for pivot in np.diagonal(covariance)])
        found.append(
            [
                size[0] - size[m - 1] - 0.5 * (m - 1) * log(max(square[m - 1, k], low))
                if low > 0
                else 0.0
                for k, (m, low) in enumerate(zip(sizes, least, strict=True))
            ]
        )
    return np.array(found).T


def _at_first(n_processes, season):
    """Return how much each process counts at first, in logarithms."""
    out = np.zeros(n_processes)
    if season == 1:
        start, n = 3 * len(LEVELS), len(LEVELS)
        out[start : start + len(FADING) * n] = FADING_TRUST
        out[start + len(FADING) * n + 2 * len(RETURNING) :] = WAVE_TRUST
    return out


def _shares(errors, n_forecasts, evidence=0.0):
    """Return how much each of some forecasts counts, by the errors on like windows.

    `evidence` is what else speaks for each, in logarithms.
    """
    least = max(min(errors), 1e-300)
    powers = np.array(
        [-0.5 * n_forecasts * log(max(error, least) / least) for error in errors]
    )
    powers += evidence
    powers -= powers.max()
    shares = np.array([exp(power) for power in powers])
    return shares / math.fsum(shares)


def _average(shares, weights):
    total = np.zeros_like(weights[0])
    for share, each in zip(shares, weights, strict=True):
        total += share * each
    return total


def _n_forecasts(moments):
    """Return the number of forecasts that do not overlap."""
    horizon = len(moments.yy)
    return (moments.n + horizon - 1) / horizon


def _error(moments, weights):
    # Rounding may make of a small error a negative one.
    return max(moments.error(weights), 1e-9 * math.fsum(moments.yy))


def _smoothing(moments, season, evidence):
    """Return the average of all smoothing, as windows and the likelihood say."""
    n_lags, horizon = moments.xy.shape
    n = min(n_lags, max(MAX_LAGS, LAGS_IN_SEASONS * season))
    weights = smoothing_weights(n, horizon, season)
    errors = [_error(moments, each) for each in weights]
    trust = SMOOTHING_TRUST * _n_forecasts(moments)
    average = np.zeros((n_lags, horizon))
    speaks = LIKELIHOOD_TRUST * evidence + _at_first(len(errors), season)
    average[n_lags - n :] = _average(_shares(errors, trust, speaks), weights)
    return average


def from_forecasts(first, horizon, centered):
    """Return weights of a forecast of one step that goes on from its own forecasts.

    `first` are the weights of that step. Returns None if such forecasts explode.
    """
    n_lags = len(first)
    first = first.copy()
    if not centered:
        # The last value is the level, and not seen: what is left is its weight.
        first[-1] = 1.0 - math.fsum(first[:-1])
    rows = np.zeros((n_lags + horizon, n_lags))
    rows[np.arange(n_lags), np.arange(n_lags)] = 1.0
    for step in range(horizon):
        terms = first[:, np.newaxis] * rows[step : step + n_lags]
        rows[n_lags + step] = np.add.accumulate(terms, axis=0)[-1]
    weights = np.ascontiguousarray(rows[n_lags:].T)
    exploded = not np.abs(weights).max() < LARGEST_WEIGHT
    return None if exploded else weights


def forecasts_of(moments, season, centered, evidence):
    """Return the weights of all forecasts that are learned from moments, by names."""
    safe = _smoothing(moments, season, evidence)
    found = {("smoothing", np.inf, 1.0): safe}
    for strength in STRENGTHS:
        change = moments.ridge_around(safe, strength)
        if change is None:
            change = safe
        found["regression", strength, 1.0] = change
        for name in ("own", "next"):
            around = safe[:, :1] if name == "next" else np.zeros((len(safe), 1))
            first = moments.first_step().ridge_around(around, strength)
            path = None
            if first is not None:
                path = from_forecasts(first[:, 0], len(moments.yy), centered)
            for share in SHARES:
                mixed = safe if path is None else (1 - share) * safe + share * path
                found[name, strength, share] = mixed
    return found


def fit_short(total, sums, season, centered, evidence):
    """Fit the linear forecast of short series.

    Parameters
    ----------
    total : Moments
        Of all windows.
    sums : list of (Moments, Moments)
        Of the training and of the test windows of each fold.
    season : int
    centered : bool
        Whether windows are less their mean, and not less the last value.
    evidence : list of ndarray of shape (n_processes,)
        The logarithm of the likelihood of what all windows hold, and of what the
        training windows of each fold hold.

    Returns
    -------
    strength : float
        The penalty that counts most.
    error : float
        The sum of squared errors on the test windows; NaN without folds.
    by_fold : list of ndarray of shape (n_lags, horizon)
    weights : ndarray of shape (n_lags, horizon)
    """
    if not sums:
        return np.inf, np.nan, [], _smoothing(total, season, evidence[0])
    folds = [
        forecasts_of(training, season, centered, seen)
        for (training, _), seen in zip(sums, evidence[1:], strict=True)
    ]
    names = list(folds[0])
    tests = [test for _, test in sums]
    errors = [
        math.fsum(_error(t, f[name]) for t, f in zip(tests, folds, strict=True))
        for name in names
    ]
    n_forecasts = sum(map(_n_forecasts, tests))
    many = min(max(n_forecasts / FEW_FORECASTS, 1.0), 2.0) - 1.0
    trust, first = (
        few + many * (enough - few) for few, enough in (REGRESSION_TRUST, FIRST_TRUST)
    )
    shares = _shares(errors, trust * n_forecasts)
    shares[0] *= first * len(names)
    shares /= math.fsum(shares)
    of_all = forecasts_of(total, season, centered, evidence[0])
    *by_fold, weights = (
        _average(shares, [candidates[name] for name in names])
        for candidates in (*folds, of_all)
    )
    error = math.fsum(_error(t, w) for t, w in zip(tests, by_fold, strict=True))
    return names[int(np.argmax(shares))][1], error, by_fold, weights
