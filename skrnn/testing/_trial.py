"""An estimator on trial: its data, its results, and what is asserted of them."""

import inspect
import re
import unittest
import warnings
from contextlib import contextmanager

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skrnn.testing._forms import import_or_skip

# Methods that say something of each sequence.
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)


class Trial:
    """An estimator that is checked, data for it, and what is compared."""

    def __init__(self, name, estimator, exact=False, min_length=1, methods=()):
        self.name = name
        self.original = estimator
        self.exact = exact
        self.min_length = min_length
        self.tags = get_tags(estimator)
        self.needs_y = _requires_y(estimator)
        self.methods = (*METHODS, *methods)

    # Data

    def sequences(self, kind="ragged", n_seqs=20, n_features=2, n_classes=2, seed=0):
        """Sequences as a list of float64 arrays, whose level is their class.

        Words of `kind` say what is special about them.
        """
        rng = np.random.default_rng(seed)
        kind = kind.split()
        if "univariate" in kind:
            n_features = 1
        lengths = self.min_length + np.arange(n_seqs) * 7 % 9
        if "equal" in kind:
            lengths[:] = self.min_length + 5
        # Eighths, which float16 holds.
        X = [
            rng.integers(0, 17, size=(n_steps, n_features)) / 8 + 2 * (i % n_classes)
            for i, n_steps in enumerate(lengths)
        ]
        if "integers" in kind:
            return [np.rint(2 * x) for x in X]
        if "bits" in kind:
            return [np.rint(x / 4) for x in X]
        if "twice" in kind:
            X = X[: n_seqs // 2] * 2
        if "overlapping" in kind:
            table = np.concatenate(X)
            X = [table[i : i + n_steps].copy() for i, n_steps in enumerate(lengths)]
        return X if self.tags.input_tags.positive_only else [x - 1.5 for x in X]

    def tokens(self, kind):
        """Texts, lists of tokens or DataFrames, whose tokens are those of a class."""
        rng = np.random.default_rng(5)
        lengths = self.min_length + np.arange(20) * 7 % 9
        words = [
            [("abcd" if i % 2 else "cdef")[k] for k in rng.integers(0, 4, size=n)]
            for i, n in enumerate(lengths)
        ]
        if kind == "texts":
            return ["".join(x) for x in words]
        # Tokens of several lengths, with a zero at the end, and beyond 16 bits.
        names = {"a": "a", "b": "Bee", "c": "\U0001f600", "d": "d e", "e": "", "f": "é"}
        words = [[names[letter] for letter in x] for x in words]
        if kind == "tokens":
            return words
        pandas = import_or_skip("pandas")
        return [
            pandas.DataFrame({"level": rng.integers(0, 17, size=len(x)) / 8, "kind": x})
            for x in words
        ]

    def targets(self, n_seqs=20, n_classes=2):
        """Targets of the sequences: classes, numbers, or None if there are none."""
        if not self.needs_y:
            return None
        y = np.arange(n_seqs) % n_classes
        if is_regressor(self.original):
            y = 2.0 * y + np.arange(n_seqs) % 5 / 4
        return y if self.tags.target_tags.single_output else np.stack([y, y], axis=1)

    def X_y(self):
        """Sequences and targets."""
        return self.sequences(), self.targets()

    # The estimator

    def new(self, **parameters):
        """An estimator that is not fitted, the same each time."""
        estimator = clone(self.original)
        names = estimator.get_params()
        seeds = {p: 0 for p in names if p.rpartition("__")[2] == "random_state"}
        return estimator.set_params(**seeds | parameters)

    def fit(self, X, y, estimator=None, method="fit", **metadata):
        """Fit an estimator, with `y` if it wants it."""
        estimator = self.new() if estimator is None else estimator
        fit = getattr(estimator, method)
        if method == "partial_fit" and "classes" in inspect.signature(fit).parameters:
            metadata["classes"] = np.unique(y)
        return fit(X, **metadata) if y is None else fit(X, y, **metadata)

    def methods_of(self, estimator):
        """The methods that it has, by name."""
        methods = {m: getattr(estimator, m, None) for m in self.methods}
        methods = {name: method for name, method in methods.items() if method}
        assert methods, f"{self.name} has none of the methods {self.methods}."
        return methods

    def results(self, estimator, X):
        """What each method says of X: an array for each sequence."""
        found = {}
        for name, method in self.methods_of(estimator).items():
            found[name] = as_arrays(method(X))
            assert not hasattr(X, "__len__") or len(found[name]) == len(X), (
                f"{self.name}.{name} returns {len(found[name])} items for {len(X)} "
                "sequences."
            )
        return found

    def assert_same(self, found, expected, what, exact=None):
        """Results must be the same, to rounding or to the last bit."""
        exact = self.exact if exact is None else exact
        assert found.keys() == expected.keys(), (
            f"{self.name} has the methods {list(found)} {what}, not {list(expected)}."
        )
        for method in expected:
            assert len(found[method]) == len(expected[method]), (
                f"{self.name}.{method} returns {len(found[method])} items {what}, not "
                f"{len(expected[method])}."
            )
            pairs = zip(found[method], expected[method], strict=True)
            for i, (a, b) in enumerate(pairs):
                assert are_same(a, b, exact), (
                    f"{self.name}.{method} depends on what it must not: {what}, it "
                    f"says of sequence {i}\n{a}\nand not\n{b}"
                )

    def assert_reads(self, form, X, y, description):
        """Sequences in a form must mean what `X` means, in a fit and afterwards."""
        fitted = self.fit(X, y)
        expected = self.results(fitted, X)
        with warnings.catch_warnings():
            # polars has no columns without names.
            warnings.filterwarnings("ignore", message="X.* feature names")
            found = self.results(fitted, form)
            self.assert_same(found, expected, f"given {description}")
            fitted = self.fit(form, y)
            if not self.tags.non_deterministic:
                for again in (X, form):
                    found = self.results(fitted, again)
                    self.assert_same(found, expected, f"fitted on {description}")


def _requires_y(estimator):
    if isinstance(estimator, Pipeline):  # does not pass the tag of its last step on
        estimator = estimator.steps[-1][1]
    return is_classifier(estimator) or get_tags(estimator).target_tags.required


# What is asserted ------------------------------------------------------------------


def as_arrays(result):
    """An array for each item of what a method returned."""
    if issparse(result):
        result = result.toarray()
    elif hasattr(result, "to_list"):  # a Series
        result = result.to_list()
    elif hasattr(result, "to_numpy"):  # a DataFrame
        result = result.to_numpy()
    return [np.asarray(item) for item in result]


def are_same(a, b, exact):
    a, b = a.ravel(), b.ravel()  # a univariate sequence comes back in its own form
    if a.shape != b.shape:
        return False
    if a.dtype.kind != "f" or b.dtype.kind != "f":
        return np.array_equal(a, b)
    dtype = min(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
    with np.errstate(all="ignore"):
        a, b = (values.astype(dtype).astype(np.float64) for values in (a, b))
    if exact or not a.size:
        return np.array_equal(a, b, equal_nan=True)
    size = np.abs(b, where=np.isfinite(b), out=np.zeros_like(b)).max()
    rtol = max(1e-4, 4 * float(np.finfo(dtype).eps))
    return np.allclose(a, b, rtol=rtol, atol=1e-5 * max(1, size), equal_nan=True)


def assert_refuses(errors, what, method, *args, match="", **kwargs):
    """Call a method, which must raise one of `errors` in words that `match`."""
    try:
        method(*args, **kwargs)
    except errors as error:
        assert re.search(match, str(error)), (
            f"{what} raises {type(error).__name__}: {error}\n"
            f"These words should match {match!r}."
        )
    except unittest.SkipTest:
        raise
    except Exception as error:
        raise AssertionError(
            f"{what} raises {type(error).__name__}: {error}\n"
            f"This should be {names_of(errors)}."
        ) from error
    else:
        raise AssertionError(f"{what} raises no error.")


def fails(method, *args, **kwargs):
    """Whether a call raises an error."""
    try:
        method(*args, **kwargs)
    except unittest.SkipTest:
        raise
    except Exception:
        return True
    return False


def public_state(estimator):
    """Hashes of the fitted attributes."""
    return {
        name: joblib.hash(value)
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def names_of(errors):
    return " or ".join(error.__name__ for error in np.atleast_1d(errors))


def assert_warns(words, what, method, *args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        method(*args)
    assert any(re.search(words, str(w.message)) for w in caught), (
        f"{what} does not warn of {words}."
    )


def assert_finite(trial, results, what):
    for name, items in results.items():
        # The logarithm of a probability of 0 is no error.
        bad = np.isnan if name == "predict_log_proba" else lambda a: ~np.isfinite(a)
        for i, item in enumerate(items):
            assert item.dtype.kind != "f" or not bad(item).any(), (
                f"{trial.name}.{name} of {what} gives sequence {i}\n{item}"
            )


def assert_agree(trial, method, scores, predicted):
    """The class that is predicted has the highest score, or shares it."""
    chosen = np.take_along_axis(scores, predicted[:, None].astype(int), axis=1)[:, 0]
    assert (chosen >= scores.max(axis=1) - 1e-6).all(), (
        f"{trial.name}.predict and {method} disagree."
    )


@contextmanager
def global_seed(seed):
    """Seed NumPy's global generator for a moment."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


# To whom a check applies -----------------------------------------------------------


def has(*methods):
    return lambda trial: all(hasattr(trial.original, method) for method in methods)


def both(*conditions):
    return lambda trial: all(condition(trial) for condition in conditions)


def validates(trial):
    return not trial.tags.no_validation


def needs_fit(trial):
    return trial.tags.requires_fit


def needs_y(trial):
    return trial.needs_y


def has_one_target(trial):
    return trial.tags.target_tags.single_output


def takes_2d(trial):
    return trial.tags.input_tags.two_d_array


def takes_strings(trial):
    return trial.tags.input_tags.string and trial.tags.input_tags.three_d_array


def takes_categories(trial):
    return takes_strings(trial) and trial.tags.input_tags.categorical


def takes_nan(trial):
    return trial.tags.input_tags.allow_nan


def refuses_nan(trial):
    return not trial.tags.input_tags.allow_nan


def is_deterministic(trial):
    return not trial.tags.non_deterministic


def starts_anew(trial):
    warm = trial.original.get_params().get("warm_start", False)
    return is_deterministic(trial) and not warm


def classifies(trial):
    return is_classifier(trial.original)


def takes_labels(trial):
    return classifies(trial) and trial.tags.classifier_tags.multi_label


def regresses(trial):
    return is_regressor(trial.original)


def weighs(trial):
    return has_fit_parameter(trial.original, "sample_weight")


def has_n_jobs(trial):
    return "n_jobs" in trial.original.get_params()
