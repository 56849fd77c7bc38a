"""The bundled data are those that were published."""

import re
import zlib
from datetime import date

import numpy as np
import pytest
from sklearn.utils import Bunch

from skrnn.datasets import (
    load_japanese_vowels,
    load_pronunciations,
    load_shakespeare,
    make_dates,
)
from skrnn.datasets._dates import FORMS, MONTHS, WEEKDAYS


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


def test_pronunciations():
    data = load_pronunciations()
    assert isinstance(data, Bunch)
    assert len(data.data) == len(data.target) == len(set(data.data)) == 5000
    pairs = zip(data.data, data.target, strict=True)
    text = "".join(f"{word} {' '.join(phones)}\n" for word, phones in pairs)
    assert zlib.crc32(text.encode("ascii")) == 915166851
    assert all(re.fullmatch("[a-z]{2,20}", word) for word in data.data)
    lengths = [len(phones) for phones in data.target]
    assert (min(lengths), np.median(lengths), max(lengths)) == (1, 6, 17)
    assert sum(lengths) == 31_799
    assert len({phone for phones in data.target for phone in phones}) == 39
    words = ("31,799", "Carnegie Mellon University. All rights reserved", "AS IS")
    assert all(part in data.DESCR for part in words)
    parts = [
        load_pronunciations(subset=subset, return_X_y=True)
        for subset in ("train", "test")
    ]
    assert [len(X) for X, _ in parts] == [4500, 500]
    assert parts[0][0] + parts[1][0] == data.data
    assert parts[0][1] + parts[1][1] == data.target
    assert {p for y in parts[1][1] for p in y} <= {p for y in parts[0][1] for p in y}
    with pytest.raises(ValueError, match="'subset' parameter .* Got 'valid' instead"):
        load_pronunciations(subset="valid")


def read_date(text):
    """The day of a text, by rules that know no list of forms."""
    words = re.findall(r"[a-z]+|\d+", text.lower())
    numbers = [int(word) for word in words if word.isdigit()]
    months = [word for word in words if word[:3] in [m[:3].lower() for m in MONTHS]]
    assert len(numbers) + len(months) == 3, text
    if months:
        month = [m[:3].lower() for m in MONTHS].index(months[0][:3]) + 1
        day, year = sorted(numbers)
    else:
        year, month, day = numbers if numbers[0] > 31 else numbers[::-1]
    read = date(year, month, day)
    for weekday in WEEKDAYS:
        if weekday[:3].lower() in (word[:3] for word in words):
            assert WEEKDAYS[read.weekday()] == weekday
    return read


def test_dates():
    texts, iso = make_dates(2000, random_state=0)
    assert len(texts) == len(iso) == 2000 and len(set(texts)) > 1990
    assert [read_date(text).isoformat() for text in texts] == iso
    assert min(iso) < "1902" and max(iso) > "2098"
    ways = {re.sub(r"\d", "9", re.sub("[A-Za-z]+", "a", text)) for text in texts}
    assert len(ways) > 20 and len(set(FORMS)) == len(FORMS) == 26
    for ending in ("1st", "2nd", "3rd", "11th", "12th", "13th", "22nd", "31st"):
        assert any(ending in text for text in texts)
    again = make_dates(100, random_state=np.random.RandomState(0))
    assert again == (texts[:100], iso[:100])
    assert make_dates(3, random_state=1)[0] != texts[:3]
    assert len(make_dates()[0]) == 1000 and make_dates(0) == ([], [])


def test_dates_that_cannot_be_made():
    with pytest.raises(TypeError, match="n_samples must be an int, got 3.0"):
        make_dates(3.0)
    with pytest.raises(ValueError, match="n_samples must be at least 0, got -1"):
        make_dates(-1)
