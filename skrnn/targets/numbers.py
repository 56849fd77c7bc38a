"""One or many numbers per sequence."""

import math

import numpy as np
from sklearn.utils import check_array, column_or_1d

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
        columns = y.reshape(len(y), -1).T
        mean, scale = np.zeros(len(columns)), np.ones(len(columns))
        if standardize:
            weight = np.ones(len(y)) if sample_weight is None else sample_weight
            for j, column in enumerate(columns):
                mean[j], scale[j] = weighted_scale(column, weight)
        return NumberTarget(self.shape, mean, scale)

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


def weighted_scale(y, weight):
    """Return the mean and the standard deviation of `y`; 1 if `y` is constant.

    Sums are correctly rounded: they depend neither on the order of the sequences nor on
    whether one is given twice or has a weight of two.
    """
    if y.min() == y.max():
        return y[0], 1.0
    try:
        total = math.fsum(weight)
        with np.errstate(over="ignore"):
            mean = math.fsum(weight * y) / total
            variance = math.fsum(weight * (y - mean) ** 2) / total
    except OverflowError:
        variance = math.inf
    if not math.isfinite(variance):
        raise ValueError(
            "The values of y are too large to be standardised. Divide them by a "
            "constant first."
        )
    return mean, math.sqrt(variance) or 1.0
