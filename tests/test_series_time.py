"""The time index of series, their calendar and their season."""

import datetime
import warnings
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from quiet import no_warnings
from series_tables import (
    HOURS,
    VALUES,
    N,
    Y,
    assert_same,
    frame,
    learn_panel,
    learn_rows,
    nan,
    refuses,
)
from skrnn.inputs.calendar import estimate_season
from skrnn.inputs.times import zone_name

# --- the time index -----------------------------------------------------------------

FREQS = "15min h 7h D 2D W-SUN W-WED 2W-TUE B 2B MS ME 2MS QS QE QS-FEB QE-JAN YS YE "


FREQS += "YE-JUN BMS BME BQE s 90s ms us"


@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Berlin", "+05:30"])
@pytest.mark.parametrize("freq", FREQS.split())
def test_frequencies(freq, tz):
    index = pd.date_range("1995-01-20", periods=22, freq=freq, tz=tz)
    canonical = {"QS-FEB": "QS-FEB", "QS": "QS-JAN", "QE": "QE-DEC", "2MS": "2MS"}
    canonical |= {"QE-JAN": "QE-OCT", "YS": "YS-JAN", "YE": "YE-DEC", "BQE": "BQE-DEC"}
    gaps = np.delete(np.arange(22), [3, 4, 11, 18, 20])
    for rows in (np.arange(22), gaps):
        some = index
        if rows is gaps:
            some = pd.DatetimeIndex(list(index[rows])).as_unit(index.unit)
        assert (some.freq is None) == (rows is gaps)
        schema, series = learn_rows(None, pd.Series(rows, some, dtype=float))
        assert schema.freq == canonical.get(freq, freq)
        assert schema.time_kind == "datetime"
        assert len(series) == series.n_past == schema.next_position == 22
        np.testing.assert_array_equal(series.y[rows, 0], rows)
        assert np.isnan(np.delete(series.y, rows)).all()
        labels = schema.labels(series, 0, 22)
        assert labels.equals(index) and labels.dtype == index.dtype
        later = pd.date_range(index[0], periods=30, freq=freq)[22:]
        assert schema.labels(series, 22, 30).equals(later)
        positions, _, _ = schema.read_future(pd.DataFrame(index=later[2:]))
        assert positions.tolist() == list(range(24, 30))


@pytest.mark.parametrize(
    "freq", "M D h 15min W-SUN W-WED Q-DEC Q-NOV Y-DEC 2D B".split()
)
def test_periods(freq):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # periods of weekdays are to go
        index = pd.period_range("2015-01-20", periods=40, freq=freq)
    rows = np.delete(np.arange(40), [1, 2, 30])
    schema, series = learn_rows(None, pd.Series(rows, index[rows], dtype=float))
    assert schema.freq == freq and schema.time_kind == "period"
    np.testing.assert_array_equal(series.y[rows, 0], rows)
    labels = schema.labels(series, 0, 40)
    assert labels.equals(index) and labels.dtype == index.dtype
    if freq != "h":
        return
    series = schema.read_rows(None, pd.Series([1.0], index[-1:]))
    assert series.position == 39
    # One row is enough to know the frequency.
    schema, series = learn_rows(None, pd.Series([1.0], index[:1]))
    assert schema.labels(series, 1, 2).equals(index[1:2])


@pytest.mark.parametrize(
    "index", [range(5, 65, 5), pd.RangeIndex(-3, 9), np.arange(12)]
)
def test_integer_index(index):
    index = pd.Index(index)
    rows = np.delete(np.arange(N), [2, 3, 7])
    schema, series = learn_rows(None, pd.Series(rows, index[rows], dtype=float))
    assert schema.time_kind == "integer" and schema.freq is None
    np.testing.assert_array_equal(series.y[rows, 0], rows)
    np.testing.assert_array_equal(schema.labels(series, 0, N), index)
    positions, _, calendar = schema.read_future(pd.DataFrame(index=index[[4, 6]]))
    assert positions.tolist() == [4, 6] and calendar.shape == (2, 0)


def test_other_indexes_tell_nothing():
    for index in (list("abcdefghijkl"), [f"shop {i}-{i}" for i in range(N)]):
        schema, series = learn_rows(None, pd.Series(range(N), index))
        assert schema.time_kind is None
        assert schema.labels(series, N, N + 2).tolist() == [N, N + 1]


def test_which_index_counts():
    y = np.arange(N, dtype=float)
    dated, plain = frame(index=HOURS), frame()
    for X, target in [
        (dated, y),
        (dated, pd.Series(y)),
        (dated, pd.Series(y, HOURS)),
        (dated, pl.Series(y)),
        (plain, pd.Series(y, HOURS)),
        (VALUES, pd.Series(y, HOURS)),
        (VALUES, pd.DataFrame({"y": y}, HOURS)),
        (VALUES, pd.DataFrame({"when": HOURS, "y": y})),
        (VALUES, pl.DataFrame({"when": HOURS.to_numpy(), "y": y})),
        (None, pd.Series(y, HOURS)),
    ]:
        schema, series = learn_rows(X, target)
        assert (schema.freq, schema.time_kind) == ("h", "datetime")
        assert_same(series, learn_rows(X, pd.Series(y, HOURS))[1])
    offset = pd.RangeIndex(7, 7 + N)
    assert learn_rows(plain, pd.Series(y, offset))[0]._axis.origin == 7
    assert learn_rows(frame(index=offset), pd.Series(y))[0]._axis.origin == 7
    assert learn_rows(plain, pd.Series(y))[0]._axis.origin == 0
    message = "X and y have different indexes: row 3 is 2024-03-30 03:00 in X, but"
    other = HOURS.delete(3).append(HOURS[-1:] + pd.Timedelta("1h"))
    refuses(lambda: learn_rows(dated, pd.Series(y, other)), message)
    message = "X and y have indexes of different types, datetime and integer"
    refuses(lambda: learn_rows(dated, pd.Series(y, offset)), message)
    message = "or one has a time zone"
    refuses(lambda: learn_rows(dated, pd.Series(y, HOURS.tz_localize("UTC"))), message)
    # The same moments are the same, wherever.
    zone, utc = (HOURS.tz_localize("UTC").tz_convert(z) for z in ("Asia/Tokyo", "UTC"))
    schema, _ = learn_rows(frame(index=zone), pd.Series(y, utc))
    assert schema._axis.tz == "Asia/Tokyo"


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("form", ["pandas", "grouped", "polars", "period", "pyarrow"])
def test_a_column_of_dates_is_the_index(form, tz):
    when = HOURS.tz_localize(tz)
    X = frame().assign(when=when)[["a", "when", "b", "c"]]
    if form == "grouped":  # as groupby leaves it
        X.index = np.arange(N) * 3 + 1
    if form == "polars":
        X = X.assign(when=HOURS)
        X = pl.DataFrame({c: X[c].to_numpy() for c in X})
        X = X.with_columns(pl.col("when").dt.replace_time_zone(tz))
    if form == "period":
        when = HOURS  # in no zone
        X["when"] = when.to_period("h")
    if form == "pyarrow":
        pytest.importorskip("pyarrow")
        unit = "us" if tz is None else f"us, tz={tz}"
        X["when"] = X["when"].astype(f"timestamp[{unit}][pyarrow]")
    schema, series = learn_rows(X, np.arange(N))
    assert schema.roles == ["future", "time", "future", "future"]
    assert schema.n_features_in == 4
    assert schema.feature_names == ["a", "when", "b", "c"]
    expected, reference = learn_rows(frame(index=when), np.arange(N))
    assert_same(series, reference)
    assert schema.freq == "h" and schema.season == 24
    labels = schema.labels(series, 0, N)
    if form == "polars":
        utc = when if tz is None else when.tz_convert(None)
        np.testing.assert_array_equal(labels, utc.to_numpy())
    elif form == "period":
        assert labels.equals(when.to_period("h"))
    else:
        assert (labels == when).all() and labels.tz == when.tz
    assert schema.read_future(X[2:4])[0].tolist() == [2, 3]
    schema, panel = learn_panel([X, X[2:]])
    assert schema.roles == ["target", "time", "target", "target"]
    assert [series.position for series in panel] == [0, 2]


def test_dates_of_polars():
    X = pl.DataFrame(
        {
            "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 9), eager=True),
            "y": np.arange(9.0),
        }
    )
    schema, panel = learn_panel(X.filter(pl.col("y") != 4))
    assert schema.freq == "D" and np.isnan(panel[0].y[4])
    assert schema.labels(panel[0], 9, 10) == np.array(["2024-01-10"], "M8[ns]")


def test_two_columns_of_dates_are_no_index():
    X = frame().assign(when=HOURS, then=HOURS)
    message = "There are times in column 'when' of X, not numbers."
    refuses(lambda: learn_rows(X, np.arange(N)), message)
    X = pl.DataFrame({"a": HOURS.to_numpy(), "b": HOURS.to_numpy()})
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'a' of X")
    X = frame(index=HOURS).assign(when=HOURS)
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'when'")
    X = pd.DataFrame({"a": pd.to_timedelta(np.arange(N), unit="h")})
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'a' of X")


def test_days_on_the_clocks_of_a_zone():
    days = pd.date_range("2024-03-28", periods=6, tz="Europe/Berlin")
    schema, series = learn_rows(None, pd.Series(range(6), days))
    assert len(series) == 6 and schema.freq == "D"
    # From a summer too, when fit saw none; and moments told in another zone.
    later = pd.date_range("2024-03-28", periods=300, tz="Europe/Berlin")[[200, 299]]
    for index in (later, later.tz_convert("UTC")):
        positions, _, _ = schema.read_future(pd.DataFrame(index=index))
        assert positions.tolist() == [200, 299]
    # Every 24 hours, whatever the clocks say, is another frequency.
    hours = pd.date_range("2024-03-28", periods=6, freq="24h", tz="UTC")
    hours = hours.tz_convert("Europe/Berlin")
    schema, series = learn_rows(None, pd.Series(range(6), hours))
    assert len(series) == 6
    assert schema.labels(series, 0, 6).equals(hours)
    # A midnight that the clocks skip is one o'clock.
    days = pd.date_range("2018-10-20", "2018-11-20")
    days = days.tz_localize("America/Sao_Paulo", nonexistent="shift_forward")
    assert days.hour.max() == 1
    schema, series = learn_rows(None, pd.Series(range(len(days)), days))
    assert len(series) == len(days) and schema.freq == "D"
    assert schema.labels(series, 0, len(days)).equals(days)


@pytest.mark.parametrize("step", ["h", "D"])
def test_hours_through_a_change_of_clocks(step):
    for zone in (
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
    ):
        index = pd.date_range("2023-02-01", "2024-01-20", freq=step, tz=zone)
        names = ["hour", "dayofweek", "dayofyear", "month"]
        y = pd.Series(np.arange(len(index), dtype=float), index)
        schema, series = learn_rows(None, y, calendar=names)
        assert len(series) == len(index)
        turns = {
            "hour": (index.hour * 60 + index.minute) / 1440,
            "dayofweek": index.day_of_week / 7,
            "dayofyear": (index.day_of_year - 1) / (365 + index.is_leap_year),
            "month": (index.month - 1) / 12,
        }
        for name, turn in turns.items():
            for wave in (np.sin, np.cos):
                column = schema.calendar_names.index(f"{wave.__name__}({name})")
                np.testing.assert_allclose(
                    series.calendar[:, column], wave(2 * np.pi * turn), atol=1e-12
                )


def test_weekdays_and_days():
    days = pd.date_range("2024-01-01", periods=30)
    weekdays = days[days.day_of_week < 5]
    for index, freq, n in [
        (days, "D", 30),
        (weekdays, "B", len(weekdays)),
        (weekdays.delete([3, 7, 8]), "B", len(weekdays)),  # holidays
        (weekdays[:5], "D", 5),  # no weekend yet
        (days.delete([5, 6, 12, 13, 19]), "D", 30),
        (days[[0, 7, 14, 28]], "W-MON", 5),
    ]:
        index = pd.DatetimeIndex(list(index))
        schema, series = learn_rows(None, pd.Series(range(len(index)), index))
        assert (schema.freq, len(series)) == (freq, n)
    schema, _ = learn_rows(None, pd.Series(range(len(weekdays)), weekdays))
    message = "Row 0 of X (2024-02-17) is off the times seen in fit: 2024-01-01, and"
    saturday = pd.DataFrame(index=pd.DatetimeIndex(["2024-02-17"]))
    assert "'B'" in refuses(lambda: schema.read_future(saturday), message)


@pytest.mark.parametrize("day", [2, 15, 29, 30])
def test_days_of_months(day):
    starts = pd.date_range("2023-01-01", periods=14, freq="MS")
    days = [start.replace(day=min(day, start.days_in_month)) for start in starts]
    index = pd.DatetimeIndex(days)
    schema, series = learn_rows(None, pd.Series(range(12), index[:12]))
    assert (schema.freq, schema.season, len(series)) == (f"M[{day}]", 12, 12)
    assert (schema.labels(series, 0, 14) == index).all()


def test_few_or_odd_dates():
    # One date tells no frequency, and so nothing.
    schema, series = learn_rows(None, pd.Series([1.0], HOURS[[3]]))
    assert schema.time_kind is None and series.position == 0
    assert learn_rows(None, pd.Series([1.0], HOURS[:1]))[0].freq == "h"
    assert learn_rows(None, pd.Series([1.0], [7]))[0].time_kind == "integer"
    # Nor do all frequencies of pandas have a fixed step.
    fridays = pd.date_range("2024-01-01", periods=9, freq="WOM-3FRI")
    message = "The times of y are irregular: row 3 (2024-04-19) comes 35D after row 2"
    refuses(lambda: learn_rows(None, pd.Series(range(9), fridays)), message)
    # Near the end of all times, what pandas says of more of them is not asked for.
    last = pd.date_range("2260-01-31", periods=5, freq="QE")
    assert learn_rows(None, pd.Series(range(5), last))[0].freq == "QE-DEC"


def test_zones():
    dateutil = pytest.importorskip("dateutil.tz")
    for zone, name in [
        (datetime.UTC, "UTC"),
        (datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)), "-03:30"),
        (dateutil.tzoffset("some", 7200), "+02:00"),
        (zoneinfo.ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
    ]:
        index = HOURS.tz_localize(zone)
        schema, series = learn_rows(None, pd.Series(Y, index))
        assert schema._axis.tz == name
        assert (schema.labels(series, 0, N) == index).all()

    class Nameless(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=1 + (when.month == 7))

    refuses(lambda: zone_name(Nameless(), "X"), "X has times in the zone <")


@pytest.mark.parametrize("freq", ["h", "D", "B", "ME", "QS", "W-SUN"])
def test_absent_rows_are_unknown_ones(freq):
    index = pd.date_range("2022-01-03", periods=40, freq=freq)
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=40), "b": ["u", "v"] * 20}, index)
    y = pd.Series(rng.normal(size=40), index)
    for rows in ([3], [10, 11, 12, 30], range(20, 36)):
        rows = index[list(rows)]
        blank, hole = X.copy(), y.copy()
        blank.loc[rows], hole[rows] = None, nan
        schema, series = learn_rows(blank, hole, known_future=["a"])
        other, shorter = learn_rows(X.drop(rows), y.drop(rows), known_future=["a"])
        assert_same(series, shorter)
        assert schema.get_state() == other.get_state()
        assert_same(
            schema.read_rows(blank, hole), schema.read_rows(X.drop(rows), y.drop(rows))
        )
        both = X.assign(y=y)
        schema, panel = learn_panel(blank.assign(y=hole), target="y")
        other, shorter = learn_panel(both.drop(rows), target="y")
        assert_same(panel[0], shorter[0])
        assert_same(schema.read_panel(both.drop(rows))[0], shorter[0])


def test_panels_share_one_axis():
    parts = [slice(4, 12), slice(0, 3), slice(6, 7)]
    schema, panel = learn_panel([frame(index=HOURS)[part] for part in parts])
    assert [series.position for series in panel] == [4, 0, 6]
    assert schema.next_position == 12 and schema.freq == "h"
    for part, series in zip(parts, panel, strict=True):
        assert schema.labels(series, 0, len(series)).equals(HOURS[part])
    # Also before, and between the times of others.
    early = pd.DatetimeIndex(["2023-12-31 22:30", "2024-01-01 00:30"])
    series = schema.read_panel([frame(VALUES[:2], early)])[0]
    assert len(series) == 3 and series.position < 0
    labels = schema.labels(series, 0, 4)
    assert labels.equals(pd.date_range(early[0], periods=4, freq="h"))
    column = schema.calendar_names.index("cos(hour)")
    np.testing.assert_allclose(
        series.calendar[:, column], np.cos(np.pi * np.array([22.5, 23.5, 24.5]) / 12)
    )
    # Numbers of the rows of a long table: each third is of one series.
    long = pd.DataFrame({"id": list("abc") * 10, "y": np.arange(30.0)})
    groups = [g[["y"]] for _, g in long.groupby("id")]
    schema, panel = learn_panel(groups)
    assert [len(series) for series in panel] == [10, 10, 10]
    assert schema.labels(panel[1], 0, 3).tolist() == [1, 4, 7]
    long = long.sort_values("id", kind="stable").reset_index(drop=True)
    groups = [g[["y"]] for _, g in long.groupby("id")]
    assert [len(series) for series in learn_panel(groups)[1]] == [10, 10, 10]


def test_panels_of_different_indexes():
    dated, plain = frame(index=HOURS), frame()
    message = "The times of X[0] are of the kind datetime, but X[1] has no such times."
    refuses(lambda: learn_panel([dated, plain]), message)
    message = "The times of X[1] are of the kind datetime, but X[0] has no such times."
    refuses(lambda: learn_panel([plain, dated]), message)
    refuses(lambda: learn_panel([VALUES, dated]), message)
    refuses(
        lambda: learn_panel([dated, frame(index=HOURS.to_period())]), "kind datetime"
    )
    # Numbers of rows are as good as none.
    assert learn_panel([plain, VALUES])[0].time_kind is None
    assert learn_panel([plain, frame(index=np.arange(N) + 5)])[0].time_kind == "integer"


def test_rows_without_an_index_are_the_next_ones():
    y = pd.Series(np.arange(N, dtype=float), HOURS)
    schema, _ = learn_rows(frame(index=HOURS), y)
    expected = schema.calendar_at(N, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that names are missing
        offset = pd.RangeIndex(30, 35)
        forms = [np.asarray, frame, lambda v: frame(v, offset), lambda v: v.tolist()]
        for form in forms:
            positions, x, calendar = schema.read_future(form(VALUES[:5]))
            assert positions is None
            np.testing.assert_array_equal(x, VALUES[:5])
            np.testing.assert_array_equal(calendar, expected)
        series = schema.read_rows(VALUES[:3], [1, 2, 3], VALUES[3:5])
        assert (series.position, series.n_past, len(series)) == (N, 3, 5)
        np.testing.assert_array_equal(series.calendar, expected)
        schema.next_position = 2
        np.testing.assert_array_equal(
            schema.read_future(VALUES[:5])[2], schema.calendar_at(2, 5)
        )
        schema.next_position = N
        # The history of what has an index ends before it.
        series = schema.read_rows(VALUES[:3], [1, 2, 3], frame(index=HOURS)[7:])
        assert series.position == 4 and len(series) == 8
        series = schema.read_rows(frame(index=HOURS)[2:5], [1, 2, 3], VALUES[:4])
        assert series.position == 2 and len(series) == 7
    schema, _ = learn_panel([y, y])
    assert schema.read_panel([y.to_numpy()])[0].position == N
    schema, _ = learn_panel([y.to_numpy(), [1.0]])
    assert schema.read_panel([[1.0, 2.0]])[0].position == 0


# --- the calendar and the season ----------------------------------------------------


@pytest.mark.parametrize(
    "freq, n, season, calendar",
    [
        ("h", 50, 24, [["hour", 2], ["dayofweek", 3]]),
        ("15min", 50, 96, [["hour", 2], ["dayofweek", 3]]),
        ("min", 50, 1440, [["hour", 2], ["dayofweek", 3]]),
        ("30s", 50, 120, [["hour", 2], ["dayofweek", 3]]),
        ("12h", 50, 2, [["hour", 1], ["dayofweek", 3]]),
        ("D", 50, 7, [["dayofweek", 3]]),
        ("D", 729, 7, [["dayofweek", 3]]),
        ("D", 730, 7, [["dayofweek", 3], ["dayofyear", 2]]),
        ("B", 50, 5, [["dayofweek", 3]]),
        ("B", 600, 5, [["dayofweek", 3], ["dayofyear", 2]]),
        ("W-SUN", 50, 52, []),
        ("W-SUN", 110, 52, [["dayofyear", 2]]),
        ("MS", 50, 12, [["month", 2]]),
        ("ME", 3, 12, [["month", 2]]),
        ("QE", 50, 4, [["month", 1]]),
        ("YS", 50, 1, []),
    ],
)
def test_what_the_frequency_suggests(freq, n, season, calendar):
    index = pd.date_range("2010-01-01", periods=n, freq=freq)
    y = pd.Series(np.random.default_rng(3).normal(size=n), index)
    schema, series = learn_rows(None, y)
    assert (schema.season, schema.calendar) == (season, calendar)
    assert series.calendar.shape == (n, schema.n_calendar)
    assert len(schema.calendar_names) == schema.n_calendar
    for option in (None, False, []):
        schema, series = learn_rows(None, y, calendar=option)
        assert schema.n_calendar == 0 and series.calendar.shape == (n, 0)
    schema, _ = learn_rows(None, y, calendar=["month", "minute"])
    assert schema.calendar == [["month", 2], ["minute", 2]]


def test_a_calendar_by_hand():
    index = pd.DatetimeIndex(
        ["2024-02-29 06:00", "2024-02-29 06:30", "2024-02-29 07:00"]
    )
    names = ["minute", "hour", "dayofweek", "dayofyear", "month"]
    schema, series = learn_rows(None, pd.Series([1.0, 2, 3], index), calendar=names)
    row = dict(zip(schema.calendar_names, series.calendar[1], strict=True))
    turns = {
        "minute": 0.5,
        "hour": 6.5 / 24,
        "dayofweek": 3 / 7,
        "dayofyear": 59 / 366,
        "month": 1 / 12,
    }
    expected = {}
    for name, turn in turns.items():
        for k in range(1, 4 if name == "dayofweek" else 3):
            cycle = name if k == 1 else f"{k} * {name}"
            expected[f"sin({cycle})"] = np.sin(2 * np.pi * k * turn)
            expected[f"cos({cycle})"] = np.cos(2 * np.pi * k * turn)
    assert row.keys() == expected.keys()
    np.testing.assert_allclose(list(row.values()), list(expected.values()), atol=1e-15)
    # Seconds are not looked up in a table, but are as good.
    index = pd.date_range("2024-02-29 05:59:30", periods=3, freq="30s")
    schema, other = learn_rows(None, pd.Series([1.0, 2, 3], index), calendar=names)
    np.testing.assert_array_equal(other.calendar[1], series.calendar[0])


def test_a_calendar_needs_dates():
    message = "calendar=['hour'] needs rows with dates"
    refuses(lambda: learn_rows(None, np.arange(9), calendar=["hour"]), message)
    refuses(lambda: learn_panel([pd.Series(range(9))], calendar=["hour"]), message)
    message = (
        "calendar names 'weekday', which is not one of ['minute', 'hour', 'dayofweek'"
    )
    y = pd.Series(range(N), HOURS)
    refuses(lambda: learn_rows(None, y, calendar=["weekday"]), message)


@pytest.mark.parametrize("season", [4, 7, 12, 24, 96])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_season_of_numbers(season, noise):
    rng = np.random.default_rng(season)
    n = 12 * season + 5
    pattern = rng.normal(size=season)
    y = np.resize(pattern, n) + noise * rng.normal(size=n) + 0.05 * np.arange(n)
    assert estimate_season([y[:, None]]) == season
    assert learn_rows(None, y)[0].season == season
    y[rng.random(n) < 0.15] = nan
    assert learn_rows(None, y * 1e9 - 1e12)[0].season == season
    assert learn_rows(None, pd.Series(y).dropna())[0].season == season
    parts = [y[: n // 2], y[n // 2 :], np.array([1.0, 2.0])]
    assert learn_panel(parts)[0].season == season
    assert estimate_season([part[:, None] for part in parts] * 90) == season


def test_no_season():
    rng = np.random.default_rng(3)
    for y in (
        rng.normal(size=500),
        rng.normal(size=500).cumsum(),
        np.zeros(100),
        np.arange(100.0),
        [1.0],
        [1.0, 2.0, 1.0, 2.0],
        [1e308, -1e308] * 10,
        np.where(np.arange(100) % 2, nan, 1.0),
    ):
        with no_warnings():
            assert learn_rows(None, y)[0].season in (1, 2)
            assert learn_panel([y])[0].season in (1, 2)
    assert learn_rows(None, rng.normal(size=500))[0].season == 1
