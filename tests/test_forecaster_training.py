"""SequenceForecaster: how it is trained, goes on, is kept and interrupted."""

import io
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from cases import CELLS, ISAS, assert_same_bits, instruction_set
from forecasts import QUICK, awake, make_panel, make_series, make_table
from skrnn import SequenceForecaster

try:
    from sklearn.callback import ScoringMonitor
except ImportError:  # scikit-learn < 1.9
    ScoringMonitor = None
from forecasts import HOURS, forecaster, hourly

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]


# Going on


def test_update_appends_what_came():
    X, y, model = hourly()
    model.update(X[100:103], y[100:103])
    past = {"y_past": y[:103], "X_past": X[:103]}
    assert_same_bits(model.predict(X[103:107]), model.predict(X[103:107], **past))
    assert model.future_index()[0] == HOURS[103]
    # Rows of the index that are left out are unknown.
    model.update(X[105:110], y[105:110])
    gone = HOURS[[103, 104]]
    past = {"y_past": y[:110].drop(gone), "X_past": X[:110].drop(gone)}
    assert_same_bits(model.predict(X[110:]), model.predict(X[110:], **past))
    assert_same_bits(model.predict(X[60:70]), hourly()[2].predict(X[60:70]))
    before = model.predict(X[110:])
    with pytest.raises(ValueError, match="ends at"):
        model.update(X[108:], y[108:])
    assert_same_bits(model.predict(X[110:]), before)


def test_update_without_an_index():
    X, y = make_table()
    model = awake(forecaster().fit(X[:100], y[:100]))
    for start in range(100, 110, 5):
        rows = slice(start, start + 5)
        model.update(X[rows], y[rows])
    past = {"y_past": y[:110], "X_past": X[:110]}
    assert_same_bits(model.predict(X[110:]), model.predict(X[110:], **past))
    y = make_series()
    model = awake(forecaster().fit(None, y[:100]))
    model.update(None, y[100:]).update(y=[np.nan, np.nan])
    assert_same_bits(model.predict(), model.predict(y_past=np.r_[y, np.nan, np.nan]))
    with pytest.raises(ValueError, match="needs y"):
        model.update(X)


def test_update_of_a_panel():
    X = make_panel()
    model = awake(forecaster().fit([x[:-7] for x in X]))
    model.update([x[-7:] for x in X])
    assert_same_bits(model.predict(), model.predict(X))
    with pytest.raises(ValueError, match="2 series"):
        model.update(X[:2])
    with pytest.raises(ValueError, match="y must be None"):
        model.update(X, np.zeros(4))


def test_partial_fit_trains_the_network_on():
    y = make_series(160)
    model = forecaster().partial_fit(None, y[:120])
    assert_same_bits(model.predict(), forecaster().fit(None, y[:120]).predict())
    fitted = model._model
    theta, seen, losses = model._model.theta.copy(), model.t_, list(model.loss_curve_)
    model.partial_fit(None, y[120:140])
    for name in ("linear_weights", "gate", "errors"):
        assert getattr(model._model, name) is getattr(fitted, name)
    assert not np.array_equal(model._model.theta, theta)
    # One pass over the windows that something of it comes after.
    assert model.t_ == seen + len(range(117, 140))
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.loss_curve_[:2] == losses
    assert_same_bits(model.predict(), model.predict(y_past=y[:140]))
    # The same rows to come lead to the same forecaster.
    again = forecaster().fit(None, y[:120]).partial_fit(None, y[120:140])
    assert_same_bits(again._model.theta, model._model.theta)
    with pytest.raises(ValueError, match="is known"):
        model.partial_fit(None, [np.nan, np.nan])
    assert_same_bits(again.predict(), model.predict())
    panel = forecaster().fit(make_panel())
    expected = panel.predict()
    panel.partial_fit(make_panel(seed=9))
    assert len(panel.loss_curve_) == 3
    assert panel.predict().shape == expected.shape
    assert not hasattr(forecaster(solver="lbfgs"), "partial_fit")
    assert not hasattr(forecaster(early_stopping=True), "partial_fit")
    with pytest.raises(ValueError, match="window"):
        model.set_params(window=13).partial_fit(None, y[140:])


def test_warm_start_trains_the_network_on():
    y = make_series()
    model = forecaster(warm_start=True).fit(None, y)
    first, theta = list(model.loss_curve_), model._model.theta
    model.fit(None, y)
    assert model.loss_curve_[:2] == first
    assert len(model.loss_curve_) == 4
    assert model.n_iter_ == 2
    assert not np.array_equal(theta, model._model.theta)
    cold = forecaster().fit(None, y)
    assert cold.fit(None, y).n_iter_ == len(cold.loss_curve_) == 2
    before = model.predict()
    for change in ({"cell": "lstm"}, {"window": 13}, {"horizon": 5}):
        with pytest.raises(ValueError, match="warm_start"):
            model.set_params(**change).fit(None, y)
        assert_same_bits(model.predict(), before)
        model.set_params(**QUICK, cell="gru")
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(*make_table())


# The same bits


def forecasts_of(**options):
    X, y = make_table()
    model = forecaster(**options).fit(X[:100], y[:100])
    result = model.backtest(X, y, start=80)
    return [model._model.theta, model._model.errors, result.y_pred, result.interval]


@pytest.mark.parametrize("options", [{}, {"dtype": "float64", "cell": "lstm"}])
@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_fits_have_the_same_bits_for_any_threads_and_instruction_set(options):
    expected = forecasts_of(**options)
    for n_jobs in (1, 2, 3):
        for a, b in zip(forecasts_of(n_jobs=n_jobs, **options), expected, strict=True):
            assert_same_bits(a, b)
    for isa in ISAS:
        with instruction_set(isa):
            for a, b in zip(forecasts_of(**options), expected, strict=True):
                assert_same_bits(a, b)


def test_a_forecast_does_not_depend_on_the_others():
    X = make_panel()
    model = awake(forecaster().fit(X))
    together = model.predict(X)
    order = [2, 0, 3, 1]
    assert_same_bits(model.predict([X[i] for i in order]), together[order])
    for i, x in enumerate(X):
        assert_same_bits(model.predict([x])[0], together[i])
    intervals = model.predict_interval(X)
    assert_same_bits(model.predict_interval(X[2:3])[0], intervals[2])


def test_random_state_decides():
    y = make_series()
    a, b, c = (forecaster(random_state=s).fit(None, y)._model.theta for s in (1, 1, 2))
    assert_same_bits(a, b)
    assert not np.array_equal(a, c)
    state = np.random.RandomState(0)
    d, e = (forecaster(random_state=state).fit(None, y)._model.theta for _ in range(2))
    assert not np.array_equal(d, e)


def test_threads_of_the_user_may_forecast_at_once():
    X = make_panel(lengths=range(20, 60))
    model = awake(forecaster().fit(X[:3]))
    expected = [model.predict([x]) for x in X]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            found = pool.map(lambda x: model.predict([x]), X)
            for a, b in zip(found, expected, strict=True):
                assert_same_bits(a, b)


@pytest.mark.parametrize("how", ["pickle", "joblib"])
def test_what_is_stored_forecasts_the_same(how):
    X, y, model = hourly()
    expected = model.predict(X[100:])
    if how == "pickle":
        other = pickle.loads(pickle.dumps(model))
    else:
        file = io.BytesIO()
        joblib.dump(model, file)
        file.seek(0)
        other = joblib.load(file)
    assert_same_bits(other.predict(X[100:]), expected)
    assert_same_bits(other.predict_interval(X[100:]), model.predict_interval(X[100:]))
    for each in (model, other):
        each.partial_fit(X[100:110], y[100:110])
    assert_same_bits(other.predict(X[110:]), model.predict(X[110:]))
    panel = forecaster().fit(make_panel())
    assert_same_bits(pickle.loads(pickle.dumps(panel)).predict(), panel.predict())


def test_a_clone_is_not_fitted():
    model = forecaster(cell="lstm", quantiles=(0.1, 0.9)).fit(None, make_series())
    other = clone(model)
    assert other.get_params() == model.get_params()
    for call in (other.predict, other.predict_interval, other.predict_quantiles):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            call()
    with pytest.raises(NotFittedError):
        other.update(y=[1.0])


# Training


@pytest.mark.parametrize("sizes", [3, (3, 2)])
@pytest.mark.parametrize("cell, activation", CELLS)
def test_cells_and_layers(cell, activation, sizes):
    X, y = make_table()
    options = {"cell": cell, "activation": activation, "hidden_layer_sizes": sizes}
    model = forecaster(**options, dropout=0.1, bptt_steps=5).fit(X[:100], y[:100])
    names = {name.partition(".")[0] for name in model.weights_}
    layers = {f"layer{k}" for k in range(np.size(sizes))}
    assert names == layers | {"segment", "head"}
    assert model.hidden_states().shape == (12, np.atleast_1d(sizes)[-1])
    result = awake(model).backtest(X, y, start=100)
    assert np.isfinite(result.y_pred).all()


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "quantile"])
@pytest.mark.filterwarnings("ignore:From .* the model forecasts rows")
def test_training_lowers_the_loss(solver, loss):
    # What a linear function of the window does not explain.
    rng = np.random.default_rng(0)
    y = np.zeros(500)
    for t in range(1, 500):
        y[t] = 2 * np.cos(2 * y[t - 1]) + 0.1 * rng.normal()
    model = forecaster(
        horizon=1, window=4, loss=loss, solver=solver, dropout=0, recurrent_dropout=0,
        max_iter=15, learning_rate_init=0.03, hidden_layer_sizes=16, alpha=1e-5,
    ).fit(None, y)  # fmt: skip
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    if solver == "sgd" and loss == "squared_error":
        return  # in so few steps it does not win clearly, as it must on a short series
    assert model.gate_[0] > 0.5
    result = model.backtest(None, y, start=200)
    naive = result.scores["naive"]["mae"]
    assert result.scores["forecast"]["mae"] < 0.95 * naive


def test_early_stopping_holds_out_the_last_part_of_time():
    y = make_series(200)
    model = forecaster(
        early_stopping=True, validation_fraction=0.2, max_iter=30, n_iter_no_change=2,
        tol=1.0,
    ).fit(None, y)  # fmt: skip
    assert model.n_iter_ < 30
    assert len(model.validation_scores_) == len(model.validation_loss_curve_)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert forecaster().fit(None, y).validation_scores_ is None
    with pytest.raises(ValueError, match="validation_fraction"):
        forecaster(early_stopping=True, horizon=30).fit(None, y)


def test_dtype():
    y = make_series()
    for dtype in ("float32", "float64", np.float64):
        model = forecaster(dtype=dtype).fit(None, y)
        assert model._model.theta.dtype == dtype
        assert model.predict().dtype == np.float64


def test_verbose(capsys):
    forecaster(verbose=True).fit(None, make_series())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Iteration 1", "Iteration 2"]
    forecaster().fit(None, make_series())
    assert not capsys.readouterr().out


@pytest.mark.skipif(ScoringMonitor is None, reason="scikit-learn < 1.9")
def test_callbacks_follow_the_epochs():
    X, y = make_table()
    monitor = ScoringMonitor(scoring="r2")
    model = forecaster().set_callbacks(monitor).fit(X, y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 2
    assert rows[-1]["r2"] == model.score(X, y)
    assert_same_bits(model._model.theta, forecaster().fit(X, y)._model.theta)


def test_segments_and_windows():
    y = make_series()
    for window, segment in ((5, 2), (12, 12), (3, 100), (200, 7)):
        model = forecaster(window=window, segment_length=segment).fit(None, y)
        assert model.window_ == window
        assert model.segment_length_ == min(window, segment)
        assert np.isfinite(awake(model).predict()).all()
    assert forecaster(window="auto").fit(None, y).window_ >= 12
    for n in (2, 3, 5, 8, 30):
        model = SequenceForecaster(horizon=1, max_iter=1).fit(None, y[:n])
        assert model.predict().shape == (1,)


# Ctrl-C

SCRIPT = """
import dataclasses, signal, sys, warnings
import numpy as np
from forecasts import make_series
from skrnn import SequenceForecaster
from skrnn.training import Trainer

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
y = make_series(400)
model = SequenceForecaster(
    4, window=12, hidden_layer_sizes=16, max_iter=10**6, random_state=0, verbose=True,
)
if "fold" in sys.argv:
    # The first training, that of a fold, says when it is under way.
    change = lambda options: {"verbose": True}
else:
    model.max_iter = 1
    change = lambda options: {"max_iter": 10**6 if options.verbose else 1}
make = Trainer.__init__
def init(self, network, loss, solver, options, random_state):
    options = dataclasses.replace(options, **change(options))
    make(self, network, loss, solver, options, random_state)
Trainer.__init__ = init
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(None, y)
print("warned:", *(str(w.message) for w in caught))
print("epochs:", model.n_iter_, len(model.loss_curve_))
print("usable:", np.isfinite(model.predict()).all(), model.gate_.any())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole group")
@pytest.mark.parametrize("when", ["fold", "last"])
def test_an_interrupted_fit_keeps_a_usable_model(when):
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, "-u", "-c", SCRIPT, when],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        epochs = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert all(line.startswith("Iteration") for line in epochs), (epochs, err)
    assert process.returncode == 0, err
    said = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert "Training interrupted by user." in said["warned"]
    n_epochs, n_losses = map(int, said["epochs"].split())
    assert n_epochs == n_losses
    assert (n_epochs >= 3) == (when == "last")
    # Before it is known what the network is worth, the linear part is all there is.
    assert said["usable"].split()[0] == "True"
    assert when == "last" or said["usable"].split()[1] == "False"
