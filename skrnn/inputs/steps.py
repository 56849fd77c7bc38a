"""Sequences whose steps hold tokens, alone or beside numbers, opened and refused."""

import sys
from dataclasses import dataclass, replace

import numpy as np

from skrnn._packing import describe, describe_lengths
from skrnn.inputs.columns import Table, select_columns
from skrnn.inputs.containers import fill_masked, open_container
from skrnn.inputs.frames import (
    OpenedSequences,
    as_numbers,
    check_columns,
    open_sequences,
)
from skrnn.inputs.hints import refuse_pairs
from skrnn.inputs.tokens import Tokens, read_characters, read_tokens

__all__ = ["OpenedSteps", "open_steps"]

FROM_DTYPE = "from_dtype"


@dataclass(frozen=True)
class OpenedSteps(OpenedSequences):
    """Sequences of which some features are categorical.

    Attributes
    ----------
    tokens : Tokens or None
        The tokens of these.
    n_features : int
        How many features there are, of both kinds.
    """

    tokens: Tokens | None = None
    n_features: int = 1


def open_steps(X, estimator, input_name, fitted_wide, selection):
    """Open sequences whose features may be categorical.

    Parameters
    ----------
    X : sequences in any accepted form
        See `check_sequences`.
    estimator : estimator or None
        Whose name messages have.
    input_name : str
        What messages call `X`.
    fitted_wide : bool
        Whether the estimator was fitted on a DataFrame with a row for each sequence.
    selection : "from_dtype", callable, str, int or list of these
        Which features are categorical.

    Returns
    -------
    opened : OpenedSequences or OpenedSteps
        The latter if any feature is categorical.
    """
    if isinstance(X, str | bytes):
        _refuse_one_text(X, input_name)
    container = open_container(X, input_name)
    from_dtype = isinstance(selection, str) and selection == FROM_DTYPE
    items = _items_of(container, from_dtype)
    if from_dtype and items is not None and items:
        table = describe(items)
        if not isinstance(table, int):
            return OpenedSequences(table, container.each)
    if not items:  # numbers, or nothing at all
        return open_sequences(X, estimator, input_name, fitted_wide)
    name = container.each
    if any(isinstance(item, str) for item in items):
        return _open_texts(items, name, selection)
    refuse_pairs(items, input_name)
    are_frames = all(hasattr(item, "columns") for item in items)
    if from_dtype:
        no_tokens = are_frames and _are_numbers(items)
        if no_tokens or not (are_frames or any(map(_holds_strings, items))):
            return open_sequences(X, estimator, input_name, fitted_wide)
    columns = check_columns(items, name) if are_frames else None
    reader = _Frame if are_frames else _Rows
    readers = [reader(item, name.format(i)) for i, item in enumerate(items)]
    _check_shapes(readers, name)
    features = _choose(readers, items[0], columns, selection, name)
    if not features:
        return open_sequences(X, estimator, input_name, fitted_wide)
    opened = _open_readers(readers, items, features, name)
    example = items[0] if columns is not None else opened.example
    return replace(opened, columns=columns, example=example)


def _refuse_one_text(X, input_name):
    if isinstance(X, bytes):
        raise TypeError(
            f"{input_name} is bytes. Decode them first, and pass a list of texts: "
            f"[{input_name}.decode('utf-8')]."
        )
    raise ValueError(
        f"{input_name} is one string. A list of texts is expected: [{input_name}]."
    )


def _items_of(container, from_dtype):
    """The sequences as a list, or None where they are numbers as always."""
    given, kind = container.given, container.kind
    if kind == "items":
        return list(given)
    if kind == "column":
        if container.library == "pandas":
            return list(given) if given.dtype.kind == "O" else _values_of(given)
        if from_dtype and given.dtype.is_nested() and _holds_numbers(given.dtype):
            return None
        return given.to_list()
    if kind == "array":
        if given.dtype.kind in "biuf":
            if from_dtype or given.ndim not in (2, 3):
                return None
            return list(fill_masked(given))
        if given.dtype.kind == "S":
            _refuse_bytes(container.each.format(0))
        if given.ndim == 1:
            return given.tolist()
        if given.dtype.kind not in "UOT" or given.ndim > 3:
            return None
        # One column is what ColumnTransformer makes of a list.
        return given.ravel().tolist() if given.shape[1:] == (1,) else list(given)
    if kind == "frame" and given.shape[1] == 1:
        column = given.iloc[:, 0] if hasattr(given, "iloc") else given.to_series(0)
        inner = open_container(column, container.each)
        return inner.to_list() if inner.holds_strings else None
    if kind == "frame" and not from_dtype:
        return list(given.to_numpy())
    return None


def _values_of(column):
    """The values of a column of categories, as a list; None for one of numbers."""
    is_category = hasattr(column.dtype, "categories")
    return column.to_numpy(dtype=object).tolist() if is_category else None


def _holds_numbers(dtype):
    """Whether a nested polars column holds numbers."""
    while dtype.is_nested() and hasattr(dtype, "inner"):
        dtype = dtype.inner
    return dtype.is_numeric() or str(dtype) in ("Boolean", "Null")


def _holds_strings(item):
    """Whether any value of a sequence is a string (or bytes, which are refused)."""
    if isinstance(item, str | bytes):
        return True
    if isinstance(item, np.ndarray):
        kind = item.dtype.kind
        return kind in "UST" or (kind == "O" and _holds_strings(item.ravel().tolist()))
    if isinstance(item, list | tuple):
        types = set(map(type, item))
        if any(issubclass(found, str | bytes) for found in types):
            return True
        nested = any(issubclass(found, list | tuple | np.ndarray) for found in types)
        return nested and any(
            _holds_strings(value)
            for value in item
            if isinstance(value, list | tuple | np.ndarray)
        )
    container = open_container(item, "")
    if container.kind == "column":
        return container.holds_strings
    return container.kind == "array" and _holds_strings(container.given)


def _are_numbers(frames):
    """Whether DataFrames hold nothing but numbers; the dtypes of one are looked at."""
    first = _Frame(frames[0], "")
    if any(first.is_categorical(j) for j in range(first.shape[1])):
        return False
    return all(frame.to_numpy().dtype.kind in "iuf" for frame in frames)


def _refuse_bytes(where):
    raise TypeError(f"{where} is bytes. Decode it first: .decode('utf-8').")


def _open_texts(texts, name, selection):
    """Open texts, which are the sequences of their characters."""
    for i, text in enumerate(texts):
        where = name.format(i)
        if isinstance(text, bytes):
            _refuse_bytes(where)
        if not isinstance(text, str):
            raise ValueError(
                f"{where} is {text!r}, but other sequences are strings. Give a string "
                "for each sequence, or a list of tokens for each. Leave out missing "
                "texts."
            )
    lengths = np.fromiter(map(len, texts), dtype=np.intp, count=len(texts))
    if not lengths.all():
        raise ValueError(
            f"{name.format(int(lengths.argmin()))} has no steps: it is an empty string."
            " Leave it out, or use SequenceVectorizer(analyzer='char', empty='unknown')"
            ", which makes an unknown token of it."
        )
    example = np.zeros((1, 1))
    table = Table(name.format(0), example, 2, 1, 1)
    if selection != FROM_DTYPE:
        if select_columns(selection, table, "categorical_features") != [0]:
            raise ValueError(
                f"{name.format(0)} is a string, but categorical_features leaves its "
                "characters out. They are not numbers."
            )
    tokens = Tokens(texts, lengths, [0], [read_characters(texts)], name)
    return OpenedSteps(
        describe_lengths(lengths, texts), name, example=example, tokens=tokens
    )


# One sequence ------------------------------------------------------------------------


class _Frame:
    """A DataFrame: a feature is a column."""

    def __init__(self, frame, where):
        self.frame, self.where = frame, where
        self.shape = frame.shape
        self.dtypes = list(frame.dtypes)
        self.of_pandas = hasattr(frame, "iloc")

    def column(self, j):
        frame = self.frame
        return frame.iloc[:, j] if self.of_pandas else frame.to_series(j)

    def is_categorical(self, j):
        """Whether the dtype of a column says that it holds categories."""
        dtype = self.dtypes[j]
        if not self.of_pandas:
            polars = sys.modules["polars"]
            kinds = (polars.String, polars.Categorical, polars.Enum, polars.Boolean)
            is_objects = dtype == polars.Object
            return dtype in kinds or (is_objects and _holds_strings(self.tokens(j)))
        pandas = sys.modules["pandas"]
        if isinstance(dtype, pandas.CategoricalDtype | pandas.StringDtype):
            return True
        is_objects = dtype.kind == "O"
        return dtype.kind == "b" or (is_objects and _holds_strings(self.tokens(j)))

    def tokens(self, j):
        column = self.column(j)
        if self.of_pandas:
            kind = column.dtype.kind
            if kind in "biuf" and isinstance(column.dtype, np.dtype):
                return column.to_numpy()
            return column.to_numpy(dtype=object).tolist()
        return column.to_list()

    def numbers(self, columns):
        frame = self.frame
        if self.of_pandas:
            return as_numbers(frame.iloc[:, columns], self.where)
        return as_numbers(frame[:, columns], self.where)


class _Rows:
    """An array, list or Series: of tokens, or of steps with several features."""

    def __init__(self, item, where):
        self.where = where
        if isinstance(item, bytes):
            _refuse_bytes(where)
        container = open_container(item, where)
        if container.kind == "array":
            self.array = fill_masked(container.given)
        elif container.kind == "column":
            self.array = _column_array(container)
        elif container.kind == "items":
            self.array = _items_array(container.given, where)
        else:  # not read, but refused in the words for numbers
            self.array = as_numbers(item, where)
        self.shape = self.array.shape

    def column(self, j):
        return self.array if self.array.ndim == 1 else self.array[:, j]

    def is_categorical(self, j):
        """Whether a feature holds strings."""
        kind = self.array.dtype.kind
        if kind == "O":
            # Bytes are refused when they are read.
            return any(isinstance(value, str | bytes) for value in self.column(j))
        return kind in "SUT"

    def tokens(self, j):
        column = self.column(j)
        return column if column.dtype.kind in "biuf" else column.tolist()

    def numbers(self, columns):
        first, last = columns[0], columns[-1]
        if last - first + 1 == len(columns):
            columns = slice(first, last + 1)  # no copy
        array = self.array if self.array.ndim == 2 else self.array[:, None]
        return as_numbers(array[:, columns], self.where)


def _column_array(container):
    """The values of a Series as an array of numbers, or of objects."""
    column = container.given
    if container.library == "pandas":
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            return column.to_numpy()
        return column.to_numpy(dtype=object)
    if column.dtype.is_numeric() or column.dtype == sys.modules["polars"].Boolean:
        return column.to_numpy()
    return _objects(column.to_list())


def _items_array(items, where):
    """A list of tokens as an array of objects, or one of steps with several each."""
    items = list(items)
    if not any(isinstance(item, list | tuple | np.ndarray) for item in items):
        return _objects(items)
    if not isinstance(items[0], list | tuple | np.ndarray):
        return _objects(items)  # the inner list is refused as a token
    width = len(items[0])
    array = np.empty((len(items), width), dtype=object)
    for step, item in enumerate(items):
        if not isinstance(item, list | tuple | np.ndarray) or len(item) != width:
            size = len(item) if isinstance(item, list | tuple | np.ndarray) else 1
            raise ValueError(
                f"{where} has {size} features in step {step}, but {width} in step 0. "
                "All steps need the same features."
            )
        array[step] = _objects(item)
    return array


def _objects(values):
    """A 1-D array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


# All sequences -----------------------------------------------------------------------


def _check_shapes(readers, name):
    """Refuse sequences without steps, or of other features than the first one."""
    for i, reader in enumerate(readers):
        where, shape = name.format(i), reader.shape
        if len(shape) not in (1, 2):
            raise ValueError(
                f"{where} has the shape {shape}, expected (n_steps,) or (n_steps, "
                "n_features)."
            )
        if not shape[0]:
            raise ValueError(
                f"{where} has no steps. Leave it out, and its target, or use "
                "SequenceVectorizer(empty='unknown'), which makes an unknown token of "
                "it."
            )
        n_features, expected = _width(shape), _width(readers[0].shape)
        if n_features != expected:
            raise ValueError(
                f"{where} has {n_features} features, but {name.format(0)} has "
                f"{expected}. All sequences need the same."
            )


def _width(shape):
    return shape[1] if len(shape) == 2 else 1


def _choose(readers, first, columns, selection, name):
    """The features that are categorical."""
    n_features = _width(readers[0].shape)
    if isinstance(selection, str) and selection == FROM_DTYPE:
        return [
            j
            for j in range(n_features)
            if any(reader.is_categorical(j) for reader in readers)
        ]
    table = Table(name.format(0), first, 2, readers[0].shape[0], n_features)
    table.columns = columns
    return select_columns(selection, table, "categorical_features")


def _open_readers(readers, given, features, name):
    """Read the tokens of some features, and the numbers of the others."""
    lengths = np.array([reader.shape[0] for reader in readers], dtype=np.intp)
    n_features = _width(readers[0].shape)
    others = [j for j in range(n_features) if j not in features]
    tokens = Tokens(
        given,
        lengths,
        features,
        [
            read_tokens([reader.tokens(j) for reader in readers], name, j)
            for j in features
        ],
        name,
    )
    if others:
        table = describe([reader.numbers(others) for reader in readers])
    else:
        table = describe_lengths(lengths, given)
    return OpenedSteps(
        table,
        name,
        example=np.zeros((1, n_features)),
        tokens=tokens,
        n_features=n_features,
    )
