"""Model files: what is saved is what is loaded, and nothing else is loaded."""

import copy
import io
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from fitted import set_fields, set_theta, theta_of
from ids import plain
from model_files import (
    CASES,
    DATA,
    FILES,
    PROBLEMS,
    QUICK,
    a_function,
    again,
    assert_same,
    assert_same_estimator,
    fitted,
    golden,
)
from mutations import (
    build,
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
from skrnn.export import load, save
from skrnn.export.models import CLASSES
from skrnn.export.values import Decoder, Encoder, dump, parse
from skrnn.preprocessing import SequenceScaler
from toys import make_classes, make_sequences, make_targets

every_problem = pytest.mark.parametrize(
    "estimator, X, y", PROBLEMS.values(), ids=PROBLEMS
)


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
@settings(max_examples=150)
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
