"""What a fit needs to know of all samples before it trains, from each shard."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skrnn._elementary import total_weight
from skrnn.inputs.moments import Moments
from skrnn.inputs.tokens import merge_counts

__all__ = ["ShardSummary", "merge_counts_of_classes", "merge_samples"]

# What a fit remembers of the form of X.
FORM = ("n_features_in_", "_columns_are_steps", "feature_names_in_", "_learns_table")


@dataclass
class ShardSummary:
    """What a fit needs to know of the samples of one shard.

    Parameters
    ----------
    form : dict
        What the estimator remembers of the form of `X`.
    n_seqs : int
    n_features : int
    categorical : list of int
        Which features hold tokens.
    lengths, counts : ndarray of shape (n_lengths,)
        Different lengths of sequences, and what all sequences of a length weigh.
    least_segments : ndarray of shape (n_lengths,) or None
        How many segments these sequences need; then a length may come several times.
    moments : Moments or None
        Those of the features, if the estimator needs them.
    marks : ndarray of shape (n_numeric,)
        Which features of numbers are zeros and ones only.
    tokens : dict
        The counts of tokens by feature.
    target : Target
        What the shard alone would learn.
    no_targets : ndarray of shape (0, ...)
        Targets of no sequence, which have the type of the others.
    y_moments : Moments or None
        Those of the targets, if these are numbers.
    class_counts : ndarray of shape (n_columns, n_classes) or None
    mean_weight : float
        That of the sequences.
    """

    form: dict[str, Any]
    n_seqs: int
    n_features: int
    categorical: list
    lengths: np.ndarray
    counts: np.ndarray
    least_segments: np.ndarray | None
    moments: Moments | None
    marks: np.ndarray
    tokens: dict
    target: Any
    no_targets: np.ndarray
    y_moments: Moments | None
    class_counts: np.ndarray | None
    mean_weight: float

    @classmethod
    def of(cls, estimator, samples, target, needs_moments):
        """Return the summary of checked samples, which an estimator has just seen."""
        sequences, weight = samples.sequences, samples.sample_weight
        if weight is not None and weight.dtype == object:
            weight = None  # weights of steps are for the loss alone
        least = estimator._least_segments(samples, target)
        lengths, least, which = _distinct(sequences.lengths, least)
        form = {name: vars(estimator)[name] for name in FORM if name in vars(estimator)}
        n = len(samples)
        return cls(
            form,
            n,
            sequences.n_features,
            sequences.categorical,
            lengths,
            np.bincount(which, weight).astype(np.float64),
            least,
            sequences.statistics(weight) if needs_moments else None,
            sequences.marks(),
            sequences.token_counts(weight),
            target,
            samples.y[:0],
            target.measure(samples.y, weight),
            target.counts(samples.y, weight),
            1.0 if weight is None else total_weight(weight) / n,
        )


def _distinct(lengths, least):
    """Return what differs of lengths, of segments, and which of it each is."""
    if least is None:
        distinct, which = np.unique(lengths, return_inverse=True)
        return distinct, None, which
    pairs = np.stack([lengths, least], axis=1)
    pairs, which = np.unique(pairs, axis=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], which.reshape(-1)


class MergedSequences:
    """Stands for the sequences of all shards where a model is made of them."""

    def __init__(self, parts):
        first = parts[0]
        self.n_features, self.categorical = first.n_features, first.categorical
        lengths = np.concatenate([part.lengths for part in parts])
        least = None
        if first.least_segments is not None:
            least = np.concatenate([part.least_segments for part in parts])
        self.lengths, self.least_segments, which = _distinct(lengths, least)
        counts = np.concatenate([part.counts for part in parts])
        self.counts = np.bincount(which, counts)
        self._moments = None
        if first.moments is not None:
            self._moments = Moments.merged(part.moments for part in parts)
            if not np.isfinite(self._moments.variance).all():
                raise ValueError(
                    "The variance of a feature is too large for a float. Divide its "
                    "values by a constant."
                )
        self._marks = np.all([part.marks for part in parts], axis=0)
        self._tokens = {
            f: merge_counts(part.tokens[f] for part in parts) for f in first.tokens
        }

    def __len__(self):
        return len(self.lengths)

    def moments(self, sample_weight=None):
        """The mean and the variance of each feature over all steps."""
        return self._moments.mean, self._moments.variance

    def marks(self):
        """Whether each feature of numbers is zeros and ones only."""
        return self._marks

    def token_counts(self, sample_weight=None):
        """What there is of each token, by feature."""
        return self._tokens


class MergedSamples:
    """Stands for the samples of all shards where a model is made of them."""

    def __init__(self, parts):
        self.sequences = MergedSequences(parts)
        self.sample_weight = self.sequences.counts
        self.least_segments = self.sequences.least_segments
        self.n_seqs = sum(part.n_seqs for part in parts)
        self.y = parts[0].no_targets
        self._y_moments = None
        if parts[0].y_moments is not None:
            self._y_moments = Moments.merged(part.y_moments for part in parts)
        mean = 0.0
        n_before = 0
        for part in parts:  # the mean of a single part is its own
            n_before += part.n_seqs
            mean += (part.mean_weight - mean) * (part.n_seqs / n_before)
        self.mean_weight = mean

    def __len__(self):
        return self.n_seqs

    def scaled(self, target, sample_weight, standardize):
        """Return a target with the scale of all `y`."""
        if standardize:
            return target.scaled_by(self._y_moments)
        return target.scaled(self.y, None, False)


def merge_samples(summaries):
    """Return what stands for all samples, and the form of X.

    Parameters
    ----------
    summaries : list of (ShardSummary or None)
        None is for a shard without sequences.
    """
    parts = [(k, part) for k, part in enumerate(summaries) if part is not None]
    if not parts:
        raise ValueError("No shard has any sequences.")
    k0, first = parts[0]
    for k, part in parts[1:]:
        _check_alike(f"shards[{k}]", part, f"shards[{k0}]", first)
    return MergedSamples([part for _, part in parts]), first.form


def _check_alike(name, part, first_name, first):
    """Refuse a shard of another form than the first one."""
    if part.n_features != first.n_features:
        raise ValueError(
            f"{name} has {part.n_features} features, but {first_name} has "
            f"{first.n_features}. All shards need the same features."
        )
    if part.categorical != first.categorical:
        raise ValueError(
            f"The features {part.categorical} of {name} are categorical, but "
            f"{first.categorical} of {first_name} are. Name them by "
            "categorical_features."
        )
    if str(part.form) != str(first.form):
        raise ValueError(
            f"{name} holds sequences in another form than {first_name}, or of other "
            f"names: {part.form}, not {first.form}. All shards need the same form."
        )
    shapes = part.no_targets.shape[1:], first.no_targets.shape[1:]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"y of {name} has the shape (n_seqs, *{shapes[0]}), but that of "
            f"{first_name} has (n_seqs, *{shapes[1]})."
        )


def merge_counts_of_classes(summaries, target):
    """Return what the classes of a merged target weigh in each shard, or None.

    Returns
    -------
    counts : ndarray of shape (n_shards, n_columns, n_classes) or None
    """
    parts = [part for part in summaries if part is not None]
    if parts[0].class_counts is None:
        return None
    if target.all_labels is None:
        return np.array([part.class_counts for part in parts])
    place = {label: i for i, label in enumerate(target.all_labels.tolist())}
    found = np.zeros((len(parts), 1, len(place)))
    for row, part in zip(found, parts, strict=True):
        row[:, [place[label] for label in part.target.all_labels.tolist()]] = (
            part.class_counts
        )
    return found
