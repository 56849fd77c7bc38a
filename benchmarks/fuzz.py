"""A million generated calls of the estimators: what the tests do with a few hundred.

    python benchmarks/fuzz.py [--calls 1000000] [--first 0] [--jobs 1]

Each call comes from a seed of its own (see ``tests/strategies.py``) and must end in a
clear error that leaves estimator and data as they were, or in finite results of the
right shape. Workers make the calls, 10,000 each. One that dies is a crash, and one that
is on the same seed for a minute hangs: either way the seed is said, and the next worker
goes on behind it. Repeat what a seed does with

    python benchmarks/fuzz.py --seed 123

The exit status is 1 if anything was found. At the end stands what the calls came to.
"""

import argparse
import collections
import concurrent.futures
import importlib
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from time import perf_counter, sleep

TESTS = Path(__file__).resolve().parents[1] / "tests"
BATCH = 10_000
PATIENCE = 60  # seconds


def one(seed):
    """Make the call of a seed, and let its error through."""
    strategies = importlib.import_module("strategies")
    call = strategies.calls(strategies.seeded(seed))
    return call, strategies.run(call)


def work(first, n_calls, progress):
    """Make calls in this process; print what they came to, and what they broke."""
    importlib.import_module("strategies")  # whose failure is not that of a call
    outcomes = collections.Counter()
    with open(progress, "r+b", buffering=0) as file:
        for seed in range(first, first + n_calls):
            file.seek(0)
            file.write(b"%20d" % seed)
            try:
                _, outcome = one(seed)
            except Exception:
                print(f"BROKEN {seed}\n{traceback.format_exc()}", flush=True)
                outcome = "broken"
            outcomes[re.sub(r"\d+", "#", outcome).splitlines()[0][:100]] += 1
    for outcome, n in outcomes.items():
        print(f"COUNT {n} {outcome}")


def watched(first, n_calls):
    """Make calls in workers; return their output and the seeds that ended one."""
    lines, ended, stop = [], [], first + n_calls
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    env |= {"PYTHONWARNINGS": "ignore", "PYTHONFAULTHANDLER": "1"}
    while first < stop:
        with tempfile.TemporaryDirectory() as folder:
            progress, output = Path(folder, "seed"), Path(folder, "output")
            progress.write_bytes(b"%20d" % first)
            command = [sys.executable, __file__, "--work", str(first)]
            command += [str(stop - first), str(progress)]
            with output.open("w") as file:
                worker = subprocess.Popen(command, stdout=file, stderr=file, env=env)
                seed, since = None, perf_counter()
                while worker.poll() is None:
                    sleep(0.2)
                    if (now := progress.read_bytes()) != seed:
                        seed, since = now, perf_counter()
                    elif perf_counter() - since > PATIENCE:
                        worker.kill()
                        worker.wait()
            lines += output.read_text(errors="replace").splitlines()
            if worker.returncode == 0:
                break
            if worker.returncode == 1:  # it could not even begin
                raise SystemExit("\n".join(lines))
            seed = int(progress.read_bytes())
            ended.append((seed, worker.returncode))
            first = seed + 1
    return lines, ended


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=10**6)
    parser.add_argument("--first", type=int, default=0, help="seed of the first call")
    parser.add_argument("--jobs", type=int, default=1, help="workers at a time")
    parser.add_argument("--seed", type=int, help="repeat one call")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(int(args.work[0]), int(args.work[1]), args.work[2])
        return 0
    if args.seed is not None:
        sys.path.insert(0, str(TESTS))
        print(*one(args.seed), sep="\n")
        return 0
    start, outcomes, broken = perf_counter(), collections.Counter(), 0
    starts = range(args.first, args.first + args.calls, BATCH)
    sizes = [min(BATCH, args.first + args.calls - first) for first in starts]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for lines, ended in pool.map(watched, starts, sizes):
            for line in lines:
                if line.startswith("COUNT "):
                    _, n, outcome = line.split(" ", 2)
                    outcomes[outcome] += int(n)
                else:
                    print(line, flush=True)
            for seed, status in ended:
                print(f"BROKEN {seed}: ended its process, status {status}", flush=True)
            broken += len(ended)
    broken += outcomes["broken"]
    n_calls = sum(outcomes.values())
    for outcome, n in outcomes.most_common(40):
        print(f"{n:8d} {outcome}")
    print(
        f"{n_calls} calls in {(perf_counter() - start) / 60:.1f} minutes: "
        f"{outcomes['result']} results, {len(outcomes) - 1} ways to be refused, "
        f"{broken} broken promises"
    )
    return broken > 0


if __name__ == "__main__":
    sys.exit(main())
