"""Sequences of tokens: the forms they come in, their categories, ids and batches."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator

from calls import count_calls
from skrnn._packing import describe_lengths, gather_ids
from skrnn.inputs import tokens as tokens_module
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences
from skrnn.inputs.tokens import Categories, Vocabulary, read_tokens

ODD = [chr(code) for code in (0, 1, 10, 13, 0x301, 0xD800, 0x1F600)]


class Model(BaseEstimator):
    """What check_sequences may set attributes of."""


def read(X, categorical_features="from_dtype", **options):
    return check_sequences(X, categorical_features=categorical_features, **options)


def encode(X, categorical_features="from_dtype", **options):
    sequences = read(X, categorical_features, **options)
    categories = Categories.learn(sequences)
    return categories.encode(sequences), categories


def batch_of(sequences, indices=None, dtype=np.float32):
    return sequences.pack(indices, StepEncoder(sequences.n_numeric), dtype)


def unpacked(batch):
    """The ids of each sequence of a batch, in the order of the indices."""
    ids = {}
    for b, length in enumerate(batch.lengths):
        ids[int(batch.order[b])] = batch.ids[batch.offset[:length] + b]
    return [ids[i] for i in range(len(ids))]


# Forms -------------------------------------------------------------------------------

TEXTS = ["hello", "a", "abba"]
WORDS = [["the", "dog", "saw"], ["a"], ["the", "a"]]


def objects(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


TEXT_FORMS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": objects,
    "column of objects": lambda X: objects(X)[:, None],
    "StringDType": lambda X: np.array(X, dtype=np.dtypes.StringDType()),
    "np.str_": lambda X: [np.str_(text) for text in X],
    "pandas": pd.Series,
    "pandas objects": lambda X: pd.Series(X, dtype=object),
    "pandas category": lambda X: pd.Series(X, dtype="category"),
    "pandas frame": lambda X: pd.DataFrame({"text": X}),
    "polars": pl.Series,
    "polars frame": lambda X: pl.DataFrame({"text": X}),
    "polars Categorical": lambda X: pl.Series(X, dtype=pl.Categorical),
}


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_forms_of_texts(form):
    model = Model()
    sequences = read(TEXT_FORMS[form](TEXTS), estimator=model)
    assert model.n_features_in_ == 1
    assert sequences.categorical == [0] and sequences.n_features == 1
    assert sequences.n_numeric == 0
    assert sequences.lengths.tolist() == [5, 1, 4]
    assert sequences[0] == "hello" and sequences[-1] == "abba"
    categories = Categories.learn(sequences)
    assert categories.arrays[0].tolist() == list("abehlo")
    batch = batch_of(categories.encode(sequences))
    assert batch.x.shape == (10, 0) and batch.x.dtype == np.float32
    assert batch.ids.dtype == np.int32 and batch.ids.shape == (10, 1)
    vocabulary = categories.vocabularies[0]
    found = ["".join(vocabulary.decode(ids[:, 0])) for ids in unpacked(batch)]
    assert found == TEXTS


WORD_FORMS = {
    "lists": lambda X: X,
    "tuples": lambda X: tuple(map(tuple, X)),
    "arrays": lambda X: [np.array(words) for words in X],
    "arrays of objects": lambda X: [objects(words) for words in X],
    "StringDType": lambda X: [np.array(w, dtype=np.dtypes.StringDType()) for w in X],
    "array of lists": objects,
    "array of arrays": lambda X: objects([np.array(words) for words in X]),
    "columns of objects": lambda X: [objects(words)[:, None] for words in X],
    "pandas of lists": pd.Series,
    "list of pandas": lambda X: [pd.Series(words) for words in X],
    "pandas category": lambda X: [pd.Series(words, dtype="category") for words in X],
    "polars of lists": pl.Series,
    "list of polars": lambda X: [pl.Series(words) for words in X],
    "frames": lambda X: [pd.DataFrame({"word": words}) for words in X],
    "polars frames": lambda X: [pl.DataFrame({"word": words}) for words in X],
    "polars Enum": lambda X: [
        pl.DataFrame(
            {"word": words}, schema={"word": pl.Enum(["a", "dog", "saw", "the"])}
        )
        for words in X
    ],
    "steps": lambda X: [[(word,) for word in words] for words in X],
}


@pytest.mark.parametrize("form", WORD_FORMS)
def test_forms_of_token_lists(form):
    sequences, categories = encode(WORD_FORMS[form](WORDS))
    assert sequences.categorical == [0] and sequences.n_features == 1
    assert categories.arrays[0].tolist() == ["a", "dog", "saw", "the"]
    found = unpacked(batch_of(sequences))
    assert [ids[:, 0].tolist() for ids in found] == [[3, 1, 2], [0], [3, 0]]


def test_a_2d_array_of_strings_has_a_sequence_in_each_row():
    sequences, categories = encode(np.array([["a", "b"], ["c", "d"]]))
    assert sequences.lengths.tolist() == [2, 2]
    assert categories.arrays[0].tolist() == list("abcd")


@pytest.mark.parametrize(
    "X",
    [
        [np.array([[1, 2.5], [1, 0.5]]), np.array([[-7, 1.0]])],
        [[[1, 2.5], [1, 0.5]], [[-7, 1.0]]],
        [
            np.array([[1, 2.5], [1, 0.5]], dtype=object),
            np.array([[-7, 1]], dtype=object),
        ],
        [
            pd.DataFrame({"k": [1, 1], "v": [2.5, 0.5]}),
            pd.DataFrame({"k": [-7], "v": [1.0]}),
        ],
        [
            pl.DataFrame({"k": [1, 1], "v": [2.5, 0.5]}),
            pl.DataFrame({"k": [-7], "v": [1.0]}),
        ],
    ],
)
@pytest.mark.parametrize("selection", [[0], 0, [True, False], lambda x: [0], ["k"]])
def test_ids_beside_numbers(X, selection):
    if selection == ["k"] and not hasattr(X[0], "columns"):
        selection = [-2]
    sequences, categories = encode(X, selection)
    assert sequences.categorical == [0] and sequences.n_features == 2
    assert sequences.n_numeric == 1
    assert categories.arrays[1] is None and categories.arrays[0].tolist() == [-7, 1]
    batch = batch_of(sequences, dtype=np.float64)
    assert batch.x.tolist() == [[2.5], [1.0], [0.5]]
    assert batch.ids.tolist() == [[1], [0], [1]]
    mean, var = sequences.moments()
    assert mean == pytest.approx([4 / 3]) and var.shape == (1,)


def test_numbers_stay_numbers():
    for X in (
        [np.array([1, 2]), np.array([3])],
        [[1, 2], [3]],
        np.ones((3, 4), dtype=int),
        np.ones((3, 4, 2), dtype=bool),
        [np.array([True, False])],
        [pd.DataFrame({"a": [1, 2]})],
        pl.Series([[1, 2], [3]]),
        pd.Series([[1, 2], [3]]),
        objects([[1, None], [3]]),
    ):
        for selection in ("from_dtype", None, []):
            sequences = read(X, selection, missing="indicator")
            assert sequences.tokens is None and sequences.categorical == []
            assert sequences.n_numeric == sequences.n_features


def test_numbers_are_not_copied():
    X = [np.ones((3, 2)), np.ones((4, 2), dtype=np.float32)]
    sequences = read(X)
    assert sequences[0] is X[0] and sequences[1] is X[1]
    beside = read([np.arange(8.0).reshape(2, 4)], [0])
    assert beside.numbers(0).base is not None


def test_dtypes_of_frames():
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["x", "y"]),
            "string": ["b", "a"],
            "bool": [True, False],
            "nullable": pd.array([True, False], dtype="boolean"),
            "integer": [1, 2],
            "float": [0.5, 1.5],
        }
    )
    model = Model()
    sequences = read([frame, frame], estimator=model)
    assert sequences.categorical == [0, 1, 2, 3]
    assert model.feature_names_in_.tolist() == list(frame.columns)
    assert model.n_features_in_ == 6
    categories = Categories.learn(sequences)
    assert [None if a is None else a.tolist() for a in categories.arrays] == [
        ["x", "y"],
        ["a", "b"],
        [False, True],
        [False, True],
        None,
        None,
    ]
    assert categories.sizes == [3, 3, 3, 3]
    batch = batch_of(categories.encode(sequences))
    assert batch.ids[0].tolist() == [0, 1, 1, 1] and batch.x[0].tolist() == [1.0, 0.5]
    of_polars = pl.DataFrame(
        {"s": ["b", "a"], "b": [True, False], "n": [1, 2]},
        schema_overrides={"n": pl.Int8},
    )
    assert read([of_polars]).categorical == [0, 1]


def test_columns_of_object_arrays():
    steps = np.array([["the", "DET", 1.0], ["dog", "NOUN", 2.0]], dtype=object)
    sequences, categories = encode([steps, steps[:1]])
    assert sequences.categorical == [0, 1] and sequences.n_numeric == 1
    assert categories.arrays[1].tolist() == ["DET", "NOUN"]
    assert batch_of(sequences).x.tolist() == [[1.0], [1.0], [2.0]]
    tuples = [[("the", "DET", 1.0), ("dog", "NOUN", 2.0)], [("the", "DET", 1.0)]]
    again, _ = encode(tuples)
    np.testing.assert_array_equal(batch_of(again).ids, batch_of(sequences).ids)


# Ids ---------------------------------------------------------------------------------


def test_odd_characters_survive():
    """NumPy cuts off a final NUL, and many encoders refuse lone surrogates."""
    text = "".join(ODD)
    for X in ([text], [list(text)], [np.array(list(text), dtype=object)]):
        sequences, categories = encode(X)
        assert categories.arrays[0].tolist() == sorted(ODD)
        ids = batch_of(sequences).ids[:, 0]
        assert "".join(categories.vocabularies[0].decode(ids)) == text
    again = pickle.loads(pickle.dumps(categories))
    np.testing.assert_array_equal(again.encode(sequences).ids, sequences.ids)
    of_arrays = Categories.from_arrays(categories.arrays)
    np.testing.assert_array_equal(of_arrays.encode(sequences).ids, sequences.ids)


def test_tokens_are_not_cut():
    tokens = ["B", "B-loc", "B\0", "B ", " B", "", "x" * 40]
    sequences, categories = encode([["B"], tokens])
    assert categories.arrays[0].tolist() == sorted(tokens)
    assert len(set(sequences.ids[1:, 0].tolist())) == len(tokens)


def test_ids_with_gaps_negatives_and_bools():
    for values in ([5, -3, 2**40, 5], [2**63 - 1, -(2**63), 0, 0]):
        for X in ([values], [np.array(values)]):
            sequences, categories = encode(X, [0])
            assert categories.arrays[0].tolist() == sorted(set(values))
            found = categories.vocabularies[0].decode(sequences.ids[:, 0])
            assert found.tolist() == values
    for dtype in ("bool", "int8", "uint64", ">i4", "<f4", "f8"):
        X = [np.array([1, 0, 1]).astype(dtype)]
        sequences, categories = encode(X, [0])
        assert categories.arrays[0].tolist() == [0, 1]
        assert sequences.ids[:, 0].tolist() == [1, 0, 1]
    assert encode([np.array([True])], [0])[1].arrays[0].tolist() == [True]


def test_unknown_tokens_have_the_last_id():
    _, categories = encode(["abc", "z"])
    vocabulary = categories.vocabularies[0]
    assert vocabulary.unknown == 4 and categories.sizes == [5]
    # searchsorted alone would take a neighbour.
    for token in ("y", "\0", "\U0010ffff", "ab", "é", "e\u0301"):
        assert vocabulary.encode([token]).tolist() == [4]
        assert vocabulary.id_of(token) == 4
    assert vocabulary.encode("cyb\U0010ffff").tolist() == [2, 4, 1, 4]
    assert vocabulary.id_of(["a"]) == 4 and vocabulary.id_of("z") == 3
    numbers = Vocabulary([1, 5, 9])
    assert numbers.encode([5, 4, 10, -1, None]).tolist() == [1, 3, 3, 3, 3]
    assert Vocabulary([]).encode("ab").tolist() == [0, 0]
    assert Vocabulary([]).encode([1, 2]).tolist() == [0, 0]


@pytest.mark.parametrize("marker", [None, np.nan, pd.NA, pd.NaT, float("nan")])
def test_missing_tokens(marker):
    for X, selection in (
        ([["a", marker], ["b"]], "from_dtype"),
        ([[1, marker], [2]], [0]),
        (
            [pd.DataFrame({"t": ["a", marker]}), pd.DataFrame({"t": ["b"]})],
            "from_dtype",
        ),
    ):
        match = r"X\[0\] has no token at step 1 in feature 0"
        with pytest.raises(ValueError, match=match):
            read(X, selection)
        sequences = read(X, selection, missing="indicator")
        categories = Categories.learn(sequences)
        assert len(categories.arrays[0]) == 2
        assert categories.encode(sequences).ids[:, 0].tolist() == [0, 2, 1]


def test_a_feature_without_any_token():
    sequences, categories = encode([[None, None]], [0], missing="indicator")
    assert categories.arrays[0].tolist() == [] and sequences.ids.tolist() == [[0], [0]]


@pytest.mark.parametrize(
    "options, tokens, counts",
    [
        ({}, "abcd", [5, 3, 3, 1, 0]),
        ({"min_frequency": 2}, "abc", [5, 3, 3, 1]),
        ({"min_frequency": 0.26}, "a", [5, 7]),
        ({"max_categories": 4}, "abcd", [5, 3, 3, 1, 0]),
        ({"max_categories": 3}, "ab", [5, 3, 4]),
        ({"max_categories": 2, "min_frequency": 3}, "a", [5, 7]),
        ({"max_categories": 1}, "", [12]),
    ],
)
def test_rare_categories_are_unknown(options, tokens, counts):
    text = "aaaaabbbcccd"
    for given in (text, list(text), [ord(c) for c in text]):
        vocabulary = Vocabulary.learn(given, **options)
        expected = list(tokens)
        if not isinstance(given[0], str):
            expected = [ord(token) for token in tokens]
        assert vocabulary.tokens.tolist() == expected
        assert vocabulary.counts.tolist() == counts
        assert vocabulary.encode(given).max() <= vocabulary.unknown


def test_categories_are_learned_from_the_sequences_that_count():
    sequences = read(["ab", "cd", "ef"])
    weighted = Categories.learn(sequences, sample_weight=[1.0, 0.0, 0.5])
    assert weighted.arrays[0].tolist() == list("abef")
    part = sequences.take([2, 1, 2])
    learned = Categories.learn(part)
    assert learned.arrays[0].tolist() == list("cdef")
    assert learned.vocabularies[0].counts.tolist() == [1, 1, 2, 2, 0]
    ids = unpacked(batch_of(learned.encode(part)))
    assert [i[:, 0].tolist() for i in ids] == [[2, 3], [0, 1], [2, 3]]


def test_categories_do_not_depend_on_order():
    words = ["b", "a", "é", "e\u0301", "Z", "a"]
    assert Vocabulary.learn(words).tokens.tolist() == sorted(set(words))
    assert Vocabulary.learn(words[::-1]).tokens.tolist() == sorted(set(words))


def test_ids_stay_as_they_are_for_new_tokens():
    _, categories = encode(["abc"])
    later = categories.encode(read(["xyzb"]))
    assert later.ids[:, 0].tolist() == [3, 3, 3, 1]


def test_another_form_of_unicode_is_warned_of():
    composed, decomposed = "café", "cafe\u0301"
    for given, later, form in (
        ([composed], [decomposed], "NFC"),
        ([decomposed], [composed], "NFD"),
        ([[composed]], [[decomposed]], "NFC"),
        ([[decomposed, "x"]], [["x", composed]], "NFD"),
    ):
        _, categories = encode(given)
        with pytest.warns(UserWarning, match=rf"X\[0\] at step .*normalize\('{form}'"):
            categories.encode(read(later))
        categories.encode(read(given))  # says nothing
    _, categories = encode(["abc"])
    categories.encode(read(["é\u0301\ud800xyz"]))  # unknown in any form


# Batches -----------------------------------------------------------------------------


def test_ids_and_numbers_are_in_the_same_rows():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 9, size=40)
    X = [
        np.column_stack([np.arange(n) + 100 * i, rng.integers(0, 5, n), np.full(n, i)])
        for i, n in enumerate(lengths)
    ]
    sequences, categories = encode(X, [0, 1])
    for indices in (None, [3], [7, 7, 0, 39], np.arange(40)[::-1]):
        batch = batch_of(sequences, indices, np.float64)
        shown = categories.vocabularies[0].decode(batch.ids[:, 0])
        assert (np.array(shown, dtype=int) // 100 == batch.x[:, 0]).all()
        assert batch.ids.flags.c_contiguous and batch.ids.shape == (len(batch.x), 2)
        taken = sequences.take(np.arange(40) if indices is None else indices)
        again = batch_of(taken, None, np.float64)
        np.testing.assert_array_equal(again.ids, batch.ids)


def test_the_order_of_rows_is_that_of_numbers():
    X = ["abc", "d", "efgh", "ijk"]
    sequences, _ = encode(X)
    numbers = check_sequences([np.array([ord(c) for c in x], float) for x in X])
    a, b = batch_of(sequences), batch_of(numbers)
    for name in ("n_active", "offset", "lengths", "order"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert b.ids is None
    np.testing.assert_array_equal(a.ids[:, 0] + ord("a"), b.x[:, 0])


def test_tokens_need_ids_and_single_steps():
    sequences = read(["abc"])
    with pytest.raises(ValueError, match=r"no ids before Categories\.encode"):
        batch_of(sequences)
    sequences, _ = encode(["abc"])
    with pytest.raises(ValueError, match="segment_length=2"):
        sequences.pack(None, StepEncoder(0, segment_length=2), np.float32)


def test_compiled_checks():
    with pytest.raises(ValueError, match="at least one step"):
        describe_lengths(np.array([2, 0]), None)
    ids = np.zeros((3, 1), dtype=np.int32)
    index = lambda *values: np.array(values, dtype=np.intp)  # noqa: E731
    good = index(0), index(0), index(3), index(0, 1, 2, 3)
    assert gather_ids(ids, *good).shape == (3, 1)
    for i, wrong in enumerate([index(1), index(1), index(4), index(0, 1, 9, 3)]):
        bad = list(good)
        bad[i] = wrong
        with pytest.raises((IndexError, ValueError)):
            gather_ids(ids, *bad)


# Errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X, selection, match",
    [
        ("abc", "from_dtype", r"X is one string\. .* \[X\]"),
        (b"abc", "from_dtype", r"X is bytes\. Decode them first"),
        ([b"abc"], "from_dtype", r"X\[0\] is bytes\. Decode it first"),
        (["a", b"b"], "from_dtype", r"X\[1\] is bytes"),
        (np.array([b"a"]), "from_dtype", r"X\[0\] is bytes"),
        ([["a", b"b"]], "from_dtype", r"X\[0\] has bytes at step 1"),
        (["a", "b", "c", ""], "from_dtype", r"X\[3\] has no steps.*SequenceVectorizer"),
        ([["a"], []], "from_dtype", r"X\[1\] has no steps.*SequenceVectorizer"),
        (
            ["ab", None],
            "from_dtype",
            r"X\[1\] is None, but other sequences are strings",
        ),
        (["ab", ["a"]], "from_dtype", r"X\[1\] is \['a'\], but other"),
        ([["a"], "ab"], "from_dtype", r"X\[0\] is \['a'\], but other"),
        (["ab", 3.5], "from_dtype", r"X\[1\] is 3.5, but other"),
        (
            [["a", "b"], ["c", 3]],
            "from_dtype",
            r"X\[1\] has 3 at step 1, a number, but X\[0\] has 'a' at step 0, a string",
        ),
        ([[3, 4], ["c"]], "from_dtype", r"X\[0\] has 3 at step 0, a number"),
        (
            [np.array([["a", 1], [2, 2]], dtype=object)],
            "from_dtype",
            r"X\[0\] has 2 at step 1, a number, but X\[0\] has 'a' at step 0",
        ),
        (
            [np.array([[0, 1], [0.5, 1]]), np.array([[0, 1.5]])],
            [0, 1],
            r"X\[0\] has 0.5 at step 1, not an id",
        ),
        ([np.array([[0, 1.5]])], [1], r"X\[0\] has 1.5 at step 0 in feature 1"),
        ([[1, 2.5]], [0], r"X\[0\] has 2.5 at step 1, not an id"),
        ([[1], [np.inf]], [0], r"X\[1\] has inf at step 0, not an id"),
        ([[1, 2**63]], [0], r"9223372036854775808 at step 1, which is too large"),
        (
            [np.array([1, 2**63], dtype=np.uint64)],
            [0],
            r"at step 1, which is too large",
        ),
        ([["a", {}]], "from_dtype", r"the token {} at step 1, of type dict.*hashable"),
        ([["a", ["b"]]], "from_dtype", r"X\[0\] has the token \['b'\] at step 1"),
        ([["a", 1j]], "from_dtype", r"the token 1j at step 1, of type complex"),
        (
            [[("a", 1.0), ("b",)]],
            "from_dtype",
            r"X\[0\] has 1 features in step 1, but 2 in step 0",
        ),
        (
            [[("a", 1.0)], [("a", 1.0, 2.0)]],
            "from_dtype",
            r"X\[1\] has 3 features, but X\[0\] has 2",
        ),
        ([np.zeros((2, 1))], [1], r"names column 1, but X\[0\] has 1 columns"),
        (["ab"], ["name"], "names the column 'name'"),
        (["ab"], lambda x: [], "leaves its characters out"),
        (
            [pd.DataFrame({"a": ["x"]}), pd.DataFrame({"b": ["x"]})],
            "from_dtype",
            r"X\[1\] has the columns \['b'\], but X\[0\] has \['a'\]",
        ),
        (pd.Series(["a", None]), "from_dtype", r"X.iloc\[1\] is (nan|None)"),
        (["ab"], None, r"X\[0\] holds strings"),
        (["ab"], [], r"X\[0\] holds strings"),
    ],
)
def test_refused(X, selection, match):
    with pytest.raises((ValueError, TypeError), match=match):
        read(X, selection)


def test_infinity_beside_tokens_is_named():
    frame = pd.DataFrame({"t": ["a", "b"], "v": [1.0, np.inf]})
    match = r"X\[1\] has it at step 1 in feature 1 \('v'\)"
    with pytest.raises(ValueError, match=match):
        read([frame[:1], frame])


def test_another_kind_of_tokens_than_in_fit():
    _, categories = encode(["abc"])
    with pytest.raises(
        ValueError, match=r"X\[0\] in feature 0 are numbers.*strings in"
    ):
        categories.encode(read([[1, 2]], [0]))
    _, categories = encode([[1, 2]], [0])
    with pytest.raises(
        ValueError, match="feature 0 are strings, but they were numbers"
    ):
        categories.encode(read(["abc"]))
    with pytest.raises(ValueError, match=r"features \[\] are categorical"):
        categories.encode(read([[1, 2]]))


def test_features_are_counted_as_in_fit():
    model = Model()
    read([np.zeros((2, 3))], [0], estimator=model)
    with pytest.raises(ValueError, match="X has 2 features, but Model is expecting 3"):
        read([np.zeros((2, 2))], [0], estimator=model, reset=False)
    model = Model()
    read(["abc"], estimator=model)
    assert read([["a"]], estimator=model, reset=False).n_features == 1


def test_too_many_categories(monkeypatch):
    monkeypatch.setattr(tokens_module, "MOST_CATEGORIES", 2)
    with pytest.raises(ValueError, match="A feature has 3 categories, more than 2"):
        Vocabulary.learn("abc")


def test_wrong_vocabularies():
    for tokens in (["b", "a"], ["a", "a"], [1, "a"]):
        with pytest.raises(ValueError, match="categories"):
            Vocabulary(tokens)


def test_reading_costs_little():
    """There is no call for each character, and none for each token."""
    texts = ["the quick brown fox jumps over the lazy dog " * 5] * 500
    assert count_calls(lambda: encode(texts)) < 10 * len(texts)
    assert len(encode(texts)[0].ids) == 110_000
    tokens = [text.split() for text in texts]

    def learn():
        column = read_tokens(tokens)
        Vocabulary.learn(column).encode(column)

    assert count_calls(learn) < sum(map(len, tokens)) / 2
