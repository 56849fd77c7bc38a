"""The classifier and the regressor on ragged lists, as users meet them."""

import ast
import copy
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

import skrnn
from fitted import set_theta, theta_of
from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor, _recurrence
from skrnn.estimators._parameters import auto_batch_size
from skrnn.estimators._split import split_validation
from skrnn.inputs.packed import auto_segment_length
from skrnn.solvers import Adam
from skrnn.training import Trainer
from toys import (
    QUICK,
    STEADY,
    make_classes,
    make_labels,
    make_sequences,
    make_targets,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

needs_openmp = pytest.mark.skipif(
    _recurrence.build_info()["OpenMP"] == "no", reason="compiled without OpenMP"
)
THREE = ("a", "b", "c")
NETWORKS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm", "pooling": "mean"},
    {"cell": "gru", "hidden_layer_sizes": (6, 5), "bidirectional": True},
    {"pooling": "max", "segment_length": 3},
    {"pooling": "attention", "dtype": "float64", "missing": "indicator"},
]


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


# Learning ------------------------------------------------------------------------


@every_problem
def test_learns(estimator, X, y):
    X_test, y_test = X[30:], y[30:]
    assert clone(estimator).fit(X[:30], y[:30]).score(X_test, y_test) > 0.65


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_learns_with_every_network(network):
    X, y = make_classes(THREE)
    assert classifier(**network).fit(X, y).score(X, y) > 0.85
    X, y = make_targets()
    assert regressor(**network, max_iter=30).fit(X, y).score(X, y) > 0.7


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_learns_with_every_solver(solver):
    X, y = make_classes()
    estimator = classifier(solver=solver, learning_rate_init=0.05, max_iter=30)
    assert estimator.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize(
    "labels",
    [(0, 1), (7, -3), (False, True), ("x", "y", "z"), (1.0, 2.0, 5.0)],
    ids=str,
)
def test_labels_come_back_as_they_were(labels):
    X, y = make_classes(labels)
    estimator = classifier().fit(X, y)
    assert estimator.classes_.dtype == y.dtype
    np.testing.assert_array_equal(estimator.classes_, np.unique(y))
    assert estimator.predict(X).dtype == y.dtype
    assert set(estimator.predict(X)) <= set(y)


def test_one_class_is_always_predicted():
    X = make_sequences(5)
    estimator = classifier().fit(X, ["only"] * 5)
    assert set(estimator.predict(X)) == {"only"}
    np.testing.assert_array_equal(estimator.predict_proba(X), np.ones((5, 1)))
    np.testing.assert_array_equal(estimator.predict_log_proba(X), np.zeros((5, 1)))


@pytest.mark.parametrize(
    "estimator, X, y, shape, activation",
    [
        (classifier(), *make_classes(), (), "logistic"),
        (classifier(), *make_classes(THREE), (3,), "softmax"),
        (classifier(), *make_labels(), (3,), "logistic"),
    ],
    ids=["binary", "multiclass", "multilabel"],
)
def test_scores_and_probabilities(estimator, X, y, shape, activation):
    estimator = clone(estimator).fit(X, y)
    predicted, proba, log_proba, scores = outputs(estimator, X)
    assert predicted.shape == y.shape
    assert scores.shape == (len(X), *shape)
    assert estimator.out_activation_ == activation
    assert proba.dtype == log_proba.dtype == scores.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-14)
    if y.ndim == 2:
        np.testing.assert_array_equal(predicted, proba > 0.5)
        np.testing.assert_allclose(proba, 1 / (1 + np.exp(-scores)), rtol=1e-13)
    else:
        assert proba.shape == (len(X), len(estimator.classes_))
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=3e-16)
        best = estimator.classes_[proba.argmax(axis=1)]
        np.testing.assert_array_equal(predicted, best)


def test_regressor_keeps_the_shape_of_y():
    X, y = make_targets()
    assert regressor().fit(X, y).predict(X).shape == (40,)
    assert regressor().fit(X, np.column_stack([y, y])).predict(X).shape == (40, 2)
    with pytest.warns(DataConversionWarning):
        assert regressor().fit(X, y[:, np.newaxis]).predict(X).shape == (40,)


def test_constant_targets():
    X = make_sequences()
    y = np.column_stack([np.full(40, 0.1), np.full(40, -1e300)])
    predicted = regressor(max_iter=2, tol=1e-3).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted, y, rtol=1, atol=1)


def test_targets_of_any_scale():
    # Powers of two change no bit of the standardised targets.
    X, y = make_targets()
    predicted = regressor().fit(X, y).predict(X)
    scaled = regressor().fit(X, y * 2.0**200).predict(X)
    np.testing.assert_array_equal(scaled, predicted * 2.0**200)


@both
def test_inputs_of_any_scale(estimator, X, y):
    expected = outputs(clone(estimator).fit(X, y), X)
    scale = np.array([2.0**100, 2.0**-70])
    scaled = [x * scale for x in X]
    assert_same_outputs(outputs(clone(estimator).fit(scaled, y), scaled), expected)


@both
def test_without_standardisation_the_scale_is_the_users(estimator, X, y):
    estimator = clone(estimator).set_params(standardize=False, max_iter=2)
    fitted = estimator.fit(X, y)
    expected = outputs(fitted, X)
    shifted = [x + 1.0 for x in X]
    assert not np.array_equal(outputs(fitted, shifted)[-1], expected[-1])
    assert np.isfinite(expected[-1]).all()


# The same bits -------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_prediction_depends_on_nothing_but_the_sequence(make, network):
    X, y = make_classes(THREE) if make is classifier else make_targets()
    estimator = make(max_iter=3, **network).fit(X, y)
    expected = outputs(estimator, X)
    alone = zip(*(outputs(estimator, [x]) for x in X), strict=True)
    assert_same_outputs([np.concatenate(a) for a in alone], expected)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = outputs(estimator, [X[i] for i in order])
    assert_same_outputs(shuffled, [e[order] for e in expected])
    threaded = copy.deepcopy(estimator).set_params(n_jobs=3)
    assert_same_outputs(outputs(threaded, X), expected)
    repeated = outputs(estimator, X * 5)
    assert_same_outputs(repeated, [np.concatenate([e] * 5) for e in expected])


@both
def test_every_form_of_the_same_sequences_is_the_same(estimator, X, y):
    block = np.random.default_rng(0).normal(size=(40, 6, 2))
    forms = {
        "block": block,
        "list": list(block),
        "nested lists": block.tolist(),
        "Fortran order": np.asfortranarray(block),
    }
    expected = outputs(clone(estimator).fit(block, y), block)
    for form in forms.values():
        fitted = clone(estimator).fit(form, y)
        for other in forms.values():
            assert_same_outputs(outputs(fitted, other), expected)


@both
def test_containers_of_other_packages(estimator, X, y):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = outputs(clone(estimator).fit(X, y), X)
    array = np.empty(len(X), dtype=object)
    array[:] = X
    for container in (
        tuple(X),
        array,
        pd.Series(X, index=np.arange(len(X))[::-1]),
        pl.Series([x.tolist() for x in X]),
    ):
        for targets in (y, list(y), pd.Series(y, index=range(7, 47)), pl.Series(y)):
            fitted = clone(estimator).fit(container, targets)
            # Labels have a type of their container; the numbers are the same.
            assert_same_outputs(outputs(fitted, container)[-1:], expected[-1:])
    frames = [pd.DataFrame(x, columns=["speed", "height"]) for x in X]
    fitted = clone(estimator).fit(frames, y)
    np.testing.assert_array_equal(fitted.feature_names_in_, ["speed", "height"])
    assert_same_outputs(outputs(fitted, frames), expected)


def test_labels_of_other_packages():
    pd = pytest.importorskip("pandas")
    X, y = make_classes(("a", "b", "c"))
    expected = classifier().fit(X, y).predict_proba(X)
    for labels in (
        pd.Series(y, dtype="category"),
        pd.Series(y, dtype=object),
        pd.Series(y, dtype="string"),
    ):
        fitted = classifier().fit(X, labels)
        np.testing.assert_array_equal(fitted.predict_proba(X), expected)
        assert set(fitted.predict(X)) <= {"a", "b", "c"}
    X, y = make_classes((0, 1))
    expected = classifier().fit(X, y).predict_proba(X)
    for dtype in ("Int64", "boolean", "bool", "float32", "int8"):
        fitted = classifier().fit(X, pd.Series(y).astype(dtype))
        np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_sparse_labels():
    X, y = make_labels()
    fitted = classifier(max_iter=2).fit(X, sparse.csr_array(y))
    expected = classifier(max_iter=2).fit(X, y)
    assert_same_outputs(outputs(fitted, X), outputs(expected, X))


@both
def test_prediction_in_several_batches(estimator, X, y, monkeypatch):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)
    expected = outputs(estimator, X)
    for rows in (1, 7, 50):
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_ROWS", rows)
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_SEQS", rows)
        assert_same_outputs(outputs(estimator, X), expected)


@both
def test_prediction_from_several_threads(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)
    expected = outputs(estimator, X)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: outputs(estimator, X), range(40)):
            assert_same_outputs(got, expected)


@both
def test_prediction_is_of_the_last_fit(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=2)
    previous = None
    for method in ("fit", "partial_fit", "fit", "partial_fit"):
        getattr(estimator, method)(X, y)
        now = outputs(estimator, X)
        assert_same_outputs(now, outputs(pickle.loads(pickle.dumps(estimator)), X))
        assert previous is None or not np.array_equal(now[-1], previous[-1])
        previous = now


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@both
def test_fits_of_one_random_state_are_the_same(estimator, X, y, dropout):
    estimator = clone(estimator).set_params(
        dropout=dropout, recurrent_dropout=dropout, early_stopping=True, max_iter=4
    )
    first = clone(estimator).fit(X, y)
    for again in (
        clone(estimator).fit(X, y),
        clone(estimator).set_params(n_jobs=2).fit(X, y),
        clone(estimator).set_params(random_state=np.random.RandomState(0)).fit(X, y),
    ):
        assert_same_outputs(outputs(again, X), outputs(first, X))
        assert again.loss_curve_ == first.loss_curve_
    other = clone(estimator).set_params(random_state=1).fit(X, y)
    assert other.loss_curve_ != first.loss_curve_


def test_n_jobs_follows_joblib(monkeypatch):
    threads = []
    X, y = make_classes()
    estimator = classifier(max_iter=1).fit(X, y)
    fit = Trainer.fit

    def spy(self, *args, **kwargs):
        threads.append(self.options.n_threads)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "fit", spy)
    monkeypatch.setattr("skrnn.estimators._parameters.max_threads", lambda: 4)
    for n_jobs in (None, 1, 2, 1000):
        estimator.set_params(n_jobs=n_jobs).fit(X, y)
    with joblib.parallel_config("threading", n_jobs=2):
        estimator.set_params(n_jobs=None).fit(X, y)
    assert threads == [1, 1, 2, 4, 2]


@needs_openmp
def test_n_jobs_heeds_threadpoolctl():
    estimator = classifier(n_jobs=7)
    for limit in (3, 1, 9):
        with threadpool_limits(limit):
            assert estimator._n_threads() == min(limit, 7)
        with threadpool_limits(limit, user_api="blas"):
            assert estimator._n_threads() == min(_recurrence.max_threads(), 7)


# Weights -------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@every_problem
def test_weight_zero_is_absence(estimator, X, y, solver):
    estimator = clone(estimator).set_params(solver=solver, max_iter=5)
    weight = np.random.default_rng(0).integers(0, 3, size=len(X)) / 2
    kept = np.flatnonzero(weight)
    weighted = clone(estimator).fit(X, y, sample_weight=weight)
    without = clone(estimator).fit([X[i] for i in kept], y[kept], weight[kept])
    assert_same_outputs(outputs(weighted, X), outputs(without, X))


def test_a_class_of_weight_zero_is_absent():
    X, y = make_classes(THREE)
    estimator = classifier().fit(X, y, sample_weight=(y != "b").astype(float))
    np.testing.assert_array_equal(estimator.classes_, ["a", "c"])


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@every_problem
def test_weight_two_is_twice_when_the_batch_is_the_whole_set(estimator, X, y, solver):
    # With dropout, two sequences have two masks and a weight of two has one.
    estimator = clone(estimator).set_params(
        solver=solver,
        batch_size=1000,
        dropout=0.0,
        recurrent_dropout=0.0,
        dtype="float64",
        max_iter=8,
        alpha=1.0,
    )
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    repeated = np.repeat(np.arange(len(X)), weight)
    weighted = clone(estimator).fit(X, y, sample_weight=weight)
    twice = clone(estimator).fit([X[i] for i in repeated], y[repeated])
    for a, b in zip(outputs(weighted, X), outputs(twice, X), strict=True):
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_class_weight():
    X, y = make_classes(THREE)
    rare = np.flatnonzero((y != "a") | (np.arange(40) < 8))
    X, y = [X[i] for i in rare], y[rare]
    shares = {c: (y == c).mean() for c in THREE}
    named = {c: 1 / (3 * shares[c]) for c in THREE}

    def probabilities(sample_weight=None, **parameters):
        # Unlike class weights, sample weights also count in the scale of features.
        estimator = classifier(standardize=False, alpha=0, max_iter=3, **parameters)
        return estimator.fit(X, y, sample_weight).predict_proba(X)

    balanced = probabilities(class_weight="balanced")
    assert np.abs(balanced - probabilities()).max() > 0.01
    for same in (
        probabilities(class_weight=named),
        probabilities([named[c] for c in y]),
        probabilities(np.full(len(y), 2.0), class_weight="balanced"),
    ):
        np.testing.assert_allclose(same, balanced, rtol=1e-4)
    ignored = classifier(class_weight={"a": 0.0, "b": 1.0, "c": 1.0}).fit(X, y)
    assert "a" in ignored.classes_
    assert "a" not in ignored.predict(X)


def test_class_weight_of_labels():
    X, y = make_labels()
    plain = classifier(max_iter=3).fit(X, y)
    ones = classifier(max_iter=3, class_weight=[{0: 1, 1: 1}] * 3).fit(X, y)
    np.testing.assert_array_equal(ones.predict_proba(X), plain.predict_proba(X))
    heavy = classifier(max_iter=3, class_weight=[{0: 1, 1: 50}] * 3).fit(X, y)
    assert heavy.predict_proba(X).mean() > plain.predict_proba(X).mean()
    classifier(max_iter=1, class_weight="balanced").fit(X, y)
    for wrong in ({0: 1, 1: 2}, [{0: 1, 1: 2}]):
        with pytest.raises(ValueError, match="a dict for each of the 3 labels"):
            classifier(class_weight=wrong).fit(X, y)
    with pytest.raises(ValueError, match="multilabel"):
        classifier(class_weight=[{0: 1}]).fit(*make_classes())


# Early stopping ------------------------------------------------------------------


@both
def test_early_stopping_keeps_the_best(estimator, X, y):
    estimator = clone(estimator).set_params(
        early_stopping=True, n_iter_no_change=3, max_iter=200, learning_rate_init=0.1
    )
    with no_warnings():
        estimator.fit(X, y)
    assert estimator.n_iter_ < 200
    assert len(estimator.validation_scores_) == len(estimator.loss_curve_)
    assert estimator.best_validation_score_ == max(estimator.validation_scores_)
    np.testing.assert_allclose(
        estimator.validation_scores_, -np.array(estimator.validation_loss_curve_)
    )


def test_given_validation_data():
    X, y = make_classes(THREE)
    X_val, y_val = make_classes(THREE, n_seqs=12, seed=5)
    estimator = classifier(early_stopping=True)
    estimator.fit(X, y, X_val=X_val, y_val=y_val)
    best = -log_loss(y_val, estimator.predict_proba(X_val))
    assert estimator.best_validation_score_ == pytest.approx(best, rel=1e-6)
    weight = np.arange(12.0)
    estimator.fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    best = -log_loss(y_val, estimator.predict_proba(X_val), sample_weight=weight)
    assert estimator.best_validation_score_ == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("scoring", ["accuracy", None, "neg_log_loss"])
def test_scoring(scoring):
    X, y = make_classes(THREE)
    X_val, y_val = make_classes(THREE, n_seqs=12, seed=5)
    estimator = classifier(early_stopping=True, scoring=scoring, max_iter=5)
    estimator.fit(X, y, X_val=X_val, y_val=y_val)
    assert len(estimator.validation_scores_) == len(estimator.loss_curve_)
    if scoring != "neg_log_loss":
        assert estimator.best_validation_score_ == estimator.score(X_val, y_val)


def test_scoring_by_a_function_and_with_weights():
    X, y = make_targets()
    weights = []

    def scorer(estimator, X, y, sample_weight=None):
        weights.append(sample_weight)
        return -np.abs(estimator.predict(X) - y).mean()

    estimator = regressor(early_stopping=True, scoring=scorer, max_iter=3)
    estimator.fit(X, y, X_val=X[:9], y_val=y[:9], sample_weight_val=np.ones(9))
    assert len(weights) >= 3
    assert all(len(weight) == 9 for weight in weights)
    best = scorer(estimator, X[:9], y[:9])
    assert estimator.best_validation_score_ == pytest.approx(best)


@pytest.mark.parametrize(
    "given, early_stopping, message",
    [
        (("X_val",), True, "X_val is provided, but y_val was not provided"),
        (("y_val",), True, "y_val is provided, but X_val was not provided"),
        (("sample_weight_val",), True, "sample_weight_val is provided"),
        (("X_val", "y_val"), False, "while at the same time early_stopping is False"),
    ],
)
@both
def test_validation_data_in_parts(estimator, X, y, given, early_stopping, message):
    parts = {"X_val": X, "y_val": y, "sample_weight_val": np.ones(len(y))}
    estimator = clone(estimator).set_params(early_stopping=early_stopping)
    with pytest.raises(ValueError, match=message):
        estimator.fit(X, y, **{name: parts[name] for name in given})


def test_validation_data_of_other_kinds():
    X, y = make_classes()
    estimator = classifier(early_stopping=True)
    with pytest.raises(ValueError, match="classes not in"):
        estimator.fit(X, y, X_val=X, y_val=["maybe"] * len(X))
    with pytest.raises(ValueError, match="features"):
        estimator.fit(X, y, X_val=[x[:, :1] for x in X], y_val=y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        estimator.fit(X, y, X_val=X, y_val=y[1:])
    with pytest.raises(ValueError, match="sample_weight_val"):
        estimator.fit(X, y, X_val=X, y_val=y, sample_weight_val=[1.0])


def test_groups_are_not_torn(monkeypatch):
    X, y = make_classes(THREE)
    groups = np.arange(40) // 4
    seen = []
    hold_out = skrnn.estimators._base.SequenceEstimator._hold_out

    def spy(self, *args):
        parts = hold_out(self, *args)
        seen.append([set(part.groups) for part in parts])
        return parts

    monkeypatch.setattr("skrnn.estimators._base.SequenceEstimator._hold_out", spy)
    classifier(early_stopping=True, max_iter=1).fit(X, y, groups=groups)
    regressor(early_stopping=True, max_iter=1).fit(*make_targets(), groups=groups)
    for train, held_out in seen:
        assert train | held_out == set(groups)
        assert held_out and not train & held_out
    with pytest.raises(ValueError, match="of one group"):
        classifier(early_stopping=True).fit(X, y, groups=[0] * 40)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier(early_stopping=True).fit(X, y, groups=groups[1:])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_inner_split_keeps_the_shares_of_classes(fraction, seed):
    labels = np.repeat(np.arange(12), np.arange(1, 13))
    state = np.random.RandomState(seed)
    train, held_out = split_validation(78, fraction, state, labels=labels)
    np.testing.assert_array_equal(np.sort([*train, *held_out]), np.arange(78))
    assert len(held_out) == round(78 * fraction)
    counts = np.bincount(labels[held_out], minlength=12)
    assert (np.abs(counts - np.arange(1, 13) * len(held_out) / 78) < 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_inner_split_of_groups(seed):
    rng = np.random.default_rng(seed)
    groups, labels = rng.integers(9, size=60), rng.integers(3, size=60)
    for kinds in (labels, None, np.arange(60)):
        train, held_out = split_validation(
            60, 0.2, np.random.RandomState(seed), labels=kinds, groups=groups
        )
        assert not set(groups[train]) & set(groups[held_out])
        assert 0 < len(held_out) < 30
    two = split_validation(2, 0.1, np.random.RandomState(0), groups=np.array([0, 1]))
    assert [len(part) for part in two] == [1, 1]


def test_too_few_sequences_to_hold_any_out():
    with pytest.raises(ValueError, match="n_samples=1 leaves 0"):
        regressor(early_stopping=True).fit(make_sequences(1), [1.0])


# Going on ------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@every_problem
def test_warm_start_goes_on_as_if_never_stopped(estimator, X, y, solver, learning_rate):
    estimator = clone(estimator).set_params(
        solver=solver,
        learning_rate=learning_rate,
        dropout=0.2,
        recurrent_dropout=0.1,
        tol=0,
        max_iter=7,
    )
    whole = clone(estimator).fit(X, y)
    parts = clone(estimator).set_params(warm_start=True, max_iter=3).fit(X, y)
    parts.set_params(max_iter=4).fit(X, y)
    assert parts.n_iter_ == 4
    assert parts.t_ == whole.t_ == 7 * len(X)
    assert parts.loss_curve_ == whole.loss_curve_
    assert_same_outputs(outputs(parts, X), outputs(whole, X))


@pytest.fixture
def rates(monkeypatch):
    """The learning rates of all steps that Adam makes in a test."""
    rates, step = [], Adam.step

    def spy(self, *args):
        rates.append(self.learning_rate)
        step(self, *args)

    monkeypatch.setattr(Adam, "step", spy)
    return rates


@both
def test_a_linear_learning_rate_starts_anew_in_each_fit(estimator, X, y, rates):
    estimator = clone(estimator).set_params(
        learning_rate_init=1.0, max_iter=4, batch_size=40, warm_start=True
    )
    estimator.fit(X, y).fit(X, y).set_params(max_iter=2).fit(X, y)
    assert rates == [1.0, 0.75, 0.5, 0.25] * 2 + [1.0, 0.5]
    assert len(estimator.loss_curve_) == 10
    estimator.partial_fit(X, y).partial_fit(X, y)
    assert rates[-2:] == [1.0, 1.0]


@both
def test_warm_start_after_another_solver(estimator, X, y):
    estimator = clone(estimator).set_params(**STEADY, warm_start=True, solver="lbfgs")
    estimator.fit(X, y)
    loss = estimator.loss_
    estimator.set_params(solver="adam", learning_rate_init=1e-4).fit(X, y)
    estimator.set_params(solver="sgd").fit(X, y)
    assert estimator.loss_ < 2 * loss + 0.01


@both
def test_warm_start_with_early_stopping(estimator, X, y):
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=3)
    estimator.set_params(warm_start=True).fit(X, y).fit(X, y)
    assert len(estimator.validation_scores_) == len(estimator.loss_curve_) == 6


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_layer_sizes": (8, 8)},
        {"cell": "lstm"},
        {"pooling": "mean"},
        {"bidirectional": True},
        {"segment_length": 2},
        {"dtype": "float64"},
        {"missing": "indicator"},
        {"standardize": False},
    ],
    ids=str,
)
@both
def test_a_fitted_network_cannot_change(estimator, X, y, change):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)
    expected = outputs(estimator, X)
    estimator.set_params(**change)
    before = state(estimator)
    with pytest.raises(
        ValueError, match=f"partial_fit continues.*{next(iter(change))}"
    ):
        estimator.partial_fit(X, y)
    estimator.set_params(warm_start=True)
    with pytest.raises(ValueError, match=f"warm_start continues.*{next(iter(change))}"):
        estimator.fit(X, y)
    estimator.set_params(warm_start=False)
    assert_same_state(estimator, before)
    # Parameters are for the next fit: predictions come from what was fitted.
    assert_same_outputs(outputs(estimator, X), expected)
    estimator.fit(X, y)


def test_the_same_structure_in_other_words():
    X, y = make_classes()
    estimator = classifier(hidden_layer_sizes=8, warm_start=True).fit(X, y)
    estimator.set_params(hidden_layer_sizes=[np.int64(8)], dtype=np.float32).fit(X, y)


def test_partial_fit_learns():
    X, y = make_classes(THREE, n_seqs=120)
    estimator = classifier(learning_rate_init=0.05)
    for _ in range(4):
        for start in range(0, 120, 20):
            part = slice(start, start + 20)
            estimator.partial_fit(X[part], y[part], classes=THREE)
    assert estimator.score(X, y) > 0.9
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 24
    assert estimator.t_ == 480
    X, y = make_targets(2)
    estimator = regressor()
    for _ in range(30):
        estimator.partial_fit(X, y)
    assert estimator.score(X, y) > 0.7


def test_partial_fit_of_classes():
    X, y = make_classes(THREE)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(X, y)
    estimator = classifier().partial_fit(X, y, classes=["d", "c", "b", "a"])
    assert estimator.predict_proba(X).shape == (40, 4)
    estimator.partial_fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="is not the same as on last call"):
        estimator.partial_fit(X, y, classes=THREE)
    with pytest.raises(ValueError, match="classes not in"):
        estimator.partial_fit(X, ["e"] * 40)
    with pytest.raises(ValueError, match="in all calls or in no call"):
        estimator.partial_fit(X, make_labels()[1])


def test_partial_fit_of_labels():
    X, y = make_labels()
    estimator = classifier().partial_fit(X, y).partial_fit(X[:1], y[:1])
    assert estimator.predict(X).shape == y.shape
    with pytest.raises(ValueError, match="has 2 labels, expected 3"):
        estimator.partial_fit(X, y[:, :2])


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"solver": "lbfgs"}, "lbfgs is not stochastic"),
        ({"early_stopping": True}, "does not support early_stopping"),
        ({"class_weight": "balanced"}, "does not support class_weight='balanced'"),
    ],
)
def test_partial_fit_is_not_for_everything(parameters, message):
    estimator = classifier(**parameters)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError) as error:
        estimator.partial_fit(*make_classes(), classes=["no", "yes"])
    assert message in str(error.value.__cause__)


def test_fit_after_partial_fit_starts_anew():
    X, y = make_targets()
    estimator = regressor().partial_fit(
        make_sequences(5, n_features=3), [1, 2, 3, 4, 5]
    )
    estimator.fit(X, y)
    assert_same_outputs(outputs(estimator, X), outputs(regressor().fit(X, y), X))


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


# What a fitted estimator shows ---------------------------------------------------


@both
def test_fitted_attributes(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=5, hidden_layer_sizes=(4, 3))
    estimator.fit(X, y)
    assert estimator.n_features_in_ == 2
    assert estimator.n_layers_ == 4
    assert estimator.n_outputs_ == (3 if hasattr(estimator, "classes_") else 1)
    assert estimator.n_iter_ == 5
    assert estimator.t_ == 5 * len(X)
    assert estimator.loss_ == estimator.loss_curve_[-1]
    assert estimator.best_loss_ == min(estimator.loss_curve_)
    assert len(estimator.loss_curve_) == len(estimator.grad_norm_curve_) == 5
    assert estimator.validation_scores_ is None
    assert estimator.validation_loss_curve_ is None
    assert estimator.best_validation_score_ is None
    assert estimator.segment_length_ == 1


@both
def test_weights(estimator, X, y):
    estimator = clone(estimator).set_params(bidirectional=True, pooling="attention")
    weights = estimator.fit(X, y).weights_
    assert weights["layer0.W"].shape == (2, 24)
    assert weights["layer0.reverse.U"].shape == (8, 24)
    assert weights["attention.q"].shape == (16,)
    assert weights["head.b"].shape == (estimator.n_outputs_,)
    with pytest.raises(ValueError, match="read-only"):
        weights["head.b"][0] = 1.0


def test_hidden_states():
    X, y = make_classes()
    estimator = classifier(hidden_layer_sizes=(3, 4), pooling="last").fit(X, y)
    states = estimator.hidden_states(X)
    assert [h.shape for h in states] == [(len(x), 4) for x in X]
    last = np.array([h[-1] for h in states])
    W, b = estimator.weights_["head.W"], estimator.weights_["head.b"]
    np.testing.assert_allclose(
        last @ W[:, 0] + b, estimator.decision_function(X), rtol=1e-4, atol=1e-5
    )
    # States are causal: a longer sequence begins with the states of a shorter one.
    for x, h in zip(X, states, strict=True):
        np.testing.assert_array_equal(estimator.hidden_states([x[:3]])[0], h[:3])
    estimator.set_params(segment_length=3, bidirectional=True).fit(X, y)
    shapes = [h.shape for h in estimator.hidden_states(X)]
    assert shapes == [(-(-len(x) // 3), 8) for x in X]


def test_attention_weights():
    X, y = make_classes()
    assert not hasattr(classifier().fit(X, y), "attention_weights")
    estimator = classifier(pooling="attention").fit(X, y)
    weights = estimator.attention_weights(X)
    assert [len(w) for w in weights] == [len(x) for x in X]
    np.testing.assert_allclose([w.sum() for w in weights], 1, rtol=1e-6)
    assert min(w.min() for w in weights) > 0
    estimator.set_params(pooling="last")
    assert estimator.attention_weights(X[:1])[0].shape == (1,)


@both
def test_missing_values(estimator, X, y):
    X = copy.deepcopy(X)
    rng = np.random.default_rng(0)
    for x in X:
        x[rng.random(x.shape) < 0.2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clone(estimator).fit(X, y)
    estimator = clone(estimator).set_params(missing="indicator", max_iter=40)
    assert estimator.fit(X, y).score(X, y) > 0.7
    assert estimator.__sklearn_tags__().input_tags.allow_nan
    estimator.set_params(missing="error")
    assert np.isfinite(outputs(estimator, X)[-1]).all()


@pytest.mark.parametrize("standardize", [True, False])
def test_an_unknown_value_is_read_as_the_mean(standardize):
    X, y = make_classes()
    X = [x + 100.0 for x in X]
    X[3][:, 1] = np.nan
    estimator = classifier(missing="indicator", standardize=standardize, max_iter=2)
    estimator.fit(X, y)
    mean = np.nanmean(np.concatenate(X)[:, 1])
    x = np.array([[100.0, np.nan], [101.0, mean], [99.0, 102.0]])
    # The indicator alone tells an unknown value from one that is the mean.
    W = estimator.weights_["layer0.W"].copy()
    W[3] = 0.0
    theta = theta_of(estimator).copy()
    theta[: W.size] = W.ravel()
    set_theta(estimator, theta)
    known = np.where(np.isnan(x), mean, x)
    np.testing.assert_allclose(
        estimator.decision_function([x]),
        estimator.decision_function([known]),
        rtol=1e-5,
    )


def test_a_feature_that_nobody_knows():
    X, y = make_classes()
    for x in X:
        x[:, 1] = np.nan
    estimator = classifier(missing="indicator").fit(X, y)
    assert estimator.score(X, y) > 0.9


@pytest.mark.parametrize(
    "lengths, expected",
    [
        ([1], 1),
        ([7, 15, 29], 1),
        ([39], 1),
        ([40], 2),
        ([30, 65, 500], 3),
        ([150] * 5, 7),
        ([319], 15),
        ([320], 16),
        ([10**6], 16),
    ],
)
def test_automatic_segment_length(lengths, expected):
    assert auto_segment_length(np.array(lengths)) == expected


def test_automatic_segment_length_counts_weights():
    lengths = np.array([300, 30, 90])
    weights = np.array([1.0, 2.0, 3.0])
    repeated = auto_segment_length(np.repeat(lengths, weights.astype(int)))
    assert auto_segment_length(lengths, weights) == repeated == 4
    X = [np.zeros((n, 1)) + n for n in (300, 30, 90)]
    estimator = regressor(max_iter=1).fit(X, [1.0, 2.0, 3.0])
    assert estimator.segment_length_ == 4


def test_automatic_batch_size():
    sizes = {1: 4, 74: 4, 75: 5, 150: 10, 479: 31, 480: 32, 10**6: 32}
    assert {n: auto_batch_size(n) for n in sizes} == sizes


@both
def test_automatic_batch_size_is_of_what_is_trained_on(estimator, X, y, rates):
    estimator = clone(estimator).set_params(batch_size="auto", max_iter=1)
    estimator.fit(X * 4, [*y] * 4)
    assert len(rates) == 16  # 160 sequences by tens
    estimator.set_params(early_stopping=True, validation_fraction=0.5)
    estimator.fit(X * 4, [*y] * 4)
    assert len(rates) == 16 + 16  # 80 by fives
    estimator.set_params(early_stopping=False).partial_fit(X[:3], y[:3])
    assert len(rates) == 16 + 16 + 1


@both
def test_verbose_prints_an_epoch_a_line(estimator, X, y, capsys):
    estimator = clone(estimator).set_params(verbose=True, max_iter=4).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for i, (line, loss) in enumerate(zip(lines, estimator.loss_curve_, strict=True)):
        assert re.match(rf"Iteration {i + 1}, loss = {loss:.8f}", line)
    estimator.set_params(verbose=False).fit(X, y)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@both
def test_convergence_warning(estimator, X, y, learning_rate):
    estimator = clone(estimator).set_params(learning_rate=learning_rate, max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        estimator.fit(X, y)


@both
def test_a_linear_learning_rate_makes_all_epochs(estimator, X, y):
    """Whatever the training loss does, and without a warning at their end."""
    estimator = clone(estimator).set_params(tol=1e3, n_iter_no_change=1)
    with no_warnings():
        assert estimator.fit(X, y).n_iter_ == 12
    estimator.set_params(early_stopping=True)
    assert estimator.fit(X, y).n_iter_ == 3
    estimator.set_params(early_stopping=False, learning_rate="constant")
    assert estimator.fit(X, y).n_iter_ == 3


@both
def test_lbfgs_drops_nothing(estimator, X, y):
    estimator = clone(estimator).set_params(solver="lbfgs", max_iter=5)
    assert estimator.dropout and estimator.recurrent_dropout
    estimator.fit(X, y)
    sparing = clone(estimator).set_params(**STEADY).fit(X, y)
    assert sparing.loss_curve_ == estimator.loss_curve_
    assert_same_outputs(outputs(sparing, X), outputs(estimator, X))


# Keeping -------------------------------------------------------------------------


@every_problem
def test_saved_models_predict_the_same_bits(estimator, X, y, tmp_path):
    estimator = clone(estimator).set_params(max_iter=3).fit(X, y)
    expected = outputs(estimator, X)
    path = tmp_path / "model.joblib"
    joblib.dump(estimator, path)
    for loaded in (
        joblib.load(path),
        joblib.load(path, mmap_mode="r"),
        pickle.loads(pickle.dumps(estimator)),
        copy.copy(estimator),
        copy.deepcopy(estimator),
    ):
        assert_same_outputs(outputs(loaded, X), expected)
        loaded.set_params(warm_start=True).fit(X, y)
    assert_same_outputs(outputs(estimator, X), expected)


@both
def test_state_is_plain(estimator, X, y):
    """What safe formats take without trust in more than the estimator's class."""
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=2).fit(X, y)

    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        elif isinstance(value, np.ndarray):
            assert value.dtype != object
        else:
            assert value is None or type(value) in (bool, int, float, str, np.float64)

    check(estimator.__getstate__())


@both
def test_safe_formats_need_trust_in_the_class_only(estimator, X, y):
    skops_io = pytest.importorskip("skops.io")
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=2).fit(X, y)
    kept = skops_io.dumps(estimator)
    cls = type(estimator)
    trusted = [f"{cls.__module__}.{cls.__name__}"]
    assert skops_io.get_untrusted_types(data=kept) == trusted
    loaded = skops_io.loads(kept, trusted=trusted)
    assert_same_outputs(outputs(loaded, X), outputs(estimator, X))
    loaded.set_params(early_stopping=False).partial_fit(X, y)


def test_models_of_newer_versions_warn():
    X, y = make_classes()
    estimator = classifier(max_iter=1).fit(X, y)
    stamped = estimator.__getstate__()
    assert stamped["_skrnn_version"] == skrnn.__version__
    loaded = RNNClassifier()
    with no_warnings():
        for version in (skrnn.__version__, "0.0.9", "0.1.0"):
            loaded.__setstate__(stamped | {"_skrnn_version": version})
    with pytest.warns(UserWarning, match="saved by skrnn 99.1 with skrnn"):
        loaded.__setstate__(stamped | {"_skrnn_version": "99.1"})
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert "_skrnn_version" not in vars(loaded)


# Documentation -------------------------------------------------------------------


@both
def test_html_links_every_parameter_to_its_documentation(estimator, X, y):
    html = clone(estimator).set_params(max_iter=1).fit(X, y)._repr_html_()
    name = type(estimator).__name__
    assert f"https://skrnn.readthedocs.io/en/latest/generated/skrnn.{name}.html" in html


def described(cls, section):
    return {p.name: (p.type, p.desc) for p in ClassDoc(cls)[section]}


@pytest.mark.parametrize("cls", [RNNClassifier, RNNRegressor])
def test_every_parameter_and_attribute_is_described(cls):
    parameters = inspect.signature(cls).parameters
    documented = described(cls, "Parameters")
    assert list(documented) == list(parameters)
    for name, (type_, _) in documented.items():
        default = type_.rpartition("default=")[2]
        assert parameters[name].default == ast.literal_eval(default), name
    X, y = make_classes((0, 1))
    fitted = cls(**QUICK).set_params(early_stopping=True).fit(X, y)
    shown = {a for a in dir(fitted) if a.endswith("_") and not a.startswith("_")}
    sometimes = {"categories_", "feature_names_in_"}
    assert shown - sometimes == set(described(cls, "Attributes")) - sometimes


def test_shared_descriptions_do_not_drift():
    own = {"standardize", "early_stopping", "out_activation_"}
    own |= {"bidirectional", "convolutions", "pooling"}
    unlike = set()
    for section in ("Parameters", "Attributes"):
        one, other = (described(c, section) for c in (RNNClassifier, RNNRegressor))
        for name in set(one) & set(other) - own:
            assert one[name][1] == other[name][1], name
            if one[name][0] != other[name][0]:
                unlike.add(name)
    assert unlike == {"alpha", "dropout", "learning_rate_init"}  # in their defaults


# The package ---------------------------------------------------------------------


def test_import_of_sources_that_are_not_compiled(tmp_path):
    package = tmp_path / "skrnn"
    package.mkdir()
    shutil.copy(skrnn.__file__, package)
    # Without the site packages, where an editable installation may be.
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import skrnn"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    message = run.stderr.splitlines()[-1]
    assert message.startswith("ImportError: This folder holds the sources of skrnn")
    assert "pip install -e ." in message


def test_show_versions(capsys):
    skrnn.show_versions()
    text = capsys.readouterr().out
    for word in ("skrnn", "numpy", "scikit-learn", "compiler", "instruction set"):
        assert word in text
