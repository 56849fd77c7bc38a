"""SequenceTranslator: sequences into sequences, searched for one by one."""

import io
import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline

from cases import ISAS, assert_same_bits, instruction_set
from fitted import set_theta, theta_of
from forms import objects
from skrnn import SequenceTranslator
from skrnn.export import load, save
from skrnn.metrics import label_error_rate
from skrnn.preprocessing import SequenceScaler

QUICK = {"hidden_layer_sizes": 6, "max_iter": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem(n_seqs=24, seed=0, longest=6, letters="abc"):
    """Texts, and the same texts from their ends, in capitals."""
    rng = np.random.default_rng(seed)
    X = ["".join(rng.choice([*letters], n)) for n in rng.integers(1, longest, n_seqs)]
    return X, [text[::-1].upper() for text in X]


def drawn(estimator, seed=0, by=0.6):
    """The same estimator with weights that are larger than a short fit leaves."""
    theta = theta_of(estimator)
    more = by * np.random.default_rng(seed).normal(size=theta.shape)
    return set_theta(estimator, (theta + more).astype(theta.dtype))


def some_fit(**options):
    X, y = problem()
    return drawn(SequenceTranslator(**QUICK | options).fit(X, y)), X, y


# What is computed ---------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "attention": None}])
def test_all_strings_have_the_probability_one(options):
    model, _, _ = some_fit(dtype="float64", **options)
    # What is finished after up to three tokens, and what is not.
    letters = model.target_vocabulary_.tolist()
    strings = [
        "".join(own) for n in range(4) for own in itertools.product(letters, repeat=n)
    ]
    for x in ("a", "cab"):
        p = np.exp(model.score_samples([x] * len(strings), strings))
        prefixes = [own for own in strings if len(own) == 3]
        codes = model._model.target.encode(np.array(prefixes, dtype=object))
        sequences = model._check_sequences([x] * len(prefixes))
        log_p = model._model.log_proba_of_tokens(sequences, codes, 1)
        unfinished = sum(
            np.exp(own[:-1].sum()) * (1 - np.exp(own[-1])) for own in log_p
        )
        assert p.sum() + unfinished == pytest.approx(1, abs=1e-12)
        assert p[0] > 0  # the empty string


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1.5])
def test_a_wide_search_finds_the_best_of_all(penalty):
    model, _, _ = some_fit(beam_width=200, max_length=3, length_penalty=penalty)
    letters = model.target_vocabulary_.tolist()
    strings = [
        "".join(own) for n in range(4) for own in itertools.product(letters, repeat=n)
    ]
    for x in ("a", "cab", "bbbbbb"):
        scores = model.score_samples([x] * len(strings), strings)
        ranks = scores / np.array([len(own) + 1 for own in strings]) ** penalty
        found, log_p, rank = model.n_best([x], 40, return_rank=True)
        best = np.argsort(-ranks, kind="stable")
        assert len(found[0]) == len(set(found[0])) == 40 == len(strings)
        assert_same_bits(rank[0], ranks[best])
        assert_same_bits(log_p[0], model.score_samples([x] * 40, found[0]))
        assert model.predict([x])[0] == strings[best[0]]


def test_a_search_of_width_one_takes_the_best_token_each_time():
    model, X, _ = some_fit(beam_width=1, max_length=5)
    letters = ["", *model.target_vocabulary_.tolist()]
    for x, text in zip(X, model.predict(X), strict=True):
        written = ""
        while len(written) < 5:
            more = [written + letter for letter in letters[1:]]
            sequences = model._check_sequences([x] * len(more))
            codes = model._model.target.encode(np.array(more, dtype=object))
            log_p = model._model.log_proba_of_tokens(sequences, codes, 1)
            end = model._model.log_proba_of_tokens(
                model._check_sequences([x]),
                model._model.target.encode(np.array([written], dtype=object)),
                1,
            )[0][-1]
            best = int(np.argmax([end, *(own[-2] for own in log_p)]))
            if best == 0:
                break
            written += letters[best]
        assert text == written


@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "attention": "additive"}])
def test_it_learns(options):
    X, y = problem(300, longest=5)
    model = SequenceTranslator(24, max_iter=12, random_state=0, **options).fit(X, y)
    fresh = problem(60, seed=1, longest=5)
    assert model.score(*fresh) > 0.9
    weights = model.attention_weights(["abc"], ["CBA"])[0]
    assert weights.shape == (4, 3)
    assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)


def test_numbers_and_tokens_can_be_translated():
    rng = np.random.default_rng(0)
    words = [[int(k) for k in rng.integers(3, size=n)] for n in rng.integers(1, 5, 60)]
    signals = [np.repeat(own, 3)[:, np.newaxis] + 0.0 for own in words]
    for options in ({"segment_length": 3}, {"segment_length": "auto", "cell": "lstm"}):
        model = SequenceTranslator(**QUICK | options).fit(signals, words)
        predicted = drawn(model).predict(signals)
        assert all(type(k) is int for own in predicted for k in own)
        weights = model.attention_weights(signals, words)
        assert [w.shape[0] for w in weights] == [len(own) + 1 for own in words]
    with pytest.warns(UserWarning, match="source_unit='token'"):
        SequenceTranslator(**QUICK).fit(words, words)
    model = SequenceTranslator(source_unit="token", **QUICK).fit(words, words)
    assert model.source_vocabulary_.tolist() == [0, 1, 2]
    strings = [[f"k{k}" for k in own] for own in words]
    again = SequenceTranslator(**QUICK).fit(strings, words)
    assert_same_bits(theta_of(model), theta_of(again))


def test_units():
    X, y = problem()
    spaced = [" ".join(text) for text in X]
    expected = SequenceTranslator(**QUICK).fit([list(x) for x in X], y)
    words = SequenceTranslator(source_unit="word", **QUICK).fit(spaced, y)
    characters = SequenceTranslator(**QUICK).fit(X, y)
    given = SequenceTranslator(source_unit=Letters(), target_unit=Letters(), **QUICK)
    given.fit(X, y)
    for model in (words, characters, given):
        assert_same_bits(theta_of(model), theta_of(expected))
    assert words.predict(spaced).tolist() == characters.predict(X).tolist()
    assert given.predict(X).tolist() == characters.predict(X).tolist()
    assert pickle.loads(pickle.dumps(given)).predict(X).tolist() == (
        characters.predict(X).tolist()
    )
    pieces = SequenceTranslator(
        source_unit="subword", target_unit="subword", n_subwords=5, **QUICK
    ).fit([f"{x} {x}" for x in X], [f"{text}, {text}!" for text in y])
    assert pieces.score([f"{x} {x}" for x in X], y) <= 1
    assert any(len(piece) > 1 for piece in pieces.target_vocabulary_)
    assert all(isinstance(text, str) for text in drawn(pieces).predict(["ab ab"]))


class Letters:
    """Splits texts like the unit of characters."""

    def encode(self, text):
        return list(text)

    def decode(self, tokens):
        return "".join(tokens)


def test_unknown_tokens():
    X = [["go", "home", "now"], ["go", "to", "rome"], ["to", "home"], ["go", "to"]] * 4
    y = [[token.upper() for token in x] for x in X]
    X[3], y[3] = ["go", "paris"], ["GO", "PARIS"]
    model = SequenceTranslator(min_frequency=2, **QUICK).fit(X, y)
    assert "PARIS" not in model.target_vocabulary_
    assert np.isfinite(model.score_samples([["go", "paris"]], [["GO", "ELSE"]])).all()
    # With all weight on the unknown token, it is written.
    views = model._model.spec.layout().views(theta_of(model).copy())
    unknown = model._model.target.unknown
    theta = theta_of(model).copy()
    model._model.spec.layout().views(theta)["head.b"][unknown] = 20
    set_theta(model, theta)
    model.set_params(max_length=2, length_penalty=3.0)
    written = model.predict([["go", "paris"]])[0]
    assert len(views) and written and set(written) <= {"go", "paris"}
    step = model.attention_weights([["go", "paris"]])[0][0].argmax()
    assert written[0] == ["go", "paris"][step]
    model.set_params(unknown="avoid")
    assert set(model.predict([["go", "paris"]])[0]) <= set(model.target_vocabulary_)
    known = SequenceTranslator(**QUICK).fit(X, y)
    assert known.score_samples([["go"]], [["ELSE"]])[0] == -np.inf


# The same bits ------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
def test_the_same_bits(isa):
    X, y = problem()
    X, y = [*X, "abcba" * 6], [*y, "AB" * 15]
    options = QUICK | {"cell": "gru"}
    model = SequenceTranslator(**options).fit(X, y)
    expected = everything(drawn(model), X, y)
    with instruction_set(isa):
        other = SequenceTranslator(**options, n_jobs=2).fit(X, y)
        assert_same_bits(theta_of(drawn(other)), theta_of(model))
        order = np.random.default_rng(0).permutation(len(X))
        for cut in (1, 5, len(X)):
            found = []
            for start in range(0, len(X), cut):
                part = order[start : start + cut]
                found += everything(other, [X[i] for i in part], [y[i] for i in part])
            for i, own in zip(order, found, strict=True):
                for a, b in zip(own, expected[i], strict=True):
                    assert np.array_equal(a, b)


def everything(model, X, y):
    """What is said of each sequence."""
    texts, scores = model.n_best(X, 3)
    return list(
        zip(
            map(str, model.predict(X)),
            [item.astype(str) for item in texts],
            scores,
            model.attention_weights(X, y),
            model.score_samples(X, y),
            model.hidden_states(X),
            strict=True,
        )
    )


# Forms and tools ----------------------------------------------------------------------

LABELS = {
    "strings": dict(zip("ABC", ["a", "bb", "c"], strict=True)),
    "ints": dict(zip("ABC", [3, 4, 5], strict=True)),
    "bools": {"A": True, "B": False, "C": True},
    "tuples": dict(zip("ABC", [("a", 1), ("b", 2), ("c", 3)], strict=True)),
}
FORMS = {
    "lists": lambda y: [list(item) for item in y],
    "tuples": lambda y: tuple(tuple(item) for item in y),
    "objects": lambda y: objects([list(item) for item in y]),
    "series": lambda y: pd.Series([list(item) for item in y]),
    "arrays": lambda y: [objects(item) for item in y],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_forms_of_y(form, equal, kind):
    X, y = problem()
    if equal:
        y = [(text * 3)[:2] for text in y]
    names = LABELS[kind]
    labels = [[names[k] for k in text] for text in y]
    expected = SequenceTranslator(**QUICK | {"max_iter": 1}).fit(X, labels)
    model = SequenceTranslator(**QUICK | {"max_iter": 1}).fit(X, FORMS[form](labels))
    assert_same_bits(theta_of(model), theta_of(expected))
    predicted = drawn(model).predict(X)
    assert predicted.shape == (len(X),) and predicted.dtype == object
    assert all(type(item) is list for item in predicted)
    kinds = {type(label) for item in predicted for label in item}
    assert kinds <= {type(names["A"])}
    assert model.target_vocabulary_.tolist() == sorted(set(names.values()))


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, objects, pd.Series, lambda y: pd.Series(y).to_frame()],
    ids=["list", "tuple", "array", "objects", "series", "table"],
)
def test_forms_of_texts(form):
    X, y = problem()
    expected = SequenceTranslator(**QUICK).fit([[*x] for x in X], [[*t] for t in y])
    model = SequenceTranslator(**QUICK).fit(form(X), form(y))
    assert_same_bits(theta_of(model), theta_of(expected))
    predicted = drawn(model).predict(form(X))
    assert [type(text) for text in predicted] == [str] * len(X)
    lists = drawn(expected).predict([[*x] for x in X])
    assert predicted.tolist() == ["".join(own) for own in lists]
    assert model.score(form(X), form(y)) == 1 - label_error_rate(y, predicted.tolist())


def test_polars():
    polars = pytest.importorskip("polars")
    X, y = problem()
    expected = SequenceTranslator(**QUICK).fit(X, y)
    model = SequenceTranslator(**QUICK).fit(polars.Series(X), polars.Series(y))
    assert_same_bits(theta_of(model), theta_of(expected))


def test_one_label_for_each_sequence():
    X, y = problem()
    labels = np.array([len(text) for text in y])
    model = drawn(SequenceTranslator(**QUICK).fit(X, labels))
    predicted = model.predict(X)
    assert predicted.dtype == labels.dtype and predicted.shape == labels.shape
    best, found = model.n_best(X, 2)
    assert [own[0] for own in best] == predicted.tolist()
    assert_same_bits(np.array([s[0] for s in found]), model.score_samples(X, predicted))
    assert model.score(X, labels) == pytest.approx(np.mean(predicted == labels))


def test_tools_of_labels_texts_and_signals():
    """What `test_translator_tools.py` has not, which asks all tools for sequences."""
    X, y = problem()
    estimator = SequenceTranslator(**QUICK | {"max_iter": 1})
    labels = [len(text) for text in y]
    assert cross_val_predict(estimator, X, labels, cv=KFold(2)).shape == (len(X),)
    assert np.isfinite(cross_val_score(estimator, X, labels, cv=2)).all()
    cross_val_score(estimator, X, y, cv=KFold(2), scoring="accuracy")
    signals = [np.arange(len(x) + 1.0)[:, np.newaxis] for x in X]
    make_pipeline(SequenceScaler(), estimator).fit(signals, y).score(signals, y)


# Weights, keeping, going on, refusing -------------------------------------------------


def test_a_weight_of_two_is_the_pair_twice():
    X, y = problem()
    options = QUICK | {"dropout": 0, "batch_size": 999, "dtype": "float64"}
    weight = np.arange(len(X)) % 3
    twice = [i for i, w in enumerate(weight) for _ in range(w)]
    a = SequenceTranslator(**options).fit(X, y, sample_weight=weight)
    b = SequenceTranslator(**options).fit([X[i] for i in twice], [y[i] for i in twice])
    assert_allclose(theta_of(a), theta_of(b), rtol=1e-6, atol=1e-8)
    score = drawn(a).score(X, y, sample_weight=weight)
    again = a.score([X[i] for i in twice], [y[i] for i in twice])
    assert score == pytest.approx(again, abs=1e-12)


def test_files_pickles_and_going_on():
    X, y = problem()
    for options, labels in (
        ({}, y),
        ({"source_unit": "subword", "target_unit": "subword", "n_subwords": 4}, y),
        ({"min_frequency": 3}, [[("k", ord(k)) for k in text] for text in y]),
        ({"attention": "additive", "cell": "lstm"}, [len(text) for text in y]),
        ({"tie_embeddings": False}, [[1, 1.5, True, "z"][: len(t)] for t in y]),
    ):
        model = SequenceTranslator(**QUICK | options).fit(X, labels)
        file = io.BytesIO()
        save(model, file)
        file.seek(0)
        loaded, pickled = load(file), pickle.loads(pickle.dumps(model))
        for other in (loaded, pickled):
            assert other.predict(X).tolist() == model.predict(X).tolist()
            assert other.length_limit_ == model.length_limit_
        assert_same_bits(
            theta_of(loaded.partial_fit(X, labels)),
            theta_of(pickled.partial_fit(X, labels)),
        )
    model.set_params(warm_start=True).fit(X, labels)
    model.set_params(early_stopping=True)
    model.fit(X, labels, X_val=X[:5], y_val=labels[:5])
    assert len(model.validation_scores_) == model.n_iter_
    model.set_params(scoring=None).fit(X, labels)
    assert model.best_validation_score_ <= 1


def test_partial_fit():
    X, y = problem()
    model = SequenceTranslator(**QUICK)
    with pytest.raises(ValueError, match="target_vocabulary must be passed"):
        model.partial_fit(X, y)
    with pytest.raises(ValueError, match="source_vocabulary must be passed"):
        model.partial_fit(X, y, target_vocabulary="ABC")
    assert not hasattr(model, "target_vocabulary_")
    model.partial_fit(X, y, source_vocabulary="abcd", target_vocabulary="ABCD")
    assert model.source_vocabulary_.tolist() == list("abcd")
    assert model.target_vocabulary_.tolist() == list("ABCD")
    model.partial_fit(X, y, target_vocabulary=list("DCBA"))
    before = model.length_limit_
    model.partial_fit(["a", "e"], ["D" * 40, ""])
    assert model.length_limit_ > before
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, target_vocabulary="ABC")
    with pytest.raises(ValueError, match=r"y\[1\] has the label 'E', .* 4 labels"):
        model.partial_fit(X[:2], ["AB", "AE"])
    with pytest.raises(ValueError, match="is learned by fit"):
        SequenceTranslator(target_unit="subword").partial_fit(
            X, y, source_vocabulary="abc", target_vocabulary="ABC"
        )


def test_empty_targets_are_learned():
    X, y = problem()
    y = ["" if len(text) > 2 else text for text in y]
    model = SequenceTranslator(**QUICK).fit(X, y)
    assert np.isfinite(model.score_samples(X, y)).all()
    assert set(model.attention_weights(X[:1], [""])[0].shape) == {1, len(X[0])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: ("abc", y), r"X is one str\. A list"),
        (lambda X, y: (X, "abc"), r"y is one str\. A list"),
        (lambda X, y: (["", *X[1:]], y), "X"),
        (lambda X, y: ([3, *X[1:]], y), "X"),
        (lambda X, y: ([X[0], None, *X[2:]], y), r"X\[1\]"),
        (lambda X, y: (X, [None, *y[1:]]), r"y\[0\] is None"),
        (lambda X, y: (X, [1, *y[1:]]), "All must have one form"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X, None), "requires y"),
        (lambda X, y: (X, [""] * len(y)), "no label at all"),
    ],
)
def test_what_is_refused(change, message):
    X, y = problem()
    model = SequenceTranslator(**QUICK)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(*change(X, y))
    assert not hasattr(model, "target_vocabulary_")
    fitted = SequenceTranslator(**QUICK).fit(X, y)
    before = theta_of(fitted).copy()
    with pytest.raises((ValueError, TypeError)):
        fitted.fit(*change(X, y))
    assert_same_bits(theta_of(fitted), before)
    assert len(fitted.predict(X)) == len(X)


def test_what_cannot_be():
    model, X, y = some_fit(attention=None)
    assert not hasattr(model, "attention_weights")
    assert not hasattr(model, "stream")
    with pytest.raises(ValueError, match="n must be an int"):
        model.n_best(X, 0)
    words = SequenceTranslator(source_unit="word", **QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"X\[1\] is '  ', which has no word"):
        words.predict(["a", "  "])
    with pytest.raises(ValueError, match="units cannot change"):
        words.set_params(warm_start=True, source_unit="character").fit(X, y)
    with pytest.raises(ValueError, match="y holds sequences of labels"):
        model.partial_fit(X, [list(text) for text in y])
