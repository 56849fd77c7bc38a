"""Estimators that each differ from a right one in one respect, for tests of checks."""

import copy
from typing import ClassVar

import numpy as np
from sklearn.utils.validation import (
    check_is_fitted,
)

from sequence_toys import (
    Classifier,
    Labels,
    Regressor,
    Scaler,
    TokenClassifier,
)
from skrnn.inputs.sequences import check_sequences

WRONG = []  # pairs of an estimator and patterns of the checks that must catch it


def caught_by(*patterns):
    def collect(cls):
        WRONG.append((cls(), patterns))
        return cls

    return collect


@caught_by("check_data_not_modified", "check_form_read_only*", "check_form_memory_map")
class ChangesSequences(Regressor):
    def summarize(self, arrays):
        for x in arrays:
            x -= x.mean()
        return super().summarize(arrays)


@caught_by("check_data_not_modified")
class ChangesTargets(Regressor):
    def encode(self, y, reset, classes):
        y = super().encode(y, reset, classes)
        y -= y.mean(axis=0)
        return y


@caught_by("check_data_not_modified")
class ReplacesItems(Regressor):
    def predict(self, X):
        y = super().predict(X)
        if isinstance(X, list):
            X[:] = [np.array(x) for x in X]
        return y


@caught_by(
    "check_one_by_one_invariance",
    "check_subset_invariance",
    "check_neighbour_invariance",
    "check_sample_weight_zero",
)
class StandardizesTheBatch(Regressor):
    def summarize(self, arrays):
        rows = super().summarize(arrays)
        return rows - rows.mean(axis=0)


@caught_by("check_one_by_one_invariance", "check_length_invariance")
class PadsWithZeros(Regressor):
    def summarize(self, arrays):
        longest = max(len(x) for x in arrays)
        pad = [np.pad(x, ((0, longest - len(x)), (0, 0))) for x in arrays]
        return super().summarize(pad)


@caught_by("check_order_invariance", "check_subset_invariance")
class SortsByLength(Regressor):
    def predict(self, X):
        order = np.argsort(check_sequences(X).lengths, kind="stable")
        return super().predict(X)[order]


@caught_by("check_other_lengths", "check_length_invariance")
class RefusesLonger(Regressor):
    def summarize(self, arrays):
        longest = max(len(x) for x in arrays)
        if hasattr(self, "coef_") and longest > self._longest:
            raise ValueError("These sequences are longer than those of fit.")
        self._longest = longest
        return super().summarize(arrays)


@caught_by("check_methods_repeat")
class IsStateful(Regressor):
    """Each call begins where the last one ended."""

    def predict(self, X):
        y = super().predict(X) + getattr(self, "_state", 0.0)
        self._state = 0.1 * y.ravel()[-1]
        return y


@caught_by("check_methods_leave_state")
class CountsCalls(Regressor):
    def predict(self, X):
        y = super().predict(X)
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return y


@caught_by("check_n_jobs_invariance")
class DependsOnThreads(Regressor):
    def predict(self, X):
        return super().predict(X) + 0.1 * (self.n_jobs or 1)


@caught_by("check_error_n_features", "check_partial_fit", "check_feature_names_in")
class ForgetsFeatures(Regressor):
    """Fits what has other features than in fit into the same width."""

    def summaries(self, X, reset=False):
        if reset:
            return super().summaries(X, reset)
        width = len(self.coef_) // 2 - 1
        sequences = [np.asarray(x, np.float64) for x in check_sequences(X)]
        return self.summarize([np.resize(x, (len(x), width)) for x in sequences])


@caught_by("check_failed_fit_*", "check_failed_partial_fit_*", "check_failed_first_fit")
class IsHalfFitted(Regressor):
    def fit(self, X, y, sample_weight=None):
        vars(self).pop("coef_", None)
        return self.learn(X, y, sample_weight, reset=True)

    def partial_fit(self, X, y, sample_weight=None):
        self.n_calls_ = getattr(self, "n_calls_", 0) + 1
        return super().partial_fit(X, y, sample_weight)


@caught_by("check_failed_method_changes_nothing")
class BreaksInPredict(Regressor):
    def predict(self, X):
        check_is_fitted(self)
        self.coef_ = -self.coef_
        y = -super().predict(X)
        self.coef_ = -self.coef_
        return y


@caught_by(
    "check_fit_idempotent",
    "check_clone_of_fitted",
    "check_pipeline",
    "check_cross_val_predict",
    "check_grid_search",
    "check_sample_weight_none",
)
class IsRandom(Regressor):
    """Draws from NumPy's global generator, whatever `random_state` is."""

    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        self.coef_ = self.coef_ + np.random.normal(size=self.coef_.shape)  # noqa: NPY002
        return self


@caught_by("check_refit_forgets")
class GoesOn(Regressor):
    """Every fit starts from the one before."""

    def learn(self, X, y, sample_weight, reset, classes=None):
        before = getattr(self, "coef_", None)
        super().learn(X, y, sample_weight, reset, classes)
        if before is not None and before.shape == self.coef_.shape:
            self.coef_ = 0.5 * (self.coef_ + before)
        return self


@caught_by("check_refit_forgets")
class KeepsAnAttribute(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        if self.n_features_in_ == 3:
            self.third_ = True
        return self


@caught_by("check_data_not_needed_after_fit")
class KeepsTheSequences(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        self._X = X
        return self

    def predict(self, X):
        return super().predict(X) + super().predict(self._X)[0]


@caught_by("check_pickle", "check_pickle_in_memory_map")
class HoldsAFunction(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        self._link = lambda y: y
        return self


@caught_by("check_pickle")
class SharesItsModel(Regressor):
    """Copies write into the same coefficients."""

    shared: ClassVar[dict] = {}

    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        self.shared[self.coef_.shape] = self.coef_
        return self

    def predict(self, X):
        check_is_fitted(self)
        self.coef_ = self.shared[self.coef_.shape]
        return super().predict(X)


@caught_by("check_pickle_in_memory_map")
class WritesIntoItsModel(Regressor):
    def predict(self, X):
        check_is_fitted(self)
        self.coef_ *= 1.0
        return super().predict(X)


@caught_by("check_clone_of_fitted")
class IsBornFitted(Regressor):
    def __sklearn_clone__(self):
        return copy.copy(self)


@caught_by("check_fit_returns_self", "check_partial_fit")
class ReturnsNothing(Regressor):
    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)

    def partial_fit(self, X, y, sample_weight=None):
        super().partial_fit(X, y, sample_weight)


@caught_by("check_fit_keeps_parameters")
class ChangesItsParameters(Regressor):
    def fit(self, X, y, sample_weight=None):
        self.penalty = self.penalty + 1.0
        return super().fit(X, y, sample_weight)


@caught_by("check_fit_keeps_parameters")
class AddsAttributes(Regressor):
    def fit(self, X, y, sample_weight=None):
        self.history = []
        return super().fit(X, y, sample_weight)


@caught_by("check_unfitted", "check_failed_first_fit")
class NeverSaysItIsNotFitted(Regressor):
    def predict(self, X):
        return super().predict(X) if hasattr(self, "coef_") else np.zeros(len(X))


@caught_by("check_sequence_tags")
class HasTheTagsOfTables(Regressor):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = False
        return tags


@caught_by("check_n_features_in")
class CountsStepsAsFeatures(Regressor):
    """As scikit-learn's ``validate_data(allow_nd=True)`` does."""

    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        self._features, self.n_features_in_ = self.n_features_in_, len(X[0])
        return self

    def predict(self, X):
        check_is_fitted(self)
        fitted = Regressor()
        vars(fitted).update(vars(self), n_features_in_=self._features)
        return fitted.predict(X)


@caught_by("check_feature_names_in", "check_error_other_columns")
class IgnoresNames(Regressor):
    def summaries(self, X, reset=False):
        if isinstance(X, list) and X and hasattr(X[0], "columns"):
            X = [x.to_numpy() for x in X]
        return super().summaries(X, reset)


@caught_by("check_length_one")
class TakesDifferences(Regressor):
    def summarize(self, arrays):
        if min(len(x) for x in arrays) < 2:
            raise ValueError("Sequences need two steps.")
        return super().summarize([np.diff(x, axis=0) for x in arrays])


@caught_by("check_one_sequence")
class WantsMany(Regressor):
    def encode(self, y, reset, classes):
        if len(y) == 1:
            raise ValueError("singular matrix")
        return super().encode(y, reset, classes)


@caught_by("check_constant_features", "check_extreme_values")
class DividesByTheSpread(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        super().learn(X, y, sample_weight, reset, classes)
        table = np.concatenate([np.asarray(x, np.float64) for x in check_sequences(X)])
        with np.errstate(all="ignore"):
            self.coef_ = self.coef_ + 0.0 / table.std(axis=0).min()
        return self


@caught_by("check_missing_values")
class MistakesNoneForZero(Scaler):
    def fit(self, X, y=None):
        if isinstance(X, list) and X and isinstance(X[0], list):
            X = [np.nan_to_num(np.array(x, dtype=float)) for x in X]
        return super().fit(X)


@caught_by("check_sample_weight_zero", "check_error_sample_weight")
class IgnoresWeights(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        return super().learn(X, y, None, reset, classes)


@caught_by("check_sample_weight_forms", "check_sample_weight_none")
class MisreadsWeights(Regressor):
    def learn(self, X, y, sample_weight, reset, classes=None):
        if sample_weight is None:
            sample_weight = np.full(len(X), 3.0)
        elif isinstance(sample_weight, list):
            sample_weight = None
        return super().learn(X, y, sample_weight, reset, classes)


@caught_by("check_target_forms", "check_target_column")
class MisreadsTargets(Regressor):
    def encode(self, y, reset, classes):
        if not isinstance(y, np.ndarray):
            y = np.zeros(len(y))
        return super().encode(y + 1.0 if y.ndim == 2 else y, reset, classes)


@caught_by("check_error_targets_no_classes", "check_labels")
class RoundsTargets(Classifier):
    def encode(self, y, reset, classes):
        return super().encode(np.asarray(y).astype(int), reset, classes)


@caught_by("check_labels", "check_one_class")
class ReturnsCodes(Classifier):
    def predict(self, X):
        return self.scores(X).argmax(axis=1)


@caught_by("check_classifier_output")
class Disagrees(Classifier):
    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]


@caught_by("check_multi_label")
class ReturnsScores(Labels):
    def predict(self, X):
        scores = self.scores(X)
        return scores if self._many else super().predict(X)


@caught_by("check_regressor_output")
class ReturnsAColumn(Regressor):
    def predict(self, X):
        y = super().predict(X)
        return y.reshape(len(y), -1)


@caught_by("check_fit_transform")
class TransformsTwice(Scaler):
    def fit_transform(self, X, y=None):
        return self.transform(super().fit_transform(X))


@caught_by("check_score")
class ScoresNothing(Regressor):
    def score(self, X, y):
        return np.nan


@caught_by("check_form_fortran_order*", "check_form_mixed")
class ReadsMemory(Regressor):
    """Numbers as they follow each other in memory, whatever the strides say."""

    def summarize(self, arrays):
        return super().summarize([x.ravel("K").reshape(x.shape) for x in arrays])


@caught_by("check_form_*int8", "check_form_bool")
class KeepsTheType(Regressor):
    """Computes in the type that it is given."""

    def summaries(self, X, reset=False):
        rows = super().summaries(X, reset)
        with np.errstate(over="ignore"):
            sums = [(x[-1] * x.dtype.type(99)).sum() for x in check_sequences(X)]
        return rows + np.tanh(np.asarray(sums, np.float64) / 1e4)[:, None]


@caught_by("check_form_*")
class TakesPlainListsOnly(Regressor):
    def summaries(self, X, reset=False):
        if (
            not isinstance(X, list)
            or not all(type(x) is np.ndarray and x.dtype is np.dtype("f8") for x in X)
            or not all(x.ndim == 2 and x.base is None for x in X)
            or not all(x.flags.carray for x in X)
            or len({id(x) for x in X}) < len(X)
        ):
            raise ValueError("X must be a list of arrays.")
        return super().summaries(X, reset)


@caught_by("check_error_*")
class TakesAnything(Regressor):
    """What it cannot read is 0."""

    def fit(self, X, y, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except (TypeError, ValueError):
            return super().fit([np.zeros((2, 2))] * 4, np.zeros(4))

    def partial_fit(self, X, y, sample_weight=None):
        return self.fit(X, y, sample_weight)

    def predict(self, X):
        try:
            return super().predict(X)
        except (TypeError, ValueError):
            return np.zeros(20)


@caught_by("check_errors_name_the_sequence")
class NeverSaysWhere(Regressor):
    def summaries(self, X, reset=False):
        try:
            return super().summaries(X, reset)
        except (TypeError, ValueError) as error:
            raise ValueError("Something is wrong with X.") from error


@caught_by("check_token_form_*")
class TakesListsOfTokensOnly(TokenClassifier):
    """Lists of str, and frames of pandas whose strings are str."""

    def summaries(self, X, reset=False):
        first = X[0] if isinstance(X, list) and X else None
        if hasattr(first, "dtypes"):
            plain = hasattr(first, "iloc") and str(first.dtypes.iloc[-1]) == "str"
        else:
            plain = isinstance(first, str) or (
                isinstance(first, list)
                and any(len(token) != 1 for x in X for token in x)
            )
        if not plain:
            raise ValueError("X must be a list of texts or of lists.")
        return super().summaries(X, reset)


@caught_by("check_token_error_*", "check_token_kind")
class TakesAnyToken(TokenClassifier):
    def fit(self, X, y, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except (TypeError, ValueError):
            return super().fit(["ab"] * 4, np.arange(4) % 2)

    def predict(self, X):
        try:
            return super().predict(X)
        except (TypeError, ValueError):
            return np.zeros(20, dtype=int)


@caught_by("check_token_invariance")
class CountsTokensOfTheBatch(TokenClassifier):
    def summaries(self, X, reset=False):
        return super().summaries(X, reset) * (1 + len(X) % 2)


@caught_by("check_token_unknown")
class RefusesUnknownTokens(TokenClassifier):
    def summaries(self, X, reset=False):
        counts = super().summaries(X, reset)
        if not reset and self._kind == "tokens" and counts[:, -1].any():
            raise ValueError("There is an unknown token.")
        return counts


@caught_by("check_token_tools")
class ScoresNoTokens(TokenClassifier):
    def score(self, X, y):
        if self._kind == "tokens":
            raise ValueError("Tokens have no score.")
        return super().score(X, y)
