"""Predictions for batches that a network reads some steps at a time."""

from functools import partial

import numpy as np

from skrnn.network.carry import StepCarry
from skrnn.network.parts import Pass, States, join

__all__ = ["StepBlocks"]

# What a network may hold of the rows that it reads at once, and of the states of the
# sequences: it stays in the cache.
BLOCK_BYTES = 1 << 21
# What may be read of sequences that cannot be split, or had better not be.
WHOLE_BYTES = 1 << 23


class StepBlocks:
    """A network that predicts for sequences by reading them some steps at a time.

    The bits are those of a batch that is read at once.

    Parameters
    ----------
    network : Network
    n_threads : int, default=1
    splits : bool, default=True
        Whether the batches can be split.
    whole : bool, default=False
        Whether batches are split only where one sequence is too long: a part of one
        costs more than its share.

    Attributes
    ----------
    can_split : bool
        Whether the network can be given some steps at a time at all.
    splits_freely : bool
        Whether nothing is computed twice, then.
    most_rows, most_seqs : int
        How many rows, and how many sequences, should be read at once.
    """

    def __init__(self, network, n_threads=1, splits=True, whole=False):
        self.network, self.n_threads = network, n_threads
        self.can_split = splits and network.by_blocks
        self.splits_freely = False
        self.most_rows = self.most_seqs = 2**31
        if self.can_split:
            self._measure(network)
        if (whole or not splits) and hasattr(network, "input"):
            row = network.dtype.itemsize * network.input.n_in
            self.most_rows, self.most_seqs = max(1, WHOLE_BYTES // row), 2**31
            self.splits_freely = False

    def _measure(self, network):
        stack = network.stack
        one_way = len(stack.directions) == 1
        self.splits_freely = one_way and not network.pooling.has_weights
        held, widest = network.input.n_out, 0
        if network.input.n_in < network.input.n_out:
            held += network.input.n_in
        for k, (recurrence, *_) in enumerate(stack.recurrences):
            widest = max(widest, recurrence.width)
            # The states of each direction, and those of both side by side.
            if k + 1 < len(stack.sizes) or not network.pools_while_running:
                held += recurrence.width * (1 if one_way else 4)
        size = BLOCK_BYTES // network.dtype.itemsize
        self._block_rows = max(1, size // held)
        self.most_rows = self._block_rows * (1 if self.splits_freely else 4)
        self.most_seqs = max(1, size // (2 * widest))

    def run(self, method, rows, lengths, read, n_answers):
        """Return what a method of the network says of a batch.

        Parameters
        ----------
        method : {"forward", "hidden_states", "attention"}
        rows : ndarray of shape (n_seqs,)
            What `read` calls the sequences.
        lengths : ndarray of shape (n_seqs,)
            Steps of each sequence, the longest first.
        read : callable
            ``read(rows)`` returns a PackedBatch of some sequences, and ``read(rows,
            first, stop)`` only of their steps from `first` on that stand before `stop`.
        n_answers : int
            How many rows there are if the method answers each step.
        """
        network = self.network
        if not self.can_split or lengths.sum() <= self.most_rows:
            batch = read(rows)
            return getattr(network, method)(batch, n_threads=self.n_threads)
        one_way = len(network.stack.directions) == 1
        reader = (OneWay if one_way else BothWays)(self, rows, lengths, read)
        pools = method == "forward"
        if pools and network.pools_while_running:
            pool = network.pooling.running(network.stack, len(lengths))
            run = reader.pool(pool)
            return network.readout.forward(pool.rows(lengths), None, run)
        if network.pooling.has_weights and method != "hidden_states":
            return self._weighted(pools, lengths, reader)
        if pools and network.pooling.running is not None:
            pool = network.pooling.running(network.stack, len(lengths))
            for run, states in reader.states():
                pool.add(states, run.shape)
            return network.readout.forward(pool.rows(lengths), None, run)
        out, row = None, 0
        for run, states in reader.states():
            found = states.joined()
            if pools:
                found = network.readout.forward(found, None, run)
            if out is None:
                out = np.empty((n_answers, *found.shape[1:]), dtype=found.dtype)
            out[row : row + len(found)] = found
            row += len(found)
        return out

    def spans(self, lengths):
        """Yield the first step of each block, the one behind it, and the sequences."""
        first, n_steps = 0, int(lengths[0])
        while first < n_steps:
            n_seqs = int(np.searchsorted(-lengths, -first))
            stop = min(n_steps, first + max(1, self._block_rows // n_seqs))
            yield first, stop, n_seqs
            first = stop

    def _weighted(self, pools, lengths, reader):
        # The weights of all steps are a function of all states, which are made twice.
        pooling = self.network.pooling
        score = np.empty((int(lengths.sum()), 1), dtype=self.network.dtype)
        n_active, row = [], 0
        for run, states in reader.states():
            stop = row + run.shape.n_rows
            pooling.score(states, score[row:stop])
            n_active.append(run.shape.n_active)
            row = stop
        weight = pooling.weights_of(score, np.concatenate(n_active))
        if not pools:
            return weight
        out, row = np.zeros((len(lengths), pooling.n_out), score.dtype), 0
        for run, states in reader.states():
            stop = row + run.shape.n_rows
            pooling.add(states, weight[row:stop], run.shape.n_active, out)
            row = stop
        return self.network.readout.forward(out, None, run)


class OneWay:
    """Reads a batch from the beginning; each block carries its states on.

    Parameters
    ----------
    blocks : StepBlocks
    rows, lengths, read
        As in `StepBlocks.run`.
    """

    def __init__(self, blocks, rows, lengths, read):
        self._network, self._n_threads = blocks.network, blocks.n_threads
        self._spans = partial(blocks.spans, lengths)
        self._rows, self._read = rows, read

    def _passes(self):
        carry = StepCarry(self._network.stack, len(self._rows))
        for first, stop, n_seqs in self._spans():
            batch = self._read(self._rows[:n_seqs], first, stop)
            batch.carry = carry.go_on(n_seqs)
            yield Pass(batch, n_threads=self._n_threads)

    def states(self):
        """Yield the passes of the blocks, and the states of the last layer."""
        for run in self._passes():
            yield run, self._network.states(run)

    def pool(self, pool):
        """Let a RunningPool take all states; return the last pass."""
        for run in self._passes():
            self._network.states(run, pool)
        return run


class BothWays:
    """Reads a batch in both directions, which meet in every layer.

    The states at the borders of blocks are kept, one layer after the other. Those
    within a block are made from them again, whenever the layer above wants them.

    Parameters
    ----------
    blocks : StepBlocks
    rows, lengths, read
        As in `StepBlocks.run`.
    """

    def __init__(self, blocks, rows, lengths, read):
        self._network, self._n_threads = blocks.network, blocks.n_threads
        self._stack = blocks.network.stack
        self._spans = list(blocks.spans(lengths))
        self._rows, self._read = rows, read
        # By layer, direction and block: the states that the block starts from.
        self._starts = [[{}, {}] for _ in self._stack.recurrences]

    def states(self):
        """Yield the passes of the blocks, and the states of the last layer."""
        n_layers = len(self._starts)
        for k in range(n_layers):
            self._mark(k)
        for j in range(len(self._spans)):
            run, h = self._states_of(n_layers - 1, j)
            yield run, States(h, self._stack)

    def pool(self, pool):
        """Let a RunningPool take all states; return the last pass."""
        for k in range(len(self._starts) - 1):
            self._mark(k)
        return self._mark(len(self._starts) - 1, pool)

    def _inputs_of(self, k, j):
        # The pass of block j, and what layer k reads in it.
        if k == 0:
            first, stop, n_seqs = self._spans[j]
            batch = self._read(self._rows[:n_seqs], first, stop)
            run = Pass(batch, n_threads=self._n_threads)
            return run, self._stack.begin(self._network.input.forward(run), run)
        run, h = self._states_of(k - 1, j)
        return run, join(h, self._stack, f"input{k - 1}")

    def _states_of(self, k, j):
        run, x = self._inputs_of(k, j)
        return run, [self._forward(k, d, j, run, x) for d in range(2)]

    def _forward(self, k, d, j, run, x, **options):
        h0, m0 = self._starts[k][d].get(j, (None, None))
        return self._stack.recurrences[k][d].forward(
            run.shape,
            x,
            h0=h0,
            m0=m0,
            starts=None if k else self._stack.start_rows(d),
            n_threads=self._n_threads,
            **options,
        )

    def _mark(self, k, pool=None):
        # Run the layer through all blocks, and keep what each one starts from.
        for d in range(2):
            blocks = range(len(self._spans))
            for j in blocks if d == 0 else reversed(blocks):
                run, x = self._inputs_of(k, j)
                options = {"states": False}
                n_seqs, n_units = run.shape.n_seqs, self._stack.sizes[k]
                if pool is not None:
                    options |= pool.arguments(d, n_seqs)
                shape = (n_seqs, n_units)
                h = options.setdefault("last_h", np.empty(shape, self._stack.dtype))
                m = np.empty_like(h) if self._stack.has_memory else None
                self._forward(k, d, j, run, x, last_m=m, **options)
                after = j + 1 if d == 0 else j - 1
                if 0 <= after < len(self._spans):
                    n_after = self._spans[after][2]
                    pair = tuple(_as_start(each, n_after) for each in (h, m))
                    self._starts[k][d][after] = pair
        return run


def _as_start(last, n_seqs):
    """Return the first states of as many sequences; zeros for those that begin."""
    if last is None:
        return None
    start = np.zeros((n_seqs, last.shape[1]), dtype=last.dtype)
    n = min(n_seqs, len(last))
    start[:n] = last[:n]
    return start
