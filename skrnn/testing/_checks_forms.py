"""Checks of forms: those that mean the same, and those that are refused."""

import re
import unittest

import numpy as np

from skrnn.testing._forms import (
    AT_ROW,
    ERRORS,
    FORMS,
    ROW,
    WIDE,
)
from skrnn.testing._registry import always, sequence_check
from skrnn.testing._trial import (
    assert_refuses,
    both,
    names_of,
    refuses_nan,
    takes_2d,
    validates,
)

# Forms ---------------------------------------------------------------------------


def _define_form_check(name, kind, description, make):
    @sequence_check(
        takes_2d if kind == WIDE else always,
        f"check_form_{name}",
        f"Sequences as {description} mean what they mean as float64 arrays in a list.",
    )
    def check_form(trial):
        X, y = trial.sequences(kind), trial.targets()
        trial.assert_reads(make(X), X, y, description)


for _name, _form in FORMS.items():
    _define_form_check(_name, *_form)


# Sequences that are refused ------------------------------------------------------


def _define_error_check(name, description, errors, make):
    applies = both(validates, refuses_nan) if name == "nan" else validates

    @sequence_check(
        applies,
        f"check_error_{name}",
        f"{description[0].upper()}{description[1:]} is refused with "
        f"{names_of(errors)}, in fit and afterwards.",
    )
    def check_error(trial):
        X, y = trial.X_y()
        fitted = trial.fit(X, y)
        bad = make(X)
        assert_refuses(errors, f"{trial.name}.fit of {description}", trial.fit, bad, y)
        for method, call in trial.methods_of(fitted).items():
            what = f"{trial.name}.{method} of {description}"
            assert_refuses(errors, what, call, bad)


for _name, _error in ERRORS.items():
    _define_error_check(_name, *_error)


@sequence_check(validates)
def check_errors_name_the_sequence(trial):
    """When one sequence is bad, the message has its number."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    calls = {"fit": lambda X: trial.fit(X, y)} | trial.methods_of(fitted)
    for description, _, make in (ERRORS[name] for name in AT_ROW):
        for name, call in calls.items():
            try:
                call(make(X))
            except unittest.SkipTest:
                pass
            except Exception as error:
                assert re.search(rf"(?<!\d){ROW}(?!\d)", str(error)), (
                    f"The error of {trial.name}.{name} for {description} in sequence "
                    f"{ROW} does not say in which: {error}"
                )


@sequence_check(validates)
def check_error_n_features(trial):
    """Another number of features than in fit, in scikit-learn's words."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    for n_features in (1, 3):
        other = trial.sequences(n_features=n_features)
        words = rf"X has {n_features} features, but \w+ is expecting 2 features"
        for name, method in trial.methods_of(fitted).items():
            shortest = [x[: trial.min_length] for x in other]
            for form in (other, np.stack(shortest)):
                what = f"{trial.name}.{name} of {n_features} features, 2 in fit,"
                assert_refuses(ValueError, what, method, form, match=words)
