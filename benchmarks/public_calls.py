"""Public calls, `predict_proba` and `fit`, beside the kernels alone and beside peers.

    python benchmarks/public_calls.py [--quick] [--isa avx2]

The classifier has one layer, the last state and a head of three classes. Its calls take
an array of (sequences, steps, features) as users have it, check it, pack it, and give
probabilities. "Of the kernel" is the time of the bare recurrence over that of the call.
PyTorch's module and ONNX Runtime's graph have the same weights with a head and a
softmax, and get time-major inputs that were made beforehand. The results are checked
to be equal. A fit is three epochs of four batches; PyTorch's is a loop with Adam,
cross-entropy and clipping. Neither side has dropout. Ratios are medians over the turns
of the peer's time over ours. Times are those of the processor, which other work
disturbs less, on one thread.
"""

import warnings
from time import process_time

import numpy as np
import onnx
import torch
from compare_onnxruntime import make_model, make_session
from compare_torch import Peer
from measure import Machine, check_equal, in_turns, options, table
from onnx import helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from suite.cases import Case, Layer

from skrnn import RNNClassifier

N_CLASSES, N_BATCHES, N_EPOCHS = 3, 4, 3


def make_classifier(cell, shape, **parameters):
    """Return an estimator that reads steps one by one, as they are."""
    n_seqs, _, _, n_units = shape
    options = {"pooling": "last", "bidirectional": False, "convolutions": 0}
    options |= {"segment_length": 1, "standardize": False}
    options |= {"max_iter": 1, "random_state": 0, "n_jobs": 1, "batch_size": n_seqs}
    options |= {"dropout": 0.0, "recurrent_dropout": 0.0}
    return RNNClassifier((n_units,), cell=cell, **options | parameters)


def fitted_case(cell, shape):
    """Return data, a classifier, and its layer as a case with its weights."""
    n_seqs, n_steps, n_features, n_units = shape
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_seqs, n_steps, n_features), dtype=np.float32)
    fitted = make_classifier(cell, shape).fit(X[:6, :5], np.arange(6) % N_CLASSES)
    W, U, b = (fitted.weights_[f"layer0.{name}"] for name in "WUb")
    x = np.ascontiguousarray(X.swapaxes(0, 1))
    dlast = rng.standard_normal((n_seqs, n_units), dtype=np.float32)
    return X, fitted, Case(cell, shape, x, W, U, b.ravel(), dlast)


def torch_head(fitted):
    """Return the head of a classifier as PyTorch's module."""
    head = torch.nn.Linear(*fitted.weights_["head.W"].shape)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(fitted.weights_["head.W"].T))
        head.bias.copy_(torch.tensor(fitted.weights_["head.b"].ravel()))
    return head


def onnx_session(case, fitted):
    """Return a session of the layer with the head and a softmax."""
    model = onnx.load_from_string(make_model(case))
    graph, (name,) = model.graph, [output.name for output in model.graph.output]
    for key in ("W", "b"):
        value = np.ascontiguousarray(fitted.weights_[f"head.{key}"])
        value = value if key == "W" else value.ravel()
        graph.initializer.append(numpy_helper.from_array(value, f"head.{key}"))
    axes = numpy_helper.from_array(np.array([0]), "axes")
    graph.initializer.append(axes)
    graph.node.extend(
        [
            helper.make_node("Squeeze", [name, "axes"], ["last"]),
            helper.make_node("Gemm", ["last", "head.W", "head.b"], ["raw"]),
            helper.make_node("Softmax", ["raw"], ["proba"], axis=-1),
        ]
    )
    del graph.output[:]
    shape = (case.shape[0], N_CLASSES)
    graph.output.append(
        helper.make_tensor_value_info("proba", onnx.TensorProto.FLOAT, shape)
    )
    return make_session(model.SerializeToString(), 1)


def predictions(cell, shape, rounds):
    """Return the times of our call, our kernel, PyTorch and ONNX Runtime."""
    X, fitted, case = fitted_case(cell, shape)
    layer, peer, head = Layer(case, trains=False), Peer(case), torch_head(fitted)
    session, inputs = onnx_session(case, fitted), {"X": case.x}

    def ours():
        return fitted.predict_proba(X)

    @torch.inference_mode()
    def theirs():
        return torch.softmax(head(peer.last()), 1).numpy()

    def graph():
        return session.run(None, inputs)[0]

    check_equal(f"predict {cell} {shape}", [ours()] * 2, [theirs(), graph()])
    functions = ours, layer.forward, theirs, graph
    return case.forward_flops, in_turns(*functions, rounds=rounds, clock=process_time)


def fits(cell, shape, rounds):
    """Return the times of an update of our fit, our kernel, and PyTorch's loop."""
    n_seqs, n_steps, n_features, _ = shape
    _, fitted, case = fitted_case(cell, shape)
    rng = np.random.default_rng(1)
    X = rng.standard_normal((N_BATCHES * n_seqs, n_steps, n_features), dtype="f4")
    y = np.arange(len(X)) % N_CLASSES
    layer, peer, head = Layer(case), Peer(case), torch_head(fitted)
    batches = [
        (torch.tensor(np.ascontiguousarray(part.swapaxes(0, 1))), torch.tensor(own))
        for part, own in zip(
            X.reshape(N_BATCHES, n_seqs, n_steps, -1),
            np.split(y, N_BATCHES),
            strict=True,
        )
    ]
    estimator = make_classifier(cell, shape, max_iter=N_EPOCHS, validation_fraction=0.1)

    def loop():
        parameters = [*peer.module.parameters(), *head.parameters()]
        solver, loss = torch.optim.Adam(parameters, 1e-3), torch.nn.CrossEntropyLoss()
        for _ in range(N_EPOCHS):
            for peer.x, own in batches:
                solver.zero_grad(set_to_none=True)
                loss(head(peer.last()), own).backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                solver.step()

    functions = lambda: estimator.fit(X, y), layer.train, loop  # noqa: E731
    times = in_turns(*functions, rounds=rounds, clock=process_time)
    times[[0, 2]] /= N_BATCHES * N_EPOCHS
    return case.training_flops, times


def main():
    args = options(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = Machine(lambda a, b: torch.from_numpy(a) @ torch.from_numpy(b), 7)
    machine.describe(torch=torch.__version__)
    for name, measure in (("predict_proba", predictions), ("an update of fit", fits)):
        rows, ratios = [], {}
        for cell in args.cells:
            for shape in args.shapes:
                if shape[0] == 1:
                    continue
                flops, times = measure(cell, shape, args.rounds)
                ours, kernel, *peers = times
                found = [np.median(peer / ours) for peer in peers]
                ratios.setdefault(cell, []).append(found)
                rows.append(
                    [
                        cell,
                        ", ".join(map(str, shape)),
                        f"{1e3 * np.median(ours):.2f}",
                        machine.speed(flops, np.median(ours)),
                        machine.speed(flops, np.median(kernel)),
                        f"{100 * np.median(kernel / ours):.0f} %",
                        *(f"{ratio:.2f}" for ratio in found),
                    ]
                )
        peers = ["torch ×", "onnxruntime ×"][: len(found)]
        header = ["cell", "shape", "ms", "the call", "the kernel", "of the kernel"]
        table(f"{name}, one thread:", header + peers, rows)
        summary = [
            [
                cell,
                *(f"{np.exp(np.log(r).mean()):.2f} ({r.min():.2f})" for r in columns),
            ]
            for cell, columns in ((c, np.transpose(r)) for c, r in ratios.items())
        ]
        table("Geometric means (the least):", ["cell", *peers], summary)


if __name__ == "__main__":
    main()
