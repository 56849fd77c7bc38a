"""One recurrent layer, skrnn against PyTorch: training, inference, a streaming step.

    python benchmarks/compare_torch.py [--quick] [--isa avx2] [--threads 1 2]

Both have the same weights and data in float32, and their results are checked to be
equal before anything is timed. They run in turns in this one process; a ratio is the
median over the turns of PyTorch's time over ours, more than 1 being to our favour.

PyTorch runs as it does best: time-major contiguous inputs, its oneDNN LSTM (the
default), inference under `inference_mode`, training as forward, backward from the
gradient of the last state, and `zero_grad(set_to_none=True)`; denormal numbers are
flushed to zero. We take and pack the weights in every training step, as every update
of a fit does. A streaming step is a step of a fitted classifier with head and checks
on our side, and that of the bare layer or the bare cell on PyTorch's.
"""

from functools import partial

import numpy as np
import torch
from measure import Machine, check_equal, compare, compare_steps, options
from suite.cases import Layer, make_case, make_stream

MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
STEPS = {
    "lstm": torch.nn.LSTMCell,
    "gru": torch.nn.GRUCell,
    "rnn": torch.nn.RNNCell,
}


class Peer:
    """The case as PyTorch computes it."""

    def __init__(self, case):
        _, _, n_features, n_units = case.shape
        self.cell, self.n_units = case.cell, n_units
        self.module = MODULES[case.cell](n_features, n_units)
        # Our bias is the input's; of the recurrent ones only a GRU candidate's counts.
        bias = np.zeros((2, case.W.shape[1]), dtype=np.float32)
        bias[0] = case.b[: bias.shape[1]]
        if case.cell == "gru":
            bias[1, 2 * n_units :] = case.b[3 * n_units :]
        with torch.no_grad():
            for theirs, value in zip(
                self.module.parameters(), (case.W.T, case.U.T, *bias), strict=True
            ):
                theirs.copy_(torch.tensor(value))
        self.x = torch.tensor(case.x)
        self.dlast = torch.tensor(case.dlast)

    def last(self):
        states = self.module(self.x)[1]
        return states[0][0] if self.cell == "lstm" else states[0]

    @torch.inference_mode()
    def forward(self):
        return self.last()

    def train(self):
        self.module.zero_grad(set_to_none=True)
        last = self.last()
        last.backward(self.dlast)
        return last

    def gradients(self):
        """The gradients of W, U and b, in our layout."""
        dW, dU, db, db_state = (p.grad.numpy() for p in self.module.parameters())
        if self.cell == "gru":
            db = np.concatenate([db, db_state[2 * self.n_units :]])
        return [dW.T, dU.T, db[np.newaxis]]


def make_training(cell, shape, n_threads):
    case = make_case(cell, shape)
    ours, theirs = Layer(case, n_threads), Peer(case)
    last = theirs.train().detach()
    name = f"training {cell} {shape}"
    check_equal(name, ours.train(), [last, *theirs.gradients()])
    return ours.train, theirs.train, case.training_flops


def make_inference(cell, shape, n_threads):
    case = make_case(cell, shape)
    ours, theirs = Layer(case, n_threads, trains=False), Peer(case)
    check_equal(f"inference {cell} {shape}", [ours.forward()], [theirs.forward()])
    return ours.forward, theirs.forward, case.forward_flops


def make_steps(cell):
    """Return a step of our stream, and of PyTorch's layer and cell."""
    ours = make_stream(cell, 8, 64)
    x = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    one = torch.tensor(x)[np.newaxis]
    layer, step = MODULES[cell](8, 64), STEPS[cell](8, 64)
    with torch.inference_mode():
        state_of_layer, state_of_step = layer(one)[1], step(one)

    @torch.inference_mode()
    def layer_step():
        return layer(one, state_of_layer)

    @torch.inference_mode()
    def cell_step():
        return step(one, state_of_step)

    return lambda: ours(x), {"layer": layer_step, "cell": cell_step}


def main():
    args = options(__doc__)
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    machine = Machine(
        lambda a, b: torch.mm(torch.from_numpy(a), torch.from_numpy(b)), args.rounds
    )
    machine.describe(torch=torch.__version__)
    for n_threads in args.threads:
        torch.set_num_threads(n_threads)
        turns = partial(
            compare, peer="torch", machine=machine, args=args, n_threads=n_threads
        )
        turns("Training", make=partial(make_training, n_threads=n_threads))
        turns("Inference", make=partial(make_inference, n_threads=n_threads))
    torch.set_num_threads(1)
    compare_steps("torch", args, make_steps)


if __name__ == "__main__":
    main()
