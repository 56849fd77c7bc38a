"""Windows of series: where they are cut, and what a network reads of them.

Estimators hand in `Lines`: series end to end, with what is known beside them. A window
is a line and an origin, which is the number of rows that the window may see. A window
has the same bits whatever other windows are cut with it.
"""

import copy
from typing import NamedTuple

import numpy as np

from skrnn import _windows

__all__ = [
    "BLOCK_WINDOWS",
    "GRAIN",
    "MAX_NORMALIZED",
    "MOST_CHANGES",
    "WILD_RANGES",
    "Lines",
    "WindowBatch",
    "WindowOptions",
    "WindowReader",
    "Windows",
    "forget_far",
    "has_known_values",
    "normalized",
    "origins_of",
    "refuse_overflow",
    "thinned",
    "training_windows",
    "wild_count",
]

BLOCK_WINDOWS = 1024  # windows that are in memory at once
MAX_WINDOWS = 100_000  # that a fit learns from; larger sets are thinned out evenly
# Normalised values are rounded to multiples of GRAIN: the network sees the same numbers
# however a series is scaled and shifted, although those differ in their last bits.
GRAIN = 2.0**-14
MAX_NORMALIZED = 2.0**10
WILD_SHARE = 0.03  # of the values of a window may be wild, at each end
FAR_WINDOWS = 3  # times the value that is farthest from the level
# See `_windows`.
WILD_RANGES, MOST_WILD = _windows.LIMITS["wild_ranges"], _windows.LIMITS["most_wild"]
MOST_CHANGES = _windows.LIMITS["most_changes"]


def wild_count(n_values, share):
    """Return how many of some values may be wild at each end of the order of size."""
    return min(max(int(n_values * share), 3), MOST_WILD)


class Lines:
    """Series end to end. A line is one target of one series.

    Parameters
    ----------
    tables : list of (y, x, calendar)
        y (n_rows, n_targets) has NaN where a value is unknown. x (n_rows,
        n_covariates) is standardised and has no NaN; the covariates that are known of
        the past only come first. calendar is (n_rows, n_calendar).

    Attributes
    ----------
    begin, stop : ndarray of shape (n_lines,)
        Where the values of each line begin and end in `values`.
    series, target : ndarray of shape (n_lines,)
        The series and the target of each line.
    x_ahead : ndarray of shape (n_rows, n_covariates)
        The covariates of rows that are forecast: `x`, unless other ones are set.
    places : list or None
        Where the rows of each series lie in its lines, (n_rows + horizon,), None if
        each lies at its number. None if all do.
    """

    places = None

    def __init__(self, tables):
        n_targets = tables[0][0].shape[1]
        n_rows = np.array([len(y) for y, _, _ in tables], dtype=np.intp)
        self.values = np.concatenate([y.T.ravel() for y, _, _ in tables])
        self.x = self.x_ahead = np.concatenate([x for _, x, _ in tables])
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

    def at_origins(self, owner, origin, horizon):
        """Return origins in lines, and the steps that the rows after them are.

        Parameters
        ----------
        owner, origin : ndarray of shape (n_origins,)
            The series of each origin, and the number of its rows before it.
        horizon : int

        Returns
        -------
        origin : ndarray of shape (n_origins,)
        step : ndarray of shape (n_origins, horizon) or None
            None if each row is the step after the one before it.
        """
        if self.places is None:
            return origin, None
        step = np.tile(np.arange(horizon), (len(origin), 1))
        out = np.array(origin)
        for i in np.unique(owner):
            place = self.places[i]
            if place is None:
                continue
            at = np.flatnonzero(owner == i)
            rows = origin[at]
            out[at] = np.maximum(place[rows], place[np.maximum(rows, 1) - 1] + 1)
            out[at[rows == 0]] = 0
            after = np.minimum(rows[:, np.newaxis] + np.arange(horizon), len(place) - 1)
            step[at] = np.clip(place[after] - out[at, np.newaxis], 0, horizon - 1)
        return out, step

    def rows_of(self, series, start, stop):
        """Return where rows of a series lie in its lines."""
        place = None if self.places is None else self.places[series]
        return np.arange(start, stop) if place is None else place[start:stop]

    def shortened(self, line, origin, size):
        """Return lines that begin `size` rows before origins, one for each."""
        cut = origin - size
        out = copy.copy(self)
        out.begin, out.stop = self.begin[line] + cut, self.stop[line]
        out.series, out.target = self.series[line], self.target[line]
        out.n_rows = self.n_rows[line] - cut
        out.x_begin = self.x_begin[line] + cut
        return out

    def future(self, line, origin, horizon):
        """Return the values after the origins, (n_windows, horizon), NaN if unknown."""
        at = (self.begin[line] + origin)[:, np.newaxis] + np.arange(horizon)
        beyond = at >= self.stop[line][:, np.newaxis]
        at[beyond] = 0
        future = self.values[at]
        future[beyond] = np.nan
        return future


class WindowOptions(NamedTuple):
    """How windows are cut; see `_windows.cut`.

    Parameters
    ----------
    season : int
        Rows after which a series tends to repeat.
    centered : bool
        Whether the level of a window is its mean, and not its last known value.
    robust : bool, default=False
        Whether a few wild values are taken for unknown.
    """

    season: int
    centered: bool
    robust: bool = False

    def n_wild(self, n_lags):
        """Return how many values at each end of a window may be wild."""
        return wild_count(n_lags, WILD_SHARE) if self.robust else 0


class Windows(NamedTuple):
    """Windows that were cut, and what describes them; see `_windows.cut`."""

    values: np.ndarray
    unknown: np.ndarray
    level: np.ndarray
    scale: np.ndarray
    spread: np.ndarray

    @classmethod
    def empty(cls, n, n_lags):
        """Return memory for `n` windows of `n_lags` rows."""
        unknown = np.empty((n, n_lags), dtype=np.uint8)
        return cls(np.empty((n, n_lags)), unknown, *np.empty((3, n)))

    @classmethod
    def cut(cls, lines, line, origin, n_lags, options, windows=None):
        """Cut windows of `n_lags` rows that end before the origins.

        The memory of other `windows` is taken for them, if it is given.
        """
        if windows is None:
            windows = cls.empty(len(line), n_lags)
        begin = lines.begin[line]
        season, centered, _ = options
        chosen = begin, begin + origin, season, centered
        wild = options.n_wild(n_lags)
        if not _windows.cut(lines.values, *chosen, *windows, wild):
            refuse_overflow(np.dtype(float))
        return windows


def refuse_overflow(dtype):
    """Raise the error of windows whose values do not fit into a dtype."""
    raise ValueError(
        f"Some values of a window are too large for {dtype} after scaling: they are "
        "far larger than the rest of the series. Replace them by NaN, which means "
        "unknown, or divide the whole series by a constant."
    )


def forget_far(future, windows):
    """Make NaN of what comes (n_windows, horizon) far outside of all of a window.

    Both are less the level.
    """
    reach = FAR_WINDOWS * np.abs(windows.values).max(axis=1, initial=0)[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        future[(np.abs(future) > reach) & (reach > 0)] = np.nan


class WindowBatch:
    """What a network reads of some windows: a packed batch, all of one length.

    Attributes
    ----------
    x : ndarray of shape (n_segments * n_windows, n_in)
    n_active : ndarray of shape (n_segments,), int32
    future : ndarray of shape (n_future_segments * n_windows, n_future_in)
    """

    __slots__ = ("future", "n_active", "x")
    carry = None  # all windows start from zero

    def __init__(self, x, n_active, future):
        self.x = x
        self.n_active = n_active
        self.future = future


class WindowReader:
    """What a network reads of a window, and of the steps after it.

    The network reads a window in segments of consecutive rows, counted back from the
    newest row. A row holds the target, whether the target is unknown, and the
    covariates. A segment of the future holds its number, the calendar of its first
    step, and the known covariates of its steps. With several targets and covariates
    it also says which target it belongs to.

    Parameters
    ----------
    window, horizon, segment_length, future_segment_length : int
        Rows of a window and of a forecast, and of the segments of both.
    n_past_only, n_known_future, n_calendar : int
        Columns of covariates and of the calendar.
    n_targets : int
        Number of targets that the network tells apart; 0 if it does not.
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

    def get_state(self):
        """Return the arguments that make a reader like this one, as plain values."""
        return {
            "window": self.window,
            "horizon": self.horizon,
            "segment_length": self.segment_length,
            "future_segment_length": self.future_segment_length,
            "n_past_only": self.n_past_only,
            "n_known_future": self.n_known_future,
            "n_calendar": self.n_calendar,
            "n_targets": self.n_targets,
            "dtype": self.dtype.name,
        }

    def future_rows_of(self, covariate):
        """Return the inputs of a segment of the future that a known covariate has."""
        first = self.n_future_segments + self.n_calendar + covariate - self.n_past_only
        stop = first + self.future_segment_length * self.n_known_future
        return slice(first, stop, self.n_known_future)

    @np.errstate(over="ignore", invalid="ignore")
    def read(self, lines, line, origin, windows):
        """Return the batch of some `windows`, which were cut at these origins."""
        n, k = len(line), self.segment_length
        n_rows = self.n_segments * k
        rows = np.zeros((n, n_rows, self.n_channels), dtype=self.dtype)
        parts = windows.values, windows.unknown, windows.scale
        _windows.normalize(*parts, GRAIN, MAX_NORMALIZED, rows)
        if self.n_channels > 2:
            window = rows[:, n_rows - self.window :]
            at = origin[:, np.newaxis] + np.arange(-self.window, 0)
            before = at < 0
            at = np.where(before, 0, at) + lines.x_begin[line][:, np.newaxis]
            window[:, :, 2:] = lines.x[at]
            window[before, 2:] = 0
        x = rows.reshape(n, self.n_segments, self.n_in).swapaxes(0, 1)
        x = np.ascontiguousarray(x).reshape(self.n_segments * n, self.n_in)
        n_active = np.full(self.n_segments, n, dtype=np.int32)
        future = self.future(lines, line, origin)
        has_covariates = self.n_channels > 2
        if has_covariates and not (np.isfinite(x).all() and np.isfinite(future).all()):
            refuse_overflow(self.dtype)
        return WindowBatch(x, n_active, future)

    def future(self, lines, line, origin):
        """Return what the network reads of the steps after the origins."""
        n, m, k = len(line), self.n_future_segments, self.future_segment_length
        future = np.zeros((m, n, self.n_future_in), dtype=self.dtype)
        future[:, :, :m] = np.eye(m)[:, np.newaxis]
        column = m
        if self.n_calendar or self.n_known_future:
            end = lines.x_begin[line] + lines.n_rows[line]
            start = lines.x_begin[line] + origin
        if self.n_calendar:
            at = start + k * np.arange(m)[:, np.newaxis]
            values = lines.calendar[np.minimum(at, end - 1)]
            values[at >= end] = 0
            future[:, :, column : column + self.n_calendar] = values
            column += self.n_calendar
        if self.n_known_future:
            at = start[:, np.newaxis] + np.arange(m * k)
            beyond = at >= end[:, np.newaxis]
            values = lines.x_ahead[np.where(beyond, 0, at), self.n_past_only :]
            values[beyond] = 0
            values[:, self.horizon :] = 0
            values = values.reshape(n, m, -1).swapaxes(0, 1)
            future[:, :, column : column + values.shape[-1]] = values
            column += values.shape[-1]
        if self.n_targets:
            future[:, np.arange(n), column + lines.target[line]] = 1
        return future.reshape(m * n, self.n_future_in)


class OneWindow:
    """Windows without covariates that are read one at a time, in the same memory.

    Parameters
    ----------
    reader : WindowReader
    options : WindowOptions
    """

    def __init__(self, reader, options):
        self.reader, self.options = reader, options
        self._windows = Windows.empty(1, reader.window)
        n_rows = reader.n_segments * reader.segment_length
        self._rows = np.zeros((1, n_rows, 2), dtype=reader.dtype)
        x = self._rows.reshape(reader.n_segments, reader.n_in)
        self._batch = WindowBatch(x, np.ones(reader.n_segments, np.int32), None)
        self._moves = reader.n_calendar > 0 or reader.n_targets > 0

    def read(self, lines, line, origin):
        """Return a window and what the network reads of it, good until the next one."""
        reader, windows, batch = self.reader, self._windows, self._batch
        Windows.cut(lines, line, origin, reader.window, self.options, windows)
        parts = windows.values, windows.unknown, windows.scale
        _windows.normalize(*parts, GRAIN, MAX_NORMALIZED, self._rows)
        if batch.future is None or self._moves:
            batch.future = reader.future(lines, line, origin)
        return windows, batch


def normalized(values, scale):
    """Return values (n, n_columns) divided by a scale (n,); 0 where the scale is 0."""
    scale = scale[:, np.newaxis]
    out = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    out /= GRAIN
    np.rint(out, out=out)
    out *= GRAIN
    # NaN stays: an unknown target.
    return np.clip(out, -MAX_NORMALIZED, MAX_NORMALIZED, out=out)


def origins_of(n_rows, window, horizon):
    """Return the origins that a fit learns from, in a series of `n_rows` rows.

    A whole window lies before each origin, and a whole forecast after it, if the series
    is long enough.
    """
    last = n_rows - horizon if n_rows > horizon else n_rows - 1
    return np.arange(min(window, max(1, (last + 1) // 2)), last + 1)


def has_known_values(lines, line, origin, horizon):
    """Say of each window whether a value before and one after its origin is known."""
    known = np.concatenate([[0], np.cumsum(np.isfinite(lines.values))])
    begin = lines.begin[line]
    middle = begin + origin
    end = np.minimum(middle + horizon, lines.stop[line])
    return (known[middle] > known[begin]) & (known[end] > known[middle])


def thinned(rows, most):
    """Return at most `most` of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


def training_windows(lines, window, horizon, start=None):
    """Return the windows to learn from (line, origin), in order of time.

    With `start`, a number for each line, only those that forecast rows from there on.
    """
    line, origin = [], []
    for i, n_rows in enumerate(lines.n_rows):
        o = origins_of(n_rows, window, horizon)
        if start is not None:
            o = np.arange(1, n_rows)
            o = o[o + horizon > start[i]]
        line.append(np.full(len(o), i))
        origin.append(o)
    line, origin = np.concatenate(line), np.concatenate(origin)
    known = has_known_values(lines, line, origin, horizon)
    line, origin = line[known], origin[known]
    order = np.lexsort((line, origin / lines.n_rows[line]))
    rows = thinned(order, MAX_WINDOWS)
    return line[rows], origin[rows]
