"""Small ragged problems that a small network learns in a moment."""

import numpy as np

# A network that learns them, in a few epochs.
QUICK = {
    "hidden_layer_sizes": 8,
    "max_iter": 12,
    "learning_rate_init": 0.03,
    "batch_size": 8,
    "random_state": 0,
}
# Nothing dropped, and a learning rate that does not know how many epochs there are: for
# laws that hold then only.
STEADY = {"dropout": 0.0, "recurrent_dropout": 0.0, "learning_rate": "constant"}


def make_sequences(n_seqs=40, n_features=2, seed=0, longest=12):
    """Ragged list of (n_steps_i, n_features) with at least one sequence of length 1."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, longest + 1, size=n_seqs)
    lengths[0] = 1
    return [rng.normal(size=(n_steps, n_features)) for n_steps in lengths]


def make_classes(labels=("no", "yes"), n_seqs=40, seed=0):
    """Sequences whose class is the level of their first feature."""
    codes = np.random.default_rng(seed + 1).permutation(np.arange(n_seqs) % len(labels))
    X = make_sequences(n_seqs, seed=seed)
    for x, code in zip(X, codes, strict=True):
        x[:, 0] += 3 * code
    return X, np.array(labels)[codes]


def make_labels(n_seqs=40, seed=0):
    """Sequences with a multilabel indicator: is the level of each feature high?"""
    y = np.random.default_rng(seed + 1).integers(2, size=(n_seqs, 3))
    X = make_sequences(n_seqs, n_features=3, seed=seed)
    for x, high in zip(X, y, strict=True):
        x += 3 * high
    return X, y


def make_targets(n_targets=None, n_seqs=40, seed=0):
    """Sequences whose targets are levels of their features, on another scale."""
    X = make_sequences(n_seqs, seed=seed)
    levels = np.random.default_rng(seed + 1).normal(size=(n_seqs, 2))
    for x, level in zip(X, levels, strict=True):
        x *= 0.3
        x += level
    y = 1000 + 10 * levels[:, : n_targets or 1]
    return X, y if n_targets else y[:, 0]


def with_gaps(sequences, rng):
    """Copies of sequences without three in ten values; one knows no first feature."""
    sequences = [x.copy() for x in sequences]
    for x in sequences:
        x[rng.random(x.shape) < 0.3] = np.nan
    sequences[5][:, 0] = np.nan
    return sequences
