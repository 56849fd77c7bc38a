"""The graph of a forecaster, from the histories of series to the steps after them.

It computes what `skrnn.forecasting` does: it cuts a window out of each history,
subtracts the level and fills gaps, forecasts by the linear part, lets the network read
the window and what is known of the future, and adds what counts of it. A line is one
target of one series, a lag a row of its window.
"""

import functools
import json
import math

import numpy as np

from skrnn.estimators import SequenceForecaster
from skrnn.export.onnx.forecast_windows import Rows, cut, normalized, short_units
from skrnn.export.onnx.graph import (
    Exported,
    Output,
    all_true,
    check_input_dtype,
    exports,
)
from skrnn.export.onnx.parts import FittedNetwork, Run, is_finite, run_network
from skrnn.models.clock import series_by_clock
from skrnn.models.forecast import DEFAULT_QUANTILES, ForecastModel

__all__ = ["onnx_inputs"]


class FittedForecaster:
    """What a graph is made from: a forecaster, as plain values."""

    def __init__(self, model):
        self.model, self.structure = model, model.structure
        self.network = FittedNetwork(model.spec, model.theta)
        self.dtype = self.network.dtype
        self.reader, self.schema = model.reader, model.schema
        self.view, self.loss = model.options, model.loss
        self.n_targets = self.schema.n_targets
        self.n_covariates = self.schema.n_covariates

    def inputs(self, dtype):
        """Return the inputs of a graph by name: dtype and shape."""
        reader = self.reader
        columns = {
            "y_past": self.n_targets,
            "x_past": self.n_covariates,
            "x_future": reader.n_known_future,
            "calendar_past": reader.n_calendar,
            "calendar_future": reader.n_calendar,
        }
        inputs = {
            name: (dtype, ("n_series", self.n_rows(name), n))
            for name, n in columns.items()
            if n
        }
        return inputs | {"sequence_lens": (np.dtype(np.int64), ("n_series",))}

    def n_rows(self, name):
        """Return how many rows an input has."""
        return "n_past" if name.endswith("_past") else self.reader.horizon

    def quantiles(self):
        """Return the quantiles that a graph gives, None if there are none."""
        learned = self.model.learned_quantiles
        if learned is None and self.model.errors is not None:
            return DEFAULT_QUANTILES
        return learned

    def error_quantiles(self):
        """Return those of errors in units of the spread, (horizon, n_targets, n)."""
        errors = self.model.error_quantiles(np.array(DEFAULT_QUANTILES))
        return np.moveaxis(errors, 1, 0)

    def about(self):
        """Return what a user of the graph may want to know, as texts by name."""
        names = {
            "targets": self.schema.target_names,
            "covariates": self.schema.covariate_names,
            "known_future": self.schema.covariate_names[self.reader.n_past_only :],
            "calendar": self.schema.calendar_names,
        }
        quantiles = self.quantiles() or ()
        about = {"window": self.reader.window, "horizon": self.reader.horizon}
        about |= {name: [*map(str, values)] for name, values in names.items()}
        about["quantiles"] = [float(q) for q in quantiles]
        return {name: json.dumps(value) for name, value in about.items()}


# ------------------------------------------------------------ the network


def standardize(g, x, mean, scale):
    """Add covariates in units of their scale, 0 where unknown."""
    x = g("Div", g("Sub", x, mean), scale)
    return g("Where", g("IsNaN", x), np.array(0.0), x)


def read_window(g, window, x, fitted):
    """Add the way from windows to what the first layer reads.

    Parameters
    ----------
    g : Graph
    window : Windows
    x : str or None
        Covariates, (n_lines, n_lags, n_covariates).
    fitted : FittedForecaster

    Returns
    -------
    x : str
        (n_segments, n_lines, n_in)
    """
    reader = fitted.reader
    rows = [normalized(g, window.values, window.scale), window.unknown]
    rows = [g("Unsqueeze", g.cast(row, fitted.dtype), np.array([2])) for row in rows]
    if x is not None:
        rows.append(g.cast(x, fitted.dtype))
    x = g("Concat", *rows, axis=2)
    before = reader.n_segments * reader.segment_length - reader.window
    if before:
        x = g("Pad", x, np.array([0, before, 0, 0, 0, 0]), fitted.dtype.type(0))
    x = g("Reshape", x, np.array([-1, reader.n_segments, reader.n_in]))
    return g("Transpose", x, perm=[1, 0, 2])


def read_future(g, x, calendar, n_lines, fitted):
    """Add what the network reads of the segments of the future.

    Parameters
    ----------
    g : Graph
    x : str or None
        Covariates that are known, (n_lines, horizon, n_known_future), standardised.
    calendar : str or None
        Of the first step of each segment, (n_lines, n_segments, n_calendar).
    n_lines : str
        (1,) int64
    fitted : FittedForecaster

    Returns
    -------
    future : str
        (n_segments, n_lines, n_in)
    """
    reader, n_targets = fitted.reader, fitted.n_targets
    m, k = reader.n_future_segments, reader.future_segment_length

    def expand(x, n):
        shape = g("Concat", np.array([m]), n_lines, np.array([n]), axis=0)
        return g("Expand", x, shape)

    columns = [expand(np.eye(m, dtype=fitted.dtype)[:, np.newaxis], m)]
    if calendar is not None:
        columns.append(g("Transpose", g.cast(calendar, fitted.dtype), perm=[1, 0, 2]))
    if x is not None:
        if m * k > reader.horizon:
            pads = [0, 0, 0, 0, m * k - reader.horizon, 0]
            x = g("Pad", x, np.array(pads), np.array(0.0))
        x = g("Reshape", g.cast(x, fitted.dtype), np.array([0, m, -1]))
        columns.append(g("Transpose", x, perm=[1, 0, 2]))
    if reader.n_targets:
        n_series = g("Div", n_lines, np.array([n_targets]))
        repeats = g("Concat", n_series, np.array([1]), axis=0)
        which = g("Tile", np.eye(n_targets, dtype=fitted.dtype), repeats)
        columns.append(expand(which, n_targets))
    return columns[0] if len(columns) == 1 else g("Concat", *columns, axis=2)


def spread_quantiles(g, raw, loss):
    """Add the quantiles that raw outputs (n_lines, horizon, n) mean."""
    middle, n = loss.middle, len(loss.quantiles)
    root = g("Sqrt", g("Add", g("Mul", raw, raw), np.array(1.0)))
    step = g("Mul", g("Add", raw, root), np.array(0.5))
    start, axis = g("Gather", raw, np.array([middle]), axis=2), np.array(2)
    parts = []
    if middle > 0:
        steps = g("Neg", g("Gather", step, np.arange(middle)[::-1], axis=2))
        below = g("CumSum", g("Concat", start, steps, axis=2), axis)
        parts.append(g("Gather", below, np.arange(1, middle + 1)[::-1], axis=2))
    if middle + 1 < n:
        start = [start, g("Gather", step, np.arange(middle + 1, n), axis=2)]
        start = g("CumSum", g("Concat", *start, axis=2), axis)
    parts.append(start)
    return g("Concat", *parts, axis=2)


def correction(g, window, x, x_future, calendar, fitted):
    """Add what the network adds to the linear forecast, in units of the scale.

    Parameters
    ----------
    g : Graph
    window : Windows
    x, x_future, calendar : str or None
        (n_lines, window or horizon or n_segments, n_columns), the first two
        standardised.
    fitted : FittedForecaster

    Returns
    -------
    change : str
        (n_lines, horizon, n_quantiles) double; one quantile if there are none.
    finite : str
        (n_lines, n_out) bool: whether it is a number.
    """
    reader = fitted.reader
    x = read_window(g, window, x, fitted)
    future = read_future(g, x_future, calendar, g.size(x, 1), fitted)
    raw = run_network(g, fitted.network, Run(x, future=future))
    finite = is_finite(g, raw, fitted.dtype)
    n_quantiles = fitted.loss.n_out // reader.horizon
    raw = g("Reshape", raw, np.array([-1, reader.horizon, n_quantiles]))
    change = g.cast(raw, np.float64)
    if fitted.structure["quantiles"] is not None:
        change = spread_quantiles(g, change, fitted.loss)
    return change, finite


# --------------------------------------------------------------- the rest


class Inputs:
    """What a graph is given, as lines; what a forecaster does not read is None.

    Attributes
    ----------
    y : str
        Windows, (n_lines, window), less the effect of covariates.
    x, x_future : str or None
        Standardised, (n_lines, window or horizon, n_columns).
    calendar : str or None
        Of the first step of each segment, (n_lines, n_segments, n_calendar).
    effect : str or None
        What the known covariates add to the targets, (n_series, horizon, n_targets).
    n_series : str
        How many series there really are, (1,) int64.
    valid : list of str
        (n_series, ...) bool: all of it is what an estimator takes.
    """

    def __init__(self, g, fitted, dtype):
        model, reader = fitted.model, fitted.reader
        self.g, self.fitted = g, fitted
        mean, scale = model.x_mean, model.x_scale
        past_only, window = reader.n_past_only, reader.window
        given, sequence_lens = self._given(dtype)
        y, x_past = given["y_past"], given.get("x_past")
        lens = g("Min", sequence_lens, g.size(y, 1))
        lens = g("Max", lens, np.array(1))
        self.valid = [g("Equal", lens, sequence_lens)]
        rows = Rows(g, y, lens, fitted)
        y = rows.targets(y, window)
        self.valid.append(g("Not", g("IsInf", y)))
        y = inward(g, y, model.log_floor)
        self.x = self.x_future = self.calendar = self.effect = None
        if x_past is not None:
            x = standardize(g, rows.window(x_past, window), mean, scale)
            self.x = self._lines(x, window)
        if "x_future" in given:
            mean, scale = mean[past_only:], scale[past_only:]
            known = g.slice(x_past, 2, past_only)
            x = rows.future(known, given["x_future"], np.arange(reader.horizon))
            self.x_future = self._lines(standardize(g, x, mean, scale), reader.horizon)
        if "calendar_future" in given:
            m = reader.n_future_segments
            first = reader.future_segment_length * np.arange(m)
            x = rows.future(given["calendar_past"], given["calendar_future"], first)
            x = g("Where", g("IsNaN", x), np.array(0.0), x)
            self.calendar = self._lines(x, m)
        coef = model.coef
        if coef is not None:
            known = g.slice(self.x, 2, past_only)
            shape = np.array([-1, fitted.n_targets, window, len(coef)])
            known = g("Mul", g("Reshape", known, shape), coef.T[:, np.newaxis])
            y = g("Sub", y, g("Squeeze", g.total(known, 3), np.array([3])))
            x = standardize(g, given["x_future"], mean, scale)
            x = g("Mul", g("Unsqueeze", x, np.array([2])), coef.T)
            self.effect = g("Squeeze", g.total(x, 3), np.array([3]))
        self.y = g("Reshape", y, np.array([-1, window]))

    def _given(self, dtype):
        # Where there are no series or no rows there is one of zeros: see `read_batch`.
        g, given = self.g, {}
        self.n_series = g.size("sequence_lens", 0)
        missing, rows = g.missing(self.n_series), g.missing(g.size("y_past", 1))
        inputs = self.fitted.inputs(dtype)
        del inputs["sequence_lens"]
        for name in inputs:
            ends = {0: missing, 1: rows} if name.endswith("_past") else {0: missing}
            given[name] = g.cast(g.pad(name, 3, ends), np.float64)
        return given, g.pad("sequence_lens", 1, {0: missing})

    def _lines(self, x, n):
        # From (n_series, n_targets * n, n_columns) to (n_lines, n, n_columns).
        g, fitted = self.g, self.fitted
        self.valid.append(is_finite(g, g.cast(x, fitted.dtype), fitted.dtype))
        if fitted.n_targets == 1:
            return x
        shape = g("Concat", np.array([-1, n]), g.size(x, 2), axis=0)
        return g("Reshape", x, shape)


def each_series(g, conditions):
    """Add whether conditions (n_series, ...) are true of all, (n_series,) each."""
    for condition in conditions:
        yield all_true(g, g("Flatten", condition), 1)


def inward(g, y, floor):
    """Add what is learned of targets, see `ForecastModel.inward`."""
    if floor is None:
        return y
    start, one = np.array(math.log(floor)), np.array(1.0)
    line = g("Add", g("Sub", g("Div", y, np.array(floor)), one), start)
    return g("Where", g("Less", y, np.array(floor)), line, g("Log", y))


def outward(g, z, floor):
    """Add the targets that `inward` was given."""
    if floor is None:
        return z
    start, one = np.array(math.log(floor)), np.array(1.0)
    line = g("Mul", g("Add", g("Sub", z, start), one), np.array(floor))
    return g("Where", g("Less", z, start), line, g("Exp", z))


def linear(g, window, weights, home):
    """Add the linear forecast (n_lines, horizon) of windows, see `LinearForecast`."""
    n_lags, horizon = weights.shape
    level = window.level
    if not n_lags:
        out = g("Expand", level, np.array([1, horizon]))
    else:
        newest = g.slice(window.values, 1, -n_lags)
        out = g("Add", g("MatMul", newest, weights), level)
    if home is None:
        return out
    shape = np.array([-1, len(home.mean), 1])
    level = g("Reshape", level, shape)
    mean, low, high = (values[:, np.newaxis] for values in home[:3])
    inside = g("And", g("LessOrEqual", low, level), g("LessOrEqual", level, high))
    away = g("Where", inside, g("Sub", level, mean), np.array(0.0))
    away = g("Reshape", away, np.array([-1, 1]))
    return g("Sub", out, g("Mul", away, home.pull))


def forecast(g, fitted, dtype):
    """Add all from the inputs of a graph to the outputs.

    Parameters
    ----------
    g : Graph
    fitted : FittedForecaster
    dtype : dtype
        Of the inputs and outputs.

    Returns
    -------
    outputs : list of Output
    """
    model, n_targets = fitted.model, fitted.n_targets
    horizon = fitted.reader.horizon
    n_out = fitted.loss.n_out
    n_quantiles = n_out // horizon
    given = Inputs(g, fitted, dtype)
    window = cut(g, given.y, fitted.reader.window, fitted.view)
    out = linear(g, window, model.linear_weights, model.home)
    out = g("Unsqueeze", out, np.array([2]))
    valid = given.valid
    if window.calm is not None:
        valid.append(g("Reshape", window.calm, np.array([-1, n_targets])))
    if model.gate.any():
        change, finite = correction(
            g, window, given.x, given.x_future, given.calendar, fitted
        )
        valid.append(g("Reshape", finite, np.array([-1, n_targets * n_out])))
        share = g("Unsqueeze", g("Mul", window.scale, model.gate), np.array([2]))
        out = g("Add", out, g("Mul", change, share))
    elif n_quantiles > 1:
        out = g("Tile", out, np.array([1, 1, n_quantiles]))
    # From lines to series.
    out = g("Reshape", out, np.array([-1, n_targets, horizon, n_quantiles]))
    shape = np.array([-1, n_targets, 1, 1])
    n, spread = (g("Reshape", x, shape) for x in (window.n, window.spread))
    units = short_units(g, window, fitted)
    # Without any history, the mean is what is known.
    mean = model.target_mean[:, np.newaxis, np.newaxis]
    out = g("Where", g("Greater", n, np.array(0.0)), out, mean)
    out = g("Transpose", out, perm=[0, 2, 1, 3])
    if given.effect is not None:
        out = g("Add", out, g("Unsqueeze", given.effect, np.array([3])))
    # NaN for what is refused.
    valid = functools.reduce(lambda a, b: g("And", a, b), each_series(g, valid))
    valid = g("Reshape", valid, np.array([-1, 1, 1, 1]))
    out = g("Where", valid, out, np.array(np.nan))
    out = g.slice(out, 0, 0, given.n_series)
    middle = g("Gather", out, np.array(fitted.loss.middle), axis=3)
    middle = g.cast(outward(g, middle, model.log_floor), dtype)
    outputs = [Output("forecast", middle, dtype, (horizon, n_targets))]
    quantiles = fitted.quantiles()
    if quantiles is not None:
        if fitted.structure["quantiles"] is None:
            # One value tells nothing of the changes to expect.
            scale = model.target_scale[:, np.newaxis, np.newaxis]
            least = 2.0 if units is None else 1.0
            if units is not None:
                spread = g("Reshape", units, np.array([-1, n_targets, horizon, 1]))
            spread = g("Where", g("Less", n, np.array(least)), scale, spread)
            spread = g("Transpose", spread, perm=[0, 2, 1, 3])
            spread = g.slice(spread, 0, 0, given.n_series)
            out = g("Add", out, g("Mul", spread, fitted.error_quantiles()))
        shape = horizon, n_targets, len(quantiles)
        out = g.cast(outward(g, out, model.log_floor), dtype)
        outputs.append(Output("quantiles", out, dtype, shape))
    return outputs


@exports(ForecastModel)
def convert_forecasts(g, model, transformers, dtype, streaming):
    """Add all from the inputs of a graph to the outputs; see `convert_sequences`."""
    if streaming:
        raise ValueError(
            "A forecaster has no stream: each forecast reads its window anew. Leave "
            "streaming=False, and give the model the newest rows with each run."
        )
    if transformers:
        raise ValueError(
            f"A forecaster is converted alone, and not with {transformers[0]!r} before "
            "it, which takes tables. Convert the last step of the pipeline, and give "
            "the model what the steps before make of them."
        )
    fitted = FittedForecaster(model)
    inputs, outputs = fitted.inputs(dtype), forecast(g, fitted, dtype)
    return Exported(inputs, outputs, "n_series", fitted.about())


def onnx_inputs(forecaster, X=None, *, y_past=None, X_past=None, input_dtype="float64"):
    """Make the inputs of a forecaster's ONNX model from tables.

    They are read as by :meth:`SequenceForecaster.predict
    <skrnn.SequenceForecaster.predict>`: the model that is run with them forecasts what
    that returns.

    Parameters
    ----------
    forecaster : SequenceForecaster
        Fitted; what :func:`to_onnx` was given.
    X : table of shape (n_steps, n_columns), panel of series, or None
        As in `predict`: without a panel, the known columns of the rows to forecast,
        which must be among the `horizon` rows after the history. Fewer rows are padded
        with NaN, and the first forecasts belong to them.
    y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
        As in `predict`.
    X_past : table of shape (n_past, n_columns), default=None
        As in `predict`.
    input_dtype : {'float64', 'float32'}, default='float64'
        The `input_dtype` that :func:`to_onnx` was given.

    Returns
    -------
    inputs : dict of str to ndarray
        The inputs of the model. A long history is cut to the rows that the model reads.

    See Also
    --------
    to_onnx : Make the model.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceForecaster
    >>> from skrnn.export import onnx_inputs
    >>> panel = [np.sin(np.arange(n) / 3) for n in (60, 45, 50)]
    >>> forecaster = SequenceForecaster(6, window=20, max_iter=1).fit(panel)
    >>> inputs = onnx_inputs(forecaster, panel)
    >>> {name: array.shape for name, array in inputs.items()}
    {'y_past': (3, 20, 1), 'sequence_lens': (3,)}
    """
    if not isinstance(forecaster, SequenceForecaster):
        raise TypeError(
            f"Expected a fitted SequenceForecaster, got {forecaster!r}. Estimators of "
            "sequences have the inputs X and sequence_lens: see to_onnx."
        )
    check_input_dtype(input_dtype)
    forecaster._check_is_fitted()
    fitted = FittedForecaster(forecaster._model)
    reader, panel = fitted.reader, []
    for series, rows in fitted.model.access.open(X, y_past, X_past):
        _check_rows(rows - series.n_past, reader.horizon)
        if not series.n_past:
            raise ValueError(
                f"{series.name} has no known value of a target. Forecast it by predict:"
                " a model in ONNX goes on from histories only."
            )
        panel.append(series_by_clock(fitted.schema, series, reader.horizon))
    lengths = [n_read(series, reader.window) for series in panel]
    sizes = {"n_series": len(panel), "n_past": max(lengths)}
    inputs = {
        name: np.full([sizes.get(n, n) for n in shape], np.nan, dtype)
        for name, (dtype, shape) in fitted.inputs(np.dtype(input_dtype)).items()
        if name != "sequence_lens"
    }
    for i, (series, n) in enumerate(zip(panel, lengths, strict=True)):
        past = slice(series.n_past - n, series.n_past)
        future = slice(series.n_past, series.n_past + reader.horizon)
        parts = {
            "y_past": series.y[past],
            "x_past": series.x[past],
            "x_future": series.x[future, reader.n_past_only :],
            "calendar_past": series.calendar[past],
            "calendar_future": series.calendar[future],
        }
        for name, array in inputs.items():
            array[i, : len(parts[name])] = parts[name]
    return inputs | {"sequence_lens": np.array(lengths, dtype=np.int64)}


def n_read(series, window):
    """How many rows of a history a model reads: more if it has to look for a value."""
    newest = series.y[max(0, series.n_past - window) : series.n_past]
    lost = np.isnan(newest).all(axis=0).any()
    return series.n_past if lost else len(newest)


def _check_rows(ahead, horizon):
    """Refuse rows that a model does not forecast, by their distance from the end."""
    if ahead.min() < 0:
        raise ValueError(
            "X has rows within the history, and a model forecasts those after it. Pass "
            "the history before these rows as y_past and X_past."
        )
    if ahead.max() >= horizon:
        raise ValueError(
            f"X reaches {ahead.max() + 1} rows beyond the history, and the model "
            f"forecasts {horizon}, its horizon. Leave out the rows after these."
        )
