"""Model files of tests: those of small problems, and the golden ones."""

import functools
import io
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from mutations import saved
from skrnn import (
    RNNClassifier,
    RNNRegressor,
)
from skrnn.export import load
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_labels, make_targets

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


def a_function(estimator, X, y):
    """What a file must not hold."""
