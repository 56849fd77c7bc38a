"""Hours at which there is never a row: closed ones, which are not forecast."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest

from cases import assert_same_bits
from forecasts import QUICK, make_series
from skrnn import SequenceForecaster
from skrnn.inputs.schema import SeriesSchema


def open_hours(n_days, first=9, last=17, days=5, tz=None, start="2024-01-01"):
    """Return the hours of some days at which a shop is open."""
    hours = pd.date_range(start, periods=24 * n_days, freq="h", tz=tz)
    is_open = (first <= hours.hour) & (hours.hour < last) & (hours.day_of_week < days)
    return hours[is_open]


def learn(index):
    return SeriesSchema.learn(None, pd.Series(make_series(len(index)), index))


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("days", [5, 6, 7])
def test_the_rows_after_a_series_are_its_next_open_hours(tz, days):
    index = open_hours(140, days=days, tz=tz)
    n = len(index) - 100
    schema, [series] = learn(index[:n])
    assert len(series) == n  # no unknown rows in between
    assert schema.season == 8
    labels = schema.labels(series, n, n + 100)
    assert list(labels) == list(index[n:])
    again = SeriesSchema.from_state(schema.get_state())
    assert list(again.labels(series, n, n + 100)) == list(labels)
    rows, x, calendar = again.read_future(pd.DataFrame(index=index[n + 5 : n + 9]))
    np.testing.assert_array_equal(rows, np.arange(n + 5, n + 9))
    assert calendar.shape == (4, schema.n_calendar)


def test_a_forecaster_forecasts_open_hours():
    index = open_hours(60)
    t = np.arange(len(index))
    y = pd.Series(10 + 5 * np.sin(2 * np.pi * index.hour / 24) + 0 * t, index)
    model = SequenceForecaster(**QUICK | {"horizon": 16, "window": 24})
    model.fit(None, y[:-16])
    assert list(model.future_index()) == list(index[-16:])
    forecast = model.predict()
    assert np.abs(forecast - y[-16:]).max() < 0.5
    assert_same_bits(model.predict(pd.DataFrame(index=index[-16:])), forecast)
    with io.BytesIO() as file:
        joblib.dump(model, file)
        file.seek(0)
        assert_same_bits(joblib.load(file).predict(), forecast)
    late = pd.DatetimeIndex([index[-1] + pd.Timedelta("6h")])
    with pytest.raises(ValueError, match="taken to be closed.*NaN"):
        model.predict(pd.DataFrame(index=late))


def test_holidays_are_unknown_rows():
    index = open_hours(140)
    index = index[~((index.day_of_year > 20) & (index.day_of_year < 24))]
    schema, [series] = learn(index)
    assert len(series) - len(index) == 16
    assert np.isnan(series.y).sum() == 16


def test_days_of_unequal_hours_have_the_season_of_a_week():
    index = open_hours(84, days=6)
    index = index[(index.day_of_week < 5) | (index.hour < 12)]
    schema, _ = learn(index)
    assert schema.season == 5 * 8 + 3


def test_days_that_are_closed():
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    days = days[days.day_of_week != 6]
    schema, [series] = learn(days)
    assert schema.season == 6
    assert len(series) == len(days)
    assert 6 not in schema.labels(series, 0, 100).day_of_week


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_rows_that_are_absent_by_chance_close_nothing(share):
    rng = np.random.default_rng(0)
    for n_days in (10, 21, 30, 60):
        hours = pd.date_range("2024-01-01", periods=24 * n_days, freq="h")
        index = hours[rng.random(len(hours)) > share].union(hours[[0, -1]])
        _, [series] = learn(index)
        assert len(series) == len(hours)


def test_all_series_of_a_panel_tell_opening_hours():
    early, late = open_hours(60, 8, 12, 7), open_hours(60, 10, 16, 7)
    panel = [pd.DataFrame({"y": make_series(len(i))}, i) for i in (early, late)]
    schema, series = SeriesSchema.learn(panel)
    assert schema.season == 8
    assert 8 <= schema.labels(series[0], 0, 99).hour.min()
    assert schema.labels(series[0], 0, 99).hour.max() == 15


def test_a_few_days_tell_no_opening_hours():
    with pytest.warns(UserWarning, match="67% of the day.*too little to tell"):
        _, [series] = learn(open_hours(4, days=7))
    assert len(series) == 3 * 24 + 8
