"""What all metrics ask of their arguments."""

from collections.abc import Mapping, Set
from reprlib import repr as short

import numpy as np


def sequences(y, name):
    """The items of y, or an error if y is not a list."""
    if isinstance(y, str | bytes):
        raise ValueError(
            f"{name} is one {type(y).__name__}: {short(y)}. A list of sequences is "
            f"expected: [{name}]."
        )
    if hasattr(y, "columns"):
        raise ValueError(
            f"{name} is a {type(y).__name__}. A list of sequences is expected: take "
            "one of its columns."
        )
    if isinstance(y, Mapping | Set) or not hasattr(y, "__iter__"):
        raise ValueError(f"{name} is {short(y)}. A list of sequences is expected.")
    return list(y)


def labels(item, name):
    """The labels of a sequence as a list, or an error if they cannot be counted."""
    if isinstance(item, bytes | Mapping | Set) or not hasattr(item, "__iter__"):
        raise TypeError(
            f"{name} is {short(item)}. A str, or a list of labels, is expected."
        )
    try:
        found = list(item)
        hash(tuple(found))
    except TypeError:
        raise TypeError(
            f"{name} has a label that cannot be hashed, such as a list. Labels must "
            "be strings, numbers or tuples."
        ) from None
    return found


def pairs(y_true, y_pred):
    """The sequences of both, which must be equally many."""
    y_true, y_pred = sequences(y_true, "y_true"), sequences(y_pred, "y_pred")
    check_as_many(y_true, y_pred)
    return y_true, y_pred


def check_as_many(y_true, y_pred):
    """Refuse other numbers of sequences, and none."""
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_true has {len(y_true)} sequences, but y_pred has {len(y_pred)}. Give a "
            "prediction for each sequence, in the same order."
        )
    if not y_true:
        raise ValueError("y_true has no sequences. Give at least one.")


def weights(sample_weight, n):
    """A weight for each of n sequences."""
    if sample_weight is None:
        return np.ones(n)
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"sample_weight does not hold numbers: {error}.") from error
    if weight.shape != (n,):
        raise ValueError(
            f"sample_weight has the shape {weight.shape}. A weight for each of the {n} "
            "sequences is expected."
        )
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0]
        raise ValueError(
            f"sample_weight[{wrong}] is {weight[wrong]}. Weights must be finite, and "
            "not negative: leave the sequence out by 0."
        )
    if not weight.any():
        raise ValueError("All of sample_weight is 0. Some sequence must weigh more.")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not 1e-30 < total < 1e30:  # what is weighted would overflow, or vanish
        raise ValueError(
            f"sample_weight sums up to {total:g}. Multiply it by a constant, so that "
            "its sum is nearer to 1."
        )
    return weight
