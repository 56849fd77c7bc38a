"""A fitted translator, as plain arrays and values."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from skrnn.inputs.units import UNITS, Given, unit_of
from skrnn.models.checks import (
    Optional,
    boolean,
    either,
    integer,
    list_of,
    number,
    one_of,
    record,
    text,
)
from skrnn.models.sequence import (
    SEQUENCE_FIELDS,
    STRUCTURE_FIELDS,
    SequenceModel,
    check_sequence_model,
    overflow,
    prediction_batches,
    spec_options,
)
from skrnn.models.translation_search import Rules, search
from skrnn.network.attention import ATTENTIONS
from skrnn.network.translation import PairBatch, TranslationNetwork, TranslationSpec
from skrnn.targets.label_sequences import FORMS, is_label
from skrnn.targets.translations import END

__all__ = [
    "TRANSLATION_FIELDS",
    "TranslationModel",
    "check_translation_model",
    "make_rules",
]

# How many targets grow side by side at most.
SEARCHED_ROWS = 1024
# How much longer than a training target a prediction may be.
SLACK = 1.1


@dataclass(frozen=True, eq=False)
class TranslationModel(SequenceModel):
    """What `fit` of a translator makes; see `SequenceModel`.

    Parameters
    ----------
    source_unit : object of `skrnn.inputs.units`
        What a token of a text is.
    length_limit : tuple of (float, float)
        A target of n steps has at most ``a * n + b`` tokens.
    """

    source_unit: Any = field(default_factory=lambda: unit_of("character"))
    length_limit: tuple[float, float] = (0.0, 1.0)

    @cached_property
    def spec(self):
        """The description of the network."""
        return make_translation_spec(self.structure, self.segment_length, self.target)

    def make_network(self, options, loss=None):
        """Return a network that is not loaded."""
        return TranslationNetwork(self.spec, options)

    def with_lengths(self, sequences, codes):
        """Return the model with a limit of lengths that pairs respect, too."""
        n_steps = sequences.lengths
        n_tokens = np.array([len(own) for own in codes])
        long = n_steps >= np.median(n_steps)
        factor = float((n_tokens[long] / n_steps[long]).max())
        more = max(0.0, float((n_tokens - factor * n_steps).max()))
        limit = SLACK * factor, SLACK * more + 1.0
        old = self.length_limit
        limit = tuple(max(a, b) for a, b in zip(limit, old, strict=True))
        return self if limit == old else replace(self, length_limit=limit)

    def limits(self, sequences):
        """Return how many tokens a target of each sequence has at most."""
        factor, more = self.length_limit
        return np.floor(factor * sequences.lengths + more).astype(np.intp)

    # Running -----------------------------------------------------------------------

    def _batches(self, sequences, n_side_by_side=None):
        """Yield a network, a packed batch, and which sequences it has, in order."""
        network = self._idle.borrow(self.network)
        sequences = self.read(sequences)
        for several in prediction_batches(sequences.lengths, self.segment_length):
            size = n_side_by_side or len(several)
            for start in range(0, len(several), size):
                indices = several[start : start + size]
                batch = sequences.pack(indices, self.encoder, network.dtype)
                yield network, batch, indices
        self._idle.append(network)

    def search(self, sequences, limits, rules, n_threads):
        """Return finished targets of each sequence: lists of (rank, score, codes)."""
        found = [None] * len(sequences)
        size = max(1, SEARCHED_ROWS // rules.width)
        for network, batch, indices in self._batches(sequences, size):
            encoded = network.encode(batch, n_threads)
            each = search(network, encoded, limits[indices].tolist(), rules)
            for i, own in zip(indices.tolist(), each, strict=True):
                found[i] = own
                if not np.isfinite([score for _, score, _ in own]).all():
                    raise overflow(sequences, i, network.dtype)
        return found

    def log_proba_of_tokens(self, sequences, codes, n_threads):
        """Return log p of each token and of the end, a list of arrays.

        `codes` has an array for each sequence. A code of -1 has minus infinity.
        """
        found = [None] * len(sequences)
        for network, batch, indices in self._batches(sequences):
            own = [np.maximum(codes[i], END) for i in indices]
            pairs = self._pairs(batch, own, network)
            rows = network.rows(pairs, n_threads)
            targets = [np.append(each, END) for each in own]
            log_p = network.log_proba(rows, np.concatenate(targets))
            stops = np.cumsum([len(each) for each in targets])
            for i, part in zip(indices, np.split(log_p, stops[:-1]), strict=True):
                if not np.isfinite(part).all():
                    raise overflow(sequences, i, network.dtype)
                part[:-1][codes[i] < 0] = -np.inf
                found[i] = part
        return found

    def attention(self, sequences, codes, n_threads):
        """Return the weights of the steps for each token, a list of 2-D arrays."""
        found = [None] * len(sequences)
        for network, batch, indices in self._batches(sequences):
            own = [np.maximum(codes[i], END) for i in indices]
            pairs = self._pairs(batch, own, network)
            weights, place = network.weights(pairs, n_threads)
            n_rows = np.array([len(each) + 1 for each in own])
            last = np.cumsum(n_rows)
            for i, first, stop in zip(indices, last - n_rows, last, strict=True):
                part = weights[place[first] : place[stop]]
                found[i] = part.reshape(stop - first, -1).copy()
        return found

    def _pairs(self, batch, codes, network):
        begin = [self.spec.begin]
        read = [np.concatenate([begin, own]).astype(np.intp) for own in codes]
        return PairBatch(batch, read, network.dtype)

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the model as plain values, by the names of its fields."""
        fields = super().pack()
        unit = self.source_unit
        fields["_source_unit"] = unit.name
        if unit.merges is not None:
            fields["_source_merges"] = unit.merges
        if isinstance(unit, Given):
            fields["_source_tokenizer"] = unit.tokenizer
        fields["length_limit_"] = self.length_limit
        return fields

    @classmethod
    def unpack(cls, fields, target):
        """Return what `pack` was made of; the target is unpacked already."""
        model = super().unpack(fields, target)
        unit = fields["_source_unit"]
        if unit == "given":
            unit = fields["_source_tokenizer"]
        return replace(
            model,
            source_unit=unit_of(unit, fields.get("_source_merges")),
            length_limit=fields["length_limit_"],
        )


def make_rules(target, *, beam_width, length_penalty, copies, exactly_one):
    """Return how targets are searched for.

    Parameters
    ----------
    target : TranslationTarget
    beam_width : int
    length_penalty : float
    copies : bool
        Whether the unknown token may be written, since something can stand for it.
    exactly_one : bool
        Whether each target has one token.
    """
    banned = np.zeros(target.n_out, dtype=np.uint8)
    if target.has_unknown and not copies:
        banned[target.unknown] = 1
    return Rules(beam_width, length_penalty, int(exactly_one), banned)


def make_translation_spec(structure, segment_length, target):
    """Return the description of a network that translates."""
    options = spec_options(structure, segment_length, target)
    return TranslationSpec(
        **options,
        embedding_size=structure["target_embedding_size"],
        attention=structure["attention"],
        tied=structure["tied"],
    )


# What a file may hold ----------------------------------------------------------------


def check_length_limit(value, name, state):
    """Accept a factor and a sum, both finite and not negative."""
    list_of(number, tuple)(value, name, state)
    if len(value) != 2 or not all(0 <= each < 1e9 for each in value):
        raise ValueError(f"{name} must hold two numbers of at least 0, got {value}.")


def nothing(value, name, state):
    """Refuse objects of the user: files hold plain values alone."""


merges = list_of(text)
TRANSLATION_FIELDS = {
    **SEQUENCE_FIELDS,
    "_structure": record(
        {
            **STRUCTURE_FIELDS,
            "attention": either(None, one_of(*filter(None, ATTENTIONS))),
            "tied": boolean,
            "target_embedding_size": integer(1, 2**20),
            "units": list_of(either(None, text), tuple),
        }
    ),
    "_labels": list_of(is_label),
    "_form": one_of(*FORMS),
    "_unit": one_of(*UNITS, "given"),
    "_has_unknown": boolean,
    "_merges": Optional(merges),
    "_tokenizer": Optional(nothing),
    "_source_unit": one_of(*UNITS, "given"),
    "_source_merges": Optional(merges),
    "_source_tokenizer": Optional(nothing),
    "length_limit_": check_length_limit,
}


def check_translation_model(fields, target):
    """Raise ValueError unless the fields of a `TranslationModel` go together."""
    check_sequence_model(fields, target, make_translation_spec)
    if (fields["_unit"] == "subword") != ("_merges" in fields):
        raise ValueError("_merges and _unit do not go together.")
    if (fields["_source_unit"] == "subword") != ("_source_merges" in fields):
        raise ValueError("_source_merges and _source_unit do not go together.")
