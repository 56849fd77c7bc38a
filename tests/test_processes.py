"""Other processes, interrupts and limits of memory: equal bits, and no half a model.

Beside ``test_threads.py``, where forks and threads are, and the helpers of this.
"""

import concurrent.futures
import ctypes
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import sysconfig
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNRegressor
from skrnn.preprocessing import SequenceScaler
from strategies import snapshot
from test_threads import alone, assert_same_results, classifier, data, results

# How often each fit is interrupted; some hundreds take minutes.
N_INTERRUPTS = int(os.environ.get("SKRNN_INTERRUPTS", "6"))

needs_signals = pytest.mark.skipif(
    os.name == "nt", reason="Windows sends Ctrl-C to a whole group of processes"
)
needs_limits = pytest.mark.skipif(
    os.name == "nt" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="this is for the GNU C library",
)


# Processes of other kinds --------------------------------------------------------


def predict_and_fit(estimator, X, y):
    """What a process gets of a fitted estimator, and of a fit of its own."""
    return results(estimator, X), results(clone(estimator).fit(X, y), X)


def assert_both(found, expected):
    for values in found:
        assert_same_results(values, expected)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@alone
def test_new_processes(method):
    if method not in multiprocessing.get_all_start_methods():
        return
    X, y = data()
    estimator = classifier().fit(X, y)
    expected = results(estimator, X)
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        calls = [pool.submit(predict_and_fit, estimator, X, y) for _ in "ab"]
        for call in calls:
            assert_both(call.result(), expected)


@alone
def test_the_loky_backend_of_joblib():
    X, y = data()
    block = np.stack([x[:80] for x in X])
    estimator = classifier().fit(block, y)
    expected = results(estimator, block)
    # Workers read the block from a file, as an array that they may not write to.
    with joblib.parallel_config("loky", n_jobs=2, max_nbytes="100K"):
        calls = [joblib.delayed(is_memmap_and_results)(estimator, block, y)] * 2
        for is_memmap, found in joblib.Parallel()(calls):
            assert is_memmap
            assert_both(found, expected)


def is_memmap_and_results(estimator, X, y):
    return isinstance(X, np.memmap), predict_and_fit(estimator, X, y)


def test_objects_by_value():
    """Ray and its like send estimators, and classes of a script, with cloudpickle."""
    cloudpickle = pytest.importorskip("cloudpickle")
    X, y = data(16)
    own = {"__name__": "__main__", "RNNRegressor": RNNRegressor}
    exec("class Own(RNNRegressor):\n    pass\nOwn.__init__.__module__", own)
    fitted = [
        classifier().fit(X, y),
        own["Own"](8, max_iter=2, random_state=0).fit(X, y),
        SequenceScaler().fit(X),
    ]

    def say():
        return [
            estimator.transform(X)
            if isinstance(estimator, SequenceScaler)
            else [estimator.predict(X), *estimator.weights_.values()]
            for estimator in fitted
        ]

    script = (
        "import pickle, sys\n"
        "call = pickle.load(sys.stdin.buffer)\n"
        "pickle.dump(call(), sys.stdout.buffer)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        input=cloudpickle.dumps(say),
        capture_output=True,
        env=environment(),
        timeout=120,
    )
    assert run.returncode == 0, run.stderr.decode()
    for found, expected in zip(pickle.loads(run.stdout), say(), strict=True):
        assert_same_results(found, expected)


def environment():
    path = [str(Path(__file__).parent), *sys.path]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


# Interpreters --------------------------------------------------------------------

SUBINTERPRETER = """
try:
    import _interpreters as interpreters
    run = interpreters.exec
except ImportError:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
{before}
run(interpreters.create(), '''
try:
    import skrnn
except ImportError as error:
    print("refused:", error)
''')
import skrnn
print("main:", skrnn.RNNClassifier(3, max_iter=1).fit([[[1.0]]] * 2, [0, 1]).n_iter_)
"""


@pytest.mark.parametrize("before", ["", "import skrnn"], ids=["first", "second"])
def test_subinterpreters_are_refused(before):
    if not {"_interpreters", "_xxsubinterpreters"} & set(sys.builtin_module_names) and (
        sys.version_info >= (3, 13)
    ):
        pytest.skip("there are no subinterpreters")
    run = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER.format(before=before)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert "refused: skrnn cannot be imported in a subinterpreter" in run.stdout
    assert "main: 1" in run.stdout


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this CPython has a GIL"
)
def test_a_free_threaded_cpython_switches_its_lock_on():
    assert sys._is_gil_enabled()


# Interrupts ----------------------------------------------------------------------


def interruptible():
    """Estimators whose fits take some tenths of a second, with their data."""
    X, y = data(48)
    options = {"max_iter": 8, "segment_length": 4, "tol": 0.0}
    stop = {"early_stopping": True, "validation_fraction": 0.25}
    return {
        "threads": (regressor_of(options, n_jobs=2, cell="lstm"), X, y / 3),
        "early stopping": (classifier(**options, **stop, batch_size=8), X, y),
        "lbfgs": (regressor_of(options, solver="lbfgs", n_jobs=1), X, y / 3),
        "scaler": (SequenceScaler(), [x for x in X for _ in range(100)], None),
    }


def regressor_of(options, **more):
    return RNNRegressor(
        **{"hidden_layer_sizes": 48, "random_state": 0} | options | more
    )


@needs_signals
@pytest.mark.parametrize("name", interruptible())
def test_interrupts_at_any_moment(name):
    """Ctrl-C, also twice, leaves the estimator as it was or a model that is whole."""
    rng = random.Random(name)
    script = f"import test_processes; test_processes.be_interrupted({name!r})"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        seconds = float(process.stdout.readline() or "nan")
        outcomes = []
        for trial in range(N_INTERRUPTS if seconds == seconds else 0):
            # Now and then after the end, where it waits.
            delay, times = rng.uniform(0, 1.1 * seconds), 1 + trial % 3 // 2
            process.stdin.write(f"{times}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "going\n", process.communicate()[1]
            time.sleep(delay)
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.002)
            outcomes.append(process.stdout.readline().strip())
        _, errors = process.communicate("0\n", timeout=120)
    assert process.returncode == 0, (outcomes, errors)
    assert len(outcomes) == N_INTERRUPTS, errors
    assert set(outcomes) <= {"untouched", "interrupted", "whole"}, outcomes


def be_interrupted(name):
    """In a process of its own: fit and predict until told to stop."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    estimator, X, y = interruptible()[name]
    start = time.perf_counter()
    reference = clone(estimator).fit(X, y)
    print(time.perf_counter() - start, flush=True)
    expected = outcome_of(reference, X)
    n_trials = 0
    while times := int(sys.stdin.readline()):
        # A new estimator, and one that has been fitted, in turn.
        subject = (
            clone(estimator) if n_trials % 2 else pickle.loads(pickle.dumps(reference))
        )
        n_trials += 1
        before, n_waits, said = snapshot(vars(subject)), 0, ""
        while n_waits < times:
            try:
                if not n_waits:
                    print("going", flush=True)
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always")
                        subject.fit(X, y)
                    said = " ".join(str(w.message) for w in caught)
                    n_waits += "interrupted by user" in said
                while n_waits < times:
                    outcome_of(reference, X[:4])  # until the interrupt has come
                    if n_waits and times > 1:
                        time.sleep(0.02)  # two signals may become one
                        n_waits += 1
            except KeyboardInterrupt:
                n_waits += 1
        after = snapshot(vars(subject))
        if after == before and "interrupted by user" not in said:
            # For a fitted one: the same as before, or fitted again to the same.
            print("untouched", flush=True)
        else:
            check_whole(subject, X, y)
            print("interrupted" if "by user" in said else "whole", flush=True)
        assert_same_results(outcome_of(reference, X), expected)


def outcome_of(estimator, X):
    if isinstance(estimator, SequenceScaler):
        return [estimator.mean_, estimator.scale_, estimator.transform(X[:3])[0]]
    return results(estimator, X[:8])


def check_whole(estimator, X, y):
    """A model that predicts, whose records belong together, and that can go on."""
    for values in outcome_of(estimator, X):
        assert np.isfinite(values).all() or not values.size
    if isinstance(estimator, SequenceScaler):
        return
    n_epochs = estimator.n_iter_
    for curve in (estimator.loss_curve_, estimator.grad_norm_curve_):
        assert len(curve) == n_epochs
    if estimator.early_stopping:
        assert len(estimator.validation_loss_curve_) == n_epochs
        assert len(estimator.validation_scores_) == n_epochs
    again = pickle.loads(pickle.dumps(estimator))
    assert_same_results(outcome_of(again, X), outcome_of(estimator, X))
    again.set_params(warm_start=True, max_iter=1).fit(X, y)
    assert again.n_iter_ <= 1


# Memory --------------------------------------------------------------------------


@needs_limits
@alone
def test_too_little_memory():
    """Each call succeeds, or raises MemoryError and leaves everything as it was."""
    warnings.simplefilter("ignore")
    # Arrays go back to the system, so that new ones count again (M_MMAP_THRESHOLD).
    ctypes.CDLL(None).mallopt(-3, 2**16)
    X, y = data(60)
    estimators = [
        classifier(n_jobs=1, batch_size=60),
        classifier(n_jobs=1, bidirectional=True, cell="lstm", pooling="attention"),
        RNNRegressor(64, solver="lbfgs", max_iter=2, random_state=0, segment_length=1),
    ]
    for estimator in estimators:
        calls = [("fit", X, y), ("predict", X), ("hidden_states", X)]
        if estimator.solver != "lbfgs":
            calls.append(("partial_fit", X, y))
        if estimator.pooling == "max" and not estimator.bidirectional:
            calls.append(("stream", 5000))
        with_little_memory(estimator.fit(X, y), X, calls)
    # Numbers that are converted, and new arrays of what is scaled.
    long = [np.repeat(x, 30, axis=0).astype(int) for x in X]
    calls = [(name, long) for name in ("fit", "transform", "inverse_transform")]
    with_little_memory(SequenceScaler().fit(X), X, calls)


def with_little_memory(fitted, X, calls):
    """Make calls of a fitted estimator with more and more memory."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    expected, failed = outcome_of(fitted, X), []
    for megabytes in (0, 0.25, 1, 2, 4, 8, 16, 64, 1024):
        for method, *arguments in calls:
            # A fit is that of a copy, so that the model stays what it is.
            trial = pickle.loads(pickle.dumps(fitted))
            state = snapshot(vars(trial))
            used = int(Path("/proc/self/statm").read_text().split()[0])
            limit = used * resource.getpagesize() + int(megabytes * 2**20)
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
            try:
                getattr(trial, method)(*arguments)
                failed.append(False)
            except MemoryError:
                failed.append(True)
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            if failed[-1] or "fit" not in method:
                assert snapshot(vars(trial)) == state, (method, megabytes)
                assert_same_results(outcome_of(trial, X), expected)
    assert failed.count(True) > 3, failed
    assert not any(failed[-len(calls) :])
