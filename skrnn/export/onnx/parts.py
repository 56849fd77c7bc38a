"""Parts of networks as pieces of ONNX graphs.

A piece is a function that adds nodes to a `Graph` and returns the names of what they
compute. `converts` registers one for a class of parts: it takes the graph, the part, a
`FittedNetwork`, and then what the part's own method `forward` takes, a `Run` instead of
a `Pass`.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from skrnn.export.onnx.graph import Lengths, Registry
from skrnn.network.inputs import NumbersInput, TokenInput
from skrnn.network.layout import Layout
from skrnn.network.pooling import (
    AttentionPooling,
    EveryStep,
    JoinedPooling,
    LastPooling,
    MaxPooling,
    MeanPooling,
)
from skrnn.network.readout import LinearReadout, SegmentReadout, StepsReadout
from skrnn.network.stack import RecurrentStack

converts = Registry("kind of part")


class FittedNetwork:
    """The parts of a network, and the values of their parameters by slot.

    Parameters
    ----------
    spec : NetworkSpec
    theta : ndarray of shape (n_params,)
    """

    def __init__(self, spec, theta):
        layout = Layout()
        self.dtype = np.dtype(spec.dtype)
        self.parts = spec.declare(layout)
        self.values = [*layout.views(theta).values()]


class Run(NamedTuple):
    """What a graph makes of a batch before the network.

    Parameters
    ----------
    x : str
        (n_steps, n_seqs, n_in)
    lengths : Lengths or None, default=None
        None if all sequences have all steps.
    future : str or None, default=None
        What `SegmentReadout` reads of the segments, (n_segments, n_seqs, n_future).
    steps : Lengths or None, default=None
        Lengths in single steps, where segments of them are read.
    beside : str or None, default=None
        Outputs of a `Rocket`, (n_seqs, n_out) float64.
    """

    x: str
    lengths: Lengths | None = None
    future: str | None = None
    steps: Lengths | None = None
    beside: str | None = None


class States(NamedTuple):
    """What recurrent layers give.

    Parameters
    ----------
    y : str
        States of the last layer, (n_steps, n_seqs, n_pooled).
    last : list of list of str
        States of each layer after the last step, (n_directions, n_seqs, n_units) each.
    """

    y: str
    last: list[list[str]]


def run_network(g, network, run, start=None):
    """Add a network; return the raw outputs.

    Parameters
    ----------
    g : Graph
    network : FittedNetwork
    run : Run
    start : list of list of str or None, default=None
        States of each layer to begin with, like `States.last`; None is zero.
    """
    states = run_layers(g, network, run, start)
    pooled = convert(g, network, network.parts.pooling, states, run)
    return convert(g, network, network.parts.readout, pooled, states, run)


def run_layers(g, network, run, start=None):
    """Add the input and the recurrent layers; see `run_network`."""
    x = convert(g, network, network.parts.input, run)
    return convert(g, network, network.parts.stack, x, run, start)


def convert(g, network, part, *inputs):
    """Add what a part does."""
    return converts[part](g, part, network, *inputs)


def is_finite(g, x, dtype):
    """Add whether values of a dtype are neither NaN nor infinity."""
    return g("LessOrEqual", g("Abs", x), np.finfo(dtype).max)


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


def _own_activations(names):
    return {"activations": names}


def _no_attributes(names):
    return {}


def _reset_after_product(names):
    return {"linear_before_reset": 1}


# How ONNX has a cell:
#
# op          its operator
# attributes  of the operator, from the activations of each direction
# gates       our gates in the operator's order
# states      what is carried from step to step
# step        the equations, from what the inputs and the states give to the gates
OnnxCell = namedtuple("OnnxCell", ["op", "attributes", "gates", "states", "step"])

ONNX_CELLS = {
    "rnn": OnnxCell("RNN", _own_activations, [0], "h", _rnn_step),
    "lstm": OnnxCell("LSTM", _no_attributes, [0, 3, 1, 2], "hc", _lstm_step),
    "gru": OnnxCell("GRU", _reset_after_product, [1, 0, 2], "h", _gru_step),
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
    lens = "" if lengths is None else lengths.int32
    y, *last = g(
        onnx_cell.op,
        *(x, W, R, B, lens, *(initial or ())),
        n_outputs=1 + len(onnx_cell.states),
        hidden_size=n_units,
        direction="bidirectional" if len(layer) > 1 else "forward",
        **onnx_cell.attributes([activation] * len(layer)),
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


# ------------------------------------------------------------------- input


@converts(NumbersInput)
def read_numbers(g, part, network, run):
    """Add nothing: the numbers are read as they are."""
    return run.x


@converts(TokenInput)
def read_tokens(g, part, network, run):
    """Add the rows of the tables; x has the numbers, and then the ids."""
    rows = [g.slice(run.x, 2, 0, part.n_in)] if part.n_in else []
    for j, (n, slot) in enumerate(zip(part.n_ids, part.slots, strict=True)):
        one_hot = slot is None
        table = np.eye(n, n - 1) if one_hot else network.values[slot]
        ids = g("Gather", run.x, np.array(part.n_in + j), axis=2)
        ids = g.cast(ids, np.int64)
        rows.append(g("Gather", table.astype(network.dtype), ids))
    return rows[0] if len(rows) == 1 else g("Concat", *rows, axis=2)


# ------------------------------------------------------------------ layers


def run_layer(g, network, layers, x, lengths, start):
    """Add one `Layer` in each direction; see `operator_layer`."""
    values = [
        tuple(network.values[slot] for slot in (layer.W, layer.U, layer.b))
        for layer in layers
    ]
    run = operator_layer if network.dtype == np.float32 else scanned_layer
    activation = layers[0].activation.capitalize()
    return run(g, x, lengths, values, layers[0].cell, activation, start)


@converts(RecurrentStack)
def run_stack(g, stack, network, x, run, start=None):
    """Add the recurrent layers; return `States`."""
    last = []
    for k, layers in enumerate(stack.layers):
        first = None if start is None else start[k]
        x, states = run_layer(g, network, layers, x, run.lengths, first)
        last.append(states)
    return States(x, last)


# ----------------------------------------------------------------- pooling


@converts(EveryStep)
def pool_every_step(g, pooling, network, states, run):
    """Add nothing: each step has a row of its own."""
    return states.y


@converts(LastPooling)
def pool_last(g, pooling, network, states, run):
    """Add the last state of each direction."""
    pooled = g("Transpose", states.last[-1][0], perm=[1, 0, 2])
    return g("Reshape", pooled, np.array([0, pooling.n_out]))


@converts(MeanPooling)
def pool_mean(g, pooling, network, states, run):
    """Add the mean over the steps."""
    total = g.reduce("ReduceSum", alive(g, network, states.y, run), 0)
    n = g.cast(g("Unsqueeze", run.lengths.lengths, np.array([1])), network.dtype)
    return g("Div", total, n)


@converts(MaxPooling)
def pool_max(g, pooling, network, states, run):
    """Add the largest value over the steps."""
    return g.reduce("ReduceMax", alive(g, network, states.y, run, -np.inf), 0)


@converts(JoinedPooling)
def pool_all(g, pooling, network, states, run):
    """Add what several poolings make, side by side."""
    pooled = [convert(g, network, each, states, run) for each in pooling.poolings]
    return g("Concat", *pooled, axis=-1)


@converts(AttentionPooling)
def pool_attention(g, pooling, network, states, run):
    """Add the mean with weights softmax(y q) over the steps."""
    query = network.values[pooling.query][:, np.newaxis]
    score = g("MatMul", states.y, query)
    weight = g("Softmax", alive(g, network, score, run, -np.inf), axis=0)
    y = alive(g, network, states.y, run)
    return g.reduce("ReduceSum", g("Mul", weight, y), 0)


def alive(g, network, x, run, else_value=0):
    """Add x (n_steps, n_seqs, n) where there are steps, and a value in the padding."""
    return g("Where", run.lengths.alive, x, network.dtype.type(else_value))


# ----------------------------------------------------------------- readout


@converts(LinearReadout)
def read_linear(g, readout, network, pooled, states, run):
    """Add a linear function of what was pooled, (..., n_out)."""
    W, b = (network.values[slot] for slot in (readout.W, readout.b))
    return g("Add", g("MatMul", pooled, W), b)


@converts(StepsReadout)
def read_each_step(g, readout, network, pooled, states, run):
    """Add a linear function for each step of a segment, (n_steps, n_seqs, n_out)."""
    raw = read_linear(g, readout, network, pooled, states, run)
    k, n_out = readout.segment_length, readout.n_out
    if run.lengths is None:  # a stream has the outputs of one segment
        return g("Reshape", raw, np.array([0, k, n_out]))
    raw = g("Reshape", raw, np.array([0, 0, k, n_out]))
    # Not a copied size: 0 would be the one of the segments.
    n_seqs = g.size(raw, 1)
    raw = g("Transpose", raw, perm=[0, 2, 1, 3])
    shape = g("Concat", np.array([-1]), n_seqs, np.array([n_out]), axis=0)
    return g("Reshape", raw, shape)


@converts(SegmentReadout)
def read_segments(g, readout, network, pooled, states, run):
    """Add a step for each segment from what was pooled, (n_seqs, n_out)."""
    m, layer = readout.n_segments, readout.layer
    # All segments are one step of as many sequences.
    x = g("Reshape", run.future, np.array([1, -1, layer.n_in]))
    h = g("Unsqueeze", pooled, np.array([0]))
    h = g("Tile", h, np.array([1, m, 1])) if m > 1 else h
    # What a cell has beside its state begins with zero.
    zero, others = np.zeros((), network.dtype), ONNX_CELLS[layer.cell].states[1:]
    start = [h, *(g("Expand", zero, g("Shape", h)) for _ in others)]
    h, _ = run_layer(g, network, [layer], x, None, start)
    W, b = (network.values[slot] for slot in (readout.W, readout.b))
    raw = g("Add", g("MatMul", h, W), b)
    raw = g("Reshape", raw, np.array([m, -1, len(b)]))
    raw = g("Reshape", g("Transpose", raw, perm=[1, 0, 2]), np.array([-1, m * len(b)]))
    return g.slice(raw, 1, 0, readout.n_out) if m > 1 else raw


# ----------------------------------------------------------------- streams

steps = Registry("kind of pooling that a stream has")


@steps(LastPooling, EveryStep)
class StepLast:
    """What is pooled in a stream is the newest state.

    Attributes
    ----------
    has_total : bool
        Whether a stream keeps a total of the steps before, and counts them.
    n_totals : int
        How many numbers that is for each unit.
    """

    has_total, n_totals = False, 0

    @staticmethod
    def pool(g, h, total, n_before, dtype):
        """Return what is pooled, and the new total."""
        return h, None


@steps(MeanPooling)
class StepMean:
    """What is pooled in a stream is the sum of the states over their number."""

    has_total, n_totals = True, 1

    @staticmethod
    def pool(g, h, total, n_before, dtype):
        """Return what is pooled, and the new total."""
        total = g("Add", total, h)
        n = g.cast(g("Add", n_before, np.array(1)), dtype)
        return g("Div", total, n), total


@steps(MaxPooling)
class StepMax:
    """What is pooled in a stream is the largest of the states, unit by unit."""

    has_total, n_totals = True, 1

    @staticmethod
    def pool(g, h, total, n_before, dtype):
        """Return what is pooled, and the new total."""
        first = g("Equal", n_before, np.array(0))
        total = g("Where", first, h, g("Max", total, h))
        return total, total


@steps(JoinedPooling)
class StepJoined:
    """What is pooled in a stream is the newest state, the mean, and the largest one."""

    has_total, n_totals = True, 2

    @staticmethod
    def pool(g, h, total, n_before, dtype):
        """Return what is pooled, and the new totals side by side."""
        halves = {"num_outputs": 2} if g.opset >= 18 else {}
        added, most = g("Split", total, axis=1, n_outputs=2, **halves)
        mean, added = StepMean.pool(g, h, added, n_before, dtype)
        most, _ = StepMax.pool(g, h, most, n_before, dtype)
        pooled = g("Concat", h, mean, most, axis=-1)
        return pooled, g("Concat", added, most, axis=-1)
