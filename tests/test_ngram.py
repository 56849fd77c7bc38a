"""Counts of n-grams equal what the formulas of Chen and Goodman say."""

import gzip
import pickle
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import skrnn.models.ngram as ngram
from skrnn._ngram import check_grams, count_grams, merge_grams
from skrnn.models.ngram import NgramModel, check_grams_fields

SHARED = Path(__file__).parents[2] / "shared" / "data" / "text"
BEGIN = "begin"


class KneserNey:
    """Interpolated modified Kneser-Ney with dicts of tuples, word for word."""

    def __init__(self, texts, order, n_tokens):
        self.order, self.n_tokens = order, n_tokens
        highest = Counter()
        for text in texts:
            line = (BEGIN, *text)
            for i in range(1, len(line)):
                highest[line[max(i - order + 1, 0) : i + 1]] += 1
        # What begins with a text, or is as long as can be, keeps its count.
        self.counts = [Counter() for _ in range(order)]
        for gram, count in highest.items():
            self.counts[len(gram) - 1][gram] = count
        for k in range(order - 2, -1, -1):
            for gram in self.counts[k + 1]:
                self.counts[k][gram[1:]] += 1
        self.discounts = [self.learn(counts) for counts in self.counts]
        self.following = [defaultdict(list) for _ in range(order)]
        for k, counts in enumerate(self.counts):
            for gram, count in counts.items():
                self.following[k][gram[:-1]].append(count)

    @staticmethod
    def learn(counts):
        n = [sum(count == c for count in counts.values()) for c in (1, 2, 3, 4)]
        if all(n):
            y = n[0] / (n[0] + 2 * n[1])
            d = [c - (c + 1) * y * n[c] / n[c - 1] for c in (1, 2, 3)]
            if min(d) > 0:
                return d
        return [0.5, 1.0, 1.5]

    def __call__(self, token, context):
        """The probability of a token; `context` is a tuple of at most order - 1."""
        context = tuple(context)[max(len(context) - self.order + 1, 0) :]
        p = 1 / self.n_tokens
        for k in range(len(context) + 1):
            h = context[len(context) - k :]
            found = self.following[k].get(h)
            if not found:
                break
            d = self.discounts[k]
            taken = sum(d[min(count, 3) - 1] for count in found)
            count = self.counts[k].get((*h, token), 0)
            own = count - d[min(count, 3) - 1] if count else 0
            p = own / sum(found) + taken / sum(found) * p
        return p


def random_texts(seed, n_texts=30, n_tokens=5, longest=12):
    rng = np.random.RandomState(seed)
    weights = 0.5 ** np.arange(n_tokens - 1)
    weights /= weights.sum()  # the last token is never seen
    return [
        tuple(
            rng.choice(n_tokens - 1, p=weights, size=rng.randint(1, longest)).tolist()
        )
        for _ in range(n_texts)
    ]


def line_of(texts, n_tokens):
    return np.array([i for text in texts for i in (n_tokens, *text)], dtype=np.int32)


def context_row(context, order, n_tokens):
    ids = [n_tokens if c is BEGIN else c for c in context][::-1][: order - 1]
    return [-1] * (order - 1 - len(ids)) + ids[::-1]


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n_texts", [1, 3, 30, 300])
def test_equals_the_oracle(order, n_texts):
    n_tokens = 5
    texts = random_texts(order, n_texts)
    model = NgramModel.count(line_of(texts, n_tokens), order, n_tokens)
    oracle = KneserNey(texts, order, n_tokens)
    np.testing.assert_allclose(
        np.asarray(model.index.discount)[:, 1:], oracle.discounts, rtol=1e-12
    )
    other = random_texts(99, 20, n_tokens + 1)  # with the token that was never seen
    contexts = [(BEGIN, *text)[:k] for text in other for k in range(len(text) + 2)]
    contexts += [(), *((w,) for w in range(n_tokens))]
    rows = np.array([context_row(c, order, n_tokens) for c in contexts])
    p, lengths, totals = model.rows(rows.reshape(len(contexts), order - 1))
    np.testing.assert_allclose(p.sum(1), 1, rtol=0, atol=1e-12)
    assert (p > 0).all()
    expected = [[oracle(w, c) for w in range(n_tokens)] for c in contexts]
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    for context, length, total in zip(contexts, lengths, totals, strict=True):
        h = context[len(context) - length :]
        assert sum(oracle.following[length][h]) == total
        longer = context[max(len(context) - length - 1, 0) :]
        if length < min(order - 1, len(context)):
            assert longer not in oracle.following[length + 1]


@pytest.mark.parametrize("order", [1, 2, 5])
def test_lines_in_any_pieces_have_the_same_bits(order):
    n_tokens = 6
    line = line_of(random_texts(0, 50, n_tokens), n_tokens)
    model = NgramModel.count(line, order, n_tokens)
    tested = line_of(random_texts(1, 20, n_tokens + 1), n_tokens)
    p, lengths, totals = model.probabilities(tested)
    assert (p[tested == n_tokens] == 1).all()
    for cuts in ([1], [7, 8, 20], range(1, len(tested))):
        parts = np.split(tested, cuts)
        begun = np.cumsum([0, *map(len, parts)])
        found = [
            model.probabilities(part, tested[:i])
            for part, i in zip(parts, begun[:-1], strict=True)
        ]
        for whole, i in zip((p, lengths, totals), range(3), strict=True):
            pieces = np.concatenate([of_part[i] for of_part in found])
            assert whole.tobytes() == pieces.tobytes()
    # Rows of all tokens hold the same bits, in any batch.
    padded = np.concatenate([np.full(order - 1, -1), tested])
    contexts = np.array([padded[i : i + order - 1] for i in range(len(tested))])
    contexts = contexts.reshape(len(tested), order - 1)
    is_begin = contexts == n_tokens
    older = np.cumsum(is_begin[:, ::-1], axis=1)[:, ::-1] - is_begin > 0
    contexts[older] = -1
    rows, *what = model.rows(contexts)
    token = tested != n_tokens
    assert rows[token, tested[token]].tobytes() == p[token].tobytes()
    assert (what[0][token] == lengths[token]).all()
    assert (what[1][token] == totals[token]).all()
    assert model.rows(contexts[3:5])[0].tobytes() == rows[3:5].tobytes()


def test_counts_are_exact_in_any_pieces_and_order(monkeypatch):
    n_tokens, order = 6, 4
    texts = random_texts(3, 60, n_tokens)
    whole = NgramModel.count(line_of(texts, n_tokens), order, n_tokens)
    assert whole.counts.sum() == sum(map(len, texts))
    shuffled = NgramModel.count(line_of(texts[::-1], n_tokens), order, n_tokens)
    halves = NgramModel.count(line_of(texts[:20], n_tokens), order, n_tokens)
    halves = halves.added(line_of(texts[20:], n_tokens))
    monkeypatch.setattr(ngram, "PIECE", 7)
    pieces = NgramModel.count(line_of(texts, n_tokens), order, n_tokens)
    for other in (shuffled, halves, pieces, pickle.loads(pickle.dumps(whole))):
        assert (other.grams == whole.grams).all() and other.grams.dtype == np.uint8
        assert (other.counts == whole.counts).all()
        assert (np.asarray(other.index.count) == np.asarray(whole.index.count)).all()
    assert "index" in vars(whole) and "index" not in whole.__getstate__()


def test_one_token_and_one_gram():
    for order in (1, 3):
        model = NgramModel.count(np.array([1, 0], dtype=np.int32), order, 1)
        p, _, _ = model.probabilities(np.array([1, 0, 0], dtype=np.int32))
        assert p.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "n_tokens, dtype",
    [(254, np.uint8), (255, np.uint16), (65534, np.uint16), (65535, np.int32)],
)
def test_large_alphabets(n_tokens, dtype):
    rng = np.random.RandomState(0)
    ids = rng.randint(n_tokens, size=300).astype(np.int32)
    ids[[5, 100]] = n_tokens - 1
    line = np.concatenate([[n_tokens], ids, ids[50:90]]).astype(np.int32)
    model = NgramModel.count(line, 3, n_tokens)
    assert model.grams.dtype == dtype
    oracle = KneserNey([line[1:].tolist()], 3, n_tokens)
    p, _, _ = model.probabilities(line)
    for i in (1, 2, 3, 101, 320):
        context = (BEGIN, *line[1:i].tolist())
        assert p[i] == pytest.approx(oracle(line[i], context), rel=1e-12)


def test_bad_ids_and_orders():
    line = np.array([3, 0, 1, 4], dtype=np.int32)
    with pytest.raises(IndexError, match="Token 3 has the id 4, of 3 ids"):
        NgramModel.count(line, 2, 3)
    with pytest.raises(ValueError, match="from 1 to 32, got 33"):
        count_grams(line[:3], 0, 33, 3)
    model = NgramModel.count(line[:3], 2, 3)
    with pytest.raises(IndexError, match="Token 3 has the id 4"):
        model.probabilities(line)


def test_tables_that_no_model_has():
    n_tokens = 4
    texts = random_texts(5, 20, n_tokens)
    model = NgramModel.count(line_of(texts, n_tokens), 3, n_tokens)
    check_grams(model.grams, model.counts, n_tokens)

    def refused(change, match="Gram"):
        grams, counts = model.grams.copy(), model.counts.copy()
        change(grams, counts)
        with pytest.raises(ValueError, match=match):
            check_grams_fields(grams, counts, n_tokens, "grams")
        with pytest.raises(ValueError, match=match):
            check_grams(grams, counts, n_tokens)

    refused(lambda g, c: c.__setitem__(2, 0))
    refused(lambda g, c: c.__setitem__(0, 2**31))
    refused(lambda g, c: c.__setitem__([0, 1], 2**30))
    refused(lambda g, c: g.__setitem__(1, g[0]))
    refused(lambda g, c: g.__setitem__(slice(0, 2), g[[1, 0]]))
    refused(lambda g, c: g.__setitem__((-1, -1), n_tokens + 1))
    refused(lambda g, c: g.__setitem__((0, 0), n_tokens + 2))
    refused(lambda g, c: g.__setitem__((0, 1), 0))
    for grams, counts in [
        (model.grams[:0], model.counts[:0]),
        (model.grams, model.counts[1:]),
        (model.grams.astype(np.uint16), model.counts),
        (model.grams[:, 0], model.counts),
        (None, model.counts),
    ]:
        with pytest.raises(ValueError, match="grams"):
            check_grams_fields(grams, counts, n_tokens, "grams")


def test_merged_tables_add_their_counts():
    a = np.array([[1, 1], [1, 2], [2, 1]], dtype=np.uint8)
    b = np.array([[1, 2], [2, 2]], dtype=np.uint8)
    grams, counts = merge_grams(a, np.array([1, 2, 3]), b, np.array([10, 20]))
    assert grams.tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert counts.tolist() == [1, 12, 3, 20]


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not here")
def test_shakespeare():
    with gzip.open(SHARED / "tinyshakespeare.txt.gz", "rt", newline="") as file:
        text = file.read()
    tokens = sorted(set(text))
    ids = np.searchsorted(tokens, list(text)).astype(np.int32)
    line = np.concatenate([[np.int32(65)], ids[:1003854]]).astype(np.int32)
    model = NgramModel.count(line, 7, 65)
    assert model.index.n_entries == 872_754
    p, _, _ = model.probabilities(ids[1003854:], line[-6:])
    assert -np.log2(p).mean() == pytest.approx(2.188, abs=5e-4)
