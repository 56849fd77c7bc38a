"""What these programs share: options, timing in turns, tables in RST."""

import argparse
import os
import platform
import sys
from functools import partial
from time import perf_counter, process_time, sleep

import numpy as np
from suite.cases import CELLS, SHAPES
from threadpoolctl import threadpool_limits

from skrnn._recurrence import build_info, peak

# A process that starts with these has no more than AVX2, on either side.
AVX2 = {
    "SKRNN_ISA": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}


def options(doc, *, isa=True, **more):
    """Return the command line's options; run again under AVX2 where they ask for it.

    `more` has more options, by name, with the keywords of `add_argument`.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="few rounds: does it run at all?")
    add("--rounds", type=int, default=21, help="alternations a case (21)")
    add("--cells", nargs="+", choices=CELLS, default=CELLS)
    add("--threads", nargs="+", type=int, default=[1, 2])
    add("--shapes", nargs="+", type=int, default=range(len(SHAPES)), metavar="I")
    if isa:
        add("--isa", choices=["avx2"], help="hold both sides to AVX2")
    for name, keywords in more.items():
        add(f"--{name}", **keywords)
    args = parser.parse_args()
    if args.quick:
        args.rounds = 3
    if isa and args.isa and os.environ.get("SKRNN_ISA") != args.isa:
        # Libraries read these when they are loaded.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **AVX2})
    args.shapes = [SHAPES[i] for i in args.shapes]
    return args


# ------------------------------------------------------------------------- timing


def seconds_a_call(function, n_calls, clock=perf_counter):
    """Return the mean time of some calls, after one that is not counted."""
    function()
    start = clock()
    for _ in range(n_calls):
        function()
    return (clock() - start) / n_calls


def in_turns(*functions, rounds, least=0.02, pause=0.0, clock=perf_counter):
    """Return times (n_functions, rounds) of functions that are called in turns.

    Each turn is as many calls as take `least` seconds, and each round goes the other
    way round than the last one. Before a turn, `pause` lets idle threads of another
    library fall asleep, so that they do not take a core from this one. `clock` may be
    `time.process_time`, which other work on the machine disturbs less.
    """
    n_calls = [max(1, round(least / seconds_a_call(f, 2, clock))) for f in functions]
    times = np.empty((len(functions), rounds))
    for r in range(rounds):
        turns = range(len(functions))
        for i in turns if r % 2 == 0 else reversed(turns):
            sleep(pause)
            times[i, r] = seconds_a_call(functions[i], n_calls[i], clock)
    return times


def check_equal(name, ours, theirs, tolerance=2e-5):
    """Stop unless arrays agree to `tolerance` of their largest number."""
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        error = np.abs(a - b).max() / np.abs(b).max()
        if a.shape != b.shape or not error <= tolerance:
            sys.exit(f"{name}: results differ, {error:.1e} of the largest number.")


# ------------------------------------------------------------------------ machine


class Machine:
    """What one core can do, measured in this run: GFLOP/s."""

    def __init__(self, matmul, rounds):
        """`matmul(a, b)` is the peer's product of two matrices."""
        self.name = f"{_cpu_name()}; skrnn on {build_info()['instruction set']}"
        # The core's fused multiply-adds, in a loop that touches no memory.
        self.peak = np.median([peak(np.float32) for _ in range(rounds)])
        a, b = np.random.default_rng(0).random((2, 1024, 1024), dtype=np.float32)
        self.product = partial(matmul, a, b)
        with threadpool_limits(1):
            (times,) = in_turns(self.product, rounds=rounds, clock=process_time)
        self.sgemm = 2 * 1024**3 / np.median(times) / 1e9

    def describe(self, **versions):
        """Print the machine and the versions as a paragraph."""
        versions = {"python": platform.python_version(), **versions}
        print(self.name, *(f"{k} {v}" for k, v in versions.items()), sep="; ")
        print(
            f"One core: peak {self.peak:.0f} GFLOP/s, sgemm {self.sgemm:.0f} GFLOP/s."
        )

    def speed(self, flops, seconds, n_threads=1):
        """Return "GFLOP/s (% of peak, % of sgemm)", those of `n_threads` cores."""
        rate = flops / seconds / 1e9
        shares = (100 * rate / n_threads / one for one in (self.peak, self.sgemm))
        return f"{rate:.3g} ({', '.join(f'{share:.0f}' for share in shares)})"


def _cpu_name():
    try:
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":")[1].strip() for line in lines if "model n" in line]
    except OSError:
        names = [platform.processor()]
    return f"{names[0]}, {len(names)} cores"


# ------------------------------------------------------------------------- tables


def table(title, header, rows):
    """Print a simple table in RST."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in widths)

    def line(row):
        cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
        return "  ".join(cells).rstrip()

    print(f"\n{title}\n", rule, line(rows[0]), rule, sep="\n")
    print(*map(line, rows[1:]), rule, sep="\n", flush=True)


def compare_steps(peer, args, make):
    """Compare a step of a stream with ways in which a peer takes one, and print it.

    `make(cell)` returns our function, and the peer's by name.
    """
    rows = []
    for cell in args.cells:
        ours, theirs = make(cell)
        times = in_turns(ours, *theirs.values(), rounds=args.rounds)
        rows.append([cell, f"{1e6 * np.median(times[0]):.2f}"])
        for t in times[1:]:
            rows[-1] += [f"{1e6 * np.median(t):.2f}", f"{np.median(t / times[0]):.1f}"]
    header = ["cell", "skrnn"]
    for name in theirs:
        header += [f"{peer}, {name}", "×"]
    table("A streaming step, 8 features, 64 units, microseconds:", header, rows)


def compare(title, peer, machine, args, make, n_threads=1):
    """Compare two implementations on all cases; print the ratios and their means.

    `make(cell, shape)` checks that the results are equal and returns our function, the
    peer's, and the floating-point operations of one call.
    """
    rows = {shape: [", ".join(map(str, shape))] for shape in args.shapes}
    ratios = {}
    for cell in args.cells:
        for shape in args.shapes:
            ours, theirs, flops = make(cell, shape)
            pause = 0.01 if n_threads > 1 else 0.0
            times = in_turns(ours, theirs, rounds=args.rounds, pause=pause)
            ratios[cell, shape] = ratio = np.median(times[1] / times[0])
            speeds = (machine.speed(flops, np.median(t), n_threads) for t in times)
            rows[shape] += [f"{ratio:.2f}", *speeds]
    header = ["shape"]
    for cell in args.cells:
        header += [f"{cell} ×", "skrnn", peer]
    what = f"{title}, {n_threads} thread{'s' * (n_threads > 1)}"
    note = f"{what}: how many times as fast as {peer}; GFLOP/s (% of peak, % of sgemm)."
    table(note, header, rows.values())
    summary = []
    for cell in args.cells:
        batched = [ratios[cell, shape] for shape in args.shapes if shape[0] > 1]
        alone = [ratios[cell, shape] for shape in args.shapes if shape[0] == 1]
        mean = np.exp(np.mean(np.log(batched))) if batched else np.nan
        least = min(batched, default=np.nan)
        row = [cell, f"{mean:.2f}", f"{least:.2f}"]
        summary.append([*row, *(f"{ratio:.2f}" for ratio in alone or [np.nan])])
    header = ["cell", "geometric mean", "least", "one sequence"]
    table(f"{what} against {peer}, batched shapes:", header, summary)
