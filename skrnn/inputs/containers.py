"""The one place that asks which container a user's data is in."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.sparse import issparse

__all__ = [
    "Container",
    "column_of_sequences",
    "fill_masked",
    "holds_sequences",
    "is_missing",
    "open_container",
    "refuse_sparse",
]


@dataclass(frozen=True, slots=True)
class Container:
    """What a user handed in, and what kind of container it is.

    Attributes
    ----------
    kind : {"items", "array", "frame", "column", "sparse", "text", "other"}
        A list, tuple or other sequence; an array of NumPy; a DataFrame; a Series; a
        sparse matrix; str or bytes; something else.
    given : object
        What was given; an array if it can become one and is of no other kind.
    each : str
        What messages call an item of it: "X[{}]" or "X.iloc[{}]".
    library : {"pandas", "polars"} or None
        Where a frame or a column is from.
    """

    kind: str
    given: object
    each: str
    library: str | None = None

    @property
    def holds_objects(self):
        """Whether the items of a column may be more than single values."""
        if self.library == "polars":
            dtype = self.given.dtype
            return dtype.is_nested() or dtype == sys.modules["polars"].Object
        return self.given.dtype.kind == "O"

    @property
    def holds_strings(self):
        """Whether a column holds strings, whatever its dtype is."""
        dtype = self.given.dtype
        if self.library == "polars":
            polars = sys.modules["polars"]
            if dtype != polars.Object:
                return dtype in (polars.String, polars.Categorical, polars.Enum)
        elif dtype.kind != "O":
            return False
        return any(isinstance(value, str) for value in self.to_list())

    def to_list(self):
        """The items as a list of objects."""
        given = self.given
        if isinstance(given, list):
            return given
        if self.kind == "column" and self.library == "polars":
            return given.to_list()
        if self.kind == "array" and given.ndim == 1:
            return given.tolist()
        return list(given)


def open_container(X, name):
    """Find out which container something is in.

    Parameters
    ----------
    X : object
        Whatever a user handed in.
    name : str
        What messages call it.

    Returns
    -------
    container : Container
    """
    each = name + "[{}]"
    if isinstance(X, memoryview):
        X = np.asarray(X)
    if "pyarrow" in sys.modules:
        X = _read_arrow(X)
    if isinstance(X, np.ndarray):
        return Container("array", X, each)
    if isinstance(X, list | tuple):
        return Container("items", X, each)
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(X, pandas.Series | pandas.DataFrame):
        kind = "frame" if X.ndim == 2 else "column"
        return Container(kind, X, name + ".iloc[{}]", "pandas")
    if polars is not None and isinstance(X, polars.Series | polars.DataFrame):
        kind = "frame" if len(X.shape) == 2 else "column"
        return Container(kind, X, each, "polars")
    if isinstance(X, str | bytes):
        return Container("text", X, each)
    if issparse(X):
        return Container("sparse", X, each)
    if hasattr(X, "__array__") or hasattr(X, "__array_interface__"):
        # Columns of Arrow, too.
        return Container("array", np.asarray(X), each)
    if isinstance(X, Sequence):
        return Container("items", X, each)
    return Container("other", X, each)


def _read_arrow(X):
    """Tables of Arrow as DataFrames, whose columns have names; all else as it is."""
    pyarrow = sys.modules["pyarrow"]
    kinds = getattr(pyarrow, "Table", ()), getattr(pyarrow, "RecordBatch", ())
    if isinstance(X, list | tuple):
        # The first tells, so that a long list of arrays is not looked through.
        if len(X) and isinstance(X[0], kinds):
            return [
                _frame_of_arrow(item) if isinstance(item, kinds) else item for item in X
            ]
        return X
    return _frame_of_arrow(X) if isinstance(X, kinds) else X


def _frame_of_arrow(table):
    try:
        return table.to_pandas()
    except ImportError:  # without pandas, an array whose columns have no names
        return np.asarray(table)


def column_of_sequences(X):
    """The only column of a table, if its items are sequences; else X as it is.

    Parameters
    ----------
    X : object
        Whatever a user handed in. Tools that select or repeat rows of tables make a
        DataFrame with one column, or an object array (n_seqs, 1), of a list.

    Returns
    -------
    X : object
        A Series or an object array (n_seqs,), or what was given.
    """
    shape = () if isinstance(X, list | tuple) else getattr(X, "shape", ())
    if len(shape) != 2 or shape[1] != 1:
        return X
    container = open_container(X, "")
    if container.kind == "array":
        column = container.given[:, 0]
    elif container.kind == "frame":
        column = X.iloc[:, 0] if container.library == "pandas" else X.to_series(0)
    else:
        return X
    return column if holds_sequences(column) else X


def holds_sequences(column):
    """Whether the items of a Series or of a 1-D array are sequences.

    Parameters
    ----------
    column : Series or ndarray
        A column of a table.

    Returns
    -------
    holds : bool
        True if the first item that is not missing has items itself, but is no string.
    """
    container = open_container(column, "")
    if container.kind == "array":
        if column.dtype != object:
            return False
    elif not container.holds_objects:
        return False
    first = next((item for item in column if not is_missing(item)), None)
    kinds = ("items", "array", "frame", "column")
    return getattr(first, "ndim", 1) > 0 and open_container(first, "").kind in kinds


def refuse_sparse(name):
    """Refuse a sparse matrix, as scikit-learn does."""
    raise TypeError(
        "Sparse data was passed, but dense data is required. Use "
        f"{name}.toarray() to convert it."
    )


def fill_masked(array):
    """An array of floats with NaN for each masked value, since it is unknown."""
    if not isinstance(array, np.ma.MaskedArray):
        return array
    return np.ma.filled(array.astype(np.float64), np.nan)


def is_missing(value):
    """Whether a value means missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and value != value
