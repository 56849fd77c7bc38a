"""Numbers mean the same in any order of bytes, in every container and method.

`scipy.io.loadmat`, h5py and zarr give arrays whose dtype has an order of bytes of its
own, even if it is that of the machine: equal to the usual dtype, but not the same.
"""

import io

import numpy as np
import pandas as pd
import pytest
import scipy.io

from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn._packing import describe
from skrnn.inputs.sequences import check_sequences
from skrnn.preprocessing import SequenceScaler

rng = np.random.default_rng(0)
X = [rng.integers(0, 5, (n, 2)).astype(np.float64) for n in (3, 4, 5, 3, 4, 6)]
Y = np.array([0, 1, 0, 1, 0, 1])
QUICK = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}
NUMBERS = ["f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def with_order(dtype, order):
    """A dtype that says its order of bytes, though it may be that of the machine."""
    return np.dtype(dtype).newbyteorder(order)


def object_array(arrays):
    array = np.empty(len(arrays), dtype=object)
    for i, x in enumerate(arrays):
        array[i] = x
    return array


def block(arrays):
    # np.stack gives the usual order of bytes.
    return np.stack([x[:3] for x in arrays]).astype(arrays[0].dtype)


CONTAINERS = {
    "list": lambda arrays: arrays,
    "one column": lambda arrays: [x[:, 0] for x in arrays],
    "strides": lambda arrays: [x[::-1, ::-1] for x in arrays],
    "object array": object_array,
    "3-D": block,
    "2-D": lambda arrays: np.ascontiguousarray(block(arrays)[:, :, 0]),
    "masked": lambda arrays: [np.ma.masked_array(x) for x in arrays],
    "Series": pd.Series,
    "frames": lambda arrays: [pd.DataFrame(x, columns=["a", "b"]) for x in arrays],
    "frame": lambda arrays: pd.DataFrame(block(arrays)[:, :, 0]),
}


def joined(sequences):
    """All numbers of transformed sequences."""
    if isinstance(sequences, pd.DataFrame):
        sequences = sequences.to_numpy()
    return np.concatenate([np.ravel(x) for x in sequences])


def answers(given, clean, y, weight):
    """What all methods make of sequences, of those with the same numbers."""
    classifier = RNNClassifier(**QUICK).fit(given, Y, weight)
    yield "fit", classifier.predict_proba(clean)
    fitted = RNNClassifier(**QUICK).fit(clean, Y)
    yield "predict_proba", fitted.predict_proba(given)
    yield "score", fitted.score(given, Y, weight)
    yield "hidden_states", np.concatenate(fitted.hidden_states(given))
    yield "partial_fit", fitted.partial_fit(given, Y).predict_proba(clean)
    regressor = RNNRegressor(**QUICK).fit(given, y, weight)
    yield "regressor", regressor.predict(given)
    scaler = SequenceScaler().fit(given, sample_weight=weight)
    yield "scaler", scaler.mean_
    scaled = scaler.transform(given)
    yield "transform", joined(scaled)
    step = np.ones(check_sequences(clean).n_features, y.dtype)
    yield "stream", fitted.stream().step(step)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4"])
def test_every_container_and_method(dtype, order, container):
    make, odd = CONTAINERS[container], with_order(dtype, order)
    y = np.arange(6.0)
    clean = make([x.astype(dtype) for x in X])
    given = make([x.astype(odd) for x in X])
    expected = answers(clean, clean, y.astype(dtype), np.ones(6))
    found = answers(
        given, clean, y.astype(odd), np.ones(6).astype(with_order("f8", order))
    )
    for (name, a), (_, b) in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("order", ["<", ">", "="])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_dtype(dtype, order):
    given = [x.astype(with_order(dtype, order)) for x in X]
    sequences = check_sequences(given)
    for i, x in enumerate(X):
        np.testing.assert_array_equal(np.asarray(sequences[i], float), x)
    mean, var = sequences.moments()
    expected = check_sequences(X).moments()
    np.testing.assert_array_equal(mean, expected[0])
    np.testing.assert_array_equal(var, expected[1])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8"])
def test_forecasts(dtype, order):
    odd = with_order(dtype, order)
    covariates, y = np.arange(80.0).reshape(40, 2) % 7, np.arange(40.0) % 5
    options = {"window": 4, **QUICK}
    expected = SequenceForecaster(2, **options).fit(covariates, y)
    found = SequenceForecaster(2, **options).fit(covariates.astype(odd), y.astype(odd))
    future = covariates[:2]
    np.testing.assert_array_equal(
        found.predict(future.astype(odd)), expected.predict(future)
    )
    panel = [np.column_stack([y, covariates])] * 2
    expected = SequenceForecaster(2, target=[0], **options).fit(panel)
    found = SequenceForecaster(2, target=[0], **options).fit(
        [table.astype(odd) for table in panel]
    )
    for a, b in zip(
        expected.predict(panel),
        found.predict([table.astype(odd) for table in panel]),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_arrays_of_loadmat():
    file = io.BytesIO()
    scipy.io.savemat(file, {"x": X[0], "z": X[1]})
    loaded = scipy.io.loadmat(file)
    given = [loaded["x"], loaded["z"]]
    assert given[0].dtype.byteorder in "<>"
    scaled = SequenceScaler().fit_transform(given)
    for a, b in zip(scaled, SequenceScaler().fit_transform(X[:2]), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_order_of_the_machine_needs_no_conversion():
    own = "<" if np.little_endian else ">"
    for dtype in ("f4", "f8"):
        given = [x.astype(with_order(dtype, own)) for x in X]
        assert describe(given).native
        assert check_sequences(given)[0] is given[0]
