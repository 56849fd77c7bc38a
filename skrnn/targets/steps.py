"""Labels and numbers of each step."""

import reprlib
from collections.abc import Mapping, Set, Sized

import numpy as np

from skrnn._chain import Chain, viterbi
from skrnn.inputs.moments import Moments
from skrnn.losses import CRFLoss, LogLoss, StepAbsoluteError, StepSquaredError
from skrnn.targets.base import Target
from skrnn.targets.numbers import scale_of_numbers, weighted_moments
from skrnn.text import (
    Constraints,
    first_illegal_step,
    is_unlabeled,
    scheme_constraints,
)

__all__ = ["StepClassTarget", "StepNumberTarget", "is_table", "labels_of_steps"]

# More labels would make the tables of all pairs too large.
MOST_CLASSES = 5000


def is_table(y):
    """Return whether `y` has one target for each row of a table: its items are scalars.

    The first item tells: a str, a number, or nothing.
    """
    if hasattr(y, "columns") or isinstance(y, str | bytes):
        return False
    if not isinstance(y, Sized):
        return False
    if isinstance(y, np.ndarray):
        if y.ndim != 1 or y.dtype != object:
            return y.ndim == 1
    for item in y:
        return isinstance(item, str) or not isinstance(item, Sized)
    return False


def _has_order(items):
    """Whether something has items, and an order of them."""
    return isinstance(items, Sized) and not isinstance(items, Set | Mapping)


def labels_of_steps(y, name="y", what="targets"):
    """Return targets as an object array (n_seqs,) of 1-D arrays of objects or numbers.

    Parameters
    ----------
    y : list or array of sequences
    name, what : str
        What messages call `y`, and its items.
    """
    if y is None or isinstance(y, str) or not _has_order(y):
        raise ValueError(
            f"{name} must hold a sequence of {what} for each sequence of X, got "
            f"{reprlib.repr(y)}."
        )
    if hasattr(y, "columns"):
        raise ValueError(
            f"{name} is a {type(y).__name__}. A list with the targets of each sequence "
            "is expected: take one of its columns, or a list with a Series for each "
            "sequence."
        )
    items = list(y)
    checked = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        if isinstance(item, str) or not _has_order(item):
            raise ValueError(
                f"{name}[{i}] is {reprlib.repr(item)}. The {what} of all steps of "
                "that sequence are expected: a list or a 1-D array."
            )
        if hasattr(item, "columns"):
            raise ValueError(
                f"{name}[{i}] is a {type(item).__name__}. The {what} of all steps of "
                "that sequence are expected: take one of its columns."
            )
        if not isinstance(item, np.ndarray) or item.dtype.kind not in "biuf":
            values = np.empty(len(item), dtype=object)
            values[:] = item if isinstance(item, list) else list(item)
            item = values
        if item.ndim != 1:
            raise ValueError(
                f"{name}[{i}] has the shape {item.shape}. A 1-D array is expected, the "
                f"{what} of its steps."
            )
        checked[i] = item
    return checked


class _StepTarget(Target):
    per = "step"

    def __init__(self, table):
        self.table = table

    @staticmethod
    def check(y):
        """Return targets as an object array of 1-D arrays, one per sequence."""
        return labels_of_steps(y)


class StepClassTarget(_StepTarget):
    """A class for each step, or none.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Sorted labels.
    table : bool
        Whether the rows of one table are the steps.
    crf : bool
        Whether whole paths of classes are learned.
    allowed : tuple of ndarrays of bool or None
        First classes, pairs (previous, next) and last classes that there are.
    scheme : str or None
        The name of the scheme that says so, by which chunks are read.
    """

    def __init__(self, classes, table=False, crf=False, allowed=None, scheme=None):
        super().__init__(table)
        self.classes, self.crf, self.scheme = classes, crf, scheme
        self.allowed = None if allowed is None else Constraints(*allowed)
        self._codes = {label: code for code, label in enumerate(classes.tolist())}

    @property
    def all_labels(self):
        """The classes."""
        return self.classes

    @classmethod
    def learn(cls, y, classes=None, *, table=False, crf=False, scheme=None):
        """Return the target of checked `y`; `classes` are all that may come."""
        if classes is None:
            seen = set()
            for i, item in enumerate(y):
                labels = item.tolist()
                try:
                    seen.update(labels)
                except TypeError as error:
                    raise ValueError(f"y[{i}] holds a label that is a list.") from error
            classes = [label for label in seen if not is_unlabeled(label)]
            if not classes:
                raise ValueError("y has no label at all: all of its steps are None.")
        classes = sorted_labels(classes)
        # A list of times of NumPy would hold dates, or numbers.
        times = classes.dtype.kind in "mM"
        refuse_no_labels(list(classes) if times else classes.tolist(), y)
        if (crf or scheme is not None) and len(classes) > MOST_CLASSES:
            megabytes = len(classes) ** 2 * 8 // 10**6
            raise ValueError(
                f"There are {len(classes)} labels, and a table of all pairs of them, "
                f"which crf=True and schemes need, would take {megabytes} MB several "
                f"times. At most {MOST_CLASSES} are possible. Set crf=False and "
                "scheme=None, or make fewer labels."
            )
        allowed = None
        if scheme is not None:
            try:
                allowed = scheme_constraints(classes.tolist(), scheme)
            except ValueError as error:
                raise ValueError(
                    f"The scheme does not go with the labels, which are "
                    f"{reprlib.repr(classes.tolist())}: {error} Mend the labels, or "
                    "set scheme=None."
                ) from error
        name = scheme if isinstance(scheme, str) else None
        target = cls(classes, table, crf, allowed, name)
        target.require_same(y)
        return target

    def require_same(self, y):
        """Refuse classes that were not learned, and paths that are not allowed."""
        for i, codes in enumerate(self.encode(y)):
            if self.allowed is not None:
                self._refuse_illegal(i, codes)

    def _refuse_illegal(self, i, codes):
        step = first_illegal_step(codes, self.allowed)
        if step is None:
            return
        where = f"step {step}" if step < len(codes) else "the end"
        labels = [repr(label) for label in [*self.classes.tolist(), None]]
        before = "the start" if step == 0 else labels[codes[step - 1]]
        here = "the end" if step == len(codes) else labels[codes[step]]
        raise ValueError(
            f"y[{i}] breaks the scheme at {where}: {here} cannot follow {before}. Mend "
            "the labels, by skrnn.text.repair_tags for example, or set scheme=None."
        )

    def encode(self, y, strict=True):
        """Return codes of classes, -1 for none: an object array of arrays of intp.

        A class that was not learned is an error, or -2 if not `strict`.
        """
        encoded = np.empty(len(y), dtype=object)
        for i, item in enumerate(y):
            codes = self._codes
            try:
                found = [codes.get(label, -2) for label in item.tolist()]
            except TypeError as error:
                raise ValueError(f"y[{i}] holds a label that is a list.") from error
            found = np.array(found, dtype=np.intp)
            for step in np.flatnonzero(found == -2).tolist():
                label = item[step]
                if not is_unlabeled(label):
                    if not strict:
                        continue
                    raise ValueError(
                        f"y[{i}] has the label {label!r} at step {step}, which is not "
                        f"one of the {len(codes)} classes that were learned. Pass all "
                        "classes to the first call of partial_fit, or fit anew."
                    )
                found[step] = -1
            encoded[i] = found
        return encoded

    def loss(self):
        """Return the loss: of steps, or of whole paths."""
        if self.crf:
            allowed = self.allowed
            if allowed is not None:
                allowed = allowed.transitions, allowed.start, allowed.end
            return CRFLoss(len(self.classes), allowed)
        return LogLoss(max(2, len(self.classes)))

    def outputs(self):
        """Return, by method, the function that makes its result of raw outputs.

        These look at each step by itself; see `decode` for whole paths.
        """
        loss = LogLoss(max(2, len(self.classes)))
        classes = self.classes
        outputs = {"decision_function": lambda raw: raw.astype(np.float64)}
        if loss.n_out == 1 and not self.crf:
            outputs["decision_function"] = lambda raw: raw[:, 0].astype(np.float64)
        if len(classes) == 1:
            outputs["predict"] = lambda raw: classes.take(np.zeros(len(raw), np.intp))
            outputs["predict_proba"] = lambda raw: np.ones((len(raw), 1))
            outputs["predict_log_proba"] = lambda raw: np.zeros((len(raw), 1))
            return outputs
        outputs["predict_proba"] = loss.predict_proba
        outputs["predict_log_proba"] = loss.predict_log_proba
        if loss.n_out == 1:
            outputs["predict"] = lambda raw: classes.take(raw[:, 0] > 0)
        else:
            outputs["predict"] = lambda raw: classes.take(raw.argmax(axis=1))
        return outputs

    def best_path(self, log_proba, shape):
        """Return the codes of the likeliest allowed paths, when steps are independent.

        Parameters
        ----------
        log_proba : ndarray of shape (n_rows, n_classes)
        shape : PackedShape
        """
        first, pairs, last = self.allowed
        chain = Chain(len(self.classes), (pairs, first, last))
        path = np.empty(len(log_proba), dtype=np.intp)
        possible = viterbi(chain, shape, np.ascontiguousarray(log_proba), path)
        return path, possible

    def pack(self):
        """Return the target as plain values."""
        allowed = None if self.allowed is None else tuple(self.allowed)
        return {
            "classes_": self.classes,
            "_is_table": self.table,
            "_crf": self.crf,
            "_allowed": allowed,
            "_scheme": self.scheme,
        }

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        names = "classes_", "_is_table", "_crf", "_allowed", "_scheme"
        return cls(*(fields[name] for name in names))

    @staticmethod
    def check_together(fields):
        """Raise ValueError unless the fields go together."""
        n, allowed = len(fields["classes_"]), fields["_allowed"]
        if allowed is not None:
            shapes = [a.shape for a in allowed]
            if shapes != [(n,), (n, n), (n,)]:
                raise ValueError(f"_allowed must be of {n} classes, got {shapes}.")


class StepNumberTarget(_StepTarget):
    """A number for each step, which is learned on the scale of the training steps.

    Parameters
    ----------
    table : bool
        Whether the rows of one table are the steps.
    kind : {"squared_error", "absolute_error"}
    mean, scale : float or None
    """

    LOSSES = {"squared_error": StepSquaredError, "absolute_error": StepAbsoluteError}

    def __init__(self, table=False, kind="squared_error", mean=None, scale=None):
        super().__init__(table)
        self.kind, self.mean, self.scale = kind, mean, scale

    @staticmethod
    def check(y):
        """Return numbers as an object array of float64 arrays, NaN for none."""
        checked = labels_of_steps(y)
        for i, item in enumerate(checked):
            if item.dtype == object:
                _refuse_times(item, i)
                item = [np.nan if is_unlabeled(value) else value for value in item]
            try:
                numbers = np.asarray(item, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"y[{i}] holds what is not a number: {error}. Convert it, or use "
                    "SequenceTagger for labels."
                ) from error
            if np.isinf(numbers).any():
                step = int(np.flatnonzero(np.isinf(numbers))[0])
                raise ValueError(
                    f"y[{i}] is infinite at step {step}. Replace it by a number, or by "
                    "NaN, which is no target."
                )
            checked[i] = numbers
        return checked

    @classmethod
    def learn(cls, y, classes=None, *, table=False, kind="squared_error"):
        """Return the target of checked `y`."""
        if not any((~np.isnan(item)).any() for item in y):
            raise ValueError("y has no number at all: all of its steps are NaN.")
        return cls(table, kind)

    def require_same(self, y):
        """All numbers are of one kind."""

    def scaled(self, y, sample_weight, standardize):
        """Return the target with the scale of all known numbers."""
        if standardize:
            return self.scaled_by(self.measure(y, sample_weight))
        return StepNumberTarget(self.table, self.kind, 0.0, 1.0)

    def measure(self, y, sample_weight):
        """Return the `Moments` of all known numbers."""
        numbers = np.concatenate(list(y))
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = np.repeat(weight, [len(item) for item in y])
        known = ~np.isnan(numbers)
        found = weighted_moments(numbers[known], weight[known])
        return Moments(*(np.array([part]) for part in found))

    def scaled_by(self, moments):
        """Return the target with the scale that moments of all numbers say."""
        mean, scale = float(moments.mean[0]), float(scale_of_numbers(moments)[0])
        return StepNumberTarget(self.table, self.kind, mean, scale)

    def encode(self, y):
        """Return standardised numbers: an object array of float64 arrays."""
        encoded = np.empty(len(y), dtype=object)
        for i, item in enumerate(y):
            with np.errstate(over="ignore"):
                encoded[i] = (item - self.mean) / self.scale
            if np.isinf(encoded[i]).any():
                raise ValueError(
                    f"y[{i}] contains values far outside the range seen in the first "
                    "fit. Divide y by a constant, or fit anew."
                )
        return encoded

    def loss(self):
        """Return the loss of the known steps."""
        return self.LOSSES[self.kind]()

    def outputs(self):
        """Return, by method, the function that makes its result of raw outputs."""
        scale, mean = self.scale, self.mean

        def predict(raw):
            y = raw[:, 0].astype(np.float64)
            y *= scale
            y += mean
            return y

        return {"predict": predict}

    def pack(self):
        """Return the target as plain values."""
        return {
            "_is_table": self.table,
            "_loss": self.kind,
            "_target_mean": self.mean,
            "_target_scale": self.scale,
        }

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        names = "_is_table", "_loss", "_target_mean", "_target_scale"
        return cls(*(fields[name] for name in names))

    @staticmethod
    def check_together(fields):
        """Raise ValueError unless the fields go together."""
        if not fields["_target_scale"] > 0:
            raise ValueError("_target_scale must be positive.")


def _refuse_times(item, i):
    """Refuse times among numbers: they count in a unit that nobody sees."""
    for step, value in enumerate(item):
        if isinstance(value, np.datetime64 | np.timedelta64):
            raise ValueError(
                f"y[{i}] has, at step {step}, {value!r}, a time. Make a number of it: "
                "(y - start) / np.timedelta64(1, 'h')."
            )


def refuse_no_labels(classes, y):
    """Refuse bytes, times and numbers that are not whole, which are no labels."""
    for label in classes:
        if isinstance(label, np.datetime64 | np.timedelta64):
            remedy = "a time. Make strings of the labels: .astype(str)"
        elif isinstance(label, bytes):
            remedy = "bytes. Decode it first: .decode('utf-8')"
        elif isinstance(label, float) and not label.is_integer():
            remedy = (
                "a number that is not whole. Use StepRegressor for numbers, or make "
                "strings of the labels"
            )
        else:
            continue
        where = "classes holds"
        for i, item in enumerate(y):
            if label in (items := item.tolist()):
                where = f"y[{i}] has, at step {items.index(label)},"
                break
        raise ValueError(f"Unknown label type: {where} {label!r}, {remedy}.")


def sorted_labels(labels):
    """Return different labels in order, as an array that cuts none of them off."""
    try:
        labels = sorted(set(np.asarray(labels, dtype=object).tolist()))
    except TypeError as error:
        raise ValueError(
            "Labels must be of one kind, strings or numbers, to be put in order: "
            f"{error}."
        ) from error
    if any(isinstance(label, str) for label in labels) and any(
        not isinstance(label, str) or label.endswith("\0") for label in labels
    ):
        array = np.empty(len(labels), dtype=object)  # NumPy would strip zeros
        array[:] = labels
        return array
    return np.array(labels)
