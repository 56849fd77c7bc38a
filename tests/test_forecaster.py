"""SequenceForecaster: every way in and out, and what its forecasts mean."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from cases import assert_same_bits
from fitted import set_fields, set_season
from forecasts import (
    COLUMNS,
    HOURS,
    ODD,
    PANELS,
    awake,
    forecaster,
    hourly,
    make_panel,
    make_series,
    make_table,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]


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


@pytest.mark.parametrize("form", PANELS)
def test_forms_of_ragged_panels(form):
    X = make_panel()
    found = awake(forecaster(calendar=None).fit(X))
    expected = found.predict()
    assert expected.shape == (4, 4)
    given = PANELS[form](X)
    model = forecaster(calendar=None).fit(given)
    set_season(awake(model), 1)
    # With hours, folds are cut at moments, and a season is known.
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
    # Covariates are unknown in rows in between that are not given.
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
    # The change of the first covariate changes the target by as much as it drives it.
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
    assert model.score(X[100:], y[100:]) > 0.4
    future = X[100:104].assign(kind=["a", "b", "new", None])
    forecast = model.predict(future)
    assert np.isfinite(forecast).all()
    assert_same_bits(model.predict(future.assign(kind=["a", "b", "x", "y"])), forecast)
    codes = pd.DataFrame({"temp": X["temp"], "kind": (kind == "a").astype(int)})
    numbered = forecaster(categorical_features=["kind"]).fit(codes[:100], y[:100])
    assert numbered.score(codes[100:], y[100:]) > 0.4
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
    model = forecaster(horizon=10).fit(None, make_series(16))
    assert np.isfinite(model.predict()).all()
    with pytest.raises(ValueError, match="smaller horizon or a smaller window"):
        model.predict_interval()
    result = model.backtest(None, make_series(25), start=12)
    assert result.interval is None
    assert "coverage" not in result.scores["forecast"]


@pytest.mark.parametrize("n_rows", [25, 30])
def test_few_rows_give_intervals(n_rows):
    # The last two fifths are forecast by what is learned of the others.
    model = forecaster(horizon=10).fit(None, make_series(n_rows))
    interval = model.predict_interval()
    assert np.isfinite(interval).all()
    assert (interval[:, 0] < interval[:, 1]).all()


def test_windows_that_would_fill_the_memory_are_refused():
    y = make_series(200)
    for sizes, message in (
        ({"window": 10**6}, "window=1000000 .* 2000 rows. Set window to 10000 at most"),
        ({"window": 10_001}, "or to 'auto'"),
        ({"window": 9_000, "horizon": 150 * 10}, "Set horizon to 1111 at most"),
    ):
        with pytest.raises(ValueError, match=message):
            forecaster(**sizes).fit(None, np.resize(y, 2000))
