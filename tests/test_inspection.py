"""Importances are what they are known to be, and scikit-learn's where both are."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import inspection
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skrnn import (
    RNNClassifier,
    SequenceForecaster,
    SequenceTagger,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.inspection import permutation_importance
from skrnn.inspection._exchange import open_items, segment_of, steps_of_donor
from skrnn.metrics import step_scorer
from skrnn.preprocessing import SequenceScaler


class Knows(ClassifierMixin, BaseEstimator):
    """Says what a function of a sequence says."""

    def __init__(self, rule=None):
        self.rule = rule

    def fit(self, X, y):
        self.classes_ = np.array([False, True])
        return self

    def predict(self, X):
        return np.array([self.rule(x) for x in X])


class Linear(RegressorMixin, BaseEstimator):
    """A linear function of all numbers of a sequence, feature by feature."""

    def __init__(self, weights=None):
        self.weights = weights

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.array([np.ravel(np.transpose(x)) @ self.weights for x in X])


def middle(x):
    moments = (np.arange(len(x)) + 0.5) / len(x)
    return x[(moments >= 1 / 3) & (moments < 2 / 3), 1].mean() > 0


def last(x):
    return x[-1, 1] > 0


def ragged(n=300, seed=0, n_features=3):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(6, 30, size=n)
    return [rng.normal(size=(length, n_features)) for length in lengths]


# Who stands in for whom ------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [1, 2, 7, 30])
def test_steps_of_a_donor_are_those_of_the_same_moment(n_steps):
    for n_donor in range(1, 40):
        steps = steps_of_donor(n_steps, n_donor)
        moments = (np.arange(n_steps) + 0.5) / n_steps
        holds = np.floor(moments * n_donor + 1e-9)
        np.testing.assert_array_equal(steps, holds)
        assert steps.min() >= 0 and steps.max() < n_donor
        # As evenly as can be: no step is taken twice if another is left out.
        counts = np.bincount(steps, minlength=n_donor)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(steps_of_donor(n_steps, n_steps), np.arange(n_steps))


def test_stretches_are_the_same_share_of_each_sequence():
    for n_steps in range(1, 50):
        for n_segments in range(1, 12):
            counts = np.bincount(segment_of(n_steps, n_segments), minlength=n_segments)
            assert len(counts) == n_segments and counts.sum() == n_steps
            assert counts.max() - counts.min() <= 1


def test_an_exchange_changes_its_part_alone():
    X = [np.arange(12.0).reshape(6, 2), -np.arange(8.0).reshape(4, 2)]
    before = [x.copy() for x in X]
    opened = open_items(X)
    donors = np.array([[1, 0], [0, 1]])
    parts = [np.array([1]), np.array([0, 1])], [(1, 2), None]
    first, second = opened.exchanged([0, 1], donors, *parts)
    np.testing.assert_array_equal(first[:, 0], X[0][:, 0])
    np.testing.assert_array_equal(first[:, 1], [1, 3, 5, -5, -7, -7])
    np.testing.assert_array_equal(second[:, 1], [-1, -3, 7, 11])
    for x, old in zip(X, before, strict=True):
        np.testing.assert_array_equal(x, old)


# scikit-learn's importances are an oracle ------------------------------------------


@pytest.mark.parametrize("max_samples", [1.0, 0.5, 20])
@pytest.mark.parametrize("weighted", [False, True])
def test_equal_to_scikit_learns_importances_of_a_table(max_samples, weighted):
    rng = np.random.default_rng(0)
    X, weights = rng.normal(size=(40, 4, 3)), rng.normal(size=12)
    model = Linear(weights)
    y = model.predict(X) + rng.normal(size=40)
    options = {"random_state": 3, "max_samples": max_samples, "n_repeats": 4}
    if weighted:
        options["sample_weight"] = rng.uniform(size=40)
    table = X.transpose(0, 2, 1).reshape(40, 12)
    right = inspection.permutation_importance(model, table, y, **options)
    result = permutation_importance(model, X, y, over="both", n_segments=4, **options)
    assert result.importances.shape == (3, 4, 4)
    for key, values in right.items():
        np.testing.assert_array_equal(result[key].reshape(values.shape), values)
    listed = permutation_importance(
        model, list(X), y, over="both", n_segments=4, **options
    )
    np.testing.assert_array_equal(listed.importances, result.importances)


# What is known to matter -----------------------------------------------------------


def test_only_the_feature_that_matters_is_important():
    X = ragged()
    model = Knows(middle).fit(X, None)
    y = model.predict(X)
    result = permutation_importance(model, X, y, random_state=0)
    assert result.importances[0].tolist() == result.importances[2].tolist() == [0] * 5
    assert result.importances_mean[1] == pytest.approx(0.5, abs=0.05)
    assert result.names == ["feature 0", "feature 1", "feature 2"]


def test_only_the_time_that_matters_is_important():
    X = ragged()
    model = Knows(middle).fit(X, None)
    y = model.predict(X)
    result = permutation_importance(
        model, X, y, over="time", n_segments=3, random_state=0
    )
    assert not result.importances_mean[[0, 2]].any()
    assert result.importances_mean[1] > 0.4
    np.testing.assert_allclose(result.edges, [0, 1 / 3, 2 / 3, 1])
    both = permutation_importance(
        model, X, y, over="both", n_segments=3, random_state=0
    )
    assert both.importances_mean.shape == (3, 3)
    assert both.importances_mean[1, 1] > 0.4
    assert np.count_nonzero(both.importances_mean) == 1


def test_nothing_of_the_own_sequence_is_left():
    # Exchanged within the shorter length, longer sequences would keep their ends, and
    # with them what the label follows from.
    X = ragged()
    model = Knows(last).fit(X, None)
    y = model.predict(X)
    result = permutation_importance(model, X, y, random_state=0)
    assert result.importances_mean[1] == pytest.approx(0.5, abs=0.05)
    rng, kept = np.random.default_rng(0), []
    for i, j in enumerate(rng.permutation(len(X))):
        n, x = min(len(X[i]), len(X[j])), X[i].copy()
        x[:n, 1] = X[j][:n, 1]
        kept.append(x)
    within_the_shorter = 1 - accuracy_score(y, model.predict(kept))
    assert within_the_shorter < 0.35


def test_a_network_that_learned_which_feature_matters():
    X = ragged(200)
    y = np.array([x[:, 1].mean() > 0 for x in X])
    model = RNNClassifier(8, max_iter=30, random_state=0).fit(X[:120], y[:120])
    result = permutation_importance(
        model, X[120:], y[120:], random_state=0, scoring="neg_log_loss"
    )
    mean, std = result.importances_mean, result.importances_std
    assert mean[1] > 10 * np.abs(mean[[0, 2]]).max()
    assert mean[1] > 5 * std[1]


def test_a_group_is_exchanged_as_one():
    X = [x[:, [0, 1, 1]] for x in ragged()]
    model = Knows(lambda x: max(x[:, 1].mean(), x[:, 2].mean()) > 0)
    y = model.predict(X)
    result = permutation_importance(
        model, X, y, features=[0, 1, [2, 1]], random_state=0
    )
    mean = result.importances_mean
    assert result.names == ["feature 0", "feature 1", "feature 2, feature 1"]
    assert mean[0] == 0 and 0 < mean[1] < 0.35 and mean[2] > 0.4
    # Over time, features are exchanged as one, too.
    time = permutation_importance(
        model, X, y, over="time", features=[1, 2], n_segments=1, random_state=0
    )
    np.testing.assert_allclose(time.importances[0], result.importances[2])


# Forms, estimators and scores ------------------------------------------------------


def test_forms_of_sequences_give_the_same():
    X = ragged(40)
    y = Knows(last).predict(X)
    names = ["a", "b", "c"]
    column = np.empty(len(X), dtype=object)
    column[:] = X
    frames = [pl.DataFrame(x, schema=names) for x in X]
    forms = {
        "list": (X, last),
        "tuple": (tuple(X), last),
        "object array": (column, last),
        "series": (pd.Series(list(X)), last),
        "table of sequences": (pd.DataFrame({"x": list(X)}), last),
        "pandas": (
            [pd.DataFrame(x, columns=names) for x in X],
            lambda x: x["b"].iloc[-1] > 0,
        ),
        "polars": (frames, lambda x: x["b"][-1] > 0),
        "nested": ([x.tolist() for x in X], lambda x: x[-1][1] > 0),
        "read-only": ([np.frombuffer(x.tobytes()).reshape(x.shape) for x in X], last),
    }
    for name, (form, rule) in forms.items():
        result = permutation_importance(Knows(rule), form, y, random_state=0)
        assert result.importances_mean[1] > 0.3, name
        assert not result.importances_mean[[0, 2]].any(), name
        if name in ("pandas", "polars"):
            assert result.names == names


def test_columns_keep_their_kinds():
    rng = np.random.default_rng(0)
    X = [
        pd.DataFrame({"word": rng.choice(["yes", "no"], n), "n": rng.normal(size=n)})
        for n in rng.integers(2, 9, size=60)
    ]
    kinds = set()

    def rule(x):
        kinds.add(tuple(map(str, x.dtypes)))
        return (x["word"] == "yes").mean() > 0.5

    y = Knows(rule).predict(X)
    result = permutation_importance(
        Knows(rule), X, y, features=["word", "n"], random_state=0
    )
    assert result.importances_mean[0] > 0.2 and result.importances_mean[1] == 0
    assert len(kinds) == 1
    # A float from another sequence is not cut to an integer.
    whole = [np.arange(4).reshape(2, 2), np.full((3, 2), 0.5)]
    first, _ = open_items(whole).exchanged(
        [0, 1], np.array([[1], [1]]), [np.array([0])], [None]
    )
    np.testing.assert_array_equal(first, [[0.5, 1], [0.5, 3]])


def test_tokens_are_exchanged():
    rng = np.random.default_rng(0)
    words = [rng.choice(["a", "b", "c"], n).tolist() for n in rng.integers(3, 9, 80)]
    seen = []

    def rule(x):
        seen.append(type(x))
        return x[0] == "a"

    y = Knows(rule).predict(words)
    result = permutation_importance(
        Knows(rule), words, y, over="time", n_segments=3, random_state=0
    )
    assert result.importances_mean[0] > 0.3
    assert not result.importances_mean[1:].any()
    assert set(seen) == {list}


def test_taggers_pipelines_and_searches():
    X = ragged(60)
    y = [np.where(x[:, 2] > 0, "up", "down") for x in X]
    tagger = make_pipeline(
        SequenceScaler(), SequenceTagger(8, max_iter=15, random_state=0)
    )
    tagger.fit(X, y)
    for scoring in (None, step_scorer("f1_macro")):
        result = permutation_importance(
            tagger, X, y, scoring=scoring, max_samples=40, random_state=0
        )
        mean = result.importances_mean
        assert mean[2] > 0.3 and np.abs(mean[:2]).max() < 0.1
    labels = np.array([x[:, 0].mean() > 0 for x in X])
    search = GridSearchCV(
        RNNClassifier(4, max_iter=2, random_state=0), {"alpha": [0.1]}, cv=2
    )
    search.fit(X, labels)
    result = permutation_importance(search, X, labels, random_state=0)
    assert result.importances.shape == (3, 5)


def test_columns_of_a_panel():
    rng = np.random.default_rng(0)
    panel = []
    for n in rng.integers(50, 70, size=12):
        offer, other = rng.random(n) < 0.3, rng.normal(size=n)
        sales = 10 + 5 * offer + 0.5 * rng.normal(size=n)
        panel.append(pd.DataFrame({"sales": sales, "offer": offer, "other": other}))
    model = SequenceForecaster(
        4, hidden_layer_sizes=4, max_iter=3, window=8, target="sales",
        known_future=["offer", "other"], random_state=0,
    ).fit(panel)  # fmt: skip
    result = permutation_importance(model, panel, None, n_repeats=2, random_state=0)
    assert result.names == ["offer", "other"]
    assert result.importances_mean[0] > 0.2 > 0.05 > abs(result.importances_mean[1])
    with pytest.raises(ValueError, match="must not name what is forecast"):
        permutation_importance(model, panel, None, features=["offer", "sales"])
    with pytest.raises(TypeError, match="reads series"):
        permutation_importance(model, panel, None, over="time")


def test_several_scores_and_workers():
    X = ragged(50)
    model = Knows(last).fit(X, None)
    y = model.predict(X)
    options = {"scoring": ["accuracy", "f1"], "over": "both", "n_segments": 2}
    results = permutation_importance(model, X, y, random_state=0, **options)
    assert set(results) == {"accuracy", "f1"}
    del options["scoring"]
    with joblib.parallel_backend("threading"):
        alone = permutation_importance(model, X, y, random_state=0, n_jobs=2, **options)
    np.testing.assert_array_equal(results["accuracy"].importances, alone.importances)
    assert results["f1"].importances.shape == (3, 2, 5)
    assert results["f1"].names == alone.names
    # Processes get what is exchanged by pickle.
    opened = open_items(X)
    sent = pickle.loads(pickle.dumps(opened))
    where = [3, 0], np.array([[7], [0]]), [np.array([1])], [None]
    pairs = zip(sent.exchanged(*where), opened.exchanged(*where), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


# Refusals --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X, options, error, match",
    [
        (ragged(1), {}, ValueError, "no other to exchange with"),
        ([], {}, ValueError, "no sequences"),
        (["ab", "c"], {}, TypeError, r"X\[0\] is a text.*lists of words"),
        (pd.DataFrame(np.ones((3, 4))), {}, TypeError, r"X\.to_numpy"),
        (pd.Series([1.0, 2.0]), {}, TypeError, "column of single values"),
        ([np.ones((2, 2)), np.ones((2, 3))], {}, ValueError, r"X\[1\] has 3 features"),
        ([np.ones((2, 2)), np.ones((0, 2))], {}, ValueError, r"X\[1\] must have shape"),
        (ragged(4), {"over": "steps"}, ValueError, "over must be one of"),
        (ragged(4), {"features": "a"}, ValueError, "must be a list"),
        (ragged(4), {"features": [3]}, ValueError, "3, which is not one of the 3"),
        (ragged(4), {"features": [[1, 1]]}, ValueError, "name each of them once"),
        (ragged(4), {"over": "time", "n_segments": 40}, ValueError, "longest sequence"),
        (ragged(4), {"over": "time", "n_segments": 0}, ValueError, "positive integer"),
        (ragged(4), {"n_repeats": 0}, ValueError, "n_repeats"),
        (ragged(4), {"max_samples": 9}, ValueError, "max_samples"),
    ],
    ids=lambda value: None,
)
def test_what_is_refused(X, options, error, match):
    with pytest.raises(error, match=match):
        permutation_importance(Knows(last), X, [True] * len(X), **options)


def test_series_are_refused():
    for model in (SequenceForecaster(2), SeriesOutlierDetector()):
        with pytest.raises(TypeError, match="reads series.*backtest"):
            permutation_importance(model, np.ones((4, 2)), None)
    with pytest.raises(TypeError, match="a table is one sequence.*Cut it"):
        permutation_importance(StepRegressor(), np.ones((4, 2)), np.ones(4))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        permutation_importance(Knows(last), ragged(4), [True])
