"""Streams of pipelines give the bits of the pipeline on the sequence so far."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

import skrnn
from cases import assert_same_bits
from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn.preprocessing import SequenceScaler, SequenceVectorizer

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) * [1, 10, 100] + 5 for n in RNG.integers(4, 12, size=18)]
TABLE = RNG.normal(size=(18, 7)) * np.arange(1, 8) + 5
CLASSES = np.array(["a", "b", "c"])[np.arange(18) % 3]
SMALL = {"hidden_layer_sizes": 5, "max_iter": 2, "tol": 0, "random_state": 0}


def classifier(**options):
    return RNNClassifier(**{**SMALL, **options})


def assert_follows(pipeline, method, sequence):
    stream = skrnn.stream(pipeline, method=method)
    for t in range(len(sequence)):
        expected = getattr(pipeline, method)([sequence[: t + 1]])
        assert_same_bits(stream.step(sequence[t]), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
@pytest.mark.parametrize("options", [{}, {"with_mean": False}, {"with_std": False}])
def test_sequence_scalers(dtype, options):
    sequences = [x.astype(dtype) for x in X]
    pipeline = make_pipeline(
        "passthrough",
        SequenceScaler(**options),
        make_pipeline(SequenceScaler(copy=False), classifier(standardize=False)),
    ).fit([x.copy() for x in sequences], CLASSES)
    given = [x.copy() for x in sequences]
    for method in ("predict", "predict_proba", "decision_function"):
        stream = skrnn.stream(pipeline, method=method)
        for t, step in enumerate(given[0]):
            prefix = sequences[0][: t + 1].copy()
            expected = getattr(pipeline, method)([prefix])
            assert_same_bits(stream.step(step), expected)
    assert np.array_equal(given[0], sequences[0])


@pytest.mark.parametrize("segment_length", [1, 2])
def test_many_sequences_and_resets(segment_length):
    model = RNNRegressor(cell="lstm", segment_length=segment_length, **SMALL)
    pipeline = make_pipeline(SequenceScaler(), model).fit(X, np.arange(18.0))
    stream = skrnn.stream(pipeline, 3)
    histories = [[], [], []]
    for t in range(6):
        step = np.array([X[b][t % 4] for b in range(3)])
        for history, row in zip(histories, step, strict=True):
            history.append(row)
        expected = pipeline.predict([np.array(history) for history in histories])
        if t == 3:
            stream = copy.copy(stream)
        assert_same_bits(stream.step(step), expected)
        stream.reset([t % 3])
        histories[t % 3] = []


def test_missing_values():
    rng = np.random.default_rng(1)
    holed = [np.where(rng.random(x.shape) < 0.3, np.nan, x) for x in X]
    model = classifier(missing="indicator")
    pipeline = make_pipeline(SequenceScaler(), model).fit(holed, CLASSES)
    assert_follows(pipeline, "predict_proba", holed[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(copy=False),
        StandardScaler(with_mean=False),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        RobustScaler(),
    ],
)
def test_scalers_of_columns(scaler, dtype):
    """Step t of a stream has the scale of column t."""
    table = TABLE.astype(dtype)
    pipeline = make_pipeline(scaler, SequenceScaler(), classifier())
    pipeline.fit(table.copy(), CLASSES)
    scaled = pipeline[:-1].transform(table.copy())
    stream = skrnn.stream(pipeline, len(table), method="predict_proba")
    for t in range(7):
        proba = stream.step(table[:, t : t + 1])
        prefixes = [row[: t + 1] for row in scaled]
        assert_same_bits(proba, pipeline[-1].predict_proba(prefixes))
    assert_same_bits(proba, pipeline.predict_proba(table.copy()))
    with pytest.raises(ValueError, match="fitted on sequences of 7 steps"):
        stream.step(table[:, :1])
    stream.reset([0])
    with pytest.raises(ValueError, match="has no scale for a later step"):
        stream.step(table[:, :1])
    stream.reset()
    prefixes = [row[:1] for row in scaled]
    proba = stream.step(table[:, :1])
    assert_same_bits(proba, pipeline[-1].predict_proba(prefixes))


def test_scalers_of_steps():
    """Fitted on all steps below each other, and put before a model by hand."""
    frames = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    scaler = StandardScaler(copy=False).fit(pd.concat(frames))
    scaled = [scaler.transform(frame.copy()) for frame in frames]
    pipeline = make_pipeline(scaler, classifier().fit(scaled, CLASSES))
    stream = skrnn.stream(pipeline, method="predict_proba")
    given = frames[0].copy()
    for t in range(len(given)):
        expected = pipeline[-1].predict_proba([scaled[0][: t + 1]])
        assert_same_bits(stream.step(given.iloc[t]), expected)
    assert given.equals(frames[0])
    assert list(scaler.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        stream.step(given.iloc[0][["c", "b", "a"]])


def test_names():
    frames = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    pipeline = make_pipeline(SequenceScaler(), classifier()).fit(frames, CLASSES)
    stream = skrnn.stream(pipeline, method="predict_proba")
    for t in range(4):
        expected = pipeline.predict_proba([frames[0][: t + 1]])
        assert_same_bits(stream.step(frames[0].iloc[t]), expected)
    stream.reset()
    for bad in (frames[0][:1][["b", "a", "c"]], frames[0][:1].rename(columns={"a": 1})):
        with pytest.raises(ValueError, match="feature names should match"):
            stream.step(bad)
    expected = pipeline.predict_proba([frames[0][:1]])
    assert_same_bits(stream.step(frames[0][:1]), expected)


def test_refused_steps_leave_no_trace():
    pipeline = make_pipeline(SequenceScaler(), classifier()).fit(X, CLASSES)
    stream = skrnn.stream(pipeline, method="predict_proba")
    stream.step(X[0][0])
    for bad in ([1, 2], np.zeros((2, 3)), ["a", "b", "c"], [np.nan] * 3, [np.inf] * 3):
        with pytest.raises(ValueError, match=r"step|too large"):
            stream.step(bad)
    assert_same_bits(stream.step(X[0][1]), pipeline.predict_proba([X[0][:2]]))


def test_states():
    pipelines = [
        make_pipeline(SequenceScaler(with_mean=mean), classifier()).fit(X, CLASSES)
        for mean in (True, False)
    ]
    one, other = (skrnn.stream(pipeline) for pipeline in pipelines)
    one.step(X[0][0])
    with pytest.raises(ValueError, match="not of this model"):
        other.state = one.state
    again = skrnn.stream(pipelines[0])
    again.state = one.state
    assert_same_bits(again.step(X[0][1]), one.step(X[0][1]))


def test_an_estimator_alone():
    model = classifier().fit(X, CLASSES)
    stream = skrnn.stream(model, method="predict_proba")
    assert_same_bits(stream.step(X[0][0]), model.predict_proba([X[0][:1]]))


class Scaled(SequenceScaler):
    """A user's own."""

    def transform(self, X):
        return [x[::-1] for x in super().transform(X)]


class Cumulated(TransformerMixin, BaseEstimator):
    """A user's own."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return [np.cumsum(x, axis=0) for x in X]


@pytest.mark.parametrize(
    "transformer",
    [Scaled(), Cumulated(), FunctionTransformer(), Normalizer(), SequenceVectorizer()],
)
def test_other_transformers_are_refused_by_name(transformer):
    pipeline = make_pipeline(
        SequenceScaler().fit(X), transformer, classifier().fit(X, CLASSES)
    )
    name = type(transformer).__name__
    with pytest.raises(ValueError, match=f"stream: {name} may need whole sequences"):
        skrnn.stream(pipeline)


def test_what_has_no_stream():
    for model in (LogisticRegression(), SequenceForecaster(), StandardScaler()):
        for each in (model, make_pipeline(SequenceScaler(), model)):
            with pytest.raises(
                TypeError, match=f"{type(model).__name__} has no stream"
            ):
                skrnn.stream(each)
    with pytest.raises(TypeError, match="Pipeline has no stream"):
        skrnn.stream(Pipeline([("nothing", "passthrough")]))
    with pytest.raises(NotFittedError):
        skrnn.stream(make_pipeline(SequenceScaler(), classifier()))
    fitted = classifier().fit(X, CLASSES)
    with pytest.raises(NotFittedError):
        skrnn.stream(make_pipeline(SequenceScaler(), fitted))
    model = make_pipeline(SequenceScaler(), classifier(bidirectional=True))
    with pytest.raises(ValueError, match="from its end"):
        skrnn.stream(model.fit(X, CLASSES))
