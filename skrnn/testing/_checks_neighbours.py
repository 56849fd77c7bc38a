"""Checks that no sequence depends on the others."""

import numpy as np

from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    both,
    has_n_jobs,
    is_deterministic,
)


@sequence_check(is_deterministic)
def check_one_by_one_invariance(trial):
    """A sequence alone gets what it gets among others."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    alone = [trial.results(fitted, [x]) for x in X]
    found = {name: [result[name][0] for result in alone] for name in expected}
    trial.assert_same(found, expected, "one by one")


@sequence_check(is_deterministic)
def check_order_invariance(trial):
    """The order of the sequences is that of the results, and has no other effect."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    order = np.random.default_rng(0).permutation(len(X))
    found = trial.results(fitted, [X[i] for i in order])
    expected = {name: [items[i] for i in order] for name, items in expected.items()}
    trial.assert_same(found, expected, "in another order")


@sequence_check(is_deterministic)
def check_subset_invariance(trial):
    """Sequences get the same in a batch of any size."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    for what, rows in (
        ("in the first half", np.arange(len(X) // 2)),
        ("without every third", np.flatnonzero(np.arange(len(X)) % 3)),
        ("in a batch of all seven times", np.tile(np.arange(len(X)), 7)),
    ):
        found = trial.results(fitted, [X[i] for i in rows])
        chosen = {name: [items[i] for i in rows] for name, items in expected.items()}
        trial.assert_same(found, chosen, what)


@sequence_check(is_deterministic)
def check_length_invariance(trial):
    """The length of other sequences has no effect: there is no padding to see."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    longest = max(X, key=len)
    for n_steps in (trial.min_length, 2 * len(longest), 2000):
        neighbour = np.resize(longest, (n_steps, longest.shape[1]))
        found = trial.results(fitted, [*X, neighbour])
        found = {name: items[:-1] for name, items in found.items()}
        trial.assert_same(found, expected, f"with a sequence of {n_steps} steps")


@sequence_check(is_deterministic)
def check_neighbour_invariance(trial):
    """The values of other sequences have no effect."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    for factor in (0.0, 1000.0):
        found = trial.results(fitted, [factor * X[0], *X])
        found = {name: items[1:] for name, items in found.items()}
        trial.assert_same(found, expected, f"with a sequence {factor} times as large")


@sequence_check(is_deterministic)
def check_methods_repeat(trial):
    """A method says the same again, whatever it was asked in between."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    trial.results(fitted, trial.sequences(n_seqs=5, seed=1))
    trial.assert_same(trial.results(fitted, X), expected, "asked again")


@sequence_check(both(has_n_jobs, is_deterministic))
def check_n_jobs_invariance(trial):
    """Results do not depend on `n_jobs`."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y, trial.new(n_jobs=1))
    expected = trial.results(fitted, X)
    parallel = trial.fit(X, y, trial.new(n_jobs=2))
    trial.assert_same(trial.results(parallel, X), expected, "fitted with n_jobs=2")
    fitted.set_params(n_jobs=2)
    trial.assert_same(trial.results(fitted, X), expected, "with n_jobs=2")
