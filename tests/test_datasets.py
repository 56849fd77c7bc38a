"""The bundled data are those that were published."""

import zlib

import numpy as np
import pytest
from sklearn.utils import Bunch

from skrnn.datasets import load_japanese_vowels, load_shakespeare


def test_japanese_vowels():
    data = load_japanese_vowels()
    assert isinstance(data, Bunch)
    assert len(data.data) == len(data.target) == 640
    assert data.target.dtype == np.int64
    assert data.target_names[data.target[[0, -1]]].tolist() == [
        "speaker 1",
        "speaker 9",
    ]
    assert data.feature_names[-1] == "cepstrum 12" and len(data.feature_names) == 12
    lengths = [len(x) for x in data.data]
    assert (min(lengths), np.median(lengths), max(lengths)) == (7, 15, 29)
    for x in data.data:
        assert x.shape[1] == 12 and x.dtype == np.float64
        assert x.flags.writeable and x.flags.owndata
    for words in ("CC BY 4.0", "10.24432/C5NS47", "Kudo", "Toyama", "Shimbo", "1999"):
        assert words in data.DESCR
    # The first step as it was published.
    assert data.data[0][0].tolist()[:3] == [1.860936, -0.207383, 0.261557]
    flat = np.concatenate(data.data)
    assert flat.shape == (9961, 12)
    # All digits: there are six after the point.
    assert (flat.round(6) == flat).all()
    checksum = zlib.crc32((flat * 1e6).round().astype("<i4").tobytes())
    assert checksum == 3977561553
    assert zlib.crc32(bytes(lengths)) == 2221769080


def test_subsets_of_japanese_vowels():
    X, y = load_japanese_vowels(return_X_y=True)
    X_train, y_train = load_japanese_vowels(subset="train", return_X_y=True)
    test = load_japanese_vowels(subset="test")
    assert np.bincount(y_train).tolist() == [30] * 9
    assert np.bincount(test.target).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    np.testing.assert_array_equal(np.concatenate([y_train, test.target]), y)
    for a, b in zip([*X_train, *test.data], X, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="'subset' parameter .* Got 'valid' instead"):
        load_japanese_vowels(subset="valid")


def test_every_call_loads_afresh():
    X, y = load_japanese_vowels(subset="test", return_X_y=True)
    X[0][:] = 0
    y[:] = 0
    X, y = load_japanese_vowels(subset="test", return_X_y=True)
    assert X[0].any() and y.any()


def test_shakespeare():
    data = load_shakespeare()
    assert isinstance(data, Bunch) and isinstance(data.data, str)
    assert len(data.data) == 442_993 and len(set(data.data)) == 63
    assert zlib.crc32(data.data.encode("ascii")) == 3960434421
    assert data.data.startswith("First Citizen:\nBefore we proceed any further")
    assert len(data.data.split("\n\n")) == 2751
    for words in ("public domain", "442,993", "2,751", "Richard II", "char-rnn"):
        assert words in data.DESCR
    parts = [load_shakespeare(subset=subset).data for subset in ("train", "test")]
    assert "".join(parts) == data.data
    assert [len(part) for part in parts] == [399_863, 43_130]
    for number in ("399,863", "43,130"):
        assert number in data.DESCR
    assert parts[0].endswith("\n\n")
    with pytest.raises(ValueError, match="'subset' parameter .* Got 'valid' instead"):
        load_shakespeare(subset="valid")
