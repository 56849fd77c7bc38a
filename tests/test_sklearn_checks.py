"""scikit-learn's own checks, of the defaults and of all that can be configured."""

import pytest
import sklearn
from sklearn.base import TransformerMixin
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import (
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.preprocessing import (
    ConvolutionFeatures,
    LogMel,
    RandomConvolutions,
    SequenceScaler,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# In float64, with batches of all sequences and nothing dropped, all checks pass. But a
# sequence twice and one of weight two round differently, and many iterations of L-BFGS,
# or a maximum that moves to another step, make much of that.
EXACT = {
    "hidden_layer_sizes": 8,
    "batch_size": 500,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "learning_rate": "constant",
    "learning_rate_init": 0.03,
    "max_iter": 200,
    "dtype": "float64",
}
ESTIMATORS = [
    RNNClassifier(),
    RNNRegressor(),
    SequenceScaler(),
    RandomConvolutions(8),
    ConvolutionFeatures(84),
    LogMel(8000),
    LogMel(200, n_mels=4, hop=0.02, f_min=0.0, n_deltas=1),
    RNNClassifier(**EXACT),
    RNNRegressor(**EXACT),
    RNNClassifier(
        **EXACT,
        cell="lstm",
        bidirectional=True,
        pooling="last",
        class_weight="balanced",
    ),
    RNNRegressor(**EXACT, cell="lstm", pooling="mean", segment_length=2),
    RNNClassifier(**EXACT | {"max_iter": 20}, solver="lbfgs"),
    RNNRegressor(
        **EXACT | {"hidden_layer_sizes": 16, "pooling": "max"},
        cell="rnn",
        activation="relu",
    ),
    RNNClassifier(**EXACT, pooling="attention", solver="sgd", bptt_steps=5),
    RNNRegressor(**EXACT, pooling="last", missing="indicator"),
    RNNClassifier(dropout=0.1, recurrent_dropout=0.1, early_stopping=True),
    RNNRegressor(
        (16, 16),
        learning_rate_init=0.02,
        n_iter_no_change=20,
        dropout=0.1,
        recurrent_dropout=0.0,
        early_stopping=True,
        scoring="neg_mean_squared_error",
        n_jobs=2,
    ),
    # The checks give one table: its rows are consecutive steps.
    SequenceTagger(max_iter=3),
    SequenceTagger(
        **EXACT | {"max_iter": 5}, bidirectional=False, crf=True, segment_length=2
    ),
    StepRegressor(),
    StepRegressor(**EXACT, cell="lstm", bidirectional=True, segment_length=2),
    SequenceTranscriber(),
    SequenceTranscriber(
        **EXACT | {"max_iter": 20}, cell="lstm", standardize="sequence", beam_width=3
    ),
    SequenceTranslator(16),
    SequenceTranslator(
        **EXACT | {"max_iter": 20}, cell="lstm", attention="additive", beam_width=1
    ),
    SequenceForecaster(),
    SequenceForecaster(
        horizon=3,
        window=5,
        hidden_layer_sizes=(4, 3),
        cell="lstm",
        loss="quantile",
        max_iter=2,
        dtype="float64",
    ),
    SequenceForecaster(
        horizon=2,
        hidden_layer_sizes=4,
        normalize="mean",
        loss="absolute_error",
        solver="lbfgs",
        max_iter=3,
    ),
    SequenceForecaster(
        hidden_layer_sizes=4,
        known_future=None,
        cell="rnn",
        early_stopping=True,
        max_iter=3,
        n_jobs=2,
    ),
    SeriesOutlierDetector(
        horizon=2,
        warm_up=20,
        forecaster=SequenceForecaster(hidden_layer_sizes=4, max_iter=1, window=5),
    ),
]


FAILURES_OF_DETECTORS = {
    "check_fit1d": "an array of one dimension is one series",
    "check_fit2d_predict1d": "an array of one dimension is one series",
    "check_outliers_fit_predict": (
        "predict takes the rows that follow, and fit_predict tells of the rows of fit"
    ),
    "check_outliers_train": "a list of lists of numbers is a panel of series",
}


def expected_failures(estimator):
    if isinstance(estimator, SequenceForecaster):
        reason = (
            "rows are consecutive steps of time, and the forecast of one depends on "
            "how far it is from the last known value: in another order, or without "
            "those before them, rows are other steps"
        )
        return {
            "check_methods_sample_order_invariance": reason,
            "check_methods_subset_invariance": reason,
        }
    if isinstance(estimator, SeriesOutlierDetector):
        return FAILURES_OF_DETECTORS
    if isinstance(estimator, SequenceTagger | StepRegressor):
        return failures_of_steps(estimator)
    failures = {}
    if isinstance(estimator, SequenceTranscriber | SequenceTranslator):
        failures["check_n_features_in_after_fitting"] = (
            "the first call of partial_fit needs all labels, which the check gives to "
            "classifiers only, as `classes`; an estimator of label sequences is none"
        )
    if isinstance(estimator, TransformerMixin) or estimator.dtype == "float64":
        return failures
    # So it is for scikit-learn's own estimators that draw rows: they want a statistical
    # test in its place (scikit-learn's issue #16298).
    reason = (
        "a fit draws for each row: its batch, what of it is dropped, whether it is "
        "held out. A row of weight two draws once and the same row twice draws twice: "
        "the loss to minimise is the same, the path of a stochastic solver is not"
    )
    return failures | {"check_sample_weight_equivalence_on_dense_data": reason}


def failures_of_steps(estimator):
    order = (
        "rows are consecutive steps of one sequence, and each is answered in the light "
        "of those before it: in another order, or without them, rows are other steps"
    )
    failures = {
        "check_methods_sample_order_invariance": order,
        "check_methods_subset_invariance": order,
        "check_sample_weight_equivalence_on_dense_data": (
            "a row twice is two steps, and those after it are read after both; a row "
            "of weight zero is still read, and one that is left out is not"
        ),
    }
    if isinstance(estimator, SequenceTagger):
        failures["check_n_features_in_after_fitting"] = (
            "partial_fit needs the classes, which scikit-learn gives to classifiers, "
            "and a tagger of ragged labels cannot be one"
        )
    if getattr(estimator, "crf", False):
        weights = "the likelihood of a path has no weights of steps but 0 and 1"
        failures["check_sample_weights_list"] = weights
        failures["check_sample_weights_not_overwritten"] = weights
    return failures


def all_expected_failures(estimator):
    """Return the expected failures, with those of an old scikit-learn."""
    failures = expected_failures(estimator)
    takes_categories = (
        isinstance(
            estimator,
            RNNClassifier
            | RNNRegressor
            | SequenceTagger
            | SequenceTranscriber
            | SequenceTranslator
            | StepRegressor,
        )
        and get_tags(estimator).input_tags.categorical
    )
    old = sklearn.__version__.startswith("1.6")
    # With gaps the check makes no ints.
    if old and takes_categories and estimator.missing == "error":
        failures = failures | {
            "check_positive_only_tag_during_fit": (
                "scikit-learn 1.6 makes ints of the data of an estimator that takes "
                "categories, and subtracts floats from them in place"
            )
        }
    return failures


def checks():
    mark = parametrize_with_checks(
        ESTIMATORS, expected_failed_checks=all_expected_failures
    )
    # scikit-learn < 1.9 gives a generator, of which pytest >= 9.1 warns.
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@checks()
def test_sklearn_checks(estimator, check):
    check(estimator)
