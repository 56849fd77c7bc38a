"""Forms in which sequences are handed in, good ones and bad ones."""

import tempfile
import unittest
from collections import UserList

import numpy as np
from scipy.sparse import csr_array

# Where a bad sequence stands among the good ones: a number that is no length and no
# number of features.
ROW = 13


def import_or_skip(package):
    try:
        return __import__(package)
    except ImportError:
        raise unittest.SkipTest(f"{package} is not installed") from None


# What is accepted ------------------------------------------------------------------


class Subclass(np.ndarray):
    """An array, and nothing else."""


class ArrayLike:
    """Something that NumPy can convert."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype, copy=copy)


def subclass(array):
    return array.view(Subclass)


def objects(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def objects_1d(X):
    return objects([x[:, 0] for x in X])


def pandas_series(items):
    index = np.arange(len(items))[::-1]  # not the places
    return import_or_skip("pandas").Series(objects(items), index=index)


def pandas_1d(X):
    return pandas_series([x[:, 0] for x in X])


def nested_series(X):
    return pandas_series([x.tolist() for x in X])


def polars_series(X):
    return import_or_skip("polars").Series([x.tolist() for x in X])


def polars_1d(X):
    return import_or_skip("polars").Series([x[:, 0].tolist() for x in X])


def polars_chunks(X):
    parts = [polars_series(X[:7]), polars_series(X[7:])]
    return import_or_skip("polars").concat(parts, rechunk=False)


def nested_tuples(X):
    return tuple(tuple(map(tuple, x.tolist())) for x in X)


def integers(x):
    return x.astype(int).tolist()


def mixed(X):
    changes = [np.asarray, np.ndarray.tolist, tuple, np.asfortranarray]
    changes += [cast("f4"), cast(">f8"), cast(object)]
    return [changes[i % len(changes)](x) for i, x in enumerate(X)]


def mixed_1d(X):
    return [x if i % 2 else x[:, 0] for i, x in enumerate(X)]


def flipped(array):
    """The same numbers, all strides negative."""
    flip = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[flip])[flip]


def strided(array):
    """The same numbers, with others between them."""
    gaps = (slice(None, None, 2),) * array.ndim
    wide = np.full([2 * n for n in array.shape], 77.0)
    wide[gaps] = array
    return wide[gaps]


def unaligned(array):
    """The same numbers, at an odd address."""
    buffer = np.empty(array.nbytes + 1, dtype=np.uint8)
    result = buffer[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def read_only(array):
    array = array.copy()
    array.setflags(write=False)
    return array


def memory_map(array):
    """A map of a file that is gone when the map is."""
    with tempfile.TemporaryFile() as file:
        file.write(array.tobytes())
        file.flush()
        return np.memmap(file, array.dtype, "r", shape=array.shape)


def cut(table, X):
    return np.split(table, np.cumsum([len(x) for x in X])[:-1])


def slices(X):
    return cut(np.concatenate(X), X)


def slices_of_map(X):
    return cut(memory_map(np.concatenate(X)), X)


def windows(X):
    """Overlapping windows as views of one table."""
    table = np.concatenate([X[0], *(x[-1:] for x in X[1:])])
    view = np.lib.stride_tricks.sliding_window_view(table, len(X[0]), axis=0)
    return view.transpose(0, 2, 1)


def time_first(X):
    return np.stack(X, axis=1).transpose(1, 0, 2)


def features_first(X):
    return np.stack([x.T for x in X]).transpose(0, 2, 1)


def each(change):
    return lambda X: [change(x) for x in X]


def each_1d(change):
    return lambda X: [change(x[:, 0]) for x in X]


def block(change):
    return lambda X: change(np.stack(X))


def block_2d(change):
    return lambda X: change(np.stack(X)[:, :, 0])


def cast(dtype):
    return lambda array: array.astype(dtype)


def frame(package):
    return lambda array: import_or_skip(package).DataFrame(array)


def series(package):
    return lambda array: import_or_skip(package).Series(array)


WIDE = "univariate equal"
# By name: of what kind the sequences are, what the form is, and what makes it of a list
# of float64 arrays (n_steps, n_features) in C order.
FORMS = {
    # Containers of arrays.
    "tuple": ("ragged", "a tuple", tuple),
    "object_array": ("ragged", "an object array of arrays", objects),
    "user_list": ("ragged", "a Sequence that is not a list", UserList),
    "pandas_series": ("ragged", "a pandas Series of arrays", pandas_series),
    "pandas_frames": ("ragged", "a list of DataFrames", each(frame("pandas"))),
    "polars_series": ("ragged", "a polars List column", polars_series),
    "polars_chunks": ("ragged", "a polars List column in chunks", polars_chunks),
    "polars_frames": ("ragged", "a list of polars DataFrames", each(frame("polars"))),
    # Items that are no arrays of numbers.
    "nested_lists": ("ragged", "nested lists", each(np.ndarray.tolist)),
    "nested_tuples": ("ragged", "nested tuples", nested_tuples),
    "nested_integers": ("integers", "nested lists of int", each(integers)),
    "nested_series": ("ragged", "a pandas Series of nested lists", nested_series),
    "lists_of_steps": ("ragged", "lists with an array for each step", each(list)),
    "array_likes": ("ragged", "objects that NumPy can convert", each(ArrayLike)),
    "object_dtype": ("ragged", "arrays of objects", each(cast(object))),
    "mixed": ("ragged", "a list of all kinds of items", mixed),
    # Where the numbers lie.
    "fortran_order": ("ragged", "arrays in Fortran order", each(np.asfortranarray)),
    "negative_strides": ("ragged", "flipped arrays", each(flipped)),
    "strided": ("ragged", "arrays with gaps", each(strided)),
    "unaligned": ("ragged", "arrays at odd addresses", each(unaligned)),
    "read_only": ("ragged", "read-only arrays", each(read_only)),
    "slices": ("ragged", "slices of one array", slices),
    "memory_map": ("ragged", "slices of a memory map", slices_of_map),
    "same_object": ("twice", "the same arrays twice", lambda X: X[: len(X) // 2] * 2),
    "subclass": ("ragged", "arrays of a subclass", each(subclass)),
    "masked_array": ("ragged", "masked arrays", each(np.ma.array)),
    # Types of numbers.
    "float16": ("ragged", "arrays of float16", each(cast("f2"))),
    "float32": ("ragged", "arrays of float32", each(cast("f4"))),
    "longdouble": ("ragged", "arrays of longdouble", each(cast("g"))),
    "big_endian_float32": ("ragged", "big-endian float32 arrays", each(cast(">f4"))),
    "big_endian_float64": ("ragged", "big-endian float64 arrays", each(cast(">f8"))),
    "int8": ("integers", "arrays of int8", each(cast("i1"))),
    "int16": ("integers", "arrays of int16", each(cast("i2"))),
    "int32": ("integers", "arrays of int32", each(cast("i4"))),
    "int64": ("integers", "arrays of int64", each(cast("i8"))),
    "uint8": ("integers", "arrays of uint8", each(cast("u1"))),
    "uint16": ("integers", "arrays of uint16", each(cast("u2"))),
    "uint32": ("integers", "arrays of uint32", each(cast("u4"))),
    "uint64": ("integers", "arrays of uint64", each(cast("u8"))),
    "big_endian_int32": ("integers", "big-endian int32 arrays", each(cast(">i4"))),
    "bool": ("bits", "arrays of bool", each(cast("?"))),
    # Three dimensions.
    "array_3d": ("equal", "a 3-D array", np.stack),
    "list_of_slices_3d": ("equal", "the slices of a 3-D array", block(list)),
    "nested_lists_3d": ("equal", "lists of one length", block(np.ndarray.tolist)),
    "fortran_order_3d": ("equal", "a 3-D Fortran array", block(np.asfortranarray)),
    "time_first_3d": ("equal", "a 3-D view, time first", time_first),
    "features_first_3d": ("equal", "a 3-D view, features second", features_first),
    "negative_strides_3d": ("equal", "a flipped 3-D array", block(flipped)),
    "strided_3d": ("equal", "a 3-D array with gaps", block(strided)),
    "windows_3d": ("equal overlapping", "3-D sliding windows", windows),
    "read_only_3d": ("equal", "a read-only 3-D array", block(read_only)),
    "memory_map_3d": ("equal", "a 3-D memory map", block(memory_map)),
    "subclass_3d": ("equal", "a 3-D array of a subclass", block(subclass)),
    "array_like_3d": ("equal", "an object that becomes 3-D", block(ArrayLike)),
    "object_dtype_3d": ("equal", "a 3-D array of objects", block(cast(object))),
    "float32_3d": ("equal", "a 3-D float32 array", block(cast("f4"))),
    "big_endian_3d": ("equal", "a big-endian 3-D array", block(cast(">f8"))),
    "int64_3d": ("equal integers", "a 3-D int64 array", block(cast("i8"))),
    "polars_array_3d": ("equal", "a polars Array column", block(series("polars"))),
    # Univariate sequences.
    "arrays_1d": ("univariate", "1-D arrays", each_1d(np.ndarray.copy)),
    "lists_1d": ("univariate", "lists of float", each_1d(np.ndarray.tolist)),
    "object_array_1d": ("univariate", "an object array of 1-D arrays", objects_1d),
    "columns_1d": ("univariate", "1-D arrays with gaps", each_1d(strided)),
    "read_only_1d": ("univariate", "read-only 1-D arrays", each_1d(read_only)),
    "float32_1d": ("univariate", "1-D float32 arrays", each_1d(cast("f4"))),
    "pandas_series_1d": ("univariate", "a pandas Series of 1-D arrays", pandas_1d),
    "pandas_items_1d": ("univariate", "pandas Series", each_1d(series("pandas"))),
    "polars_series_1d": ("univariate", "a polars List of numbers", polars_1d),
    "polars_items_1d": ("univariate", "polars Series", each_1d(series("polars"))),
    "mixed_1d": ("univariate", "1-D and 2-D arrays", mixed_1d),
    # Univariate sequences of one length.
    "array_2d": (WIDE, "a 2-D array", block_2d(np.ndarray.copy)),
    "nested_lists_2d": (WIDE, "lists of one length", block_2d(np.ndarray.tolist)),
    "fortran_2d": (WIDE, "a 2-D Fortran array", block_2d(np.asfortranarray)),
    "negative_strides_2d": (WIDE, "a flipped 2-D array", block_2d(flipped)),
    "read_only_2d": (WIDE, "a read-only 2-D array", block_2d(read_only)),
    "memory_map_2d": (WIDE, "a 2-D memory map", block_2d(memory_map)),
    "float32_2d": (WIDE, "a 2-D float32 array", block_2d(cast("f4"))),
    "pandas_frame_2d": (WIDE, "a wide DataFrame", block_2d(frame("pandas"))),
    "polars_frame_2d": (WIDE, "a wide polars DataFrame", block_2d(frame("polars"))),
}  # fmt: skip


# What is refused -------------------------------------------------------------------


def at_row(change):
    """Make what changes one sequence of a list."""

    def make(X):
        return [change(x) if i == ROW else x for i, x in enumerate(X)]

    return make


def with_value(value):
    """Make what sets the last value of a sequence."""

    def change(x):
        x = x.copy()
        x[-1, -1] = value
        return x

    return change


def unequal(x):
    return [[1.0, 2.0], [1.0]]


def empty(n_seqs, n_steps):
    return np.empty((n_seqs, n_steps, 2))


def infinity_3d(X):
    return np.stack([with_value(np.inf)(x[:1]) for x in X])


def long_frame(X):
    """A row for each step of five sequences."""
    steps = {"id": np.repeat(np.arange(5), 4), "time": np.tile(np.arange(4), 5)}
    values = np.random.default_rng(0).normal(size=(20, 2))
    steps |= {"a": values[:, 0], "b": values[:, 1]}
    return import_or_skip("pandas").DataFrame(steps)


def odd_frames(X):
    pandas = import_or_skip("pandas")
    frames = [pandas.DataFrame(x, columns=["a", "b"]) for x in X]
    frames[ROW] = frames[ROW].rename(columns={"b": "c"})
    return frames


EITHER = (TypeError, ValueError)
# By name: what is wrong with one sequence, how it is refused, and what makes it of a
# good one.
BAD_SEQUENCES = {
    "no_steps": ("a sequence without steps", ValueError, lambda x: x[:0]),
    "other_features": ("a sequence of fewer features", ValueError, lambda x: x[:, :1]),
    "one_dimension": ("a 1-D sequence among 2-D", ValueError, lambda x: x[:, 0]),
    "three_dimensions": ("a 3-D sequence", ValueError, lambda x: x[None]),
    "ragged_steps": ("a sequence of unequal steps", ValueError, unequal),
    "nan": ("NaN", ValueError, with_value(np.nan)),
    "infinity": ("infinity", ValueError, with_value(-np.inf)),
    "complex": ("a sequence of complex numbers", EITHER, lambda x: x + 1j),
    "strings": ("a sequence of strings", EITHER, lambda x: np.full(x.shape, "a")),
    "dates": ("a sequence of dates", EITHER, cast("M8[s]")),
    "none": ("None as a sequence", EITHER, lambda x: None),
    "number": ("a number as a sequence", EITHER, lambda x: 3.0),
    "dictionary": ("a dict as a sequence", EITHER, lambda x: {"a": 1}),
    "sparse_sequence": ("a sparse sequence", EITHER, csr_array),
}  # fmt: skip
# By name: what is wrong with all of them.
BAD_X = {
    "other_columns": ("a DataFrame of other columns", ValueError, odd_frames),
    "no_sequences": ("an empty list", ValueError, lambda X: []),
    "no_sequences_3d": ("a 3-D array of none", ValueError, lambda X: empty(0, 5)),
    "no_steps_3d": ("a 3-D array without steps", ValueError, lambda X: empty(20, 0)),
    "no_features": ("a list without features", ValueError, each(lambda x: x[:, :0])),
    "infinity_3d": ("infinity in a 3-D array", ValueError, infinity_3d),
    "one_sequence": ("a 1-D array", ValueError, lambda X: np.ones(len(X))),
    "four_dimensions": ("a 4-D array", ValueError, lambda X: np.ones((20, 2, 3, 1))),
    "scalar": ("a 0-d array", EITHER, lambda X: np.array(1.0)),
    "sparse": ("a sparse array", EITHER, lambda X: csr_array(np.eye(len(X)))),
    "nothing": ("None", EITHER, lambda X: None),
    "string": ("a string", EITHER, lambda X: "abc"),
    "long_frame": ("a DataFrame in long form", ValueError, long_frame),
}  # fmt: skip
# All of them; what makes it is of a list of good sequences, here.
ERRORS = {
    name: (description, errors, at_row(change))
    for name, (description, errors, change) in BAD_SEQUENCES.items()
} | BAD_X
# Those whose message can tell which sequence it is.
AT_ROW = [*BAD_SEQUENCES, "other_columns"]
