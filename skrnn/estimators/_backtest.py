"""Forecasts from many origins, compared with what came and with naive ones."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.utils import Bunch, _safe_indexing

from skrnn.forecasting.windows import Windows, origins_of
from skrnn.inputs.columns import tables_of


def tail_of(coverage):
    """The part of the errors on each side of an interval."""
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(
            f"coverage must be a number between 0 and 1, got {coverage!r}."
        )
    return (1 - coverage) / 2


class Backtest:
    """Backtests of a fitted forecaster.

    Parameters
    ----------
    forecaster : SequenceForecaster
    schema : SeriesSchema
    """

    def __init__(self, forecaster, schema):
        self.forecaster, self.schema = forecaster, schema
        self.horizon = forecaster._reader["horizon"]

    def score(self, X):
        """R² of one horizon after the other, the mean over lines."""
        tables = self._tables(X, None)
        starts = []
        for series in tables:
            o = origins_of(series.n_past, self.forecaster.window_, self.horizon)
            starts.append(
                np.arange(o[0], max(series.n_past, o[0] + 1), self.horizon)
                if len(o)
                else o
            )
        scores = []
        origin, owner = self._flat(starts)
        if not len(origin):
            raise ValueError("The series are too short to be scored.")
        true, forecast = self._forecast(tables, origin, owner)[:2]
        for i in range(len(tables)):
            for k in range(true.shape[2]):
                y, f = (a[owner == i, :, k].ravel() for a in (true, forecast))
                known = np.isfinite(y)
                if known.sum() > 1:
                    scores.append(r2_score(y[known], f[known]))
        if not scores:
            raise ValueError("The series are too short to be scored.")
        return float(np.mean(scores))

    def run(self, X, y, start, stride, refit, coverage):
        """Return what `SequenceForecaster.backtest` describes."""
        for name, value in {"start": start, "stride": stride}.items():
            if not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be an int of at least 1, got {value!r}.")
        if not isinstance(refit, bool | np.bool_ | Integral) or refit < 0:
            raise ValueError(f"refit must be a bool or a number, got {refit!r}.")
        tail = tail_of(coverage)
        tables = self._tables(X, y)
        starts = [
            np.arange(start, series.n_past - self.horizon + 1, stride)
            for series in tables
        ]
        origin, owner = self._flat(starts)
        if not len(origin):
            raise ValueError(
                f"No origin from start={start} on is followed by "
                f"horizon={self.horizon} rows: the longest series has "
                f"{max(series.n_past for series in tables)}."
            )
        if refit:
            parts = self._refitted(X, y, tables, origin, owner, int(refit), tail)
        else:
            parts = self._forecast(tables, origin, owner, tail)
        true, forecast, interval, naive, seasonal = parts
        unit = self._changes(tables, start)
        scores = {
            "forecast": _scores(true, forecast, unit[owner]),
            "naive": _scores(true, naive, unit[owner]),
            "seasonal_naive": _scores(true, seasonal, unit[owner]),
        }
        if interval is not None:
            inside = (interval[..., 0] <= true) & (true <= interval[..., 1])
            known = np.isfinite(true) & np.isfinite(interval).all(axis=-1)
            scores["forecast"]["coverage"] = _mean(inside[known])
            interval = self._finish(interval)
        return Bunch(
            origins=origin,
            series=owner,
            y_true=self._finish(true),
            y_pred=self._finish(forecast),
            interval=interval,
            naive=self._finish(naive),
            seasonal_naive=self._finish(seasonal),
            scores=scores,
        )

    def _tables(self, X, y):
        if self.schema.mode == "panel":
            self.forecaster._refuse_y(y)
            return self.schema.read_panel(X)
        self.forecaster._require_y(y, "backtest(X, y)")
        return [self.schema.read_rows(X, y, names=("X", "y", "X"))]

    @staticmethod
    def _flat(starts):
        owner = np.repeat(np.arange(len(starts)), [len(o) for o in starts])
        return np.concatenate(starts).astype(np.intp), owner

    def _finish(self, values):
        if self.schema.target_is_1d:
            return values[:, :, 0]
        return values

    def _forecast(self, tables, origin, owner, tail=None):
        """What came, forecasts, intervals and naive forecasts of origins.

        All of shape (n_origins, horizon, n_targets); intervals have their ends last.
        """
        forecaster, horizon = self.forecaster, self.horizon
        n_targets = self.schema.n_targets
        lines = forecaster._make_lines(tables)
        which = (owner[:, np.newaxis] * n_targets + np.arange(n_targets)).ravel()
        at = np.repeat(origin, n_targets)
        out, spread = forecaster._run(lines, which, at)

        def by_origin(values):
            values = values.reshape(len(origin), n_targets, *values.shape[1:])
            return np.moveaxis(values, 1, 2)

        true, naive, seasonal = map(by_origin, self._naive(lines, which, at))
        out = by_origin(out)
        if out.ndim == 3:
            out = out[..., np.newaxis]
        if forecaster._coef is not None:
            x = forecaster._standardized(tables[0].x)
            effect = forecaster._effect(x)
            effect = effect[origin[:, np.newaxis] + np.arange(horizon)]
            out = out + effect[..., np.newaxis]
            y = tables[0].y
            true, naive, seasonal = (
                np.moveaxis(part.reshape(len(origin), n_targets, horizon), 1, 2)
                for part in self._naive(
                    type(lines)([(y, x, tables[0].calendar)]), which, at
                )
            )
        step = np.arange(horizon)[:, np.newaxis]
        spread = spread.reshape(len(origin), 1, n_targets)
        forecast = forecaster._as_forecast(out, spread, step, np.zeros_like(step))
        interval = None
        if tail is not None and forecaster._errors is not None:
            interval = forecaster._spread_out(forecast, np.array([tail, 1 - tail]))
        return true, forecast.middle, interval, naive, seasonal

    def _naive(self, lines, which, origin):
        """What came, the last known value, and the values a season before."""
        horizon, season = self.horizon, self.forecaster.season_
        window = max(self.forecaster.window_, season)
        true = lines.future(which, origin, horizon)
        naive, seasonal = np.empty_like(true), np.empty_like(true)
        view = self.forecaster._view()._replace(centered=False)
        ahead = window - season + np.arange(horizon) % season
        for start in range(0, len(which), 1024):
            rows = slice(start, start + 1024)
            cut = Windows.cut(lines, which[rows], origin[rows], window, view)
            naive[rows] = cut.level[:, np.newaxis]
            seasonal[rows] = naive[rows] + cut.values[:, ahead]
        return true, naive, seasonal

    def _changes(self, tables, start):
        """The mean absolute change over a season before `start`."""
        season = self.forecaster.season_
        unit = np.full((len(tables), self.schema.n_targets), np.nan)
        for i, series in enumerate(tables):
            y = series.y[:start]
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

    def _refitted(self, X, y, tables, origin, owner, every, tail):
        """As `_forecast`, by clones that were fitted to the rows before each origin."""
        rows_mode = self.schema.mode == "rows"
        given = [] if rows_mode else [table.given for table in tables_of(X, "X")]
        # Rows that an index leaves out were not given.
        numbers = self.schema.row_numbers(X, y)
        shape = len(origin), self.horizon, self.schema.n_targets
        true, forecast, naive, seasonal = np.full((4, *shape), np.nan)
        interval = np.full((*shape, 2), np.nan)
        times = np.unique(origin)
        for i in range(0, len(times), every):
            known = [np.arange(np.searchsorted(n, times[i])) for n in numbers]
            fitted = clone(self.forecaster)
            if rows_mode:
                fitted.fit(
                    None if X is None else _safe_indexing(X, known[0]),
                    _safe_indexing(y, known[0]),
                )
            else:
                # A series that has not begun yet is not there.
                begun = [np.isfinite(s.y[: times[i]]).any() for s in tables]
                panel = zip(given, known, begun, strict=True)
                fitted.fit(
                    [_safe_indexing(x, rows) for x, rows, is_in in panel if is_in]
                )
            part = Backtest(fitted, fitted._check_is_fitted())
            at = np.flatnonzero(np.isin(origin, times[i : i + every]))
            found = part._forecast(part._tables(X, y), origin[at], owner[at], tail)
            true[at], forecast[at], _, naive[at], seasonal[at] = found
            if found[2] is not None:
                interval[at] = found[2]
        if np.isnan(interval).all():
            interval = None
        return true, forecast, interval, naive, seasonal


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
