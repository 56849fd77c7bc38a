"""Networks that read tokens as ONNX graphs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, RNNRegressor
from skrnn.export import from_torch, to_onnx, to_torch
from skrnn.preprocessing import SequenceScaler, SequenceVectorizer

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

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
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


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
    with pytest.raises(ValueError, match="embedding0.weight"):
        from_torch(to_torch(pipe[-1]), pipe[-1])
