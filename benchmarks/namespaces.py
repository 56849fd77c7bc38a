"""One model on two hosts that are network namespaces, of which one is cut off.

``sudo env PYTHONPATH=$PWD python benchmarks/namespaces.py`` (Linux, root, iproute2 and
dask.distributed; not part of CI) makes three namespaces: the driver with dask's
scheduler, and two workers, each joined to the driver by a veth pair of its own. Nothing
leaves them. It fits one model to four shards three times: in one process, on the two
workers, and on the two workers with the link of one of them set down in the middle of
the second round. It prints how long each took, what was lost, and whether the bits are
those of the one process.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time

import numpy as np

from skrnn import RNNClassifier
from skrnn.distributed import fit_shards

DRIVER, WORKERS = "skrnn-driver", ("skrnn-worker0", "skrnn-worker1")
PORT = 8786
N_SHARDS, N_SEQS, N_STEPS = 4, 300, 100


class Shard:
    """Makes sequences on the worker."""

    def __init__(self, number):
        self.number = number

    def __call__(self):
        rng = np.random.default_rng(self.number)
        X = list(rng.normal(size=(N_SEQS, N_STEPS, 8)).astype(np.float32))
        return X, np.array([x[:, 0].mean() > 0 for x in X])


def ip(*arguments, within=None):
    """Run ip, in a namespace if one is given."""
    inside = [] if within is None else ["-n", within]
    subprocess.run(["ip", *inside, *arguments], check=True)


def make_namespaces():
    """Make the namespaces and the links between them."""
    for name in (DRIVER, *WORKERS):
        ip("netns", "add", name)
        ip("link", "set", "lo", "up", within=name)
    for k, name in enumerate(WORKERS):
        ends = f"skrnn-d{k}", f"skrnn-w{k}"
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for end, place, host in zip(ends, (DRIVER, name), (1, 2), strict=True):
            ip("link", "set", end, "netns", place)
            ip("addr", "add", f"10.77.{k}.{host}/24", "dev", end, within=place)
            ip("link", "set", end, "up", within=place)
        # Workers reach each other through the driver.
        ip("route", "add", "default", "via", f"10.77.{k}.1", within=name)
    inside(DRIVER, "sysctl", "-qw", "net.ipv4.ip_forward=1").wait()


def remove_namespaces():
    """Remove what `make_namespaces` has made."""
    for name in (DRIVER, *WORKERS):
        subprocess.run(["ip", "netns", "delete", name], check=False)


def inside(name, *command, quiet=False):
    """Start a command in a namespace, with or without its errors."""
    # A host that is gone answers nothing: dask is told to wait for seconds.
    settings = {
        "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "15s",
        "DASK_LOGGING__DISTRIBUTED": "error",
        "OMP_NUM_THREADS": "1",
    }
    command = ["ip", "netns", "exec", name, *command]
    errors = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(command, env={**os.environ, **settings}, stderr=errors)


class CutOff:
    """An executor that sets a link down soon after so many calls."""

    def __init__(self, executor, n_calls, link):
        self.executor, self.n_calls, self.link = executor, n_calls, link

    def submit(self, *call):
        """Run a call on a worker."""
        self.n_calls -= 1
        if self.n_calls == 0:
            threading.Timer(0.2, self.cut).start()
        return self.executor.submit(*call)

    def cut(self):
        """Set the link down."""
        print(f"  the link {self.link} goes down", flush=True)
        ip("link", "set", self.link, "down")


def drive():
    """Fit one model three times; this runs in the namespace of the driver."""
    import distributed

    estimator = RNNClassifier(64, max_iter=4, random_state=0, segment_length=1)
    shards = [Shard(k) for k in range(N_SHARDS)]

    def fit(what, executor=None):
        start = time.perf_counter()
        model = fit_shards(estimator, shards, executor)
        seconds = time.perf_counter() - start
        same = (
            np.array_equal(model._model.theta, expected) if expected is not None else ""
        )
        print(f"{what}: {seconds:.1f} s, the same bits: {same}", flush=True)
        return model._model.theta

    expected = None
    expected = fit("one process")
    address = f"tcp://10.77.0.1:{PORT}"
    with distributed.Client(address, timeout=60) as client:
        client.wait_for_workers(2, timeout=120)
        print("workers:", *client.scheduler_info()["workers"])
        fit("two namespaces", client.get_executor())
        # Four calls for the statistics, four in each round.
        cut = CutOff(client.get_executor(), 2 * N_SHARDS + 1, "skrnn-d1")
        fit("two namespaces, one cut off in round 2", cut)
        left = client.scheduler_info()["workers"]
        print("workers that are left:", *left)
        # A worker that is alone ends with the scheduler.
        client.shutdown()


def main():
    """Make the namespaces, run all in them, and remove them."""
    python = sys.executable
    running = []
    try:
        make_namespaces()
        scheduler = "distributed.cli.dask_scheduler", "--no-dashboard", "--port", PORT
        running.append(inside(DRIVER, python, "-m", *map(str, scheduler)))
        for k, name in enumerate(WORKERS):
            worker = "distributed.cli.dask_worker", f"tcp://10.77.{k}.1:{PORT}"
            options = "--nthreads", "1", "--no-dashboard", "--local-directory", "/tmp"
            # It says at length that it is cut off.
            running.append(inside(name, python, "-m", *worker, *options, quiet=True))
        inside(DRIVER, python, __file__, "drive").wait()
    finally:
        for process in running:
            process.terminate()
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
        remove_namespaces()


if __name__ == "__main__":
    if sys.argv[1:] == ["drive"]:
        drive()
    else:
        main()
