"""Poolings: from the states at all steps to what the readout reads."""

import numpy as np

from skrnn import _pooling
from skrnn._recurrence import Linear
from skrnn.network.layout import zeros
from skrnn.network.parts import Part, StatesGradient
from skrnn.network.running import (
    RunningJoined,
    RunningLast,
    RunningMax,
    RunningMean,
)

__all__ = [
    "ALL_POOLINGS",
    "POOLINGS",
    "AttentionPooling",
    "EveryStep",
    "JoinedPooling",
    "LastPooling",
    "MaxPooling",
    "MeanPooling",
    "Pooling",
]


class Pooling(Part):
    """The way from the states at all steps to one row per sequence, or per step.

    ``forward(states, run)`` takes `States` and a `Pass` and returns rows of n_out
    numbers. ``backward(dout, g, run)`` takes the gradient of these rows, adds to the
    gradients of the parameters, and returns a `StatesGradient`.

    Attributes
    ----------
    has_weights : bool
        Whether the pooling gives each step a weight, by ``weights(states, run)``.
    stream : str or None
        What a stream keeps of the steps before: "last", "mean", "max" or "joined",
        which is all three. None if the pooling cannot follow a stream; `can_step` says
        why.
    running : type of RunningPool, or None
        What pools while a recurrence runs, which then need not keep the states of all
        steps.
    by_blocks : bool
        Whether a batch may be read some steps at a time: the pooling is `running`, or
        has a row for each step, or has the methods `score`, `weights_of` and `add` of
        `AttentionPooling`.
    """

    has_weights = False
    stream = None
    running = None

    @property
    def by_blocks(self):
        """Whether a batch may be read some steps at a time."""
        return self.running is not None

    @property
    def can_step(self):
        """True, or why the pooling cannot follow a stream."""
        return self.stream is not None or (
            "A network with this kind of pooling cannot follow a stream."
        )

    def _out(self, run):
        return self.memory("out", run.shape.n_seqs, self.n_out)

    def _dy(self, run):
        return self.memory("dy", run.shape.n_rows, self.n_out)


class EveryStep(Pooling):
    """No pooling: each step has a row of its own."""

    stream = "last"
    by_blocks = True

    def forward(self, states, run):
        """Return the states, (n_rows, n_out)."""
        return states.joined()

    def backward(self, dout, g, run):
        """Return the gradient of the states."""
        return StatesGradient(dy=dout)


class LastPooling(Pooling):
    """The state after the last step that was read; in reverse, after the first step."""

    stream = "last"
    running = RunningLast

    def forward(self, states, run):
        """Return the last states, (n_seqs, n_out)."""
        out, shape, h = self._out(run), run.shape, states.h
        n_units = h[0].shape[1]
        _pooling.pool_last(h[0], shape.last_row, out[:, :n_units])
        if len(h) > 1:
            out[:, n_units:] = h[1][: shape.n_seqs]
        return out

    def backward(self, dout, g, run):
        """Return the gradient of the states."""
        return StatesGradient(dlast=dout)


class MeanPooling(Pooling):
    """The mean over the steps."""

    stream = "mean"
    running = RunningMean

    def forward(self, states, run):
        """Return the mean states, (n_seqs, n_out)."""
        out, shape = self._out(run), run.shape
        for units, h in states.by_direction():
            _pooling.pool_mean(h, shape.n_active, shape.lengths, out[:, units])
        return out

    def backward(self, dout, g, run):
        """Return the gradient of the states."""
        dy, shape = self._dy(run), run.shape
        _pooling.pool_mean_backward(dout, shape.n_active, shape.lengths, dy)
        return StatesGradient(dy)


class MaxPooling(Pooling):
    """The largest value over the steps, unit by unit."""

    stream = "max"
    running = RunningMax

    def forward(self, states, run):
        """Return the largest states, (n_seqs, n_out)."""
        out = self._out(run)
        self._row = np.empty(out.shape, dtype=np.int32)
        for units, h in states.by_direction():
            at = self._row[:, units]
            _pooling.pool_max(h, run.shape.n_active, out[:, units], at)
        return out

    def backward(self, dout, g, run):
        """Return the gradient of the states."""
        dy = self._dy(run)
        _pooling.pool_max_backward(dout, self._row, dy)
        return StatesGradient(dy)

    def add_backward(self, dout, dy):
        """Add the gradient of the states to `dy`, that of another pooling."""
        _pooling.add_max_backward(dout, self._row, dy)


class AttentionPooling(Pooling):
    """A mean weighted by softmax(h q) over the steps, with a learned query q.

    References
    ----------
    Yang et al. 2016, "Hierarchical attention networks for document classification".
    """

    has_weights = by_blocks = True
    can_step = (
        "A network with pooling='attention' cannot follow a stream: each new step "
        "changes the weights of all steps before it. Fit with pooling 'last', 'mean' "
        "or 'max'."
    )

    def declare(self, layout, n_in):
        """Add the query: zero at first, so that all steps count the same."""
        self.query = layout.add("attention.q", (n_in,), zeros)
        return super().declare(layout, n_in)

    def build(self, dtype, options):
        """Make the product with the query."""
        super().build(dtype, options)
        self._score = Linear(self.n_in, 1, dtype)

    def load(self, p):
        """Take the query."""
        self._score.load(p[self.query].T)

    def weights(self, states, run):
        """Return the weights of the packed steps, (n_rows,)."""
        score = self.memory("score", run.shape.n_rows, 1)
        self.score(states, score)
        return self.weights_of(score, run.shape.n_active)

    # The same for some steps at a time.

    def score(self, states, out):
        """Write h q of packed steps to `out`, (n_rows, 1)."""
        self._score.forward(states.joined(), out)

    def weights_of(self, score, n_active):
        """Return the weights, (n_rows,), of the scores of all packed steps."""
        weight = np.empty(len(score), dtype=self.dtype)
        _pooling.softmax_steps(score, n_active, weight)
        return weight

    def add(self, states, weight, n_active, out):
        """Add the states of packed steps, times weights, to `out` (n_seqs, n_out)."""
        _pooling.pool_attention(states.joined(), weight, n_active, out)

    def forward(self, states, run):
        """Return the weighted means, (n_seqs, n_out)."""
        out, self._h = self._out(run), states.joined()
        self._weight = self.weights(states, run)
        out[...] = 0
        self.add(states, self._weight, run.shape.n_active, out)
        return out

    def backward(self, dout, g, run):
        """Return the gradient of the states; add that of the query."""
        dy, shape = self._dy(run), run.shape
        dscore = self.memory("score", shape.n_rows, 1)
        _pooling.pool_attention_backward(
            dout, self._h, self._weight, shape.n_active, shape.lengths, dy, dscore
        )
        through = self.memory("dy through score", *dy.shape)
        dy += self._score.backward(self._h, dscore, g[self.query].T, None, through)
        return StatesGradient(dy)


class JoinedPooling(Pooling):
    """The last state, the mean and the largest value of each unit, side by side."""

    stream = "joined"
    running = RunningJoined

    def __init__(self):
        self.poolings = LastPooling(), MeanPooling(), MaxPooling()

    def declare(self, layout, n_in):
        """Return three times as many columns."""
        for pooling in self.poolings:
            pooling.declare(layout, n_in)
        self.n_in, self.n_out = n_in, len(self.poolings) * n_in
        return self.n_out

    def build(self, dtype, options):
        """Make what the three poolings compute with."""
        super().build(dtype, options)
        for pooling in self.poolings:
            pooling.build(dtype, options)

    def forward(self, states, run):
        """Return what the three poolings make, (n_seqs, n_out)."""
        out = self._out(run)
        for pooling, columns in zip(self.poolings, self._columns(), strict=True):
            out[:, columns] = pooling.forward(states, run)
        return out

    def backward(self, dout, g, run):
        """Return the gradient of the states."""
        last, mean, largest = (dout[:, columns] for columns in self._columns())
        _, mean_of, max_of = self.poolings
        # A sum of both gradients has no negative zero.
        dy = mean_of.backward(mean + 0, g, run).dy
        max_of.add_backward(np.ascontiguousarray(largest), dy)
        return StatesGradient(dy, np.ascontiguousarray(last))

    def _columns(self):
        return [slice(i * self.n_in, (i + 1) * self.n_in) for i in range(3)]


POOLINGS = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
    "joined": JoinedPooling,
}
# "none" is the pooling of estimators that answer each step; it is no choice of users.
ALL_POOLINGS = POOLINGS | {"none": EveryStep}
