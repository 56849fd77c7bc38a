"""Answers for each step of a network that reads several steps at once."""

import io
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from cases import assert_same_bits
from fitted import theta_of
from skrnn import SequenceTagger, StepRegressor
from skrnn.export import load, save, to_torch

QUICK = {"hidden_layer_sizes": 5, "max_iter": 8, "random_state": 0}
KINDS = {
    "tagger": SequenceTagger(segment_length=3, **QUICK),
    "crf": SequenceTagger(segment_length=3, crf=True, scheme="IOB2", **QUICK),
    "regressor": StepRegressor(segment_length=3, **QUICK),
}


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem(estimator, n_seqs=20, seed=0):
    """Sequences of 1 to 8 steps, and an answer for each step."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(1, 9, size=n_seqs)]
    y = [np.cumsum(x[:, 0]) for x in X]
    if isinstance(estimator, SequenceTagger):
        y = [np.where(values > 0, "B-a", "O") for values in y]
    return X, y


def method_of(estimator):
    return "decision_function" if hasattr(estimator, "crf") else "predict"


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_the_state_of_the_segment(kind):
    estimator = clone(KINDS[kind]).set_params(dtype="float64")
    X, y = problem(estimator)
    estimator.fit(X, y)
    W, b = estimator.weights_["head.W"], estimator.weights_["head.b"]
    assert W.shape[1] == 3 * estimator.n_outputs_
    found = getattr(estimator, method_of(estimator))(X)
    for x, answers, states in zip(X, found, estimator.hidden_states(X), strict=True):
        assert len(states) == -(-len(x) // 3)
        expected = (states @ W + b).reshape(-1, estimator.n_outputs_)[: len(x)]
        if kind == "regressor":
            target = estimator._model.target
            expected = expected * target.scale + target.mean
        assert_allclose(np.ravel(answers), expected.ravel(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_do_not_depend_on_the_batch(kind):
    estimator = clone(KINDS[kind])
    X, y = problem(estimator)
    estimator.fit(X, y)
    function = getattr(estimator, method_of(estimator))
    expected = function(X)
    for found in (function(X[::-1])[::-1], [function([x])[0] for x in X]):
        for a, b in zip(found, expected, strict=True):
            assert_same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))
    assert [len(item) for item in estimator.predict(X)] == [len(x) for x in X]
    other = estimator.set_params(n_jobs=2)
    theta = theta_of(estimator)
    assert_same_bits(theta_of(other.fit(X, y)), theta)


@pytest.mark.parametrize("kind", KINDS)
def test_unlabeled_steps_and_weights_of_steps(kind):
    estimator = clone(KINDS[kind])
    X, y = problem(estimator)
    hidden = [np.arange(len(x)) % 4 == 2 for x in X]
    nothing = np.nan if kind == "regressor" else None
    partial = [
        [nothing if h else value for h, value in zip(hide, values, strict=True)]
        for hide, values in zip(hidden, y, strict=True)
    ]
    by_none = theta_of(estimator.set_params(standardize=False).fit(X, partial))
    weights = [1.0 - hide for hide in hidden]
    by_weight = theta_of(estimator.fit(X, y, sample_weight=weights))
    assert_same_bits(by_weight, by_none)


@pytest.mark.parametrize("kind", KINDS)
def test_files_torch_and_going_on(kind):
    estimator = clone(KINDS[kind])
    X, y = problem(estimator)
    estimator.fit(X, y)
    file = io.BytesIO()
    save(estimator, file)
    file.seek(0)
    loaded = load(file)
    assert loaded.segment_length_ == 3
    for a, b in zip(loaded.predict(X), estimator.predict(X), strict=True):
        assert a.tolist() == b.tolist()
    assert to_torch(estimator)["head.weight"].shape[0] == 3 * estimator.n_outputs_
    loaded.partial_fit(X, y)
    with pytest.raises(ValueError, match="segment_length cannot change"):
        estimator.set_params(segment_length=2).partial_fit(X, y)


def test_auto_and_tokens():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(60, 1)) for _ in range(8)]
    reg = StepRegressor(segment_length="auto", **QUICK | {"max_iter": 1})
    assert reg.fit(X, [x[:, 0] for x in X]).segment_length_ == 3
    words, tags = [list("abab")] * 8, [list("0101")] * 8
    tagger = SequenceTagger(segment_length="auto", **QUICK).fit(words, tags)
    assert tagger.segment_length_ == 1
    with pytest.raises(ValueError, match="Tokens are read one by one"):
        tagger.set_params(segment_length=2).fit(words, tags)


def test_a_table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    reg = StepRegressor(segment_length=4, **QUICK).fit(X, X[:, 0])
    assert reg.predict(X).shape == (50,)
    stream = reg.stream()
    for t in range(6):
        assert stream.step(X[t])[0] == reg.predict(X[: t + 1])[-1]
