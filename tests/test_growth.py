"""Histories that grow by rows: their cost, and that they share no row."""

import copy
import pickle

import numpy as np
import pandas as pd

from cases import assert_same_bits
from forecasts import QUICK, make_series, make_table
from skrnn import SequenceForecaster
from skrnn.inputs.schema import SeriesSchema

HOURS = pd.date_range("2026-01-01", periods=400, freq="h")


def test_updates_are_written_after_the_rows_that_are_there():
    # At 200,000 rows with dates, an update took 5.8 ms, and .21 ms now, as at 2,000.
    X, y = make_table(400)
    X, y = pd.DataFrame(X, HOURS).rename(columns=str), pd.Series(y, HOURS)
    schema, [series] = SeriesSchema.learn(X[:100], y[:100])
    shared = []
    for i in range(100, 300):
        [later] = [schema.read_rows(X[i : i + 1], y[i : i + 1], after=series)]
        grown = schema.join(series, later)
        shared.append(np.shares_memory(grown.y, series.y))
        series = grown
    assert sum(shared) > 190
    _, [whole] = SeriesSchema.learn(X[:300], y[:300])
    for name in ("y", "x", "calendar"):
        assert_same_bits(getattr(series, name), getattr(whole, name))
    assert series.n_past == 300


def test_forecasters_that_grow_apart_share_no_row():
    y = make_series(200)
    forecaster = SequenceForecaster(**QUICK).fit(None, y[:100])
    forecaster.update(None, y[100:101])
    other, kept = copy.deepcopy(forecaster), forecaster.predict()
    model = forecaster._model
    for i in range(101, 120):
        forecaster.update(None, y[i : i + 1])
    assert_same_bits(forecaster.predict(), forecaster.predict(y_past=y[:120]))
    # Back to where it was, and on from there in another way.
    forecaster._model = model
    assert_same_bits(forecaster.predict(), kept)
    forecaster.update(None, [7.0])
    assert_same_bits(forecaster.predict(), forecaster.predict(y_past=[*y[:101], 7.0]))
    assert_same_bits(other.predict(), kept)
    again = pickle.loads(pickle.dumps(forecaster))
    assert_same_bits(again.predict(), forecaster.predict())
    assert len(pickle.dumps(forecaster)) < len(pickle.dumps(other)) + 100


def test_rows_that_are_absent_are_unknown():
    y = pd.Series(make_series(400), HOURS)
    forecaster = SequenceForecaster(**QUICK).fit(None, y[:100])
    for i in (100, 103, 104, 110):
        forecaster.update(None, y[i : i + 1])
    gaps = y[:111].drop(HOURS[[101, 102, *range(105, 110)]])
    assert_same_bits(forecaster.predict(), forecaster.predict(y_past=gaps))
