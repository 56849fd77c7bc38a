"""Tags, the schemes that allow them, and the spans that they mark."""

import itertools
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn.preprocessing import SequenceVectorizer
from skrnn.text import (
    SCHEMES,
    chunks_of,
    first_illegal_step,
    repair_tags,
    scheme_constraints,
    spans_to_tags,
    tags_to_spans,
)

# Legal strings of tags, each followed by a blank, and the chunks in any strings. They
# are written without a look at the package's definition.
LEGAL = {
    "IOB1": r"(O |I-a ([IB]-a )*|I-b ([IB]-b )*)*",
    "IOB2": r"(O |B-a (I-a )*|B-b (I-b )*)*",
    "IOBES": r"(O |S-a |S-b |B-a (I-a )*E-a |B-b (I-b )*E-b )*",
    "BILOU": r"(O |U-a |U-b |B-a (I-a )*L-a |B-b (I-b )*L-b )*",
}
CHUNK = {
    "IOB1": r"(?:(?<![IB]-{t} )I-{t} |(?<=[IB]-{t} )B-{t} )(?:I-{t} )*",
    "IOB2": r"B-{t} (?:I-{t} )*",
    "IOBES": r"S-{t} |B-{t} (?:I-{t} )*E-{t} ",
    "BILOU": r"U-{t} |B-{t} (?:I-{t} )*L-{t} ",
}
PREFIXES = {"IOB1": "IB", "IOB2": "IB", "IOBES": "IBES", "BILOU": "IBLU"}


def labels_of(scheme):
    return ["O", *(f"{p}-{t}" for t in "ab" for p in PREFIXES[scheme])]


def strings(scheme, n):
    return itertools.product(labels_of(scheme), repeat=n)


def joined(tags):
    return "".join(f"{tag} " for tag in tags)


@pytest.mark.parametrize("scheme", LEGAL)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_a_scheme_allows_is_what_an_expression_of_it_matches(scheme, n):
    labels = labels_of(scheme)
    constraints = scheme_constraints(labels, scheme)
    start, transitions, end = constraints
    for codes in itertools.product(range(len(labels)), repeat=n):
        tags = [labels[code] for code in codes]
        allowed = start[codes[0]] and end[codes[-1]]
        allowed &= all(transitions[a, b] for a, b in itertools.pairwise(codes))
        assert allowed == bool(re.fullmatch(LEGAL[scheme], joined(tags))), tags
        assert allowed == (first_illegal_step(codes, constraints) is None)


@pytest.mark.parametrize("scheme", LEGAL)
def test_chunks_of_a_scheme(scheme):
    for tags in strings(scheme, 4):
        text = joined(tags)
        expected = []
        for kind in "ab":
            for match in re.finditer(CHUNK[scheme].format(t=kind), text):
                span = (text[:at].count(" ") for at in match.span())
                expected.append((*span, kind))
        chunks = chunks_of(tags, scheme, "y")
        assert chunks == sorted(expected), tags
        if re.fullmatch(LEGAL[scheme], text):
            assert chunks_of(tags, None, "y") == chunks


@pytest.mark.parametrize("scheme", LEGAL)
def test_repaired_tags_are_legal_and_mark_the_same(scheme):
    for tags in strings(scheme, 4):
        repaired = repair_tags(tags, scheme)
        assert re.fullmatch(LEGAL[scheme], joined(repaired)), tags
        assert tags_to_spans(repaired) == tags_to_spans(tags)
        if re.fullmatch(LEGAL[scheme], joined(tags)):
            assert repaired == list(tags)
        for other in LEGAL:
            written = repair_tags(repaired, other)
            assert tags_to_spans(written, other) == tags_to_spans(tags)


@pytest.mark.parametrize("scheme", LEGAL)
def test_unlabeled_steps_can_be_anything_legal(scheme):
    labels = labels_of(scheme)
    constraints = scheme_constraints(labels, scheme)
    for codes in itertools.product(range(-1, len(labels)), repeat=3):
        free = [range(len(labels)) if code < 0 else [code] for code in codes]
        legal = any(
            re.fullmatch(LEGAL[scheme], joined(labels[code] for code in filled))
            for filled in itertools.product(*free)
        )
        assert (first_illegal_step(codes, constraints) is None) == legal
        tags = [None if code < 0 else labels[code] for code in codes]
        repaired = repair_tags([tags], scheme)[0]
        assert [t is None for t in repaired] == [t is None for t in tags]
        if legal:
            assert repaired == tags
        codes = [-1 if tag is None else labels.index(tag) for tag in repaired]
        assert first_illegal_step(codes, constraints) is None


def test_the_first_illegal_step_is_named():
    constraints = scheme_constraints(["B-a", "E-a", "I-a", "O"], "IOBES")
    assert first_illegal_step([3, 0, 3], constraints) == 2
    assert first_illegal_step([1], constraints) == 0
    assert first_illegal_step([0, 2], constraints) == 2  # its end
    assert first_illegal_step([], constraints) is None


def test_other_constraints():
    labels = np.array([3, 5, 9])
    every = np.ones(3, dtype=bool)
    start, transitions, end = scheme_constraints(labels, lambda a, b: b > a)
    np.testing.assert_array_equal(transitions, np.triu(np.ones((3, 3), bool), 1))
    np.testing.assert_array_equal(start, every)
    np.testing.assert_array_equal(end, every)
    again = scheme_constraints(labels, transitions.tolist())
    np.testing.assert_array_equal(again.transitions, transitions)
    whole = scheme_constraints(labels, (every, transitions, ~every | [0, 0, 1] == 1))
    assert whole.end.tolist() == [False, False, True]
    for array in whole:
        array[...] = False  # copies
    assert start.all() and transitions.any()
    for wrong, match in (
        (np.ones((3, 3)), "transitions of scheme must be bool, .* It is float64"),
        (np.ones((2, 3), bool), r"the shape \(3, 3\) for 3 labels"),
        ((every[:2], transitions, every), "start of scheme must be bool"),
        ((~every, transitions, every), r"allows none of the labels .* to be first"),
        ((every, transitions, ~every), r"allows none of the labels .* to be last"),
        ("BIO", "scheme must be one of"),
    ):
        with pytest.raises(ValueError, match=match):
            scheme_constraints(labels, wrong)
    with pytest.raises(
        ValueError, match=r"labels\[1\] is 'S-a', no tag of the scheme I"
    ):
        scheme_constraints(["O", "S-a"], "IOB2")
    with pytest.raises(ValueError, match=r"labels\[0\] is 3, no tag of the scheme IOB"):
        scheme_constraints([3], "IOB1")
    # No tag is outside: a chunk begins then.
    assert scheme_constraints(["B", "I"], "IOB2").start.tolist() == [True, False]


# --- spans ---------------------------------------------------------------------------

TEXT = "Fly to San  Francisco, now"
TOKENS = SequenceVectorizer().token_spans([TEXT])
PLACES = TOKENS[0].tolist()  # Fly to San Francisco , now


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_spans_and_back(scheme, data):
    n = data.draw(st.integers(0, 8))
    cuts = sorted(data.draw(st.sets(st.integers(0, n))))
    spans = [
        (start, stop, data.draw(st.sampled_from(["a", "b", "x-y", ""])))
        for start, stop in itertools.pairwise(cuts)
        if data.draw(st.booleans())
    ]
    shuffled = data.draw(st.permutations(spans))
    words = [f"w{i}" for i in range(n)]
    tags = spans_to_tags([words], [shuffled], scheme)
    assert [len(row) for row in tags] == [n]
    assert tags_to_spans(tags, scheme) == [spans]
    assert tags_to_spans(tags) == [spans]
    assert repair_tags(tags, scheme) == tags
    # The same by characters, of which each is a step.
    assert spans_to_tags(["x" * n], [spans], scheme) == tags
    # And by tokens of three characters.
    places = np.array([[4 * i, 4 * i + 3] for i in range(n)]).reshape(-1, 2)
    wide = [(4 * a, 4 * b - 1, kind) for a, b, kind in spans]
    if n:
        assert spans_to_tags([places], [wide], scheme) == tags
        assert spans_to_tags([places.tolist()], [wide], scheme) == tags
    assert tags_to_spans(tags, scheme, token_spans=[places]) == [wide]


def test_types_may_have_hyphens_or_be_missing():
    assert tags_to_spans([["B-loc-x", "I-loc-x"]]) == [[(0, 2, "loc-x")]]
    assert tags_to_spans(["B", "I", "B"]) == [(0, 2, ""), (2, 3, "")]
    assert spans_to_tags(["ab"], [[(0, 2, "")]]) == [["B", "I"]]


@pytest.mark.parametrize(
    "span, expanded",
    [
        ((7, 21, "c"), "B-c I-c"),
        ((6, 21, "c"), "B-c I-c"),  # blanks around it cut no token
        ((7, 12, "c"), "B-c O"),
        ((8, 21, "c"), None),
        ((7, 20, "c"), None),
        ((7, 13, "c"), None),
        ((8, 9, "c"), None),
    ],
)
def test_misaligned(span, expanded):
    if expanded is not None:
        for on_misaligned in ("error", "expand", "drop"):
            (tags,) = spans_to_tags(TOKENS, [[span]], "IOB2", on_misaligned)
            assert " ".join(tags) == f"O O {expanded} O O"
        return
    match = r"spans\[0\]\[0\] = \(.*\) cuts the token from \d+ to \d+. Correct it, or"
    with pytest.raises(ValueError, match=match):
        spans_to_tags(TOKENS, [[span]], "IOB2")
    (tags,) = spans_to_tags(TOKENS, [[span]], "IOB2", "expand")
    assert " ".join(tags) in ("O O B-c I-c O O", "O O B-c O O O")
    (tags,) = spans_to_tags(TOKENS, [[span, (0, 3, "d")]], "IOB2", "drop")
    assert " ".join(tags) == "B-d O O O O O"


def test_expanded_to_what_is_touched():
    assert spans_to_tags(TOKENS, [[(9, 13, "c")]], "IOBES", "expand") == [
        ["O", "O", "B-c", "E-c", "O", "O"]
    ]


@pytest.mark.parametrize(
    "spans, match",
    [
        ([[(10, 11, "c")]], r"spans\[0\]\[0\] = \(10, 11, 'c'\) has no token in it"),
        ([[(90, 91, "c")]], r"has no token in it. Correct it, or take on_misaligned"),
        ([[(3, 3, "c")]], r"is no part of its text. It must start at 0"),
        ([[(-3, 3, "c")]], r"is no part of its text"),
        ([[(0, "c")]], r"\(start, stop, type\) is expected"),
        ([[(0, 3, 4)]], r"\(start, stop, type\) is expected"),
        ([[(0, 6, "c"), (4, 10, "d")]], r"\[0\]\[0\] = .* and spans\[0\]\[1\].* share"),
        ([[(4, 10, "d"), (0, 6, "c")]], r"\[0\]\[1\] = .* and spans\[0\]\[0\].* share"),
        ([], "There are 1 texts, but spans of 0"),
    ],
)
def test_wrong_spans_are_refused(spans, match):
    with pytest.raises(ValueError, match=match):
        spans_to_tags(TOKENS, spans)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"which ends at 3. It must start"):
        spans_to_tags(["abc"], [[(0, 4, "c")]])
    with pytest.raises(ValueError, match=r"texts is one string: 'abc'. A list is"):
        spans_to_tags("abc", [])
    with pytest.raises(TypeError, match=r"texts\[0\] is 3. A text, a list of tokens"):
        spans_to_tags([3], [[]])
    with pytest.raises(ValueError, match="on_misaligned must be"):
        spans_to_tags(["abc"], [[]], "IOB2", "ignore")
    for scheme in ("BIO", None):
        with pytest.raises(ValueError, match="scheme must be one of"):
            spans_to_tags(["abc"], [[]], scheme)
        with pytest.raises(ValueError, match="scheme must be one of"):
            repair_tags(["O"], scheme)
    with pytest.raises(ValueError, match=r"y\[0\]\[1\] is 'PER', no tag. Tags are O"):
        tags_to_spans([["O", "PER"]])
    with pytest.raises(ValueError, match=r"y\[1\] is 'S-a', no tag of the scheme IOB2"):
        tags_to_spans(["O", "S-a"], "IOB2")
    with pytest.raises(ValueError, match=r"y\[0\] has 2 tags, but token_spans has 6"):
        tags_to_spans([["O", "O"]], token_spans=TOKENS)
    with pytest.raises(ValueError, match="1 sequences in y, but 0 in token_spans"):
        tags_to_spans([["O", "O"]], token_spans=[])
    with pytest.raises(ValueError, match="y is one string"):
        tags_to_spans("O")
    with pytest.raises(ValueError, match=r"y\[1\] is 'O'. A sequence of tags is"):
        tags_to_spans([["O"], "O"])
    with pytest.raises(ValueError, match="y is a DataFrame"):
        tags_to_spans(pd.DataFrame({"y": ["O"]}))


def test_forms_of_tags():
    expected = [[(0, 2, "a")], [(1, 2, "a")]]
    ragged = [["B-a", "I-a", "O"], ["O", "B-a"]]
    arrays = np.empty(2, dtype=object)
    arrays[:] = [np.array(tags) for tags in ragged]
    for y in (
        ragged,
        tuple(map(tuple, ragged)),
        arrays,
        pd.Series(ragged),
        pl.Series(ragged),
    ):
        assert tags_to_spans(y) == expected
        assert repair_tags(y) == ragged
    square = np.array([["B-a", "I-a"], ["O", "B-a"]])
    assert tags_to_spans(square) == expected
    for missing in (None, np.nan, pd.NA, np.float32("nan")):
        assert tags_to_spans([missing, "B-a", missing, "I-a"]) == [
            (1, 2, "a"),
            (3, 4, "a"),
        ]
        assert repair_tags([[missing, "I-a"]]) == [[None, "I-a"]]
    assert tags_to_spans([]) == [] and tags_to_spans([[]]) == [[]]
