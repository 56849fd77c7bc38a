"""Every form of sequences, every error and every tool, for all that takes sequences.

The checks are those of `skrnn.testing`, for estimators that differ in how they read,
compute and pool.
"""

import unittest
from collections import Counter

import pytest
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn.preprocessing import SequenceScaler
from skrnn.testing import parametrize_with_sequence_checks, sequence_checks_generator
from skrnn.testing._forms import FORMS

TINY = {"hidden_layer_sizes": 4, "max_iter": 2, "batch_size": 10}
ESTIMATORS = [
    RNNClassifier(**TINY),
    RNNRegressor(**TINY),
    RNNClassifier(
        **TINY, cell="lstm", bidirectional=True, pooling="mean", segment_length=2
    ),
    RNNRegressor(
        **TINY, cell="lstm", pooling="attention", segment_length=3, dtype="float64"
    ),
    RNNClassifier(
        **TINY, cell="rnn", activation="relu", pooling="last", class_weight="balanced"
    ),
    RNNRegressor(
        **TINY | {"hidden_layer_sizes": (4, 3)}, cell="rnn", solver="sgd", bptt_steps=3
    ),
    RNNClassifier(**TINY, missing="indicator", segment_length=2, dtype="float64"),
    RNNRegressor(**TINY, missing="indicator", standardize=False, bidirectional=True),
    RNNClassifier(3, solver="lbfgs", max_iter=1),
    RNNRegressor(
        **TINY, early_stopping=True, validation_fraction=0.2, warm_start=True, n_jobs=2
    ),
    SequenceScaler(),
    SequenceScaler(with_mean=False),
]
# What the estimators have beside the methods of scikit-learn's.
METHODS = ("hidden_states", "attention_weights")
PIPELINE = make_pipeline(SequenceScaler(), RNNClassifier(**TINY))
# Forecasters train in folds, too, and have a window for each row.
SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "batch_size": 100}
FORECASTERS = [
    SequenceForecaster(2, **SMALL),
    SequenceForecaster(
        3,
        **SMALL,
        cell="lstm",
        window=7,
        segment_length=3,
        loss="quantile",
        dtype="float64",
        n_jobs=2,
    ),
]
FORECAST_METHODS = ("predict_interval", "predict_quantiles", "hidden_states")
# Each exception and its reason; strictly, so that none outlives it.
INVERSE_FAILS = {
    "check_feature_names_in": "what is scaled back may have lost its names on the way"
}
ONE_TABLE = "a 2-D array is one series, whose columns are targets"
FORECASTER_FAILS = {
    **{
        f"check_form_{form}": ONE_TABLE
        for form in FORMS
        if form.endswith("_2d") and form != "nested_lists_2d"
    },
    "check_error_other_columns": "names that were not there at fit are a warning",
    "check_errors_name_the_sequence": "names that were not there at fit are a warning",
    "check_error_one_sequence": "one series is a panel of one",
    "check_error_nothing": "predict() goes on from the series of fit",
    "check_error_long_frame": ONE_TABLE,
}
PIPELINE_FAILS = {
    "check_form_float16": "the scaler gives float16 for float16, of three digits",
    "check_sequence_tags": "scikit-learn's Pipeline does not pass this tag on",
    "check_fit_keeps_parameters": "its steps, which are parameters, are fitted",
    "check_failed_fit_changes_nothing": "its first step is fitted when the last fails",
}


def run(check, estimator):
    """There is no reason to skip any: the tests need pandas and polars anyway."""
    try:
        check(estimator)
    except unittest.SkipTest as reason:
        pytest.fail(f"not checked: {reason}")


# To the last bit.
@parametrize_with_sequence_checks(ESTIMATORS, exact=True, methods=METHODS)
def test_estimators(estimator, check):
    run(check, estimator)


@parametrize_with_sequence_checks(
    FORECASTERS,
    exact=True,
    min_length=12,
    methods=FORECAST_METHODS,
    expected_failed_checks=lambda estimator: FORECASTER_FAILS,
    xfail_strict=True,
)
def test_forecasters(estimator, check):
    run(check, estimator)


@parametrize_with_sequence_checks(
    [SequenceScaler()],
    exact=True,
    methods=("inverse_transform",),
    expected_failed_checks=lambda estimator: INVERSE_FAILS,
    xfail_strict=True,
)
def test_inverse_transform(estimator, check):
    run(check, estimator)


# To the rounding of float32, which is what the scaler makes of float32.
@parametrize_with_sequence_checks(
    [PIPELINE],
    methods=METHODS,
    expected_failed_checks=lambda estimator: PIPELINE_FAILS,
    xfail_strict=True,
)
def test_pipeline(estimator, check):
    run(check, estimator)


def test_count():
    """How many checks there are: ``pytest -rP -k test_count`` prints it."""
    kinds = Counter()
    for estimator in (*ESTIMATORS, *FORECASTERS, SequenceScaler(), PIPELINE):
        for _, check in sequence_checks_generator(estimator):
            name = check.func.__name__
            kind = name.split("_")[1]
            kinds[kind if kind in ("form", "error") else "other"] += 1
    n_fails = len(INVERSE_FAILS | PIPELINE_FAILS | FORECASTER_FAILS)
    print(
        f"{kinds.total()} checks: {kinds['form']} of forms, {kinds['error']} of errors,"
        f" {kinds['other']} others. {n_fails} may fail, each"
        " with its reason; none is skipped."
    )
    assert kinds["form"] == len(FORMS) * (len(ESTIMATORS) + len(FORECASTERS) + 2)
