"""A sequence of tokens for each sequence, written from left to right up to an end."""

import math
from collections import Counter

import numpy as np

from skrnn.inputs.units import unit_of
from skrnn.losses import TokenLogLoss
from skrnn.targets.label_sequences import (
    LabelSequenceTarget,
    as_objects,
    check_label,
    form_of,
    in_order,
    label_key,
)

__all__ = ["END", "TranslationTarget"]

END = 0  # the code of the end


class TranslationTarget(LabelSequenceTarget):
    """Tokens in order, and the end behind them.

    Code 0 is the end, then come the labels, then the unknown token if there is one.

    Parameters
    ----------
    labels : list of str, int, bool, float or tuples of these
    form : {"text", "sequence", "label"}
        What a prediction is: a text, a list of labels, or exactly one label.
    unit : object of `skrnn.inputs.units`
        What a label of a text is.
    has_unknown : bool
        Whether rare labels share one token.
    """

    def __init__(self, labels, form="sequence", unit=None, has_unknown=False):
        super().__init__(labels, form, unit_of("character") if unit is None else unit)
        self.has_unknown = has_unknown
        if has_unknown:
            self._other = self.unknown

    @classmethod
    def learn(cls, y, classes=None, *, unit=None, min_frequency=1):
        """Return the target of checked `y`.

        Parameters
        ----------
        y : ndarray of objects
        classes : list or None
            All labels that may come; None takes those of `y`.
        unit : object of `skrnn.inputs.units` or None
        min_frequency : int or float
            How often a label must occur, or in which share of all places; rarer ones
            share the unknown token.
        """
        unit = unit_of("character") if unit is None else unit
        form = form_of(y)
        if classes is not None:
            return cls._of_classes(classes, form, unit, min_frequency != 1)
        seen, counts = {}, Counter()
        for item in y:
            for label in labels_of(item, unit):
                key = label_key(label)
                seen.setdefault(key, label)
                counts[key] += 1
        if not seen:
            raise ValueError(
                "y has no label at all: all of its sequences are empty. Give at "
                "least one sequence that has a label."
            )
        least = min_frequency
        if isinstance(min_frequency, float):
            least = math.ceil(min_frequency * sum(counts.values()))
        kept = [label for key, label in seen.items() if counts[key] >= least]
        if not kept:
            raise ValueError(
                f"Each label of y occurs less than {least} times. Set a smaller "
                "min_frequency."
            )
        return cls(in_order(kept), form, unit, len(kept) < len(seen))

    @classmethod
    def _of_classes(cls, classes, form, unit, has_unknown):
        given = classes.tolist() if isinstance(classes, np.ndarray) else classes
        seen = {}
        for label in given:
            label = check_label(label, "target_vocabulary")
            seen.setdefault(label_key(label), label)
        if not seen:
            raise ValueError("target_vocabulary must hold at least one label.")
        return cls(in_order(list(seen.values())), form, unit, has_unknown)

    # Codes -----------------------------------------------------------------------

    @property
    def unknown(self):
        """The code of the unknown token; without one, the number of outputs."""
        return len(self.labels) + 1

    @property
    def n_out(self):
        """The number of outputs: the end, the labels and the unknown token."""
        return len(self.labels) + 1 + self.has_unknown

    def require_same(self, y):
        """Refuse another form, and labels that were not learned."""
        if len(y) and form_of(y) != self.form:
            said = {"text": "texts", "sequence": "sequences of labels"}
            said["label"] = "single labels"
            raise ValueError(
                f"y holds {said[form_of(y)]}, and it held {said[self.form]} before."
            )
        super().require_same(y)

    def _labels_of(self, item):
        return labels_of(item, self.unit)

    def decode(self, codes, copies=None):
        """Return sequences of codes in the form that was learned, (n_seqs,).

        Parameters
        ----------
        codes : list of sequences of int
            Without the ends.
        copies : dict or None, default=None
            By (sequence, place), the token that stands for an unknown one. An unknown
            one without any is left out.
        """
        copies, found = {} if copies is None else copies, []
        for i, own in enumerate(codes):
            labels = []
            for k, code in enumerate(own):
                if code <= len(self.labels):
                    labels.append(self.labels[code - 1])
                elif (i, k) in copies:
                    labels.append(copies[i, k])
            found.append(labels)
        if self.form == "label":
            return self.classes.take([own[0] - 1 for own in codes])
        if self.form == "text":
            found = list(map(self.unit.join, found))
        return as_objects(found)

    def loss(self):
        """Return the loss of one token given those before it."""
        return TokenLogLoss(self.n_out)

    def outputs(self):
        """Return nothing: no output is the answer to a whole sequence."""
        return {}

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the target as plain values."""
        fields = {"_labels": self.labels, "_form": self.form, "_unit": self.unit.name}
        fields["_has_unknown"] = self.has_unknown
        if self.unit.merges is not None:
            fields["_merges"] = self.unit.merges
        if self.unit.name == "given":
            fields["_tokenizer"] = self.unit.tokenizer
        return fields

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        unit = fields["_unit"]
        if unit == "given":
            unit = fields["_tokenizer"]
        unit = unit_of(unit, fields.get("_merges"))
        return cls(fields["_labels"], fields["_form"], unit, fields["_has_unknown"])


def labels_of(item, unit):
    """Return the labels of a checked text, list of labels or label."""
    if isinstance(item, str):
        return unit.split(item)
    return item if isinstance(item, list) else [item]
