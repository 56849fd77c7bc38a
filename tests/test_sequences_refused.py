"""What is no list of sequences is refused with what to do."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator

from forms import Model, matrix, objects
from skrnn.inputs.sequences import check_sequences

# --- what is refused ---------------------------------------------------------------


GOOD = np.ones((2, 3))


REFUSED = {
    "no steps": ([GOOD, GOOD, np.ones((0, 3))], r"X\[2\] has no steps. Leave"),
    "no steps, 1-D": ([np.ones(3), []], r"X\[1\] has no steps. Leave"),
    "no steps, polars": (pl.Series([[1.0], []]), r"X\[1\] has no steps. Leave"),
    "null, polars": (pl.Series([[1.0], None]), r"X\[1\] has no steps. Leave"),
    "no steps, Series": (
        pd.Series(objects([[1.0], []]), index=["a", "b"]),
        r"X.iloc\[1\] has no steps",
    ),
    "no steps, 3-D": (np.ones((3, 0, 2)), r"shape \(3, 0, 2\).*at least one step"),
    "no features": ([np.ones((2, 0))], r"X\[0\] has 0 feature\(s\) \(shape=\(2, 0\)\)"),
    "no features, 2-D": (np.ones((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\)"),
    "no features, 3-D": (np.ones((3, 2, 0)), r"shape \(3, 2, 0\).*one feature"),
    "other features": (
        [GOOD, np.ones((4, 2))],
        r"X\[1\] has 2 features, but X\[0\] has 3. Sequences are \(n_steps, n_feat",
    ),
    "1-D among 2-D": ([GOOD, np.ones(3)], r"X\[1\] has 1 features, but X\[0\] has 3"),
    "other features, polars": (
        pl.Series([[[1.0, 2.0]], [[1.0, 2.0], [1.0]]]),
        r"X\[1\] has 1 features in a step, but the first step of X\[0\] has 2",
    ),
    "transposed": ([np.ones((3, 5)), np.ones((3, 8))], "pass them transposed"),
    "ragged steps": (
        [GOOD, [[1, 2, 3], [1, 2]]],
        r"X\[1\] .*Every step needs the same",
    ),
    "NaN": (
        [GOOD, np.array([[1, 2, 3], [4, 5, np.nan]])],
        "Input X contains NaN.\n"
        r"X\[1\] has it at step 1 in feature 2. Fill it in, or leave the sequence out, "
        "or set missing='indicator'",
    ),
    "NaN, 2-D": (np.array([[1, 2], [np.nan, 3]]), r"NaN.\nX\[1\] has it at step 0"),
    "NaN, float16": ([np.array([1, np.nan], "f2")], r"NaN.\nX\[0\] has it at step 1"),
    "NaN, big-endian": ([[1.0], np.array([np.nan], ">f8")], r"NaN.\nX\[1\]"),
    "None": ([[1.0], [2.0, None]], r"contains NaN.\nX\[1\] has it at step 1"),
    "NaN, frame": (
        pd.DataFrame({"t0": [1.0, 2.0], "t1": [1.0, None]}, index=["a", "b"]),
        r"contains NaN.\nX.iloc\[1\] has it at step 1",
    ),
    "inf": (
        [np.ones(2), -np.array([1, np.inf])],
        r"Input X contains infinity or a value too large for dtype\('float64'\).\n"
        r"X\[1\] has it at step 1 in feature 0. Fill it in, or leave",
    ),
    "inf, float32": (
        np.full((2, 2, 2), np.inf, "f4"),
        r"infinity .*\nX\[0\] has it at",
    ),
    "inf, longdouble": (
        [np.array(["1", "1e400"], "g")],
        r"too large .*\nX\[0\] has it",
    ),
    "complex": ([GOOD, 1j * GOOD], r"Complex data not supported\nX\[1\] is complex"),
    "complex, 2-D": (1j * GOOD, r"Complex data not supported\nX\[0\] is complex"),
    "strings": (
        [GOOD, np.full((2, 3), "a")],
        r"X\[1\] holds strings.*Convert or encode",
    ),
    "strings, 2-D": (np.full((2, 3), "1"), r"X\[0\] holds strings"),
    "strings, list": (["abc", "b"], r"X\[0\] holds strings"),
    "strings, objects": ([objects(["1", 2])], r"X\[0\] holds strings"),
    "strings, object 2-D": (np.full((2, 3), "1", object), r"X\[0\] holds strings"),
    "strings, polars": (pl.Series([["a"], ["b"]]), r"X\[0\] holds strings"),
    "strings, Series": (pd.Series(["ab", "b"]), r"X.iloc\[0\] holds strings"),
    "bytes": ([np.full(2, b"1")], r"X\[0\] holds strings"),
    "times": (
        [np.zeros(2, "M8[s]")],
        r"X\[0\] holds values of type datetime64\[s\], not numbers",
    ),
    "times, frame": (
        [pd.DataFrame({"a": [1.0], "when": [pd.Timestamp("2020-01-01")]})],
        r"X\[0\] holds times in 'when', not numbers. Leave them out",
    ),
    "strings, frame": (
        [pd.DataFrame({"a": [1.0], "b": ["q"]})],
        r"could not convert string to float.*\nX\[0\] does not hold numbers",
    ),
    "records": ([np.zeros(2, "i4,f4")], r"X\[0\] holds values of type"),
    "arrays in an array": (
        np.array([[objects([1, 2]), objects([3, 4])], [None, None]], dtype=object),
        r"X\[0\] holds arrays in an array. Pass a list with an array",
    ),
    "arrays of arrays": (
        np.array([[None, 1], [[1, 2], 3]], dtype=object),
        r"X\[1\] is not an array of numbers: setting an array element",
    ),
    "a number": ([GOOD, 3.0], r"X\[1\] is a single value"),
    "None as a sequence": ([GOOD, None], r"X\[1\] is a single value"),
    "three dimensions": (
        [GOOD, np.ones((2, 3, 1))],
        r"X\[1\] has the shape \(2, 3, 1\), expected \(n_steps, n_features\)",
    ),
    "columns": (
        [
            pd.DataFrame(GOOD, columns=list("abc")),
            pd.DataFrame(GOOD, columns=list("acb")),
        ],
        r"X\[1\] has the columns \['a', 'c', 'b'\], but X\[0\] has \['a', 'b', 'c'\]",
    ),
    "no sequences": (
        [],
        r"Found array with 0 sample\(s\) \(shape=\(0,\)\) .* by Model",
    ),
    "no sequences, 2-D": (
        np.ones((0, 3)),
        r"Found array with 0 sample\(s\) .* by Model",
    ),
    "no sequences, 3-D": (np.ones((0, 3, 2)), r"Found array with 0 sample\(s\)"),
    "no sequences, polars": (
        pl.Series([], dtype=pl.List(pl.Float64)),
        r"Found array with 0 sample\(s\)",
    ),
    "no sequences, frame": (pd.DataFrame({"a": []}), r"Found array with 0 sample\(s\)"),
    "one sequence": (np.ones(4), r"got 1D array.*\n.*\nReshape your data.* is \[X\]"),
    "one list": ([1, 2, 3], r"got 1D array.*\n.*\nReshape your data.* is \[X\]"),
    "a Series of numbers": (pd.Series([1.0, 2.0]), r"got 1D array.*\n.*\nReshape"),
    "a scalar array": (np.array(1.0), r"got scalar array.*\n.*Reshape"),
    "four dimensions": (
        np.ones((1, 2, 3, 4)),
        "Found array with dim 4, while dim <= 3",
    ),
    "nested frame": (
        pd.DataFrame({"x": objects([GOOD, GOOD]), "age": [1, 2]}),
        r"a DataFrame with sequences in \['x'\]. Pass these: X\['x'\]. To keep the "
        "other columns, too, use skrnn.preprocessing.SequenceColumns",
    ),
    "nested frame, polars": (
        pl.DataFrame({"id": [1, 2], "x": [[1.0], [2.0, 3.0]]}),
        r"a DataFrame with sequences in \['x'\]. Pass these: X\['x'\]",
    ),
}
TYPE_ERRORS = {
    "sparse": (scipy.sparse.csr_array(GOOD), "Sparse data was passed for X, but dense"),
    "sparse sequence": ([GOOD, scipy.sparse.csr_array(GOOD)], r"X\[1\].toarray\(\)"),
    "matrix": (matrix(GOOD), "np.matrix is not supported"),
    "dict of sequences": ({0: GOOD}, "Expected sequence or array-like, got.*dict"),
    "set": ({1.0, 2.0}, "Expected sequence or array-like, got.*set"),
    "generator": (
        (x for x in [GOOD]),
        "Expected sequence or array-like, got.*generator",
    ),
    "string": ("abc", "Expected sequence or array-like, got.*str"),
    "nothing": (None, "Expected sequence or array-like, got.*NoneType"),
    "number": (3, "Expected sequence or array-like, got.*int"),
    "dict in a list": ([GOOD, {"a": 1}], r"argument must be .*\nX\[1\] does not hold"),
    "object": (
        np.array([[1, {"foo": "bar"}]], dtype=object),
        r"argument must be .* string.* number.*\nX\[0\] does not hold",
    ),
}


ONE_COLUMN = {
    "pandas": lambda X: pd.DataFrame({"x": objects(X)}, index=[f"row {x}" for x in X]),
    "pandas, lists": lambda X: pd.DataFrame({"x": [x.tolist() for x in X]}),
    "polars": lambda X: pl.DataFrame({"x": [x.tolist() for x in X]}),
    "polars, objects": lambda X: pl.DataFrame({"x": pl.Series(X, dtype=pl.Object)}),
    "array": lambda X: objects(X)[:, np.newaxis],
}


@pytest.mark.parametrize("name", ONE_COLUMN)
@pytest.mark.parametrize("n_features", [None, 1, 2])
def test_one_column_of_sequences_is_read_as_its_items(name, n_features):
    """A DataFrame and an object array (n, 1) of sequences were refused."""
    rng = np.random.default_rng(0)
    shape = () if n_features is None else (n_features,)
    X = [rng.normal(size=(n, *shape)) for n in (3, 2, 5)]
    table = ONE_COLUMN[name](X)
    estimator = Model()
    sequences = check_sequences(table, estimator=estimator)
    assert sequences.lengths.tolist() == [3, 2, 5]
    for i, x in enumerate(X):
        np.testing.assert_array_equal(sequences[i], x.reshape(len(x), -1))
    assert estimator.n_features_in_ == (n_features or 1)
    check_sequences(X[:1], estimator=estimator, reset=False)
    bad = ONE_COLUMN[name]([X[0], np.full_like(X[1], np.inf)])
    with pytest.raises(ValueError, match=r"X(\.iloc)?\[1\] has it at step 0"):
        check_sequences(bad)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    X, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        check_sequences(X, estimator=Model())


@pytest.mark.parametrize("name", TYPE_ERRORS)
def test_refused_types(name):
    X, message = TYPE_ERRORS[name]
    with pytest.raises(TypeError, match=f"(?s){message}"):
        check_sequences(X, estimator=Model())


def test_refusals_name_what_was_passed():
    with pytest.raises(
        ValueError, match=r"Input X_val contains NaN.\nX_val\[1\] has it"
    ):
        check_sequences([[1.0], [np.nan]], input_name="X_val")


def test_missing_values():
    X = [[1.0, np.nan], [np.nan, 2.0]]
    assert len(check_sequences(X, missing="indicator")) == 2
    with pytest.raises(ValueError, match=r"infinity.*\nX\[1\] has it at step 1"):
        check_sequences([[1.0, np.nan], [np.nan, np.inf]], missing="indicator")

    class Stubborn(BaseEstimator):
        pass

    with pytest.raises(ValueError, match="leave the sequence out[.]\n.*ends"):
        check_sequences(X, estimator=Stubborn())


LONG = pd.DataFrame(
    {
        "id": [3, 1, 3, 1, 3],
        "time": [2, 1, 1, 0, 0],
        "a": [5.0, 1.0, 4.0, 0.0, 3.0],
        "b": [0.5, 0.1, 0.4, 0.0, 0.3],
    }
)
LIST = [
    np.array([[0.0, 0.0], [1.0, 0.1]]),
    np.array([[3.0, 0.3], [4.0, 0.4], [5.0, 0.5]]),
]
SORTED = LONG.sort_values(["id", "time"])


@pytest.mark.parametrize(
    "X",
    [
        LONG,
        LONG.rename(columns={"id": "patient_id", "time": "Timestamp"}),
        LONG.assign(time=pd.to_datetime(LONG.time, unit="h")),
        LONG.assign(time=pd.to_datetime(LONG.time, unit="h").dt.to_period("h")),
        LONG.assign(id=LONG.id.map({1: "x", 3: "y"})).rename(columns={"id": "who"}),
        LONG.assign(id=LONG.id.astype("category")).rename(columns={"id": "who"}),
        SORTED.drop(columns="time"),
        SORTED.drop(columns="time").rename(columns={"id": "patient"}),
        SORTED.set_index(["id", "time"]),
        pl.DataFrame(LONG.to_dict("list")),
        pl.DataFrame(SORTED.drop(columns="time").to_dict("list")),
        pl.DataFrame(LONG.to_dict("list")).with_columns(pl.col("id").cast(pl.String)),
    ],
    ids=lambda X: f"{type(X).__module__.split('.')[0]} {list(X.columns)}",
)
def test_long_form_is_refused_with_what_makes_the_list(X):
    with pytest.raises(ValueError, match="X is a DataFrame in long form") as refusal:
        check_sequences(X, estimator=Model())
    remedy = re.search(r"\n    (\[.*\])\n", str(refusal.value))[1]
    assert "group" in remedy
    made = eval(remedy, {"X": X})
    assert len(made) == 2
    for x, expected in zip(made, LIST, strict=True):
        np.testing.assert_array_equal(x, expected)
    check_sequences(made)


def test_long_form_with_times_only():
    X = LONG.drop(columns="id")
    with pytest.raises(ValueError, match=r"long form.*it has the column 'time'"):
        check_sequences(X)


def test_sequences_in_columns_are_refused_with_what_makes_the_list():
    X = pd.DataFrame({"a": objects([[1, 2], [3]]), "b": objects([[5, 6], [7]])})
    for frame in (X, pl.DataFrame(X.to_dict("list"))):
        with pytest.raises(ValueError, match="with sequences in") as refusal:
            check_sequences(frame)
        remedy = str(refusal.value).split("Pass these: ")[1].rstrip(".")
        made = eval(remedy, {"X": frame, "np": np})
        np.testing.assert_array_equal(made[0], [[1, 5], [2, 6]])
        np.testing.assert_array_equal(made[1], [[3, 7]])


def test_wide_frames_are_not_taken_for_long_ones():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(6, 3)), columns=["t0", "t1", "identity"])
    check_sequences(X, estimator=Model())
    check_sequences(X.assign(t0=[0, 0, 0, 0, 0, 0]))  # starts at 0
    check_sequences(X.assign(t0=[1, 0, 1, 0, 1, 0]))
    check_sequences(X.round().astype(int))
    check_sequences(X.set_index(pd.date_range("2020-01-01", periods=6)))
    # Compared with the columns at fit, nothing is guessed.
    model = Model()
    check_sequences(X, estimator=model)
    check_sequences(X[:4].assign(t0=[0, 0, 1, 1]), estimator=model, reset=False)
