"""The checks: functions of a name and an estimator, as scikit-learn's are."""

import copy
import pickle
import re
import tempfile
import unittest
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrnn.testing._forms import (
    AT_ROW,
    EITHER,
    ERRORS,
    FORMS,
    ROW,
    WIDE,
    block_2d,
    cast,
    each,
    each_1d,
    flipped,
    import_or_skip,
    objects,
    pandas_series,
    read_only,
    strided,
)
from skrnn.testing._trial import (
    Trial,
    as_arrays,
    assert_agree,
    assert_finite,
    assert_refuses,
    assert_warns,
    both,
    classifies,
    fails,
    global_seed,
    has,
    has_n_jobs,
    has_one_target,
    is_deterministic,
    names_of,
    needs_fit,
    needs_y,
    public_state,
    refuses_nan,
    regresses,
    starts_anew,
    takes_2d,
    takes_labels,
    takes_nan,
    validates,
    weighs,
)

# In the order in which they are defined: pairs of a check and of a function of a Trial,
# which says whether the estimator gets it.
SEQUENCE_CHECKS = []


def _always(trial):
    return True


def sequence_check(applies=_always, name=None, doc=None):
    """Make a function of a `Trial` a check of a name and an estimator."""

    def register(function):
        def check(name, estimator_orig, *, exact=False, min_length=1, methods=()):
            trial = Trial(name, estimator_orig, exact, min_length, methods)
            with warnings.catch_warnings():
                # Nobody expects of the estimators here that they learn much.
                warnings.simplefilter("ignore", ConvergenceWarning)
                function(trial)

        check.__name__ = check.__qualname__ = name or function.__name__
        check.__doc__ = doc or function.__doc__
        SEQUENCE_CHECKS.append((check, applies))
        return check

    return register


# Other data ------------------------------------------------------------------------


def _other_problem(trial):
    """Sequences of other lengths and features, of more classes if there can be."""
    several = classifies(trial) and trial.tags.classifier_tags.multi_class
    n_classes = 3 if several else 2
    X = trial.sequences(n_seqs=24, n_features=3, n_classes=n_classes, seed=1)
    return [np.concatenate([x, 2 * x]) for x in X], trial.targets(24, n_classes)


def _named_problem(trial):
    """The same in DataFrames."""
    X, y = _other_problem(trial)
    with suppress(unittest.SkipTest):
        pandas = import_or_skip("pandas")
        X = [pandas.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    return X, y


def _longer_problem(trial):
    """Sequences of the same features, other values and other lengths."""
    X = [np.concatenate([x, x]) for x in trial.sequences(seed=2)]
    return X, trial.targets()


def _broken_problems(trial):
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


# Forms -----------------------------------------------------------------------------


def _define_form_check(name, kind, description, make):
    @sequence_check(
        takes_2d if kind == WIDE else _always,
        f"check_form_{name}",
        f"Sequences as {description} mean what they mean as float64 arrays in a list.",
    )
    def check_form(trial):
        X, y = trial.sequences(kind), trial.targets()
        form = make(X)
        fitted = trial.fit(X, y)
        expected = trial.results(fitted, X)
        with warnings.catch_warnings():
            # polars has no columns without names.
            warnings.filterwarnings("ignore", message="X.* feature names")
            found = trial.results(fitted, form)
            trial.assert_same(found, expected, f"given {description}")
            fitted = trial.fit(form, y)
            if not trial.tags.non_deterministic:
                for again in (X, form):
                    found = trial.results(fitted, again)
                    trial.assert_same(found, expected, f"fitted on {description}")


for _name, _form in FORMS.items():
    _define_form_check(_name, *_form)


# Protocol --------------------------------------------------------------------------


@sequence_check()
def check_sequence_tags(trial):
    """The tags say that X can have three dimensions."""
    assert trial.tags.input_tags.three_d_array, (
        f"{trial.name} should set tags.input_tags.three_d_array = True."
    )


@sequence_check()
def check_fit_returns_self(trial):
    """Fit returns the estimator itself."""
    estimator = trial.new()
    assert trial.fit(*trial.X_y(), estimator) is estimator, (
        f"{trial.name}.fit does not return self."
    )


@sequence_check()
def check_fit_keeps_parameters(trial):
    """Fit changes no parameter, and what it adds has an underscore."""
    estimator = trial.new()
    parameters = {k: joblib.hash(v) for k, v in estimator.get_params().items()}
    attributes = set(vars(estimator))
    trial.fit(*trial.X_y(), estimator)
    after = {k: joblib.hash(v) for k, v in estimator.get_params().items()}
    changed = [k for k in parameters if after.get(k) != parameters[k]]
    assert not changed, f"{trial.name}.fit changes the parameters {changed}."
    added = set(vars(estimator)) - attributes
    public = [name for name in added if "_" not in (name[0], name[-1])]
    assert not public, (
        f"{trial.name}.fit adds {public}: names of fitted attributes end with _."
    )


@sequence_check(needs_fit)
def check_unfitted(trial):
    """Before fit, methods raise NotFittedError; after it, check_is_fitted passes."""
    X, y = trial.X_y()
    estimator = trial.new()
    assert_refuses(NotFittedError, "check_is_fitted", check_is_fitted, estimator)
    for name, method in trial.methods_of(estimator).items():
        assert_refuses(NotFittedError, f"{trial.name}.{name}", method, X)
    check_is_fitted(trial.fit(X, y, estimator))


@sequence_check()
def check_pickle(trial):
    """What pickle and deepcopy give says the same, and goes its own way."""
    X, y = trial.X_y()
    estimator = pickle.loads(pickle.dumps(trial.new()))
    fitted = trial.fit(X, y, estimator)
    expected = trial.results(fitted, X)
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        found = trial.results(copied, X)
        trial.assert_same(found, expected, "after a copy", exact=True)
        trial.fit(*_longer_problem(trial), copied)
        found = trial.results(fitted, X)
        trial.assert_same(found, expected, "when a copy is fitted", exact=True)


@sequence_check()
def check_pickle_in_memory_map(trial):
    """An estimator loaded by joblib with mmap_mode="r" says the same."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "estimator.joblib"
        joblib.dump(fitted, path)
        loaded = joblib.load(path, mmap_mode="r")
        found = trial.results(loaded, X)
        trial.assert_same(found, expected, "from a memory map", exact=True)


@sequence_check()
def check_clone_of_fitted(trial):
    """A clone of a fitted estimator is not fitted, and learns the same."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    cloned = clone(fitted)
    assert not public_state(cloned), f"A clone of {trial.name} is fitted."
    trial.fit(X, y, cloned)
    if not trial.tags.non_deterministic:
        trial.assert_same(trial.results(cloned, X), expected, "in a clone")


@sequence_check()
def check_n_features_in(trial):
    """`n_features_in_` is the number of features of a step; the columns of a 2-D X."""
    y = trial.targets()
    assert not hasattr(trial.new(), "n_features_in_"), "n_features_in_ before fit"
    for kind, make, expected in (
        ("ragged", list, 2),
        ("equal", np.stack, 2),
        ("univariate", each_1d(np.asarray), 1),
        (WIDE, block_2d(np.asarray), trial.min_length + 5),
    ):
        estimator, X = trial.new(), make(trial.sequences(kind))
        if kind != "ragged" and fails(trial.fit, X, y, estimator):
            continue  # of which the checks of forms tell
        trial.fit(X, y, estimator)
        n = getattr(estimator, "n_features_in_", None)
        assert n == expected, (
            f"{trial.name}.n_features_in_ is {n} for {kind} sequences, not {expected}."
        )


@sequence_check(is_deterministic)
def check_feature_names_in(trial):
    """Columns of DataFrames become `feature_names_in_`, and are compared."""
    pandas = import_or_skip("pandas")
    X, y = trial.X_y()
    frames = [pandas.DataFrame(x, columns=["speed", "height"]) for x in X]
    expected = trial.results(trial.fit(X, y), X)
    fitted = trial.fit(frames, y)
    trial.assert_same(trial.results(fitted, frames), expected, "given named columns")
    names = getattr(fitted, "feature_names_in_", None)
    assert np.array_equal(names, ["speed", "height"]), (
        f"{trial.name}.feature_names_in_ is {names} after a fit to DataFrames."
    )
    swapped = [frame[["height", "speed"]] for frame in frames]
    renamed = [frame.rename(columns={"speed": "weight"}) for frame in frames]
    for name, method in trial.methods_of(fitted).items():
        for other in (swapped, renamed):
            what = f"{trial.name}.{name} of other columns"
            assert_refuses(ValueError, what, method, other, match="feature names")
        assert_warns("feature names", f"{trial.name}.{name} of arrays", method, X)
    fitted = trial.fit(X, y)
    assert not hasattr(fitted, "feature_names_in_"), (
        f"{trial.name} has feature_names_in_ when fitted without names."
    )
    for name, method in trial.methods_of(fitted).items():
        what = f"{trial.name}.{name} of columns"
        assert_warns("feature names", what, method, frames)


# One sequence and the others -------------------------------------------------------


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


# What is given, and what is learned ------------------------------------------------


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
    for make in (_other_problem, _named_problem, _longer_problem):
        estimator, other = trial.new(), make(trial)
        if make is _named_problem and fails(trial.fit, *other):
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
    trial.fit(*_longer_problem(trial), estimator, "partial_fit")
    trial.results(estimator, X)
    three = trial.sequences(n_features=3)
    what = f"{trial.name}.partial_fit of other features"
    words = r"X has 3 features, but \w+ is expecting 2 features"
    args = (three, y, estimator, "partial_fit")
    assert_refuses(ValueError, what, trial.fit, *args, match=words)


# What fails changes nothing --------------------------------------------------------


def _assert_failures_change_nothing(trial, method):
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    expected = trial.results(fitted, X)
    names, state = set(vars(fitted)), public_state(fitted)
    n_failed = 0
    for what, bad, targets, metadata in _broken_problems(trial):
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
    for what, bad, targets, metadata in _broken_problems(trial):
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


# Sequences that are refused --------------------------------------------------------


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


# Values ----------------------------------------------------------------------------


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


# Weights ---------------------------------------------------------------------------


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


# Targets ---------------------------------------------------------------------------


@sequence_check(both(needs_y, is_deterministic))
def check_target_forms(trial):
    """Targets in a list or a Series, or of another type, mean the same."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    forms = {
        "a list": y.tolist(),
        "float32": y.astype("f4"),
        "big-endian float64": y.astype(">f8"),
        "read-only": read_only(y),
        "flipped": flipped(y),
        "every other element": strided(y),
    }
    with suppress(unittest.SkipTest):
        container = "Series" if y.ndim == 1 else "DataFrame"
        frames = import_or_skip("pandas")
        forms[f"a {container}"] = getattr(frames, container)(y, index=range(5, 25))
        forms["polars"] = getattr(import_or_skip("polars"), container)(y)
    for what, form in forms.items():
        found = trial.results(trial.fit(X, form), X)
        trial.assert_same(found, expected, f"fitted to targets as {what}")


@sequence_check(both(needs_y, is_deterministic, has_one_target))
def check_target_column(trial):
    """Targets in a column are those in a row; with a warning if one is all there is."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = trial.fit(X, y[:, None])
    if not trial.tags.target_tags.multi_output:
        assert any(issubclass(w.category, DataConversionWarning) for w in caught), (
            f"{trial.name}.fit does not warn of targets in a column."
        )
    trial.assert_same(trial.results(fitted, X), expected, "fitted to a column")


@sequence_check(both(needs_y, validates))
def check_error_targets(trial):
    """An error for no targets, too few, NaN or infinity."""
    X, y = trial.X_y()
    nan, infinity = y.astype(float), y.astype(float)
    nan[ROW], infinity[ROW] = np.nan, np.inf
    for what, targets, errors, words in (
        ("y=None", None, EITHER, r"\by\b|[Tt]arget|NoneType"),
        ("too few targets", y[:-1], ValueError, "inconsistent|length|samples"),
        ("NaN in y", nan, ValueError, "NaN"),
        ("infinity in y", infinity, ValueError, "infinity|Unknown label"),
    ):
        what = f"{trial.name}.fit with {what}"
        assert_refuses(errors, what, trial.new().fit, X, targets, match=words)


@sequence_check(both(classifies, validates))
def check_error_targets_no_classes(trial):
    """An error for targets that are no classes, in scikit-learn's words."""
    X, y = trial.X_y()
    words = "Unknown label type"
    what = f"{trial.name}.fit to numbers"
    assert_refuses(ValueError, what, trial.fit, X, y + 0.1, match=words)


@sequence_check(both(classifies, is_deterministic))
def check_labels(trial):
    """Labels can be strings, bools or any numbers, and come back as they were."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    for labels in (
        np.array(["no", "yes"]),
        np.array(["no", "yes"], dtype=object),
        np.array([False, True]),
        np.array([-3, 7], dtype=np.int8),
        np.array([2.0, 3.0]),
    ):
        fitted = trial.fit(X, labels[y])
        assert np.array_equal(fitted.classes_, labels), (
            f"{trial.name}.classes_ is {fitted.classes_} for the labels {labels}."
        )
        found = trial.results(fitted, X)
        predicted = np.array(found.pop("predict"))
        assert np.array_equal(predicted, labels[np.array(expected["predict"])]), (
            f"{trial.name}.predict does not return the labels {labels}."
        )
        rest = {name: expected[name] for name in found}
        trial.assert_same(found, rest, f"fitted to the labels {labels}")


@sequence_check(classifies)
def check_classifier_output(trial):
    """Classes, probabilities and scores are of the shapes they should, and agree."""
    names = ("predict_proba", "predict_log_proba", "decision_function")
    for n_classes in (2, 3) if trial.tags.classifier_tags.multi_class else (2,):
        X = trial.sequences(n_classes=n_classes)
        fitted = trial.fit(X, trial.targets(n_classes=n_classes))
        classes = np.arange(n_classes)
        assert np.array_equal(fitted.classes_, classes), (
            f"{trial.name}.classes_ is {fitted.classes_}, not {classes}."
        )
        predicted = np.asarray(fitted.predict(X))
        assert predicted.shape == (20,) and np.isin(predicted, classes).all(), (
            f"{trial.name}.predict does not return one of the classes a sequence."
        )
        for name in names:
            if not hasattr(fitted, name):
                continue
            scores = np.asarray(getattr(fitted, name)(X))
            binary = name == "decision_function" and n_classes == 2
            shape = (20,) if binary else (20, n_classes)
            assert scores.shape == shape, (
                f"{trial.name}.{name} returns {scores.shape} for {n_classes} classes."
            )
            if name != "decision_function":
                proba = scores if name == "predict_proba" else np.exp(scores)
                sums = proba.sum(axis=1)
                assert (proba >= 0).all() and np.allclose(sums, 1, atol=1e-5), (
                    f"{trial.name}.{name} returns no probabilities:\n{scores}"
                )
            if binary:
                scores = np.stack([np.zeros(20), scores], axis=1)
            assert_agree(trial, name, scores, predicted)


@sequence_check(classifies)
def check_one_class(trial):
    """A single class is always predicted, or refused."""
    X, y = trial.sequences(), np.ones(20, dtype=int)
    try:
        fitted = trial.fit(X, y)
    except ValueError as error:
        assert "class" in str(error), (
            f"{trial.name}.fit to one class raises an unclear error: {error}"
        )
    else:
        assert (fitted.predict(X) == 1).all(), (
            f"{trial.name} learned one class and predicts another."
        )


@sequence_check(takes_labels)
def check_multi_label(trial):
    """Multilabel targets come back as an indicator of the same shape."""
    X = trial.sequences()
    y = np.random.default_rng(0).integers(2, size=(20, 3))
    predicted = np.asarray(trial.fit(X, y).predict(X))
    assert predicted.shape == y.shape and np.isin(predicted, [0, 1]).all(), (
        f"{trial.name}.predict returns no indicator of shape {y.shape}."
    )


@sequence_check(both(regresses, needs_y))
def check_regressor_output(trial):
    """Predictions are finite floats of the shape of the targets."""
    X, y = trial.X_y()
    targets = [y, y.astype(int)]
    if trial.tags.target_tags.multi_output:
        targets.append(np.random.default_rng(0).normal(size=(20, 3)))
    for y in targets:
        predicted = np.asarray(trial.fit(X, y).predict(X))
        assert predicted.shape == y.shape and predicted.dtype.kind == "f", (
            f"{trial.name}.predict returns {predicted.dtype} of {predicted.shape} for "
            f"targets of {y.shape}."
        )
        assert np.isfinite(predicted).all()


@sequence_check(both(has("transform", "fit_transform"), is_deterministic))
def check_fit_transform(trial):
    """Fit_transform is fit and transform."""
    X, y = trial.X_y()
    expected = {"transform": as_arrays(trial.fit(X, y).transform(X))}
    found = {"transform": as_arrays(trial.fit(X, y, method="fit_transform"))}
    trial.assert_same(found, expected, "in fit_transform")


# scikit-learn's tools --------------------------------------------------------------


def _containers():
    """Forms that scikit-learn takes rows of."""
    forms = {"a list": list, "an object array": objects}
    with suppress(unittest.SkipTest):
        import_or_skip("pandas")
        forms["a Series"] = pandas_series
    return forms


@sequence_check(has("score"))
def check_score(trial):
    """The score of ragged sequences is a number, the same in any container."""
    X, y = trial.X_y()
    fitted = trial.fit(X, y)
    scores = {what: fitted.score(make(X), y) for what, make in _containers().items()}
    for what, score in scores.items():
        assert np.ndim(score) == 0 and np.isfinite(score), (
            f"{trial.name}.score of {what} is {score!r}."
        )
        assert np.isclose(score, scores["a list"], rtol=1e-5), (
            f"{trial.name}.score of {what} is {score}, of a list {scores['a list']}."
        )


@sequence_check(is_deterministic)
def check_pipeline(trial):
    """In a Pipeline, the estimator says what it says alone."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    steps = [("nothing", "passthrough"), ("estimator", trial.new())]
    if hasattr(trial.original, "transform"):
        steps.append(("more", "passthrough"))
    pipeline = trial.fit(X, y, Pipeline(steps))
    for name in expected:
        if hasattr(pipeline, name):
            found = {name: as_arrays(getattr(pipeline, name)(X))}
            trial.assert_same(found, {name: expected[name]}, "in a pipeline")


@sequence_check(both(has("predict"), is_deterministic))
def check_cross_val_predict(trial):
    """Folds of ragged sequences are predicted as if they were split by hand."""
    X, y = trial.X_y()
    folds = KFold(2)
    expected = []
    for train, test in folds.split(X):
        fitted = trial.fit([X[i] for i in train], None if y is None else y[train])
        expected += as_arrays(fitted.predict([X[i] for i in test]))
    for what, make in _containers().items():
        found = cross_val_predict(trial.new(), make(X), y, cv=folds)
        found, by_hand = {"predict": as_arrays(found)}, {"predict": expected}
        trial.assert_same(found, by_hand, f"in cross_val_predict of {what}")


@sequence_check(both(has("score"), is_deterministic))
def check_grid_search(trial):
    """GridSearchCV takes ragged sequences, and refits what it finds."""
    X, y = trial.X_y()
    expected = trial.results(trial.fit(X, y), X)
    for what, make in _containers().items():
        search = GridSearchCV(trial.new(), {}, cv=2, error_score="raise")
        search = trial.fit(make(X), y, search)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        found = trial.results(search.best_estimator_, X)
        trial.assert_same(found, expected, f"in GridSearchCV of {what}")
