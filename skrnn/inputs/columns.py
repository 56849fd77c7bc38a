"""Tables as users hand them in: arrays, lists, frames of pandas and polars.

A table is opened without being read. Its columns are, when they are needed and as far
as they are: what lies beyond may hold anything.
"""

import sys
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_array

from skrnn.inputs.containers import (
    fill_masked,
    is_missing,
    open_container,
    refuse_sparse,
)
from skrnn.inputs.times import times_of

__all__ = [
    "Table",
    "category_columns",
    "check_alike",
    "input_name",
    "is_panel",
    "open_row_table",
    "open_table",
    "open_target_table",
    "row_times",
    "select_columns",
    "tables_of",
]


class Table:
    """A table as it was given, whose columns are read when they are needed.

    Attributes
    ----------
    name : str
        What messages call it.
    given : object
        What was given.
    ndim : int
        1 for a table of one column without an axis for it.
    n_rows, n_columns : int
        Its shape.
    array : ndarray of shape (n_rows, n_columns) or None
        All of it, unless it is a DataFrame or Series.
    columns : list or None
        The names of the columns of a DataFrame.
    times : Times or None
        The times of the rows.
    time_column : int or None
        The column that these are.
    """

    __slots__ = (
        "array",
        "columns",
        "given",
        "n_columns",
        "n_rows",
        "name",
        "ndim",
        "time_column",
        "times",
    )

    def __init__(self, name, given, ndim, n_rows, n_columns):
        self.name = name
        self.given = given
        self.ndim = ndim
        self.n_rows = n_rows
        self.n_columns = n_columns
        self.array = self.columns = self.times = self.time_column = None

    def names(self):
        """The names of the columns as scikit-learn counts them, None if it does not."""
        if not self.columns:
            return None
        strings = [isinstance(column, str) for column in self.columns]
        if all(strings):
            return [str(column) for column in self.columns]
        if any(strings):
            types = sorted({type(column).__qualname__ for column in self.columns})
            raise TypeError(
                "Feature names are only supported if all input features have string "
                f"names, but your input has {types} as feature name / column name "
                f"types. Convert them all to strings: {self.name}.columns = "
                f"{self.name}.columns.astype(str)."
            )
        return None

    @property
    def has_explicit_times(self):
        """Whether the rows have times that are more than their numbers."""
        return self.times is not None and not self.times.is_default_range

    @property
    def labels(self):
        """The name of each column if it has one, else its number."""
        return self.names() or list(range(self.n_columns))

    @property
    def value_columns(self):
        """The columns that are not the time."""
        return [j for j in range(self.n_columns) if j != self.time_column]

    @property
    def n_value_columns(self):
        """How many columns are not the time."""
        return self.n_columns - (self.time_column is not None)

    def column_name(self, j):
        """What messages call a column."""
        if self.ndim == 1:
            return f"the column of {self.name}"
        if self.columns is not None:
            return f"column {self.columns[j]!r} of {self.name}"
        return f"column {j} of {self.name}"

    def check_order(self):
        """Refuse times that do not increase."""
        several = ""
        if self.columns is not None and self.n_columns > 1:
            by = "group_by" if hasattr(self.given, "group_by") else "groupby"
            several = (
                " If these are several series in long form, make a list of them: "
                f"[g for _, g in {self.name}.{by}(...)]."
            )
        self.times.check_increasing(self.name, several)

    # Numbers -----------------------------------------------------------------------

    def numbers(self, columns, stop):
        """The first rows of some columns as floats, none of them infinite."""
        if self.array is not None and self.array.dtype.kind in "fiub":
            values = self.array[:stop]
            if len(columns) != self.n_columns:
                values = values[:, columns]
            with np.errstate(over="ignore"):
                values = values.astype(np.float64, order="C")
        else:
            values = np.empty((stop, len(columns)))
            for i, j in enumerate(columns):
                values[:, i] = self._numbers(j, stop)
        if np.isinf(values).any():
            row, i = np.argwhere(np.isinf(values))[0]
            raise ValueError(
                f"Input {input_name(self.name)} contains infinity or a value too "
                f"large for dtype('float64').\nRow {row} has it in "
                f"{self.column_name(columns[i])}. What is unknown is NaN."
            )
        return values

    def _numbers(self, j, stop):
        """The first rows of a column as floats."""
        if self.array is not None:
            return self._floats(self.array[:stop, j], j)
        column = self._column(j, stop)
        dtype = column.dtype
        if hasattr(column, "iloc"):
            kind = dtype.kind
            if kind in "biuf":
                return column.to_numpy(dtype=np.float64, na_value=np.nan)
            if kind in "mM":
                self._refuse_times(j)
            return self._floats(column.to_numpy(dtype=object), j)
        polars = sys.modules["polars"]
        if dtype.is_temporal():
            self._refuse_times(j)
        if dtype.is_numeric() or dtype in (polars.Boolean, polars.Null):
            return column.cast(polars.Float64).to_numpy()
        return self._floats(_objects(column.to_list()), j)

    def _refuse_times(self, j):
        raise ValueError(
            f"There are times in {self.column_name(j)}, not numbers. Leave it "
            "out, or make it the index. Durations become numbers by "
            ".dt.total_seconds()."
        )

    def _column(self, j, stop):
        """The first rows of a column of a frame, as a Series."""
        frame = self.given
        if hasattr(frame, "iloc"):
            return frame.iloc[:stop] if frame.ndim == 1 else frame.iloc[:stop, j]
        column = frame.to_series(j) if hasattr(frame, "to_series") else frame
        return column.head(stop)

    def _floats(self, values, j):
        """Objects as floats, NaN for None and other missing values."""
        out = np.empty(len(values))
        for row, value in enumerate(values.tolist()):
            if is_missing(value):
                out[row] = np.nan
                continue
            if isinstance(value, complex):
                raise ValueError(
                    f"Complex data not supported\nRow {row} of {self.column_name(j)} "
                    "is complex."
                )
            try:
                if isinstance(value, str | bytes):
                    raise ValueError(f"could not convert string to float: {value!r}")
                out[row] = float(value)
            except (TypeError, ValueError, OverflowError) as error:
                kind = ValueError if isinstance(error, OverflowError) else type(error)
                raise kind(
                    f"{error}\nRow {row} of {self.column_name(j)} is not a number. "
                    "Convert numbers that are text: pd.to_numeric(column, "
                    "errors='coerce'), after .str.replace(',', '') if commas part "
                    "thousands, or .str.replace(',', '.') if they are decimal points. "
                    "Name columns of categories by categorical_features."
                ) from error
        return out

    # Categories --------------------------------------------------------------------

    def holds_categories(self, j, stop):
        """Whether the dtype of a column says that it holds categories."""
        if self.columns is None:
            return False
        column = self._column(j, stop)
        dtype = column.dtype
        if hasattr(column, "iloc"):
            pandas = sys.modules["pandas"]
            if isinstance(dtype, pandas.CategoricalDtype | pandas.StringDtype):
                return True
            if dtype.kind != "O":
                return False
            return any(isinstance(value, str) for value in column.to_numpy(object))
        polars = sys.modules["polars"]
        if dtype == polars.Object:
            return any(isinstance(value, str) for value in column.to_list())
        return dtype in (polars.String, polars.Categorical, polars.Enum)

    def _values(self, j, stop):
        """The first rows of a column as a list of objects."""
        if self.array is not None:
            return self.array[:stop, j].tolist()
        column = self._column(j, stop)
        if hasattr(column, "iloc"):
            return column.to_numpy(dtype=object).tolist()
        return column.to_list()

    def _distinct(self, j, stop):
        """The distinct values of a column of pandas, and which each row has.

        None if that is not clear: row by row, errors can name the row.
        """
        if self.array is not None:
            return None
        column = self._column(j, stop)
        if not hasattr(column, "iloc"):
            return None
        try:
            numbers, values = sys.modules["pandas"].factorize(column)
        except TypeError:  # some are not hashable
            return None
        values = [v.item() if isinstance(v, np.generic) else v for v in values]
        # A missing value that pandas does not know, such as masked, is one here.
        strange = any(is_missing(v) or not isinstance(v, str | Real) for v in values)
        return None if strange else (values, numbers)

    def categories(self, j, stop):
        """The set of values of a column."""
        distinct = self._distinct(j, stop)
        if distinct is not None:
            return set(distinct[0])
        found = set()
        for row, value in enumerate(self._values(j, stop)):
            if is_missing(value):
                continue
            if not isinstance(value, str | Real):
                raise TypeError(
                    f"Row {row} of {self.column_name(j)} is {value!r}, but categories "
                    "are strings or numbers. Convert it."
                )
            found.add(value.item() if isinstance(value, np.generic) else value)
        return found

    def codes(self, j, stop, codes):
        """The code of each of the first rows of a column, -1 for an unknown value."""
        distinct = self._distinct(j, stop)
        if distinct is not None:
            values, numbers = distinct
            # The last one is for rows whose value is missing.
            found = [*(codes.get(value, -1) for value in values), -1]
            return np.array(found, dtype=np.intp)[numbers]
        out = np.full(stop, -1, dtype=np.intp)
        for row, value in enumerate(self._values(j, stop)):
            try:
                out[row] = codes.get(value, -1)
            except TypeError:  # not hashable, so no category
                continue
        return out


def input_name(name):
    """The argument that a table is from, by what messages call the table."""
    return name.partition("[")[0].removesuffix(".iloc")


def _objects(values):
    """A 1-D array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def open_table(given, name):
    """Open a table: of two dimensions, or of one."""
    container = open_container(given, name)
    if container.kind == "column" and container.library == "polars":
        if given.dtype.is_nested():
            container = open_container(given.to_list(), name)
    if container.kind == "frame":
        given = container.given
    if container.kind in ("frame", "column"):
        shape = given.shape
        table = Table(name, given, len(shape), shape[0], (*shape, 1)[1])
        if table.ndim == 2:
            table.columns = list(given.columns)
        _check_rows(table)
        table.times, table.time_column = times_of(given, name)
        return table
    if container.kind == "sparse":
        refuse_sparse(name)
    given = container.given
    if container.kind == "array" and isinstance(given, np.ma.MaskedArray):
        return _open_array(fill_masked(given), given, name)
    if container.kind not in ("array", "items"):
        raise TypeError(
            f"Expected a table of shape (n_steps, n_columns), but {name} is of type "
            f"{type(given).__name__}."
        )
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "fiub" and container.kind == "items":
            # Not yet turned into strings by one that may not be read at all.
            array = np.asarray(given, dtype=object)
    except ValueError as error:
        raise ValueError(
            f"{name} is not a table: {error} Every row needs the same columns."
        ) from error
    return _open_array(array, given, name)


def _open_array(array, given, name):
    if array.ndim not in (1, 2):
        raise ValueError(
            f"{name} has the shape {array.shape}, but a series is (n_steps, n_columns),"
            " or (n_steps,) if it is one target."
        )
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(f"Complex data not supported\n{name} is complex.")
    if kind in "mMV":
        remedy = ""
        if kind == "m":
            remedy = f" Convert them: {name} / np.timedelta64(1, 's')."
        raise ValueError(
            f"{name} holds values of type {array.dtype}, not numbers.{remedy}"
        )
    if kind in "USTO":
        array = array.astype(object)
    n_rows = len(array)
    table = Table(name, given, array.ndim, n_rows, (*array.shape, 1)[1])
    table.array = array if array.ndim == 2 else array[:, None]
    _check_rows(table)
    return table


def _check_rows(table):
    if not table.n_rows:
        shape = (0, table.n_columns) if table.ndim == 2 else (0,)
        raise ValueError(
            f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is "
            f"required: {table.name} has no rows."
        )


def open_row_table(X, name):
    """Open the covariates of rows."""
    first = X[0] if isinstance(X, list | tuple) and len(X) else X
    if getattr(first, "ndim", 0) == (3 if first is X else 2):
        raise ValueError(
            f"{name} holds several tables, but if there is y its rows are time steps. "
            "Fit a panel of series without y: the targets are among their columns."
        )
    table = open_table(X, name)
    if table.ndim == 1:  # scikit-learn has the words
        check_array(np.asarray(X), dtype=None, ensure_all_finite=False)
    return table


def open_target_table(y, name):
    """Open the targets of rows."""
    if y is None:
        raise ValueError(
            f"The rows of X are time steps, which requires y to be passed, but the "
            f"target y is None ({name})."
        )
    table = open_table(y, name)
    if not table.n_value_columns:
        raise ValueError(
            f"Found array with 0 feature(s) (shape={(table.n_rows, 0)}) while a "
            f"minimum of 1 is required: {name} has no targets."
        )
    return table


def row_times(table, targets):
    """The times of rows, and the name of the table that has them."""
    if table is None:
        both = [targets]
    else:
        if table.n_rows != targets.n_rows:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"{[table.n_rows, targets.n_rows]}\n{table.name} and {targets.name} "
                "need the same rows."
            )
        both = [table, targets]
    both = [t for t in both if t.times is not None]
    if len(both) == 2:
        explicit = [t for t in both if t.has_explicit_times]
        both = explicit or both[:1]
    for t in both:
        t.check_order()
    if len(both) == 2:
        _check_same_times(*both)
    return (both[0].times, both[0].name) if both else (None, None)


def _check_same_times(table, targets):
    a, b = table.times, targets.times
    if a.kind != b.kind or (a.tz is None) != (b.tz is None):
        raise ValueError(
            f"{table.name} and {targets.name} have indexes of different types, "
            f"{a.kind} and {b.kind}, or one has a time zone. Give both the same."
        )
    different = np.flatnonzero(a.values != b.values)
    if different.size:
        row = int(different[0])
        raise ValueError(
            f"{table.name} and {targets.name} have different indexes: row {row} is "
            f"{a.label(row)} in {table.name}, but {b.label(row)} in {targets.name}. "
            "Rows are taken one by one, so bring both to the same index first."
        )


def check_alike(table, first):
    """Refuse a table of a panel whose columns are not those of the first one."""
    if table.n_columns != first.n_columns:
        raise ValueError(
            f"{table.name} has {table.n_columns} columns, but {first.name} has "
            f"{first.n_columns}. All series need the same."
        )
    if table.columns is not None and first.columns is not None:
        if table.columns != first.columns:
            raise ValueError(
                f"{table.name} has the columns {table.columns}, but {first.name} has "
                f"{first.columns}. Give all the same, in one order."
            )
    if table.time_column != first.time_column:
        raise ValueError(
            f"The time of rows is in column {table.time_column} of {table.name}, but in"
            f" column {first.time_column} of {first.name}."
        )


def select_columns(selection, table, option):
    """The numbers of the columns that an option names."""
    if selection is None:
        return []
    if callable(selection):
        selection = selection(table.given)
    if isinstance(selection, str | Integral | slice):
        selection = [selection]
    elif not isinstance(selection, Iterable):
        raise TypeError(
            f"{option}={selection!r} names no columns. Pass names, numbers or a mask."
        )
    selection = list(selection)
    n = table.n_columns
    if selection and all(isinstance(item, bool | np.bool_) for item in selection):
        if len(selection) != n:
            raise ValueError(
                f"{option} is a mask of {len(selection)} columns, but {table.name} has "
                f"{n}."
            )
        return [j for j, item in enumerate(selection) if item]
    chosen = []
    for item in selection:
        if isinstance(item, slice) and not isinstance(item.start, str):
            chosen += range(n)[item]
        elif isinstance(item, Integral) and not isinstance(item, bool | np.bool_):
            if not -n <= item < n:
                raise ValueError(
                    f"{option} names column {item}, but {table.name} has {n} columns."
                )
            chosen.append(int(item) % n)
        elif isinstance(item, str):
            if table.columns is None or item not in table.columns:
                has = "no names" if table.columns is None else f"{table.columns}"
                raise ValueError(
                    f"{option} names the column {item!r}, but the columns of "
                    f"{table.name} have {has}."
                )
            chosen.append(table.columns.index(item))
        else:
            raise TypeError(
                f"{option} names a column by {item!r}. Pass names, numbers or a mask."
            )
    return sorted(set(chosen))


def category_columns(selection, tables, roles, pasts=None):
    """The columns of categories, by an option or by their dtypes."""
    if not (isinstance(selection, str) and selection == "from_dtype"):
        return select_columns(selection, tables[0], "categorical_features")
    columns = []
    for j, role in enumerate(roles):
        if role in ("target", "time"):
            continue
        for i, table in enumerate(tables):
            past_only = role == "past" and pasts is not None
            if table.holds_categories(j, pasts[i] if past_only else table.n_rows):
                columns.append(j)
                break
    return columns


def is_panel(X, name):
    """Whether `X` is a list of series, and not one series alone."""
    return _open_panel(X, name)[1]


def tables_of(X, name):
    """Open the tables of a panel.

    Parameters
    ----------
    X : list of tables, array of shape (n_series, n_steps, n_columns), or one table
        What was given.
    name : str
        What messages call it.

    Returns
    -------
    tables : list of Table
    """
    X, is_list, each = _open_panel(X, name)
    if not is_list:
        return [open_table(X, name)]
    if not len(X):
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required: {name} has no series."
        )
    return [open_table(item, each.format(i)) for i, item in enumerate(X)]


def _open_panel(X, name):
    """Return what was given, whether it is a list of series, and their names."""
    container = open_container(X, name)
    X, kind = container.given, container.kind
    if kind == "column":
        is_list = container.holds_objects and len(X)
        is_list = is_list and not _is_scalar(X.iloc[0] if hasattr(X, "iloc") else X[0])
    elif kind == "array":
        X = fill_masked(X)
        if X.ndim not in (1, 2, 3):
            raise ValueError(
                f"Found array with dim {X.ndim}, while dim <= 3 is required: (n_series,"
                " n_steps, n_columns), or one series."
            )
        is_list = X.ndim == 3 or (
            X.ndim == 1 and X.dtype == object and X.size and not _is_scalar(X[0])
        )
    elif kind == "items":
        # Numbers alone are one series.
        is_list = not len(X) or not all(_is_scalar(item) for item in X)
    elif kind in ("text", "other"):
        remedy = f" Pass list({name}.values())." if isinstance(X, dict) else ""
        raise TypeError(
            f"Expected array-like (array or non-string sequence), got {type(X)}: a list"
            f" with a table for each series.{remedy}"
        )
    else:
        is_list = False
    return X, is_list, container.each


def _is_scalar(item):
    """Whether an item is a number, or means missing."""
    return is_missing(item) or isinstance(item, Real | np.generic)
