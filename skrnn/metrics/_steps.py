"""scikit-learn's metrics of the labels of all steps together."""

from inspect import signature
from reprlib import repr as short

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, make_scorer
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.metaestimators import available_if

from skrnn.metrics._forms import sequences
from skrnn.text import is_unlabeled


def step_scorer(scoring, **kwargs):
    """Return a scorer that applies a metric to the steps of all sequences together.

    The metrics of scikit-learn take one label for each sample, and fail for a sequence
    of them. This makes scorers of them that lay the sequences end to end first.

    Parameters
    ----------
    scoring : str or callable
        The name of a scorer, as in ``scoring="f1_macro"``; a scorer; or a metric
        ``metric(y_true, y_pred, ...)``.
    **kwargs : dict
        For a metric: what :func:`~sklearn.metrics.make_scorer` takes, and the metric's
        own parameters.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``, for cross-validation and
        searches. Steps without a label in `y` (None, NaN) do not count. A weight of a
        sequence is one of each of its steps; or there is a list of weights for each. An
        estimator that takes a table with a label for each row is scored as it is.

    See Also
    --------
    sklearn.metrics.get_scorer_names : Names of scorers.
    chunk_f1_score : For chunks of several steps.
    sequence_accuracy_score : For sequences as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from skrnn.metrics import step_scorer
    >>> class Sign(BaseEstimator):
    ...     def fit(self, X, y):
    ...         self.classes_ = np.array([-1, 1])
    ...         return self
    ...
    ...     def predict(self, X):
    ...         predictions = np.empty(len(X), dtype=object)
    ...         predictions[:] = [np.sign(x[:, 0]).astype(int) for x in X]
    ...         return predictions
    >>> X = [np.array([[0.3], [-2.0]]), np.array([[1.0], [-4.0], [5.0]])]
    >>> y = [[1, 1], [None, -1, 1]]
    >>> step_scorer("accuracy")(Sign().fit(X, y), X, y)
    0.75
    """
    if isinstance(scoring, str):
        scorer = get_scorer(scoring)
    elif not callable(scoring):
        raise ValueError(
            f"scoring is {short(scoring)}. The name of a scorer, a scorer or a metric "
            "is expected."
        )
    elif next(iter(signature(scoring).parameters), "") in ("y_true", "labels_true"):
        return StepScorer(make_scorer(scoring, **kwargs))
    else:
        scorer = scoring
    if kwargs:
        raise ValueError(
            f"{', '.join(kwargs)} cannot be given to a scorer, which is made already. "
            "Give the metric itself, as in step_scorer(f1_score, average='macro')."
        )
    return StepScorer(scorer)


class StepScorer:
    """A scorer of all steps together; `step_scorer` makes it.

    Parameters
    ----------
    scorer : callable
        A scorer of samples.
    """

    def __init__(self, scorer):
        self._scorer = scorer

    def __call__(self, estimator, X, y_true, sample_weight=None, **kwargs):
        """The score of the labeled steps of all sequences."""
        steps = Steps(y_true)
        if sample_weight is not None:
            kwargs["sample_weight"] = steps.weights(sample_weight)
        flat = _FlatRegressor if not hasattr(estimator, "classes_") else _FlatClassifier
        return self._scorer(flat(estimator, steps), X, steps.labels, **kwargs)

    def __repr__(self):
        return f"step_scorer({self._scorer!r})"

    def _accept_sample_weight(self):
        # Several scorers at once ask this of each.
        return getattr(self._scorer, "_accept_sample_weight", lambda: True)()

    def set_score_request(self, **kwargs):
        """Ask for metadata, as scikit-learn's own scorers do."""
        self._metadata_request = MetadataRequest(owner=self)
        for name, alias in kwargs.items():
            self._metadata_request.score.add_request(param=name, alias=alias)
        return self

    def get_metadata_routing(self):
        """What metadata is asked for."""
        request = getattr(self, "_metadata_request", None)
        if request is None:
            request = MetadataRequest(owner=self)
            request.score.add_request(param="sample_weight", alias=None)
        return request


class Steps:
    """The labels of the steps of all sequences, without those that have no label.

    Parameters
    ----------
    y : list of sequences of labels, or sequence of labels
        With a label for each item, `y` belongs to a table.
    """

    def __init__(self, y):
        items = sequences(y, "y")
        self._is_table = not any(map(_is_sequence, items))
        self._lengths = [len(items)]
        if not self._is_table:
            for i, item in enumerate(items):
                if not _is_sequence(item):
                    raise ValueError(
                        f"y[{i}] is {short(item)}. A sequence of labels is expected, "
                        "as others in y are."
                    )
            self._lengths = [len(item) for item in items]
            items = [label for item in items for label in item]
        self.labeled = np.array([not _has_no_label(label) for label in items], bool)
        if not self.labeled.any():
            raise ValueError("No step of y has a label. At least one must have one.")
        labels = [label for label in items if not _has_no_label(label)]
        self.labels = _as_array(labels)

    def flatten(self, predictions):
        """The predictions of the labeled steps."""
        if self._is_table:
            predictions = np.asarray(predictions)
            self._check_length(len(predictions), self._lengths[0], "y")
            return predictions[self.labeled]
        predictions = list(predictions)
        if len(predictions) != len(self._lengths):
            raise ValueError(
                f"y has {len(self._lengths)} sequences, but there are predictions of "
                f"{len(predictions)}. Give the targets of the sequences in X."
            )
        for i, (rows, n) in enumerate(zip(predictions, self._lengths, strict=True)):
            self._check_length(len(rows), n, f"y[{i}]")
        flat = _as_array([row for rows in predictions for row in rows])
        return flat[self.labeled]

    @staticmethod
    def _check_length(found, expected, where):
        if found != expected:
            raise ValueError(
                f"{where} has {expected} labels, but the prediction has {found}. A "
                "label for each predicted step is expected."
            )

    def weights(self, sample_weight):
        """The weight of each labeled step."""
        items = list(sample_weight)
        if self._is_table:
            weight = np.asarray(items, dtype=np.float64)
            self._check_weights(len(weight), self._lengths[0], "sample_weight")
            return weight[self.labeled]
        self._check_weights(len(items), len(self._lengths), "sample_weight")
        if any(map(_is_sequence, items)):
            for i, (item, n) in enumerate(zip(items, self._lengths, strict=True)):
                self._check_weights(np.size(item), n, f"sample_weight[{i}]")
            weight = np.concatenate([np.asarray(item, np.float64) for item in items])
        else:
            weight = np.repeat(np.asarray(items, dtype=np.float64), self._lengths)
        return weight[self.labeled]

    @staticmethod
    def _check_weights(found, expected, where):
        if found != expected:
            raise ValueError(
                f"{where} has {found} weights, but y has {expected} there. Give one "
                "for each sequence, or a list of one for each step."
            )


def _has(method):
    return lambda flat: callable(getattr(flat.estimator, method, None))


class _Flat(BaseEstimator):
    """An estimator of sequences that answers with a row for each labeled step."""

    def __init__(self, estimator, steps):
        self.estimator = estimator
        self.steps = steps

    @available_if(_has("predict"))
    def predict(self, X):
        return self.steps.flatten(self.estimator.predict(X))

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        return self.steps.flatten(self.estimator.predict_proba(X))

    @available_if(_has("predict_log_proba"))
    def predict_log_proba(self, X):
        return self.steps.flatten(self.estimator.predict_log_proba(X))

    @available_if(_has("decision_function"))
    def decision_function(self, X):
        return self.steps.flatten(self.estimator.decision_function(X))

    def __sklearn_is_fitted__(self):
        return True


class _FlatClassifier(ClassifierMixin, _Flat):
    @property
    def classes_(self):
        return self.estimator.classes_


class _FlatRegressor(RegressorMixin, _Flat):
    pass


def _is_sequence(item):
    return not isinstance(item, str | bytes) and hasattr(item, "__len__")


def _has_no_label(label):
    if _is_sequence(label):  # several numbers for a step
        return any(map(is_unlabeled, label))
    return is_unlabeled(label)


def _as_array(values):
    """Labels as an array: strings as objects, which keep their length."""
    if all(isinstance(value, str) for value in values):
        array = np.empty(len(values), dtype=object)
        array[:] = [*map(str, values)]
        return array
    return np.asarray(values)
