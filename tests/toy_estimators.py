"""Small classifiers and regressors of toy problems, and what they say."""

import copy

import numpy as np
import pytest

from skrnn import RNNClassifier, RNNRegressor
from toys import QUICK, make_classes, make_labels, make_targets

THREE = ("a", "b", "c")


def classifier(**parameters):
    return RNNClassifier(**{**QUICK, **parameters})


def regressor(**parameters):
    return RNNRegressor(**{**QUICK, **parameters})


def problems():
    """Estimators with sequences and targets of every kind."""
    yield pytest.param(classifier(), *make_classes(), id="binary")
    yield pytest.param(classifier(), *make_classes(THREE), id="multiclass")
    yield pytest.param(classifier(max_iter=30), *make_labels(), id="multilabel")
    yield pytest.param(regressor(max_iter=30), *make_targets(), id="one target")
    yield pytest.param(regressor(max_iter=30), *make_targets(2), id="two targets")


every_problem = pytest.mark.parametrize("estimator, X, y", list(problems()))
both = pytest.mark.parametrize(
    "estimator, X, y",
    [
        pytest.param(classifier(), *make_classes(THREE), id="classifier"),
        pytest.param(regressor(), *make_targets(), id="regressor"),
    ],
)


def outputs(estimator, X):
    """Everything that a fitted estimator says about sequences."""
    names = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
    return [getattr(estimator, n)(X) for n in names if hasattr(estimator, n)]


def assert_same_outputs(actual, desired):
    for a, d in zip(actual, desired, strict=True):
        assert a.dtype == d.dtype
        np.testing.assert_array_equal(a, d)


def state(estimator):
    """All attributes, arrays and lists as they are now."""
    return copy.deepcopy(estimator.__getstate__())


def assert_same_state(estimator, before):
    np.testing.assert_equal(estimator.__getstate__(), before)
