"""Checks of what is given and learned, and of what fails."""

import copy
import unittest
from contextlib import suppress
from functools import partial

import joblib
import numpy as np
from sklearn.exceptions import (
    NotFittedError,
)

from skrnn.testing._forms import (
    ERRORS,
    WIDE,
    block_2d,
    cast,
    each,
    objects,
)
from skrnn.testing._problems import (
    broken_problems,
    longer_problem,
    named_problem,
    other_problem,
)
from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    assert_refuses,
    both,
    fails,
    global_seed,
    has,
    is_deterministic,
    needs_fit,
    public_state,
    starts_anew,
    validates,
    weighs,
)

# What is given, and what is learned ----------------------------------------------


def _all_calls(trial, estimator, X, y, metadata):
    """Yield all that can be done with an estimator: names and calls, fit first."""
    yield "fit", partial(trial.fit, X, y, estimator, **metadata)
    if hasattr(estimator, "fit_transform"):
        yield "fit_transform", partial(trial.fit, X, y, estimator, "fit_transform")
    for name, method in trial.methods_of(estimator).items():
        yield name, partial(method, X)
    if hasattr(estimator, "score"):
        yield "score", partial(estimator.score, X, y)
    if hasattr(estimator, "partial_fit"):
        yield "partial_fit", partial(trial.fit, X, y, estimator, "partial_fit")


@sequence_check()
def check_data_not_modified(trial):
    """No method changes what it is given."""
    y = trial.targets()
    weight = np.linspace(0.5, 1.5, 20)
    metadata = {"sample_weight": weight} if weighs(trial) else {}
    for kind, make in (
        ("ragged", list),
        ("ragged", each(cast("f4"))),
        ("ragged", each(np.asfortranarray)),
        ("ragged", objects),
        ("ragged", each(np.ndarray.tolist)),
        ("equal", np.stack),
        (WIDE, block_2d(np.copy)),
    ):
        X = make(trial.sequences(kind))
        if make is not list and fails(trial.fit, X, y):
            continue  # of which the checks of forms tell
        X = make(trial.sequences(kind))
        items = list(X) if isinstance(X, list) else []
        before = copy.deepcopy((X, y, weight))
        estimator = trial.new()
        for name, call in _all_calls(trial, estimator, X, y, metadata):
            call()
            for what, after, was in zip(
                ("X", "y", "sample_weight"), (X, y, weight), before, strict=True
            ):
                assert joblib.hash(after) == joblib.hash(was), (
                    f"{trial.name}.{name} changes the {what} that it is given."
                )
            assert all(a is b for a, b in zip(items, X, strict=False)), (
                f"{trial.name}.{name} replaces items of the list that it is given."
            )


@sequence_check(is_deterministic)
def check_data_not_needed_after_fit(trial):
    """The data of a fit can change afterwards, and the estimator does not."""
    X, y = trial.X_y()
    given = copy.deepcopy((X, y))
    fitted = trial.fit(*given)
    expected = trial.results(fitted, X)
    for array in given[0] if y is None else [*given[0], given[1]]:
        array[...] = 0
    del given[0][5:]
    trial.assert_same(trial.results(fitted, X), expected, "after its data changed")


@sequence_check()
def check_methods_leave_state(trial):
    """Methods that answer a question do not change the estimator."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    names, state = set(vars(fitted)), public_state(fitted)
    for name, method in trial.methods_of(fitted).items():
        method(X)
        changed = names.symmetric_difference(vars(fitted))
        assert not changed, f"{trial.name}.{name} adds or removes {changed}."
        assert public_state(fitted) == state, (
            f"{trial.name}.{name} changes fitted attributes."
        )


@sequence_check(is_deterministic)
def check_fit_idempotent(trial):
    """Fits to the same data are the same, whatever NumPy's global generator is at."""
    X, y = trial.X_y()
    estimator = trial.new()
    with global_seed(0):
        trial.fit(X, y, estimator)
    expected = trial.results(estimator, X)
    with global_seed(1):
        if not trial.new().get_params().get("warm_start", False):
            trial.fit(X, y, estimator)
            found = trial.results(estimator, X)
            trial.assert_same(found, expected, "fitted again")
        found = trial.results(trial.fit(X, y), X)
        trial.assert_same(found, expected, "fitted once more")


@sequence_check(starts_anew)
def check_refit_forgets(trial):
    """Nothing is left of a fit to other data."""
    X, y = trial.X_y()
    fresh = trial.fit(X, y)
    expected = trial.results(fresh, X)
    for make in (other_problem, named_problem, longer_problem):
        estimator, other = trial.new(), make(trial)
        if make is named_problem and fails(trial.fit, *other):
            continue  # of which the check of feature names tells
        trial.fit(*other, estimator)
        trial.fit(X, y, estimator)
        found = trial.results(estimator, X)
        trial.assert_same(found, expected, "fitted to other data before")
        left = set(public_state(estimator)) - set(public_state(fresh))
        assert not left, f"{trial.name} keeps {left} of a fit to other data."


@sequence_check(has("partial_fit"))
def check_partial_fit(trial):
    """Partial_fit needs no fit before it, takes any lengths and returns self."""
    X, y = trial.X_y()
    estimator = trial.new()
    assert trial.fit(X, y, estimator, "partial_fit") is estimator, (
        f"{trial.name}.partial_fit does not return self."
    )
    trial.fit(*longer_problem(trial), estimator, "partial_fit")
    trial.results(estimator, X)
    three = trial.sequences(n_features=3)
    what = f"{trial.name}.partial_fit of other features"
    words = r"X has 3 features, but \w+ is expecting 2 features"
    args = (three, y, estimator, "partial_fit")
    assert_refuses(ValueError, what, trial.fit, *args, match=words)


# What fails changes nothing ------------------------------------------------------


def _assert_failures_change_nothing(trial, method):
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    names, state = set(vars(fitted)), public_state(fitted)
    n_failed = 0
    for what, bad, targets, metadata in broken_problems(trial):
        if not fails(trial.fit, bad, targets, fitted, method, **metadata):
            continue
        n_failed += 1
        what = f"after a {method} of {what} failed"
        try:
            found = trial.results(fitted, X)
        except Exception as error:
            raise AssertionError(f"{trial.name} {what}: {error!r}") from error
        trial.assert_same(found, expected, what, exact=True)
        changed = names.symmetric_difference(vars(fitted))
        assert not changed, f"{trial.name} gains or loses {changed} {what}."
        after = public_state(fitted)
        changed = [name for name in after if after[name] != state[name]]
        assert not changed, f"{trial.name} has another {changed} {what}."
    assert n_failed, f"{trial.name}.{method} takes all bad data."


@sequence_check(validates)
def check_failed_fit_changes_nothing(trial):
    """After a fit that fails, the estimator is what it was."""
    _assert_failures_change_nothing(trial, "fit")


@sequence_check(both(validates, has("partial_fit")))
def check_failed_partial_fit_changes_nothing(trial):
    """After a partial_fit that fails, the estimator is what it was."""
    _assert_failures_change_nothing(trial, "partial_fit")


@sequence_check(both(validates, needs_fit))
def check_failed_first_fit(trial):
    """After a first fit that fails, the estimator is not fitted."""
    X, y = trial.X_y()
    for what, bad, targets, metadata in broken_problems(trial):
        estimator = trial.new()
        if not fails(trial.fit, bad, targets, estimator, **metadata):
            continue
        for name, method in trial.methods_of(estimator).items():
            what = f"{trial.name}.{name} after a first fit of {what} failed"
            assert_refuses(NotFittedError, what, method, X)


@sequence_check(validates)
def check_failed_method_changes_nothing(trial):
    """After a method has refused its sequences, it says the same of others."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    for _, _, make in ERRORS.values():
        for method in trial.methods_of(fitted).values():
            with suppress(unittest.SkipTest):
                fails(method, make(X))
    trial.assert_same(trial.results(fitted, X), expected, "after errors", exact=True)
