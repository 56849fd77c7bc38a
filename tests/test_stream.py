"""A stream gives, step by step, the bits of predict on the sequence so far."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
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
        rng = np.random.default_rng(1)
        holed = [np.where(rng.random(x.shape) < 0.3, np.nan, x) for x in X]
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
    for bad in (np.array([0, 3]), np.array([-1]), np.array(["a"]), None, [None]):
        with pytest.raises(ValueError, match="cannot have n_steps"):
            other.state = state | {"n_steps": bad}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
class TestState:
    @pytest.mark.parametrize("segment_length", [1, 3])
    @pytest.mark.parametrize("pooling", ["last", "mean", "max"])
    @pytest.mark.parametrize("cell", ["lstm", "gru"])
    def test_some_sequences_begin_anew(self, cell, pooling, segment_length):
        model = fit(cell=cell, pooling=pooling, segment_length=segment_length)
        stream = model.stream(4, method="predict_proba")
        rng = np.random.default_rng(0)
        sequences = [[] for _ in range(4)]
        for t in range(14):
            x = rng.normal(size=(4, 3)) * 10 + 5
            for sequence, step in zip(sequences, x, strict=True):
                sequence.append(step)
            expected = model.predict_proba([np.array(s) for s in sequences])
            assert_same_bits(stream.step(x), expected)
            rows = np.flatnonzero(rng.random(4) < 0.3)
            mask = np.isin(np.arange(4), rows)
            assert stream.reset([rows, mask, rows.tolist()][t % 3]) is stream
            for b in rows:
                sequences[b] = []
        for bad in ([4], -1, 0.5, "a", [[0]], [True]):
            with pytest.raises(ValueError, match=r"rows must be|mask of rows"):
                stream.reset(bad)

    def test_a_copy_is_a_stream_of_its_own(self):
        model = fit(cell="lstm", pooling="mean", segment_length=2)
        stream = model.stream()
        for x in X[0][:3]:
            stream.step(x)
        for copied in (copy.copy(stream), copy.deepcopy(stream)):
            before = stream.state
            for t, x in enumerate(X[1][:4]):
                longer = np.concatenate([X[0][:3], X[1][: t + 1]])
                assert_same_bits(copied.step(x), model.predict([longer]))
            for name, value in stream.state.items():
                assert np.array_equal(value, before[name])
            copied.reset()
        assert_same_bits(stream.step(X[0][3]), model.predict([X[0][:4]]))

    def test_a_stream_is_not_pickled_but_its_state_is(self):
        model = fit(cell="lstm", pooling="max", segment_length=2)
        stream = model.stream(method="decision_function")
        with pytest.raises(TypeError, match="A stream cannot be pickled. Pickle the"):
            pickle.dumps(stream)
        for x in X[0][:3]:
            stream.step(x)
        file = io.BytesIO()
        np.savez(file, **stream.state)
        file.seek(0)
        states = [pickle.loads(pickle.dumps(stream.state)), np.load(file)]
        expected = stream.step(X[0][3])
        model = pickle.loads(pickle.dumps(model))
        for state in states:
            other = model.stream(method="decision_function")
            other.state = state
            assert_same_bits(other.step(X[0][3]), expected)

    def test_bad_states_are_refused(self):
        model = fit(cell="lstm", pooling="mean", segment_length=2)
        stream = model.stream()
        stream.step(X[0][0])
        state = stream.state
        for bad in (None, 0, "state", [1, 2], np.zeros(3), iter([])):
            with pytest.raises(ValueError, match="A state is a dict of arrays"):
                stream.state = bad
        models = [
            fit(cell="lstm", pooling="mean", segment_length=2, hidden_layer_sizes=7),
            fit(cell="gru", pooling="mean", segment_length=2),
            fit(cell="lstm", pooling="max", segment_length=2),
            fit(cell="lstm", pooling="mean", segment_length=2, max_iter=3),
            fit(cell="lstm", pooling="mean", segment_length=2, standardize=False),
        ]
        refused = [other.stream().state for other in models]
        refused += [model.stream(2).state | {"n_steps": np.array([0])}, {}]
        refused += [{**state, "total": None}, {**state, 0: state["total"]}]
        refused += [{k: v for k, v in state.items() if k != "total"}]
        for bad in refused:
            with pytest.raises(ValueError, match="not of this model"):
                stream.state = bad
        for name, value in stream.state.items():
            assert np.array_equal(value, state[name])


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
class TestNames:
    NAMES = ("a", "b", "c")

    def frames(self, library):
        if library == "polars":
            polars = pytest.importorskip("polars")
            return [polars.DataFrame(x, schema=list(self.NAMES)) for x in X]
        return [pd.DataFrame(x, columns=list(self.NAMES)) for x in X]

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_columns_must_be_those_at_fit(self, library):
        if library == "polars" and sklearn.__version__.startswith("1.6"):
            pytest.skip("scikit-learn 1.6 knows no names of a polars of today")
        frames = self.frames(library)
        model = fit(X=frames)
        stream = model.stream(method="predict_proba")
        for t in range(3):
            expected = model.predict_proba([frames[0][: t + 1]])
            assert_same_bits(stream.step(frames[0][t : t + 1]), expected)
        step, rename = frames[0][3:4], dict(zip("abc", "xyz", strict=True))
        renamed = (
            step.rename(rename) if library == "polars" else step.rename(columns=rename)
        )
        for bad in (step[["b", "a", "c"]], renamed):
            with pytest.raises(ValueError, match="feature names should match"):
                model.predict_proba([bad])
            with pytest.raises(ValueError, match="feature names should match"):
                stream.step(bad)
        assert_same_bits(stream.step(step), model.predict_proba([frames[0][:4]]))
        assert_same_bits(stream.step(X[0][4]), model.predict_proba([frames[0][:5]]))

    def test_rows_of_a_data_frame(self):
        frames = self.frames("pandas")
        model = fit(X=frames)
        stream = model.stream(method="predict_proba")
        row = frames[0].iloc[0]
        for bad in (row[["b", "a", "c"]], row.rename({"a": "x"})):
            with pytest.raises(ValueError, match="feature names should match"):
                stream.step(bad)
        assert_same_bits(stream.step(row), model.predict_proba([frames[0][:1]]))
        row = pd.Series(X[0][1])  # without names
        assert_same_bits(stream.step(row), model.predict_proba([frames[0][:2]]))

    def test_many_sequences(self):
        frames = self.frames("pandas")
        model = fit(X=frames)
        stream = model.stream(2, method="predict_proba")
        step = pd.concat([frames[0][:1], frames[1][:1]])
        with pytest.raises(ValueError, match="has the order"):
            stream.step(step[["c", "b", "a"]])
        expected = model.predict_proba([frames[0][:1], frames[1][:1]])
        assert_same_bits(stream.step(step), expected)

    def test_names_of_steps_name_no_features(self):
        values = np.random.default_rng(2).normal(size=(24, 6))
        table = pd.DataFrame(values, columns=list("abcdef"))
        model = fit(X=table)
        stream = model.stream(method="predict_proba")
        for t in range(6):
            step = table.iloc[0, t : t + 1]
            expected = model.predict_proba([table.to_numpy()[0, : t + 1]])
            assert_same_bits(stream.step(step), expected)

    def test_a_model_without_names_takes_any(self):
        model = fit()
        frame = self.frames("pandas")[0]
        stream = model.stream(method="predict_proba")
        expected = model.predict_proba([X[0][:1]])
        assert_same_bits(stream.step(frame[:1]), expected)


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
