"""Ctrl-C during a fit keeps the model fitted so far."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows sends Ctrl-C to a whole group of processes"
)

SCRIPT = """
import signal
import warnings

import numpy as np
from toys import make_classes, make_targets

from skrnn import {name}

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
X, y = {make}(n_seqs=200)
estimator = {name}(
    32, max_iter=10**6, tol=0, random_state=0, verbose=True, {parameters}
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    estimator.fit(X, y)
print("warned:", *(str(w.message) for w in caught))
print("epochs:", estimator.n_iter_, len(estimator.loss_curve_))
print("usable:", np.isfinite(estimator.predict(X[:5]) == y[:5]).all())
print("score:", estimator.score(X, y))
estimator.set_params(max_iter=1, warm_start=True, verbose=False)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    print("goes on:", estimator.fit(X, y).n_iter_)
"""


@pytest.mark.parametrize("name", ["RNNClassifier", "RNNRegressor"])
@pytest.mark.parametrize(
    "parameters",
    ["", "n_jobs=2", "early_stopping=True, n_iter_no_change=10**6"],
    ids=["one thread", "two threads", "early stopping"],
)
def test_interrupted_fit_keeps_a_usable_model(name, parameters):
    make = "make_classes" if name == "RNNClassifier" else "make_targets"
    script = SCRIPT.format(name=name, make=make, parameters=parameters)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        # The fit is under way when it has told of a few epochs.
        epochs = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert all(line.startswith("Iteration") for line in epochs), (epochs, err)
    assert process.returncode == 0, err
    said = dict(line.split(":", 1) for line in out.splitlines() if ": " in line)
    assert "Training interrupted by user." in said["warned"]
    n_epochs, n_losses = map(int, said["epochs"].split())
    assert 5 <= n_epochs < 10**6
    assert n_losses == n_epochs
    assert said["usable"].strip() == "True"
    assert float(said["score"]) > 0.5
    assert said["goes on"].strip() == "1"
