"""Checks of values and of weights."""

import re
import unittest
from contextlib import suppress

import numpy as np

from skrnn.testing._forms import (
    ROW,
    import_or_skip,
    read_only,
    strided,
)
from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    assert_finite,
    assert_refuses,
    both,
    is_deterministic,
    takes_nan,
    validates,
    weighs,
)

# Values --------------------------------------------------------------------------


@sequence_check(lambda trial: trial.min_length == 1)
def check_length_one(trial):
    """Sequences of one step are sequences."""
    X, y = trial.X_y()
    short = [x[:1] for x in X]
    for fitted in (trial.fit(short, y), trial.fit(X, y)):
        assert_finite(trial, trial.results(fitted, short), "sequences of length 1")


@sequence_check()
def check_other_lengths(trial):
    """After a fit to sequences of one length, others can come."""
    fitted = trial.fit(np.stack(trial.sequences("equal")), trial.targets())
    X = trial.sequences()
    longer = [np.concatenate([x, x, x]) for x in X]
    for other in (X, longer):
        assert_finite(trial, trial.results(fitted, other), "other lengths")


@sequence_check()
def check_one_sequence(trial):
    """A fit to one sequence works, or says that it takes more."""
    X, y = trial.X_y()
    y = None if y is None else y[:1]
    try:
        fitted = trial.fit(X[:1], y)
    except ValueError as error:
        words = "1 sample|n_samples ?= ?1|one sample|sequence|class"
        assert re.search(words, str(error)), (
            f"{trial.name}.fit of one sequence raises an unclear error: {error}"
        )
    else:
        trial.results(fitted, X)


@sequence_check()
def check_constant_features(trial):
    """A feature that never changes, or is always 0, does no harm."""
    X, y = trial.X_y()
    for value in (0.0, 0.1, 1e6):
        constant = [np.column_stack([x[:, 0], np.full(len(x), value)]) for x in X]
        fitted = trial.fit(constant, y)
        found = trial.results(fitted, constant)
        assert_finite(trial, found, f"a feature that is {value} throughout")


@sequence_check()
def check_extreme_values(trial):
    """Huge and tiny values give numbers, or an error: no NaN."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    for factor in (1e-310, 1e-40, 1e30, 1e100, 1e300):
        extreme = [factor * x for x in X]
        with np.errstate(all="ignore"):
            try:
                found = trial.results(trial.fit(extreme, y), extreme)
                assert_finite(trial, found, f"a fit to {factor} times the values")
            except ValueError:
                pass
            try:
                found = trial.results(fitted, extreme)
                assert_finite(trial, found, f"{factor} times the values of the fit")
            except ValueError:
                pass


@sequence_check(takes_nan)
def check_missing_values(trial):
    """NaN, None and masked mean unknown, in fit and afterwards."""
    X, y = trial.X_y()
    with_gaps = [x.copy() for x in X]
    for i, x in enumerate(with_gaps):
        x[:-1][np.random.default_rng(i).random((len(x) - 1, 2)) < 0.3] = np.nan
    with_gaps[4][:, 0] = np.nan
    fitted = trial.fit(with_gaps, y)
    expected = trial.results(fitted, with_gaps)
    if not hasattr(fitted, "transform"):
        assert_finite(trial, expected, "missing values")
    unknown = [np.full_like(x, np.nan) if i == ROW else x for i, x in enumerate(X)]
    try:
        trial.results(trial.fit(unknown, y), unknown)
    except ValueError as error:
        assert str(ROW) in str(error), (
            f"{trial.name} does not say that sequence {ROW} is all unknown: {error}"
        )
    if trial.tags.non_deterministic:
        return
    alone = [trial.results(fitted, [x]) for x in with_gaps]
    found = {name: [result[name][0] for result in alone] for name in expected}
    trial.assert_same(found, expected, "with missing values, one by one")
    nones = [np.where(np.isnan(x), None, x).tolist() for x in with_gaps]
    masked = [np.ma.masked_invalid(x) for x in with_gaps]
    for what, form in (("None", nones), ("masked values", masked)):
        trial.assert_same(trial.results(fitted, form), expected, f"with {what}")
        found = trial.results(trial.fit(form, y), with_gaps)
        trial.assert_same(found, expected, f"fitted to {what}")


# Weights -------------------------------------------------------------------------


@sequence_check(both(weighs, is_deterministic))
def check_sample_weight_forms(trial):
    """Weights as a list or a Series, or of integers, mean what they mean as floats."""
    X, y = trial.X_y()
    weight = np.arange(20) % 3 + 1.0
    fitted = trial.fit(X, y, sample_weight=weight)
    expected = trial.results(fitted, X)
    forms = {
        "a list": weight.tolist(),
        "integers": weight.astype(int),
        "float32": weight.astype("f4"),
        "read-only": read_only(weight),
        "strided": strided(weight),
    }
    with suppress(unittest.SkipTest):
        forms["a Series"] = import_or_skip("pandas").Series(weight, index=range(5, 25))
    for what, form in forms.items():
        found = trial.results(trial.fit(X, y, sample_weight=form), X)
        trial.assert_same(found, expected, f"with weights as {what}")


@sequence_check(both(weighs, is_deterministic))
def check_sample_weight_none(trial):
    """Weights of one are no weights."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    found = trial.results(trial.fit(X, y, sample_weight=np.ones(20)), X)
    trial.assert_same(found, expected, "with weights of one")
    found = trial.results(trial.fit(X, y, sample_weight=None), X)
    trial.assert_same(found, expected, "with sample_weight=None")


@sequence_check(both(weighs, is_deterministic))
def check_sample_weight_zero(trial):
    """A sequence of weight zero is absent, whatever its values and its length."""
    X, y = trial.X_y()
    X[3], X[10] = 50 * X[3], np.resize(X[10], (100, 2))
    kept = np.setdiff1d(np.arange(20), [3, 4, 10, 19])
    weight = np.isin(np.arange(20), kept).astype(float)
    present = trial.fit([X[i] for i in kept], None if y is None else y[kept])
    fitted = trial.fit(X, y, sample_weight=weight)
    found, expected = trial.results(fitted, X), trial.results(present, X)
    trial.assert_same(found, expected, "fitted with sequences of weight zero")


@sequence_check(both(weighs, validates))
def check_error_sample_weight(trial):
    """An error for weights of another length, of two dimensions, or NaN."""
    X, y = trial.X_y()
    for what, weight in (
        ("another length", np.ones(19)),
        ("two dimensions", np.ones((20, 2))),
        ("NaN", np.full(20, np.nan)),
    ):
        what = f"{trial.name}.fit with sample_weight of {what}"
        assert_refuses(ValueError, what, trial.fit, X, y, sample_weight=weight)
