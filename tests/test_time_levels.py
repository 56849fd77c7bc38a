"""Tables with an index of several levels: what errors advise does as they say."""

import datetime
import re

import numpy as np
import pandas as pd
import pytest

from skrnn import SequenceForecaster
from skrnn.inputs.schema import SeriesSchema

DAYS = pd.date_range("2026-01-05", periods=50)
TEXTS = DAYS.strftime("%Y-%m-%d")
NAMES = [f"s{i}" for i in range(200)]


def table(*levels, names):
    index = pd.MultiIndex.from_product(levels, names=names)
    return pd.DataFrame({"sold": np.arange(len(index)) * 1.0}, index)


def advice(X, pattern):
    with pytest.raises(ValueError, match="X has an index of") as refusal:
        SequenceForecaster(4).fit(X)
    return re.search(pattern, str(refusal.value))[1]


# Of the tables of text and of units, as many series of one row were made as there are
# rows in each series.
SERIES = {
    "dates": table(NAMES[:3], DAYS, names=["shop", "date"]),
    "dates first": table(DAYS, NAMES[:3], names=["date", "shop"]),
    "text": table(NAMES, TEXTS, names=["shop", "date"]),
    "text first": table(TEXTS, NAMES, names=["date", "shop"]),
    "objects": table(NAMES, DAYS.date, names=["shop", "date"]),
    "units": table(range(100), range(1, 21), names=["unit", "cycle"]),
    "cycles first": table(range(1, 21), range(100), names=["cycle", "unit"]),
    "without names": table(range(100), range(20), names=[None, None]),
    "two keys": table(["a", "b"], NAMES[:3], DAYS, names=["kind", "shop", "date"]),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_are_split_by_what_is_no_time(name):
    X = SERIES[name]
    line = advice(X, r"make a list of them with (\[.*\]), whose times")
    panel = eval(line, {"X": X})
    n = 20 if len(X) == 2000 else 50
    assert {len(series) for series in panel} == {n}
    assert len(panel) == len(X) / n
    schema, histories = SeriesSchema.learn(panel)
    assert histories[0].n_past == n


TIMES = {
    "hours": table(DAYS, range(24), names=["date", "hour"]),
    "hours from 1": table(TEXTS, range(1, 25), names=["date", "hour"]),
    "some hours": table(DAYS, [8, 9, 10, 11], names=["date", "hour"]),
    "times": table(
        DAYS, [datetime.time(h, 30) for h in range(24)], names=["date", "time"]
    ),
    "durations": table(
        DAYS, pd.to_timedelta(range(0, 24, 6), unit="h"), names=["date", "time"]
    ),
    "months": table(range(1990, 2020), range(1, 13), names=["year", "month"]),
    "days": table([2026], [5, 6], range(1, 29), names=["Year", "Month", "Day"]),
}


@pytest.mark.parametrize("name", TIMES)
def test_levels_that_are_parts_of_one_time_are_joined(name):
    X = TIMES[name].copy()
    line = advice(X, r"Join them first: (.*)\.$")
    exec(line, {"X": X, "pd": pd})
    assert X.index.is_monotonic_increasing and X.index.is_unique
    assert X.index.year.min() in (1990, 2026)
    if name != "some hours":
        schema, [series] = SeriesSchema.learn(X)
        assert schema.freq in ("h", "6h", "MS", "D")


def test_durations_and_numbers_as_text_are_refused_with_what_converts_them():
    forecaster, y = SequenceForecaster(2), np.arange(40.0)
    with pytest.raises(ValueError, match=r"y / np.timedelta64\(1, 's'\)"):
        forecaster.fit(None, y.astype("m8[s]"))
    with pytest.raises(ValueError, match=r"\.dt\.total_seconds\(\)"):
        forecaster.fit(None, pd.Series(pd.to_timedelta(y, unit="s")))
    for text in ("1,234", "12,5"):
        with pytest.raises(ValueError, match=r"thousands, or .str.replace"):
            forecaster.fit(None, [text] * 40)
