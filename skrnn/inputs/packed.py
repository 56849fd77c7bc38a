"""Batches of sequences as a network reads them, and what becomes of each step."""

from functools import cached_property

import numpy as np

__all__ = [
    "PackedBatch",
    "Places",
    "StepEncoder",
    "auto_segment_length",
    "packed_places",
    "packed_rows",
]


class StepEncoder:
    """What happens to a step before a network reads it.

    A value becomes ``(value - mean) / scale``, computed in float64. A network reads
    `segment_length` consecutive steps at once: all channels of the first, then all of
    the second, and so on; a last segment that is not full repeats the last step.

    Parameters
    ----------
    n_features : int
        Features per step of the sequences.
    mean, scale : array-like of shape (n_features,) or None
        What values are standardised with; None for 0 and for 1.
    segment_length : int
        How many steps are read at once.
    missing : {"error", "indicator"}
        With "indicator" a step has twice as many channels: the values, `fill` where
        they are NaN, then for each whether it is known (1) or not (0).
    fill : array-like of shape (n_features,) or None
        What stands for an unknown value, after standardisation; None for 0, which is
        the mean.

    Attributes
    ----------
    n_in : int
        Channels that the network reads at once.
    """

    def __init__(
        self,
        n_features,
        *,
        mean=None,
        scale=None,
        segment_length=1,
        missing="error",
        fill=None,
    ):
        def tiled(values):
            values = np.ascontiguousarray(values, dtype=np.float64)
            if values.shape != (n_features,):
                raise ValueError(
                    f"Expected one number for each of {n_features} features, got an "
                    f"array of shape {values.shape}."
                )
            return np.tile(values, segment_length)

        self.n_features = n_features
        self.segment_length = segment_length
        self.missing = missing
        self.n_in = segment_length * n_features * (1 + (missing == "indicator"))
        self.mean, self.scale, self.fill = mean, scale, fill
        # As the compiled gather wants them: a number for each that a segment holds.
        self._mean = self._scale = self._fill = None
        if mean is not None or scale is not None or missing == "indicator":
            self._mean = tiled(np.zeros(n_features) if mean is None else mean)
            self._scale = tiled(np.ones(n_features) if scale is None else scale)
            self._fill = tiled(np.zeros(n_features) if fill is None else fill)


class PackedBatch:
    """Sequences side by side, longest first, time-major, without padding.

    Attributes
    ----------
    x : ndarray of shape (n_rows, n_in)
        The rows of step 0 of all sequences, then those of step 1, and so on.
    n_active : ndarray of shape (n_steps,), int32
        How many sequences reach each step; they are the first ones.
    offset : ndarray of shape (n_steps + 1,), intp
        The first row of each step, and the number of rows.
    lengths : ndarray of shape (n_seqs,), intp
        Steps of each sequence as the network counts them, in packed order.
    order : ndarray of shape (n_seqs,), intp
        Packed sequence `b` is the one given as number ``order[b]``. Sequences of the
        same length keep their order.
    ids : ndarray of shape (n_rows, n_categorical), int32, or None
        The ids of the categorical features in the rows of `x`, if there are any; `x`
        has the numbers, then.
    n_steps : ndarray of shape (n_seqs,), intp, or None
        Steps of each sequence as the user counts them, in packed order, if known.
    carry : Carry or None
        The states that the sequences start from, and where their last ones go; None if
        all start from zero.
    """

    __slots__ = (
        "carry",
        "ids",
        "lengths",
        "n_active",
        "n_steps",
        "offset",
        "order",
        "x",
    )

    def __init__(
        self, x, n_active, offset, lengths, order, ids=None, n_steps=None, carry=None
    ):
        self.x = x
        self.n_active = n_active
        self.offset = offset
        self.lengths = lengths
        self.order = order
        self.ids = ids
        self.n_steps = n_steps
        self.carry = carry

    def by_step(self):
        """Return the places of the same sequences, with a row for each single step.

        What the network reads, `x` and `ids`, is not in it. The sequences must be
        sorted by their steps, and not only by their segments.
        """
        lengths = self.n_steps
        if (lengths[1:] > lengths[:-1]).any():
            raise ValueError("The longest sequence of a batch must be the first.")
        n_active, offset = packed_places(lengths)
        return PackedBatch(None, n_active, offset, lengths, self.order)


class Places:
    """Where the rows of sequences stand in a batch that is never held at once.

    The attributes are those of a `PackedBatch`.

    Parameters
    ----------
    lengths : ndarray of shape (n_seqs,), intp
        The longest first.
    """

    def __init__(self, lengths):
        self.lengths, self.order = lengths, np.arange(len(lengths))

    @cached_property
    def _packed(self):
        return packed_places(self.lengths)

    @property
    def n_active(self):
        """How many sequences reach each step, (n_steps,), int32."""
        return self._packed[0]

    @property
    def offset(self):
        """The first row of each step, and the number of rows, (n_steps + 1,)."""
        return self._packed[1]


def packed_places(lengths):
    """Return `n_active` and `offset` of sequences, the longest first."""
    ended = np.cumsum(np.bincount(lengths)[:-1])
    n_active = (len(lengths) - ended).astype(np.int32)
    return n_active, np.concatenate([[0], np.cumsum(n_active, dtype=np.intp)])


def packed_rows(n_active, offset):
    """Return the step and the sequence, in packed order, of each row of a batch."""
    step = np.repeat(np.arange(len(n_active)), n_active)
    return step, np.arange(len(step)) - offset[step]


def auto_segment_length(lengths, sample_weight=None):
    """Choose how many steps are read at once.

    Some twenty to forty recurrent steps carry a gradient well.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(lengths, kind="stable")
    weight = np.ones(len(lengths)) if sample_weight is None else sample_weight
    cumulative = np.cumsum(weight[order])
    median = lengths[order[np.searchsorted(cumulative, cumulative[-1] / 2)]]
    return int(np.clip(median // 20, 1, 16))
