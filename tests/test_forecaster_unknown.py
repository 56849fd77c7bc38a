"""SequenceForecaster where covariates, times or values are missing, odd or misread."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from cases import assert_same_bits
from fitted import set_fields
from forecasts import QUICK, make_series
from skrnn import SequenceForecaster

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
UNKNOWN = "Covariates are unknown"
N = 480
HOURS = pd.date_range("2024-01-01", periods=N, freq="h")


def forecaster(**options):
    return SequenceForecaster(**QUICK | {"horizon": 24, "window": 48} | options)


def heated():
    """Hours of a target that two covariates drive."""
    rng = np.random.default_rng(0)
    noise = 3 * rng.normal(size=N)
    level = 10 + rng.normal(size=N).cumsum() / 3
    season = 10 * np.sin(np.arange(N) * 2 * np.pi / 24)
    y = pd.Series(50 + season + 5 * noise + 2 * level + rng.normal(size=N), HOURS)
    return pd.DataFrame({"noise": noise, "level": level}, HOURS), y


def mean_error(forecast, y):
    return np.abs(forecast - y[-24:].to_numpy()).mean()


@pytest.fixture(scope="module")
def fitted():
    X, y = heated()
    model = forecaster().fit(X[:-24], y[:-24])
    plain = forecaster().fit(None, y[:-24])
    return model, mean_error(plain.predict(), y), mean_error(model.predict(X[-24:]), y)


# Covariates that are not there


@pytest.mark.parametrize("what", ["X", "X_past", "both", "half", "one column"])
def test_unknown_covariates_do_no_harm(fitted, what):
    X, y = heated()
    model, plain, full = fitted
    assert full < plain / 4
    past = {"y_past": y[:-24], "X_past": X[:-24]}
    future = X[-24:].copy()
    if what == "both":
        arguments = {"y_past": y[:-24]}
    elif what == "X":
        arguments = {}
    elif what == "X_past":
        arguments = {"X": future, "y_past": y[:-24]}
    elif what == "half":
        future.iloc[8:] = np.nan
        arguments = {"X": future} | past
    else:
        future["noise"] = np.nan
        arguments = {"X": future} | past
    with pytest.warns(UserWarning, match=f"{UNKNOWN}.*'noise', 'level'"):
        forecast = model.predict(**arguments)
    assert mean_error(forecast, y) < 1.1 * plain
    if what == "half":
        assert_same_bits(forecast[:8], model.predict(X[-24:], **past)[:8])
    with pytest.warns(UserWarning, match=UNKNOWN):
        lower, upper = model.predict_interval(**arguments).T
    assert np.mean((lower <= y[-24:]) & (y[-24:] <= upper)) > 0.6


@pytest.mark.parametrize("rows", [[-1], [-3, -2, -1], [-30, -7, -1]])
def test_an_unknown_covariate_of_the_history_shifts_nothing(fitted, rows):
    X, y = heated()
    model, _, full = fitted
    past = X[:-24].copy()
    past.iloc[rows] = np.nan
    forecast = model.predict(X[-24:], y_past=y[:-24], X_past=past)
    assert mean_error(forecast, y) < 1.3 * full


def test_a_column_that_is_seldom_known_needs_no_value():
    X, y = heated()
    X["price"] = np.where(np.arange(N) % 7 == 0, 1.0, np.nan)
    model = forecaster().fit(X[:-24], y[:-24])
    assert np.isfinite(model.predict(X[-24:])).all()  # without a warning


def test_unknown_covariates_of_a_panel():
    rng = np.random.default_rng(1)
    panel = []
    for n in (200, 150, 180):
        x = rng.normal(size=n)
        panel.append(np.column_stack([make_series(n) + 5 * x, x]))
    options = {"target": 0, "horizon": 6, "window": 20, "max_iter": 5}
    model = forecaster(known_future=[1], **options).fit(panel)
    set_fields(model, gate_=np.ones(6))
    with pytest.warns(UserWarning, match="18 of 18 rows"):
        forecast = model.predict([x[:100] for x in panel])
    plain = set_fields(model, gate_=np.zeros(6)).predict([x[:100] for x in panel])
    assert_same_bits(forecast, plain)


def test_learned_quantiles_where_covariates_are_unknown():
    X, y = heated()
    model = forecaster(loss="quantile", quantiles=[0.1, 0.5, 0.9])
    model.fit(X[:-24], y[:-24])
    with pytest.warns(UserWarning, match=UNKNOWN):
        quantiles = model.predict_quantiles()
    assert (np.diff(quantiles, axis=1) > 0).all()


# X that is given for rows of the training


def test_x_counts_that_is_given_for_rows_of_fit(fitted):
    X, y = heated()
    model, *_ = fitted
    inside = X[200:260]
    before = model.predict(inside)
    other = inside.assign(noise=inside["noise"] - 6)
    change = model.predict(other) - before
    assert_allclose(change, -30, atol=4)
    # What came before an origin is what was observed.
    some = inside.copy()
    some.iloc[3, 0] += 1
    change = model.predict(some) - before
    assert abs(change[3]) > 3
    assert not change[24:].any()


# Rows that are numbered anew, and the index of y


def numbered(first):
    X, y = (table[:120] for table in heated())
    rows = pd.Index(np.arange(first, first + 120))
    return X.set_axis(rows), y.set_axis(rows)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("again", [0, 1])
def test_rows_that_are_counted_anew_are_the_next_ones(first, again):
    X, y = numbered(first)
    model = forecaster(horizon=4).fit(X[:100], y[:100])
    new = X[100:].set_axis(pd.Index(np.arange(again, again + 20)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forecast = model.predict(new)
    assert len(caught) == again
    assert_same_bits(forecast, model.predict(X[100:]))
    if first == 1:  # these are those of fit
        inside = model.predict(X[:20])
        assert not np.array_equal(inside, forecast)


def test_the_score_looks_at_the_index_of_y(fitted):
    X, y = heated()
    model = forecaster(horizon=4).fit(X[:100], y[:100])
    score = model.score(X[105:112], y[105:112])
    with pytest.warns(UserWarning, match="feature names"):
        assert model.score(X[105:112].to_numpy(), y[105:112]) == score
    with pytest.raises(ValueError, match="different indexes: row 0"):
        model.score(X[105:112], y[106:113])
    assert model.score(X[105:112], y[105:112].to_numpy()) == score
    plain = forecaster(horizon=4).fit(None, y[:100])
    expected = plain.score(pd.DataFrame(index=HOURS[103:107]), y[103:107])
    assert plain.score(None, y[103:107]) == expected
    assert plain.score(np.empty((4, 0)), y[103:107]) == expected
