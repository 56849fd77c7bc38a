"""Long forecasts of series that return to their mean."""

import io

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import assert_same_bits
from outside import import_oracle
from skrnn import SequenceForecaster
from skrnn.forecasting.folds import split_by_time
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
        arguments = lines, line, origin, folds, *SIZES, OPTIONS, np.array([1, 0.02])
        choice = fit_linear(*arguments, returns=True)
        assert (choice.home is not None) == returns
        if returns:
            plain = fit_linear(*arguments)
            assert choice.error < 0.9 * plain.error
            assert choice.home.pull[-1] > 0.3
            # A fold returns to the mean of what it has seen.
            for home, stop in zip(choice.homes, folds.stops, strict=True):
                assert_allclose(home.mean, y[:stop].mean(axis=0))


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
    runtime = import_oracle("onnxruntime")
    from skrnn.export import onnx_inputs, to_onnx

    session = runtime.InferenceSession(to_onnx(fitted).SerializeToString())
    for y in (returning(60, seed=3), returning(60, seed=3) + 900):
        found = session.run(None, onnx_inputs(fitted, y_past=y))[0][0]
        assert_allclose(found, fitted.predict(y_past=y), rtol=1e-5)
