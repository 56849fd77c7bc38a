"""The forecast of short series: smoothing, regressions around it, logarithms."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from forecasts import QUICK, make_series
from skrnn import SequenceForecaster
from skrnn._elementary import exp_above, log_above
from skrnn.export import load, save
from skrnn.forecasting import calibration
from skrnn.forecasting.calibration import LEVELS as LEVELS_OF_ERRORS
from skrnn.forecasting.calibration import pooled_quantiles, small_sample
from skrnn.forecasting.linear import Moments
from skrnn.forecasting.smoothing import (
    ANY_LEVEL,
    LEVELS,
    _covariances,
    _smoothing,
    fit_short,
    from_forecasts,
    is_short,
    likelihoods,
    smoothing_weights,
)
from skrnn.forecasting.windows import Lines

NOTHING = np.zeros(1)  # speaks for no process


def growing(n=90, seed=0):
    """Return values whose season grows with their level."""
    t = np.arange(n)
    return np.exp(t / 20 + np.sin(t * np.pi / 2) + make_series(n, seed=seed) / 20)


def test_smoothing_is_the_best_linear_forecast():
    found = smoothing_weights(9, 4, 1)
    row = np.arange(13)
    for step, weights in zip(LEVELS, found, strict=False):  # the first have no trend
        covariance = ANY_LEVEL + step * (np.minimum(row[:, None], row) + 1.0)
        best = np.linalg.solve(covariance[:9, :9] + np.eye(9), covariance[:9, 9:])
        assert_allclose(weights, best / best.sum(axis=0), atol=1e-9)
        # That is the forecast of simple exponential smoothing: the same for all steps.
        assert_allclose(weights, weights[:, :1] * np.ones(4), atol=1e-9)


@pytest.mark.parametrize("season", [1, 3])
def test_the_likelihood_is_that_of_normal_values(season):
    rng = np.random.default_rng(0)
    long, short = make_series(30, seed=1) * 50, rng.normal(size=11).cumsum()
    found = likelihoods([long, short], season)
    for y, of_history in zip([long, short], found, strict=True):
        n, expected = len(y), []
        for covariance in _covariances(n, season):
            # Without the first value: given it, whose variance is large.
            of_noise = covariance + np.eye(n)
            first = of_noise[:1, 1:]
            rest = of_noise[1:, 1:] - first.T @ first / of_noise[0, 0]
            z = y[1:] - y[0]
            variance = z @ np.linalg.solve(rest, z) / (n - 1)
            normal = stats.multivariate_normal(cov=rest * variance)
            expected.append(normal.logpdf(z))
        difference = of_history - expected
        assert_allclose(difference, difference[0], atol=1e-6)
        assert np.ptp(of_history) > 2
    assert_array_equal(likelihoods([long], season)[0], found[0])
    assert_array_equal(likelihoods([np.full(9, 3.0)], season), 0 * found[:1])


@pytest.mark.parametrize("season", [1, 4])
def test_smoothing_goes_on_with_levels_trends_and_seasons(season):
    found = np.array(smoothing_weights(24, 8, season))
    assert_allclose(found.sum(axis=1), 1.0)
    t = np.arange(32)
    line = found.transpose(0, 2, 1) @ t[:24]
    assert np.abs(line - t[24:]).max(axis=1).min() < 2.0  # the last value: 8
    assert np.abs(line - 23).max(axis=1).min() < 1.0
    if season > 1:
        wave = np.array([3.0, -1.0, -2.0, 0.0])[t % 4]
        ahead = found.transpose(0, 2, 1) @ wave[:24]
        assert np.abs(ahead - wave[24:]).max(axis=1).min() < 0.2


def test_smoothing_looks_back_on_the_newest_values_only():
    moments = Moments(100, 3)
    rng = np.random.default_rng(0)
    moments.add(rng.normal(size=(50, 100)), rng.normal(size=(50, 3)))
    strength, _, _, weights = fit_short(moments, [], 1, False, [NOTHING])
    assert weights.shape == (100, 3)
    assert not weights[:36].any()
    assert weights[36:].any()


@pytest.mark.parametrize("centered", [False, True])
def test_forecasts_from_forecasts(centered):
    rng = np.random.default_rng(0)
    first, y = rng.normal(size=5) / 5, rng.normal(size=5)
    level = y.mean() if centered else y[-1]
    weights = from_forecasts(first, 6, centered)
    assert_allclose((y - level) @ weights + level, _loop(first, y, centered))
    assert from_forecasts(np.array([0.0, 30.0, 5.0]), 6, True) is None


def _loop(first, y, centered):
    y = list(y)
    level = np.mean(y)
    for _ in range(6):
        window = np.array(y[-5:])
        if not centered:
            level = window[-1]
        y.append(level + (window - level) @ first)
    return y[5:]


def test_forecasts_that_are_better_on_later_windows_count_more():
    rng = np.random.default_rng(1)

    def moments(n):
        out, y = Moments(6, 2), make_series(n + 8, phi=0.9, seed=int(rng.integers(99)))
        x = np.lib.stride_tricks.sliding_window_view(y, 8)
        level = x[:, 5:6]
        out.add(np.ascontiguousarray(x[:, :6] - level), x[:, 6:] - level)
        return out

    training, test = moments(60), moments(60)
    strength, error, by_fold, weights = fit_short(
        training + test, [(training, test)], 1, False, [NOTHING, NOTHING]
    )
    assert strength > 0
    assert len(by_fold) == 1
    assert weights.shape == (6, 2)
    assert error == pytest.approx(test.error(by_fold[0]))
    assert error < test.error(_smoothing(training, 1, NOTHING))
    strength, error, by_fold, weights = fit_short(training, [], 1, False, [NOTHING])
    assert np.isinf(strength)
    assert np.isnan(error)
    assert by_fold == []
    assert_allclose(weights.sum(axis=0), 1.0)


def test_what_is_short():
    lines = Lines([(np.zeros((n, 1)), *np.empty((2, n, 0))) for n in (30, 1500)])
    assert is_short(lines.n_rows, 12)
    assert not is_short(lines.n_rows, 168)
    assert not is_short(np.array([1501]), 1)


def test_logarithms_go_on_below_a_floor():
    x = np.array([1e-3, 0.5, 1.0, 3.0, 1e9, 0.0, -7.0, np.nan])
    z, back = np.empty((2, len(x)))
    log_above(x, 0.5, z)
    assert_allclose(z[1:5], np.log(x[1:5]), rtol=1e-15)
    assert_allclose(z[[0, 5, 6]], np.log(0.5) + x[[0, 5, 6]] / 0.5 - 1)
    exp_above(z, 0.5, back)
    assert_allclose(back, x, rtol=1e-14, atol=1e-14)


@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_seasons_that_grow_with_the_level_are_forecast_by_logarithms(tmp_path):
    y = growing()
    model = SequenceForecaster(**QUICK).fit(None, y[:86])
    assert 0 < model._model.log_floor < y.min()
    forecast, interval = model.predict(), model.predict_interval(coverage=0.8)
    assert_allclose(forecast, y[86:], rtol=0.3)
    assert (interval[:, 0] < forecast).all()
    assert (forecast < interval[:, 1]).all()
    quantiles = model.predict_quantiles()
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    # In other units all is the same but for the unit.
    other = SequenceForecaster(**QUICK).fit(None, 1000 * y[:86])
    assert_allclose(other.predict(), 1000 * forecast, rtol=1e-6)
    found = model.backtest(None, y, start=70, stride=4)
    loop = [model.predict(y_past=y[:origin]) for origin in found.origins]
    assert_array_equal(found.y_pred, loop)
    save(model, tmp_path / "model")
    for same in (load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert_array_equal(same.predict(), forecast)
        assert_array_equal(same.predict_interval(coverage=0.8), interval)
    # Values that have no logarithm may come later on.
    model.update(None, [0.0, -1.0, np.nan])
    assert np.isfinite(model.predict()).all()
    assert np.isfinite(model.predict_interval()).all()


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_logarithms_with_other_losses_covariates_and_panels(loss):
    model = SequenceForecaster(**QUICK, loss=loss)
    X, y = np.random.default_rng(0).normal(size=(90, 1)), growing()
    model.fit(X[:86], y[:86])
    assert model._model.log_floor is not None
    assert_allclose(model.predict(X[86:]), y[86:], rtol=0.5)
    # Covariates that are unknown: of the targets alone, in their own units.
    with pytest.warns(UserWarning, match="unknown"):
        assert_allclose(model.predict(), y[86:], rtol=0.5)
    panel = [growing(90, seed) * 10.0**seed for seed in range(3)]
    model.fit([y[:86] for y in panel])
    assert model._model.log_floor is not None
    for y, forecast in zip(panel, model.predict(), strict=True):
        assert_allclose(forecast, y[86:], rtol=0.5)
    assert (np.diff(model.predict_quantiles(), axis=-1) >= 0).all()


def test_values_that_are_not_positive_have_no_logarithms():
    y = growing()
    y[40] = 0.0
    assert SequenceForecaster(**QUICK).fit(None, y)._model.log_floor is None


def test_a_trend_with_a_season_is_forecast_from_few_values():
    rng = np.random.default_rng(0)
    t = np.arange(72)
    y = 50 + 0.2 * t + 5 * np.sin(t * np.pi / 6) + rng.normal(size=72)
    model = SequenceForecaster(12, max_iter=1, random_state=0).fit(None, y[:60])
    error = np.abs(model.predict() - y[60:]).mean()
    season_before = np.abs(y[48:60] - y[60:]).mean()
    assert error < 0.9 * season_before


def test_intervals_widen_as_students_distribution_does():
    for n in (2, 3, 5, 20, 200):
        expected = stats.t.ppf(0.95, n) / stats.norm.ppf(0.95)
        assert small_sample(n) == pytest.approx(expected, rel=0.015)
    assert small_sample(0) == small_sample(1.2) < 3.5


def test_few_forecasts_give_wide_intervals():
    widths = []
    for factor in (1.0, None):
        with pytest.MonkeyPatch.context() as patch:
            if factor:
                patch.setattr(calibration, "small_sample", np.ones_like)
            y = 50 + make_series(72, seed=1)
            model = SequenceForecaster(12, max_iter=1, hidden_layer_sizes=4)
            model.set_params(random_state=0).fit(None, y)
            widths.append(np.diff(model.predict_interval())[:, 0])
    n_forecasts = len(y) * 0.4 / 12
    assert small_sample(n_forecasts) > 1.3
    assert (widths[1] > 1.3 * widths[0]).all()


def test_errors_of_all_steps_are_pooled_by_a_size_that_does_not_fall():
    rng = np.random.default_rng(0)
    growth = np.array([1.0, 3.0, 2.0, 4.0])
    error = growth * rng.normal(size=(500, 4))
    error[::7, 1] = np.nan
    error[:, 3] = np.nan
    group = np.arange(500) % 2
    found = pooled_quantiles(error, group, 3)
    assert found.shape == (3, 4, len(LEVELS_OF_ERRORS))
    assert np.isnan(found[2]).all()
    assert np.isnan(found[:, 3]).all()
    assert_array_equal(found[:2, 1], found[:2, 2])  # the size would have fallen
    high = LEVELS_OF_ERRORS.tolist().index(0.95)
    assert_allclose(found[:2, :3, high] / 1.645, [[1, 2.5, 2.5]] * 2, rtol=0.15)
    assert_allclose(found[:2, :3], -found[:2, :3, ::-1])
