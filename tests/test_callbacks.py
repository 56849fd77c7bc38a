"""scikit-learn's callbacks: one task an epoch, and a callback may stop the fit."""

import importlib.util
import pickle
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import skrnn._callbacks
from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor
from skrnn.estimators._epoch_tasks import EpochTasks
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_targets

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:  # scikit-learn < 1.9
    ProgressBar = ScoringMonitor = None

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
needs_callbacks = pytest.mark.skipif(
    ScoringMonitor is None, reason="scikit-learn < 1.9 has no callbacks"
)
PROBLEMS = [
    pytest.param(
        RNNClassifier(**QUICK), *make_classes(("a", "b", "c")), id="classifier"
    ),
    pytest.param(RNNRegressor(**QUICK), *make_targets(), id="regressor"),
]
both = pytest.mark.parametrize("estimator, X, y", PROBLEMS)


class Silent:
    """A callback that does nothing."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, context.max_subtasks))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.events.append(("end", context.task_name, context.task_id))
        self.last = X, y, metadata, fitted_estimator


class StopAfter(Silent):
    """Stops every fit after some epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id + 1 >= self.n_epochs


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@both
def test_one_task_an_epoch(estimator, X, y, solver):
    recorder = Recorder()
    estimator = clone(estimator).set_params(solver=solver, max_iter=4)
    estimator.set_callbacks(recorder).fit(X, y)
    epochs = [
        (event, "epoch", i)
        for i in range(estimator.n_iter_)
        for event in ("begin", "end")
    ]
    assert recorder.events == [
        ("setup", "fit", 4),
        ("begin", "fit", 0),
        *epochs,
        ("end", "fit", 0),
        ("teardown", "fit"),
    ]
    assert set(vars(estimator)) == set(vars(clone(estimator).fit(X, y)))


@needs_callbacks
@both
def test_callbacks_get_a_fitted_estimator_and_the_training_data(estimator, X, y):
    seen = []

    class Look(Recorder):
        def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
            seen.append((X, y, fitted_estimator.predict(X)))

    weight = np.arange(len(X)) % 3 / 2
    recorder = Recorder()
    estimator = clone(estimator).set_params(max_iter=3, learning_rate="constant")
    estimator.set_callbacks(Look(), recorder).fit(X, y, sample_weight=weight)
    kept = np.flatnonzero(weight)
    for X_seen, y_seen, _ in seen:
        assert all(a is X[i] for a, i in zip(X_seen, kept, strict=True))
        np.testing.assert_array_equal(y_seen, y[kept])
    # Each epoch is seen as it was: like a fit that ended there.
    for n_epochs, (X_seen, _, predicted) in enumerate(seen[:3], 1):
        shorter = clone(estimator).set_callbacks().set_params(max_iter=n_epochs)
        shorter.fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(shorter.predict(X_seen), predicted)
    np.testing.assert_array_equal(recorder.last[2]["sample_weight"], weight[kept])


@needs_callbacks
def test_callbacks_do_not_see_what_is_held_out():
    X, y = make_classes()
    recorder = Recorder()
    estimator = RNNClassifier(**QUICK, early_stopping=True, validation_fraction=0.25)
    estimator.set_callbacks(recorder).fit(X, y)
    assert len(recorder.last[0]) == len(recorder.last[1]) == 30
    assert recorder.last[2] is None
    np.testing.assert_array_equal(
        recorder.last[3].predict_proba(X), estimator.predict_proba(X)
    )


@needs_callbacks
@pytest.mark.parametrize("learning_rate", ["constant", "linear"])
@both
def test_a_callback_stops_the_fit(estimator, X, y, learning_rate):
    estimator = clone(estimator).set_params(learning_rate=learning_rate)
    stopped = clone(estimator).set_callbacks(StopAfter(3))
    with no_warnings():
        stopped.fit(X, y)
    assert stopped.n_iter_ == 3
    if learning_rate == "constant":
        short = clone(estimator).set_params(max_iter=3).fit(X, y)
        np.testing.assert_array_equal(stopped.predict(X), short.predict(X))


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@both
def test_a_callback_stops_the_fits_of_a_search(estimator, X, y, n_jobs):
    estimator = clone(estimator).set_callbacks(StopAfter(3))
    search = GridSearchCV(estimator, {"cell": ["rnn", "gru"]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y)
    assert search.best_estimator_.n_iter_ == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@both
def test_scoring_monitor_in_a_search(estimator, X, y, n_jobs):
    scoring = "accuracy" if isinstance(estimator, RNNClassifier) else "r2"
    monitor = ScoringMonitor(scoring=scoring)
    estimator = clone(estimator).set_params(max_iter=3).set_callbacks(monitor)
    search = GridSearchCV(estimator, {"cell": ["rnn", "gru"]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y)
    for log in monitor.get_logs(select="all")[-1:]:
        rows = [row for row in log.data if row["task_name"] == "epoch"]
        assert len(rows) in (3, 15)  # of one fit, or of all in one run
        assert all(np.isfinite(row[scoring]) for row in rows)
    alone = ScoringMonitor(scoring=scoring)
    fitted = clone(estimator).set_callbacks(alone).fit(X, y)
    rows = [row for row in alone.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 3
    assert rows[-1][scoring] == fitted.score(X, y)


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_of_a_search(n_jobs, capsys):
    pytest.importorskip("rich")
    X, y = make_classes()
    estimator = RNNClassifier(**QUICK)
    search = GridSearchCV(estimator, {"cell": ["rnn", "gru"]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X, y)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "RNNClassifier - fit" in shown
    assert "100%" in shown


@needs_callbacks
def test_progress_bar_of_a_search_over_a_pipeline(capsys):
    pytest.importorskip("rich")
    X, y = make_classes()
    pipeline = make_pipeline(SequenceScaler(), RNNClassifier(**QUICK))
    grid = {"rnnclassifier__cell": ["rnn", "gru"]}
    search = GridSearchCV(pipeline, grid, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "RNNClassifier - fit" in capsys.readouterr().out


@needs_callbacks
@both
def test_an_error_in_a_callback_changes_nothing(estimator, X, y):
    class Broken(Recorder):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "epoch" and context.task_id == 1:
                raise RuntimeError("out of order")

    broken = Broken()
    estimator = clone(estimator).fit(X, y).set_callbacks(broken)
    before = estimator.predict(X), dict(vars(estimator))
    with pytest.raises(RuntimeError, match="out of order"):
        estimator.fit(X, y)
    assert broken.events[-1] == ("teardown", "fit")
    np.testing.assert_array_equal(estimator.predict(X), before[0])
    assert vars(estimator) == before[1]


@needs_callbacks
@both
def test_callbacks_are_not_saved_with_a_model(estimator, X, y):
    estimator = clone(estimator).set_callbacks(StopAfter(1))
    # A search sends them to its workers so.
    assert "_skl_callbacks" in vars(pickle.loads(pickle.dumps(estimator)))
    estimator.fit(X, y)
    assert "_skl_callbacks" not in vars(pickle.loads(pickle.dumps(estimator)))
    assert clone(estimator).fit(X, y).n_iter_ == 1


@needs_callbacks
@both
def test_callbacks_are_for_fit_only(estimator, X, y):
    recorder = Recorder()
    estimator = clone(estimator).fit(X, y).set_callbacks(recorder)
    estimator.partial_fit(X, y)
    assert not recorder.events


def test_without_callbacks(monkeypatch):
    """What is left when scikit-learn has none."""
    source = skrnn._callbacks.__file__
    spec = importlib.util.spec_from_file_location("_callbacks_of_old", source)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec.loader.exec_module(module)
    assert not hasattr(module.CallbackSupportMixin, "set_callbacks")
    assert module.with_callbacks(len) is len
    tasks = EpochTasks(object(), 3, dict, {})
    assert not tasks.watched
    tasks.end()


@both
def test_estimators_offer_callbacks_where_scikit_learn_does(estimator, X, y):
    assert hasattr(estimator, "set_callbacks") == (ScoringMonitor is not None)
    assert clone(estimator).fit(X, y).n_iter_ == QUICK["max_iter"]
