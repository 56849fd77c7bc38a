"""Pipelines and meta-estimators as ONNX models."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from onnx_models import (
    CODES,
    RNG,
    TOLERANCE,
    X,
    assert_agrees,
    assert_follows,
    fit,
    pad,
)
from outside import import_oracle, run_onnx
from skrnn import RNNClassifier, RNNRegressor
from skrnn.export import onnx_initial_state, register_skl2onnx, to_onnx
from skrnn.preprocessing import SequenceScaler

onnx = import_oracle("onnx")
runtime = import_oracle("onnxruntime")


pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


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
    given = run_onnx(exported, pad(sequences, input_dtype))
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
        return run_onnx(exported, feed)

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
    given = run_onnx(exported, {"X": TABLE})["probabilities"]
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
    given = run_onnx(exported, {"X": TABLE})["probabilities"]
    np.testing.assert_allclose(given, vote.predict_proba(TABLE), rtol=0, atol=1e-12)


def test_skl2onnx_of_multilabel_and_of_a_scaler_alone(skl2onnx):
    y = np.eye(3, dtype=int)[TABLE_CODES]
    model = RNNClassifier(**SMALL).fit(TABLE, y)
    exported = skl2onnx.to_onnx(model, TABLE, options={"zipmap": False})
    given = run_onnx(exported, {"X": TABLE})
    assert np.array_equal(given["label"], model.predict(TABLE))
    expected = model.predict_proba(TABLE)
    np.testing.assert_allclose(given["probabilities"], expected, rtol=0, atol=1e-5)
    scaler = SequenceScaler().fit(X)
    double = skl2onnx.common.data_types.DoubleTensorType([None, None, 3])
    exported = skl2onnx.to_onnx(scaler, initial_types=[("X", double)])
    padded = pad(X)["X"]
    given = run_onnx(exported, {"X": padded})["variable"]
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
        given = run_onnx(exported, {"X": sequences})
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
