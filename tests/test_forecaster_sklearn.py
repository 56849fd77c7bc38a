"""SequenceForecaster within what scikit-learn has, unchanged."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone, is_regressor
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
)
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.metrics import make_scorer, mean_absolute_error, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags

from cases import assert_same_bits
from forecasts import QUICK, make_panel, make_series, make_table
from skrnn import SequenceForecaster

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]
HOURS = pd.date_range("2024-03-01", periods=120, freq="h")


def forecaster(**options):
    return SequenceForecaster(**QUICK | {"max_iter": 1} | options)


def hourly():
    X, y = make_table()
    return pd.DataFrame(X, HOURS, ["temp", "wind"]), pd.Series(y, HOURS)


@pytest.mark.parametrize("indexed", [False, True])
def test_cross_validation_over_time(indexed):
    X, y = hourly() if indexed else make_table()
    cv = TimeSeriesSplit(5)
    scores = cross_val_score(forecaster(), X, y, cv=cv)
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        if indexed:
            past, rows = (X.iloc[train], y.iloc[train]), (X.iloc[test], y.iloc[test])
        else:
            past, rows = (X[train], y[train]), (X[test], y[test])
        model = forecaster().fit(*past)
        assert score == r2_score(rows[1], model.predict(rows[0]))
    # The covariate tells of all steps, however far ahead.
    assert np.mean(scores[2:]) > 0.3


def test_cross_validation_of_a_series_alone():
    y = make_series()
    X = pd.DataFrame(index=pd.RangeIndex(120))
    cv = TimeSeriesSplit(5, test_size=4)
    scores = cross_val_score(
        forecaster(), X, y, cv=cv, scoring="neg_mean_absolute_error"
    )
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        forecast = forecaster().fit(None, y[train]).predict()
        assert -score == pytest.approx(np.abs(forecast - y[test]).mean())


@pytest.mark.parametrize("index", [HOURS, pd.RangeIndex(120)])
def test_a_gap_is_honoured(index):
    X, y = make_table()
    X = pd.DataFrame(X, index)
    cv = TimeSeriesSplit(3, gap=5, test_size=8)
    scores = cross_val_score(forecaster(), X, y, cv=cv)
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        model = forecaster().fit(X.iloc[train], y[train])
        rows = X.iloc[train[-1] + 1 : test[-1] + 1].copy()
        rows.iloc[:5] = np.nan  # of these nothing is said
        assert score == pytest.approx(r2_score(y[test], model.predict(rows)[5:]))
        assert list(model.future_index(X.iloc[test])) == list(index[test])


def test_training_scores_are_those_of_rolling_forecasts():
    X, y = hourly()
    scores = cross_validate(
        forecaster(), X, y, cv=TimeSeriesSplit(2), return_train_score=True
    )
    model = forecaster().fit(X[:40], y[:40])
    assert scores["train_score"][0] == model.score(X[:40], y[:40])
    blocks = [
        model.predict(X[o : o + 4], y_past=y[:o], X_past=X[:o]) for o in range(4, 40, 4)
    ]
    assert_same_bits(np.concatenate(blocks), model.predict(X[4:40]))


def test_a_grid_search():
    X, y = hourly()
    search = GridSearchCV(
        forecaster(),
        {"window": [6, 12], "cell": ["gru", "lstm"]},
        cv=TimeSeriesSplit(3),
    ).fit(X[:100], y[:100])
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    best = forecaster(**search.best_params_).fit(X[:100], y[:100])
    assert_same_bits(search.predict(X[100:]), best.predict(X[100:]))
    assert search.score(X[100:], y[100:]) == best.score(X[100:], y[100:])
    assert search.n_features_in_ == 2
    assert list(search.best_estimator_.feature_names_in_) == ["temp", "wind"]


def test_a_halving_search_of_the_number_of_epochs():
    X, y = make_table()
    search = HalvingGridSearchCV(
        forecaster(),
        {"cell": ["gru", "rnn", "lstm"], "window": [8, 12]},
        resource="max_iter",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=TimeSeriesSplit(2),
        random_state=0,
    ).fit(X[:100], y[:100])
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.max_iter == 4
    assert search.predict(X[100:]).shape == (20,)


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_pipeline(output):
    X, y = hourly()
    pipeline = Pipeline([("scale", StandardScaler()), ("forecast", forecaster())])
    pipeline.set_output(transform=output).fit(X[:100], y[:100])
    # Covariates are standardised anyway.
    model = forecaster(calendar="auto" if output == "pandas" else None)
    model.fit(X[:100], y[:100])
    if output == "pandas":
        expected = model.predict(X[100:])
        assert_allclose(pipeline.predict(X[100:]), expected, rtol=1e-4)
        inside = pipeline.predict(X[60:70])
        assert_allclose(inside, model.predict(X[60:70]), rtol=1e-4)
    assert np.isfinite(pipeline.score(X[100:], y[100:]))
    scores = cross_val_score(pipeline, X, y, cv=TimeSeriesSplit(5))
    assert np.isfinite(scores).all()
    search = GridSearchCV(
        pipeline, {"forecast__window": [6, 12]}, cv=TimeSeriesSplit(2)
    )
    assert search.fit(X, y).best_params_["forecast__window"] in (6, 12)


def test_columns_that_are_transformed():
    X, y = hourly()
    X["kind"] = np.where(X["wind"] > 0, "a", "b")
    columns = ColumnTransformer(
        [
            ("one-hot", OneHotEncoder(sparse_output=False), ["kind"]),
            ("scale", StandardScaler(), make_column_selector(dtype_include="number")),
        ]
    )
    columns.set_output(transform="pandas")
    pipeline = make_pipeline(columns, forecaster())
    pipeline.fit(X[:100], y[:100])
    assert list(pipeline[-1].feature_names_in_) == [
        "one-hot__kind_a",
        "one-hot__kind_b",
        "scale__temp",
        "scale__wind",
    ]
    assert pipeline.predict(X[100:]).shape == (20,)
    assert pipeline.score(X[100:], y[100:]) > 0.4
    # The index came through: rows of the past are forecast from those before them.
    inside = pipeline.predict(X[50:60])
    assert_same_bits(pipeline.predict(X[50:54]), inside[:4])
    assert np.abs(inside - y[50:60]).mean() < np.abs(y - y.mean()).mean()


def test_targets_that_are_transformed():
    X, y = make_table()
    y = y - y.min() + 1
    logs = TransformedTargetRegressor(forecaster(), func=np.log, inverse_func=np.exp)
    logs.fit(X[:100], y[:100])
    expected = np.exp(forecaster().fit(X[:100], np.log(y[:100])).predict(X[100:]))
    assert_same_bits(logs.predict(X[100:]), expected)
    # Forecasts follow the units of the target, so to scale it changes nothing.
    scaled = TransformedTargetRegressor(forecaster(), transformer=StandardScaler())
    scaled.fit(X[:100], y[:100])
    plain = forecaster().fit(X[:100], y[:100])
    assert_allclose(scaled.predict(X[100:]), plain.predict(X[100:]), rtol=1e-5)
    scores = cross_val_score(scaled, X, y, cv=TimeSeriesSplit(3))
    assert np.isfinite(scores).all()


def test_cross_validation_over_the_series_of_a_panel():
    X = make_panel((60, 50, 75, 61, 40, 80))
    cv = KFold(3)
    scores = cross_val_score(forecaster(), X, cv=cv)
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        model = forecaster().fit([X[i] for i in train])
        assert score == model.score([X[i] for i in test])
    groups = [0, 0, 1, 1, 2, 2]
    scores = cross_val_score(forecaster(), X, groups=groups, cv=GroupKFold(3))
    assert np.isfinite(scores).all()
    search = GridSearchCV(forecaster(), {"window": [6, 12]}, cv=KFold(2)).fit(X)
    assert search.predict(X[:2]).shape == (2, 4)
    assert search.score(X) == search.best_estimator_.score(X)
    equal = np.stack([x[:40] for x in X])
    scores = cross_val_score(forecaster(), equal[..., np.newaxis], cv=3)
    assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match="one series.*newaxis"):
        forecaster(horizon=10).fit(equal)


def test_clone_and_joblib():
    X, y = hourly()
    model = forecaster(known_future=["temp"], hidden_layer_sizes=(3, 2)).fit(X, y)
    other = clone(model)
    assert not hasattr(other, "window_")
    assert_same_bits(other.fit(X, y).predict(), model.predict())
    file = io.BytesIO()
    joblib.dump(make_pipeline(StandardScaler(), forecaster()).fit(X, y), file)
    file.seek(0)
    assert joblib.load(file).predict(X[100:]).shape == (20,)
    found = joblib.Parallel(n_jobs=2)(
        joblib.delayed(model.predict)(X[start : start + 9]) for start in (20, 60)
    )
    assert_same_bits(found[0], model.predict(X[20:29]))


def test_what_else_takes_a_regressor():
    X, y = hourly()
    model = forecaster().fit(X[:100], y[:100])
    both = VotingRegressor([("a", forecaster()), ("b", DummyRegressor())])
    both.fit(X[:100], y[:100])
    expected = (model.predict(X[100:]) + y[:100].mean()) / 2
    assert_allclose(both.predict(X[100:]), expected, rtol=1e-12)
    importance = permutation_importance(
        model, X[100:], y[100:], n_repeats=3, random_state=0
    ).importances_mean
    assert importance[0] > 10 * abs(importance[1])
    sizes, _, scores = learning_curve(
        forecaster(), X, y, cv=TimeSeriesSplit(2), train_sizes=[0.6, 1.0]
    )
    assert len(sizes) == 2
    assert np.isfinite(scores).all()
    scorer = make_scorer(mean_absolute_error, greater_is_better=False)
    assert scorer(model, X[100:], y[100:]) == -mean_absolute_error(
        y[100:], model.predict(X[100:])
    )


def test_what_scikit_learn_is_told():
    model = forecaster()
    assert is_regressor(model)
    tags = get_tags(model)
    assert tags.input_tags.allow_nan
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert tags.target_tags.multi_output
    assert not tags.target_tags.required
    assert "SequenceForecaster" in model._repr_html_inner()
    assert repr(SequenceForecaster(3)) == "SequenceForecaster(horizon=3)"
