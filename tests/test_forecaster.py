"""SequenceForecaster: every way in and out, and what its forecasts mean."""

import io
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import InvalidParameterError

from cases import CELLS, ISAS, assert_same_bits, instruction_set
from fitted import set_fields, set_season
from forecasts import QUICK, awake, make_panel, make_series, make_table
from skrnn import SequenceForecaster

try:
    from sklearn.callback import ScoringMonitor
except ImportError:  # scikit-learn < 1.9
    ScoringMonitor = None

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]
HOURS = pd.date_range("2024-03-01", periods=120, freq="h")
ODD = pd.Index(np.arange(5, 365, 3))
COLUMNS = ["temp", "wind"]


def forecaster(**options):
    return SequenceForecaster(**QUICK | options)


def hourly(**options):
    """A table with an index, its targets, and a forecaster fitted to 100 rows."""
    X, y = make_table()
    X, y = pd.DataFrame(X, HOURS, COLUMNS), pd.Series(y, HOURS)
    return X, y, awake(forecaster(**options).fit(X[:100], y[:100]))


class Unreadable:
    """What must not be looked at."""

    def __float__(self):
        raise AssertionError("a past-only column was read in the future")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __float__


# Forms of tables

ONE_SERIES = {
    "array": lambda y: y,
    "float32 view": lambda y: np.repeat(y, 2).astype(np.float32)[::2],
    "list": lambda y: y.tolist(),
    "objects": lambda y: y.astype(object),
    "pandas": pd.Series,
    "pandas nullable": lambda y: pd.Series(y, dtype="Float64"),
    "polars": pl.Series,
    "hours": lambda y: pd.Series(y, HOURS[: len(y)]),
    "months": lambda y: pd.Series(
        y, pd.period_range("2001-01", periods=len(y), freq="M")
    ),
    "integers": lambda y: pd.Series(y, ODD[: len(y)]),
}


@pytest.mark.parametrize("form", ONE_SERIES)
def test_forms_of_one_series(form):
    y = make_series().astype(np.float32).astype(float)
    found = awake(forecaster(calendar=None).fit(None, y))
    expected, given = found.predict(), ONE_SERIES[form](y)
    model = forecaster(calendar=None).fit(None, given)
    # A season follows from the index, which a quick look at the data does not find. The
    # linear part of a short series knows it.
    set_season(awake(model), 1)
    set_fields(model, linear_weights_=found.linear_weights_)
    assert model.predict().shape == (4,)
    assert_same_bits(model.predict(), expected)
    assert_same_bits(model.predict(y_past=given), expected)
    assert not hasattr(model, "n_features_in_")


TABLES = {
    "array": (lambda X: X, lambda y: y),
    "Fortran": (np.asfortranarray, lambda y: y),
    "lists": (lambda X: X.tolist(), lambda y: y.tolist()),
    "objects": (lambda X: X.astype(object), lambda y: y),
    "pandas": (lambda X: pd.DataFrame(X, columns=COLUMNS), pd.Series),
    "polars": (lambda X: pl.DataFrame(X, schema=COLUMNS), pl.Series),
    "index of X": (lambda X: pd.DataFrame(X, ODD[: len(X)]), lambda y: y),
    "index of y": (lambda X: X, lambda y: pd.Series(y, ODD[: len(y)])),
}


@pytest.mark.parametrize("form", TABLES)
def test_forms_of_tables(form):
    X, y = make_table()
    expected = awake(forecaster(calendar=None).fit(X[:100], y[:100])).predict(X[100:])
    table, targets = (make(a) for make, a in zip(TABLES[form], (X, y), strict=True))
    model = forecaster(calendar=None).fit(table[:100], targets[:100])
    set_season(awake(model), 1)
    assert model.n_features_in_ == 2
    assert hasattr(model, "feature_names_in_") == (form in ("pandas", "polars"))
    assert_same_bits(model.predict(table[100:]), expected)
    again = model.predict(table[100:], y_past=targets[:100], X_past=table[:100])
    assert_same_bits(again, expected)
    assert np.isfinite(model.score(table[100:], targets[100:]))


PANELS = {
    "list": lambda X: X,
    "tuple of lists": lambda X: tuple(x.tolist() for x in X),
    "columns": lambda X: [x[:, None] for x in X],
    "pandas": lambda X: [pd.Series(x) for x in X],
    "frames": lambda X: [pd.DataFrame({"sold": x}) for x in X],
    "polars": lambda X: [pl.Series(x) for x in X],
    "polars lists": lambda X: pl.Series([x.tolist() for x in X]),
    "objects": lambda X: np.array([*X, None], dtype=object)[:-1],
    "hours": lambda X: [pd.Series(x, HOURS[: len(x)]) for x in X],
}


@pytest.mark.parametrize("form", PANELS)
def test_forms_of_ragged_panels(form):
    X = make_panel()
    found = awake(forecaster(calendar=None).fit(X))
    expected = found.predict()
    assert expected.shape == (4, 4)
    given = PANELS[form](X)
    model = forecaster(calendar=None).fit(given)
    set_season(awake(model), 1)
    # Of hours, folds are cut at moments, and a season is known.
    set_fields(model, linear_weights_=found.linear_weights_)
    forecast = model.predict()
    if form in ("columns", "frames"):
        assert forecast.shape == (4, 4, 1)
        forecast = forecast[..., 0]
    assert_same_bits(forecast, expected)
    assert_same_bits(model.predict(given).reshape(4, 4), expected)
    assert np.isfinite(model.score(given))
    assert [len(index) for index in model.future_index(given)] == [4] * 4


def test_forms_of_panels_of_one_length():
    X = np.stack(make_panel((60, 60, 60), n_columns=2))
    model = awake(forecaster().fit(X))
    assert model.n_outputs_ == model.n_features_in_ == 2
    forecast = model.predict()
    assert forecast.shape == (3, 4, 2)
    assert_same_bits(model.predict(X), forecast)
    assert_same_bits(model.predict(list(X)), forecast)
    assert_same_bits(model.predict(X[1]), forecast[1:2])
    # One series alone, of one dimension or two, is a panel of one.
    assert forecaster().fit(X[0]).predict().shape == (1, 4, 2)
    assert forecaster().fit(X[0, :, 0]).predict().shape == (1, 4)
    assert forecaster().fit(X[0, :, 0].tolist()).predict().shape == (1, 4)


def test_columns_that_are_targets():
    X = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in make_panel(n_columns=3)]
    for target, shape in (
        (None, (4, 4, 3)),
        ("b", (4, 4)),
        (1, (4, 4)),
        (["b"], (4, 4, 1)),
        (["c", "a"], (4, 4, 2)),
    ):
        model = forecaster(target=target).fit(X)
        assert model.predict().shape == shape
        assert list(model.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="target"):
        forecaster(target="b").fit(X[0], np.zeros(80))


@pytest.mark.parametrize("n_targets", [None, 1, 3])
@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_shapes_of_what_is_forecast(n_targets):
    y = make_series(n_targets=n_targets)
    model = forecaster().fit(None, y)
    last = () if n_targets is None else (n_targets,)
    assert model.n_outputs_ == (n_targets or 1)
    assert model.predict().shape == (4, *last)
    assert model.predict_interval().shape == (4, *last, 2)
    assert model.predict_quantiles().shape == (4, *last, 5)
    assert model.predict_quantiles(quantiles=0.5).shape == (4, *last, 1)
    shape = (12, 4) if n_targets is None else (n_targets, 12, 4)
    assert model.hidden_states().shape == shape
    for values in (model.predict(), model.predict_interval()):
        assert values.dtype == np.float64
        assert values.flags.c_contiguous
    result = model.backtest(None, y, start=100)
    n = len(result.origins)
    for name in ("y_true", "y_pred", "naive", "seasonal_naive"):
        assert result[name].shape == (n, 4, *last)
    assert result.interval.shape == (n, 4, *last, 2)


def test_targets_share_weights_and_have_their_own_pasts():
    Y = make_series(n_targets=2)
    model = awake(forecaster().fit(None, Y))
    changed = Y.copy()
    changed[:, 0] = 7 * changed[::-1, 0]
    forecast = model.predict(y_past=changed)
    assert_same_bits(forecast[:, 1].copy(), model.predict()[:, 1].copy())
    assert np.all(forecast[:, 0] != model.predict()[:, 0])


# Origins


def test_forecasts_go_on_from_the_end_of_fit():
    X, y = make_table()
    model = awake(forecaster().fit(X[:100], y[:100]))
    rows = model.predict(X[100:104])
    assert_same_bits(model.predict(X[100:104], y_past=y[:100], X_past=X[:100]), rows)
    # Only the window counts.
    past = {"y_past": y[88:100], "X_past": X[88:100]}
    assert_same_bits(model.predict(X[100:104], **past), rows)
    assert_same_bits(model.predict(X[100:102]), rows[:2])
    assert model.predict().shape == (4,)
    assert np.isfinite(model.predict(y_past=y)).all()


@pytest.mark.parametrize("n_targets", [None, 2])
def test_more_than_the_horizon_is_forecast_from_forecasts(n_targets):
    y = make_series(n_targets=n_targets)
    index = pd.DataFrame(index=HOURS)
    model = awake(forecaster(calendar=None).fit(index[:100], y[:100]))
    long = model.predict(index[100:111])
    assert len(long) == 11
    past = y[:100]
    for start in range(0, 11, 4):
        block = model.predict(y_past=past)
        assert_same_bits(long[start : start + 4], block[: len(long) - start])
        past = np.concatenate([past, block])
    # Intervals widen from a block to the next one.
    lower, upper = np.moveaxis(model.predict_interval(index[100:111]), -1, 0)
    width = upper - lower
    assert np.all(width[4:8] > width[:4])
    assert np.all(width[8:] > width[4:7])


def test_covariates_beyond_the_horizon_are_those_of_their_rows():
    X, y = make_table()
    model = awake(forecaster().fit(X[:100], y[:100]))
    long = model.predict(X[100:108])
    second = model.predict(X[104:108], y_past=np.r_[y[:100], long[:4]], X_past=X[:104])
    assert_allclose(long[4:], second, rtol=1e-9)
    changed = X.copy()
    changed[106] += 1
    other = model.predict(changed[100:108])
    assert_same_bits(other[:4], long[:4])
    assert other[6] != long[6]


def test_a_short_history_is_one_that_was_unknown_before():
    y = make_series()
    model = awake(forecaster().fit(None, y))
    for n in (1, 2, 7, 11):
        short = model.predict(y_past=y[:n])
        padded = np.r_[np.full(20 - n, np.nan), y[:n]]
        assert_same_bits(model.predict(y_past=padded), short)
        interval = model.predict_interval(y_past=y[:n])
        assert np.all(interval[:, 0] < interval[:, 1])
    panel = awake(forecaster().fit(make_panel()))
    assert_same_bits(panel.predict([y[:7], y])[0], panel.predict([y[:7]])[0])
    assert np.isfinite(panel.predict([y[:1]])).all()


def test_another_series_is_forecast_without_a_fit():
    y, other = make_series(), 1000 * make_series(seed=5) + 1e5
    model = awake(forecaster().fit(None, y))
    before = model.predict()
    forecast = model.predict(y_past=other)
    assert np.all(np.abs(forecast - other[-1]) < 10 * other.std())
    assert_same_bits(model.predict(), before)
    interval = model.predict_interval(y_past=other)
    assert np.all(interval[:, 1] - interval[:, 0] > 100)


def test_rows_within_fit_are_forecast_from_those_before_them():
    X, y, model = hourly()
    inside = model.predict(X[50:61])
    for start in (50, 54, 58):
        stop = min(start + 4, 61)
        block = model.predict(X[start:stop], y_past=y[:start], X_past=X[:start])
        assert_same_bits(inside[start - 50 : stop - 50], block)
    # And so do rows on both sides of the end, and some of them.
    across = model.predict(X[98:106])
    assert_same_bits(across[:2], model.predict(X[98:100]))
    assert_same_bits(across[2:], model.predict(X[100:106]))
    some = model.predict(X.iloc[[50, 51, 53, 59, 101, 104]])
    assert_same_bits(some[:4], inside[[0, 1, 3, 9]])
    # Of rows in between that are not given, the covariates are unknown.
    X.iloc[[100, 102, 103]] = np.nan
    assert_same_bits(some[4:], model.predict(X[100:105])[[1, 4]])
    assert np.isfinite(model.predict(X[:3])).all()


@pytest.mark.parametrize("index", ["hours", "months", "integers", "numbers"])
def test_an_index_says_which_rows(index):
    X, y = make_table()
    labels = {
        "hours": HOURS,
        "months": pd.period_range("2001-01", periods=120, freq="M"),
        "integers": pd.Index(np.arange(7, 127)),
        "numbers": pd.RangeIndex(120),
    }[index]
    X = pd.DataFrame(X, labels, COLUMNS)
    model = awake(forecaster().fit(X[:100], y[:100]))
    unknown = X[100:112].copy()
    unknown.iloc[:5] = np.nan
    whole = model.predict(unknown)
    assert_same_bits(model.predict(X[105:112]), whole[5:])
    unknown.iloc[[5, 6, 7, 8, 10, 11]] = np.nan
    assert_same_bits(model.predict(X.iloc[[109]]), model.predict(unknown)[9:10])
    assert list(model.future_index(X.iloc[[102, 109]])) == list(labels[[102, 109]])
    assert list(model.future_index()) == list(labels[100:104])
    assert list(model.future_index(y_past=pd.Series(y, labels))) == list(
        model.future_index(y_past=pd.Series(y, labels), X_past=X)
    )
    # A table without it follows on the last one.
    with pytest.warns(UserWarning, match="feature names"):
        assert_same_bits(
            model.predict(X[105:112].to_numpy()),
            model.predict(
                X[100:107]
                .set_axis(labels[100:107])
                .assign(
                    temp=X["temp"].to_numpy()[105:112],
                    wind=X["wind"].to_numpy()[105:112],
                )
            ),
        )


def test_rows_that_are_numbered_from_0_on_are_the_next_ones():
    # Unless fit ended there; else a new table would be looked up in the past.
    X, y = make_table()
    frame = pd.DataFrame(X, columns=COLUMNS)
    model = awake(forecaster().fit(frame[:100], y[:100]))
    future = frame[100:].reset_index(drop=True)
    assert_same_bits(model.predict(future), model.predict(frame[100:]))
    past = {"y_past": y[:100], "X_past": frame[:100]}
    assert_same_bits(model.predict(future, **past), model.predict(frame[100:]))


def test_labels_of_what_is_forecast():
    X, y, model = hourly()
    assert model.future_index().equals(HOURS[100:104])
    assert model.future_index(X[103:110]).equals(HOURS[103:110])
    later = model.future_index(y_past=y[:60])
    assert later.equals(HOURS[60:64])
    assert model.future_index(X[62:], y_past=y[:60], X_past=X[:60]).equals(HOURS[62:])
    panel = forecaster().fit([y[:90], y[20:110]])
    first, second = panel.future_index()
    assert first.equals(HOURS[90:94])
    assert second.equals(HOURS[110:114])
    assert panel.future_index([y[:30]])[0].equals(HOURS[30:34])
    plain = forecaster().fit(None, y.to_numpy())
    assert list(plain.future_index()) == [120, 121, 122, 123]


# What forecasts mean


def test_step_1_sees_the_last_value():
    y = make_series()
    model = awake(forecaster().fit(None, y))
    moved = y.copy()
    moved[-1] += 0.5
    change = model.predict(y_past=moved) - model.predict()
    assert abs(change[0]) > 0.05
    assert np.all(change != 0)


@pytest.mark.parametrize("normalize", ["last", "mean"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
def test_forecasts_follow_the_units_of_the_target(loss, normalize):
    y = make_series(n_targets=2)
    a, b = np.array([12.5, 1e-3]), np.array([-310.0, 4.0])
    model = forecaster(loss=loss, normalize=normalize).fit(None, y)

    def assert_same_in_other_units(other, **past):
        forecast, interval = other.predict(**past), other.predict_interval(**past)
        assert_allclose((forecast - b) / a, model.predict(), atol=1e-5)
        interval = (interval - b[:, None]) / a[:, None]
        assert_allclose(interval, model.predict_interval(), atol=1e-5)

    # Whether fit saw them in these units, or only what forecasts go on from is.
    assert_same_in_other_units(clone(model).fit(None, a * y + b))
    assert_same_in_other_units(awake(model), y_past=a * y + b)


def test_a_future_value_of_a_covariate_counts_at_its_step():
    X, y = make_table()
    model = awake(forecaster(segment_length=1).fit(X[:100], y[:100]))
    assert model._model.coef is not None
    before = model.predict(X[100:104])
    for step in range(4):
        changed = X[100:104].copy()
        changed[step] += 1
        after = model.predict(changed)
        assert np.array_equal(after != before, np.arange(4) == step)
    # Of the first one, which drives the target, by as much as it does.
    set_fields(model, gate_=np.zeros(4))
    changed = X[100:104].copy()
    changed[2, 0] += 1
    change = model.predict(changed) - model.predict(X[100:104])
    assert_allclose(change, [0, 0, 3, 0], atol=0.3)


def test_forecasts_do_not_know_the_units_of_covariates():
    X, y = make_table()
    for known_future in ("auto", None):
        model = forecaster(known_future=known_future).fit(X[:100], y[:100])
        other = clone(model).fit(1e4 * X[:100] - 9e3, y[:100])
        for fitted in (model, other):
            awake(fitted)
        forecast = other.predict(1e4 * X[100:] - 9e3)
        assert_allclose(forecast, model.predict(X[100:]), rtol=1e-4, atol=1e-4)


def test_a_past_only_column_is_not_read_in_the_future():
    X, y = make_table()
    X = pd.DataFrame(X, columns=COLUMNS)
    model = awake(forecaster(known_future=["wind"]).fit(X[:100], y[:100]))
    future = X[100:104]
    expected = model.predict(future)
    for garbage in (np.nan, np.inf, "?", Unreadable()):
        other = pd.DataFrame({"temp": [garbage] * 4, "wind": future["wind"]})
        assert_same_bits(model.predict(other), expected)
        again = model.predict(other, y_past=y[:100], X_past=X[:100])
        assert_same_bits(again, expected)
        assert np.isfinite(model.score(other, y[100:104]))
    # While in the past it is.
    past = X[:100].copy()
    past.loc[95, "temp"] += 1
    changed = model.predict(future, y_past=y[:100], X_past=past)
    assert np.all(changed != expected)


def test_of_a_panel_no_column_is_read_in_the_future():
    frames = [
        pd.DataFrame(x, columns=["sold", "price", "promo"])
        for x in make_panel(n_columns=3)
    ]
    model = forecaster(target="sold", known_future=["promo"]).fit(frames)
    awake(model)
    rows = pd.DataFrame({"sold": [np.nan] * 4, "price": 0.0, "promo": [1, 2, 3, 4.0]})
    with_future = [pd.concat([x, rows], ignore_index=True) for x in frames]
    expected = model.predict(with_future)
    assert not np.array_equal(expected, model.predict(frames))
    for garbage in (np.nan, -np.inf, "?", Unreadable()):
        spoiled = []
        for x in with_future:
            x = x.astype({"price": object})
            x.iloc[-4:, 1] = [garbage] * 4
            spoiled.append(x)
        assert_same_bits(model.predict(spoiled), expected)
    # What is known of the future counts at its step and later, none before.
    changed = [x.copy() for x in with_future]
    changed[0].iloc[-1, 2] += 1
    after = model.predict(changed)
    assert_same_bits(after[1:], expected[1:])
    assert after[0, 3] != expected[0, 3]
    # What fit was told of the future is not forgotten.
    again = awake(clone(model).fit(with_future))
    assert_same_bits(again.predict(), again.predict(with_future))
    # All columns are past-only if nothing is said: these rows hold nothing to read.
    model = awake(forecaster(target="sold").fit(frames))
    assert_same_bits(model.predict(with_future), model.predict(frames))


@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_rows_that_are_absent_are_rows_that_are_unknown():
    X, y = make_table()
    X, y = pd.DataFrame(X, HOURS, COLUMNS), pd.Series(y, HOURS)
    gone = np.r_[20:23, 50, 93:97]
    unknown_X, unknown_y = X.copy(), y.copy()
    unknown_X.iloc[gone] = np.nan
    unknown_y.iloc[gone] = np.nan
    absent_X, absent_y = X.drop(HOURS[gone]), y.drop(HOURS[gone])
    end = HOURS[99]
    model = forecaster().fit(unknown_X[:end], unknown_y[:end])
    other = forecaster().fit(absent_X[:end], absent_y[:end])
    assert other.loss_curve_ == model.loss_curve_
    for fitted in (model, other):
        awake(fitted)
    for rows in (slice(100, 120), slice(40, 60)):
        assert_same_bits(other.predict(X[rows]), model.predict(X[rows]))
    assert_same_bits(
        model.predict(y_past=absent_y, X_past=absent_X),
        model.predict(y_past=unknown_y, X_past=unknown_X),
    )
    panels = [[y[:end], y[HOURS[30] :]] for y in (unknown_y, absent_y)]
    a, b = (awake(forecaster().fit(panel)).predict() for panel in panels)
    assert_same_bits(a, b)
    a, b = (
        model.backtest(X, y, start=60).y_pred
        for X, y in ((unknown_X, unknown_y), (absent_X, absent_y))
    )
    assert_same_bits(a, b)


@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_unknown_values_anywhere():
    rng = np.random.default_rng(0)
    X, y = make_table()
    Y = np.column_stack([y, make_series(seed=3)])
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    Y[rng.uniform(size=Y.shape) < 0.3] = np.nan
    Y[95:100] = np.nan
    X[:, 1] = np.nan
    with pytest.warns(UserWarning, match="ends with 5 unknown rows"):
        model = awake(forecaster().fit(X[:100], Y[:100]))
    assert np.isfinite(model.predict(X[100:])).all()
    assert np.isfinite(model.predict(np.full((9, 2), np.nan))).all()
    assert np.isfinite(model.predict_interval(X[100:])).all()
    assert np.isfinite(model.predict(y_past=Y)).all()
    assert np.isfinite(model.score(X[100:], Y[100:]))
    result = model.backtest(X, Y, start=60)
    assert np.isfinite(result.y_pred).all()
    assert np.isfinite(list(result.scores["forecast"].values())).all()
    panel = [np.where(rng.uniform(size=x.shape) < 0.3, np.nan, x) for x in make_panel()]
    model = awake(forecaster().fit(panel))
    assert np.isfinite(model.predict()).all()
    assert np.isfinite(model.predict([[np.nan, 3.0], [np.nan] * 30 + [1.0]])).all()


def test_after_a_long_silence_forecasts_go_on_from_what_was_known():
    season = np.array([0.0, 5, 9, 4])
    y = np.tile(season, 30) + 0.01 * make_series()
    model = forecaster(window=10).fit(None, y)
    set_season(model, 4)
    after = np.empty((4, 0))  # rows after all of the history
    for silence in (12, 16, 40):
        past = np.r_[y, np.full(silence, np.nan)]
        assert_allclose(model.predict(after, y_past=past), model.predict(), atol=0.3)
        assert_allclose(
            model.predict(after, y_past=50 * past - 7),
            50 * model.predict() - 7,
            atol=15,
        )
        interval = model.predict_interval(after, y_past=past)
        assert np.all(interval[:, 0] < interval[:, 1])
    out_of_phase = model.predict(after, y_past=np.r_[y, np.full(14, np.nan)])
    assert_allclose(out_of_phase, season[[2, 3, 0, 1]], atol=1.5)
    later = clone(model).fit(None, y).update(None, np.full(40, np.nan))
    assert_allclose(later.predict(after), model.predict(), atol=0.3)


def test_what_is_kept_of_a_panel_is_what_forecasts_need():
    X = make_panel((200, 90, 60), n_columns=2)
    X[0][-40:, 1] = np.nan
    X[1][30:, 0] = np.nan
    X[2][:, 1] = np.nan
    X[2][50:, 0] = np.nan
    for normalize in ("last", "mean"):
        model = awake(forecaster(normalize=normalize).fit(X))
        set_season(model, 5)
        assert sum(map(len, model._model.history)) < 260
        assert_same_bits(model.predict(), model.predict(X))
        assert_same_bits(model.predict_interval(), model.predict_interval(X))
        assert np.isfinite(model.predict()).all()


def test_what_is_constant_stays():
    model = forecaster().fit(None, np.full(60, 7.0))
    assert np.all(model.predict() == 7)
    assert np.all(model.predict_interval() == 7)
    panel = [np.full(60, 7.0), make_series(), np.zeros(50)]
    model = forecaster().fit(panel)
    forecast = model.predict()
    assert np.all(forecast[0] == 7)
    assert np.all(forecast[2] == 0)


def test_the_error_grows_with_the_step():
    walk = make_series(1500, phi=1.0)
    model = forecaster(horizon=8, max_iter=1).fit(None, walk[:1000])
    result = model.backtest(None, walk, start=1000)
    error = np.abs(result.y_pred - result.y_true).mean(axis=0)
    assert np.all(np.diff(error) > 0)
    lower, upper = model.predict_interval().T
    assert np.all(np.diff(upper - lower)[1:] > 0)


# Covariates


def test_categories_have_a_place_for_the_unknown():
    X, y = make_table()
    kind = np.where(X[:, 1] > 0, "a", "b")
    X = pd.DataFrame({"temp": X[:, 0], "kind": kind})
    y = y + 4 * (kind == "a")
    model = forecaster().fit(X[:100], y[:100])
    assert model.score(X[100:], y[100:]) > 0.5
    future = X[100:104].assign(kind=["a", "b", "new", None])
    forecast = model.predict(future)
    assert np.isfinite(forecast).all()
    assert_same_bits(model.predict(future.assign(kind=["a", "b", "x", "y"])), forecast)
    codes = pd.DataFrame({"temp": X["temp"], "kind": (kind == "a").astype(int)})
    numbered = forecaster(categorical_features=["kind"]).fit(codes[:100], y[:100])
    assert numbered.score(codes[100:], y[100:]) > 0.5
    typed = X.astype({"kind": "category"})
    assert_same_bits(forecaster().fit(typed[:100], y[:100]).predict(future), forecast)


def test_static_columns():
    frames = []
    for i, x in enumerate(make_panel()):
        size = np.full(len(x), np.nan)
        size[3] = float(i)
        frames.append(pd.DataFrame({"sold": x, "shop": "ab"[i % 2], "size": size}))
    model = forecaster(target="sold", static=["shop", "size"]).fit(frames)
    awake(model)
    forecast = model.predict(frames)
    other = [x.assign(shop="a") for x in frames]
    changed = np.any(model.predict(other) != forecast, axis=1)
    assert np.array_equal(changed, [False, True, False, True])
    frames[1] = frames[1].assign(size=np.arange(50.0))
    with pytest.raises(ValueError, match="static"):
        model.predict(frames)


def test_the_calendar_is_read_from_the_index():
    index = pd.date_range("2024-01-01", periods=400, freq="h")
    y = pd.Series(make_series(400), index)
    model = awake(forecaster(window=24).fit(None, y))
    assert model.season_ == 24
    shifted = y.set_axis(index + pd.Timedelta("5h"))
    assert np.all(model.predict(y_past=shifted) != model.predict())
    whole_week = y.set_axis(index + pd.Timedelta("7D"))
    assert_allclose(model.predict(y_past=whole_week), model.predict(), rtol=1e-5)
    plain = awake(forecaster(window=24, calendar=None).fit(None, y))
    assert_same_bits(plain.predict(y_past=shifted), plain.predict())
    with pytest.raises(ValueError, match="calendar"):
        forecaster(calendar=["century"]).fit(None, y)
    with pytest.raises(ValueError, match="dates"):
        forecaster(calendar=["hour"]).fit(None, y.to_numpy())


# Uncertainty


def test_intervals_cover_what_they_promise():
    y = make_series(3000, phi=0.7)
    model = forecaster(max_iter=1).fit(None, y[:1500])
    for coverage in (0.5, 0.9):
        result = model.backtest(None, y, start=1500, coverage=coverage)
        inside = (result.interval[..., 0] <= result.y_true) & (
            result.y_true <= result.interval[..., 1]
        )
        assert np.all(np.abs(inside.mean(axis=0) - coverage) < 0.03)
        assert result.scores["forecast"]["coverage"] == pytest.approx(inside.mean())


def test_wider_intervals_hold_narrower_ones():
    y = make_series()
    model = awake(forecaster().fit(None, y))
    before = model.predict_interval(coverage=0.01)
    for coverage in (0.1, 0.5, 0.9, 0.99, 0.9999):
        interval = model.predict_interval(coverage=coverage)
        assert np.all(interval[:, 0] <= before[:, 0])
        assert np.all(interval[:, 1] >= before[:, 1])
        before = interval
    quantiles = model.predict_quantiles(quantiles=[0.05, 0.95])
    assert_allclose(quantiles, model.predict_interval(coverage=0.9))


def test_quantiles_that_are_learned_never_cross():
    y = make_series(n_targets=2)
    model = awake(forecaster(loss="quantile").fit(None, y))
    quantiles = model.predict_quantiles()
    assert quantiles.shape == (4, 2, 5)
    assert np.all(np.diff(quantiles, axis=-1) > 0)
    assert_same_bits(quantiles[..., 2].copy(), model.predict())
    some = model.predict_quantiles(quantiles=[0.95, 0.25])
    assert_same_bits(some, quantiles[..., [4, 1]].copy())
    assert np.isfinite(model.predict_interval()).all()
    own = forecaster(loss="quantile", quantiles=[0.2, 0.8]).fit(None, y)
    assert own.predict_quantiles().shape == (4, 2, 2)
    with pytest.raises(ValueError, match="learned the quantiles"):
        own.predict_quantiles(quantiles=[0.5])
    for wrong in ([0.5, 0.2], [0.0, 0.5], [[0.1]], ["a"], []):
        with pytest.raises(ValueError, match="quantiles"):
            forecaster(loss="quantile", quantiles=wrong).fit(None, y)


@pytest.mark.parametrize("coverage", [0, 1, 90, -0.1, np.nan, "0.9", None])
def test_coverage_is_a_share(coverage):
    y = make_series()
    model = forecaster().fit(None, y)
    with pytest.raises(ValueError, match="coverage"):
        model.predict_interval(coverage=coverage)
    with pytest.raises(ValueError, match="coverage"):
        model.backtest(None, y, start=100, coverage=coverage)
    if not isinstance(coverage, str):
        with pytest.raises(ValueError, match="quantiles"):
            model.predict_quantiles(quantiles=[coverage])


@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_without_a_later_part_there_are_no_intervals():
    model = forecaster(horizon=10).fit(None, make_series(25))
    assert np.isfinite(model.predict()).all()
    with pytest.raises(ValueError, match="smaller window"):
        model.predict_interval()
    result = model.backtest(None, make_series(25), start=12)
    assert result.interval is None
    assert "coverage" not in result.scores["forecast"]


# Going on


def test_update_appends_what_came():
    X, y, model = hourly()
    model.update(X[100:103], y[100:103])
    past = {"y_past": y[:103], "X_past": X[:103]}
    assert_same_bits(model.predict(X[103:107]), model.predict(X[103:107], **past))
    assert model.future_index()[0] == HOURS[103]
    # Rows of the index that are left out are unknown.
    model.update(X[105:110], y[105:110])
    gone = HOURS[[103, 104]]
    past = {"y_past": y[:110].drop(gone), "X_past": X[:110].drop(gone)}
    assert_same_bits(model.predict(X[110:]), model.predict(X[110:], **past))
    assert_same_bits(model.predict(X[60:70]), hourly()[2].predict(X[60:70]))
    before = model.predict(X[110:])
    with pytest.raises(ValueError, match="ends at"):
        model.update(X[108:], y[108:])
    assert_same_bits(model.predict(X[110:]), before)


def test_update_without_an_index():
    X, y = make_table()
    model = awake(forecaster().fit(X[:100], y[:100]))
    for start in range(100, 110, 5):
        rows = slice(start, start + 5)
        model.update(X[rows], y[rows])
    past = {"y_past": y[:110], "X_past": X[:110]}
    assert_same_bits(model.predict(X[110:]), model.predict(X[110:], **past))
    y = make_series()
    model = awake(forecaster().fit(None, y[:100]))
    model.update(None, y[100:]).update(y=[np.nan, np.nan])
    assert_same_bits(model.predict(), model.predict(y_past=np.r_[y, np.nan, np.nan]))
    with pytest.raises(ValueError, match="needs y"):
        model.update(X)


def test_update_of_a_panel():
    X = make_panel()
    model = awake(forecaster().fit([x[:-7] for x in X]))
    model.update([x[-7:] for x in X])
    assert_same_bits(model.predict(), model.predict(X))
    with pytest.raises(ValueError, match="2 series"):
        model.update(X[:2])
    with pytest.raises(ValueError, match="y must be None"):
        model.update(X, np.zeros(4))


def test_partial_fit_trains_the_network_on():
    y = make_series(160)
    model = forecaster().partial_fit(None, y[:120])
    assert_same_bits(model.predict(), forecaster().fit(None, y[:120]).predict())
    fitted = model._model
    theta, seen, losses = model._model.theta.copy(), model.t_, list(model.loss_curve_)
    model.partial_fit(None, y[120:140])
    for name in ("linear_weights", "gate", "errors"):
        assert getattr(model._model, name) is getattr(fitted, name)
    assert not np.array_equal(model._model.theta, theta)
    # One pass over the windows that something of it comes after.
    assert model.t_ == seen + len(range(117, 140))
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.loss_curve_[:2] == losses
    assert_same_bits(model.predict(), model.predict(y_past=y[:140]))
    # The same rows to come lead to the same forecaster.
    again = forecaster().fit(None, y[:120]).partial_fit(None, y[120:140])
    assert_same_bits(again._model.theta, model._model.theta)
    with pytest.raises(ValueError, match="is known"):
        model.partial_fit(None, [np.nan, np.nan])
    assert_same_bits(again.predict(), model.predict())
    panel = forecaster().fit(make_panel())
    expected = panel.predict()
    panel.partial_fit(make_panel(seed=9))
    assert len(panel.loss_curve_) == 3
    assert panel.predict().shape == expected.shape
    assert not hasattr(forecaster(solver="lbfgs"), "partial_fit")
    assert not hasattr(forecaster(early_stopping=True), "partial_fit")
    with pytest.raises(ValueError, match="window"):
        model.set_params(window=13).partial_fit(None, y[140:])


def test_warm_start_trains_the_network_on():
    y = make_series()
    model = forecaster(warm_start=True).fit(None, y)
    first, theta = list(model.loss_curve_), model._model.theta
    model.fit(None, y)
    assert model.loss_curve_[:2] == first
    assert len(model.loss_curve_) == 4
    assert model.n_iter_ == 2
    assert not np.array_equal(theta, model._model.theta)
    cold = forecaster().fit(None, y)
    assert cold.fit(None, y).n_iter_ == len(cold.loss_curve_) == 2
    before = model.predict()
    for change in ({"cell": "lstm"}, {"window": 13}, {"horizon": 5}):
        with pytest.raises(ValueError, match="warm_start"):
            model.set_params(**change).fit(None, y)
        assert_same_bits(model.predict(), before)
        model.set_params(**QUICK, cell="gru")
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(*make_table())


# Backtests


def assert_backtest_is_a_loop(model, X, y, start, stride=1):
    result = model.backtest(X, y, start=start, stride=stride)
    n = len(y)
    assert np.array_equal(result.origins, np.arange(start, n - 4 + 1, stride))
    for i, o in enumerate(result.origins):
        past = {"y_past": y[:o], "X_past": None if X is None else X[:o]}
        future = None if X is None else X[o : o + 4]
        assert_same_bits(model.predict(future, **past), result.y_pred[i])
        assert_same_bits(model.predict_interval(future, **past), result.interval[i])
        assert_same_bits(np.asarray(y)[o : o + 4], result.y_true[i])
    return result


@pytest.mark.filterwarnings("ignore:From .* rows that it has seen:UserWarning")
@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
def test_a_backtest_is_a_loop_of_predicts(loss):
    X, y, model = hourly(loss=loss)
    assert_backtest_is_a_loop(model, X, y, 90)
    Y = make_series(n_targets=2)
    model = awake(forecaster(loss=loss).fit(None, Y[:100]))
    result = assert_backtest_is_a_loop(model, None, Y, 5, stride=7)
    assert np.all(result.series == 0)


def test_a_backtest_is_a_loop_of_predicts_where_values_are_unknown():
    X, y, model = hourly(known_future=["temp"])
    y.iloc[30:50] = np.nan
    y.iloc[105] = np.nan
    X.iloc[100:104, 0] = np.nan
    assert_backtest_is_a_loop(model, X, y, 31)


@pytest.mark.filterwarnings("ignore:From .* rows that it has seen:UserWarning")
def test_a_backtest_of_a_panel_is_a_loop_of_predicts():
    X = make_panel(n_columns=2)
    model = awake(forecaster(target=1, known_future=[0]).fit(X))
    result = model.backtest(X, start=40, stride=5)
    counts = [len(range(40, len(x) - 3, 5)) for x in X]
    assert np.array_equal(result.series, np.repeat(np.arange(4), counts))
    for i, (k, o) in enumerate(zip(result.series, result.origins, strict=True)):
        known = X[k][: o + 4].copy()
        known[o:, 1] = np.nan
        assert_same_bits(model.predict([known])[0], result.y_pred[i])
        assert_same_bits(model.predict_interval([known])[0], result.interval[i])
        assert_same_bits(X[k][o : o + 4, 1].copy(), result.y_true[i])
    alone = model.backtest(X[1], start=40, stride=5)
    assert_same_bits(alone.y_pred, result.y_pred[result.series == 1])


def test_a_backtest_with_refits_is_a_loop_of_fits():
    X, y, model = hourly()
    gone = HOURS[[10, 11, 12, 70]]
    result = model.backtest(X.drop(gone), y.drop(gone), start=90, stride=9, refit=True)
    assert np.array_equal(result.origins, [90, 99, 108])
    for i, o in enumerate(result.origins):
        known = HOURS[:o].difference(gone)
        fitted = clone(model).fit(X.loc[known], y.loc[known])
        assert_same_bits(fitted.predict(X[o : o + 4]), result.y_pred[i])
        assert_same_bits(fitted.predict_interval(X[o : o + 4]), result.interval[i])
    # Every second one: in between the last one forecasts.
    every = model.backtest(X, y, start=90, stride=9, refit=2)
    fitted = clone(model).fit(X[:90], y[:90])
    past = {"y_past": y[:99], "X_past": X[:99]}
    assert_same_bits(fitted.predict(X[99:103], **past), every.y_pred[1])
    fitted = clone(model).fit(X[:108], y[:108])
    assert_same_bits(fitted.predict(X[108:112]), every.y_pred[2])
    assert_same_bits(model.predict(X[100:104]), hourly()[2].predict(X[100:104]))


@pytest.mark.parametrize("form", ["list", "pandas", "hours", "polars", "objects"])
def test_a_backtest_of_a_panel_with_refits(form):
    X = make_panel()
    X[1][:45] = np.nan  # begins later
    model = forecaster().fit(X)
    given = PANELS[form](X)
    result = model.backtest(given, start=44, stride=13, refit=True)
    for o in np.unique(result.origins):
        known = [x[:o] for i, x in enumerate(given) if i != 1 or o > 45]
        fitted = clone(model).fit(known)
        for i in np.flatnonzero(result.origins == o):
            x = X[result.series[i]][:o]
            if np.isfinite(x).any() and form != "hours":
                assert_same_bits(fitted.predict([x])[0], result.y_pred[i])
    one = model.backtest(X[2], start=80, stride=5, refit=True)
    expected = clone(model).fit(X[2][:80]).predict()
    assert_same_bits(one.y_pred[:1], expected)


def test_naive_forecasts_and_scores():
    y = np.tile([1.0, 4.0, 9.0, 2.0, 5.0], 30) + 0.1 * make_series(150)
    y[103] = np.nan
    model = forecaster(horizon=7).fit(None, y[:100])
    set_season(model, 5)
    result = model.backtest(None, y, start=100, stride=3)
    filled = pd.Series(y).ffill().to_numpy()
    for i, o in enumerate(result.origins):
        assert np.all(result.naive[i] == filled[o - 1])
        season = y[o - 5 : o][np.arange(7) % 5]
        known = np.isfinite(season)
        assert_allclose(result.seasonal_naive[i][known], season[known])
        assert np.isfinite(result.seasonal_naive[i]).all()
    unit = np.abs(y[5:100] - y[:95]).mean()
    for name, values in (
        ("forecast", result.y_pred),
        ("naive", result.naive),
        ("seasonal_naive", result.seasonal_naive),
    ):
        error = (values - result.y_true)[np.isfinite(result.y_true)]
        scores = result.scores[name]
        assert scores["mae"] == pytest.approx(np.abs(error).mean())
        assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
        assert scores["mase"] == pytest.approx(np.abs(error).mean() / unit)
    assert result.scores["seasonal_naive"]["mase"] < result.scores["naive"]["mase"]
    y[100:] = np.nan
    scores = model.backtest(None, y, start=101).scores
    assert np.isnan(list(scores["forecast"].values())).all()


def test_a_covariate_does_not_change_what_is_naive():
    X, y, model = hourly()
    set_season(model, 3)
    result = model.backtest(X, y, start=100)
    y = y.to_numpy()
    for i, o in enumerate(result.origins):
        assert_allclose(result.naive[i], y[o - 1])
        assert_allclose(result.seasonal_naive[i], y[[o - 3, o - 2, o - 1, o - 3]])


@pytest.mark.parametrize(
    "options, match",
    [
        ({"start": 0}, "start must be"),
        ({"start": 2.5}, "start must be"),
        ({"start": 100, "stride": 0}, "stride must be"),
        ({"start": 100, "refit": -1}, "refit must be"),
        ({"start": 100, "refit": "yes"}, "refit must be"),
        ({"start": 117}, "No origin"),
    ],
)
def test_backtests_that_cannot_be(options, match):
    y = make_series()
    model = forecaster().fit(None, y)
    with pytest.raises(ValueError, match=match):
        model.backtest(None, y, **options)


def test_a_backtest_warns_of_rows_that_were_learned():
    y = make_series()
    model = forecaster().fit(None, y[:100])
    quiet = {"start": 100}
    model.backtest(None, y, **quiet)
    model.backtest(None, y + 1, start=60)  # another series
    model.backtest(None, y, start=90, stride=5, refit=True)
    with pytest.warns(UserWarning, match="From 4 of 8 origins .* Start at 100, "):
        model.backtest(None, y, start=80, stride=5)
    # What an update adds is known, and was not learned; partial_fit learns.
    model.update(None, y[100:105]).update(None, y[105:110])
    again = pickle.loads(pickle.dumps(model))
    for known in (model, again):
        known.backtest(None, y, **quiet)
        with pytest.warns(UserWarning, match="Start at 100, "):
            known.backtest(None, y, start=99)
    model.partial_fit(None, y[110:115])
    with pytest.warns(UserWarning, match="Start at 115, "):
        model.backtest(None, y, **quiet)


def test_a_backtest_warns_of_series_that_were_learned():
    panel = make_panel()
    model = forecaster().fit([series[:40] for series in panel[:2]])
    model.backtest(panel[:2], start=40)
    model.backtest(panel[2:4], start=20)
    with pytest.warns(UserWarning, match="Start after these rows, "):
        model.backtest(panel[:2], start=39)


def test_what_a_backtest_is_given():
    y = make_series()
    model = forecaster().fit(None, y)
    with pytest.raises(ValueError, match="needs y"):
        model.backtest(y, start=100)
    panel = forecaster().fit(make_panel())
    with pytest.raises(ValueError, match="y must be None"):
        panel.backtest(make_panel(), y, start=20)
    with pytest.raises(NotFittedError):
        forecaster().backtest(None, y, start=100)


# Scores


def test_the_score_is_that_of_scikit_learn():
    X, y, model = hourly()
    forecast = model.predict(X[100:])
    assert model.score(X[100:], y[100:]) == r2_score(y[100:], forecast)
    weight = np.arange(20.0)
    assert model.score(X[100:], y[100:], sample_weight=weight) == pytest.approx(
        r2_score(y[100:], forecast, sample_weight=weight)
    )
    y.iloc[105:108] = np.nan
    known = y[100:].notna().to_numpy()
    assert model.score(X[100:], y[100:]) == pytest.approx(
        r2_score(y[100:][known], forecast[known])
    )
    Y = make_series(n_targets=2)
    model = forecaster().fit(None, Y[:100])
    score = model.score(None, Y[100:104])
    assert score == pytest.approx(r2_score(Y[100:104], model.predict()))
    Y[101, 0] = np.nan
    each = [model.predict()[[0, 2, 3], 0], model.predict()[:, 1]]
    each = [r2_score(Y[[100, 102, 103], 0], each[0]), r2_score(Y[100:104, 1], each[1])]
    assert model.score(None, Y[100:104]) == pytest.approx(np.mean(each))


def test_the_score_of_a_panel_is_that_of_rolling_forecasts():
    X = make_panel((80, 15))
    model = forecaster().fit(X)
    scores = []
    for x, start in ((X[0], 12), (X[1], 6)):
        true, forecast = [], []
        for o in range(start, len(x), 4):
            true.append(x[o : o + 4])
            forecast.append(model.predict([x[:o]])[0][: len(true[-1])])
        scores.append(r2_score(np.concatenate(true), np.concatenate(forecast)))
    assert model.score(X) == pytest.approx(np.mean(scores))
    # A series of one value says nothing.
    assert model.score([*X, [1.0]]) == pytest.approx(np.mean(scores))
    with pytest.raises(ValueError, match="too short"):
        model.score([[1.0], [2.0]])
    with pytest.raises(ValueError, match="sample_weight"):
        model.score(X, sample_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="y must be None"):
        model.score(X, X)


# The same bits


def forecasts_of(**options):
    X, y = make_table()
    model = forecaster(**options).fit(X[:100], y[:100])
    result = model.backtest(X, y, start=80)
    return [model._model.theta, model._model.errors, result.y_pred, result.interval]


@pytest.mark.parametrize("options", [{}, {"dtype": "float64", "cell": "lstm"}])
@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_fits_have_the_same_bits_for_any_threads_and_instruction_set(options):
    expected = forecasts_of(**options)
    for n_jobs in (1, 2, 3):
        for a, b in zip(forecasts_of(n_jobs=n_jobs, **options), expected, strict=True):
            assert_same_bits(a, b)
    for isa in ISAS:
        with instruction_set(isa):
            for a, b in zip(forecasts_of(**options), expected, strict=True):
                assert_same_bits(a, b)


def test_a_forecast_does_not_depend_on_the_others():
    X = make_panel()
    model = awake(forecaster().fit(X))
    together = model.predict(X)
    order = [2, 0, 3, 1]
    assert_same_bits(model.predict([X[i] for i in order]), together[order])
    for i, x in enumerate(X):
        assert_same_bits(model.predict([x])[0], together[i])
    intervals = model.predict_interval(X)
    assert_same_bits(model.predict_interval(X[2:3])[0], intervals[2])


def test_random_state_decides():
    y = make_series()
    a, b, c = (forecaster(random_state=s).fit(None, y)._model.theta for s in (1, 1, 2))
    assert_same_bits(a, b)
    assert not np.array_equal(a, c)
    state = np.random.RandomState(0)
    d, e = (forecaster(random_state=state).fit(None, y)._model.theta for _ in range(2))
    assert not np.array_equal(d, e)


def test_threads_of_the_user_may_forecast_at_once():
    X = make_panel(lengths=range(20, 60))
    model = awake(forecaster().fit(X[:3]))
    expected = [model.predict([x]) for x in X]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda x: model.predict([x]), X)
            for a, b in zip(found, expected, strict=True):
                assert_same_bits(a, b)


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_what_is_stored_forecasts_the_same(how):
    X, y, model = hourly()
    expected = model.predict(X[100:])
    if how == "pickle":
        other = pickle.loads(pickle.dumps(model))
    else:
        file = io.BytesIO()
        joblib.dump(model, file)
        file.seek(0)
        other = joblib.load(file)
    assert_same_bits(other.predict(X[100:]), expected)
    assert_same_bits(other.predict_interval(X[100:]), model.predict_interval(X[100:]))
    for each in (model, other):
        each.partial_fit(X[100:110], y[100:110])
    assert_same_bits(other.predict(X[110:]), model.predict(X[110:]))
    panel = forecaster().fit(make_panel())
    assert_same_bits(pickle.loads(pickle.dumps(panel)).predict(), panel.predict())


def test_a_clone_is_not_fitted():
    model = forecaster(cell="lstm", quantiles=(0.1, 0.9)).fit(None, make_series())
    other = clone(model)
    assert other.get_params() == model.get_params()
    for call in (other.predict, other.predict_interval, other.predict_quantiles):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            call()
    with pytest.raises(NotFittedError):
        other.update(y=[1.0])


# Training


@pytest.mark.parametrize("sizes", [3, (3, 2)])
@pytest.mark.parametrize("cell, activation", CELLS)
def test_cells_and_layers(cell, activation, sizes):
    X, y = make_table()
    options = {"cell": cell, "activation": activation, "hidden_layer_sizes": sizes}
    model = forecaster(**options, dropout=0.1, bptt_steps=5).fit(X[:100], y[:100])
    names = {name.partition(".")[0] for name in model.weights_}
    layers = {f"layer{k}" for k in range(np.size(sizes))}
    assert names == layers | {"segment", "head"}
    assert model.hidden_states().shape == (12, np.atleast_1d(sizes)[-1])
    result = awake(model).backtest(X, y, start=100)
    assert np.isfinite(result.y_pred).all()


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_training_lowers_the_loss(solver, loss):
    # What a linear function of the window does not explain.
    rng = np.random.default_rng(0)
    y = np.zeros(500)
    for t in range(1, 500):
        y[t] = 2 * np.cos(2 * y[t - 1]) + 0.1 * rng.normal()
    model = forecaster(
        horizon=1, window=4, loss=loss, solver=solver, dropout=0, recurrent_dropout=0,
        max_iter=15, learning_rate_init=0.03, hidden_layer_sizes=16, alpha=1e-5,
    ).fit(None, y)  # fmt: skip
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    if solver == "sgd" and loss == "squared_error":
        return  # in so few steps it does not win clearly, as it must on a short series
    assert model.gate_[0] > 0.5
    result = model.backtest(None, y, start=200)
    naive = result.scores["naive"]["mae"]
    assert result.scores["forecast"]["mae"] < 0.9 * naive


def test_early_stopping_holds_out_the_last_part_of_time():
    y = make_series(200)
    model = forecaster(
        early_stopping=True, validation_fraction=0.2, max_iter=30, n_iter_no_change=2,
        tol=1.0,
    ).fit(None, y)  # fmt: skip
    assert model.n_iter_ < 30
    assert len(model.validation_scores_) == len(model.validation_loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert forecaster().fit(None, y).validation_scores_ is None
    with pytest.raises(ValueError, match="validation_fraction"):
        forecaster(early_stopping=True, horizon=30).fit(None, y)


def test_dtype():
    y = make_series()
    for dtype in ("float32", "float64", np.float64):
        model = forecaster(dtype=dtype).fit(None, y)
        assert model._model.theta.dtype == dtype
        assert model.predict().dtype == np.float64


def test_verbose(capsys):
    forecaster(verbose=True).fit(None, make_series())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Iteration 1", "Iteration 2"]
    forecaster().fit(None, make_series())
    assert not capsys.readouterr().out


@pytest.mark.skipif(ScoringMonitor is None, reason="scikit-learn < 1.9")
def test_callbacks_follow_the_epochs():
    X, y = make_table()
    monitor = ScoringMonitor(scoring="r2")
    model = forecaster().set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 2
    assert rows[-1]["r2"] == model.score(X, y)
    assert_same_bits(model._model.theta, forecaster().fit(X, y)._model.theta)


def test_segments_and_windows():
    y = make_series()
    for window, segment in ((5, 2), (12, 12), (3, 100), (200, 7)):
        model = forecaster(window=window, segment_length=segment).fit(None, y)
        assert model.window_ == window
        assert model.segment_length_ == min(window, segment)
        assert np.isfinite(awake(model).predict()).all()
    assert forecaster(window="auto").fit(None, y).window_ >= 12
    for n in (2, 3, 5, 8, 30):
        model = SequenceForecaster(horizon=1, max_iter=1).fit(None, y[:n])
        assert model.predict().shape == (1,)


# Bad input


def spoiled(name):
    """(X, y) for predict or fit with one thing wrong, and what the message says."""
    X, y = make_table()
    X, y = pd.DataFrame(X, HOURS, COLUMNS), pd.Series(y, HOURS)
    nothing = pd.Series(np.full(120, np.nan), HOURS)
    infinite = y.copy()
    infinite.iloc[7] = np.inf
    return {
        "unsorted": (X[::-1], y[::-1], "order of time.*sort_index"),
        "swapped rows": (
            X.iloc[[*range(50), 51, 50, *range(52, 120)]],
            y.to_numpy(),
            "row 51",
        ),
        "duplicated": (
            X.iloc[[*range(60), 59, *range(60, 120)]],
            np.zeros(121),
            "two rows for the same time",
        ),
        "irregular": (
            X.set_axis(HOURS + pd.to_timedelta(np.arange(120) ** 2, "min")),
            y.to_numpy(),
            "[Rr]egular|steps",
        ),
        "other rows": (X, y.set_axis(HOURS + pd.Timedelta("1h")), "same"),
        "fewer rows": (X[:100], y, r"inconsistent numbers of samples: \[100, 120\]"),
        "nothing known": (X, nothing, "has no known value"),
        "infinite y": (X, infinite, "infinity.*\n?.*7"),
        "infinite X": (X.replace(X.iloc[3, 1], -np.inf), y, "infinity"),
        "too little": (X[:4], y[:4], "Too little history"),
        "no rows": (X[:0], y[:0], "0 sample"),
        "strings": (X, y.astype(str) + "x", "string|float"),
        "times": (X.assign(when=HOURS), y, "times|time"),
        "one dimension": (X["temp"].to_numpy(), y, "2D array"),
        "a panel with y": (np.zeros((3, 120, 2)), y, "several tables"),
        "no columns": (np.empty((120, 0)), y, r"0 feature\(s\)"),
        "mixed names": (X.rename(columns={"temp": 3}), y, "Feature names"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "unsorted",
        "swapped rows",
        "duplicated",
        "irregular",
        "other rows",
        "fewer rows",
        "nothing known",
        "infinite y",
        "infinite X",
        "too little",
        "no rows",
        "strings",
        "one dimension",
        "a panel with y",
        "no columns",
        "mixed names",
    ],
)
def test_a_fit_that_fails_leaves_the_forecaster_as_it_was(name):
    X, y, match = spoiled(name)
    good_X, _, model = hourly()
    before, forecast = vars(model).copy(), model.predict(good_X[100:])
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())
    assert_same_bits(model.predict(good_X[100:]), forecast)


@pytest.mark.parametrize(
    "X, match",
    [
        (None, "fit needs series"),
        ([], "no series"),
        ([[1.0, 2.0, 3.0], []], r"X\[1\]"),
        ([np.full(9, np.nan), np.arange(9.0)], r"X\[0\]"),
        ([np.arange(9.0), np.r_[1:8, np.inf]], r"X\[1\]"),
        ([np.arange(9.0), np.zeros((9, 2))], r"X\[1\]"),
        ([np.arange(4.0), np.arange(3.0)], "Too little history"),
        ([np.arange(9.0), list("abc")], r"X\[1\]"),
        (np.zeros((2, 3, 4, 5)), "dim 4"),
        ({"a": [1.0, 2.0]}, "dict"),
        ("abc", "str"),
    ],
)
def test_panels_that_cannot_be(X, match):
    model = forecaster().fit(make_panel())
    before = vars(model).copy()
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X)
    assert all(vars(model)[key] is value for key, value in before.items())
    if X is not None and "little" not in match:
        with pytest.raises((ValueError, TypeError)):
            model.predict(X)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda X: X[::-1], "order of time"),
        (lambda X: X.iloc[[0, 0, 1]], "two rows for the same time"),
        (lambda X: X.set_axis(X.index + pd.Timedelta("20min")), "off the times"),
        (lambda X: X.tz_localize("UTC"), "time zone"),
        (lambda X: X[["wind", "temp"]], "same order"),
        (lambda X: X[["temp"]], "seen at fit time, yet now missing"),
        (lambda X: X.assign(rain=0.0), "unseen at fit time"),
        (lambda X: X.replace(X.iloc[0, 0], np.inf), "infinity"),
        (lambda X: X.assign(temp="warm"), "string|float"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X.to_numpy()[:, 0], "2D array"),
        (lambda X: X.shift(freq="-4000h"), "before the first row"),
        (lambda X: np.zeros((2, 3)), "3 features, but SequenceForecaster is expecting"),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_that_cannot_be_forecast(change, match):
    X, _, model = hourly()
    expected = model.predict(X[100:])
    with pytest.raises(ValueError, match=match):
        model.predict(change(X[100:]))
    assert_same_bits(model.predict(X[100:]), expected)


@pytest.mark.parametrize(
    "past, match",
    [
        (lambda X, y: {"y_past": y, "X_past": X[:9]}, "inconsistent numbers"),
        (lambda X, y: {"y_past": y[::-1], "X_past": None}, "order of time"),
        (lambda X, y: {"y_past": np.zeros((9, 2))}, "2 targets.*fitted with 1"),
        (lambda X, y: {"y_past": np.full(9, np.nan)}, "no known value"),
        (lambda X, y: {"y_past": [1.0, np.inf]}, "infinity"),
        (lambda X, y: {"y_past": []}, "0 sample"),
        (lambda X, y: {"X_past": X}, "y_past was not provided"),
        (lambda X, y: {"y_past": y, "X_past": X[["temp"]]}, "X_past"),
        (lambda X, y: {"y_past": y, "X": X[100:]}, "X starts at"),
    ],
)
def test_histories_that_cannot_be(past, match):
    X, y, model = hourly()
    expected = model.predict(X[100:])
    with pytest.raises(ValueError, match=match):
        model.predict(**past(X, y))
    assert_same_bits(model.predict(X[100:]), expected)


def test_a_target_of_which_nothing_is_known():
    Y = make_series(n_targets=2)
    model = forecaster().fit(None, Y)
    Y[:, 1] = np.nan
    with pytest.raises(ValueError, match="column 1 of y_past"):
        model.predict(y_past=Y)
    with pytest.raises(ValueError, match="Target 1"):
        forecaster().fit(None, Y)


def test_the_two_ways_in_do_not_mix():
    X, y, model = hourly()
    with pytest.raises(ValueError, match="needs y"):
        model.score(X)
    panel = forecaster().fit(make_panel())
    for past in ({"y_past": y}, {"X_past": X}):
        with pytest.raises(ValueError, match="takes the histories in X"):
            panel.predict(**past)
    for wrong in (y[100:110], np.zeros((20, 2))):
        with pytest.raises(ValueError, match="y has|inconsistent numbers"):
            model.score(X[100:], wrong)


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("horizon", 0),
        ("horizon", 1.5),
        ("window", 0),
        ("window", "long"),
        ("segment_length", 0),
        ("loss", "huber"),
        ("normalize", "first"),
        ("calibration_fraction", 0),
        ("calibration_fraction", 1.0),
        ("cell", "transformer"),
        ("hidden_layer_sizes", 0),
        ("dropout", 1.0),
        ("max_iter", 0),
        ("validation_fraction", 0.0),
        ("dtype", "float16"),
        ("n_jobs", 1.5),
    ],
)
def test_parameters_that_cannot_be(parameter, value):
    model = forecaster().fit(None, make_series())
    expected = model.predict()
    before = model.get_params()[parameter]
    with pytest.raises(InvalidParameterError, match=parameter):
        model.set_params(**{parameter: value}).fit(None, make_series())
    model.set_params(**{parameter: before})
    assert_same_bits(model.predict(), expected)


@pytest.mark.parametrize("parameter", ["known_future", "static", "target"])
def test_columns_that_are_not_there(parameter):
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in make_panel(n_columns=2)]
    for wrong in ("c", 2, ["a", "c"]):
        with pytest.raises(ValueError, match=parameter):
            forecaster(**{parameter: wrong}).fit(frames)


# Ctrl-C

SCRIPT = """
import dataclasses, signal, sys, warnings
import numpy as np
from forecasts import make_series
from skrnn import SequenceForecaster
from skrnn.training import Trainer

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
y = make_series(400)
model = SequenceForecaster(
    4, window=12, hidden_layer_sizes=16, max_iter=10**6, random_state=0, verbose=True,
)
if "fold" in sys.argv:
    # The first training, that of a fold, says when it is under way.
    change = lambda options: {"verbose": True}
else:
    model.max_iter = 1
    change = lambda options: {"max_iter": 10**6 if options.verbose else 1}
make = Trainer.__init__
def init(self, network, loss, solver, options, random_state):
    options = dataclasses.replace(options, **change(options))
    make(self, network, loss, solver, options, random_state)
Trainer.__init__ = init
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(None, y)
print("warned:", *(str(w.message) for w in caught))
print("epochs:", model.n_iter_, len(model.loss_curve_))
print("usable:", np.isfinite(model.predict()).all(), model.gate_.any())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole group")
@pytest.mark.parametrize("when", ["fold", "last"])
def test_an_interrupted_fit_keeps_a_usable_model(when):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-u", "-c", SCRIPT, when],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        epochs = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert all(line.startswith("Iteration") for line in epochs), (epochs, err)
    assert process.returncode == 0, err
    said = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert "Training interrupted by user." in said["warned"]
    n_epochs, n_losses = map(int, said["epochs"].split())
    assert n_epochs == n_losses
    assert (n_epochs >= 3) == (when == "last")
    # Before it is known what the network is worth, the linear part is all there is.
    assert said["usable"].split()[0] == "True"
    assert when == "last" or said["usable"].split()[1] == "False"
