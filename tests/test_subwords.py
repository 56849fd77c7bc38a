"""Byte-pair encoding: learned as the slow rule says, and joined exactly."""

import pickle
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from skrnn.export.values import Decoder, Encoder, dump, parse
from skrnn.inputs.subwords import LONGEST, BytePairs, words_of

TEXTS = [
    "the lower the newest, the widest!",
    " two  blanks,\tand\na line\u3000more ",
    "aaa aaaa aaaaa banana",
    "Füße über Öl … ☃☃ (so) “what”?",
    "",
    "...",
    "低い低い山、高い山。",
]


def slow(texts, n_subwords, min_frequency=2):
    """The rule, without any care for time."""
    words = Counter(tuple(word) for text in texts for word in words_of(text))
    merges = []
    while len(merges) < n_subwords:
        pairs = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        ranked = sorted((-count, pair) for pair, count in pairs.items())
        if not ranked or -ranked[0][0] < min_frequency:
            break
        pair = ranked[0][1]
        merges.append(pair)
        words = Counter()
        for text in texts:
            for word in words_of(text):
                words[apply(word, merges)] += 1
    return merges


def apply(word, merges):
    """The pieces of a word, by each pair in turn."""
    word = list(word)
    for pair in merges:
        i = 0
        while i < len(word) - 1:
            if (word[i], word[i + 1]) == pair:
                word[i : i + 2] = ["".join(pair)]
            i += 1
    return tuple(word)


def drawn_texts(seed, n=40):
    rng = np.random.RandomState(seed)
    letters = np.array(list("aab  .,\n"))
    return [
        "".join(letters[rng.randint(0, 8, size=rng.randint(0, 30))]) for _ in range(n)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("min_frequency", [1, 2, 5])
def test_learned_as_by_the_slow_rule(seed, min_frequency):
    texts = drawn_texts(seed)
    pairs = BytePairs.learn(texts, 25, min_frequency)
    assert list(pairs.merges) == slow(texts, 25, min_frequency)
    for text in texts:
        expected = [p for word in words_of(text) for p in apply(word, pairs.merges)]
        assert pairs.encode(text) == expected


def test_words_of_a_language():
    pairs = BytePairs.learn(TEXTS, 30, 2)
    assert list(pairs.merges) == slow(TEXTS, 30, 2)
    again = BytePairs.learn(TEXTS[::-1], 30, 2)
    assert again == pairs and hash(again) == hash(pairs) and 10 < len(pairs) <= 30
    assert pairs != BytePairs.learn(TEXTS, 9, 2)
    assert " the" in pairs.encode("lower the widest")
    assert pairs.encode("the the")[0] == " the"  # the first word is like others


@pytest.mark.parametrize("n_subwords", [0, 3, 100])
def test_joining_gives_the_text_back(n_subwords):
    pairs = BytePairs.learn(TEXTS, n_subwords)
    others = ["never seen: ŽŽ\x00 😀", " ", "  ", "\n", " a", "\u2028x ", "\ud800"]
    for text in [
        *TEXTS,
        *others,
        *drawn_texts(7),
        "x" * 1000,
        ")" * 300,
        ")" * 300 + "x",
    ]:
        pieces = pairs.encode(text)
        assert pairs.decode(pieces) == text
        assert all(type(piece) is str and piece for piece in pieces)
        assert max(map(len, pieces), default=0) <= LONGEST + 1
    assert pairs.encode("") == [] and pairs.decode([]) == ""
    assert pairs.encode("Ž")[-1] == "Ž"
    assert pairs.decode(["b", " a"]) == "b a"


def test_words_and_marks():
    assert words_of("so, what (now)?!  Yes: 3.14 ...") == [
        " so", ",", " what", " (now", ")?!", " ", " Yes", ":", " 3.14", " ...",
    ]  # fmt: skip


def test_plain_values():
    pairs = BytePairs.learn(TEXTS, 30)
    encoder = Encoder()
    code = parse(dump(encoder.encode(pairs.fields(), "pairs")))
    assert BytePairs.from_fields(Decoder([], memoryview(b"")).decode(code)) == pairs
    used = BytePairs.from_fields(pairs.fields())
    used.encode("the lower")
    assert pickle.dumps(used) == pickle.dumps(pairs)
    again = pickle.loads(pickle.dumps(pairs))
    assert again == pairs and again.encode(TEXTS[0]) == pairs.encode(TEXTS[0])


@pytest.mark.parametrize(
    "fields, message",
    [
        ([], "the field 'merges'"),
        ({"pairs": []}, "the field 'merges'"),
        ({"merges": "ab"}, "a list of pairs"),
        ({"merges": ["a"]}, "a list of pairs"),
        ({"merges": ["a", ""]}, "of texts"),
        ({"merges": ["a", 1]}, "of texts"),
        ({"merges": ["a", "b", "a", "b"]}, "a pair twice"),
    ],
    ids=str,
)
def test_other_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        BytePairs.from_fields(fields)


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr("skrnn.inputs.subwords.MAX_CACHED", 2)
    pairs = BytePairs.learn(TEXTS, 30)
    assert all(pairs.decode(pairs.encode(text)) == text for text in TEXTS * 2)
    assert len(pairs._cache) <= 2
