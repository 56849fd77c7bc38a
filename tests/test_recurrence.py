"""One recurrence by itself: initial states, refusals, memory, instruction sets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from cases import ISAS, assert_same_bits, error, instruction_set
from outside import import_oracle
from skrnn import _recurrence
from skrnn._recurrence import Linear, PackedShape, Recurrence

KERNELS = {"rnn_tanh": (1, 1), "rnn_relu": (1, 1), "lstm": (4, 4), "gru": (3, 4)}
kernels = pytest.mark.parametrize("kernel", KERNELS)
LENGTHS = np.array([7, 5, 5, 2, 1])
N_ACTIVE = np.array([np.sum(LENGTHS > t) for t in range(7)], dtype=np.int32)


class Problem:
    """A recurrence with all that it can be given, and a scalar function of it."""

    def __init__(self, kernel, *, reverse=False, n_in=3, n_units=5, dtype=np.float64):
        rng = np.random.default_rng(0)
        n_gates, n_biases = KERNELS[kernel]
        n_seqs, n_rows = len(LENGTHS), LENGTHS.sum()
        shapes = {
            "W": (n_in, n_gates * n_units),
            "U": (n_units, n_gates * n_units),
            "b": (1, n_biases * n_units),
            "x": (n_rows, n_in),
            "h0": (n_seqs, n_units),
        }
        if kernel == "lstm":
            shapes["m0"] = (n_seqs, n_units)
        self.values = {
            name: (0.7 * rng.normal(size=shape)).astype(dtype)
            for name, shape in shapes.items()
        }
        self.mask = rng.integers(0, 2, size=(n_seqs, n_units)).astype(dtype) * 2
        self.dy = rng.normal(size=(n_rows, n_units)).astype(dtype)
        self.dlast = rng.normal(size=(n_seqs, n_units)).astype(dtype)
        self.dm_last = self.last_m = None
        if kernel == "lstm":
            self.dm_last = rng.normal(size=(n_seqs, n_units)).astype(dtype)
            self.last_m = np.empty((n_seqs, n_units), dtype=dtype)
        self.shape = PackedShape(N_ACTIVE)
        self.recurrence = Recurrence(kernel, n_in, n_units, dtype, reverse=reverse)
        self.last = np.arange(n_seqs) if reverse else self.shape.last_row

    def forward(self, values=None, **options):
        values = values or self.values
        self.recurrence.load(values["W"], values["U"], values["b"])
        start = {name: values[name] for name in ("h0", "m0") if name in values}
        return self.recurrence.forward(
            self.shape,
            values["x"],
            mask=self.mask,
            last_m=self.last_m,
            **start,
            **options,
        )

    def objective(self, values):
        h = self.forward(values)
        value = np.sum(h * self.dy) + np.sum(h[self.last] * self.dlast)
        if self.last_m is not None:
            value += np.sum(self.last_m * self.dm_last)
        return value

    def gradients(self, **options):
        self.forward(training=True, **options)
        gradients = {name: np.zeros_like(value) for name, value in self.values.items()}
        given = {name: gradients[name] for name in ("h0", "m0") if name in gradients}
        self.recurrence.backward(
            gradients["W"],
            gradients["U"],
            gradients["b"],
            dy=self.dy,
            dlast=self.dlast,
            dm_last=self.dm_last,
            dx=gradients["x"],
            **{f"d{name}": value for name, value in given.items()},
            **options,
        )
        return gradients


@kernels
@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_by_finite_differences(kernel, reverse):
    problem = Problem(kernel, reverse=reverse)
    step = 1e-6
    for name, gradient in problem.gradients().items():
        numeric = np.zeros_like(gradient)
        for i in np.ndindex(gradient.shape):
            ends = []
            for sign in (-1, 1):
                moved = {**problem.values, name: problem.values[name].copy()}
                moved[name][i] += sign * step
                ends.append(problem.objective(moved))
            numeric[i] = (ends[1] - ends[0]) / (2 * step)
        assert np.any(gradient != 0), name
        assert_allclose(gradient, numeric, rtol=2e-6, atol=2e-8, err_msg=name)


@kernels
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_of_everything(kernel, dtype):
    """Instruction sets, threads and what memory held before change no bit."""
    first = None
    for isa in ISAS:
        with instruction_set(isa):
            problem = Problem(kernel, n_units=21, dtype=dtype)
        for n_threads in (1, 2, 3):
            states = problem.forward(n_threads=n_threads).copy()
            found = {"h": states, **problem.gradients(n_threads=n_threads)}
            if problem.last_m is not None:
                found["last_m"] = problem.last_m.copy()
            first = first or found
            for name, value in found.items():
                assert_same_bits(value, first[name])
            for buffer in problem.recurrence.buffers():
                buffer.fill(np.nan)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_memory_goes_out_and_in(reverse, training):
    """Sequences that are read in two parts end as those that are read at once."""
    problem = Problem("lstm", reverse=reverse, dtype=np.float32)
    whole = problem.forward(training=training).copy()
    last_m, last_h = problem.last_m.copy(), whole[problem.last]
    rows = problem.shape.offset
    h, m = problem.values["h0"], problem.values["m0"]
    for t in range(7)[:: -1 if reverse else 1]:
        n = N_ACTIVE[t]
        part_m = np.empty((n, 5), np.float32)
        states = problem.recurrence.forward(
            PackedShape(N_ACTIVE[t : t + 1]),
            problem.values["x"][rows[t] : rows[t + 1]],
            mask=problem.mask[:n],
            h0=h[:n],
            m0=m[:n],
            last_m=part_m,
            training=training,
        )
        assert_same_bits(states.copy(), whole[rows[t] : rows[t + 1]])
        h, m = np.concatenate([states, h[n:]]), np.concatenate([part_m, m[n:]])
    assert_same_bits(h, last_h)
    assert_same_bits(m, last_m)


@pytest.mark.parametrize("n_units", [3, 16, 37])
def test_parity_of_the_memory_with_torch(n_units):
    """From a given state, with gradients of all states and of the last two."""
    torch = import_oracle("torch")
    rng = np.random.default_rng(0)
    n_in, n_seqs = 4, len(LENGTHS)
    layer = torch.nn.LSTM(n_in, n_units).double()
    shape = PackedShape(N_ACTIVE)
    values = {"x": rng.normal(size=(shape.n_rows, n_in))}
    for name in ("h0", "m0", "dlast", "dm_last"):
        values[name] = rng.normal(size=(n_seqs, n_units))
    values["dy"] = rng.normal(size=(shape.n_rows, n_units))
    given = {name: torch.tensor(value) for name, value in values.items()}
    x, h0, m0 = (given[name].requires_grad_() for name in ("x", "h0", "m0"))
    packed = torch.nn.utils.rnn.PackedSequence(x, torch.tensor(N_ACTIVE).long())
    h, (last_h, last_m) = layer(packed, (h0[None], m0[None]))
    loss = (h.data * given["dy"]).sum() + (last_h * given["dlast"]).sum()
    (loss + (last_m * given["dm_last"]).sum()).backward()

    W, U, b, b_state = (p.detach().numpy() for p in layer.parameters())
    weights = [np.ascontiguousarray(W.T), np.ascontiguousarray(U.T), b + b_state]
    weights[2] = weights[2][np.newaxis]
    recurrence = Recurrence("lstm", n_in, n_units, np.float64)
    recurrence.load(*weights)
    out = np.empty((n_seqs, n_units))
    states = recurrence.forward(
        shape, values["x"], h0=values["h0"], m0=values["m0"], last_m=out, training=True
    )
    assert error(states, h.data.detach().numpy()) < 1e-13
    assert error(out, last_m[0].detach().numpy()) < 1e-13
    found = {name: np.zeros_like(values[name]) for name in ("x", "h0", "m0")}
    gradients = [np.zeros_like(weight) for weight in weights]
    recurrence.backward(
        *gradients,
        **{name: values[name] for name in ("dy", "dlast", "dm_last")},
        **{f"d{name}": value for name, value in found.items()},
    )
    for tensor, value in zip((x, h0, m0), found.values(), strict=True):
        assert error(value, tensor.grad.numpy()) < 1e-12
    dW, dU, db = (p.grad.numpy() for p in list(layer.parameters())[:3])
    for value, desired in zip(gradients, (dW.T, dU.T, db[np.newaxis]), strict=True):
        assert error(value, desired) < 1e-12


@kernels
def test_threads_share_large_work(kernel):
    """With enough work the threads really run, with the same bits."""
    rng = np.random.default_rng(0)
    n_gates, n_biases = KERNELS[kernel]
    n_steps, n_seqs, n_in, n_units = 60, 70, 20, 130
    weights = [
        rng.normal(size=shape).astype(np.float32) / 10
        for shape in [
            (n_in, n_gates * n_units),
            (n_units, n_gates * n_units),
            (1, n_biases * n_units),
        ]
    ]
    shape = PackedShape(np.linspace(n_seqs, 3, n_steps).astype(np.int32))
    x = rng.normal(size=(shape.n_rows, n_in)).astype(np.float32)
    dlast = rng.normal(size=(n_seqs, n_units)).astype(np.float32)
    found = []
    for n_threads in (1, 2, 3, 4):
        recurrence = Recurrence(kernel, n_in, n_units, np.float32)
        recurrence.load(*weights)
        h = recurrence.forward(shape, x, training=True, n_threads=n_threads).copy()
        gradients = [np.zeros_like(weight) for weight in weights]
        dx = np.empty_like(x)
        recurrence.backward(*gradients, dlast=dlast, dx=dx, n_threads=n_threads)
        found.append([h, *gradients, dx])
    for other in found[1:]:
        for value, desired in zip(other, found[0], strict=True):
            assert_same_bits(value, desired)


def test_padding_of_a_batch_is_refused():
    with pytest.raises(ValueError, match="must not increase"):
        PackedShape([2, 3])
    with pytest.raises(ValueError, match="at least one step"):
        PackedShape([])
    with pytest.raises(ValueError, match="at least one step"):
        PackedShape([2, 0])


def test_wrong_arrays_are_refused():
    problem = Problem("gru")
    recurrence, x = problem.recurrence, problem.values["x"]
    problem.forward()
    with pytest.raises(ValueError, match="x must have shape"):
        recurrence.forward(problem.shape, x[:-1])
    with pytest.raises(ValueError, match="contiguous"):
        recurrence.forward(problem.shape, np.asfortranarray(x))
    with pytest.raises(ValueError, match="h0 must have shape"):
        recurrence.forward(problem.shape, x, h0=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="no memory"):
        recurrence.forward(problem.shape, x, m0=np.zeros((5, 5)))
    with pytest.raises(ValueError, match="no memory, last_m"):
        recurrence.forward(problem.shape, x, last_m=np.zeros((5, 5)))
    with pytest.raises(ValueError, match="dtype"):
        recurrence.forward(problem.shape, x.astype(np.float32))
    with pytest.raises(ValueError, match="forward pass with training=True"):
        recurrence.backward(*(problem.values[name] * 0 for name in "WUb"))
    with pytest.raises(ValueError, match="unknown cell"):
        Recurrence("transformer", 3, 5, np.float32)
    with pytest.raises(TypeError, match="float32 or float64"):
        Recurrence("gru", 3, 5, np.float16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (5, 3), (64, 9), (33, 50)])
def test_linear(dtype, n_in, n_out):
    rng = np.random.default_rng(0)
    n_rows = 300  # more than one chunk
    a, W, b, dout = (
        rng.normal(size=shape).astype(dtype)
        for shape in [(n_rows, n_in), (n_in, n_out), (1, n_out), (n_rows, n_out)]
    )
    first = None
    for isa in ISAS:
        with instruction_set(isa):
            linear = Linear(n_in, n_out, dtype)
        linear.load(W, b)
        out = linear.forward(a, np.empty((n_rows, n_out), dtype))
        dW, db, da = np.ones_like(W), np.ones_like(b), np.empty_like(a)
        linear.backward(a, dout, dW, db, da)
        found = [out, dW, db, da]
        first = first or found
        for value, desired in zip(found, first, strict=True):
            assert_same_bits(value, desired)
    tolerance = {"rtol": 0, "atol": 1e-3 if dtype == np.float32 else 1e-11}
    assert_allclose(out, a @ W + b, **tolerance)
    assert_allclose(dW, 1 + a.T @ dout, **tolerance)
    assert_allclose(db[0], 1 + dout.sum(axis=0), **tolerance)
    assert_allclose(da, dout @ W.T, **tolerance)


def test_build_info():
    info = _recurrence.build_info()
    assert info["instruction set"] in ISAS
    assert all(isinstance(value, str) for value in info.values())
    assert _recurrence.peak() > 0


def test_sizes_that_wrap_around_are_refused():
    with pytest.raises(ValueError, match="must not increase"):
        PackedShape([3, -500, 1])
    with pytest.raises(ValueError, match="less than 2"):
        PackedShape([2**30, 2**30, 1])
    for n_in, n_units in ((10**12, 10**12), (10**18, 3), (2**62, 2**62)):
        with pytest.raises(MemoryError):
            Recurrence("gru", n_in, n_units, np.float32)
        with pytest.raises(MemoryError):
            Linear(n_in, n_units, np.float32)


def test_linear_of_no_rows():
    linear = Linear(3, 2, np.float32)
    linear.load(np.ones((3, 2), np.float32))
    nothing = np.empty((0, 3), np.float32)
    assert linear.forward(nothing, np.empty((0, 2), np.float32)).shape == (0, 2)


def test_a_mask_may_have_any_strides():
    problem = Problem("lstm", n_units=16)
    problem.mask = np.broadcast_to(problem.mask[:1], problem.mask.shape)
    strided = problem.gradients()
    problem.mask = problem.mask.copy()
    for name, gradient in problem.gradients().items():
        assert_same_bits(gradient, strided[name])
    problem.mask = np.asfortranarray(problem.mask)
    for name, gradient in problem.gradients().items():
        assert_same_bits(gradient, strided[name])


def test_a_gradient_of_memory_is_checked():
    problem = Problem("gru")
    problem.dm_last = np.zeros((5, 5))
    with pytest.raises(ValueError, match="no memory, dm_last"):
        problem.gradients()
    problem = Problem("lstm")
    problem.dm_last = problem.dm_last[:-1]
    with pytest.raises(ValueError, match="dm_last must have shape"):
        problem.gradients()
