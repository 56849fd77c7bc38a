"""Targets of each step, in every form, in the tools of scikit-learn."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)

from cases import assert_same_bits
from fitted import theta_of
from skrnn import SequenceTagger, StepRegressor
from skrnn.metrics import step_scorer

QUICK = {"hidden_layer_sizes": 2, "max_iter": 1, "random_state": 0}
KINDS = {"tagger": SequenceTagger(**QUICK), "regressor": StepRegressor(**QUICK)}


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem(kind, lengths):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in lengths]
    y = [np.cumsum(x[:, 0]) for x in X]
    if kind == "tagger":
        # The short labels come first: none of the long ones is cut off.
        y = [np.where(values > 0, "x", "y" * 40) for values in y]
        y[0] = np.array(["x"] * len(X[0]))
    return X, y


def objects(items):
    found = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        found[i] = item
    return found


def as_lists(y):
    return [item.tolist() for item in y]


RAGGED, EQUAL, ONES = [3, 1, 5, 2, 4, 1, 6, 3] * 2, [3] * 16, [1] * 16
# What is made of a list of arrays, and lengths.
FORMS = {
    "list of arrays": (list, RAGGED),
    "list of lists": (as_lists, RAGGED),
    "list of tuples": (lambda y: [tuple(item) for item in as_lists(y)], RAGGED),
    "list of Series": (lambda y: [pd.Series(item) for item in y], RAGGED),
    "tuple of arrays": (tuple, RAGGED),
    "array of arrays": (objects, RAGGED),
    "array of lists": (lambda y: objects(as_lists(y)), RAGGED),
    "Series of arrays": (lambda y: pd.Series(list(y)), RAGGED),
    "Series of lists": (lambda y: pd.Series(as_lists(y)), RAGGED),
    "lists of one length": (as_lists, EQUAL),
    "array of equal arrays": (objects, EQUAL),
    "2-D array": (np.array, EQUAL),
    "2-D array of objects": (lambda y: np.array(as_lists(y), dtype=object), EQUAL),
    "lists of one step": (as_lists, ONES),
    "arrays of one step": (list, ONES),
    "column": (np.array, ONES),
}
TOOLS = {
    "cross_val_score": lambda e, X, y: cross_val_score(e, X, y, cv=2),
    "default cv": lambda e, X, y: cross_val_score(e, X, y),
    "cross_validate": lambda e, X, y: cross_validate(
        e, X, y, cv=2, return_train_score=True, params={"sample_weight": np.ones(16)}
    ),
    "GridSearchCV": lambda e, X, y: GridSearchCV(e, {"alpha": [0.1, 0.2]}, cv=2).fit(
        X, y
    ),
    "RandomizedSearchCV": lambda e, X, y: RandomizedSearchCV(
        e, {"alpha": [0.1, 0.2]}, n_iter=1, cv=2, scoring=step_scorer(scorer_of(e))
    ).fit(X, y),
    "learning_curve": lambda e, X, y: learning_curve(
        e, X, y, cv=2, train_sizes=[0.5, 1.0]
    ),
    "GroupKFold": lambda e, X, y: cross_val_score(
        e, X, y, groups=np.arange(16) % 4, cv=GroupKFold(2)
    ),
    "step_scorer": lambda e, X, y: cross_val_score(
        e, X, y, cv=2, scoring=step_scorer(scorer_of(e))
    ),
}


def scorer_of(estimator):
    is_tagger = isinstance(estimator, SequenceTagger)
    return "accuracy" if is_tagger else "neg_mean_absolute_error"


def lengths_of(y):
    return [len(item) for item in y]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_forms(kind, form):
    make, lengths = FORMS[form]
    X, y = problem(kind, lengths)
    estimator = sklearn.clone(KINDS[kind])
    expected = theta_of(estimator.fit(X, y))
    assert_same_bits(theta_of(estimator.fit(X, make(y))), expected)
    predicted = estimator.predict(X)
    assert isinstance(predicted, np.ndarray) and predicted.dtype == object
    assert predicted.shape == (len(X),) and lengths_of(predicted) == lengths
    assert np.isfinite(estimator.score(X, make(y)))
    if kind == "tagger":
        assert predicted[0].dtype == estimator.classes_.dtype
        assert estimator.classes_.tolist() == ["x", "y" * 40]
        proba = estimator.predict_proba(X)
        assert proba.shape == (len(X),) and proba.dtype == object
        assert proba[0].shape == (lengths[0], 2)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_tools(kind, form, tool):
    make, lengths = FORMS[form]
    X, y = problem(kind, lengths)
    if tool == "GridSearchCV" and form == "Series of lists":
        X = pd.Series(X)
    TOOLS[tool](KINDS[kind], X, make(y))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_splits_and_predictions_of_folds(kind, form):
    make, lengths = FORMS[form]
    X, y = problem(kind, lengths)
    predicted = cross_val_predict(KINDS[kind], X, make(y), cv=KFold(2))
    assert lengths_of(predicted) == lengths and len(predicted) == len(X)
    X_train, X_test, y_train, y_test = train_test_split(X, make(y), random_state=0)
    assert lengths_of(X_test) == lengths_of(y_test)
    estimator = sklearn.clone(KINDS[kind]).fit(X_train, y_train)
    assert np.isfinite(estimator.score(X_test, y_test))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_steps", [1, 4])
def test_one_sequence(kind, n_steps):
    X, y = problem(kind, [n_steps])
    for given in (y, as_lists(y), objects(y), np.array(y), pd.Series(y)):
        estimator = sklearn.clone(KINDS[kind]).fit(X, given)
        predicted = estimator.predict(X)
        assert predicted.shape == (1,) and predicted[0].shape == (n_steps,)
        assert not estimator._model.target.table


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_steps_go_through_cross_validation(kind):
    X, y = problem(kind, RAGGED)
    weight = [np.ones(n) for n in RAGGED]
    for params in ({"sample_weight": weight}, {"sample_weight": objects(weight)}):
        assert len(cross_val_score(KINDS[kind], X, y, cv=2, params=params)) == 2


def test_a_label_first_seen_by_score():
    X, y = problem("tagger", RAGGED)
    tagger = sklearn.clone(KINDS["tagger"]).fit(X, y)
    # Neither an error nor the label of a neighbour: it is never found.
    found = tagger.score(X, [["between x and y"] * n for n in RAGGED])
    assert found == 0.0
    half = [["new", *labels[1:]] for labels in tagger.predict(X)]
    assert tagger.score(X, half) == (sum(RAGGED) - len(RAGGED)) / sum(RAGGED)
    with pytest.raises(ValueError, match="'new' at step 1, which is not one of the 2"):
        tagger.score_samples(X[2:3], [["x", "new", "x", "x", "x"]])


def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, np.where(X[:, 0] > 0, "up", "down"), np.cumsum(X[:, 0])


CLASS_SCORERS = ["accuracy", "f1_macro", "balanced_accuracy"]
if not sklearn.__version__.startswith("1.6"):  # which takes a tagger for a regressor
    CLASS_SCORERS.append("neg_log_loss")


@pytest.mark.parametrize("scoring", CLASS_SCORERS)
@pytest.mark.parametrize("crf", [False, True])
def test_stock_scorers_of_a_table_of_labels(scoring, crf):
    X, y, _ = table()
    tagger = SequenceTagger(crf=crf, **QUICK)
    scores = cross_val_score(tagger, X, y, cv=TimeSeriesSplit(3), scoring=scoring)
    assert np.isfinite(scores).all()
    search = GridSearchCV(
        tagger, {"alpha": [0.1, 1]}, scoring=scoring, cv=TimeSeriesSplit(2)
    )
    assert np.isfinite(search.fit(X, y).best_score_)


@pytest.mark.parametrize(
    "scoring", ["r2", "neg_mean_squared_error", "neg_median_absolute_error"]
)
def test_stock_scorers_of_a_table_of_numbers(scoring):
    X, _, y = table()
    reg = StepRegressor(**QUICK)
    for given in (y, y.tolist(), pd.Series(y)):
        scores = cross_val_score(reg, X, given, cv=TimeSeriesSplit(3), scoring=scoring)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("form", ["array", "list", "Series", "objects"])
def test_tables_in_cross_val_predict(method, form):
    X, y, _ = table()
    make = {"array": np.array, "list": list, "Series": pd.Series}.get(form, objects)
    found = cross_val_predict(
        SequenceTagger(**QUICK), X, make(y), cv=KFold(3), method=method
    )
    assert found.shape == ((60, 2) if method == "predict_proba" else (60,))


def test_probabilities_of_ragged_folds_are_refused_by_scikit_learn():
    X, y = problem("tagger", RAGGED)
    with pytest.raises(ValueError):
        cross_val_predict(KINDS["tagger"], X, y, cv=2, method="predict_proba")
