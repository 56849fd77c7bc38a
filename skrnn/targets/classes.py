"""Classes of sequences: one class per sequence, or several labels."""

import numpy as np
from sklearn.utils import check_array, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skrnn.inputs.frames import naming
from skrnn.losses import LogLoss, MultilabelLogLoss
from skrnn.targets.base import Target

__all__ = ["ClassTarget"]


class ClassTarget(Target):
    """One class per sequence, or a row of a multilabel indicator.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels; numbers from 0 for a multilabel indicator.
    multilabel : bool
    """

    def __init__(self, classes, multilabel):
        self.classes, self.multilabel = classes, multilabel

    @staticmethod
    def check(y):
        """Return labels (n_seqs,) or an indicator (n_seqs, n_labels)."""
        given = y
        y = check_array(
            y,
            accept_sparse="csr",
            ensure_2d=False,
            dtype=None,
            ensure_min_samples=0,
            input_name="y",
        )
        y = y.toarray() if hasattr(y, "toarray") else y
        if y.dtype.kind == "U" and isinstance(given, list | tuple):
            _refuse_zeros(given)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multiclass-multioutput":
            raise ValueError(
                "Multioutput target data is not supported, except for multilabel "
                "indicators, which are 0 or 1."
            )
        return y

    @classmethod
    def learn(cls, y, classes=None):
        """Return the target of checked `y`; `classes` holds all classes, if given."""
        if y.ndim == 2:
            target = cls(np.arange(y.shape[1]), True)
        else:
            with naming("y" if classes is None else "classes"):
                target = cls(np.unique(y if classes is None else classes), False)
        target.require_same(y)
        return target

    def require_same(self, y):
        """Refuse another kind of labels, and classes that were not learned."""
        if (y.ndim == 2) != self.multilabel:
            raise ValueError(
                "`y` must be a multilabel indicator either in all calls or in no call."
            )
        if self.multilabel:
            if y.shape[1] != len(self.classes):
                raise ValueError(
                    f"`y` has {y.shape[1]} labels, expected {len(self.classes)}."
                )
            return
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(
                "`y` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes}. `y` also has {unknown}."
            )

    def encode(self, y):
        """Return the index of each class, or the indicator as numbers."""
        if self.multilabel:
            return np.ascontiguousarray(y, dtype=np.float64)
        return np.searchsorted(self.classes, y)

    def strata(self, y):
        """Return the index of each class, None for a multilabel indicator."""
        return None if self.multilabel else self.encode(y)

    @property
    def all_labels(self):
        """The classes, None for a multilabel indicator."""
        return None if self.multilabel else self.classes

    def counts(self, y, sample_weight):
        """Return what the classes weigh; each label of an indicator is a row."""
        n_classes = 2 if self.multilabel else len(self.classes)
        columns = self._codes(y).T
        return np.array(
            [np.bincount(c, sample_weight, minlength=n_classes) for c in columns],
            dtype=np.float64,
        )

    def balanced(self, counts):
        """Return the weights of classes that ``class_weight="balanced"`` means.

        Parameters
        ----------
        counts : ndarray of shape (n_columns, n_classes)
            What the classes weigh in all data.

        Returns
        -------
        class_weight : dict or list of dict
        """
        labels = [0, 1] if self.multilabel else self.classes.tolist()
        weights = [balanced_weights(row).tolist() for row in counts]
        found = [dict(zip(labels, row, strict=True)) for row in weights]
        return found if self.multilabel else found[0]

    def loss(self):
        """Return the loss. A single class is learned like the first of two."""
        if self.multilabel:
            return MultilabelLogLoss(len(self.classes))
        return LogLoss(max(2, len(self.classes)))

    def outputs(self):
        """Return output functions by method: raw outputs in, a method's result out."""
        classes, loss = self.classes, self.loss()
        outputs = {
            "decision_function": lambda raw: raw.astype(np.float64),
            "predict_proba": loss.predict_proba,
            "predict_log_proba": loss.predict_log_proba,
        }
        if self.multilabel:
            outputs["predict"] = lambda raw: (raw > 0).astype(np.intp)
        elif len(classes) > 2:
            outputs["predict"] = lambda raw: classes.take(raw.argmax(axis=1))
        else:
            outputs["decision_function"] = lambda raw: raw[:, 0].astype(np.float64)
            outputs["predict"] = lambda raw: classes.take(raw[:, 0] > 0)
        if len(classes) == 1 and not self.multilabel:
            outputs["predict"] = lambda raw: classes.take(np.zeros(len(raw), np.intp))
            outputs["predict_proba"] = lambda raw: np.ones((len(raw), 1))
            outputs["predict_log_proba"] = lambda raw: np.zeros((len(raw), 1))
        return outputs

    def choices(self, method):
        """Return the class for each output that may be largest, as read-only arrays."""
        if method != "predict" or self.multilabel:
            return None
        n_out, read = self.loss().n_out, self.outputs()[method]
        raw, choices = np.zeros((1, n_out)), []
        for k in range(max(2, n_out)):
            raw[0] = k == np.arange(n_out) if n_out > 1 else k - 0.5
            choices.append(read(raw))
            choices[-1].flags.writeable = False
        return choices

    def pack(self):
        """Return the target as plain values."""
        return {"classes_": self.classes, "_multilabel": self.multilabel}

    @classmethod
    def unpack(cls, fields):
        """Return the target from the result of `pack`."""
        return cls(fields["classes_"], fields["_multilabel"])

    @staticmethod
    def check_together(fields):
        """Raise ValueError unless the fields are consistent."""
        classes = fields["classes_"]
        if fields["_multilabel"] and classes.tolist() != list(range(len(classes))):
            raise ValueError("Labels of an indicator must be numbered from 0.")

    # Weights of classes ------------------------------------------------------------

    def weights(self, class_weight, y, counted, sample_weight, counted_weight):
        """Return sample weights times the weights of classes, or None.

        Parameters
        ----------
        class_weight : dict, 'balanced', list or None
        y : ndarray
            Checked targets of the samples to weight.
        counted : ndarray
            Checked targets that 'balanced' counts.
        sample_weight, counted_weight : ndarray of shape (n_seqs,) or None
            The weights of `y`, and of `counted`.

        Returns
        -------
        weight : ndarray of shape (n_seqs,) or None
        """
        if class_weight is None:
            return sample_weight
        specs, classes = self._by_column(class_weight)
        factors = np.ones(len(y)) if sample_weight is None else sample_weight.copy()
        codes, counted = self._codes(y), self._codes(counted)
        for column, spec in enumerate(specs):
            by_class = class_weights(spec, classes, counted[:, column], counted_weight)
            factors *= by_class[codes[:, column]]
        return factors

    def _codes(self, y):
        """Return indices of classes, one column per label."""
        return self.encode(y).astype(np.intp).reshape(len(y), -1)

    def _by_column(self, class_weight):
        """Return the class weights for each column of `_codes`, and the classes."""
        several = isinstance(class_weight, list)
        if not self.multilabel:
            if several:
                raise ValueError(
                    "class_weight is a list, which is for multilabel targets only. "
                    "Pass a dict, 'balanced' or None."
                )
            return [class_weight], self.classes
        n_labels = len(self.classes)
        specs = class_weight if several else [class_weight] * n_labels
        if isinstance(class_weight, dict) or len(specs) != n_labels:
            raise ValueError(
                "For multilabel targets, class_weight must be 'balanced' or a list "
                f"with a dict for each of the {n_labels} labels."
            )
        return specs, np.arange(2)


def _refuse_zeros(labels):
    """Refuse strings that end in a zero, which NumPy strips: two labels become one."""
    for i, label in enumerate(labels):
        if isinstance(label, str) and label.endswith("\0"):
            raise ValueError(
                f"y[{i}] is {label!r}, and NumPy strips zeros from the ends of strings."
                " Pass np.array(y, dtype=object), or leave the zeros out."
            )


def class_weights(class_weight, classes, codes, sample_weight):
    """Return the weight of each class, (n_classes,)."""
    if class_weight != "balanced":
        weights = compute_class_weight(class_weight, classes=classes, y=classes[codes])
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(
                "class_weight must give each class a finite weight of at least 0, got "
                f"{class_weight!r}."
            )
        if not ((weights == 0) | (weights > 1e-30) & (weights < 1e30)).all():
            raise ValueError(
                f"class_weight={class_weight!r} is so large or small that sums of "
                "weights overflow. Multiply it by a constant, so that it is nearer to "
                "1."
            )
        return weights
    # Counts use the sample weights: a weight of two counts like two sequences.
    return balanced_weights(np.bincount(codes, sample_weight, minlength=len(classes)))


def balanced_weights(counts):
    """Return the weight of each class from what all of its sequences weigh."""
    weights = np.zeros(len(counts))
    np.divide(counts.sum(), len(counts) * counts, out=weights, where=counts > 0)
    return weights
