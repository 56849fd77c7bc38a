"""Small estimators with weights that tell sequences apart, and ONNX Runtime."""

import numpy as np
from sklearn.pipeline import Pipeline

from cases import POOLINGS
from fitted import set_theta, theta_of
from outside import import_oracle, onnx_session, run_onnx
from skrnn import RNNClassifier, RNNRegressor
from skrnn.export import onnx_initial_state, to_onnx

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")


# Largest difference of a probability: what is promised, and what float64 gives.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
SIZES = [(5,), (4, 7), (3, 3, 3)]
STREAM_POOLINGS = [pooling for pooling in POOLINGS if pooling != "attention"]


RNG = np.random.default_rng(0)


# The features differ in spread, and one is far from zero.
X = [
    RNG.normal(size=(n, 3)) * [1, 20, 0.1] + [0, 1000, -4]
    for n in (9, 1, 14, 2, 5, 14, 3, 30, 1, 7, 6, 4)
]
CODES = np.arange(len(X)) % 3
WITH_GAPS = [np.where(RNG.random(x.shape) < 0.3, np.nan, x) for x in X]


def fit(y=CODES, X=X, estimator=RNNClassifier, **options):
    """A fitted estimator whose weights are large enough to tell sequences apart."""
    options = {"hidden_layer_sizes": (6,), "segment_length": 1, **options}
    model = estimator(max_iter=1, random_state=0, **options).fit(X, y)
    noise = np.random.default_rng(1).normal(size=theta_of(model).shape) * 0.4
    set_theta(model, (theta_of(model) + noise).astype(theta_of(model).dtype))
    return model


def pad(X, dtype=np.float64, value=np.nan, longer=2):
    """What a model is fed: sequences padded to one length, and how long they are."""
    lengths = np.array([len(x) for x in X])
    padded = np.full((len(X), lengths.max() + longer, X[0].shape[1]), value, dtype)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return {"X": padded, "sequence_lens": lengths}


def assert_agrees(model, X, feed=None, tolerance=1e-5, **options):
    """Check labels and probabilities, or predictions in units of the targets' scale."""
    given = run_onnx(to_onnx(model, **options), pad(X) if feed is None else feed)
    final = model[-1] if isinstance(model, Pipeline) else model
    if isinstance(final, RNNRegressor):
        predicted = model.predict(X).reshape(len(X), -1)
        difference = (given["variable"] - predicted) / final._pack()["_target_scale"]
        assert given["variable"].shape == predicted.shape
    else:
        difference = given["probabilities"] - model.predict_proba(X)
        assert np.array_equal(given["label"], model.predict(X))
    assert abs(difference).max() <= tolerance
    return given


def assert_follows(model, sequence, method, tolerance=1e-5, X=None):
    """Step by step, beside another sequence, as the estimator's own stream."""
    exported = to_onnx(model, streaming=True)
    session = onnx_session(exported)
    state = onnx_initial_state(exported, n_seqs=2)
    final = model[-1] if isinstance(model, Pipeline) else model
    stream = final.stream(2, method=method)
    other = sequence[::-1] * 0.9
    n_outputs = len(session.get_outputs()) - len(state)
    for steps in np.stack([sequence, other], axis=1):
        given = session.run(None, {"X": steps, **state})
        value = given[n_outputs - 1]
        state = dict(zip(state, given[n_outputs:], strict=True))
        if isinstance(model, Pipeline):
            steps = model[0].transform(list(steps[:, np.newaxis]))
            steps = np.concatenate(steps)
        expected = stream.step(steps).reshape(value.shape)
        if isinstance(final, RNNRegressor):
            value, expected = (
                value / final._pack()["_target_scale"],
                expected / final._pack()["_target_scale"],
            )
        assert abs(value - expected).max() <= tolerance
