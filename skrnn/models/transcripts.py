"""What label sequences the outputs of a network stand for, without their alignment.

All functions take the raw outputs of a packed batch, (n_rows, 1 + n_labels) with the
blank first, and give one item for each sequence, in packed order. Each is a function of
its sequence alone.
"""

import numpy as np

from skrnn._prefixes import prefix_search
from skrnn._recurrence import PackedShape

__all__ = [
    "alignments",
    "best_codes",
    "likeliest_codes",
    "likeliest_labels",
    "log_likelihood",
    "rows_of",
]


def rows_of(batch, b):
    """Return the rows of sequence `b` of a packed batch."""
    return batch.offset[: batch.lengths[b]] + b


def best_codes(raw, batch):
    """Return the labels of the most probable symbol of each step.

    Repeats are one label, and blanks are left out. The first of equal symbols counts.
    """
    symbols = raw.argmax(axis=1)
    return [collapse(symbols[rows_of(batch, b)]) for b in range(len(batch.lengths))]


def collapse(path, before=0):
    """Return the labels of a path of symbols; `before` is the symbol before it."""
    previous = np.concatenate([[before], path[:-1]])
    return path[(path != 0) & (path != previous)]


def log_likelihood(loss, codes, raw, batch):
    """Return log p(labels) of each sequence, minus infinity where it is zero.

    Parameters
    ----------
    loss : CTCLoss
    codes : list of sequences of int
        Codes from 1 on; -1 is a label that there is not.
    raw : ndarray of shape (n_rows, 1 + n_labels)
    batch : PackedBatch
    """
    known = [-1 not in own for own in codes]
    codes = [
        own if is_known else [] for own, is_known in zip(codes, known, strict=True)
    ]
    found = loss.log_likelihood(loss.targets(codes), raw, PackedShape(batch.n_active))
    # Rounding may lift the probability of all that there is above one.
    return np.where(known, np.minimum(found, 0.0), -np.inf)


def likeliest_codes(loss, raw, batch, n, width):
    """Return up to `n` label sequences, the most probable first, and log p of each.

    Candidates are what a prefix search of this width finds, and what `best_codes`
    gives. Their order is that of their probability, over all alignments.

    Returns
    -------
    codes : list of lists of sequences of int
    log_p : list of ndarrays
    """
    each = []
    for b, greedy in enumerate(best_codes(raw, batch)):
        rows = np.ascontiguousarray(raw[rows_of(batch, b)])
        found = prefix_search(loss.predict_log_proba(rows), width)
        if greedy.tolist() not in found:
            found.append(greedy.tolist())
        each.append(found)
    scores = np.full((len(each), max(map(len, each))), -np.inf)
    for k in range(scores.shape[1]):
        of_rank = [own[k] if k < len(own) else [-1] for own in each]
        scores[:, k] = log_likelihood(loss, of_rank, raw, batch)
    return _in_order(each, scores, n)


def likeliest_labels(loss, raw, batch, n):
    """Return the `n` most probable single labels, as `likeliest_codes` does."""
    n_seqs = len(batch.lengths)
    scores = np.empty((n_seqs, loss.n_labels))
    for k in range(loss.n_labels):
        scores[:, k] = log_likelihood(loss, [[k + 1]] * n_seqs, raw, batch)
    each = [[[k + 1] for k in range(loss.n_labels)]] * n_seqs
    return _in_order(each, scores, n)


def _in_order(each, scores, n):
    """Return the n candidates of the largest scores; of equals the first one."""
    codes, log_p = [], []
    for own, row in zip(each, scores, strict=True):
        row = row[: len(own)]
        order = np.argsort(-row, kind="stable")[:n]
        codes.append([own[k] for k in order])
        log_p.append(row[order])
    return codes, log_p


def alignments(loss, codes, raw, batch, segment_length, n_steps):
    """Return where each label stands on the best path that has the labels.

    Parameters
    ----------
    loss : CTCLoss
    codes : list of sequences of int
    raw : ndarray of shape (n_rows, 1 + n_labels)
    batch : PackedBatch
    segment_length : int
        Steps in a row of `raw`.
    n_steps : ndarray of int (n_seqs,)
        Steps of each sequence.

    Returns
    -------
    spans : list of ndarrays of intp (n_labels, 2), or None
        First step, and one past the last step. None where no path has the labels.
    """
    shape = PackedShape(batch.n_active)
    position, possible = loss.align(loss.targets(codes), raw, shape)
    spans = []
    for b in range(len(codes)):
        if not possible[b]:
            spans.append(None)
            continue
        places = position[rows_of(batch, b)]
        labeled = places >= 0
        first = labeled & (places != np.concatenate([[-1], places[:-1]]))
        last = labeled & (places != np.concatenate([places[1:], [-1]]))
        span = np.stack([np.flatnonzero(first), np.flatnonzero(last) + 1], axis=1)
        span *= segment_length
        spans.append(np.minimum(span, n_steps[b]).astype(np.intp))
    return spans
