"""What all metrics ask of their arguments."""

from reprlib import repr as short

import numpy as np


def sequences(y, name):
    """The items of y, or an error if y is no list."""
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
    try:
        return list(y)
    except TypeError:
        raise ValueError(
            f"{name} is {short(y)}. A list of sequences is expected."
        ) from None


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
    weight = np.asarray(sample_weight, dtype=np.float64)
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
    return weight
