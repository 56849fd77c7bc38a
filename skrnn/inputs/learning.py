"""What `fit` learns from users' tables about columns and time."""

from numbers import Integral

import numpy as np

from skrnn.inputs.columns import (
    category_columns,
    check_alike,
    open_row_table,
    open_target_table,
    row_times,
    tables_of,
)
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import n_past_of
from skrnn.inputs.time_axis import TimeAxis

__all__ = ["learn_panel", "learn_rows"]


def learn_rows(
    X,
    y,
    *,
    known_future="auto",
    static=None,
    categorical_features="from_dtype",
    calendar="auto",
    estimator_name="SequenceForecaster",
):
    """Learn from one series whose targets are apart from the covariates.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_steps, n_columns), or None
        The covariates; no columns are as good as None. The index of a DataFrame tells
        the times, see `skrnn.inputs.times.times_of`.
    y : array-like, Series or DataFrame of shape (n_steps,) or (n_steps, n_targets)
        The targets. Their index counts if `X` has none, or has no more than the
        numbers of its rows; else both must be the same.
    known_future : "auto", "all", None, callable, str, int or list of these
        The columns of `X` that are known of the future too: names, numbers, a mask, or
        a function of `X` that gives these. "auto" is all of them.
    static : None, callable, str, int or list of these
        The columns that are constant. They are known of the future too, and read from
        any row that has them.
    categorical_features : "from_dtype", None, callable, str, int or list of these
        The columns of categories. "from_dtype" are those of dtype category or string,
        and those of objects that hold strings.
    calendar : "auto", None or list of {"minute", "hour", "dayofweek", "dayofyear", \
            "month"}
        The cycles that become features. "auto" are those that the frequency suggests.
    estimator_name : str
        What messages call the estimator.

    Returns
    -------
    schema : SeriesSchema
    series : Series

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> index = pd.date_range("2024-01-29", periods=4, freq="D")
    >>> X = pd.DataFrame({"wind": [3.0, 5.0, 4.0, 4.0]}, index=index)
    >>> schema, series = learn_rows(X, [1.0, 2.0, np.nan, 4.0], calendar=["dayofweek"])
    >>> schema.freq, schema.season, schema.covariate_names
    ('D', 7, ['wind'])
    >>> series.y.ravel()
    array([ 1.,  2., nan,  4.])
    """
    targets = open_target_table(y, "y")
    table = None if X is None else open_row_table(X, "X")
    times, named = row_times(table, targets)
    schema = SeriesSchema("rows", estimator_name)
    schema.target_is_1d = targets.ndim == 1
    schema.target_names = [targets.labels[j] for j in targets.value_columns]
    n_rows = targets.n_rows
    if table is not None:
        schema._set_columns(table, static, known_future, auto="all")
        columns = category_columns(categorical_features, [table], schema.roles)
        schema._set_categories([table], [n_rows], columns)
    schema._prepare()
    y = targets.numbers(targets.value_columns, n_rows)
    _check_known([y], schema.target_names, "y")
    rows = np.arange(n_rows)
    if times is not None:
        schema._axis = TimeAxis.learn(times, named)
        if schema._axis is not None:
            rows, _ = schema._axis.place(times, named)
    schema.next_position = int(rows[-1]) + 1
    schema._set_calendar(calendar, schema.next_position)
    x = None if table is None else schema._covariates(table, n_rows)
    series = schema._series("y", schema.next_position, 0, (rows, y, x))
    schema._set_season([series.y])
    return schema, series


def learn_panel(
    X,
    *,
    target=None,
    known_future="auto",
    static=None,
    categorical_features="from_dtype",
    calendar="auto",
    estimator_name="SequenceForecaster",
):
    """Learn from a list of series whose targets are among their columns.

    Parameters
    ----------
    X : list of tables, array of shape (n_series, n_steps, n_columns), or one table
        A table is an array or DataFrame (n_steps, n_columns), or an array or Series
        (n_steps,) of one target; lists of numbers, too. They may be of any length. An
        array of two dimensions is one table, whose rows are time steps; a list of
        lists of numbers is a list of univariate series. The rows after the last one
        with a target are future.
    target : None, callable, str, int or list of these
        The columns of the targets. None is all that are not given by `known_future`,
        `static` or `categorical_features`.
    known_future : "auto", "all", None, callable, str, int or list of these
        As in `learn_rows`. "auto" is none of them.
    static : None, callable, str, int or list of these
        As in `learn_rows`: constant in each series.
    categorical_features : "from_dtype", None, callable, str, int or list of these
        As in `learn_rows`.
    calendar : "auto", None or list of {"minute", "hour", "dayofweek", "dayofyear", \
            "month"}
        As in `learn_rows`.
    estimator_name : str
        What messages call the estimator.

    Returns
    -------
    schema : SeriesSchema
    panel : list of Series

    Examples
    --------
    >>> schema, panel = learn_panel([[1.0, 2.0, 3.0], [5.0, 4.0]])
    >>> [len(series) for series in panel]
    [3, 2]
    >>> schema.n_targets, schema.target_is_1d
    (1, True)
    """
    tables = tables_of(X, "X")
    first = tables[0]
    for table in tables[1:]:
        check_alike(table, first)
    schema = SeriesSchema("panel", estimator_name)
    schema._set_columns(first, static, known_future, auto=None, target=target)
    if target is None:
        columns = category_columns(categorical_features, tables, schema.roles)
        for j, role in enumerate(schema.roles):
            if role == "past" and j not in columns:
                schema.roles[j] = "target"
        if "target" not in schema.roles:
            raise ValueError(
                "No column of X is left to be the target. Set target, or take it out of"
                " known_future, static or categorical_features."
            )
    targets = schema._columns_of("target")
    arrays = [table.numbers(targets, table.n_rows) for table in tables]
    pasts = [n_past_of(y, table.name) for y, table in zip(arrays, tables, strict=True)]
    if target is not None:
        # Rows that are future do not tell what past-only columns hold.
        columns = category_columns(categorical_features, tables, schema.roles, pasts)
    schema._set_categories(tables, pasts, columns)
    schema.target_is_1d = isinstance(target, str | Integral) or all(
        table.ndim == 1 for table in tables
    )
    schema.target_names = [first.labels[j] for j in targets]
    schema._prepare()
    _check_known(arrays, schema.target_names, "X")
    places = schema._learn_axis(tables)
    ends = [
        int(rows[n_past - 1]) + 1
        for (rows, _), n_past in zip(places, pasts, strict=True)
    ]
    schema.next_position = max(ends)
    schema._set_calendar(calendar, schema.next_position)
    panel = []
    for table, y, n_past, (rows, phase) in zip(
        tables, arrays, pasts, places, strict=True
    ):
        x = schema._covariates(table, n_past)
        n_past = int(rows[n_past - 1] - rows[0]) + 1
        series = schema._series(table.name, n_past, phase, (rows, y, x))
        panel.append(series)
    schema._set_season([series.y[: series.n_past] for series in panel])
    return schema, panel


def _check_known(arrays, target_names, name):
    """Refuse targets of which fit knows no value."""
    known = np.zeros(len(target_names), dtype=bool)
    for y in arrays:
        known |= ~np.isnan(y).all(axis=0)
    if not known.all():
        label = target_names[int(np.argmin(known))]
        raise ValueError(
            f"Input {name} contains NaN.\nTarget {label!r} is nothing else: no value of"
            " it is known. Leave it out."
        )
