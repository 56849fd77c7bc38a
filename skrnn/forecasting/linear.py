"""The linear part of a forecast: ridge regression of the future on a window."""

import copy
import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from skrnn import _windows
from skrnn._recurrence import Linear
from skrnn.forecasting.smoothing import (
    MAX_HISTORIES,
    MAX_HISTORY,
    fit_short,
    is_short,
    likelihoods,
)
from skrnn.forecasting.windows import BLOCK_WINDOWS, Windows, forget_far, thinned

__all__ = [
    "NO_HARM_FACTOR",
    "Home",
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
# A part of a forecast does no harm in a fold if the error grows by less.
NO_HARM_FACTOR = 1.0005
TIE_FACTOR = 1.01  # errors within 1 % of the smallest one count as a tie


class Home(NamedTuple):
    """The mean of a series, to which long forecasts return.

    Parameters
    ----------
    mean, low, high : ndarray of shape (n_targets,)
        The mean, the least and the largest value that was seen. From a level outside
        of what was seen, nothing returns.
    pull : ndarray of shape (horizon,)
        The share of the way from the level to the mean.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pull: np.ndarray

    def away(self, level, target):
        """Return how far levels (n_windows,) are from the mean, 0 outside."""
        away = level - self.mean[target]
        inside = (self.low[target] <= level) & (level <= self.high[target])
        return np.where(inside, away, 0.0)


class LinearForecast:
    """A linear function of the newest values of a window, less the last known one.

    Parameters
    ----------
    weights : ndarray of shape (n_lags, horizon)
        Without lags, the forecast repeats the last known value.
    home : Home or None
        Where forecasts return to.
    """

    def __init__(self, weights, home=None):
        self.n_lags, self.horizon = weights.shape
        self.home = home
        if self.n_lags:
            self.product = Linear(self.n_lags, self.horizon, np.float64)
            self.product.load(weights)

    def forecast(self, window, level=None, target=None):
        """Return forecasts (n_windows, horizon), less the level.

        Parameters
        ----------
        window : ndarray of shape (n_windows, n_rows)
        level, target : ndarray of shape (n_windows,)
            Needed if there is a home.
        """
        out = np.zeros((len(window), self.horizon))
        if self.n_lags:
            self.product.forward(window[:, window.shape[1] - self.n_lags :], out)
        if self.home is not None:
            away = self.home.away(level, target)
            out -= away[:, np.newaxis] * self.home.pull
        return out


class Moments:
    """Sums of products of windows with themselves and with the values after them.

    With `ux`, `uy` and `uu`, also those of what levels are away from home with windows,
    with the values after them and with itself.
    """

    def __init__(self, n_lags, horizon):
        self.xx = np.zeros((n_lags, n_lags))
        self.xy = np.zeros((n_lags, horizon))
        self.yy = np.zeros(horizon)
        self.ux, self.uy = np.zeros((1, n_lags)), np.zeros((1, horizon))
        self.uu = np.zeros(1)
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

    def add_away(self, away, x, y):
        """Add how far the levels of rows that were added are from home, (n_rows,)."""
        if not len(x):
            return
        away = np.ascontiguousarray(away)[:, np.newaxis]
        for values, total in ((x, self.ux), (y, self.uy)):
            product = Linear(1, values.shape[1], np.float64)
            product.backward(away, values, total, None)
        self.uu += np.add.accumulate(away[:, 0] ** 2)[-1:]

    def from_home(self):
        """Return the moments of values and windows less home, and not less levels."""
        out = Moments(*self.xy.shape)
        ux, uu = self.ux[0], self.uu
        out.xx = self.xx + ux[:, np.newaxis] + ux + uu
        out.xy = self.xy + self.uy + (ux + uu)[:, np.newaxis]
        out.yy = self.yy + 2 * self.uy[0] + uu
        out.n = self.n
        return out

    def error_away(self, weights, pull):
        """Return the sum of squared errors of weights with a pull (horizon,) home."""
        start = len(self.xx) - len(weights)
        cross = np.add.accumulate(self.ux[0, start:, np.newaxis] * weights, axis=0)
        cross = cross[-1] if len(weights) else np.zeros_like(pull)
        more = pull * (self.uu * pull - 2 * cross + 2 * self.uy[0])
        return self.error(weights) + math.fsum(more)

    def __add__(self, other):
        total = Moments(*self.xy.shape)
        for name in ("xx", "xy", "yy", "ux", "uy", "uu", "n"):
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
        if not len(weights):
            return math.fsum(self.yy)
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
    sizes = n_lags, horizon
    for _, _, _, x, y in _rows_of(lines, line, origin, *sizes, options, weight):
        moments.add(x, y)
    return moments


def moments_away(moments, home, lines, line, origin, *more):
    """Return moments of windows that know, too, how far levels are from home.

    The other arguments are those of `moments_of`.
    """
    out = copy.copy(moments)
    out.ux, out.uy = np.zeros_like(out.ux), np.zeros_like(out.uy)
    out.uu = np.zeros(1)
    for part, windows, share, x, y in _rows_of(lines, line, origin, *more):
        away = home.away(windows.level, lines.target[line[part]])
        away *= share[:, 0]
        out.add_away(np.where(np.isfinite(away), away, 0.0), x, y)
    return out


def _rows_of(lines, line, origin, n_lags, horizon, options, weight):
    """Yield blocks of windows: which, `Windows`, weights, windows and futures."""
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
        yield part, windows, share, x, np.where(known, y * share, 0.0)


def evidence_of(sets, horizon, options):
    """Return how likely processes make what windows hold and what follows them.

    Parameters
    ----------
    sets : list of (lines, line, origin)
        Sets of windows.
    horizon : int
    options : WindowOptions

    Returns
    -------
    found : list of ndarray of shape (n_processes,)
        The logarithm for each set; see `likelihoods`.
    """
    histories, owner = [], []
    for nth, (lines, line, origin) in enumerate(sets):
        for k in thinned(np.unique(line), MAX_HISTORIES):
            stop = min(origin[line == k].max() + horizon, lines.n_rows[k])
            chosen = np.array([k]), np.array([stop]), int(min(stop, MAX_HISTORY))
            windows = Windows.cut(lines, *chosen, options)
            if windows.scale[0] > 0:
                histories.append(windows.values[0, windows.unknown[0].argmin() :])
                owner.append(nth)
    if not histories:
        return [np.zeros(1) for _ in sets]
    found = likelihoods(histories, options.season)
    of_sets = [found[np.array(owner) == nth] for nth in range(len(sets))]
    return [np.add.accumulate(np.r_[0 * found[:1], f])[-1] for f in of_sets]


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
    home: Home | None = None  # where forecasts return to
    homes: list | None = None  # where those of each fold do

    def forecast(self):
        """Return the `LinearForecast`."""
        return LinearForecast(self.weights, self.home)

    def forecasts_by_fold(self):
        """Return the `LinearForecast` of each fold."""
        homes = self.homes or [None] * len(self.by_fold)
        return [LinearForecast(*pair) for pair in zip(self.by_fold, homes, strict=True)]


def clear_gain(n_forecasts):
    """Return the share by which the error must be below that of the last value.

    With few forecasts that do not overlap, a forecast beats the last value by chance.
    So the fewer there are, the larger the gain must be.
    """
    return min(max(n_forecasts**-0.5, 0.02), 0.1)


def fit_linear(
    lines,
    line,
    origin,
    folds,
    n_lags,
    horizon,
    options,
    weight,
    fold_lines=None,
    returns=False,
):
    """Fit a ridge regression of the future on windows; return a `LinearChoice`.

    The number of lags and the strength of the penalty are those with the smallest error
    on the test windows of the folds. Without folds, all lags are used, with strength 1.
    Of short series, see `fit_short`.
    `fold_lines` are the lines as each complete fold knows them, if these differ.
    With `returns`, forecasts may return to the mean of a series.
    """
    short = is_short(lines.n_rows, options.season)
    stops = [folds.stops[f] for f in folds.complete] if folds.stops else []
    plain = not (options.centered or options.robust)
    returns = returns and plain and not short and stops and horizon > 1

    more = n_lags, horizon, options, weight

    def moments(lines):
        return [moments_of(lines, line[i], origin[i], *more) for i in folds.pieces]

    def away(moments, lines, stop=None):
        home = home_of(lines, stop, horizon)
        pairs = zip(moments, folds.pieces, strict=True) if home else ()
        windows = ((m, home, lines, line[i], origin[i]) for m, i in pairs)
        return home, [moments_away(*each, *more) for each in windows]

    def add(moments):
        return functools.reduce(operator.add, moments)

    def evidence():
        seen = [(lines, np.concatenate(folds.pieces))]
        by_fold = fold_lines or [lines] * len(folds.complete)
        seen += [(a, b) for a, (b, _) in zip(by_fold, folds.pairs, strict=True)]
        sets = [(each, line[rows], origin[rows]) for each, rows in seen]
        return evidence_of(sets, horizon, options)

    pieces = moments(lines)
    by_fold = pieces if fold_lines is None else [moments(each) for each in fold_lines]
    total, sums = add(pieces), folds.combine(by_fold, add)
    last_value = np.zeros((0, horizon))
    last_errors = [math.fsum(test.yy) for _, test in sums]
    keep_last = _Candidate(0, np.inf, sum(last_errors), [last_value] * len(sums))
    gain = clear_gain(sum(test.n for _, test in sums) / horizon) if sums else 0.0
    if short:
        chosen = options.season, options.centered
        found = fit_short(total, sums, *chosen, evidence())
        # Without a season, much of what seems to go on in a random walk is chance.
        if options.season == 1 and found[1] > (1 - gain) * keep_last.error:
            return LinearChoice(*keep_last, last_value, cautious=True)
        return LinearChoice(n_lags, *found, cautious=True)
    choice = _choose(total, sums, n_lags, keep_last, last_errors, gain)
    if not returns:
        return choice
    # What a fold does not see does not tell where it returns to.
    seen = fold_lines or [lines] * len(stops)
    known = [pieces] * len(stops) if fold_lines is None else by_fold
    found = [away(*each) for each in zip(known, seen, stops, strict=True)]
    homes, known = map(list, zip(*found, strict=True))
    if any(home is None for home in homes):
        return choice

    def whole():
        home, known = away(pieces, lines)
        return home, add(known)

    return _returning(choice, folds.combine(known, add), homes, gain, n_lags, whole)


def _choose(total, sums, n_lags, keep_last, last_errors, gain):
    """Return the ridge regression of long series; see `fit_linear`."""
    last_value = np.zeros((0, len(total.yy)))
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


def home_of(lines, stop, horizon):
    """Return the `Home` of lines, one for each target, by the rows before `stop`."""
    mean, low, high = np.empty((3, len(lines)))
    for k, (begin, end) in enumerate(zip(lines.begin, lines.stop, strict=True)):
        y = lines.values[begin:end][:stop]
        y = y[np.isfinite(y)]
        if not len(y):
            return None
        low[k], high[k] = y.min(), y.max()
        mean[k] = low[k] + math.fsum(y - low[k]) / len(y)
    return Home(mean, low, high, np.zeros(horizon))


def _returning(choice, sums, homes, gain, n_lags, whole):
    """Let a choice return home, as far as that clearly helps, and in each fold.

    The other forecast is a ridge regression of values less the mean, in place of values
    less the last one. ``whole()`` returns the home and the moments of all rows.
    """
    from_home = [tuple(each.from_home() for each in fold) for fold in sums]
    best = None
    for n in sorted({max(choice.n_lags, 1), -(-n_lags // 3)}):
        for other in _candidates(from_home, n, [np.inf] * len(sums)):
            if best is None or other.error < best.error:
                best = other
    if best is None:
        return choice
    errors = []
    shares = np.arange(11) / 10
    for (_, test), (_, away), a, b in zip(
        sums, from_home, choice.by_fold, best.by_fold, strict=True
    ):
        middle = test.error_away(_mixed(a, b, 0.5), 0.5 * _pull(b))
        ends = test.error(a), away.error(b)
        cross = 2 * middle - sum(ends) / 2
        errors.append(
            (1 - shares) ** 2 * ends[0]
            + shares**2 * ends[1]
            + 2 * shares * (1 - shares) * cross
        )
    errors = np.array(errors)
    harmless = (errors <= NO_HARM_FACTOR * errors[:, :1]).all(axis=0)
    error = np.where(harmless, errors[0] + np.add.accumulate(errors[1:])[-1], np.inf)
    at = int(error.argmin())
    if not at or error[at] > (1 - gain) * error[0]:
        return choice
    share, (home, total) = shares[at], whole()
    weights = total.from_home().ridge(best.n_lags, best.strength)
    if weights is None:
        return choice
    return LinearChoice(
        max(choice.n_lags, best.n_lags),
        best.strength,
        float(error[at]),
        [
            _mixed(*pair, share)
            for pair in zip(choice.by_fold, best.by_fold, strict=True)
        ],
        _mixed(choice.weights, weights, share),
        home=home._replace(pull=share * _pull(weights)),
        homes=[
            each._replace(pull=share * _pull(b))
            for each, b in zip(homes, best.by_fold, strict=True)
        ],
    )


def _pull(weights):
    """Return the share of home in a forecast of values less home."""
    return 1.0 - np.add.accumulate(weights, axis=0)[-1]


def _mixed(one, other, share):
    """Return a mean of weights of the newest values."""
    out = np.zeros((max(len(one), len(other)), other.shape[1]))
    for weights, part in ((one, 1 - share), (other, share)):
        out[len(out) - len(weights) :] += part * weights
    return out


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
