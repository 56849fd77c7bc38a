"""The network that translates: the oracle, gradients, and steps one by one."""

import functools

import numpy as np
import pytest

from reference import make_cell, run_direction
from skrnn._elementary import best_tokens, token_log_proba
from skrnn.inputs.packed import PackedBatch, packed_places, packed_rows
from skrnn.losses import SmoothedTokenLoss, TokenLogLoss
from skrnn.network import PassOptions
from skrnn.network.inputs import NumbersInput, TokenInput
from skrnn.network.translation import PairBatch, TranslationNetwork, TranslationSpec

N_OUT = 4  # the end and three tokens
# The longest source has the shortest target.
LENGTHS = [5, 2, 3, 1]
CODES = [[], [1, 2, 3, 1, 1], [2], [3, 1, 3]]


def make_spec(**options):
    tokens = options.pop("tokens", True)
    made = functools.partial(TokenInput, (6,), (5,)) if tokens else NumbersInput
    options = {"dtype": "float64", "embedding_size": 7, **options}
    return TranslationSpec(0 if tokens else 3, (6, 4), N_OUT, input=made, **options)


def make_batch(rng, dtype="float64", tokens=True, lengths=LENGTHS, codes=CODES):
    """Pairs as a batch, and the sources one by one."""
    lengths = np.array(lengths, dtype=np.intp)
    order = np.argsort(-lengths, kind="stable")
    n_active, offset = packed_places(lengths[order])
    step, sequence = packed_rows(n_active, offset)
    ids = [rng.randint(6, size=n).astype(np.int32) for n in lengths]
    numbers = [rng.standard_normal((n, 0 if tokens else 3)) for n in lengths]
    x = np.array([numbers[order[b]][t] for t, b in zip(step, sequence, strict=True)])
    packed = None
    if tokens:
        found = zip(step, sequence, strict=True)
        packed = np.array([[ids[order[b]][t]] for t, b in found], dtype=np.int32)
    source = PackedBatch(
        x.astype(dtype), n_active, offset, lengths[order], order, packed
    )
    read = [np.array([N_OUT, *own], dtype=np.intp) for own in codes]
    return PairBatch(source, read, dtype), ids if tokens else numbers


def targets_of(codes=CODES):
    return np.concatenate([[*own, 0] for own in codes]).astype(np.intp)


def make_network(spec, rng, **options):
    network = TranslationNetwork(spec, PassOptions(**options))
    theta = rng.standard_normal(network.n_params) * 0.5
    network.load(theta.astype(network.dtype))
    return network, theta.astype(network.dtype)


def oracle(spec, w, source, codes):
    """log p of each token of one pair, and the attention, step by step in NumPy."""
    cell = make_cell(spec.cell, spec.activation)
    x = w["embedding0.W"][source] if "embedding0.W" in w else source
    directions = ("", ".reverse") if spec.bidirectional else ("",)
    for k in range(len(spec.hidden_layer_sizes)):
        sides = []
        for direction in directions:
            p = {n: w[f"layer{k}{direction}.{n}"] for n in ("W", "U", "b")}
            mask = np.ones(p["U"].shape[0])
            h = run_direction(cell, x, p, mask, bool(direction))[0]
            sides.append(h)
        x = np.concatenate(sides, axis=1)
    last = np.concatenate([side[0 if d else -1] for d, side in enumerate(sides)])
    states = []
    for k in range(len(spec.hidden_layer_sizes)):
        first = [np.tanh(last @ w[f"bridge{k}.W"] + w[f"bridge{k}.b"])]
        if spec.cell == "lstm":
            first.append(
                np.tanh(last @ w[f"bridge{k}.memory.W"] + w[f"bridge{k}.memory.b"])
            )
        states.append(tuple(first))
    found, weights, read = [], [], spec.n_out
    for token in [*codes, 0]:
        h = w["target0.W"][read]
        for k in range(len(spec.hidden_layer_sizes)):
            p = {n: w[f"decoder{k}.{n}"] for n in ("W", "U", "b")}
            states[k] = cell.step(h, states[k], np.ones(p["U"].shape[0]), p)[0]
            h = states[k][0]
        joined = h
        if spec.attention is not None:
            keys = x @ w["attention.keys"]
            if spec.attention == "general":
                score = keys @ h
            else:
                score = np.tanh(keys + h @ w["attention.query"]) @ w["attention.v"][0]
            weight = np.exp(score - score.max())
            weights.append(weight / weight.sum())
            joined = np.concatenate([h, weights[-1] @ x])
        out = np.tanh(joined @ w["attention.W"] + w["attention.b"])
        head = w["target0.W"][: spec.n_out].T if spec.tied else w["head.W"]
        raw = out @ head + w["head.b"]
        found.append(raw[token] - np.logaddexp.reduce(raw))
        read = token
    return np.array(found), weights


KINDS = [
    {"cell": "gru", "bidirectional": True},
    {"cell": "lstm", "attention": "additive", "tied": False},
    {"cell": "rnn", "attention": None, "tokens": False},
    {"cell": "lstm", "bidirectional": True, "tokens": False},
]
kinds = pytest.mark.parametrize(
    "options", KINDS, ids=["gru", "additive", "none", "numbers"]
)


@kinds
def test_probabilities_are_those_of_the_oracle(options):
    rng = np.random.RandomState(0)
    spec = make_spec(**options)
    network, theta = make_network(spec, rng, trains=False)
    batch, sources = make_batch(rng, tokens=options.get("tokens", True))
    raw = network.raw(network.rows(batch))
    log_p = np.empty(len(raw))
    token_log_proba(raw, targets_of(), log_p, np.empty(N_OUT))
    w = network.layout.views(theta)
    right = [oracle(spec, w, *pair) for pair in zip(sources, CODES, strict=True)]
    np.testing.assert_allclose(
        log_p, np.concatenate([each for each, _ in right]), rtol=0, atol=1e-12
    )
    if spec.attention is not None:
        weights, _ = network.weights(batch)
        expected = np.concatenate([row for _, rows in right for row in rows])
        np.testing.assert_allclose(weights, expected, atol=1e-12)


@kinds
@pytest.mark.parametrize("smoothing", [0, 0.3])
def test_gradients_are_those_of_finite_differences(options, smoothing):
    rng = np.random.RandomState(1)
    network, theta = make_network(make_spec(**options), rng)
    batch, _ = make_batch(rng, tokens=options.get("tokens", True))
    targets, weight = targets_of(), rng.random_sample(len(targets_of()))
    loss = SmoothedTokenLoss(N_OUT, smoothing)

    def value(theta):
        network.load(theta)
        raw = network.raw(network.rows(batch))
        return loss.value_and_gradient(targets, raw, weight)[0]

    grad = np.zeros_like(theta)
    found = network.add_gradient(
        loss, batch, targets, weight, grad, random_state=rng, n_threads=1
    )
    np.testing.assert_allclose(found, value(theta), rtol=1e-12)
    # A few numbers of each parameter.
    slots = network.layout.slots
    chosen = [rng.randint(s.start, s.stop, size=8) for s in slots]
    for i in np.concatenate(chosen):
        step = np.zeros_like(theta)
        step[i] = 1e-6
        slope = (value(theta + step) - value(theta - step)) / 2e-6
        np.testing.assert_allclose(grad[i], slope, rtol=1e-5, atol=1e-8)


def test_dropout_has_the_gradient_of_its_masks():
    rng = np.random.RandomState(2)
    network, theta = make_network(
        make_spec(cell="gru", bidirectional=True), rng, dropout=0.4
    )
    batch, _ = make_batch(rng)
    loss, targets = TokenLogLoss(N_OUT), targets_of()

    def run(theta, grad):
        network.load(theta)
        return network.add_gradient(
            loss,
            batch,
            targets,
            np.ones(len(targets)),
            grad,
            random_state=np.random.RandomState(3),
            n_threads=1,
        )

    grad = np.zeros_like(theta)
    run(theta, grad)
    for i in rng.choice(len(theta), 80):
        step = np.zeros_like(theta)
        step[i] = 1e-6
        scrap = np.zeros_like(theta)
        slope = (run(theta + step, scrap) - run(theta - step, scrap)) / 2e-6
        np.testing.assert_allclose(grad[i], slope, rtol=1e-5, atol=1e-8)


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps_have_the_bits_of_a_whole_target(options, dtype):
    rng = np.random.RandomState(4)
    spec = make_spec(dtype=dtype, **options)
    network, _ = make_network(spec, rng, trains=False)
    batch, _ = make_batch(rng, dtype, options.get("tokens", True))
    rows = network.rows(batch).copy()
    encoded = network.encode(batch.source)
    at = 0
    for s, own in enumerate(CODES):
        states = [
            tuple(None if each is None else each[[s]] for each in pair)
            for pair in encoded.first
        ]
        for read in [N_OUT, *own]:
            out = network.step(
                np.array([read], np.int32), states, encoded, np.array([s])
            )
            np.testing.assert_array_equal(out[0], rows[at])
            at += 1


def test_pairs_do_not_see_one_another():
    rng = np.random.RandomState(5)
    spec = make_spec(cell="gru", bidirectional=True, dtype="float32")
    network, _ = make_network(spec, rng, trains=False)
    lengths, codes = [40, *LENGTHS], [[1] * 30, *CODES]
    batch, sources = make_batch(
        np.random.RandomState(6), "float32", True, lengths, codes
    )
    together = network.rows(batch).copy()[31:]
    at = 0
    for s, own in enumerate(CODES):
        alone, _ = make_batch(
            FixedIds(sources[s + 1]), "float32", True, [lengths[s + 1]], [own]
        )
        rows = network.rows(alone)
        np.testing.assert_array_equal(rows, together[at : at + len(rows)])
        at += len(rows)


class FixedIds:
    """Stands for a generator that draws these ids."""

    def __init__(self, ids):
        self.ids = ids

    def randint(self, n, size):
        return self.ids

    def standard_normal(self, shape):
        return np.zeros(shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_best_tokens_are_sorted_and_have_their_probabilities(dtype):
    rng = np.random.RandomState(7)
    raw = np.round(3 * rng.standard_normal((20, 9))).astype(dtype)  # many ties
    banned = np.zeros(9, dtype=np.uint8)
    banned[4] = 1
    tokens, log_p = np.empty((20, 12), np.intp), np.empty((20, 12))
    best_tokens(raw, tokens, log_p, banned, np.empty(9, dtype))
    exact = raw - np.logaddexp.reduce(raw.astype(float), axis=1, keepdims=True)
    for i in range(20):
        right = sorted({*range(9)} - {4}, key=lambda k: (-raw[i, k], k))  # noqa: B023
        assert tokens[i].tolist() == [*right, -1, -1, -1, -1]
        np.testing.assert_allclose(log_p[i, :8], exact[i, right], atol=1e-6)
        for k in range(8):
            out = np.empty(1)
            token_log_proba(raw[[i]], tokens[i, [k]], out, np.empty(9, dtype))
            assert out[0] == log_p[i, k]
