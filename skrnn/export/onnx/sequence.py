"""Graphs of classifiers and regressors, for whole sequences and step by step.

A graph is put together from pieces: standardisation, segments, recurrent layers,
pooling, head, and last what an estimator makes of the raw outputs. A batch and a stream
share them.
"""

import numpy as np

from skrnn.export.onnx.convolutions import convolve, decide
from skrnn.export.onnx.graph import (
    ML,
    Exported,
    Lengths,
    NotConvertibleError,
    Output,
    Registry,
    all_true,
    exports,
)
from skrnn.export.onnx.parts import (
    ONNX_CELLS,
    FittedNetwork,
    Run,
    convert,
    is_finite,
    run_layers,
    run_network,
    steps,
)
from skrnn.inputs.packed import StepEncoder
from skrnn.models.sequence import SequenceModel
from skrnn.preprocessing import SequenceScaler
from skrnn.targets import ClassTarget, NumberTarget

transforms = Registry("transformer")
reads = Registry("encoder")
outputs_of = Registry("kind of target")

# ----------------------------------------------------------------- pieces


@transforms(SequenceScaler)
def scale(g, scaler, x, dtype):
    """Add what a `SequenceScaler` does to values of a dtype."""
    x = g.cast(x, np.float64)
    if scaler.with_mean:
        x = g("Sub", x, scaler.mean_)
    if scaler.with_std:
        x = g("Div", x, scaler.scale_)
    return g.cast(x, dtype)


@reads(StepEncoder)
def encode(g, encoder, x, dtype):
    """Add what a `StepEncoder` does to steps, but for segments.

    Parameters
    ----------
    g : Graph
    encoder : StepEncoder
    x : str
        (..., n_features)
    dtype : dtype
        Of the network.

    Returns
    -------
    x : str
        (..., n_channels) of this dtype; 0 for what is not finite.
    finite : str
        (..., n_features) bool: whether a value is one that a network can read.
    """
    indicator = encoder.missing == "indicator"
    # In double, or a mean far from zero leaves nothing of a float32.
    if indicator or encoder.mean is not None:
        x = g.cast(x, np.float64)
    if indicator:
        known = g("Not", g("IsNaN", x))
    if encoder.mean is not None:
        x = g("Div", g("Sub", x, encoder.mean), encoder.scale)
    if indicator:
        n_features = encoder.n_features
        fill = np.zeros(n_features) if encoder.fill is None else encoder.fill
        x = g("Where", known, x, fill)
    x = g.cast(x, dtype)
    finite = is_finite(g, x, dtype)
    x = g("Where", finite, x, dtype.type(0))
    if indicator:
        x = g("Concat", x, g.cast(known, dtype), axis=-1)
    return x, finite


def refuse_surrogates(token):
    """Refuse a token that no file of ONNX can hold."""
    try:
        token.encode()
    except UnicodeEncodeError as error:
        raise NotConvertibleError(
            f"ONNX has strings in UTF-8, and the token {token!r} is half of a "
            "character. Fit without it."
        ) from error


class TokenEncoder:
    """What happens to steps whose last columns are ids of tokens.

    Parameters
    ----------
    model : SequenceModel
        With categories.

    Attributes
    ----------
    numbers : StepEncoder
        What happens to the first columns.
    """

    segment_length = 1

    def __init__(self, model):
        self.numbers, self.features = model.encoder, model.categories.features
        self.vocabularies = [model.categories.vocabularies[f] for f in self.features]

    def inputs(self, dtype, axes=("n_seqs", "n_steps")):
        """Return the inputs of a graph by name: dtype and shape."""
        inputs = {}
        if self.numbers.n_features:
            inputs["X"] = dtype, (*axes, self.numbers.n_features)
        for feature, vocabulary in zip(self.features, self.vocabularies, strict=True):
            kind = np.int64 if vocabulary.kind == "number" else object
            inputs[f"tokens{feature}"] = np.dtype(kind), axes
        return inputs

    def join(self, g):
        """Add numbers and ids side by side, (..., n_features), double."""
        columns = [g.cast("X", np.float64)] if self.numbers.n_features else []
        for feature, vocabulary in zip(self.features, self.vocabularies, strict=True):
            tokens = vocabulary.tokens.tolist()
            for token in tokens if vocabulary.kind == "string" else ():
                refuse_surrogates(token)
            keys = {"keys_strings": tokens or [""]}
            if vocabulary.kind == "number":
                keys = {"keys_int64s": [int(token) for token in tokens]}
            ids = g(
                "LabelEncoder",
                f"tokens{feature}",
                domain=ML,
                values_int64s=list(range(max(len(tokens), 1))),
                default_int64=vocabulary.unknown,
                **keys,
            )
            ids = g("Unsqueeze", ids, np.array([-1]))
            columns.append(g.cast(ids, np.float64))
        return columns[0] if len(columns) == 1 else g("Concat", *columns, axis=-1)


@reads(TokenEncoder)
def encode_beside_tokens(g, encoder, x, dtype):
    """Add what an encoder does to the numbers of steps; ids stay. See `encode`."""
    n = encoder.numbers.n_features
    ids = g.cast(g.slice(x, -1, n), dtype)
    finite = is_finite(g, ids, dtype)
    if not n:
        return ids, finite
    x, known = encode(g, encoder.numbers, g.slice(x, -1, 0, n), dtype)
    return g("Concat", x, ids, axis=-1), g("Concat", known, finite, axis=-1)


def center(g, x, sequence_lens):
    """Add padded sequences less each one's mean over its known steps, in double."""
    x = g.cast(x, np.float64)
    at = g("Squeeze", g.size(x, 1), np.array([0]))
    at = g("Range", np.array(0), at, np.array(1))
    there = g("Less", at, g("Unsqueeze", sequence_lens, np.array([1])))
    known = g("And", g("Unsqueeze", there, np.array([2])), g("Not", g("IsNaN", x)))
    total = g.reduce("ReduceSum", g("Where", known, x, np.array(0.0)), 1)
    count = g.reduce("ReduceSum", g.cast(known, np.float64), 1)
    mean = g("Div", total, g("Max", count, np.array(1.0)))
    return g("Sub", x, g("Unsqueeze", mean, np.array([1])))


def read_batch(g, x, sequence_lens, encoder, dtype, convolutions=None, rocket=None):
    """Add the way from padded sequences to what the network reads.

    Runtimes end the process where a recurrent operator has no sequences, or a loop no
    steps: the batch gets one of zeros there.

    Parameters
    ----------
    g : Graph
    x : str
        (n_seqs, n_steps, n_features), padding at the end of the steps.
    sequence_lens : str or None
        (n_seqs,) int64; None if there is no padding.
    encoder : StepEncoder
    dtype : dtype
        Of the network.
    convolutions : Convolutions or None, default=None
        What is read beside each segment.
    rocket : Rocket or None, default=None
        The linear model whose outputs add to those of the network.

    Returns
    -------
    run : Run
        Lengths in segments.
    valid : str
        (n_seqs,) bool: whether a sequence is one that an estimator takes.
    """
    n_seqs, n_steps = g.size(x, 0), g.size(x, 1)
    lens = sequence_lens or g("Expand", n_steps, n_seqs)
    missing = g.missing(n_seqs)
    x = g.pad(x, 3, {0: missing, 1: g.missing(n_steps)})
    lens = g.pad(lens, 1, {0: missing})
    in_range = g(
        "And",
        g("Greater", lens, np.array(0)),
        g("LessOrEqual", lens, n_steps),
    )
    n_steps = g("Squeeze", g("Max", n_steps, np.array([1])), np.array([0]))
    lens = g("Max", g("Min", lens, n_steps), np.array(1))
    k = encoder.segment_length
    n_segments, segments = n_steps, lens
    if k > 1:
        n_segments, segments = (
            g("Div", g("Add", n, np.array(k - 1)), np.array(k)) for n in (n_steps, lens)
        )
    # The last step stands for all after it: it fills up its segment, and whatever the
    # padding holds is never read.
    at = g("Mul", n_segments, np.array(k)) if k > 1 else n_steps
    at = g("Range", np.array(0), at, np.array(1))
    last = g("Unsqueeze", g("Sub", lens, np.array(1)), np.array([1]))
    at = g("Unsqueeze", g("Min", at, last), np.array([2]))
    given = x = g("GatherND", x, at, batch_dims=1)
    x, finite = reads[encoder](g, encoder, x, dtype)
    if k > 1:
        x = g("Reshape", x, np.array([0, -1, encoder.n_in]))
    x = g("Transpose", x, perm=[1, 0, 2])
    valid = g("And", in_range, all_true(g, finite, 1, 2))
    if convolutions is not None:
        beside, small = convolve(g, given, lens, convolutions, k)
        x = g("Concat", x, g.cast(beside, dtype), axis=-1)
        valid = g("And", valid, small)
    beside = None
    if rocket is not None:
        beside, small = decide(g, given, lens, rocket)
        valid = g("And", valid, small)
    lengths = Lengths(g, segments, n_segments)
    steps = Lengths(g, lens, g("Mul", n_segments, np.array(k))) if k > 1 else lengths
    return Run(x, lengths, steps=steps, beside=beside), valid


def refuse(g, raw, valid, dtype):
    """Add raw outputs (..., n_out) in double, NaN for what an estimator refuses."""
    valid = g("And", valid, all_true(g, is_finite(g, raw, dtype), -1))
    valid = g("Unsqueeze", valid, np.array([-1]))
    return g("Where", valid, g.cast(raw, np.float64), np.array(np.nan))


# ---------------------------------------------------------------- outputs


def label_values(classes):
    """Return the classes as ONNX can have them, int64 or strings."""
    kind = classes.dtype.kind
    if kind in "OU" and all(isinstance(label, str) for label in classes):
        return classes.astype(object)
    if kind in "biuf":
        with np.errstate(invalid="ignore"):
            integers = classes.astype(np.int64)
        if (integers == classes).all():
            return integers
    raise TypeError(
        f"Labels in ONNX are integers or strings, and the classes are {classes!r}: fit "
        "with such labels."
    )


class Outputs:
    """What an estimator makes of raw outputs.

    Attributes
    ----------
    per_step : bool
        Whether each step has outputs.
    per_segment : bool
        Whether these are outputs of segments of steps.
    state : dict of str to (dtype, shape)
        What the outputs of a stream keep, like that of `StepGraph`.
    constants : list of Output
        What does not depend on the inputs.
    """

    per_step = per_segment = False
    state: dict = {}
    constants: list = []

    @classmethod
    def of(cls, g, model, streaming):
        """Return the outputs of a model for a graph."""
        return cls(model.target)

    def step(self, g, raw, before, is_first, dtype):
        """Add the outputs of a step of streams; return them, and the new state."""
        return self.add(g, raw, dtype), {}


@outputs_of(ClassTarget)
class ClassOutputs(Outputs):
    """Labels and probabilities.

    Parameters
    ----------
    target : ClassTarget
    labels : ndarray or None, default=None
        What stands for the classes, as `label_values` returns it; None is themselves.
    """

    def __init__(self, target, labels=None):
        self.several = target.multilabel
        self.classes = label_values(target.classes) if labels is None else labels

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        n_classes = len(self.classes)
        return [
            ("label", self.classes.dtype, (n_classes,) if self.several else ()),
            ("probabilities", dtype, (n_classes,)),
        ]

    def add(self, g, raw, dtype):
        """Add the outputs, from raw outputs in double."""
        classes, zero = self.classes, np.array(0.0)
        first = g("Gather", raw, np.array(0), axis=-1)
        if self.several:
            proba = g("Sigmoid", raw)
            label = g.cast(g("Greater", raw, zero), np.int64)
        elif len(classes) > 2:
            proba = g("Softmax", raw, axis=-1)
            label = g("Gather", classes, g("ArgMax", raw, axis=-1, keepdims=0))
        elif len(classes) > 1:
            proba = g("Concat", g("Sigmoid", g("Neg", raw)), g("Sigmoid", raw), axis=-1)
            label = g("Gather", classes, g.cast(g("Greater", first, zero), np.int64))
        else:
            # The only class is certain, and NaN stays NaN.
            proba = g("Add", g("Mul", raw, zero), np.array(1.0))
            label = g("Gather", classes, g.cast(g("Greater", first, first), np.int64))
        return [label, g.cast(proba, dtype)]


@outputs_of(NumberTarget)
class NumberOutputs(Outputs):
    """Predictions.

    Parameters
    ----------
    target : NumberTarget
    labels : None
    """

    def __init__(self, target, labels=None):
        self.target = target

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        return [("variable", dtype, (len(self.target.mean),))]

    def add(self, g, raw, dtype):
        """Add the outputs, from raw outputs in double."""
        value = g("Add", g("Mul", raw, self.target.scale), self.target.mean)
        return [g.cast(value, dtype)]


def named(outputs, tensors, dtype):
    """Return each `Output` that was declared, with its tensor."""
    declared = zip(outputs.declare(dtype), tensors, strict=True)
    return [Output(name, tensor, *about) for (name, *about), tensor in declared]


def score_batch(g, x, sequence_lens, model, outputs, dtype, encoder=None):
    """Add all from padded sequences to the outputs of a model."""
    encoder = encoder or model.encoder
    network = FittedNetwork(model.spec, model.theta)
    n_seqs = g.size(x, 0)
    n_steps = g.size(x, 1)
    run, valid = read_batch(
        g, x, sequence_lens, encoder, network.dtype, model.convolutions, model.rocket
    )
    raw = run_network(g, network, run)
    if run.beside is not None:
        raw = g("Mul", g.cast(raw, np.float64), np.array(model.rocket.network))
        raw = g.cast(g("Add", raw, run.beside), network.dtype)
    raw = refuse(g, raw, valid, network.dtype)
    if not outputs.per_step:
        tensors = outputs.add(g, raw, dtype)
        return [g.slice(tensor, 0, 0, n_seqs) for tensor in tensors]
    lengths = run.lengths if outputs.per_segment else run.steps
    tensors = outputs.add_steps(g, raw, lengths.alive, dtype)
    tensors = [g.slice(tensor, 0, 0, n_seqs) for tensor in tensors]
    return [g.slice(tensor, 1, 0, n_steps) for tensor in tensors]


# ----------------------------------------------------------------- stream


class StepGraph:
    """One step of streams: what `StepNetwork` is for the compiled kernels.

    Parameters
    ----------
    g : Graph
    model : SequenceModel
        Able to follow a stream.
    encoder : StepEncoder or TokenEncoder

    Attributes
    ----------
    state : dict of str to (dtype, shape)
        The state by name: dtype, and the shape behind n_seqs. Zeros begin.
    """

    def __init__(self, g, model, encoder):
        self.g, self.model, self.encoder = g, model, encoder
        self.outputs = outputs_of[model.target].of(g, model, True)
        self.network = FittedNetwork(model.spec, model.theta)
        parts, dtype = self.network.parts, self.network.dtype
        self.k = encoder.segment_length
        self.pooling = steps[parts.pooling]
        self.counts = bool(self.k > 1 or self.pooling.has_total or self.outputs.state)
        self.layers = [layer for (layer,) in parts.stack.layers]
        self.state = {}
        if self.counts:
            self.state["n_steps"] = np.dtype(np.int64), ()
        if self.k > 1:
            self.state["segment"] = dtype, (encoder.n_in,)
        if self.pooling.has_total:
            n_totals = self.pooling.n_totals * parts.pooling.n_in
            self.state["total"] = dtype, (n_totals,)
        for i, layer in enumerate(self.layers):
            for name in self._names(i):
                self.state[name] = dtype, (layer.n_units,)
        self.state |= self.outputs.state

    def _names(self, i):
        return [f"{letter}{i}" for letter in ONNX_CELLS[self.layers[i].cell].states]

    def inputs(self, dtype):
        """Return the inputs of the graph by name: dtype and shape."""
        if isinstance(self.encoder, TokenEncoder):
            inputs = self.encoder.inputs(dtype, ("n_seqs",))
        else:
            inputs = {"X": (dtype, ("n_seqs", self.encoder.n_features))}
        return inputs | {s: (d, ("n_seqs", *n)) for s, (d, n) in self.state.items()}

    def score(self, x, dtype):
        """Add a step (n_seqs, n_features); return the outputs, and then the state's."""
        g, k, network = self.g, self.k, self.network
        n_seqs = g.size(x, 0)
        missing = {0: g.missing(n_seqs)}  # one of zeros if there is none: `read_batch`
        before = {
            name: g.pad(name, 1 + len(shape), missing)
            for name, (_, shape) in self.state.items()
        }
        encoder = self.encoder
        x, finite = reads[encoder](g, encoder, g.pad(x, 2, missing), network.dtype)
        valid = all_true(g, finite, 1)
        after = {}
        commit = valid  # whether the step is the last one of its segment
        if self.counts:
            after["n_steps"] = g("Add", before["n_steps"], g.cast(valid, np.int64))
        if k > 1:
            x, filled = self._fill_segment(x, before)
            after["segment"] = self._where(valid, x, before["segment"])
            commit = g("And", valid, g("Equal", filled, np.array(k - 1)))
        start = [
            [g("Unsqueeze", before[name], np.array([0])) for name in self._names(i)]
            for i in range(len(self.layers))
        ]
        run = Run(g("Unsqueeze", x, np.array([0])))
        states = run_layers(g, network, run, start)
        pooled, total = self._pool(g("Squeeze", states.y, np.array([0])), before)
        if total is not None:
            after["total"] = self._where(commit, total, before["total"])
        for i, last in enumerate(states.last):
            for name, new in zip(self._names(i), last, strict=True):
                new = g("Squeeze", new, np.array([0]))
                after[name] = self._where(commit, new, before[name])
        raw = convert(g, network, network.parts.readout, pooled, states, run)
        if k > 1 and self.outputs.per_step and not self.outputs.per_segment:
            at = g("Unsqueeze", filled, np.array([1]))
            raw = g("GatherND", raw, at, batch_dims=1)
        raw = refuse(g, raw, valid, network.dtype)
        is_first = None
        if self.counts:
            is_first = g("Equal", before["n_steps"], np.array(0))
            is_first = g("Unsqueeze", is_first, np.array([1]))
        tensors, own = self.outputs.step(g, raw, before, is_first, dtype)
        for name, new in own.items():
            after[name] = self._where(commit, new, before[name])
        outputs = named(self.outputs, tensors, dtype)
        for name, about in self.state.items():
            outputs.append(Output(f"{name}_next", after[name], *about))
        outputs = [o._replace(tensor=g.slice(o.tensor, 0, 0, n_seqs)) for o in outputs]
        return outputs + self.outputs.constants

    def _fill_segment(self, x, before):
        # The step goes to its place and to all after it.
        g, k = self.g, self.k
        n_channels = self.encoder.n_in // k
        filled = g("Mod", before["n_steps"], np.array(k))
        place = np.repeat(np.arange(k), n_channels)
        here = g("GreaterOrEqual", place, g("Unsqueeze", filled, np.array([1])))
        x = g("Where", here, g("Tile", x, np.array([1, k])), before["segment"])
        return x, filled

    def _pool(self, h, before):
        # What is pooled, and what `total` becomes when the segment is full.
        g, n_before = self.g, None
        if self.pooling.has_total:
            n_before = before["n_steps"]
            if self.k > 1:
                n_before = g("Div", n_before, np.array(self.k))
            n_before = g("Unsqueeze", n_before, np.array([1]))
        total, dtype = before.get("total"), self.network.dtype
        return self.pooling.pool(g, h, total, n_before, dtype)

    def _where(self, condition, new, old):
        g = self.g
        return g("Where", g("Unsqueeze", condition, np.array([1])), new, old)


# ------------------------------------------------------------------ models


@exports(SequenceModel)
def convert_sequences(g, model, transformers, dtype, streaming):
    """Add all from the inputs of a graph to the outputs of a model.

    Parameters
    ----------
    g : Graph
    model : SequenceModel
    transformers : list of transformers
        What sequences go through before; a graph is registered for each.
    dtype : dtype
        Of inputs and outputs.
    streaming : bool
        Whether the graph takes one step of each sequence.

    Returns
    -------
    exported : Exported
    """
    encoder = model.encoder
    if model.categories is not None:
        encoder = TokenEncoder(model)
        if transformers:
            raise ValueError(
                f"{transformers[0]!r} cannot be converted before a network that reads "
                "tokens. Convert the last step of the pipeline, and give the model "
                "tokens."
            )
    if streaming and model.convolutions is not None:
        raise NotConvertibleError(
            "A step of a stream through convolutions is not in ONNX. Convert whole "
            "sequences, or fit with convolutions=0."
        )
    step = StepGraph(g, model, encoder) if streaming else None
    if model.categories is not None:
        x = encoder.join(g)
        inputs = encoder.inputs(dtype)
    else:
        x = "X"
        inputs = {"X": (dtype, ("n_seqs", "n_steps", encoder.n_features))}
    for transformer in transformers:
        x = transforms[transformer](g, transformer, x, dtype)
    if streaming:
        return Exported(step.inputs(dtype), step.score(x, dtype), "n_seqs")
    inputs["sequence_lens"] = np.dtype(np.int64), ("n_seqs",)
    if model.structure["standardize"] == "sequence":
        x = center(g, x, "sequence_lens")
    outputs = outputs_of[model.target].of(g, model, False)
    tensors = score_batch(g, x, "sequence_lens", model, outputs, dtype, encoder)
    outputs = named(outputs, tensors, dtype) + outputs.constants
    return Exported(inputs, outputs, "n_seqs")
