"""What `fit` learns from users' tables about their columns and their time."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skrnn.inputs.calendar import CYCLES, estimate_season
from skrnn.inputs.columns import (
    Table,
    category_columns,
    check_alike,
    open_row_table,
    open_target_table,
    row_times,
    tables_of,
)
from skrnn.inputs.covariates import assign_roles, learn_categories
from skrnn.inputs.series import n_past_of
from skrnn.inputs.time_axis import TimeAxis, learn_shared_axis

__all__ = ["ReadTable", "learn_panel", "learn_rows"]


@dataclass
class ReadTable:
    """One series of the training data, whose targets are read.

    Attributes
    ----------
    name : str
        What messages call it.
    table : Table or None
        The table of its covariates.
    y : ndarray of shape (n_rows, n_targets)
        The targets.
    n_past : int
        How many rows are history.
    rows : ndarray of shape (n_rows,), int64
        Where the rows lie on the time axis.
    phase : int
        How far after that.
    """

    name: str
    table: Table | None
    y: np.ndarray
    n_past: int
    rows: np.ndarray
    phase: int = 0

    def regular_targets(self):
        """The targets of the history, NaN in rows that are absent."""
        rows, y = self.rows[: self.n_past] - self.rows[0], self.y[: self.n_past]
        if rows[-1] == self.n_past - 1:
            return y
        regular = np.full((int(rows[-1]) + 1, y.shape[1]), np.nan)
        regular[rows] = y
        return regular


def learn_rows(X, y, *, selections, categorical_features, calendar):
    """Learn from one series whose targets are apart from the covariates.

    Parameters
    ----------
    X : table of shape (n_steps, n_columns), or None
        The covariates.
    y : array-like, Series or DataFrame of shape (n_steps,) or (n_steps, n_targets)
        The targets.
    selections : dict
        The options that say which columns are what, but for categories.
    categorical_features, calendar : object
        As in `SeriesSchema.learn`.

    Returns
    -------
    facts : dict
        What a `SeriesSchema` is made of.
    series : list of one ReadTable
    """
    targets = open_target_table(y, "y")
    table = None if X is None else open_row_table(X, "X")
    times, named = row_times(table, targets)
    n_rows = targets.n_rows
    target_names = [targets.labels[j] for j in targets.value_columns]
    roles, categories, feature_names = [], [], None
    if table is not None:
        feature_names = table.names()
        roles = assign_roles(table, default="all", **selections)
        columns = category_columns(categorical_features, [table], roles)
        categories = learn_categories(
            [table], [n_rows], columns, roles, _by_dtype(categorical_features)
        )
    y = targets.numbers(targets.value_columns, n_rows)
    _check_known([y], target_names, "y")
    axis, rows = None, np.arange(n_rows)
    if times is not None:
        axis = TimeAxis.learn(times, named)
        if axis is not None:
            axis = axis.with_opening_hours([times], named)
            rows, _ = axis.place(times, named)
    series = [ReadTable("y", table, y, n_rows, rows)]
    facts = {
        "mode": "rows",
        "roles": roles,
        "categories": categories,
        "feature_names": feature_names,
        "target_names": target_names,
        "target_is_1d": targets.ndim == 1,
    }
    return facts | _facts_of_time(axis, series, calendar), series


def learn_panel(X, *, selections, categorical_features, calendar):
    """Learn from a list of series whose targets are among their columns.

    Parameters
    ----------
    X : panel of series
        As in `SeriesSchema.learn`.
    selections : dict
        The options that say which columns are what, but for categories.
    categorical_features, calendar : object
        As in `SeriesSchema.learn`.

    Returns
    -------
    facts : dict
        What a `SeriesSchema` is made of.
    series : list of ReadTable
    """
    tables = tables_of(X, "X")
    first, target = tables[0], selections["target"]
    for table in tables[1:]:
        check_alike(table, first)
    feature_names = first.names()
    roles = assign_roles(first, default=None, **selections)
    if target is None:
        columns = category_columns(categorical_features, tables, roles)
        roles = _make_targets(roles, columns)
    targets = [j for j, role in enumerate(roles) if role == "target"]
    arrays = [table.numbers(targets, table.n_rows) for table in tables]
    pasts = [n_past_of(y, table.name) for y, table in zip(arrays, tables, strict=True)]
    if target is not None:
        # Rows that are future do not tell what past-only columns hold.
        columns = category_columns(categorical_features, tables, roles, pasts)
    categories = learn_categories(
        tables, pasts, columns, roles, _by_dtype(categorical_features)
    )
    target_names = [first.labels[j] for j in targets]
    _check_known(arrays, target_names, "X")
    axis, places = learn_shared_axis(tables)
    series = [
        ReadTable(table.name, table, y, n_past, rows, phase)
        for table, y, n_past, (rows, phase) in zip(
            tables, arrays, pasts, places, strict=True
        )
    ]
    facts = {
        "mode": "panel",
        "roles": roles,
        "categories": categories,
        "feature_names": feature_names,
        "target_names": target_names,
        "target_is_1d": isinstance(target, str | Integral)
        or all(table.ndim == 1 for table in tables),
    }
    return facts | _facts_of_time(axis, series, calendar), series


def _by_dtype(categorical_features):
    """Whether an option leaves it to the dtypes which columns are categories."""
    given = categorical_features
    return isinstance(given, str) and given == "from_dtype"


def _make_targets(roles, categorical):
    """Make targets of all columns that are nothing else."""
    roles = [
        "target" if role == "past" and j not in categorical else role
        for j, role in enumerate(roles)
    ]
    if "target" not in roles:
        raise ValueError(
            "No column of X is left to be the target. Set target, or take it out of"
            " known_future, static or categorical_features."
        )
    return roles


def _facts_of_time(axis, series, calendar):
    """The time axis, its calendar and season, and where later rows start."""
    next_position = max(int(s.rows[s.n_past - 1]) + 1 for s in series)
    cycles = _choose_cycles(calendar, axis, next_position)
    season = None if axis is None else axis.season()
    if season is None:
        season = estimate_season([s.regular_targets() for s in series])
    return {
        "axis": axis,
        "next_position": next_position,
        "calendar": cycles,
        "season": season,
    }


def _choose_cycles(calendar, axis, n_steps):
    """The cycles that become features, and how many harmonics each has."""
    if calendar is None or calendar is False:
        return []
    if calendar is True or (isinstance(calendar, str) and calendar == "auto"):
        return [] if axis is None else axis.choose_calendar(n_steps)
    names = [calendar] if isinstance(calendar, str) else list(calendar)
    for name in names:
        if not isinstance(name, str) or name not in CYCLES:
            raise ValueError(
                f"calendar names {name!r}, which is not one of {list(CYCLES)}."
            )
    if names and (axis is None or axis.kind == "integer"):
        raise ValueError(
            f"calendar={calendar!r} needs rows with dates: a DatetimeIndex, a "
            "PeriodIndex, or a column of dates."
        )
    return [[name, CYCLES[name]] for name in dict.fromkeys(names)]


def _check_known(arrays, target_names, name):
    """Refuse targets of which fit knows no value."""
    known = np.zeros(len(target_names), dtype=bool)
    for y in arrays:
        known |= ~np.isnan(y).all(axis=0)
    if not known.all():
        label = target_names[int(np.argmin(known))]
        raise ValueError(
            f"Input {name} contains NaN.\nTarget {label!r} has no known value."
            " Leave it out."
        )
