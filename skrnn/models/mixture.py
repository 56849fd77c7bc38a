"""A network and counts of n-grams, which say together what comes next."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from skrnn._ngram import Mixer, count_groups, groups_of, learn_shares
from skrnn.models.ngram import NgramModel, check_grams_fields

__all__ = ["Mixture", "check_mixture", "split_held_out"]

# What chooses the shares: a part of the texts, of at most so many tokens.
HELD_OUT, MOST_HELD_OUT = 0.05, 20_000
# One text gives pieces of at least so many tokens.
LEAST_PIECE = 1000
# So many tokens of a group speak as loudly as the share of all groups.
PRIOR, N_STEPS = 20.0, 50
# The share of the network if there is nothing to choose it with.
HALF = 0.5


@dataclass(frozen=True, eq=False)
class Mixture:
    """Counts of n-grams, and the share that a network has beside them.

    Texts are read one by one: what comes before a text is no context of its tokens.

    Parameters
    ----------
    ngrams : NgramModel
        Of the tokens that can be predicted.
    share : ndarray of shape (n_groups,)
        The network's share, by the length of the longest known context and by how often
        that context occurs.
    """

    ngrams: NgramModel
    share: np.ndarray

    @classmethod
    def count(cls, texts, order, n_tokens):
        """Return a mixture of the counts of `Texts`; the network has one half."""
        return cls.of(NgramModel.count(line_of(texts, n_tokens), order, n_tokens))

    @classmethod
    def of(cls, ngrams):
        """Return a mixture of an `NgramModel`; the network has one half."""
        return cls(ngrams, np.full(count_groups(ngrams.order), HALF))

    def with_ngrams(self, ngrams):
        """Return the mixture with other counts."""
        return replace(self, ngrams=ngrams)

    def counting(self, texts):
        """Return the mixture with the counts of these texts alone."""
        ngrams = self.ngrams
        line = line_of(texts, ngrams.n_tokens)
        return self.with_ngrams(NgramModel.count(line, ngrams.order, ngrams.n_tokens))

    def added(self, texts):
        """Return the mixture that has counted more texts."""
        line = line_of(texts, self.ngrams.n_tokens)
        return replace(self, ngrams=self.ngrams.added(line))

    def with_share(self, texts, log_p):
        """Return the mixture whose shares make texts most probable.

        Parameters
        ----------
        texts : Texts
            Neither the network nor the counts have seen them.
        log_p : ndarray of shape (n_predictions,)
            What the network says of each token.
        """
        if not len(log_p):
            return self
        line = line_of(texts, self.ngrams.n_tokens)
        p, lengths, totals = self.ngrams.probabilities(line)
        token = line != self.ngrams.n_tokens
        groups = groups_of(lengths[token], totals[token])
        n_groups = len(self.share)
        share = learn_shares(log_p, p[token], groups, n_groups, PRIOR, N_STEPS)
        return replace(self, share=share)

    @cached_property
    def mixer(self):
        """The compiled Mixer; it isn't kept in files and pickles."""
        return Mixer(self.ngrams.index, self.share)

    def __getstate__(self):
        state = self.__dict__.copy()
        state.pop("mixer", None)
        return state

    @property
    def width(self):
        """How many tokens before a token count."""
        return self.ngrams.order - 1

    def mix_tokens(self, texts, log_p):
        """Change the network's log-probabilities of the tokens of texts in place."""
        self.mixer.mix_tokens(line_of(texts, self.ngrams.n_tokens), log_p)

    def mix_rows(self, contexts, log_p):
        """Change log-probabilities of all tokens after some contexts in place."""
        self.mixer.mix_rows(np.ascontiguousarray(contexts, dtype=np.int32), log_p)

    # Contexts: the newest tokens last, -1 before the beginning of a text -------------

    def first_contexts(self, n):
        """Return the contexts at the beginning of `n` texts, (n, order - 1)."""
        contexts = np.full((n, self.width), -1, dtype=np.int32)
        contexts[:, self.width - 1 :] = self.ngrams.n_tokens
        return contexts

    def last_contexts(self, texts):
        """Return the contexts after the last tokens of `Texts`, (n, order - 1)."""
        contexts = np.full((len(texts), self.width), -1, dtype=np.int32)
        for row, start, n in zip(
            contexts, texts.start[:-1].tolist(), texts.n_tokens.tolist(), strict=True
        ):
            n_kept = min(n, self.width)
            row[self.width - n_kept :] = texts.ids[start + n - n_kept : start + n]
            if n < self.width:
                row[self.width - n - 1] = self.ngrams.n_tokens
        return contexts

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the mixture as plain values, by the names of its fields."""
        ngrams = self.ngrams
        return {"grams": ngrams.grams, "counts": ngrams.counts, "share": self.share}

    @classmethod
    def unpack(cls, fields, n_tokens):
        """Return what `pack` was made of."""
        ngrams = NgramModel(n_tokens, fields["grams"], fields["counts"])
        return cls(ngrams, fields["share"])


def line_of(texts, n_tokens):
    """Return texts as one line of ids, with `n_tokens` before each and with ends.

    Parameters
    ----------
    texts : Texts
    n_tokens : int
    """
    has_end = texts.end is not None
    lengths = texts.n_tokens + 1 + has_end
    first = np.cumsum(lengths) - lengths
    line = np.empty(int(lengths.sum()), dtype=np.int32)
    line[first] = n_tokens
    if has_end:
        line[first + lengths - 1] = texts.end
    if len(texts) == 1:
        line[1 : 1 + texts.n_tokens[0]] = texts.ids
        return line
    is_token = np.ones(len(line), dtype=bool)
    is_token[first] = False
    if has_end:
        is_token[first + lengths - 1] = False
    line[is_token] = texts.ids
    return line


def split_held_out(texts, generator, n_parts=1):
    """Choose which texts, or which part of one text, choose the shares.

    Parameters
    ----------
    texts : Texts
    generator : RandomState
    n_parts : int, default=1
        Of how many parts of the data these texts are one.

    Returns
    -------
    kept : Texts
    rows : ndarray of intp
        Which texts those are.
    unseen : Texts or None
        The others; None if there is too little to choose from.
    """
    rows = np.arange(len(texts))
    total = int(texts.n_tokens.sum())
    most = min(max(round(total * HELD_OUT), 1), -(-MOST_HELD_OUT // n_parts))
    if len(texts) == 1:
        if total < 2:
            return texts, rows, None
        taken = _spread(total, most)
        kept, unseen = (
            type(texts)(ids, np.array([0, len(ids)]), texts.begin, texts.end)
            for ids in (texts.ids[~taken], texts.ids[taken])
        )
        return kept, rows, unseen
    order = generator.permutation(len(texts))
    n_unseen = int(np.searchsorted(np.cumsum(texts.n_tokens[order]), most)) + 1
    n_unseen = min(n_unseen, len(texts) // 2)
    kept, unseen = np.sort(order[n_unseen:]), np.sort(order[:n_unseen])
    if not texts.n_tokens[kept].any():
        return texts, rows, None
    return texts.take(kept), kept, texts.take(unseen)


def _spread(total, most):
    """Choose pieces from everywhere in one text, `most` of `total` tokens together.

    The end of a book is about other things than the rest: a network that has never seen
    it knows none of its names.
    """
    n_pieces = max(most // LEAST_PIECE, 1)
    stops = np.arange(1, n_pieces + 1) * total // n_pieces
    sizes = np.diff(np.arange(n_pieces + 1) * most // n_pieces)
    taken = np.zeros(total, dtype=bool)
    for stop, size in zip(stops.tolist(), sizes.tolist(), strict=True):
        taken[stop - size : stop] = True
    return taken


def check_mixture(fields: dict[str, Any], n_tokens, name):
    """Raise ValueError unless these are the plain values of a mixture."""
    if not isinstance(fields, dict) or fields.keys() != {"grams", "counts", "share"}:
        raise ValueError(f"{name} must have grams, counts and share.")
    check_grams_fields(fields["grams"], fields["counts"], n_tokens, name)
    share = fields["share"]
    if (
        not isinstance(share, np.ndarray)
        or share.dtype != np.float64
        or share.shape != (count_groups(fields["grams"].shape[1]),)
        or not ((share >= 0) & (share <= 1)).all()
    ):
        raise ValueError(f"{name} must have a share from 0 to 1 for each group.")
