"""Taggers and step regressors as ONNX graphs, and tokens step by step."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from outside import import_oracle, onnx_session, run_onnx
from skrnn import RNNClassifier, SequenceTagger, StepRegressor
from skrnn.export import onnx_initial_state, to_onnx

onnx = import_oracle("onnx")
ort = import_oracle("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
QUICK = {"max_iter": 3, "random_state": 0}
WORDS = ["the", "cat", "sat", "on", "a", "mat", "Ünïcode", "\U0001f600", "dog", "ran"]
TAGS = ["B-x", "I-x", "O"]
PATHS = [
    {"crf": True},
    {"scheme": "IOB2"},
    {"crf": True, "scheme": "IOB2"},
    {"crf": True, "scheme": "IOB2", "dtype": "float64"},
]


def lengths(n_seqs=20):
    return [1, 1, 2, *np.random.default_rng(0).integers(1, 8, size=n_seqs)]


def numbers():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(n, 2)) for n in lengths()]


def words():
    rng = np.random.default_rng(2)
    return [[WORDS[i] for i in rng.integers(10, size=n)] for n in lengths()]


def mixed():
    """A number, a word and an id."""
    rng = np.random.default_rng(3)
    return [
        [[float(rng.normal()), word, int(rng.integers(-3, 3))] for word in x]
        for x in words()
    ]


def tags(X):
    """Legal ones, that have to do with the words or with the numbers."""
    y = []
    for x in X:
        inside = [str(step) > "b" for step in x]
        pairs = zip([False, *inside], inside, strict=False)
        y.append(["O" if not now else TAGS[before] for before, now in pairs])
    return y


def padded(X, fill, dtype):
    first = np.asarray(X[0])
    table = np.full((len(X), max(map(len, X)), *first.shape[1:]), fill, dtype=dtype)
    for row, x in zip(table, X, strict=True):
        row[: len(x)] = x
    return table


def feed(X):
    """The inputs of a model for sequences of numbers, words, or both."""
    inputs = {"sequence_lens": np.array(list(map(len, X)))}
    if isinstance(X[0], np.ndarray):
        return inputs | {"X": padded(X, np.inf, np.float64)}
    if isinstance(X[0][0], str):
        return inputs | {"tokens0": padded(X, "the", object)}
    columns = [[[step[j] for step in x] for x in X] for j in range(3)]
    return inputs | {
        "X": padded(columns[0], 0, np.float64)[..., np.newaxis],
        "tokens1": padded(columns[1], "", object),
        "tokens2": padded(columns[2], 0, np.int64),
    }


def step_of(X, t):
    """The inputs of a streaming model at a step; the longer sequences are first."""
    inputs = feed([x[t : t + 1] for x in X])
    del inputs["sequence_lens"]
    return {name: value[:, 0] for name, value in inputs.items()}


def runner(model):
    return partial(run_onnx, onnx_session(model))


def check_steps(found, desired, **tolerances):
    """Rows are those of each sequence, and NaN behind it."""
    for row, x in zip(found, desired, strict=True):
        if row.dtype.kind == "f":
            assert_allclose(row[: len(x)], x, **tolerances)
            assert np.isnan(row[len(x) :]).all()
        else:
            assert row[: len(x)].tolist() == list(x)


def stream_of(model, X):
    """What a streaming model says of each step of each sequence."""
    run, order = runner(model), sorted(range(len(X)), key=lambda i: -len(X[i]))
    state = onnx_initial_state(model, len(X))
    given = [X[i] for i in order]
    found = [[] for _ in X]
    for t in range(max(map(len, X))):
        n = sum(len(x) > t for x in X)
        inputs = step_of(given[:n], t) | {k: v[:n] for k, v in state.items()}
        outputs = run(inputs)
        state = {name: outputs.pop(f"{name}_next") for name in state}
        for row, i in enumerate(order[:n]):
            step = {k: v[row] for k, v in outputs.items() if "transitions" not in k}
            found[i].append(step)
    return found


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("make_X", [numbers, words, mixed])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_and_numbers_of_each_step(make_X, bidirectional, dtype):
    X = make_X()
    options = {"bidirectional": bidirectional, "dtype": dtype, **QUICK}
    if make_X is mixed:
        options["categorical_features"] = [1, 2]
    tagger = SequenceTagger(6, **options).fit(X, tags(X))
    found = runner(to_onnx(tagger))(feed(X))
    assert list(found) == ["label", "probabilities"]
    check_steps(found["probabilities"], tagger.predict_proba(X), rtol=1e-4, atol=1e-6)
    check_steps(found["label"], tagger.predict(X))
    y = [np.arange(len(x)) * 2.0 + i for i, x in enumerate(X)]
    reg = StepRegressor(6, **options).fit(X, y)
    found = runner(to_onnx(reg))(feed(X))
    check_steps(found["variable"], reg.predict(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", PATHS)
@pytest.mark.parametrize("make_X", [numbers, words])
def test_best_paths(make_X, options):
    X = make_X()
    tagger = SequenceTagger(6, **options, **QUICK).fit(X, tags(X))
    found = runner(to_onnx(tagger))(feed(X))
    check_steps(found["label"], tagger.predict(X))
    check_steps(runner(to_onnx(tagger))(feed(X[:1]))["label"], tagger.predict(X[:1]))
    if "crf" not in options:
        proba = tagger.predict_proba(X)
        check_steps(found["probabilities"], proba, rtol=1e-4, atol=1e-6)
        return
    emissions = tagger.decision_function(X)
    check_steps(found["emissions"], emissions, rtol=1e-4, atol=1e-5)
    allowed = tagger.allowed_transitions_
    assert_allclose(found["transitions"][allowed], tagger.transitions_[allowed])
    assert (found["transitions"][~allowed] == -np.inf).all()
    scores = runner(to_onnx(tagger, decode=False))(feed(X))
    assert list(scores) == [name for name in found if name != "label"]
    nothing = {name: value[:0] for name, value in feed(X).items()}
    assert runner(to_onnx(tagger))(nothing)["label"].shape == (0, 7)


def test_what_is_refused_comes_out_as_nan():
    X = numbers()
    tagger = SequenceTagger(6, crf=True, **QUICK).fit(X, tags(X))
    run, inputs = runner(to_onnx(tagger)), feed(X)
    inputs["X"][3, 0, 0] = np.nan
    inputs["sequence_lens"][4] = 0
    found = run(inputs)["emissions"]
    assert np.isnan(found[3:5]).all()
    good = [x for i, x in enumerate(X) if i not in (3, 4)]
    kept = np.delete(found, [3, 4], axis=0)
    check_steps(kept, tagger.decision_function(good), rtol=1e-4, atol=1e-5)


def test_two_classes_one_class_and_a_table():
    X = numbers()
    y = [(x[:, 0] > 0).astype(int) for x in X]
    for labels in (y, [0 * each for each in y]):
        tagger = SequenceTagger(4, **QUICK).fit(X, labels)
        found = runner(to_onnx(tagger))(feed(X))
        check_steps(found["label"], tagger.predict(X))
        proba = tagger.predict_proba(X)
        check_steps(found["probabilities"], proba, rtol=1e-4, atol=1e-6)
    table, target = np.concatenate(X), np.concatenate([x[:, 1] for x in X])
    reg = StepRegressor(4, **QUICK).fit(table, target)
    found = runner(to_onnx(reg))(feed([table]))
    assert_allclose(found["variable"][0], reg.predict(table), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make_X", [numbers, words, mixed])
def test_streams(make_X):
    X = make_X()
    options = {"bidirectional": False, **QUICK}
    if make_X is mixed:
        options["categorical_features"] = [1, 2]
    tagger = SequenceTagger(6, cell="lstm", **options).fit(X, tags(X))
    found = stream_of(to_onnx(tagger, streaming=True), X)
    proba = [[step["probabilities"] for step in steps] for steps in found]
    for each, desired in zip(proba, tagger.predict_proba(X), strict=True):
        assert_allclose(each, desired, rtol=1e-4, atol=1e-6)
    clf = RNNClassifier(6, pooling="mean", **options).fit(X, [len(x) for x in X])
    found = stream_of(to_onnx(clf, streaming=True), X)
    last = [steps[-1]["probabilities"] for steps in found]
    assert_allclose(last, clf.predict_proba(X), rtol=1e-4, atol=1e-6)
    reg = StepRegressor(6, **options).fit(X, [np.arange(len(x)) for x in X])
    found = stream_of(to_onnx(reg, streaming=True), X)
    for steps, desired in zip(found, reg.predict(X), strict=True):
        assert_allclose([step["variable"] for step in steps], desired, rtol=1e-4)


@pytest.mark.parametrize("options", PATHS)
def test_streams_of_paths(options):
    X = words()
    tagger = SequenceTagger(6, bidirectional=False, **options, **QUICK)
    tagger.fit(X, tags(X))
    found = stream_of(to_onnx(tagger, streaming=True), X)
    prefixes = [x[: t + 1] for x in X for t in range(len(x))]
    desired = [labels[-1] for labels in tagger.predict(prefixes)]
    assert [step["label"] for steps in found for step in steps] == desired
    if "crf" in options:
        model = to_onnx(tagger, streaming=True, decode=False)
        assert "path" not in onnx_initial_state(model)
        given = [step["emissions"] for step in stream_of(model, X[-1:])[0]]
        emissions = tagger.decision_function(X[-1:])[0]
        assert_allclose(given, emissions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [2, 3])
def test_segments(k):
    X = numbers()
    options = {"segment_length": k, "bidirectional": False, **QUICK}
    reg = StepRegressor(6, **options).fit(X, [x[:, 0] for x in X])
    desired = reg.predict(X)
    found = runner(to_onnx(reg))(feed(X))
    check_steps(found["variable"], desired, rtol=1e-4, atol=1e-5)
    found = stream_of(to_onnx(reg, streaming=True), X)
    prefixes = [x[: t + 1] for x in X for t in range(len(x))]
    desired = [numbers[-1] for numbers in reg.predict(prefixes)]
    found = [step["variable"] for steps in found for step in steps]
    assert_allclose(found, desired, rtol=1e-4, atol=1e-5)
    tagger = SequenceTagger(6, crf=True, **options).fit(X, tags(X))
    found = runner(to_onnx(tagger))(feed(X))
    check_steps(found["label"], tagger.predict(X))
    with pytest.raises(TypeError, match="finds paths reads single steps"):
        to_onnx(tagger, streaming=True)


def test_frames_of_a_fit():
    frames = [pd.DataFrame({"a": x[:, 0], "b": list("uv" * len(x))[: len(x)]}) for x in
              numbers()]  # fmt: skip
    tagger = SequenceTagger(4, **QUICK).fit(frames, [f["b"] for f in frames])
    found = runner(to_onnx(tagger))(
        {
            "X": padded([f[["a"]].to_numpy() for f in frames], 0, np.float64),
            "tokens1": padded([f["b"].to_numpy() for f in frames], "u", object),
            "sequence_lens": np.array(list(map(len, frames))),
        }
    )
    check_steps(found["label"], tagger.predict(frames))
