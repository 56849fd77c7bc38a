"""What classifiers and regressors refuse, and what an error leaves as it was."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier
from toy_estimators import (
    THREE,
    assert_same_outputs,
    assert_same_state,
    both,
    classifier,
    outputs,
    regressor,
    state,
)
from toys import make_classes, make_sequences, make_targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# What goes wrong -----------------------------------------------------------------


def bad_calls(X, y):
    """Arguments of fit that must be refused, with what the message says."""
    n = len(X)
    yield "y too short", (X, y[1:]), {}, "inconsistent numbers of samples"
    yield "no y", (X, None), {}, "requires y to be passed"
    yield "NaN", ([X[0] * np.nan, *X[1:]], y), {}, r"X\[0\]"
    yield "empty", ([X[0][:0], *X[1:]], y), {}, r"X\[0\]"
    yield "other features", ([*X[:-1], X[-1][:, :1]], y), {}, rf"X\[{n - 1}\]"
    yield "no sequences", ([], []), {}, "0 sample|no sequence|No sequence"
    yield "negative weight", (X, y, [-1.0] * n), {}, "Negative values"
    yield "zero weights", (X, y, [0.0] * n), {}, "at least one non-zero"
    yield "weights too short", (X, y, [1.0]), {}, "sample_weight.shape"
    yield "weights in 2-D", (X, y, np.ones((n, 1))), {}, "1D array or scalar"
    yield "NaN weight", (X, y, [np.nan] * n), {}, "NaN"


CASES = [
    pytest.param(
        estimator, X, y, *case[1:], id=f"{type(estimator).__name__}, {case[0]}"
    )
    for estimator, X, y in [
        (classifier(), *make_classes(THREE)),
        (regressor(), *make_targets()),
    ]
    for case in bad_calls(X, y)
]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("estimator, X, y, args, kwargs, message", CASES)
def test_a_failed_fit_changes_nothing(estimator, X, y, args, kwargs, message, method):
    fresh = clone(estimator)
    if method == "partial_fit" and isinstance(estimator, RNNClassifier):
        kwargs = {**kwargs, "classes": THREE}
    for before_fit in (True, False):
        subject = fresh if before_fit else clone(estimator).fit(X, y)
        before = state(subject)
        with pytest.raises((ValueError, TypeError), match=message):
            getattr(subject, method)(*args, **kwargs)
        assert_same_state(subject, before)
    assert_same_outputs(outputs(subject, X), outputs(clone(estimator).fit(X, y), X))


@pytest.mark.parametrize(
    "parameters",
    [
        {"hidden_layer_sizes": 0},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (8, 2.5)},
        {"hidden_layer_sizes": [[8]]},
        {"cell": "GRU"},
        {"activation": "sigmoid"},
        {"pooling": None},
        {"segment_length": 0},
        {"dropout": 1.0},
        {"solver": "rmsprop"},
        {"learning_rate": "fast"},
        {"learning_rate_init": 0.0},
        {"batch_size": 0},
        {"max_grad_norm": 0.0},
        {"bptt_steps": 0},
        {"validation_fraction": 0.0},
        {"dtype": "float16"},
        {"missing": "mean"},
        {"n_jobs": 1.5},
        {"scoring": 3},
    ],
    ids=str,
)
@both
def test_wrong_parameters_are_refused_before_anything_happens(
    estimator, X, y, parameters
):
    estimator = clone(estimator).set_params(max_iter=1).fit(X, y)
    estimator.set_params(**parameters)
    before = state(estimator)
    with pytest.raises(ValueError, match=next(iter(parameters))):
        estimator.fit(X, y)
    with pytest.raises(ValueError, match=next(iter(parameters))):
        estimator.partial_fit(X, y)
    assert_same_state(estimator, before)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_divergence_says_what_to_lower_and_changes_nothing(method):
    X, y = make_targets()
    estimator = regressor(cell="rnn", activation="relu", standardize=False)
    estimator.set_params(max_grad_norm=None, solver="sgd").fit(X, y * 0.0)
    estimator.set_params(learning_rate_init=1e20)
    before = state(estimator)
    with pytest.raises(ValueError, match="learning_rate_init"):
        for _ in range(3):
            getattr(estimator, method)(X, y)
    if method == "fit":
        assert_same_state(estimator, before)
    assert np.isfinite(estimator.predict(X)).all()


@both
def test_an_error_in_a_scorer_changes_nothing(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)

    def scorer(estimator, X, y):
        raise RuntimeError("no score today")

    estimator.set_params(scoring=scorer, early_stopping=True)
    before = state(estimator)
    with pytest.raises(RuntimeError, match="no score today"):
        estimator.fit(X, y)
    assert_same_state(estimator, before)


@pytest.mark.parametrize("y", [[0.5] * 39 + [0.25], [[1, 2, 3]] * 40, [None] * 40])
def test_targets_that_are_no_classes(y):
    with pytest.raises((ValueError, TypeError)):
        classifier().fit(make_sequences(), y)


@pytest.mark.parametrize(
    "y", [["a"] * 40, [np.nan] * 40, np.ones((40, 1, 1)), [1e200j] * 40]
)
def test_targets_that_are_no_numbers(y):
    with pytest.raises(ValueError):
        regressor().fit(make_sequences(), y)


def test_targets_too_large_to_standardise():
    with pytest.raises(ValueError, match="too large to be standardised"):
        regressor().fit(make_sequences(), [-1e200, 1e200] * 20)


@both
def test_not_fitted(estimator, X, y):
    for name in ("predict", "hidden_states", "attention_weights"):
        unfitted = clone(estimator).set_params(pooling="attention")
        if hasattr(unfitted, name):
            with pytest.raises(NotFittedError, match="not fitted yet"):
                getattr(unfitted, name)(X)
    assert not hasattr(clone(estimator), "weights_")


@both
def test_neither_data_nor_parameters_change(estimator, X, y):
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=2)
    weight = np.linspace(0, 1, len(X))
    data = copy.deepcopy((X, y, weight))
    parameters = copy.deepcopy(estimator.get_params())
    assert estimator.fit(X, y, sample_weight=weight) is estimator
    outputs(estimator, X)
    np.testing.assert_equal((X, y, weight), data)
    assert estimator.get_params() == parameters
    for array in (*X, y, weight):
        array.flags.writeable = False
    clone(estimator).fit(X, y, sample_weight=weight).predict(X)
