"""What language models write: by rules, by chance and side by side."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.utils import estimator_checks

from conventions import check_conventions
from fitted import set_theta, theta_of
from skrnn import LanguageModel, export
from skrnn._generate import Rules, uniform_at
from skrnn.training.lanes import LaneData
from toy_texts import QUICK, WORDS, fit

# Writing ---------------------------------------------------------------------------


def test_samples_follow_the_probabilities():
    rng = np.random.default_rng(0)
    z = rng.normal(size=6) * 2
    z[2] = -np.inf
    p = np.exp(z) / np.exp(z).sum()
    rules = Rules(1.0, 0, 1.0, np.ones(6))
    draws = [rules.draw(z, uniform_at(7, n)) for n in range(20000)]
    counts = np.bincount(draws, minlength=6)
    assert counts[2] == 0
    kept = p > 0
    assert chisquare(counts[kept], p[kept] * 20000).pvalue > 0.001
    assert rules.draw(z, 0.0) == 0 and rules.draw(z, 1 - 2**-53) == 5
    tiny = np.log([1e-7, 1 - 2e-7, 1e-7])
    rules = Rules(1.0, 0, 1.0, np.ones(3))
    assert [rules.draw(tiny, u) for u in (0.0, 0.9e-7, 1.1e-7, 0.5, 1 - 2**-53)] == [
        0,
        0,
        1,
        1,
        2,
    ]


def test_rules():
    z = np.log([0.4, 0.1, 0.3, 0.2])
    u = np.linspace(0, 1, 1000, endpoint=False)

    def drawn(*arguments):
        return {Rules(*arguments).draw(z, each) for each in u}

    everything = np.ones(4)
    assert drawn(1.0, 0, 1.0, everything) == {0, 1, 2, 3}
    assert drawn(1.0, 2, 1.0, everything) == {0, 2}
    assert drawn(1.0, 1, 1.0, everything) == drawn(0.0, 0, 1.0, everything) == {0}
    assert drawn(1.0, 0, 1e-9, everything) == {0}
    assert drawn(1.0, 0, 0.65, everything) == {0, 2}
    assert drawn(1.0, 0, 0.75, everything) == {0, 2, 3}
    assert drawn(1.0, 3, 0.75, everything) == {0, 2}  # of .9
    assert drawn(1.0, 0, 1.0, np.array([0, 1, 0, 1])) == {1, 3}
    assert drawn(0.0, 0, 1.0, np.array([0, 1, 0, 1])) == {3}
    ties = np.zeros(4)
    assert Rules(1.0, 2, 1.0, everything).draw(ties, 0.99) == 1


def test_what_is_written_depends_on_seed_and_number_alone():
    model = fit(hidden_layer_sizes=(6, 5))
    five = model.generate("h", n_samples=5, random_state=3)
    assert model.generate("h", n_samples=4, random_state=3) == five[:4]
    assert model.generate("h", random_state=3) == five[0]
    assert "".join(model.generate_iter("h", random_state=3)) == five[0]
    many = model.generate("h", n_samples=100, random_state=3)
    assert many[:5] == five
    assert model.generate(["h", "h", "h"], random_state=3) == five[:3]
    text, log_proba = model.generate("h", random_state=3, return_log_proba=True)
    whole = model.score_tokens([text])[0]
    assert log_proba == pytest.approx(whole[1:].sum(), abs=1e-9)


def test_greedy_texts_are_those_of_the_probabilities():
    model = fit(max_iter=20)
    text = ""
    for _ in range(12):
        proba = model.predict_proba([text])[0].copy()
        proba[model.unknown_] = -1
        if proba.argmax() == model.end_:
            break
        text += model.tokens_[proba.argmax()]
    options = {"max_new_tokens": 12}
    assert model.generate(temperature=0, **options) == text
    assert model.generate(top_k=1, **options) == text
    assert model.generate(top_p=1e-9, **options) == text
    assert model.generate(temperature=1e-6, **options) == text


def test_stops():
    X = ["aab"] * 30
    model = fit(X, max_iter=60, learning_rate_init=0.05)
    assert model.generate(temperature=0) == "aab"
    assert model.generate(temperature=0, stop="ab") == "a"
    assert model.generate("a", temperature=0, stop=["b", "x"]) == "aa"
    assert "".join(model.generate_iter(temperature=0, stop="ab")) == "a"
    assert model.generate("aa", max_new_tokens=0) == "aa"
    tokens = fit([list("aab")] * 30, max_iter=60, learning_rate_init=0.05)
    assert tokens.generate(temperature=0) == ["a", "a", "b"]
    assert tokens.generate(temperature=0, stop="b") == ["a", "a"]
    assert sum(tokens.generate_iter(temperature=0, stop="b"), []) == ["a", "a"]


def test_forms_of_texts():
    texts = fit()
    expected = texts.score_samples(WORDS)
    for X in (tuple(WORDS), pd.Series(WORDS), pl.Series(WORDS), np.array(WORDS)):
        np.testing.assert_array_equal(texts.score_samples(X), expected)
        np.testing.assert_array_equal(
            fit(X).weights_["head.W"], texts.weights_["head.W"]
        )
    lists = fit([list(text) for text in WORDS])
    np.testing.assert_array_equal(theta_of(lists), theta_of(texts))
    ids = fit([[ord(c) - 90 for c in text] for text in WORDS])
    np.testing.assert_array_equal(theta_of(ids), theta_of(texts))
    assert ids.tokens_.tolist() == [ord(c) - 90 for c in texts.tokens_]
    written = ids.generate([ord("h") - 90], random_state=0)
    assert "".join(chr(i + 90) for i in written) == texts.generate("h", random_state=0)
    words = fit(["the dog sat.", "the cat"], analyzer="word")
    assert words.tokens_.tolist() == [".", "cat", "dog", "sat", "the"]
    assert words.generate("the", max_new_tokens=1, temperature=0).startswith("the ")
    one = fit("hanna susanna", ends=False)
    assert len(one.score_tokens("hanna")[0]) == 5


def test_bytes():
    model = fit(["é", "日本"], analyzer="byte")
    assert model.unknown_ is None and len(model.tokens_) == 256
    assert len(model.score_tokens(["é"])[0]) == 3
    assert model.generate("日本", max_new_tokens=0) == "日本"
    text = model.generate("é", random_state=0, max_new_tokens=30)
    assert "".join(model.generate_iter("é", random_state=0, max_new_tokens=30)) == text


STRANGE = "".join(map(chr, [0, 1, 10, 13, 0x301, 0xD800, 0x1F600]))


def test_strange_characters_come_back(tmp_path):
    model = fit([STRANGE, STRANGE[::-1]])
    export.save(model, tmp_path / "model.skrnn")
    copies = [model, pickle.loads(pickle.dumps(model))]
    for copy in [*copies, export.load(tmp_path / "model.skrnn")]:
        assert copy.generate(STRANGE, max_new_tokens=0) == STRANGE
        assert copy.generate(random_state=1) == model.generate(random_state=1)
        expected = model.score_samples([STRANGE])
        np.testing.assert_array_equal(copy.score_samples([STRANGE]), expected)
        assert copy.get_params() == model.get_params()


def test_a_model_goes_on_learning():
    model = fit(max_iter=4)
    warm = fit(warm_start=True)
    assert warm.fit(WORDS).n_iter_ == 2 and len(warm.loss_curve_) == 4
    parts = LanguageModel(**{**QUICK, "learning_rate": "constant"})
    for _ in range(4):
        parts.partial_fit(WORDS)
    assert parts.n_iter_ == 4 and parts.loss_curve_[3] < parts.loss_curve_[0]
    assert parts.loss_curve_[0] == pytest.approx(model.loss_curve_[0], rel=0.05)
    before = parts.tokens_.tolist()
    with pytest.warns(UserWarning, match="did not occur"):
        parts.score(["xyz"])
    parts.partial_fit(["xyz"])
    assert parts.tokens_.tolist() == before


def test_early_stopping():
    model = fit(WORDS * 5, early_stopping=True, max_iter=5)
    assert len(model.validation_scores_) == 5
    assert model.best_validation_score_ == max(model.validation_scores_)
    given = fit(early_stopping=True)
    one = LanguageModel(**QUICK, early_stopping=True).fit("hanna susanna" * 9)
    assert len(one.validation_scores_) == 2 and given.validation_scores_
    other = LanguageModel(**QUICK, early_stopping=True).fit(WORDS, X_val=["hanna"])
    expected = -other.score(["hanna"])
    assert min(other.validation_loss_curve_) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("ends", [False, True])
def test_a_network_begins_with_the_frequencies(ends):
    model = fit(["anna", "nan"], learning_rate_init=1e-12, ends=ends)
    assert model.tokens_.tolist() == ["a", "n"]
    # Each once more than it occurs, then the unknown one, and for the end their mean.
    counts = np.array([4, 5, 1, 10 / 3] if ends else [4, 5, 1])
    found = np.exp(model._model.weights["head.b"])
    np.testing.assert_allclose(found, counts / counts.sum(), rtol=1e-6)


def test_weights_count_texts():
    X = ["ab", "ba", "b"]
    weight = [2.0, 0.0, 1.0]
    model = fit(X, shuffle=False)
    assert model.tokens_.tolist() == ["a", "b"]
    weighted = LanguageModel(**QUICK).fit(X, sample_weight=weight)
    assert weighted.score(["ab"]) != model.score(["ab"])
    left_out = LanguageModel(**QUICK).fit(["ab", "cc", "b"], sample_weight=weight)
    assert left_out.tokens_.tolist() == ["a", "b"]


def test_rare_tokens_are_unknown():
    model = fit(["aab", "aac", "aabd"], min_frequency=2)
    assert model.tokens_.tolist() == ["a", "b"]
    assert model.score(["aac"]) == model.score(["aad"])
    assert (
        "<unk>"
        in model.generate(
            n_samples=50, allow_unknown=True, random_state=0, max_new_tokens=20
        ).__repr__()
    )
    assert "<unk>" not in repr(model.generate(n_samples=50, random_state=0))
    assert fit(["aab", "aac"], max_categories=2).tokens_.tolist() == ["a"]


def test_tools_of_scikit_learn():
    X = WORDS * 4
    model = LanguageModel(**QUICK)
    assert (cross_val_score(model, X, cv=3) < 0).all()
    assert len(cross_val_score(model, X, cv=TimeSeriesSplit(3))) == 3
    search = GridSearchCV(model, {"max_iter": [1, 8]}, cv=2).fit(X)
    assert search.best_params_ == {"max_iter": 8}
    assert search.score(X) < 0 and clone(model).get_params() == model.get_params()
    assert model.__sklearn_tags__().estimator_type == "density_estimator"


def test_common_checks():
    """The other checks give tables of numbers, and say so: SkipTestWarning."""
    with pytest.warns(SkipTestWarning, match="string=True"):
        estimator_checks.check_estimator(LanguageModel())
    check_conventions(LanguageModel())
    for call in (
        lambda model: model.score(WORDS),
        lambda model: model.generate(),
        lambda model: model.stream(),
        lambda model: model.predict_proba(WORDS),
    ):
        with pytest.raises(NotFittedError):
            call(LanguageModel())


@pytest.mark.parametrize(
    "X, error, words",
    [
        (b"abc", TypeError, "X is bytes"),
        ([b"abc"], TypeError, r"X\[0\] is bytes"),
        (["a", None], TypeError, r"X\[1\] is None"),
        (["a", 3], TypeError, r"X\[1\] is 3"),
        (["a", ["b"]], ValueError, r"X\[1\] is one of the lists of tokens"),
        ([], ValueError, "0 sample"),
        (["", ""], ValueError, "no token"),
        (None, TypeError, "X is None"),
        (7, TypeError, "X is 7"),
        ([[1.5, 2]], ValueError, "whole numbers"),
        ([["a", 1]], ValueError, "all strings or all numbers"),
    ],
    ids=str,
)
def test_what_is_no_text_is_refused(X, error, words):
    model = fit()
    before = pickle.dumps(model)
    with pytest.raises(error, match=words):
        model.fit(X)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: m.score([["a", "b"]]), "was fitted to texts"),
        (lambda m: m.generate(temperature=-1), "temperature"),
        (lambda m: m.generate(temperature=np.nan), "temperature"),
        (lambda m: m.generate(top_k=0), "top_k"),
        (lambda m: m.generate(top_p=0.0), "top_p"),
        (lambda m: m.generate(stop=""), "empty string"),
        (lambda m: m.generate(stop=3), "stop must be a string"),
        (lambda m: m.generate(n_samples=0), "n_samples"),
        (lambda m: m.generate(max_new_tokens=-1), "max_new_tokens"),
        (lambda m: m.generate_iter(["a", "b"]), "writes one text"),
        (lambda m: m.predict_next(["a"], k=0), "k must be"),
        (lambda m: m.stream(0), "n_seqs"),
        (lambda m: m.stream(2).step("a"), "a token for each of the 2"),
        (lambda m: m.stream().step(3), "tokens in fit were strings"),
        (
            lambda m: m.set_params(tie_embeddings=True, embedding_size=3).fit(["a"]),
            "tie",
        ),
        (
            lambda m: m.set_params(warm_start=True, cell="gru").fit(["a"]),
            "cannot change",
        ),
        (lambda m: LanguageModel().fit(["ab"], X_val=["a"]), "early_stopping=True"),
    ],
)
def test_what_is_wrong_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call(fit())


@pytest.mark.parametrize("ngram_order", [None, 3])
def test_ctrl_c_keeps_what_was_learned(ngram_order, monkeypatch):
    calls, batch = [], LaneData.batch

    def interrupted(self, *args):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return batch(self, *args)

    model = LanguageModel(**QUICK | {"ngram_order": ngram_order})
    monkeypatch.setattr(LaneData, "batch", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(WORDS)
    monkeypatch.undo()
    assert len(model.loss_curve_) < QUICK["max_iter"]
    assert np.isfinite(model.score(WORDS)) and isinstance(model.generate(), str)
    assert model.set_params(warm_start=True, max_iter=1).fit(WORDS).n_iter_ == 1


def test_streams_side_by_side():
    model = fit()
    stream = model.stream(2)
    first = stream.step(["h", "o"])
    alone = model.stream()
    np.testing.assert_array_equal(first[0], alone.step("h"))
    state = stream.state
    second = stream.step(["a", "h"])
    stream.state = state
    np.testing.assert_array_equal(stream.log_proba(), first)
    np.testing.assert_array_equal(stream.step(["a", "h"]), second)
    stream.reset()
    np.testing.assert_array_equal(stream.log_proba(), model.predict_log_proba(["", ""]))
    with pytest.raises(ValueError, match="another number of texts"):
        stream.state = alone.state


def test_hidden_states():
    model = fit()
    states = model.hidden_states(["ha", ""])
    assert [s.shape for s in states] == [(3, 6), (1, 6)]
    np.testing.assert_array_equal(states[0][0], states[1][0])


def test_set_theta_changes_the_scores():
    model = fit()
    changed = set_theta(pickle.loads(pickle.dumps(model)), theta_of(model) * 0)
    n = model.n_tokens_
    np.testing.assert_allclose(changed.score_tokens(["h"])[0], -np.log(n), rtol=1e-6)
