"""Forecasts from many origins, compared with what came and with naive ones."""

import warnings
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from skrnn.forecasting.windows import BLOCK_WINDOWS, Lines, Windows
from skrnn.models.forecast import check_coverage
from skrnn.models.series_access import true_values

__all__ = ["Backtest"]


class Results(NamedTuple):
    """Forecasts, and what they are compared with, of some origins.

    All are (n_origins, horizon, n_targets). An interval has its ends last, and is None
    if the model knows no errors.
    """

    forecast: np.ndarray
    naive: np.ndarray
    seasonal: np.ndarray
    interval: np.ndarray | None


class Backtest:
    """Forecasts from origins in series whose values are known.

    Parameters
    ----------
    model : ForecastModel
    X, y : table, panel or None
        As in `SequenceForecaster.backtest`.
    coverage : float
    n_threads : int, default=1
    """

    def __init__(self, model, X, y, coverage, n_threads=1):
        check_coverage(coverage)
        self.model, self.coverage, self.n_threads = model, coverage, n_threads
        self.X, self.y = X, y
        self.panel = model.access.read_known(X, y, "backtest")

    def run(self, start, stride, refit, fit):
        """Return what `SequenceForecaster.backtest` describes.

        ``fit(*arguments)`` returns a model that was fitted to these.
        """
        if not isinstance(stride, Integral) or stride < 1:
            raise ValueError(f"stride must be an int of at least 1, got {stride!r}.")
        if not isinstance(refit, bool | np.bool_ | Integral) or refit < 0:
            raise ValueError(f"refit must be a bool or a number, got {refit!r}.")
        starts, moment = self._starts(start)
        owner, origin = self._origins(start, starts, moment, stride)
        if refit:
            found = self._refitted(owner, origin, int(refit), fit)
        else:
            self._warn_of_learned(owner, origin)
            found = self._forecast(self.model, self.panel, owner, origin)
        true = true_values(self.panel, owner, origin, self.model.horizon)
        unit = self._changes(starts)[owner]
        forecasts = {
            "forecast": found.forecast,
            "naive": found.naive,
            "seasonal_naive": found.seasonal,
        }
        scores = {name: _scores(true, f, unit) for name, f in forecasts.items()}
        interval = found.interval
        if interval is not None:
            inside = (interval[..., 0] <= true) & (true <= interval[..., 1])
            known = np.isfinite(true) & np.isfinite(interval).all(axis=-1)
            scores["forecast"]["coverage"] = _mean(inside[known])
            interval = self._finish(interval)
        return Bunch(
            origins=origin,
            series=owner,
            y_true=self._finish(true),
            y_pred=self._finish(found.forecast),
            interval=interval,
            naive=self._finish(found.naive),
            seasonal_naive=self._finish(found.seasonal),
            scores=scores,
        )

    def _starts(self, start):
        """Return the first origin of each series, and the moment that it is at."""
        positions = np.array([series.position for series in self.panel])
        ends = positions + np.array([series.n_past for series in self.panel])
        if isinstance(start, Integral) and not isinstance(start, bool | np.bool_):
            if start > 0:
                return np.full(len(positions), start), positions.min() + int(start)
            moment = ends.max() + int(start)
            if start == 0 or moment <= positions.min():
                raise ValueError(
                    f"start must be an int of at least 1, a negative int that counts "
                    f"rows from the end, or a date, got {start!r}."
                )
        else:
            moment = self.model.schema.position_of(start, "start")
        return np.maximum(moment - positions, 1), moment

    def _origins(self, start, starts, moment, stride):
        """Return the series of each origin, and the number of its rows before it.

        All series have their origins at the same moments.
        """
        horizon = self.model.horizon
        origins = []
        for first, series in zip(starts, self.panel, strict=True):
            first = first + (moment - series.position - first) % stride
            origins.append(np.arange(first, series.n_past - horizon + 1, stride))
        starts = origins
        origin = np.concatenate(starts).astype(np.intp)
        if not len(origin):
            raise ValueError(
                f"No origin from start={start} on is followed by horizon={horizon} "
                "rows: the longest series has "
                f"{max(series.n_past for series in self.panel)}."
            )
        return np.repeat(np.arange(len(starts)), [len(o) for o in starts]), origin

    def _warn_of_learned(self, owner, origin):
        """Warn if rows are forecast that the model was fitted to."""
        if len(self.panel) != len(self.model.history):
            return
        learned = map(self.model.n_learned, range(len(self.panel)), self.panel)
        learned = np.array(list(learned))
        n = np.count_nonzero(origin < learned[owner])
        if n:
            start = "after these rows"
            if len(learned) == 1:
                start = f"at {learned[0]}, the first row after them"
            warnings.warn(
                f"From {n} of {len(origin)} origins the model forecasts rows that it "
                "has seen in fit, so the errors are smaller than those of new rows. "
                f"Start {start}, or set refit=True.",
                UserWarning,
                stacklevel=4,
            )

    def _finish(self, values):
        return values[:, :, 0] if self.model.schema.target_is_1d else values

    def _forecast(self, model, panel, owner, origin):
        """Return the `Results` of a model."""
        forecast = model.forecast_from(panel, owner, origin, self.n_threads)
        interval = None
        if model.errors is not None:
            interval = model.interval(forecast, self.coverage)
        naive = _naive_forecasts(model, panel, owner, origin)
        return Results(forecast.middle, *naive, interval)

    def _changes(self, starts):
        """Return the mean absolute change over a season before the first origins."""
        season = self.model.schema.season
        unit = np.full((len(self.panel), self.model.n_targets), np.nan)
        for i, series in enumerate(self.panel):
            y = series.y[: starts[i]]
            for lag in (min(season, max(len(y) - 1, 1)), 1):
                change = np.abs(y[lag:] - y[:-lag])
                known = np.isfinite(change)
                sums = np.where(known, change, 0).sum(axis=0)
                new = np.divide(
                    sums,
                    known.sum(axis=0),
                    out=np.full_like(sums, np.nan),
                    where=known.any(axis=0),
                )
                unit[i] = np.where(np.isnan(unit[i]), new, unit[i])
        return unit

    def _refitted(self, owner, origin, every, fit):
        """Return the `Results` of models fitted to the rows before each origin."""
        before = self.model.access.fit_arguments(self.X, self.y, self.panel)
        shape = len(origin), self.model.horizon, self.model.n_targets
        all_found = Results(*np.full((3, *shape), np.nan), np.full((*shape, 2), np.nan))
        # An origin is a moment: none of the series is known beyond it.
        moment = origin + np.array([series.position for series in self.panel])[owner]
        times = np.unique(moment)
        for i in range(0, len(times), every):
            model = fit(*before(times[i]))
            panel = model.access.read_known(self.X, self.y, "backtest")
            at = np.flatnonzero(np.isin(moment, times[i : i + every]))
            found = self._forecast(model, panel, owner[at], origin[at])
            for values, new in zip(all_found, found, strict=True):
                if new is not None:
                    values[at] = new
        if np.isnan(all_found.interval).all():
            return all_found._replace(interval=None)
        return all_found


def _naive_forecasts(model, panel, owner, origin):
    """Return the last known values, and the values a season before.

    Both are (n_origins, horizon, n_targets).
    """
    horizon, season, n_targets = model.horizon, model.schema.season, model.n_targets
    lines = Lines([(s.y, *np.empty((2, len(s), 0))) for s in panel])
    line = (owner[:, np.newaxis] * n_targets + np.arange(n_targets)).ravel()
    origin = np.repeat(origin, n_targets)
    window = max(model.reader.window, season)
    last, seasonal = np.empty((2, len(line), horizon))
    options = model.options._replace(centered=False)
    ahead = window - season + np.arange(horizon) % season
    for start in range(0, len(line), BLOCK_WINDOWS):
        rows = slice(start, start + BLOCK_WINDOWS)
        windows = Windows.cut(lines, line[rows], origin[rows], window, options)
        last[rows] = windows.level[:, np.newaxis]
        seasonal[rows] = last[rows] + windows.values[:, ahead]
    shape = -1, n_targets, horizon
    return [np.moveaxis(values.reshape(shape), 1, 2) for values in (last, seasonal)]


def _scores(true, forecast, unit):
    error = np.abs(forecast - true)
    unit = np.broadcast_to(unit[:, np.newaxis], error.shape)
    known = np.isfinite(error)
    scaled = known & (unit > 0)
    return {
        "mae": _mean(error[known]),
        "rmse": float(np.sqrt(_mean(error[known] ** 2))),
        "mase": _mean(error[scaled] / unit[scaled]),
    }


def _mean(values):
    return float(values.mean()) if values.size else np.nan
