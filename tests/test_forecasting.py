"""Windows, the ridge, segments, gates and quantiles of forecasts, against NumPy."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from cases import CELLS, ISAS, assert_same_bits, instruction_set
from forecast_lines import all_windows, ar_lines, filled, make_lines, make_reader
from forecasts import make_series
from gradcheck import numerical_gradient
from reference import ReferenceNetwork, make_segments
from skrnn import SequenceForecaster, _windows
from skrnn.forecasting.calibration import (
    LEVELS,
    calibrate,
    choose_gate,
    error_quantiles,
    without_gaps,
)
from skrnn.forecasting.folds import (
    split_by_moments,
    split_by_series,
    split_by_time,
    split_often,
)
from skrnn.forecasting.linear import (
    LinearForecast,
    fit_linear,
)
from skrnn.forecasting.network import (
    WindowData,
    WindowForecaster,
    initialize,
    make_spec,
)
from skrnn.forecasting.scales import line_weights
from skrnn.forecasting.windows import (
    Lines,
    WindowOptions,
    Windows,
    has_known_values,
    normalized,
    origins_of,
    thinned,
)
from skrnn.inputs.schema import SeriesSchema
from skrnn.losses import (
    ForecastAbsoluteError,
    ForecastQuantileLoss,
    ForecastSquaredError,
)
from skrnn.models.forecast_fit import ForecastFit, start_model
from skrnn.network import Network, PassOptions

LOSSES = {
    "squared": ForecastSquaredError(5),
    "absolute": ForecastAbsoluteError(5),
    "quantile": ForecastQuantileLoss(5, [0.1, 0.3, 0.5, 0.9]),
    "one quantile": ForecastQuantileLoss(5, [0.8]),
    "outer quantiles": ForecastQuantileLoss(5, [0.05, 0.95]),
}
losses = pytest.mark.parametrize("name", LOSSES)


# Windows


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("season", [1, 3, 30])
@pytest.mark.parametrize("n_lags", [1, 9, 60])
def test_a_window_is_what_its_description_says(n_lags, season, centered):
    lines, _ = make_lines(gaps=0.4)
    line, origin = all_windows(lines)
    windows = Windows.cut(lines, line, origin, n_lags, WindowOptions(season, centered))
    for i, (k, o) in enumerate(zip(line, origin, strict=True)):
        past = lines.values[lines.begin[k] : lines.begin[k] + o]
        window = np.full(n_lags, np.nan)
        newest = past[max(0, o - n_lags) :]
        window[n_lags - len(newest) :] = newest
        known = np.isfinite(window)
        assert np.array_equal(windows.unknown[i], ~known)
        if not known.any():
            assert np.isnan(windows.level[i])
            assert windows.scale[i] == windows.spread[i] == 0
            assert not windows.values[i].any()
            continue
        level = window[known].mean() if centered else window[known][-1]
        assert windows.level[i] == pytest.approx(level, rel=1e-12, abs=1e-13)
        assert windows.scale[i] == pytest.approx(window[known].std(), abs=1e-13)
        change = window[season:] - window[:-season]
        change = change[np.isfinite(change)]
        spread = np.sqrt(np.mean(change**2)) if change.size else window[known].std()
        assert windows.spread[i] == pytest.approx(spread, abs=1e-13)
        assert_allclose(windows.values[i], filled(window - level, season), atol=1e-12)


def test_a_window_sees_nothing_from_its_origin_on():
    lines, _ = make_lines(gaps=0)
    line, origin = all_windows(lines)
    options = WindowOptions(2, False)
    before = Windows.cut(lines, line, origin, 7, options)
    for at in (5, 38):
        row = lines.begin[1] + at
        kept, lines.values[row] = lines.values[row], 1e6
        after = Windows.cut(lines, line, origin, 7, options)
        same = (before.values == after.values).all(axis=1)
        sees = (line == 1) & (origin > at) & (origin - 7 <= at)
        assert np.array_equal(~same, sees)
        lines.values[row] = kept


def test_cutting_looks_at_its_arguments():
    out = np.empty((1, 3)), np.empty((1, 3), dtype=np.uint8), *np.empty((3, 1))
    one = np.array([1])
    with pytest.raises(IndexError, match="window 0"):
        _windows.cut(np.zeros(4), one, one + 4, 1, False, *out)
    with pytest.raises(IndexError, match="window 0"):
        _windows.cut(np.zeros(4), one, one - 1, 1, False, *out)
    with pytest.raises(ValueError, match="shapes"):
        _windows.cut(np.zeros(4), one, np.array([1, 2]), 1, False, *out)
    with pytest.raises(ValueError, match="shapes"):
        _windows.cut(np.zeros(4), one, one, 0, False, *out)
    with pytest.raises(ValueError, match="square"):
        _windows.cholesky(np.ones((2, 3)))
    with pytest.raises(ValueError, match="shapes"):
        _windows.solve(np.ones((2, 2)), np.ones((3, 1)))


def test_what_came_after_an_origin():
    lines, tables = make_lines()
    line, origin = all_windows(lines)
    future = lines.future(line, origin, 5)
    for i, (k, o) in enumerate(zip(line, origin, strict=True)):
        y = tables[lines.series[k]][0][:, lines.target[k]]
        expected = np.full(5, np.nan)
        expected[: len(y[o : o + 5])] = y[o : o + 5]
        assert np.array_equal(future[i], expected, equal_nan=True)
    seen = has_known_values(lines, line, origin, 5)
    for i, (k, o) in enumerate(zip(line, origin, strict=True)):
        y = lines.values[lines.begin[k] : lines.stop[k]]
        known = np.isfinite(y)
        assert seen[i] == (known[:o].any() and known[o : o + 5].any())


def test_corrected_forecasts_have_the_bits_of_numpy():
    rng = np.random.default_rng(0)
    linear, change = rng.normal(size=(4, 5)), rng.normal(size=(4, 5, 3))
    level, scale, gate = rng.normal(size=4), rng.random(4), rng.random(5)
    out = np.empty((4, 5, 3))
    parts = linear, level, change, scale, gate
    assert _windows.correct(*parts, out)
    by = (scale[:, np.newaxis] * gate)[..., np.newaxis]
    expected = (linear + level[:, np.newaxis])[..., np.newaxis] + change * by
    assert np.array_equal(out, expected)
    spread = rng.random((4, 5)) + 0.1
    assert _windows.are_known(out, spread)
    for bad in (0.0, np.nan, np.inf, -1.0):
        assert not _windows.are_known(
            out, np.where(linear == linear[1, 2], bad, spread)
        )
    level[2] = np.nan  # a window without a known value
    assert _windows.correct(*parts, out) and not _windows.are_known(out, spread)
    level[2] = np.inf
    assert not _windows.correct(*parts, out) and not _windows.are_known(out, spread)
    with pytest.raises(ValueError, match="shapes"):
        _windows.correct(*parts, out[:, :4].copy())


@pytest.mark.parametrize("horizon", [1, 4, 30])
@pytest.mark.parametrize("window", [1, 6, 40])
@pytest.mark.parametrize("n_rows", [1, 2, 5, 31, 100])
def test_origins_have_a_window_and_a_forecast_if_there_is_room(n_rows, window, horizon):
    origin = origins_of(n_rows, window, horizon)
    if n_rows == 1:
        assert not len(origin)
        return
    assert origin[0] >= 1
    assert origin[-1] < n_rows
    assert np.array_equal(origin, np.arange(origin[0], origin[-1] + 1))
    if n_rows >= 2 * (window + horizon):
        assert origin[0] == window
        assert origin[-1] == n_rows - horizon


def test_normalized_values_are_of_a_grain_and_bounded():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(4, 6))
    scale = np.array([0.5, 1e-9, 3.0, 0.0])
    out = normalized(values, scale)
    assert np.all(np.abs(out) <= 1024)
    assert not out[3].any()
    assert_allclose(out[[0, 2]], values[[0, 2]] / scale[[0, 2], None], atol=2.0**-15)
    # So are those of a series in other units.
    moved = normalized(values * 3.7 * (1 + 1e-15), scale * 3.7)
    assert np.array_equal(out, moved)


# What the network reads


@pytest.mark.parametrize("window, segment", [(9, 4), (8, 4), (3, 5), (6, 1)])
@pytest.mark.parametrize("future_segment", [1, 2, 5])
def test_what_the_network_reads(window, segment, future_segment):
    lines, tables = make_lines()
    reader = make_reader(
        window=window, segment_length=segment, future_segment_length=future_segment
    )
    line, origin = all_windows(lines)
    windows = Windows.cut(lines, line, origin, window, WindowOptions(1, False))
    batch = reader.read(lines, line, origin, windows)
    n, m = len(line), reader.n_segments
    assert batch.x.shape == (m * n, reader.n_in)
    assert np.array_equal(batch.n_active, [n] * m)
    x = batch.x.reshape(m, n, segment, reader.n_channels)
    future = batch.future.reshape(reader.n_future_segments, n, reader.n_future_in)
    for i, (k, o) in enumerate(zip(line, origin, strict=True)):
        covariates, calendar = tables[lines.series[k]][1:]
        rows = x[:, i].reshape(m * segment, -1)
        for t in range(m * segment):
            row = o - m * segment + t
            in_window = row >= o - window
            lag = t - (m * segment - window)
            value = normalized(windows.values[i : i + 1], windows.scale[i : i + 1])[
                0, lag
            ]
            assert rows[t, 0] == (value if in_window else 0)
            assert rows[t, 1] == (windows.unknown[i, lag] if in_window else 0)
            there = in_window and row >= 0
            assert np.array_equal(rows[t, 2:], covariates[row] if there else [0] * 3)
        for s in range(reader.n_future_segments):
            expected = np.zeros(reader.n_future_segments)
            expected[s] = 1
            begin = o + s * future_segment
            dates = calendar[begin] if begin < len(calendar) else [0, 0]
            known = np.zeros((future_segment, 2))
            for step in range(future_segment):
                row = begin + step
                if row < len(covariates) and row < o + reader.horizon:
                    known[step] = covariates[row, 1:]
            whose = np.eye(2)[lines.target[k]]
            expected = np.concatenate([expected, dates, known.ravel(), whose])
            assert np.array_equal(future[s, i], expected)


# The network


@pytest.mark.parametrize("loss", ["squared", "quantile"])
@pytest.mark.parametrize("sizes", [(3,), (4, 3)])
@pytest.mark.parametrize("cell, activation", CELLS)
def test_a_segment_is_a_step_from_the_last_state(cell, activation, sizes, loss):
    lines, _ = make_lines()
    reader, loss = make_reader(), LOSSES[loss]
    network = Network(make_spec(reader, loss.n_out, sizes, cell, activation))
    rng = np.random.default_rng(0)
    theta = rng.normal(size=network.n_params) / 2
    network.load(theta)
    line, origin = all_windows(lines)
    windows = Windows.cut(lines, line, origin, 9, WindowOptions(1, False))
    batch = reader.read(lines, line, origin, windows)
    raw = network.forward(batch)
    assert raw.shape == (len(line), loss.n_out)
    params = network.views(theta)
    oracle = ReferenceNetwork(
        reader.n_in, sizes, loss.n_out, cell=cell, activation=activation
    )
    n = len(line)
    X = list(batch.x.reshape(reader.n_segments, n, -1).swapaxes(0, 1))
    oracle.forward(params, X)
    future = batch.future.reshape(reader.n_future_segments, n, -1).swapaxes(0, 1)
    for i in range(n):
        out = make_segments(oracle.cell, params, oracle.hidden[i][-1], future[i])
        assert_allclose(raw[i], out[: loss.n_out], rtol=1e-10, atol=1e-12)


@losses
@pytest.mark.parametrize("sizes", [(2,), (2, 3)])
@pytest.mark.parametrize("cell, activation", CELLS)
def test_gradient_of_the_whole_network(cell, activation, sizes, name):
    lines, _ = make_lines(lengths=(14,), n_targets=1, gaps=0.1)
    reader = make_reader(window=5, segment_length=2, n_targets=0)
    loss = LOSSES[name]
    data = WindowData(
        lines, *all_windows(lines), reader, LinearForecast(np.zeros((0, 5))),
        WindowOptions(1, False), np.ones(1), 2,
    )  # fmt: skip
    batch, y, weight = data.batch(np.arange(3, 7), np.float64)
    network = Network(make_spec(reader, loss.n_out, sizes, cell, activation))
    theta = np.random.default_rng(1).normal(size=network.n_params) / 2

    def value():
        network.load(theta)
        return loss.value(y, network.forward(batch), weight)

    network.load(theta)
    raw = network.forward(batch, training=True)
    _, draw = loss.value_and_gradient(y, raw, weight)
    grad = np.zeros_like(theta)
    network.backward(draw, grad)
    assert_allclose(grad, numerical_gradient(value, theta), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.4, 0.3)])
def test_gradient_with_dropout(rates):
    lines, _ = make_lines(lengths=(14,), n_targets=1, gaps=0)
    reader = make_reader(window=5, segment_length=2, n_targets=0)
    network = Network(make_spec(reader, 5, (2, 2)), options=PassOptions(*rates))
    line, origin = all_windows(lines)
    windows = Windows.cut(lines, line, origin, 5, WindowOptions(1, False))
    batch = reader.read(lines, line, origin, windows)
    theta = np.random.default_rng(1).normal(size=network.n_params) / 2
    draw = np.random.default_rng(2).normal(size=(len(line), 5))

    def forward():
        network.load(theta)
        return network.forward(
            batch, training=True, random_state=np.random.RandomState(3)
        )

    forward()
    grad = np.zeros_like(theta)
    network.backward(draw, grad)
    numerical = numerical_gradient(lambda: np.sum(draw * forward()), theta)
    assert_allclose(grad, numerical, rtol=1e-6, atol=1e-8)


def test_a_new_network_corrects_nothing():
    lines, _ = make_lines()
    reader = make_reader()
    spec = make_spec(reader, 5, (4,))
    network = Network(spec)
    network.load(initialize(spec, reader, np.random.RandomState(0)))
    line, origin = all_windows(lines)
    windows = Windows.cut(lines, line, origin, 9, WindowOptions(1, False))
    assert not network.forward(reader.read(lines, line, origin, windows)).any()


# Losses


@losses
def test_gradients_of_losses(name):
    loss = LOSSES[name]
    rng = np.random.default_rng(0)
    y, raw = rng.normal(size=(6, 5)), rng.normal(size=(6, loss.n_out))
    y[0, 2] = y[1] = y[2, 0] = np.nan
    weight = np.array([1.0, 3.0, 0.5, 2.0, 0.0, 1.0])
    value, gradient = loss.value_and_gradient(y, raw, weight)
    assert value == loss.value(y, raw, weight)
    assert gradient.shape == raw.shape
    assert_allclose(
        gradient,
        numerical_gradient(lambda: loss.value(y, raw, weight), raw),
        rtol=1e-6, atol=1e-9,
    )  # fmt: skip
    # What is unknown does not count, and a window of weight 0 neither.
    assert not gradient.reshape(6, 5, -1)[0, 2].any()
    assert not gradient[[1, 4]].any()
    raw[4] = 1e3
    assert loss.value(y, raw, weight) == value
    single = loss.value_and_gradient(y, raw.astype(np.float32), weight)
    assert single[1].dtype == np.float32
    assert_allclose(single[1], gradient, atol=1e-6)


def test_the_value_of_a_loss_is_the_mean_over_known_steps():
    rng = np.random.default_rng(0)
    y, raw = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
    y[0, 1] = np.nan
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    errors = raw - y
    for name, of_error in {"squared": lambda e: e**2 / 2, "absolute": np.abs}.items():
        expected = np.average(np.nanmean(of_error(errors), axis=1), weights=weight)
        assert LOSSES[name].value(y, raw, weight) == pytest.approx(expected)
    loss = LOSSES["quantile"]
    raw = rng.normal(size=(4, 20))
    error = y[..., None] - loss.forecast(raw)
    pinball = np.where(error > 0, error * loss.quantiles, error * (loss.quantiles - 1))
    expected = np.average(np.nanmean(pinball.mean(axis=-1), axis=1), weights=weight)
    assert loss.value(y, raw, weight) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3, 1e15, 1e30])
def test_quantiles_never_cross(scale):
    rng = np.random.default_rng(0)
    for name in ("quantile", "one quantile", "outer quantiles"):
        loss = LOSSES[name]
        raw = scale * rng.standard_cauchy(size=(200, loss.n_out))
        for values in (raw, raw.astype(np.float32).astype(float), -np.abs(raw)):
            assert np.all(np.diff(loss.forecast(values), axis=-1) >= 0)


def test_the_middle_quantile_is_the_one_nearest_to_the_median():
    assert ForecastQuantileLoss(1, [0.1, 0.45, 0.6]).middle == 1
    assert ForecastQuantileLoss(1, [0.7, 0.9]).middle == 0


# Folds


@pytest.mark.parametrize("fraction", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("n_rows, horizon", [(100, 4), (40, 12), (500, 1)])
def test_folds_look_forward(n_rows, horizon, fraction):
    origin = origins_of(n_rows, 8, horizon)
    folds = split_by_time(origin, horizon, np.full(len(origin), n_rows), fraction)
    together = np.concatenate(folds.pieces)
    assert np.array_equal(np.sort(together), np.arange(len(origin)))
    first = np.floor(n_rows * (1 - fraction))
    for training, test in folds.pairs:
        # No training window saw a value that a test window forecasts.
        assert (origin[training] + horizon).max() <= origin[test].min()
        assert origin[test].min() >= first
    if len(folds.pairs) == 2:
        (small, test_1), (large, test_2) = folds.pairs
        assert np.isin(small, large).all()
        assert not np.intersect1d(test_1, test_2).size
        tested = origin[np.concatenate([test_1, test_2])]
        assert np.array_equal(np.sort(tested), origin[origin >= first])


def test_no_fold_is_trained_on_a_long_window_that_reaches_into_its_test():
    # The last windows of a short series end behind it, and series of a panel end at
    # different moments: both have origins nearer to the end than a horizon.
    origin = np.arange(5, 40)
    folds = split_by_time(origin, 12, np.full(len(origin), 40), 0.4)
    assert [len(np.concatenate(pair)) for pair in folds.pairs] == [16, 24]
    assert np.array_equal(np.sort(np.concatenate(folds.pieces)), np.arange(35))
    panel = split_by_moments(origin, 12, 0.4)
    for training, test in folds.pairs + panel.pairs:
        assert (origin[training] + 12).max() <= origin[test].min()


@pytest.mark.parametrize("fraction", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("n_rows, horizon", [(100, 4), (40, 12), (500, 1)])
def test_more_folds_look_forward(n_rows, horizon, fraction):
    origin = origins_of(n_rows, 8, horizon)
    arguments = origin, horizon, np.full(len(origin), n_rows), fraction
    two, six = split_often(*arguments)
    together = np.concatenate(two.pieces)
    assert np.array_equal(np.sort(together), np.arange(len(origin)))
    assert 2 <= len(six.numbers) <= 6
    for training, test in two.pairs + six.pairs:
        assert (origin[training] + horizon).max() <= origin[test].min()
    coarse = split_by_time(*arguments)
    assert two.stops == coarse.stops
    assert set(two.stops) <= set(six.stops)
    for fine, rows in zip(two.pairs, coarse.pairs, strict=True):
        assert np.array_equal(np.sort(fine[1]), np.sort(rows[1]))
        assert np.isin(fine[0], rows[0]).all()
    if n_rows == 500 and fraction == 0.4:
        assert_allclose(six.stops, [200, 250, 300, 350, 400, 450], atol=1)
        for fine, rows in zip(two.pairs, coarse.pairs, strict=True):
            assert np.array_equal(np.sort(fine[0]), np.sort(rows[0]))


def test_folds_of_a_panel_are_cut_at_moments():
    # By shares of rows, the first fold was trained on days that the others test.
    days = pd.date_range("2026-01-01", periods=300, freq="D")
    rows = [slice(0, 300), slice(100, 220), slice(200, 300), slice(0, 150)]
    panel = [pd.Series(make_series(300)[s], days[s]) for s in rows]
    structure = SequenceForecaster(5, window=10)._describe_structure()
    schema, histories = SeriesSchema.learn(panel)
    fit = ForecastFit(start_model(structure, schema, histories), histories, 0.4)
    begin = np.array([s.start for s in rows])[fit.lines.series[fit.line]]
    moment = begin + fit.origin
    assert len(fit.folds.pairs) == 2
    for training, test in fit.folds.pairs:
        assert moment[training].max() + 5 <= moment[test].min()
        assert len(test) > 0.1 * len(moment)
    # Rows without times are no moments.
    schema, histories = SeriesSchema.learn([s.to_numpy() for s in panel])
    by_rows = ForecastFit(start_model(structure, schema, histories), histories, 0.4)
    expected = split_by_time(by_rows.origin, 5, by_rows.lines.n_rows[by_rows.line], 0.4)
    assert_same_bits(*map(np.concatenate, (by_rows.folds.pieces, expected.pieces)))


def test_folds_of_series():
    series = np.repeat(np.arange(5), 3)
    folds = split_by_series(series)
    (a, b), (c, d) = folds.pairs
    assert np.array_equal(a, d)
    assert np.array_equal(b, c)
    assert not np.intersect1d(series[a], series[b]).size
    assert len(a) + len(b) == 15
    assert split_by_series(np.zeros(3, dtype=int)).pairs == []


def window_data(lines, reader, power=2, n_lags=0):
    linear = LinearForecast(np.full((n_lags, 5), 0.1))
    return WindowData(
        lines, *all_windows(lines), reader, linear, WindowOptions(1, False),
        line_weights(lines), power,
    )  # fmt: skip


def test_windows_as_the_training_reads_them():
    lines, _ = make_lines()
    reader = make_reader()
    for power in (1, 2):
        data = window_data(lines, reader, power, n_lags=4)
        rows = np.array([50, 3, 70])
        batch, residual, weight = data.batch(rows, np.float64)
        line, origin = data.line[rows], data.origin[rows]
        windows = Windows.cut(lines, line, origin, 9, data.options)
        assert_same_bits(batch.x, reader.read(lines, line, origin, windows).x)
        expected = lines.future(line, origin, 5) - windows.level[:, None]
        expected -= windows.values[:, 5:] @ np.full((4, 5), 0.1)
        assert_allclose(residual * windows.scale[:, None], expected, atol=1e-3)
        # Errors count in units of a line, and the mean of a batch is one.
        expected = (windows.scale * data.weight[line]) ** power
        assert_allclose(weight, expected / expected.mean())
        assert len(data.weight_of(data.used)) == len(data.line)
        of_all = data.weight_of(data.used)[rows]
        assert_allclose(of_all / of_all.mean(), weight)
    assert np.array_equal(np.concatenate(list(data.blocks())), data.used)


def test_windows_that_tell_nothing_weigh_nothing():
    y = np.ones((30, 1))
    y[20:, 0] = np.random.default_rng(0).normal(size=10)
    y[25:] = np.nan
    lines = Lines([(y, np.empty((30, 0)), np.empty((30, 0)))])
    options = dict.fromkeys(("n_past_only", "n_known_future", "n_calendar"), 0)
    data = window_data(lines, make_reader(n_targets=0, **options))
    origin = data.origin
    _, residual, weight = data.batch(np.arange(29), np.float64)
    unknown = np.isnan(residual).all(axis=1)
    assert np.array_equal(unknown, origin >= 25)
    constant = origin <= 20
    assert np.array_equal(weight == 0, unknown | constant)
    # Among themselves they have a loss, but no target.
    _, residual, weight = data.batch(np.arange(5), np.float64)
    assert np.isnan(residual).all()
    assert np.all(weight == 1)


def test_held_out_windows_are_the_last_ones():
    lines, _ = make_lines(lengths=(100, 60), n_targets=1, gaps=0)
    data = window_data(lines, make_reader(n_targets=0))
    training, validation = data.hold_out(0.25)
    for k, cut in ((0, 75), (1, 45)):
        assert (training.origin[training.line == k] + 5).max() == cut
        assert validation.origin[validation.line == k].min() == cut
    # In a fold, they are the last ones of the fold.
    fold = data._take(data.origin + 5 <= 40)
    training, validation = fold.hold_out(0.25)
    assert (training.origin + 5).max() == 30
    assert validation.origin.min() == 30
    assert (validation.origin + 5).max() == 40


@pytest.mark.parametrize("n", [3, 10, 11, 1000])
def test_thinning_is_even(n):
    rows = np.arange(n) * 7
    out = thinned(rows, 10)
    assert len(out) == min(n, 10)
    assert np.isin(out, rows).all()
    assert np.ptp(np.diff(out)) <= 7


# Calibration


def test_gates_keep_what_helps_in_both_folds():
    rng = np.random.default_rng(0)
    loss, n = ForecastSquaredError(8), 4000
    change = rng.normal(size=(n, 8))
    residual = np.empty((n, 8))
    noise = rng.normal(size=(n, 8))
    fold = np.arange(n) * 2 // n
    residual[:, :2] = change[:, :2] + noise[:, :2]  # right
    residual[:, 2:4] = 0.5 * change[:, 2:4] + noise[:, 2:4]  # twice too much
    residual[:, 4:6] = noise[:, 4:6]  # nothing
    # Right in the first fold, and wrong in the second.
    residual[:, 6:] = np.where(fold == 0, 1, -1)[:, None] * change[:, 6:] + noise[:, 6:]
    gate = choose_gate(residual, change, np.ones(n), loss, fold)
    assert gate.shape == (8,)
    assert_allclose(gate, [1, 1, 0.5, 0.5, 0, 0, 0, 0], atol=0.1)
    # What is unknown, or has no weight, says nothing.
    weight = np.where(np.arange(n) % 2, 1.0, 0.0)
    residual[weight == 0] = -100 * change[weight == 0]
    residual[1::8] = np.nan
    gate = choose_gate(residual, change, weight, loss, fold)
    assert_allclose(gate, [1, 1, 0.5, 0.5, 0, 0, 0, 0], atol=0.15)


@losses
def test_the_error_that_gates_are_chosen_by(name):
    loss = LOSSES[name]
    rng = np.random.default_rng(0)
    y, raw = rng.normal(size=(6, 5)), rng.normal(size=(6, loss.n_out))
    error = loss.of_forecasts(y, loss.forecast(raw))
    assert error.mean() == pytest.approx(loss.value(y, raw, np.ones(6)))


def test_quantiles_of_errors_are_those_of_split_conformal_prediction():
    rng = np.random.default_rng(0)
    error = rng.normal(size=(60, 3))
    error[5:, 1] = np.nan
    error[:, 2] = np.nan
    group = np.array([0, 1] * 30)
    out = error_quantiles(error, group, 3)
    assert out.shape == (3, 3, len(LEVELS))
    for g in range(2):
        for step in range(2):
            known = error[group == g, step]
            known = known[np.isfinite(known)]
            # Among n errors and one to come, the k-th is above a share k / (n+1).
            expected = np.quantile(known, LEVELS, method="weibull")
            assert_allclose(out[g, step], expected, atol=1e-12)
    assert np.isnan(out[:, 2]).all()
    assert np.isnan(out[2]).all()
    assert np.all(np.diff(out[0, 0]) >= 0)
    # Steps and groups without errors have those of others.
    out[1, 0] = np.nan
    filled = without_gaps(out)
    assert np.array_equal(filled[:2, 1], out[:2, 1])
    assert np.array_equal(filled[0], out[0, [0, 1, 1]])
    assert np.array_equal(filled[1], out[1, [1, 1, 1]])
    assert_allclose(filled[2], (filled[0] + filled[1]) / 2)
    assert without_gaps(out[2:]) is None


def test_calibration_without_folds_trusts_half_of_the_network():
    lines = ar_lines(12)
    origin = origins_of(12, 4, 5)
    line = np.zeros_like(origin)
    folds = split_by_time(origin, 5, lines.n_rows[line], 0.4)
    choice = fit_linear(
        lines, line, origin, folds, 4, 5, WindowOptions(1, False), np.ones(1)
    )
    found = calibrate(None, folds, choice, LOSSES["squared"], lines.target, None)
    assert np.array_equal(found.gate, [0.5] * 5)
    assert found.errors is None
    assert not found.interrupted


# Forecasts


def make_model(loss="squared", dtype="float32", n_lags=6, gate=0.7):
    rng = np.random.default_rng(0)
    reader, loss = make_reader(dtype=dtype), LOSSES[loss]
    network = Network(make_spec(reader, loss.n_out, (5,)))
    network.load(rng.normal(size=network.n_params).astype(dtype))
    linear = LinearForecast(rng.normal(size=(n_lags, 5)) / 4)
    return WindowForecaster(
        reader, linear, network, loss, np.full(5, gate), WindowOptions(1, False)
    )


@pytest.mark.parametrize("loss", ["squared", "quantile"])
def test_a_forecast_has_the_same_bits_in_any_batch(loss):
    lines, _ = make_lines(lengths=(600, 700))
    line, origin = all_windows(lines)
    model = make_model(loss)
    out, spread = model.forecast(lines, line, origin)
    assert out.shape == (len(line), 5, 4 if loss == "quantile" else 1)
    order = np.random.default_rng(0).permutation(len(line))[:60]
    some, of_some = model.forecast(lines, line[order], origin[order])
    assert_same_bits(some, out[order])
    assert_same_bits(of_some, spread[order])
    for i in order[:20]:
        one, of_one = model.forecast(lines, line[i : i + 1], origin[i : i + 1])
        assert_same_bits(one[0], out[i])
        assert_same_bits(of_one[0], spread[i])
    threaded, _ = model.forecast(lines, line, origin, n_threads=2)
    assert_same_bits(threaded, out)
    for isa in ISAS:
        with instruction_set(isa):
            other = make_model(loss).forecast(lines, line, origin)[0]
            assert_same_bits(other, out)


def test_a_forecast_is_its_parts():
    lines, _ = make_lines()
    line, origin = all_windows(lines)
    out, spread = make_model(dtype="float64").forecast(lines, line, origin)
    model = make_model(dtype="float64")
    windows = Windows.cut(lines, line, origin, 9, model.options)
    assert np.array_equal(spread, np.repeat(windows.spread[:, None], 5, axis=1))
    linear, _ = make_model(gate=0.0).forecast(lines, line, origin)
    expected = windows.level[:, None] + model.linear.forecast(windows.values)
    linear, out = linear[..., 0], out[..., 0]
    assert_allclose(linear, expected, rtol=1e-14)
    raw = model.network.forward(model.reader.read(lines, line, origin, windows))
    assert_allclose(out, linear + 0.7 * windows.scale[:, None] * raw, rtol=1e-12)


def test_without_a_network_all_quantiles_are_the_linear_forecast():
    lines, _ = make_lines()
    line, origin = all_windows(lines)
    model = make_model("quantile", gate=0.0)
    out, _ = model.forecast(lines, line, origin)
    windows = Windows.cut(lines, line, origin, 9, model.options)
    linear = model.linear.forecast(windows.values) + windows.level[:, None]
    assert_same_bits(out, np.repeat(linear[..., None], 4, axis=2))


def test_a_forecast_of_what_is_unknown_is_nan():
    y = np.full((20, 1), np.nan)
    y[12:] = 3.0
    lines = Lines([(y, np.zeros((20, 3)), np.zeros((20, 2)))])
    out, spread = make_model().forecast(lines, np.zeros(2, int), np.array([12, 13]))
    assert np.isnan(out[0]).all()
    assert np.all(out[1] == 3)
    assert not spread.any()


def test_folds_do_not_see_what_they_are_tested_on():
    """Covariates that say nothing are left out, since no fold has seen its test."""
    n_kept = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        season = 3 * np.sin(2 * np.pi * np.arange(72) / 12)
        y = 10 + season + rng.normal(size=72).cumsum() / 2 + rng.normal(size=72)
        X = rng.normal(size=(72, 16)).cumsum(axis=0)
        model = SequenceForecaster(horizon=12, hidden_layer_sizes=2, max_iter=1)
        n_kept += model.set_params(random_state=0).fit(X, y)._model.coef is not None
    assert n_kept <= 1


def test_covariates_of_later_rows_change_no_earlier_fold():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = X @ [3.0, -2.0] + rng.normal(size=120) / 10
    model = SequenceForecaster(horizon=4, hidden_layer_sizes=2, max_iter=1, window=8)

    def fit(y):
        schema, panel = model._read_series(X, y)
        start = start_model(model._describe_structure(), schema, panel)
        found = ForecastFit(start, panel, 0.4)
        assert found.model.coef is not None
        return found

    before = fit(y)
    assert before.folds.stops == [72, 96]
    changed = y.copy()
    changed[96:] += rng.normal(size=24) / 20
    after = fit(changed)
    for stop, one, other in zip(
        before.folds.stops, before._fold_lines, after._fold_lines, strict=True
    ):
        np.testing.assert_array_equal(one.values[:stop], other.values[:stop])
