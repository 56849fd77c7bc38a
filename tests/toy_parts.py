"""Parts of a network and a loss that live outside the package.

``doc/adding_a_part.rst`` shows them; ``tests/test_parts.py`` trains networks that are
made of them.
"""

import numpy as np

from skrnn.losses import Loss
from skrnn.network.inputs import Input
from skrnn.network.layout import zeros
from skrnn.network.parts import StatesGradient
from skrnn.network.pooling import Pooling


def steps_of(batch):
    """Yield the rows of each step of a packed batch, as slices."""
    for n_active, start in zip(batch.n_active, batch.offset, strict=False):
        yield slice(start, start + n_active)


class SumPooling(Pooling):
    """The sum of the states over the steps."""

    def forward(self, states, run):
        h, out = states.joined(), self.memory("out", run.shape.n_seqs, self.n_out)
        out[...] = 0
        for rows in steps_of(run.batch):
            # The sequences that reach a step are the first ones of the batch.
            out[: rows.stop - rows.start] += h[rows]
        return out

    def backward(self, dout, g, run):
        dy = self.memory("dy", run.shape.n_rows, self.n_out)
        for rows in steps_of(run.batch):
            dy[rows] = dout[: rows.stop - rows.start]
        return StatesGradient(dy)


class TokenTable(Input):
    """A row of a learned table for each step, by the id of the step's token."""

    wants_dx = True

    def __init__(self, n_tokens, n_columns):
        self.n_tokens, self.n_columns = n_tokens, n_columns

    def declare(self, layout, n_in):
        def draw(view, random_state):
            view[...] = random_state.uniform(-0.5, 0.5, view.shape)

        shape = (self.n_tokens, self.n_columns)
        self._table = layout.add("table.W", shape, draw)
        self.n_in, self.n_out = n_in, self.n_columns
        return self.n_out

    def load(self, p):
        self._rows = p[self._table]

    def forward(self, run):
        return self._rows[run.batch.ids[:, 0]]

    def backward(self, dx, g, run):
        np.add.at(g[self._table], run.batch.ids[:, 0], dx)


class StepByStep(Pooling):
    """One row per step: nothing is pooled."""

    stream = "last"

    def forward(self, states, run):
        return states.joined()

    def backward(self, dout, g, run):
        return StatesGradient(dy=dout)


class ChainLoss(Loss):
    """Half the squared error of ``raw + carry * raw of the step before``, per step.

    `carry` is a parameter of the loss, so it is learned like those of the network.
    """

    n_out = 1
    scale_power = 2

    def declare(self, layout):
        self._carry = layout.add("chain.carry", (1,), zeros, penalized=False)

    def value_and_gradient(
        self, targets, raw, weight=None, run=None, p=None, g=None, share=1.0
    ):
        carry, steps = p[self._carry][0, 0], list(steps_of(run.batch))
        predicted = raw.copy()
        for before, rows in zip(steps, steps[1:], strict=False):
            n = rows.stop - rows.start
            predicted[rows] += carry * raw[before][:n]
        error = predicted - targets
        factor = share * weight / weight.sum()
        d_raw = factor[:, np.newaxis] * error
        d_predicted = d_raw.copy()
        for before, rows in zip(steps, steps[1:], strict=False):
            n = rows.stop - rows.start
            if g is not None:
                g[self._carry][0, 0] += np.sum(d_predicted[rows] * raw[before][:n])
            d_raw[before.start : before.start + n] += carry * d_predicted[rows]
        return float(np.sum(factor * error[:, 0] ** 2) / 2), d_raw
