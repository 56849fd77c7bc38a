"""A weight counts as it says, in batches of any size."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fitted import theta_of
from skrnn import RNNClassifier, RNNRegressor

SILENT = [np.zeros((3, 1))]  # sequences that say nothing
PLAIN = {
    "hidden_layer_sizes": 4,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "alpha": 0.0,
    "random_state": 0,
}


def fit(estimator, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*args, **kwargs)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("batch_size", ["auto", 1, 7, 1000])
def test_balanced_classes_of_sequences_that_say_nothing(solver, batch_size):
    y = np.array(["often"] * 54 + ["rare"] * 6)
    rate = {"adam": 0.01, "sgd": 0.02, "lbfgs": 0.1}[solver]
    clf = RNNClassifier(
        **PLAIN,
        solver=solver,
        batch_size=batch_size,
        class_weight="balanced",
        learning_rate_init=rate,
        max_iter=400 if batch_size == 1000 else 60,
        max_grad_norm=None,
    )
    proba = fit(clf, SILENT * 60, y).predict_proba(SILENT)[0]
    assert proba[1] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("batch_size", ["auto", 1, 3, 1000])
def test_weighted_mean_of_numbers(batch_size):
    y = np.tile([0.0, 10.0, 2.0], 20)
    weight = np.tile([1.0, 3.0, 2.0], 20)
    reg = RNNRegressor(
        **PLAIN,
        batch_size=batch_size,
        learning_rate_init=0.02,
        max_iter=300 if batch_size == 1000 else 60,
    )
    fit(reg, SILENT * 60, y, sample_weight=weight)
    expected = np.average(y, weights=weight)
    assert reg.predict(SILENT)[0] == pytest.approx(expected, abs=0.4)


@pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor])
def test_weights_of_a_scale_of_their_own_mean_the_same(make):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(4, 2)) for _ in range(30)]
    y, weight = rng.integers(2, size=30), rng.uniform(1, 2, size=30)
    fits = [
        fit(make(**PLAIN, max_iter=5), X, y, sample_weight=factor * weight)
        for factor in (1.0, 1024.0)
    ]
    np.testing.assert_allclose(*map(theta_of, fits), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("weight", [1000.0, 1e-9])
def test_weights_of_single_sequences_in_partial_fit(make, weight):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(4, 2)) for _ in range(8)]
    y = rng.normal(size=8)
    options = {}
    if make is RNNClassifier:
        y, options = (y > 0).astype(int), {"classes": [0, 1]}

    def learn(weights):
        estimator = make(**PLAIN, solver="sgd", learning_rate="constant")
        for i, w in enumerate(weights):
            estimator.partial_fit(X[i : i + 1], y[i : i + 1], [w], **options)
        return theta_of(estimator)

    plain, weighted = learn([1.0] * 8), learn([1.0] * 7 + [weight])
    before = learn([1.0] * 7)
    if weight < 1:
        np.testing.assert_allclose(weighted, before, atol=0.01)
    assert np.abs(weighted - plain).max() > 1e-4
