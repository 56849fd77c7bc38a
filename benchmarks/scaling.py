"""How time and memory grow: with steps, batch, units, and the size of the data.

    python benchmarks/scaling.py [--quick]

Time: training steps of one layer, and whole fits of three epochs, on one thread. Sizes
are measured in turns, and the time of each is the median. A line a + b x is fitted by
relative least squares; "off the line" is the largest distance of a time from it. Units
grow as a power: the exponent is that of the upper half of the sizes. Less than 2 means
that wide layers run nearer to the peak.

Memory: fits in a process each, after a small one that loads what is loaded once. The
growth is that of the process's largest resident size (Linux only); "allocated" is what
tracemalloc saw at most (NumPy's arrays). Activations are what the gradient of one
batch needs at least: the gates, states and inputs of every step. Parameters are one
copy; a fit also holds the gradient, Adam's two averages, and packed weights.
"""

import json
import subprocess
import sys
import tracemalloc
import warnings

import numpy as np
from measure import Machine, in_turns, options, table
from sklearn.exceptions import ConvergenceWarning
from suite.cases import N_GATES, Layer, make_case

from skrnn import RNNClassifier

# Cell, sequences, steps, features, units.
FITS = [
    ("lstm", 64, 500, 16, 128),
    ("lstm", 1024, 500, 16, 128),
    ("gru", 64, 500, 16, 128),
    ("gru", 1024, 500, 16, 128),
    ("rnn", 64, 500, 16, 128),
    ("rnn", 1024, 500, 16, 128),
    ("gru", 64, 100, 256, 256),
    ("gru", 4096, 30, 12, 64),
]
BATCH = 32


def make_data(n_seqs, n_steps, n_features):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_seqs, n_steps, n_features), dtype=np.float32)
    return X, np.arange(n_seqs) % 3


def fit(cell, n_units, X, y, n_epochs=3):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est = RNNClassifier((n_units,), cell=cell, segment_length=1, batch_size=BATCH)
        est.set_params(max_iter=n_epochs, random_state=0, n_jobs=1)
        return est.fit(X, y)


# --------------------------------------------------------------------------- time


def steps(cell, sizes):
    return [Layer(make_case(cell, (32, n, 8, 64))).train for n in sizes]


def batch(cell, sizes):
    return [Layer(make_case(cell, (n, 100, 8, 64))).train for n in sizes]


def units(cell, sizes):
    return [Layer(make_case(cell, (32, 50, 8, n))).train for n in sizes]


def data(cell, sizes):
    sets = [make_data(n, 30, 12) for n in sizes]
    return [lambda X=X, y=y: fit(cell, 64, X, y) for X, y in sets]


GROWTH = {
    "steps": (steps, [50, 100, 200, 400, 800, 1600]),
    "sequences a batch": (batch, [8, 16, 32, 64, 128, 256]),
    "sequences of a fit": (data, [250, 500, 1000, 2000, 4000]),
}


def line(sizes, times):
    """Return what is fixed, what one more costs, and the largest relative residual."""
    columns = np.stack([1 / times, sizes / times], axis=1)
    (fixed, each), *_ = np.linalg.lstsq(columns, np.ones(len(times)))
    return fixed, each, np.abs((fixed + each * sizes) / times - 1).max()


def growth(args):
    """Print times against sizes, and how far from straight they are."""
    n_sizes = 3 if args.quick else None
    for name, (make, sizes) in GROWTH.items():
        sizes, rows = np.array(sizes[:n_sizes]), []
        for cell in args.cells:
            times = np.median(in_turns(*make(cell, sizes), rounds=args.rounds), axis=1)
            fixed, each, off = line(sizes, times)
            row = [cell, *(f"{1e3 * t:.2f}" for t in times), f"{1e6 * each:.2f}"]
            rows.append([*row, f"{1e6 * fixed:.0f}", f"{100 * off:.0f} %"])
        header = ["cell", *sizes, "each, µs", "fixed, µs", "off the line"]
        table(f"Milliseconds against {name}:", header, rows)
    sizes, rows = np.array([16, 32, 64, 128, 256, 512][: n_sizes and 4]), []
    for cell in args.cells:
        times = np.median(in_turns(*units(cell, sizes), rounds=args.rounds), axis=1)
        upper = slice(len(sizes) // 2, None)
        exponent = np.polyfit(np.log(sizes[upper]), np.log(times[upper]), 1)[0]
        rows.append([cell, *(f"{1e3 * t:.2f}" for t in times), f"{exponent:.2f}"])
    table("Milliseconds against units:", ["cell", *sizes, "exponent"], rows)


# ------------------------------------------------------------------------- memory


def resident(name):
    """Return a size of this process in bytes, as Linux tells it."""
    with open("/proc/self/status") as lines:
        (size,) = (line.split()[1] for line in lines if line.startswith(name))
    return int(size) * 1024


def measure_memory(cell, n_seqs, n_steps, n_features, n_units):
    """Fit; return numbers of MB, for a process of its own."""
    fit(cell, 8, *make_data(64, 5, 3), n_epochs=1)
    X, y = make_data(n_seqs, n_steps, n_features)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the largest resident size starts anew
    before = resident("VmHWM")
    est = fit(cell, n_units, X, y, n_epochs=1)
    growth = resident("VmHWM") - before
    tracemalloc.start()
    fit(cell, n_units, X, y, n_epochs=1)
    allocated = tracemalloc.get_traced_memory()[1]
    n_states = 2 if cell == "lstm" else 1
    a_row = (N_GATES[cell] + n_states) * n_units + n_features
    sizes = {
        "data": X.nbytes,
        "parameters": sum(w.nbytes for w in est.weights_.values()),
        "activations": 4 * BATCH * n_steps * a_row,
        "growth": growth,
        "allocated": allocated,
    }
    return {name: size / 2**20 for name, size in sizes.items()}


def memory(args):
    """Print what fits take."""
    rows = []
    for case in FITS[: 2 if args.quick else None]:
        command = [sys.executable, __file__, "--memory", json.dumps(case)]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        sizes = json.loads(result.stdout)
        largest = max(sizes["growth"], sizes["allocated"])
        ratio = (largest - sizes["parameters"]) / sizes["activations"]
        cell, *shape = case
        row = [cell, ", ".join(map(str, shape))]
        rows.append([*row, *(f"{mb:.1f}" for mb in sizes.values()), f"{ratio:.2f}"])
    header = ["cell", "shape", "data", "parameters", "activations", "growth"]
    header += ["allocated", "without parameters / activations"]
    table(f"Memory of a fit in MB, batches of {BATCH}:", header, rows)


def main():
    args = options(__doc__, memory={"help": "(one fit, as JSON)"})
    if args.memory:
        print(json.dumps(measure_memory(*json.loads(args.memory))))
        return
    Machine(np.matmul, args.rounds).describe(numpy=np.__version__)
    growth(args)
    memory(args)


if __name__ == "__main__":
    main()
