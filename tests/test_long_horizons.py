"""Long forecasts of series that return to their mean."""

import io

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import assert_same_bits
from outside import import_oracle, onnx_session
from skrnn import SequenceForecaster
from skrnn.forecasting.folds import split_by_time, split_often
from skrnn.forecasting.linear import (
    LinearForecast,
    Moments,
    fit_linear,
    home_of,
    moments_away,
    moments_of,
)
from skrnn.forecasting.windows import Lines, WindowOptions, Windows, origins_of

LEVELS = np.array([40.0, -300.0])
OPTIONS = WindowOptions(40, False)
SIZES = 12, 10


def returning(n=1700, share=0.9, seed=0):
    """Return two targets that return to their means."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, 2))
    for t in range(1, n):
        y[t] += share * y[t - 1]
    return LEVELS + y * [1.0, 50.0]


def lines_of(y):
    return Lines([(y, np.empty((len(y), 0)), np.empty((len(y), 0)))])


def windows_of(lines, n=1700):
    origin = origins_of(n, *SIZES)
    line = np.repeat([0, 1], len(origin))
    return line, np.tile(origin, 2)


def test_moments_from_home_are_those_of_values_less_the_mean():
    lines = lines_of(returning(300))
    (line, origin), weight = windows_of(lines, 300), np.array([1.0, 0.02])
    home = home_of(lines, 200, SIZES[1])
    assert_allclose(home.mean, lines.values.reshape(2, -1)[:, :200].mean(axis=1))
    home = home._replace(high=home.mean + [2.0, 100.0])
    more = *SIZES, OPTIONS, weight
    moments = moments_of(lines, line, origin, *more)
    moments = moments_away(moments, home, lines, line, origin, *more)
    moments = moments + Moments(*SIZES)
    windows = Windows.cut(lines, line, origin, SIZES[0], OPTIONS)
    away = home.away(windows.level, line)[:, np.newaxis]
    outside = (windows.level < home.low[line]) | (windows.level > home.high[line])
    assert outside.any()
    assert not away[outside].any()
    assert away[~outside].all()
    share = weight[line][:, np.newaxis]
    x = (windows.values + away) * share
    change = lines.future(line, origin, SIZES[1]) - windows.level[:, np.newaxis]
    y = (change + away) * share
    found = moments.from_home()
    for name, expected in (("xx", x.T @ x), ("xy", x.T @ y), ("yy", (y**2).sum(0))):
        assert_allclose(getattr(found, name), expected, rtol=1e-9, atol=1e-8)
    rng = np.random.default_rng(0)
    weights, pull = rng.normal(size=(7, 10)), rng.normal(size=10)
    linear = LinearForecast(weights, home._replace(pull=pull))
    error = change - linear.forecast(windows.values, windows.level, line)
    expected = np.sum((error * share) ** 2)
    assert moments.error_away(weights, pull) == pytest.approx(expected)
    none = np.zeros((0, 10))
    linear = LinearForecast(none, home._replace(pull=pull))
    error = change - linear.forecast(windows.values, windows.level, line)
    assert moments.error_away(none, pull) == pytest.approx(np.sum((error * share) ** 2))


def test_forecasts_return_where_values_do_and_not_where_they_wander():
    for share, returns in ((0.9, True), (1.0, False)):
        y = returning(share=share)
        lines = lines_of(y)
        line, origin = windows_of(lines)
        folds = split_by_time(origin, SIZES[1], lines.n_rows[line], 0.4)
        late = split_often(origin, SIZES[1], lines.n_rows[line], 0.4)
        arguments = lines, line, origin, folds, *SIZES, OPTIONS, np.array([1, 0.02])
        choice = fit_linear(*arguments, late=late)
        assert (choice.home is not None) == returns
        if returns:
            plain = fit_linear(*arguments)
            assert choice.error < 0.9 * plain.error
            assert choice.home.pull[-1] > 0.3
            # A fold returns to the mean of what it has seen.
            for home, stop in zip(choice.homes, folds.stops, strict=True):
                assert_allclose(home.mean, y[:stop].mean(axis=0))


def changing(kind, seed, n=2200):
    """Return rows with a season, whose level jumps or changes its slope."""
    rng, t = np.random.default_rng([seed, 5]), np.arange(n)
    noise = 0.5 * rng.normal(size=n)
    for i in range(1, n):
        noise[i] += 0.8 * noise[i - 1]
    y = 2 * np.sin(2 * np.pi * t / 24) + noise
    if kind == "ramps":
        return y + np.cumsum(np.repeat(0.03 * rng.normal(size=n // 100 + 1), 100)[:n])
    return y + np.cumsum(3 * rng.normal(size=n) * (rng.random(n) < 1 / 200))


def test_a_level_that_changes_costs_no_more_than_in_a_plain_ridge():
    n, n_lags, horizon = 1500, 72, 48
    ratios = []
    for kind, seed in [(k, s) for k in ("ramps", "jumps") for s in range(4)]:
        y = changing(kind, seed)
        lines = lines_of(y[:n, np.newaxis])
        origin = origins_of(n, n_lags, horizon)
        line, rows = np.zeros_like(origin), lines.n_rows[np.zeros_like(origin)]
        folds = split_by_time(origin, horizon, rows, 0.4)
        more = n_lags, horizon, OPTIONS, np.ones(1)
        late = split_often(origin, horizon, rows, 0.4)
        choice = fit_linear(lines, line, origin, folds, *more, late=late)
        x, future = windows_around(y, origin, n_lags, horizon)
        product = x.T @ x
        product += 0.1 * np.trace(product) / n_lags * np.eye(n_lags)
        ridge = np.linalg.solve(product, x.T @ future)
        later = np.arange(n, len(y) - horizon, 7)
        x, future = windows_around(y, later, n_lags, horizon)
        level = y[later - 1], np.zeros_like(later)
        error = np.mean((choice.forecast().forecast(x, *level) - future) ** 2)
        ratios.append(error / np.mean((x @ ridge - future) ** 2))
    # Two folds alone took a level that changed its slope for one that returns.
    assert max(ratios) < 1.2
    assert np.exp(np.mean(np.log(ratios))) < 1.03


def windows_around(y, origin, n_lags, horizon):
    """Return what lies before and after origins, less the last value before."""
    size = n_lags + horizon
    both = np.lib.stride_tricks.sliding_window_view(y, size)[origin - n_lags]
    both = both - both[:, [n_lags - 1]]
    return both[:, :n_lags], both[:, n_lags:]


@pytest.fixture(scope="module")
def fitted():
    options = {"horizon": 10, "window": 12, "max_iter": 1, "hidden_layer_sizes": 4}
    return SequenceForecaster(**options, random_state=0).fit(None, returning())


def test_a_forecast_from_another_level_stays_there(fitted):
    y = returning(60, seed=2)
    assert fitted._model.home is not None
    far = fitted.predict(y_past=y + [1000.0, 1e5])
    assert np.abs(far - y[-1] - [1000.0, 1e5]).max() < 500
    model = SequenceForecaster(**fitted.get_params()).fit(None, 3 * returning() + 7)
    assert_allclose(model.predict(), 3 * fitted.predict() + 7, rtol=1e-6)


def test_homes_are_kept_in_files_and_models(fitted):
    with io.BytesIO() as file:
        joblib.dump(fitted, file)
        file.seek(0)
        assert_same_bits(joblib.load(file).predict(), fitted.predict())
    import_oracle("onnxruntime")
    from skrnn.export import onnx_inputs, to_onnx

    session = onnx_session(to_onnx(fitted))
    for y in (returning(60, seed=3), returning(60, seed=3) + 900):
        found = session.run(None, onnx_inputs(fitted, y_past=y))[0][0]
        assert_allclose(found, fitted.predict(y_past=y), rtol=1e-5)
