"""Precision, recall and F1 of chunks, as conlleval counts them."""

import warnings
from numbers import Real

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from skrnn.metrics._forms import check_as_many, weights
from skrnn.text import chunks_of, is_unlabeled, tag_sequences

AVERAGES = ("micro", "macro", "weighted", None)


class _Counts:
    """What was right, found and to be found, by type.

    Parameters
    ----------
    y_true, y_pred : list of sequences of str
        Tags.
    scheme, labels, sample_weight, zero_division
        As those of `chunk_f1_score`.
    """

    def __init__(self, y_true, y_pred, scheme, labels, sample_weight, zero_division):
        _check_zero_division(zero_division)
        if isinstance(labels, str):
            raise ValueError(f"labels is one str. A list is expected: [{labels!r}].")
        self.zero_division = zero_division
        self.undefined = []
        counts = {}
        for (true, found), w in _weighted_chunks(y_true, y_pred, scheme, sample_weight):
            for k, chunks in enumerate((true & found, found, true)):
                for *_, kind in chunks:
                    counts.setdefault(kind, np.zeros(3))[k] += w
        self.labels = sorted(counts) if labels is None else [*map(str, labels)]
        self.by_label = np.array([counts.get(t, np.zeros(3)) for t in self.labels])
        self.by_label = self.by_label.reshape(-1, 3).T

    def score(self, metric, average):
        """Precision, recall or F1, by type or averaged."""
        counts = self.by_label
        if average == "micro":
            return float(self._ratio(metric, counts.sum(axis=1, keepdims=True))[0])
        scores = self._ratio(metric, counts)
        if average is None:
            return scores
        weight = counts[2] if average == "weighted" else np.ones(len(scores))
        weight = np.where(np.isnan(scores), 0, weight)
        if not weight.any():
            return self._instead(metric)
        return float(np.nansum(scores * weight) / weight.sum())

    def _ratio(self, metric, counts):
        right, found, true = counts
        over, under = {
            "precision": (right, found),
            "recall": (right, true),
            "f1-score": (2 * right, found + true),
        }[metric]
        ratio = np.divide(over, under, out=np.zeros(len(over)), where=under > 0)
        if not (under > 0).all():
            ratio[under == 0] = self._instead(metric)
        return ratio

    def _instead(self, what):
        """What stands for a ratio of nothing to nothing."""
        if self.zero_division != "warn":
            return float(self.zero_division)
        if what not in self.undefined:
            self.undefined.append(what)
        return 0.0

    def warn(self, stacklevel):
        """Say once for a call what was set to 0."""
        for what in self.undefined:
            warnings.warn(
                f"{what} is not defined where there are no chunks to divide by, and is "
                "set to 0 there. zero_division says what it is instead, without this "
                "warning.",
                UndefinedMetricWarning,
                stacklevel=stacklevel + 1,
            )


def _check_zero_division(value):
    if isinstance(value, str):
        right = value == "warn"
    else:
        right = isinstance(value, Real) and (value in (0, 1) or np.isnan(value))
    if not right:
        raise ValueError(f"zero_division must be 'warn', 0, 1 or nan, not {value!r}.")


def _weighted_chunks(y_true, y_pred, scheme, sample_weight):
    """Sets of the chunks of each sequence, and its weight."""
    y_true, alone = tag_sequences(y_true, "y_true")
    y_pred, _ = tag_sequences(y_pred, "y_pred")
    check_as_many(y_true, y_pred)
    weight = weights(sample_weight, len(y_true))
    for i, (true, found) in enumerate(zip(y_true, y_pred, strict=True)):
        where = "" if alone else f"[{i}]"
        if len(true) != len(found):
            raise ValueError(
                f"y_true{where} has {len(true)} steps, but y_pred{where} has "
                f"{len(found)}. Each step needs a tag."
            )
        for k, tag in enumerate(found):
            if not isinstance(tag, str) and is_unlabeled(tag):
                raise ValueError(
                    f"y_pred{where}[{k}] is {tag!r}. Each step needs a tag: 'O' says "
                    "that it is in no chunk."
                )
        # Nothing is known of an unlabeled step, so nothing counts there.
        found = [
            guess if isinstance(tag, str) or not is_unlabeled(tag) else "O"
            for tag, guess in zip(true, found, strict=True)
        ]
        yield (
            (
                set(chunks_of(true, scheme, f"y_true{where}")),
                set(chunks_of(found, scheme, f"y_pred{where}")),
            ),
            weight[i],
        )


def _score(metric, y_true, y_pred, average, **options):
    if average not in AVERAGES:
        raise ValueError(
            f"average must be 'micro', 'macro', 'weighted' or None, not {average!r}."
        )
    counts = _Counts(y_true, y_pred, **options)
    score = counts.score(metric, average)
    counts.warn(stacklevel=3)
    return score


def chunk_f1_score(
    y_true,
    y_pred,
    *,
    scheme=None,
    average="micro",
    labels=None,
    sample_weight=None,
    zero_division="warn",
):
    """Return the F1 score of chunks: entities, phrases, slots.

    A chunk is right if its first step, its last step and its type are. F1 is the
    harmonic mean of precision and recall.

    Parameters
    ----------
    y_true : list of sequences of str, or sequence of str
        The right tags: "O", or a prefix and a type as in "B-city". Steps without a
        label (None, NaN) are in no chunk of either.
    y_pred : list of sequences of str, or sequence of str
        The predicted tags.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default=None
        What a chunk is. With None it is what conlleval takes it for, which every paper
        quotes: tags of any scheme are read, and a chunk may start without its
        beginning ("I-city" after "O"). With a scheme, only what it allows is a chunk.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Over all chunks; the mean of the scores of types; the same, weighted by the
        number of right chunks; or the score of each type.
    labels : list of str, default=None
        The types to look at, and their order. By default all, sorted.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        What a score is that would divide by 0; "warn" is 0 with a warning. NaN is left
        out of means.

    Returns
    -------
    score : float, or ndarray of shape (n_types,)
        Between 0 and 1.

    See Also
    --------
    chunk_report : All scores as a text.
    step_scorer : Metrics of the labels of steps.

    Examples
    --------
    >>> from skrnn.metrics import chunk_f1_score
    >>> y_true = [["B-city", "I-city", "O", "B-day"], ["O", "B-day"]]
    >>> y_pred = [["B-city", "O", "O", "B-day"], ["O", "B-day"]]
    >>> chunk_f1_score(y_true, y_pred)
    0.666...
    >>> chunk_f1_score(y_true, y_pred, average=None)
    array([0., 1.])
    """
    return _score(
        "f1-score",
        y_true,
        y_pred,
        average,
        scheme=scheme,
        labels=labels,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )


def chunk_precision_score(
    y_true,
    y_pred,
    *,
    scheme=None,
    average="micro",
    labels=None,
    sample_weight=None,
    zero_division="warn",
):
    """Return the share of the predicted chunks that are right.

    Parameters
    ----------
    y_true : list of sequences of str, or sequence of str
        The right tags, as `chunk_f1_score` takes them.
    y_pred : list of sequences of str, or sequence of str
        The predicted tags.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default=None
        What a chunk is. None: what conlleval takes it for.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Over all chunks; the mean of the scores of types; the same, weighted by the
        number of right chunks; or the score of each type.
    labels : list of str, default=None
        The types to look at, and their order. By default all, sorted.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        What a score is that would divide by 0.

    Returns
    -------
    score : float, or ndarray of shape (n_types,)
        Between 0 and 1.

    See Also
    --------
    chunk_f1_score : Describes the parameters in more detail.

    Examples
    --------
    >>> from skrnn.metrics import chunk_precision_score
    >>> chunk_precision_score([["B-a", "O", "O"]], [["B-a", "O", "B-a"]])
    0.5
    """
    return _score(
        "precision",
        y_true,
        y_pred,
        average,
        scheme=scheme,
        labels=labels,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )


def chunk_recall_score(
    y_true,
    y_pred,
    *,
    scheme=None,
    average="micro",
    labels=None,
    sample_weight=None,
    zero_division="warn",
):
    """Return the share of the right chunks that are predicted.

    Parameters
    ----------
    y_true : list of sequences of str, or sequence of str
        The right tags, as `chunk_f1_score` takes them.
    y_pred : list of sequences of str, or sequence of str
        The predicted tags.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default=None
        What a chunk is. None: what conlleval takes it for.
    average : {"micro", "macro", "weighted"} or None, default="micro"
        Over all chunks; the mean of the scores of types; the same, weighted by the
        number of right chunks; or the score of each type.
    labels : list of str, default=None
        The types to look at, and their order. By default all, sorted.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        What a score is that would divide by 0.

    Returns
    -------
    score : float, or ndarray of shape (n_types,)
        Between 0 and 1.

    See Also
    --------
    chunk_f1_score : Describes the parameters in more detail.

    Examples
    --------
    >>> from skrnn.metrics import chunk_recall_score
    >>> chunk_recall_score([["B-a", "O", "O"]], [["B-a", "O", "B-a"]])
    1.0
    """
    return _score(
        "recall",
        y_true,
        y_pred,
        average,
        scheme=scheme,
        labels=labels,
        sample_weight=sample_weight,
        zero_division=zero_division,
    )


def chunk_report(
    y_true,
    y_pred,
    *,
    scheme=None,
    labels=None,
    sample_weight=None,
    digits=2,
    output_dict=False,
    zero_division="warn",
):
    """Return a table with precision, recall and F1 of the chunks of each type.

    Parameters
    ----------
    y_true : list of sequences of str, or sequence of str
        The right tags, as `chunk_f1_score` takes them.
    y_pred : list of sequences of str, or sequence of str
        The predicted tags.
    scheme : {"IOB1", "IOB2", "IOBES", "BILOU"}, default=None
        What a chunk is. None: what conlleval takes it for.
    labels : list of str, default=None
        The types to look at, and their order. By default all, sorted.
    sample_weight : array-like of shape (n_seqs,), default=None
        Weights of the sequences.
    digits : int, default=2
        Decimals in the text.
    output_dict : bool, default=False
        Whether to return numbers by names instead of a text.
    zero_division : {"warn", 0, 1, nan}, default="warn"
        What a score is that would divide by 0.

    Returns
    -------
    report : str or dict
        For each type and each mean "precision", "recall", "f1-score" and "support",
        the number (or weight) of right chunks.

    See Also
    --------
    sklearn.metrics.classification_report : The same for classes.

    Examples
    --------
    >>> from skrnn.metrics import chunk_report
    >>> y_true = [["B-city", "I-city", "O", "B-day"], ["O", "B-day"]]
    >>> y_pred = [["B-city", "O", "O", "B-day"], ["O", "B-day"]]
    >>> print(chunk_report(y_true, y_pred))
                  precision    recall  f1-score   support
    <BLANKLINE>
            city       0.00      0.00      0.00         1
             day       1.00      1.00      1.00         2
    <BLANKLINE>
       micro avg       0.67      0.67      0.67         3
       macro avg       0.50      0.50      0.50         3
    weighted avg       0.67      0.67      0.67         3
    """
    counts = _Counts(y_true, y_pred, scheme, labels, sample_weight, zero_division)
    metrics = ("precision", "recall", "f1-score")
    support = counts.by_label[2]
    by_label = [counts.score(metric, None) for metric in metrics]
    report = {
        label: dict(zip(metrics, map(float, scores), strict=True))
        | {"support": _number(support[k])}
        for k, (label, *scores) in enumerate(zip(counts.labels, *by_label, strict=True))
    }
    for average in ("micro", "macro", "weighted"):
        report[f"{average} avg"] = {
            **{metric: counts.score(metric, average) for metric in metrics},
            "support": _number(support.sum()),
        }
    counts.warn(stacklevel=2)
    return report if output_dict else _as_text(report, digits)


def _number(value):
    """An int where it is one, as without weights."""
    return int(value) if value == int(value) else float(value)


def _as_text(report, digits):
    width = max(len("weighted avg"), *map(len, report))
    columns = ("precision", "recall", "f1-score", "support")
    lines = [" " * (width + 1) + "".join(f"{name:>10}" for name in columns), ""]
    for name, row in report.items():
        if name == "micro avg":
            lines.append("")
        scores = "".join(f"{row[column]:>10.{digits}f}" for column in columns[:3])
        count = row["support"]
        count = f"{count:>10}" if isinstance(count, int) else f"{count:>10.{digits}f}"
        lines.append(f"{name:>{width}} {scores}{count}")
    return "\n".join(lines)
