"""What one fit learns from: checked sequences, their targets and weights."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from sklearn.utils import _safe_indexing, check_array

from skrnn.inputs.frames import naming
from skrnn.inputs.sequences import Sequences, check_total_weight

MOST_SCALES = 100.0  # that values may be away from a scale without a warning


@dataclass
class Samples:
    """Sequences with what belongs to each; `rows` are their places in the user's X."""

    rows: np.ndarray
    sequences: Sequences
    y: np.ndarray
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    source: tuple | None = None  # the user's X and y, of which `rows` are these
    _encoded: tuple | None = field(default=None, init=False, repr=False)

    def as_given(self):
        """Return the samples as the user has handed them in: X and y."""
        return tuple(_safe_indexing(each, self.rows) for each in self.source)

    def __len__(self):
        return len(self.rows)

    def scaled(self, target, sample_weight, standardize):
        """Return a target with the scale of `y`."""
        return target.scaled(self.y, sample_weight, standardize)

    def encoded(self, target):
        """Return `y` as the network learns it; that is worked out once."""
        if self._encoded is None or self._encoded[0] is not target:
            self._encoded = target, target.encode(self.y)
        return self._encoded[1]

    def take(self, indices):
        """Return some of the samples."""
        weight, groups = self.sample_weight, self.groups
        return Samples(
            self.rows[indices],
            self.sequences.take(indices),
            self.y[indices],
            None if weight is None else weight[indices],
            None if groups is None else groups[indices],
            self.source,
        )


def warn_of_other_scale(samples, model):
    """Warn if numbers are far from those by which a model standardises them.

    Parameters
    ----------
    samples : Samples
        Those to go on with.
    model : SequenceModel
    """
    mean, scale = model.input_mean, model.input_scale
    if scale is None or model.structure["standardize"] == "sequence":
        return
    with np.errstate(over="ignore", invalid="ignore"):
        spread = samples.sequences.spread_around(mean) / scale
    spread = np.nan_to_num(spread, nan=np.inf, posinf=np.inf)  # of sums that overflow
    if not (spread > MOST_SCALES).any():
        return
    f = int(spread.argmax())
    warnings.warn(
        f"The values of {samples.sequences.feature_name(f)} are {spread[f]:.4g} times "
        "as far from the mean as those that the scale was learned from: they have mean "
        f"{mean[f]:.4g} and scale {scale[f]:.4g}. A network learns little from such "
        "inputs. Scale them the same way, or begin anew with data that are like all.",
        UserWarning,
        stacklevel=5,
    )


def without_labels_of_weight_zero(samples, name):
    """Return samples whose steps of weight zero have no label, and no weights.

    The likelihood of a path is no sum over its steps that weights could multiply.

    Parameters
    ----------
    samples : Samples
        With weights of steps.
    name : str
        What messages call the weights.
    """
    y = samples.y.copy()
    for i, weight in enumerate(samples.sample_weight):
        others = np.flatnonzero(~np.isin(weight, (0, 1)))
        if len(others):
            step = int(others[0])
            raise ValueError(
                f"{name}[{i}] is {weight[step]} at step {step}, and with crf=True "
                "weights of steps are 0 or 1: the likelihood of a path is not a sum "
                "over its steps. Give a weight for each sequence, or set crf=False."
            )
        y[i] = np.where(weight > 0, y[i].astype(object), None)
    return replace(samples, y=y, sample_weight=None)


def check_sample_weight(sample_weight, n_seqs, name="sample_weight", some=True):
    """Return weights as float64 (n_seqs,), or None."""
    if sample_weight is None:
        return None
    if np.isscalar(sample_weight):
        sample_weight = np.full(n_seqs, sample_weight)
    try:
        with naming(name):
            sample_weight = check_array(
                sample_weight, ensure_2d=False, dtype=np.float64, input_name=name
            )
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        raise type(error)(f"{name} does not hold numbers: {error}.") from error
    if sample_weight.ndim != 1:
        raise ValueError(
            f"{name} must be 1D array or scalar, got {sample_weight.ndim}D"
        )
    if sample_weight.shape != (n_seqs,):
        raise ValueError(
            f"{name}.shape == {sample_weight.shape}, expected {(n_seqs,)}!"
        )
    if sample_weight.min() < 0:
        i = int(sample_weight.argmin())
        raise ValueError(
            f"Negative values in {name}.\n{name}[{i}] is {sample_weight[i]}. A weight "
            "of 0 leaves out."
        )
    if some and not sample_weight.any():
        raise ValueError(f"{name} must contain at least one non-zero number.")
    if some:
        check_total_weight(sample_weight, name)
    return sample_weight
