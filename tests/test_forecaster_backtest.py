"""Backtests and scores of SequenceForecaster."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from cases import assert_same_bits
from fitted import set_season
from forecasts import HOURS, PANELS, awake, forecaster, hourly, make_panel, make_series

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]


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
