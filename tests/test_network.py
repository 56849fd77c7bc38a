"""Layers, directions, dropout, pooling and the head; the same bits for any batch."""

import itertools
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cases import (
    CELLS,
    DTYPES,
    ISAS,
    POOLINGS,
    TOLERANCE,
    Case,
    assert_same_bits,
    error,
    instruction_set,
    pack,
    unpack,
)
from gradcheck import numerical_gradient
from networks import make_network

cells = pytest.mark.parametrize(("cell", "activation"), CELLS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
poolings = pytest.mark.parametrize("pooling", POOLINGS)
directions = pytest.mark.parametrize("bidirectional", [False, True])


def network(n_in=3, sizes=(4,), n_out=2, **options):
    return make_network(n_in, sizes, n_out, **options)


# The flat vector


@cells
@directions
@poolings
@pytest.mark.parametrize("sizes", [(3,), (5, 2), (4, 4, 1)])
def test_layout(cell, activation, bidirectional, pooling, sizes):
    case = Case(
        sizes=sizes, cell=cell, activation=activation, bidirectional=bidirectional,
        pooling=pooling,
    )  # fmt: skip
    net = case.make_network()
    shapes = case.reference.shapes()
    assert {slot.name: slot.shape for slot in net.layout.slots} == shapes
    # Every parameter has one place, and every place one parameter.
    owner = np.zeros(net.n_params, int)
    for slot in net.layout.slots:
        owner[slot.start : slot.stop] += 1
    assert np.all(owner == 1)
    # Views are of the vector itself; the weights are all that is not a bias.
    vector = np.zeros(net.n_params, case.dtype)
    for name, view in net.views(vector).items():
        assert view.shape == shapes[name]
        view[...] = not name.endswith(".b")
    is_weight = np.zeros(net.n_params)
    for start, stop in net.layout.penalized_spans():
        is_weight[start:stop] += 1
    assert np.array_equal(is_weight, vector)


@cells
@dtypes
def test_initialization(cell, activation, dtype):
    net = network(30, (20, 10), 2, cell=cell, activation=activation, dtype=dtype)
    theta = net.initialize(np.random.RandomState(0))
    assert theta.dtype == dtype
    assert theta.shape == (net.n_params,)
    assert_same_bits(theta, net.initialize(np.random.RandomState(0)))
    assert not np.array_equal(theta, net.initialize(np.random.RandomState(1)))
    views = net.views(theta)
    for k, n_units in enumerate((20, 10)):
        n_gates = views[f"layer{k}.U"].shape[1] // n_units
        for gate in np.split(views[f"layer{k}.U"].astype(float), n_gates, axis=1):
            assert_allclose(gate.T @ gate, np.eye(n_units), atol=1e-6)
        for gate in np.split(views[f"layer{k}.W"].astype(float), n_gates, axis=1):
            # Glorot, of one gate: variance 2 / (fan in + fan out).
            variance = 2 / sum(gate.shape)
            assert 0.6 * variance < np.mean(gate**2) < 1.6 * variance
        b = views[f"layer{k}.b"].copy()
        if cell == "lstm":
            assert np.all(b[n_units : 2 * n_units] == 1)
            b[n_units : 2 * n_units] = 0
        assert np.all(b == 0)
    assert np.all(views["head.b"] == 0)


# Against the oracle


@cells
@dtypes
@directions
@poolings
def test_agrees_with_the_oracle(cell, activation, dtype, bidirectional, pooling):
    for seed, sizes in enumerate([(5,), (4, 3), (17, 16, 2)]):
        Case(
            seed, lengths=(5, 1, 9, 2, 9, 14), n_in=4, sizes=sizes, n_out=3, cell=cell,
            activation=activation, dtype=dtype, bidirectional=bidirectional,
            pooling=pooling,
        ).assert_agrees()  # fmt: skip


@cells
@dtypes
@directions
@pytest.mark.parametrize("bptt_steps", [1, 3, 8, 100])
def test_truncation_agrees_with_the_oracle(
    cell, activation, dtype, bidirectional, bptt_steps
):
    Case(
        4, lengths=(7, 1, 8, 9, 20, 3), sizes=(6, 5), cell=cell,
        activation=activation, dtype=dtype, bidirectional=bidirectional,
        bptt_steps=bptt_steps, pooling="mean",
    ).assert_agrees()  # fmt: skip


@cells
def test_truncation_cuts_the_gradient_only(cell, activation):
    whole, cut, long = (
        Case(
            5,
            lengths=(12, 5, 1),
            cell=cell,
            activation=activation,
            bptt_steps=bptt_steps,
        ).gradients()  # fmt: skip
        for bptt_steps in (None, 4, 12)
    )
    assert_same_bits(cut[0], whole[0])
    assert error(cut[1], whole[1]) > 1e-3
    assert np.all(cut[2][0][:8] == 0)
    assert np.any(cut[2][0][8] != 0)
    assert_same_bits(long[1], whole[1])


@pytest.mark.parametrize("n_out", [1, 2, 17, 40])
@dtypes
def test_head(n_out, dtype):
    Case(6, n_out=n_out, dtype=dtype, bidirectional=True).assert_agrees()


@dtypes
def test_attention(dtype):
    case = Case(
        7, lengths=(6, 1, 11), sizes=(5,), dtype=dtype, pooling="attention",
        bidirectional=True,
    )  # fmt: skip
    batch = pack(case.X, dtype)
    weights = unpack(batch, case.network().attention(batch))
    case.reference.forward(case.params, case.X)
    for a, other in zip(weights, case.reference.attention(), strict=True):
        assert a.dtype == dtype
        assert abs(a.sum(dtype=float) - 1) <= 1e-6
        assert error(a, other) <= TOLERANCE[dtype][0]


@dtypes
def test_attention_of_extreme_scores(dtype):
    case = Case(8, lengths=(6, 1, 11), sizes=(5,), dtype=dtype, pooling="attention")
    case.params["attention.q"] *= 1e4
    batch = pack(case.X, dtype)
    weights = unpack(batch, case.network().attention(batch))
    case.reference.forward(case.params, case.X)
    for a, other in zip(weights, case.reference.attention(), strict=True):
        assert np.all(np.isfinite(a))
        assert np.argmax(a) == np.argmax(other)
    raw, grad, dX = case.gradients()
    assert np.all(np.isfinite(raw)) and np.all(np.isfinite(grad))


@cells
@poolings
@directions
def test_gradients_by_finite_differences(cell, activation, pooling, bidirectional):
    case = Case(
        9, lengths=(3, 1, 4), n_in=2, sizes=(2, 3), cell=cell, activation=activation,
        pooling=pooling, bidirectional=bidirectional, dropout=0.3,
        recurrent_dropout=0.3,
    )  # fmt: skip
    net = case.network()
    theta = np.empty(net.n_params)
    for name, view in net.views(theta).items():
        view[...] = case.params[name]

    def loss():
        net.load(theta)
        raw = case.forward(net, training=True, random_state=np.random.RandomState(3))
        return np.sum(case.draw * raw)

    _, grad, dX = case.gradients(net, random_state=np.random.RandomState(3))
    assert_allclose(grad, numerical_gradient(loss, theta), atol=1e-9)
    for x, dx in zip(case.X, dX, strict=True):
        assert_allclose(dx, numerical_gradient(loss, x), atol=1e-9)


# Dropout, seen from outside: networks whose output is their mask


def constant_network(sizes, n_steps, n_seqs=50, **options):
    """relu layers that pass their input on, fed with ones; the head too."""
    case = Case(
        lengths=(n_steps,) * n_seqs, n_in=sizes[0], sizes=sizes, n_out=sizes[-1],
        cell="rnn", activation="relu", **options,
    )  # fmt: skip
    for name, value in case.params.items():
        value[...] = np.eye(*value.shape) if name.endswith(".W") else 0
    case.X = [np.ones_like(x) for x in case.X]
    return case


def test_dropout_of_the_pooled_vector():
    case = constant_network((40,), 3, dropout=0.2)
    raw = case.forward(training=True, random_state=np.random.RandomState(0))
    assert_allclose(np.unique(raw), [0, 1 / 0.8], rtol=1e-15)
    assert 0.77 < np.mean(raw != 0) < 0.83
    # Neither rows nor columns share a mask.
    assert len(np.unique(raw, axis=0)) == len(raw)
    assert len(np.unique(raw, axis=1).T) == raw.shape[1]


def test_dropout_between_layers_is_drawn_for_each_step():
    case = constant_network((10, 10), 20, dropout=0.5, pooling="mean")
    raw = case.forward(training=True, random_state=np.random.RandomState(0))
    # Mean of 20 steps that are 0 or 2, and then 0 or 2 once more.
    kept = raw[raw != 0] / 2 * 10
    assert_allclose(kept, np.round(kept), atol=1e-12)
    assert 0.4 < np.mean(raw != 0) < 0.6
    assert len(np.unique(np.round(kept))) > 5
    assert abs(np.mean(kept) - 10) < 0.5


@directions
def test_recurrent_dropout_is_one_mask_a_sequence_and_direction(bidirectional):
    case = constant_network(
        (30,), 4, recurrent_dropout=0.5, bidirectional=bidirectional
    )
    if bidirectional:
        case.params["head.W"][...] = 0
        case.params["head.W"][:30] = np.eye(30)
        case.params["head.W"][30:] = 100 * np.eye(30)
    for name, value in case.params.items():
        if name.endswith(".U"):
            value[...] = np.eye(*value.shape)
    raw = case.forward(training=True, random_state=np.random.RandomState(0))
    # h = 1 + m h' with m = 0 or 2: four steps end at 1 or at 1 + 2 + 4 + 8.
    if bidirectional:
        assert_allclose(np.unique(raw), [101, 115, 1501, 1515], rtol=1e-13)
        forward = np.isin(raw, [115, 1515])
        assert 0.4 < np.mean(forward == (raw > 1000)) < 0.6
    else:
        assert_allclose(np.unique(raw), [1, 15], rtol=1e-13)
        forward = raw == 15
    assert 0.45 < np.mean(forward) < 0.55
    assert len(np.unique(forward, axis=0)) == len(forward)


@cells
@directions
def test_recurrent_dropout_leaves_the_carried_state(cell, activation, bidirectional):
    case = Case(
        14, cell=cell, activation=activation, recurrent_dropout=0.5,
        bidirectional=bidirectional,
    )  # fmt: skip
    for name, value in case.params.items():
        if name.endswith(".U"):
            value[...] = 0
    raw = case.forward(training=True, random_state=np.random.RandomState(0))
    assert_same_bits(raw, case.forward())


@cells
@dtypes
def test_recurrent_dropout_agrees_with_the_oracle(cell, activation, dtype):
    """Each sequence is the oracle's with one of the 2**3 masks."""
    case = Case(
        15, lengths=(5, 4, 7, 1, 6), sizes=(3,), cell=cell,
        activation=activation, dtype=dtype, recurrent_dropout=0.25,
    )  # fmt: skip
    net = case.network()
    random_state = np.random.RandomState(1)
    raw, grad, dX = case.gradients(net, random_state=random_state)
    tolerance = TOLERANCE[dtype]
    masks = np.array(list(itertools.product([0, 1 / 0.75], repeat=3)))
    found = []
    for i, x in enumerate(case.X):
        outputs = case.reference.forward(
            case.params, [x] * len(masks), {"layer0.U": masks}
        )
        errors = np.abs(outputs - raw[i]).max(axis=1)
        found.append(masks[np.argmin(errors)])
        assert errors.min() <= 2 * tolerance[0]
    case.reference.forward(case.params, case.X, {"layer0.U": np.array(found)})
    grads, other_dX = case.reference.backward(case.draw)
    for name, value in net.views(grad).items():
        assert error(value, grads[name]) <= tolerance[1], name
    assert error(np.concatenate(dX), np.concatenate(other_dX)) <= tolerance[1]


@pytest.mark.parametrize("dropout", [(0.5, 0.0), (0.0, 0.5), (0.3, 0.3)])
@cells
@dtypes
def test_dropout_is_reproducible(cell, activation, dtype, dropout):
    case = Case(
        10, lengths=range(1, 25), sizes=(17, 8), cell=cell, activation=activation,
        dtype=dtype, dropout=dropout[0], recurrent_dropout=dropout[1],
        bidirectional=True,
    )  # fmt: skip

    def run(seed, n_threads=1):
        random_state = np.random.RandomState(seed)
        raw, grad, _ = case.gradients(random_state=random_state, n_threads=n_threads)
        return raw, grad, random_state.randint(2**31)

    raw, grad, after = run(0)
    for isa in ISAS:
        with instruction_set(isa):
            for n_threads in (1, 2, 3):
                other = run(0, n_threads)
                assert_same_bits(other[0], raw)
                assert_same_bits(other[1], grad)
                assert other[2] == after
    assert not np.array_equal(run(1)[0], raw)
    # None of it at prediction.
    plain = Case(
        10, lengths=range(1, 25), sizes=(17, 8), cell=cell, activation=activation,
        dtype=dtype, bidirectional=True,
    )  # fmt: skip
    assert_same_bits(case.forward(), plain.forward())
    for h, other in zip(case.hidden_states(), plain.hidden_states(), strict=True):
        assert_same_bits(h, other)


# The same bits, whatever surrounds the sequence


@cells
@dtypes
@directions
@poolings
def test_batch_composition(cell, activation, dtype, bidirectional, pooling):
    lengths = (5, 1, 9, 2, 9, 30, 14, 7, 7, 1, 3, 12, 29)
    case = Case(
        11, lengths=lengths, sizes=(9, 18), cell=cell, activation=activation,
        dtype=dtype, bidirectional=bidirectional, pooling=pooling,
    )  # fmt: skip
    net = case.network()
    everything = case.forward(net)
    hidden = case.hidden_states(net)
    raw, _, _ = case.gradients(net)
    assert_same_bits(raw, everything)
    rng = np.random.default_rng(0)
    choices = [[i] for i in range(len(lengths))]
    choices += [rng.permutation(len(lengths))[:n] for n in (2, 3, 5, 8, 12, 13)]
    choices += [[5] * 7, np.arange(13)[::-1]]
    for indices in choices:
        assert_same_bits(case.forward(net, indices), everything[indices])
    # The states of a sequence alone, and in another network's buffers.
    case.X = case.X[3:6]
    for h, other in zip(case.hidden_states(), hidden[3:6], strict=True):
        assert_same_bits(h, other)


@cells
@dtypes
def test_stacked_bits(cell, activation, dtype):
    """Instruction sets times threads, on a network with everything in it."""
    case = Case(
        12, lengths=list(range(1, 40)) * 2, n_in=5, sizes=(33, 20), n_out=3, cell=cell,
        activation=activation, dtype=dtype, bidirectional=True, pooling="attention",
    )  # fmt: skip
    desired = case.gradients()
    for isa in ISAS:
        with instruction_set(isa):
            for n_threads in (1, 2, 3):
                raw, grad, dX = case.gradients(n_threads=n_threads)
                assert_same_bits(raw, desired[0])
                assert_same_bits(grad, desired[1])
                for dx, other in zip(dX, desired[2], strict=True):
                    assert_same_bits(dx, other)
                assert_same_bits(case.forward(n_threads=n_threads), desired[0])


def test_load_replaces_the_weights():
    case = Case(13, sizes=(5, 3), pooling="attention", bidirectional=True)
    net = case.network()
    before = case.forward(net)
    other = {name: value * 0.5 for name, value in case.params.items()}
    theta = np.empty(net.n_params)
    for name, view in net.views(theta).items():
        view[...] = other[name]
    net.load(theta)
    assert_same_bits(case.forward(net), case.forward(case.network(other)))
    for name, view in net.views(theta).items():
        view[...] = case.params[name]
    theta.flags.writeable = False
    net.load(theta)
    assert_same_bits(case.forward(net), before)


@st.composite
def cases(draw):
    cell, activation = draw(st.sampled_from(CELLS))
    size = st.integers(1, 20) | st.integers(1, 70)
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=14))
    case = Case(
        draw(st.integers(0, 2**32 - 1)),
        lengths=lengths,
        n_in=draw(st.integers(1, 20) | st.integers(1, 39)),
        sizes=tuple(draw(st.lists(size, min_size=1, max_size=2))),
        n_out=draw(st.integers(1, 9)),
        cell=cell,
        activation=activation,
        dtype=draw(st.sampled_from(DTYPES)),
        x_scale=draw(st.sampled_from([1.0, 1e-20, 1e-3, 30.0])),
        weight_scale=draw(st.sampled_from([1.0, 1e-3, 5.0])),
        bidirectional=draw(st.booleans()),
        pooling=draw(st.sampled_from(POOLINGS)),
        bptt_steps=draw(st.none() | st.integers(1, 12)),
    )
    chosen = st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=14)
    return case, draw(chosen)


# 10^4 and more of them: SKRNN_CASES=10000.
@settings(
    max_examples=int(os.environ.get("SKRNN_CASES", "200")),
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    cases(),
    st.sampled_from(ISAS),
    st.sampled_from(ISAS),
    st.integers(1, 4),
)
def test_random_cases_differ_in_no_bit(case_and_chosen, isa, other_isa, n_threads):
    """Another batch, order, thread count and instruction set: not one bit."""
    case, chosen = case_and_chosen
    with instruction_set(isa):
        desired = case.gradients()
    with instruction_set(other_isa):
        net = case.network()
        predicted = case.forward(net, chosen, n_threads=n_threads)
        alone = case.forward(net, chosen[:1])
        raw, grad, dX = case.gradients(net, n_threads=n_threads)
    assert_same_bits(predicted, desired[0][chosen])
    assert_same_bits(alone, desired[0][chosen[:1]])
    assert_same_bits(raw, desired[0])
    assert_same_bits(grad, desired[1])
    for dx, other in zip(dX, desired[2], strict=True):
        assert_same_bits(dx, other)
