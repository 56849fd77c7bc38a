"""Model files: what cannot be saved, and what cannot be loaded."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fitted import set_fields
from ids import plain
from model_files import (
    CASES,
    DATA,
    FILES,
    QUICK,
    a_file,
    a_function,
    again,
    assert_same_estimator,
    fitted,
    golden,
)
from mutations import (
    allowed_memory,
    build,
    memory_of_loading,
    mutate,
    parts,
    saved,
    sealed,
)
from skrnn import RNNClassifier, RNNRegressor
from skrnn._stamp import NewerVersionWarning
from skrnn.export import load
from skrnn.preprocessing import SequenceScaler
from toys import make_classes, make_sequences


@pytest.fixture(scope="module", autouse=True)
def _trace_no_other_tests():
    yield
    tracemalloc.stop()


# What cannot be saved --------------------------------------------------------------


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
@settings(max_examples=400)
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
