"""Convolutions in front of a network: what they learn, and what they say of segments.

A network reads segments of steps. With convolutions it reads beside each segment what
random kernels find there: how often, and by how much, their outputs lie over a
threshold.
"""

import math
from dataclasses import dataclass

import numpy as np

from skrnn._convolutions import put_beside
from skrnn._packing import describe
from skrnn.inputs.convolutions import (
    N_SAMPLED,
    TAPS,
    Kernels,
    blocks_of,
    drawn_kernels,
    powers_of_two,
    sampled_outputs,
)
from skrnn.inputs.sequences import center_and_scale, scale_of, statistics_of

__all__ = ["LEAST_POOLED", "ConvolvedSequences", "Convolutions"]

LEAST_POOLED = 2  # steps of a segment, if these are chosen automatically

N_STATISTICS = 2  # of each kernel: the share of its outputs, and the largest
WEIGHT = 0.25  # of outputs beside the steps, which are few: outputs must not drown them
KEPT_BYTES = 1 << 28  # outputs of a training set that are computed once for all epochs


@dataclass(frozen=True)
class Convolutions:
    """Fitted kernels, their thresholds, and the scale of what they read and give.

    Attributes
    ----------
    kernels : Kernels
    threshold : ndarray of shape (n_kernels,), float32
    mean, scale : ndarrays of shape (n_features,), float64
        What features are standardised with before kernels read them.
    out_mean, out_scale : ndarrays of shape (n_out,), float64
        What the outputs are standardised with, to a spread of `WEIGHT`: the shares of
        all kernels, then the largest outputs.
    """

    kernels: Kernels
    threshold: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    out_mean: np.ndarray
    out_scale: np.ndarray

    @property
    def n_out(self):
        """How many numbers describe a segment."""
        return N_STATISTICS * len(self.threshold)

    def pack(self):
        """Return plain values by name."""
        return {
            **self.kernels.pack(),
            "causal": self.kernels.causal,
            "threshold": self.threshold,
            "mean": self.mean,
            "scale": self.scale,
            "out_mean": self.out_mean,
            "out_scale": self.out_scale,
        }

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        rest = ("threshold", "mean", "scale", "out_mean", "out_scale")
        kernels = Kernels.unpack(fields, bool(fields["causal"]))
        return cls(kernels, *(np.ascontiguousarray(fields[name]) for name in rest))

    @classmethod
    def learn(cls, sequences, n_kernels, segment_length, *, causal, seed, weight=None):
        """Draw kernels, and learn thresholds and scales.

        The order of the sequences has no effect, and neither has a split of a sequence
        of weight 2 into two of weight 1.

        Parameters
        ----------
        sequences : Sequences
            Of numbers; NaN is unknown.
        n_kernels : int
        segment_length : int
        causal : bool
            Whether kernels read no step after that of their output.
        seed : int
        weight : ndarray of shape (n_seqs,), float64, or None
        """
        rng = np.random.RandomState([seed, 5])
        dilations = powers_of_two(sequences.lengths)
        taps, dilation, channel = drawn_kernels(
            rng, n_kernels, dilations, sequences.n_features
        )
        quantiles = rng.uniform(0.2, 0.8, size=n_kernels)
        mean, scale = center_and_scale(sequences.statistics(weight))
        kernels = Kernels(TAPS[taps], dilation, channel, bool(causal))
        nothing, one = np.zeros(2 * n_kernels), np.ones(2 * n_kernels)
        threshold = np.zeros(n_kernels, dtype=np.float32)
        learned = cls(kernels, threshold, mean, scale, nothing, one)
        threshold = learned._thresholds(sequences, quantiles, weight)
        learned = cls(kernels, threshold, mean, scale, nothing, one)
        seen, mean, var = learned._moments(sequences, segment_length, weight)
        spread = scale_of(mean, var, np.maximum(seen, 1.0)) / WEIGHT
        return cls(
            kernels,
            threshold,
            learned.mean,
            learned.scale,
            np.where(seen > 0, mean, 0.0),
            np.where(seen > 0, spread, 1.0),
        )

    def outputs(self, sequences, segment_length, steps=None):
        """Return the standardised outputs, (n_segments, n_out), float32.

        The segments of all sequences stand one below the other. 0 is the mean, and
        stands for a segment without a known value. With `steps`, a slice that begins
        with a segment, only of these steps; kernels read those around them.
        """
        found = [
            self._standardised(self._pooled(rows, segment_length))
            for _, rows in self._laid_out(sequences, steps)
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _standardised(self, pooled):
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = pooled.astype(np.float64)
            outputs -= self.out_mean
            outputs /= self.out_scale
            outputs = outputs.astype(np.float32)
        outputs[pooled != pooled] = 0
        return outputs

    def _pooled(self, rows, segment_length):
        parts = self.kernels.pool(rows, self.threshold, segment_length)
        return np.concatenate(parts, axis=1)

    def _laid_out(self, sequences, steps=None):
        """Yield slices of the sequences, and their `Rows`."""
        remedy = "Scale it down, or set convolutions=0."
        fitted = self.mean, self.scale, remedy
        lengths = _within(sequences.lengths, steps)
        for part in blocks_of(lengths, self.kernels.before + self.kernels.after):
            yield part, self.kernels.rows(sequences, part, *fitted, steps=steps)

    def _thresholds(self, sequences, quantiles, weight):
        """Return a quantile of the outputs of each kernel on the training set."""
        stride = max(1, int(sequences.lengths.sum()) // N_SAMPLED)
        weight = np.ones(len(sequences)) if weight is None else weight
        found = [[] for _ in quantiles]
        heavy = [[] for _ in quantiles]
        for part, rows in self._laid_out(sequences):
            sampled = sampled_outputs(self.kernels, rows, stride, weight[part])
            for k, (outputs, weights) in enumerate(sampled):
                found[k].append(outputs)
                heavy[k].append(weights)
        return np.array(
            [
                between_outputs(np.concatenate(outputs), np.concatenate(weights), q)
                for outputs, weights, q in zip(found, heavy, quantiles, strict=True)
            ],
            dtype=np.float32,
        )

    def _moments(self, sequences, segment_length, weight):
        """Return the weight, mean and variance of each output over all segments."""

        def tables():
            for part, rows in self._laid_out(sequences):
                stops = np.cumsum(-(-rows.n_steps // segment_length))
                pooled = self._pooled(rows, segment_length)
                yield part, describe(np.split(pooled, stops[:-1]))

        return statistics_of(tables, self.n_out, weight)


def _within(lengths, steps):
    """Return how many steps of sequences are in a slice; None are all."""
    return lengths if steps is None else np.minimum(lengths, steps.stop) - steps.start


def between_outputs(outputs, weight, q):
    """Return a threshold halfway between an output, a quantile, and the next larger.

    Values on a grid give few distinct outputs, which other programs compute with other
    roundings: a threshold between them separates them all the same.
    """
    if not len(outputs):
        return 0.0
    if (weight == 1).all():  # the outputs below need no order
        first = max(math.ceil(q * len(outputs)) - 1, 0)
        outputs = np.partition(outputs, first)[first:].astype(np.float64)
        at = outputs[0]
        near = at + 1e-5 * (1 + np.abs(at))
        larger = outputs > near
        if not larger.any():
            return near
        return (outputs[~larger].max() + outputs[larger].min()) / 2
    order = np.argsort(outputs, kind="stable")
    outputs = outputs[order].astype(np.float64)
    total = np.cumsum(weight[order])
    at = outputs[np.searchsorted(total, q * total[-1])]
    near = 1e-5 * (1 + np.abs(at))
    last = np.searchsorted(outputs, at + near, side="right")
    if last == len(outputs):
        return at + near
    return (outputs[last - 1] + outputs[last]) / 2


class ConvolvedSequences:
    """Sequences whose packed segments have the outputs of convolutions beside them.

    Parameters
    ----------
    sequences : Sequences
    convolutions : Convolutions
    segment_length : int

    Attributes
    ----------
    splits : bool
        Whether `pack` can gather some of the steps alone.
    reads_around : bool
        True: kernels read steps around a segment, so that sequences which are not too
        long are better packed whole.
    """

    reads_around = True

    def __init__(self, sequences, convolutions, segment_length):
        self.sequences, self.convolutions = sequences, convolutions
        self.splits = sequences.splits
        self._segment_length = segment_length
        self._kept = None

    @property
    def lengths(self):
        """Steps of each sequence."""
        return self.sequences.lengths

    def __len__(self):
        return len(self.sequences)

    def name(self, i):
        """What messages call sequence `i`."""
        return self.sequences.name(i)

    def kept(self):
        """Compute the outputs once for many batches, where memory allows it.

        Of sequences that are in no memory, they are computed for each batch.
        """
        if not self.sequences.in_memory:
            return self
        n_bytes = int(self._n_segments(self.lengths).sum()) * self.convolutions.n_out
        if n_bytes * np.dtype(np.float32).itemsize <= KEPT_BYTES:
            self._kept = self._outputs(self.sequences)
        return self

    def pack(self, indices, encoder, dtype, first=0, stop=None):
        """Gather the sequences `indices` into a `PackedBatch`; see `Sequences.pack`."""
        if indices is None:
            indices = np.arange(len(self))
        batch = self.sequences.pack(indices, encoder, dtype, first, stop)
        if self._kept is None:
            k, steps = self._segment_length, None
            if stop is not None:
                steps = slice(first * k, stop * k)
            outputs, start = self._outputs(self.sequences.take(indices), steps)
            start = start[batch.order]
        else:
            outputs, start = self._kept
            start = start[np.asarray(indices)[batch.order]] + first
        n_rows, n_raw = batch.x.shape
        x = np.empty((n_rows, n_raw + outputs.shape[1]), dtype=batch.x.dtype)
        put_beside(batch.x, outputs, start, batch.lengths, batch.offset, x)
        batch.x = x
        return batch

    def _n_segments(self, lengths):
        return -(-lengths // self._segment_length)

    def _outputs(self, sequences, steps=None):
        """Return the outputs of some sequences, and where those of each one start."""
        outputs = self.convolutions.outputs(sequences, self._segment_length, steps)
        n_segments = self._n_segments(_within(sequences.lengths, steps))
        start = np.cumsum(n_segments) - n_segments
        if not np.isfinite(outputs).all():
            row = np.argwhere(~np.isfinite(outputs))[0, 0]
            i = np.searchsorted(start, row, side="right") - 1
            raise ValueError(
                f"{sequences.name(i)} contains a value that is too large on the scale "
                "of the training set. Scale it down, or set convolutions=0."
            )
        return outputs, start
