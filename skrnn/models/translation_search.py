"""The search for the most probable targets, as a function of each sequence alone.

The targets of several sequences grow side by side, one token at a time. No sequence
sees the others: not in its limit, nor in when it stops, nor in what it prefers.
"""

import numpy as np

from skrnn._elementary import best_tokens
from skrnn.network.readout import row_blocks
from skrnn.targets.translations import END

__all__ = ["Rules", "search"]


class Rules:
    """How targets are searched for.

    Parameters
    ----------
    width : int
        How many unfinished targets go on side by side. With 1 the most probable token
        is taken each time.
    length_penalty : float
        A target of n tokens, with its end, is ranked by log p / n**length_penalty.
    least : int
        Tokens that a target has at least, without its end: 0 or 1.
    banned : ndarray of shape (n_out,), uint8
        Tokens that are never written.
    """

    def __init__(self, width, length_penalty, least, banned):
        self.width, self.length_penalty, self.least = width, length_penalty, least
        self.banned = banned

    def rank(self, score, n):
        """Return what targets are ordered by, of log p and the number of tokens."""
        return score / n**self.length_penalty


class Beam:
    """The targets of one sequence: unfinished ones, the best first, and finished ones.

    Parameters
    ----------
    rules : Rules
    limit : int
        Tokens that a target has at most, without its end.
    """

    def __init__(self, rules, limit):
        self.rules, self.limit = rules, limit
        self.live = [(0.0, ())]
        self.finished = []

    def grow(self, tokens, log_p):
        """Add one token to the targets; return the parents of those that go on.

        Parameters
        ----------
        tokens, log_p : lists of lists
            The best tokens after each unfinished target, and their log p.
        """
        candidates = []
        for parent, (score, _) in enumerate(self.live):
            more = zip(tokens[parent], log_p[parent], strict=True)
            candidates += [(score + p, parent, k) for k, p in more if k >= 0]
        candidates.sort(key=lambda each: (-each[0], each[1], each[2]))
        live, parents, width = [], [], self.rules.width
        for place, (score, parent, token) in enumerate(candidates[: 2 * width]):
            written = self.live[parent][1]
            if token != END:
                live.append((score, (*written, token)))
                parents.append(parent)
            elif place < width:
                rank = self.rules.rank(score, len(written) + 1)
                self.finished.append((rank, score, written))
            if len(live) == width:
                break
        self.finished.sort(key=lambda each: -each[0])
        self.live = live
        if self._is_done():
            self.live, parents = [], []
        return parents

    def close(self, log_p):
        """End all unfinished targets, which have the largest length."""
        for (score, written), p in zip(self.live, log_p, strict=True):
            rank = self.rules.rank(score + p, len(written) + 1)
            self.finished.append((rank, score + p, written))
        self.finished.sort(key=lambda each: -each[0])
        self.live = []

    def _is_done(self):
        if not self.live or len(self.finished) < self.rules.width:
            return not self.live
        if self.rules.width == 1:
            return True
        # The longest targets are divided by most: no later one can be ranked higher.
        best = self.rules.rank(self.live[0][0], self.limit + 1)
        return best <= self.finished[self.rules.width - 1][0]


def search(network, encoded, limits, rules):
    """Return the finished targets of each sequence.

    Parameters
    ----------
    network : TranslationNetwork
    encoded : Encoded
    limits : list of int
        Tokens that a target of each sequence has at most, without its end.
    rules : Rules

    Returns
    -------
    found : list of lists of (rank, score, codes)
        The best first; `score` is log p of the target and its end.
    """
    beams = [Beam(rules, limit) for limit in limits]
    owner = np.arange(len(beams))
    read = np.full(len(beams), network.spec.begin, dtype=np.int32)
    states = list(encoded.first)
    n_written = 0
    while len(owner):
        out = network.step(read, states, encoded, owner)
        starts = np.flatnonzero(np.diff(owner, prepend=-1)).tolist()
        stops = [*starts[1:], len(owner)]
        tokens, log_p = _best(network, out, rules, n_written < rules.least)
        ends = None
        parents, kept = [], []
        for start, stop in zip(starts, stops, strict=True):
            beam = beams[owner[start]]
            if n_written >= beam.limit:
                if ends is None:
                    ends = _log_p_of_end(network, out)
                beam.close(ends[start:stop])
                continue
            more = beam.grow(tokens[start:stop], log_p[start:stop])
            parents += [start + parent for parent in more]
            kept += beam.live
        parents = np.array(parents, dtype=np.intp)
        owner = owner[parents]
        read = np.array([written[-1] for _, written in kept], dtype=np.int32)
        states = [
            tuple(None if each is None else each[parents] for each in pair)
            for pair in states
        ]
        n_written += 1
    return [beam.finished for beam in beams]


def _best(network, out, rules, without_end):
    """Return the best tokens after each row, and their log p, as lists of lists."""
    banned, n_best = rules.banned, min(2 * rules.width, network.n_out)
    if without_end:
        banned = banned.copy()
        banned[END] = 1
    tokens = np.empty((len(out), n_best), dtype=np.intp)
    log_p = np.empty((len(out), n_best))
    scratch = np.empty(network.n_out, network.dtype)
    for rows in row_blocks(len(out)):
        raw = network.raw(out[rows])
        best_tokens(raw, tokens[rows], log_p[rows], banned, scratch)
    return tokens.tolist(), log_p.tolist()


def _log_p_of_end(network, out):
    """Return log p of the end after each row, as a list."""
    return network.log_proba(out, np.full(len(out), END, dtype=np.intp)).tolist()
