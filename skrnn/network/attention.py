"""What leads from the states of an encoder to those of a decoder."""

import numpy as np

from skrnn._attention import attend, attend_backward
from skrnn._recurrence import Linear, activation
from skrnn.network.layout import glorot_uniform, zeros
from skrnn.network.parts import Part

__all__ = ["ATTENTIONS", "Attention", "Bridge", "Encoded"]

# The kinds of attention, and whether they give weights to the steps of the source.
ATTENTIONS = {"general": True, "additive": True, None: False}


class Encoded:
    """Sequences as a decoder looks at them: their states one below the other.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_source)
        The states of the encoder, sequence by sequence.
    keys : ndarray of shape (n_rows, n_units) or None
        What queries are compared with.
    start : ndarray of shape (n_seqs + 1,), intp
        The first row of each sequence, and the number of rows.
    first : list of (h, m)
        The first states and memories (n_seqs, n_units) of each layer of the decoder;
        ``m`` is None where the cells have no memory.
    """

    __slots__ = ("first", "keys", "n_rows", "start", "values")

    def __init__(self, values, keys, start, first):
        self.values, self.keys = values, keys
        self.start, self.first = start, first
        self.n_rows = np.diff(start)  # of each sequence


class Bridge(Part):
    """The first states of a decoder, from the last states of an encoder.

    Parameters
    ----------
    sizes : tuple of int
        Units of the layers of the decoder.
    has_memory : bool
        Whether the cells have a memory, which then begins in the same way.
    """

    def __init__(self, sizes, has_memory):
        self.sizes = sizes
        self.kinds = ("", ".memory") if has_memory else ("",)

    def declare(self, layout, n_in):
        """Add weights and biases for each layer."""
        self.n_in, self.n_out, self.slots = n_in, self.sizes[-1], []
        for k, n_units in enumerate(self.sizes):
            for kind in self.kinds:
                name = f"bridge{k}{kind}"
                W = layout.add(f"{name}.W", (n_in, n_units), glorot_uniform())
                b = layout.add(f"{name}.b", (n_units,), zeros, penalized=False)
                self.slots.append((W, b))
        return self.n_out

    def build(self, dtype, options):
        """Make the products."""
        super().build(dtype, options)
        n_kinds = len(self.kinds)
        self._heads = [
            Linear(self.n_in, self.sizes[k // n_kinds], dtype)
            for k in range(len(self.slots))
        ]

    def load(self, p):
        """Take the weights and the biases."""
        for head, (W, b) in zip(self._heads, self.slots, strict=True):
            head.load(p[W], p[b])

    def forward(self, last):
        """Return pairs of states and memories (n_seqs, n_units), a pair for a layer."""
        self._last, self._first = last, []
        for head in self._heads:
            raw = np.empty((len(last), head.n_out), self.dtype)
            self._first.append(tanh(head.forward(last, raw)))
        n_kinds = len(self.kinds)
        return [
            (*self._first[k : k + n_kinds], None)[:2]
            for k in range(0, len(self._first), n_kinds)
        ]

    def backward(self, dfirst, g):
        """Return the gradient (n_seqs, n_in) of the last states of the encoder."""
        dlast = np.zeros_like(self._last)
        part = np.empty_like(self._last)
        gradients = [each for pair in dfirst for each in pair if each is not None]
        for head, (W, b), first, dh in zip(
            self._heads, self.slots, self._first, gradients, strict=True
        ):
            dz = dh * (1 - first * first)
            head.backward(self._last, dz, g[W], g[b], part)
            dlast += part
        return dlast


class Attention(Part):
    """The states of a decoder, joined to what they find in the states of an encoder.

    The result is tanh of a linear function of a state and of a weighted mean of the
    encoder's states. Without attention it is that of the state alone.

    Parameters
    ----------
    kind : {"general", "additive", None}
        How a state is compared with a key: by a product, or by a small network.
    n_source : int
        Columns of the encoder's states.
    n_out : int

    References
    ----------
    Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine
    translation": general. Bahdanau, Cho & Bengio 2015, "Neural machine translation by
    jointly learning to align and translate": additive.
    """

    def __init__(self, kind, n_source, n_out):
        self.kind, self.n_source, self.n_out = kind, n_source, n_out

    def declare(self, layout, n_in):
        """Add the weights."""
        self.n_in, glorot = n_in, glorot_uniform()
        n_joined = n_in
        if self.kind is not None:
            self.keys = layout.add("attention.keys", (self.n_source, n_in), glorot)
            n_joined += self.n_source
        if self.kind == "additive":
            self.query = layout.add("attention.query", (n_in, n_in), glorot)
            self.v = layout.add("attention.v", (1, n_in), glorot)
        self.W = layout.add("attention.W", (n_joined, self.n_out), glorot)
        self.b = layout.add("attention.b", (self.n_out,), zeros, penalized=False)
        self._n_joined = n_joined
        return self.n_out

    def build(self, dtype, options):
        """Make the products."""
        super().build(dtype, options)
        self._head = Linear(self._n_joined, self.n_out, dtype)
        self._key_head = self._query_head = None
        if self.kind is not None:
            self._key_head = Linear(self.n_source, self.n_in, dtype)
        if self.kind == "additive":
            self._query_head = Linear(self.n_in, self.n_in, dtype)
        self._v = self._dv = np.empty(0, dtype)

    def load(self, p):
        """Take the weights."""
        self._head.load(p[self.W], p[self.b])
        if self.kind is not None:
            self._key_head.load(p[self.keys])
        if self.kind == "additive":
            self._query_head.load(p[self.query])
            self._v = p[self.v][0]

    def make_keys(self, values):
        """Return what queries are compared with, (n_rows, n_in), or None."""
        if self.kind is None:
            return None
        keys = np.empty((len(values), self.n_in), self.dtype)
        return self._key_head.forward(values, keys)

    def forward(self, h, encoded, owner):
        """Return the joined rows.

        Parameters
        ----------
        h : ndarray of shape (n, n_in)
        encoded : Encoded
        owner : ndarray of shape (n,), intp
            The sequence that each row looks at.

        Returns
        -------
        out : ndarray of shape (n, n_out)
        """
        joined = h
        if self.kind is not None:
            joined = self._attend(h, encoded, owner)
        self._joined = joined
        raw = np.empty((len(h), self.n_out), self.dtype)
        self._out = tanh(self._head.forward(joined, raw))
        return self._out

    def weights_of(self, h, encoded, owner):
        """Return the weights of each row, one below the other, and their places."""
        self._attend(h, encoded, owner)
        return self._weights, self._place

    def _attend(self, h, encoded, owner):
        # Keep what `backward` needs; return states and contexts side by side.
        query = h
        if self.kind == "additive":
            query = np.empty((len(h), self.n_in), self.dtype)
            self._query_head.forward(h, query)
        place = np.zeros(len(h) + 1, dtype=np.intp)
        np.cumsum(encoded.n_rows[owner], out=place[1:])
        weights = np.empty(place[-1], self.dtype)
        context = np.empty((len(h), self.n_source), self.dtype)
        attend(
            query,
            encoded.keys,
            encoded.values,
            self._v,
            encoded.start,
            owner,
            place,
            weights,
            context,
        )
        self._h, self._query, self._encoded, self._owner = h, query, encoded, owner
        self._weights, self._place = weights, place
        return np.concatenate([h, context], axis=1)

    def backward(self, dout, g):
        """Return the gradients of the states, and of the encoder's states or None."""
        dz = dout * (1 - self._out * self._out)
        djoined = np.empty_like(self._joined)
        self._head.backward(self._joined, dz, g[self.W], g[self.b], djoined)
        if self.kind is None:
            return djoined, None
        dh = np.ascontiguousarray(djoined[:, : self.n_in])
        values, keys = self._encoded.values, self._encoded.keys
        dquery, dkeys = np.empty_like(self._query), np.empty_like(keys)
        dvalues = np.empty_like(values)
        additive = self.kind == "additive"
        attend_backward(
            np.ascontiguousarray(djoined[:, self.n_in :]),
            self._query,
            keys,
            values,
            self._v,
            self._encoded.start,
            self._owner,
            self._place,
            self._weights,
            np.empty_like(self._weights),
            dquery,
            dkeys,
            dvalues,
            g[self.v][0] if additive else self._dv,
        )
        if additive:
            part = np.empty_like(dh)
            self._query_head.backward(self._h, dquery, g[self.query], None, part)
            dquery = part
        dh += dquery
        part = np.empty_like(values)
        self._key_head.backward(values, dkeys, g[self.keys], None, part)
        dvalues += part
        return dh, dvalues


def tanh(x):
    """Return tanh of an array, with the bits of the kernels."""
    return activation("tanh", x).reshape(x.shape)
