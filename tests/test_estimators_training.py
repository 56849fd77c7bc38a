"""Weights, early stopping and going on, of classifiers and regressors."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss

import skrnn
from quiet import no_warnings
from skrnn.estimators._parameters import auto_batch_size
from skrnn.estimators._split import split_validation
from skrnn.solvers import Adam
from toy_estimators import (
    THREE,
    assert_same_outputs,
    assert_same_state,
    both,
    classifier,
    every_problem,
    outputs,
    regressor,
    state,
)
from toys import STEADY, make_classes, make_labels, make_sequences, make_targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
