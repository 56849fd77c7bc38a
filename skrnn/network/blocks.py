"""Predictions for batches that a network reads some steps at a time."""

from functools import partial

import numpy as np

from skrnn.network.carry import StepCarry
from skrnn.network.parts import Pass

__all__ = ["StepBlocks"]

# What a network may hold of the rows that it reads at once, and of the states of the
# sequences: it stays in the cache.
BLOCK_BYTES = 1 << 21


class StepBlocks:
    """A network that predicts for sequences by reading them some steps at a time.

    The bits are those of a batch that is read at once.

    Parameters
    ----------
    network : Network
    n_threads : int, default=1

    Attributes
    ----------
    can_split : bool
        Whether the network can be given some steps at a time at all.
    most_rows, most_seqs : int
        How many rows, and how many sequences, it reads at once.
    """

    def __init__(self, network, n_threads=1):
        self.network, self._n_threads = network, n_threads
        self.can_split = (
            network.input.by_row
            and len(network.stack.directions) == 1
            and network.pooling.by_blocks
            and not network.readout.reads_states
        )
        stack, n_directions = network.stack, len(network.stack.directions)
        held, widest = network.input.n_out, 0
        if network.input.n_in < network.input.n_out:
            held += network.input.n_in
        for k, (recurrence, *_) in enumerate(stack.recurrences):
            widest = max(widest, recurrence.width)
            # The states of each direction, and those of both side by side.
            if k + 1 < len(stack.sizes) or not network.pools_while_running:
                held += recurrence.width * (1 if n_directions == 1 else 4)
        size = BLOCK_BYTES // network.dtype.itemsize
        self.most_rows = max(1, size // held)
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
            ``read(rows, first, stop)`` returns a PackedBatch of some sequences, with
            the steps from `first` on that stand before `stop`.
        n_answers : int
            How many rows there are if the method answers each step.
        """
        network, pooling = self.network, self.network.pooling
        n_steps = int(lengths[0])
        if not self.can_split or lengths.sum() <= self.most_rows:
            batch = read(rows, 0, n_steps)
            return getattr(network, method)(batch, n_threads=self._n_threads)
        batches = partial(self._batches, rows, lengths, read)
        if method == "forward" and network.pools_while_running:
            return network.forward_blocks(batches(), lengths, self._n_threads)
        if pooling.has_weights and method != "hidden_states":
            return self._weighted(method == "forward", lengths, batches)
        out, row = None, 0
        for batch in batches():
            found = getattr(network, method)(batch, n_threads=self._n_threads)
            if out is None:
                out = np.empty((n_answers, *found.shape[1:]), dtype=found.dtype)
            out[row : row + len(found)] = found
            row += len(found)
        return out

    def _batches(self, rows, lengths, read):
        # Each block carries its states on to the next one.
        carry = StepCarry(self.network.stack, len(lengths))
        first, n_steps = 0, int(lengths[0])
        while first < n_steps:
            n_seqs = int(np.searchsorted(-lengths, -first))
            stop = min(n_steps, first + max(1, self.most_rows // n_seqs))
            batch = read(rows[:n_seqs], first, stop)
            batch.carry = carry.go_on(n_seqs)
            yield batch
            first = stop

    def _weighted(self, pools, lengths, batches):
        # The weights of all steps are a function of all states, which are made twice.
        network, pooling = self.network, self.network.pooling
        score = np.empty((int(lengths.sum()), 1), dtype=network.dtype)
        n_active, row = [], 0
        for run, states in self._states(batches()):
            stop = row + run.shape.n_rows
            pooling.score(states, score[row:stop])
            n_active.append(run.shape.n_active)
            row = stop
        weight = pooling.weights_of(score, np.concatenate(n_active))
        if not pools:
            return weight
        out, row = np.zeros((len(lengths), pooling.n_out), dtype=network.dtype), 0
        for run, states in self._states(batches()):
            stop = row + run.shape.n_rows
            pooling.add(states, weight[row:stop], run.shape.n_active, out)
            row = stop
        return network.readout.forward(out, None, run)

    def _states(self, batches):
        for batch in batches:
            run = Pass(batch, n_threads=self._n_threads)
            yield run, self.network.states(run)
