"""Forecasts from a few values: how wide their intervals are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from forecasts import QUICK, make_panel, make_series
from skrnn import SequenceForecaster
from skrnn.forecasting.short import (
    MovesOfLines,
    ShortHistories,
    by_size,
    history_sizes,
    known_sizes,
    moves_of,
    widening,
)
from skrnn.forecasting.windows import Lines, WindowOptions, Windows


def autoregressive(n_series, n, rng):
    y = rng.normal(size=(n_series, n))
    for t in range(1, n):
        y[:, t] += 0.7 * y[:, t - 1]
    return list(50 + y)


def in_proportion(n_series, n, rng):
    level = np.exp(rng.normal(3, 1, size=(n_series, 1)))
    slow = 0.02 * rng.normal(size=(n_series, n)).cumsum(axis=1)
    return list(level * np.exp(0.2 * rng.normal(size=(n_series, n)) + slow))


def weekly(n_series, n, rng):
    level = np.exp(rng.normal(3, 1, size=(n_series, 1)))
    turn = 2 * np.pi * (np.arange(n) + rng.integers(7, size=(n_series, 1))) / 7
    return list(level * (1 + 0.3 * np.sin(turn) + 0.1 * rng.normal(size=(n_series, n))))


def counts(n_series, n, rng):
    mean = np.exp(rng.normal(2, 0.7, size=(n_series, 1)))
    return list(rng.poisson(mean, size=(n_series, n)).astype(float))


@pytest.mark.parametrize(
    "make",
    [autoregressive, in_proportion, weekly, counts],
    ids=lambda make: make.__name__,
)
def test_intervals_of_new_series_with_few_values_hold(make):
    # Before they were drawn towards `fit`, with 2, 3, 4, 5 and 10 values:
    # .65 .76 .81 .83 .86, .62 .72 .76 .79 .87, .26 .49 .72 .89 .80 and
    # .64 .70 .73 .75 .84.
    rng = np.random.default_rng(1)
    forecaster = SequenceForecaster(5, max_iter=2, random_state=0)
    forecaster.fit(make(40, 80, rng))
    new = np.array(make(300, 20, rng))
    for n in (1, 2, 3, 4, 5, 10):
        lower, upper = np.moveaxis(forecaster.predict_interval(list(new[:, :n])), 2, 0)
        true = new[:, n : n + 5]
        coverage = ((lower <= true) & (true <= upper)).mean()
        assert 0.85 < coverage < 0.96, (n, coverage)


def test_the_interval_of_two_equal_values_is_not_empty():
    rng = np.random.default_rng(1)
    forecaster = SequenceForecaster(5, max_iter=1, random_state=0)
    forecaster.fit(in_proportion(40, 80, rng))
    width = np.ptp(forecaster.predict_interval([[50.0, 50.0], [5.0, 5.0]]), axis=2)
    assert np.all(width[0] > 20)
    assert_allclose(width[1], width[0] / 10, rtol=1e-9)  # as the panel's scales do
    forecaster.fit(autoregressive(40, 80, rng))
    width = np.ptp(forecaster.predict_interval([[50.0, 50.0], [5.0, 5.0]]), axis=2)
    assert_allclose(width[1], width[0], rtol=1e-9)


def test_short_histories_of_one_series_and_of_two_targets():
    y = make_series(400)
    forecaster = SequenceForecaster(**QUICK).fit(None, y)
    assert np.ptp(forecaster.predict_interval(y_past=[0.5, 0.5]), axis=1).min() > 0.5
    panel = [make_series(90, 2, seed) * [1, 100] for seed in range(6)]
    forecaster = SequenceForecaster(**QUICK).fit(panel)
    width = np.ptp(forecaster.predict_interval([[[1.0, 1.0]] * 2]), axis=-1)[0]
    assert_allclose(width[:, 1] / width[:, 0], 100, rtol=0.5)


def test_full_windows_keep_their_spread():
    rng = np.random.default_rng(0)
    lines = Lines([(rng.normal(size=(30, 1)), *np.empty((2, 30, 0)))])
    windows = Windows.cut(
        lines, np.zeros(3, int), np.array([3, 8, 20]), 8, WindowOptions(2, False)
    )
    moves = MovesOfLines(*np.array([[0.0], [2.0], [0.0], [4.0]]))
    short = ShortHistories(moves, np.full((1, 3, 5), 3.0), 8)
    units = short.units(windows, np.zeros(3, int), 2)
    assert np.array_equal(units[1:], np.repeat(windows.spread[1:, None], 5, axis=1))
    # Three values have one pair a season apart, and the lines of fit count as four.
    spread = np.sqrt((windows.spread[0] ** 2 + 4 * 2.0**2) / 5)
    assert_allclose(units[0], spread * short.by_size[0, 3])
    assert 1 < short.by_size[0, 5, 0] < 3


def test_what_lines_tell_of_others():
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(50, 400)).cumsum(axis=1)

    def moves(tables):
        lines = Lines([(y[:, None], *np.empty((2, len(y), 0))) for y in tables])
        return np.array(moves_of(lines, 1, np.ones(1)))[:, 0]

    power, factor, least, strength = moves(walks)
    assert (power, least, strength) == (0, 0, 50)
    assert_allclose(factor, 1, rtol=0.02)
    scales = 10.0 ** rng.uniform(-2, 2, size=50)
    power, factor, _, _ = moves(scales[:, None] * (20 + rng.normal(size=(50, 400))))
    assert power == 1
    assert_allclose(factor, np.sqrt(2) / 20, rtol=0.02)
    assert moves([np.ones(9)])[1] == 1  # nothing moves: the scale that is given
    assert list(moves(walks[:1]))[::3] == [0, 4]


def test_sizes_of_histories():
    assert history_sizes(8) == [1, 2, 4]
    assert history_sizes(9) == [1, 2, 4, 8]
    assert history_sizes(1) == []
    table = by_size(np.array([[[4.0], [3.0], [2.0]]]), 8)[0, :, 0]
    assert_allclose(table[[0, 1, 2, 4, 8]], [4, 4, 3, 2, 1])
    assert_allclose(table[3], 3 - np.log2(1.5))
    assert np.array_equal(by_size(np.empty((2, 0, 3)), 1), np.ones((2, 2, 3)))
    unknown = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]])
    assert known_sizes(unknown).tolist() == [0, 2, 2, 4]


def test_errors_are_widened_by_their_quantiles():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(2000, 2))
    few = 3 * rng.normal(size=(3000, 2)), np.zeros(3000, int)
    out = widening([few, (few[0][:10], few[1][:10])], full, np.zeros(2000, int), 2)
    assert_allclose(out[0, 0], 3, rtol=0.06)
    assert np.all(out[0, 1] == 1)  # ten errors say nothing


def test_forecasters_of_earlier_files_know_of_no_short_histories():
    from dataclasses import replace

    panel = make_panel()
    forecaster = SequenceForecaster(**QUICK).fit(panel)
    forecaster._model = replace(forecaster._model, moves=None, widening=None)
    width = np.ptp(forecaster.predict_interval([[50.0, 50.0], panel[0]]), axis=2)
    assert not width[0].any()
    assert width[1].all()
