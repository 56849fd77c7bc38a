"""Checks of what scikit-learn's protocol says of any estimator."""

import copy
import pickle
import tempfile
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import (
    NotFittedError,
)
from sklearn.utils.validation import check_is_fitted

from skrnn.testing._forms import (
    WIDE,
    block_2d,
    each_1d,
    import_or_skip,
)
from skrnn.testing._problems import (
    longer_problem,
)
from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    assert_refuses,
    assert_warns,
    fails,
    is_deterministic,
    needs_fit,
    public_state,
)


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
        trial.fit(*longer_problem(trial), copied)
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
