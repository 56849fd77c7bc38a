"""A few wild values, and jumps of the level."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from quiet import no_warnings
from skrnn import SequenceForecaster, _windows
from skrnn.forecasting.wild import wild_rows
from skrnn.forecasting.windows import Lines, WindowOptions, Windows, forget_far
from skrnn.inputs.calendar import estimate_season

OPTIONS = {"horizon": 24, "max_iter": 2, "random_state": 0}


def hourly(seed=0, n=724):
    rng, t = np.random.default_rng(seed), np.arange(n)
    slow = 0.1 * rng.normal(size=n).cumsum()
    return 50 + 10 * np.sin(2 * np.pi * t / 24) + slow + 1.5 * rng.normal(size=n)


def with_value(*rows, value=-9999.0):
    def spoil(y):
        y[list(rows)] = value

    return spoil


def with_jump(row):
    def spoil(y):
        y[row:] += 100

    return spoil


# The mean error was 1.10 without wild values. It was 6.2 with one of them, 95 with a
# late one, 51 with three, 1.7 with a jump and 7.1 with a late one; with squared errors
# 6.2, 95, 46, 2.6 and 8.3. Intervals were 750 wide after a late jump.
SPOILED = {
    "one value": with_value(350),
    "one late value": with_value(600),
    "three values": with_value(100, 450, 640, value=9999.0),
    "five in a row": with_value(*range(300, 305)),
    "seven values": with_value(20, 110, 290, 333, 480, 555, 690),
    "a jump": with_jump(350),
    "a late jump": with_jump(600),
    "the last value": with_value(699),
}


@pytest.mark.parametrize("name", SPOILED)
def test_absolute_errors_bear_a_few_wild_values(name):
    y = hourly()
    spoiled, true = y[:700].copy(), y[700:]
    SPOILED[name](spoiled)
    if "jump" in name:
        true = true + 100
    forecaster = SequenceForecaster(loss="absolute_error", **OPTIONS)
    with no_warnings():
        forecaster.fit(None, spoiled)
    assert forecaster.season_ in (23, 24)
    assert np.abs(forecaster.predict() - true).mean() < 1.3
    lower, upper = forecaster.predict_interval().T
    assert (upper - lower).mean() < 8
    assert ((lower <= true) & (true <= upper)).mean() > 0.8


@pytest.mark.parametrize("name", SPOILED)
def test_the_default_warns_of_wild_values(name):
    y = hourly()[:700]
    SPOILED[name](y)
    forecaster = SequenceForecaster(**OPTIONS | {"max_iter": 1})
    with pytest.warns(UserWarning, match="replace them by NaN.*absolute_error"):
        forecaster.fit(None, pd.Series(y, pd.date_range("2026", periods=700, freq="h")))


def test_nothing_is_wild_in_ordinary_series():
    rng = np.random.default_rng(0)
    t = np.arange(1000)
    walk = rng.normal(size=1000).cumsum()
    for y in (
        rng.normal(size=1000),
        walk,
        np.exp(walk / 30),
        rng.poisson(0.1, 1000),
        rng.poisson(5, 1000),
        np.exp(rng.normal(size=1000)),
        10.0 * (t % 24 == 0) + rng.normal(size=1000) / 10,
        np.where(t < 500, 0, 1) + rng.normal(size=1000),
        t * 1.0,
        np.full(1000, 3.0),
        np.r_[np.zeros(999), 1e6],
        [1.0, 2.0, 1e9],
    ):
        assert wild_rows(y, 24) == ([], [])


def test_wild_values_are_unknown_in_windows():
    y = hourly()[:100]
    spoiled = y.copy()
    spoiled[[40, 99]] = 1e4, -1e4
    gaps = np.where(np.isin(np.arange(100), [40, 99]), np.nan, y)

    def cut(values, robust):
        lines = Lines([(values[:, None], *np.empty((2, 100, 0)))])
        one = np.zeros(1, int), np.array([100])
        return Windows.cut(lines, *one, 96, WindowOptions(24, False, robust))

    for found, expected in zip(cut(spoiled, True), cut(gaps, True), strict=True):
        assert np.array_equal(found, expected)
    # Two values a season apart repeat. They are high, and not wild.
    spoiled[64] = 1e4
    assert cut(spoiled, True).values[0, 36] > 5000


def test_the_levels_on_both_sides_of_a_jump_are_joined():
    y = 10 * np.sin(np.arange(96) * np.pi / 12) + 0.1 * hourly(1)[:96]
    lines = Lines(
        [((y + 500.0 * (np.arange(96) >= 60))[:, None], *np.empty((2, 96, 0)))]
    )
    one = np.zeros(1, int), np.array([96])
    windows = Windows.cut(lines, *one, 96, WindowOptions(24, False, True))
    assert_allclose(windows.values[0], y - y[-1], atol=1.5)
    assert windows.spread[0] < 2
    wild, jumps = _windows.wild_rows(lines.values, 3, 24)
    assert (wild, jumps) == ([], [60])


def test_what_comes_far_outside_of_a_window_is_forgotten():
    lines = Lines([(np.array([[1.0], [2.0], [3.0]]), *np.empty((2, 3, 0)))])
    one = np.zeros(1, int), np.array([3])
    windows = Windows.cut(lines, *one, 3, WindowOptions(1, False, True))
    future = np.array([[1.0, -6.0, 6.5, -900.0]])
    forget_far(future, windows)
    assert np.array_equal(future, [[1.0, -6.0, np.nan, np.nan]], equal_nan=True)


def test_wild_steps_do_not_hide_a_season():
    y = hourly()[:, None]
    for rows in ([350], [10, 300, 301]):
        spoiled = y.copy()
        spoiled[rows] = -9999
        assert estimate_season([spoiled]) in (23, 24, 25)
    assert estimate_season([hourly(1)[:, None]]) in (23, 24, 25)  # was 2
    assert estimate_season([np.where(np.arange(300) % 7, 0.0, 9.0)[:, None]]) == 7
