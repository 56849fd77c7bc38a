"""A fitted forecast, as plain arrays and values, and how it forecasts series."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from skrnn._windows import are_known
from skrnn.forecasting.calibration import LEVELS
from skrnn.forecasting.cold import ColdStart
from skrnn.forecasting.linear import Home, LinearForecast
from skrnn.forecasting.logarithms import inward, outward
from skrnn.forecasting.network import WindowForecaster, make_spec
from skrnn.forecasting.short import MovesOfLines, ShortHistories
from skrnn.forecasting.windows import Lines, WindowOptions, WindowReader, Windows
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import Series
from skrnn.losses import make_forecast_loss
from skrnn.models.clock import by_clock
from skrnn.models.forecast_unknown import (
    carried,
    merged,
    unclear_origins,
    unclear_rows,
    without_covariates,
)
from skrnn.models.lending import Lender
from skrnn.models.series_access import PanelAccess, RowsAccess
from skrnn.network import Network, PassOptions

__all__ = ["DEFAULT_QUANTILES", "Forecast", "ForecastModel", "check_coverage"]

# Horizons after the history without a row to forecast, at most.
MAX_EMPTY_HORIZONS = 10_000
# Quantiles that are forecast if no others are asked for.
DEFAULT_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ACCESS = {"rows": RowsAccess, "panel": PanelAccess}


class Forecast(NamedTuple):
    """Forecasts of rows of some series.

    Attributes
    ----------
    middle : ndarray of shape (n_series, n_rows, n_targets)
        The forecasts.
    quantiles : ndarray of shape (n_series, n_rows, n_targets, n_quantiles) or None
        The quantiles of a network that learns them.
    spread : ndarray of shape (n_series, n_rows, n_targets)
        The unit of the errors.
    step : ndarray of shape (n_rows, 1)
        Steps from the origin of each row, from 0.
    block : ndarray of shape (n_rows, 1)
        How many horizons of forecasts lie between the history and each row's origin.
    unclear : ndarray of shape (n_series, n_rows), bool or None
        The rows that are forecast without covariates, since these are unknown.
    cold : ndarray of shape (n_series, n_targets), bool or None
        The targets without a value, which covariates alone forecast.
    """

    middle: np.ndarray
    quantiles: np.ndarray | None
    spread: np.ndarray
    step: np.ndarray
    block: np.ndarray
    unclear: np.ndarray | None = None
    cold: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class ForecastModel:
    """All that is fitted and needed to forecast.

    A model never changes; training, or new rows, make a new one. While it is being
    fitted, what is not known yet is None.

    Parameters
    ----------
    structure : dict
        The parameters of the estimator that the model was made with.
    schema : SeriesSchema
        What the columns and the rows of tables mean.
    reader : WindowReader
        What the network reads of a window.
    x_mean, x_scale : ndarray of shape (n_covariates,)
    target_mean, target_scale : ndarray of shape (n_targets,)
    coef : ndarray of shape (n_known_future, n_targets) or None
        Effect of the known covariates, if the model has such a regression.
    history : list of Series
        The series that predictions go on from.
    linear_weights : ndarray of shape (n_lags, horizon)
    ridge_strength : float
    gate : ndarray of shape (horizon,)
        The share of the network's correction at each step.
    errors : ndarray of shape (n_targets, horizon, n_levels) or None
        Quantiles of the errors at `LEVELS`, in units of the spread of a window.
    theta : ndarray of shape (n_params,)
        Parameters of the network.
    plain_weights : ndarray of shape (n_lags, horizon) or None
        The linear forecast of the targets alone, for rows whose covariates are unknown.
        None is `linear_weights`.
    plain_errors : ndarray of shape (n_targets, horizon, n_levels) or None
        Quantiles of its errors. None is `errors`.
    moves : ndarray of shape (4, n_targets) or None
        What the series of `fit` tell of the spread of others, see `MovesOfLines`. None
        in files of earlier versions.
    widening : ndarray of shape (n_targets, n_sizes, horizon) or None
        By how much errors are larger if a history is short.
    log_floor : float or None
        If all is learned of logarithms of the targets, the value below which these go
        on as a straight line. Then targets' means and scales, weights and errors are
        those of logarithms.
    cold : ColdStart or None
        How series of a panel without a value are forecast.
    home, plain_home : Home or None
        Where the linear forecast returns to, and that of the targets alone.
    unlearned : ndarray of shape (n_series,) or None
        How many of the last rows of each history `update` has added: nothing was
        learned from these. None if there are no such rows.
    """

    structure: dict[str, Any]
    schema: SeriesSchema
    reader: WindowReader
    x_mean: np.ndarray
    x_scale: np.ndarray
    target_mean: np.ndarray
    target_scale: np.ndarray
    coef: np.ndarray | None = None
    history: list[Series] = field(default_factory=list)
    linear_weights: np.ndarray | None = None
    ridge_strength: float | None = None
    gate: np.ndarray | None = None
    errors: np.ndarray | None = None
    theta: np.ndarray | None = None
    plain_weights: np.ndarray | None = None
    plain_errors: np.ndarray | None = None
    moves: np.ndarray | None = None
    widening: np.ndarray | None = None
    log_floor: float | None = None
    cold: ColdStart | None = None
    home: Home | None = None
    plain_home: Home | None = None
    unlearned: np.ndarray | None = None
    _idle: Lender = field(default_factory=Lender, repr=False)

    def with_theta(self, theta):
        """Return the model with other parameters of the network."""
        return replace(self, theta=theta, _idle=Lender())

    def with_history(self, history):
        """Return the model with other series to go on from."""
        schema, history = self.access.keep(history)
        return replace(self, schema=schema, history=history)

    def updated(self, X, y):
        """Return the model with the rows that follow its history."""
        later = self.access.read_later(X, y)
        pairs = zip(self.history, later, strict=True)
        history = [self.schema.join(a, b) for a, b in pairs]
        pairs = zip(self.history, history, strict=True)
        grown = np.array([b.n_past - a.n_past for a, b in pairs], dtype=np.int64)
        if self.unlearned is not None:
            grown += self.unlearned
        return replace(self.with_history(history), unlearned=grown)

    def n_learned(self, number, series):
        """Return the number of the first rows of a series that were learned from.

        These are rows of the series of that number in `fit`: as far as both are known,
        their values are equal.
        """
        history = self.history[number]
        begin = series.position - history.position
        if self.schema.mode == "rows" and self.schema.time_kind is None:
            begin = 0  # rows without an index stand after the history
        n = history.n_past
        if self.unlearned is not None:
            n -= int(self.unlearned[number])
        first, last = max(begin, 0), min(n, begin + series.n_past)
        if first >= last:
            return 0
        seen, given = history.y[first:last], series.y[first - begin : last - begin]
        return last - begin if np.array_equal(seen, given, equal_nan=True) else 0

    # Facts -----------------------------------------------------------------------

    @property
    def access(self):
        """How users give series to the model: as rows, or as a panel."""
        return ACCESS[self.schema.mode](self)

    @property
    def horizon(self):
        """The number of steps that are forecast at once."""
        return self.reader.horizon

    @property
    def n_targets(self):
        """The number of targets."""
        return self.schema.n_targets

    @property
    def learned_quantiles(self):
        """The quantiles that the network has learned, a tuple or None."""
        return self.structure["quantiles"]

    @property
    def options(self):
        """How windows are cut."""
        centered = self.structure["normalize"] == "mean"
        return WindowOptions(self.schema.season, centered, self.loss.bears_wild)

    @cached_property
    def loss(self):
        """The loss of the network."""
        name, quantiles = self.structure["loss"], self.structure["quantiles"]
        return make_forecast_loss(name, self.horizon, quantiles)

    @cached_property
    def spec(self):
        """The description of the network."""
        names = "hidden_layer_sizes", "cell", "activation"
        options = (self.structure[name] for name in names)
        return make_spec(self.reader, self.loss.n_out, *options)

    @cached_property
    def short(self):
        """The unit of the errors of short histories, None if it is not known."""
        if self.moves is None:
            return None
        moves = MovesOfLines(*self.moves)
        return ShortHistories(moves, self.widening, self.reader.window)

    @property
    def weights(self):
        """Read-only views of the parameters of the network by name."""
        theta = self.theta.view()
        theta.flags.writeable = False
        return self.spec.layout(self.loss).views(theta)

    # From series to lines ----------------------------------------------------------

    def inward(self, y):
        """Return what the model learns of targets: their logarithms, or themselves."""
        return inward(y, self.log_floor)

    def outward(self, z):
        """Return the targets that `inward` was given."""
        return outward(z, self.log_floor)

    def standardized(self, x):
        """Return covariates in units of their scale, 0 where they are unknown."""
        x = (x - self.x_mean) / self.x_scale
        return np.nan_to_num(x, copy=False, nan=0.0)

    def effect(self, x):
        """Return the effect of standardised covariates, (n_rows, n_targets)."""
        effect = np.zeros((len(x), self.n_targets))
        known = x[:, self.reader.n_past_only :]
        for column, coef in zip(known.T, self.coef, strict=True):
            effect += column[:, np.newaxis] * coef
        return effect

    def effect_of(self, x):
        """Return the effect of covariates that are not standardised.

        What is unknown is read as the last known value.
        """
        known = x[:, self.reader.n_past_only :]
        if np.isnan(known).any():
            x = np.concatenate([x[:, : self.reader.n_past_only], carried(known)], 1)
        return self.effect(self.standardized(x))

    @cached_property
    def plain(self):
        """The model that forecasts targets from their own past alone."""
        return without_covariates(self)

    def lines(self, panel):
        """Return the `Lines` of series, without the effect of covariates."""
        tables, places = [], []
        for series in panel:
            x, y = self.standardized(series.x), self.inward(series.y)
            if self.coef is not None:
                y = y - self.effect_of(series.x)
                # Where the effect is unknown, so is what is left without it.
                y[unclear_rows(self, series.x)] = np.nan
            place = self.schema.clock_places(series, len(series) + self.horizon)
            table = y, x, series.calendar
            tables.append(table if place is None else by_clock(place, table))
            places.append(place)
        lines = Lines(tables)
        if any(place is not None for place in places):
            lines.places = places
        return lines

    # Forecasts ---------------------------------------------------------------------

    def linear(self):
        """Return the linear part of the forecasts."""
        return LinearForecast(self.linear_weights, self.home)

    def window_forecaster(self):
        """Return what forecasts windows: the linear part and a loaded network."""
        network = Network(self.spec, self.loss, PassOptions(trains=False))
        network.load(self.theta)
        parts = self.reader, self.linear(), network, self.loss, self.gate, self.options
        return WindowForecaster(*parts, self.short)

    def forecast_windows(self, lines, line, origin, n_threads=1):
        """Forecast windows, also those without a known value.

        Returns
        -------
        forecast : ndarray of shape (n_windows, horizon, n_quantiles)
        spread : ndarray of shape (n_windows, horizon)
        """
        window, season = self.reader.window, self.schema.season
        forecaster = self._idle.borrow(self.window_forecaster)
        with np.errstate(over="ignore", invalid="ignore"):
            out, spread = forecaster.forecast(lines, line, origin, n_threads)
            if are_known(out, spread):
                self._idle.append(forecaster)
                return out, spread  # as nearly always: nothing is unknown
        unknown = np.isnan(out).any(axis=(1, 2))
        for i in np.flatnonzero(unknown | (spread == 0).all(axis=1)):
            begin, target = lines.begin[line[i]], lines.target[line[i]]
            at = origin[i : i + 1]
            known = np.isfinite(lines.values[begin : begin + at[0]])
            if unknown[i] and known.any():
                # Go on from the last value before the window, whole seasons ago.
                end = known.nonzero()[0][-1:] + 1
                gap = (at - end) % season
                at = np.where(gap < window, end + gap, end)
                one = slice(i, i + 1)
                found = forecaster.forecast(lines, line[one], at, n_threads)
                out[one], spread[one] = found
            elif unknown[i]:
                out[i] = self.target_mean[target]
            n_known = np.count_nonzero(known[max(0, at[0] - window) : at[0]])
            if n_known < (2 if self.moves is None else 1):
                # A single value says nothing about the changes to expect.
                spread[i] = self.target_scale[target]
        self._idle.append(forecaster)
        finite = np.isfinite(out).all(axis=(1, 2)) & np.isfinite(spread).all(axis=1)
        if not finite.all():
            name = self.access.series_name(lines.series[line[np.argmin(finite)]])
            raise ValueError(
                f"The values of {name} are too large to be forecast. Divide them by a "
                "constant."
            )
        return out, spread

    def _forecast_origins(self, lines, owner, origin, n_threads):
        """Forecast all targets of series from origins.

        Returns
        -------
        forecast : ndarray of shape (n_origins, horizon, n_targets, n_quantiles)
        spread : ndarray of shape (n_origins, horizon, n_targets)
        """
        n_targets = self.n_targets
        origin, steps = lines.at_origins(owner, origin, self.horizon)
        line = (owner[:, np.newaxis] * n_targets + np.arange(n_targets)).ravel()
        origin = np.repeat(origin, n_targets)
        out, spread = self.forecast_windows(lines, line, origin, n_threads)
        out = out.reshape(len(owner), n_targets, *out.shape[1:])
        spread = spread.reshape(len(owner), n_targets, -1)
        out, spread = np.moveaxis(out, 1, 2), np.moveaxis(spread, 1, 2)
        if steps is not None:
            steps = steps[:, :, np.newaxis]
            spread = np.take_along_axis(spread, steps, 1)
            out = np.take_along_axis(out, steps[..., np.newaxis], 1)
        return out, spread

    def forecast_from(self, panel, owner, origin, n_threads=1):
        """Forecast a horizon from each of some origins.

        Parameters
        ----------
        panel : list of Series
        owner, origin : ndarray of shape (n_origins,)
            The series of each origin, and the number of its rows before it.
        n_threads : int, default=1

        Returns
        -------
        forecast : Forecast
            With a row of the first axis for each origin.
        """
        lines = self.lines(panel)
        out, spread = self._forecast_origins(lines, owner, origin, n_threads)
        step = np.arange(self.horizon)[:, np.newaxis]
        if self.coef is not None:
            effect = np.empty((len(owner), self.horizon, self.n_targets))
            for i in np.unique(owner):
                at = owner == i
                rows = origin[at][:, np.newaxis] + np.arange(self.horizon)
                effect[at] = self.effect_of(panel[i].x)[rows]
            out = out + effect[..., np.newaxis]
        found = self._as_forecast(out, spread, step, np.zeros_like(step))
        unclear = self._unclear_after(panel, owner, origin)
        at = np.flatnonzero(unclear.any(axis=1))
        if len(at):
            plain = self.plain.forecast_from(panel, owner[at], origin[at], n_threads)
            whole = [np.repeat(v[:1], len(owner), axis=0) for v in plain[:3:2]]
            for values, some in zip(whole, plain[:3:2], strict=True):
                values[at] = some
            plain = plain._replace(middle=whole[0], spread=whole[1])
            found = self._merged(found, plain, unclear)
        return found if self.cold is None else self._warmed(found, panel, owner, origin)

    def _warmed(self, forecast, panel, owner, origin):
        """Return a forecast in which covariates tell of targets without a value."""
        cold = np.zeros((len(owner), self.n_targets), dtype=bool)
        middle, quantiles = forecast.middle.copy(), forecast.quantiles
        for row, (i, start) in enumerate(zip(owner, origin, strict=True)):
            cold[row] = ~np.isfinite(panel[i].y[:start]).any(axis=0)
            if cold[row].any():
                columns = self.known_ahead(panel[i])[start : start + self.horizon]
                middle[row][:, cold[row]] = self.cold.forecast(columns)[:, cold[row]]
        if not cold.any():
            return forecast
        if quantiles is not None:
            found = self.cold.quantiles(middle, np.array(self.learned_quantiles))
            where = cold[:, np.newaxis, :, np.newaxis]
            quantiles = np.where(where, found, quantiles)
        return forecast._replace(middle=middle, quantiles=quantiles, cold=cold)

    def known_ahead(self, series):
        """Return what is known of the future beside targets, (n_rows, n_columns)."""
        x = self.standardized(series.x)[:, self.reader.n_past_only :]
        return np.concatenate([x, series.calendar], axis=1)

    def _unclear_after(self, panel, owner, origin):
        """Say of (n_origins, horizon) rows whether their covariates are unclear."""
        unclear = np.zeros((len(origin), self.horizon), dtype=bool)
        if not self.schema.n_covariates:
            return unclear
        for i in np.unique(owner):
            at, series = np.flatnonzero(owner == i), panel[i]
            rows = np.append(unclear_rows(self, series.x), False)
            after = origin[at][:, np.newaxis] + np.arange(self.horizon)
            unclear[at] = rows[np.minimum(after, len(series.x))]
            unclear[at[unclear_origins(self, series, origin[at])]] = True
        return unclear

    def _merged(self, forecast, plain, unclear):
        """Return a forecast with the rows of the plain one where it is unclear."""
        quantiles = None
        if forecast.quantiles is not None:
            quantiles = np.repeat(
                plain.middle[..., np.newaxis], len(self.learned_quantiles), axis=-1
            )
            if self.plain.errors is not None:
                levels = np.array(self.learned_quantiles)
                quantiles = self.plain.quantiles(plain, levels)
        return merged(forecast, plain, unclear, quantiles)

    def forecast_rows(self, series, rows, n_threads=1):
        """Forecast increasing rows of a series: from before each, or from its end on.

        Rows within the history are forecast from the rows before them, a horizon at a
        time. More rows than a horizon after the history are forecast from forecasts.

        Returns
        -------
        forecast : Forecast
            Of one series.
        """
        horizon, n_past = self.horizon, series.n_past
        lines, owner = self.lines([series]), np.zeros(1, dtype=np.intp)
        ahead = series.x
        if series.ahead is not None:
            ahead, lines.x_ahead = series.ahead, self.standardized(series.ahead)
            if lines.places is not None:
                table = series.y, lines.x_ahead
                lines.x_ahead = by_clock(lines.places[0], table)[1]
        parts = []
        inside = rows[rows < n_past]
        if len(inside):
            origins = inside[0] + horizon * np.unique((inside - inside[0]) // horizon)
            owners = np.repeat(owner, len(origins))
            found = self._forecast_origins(lines, owners, origins, n_threads)
            parts.append(_pick(inside, origins, *found, 0))
        n_blocks = -(-(rows[-1] + 1 - n_past) // horizon)
        if n_blocks > len(rows) + MAX_EMPTY_HORIZONS:
            raise ValueError(
                f"The last row to forecast is {rows[-1] + 1 - n_past} rows after the "
                f"end of the history, and X has only {len(rows)}. Look for a mistake "
                "in its index."
            )
        for block in range(n_blocks):
            origin = n_past + block * horizon
            origins = np.array([origin])
            found, spread = self._forecast_origins(lines, owner, origins, n_threads)
            if block == 0:
                # Forecasts are smoother than the observed values.
                known_spread = spread
            chosen = rows[(rows >= origin) & (rows < origin + horizon)]
            parts.append(_pick(chosen, origins, found, known_spread, block))
            end = min(origin + horizon, len(series.y))
            at = lines.rows_of(0, origin, end)
            for k, begin in enumerate(lines.begin):
                values = found[0, : end - origin, k, self.loss.middle]
                lines.values[begin + at[::-1]] = values[::-1]
        out, spread, step, block = map(np.concatenate, zip(*parts, strict=True))
        if self.coef is not None:
            out += self.effect_of(ahead)[rows][..., np.newaxis]
        origins = np.minimum(rows - step, n_past)
        step, block = step[:, np.newaxis], block[:, np.newaxis]
        out, spread = out[np.newaxis], spread[np.newaxis]
        found = self._as_forecast(out, spread, step, block)
        unclear = unclear_rows(self, ahead[rows])
        unclear |= unclear_origins(self, series, origins)
        if not unclear.any():
            return found
        plain = self.plain.forecast_rows(series, rows, n_threads)
        return self._merged(found, plain, unclear[np.newaxis])

    def _as_forecast(self, out, spread, step, block):
        learned = self.learned_quantiles is not None
        out = self.outward(out)
        middle = out[..., self.loss.middle]
        return Forecast(middle, out if learned else None, spread, step, block)

    def hidden_states(self, panel, n_threads=1):
        """Return the states of the last layer over the newest windows of series.

        Returns
        -------
        states : ndarray of shape (n_series, n_targets, n_segments, n_units)
        """
        lines, n_targets = self.lines(panel), self.n_targets
        line = np.arange(len(lines))
        origin = np.array([series.n_past for series in panel])
        origin, _ = lines.at_origins(np.arange(len(panel)), origin, self.horizon)
        origin = np.repeat(origin, n_targets)
        forecaster, reader = self._idle.borrow(self.window_forecaster), self.reader
        windows = Windows.cut(lines, line, origin, reader.window, self.options)
        batch = reader.read(lines, line, origin, windows)
        states = forecaster.network.hidden_states(batch, n_threads)
        self._idle.append(forecaster)
        states = states.reshape(reader.n_segments, len(line), -1).swapaxes(0, 1)
        return states.reshape(len(panel), n_targets, *states.shape[1:])

    # Errors ------------------------------------------------------------------------

    def error_quantiles(self, levels):
        """Return quantiles of the errors, (n_targets, horizon, n_levels).

        They are in units of the spread of a window.
        """
        if self.errors is None:
            raise ValueError(
                "There are no errors to make intervals of: the history was too short "
                "for forecasts of a later part of it. Give fit a longer one, of two "
                "and a half horizons at least, or set a smaller horizon or a smaller "
                "window."
            )
        at = np.searchsorted(LEVELS, levels, side="right") - 1
        at = np.clip(at, 0, len(LEVELS) - 2)
        part = (levels - LEVELS[at]) / (LEVELS[at + 1] - LEVELS[at])
        return self.errors[..., at] * (1 - part) + self.errors[..., at + 1] * part

    def quantiles(self, forecast, levels):
        """Return quantiles of what will come: forecasts plus quantiles of the errors.

        Parameters
        ----------
        forecast : Forecast
        levels : ndarray of shape (n_levels,)

        Returns
        -------
        quantiles : ndarray of shape (n_series, n_rows, n_targets, n_levels)
        """
        if forecast.cold is not None:
            where = forecast.cold[:, np.newaxis, :, np.newaxis]
            found = self.quantiles(forecast._replace(cold=None), levels)
            return np.where(where, self.cold.quantiles(forecast.middle, levels), found)
        if forecast.unclear is not None:
            clear = forecast._replace(unclear=None)
            where = forecast.unclear[..., np.newaxis, np.newaxis]
            found = self.quantiles(clear, levels), self.plain.quantiles(clear, levels)
            return np.where(where, found[1], found[0])
        errors = self.error_quantiles(levels)
        target = np.arange(self.n_targets)
        error = errors[target, forecast.step]  # (n_rows, n_targets, n_levels)
        # A forecast from forecasts has their errors, too, as if independent.
        block = forecast.block[..., np.newaxis]
        before = errors[target, -1] ** 2 * block
        joint = np.sign(error) * np.sqrt(error**2 + before)
        error = np.where(block > 0, joint, error)
        spread = forecast.spread[..., np.newaxis]
        middle = self.inward(forecast.middle)[..., np.newaxis]
        return self.outward(middle + error * spread)

    def interval(self, forecast, coverage):
        """Return the ends of intervals, (n_series, n_rows, n_targets, 2)."""
        check_coverage(coverage)
        tail = (1 - coverage) / 2
        return self.quantiles(forecast, np.array([tail, 1 - tail]))

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the model as plain values, by the names of its fields."""
        plain = {}
        if self.plain_weights is not None:
            plain["_plain_weights"] = self.plain_weights
        if self.plain_errors is not None:
            plain["_plain_errors"] = self.plain_errors
        if self.moves is not None:
            plain |= {"_moves": self.moves, "_widening": self.widening}
        if self.log_floor is not None:
            plain["_log_floor"] = self.log_floor
        if self.cold is not None:
            plain |= {f"_cold_{k}": v for k, v in self.cold._asdict().items()}
        for name in ("home", "plain_home"):
            home = getattr(self, name)
            if home is not None:
                plain[f"_{name}_levels"] = np.array(home[:3])
                plain[f"_{name}_pull"] = home.pull
        if self.unlearned is not None:
            plain["_unlearned"] = self.unlearned
        return plain | {
            "_structure": self.structure,
            "_reader": self.reader.get_state(),
            "_schema_state": self.schema.get_state(),
            "window_": self.reader.window,
            "segment_length_": self.reader.segment_length,
            "season_": self.schema.season,
            "n_outputs_": self.n_targets,
            "_x_mean": self.x_mean,
            "_x_scale": self.x_scale,
            "_target_mean": self.target_mean,
            "_target_scale": self.target_scale,
            "_coef": self.coef,
            "_history": [series.get_state() for series in self.history],
            "linear_weights_": self.linear_weights,
            "ridge_strength_": self.ridge_strength,
            "gate_": self.gate,
            "_errors": self.errors,
            "_theta": self.theta,
        }

    @classmethod
    def unpack(cls, fields):
        """Return the model that `pack` was called of."""
        cold = None
        if "_cold_coef" in fields:
            cold = ColdStart(*(fields[f"_cold_{name}"] for name in ColdStart._fields))
        homes = [
            Home(*fields[f"{name}_levels"], fields[f"{name}_pull"])
            if f"{name}_levels" in fields
            else None
            for name in ("_home", "_plain_home")
        ]
        return cls(
            fields["_structure"],
            SeriesSchema.from_state(fields["_schema_state"]),
            WindowReader(**fields["_reader"]),
            fields["_x_mean"],
            fields["_x_scale"],
            fields["_target_mean"],
            fields["_target_scale"],
            fields["_coef"],
            [Series.from_state(state) for state in fields["_history"]],
            fields["linear_weights_"],
            fields["ridge_strength_"],
            fields["gate_"],
            fields["_errors"],
            fields["_theta"],
            fields.get("_plain_weights"),
            fields.get("_plain_errors"),
            fields.get("_moves"),
            fields.get("_widening"),
            fields.get("_log_floor"),
            cold,
            *homes,
            fields.get("_unlearned"),
        )


def check_coverage(coverage):
    """Refuse a coverage that is not a number between 0 and 1."""
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(
            f"coverage must be a number between 0 and 1, got {coverage!r}."
        )


def _pick(rows, origins, forecast, spread, block):
    """Return forecasts of rows, from the last origin before each.

    Parameters
    ----------
    rows, origins : ndarray
    forecast : ndarray of shape (n_origins, horizon, n_targets, n_quantiles)
    spread : ndarray of shape (n_origins, horizon, n_targets)
    block : int

    Returns
    -------
    forecast : ndarray of shape (n_rows, n_targets, n_quantiles)
    spread : ndarray of shape (n_rows, n_targets)
    step, block : ndarray of shape (n_rows,)
    """
    at = np.searchsorted(origins, rows, side="right") - 1
    step = rows - origins[at]
    return forecast[at, step], spread[at, step], step, np.full(len(step), block)
