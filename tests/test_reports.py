"""Faults that public reports of other libraries led to: the right values."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer, max_error
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

import skrnn.training.loops
from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor
from skrnn.estimators._split import split_validation
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_targets

# Ctrl-C -------------------------------------------------------------------------------


@pytest.fixture
def interrupted(monkeypatch):
    """Ctrl-C in the third epoch of each fit."""
    epoch, calls = skrnn.training.loops.make_updates, []

    def interrupt(*args):
        calls.append(None)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return epoch(*args)

    monkeypatch.setattr(skrnn.training.loops, "make_updates", interrupt)


def test_ctrl_c_in_a_fit_of_the_user_keeps_the_model(interrupted):
    X, y = make_classes()
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf = RNNClassifier(**QUICK).fit(X, y)
    assert clf.n_iter_ == 2
    assert len(clf.predict(X)) == len(X)


@pytest.mark.parametrize("tool", ["search", "threads", "cross_val_score", "pipeline"])
def test_ctrl_c_in_a_fit_of_a_tool_ends_the_tool(interrupted, tool):
    X, y = make_classes()
    clf = RNNClassifier(**QUICK)
    n_jobs = 2 if tool == "threads" else None
    search = GridSearchCV(clf, {"alpha": [0.1, 0.2]}, cv=2, n_jobs=n_jobs)
    with pytest.raises(KeyboardInterrupt):
        if tool == "cross_val_score":
            cross_val_score(clf, X, y)
        elif tool == "pipeline":
            make_pipeline(SequenceScaler(), clf).fit(X, y)
        elif tool == "threads":
            import joblib

            with joblib.parallel_config("threading"):
                search.fit(X, y)
        else:
            search.fit(X, y)
    assert not hasattr(search, "best_params_")


# Scorers ------------------------------------------------------------------------------


def test_a_scorer_of_the_users_gets_what_the_user_has():
    X, y = make_targets()
    weight = np.arange(len(X)) % 3.0
    seen = []

    def scoring(estimator, X, y):
        seen.append((X[:2], y[:2]))
        return -np.abs(estimator.predict(X) - y).max()

    reg = RNNRegressor(**QUICK, early_stopping=True, scoring=scoring)
    reg.fit(X, y, sample_weight=weight)
    (first, targets), *_ = seen
    assert isinstance(first, list) and len(first) == 2
    places = [next(i for i, x in enumerate(X) if x is held) for held in first]
    assert np.array_equal(targets, np.asarray(y)[places])
    assert all(weight[places] > 0)


@pytest.mark.parametrize("scoring", ["neg_max_error", make_scorer(max_error), "r2"])
def test_weights_go_to_scorers_that_take_them_only(scoring):
    X, y = make_targets()
    if scoring == "neg_max_error":
        scoring = make_scorer(max_error, greater_is_better=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reg = RNNRegressor(**QUICK, early_stopping=True, scoring=scoring)
        reg.fit(X, y, sample_weight=np.arange(len(X)) % 3.0)
    assert np.isfinite(reg.validation_scores_).all()


# The inner split ----------------------------------------------------------------------


@pytest.mark.parametrize("fraction", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(20))
def test_each_class_is_on_both_sides_of_the_inner_split(seed, fraction):
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.repeat(np.arange(5), [60, 25, 10, 2, 1]))
    train, held_out = split_validation(98, fraction, rng, labels=labels)
    assert np.array_equal(np.sort([*train, *held_out]), np.arange(98))
    assert len(held_out) == round(98 * fraction)
    for label in range(4):
        assert (labels[train] == label).any() and (labels[held_out] == label).any()
    assert (labels[train] == 4).any()  # the only one of its class
    shares = np.bincount(labels[held_out], minlength=5)[:3] / [60, 25, 10]
    assert np.abs(shares - fraction).max() < 0.12


def test_more_classes_than_are_held_out():
    labels = np.arange(40) // 2
    train, held_out = split_validation(40, 0.1, np.random.RandomState(0), labels=labels)
    assert len(held_out) == 4
    assert set(labels[train]) == set(labels)


# Labels of steps ----------------------------------------------------------------------


def test_a_matrix_that_may_hold_labels_of_steps():
    X, y = np.zeros((6, 3, 1)), np.eye(3, dtype=int)[[0, 1, 2, 0, 1, 2]]
    with pytest.warns(UserWarning, match="For a label of each step use SequenceTagger"):
        RNNClassifier(**QUICK).fit(X, y)
    with no_warnings():
        RNNClassifier(**QUICK).fit(np.zeros((6, 4, 1)), y)
