"""The linear part of a forecast, and scales of series."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import ISAS, assert_same_bits, instruction_set
from forecast_lines import all_windows, ar_lines, filled, make_lines, make_reader
from skrnn import _windows
from skrnn.forecasting.folds import split_by_time
from skrnn.forecasting.linear import (
    EVENNESS,
    SHARES,
    LinearForecast,
    Moments,
    _Candidate,
    _shares_of,
    fit_linear,
    moments_of,
    regression,
)
from skrnn.forecasting.scales import column_moments, line_weights
from skrnn.forecasting.windows import (
    Lines,
    WindowOptions,
    Windows,
    origins_of,
)

# The linear part


def test_the_equations_are_solved():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(12, 8))
    a = a.T @ a + 0.1 * np.eye(8)
    b = rng.normal(size=(8, 3))
    factor, x = a.copy(), b.copy()
    assert _windows.cholesky(factor)
    assert_allclose(np.tril(factor), np.linalg.cholesky(a), rtol=1e-10, atol=1e-12)
    _windows.solve(factor, x)
    assert_allclose(x, np.linalg.solve(a, b), rtol=1e-9)
    for matrix in (-np.eye(2), np.zeros((2, 2)), np.full((2, 2), np.nan)):
        assert not _windows.cholesky(matrix.copy())


@pytest.mark.parametrize("n_lags", [6, 4])
def test_the_ridge_is_that_of_the_closed_form(n_lags):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(50, 3))
    moments = Moments(6, 3)
    moments.add(x[:20], y[:20])
    moments.add(x[:0], y[:0])
    other = Moments(6, 3)
    other.add(x[20:], y[20:])
    moments = moments + other
    assert moments.n == 50
    penalty = 0.3 * np.mean(np.sum(x**2, axis=0))
    newest = x[:, 6 - n_lags :]
    expected = np.linalg.solve(
        newest.T @ newest + penalty * np.eye(n_lags), newest.T @ y
    )
    weights = moments.ridge(n_lags, 0.3)
    assert_allclose(weights, expected, rtol=1e-10)
    assert moments.error(weights) == pytest.approx(np.sum((y - newest @ weights) ** 2))
    assert not Moments(6, 3).ridge(6, 1.0).any()


def test_moments_are_those_of_windows_less_their_level():
    lines, _ = make_lines(gaps=0.2)
    line, origin = all_windows(lines)
    options, weight = WindowOptions(2, False), line_weights(lines)
    moments = moments_of(lines, line, origin, 7, 5, options, weight)
    windows = Windows.cut(lines, line, origin, 7, options)
    known = np.isfinite(windows.level)
    share = weight[line][known, None]
    x = windows.values[known] * share
    future = lines.future(line, origin, 5)[known]
    whole = np.hstack([windows.values[known], future - windows.level[known, None]])
    y = np.array([filled(row, 2)[7:] for row in whole]) * share
    assert_allclose(moments.xx, x.T @ x, rtol=1e-10)
    assert_allclose(moments.xy, x.T @ y, rtol=1e-10, atol=1e-12)
    assert_allclose(moments.yy, (y**2).sum(axis=0), rtol=1e-10)


def test_the_linear_forecast_that_is_kept_is_a_mixture_of_ridges_of_all_windows():
    # A season that is too long for smoothing.
    lines, options, weight = ar_lines(), WindowOptions(40, False), np.ones(1)
    origin = origins_of(400, 12, 4)
    line = np.zeros_like(origin)
    folds = split_by_time(origin, 4, lines.n_rows[line], 0.4)
    choice = fit_linear(lines, line, origin, folds, 12, 4, options, weight)
    assert choice.weights.shape == (choice.n_lags, 4)
    assert sum(part.share for part in choice.parts) == pytest.approx(1)
    windows = Windows.cut(lines, line, origin, 12, options)
    y = lines.future(line, origin, 4) - windows.level[:, None]
    expected = 0.0
    for share, n_lags, strength in choice.parts:
        assert n_lags in (4, 8, 12)
        x = windows.values[:, 12 - n_lags :]
        penalty = strength * np.mean(np.sum(windows.values**2, axis=0))
        ridge = np.linalg.solve(x.T @ x + penalty * np.eye(len(x.T)), x.T @ y)
        expected += share * x @ ridge
    forecast = LinearForecast(choice.weights).forecast(windows.values)
    assert_allclose(forecast, expected, atol=1e-9)
    # The error is that of later windows than a fold was fitted to.
    error = 0.0
    for weights, (_, test) in zip(choice.by_fold, folds.pairs, strict=True):
        later = Windows.cut(lines, line[test], origin[test], 12, options)
        y = lines.future(line[test], origin[test], 4) - later.level[:, None]
        error += np.sum((y - later.values[:, 12 - len(weights) :] @ weights) ** 2)
    assert choice.error == pytest.approx(error)


def test_shares_of_a_mixture_are_the_best_on_the_test_windows():
    rng = np.random.default_rng(0)
    tested = [(rng.normal(size=(60, 9)), rng.normal(size=(60, 4))) for _ in range(2)]
    moments = []
    for x, y in tested:
        y += x[:, :4] + x[:, 4:8]
        moments.append(Moments(9, 4))
        moments[-1].add(x, y)
    sums, found = [(None, each) for each in moments], []
    for n in (3, 6, 9):
        weights = [rng.normal(size=(n, 4)) for _ in tested]
        error = sum(m.error(w) for m, w in zip(moments, weights, strict=True))
        found.append(_Candidate(n, 1.0, error, weights))
    even = EVENNESS * sum(one.error for one in found) / 3
    errors = {}
    for counts in itertools.product(range(SHARES + 1), repeat=3):
        if sum(counts) == SHARES:
            total = even * sum((count / SHARES - 1 / 3) ** 2 for count in counts)
            for nth, (x, y) in enumerate(tested):
                parts = zip(counts, found, strict=True)
                change = sum(
                    count / SHARES * x[:, 9 - one.n_lags :] @ one.by_fold[nth]
                    for count, one in parts
                )
                total += np.sum((y - change) ** 2)
            errors[counts] = total
    best = min(errors, key=errors.get)
    assert _shares_of(found, sums) == [count / SHARES for count in best]
    assert _shares_of(found[:1], sums) == [1.0]
    assert _shares_of([], sums) == []


@pytest.mark.parametrize("season", [1, 40])
@pytest.mark.parametrize("n", [400, 5])
def test_a_random_walk_is_forecast_by_its_last_value(n, season):
    walk = np.random.default_rng(3).normal(size=n).cumsum()
    lines = Lines([(walk[:, None], np.empty((n, 0)), np.empty((n, 0)))])
    origin = origins_of(n, 12, 4)
    line = np.zeros_like(origin)
    folds = split_by_time(origin, 4, lines.n_rows[line], 0.4)
    choice = fit_linear(
        lines, line, origin, folds, 12, 4, WindowOptions(season, False), np.ones(1)
    )
    if n == 400:
        assert choice.weights.shape == (0, 4)
        assert not LinearForecast(choice.weights).forecast(np.ones((3, 12))).any()
    else:  # too short to be judged
        assert folds.pairs == []
        assert np.isfinite(choice.weights).all()


def test_linear_forecasts_have_the_same_bits_in_any_batch():
    rng = np.random.default_rng(0)
    linear = LinearForecast(rng.normal(size=(11, 6)))
    window = rng.normal(size=(37, 13))
    out = linear.forecast(window)
    for isa in ISAS:
        with instruction_set(isa):
            assert_same_bits(linear.forecast(window), out)
    assert_same_bits(
        np.concatenate([linear.forecast(row[np.newaxis]) for row in window]), out
    )


def test_a_regression_explains_changes_and_no_level():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    x[:, 1] = 1.0  # does not move
    y = 3 * x[:, [0]] + 100 + 0.1 * rng.normal(size=(300, 1))
    y[5] = np.nan
    lines = Lines([(y, x, np.empty((300, 0)))])
    reader = make_reader(n_past_only=0, n_calendar=0, n_targets=0)
    coef = regression(lines, reader, 12)
    assert coef.shape == (2, 1)
    assert coef[0, 0] == pytest.approx(3, rel=0.02)
    assert coef[1, 0] == 0


# Scales


def test_moments_of_columns():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 3)), rng.normal(size=(30, 3))
    a[:, 1], b[:, 1] = 7.0, 7.0
    a[3, 0] = b[2, 0] = np.nan
    both = np.concatenate([a, b])
    both[:, 2] = a[:, 2] = b[:, 2] = np.nan
    mean, scale = column_moments([a, b])
    assert mean == pytest.approx([np.nanmean(both[:, 0]), 7.0, 0.0])
    assert scale == pytest.approx([np.nanstd(both[:, 0]), 1.0, 1.0])
    with pytest.raises(ValueError, match="too large"):
        column_moments([np.array([[1e308], [-1e308]])])


def test_weights_of_lines():
    y = np.array([[1.0, 5.0, np.nan], [3.0, 5.0, np.nan], [np.nan, 5.0, np.nan]])
    lines = Lines([(y, np.empty((3, 0)), np.empty((3, 0)))])
    assert_allclose(line_weights(lines), [1.0, 0.0, 0.0])
