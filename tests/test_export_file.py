"""Model files: what is saved is what is loaded, and nothing else is loaded."""

import copy
import functools
import io
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import sklearn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skrnn
from fitted import set_fields, set_theta, theta_of
from ids import plain
from mutations import (
    allowed_memory,
    build,
    memory_of_loading,
    mutate,
    parts,
    saved,
    sealed,
)
from quiet import no_warnings
from skrnn import (
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    estimators,
    preprocessing,
)
from skrnn._stamp import NewerVersionWarning
from skrnn.export import load, save
from skrnn.export.models import CLASSES
from skrnn.export.values import Decoder, Encoder, dump, parse
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_labels, make_sequences, make_targets

DATA = Path(__file__).parent / "data"
spec = spec_from_file_location("make_golden", DATA / "make_golden.py")
golden = module_from_spec(spec)
spec.loader.exec_module(golden)
CASES = golden.cases()
FILES = sorted(path.stem for path in DATA.glob("*.skrnn"))

QUICK = {**QUICK, "hidden_layer_sizes": 3, "max_iter": 2}
PROBLEMS = {
    "two classes": (RNNClassifier(**QUICK), *make_classes()),
    "three classes": (
        RNNClassifier(**QUICK, cell="lstm", pooling="mean", early_stopping=True),
        *make_classes(("a", "b", "c")),
    ),
    "labels": (
        RNNClassifier(**QUICK, cell="rnn", pooling="attention", segment_length=2),
        *make_labels(),
    ),
    "one target": (
        RNNRegressor(**QUICK, solver="sgd"),
        *make_targets(),
    ),
    "two targets": (
        RNNRegressor(**QUICK, bidirectional=True, dtype="float64", pooling="last"),
        *make_targets(2),
    ),
    "missing": (
        RNNRegressor(**QUICK, missing="indicator", standardize=False),
        *make_targets(),
    ),
    "pipeline": (
        make_pipeline(SequenceScaler(), RNNClassifier(**QUICK)),
        *make_classes((3, 5)),
    ),
}
every_problem = pytest.mark.parametrize(
    "estimator, X, y", PROBLEMS.values(), ids=PROBLEMS
)


@pytest.fixture(scope="module", autouse=True)
def _trace_no_other_tests():
    yield
    tracemalloc.stop()


def fitted(name="two classes", **params):
    estimator, X, y = PROBLEMS[name]
    return clone(estimator).set_params(**params).fit(X, y)


@functools.cache
def a_file():
    """The file of a small classifier."""
    return saved(fitted())


def again(estimator):
    return load(io.BytesIO(saved(estimator)))


def assert_same(actual, expected):
    """Equal as attributes are: of the same types, and to the last bit."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert set(actual) == set(expected)
        for name in expected:
            assert_same(actual[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        if expected.dtype == object:
            assert actual.tolist() == expected.tolist()
        else:
            assert actual.tobytes() == expected.tobytes()
    elif isinstance(expected, float) and np.isnan(expected):
        assert np.isnan(actual)  # a file has one NaN, without a sign
    elif isinstance(expected, float):
        assert np.float64(actual).tobytes() == np.float64(expected).tobytes()
    elif isinstance(expected, np.random.RandomState):
        assert_same(actual.get_state(legacy=False), expected.get_state(legacy=False))
    elif hasattr(expected, "get_params"):
        assert_same_estimator(actual, expected)
    else:
        assert actual == expected


def state_of(estimator):
    state = dict(vars(estimator))
    for name in ("_idle_networks", "_model", "_training"):
        state.pop(name, None)
    if hasattr(estimator, "_pack") and estimator.__sklearn_is_fitted__():
        state |= estimator._pack()
    seen = state.get("n_samples_seen_")
    if isinstance(seen, np.generic):
        state["n_samples_seen_"] = seen.item()
    return state


def assert_same_estimator(actual, expected):
    assert type(actual) is type(expected)
    assert_same(state_of(actual), state_of(expected))


# What is saved is what is loaded ---------------------------------------------------


@every_problem
def test_all_of_a_fitted_model_comes_back(estimator, X, y, tmp_path):
    estimator = clone(estimator).fit(X, y)
    save(estimator, tmp_path / "model.skrnn")
    loaded = load(tmp_path / "model.skrnn")
    assert_same_estimator(loaded, estimator)
    assert saved(loaded) == (tmp_path / "model.skrnn").read_bytes()
    for method in ("predict", "predict_proba", "decision_function", "hidden_states"):
        if hasattr(estimator, method):
            for one, other in zip(
                getattr(loaded, method)(X), getattr(estimator, method)(X), strict=True
            ):
                np.testing.assert_array_equal(one, other)


def test_loaded_arrays_are_like_others():
    """They can be written to, and do not keep the bytes of the file."""
    loaded = again(fitted())
    for array in (theta_of(loaded), loaded._pack()["_input_mean"], loaded.classes_):
        assert array.flags.writeable and array.flags.owndata


@every_problem
def test_training_goes_on_as_if_never_interrupted(estimator, X, y):
    estimator = clone(estimator).fit(X, y)
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    for going_on in ("fit", "partial_fit"):
        last.set_params(warm_start=True)
        if going_on == "partial_fit":
            last.set_params(early_stopping=False)
        loaded = again(last)
        getattr(loaded, going_on)(X, y)
        getattr(last, going_on)(X, y)
        assert_same_estimator(loaded, last)


@pytest.mark.parametrize("name", ["two classes", "one target"])
def test_loaded_models_stream(name):
    estimator = fitted(name)
    x = PROBLEMS[name][1][3]
    streams = estimator.stream(), again(estimator).stream()
    for row in x:
        one, other = (stream.step(row) for stream in streams)
        np.testing.assert_array_equal(one, other)


def test_an_adaptive_rate_that_has_stalled():
    estimator = RNNRegressor(
        **QUICK | {"max_iter": 8},
        solver="sgd",
        learning_rate="adaptive",
        tol=1e9,
        n_iter_no_change=1,
    )
    X, y = make_targets()
    with pytest.warns(sklearn.exceptions.ConvergenceWarning):
        estimator.fit(X, y)
    assert estimator._pack()["_solver_state"][1]["n_stalls"] > 0
    loaded = again(estimator)
    assert_same_estimator(loaded.partial_fit(X, y), estimator.partial_fit(X, y))


def test_scalers_learn_on():
    X = make_sequences()
    scaler = SequenceScaler().fit(X[:20])
    loaded = again(scaler)
    assert_same_estimator(loaded, scaler)
    assert_same_estimator(loaded.partial_fit(X[20:]), scaler.partial_fit(X[20:]))
    weighted = SequenceScaler(with_std=False).fit(X, sample_weight=np.arange(len(X)))
    assert_same_estimator(again(weighted), weighted)


SMALLEST = SequenceForecaster(1, window=3, max_iter=1, hidden_layer_sizes=2)
FORECASTERS = {
    name: case for name, case in CASES.items() if name.startswith("forecaster")
}


@pytest.mark.parametrize("forecaster, X, y", FORECASTERS.values(), ids=FORECASTERS)
def test_forecasters_come_back(forecaster, X, y):
    forecaster = clone(forecaster).fit(X, y)
    loaded = again(forecaster)
    assert_same_estimator(loaded, forecaster)
    assert saved(loaded) == saved(forecaster)
    assert_same(loaded.predict(X), forecaster.predict(X))
    for coverage in (0.5, 0.9):
        assert_same(
            loaded.predict_interval(X, coverage=coverage),
            forecaster.predict_interval(X, coverage=coverage),
        )
    if not hasattr(X, "index"):
        for method in ("update", "partial_fit"):
            getattr(loaded, method)(X, y)
            getattr(forecaster, method)(X, y)
            assert_same_estimator(loaded, forecaster)


def test_forecasters_of_dates_in_zones_and_of_periods():
    pandas = pytest.importorskip("pandas")
    y = golden.Integers(1).array(40)
    for index in (
        pandas.date_range("2024-03-20", periods=40, freq="D", tz="Europe/Berlin"),
        pandas.date_range("2024-03-20", periods=40, freq="h", tz="+02:30"),
        pandas.period_range("2019-04", periods=40, freq="M"),
        pandas.bdate_range("2024-03-20", periods=40),
        pandas.RangeIndex(5, 85, 2),
    ):
        forecaster = clone(SMALLEST).fit(None, pandas.Series(y, index))
        loaded = again(forecaster)
        assert_same_estimator(loaded, forecaster)
        assert_same(loaded.predict(), forecaster.predict())


def test_a_forecaster_of_many_series_is_one_table_in_a_file():
    panel = [golden.Integers(seed).array(5 + seed % 3) for seed in range(3000)]
    forecaster = clone(SMALLEST).fit(panel)
    data = saved(forecaster)
    header, arrays = parts(data)
    assert len(arrays) < 25
    assert_same_estimator(load(io.BytesIO(data)), forecaster)


def test_a_forecaster_says_which_columns_it_cannot_keep():
    forecaster = SequenceForecaster(known_future=a_function)
    with pytest.raises(TypeError, match="known_future cannot be kept"):
        saved(forecaster)


def test_models_that_are_not_fitted():
    for estimator in (
        RNNClassifier(),
        RNNRegressor((3, 4), n_jobs=-1, scoring=None),
        SequenceScaler(with_mean=False),
        make_pipeline(SequenceScaler(), RNNRegressor()),
        Pipeline([("a", None), ("b", "passthrough")]),
    ):
        assert_same_estimator(again(estimator), estimator)


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": [4, 3]},
        {"hidden_layer_sizes": np.array([4, 3])},
        {"class_weight": {1: 2, 0: 0.5}},
        {"class_weight": {"no": 2, "$yes": 0.5}},
        {"class_weight": {True: 2.0, False: np.inf}},
        {"class_weight": {b"\xff": 2, 3: 1, "3": 1, 2.5: 7}},
        {"class_weight": [{0: 1, 1: 2}, {}]},
        {"n_iter_no_change": np.inf},
        {"dtype": np.float64},
        {"random_state": np.random.RandomState(3)},
        {"scoring": "accuracy", "early_stopping": True},
        {"tol": 5e-324, "alpha": 1e308, "max_iter": 2**63 - 1},
        {"random_state": 2**32 - 1, "n_jobs": -1},
    ],
    ids=plain,
)
def test_parameters_come_back(params):
    estimator = RNNClassifier(**params)
    loaded = again(estimator)
    assert_same(loaded.get_params(), estimator.get_params())


keys = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["$array", "$dict", "", "a"]),
    st.binary(max_size=3),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
)
plain_values = st.recursive(
    st.one_of(st.none(), st.floats(), keys, st.sampled_from([np.float32, np.float64])),
    lambda values: st.one_of(
        st.lists(values, max_size=4),
        st.lists(values, max_size=4).map(tuple),
        st.dictionaries(keys, values, max_size=4),
        st.lists(st.integers(-9, 9), max_size=4).map(np.array),
    ),
    max_leaves=12,
)


@given(plain_values)
@settings(max_examples=150, deadline=None)
def test_any_plain_value_comes_back(value):
    encoder = Encoder()
    text = dump(encoder.encode(value, "value"))
    table, n_bytes = encoder.table()
    data = bytearray(n_bytes)
    for entry, array in zip(table, encoder.arrays, strict=True):
        start = entry["offset"]
        data[start : start + array.nbytes] = array.tobytes()
    decoder = Decoder(table, memoryview(bytes(data)))
    found = decoder.decode(parse(text))
    decoder.finish()
    assert_same(found, value)
    other = Encoder()
    assert dump(other.encode(found, "value")) == text


@pytest.mark.parametrize(
    "labels",
    [
        np.array([False, True]),
        *(np.array([3, 7], dtype) for dtype in "bBhHiIlLqQefd"),
        np.array([-5, 2**40], ">i8"),
        np.array(["no", "yes"]),
        np.array(["ä", "ζ\0x"], dtype="<U9"),
        np.array(["", "\U0001f600"], dtype=object),
        np.array(["2020-01-01", "2021-06-30"], dtype="datetime64[D]"),
        np.array([1, 90], dtype="timedelta64[25ms]"),
    ],
    ids=lambda labels: labels.dtype.str,
)
def test_labels_come_back(labels):
    X, codes = make_classes((0, 1))
    estimator = RNNClassifier(**QUICK).fit(X, labels[codes])
    loaded = again(estimator)
    assert loaded.classes_.dtype == estimator.classes_.dtype.newbyteorder("=")
    assert loaded.predict(X).tolist() == estimator.predict(X).tolist()
    loaded.partial_fit(X, labels[codes])


def test_names_of_features_come_back():
    pandas = pytest.importorskip("pandas")
    X, y = make_classes()
    X = [pandas.DataFrame(x, columns=["größe", "$weight"]) for x in X]
    for estimator in (RNNClassifier(**QUICK), SequenceScaler()):
        loaded = again(estimator.fit(X, y))
        assert_same(loaded.feature_names_in_, estimator.feature_names_in_)
        with pytest.raises(ValueError, match="feature names"):
            method = "predict" if hasattr(loaded, "predict") else "transform"
            getattr(loaded, method)([x.iloc[:, ::-1] for x in X])


def test_settings_of_scikit_learn_come_back():
    scaler = StandardScaler().set_output(transform="pandas")
    assert again(scaler)._sklearn_output_config == {"transform": "pandas"}
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = RNNClassifier().set_fit_request(sample_weight=True, X_val="held")
        estimator.set_score_request(sample_weight=False)
    loaded = again(estimator)
    for method in ("fit", "partial_fit", "score"):
        one, other = (
            getattr(e.get_metadata_routing(), method).requests
            for e in (loaded, estimator)
        )
        assert one == other
    assert saved(loaded) == saved(estimator)


def test_callbacks_stay_behind():
    estimator = fitted()
    expected = saved(estimator)
    estimator._skl_callbacks = [object()]
    assert saved(estimator) == expected


def test_an_interrupted_first_epoch():
    estimator = fitted()
    none = {"loss_curve_": [], "grad_norm_curve_": [], "n_iter_": 0}
    set_fields(estimator, **none, loss_=np.nan, best_loss_=np.inf)
    assert_same_estimator(again(estimator), estimator)


# Bytes -----------------------------------------------------------------------------


def test_equal_models_are_equal_bytes():
    estimator, X, y = PROBLEMS["two classes"]
    weights = {"class_weight": {"no": 1, "yes": 2}}
    first = clone(estimator).set_params(**weights).fit(X, y)
    expected = saved(first)
    assert saved(clone(first).fit(X, y)) == expected
    assert saved(clone(first).set_params(n_jobs=2).fit(X, y)) != expected
    first.predict(X)
    assert saved(first) == expected
    assert saved(pickle.loads(pickle.dumps(first))) == expected
    assert saved(copy.deepcopy(first)) == expected

    other = copy.deepcopy(first)
    other.__dict__ = dict(reversed(vars(first).items()))
    set_fields(other, _structure=dict(reversed(first._pack()["_structure"].items())))
    other.class_weight = {"yes": np.int64(2), "no": np.int8(1)}
    other.max_iter, other.shuffle = np.int64(2), np.bool_(True)
    other.alpha, other.cell = np.float64(first.alpha), np.str_("gru")
    set_theta(other, np.repeat(theta_of(first), 2)[::2])
    set_fields(other, _input_mean=first._pack()["_input_mean"].astype(">f8"))
    moments = other._pack()["_solver_state"][1]
    moments["powers"] = np.asfortranarray(moments["powers"])
    moments["powers"].flags.writeable = False
    assert saved(other) == expected


def test_a_file_is_as_its_description_says():
    """Read and written by the few lines of ``mutations.py``."""
    data = saved(fitted())
    header, arrays = parts(data)
    assert build(header, arrays) == data
    assert set(header) == {"arrays", "model", "skrnn"}
    assert header["skrnn"] == skrnn.__version__
    assert header["model"]["class"] == "RNNClassifier"
    assert data[:8] == b"\x93SKRNN\r\n" and sealed(data[:-32]) == data


# Files -----------------------------------------------------------------------------


def test_kinds_of_paths(tmp_path, monkeypatch):
    estimator = fitted()
    expected = saved(estimator)
    monkeypatch.chdir(tmp_path)
    for path in ("a", Path("b"), str(tmp_path / "c"), os.fsencode("d")):
        save(estimator, path)
        assert Path(os.fsdecode(path)).read_bytes() == expected
        assert_same_estimator(load(path), estimator)
    with open("e", "wb") as file:
        save(estimator, file)
    with open("e", "rb") as file:
        assert_same_estimator(load(file), estimator)
    with open("e", encoding="latin-1") as file:
        with pytest.raises(TypeError, match="in binary mode"):
            load(file)
    with pytest.raises(FileNotFoundError):
        load("f")
    with pytest.raises(FileNotFoundError):
        save(estimator, Path("g") / "h")
    assert sorted(os.listdir()) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("failing", ["fsync", "replace", "interrupted"])
def test_a_failure_leaves_the_old_file(failing, tmp_path, monkeypatch):
    path = tmp_path / "model.skrnn"
    path.write_bytes(b"what was there")

    def fail(*args):
        raise KeyboardInterrupt if failing == "interrupted" else OSError("disk full")

    name = "fsync" if failing == "interrupted" else failing
    monkeypatch.setattr(f"skrnn.export.file.os.{name}", fail)
    with pytest.raises((OSError, KeyboardInterrupt)):
        save(fitted(), path)
    monkeypatch.undo()
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["model.skrnn"]


def test_what_cannot_be_saved_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.skrnn"
    path.write_bytes(b"what was there")
    with pytest.raises(TypeError):
        save(LogisticRegression(), path)
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["model.skrnn"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_permissions_and_links(tmp_path):
    path, link = tmp_path / "model.skrnn", tmp_path / "link"
    umask = os.umask(0o027)
    try:
        save(fitted(), path)
    finally:
        os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    link.symlink_to(path)
    save(fitted("one target"), link)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o604
    assert isinstance(load(path), RNNRegressor)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for other in (tmp_path, pipe):
        with pytest.raises(FileExistsError, match="exists and is not a file"):
            save(fitted(), other)


# What cannot be saved --------------------------------------------------------------


def a_function(estimator, X, y):
    """What a file must not hold."""


class Derived(RNNClassifier):
    """What a reader would not know."""


def with_attribute(value):
    estimator = RNNClassifier()
    estimator.note = value
    return estimator


@pytest.mark.parametrize(
    "estimator, message",
    [
        (RNNClassifier(scoring=a_function), "scoring cannot be .*function a_function"),
        (
            make_pipeline(SequenceScaler(), RNNRegressor(scoring=a_function)),
            "rnnregressor__scoring cannot be kept",
        ),
        (RNNClassifier(class_weight={0: a_function}), r"class_weight\[0\] cannot"),
        (RNNClassifier(class_weight={(0, 1): 2}), r"class_weight .* key \(0, 1\)"),
        (RNNClassifier(hidden_layer_sizes=range(2, 4)), "hidden_layer_sizes cannot"),
        (RNNClassifier(random_state=np.random.RandomState), "random_state"),
        (LogisticRegression(), "LogisticRegression cannot .* RNNClassifier"),
        (Derived(), "Derived cannot be kept"),
        (
            GridSearchCV(RNNClassifier(), {}),
            "GridSearchCV cannot",
        ),
        (
            make_pipeline(FunctionTransformer(), RNNClassifier()),
            "FunctionTransformer of the step 'functiontransformer' cannot",
        ),
        (Pipeline([("a", RNNClassifier())], memory="cache"), "memory .* pickle"),
        (with_attribute(3), "note cannot be kept .* Delete it"),
        (RNNClassifier(class_weight={np.datetime64("2020"): 1}), "datetime64"),
        ("model", "str cannot"),
        (RNNClassifier, "ABCMeta cannot"),
        (None, "NoneType cannot"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_plain_is_refused_by_name(estimator, message):
    with pytest.raises((TypeError, ValueError), match=f"(?s){message}") as caught:
        saved(estimator)
    if "random_state" not in message:
        assert caught.type is TypeError


def test_a_search_says_what_can_be_saved():
    X, y = make_classes()
    search = GridSearchCV(RNNClassifier(**QUICK), {"alpha": [0.1]}, cv=2).fit(X, y)
    with pytest.raises(TypeError, match="best_estimator_"):
        saved(search)
    assert_same_estimator(again(search.best_estimator_), search.best_estimator_)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"max_iter": 0}, "'max_iter' parameter of RNNClassifier must be"),
        ({"n_jobs": 0}, "n_jobs must not be 0"),
        ({"hidden_layer_sizes": [0]}, "hidden_layer_sizes must hold"),
        ({"max_iter": 2**64}, "max_iter does not fit into 64 bits"),
        ({"class_weight": {"\ud800": 1}}, "surrogates"),
        ({"_theta": np.full(61, np.nan, np.float32)}, "_theta must be finite"),
        ({"_theta": np.zeros(60, np.float32)}, r"first_moment'\] must .* \(60,\)"),
        ({"_input_scale": None}, "_input_scale must not be None"),
        ({"classes_": np.array(["yes", "no"])}, "classes_ must be sorted"),
        ({"classes_": [0, 1]}, "classes_ must be an ndarray of labels"),
        ({"_solver_state": ("adam",)}, "None, or the name of a solver"),
        ({"_solver_state": ("adam", 3)}, "must be a dict"),
        ({"_solver_state": ("lbfgs", {})}, "must be one of"),
        ({"_solver_state": ("sgd", {"n_stalls": np.array(2), "a": 1})}, "lacks 'velo"),
        ({"class_weight": [{}] * 10_001}, "more than 10000 lists and objects"),
    ],
    ids=str,
)
def test_what_fit_does_not_leave_is_refused(change, message):
    estimator = fitted()
    fields = {name: change[name] for name in change if name in estimator._fields}
    set_fields(estimator, **fields)
    vars(estimator).update({n: v for n, v in change.items() if n not in fields})
    with pytest.raises(ValueError, match=message):
        saved(estimator)


def test_a_missing_attribute_is_refused():
    estimator = fitted()
    del estimator.n_features_in_
    with pytest.raises(ValueError, match="RNNClassifier .* n_features_in_ is missing"):
        saved(estimator)


# What cannot be loaded -------------------------------------------------------------


def refusal(data):
    """The message that data is refused with, in little memory."""
    found, peak = memory_of_loading(data)
    assert isinstance(found, str), found
    assert peak <= allowed_memory(data)
    return found


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda data: b"", "is not a model file"),
        (lambda data: b"PK\x03\x04" + data, "is not a model file"),
        (lambda data: data.replace(b"\r\n", b"\n", 1), "is not a model file"),
        (lambda data: data[:40], "incomplete"),
        (lambda data: data[:-1], "damaged or incomplete"),
        (lambda data: data + b"\0", "damaged or incomplete"),
        (lambda data: data[:1000] + b"\0" + data[1001:], "damaged or incomplete"),
        (lambda data: data[:8] + b"\2" + data[9:], "format is version 2, and skrnn"),
        (lambda data: sealed(data[:12] + b"\xff" * 4 + data[16:-32]), "its header"),
        (lambda data: sealed(data[:12] + b"\x31" + data[13:-32]), "its header"),
        (lambda data: build(b"\xff"), "utf-8"),
        (lambda data: build(b"{"), "Expecting"),
        (lambda data: build(b"[]"), "its header must hold"),
        (lambda data: build(b'{"arrays":NaN}'), "NaN is not JSON"),
        (lambda data: build(b'{"arrays":-Infinity}'), "-Infinity is not JSON"),
        (lambda data: build(b'{"arrays":1e999}'), "1e999 is not a float"),
        (lambda data: build(b'{"arrays":' + b"9" * 10**6 + b"}"), "64 bits"),
        (lambda data: build(b'{"arrays":1,"arrays":1}'), "a name twice"),
        (lambda data: build(DEEP.encode()), "more than 10000 lists"),
        (lambda data: build(b"[" * 100 + b"]" * 100), "nested deeper than 64"),
        (lambda data: build(b'"' + b'\\"' * 10**6), "Unterminated"),
        (lambda data: build(b'{"a":"\\ud800"}'), "surrogates"),
    ],
    ids=range(22),
)
def test_a_file_that_is_not_a_model_file_is_refused(change, message):
    assert message in refusal(change(a_file()))


def at(tree, path):
    *path, last = path.split("/")
    for name in path:
        tree = tree[int(name) if name.isdigit() else name]
    return tree, int(last) if last.isdigit() else last


FITTED, PARAMETERS = "model/fitted/", "model/parameters/"
STRUCTURE, STATE = FITTED + "_structure/", FITTED + "_training_state/"
DELETED = object()


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("skrnn", 1, "the skrnn version is not a string"),
        ("extra", 1, "its header must hold"),
        ("model", [], "not described by its class"),
        ("model/class", "os.system", "there is no class 'os.system'"),
        ("model/class", "Pipeline", "there is no 'steps'"),
        ("model/class", "SequenceScaler", "there is 'activation', which is not known"),
        ("model/class", "RNNRegressor", "there is 'class_weight', which is not known"),
        ("model/fitted", 3, "3 stands where a dict is due"),
        ("model/fitted", DELETED, "there is no 'fitted'"),
        ("model/extra", 3, "there is 'extra', which is not known"),
        ("model/output", "pandas", "set_output"),
        ("model/requests", {"fit": {"sample_weight": 3}}, "cannot be asked for by 3"),
        ("model/requests", {"fit": {"nothing": True}}, "Unexpected args"),
        ("model/requests", {"__class__": {}}, "must be one of"),
        (PARAMETERS + "no_such", 1, "there is 'no_such', which is not known"),
        (PARAMETERS + "max_iter", 2.5, "The 'max_iter' parameter of RNNClassifier"),
        (PARAMETERS + "scoring", {"$call": "f"}, "no value is written with ['$call']"),
        (PARAMETERS + "n_jobs", 0, "n_jobs must not be 0"),
        (PARAMETERS + "hidden_layer_sizes", [[1], [2, 3]], "must hold a positive"),
        (PARAMETERS + "class_weight", {"$dict": [1, 1, True, 2]}, "the key True twice"),
        (PARAMETERS + "class_weight", {"$dict": [[1], 1]}, "neither a number nor"),
        (PARAMETERS + "class_weight", {"$strings": [[3], []]}, "the number of strings"),
        (PARAMETERS + "class_weight", {"$array": 0}, "is out of order"),
        (PARAMETERS + "random_state", {"$random_state": {}}, "lacks 'bit_generator'"),
        (FITTED + "_seed", DELETED, "what was fitted lacks '_seed'"),
        (FITTED + "predict", 1, "has 'predict', which is not known"),
        (FITTED + "_theta", {"$array": 5}, "is out of order"),
        (FITTED + "classes_", ["no", "yes"], "must be an ndarray of labels"),
        (FITTED + "loss_curve_", ["a", "b"], "loss_curve_[0] must be a number"),
        (FITTED + "loss_curve_", [0.5], "disagree about the number of epochs"),
        (FITTED + "n_iter_", 3, "disagree about the number of epochs"),
        (FITTED + "t_", -1, "t_ must be an int of at least 0"),
        (FITTED + "loss_", 7.0, "loss_ must be the loss of the last epoch"),
        (FITTED + "validation_scores_", [], "must not be None"),
        (FITTED + "n_features_in_", 3, "and the network reads 2 features"),
        (FITTED + "_columns_are_steps", True, "have 1 feature"),
        (FITTED + "segment_length_", 10**9, "has 18000000043 parameters"),
        (FITTED + "out_activation_", "softmax", "must be 'logistic'"),
        (FITTED + "_multilabel", True, "must be numbered from 0"),
        (FITTED + "_input_mean", None, "is out of order"),
        (STRUCTURE + "hidden_layer_sizes", {"$tuple": [10**9]}, "parameters, and _th"),
        (STRUCTURE + "hidden_layer_sizes", {"$tuple": [2**62] * 99}, "parameters, and"),
        (
            STRUCTURE + "hidden_layer_sizes",
            {"$tuple": []},
            "like this has 3 parameters",
        ),
        (STRUCTURE + "hidden_layer_sizes", [3], "must be a tuple"),
        (STRUCTURE + "cell", "sru", "must be one of ['gru', 'lstm', 'rnn']"),
        (STRUCTURE + "cell", "lstm", "has 76 parameters, and _theta holds 61"),
        (STRUCTURE + "bidirectional", 1, "must be a bool"),
        (STRUCTURE + "segment_length", 2, "segment_length_ must be 2"),
        (STRUCTURE + "standardize", False, "_input_mean must be None"),
        (STRUCTURE + "dtype", "float64", "must be an ndarray of float64"),
        (STRUCTURE + "n_features", 10**12, "must have the shape (1000000000000,)"),
        (STRUCTURE + "n_out", 2, "parameters, and _theta holds 61"),
        (STRUCTURE + "extra", 2, "_structure has 'extra'"),
        (STATE + "bit_generator", "PCG64", "must be one of ['MT19937']"),
        (STATE + "state/pos", 625, "at least 0 and at most 624"),
        (STATE + "has_gauss", 2, "at most 1"),
        (FITTED + "_solver_state/$tuple/0", "sgd", "lacks 'velocity'"),
        (FITTED + "_solver_state/$tuple/1", {}, "is out of order"),
        ("arrays/0/dtype", "|O", "array 0 has the dtype '|O'"),
        ("arrays/0/dtype", "<f16", "array 0 has the dtype '<f16'"),
        ("arrays/0/dtype", "<U99999999", "beyond the end of the file"),
        ("arrays/0/dtype", [["a", "<f8"]], "has the dtype"),
        ("arrays/0/dtype", "<f4", "bytes before array"),
        ("arrays/0/shape", [10**12], "beyond the end of the file"),
        ("arrays/0/shape", [2**32, 2**32], "is too large"),
        ("arrays/0/shape", [2**40, 2**40, 0], "is too large"),
        ("arrays/0/shape", [-2], "is not a shape"),
        ("arrays/0/shape", [True], "is not a shape"),
        ("arrays/0/shape", 2, "is not a shape"),
        ("arrays/0/shape", [1] * 70, "is not a shape"),
        ("arrays/0/offset", 64, "array 0 must be at 0"),
        ("arrays/0/offset", -64, "array 0 must be at 0"),
        ("arrays/0/offset", False, "array 0 must be at 0"),
        ("arrays/1", {}, "array 1 is not described by"),
        ("arrays", {}, "table of arrays is not a list"),
    ],
    ids=plain,
)
def test_a_changed_header_is_refused(path, value, message):
    data = a_file()
    header, _ = parts(data)
    container, name = at(header, path)
    if value is DELETED:
        del container[name]
    else:
        container[name] = value
    body = data[16 + int.from_bytes(data[12:16], "little") : -32]
    assert message in refusal(build(header, body=body))


def changed_array(name, change):
    """A file of which an array, found by its name in the header, is another."""
    header, arrays = parts(a_file())
    place = at(header, name)
    arrays[place[0][place[1]]["$array"]] = change(
        arrays[place[0][place[1]]["$array"]].copy()
    )
    return build(header, arrays)


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


ADAM = FITTED + "_solver_state/$tuple/1/"


@pytest.mark.parametrize(
    "name, change, message",
    [
        (FITTED + "_theta", put(3, np.nan), "_theta must be finite"),
        (FITTED + "_theta", lambda a: a[:-1], "must have the shape (60,), got (61,)"),
        (FITTED + "_theta", lambda a: a[None], "_theta must have the shape (n,)"),
        (FITTED + "_input_mean", put(0, np.inf), "_input_mean must be finite"),
        (FITTED + "_input_mean", lambda a: a[:1], "must have the shape (2,)"),
        (FITTED + "_input_scale", put(1, 0.0), "_input_scale must be positive"),
        (FITTED + "_input_scale", put(1, -1.0), "_input_scale must be positive"),
        (ADAM + "n_stalls", put((), 10**9), "must be at most 440"),
        (ADAM + "n_stalls", put((), -1), "must be at least 0"),
        (ADAM + "n_stalls", lambda a: a[None], "must have the shape ()"),
        (ADAM + "first_moment", put(0, np.inf), "must be finite"),
        (ADAM + "first_moment", lambda a: a[1:], "must have the shape (61,)"),
        (ADAM + "second_moment", put(0, np.nan), "must be at least 0"),
        (ADAM + "powers", put(0, 1.5), "must be at most 1"),
        (STATE + "state/key", put(..., 0), "zeros"),
        (STATE + "state/key", lambda a: a[1:], "must have the shape (624,)"),
        (FITTED + "classes_", lambda a: a[::-1], "sorted"),
        (FITTED + "classes_", lambda a: a[[0, 0]], "sorted"),
        (FITTED + "classes_", lambda a: np.array([np.nan, 1]), "must be finite"),
        (FITTED + "classes_", lambda a: np.array([], "<U3"), "at least one label"),
        (FITTED + "classes_", lambda a: np.array(["a", "b", "c"]), "n_outputs_ must"),
        (FITTED + "classes_", lambda a: np.array([2, 3], "|u1").view("|b1"), "bool"),
        (
            FITTED + "classes_",
            lambda a: np.array([1, 0x110000], "<u4").view("<U1"),
            "a character beyond Unicode",
        ),
        (
            FITTED + "classes_",
            lambda a: np.array(["nat", "2020"], "<M8[s]"),
            "sorted",
        ),
    ],
    ids=plain,
)
def test_a_changed_array_is_refused(name, change, message):
    assert message in refusal(changed_array(name, change))


SCHEMA, READER = "model/fitted/_schema_state/", "model/fitted/_reader/"
AXIS, HISTORY = SCHEMA + "axis/", "model/fitted/_history/"


@pytest.mark.parametrize(
    "path, value, message",
    [
        (READER + "window", 2**62, "must be ('auto', 4611686018427387904), got 5"),
        (READER + "horizon", 3, "must have the shape"),
        (READER + "segment_length", 2, "segment_length_ must be 2"),
        (READER + "future_segment_length", 2**40, "must be 1"),
        (READER + "n_known_future", 10**9, "must have the shape"),
        (READER + "n_calendar", 10**9, "must have the shape"),
        (READER + "n_targets", 10**9, "n_targets must be"),
        (READER + "dtype", "float64", "dtype must be"),
        (SCHEMA + "mode", "panel", "must be 1 columns of targets"),
        (SCHEMA + "roles", ["past"], "must have the shape (1,)"),
        (SCHEMA + "roles/0", "target", "must be 0 columns of targets"),
        (SCHEMA + "roles/0", "past", "n_past_only must be 1"),
        (SCHEMA + "roles/0", "row", "must be one of"),
        (SCHEMA + "categories/1", ["a", "a"], "twice"),
        (SCHEMA + "categories/1", [["a"]], "must be a string or a number"),
        (SCHEMA + "categories/1", ["a"] * 10, "twice"),
        (SCHEMA + "categories/1", [1, 2, 3, 4], "n_known_future must be 5"),
        (SCHEMA + "feature_names", ["a"], "must be of 2 columns"),
        (SCHEMA + "feature_names", ["a", "b"], "feature_names_in_ must be"),
        (SCHEMA + "target_names", [], "must have the shape"),
        (SCHEMA + "target_names", [0, 1], "must have the shape"),
        (SCHEMA + "calendar", [["hour", 10**9]], "must be one of"),
        (SCHEMA + "calendar", [["hour", 2]] * 2, "twice"),
        (SCHEMA + "calendar", [], "n_calendar must be 0"),
        (SCHEMA + "season", 0, "at least 1"),
        (SCHEMA + "season", 25, "season_ must be 25"),
        (SCHEMA + "next_position", 2**31, "that after the last row"),
        (SCHEMA + "axis", None, "needs an index of dates"),
        (AXIS + "kind", "integer", "needs an index of dates"),
        (AXIS + "tz", "../../etc/passwd", "there is no time zone"),
        (AXIS + "tz", "Europe", "there is no time zone"),
        (AXIS + "tz", "", "there is no time zone"),
        (AXIS + "step", 0, "at least 1"),
        (AXIS + "step", 2**61, "beyond all calendars"),
        (AXIS + "origin", 2**63 - 1, "beyond all calendars"),
        (AXIS + "grid", "month", "beyond all calendars"),
        (AXIS + "extra", 1, "has 'extra'"),
        (HISTORY + "name", [], "that it announces"),
        (HISTORY + "extra", [], "has 'extra'"),
        (FITTED + "window_", 6, "window_ must be 5"),
        (FITTED + "n_features_in_", 3, "n_features_in_ must be 2"),
        (
            FITTED + "_structure/quantiles",
            {"$tuple": [0.5]},
            "belong to the loss 'quantile'",
        ),
        (FITTED + "_structure/hidden_layer_sizes", {"$tuple": [2**60]}, "parameters"),
    ],
    ids=str,
)
def test_a_changed_forecaster_is_refused(path, value, message):
    header, arrays = parts((DATA / "forecaster_hours.skrnn").read_bytes())
    container, name = at(header, path)
    container[name] = value
    assert message in refusal(build(header, arrays))


@pytest.mark.parametrize(
    "name, change, message",
    [
        (HISTORY + "n_rows", put(0, 23), "that it announces"),
        (HISTORY + "n_rows", put(0, -1), "at least 1"),
        (HISTORY + "n_rows", lambda a: np.array([2**62] * 4), "that it announces"),
        (HISTORY + "n_rows", lambda a: np.array([12, 12]), "that it announces"),
        (HISTORY + "n_past", put(0, 25), "of the same rows"),
        (HISTORY + "n_past", put(0, 23), "that after the last row"),
        (HISTORY + "n_past", put(0, 0), "at least 1"),
        (HISTORY + "position", put(0, 1), "that after the last row"),
        (HISTORY + "y", put((0, 0), np.inf), "must be finite"),
        (HISTORY + "calendar", put((0, 0), np.nan), "must be finite"),
        (HISTORY + "x", lambda a: a[:, :2], "must have the shape"),
        (FITTED + "linear_weights_", lambda a: np.zeros((6, 2)), "A window is shorter"),
        (FITTED + "gate_", put(0, 2.0), "at most 1"),
        (FITTED + "_x_scale", put(0, 0.0), "must be positive"),
        (FITTED + "_errors", lambda a: a[:, :, 1:], "must have the shape"),
    ],
    ids=plain,
)
def test_a_changed_array_of_a_forecaster_is_refused(name, change, message):
    header, arrays = parts((DATA / "forecaster_hours.skrnn").read_bytes())
    container, key = at(header, name)
    i = container[key]["$array"]
    arrays[i] = change(arrays[i].copy())
    assert message in refusal(build(header, arrays))


def test_what_is_between_and_after_arrays():
    data = a_file()
    n_header = int.from_bytes(data[12:16], "little")
    header, arrays = parts(data)
    body = bytearray(data[16 + n_header : -32])
    assert "bytes of arrays" in refusal(build(header, body=bytes(body) + b"\0"))
    assert "beyond the end" in refusal(build(header, body=bytes(body)[:-1]))
    body[header["arrays"][0]["shape"][0] * 8] = 1
    assert "bytes before array" in refusal(build(header, body=bytes(body)))
    assert "an array is not used" in refusal(build(header, [*arrays, np.zeros(2)]))


SCALER = "model/fitted/"


@pytest.mark.parametrize(
    "path, value, message",
    [
        (SCALER + "mean_", None, "is out of order"),
        (SCALER + "n_features_in_", 10**15, "must have the shape (1000000000000000,)"),
        (SCALER + "n_samples_seen_", "many", "n_samples_seen_ must be"),
        (SCALER + "n_samples_seen_", DELETED, "lacks 'n_samples_seen_'"),
        ("model/parameters/copy", 3, "copy"),
    ],
)
def test_a_changed_scaler_is_refused(path, value, message):
    header, arrays = parts(saved(SequenceScaler().fit(make_sequences())))
    container, name = at(header, path)
    if value is DELETED:
        del container[name]
    else:
        container[name] = value
    assert message in refusal(build(header, arrays))


def test_a_scaler_without_what_it_uses_is_refused():
    scaler = SequenceScaler(with_mean=False, with_std=False).fit(make_sequences())
    scaler.with_mean = True
    with pytest.raises(ValueError, match="mean_ must not be None"):
        saved(scaler)
    scaler = SequenceScaler().fit(make_sequences())
    scaler.scale_ = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="scale_ must not be 0"):
        saved(scaler)


@pytest.mark.parametrize(
    "steps, message",
    [
        ([], "must have a step"),
        ([["a", {}]], "not described by its class"),
        ([["a", "b"]], "The step 'a' is 'b'"),
        ([["a", 3]], "The step 'a' is 3"),
        ([["a", "b"], ["c", None]], "The step 'a' is 'b'"),
        ([["a"]], "a step is not described by"),
        ([["a", None], ["a", None]], "called 'a', or not again"),
        ([["a__b", None]], "called 'a__b'"),
        ([["memory", None]], "called 'memory'"),
        ([[3, None]], "name of a step must be a string"),
        (["ab"], "a step is not described by"),
        ({"a": 1}, "stands where a list is due"),
    ],
    ids=str,
)
def test_a_changed_pipeline_is_refused(steps, message):
    model = {"class": "Pipeline", "parameters": {}, "steps": steps}
    header = {"arrays": [], "model": model, "skrnn": "0.1"}
    assert message in refusal(build(header, []))
    header["model"]["parameters"] = {"memory": "a"}
    assert "'memory', which is not known" in refusal(build(header, []))


def test_a_pipeline_in_itself_is_bounded():
    pipeline = RNNRegressor()
    for _ in range(15):
        pipeline = make_pipeline(pipeline)
    assert_same_estimator(again(pipeline), pipeline)
    for _ in range(15):
        pipeline = make_pipeline(pipeline)
    with pytest.raises(ValueError, match="nested deeper than 64"):
        saved(pipeline)


def test_a_predictor_before_the_end_is_refused():
    pipeline = Pipeline([("a", RNNRegressor()), ("b", RNNRegressor())])
    with pytest.raises(ValueError, match="The step 'a' does not transform"):
        saved(pipeline)


def test_files_of_newer_versions():
    header, arrays = parts(a_file())
    header["skrnn"] = "99.1"
    newer = build(header, arrays)
    with pytest.warns(NewerVersionWarning, match="saved by skrnn 99.1 with") as caught:
        loaded = load(io.BytesIO(newer))
    assert caught[0].filename == __file__
    assert_same_estimator(loaded, fitted())
    header["model"]["parameters"]["new"] = 3
    assert "It was saved by skrnn 99.1" in refusal(build(header, arrays))
    for version in ("0.0.9", "", "unknown"):
        header["skrnn"] = version
        assert "saved by" not in refusal(build(header, arrays))


def test_parameters_that_a_file_lacks_have_their_defaults():
    """As files have them that are older than the parameter."""
    header, arrays = parts(a_file())
    del header["model"]["parameters"]["dropout"]
    loaded = load(io.BytesIO(build(header, arrays)))
    assert loaded.dropout == RNNClassifier().dropout


@pytest.mark.parametrize(
    "text",
    [
        '"loss_curve_":[' + "1.5," * 300_000,
        '"loss_curve_":[' + '"ab",' * 300_000,
        '"loss_curve_":[' + "[]," * 300_000,
        '"loss_curve_":[' + '{"a":0},' * 9000,
        '"loss_curve_":[],' + ",".join(f'"{i:x}":0' for i in range(200_000)) + ',"a":[',
        '"loss_curve_":[' + '"\\' * 300_000,
        '"loss_curve_":["' + '\\"' * 300_000,
    ],
    ids=["floats", "strings", "lists", "objects", "names", "quotes", "escapes"],
)
def test_memory_is_bounded_by_the_size(text):
    data = a_file()
    n_header = int.from_bytes(data[12:16], "little")
    header = data[16 : 16 + n_header].decode().replace('"loss_curve_":[', text, 1)
    refusal(build(header.encode(), body=data[16 + n_header : -32]))


def test_loading_large_arrays_takes_little_more_than_their_size():
    estimator = fitted("one target", hidden_layer_sizes=300, max_iter=1)
    data = saved(estimator)
    assert len(data) > 2e6
    loaded, peak = memory_of_loading(data)
    assert_same_estimator(loaded, estimator)
    assert peak < 2.5 * len(data)


# A scaler of scikit-learn whose numbers were changed may divide by almost nothing. So
# NumPy warns of infinities in scikit-learn's code, before the estimator refuses them.
@pytest.mark.filterwarnings(
    "ignore:(overflow|invalid value|divide by zero) encountered:RuntimeWarning"
)
@given(st.sampled_from(FILES), st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_files_are_refused_or_are_models(name, rng):
    """The same in numbers: ``benchmarks/fuzz_files.py``."""
    original = (DATA / f"{name}.skrnn").read_bytes()
    kind, data = mutate(original, rng)
    found, peak = memory_of_loading(data)
    assert peak <= allowed_memory(data)
    if isinstance(found, str):
        return
    assert kind != "bytes" or data == original
    assert_same_estimator(again(found), found)
    if name in CASES and CASES[name][1] is not None:
        X = CASES[name][1]
        try:
            golden.outputs(found, X)
        except ValueError:
            return


# No code ---------------------------------------------------------------------------


def test_loading_runs_nothing(tmp_path):
    """Nothing is imported, compiled, unpickled, opened or started."""
    path = tmp_path / "model.skrnn"
    save(fitted("pipeline"), path)
    program = (
        "import io, sys; from pathlib import Path; from skrnn.export import load\n"
        "data = Path(sys.argv[1]).read_bytes(); load(io.BytesIO(data))\n"
        "events = []; sys.addaudithook(lambda event, _: events.append(event))\n"
        "load(io.BytesIO(data)); found = {*events}; print(*found)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, path],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    events = set(run.stdout.split())
    assert not {e for e in events if e.split(".")[0] in ("pickle", "os", "subprocess")}
    assert not events & {"import", "compile", "exec", "open", "marshal.loads"}


def test_every_estimator_and_transformer_can_be_saved():
    # These hold other transformers, or take tables of many kinds: joblib keeps them.
    beside = {"SequenceColumns", "SequenceUnion", "make_sequence_union"}
    beside |= {"ConvolutionStream", "LogMelStream"}  # what transformers make
    for module in (estimators, preprocessing):
        for name in set(module.__all__) - beside:
            assert CLASSES[name] is getattr(module, name)


# What is checked -------------------------------------------------------------------


# Old files -------------------------------------------------------------------------


def test_every_case_has_its_files():
    assert set(CASES) <= set(FILES)
    sizes = [
        (DATA / f"{name}{ending}").stat().st_size
        for name in FILES
        for ending in (".skrnn", ".json")
    ]
    assert max(sizes) < 16_000 and sum(sizes) < 250_000


@pytest.mark.parametrize("name", FILES)
def test_old_files_predict_what_they_did(name):
    if b'"output":"pandas"' in (DATA / f"{name}.skrnn").read_bytes():
        pytest.importorskip("pandas")
    with no_warnings():
        estimator = load(DATA / f"{name}.skrnn")
    expected = json.loads((DATA / f"{name}.json").read_text())
    case, X, y = CASES[name]
    assert type(estimator) is type(case)
    if X is None:
        return
    if name == "named":
        X = golden.sequences()
    found = golden.outputs(estimator, X)
    assert json.dumps(found) == json.dumps(expected)
    assert_same_estimator(again(estimator), estimator)
    if hasattr(estimator, "partial_fit") and not hasattr(X, "index"):
        warnings.simplefilter("ignore", UserWarning)
        estimator.partial_fit(X, y)
