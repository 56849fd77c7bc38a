"""BLEU and chrF: n-grams that a translation shares with the right one."""

import math
from collections import Counter
from reprlib import repr as short

import numpy as np

from skrnn.metrics._forms import labels, pairs, weights

N_WORDS = 4  # longest n-grams of BLEU
N_CHARACTERS = 6  # and of chrF
BETA = 2  # how many times as much recall counts as precision, in chrF


def _counts(items, longest):
    """Counter of the n-grams of each length."""
    return [
        Counter(items[i : i + n] for i in range(len(items) - n + 1))
        for n in range(1, longest + 1)
    ]


def _matches(one, other, longest):
    """For each length, n-grams of both, and those that they share, as often as both."""
    found = np.zeros((3, longest))
    one, other = _counts(one, longest), _counts(other, longest)
    for k, (right, given) in enumerate(zip(one, other, strict=True)):
        found[:, k] = right.total(), given.total(), (right & given).total()
    return found


def _characters(text, name):
    """A text as one str; it may be given in parts."""
    if isinstance(text, str):
        return text
    parts = labels(text, name)
    if not all(isinstance(part, str) for part in parts):
        raise TypeError(
            f"{name} is {short(text)}. A text or a list of str is expected."
        )
    return "".join(parts)


def bleu_score(y_true, y_pred, *, sample_weight=None):
    """Return BLEU: how many words, and runs of two, three and four words, are right.

    It is what sacrebleu gives without a tokenizer of its own
    (``tok:none|smooth:exp|eff:no``), from 0 to 100, over all sequences together.

    Parameters
    ----------
    y_true : list of str, or of sequences of tokens
        The right translations, one for each. A str is split at white space.
    y_pred : list of str, or of sequences of tokens
        The translations to judge.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences: a weight of 2 counts the sequence twice.

    Returns
    -------
    score : float
        Between 0 and 100.

    See Also
    --------
    chrf_score : The same idea for characters, for short texts and rich word forms.

    Examples
    --------
    >>> from skrnn.metrics import bleu_score
    >>> y_true = ["the cat sat on the mat today", "a dog barked"]
    >>> bleu_score(y_true, ["the cat sat on a mat today", "a dog barked"])
    53.89...
    """
    y_true, y_pred = pairs(y_true, y_pred)
    weight = weights(sample_weight, len(y_true))
    total = np.zeros((3, N_WORDS))
    lengths = np.zeros(2)
    for i, (w, *both) in enumerate(zip(weight, y_true, y_pred, strict=True)):
        one, other = (
            tuple(text.split() if isinstance(text, str) else labels(text, name))
            for text, name in zip(both, (f"y_true[{i}]", f"y_pred[{i}]"), strict=True)
        )
        total += w * _matches(one, other, N_WORDS)
        lengths += w * len(one), w * len(other)
    _, n_given, n_shared = total
    if not n_shared.any() or not n_given.all():
        return 0.0
    logs, smoothing = 0.0, 1.0
    for given, shared in zip(n_given, n_shared, strict=True):
        if shared == 0:
            # Each length without a match counts as half a match of the one before.
            smoothing *= 2
            shared = 1 / smoothing
        logs += math.log(100 * shared / given)
    brevity = min(0.0, 1 - lengths[0] / lengths[1])
    return math.exp(brevity + logs / N_WORDS)


def chrf_score(y_true, y_pred, *, sample_weight=None):
    """Return chrF: how many runs of 1 to 6 characters are right.

    It is the chrF2 of sacrebleu (``nc:6|nw:0|space:no``): the F score, with recall
    counting twice, of precision and recall, which are means over the lengths of runs.
    White space does not count.

    Parameters
    ----------
    y_true : list of str, or of sequences of str
        The right translations, one for each.
    y_pred : list of str, or of sequences of str
        The translations to judge.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences: a weight of 2 counts the sequence twice.

    Returns
    -------
    score : float
        Between 0 and 100.

    See Also
    --------
    bleu_score : The same idea for words.

    Examples
    --------
    >>> from skrnn.metrics import chrf_score
    >>> chrf_score(["the cat sat", "a dog"], ["the cats at", "a log"])
    89.60...
    """
    y_true, y_pred = pairs(y_true, y_pred)
    weight = weights(sample_weight, len(y_true))
    total = np.zeros((3, N_CHARACTERS))
    for i, (w, *both) in enumerate(zip(weight, y_true, y_pred, strict=True)):
        one, other = (
            "".join(_characters(text, name).split())
            for text, name in zip(both, (f"y_true[{i}]", f"y_pred[{i}]"), strict=True)
        )
        found = _matches(one, other, N_CHARACTERS)
        # A length that the right text does not have says nothing of the other.
        found[1, found[0] == 0] = 0
        total += w * found
    n_right, n_given, n_shared = total
    used = (n_right > 0) & (n_given > 0)
    if not n_shared.any():
        return 0.0
    precision = (n_shared[used] / n_given[used]).mean()
    recall = (n_shared[used] / n_right[used]).mean()
    share = (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
    return float(100 * share)
