"""ONNX Runtime gives what the estimators give, whatever stands in the padding."""

import itertools
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cases import CELLS, POOLINGS
from fitted import set_fields
from onnx_models import (
    CODES,
    RNG,
    SIZES,
    STREAM_POOLINGS,
    TOLERANCE,
    WITH_GAPS,
    X,
    assert_agrees,
    fit,
    pad,
)
from outside import import_oracle, onnx_session, run_onnx
from skrnn import RNNClassifier, RNNRegressor, __version__
from skrnn.cells import CELLS as SPECS
from skrnn.export import onnx_initial_state, register_skl2onnx, to_onnx
from skrnn.export.onnx.parts import ONNX_CELLS, converts
from skrnn.network import POOLINGS as NETWORK_POOLINGS
from skrnn.preprocessing import SequenceScaler

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")


pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


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
    given = run_onnx(to_onnx(model, target_opset=14), pad(sequences))
    np.testing.assert_allclose(
        given["probabilities"], model.predict_proba(sequences), atol=1e-5
    )


@pytest.mark.parametrize("n_features", [1, 3])
def test_linear_models_of_whole_sequences(n_features):
    rng = np.random.default_rng(5)
    lengths = (40, 3, 24, 60, 31, 41, 1, 20, 9)
    sequences = [rng.normal(size=(n, n_features)).cumsum(0) for n in lengths]
    for missing, y in (("error", CODES[:9]), ("indicator", CODES[:9] % 2)):
        if missing == "indicator":
            sequences = [np.where(rng.random(x.shape) < 0.3, np.nan, x)
                         for x in sequences]  # fmt: skip
        model = fit(
            X=sequences, y=y, convolutions=9, rocket=True, missing=missing,
            segment_length=3,
        )  # fmt: skip
        assert_agrees(model, sequences)


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
    session = onnx_session(to_onnx(model))
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
            session = onnx_session(to_onnx(model))
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
    given = run_onnx(exported, {"X": np.zeros((0, 3)), **state})
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
    proba = run_onnx(to_onnx(model), feed)["probabilities"]
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
        *_, values = run_onnx(to_onnx(model), feed).values()
        assert np.flatnonzero(np.isnan(values).any(axis=1)).tolist() == [1]


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_overflow_is_nan(estimator, pooling):
    model = fit(
        estimator=estimator, cell="rnn", activation="relu", pooling=pooling,
        standardize=False,
    )  # fmt: skip
    large = [x / [1, 1000, 4] for x in X]
    expected = run_onnx(to_onnx(model), pad(large))
    # Which float32 holds, but not what becomes of it.
    large[2] = large[2] / np.abs(large[2]).max() * 3e38
    *_, expected = expected.values()
    *_, values = run_onnx(to_onnx(model), pad(large)).values()
    assert np.isnan(values[2]).all()
    kept = np.arange(len(X)) != 2
    np.testing.assert_allclose(values[kept], expected[kept], rtol=1e-5, atol=1e-5)


def test_infinity_is_refused_beside_missing_values():
    model = fit(X=WITH_GAPS, missing="indicator")
    bad = [x.copy() for x in WITH_GAPS]
    bad[0][0, 0] = np.inf
    proba = run_onnx(to_onnx(model), pad(bad))["probabilities"]
    assert np.isnan(proba).any(axis=1).tolist() == [True] + [False] * (len(X) - 1)


# ------------------------------------------------------------------ model


def test_signature():
    model = to_onnx(fit(np.array(["a", "b", "c"])[CODES]))
    session = onnx_session(model)
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
