"""Permutation importance of features and of time, of sequences of any lengths."""

from numbers import Integral

import numpy as np
from sklearn import inspection
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length

from skrnn.estimators import SequenceForecaster, SeriesOutlierDetector
from skrnn.estimators._steps import StepEstimator
from skrnn.inspection._exchange import feature_numbers, open_items

__all__ = ["permutation_importance"]

OVER = ("features", "time", "both")


def permutation_importance(
    estimator,
    X,
    y,
    *,
    over="features",
    features=None,
    n_segments=10,
    scoring=None,
    n_repeats=5,
    n_jobs=None,
    random_state=None,
    sample_weight=None,
    max_samples=1.0,
):
    """Measure how much worse an estimator gets if sequences exchange a part.

    This is scikit-learn's :func:`~sklearn.inspection.permutation_importance` for
    sequences of any lengths. A part is a feature at all steps, or a stretch of time of
    all features, or both. Each sequence gets this part of another one that is drawn at
    random, and keeps its length. The importance is the score before, less the score
    after.

    Where two sequences differ in length, a step takes what the other sequence has at
    the same share of its time: ``(t + 1/2) / n_steps``. The values that are exchanged
    are thus values that occur, none is made by interpolation, and no step of the part
    keeps a value of its own sequence. Sequences of one length exchange step by step.

    Parameters
    ----------
    estimator : estimator
        A fitted one that takes sequences: a classifier, a regressor, a tagger, a
        transcriber, a pipeline or a search of one of these. With a
        :class:`~skrnn.SequenceForecaster` of a panel, importances belong to the columns
        that it does not forecast, and `over` is 'features'.
    X : sequences
        A list (tuple, object array, Series) of arrays or DataFrames (n_steps_i,
        n_features), of 1-D arrays or of lists of tokens; an array (n_seqs, n_steps,
        n_features) or (n_seqs, n_steps). Sequences that were held out say what helps
        with new ones.
    y : array-like of shape (n_seqs,) or (n_seqs, n_outputs), list, or None
        What the estimator is to predict.
    over : {'features', 'time', 'both'}, default='features'
        Whose importance to measure. 'features' gives a row for each feature. 'time'
        gives a row for each stretch of time. 'both' gives one for each feature and
        each stretch.
    features : list, default=None
        The features to measure, as numbers or names. A list in it is a group that is
        exchanged as one: features that tell the same are best measured so, since each
        can stand in for the other. None is each feature; with ``over='time'``, all of
        them are exchanged as one in any case.
    n_segments : int, default=10
        Number of stretches of time. Each is the same share of a sequence, whatever its
        length is. A sequence with fewer steps has stretches without a step, and does
        not change there.
    scoring : str, callable, list, tuple or dict, default=None
        As in scikit-learn. None is the ``score`` of the estimator.
    n_repeats : int, default=5
        How often each part is exchanged.
    n_jobs : int, default=None
        Number of processes. None is one, unless joblib's context says otherwise.
    random_state : int, RandomState instance or None, default=None
        Determines which sequences exchange, and which ones `max_samples` takes.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights for the score.
    max_samples : int or float, default=1.0
        How many sequences are drawn for each part; a float is their share. What a part
        is compared with is the score of all of them, as in scikit-learn.

    Returns
    -------
    result : Bunch or dict of Bunch
        With several scores, a dict of a Bunch for each of them.

        importances : ndarray of shape (n_features, n_repeats)
            The importances; (n_segments, n_repeats) over time, and (n_features,
            n_segments, n_repeats) over both.
        importances_mean : ndarray of shape (n_features,)
            Means over the repeats.
        importances_std : ndarray of shape (n_features,)
            Standard deviations over the repeats.
        names : list of str or None
            Names of the features or groups; None over time.
        edges : ndarray of shape (n_segments + 1,) or None
            The ends of the stretches, as shares of a sequence; None over features.

    Raises
    ------
    ValueError
        If there are fewer than two sequences, if they differ in their number of
        features, if `features` names none of them or what is forecast, or if no
        sequence has `n_segments` steps.
    TypeError
        If `X` is not a list or array of sequences, or if the estimator reads a series
        and not sequences: `SequenceForecaster` without a panel or over time, and
        `SeriesOutlierDetector`.

    See Also
    --------
    skrnn.plotting.ImportanceDisplay : Draws such importances.
    sklearn.inspection.permutation_importance : The same for tables.

    Notes
    -----
    An importance belongs to this estimator and to this score, and not to the data. It
    is small for a part if another part tells the same: neighbouring stretches of a slow
    curve, or features that rise and fall together.

    The lengths stay, so that their influence belongs to no part. A sequence from a
    longer one is read faster: where the speed of a change tells the classes apart, a
    feature that is exchanged keeps a trace of the length. A stretch of time that is
    exchanged begins and ends with a jump, which the estimator has never seen. Compare
    with features and stretches that cannot matter, and take only what is well above
    them as important.

    References
    ----------
    L. Breiman, 2001. Random forests. https://doi.org/10.1023/A:1010933404324

    Examples
    --------
    Only the first of two features tells the classes apart.

    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.inspection import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(100)]
    >>> y = np.array([x[:, 0].mean() > 0 for x in X])
    >>> model = RNNClassifier(8, max_iter=20, random_state=0).fit(X, y)
    >>> result = permutation_importance(model, X, y, random_state=0)
    >>> result.importances_mean.round(1)
    array([0.3, 0. ])
    """
    targets = _check_estimator(estimator, X, over)
    opened = open_items(X)
    n_seqs = len(opened.tables)
    if n_seqs < 2:
        raise ValueError("X has one sequence, and there is no other to exchange with.")
    if isinstance(max_samples, float) and 0 < max_samples * n_seqs < 1:
        raise ValueError(
            f"max_samples={max_samples} is less than one of {n_seqs} sequences. Set it "
            "higher, or to the number of sequences to draw."
        )
    check_consistent_length(opened.tables, y, sample_weight)
    columns, names = _groups(opened, over, features, targets)
    segments = [None]
    if over != "features":
        segments = _segments(opened.tables, n_segments)
    parts = [(group, segment) for group in columns for segment in segments]
    scorer = _Exchanged(check_scoring(estimator, scoring=scoring), opened, y, parts)
    # scikit-learn shuffles row numbers, a column for each part; they say who gives it.
    rows = np.arange(n_seqs)
    result = inspection.permutation_importance(
        estimator,
        np.tile(rows[:, np.newaxis], len(parts)),
        rows,
        scoring=scorer,
        n_repeats=n_repeats,
        n_jobs=n_jobs,
        random_state=random_state,
        sample_weight=sample_weight,
        max_samples=max_samples,
    )
    # A dict of Bunches, which are dicts themselves, if there are several scores.
    several = "importances" not in result
    for bunch in result.values() if several else [result]:
        if over == "both":
            for key, values in list(bunch.items()):
                shape = len(columns), len(segments), *values.shape[1:]
                bunch[key] = values.reshape(shape)
        bunch.names = None if over == "time" else names
        bunch.edges = None
        if over != "features":
            bunch.edges = np.linspace(0.0, 1.0, n_segments + 1)
    return result


class _Exchanged:
    """A scorer of row numbers, of which some are those of donors."""

    def __init__(self, scorer, opened, y, parts):
        self._scorer, self._opened, self._y = scorer, opened, y
        self._columns, self._segments = zip(*parts, strict=True)

    def __call__(self, estimator, donors, rows, sample_weight=None):
        X = self._opened.exchanged(rows, donors, self._columns, self._segments)
        y = self._y
        if y is not None and not np.array_equal(rows, np.arange(len(y))):
            y = _safe_indexing(y, rows)
        if sample_weight is None:
            return self._scorer(estimator, X, y)
        return self._scorer(estimator, X, y, sample_weight=sample_weight)


def _check_estimator(estimator, X, over):
    """Refuse what has no sequences; return the columns that a forecaster forecasts."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline) and len(estimator):
            estimator = estimator[-1]
        else:
            break
    name = type(estimator).__name__
    panel = isinstance(estimator, SequenceForecaster) and isinstance(X, list | tuple)
    if panel and over == "features":
        estimator._check_is_fitted()
        return estimator._model.schema.target_names
    if isinstance(estimator, SequenceForecaster | SeriesOutlierDetector):
        raise TypeError(
            f"{name} reads series, which go on, and has no sequences to exchange parts "
            "of: only a forecaster of a panel has, over features. For the columns of "
            "one series that are known ahead, take permutation_importance of "
            "sklearn.inspection; for others, fit without one and compare the scores of "
            "backtest."
        )
    if isinstance(estimator, StepEstimator) and len(getattr(X, "shape", ())) == 2:
        raise TypeError(
            f"For {name}, a table is one sequence, and there is no other to exchange "
            "with. Cut it into a list of tables, such as those of single days."
        )
    return []


def _groups(opened, over, features, targets):
    """The features of each part, and what each is called."""
    if over not in OVER:
        raise ValueError(f"over must be one of {OVER}, got {over!r}.")
    n_features = opened.n_features
    forecast = set()
    if targets:
        forecast = set(feature_numbers(targets, opened.names, n_features).tolist())
    if features is None:
        features = [j for j in range(n_features) if j not in forecast]
    elif isinstance(features, str | Integral) or not len(features):
        raise ValueError(
            f"features must be a list of features or of groups of them, got "
            f"{features!r}."
        )
    groups = [feature_numbers(each, opened.names, n_features) for each in features]
    if not groups:
        raise ValueError("X has no columns beside those that are forecast.")
    if forecast.intersection(np.concatenate(groups).tolist()):
        raise ValueError(
            f"features must not name what is forecast, {targets}: exchanged, it would "
            "be compared with itself."
        )
    if over == "time":
        return [np.unique(np.concatenate(groups))], None
    called = opened.names or [f"feature {j}" for j in range(n_features)]
    return groups, [", ".join(called[j] for j in group) for group in groups]


def _segments(tables, n_segments):
    """The number of each stretch, and how many there are."""
    whole = isinstance(n_segments, Integral) and not isinstance(n_segments, bool)
    if not whole or n_segments < 1:
        raise ValueError(f"n_segments must be a positive integer, got {n_segments!r}.")
    longest = max(map(len, tables))
    if longest < n_segments:
        raise ValueError(
            f"n_segments={n_segments} is more than the {longest} steps of the longest "
            "sequence. Set a smaller one."
        )
    return [(number, n_segments) for number in range(n_segments)]
