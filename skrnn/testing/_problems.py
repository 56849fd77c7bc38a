"""Other data than an estimator was fitted to, and data that no fit takes."""

import unittest
from contextlib import suppress

import numpy as np

from skrnn.testing._forms import (
    import_or_skip,
)
from skrnn.testing._trial import (
    classifies,
    weighs,
)


def other_problem(trial):
    """Sequences of other lengths and features, of more classes if there can be."""
    several = classifies(trial) and trial.tags.classifier_tags.multi_class
    n_classes = 3 if several else 2
    X = trial.sequences(n_seqs=24, n_features=3, n_classes=n_classes, seed=1)
    return [np.concatenate([x, 2 * x]) for x in X], trial.targets(24, n_classes)


def named_problem(trial):
    """The same in DataFrames."""
    X, y = other_problem(trial)
    with suppress(unittest.SkipTest):
        pandas = import_or_skip("pandas")
        X = [pandas.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    return X, y


def longer_problem(trial):
    """Sequences of the same features, other values and other lengths."""
    X = [np.concatenate([x, x]) for x in trial.sequences(seed=2)]
    return X, trial.targets()


def broken_problems(trial):
    """What is wrong, X, y and metadata of fits that should fail."""
    X, y = trial.sequences(seed=3), trial.targets()
    infinite = [x.copy() for x in trial.sequences(n_features=3, seed=3)]
    infinite[-1][-1, -1] = np.inf
    yield "other features, and infinity at the end", infinite, y, {}
    yield "a sequence without steps", [*X[:-1], X[-1][:0]], y, {}
    yield "a sequence with more features", [*X[:-1], np.repeat(X[-1], 2, axis=1)], y, {}
    yield "one sequence that is None", [*X[:-1], None], y, {}
    if y is not None:
        yield "too few targets", X, y[:-1], {}
        bad = y.astype(float)
        bad[-1] = np.nan
        yield "targets that are NaN", X, bad, {}
    if weighs(trial):
        yield "too few weights", X, y, {"sample_weight": np.ones(len(X) - 1)}
