"""Pieces of ONNX graphs that networks of all estimators are put together from.

A piece is a function that adds nodes to a `Graph` and returns the names of what they
compute.
"""

from collections import namedtuple
from functools import cached_property

import numpy as np

from skrnn.cells import CELLS
from skrnn.export.onnx.graph import all_true

# ------------------------------------------------------------------ cells


def _rnn_step(g, z, u, states, split, activation):
    return [g(activation, g("Add", z, u))]


def _lstm_step(g, z, u, states, split, activation):
    i, f, g_, o = split(g("Add", z, u))
    kept = g("Mul", g("Sigmoid", f), states[1])
    c = g("Add", kept, g("Mul", g("Sigmoid", i), g("Tanh", g_)))
    return [g("Mul", g("Sigmoid", o), g("Tanh", c)), c]


def _gru_step(g, z, u, states, split, activation):
    (rx, zx, nx), (rh, zh, nh) = split(z), split(u)
    r, z = g("Sigmoid", g("Add", rx, rh)), g("Sigmoid", g("Add", zx, zh))
    n = g("Tanh", g("Add", nx, g("Mul", r, nh)))
    return [g("Add", n, g("Mul", z, g("Sub", states[0], n)))]


# How ONNX has a cell:
#
# op          its operator
# attributes  of the operator
# gates       our gates in the operator's order
# states      what is carried from step to step
# step        the equations, from what the inputs and the states give to the gates
OnnxCell = namedtuple("OnnxCell", ["op", "attributes", "gates", "states", "step"])

ONNX_CELLS = {
    "rnn": OnnxCell("RNN", {}, [0], "h", _rnn_step),
    "lstm": OnnxCell("LSTM", {}, [0, 3, 1, 2], "hc", _lstm_step),
    "gru": OnnxCell("GRU", {"linear_before_reset": 1}, [1, 0, 2], "h", _gru_step),
}


def split_bias(b, n_columns):
    """Return the biases beside the inputs and beside the states, (n_columns,) each."""
    b_state = np.zeros(n_columns, b.dtype)
    n_inside = len(b) - n_columns  # those of a gate that is applied after the product
    b_state[n_columns - n_inside :] = b[n_columns:]
    return b[:n_columns], b_state


def operator_layer(g, x, lengths, layer, cell, activation, initial):
    """Run a layer by ONNX's own operator, which runtimes have for float32 only.

    Parameters
    ----------
    g : Graph
    x : str
        (n_steps, n_seqs, n_in)
    lengths : Lengths or None
        None if all sequences have all steps.
    layer : list of (W, U, b)
        Weights of each direction.
    cell : str
    activation : str
        As ONNX calls it.
    initial : list of str or None
        States to begin with, (n_directions, n_seqs, n_units) each; None for zero.

    Returns
    -------
    y : str
        (n_steps, n_seqs, n_directions * n_units)
    last : list of str
        States after the last step of each direction, like `initial`.
    """
    onnx_cell = ONNX_CELLS[cell]
    n_units, n_columns = layer[0][1].shape

    def ordered(columns):
        blocks = np.split(columns, n_columns // n_units, axis=-1)
        return np.concatenate([blocks[gate] for gate in onnx_cell.gates], axis=-1)

    W = np.stack([ordered(W).T for W, _, _ in layer])
    R = np.stack([ordered(U).T for _, U, _ in layer])
    halves = [split_bias(b, n_columns) for _, _, b in layer]
    B = np.stack([np.concatenate([*map(ordered, pair)]) for pair in halves])
    attributes = dict(
        onnx_cell.attributes,
        hidden_size=n_units,
        direction="bidirectional" if len(layer) > 1 else "forward",
    )
    if isinstance(CELLS[cell].kernel, dict):
        attributes["activations"] = [activation] * len(layer)
    lens = "" if lengths is None else lengths.int32
    y, *last = g(
        onnx_cell.op,
        *(x, W, R, B, lens, *(initial or ())),
        n_outputs=1 + len(onnx_cell.states),
        **attributes,
    )
    # (n_steps, n_directions, n_seqs, n_units)
    if len(layer) == 1:
        return g("Squeeze", y, np.array([1])), last
    y = g("Transpose", y, perm=[0, 2, 1, 3])
    return g("Reshape", y, np.array([0, 0, len(layer) * n_units])), last


def scanned_layer(g, x, lengths, layer, cell, activation, initial):
    """Run a layer by its equations, step by step; like `operator_layer`."""
    from onnx import helper

    onnx_cell = ONNX_CELLS[cell]
    n_units, n_columns = layer[0][1].shape
    letters = onnx_cell.states
    n_seqs = g("Gather", g("Shape", x), np.array([1]))
    states_shape = g("Concat", n_seqs, np.array([n_units]), axis=0)
    zero = helper.make_tensor("zero", 11, [1], [0.0])
    outputs = []
    for d, (W, U, b) in enumerate(layer):
        b_in, b_state = split_bias(b, n_columns)
        body = g.body()
        names = [body.unique(f"before_{letter}") for letter in letters]
        z, alive = body.unique("z"), body.unique("alive")

        def split(gates, body=body):
            sizes = np.full(n_columns // n_units, n_units)
            return body("Split", gates, sizes, n_outputs=len(sizes), axis=-1)

        u = body("Add", body("MatMul", names[0], U), b_state)
        after = onnx_cell.step(body, z, u, names, split, activation)
        if lengths is not None:
            after = [
                body("Where", alive, new, old)
                for new, old in zip(after, names, strict=True)
            ]
        y = body("Identity", after[0])

        def declare(name, n, kind=11):
            return helper.make_tensor_value_info(name, kind, [None, n])

        inside = helper.make_graph(
            body.nodes,
            body.unique("step"),
            [declare(name, n_units) for name in names]
            + [declare(z, n_columns)]
            + ([declare(alive, 1, 9)] if lengths is not None else []),
            [declare(name, n_units) for name in (*after, y)],
            body.initializers,
        )
        if initial is None:
            start = [g("ConstantOfShape", states_shape, value=zero) for _ in letters]
        else:
            start = [g("Squeeze", state, np.array([0])) for state in initial]
        rows = [g("Add", g("MatMul", x, W), b_in)]
        if lengths is not None:
            rows.append(lengths.alive)
        *last, y = g(
            "Scan",
            *start,
            *rows,
            n_outputs=len(letters) + 1,
            body=inside,
            num_scan_inputs=len(rows),
            scan_input_directions=[d] * len(rows),
            scan_output_directions=[d],
        )
        outputs.append((y, [g("Unsqueeze", state, np.array([0])) for state in last]))
    if len(outputs) == 1:
        return outputs[0]
    ys, lasts = zip(*outputs, strict=True)
    last = [g("Concat", *states, axis=0) for states in zip(*lasts, strict=True)]
    return g("Concat", *ys, axis=2), last


# ------------------------------------------------------------------ layers


class Fitted:
    """What a graph is made from: the network of an estimator, as plain values."""

    def __init__(self, estimator):
        self.estimator = estimator
        self.model = estimator._model
        self.structure = self.model.structure
        self.dtype = np.dtype(self.structure["dtype"])
        self.weights = estimator.weights_

    @cached_property
    def spec(self):
        """The description of the network."""
        return self.model.spec

    @cached_property
    def encoder(self):
        """What makes numbers that the network reads of a step."""
        return self.model.encoder

    def layers(self):
        """Return a list with a list of (W, U, b), one a direction, for each layer."""
        return [
            [self.part(f"{layer.name}.") for layer in directions]
            for directions in self.spec.layers()
        ]

    def part(self, name):
        """Return the (W, U, b) of what is called so."""
        return tuple(self.weights[f"{name}{letter}"] for letter in "WUb")


def is_finite(g, x, fitted):
    """Add whether values of the dtype of the network are neither NaN nor infinity."""
    return g("LessOrEqual", g("Abs", x), np.finfo(fitted.dtype).max)


def run_layer(g, x, lengths, layer, fitted, initial=None):
    """Add a recurrent layer, a list of (W, U, b); see `operator_layer`."""
    structure = fitted.structure
    run = operator_layer if fitted.dtype == np.float32 else scanned_layer
    activation = structure["activation"].capitalize()
    return run(g, x, lengths, layer, structure["cell"], activation, initial)


def run_layers(g, x, lengths, fitted, initial=None):
    """Add the recurrent layers.

    Parameters
    ----------
    g : Graph
    x : str
        (n_steps, n_seqs, n_in)
    lengths : Lengths or None
        None if all sequences have all steps.
    fitted : Fitted
    initial : list of list of str, default=None
        States of each layer to begin with, (n_directions, n_seqs, n_units) each.

    Returns
    -------
    y : str
        States of the last layer, (n_steps, n_seqs, n_pooled).
    last : list of list of str
        States of each layer after the last step, like `initial`.
    """
    last = []
    for k, layer in enumerate(fitted.layers()):
        start = None if initial is None else initial[k]
        x, states = run_layer(g, x, lengths, layer, fitted, start)
        last.append(states)
    return x, last


# ----------------------------------------------------- pooling and head


def pool_last(g, y, last, lengths, fitted):
    """Add the last state of each direction."""
    pooled = g("Transpose", last[-1][0], perm=[1, 0, 2])
    return g("Reshape", pooled, np.array([0, len(fitted.weights["head.W"])]))


def pool_mean(g, y, last, lengths, fitted):
    """Add the mean over the steps."""
    total = g.reduce("ReduceSum", _alive(g, y, lengths, fitted), 0)
    n = g.cast(g("Unsqueeze", lengths.lengths, np.array([1])), fitted.dtype)
    return g("Div", total, n)


def pool_max(g, y, last, lengths, fitted):
    """Add the largest value over the steps."""
    return g.reduce("ReduceMax", _alive(g, y, lengths, fitted, -np.inf), 0)


def pool_attention(g, y, last, lengths, fitted):
    """Add the mean with weights softmax(y q) over the steps."""
    score = g("MatMul", y, fitted.weights["attention.q"][:, np.newaxis])
    weight = g("Softmax", _alive(g, score, lengths, fitted, -np.inf), axis=0)
    y = _alive(g, y, lengths, fitted)
    return g.reduce("ReduceSum", g("Mul", weight, y), 0)


def _alive(g, x, lengths, fitted, else_value=0):
    return g("Where", lengths.alive, x, fitted.dtype.type(else_value))


# (g, states of the last layer, last states of all, lengths, fitted) -> what is pooled,
# (n_seqs, n_pooled)
POOLINGS = {
    "last": pool_last,
    "mean": pool_mean,
    "max": pool_max,
    "attention": pool_attention,
}


def read_head(g, pooled, valid, fitted):
    """Add the head: raw outputs (n_seqs, n_out) in double, NaN where they are none."""
    weights = fitted.weights
    raw = g("Add", g("MatMul", pooled, weights["head.W"]), weights["head.b"])
    valid = g("And", valid, all_true(g, is_finite(g, raw, fitted), 1))
    valid = g("Unsqueeze", valid, np.array([1]))
    return g("Where", valid, g.cast(raw, np.float64), np.array(np.nan))
