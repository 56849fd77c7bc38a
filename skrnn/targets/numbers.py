"""One or many numbers per sequence."""

import math

import numpy as np
from sklearn.utils import check_array, column_or_1d

from skrnn.inputs.moments import Moments
from skrnn.losses import SquaredError
from skrnn.targets.base import Target

__all__ = ["NumberTarget"]


class NumberTarget(Target):
    """Numbers; the network learns them in units of the training sequences' scale.

    Parameters
    ----------
    shape : tuple
        () for one number per sequence, or (n_outputs,).
    mean, scale : ndarray of shape (n_outputs,) or None
    """

    def __init__(self, shape, mean=None, scale=None):
        self.shape, self.mean, self.scale = shape, mean, scale

    @staticmethod
    def check(y):
        """Return numbers (n_seqs,) or (n_seqs, n_outputs), in float64."""
        y = check_array(
            y, ensure_2d=False, ensure_min_samples=0, input_name="y"
        ).astype(np.float64)
        return column_or_1d(y, warn=True) if y.shape[1:] == (1,) else y

    @classmethod
    def learn(cls, y, classes=None):
        """Return the target of checked `y`."""
        return cls(y.shape[1:])

    def require_same(self, y):
        """Refuse another number of outputs."""
        shape = y.shape[1:]
        if shape != self.shape:
            raise ValueError(
                f"`y` has the shape (n_seqs, *{shape}), expected "
                f"(n_seqs, *{self.shape})."
            )

    def scaled(self, y, sample_weight, standardize):
        """Return a target with the scale of `y`, or with mean 0 and scale 1."""
        if standardize:
            return self.scaled_by(self.measure(y, sample_weight))
        n_outputs = self.shape[0] if self.shape else 1
        return NumberTarget(self.shape, np.zeros(n_outputs), np.ones(n_outputs))

    def measure(self, y, sample_weight):
        """Return the `Moments` of each column of `y`."""
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        columns = y.reshape(len(y), -1).T
        found = [weighted_moments(column, weight) for column in columns]
        return Moments(*(np.array(part) for part in zip(*found, strict=True)))

    def scaled_by(self, moments):
        """Return a target with the scale that moments of `y` say."""
        return NumberTarget(self.shape, moments.mean, scale_of_numbers(moments))

    def encode(self, y):
        """Return standardised numbers, (n_seqs, n_outputs)."""
        y = y.reshape(len(y), -1)
        with np.errstate(over="ignore"):
            y = (y - self.mean) / self.scale
        if not np.isfinite(y).all():
            raise ValueError(
                "y contains values far outside the range seen in the first fit. Divide "
                "them by a constant, or fit anew."
            )
        return np.ascontiguousarray(y)

    def loss(self):
        """Return the squared error."""
        return SquaredError(*self.shape or (1,))

    def outputs(self):
        """Return output functions by method: raw outputs in, a method's result out."""
        scale, mean, shape = self.scale, self.mean, self.shape

        def predict(raw):
            with np.errstate(over="ignore"):
                y = raw * scale  # in float64, like the scale
                y += mean
            if not np.isfinite(y).all():
                raise ValueError(
                    "A prediction is too large for dtype('float64') in the units of y: "
                    "the values of X or the weights are too large. Scale X like in fit."
                )
            return y if shape else y[:, 0]

        return {"predict": predict}

    def affine(self, method):
        """Return the scale and the mean of predictions, and the shape of one."""
        return self.scale, self.mean, self.shape

    def pack(self):
        """Return the target as plain values."""
        names = "_target_shape", "_target_mean", "_target_scale"
        return dict(zip(names, (self.shape, self.mean, self.scale), strict=True))

    @classmethod
    def unpack(cls, fields):
        """Return the target from the result of `pack`."""
        names = "_target_shape", "_target_mean", "_target_scale"
        return cls(*(fields[name] for name in names))

    @staticmethod
    def check_together(fields):
        """Raise ValueError unless the fields are consistent."""
        if len(fields["_target_shape"]) > 1:
            raise ValueError("_target_shape must be () or (n_outputs,).")
        if not (fields["_target_scale"] > 0).all():
            raise ValueError("_target_scale must be positive.")


def weighted_moments(y, weight):
    """Return the sum of the weights, and the mean and the variance of `y` (n,).

    Sums are correctly rounded: they depend neither on the order of the sequences nor on
    whether one is given twice or has a weight of two.
    """
    try:
        total = math.fsum(weight)
        if y.min() == y.max():
            return total, y[0], 0.0
        with np.errstate(over="ignore"):
            mean = math.fsum(weight * y) / total
            variance = math.fsum(weight * (y - mean) ** 2) / total
    except OverflowError:
        variance = math.inf
    if not math.isfinite(variance):
        raise refuse_large_numbers()
    return total, mean, variance


def scale_of_numbers(moments):
    """Return the standard deviations of columns; 1 where all numbers are the same."""
    if not np.isfinite(moments.variance).all():
        raise refuse_large_numbers()
    scale = np.sqrt(moments.variance)
    return np.where(scale > 0, scale, 1.0)


def refuse_large_numbers():
    """Return the error for numbers whose variance is no float."""
    return ValueError(
        "The values of y are too large to be standardised. Divide them by a "
        "constant first."
    )
