"""Evidence that a row is unusual: a number for each row, larger where it is.

`step` is the error of the forecast of the row before, `ahead` that of the forecast made
a horizon ago, and `path` the mean error of all steps of that forecast: three views of
one batch of forecasts. `level` and `drift` have no forecast in them: a fault that lasts
is soon forecast well, but the mean of the last rows stays far from that of the rows
before, and means of more rows from all earlier ones. `window` is the distance of the
last rows from those of the past that are most like them. `still` is how much less the
last rows change than those before: a sensor that is stuck at a usual value is forecast
well, and all else is usual.

These four are taken of bounded values. A single wild value is for `step` to see. In the
means of many rows it would look unusual for as many rows.

Each number depends on a bounded number of rows before its own, and has the same bits
whatever other rows it is computed with.
"""

import numpy as np

from skrnn._detection import (
    Bounds,
    NearestWindow,
    errors_of_row,
    keep_forecast,
    means,
    means_of_errors,
    stillness,
    window_distances,
)
from skrnn.inputs.series import Series, newest_rows

__all__ = [
    "EVIDENCE",
    "NO_FORECAST",
    "TWO_SIDED",
    "RowEvidence",
    "Statistics",
    "n_rows_without_forecast",
    "statistics",
]

EVIDENCE = ("step", "ahead", "path", "level", "drift", "window", "still")
NO_FORECAST = ("level", "drift", "window", "still")
TWO_SIDED = {"level", "drift"}
BACKGROUND = 10  # horizons that the level is compared with
LEAST_BOUNDING = 100  # rows that bound the next one
LEAST_STILL = 4  # rows that are compared with those before
SLOW = 8  # horizons of the means of `drift`
WINDOW_ROWS = 5000  # that earlier windows are looked for in
BLOCK_ROWS = 2048  # whose forecasts are in memory at once
FEW_ROWS = 128  # the same, if each has a series of its own
LEAST_SPREAD = 1e-6  # of the scale of a target


class Statistics:
    """The evidence of consecutive rows of a series.

    Attributes
    ----------
    known : ndarray of shape (n_rows, n_targets), bool
        Whether the value of the row is known.
    values : dict of ndarray of shape (n_rows, n_targets)
        By the names of evidence; NaN where there is none.
    """

    def __init__(self, known, values):
        self.known, self.values = known, values


def statistics(model, series, start, stop, names, n_threads=1):
    """Return the `Statistics` of rows of a series.

    Parameters
    ----------
    model : ForecastModel
    series : Series
        With the rows before `start` that the evidence looks back on.
    start, stop : int
        The first row, and the one after the last.
    names : sequence of str
        Which evidence to compute, of `EVIDENCE`.
    n_threads : int, default=1
    """
    # What lies ahead of a forecast, such as its calendar, is there for any `stop`.
    series = model.schema.extend(series, model.horizon)
    values = {}
    forecasts = [name for name in names if name not in NO_FORECAST]
    if forecasts:
        blocks = []
        for begin in range(start, stop, BLOCK_ROWS):
            rows = np.arange(begin, min(begin + BLOCK_ROWS, stop))
            blocks.append(_forecast_errors(model, series, rows, forecasts, n_threads))
        values = {
            name: np.concatenate([block[name] for block in blocks])
            for name in forecasts
        }
    if len(forecasts) < len(names):
        y, horizon = bounded(series.y, model.horizon, start, stop, names), model.horizon
    if "level" in names:
        values["level"] = levels(y, horizon, start, stop)
    if "drift" in names:
        values["drift"] = drifts(y, SLOW * horizon, start, stop)
    if "window" in names:
        values["window"] = distances(y, series.position, horizon, start, stop)
    if "still" in names:
        values["still"] = stills(y, horizon, start, stop)
    known = np.isfinite(series.y[start:stop])
    for each in values.values():
        each[~known] = np.nan
    return Statistics(known, values)


def n_rows_without_forecast(names, horizon):
    """Return how many rows the evidence looks back on that has no forecast in it."""
    n_rows = _n_rows_of_bounded(names, horizon)
    return n_rows + _n_bounding(horizon) if n_rows else 0


def _n_rows_of_bounded(names, horizon):
    """Return on how many bounded rows the evidence looks back."""
    n_rows = (BACKGROUND + 1) * horizon + LEAST_STILL
    if not {*names} & {*NO_FORECAST}:
        return 0
    return max(n_rows, WINDOW_ROWS + 2 * horizon) if "window" in names else n_rows


def _n_bounding(horizon):
    return max(BACKGROUND * horizon, LEAST_BOUNDING)


def bounded(y, horizon, start, stop, names):
    """Return values of which those that evidence of some rows looks at are bounded."""
    out = y.copy()
    begin = max(start - _n_rows_of_bounded(names, horizon), 0)
    for k in range(y.shape[1]):
        bounds, column = Bounds(_n_bounding(horizon)), np.ascontiguousarray(y[:, k])
        found = np.empty(max(stop - begin, 0))
        bounds.start(column, begin)
        bounds.follow(column, begin, found)
        out[begin : begin + len(found), k] = found
    return out


def _forecast_errors(model, series, rows, names, n_threads):
    """Return the evidence of some rows that is made of forecasts."""
    horizon, y = model.horizon, series.y
    knows_more = model.reader.n_known_future > 0
    before = rows - horizon + 1
    found = {name: np.full((len(rows), y.shape[1]), np.nan) for name in names}
    asked = [rows] * ("step" in names and not knows_more)
    asked += [before] * (names != ["step"])
    origin = np.unique(np.concatenate([*asked, np.empty(0, int)]))
    origin = origin[origin > 0]
    if "step" in names and knows_more:
        known = rows[rows > 0]
        found["step"][rows > 0] = _steps_in_time(model, series, known, n_threads)
    if not len(origin):
        return found
    owner = np.zeros(len(origin), dtype=np.intp)
    forecast = model.forecast_from([series], owner, origin, n_threads)
    at = origin[:, np.newaxis] + np.arange(horizon)
    error = _errors(model, forecast, y[at])  # (n_origins, horizon, n_targets)

    def of(origins):
        """Return the errors of forecasts, NaN where there are none."""
        found = error[np.minimum(np.searchsorted(origin, origins), len(origin) - 1)]
        found[origins < 1] = np.nan
        return found

    if "step" in names and not knows_more:
        found["step"] = of(rows)[:, 0]
    if names != ["step"]:
        ago = of(before)
        if "ahead" in names:
            found["ahead"] = ago[:, -1].copy()
        if "path" in names:
            found["path"] = _path(ago)
    return found


def _errors(model, forecast, y):
    """Return the sizes of errors in units of the spread."""
    spread = np.maximum(forecast.spread, LEAST_SPREAD * model.target_scale)
    return np.abs(y - forecast.middle) / spread


def _steps_in_time(model, series, rows, n_threads):
    """Return the errors of forecasts from the row before, (n_rows, n_targets).

    A forecast reads what is known of the rows ahead. But when a row is judged, only
    its own covariates are known, and those of later rows are not.
    """
    n_rows = 2 * model.reader.window + model.schema.season
    found = np.empty((len(rows), series.y.shape[1]))
    for begin in range(0, len(rows), FEW_ROWS):
        part = rows[begin : begin + FEW_ROWS]
        panel = [_known_before(series, row, n_rows, model.horizon) for row in part]
        origin = np.array([each.n_past for each in panel])
        owner = np.arange(len(panel))
        forecast = model.forecast_from(panel, owner, origin, n_threads)
        errors = _errors(model, forecast, series.y[part][:, np.newaxis])
        found[begin : begin + len(part)] = errors[:, 0]
    return found


def _known_before(series, row, n_rows, n_ahead):
    """Return the series as it is known when a row has come, but for its targets."""
    end = row + n_ahead
    x = series.x[:end].copy()
    x[row + 1 :] = np.nan
    cut = Series(
        series.y[:end],
        x,
        series.calendar[:end],
        row,
        series.name,
        series.position,
        series.phase,
    )
    return newest_rows(cut, n_rows)


def _path(error):
    """Return the mean errors (n_rows, horizon, n_targets) of forecasts.

    A weight of each step, such as its usual error, would change when the forecaster is
    fitted again, and then all rows would look unusual beside the earlier ones.
    """
    path = np.empty((len(error), error.shape[2]))
    means_of_errors(error, path)
    return path


class RowEvidence:
    """The evidence of rows of one series as they come, with the bits of `statistics`.

    Each forecast is made once and kept for a horizon. The model has no covariates.

    Parameters
    ----------
    model : ForecastModel
    names : sequence of str
    """

    def __init__(self, model, names):
        self.model, self.names, self.horizon = model, tuple(names), model.horizon
        self._forecasts = any(name not in NO_FORECAST for name in names)
        shape = self.horizon, self.horizon, model.n_targets
        self._middle, self._spread = np.empty(shape), np.empty(shape)
        self._nearest = [
            NearestWindow(self.horizon, WINDOW_ROWS) for _ in range(model.n_targets)
        ]
        at = dict(zip(self.names, range(len(self.names)), strict=True))
        self._places = [at.get(name, -1) for name in EVIDENCE]
        self._least = LEAST_SPREAD * model.target_scale
        self._targets = np.arange(model.n_targets)

    def follow(self, series, n_known):
        """Go on in a series that has room for rows after the `n_known` known ones."""
        self._series, self._lines = series, self.model.lines([series])
        first = max(n_known - self.horizon + 1, 1)
        if self._forecasts and n_known > first:
            self._forecast(np.arange(first, n_known))
        self._columns = list(np.ascontiguousarray(series.y.T))
        if max(self._places[3:]) < 0:
            return
        y = bounded(series.y, self.horizon, n_known, n_known, self.names)
        self._bounded, self._bounded_columns = y, list(np.ascontiguousarray(y.T))
        self._bounds = [Bounds(_n_bounding(self.horizon)) for _ in self._columns]
        for bounds, column in zip(self._bounds, self._columns, strict=True):
            bounds.start(column, n_known)
        if "window" in self.names:
            number = series.position + n_known
            for nearest, column in zip(
                self._nearest, self._bounded_columns, strict=True
            ):
                nearest.start(column, n_known, number)

    def of(self, row):
        """Return the evidence of a row that has come, (1, n_evidence * n_targets)."""
        y, places = self._series.y, self._places
        values = y[row]
        self._lines.values[self._lines.begin + row] = values
        table = np.full((len(self.names), len(values)), np.nan)
        if self._forecasts and row > 0:
            self._forecast(np.array([row]))
            errors_of_row(y, self._middle, self._spread, row, table, *places[:3])
        if max(places[3:]) >= 0:
            self._look_back(row, table)
        unknown = values != values
        if unknown.any():
            table[:, unknown] = np.nan
        return table.reshape(1, -1)

    def _look_back(self, row, table):
        """Write the evidence without forecasts into the table."""
        horizon, y = self.horizon, self._bounded
        level, drift, window, still = self._places[3:]
        for k, (bounds, column) in enumerate(
            zip(self._bounds, self._columns, strict=True)
        ):
            column[row] = self._series.y[row, k]
            found = self._bounded_columns[k][row : row + 1]
            bounds.follow(column, row, found)
            y[row, k] = found[0]
            if window >= 0:
                self._nearest[k].distances(
                    self._bounded_columns[k], row, table[window, k : k + 1]
                )
        if level >= 0:
            levels(y, horizon, row, row + 1, table[level : level + 1])
        if drift >= 0:
            drifts(y, SLOW * horizon, row, row + 1, table[drift : drift + 1])
        if still >= 0:
            stills(y, horizon, row, row + 1, table[still : still + 1])

    def _forecast(self, origin):
        model, n_targets = self.model, self.model.n_targets
        line, origins = self._targets, origin
        if len(origin) > 1 or n_targets > 1:
            line = np.tile(line, len(origin))
            origins = np.repeat(origin, n_targets)
        out, spread = model.forecast_windows(self._lines, line, origins)
        which, first = model.loss.middle, 0
        for at in (origin % self.horizon).tolist():
            part = slice(first, first + n_targets)
            kept = self._middle[at], self._spread[at]
            keep_forecast(out[part], which, spread[part], self._least, *kept)
            first += n_targets


def levels(y, n_rows, start, stop, out=None):
    """Return how far means of the last rows are from those of the rows before.

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_targets)
    n_rows : int
        Number of rows of a mean. The other mean is of `BACKGROUND` times as many.
    start, stop : int
    out : ndarray of shape (stop - start, n_targets), default=None
        Filled, if it is given.

    Returns
    -------
    levels : ndarray of shape (stop - start, n_targets)
        NaN if half of the rows of a mean are unknown or not there.
    """
    before = drifts(y, BACKGROUND * n_rows, start - n_rows, stop - n_rows)
    out = drifts(y, n_rows, start, stop, out)
    out -= before
    return out


def drifts(y, n_rows, start, stop, out=None):
    """Return means of the last rows, (stop - start, n_targets), in `out` if given.

    NaN if half of the rows of a mean are unknown or not there.
    """
    if out is None:
        out = np.empty((stop - start, y.shape[1]))
    means(y, n_rows, start, stop, out)
    return out


def stills(y, horizon, start, stop, out=None):
    """Return how much less the last rows change, (stop - start, n_targets).

    That is half a horizon, compared with as many horizons as `level` is. `out` takes
    them, if it is given.
    """
    if out is None:
        out = np.empty((stop - start, y.shape[1]))
    n_rows = max(horizon // 2, LEAST_STILL)
    stillness(y, n_rows, max(BACKGROUND * horizon, n_rows), start, stop, out)
    return out


def distances(y, number, n_rows, start, stop):
    """Return distances of the last rows from the nearest earlier ones.

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_targets)
    number : int
        The number of row 0 on the time axis.
    n_rows : int
        Number of rows of a window.
    start, stop : int

    Returns
    -------
    distances : ndarray of shape (stop - start, n_targets)
        NaN if a row of the window is unknown, or nothing came before it.
    """
    out = np.empty((stop - start, y.shape[1]))
    window_distances(y, n_rows, WINDOW_ROWS, number, start, stop, out)
    return out
