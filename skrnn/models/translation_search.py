"""The search for the most probable targets, as a function of each sequence alone.

The targets of several sequences grow side by side, one token at a time. No sequence
sees the others: not in its limit, nor in when it stops, nor in what it prefers.
"""

import numpy as np

from skrnn._beam import grow
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
        self.width, self.least = width, least
        self.length_penalty = float(length_penalty)
        self.banned = banned

    def rank(self, score, n):
        """Return what targets are ordered by, of log p and the number of tokens."""
        try:
            return score / n**self.length_penalty
        except OverflowError:
            return -0.0


class Beam:
    """The targets of one sequence.

    Parameters
    ----------
    rules : Rules
    limit : int
        Tokens that a target has at most, without its end.

    Attributes
    ----------
    finished : list of (rank, score, codes)
        The best first.
    """

    def __init__(self, rules, limit):
        self.rules, self.limit = rules, limit
        self.finished = []

    def sort_out(self, candidates, written):
        """Finish what ends; return the candidates that go on.

        Parameters
        ----------
        candidates : iterable of (score, row, token)
            The best first.
        written : list of tuples
            The tokens of each row.
        """
        live, width = [], self.rules.width
        for place, candidate in enumerate(candidates):
            score, row, token = candidate
            if token != END:
                live.append(candidate)
                if len(live) == width:
                    break
            elif place < width:
                self._finish(score, written[row])
        return [] if self._is_done(live) else live

    def close(self, scores, log_p, written):
        """End all unfinished targets, which have the largest length."""
        for score, p, codes in zip(scores, log_p, written, strict=True):
            self._finish(score + p, codes)

    def _finish(self, score, codes):
        self.finished.append((self.rules.rank(score, len(codes) + 1), score, codes))
        # Among equal ranks, the target that was found first stays first.
        self.finished.sort(key=lambda each: -each[0])

    def _is_done(self, live):
        if not live or len(self.finished) < self.rules.width:
            return False
        if self.rules.width == 1:
            return True
        # The longest targets are divided by most: no later one can be ranked higher.
        best = self.rules.rank(live[0][0], self.limit + 1)
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
    # Unfinished targets: whose they are, their log p and their tokens, which are read
    # one by one.
    owner, score = np.arange(len(beams)), np.zeros(len(beams))
    written = [()] * len(beams)
    read = np.full(len(beams), network.spec.begin, dtype=np.int32)
    states, n_written = list(encoded.first), 0
    while len(owner):
        out = network.step(read, states, encoded, owner)
        new = np.flatnonzero(owner[1:] != owner[:-1]) + 1
        start = np.array([0, *new.tolist(), len(owner)], dtype=np.intp)
        own = [beams[i] for i in owner[start[:-1]].tolist()]
        if any(n_written >= beam.limit for beam in own):
            _close(network, out, own, start.tolist(), n_written, score, written)
        candidates = _candidates(network, out, rules, score, start, n_written)
        live = []
        for beam, each in zip(own, candidates, strict=True):
            if n_written < beam.limit:
                live += beam.sort_out(each, written)
        score = np.array([score for score, _, _ in live])
        rows = np.array([row for _, row, _ in live], dtype=np.intp)
        read = np.array([token for _, _, token in live], dtype=np.int32)
        written = [(*written[row], token) for _, row, token in live]
        owner = owner[rows]
        states = [
            tuple(None if each is None else each[rows] for each in pair)
            for pair in states
        ]
        n_written += 1
    return [beam.finished for beam in beams]


def _close(network, out, beams, start, n_written, score, written):
    """End the targets of the sequences that have reached their limit."""
    codes = np.full(len(out), END, dtype=np.intp)
    log_p = network.log_proba(out, codes).tolist()
    for i, beam in enumerate(beams):
        if n_written >= beam.limit:
            rows = slice(start[i], start[i + 1])
            beam.close(score[rows].tolist(), log_p[rows], written[rows])


def _candidates(network, out, rules, score, start, n_written):
    """Yield (score, row, token) of the best ways on, for one sequence after another."""
    tokens, log_p = _best(network, out, rules, n_written < rules.least)
    shape = len(start) - 1, 2 * rules.width
    parent, token = np.empty(shape, dtype=np.intp), np.empty(shape, dtype=np.intp)
    total, n = np.empty(shape), np.empty(shape[0], dtype=np.intp)
    grow(tokens, log_p, score, start, parent, token, total, n)
    found = zip(
        n.tolist(), total.tolist(), parent.tolist(), token.tolist(), strict=True
    )
    for size, *columns in found:
        yield list(zip(*columns, strict=True))[:size]


def _best(network, out, rules, without_end):
    """Return the best tokens after each row, and their log p, (n, n_best) each."""
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
    return tokens, log_p
