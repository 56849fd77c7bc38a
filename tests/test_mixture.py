"""Counts of n-grams beside the network of a LanguageModel."""

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest

from outside import import_oracle
from skrnn import LanguageModel, export
from skrnn.datasets import load_shakespeare
from skrnn.models.mixture import Mixture, line_of, split_held_out
from skrnn.models.ngram import NgramModel
from skrnn.training.lanes import Texts

NAMES = ["anna", "hanna", "susanna", "johanna", "ann", "bob", "bobby", "rob"] * 12


def alone(model):
    """The same model without its n-grams."""
    other = pickle.loads(pickle.dumps(model))
    other._model = other._model.with_mixture(None)
    return other


def with_shares(model, seed=0):
    """The same model with other shares, of which none is 0 or 1."""
    mixture = model._model.mixture
    share = np.random.RandomState(seed).uniform(0.1, 0.9, mixture.share.shape)
    model._model = model._model.with_mixture(replace(mixture, share=share))
    return model


@pytest.fixture(scope="module")
def names_model():
    model = LanguageModel(8, max_iter=3, random_state=0, ngram_order=4)
    return with_shares(model.fit(NAMES))


def texts_of(model, X):
    return model._model.texts(model._reader(), X)


def test_lines_and_contexts_of_texts():
    ids, start = np.array([1, 0, 2, 2, 1]), np.array([0, 2, 2, 5])
    texts = Texts(ids, start, 3, 3)
    assert line_of(texts, 4).tolist() == [4, 1, 0, 3, 4, 3, 4, 2, 2, 1, 3]
    texts = Texts(ids, start, 3, None)
    assert line_of(texts, 3).tolist() == [3, 1, 0, 3, 3, 2, 2, 1]
    assert line_of(texts.take([2]), 3).tolist() == [3, 2, 2, 1]
    model = Mixture.count(texts, 4, 3)
    expected = [[3, 1, 0], [-1, -1, 3], [2, 2, 1]]
    assert model.last_contexts(texts).tolist() == expected
    assert model.first_contexts(2).tolist() == [[-1, -1, 3]] * 2
    model = Mixture.count(texts, 1, 3)
    assert model.last_contexts(texts).shape == model.first_contexts(3).shape == (3, 0)


def test_what_chooses_the_shares_is_a_small_part():
    generator = np.random.RandomState(0)
    ids = np.arange(200)
    kept, rows, unseen = split_held_out(Texts(ids, np.array([0, 200]), 1, 1), generator)
    assert (len(kept.ids), len(unseen.ids), rows.tolist()) == (190, 10, [0])
    assert np.concatenate([kept.ids, unseen.ids]).tolist() == ids.tolist()
    long = Texts(np.arange(100_000), np.array([0, 100_000]), 1, 1)
    kept, rows, unseen = split_held_out(long, generator)
    assert sorted([*kept.ids, *unseen.ids]) == long.ids.tolist()
    pieces = np.split(unseen.ids, np.flatnonzero(np.diff(unseen.ids) != 1) + 1)
    assert [len(piece) for piece in pieces] == [1000] * 5
    assert [piece[-1] for piece in pieces] == [19999, 39999, 59999, 79999, 99999]
    start = np.arange(0, 201, 2)
    kept, rows, unseen = split_held_out(Texts(ids, start, 1, 1), generator)
    assert len(unseen) == 5 and sorted({*kept.ids, *unseen.ids}) == ids.tolist()
    assert (kept.ids[::2] == ids[::2][rows]).all()
    for n_tokens in ([1], [0, 1], [0, 0, 1]):
        start = np.cumsum([0, *n_tokens])
        texts = Texts(ids[:1], start, 1, 1)
        kept, rows, unseen = split_held_out(texts, np.random.RandomState(0))
        assert kept.n_tokens.sum() == 1


def test_equals_the_formula(names_model):
    model = names_model
    X = ["hanna", "", "zzz", "roberta"]
    with pytest.warns(UserWarning, match="did not occur in fit"):
        mixed = np.concatenate(model.score_tokens(X))
        network = np.exp(np.concatenate(alone(model).score_tokens(X)))
        texts = texts_of(model, X)
    mixture = model._model.mixture
    ngrams = NgramModel.count(
        line_of(texts_of(model, NAMES), model.n_tokens_), 4, model.n_tokens_
    )
    assert (ngrams.counts == mixture.ngrams.counts).all()  # of all texts
    line = line_of(texts, model.n_tokens_)
    p, lengths, totals = ngrams.probabilities(line)
    token = line != model.n_tokens_
    often = np.minimum(np.log2(totals[token]).astype(int), 7)
    w = model.mixture_weights_[lengths[token], often]
    expected = np.log(w * network + (1 - w) * p[token])
    np.testing.assert_allclose(mixed, expected, rtol=1e-13)


@pytest.mark.parametrize("order", [1, 3])
def test_probabilities_of_all_texts_sum_to_one(order):
    texts = ["ab", "ba", "a", "", "abb"] * 4
    model = LanguageModel(4, max_iter=2, random_state=0, ngram_order=order)
    with_shares(model.fit(texts))
    proba = model.predict_proba(["", "a", "ab", "abbaabba"])
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
    # What is not a text of at most three tokens begins with one of four.
    tokens = [*model.tokens_.tolist(), "?"]
    short = ["".join(t) for n in range(4) for t in itertools.product(tokens, repeat=n)]
    long = ["".join(t) for t in itertools.product(tokens, repeat=4)]
    with pytest.warns(UserWarning, match="did not occur"):
        ended = np.exp(model.score_samples(short)).sum()
        going_on = sum(np.exp(s[:-1].sum()) for s in model.score_tokens(long))
    assert ended + going_on == pytest.approx(1, abs=1e-12)


def test_all_ways_have_the_same_bits(names_model):
    model = names_model
    X = ["hanna", "", "bobby", "susannab"]
    rows = model.predict_log_proba(X)
    tokens = model.score_tokens(X)
    for i, text in enumerate(X):
        assert model.predict_log_proba([text]).tobytes() == rows[i].tobytes()
        assert model.score_tokens([text])[0].tobytes() == tokens[i].tobytes()
        stream = model.stream()
        found = [stream.log_proba(), *map(stream.step, text)]
        assert found[-1].tobytes() == rows[i].tobytes()
        ids = [*texts_of(model, [text]).ids, model.end_]
        values = [row[j] for row, j in zip(found, ids, strict=True)]
        assert values == tokens[i].tolist()
    stream = model.stream(2)
    stream.step(["h", "b"])
    state = stream.state
    expected = stream.step(["a", "o"])
    stream.reset()
    assert stream.log_proba()[0].tobytes() == rows[1].tobytes()
    stream.state = state
    assert stream.step(["a", "o"]).tobytes() == expected.tobytes()
    with pytest.raises(ValueError, match="state is not of this model"):
        stream.state = {k: v for k, v in state.items() if k != "contexts"}


def test_texts_are_drawn_from_the_mixture(names_model):
    model = names_model
    texts, values = model.generate(
        ["", "ha"], n_samples=3, random_state=3, return_log_proba=True
    )
    assert model.sample(3, random_state=3)[0] == texts[0][0]
    for text, value in zip(texts[0], values[0], strict=True):
        np.testing.assert_allclose(value, model.score_samples([text])[0], rtol=1e-12)
    pieces = model.generate_iter("", random_state=3)
    assert "".join(pieces) == texts[0][0]
    greedy = model.generate("h", temperature=0)
    assert greedy[1] == model.predict(["h"])[0]
    assert model.predict_next(["h"], k=1)[0][0][0] == greedy[1]
    # The first token comes as often as it should.
    first = [t[:1] for t in model.generate([""] * 2000, max_new_tokens=1)]
    p = model.predict_proba([""])[0]
    p[model.unknown_] = 0
    p /= p.sum()
    observed = [first.count(token) for token in [*model.tokens_, None, ""]]
    expected = 2000 * p
    seen = expected > 5
    assert seen.sum() > 3
    difference = np.array(observed)[seen] - expected[seen]
    assert (difference**2 / expected[seen]).sum() < 40


def test_never_worse_than_the_ngrams_alone():
    text = load_shakespeare(subset="train").data[:60_000]
    test = load_shakespeare(subset="test").data[:10_000]
    test = test.replace("Q", "q").replace("Z", "z")
    model = LanguageModel(
        64, max_iter=3, batch_size=4, ends=False, random_state=0, ngram_order=5
    ).fit(text)
    mixture = model._model.mixture
    p, _, _ = mixture.ngrams.probabilities(line_of(texts_of(model, [test]), 60))
    counted = np.log(p[1:]).mean()
    assert model.n_tokens_ == 60
    assert model.score(test) > counted + 0.01
    assert model.score(test) > alone(model).score(test) + 0.01
    assert model.mixture_weights_.shape == (5, 8)
    assert ((model.mixture_weights_ > 0) & (model.mixture_weights_ < 1)).all()


@pytest.mark.parametrize("form", ["text", "word", "tokens", "ids"])
@pytest.mark.parametrize("ends", [True, False])
def test_pickles_and_files_keep_it(form, ends, tmp_path):
    X = [" ".join(name) for name in NAMES[:16]]
    if form in ("tokens", "ids"):
        X = [text.split() for text in X]
    if form == "ids":
        X = [np.array([ord(c) for c in text]) for text in X]
    model = LanguageModel(
        4, max_iter=1, ends=ends, random_state=0, ngram_order=3,
        analyzer="word" if form == "word" else "char",
    ).fit(X)  # fmt: skip
    with_shares(model)
    export.save(model, tmp_path / "model.skrnn")
    for other in (
        export.load(tmp_path / "model.skrnn"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert other.score(X) == model.score(X)
        assert (other.mixture_weights_ == model.mixture_weights_).all()
        written = [
            m.sample(2, random_state=0, max_new_tokens=9) for m in (model, other)
        ]
        assert repr(written[0]) == repr(written[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("_mixture"),
        lambda fields: fields["_mixture"].pop("share"),
        lambda fields: fields["_mixture"].update(share=np.full(32, 1.5)),
        lambda fields: fields["_mixture"].update(share=np.full(31, 0.5)),
        lambda fields: fields["_mixture"]["counts"].__setitem__(0, 0),
        lambda fields: fields["_mixture"]["grams"].__setitem__((0, 0), 200),
        lambda fields: fields["_structure"].update(ngram_order=3),
        lambda fields: fields["_structure"].update(ngram_order=None),
        lambda fields: fields["_structure"].update(ngram_order=33),
    ],
)
def test_files_of_other_mixtures_are_refused(names_model, change):
    fields = pickle.loads(pickle.dumps(names_model._pack()))
    check = LanguageModel._check_together
    check(fields)
    change(fields)
    with pytest.raises(ValueError):
        for name, check_field in LanguageModel._fields.items():
            if name in fields:
                check_field(fields[name], name, fields)
        check(fields)


def test_partial_fit_adds_counts():
    model = LanguageModel(4, random_state=0, ngram_order=3)
    model.partial_fit(NAMES[:40])
    share = model.mixture_weights_
    model.partial_fit(["bobby", "anna"])
    assert (model.mixture_weights_ == share).all()
    texts = texts_of(model, [*NAMES[:40], "bobby", "anna"])
    expected = NgramModel.count(line_of(texts, model.n_tokens_), 3, model.n_tokens_)
    found = model._model.mixture.ngrams
    assert (found.grams == expected.grams).all()
    assert (found.counts == expected.counts).all()
    model.set_params(ngram_order=4)
    with pytest.raises(ValueError, match="ngram_order cannot change from 3 to 4"):
        model.partial_fit(NAMES)
    # A new fit forgets what was counted; so does one with warm_start.
    model.set_params(ngram_order=3, warm_start=True, max_iter=1).fit(NAMES[:40])
    assert model._model.mixture.ngrams.counts.sum() == sum(
        len(name) + 1 for name in NAMES[:40]
    )


def test_other_texts_choose_the_shares():
    model = LanguageModel(4, max_iter=2, random_state=0, ngram_order=3)
    model.set_params(early_stopping=True).fit(NAMES, X_val=NAMES[:9])
    n_tokens = sum(len(name) + 1 for name in NAMES)
    assert model._model.mixture.ngrams.counts.sum() == n_tokens
    model.fit(NAMES)
    assert model._model.mixture.ngrams.counts.sum() == n_tokens
    weight = np.ones(len(NAMES))
    weight[:8] = 0
    weight[8:16] = 2
    model.set_params(early_stopping=False).fit(NAMES, sample_weight=weight)
    n_tokens = sum(len(name) + 1 for name in NAMES[8:])
    assert model._model.mixture.ngrams.counts.sum() == n_tokens


@pytest.mark.parametrize("X", ["ab", "aaaaaaa", ["a", ""], ["a"], ["ab", "b", "a"]])
def test_tiny_texts(X):
    for ends in (True, False):
        model = LanguageModel(2, max_iter=1, random_state=0, ngram_order=3, ends=ends)
        model.fit(X)
        assert np.isfinite(model.score(X))
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, atol=1e-12)


def test_orders_that_there_are_not():
    for order in (0, 33, 2.5):
        with pytest.raises(ValueError, match="ngram_order"):
            LanguageModel(ngram_order=order).fit(NAMES)
    model = LanguageModel(2, max_iter=1).fit(NAMES)
    with pytest.raises(AttributeError, match="ngram_order alone"):
        model.mixture_weights_  # noqa: B018


def test_onnx_refuses_counts(names_model):
    import_oracle("onnx")
    for streaming in (False, True):
        with pytest.raises(ValueError, match="Fit with ngram_order=None"):
            export.to_onnx(names_model, streaming=streaming)
