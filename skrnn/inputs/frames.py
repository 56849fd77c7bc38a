"""The forms in which users hand in sequences, opened and refused.

All forms end as a table of where each sequence lies in the user's own memory.
"""

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array

from skrnn._packing import Table, describe, describe_block
from skrnn.inputs.containers import fill_masked, open_container, refuse_sparse
from skrnn.inputs.hints import (
    hint_about_container,
    hint_about_labels,
    hint_about_lengths,
    hint_about_objects,
    refuse_pairs,
)

__all__ = [
    "OpenedSequences",
    "as_numbers",
    "check_columns",
    "naming",
    "open_sequences",
    "refuse_shape",
]


# How messages of NumPy begin about what cannot become an array of numbers or labels.
NAMELESS = (
    "setting an array element",
    "The truth value",
    "'<' not supported",
    "boolean value of NA",
)


@contextmanager
def naming(name, value=None):
    """Name the argument that NumPy cannot make an array of.

    Parameters
    ----------
    name : str
        What messages call the argument.
    value : object
        The argument, if messages may say what is wrong with its items.
    """
    try:
        # Checks for infinity add up, and warn of what they find.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except ArithmeticError as error:
        raise ValueError(
            f"{name} contains a value that is too large or not a number: {error}."
        ) from error
    except (TypeError, ValueError) as error:
        missing, several = hint_about_labels(name, value)
        if missing:
            raise ValueError(missing) from error
        if str(error).startswith(NAMELESS):
            message = "is not an array of numbers, or of labels of one type"
            raise type(error)(f"{name} {message}: {error}{several}") from error
        if several:
            raise type(error)(f"{error}{several}") from error
        raise


@dataclass(frozen=True)
class OpenedSequences:
    """Sequences as they were given.

    Attributes
    ----------
    table : Table
        Where each lies in memory.
    name : str
        What messages call one: "X[{}]".
    columns : list or None
        The names of the features, if they have any.
    wide : bool
        Whether they are the rows of a 2-D X.
    example : object
        What names the features, or None.
    """

    table: Table
    name: str
    columns: list | None = None
    wide: bool = False
    example: object = None


def open_sequences(X, estimator, input_name, fitted_wide):
    """Open what a user hands in as sequences, in any accepted form."""
    container = open_container(X, input_name)
    X, name, kind = container.given, container.each, container.kind
    if kind == "array":
        return _open_array(X, name, estimator, input_name)
    if kind == "frame":
        return _open_frame(container, estimator, input_name, fitted_wide)
    if kind == "column":
        if container.library == "polars" and X.dtype.is_nested():
            return _open_polars(X, name, estimator, input_name)
        if container.library == "polars" or X.dtype.kind != "O":
            return _open_array(np.asarray(X), name, estimator, input_name)
    if kind in ("items", "column"):
        return _open_list(X, name, estimator, input_name)
    if kind == "sparse":
        check_array(X, estimator=estimator, input_name=input_name)  # refuses it
    raise TypeError(
        f"Expected sequence or array-like, got {type(X)}. Pass a list with an array of "
        "shape (n_steps, n_features) for each sequence."
        f"{hint_about_container(X, input_name)}"
    )


def _open_frame(container, estimator, input_name, fitted_wide):
    """Open a DataFrame whose rows are sequences."""
    X = container.given
    if container.library == "polars":
        if not fitted_wide:
            kinds = [_polars_kind(column) for column in X]
            _refuse_long_form(X, kinds, input_name)
        values = X.to_numpy()
    else:
        if len(X) and not fitted_wide:
            kinds = [
                _pandas_kind(X.iloc[:, i]) if dtype.kind == "O" else dtype.kind
                for i, dtype in enumerate(X.dtypes)
            ]
            _refuse_long_form(X, kinds, input_name)
        with naming(input_name):
            values = check_array(
                X, ensure_all_finite=False, estimator=estimator, input_name=input_name
            )
    opened = _open_array(values, container.each, estimator, input_name)
    return replace(opened, example=X)


def _open_array(X, name, estimator, input_name):
    if X.ndim == 1 and X.dtype == object:
        return _open_list(X, name, estimator, input_name)
    if X.ndim > 3:
        raise ValueError(
            f"Found array with dim {X.ndim}, while dim <= 3 is required: "
            "(n_seqs, n_steps, n_features), or (n_seqs, n_steps) if univariate."
        )
    if X.ndim < 2:
        _refuse_scalars(X, estimator, input_name)
    if X.size == 0 or isinstance(X, np.matrix):
        # scikit-learn has the words, but for the axes of three dimensions.
        check_array(
            X, dtype=None, allow_nd=True, estimator=estimator, input_name=input_name
        )
        raise ValueError(
            f"Found array of shape {X.shape}: sequences, (n_seqs, n_steps, n_features),"
            " need at least one step and one feature."
        )
    if X.dtype.kind in "biuf" and not isinstance(X, np.ma.MaskedArray):
        X = _exportable(np.asarray(X))  # not a subclass
    else:
        rows = [as_numbers(row, name.format(i)) for i, row in enumerate(X)]
        for i, row in enumerate(rows):
            if row.shape != X.shape[1:]:
                raise ValueError(
                    f"{name.format(i)} holds arrays in an array. Pass a list with an "
                    "array of numbers, (n_steps, n_features), for each sequence."
                )
        X = np.stack(rows)
    wide = X.ndim == 2
    return OpenedSequences(
        describe_block(X), name, wide=wide, example=X if wide else None
    )


def _open_list(X, name, estimator, input_name):
    given = list(X)
    if not given:
        by = "" if estimator is None else f" by {type(estimator).__name__}"
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required{by}: {input_name} has no sequences."
        )
    table = describe(given)
    if not isinstance(table, int):
        return OpenedSequences(table, name)
    # Something else than arrays of numbers of the right shape.
    refuse_pairs(given, input_name)
    example = columns = None
    if all(hasattr(item, "columns") for item in given):
        example, columns = given[0], check_columns(given, name)
    arrays = [as_numbers(item, name.format(i)) for i, item in enumerate(given)]
    if all(array.ndim == 0 for array in arrays):
        _refuse_scalars(np.stack(arrays), estimator, input_name)
    if (
        all(isinstance(item, list | tuple) for item in given)
        and len({array.shape for array in arrays}) == 1
        and arrays[0].ndim == 1
    ):
        # As NumPy reads nested lists: a 2-D array if all are of one length.
        return _open_array(np.stack(arrays), name, estimator, input_name)
    table = describe(arrays)
    if isinstance(table, int):
        refuse_shape(arrays, table, name, hint_about_lengths(arrays, input_name))
    return OpenedSequences(table, name, columns, example=example)


def check_columns(frames, name):
    """The columns of frames, which are those of the first one."""
    columns = list(frames[0].columns)
    for i, frame in enumerate(frames):
        if list(frame.columns) != columns:
            raise ValueError(
                f"{name.format(i)} has the columns {list(frame.columns)}, but "
                f"{name.format(0)} has {columns}. Give all the same, in one order."
            )
    return columns


def _open_polars(X, name, estimator, input_name):
    """Read a List or Array column as slices of one array."""
    polars = sys.modules["polars"]
    if isinstance(X.dtype, polars.Array):
        return _open_array(X.to_numpy(), name, estimator, input_name)
    if not len(X):
        return _open_list([], name, estimator, input_name)
    lengths = X.list.len().fill_null(0).to_numpy() if X.dtype == polars.List else None
    if lengths is None:
        raise TypeError(f"{input_name} is a polars column of {X.dtype}, expected List.")
    if not lengths.all():
        refuse_shape([np.empty(n) for n in lengths], int(lengths.argmin()), name)
    ends = np.cumsum(lengths, dtype=np.intp)
    flat = X.explode()

    def to_numpy(numbers):
        # NumPy has no integers of 128 bits, as which polars holds large ones.
        wide = str(numbers.dtype) in ("Int128", "UInt128")
        return (numbers.cast(polars.Float64) if wide else numbers).to_numpy()

    if isinstance(flat.dtype, polars.List):
        widths = flat.list.len().fill_null(0).to_numpy()
        odd = np.flatnonzero(widths != widths[0])
        if odd.size:
            i = int(np.searchsorted(ends, odd[0], side="right"))
            raise ValueError(
                f"{name.format(i)} has {widths[odd[0]]} features in a step, but the "
                f"first step of {name.format(0)} has {widths[0]}. All steps need the "
                "same features."
            )
        flat = to_numpy(flat.explode()).reshape(-1, widths[0])
    else:
        flat = to_numpy(flat)
    arrays = np.split(flat, ends[:-1])
    return _open_list(arrays, name, estimator, input_name)


def _refuse_scalars(array, estimator, input_name):
    """Refuse numbers in place of sequences, in the words of scikit-learn."""
    try:
        check_array(array, estimator=estimator, input_name=input_name)
    except ValueError as error:
        raise ValueError(
            f"{error} One sequence alone, (n_steps, n_features) or (n_steps,), is "
            f"[{input_name}]."
        ) from None


def as_numbers(item, where):
    """One sequence as an array of real numbers, of whatever shape."""
    if issparse(item):
        refuse_sparse(where)
    if hasattr(item, "columns") or hasattr(item, "to_frame"):
        return _read_frame(item, where)
    try:
        array = np.asarray(fill_masked(item))
        if array.dtype == object:
            array = np.asarray(array.tolist())  # of steps, perhaps
    except ValueError as error:
        raise ValueError(
            f"{where} is not an array of numbers: {error} Every step needs the same "
            "number of features."
        ) from error
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(f"Complex data not supported\n{where} is complex.")
    if kind == "O" and any(isinstance(value, str | bytes) for value in array.flat):
        kind = "U"
    if kind == "O":
        try:
            return array.astype(np.float64)
        except OverflowError as error:
            raise ValueError(
                f"{where} contains a value too large for dtype('float64'): {error}."
            ) from error
        except (TypeError, ValueError) as error:
            hint = hint_about_objects(item, where)
            raise type(error)(
                f"{error}\n{where} does not hold numbers.{hint}"
            ) from error
    if kind not in "biuf":
        what = "strings" if kind in "US" else f"values of type {array.dtype}"
        raise ValueError(
            f"{where} holds {what}, not numbers. Convert or encode them first."
        )
    return _exportable(array)


def _exportable(array):
    """An array that has a buffer: long doubles with an order of bytes have none."""
    if array.dtype.char == "g" and array.dtype.byteorder != "=":
        return array.astype(np.longdouble)
    return array


def _read_frame(item, where):
    """The numbers of a DataFrame or Series, of pandas or polars."""
    array = item.to_numpy()
    if array.dtype.kind in "biuf":
        return np.asarray(array)
    frame = item.to_frame() if array.ndim == 1 else item
    for column in frame.columns:
        if frame[column].to_numpy().dtype.kind in "mM":
            raise ValueError(
                f"{where} holds times in {column!r}, not numbers. Leave them "
                "out, or convert them first."
            )
    try:
        with naming(where):
            values = check_array(frame, dtype=np.float64, ensure_all_finite=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}\n{where} does not hold numbers.") from error
    return values[:, 0] if array.ndim == 1 else values


def refuse_shape(arrays, i, name, hint=""):
    """Say why array `i`, the first misfit, does not fit to the first one."""
    where, shape = name.format(i), arrays[i].shape
    if shape == ():
        raise ValueError(
            f"{where} is a single value, expected an array (n_steps, n_features)."
        )
    if len(shape) > 2:
        raise ValueError(
            f"{where} has the shape {shape}, expected (n_steps, n_features), or "
            "(n_steps,) if univariate."
        )
    if shape[0] == 0:
        raise ValueError(
            f"{where} has no steps. Leave empty sequences out, and their targets."
        )
    if shape[-1] == 0:
        raise ValueError(
            f"{where} has 0 feature(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )
    n_features, expected = (
        array.shape[1] if array.ndim == 2 else 1 for array in (arrays[i], arrays[0])
    )
    if not hint and len({array.shape[:1] for array in arrays}) == 1:
        hint = " If they are (n_features, n_steps), pass them transposed."
    raise ValueError(
        f"{where} has {n_features} features, but {name.format(0)} has {expected}. "
        f"Sequences are (n_steps, n_features), with the same features.{hint}"
    )


# What columns are called that tell sequences, or the steps of one, apart.
ID_NAMES = ("id", "case", "group", "instance", "sequence", "series", "session")
TIME_NAMES = ("date", "datetime", "step", "time", "timestamp")


def _pandas_kind(column):
    """What a column of objects holds: a letter as of dtypes, "V" for sequences."""
    pandas = sys.modules["pandas"]
    if isinstance(column.iloc[0], list | tuple | np.ndarray | pandas.Series):
        return "V"
    if isinstance(column.dtype, pandas.PeriodDtype):
        return "M"
    values = pandas.api.types.infer_dtype(column, skipna=True)
    numbers = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")
    return "f" if values in numbers else "O"


def _polars_kind(column):
    dtype = column.dtype
    if dtype.is_nested():
        return "V"
    if dtype.is_temporal():
        return "M"
    if dtype.is_integer():
        return "i"
    return "f" if dtype.is_numeric() or str(dtype) == "Boolean" else "O"


def _refuse_long_form(X, kinds, input_name):
    """Refuse a DataFrame with a row for each step, and show how to make the list.

    Its rows are sequences only if all columns are numbers, none of them the number of
    a sequence or the time of a step.
    """
    names = [str(column).lower() for column in X.columns]
    columns = list(zip(X.columns, names, kinds, strict=True))
    nested = [column for column, _, kind in columns if kind == "V"]
    if nested:
        rows = "iter_rows()" if hasattr(X, "iter_rows") else "itertuples(index=False)"
        remedy = (
            f"{input_name}[{nested[0]!r}]"
            if len(nested) == 1
            else f"[np.column_stack(row) for row in {input_name}[{nested!r}].{rows}]"
        )
        others = ""
        if len(nested) < len(columns):
            others = (
                " To keep the other columns, too, use "
                "skrnn.preprocessing.SequenceColumns, which repeats them in each step."
            )
        raise ValueError(
            f"{input_name} is a DataFrame with sequences in {nested!r}. Pass these: "
            f"{remedy}.{others}"
        )
    times = [c for c, name, kind in columns if name in TIME_NAMES or kind in "mM"]
    keys = [c for c, name, _ in columns if name in ID_NAMES or name.endswith("_id")]
    keys += [c for c, _, kind in columns if kind == "O" and c not in keys + times]
    if "f" in kinds:
        keys += [
            column
            for i, (column, _, kind) in enumerate(columns)
            if kind in "iu" and column not in keys + times and _is_grouped(X, i)
        ]
    levels = getattr(getattr(X, "index", None), "nlevels", 1)
    if not (keys or times or levels > 1):
        return
    drop = keys + times
    if levels > 1:
        reason = f"its index has {levels} levels"
        groups = f"{input_name}.groupby(level=0)"
    else:
        reason = f"it has the column {drop[0]!r}"
        key = keys[0] if keys else "the column that tells sequences apart"
        if hasattr(X, "groupby"):
            order = f".sort_values({times[0]!r})" if times else ""
            groups = f"{input_name}{order}.groupby({key!r})"
        else:
            order = ", ".join(repr(c) for c in [key, *times[:1]])
            groups = f"{input_name}.sort({order}).group_by({key!r}"
            groups += ", maintain_order=True)"
    values = "steps.to_numpy()"
    if drop:
        how = f"columns={drop!r}" if hasattr(X, "groupby") else f"{drop!r}"
        values = f"steps.drop({how}).to_numpy()"
    raise ValueError(
        f"{input_name} is a DataFrame in long form, with a row for each step: {reason}."
        " Make it a list with an array for each sequence:\n"
        f"    [{values} for _, steps in {groups}]\n"
        "and y the targets in this order, that of the sorted keys. If each row is a "
        "whole sequence, leave only the columns of its steps, or pass an array."
    )


def _is_grouped(X, i):
    """Whether each value of column `i` fills some rows, all next to each other."""
    values = np.asarray(X.iloc[:, i] if hasattr(X, "iloc") else X[:, i])
    n_runs = 1 + np.count_nonzero(values[1:] != values[:-1])
    return 2 <= n_runs <= len(values) / 2 and n_runs == len(np.unique(values))
