"""The kernels alone: their share of the core's peak, and what a second thread gives.

    python benchmarks/kernels.py [--quick] [--isa avx2]

The peak is the speed of a loop of fused multiply-adds that touches no memory. The sgemm
is the machine's own, PyTorch's if it is there and else NumPy's, of two matrices of 1024
rows. Both are measured beside each figure; a share is the median over the turns.
Operations are those of the matrix products only, so what the activations take counts as
loss. "Backward" makes the gradients of the states and of W, U and b, not that of the
inputs. Times are those of the thread, which other work disturbs less.

The table of threads runs the same call with one and with two threads, in turns, for
layers of growing work, in a process for each of two ways in which OpenMP's threads
wait for work: as it is by default, and with OMP_WAIT_POLICY=active OMP_PROC_BIND=true,
the best where a process has the cores for itself.
"""

import os
import subprocess
import sys
from time import thread_time

import numpy as np
from measure import Machine, in_turns, options, table
from suite.cases import Layer, make_case

from skrnn._recurrence import peak

# Layers of 32 to 512 units, with as many features and steps as go with them.
SIZES = [
    (32, 100, 32, 32),
    (32, 100, 8, 64),
    (32, 100, 32, 128),
    (32, 100, 64, 256),
    (32, 50, 128, 512),
]
# Layers of growing work, from tens of microseconds to tens of milliseconds.
WORK = [
    (32, 10, 8, 32),
    (32, 30, 12, 64),
    (32, 60, 8, 64),
    (32, 100, 8, 64),
    (32, 200, 8, 64),
    (32, 100, 32, 128),
    (64, 100, 64, 256),
    (32, 784, 1, 64),
]
POLICIES = {
    "default": {},
    "active": {"OMP_WAIT_POLICY": "active", "OMP_PROC_BIND": "true"},
}


def own_product():
    """Return the machine's product of two matrices, and the version of its library."""
    try:
        import torch
    except ImportError:
        return np.matmul, {"numpy": np.__version__}
    torch.set_num_threads(1)

    def product(a, b):
        return torch.from_numpy(a) @ torch.from_numpy(b)

    return product, {"torch": torch.__version__}


def shares_of(layer, machine, rounds):
    """Return those of forward for inference, of forward for training, of backward.

    One row is of the peak, the other one of the machine's own sgemm.
    """
    case, found = layer.case, []
    n_calls = max(1, round(0.02 / _seconds(layer.train)))
    for _ in range(rounds):
        times = np.zeros(3)
        layer.train()
        for _ in range(n_calls):
            times[0] += _seconds(layer.forward)
            times[1] += _seconds(lambda: layer.forward(training=True))
            times[2] += _seconds(layer.backward)
        flops = np.array([*[case.forward_flops] * 2, case.backward_flops]) * n_calls
        sgemm = 2 * 1024**3 / _seconds(machine.product) / 1e9
        best = np.array([[peak(np.float32)], [sgemm]])
        found.append(flops / times / 1e9 / best)
    return np.median(found, axis=0)


def _seconds(function):
    start = thread_time()
    function()
    return thread_time() - start


def shares(machine, args):
    """Print the shares of peak and of sgemm for all cells and sizes."""
    rows = []
    for cell in args.cells:
        found = []
        for shape in SIZES:
            layer = Layer(make_case(cell, shape))
            found.append(shares_of(layer, machine, args.rounds))
        names = ("inference", "forward, training", "backward")
        for name, values in zip(names, np.transpose(found, (2, 0, 1)), strict=True):
            cells = (f"{100 * top:.0f} ({100 * own:.0f})" for top, own in values)
            rows.append([cell, name, *cells])
    header = ["cell", "", *(f"{shape[2]} → {shape[3]}" for shape in SIZES)]
    title = "% of one core's peak (of its own sgemm), batches of 32:"
    table(title, header, rows)


def threads(args):
    """Print how many times as fast two threads are as one."""
    rows = []
    for cell in args.cells:
        for shape in WORK:
            case = make_case(cell, shape)
            one, two = Layer(case, 1), Layer(case, 2)
            row = [cell, ", ".join(map(str, shape))]
            for name in ("forward", "train"):
                times = in_turns(
                    getattr(one, name), getattr(two, name), rounds=args.rounds
                )
                milliseconds = 1e3 * np.median(times[0])
                ratio = np.median(times[0] / times[1])
                row += [f"{milliseconds:.2f}", f"{ratio:.2f}"]
            rows.append(row)
    title = f"Two threads over one, {args.policy} waiting:"
    header = ["cell", "shape", "inference, ms", "×", "training, ms", "×"]
    table(title, header, rows)


def main():
    args = options(__doc__, policy={"choices": POLICIES})
    if args.policy:
        threads(args)
        return
    product, version = own_product()
    machine = Machine(product, args.rounds)
    machine.describe(**version)
    shares(machine, args)
    for policy, variables in POLICIES.items():
        command = [sys.executable, *sys.argv, "--policy", policy]
        subprocess.run(command, check=True, env={**os.environ, **variables})


if __name__ == "__main__":
    main()
