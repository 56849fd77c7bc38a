"""The data of a training: batches of packed rows, their targets and their weights."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from skrnn._ctc import LabelSequences
from skrnn._elementary import total_weight
from skrnn.inputs.packed import packed_rows
from skrnn.training.options import TrainingOptions

__all__ = ["BLOCK_ROWS", "Data", "LabelData", "SequenceData", "StepData"]

SHUFFLED_BLOCK = 1024  # items of a block that is shuffled by itself
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
    ordinary_weight : float
        What stands for the mean weight where only a part of all data is known.
    n_batches : int or None
        Batches of an epoch, if the learning rate changes before each of them. None if
        it changes between epochs.
    """

    used: np.ndarray
    mean_weight: float | None
    ordinary_weight: float = 1.0
    n_batches: int | None = None

    def batches(
        self, random_state: np.random.RandomState, options: TrainingOptions
    ) -> Iterator[np.ndarray]:
        """Yield the indices of the items of each batch of one epoch."""
        indices = self.used
        if options.shuffle:
            by_blocks = isinstance(options.shuffle, str)
            draw = blocks_in_random_order if by_blocks else _in_random_order
            indices = indices[draw(len(indices), random_state)]
        indices = indices[: options.epoch_size]
        for start in range(0, len(indices), options.batch_size):
            yield indices[start : start + options.batch_size]

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed batch of some items, its targets and its weights."""

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the indices of all used items, by blocks of bounded size."""

    def weight_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the weights of some items, (n_items,)."""


class SequenceData(Data):
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

    def __init__(
        self,
        sequences: Any,
        encoder: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
    ) -> None:
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

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed batch of some sequences, its targets and its weights."""
        batch = self.sequences.pack(indices, self.encoder, dtype)
        rows = indices[batch.order]
        return batch, self.y[rows], self.sample_weight[rows]

    def weight_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the weights of some sequences, (n_seqs,)."""
        return self.sample_weight[indices]

    def blocks(self) -> Iterator[np.ndarray]:
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


class StepData(SequenceData):
    """Sequences with a target for each step.

    Parameters
    ----------
    sequences : Sequences
    encoder : StepEncoder
    y : ndarray of shape (n_seqs,), dtype object
        An array of numbers (n_steps_i,) for each sequence: codes of classes, -1 for
        none; or numbers, NaN for none.
    sample_weight : ndarray of shape (n_seqs,), of float64 or of arrays, default=None
        Weights of the sequences, or of their steps.
    whole : bool, default=False
        Whether the loss looks at whole sequences and takes care of steps without a
        target by itself.
    """

    def __init__(
        self,
        sequences: Any,
        encoder: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        whole: bool = False,
    ) -> None:
        lengths = np.array([len(item) for item in y], dtype=np.intp)
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._targets = np.concatenate(list(y)) if len(y) else np.zeros(0)
        weight = np.ones(len(self._targets))
        if sample_weight is not None and sample_weight.dtype == object:
            weight = np.concatenate(list(sample_weight))
        elif sample_weight is not None:
            weight = np.repeat(sample_weight, lengths)
        numbers = self._targets.dtype.kind == "f"
        known = ~np.isnan(self._targets) if numbers else self._targets >= 0
        counted = np.where(known, weight, 0.0)
        self._weight = weight if whole else counted
        if numbers:
            self._targets = np.where(known, self._targets, 0.0)[:, np.newaxis]
        elif not whole:
            self._targets = np.maximum(self._targets, 0)
        total = np.add.accumulate(np.concatenate([[0.0], counted]))
        by_sequence = total[self._starts[1:]] - total[self._starts[:-1]]
        if len(y) and not by_sequence.any():
            raise ValueError("No step that has a target has a positive sample weight.")
        super().__init__(sequences, encoder, y, by_sequence)

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed batch of sequences, targets and weights of its rows."""
        if self.encoder.segment_length > 1:
            # Sequences of equally many segments are sorted by their steps, too.
            lengths = self.sequences.lengths[indices]
            indices = indices[np.argsort(-lengths, kind="stable")]
        batch = self.sequences.pack(indices, self.encoder, dtype)
        steps = batch if self.encoder.segment_length == 1 else batch.by_step()
        rows = packed_steps(steps, self._starts[indices[batch.order]])
        return batch, self._targets[rows], self._weight[rows]


class LabelData(SequenceData):
    """Sequences with labels in order, which no step is given.

    Parameters
    ----------
    sequences : Sequences
    encoder : StepEncoder
    y : ndarray of shape (n_seqs,), dtype object
        An array of codes from 1 on for each sequence.
    sample_weight : ndarray of shape (n_seqs,), dtype float64, default=None
    n_symbols : int
        Labels and the blank.
    """

    def __init__(
        self,
        sequences: Any,
        encoder: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        n_symbols: int,
    ) -> None:
        super().__init__(sequences, encoder, y, sample_weight)
        self.n_symbols = n_symbols

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed batch of some sequences, its labels and its weights."""
        batch, codes, weight = super().batch(indices, dtype)
        return batch, LabelSequences(codes, self.n_symbols), weight


def _in_random_order(n_items: int, random_state: np.random.RandomState) -> np.ndarray:
    return random_state.permutation(n_items)


def blocks_in_random_order(
    n_items: int, random_state: np.random.RandomState
) -> np.ndarray:
    """Return an order of items in which neighbours stay near each other, (n_items,)."""
    order = []
    for block in random_state.permutation(-(-n_items // SHUFFLED_BLOCK)):
        start = block * SHUFFLED_BLOCK
        n = min(SHUFFLED_BLOCK, n_items - start)
        order.append(start + random_state.permutation(n))
    return np.concatenate(order)


def packed_steps(batch: Any, starts: np.ndarray) -> np.ndarray:
    """Return where the target of each packed row stands.

    Parameters
    ----------
    batch : PackedBatch
    starts : ndarray of shape (n_seqs,)
        Where the first target of each sequence stands, in packed order.
    """
    step, sequence = packed_rows(batch.n_active, batch.offset)
    return starts[sequence] + step
