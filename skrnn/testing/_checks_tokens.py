"""Checks of texts, of lists of tokens, and of tokens beside numbers.

They are for estimators whose tags say that X can hold strings; those of frames, for
estimators whose tags say that X can hold categories.
"""

import numpy as np
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict

from skrnn.testing._forms import ROW
from skrnn.testing._registry import sequence_check
from skrnn.testing._token_forms import TOKEN_ERRORS, TOKEN_FORMS
from skrnn.testing._trial import (
    as_arrays,
    assert_finite,
    assert_refuses,
    both,
    has,
    is_deterministic,
    names_of,
    takes_categories,
    takes_strings,
    validates,
)


def _define_form_check(name, kind, description, make):
    @sequence_check(
        takes_categories if kind == "frames" else takes_strings,
        f"check_token_form_{name}",
        f"Tokens in {description} mean what they mean in a list.",
    )
    def check_token_form(trial):
        X, y = trial.tokens(kind), trial.targets()
        trial.assert_reads(make(X), X, y, description)


for _name, _form in TOKEN_FORMS.items():
    _define_form_check(_name, *_form)


def _define_error_check(name, description, errors, make):
    @sequence_check(
        both(takes_strings, validates),
        f"check_token_error_{name}",
        f"{description[0].upper()}{description[1:]} is refused with "
        f"{names_of(errors)}, in fit and afterwards.",
    )
    def check_token_error(trial):
        kind = "texts" if "text" in description else "tokens"
        X, y = trial.tokens(kind), trial.targets()
        fitted = trial.fit(X, y)
        calls = {"fit": lambda X: trial.fit(X, y)} | trial.methods_of(fitted)
        for method, call in calls.items():
            what = f"{trial.name}.{method} of {description}"
            words = "" if name == "one_text" else rf"(?<!\d){ROW}(?!\d)"
            assert_refuses(errors, what, call, make(X), match=words)


for _name, _error in TOKEN_ERRORS.items():
    _define_error_check(_name, *_error)


@sequence_check(both(takes_strings, is_deterministic))
def check_token_invariance(trial):
    """Tokens get what they get alone, in any order and batch."""
    X, y = trial.tokens("tokens"), trial.targets()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    alone = [trial.results(fitted, [x]) for x in X]
    found = {name: [result[name][0] for result in alone] for name in expected}
    trial.assert_same(found, expected, "one by one")
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(X)), 7))
    found = trial.results(fitted, [X[i] for i in order])
    expected = {name: [items[i] for i in order] for name, items in expected.items()}
    trial.assert_same(found, expected, "in another order and a larger batch")


@sequence_check(takes_strings)
def check_token_unknown(trial):
    """A token that was not there in fit is taken, and all of these are the same."""
    y = trial.targets()
    fitted = trial.fit(trial.tokens("tokens"), y)
    found = trial.results(fitted, [["never seen"], ["another one"], ["\U0001f600\0"]])
    assert_finite(trial, found, "unknown tokens")
    first = {name: [items[0]] * 3 for name, items in found.items()}
    if not trial.tags.non_deterministic:
        trial.assert_same(found, first, "of unknown tokens")


@sequence_check(both(takes_strings, validates))
def check_token_kind(trial):
    """Numbers after a fit to tokens are refused, and tokens after one to numbers."""
    y = trial.targets()
    numbers = [np.arange(len(x))[:, np.newaxis] / 2 for x in trial.tokens("tokens")]
    for learned, other in (
        (trial.tokens("tokens"), numbers),
        (trial.tokens("texts"), numbers),
        (numbers, trial.tokens("tokens")),
    ):
        fitted = trial.fit(learned, y)
        expected = trial.results(fitted, learned)
        for name, method in trial.methods_of(fitted).items():
            what = f"{trial.name}.{name} of other things than in fit"
            assert_refuses((TypeError, ValueError), what, method, other)
        found = trial.results(fitted, learned)
        if not trial.tags.non_deterministic:
            trial.assert_same(found, expected, "after it refused others", exact=True)


@sequence_check(both(takes_strings, has("predict", "score"), is_deterministic))
def check_token_tools(trial):
    """Texts and lists of tokens go through scikit-learn's tools."""
    y = trial.targets()
    folds = KFold(2)
    for kind in ("texts", "tokens"):
        X, expected = trial.tokens(kind), []
        for train, test in folds.split(X):
            fitted = trial.fit([X[i] for i in train], None if y is None else y[train])
            expected += as_arrays(fitted.predict([X[i] for i in test]))
        found = cross_val_predict(trial.new(), X, y, cv=folds)
        found, by_hand = {"predict": as_arrays(found)}, {"predict": expected}
        trial.assert_same(found, by_hand, f"in cross_val_predict of {kind}")
        search = GridSearchCV(trial.new(), {}, cv=2, error_score="raise")
        search = trial.fit(X, y, search)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
