"""The classifier and the regressor on ragged lists, as users meet them."""

import ast
import copy
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from numpydoc.docscrape import ClassDoc
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from threadpoolctl import threadpool_limits

import skrnn
from fitted import set_theta, theta_of
from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor, _recurrence
from skrnn.inputs.packed import auto_segment_length
from skrnn.training import Trainer
from toy_estimators import (
    THREE,
    assert_same_outputs,
    both,
    classifier,
    every_problem,
    outputs,
    regressor,
)
from toys import QUICK, STEADY, make_classes, make_labels, make_sequences, make_targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


needs_openmp = pytest.mark.skipif(
    _recurrence.build_info()["OpenMP"] == "no", reason="compiled without OpenMP"
)


NETWORKS = [
    {"cell": "rnn"},
    {"cell": "rnn", "activation": "relu"},
    {"cell": "lstm", "pooling": "mean"},
    {"cell": "gru", "hidden_layer_sizes": (6, 5), "bidirectional": True},
    {"pooling": "max", "segment_length": 3},
    {"pooling": "attention", "dtype": "float64", "missing": "indicator"},
]


# Learning ------------------------------------------------------------------------


@every_problem
def test_learns(estimator, X, y):
    X_test, y_test = X[30:], y[30:]
    assert clone(estimator).fit(X[:30], y[:30]).score(X_test, y_test) > 0.65


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_learns_with_every_network(network):
    X, y = make_classes(THREE)
    assert classifier(**network).fit(X, y).score(X, y) > 0.85
    X, y = make_targets()
    assert regressor(**network, max_iter=30).fit(X, y).score(X, y) > 0.7


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_learns_with_every_solver(solver):
    X, y = make_classes()
    estimator = classifier(solver=solver, learning_rate_init=0.05, max_iter=30)
    assert estimator.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize(
    "labels",
    [(0, 1), (7, -3), (False, True), ("x", "y", "z"), (1.0, 2.0, 5.0)],
    ids=str,
)
def test_labels_come_back_as_they_were(labels):
    X, y = make_classes(labels)
    estimator = classifier().fit(X, y)
    assert estimator.classes_.dtype == y.dtype
    np.testing.assert_array_equal(estimator.classes_, np.unique(y))
    assert estimator.predict(X).dtype == y.dtype
    assert set(estimator.predict(X)) <= set(y)


def test_one_class_is_always_predicted():
    X = make_sequences(5)
    estimator = classifier().fit(X, ["only"] * 5)
    assert set(estimator.predict(X)) == {"only"}
    np.testing.assert_array_equal(estimator.predict_proba(X), np.ones((5, 1)))
    np.testing.assert_array_equal(estimator.predict_log_proba(X), np.zeros((5, 1)))


@pytest.mark.parametrize(
    "estimator, X, y, shape, activation",
    [
        (classifier(), *make_classes(), (), "logistic"),
        (classifier(), *make_classes(THREE), (3,), "softmax"),
        (classifier(), *make_labels(), (3,), "logistic"),
    ],
    ids=["binary", "multiclass", "multilabel"],
)
def test_scores_and_probabilities(estimator, X, y, shape, activation):
    estimator = clone(estimator).fit(X, y)
    predicted, proba, log_proba, scores = outputs(estimator, X)
    assert predicted.shape == y.shape
    assert scores.shape == (len(X), *shape)
    assert estimator.out_activation_ == activation
    assert proba.dtype == log_proba.dtype == scores.dtype == np.float64
    np.testing.assert_allclose(np.exp(log_proba), proba, rtol=1e-14)
    if y.ndim == 2:
        np.testing.assert_array_equal(predicted, proba > 0.5)
        np.testing.assert_allclose(proba, 1 / (1 + np.exp(-scores)), rtol=1e-13)
    else:
        assert proba.shape == (len(X), len(estimator.classes_))
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=3e-16)
        best = estimator.classes_[proba.argmax(axis=1)]
        np.testing.assert_array_equal(predicted, best)


def test_regressor_keeps_the_shape_of_y():
    X, y = make_targets()
    assert regressor().fit(X, y).predict(X).shape == (40,)
    assert regressor().fit(X, np.column_stack([y, y])).predict(X).shape == (40, 2)
    with pytest.warns(DataConversionWarning):
        assert regressor().fit(X, y[:, np.newaxis]).predict(X).shape == (40,)


def test_constant_targets():
    X = make_sequences()
    y = np.column_stack([np.full(40, 0.1), np.full(40, -1e300)])
    predicted = regressor(max_iter=2, tol=1e-3).fit(X, y).predict(X)
    np.testing.assert_allclose(predicted, y, rtol=1, atol=1)


def test_targets_of_any_scale():
    # Powers of two change no bit of the standardised targets.
    X, y = make_targets()
    predicted = regressor().fit(X, y).predict(X)
    scaled = regressor().fit(X, y * 2.0**200).predict(X)
    np.testing.assert_array_equal(scaled, predicted * 2.0**200)


@both
def test_inputs_of_any_scale(estimator, X, y):
    expected = outputs(clone(estimator).fit(X, y), X)
    scale = np.array([2.0**100, 2.0**-70])
    scaled = [x * scale for x in X]
    assert_same_outputs(outputs(clone(estimator).fit(scaled, y), scaled), expected)


@both
def test_without_standardisation_the_scale_is_the_users(estimator, X, y):
    estimator = clone(estimator).set_params(standardize=False, max_iter=2)
    fitted = estimator.fit(X, y)
    expected = outputs(fitted, X)
    shifted = [x + 1.0 for x in X]
    assert not np.array_equal(outputs(fitted, shifted)[-1], expected[-1])
    assert np.isfinite(expected[-1]).all()


# The same bits -------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("make", [classifier, regressor])
def test_prediction_depends_on_nothing_but_the_sequence(make, network):
    X, y = make_classes(THREE) if make is classifier else make_targets()
    estimator = make(max_iter=3, **network).fit(X, y)
    expected = outputs(estimator, X)
    alone = zip(*(outputs(estimator, [x]) for x in X), strict=True)
    assert_same_outputs([np.concatenate(a) for a in alone], expected)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = outputs(estimator, [X[i] for i in order])
    assert_same_outputs(shuffled, [e[order] for e in expected])
    threaded = copy.deepcopy(estimator).set_params(n_jobs=3)
    assert_same_outputs(outputs(threaded, X), expected)
    repeated = outputs(estimator, X * 5)
    assert_same_outputs(repeated, [np.concatenate([e] * 5) for e in expected])


@both
def test_every_form_of_the_same_sequences_is_the_same(estimator, X, y):
    block = np.random.default_rng(0).normal(size=(40, 6, 2))
    forms = {
        "block": block,
        "list": list(block),
        "nested lists": block.tolist(),
        "Fortran order": np.asfortranarray(block),
    }
    expected = outputs(clone(estimator).fit(block, y), block)
    for form in forms.values():
        fitted = clone(estimator).fit(form, y)
        for other in forms.values():
            assert_same_outputs(outputs(fitted, other), expected)


@both
def test_containers_of_other_packages(estimator, X, y):
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    expected = outputs(clone(estimator).fit(X, y), X)
    array = np.empty(len(X), dtype=object)
    array[:] = X
    for container in (
        tuple(X),
        array,
        pd.Series(X, index=np.arange(len(X))[::-1]),
        pl.Series([x.tolist() for x in X]),
    ):
        for targets in (y, list(y), pd.Series(y, index=range(7, 47)), pl.Series(y)):
            fitted = clone(estimator).fit(container, targets)
            # Labels have a type of their container; the numbers are the same.
            assert_same_outputs(outputs(fitted, container)[-1:], expected[-1:])
    frames = [pd.DataFrame(x, columns=["speed", "height"]) for x in X]
    fitted = clone(estimator).fit(frames, y)
    np.testing.assert_array_equal(fitted.feature_names_in_, ["speed", "height"])
    assert_same_outputs(outputs(fitted, frames), expected)


def test_labels_of_other_packages():
    pd = pytest.importorskip("pandas")
    X, y = make_classes(("a", "b", "c"))
    expected = classifier().fit(X, y).predict_proba(X)
    for labels in (
        pd.Series(y, dtype="category"),
        pd.Series(y, dtype=object),
        pd.Series(y, dtype="string"),
    ):
        fitted = classifier().fit(X, labels)
        np.testing.assert_array_equal(fitted.predict_proba(X), expected)
        assert set(fitted.predict(X)) <= {"a", "b", "c"}
    X, y = make_classes((0, 1))
    expected = classifier().fit(X, y).predict_proba(X)
    for dtype in ("Int64", "boolean", "bool", "float32", "int8"):
        fitted = classifier().fit(X, pd.Series(y).astype(dtype))
        np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_sparse_labels():
    X, y = make_labels()
    fitted = classifier(max_iter=2).fit(X, sparse.csr_array(y))
    expected = classifier(max_iter=2).fit(X, y)
    assert_same_outputs(outputs(fitted, X), outputs(expected, X))


@both
def test_prediction_in_several_batches(estimator, X, y, monkeypatch):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)
    expected = outputs(estimator, X)
    for rows in (1, 7, 50):
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_ROWS", rows)
        monkeypatch.setattr("skrnn.models.sequence.PREDICTION_SEQS", rows)
        assert_same_outputs(outputs(estimator, X), expected)


@both
def test_prediction_from_several_threads(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=2).fit(X, y)
    expected = outputs(estimator, X)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: outputs(estimator, X), range(40)):
            assert_same_outputs(got, expected)


@both
def test_prediction_is_of_the_last_fit(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=2)
    previous = None
    for method in ("fit", "partial_fit", "fit", "partial_fit"):
        getattr(estimator, method)(X, y)
        now = outputs(estimator, X)
        assert_same_outputs(now, outputs(pickle.loads(pickle.dumps(estimator)), X))
        assert previous is None or not np.array_equal(now[-1], previous[-1])
        previous = now


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@both
def test_fits_of_one_random_state_are_the_same(estimator, X, y, dropout):
    estimator = clone(estimator).set_params(
        dropout=dropout, recurrent_dropout=dropout, early_stopping=True, max_iter=4
    )
    first = clone(estimator).fit(X, y)
    for again in (
        clone(estimator).fit(X, y),
        clone(estimator).set_params(n_jobs=2).fit(X, y),
        clone(estimator).set_params(random_state=np.random.RandomState(0)).fit(X, y),
    ):
        assert_same_outputs(outputs(again, X), outputs(first, X))
        assert again.loss_curve_ == first.loss_curve_
    other = clone(estimator).set_params(random_state=1).fit(X, y)
    assert other.loss_curve_ != first.loss_curve_


def test_n_jobs_follows_joblib(monkeypatch):
    threads = []
    X, y = make_classes()
    estimator = classifier(max_iter=1).fit(X, y)
    fit = Trainer.fit

    def spy(self, *args, **kwargs):
        threads.append(self.options.n_threads)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "fit", spy)
    monkeypatch.setattr("skrnn.estimators._parameters.max_threads", lambda: 4)
    for n_jobs in (None, 1, 2, 1000):
        estimator.set_params(n_jobs=n_jobs).fit(X, y)
    with joblib.parallel_config("threading", n_jobs=2):
        estimator.set_params(n_jobs=None).fit(X, y)
    assert threads == [1, 1, 2, 4, 2]


@needs_openmp
def test_n_jobs_heeds_threadpoolctl():
    estimator = classifier(n_jobs=7)
    for limit in (3, 1, 9):
        with threadpool_limits(limit):
            assert estimator._n_threads() == min(limit, 7)
        with threadpool_limits(limit, user_api="blas"):
            assert estimator._n_threads() == min(_recurrence.max_threads(), 7)


# What a fitted estimator shows ---------------------------------------------------


@both
def test_fitted_attributes(estimator, X, y):
    estimator = clone(estimator).set_params(max_iter=5, hidden_layer_sizes=(4, 3))
    estimator.fit(X, y)
    assert estimator.n_features_in_ == 2
    assert estimator.n_layers_ == 4
    assert estimator.n_outputs_ == (3 if hasattr(estimator, "classes_") else 1)
    assert estimator.n_iter_ == 5
    assert estimator.t_ == 5 * len(X)
    assert estimator.loss_ == estimator.loss_curve_[-1]
    assert estimator.best_loss_ == min(estimator.loss_curve_)
    assert len(estimator.loss_curve_) == len(estimator.grad_norm_curve_) == 5
    assert estimator.validation_scores_ is None
    assert estimator.validation_loss_curve_ is None
    assert estimator.best_validation_score_ is None
    assert estimator.segment_length_ == 1


@both
def test_weights(estimator, X, y):
    estimator = clone(estimator).set_params(bidirectional=True, pooling="attention")
    weights = estimator.fit(X, y).weights_
    assert weights["layer0.W"].shape == (2, 24)
    assert weights["layer0.reverse.U"].shape == (8, 24)
    assert weights["attention.q"].shape == (16,)
    assert weights["head.b"].shape == (estimator.n_outputs_,)
    with pytest.raises(ValueError, match="read-only"):
        weights["head.b"][0] = 1.0


def test_hidden_states():
    X, y = make_classes()
    estimator = classifier(hidden_layer_sizes=(3, 4), pooling="last").fit(X, y)
    states = estimator.hidden_states(X)
    assert [h.shape for h in states] == [(len(x), 4) for x in X]
    last = np.array([h[-1] for h in states])
    W, b = estimator.weights_["head.W"], estimator.weights_["head.b"]
    np.testing.assert_allclose(
        last @ W[:, 0] + b, estimator.decision_function(X), rtol=1e-4, atol=1e-5
    )
    # States are causal: a longer sequence begins with the states of a shorter one.
    for x, h in zip(X, states, strict=True):
        np.testing.assert_array_equal(estimator.hidden_states([x[:3]])[0], h[:3])
    estimator.set_params(segment_length=3, bidirectional=True).fit(X, y)
    shapes = [h.shape for h in estimator.hidden_states(X)]
    assert shapes == [(-(-len(x) // 3), 8) for x in X]


def test_attention_weights():
    X, y = make_classes()
    assert not hasattr(classifier().fit(X, y), "attention_weights")
    estimator = classifier(pooling="attention").fit(X, y)
    weights = estimator.attention_weights(X)
    assert [len(w) for w in weights] == [len(x) for x in X]
    np.testing.assert_allclose([w.sum() for w in weights], 1, rtol=1e-6)
    assert min(w.min() for w in weights) > 0
    estimator.set_params(pooling="last")
    assert estimator.attention_weights(X[:1])[0].shape == (1,)


@both
def test_missing_values(estimator, X, y):
    X = copy.deepcopy(X)
    rng = np.random.default_rng(0)
    for x in X:
        x[rng.random(x.shape) < 0.2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        clone(estimator).fit(X, y)
    estimator = clone(estimator).set_params(missing="indicator", max_iter=40)
    assert estimator.fit(X, y).score(X, y) > 0.7
    assert estimator.__sklearn_tags__().input_tags.allow_nan
    estimator.set_params(missing="error")
    assert np.isfinite(outputs(estimator, X)[-1]).all()


@pytest.mark.parametrize("standardize", [True, False])
def test_an_unknown_value_is_read_as_the_mean(standardize):
    X, y = make_classes()
    X = [x + 100.0 for x in X]
    X[3][:, 1] = np.nan
    estimator = classifier(missing="indicator", standardize=standardize, max_iter=2)
    estimator.fit(X, y)
    mean = np.nanmean(np.concatenate(X)[:, 1])
    x = np.array([[100.0, np.nan], [101.0, mean], [99.0, 102.0]])
    # The indicator alone tells an unknown value from one that is the mean.
    W = estimator.weights_["layer0.W"].copy()
    W[3] = 0.0
    theta = theta_of(estimator).copy()
    theta[: W.size] = W.ravel()
    set_theta(estimator, theta)
    known = np.where(np.isnan(x), mean, x)
    np.testing.assert_allclose(
        estimator.decision_function([x]),
        estimator.decision_function([known]),
        rtol=1e-5,
    )


def test_a_feature_that_nobody_knows():
    X, y = make_classes()
    for x in X:
        x[:, 1] = np.nan
    estimator = classifier(missing="indicator").fit(X, y)
    assert estimator.score(X, y) > 0.9


@pytest.mark.parametrize(
    "lengths, expected",
    [
        ([1], 1),
        ([7, 15, 29], 1),
        ([39], 1),
        ([40], 2),
        ([30, 65, 500], 3),
        ([150] * 5, 7),
        ([319], 15),
        ([320], 16),
        ([10**6], 16),
    ],
)
def test_automatic_segment_length(lengths, expected):
    assert auto_segment_length(np.array(lengths)) == expected


def test_automatic_segment_length_counts_weights():
    lengths = np.array([300, 30, 90])
    weights = np.array([1.0, 2.0, 3.0])
    repeated = auto_segment_length(np.repeat(lengths, weights.astype(int)))
    assert auto_segment_length(lengths, weights) == repeated == 4
    X = [np.zeros((n, 1)) + n for n in (300, 30, 90)]
    estimator = regressor(max_iter=1).fit(X, [1.0, 2.0, 3.0])
    assert estimator.segment_length_ == 4


@both
def test_verbose_prints_an_epoch_a_line(estimator, X, y, capsys):
    estimator = clone(estimator).set_params(verbose=True, max_iter=4).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for i, (line, loss) in enumerate(zip(lines, estimator.loss_curve_, strict=True)):
        assert re.match(rf"Iteration {i + 1}, loss = {loss:.8f}", line)
    estimator.set_params(verbose=False).fit(X, y)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "adaptive"])
@both
def test_convergence_warning(estimator, X, y, learning_rate):
    estimator = clone(estimator).set_params(learning_rate=learning_rate, max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\)"):
        estimator.fit(X, y)


@both
def test_a_linear_learning_rate_makes_all_epochs(estimator, X, y):
    """Whatever the training loss does, and without a warning at their end."""
    estimator = clone(estimator).set_params(tol=1e3, n_iter_no_change=1)
    with no_warnings():
        assert estimator.fit(X, y).n_iter_ == 12
    estimator.set_params(early_stopping=True)
    assert estimator.fit(X, y).n_iter_ == 3
    estimator.set_params(early_stopping=False, learning_rate="constant")
    assert estimator.fit(X, y).n_iter_ == 3


@both
def test_lbfgs_drops_nothing(estimator, X, y):
    estimator = clone(estimator).set_params(solver="lbfgs", max_iter=5)
    assert estimator.dropout and estimator.recurrent_dropout
    estimator.fit(X, y)
    sparing = clone(estimator).set_params(**STEADY).fit(X, y)
    assert sparing.loss_curve_ == estimator.loss_curve_
    assert_same_outputs(outputs(sparing, X), outputs(estimator, X))


# Keeping -------------------------------------------------------------------------


@every_problem
def test_saved_models_predict_the_same_bits(estimator, X, y, tmp_path):
    estimator = clone(estimator).set_params(max_iter=3).fit(X, y)
    expected = outputs(estimator, X)
    path = tmp_path / "model.joblib"
    joblib.dump(estimator, path)
    for loaded in (
        joblib.load(path),
        joblib.load(path, mmap_mode="r"),
        pickle.loads(pickle.dumps(estimator)),
        copy.copy(estimator),
        copy.deepcopy(estimator),
    ):
        assert_same_outputs(outputs(loaded, X), expected)
        loaded.set_params(warm_start=True).fit(X, y)
    assert_same_outputs(outputs(estimator, X), expected)


@both
def test_state_is_plain(estimator, X, y):
    """What safe formats take without trust in more than the estimator's class."""
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=2).fit(X, y)

    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        elif isinstance(value, np.ndarray):
            assert value.dtype != object
        else:
            assert value is None or type(value) in (bool, int, float, str, np.float64)

    check(estimator.__getstate__())


@both
def test_safe_formats_need_trust_in_the_class_only(estimator, X, y):
    skops_io = pytest.importorskip("skops.io")
    estimator = clone(estimator).set_params(early_stopping=True, max_iter=2).fit(X, y)
    kept = skops_io.dumps(estimator)
    cls = type(estimator)
    trusted = [f"{cls.__module__}.{cls.__name__}"]
    assert skops_io.get_untrusted_types(data=kept) == trusted
    loaded = skops_io.loads(kept, trusted=trusted)
    assert_same_outputs(outputs(loaded, X), outputs(estimator, X))
    loaded.set_params(early_stopping=False).partial_fit(X, y)


def test_models_of_newer_versions_warn():
    X, y = make_classes()
    estimator = classifier(max_iter=1).fit(X, y)
    stamped = estimator.__getstate__()
    assert stamped["_skrnn_version"] == skrnn.__version__
    loaded = RNNClassifier()
    with no_warnings():
        for version in (skrnn.__version__, "0.0.9", "0.1.0"):
            loaded.__setstate__(stamped | {"_skrnn_version": version})
    with pytest.warns(UserWarning, match="saved by skrnn 99.1 with skrnn"):
        loaded.__setstate__(stamped | {"_skrnn_version": "99.1"})
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert "_skrnn_version" not in vars(loaded)


# Documentation -------------------------------------------------------------------


@both
def test_html_links_every_parameter_to_its_documentation(estimator, X, y):
    html = clone(estimator).set_params(max_iter=1).fit(X, y)._repr_html_()
    name = type(estimator).__name__
    assert f"https://skrnn.readthedocs.io/en/latest/generated/skrnn.{name}.html" in html


def described(cls, section):
    return {p.name: (p.type, p.desc) for p in ClassDoc(cls)[section]}


@pytest.mark.parametrize("cls", [RNNClassifier, RNNRegressor])
def test_every_parameter_and_attribute_is_described(cls):
    parameters = inspect.signature(cls).parameters
    documented = described(cls, "Parameters")
    assert list(documented) == list(parameters)
    for name, (type_, _) in documented.items():
        default = type_.rpartition("default=")[2]
        assert parameters[name].default == ast.literal_eval(default), name
    X, y = make_classes((0, 1))
    fitted = cls(**QUICK).set_params(early_stopping=True).fit(X, y)
    shown = {a for a in dir(fitted) if a.endswith("_") and not a.startswith("_")}
    sometimes = {"categories_", "feature_names_in_"}
    assert shown - sometimes == set(described(cls, "Attributes")) - sometimes


def test_shared_descriptions_do_not_drift():
    own = {"standardize", "early_stopping", "out_activation_"}
    own |= {"bidirectional", "convolutions", "pooling"}
    unlike = set()
    for section in ("Parameters", "Attributes"):
        one, other = (described(c, section) for c in (RNNClassifier, RNNRegressor))
        for name in set(one) & set(other) - own:
            assert one[name][1] == other[name][1], name
            if one[name][0] != other[name][0]:
                unlike.add(name)
    assert unlike == {"alpha", "dropout", "learning_rate_init"}  # in their defaults


# The package ---------------------------------------------------------------------


def test_import_of_sources_that_are_not_compiled(tmp_path):
    package = tmp_path / "skrnn"
    package.mkdir()
    shutil.copy(skrnn.__file__, package)
    # Without the site packages, where an editable installation may be.
    run = subprocess.run(
        [sys.executable, "-S", "-c", "import skrnn"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    message = run.stderr.splitlines()[-1]
    assert message.startswith("ImportError: This folder holds the sources of skrnn")
    assert "pip install -e ." in message


def test_show_versions(capsys):
    skrnn.show_versions()
    text = capsys.readouterr().out
    for word in ("skrnn", "numpy", "scikit-learn", "compiler", "instruction set"):
        assert word in text
