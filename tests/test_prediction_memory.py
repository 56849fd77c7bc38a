"""Predictions read a batch some steps at a time: the same bits, in constant memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from digests import CASES, numbers, outputs, with_fixed_weights
from skrnn import RNNClassifier
from skrnn.inputs.sequences import check_sequences

CHOSEN = [
    *(name for name in CASES if name.startswith(("gru, ", "lstm, deep", "rnn, small"))),
    *("characters", "tokens beside numbers", "block of float32", "tagger, crf"),
    *("tagger, crf, segments", "step regressor, segments", "transcriber"),
    *("transcriber, own mean", "shared rows", "lstm, both, float32"),
]


@pytest.mark.parametrize("name", CHOSEN)
def test_blocks_of_steps_change_no_bit(name, monkeypatch):
    case = CASES[name]
    expected = list(outputs(with_fixed_weights(case), case.X))
    for size, n_seqs in ((16, 3), (400, 2), (900, 64)):
        monkeypatch.setattr("skrnn.network.blocks.BLOCK_BYTES", size)
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_ROWS", 7)
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_SEQS", n_seqs)
        found = list(outputs(with_fixed_weights(case), case.X))
        for got, want in zip(found, expected, strict=True):
            assert_array_equal(got, want)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention", "joined"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("both", [False, True])
def test_blocks_of_a_stack_change_no_bit(cell, pooling, both, monkeypatch):
    X = [numbers(20 + n, (n, 2)) for n in (9, 31, 30, 4, 17, 1)]
    options = {"cell": cell, "pooling": pooling, "bidirectional": both, "max_iter": 2}
    fitted = RNNClassifier((5, 3), segment_length=1, **options).fit(X, [0, 1] * 3)
    expected = list(outputs(fitted, X))
    for size, rows in ((16, 3), (900, 7), (2000, 99)):
        monkeypatch.setattr("skrnn.network.blocks.BLOCK_BYTES", size)
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_ROWS", rows)
        for got, want in zip(outputs(fitted, X), expected, strict=True):
            assert_array_equal(got, want)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("rocket", [False, True])
def test_blocks_of_segments_with_kernels_change_no_bit(both, rocket, monkeypatch):
    X = [numbers(40 + n, (n, 2)) for n in (90, 31, 62, 4, 50, 1)]
    X[0][20:25, 0] = X[2][61] = np.nan
    options = {"convolutions": 5, "bidirectional": both, "rocket": rocket}
    options["missing"] = "indicator"
    fitted = RNNClassifier(6, segment_length=3, max_iter=2, **options)
    fitted.fit(X, [0, 1] * 3)
    expected = list(outputs(fitted, X))
    monkeypatch.setattr("skrnn.network.blocks.WHOLE_BYTES", 64)
    for size, most in ((16, 20), (3000, 200), (9000, 2000)):
        monkeypatch.setattr("skrnn.network.blocks.BLOCK_BYTES", size)
        monkeypatch.setattr("skrnn.inputs.shares.BLOCK", most)
        for got, want in zip(outputs(fitted, X), expected, strict=True):
            assert_array_equal(got, want)


@pytest.mark.parametrize("pooling", ["max", "attention"])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_overflow_names_the_step_of_a_later_block(pooling, dtype, monkeypatch):
    monkeypatch.setattr("skrnn.network.blocks.BLOCK_BYTES", 64)
    X = np.ones((2, 40, 2))
    fitted = RNNClassifier(
        4, pooling=pooling, max_iter=1, standardize=False, segment_length=3
    ).fit(X, [0, 1])
    given = [np.ones((30, 2), dtype=dtype), np.ones((40, 2))]
    given[1][25, 1] = 1e300
    with pytest.raises(ValueError, match=r"X\[1\] .* at step 25 in feature 1"):
        fitted.predict(given)


def test_packed_steps_are_those_of_the_whole_batch():
    rng = np.random.default_rng(0)
    X = [
        rng.integers(0, 9, (n, 3)).astype(t)
        for n, t in ((9, "f4"), (7, "i8"), (3, "f8"))
    ]
    encoder = (
        RNNClassifier(2, max_iter=1, segment_length=2).fit(X, [0, 1, 1])._model.encoder
    )
    sequences = check_sequences(X)
    whole = sequences.pack([0, 1, 2], encoder, np.float32)
    part = sequences.pack([0, 1], encoder, np.float32, 2, 4)
    assert_array_equal(part.x, whole.x[whole.offset[2] : whole.offset[4]])
    assert_array_equal(part.n_active, whole.n_active[2:4])
    assert_array_equal(part.n_steps, [4, 3])
    with pytest.raises(IndexError, match="steps 4 to 8 of 3"):
        sequences.pack([0, 2], encoder, np.float32, 2, 4)


def peak(function, *args):
    """Return the largest number of bytes that a call holds at once."""
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("pooling", "both"), [("max", False), ("attention", False), ("mean", True)]
)
def test_a_million_steps_take_twenty_megabytes(pooling, both):
    X = numbers(7, (1, 10**6, 2)).astype(np.float32)
    options = {"pooling": pooling, "bidirectional": both, "max_iter": 1}
    fitted = RNNClassifier((16, 8), segment_length=1, **options)
    fitted.fit(X[:, :20].reshape(2, 10, 2), [0, 1])
    assert peak(fitted.predict_proba, X) <= 20 * 2**20
    assert peak(fitted.predict_proba, X.reshape(1000, 1000, 2)) <= 20 * 2**20


@pytest.mark.parametrize("n_features", [1, 3])
def test_a_million_steps_with_kernels_take_twenty_megabytes(n_features):
    X = numbers(7, (1, 10**6, n_features)).astype(np.float32)
    fitted = RNNClassifier(8, convolutions=4, max_iter=1, rocket=True)
    fitted.fit(X[:, :1000].reshape(20, 50, n_features), [0, 1] * 10)
    assert peak(fitted.predict_proba, X) <= 20 * 2**20


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_memory_does_not_grow(pooling):
    X = numbers(7, (1, 400_000, 2)).astype(np.float32)
    fitted = RNNClassifier((8, 8), pooling=pooling, max_iter=1, segment_length=1)
    fitted.fit(X[:, :20].reshape(2, 10, 2), [0, 1])
    fitted.predict(X[:, :200_000])
    # Some numbers for each sequence, as they come and go; nothing for a step.
    assert peak(fitted.predict, X) <= 2**22
    assert peak(fitted.predict, X.reshape(4000, 100, 2)) <= 2**22 + 4000 * 100
    assert len(fitted._model._idle) == 1
