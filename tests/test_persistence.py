"""joblib, pickle and skops: stamped, plain, and without the data."""

import copy
import gc
import pickle
import warnings
import weakref

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import skrnn
from ids import plain
from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn._stamp import NewerVersionWarning, release
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_labels, make_sequences, make_targets

QUICK = {**QUICK, "hidden_layer_sizes": 3, "max_iter": 2}
PROBLEMS = {
    "classifier": (RNNClassifier(**QUICK, early_stopping=True), *make_classes()),
    "objects": (
        RNNClassifier(**QUICK),
        *make_classes(np.array(["no", "yes"], dtype=object)),
    ),
    "labels": (RNNClassifier(**QUICK, solver="lbfgs", max_fun=4), *make_labels()),
    "regressor": (RNNRegressor(**QUICK, solver="sgd"), *make_targets(2)),
    "forecaster": (
        SequenceForecaster(2, **QUICK, window=4),
        np.sin(np.arange(80.0)).reshape(40, 2),
        np.cos(np.arange(40.0)),
    ),
    "panel": (
        SequenceForecaster(2, **QUICK, window=4),
        [np.sin(np.arange(20.0) + i) for i in range(5)],
        None,
    ),
    "scaler": (SequenceScaler(), make_sequences(), None),
    "pipeline": (
        make_pipeline(SequenceScaler(), RNNClassifier(**QUICK)),
        *make_classes(),
    ),
}
every_problem = pytest.mark.parametrize(
    "estimator, X, y", PROBLEMS.values(), ids=PROBLEMS
)
OURS = {
    "skrnn.RNNClassifier",
    "skrnn.SequenceForecaster",
    "skrnn.RNNRegressor",
    "skrnn.preprocessing.SequenceScaler",
}


def fit(estimator, X, y):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "lbfgs failed to converge")
        return clone(estimator).fit(X, y)


def outputs(estimator, X):
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X))
    if hasattr(estimator, "predict"):
        return estimator.predict(X)
    return np.concatenate(estimator.transform(X))


def parts_of(estimator):
    return [step for _, step in getattr(estimator, "steps", [(None, estimator)])]


@every_problem
def test_every_protocol_keeps_the_bits(estimator, X, y, tmp_path):
    estimator = fit(estimator, X, y)
    expected = outputs(estimator, X)
    kept = [pickle.dumps(estimator, protocol) for protocol in range(2, 6)]
    loaded = [pickle.loads(data) for data in kept]
    for compress in (0, 3):
        joblib.dump(estimator, tmp_path / "model", compress=compress)
        loaded.append(joblib.load(tmp_path / "model"))
    buffers = []
    data = pickle.dumps(estimator, 5, buffer_callback=buffers.append)
    loaded.append(pickle.loads(data, buffers=[bytes(b) for b in buffers]))
    for other in loaded:
        np.testing.assert_array_equal(outputs(other, X), expected)


@every_problem
def test_the_stamp_of_a_newer_version_warns(estimator, X, y, tmp_path, monkeypatch):
    estimator = fit(estimator, X, y)
    names = [type(part).__name__ for part in parts_of(estimator)]
    with monkeypatch.context() as patch:
        patch.setattr("skrnn._stamp.__version__", "99.1")
        kept = pickle.dumps(estimator)
        joblib.dump(estimator, tmp_path / "model")
    for load in (lambda: pickle.loads(kept), lambda: joblib.load(tmp_path / "model")):
        with pytest.warns(NewerVersionWarning) as caught:
            loaded = load()
        assert [warning.message.estimator_name for warning in caught] == names
        for warning in caught:
            assert "saved by skrnn 99.1 with skrnn " in str(warning.message)
        np.testing.assert_array_equal(outputs(loaded, X), outputs(estimator, X))
    for part in parts_of(loaded):
        assert "_skrnn_version" not in vars(part)
        assert part.__getstate__()["_skrnn_version"] == skrnn.__version__


@every_problem
def test_the_stamp_of_an_older_version_is_quiet(estimator, X, y, monkeypatch):
    estimator = fit(estimator, X, y)
    for version in ("0.0.1", "0", skrnn.__version__, "", "unknown"):
        with monkeypatch.context() as patch:
            patch.setattr("skrnn._stamp.__version__", version)
            kept = pickle.dumps(estimator)
        with no_warnings():
            pickle.loads(kept)


def test_releases_are_compared_as_numbers():
    assert release("0.9.1") < release("0.10.0.dev0") < release("1.0rc1")
    assert release("0.1.0.dev0") == release("0.1.0")


@every_problem
def test_skops_needs_trust_in_our_classes_only(estimator, X, y):
    skops_io = pytest.importorskip("skops.io")
    estimator = fit(estimator, X, y)
    kept = skops_io.dumps(estimator)
    types = {
        f"{type(part).__module__}.{type(part).__name__}" for part in parts_of(estimator)
    }
    assert types <= OURS
    assert set(skops_io.get_untrusted_types(data=kept)) == types
    loaded = skops_io.loads(kept, trusted=sorted(types))
    np.testing.assert_array_equal(outputs(loaded, X), outputs(estimator, X))


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": np.random.RandomState(0)},
        {"n_iter_no_change": np.inf, "class_weight": {"no": 1, "yes": 2.0}},
        {"hidden_layer_sizes": np.array([3, 2]), "dtype": np.float64},
    ],
    ids=plain,
)
def test_skops_takes_the_parameters(params):
    skops_io = pytest.importorskip("skops.io")
    X, y = make_classes()
    estimator = RNNClassifier(**{**QUICK, **params}).fit(X, y)
    kept = skops_io.dumps(estimator)
    trusted = ["skrnn.RNNClassifier"]
    assert skops_io.get_untrusted_types(data=kept) == trusted
    loaded = skops_io.loads(kept, trusted=trusted)
    np.testing.assert_array_equal(outputs(loaded, X), outputs(estimator, X))


@every_problem
def test_an_estimator_holds_no_data(estimator, X, y):
    """Neither after a fit nor after predictions and streams."""
    X, y = copy.deepcopy((X, y))
    held = [weakref.ref(y)] if y is not None else []
    held += [weakref.ref(x) for x in ([X] if isinstance(X, np.ndarray) else X)]
    estimator = fit(estimator, X, y)
    outputs(estimator, X)
    last = parts_of(estimator)[-1]
    if hasattr(last, "stream"):
        stream = last.stream()
        stream.step(X[0][0])
    if hasattr(last, "partial_fit") and not getattr(last, "early_stopping", False):
        last.partial_fit(X, y)
    del X, y
    gc.collect()
    assert not any(array() is not None for array in held)


@pytest.mark.parametrize("name", ["objects", "regressor", "scaler"])
def test_the_size_of_a_pickle_does_not_depend_on_the_data(name):
    estimator, X, y = PROBLEMS[name]
    if y is not None:  # longer sequences would have longer segments, and kernels
        estimator = clone(estimator).set_params(segment_length=1)
    if name == "objects":
        estimator.set_params(convolutions=0)
    sizes = set()
    for n_times in (1, 25):
        more = [np.concatenate([x] * 2 * n_times) for x in X * n_times]
        fitted = fit(
            estimator, more, None if y is None else np.concatenate([y] * n_times)
        )
        outputs(fitted, more)
        sizes.add(len(pickle.dumps(fitted)))
    # Ints take a byte more when they are larger.
    assert max(sizes) - min(sizes) < 64


def test_a_forecaster_keeps_the_ends_of_a_panel():
    """What it goes on from: their number counts, and not their lengths."""
    forecaster, X, _ = PROBLEMS["panel"]
    sizes = [
        len(pickle.dumps(clone(forecaster).fit([np.tile(x, n) for x in X])))
        for n in (3, 30)
    ]
    assert abs(sizes[1] - sizes[0]) < 1000


def test_no_attribute_is_as_large_as_the_data():
    X, y = make_classes(n_seqs=60)
    estimator = RNNClassifier(**QUICK).fit(X, y)
    estimator.predict(X)
    assert sum(x.nbytes for x in X) > 6000

    def arrays(value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            return [array for item in value for array in arrays(item)]
        return [value] if isinstance(value, np.ndarray) else []

    kept = arrays(estimator.__getstate__())
    assert max(array.nbytes for array in kept) == 624 * 4  # the random state
    assert not any(np.shares_memory(array, x) for array in kept for x in X)
    assert all(array.base is None for array in kept)


def test_copies_share_nothing_that_training_writes():
    X, y = make_classes()
    estimator = RNNClassifier(**QUICK).fit(X, y)
    expected = outputs(estimator, X)
    for twin in (copy.copy(estimator), pickle.loads(pickle.dumps(estimator))):
        twin.partial_fit(X, y)
        assert not np.array_equal(outputs(twin, X), expected)
        np.testing.assert_array_equal(outputs(estimator, X), expected)


def test_pickles_do_not_know_of_private_modules():
    """So these can move: a pickle names the public module of each class."""
    import skrnn.plotting
    import skrnn.preprocessing

    for module in (skrnn, skrnn.plotting, skrnn.preprocessing):
        for name in module.__all__:
            if isinstance(getattr(module, name), type):
                assert getattr(module, name).__module__ == module.__name__
    X, y = make_classes()
    assert b"skrnn." not in pickle.dumps(RNNClassifier(**QUICK).fit(X, y))
