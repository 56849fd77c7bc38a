"""What one model on K shards costs and gains: accuracy, real workers, and a plan.

``python benchmarks/scale_out.py accuracy`` compares K shards with a plain fit;
``real`` trains with one worker process and with two; ``plan`` simulates K workers from
what is measured here, and ``check`` compares such a simulation with two processes.
``memory`` fits and predicts 5 GB of memory maps, of lazy sequences and of shards, in a
process of its own each, and prints how much anonymous memory that takes (Linux alone).
``--quick`` makes each part small.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import numpy as np

from skrnn import RNNClassifier, RNNRegressor
from skrnn.datasets import load_japanese_vowels
from skrnn.distributed import fit_shards


def adding(n_seqs, n_steps, seed):
    """Sequences of two features; the target is the sum of two marked values."""
    rng = np.random.default_rng(seed)
    X = np.zeros((n_seqs, n_steps, 2))
    X[:, :, 0] = rng.uniform(size=(n_seqs, n_steps))
    marks = np.argsort(rng.uniform(size=(n_seqs, n_steps)), axis=1)[:, :2]
    np.put_along_axis(X[:, :, 1], marks, 1, axis=1)
    return list(X), (X[:, :, 0] * X[:, :, 1]).sum(axis=1)


def deal(X, y, n_shards, order=None):
    """Deal sequences out to shards, or cut them in the order of `order`."""
    if order is not None:
        parts = np.array_split(np.argsort(order, kind="stable"), n_shards)
    else:
        parts = [np.arange(k, len(X), n_shards) for k in range(n_shards)]
    return [([X[i] for i in rows], y[rows]) for rows in parts]


def accuracy(quick, data=None):
    """Print the scores of fits, of 4 and 8 shards, and of shards sorted by class."""
    vowels = load_japanese_vowels(return_X_y=True, subset="train")
    tests = {
        "JapaneseVowels": (
            RNNClassifier(32, max_iter=40),
            (vowels[0], np.asarray(vowels[1])),
            load_japanese_vowels(return_X_y=True, subset="test"),
        ),
        "adding": (
            RNNRegressor(24, max_iter=30, dropout=0, recurrent_dropout=0, alpha=1e-4),
            adding(400 if quick else 1600, 20, 0),
            adding(500, 20, 1),
        ),
    }
    for name, (estimator, train, test) in tests.items():
        if data not in (None, name):
            continue
        for mode, options in (
            ("fit", None),
            ("4 shards", {"n": 4}),
            ("8 shards", {"n": 8}),
            ("4 shards, 4 rounds an epoch", {"n": 4, "rounds": 4}),
            ("3 sorted shards", {"n": 3, "sorted": True}),
            (
                "3 sorted shards, 4 rounds an epoch",
                {"n": 3, "sorted": True, "rounds": 4},
            ),
        ):
            start, scores = time.process_time(), []
            for seed in range(1 if quick else 5):
                model = estimator.set_params(random_state=seed)
                if options is None:
                    model.fit(*train)
                else:
                    order = train[1] if "sorted" in options else None
                    shards = deal(*train, options["n"], order)
                    rounds = options.get("rounds", 1)
                    model = fit_shards(model, shards, rounds_per_epoch=rounds)
                scores.append(model.score(*test))
            seconds = time.process_time() - start
            each = " ".join(f"{score:.4f}" for score in scores)
            print(f"{name}, {mode}: {np.mean(scores):.4f} ({each}), {seconds:.0f} s")


# Real workers -----------------------------------------------------------------------


class Shard:
    """Makes long sequences on the worker, and remembers them."""

    made: dict = {}

    def __init__(self, number, n_seqs, n_steps):
        self.key = number, n_seqs, n_steps

    def __call__(self):
        number, n_seqs, n_steps = self.key
        if self.key not in self.made:
            rng = np.random.default_rng(number)
            X = list(rng.normal(size=(n_seqs, n_steps, 8)).astype(np.float32))
            self.made[self.key] = X, np.array([x[:, 0].mean() > 0 for x in X])
        return self.made[self.key]


class Measured:
    """An executor that remembers the CPU seconds of its calls, by worker."""

    def __init__(self, executor):
        self.executor, self.seconds = executor, {}

    def submit(self, *call):
        """Run a call on a worker."""
        found, running = Future(), self.executor.submit(measured, *call)

        def pass_on(done):
            if done.exception() is not None:
                found.set_exception(done.exception())
                return
            worker, seconds, result = done.result()
            self.seconds[worker] = self.seconds.get(worker, 0.0) + seconds
            found.set_result(result)

        running.add_done_callback(pass_on)
        return found


def measured(function, *arguments):
    """Return the worker, its CPU seconds for a call, and the result."""
    start = time.process_time()
    result = function(*arguments)
    return os.getpid(), time.process_time() - start, result


class Cost(NamedTuple):
    """Seconds of an epoch: on the clock, of the CPU here, and of the CPU by worker."""

    wall: float
    driver: float
    workers: list

    @property
    def alone(self):
        """How long it takes with a core for each process, and no one else."""
        return self.driver + max(self.workers)


def timed(shards, executor, max_iter, units):
    """Return the `Cost` of a fit."""
    estimator = RNNClassifier(
        units, max_iter=max_iter, random_state=0, segment_length=1, batch_size=32
    )
    fit_shards(estimator, shards, executor)  # workers start, and make their shards
    executor = Measured(executor)
    start, driver = time.perf_counter(), time.process_time()
    fit_shards(estimator, shards, executor)
    return Cost(
        time.perf_counter() - start,
        time.process_time() - driver,
        list(executor.seconds.values()),
    )


def real(quick):
    """Print the seconds of an epoch on one and on two processes, taken in turns.

    On a busy machine the clock says little. So the CPU seconds are printed, too: those
    of the driver, which works while no worker does, and of the busiest worker.
    """
    n_seqs, n_steps, rounds = (100, 50, 1) if quick else (9000, 100, 3)
    shards = [Shard(k, n_seqs, n_steps) for k in range(4)]
    pools = {n: ProcessPoolExecutor(n, mp_context=get_context("spawn")) for n in (1, 2)}
    costs = {1: [], 2: []}
    for _ in range(rounds):
        for n, pool in pools.items():
            costs[n].append(timed(shards, pool, 1, 64))
    for pool in pools.values():
        pool.shutdown()
    for kind in ("wall", "alone"):
        one, two = (np.median([getattr(c, kind) for c in costs[n]]) for n in (1, 2))
        print(
            f"{kind}: one process {one:.2f} s, two {two:.2f} s: {one / two:.2f} times "
            "as fast"
        )
    for n, found in costs.items():
        for cost in found:
            workers = " ".join(f"{seconds:.2f}" for seconds in cost.workers)
            print(f"  {n}: driver {cost.driver:.3f} CPU s, workers {workers}")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


# Memory ------------------------------------------------------------------------------


N_STEPS, N_FEATURES = 1000, 125  # of a sequence: 0.5 MB of float32


class Recordings(Sequence):
    """Sequences that are made when they are asked for, as if read from files."""

    def __init__(self, start, stop):
        rng = np.random.default_rng(0)
        self.start, self.n = start, stop - start
        self.some = rng.normal(size=(N_STEPS, N_FEATURES)).astype(np.float32)

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return self.some + np.float32((self.start + i) % 2)


class Part:
    """A shard of recordings."""

    def __init__(self, start, stop):
        self.start, self.stop = start, stop

    def __call__(self):
        X = Recordings(self.start, self.stop)
        return X, np.arange(self.start, self.stop) % 2


def anonymous():
    """Return the MB of memory that belong to no file, of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "RssAnon" in line) / 1000


class Peak(Thread):
    """Watches the anonymous memory of this process."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.over = anonymous(), Event()

    def run(self):
        """Look some hundred times a second."""
        while not self.over.wait(0.005):
            self.most = max(self.most, anonymous())

    def stop(self):
        """Return the most that there was, in MB."""
        self.over.set()
        self.join()
        return max(self.most, anonymous())


def watched(what, function):
    """Call a function, print what it has taken, and return what it returns."""
    before, start, peak = anonymous(), time.process_time(), Peak()
    peak.start()
    found = function()
    most, seconds = peak.stop(), time.process_time() - start
    print(
        f"  {what}: at most {most:.0f} MB anonymous, {before:.0f} MB before, "
        f"{seconds:.0f} CPU seconds",
        flush=True,
    )
    return found


def of_maps(n_seqs):
    """Fit to memory maps of a sparse file, as a list."""
    with tempfile.TemporaryDirectory() as folder:
        shape = n_seqs, N_STEPS, N_FEATURES
        X = np.memmap(Path(folder, "X"), np.float32, "w+", shape=shape)
        X[::7, ::100] = 1  # pages between these are holes, which are read as zeros
        X.flush()
        X = list(np.memmap(Path(folder, "X"), np.float32, "r", shape=shape))
        fit_and_predict(X)


def of_recordings(n_seqs):
    """Fit to lazy sequences."""
    fit_and_predict(Recordings(0, n_seqs))


def fit_and_predict(X):
    """Fit for an epoch, and predict all."""
    y = np.arange(len(X)) % 2
    model = RNNClassifier(32, max_iter=1, random_state=0)
    watched("fit", lambda: model.fit(X, y))
    watched("predict", lambda: model.predict(X))


def of_shards(n_seqs):
    """Fit to ten shards of lazy sequences on two processes; the driver is watched."""
    parts = [Part(i * n_seqs // 10, (i + 1) * n_seqs // 10) for i in range(10)]
    model = RNNClassifier(32, max_iter=1, random_state=0)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        watched("driver of fit_shards", lambda: fit_shards(model, parts, pool))


def memory(quick):
    """Print what fits and predictions of 5 GB take."""
    n_seqs = 200 if quick else 10_000
    for function in (of_maps, of_recordings, of_shards):
        print(f"{function.__name__}: {n_seqs * N_STEPS * N_FEATURES * 4e-9:.2f} GB")
        process = get_context("spawn").Process(target=function, args=(n_seqs,))
        process.start()
        process.join()


# A plan for K workers -----------------------------------------------------------------


class Network:
    """A link of the driver that all workers share.

    Parameters
    ----------
    bandwidth : float
        Bytes per second.
    latency : float
        Seconds for a message and its task, with those of the engine.
    """

    def __init__(self, bandwidth, latency):
        self.bandwidth, self.latency = bandwidth, latency


def simulate(n_workers, compute, size, network, rng, *, spread=0.1, lost=0.0):
    """Return the seconds of one round of as many shards as workers.

    Parameters
    ----------
    n_workers : int
    compute : float
        Seconds that a worker computes in a round.
    size : float
        Bytes of a message, there and back.
    network : Network
    rng : Generator
    spread : float
        Standard deviation of the logarithm of a worker's time: stragglers.
    lost : float
        The share of tasks whose worker is lost half-way; they start again.
    """
    transfer = size / network.bandwidth
    # The driver's link sends one message after the other.
    start = network.latency + transfer * np.arange(1, n_workers + 1)
    times = compute * np.exp(rng.normal(0, spread, n_workers))
    times += (rng.uniform(size=n_workers) < lost) * (0.5 * times + network.latency)
    done = 0.0
    for finished in np.sort(start + times):
        done = max(done, finished) + transfer
    return done + network.latency


def measure(quick):
    """Return seconds of compute for an update, seconds of a task, and parameters."""
    n_seqs = 64 if quick else 320
    shard = Shard(0, n_seqs, 100)
    shard()
    seconds = {}
    for units in (32, 64, 128):
        start = time.process_time()
        estimator = RNNClassifier(
            units, max_iter=1, random_state=0, segment_length=1, batch_size=32
        )
        model = estimator.fit(*shard())
        n_params = sum(w.size for w in model.weights_.values())
        seconds[n_params] = (time.process_time() - start) / (n_seqs / 32)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(abs, 1).result()
        start = time.perf_counter()
        for _ in range(50):
            pool.submit(abs, 1).result()
        task = (time.perf_counter() - start) / 50
    return seconds, task


def plan(quick):
    """Print up to which number of workers a round an epoch, or more, pays."""
    seconds, task = measure(quick)
    networks = {
        "this machine": Network(1e9, task),
        "1 Gbit/s, dask": Network(1.1e8, 0.05),
        "10 Gbit/s, dask": Network(1.1e9, 0.05),
    }
    n_updates = 1000  # an epoch of 32,000 sequences of 100 steps, on one worker
    for n_params, update in seconds.items():
        size = 12.0 * n_params
        print(
            f"{n_params} parameters, {1000 * update:.1f} ms for an update of 32 x 100"
        )
        for name, network in networks.items():
            for rounds in (1, 4, "each update"):
                print(f"  {name}, rounds an epoch: {rounds}: ", end="")
                found = [
                    speedup(k, n_updates * update, n_updates, rounds, size, network)
                    for k in WORKERS
                ]
                pays = [
                    k for k, gain in zip(WORKERS, found, strict=True) if gain > k / 2
                ]
                gains = ", ".join(
                    f"{k}: {gain:.1f}" for k, gain in zip(WORKERS, found, strict=True)
                )
                print(f"{gains}; half of the ideal up to K={max(pays, default=1)}")

        network = networks["1 Gbit/s, dask"]
        for what, trouble in TROUBLES.items():
            print(f"  1 Gbit/s, dask, one round an epoch, {what}: ", end="")
            found = [
                speedup(k, n_updates * update, n_updates, 1, size, network, **trouble)
                for k in WORKERS
            ]
            print(
                ", ".join(
                    f"{k}: {gain:.1f}" for k, gain in zip(WORKERS, found, strict=True)
                )
            )


WORKERS = (2, 4, 8, 16, 32, 64)
TROUBLES = {
    "stragglers of 50 %": {"spread": 0.5},
    "one task in twenty lost": {"lost": 0.05},
}


def speedup(k, compute, n_updates, rounds, size, network, spread=0.1, lost=0.001):
    """Return how much faster an epoch is with `k` workers than with one."""
    n_rounds = n_updates // k if rounds == "each update" else rounds
    rng, few = np.random.default_rng(0), 50  # draws of a round
    part = compute / k / n_rounds
    each = [
        simulate(k, part, size, network, rng, spread=spread, lost=lost)
        for _ in range(few)
    ]
    return compute / (np.mean(each) * n_rounds)


def check(quick):
    """Compare the simulation with two processes of this machine."""
    seconds, task = measure(quick)
    n_seqs = 100 if quick else 600
    shards = [Shard(k, n_seqs, 100) for k in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = {}
        for epochs in (1, 4):  # the difference is that of three rounds
            costs = [timed(shards, pool, epochs, 64) for _ in range(2)]
            found[epochs] = [
                min(getattr(cost, kind) for cost in costs) for kind in ("wall", "alone")
            ]
    n_params, update = list(seconds.items())[1]
    compute = update * n_seqs / 32
    expected = simulate(
        2, compute, 12 * n_params, Network(1e9, task), np.random.default_rng(0)
    )
    wall, alone = ((b - a) / 3 for a, b in zip(found[1], found[4], strict=True))
    print(
        f"a round of two processes: {wall:.3f} s, {alone:.3f} CPU s of the driver and "
        f"the busier worker, simulated {expected:.3f} s; load {os.getloadavg()[0]:.1f}"
    )


PARTS = {
    "accuracy": accuracy,
    "real": real,
    "plan": plan,
    "check": check,
    "memory": memory,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", help="of accuracy: one of the problems only")
    arguments = parser.parse_args()
    more = {"data": arguments.data} if arguments.part == "accuracy" else {}
    PARTS[arguments.part](arguments.quick, **more)
