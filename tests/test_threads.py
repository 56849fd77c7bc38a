"""Threads and processes: nothing hangs, nothing differs, no more threads than allowed.

Each test runs in a process of its own, which is ended when it hangs.
"""

import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from cases import assert_same_bits
from skrnn import RNNClassifier, RNNRegressor, _recurrence

TIMEOUT = 120  # seconds, of what takes one or two
HAS_OPENMP = _recurrence.build_info()["OpenMP"] != "no"
LISTS_THREADS = os.path.isdir("/proc/self/task")
COUNTS = HAS_OPENMP and LISTS_THREADS

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
needs_openmp = pytest.mark.skipif(not HAS_OPENMP, reason="built without OpenMP")
needs_proc = pytest.mark.skipif(
    not LISTS_THREADS, reason="the system does not list threads"
)


def alone(test):
    """Run a test in a new process, and fail if it is not over in time."""

    @functools.wraps(test)
    def run(**arguments):
        # The traceback of each thread of what hangs is shown before it is killed.
        code = (
            f"import faulthandler, {test.__module__} as tests\n"
            f"faulthandler.dump_traceback_later({TIMEOUT - 20})\n"
            f"tests.{test.__name__}.__wrapped__(**{arguments!r})\n"
        )
        path = [str(Path(__file__).parent), *sys.path]
        # As many threads as are asked for, however few processors there are.
        env = os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "4"}
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            start_new_session=True,
        ) as process:
            try:
                _, errors = process.communicate(timeout=TIMEOUT)
            except BaseException:
                # With the processes that it has started.
                if hasattr(os, "killpg"):
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
                sys.stderr.write(process.communicate()[1])
                raise
        assert process.returncode == 0, errors

    return run


def data(n_seqs=64, seed=0):
    """Enough work in a batch of all sequences for four threads."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(80, 120, size=n_seqs)
    X = [rng.normal(size=(n_steps, 24)) for n_steps in lengths]
    return X, np.arange(n_seqs) % 3


# A batch is of all sequences, and their steps are read one by one.
OPTIONS = {
    "hidden_layer_sizes": 64,
    "max_iter": 2,
    "batch_size": 64,
    "segment_length": 1,
    "random_state": 0,
    "n_jobs": 2,
}


def classifier(**parameters):
    return RNNClassifier(**OPTIONS | {"convolutions": 0} | parameters)


def regressor(**parameters):
    return RNNRegressor(**OPTIONS | parameters)


KINDS = (classifier, regressor)


def results(estimator, X):
    """What a fit came to, as arrays."""
    proba = getattr(estimator, "predict_proba", estimator.predict)
    return [*estimator.weights_.values(), np.array(estimator.loss_curve_), proba(X)]


def assert_same_results(found, expected):
    for value, other in zip(found, expected, strict=True):
        assert_same_bits(value, other)


def n_threads():
    """Threads of this process, as the system counts them; those of OpenMP stay."""
    return len(os.listdir("/proc/self/task")) if LISTS_THREADS else 1


def in_a_fork(function):
    """Call a function in a forked child, and return what it returns."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            with open(writer, "wb") as file:
                pickle.dump(function(), file)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as file:
        sent = pickle.load(file)
    assert os.waitpid(child, 0)[1] == 0
    return sent


# Processes -----------------------------------------------------------------------


@needs_fork
@alone
def test_a_fork_after_threads_runs_on_one_thread():
    X, y = data()
    before = n_threads()
    estimator = classifier().fit(X, y)
    expected = results(estimator, X)
    if COUNTS:
        assert n_threads() == before + 1

    def predict_and_fit():
        found = [results(estimator, X), results(clone(estimator).fit(X, y), X)]
        return found, n_threads(), _recurrence.max_threads()

    def in_a_fork_of_the_fork():
        return [predict_and_fit(), in_a_fork(predict_and_fit)]

    for found, n_child, most in in_a_fork(in_a_fork_of_the_fork):
        assert (n_child, most) == (1, 1)
        for values in found:
            assert_same_results(values, expected)
    # The parent goes on with its threads.
    assert_same_results(results(clone(estimator).fit(X, y), X), expected)


@needs_fork
@alone
def test_a_fork_while_another_thread_is_in_a_kernel():
    X, y = data()
    estimator = classifier().fit(X, y)
    expected = estimator.predict_proba(X)
    stop = threading.Event()

    def predict():
        while not stop.is_set():
            estimator.predict_proba(X)

    busy = threading.Thread(target=predict)
    busy.start()
    try:
        for _ in range(5):
            found = in_a_fork(lambda: clone(estimator).fit(X, y).predict_proba(X))
            assert_same_bits(found, expected)
    finally:
        stop.set()
        busy.join()


@needs_fork
@alone
def test_the_multiprocessing_backend_of_joblib():
    X, y = data()
    estimator = classifier().fit(X, y)
    expected = results(estimator, X)
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        calls = [joblib.delayed(_fit_and_report)(estimator, X, y)] * 3
        for found in joblib.Parallel()(calls):
            assert_same_results(found, expected)
        search = GridSearchCV(estimator, {"random_state": [0, 1]}, cv=2).fit(X, y)
    assert_same_results(results(search.best_estimator_, X)[-1:], expected[-1:])


def _fit_and_report(estimator, X, y):
    assert_same_bits(estimator.predict_proba(X), _fit(estimator, X, y)[-1])
    return _fit(estimator, X, y)


def _fit(estimator, X, y):
    return results(clone(estimator).fit(X, y), X)


# Python's threads ----------------------------------------------------------------


@alone
def test_python_threads_share_an_estimator():
    X, y = data(200)
    for n_jobs in (1, 2):
        _share_an_estimator(X, y, n_jobs)


def _share_an_estimator(X, y, n_jobs):
    estimator = classifier(n_jobs=n_jobs, bidirectional=True).fit(X[:64], y[:64])
    # Short calls, whose network is kept for the next one, and long ones.
    parts = [slice(i, i + n) for n in (1, 3, 64) for i in range(0, 200 - n, 23)]
    expected = [estimator.predict_proba(X[part]) for part in parts]
    steps = [estimator.hidden_states(X[part]) for part in parts]
    start = threading.Barrier(8)

    def predict(seed):
        start.wait(TIMEOUT)
        for i in np.random.default_rng(seed).permutation(len(parts)):
            assert_same_bits(estimator.predict_proba(X[parts[i]]), expected[i])
            states = estimator.hidden_states(X[parts[i]])
            for found, other in zip(states, steps[i], strict=True):
                assert_same_bits(found, other)
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(predict, range(8)))


@alone
def test_python_threads_fit_at_once():
    X, y = data()
    estimators = [
        regressor(solver="lbfgs"),
        classifier(cell="rnn"),
        classifier(cell="lstm", random_state=3),
        classifier(pooling="attention", n_jobs=3),
    ]
    expected = [_fit(estimator, X, y) for estimator in estimators]
    start = threading.Barrier(4)

    def fit(i):
        start.wait(TIMEOUT)
        return _fit(estimators[i], X, y)

    with ThreadPoolExecutor(4) as threads:
        for found, other in zip(threads.map(fit, range(4)), expected, strict=True):
            assert_same_results(found, other)


@alone
def test_the_threading_backend_of_joblib():
    X, y = data()
    search = GridSearchCV(classifier(), {"random_state": [0, 1]}, cv=2, n_jobs=2)
    with joblib.parallel_config("threading"):
        found = clone(search).fit(X, y)
    expected = search.set_params(n_jobs=1).fit(X, y)
    assert found.best_params_ == expected.best_params_
    assert_same_bits(found.predict_proba(X), expected.predict_proba(X))


# OpenMP's threads ----------------------------------------------------------------


@alone
def test_n_jobs_changes_no_bit():
    X, y = data()
    before, first = n_threads(), True
    kinds = [(kind, c) for c in ("lstm", "gru", "rnn") for kind in KINDS]
    for kind, cell in kinds:
        fits, estimator = {}, kind(cell=cell)
        for n_jobs in (1, 2, 3, -1):
            fits[n_jobs] = _fit(estimator.set_params(n_jobs=n_jobs), X, y)
            if first and n_jobs > 0 and COUNTS:  # later ones find these threads
                assert n_threads() == before + n_jobs - 1
        first = False
        for found in fits.values():
            assert_same_results(found, fits[1])
        fitted = clone(estimator).fit(X, y)
        for n_jobs in (1, 2, 3, -1):
            predicted = fitted.set_params(n_jobs=n_jobs).hidden_states(X)
            desired = fitted.set_params(n_jobs=1).hidden_states(X)
            assert_same_results(predicted, desired)


@needs_openmp
@needs_proc
@alone
def test_threadpoolctl_limits_a_fit():
    X, y = data()
    for limit in (1, 3):
        with threadpool_limits(limit):
            before = n_threads()  # some of BLAS among them
            classifier(n_jobs=8).fit(X, y).predict(X)
            assert n_threads() == before + limit - 1


@needs_openmp
@needs_proc
@pytest.mark.parametrize("limit", [1, 3])
@alone
def test_joblib_limits_a_fit_in_its_workers(limit):
    X, y = data()
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=limit):
        started = joblib.Parallel()(
            joblib.delayed(_threads_started)(classifier(n_jobs=8), X, y) for _ in "ab"
        )
        # One call may have taken both jobs, the second of which starts nothing anew.
        assert max(started) == limit - 1
        search = GridSearchCV(
            classifier(n_jobs=8), {"cell": ["rnn"]}, cv=2, scoring=_threads_allowed
        ).fit(X, y)
        assert search.cv_results_["mean_test_score"].tolist() == [limit]


@needs_openmp
@alone
def test_a_search_does_not_oversubscribe():
    os.environ.pop("OMP_NUM_THREADS")  # which joblib would leave as it is
    X, y = data()
    search = GridSearchCV(
        classifier(n_jobs=-1),
        {"cell": ["rnn", "gru"]},
        cv=2,
        scoring=_threads_allowed,
        n_jobs=2,
    ).fit(X, y)
    allowed = max(1, joblib.cpu_count() // 2)
    assert search.cv_results_["mean_test_score"].tolist() == [allowed] * 2


def _threads_started(estimator, X, y):
    before = n_threads()
    estimator.fit(X, y).predict(X)
    return n_threads() - before


def _threads_allowed(estimator, X, y):
    return estimator._n_threads()
