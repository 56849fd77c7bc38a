"""The linear part of a forecast: ridge regression of the future on a window."""

import copy
import functools
import itertools
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
TINY = 1e-300  # errors are never less, in a logarithm
# With this many windows for each value of a window, and more, errors within 1 % of the
# smallest one count as a tie, and the longest window wins. All of the data will afford
# a longer one than a part of them did.
MANY_WINDOWS, TIE_FACTOR = 50, 1.01
# With fewer windows, regressions on several numbers of values are mixed. Their shares
# are multiples of one over SHARES, and are drawn towards equal ones: what a few folds
# prefer is much a matter of luck.
SHARES, EVENNESS = 10, 0.1
# Where a level returns to its mean, forecasts from the mean alone are never worse by
# more than this factor in a fold. Where it does not, they sooner or later are.
MOST_HARM = 1.3


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


class Part(NamedTuple):
    """A ridge regression, and its share in a mixture."""

    share: float
    n_lags: int
    strength: float


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
    parts: tuple = ()  # what the weights are a mixture of

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
    late=None,
):
    """Fit a ridge regression of the future on windows; return a `LinearChoice`.

    It is a mixture of regressions on the last third, on two thirds and on all of a
    window, or the one on the most values if there are many windows. The strengths of
    their penalties, and their shares, are those with the smallest error on the test
    windows of the folds. Without folds, all lags are used, with strength 1. Of short
    series, see `fit_short`.
    `fold_lines` are the lines as each complete fold knows them, if these differ.
    With `late`, which `split_often` returns, long forecasts may return to the mean of a
    series.
    """
    short = is_short(lines.n_rows, options.season)
    late = late if _may_return(folds, late, short, horizon, options) else None
    if late is not None:
        folds = late[0]
    more = n_lags, horizon, options, weight

    def moments(lines):
        return [moments_of(lines, line[i], origin[i], *more) for i in folds.pieces]

    def evidence():
        seen = [(lines, np.concatenate(folds.pieces))]
        by_fold = fold_lines or [lines] * len(folds.complete)
        seen += [(a, b) for a, (b, _) in zip(by_fold, folds.pairs, strict=True)]
        sets = [(each, line[rows], origin[rows]) for each, rows in seen]
        return evidence_of(sets, horizon, options)

    pieces = moments(lines)
    by_fold = pieces if fold_lines is None else [moments(each) for each in fold_lines]
    total, sums = _add(pieces), folds.combine(by_fold, _add)
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
    if late is None:
        return choice
    windows = line, origin, *more
    if fold_lines is None:
        history = _History(*late, lines, None, pieces, pieces, windows)
    else:
        history = _History(folds, folds, lines, fold_lines, pieces, by_fold, windows)
    return _returning(choice, history, gain, n_lags)


def _add(moments):
    return functools.reduce(operator.add, moments)


def _may_return(folds, late, short, horizon, options):
    """Say whether forecasts may return to the mean of a series."""
    if late is None or short or horizon == 1 or options.centered or options.robust:
        return False
    two, six = late
    known = {six.stops[f] for f in six.complete}
    return (
        bool(two.complete)
        and two.complete == folds.complete
        and {two.stops[f] for f in two.complete} <= known
    )


def _choose(total, sums, n_lags, keep_last, last_errors, gain):
    """Return the ridge regression of long series; see `fit_linear`."""
    last_value = np.zeros((0, len(total.yy)))
    parts, error, by_fold = (Part(1.0, n_lags, 1.0),), np.nan, []
    # The other candidates must beat the last value, clearly and in each fold.
    if sums:
        found = [_best(sums, n, last_errors) for n in _numbers_of_lags(n_lags)]
        found = [one for one in found if one is not None]
        if total.n >= MANY_WINDOWS * n_lags:
            least = min((one.error for one in found), default=np.inf)
            found = [one for one in found if one.error <= TIE_FACTOR * least][-1:]
        shares = _shares_of(found, sums)
        parts = [
            Part(share, one.n_lags, one.strength)
            for share, one in zip(shares, found, strict=True)
        ]
        by_fold = [
            _mixed(shares, weights)
            for weights in zip(*[one.by_fold for one in found], strict=True)
        ]
        pairs = zip(sums, by_fold, strict=True) if found else ()
        error = sum(test.error(weights) for (_, test), weights in pairs)
        parts = tuple(part for part in parts if part.share)
        if not found or error > (1 - gain) * keep_last.error:
            parts, error, by_fold = (), keep_last.error, keep_last.by_fold
    weights = _fitted(total, parts) if parts else last_value
    if weights is None:
        weights = last_value
    strength = max(parts).strength if parts else keep_last.strength
    # If no linear forecast beats the last value, the network must beat it clearly, as
    # on short series, where few later rows may speak for it by chance.
    cautious = not len(weights)
    chosen = len(weights), strength, error, by_fold, weights, cautious
    return LinearChoice(*chosen, parts=parts)


def _numbers_of_lags(n_lags):
    """Return how many of the newest values regressions are tried on."""
    return sorted({n_lags, -(-2 * n_lags // 3), -(-n_lags // 3)})


def _fitted(moments, parts):
    """Return the weights of a mixture of regressions, or None."""
    weights = [moments.ridge(part.n_lags, part.strength) for part in parts]
    if any(w is None for w in weights):
        return None
    return _mixed([part.share for part in parts], weights)


def _shares_of(found, sums):
    """Return the shares of candidates whose mixture has the smallest error.

    The error of a mixture follows from those of the candidates, and of their means in
    pairs.
    """
    n = len(found)
    products = np.diag([one.error for one in found])
    for i, j in itertools.combinations(range(n), 2):
        pairs = zip(sums, found[i].by_fold, found[j].by_fold, strict=True)
        middle = sum(test.error(_mixed((0.5, 0.5), ab)) for (_, test), *ab in pairs)
        ends = products[i, i] + products[j, j]
        products[i, j] = products[j, i] = 2 * middle - ends / 2
    even = EVENNESS * sum(one.error for one in found) / max(n, 1)

    def error(counts):
        shares = [count / SHARES for count in counts]
        total = sum(even * (share - 1 / n) ** 2 for share in shares)
        for i, j in itertools.product(range(n), repeat=2):
            total += shares[i] * shares[j] * products[i, j]
        return total

    counts = itertools.product(range(SHARES + 1), repeat=n)
    best = min((each for each in counts if sum(each) == SHARES), key=error, default=())
    return [count / SHARES for count in best]


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


class _History(NamedTuple):
    """What a series tells of whether it returns to its mean.

    Parameters
    ----------
    two, rounds : Folds
        Folds of which a regression is chosen, and by which its share is.
    lines : Lines
    fold_lines : list of Lines or None
        The lines as each fold knows them.
    pieces, by_fold : list
        The moments of the pieces of the folds, and those that each fold knows.
    windows : tuple
        The other arguments of `moments_away`.
    """

    two: object
    rounds: object
    lines: object
    fold_lines: list | None
    pieces: list
    by_fold: list
    windows: tuple

    def whole(self):
        """Return the home and the moments that all rows tell."""
        home = home_of(self.lines, None, self.windows[3])
        known = self._away(home, self.lines, self.pieces, range(len(self.pieces)))
        return home, _add(known)

    def seen(self):
        """Return homes and moments by the stops of rounds, None without a home.

        What a fold does not see does not tell where it returns to.
        """
        found = {}
        for nth, f in enumerate(self.rounds.complete):
            stop, lines, known = self.rounds.stops[f], self.lines, self.pieces
            if self.fold_lines is not None:
                lines, known = self.fold_lines[nth], self.by_fold[nth]
            home = home_of(lines, stop, self.windows[3])
            if home is None:
                return None
            needed = {i for side in self.rounds.numbers[f] for i in side}
            if stop in self.two.stops:
                fold = self.two.numbers[self.two.stops.index(stop)]
                needed |= {i for side in fold for i in side}
            found[stop] = home, self._away(home, lines, known, sorted(needed))
        return found

    def _away(self, home, lines, known, needed):
        line, origin, *more = self.windows
        out = list(known)
        for i in needed:
            rows = self.two.pieces[i]
            chosen = lines, line[rows], origin[rows]
            out[i] = moments_away(known[i], home, *chosen, *more)
        return out


def _returning(choice, history, gain, n_lags):
    """Let a choice return home, as far as that helps, and harms in no fold.

    The other forecast is a ridge regression of values less the mean, in place of values
    less the last one. Its penalty is chosen as that of the others is, by two folds.
    Two folds do not tell a level that returns from one that happens to come back, so
    that its share is chosen by more of them.
    """
    two, rounds, seen = history.two, history.rounds, history.seen()
    if seen is None:
        return choice
    stops = [two.stops[f] for f in two.complete]
    sums = two.combine([seen[stop][1] for stop in stops], _add)
    from_home = [tuple(each.from_home() for each in fold) for fold in sums]
    nothing = [np.inf] * len(sums)
    found = [_best(from_home, n, nothing) for n in _numbers_of_lags(n_lags)]
    found = [one for one in found if one is not None]
    best = min(found, key=lambda one: one.error, default=None)
    if best is None:
        return choice
    known = rounds.combine([seen[rounds.stops[f]][1] for f in rounds.complete], _add)
    pairs = []
    for fold, f in zip(known, rounds.complete, strict=True):
        if rounds.stops[f] in stops:
            nth = stops.index(rounds.stops[f])
            pairs.append((choice.by_fold[nth], best.by_fold[nth]))
        else:
            one = _fitted(fold[0], choice.parts) if choice.parts else choice.by_fold[0]
            other = fold[0].from_home().ridge(best.n_lags, best.strength)
            pairs.append((one, other))
        if any(weights is None for weights in pairs[-1]):
            return choice
    if choice.parts and len(known) > len(stops):
        gain = 0.0  # no fold is harmed, of many
    share = _share_of(known, pairs, gain)
    if not share:
        return choice
    home, total = history.whole()
    weights = total.from_home().ridge(best.n_lags, best.strength)
    if weights is None:
        return choice
    shares = 1 - share, share
    by_fold = [
        _mixed(shares, pair) for pair in zip(choice.by_fold, best.by_fold, strict=True)
    ]
    homes = [
        seen[stop][0]._replace(pull=share * _pull(b))
        for stop, b in zip(stops, best.by_fold, strict=True)
    ]
    tested = zip(sums, by_fold, homes, strict=True)
    error = sum(test.error_away(one, home.pull) for (_, test), one, home in tested)
    mixed = _mixed(shares, (choice.weights, weights))
    return LinearChoice(
        len(mixed),
        best.strength,
        float(error),
        by_fold,
        mixed,
        home=home._replace(pull=share * _pull(weights)),
        homes=homes,
    )


def _share_of(sums, pairs, gain):
    """Return the share of the second weights of pairs, which are of values less home.

    It is the one with the smallest error of those that harm in no fold. If it does not
    make the error smaller by `gain`, or if the second weights alone are far worse in
    a fold, it is 0.
    """
    errors = []
    shares = np.arange(11) / 10
    for (_, test), (a, b) in zip(sums, pairs, strict=True):
        middle = test.error_away(_mixed((0.5, 0.5), (a, b)), 0.5 * _pull(b))
        ends = test.error(a), test.from_home().error(b)
        if ends[1] > MOST_HARM * ends[0]:
            return 0.0
        cross = 2 * middle - sum(ends) / 2
        errors.append(
            (1 - shares) ** 2 * ends[0]
            + shares**2 * ends[1]
            + 2 * shares * (1 - shares) * cross
        )
    errors = np.array(errors)
    harmless = (errors <= NO_HARM_FACTOR * errors[:, :1]).all(axis=0)
    error = np.where(harmless, np.add.accumulate(errors)[-1], np.inf)
    at = int(error.argmin())
    return shares[at] if error[at] <= (1 - gain) * error[0] else 0.0


def _pull(weights):
    """Return the share of home in a forecast of values less home."""
    return 1.0 - np.add.accumulate(weights, axis=0)[-1]


def _mixed(shares, weights):
    """Return a mixture of several weights of the newest values."""
    n_lags = max(len(each) for each in weights)
    out = np.zeros((n_lags, weights[0].shape[1]))
    for share, each in zip(shares, weights, strict=True):
        out[n_lags - len(each) :] += share * each
    return out


class _Candidate(NamedTuple):
    n_lags: int
    strength: float
    error: float  # on the test windows of all folds
    by_fold: list  # weights of each fold


def _best(sums, n_lags, last_errors):
    """Return the best ridge regression that beats the last value in each fold, or None.

    It has the smallest product of errors of the folds: in their sum, a fold in which a
    level jumps would decide alone.
    """
    found, best, worse = None, np.inf, 0
    for strength in STRENGTHS:
        weights = [training.ridge(n_lags, strength) for training, _ in sums]
        if any(w is None for w in weights):
            break
        errors = [test.error(w) for (_, test), w in zip(sums, weights, strict=True)]
        size = math.fsum(math.log(max(error, TINY)) for error in errors)
        if strength == STRENGTHS[0] or size < best:
            best, worse = size, 0
            if all(e < r for e, r in zip(errors, last_errors, strict=True)):
                found = _Candidate(n_lags, strength, sum(errors), weights)
        else:
            worse += 1
        if worse == 2:
            break
    return found


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
