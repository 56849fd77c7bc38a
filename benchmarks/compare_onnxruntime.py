"""One recurrent layer, skrnn against ONNX Runtime: inference, and a streaming step.

    python benchmarks/compare_onnxruntime.py [--quick] [--threads 1 2]

Both have the same weights and data in float32, and their results are checked to be
equal before anything is timed. They run in turns in this one process; a ratio is the
median over the turns of ONNX Runtime's time over ours, more than 1 being to our
favour.

ONNX Runtime has a model of one node, `LSTM`, `GRU` (linear_before_reset=1) or `RNN`,
with constant weights that it packs beforehand, time-major inputs, and the last state
as its only output. Ours has its weights packed beforehand, too. There is no way to
hold ONNX Runtime to AVX2, so this compares the best instruction sets only. A streaming
step is a step of a fitted classifier with head and checks on our side. On ONNX
Runtime's it is the bare node that is given its last state, by `run` or with buffers
bound beforehand in turns (`run_with_iobinding`).
"""

import itertools
from functools import partial

import numpy as np
import onnx
import onnxruntime
from measure import Machine, check_equal, compare, compare_steps, options
from onnx import TensorProto, helper, numpy_helper
from suite.cases import N_GATES, Layer, make_case, make_stream

GATES = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}  # i o f c; z r h
STATES = {"lstm": ["h", "c"], "gru": ["h"], "rnn": ["h"]}


def make_model(case, *, streaming=False):
    """Return the bytes of a model of one node; with states in and out if streaming."""
    n_seqs, n_steps, n_features, n_units = case.shape
    states = STATES[case.cell]

    def reorder(columns):
        gates = np.split(columns, N_GATES[case.cell], axis=-1)
        return np.concatenate([gates[i] for i in GATES[case.cell]], axis=-1)

    # Our bias is the input's; of the recurrent ones only a GRU candidate's counts.
    bias = np.zeros((2, case.W.shape[1]), dtype=np.float32)
    bias[0] = case.b[: bias.shape[1]]
    if case.cell == "gru":
        bias[1, 2 * n_units :] = case.b[3 * n_units :]
    weights = {
        "W": np.ascontiguousarray(reorder(case.W).T[np.newaxis]),
        "R": np.ascontiguousarray(reorder(case.U).T[np.newaxis]),
        "B": reorder(bias).reshape(1, -1),
    }
    ends = [f"{name}_out" for name in (states if streaming else ["h"])]
    starts = states if streaming else []
    inputs = ["X", *weights, *([""] if streaming else []), *starts]
    attributes = {"linear_before_reset": 1} if case.cell == "gru" else {}
    node = helper.make_node(
        case.cell.upper(), inputs, ["", *ends], hidden_size=n_units, **attributes
    )

    def declare(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    state = (1, n_seqs, n_units)
    graph = helper.make_graph(
        [node],
        case.cell,
        [
            declare("X", (n_steps, n_seqs, n_features)),
            *(declare(name, state) for name in starts),
        ],
        [declare(name, state) for name in ends],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 22)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def make_session(model, n_threads):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = n_threads
    settings.inter_op_num_threads = 1
    settings.add_session_config_entry("session.set_denormal_as_zero", "1")
    return onnxruntime.InferenceSession(
        model, settings, providers=["CPUExecutionProvider"]
    )


def make_inference(cell, shape, n_threads):
    case = make_case(cell, shape)
    ours = Layer(case, n_threads, trains=False)
    session = make_session(make_model(case), n_threads)
    inputs = {"X": case.x}

    def theirs():
        return session.run(None, inputs)

    check_equal(f"inference {cell} {shape}", [ours.forward()], [theirs()[0][0]])
    return ours.forward, theirs, case.forward_flops


def make_steps(cell):
    """Return a step of our stream, and of the bare node given its last state."""
    ours, case = make_stream(cell, 8, 64), make_case(cell, (1, 1, 8, 64))
    names = STATES[cell]
    session = make_session(make_model(case, streaming=True), 1)
    zero = np.zeros((1, 1, 64), dtype=np.float32)
    inputs = {"X": case.x, **dict.fromkeys(names, zero)}

    def by_run():
        states = session.run(None, inputs)
        inputs.update(zip(names, states, strict=True))
        return states

    # Two sets of buffers: one holds the states before the step, the other those after.
    x = onnxruntime.OrtValue.ortvalue_from_numpy(case.x)
    buffers = [
        {n: onnxruntime.OrtValue.ortvalue_from_numpy(zero.copy()) for n in names}
        for _ in range(2)
    ]
    bindings = []
    for before, after in (buffers, reversed(buffers)):
        binding = session.io_binding()
        binding.bind_ortvalue_input("X", x)
        for name in names:
            binding.bind_ortvalue_input(name, before[name])
            binding.bind_ortvalue_output(f"{name}_out", after[name])
        bindings.append(binding)
    turns = itertools.cycle(bindings)

    def bound():
        session.run_with_iobinding(next(turns))

    row = case.x[0, 0]
    return lambda: ours(row), {"run": by_run, "buffers bound": bound}


def main():
    args = options(__doc__, isa=False)
    machine = Machine(np.matmul, args.rounds)
    machine.describe(onnxruntime=onnxruntime.__version__, numpy=np.__version__)
    for n_threads in args.threads:
        make = partial(make_inference, n_threads=n_threads)
        compare("Inference", "onnxruntime", machine, args, make, n_threads)
    compare_steps("onnxruntime", args, make_steps)


if __name__ == "__main__":
    main()
