"""Time zones whose clocks change: lags by the clocks, and hours of the clocks."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from cases import assert_same_bits
from skrnn import SequenceForecaster
from skrnn.inputs.schema import SeriesSchema

BERLIN = "Europe/Berlin"
OPTIONS = {"horizon": 24, "window": 96, "max_iter": 1, "random_state": 0}
CHANGES = {"spring": "2024-03-31", "autumn": "2024-10-27"}


def by_hour(begin, n_days, freq="h", seed=0, tz=BERLIN):
    """A load that follows the clocks of a zone."""
    index = pd.date_range(begin, periods=24 * n_days, freq="h", tz="UTC").tz_convert(tz)
    if freq != "h":
        index = pd.date_range(index[0], index[-1], freq=freq)
    hour = index.hour + index.minute / 60
    noise = np.random.default_rng(seed).normal(size=len(index))
    y = 50 + 20 * np.exp(-(((hour - 8) / 2) ** 2)) + 10 * (hour >= 18) + noise
    return pd.Series(np.asarray(y), index, name="load")


@pytest.mark.parametrize("season", CHANGES)
@pytest.mark.parametrize("freq", ["h", "30min"])
def test_lags_follow_the_clocks(season, freq):
    # The mean error after a change was 1.17, 1.10, 1.15 and 1.09 with lags by rows. In
    # the weeks before it is .84 to .87.
    day = pd.Timestamp(CHANGES[season], tz=BERLIN)
    y = by_hour(day.tz_convert("UTC") - pd.Timedelta("60D"), 75, freq)
    n = {"h": 24, "30min": 48}[freq]
    forecaster = SequenceForecaster(**OPTIONS | {"horizon": n, "window": 4 * n})
    train = y[: day + pd.Timedelta("12h")]
    forecaster.fit(None, train)
    result = forecaster.backtest(None, y, start=len(train), stride=5)
    assert result.scores["forecast"]["mae"] < 0.95
    assert 0.8 < result.scores["forecast"]["coverage"] < 0.97
    assert np.abs(forecaster.predict() - y[len(train) : len(train) + n]).mean() < 1.2


@pytest.mark.parametrize("season", CHANGES)
def test_a_backtest_is_a_loop_of_forecasts_where_clocks_change(season):
    day = pd.Timestamp(CHANGES[season], tz=BERLIN)
    y = by_hour(day.tz_convert("UTC") - pd.Timedelta("15D"), 19)
    forecaster = SequenceForecaster(**OPTIONS).fit(None, y[:300])
    result = forecaster.backtest(None, y, start=340, stride=1)
    for i, origin in enumerate(result.origins):
        past = y[: int(origin)]
        assert_same_bits(forecaster.predict(y_past=past), result.y_pred[i])
    # What comes later is not seen, in the hour that is there twice either.
    change = int(np.searchsorted(y.index, day)) + 2
    later = y.copy()
    for origin in range(change - 2, change + 3):
        later[:] = y
        later.iloc[origin:] = 1e6
        again = forecaster.backtest(None, later, start=340, stride=1)
        seen = result.origins <= origin
        assert_same_bits(again.y_pred[seen], result.y_pred[seen])
    # One row after the other, through the change.
    for origin in range(300, len(y) - 24):
        forecaster.update(None, y[origin : origin + 1])
        if origin > 345:
            found = forecaster.predict()
            i = origin + 1 - 340
            if i < len(result.y_pred):
                assert_same_bits(found, result.y_pred[i])
            index = forecaster.future_index()
            assert (index == y.index[origin + 1 : origin + 25]).all()


@pytest.mark.filterwarnings("ignore:From .* rows that it has seen:UserWarning")
def test_panels_with_covariates_follow_the_clocks():
    panel = []
    for i, day in enumerate(CHANGES.values()):
        day = pd.Timestamp(day, tz=BERLIN).tz_convert("UTC")
        y = by_hour(day - pd.Timedelta("20D"), 30, seed=i)
        x = np.random.default_rng(i).normal(size=len(y))
        panel.append(pd.DataFrame({"y": y + 5 * x, "x": x}))
    forecaster = SequenceForecaster(target="y", known_future=["x"], **OPTIONS)
    forecaster.fit(panel)
    result = forecaster.backtest(panel, start=500, stride=7)
    assert result.scores["forecast"]["mae"] < result.scores["seasonal_naive"]["mae"]
    rows = [table.iloc[:500] for table in panel]
    states = forecaster.hidden_states(rows)
    assert states.shape[0] == 2


def test_zones_without_changes_cost_nothing():
    for tz in ("UTC", "Asia/Tokyo", "+05:30"):
        schema, [series] = SeriesSchema.learn(None, by_hour("2024-03-01", 60, tz=tz))
        assert schema.clock_places(series, len(series)) is None
    schema, [series] = SeriesSchema.learn(None, by_hour("2024-03-01", 60))
    assert schema.clock_places(series, 20 * 24) is None
    place = schema.clock_places(series, len(series))
    assert np.flatnonzero(np.diff(place) != 1).tolist() == [30 * 24]
    assert place[-1] == len(series)  # an hour is skipped
    schema, [series] = SeriesSchema.learn(None, by_hour("2024-10-01", 60))
    place = schema.clock_places(series, len(series))
    assert np.flatnonzero(np.diff(place) != 1).tolist() == [26 * 24]
    assert np.diff(place).min() == 0  # an hour is there twice
    half = by_hour("2024-03-20", 30, tz="Australia/Lord_Howe", freq="30min")
    schema, [series] = SeriesSchema.learn(None, half)
    place = schema.clock_places(series, len(series))
    assert np.unique(np.diff(place)).tolist() == [0, 1]
    hours = by_hour("2024-03-20", 30, tz="Australia/Lord_Howe")  # by half a step
    schema, [series] = SeriesSchema.learn(None, hours)
    assert schema.clock_places(series, len(series)) is None


@pytest.mark.parametrize("hours", [(6, 14, 22), (8, 20), (0, 6, 12, 18), (7, 19)])
@pytest.mark.parametrize("tz", [BERLIN, "America/New_York"])
def test_shifts_by_the_clocks(hours, tz):
    index = pd.date_range("2024-01-01", periods=24 * 330, freq="h")
    index = index[np.isin(index.hour, hours)].tz_localize(tz)
    y = pd.Series(np.arange(len(index)) % len(hours) * 10.0, index)
    for n in (300, 60):  # all of the year, and winter only
        train = pd.Series(y.to_numpy()[:n], pd.DatetimeIndex(index[:n].tolist()))
        forecaster = SequenceForecaster(6, max_iter=1, random_state=0).fit(None, train)
        assert forecaster.season_ == len(hours)
        assert (forecaster.future_index() == index[n : n + 6]).all()
        assert_allclose(forecaster.predict(), y[n : n + 6], atol=0.5)
        later = forecaster.update(None, y[n:600])
        assert (later.future_index() == index[600:606]).all()


def test_hours_that_are_there_twice_are_not_interleaved():
    for freq in ("h", "15min"):
        index = pd.date_range("2024-10-26 22:00", periods=100, freq=freq, tz="UTC")
        index = index.tz_convert(BERLIN).tz_localize(None)
        y = pd.Series(np.zeros(100), index)
        with pytest.raises(ValueError, match="do not sort: name the zone") as refusal:
            SequenceForecaster(4).fit(None, y)
        assert "y.index.tz_localize('Europe/Berlin', ambiguous='infer')" in str(
            refusal.value
        )
        y.index = y.index.tz_localize(BERLIN, ambiguous="infer")
        SeriesSchema.learn(None, y)
