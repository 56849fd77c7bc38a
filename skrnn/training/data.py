"""The data of a training: batches of packed rows, their targets and their weights."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from skrnn._elementary import total_weight

__all__ = ["BLOCK_ROWS", "Data", "SequenceData"]

BLOCK_ROWS = 8192  # steps (or segments) in a block of a pass over all sequences


class Data(Protocol):
    """The interface of the data that a `Trainer` reads.

    Attributes
    ----------
    used : ndarray of int
        Indices of the items with a positive weight. Only these items count.
    mean_weight : float or None
        The mean weight of the used items. None if the weights of each batch are
        relative to that batch.
    """

    used: np.ndarray
    mean_weight: float | None

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed batch of some items, its targets and its weights."""

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the indices of all used items, by blocks of bounded size."""

    def weight_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the weights of some items, (n_items,)."""


class SequenceData:
    """Sequences with their targets and weights.

    Parameters
    ----------
    sequences : Sequences
    encoder : StepEncoder
        Turns steps into the numbers that the network reads.
    y : ndarray of shape (n_seqs,) or (n_seqs, n_out)
        Targets in the form that the loss reads.
    sample_weight : ndarray of shape (n_seqs,), dtype float64, default=None
        A sequence of weight 0 is never read.
    """

    def __init__(self, sequences, encoder, y, sample_weight=None):
        self.sequences = sequences
        self.encoder = encoder
        self.y = y
        if sample_weight is None:
            sample_weight = np.ones(len(sequences))
        self.sample_weight = sample_weight
        self.used = np.flatnonzero(sample_weight > 0)
        if not len(self.used):
            raise ValueError("No sequence has a positive sample weight.")
        weight = sample_weight[self.used]
        self.mean_weight = total_weight(weight) / len(weight)

    def batch(self, indices, dtype):
        """Return the packed batch of some sequences, its targets and its weights."""
        batch = self.sequences.pack(indices, self.encoder, dtype)
        rows = indices[batch.order]
        return batch, self.y[rows], self.sample_weight[rows]

    def weight_of(self, indices):
        """Return the weights of some sequences, (n_seqs,)."""
        return self.sample_weight[indices]

    def blocks(self):
        """Yield the indices of all sequences, longest first, by bounded blocks."""
        lengths = self.sequences.lengths[self.used]
        order = self.used[np.argsort(-lengths, kind="stable")]
        start = 0
        while start < len(order):
            n_steps = self.sequences.lengths[order[start]]
            n_rows = -(-n_steps // self.encoder.segment_length)
            stop = start + max(16, BLOCK_ROWS // n_rows)
            yield order[start:stop]
            start = stop
