"""Sequences that travel as one array: the bits of a list, and what is sent."""

import pickle

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from cases import assert_same_bits
from skrnn import RNNClassifier
from skrnn.distributed import JoinedSequences
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes

FEW = {**QUICK, "max_iter": 3}


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("univariate", [False, True])
@pytest.mark.parametrize("in_file", [False, True])
def test_the_bits_of_a_list(tmp_path, dtype, univariate, in_file):
    X, y = make_classes()
    X = [(10 * x).astype(dtype) for x in X]
    if univariate:
        X = [x[:, 0] for x in X]
    joined = JoinedSequences(X, tmp_path / "X.npy" if in_file else None)
    assert len(joined) == len(X) and joined.start[-1] == sum(map(len, X))
    for found, x in zip(joined, X, strict=True):
        assert_same_bits(found, x)
    expected = RNNClassifier(**FEW).fit(X, y).predict_proba(X)
    again = pickle.loads(pickle.dumps(joined))
    for given in (joined, again):
        found = RNNClassifier(**FEW).fit(given, y)
        assert_same_bits(found.predict_proba(given), expected)
    scaled = SequenceScaler().fit_transform(X)
    assert_same_bits(SequenceScaler().fit_transform(joined)[3], scaled[3])


def test_a_search_reads_it():
    X, y = make_classes()
    search = GridSearchCV(RNNClassifier(**FEW), {"alpha": [0.0, 1.0]}, cv=3)
    expected = search.fit(X, y).cv_results_["mean_test_score"]
    found = search.fit(JoinedSequences(X), y).cv_results_["mean_test_score"]
    assert_same_bits(found, expected)


def test_what_is_sent(tmp_path):
    X = [np.zeros((1000, 2)), np.ones((500, 2))]
    joined = JoinedSequences(X)
    buffers = []
    small = pickle.dumps(joined, protocol=5, buffer_callback=buffers.append)
    assert len(small) < 1000
    assert sum(len(buffer.raw()) for buffer in buffers) >= 1500 * 2 * 8
    assert joined.__sizeof__() > 1500 * 2 * 8
    named = JoinedSequences(X, tmp_path / "X")
    assert len(pickle.dumps(named)) < 1000
    assert not named[0].flags.writeable
    assert "2 sequences, 1500 steps, file=" in repr(named)


def test_items_and_refusals():
    joined = JoinedSequences([[1.0, 2.0], [3.0]])
    assert joined[-1].tolist() == [3.0]
    assert [x.tolist() for x in joined[::-1]] == [[3.0], [1.0, 2.0]]
    assert len(JoinedSequences([])) == 0
    with pytest.raises(IndexError, match="sequence 2 of 2"):
        joined[2]
    with pytest.raises(ValueError, match=r"X\[1\] has the shape \(2, 3\), and X\[0\]"):
        JoinedSequences([np.zeros((3, 2)), np.zeros((2, 3))])
    with pytest.raises(TypeError, match=r"X\[1\] is no sequence of numbers"):
        JoinedSequences([[1.0], "text"])
