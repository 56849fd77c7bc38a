"""Graphs of translators: the encoder, and one step of the decoder."""

import json

import numpy as np

from skrnn.export.onnx.graph import Exported, Output, exports
from skrnn.export.onnx.parts import (
    ONNX_CELLS,
    FittedNetwork,
    Run,
    convert,
    converts,
    run_layers,
)
from skrnn.export.onnx.sequence import TokenEncoder, read_batch, transforms
from skrnn.models.translation import TranslationModel
from skrnn.network.attention import Attention, Bridge


@exports(TranslationModel)
def convert_translation(g, model, transformers, dtype, streaming):
    """Add the encoder, or with `streaming` one step of the decoder.

    The outputs of the encoder are inputs of the decoder, by the same names. Rows of the
    decoder may look at any rows of the encoder: the caller repeats or takes them. See
    `convert_sequences`.
    """
    if transformers and model.categories is not None:
        raise ValueError(
            f"{transformers[0]!r} cannot be converted before a network that reads "
            "tokens. Convert the last step of the pipeline, and give the model tokens."
        )
    network = FittedNetwork(model.spec, model.theta)
    about = {
        "tokens": json.dumps(model.target.labels, default=str),
        "end": "0",
        "begin": str(model.spec.begin),
    }
    if streaming:
        inputs, outputs = _step(g, network, dtype)
        return Exported(inputs, outputs, "n_rows", about)
    encoder = model.encoder
    lengths = {"sequence_lens": (np.dtype(np.int64), ("n_seqs",))}
    if model.categories is not None:
        encoder = TokenEncoder(model)
        x, inputs = encoder.join(g), encoder.inputs(dtype)
    else:
        x = "X"
        inputs = {"X": (dtype, ("n_seqs", "n_steps", encoder.n_features))}
    for transformer in transformers:
        x = transforms[transformer](g, transformer, x, dtype)
    return Exported(inputs | lengths, _encode(g, network, x, encoder), "n_seqs", about)


def _states(network):
    """Names of the states of each layer of the decoder, and their units."""
    layers = [layer for (layer,) in network.parts.decoder.layers]
    return [
        ([f"{letter}{k}" for letter in ONNX_CELLS[layer.cell].states], layer.n_units)
        for k, layer in enumerate(layers)
    ]


def _encode(g, network, x, encoder):
    """Add all from padded sequences to what the decoder begins with."""
    parts, dtype = network.parts, network.dtype
    n_seqs = g.size(x, 0)
    run, valid = read_batch(g, x, "sequence_lens", encoder, dtype)
    states = run_layers(g, network, run)
    outputs = []

    def add(name, tensor, axes, kind=dtype):
        outputs.append(Output(name, g.slice(tensor, 0, 0, n_seqs), kind, axes))

    def refused(tensor, rank):
        # What an estimator refuses is NaN.
        there = g("Unsqueeze", valid, np.arange(1, rank))
        return g("Where", there, tensor, dtype.type(np.nan))

    if parts.attention.kind is not None:
        values = g("Where", run.lengths.alive, states.y, dtype.type(0))
        values = g("Transpose", values, perm=[1, 0, 2])
        keys = g("MatMul", values, network.values[parts.attention.keys])
        for name, tensor, n in (
            ("keys", keys, parts.attention.n_in),
            ("values", values, parts.attention.n_source),
        ):
            add(name, refused(tensor, 3), ("n_segments", n))
        add("source_lens", run.lengths.lengths, (), np.dtype(np.int64))
    last = convert(g, network, parts.pooling, states, run)
    first = convert(g, network, parts.bridge, last)
    names = [(name, n) for of_layer, n in _states(network) for name in of_layer]
    for (name, n_units), tensor in zip(names, first, strict=True):
        add(name, refused(tensor, 2), (n_units,))
    return outputs


@converts(Bridge)
def bridge(g, part, network, last):
    """Add the first states and memories of each layer of the decoder, in order."""
    return [
        g("Tanh", g("Add", g("MatMul", last, network.values[W]), network.values[b]))
        for W, b in part.slots
    ]


@converts(Attention)
def look(g, part, network, h, keys, values, lens):
    """Add joined rows (n_rows, n_out), and the weights (n_rows, n_segments) or None.

    Parameters
    ----------
    g : Graph
    part : Attention
    network : FittedNetwork
    h : str
        (n_rows, n_units)
    keys, values : str
        (n_rows, n_segments, .)
    lens : str
        (n_rows,) int64
    """
    weights = None
    joined = h
    if part.kind is not None:
        weights = _weights(g, part, network, h, keys, lens)
        context = g("MatMul", g("Unsqueeze", weights, np.array([1])), values)
        joined = g("Concat", h, g("Squeeze", context, np.array([1])), axis=1)
    W, b = network.values[part.W], network.values[part.b]
    return g("Tanh", g("Add", g("MatMul", joined, W), b)), weights


def _weights(g, part, network, h, keys, lens):
    if part.kind == "additive":
        query = g("MatMul", h, network.values[part.query])
        near = g("Tanh", g("Add", keys, g("Unsqueeze", query, np.array([1]))))
        scores = g("MatMul", near, network.values[part.v].reshape(-1, 1))
    else:
        scores = g("MatMul", keys, g("Unsqueeze", h, np.array([2])))
    n_segments = g("Squeeze", g.size(keys, 1), np.array([0]))
    at = g("Range", np.array(0), n_segments, np.array(1))
    there = g("Less", at, g("Unsqueeze", lens, np.array([1])))
    scores = g("Squeeze", scores, np.array([2]))
    scores = g("Where", there, scores, network.dtype.type(-np.inf))
    return g("Softmax", scores, axis=1)


def _step(g, network, dtype):
    """Add one step of targets side by side; return the inputs and the outputs."""
    parts, kind, ids = network.parts, network.dtype, np.dtype(np.int64)
    attention = parts.attention
    inputs = {"ids": (ids, ("n_rows",))}
    if attention.kind is not None:
        axes = ("n_rows", "n_segments")
        inputs["keys"] = kind, (*axes, attention.n_in)
        inputs["values"] = kind, (*axes, attention.n_source)
        inputs["source_lens"] = ids, ("n_rows",)
    states = _states(network)
    for names, n_units in states:
        inputs |= {name: (kind, ("n_rows", n_units)) for name in names}
    # Runtimes end the process where a recurrent operator has no rows: one of zeros.
    n_rows = g.size("ids", 0)
    missing = {0: g.missing(n_rows)}
    given = {
        name: g.pad(name, len(shape), missing) for name, (_, shape) in inputs.items()
    }
    x = convert(g, network, parts.target_input, _ids(g, given["ids"], parts, kind))
    start = [
        [g("Unsqueeze", given[name], np.array([0])) for name in names]
        for names, _ in states
    ]
    run = Run(x)
    after = convert(g, network, parts.decoder, x, run, start)
    h = g("Squeeze", after.y, np.array([0]))
    looked = (given.get(name) for name in ("keys", "values", "source_lens"))
    row, weights = convert(g, network, attention, h, *looked)
    raw = convert(g, network, parts.readout, row, None, run)
    log_proba = g("LogSoftmax", g.cast(raw, np.float64), axis=-1)
    outputs = [
        Output("log_proba", g.cast(log_proba, dtype), dtype, (parts.readout.n_out,))
    ]
    if weights is not None:
        weights = g.cast(weights, dtype)
        outputs.append(Output("attention", weights, dtype, ("n_segments",)))
    for (names, n_units), last in zip(states, after.last, strict=True):
        for name, new in zip(names, last, strict=True):
            new = g("Squeeze", new, np.array([0]))
            outputs.append(Output(f"{name}_next", new, kind, (n_units,)))
    return inputs, [o._replace(tensor=g.slice(o.tensor, 0, 0, n_rows)) for o in outputs]


def _ids(g, ids, parts, dtype):
    """Add a run of one step over ids; those that there are not count as the begin."""
    (n_ids,) = parts.target_input.n_ids
    begin = np.array(n_ids - 1)
    inside = g("And", g("GreaterOrEqual", ids, np.array(0)), g("Less", ids, begin))
    ids = g("Unsqueeze", g("Where", inside, ids, begin), np.array([0, 2]))
    return Run(g.cast(ids, dtype))
