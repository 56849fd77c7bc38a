"""Whole sequences as MiniRocket describes them: shares of outputs over thresholds."""

from dataclasses import dataclass

import numpy as np

from skrnn._packing import describe
from skrnn.inputs.convolutions import (
    BLOCK,
    N_SAMPLED,
    Kernels,
    all_kernels,
    blocks_of,
    drawn_sums,
    even_quantiles,
    sampled_outputs,
)
from skrnn.inputs.convolved import between_outputs
from skrnn.inputs.sequences import center_and_scale, statistics_of

__all__ = ["N_SHARES", "Shares"]

N_SHARES = 1008  # of a sequence: twelve of each of the 84 kernels
LEAST_STEPS = 256  # that a sequence counts in a block: its shares take memory, too


@dataclass(frozen=True)
class Shares:
    """Fitted kernels and thresholds, and the scale of what they read and give.

    Attributes
    ----------
    kernels : Kernels
        Their channels are sums of features.
    sums : ndarray of shape (n_sums, n_features), dtype bool
        Which features are added.
    first : ndarray of shape (n_kernels + 1,), intp
        Kernel k has the thresholds from ``first[k]`` to ``first[k + 1]``.
    whole : ndarray of shape (n_kernels,), uint8
        Whether outputs that read beyond the sequence count.
    threshold : ndarray of shape (n_shares,), float32
    mean, scale : ndarrays of shape (n_features,), float64
        What features are standardised with before they are added.
    out_mean, out_scale : ndarrays of shape (n_shares,), float64
        What shares are standardised with.
    """

    kernels: Kernels
    sums: np.ndarray
    first: np.ndarray
    whole: np.ndarray
    threshold: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    out_mean: np.ndarray
    out_scale: np.ndarray

    def pack(self):
        """Return plain values by name."""
        return {
            **self.kernels.pack(),
            "sums": self.sums,
            "first": self.first.astype(np.int64),
            "whole": self.whole,
            "threshold": self.threshold,
            "mean": self.mean,
            "scale": self.scale,
            "out_mean": self.out_mean,
            "out_scale": self.out_scale,
        }

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        first = np.ascontiguousarray(fields["first"], dtype=np.intp)
        rest = ("whole", "threshold", "mean", "scale", "out_mean", "out_scale")
        rest = [np.ascontiguousarray(fields[name]) for name in rest]
        return cls(Kernels.unpack(fields), fields["sums"], first, *rest)

    @classmethod
    def learn(cls, sequences, *, seed, weight):
        """Choose kernels, and learn thresholds and scales; return shares, too.

        The order of the sequences has no effect.

        Parameters
        ----------
        sequences : Sequences
            Of numbers; NaN is unknown.
        seed : int
        weight : ndarray of shape (n_seqs,), float64

        Returns
        -------
        shares : Shares
        table : ndarray of shape (n_seqs, n_shares), float64
            What `tables` says of these sequences.
        """
        rng = np.random.RandomState([seed, 6])
        sums = drawn_sums(rng, sequences.n_features)
        kernels, first, whole = all_kernels(rng, N_SHARES, len(sums), sequences.lengths)
        mean, scale = center_and_scale(sequences.statistics(weight))
        n = int(first[-1])
        nothing, one, flat = np.zeros(n), np.ones(n), np.zeros(n, dtype=np.float32)
        found = kernels, sums, first, whole
        threshold = cls(*found, flat, mean, scale, nothing, one)._thresholds(
            sequences, weight
        )
        learned = cls(*found, threshold, mean, scale, nothing, one)

        counted = [table for _, table in learned._counted(sequences)]
        counted = np.concatenate(counted)
        table = describe(list(counted[:, np.newaxis]))
        tables = [(slice(0, len(counted)), table)]
        moments = statistics_of(lambda: tables, n, weight)
        learned = cls(*found, threshold, mean, scale, *center_and_scale(moments, 1.0))
        return learned, learned._scaled(counted)

    def tables(self, sequences):
        """Yield slices of the sequences, and their standardised shares in float64.

        0 is the mean, and stands for the share of a kernel that finds no known value.
        """
        for part, table in self._counted(sequences):
            yield part, self._scaled(table)

    def _scaled(self, table):
        shares = table.astype(np.float64)
        shares -= self.out_mean
        shares /= self.out_scale
        shares[table != table] = 0
        return shares

    def _counted(self, sequences):
        arguments = self.first, self.threshold, self.whole
        for part in self._blocks(sequences):
            yield part, self.kernels.count(self._pieces(sequences, part), *arguments)

    @property
    def _most(self):
        """How many steps are laid out at once."""
        return BLOCK // max(1, len(self.sums) // 4)

    def _blocks(self, sequences):
        around = self.kernels.before + self.kernels.after
        return blocks_of(np.maximum(sequences.lengths, LEAST_STEPS), around, self._most)

    def _pieces(self, sequences, part):
        """Yield `Rows` of some sequences, and of a long one some steps at a time."""
        longest = int(sequences.lengths[part].max())
        if longest <= self._most:
            yield self._rows(sequences, part)
            return
        # Small pieces, since sums of features take more memory than these.
        size = max(self._most // 4, 1)
        for first in range(0, longest, size):
            yield self._rows(sequences, part, slice(first, first + size))

    def _rows(self, sequences, part, steps=None):
        remedy = "Scale it down, or set rocket=False."
        fitted = self.mean, self.scale, remedy, self.sums
        return self.kernels.rows(sequences, part, *fitted, steps)

    def _thresholds(self, sequences, weight):
        """Return quantiles of the outputs of each kernel on the training set."""
        stride = max(1, int(sequences.lengths.sum()) // (N_SAMPLED // 16))
        found = [[] for _ in self.kernels.taps]
        for part in self._blocks(sequences):
            rows = self._rows(sequences, part)
            sampled = sampled_outputs(self.kernels, rows, stride, weight[part])
            for own, more in zip(found, sampled, strict=True):
                own.append(more)
        quantiles = even_quantiles(len(self.threshold))
        threshold = np.empty(len(quantiles), dtype=np.float32)
        for own, a, b in zip(found, self.first, self.first[1:], strict=False):
            outputs, heavy = (np.concatenate(each) for each in zip(*own, strict=True))
            for k in range(a, b):
                threshold[k] = between_outputs(outputs, heavy, quantiles[k])
        return threshold
