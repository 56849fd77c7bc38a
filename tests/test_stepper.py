"""The states of sequences that run through layers one step at a time."""

import copy
import pickle

import numpy as np
import pytest

from cases import ISAS, assert_same_bits, instruction_set, pack, unpack
from skrnn._recurrence import PackedShape, Recurrence
from skrnn._stepper import Stepper, row_numbers
from skrnn.cells import CELLS
from skrnn.inputs.packed import StepEncoder
from skrnn.models.stream import step_network
from skrnn.network import Network, NetworkSpec
from skrnn.network.pooling import EveryStep

GATES = {"rnn_tanh": "rnn", "rnn_relu": "rnn", "lstm": "lstm", "gru": "gru"}
kernels = pytest.mark.parametrize("kernel", GATES)


def make_layers(kernel, n_in=3, sizes=(5,), dtype=np.float32, seed=0):
    """Recurrences with random weights, and a -0 among the biases."""
    rng = np.random.default_rng(seed)
    spec, layers = CELLS[GATES[kernel]], []
    for n_units in sizes:
        shapes = [(n_in, spec.n_gates * n_units), (n_units, spec.n_gates * n_units)]
        shapes.append((1, len(spec.biases) * n_units))
        weights = [rng.normal(size=shape).astype(dtype) / 2 for shape in shapes]
        weights[2][:, ::3] = -0.0
        layers.append(Recurrence(kernel, n_in, n_units, dtype))
        layers[-1].load(*weights)
        n_in = n_units
    return layers


def make_x(n_seqs, n_steps, n_in=3, dtype=np.float32, seed=1):
    x = np.random.default_rng(seed).normal(size=(n_steps, n_seqs, n_in)).astype(dtype)
    x[:, :, 0] *= x[:, :, 0] > 0  # with zeros
    return x


def whole(layers, x, h0=None, m0=None):
    """The last layer's states of a whole batch, (n_steps, n_seqs, n_units)."""
    n_steps, n_seqs = x.shape[:2]
    shape = PackedShape(np.full(n_steps, n_seqs, dtype=np.int32))
    rows = x.reshape(n_steps * n_seqs, -1)
    for k, layer in enumerate(layers):
        start = {"h0": h0[k]} if h0 is not None else {}
        if m0 is not None:
            start["m0"] = m0[k]
        rows = layer.forward(shape, rows, **start)
    return rows.reshape(n_steps, n_seqs, -1).copy()


def step(stepper, x):
    h = stepper.forward(x).copy()
    stepper.commit()
    return h


@kernels
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_have_the_bits_of_whole_batches(kernel, isa, dtype):
    rng = np.random.default_rng(3)
    with instruction_set(isa):
        for trial in range(6):
            sizes = tuple(rng.integers(1, 40, size=rng.integers(1, 4)))
            n_in, n_seqs = rng.integers(1, 9), rng.integers(1, 20)
            layers = make_layers(kernel, n_in, sizes, dtype, seed=trial)
            x = make_x(n_seqs, 5, n_in, dtype, seed=trial)
            stepper = Stepper(layers, n_seqs)
            expected = whole(layers, x)
            assert (stepper.n_in, stepper.n_units) == (n_in, sizes[-1])
            for t in range(5):
                assert_same_bits(step(stepper, x[t]), expected[t])


@kernels
def test_forward_changes_nothing_without_commit(kernel):
    layers = make_layers(kernel, sizes=(4, 6))
    x = make_x(3, 2)
    stepper = Stepper(layers, 3)
    step(stepper, x[0])
    before = stepper.get_state()
    first = stepper.forward(x[1]).copy()
    stepper.forward(x[0])
    for name, value in stepper.get_state().items():
        assert_same_bits(value, before[name])
    assert_same_bits(stepper.forward(x[1]), first)
    stepper.commit()
    with pytest.raises(ValueError, match="no step to commit"):
        stepper.commit()


@kernels
def test_reset_of_some_rows(kernel):
    """Rows that begin anew have the bits of new sequences, the others go on."""
    layers = make_layers(kernel, sizes=(4, 18))
    x = make_x(6, 8)
    stepper = Stepper(layers, 6)
    begun_at = np.zeros(6, dtype=int)
    rng = np.random.default_rng(0)
    for t in range(8):
        rows = rng.permutation(6)[: t % 4]
        given = [rows, np.isin(np.arange(6), rows), rows.tolist()][t % 3]
        stepper.reset(given)
        begun_at[rows] = t
        states = step(stepper, x[t])
        for b, start in enumerate(begun_at):
            expected = whole(layers, x[start : t + 1, b : b + 1])[-1, 0]
            assert_same_bits(states[b], expected)
    stepper.reset(2)
    stepper.reset()
    assert_same_bits(step(stepper, x[0]), whole(layers, x[:1])[0])


@kernels
def test_start_from_given_states(kernel):
    layers = make_layers(kernel, sizes=(4, 18))
    x = make_x(5, 3)
    rng = np.random.default_rng(0)
    h = [rng.normal(size=(5, n)).astype(np.float32) for n in (4, 18)]
    m = None
    if kernel == "lstm":
        m = [rng.normal(size=(5, n)).astype(np.float32) for n in (4, 18)]
    stepper = Stepper(layers, 7)
    stepper.start(h, m)
    assert stepper.n_rows == 5
    expected = whole(layers, x, h, m)
    for t in range(3):
        assert_same_bits(step(stepper, x[t]), expected[t])
    stepper.start([h[0], None])
    expected = whole(layers, x[:1], [h[0], None])
    assert_same_bits(step(stepper, x[0]), expected[0])
    with pytest.raises(ValueError, match="a state for each of 2 layers"):
        stepper.start(h[:1])
    with pytest.raises(ValueError, match="as many rows"):
        stepper.start([h[0], h[1][:4]])
    with pytest.raises(ValueError, match="as many rows"):
        stepper.start([np.zeros((8, 4), np.float32), None])
    with pytest.raises(ValueError, match=r"must be of float32 with shape \(5, 18\)"):
        stepper.start([h[0], h[1].astype(np.float64)])
    if kernel != "lstm":
        with pytest.raises(ValueError, match="no memory"):
            stepper.start(h, h)


@kernels
def test_select_reorders_and_duplicates(kernel):
    """Beams: each row follows its own ancestors, and there may be fewer or more."""
    layers = make_layers(kernel, sizes=(4, 18))
    rng = np.random.default_rng(0)
    stepper = Stepper(layers, 8)
    stepper.reset()
    histories = [[] for _ in range(8)]
    for t in range(12):
        x = make_x(stepper.n_rows, 1, seed=t)[0]
        states = step(stepper, x)
        for b, history in enumerate(histories):
            history.append(x[b])
            expected = whole(layers, np.stack(history)[:, np.newaxis])[-1, 0]
            assert_same_bits(states[b], expected)
        stepper.forward(x)  # forgotten
        rows = rng.integers(0, stepper.n_rows, size=rng.integers(1, 9))
        stepper.select(rows)
        if t % 5 == 4:
            stepper.reset([0])
        histories = [list(histories[b]) for b in rows]
        if t % 5 == 4:
            histories[0] = []
        assert stepper.n_rows == len(rows)


def test_what_cannot_be_selected():
    stepper = Stepper(make_layers("gru"), 3)
    for rows in ([], [0, 1, 2, 0], [True, False, False, True]):
        with pytest.raises(ValueError, match=r"can be selected|length 3"):
            stepper.select(rows)
    for rows in ([3], [-1], [0.5], ["a"], [[0, 1]], None):
        with pytest.raises(ValueError, match="rows must be"):
            stepper.select(rows)
    assert row_numbers(np.uint8(2), 3).tolist() == [2]
    assert row_numbers(True, 1).tolist() == [0]


@kernels
def test_state_round_trips(kernel):
    layers = make_layers(kernel, sizes=(4, 18))
    x = make_x(3, 4)
    stepper, other = Stepper(layers, 3), Stepper(layers, 5)
    fresh = stepper.get_state()
    for t in range(2):
        step(stepper, x[t])
    state = pickle.loads(pickle.dumps(stepper.get_state()))
    other.set_state(state)
    twin, deep = copy.copy(stepper), copy.deepcopy(stepper)
    assert other.n_rows == 3
    for t in (2, 3):
        expected = step(stepper, x[t])
        for each in (other, twin, deep):
            assert_same_bits(step(each, x[t]), expected)
    other.set_state(fresh)
    assert_same_bits(step(other, x[0]), whole(layers, x[:1])[0])


def test_states_that_are_refused():
    stepper = Stepper(make_layers("lstm"), 3)
    step(stepper, make_x(3, 1)[0])
    state = stepper.get_state()
    for bad in (None, 3, "state", [state], np.zeros(3)):
        with pytest.raises(ValueError, match="A state is a dict of arrays"):
            stepper.set_state(bad)
    others = [make_layers("gru"), make_layers("rnn_tanh"), make_layers("lstm", 3, (6,))]
    others += [make_layers("lstm", 3, (5, 5)), make_layers("lstm", dtype=np.float64)]
    refused = [Stepper(layers, 3).get_state() for layers in others]
    refused += [Stepper(make_layers("lstm"), 4).get_state(), {}, {"lstm0.h": None}]
    refused += [{**state, "lstm0.h": None}, {**state, 3: None}]
    for bad in refused:
        with pytest.raises(ValueError, match="not of this model"):
            stepper.set_state(bad)
    for name, value in stepper.get_state().items():
        assert_same_bits(value, state[name])


def test_what_a_stepper_refuses():
    with pytest.raises(ValueError, match="at least one layer"):
        Stepper([], 1)
    with pytest.raises(ValueError, match="at least one layer and one row"):
        Stepper(make_layers("gru"), 0)
    with pytest.raises(ValueError, match="from the end"):
        Stepper([Recurrence("gru", 3, 5, np.float32, reverse=True)], 1)
    with pytest.raises(ValueError, match="layer 1 does not fit"):
        Stepper(make_layers("gru") * 2, 1)
    with pytest.raises(TypeError, match="must be recurrences"):
        Stepper([None], 1)
    stepper = Stepper(make_layers("gru"), 2)
    with pytest.raises(ValueError, match=r"x must have shape \(2, 3\)"):
        stepper.forward(np.zeros((2, 4), np.float32))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(stepper)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_output_for_each_step(dtype):
    """A network without pooling gives its outputs as they come."""
    spec = NetworkSpec(3, (4, 17), 2, cell="lstm", pooling=EveryStep, dtype=dtype)
    network = Network(spec)
    theta = network.initialize(np.random.RandomState(0))
    network.load(theta)
    X = [x.astype(np.float64) for x in make_x(6, 5).swapaxes(0, 1)]
    batch = pack(X, network.dtype)
    expected = unpack(batch, network.forward(batch))
    steps = step_network(network, StepEncoder(3), 6)
    for t in range(5):
        raw = steps.step(np.array([x[t] for x in X]))
        assert_same_bits(raw, np.array([rows[t] for rows in expected]))
