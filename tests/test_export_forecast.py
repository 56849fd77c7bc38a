"""Forecasters leave as ONNX models that forecast the same, and as weights for torch."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cases import CELLS, assert_same_bits
from fitted import set_fields, set_season, set_theta, theta_of
from outside import import_oracle, onnx_session, run_onnx
from skrnn import RNNClassifier, SequenceForecaster
from skrnn.export import from_torch, onnx_inputs, to_onnx, to_torch
from skrnn.export.onnx import forecast as graphs
from skrnn.export.onnx.graph import Graph
from skrnn.forecasting.windows import Lines, WindowOptions, Windows

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")

# Largest difference of a forecast in units of the scale of its target.
TOLERANCE = {"float32": 1e-5, "float64": 1e-11}
SIZES = [(5,), (4, 6)]
LOSSES = ["squared_error", "absolute_error", "quantile"]

RNG = np.random.default_rng(0)
HOURS = pd.date_range("2024-02-28 20:00", periods=150, freq="h")
TABLE = pd.DataFrame(
    RNG.normal(size=(150, 3)) * [1, 20, 0.1] + [0, 1e6, -4],
    columns=["wind", "steps", "price"],
    index=HOURS,
)
TABLE["kind"] = pd.Categorical(RNG.choice(["a", "b", "c"], 150))
TABLE["site"] = 7.0
TARGETS = RNG.normal(size=(150, 2)).cumsum(axis=0) * [3, 0.01] + [1e4, 0]
TARGETS += TABLE[["price"]].to_numpy() * [400, 1.0]  # so that it is regressed on
TARGETS[RNG.random(TARGETS.shape) < 0.2] = np.nan
PAST, FUTURE = slice(120), slice(120, 126)
NOW = len(TARGETS[PAST])


def make_panel(*lengths):
    """Series with a season, of many scales, of which a part is unknown."""
    rng, panel = np.random.default_rng(lengths), []
    for i, n in enumerate(lengths):
        y = rng.normal(size=n).cumsum() + 4 * np.sin(np.arange(n) * 2 * np.pi / 7)
        y[rng.random(n) < 0.25] = np.nan
        panel.append(10.0**i * y + 100 * i)
        panel[-1][[0, -1]] = 100 * i
    return panel


PANEL = make_panel(60, 50, 70, 40)


def fit(X=None, y=None, loud=True, **options):
    """A fitted forecaster to whose forecasts the network adds much."""
    options = {
        "horizon": 6, "window": 21, "segment_length": 4, "hidden_layer_sizes": (5,),
        "max_iter": 1, "random_state": 0, **options,
    }  # fmt: skip
    forecaster = SequenceForecaster(**options).fit(PANEL if X is None else X, y)
    if loud:
        rng = np.random.default_rng(1)
        set_fields(forecaster, gate_=0.3 + 0.7 * rng.random(forecaster.gate_.shape))
        theta = theta_of(forecaster)
        noise = rng.normal(size=theta.shape) * 0.4
        set_theta(forecaster, (theta + noise).astype(theta.dtype))
    return forecaster


def fit_rows(y=TARGETS[PAST], **options):
    return fit(TABLE[PAST], y, **{"static": "site", **options})


def unit(feed):
    """The scale of each target of each series, (n_series, 1, n_targets)."""
    y = feed["y_past"]
    known = np.isfinite(y)
    n = np.maximum(known.sum(axis=1, keepdims=True), 1)
    y = np.where(known, y, 0)
    y = np.where(known, y - y.sum(axis=1, keepdims=True) / n, 0)
    spread = np.sqrt((y**2).sum(axis=1, keepdims=True) / n)
    return np.where(spread > 0, spread, 1)


def expect(forecaster, *args, **keywords):
    """What a model is to give, in its shape."""
    n_targets = forecaster.n_outputs_
    one = forecaster._model.access.takes_y
    expected = [forecaster.predict(*args, **keywords)]
    if forecaster._model.errors is not None or forecaster.loss == "quantile":
        expected.append(forecaster.predict_quantiles(*args, **keywords))
    shape = (-1, n_targets) if one else (len(expected[0]), -1, n_targets)
    expected = [
        values.reshape(*shape, *values.shape[values.ndim - i :])
        for i, values in enumerate(expected)
    ]
    return [values[np.newaxis] for values in expected] if one else expected


def assert_agrees(forecaster, *calls, input_dtype="float64", **options):
    """Check forecasts and quantiles for some arguments of `predict`."""
    session = onnx_session(to_onnx(forecaster, input_dtype=input_dtype, **options))
    tolerance = TOLERANCE[min(forecaster.dtype, input_dtype)]
    for args in calls or [()]:
        *args, keywords = args if args and isinstance(args[-1], dict) else (*args, {})
        feed = onnx_inputs(forecaster, *args, **keywords, input_dtype=input_dtype)
        given = session.run(None, feed)
        expected = expect(forecaster, *args, **keywords)
        for actual, desired in zip(given, expected, strict=True):
            actual = actual[:, : desired.shape[1]]
            assert actual.shape == desired.shape
            scale = unit(feed).reshape(
                -1, 1, desired.shape[2], *[1] * (desired.ndim - 3)
            )
            assert (abs(actual - desired) / scale).max() <= tolerance


# ---------------------------------------------------------------- windows


@pytest.mark.parametrize("season", [1, 2, 5, 12, 13, 40])
@pytest.mark.parametrize("centered", [False, True])
def test_windows(season, centered):
    n_lags, rng = 13, np.random.default_rng(0)
    y = [rng.normal(size=40) * 10.0**k + 10 * k for k in range(-3, 4)]
    y += [np.full(40, 3.0), np.full(40, np.nan), np.arange(40.0)]
    for share in (0, 0.1, 0.5, 0.9):
        gaps = rng.random((len(y), 40)) < share
        tables = [
            (np.where(gap, np.nan, values)[:, np.newaxis], *np.empty((2, 40, 0)))
            for gap, values in zip(gaps, y, strict=True)
        ]
        lines, view = Lines(tables), WindowOptions(season, centered)
        which, origin = np.repeat(np.arange(len(y)), 41), np.tile(np.arange(41), len(y))
        desired = Windows.cut(lines, which, origin, n_lags, view)
        rows = np.full((len(which), n_lags), np.nan)
        for row, i, o in zip(rows, which, origin, strict=True):
            seen = lines.values[40 * i + max(0, o - n_lags) : 40 * i + o]
            row[n_lags - len(seen) :] = seen
        g = Graph(18)
        actual = graphs.cut(g, "y", n_lags, view)
        for name in ("values", "level", "scale", "spread"):
            g("Identity", getattr(actual, name), output=name)
        helper = onnx.helper
        graph = helper.make_graph(
            g.nodes,
            "cut",
            [helper.make_tensor_value_info("y", 11, ["n", n_lags])],
            [helper.make_tensor_value_info(k, 11, ["n", None]) for k in Windows._fields
             if k != "unknown"],
            g.initializers,
        )  # fmt: skip
        opset = helper.make_opsetid("", 18)
        given = run_onnx(helper.make_model(graph, opset_imports=[opset]), {"y": rows})
        for name, array in given.items():
            expected = getattr(desired, name)
            assert np.array_equal(array.reshape(expected.shape), expected, True), name


# -------------------------------------------------------------- forecasts


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_networks(cell, activation, dtype, loss):
    others = make_panel(10, 1, 21, 22, 90, 3)
    for sizes in SIZES:
        forecaster = fit(
            hidden_layer_sizes=sizes, cell=cell, activation=activation, dtype=dtype,
            loss=loss,
        )  # fmt: skip
        assert_agrees(forecaster, (), (others,), ([*PANEL, *others],))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("normalize", ["last", "mean"])
@pytest.mark.parametrize("segment_length", [1, 5, 21])
def test_segments_and_levels(loss, normalize, segment_length):
    forecaster = fit(loss=loss, normalize=normalize, segment_length=segment_length)
    assert_agrees(forecaster, (), (make_panel(10, 1, 21, 22, 90, 3),))


@pytest.mark.parametrize("known_future", ["auto", ["wind", "kind"], None])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_covariates(known_future, n_targets, dtype):
    targets = TARGETS if n_targets > 1 else TARGETS[:, 0]
    for loss, segment_length in (("absolute_error", 4), ("quantile", 7)):
        forecaster = fit_rows(
            targets[PAST], known_future=known_future, dtype=dtype, loss=loss,
            segment_length=segment_length,
        )  # fmt: skip
        histories = (
            {"y_past": targets[PAST], "X_past": TABLE[PAST]},
            {"y_past": targets[10:NOW], "X_past": TABLE[10:NOW]},
            {"y_past": targets[NOW - 8 : NOW], "X_past": TABLE[NOW - 8 : NOW]},
        )
        # A graph reads what is unknown as the mean, where `predict` does without it.
        calls = [(TABLE[FUTURE], history) for history in histories]
        calls += [(TABLE[FUTURE],), (TABLE[FUTURE][:2],)]
        assert_agrees(forecaster, *calls)


@pytest.mark.parametrize("known_future", [None, [2]])
@pytest.mark.parametrize("target", [0, [0, 1]])
def test_covariates_of_panels(known_future, target):
    tables = [
        np.hstack([TARGETS[a:b], TABLE.to_numpy()[a:b, :1].astype(float)])
        for a, b in ((0, 60), (30, 100), (70, 120), (100, 120))
    ]
    forecaster = fit(tables, target=target, known_future=known_future)
    later = [table.copy() for table in tables]
    for table, n in zip(later, (6, 7, 6, 10), strict=True):
        table[len(table) - n :, :2] = np.nan
    # Known covariates must be known in all rows to forecast.
    assert_agrees(forecaster, *([] if known_future else [(), (tables,)]), (later,))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_series_and_no_rows(cell, dtype):
    """Without a guard in the graph, these end the process of ONNX Runtime."""
    options = {"cell": cell, "dtype": dtype}
    for forecaster, args in (
        (fit(**options), ()),
        (fit(loss="quantile", **options), ()),
        (fit_rows(**options), (TABLE[FUTURE],)),
    ):
        session = onnx_session(to_onnx(forecaster))
        feed = onnx_inputs(forecaster, *args)
        whole = session.run(None, feed)
        none = {name: array[:0] for name, array in feed.items()}
        short = {
            name: array[:, :0] if name.endswith("_past") else array
            for name, array in feed.items()
        } | {"sequence_lens": np.zeros_like(feed["sequence_lens"])}
        neither = {name: array[:0] for name, array in short.items()}
        for given in (none, short, neither):
            n = len(given["sequence_lens"])
            for actual, expected in zip(session.run(None, given), whole, strict=True):
                assert actual.shape == (n, *expected.shape[1:])
                assert np.isnan(actual).all()


def test_the_network_and_the_covariates_tell():
    feed = onnx_inputs(fit_rows(), TABLE[FUTURE])
    gate = fit_rows(loud=False)
    set_fields(gate, gate_=np.zeros(6))
    assert (
        abs(fit_rows().predict(TABLE[FUTURE]) - gate.predict(TABLE[FUTURE])).min() > 0
    )
    session, rng = onnx_session(to_onnx(fit_rows())), np.random.default_rng(0)
    forecast, _ = session.run(None, feed)
    for name in ("y_past", "x_past", "x_future", "calendar_future"):
        for column in range(feed[name].shape[2]):
            changed = feed[name].copy()
            changed[..., column] += rng.normal(size=changed.shape[1])
            other, _ = session.run(None, {**feed, name: changed})
            assert (other != forecast).any()


def test_default_forecasters():
    y = np.sin(np.arange(300) * 2 * np.pi / 12) + np.random.default_rng(0).random(300)
    forecaster = SequenceForecaster(12, max_iter=2, random_state=0).fit(None, y)
    assert_agrees(forecaster, (), (None, {"y_past": y[100:200]}))


@pytest.mark.parametrize("loss", LOSSES)
def test_logarithms(loss):
    t = np.arange(90)
    y = np.exp(t / 20 + np.sin(t * np.pi / 2))
    y *= 1 + np.random.default_rng(0).random(90) / 10
    forecaster = SequenceForecaster(6, window=21, loss=loss, max_iter=1, random_state=0)
    forecaster.fit(None, y)
    assert forecaster._model.log_floor is not None
    later = np.append(y[40:], [np.nan, 0.001, -1.0])
    calls = (None, {"y_past": y[:70]}), (None, {"y_past": later})
    assert_agrees(forecaster, (), *calls)


@pytest.mark.parametrize("loss", LOSSES)
def test_without_network_or_lags(loss):
    forecaster = fit(loss=loss, loud=False)
    set_fields(forecaster, gate_=np.zeros(6))
    model = to_onnx(forecaster)
    assert "GRU" not in {node.op_type for node in model.graph.node}
    assert model.graph.input == to_onnx(fit(loss=loss)).graph.input
    assert_agrees(forecaster)
    forecaster = fit(loss=loss)
    set_fields(forecaster, linear_weights_=np.zeros((0, 6)))
    assert_agrees(forecaster)


def test_without_errors():
    forecaster = fit([np.arange(8.0), np.arange(9.0)], horizon=7)
    assert forecaster._model.errors is None
    assert [o.name for o in to_onnx(forecaster).graph.output] == ["forecast"]
    assert_agrees(forecaster)


# ------------------------------------------------------------ what is unknown


def test_little_is_known():
    y = PANEL[0]
    histories = [y.copy() for _ in range(6)]
    histories[0][:-1] = np.nan  # one value
    histories[1][:-2] = np.nan
    histories[2][-21:] = 3.0  # constant
    histories[3] = y[:1]
    histories[4][:] = 5.0
    histories[5][1:-1] = np.nan
    for loss in ("squared_error", "quantile"):
        for normalize in ("last", "mean"):
            assert_agrees(fit(loss=loss, normalize=normalize), (histories,))


@pytest.mark.parametrize("season", [1, 6])
def test_wild_values_are_unknown_in_graphs_too(season):
    forecaster = fit(loss="absolute_error", window=40)
    model = forecaster._model
    model.schema.season = season
    rng = np.random.default_rng(0)
    histories = list(rng.normal(size=(5, 60)) + np.sin(np.arange(60.0)))
    histories[0][-9] = 9999.0
    histories[1][-1] = -9999.0
    histories[2][-30:-10:9] = 1e6
    histories[3][[-20, -14, -8]] = 1e5  # a season apart
    histories[4] = histories[4][-12:]
    histories[4][3] = 1e4  # among few values
    assert_agrees(forecaster, (histories,))
    histories[0][:-10] += 1e5
    feed = onnx_inputs(forecaster, histories[:2])
    forecast = run_onnx(to_onnx(forecaster, input_dtype="float64"), feed)["forecast"]
    assert np.isnan(forecast[0]).all()  # its level jumps
    assert np.isfinite(forecast[1]).all()


@pytest.mark.parametrize("calendar", ["auto", None])
@pytest.mark.parametrize("known_future", ["auto", None])
@pytest.mark.parametrize("season", [7, 30])
def test_windows_of_which_nothing_is_known(calendar, known_future, season):
    forecaster = fit_rows(calendar=calendar, known_future=known_future)
    set_season(forecaster, season)
    for silent in (20, 21, 22, 26, 40, 97):
        y = TARGETS[PAST].copy()
        y[20, 1] = y[17, 0] = 2.5
        y[NOW - silent :, 1] = np.nan
        calls = [(TABLE[FUTURE], {"y_past": y, "X_past": TABLE[PAST]})]
        y = y.copy()
        y[NOW - 30 :, 0] = np.nan
        calls += [(TABLE[FUTURE], {"y_past": y, "X_past": TABLE[PAST]})]
        assert_agrees(forecaster, *calls)


def test_targets_of_which_nothing_is_known():
    tables = [TARGETS[:60], TARGETS[50:120]]
    forecaster = fit(tables, target=[0, 1])
    strange = [table.copy() for table in tables]
    strange[0][:, 1] = np.nan
    assert_agrees(forecaster, (strange,))
    given = run_onnx(to_onnx(forecaster), onnx_inputs(forecaster, strange))
    np.testing.assert_allclose(
        given["forecast"][0, :, 1], forecaster._model.target_mean[1]
    )


# ------------------------------------------------------------------- batches


def padded(feed, value, longer):
    """The same with something else in the padding, and more of it."""
    lens = feed["sequence_lens"]
    feed = dict(feed)
    for name in feed:
        if name.endswith("_past"):
            x = np.pad(feed[name], [(0, 0), (0, longer), (0, 0)])
            x[np.arange(x.shape[1]) >= lens[:, np.newaxis]] = value
            feed[name] = x
    return feed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_does_not_matter(dtype):
    tables = [TARGETS[a:b] for a, b in ((0, 60), (30, 100), (90, 99), (118, 120))]
    tables = [np.hstack([t, np.arange(len(t))[:, np.newaxis] / 7]) for t in tables]
    forecaster = fit(tables, target=[0, 1], known_future=[2], dtype=dtype)
    session = onnx_session(to_onnx(forecaster))
    feed = onnx_inputs(forecaster, tables)
    expected = session.run(None, feed)
    for value in (np.nan, np.inf, -1e300, 0.0):
        for longer in (0, 30):
            given = session.run(None, padded(feed, value, longer))
            for actual, desired in zip(given, expected, strict=True):
                np.testing.assert_allclose(actual, desired, rtol=1e-6)
    for i in range(len(tables)):
        alone = session.run(None, {k: x[i : i + 1] for k, x in feed.items()})
        np.testing.assert_allclose(alone[0], expected[0][i : i + 1], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_a_forecaster_refuses_is_nan(dtype):
    forecaster = fit_rows(dtype=dtype)
    feed = onnx_inputs(forecaster, TABLE[FUTURE])
    feed = {name: np.repeat(array, 10, axis=0) for name, array in feed.items()}
    expected = run_onnx(to_onnx(forecaster), feed)["forecast"]
    feed["sequence_lens"][[0, 1, 2]] = 0, -1, feed["y_past"].shape[1] + 1
    feed["y_past"][3, 4, 1] = np.inf
    feed["x_past"][4, 2, 0] = -np.inf
    feed["x_future"][5, 5, 1] = np.inf
    feed["calendar_future"][6, 0, 0] = np.inf
    refused = 7
    if dtype == "float32":
        feed["x_past"][7, 0, 0] = feed["x_future"][8, 0, 0] = 1e300
        refused = 9
    for values in run_onnx(to_onnx(forecaster), feed).values():
        assert np.isnan(values[:refused]).all()
        assert np.isfinite(values[9]).all()
    given = run_onnx(to_onnx(forecaster), feed)["forecast"][9]
    np.testing.assert_allclose(given, expected[9], rtol=1e-6)


def test_overflow_is_nan():
    forecaster = fit(cell="rnn", activation="relu")
    set_theta(forecaster, theta_of(forecaster) * np.float32(1e20))
    given = run_onnx(to_onnx(forecaster), onnx_inputs(forecaster))
    assert all(np.isnan(values).all() for values in given.values())


# ------------------------------------------------------------------- models


def test_signature():
    forecaster = fit_rows(known_future=["wind", "kind"], quantiles=None)
    model = to_onnx(forecaster)
    session = onnx_session(model)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("y_past", "tensor(double)", ["n_series", "n_past", 2]),
        ("x_past", "tensor(double)", ["n_series", "n_past", 7]),
        ("x_future", "tensor(double)", ["n_series", 6, 5]),
        ("calendar_past", "tensor(double)", ["n_series", "n_past", 10]),
        ("calendar_future", "tensor(double)", ["n_series", 6, 10]),
        ("sequence_lens", "tensor(int64)", ["n_series"]),
    ]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [
        ("forecast", "tensor(double)", ["n_series", 6, 2]),
        ("quantiles", "tensor(double)", ["n_series", 6, 2, 5]),
    ]
    about = {item.key: item.value for item in model.metadata_props}
    assert about.pop("estimator") == "SequenceForecaster"
    assert {k: json.loads(v) for k, v in about.items() if k != "skrnn_version"} == {
        "window": 21,
        "horizon": 6,
        "targets": ["0", "1"],
        "covariates": [
            "steps", "price", "wind", "site", "kind=a", "kind=b", "kind=c",
        ],
        "known_future": ["wind", "site", "kind=a", "kind=b", "kind=c"],
        "calendar": forecaster._model.schema.calendar_names,
        "quantiles": [0.05, 0.25, 0.5, 0.75, 0.95],
    }  # fmt: skip
    assert [i.name for i in to_onnx(fit()).graph.input] == ["y_past", "sequence_lens"]
    assert to_onnx(fit(), name="sales").graph.name == "sales"
    three = to_onnx(fit(loss="quantile", quantiles=[0.1, 0.4, 0.9]))
    about = {item.key: item.value for item in three.metadata_props}
    assert json.loads(about["quantiles"]) == [0.1, 0.4, 0.9]


@pytest.mark.parametrize("quantiles", [[0.5], [0.1, 0.2], [0.7, 0.8, 0.9]])
def test_quantiles(quantiles):
    assert_agrees(fit(loss="quantile", quantiles=quantiles))


@pytest.mark.parametrize("target_opset", [14, 17, 21])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_target_opset(target_opset, dtype):
    forecaster = fit_rows(cell="lstm", dtype=dtype, loss="quantile")
    assert_agrees(forecaster, (TABLE[FUTURE],), target_opset=target_opset)
    exported = to_onnx(forecaster, target_opset=target_opset)
    assert [i.version for i in exported.opset_import] == [target_opset]


def test_type_of_the_input():
    tables = [table.astype(np.float32).astype(np.float64) for table in PANEL]
    forecaster = fit(tables)
    assert_agrees(forecaster, (tables,), input_dtype="float32")
    given = run_onnx(
        to_onnx(forecaster, input_dtype="float32"),
        onnx_inputs(forecaster, tables, input_dtype="float32"),
    )
    assert {values.dtype for values in given.values()} == {np.dtype(np.float32)}


def test_the_calendar_as_it_is_described():
    days = pd.date_range("2023-12-01 05:30", periods=900, freq="8h30min")
    forecaster = fit(
        pd.DataFrame(index=days), np.arange(900.0) % 7, calendar=list(PARTS), window=5
    )
    model = to_onnx(forecaster)
    about = {item.key: item.value for item in model.metadata_props}
    names = json.loads(about["calendar"])
    assert len(names) == model.graph.input[2].type.tensor_type.shape.dim[2].dim_value
    for start in range(5, 890, 41):
        past = pd.DataFrame(index=days[start - 5 : start])
        feed = onnx_inputs(forecaster, y_past=np.arange(5.0), X_past=past)
        for rows, dates in (("past", past.index), ("future", days[start : start + 6])):
            for name, values in zip(names, feed[f"calendar_{rows}"][0].T, strict=True):
                wave, harmonic, cycle = re.fullmatch(
                    r"(sin|cos)\((?:(\d) \* )?(\w+)\)", name
                ).groups()
                angle = 2 * np.pi * int(harmonic or 1) * PARTS[cycle](dates)
                desired = getattr(np, wave)(angle)
                np.testing.assert_allclose(values, desired, rtol=0, atol=1e-12)


# The part of a cycle that has gone by.
PARTS = {
    "minute": lambda dates: dates.minute / 60,
    "hour": lambda dates: (dates.hour + dates.minute / 60) / 24,
    "dayofweek": lambda dates: dates.day_of_week / 7,
    "dayofyear": lambda dates: (dates.day_of_year - 1) / (365 + dates.is_leap_year),
    "month": lambda dates: (dates.month - 1) / 12,
}


@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
def test_forecasts_from_forecasts(loss):
    forecaster = fit_rows(loss=loss)
    session, y, more = onnx_session(to_onnx(forecaster)), TARGETS[PAST], []
    for n in range(NOW, NOW + 18, 6):
        feed = onnx_inputs(forecaster, TABLE[n : n + 6], y_past=y, X_past=TABLE[:n])
        more.append(session.run(None, feed)[0][0])
        y = np.concatenate([y, more[-1]])
    desired = forecaster.predict(TABLE[NOW : NOW + 18])
    difference = (np.concatenate(more) - desired) / forecaster._model.target_scale
    assert abs(difference).max() <= TOLERANCE["float32"]


def test_longer_histories_change_nothing():
    forecaster = fit()
    session = onnx_session(to_onnx(forecaster))
    lens = np.array([len(y) for y in PANEL])
    whole = np.full((len(PANEL), max(lens), 1), np.nan)
    for row, y in zip(whole, PANEL, strict=True):
        row[: len(y), 0] = y
    feed = onnx_inputs(forecaster, PANEL)
    assert feed["y_past"].shape == (4, 21, 1)
    given = session.run(None, {"y_past": whole, "sequence_lens": lens})
    for actual, desired in zip(given, session.run(None, feed), strict=True):
        assert_same_bits(actual, desired)


def test_equal_forecasters_make_equal_files():
    files = [to_onnx(fit_rows()).SerializeToString() for _ in range(2)]
    assert files[0] == files[1]


def test_the_forecaster_is_left_alone():
    forecaster = fit_rows()
    before, theta = vars(forecaster).copy(), theta_of(forecaster).copy()
    to_onnx(forecaster), onnx_inputs(forecaster, TABLE[FUTURE]), to_torch(forecaster)
    after = vars(forecaster)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert_same_bits(theta_of(forecaster), theta)


# ------------------------------------------------------------------- errors


def test_errors():
    for function in (to_onnx, to_torch, onnx_inputs):
        with pytest.raises(NotFittedError):
            function(SequenceForecaster())
    forecaster = fit_rows()
    with pytest.raises(ValueError, match="A forecaster has no stream: each forecast"):
        to_onnx(forecaster, streaming=True)
    pipeline = make_pipeline(StandardScaler(), SequenceForecaster(max_iter=1))
    pipeline.fit(TABLE[["steps"]][PAST], TARGETS[PAST])
    with pytest.raises(ValueError, match=r"alone, and not with StandardScaler\(\) bef"):
        to_onnx(pipeline)
    assert to_onnx(make_pipeline("passthrough", forecaster)) == to_onnx(forecaster)
    with pytest.raises(TypeError, match="not made of weights alone"):
        from_torch(to_torch(forecaster), forecaster)


def test_errors_of_inputs():
    forecaster = fit_rows()
    with pytest.raises(TypeError, match="Expected a fitted SequenceForecaster, got"):
        onnx_inputs(RNNClassifier())
    with pytest.raises(ValueError, match="input_dtype must be"):
        onnx_inputs(forecaster, input_dtype="float16")
    with pytest.raises(ValueError, match="X has rows within the history, and a model"):
        onnx_inputs(forecaster, TABLE[NOW - 1 : NOW + 5])
    with pytest.raises(ValueError, match="reaches 7 rows beyond the history, and the"):
        onnx_inputs(forecaster, TABLE[NOW : NOW + 7])
    with pytest.raises(ValueError, match="y_past was not provided"):
        onnx_inputs(forecaster, X_past=TABLE[PAST])
    with pytest.raises(ValueError, match="fitted to a panel"):
        onnx_inputs(fit(), y_past=PANEL[0])


# -------------------------------------------------------------------- torch


@pytest.fixture(scope="module")
def torch():
    return import_oracle("torch")


def make_module(torch, forecaster):
    """A forecaster as one would write it there, for windows that are known."""
    names = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
    structure, reader = forecaster._model.structure, forecaster._model.reader
    kind, cell = (
        getattr(torch.nn, names[structure["cell"]] + suffix) for suffix in ("", "Cell")
    )
    sizes, double = structure["hidden_layer_sizes"], torch.double
    options = {"dtype": getattr(torch, structure["dtype"])}
    if kind is torch.nn.RNN:
        options["nonlinearity"] = structure["activation"]
    k, m = reader.future_segment_length, reader.n_future_segments

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = kind(reader.n_in, sizes[0], len(sizes), **options)
            self.segment = cell(reader.n_future_in, sizes[-1], **options)
            options.pop("nonlinearity", None)
            self.head = torch.nn.Linear(sizes[-1], k, **options)
            n_lags = len(forecaster.linear_weights_)
            self.linear = torch.nn.Linear(n_lags, 6, bias=False, dtype=double)
            if forecaster._model.coef is not None:
                shape = forecaster._model.coef.shape
                self.effect = torch.nn.Linear(*shape, bias=False, dtype=double)
            for name, value in to_torch(forecaster).items():
                if "." not in name:
                    self.register_buffer(name, torch.from_numpy(np.asarray(value)))

        def forward(self, y, x, x_future):
            # (n, 21), (n, 21, n_x), (n, 6, n_x), of one target
            x = (x - self.input_mean) / self.input_scale
            x_future = (x_future - self.input_mean) / self.input_scale
            y = y - self.effect(x)[:, :, 0]
            level = y[:, -1:]
            scale = y.std(dim=1, correction=0, keepdim=True)
            window = (y - level)[..., None]
            rows = torch.round(window / scale[..., None] * 2**14) / 2**14
            rows = torch.cat([rows, torch.zeros_like(rows), x], dim=2)
            n_rows = -(-21 // self.segment_length) * self.segment_length
            rows = torch.nn.functional.pad(rows, (0, 0, n_rows - 21, 0))
            segments = rows.reshape(len(y), -1, reader.n_in).transpose(0, 1)
            _, last = self.rnn(segments.to(options["dtype"]))
            h = last[0][-1] if isinstance(last, tuple) else last[-1]
            x = torch.nn.functional.pad(x_future, (0, 0, 0, m * k - 6))
            x = x.reshape(len(y), m, -1)
            raw = []
            for i in range(m):
                number = torch.eye(m)[i].expand(len(y), m)
                step = torch.cat([number, x[:, i]], dim=1).to(options["dtype"])
                after = self.segment(step, (h, torch.zeros_like(h)) if isinstance(
                    self.segment, torch.nn.LSTMCell) else h)  # fmt: skip
                after = after[0] if isinstance(after, tuple) else after
                raw.append(self.head(after).double())
            change = torch.cat(raw, dim=1)[:, :6]
            linear = self.linear(window[:, -self.linear.in_features :, 0])
            out = level + linear + change * scale * self.gate
            return out + self.effect(x_future)[:, :, 0]

    return Module()


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_modules_of_torch(torch, cell, activation, dtype):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)) * [1, 20, 0.1] + [0, 1000, -4]
    y = rng.normal(size=150).cumsum() + x @ [3, 0.1, 10] + 500
    forecaster = fit(x[PAST], y[PAST], hidden_layer_sizes=(5, 5), cell=cell,
                     activation=activation, dtype=dtype)  # fmt: skip
    assert forecaster._model.coef is not None
    set_fields(forecaster, linear_weights_=rng.normal(size=(9, 6)) / 10)
    module = make_module(torch, forecaster)
    mapping = {k: torch.from_numpy(v) for k, v in to_torch(forecaster).items()}
    module.load_state_dict(mapping)
    starts = range(0, 120, 7)
    parts = [
        [torch.from_numpy(np.stack([a[i + j : i + k] for i in starts]))]
        for a, j, k in ((y, 0, 21), (x, 0, 21), (x, 21, 27))
    ]
    with torch.no_grad():
        given = module(*(part for (part,) in parts)).numpy()
    for row, i in zip(given, starts, strict=True):
        past, future = slice(i, i + 21), slice(i + 21, i + 27)
        desired = forecaster.predict(x[future], y_past=y[past], X_past=x[past])
        difference = abs(row - desired) / y[past].std()
        assert difference.max() <= {"float32": 1e-5, "float64": 1e-12}[dtype]


def test_names_for_torch():
    shapes = {name: array.shape for name, array in to_torch(fit()).items()}
    n_lags = len(fit().linear_weights_)
    assert n_lags
    assert shapes == {
        "rnn.weight_ih_l0": (15, 8), "rnn.weight_hh_l0": (15, 5),
        "rnn.bias_ih_l0": (15,), "rnn.bias_hh_l0": (15,),
        "segment.weight_ih": (15, 2), "segment.weight_hh": (15, 5),
        "segment.bias_ih": (15,), "segment.bias_hh": (15,),
        "head.weight": (4, 5), "head.bias": (4,), "linear.weight": (6, n_lags),
        "gate": (6,), "target_mean": (1,), "segment_length": (),
    }  # fmt: skip
    names = [*to_torch(fit_rows(hidden_layer_sizes=(4, 5)))]
    assert "rnn.1.weight_ih_l0" in names
    assert {"effect.weight", "input_mean", "input_scale"} <= {*names}
    forecaster = fit()
    set_fields(forecaster, linear_weights_=np.zeros((0, 6)))
    assert "linear.weight" not in to_torch(forecaster)
    theta = theta_of(forecaster).copy()
    for array in to_torch(forecaster).values():
        array[...] = 7
    assert_same_bits(theta_of(forecaster), theta)
