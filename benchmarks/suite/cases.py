"""The cases that all benchmarks share: shapes, weights, data, and skrnn's side of them.

A case is one recurrent layer over sequences of one length, in float32, from a zero
state. Its training step is what an update asks of the layer: take the weights, run
forward, and make the gradients of W, U and b from the gradient of the last state. The
gradient of the inputs is left out, since a first layer needs none.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skrnn._recurrence import PackedShape, Recurrence

CELLS = ("lstm", "gru", "rnn")
KERNELS = {"lstm": "lstm", "gru": "gru", "rnn": "rnn_tanh"}
N_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
N_BIASES = {"lstm": 4, "gru": 4, "rnn": 1}

# (sequences, steps, features, units); the last one is a sequence alone.
SHAPES = [
    (32, 100, 8, 64),
    (32, 100, 32, 128),
    (64, 100, 64, 256),
    (32, 50, 128, 512),
    (32, 784, 1, 64),
    (1, 100, 8, 32),
]


@dataclass
class Case:
    """A layer's weights, its inputs, and the gradient that reaches its last state.

    Gates stand in PyTorch's order (i f g o; r z n), and `b` of a GRU has the bias of
    the candidate's recurrent part as its fourth block.
    """

    cell: str
    shape: tuple
    x: np.ndarray  # (n_steps, n_seqs, n_features)
    W: np.ndarray  # (n_features, n_gates * n_units)
    U: np.ndarray  # (n_units, n_gates * n_units)
    b: np.ndarray  # (n_biases * n_units,)
    dlast: np.ndarray  # (n_seqs, n_units)

    @property
    def forward_flops(self):
        """Floating-point operations of the matrix products of a forward pass."""
        n_seqs, n_steps, n_features, n_units = self.shape
        columns = N_GATES[self.cell] * n_units
        return 2 * n_seqs * n_steps * columns * (n_features + n_units)

    @property
    def backward_flops(self):
        """The same of a backward pass: the states' gradients, and those of W and U."""
        n_seqs, n_steps, _, n_units = self.shape
        columns = N_GATES[self.cell] * n_units
        return self.forward_flops + 2 * n_seqs * n_steps * columns * n_units

    @property
    def training_flops(self):
        """The same of a training step."""
        return self.forward_flops + self.backward_flops


def make_case(cell, shape, seed=0):
    """Return a case with random numbers; weights as large as PyTorch starts with."""
    n_seqs, n_steps, n_features, n_units = shape
    rng = np.random.default_rng(seed)
    bound = n_units**-0.5

    def weights(*shape):
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    columns = N_GATES[cell] * n_units
    return Case(
        cell,
        shape,
        x=rng.standard_normal((n_steps, n_seqs, n_features), dtype=np.float32),
        W=weights(n_features, columns),
        U=weights(n_units, columns),
        b=weights(N_BIASES[cell] * n_units),
        dlast=rng.standard_normal((n_seqs, n_units), dtype=np.float32),
    )


class Layer:
    """The case as skrnn computes it."""

    def __init__(self, case, n_threads=1, *, trains=True):
        n_seqs, n_steps, n_features, n_units = case.shape
        self.case, self.n_threads = case, n_threads
        self.last = np.empty((n_seqs, n_units), dtype=np.float32)
        self.n_active = np.full(n_steps, n_seqs, dtype=np.int32)
        self.x = np.ascontiguousarray(case.x.reshape(n_steps * n_seqs, n_features))
        self.recurrence = Recurrence(
            KERNELS[case.cell], n_features, n_units, np.float32, trains=trains
        )
        parameters = (case.W, case.U, case.b[np.newaxis])
        self.parameters = parameters
        # Gradients are parts of one vector, as in a network.
        self.gradient = np.zeros(sum(p.size for p in parameters), dtype=np.float32)
        ends = np.cumsum([p.size for p in parameters])[:-1]
        parts = np.split(self.gradient, ends)
        self.gradients = [
            g.reshape(p.shape) for g, p in zip(parts, parameters, strict=True)
        ]
        self.recurrence.load(*parameters)

    def forward(self, training=False):
        """Run over the sequences; return their last states (n_seqs, n_units)."""
        shape = PackedShape(self.n_active)
        # A prediction keeps no states but the last ones.
        self.recurrence.forward(
            shape,
            self.x,
            training=training,
            states=False,
            last_h=self.last,
            n_threads=self.n_threads,
        )
        return self.last

    def backward(self):
        """Add to the gradients of W, U and b, after `forward(training=True)`."""
        self.recurrence.backward(
            *self.gradients, dlast=self.case.dlast, n_threads=self.n_threads
        )
        return self.gradients

    def train(self):
        """Make a training step; return the last states and the gradients."""
        self.gradient.fill(0)
        self.recurrence.load(*self.parameters)
        last = self.forward(training=True)
        return [last, *self.backward()]


def make_stream(cell, n_features=8, n_units=64):
    """Return `step` of a stream of a fitted classifier of three classes."""
    from skrnn import RNNClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((64, 20, n_features))
    plain = {"pooling": "max", "bidirectional": False, "convolutions": 0}
    options = {"segment_length": 1, "random_state": 0, **plain}
    est = RNNClassifier((n_units,), cell=cell, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.set_params(max_iter=1).fit(X, np.arange(64) % 3)
    return est.stream().step
