"""The network: recurrent layers, pooling over the steps, a readout.

A network owns the layout of the one flat vector in which all its parameters stand, and
the memory of a pass. Its parameters are the caller's: `load` them after each change.
"""

import math

import numpy as np

from skrnn import _network
from skrnn._recurrence import Linear, PackedShape, Recurrence
from skrnn.cells import CELLS

__all__ = ["POOLINGS", "Network"]


class Network:
    """Recurrent layers over packed sequences, pooled and read out.

    Parameters
    ----------
    n_in : int
        Features per step.
    hidden_layer_sizes : sequence of int
        Units of each recurrent layer; of each direction, when bidirectional.
    n_out : int
        Outputs.
    cell : {"rnn", "lstm", "gru"}, default="gru"
    activation : {"tanh", "relu"}, default="tanh"
        Of the vanilla cell; the others have their own.
    bidirectional : bool, default=False
        Each layer also reads the sequences from their ends.
    pooling : {"last", "mean", "max", "attention"}, default="last"
        How the states of the last layer become one vector a sequence.
    dropout : float, default=0.0
        Share of each layer's outputs that is dropped in training on their way to the
        next layer, the head being one.
    recurrent_dropout : float, default=0.0
        Share of the state that is dropped in training where it feeds back: one mask a
        sequence (Gal & Ghahramani 2016).
    bptt_steps : int or None, default=None
        The gradient does not cross multiples of so many steps, counted from where the
        reading of a sequence ends.
    dtype : {float32, float64}, default=float32
    trains : bool, default=True
        Whether `backward` will be called.
    decoder : dict or None, default=None
        What a `SegmentReadout` is made with; None is a `LinearReadout`.

    Attributes
    ----------
    n_params : int
    layout : dict of str to (start, shape)
        Where each parameter stands in the flat vector.
    weights : list of slice
        The parameters that are weights and not biases.
    """

    def __init__(
        self,
        n_in,
        hidden_layer_sizes,
        n_out,
        *,
        cell="gru",
        activation="tanh",
        bidirectional=False,
        pooling="last",
        dropout=0.0,
        recurrent_dropout=0.0,
        bptt_steps=None,
        dtype=np.float32,
        trains=True,
        decoder=None,
    ):
        self.n_in, self.n_out = n_in, n_out
        self.hidden_layer_sizes = tuple(hidden_layer_sizes)
        self.dtype = np.dtype(dtype)
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        self.bptt_steps = bptt_steps or 0
        self.spec = CELLS[cell]
        self.trains = trains
        self.kernel = self.spec.kernel
        if isinstance(self.kernel, dict):
            self.kernel = self.kernel[activation]
        self.n_params, self.layout, self.weights = 0, {}, []
        self._buffers = {}
        self._theta = self._grad = None
        directions = ("", "reverse.") if bidirectional else ("",)
        self.layers = []
        for k, n_units in enumerate(self.hidden_layer_sizes):
            layer = [
                self._add_recurrence(
                    f"layer{k}.{direction}", n_in, n_units, reverse=bool(direction)
                )
                for direction in directions
            ]
            self.layers.append(layer)
            n_in = len(directions) * n_units
        self.n_pooled = n_in
        self.pooling_name = pooling
        self.pooling = POOLINGS[pooling](self)
        if decoder is None:
            self.readout = LinearReadout(self)
        else:
            self.readout = SegmentReadout(self, **decoder)
        self.head = self.readout.head

    def _add_recurrence(self, name, n_in, n_units, reverse=False):
        self._add(f"{name}W", (n_in, self.spec.n_gates * n_units))
        self._add(f"{name}U", (n_units, self.spec.n_gates * n_units))
        self._add(f"{name}b", (len(self.spec.biases) * n_units,))
        return Recurrence(
            self.kernel, n_in, n_units, self.dtype, reverse=reverse, trains=self.trains
        )

    def _add_head(self, n_out):
        self._add("head.W", (self.n_pooled, n_out))
        self._add("head.b", (n_out,))
        return Linear(self.n_pooled, n_out, self.dtype)

    def _add(self, name, shape):
        size = math.prod(shape)
        self.layout[name] = (self.n_params, shape)
        if not name.endswith(".b"):
            self.weights.append(slice(self.n_params, self.n_params + size))
        self.n_params += size

    def views(self, vector):
        """The parameters in a flat vector by name, as arrays that share its memory."""
        return {
            name: vector[start : start + math.prod(shape)].reshape(shape)
            for name, (start, shape) in self.layout.items()
        }

    def initialize(self, random_state):
        """Draw parameters: W Glorot-uniform, U orthogonal by gate, biases the cell's.

        Parameters
        ----------
        random_state : numpy.random.RandomState

        Returns
        -------
        theta : ndarray of shape (n_params,)

        References
        ----------
        Glorot & Bengio 2010; Saxe, McClelland & Ganguli 2014.
        """
        theta = np.zeros(self.n_params, dtype=self.dtype)
        for name, value in self.views(theta).items():
            if name.endswith("U"):
                n_units = value.shape[0]
                for gate in range(self.spec.n_gates):
                    value[:, gate * n_units : (gate + 1) * n_units] = _orthogonal(
                        n_units, random_state
                    )
            elif name.endswith("W"):
                n_blocks = 1 if name.startswith("head") else self.spec.n_gates
                bound = np.sqrt(6 / (value.shape[0] + value.shape[1] // n_blocks))
                # Not `uniform(-bound, bound)`: NumPy may be compiled to fuse its sum.
                value[...] = 2 * bound * random_state.random_sample(value.shape) - bound
            elif name.endswith("b") and not name.startswith("head"):
                n_units = value.size // len(self.spec.biases)
                value[...] = np.repeat(self.spec.biases, n_units)
        # The query of attention stays zero: it begins as the mean over the steps.
        return theta

    def load(self, theta):
        """Use these parameters, as they are now, from now on."""
        if theta is not self._theta:
            self._theta = theta
            self._theta_views = self._rows(theta)
        values = iter(self._theta_views)
        for layer in self.layers:
            for recurrence in layer:
                recurrence.load(next(values), next(values), next(values))
        self.pooling.load(values)
        self.readout.load(values)

    def _rows(self, vector):
        # The views in order, biases as one row: what the compiled parts take.
        return [np.atleast_2d(view) for view in self.views(vector).values()]

    def _array(self, name, n_rows, n_columns):
        # Memory of a pass, kept for the next one.
        size = n_rows * n_columns
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, dtype=self.dtype)
        return buffer[:size].reshape(n_rows, n_columns)

    # ------------------------------------------------------------------ forward

    def forward(self, batch, *, training=False, random_state=None, n_threads=1):
        """Outputs for a packed batch.

        Parameters
        ----------
        batch : PackedBatch
        training : bool, default=False
            Drop out, and keep what `backward` needs.
        random_state : numpy.random.RandomState or None, default=None
            Draws the dropout masks.
        n_threads : int, default=1

        Returns
        -------
        raw : ndarray of shape (n_seqs, n_out)
            Rows in packed order.
        """
        shape, states = self._run(batch, training, random_state, n_threads)
        pooled = self.pooling.forward(states, shape, training)
        return self.readout.forward(pooled, batch, training, random_state, n_threads)

    def _run(self, batch, training, random_state, n_threads):
        # States of the last layer, one array (n_rows, n_units) a direction.
        shape = PackedShape(batch.n_active)
        x = batch.x
        self._masks = []
        for k, layer in enumerate(self.layers):
            states = [
                recurrence.forward(
                    shape,
                    x,
                    training=training,
                    mask=self._mask(
                        (shape.n_seqs, recurrence.n_units),
                        self.recurrent_dropout,
                        random_state,
                        training,
                    ),
                    n_threads=n_threads,
                )
                for recurrence in layer
            ]
            if k + 1 < len(self.layers):
                x = self._joined(f"input{k}", states)
                mask = self._mask(x.shape, self.dropout, random_state, training)
                if mask is not None:
                    x = np.multiply(x, mask, out=self._array(f"input{k}", *x.shape))
                self._masks.append(mask)
        self._shape, self._n_threads = shape, n_threads
        return shape, states

    def _mask(self, shape, rate, random_state, training):
        # Zeros with probability `rate` (in steps of 2**-16), else 1 / (1 - rate).
        if not training or rate == 0:
            return None
        if random_state is None:
            raise ValueError("dropout needs a random_state.")
        draws = np.frombuffer(random_state.bytes(2 * shape[0] * shape[1]), dtype="<u2")
        mask = (draws.reshape(shape) >= round(rate * 65536)).astype(self.dtype)
        # Not cast on the way: NumPy 2.0 crashes where there is no memory for that.
        mask *= self.dtype.type(1 / (1 - rate))
        return mask

    def _joined(self, name, states):
        # The directions side by side: (n_rows, n_directions * n_units).
        if len(states) == 1:
            return states[0]
        n_units = states[0].shape[1]
        joined = self._array(name, states[0].shape[0], len(states) * n_units)
        for d, h in enumerate(states):
            joined[:, d * n_units : (d + 1) * n_units] = h
        return joined

    def hidden_states(self, batch, n_threads=1):
        """States of the last layer, (n_rows, n_directions * n_units) packed rows."""
        _, states = self._run(batch, False, None, n_threads)
        return self._joined("states", states).copy()

    def attention(self, batch, n_threads=1):
        """Weights (n_rows,) that attention pooling gives the packed steps."""
        shape, states = self._run(batch, False, None, n_threads)
        return self.pooling.weights(self._joined("states", states), shape)

    # ----------------------------------------------------------------- backward

    def backward(self, draw, grad, dx=None):
        """Add the gradient of the last ``forward(training=True)`` to `grad`.

        Parameters
        ----------
        draw : ndarray of shape (n_seqs, n_out)
            Gradient of the outputs, rows in packed order.
        grad : ndarray of shape (n_params,)
        dx : ndarray of shape (n_rows, n_in) or None, default=None
            Filled with the gradient of the packed inputs.
        """
        if grad is not self._grad:
            self._grad = grad
            self._grad_views = self._rows(grad)
        gradients = self._grad_views
        shape = self._shape
        dpooled = self._array("dpooled", shape.n_seqs, self.n_pooled)
        self.readout.backward(draw, dpooled, gradients)
        dy, dlast = self.pooling.backward(dpooled, shape, gradients)
        end = 3 * sum(map(len, self.layers))
        for k in reversed(range(len(self.layers))):
            layer = self.layers[k]
            start = end - 3 * len(layer)
            # Two buffers in turn: a layer reads one while it fills the other.
            below = (
                dx if k == 0 else self._array(f"dx{k % 2}", shape.n_rows, layer[0].n_in)
            )
            for d, recurrence in enumerate(layer):
                units = slice(d * recurrence.n_units, (d + 1) * recurrence.n_units)
                part = below
                if below is not None and d > 0:
                    part = self._array("dx of the reverse", *below.shape)
                recurrence.backward(
                    *gradients[start + 3 * d : start + 3 * d + 3],
                    dy=None if dy is None else dy[:, units],
                    dlast=None if dlast is None else dlast[:, units],
                    dx=part,
                    bptt_steps=self.bptt_steps,
                    n_threads=self._n_threads,
                )
                if part is not below:
                    below += part
            if k > 0 and self._masks[k - 1] is not None:
                below *= self._masks[k - 1]
            dy, dlast, end = below, None, start


def _orthogonal(n, random_state):
    # Sums of four uniform numbers: near to normal ones, without a logarithm, whose last
    # bit depends on the machine.
    rows = random_state.uniform(-1, 1, size=(4, n, n))
    rows = (rows[0] + rows[1]) + (rows[2] + rows[3])
    _network.orthogonalize(rows)
    return rows


# ------------------------------------------------------------------------ pooling
#
# states: list of (n_rows, n_units), one a direction -> (n_seqs, n_pooled); backward
# gives (dy, dlast): the gradient of all states, or of the last ones only.


class Pooling:
    """A way from the states of all steps to one vector a sequence."""

    def __init__(self, network):
        self.network = network

    def load(self, values):
        """Take the pooling's own parameters from an iterator."""

    def _out(self, shape):
        return self.network._array("pooled", shape.n_seqs, self.network.n_pooled)

    def _dy(self, shape):
        return self.network._array("dy of pooling", shape.n_rows, self.network.n_pooled)


class LastPooling(Pooling):
    """The state after the last step that was read; of the reverse, the first one."""

    def forward(self, states, shape, training):
        out = self._out(shape)
        n_units = states[0].shape[1]
        _network.pool_last(states[0], shape.last_row, out[:, :n_units])
        if len(states) > 1:
            out[:, n_units:] = states[1][: shape.n_seqs]
        return out

    def backward(self, dpooled, shape, gradients):
        return None, dpooled


class MeanPooling(Pooling):
    """The mean over the steps."""

    def forward(self, states, shape, training):
        h, out = self.network._joined("states", states), self._out(shape)
        _network.pool_mean(h, shape.n_active, shape.lengths, out)
        return out

    def backward(self, dpooled, shape, gradients):
        dy = self._dy(shape)
        _network.pool_mean_backward(dpooled, shape.n_active, shape.lengths, dy)
        return dy, None


class MaxPooling(Pooling):
    """The largest value over the steps, unit by unit."""

    def forward(self, states, shape, training):
        h, out = self.network._joined("states", states), self._out(shape)
        self.row = np.empty(out.shape, dtype=np.int32)
        _network.pool_max(h, shape.n_active, out, self.row)
        return out

    def backward(self, dpooled, shape, gradients):
        dy = self._dy(shape)
        _network.pool_max_backward(dpooled, self.row, dy)
        return dy, None


class AttentionPooling(Pooling):
    """A mean weighted by softmax(h q) over the steps, with a learned query q.

    References
    ----------
    Yang et al. 2016, "Hierarchical attention networks for document classification".
    """

    def __init__(self, network):
        super().__init__(network)
        self.at = len(network.layout)  # which parameter it is
        network._add("attention.q", (network.n_pooled,))
        self.score = Linear(network.n_pooled, 1, network.dtype)

    def load(self, values):
        self.score.load(next(values).T)

    def weights(self, h, shape):
        score = self.network._array("score", shape.n_rows, 1)
        weight = np.empty(shape.n_rows, dtype=self.network.dtype)
        _network.softmax_steps(self.score.forward(h, score), shape.n_active, weight)
        return weight

    def forward(self, states, shape, training):
        self.h, out = self.network._joined("states", states), self._out(shape)
        self.weight = self.weights(self.h, shape)
        _network.pool_attention(self.h, self.weight, shape.n_active, out)
        return out

    def backward(self, dpooled, shape, gradients):
        dy = self._dy(shape)
        dscore = self.network._array("score", shape.n_rows, 1)
        _network.pool_attention_backward(
            dpooled, self.h, self.weight, shape.n_active, shape.lengths, dy, dscore
        )
        through = self.network._array("dy through score", *dy.shape)
        dy += self.score.backward(self.h, dscore, gradients[self.at].T, None, through)
        return dy, None


POOLINGS = {
    "last": LastPooling,
    "mean": MeanPooling,
    "max": MaxPooling,
    "attention": AttentionPooling,
}


# ------------------------------------------------------------------------ readout
#
# pooled: (n_seqs, n_pooled) -> raw (n_seqs, n_out).


class LinearReadout:
    """A linear function of what was pooled."""

    def __init__(self, network):
        self.network = network
        self.head = network._add_head(network.n_out)

    def load(self, values):
        """Take the parameters from an iterator."""
        self.head.load(next(values), next(values))

    def forward(self, pooled, batch, training, random_state, n_threads):
        network = self.network
        self.mask = network._mask(pooled.shape, network.dropout, random_state, training)
        if self.mask is not None:
            pooled *= self.mask
        self.pooled = pooled
        return self.head.forward(
            pooled, np.empty((len(pooled), network.n_out), network.dtype)
        )

    def backward(self, draw, dpooled, gradients):
        """Fill dpooled, and add to the gradients of the parameters."""
        self.head.backward(self.pooled, draw, *gradients[-2:], dpooled)
        if self.mask is not None:
            dpooled *= self.mask


class SegmentReadout:
    """One recurrent step from what was pooled for each segment of outputs.

    All segments start from the same state and are made side by side; what tells them
    apart is the input of the step, ``batch.future`` of shape (n_segments * n_seqs,
    n_in), the rows of the first segment before those of the second.

    Parameters
    ----------
    network : Network
    n_segments : int
        Segments, which are cut off at the network's `n_out` outputs.
    n_in : int
        Inputs of a segment.
    segment_size : int
        Outputs of a segment.

    References
    ----------
    Lin et al. 2023, "SegRNN", arXiv:2308.11200: parallel multi-step forecasting.
    """

    def __init__(self, network, *, n_segments, n_in, segment_size):
        self.network = network
        self.n_segments, self.segment_size = n_segments, segment_size
        self.recurrence = network._add_recurrence("decoder.", n_in, network.n_pooled)
        self.head = network._add_head(segment_size)

    def load(self, values):
        """Take the parameters from an iterator."""
        self.recurrence.load(next(values), next(values), next(values))
        self.head.load(next(values), next(values))

    def forward(self, pooled, batch, training, random_state, n_threads):
        network, n_seqs = self.network, len(pooled)
        shape = PackedShape(np.array([self.n_segments * n_seqs], dtype=np.int32))
        h = self.recurrence.forward(
            shape,
            batch.future,
            training=training,
            h0=np.tile(pooled, (self.n_segments, 1)),
            n_threads=n_threads,
        )
        self.mask = network._mask(h.shape, network.dropout, random_state, training)
        if self.mask is not None:
            h = np.multiply(h, self.mask)
        self.h = h
        out = np.empty((len(h), self.segment_size), dtype=network.dtype)
        out = self.head.forward(h, out).reshape(self.n_segments, n_seqs, -1)
        raw = np.moveaxis(out, 0, 1).reshape(n_seqs, -1)
        return np.ascontiguousarray(raw[:, : network.n_out])

    def backward(self, draw, dpooled, gradients):
        """Fill dpooled, and add to the gradients of the parameters."""
        n_seqs = len(draw)
        whole = np.zeros((n_seqs, self.n_segments * self.segment_size), draw.dtype)
        whole[:, : draw.shape[1]] = draw
        parts = np.moveaxis(whole.reshape(n_seqs, self.n_segments, -1), 1, 0)
        dh = np.empty(self.h.shape, dtype=draw.dtype)
        self.head.backward(
            self.h,
            np.ascontiguousarray(parts).reshape(len(dh), -1),
            *gradients[-2:],
            dh,
        )
        if self.mask is not None:
            dh *= self.mask
        dh0 = np.empty_like(dh)
        self.recurrence.backward(
            *gradients[-5:-2],
            dlast=dh,
            dh0=dh0,
            n_threads=self.network._n_threads,
        )
        dpooled[...] = 0
        for part in dh0.reshape(self.n_segments, n_seqs, -1):
            dpooled += part
