"""ONNX Runtime gives what the estimators give, whatever stands in the padding."""

import doctest
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from cases import CELLS, POOLINGS, assert_same_bits
from fitted import set_fields, set_theta, theta_of
from outside import import_oracle
from skrnn import (
    RNNClassifier,
    RNNRegressor,
    __version__,
)
from skrnn.cells import CELLS as SPECS
from skrnn.export import onnx_initial_state, register_skl2onnx, to_onnx
from skrnn.export.onnx.parts import ONNX_CELLS, converts
from skrnn.network import POOLINGS as NETWORK_POOLINGS
from skrnn.preprocessing import SequenceScaler

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

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


def start(model):
    onnx.checker.check_model(model, full_check=True)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(model, feed):
    """What a model gives, by name."""
    session = start(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def assert_agrees(model, X, feed=None, tolerance=1e-5, **options):
    """Check labels and probabilities, or predictions in units of the targets' scale."""
    given = run(to_onnx(model, **options), pad(X) if feed is None else feed)
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


def test_every_cell_and_pooling_is_known():
    assert ONNX_CELLS.keys() == SPECS.keys()
    assert all(pooling() in converts for pooling in NETWORK_POOLINGS.values())


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks(cell, activation, pooling, bidirectional, dtype):
    for sizes in SIZES:
        for segment_length in (1, 3):
            model = fit(
                hidden_layer_sizes=sizes, cell=cell, activation=activation,
                pooling=pooling, bidirectional=bidirectional, dtype=dtype,
                segment_length=segment_length,
            )  # fmt: skip
            assert_agrees(model, X, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("segment_length", [1, 2])
def test_missing_values(dtype, standardize, segment_length):
    scaled = [x / [1, 1000, 4] for x in WITH_GAPS]
    for sequences in (scaled, WITH_GAPS) if standardize else (scaled,):
        model = fit(
            X=sequences, missing="indicator", standardize=standardize, dtype=dtype,
            segment_length=segment_length,
        )  # fmt: skip
        assert_agrees(model, sequences, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("segment_length", [1, 3])
def test_convolutions(bidirectional, segment_length):
    for sequences in (X, WITH_GAPS):
        model = fit(
            X=sequences, convolutions=20, bidirectional=bidirectional,
            missing="indicator", segment_length=segment_length, pooling="joined",
        )  # fmt: skip
        assert_agrees(model, sequences)
    given = run(to_onnx(model, target_opset=14), pad(sequences))
    np.testing.assert_allclose(
        given["probabilities"], model.predict_proba(sequences), atol=1e-5
    )


def test_streams_through_convolutions_are_refused():
    with pytest.raises(TypeError, match="fit with convolutions=0"):
        to_onnx(fit(convolutions=4, bidirectional=False), streaming=True)


@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", [False, True])
def test_type_of_the_input(input_dtype, dtype, standardize):
    rounded = [(x / [1, 1000, 4]).astype(input_dtype) for x in X]
    model = fit(X=rounded, dtype=dtype, standardize=standardize)
    given = assert_agrees(
        model, rounded, pad(rounded, input_dtype), input_dtype=input_dtype
    )
    assert given["probabilities"].dtype == input_dtype


def test_a_mean_far_from_zero_is_subtracted_in_double():
    rng = np.random.default_rng(1)
    times = [np.cumsum(rng.random((n, 1)), axis=0) + 1.7e9 for n in range(1, 13)]
    model = fit(X=times)
    assert np.ptp(model.predict_proba(times)) > 0.1
    assert_agrees(model, times)


def test_default_estimators():
    for estimator in (RNNClassifier, RNNRegressor):
        model = estimator(max_iter=2, random_state=0).fit(X, CODES)
        assert_agrees(model, X)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_does_not_matter(pooling, dtype):
    model = fit(
        hidden_layer_sizes=(4, 4), pooling=pooling, dtype=dtype, bidirectional=True,
        segment_length=2,
    )  # fmt: skip
    session = start(to_onnx(model))
    _, expected = session.run(None, pad(X, value=0, longer=0))
    for value in (np.nan, np.inf, -1e300):
        for longer in (0, 7):
            _, proba = session.run(None, pad(X, value=value, longer=longer))
            np.testing.assert_allclose(proba, expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes"]),
        np.array(["a", "b", "é"], dtype=object),
        np.array([False, True]),
        np.array([-7, 3, 40], dtype=np.int32),
        np.array([1.0, 2.0]),
        np.array([5]),
    ],
    ids=str,
)
def test_labels(labels):
    y = labels[np.arange(len(X)) % len(labels)]
    given = assert_agrees(fit(y), X)
    kind = object if labels.dtype.kind in "OU" else np.int64
    assert given["label"].dtype == kind
    assert given["label"].shape == (len(X),)


def test_multilabel():
    y = (np.random.default_rng(2).random((len(X), 4)) < 0.5).astype(int)
    given = assert_agrees(fit(y), X)
    assert given["label"].shape == (len(X), 4)


@pytest.mark.parametrize("y", [1000 + 3.0 * CODES, RNG.normal(size=(len(X), 2)) * 50])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regression(y, standardize, dtype):
    model = fit(
        y, [x / [1, 1000, 4] for x in X], RNNRegressor,
        standardize=standardize, dtype=dtype,
    )  # fmt: skip
    assert_agrees(model, [x / [1, 1000, 4] for x in X], tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("cell", SPECS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("segment_length", [1, 3])
def test_no_sequences_and_no_steps(cell, dtype, segment_length):
    """Without a guard in the graph, these end the process of ONNX Runtime."""
    options = {"cell": cell, "dtype": dtype, "segment_length": segment_length}
    for estimator, y in (
        (RNNClassifier, CODES),
        (RNNClassifier, np.array(["a", "b"])[CODES % 2]),
        (RNNRegressor, CODES * 1.0),
    ):
        for pooling, bidirectional in itertools.product(POOLINGS, (False, True)):
            model = fit(
                y, estimator=estimator, pooling=pooling, bidirectional=bidirectional,
                **options,
            )  # fmt: skip
            session = start(to_onnx(model))
            whole = session.run(None, pad(X))
            for n_seqs, n_steps in ((0, 4), (0, 0), (2, 0)):
                x = np.zeros((n_seqs, n_steps, 3))
                feed = {"X": x, "sequence_lens": np.zeros(n_seqs, np.int64)}
                given = session.run(None, feed)
                for actual, expected in zip(given, whole, strict=True):
                    assert actual.shape == (n_seqs, *expected.shape[1:])
                    assert actual.dtype == expected.dtype
                assert np.isnan(given[-1].astype(float)).all()


@pytest.mark.parametrize("cell", SPECS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pooling", STREAM_POOLINGS)
@pytest.mark.parametrize("segment_length", [1, 3])
def test_no_streams(cell, dtype, pooling, segment_length):
    model = fit(cell=cell, dtype=dtype, pooling=pooling, segment_length=segment_length)
    exported = to_onnx(model, streaming=True)
    state = {k: v[:0] for k, v in onnx_initial_state(exported).items()}
    given = run(exported, {"X": np.zeros((0, 3)), **state})
    assert {len(array) for array in given.values()} == {0}
    for name, array in state.items():
        assert given[f"{name}_next"].shape == array.shape


def test_labels_that_onnx_lacks():
    model = fit()
    set_fields(model, classes_=np.array([0.5, 1.5, 2.5]))
    with pytest.raises(TypeError, match="integers or strings"):
        to_onnx(model)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_an_estimator_refuses_is_nan(dtype, pooling):
    model = fit(pooling=pooling, dtype=dtype, segment_length=2)
    bad = [x.copy() for x in X]
    bad[0][3, 1] = np.nan
    bad[2][0, 2] = np.inf
    bad[4][-1, 0] = -np.inf
    refused = [0, 1, 2, 3, 4, 5]
    if dtype == "float32":
        bad[6][0, 0] = 1e300
        refused.append(6)
    feed = pad(bad)
    feed["sequence_lens"][[1, 3, 5]] = 0, -1, feed["X"].shape[1] + 1
    proba = run(to_onnx(model), feed)["probabilities"]
    assert np.isnan(proba[refused]).all()
    kept = np.setdiff1d(np.arange(len(X)), refused)
    np.testing.assert_allclose(proba[kept], model.predict_proba(X)[kept], atol=1e-5)
    for i in (0, 2, 4, *refused[6:]):
        with pytest.raises(ValueError):
            model.predict_proba([bad[i]])


def test_what_is_refused_of_one_class_and_of_targets_is_nan():
    feed = pad(X)
    feed["sequence_lens"][1] = 0
    for model in (fit(np.ones(len(X), int)), fit(CODES * 1.0, estimator=RNNRegressor)):
        *_, values = run(to_onnx(model), feed).values()
        assert np.flatnonzero(np.isnan(values).any(axis=1)).tolist() == [1]


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_overflow_is_nan(estimator, pooling):
    model = fit(
        estimator=estimator, cell="rnn", activation="relu", pooling=pooling,
        standardize=False,
    )  # fmt: skip
    large = [x / [1, 1000, 4] for x in X]
    expected = run(to_onnx(model), pad(large))
    # Which float32 holds, but not what becomes of it.
    large[2] = large[2] / np.abs(large[2]).max() * 3e38
    *_, expected = expected.values()
    *_, values = run(to_onnx(model), pad(large)).values()
    assert np.isnan(values[2]).all()
    kept = np.arange(len(X)) != 2
    np.testing.assert_allclose(values[kept], expected[kept], rtol=1e-5, atol=1e-5)


def test_infinity_is_refused_beside_missing_values():
    model = fit(X=WITH_GAPS, missing="indicator")
    bad = [x.copy() for x in WITH_GAPS]
    bad[0][0, 0] = np.inf
    proba = run(to_onnx(model), pad(bad))["probabilities"]
    assert np.isnan(proba).any(axis=1).tolist() == [True] + [False] * (len(X) - 1)


# ------------------------------------------------------------------ model


def test_signature():
    model = to_onnx(fit(np.array(["a", "b", "c"])[CODES]))
    session = start(model)
    assert [(i.name, i.type, i.shape) for i in session.get_inputs()] == [
        ("X", "tensor(double)", ["n_seqs", "n_steps", 3]),
        ("sequence_lens", "tensor(int64)", ["n_seqs"]),
    ]
    assert [(o.name, o.type, o.shape) for o in session.get_outputs()] == [
        ("label", "tensor(string)", ["n_seqs"]),
        ("probabilities", "tensor(double)", ["n_seqs", 3]),
    ]
    assert (model.producer_name, model.producer_version) == ("skrnn", __version__)
    properties = {item.key: item.value for item in model.metadata_props}
    assert properties == {"skrnn_version": __version__, "estimator": "RNNClassifier"}
    assert [(i.domain, i.version) for i in model.opset_import] == [("", 18)]
    assert model.graph.name == "RNNClassifier"
    assert to_onnx(fit(), name="vowels").graph.name == "vowels"


@pytest.mark.parametrize("target_opset", [14, 17, 18, 21])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_target_opset(target_opset, dtype):
    model = fit(cell="lstm", pooling="max", segment_length=2, dtype=dtype)
    assert_agrees(model, X, target_opset=target_opset)
    exported = to_onnx(model, target_opset=target_opset)
    assert [i.version for i in exported.opset_import] == [target_opset]


def test_equal_models_make_equal_files():
    options = {"bidirectional": True, "pooling": "mean", "dtype": "float64"}
    files = [to_onnx(fit(**options)).SerializeToString() for _ in range(2)]
    assert files[0] == files[1]


def test_the_estimator_is_left_alone():
    model = fit()
    before = model.__getstate__()
    to_onnx(model), to_onnx(model, streaming=True)
    after = model.__getstate__()
    assert all(after[name] is before[name] for name in before)


def test_errors():
    for unfitted in (
        RNNClassifier(),
        RNNRegressor(),
        make_pipeline(SequenceScaler(), RNNClassifier()),
    ):
        with pytest.raises(NotFittedError):
            to_onnx(unfitted)
    for other in (LogisticRegression(), SequenceScaler().fit(X), RNNClassifier, None):
        with pytest.raises(TypeError, match="a fitted estimator of skrnn"):
            to_onnx(other)
    with pytest.raises(TypeError, match="a fitted estimator of skrnn"):
        to_onnx(make_pipeline("passthrough"))
    model = fit()
    for target_opset in (13, 10**6, 18.0, None):
        with pytest.raises(ValueError, match="target_opset must be an int from 14"):
            to_onnx(model, target_opset=target_opset)
    for input_dtype in ("float16", np.float32, None):
        with pytest.raises(ValueError, match="input_dtype must be 'float64' or"):
            to_onnx(model, input_dtype=input_dtype)
    for name in ("", 3):
        with pytest.raises(ValueError, match="name must be a str that is not empty"):
            to_onnx(model, name=name)


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"to_onnx needs onnx: pip install"):
        to_onnx(fit())
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="register_skl2onnx needs skl2onnx: pip"):
        register_skl2onnx()


# ---------------------------------------------------------------- streams


def assert_follows(model, sequence, method, tolerance=1e-5, X=None):
    """Step by step, beside another sequence, as the estimator's own stream."""
    exported = to_onnx(model, streaming=True)
    session = start(exported)
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
    session = start(exported)
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
    session = start(exported)
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


# -------------------------------------------------------------- pipelines


@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "scaler",
    [
        SequenceScaler(),
        SequenceScaler(with_mean=False),
        SequenceScaler(with_std=False),
        SequenceScaler(with_mean=False, with_std=False),
    ],
    ids=str,
)
def test_ragged_pipelines(scaler, input_dtype):
    sequences = [x.astype(input_dtype) for x in X]
    model = make_pipeline(
        scaler,
        "passthrough",
        make_pipeline(SequenceScaler(), None),
        RNNClassifier(6, cell="lstm", segment_length=2, max_iter=2, random_state=0),
    ).fit(sequences, CODES)
    feed = pad(sequences, input_dtype)
    assert_agrees(model, sequences, feed, input_dtype=input_dtype)


def test_a_scaler_rounds_to_the_type_of_its_input():
    sequences = [(x[:, :1] + 1e5).astype(np.float32) for x in X]
    model = make_pipeline(SequenceScaler(with_mean=False), fit(X=sequences))
    model.fit(sequences, CODES)
    assert_agrees(model, sequences, pad(sequences, np.float32), input_dtype="float32")


def test_streams_of_pipelines():
    model = make_pipeline(
        SequenceScaler(), RNNRegressor(6, standardize=False, max_iter=2, random_state=0)
    ).fit(X, CODES * 3.0)
    assert_follows(model, X[2], "predict")


def test_rows_of_a_table_are_univariate_sequences():
    table = np.random.default_rng(3).normal(size=(20, 9)) + 5
    model = fit(np.arange(20) % 2, table)
    assert_agrees(model, [row[:, np.newaxis] for row in table])


@pytest.fixture
def skl2onnx():
    module = import_oracle("skl2onnx")
    register_skl2onnx()
    return module


TABLE = RNG.normal(size=(30, 8)) * np.arange(1, 9) + 100
TABLE_CODES = np.arange(30) % 3
SMALL = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
def test_pipelines_with_other_transformers(skl2onnx, input_dtype, dtype, estimator):
    model = make_pipeline(
        StandardScaler(),
        "passthrough",
        MinMaxScaler(),
        SequenceScaler(),
        estimator(bidirectional=True, dtype=dtype, segment_length=3, **SMALL),
    ).fit(TABLE, TABLE_CODES)
    feed = {"X": TABLE.astype(input_dtype)}
    given = assert_agrees(model, TABLE, feed, 1e-4, input_dtype=input_dtype)
    assert [*given.values()][-1].dtype == input_dtype
    if input_dtype == "float64":
        assert_agrees(model, TABLE, feed, TOLERANCE[dtype])
    exported = to_onnx(model, name="table", target_opset=17)
    assert exported.producer_name == "skrnn"
    assert exported.graph.name == "table"
    with pytest.raises(ValueError, match="takes all steps of a sequence at once"):
        to_onnx(
            make_pipeline(StandardScaler(), estimator(**SMALL)).fit(TABLE, TABLE_CODES),
            streaming=True,
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("input_dtype", ["float32", "float64"])
def test_skl2onnx_of_ragged_pipelines(skl2onnx, dtype, input_dtype):
    types = skl2onnx.common.data_types
    names = np.array(["a", "b", "c"])[CODES]
    sequences = [x.astype(input_dtype) for x in X]
    model = make_pipeline(
        SequenceScaler(), RNNClassifier(dtype=dtype, bidirectional=True, **SMALL)
    ).fit(sequences, names)
    single = input_dtype == "float32"
    kind = types.FloatTensorType if single else types.DoubleTensorType
    exported = skl2onnx.to_onnx(
        model,
        initial_types=[
            ("X", kind([None, None, 3])),
            ("sequence_lens", types.Int64TensorType([None])),
        ],
        options={"zipmap": False},
    )
    given = run(exported, pad(sequences, input_dtype))
    assert np.array_equal(given["label"], model.predict(sequences))
    expected = model.predict_proba(sequences)
    np.testing.assert_allclose(given["probabilities"], expected, rtol=0, atol=1e-5)


def test_skl2onnx_options(skl2onnx):
    model = fit(np.array(["a", "b", "c"])[CODES])
    types = skl2onnx.common.data_types

    def convert(**options):
        exported = skl2onnx.to_onnx(
            model,
            initial_types=[
                ("X", types.FloatTensorType([None, None, 3])),
                ("sequence_lens", types.Int32TensorType([None])),
            ],
            options={id(model): options},
        )
        feed = pad(X, np.float32)
        feed["sequence_lens"] = feed["sequence_lens"].astype(np.int32)
        return run(exported, feed)

    proba = model.predict_proba([x.astype(np.float32) for x in X])
    given = convert(zipmap=True)
    for row, expected in zip(given["output_probability"], proba, strict=True):
        assert list(row) == ["a", "b", "c"]
        np.testing.assert_allclose([*row.values()], expected, rtol=0, atol=1e-5)
    given = convert(zipmap="columns")
    np.testing.assert_allclose(given["sb"], proba[:, 1], rtol=0, atol=1e-5)
    given = convert(zipmap=False, nocl=True)
    assert np.array_equal(given["label"], proba.argmax(axis=1))


def test_skl2onnx_of_other_meta_estimators(skl2onnx):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RNNClassifier(**SMALL)),
        {"rnnclassifier__cell": ["rnn", "lstm"]},
        cv=2,
    ).fit(TABLE, TABLE_CODES)
    exported = skl2onnx.to_onnx(search, TABLE, options={"zipmap": False})
    given = run(exported, {"X": TABLE})["probabilities"]
    np.testing.assert_allclose(given, search.predict_proba(TABLE), rtol=0, atol=1e-5)
    vote = VotingClassifier(
        [
            (cell, RNNClassifier(cell=cell, dtype="float64", **SMALL))
            for cell in ("lstm", "gru")
        ],
        voting="soft",
        flatten_transform=False,
    ).fit(TABLE, TABLE_CODES)
    exported = skl2onnx.to_onnx(vote, TABLE, options={"zipmap": False})
    given = run(exported, {"X": TABLE})["probabilities"]
    np.testing.assert_allclose(given, vote.predict_proba(TABLE), rtol=0, atol=1e-12)


def test_skl2onnx_of_multilabel_and_of_a_scaler_alone(skl2onnx):
    y = np.eye(3, dtype=int)[TABLE_CODES]
    model = RNNClassifier(**SMALL).fit(TABLE, y)
    exported = skl2onnx.to_onnx(model, TABLE, options={"zipmap": False})
    given = run(exported, {"X": TABLE})
    assert np.array_equal(given["label"], model.predict(TABLE))
    expected = model.predict_proba(TABLE)
    np.testing.assert_allclose(given["probabilities"], expected, rtol=0, atol=1e-5)
    scaler = SequenceScaler().fit(X)
    double = skl2onnx.common.data_types.DoubleTensorType([None, None, 3])
    exported = skl2onnx.to_onnx(scaler, initial_types=[("X", double)])
    padded = pad(X)["X"]
    given = run(exported, {"X": padded})["variable"]
    np.testing.assert_allclose(given, scaler.transform(padded), rtol=1e-15)


def test_skl2onnx_refuses_tokens(skl2onnx):
    double = skl2onnx.common.data_types.DoubleTensorType
    sequences = np.stack([EQUAL[..., 0], EQUAL[..., 1] > 0], axis=2)
    model = fit(X=sequences, categorical_features=[1])
    for n_features in (1, 2):
        with pytest.raises(ValueError, match="that reads tokens. Use skrnn.export.to_"):
            initial_types = [("X", double([None, None, n_features]))]
            skl2onnx.to_onnx(model, initial_types=initial_types)


def test_skl2onnx_refuses_old_operators(skl2onnx):
    model = RNNClassifier(**SMALL).fit(TABLE, TABLE_CODES)
    with pytest.raises(ValueError, match="target_opset must be at least 14"):
        skl2onnx.to_onnx(model, TABLE, target_opset=13)


# What skl2onnx guesses of sequences is not always what they are.
EQUAL = RNG.normal(size=(12, 7, 3))


def test_a_function_that_does_nothing_is_left_out():
    for transformer in (FunctionTransformer(), make_pipeline(FunctionTransformer())):
        model = make_pipeline(transformer, fit()).fit(X, CODES)
        assert_agrees(model, X)
        model = make_pipeline(SequenceScaler(), transformer, fit()).fit(X, CODES)
        assert_agrees(model, X)
    model = make_pipeline(FunctionTransformer(), fit()).fit(EQUAL, CODES)
    assert_agrees(model, [*EQUAL])
    model = make_pipeline(FunctionTransformer(), fit(pooling="mean")).fit(X, CODES)
    assert_follows(model, X[2], "predict_proba")


@pytest.mark.parametrize("sequences", [X, EQUAL, EQUAL[:, :, :1]])
def test_other_transformers_of_sequences_are_refused(skl2onnx, sequences):
    for transformer in (FunctionTransformer(np.copy), SequenceTwice()):
        model = make_pipeline(transformer, fit(X=sequences))
        if not isinstance(sequences, list) or isinstance(transformer, SequenceTwice):
            model.fit(sequences, CODES)
            with pytest.raises(ValueError, match="pipeline was fitted on sequences"):
                to_onnx(model)


class SequenceTwice(TransformerMixin, BaseEstimator):
    """A transformer of sequences that nothing converts."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return [2 * x for x in X]


@pytest.mark.parametrize("step", [None, FunctionTransformer(), SequenceScaler()])
def test_skl2onnx_of_an_array_of_sequences(skl2onnx, step):
    for sequences in (EQUAL, EQUAL[:, :, :1]):
        model = fit(X=sequences)
        if step is not None:
            model = make_pipeline(step, model).fit(sequences, CODES)
        one = sequences.shape[2] == 1
        if isinstance(step, FunctionTransformer) and not one:
            # skl2onnx has it that its output has two axes.
            with pytest.raises(ValueError, match="sequences with n_features=3"):
                skl2onnx.to_onnx(model, sequences)
            continue
        exported = skl2onnx.to_onnx(model, sequences, options={"zipmap": False})
        given = run(exported, {"X": sequences})
        expected = model.predict_proba(sequences)
        np.testing.assert_allclose(given["probabilities"], expected, rtol=0, atol=1e-5)


def test_skl2onnx_refuses_sequences_declared_as_tables(skl2onnx):
    types = skl2onnx.common.data_types
    advice = re.escape('initial_types=[("X", DoubleTensorType([None, None, 3])), (')
    for model in (fit(), make_pipeline(SequenceScaler(), fit()).fit(X, CODES)):
        for shape in ([None, 3], [None, None], [None], [None, None, 2]):
            initial_types = [("X", types.DoubleTensorType(shape))]
            with pytest.raises(ValueError, match=advice):
                skl2onnx.to_onnx(model, initial_types=initial_types)
        for sequences in (X, np.array(X, dtype=object), X[0]):
            with pytest.raises(Exception, match="."):
                skl2onnx.to_onnx(model, sequences)
    model = fit(TABLE_CODES, TABLE)
    advice = re.escape('Pass initial_types=[("X", DoubleTensorType([None, 8]))]')
    for shape in ([None, 7], [None, 8, 1], [None]):
        with pytest.raises(ValueError, match=advice):
            skl2onnx.to_onnx(
                model, initial_types=[("X", types.DoubleTensorType(shape))]
            )


# ---------------------------------------------------------- documentation


@pytest.mark.parametrize("item", [to_onnx, onnx_initial_state, register_skl2onnx])
def test_examples_that_need_onnx(item, skl2onnx):
    text = item.__doc__.replace("# doctest: +SKIP", "")
    example = doctest.DocTestParser().get_doctest(text, {}, item.__name__, None, 0)
    assert example.examples
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert not doctest.DocTestRunner(optionflags=options).run(example).failed


def test_code_of_the_page(skl2onnx):
    page = Path(__file__).parents[1] / "doc" / "export.rst"
    text = page.read_text(encoding="utf-8")
    text = text[: text.index("PyTorch\n-----")]
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    blocks = [block for block in blocks if ">>>" not in block]  # test_docs runs these
    assert blocks
    code = "".join(re.sub("^   ", "", block, flags=re.MULTILINE) for block in blocks)
    exec(compile(code, page.name, "exec"), {})
