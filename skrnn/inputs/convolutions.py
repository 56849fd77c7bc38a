"""Random convolutions: which kernels there are, and what they read of sequences.

The kernels are those of MiniRocket: nine taps, of which three are 2 and six are -1. So
a kernel does not see the level of a sequence, only its shape.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from skrnn._convolutions import N_TAPS, count, outputs_at, pool

__all__ = [
    "N_SAMPLED",
    "TAPS",
    "Kernels",
    "Rows",
    "all_kernels",
    "blocks_of",
    "drawn_kernels",
    "drawn_sums",
    "even_quantiles",
    "lay_out",
    "long_length",
    "powers_of_two",
    "sampled_outputs",
    "taps_of",
    "weights_of",
]

TAPS = np.array(list(combinations(range(N_TAPS), 3)), dtype=np.intc)  # (84, 3)
BLOCK = 1 << 18  # how many values are laid out at once
N_SUMS = 64  # how many sums of features the kernels of whole sequences read
N_SAMPLED = 1 << 16  # how many outputs of a kernel a threshold is chosen by


@dataclass(frozen=True)
class Kernels:
    """Kernels of nine taps, those of the same channel and dilation side by side.

    Attributes
    ----------
    taps : ndarray of shape (n_kernels, 3), intc
        Which of the nine taps are 2; the others are -1.
    dilation : ndarray of shape (n_kernels,), intc
        How many steps the taps are apart.
    channel : ndarray of shape (n_kernels,), intc
        Which feature a kernel reads.
    causal : bool
        Whether an output belongs to the last step that it reads, and not to the middle.
    """

    taps: np.ndarray
    dilation: np.ndarray
    channel: np.ndarray
    causal: bool = False

    @property
    def n_before(self):
        """How many of the taps lie before the step of an output."""
        return N_TAPS - 1 if self.causal else (N_TAPS - 1) // 2

    @property
    def before(self):
        """How many steps before its own an output reads, at most."""
        return self.n_before * int(self.dilation.max())

    @property
    def after(self):
        """How many steps after its own an output reads, at most."""
        return (N_TAPS - 1 - self.n_before) * int(self.dilation.max())

    def pack(self):
        """Return plain values by name, without `causal`."""
        return {"taps": self.taps, "dilation": self.dilation, "channel": self.channel}

    @classmethod
    def unpack(cls, fields, causal=False):
        """Return what `pack` was made of."""
        names = ("taps", "dilation", "channel")
        arrays = [np.ascontiguousarray(fields[name], dtype=np.intc) for name in names]
        return cls(*arrays, causal)

    def rows(self, sequences, part, mean, scale, remedy, sums=None, steps=None):
        """Return some sequences as `Rows` that these kernels read.

        Parameters
        ----------
        sequences : Sequences
        part : slice
            Which of the sequences.
        mean, scale, sums, steps
            As in `lay_out`.
        remedy : str
            What a message advises against a value that is too large.
        """
        arrays = [sequences.numbers(i) for i in range(part.start, part.stop)]
        around = self.before, self.after
        rows, bad = lay_out(arrays, mean, scale, *around, sums, steps)
        if rows is None:
            raise ValueError(
                f"{sequences.name(part.start + bad)} contains a value that is too "
                f"large on the scale of the training set. {remedy}"
            )
        return rows

    def pool(self, rows, threshold, pool_length):
        """Return the share of outputs over the threshold, and the largest, by segments.

        Parameters
        ----------
        rows : Rows
        threshold : ndarray of shape (n_kernels,), float32
        pool_length : int

        Returns
        -------
        share, largest : ndarrays of shape (n_segments, n_kernels), float32
            The segments of all sequences, one below the other.
        """
        n_segments = int((-(-rows.n_steps // pool_length)).sum())
        share = np.empty((n_segments, len(self.taps)), dtype=np.float32)
        largest = np.empty_like(share)
        pool(
            *rows.arguments(),
            self.n_before,
            self.taps,
            self.dilation,
            self.channel,
            threshold,
            pool_length,
            share,
            largest,
        )
        return share, largest

    def count(self, pieces, first, threshold, whole):
        """Return the shares of all outputs over thresholds, (n_seqs, n_thresholds).

        Parameters
        ----------
        pieces : iterable of Rows
            The same sequences, some steps after the other. A piece of all steps is
            enough.
        first : ndarray of shape (n_kernels + 1,), intp
            Kernel k has the thresholds from ``first[k]`` to ``first[k + 1]``.
        threshold : ndarray of shape (n_thresholds,), float32
        whole : ndarray of shape (n_kernels,), uint8
            Whether outputs that read beyond the sequence count.

        Returns
        -------
        share : ndarray of shape (n_seqs, n_thresholds), float32
            NaN where no output counts.
        """
        over = None
        for rows in pieces:
            if over is None:
                n_seqs = len(rows.n_steps)
                over = np.zeros((n_seqs, len(threshold)), dtype=np.intc)
                counted = np.zeros((n_seqs, len(self.taps)), dtype=np.intc)
            count(
                *rows.arguments(),
                rows.begin,
                rows.length,
                self.n_before,
                self.taps,
                self.dilation,
                self.channel,
                first,
                threshold,
                whole,
                over,
                counted,
            )
        counted = np.repeat(counted, np.diff(first), axis=1).astype(np.float32)
        share = np.full(over.shape, np.nan, dtype=np.float32)
        return np.divide(over.astype(np.float32), counted, out=share, where=counted > 0)


@dataclass(frozen=True)
class Rows:
    """Sequences end to end, each between as many values as the kernels read.

    These are zeros before the first step of a sequence and after the last one.

    Attributes
    ----------
    values : ndarray of shape (n_channels, n_values), float32
        Standardised values; 0 is unknown or beyond a sequence.
    unknown : ndarray of shape (n_channels, n_values or 0), uint8
        1 where a value is unknown; no columns if there is no such value.
    start, n_steps : ndarrays of shape (n_seqs,), intp
        Where the steps of a sequence begin, and how many there are.
    begin, length : ndarrays of shape (n_seqs,), intp
        How many steps a sequence has before these, and how many in all.
    """

    values: np.ndarray
    unknown: np.ndarray
    start: np.ndarray
    n_steps: np.ndarray
    begin: np.ndarray
    length: np.ndarray

    def arguments(self):
        """What the compiled loops take first."""
        return self.values, self.unknown, self.start, self.n_steps


def weights_of(taps):
    """Return the nine taps of kernels, (n_kernels, 9), from those that are 2."""
    weights = np.full((len(taps), N_TAPS), -1.0, dtype=np.float32)
    np.put_along_axis(weights, taps.astype(np.intp), np.float32(2), axis=1)
    return weights


def taps_of(weights):
    """Return which taps are 2, (n_kernels, 3); the inverse of `weights_of`."""
    return np.nonzero(weights == 2)[1].astype(np.intc).reshape(-1, 3)


def drawn_kernels(rng, n_kernels, dilations, n_features):
    """Draw kernels; those of the same channel and dilation stand side by side.

    Returns
    -------
    taps : ndarray of shape (n_kernels,)
        Which of `TAPS`.
    dilation, channel : ndarrays of shape (n_kernels,), intc
    """
    drawn = np.column_stack(
        [
            rng.randint(n_features, size=n_kernels),
            rng.choice(dilations, size=n_kernels),
            rng.randint(len(TAPS), size=n_kernels),
        ]
    )
    channel, dilation, taps = drawn[np.lexsort(drawn.T[::-1])].T
    return taps, dilation.astype(np.intc), channel.astype(np.intc)


def long_length(lengths):
    """Return the length that nine in ten sequences do not exceed."""
    return int(np.quantile(lengths, 0.9, method="higher"))


def powers_of_two(lengths):
    """Return the dilations with which a kernel is not longer than a long sequence."""
    widest = max(1.0, (long_length(lengths) - 1) / (N_TAPS - 1))
    return 2 ** np.arange(int(np.log2(widest)) + 1)


def drawn_sums(rng, n_features):
    """Subsets of the features, a row of bools for each: few features more often."""
    if n_features == 1:
        return np.ones((1, 1), dtype=bool)
    sums = np.zeros((N_SUMS, n_features), dtype=bool)
    for row in sums:
        n_chosen = int(2 ** rng.uniform(0, np.log2(min(n_features, 9) + 1)))
        row[rng.choice(n_features, n_chosen, replace=False)] = True
    return sums


def all_kernels(rng, n_features, n_sums, lengths):
    """Return all 84 kernels with many dilations, as MiniRocket has them.

    Parameters
    ----------
    rng : RandomState
        Draws the sum that a kernel reads.
    n_features : int
        Thresholds of all kernels, rounded down to a multiple of 84.
    n_sums : int
        Sums of channels that kernels read.
    lengths : ndarray of shape (n_seqs,)

    Returns
    -------
    kernels : Kernels
    first : ndarray of shape (n_kernels + 1,), intp
        Kernel k has the thresholds from ``first[k]`` to ``first[k + 1]``.
    whole : ndarray of shape (n_kernels,), uint8
        Whether outputs that read beyond the sequence count.
    """
    dilations, n_thresholds = _miniature(n_features // len(TAPS), long_length(lengths))
    n_dilations = len(dilations)
    channel = rng.randint(n_sums, size=n_dilations * len(TAPS))
    which = np.repeat(np.arange(n_dilations), len(TAPS))
    taps = np.tile(np.arange(len(TAPS)), n_dilations)
    order = np.lexsort([taps, which, channel])
    which, taps, channel = which[order], taps[order], channel[order]
    kernels = Kernels(TAPS[taps], dilations[which], channel.astype(np.intc))
    first = np.concatenate([[0], np.cumsum(n_thresholds[which])]).astype(np.intp)
    return kernels, first, ((which + taps) % 2 == 0).astype(np.uint8)


def even_quantiles(n):
    """Return n numbers that fill the interval from 0 to 1 evenly, in no order."""
    # Multiples of the golden ratio, modulo 1.
    return np.arange(1, n + 1) * ((np.sqrt(5) + 1) / 2) % 1


def _miniature(per_kernel, n_steps):
    """Dilations, spread evenly by their logarithms, and how many thresholds each has.

    Parameters
    ----------
    per_kernel : int
        Thresholds of a kernel of 84 with all its dilations.
    n_steps : int
        Length of a sequence, which the widest kernel spans.
    """
    widest = np.log2(max(n_steps - 1, 8) / 8)
    spread = np.logspace(0, widest, min(per_kernel, 32), base=2).astype(np.intc)
    dilations, counts = np.unique(spread, return_counts=True)
    n_thresholds = counts * per_kernel // len(spread)
    rest = per_kernel - int(n_thresholds.sum())
    n_thresholds[:rest] += 1
    return dilations, n_thresholds


def blocks_of(lengths, around, most=BLOCK):
    """Yield slices of sequences that are laid out at once.

    Parameters
    ----------
    lengths : ndarray of shape (n_seqs,)
    around : int
        How many zeros a sequence stands between.
    most : int, default=BLOCK
        Steps and zeros in a slice, unless it is one sequence.
    """
    start, size = 0, 0
    for stop, length in enumerate(lengths.tolist()):
        size += length + around
        if size > most and stop > start:
            yield slice(start, stop)
            start, size = stop, length + around
    if start < len(lengths):
        yield slice(start, len(lengths))


def lay_out(arrays, mean, scale, before, after, sums=None, steps=None):
    """Standardise sequences, and lay them end to end.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_steps, n_channels)
    mean, scale : ndarrays of shape (n_channels,), float64
    before, after : int
        How many values, or zeros, stand before and after each.
    sums : ndarray of shape (n_sums, n_channels), dtype bool, default=None
        Sums of channels that are laid out in place of these.
    steps : slice, default=None
        Which steps of each are laid out; None are all.

    Returns
    -------
    rows : Rows
    bad : int
        The first sequence with a value that is too large for float32, or -1.
    """
    length = np.array([len(array) for array in arrays], dtype=np.intp)
    begin, stop = np.zeros_like(length), length
    if steps is not None:
        begin, stop = begin + steps.start, np.minimum(length, steps.stop)
    n_steps = stop - begin
    whole = n_steps + before + after
    start = np.cumsum(whole) - whole + before
    n_channels = len(mean) if sums is None else len(sums)
    values = np.zeros((n_channels, int(whole.sum())), dtype=np.float32)
    unknown = None
    for i, array in enumerate(arrays):
        seen = slice(max(begin[i] - before, 0), min(stop[i] + after, length[i]))
        with np.errstate(over="ignore", invalid="ignore"):
            part = ((array[seen].astype(np.float64) - mean) / scale).T
            if sums is not None:
                part = _added(part, sums)
            part = part.astype(np.float32)
        shift = start[i] - begin[i]
        at = slice(seen.start + shift, seen.stop + shift)
        missing = part != part
        if missing.any():
            if unknown is None:
                unknown = np.zeros(values.shape, dtype=np.uint8)
            unknown[:, at] = missing
            part = np.where(missing, np.float32(0), part)
        # An output adds nine values, three of them three times.
        if not (np.abs(part) < np.finfo(np.float32).max / 32).all():
            return None, i
        values[:, at] = part
    if unknown is None:
        unknown = np.zeros((n_channels, 0), dtype=np.uint8)
    return Rows(values, unknown, start, n_steps, begin, length), -1


def _added(steps, sums):
    """Add channels one after the other, so that no batch changes a bit."""
    added = np.zeros((len(sums), steps.shape[1]))
    for row, chosen in zip(added, sums, strict=True):
        for channel in np.flatnonzero(chosen):
            row += steps[channel]
    return added


def sampled_outputs(kernels, rows, stride, weight=None):
    """Yield for each kernel its outputs at every so many known steps.

    Which steps these are depends on the lengths alone, so that the order of the
    sequences does not matter.

    Parameters
    ----------
    kernels : Kernels
    rows : Rows
    stride : int
        How many steps lie from one output to the next in a sequence.
    weight : ndarray of shape (n_seqs,), default=None
        What an output of each sequence weighs.

    Yields
    ------
    outputs : ndarray of float32
        With the weights of the outputs, a pair of arrays.
    """
    places = [
        np.arange(min(stride, n) // 2, n, stride, dtype=np.intp) + start
        for start, n in zip(rows.start.tolist(), rows.n_steps.tolist(), strict=True)
    ]
    if weight is not None:
        weight = np.repeat(weight, [len(each) for each in places])
    places = np.concatenate(places)
    for taps, dilation, channel in zip(
        kernels.taps, kernels.dilation.tolist(), kernels.channel, strict=True
    ):
        at, heavy = places, weight
        if rows.unknown.shape[1]:
            known = rows.unknown[channel, places] == 0
            at, heavy = places[known], None if weight is None else weight[known]
        outputs = np.empty(len(at), dtype=np.float32)
        outputs_at(rows.values[channel], at, kernels.n_before, taps, dilation, outputs)
        yield outputs if weight is None else (outputs, heavy)
