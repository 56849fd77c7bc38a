"""What the tests of the compiled networks share: random cases and how to run them."""

import contextlib

import numpy as np

from networks import make_network
from reference import ReferenceNetwork, random_parameters, random_sequences
from skrnn import _recurrence
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences

# What users write for each cell; test_cells.py checks that none is missing.
CELLS = [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")]
POOLINGS = ["last", "mean", "max", "attention", "joined"]
DTYPES = [np.float32, np.float64]
ISAS = list(_recurrence.available_isas())

# Largest error over largest magnitude that rounding explains, forward and gradients.
TOLERANCE = {np.float32: (2e-6, 1e-5), np.float64: (1e-13, 1e-12)}


@contextlib.contextmanager
def instruction_set(name):
    previous = _recurrence.use_isa(name)
    try:
        yield
    finally:
        _recurrence.use_isa(previous)


def pack(X, dtype, indices=None):
    """Packed batch of the sequences as they are."""
    if indices is None:
        indices = range(len(X))
    n_features = X[0].shape[1]
    encoder = StepEncoder(n_features)
    return check_sequences(X).pack(np.array(indices, np.intp), encoder, dtype)


def unpack(batch, rows):
    """Packed rows -> list of (n_steps, ...), in the order before packing."""
    sequences = [None] * len(batch.order)
    for b, (i, n_steps) in enumerate(zip(batch.order, batch.lengths, strict=True)):
        sequences[i] = rows[batch.offset[:n_steps] + b].copy()
    return sequences


def bits(array):
    array = np.ascontiguousarray(array)
    return array.view(np.dtype(f"u{array.itemsize}"))


def assert_same_bits(actual, desired):
    """NaN equals NaN here, and 0.0 is not -0.0."""
    assert actual.dtype == desired.dtype
    assert actual.shape == desired.shape
    assert np.array_equal(bits(actual), bits(desired))


def error(actual, desired, floor=1e-300):
    """Largest difference over the largest magnitude, or over ``floor`` if larger."""
    return np.max(np.abs(actual - desired)) / max(np.max(np.abs(desired)), floor)


class Case:
    """A network with random weights, sequences and gradients of its output.

    Rows go in and come out in the order of ``X``, whatever the packing does.
    """

    def __init__(
        self,
        seed=0,
        *,
        lengths=(5, 1, 9, 2, 9),
        n_in=3,
        sizes=(4,),
        n_out=2,
        cell="gru",
        activation="tanh",
        dtype=np.float64,
        x_scale=1.0,
        weight_scale=1.0,
        dropout=0.0,
        recurrent_dropout=0.0,
        **options,
    ):
        rng = np.random.default_rng(seed)
        self.dtype = dtype
        options |= {"cell": cell, "activation": activation}
        self.reference = ReferenceNetwork(n_in, sizes, n_out, **options)
        # Rounded once, so that float32 and the oracle mean the same numbers.
        self.params = {
            name: value.astype(dtype)
            for name, value in random_parameters(
                self.reference, rng, weight_scale
            ).items()
        }
        self.X = [
            x.astype(dtype) for x in random_sequences(rng, lengths, n_in, x_scale)
        ]
        self.draw = rng.normal(size=(len(self.X), n_out)).astype(dtype)
        self.make_network = lambda: make_network(
            n_in,
            sizes,
            n_out,
            dtype=dtype,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **options,
        )

    def network(self, params=None):
        """A network of its own, with the weights loaded."""
        network = self.make_network()
        theta = np.full(network.n_params, np.nan, self.dtype)
        for name, view in network.views(theta).items():
            view[...] = (params or self.params)[name]
        network.load(theta)
        return network

    def forward(self, network=None, indices=None, **kwargs):
        """Raw output of the sequences at ``indices``, in that order."""
        network = network or self.network()
        batch = pack(self.X, self.dtype, indices)
        raw = np.empty((len(batch.order), self.draw.shape[1]), self.dtype)
        raw[batch.order] = network.forward(batch, **kwargs)
        return raw

    def hidden_states(self, network=None, **kwargs):
        batch = pack(self.X, self.dtype)
        network = network or self.network()
        return unpack(batch, network.hidden_states(batch, **kwargs))

    def gradients(self, network=None, indices=None, grad=None, **kwargs):
        """(raw, flat gradient, list of dX)."""
        network = network or self.network()
        batch = pack(self.X, self.dtype, indices)
        chosen = np.arange(len(self.X)) if indices is None else np.array(indices)
        if grad is None:
            grad = np.zeros(network.n_params, self.dtype)
        dx = np.full(batch.x.shape, np.nan, self.dtype)
        packed = network.forward(batch, training=True, **kwargs)
        raw = np.empty((len(chosen), self.draw.shape[1]), self.dtype)
        raw[batch.order] = packed
        draw = np.ascontiguousarray(self.draw[chosen][batch.order])
        network.backward(draw, grad, dx)
        return raw, grad, unpack(batch, dx)

    def assert_agrees(self, floor=1e-300):
        """Output, states and every gradient agree with the oracle.

        Gradients below ``floor`` need only agree as if they were that large.
        """
        forward_tolerance, gradient_tolerance = TOLERANCE[self.dtype]
        network = self.network()
        desired = self.reference.forward(self.params, self.X)
        raw, grad, dX = self.gradients(network)
        assert error(raw, desired) <= forward_tolerance
        assert error(self.forward(network), desired) <= forward_tolerance
        for h, other in zip(
            self.hidden_states(network), self.reference.hidden, strict=True
        ):
            assert error(h, other) <= forward_tolerance
        grads, other_dX = self.reference.backward(self.draw)
        views = network.views(grad)
        assert views.keys() == grads.keys()
        for name, value in grads.items():
            assert views[name].shape == value.shape
            assert error(views[name], value, floor) <= gradient_tolerance, name
        dX, other_dX = np.concatenate(dX), np.concatenate(other_dX)
        assert error(dX, other_dX, floor) <= gradient_tolerance
