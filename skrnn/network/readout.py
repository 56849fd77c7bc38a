"""Readouts: from pooled states to the outputs of the network."""

from copy import copy

import numpy as np

from skrnn._elementary import total_weight
from skrnn._recurrence import Linear, PackedShape
from skrnn.inputs.packed import packed_rows
from skrnn.network.layout import glorot_uniform, zeros
from skrnn.network.parts import Part
from skrnn.network.stack import declare_layer, make_recurrence

__all__ = [
    "BlockedReadout",
    "LinearReadout",
    "Readout",
    "SegmentReadout",
    "StepsReadout",
    "TiedReadout",
    "row_blocks",
]

# The rows whose outputs a BlockedReadout holds at once; more, if these are few.
BLOCK_ROWS, BLOCK_OUTPUTS = 128, 2**16
# Fewer, down to so many, if they have more outputs than these.
LEAST_ROWS, MOST_OUTPUTS = 32, 3 * 2**18


class Readout(Part):
    """The way from pooled rows (n, n_in) to raw outputs (n, n_out).

    Attributes
    ----------
    head : Linear
        What a stream computes outputs with, if `can_step`: a linear function of the
        pooled rows and nothing else.
    reads_states : bool
        Whether `forward` looks at the states beside what was pooled. If not, it may be
        given None for them.
    """

    can_step = "A network with this kind of readout cannot follow a stream."
    reads_states = True

    def forward(self, pooled, states, run):
        """Return raw outputs; `states` are those that were pooled, or None."""
        raise NotImplementedError

    def backward(self, d_raw, g, run):
        """Return the gradient of the pooled rows; add to those of the parameters."""
        raise NotImplementedError

    def answered(self, run):
        """Return the pass as a loss sees it, with the shape of the raw outputs."""
        return run

    def value(self, pooled, states, run, loss, targets, weight, p):
        """Return a loss, without its gradient; see `value_and_gradient`."""
        raw = self.forward(pooled, states, run)
        return loss.value(targets, raw, weight, self.answered(run), p)

    def value_and_gradient(
        self, pooled, states, run, loss, targets, weight, p, g, share
    ):
        """Return ``share`` times a loss, and the gradient of the pooled rows.

        A readout with many outputs may override this, and compute its outputs, the loss
        and the gradient together for some rows at a time.

        Parameters
        ----------
        pooled : ndarray of shape (n, n_in)
        states : States
        run : Pass
        loss : Loss
        targets, weight : ndarrays
            What the loss takes.
        p, g : lists of ndarrays
            All parameters and all gradients, by slot.
        share : float
            Factor of the loss and of its gradients.

        Returns
        -------
        value : float
        dpooled : ndarray of shape (n, n_in)
        """
        raw = self.forward(pooled, states, run)
        seen = self.answered(run)
        value, d_raw = loss.value_and_gradient(targets, raw, weight, seen, p, g, share)
        return value, self.backward(d_raw, g, run)


class LinearReadout(Readout):
    """A linear function of the pooled rows.

    Parameters
    ----------
    n_out : int
        Number of outputs.
    """

    can_step = True
    reads_states = False

    def __init__(self, n_out):
        self.n_out = self.n_columns = n_out

    def declare(self, layout, n_in):
        """Add the weights and the biases."""
        self.n_in = n_in
        self.W = layout.add("head.W", (n_in, self.n_columns), glorot_uniform())
        self.b = layout.add("head.b", (self.n_columns,), zeros, penalized=False)
        return self.n_out

    def build(self, dtype, options):
        """Make the product."""
        super().build(dtype, options)
        self.head = Linear(self.n_in, self.n_columns, dtype)

    def load(self, p):
        """Take the weights and the biases."""
        self.head.load(p[self.W], p[self.b])

    def forward(self, pooled, states, run):
        """Return raw outputs, (n, n_out)."""
        self._mask = run.mask(pooled.shape, self.options.dropout, self.dtype)
        if self._mask is not None:
            dropped = self.memory("dropped", *pooled.shape)
            pooled = np.multiply(pooled, self._mask, out=dropped)
        self._pooled = pooled
        raw = np.empty((len(pooled), self.n_columns), self.dtype)
        return self.head.forward(pooled, raw)

    def backward(self, d_raw, g, run):
        """Return the gradient of the pooled rows."""
        dpooled = self.memory("dpooled", len(d_raw), self.n_in)
        self.head.backward(self._pooled, d_raw, g[self.W], g[self.b], dpooled)
        if self._mask is not None:
            dpooled *= self._mask
        return dpooled


class StepsReadout(LinearReadout):
    """A linear function of the row of a segment, with outputs for each of its steps.

    Parameters
    ----------
    segment_length : int
        Steps that are read at once.
    n_out : int
        Outputs of a step. The steps that a last segment lacks have none.
    """

    def __init__(self, segment_length, n_out):
        self.segment_length = segment_length
        self.n_out, self.n_columns = n_out, segment_length * n_out

    def forward(self, pooled, states, run):
        """Return raw outputs, (n_rows, n_out), rows packed by single steps."""
        outputs = super().forward(pooled, states, run).reshape(-1, self.n_out)
        self._places = self._find_places(run.batch)
        return outputs.take(self._places, axis=0)

    def backward(self, d_raw, g, run):
        """Return the gradient of the rows of segments."""
        n_rows = run.shape.n_rows
        d_outputs = np.zeros((n_rows * self.segment_length, self.n_out), d_raw.dtype)
        d_outputs[self._places] = d_raw
        return super().backward(d_outputs.reshape(n_rows, -1), g, run)

    def answered(self, run):
        """Return the pass with the shape of single steps."""
        seen = copy(run)
        seen.shape = PackedShape(run.batch.by_step().n_active)
        return seen

    def _find_places(self, batch):
        """Return where the outputs of each step stand, (n_rows,)."""
        k, steps = self.segment_length, batch.by_step()
        step, sequence = packed_rows(steps.n_active, steps.offset)
        return (batch.offset[step // k] + sequence) * k + step % k


class BlockedReadout(LinearReadout):
    """A linear function with many outputs, which are never held for all rows at once.

    Its loss must be a mean over rows. The outputs of some rows, their loss and its
    gradient are computed together, while they are in the cache.
    """

    def value(self, pooled, states, run, loss, targets, weight, p):
        """Return a loss, without its gradient."""
        total, value = total_weight(weight), 0.0
        for at in row_blocks(len(pooled), self.n_out):
            part = total_weight(weight[at])
            if part:
                raw = self.memory("raw", len(pooled[at]), self.n_out)
                self.head.forward(pooled[at], raw)
                value += part / total * loss.value(targets[at], raw, weight[at])
        return value

    def value_and_gradient(
        self, pooled, states, run, loss, targets, weight, p, g, share
    ):
        """Return ``share`` times a loss, and the gradient of the pooled rows."""
        dpooled = self.memory("dpooled", *pooled.shape)
        mask = run.mask(pooled.shape, self.options.dropout, self.dtype)
        if mask is not None:
            dropped = self.memory("dropped", *pooled.shape)
            pooled = np.multiply(pooled, mask, out=dropped)
        total, value, dW = total_weight(weight), 0.0, self._begin(g)
        for at in row_blocks(len(pooled), self.n_out):
            part = share * total_weight(weight[at]) / total
            if not part:
                dpooled[at] = 0
                continue
            rows = pooled[at]
            wide = self.memory("wide", len(rows), self.head.width)
            self.head.forward(rows, wide[:, : self.n_out])
            value += loss.replace(targets[at], wide, weight[at], part)
            self.head.backward(rows, wide, dW, g[self.b], dpooled[at])
        self._end(dW, g)
        if mask is not None:
            dpooled *= mask
        return value, dpooled

    def _begin(self, g):
        """Return an array to add the gradient of the weights to."""
        return g[self.W]

    def _end(self, dW, g):
        """Add that array to the gradient, if it is another one."""


class TiedReadout(BlockedReadout):
    """A readout whose weights are the table of an embedding.

    The table has a row for each output, and perhaps more rows. Its columns are as many
    as the pooled units.

    Parameters
    ----------
    n_out : int
        Number of outputs.
    table : str, default="embedding0.W"
        The name of the table.

    References
    ----------
    Press & Wolf 2017, "Using the output embedding to improve language models".
    """

    def __init__(self, n_out, table="embedding0.W"):
        super().__init__(n_out)
        self._table = table

    def declare(self, layout, n_in):
        """Find the table, and add the biases."""
        self.n_in = n_in
        (self.W,) = [slot for slot in layout.slots if slot.name == self._table]
        if self.W.shape[1] != n_in or self.W.shape[0] < self.n_out:
            raise ValueError(
                f"A table of shape {self.W.shape} cannot be the weights of {self.n_out}"
                f" outputs of {n_in} units."
            )
        self.b = layout.add("head.b", (self.n_out,), zeros, penalized=False)
        return self.n_out

    def load(self, p):
        """Take the table and the biases."""
        self.head.load(np.ascontiguousarray(p[self.W][: self.n_out].T), p[self.b])

    def backward(self, d_raw, g, run):
        """Return the gradient of the pooled rows."""
        dpooled = self.memory("dpooled", len(d_raw), self.n_in)
        dW = self._begin(g)
        self.head.backward(self._pooled, d_raw, dW, g[self.b], dpooled)
        self._end(dW, g)
        if self._mask is not None:
            dpooled *= self._mask
        return dpooled

    def _begin(self, g):
        # The table has the other order of axes.
        dW = self.memory("dW", self.n_in, self.n_out)
        dW[...] = 0
        return dW

    def _end(self, dW, g):
        g[self.W][: self.n_out] += dW.T


def row_blocks(n_rows, n_out=BLOCK_OUTPUTS // BLOCK_ROWS):
    """Yield slices of rows that have a bounded number of outputs together."""
    size = BLOCK_ROWS * min(max(BLOCK_OUTPUTS // (BLOCK_ROWS * n_out), 1), 8)
    while size > LEAST_ROWS and size * n_out > MOST_OUTPUTS:
        size //= 2
    for start in range(0, n_rows, size):
        yield slice(start, start + size)


class SegmentReadout(Readout):
    """One recurrent step from what was pooled for each segment of outputs.

    All segments start from the same state and are made side by side; what tells them
    apart is the input of the step, ``batch.future`` of shape (n_segments * n_seqs,
    n_future), the rows of the first segment before those of the second.

    Parameters
    ----------
    n_out : int
        Number of outputs; those of the last segment are cut off there.
    n_segments : int
    n_future : int
        Inputs of a segment.
    segment_size : int
        Outputs of a segment.
    cell, activation : str
        The cell of the step.

    References
    ----------
    Lin et al. 2023, "SegRNN", arXiv:2308.11200: parallel multi-step forecasting.
    """

    reads_states = False

    def __init__(
        self, n_out, *, n_segments, n_future, segment_size, cell, activation="tanh"
    ):
        self.n_out = n_out
        self.n_segments, self.segment_size = n_segments, segment_size
        self._n_future, self._cell, self._activation = n_future, cell, activation

    def declare(self, layout, n_in):
        """Add the parameters of the step and of its head."""
        self.n_in = n_in
        kind = self._cell, self._activation
        self.layer = declare_layer(layout, "segment", *kind, self._n_future, n_in)
        n_columns = self.segment_size
        self.W = layout.add("head.W", (n_in, n_columns), glorot_uniform())
        self.b = layout.add("head.b", (n_columns,), zeros, penalized=False)
        return self.n_out

    def build(self, dtype, options):
        """Make the step and the product."""
        super().build(dtype, options)
        self.recurrence = make_recurrence(self.layer, dtype, options.trains)
        self.head = Linear(self.n_in, self.segment_size, dtype)
        self._shape = None  # of the last pass

    def load(self, p):
        """Take the parameters."""
        self.recurrence.load(*self.layer.parameters(p))
        self.head.load(p[self.W], p[self.b])

    def forward(self, pooled, states, run):
        """Return raw outputs, (n_seqs, n_out)."""
        n_seqs, n_segments = len(pooled), self.n_segments
        if self._shape is None or self._shape.n_rows != n_segments * n_seqs:
            n_active = np.array([n_segments * n_seqs], dtype=np.int32)
            self._shape = PackedShape(n_active)
        h = self.recurrence.forward(
            self._shape,
            run.batch.future,
            training=run.training,
            h0=np.tile(pooled, (n_segments, 1)) if n_segments > 1 else pooled,
            n_threads=run.n_threads,
        )
        self._mask = run.mask(h.shape, self.options.dropout, self.dtype)
        if self._mask is not None:
            h = np.multiply(h, self._mask)
        self._h = h
        out = np.empty((len(h), self.segment_size), dtype=self.dtype)
        out = self.head.forward(h, out).reshape(n_segments, n_seqs, -1)
        raw = out.swapaxes(0, 1).reshape(n_seqs, -1)
        return np.ascontiguousarray(raw[:, : self.n_out])

    def backward(self, d_raw, g, run):
        """Return the gradient of the pooled rows."""
        n_seqs = len(d_raw)
        whole = np.zeros((n_seqs, self.n_segments * self.segment_size), d_raw.dtype)
        whole[:, : d_raw.shape[1]] = d_raw
        parts = np.moveaxis(whole.reshape(n_seqs, self.n_segments, -1), 1, 0)
        d_out = np.ascontiguousarray(parts).reshape(len(self._h), -1)
        dh = self.memory("dh", *self._h.shape)
        self.head.backward(self._h, d_out, g[self.W], g[self.b], dh)
        if self._mask is not None:
            dh *= self._mask
        dh0 = self.memory("dh0", *dh.shape)
        self.recurrence.backward(
            *self.layer.parameters(g), dlast=dh, dh0=dh0, n_threads=run.n_threads
        )
        dpooled = self.memory("dpooled", n_seqs, self.n_in)
        dpooled[...] = 0
        for part in dh0.reshape(self.n_segments, n_seqs, -1):
            dpooled += part
        return dpooled
