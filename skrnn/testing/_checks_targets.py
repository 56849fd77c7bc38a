"""Checks of targets and of what is made of them."""

import unittest
import warnings
from contextlib import suppress

import numpy as np
from sklearn.exceptions import (
    DataConversionWarning,
)

from skrnn.testing._forms import (
    EITHER,
    ROW,
    flipped,
    import_or_skip,
    read_only,
    strided,
)
from skrnn.testing._registry import sequence_check
from skrnn.testing._trial import (
    as_arrays,
    assert_agree,
    assert_refuses,
    both,
    classifies,
    has,
    has_one_target,
    is_deterministic,
    needs_y,
    regresses,
    takes_labels,
    validates,
)


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
