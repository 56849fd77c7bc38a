"""Small problems for the loops of training, with a network of one layer."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from networks import train
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences
from skrnn.losses import LogLoss
from skrnn.network import PassOptions
from skrnn.solvers import Adam
from skrnn.training import SequenceData

N_IN = 4


class MeanNetwork:
    """The mean step of each sequence, one hidden layer of tanh, and a linear head.

    It has the interface of Network, the parameters and the gradients of MLP, and a
    `dropout` that drops inputs. What it computes with is what was loaded last.
    """

    def __init__(self, n_out, n_units=5, dropout=0.0):
        self.shapes = [(N_IN, n_units), (n_units, n_out), (n_units,), (n_out,)]
        self.options = PassOptions(dropout=dropout)
        self.layout = self
        self.ends = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes)])
        self.n_params = int(self.ends[-1])
        self.n_forward = 0

    def penalized_spans(self):
        return np.array([self.ends[:2], self.ends[1:3]], dtype=np.intp)

    def initialize(self, random_state):
        """Draw what MLPClassifier draws, in its order."""
        theta = np.empty(self.n_params)
        W, V, b, c = self.views(theta)
        for weight, bias in ((W, b), (V, c)):
            bound = np.sqrt(6.0 / sum(weight.shape))
            weight[:] = random_state.uniform(-bound, bound, weight.shape)
            bias[:] = random_state.uniform(-bound, bound, bias.shape)
        return theta

    def views(self, vector):
        parts = np.split(vector, self.ends[1:-1])
        return [part.reshape(s) for part, s in zip(parts, self.shapes, strict=True)]

    def load(self, theta):
        self.theta = theta.copy()

    def forward(self, batch, *, training=False, random_state=None, n_threads=1):
        self.n_forward += 1
        W, V, b, c = self.views(self.theta)
        x = np.zeros((len(batch.order), N_IN))
        for n_active, start in zip(batch.n_active, batch.offset, strict=False):
            x[:n_active] += batch.x[start : start + n_active]
        x /= batch.lengths[:, np.newaxis]
        if training and self.options.dropout:
            x *= random_state.uniform(size=x.shape) >= self.options.dropout
        h = np.tanh(x @ W + b)
        if training:
            self.kept = x, h
        return h @ V + c

    def value(self, loss, batch, targets, weight, n_threads=1):
        return loss.value(targets, self.forward(batch), weight)

    def add_gradient(
        self, loss, batch, targets, weight, grad, *, share=1.0, random_state, n_threads
    ):
        raw = self.forward(batch, training=True, random_state=random_state)
        value, d_raw = loss.value_and_gradient(targets, raw, weight, share=share)
        self.backward(d_raw, grad)
        return value

    def backward(self, d_raw, grad):
        x, h = self.kept
        dW, dV, db, dc = self.views(grad)
        dz = (d_raw @ self.views(self.theta)[1].T) * (1 - h**2)
        dW += x.T @ dz
        dV += h.T @ d_raw
        db += dz.sum(axis=0)
        dc += d_raw.sum(axis=0)


def sequences(n_seqs, seed=0, longest=5):
    rng = np.random.RandomState(seed)
    lengths = rng.randint(1, longest + 1, size=n_seqs)
    return [rng.normal(size=(n_steps, N_IN)) for n_steps in lengths]


class Problem:
    """A network, data to train it on, and the parameters that it starts from."""

    def __init__(self, n_seqs=30, n_classes=3, seed=0, dropout=0.0, weight=None):
        self.X = sequences(n_seqs, seed)
        means = np.array([x.mean(axis=0) for x in self.X])
        self.y = np.argmax(means[:, :n_classes], axis=1)
        self.weight = weight
        self.loss = LogLoss(n_classes)
        self.network = MeanNetwork(self.loss.n_out, dropout=dropout)
        self.random_state = np.random.RandomState(seed)
        self.theta = self.network.initialize(self.random_state)

    def data(self, part=slice(None)):
        weight = None if self.weight is None else self.weight[part]
        X = check_sequences(self.X[part])
        return SequenceData(X, StepEncoder(N_IN), self.y[part], weight)

    def train(self, solver=None, *, data=None, warns=True, **options):
        options = {"max_iter": 5, "batch_size": 8, "tol": 0.0} | options
        options.setdefault("random_state", self.random_state)
        with warnings.catch_warnings():
            if warns:  # training is cut short in most tests
                warnings.simplefilter("ignore", ConvergenceWarning)
            return train(
                self.network,
                self.theta,
                self.data() if data is None else data,
                self.loss,
                Adam(0.01) if solver is None else solver,
                **options,
            )

    def total_loss(self, alpha=0.0, data=None):
        data = self.data() if data is None else data
        batch, y, weight = data.batch(data.used, self.theta.dtype)
        self.network.load(self.theta)
        value = self.loss.value(y, self.network.forward(batch), weight)
        spans = self.network.layout.penalized_spans()
        squares = sum((self.theta[start:stop] ** 2).sum() for start, stop in spans)
        return value + 0.5 * alpha * squares / weight.sum()


def split_problem(**options):
    problem = Problem(n_seqs=60, **options)
    return problem, problem.data(slice(0, 40)), problem.data(slice(40, None))
