"""A fitted network for sequences, as plain arrays and values."""

import functools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from skrnn._convolutions import N_TAPS
from skrnn.cells import CELLS
from skrnn.inputs.convolved import Convolutions, ConvolvedSequences
from skrnn.inputs.packed import Places, StepEncoder
from skrnn.inputs.tokens import Categories, Vocabulary
from skrnn.models.checks import (
    Optional,
    array,
    boolean,
    check_wrong_type,
    either,
    integer,
    list_of,
    number,
    one_of,
    record,
    tuple_of,
)
from skrnn.models.lending import Lender
from skrnn.models.rocket import Rocket
from skrnn.network import ALL_POOLINGS, Network, NetworkSpec, PassOptions
from skrnn.network.blocks import StepBlocks
from skrnn.network.inputs import TokenInput
from skrnn.network.readout import StepsReadout
from skrnn.targets import Target

__all__ = [
    "SEQUENCE_FIELDS",
    "STRUCTURE_FIELDS",
    "SequenceModel",
    "check_sequence_model",
]

# Rows (steps of sequences) of a batch, and of how many sequences it may have more rows:
# those are read some steps at a time.
PREDICTION_ROWS = 8192
PREDICTION_SEQS = 64


@dataclass(frozen=True, eq=False)
class SequenceModel:
    """What `fit` makes: a network, what a step is before it is read, and a target.

    A model never changes; training makes a new one.

    Parameters
    ----------
    structure : dict
        The parameters that the network is made of, `n_features` and `n_out`.
    segment_length : int
        Steps that are read at once.
    input_mean, input_scale, input_fill : ndarray of shape (n_features,) or None
        What is subtracted from features, what they are divided by, and what stands for
        a missing value.
    target : Target
    theta : ndarray of shape (n_params,)
    categories : Categories or None
        Those of categorical features, if there are any.
    convolutions : Convolutions or None
        Kernels whose outputs are read beside each segment of steps.
    rocket : Rocket or None
        A linear model of whole sequences, whose outputs those of the network add to.
    """

    structure: dict[str, Any]
    segment_length: int
    input_mean: np.ndarray | None
    input_scale: np.ndarray | None
    input_fill: np.ndarray | None
    target: Target
    theta: np.ndarray
    categories: Categories | None = None
    convolutions: Convolutions | None = None
    rocket: Rocket | None = None
    _idle: Lender = field(default_factory=Lender, repr=False)

    def with_theta(self, theta):
        """Return the model with other parameters."""
        return replace(self, theta=theta, _idle=Lender())

    @cached_property
    def spec(self):
        """The description of the network."""
        n_beside = 0 if self.convolutions is None else self.convolutions.n_out
        return make_spec(self.structure, self.segment_length, self.target, n_beside)

    @cached_property
    def encoder(self):
        """What makes numbers that the network reads of steps."""
        return StepEncoder(
            n_numbers(self.structure),
            mean=self.input_mean,
            scale=self.input_scale,
            segment_length=self.segment_length,
            missing=self.structure["missing"],
            fill=self.input_fill,
        )

    @property
    def in_segments(self):
        """Whether steps are answered one by one, but read by segments."""
        return self.segment_length > 1 and self.target.per == "step"

    @property
    def weights(self):
        """Read-only views of the parameters by name."""
        theta = self.theta.view()
        theta.flags.writeable = False
        return self.spec.layout(self.target.loss()).views(theta)

    def initialize(self, seed):
        """Return the model with its first parameters."""
        theta = self.spec.initialize(np.random.RandomState(seed), self.target.loss())
        return self.with_theta(theta)

    def read(self, sequences):
        """Return checked sequences as the encoder takes them.

        With the ids of their tokens, or with the outputs of convolutions, if they have
        any, and with ``standardize`` of each sequence less its own mean.
        """
        if self.structure["standardize"] == "sequence":
            sequences = sequences.centered()
        if self.convolutions is not None:
            return ConvolvedSequences(sequences, self.convolutions, self.segment_length)
        if self.categories is None or sequences.ids is not None:
            return sequences
        return self.categories.encode(sequences)

    @property
    def embeddings(self):
        """The tables by feature, (n_categories + 1, size); the last row is unknown."""
        weights, found = self.weights, {}
        for j, feature in enumerate(
            () if self.categories is None else self.categories.features
        ):
            if f"embedding{j}.W" in weights:
                found[feature] = weights[f"embedding{j}.W"]
        return found

    # Running -----------------------------------------------------------------------

    def make_network(self, options, loss=None):
        """Return a network that is not loaded; its last parameters are the loss's."""
        return Network(self.spec, self.target.loss() if loss is None else loss, options)

    def network(self):
        """Return a network that predicts, loaded with the parameters."""
        network = self.make_network(PassOptions(trains=False))
        network.load(self.theta)
        return network

    def run(self, sequences, method, n_threads):
        """Yield what a method of the network says of batches, the batches, their rows.

        Rows are places in `sequences`, in the order of the batch. A batch holds places
        only, not what the network reads.
        """
        network = self._idle.borrow(self.network)
        sequences, encoder = self.read(sequences), self.encoder
        how = sequences.splits, sequences.reads_around
        blocks = StepBlocks(network, n_threads, *how)
        k = encoder.segment_length

        def read(rows, *steps):
            return sequences.pack(rows, encoder, network.dtype, *steps)

        for rows in prediction_batches(sequences.lengths, k, blocks):
            n_steps = sequences.lengths[rows]
            lengths = n_steps if k == 1 else -(-n_steps // k)
            in_steps = method == "forward" and self.in_segments
            batch = Places(n_steps if in_steps else lengths)
            out = blocks.run(method, rows, lengths, read, int(batch.lengths.sum()))
            if not np.isfinite(out).all():
                _refuse_overflow(sequences, out, batch, rows)
            yield out, batch, rows
        self._idle.append(network)

    def raw(self, sequences, n_threads):
        """Return the outputs of the model, (n_seqs, n_out), in the given order."""
        shape = len(sequences), self.structure["n_out"]
        raw = np.empty(shape, self.structure["dtype"])
        for out, _, rows in self.run(sequences, "forward", n_threads):
            raw[rows] = out
        return raw if self.rocket is None else self.rocket.joined(raw, sequences)

    def steps(self, sequences, method, n_threads):
        """Return what a method of the network says of each step, a list of arrays."""
        steps = [None] * len(sequences)
        for packed, batch, rows in self.run(sequences, method, n_threads):
            for b, row in enumerate(rows):
                steps[row] = packed[batch.offset[: batch.lengths[b]] + b]
        return steps

    # Plain values --------------------------------------------------------------------

    def pack(self):
        """Return the model as plain values, by the names of its fields."""
        loss = self.target.loss()
        return {
            "_structure": self.structure,
            "_theta": self.theta,
            "segment_length_": self.segment_length,
            "_input_mean": self.input_mean,
            "_input_scale": self.input_scale,
            "_input_fill": self.input_fill,
            "n_outputs_": loss.n_out,
            "n_layers_": self.n_layers,
            "out_activation_": loss.out_activation,
            **({} if self.categories is None else self._packed()),
            **self._packed_beside(),
            **self.target.pack(),
        }

    def _packed_beside(self):
        found = {"_convolutions": self.convolutions, "_rocket": self.rocket}
        return {name: part.pack() for name, part in found.items() if part is not None}

    def _packed(self):
        # Numbers as arrays of numbers: a file holds objects that are strings only.
        vocabularies = self.categories.vocabularies
        arrays = [
            None if v is None else as_plain_labels(v.tokens) for v in vocabularies
        ]
        counts = [None if v is None else v.counts for v in vocabularies]
        return {"_categories": arrays, "_category_counts": counts}

    @classmethod
    def unpack(cls, fields, target):
        """Return what `pack` was made of; the target is unpacked already."""
        names = "_structure", "segment_length_", "_input_mean", "_input_scale"
        values = [fields[name] for name in names]
        categories = fields.get("_categories")
        if categories is not None:
            counts = fields.get("_category_counts") or [None] * len(categories)
            categories = Categories(
                [
                    None if each is None else Vocabulary(each.tolist(), n)
                    for each, n in zip(categories, counts, strict=True)
                ]
            )
        convolutions = fields.get("_convolutions")
        if convolutions is not None:
            convolutions = Convolutions.unpack(convolutions)
        rocket = fields.get("_rocket")
        if rocket is not None:
            rocket = Rocket.unpack(rocket)
        fill, theta = fields["_input_fill"], fields["_theta"]
        return cls(*values, fill, target, theta, categories, convolutions, rocket)

    @property
    def n_layers(self):
        """The number of layers; the input and the output count, as in scikit-learn."""
        return len(self.structure["hidden_layer_sizes"]) + 2


def make_spec(structure, segment_length, target, n_beside=0):
    """Return the description of a network that reads segments of steps.

    `n_beside` numbers stand beside each segment.
    """
    return NetworkSpec(**spec_options(structure, segment_length, target, n_beside))


def spec_options(structure, segment_length, target, n_beside=0):
    """Return the arguments of a `NetworkSpec`."""
    names = ("hidden_layer_sizes", "cell", "activation", "bidirectional")
    names += ("pooling", "n_out", "dtype")
    options = {name: structure[name] for name in names}
    n_channels = n_numbers(structure) * (1 + (structure["missing"] == "indicator"))
    sizes = structure.get("embedding_sizes")
    if sizes is not None:
        n_ids = structure["n_ids"]
        options["input"] = functools.partial(TokenInput, n_ids, sizes)
    if segment_length > 1 and target.per == "step":  # see `SequenceModel.in_segments`
        options["readout"] = functools.partial(StepsReadout, segment_length)
    return {"n_in": segment_length * n_channels + n_beside, **options}


def n_numbers(structure):
    """Return how many features of a step are numbers."""
    return structure["n_features"] - len(structure.get("n_ids", ()))


def as_plain_labels(array):
    """Return categories as an array of strings (objects), ints or bools."""
    values = array.tolist()
    if not values or isinstance(values[0], str):
        return array
    return np.array(values)


def prediction_batches(lengths, segment_length, blocks=None):
    """Yield indices of sequences of like length, for bounded numbers of rows.

    Parameters
    ----------
    lengths : ndarray of shape (n_seqs,)
    segment_length : int
    blocks : StepBlocks or None, default=None
        What reads the batches, if it may read some steps at a time.
    """
    order = np.argsort(-lengths, kind="stable")
    rows = lengths[order]
    if segment_length > 1:
        rows = -(-rows // segment_length)
    rows = rows.cumsum()
    least, most_rows, most_seqs = 1, PREDICTION_ROWS, len(order)
    if blocks is not None:
        most_seqs = blocks.most_seqs
        # More rows only where nothing is lost by reading some steps at a time.
        if blocks.splits_freely:
            least = PREDICTION_SEQS
        else:
            most_rows = min(most_rows, blocks.most_rows)
    if len(order) <= most_seqs and len(order) and rows[-1] <= most_rows:
        yield order  # all at once
        return
    start = 0
    while start < len(order):
        before = rows[start - 1] if start else 0
        stop = np.searchsorted(rows, before + most_rows, side="right")
        stop = max(min(stop, start + most_seqs), start + least)
        yield order[start:stop]
        start = stop


def _refuse_overflow(sequences, out, batch, rows):
    """Name a sequence of which a network makes no finite numbers."""
    b = np.argwhere(~np.isfinite(out))[0, 0]
    if len(out) != len(rows):  # a row for each step
        b -= batch.offset[np.searchsorted(batch.offset, b, side="right") - 1]
    raise overflow(sequences, rows[b], out.dtype)


def overflow(sequences, row, dtype):
    """Return the error for a sequence of which a network makes no finite numbers."""
    remedy = "" if dtype == np.float64 else ", or fit with dtype='float64'"
    return ValueError(
        f"{sequences.name(row)} makes the network overflow: its values or the "
        f"weights are too large. Scale the sequence like those given to fit{remedy}."
    )


# What a file may hold ----------------------------------------------------------------


def _dtype(fields):
    return fields["_structure"]["dtype"]


def _n_features(fields):
    return n_numbers(fields["_structure"])


def _categories(value, name, state):
    """Accept sorted categories: an array of strings, ints or bools."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "Oib":
        raise check_wrong_type(name, "an array of categories", value)
    items = value.tolist()
    if value.ndim != 1 or any(
        not isinstance(item, str) for item in items if value.dtype == object
    ):
        raise check_wrong_type(name, "a 1-D array of categories", value)
    if any(a >= b for a, b in zip(items, items[1:], strict=False)):
        raise ValueError(f"{name} must be sorted, and hold each category once.")


def _n_out(fields):
    return fields["_structure"]["n_out"]


STRUCTURE_FIELDS = {
    "hidden_layer_sizes": tuple_of(integer(1)),
    "cell": one_of(*CELLS),
    "activation": one_of("tanh", "relu"),
    "bidirectional": boolean,
    "pooling": one_of(*ALL_POOLINGS),
    "segment_length": either(one_of("auto"), integer(1)),
    "standardize": either(boolean, one_of("sequence")),
    "missing": one_of("error", "indicator"),
    "dtype": one_of("float32", "float64"),
    "n_features": integer(1),
    "n_out": integer(1),
    "n_ids": Optional(tuple_of(integer(1, 2**31 - 1))),
    "embedding_sizes": Optional(tuple_of(integer(0, 2**20))),
    "convolutions": Optional(either(one_of("auto"), integer(0))),
    "rocket": Optional(either(one_of("auto"), boolean)),
}


def _n_kernels(fields):
    return len(fields["_convolutions"]["taps"])


def _n_outputs_of_kernels(fields):
    return 2 * _n_kernels(fields)


def _of_kernels(dtype, **limits):
    return array(dtype, _n_kernels, **limits)


def _channel(value, name, fields):
    _of_kernels("int32", low=0, high=_n_features(fields) - 1)(value, name, fields)


convolutions = record(
    {
        "taps": array("int32", None, 3, low=0, high=N_TAPS - 1),
        "dilation": _of_kernels("int32", low=1, high=1 << 20),
        "channel": _channel,
        "causal": boolean,
        "threshold": _of_kernels("float32"),
        "mean": array("float64", _n_features),
        "scale": array("float64", _n_features, low=np.finfo(np.float64).tiny),
        "out_mean": array("float64", _n_outputs_of_kernels),
        "out_scale": array(
            "float64", _n_outputs_of_kernels, low=np.finfo(np.float64).tiny
        ),
    }
)


def _n_shares(fields):
    return len(fields["_rocket"]["threshold"])


def _of_rocket(name, **limits):
    """Return a check for an array of integers, one for each kernel of a rocket."""

    def check(value, own, fields):
        n_kernels = len(fields["_rocket"]["taps"])
        array(name, n_kernels, **limits)(value, own, fields)

    return check


def _check_rocket(value, name, fields):
    """Refuse kernels that would read what is not there."""
    n_kernels, first = len(value["taps"]), value["first"]
    if not n_kernels or len(first) != n_kernels + 1 or first[0] != 0:
        raise ValueError(f"{name}['first'] must begin with 0, and end each kernel.")
    if (first[1:] < first[:-1]).any() or first[-1] != len(value["threshold"]):
        raise ValueError(f"{name}['first'] must grow to the number of thresholds.")
    if not len(value["sums"]) or value["channel"].max() >= len(value["sums"]):
        raise ValueError(f"{name}['channel'] must be a row of {name}['sums'].")


def _network_share(value, name, fields):
    number(value, name, fields)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}.")


rocket = record(
    {
        "taps": array("int32", None, 3, low=0, high=N_TAPS - 1),
        "dilation": _of_rocket("int32", low=1, high=1 << 20),
        "channel": _of_rocket("int32", low=0),
        "sums": array("bool", None, _n_features),
        "first": array("int64", None, low=0),
        "whole": _of_rocket("uint8", low=0, high=1),
        "threshold": array("float32", None),
        "mean": array("float64", _n_features),
        "scale": array("float64", _n_features, low=np.finfo(np.float64).tiny),
        "out_mean": array("float64", _n_shares),
        "out_scale": array("float64", _n_shares, low=np.finfo(np.float64).tiny),
        "coef": array("float64", _n_shares, _n_out),
        "intercept": array("float64", _n_out),
        "network": _network_share,
    },
    _check_rocket,
)
per_feature = array("float64", _n_features)
per_output = array("float64", _n_out)
theta = array(_dtype, None)
SEQUENCE_FIELDS = {
    "_structure": record(STRUCTURE_FIELDS),
    "_theta": theta,
    "segment_length_": integer(1),
    "_input_mean": either(None, per_feature),
    "_input_scale": either(None, per_feature),
    "_input_fill": either(None, per_feature),
    "n_outputs_": integer(1),
    "n_layers_": integer(3),
    "_categories": Optional(list_of(either(None, _categories))),
    "_category_counts": Optional(list_of(either(None, array("int64", None, low=0)))),
    "_convolutions": Optional(convolutions),
    "_rocket": Optional(rocket),
    "out_activation_": one_of("crf", "identity", "logistic", "softmax"),
}


def check_sequence_model(fields, target, make_spec=make_spec):
    """Raise ValueError unless the fields of a `SequenceModel` go together.

    ``make_spec(structure, segment_length, target)`` describes the network.
    """
    structure = fields["_structure"]
    if structure["segment_length"] not in ("auto", fields["segment_length_"]):
        raise ValueError(
            f"segment_length_ must be {structure['segment_length']}, got "
            f"{fields['segment_length_']}."
        )
    known = [c for c in fields.get("_categories") or [] if c is not None]
    n_ids = structure.get("n_ids", ())
    if [len(c) + 1 for c in known] != list(n_ids) or (
        len(structure.get("embedding_sizes", ())) != len(n_ids)
        or len(n_ids) > structure["n_features"]
        or (n_ids and len(fields["_categories"]) != structure["n_features"])
    ):
        raise ValueError("_categories and the embeddings do not go together.")
    counts = fields.get("_category_counts")
    if counts is not None and [
        None if c is None else len(c) - 1 for c in counts
    ] not in (
        [None if c is None else len(c) for c in fields.get("_categories") or []],
        [None] * len(fields.get("_categories") or []),
    ):
        raise ValueError("_category_counts and _categories do not go together.")
    if known and fields["segment_length_"] != 1:
        raise ValueError("segment_length_ must be 1 with tokens.")
    indicator = structure["missing"] == "indicator"
    for name, known in (
        ("_input_mean", bool(structure["standardize"])),
        ("_input_scale", bool(structure["standardize"])),
        ("_input_fill", indicator and not structure["standardize"]),
    ):
        if (fields[name] is not None) != known:
            raise ValueError(f"{name} must {'not ' * known}be None.")
    if structure["standardize"] and not (fields["_input_scale"] > 0).all():
        raise ValueError("_input_scale must be positive.")
    loss = target.loss()
    n_beside = check_convolutions(fields)
    check_rocket(fields)
    beside = (n_beside,) if n_beside else ()
    spec = make_spec(structure, fields["segment_length_"], target, *beside)
    check_theta(spec, loss, fields["_theta"])
    expected = {
        "n_outputs_": loss.n_out,
        "n_layers_": len(structure["hidden_layer_sizes"]) + 2,
        "out_activation_": loss.out_activation,
    }
    for name, value in expected.items():
        if fields[name] != value:
            raise ValueError(f"{name} must be {value!r}, got {fields[name]!r}.")
    if structure["n_out"] != loss.n_out:
        raise ValueError(
            f"The network has {structure['n_out']} outputs, and the targets need "
            f"{loss.n_out}."
        )


def check_convolutions(fields):
    """Return how many numbers convolutions put beside a segment.

    Raise ValueError unless they go with the other fields.
    """
    structure, found = fields["_structure"], fields.get("_convolutions")
    n_kernels = 0 if found is None else len(found["taps"])
    if structure.get("convolutions", 0) not in ("auto", n_kernels):
        raise ValueError(
            f"_convolutions must have {structure.get('convolutions', 0)} kernels, got "
            f"{n_kernels}."
        )
    if found is None:
        return 0
    if not n_kernels:
        raise ValueError("_convolutions must have a kernel.")
    if found["causal"] == structure["bidirectional"] or structure.get("n_ids"):
        raise ValueError("_convolutions and the network do not go together.")
    return 2 * n_kernels


def check_rocket(fields):
    """Raise ValueError unless a linear model of sequences goes with the others."""
    wanted, found = fields["_structure"].get("rocket", False), "_rocket" in fields
    if wanted not in ("auto", found):
        raise ValueError(
            f"_rocket must {'not ' * found}be there if rocket is {wanted}."
        )
    if found and fields["_structure"].get("n_ids"):
        raise ValueError("_rocket and features of tokens do not go together.")


def check_theta(spec, loss, theta):
    """Raise ValueError unless the parameters are those of a network."""
    n_params = spec.layout(loss).n_params
    if n_params != len(theta):
        raise ValueError(
            f"A network like this has {n_params} parameters, and _theta holds "
            f"{len(theta)}."
        )
