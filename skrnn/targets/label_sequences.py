"""A sequence of labels for each sequence, in any of the forms that users have."""

import math
import reprlib
from functools import cached_property
from numbers import Real

import numpy as np
from sklearn.utils import column_or_1d

from skrnn.inputs.containers import column_of_sequences, open_container
from skrnn.losses import CTCLoss
from skrnn.targets.base import Target

__all__ = [
    "FORMS",
    "LabelSequenceTarget",
    "UNITS",
    "check_label",
    "is_label",
    "label_key",
]

# What `y` holds for each sequence: a text, a sequence of labels, or one label alone.
FORMS = ("text", "sequence", "label")
# What a label of a text is.
UNITS = ("character", "word")


class LabelSequenceTarget(Target):
    """Labels in order, without the steps that they belong to.

    Parameters
    ----------
    labels : list of str, int, bool, float or tuples of these
        All labels. Code 1 is the first one; code 0 is the blank.
    form : {"text", "sequence", "label"}
        What a prediction is: a text, a list of labels, or exactly one label.
    unit : {"character", "word"}
        What a label of a text is.
    """

    _other = -1  # the code of labels that were not learned

    def __init__(self, labels, form="sequence", unit="character"):
        self.labels, self.form, self.unit = labels, form, unit
        self._codes = {label_key(label): k + 1 for k, label in enumerate(labels)}
        # Most labels are strings, which need no key.
        self._of_strings = {
            label: k + 1 for k, label in enumerate(labels) if type(label) is str
        }

    @cached_property
    def classes(self):
        """The labels as an array that cuts none of them off."""
        kinds = {type(label) for label in self.labels}
        plain = len(kinds) == 1 and kinds <= {str, int, bool, float}
        if plain and not (
            kinds == {str} and any(label.endswith("\0") for label in self.labels)
        ):
            array = np.array(self.labels)
            if array.dtype != object:
                return array
        return as_objects(self.labels)

    # Learning ------------------------------------------------------------------------

    @staticmethod
    def check(y):
        """Return `y` as an object array: of texts, of lists of labels, or of labels."""
        return check_label_sequences(y, "y")

    @classmethod
    def learn(cls, y, classes=None, *, unit="character"):
        """Return the target of checked `y`; `classes` are all labels that may come."""
        form = form_of(y)
        if classes is None:
            seen = {}
            for item in y:
                for label in split(item, unit):
                    seen.setdefault(label_key(label), label)
            if not seen:
                raise ValueError(
                    "y has no label at all: all of its sequences are empty. Give at "
                    "least one sequence that has a label."
                )
        else:
            given = classes.tolist() if isinstance(classes, np.ndarray) else classes
            seen = {}
            for label in given:
                label = check_label(label, "classes")
                seen.setdefault(label_key(label), label)
            if not seen:
                raise ValueError("classes must hold at least one label.")
        target = cls(in_order(list(seen.values())), form, unit)
        target.require_same(y)
        return target

    def joined(self, others):
        """Return the target of what several parts of the data hold."""
        labels = {}
        for target in (self, *others):
            if target.form != self.form:
                raise ValueError(
                    f"y has the form {self.form!r} in one shard and {target.form!r} in "
                    "another. All must have one form: texts, lists of labels, or "
                    "single labels."
                )
            for label in target.labels:
                labels.setdefault(label_key(label), label)
        return type(self)(in_order(list(labels.values())), self.form, self.unit)

    def require_same(self, y):
        """Refuse labels that were not learned."""
        self.encode(y)

    # Use -----------------------------------------------------------------------------

    def encode(self, y, strict=True):
        """Return codes from 1 on: an object array of arrays of intp.

        A label that was not learned is an error, or -1 if not `strict`.
        """
        encoded = np.empty(len(y), dtype=object)
        for i, item in enumerate(y):
            labels = self._labels_of(item)
            codes = [self._code(label) for label in labels]
            if strict and -1 in codes:
                raise ValueError(
                    f"y[{i}] has the label {labels[codes.index(-1)]!r}, which is not "
                    f"one of the {len(self.labels)} labels that were learned. Pass all "
                    "labels to the first call of partial_fit, or fit anew."
                )
            encoded[i] = np.array(codes, dtype=np.intp)
        return encoded

    def _code(self, label):
        if type(label) is str:
            return self._of_strings.get(label, self._other)
        return self._codes.get(label_key(label), self._other)

    def _labels_of(self, item):
        return split(item, self.unit)

    def decode(self, codes):
        """Return sequences of codes in the form that was learned, (n_seqs,)."""
        if self.form == "label":
            return self.classes.take([own[0] - 1 for own in codes])
        labels = self.labels
        found = [[labels[code - 1] for code in own] for own in codes]
        if self.form == "text":
            separator = " " if self.unit == "word" else ""
            found = [separator.join(own) for own in found]
        return as_objects(found)

    def loss(self):
        """Return the loss, which sums over all alignments."""
        return CTCLoss(len(self.labels))

    def outputs(self):
        """Return the function that makes log-probabilities of raw outputs."""
        return {"label_log_proba": self.loss().predict_log_proba}

    def pack(self):
        """Return the target as plain values."""
        return {"_labels": self.labels, "_form": self.form, "_unit": self.unit}

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        return cls(fields["_labels"], fields["_form"], fields["_unit"])

    @staticmethod
    def check_together(fields):
        """Raise ValueError unless the fields go together."""
        labels = fields["_labels"]
        if len({label_key(label) for label in labels}) < max(len(labels), 1):
            raise ValueError("_labels must hold at least one label, and each once.")
        if fields["_form"] == "text" and not all(isinstance(k, str) for k in labels):
            raise ValueError("_labels must be strings where texts are predicted.")


def label_key(label):
    """Return what tells labels apart: 1, 1.0 and True are three of them."""
    if isinstance(label, tuple):
        return tuple, tuple(map(label_key, label))
    return type(label), label


def is_label(value, name, state):
    """Accept a label as `check_label` returns it; for fields of files."""
    if check_label(value, name) != value or isinstance(value, np.generic):
        raise ValueError(f"{name} is no label: {reprlib.repr(value)}.")


def in_order(labels):
    """Return labels sorted; those that cannot be compared stay as they are."""
    try:
        return sorted(labels)
    except TypeError:
        return labels


def keys_of(classes):
    """Return the keys of labels in their order, each once."""
    labels = classes.tolist() if isinstance(classes, np.ndarray) else list(classes)
    labels = {label_key(label): label for label in labels}
    return [label_key(label) for label in in_order(list(labels.values()))]


def split(item, unit):
    """Return the labels of a checked text, list of labels or label."""
    if isinstance(item, str):
        return item.split() if unit == "word" else list(item)
    return item if isinstance(item, list) else [item]


def form_of(y):
    """Return the form of checked targets, which all of them share."""
    first = y[0] if len(y) else []
    if isinstance(first, str):
        return "text"
    return "sequence" if isinstance(first, list) else "label"


# What users hand in ------------------------------------------------------------------


def check_label_sequences(y, name):
    """Return label sequences as an object array (n_seqs,), all items in one form.

    Parameters
    ----------
    y : texts, sequences of labels, or labels
        A list, tuple, array, Series or column of a table.
    name : str
        What messages call `y`.
    """
    y = _column(y, name)
    found = as_objects([_check_item(item, f"{name}[{i}]") for i, item in enumerate(y)])
    form = form_of(found)
    for i, item in enumerate(found):
        if form_of([item]) != form:
            said = {"text": "a text", "sequence": "a sequence", "label": "one label"}
            raise ValueError(
                f"{name}[0] is {said[form]}, and {name}[{i}] is {reprlib.repr(item)}. "
                "All must have one form: texts, lists of labels, or single labels."
            )
    return found


def check_paired_labels(y, n_seqs):
    """Return label sequences of `y` as an object array, one for each sequence of X."""
    checked = check_label_sequences(y, "y")
    if len(checked) != n_seqs:
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[n_seqs, len(checked)]}"
        )
    return checked


def _column(y, name):
    """The items of y, of a container with one for each sequence."""
    y = column_of_sequences(y)
    if isinstance(y, str | bytes):
        raise ValueError(
            f"{name} is one {type(y).__name__}. A list of texts is expected: [{name}]."
        )
    container = open_container(y, name)
    if container.kind == "frame":
        if y.shape[1] != 1:
            raise ValueError(
                f"{name} is a {type(y).__name__} of {y.shape[1]} columns. Take the one "
                "with the labels."
            )
        y = y.iloc[:, 0] if container.library == "pandas" else y.to_series(0)
        container = open_container(y, name)
    if container.kind == "array":
        array = container.given
        if array.ndim == 2 and array.shape[1] == 1:
            array = column_or_1d(array, warn=True)
        if array.ndim not in (1, 2):
            raise ValueError(
                f"{name} has the shape {array.shape}. A sequence of labels is expected "
                "for each sequence of X."
            )
        return array.tolist()
    if container.kind in ("items", "column"):
        return container.to_list() if container.kind == "column" else list(y)
    raise ValueError(
        f"{name} is {reprlib.repr(y)}. A list with the labels of each sequence of X is "
        "expected."
    )


def _check_item(item, where):
    """One text as str, one sequence as a list of labels, or one label."""
    if isinstance(item, str):
        return str(item)
    if isinstance(item, np.ndarray) and item.ndim == 0:
        item = item.item()
    if isinstance(item, np.ndarray):
        if item.ndim != 1:
            raise ValueError(
                f"{where} has the shape {item.shape}. A 1-D array of labels is "
                "expected."
            )
        item = item.tolist()
    elif open_container(item, where).kind == "column":
        item = open_container(item, where).to_list()
    if isinstance(item, list | tuple):
        return [check_label(label, f"{where}[{k}]") for k, label in enumerate(item)]
    return check_label(item, where)


def check_label(label, where):
    """Return a label as a plain value; refuse anything else, by name."""
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bool):
        return label
    if isinstance(label, str):
        return str(label)
    if isinstance(label, tuple):
        return tuple(check_label(part, where) for part in label)
    if isinstance(label, int):
        return int(label)
    if isinstance(label, Real):
        label = float(label)
        if not math.isfinite(label):
            said = "infinity or a value too large for dtype('float64')"
            said = "NaN" if math.isnan(label) else said
            raise ValueError(
                f"Input {where.partition('[')[0]} contains {said}.\n{where} is no "
                "label. Leave it out, or leave the sequence out."
            )
        return label
    remedy = "Labels are strings, numbers, bools, or tuples of these."
    if label is None:
        remedy = "Leave it out: only labels stand in a sequence, and it may be empty."
    raise ValueError(f"{where} is {reprlib.repr(label)}, which is no label. {remedy}")


def as_objects(values):
    """A 1-D array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array
