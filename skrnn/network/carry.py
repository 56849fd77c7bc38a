"""States that go on from one batch to the next."""

import numpy as np

__all__ = ["Carry", "StepCarry"]


class Carry:
    """The states of long sequences that a network reads piece by piece.

    A sequence runs in a lane. Each batch has some pieces; a piece starts from the state
    of a lane, or from zero, and may leave its last state in a lane.

    Parameters
    ----------
    n_lanes : int
    """

    def __init__(self, n_lanes):
        self.n_lanes = n_lanes
        self._lanes = None

    def route(self, source, target):
        """Say where the states of the next batch come from and go to.

        Parameters
        ----------
        source, target : ndarrays of shape (n_pieces,), intp
            The lane that each piece goes on with, and the lane that keeps its last
            state; -1 if there is no such state. In packed order.
        """
        self._source, self._target = source, target

    def start(self, stack):
        """Return the first states and memories, or None if all are zero."""
        sizes, dtype = stack.sizes, stack.dtype
        if self._lanes is None:
            shapes = [(self.n_lanes, n) for n in sizes]
            self._lanes = [_pair(stack, shape) for shape in shapes]
        n_pieces = len(self._source)
        self._room = [_pair(stack, (n_pieces, n)) for n in sizes]
        goes_on = self._source >= 0
        if not goes_on.any():
            return None
        start = []
        for lane in self._lanes:
            pair = []
            for kept in lane:
                first = None
                if kept is not None:
                    first = np.zeros((n_pieces, kept.shape[1]), dtype=dtype)
                    first[goes_on] = kept[self._source[goes_on]]
                pair.append(first)
            start.append([tuple(pair)])
        return start

    def room(self):
        """Return arrays for the last states and memories of the batch."""
        return [[pair] for pair in self._room]

    def keep(self):
        """Move the last states to their lanes."""
        stays = self._target >= 0
        for lane, room in zip(self._lanes, self._room, strict=True):
            for kept, found in zip(lane, room, strict=True):
                if kept is not None:
                    kept[self._target[stays]] = found[stays]


class StepCarry:
    """The states of sequences of a batch that is read some steps at a time.

    Sequences leave their last states in place, and go on from there. Those that are
    over are the last ones.

    Parameters
    ----------
    stack : RecurrentStack
        One that reads from the beginning.
    n_seqs : int
    """

    def __init__(self, stack, n_seqs):
        self._states = [_pair(stack, (n_seqs, n)) for n in stack.sizes]
        self._n_seqs, self._begun = n_seqs, False

    def go_on(self, n_seqs):
        """Say how many sequences are not over; return this object."""
        self._n_seqs = n_seqs
        return self

    def start(self, stack):
        """Return the first states and memories, or None if all are zero."""
        return self.room() if self._begun else None

    def room(self):
        """Return arrays for the last states and memories of the batch."""
        n = self._n_seqs
        return [[(h[:n], None if m is None else m[:n])] for h, m in self._states]

    def keep(self):
        """Let the next steps go on from the last states."""
        self._begun = True


def _pair(stack, shape):
    """Arrays of zeros for states and memories; None if the cell has no memory."""
    h = np.zeros(shape, dtype=stack.dtype)
    return h, np.zeros(shape, dtype=stack.dtype) if stack.has_memory else None
