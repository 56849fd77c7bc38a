"""Mutated model files: each gives an error or a model, in little time and memory.

    python benchmarks/fuzz_files.py [--cases 100000] [--seed 0] [--first 0]

Each case takes a golden file of ``tests/data/``, changes it by ``tests/mutations.py``
and loads it. It must be refused with `ModelFileError`, or give a model that predicts
(or says by ValueError what hinders it), trains on (likewise), and is saved to a file
that gives the same model. Loading may take ten seconds and, at its peak, 30 times the
size of the file and 4 MB. The process may grow by 1 GB. What goes wrong is printed with
the number of the case: ``--first`` and ``--cases 1`` repeat it.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "data")]

from make_golden import FOLDER, cases, outputs  # noqa: E402

from mutations import (  # noqa: E402
    allowed_memory,
    memory_of_loading,
    mutate,
    saved,
)


class Wrong(Exception):
    """Something that must not happen."""


@contextlib.contextmanager
def ten_seconds():
    """Raise TimeoutError in what takes longer."""
    signal.alarm(10)
    try:
        yield
    finally:
        signal.alarm(0)


def too_long(signum, frame):
    raise TimeoutError("it took more than ten seconds")


def used(estimator, X, y):
    """Return what a model predicts, as text, and train it on."""
    if X is None:
        return "unfitted"
    try:
        text = repr(outputs(estimator, X))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    if hasattr(estimator, "partial_fit"):
        with contextlib.suppress(ValueError):
            estimator.partial_fit(X, y)
    return text


def try_case(data, expected, X, y):
    """Return what comes of a mutated file, and how much memory loading it took."""
    with ten_seconds():
        model, peak = memory_of_loading(data)
        if peak > allowed_memory(data):
            raise Wrong(f"{peak} bytes of memory for {len(data)} bytes")
        share = peak / len(data) if len(data) > 50_000 else 0
        if isinstance(model, str):
            return "refused", share
        again = saved(model)
        twin, _ = memory_of_loading(again)
        if isinstance(twin, str):
            raise Wrong(f"what was loaded cannot be loaded again: {twin}")
        if saved(twin) != again:
            raise Wrong("saving it twice gives two files")
    try:
        with ten_seconds(), contextlib.redirect_stdout(io.StringIO()):
            found = used(model, X, y)
            if found != used(twin, X, y):
                raise Wrong("what is saved again predicts something else")
    except TimeoutError:
        # A forecaster may have been moved to another century.
        return "slow model", share
    return ("equal" if found == expected else "another model"), share


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGALRM, too_long)
    warnings.simplefilter("ignore")

    golden = []
    for name, (_, X, y) in cases().items():
        path = FOLDER / f"{name}.skrnn"
        data = path.read_bytes()
        golden.append((data, used(memory_of_loading(data)[0], X, y), X, y))
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    counts, share, n_wrong = collections.Counter(), 0.0, 0
    start = time.perf_counter()
    for i in range(options.first, options.first + options.cases):
        rng = random.Random(f"{options.seed} {i}")
        data, *rest = rng.choice(golden)
        kind, mutated = mutate(data, rng)
        if mutated == data:
            counts["not changed", "equal"] += 1
            continue
        try:
            result, of_size = try_case(mutated, *rest)
            share = max(share, of_size)
        except Exception:
            result, n_wrong = "WRONG", n_wrong + 1
            print(f"case {i} ({kind}):")
            traceback.print_exc(limit=-4, file=sys.stdout)
        counts[kind, result] += 1
        if (i + 1) % 10_000 == 0:
            minutes = (time.perf_counter() - start) / 60
            print(f"{i + 1}: {minutes:.1f} minutes", flush=True)

    results = ["refused", "equal", "another model", "slow model", "WRONG"]
    print(f"{'':14s}" + "".join(f"{result:>15s}" for result in results))
    for kind in sorted({kind for kind, _ in counts}):
        row = "".join(f"{counts[kind, result]:15d}" for result in results)
        print(f"{kind:14s}{row}")
    sums = [sum(n for (_, r), n in counts.items() if r == result) for result in results]
    print(f"{'all':14s}" + "".join(f"{n:15d}" for n in sums))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - now
    print(
        f"{(time.perf_counter() - start) / 60:.1f} minutes; the process grew by "
        f"{grown / 2**20:.0f} MB; loading files of more than 50 kB took up to "
        f"{share:.1f} times their size"
    )
    return bool(n_wrong)


if __name__ == "__main__":
    sys.exit(main())
