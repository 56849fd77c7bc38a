"""SequenceVectorizer keeps the order of what CountVectorizer counts."""

import pickle
import unicodedata
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from conventions import check_conventions
from ids import plain
from skrnn import export
from skrnn.inputs.sequences import check_sequences
from skrnn.inputs.tokens import Categories
from skrnn.preprocessing import SequenceVectorizer

TEXTS = [
    "The cat sat on the mat, and the dog didn't.",
    "A dog! A dog sat on 2 mats.",
    "Émile's cats aren't dogs; I know.",
    "the end",
]
LISTS = [["The", "cat"], ["a", "B", "a"], ["cat"]]


def lists(sequences):
    return [sequence.tolist() for sequence in sequences]


def objects(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


# --- like CountVectorizer ------------------------------------------------------------

PARAMETERS = [
    {},
    {"lowercase": False},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii"},
    {"strip_accents": str.swapcase},
    {"stop_words": "english"},
    {"stop_words": ["the", "a"]},
    {"preprocessor": str.upper},
    {"tokenizer": str.split, "token_pattern": None},
    {"token_pattern": r"(?u)\b\w\w+\b"},
    {"token_pattern": r"(\w)\w*"},
    {"ngram_range": (2, 2)},
    {"ngram_range": (1, 3), "stop_words": ["on"]},
    {"analyzer": "char"},
    {"analyzer": "char", "ngram_range": (1, 3)},
    {"analyzer": str.split},
    {"min_df": 2},
    {"min_df": 0.6},
    {"max_df": 0.5, "ngram_range": (1, 2)},
    {"max_df": 1},
    {"max_features": 5},
    {"max_features": 9, "min_df": 2, "analyzer": "char"},
    {"vocabulary": ["the", "dog", "sat"]},
    {"vocabulary": {"sat": 1, "dog": 0}},
    {"vocabulary": {"the", "dog", "sat"}},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=" ".join)
def test_counts_are_those_of_count_vectorizer(parameters):
    ours = SequenceVectorizer(**parameters)
    options = {"token_pattern": ours.token_pattern, **parameters}
    if parameters.get("analyzer", "word") != "word":
        del options["token_pattern"]
    theirs = CountVectorizer(**options)
    counts = theirs.fit_transform(TEXTS).toarray()
    sequences = ours.fit_transform(TEXTS)
    if "max_features" not in parameters:  # ties are broken otherwise
        assert ours.vocabulary_ == theirs.vocabulary_
        for sequence, row in zip(sequences, counts, strict=True):
            found = Counter(sequence.tolist())
            found.pop("<unk>", None)
            expected = {t: row[i] for t, i in theirs.vocabulary_.items() if row[i]}
            assert found == expected
    else:
        assert len(ours.vocabulary_) == len(theirs.vocabulary_)
        n = sorted(counts.sum(axis=0))
        every = [t for s in sequences for t in s.tolist() if t != "<unk>"]
        assert sorted(Counter(every).values()) == n
    assert list(ours.vocabulary_) == sorted(ours.vocabulary_) or "vocabulary" in options
    assert lists(ours.transform(TEXTS)) == lists(sequences)
    assert lists(clone(ours).fit(iter(TEXTS)).transform(iter(TEXTS))) == lists(
        sequences
    )


def test_order_is_kept():
    vectorizer = SequenceVectorizer()
    assert lists(vectorizer.fit_transform(TEXTS))[1] == (
        "a dog ! a dog sat on 2 mats .".split()
    )
    vectorizer = SequenceVectorizer(ngram_range=(1, 2))
    assert lists(vectorizer.fit_transform(["x y z"])) == [["x", "x y", "y", "y z", "z"]]
    vectorizer = SequenceVectorizer(analyzer="char", ngram_range=(1, 2))
    assert lists(vectorizer.fit_transform(["xyz"])) == [["x", "xy", "y", "yz", "z"]]


def test_equally_frequent_tokens_are_kept_by_code_points():
    X = ["b a c", "a c b", "z z z"]
    vectorizer = SequenceVectorizer(max_features=3).fit(X)
    assert vectorizer.tokens_.tolist() == ["a", "b", "z", "<unk>"]
    assert vectorizer.fit(X[::-1]).tokens_.tolist() == ["a", "b", "z", "<unk>"]


# --- the unknown, the empty, the long ------------------------------------------------


def test_unknown():
    vectorizer = SequenceVectorizer().fit(["a b"])
    assert lists(vectorizer.transform(["b x a"])) == [["b", "<unk>", "a"]]
    assert lists(vectorizer.set_params(output="id").transform(["b x a"])) == [[1, 2, 0]]
    assert vectorizer.transform(["b"])[0].dtype == np.int32
    vectorizer = SequenceVectorizer(unknown=None).fit(["a b"])
    assert lists(vectorizer.transform(["b x a"])) == [["b", "a"]]
    assert vectorizer.n_tokens_ == 2 and vectorizer.tokens_.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"X\[1\] has no tokens of .* unknown='<unk>'"):
        vectorizer.transform(["a", "x"])


def test_a_token_written_like_the_unknown_is_unknown():
    X = [["a", "<unk>"], ["<unk>"]]
    vectorizer = SequenceVectorizer(analyzer=None, output="id").fit(X)
    assert vectorizer.vocabulary_ == {"a": 0} and vectorizer.n_tokens_ == 2
    assert lists(vectorizer.transform(X)) == [[0, 1], [1]]
    given_ = SequenceVectorizer(
        analyzer=None, output="id", vocabulary=["<unk>", "b"]
    ).fit(X)
    assert given_.n_tokens_ == 2 and given_.tokens_.tolist() == ["<unk>", "b"]
    assert lists(given_.transform([["b", "x"]])) == [[1, 0]]


def test_empty_texts():
    X = ["a", "", " "]
    vectorizer = SequenceVectorizer()
    assert lists(vectorizer.fit_transform(X)) == [["a"], ["<unk>"], ["<unk>"]]
    assert [s.tolist() for s in vectorizer.token_spans(X)] == [
        [[0, 1]],
        [[0, 0]],
        [[0, 0]],
    ]
    vectorizer.set_params(empty="error")
    for method in (vectorizer.transform, vectorizer.token_spans):
        with pytest.raises(ValueError, match=r"X\[1\] has no tokens. Leave it out, or"):
            method(X)
    features = SequenceVectorizer(analyzer=None, token_features=["lower", "prefix2"])
    assert lists(features.fit_transform([["ab"], []])) == [
        [["ab", "ab", "ab"]],
        [["<unk>", "<unk>", "<unk>"]],
    ]


def test_max_steps():
    vectorizer = SequenceVectorizer(max_steps=2).fit(["a b c d"])
    assert len(vectorizer.vocabulary_) == 4
    assert lists(vectorizer.transform(["x b c"])) == [["<unk>", "b"]]
    assert lists(vectorizer.set_params(unknown=None).transform(["x b c d"])) == [
        ["b", "c"]
    ]
    assert vectorizer.token_spans(["x b c d"])[0].tolist() == [[2, 3], [4, 5]]


# --- token lists, characters, bytes --------------------------------------------------

FORMS = {
    "lists": list,
    "tuples": lambda X: tuple(map(tuple, X)),
    "arrays": lambda X: [np.array(x) for x in X],
    "object array": lambda X: objects([np.array(x, dtype=object) for x in X]),
    "Series": lambda X: pd.Series(objects(X)),
    "polars": lambda X: pl.Series(X),
    "iterator": lambda X: (iter(x) for x in X),
}


@pytest.mark.parametrize("form", FORMS)
def test_token_lists(form):
    make = FORMS[form]
    vectorizer = SequenceVectorizer(analyzer=None)
    found = vectorizer.fit_transform(make(LISTS))
    assert lists(found) == LISTS
    assert all(type(token) is str for row in found for token in row)
    assert all(type(token) is str for token in vectorizer.vocabulary_)
    assert lists(vectorizer.inverse_transform(vectorizer.transform(make(LISTS)))) == (
        LISTS
    )
    square = np.array([["a", "b"], ["b", "c"]])
    assert lists(SequenceVectorizer(analyzer=None).fit_transform(square)) == (
        square.tolist()
    )


@pytest.mark.parametrize(
    "make", [tuple, np.array, objects, pd.Series, pl.Series, iter], ids=plain
)
def test_forms_of_texts(make):
    expected = lists(SequenceVectorizer().fit_transform(TEXTS))
    assert lists(SequenceVectorizer().fit_transform(make(TEXTS))) == expected


def test_characters_are_never_cut():
    # NumPy's arrays of strings lose NULs; sets of them lose more.
    text = "".join(map(chr, [0, 1, 10, 13, 0x301, 0xD800, 0x1F600, 0]))
    for parameters in ({"analyzer": "char"}, {"analyzer": "byte"}):
        vectorizer = SequenceVectorizer(**parameters).fit([text, "\0"])
        vectorizer = pickle.loads(pickle.dumps(vectorizer))
        for output in ("token", "id"):
            vectorizer.set_params(output=output)
            (found,) = vectorizer.inverse_transform(vectorizer.transform([text]))
            found = "".join(found)
            if parameters["analyzer"] == "byte":
                found = found.encode("latin-1").decode("utf-8", "surrogatepass")
            assert found == text


def test_bytes_are_never_unknown():
    vectorizer = SequenceVectorizer(analyzer="byte", lowercase=False, output="id")
    (ids,) = vectorizer.transform(["aé😀"])  # without fit: nothing is to be learned
    assert bytes(ids.tolist()) == "aé😀".encode()
    vectorizer.fit(["a"])
    assert vectorizer.n_tokens_ == 257 and len(vectorizer.vocabulary_) == 256
    assert vectorizer.token_spans(["aé"])[0].tolist() == [[0, 1], [1, 2], [1, 2]]
    with pytest.raises(ValueError, match="min_df must stay 1 with analyzer='byte'"):
        vectorizer.set_params(min_df=2).fit(["a"])
    pairs = SequenceVectorizer(analyzer="byte", ngram_range=(2, 2)).fit(["aba"])
    assert pairs.vocabulary_ == {"ab": 0, "ba": 1}


def test_vocabulary_can_be_used_without_fit():
    vectorizer = SequenceVectorizer(vocabulary=["a", "b"])
    assert lists(vectorizer.transform(["b c"])) == [["b", "<unk>"]]
    assert not hasattr(vectorizer, "vocabulary_")
    assert not hasattr(vectorizer, "n_tokens_")
    with pytest.raises(NotFittedError, match="Call fit first, or give it one"):
        SequenceVectorizer().transform(["a"])
    with pytest.raises(NotFittedError):
        SequenceVectorizer().inverse_transform([["a"]])


def test_inverse_transform():
    for output in ("token", "id"):
        vectorizer = SequenceVectorizer(output=output).fit(["a b"])
        found = vectorizer.inverse_transform(vectorizer.transform(["b c a"]))
        assert lists(found) == [["b", "<unk>", "a"]] and found[0].dtype == object
    with pytest.raises(ValueError, match=r"X\[0\]\[1\] is 3, but ids are from 0 to 2"):
        vectorizer.inverse_transform([[0, 3]])
    with pytest.raises(ValueError, match=r"X\[0\] is .* A sequence of ids"):
        vectorizer.inverse_transform([[0.5]])
    features = SequenceVectorizer(analyzer=None, token_features=("shape",)).fit(LISTS)
    found = features.inverse_transform(features.transform(LISTS))
    assert lists(found) == LISTS


# --- features of tokens --------------------------------------------------------------


def test_token_features():
    vectorizer = SequenceVectorizer(
        lowercase=False, token_features=("lower", "prefix3", "suffix3", "shape")
    )
    vectorizer.fit(["Anna"])
    (found,) = vectorizer.transform(["Anna's McDonalds 12:30 ÅB 東京都 IV"])
    assert found.dtype == object and found.shape == (10, 5)
    assert found.tolist() == [
        ["Anna", "anna", "Ann", "nna", "Xxxx"],
        ["<unk>", "'", "'", "'", "'"],
        ["<unk>", "s", "s", "s", "x"],
        ["<unk>", "mcdonalds", "McD", "lds", "XxXxxxx"],
        ["<unk>", "12", "12", "12", "dd"],
        ["<unk>", ":", ":", ":", ":"],
        ["<unk>", "30", "30", "30", "dd"],
        ["<unk>", "åb", "ÅB", "ÅB", "XX"],
        ["<unk>", "東京都", "東京都", "東京都", "xxx"],
        ["<unk>", "iv", "IV", "IV", "XX"],
    ]
    one = SequenceVectorizer(token_features=("suffix1",)).fit_transform(["ab"])
    assert one[0].tolist() == [["ab", "b"]]
    with pytest.raises(ValueError, match="Take lowercase=False"):
        SequenceVectorizer(token_features=("shape",)).fit(TEXTS)
    with pytest.raises(ValueError, match="token_features are strings"):
        SequenceVectorizer(token_features=("lower",), output="id").fit(TEXTS)
    for wrong in ("prefix", "prefix0", "norm", 3):
        with pytest.raises(ValueError, match="token_features has"):
            SequenceVectorizer(token_features=(wrong,)).fit(TEXTS)


# --- where tokens stand --------------------------------------------------------------


@pytest.mark.parametrize("parameters", PARAMETERS, ids=" ".join)
def test_spans_are_those_of_the_tokens(parameters):
    vectorizer = SequenceVectorizer(**parameters).fit(TEXTS)
    tokens = vectorizer.transform(TEXTS)
    spans = vectorizer.token_spans(TEXTS)
    for text, row, places in zip(TEXTS, tokens, spans, strict=True):
        assert places.shape == (len(row), 2)
        assert (places[:, 0] < places[:, 1]).all()
        if set(parameters) <= {"min_df", "max_df", "max_features", "vocabulary"}:
            for token, (start, stop) in zip(row, places, strict=True):
                assert token in ("<unk>", text[start:stop].lower())
    assert [len(s) for s in spans] == [len(row) for row in tokens]


def test_spans_are_of_the_text_as_given():
    texts = ["İİ ab", "cafe\u0301 bar", "ﬁn Ⅷ x", "ΑΣ ΣΑΣ"]
    vectorizer = SequenceVectorizer(strip_accents="unicode", token_pattern=r"\w+")
    spans = vectorizer.token_spans(texts)  # no fit: the vocabulary changes nothing
    found = [[t[a:b] for a, b in s] for t, s in zip(texts, spans, strict=True)]
    assert found == [text.split() for text in texts]
    doubled = SequenceVectorizer(preprocessor=lambda text: text.replace("a", "aa"))
    assert doubled.token_spans(["ba a"])[0].tolist() == [[0, 2], [3, 4]]
    with pytest.raises(ValueError, match=r"length of X\[0\], .* preproc.*=None"):
        SequenceVectorizer(preprocessor=str.strip).token_spans([" a b"])
    with pytest.raises(ValueError, match="token_spans needs texts"):
        SequenceVectorizer(analyzer=None).token_spans(LISTS)
    for name in ("tokenizer", "analyzer"):
        made = SequenceVectorizer(**{name: lambda text: [*text.split(), "x"]})
        with pytest.raises(ValueError, match=rf"The {name} makes the token 'x' of X\["):
            made.token_spans(["a b"])


characters = st.characters() | st.sampled_from("İßΣéﬁ\u0301\u0323가Ⅷ aA")


@given(
    st.text(characters, max_size=12),
    st.sampled_from([None, "ascii", "unicode"]),
    st.booleans(),
    st.sampled_from(["word", "char", "byte"]),
)
def test_cleaning_acts_on_each_character(text, strip_accents, lowercase, analyzer):
    # What token_spans relies on.
    vectorizer = SequenceVectorizer(
        analyzer=analyzer, strip_accents=strip_accents, lowercase=lowercase
    )
    (spans,) = vectorizer.token_spans([text])
    tokens = vectorizer.fit([text, "a"]).transform([text])[0]
    assert len(spans) == len(tokens)
    assert (0 <= spans).all() and (spans <= len(text)).all()
    assert (np.diff(spans[:, 0]) >= 0).all()
    if analyzer == "word" and text.split():
        clean = SequenceVectorizer(strip_accents=strip_accents, lowercase=lowercase)
        for token, (start, stop) in zip(tokens, spans, strict=True):
            if token == "<unk>" or "Σ" in text:
                continue
            # An accent alone may follow a token only.
            own = unicodedata.normalize("NFC", text[start:stop])
            assert token in "".join(clean.fit_transform([own])[0])


def test_spans_follow_the_dropped_tokens():
    vectorizer = SequenceVectorizer(unknown=None, stop_words=["b"]).fit(["a b d"])
    assert vectorizer.token_spans(["a b c d"])[0].tolist() == [[0, 1], [6, 7]]
    with pytest.raises(NotFittedError):
        SequenceVectorizer(unknown=None).token_spans(["a"])


# --- refusals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X, error, match",
    [
        ("one text", ValueError, r"X is one str: 'one text'.*expected: \[X\]"),
        (pd.DataFrame({"t": TEXTS}), ValueError, "X is a DataFrame.*one of its col"),
        (pl.DataFrame({"t": TEXTS}), ValueError, "X is a DataFrame.*one of its col"),
        (3, ValueError, "X is 3. A list of texts is expected"),
        ([], ValueError, "X is empty. A list of texts"),
        (["a", b"b"], TypeError, r"X\[1\] is bytes. Decode it first"),
        (["a", None], TypeError, r"X\[1\] is None, no text. Leave it out"),
        (["a", np.nan], TypeError, r"X\[1\] is nan, no text. Leave it out"),
        (["a", ["b"]], TypeError, r"X\[1\] is a list, no text. analyzer=None takes"),
        (["", " "], ValueError, "There is no token in X"),
    ],
)
def test_wrong_texts_are_refused(X, error, match):
    vectorizer = SequenceVectorizer().fit(["a b"])
    before = dict(vars(vectorizer))
    with pytest.raises(error, match=match):
        vectorizer.fit(X)
    assert vars(vectorizer) == before


def test_wrong_token_lists_are_refused():
    vectorizer = SequenceVectorizer(analyzer=None)
    with pytest.raises(TypeError, match=r"X\[1\] is a text: 'b'.*analyzer='word'"):
        vectorizer.fit([["a"], "b"])
    with pytest.raises(TypeError, match=r"X\[0\]\[1\] is 3. Tokens must be strings"):
        vectorizer.fit([["a", 3]])
    with pytest.raises(TypeError, match=r"X\[0\] is None, no list of tokens"):
        vectorizer.fit([None])
    with pytest.raises(TypeError, match=r"analyzer\(X\[0\]\)\[0\] is 1. Tokens must"):
        SequenceVectorizer(analyzer=lambda text: [1]).fit(["a"])
    with pytest.raises(TypeError, match=r"tokenizer\(X\[0\]\)\[0\] is 1. Tokens must"):
        SequenceVectorizer(tokenizer=lambda text: [1]).fit(["a"])


@pytest.mark.parametrize(
    "parameters, match",
    [
        ({"analyzer": "char_wb"}, "'analyzer' parameter"),
        ({"ngram_range": (2, 1)}, "ngram_range must be two lengths"),
        ({"ngram_range": (0, 1)}, "ngram_range must be two lengths"),
        ({"min_df": 3, "max_df": 2}, "max_df=2 means fewer texts than min_df=3"),
        ({"min_df": 9}, "max_df=1.0 means fewer texts than min_df=9"),
        ({"min_df": 4, "stop_words": ["the", "."]}, "No token is left"),
        ({"token_pattern": "(a)(b)"}, "More than 1 capturing group"),
        ({"token_pattern": None}, "token_pattern=None needs a tokenizer"),
        ({"vocabulary": []}, "empty vocabulary"),
        ({"vocabulary": ["a", "a"]}, "Duplicate term"),
        ({"vocabulary": {"a": 1}}, "doesn't contain index 0"),
        ({"max_steps": 0}, "'max_steps' parameter"),
        ({"output": "ids"}, "'output' parameter"),
        ({"empty": "drop"}, "'empty' parameter"),
    ],
)
def test_wrong_parameters_are_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        SequenceVectorizer(**parameters).fit(TEXTS)
    with pytest.raises(TypeError, match="vocabulary has 1. Tokens must be strings"):
        SequenceVectorizer(vocabulary=[1], analyzer=None).fit(LISTS)


def test_unused_parameters_are_named():
    with pytest.warns(UserWarning, match="stop_words is not used with analyzer='char'"):
        SequenceVectorizer(analyzer="char", stop_words="english").fit(TEXTS)
    with pytest.warns(UserWarning, match="ngram_range is not used with analyzer=None"):
        SequenceVectorizer(analyzer=None, ngram_range=(1, 2)).fit(LISTS)
    with pytest.warns(UserWarning, match="Upper case characters"):
        SequenceVectorizer(vocabulary=["A"]).fit(TEXTS)


# --- scikit-learn --------------------------------------------------------------------


def test_estimator():
    with pytest.warns(SkipTestWarning, match="string=True"):
        check_estimator(SequenceVectorizer())
    check_conventions(SequenceVectorizer())
    vectorizer = SequenceVectorizer(min_df=2, output="id")
    found = lists(vectorizer.fit_transform(TEXTS))
    again = pickle.loads(pickle.dumps(vectorizer))
    assert lists(again.transform(TEXTS)) == found
    assert again.vocabulary_ == vectorizer.vocabulary_
    assert clone(vectorizer).get_params() == vectorizer.get_params()
    assert not hasattr(vectorizer, "get_feature_names_out")
    assert type(vectorizer).__module__ == "skrnn.preprocessing"
    tags = vectorizer.__sklearn_tags__().input_tags
    assert tags.string and not tags.two_d_array


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"analyzer": "char", "ngram_range": (1, 2), "max_df": 1, "output": "id"},
        {"stop_words": ["the"], "token_features": ("lower",), "unknown": None},
        {"vocabulary": {"dog": 1, "$a": 0}},
        {"vocabulary": np.array(["dog", "cat"])},
    ],
    ids=str,
)
def test_model_file(parameters, tmp_path):
    vectorizer = SequenceVectorizer(**parameters)
    for fitted in (False, True):
        if fitted:
            vectorizer.fit(TEXTS)
        export.save(vectorizer, tmp_path / "model")
        again = export.load(tmp_path / "model")
        assert again.__sklearn_is_fitted__() == fitted
        for name, value in vectorizer.get_params().items():
            np.testing.assert_array_equal(getattr(again, name), value)
            assert type(getattr(again, name)) is type(value)
    assert again.vocabulary_ == vectorizer.vocabulary_
    assert lists(again.transform(TEXTS)) == lists(vectorizer.transform(TEXTS))


def test_model_file_holds_no_code_and_no_nonsense(tmp_path):
    for parameters in ({"analyzer": str.split}, {"tokenizer": str.split}):
        with pytest.raises(TypeError, match="cannot be kept in a model file"):
            export.save(SequenceVectorizer(**parameters).fit(TEXTS), tmp_path / "model")
    vectorizer = SequenceVectorizer().fit(TEXTS)
    for wrong in ({}, {"a": 1}, {"a": 0, "b": 0}, {1: 0}, ["a"]):
        vectorizer.vocabulary_ = wrong
        with pytest.raises(ValueError, match="vocabulary_"):
            export.save(vectorizer, tmp_path / "model")


class Spy(SequenceVectorizer):
    seen = []

    def fit(self, X, y=None):
        super().fit(X)
        self.seen.append((sorted(X), self.vocabulary_))
        return self

    def fit_transform(self, X, y=None):
        return self.fit(X).transform(X)

    def score(self, X, y=None):
        known = [t != "<unk>" for row in self.transform(X) for t in row]
        return float(np.mean(known))


def test_a_pipeline_sees_the_tokens_of_its_fold_only():
    texts = [f"all word{i}" for i in range(6)]
    Spy.seen.clear()
    scores = cross_val_score(make_pipeline(Spy()), texts, cv=KFold(3))
    assert scores.tolist() == [0.5] * 3
    for X, vocabulary in Spy.seen:
        assert sorted(vocabulary) == sorted({t for x in X for t in x.split()})
    search = GridSearchCV(Spy(), {"max_features": [1, 5]}, cv=KFold(3)).fit(texts)
    assert search.best_score_ == 0.5


@pytest.mark.parametrize(
    "parameters, n_features",
    [({}, 1), ({"analyzer": "char"}, 1), ({"token_features": ("lower", "prefix2")}, 3)],
    ids=str,
)
def test_the_sequences_are_read_as_tokens(parameters, n_features):
    vectorizer = SequenceVectorizer(**parameters)
    tokens = vectorizer.fit_transform([*TEXTS, ""])
    sequences = check_sequences(tokens, categorical_features="from_dtype")
    categories = Categories.learn(sequences).arrays
    assert len(categories) == n_features
    assert set(categories[0]) == set(vectorizer.tokens_)
