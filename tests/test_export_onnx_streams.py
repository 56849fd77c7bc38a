"""ONNX models that read one step at a time."""

import re

import numpy as np
import pytest

from cases import CELLS, assert_same_bits
from onnx_models import (
    CODES,
    RNG,
    SIZES,
    STREAM_POOLINGS,
    TOLERANCE,
    WITH_GAPS,
    X,
    assert_follows,
    fit,
)
from outside import import_oracle, onnx_session
from skrnn import RNNRegressor
from skrnn.export import onnx_initial_state, to_onnx

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")


pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


# ---------------------------------------------------------------- streams


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("pooling", STREAM_POOLINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streams(cell, activation, pooling, dtype):
    for sizes in SIZES:
        for segment_length in (1, 3):
            model = fit(
                hidden_layer_sizes=sizes, cell=cell, activation=activation,
                pooling=pooling, dtype=dtype, segment_length=segment_length,
            )  # fmt: skip
            assert_follows(model, X[2], "predict_proba", TOLERANCE[dtype])


@pytest.mark.parametrize("y", [CODES * 7.0, RNG.normal(size=(len(X), 2)) + 100])
def test_streams_of_predictions(y):
    model = fit(y, estimator=RNNRegressor, pooling="mean")
    assert_follows(model, X[2], "predict")


@pytest.mark.parametrize("standardize", [False, True])
def test_streams_of_missing_values(standardize):
    sequences = [x / [1, 1000, 4] for x in WITH_GAPS]
    model = fit(
        X=sequences, missing="indicator", standardize=standardize, segment_length=2
    )
    assert_follows(model, sequences[2], "predict_proba")


@pytest.mark.parametrize("segment_length", [1, 3])
@pytest.mark.parametrize("pooling", STREAM_POOLINGS)
def test_a_refused_step_leaves_the_state_as_it_was(segment_length, pooling):
    model = fit(cell="lstm", pooling=pooling, segment_length=segment_length)
    exported = to_onnx(model, streaming=True)
    session = onnx_session(exported)
    state = onnx_initial_state(exported, n_seqs=2)
    for t in range(4):
        both = X[2][[t, t]]
        state = dict(
            zip(state, session.run(None, {"X": both, **state})[2:], strict=True)
        )
    bad = X[2][[4, 4]]
    bad[0, 1] = np.nan
    _, proba, *after = session.run(None, {"X": bad, **state})
    assert np.isnan(proba[0]).all()
    np.testing.assert_allclose(proba[1:], model.predict_proba([X[2][:5]]), atol=1e-5)
    for array, before in zip(after, state.values(), strict=True):
        assert_same_bits(array[0], before[0])
    changed = [
        not np.array_equal(array[1], before[1])
        for array, before in zip(after, state.values(), strict=True)
    ]
    assert any(changed)


def test_a_row_of_zeros_begins_anew():
    model = fit(cell="lstm", pooling="max", segment_length=2)
    exported = to_onnx(model, streaming=True)
    session = onnx_session(exported)
    state = onnx_initial_state(exported, n_seqs=2)
    first, second = X[2][:7], X[5][:4]
    for t, step in enumerate(first):
        if t == 3:
            for array in state.values():
                array[1] = 0
        other = X[7][t] if t < 3 else second[t - 3]
        feed = {"X": np.stack([step, other]), **state}
        _, proba, *after = session.run(None, feed)
        state = dict(zip(state, after, strict=True))
    np.testing.assert_allclose(proba, model.predict_proba([first, second]), atol=1e-5)


def test_signature_of_streams():
    exported = to_onnx(fit(cell="lstm", pooling="mean", hidden_layer_sizes=(4, 5)),
                       streaming=True)  # fmt: skip
    names = ["n_steps", "total", "h0", "c0", "h1", "c1"]
    assert [i.name for i in exported.graph.input] == ["X", *names]
    after = [f"{name}_next" for name in names]
    outputs = [o.name for o in exported.graph.output]
    assert outputs == ["label", "probabilities", *after]
    state = onnx_initial_state(exported, n_seqs=3)
    shapes = [(3,), (3, 5), (3, 4), (3, 4), (3, 5), (3, 5)]
    assert [array.shape for array in state.values()] == shapes
    assert state["n_steps"].dtype == np.int64
    assert state["c1"].dtype == np.float32
    last = to_onnx(fit(pooling="last", dtype="float64"), streaming=True)
    assert {name: a.dtype for name, a in onnx_initial_state(last).items()} == {
        "h0": np.float64
    }
    segments = to_onnx(fit(pooling="last", segment_length=4), streaming=True)
    assert {name: a.shape for name, a in onnx_initial_state(segments).items()} == {
        "n_steps": (1,),
        "segment": (1, 12),
        "h0": (1, 6),
    }


def test_what_cannot_follow_a_stream():
    for options in ({"bidirectional": True}, {"pooling": "attention"}):
        model = fit(**options)
        with pytest.raises(ValueError) as expected:
            model.stream()
        with pytest.raises(ValueError, match=re.escape(str(expected.value))):
            to_onnx(model, streaming=True)
    with pytest.raises(ValueError, match="has no state"):
        onnx_initial_state(to_onnx(fit()))
    for n_seqs in (0, 1.5):
        with pytest.raises(ValueError, match="n_seqs must be an int of at least 1"):
            onnx_initial_state(to_onnx(fit(), streaming=True), n_seqs)
