"""Forecasting: a linear forecast from a window of the past, and a network for the rest.

What the estimators hand in are `Lines`: series end to end, with what is known beside
them. A window is a line and an origin, the number of rows that it may see. Forecasts of
a window have the same bits whatever other windows are forecast with it.
"""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from skrnn import _windows
from skrnn._recurrence import Linear
from skrnn.losses import (
    ForecastAbsoluteError,
    ForecastQuantileLoss,
    ForecastSquaredError,
)
from skrnn.network import NetworkSpec
from skrnn.network.readout import SegmentReadout

# Windows that are in memory at once, that the linear forecast is fitted to, and that
# gates and intervals are calibrated on, at most; larger sets are thinned out evenly.
BLOCK = 1024
MOST_WINDOWS = 100_000
MOST_CALIBRATION = 8_000
# Strengths of the ridge penalty, in units of the mean square of the inputs.
STRENGTHS = (1e3, 1e2, 1e1, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3)
# A forecast is taken for as good as another one if its error is below the first
# multiple of that, and for harmless in a fold if it is below the second.
NEARLY, HARMLESS = 1.01, 1.0005
# What normalised values are rounded to: the network sees the same numbers however a
# series is scaled and shifted, although those differ in their last bits.
GRAIN = 2.0**-14
LARGEST = 2.0**10
# So many forecasts that do not overlap tell of one tail as much as of both.
FEW = 20
# Probabilities at which the distribution of the errors is kept.
LEVELS = np.concatenate(
    [[0.0, 0.001, 0.0025, 0.005], np.arange(1, 100) / 100, [0.995, 0.9975, 0.999, 1.0]]
)
LOSSES = {
    "squared_error": ForecastSquaredError,
    "absolute_error": ForecastAbsoluteError,
    "quantile": ForecastQuantileLoss,
}


class Lines:
    """Series end to end. A line is one target of one series.

    Parameters
    ----------
    tables : list of (y, x, calendar)
        y (n_rows, n_targets), NaN where unknown; x (n_rows, n_covariates),
        standardised, without NaN, past-only ones first; calendar (n_rows, n_calendar).

    Attributes
    ----------
    begin, stop : ndarray of shape (n_lines,)
        Where the values of each line stand.
    series, target : ndarray of shape (n_lines,)
        Whose they are.
    """

    def __init__(self, tables):
        n_targets = tables[0][0].shape[1]
        n_rows = np.array([len(y) for y, _, _ in tables], dtype=np.intp)
        self.values = np.concatenate([y.T.ravel() for y, _, _ in tables])
        self.x = np.concatenate([x for _, x, _ in tables])
        self.calendar = np.concatenate([calendar for _, _, calendar in tables])
        self.series = np.repeat(np.arange(len(tables)), n_targets)
        self.target = np.tile(np.arange(n_targets), len(tables))
        self.n_rows = n_rows[self.series]
        self.stop = np.cumsum(self.n_rows)
        self.begin = self.stop - self.n_rows
        # A row of a line in `x` and `calendar`.
        self.x_begin = (np.cumsum(n_rows) - n_rows)[self.series]

    def __len__(self):
        return len(self.begin)

    def future(self, which, origin, horizon):
        """What came after the origins, (n_windows, horizon), NaN where unknown."""
        at = (self.begin[which] + origin)[:, np.newaxis] + np.arange(horizon)
        beyond = at >= self.stop[which][:, np.newaxis]
        at[beyond] = 0
        future = self.values[at]
        future[beyond] = np.nan
        return future


class View(NamedTuple):
    """How a window is looked at; see `_windows.cut`."""

    season: int
    centered: bool


class Cut(NamedTuple):
    """Windows in numbers; see `_windows.cut`."""

    window: np.ndarray
    unknown: np.ndarray
    level: np.ndarray
    scale: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, lines, which, origin, n_lags, view):
        """Cut windows of `n_lags` rows that end before the origins."""
        n = len(which)
        arrays = (
            np.empty((n, n_lags)),
            np.empty((n, n_lags), dtype=np.uint8),
            *np.empty((3, n)),
        )
        begin = lines.begin[which]
        _windows.cut(lines.values, begin, begin + origin, *view, *arrays)
        if any(np.isinf(array).any() for array in arrays):
            _refuse_overflow(np.dtype(float))
        return cls(*arrays)


def _refuse_overflow(dtype):
    raise ValueError(
        f"A window holds values too large for {dtype!r} beside those that their scale "
        "is that of. Leave them out (NaN is unknown), or divide all by a constant."
    )


class WindowBatch:
    """What a network reads of some windows: a packed batch, all of one length.

    Attributes
    ----------
    x : ndarray of shape (n_segments * n_windows, n_in)
    n_active : ndarray of shape (n_segments,), int32
    future : ndarray of shape (n_future_segments * n_windows, n_future_in)
    """

    __slots__ = ("future", "n_active", "x")

    def __init__(self, x, n_active, future):
        self.x = x
        self.n_active = n_active
        self.future = future


class WindowReader:
    """What a network reads of a window, and of the steps after it.

    A window is read in segments of consecutive rows, counted from the newest; a row is
    the target, whether it is unknown, and the covariates. A segment of the future is
    its number, the calendar of its first step, the covariates that are known of its
    steps, and, where the targets share covariates, which target it is.

    Parameters
    ----------
    window, horizon, segment_length, future_segment_length : int
        Rows of a window, of a forecast, and of the segments of both.
    n_past_only, n_known_future, n_calendar : int
        Columns of covariates and of the calendar.
    n_targets : int
        Targets that are told apart; 0 if they are not.
    dtype : str
    """

    def __init__(
        self,
        *,
        window,
        horizon,
        segment_length,
        future_segment_length,
        n_past_only,
        n_known_future,
        n_calendar,
        n_targets,
        dtype,
    ):
        self.window, self.horizon = window, horizon
        self.segment_length = segment_length
        self.future_segment_length = future_segment_length
        self.n_past_only, self.n_known_future = n_past_only, n_known_future
        self.n_calendar, self.n_targets = n_calendar, n_targets
        self.dtype = np.dtype(dtype)
        self.n_segments = -(-window // segment_length)
        self.n_future_segments = -(-horizon // future_segment_length)
        self.n_channels = 2 + n_past_only + n_known_future
        self.n_in = segment_length * self.n_channels
        self.n_future_in = (
            self.n_future_segments
            + n_calendar
            + future_segment_length * n_known_future
            + n_targets
        )

    @np.errstate(over="ignore", invalid="ignore")
    def read(self, lines, which, origin, cut):
        """Return the batch of some windows, which were cut."""
        n, k = len(which), self.segment_length
        n_rows = self.n_segments * k
        rows = np.zeros((n, n_rows, self.n_channels), dtype=self.dtype)
        window = rows[:, n_rows - self.window :]
        window[:, :, 0] = normalized(cut.window, cut.scale)
        window[:, :, 1] = cut.unknown
        if self.n_channels > 2:
            at = origin[:, np.newaxis] + np.arange(-self.window, 0)
            before = at < 0
            at = np.where(before, 0, at) + lines.x_begin[which][:, np.newaxis]
            window[:, :, 2:] = lines.x[at]
            window[before, 2:] = 0
        x = rows.reshape(n, self.n_segments, self.n_in).swapaxes(0, 1)
        x = np.ascontiguousarray(x).reshape(self.n_segments * n, self.n_in)
        n_active = np.full(self.n_segments, n, dtype=np.int32)
        future = self._future(lines, which, origin)
        if not (np.isfinite(x).all() and np.isfinite(future).all()):
            _refuse_overflow(self.dtype)
        return WindowBatch(x, n_active, future)

    def _future(self, lines, which, origin):
        n, m, k = len(which), self.n_future_segments, self.future_segment_length
        future = np.zeros((m, n, self.n_future_in), dtype=self.dtype)
        future[np.arange(m), :, np.arange(m)] = 1
        end = lines.x_begin[which] + lines.n_rows[which]
        start = lines.x_begin[which] + origin
        column = m
        if self.n_calendar:
            at = start + k * np.arange(m)[:, np.newaxis]
            values = lines.calendar[np.minimum(at, end - 1)]
            values[at >= end] = 0
            future[:, :, column : column + self.n_calendar] = values
            column += self.n_calendar
        if self.n_known_future:
            at = start[:, np.newaxis] + np.arange(m * k)
            beyond = at >= end[:, np.newaxis]
            values = lines.x[np.where(beyond, 0, at), self.n_past_only :]
            values[beyond] = 0
            values[:, self.horizon :] = 0
            values = values.reshape(n, m, -1).swapaxes(0, 1)
            future[:, :, column : column + values.shape[-1]] = values
            column += values.shape[-1]
        if self.n_targets:
            future[:, np.arange(n), column + lines.target[which]] = 1
        return future.reshape(m * n, self.n_future_in)


def normalized(values, scale):
    """Values (n, n_columns) in units of a scale (n,), 0 where that is 0."""
    scale = scale[:, np.newaxis]
    out = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    out /= GRAIN
    np.rint(out, out=out)
    out *= GRAIN
    # NaN stays: an unknown target.
    return np.clip(out, -LARGEST, LARGEST, out=out)


def origins_of(n_rows, window, horizon):
    """The origins that a fit learns from, in a series of so many rows.

    They see a whole window and are followed by a whole forecast, as far as the series
    is long enough for that.
    """
    last = n_rows - horizon if n_rows > horizon else n_rows - 1
    return np.arange(min(window, max(1, (last + 1) // 2)), last + 1)


def seen_windows(lines, which, origin, horizon):
    """Whether something is known before an origin, and of the steps after it."""
    known = np.concatenate([[0], np.cumsum(np.isfinite(lines.values))])
    begin = lines.begin[which]
    middle = begin + origin
    end = np.minimum(middle + horizon, lines.stop[which])
    return (known[middle] > known[begin]) & (known[end] > known[middle])


def column_moments(tables):
    """The mean and the scale of each column of tables, of what is known in it.

    Sums are correctly rounded; the scale of a constant is 1.
    """
    columns = np.concatenate(tables).T
    mean, scale = np.zeros(len(columns)), np.ones(len(columns))
    for i, column in enumerate(columns):
        column = column[np.isfinite(column)]
        if not len(column):
            continue
        if column.min() == column.max():
            mean[i] = column[0]
            continue
        try:
            with np.errstate(over="ignore"):
                mean[i] = math.fsum(column) / len(column)
                variance = math.fsum((column - mean[i]) ** 2) / len(column)
        except OverflowError:
            variance = math.inf
        if not math.isfinite(variance):
            raise ValueError(
                "Values are too large to be standardised. Divide them by a constant."
            )
        scale[i] = math.sqrt(variance) or 1.0
    return mean, scale


def line_weights(lines):
    """One over the scale of each line, 0 for a constant one."""
    weight = np.zeros(len(lines))
    for i, (begin, stop) in enumerate(zip(lines.begin, lines.stop, strict=True)):
        values = lines.values[begin:stop]
        values = values[np.isfinite(values)]
        if len(values) and values.min() < values.max():
            weight[i] = 1 / column_moments([values[:, np.newaxis]])[1][0]
    return weight


def regression(lines, reader, season):
    """Regress changes of the targets on changes of the covariates known in the future.

    Over one step, one season and the horizon, so that neither a level nor a trend is
    explained by a covariate that does not move.

    Returns
    -------
    coef : ndarray of shape (n_known_future, n_targets)
    """
    x = lines.x[:, reader.n_past_only :]
    coef = np.zeros((x.shape[1], len(lines)))
    changes = sorted({1, min(season, len(x) - 1), min(reader.horizon, len(x) - 1)})
    for k in range(len(lines)):
        y = lines.values[lines.begin[k] : lines.stop[k]]
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


# -------------------------------------------------------------------- the linear part


class LinearForecast:
    """A linear function of the newest values of a window, less the last known one.

    Parameters
    ----------
    weights : ndarray of shape (n_lags, horizon)
        What is added to the last known value; no lags are the last value repeated.
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
    """Sums of squares and products of windows with themselves and what follows."""

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

    def error(self, weights):
        """Return the sum of squared errors of weights, over all steps."""
        start = len(self.xx) - len(weights)
        through = np.empty_like(weights)
        product = Linear(len(weights), weights.shape[1], np.float64)
        product.load(np.ascontiguousarray(weights))
        product.forward(np.ascontiguousarray(self.xx[start:, start:]), through)
        through -= 2 * self.xy[start:]
        through *= weights
        return math.fsum(self.yy) + math.fsum(map(math.fsum, through))


class Parts(NamedTuple):
    """Windows in pieces, and the folds that these make.

    `pieces` are indices of windows, and `numbers` the pieces that each fold is trained
    on and tested on.
    """

    pieces: list
    numbers: list

    def of_folds(self, values, join):
        """Pairs for training and test, of values of the pieces, for whole folds."""
        sizes = [len(piece) for piece in self.pieces]
        return [
            tuple(join([values[i] for i in side]) for side in fold)
            for fold in self.numbers
            if all(sum(sizes[i] for i in side) for side in fold)
        ]

    @property
    def folds(self):
        """Training and test windows of each fold that has both."""
        return self.of_folds(self.pieces, np.concatenate)


def split_by_time(origin, horizon, n_rows, fraction):
    """Split windows into `Parts`: two folds test the last `fraction` of time.

    What a fold is tested on was not known when what it is trained on ended.
    """
    whole = origin + horizon
    first = np.floor(n_rows * (1 - fraction)).astype(np.intp)
    second = np.floor(n_rows * (1 - fraction / 2)).astype(np.intp)
    piece = np.select(
        [whole <= first, origin < first, whole <= second, origin < second],
        [0, 1, 2, 3],
        4,
    )
    pieces = [np.flatnonzero(piece == i) for i in range(5)]
    return Parts(pieces, [((0,), (2, 3)), ((0, 1, 2), (4,))])


def split_by_series(series):
    """Split windows into `Parts`: every second series is tested on the others."""
    pieces = [np.flatnonzero(series % 2 == i) for i in range(2)]
    return Parts(pieces, [((0,), (1,)), ((1,), (0,))])


def moments_of(lines, which, origin, n_lags, horizon, view, weight):
    """Return the `Moments` of windows, each line weighted by `weight` (n_lines,).

    Unknown values are filled in from around, those of the future too.
    """
    moments = Moments(n_lags, horizon)
    for start in range(0, len(which), BLOCK):
        part = slice(start, start + BLOCK)
        cut = Cut.of(lines, which[part], origin[part], n_lags, view)
        share = weight[which[part]][:, np.newaxis]
        known = np.isfinite(cut.level)[:, np.newaxis]
        x = np.where(known, cut.window * share, 0.0)
        y = lines.future(which[part], origin[part], horizon)
        y -= cut.level[:, np.newaxis]
        gaps = np.isnan(y).any(axis=1)
        if gaps.any():
            whole = np.concatenate([cut.window[gaps], y[gaps]], axis=1)
            _windows.fill(whole, view.season)
            y[gaps] = whole[:, n_lags:]
        moments.add(x, np.where(known, y * share, 0.0))
    return moments


class LinearChoice(NamedTuple):
    """A linear forecast that was chosen, and how well it did on later windows."""

    n_lags: int
    strength: float
    error: float
    by_fold: list  # weights of each fold
    weights: np.ndarray


def clear_gain(n_forecasts):
    """By how much a forecast must beat the last value, tested so many times.

    Forecasts of which few do not overlap beat it by chance.
    """
    return min(max(n_forecasts**-0.5, 0.02), 0.1)


def fit_linear(lines, which, origin, parts, n_lags, horizon, view, weight):
    """Fit a ridge regression of the future on windows; return a `LinearChoice`.

    How many values are looked at, and the strength of the penalty, are those with the
    smallest error on the test windows of the folds.
    """
    pieces = [
        moments_of(lines, which[i], origin[i], n_lags, horizon, view, weight)
        for i in parts.pieces
    ]

    def add(moments):
        return functools.reduce(operator.add, moments)

    total, folds = add(pieces), parts.of_folds(pieces, add)
    # The last value repeated is what the others have to beat, clearly and in each fold.
    none = np.zeros((0, horizon))
    repeated = [math.fsum(test.yy) for _, test in folds]
    found = []
    for n in sorted({n_lags, -(-2 * n_lags // 3), -(-n_lags // 3)}) if folds else ():
        candidate, worse = None, 0
        for strength in STRENGTHS:
            weights = [training.ridge(n, strength) for training, _ in folds]
            if any(w is None for w in weights):
                break
            errors = [
                test.error(w) for (_, test), w in zip(folds, weights, strict=True)
            ]
            if candidate is None or sum(errors) < candidate[2]:
                worse = 0
                candidate = n, strength, sum(errors), weights
                if all(e < r for e, r in zip(errors, repeated, strict=True)):
                    found.append(candidate)
            else:
                worse += 1
            if worse == 2:
                break
    least = min((candidate[2] for candidate in found), default=np.inf)
    if not folds:
        best = n_lags, 1.0, np.nan, []
    elif least > (1 - clear_gain(sum(t.n for _, t in folds) / horizon)) * sum(repeated):
        best = 0, np.inf, sum(repeated), [none] * len(folds)
    else:
        # All of the data will afford a longer window than a part of them did.
        n = max(c[0] for c in found if c[2] <= NEARLY * least)
        best = min((c for c in found if c[0] == n), key=lambda c: c[2])
    n, strength, error, by_fold = best
    weights = total.ridge(n, strength) if n else none
    if weights is None:
        weights = none
    return LinearChoice(len(weights), strength, error, by_fold, weights)


# ------------------------------------------------------------------------- the network


class WindowData:
    """Windows with their targets, as the training reads them.

    Parameters
    ----------
    lines : Lines
    which, origin : ndarray of shape (n_windows,)
    reader : WindowReader
    linear : LinearForecast
        The network learns what this leaves.
    view : View
    weight : ndarray of shape (n_lines,)
        One over the scale of each line.
    power : int
        How errors count as a scale grows: 2 for squares, 1 for absolute ones.
    """

    def __init__(self, lines, which, origin, reader, linear, view, weight, power):
        self.lines, self.which, self.origin = lines, which, origin
        self.reader, self.linear, self.view = reader, linear, view
        self.weight, self.power = weight, power
        self.used = np.arange(len(which))

    def batch(self, indices, dtype):
        """Return the batch of some windows, their targets and their weights."""
        which, origin = self.which[indices], self.origin[indices]
        cut = Cut.of(self.lines, which, origin, self.reader.window, self.view)
        left = self.left(which, origin, cut)
        weight = (cut.scale * self.weight[which]) ** self.power
        weight[np.isnan(left).all(axis=1) | np.isnan(cut.level)] = 0.0
        mean = math.fsum(weight) / len(weight)
        if mean > 0:
            weight /= mean  # so that the penalty counts the same in each batch
        else:
            # Nothing moves: nothing to learn, but a loss is a mean of something.
            left[:], weight[:] = np.nan, 1.0
        return self.reader.read(self.lines, which, origin, cut), left, weight

    def left(self, which, origin, cut):
        """What the linear forecast leaves, in units of the scale of a window."""
        future = self.lines.future(which, origin, self.reader.horizon)
        future -= cut.level[:, np.newaxis]
        future -= self.linear.forecast(cut.window)
        return normalized(future, cut.scale)

    def weight_of(self, indices):
        """Return the weights of some windows, (n_windows,)."""
        return self.batch(indices, self.reader.dtype)[2]

    def hold_out(self, fraction):
        """Return the windows before the last part of their time, and those in it.

        None of the first sees what the others forecast.
        """
        end = np.zeros(len(self.lines), dtype=np.intp)
        np.maximum.at(end, self.which, self.origin + self.reader.horizon)
        end = np.minimum(end, self.lines.n_rows)[self.which]
        cut = np.floor(end * (1 - fraction))
        before = self.origin + self.reader.horizon <= cut
        return self._take(before), self._take(self.origin >= cut)

    def _take(self, chosen):
        return WindowData(
            self.lines,
            self.which[chosen],
            self.origin[chosen],
            self.reader,
            self.linear,
            self.view,
            self.weight,
            self.power,
        )

    def blocks(self):
        """Yield the indices of all windows, by bounded blocks."""
        for start in range(0, len(self.used), BLOCK):
            yield self.used[start : start + BLOCK]


class ForecastModel:
    """A fitted forecast: a linear one, and the network that corrects it.

    Parameters
    ----------
    reader : WindowReader
    linear : LinearForecast
    network : Network
        Loaded with its parameters.
    loss : loss of forecasts
    gate : ndarray of shape (horizon,)
        What of the network's correction counts, between 0 and 1.
    view : View
    """

    def __init__(self, reader, linear, network, loss, gate, view):
        self.reader, self.linear, self.network = reader, linear, network
        self.loss, self.gate, self.view = loss, gate, view

    def forecast(self, lines, which, origin, n_threads=1):
        """Forecast windows.

        Returns
        -------
        forecast : ndarray of shape (n_windows, horizon[, n_quantiles])
            NaN where a line is unknown altogether.
        spread : ndarray of shape (n_windows,)
        """
        n_quantiles = self.network.n_out // self.reader.horizon
        out = np.empty((len(which), self.reader.horizon, n_quantiles))
        spread = np.empty(len(which))
        for start in range(0, len(which), BLOCK):
            part = slice(start, start + BLOCK)
            out[part], spread[part] = self._forecast(
                lines, which[part], origin[part], n_threads
            )
        if not isinstance(self.loss, ForecastQuantileLoss):
            out = out[..., 0]
        return out, spread

    @np.errstate(over="ignore", invalid="ignore")
    def _forecast(self, lines, which, origin, n_threads):
        reader = self.reader
        cut = Cut.of(lines, which, origin, reader.window, self.view)
        out = self.linear.forecast(cut.window)
        out += cut.level[:, np.newaxis]
        out = out[..., np.newaxis]
        if self.gate.any():
            batch = reader.read(lines, which, origin, cut)
            raw = self.network.forward(batch, n_threads=n_threads).astype(float)
            change = self.loss.forecast(raw).reshape(len(raw), reader.horizon, -1)
            scale = cut.scale[:, np.newaxis] * self.gate
            out = out + change * scale[..., np.newaxis]
        if np.isinf(out).any():  # NaN is that of lines that are unknown altogether
            _refuse_overflow(out.dtype)
        return out, cut.spread


def make_spec(reader, n_out, hidden_layer_sizes, cell="gru", activation="tanh"):
    """Return the description of the network that reads what `reader` gives."""
    readout = functools.partial(
        SegmentReadout,
        n_segments=reader.n_future_segments,
        n_future=reader.n_future_in,
        segment_size=reader.future_segment_length * (n_out // reader.horizon),
        cell=cell,
        activation=activation,
    )
    return NetworkSpec(
        reader.n_in,
        tuple(hidden_layer_sizes),
        n_out,
        cell=cell,
        activation=activation,
        readout=readout,
        dtype=reader.dtype,
    )


def initialize(spec, reader, random_state):
    """Draw parameters with which the network corrects nothing yet."""
    layout = spec.layout()
    theta = layout.initialize(random_state, spec.dtype)
    views = layout.views(theta)
    views["head.W"][...] = 0
    # Whether a value is unknown means nothing until it was seen to.
    views["layer0.W"][1 :: reader.n_channels] = 0
    return theta


# -------------------------------------------------------------------- calibration


def choose_gate(left, change, weight, loss, fold, least_gain=0.0):
    """Choose what of the network's corrections to keep, for four parts of the horizon.

    Parameters
    ----------
    left : ndarray of shape (n_windows, horizon)
        What the linear forecast left on windows that were not trained on.
    change : ndarray of shape (n_windows, horizon[, n_quantiles])
        The network's corrections.
    weight : ndarray of shape (n_windows,)
    loss : loss of forecasts
    fold : ndarray of shape (n_windows,)
        Which fold a window was tested in.
    least_gain : float, default=0.0
        By which part of it the error must fall, or nothing is kept.

    Returns
    -------
    gate : ndarray of shape (horizon,)
    """
    horizon = left.shape[1]
    gate = np.zeros(horizon)
    known = ~np.isnan(left)
    target = np.where(known, left, 0.0)
    share = known * weight[:, np.newaxis]
    candidates = np.arange(21) / 20
    errors = np.empty((len(candidates), fold.max() + 1, horizon))
    for i, candidate in enumerate(candidates):
        error = share * pointwise_error(target, candidate * change, loss)
        for f in range(errors.shape[1]):
            errors[i, f] = error[fold == f].sum(axis=0)
    for steps in np.array_split(np.arange(horizon), min(4, horizon)):
        by_fold = errors[:, :, steps].sum(axis=-1)
        harmless = (by_fold <= HARMLESS * by_fold[0]).all(axis=1)
        error = by_fold.sum(axis=1)
        best = np.where(harmless, error, np.inf).argmin()
        if error[best] <= (1 - least_gain) * error[0]:
            gate[steps] = candidates[best]
    return gate


def pointwise_error(target, forecast, loss):
    """The loss of each step, of forecasts and not of a network's outputs."""
    if isinstance(loss, ForecastQuantileLoss):
        error = target[..., np.newaxis] - forecast
        q = loss.quantiles
        return np.maximum(q * error, (q - 1) * error).mean(axis=-1)
    return loss.pointwise(target, forecast)[0]


def error_quantiles(error, group, n_groups):
    """Quantiles of errors at `LEVELS`, by group and step.

    Parameters
    ----------
    error : ndarray of shape (n_windows, horizon)
        Errors of forecasts in units of the spread of their windows; NaN is unknown.
    group : ndarray of shape (n_windows,)

    Returns
    -------
    quantiles : ndarray of shape (n_groups, horizon, n_levels), float64
        NaN where no error is known.
    """
    out = np.full((n_groups, error.shape[1], len(LEVELS)), np.nan)
    for g in range(n_groups):
        rows = np.sort(error[group == g], axis=0)  # NaN last
        for step in range(error.shape[1]):
            known = rows[: len(rows) - np.isnan(rows[:, step]).sum(), step]
            n = len(known)
            if n:
                # As in split-conformal prediction, a rank of n + 1.
                at = np.clip(LEVELS * (n + 1) - 1, 0, n - 1)
                below = np.floor(at).astype(np.intp)
                above = np.minimum(below + 1, n - 1)
                part = at - below
                out[g, step] = known[below] * (1 - part) + known[above] * part
    return out


def without_gaps(quantiles):
    """Quantiles of errors at all steps: where none are known, those of a step nearby.

    Those of a group without any are the means of others; None if there are no errors.
    """
    if np.isnan(quantiles).all():
        return None
    out = quantiles.copy()
    for group in out:
        for step in range(1, len(group)):
            if np.isnan(group[step, 0]):
                group[step] = group[step - 1]
        for step in range(len(group) - 2, -1, -1):
            if np.isnan(group[step, 0]):
                group[step] = group[step + 1]
    known = ~np.isnan(out[:, 0, 0])
    out[~known] = np.add.accumulate(out[known])[-1] / known.sum()
    return out


class Calibration(NamedTuple):
    """What forecasts of windows that were not trained on tell."""

    gate: np.ndarray  # what of the network's correction counts at each step
    errors: np.ndarray | None  # quantiles by group of lines, step and level
    interrupted: bool = False


def calibrate(windows, parts, choice, loss, group, train_network):
    """Train a network in each fold, and look at its test windows.

    Parameters
    ----------
    windows : callable
        ``windows(rows, linear)`` returns the `WindowData` of some windows.
    parts : Parts
    choice : LinearChoice
    loss : loss of forecasts
    group : ndarray of shape (n_lines,)
        Lines whose errors are alike.
    train_network : callable
        ``train_network(data)`` returns a loaded network and whether it was interrupted.

    Returns
    -------
    calibration : Calibration
    """
    horizon, n_groups = loss.horizon, group.max() + 1
    tested, seen = [], np.zeros(n_groups)
    for weights, (training, test) in zip(choice.by_fold, parts.folds, strict=True):
        linear = LinearForecast(weights)
        network, interrupted = train_network(windows(training, linear))
        if interrupted:
            return Calibration(np.zeros(horizon), None, True)
        seen += np.bincount(group[windows(test, linear).which], minlength=n_groups)
        data = windows(thinned(test, MOST_CALIBRATION // 2), linear)
        tested.append(_test(data, network, loss))
    if not tested:
        return Calibration(np.full(horizon, 0.5), None)
    fold = np.repeat(np.arange(len(tested)), [len(test[0]) for test in tested])
    left, change, weight, ratio, line = map(np.concatenate, zip(*tested, strict=True))
    # Where nothing linear beats the last value, the network must do so clearly, too.
    least_gain = clear_gain(seen.sum() / horizon) if choice.n_lags == 0 else 0.0
    gate = choose_gate(left, change, weight, loss, fold, least_gain)
    middle = change[..., loss.middle] if change.ndim == 3 else change
    error = (left - gate * middle) * ratio[:, np.newaxis]
    # Few forecasts that do not overlap say little of each tail of their errors, and
    # more of both: with few of them the tails are taken for alike.
    group = group[line]
    errors = error_quantiles(error, group, n_groups)
    mirrored = np.concatenate([error, -error]), np.concatenate([group, group])
    alike = error_quantiles(*mirrored, n_groups)
    share = (seen / (seen + FEW * horizon))[:, np.newaxis, np.newaxis]
    return Calibration(gate, without_gaps(share * errors + (1 - share) * alike))


def _test(data, network, loss):
    # What the linear forecast left of windows, in units of their scale; the network's
    # corrections; weights; scale over spread; and lines.
    parts = []
    for rows in data.blocks():
        which, origin = data.which[rows], data.origin[rows]
        cut = Cut.of(data.lines, which, origin, data.reader.window, data.view)
        raw = network.forward(data.reader.read(data.lines, which, origin, cut))
        ratio = np.divide(
            cut.scale, cut.spread, out=np.zeros(len(rows)), where=cut.spread > 0
        )
        weight = (cut.scale * data.weight[which]) ** data.power
        change = loss.forecast(raw.astype(float))
        if not np.isfinite(change).all():
            raise ValueError(
                "Training diverged: a forecast of windows held out is not finite. To "
                "avoid this, lower learning_rate_init."
            )
        parts.append((data.left(which, origin, cut), change, weight, ratio, which))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def thinned(rows, most):
    """At most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]
