"""The inner split, which chooses the validation sequences of early stopping."""

import warnings

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold


def split_validation(n_seqs, fraction, random_state, *, labels=None, groups=None):
    """Choose training and validation sequences.

    Parameters
    ----------
    n_seqs : int
        Number of sequences.
    fraction : float
        Share of the sequences (with `groups`: of the groups) that is held out.
    random_state : RandomState
        Draws the choice.
    labels : ndarray of shape (n_seqs,), default=None
        Classes; each class keeps its share.
    groups : ndarray of shape (n_seqs,), default=None
        Sequences of one group stay on one side.

    Returns
    -------
    train, validation : ndarrays of int
        Indices in increasing order.
    """
    if groups is not None:
        train, validation = _split_groups(
            n_seqs, fraction, random_state, labels, groups
        )
    else:
        train, validation = _split_sequences(n_seqs, fraction, random_state, labels)
    if len(train) == 0 or len(validation) == 0:
        raise ValueError(
            f"n_samples={n_seqs} leaves {len(train)} sequences for training and "
            f"{len(validation)} for validation. Change 'validation_fraction', increase "
            "the size of your dataset or pass X_val and y_val."
        )
    return train, validation


def _split_sequences(n_seqs, fraction, random_state, labels):
    # A random order, sorted by class, of which every 1 / fraction-th sequence is held
    # out. So the share of each class is right to within one sequence.
    order = random_state.permutation(n_seqs)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    n_validation = max(1, round(n_seqs * fraction))
    start = random_state.uniform()
    chosen = ((np.arange(n_validation) + start) * (n_seqs / n_validation)).astype(int)
    held_out = np.zeros(n_seqs, dtype=bool)
    held_out[order[chosen]] = True
    if labels is not None:
        _hold_out_of_each_class(held_out, order, labels)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _hold_out_of_each_class(held_out, order, labels):
    """Change `held_out` so that each class is on both sides, if possible.

    A class of one sequence stays in training. The number of held-out sequences does not
    change, unless too few sequences may be held out.
    """
    n_of = np.bincount(labels)
    n_held = np.bincount(labels[held_out], minlength=len(n_of))
    n_all, share = held_out.sum(), held_out.mean()
    several = n_of >= 2
    least = np.where(several & (several.sum() <= n_all), 1, 0)
    most = np.maximum(n_of - 1, 0)
    wanted = np.clip(n_held, least, most)
    # Classes with the largest errors of their shares change first, one at a time.
    while wanted.sum() > n_all and (wanted > least).any():
        excess = np.where(wanted > least, wanted - share * n_of, -np.inf)
        wanted[excess.argmax()] -= 1
    while wanted.sum() < n_all and (wanted < most).any():
        lack = np.where(wanted < most, share * n_of - wanted, -np.inf)
        wanted[lack.argmax()] += 1
    for label in np.flatnonzero(wanted != n_held):
        rows = order[labels[order] == label]
        rows = rows[np.argsort(~held_out[rows], kind="stable")]  # those held out first
        held_out[rows] = np.arange(len(rows)) < wanted[label]


def _split_groups(n_seqs, fraction, random_state, labels, groups):
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            "All sequences are of one group, so none can be held out for early "
            "stopping. Pass X_val and y_val, or set early_stopping=False."
        )
    if labels is None or np.bincount(labels).max() < 2:
        n_held_out = min(max(1, round(n_groups * fraction)), n_groups - 1)
        splitter = GroupShuffleSplit(1, test_size=n_held_out, random_state=random_state)
        labels = np.zeros(n_seqs)
    else:
        n_splits = min(max(2, round(1 / fraction)), n_groups, np.bincount(labels).max())
        splitter = StratifiedGroupKFold(
            max(2, n_splits), shuffle=True, random_state=random_state
        )
    with warnings.catch_warnings():
        # The warning says that a class has fewer members than there are folds. It does
        # not matter here, since only one fold is used.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = splitter.split(np.zeros(n_seqs), labels, groups)
        # Folds of groups may be uneven, even empty. So take the fold whose size is
        # nearest to the requested one.
        return min(folds, key=lambda fold: abs(len(fold[1]) - fraction * n_seqs))
