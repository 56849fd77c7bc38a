"""Every form of sequences is read as what it means, or refused with what to do."""

import pickle
import re
import subprocess
import sys
import textwrap
import warnings
from collections import UserList, deque
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_consistent_length

from forms import Model, matrix, objects, ragged
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences, scale_of


def assert_reads(X, expected, n_features_in=None, **kwargs):
    """X is read as the 2-D arrays `expected`, item by item, packed and summed."""
    model = Model()
    sequences = check_sequences(X, estimator=model, **kwargs)
    assert len(sequences) == len(expected)
    assert sequences.lengths.tolist() == [len(x) for x in expected]
    n_features = expected[0].shape[1]
    assert sequences.n_features == n_features
    assert model.n_features_in_ == (n_features_in or n_features)
    batch = sequences.pack(None, StepEncoder(n_features), np.float64)
    for i, x in enumerate(expected):
        np.testing.assert_array_equal(np.asarray(sequences[i], float), x)
        b = batch.order.tolist().index(i)
        np.testing.assert_array_equal(batch.x[batch.offset[: len(x)] + b], x)
    flat = np.concatenate(expected)
    mean, var = sequences.moments()
    np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(var, flat.var(axis=0), rtol=1e-13, atol=1e-14)
    return model


# --- what is accepted --------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        objects,
        lambda X: pd.Series(objects(X), index=[7, 7, "a", 0]),
        lambda X: pd.Series(objects([x.tolist() for x in X])),
        lambda X: pl.Series([x.tolist() for x in X]),
        lambda X: pl.Series(X, dtype=pl.Object),
        lambda X: UserList(X),
        lambda X: [x.tolist() for x in X],
        lambda X: [[tuple(step) for step in x] for x in X],
        lambda X: [list(x) for x in X],
        lambda X: [deque(x) for x in X],
        lambda X: [objects(x) for x in X],
        lambda X: [x.astype(object) for x in X],
        lambda X: [[[Decimal(v) for v in step] for step in x] for x in X],
        lambda X: [[[Fraction(v) for v in step] for step in x] for x in X],
        lambda X: [np.ma.array(x) for x in X],
        lambda X: [matrix(x) for x in X],
        lambda X: [pd.DataFrame(x) for x in X],
        lambda X: [pl.DataFrame(x) for x in X],
        lambda X: [X[0], X[1].tolist(), pd.DataFrame(X[2]), tuple(X[3])],
    ],
)
def test_ragged_forms(form):
    X = ragged()
    assert_reads(form(X), X)


@pytest.mark.parametrize(
    "form",
    [
        list,
        objects,
        lambda X: pd.Series(objects(X)),
        lambda X: pd.Series(objects([x.tolist() for x in X])),
        lambda X: pl.Series([x.tolist() for x in X]),
        lambda X: pl.DataFrame({"x": [x.tolist() for x in X]})["x"],
        lambda X: [x.tolist() for x in X],
        lambda X: [pd.Series(x) for x in X],
        lambda X: [pl.Series(x) for x in X],
        lambda X: [x[:, None] for x in X],
        lambda X: [X[0][:, None], *X[1:]],
    ],
)
def test_univariate_forms(form):
    X = [x[:, 0] for x in ragged()]
    assert_reads(form(X), [x[:, None] for x in X])


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.asfortranarray,
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.tolist(),
        lambda X: list(X),
        lambda X: X.astype(object),
        lambda X: np.ma.array(X),
        lambda X: X.astype("g"),
        lambda X: X.astype(">f8"),
        pl.Series,
        lambda X: type("Lazy", (), {"__array__": lambda self, *a, **k: X})(),
    ],
)
def test_three_dimensions(form):
    X = np.random.default_rng(0).normal(size=(4, 5, 3))
    assert_reads(form(X), list(X))


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.asfortranarray,
        lambda X: X.tolist(),
        lambda X: X.astype(object),
        pd.DataFrame,
        lambda X: pd.DataFrame(X).astype(object),
        lambda X: pd.DataFrame(X).convert_dtypes(),
        pl.DataFrame,
        pl.Series,
    ],
)
def test_two_dimensions_are_univariate(form):
    X = np.random.default_rng(0).normal(size=(4, 5))
    assert_reads(form(X), [x[:, None] for x in X], n_features_in=5)


def test_list_column_with_arrays_of_fixed_width():
    dtype = pl.List(pl.Array(pl.Float32, 2))
    X = [x.astype(np.float32) for x in ragged()]
    model = Model()
    sequences = check_sequences(pl.Series([x.tolist() for x in X], dtype=dtype))
    assert sequences.n_features == 2 and not hasattr(model, "n_features_in_")
    for i, x in enumerate(X):
        np.testing.assert_array_equal(sequences[i], x)


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u1", "i2", ">i2", "u4", "i8", ">u8", "f2", "f4", ">f4", "g"]
)
def test_number_types(dtype):
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 100, size=(n, 2)).astype(dtype) for n in (3, 1, 4)]
    expected = [x.astype(np.float64) for x in X]
    assert_reads(X, expected)
    assert_reads(np.stack([X[0], X[0]]), [expected[0], expected[0]])
    assert_reads([X[0], expected[1], X[2].astype(np.float32)], expected)


def test_large_integers_are_read_as_float64():
    X = [np.array([2**53 - 1, 2**24 + 1])]
    x = check_sequences(X).pack(None, StepEncoder(1), np.float64).x
    assert x[:, 0].tolist() == [2**53 - 1, 2**24 + 1]


def test_read_only_arrays_stay_where_they_are():
    X = ragged()
    for x in X:
        x.setflags(write=False)
    sequences = check_sequences(X)
    for i, x in enumerate(X):
        assert sequences[i] is x


def test_columns_of_frames_are_names():
    X = ragged()
    for frame in (pd.DataFrame, pl.DataFrame):
        frames = [
            frame(x, **{"columns" if frame is pd.DataFrame else "schema": ["a", "b"]})
            for x in X
        ]
        model = assert_reads(frames, X)
        if frame is pl.DataFrame:
            continue  # what scikit-learn knows of polars depends on its version
        assert model.feature_names_in_.tolist() == ["a", "b"]
        check_sequences(frames, estimator=model, reset=False)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            check_sequences(X, estimator=model, reset=False)
        renamed = [x.rename(columns={"b": "c"}) for x in frames]
        with pytest.raises(ValueError, match="unseen at fit time:\n- c"):
            check_sequences(renamed, estimator=model, reset=False)
        check_sequences(X, estimator=model)
        assert not hasattr(model, "feature_names_in_")
        with pytest.warns(UserWarning, match="X has feature names, but Model was"):
            check_sequences(frames, estimator=model, reset=False)


def test_columns_of_a_wide_frame_are_names_of_steps():
    X = pd.DataFrame(np.ones((3, 2)), columns=["monday", "tuesday"])
    model = Model()
    check_sequences(X, estimator=model)
    assert model.feature_names_in_.tolist() == ["monday", "tuesday"]
    check_sequences([[1.0, 2.0, 3.0]], estimator=model, reset=False)
    with pytest.raises(ValueError, match="must be in the same order"):
        check_sequences(X[["tuesday", "monday"]], estimator=model, reset=False)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        check_sequences(X.to_numpy(), estimator=model, reset=False)


def test_frame_elements_with_missing_and_extension_types():
    frame = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.5, 2, 3]})
    sequences = check_sequences([frame], missing="indicator")
    np.testing.assert_array_equal(sequences[0], [[1, 1.5], [np.nan, 2], [3, 3]])
    series = pd.Series([1, None], dtype="Int64")
    sequences = check_sequences([series, [0]], missing="indicator")
    np.testing.assert_array_equal(sequences[0][:, 0], [1, np.nan])
    with pytest.raises(ValueError, match=r"X\[0\] has it at step 1 in feature 0 \('a'"):
        check_sequences([frame])


def test_masked_values_are_missing():
    X = [np.ma.array([[1.0, 2], [3, 4]], mask=[[0, 1], [0, 0]])]
    sequences = check_sequences(X, missing="indicator")
    np.testing.assert_array_equal(sequences[0], [[1, np.nan], [3, 4]])
    with pytest.raises(ValueError, match=r"X\[0\] has it at step 0 in feature 1"):
        check_sequences(X)
    with pytest.raises(ValueError, match=r"X\[0\] has it at step 1 in feature 0"):
        check_sequences(np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]))


def test_nothing_is_kept_of_a_list_that_changes():
    X = ragged()
    sequences = check_sequences(X)
    first = X[0].copy()
    X[0] = np.zeros((100, 2))
    del X[1:]
    np.testing.assert_array_equal(sequences[0], first)
    assert sequences.pack(None, StepEncoder(2), np.float32).offset[-1] == 13


def test_sequences_pass_through():
    model = Model()
    sequences = check_sequences(ragged(), estimator=model)
    assert check_sequences(sequences, estimator=model, reset=False) is sequences
    other = check_sequences(ragged(n_features=3))
    with pytest.raises(ValueError, match="X has 3 features, but Model is expecting 2"):
        check_sequences(other, estimator=model, reset=False)
    assert check_sequences(other, estimator=model) is other
    assert model.n_features_in_ == 3


def test_memory_map_is_read_as_it_is_needed(tmp_path):
    rng = np.random.default_rng(0)
    for dtype in ("<f4", ">f8", "<i2"):
        values = (100 * rng.normal(size=(6, 5, 3))).astype(dtype)
        path = tmp_path / "X.dat"
        values.tofile(path)
        X = np.memmap(path, dtype, "r", shape=values.shape)
        sequences = check_sequences(X)
        assert np.shares_memory(sequences[2], X)
        assert type(sequences[2]) is np.ndarray
        batch = sequences.pack([4, 1], StepEncoder(3), np.float64)
        np.testing.assert_array_equal(batch.x[::2], values[4])
        np.testing.assert_array_equal(batch.x[1::2], values[1])
        in_list = check_sequences([X[0], X[3], np.array(X[1])])
        assert np.shares_memory(in_list[1], X)


def test_memory_map_takes_no_memory(tmp_path):
    # 160 MB of integers, of which a chunk at a time is converted.
    script = f"""
        import resource
        import numpy as np
        from skrnn.inputs.packed import StepEncoder
        from skrnn.inputs.sequences import check_sequences
        X = np.memmap({str(tmp_path / "X.dat")!r}, "i2", "w+", shape=(8000, 1000, 10))
        limit = 80 * 2**20
        def data():
            with open("/proc/self/status") as status:
                return next(int(s.split()[1]) for s in status if s[:6] == "VmData")
        before = data()
        resource.setrlimit(resource.RLIMIT_DATA, (before * 1024 + limit,) * 2)
        sequences = check_sequences(X)
        sequences.moments()
        x = sequences.pack(np.arange(32), StepEncoder(10), np.float32).x
        assert x.shape == (32000, 10)
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def test_pandas_and_polars_are_not_needed():
    script = """
        import sys
        sys.modules["pandas"] = sys.modules["polars"] = None
        import numpy as np
        from skrnn.inputs.sequences import check_sequences
        check_sequences([np.ones((2, 3)), [[1, 2, 3]]])
        check_sequences(np.ones((2, 3), int))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


def test_splitters_and_length_checks():
    X = ragged((3, 5, 1, 4) * 5)
    train, test = train_test_split(X, random_state=0)
    assert len(check_sequences(train)) == 15 and len(check_sequences(test)) == 5
    sequences = check_sequences(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        check_consistent_length(sequences, np.zeros(19))


# --- the number of features --------------------------------------------------------


UNIVARIATE = [[1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize("fitted", [np.ones((3, 7)), np.ones((3, 7)).tolist()])
def test_fitted_on_two_dimensions(fitted):
    model = Model()
    check_sequences(fitted, estimator=model)
    assert model.n_features_in_ == 7
    model = pickle.loads(pickle.dumps(model))
    lists = UNIVARIATE, [[1, 2, 3], [4, 5, 6]], [np.ones((5, 1))]
    for X in (np.ones((1, 7)), np.ones((2, 3, 1)), *lists):
        check_sequences(X, estimator=model, reset=False)
    for X in (np.ones((2, 6)), pd.DataFrame(np.ones((2, 6)))):
        with pytest.raises(
            ValueError,
            match="^X has 6 features, but Model is expecting 7 features as input.$",
        ):
            check_sequences(X, estimator=model, reset=False)
    with pytest.raises(
        ValueError, match="^X has 2 features, but Model is expecting 1 features as"
    ):
        check_sequences(ragged(), estimator=model, reset=False)


def test_fitted_on_sequences():
    model = Model()
    check_sequences(UNIVARIATE, estimator=model)
    assert model.n_features_in_ == 1
    for X in (np.ones((1, 7)), UNIVARIATE, np.ones((2, 3, 1))):
        check_sequences(X, estimator=model, reset=False)
    check_sequences(ragged(), estimator=model)
    assert model.n_features_in_ == 2
    with pytest.raises(
        ValueError,
        match="^X_val has 3 features, but Model is expecting 2 features as input.$",
    ):
        check_sequences(
            np.ones((2, 3, 3)), estimator=model, reset=False, input_name="X_val"
        )
    with pytest.raises(ValueError, match=r"one sequence of several features is \[X\]"):
        check_sequences(ragged()[0], estimator=model, reset=False)


def test_refused_sequences_leave_the_estimator_alone():
    model = Model()
    check_sequences(ragged(), estimator=model)
    before = dict(vars(model))
    for X in ([], [np.ones((2, 3)), np.ones((2, 4))], [[np.nan, 1.0]], np.ones(3)):
        with pytest.raises(ValueError):
            check_sequences(X, estimator=model)
    assert vars(model) == before


# --- what is made of them ----------------------------------------------------------


def test_take():
    X = ragged()
    sequences = check_sequences(X)
    for indices in ([2, 0], np.array([3]), [-1, 1], [], [True, False, True, False]):
        expected = list(np.arange(4)[np.asarray(indices, None if indices else int)])
        taken = sequences.take(indices)
        assert len(taken) == len(expected)
        assert taken.lengths.tolist() == [len(X[i]) for i in expected]
        for j, i in enumerate(expected):
            assert taken[j] is X[i]
    assert [x is y for x, y in zip(sequences, X, strict=True)] == [True] * 4
    assert sequences[-1] is X[3]
    for wrong in (4, -5):
        with pytest.raises(IndexError):
            sequences[wrong]
        with pytest.raises(IndexError):
            sequences.take([wrong])
    with pytest.raises(IndexError, match="mask"):
        sequences.take([True, False])
    with pytest.raises(TypeError):
        sequences.take([0.5])


def test_take_of_other_types():
    X = [x.astype("f2") for x in ragged()]
    taken = check_sequences([*X, X[0].astype("f4")]).take([4, 2, 1])
    batch = taken.pack(None, StepEncoder(2), np.float32)
    np.testing.assert_array_equal(batch.x[batch.offset[:5]], X[1].astype("f4"))
    assert batch.order.tolist() == [2, 0, 1]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_value_that_does_not_fit(k):
    X = ragged((3, 7, 2))
    X[1][4, 1] = 1e39
    sequences = check_sequences(pd.Series(objects(X))).take([2, 1, 0])
    message = re.escape(
        "X.iloc[1] contains infinity or a value too large for dtype('float32'), at "
        "step 4 in feature 1. Scale it down, or set dtype='float64'."
    )
    for missing in ("error", "indicator"):
        encoder = StepEncoder(2, segment_length=k, missing=missing)
        with pytest.raises(ValueError, match=message):
            sequences.pack([0, 1], encoder, np.float32)
        assert np.isfinite(sequences.pack([0, 1], encoder, np.float64).x).all()
        sequences.pack([0, 2], encoder, np.float32)
    scaled = StepEncoder(2, scale=[1, 1e30], segment_length=k)
    sequences.pack([0, 1], scaled, np.float32)
    with pytest.raises(ValueError, match=r"float64'\), at step 4 .* Scale it down\.$"):
        shifted = StepEncoder(2, scale=[1, 1e-300], segment_length=k)
        sequences.pack([0, 1], shifted, np.float64)


def test_values_are_standardised_before_the_cast():
    # As float32, both values are the mean.
    X = [np.array([1e8 + 1, 1e8 - 1])]
    encoder = StepEncoder(1, mean=[1e8], scale=[2.0])
    x = check_sequences(X).pack(None, encoder, np.float32).x
    assert x[:, 0].tolist() == [0.5, -0.5]


def test_encoder():
    encoder = StepEncoder(3, mean=[1, 2, 3], segment_length=4, missing="indicator")
    assert encoder.n_in == 24
    assert StepEncoder(3, segment_length=4).n_in == 12
    copy = pickle.loads(pickle.dumps(encoder))
    X = [np.array([[1, np.nan, 3.0]])]
    for e in (encoder, copy):
        x = check_sequences(X, missing="indicator").pack(None, e, np.float32).x
        assert x.tolist() == [[0, 0, 0, 1, 0, 1] * 4]
    with pytest.raises(ValueError, match="one number for each of 3 features"):
        StepEncoder(3, mean=[1, 2])
    with pytest.raises(ValueError, match="encoder of 3 features for sequences of 2"):
        check_sequences(ragged()).pack(None, encoder, np.float32)


# --- moments -----------------------------------------------------------------------


def test_constant_features_have_no_variance():
    for value in (0.1, 1 / 3, 1e8 + 0.1, -1e-300, 1e290, 0.0, np.float32(0.1)):
        X = [np.full((n, 1), value) for n in (7, 1, 1000)]
        for weight in (None, [0.1, 0.7, 1 / 3]):
            mean, var = check_sequences(X).moments(weight)
            assert mean == value and var == 0, value


@pytest.mark.parametrize("offset", [0, 1e8, -1e8, 1e12])
@pytest.mark.parametrize("scale", [1e-140, 1e-3, 1.0, 1e6, 1e140])
def test_moments_keep_their_digits(offset, scale):
    rng = np.random.default_rng(0)
    X = [scale * (offset + rng.normal(size=(n, 1))) for n in (50, 3, 200)]
    exact = [Fraction(float(value)) for x in X for value in x[:, 0]]
    mean = sum(exact) / len(exact)
    var = sum((value - mean) ** 2 for value in exact) / len(exact)
    found_mean, found_var = check_sequences(X).moments()
    assert found_mean[0] == float(mean)
    assert abs(Fraction(found_var[0]) - var) <= 4 * var * Fraction(2) ** -53


def test_moments_hardly_depend_on_the_order():
    rng = np.random.default_rng(0)
    X = [1e5 + rng.normal(size=(n, 3)) for n in rng.integers(1, 30, 50)]
    sequences = check_sequences(X)
    for _ in range(10):
        shuffled = sequences.take(rng.permutation(50))
        for a, b in zip(sequences.moments(), shuffled.moments(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4"])
def test_weights_of_sequences(dtype):
    rng = np.random.default_rng(0)
    X = [(9 * rng.normal(size=(n, 3)) + 50).astype(dtype) for n in (4, 1, 9, 2, 5)]
    weight = np.array([2, 1, 0, 3, 1])
    repeated = [x for x, n in zip(X, weight, strict=True) for _ in range(n)]
    for found, expected in zip(
        check_sequences(X).moments(weight),
        check_sequences(repeated).moments(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
    weight = rng.uniform(0, 2, size=5)
    steps = np.concatenate(X).astype(np.float64)
    each = np.repeat(weight, [len(x) for x in X])
    mean, var = check_sequences(X).moments(weight)
    expected = np.average(steps, axis=0, weights=each)
    np.testing.assert_allclose(mean, expected, rtol=1e-14)
    expected = np.average((steps - expected) ** 2, axis=0, weights=each)
    np.testing.assert_allclose(var, expected, rtol=1e-13)


def test_moments_without_anything_known():
    X = [np.array([[1.0, np.nan], [3.0, np.nan]])]
    weight, mean, var = check_sequences(X, missing="indicator").statistics()
    assert (weight.tolist(), mean.tolist(), var.tolist()) == ([2, 0], [2, 0], [1, 0])
    mean, var = check_sequences([[1.0, 2.0]]).moments([0.0])
    assert (mean, var) == (0, 0)


def test_moments_are_of_many_chunks(monkeypatch):
    monkeypatch.setattr("skrnn.inputs.sequences.CHUNK", 10)
    X = [x.round(3).astype("f2") for x in ragged((3, 50, 1, 4, 4, 1, 2))]
    mean, var = check_sequences(X).moments(np.arange(7))
    expected = check_sequences([x.astype("f8") for x in X]).moments(np.arange(7))
    np.testing.assert_array_equal((mean, var), expected)
    with pytest.raises(ValueError, match=r"X\[5\]"):
        check_sequences([*X[:5], X[5] * np.nan, X[6]])


def test_moments_refuse():
    sequences = check_sequences([[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\), expected"):
        sequences.moments([1, 2, 3])
    with pytest.raises(ValueError, match="variance of feature 1 is too large"):
        check_sequences([[[1, 1e200], [1, -1e200]]]).moments()


def test_scale_is_that_of_standard_scaler():
    rng = np.random.default_rng(0)
    for scale in (1e-18, 1e-12, 1e-8, 1e-3, 1, 1e10, 1e100):
        for offset in (0, 1e-100, 1, 1e5, 1e10):
            x = offset + scale * rng.choice([-1.0, 1.0], size=(100, 1))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = StandardScaler().fit(x).scale_
            mean, var = check_sequences([x]).moments()
            if var > 0 and np.log10(offset / scale + 1e-9) in (12, 13):
                continue  # there the variance of StandardScaler is mostly rounding
            np.testing.assert_allclose(scale_of(mean, var, 100), expected, rtol=1e-6)
