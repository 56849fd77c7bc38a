"""Metrics of sequences: against other packages, and against what they must obey."""

import copy
import itertools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_score,
    cross_validate,
)

from forms import objects
from outside import import_oracle
from skrnn.metrics import (
    bleu_score,
    chrf_score,
    chunk_f1_score,
    chunk_precision_score,
    chunk_recall_score,
    chunk_report,
    edit_distance,
    label_error_rate,
    sequence_accuracy,
    sequence_accuracy_score,
    step_scorer,
)

# --- chunks --------------------------------------------------------------------------


def oracle_chunks(tags):
    """Chunks as conlleval has them, written as its two questions of each pair of tags.

    E and S are read as seqeval reads them. (`conlleval.pl` knows neither IOBES's S nor
    that a B after an E begins something.)
    """
    chunks, start = set(), 0
    before, type_before = "O", ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = (before in "ES" and before != "O") or before + prefix in (
            "BB",
            "BS",
            "BO",
            "IB",
            "IS",
            "IO",
        )
        ends |= before != "O" and kind != type_before
        starts = prefix in "BS" or before + prefix in ("EE", "EI", "SE", "SI", "OE")
        starts |= before + prefix == "OI" or (prefix != "O" and kind != type_before)
        if ends:
            chunks.add((start, i, type_before))
        if starts:
            start = i
        before, type_before = prefix, kind
    return chunks


def oracle_scores(y_true, y_pred, kind=None):
    """Precision, recall, F1 over all chunks, or those of one type."""
    right = found = true = 0
    for one, other in zip(y_true, y_pred, strict=True):
        one, other = oracle_chunks(one), oracle_chunks(other)
        if kind is not None:
            one, other = ({c for c in s if c[2] == kind} for s in (one, other))
        right += len(one & other)
        found += len(other)
        true += len(one)
    precision = right / found if found else 0.0
    recall = right / true if true else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def random_tags(seed, n_seqs=60, prefixes="BIES"):
    rng = np.random.default_rng(seed)
    labels = ["O", *(f"{p}-{t}" for p in prefixes for t in ("loc", "per-x", "q"))]
    y_true, y_pred = [], []
    for n in rng.integers(0, 9, n_seqs):
        true = rng.choice(labels, n)
        other = np.where(rng.random(n) < 0.7, true, rng.choice(labels, n))
        y_true.append(true.tolist())
        y_pred.append(other.tolist())
    return y_true, y_pred


@pytest.mark.parametrize("prefixes", ["BI", "I", "BIES"])
@pytest.mark.parametrize("seed", range(5))
def test_chunks_are_those_of_conlleval(prefixes, seed):
    y_true, y_pred = random_tags(seed, prefixes=prefixes)
    found = [
        score(y_true, y_pred)
        for score in (chunk_precision_score, chunk_recall_score, chunk_f1_score)
    ]
    np.testing.assert_allclose(found, oracle_scores(y_true, y_pred), rtol=1e-14)
    types = ["loc", "per-x", "q"]
    each = [oracle_scores(y_true, y_pred, kind)[2] for kind in types]
    np.testing.assert_allclose(chunk_f1_score(y_true, y_pred, average=None), each)
    macro = chunk_f1_score(y_true, y_pred, average="macro")
    np.testing.assert_allclose(macro, np.mean(each))
    support = [
        sum(chunk[2] == kind for tags in y_true for chunk in oracle_chunks(tags))
        for kind in types
    ]
    weighted = chunk_f1_score(y_true, y_pred, average="weighted")
    np.testing.assert_allclose(weighted, np.average(each, weights=support))


def test_conlleval_reads_what_no_scheme_allows():
    # conlleval counts an I- without a beginning; a strict reader does not.
    y_true, y_pred = [["B-a", "I-a", "O"]], [["I-a", "I-a", "O"]]
    assert chunk_f1_score(y_true, y_pred) == 1
    with pytest.warns(UndefinedMetricWarning):
        assert chunk_precision_score(y_true, y_pred, scheme="IOB2") == 0
    assert chunk_f1_score(y_true, y_pred, scheme="IOB2") == 0
    y_true, y_pred = [["B-a", "E-a"]], [["B-a", "I-a"]]
    assert chunk_f1_score(y_true, y_pred) == 1
    assert chunk_f1_score(y_true, y_pred, scheme="IOBES") == 0


# The example on the page of conlleval (CoNLL-2000): chunks in the corpus, found, and
# right, by type, as its percentages say.
CONLL = {
    "ADJP": (6, 1, 0),
    "ADVP": (8, 11, 5),
    "NP": (262, 317, 206),
    "PP": (90, 107, 89),
    "SBAR": (6, 3, 2),
    "VP": (87, 100, 69),
}
PUBLISHED = """
ADJP 0.00 0.00 0.00
ADVP 45.45 62.50 52.63
NP 64.98 78.63 71.16
PP 83.18 98.89 90.36
SBAR 66.67 33.33 44.44
VP 69.00 79.31 73.80
""".split()


METRICS = ("precision", "recall", "f1-score")


def test_the_published_example_of_conlleval():
    chunks = {kind: [f"B-{kind}", f"I-{kind}"] for kind in CONLL}
    y_true, y_pred = [], []
    for kind, (true, found, right) in CONLL.items():
        for n, one, other in (
            (right, chunks[kind], chunks[kind]),
            (true - right, chunks[kind], ["O", "O"]),
            (found - right, ["O", "O"], chunks[kind]),
        ):
            y_true += [one] * n
            y_pred += [other] * n
    assert np.sum([*CONLL.values()], axis=0).tolist() == [459, 539, 371]
    report = chunk_report(y_true, y_pred, output_dict=True)
    for kind, *scores in np.array(PUBLISHED).reshape(-1, 4):
        assert [f"{100 * report[kind][metric]:.2f}" for metric in METRICS] == scores
    scores = [f"{100 * report['micro avg'][metric]:.2f}" for metric in METRICS]
    assert scores == ["68.83", "80.83", "74.35"]


def test_weights_of_chunks_are_repetitions():
    y_true, y_pred = random_tags(0, 20)
    weight = np.random.default_rng(0).integers(0, 4, 20)
    repeated = [
        [tags for tags, n in zip(y, weight, strict=True) for _ in range(n)]
        for y in (y_true, y_pred)
    ]
    for average in ("micro", "macro", "weighted", None):
        np.testing.assert_allclose(
            chunk_f1_score(y_true, y_pred, average=average, sample_weight=weight),
            chunk_f1_score(*repeated, average=average),
            rtol=1e-14,
        )
    assert chunk_report(
        y_true, y_pred, sample_weight=weight, output_dict=True
    ) == chunk_report(*repeated, output_dict=True)
    part = chunk_report(y_true, y_pred, sample_weight=np.full(20, 0.3))
    assert "." in part.splitlines()[2].split()[-1]


def test_labels_of_chunks():
    y_true, y_pred = random_tags(1)
    all_of_them = chunk_f1_score(y_true, y_pred, average=None)
    some = chunk_f1_score(y_true, y_pred, average=None, labels=["q", "loc"])
    assert some.tolist() == all_of_them[[2, 0]].tolist()
    one = chunk_f1_score(y_true, y_pred, labels=["q"])
    assert one == all_of_them[2]
    with pytest.warns(UndefinedMetricWarning, match="f1-score is not defined"):
        assert chunk_f1_score(y_true, y_pred, labels=["new"]) == 0


def test_forms_of_tags():
    y_true = [["B-a", "I-a", "O"], ["O", "B-b"]]
    y_pred = [["B-a", "O", "O"], ["O", "B-b"]]
    make = (
        list,
        tuple,
        lambda y: objects([np.array(tags) for tags in y]),
        pd.Series,
        pl.Series,
        lambda y: objects([tuple(tags) for tags in y]),
    )
    for one, other in itertools.product(make, make):
        assert chunk_f1_score(one(y_true), other(y_pred)) == 0.5
    square = np.array([["B-a", "O"], ["O", "B-b"]])
    assert chunk_f1_score(square, square) == 1
    # One table: a tag for each row.
    assert chunk_f1_score(square[0], square[0]) == 1


def test_unlabeled_steps_are_in_no_chunk():
    y_true = [[None, "B-a", "I-a", np.nan, "B-b"]]
    y_pred = [["B-a", "B-a", "I-a", "I-a", "B-b"]]
    assert chunk_f1_score(y_true, y_pred) == 1
    with pytest.raises(ValueError, match=r"y_pred\[0\]\[0\] is None. Each step needs"):
        chunk_f1_score(y_pred, y_true)


def test_zero_division():
    y = [["O", "O"]]
    with pytest.warns(UndefinedMetricWarning, match="zero_division says") as caught:
        assert chunk_f1_score(y, y) == 0
    assert len(caught) == 1 and caught[0].filename == __file__
    with pytest.warns(UndefinedMetricWarning) as caught:
        chunk_report(y, y)
    assert {w.filename for w in caught} == {__file__}
    for value in (0, 1, np.nan):
        np.testing.assert_equal(chunk_f1_score(y, y, zero_division=value), value)
    y_true, y_pred = [["B-a", "B-b"]], [["B-a", "O"]]
    for value in (0, 1, np.nan):
        found = chunk_precision_score(
            y_true, y_pred, average="macro", zero_division=value
        )
        assert found == np.nanmean([1, value])
    for wrong in (0.5, "zero", None):
        with pytest.raises(ValueError, match="zero_division must be"):
            chunk_f1_score(y, y, zero_division=wrong)


def test_wrong_tags_are_refused():
    with pytest.raises(
        ValueError, match=r"y_true\[1\] has 1 steps, but y_pred\[1\] ha"
    ):
        chunk_f1_score([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="y_true has 1 sequences, but y_pred has 2"):
        chunk_f1_score([["O"]], [["O"], ["O"]])
    with pytest.raises(ValueError, match=r"y_true\[0\]\[0\] is 'city', no tag. Tags"):
        chunk_f1_score([["city"]], [["O"]])
    with pytest.raises(ValueError, match=r"y_pred\[0\]\[0\] is 'S-a', no tag of the"):
        chunk_f1_score([["B-a"]], [["S-a"]], scheme="IOB2")
    with pytest.raises(ValueError, match="average must be"):
        chunk_f1_score([["O"]], [["O"]], average="samples")
    with pytest.raises(ValueError, match="y_true has no sequences"):
        chunk_f1_score([], [])
    for wrong, match in (
        ([1], r"has the shape \(1,\). A weight for each of the 2 sequences"),
        ([1, -1], r"sample_weight\[1\] is -1.0. Weights must be finite"),
        ([1, np.inf], r"sample_weight\[1\] is inf"),
        ([0, 0], "All of sample_weight is 0"),
    ):
        for score in (chunk_f1_score, label_error_rate, bleu_score, chrf_score):
            with pytest.raises(ValueError, match=match):
                score([["O"]] * 2, [["O"]] * 2, sample_weight=wrong)


# --- edits ---------------------------------------------------------------------------


def slow_distance(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[0], table[:, 0] = np.arange(len(b) + 1), np.arange(len(a) + 1)
    for i, j in itertools.product(range(len(a)), range(len(b))):
        table[i + 1, j + 1] = min(
            table[i, j + 1] + 1, table[i + 1, j] + 1, table[i, j] + (a[i] != b[j])
        )
    return table[-1, -1]


@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_edit_distance(a, b):
    expected = slow_distance(a, b)
    assert edit_distance(a, b) == edit_distance(b, a) == expected
    assert edit_distance(list(a), tuple(b)) == expected
    assert (
        edit_distance(
            [[*"xyz"].index(c) if c in "xyz" else ord(c) for c in a],
            b"" if not b else [ord(c) for c in b],
        )
        == expected
    )
    assert isinstance(edit_distance(a, b), int)


def test_edit_distance_of_long_sequences():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 300), rng.integers(0, 5, 290)
    assert edit_distance(a, b) == slow_distance(a, b)
    assert edit_distance(a, a) == 0
    assert edit_distance(np.array([1, 2]), [1.0, "2"]) == 1
    assert edit_distance([("a", 1)], [("a", 1), None]) == 1
    with pytest.raises(TypeError, match="label that cannot be hashed"):
        edit_distance([["a"]], [["a"]])


def random_texts(seed, n=1000):
    """Pairs of texts: some empty, some equal, some with more words than others."""
    rng = np.random.default_rng(seed)
    words = ["a", "be", "cat", "dogs", "é", "über", ".", "x1"]
    y_true = [" ".join(rng.choice(words, k)) for k in rng.integers(0, 9, n)]
    y_pred = []
    for text in y_true:
        split = [w if rng.random() < 0.8 else rng.choice(words) for w in text.split()]
        at = rng.integers(0, len(split) + 1)
        split[at : at + rng.integers(0, 3)] = rng.choice(words, rng.integers(0, 3))
        y_pred.append(" ".join(split))
    return y_true, y_pred


def split(texts):
    return [text.split() for text in texts]


@pytest.mark.parametrize("seed", range(3))
def test_label_error_rate_is_that_of_jiwer(seed):
    jiwer = import_oracle("jiwer")
    y_true, y_pred = random_texts(seed)
    assert "" in y_true and "" in y_pred
    wer, cer = jiwer.wer(y_true, y_pred), jiwer.cer(y_true, y_pred)
    np.testing.assert_allclose(label_error_rate(split(y_true), split(y_pred)), wer)
    np.testing.assert_allclose(label_error_rate(y_true, y_pred), cer)


ALL = (bleu_score, chrf_score, label_error_rate, sequence_accuracy_score)


@pytest.mark.parametrize("metric", ALL)
def test_order_and_weights_of_sequences(metric):
    y_true, y_pred = random_texts(0, 40)
    score = metric(y_true, y_pred)
    order = np.random.default_rng(0).permutation(40)
    shuffled = [[y[i] for i in order] for y in (y_true, y_pred)]
    np.testing.assert_allclose(metric(*shuffled), score, rtol=1e-13)
    weight = np.arange(40) % 3
    repeated = [
        [text for text, n in zip(y, weight, strict=True) for _ in range(n)]
        for y in (y_true, y_pred)
    ]
    weighted = metric(y_true, y_pred, sample_weight=weight)
    np.testing.assert_allclose(weighted, metric(*repeated), rtol=1e-13)
    assert metric(y_true, y_true) in (0.0, 1.0, pytest.approx(100))
    if metric is not sequence_accuracy_score:
        assert metric(y_pred, y_true) != score


def test_label_error_rate():
    # One ratio, and not the mean of ratios; distances within pairs only.
    assert label_error_rate(["a", "abc"], ["b", "abc"]) == 0.25
    assert label_error_rate(["ab", "cd"], ["a", "bcd"]) == 0.5
    assert label_error_rate(["a"], ["bcd"]) == 3
    assert label_error_rate(["", "a"], ["x", "a"]) == 1
    assert label_error_rate([""], [""]) == label_error_rate([[]], [[]]) == 0
    assert label_error_rate([""], ["a"]) == np.inf
    assert label_error_rate([1, 2], [1, 3]) == 0.5  # a label is a sequence of one
    for make in (list, tuple, objects, pd.Series, pl.Series, np.array):
        assert label_error_rate(make(["ab", "c"]), make(["ab", "d"])) == 1 / 3
        assert label_error_rate(make([[1, 2], [3, 4]]), make([[1, 2], [3, 5]])) == 0.25
    for wrong in ("a", b"a"):
        with pytest.raises(ValueError, match=r"y_true is one .* expected: \[y_true\]"):
            label_error_rate(wrong, ["a"])
    with pytest.raises(ValueError, match="y_pred is a DataFrame"):
        label_error_rate(["a"], pd.DataFrame({"a": ["a"]}))
    with pytest.raises(TypeError, match="The pair 0 of y_true and y_pred has a label"):
        label_error_rate([[["a"]]], [[["a"]]])


def test_sequence_accuracy():
    assert sequence_accuracy is sequence_accuracy_score
    y_true = [["a", None], ["b"], [np.nan, pd.NA], [], ["a", "b"]]
    y_pred = [["a", "x"], ["c"], ["x", "y"], [], ["a"]]
    assert sequence_accuracy_score(y_true, y_pred) == 0.6
    assert sequence_accuracy_score(y_true, y_pred, sample_weight=[1, 2, 1, 0, 0]) == 0.5
    assert sequence_accuracy_score(np.eye(3), np.eye(3)[:, ::-1]) == 1 / 3
    assert sequence_accuracy_score(["ab", "c"], ["ab", "cd"]) == 0.5
    with pytest.raises(TypeError, match=r"y_true\[0\] has .*, which is no label"):
        sequence_accuracy_score([np.eye(2)], [np.eye(2)])


# --- translations --------------------------------------------------------------------


def sacrebleu_scores(y_true, y_pred):
    sacrebleu = import_oracle("sacrebleu")
    bleu = sacrebleu.BLEU(tokenize="none", smooth_method="exp", effective_order=False)
    chrf = sacrebleu.CHRF()
    assert "|eff:no|tok:none|smooth:exp|" in str(
        (bleu.corpus_score(y_pred, [y_true]), bleu.get_signature())[1]
    )
    return (
        bleu.corpus_score(y_pred, [y_true]).score,
        chrf.corpus_score(y_pred, [y_true]).score,
    )


@pytest.mark.parametrize("n", [1, 2, 3, 5, 1000])
def test_scores_are_those_of_sacrebleu(n):
    for seed in range(300 // n + 1):
        y_true, y_pred = random_texts(seed, n)
        expected = sacrebleu_scores(y_true, y_pred)
        for one, other in ((y_true, y_pred), (tuple(y_true), objects(y_pred))):
            found = bleu_score(one, other), chrf_score(one, other)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        found = bleu_score(split(y_true), split(y_pred))
        np.testing.assert_allclose(found, expected[0], rtol=0, atol=1e-9)
        found = chrf_score(split(y_true), split(y_pred))
        np.testing.assert_allclose(found, expected[1], rtol=0, atol=1e-9)


def test_edges_of_translation_scores():
    text = ["a b c d e"]
    assert bleu_score(text, text) == pytest.approx(100)
    assert (
        bleu_score(text, [""]) == bleu_score([""], text) == chrf_score([""], [""]) == 0
    )
    assert bleu_score(["a b"], ["a b"]) == 0  # no fours, and so in sacrebleu
    assert chrf_score(["a b"], ["a b"]) == pytest.approx(100)
    # Tokens are not split again.
    assert bleu_score([["a b"] * 4], [["a b"] * 4]) == pytest.approx(100)


# --- steps ---------------------------------------------------------------------------


class Tagger(BaseEstimator):
    """Takes what is nearest to a threshold for the label of a step."""

    def __init__(self, threshold=0.0, returns=objects):
        self.threshold = threshold
        self.returns = returns

    def fit(self, X, y, sample_weight=None):
        labels = {label for row in y for label in row if isinstance(label, str)}
        self.classes_ = np.array(sorted(labels))
        return self

    def predict_proba(self, X):
        q = [1 / (1 + np.exp(self.threshold - x[:, 0])) for x in X]
        return self.returns([np.stack([1 - p, p], axis=1) for p in q])

    def predict(self, X):
        return self.returns([self.classes_[p.argmax(1)] for p in self.predict_proba(X)])


class Soft(Tagger):
    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return self.returns([x[:, 0] + self.threshold for x in X])

    predict_proba = None


def steps(seed=0, lengths=(3, 5, 1, 4, 8, 2), missing=False):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 1)) for n in lengths]
    y = [
        np.where(x[:, 0] + rng.normal(size=len(x)) > 0, "yes", "n").tolist() for x in X
    ]
    if missing:
        y[0][1], y[1][0], y[3] = None, np.nan, [None] * len(X[3])
    return X, y


def flat(items, y):
    labeled = [isinstance(label, str) for row in y for label in row]
    return np.concatenate([np.asarray(item) for item in items])[labeled]


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [None, "sequence", "step"])
@pytest.mark.parametrize("returns", [objects, list])
def test_step_scorer(missing, weighted, returns):
    X, y = steps(missing=missing)
    tagger = Tagger(0.3, returns).fit(X, y)
    true = flat([np.array(row, object) for row in y], y).tolist()
    found = flat(tagger.predict(X), y).tolist()
    weight, each = None, None
    if weighted == "sequence":
        weight = np.arange(1.0, 7)
        each = flat([np.full(len(x), w) for x, w in zip(X, weight, strict=True)], y)
    elif weighted == "step":
        weight = [np.random.default_rng(i).random(len(x)) for i, x in enumerate(X)]
        each = flat(weight, y)
    probability = flat(tagger.predict_proba(X), y)
    for name, expected in (
        ("accuracy", sk.accuracy_score(true, found, sample_weight=each)),
        ("f1_macro", sk.f1_score(true, found, average="macro", sample_weight=each)),
        ("neg_log_loss", -sk.log_loss(true, probability, sample_weight=each)),
        ("roc_auc", sk.roc_auc_score(true, probability[:, 1], sample_weight=each)),
    ):
        score = step_scorer(name)(tagger, X, y, sample_weight=weight)
        np.testing.assert_allclose(score, expected, rtol=1e-13, err_msg=name)
    score = step_scorer(sk.fbeta_score, beta=2, pos_label="yes")
    expected = sk.fbeta_score(true, found, beta=2, pos_label="yes", sample_weight=each)
    assert score(tagger, X, y, sample_weight=weight) == pytest.approx(expected)
    own = step_scorer(sk.make_scorer(sk.f1_score, average="macro", pos_label=None))
    assert own(tagger, X, y) == step_scorer("f1_macro")(tagger, X, y)


FORMS = {
    "lists": list,
    "tuples": lambda y: tuple(map(tuple, y)),
    "arrays": lambda y: [np.array(row) for row in y],
    "object array of lists": objects,
    "object array of arrays": lambda y: objects([np.array(row) for row in y]),
    "Series": pd.Series,
    "Series of arrays": lambda y: pd.Series(objects([np.array(row) for row in y])),
    "polars": pl.Series,
}


@pytest.mark.parametrize("lengths", [(3, 5, 1, 4, 8, 2), (4,) * 6, (1,) * 6])
@pytest.mark.parametrize("form", FORMS)
def test_step_scorer_in_the_tools_of_scikit_learn(form, lengths):
    X, y = steps(1, lengths)
    given_ = FORMS[form](y)
    scores = cross_val_score(
        Tagger(), X, given_, cv=KFold(2), scoring=step_scorer("accuracy")
    )
    for score, (train, test) in zip(scores, KFold(2).split(X), strict=True):
        tagger = Tagger().fit([X[i] for i in train], [y[i] for i in train])
        rows = [y[i] for i in test]
        found = np.concatenate(list(tagger.predict([X[i] for i in test])))
        assert score == np.mean(found == np.concatenate(rows))
    several = {"f1": step_scorer("f1_macro"), "p": step_scorer("neg_log_loss")}
    found = cross_validate(Tagger(), X, given_, cv=KFold(2), scoring=several)
    assert found["test_f1"].shape == found["test_p"].shape == (2,)
    search = GridSearchCV(
        Tagger(), {"threshold": [-9, 0]}, cv=KFold(2), scoring=step_scorer("accuracy")
    )
    assert search.fit(X, given_).best_params_ == {"threshold": 0}
    if len(set(lengths)) == 1:
        square = np.array(y)
        again = cross_val_score(
            Tagger(), X, square, cv=KFold(2), scoring=step_scorer("accuracy")
        )
        assert again.tolist() == scores.tolist()


def test_step_scorer_of_numbers():
    X, _ = steps()
    y = [x[:, 0] ** 2 for x in X]
    y[0][1] = np.nan
    found = [x[:, 0] + 0.5 for x in X]
    kept = ~np.isnan(np.concatenate(y))
    true, found = np.concatenate(y)[kept], np.concatenate(found)[kept]
    scorer = step_scorer("r2")
    assert scorer(Soft(0.5), X, y) == pytest.approx(sk.r2_score(true, found))
    scorer = step_scorer("neg_mean_absolute_error")
    expected = -np.abs(true - found).mean()
    assert scorer(Soft(0.5), X, y) == pytest.approx(expected)
    # Several numbers for a step.

    class Two(Soft):
        def predict(self, X):
            return objects([np.hstack([x, 2 * x]) for x in X])

    y = [np.hstack([x, x]) for x in X]
    y[1][0, 1] = np.nan
    assert scorer(Two(), X, y) < 0


def test_step_scorer_of_a_table():
    class Table(ClassifierMixin, Tagger):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            p = 1 / (1 + np.exp(-X[:, 0]))
            return np.stack([1 - p, p], axis=1)

        def predict(self, X):
            return self.classes_[self.predict_proba(X).argmax(axis=1)]

    X, y = steps()
    X, y = np.concatenate(X), np.concatenate(y)
    for labels in (y, y.tolist(), (y == "yes").astype(int)):
        table = Table().fit(X, labels)
        for name in ("accuracy", "f1_macro", "roc_auc", "neg_log_loss"):
            expected = sk.get_scorer(name)(table, X, labels)
            assert step_scorer(name)(table, X, labels) == expected
    weight = np.arange(len(y))
    expected = sk.get_scorer("accuracy")(Table().fit(X, y), X, y, sample_weight=weight)
    scorer = step_scorer("accuracy")
    assert scorer(Table().fit(X, y), X, y, sample_weight=weight) == expected


def test_step_scorer_is_kept_and_asks_for_weights():
    X, y = steps()
    scorer = step_scorer("f1_macro")
    tagger = Tagger().fit(X, y)
    expected = scorer(tagger, X, y)
    for again in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert again(tagger, X, y) == expected
    assert repr(scorer).startswith("step_scorer(make_scorer(f1_score")
    with sklearn.config_context(enable_metadata_routing=True):
        asking = step_scorer("accuracy").set_score_request(sample_weight=True)
        weight = np.arange(6.0)
        tagger = Tagger().set_fit_request(sample_weight=False)
        found = cross_val_score(
            tagger,
            X,
            y,
            cv=KFold(2),
            scoring=asking,
            params={"sample_weight": weight},
        )
        test = range(3)
        tagger.fit([X[i] for i in range(3, 6)], [y[i] for i in range(3, 6)])
        assert found[0] == pytest.approx(
            step_scorer("accuracy")(
                tagger, [X[i] for i in test], [y[i] for i in test], weight[:3]
            )
        )
        plain = cross_val_score(tagger, X, y, cv=KFold(2), scoring=scorer)
        assert plain.shape == (2,)
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
            cross_val_score(
                tagger,
                X,
                y,
                cv=KFold(2),
                scoring=scorer,
                params={"sample_weight": weight},
            )


def test_wrong_steps_are_refused():
    X, y = steps()
    tagger = Tagger().fit(X, y)
    scorer = step_scorer("accuracy")
    short_ = [*y[:2], ["n", "n"], *y[3:]]
    with pytest.raises(
        ValueError, match=r"y\[2\] has 2 labels, but the prediction has"
    ):
        scorer(tagger, X, short_)
    with pytest.raises(
        ValueError, match="y has 5 sequences, but there are pred.* of 6"
    ):
        scorer(tagger, X, y[:5])
    with pytest.raises(ValueError, match=r"y\[1\] is 'n'. A sequence of labels is exp"):
        scorer(tagger, X, [y[0], "n", *y[2:]])
    with pytest.raises(ValueError, match="No step of y has a label"):
        scorer(tagger, X, [[None] * len(x) for x in X])
    with pytest.raises(ValueError, match="sample_weight has 2 weights, but y has 6"):
        scorer(tagger, X, y, sample_weight=[1, 2])
    with pytest.raises(
        ValueError, match=r"sample_weight\[0\] has 1 weights, but y has"
    ):
        scorer(tagger, X, y, sample_weight=[[1]] * 6)
    with pytest.raises(ValueError, match="scoring is 3. The name of a scorer"):
        step_scorer(3)
    with pytest.raises(ValueError, match="average cannot be given to a scorer"):
        step_scorer("f1", average="macro")
    with pytest.raises(ValueError, match="f2"):
        step_scorer("f2")
    with pytest.raises(AttributeError, match="predict_proba"):
        step_scorer("neg_log_loss")(Soft(), X, [x[:, 0] for x in X])


def test_labels_keep_their_length():
    # The short labels come first: an array of them would cut the others.
    long = "B-" + "loc" * 13
    y = [["O\0", "O"], [long]]

    class Perfect(Tagger):
        def predict(self, X):
            return objects([objects(row) for row in y])

    tagger = Perfect().fit(None, y)
    assert step_scorer("accuracy")(tagger, [None, None], y) == 1
    assert chunk_f1_score([["O", "B-a"], [long]], [["O", "B-a"], [long]]) == 1
