"""A stream gives, step by step, the bits of predict on the sequence so far."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from cases import assert_same_bits
from skrnn import RNNClassifier, RNNRegressor

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) * 10 + 5 for n in RNG.integers(4, 20, size=24)]
CLASSES = np.array(["a", "b", "c"])[np.arange(24) % 3]
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


def fit(y=CLASSES, X=X, estimator=RNNClassifier, **options):
    options = {"max_iter": 2, "tol": 0, "hidden_layer_sizes": (6,), **options}
    return estimator(random_state=0, **options).fit(X, y)


def assert_follows(model, method, sequence):
    stream = model.stream(method=method)
    for t, step in enumerate(sequence):
        expected = getattr(model, method)([sequence[: t + 1]])
        assert_same_bits(stream.step(step), expected)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
class TestBits:
    @pytest.mark.parametrize("pooling", ["last", "mean", "max"])
    @pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
    @pytest.mark.parametrize("segment_length", [1, 3])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_cells_and_poolings(self, cell, pooling, segment_length, dtype):
        model = fit(
            cell=cell, pooling=pooling, segment_length=segment_length, dtype=dtype
        )
        for method in METHODS:
            assert_follows(model, method, X[0])

    @pytest.mark.parametrize("sizes", [(17,), (5, 33), (4, 4, 4)])
    def test_layers(self, sizes):
        model = fit(hidden_layer_sizes=sizes, cell="lstm", standardize=False)
        assert_follows(model, "predict_proba", X[1])

    @pytest.mark.parametrize("standardize", [False, True])
    def test_missing_values(self, standardize):
        holed = [np.where(RNG.random(x.shape) < 0.3, np.nan, x) for x in X]
        model = fit(
            X=holed, missing="indicator", standardize=standardize, segment_length=2
        )
        assert_follows(model, "decision_function", holed[0])

    @pytest.mark.parametrize(
        "y", [np.arange(24) % 2, np.zeros(24), np.eye(24, 4, dtype=int)]
    )
    def test_other_classes(self, y):
        for method in METHODS:
            assert_follows(fit(y), method, X[2])

    @pytest.mark.parametrize("y", [np.arange(24.0), RNG.normal(size=(24, 2))])
    def test_regression(self, y):
        assert_follows(fit(y, estimator=RNNRegressor), "predict", X[3])

    def test_many_side_by_side(self):
        model = fit(segment_length=2)
        together = np.stack([x[:4] for x in X])
        stream = model.stream(len(X), method="predict_proba")
        for t in range(4):
            proba = stream.step(together[:, t])
            assert_same_bits(proba, model.predict_proba(together[:, : t + 1]))

    def test_any_array_is_a_step(self):
        model = fit(X=[x[:, :1] for x in X])
        expected = model.predict_proba([X[0][:1, :1].astype(np.float32)])
        value = np.float32(X[0][0, 0])
        for step in (
            [value],
            [[value]],
            np.array([value]),
            np.array([[0, value]]).T[1],
        ):
            stream = model.stream(method="predict_proba")
            assert_same_bits(stream.step(step), expected)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_reset_and_state():
    model = fit(cell="lstm", pooling="mean", segment_length=3)
    stream = model.stream(method="predict_proba")
    first = [stream.step(x) for x in X[0]]
    stream.reset()
    for x in X[0][:2]:
        stream.step(x)
    state = stream.state
    other = model.stream(method="predict_proba")
    for x, expected in zip(X[0][2:], first[2:], strict=True):
        # Each goes on from its own copy.
        assert_same_bits(stream.step(x), expected)
    other.state = state
    for x, expected in zip(X[0][2:], first[2:], strict=True):
        assert_same_bits(other.step(x), expected)
    with pytest.raises(ValueError, match="not of this model"):
        other.state = fit(cell="gru").stream().state
    with pytest.raises(ValueError, match="cannot have n_steps"):
        other.state = state | {"n_steps": np.array([0, 3])}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_stream_keeps_its_parameters():
    model = fit()
    stream = model.stream(method="predict_proba")
    expected = model.predict_proba([X[0][:1]])
    model.set_params(hidden_layer_sizes=(3,)).fit(X, CLASSES == "a")
    assert_same_bits(stream.step(X[0][0]), expected)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_refused_step_leaves_no_trace():
    model = fit(segment_length=2)
    stream = model.stream(method="predict_proba")
    stream.step(X[0][0])
    for bad in ([np.nan, 0, 0], [np.inf, 0, 0], [1e300, 0, 0]):
        with pytest.raises(ValueError, match="NaN, infinity or a value too large"):
            stream.step(bad)
    for bad in (0.0, [1, 2], [[1, 2, 3]] * 2, np.zeros((1, 3, 1))):
        with pytest.raises(ValueError, match=r"shape \(1, 3\) or \(3,\)"):
            stream.step(bad)
    assert_same_bits(stream.step(X[0][1]), model.predict_proba([X[0][:2]]))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_what_cannot_follow_a_stream():
    with pytest.raises(NotFittedError):
        RNNClassifier().stream()
    with pytest.raises(ValueError, match="from its end"):
        fit(bidirectional=True).stream()
    with pytest.raises(ValueError, match="changes the weights of all steps"):
        fit(pooling="attention").stream()
    with pytest.raises(ValueError, match="n_seqs must be an int"):
        fit().stream(0)
    with pytest.raises(ValueError, match="n_seqs must be an int"):
        fit().stream(2**31)
    with pytest.raises(ValueError, match="method must be one of"):
        fit(np.arange(24.0), estimator=RNNRegressor).stream(method="predict_proba")
