"""Graphs of language models: the log-probabilities of the next token."""

import json

import numpy as np

from skrnn.export.onnx.graph import Exported, Lengths, Output, exports
from skrnn.export.onnx.parts import (
    ONNX_CELLS,
    FittedNetwork,
    Run,
    convert,
    converts,
    run_layers,
    run_network,
)
from skrnn.models.language import TokenModel
from skrnn.network.readout import TiedReadout


@converts(TiedReadout)
def read_tied(g, readout, network, pooled, states, run):
    """Add a linear function whose weights are a table of embeddings."""
    table, b = (network.values[slot] for slot in (readout.W, readout.b))
    weights = np.ascontiguousarray(table[: readout.n_out].T)
    return g("Add", g("MatMul", pooled, weights), b)


@exports(TokenModel)
def convert_language(g, model, transformers, dtype, streaming):
    """Add all from ids to the log-probabilities of what comes next.

    The ids are those of the estimator: places in `tokens_`, then `unknown_` and
    `begin_`. A text begins with `begin_`. See `convert_sequences`.
    """
    if transformers:
        raise ValueError(
            f"{transformers[0]!r} cannot be converted before a language model. Convert "
            "the last step of the pipeline."
        )
    if model.mixture is not None:
        raise ValueError(
            "Counts of n-grams cannot be converted to ONNX. Fit with ngram_order=None, "
            "or keep the model in a file of skrnn.export.save."
        )
    network = FittedNetwork(model.spec, model.theta)
    about = {
        "tokens": json.dumps([_plain(token) for token in model.vocabulary.tokens]),
        "begin": str(model.border),
    }
    ids = np.dtype(np.int64)
    if streaming:
        inputs, outputs = _step(g, network, model, dtype)
        return Exported({"ids": (ids, ("n_seqs",)), **inputs}, outputs, "n_seqs", about)
    inputs = {"ids": (ids, ("n_seqs", "n_steps")), "sequence_lens": (ids, ("n_seqs",))}
    x = _known(g, "ids", model)
    x = g("Unsqueeze", g("Transpose", x, perm=[1, 0]), np.array([2]))
    n_steps = g("Squeeze", g.size("ids", 1), np.array([0]))
    lengths = Lengths(g, "sequence_lens", n_steps)
    raw = run_network(g, network, Run(g.cast(x, network.dtype), lengths))
    log_proba = g("Transpose", _log_softmax(g, raw, dtype), perm=[1, 0, 2])
    shape = ("n_steps", model.n_out)
    outputs = [Output("log_proba", log_proba, dtype, shape)]
    return Exported(inputs, outputs, "n_seqs", about)


def _step(g, network, model, dtype):
    """Add one step of texts side by side; return the inputs and the outputs."""
    layers = [layer for (layer,) in network.parts.stack.layers]
    names = [
        [f"{letter}{k}" for letter in ONNX_CELLS[layer.cell].states]
        for k, layer in enumerate(layers)
    ]
    inputs = {
        name: (network.dtype, ("n_seqs", layer.n_units))
        for layer, of_layer in zip(layers, names, strict=True)
        for name in of_layer
    }
    x = g("Unsqueeze", _known(g, "ids", model), np.array([0, 2]))
    run = Run(g.cast(x, network.dtype))
    start = [[g("Unsqueeze", name, np.array([0])) for name in each] for each in names]
    states = run_layers(g, network, run, start)
    pooled = g("Squeeze", states.y, np.array([0]))
    raw = convert(g, network, network.parts.readout, pooled, states, run)
    outputs = [Output("log_proba", _log_softmax(g, raw, dtype), dtype, (model.n_out,))]
    for of_layer, last in zip(names, states.last, strict=True):
        for name, new in zip(of_layer, last, strict=True):
            kind, (_, n_units) = inputs[name]
            new = g("Squeeze", new, np.array([0]))
            outputs.append(Output(f"{name}_next", new, kind, (n_units,)))
    return inputs, outputs


def _known(g, ids, model):
    """Add ids, the border for those that the model does not have."""
    border = np.array(model.border)
    inside = g("And", g("GreaterOrEqual", ids, np.array(0)), g("Less", ids, border))
    return g("Where", inside, ids, border)


def _log_softmax(g, raw, dtype):
    return g.cast(g("LogSoftmax", g.cast(raw, np.float64), axis=-1), dtype)


def _plain(token):
    return token if isinstance(token, str) else int(token)
