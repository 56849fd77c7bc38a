"""ONNX's own test cases of RNN, LSTM and GRU, and ONNX Runtime on ragged batches."""

import numpy as np
import pytest

from cases import CELLS, DTYPES, Case, pack, unpack
from networks import make_network
from outside import import_oracle, onnx_session

onnx = import_oracle("onnx")
node_cases = import_oracle("onnx.backend.test.case.node")
for _op in ("rnn", "lstm", "gru"):
    # Importing the module of an operator collects its cases.
    import_oracle(f"onnx.backend.test.case.node.{_op}")

# Gates in ONNX's order, as positions in ours.
GATES = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}  # iofc; zrh

OUT_OF_SCOPE = {
    "test_lstm_with_peepholes": "no peepholes here",
    "test_gru_seq_length": "linear_before_reset=0; tested with 1 instead, below",
}
# The other GRU cases have linear_before_reset=0 too, but the two forms are the same
# function there: one step from a zero state without recurrent bias, or units that
# are all alike, so that r is one number and r (h U) = (r h) U.

NODE_CASES = {
    case.name: case
    for case in node_cases._NodeTestCases
    if case.model.graph.node[0].op_type in GATES
}


def from_onnx(op, W, R, B):
    """W, U and b of one direction."""
    n_units = R.shape[1]
    gates = GATES[op]
    order = np.argsort(gates)

    def ours(rows):
        parts = np.split(rows, len(gates))
        return np.concatenate([parts[g] for g in order])

    b_in, b_state = (ours(half) for half in np.split(B, 2))
    if op == "GRU":
        b = b_in + b_state
        b[2 * n_units :] = b_in[2 * n_units :]
        b = np.concatenate([b, b_state[2 * n_units :]])
    else:
        b = b_in + b_state
    return {"W": ours(W).T, "U": ours(R).T, "b": b}


def to_onnx(op, W, U, b):
    """Inputs W, R and B of a node, of one direction."""
    n_units = len(U)
    gates = GATES[op]

    def theirs(columns):
        parts = np.split(columns.T, len(gates))
        return np.concatenate([parts[g] for g in gates])

    b_state = np.zeros(len(gates) * n_units, b.dtype)
    if op == "GRU":
        b_state[2 * n_units :] = b[3 * n_units :]
    b_in = theirs(b[: len(gates) * n_units])
    return theirs(W), theirs(U), np.concatenate([b_in, b_state])


def states(op, direction, X, W, R, B, dtype):
    """Outputs (n_steps, n_directions, n_seqs, n_units) of equally long sequences."""
    n_directions, _, n_in = W.shape
    n_units = R.shape[2]
    # There is no network with the reverse direction alone: the forward one of a
    # bidirectional network stays zero and is thrown away.
    names = {
        "forward": ["layer0"],
        "reverse": ["layer0.reverse"],
        "bidirectional": ["layer0", "layer0.reverse"],
    }[direction]
    network = make_network(
        n_in, (n_units,), 1, cell=op.lower(), bidirectional=direction != "forward",
        dtype=dtype,
    )  # fmt: skip
    theta = np.zeros(network.n_params, dtype)
    views = network.views(theta)
    for name, *weights in zip(names, W, R, B, strict=True):
        for k, value in from_onnx(op, *weights).items():
            views[f"{name}.{k}"][...] = value
    network.load(theta)
    batch = pack([x.astype(dtype) for x in X.transpose(1, 0, 2)], dtype)
    h = np.array(unpack(batch, network.hidden_states(batch)))
    h = h.reshape(*h.shape[:2], -1, n_units)[:, :, -n_directions:]
    return h.transpose(1, 2, 0, 3)


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def test_node_cases_are_known():
    assert len(NODE_CASES) >= 18
    assert OUT_OF_SCOPE.keys() <= NODE_CASES.keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(NODE_CASES.keys() - OUT_OF_SCOPE.keys()))
def test_node_case(name, dtype):
    case = NODE_CASES[name]
    (node,) = case.model.graph.node
    op = node.op_type
    options = attributes(node)
    assert options.keys() <= {"hidden_size", "direction", "layout"}
    assert set(node.input) <= {"X", "W", "R", "B"}
    ((inputs, outputs),) = case.data_sets
    given = dict(zip(node.input, inputs, strict=True))
    X, W, R = given["X"], given["W"], given["R"]
    B = given.get("B", np.zeros((len(W), 2 * W.shape[1]), np.float32))
    layout = options.get("layout", 0)
    if layout:
        X = X.transpose(1, 0, 2)
    direction = options.get("direction", b"forward").decode()
    Y = states(op, direction, X, W, R, B, dtype)
    Y_h = np.stack([Y[-1, 0], Y[0, -1]])[: len(W)]
    if direction == "reverse":
        Y_h = Y[:1, 0]
    if layout:
        Y, Y_h = Y.transpose(2, 0, 1, 3), Y_h.transpose(1, 0, 2)
    named = [output for output in node.output if output]
    for output, desired in zip(named, outputs, strict=True):
        if output == "Y_c":
            continue  # the memory of an LSTM is not handed out
        actual = {"Y": Y, "Y_h": Y_h}[output]
        np.testing.assert_allclose(actual, desired, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_node_case_gru_seq_length_reset_after(dtype):
    """ONNX's own equations with linear_before_reset=1 on that case's numbers."""
    helper = import_oracle("onnx.backend.test.case.node.gru").GRUHelper
    ((inputs, _),) = NODE_CASES["test_gru_seq_length"].data_sets
    X, W, R, B = inputs
    desired, _ = helper(X=X, W=W, R=R, B=B, linear_before_reset=1).step()
    Y = states("GRU", "forward", X, W, R, B, dtype)
    np.testing.assert_allclose(Y, desired, rtol=1e-4, atol=1e-6)


def runtime_session(op, hidden_size, direction, activation, W, R, B):
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    node_options = {"hidden_size": hidden_size, "direction": direction}
    if op == "GRU":
        node_options["linear_before_reset"] = 1
    if op == "RNN":
        node_options["activations"] = [activation.capitalize()] * len(W)
    node = helper.make_node(
        op, ["X", "W", "R", "B", "sequence_lens"], ["Y", "Y_h"], **node_options
    )
    FLOAT, INT32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    graph = helper.make_graph(
        [node],
        "ragged",
        [
            helper.make_tensor_value_info("X", FLOAT, [None, None, W.shape[2]]),
            helper.make_tensor_value_info("sequence_lens", INT32, [None]),
        ],
        [
            helper.make_tensor_value_info(name, FLOAT, [None] * rank)
            for name, rank in (("Y", 4), ("Y_h", 3))
        ],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in (("W", W), ("R", R), ("B", B))
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8
    )
    return onnx_session(model)


@pytest.mark.parametrize(("cell", "activation"), CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("n_units", [1, 17, 64])
def test_runtime_on_ragged_batches(cell, activation, bidirectional, n_units):
    case = Case(
        30, lengths=(6, 1, 13, 2, 13, 9), n_in=5, sizes=(n_units,), cell=cell,
        activation=activation, dtype=np.float32, bidirectional=bidirectional,
    )  # fmt: skip
    op = cell.upper()
    W, R, B = (
        np.stack(parts)
        for parts in zip(
            *(
                to_onnx(op, *(case.params[f"layer0{d}.{k}"] for k in ("W", "U", "b")))
                for d in case.reference.directions
            ),
            strict=True,
        )
    )
    direction = "bidirectional" if bidirectional else "forward"
    session = runtime_session(op, n_units, direction, activation, W, R, B)
    lengths = np.array([len(x) for x in case.X], np.int32)
    padded = np.full((lengths.max(), len(lengths), 5), 7, np.float32)
    for i, x in enumerate(case.X):
        padded[: len(x), i] = x
    Y, Y_h = session.run(None, {"X": padded, "sequence_lens": lengths})
    for i, h in enumerate(case.hidden_states()):
        desired = Y[: lengths[i], :, i].reshape(lengths[i], -1)
        np.testing.assert_allclose(h, desired, rtol=2e-6, atol=2e-6)
        ends = np.concatenate([h[-1, :n_units], h[0, n_units:]])
        np.testing.assert_allclose(ends, Y_h[:, i].ravel(), rtol=2e-6, atol=2e-6)
