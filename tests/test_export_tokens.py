"""Networks that read tokens as ONNX graphs."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from outside import import_oracle, onnx_session
from skrnn import RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor
from skrnn.export import from_torch, load, save, to_onnx, to_torch
from skrnn.preprocessing import SequenceScaler, SequenceVectorizer

onnx = import_oracle("onnx")
ort = import_oracle("onnxruntime")

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
QUICK = {"max_iter": 3, "random_state": 0}
WORDS = ["the", "cat", "sat", "on", "a", "mat", "Ünïcode", "\U0001f600", "dog", "ran"]


def token_lists(n_seqs=25):
    rng = np.random.default_rng(0)
    X = [[WORDS[i] for i in rng.integers(10, size=n)] for n in rng.integers(1, 7, 25)]
    return X, [int("cat" in x) for x in X]


def padded(X, fill, dtype):
    table = np.full((len(X), max(map(len, X))), fill, dtype=dtype)
    for row, x in zip(table, X, strict=True):
        row[: len(x)] = x
    return table


def run(model, **inputs):
    return onnx_session(model).run(None, inputs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_strings(dtype):
    X, y = token_lists()
    clf = RNNClassifier(6, dtype=dtype, **QUICK).fit(X, y)
    X = [*X, ["never", "seen"]]
    lens = np.array(list(map(len, X)))
    labels, proba = run(
        to_onnx(clf), tokens0=padded(X, "the", object), sequence_lens=lens
    )
    assert labels.tolist() == clf.predict(X).tolist()
    assert_allclose(proba, clf.predict_proba(X), rtol=1e-4, atol=1e-6)
    nothing = np.empty((0, 4), dtype=object)
    _, proba = run(to_onnx(clf), tokens0=nothing, sequence_lens=lens[:0])
    assert proba.shape == (0, 2)


@pytest.mark.parametrize("size", ["auto", 3])
def test_numbers_beside_ids_and_strings(size):
    lists, _ = token_lists()
    rng = np.random.default_rng(1)
    X = [
        [[float(rng.normal()), word, int(rng.integers(-3, 3))] for word in words]
        for words in lists
    ]
    X[2][0][0] = np.nan
    y = rng.normal(size=len(X))
    reg = RNNRegressor(
        6,
        categorical_features=[1, 2],
        embedding_size=size,
        missing="indicator",
        bidirectional=True,
        **QUICK,
    ).fit(X, y)
    columns = [[[step[j] for step in x] for x in X] for j in range(3)]
    (value,) = run(
        to_onnx(reg),
        X=padded(columns[0], 0, np.float64)[..., np.newaxis],
        tokens1=padded(columns[1], "", object),
        tokens2=padded(columns[2], 0, np.int64),
        sequence_lens=np.array(list(map(len, X))),
    )
    assert_allclose(value[:, 0], reg.predict(X), rtol=1e-4, atol=1e-5)


def test_what_is_refused():
    X, y = token_lists()
    pipe = make_pipeline(SequenceVectorizer(), RNNClassifier(6, **QUICK))
    pipe.fit([" ".join(x) for x in X], y)
    with pytest.raises(ValueError, match="last step alone"):
        to_onnx(pipe)
    with pytest.raises(ValueError, match="before a network that reads tokens"):
        to_onnx(make_pipeline(SequenceScaler().fit([[[0.0]]]), pipe[-1]))
    mapping, clf = to_torch(pipe[-1]), pipe[-1]
    with pytest.raises(ValueError, match="embedding0.weight.*pass categories"):
        from_torch(mapping, clf)
    with pytest.raises(ValueError, match=r"embedding0.weight has the shape \(\d+, "):
        from_torch(mapping, clf, categories=[clf.categories_[0][:-1]])
    with pytest.raises(ValueError, match="features in categories"):
        from_torch(mapping, clf, categories=[*clf.categories_, None])
    with pytest.raises(ValueError, match="sorted categories of each feature"):
        from_torch(mapping, clf, categories=[clf.categories_[0][::-1]])


def test_half_of_a_character():
    clf = RNNClassifier(2, **QUICK).fit(["a\ud800", "ab"] * 4, [0, 1] * 4)
    with pytest.raises(TypeError, match=r"token '.ud800' is half of a character"):
        to_onnx(clf)


def test_tokens_with_zeros_and_beyond_16_bits():
    X = [["a\0", "b"], ["a", "\U0001f600"], ["a\0"], ["\0", "a"]] * 4
    clf = RNNClassifier(4, **QUICK).fit(X, [0, 1, 0, 1] * 4)
    _, proba = run(
        to_onnx(clf),
        tokens0=padded(X, "b", object),
        sequence_lens=np.array(list(map(len, X))),
    )
    assert_allclose(proba, clf.predict_proba(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", ["auto", 3])
@pytest.mark.parametrize(
    "make", [RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor]
)
def test_weights_there_and_back(make, size):
    lists, y = token_lists()
    rng = np.random.default_rng(1)
    mixed = [
        [[float(rng.normal()), word, int(rng.integers(-3, 3))] for word in words]
        for words in lists
    ]
    if make in (SequenceTagger, StepRegressor):
        y = [[len(word) % 3 for word in x] for x in lists]
    for X, selected in ((lists, "from_dtype"), (mixed, [1, 2])):
        model = make(
            4, categorical_features=selected, embedding_size=size, **QUICK
        ).fit(X, y)
        options = {"classes": model.classes_} if hasattr(model, "classes_") else {}
        again = from_torch(
            to_torch(model), model, categories=model.categories_, **options
        )
        method = "predict_proba" if options else "predict"
        found, desired = (list(getattr(m, method)(X)) for m in (again, model))
        for a, b in zip(found, desired, strict=True):
            assert_array_equal(a, b)
        for name, table in model.embeddings_.items():
            assert_array_equal(again.embeddings_[name], table)
        again.partial_fit(X, y)
        file = io.BytesIO()
        save(again, file)
        file.seek(0)
        assert_array_equal(list(load(file).predict(X))[0], list(again.predict(X))[0])


@pytest.mark.parametrize("options", [{}, {"scheme": "IOB2"}, {"segment_length": 2}])
def test_a_tagger_there_and_back_with_classes_in_another_order(options):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(1, 9, size=20)]
    y = [np.where(x[:, 0] > 0, "O", "B-x") for x in X]
    tagger = SequenceTagger(4, crf=True, **options, **QUICK).fit(X, y)
    mapping, n = to_torch(tagger), len(tagger.classes_)
    for name, axes in (("crf.transitions", 2), ("crf.start", 1), ("crf.end", 1)):
        mapping[name] = np.flip(mapping[name], axis=tuple(range(axes)))
    for name in ("head.weight", "head.bias"):
        rows = mapping[name].reshape(-1, n, *mapping[name].shape[1:])
        mapping[name] = rows[:, ::-1].reshape(mapping[name].shape)
    again = from_torch(mapping, tagger, classes=tagger.classes_[::-1])
    for a, b in zip(again.predict_proba(X), tagger.predict_proba(X), strict=True):
        assert_array_equal(a, b)
    two = SequenceTagger(4, **QUICK).fit(X, y)
    again = from_torch(to_torch(two), two, classes=two.classes_)
    assert_array_equal(again.predict_proba(X)[3], two.predict_proba(X)[3])
    with pytest.raises(ValueError, match="rows, and there are 3 classes"):
        from_torch(to_torch(two), two, classes=["a", "b", "c"])
    reg = StepRegressor(4, **QUICK).fit(X, [x[:, 0] for x in X])
    with pytest.raises(ValueError, match="are for classifiers"):
        from_torch(to_torch(reg), reg, classes=[0, 1])
