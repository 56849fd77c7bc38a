"""Estimators that the checks of `skrnn.testing` pass. They are no part of skrnn."""

from collections import UserList

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
)

from skrnn.inputs.sequences import check_sequences


class Linear(BaseEstimator):
    """A linear model of what sequences are summed up as."""

    def __init__(self, penalty=1.0, n_jobs=None, random_state=None):
        self.penalty = penalty
        self.n_jobs = n_jobs
        self.random_state = random_state

    def summaries(self, X, reset=False):
        sequences = check_sequences(X, estimator=self, reset=reset)
        return self.summarize([np.asarray(x, np.float64) for x in sequences])

    def summarize(self, arrays):
        """Sum up arrays (n_steps, n_features) as rows of numbers of moderate size."""
        with np.errstate(over="ignore"):
            means = np.tanh([x.mean(axis=0) for x in arrays])
        lasts = np.tanh([x[-1] for x in arrays])
        lengths = [[1.0, np.log(len(x))] for x in arrays]
        return np.hstack([means, lasts, lengths])

    def fit(self, X, y, sample_weight=None):
        before = vars(self).copy()
        try:
            return self.learn(X, y, sample_weight, reset=True)
        except Exception:
            self.__dict__ = before
            raise

    def partial_fit(self, X, y, sample_weight=None, classes=None):
        before = vars(self).copy()
        try:
            reset = not hasattr(self, "coef_")
            return self.learn(X, y, sample_weight, reset, classes)
        except Exception:
            self.__dict__ = before
            raise

    def learn(self, X, y, sample_weight, reset, classes=None):
        if y is None:
            raise ValueError("This estimator requires y to be passed.")
        S = self.summaries(X, reset)
        y = self.encode(y, reset, classes)
        check_consistent_length(S, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, S)
            S, y = S[sample_weight > 0], y[sample_weight > 0]
            sample_weight = sample_weight[sample_weight > 0, None]
        weighted = S if sample_weight is None else S * sample_weight
        y = y.reshape(len(y), -1)
        A, B = weighted.T @ S, weighted.T @ y
        if not reset:
            A, B = A + self._A, B + self._B
        self._A, self._B = A, B
        self.coef_ = np.linalg.solve(A + self.penalty * np.eye(len(A)), B)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class Classifier(ClassifierMixin, Linear):
    def encode(self, y, reset, classes):
        y = column_or_1d(y, warn=True)
        if y.dtype.kind != "O":
            check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(y)
        if reset:
            self.classes_ = np.unique(y if classes is None else classes)
        return (y[:, None] == self.classes_).astype(float)

    def scores(self, X):
        check_is_fitted(self)
        return self.summaries(X) @ self.coef_

    def decision_function(self, X):
        scores = self.scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X):
        proba = np.exp(self.scores(X))
        return proba / proba.sum(axis=1, keepdims=True)

    def predict(self, X):
        best = self.scores(X).argmax(axis=1)
        return self.classes_[best]


class Labels(Classifier):
    """With multilabel targets, too."""

    def encode(self, y, reset, classes):
        self._many = np.ndim(y) == 2 and np.shape(y)[1] > 1
        if not self._many:
            return super().encode(y, reset, classes)
        self.classes_ = np.arange(np.shape(y)[1])
        return np.asarray(y, float)

    def predict(self, X):
        scores = self.scores(X)
        return (scores > 0.5).astype(int) if self._many else super().predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class Regressor(RegressorMixin, Linear):
    def encode(self, y, reset, classes):
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.shape[1:] == (1,):
            y = column_or_1d(y, warn=True)
        self._one = y.ndim == 1
        return y

    def predict(self, X):
        check_is_fitted(self)
        y = self.summaries(X) @ self.coef_
        return y[:, 0] if self._one else y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class Scaler(TransformerMixin, BaseEstimator):
    """Subtracts the mean of each sequence's feature, unknown values left out."""

    def fit(self, X, y=None):
        before = vars(self).copy()
        try:
            steps = list(check_sequences(X, estimator=self, missing="indicator"))
            table = np.concatenate([np.asarray(x, np.float64) for x in steps])
        except Exception:
            self.__dict__ = before
            raise
        self.mean_ = np.nan_to_num(np.nanmean(table, axis=0))
        return self

    def transform(self, X):
        check_is_fitted(self, "mean_")
        sequences = check_sequences(X, estimator=self, reset=False, missing="indicator")
        return [np.asarray(x, np.float64) - self.mean_ for x in sequences]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags


class Forecaster(BaseEstimator):
    """Without targets: a sample is a series, and its next steps are predicted."""

    def __init__(self, horizon=3):
        self.horizon = horizon

    def fit(self, X, y=None):
        before = vars(self).copy()
        try:
            sequences = check_sequences(X, estimator=self)
        except Exception:
            self.__dict__ = before
            raise
        with np.errstate(over="ignore"):
            arrays = [np.asarray(x, np.float64) for x in sequences]
            drifts = [(x[-1] - x[0]) / len(x) for x in arrays]
            self.drift_ = np.mean(drifts, axis=0)
        return self

    def predict(self, X):
        check_is_fitted(self, "drift_")
        sequences = check_sequences(X, estimator=self, reset=False)
        ahead = np.arange(1, self.horizon + 1)[:, None]
        with np.errstate(over="ignore"):
            return np.array(
                [np.asarray(x, np.float64)[-1] + ahead * self.drift_ for x in sequences]
            )

    def score(self, X, y=None):
        return -float(np.mean([np.abs(x).mean() for x in self.predict(X)]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "forecaster"
        tags.input_tags.three_d_array = True
        return tags


# Tokens --------------------------------------------------------------------------


class TokenClassifier(Classifier):
    """How often each token occurs, or sums of numbers; or both, of frames."""

    def summaries(self, X, reset=False):
        numbers, tokens = self.read(X)
        kind = "numbers" if tokens is None else "tokens" if numbers is None else "both"
        if reset:
            self._kind = kind
        elif kind != self._kind:
            raise ValueError("X holds other things than in fit.")
        if tokens is None:
            return super().summaries(X, reset)
        if reset:
            found = sorted(set().union(*tokens))
            self._tokens = {token: j for j, token in enumerate(found)}
        counts = np.zeros((len(tokens), len(self._tokens) + 1))
        for i, x in enumerate(tokens):
            for token in x:
                counts[i, self._tokens.get(token, -1)] += 1 / len(x)
        if numbers is not None:
            return np.hstack([counts, super().summaries(numbers, reset)])
        if reset:
            self.n_features_in_ = 1
        return counts

    def read(self, X):
        """What is made of numbers in X, and the tokens; None for what there is not."""
        if isinstance(X, str):
            raise ValueError("X is one text.")
        X = X.to_list() if hasattr(X, "to_list") else X
        if (
            not isinstance(X, list | tuple | UserList | np.ndarray)
            or isinstance(X, np.ndarray)
            and X.ndim != 1
        ):
            return X, None
        items = list(X)
        if all("kind" in getattr(x, "columns", ()) for x in items):
            tokens = [[str(token) for token in x["kind"]] for x in items]
            return [np.asarray(x["level"], float)[:, np.newaxis] for x in items], tokens
        tokens = [self.tokens_of(x) for x in items]
        if not any(isinstance(t, str | bytes) for x in tokens for t in x):
            empty = [i for i, x in enumerate(items) if isinstance(x, str)]
            if empty:
                raise ValueError(f"X[{empty[0]}] is empty.")
            return X, None
        for i, x in enumerate(tokens):
            if not x or not all(isinstance(token, str) for token in x):
                raise ValueError(f"X[{i}] has no tokens, or other things than tokens.")
        return None, tokens

    def tokens_of(self, x):
        """The steps of a sequence, or None as its only step."""
        if hasattr(x, "columns") or isinstance(x, dict) or not hasattr(x, "__len__"):
            return [None]
        if isinstance(x, bytes):
            return [x]
        steps = x.to_list() if hasattr(x, "to_list") else list(x)
        one = [isinstance(t, list | np.ndarray) and len(t) == 1 for t in steps]
        return [t[0] if o else t for o, t in zip(one, steps, strict=True)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags
