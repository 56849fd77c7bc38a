"""How far sequences are from those that they should be."""

from array import array
from collections.abc import Mapping, Set
from reprlib import repr as short

import numpy as np

from skrnn._edit import distance
from skrnn.metrics._forms import pairs, weights
from skrnn.text import is_unlabeled


def _labels(item):
    """The labels of a sequence; a label by itself is a sequence of one."""
    if isinstance(item, str):
        return item
    if isinstance(item, Mapping | Set):
        raise TypeError(
            f"{short(item)} has no order. A sequence of labels is expected."
        )
    return list(item) if hasattr(item, "__iter__") else [item]


def _distance(one, other, where):
    codes = {}
    try:
        one, other = (
            array("i", [codes.setdefault(label, len(codes)) for label in labels])
            for labels in (one, other)
        )
    except TypeError:
        raise TypeError(
            f"{where} has a label that cannot be hashed, such as a list. Labels must "
            "be strings, numbers or tuples."
        ) from None
    return distance(one, other)


def edit_distance(y_true, y_pred):
    """Return the number of labels to insert, delete or replace between two sequences.

    Parameters
    ----------
    y_true : str or sequence of labels
        The right sequence. A str is the sequence of its characters.
    y_pred : str or sequence of labels
        The sequence to compare, in the same form.

    Returns
    -------
    distance : int
        The least number of insertions, deletions and substitutions of one label that
        change `y_pred` into `y_true`.

    See Also
    --------
    label_error_rate : The share of wrong labels in many sequences.

    Examples
    --------
    >>> from skrnn.metrics import edit_distance
    >>> edit_distance("kitten", "sitting")
    3
    >>> edit_distance([1, 2, 3], [2, 3])
    1
    """
    return _distance(_labels(y_true), _labels(y_pred), "A sequence")


def label_error_rate(y_true, y_pred, *, sample_weight=None):
    """Return the edit distances of all sequences over their numbers of labels.

    It is one ratio of two sums, and not the mean of the rates of sequences. For texts
    it is the character error rate; for texts that are split into words, the word error
    rate. It can be above 1.

    Parameters
    ----------
    y_true : list of str, or of sequences of labels
        The right sequences. A label by itself is a sequence of one.
    y_pred : list of str, or of sequences of labels
        The predicted sequences.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.

    Returns
    -------
    rate : float
        0 if all is right. Infinity if all right sequences are empty, and not all
        predicted ones.

    See Also
    --------
    edit_distance : Errors in one sequence.
    sequence_accuracy_score : The share of sequences without any error.

    Examples
    --------
    >>> from skrnn.metrics import label_error_rate
    >>> label_error_rate(["one", "three"], ["one", "tree"])
    0.125
    >>> y_true, y_pred = ["the big cat"], ["a big cat"]
    >>> label_error_rate([y.split() for y in y_true], [y.split() for y in y_pred])
    0.333...
    """
    y_true, y_pred = pairs(y_true, y_pred)
    weight = weights(sample_weight, len(y_true))
    n_errors, n_labels = np.zeros(len(y_true)), np.zeros(len(y_true))
    for i, (one, other) in enumerate(zip(y_true, y_pred, strict=True)):
        one, other = _labels(one), _labels(other)
        n_errors[i] = _distance(one, other, f"The pair {i} of y_true and y_pred")
        n_labels[i] = len(one)
    errors, labels = weight @ n_errors, weight @ n_labels
    if labels == 0:
        return float("inf") if errors else 0.0
    return float(errors / labels)


def sequence_accuracy_score(y_true, y_pred, *, sample_weight=None):
    """Return the share of sequences that are right as a whole.

    `sequence_accuracy` is another name of it.

    Parameters
    ----------
    y_true : list of str, or of sequences of labels
        The right sequences. Steps without a label (None, NaN) are not compared. A label
        by itself is a sequence of one.
    y_pred : list of str, or of sequences of labels
        The predicted sequences.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.

    Returns
    -------
    accuracy : float
        Between 0 and 1.

    See Also
    --------
    label_error_rate : The share of wrong labels.
    step_scorer : Metrics of the labels of steps.

    Examples
    --------
    >>> from skrnn.metrics import sequence_accuracy_score
    >>> sequence_accuracy_score([["a", "b"], ["a"]], [["a", "b"], ["b"]])
    0.5
    """
    y_true, y_pred = pairs(y_true, y_pred)
    weight = weights(sample_weight, len(y_true))
    right = [
        _is_right(_labels(one), _labels(other), i)
        for i, (one, other) in enumerate(zip(y_true, y_pred, strict=True))
    ]
    return float(weight @ right / weight.sum())


def _is_right(one, other, i):
    if len(one) != len(other):
        return False
    for label, found in zip(one, other, strict=True):
        if is_unlabeled(label):
            continue
        same = label == found
        if not isinstance(same, bool | np.bool_):
            raise TypeError(
                f"y_true[{i}] has {short(label)}, which is no label. Labels must be "
                "strings, numbers or tuples."
            )
        if not same:
            return False
    return True


sequence_accuracy = sequence_accuracy_score
