"""Tables that are no series are refused with what to do."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from series_tables import (
    HOURS,
    JITTERED,
    REPEATED,
    SHUFFLED,
    VALUES,
    N,
    Y,
    frame,
    learn_panel,
    learn_rows,
    nan,
    refuses,
)

# --- what is refused ----------------------------------------------------------------


def with_value(value, row=5, column=1, values=VALUES):
    values = values.astype(object if isinstance(value, str | dict | list) else float)
    values[row, column] = value
    return values


def reindexed(labels):
    return frame(index=pd.Index(labels))


LEVELS = pd.MultiIndex.from_product([["u", "v"], range(6)])


@pytest.mark.parametrize(
    "X, y, message",
    [
        (np.empty((0, 3)), [], "Found array with 0 sample(s) (shape=(0,))"),
        (VALUES, Y[:5], "inconsistent numbers of samples: [12, 5]\nX and y need"),
        (VALUES[:, 0], Y, "Expected 2D array, got 1D array instead"),
        (VALUES[:, 0].tolist(), Y, "Expected 2D array, got 1D array instead"),
        (pd.Series(Y), Y, "Expected 2D array, got 1D array instead"),
        (pl.Series(Y), Y, "Reshape your data"),
        (np.float64(3), Y, "X has the shape ()"),
        (VALUES[None], Y, "X holds several tables, but if there is y its rows are"),
        ([VALUES, VALUES], Y, "Fit a panel of series without y"),
        ([frame(), frame()], Y, "Fit a panel of series without y"),
        ([[1, 2], [3]], [1, 2], "X is not a table:"),
        (VALUES, np.empty((N, 0)), "0 feature(s) (shape=(12, 0)) while a minimum of 1"),
        (VALUES, np.zeros((N, 2, 2)), "y has the shape (12, 2, 2)"),
        (VALUES + 1j, Y, "Complex data not supported\nX is complex."),
        (VALUES, Y + 1j, "Complex data not supported\ny is complex."),
        (frame() + 1j, Y, "Complex data not supported\nRow 0 of column 'a' of X"),
        (
            with_value(np.inf),
            Y,
            "Input X contains infinity or a value too large for dtype('float64').\n"
            "Row 5 has it in column 1 of X.",
        ),
        (frame(with_value(-np.inf)), Y, "Row 5 has it in column 'b' of X."),
        (with_value("1.5"), Y, "string to float: '1.5'\nRow 5 of column 1 of X is no"),
        (
            VALUES.astype(str),
            Y,
            "Row 0 of column 0 of X is not a number. Convert numbers",
        ),
        (VALUES.astype("M8[s]"), Y, "X holds values of type datetime64[s]"),
        (VALUES, with_value(np.inf)[:, 1], "Input y contains infinity or a value too"),
        (VALUES, np.full(N, nan), "Input y contains NaN.\nTarget 0 has no known value"),
        (VALUES, frame(with_value(nan, slice(None))), "Target 'b' has no known value"),
        (VALUES, list("abcdefghijkl"), "could not convert string to float: 'a'"),
        (
            reindexed(SHUFFLED),
            Y,
            "X is not in the order of time: row 3 (2024-03-30 02:00)",
        ),
        (reindexed(SHUFFLED), Y, "Sort it first: X.sort_index()."),
        (reindexed(SHUFFLED.to_period("h")), Y, "X is not in the order of time: row 3"),
        (
            reindexed([3, 1, *range(4, 14)]),
            Y,
            "X is not in the order of time: row 1 (1)",
        ),
        (VALUES, pd.Series(Y, SHUFFLED), "Sort it first: y.sort_index()."),
        (reindexed(REPEATED), Y, "X has two rows for the same time: rows 2 and 3 are"),
        (reindexed(REPEATED), Y, "X.groupby(...)]"),
        (
            reindexed(JITTERED),
            Y,
            "The times of X are irregular: row 6 (2024-03-30 06:30) comes 90min after "
            "row 5 (2024-03-30 05:00), where most steps are of h.",
        ),
        (reindexed([0, 2, 4, 6, 7, 9, 11, 13, 15, 17, 19, 21]), Y, "row 4 (7) comes 1"),
        (reindexed([*HOURS[:5], pd.NaT, *HOURS[6:]]), Y, "Row 5 of X has no time."),
        (frame(index=LEVELS), Y, "[g.droplevel(0) for _, g in X.groupby(level=0)]"),
        (VALUES, pd.Series(Y, LEVELS), "y has an index of 2 levels."),
        (frame().assign(when=SHUFFLED), Y, "Sort it first: X.sort_values('when')."),
        (
            pl.DataFrame({"when": SHUFFLED.to_numpy(), "a": Y}),
            Y,
            "Sort it first: X.sort('when').",
        ),
        (
            pl.DataFrame({"when": [datetime.date(2024, 1, 1), None]}),
            Y[:2],
            "Row 1 of X has no time.",
        ),
        (
            reindexed([*HOURS[:-1], pd.Timestamp("2204-01-01")]),
            Y,
            "rows are absent from X between row 10 (2024-03-30 10:00) and row 11 "
            "(2204-01-01), in steps of 'h'.",
        ),
    ],
)
def test_rows_refused(X, y, message):
    refuses(lambda: learn_rows(X, y), message)


@pytest.mark.parametrize(
    "X, kind, message",
    [
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed"),
        (with_value({"a": 1}), TypeError, "argument must be a string or a real number"),
        ("rows", TypeError, "Expected a table of shape (n_steps, n_columns), but X is"),
        ({"a": [1]}, TypeError, "X is of type dict"),
        (5, TypeError, "X is of type int"),
        (
            pd.DataFrame([[1.0, 2.0]], columns=["a", 1]),
            TypeError,
            "Feature names are only supported if all input features have string names",
        ),
        (
            pd.DataFrame({"a": [(1, 2)] * 3 + ["u"]}),
            TypeError,
            "Row 0 of column 'a' of X is (1, 2), but categories are strings or",
        ),
    ],
)
def test_types_refused(X, kind, message):
    n = getattr(X, "shape", (1,))[0]
    refuses(lambda: learn_rows(X, np.arange(n)), message, kind)


def test_huge_numbers_are_refused():
    X = VALUES.astype(object)
    X[3, 2] = 10**400
    refuses(lambda: learn_rows(X, Y), "Row 3 of column 2 of X is not a number")
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        X = VALUES.astype(np.longdouble)
        X[3, 2] = np.finfo(np.longdouble).max
        refuses(lambda: learn_rows(X, Y), "Row 3 has it in column 2 of X.")
    index = pd.Index(np.array(["1500-01-01", "1501-01-01"], "M8[s]"))
    y = pd.Series([1.0, 2.0], index)
    refuses(lambda: learn_rows(None, y), "Row 0 of y is of the year 1500.")


@pytest.mark.parametrize(
    "X, message",
    [
        (
            [],
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is",
        ),
        (np.empty((0, 5, 2)), "X has no series."),
        ([VALUES, VALUES[:0]], "X[1] has no rows."),
        ([VALUES, VALUES[:, :2]], "X[1] has 2 columns, but X[0] has 3."),
        ([VALUES, VALUES[:, 0]], "X[1] has 1 columns, but X[0] has 3."),
        (
            [frame(), frame(names="acb")],
            "X[1] has the columns ['a', 'c', 'b'], but X[0]",
        ),
        ([VALUES, np.full((4, 3), nan)], "X[1] has no known value in its targets"),
        ([[1.0, nan], [nan]], "Input X contains NaN.\nX[1] has no known value"),
        (
            pd.Series([VALUES, np.full((4, 3), nan)]),
            "X.iloc[1] has no known value in its",
        ),
        ([with_value(nan, slice(None))], "Input X contains NaN.\nTarget 1 has no"),
        ([VALUES, with_value(np.inf)], "Row 5 has it in column 1 of X[1]."),
        ([[1.0, 2.0], [1.0, np.inf]], "Row 1 has it in the column of X[1]."),
        ([VALUES[None]], "X[0] has the shape (1, 12, 3), but a series is"),
        (VALUES[None, None], "Found array with dim 4, while dim <= 3 is required"),
        (
            frame(index=LEVELS),
            "X has an index of 2 levels. A table is one series: make",
        ),
        ([frame(index=HOURS), frame(index=REPEATED)], "X[1] has two rows for the same"),
        (
            [frame(index=HOURS), frame(index=JITTERED)],
            "Row 6 of X[1] (2024-03-30 06:30)",
        ),
        (
            pd.DataFrame(
                {"id": ["u"] * 3 + ["v"] * 3, "ds": [*HOURS[:3]] * 2, "y": Y[:6]}
            ),
            "If these are several series in long form, make a list of them: "
            "[g for _, g in X.groupby(...)].",
        ),
        (pd.DataFrame({"a": list("uvw")}), "No column of X is left to be the target."),
        (
            [frame().assign(when=HOURS), frame().assign(when=1.0)],
            "The time of rows is in column None of X[1], but in column 3 of X[0].",
        ),
    ],
)
def test_panels_refused(X, message):
    refuses(lambda: learn_panel(X), message)


@pytest.mark.parametrize(
    "X", ["text", 3, None, {"a": [1.0]}, iter([[1.0]]), {1.0, 2.0}]
)
def test_types_of_panels_refused(X):
    message = "Expected array-like (array or non-string sequence), got"
    text = refuses(lambda: learn_panel(X), message, TypeError)
    assert ("list(X.values())" in text) == isinstance(X, dict)
    refuses(lambda: learn_panel([VALUES, "text"]), "but X[1] is of type str", TypeError)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"known_future": "wind"},
            "known_future names the column 'wind', but the columns",
        ),
        ({"known_future": [3]}, "known_future names column 3, but X has 3 columns."),
        ({"known_future": [True]}, "known_future is a mask of 1 columns, but X has 3."),
        ({"static": "wind"}, "static names the column 'wind'"),
        ({"categorical_features": [5]}, "categorical_features names column 5"),
        (
            {"known_future": "when"},
            "known_future names column 'when' of X, which is the",
        ),
        ({"categorical_features": ["when"]}, "which is the time index."),
    ],
)
def test_columns_refused(options, message):
    X = frame()
    if "when" in str(options):
        X["when"] = HOURS
    refuses(lambda: learn_rows(X, Y, **options), message)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": "y"}, "target names the column 'y'"),
        ({"target": "a", "known_future": ["a"]}, "known_future names column 'a' of X["),
        (
            {"target": "a", "static": ["a"]},
            "static names column 'a' of X[0], which is a",
        ),
        ({"known_future": "all"}, "No column of X is left to be the target."),
        ({"target": 0, "categorical_features": [0]}, "'a' of X[0], which is a target."),
        (
            {"categorical_features": [0, 1, 2]},
            "No column of X is left to be the target.",
        ),
    ],
)
def test_targets_refused(options, message):
    refuses(lambda: learn_panel([frame()], **options), message)


def test_options_of_wrong_types():
    message = "known_future=3.5 names no columns."
    refuses(lambda: learn_rows(VALUES, Y, known_future=3.5), message, TypeError)
    message = "known_future names a column by 1.5."
    refuses(lambda: learn_rows(VALUES, Y, known_future=[1.5]), message, TypeError)
    message = "known_future names the column 'a', but the columns of X have no names."
    refuses(lambda: learn_rows(VALUES, Y, known_future="a"), message)
