"""How many segments of steps labels need, and how long segments may be."""

import numpy as np


def least_segments(codes):
    """Return how many segments labels need: one each, and one between equals."""
    least = [len(own) + np.count_nonzero(own[1:] == own[:-1]) for own in codes]
    return np.maximum(np.array(least, dtype=np.intp), 1)


def choose_segment_length(lengths, least, sample_weight=None):
    """Return a length that leaves each sequence the segments that its labels need.

    Half of the sequences have sixteen times as many, or more: pen strokes were read
    better so than with longer segments, and no better with shorter ones.

    Parameters
    ----------
    lengths : ndarray of int (n_seqs,)
        Steps of the sequences.
    least : ndarray of int (n_seqs,)
        How many segments the labels of each need.
    sample_weight : ndarray (n_seqs,) or None
    """
    most = min(longest_segments(lengths, least).min(), 16)
    share = lengths / least
    order = np.argsort(share, kind="stable")
    weight = np.ones(len(order)) if sample_weight is None else sample_weight[order]
    total = np.cumsum(weight)
    median = share[order[np.searchsorted(total, total[-1] / 2)]]
    return int(max(1, min(most, median / 16)))


def needed(samples, target):
    """Return how many segments the labels of each of some samples need, (n_seqs,)."""
    if hasattr(samples, "least_segments"):  # those of several shards
        return samples.least_segments
    return least_segments(samples.encoded(target))


def longest_segments(lengths, least):
    """Return the length that segments may have; 0 where there are too few steps."""
    # ceil(length / k) >= least
    return np.where(least > 1, (lengths - 1) // np.maximum(least - 1, 1), lengths)


def check_segments(samples, codes, segment_length, name):
    """Refuse sequences that have fewer segments than their labels need, by name.

    Parameters
    ----------
    samples : Samples
    codes : array of arrays of int
        Their labels.
    segment_length : int
    name : str
        What messages call the labels.
    """
    k, least, lengths = segment_length, least_segments(codes), samples.sequences.lengths
    bad = np.flatnonzero(longest_segments(lengths, least) < k)
    bad = bad[-(-lengths[bad] // k) < least[bad]]
    if not len(bad):
        return
    i = int(bad[0])
    n_labels, n_steps = len(codes[i]), int(lengths[i])
    repeats = int(least[i]) - n_labels
    among = f", {repeats} of them repeats," if repeats else ""
    has = f"{n_steps} steps"
    if k > 1:
        has = f"{-(-n_steps // k)} ({n_steps} steps by segment_length={k})"
    fits = int(longest_segments(lengths[i : i + 1], least[i : i + 1])[0])
    remedy = "Leave it out, or give it more steps."
    if 1 <= fits < k:
        remedy = f"Use segment_length={fits}, or leave it out."
    raise ValueError(
        f"{name}[{samples.rows[i]}] has {n_labels} labels{among} and needs {least[i]} "
        f"{'segments' if k > 1 else 'steps'}, but {samples.sequences.name(i)} has "
        f"{has}. {remedy}"
    )
