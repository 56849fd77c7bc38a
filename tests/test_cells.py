"""Every cell, alone in a layer: the equations, their gradients, the same bits."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import (
    CELLS,
    DTYPES,
    ISAS,
    Case,
    assert_same_bits,
    error,
    instruction_set,
    pack,
)
from gradcheck import numerical_gradient
from skrnn import _recurrence
from skrnn.cells import CELLS as KNOWN_CELLS

cells = pytest.mark.parametrize(("cell", "activation"), CELLS)
dtypes = pytest.mark.parametrize("dtype", DTYPES)


def test_every_cell_is_tested():
    assert {cell for cell, _ in CELLS} == {name.split("_")[0] for name in KNOWN_CELLS}


@cells
@pytest.mark.parametrize("lengths", [(1,), (2,), (1, 1, 1), (4, 1, 2, 6, 2)])
def test_gradients_by_finite_differences(cell, activation, lengths):
    case = Case(
        1, lengths=lengths, n_in=2, sizes=(3,), cell=cell, activation=activation
    )
    network = case.network()
    theta = np.empty(network.n_params)
    for name, view in network.views(theta).items():
        view[...] = case.params[name]

    def loss():
        network.load(theta)
        return np.sum(case.draw * case.forward(network))

    _, grad, dX = case.gradients(network)
    assert_allclose(grad, numerical_gradient(loss, theta), atol=1e-9)
    for x, dx in zip(case.X, dX, strict=True):
        assert_allclose(dx, numerical_gradient(loss, x), atol=1e-9)


@cells
@dtypes
@pytest.mark.parametrize("n_units", [1, 3, 16, 17, 33, 40])
def test_agrees_with_the_oracle(cell, activation, dtype, n_units):
    # Fewer rows than a tile has, as many, and more; every n_in up to 20.
    for n_in, n_seqs in zip(
        (1, 2, 3, 5, 8, 13, 20), (1, 2, 5, 6, 7, 12, 13), strict=True
    ):
        lengths = 1 + np.random.default_rng(n_in).permutation(n_seqs)
        Case(
            n_in, lengths=lengths, n_in=n_in, sizes=(n_units,), cell=cell,
            activation=activation, dtype=dtype,
        ).assert_agrees()  # fmt: skip


@cells
def test_agrees_with_the_oracle_at_every_n_in(cell, activation):
    for n_in in range(1, 21):
        Case(
            n_in, lengths=(3, 1, 2), n_in=n_in, sizes=(5,), cell=cell,
            activation=activation,
        ).assert_agrees()  # fmt: skip


@cells
@dtypes
def test_many_rows(cell, activation, dtype):
    """Sums over rows go on past their chunks of 256."""
    lengths = np.random.default_rng(0).integers(1, 30, size=70)
    Case(
        2, lengths=lengths, n_in=4, sizes=(18,), cell=cell, activation=activation,
        dtype=dtype,
    ).assert_agrees()  # fmt: skip


@cells
@pytest.mark.parametrize("x_scale", [1e-20, 1e-8, 30.0])
@pytest.mark.parametrize("weight_scale", [1.0, 5.0])
def test_scales(cell, activation, x_scale, weight_scale):
    """Tiny and saturating values; few steps, since large weights are chaotic."""
    # Where a state is all but 1, 1 - h**2 has no digits left.
    Case(
        3, lengths=(2, 3, 1), n_in=5, sizes=(17,), cell=cell, activation=activation,
        x_scale=x_scale, weight_scale=weight_scale,
    ).assert_agrees(floor=min(x_scale, 1))  # fmt: skip


@cells
def test_float32_against_float64(cell, activation):
    lengths = (40, 3, 25, 1, 40)
    single = Case(
        4, lengths=lengths, n_in=6, sizes=(32,), cell=cell, activation=activation,
        dtype=np.float32,
    )  # fmt: skip
    double = Case(
        4, lengths=lengths, n_in=6, sizes=(32,), cell=cell, activation=activation
    )
    double.params = {k: v.astype(np.float64) for k, v in single.params.items()}
    double.X = [x.astype(np.float64) for x in single.X]
    double.draw = single.draw.astype(np.float64)
    raw, grad, dX = single.gradients()
    assert raw.dtype == grad.dtype == dX[0].dtype == np.float32
    other_raw, other_grad, other_dX = double.gradients()
    assert error(raw, other_raw) <= 1e-6
    views = single.network().views(grad)
    for name, value in double.network().views(other_grad).items():
        assert error(views[name], value) <= 1e-5, name
    assert error(np.concatenate(dX), np.concatenate(other_dX)) <= 1e-5


@cells
@dtypes
def test_leftovers_change_nothing(cell, activation, dtype):
    """Buffers that a larger batch of NaN has gone through give the same bits."""
    case = Case(5, sizes=(19,), cell=cell, activation=activation, dtype=dtype)
    fresh = case.gradients()
    hidden = case.hidden_states()
    network = case.network()
    poison = pack([np.ones((n, 3)) for n in (20,) * 9], dtype)
    poison.x[...] = np.nan
    network.forward(poison, training=True)
    draw = np.full((9, 2), np.nan, dtype)
    network.backward(draw, np.zeros(network.n_params, dtype), np.empty_like(poison.x))
    network.forward(poison)
    network.hidden_states(poison)
    raw, grad, dX = case.gradients(network)
    assert np.all(np.isfinite(grad))
    assert_same_bits(raw, fresh[0])
    assert_same_bits(grad, fresh[1])
    for dx, other in zip(dX, fresh[2], strict=True):
        assert_same_bits(dx, other)
    assert_same_bits(case.forward(network), fresh[0])
    for h, other in zip(case.hidden_states(network), hidden, strict=True):
        assert_same_bits(h, other)


@cells
@dtypes
def test_nan_stays_in_its_sequence(cell, activation, dtype):
    case = Case(6, lengths=(4, 4, 6), cell=cell, activation=activation, dtype=dtype)
    clean = case.forward()
    case.X = [x.copy() for x in case.X]
    network = case.network()
    batch = pack(case.X, dtype)
    position = int(np.flatnonzero(batch.order == 1)[0])
    batch.x[batch.offset[2] + position] = np.nan  # the third step of X[1]
    raw = np.empty_like(clean)
    raw[batch.order] = network.forward(batch)
    assert np.all(np.isnan(raw[1]))
    assert_same_bits(raw[[0, 2]], clean[[0, 2]])


@cells
@dtypes
def test_backward_adds(cell, activation, dtype):
    case = Case(7, cell=cell, activation=activation, dtype=dtype)
    network = case.network()
    once = case.gradients(network)[1]
    twice = case.gradients(network, grad=once.copy())[1]
    assert np.any(once != 0)
    assert error(twice, 2 * once) <= 4 * np.finfo(dtype).eps


@cells
@dtypes
def test_inputs_are_not_written(cell, activation, dtype):
    case = Case(8, cell=cell, activation=activation, dtype=dtype)
    network = case.network()
    batch = pack(case.X, dtype)
    x, draw = batch.x.copy(), case.draw.copy()
    network.forward(batch, training=True)
    network.backward(case.draw, np.zeros(network.n_params, dtype))
    assert_same_bits(batch.x, x)
    assert_same_bits(case.draw, draw)


@cells
@dtypes
def test_ragged_equals_one_by_one(cell, activation, dtype):
    lengths = (3, 1, 14, 2, 7, 7, 1, 2, 5)
    case = Case(
        9, lengths=lengths, n_in=5, sizes=(21,), cell=cell, activation=activation,
        dtype=dtype,
    )  # fmt: skip
    network = case.network()
    raw, grad, dX = case.gradients(network)
    total = np.zeros(network.n_params, dtype)
    for i in range(len(lengths)):
        one_raw, _, (dx,) = case.gradients(network, indices=[i], grad=total)
        assert_same_bits(one_raw[0], raw[i])
        assert_same_bits(dx, dX[i])
    assert error(total, grad) <= 50 * np.finfo(dtype).eps


# Large enough to be split whatever the least work of a thread may be, and small.
SHAPES = [
    dict(lengths=(1,), n_in=1, sizes=(1,)),
    dict(lengths=(5, 1, 9, 2), n_in=3, sizes=(17,)),
    dict(lengths=range(1, 34), n_in=7, sizes=(40,)),
    dict(lengths=(30,) * 40, n_in=12, sizes=(64,)),
]


def assert_same_run(actual, desired):
    for part, other in zip(actual[:2], desired[:2], strict=True):
        assert_same_bits(part, other)
    for dx, other in zip(actual[2], desired[2], strict=True):
        assert_same_bits(dx, other)


@cells
@dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_every_instruction_set_gives_the_same_bits(cell, activation, dtype, shape):
    case = Case(10, cell=cell, activation=activation, dtype=dtype, **shape)
    with instruction_set(ISAS[0]):
        desired = case.gradients()
        hidden = case.hidden_states()
    for isa in ISAS[1:]:
        with instruction_set(isa):
            assert_same_run(case.gradients(), desired)
            assert_same_bits(case.forward(), desired[0])
            for h, other in zip(case.hidden_states(), hidden, strict=True):
                assert_same_bits(h, other)


@cells
@dtypes
@pytest.mark.parametrize("shape", SHAPES)
def test_threads_give_the_same_bits(cell, activation, dtype, shape):
    case = Case(11, cell=cell, activation=activation, dtype=dtype, **shape)
    desired = case.gradients(n_threads=1)
    for n_threads in (2, 3):
        assert_same_run(case.gradients(n_threads=n_threads), desired)
        assert_same_bits(case.forward(n_threads=n_threads), desired[0])


def test_the_environment_chooses_the_instruction_set():
    code = "from skrnn import _recurrence as r; print(r.use_isa(r.available_isas()[0]))"
    for isa in ISAS:
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"SKRNN_ISA": isa},
            capture_output=True,
            text=True,
        )
        assert run.stdout.strip() == isa, run.stderr


def every_float32(step=4099):
    """All exponents, signs, NaN, infinities and denormals; one value in ``step``."""
    every = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)
    return every.view(np.float32)


def activation_points():
    rng = np.random.default_rng(0)
    parts = [every_float32()]
    for limit in (1e-3, 0.1, 1, 3, 10, 90, 110):
        parts.append(rng.uniform(-limit, limit, 200_000).astype(np.float32))
    edges = np.array([0, 0.625, 1, 8, 9, 9.01, 20, 44, 87, 88, 88.73, 89, 103.98, 104])
    edges = np.concatenate([edges, -edges]).astype(np.float32)
    parts += [edges, np.nextafter(edges, np.float32(0))]
    parts += [np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)]
    return np.concatenate(parts)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("name", "exact"), [("tanh", np.tanh), ("sigmoid", sigmoid)])
def test_activation_is_within_4_ulp(name, exact, isa):
    x = activation_points()
    with instruction_set(isa):
        y = _recurrence.activation(name, x)
    nan = np.isnan(x)
    assert y.dtype == np.float32
    assert np.all(np.isnan(y[nan]))
    x, y = x[~nan], y[~nan]
    with np.errstate(under="ignore"):
        desired = exact(x.astype(np.float64))
    tiny = np.finfo(np.float32).tiny
    ulp = np.spacing(np.maximum(np.abs(desired), tiny).astype(np.float32))
    ulps = np.abs(y - desired) / ulp.astype(np.float64)
    # Denormals may be flushed to zero, as the kernels run: never more than that.
    normal = np.abs(desired) >= tiny
    assert np.max(ulps[normal]) <= 4
    assert np.max(np.abs(y[~normal] - desired[~normal])) <= tiny
    lowest = -1 if name == "tanh" else 0
    assert np.all((y >= lowest) & (y <= 1))
    assert np.all(y[x == np.inf] == 1)
    assert np.all(y[x == -np.inf] == lowest)
    assert np.all(y[x == 0] == (0 if name == "tanh" else 0.5))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("name", "exact"), [("tanh", np.tanh), ("sigmoid", sigmoid)])
def test_activation_in_float64(name, exact, isa):
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-limit, limit, 100_000) for limit in (1e-8, 0.1, 1, 3, 40, 700)]
    )
    with instruction_set(isa):
        y = _recurrence.activation(name, x)
        special = _recurrence.activation(name, np.array([np.inf, -np.inf, np.nan, 0.0]))
    desired = exact(x)
    assert np.max(np.abs(y - desired) / np.spacing(np.abs(desired))) <= 6
    expected = [1, -1, np.nan, 0] if name == "tanh" else [1, 0, np.nan, 0.5]
    assert np.array_equal(special, expected, equal_nan=True)


@dtypes
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_activation_has_the_same_bits_everywhere(name, dtype):
    """On every instruction set, and wherever in the array the value stands."""
    x = activation_points()
    x = x[~np.isnan(x)].astype(dtype)
    with instruction_set(ISAS[0]):
        desired = _recurrence.activation(name, x)
    for isa in ISAS:
        with instruction_set(isa):
            assert_same_bits(_recurrence.activation(name, x), desired)
            assert_same_bits(
                _recurrence.activation(name, x[5:-3].copy()), desired[5:-3]
            )
            one_by_one = [_recurrence.activation(name, x[i : i + 1]) for i in range(99)]
            assert_same_bits(np.concatenate(one_by_one), desired[:99])


@dtypes
def test_tanh_is_odd(dtype):
    x = activation_points()
    x = x[~np.isnan(x)].astype(dtype)
    y = _recurrence.activation("tanh", x)
    assert np.array_equal(_recurrence.activation("tanh", -x), -y)
