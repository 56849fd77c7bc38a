"""Checks of scikit-learn's tools."""

import unittest
from contextlib import suppress

import numpy as np
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import Pipeline

from skrnn.testing._forms import (
    import_or_skip,
    objects,
    pandas_series,
)
from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    as_arrays,
    both,
    has,
    is_deterministic,
)


def _containers():
    """Forms that scikit-learn takes rows of."""
    forms = {"a list": list, "an object array": objects}
    with suppress(unittest.SkipTest):
        import_or_skip("pandas")
        forms["a Series"] = pandas_series
    return forms


@sequence_check(has("score"))
def check_score(trial):
    """The score of ragged sequences is a number, the same in any container."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    scores = {what: fitted.score(make(X), y) for what, make in _containers().items()}
    for what, score in scores.items():
        assert np.ndim(score) == 0 and np.isfinite(score), (
            f"{trial.name}.score of {what} is {score!r}."
        )
        assert np.isclose(score, scores["a list"], rtol=1e-5), (
            f"{trial.name}.score of {what} is {score}, of a list {scores['a list']}."
        )


@sequence_check(is_deterministic)
def check_pipeline(trial):
    """In a Pipeline, the estimator says what it says alone."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    steps = [("nothing", "passthrough"), ("estimator", trial.new())]
    if hasattr(trial.original, "transform"):
        steps.append(("more", "passthrough"))
    pipeline = trial.fit(X, y, Pipeline(steps))
    for name in expected:
        if hasattr(pipeline, name):
            found = {name: as_arrays(getattr(pipeline, name)(X))}
            trial.assert_same(found, {name: expected[name]}, "in a pipeline")


@sequence_check(both(has("predict"), is_deterministic))
def check_cross_val_predict(trial):
    """Folds of ragged sequences are predicted as if they were split by hand."""
    X, y = trial.X_y()
    folds = KFold(2)
    expected = []
    for train, test in folds.split(X):
        fitted = trial.fit([X[i] for i in train], None if y is None else y[train])
        expected += as_arrays(fitted.predict([X[i] for i in test]))
    for what, make in _containers().items():
        found = cross_val_predict(trial.new(), make(X), y, cv=folds)
        found, by_hand = {"predict": as_arrays(found)}, {"predict": expected}
        trial.assert_same(found, by_hand, f"in cross_val_predict of {what}")


@sequence_check(both(has("score"), is_deterministic))
def check_grid_search(trial):
    """GridSearchCV takes ragged sequences, and refits what it finds."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    for what, make in _containers().items():
        search = GridSearchCV(trial.new(), {}, cv=2, error_score="raise")
        search = trial.fit(make(X), y, search)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        found = trial.results(search.best_estimator_, X)
        trial.assert_same(found, expected, f"in GridSearchCV of {what}")
