"""Counts of n-grams as a model of the next token, by Kneser and Ney."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skrnn._ngram import NgramIndex, check_grams, count_grams, key_type, merge_grams
from skrnn.models.checks import check_wrong_type

__all__ = ["LONGEST_ORDER", "NgramModel", "check_grams_fields"]

LONGEST_ORDER = 32
# Tokens that are counted at once. The work takes 13 bytes for each of them.
PIECE = 2**24


@dataclass(frozen=True, eq=False)
class NgramModel:
    """Interpolated modified Kneser-Ney, of exact counts. A model never changes.

    A token's probability comes from its counts after the `order` - 1 tokens before it.
    Each context gives a part of its counts to the next shorter one, which says how many
    different tokens stand before it where a token follows. The shortest context has no
    token, and gives the same part to all tokens, also to those that were never seen.

    Lines of tokens are arrays of int32. The id `n_tokens`, which isn't a token, stands
    before each text.

    Parameters
    ----------
    n_tokens : int
        Ids of tokens are 0 .. n_tokens - 1.
    grams : ndarray of shape (n_grams, order)
        The distinct n-grams: see ``_ngram.pyx``.
    counts : ndarray of shape (n_grams,), dtype int64
        How often each occurs.

    References
    ----------
    S. Chen and J. Goodman, 1998. An empirical study of smoothing techniques for
    language modeling.
    """

    n_tokens: int
    grams: np.ndarray
    counts: np.ndarray

    @classmethod
    def count(cls, line, order, n_tokens):
        """Return the model of a line of tokens.

        The line is read in pieces, so the memory beside it is bounded: 13 bytes for
        each of 2**24 tokens, and the table of n-grams three times at most.
        """
        grams, counts = cls._empty(order, n_tokens)
        for first in range(0, len(line), PIECE):
            before = min(first, order - 1)
            piece = line[first - before : first + PIECE]
            more = count_grams(piece, before, order, n_tokens)
            grams, counts = merge_grams(grams, counts, *more)
        return cls(n_tokens, grams, counts)

    @staticmethod
    def _empty(order, n_tokens):
        grams = np.empty((0, order), dtype=key_type(n_tokens))
        return grams, np.empty(0, dtype=np.int64)

    def added(self, line):
        """Return the model of what was counted before and of another line."""
        return self.merged(NgramModel.count(line, self.order, self.n_tokens))

    def merged(self, other):
        """Return the model of what two models have counted."""
        merged = merge_grams(self.grams, self.counts, other.grams, other.counts)
        return NgramModel(self.n_tokens, *merged)

    @property
    def order(self):
        """The number of tokens of an n-gram."""
        return self.grams.shape[1]

    @cached_property
    def index(self):
        """The NgramIndex that the grams make; it isn't kept in files and pickles."""
        return NgramIndex(self.grams, self.counts, self.n_tokens)

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("index", None)
        return state

    def probabilities(self, line, context=()):
        """Return the probability of each token of a line, and what its context is.

        Parameters
        ----------
        line : ndarray of shape (n,), dtype int32
        context : array-like of int32, default=()
            What was read before the line.

        Returns
        -------
        p : ndarray of shape (n,)
            1 for the id that stands before a text.
        lengths : ndarray of shape (n,)
            How many tokens of the longest known context there are.
        totals : ndarray of shape (n,)
            How often that context occurs.
        """
        context = np.asarray(context, dtype=np.int32)
        context = context[max(len(context) - self.order + 1, 0) :]
        whole = np.concatenate([context, line]) if len(context) else line
        whole = np.ascontiguousarray(whole, dtype=np.int32)
        return self.index.probabilities(whole, len(context))

    def rows(self, contexts):
        """Return the probabilities of all tokens, and what the contexts are.

        Parameters
        ----------
        contexts : ndarray of shape (n, order - 1), dtype int32
            The tokens that were read, the newest last. -1 stands for what there isn't.

        Returns
        -------
        p : ndarray of shape (n, n_tokens)
        lengths, totals : ndarray of shape (n,)
            As `probabilities` returns them.
        """
        contexts = np.ascontiguousarray(contexts, dtype=np.int32)
        p = np.empty((len(contexts), self.n_tokens))
        lengths, totals = self.index.rows(contexts, p)
        return p, lengths, totals


def check_grams_fields(grams, counts, n_tokens, name):
    """Raise ValueError unless these are the grams of a model."""
    for value in (grams, counts):
        if not isinstance(value, np.ndarray):
            raise check_wrong_type(name, "arrays of n-grams and counts", value)
    if (
        grams.ndim != 2
        or grams.dtype != key_type(n_tokens)
        or not 1 <= grams.shape[1] <= LONGEST_ORDER
        or counts.shape != grams.shape[:1]
        or counts.dtype != np.int64
    ):
        raise ValueError(
            f"{name} must be n-grams of shape (n_grams, order) and {key_type(n_tokens)}"
            " with a count of int64 for each."
        )
    try:
        check_grams(grams, counts, n_tokens)
    except ValueError as error:
        raise ValueError(f"{name} are wrong. {error}") from None
