"""Recurrent layers on top of each other, in one direction or both."""

from typing import NamedTuple

import numpy as np

from skrnn._embedding import StartRows, sum_by_id
from skrnn._recurrence import Recurrence
from skrnn.cells import CELLS
from skrnn.network.layout import Slot, constants, glorot_uniform, orthogonal
from skrnn.network.parts import Part, SharedRows, States, join

__all__ = ["Layer", "RecurrentStack", "declare_layer", "make_recurrence"]


class Layer(NamedTuple):
    """One cell in one direction: its sizes and the slots of its parameters."""

    name: str
    cell: str
    activation: str
    n_in: int
    n_units: int
    reverse: bool
    W: Slot
    U: Slot
    b: Slot

    @property
    def kernel(self):
        """The name of the cell in the kernels' table."""
        kernel = CELLS[self.cell].kernel
        return kernel[self.activation] if isinstance(kernel, dict) else kernel

    def parameters(self, bound):
        """Return W, U and b of what `Layout.bind` gave."""
        return bound[self.W], bound[self.U], bound[self.b]


def declare_layer(layout, name, cell, activation, n_in, n_units, reverse=False):
    """Add the parameters of a cell to a layout; return the layer."""
    facts = CELLS[cell]
    n_columns = facts.n_gates * n_units
    b_init = constants(facts.biases)
    W = layout.add(f"{name}.W", (n_in, n_columns), glorot_uniform(facts.n_gates))
    U = layout.add(f"{name}.U", (n_units, n_columns), orthogonal)
    b = layout.add(f"{name}.b", (len(facts.biases) * n_units,), b_init, penalized=False)
    return Layer(name, cell, activation, n_in, n_units, reverse, W, U, b)


def make_recurrence(layer, dtype, trains):
    """Return the compiled recurrence of a layer."""
    return Recurrence(
        layer.kernel,
        layer.n_in,
        layer.n_units,
        dtype,
        reverse=layer.reverse,
        trains=trains,
    )


class RecurrentStack(Part):
    """Recurrent layers, each of which reads the states of the layer below.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int
        Units of each layer; with both directions, units of each direction.
    cell : str, default="gru"
    activation : str, default="tanh"
    bidirectional : bool, default=False
        Whether each layer also reads the sequences from their ends.
    name : str, default="layer"
        What the names of the parameters begin with, before the number of a layer.
    """

    def __init__(
        self,
        hidden_layer_sizes,
        cell="gru",
        activation="tanh",
        bidirectional=False,
        name="layer",
    ):
        self.sizes, self._name = tuple(hidden_layer_sizes), name
        self.cell, self.activation = cell, activation
        self.directions = ("", ".reverse") if bidirectional else ("",)

    @property
    def has_memory(self):
        """Whether the cells have a memory beside the state."""
        return CELLS[self.cell].has_memory

    @property
    def can_step(self):
        """True, or the reason why the stack cannot follow a stream."""
        return len(self.directions) == 1 or (
            "A bidirectional network cannot follow a stream: it also reads a sequence "
            "from its end, which a stream does not have yet. Fit with "
            "bidirectional=False."
        )

    def declare(self, layout, n_in):
        """Add the parameters of all layers; return the width of the last states."""
        self.n_in = n_in
        self.layers = []
        for k, n_units in enumerate(self.sizes):
            self.layers.append(
                [
                    declare_layer(
                        layout,
                        f"{self._name}{k}{direction}",
                        self.cell,
                        self.activation,
                        n_in,
                        n_units,
                        bool(direction),
                    )
                    for direction in self.directions
                ]
            )
            n_in = len(self.directions) * n_units
        self.n_out = n_in
        return n_in

    def build(self, dtype, options):
        """Make the recurrences."""
        super().build(dtype, options)
        self.recurrences = [
            [make_recurrence(layer, dtype, options.trains) for layer in layers]
            for layers in self.layers
        ]
        self._starts = [None] * len(self.directions)
        self._shared = None
        self._pairs = [
            pair
            for layers, recurrences in zip(self.layers, self.recurrences, strict=True)
            for pair in zip(layers, recurrences, strict=True)
        ]

    def load(self, p):
        """Take the parameters of all layers."""
        for layer, recurrence in self._pairs:
            recurrence.load(p[layer.W], p[layer.U], p[layer.b])

    def forward(self, x, run, start=None, last=None, pool=None):
        """Return the states of the last layer.

        Parameters
        ----------
        x : ndarray of shape (n_rows, n_in) or SharedRows
        run : Pass
        start : list of lists of (h0, m0) or None, default=None
            The initial states and memories (n_seqs, n_units) of each layer and
            direction, or None for zero.
        last : list of lists of (h, m) or None, default=None
            Arrays (n_seqs, n_units), filled with the states and memories after the last
            step of each sequence; only for layers that read from the beginning. ``m``
            is None where a cell has no memory.
        pool : RunningPool or None, default=None
            Takes the states of the last layer instead. The memory of that layer then
            does not depend on the number of steps.

        Returns
        -------
        states : States, or None with `pool`
        """
        self._masks = []
        x = self.begin(x, run)
        n_seqs, rate = run.shape.n_seqs, self.options.recurrent_dropout
        for k, layer in enumerate(self.recurrences):
            h = []
            for d, recurrence in enumerate(layer):
                mask = None
                if rate:
                    mask = run.mask((n_seqs, recurrence.n_units), rate, self.dtype)
                initial = {}
                if start is not None:
                    initial = dict(zip(("h0", "m0"), start[k][d], strict=True))
                if last is not None:
                    initial |= zip(("last_h", "last_m"), last[k][d], strict=True)
                kept = initial.get("last_h")
                if pool is not None and k + 1 == len(self.recurrences):
                    initial |= pool.arguments(d, n_seqs)
                h.append(
                    recurrence.forward(
                        run.shape,
                        x,
                        training=run.training,
                        mask=mask,
                        starts=None if k else self.start_rows(d),
                        n_threads=run.n_threads,
                        **initial,
                    )
                )
                if kept is not None and kept is not initial["last_h"]:
                    kept[...] = initial["last_h"]
            if k + 1 < len(self.recurrences):
                x = self._dropped(join(h, self, f"input{k}"), k, run)
        return States(h, self) if pool is None else None

    def begin(self, x, run):
        """Return what the kernels of the first layer read at each step."""
        self._shared, self.n_read = None, len(x.x if isinstance(x, SharedRows) else x)
        if not isinstance(x, SharedRows):
            return x
        self._shared = x
        return np.empty((run.shape.n_rows, 0), dtype=self.dtype)

    def start_rows(self, d):
        """Return what the sums of the first layer start from, or None."""
        if self._shared is None:
            return None
        if self._starts[d] is None:
            self._starts[d] = StartRows(self.recurrences[0][d], self.n_in)
        return self._starts[d].make(self._shared.x, self._shared.found.inverse)

    def _dropped(self, x, k, run):
        # The input of the layer above layer k.
        mask = run.mask(x.shape, self.options.dropout, self.dtype)
        self._masks.append(mask)
        if mask is None:
            return x
        # `backward` needs the states as they are: the product has memory of its own.
        return np.multiply(x, mask, out=self.memory(f"input{k}", *x.shape))

    def backward(self, dstates, g, run, *, dx=None, dstart=None):
        """Add the gradient of the parameters to `g`.

        Parameters
        ----------
        dstates : StatesGradient
        g : list of ndarrays
            What `Layout.bind` gave for the gradient.
        run : Pass
        dx : ndarray of shape (n_read, n_in) or None, default=None
            Filled with the gradient of what the stack read: `n_read` is n_rows, or the
            number of distinct rows of SharedRows.
        dstart : list of lists of (dh0, dm0) or None, default=None
            Arrays (n_seqs, n_units) or None, filled with the gradient of `start`.
        """
        dy, dlast = dstates.dy, dstates.dlast
        n_rows = run.shape.n_rows
        for k in reversed(range(len(self.layers))):
            # Two buffers in turn: a layer reads one while it fills the other.
            below = dx
            if k > 0:
                below = self.memory(f"dx{k % 2}", n_rows, self.layers[k][0].n_in)
            for d, layer in enumerate(self.layers[k]):
                units = slice(d * layer.n_units, (d + 1) * layer.n_units)
                part, shared = below, k == 0 and self._shared is not None
                if d > 0 and below is not None:
                    part = self.memory("dx of the reverse", *below.shape)
                initial = {}
                if dstart is not None:
                    initial = dict(zip(("dh0", "dm0"), dstart[k][d], strict=True))
                self.recurrences[k][d].backward(
                    g[layer.W],
                    g[layer.U],
                    g[layer.b],
                    dy=None if dy is None else dy[:, units],
                    dlast=None if dlast is None else dlast[:, units],
                    dx=None if shared else part,
                    bptt_steps=self.options.bptt_steps,
                    n_threads=run.n_threads,
                    **initial,
                )
                if shared:
                    self._add_shared(d, g[layer.W], part)
                if part is not below and below is not None:
                    below += part
            if k > 0 and self._masks[k - 1] is not None:
                below *= self._masks[k - 1]
            dy, dlast = below, None

    def _add_shared(self, d, dW, dx):
        # The gradients of W and of the rows that the first layer shared.
        starts, found = self._starts[d], self._shared.found
        dz = starts.gradient_of_sums()
        sums = starts.room(dz.shape[1])
        sum_by_id(dz, found.order, found.starts, None, sums)
        starts.backward(sums, dW, dx)
