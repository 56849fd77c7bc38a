"""scikit-learn's own checks, of the defaults and of all that can be configured."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor
from skrnn.preprocessing import SequenceScaler

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# In float64 and with batches of all sequences, all checks pass.
EXACT = {
    "hidden_layer_sizes": 8,
    "batch_size": 500,
    "learning_rate_init": 0.03,
    "dtype": "float64",
}
ESTIMATORS = [
    RNNClassifier(),
    RNNRegressor(),
    SequenceScaler(),
    RNNClassifier(**EXACT),
    RNNRegressor(**EXACT),
    RNNClassifier(**EXACT, cell="lstm", bidirectional=True, class_weight="balanced"),
    RNNRegressor(**EXACT, cell="lstm", pooling="mean", segment_length=2),
    RNNClassifier(**EXACT, solver="lbfgs"),
    RNNRegressor(**EXACT, cell="rnn", activation="relu"),
    RNNClassifier(**EXACT, pooling="attention", solver="sgd", bptt_steps=5),
    RNNRegressor(**EXACT, pooling="max", missing="indicator"),
    RNNClassifier(dropout=0.1, recurrent_dropout=0.1, early_stopping=True),
    RNNRegressor(
        (8, 8),
        learning_rate_init=0.02,
        n_iter_no_change=30,
        dropout=0.1,
        early_stopping=True,
        scoring="neg_mean_squared_error",
        n_jobs=2,
    ),
]


def expected_failures(estimator):
    if isinstance(estimator, SequenceScaler) or estimator.dtype == "float64":
        return {}
    if estimator.early_stopping:
        reason = "what is held out and dropped is drawn sequence by sequence"
    else:
        reason = (
            "a weight of two and two sequences are the same but for the rounding of "
            "float32, and the check asks for 1e-7"
        )
    return {"check_sample_weight_equivalence_on_dense_data": reason}


def checks():
    mark = parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
    # scikit-learn < 1.9 gives a generator, of which pytest >= 9.1 warns.
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@checks()
def test_sklearn_checks(estimator, check):
    check(estimator)
