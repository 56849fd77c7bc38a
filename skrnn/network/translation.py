"""Networks that read one sequence and write another one."""

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skrnn._elementary import token_log_proba
from skrnn._recurrence import PackedShape
from skrnn.inputs.packed import PackedBatch, packed_places, packed_rows
from skrnn.network.attention import Attention, Bridge, Encoded
from skrnn.network.inputs import Input, TokenInput
from skrnn.network.layout import Layout
from skrnn.network.parts import Pass, PassOptions, SharedRows, StatesGradient
from skrnn.network.pooling import LastPooling
from skrnn.network.readout import BlockedReadout, Readout, TiedReadout, row_blocks
from skrnn.network.spec import NetworkSpec
from skrnn.network.stack import RecurrentStack

__all__ = ["PairBatch", "TranslationNetwork", "TranslationSpec"]

# A tied table is also the weights of the outputs, which begin small.
TIED_BOUND = 0.1


class PairBatch:
    """Sequences and what they become, each of the two packed by its own lengths.

    Between the encoder and the decoder, rows stand sequence by sequence, in the order
    in which the pairs were given.

    Parameters
    ----------
    source : PackedBatch
    read : list of ndarrays of shape (n_tokens_i + 1,)
        What the decoder reads, in the order in which the pairs were given: the id that
        begins a target, and then its tokens.
    dtype : dtype

    Attributes
    ----------
    target : PackedBatch
        Its `ids` are what the decoder reads.
    source_rows, target_rows : ndarrays of intp
        Where the rows, sequence by sequence, stand in the packed batches.
    owner : ndarray of shape (n_target_rows,), intp
        The pair of each row of the targets, sequence by sequence.
    """

    __slots__ = ("owner", "source", "source_rows", "start", "target", "target_rows")

    def __init__(self, source, read, dtype):
        self.source = source
        self.source_rows, self.start = rows_by_sequence(source)
        lengths = np.array([len(own) for own in read], dtype=np.intp)
        order = np.argsort(-lengths, kind="stable")
        n_active, offset = packed_places(lengths[order])
        step, sequence = packed_rows(n_active, offset)
        first = np.cumsum(lengths) - lengths
        ids = np.concatenate(read)[first[order][sequence] + step].astype(np.int32)
        self.target = PackedBatch(
            np.zeros((len(ids), 0), dtype=dtype),
            n_active,
            offset,
            lengths[order],
            order,
            ids[:, np.newaxis],
        )
        self.target_rows, _ = rows_by_sequence(self.target)
        self.owner = np.repeat(np.arange(len(lengths)), lengths)


def rows_by_sequence(batch):
    """Return where rows stand, sequence by sequence as given, and the first of each."""
    step, sequence = packed_rows(batch.n_active, batch.offset)
    given = batch.order[sequence]
    lengths = np.empty(len(batch.lengths), dtype=np.intp)
    lengths[batch.order] = batch.lengths
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
    rows = np.empty(len(step), dtype=np.intp)
    rows[start[given] + step] = np.arange(len(step))
    return rows, start


class TranslationParts(NamedTuple):
    """The parts of one network, in the order in which data flow through them."""

    input: Input
    stack: RecurrentStack
    pooling: LastPooling
    bridge: Bridge
    target_input: TokenInput
    decoder: RecurrentStack
    attention: Attention
    readout: Readout


@dataclass(frozen=True)
class TranslationSpec(NetworkSpec):
    """What a network that translates is made of; it allocates nothing.

    The encoder is what a `NetworkSpec` describes. The decoder has as many layers and
    units, reads the tokens of the target, and starts from the last states of the
    encoder. What it finds by attention goes into its outputs, and not into its next
    step: so its layers run over a whole target at once.

    Parameters
    ----------
    embedding_size : int
        Columns of the table of target tokens.
    attention : {"general", "additive", None}
    tied : bool
        Whether the weights of the outputs are the table of target tokens.
    """

    embedding_size: int = 64
    attention: str | None = "general"
    tied: bool = True

    def declare(self, layout: Layout) -> TranslationParts:
        """Make the parts and add their parameters to a layout."""
        sizes, kind = self.hidden_layer_sizes, (self.cell, self.activation)
        source = self.input()
        stack = RecurrentStack(sizes, *kind, self.bidirectional)
        pooling = LastPooling()
        n_source = stack.declare(layout, source.declare(layout, self.n_in))
        pooling.declare(layout, n_source)
        bridge = Bridge(sizes, stack.has_memory)
        bridge.declare(layout, n_source)
        bound = TIED_BOUND if self.tied else 1.0
        table = (self.n_out + 1,), (self.embedding_size,)
        target = TokenInput(*table, bound, name="target")
        decoder = RecurrentStack(sizes, *kind, name="decoder")
        n_units = decoder.declare(layout, target.declare(layout, 0))
        n_joined = self.embedding_size if self.tied else n_units
        attention = Attention(self.attention, n_source, n_joined)
        attention.declare(layout, n_units)
        make = BlockedReadout
        if self.tied:
            make = functools.partial(TiedReadout, table="target0.W")
        readout = make(self.n_out)
        readout.declare(layout, n_joined)
        return TranslationParts(
            source, stack, pooling, bridge, target, decoder, attention, readout
        )

    @property
    def begin(self) -> int:
        """The id that the decoder reads before the first token."""
        return self.n_out

    @property
    def can_step(self) -> bool | str:
        """The words of the error: there are no streams."""
        return (
            "A translator cannot follow a stream: it reads the whole sequence before "
            "it writes."
        )


class TranslationNetwork:
    """The parts of a `TranslationSpec`, with the memory of a pass.

    Parameters
    ----------
    spec : TranslationSpec
    options : PassOptions, default=PassOptions()

    Attributes
    ----------
    by_blocks : bool
        False: a prediction looks at all steps of the source.
    """

    by_blocks = False

    def __init__(self, spec, options=None):
        self.spec, self.dtype = spec, np.dtype(spec.dtype)
        self.layout = Layout()
        self.parts = spec.declare(self.layout)
        self.options = PassOptions() if options is None else options
        # What is said of the tokens of the source does not hold for the target's.
        of_targets = replace(self.options, seen_once=(), embedding_dropout=0.0)
        for part in self.parts:
            is_target = part is self.parts.target_input
            part.build(self.dtype, of_targets if is_target else self.options)
        self.n_out, self.n_params = spec.n_out, self.layout.n_params
        self._theta = self._grad = None

    def load(self, theta):
        """Use the current values of these parameters in later passes."""
        if theta is not self._theta:
            self._theta = theta
            self.p = self.layout.bind(theta)
        for part in self.parts:
            part.load(self.p)

    # Forward -------------------------------------------------------------------------

    def hidden_states(self, batch, n_threads=1):
        """Return the states of the encoder, one row for each packed step."""
        return self._read(Pass(batch, n_threads=n_threads)).joined().copy()

    def encode(self, batch, n_threads=1):
        """Return the `Encoded` sequences of a packed batch, in the order given."""
        rows, start = rows_by_sequence(batch)
        return self._encode(Pass(batch, n_threads=n_threads), rows, start)

    def _read(self, run):
        parts = self.parts
        x = parts.input.forward(run)
        x, self._source_mask = self._dropped(x, run, parts.input)
        return parts.stack.forward(x, run)

    def _encode(self, run, rows, start):
        parts = self.parts
        states = self._read(run)
        values = states.joined().take(rows, axis=0)
        pooled = parts.pooling.forward(states, run)
        last = np.empty_like(pooled)
        last[run.batch.order] = pooled
        keys = parts.attention.make_keys(values)
        return Encoded(values, keys, start, parts.bridge.forward(last))

    def _dropped(self, x, run, part):
        """Return rows with a mask of dropout, and the mask or None."""
        shared = isinstance(x, SharedRows)
        rows = x.x if shared else x
        mask = run.mask(rows.shape, self.options.dropout, self.dtype)
        if mask is None:
            return x, None
        kept = np.multiply(rows, mask, out=part.memory("kept", *rows.shape))
        return SharedRows(kept, x.found) if shared else kept, mask

    def rows(self, batch, n_threads=1):
        """Return what the readout reads for the targets of a PairBatch.

        Rows stand sequence by sequence, (n_target_rows, n_columns).
        """
        encoded = self._encode_pairs(batch, n_threads)
        return self._decode(Pass(batch.target, n_threads=n_threads), batch, encoded)

    def weights(self, batch, n_threads=1):
        """Return the attention of the targets of a PairBatch, and each row's place."""
        encoded = self._encode_pairs(batch, n_threads)
        run = Pass(batch.target, n_threads=n_threads)
        h = self._states(run, batch, encoded)
        return self.parts.attention.weights_of(h, encoded, batch.owner)

    def _encode_pairs(self, batch, n_threads):
        run = Pass(batch.source, n_threads=n_threads)
        return self._encode(run, batch.source_rows, batch.start)

    def _states(self, run, batch, encoded):
        # The states of the decoder, sequence by sequence.
        parts = self.parts
        x = parts.target_input.forward(run)
        x, self._target_mask = self._dropped(x, run, parts.target_input)
        order = batch.target.order
        start = [
            [tuple(None if each is None else each[order] for each in pair)]
            for pair in encoded.first
        ]
        states = parts.decoder.forward(x, run, start)
        return states.joined().take(batch.target_rows, axis=0)

    def _decode(self, run, batch, encoded):
        h = self._states(run, batch, encoded)
        return self.parts.attention.forward(h, encoded, batch.owner)

    def step(self, tokens, states, encoded, owner):
        """Return what the readout reads after one more token of each row.

        Parameters
        ----------
        tokens : ndarray of shape (n,), int32
            What the decoder reads.
        states : list of (h, m)
            The states and memories (n, n_units) of each layer, which are replaced.
        encoded : Encoded
        owner : ndarray of shape (n,), intp
            The sequence that each row is about.

        Returns
        -------
        out : ndarray of shape (n, n_columns)
        """
        parts, n = self.parts, len(tokens)
        x = parts.target_input.table_of(0).take(tokens, axis=0)
        shape = PackedShape(np.array([n], dtype=np.int32))
        for k, ((recurrence,), (h, m)) in enumerate(
            zip(parts.decoder.recurrences, states, strict=True)
        ):
            more = {}
            if m is not None:
                more = {"m0": m, "last_m": np.empty_like(m)}
            x = recurrence.forward(shape, x, h0=h, **more).copy()
            states[k] = (x, more.get("last_m"))
        return parts.attention.forward(x, encoded, owner)

    def raw(self, rows):
        """Return the outputs (n, n_out) for some rows that the readout reads."""
        rows = np.ascontiguousarray(rows)
        out = np.empty((len(rows), self.n_out), self.dtype)
        return self.parts.readout.head.forward(rows, out)

    def log_proba(self, rows, codes):
        """Return log p of one token after each of some rows, (n,) in float64."""
        found = np.empty(len(rows))
        scratch = np.empty(self.n_out, self.dtype)
        for block in row_blocks(len(rows)):
            raw = self.raw(rows[block])
            token_log_proba(raw, codes[block], found[block], scratch)
        return found

    # Training ------------------------------------------------------------------------

    def value(self, loss, batch, targets, weight, n_threads=1):
        """Return a loss on a batch of pairs, without dropout."""
        rows = self.rows(batch, n_threads)
        run = Pass(batch.target, n_threads=n_threads)
        return self.parts.readout.value(rows, None, run, loss, targets, weight, self.p)

    def add_gradient(
        self, loss, batch, targets, weight, grad, *, share=1.0, random_state, n_threads
    ):
        """Add the gradient of ``share * loss`` on a batch to `grad`; return its value.

        See `Network.add_gradient`. The targets and the weights have a row for each
        token and each end, sequence by sequence.
        """
        if grad is not self._grad:
            self._grad, self._g = grad, self.layout.bind(grad)
        g, parts = self._g, self.parts
        source = Pass(batch.source, True, random_state, n_threads)
        target = Pass(batch.target, True, random_state, n_threads)
        encoded = self._encode(source, batch.source_rows, batch.start)
        rows = self._decode(target, batch, encoded)
        value, drows = parts.readout.value_and_gradient(
            rows, None, target, loss, targets, weight, self.p, g, share
        )
        dh, dvalues = parts.attention.backward(drows, g)
        dfirst = self._decoder_backward(dh, batch, target, g)
        dlast = parts.bridge.backward(dfirst, g)[batch.source.order]
        dy = None
        if dvalues is not None:
            dy = np.empty_like(dvalues)
            dy[batch.source_rows] = dvalues
        gradient = StatesGradient(dy, dlast)
        self._backward(parts.stack, parts.input, self._source_mask, gradient, g, source)
        return value

    def _decoder_backward(self, dh, batch, run, g):
        # The gradients of the first states, in the order in which pairs were given.
        parts, n_seqs = self.parts, run.shape.n_seqs
        dy = np.empty_like(dh)
        dy[batch.target_rows] = dh
        has_memory = parts.decoder.has_memory

        def room(n_units):
            return np.zeros((n_seqs, n_units), self.dtype)

        dstart = [
            [(room(n), room(n) if has_memory else None)] for n in parts.decoder.sizes
        ]
        self._backward(
            parts.decoder,
            parts.target_input,
            self._target_mask,
            StatesGradient(dy),
            g,
            run,
            dstart,
        )
        back = np.empty(n_seqs, dtype=np.intp)
        back[batch.target.order] = np.arange(n_seqs)
        return [
            tuple(None if each is None else each[back] for each in pair)
            for (pair,) in dstart
        ]

    def _backward(self, stack, part, mask, gradient, g, run, dstart=None):
        # Through recurrent layers and the rows that they read.
        dx = None
        if part.wants_dx:
            dx = part.memory("dx", stack.n_read, part.n_out)
        stack.backward(gradient, g, run, dx=dx, dstart=dstart)
        if part.wants_dx:
            if mask is not None:
                dx *= mask
            part.backward(dx, g, run)
