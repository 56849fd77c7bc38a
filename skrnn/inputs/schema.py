"""What users hand in as series, checked, and read into arrays of one form.

A series is a table whose rows are consecutive time steps; NaN means unknown. Its
columns are targets, which are forecast, and covariates, which are known of the past
only or of the future too. Rows that an index leaves out are unknown ones. What `fit`
learns about columns and time is a `SeriesSchema`, by which later tables are read.

There are two ways in. In rows mode one series is given as covariates `X` and targets
`y`, a row for each step. In panel mode `X` is a list of series, whose targets are
columns like others; one table alone is a list of one.
"""

import warnings

import numpy as np

from skrnn.inputs.calendar import CYCLES, estimate_season
from skrnn.inputs.columns import (
    open_row_table,
    open_target_table,
    row_times,
    select_columns,
    tables_of,
)
from skrnn.inputs.series import Series, n_past_of
from skrnn.inputs.time_axis import TimeAxis, check_types

__all__ = ["SeriesSchema"]


class SeriesSchema:
    """What `fit` learned about the columns of tables and their time.

    Parameters
    ----------
    mode : {"rows", "panel"}
        Whether targets are given apart from the covariates, or are columns.
    estimator_name : str
        What messages call the estimator.

    Attributes
    ----------
    roles : list of {"target", "past", "future", "static", "time"}
        What each column of `X` is.
    categories : list
        The categories of each column of `X`, None for one of numbers.
    feature_names : list of str or None
        The names of the columns of `X`.
    target_names : list of str or int
        The names of the targets, or their numbers.
    target_is_1d : bool
        Whether forecasts have no axis for targets.
    calendar : list of [str, int]
        The cycles that are features, and how many harmonics each has.
    season : int
        Rows of a season, 1 if there is none.
    next_position : int
        The position that rows without an index start from: the one after the last
        history that `fit` saw. To be set when more is.
    n_targets, n_features_in : int
        How many targets there are, and columns of `X`.
    n_past_only, n_known_future : int
        How many columns of `Series.x` are known of the past only, and then, how many
        of the future too.
    """

    FIELDS = {
        "mode": str,
        "estimator_name": str,
        "roles": list,
        "categories": list,
        "feature_names": (list, type(None)),
        "target_names": list,
        "target_is_1d": bool,
        "calendar": list,
        "season": int,
        "next_position": int,
    }

    def __init__(self, mode, estimator_name):
        self.mode = mode
        self.estimator_name = estimator_name
        self.roles, self.categories, self.feature_names = [], [], None
        self.target_names, self.target_is_1d = [], True
        self.calendar, self.season, self.next_position = [], 1, 0
        self._axis = None

    def get_state(self):
        """All of it, as a dict of plain values."""
        axis = None if self._axis is None else self._axis.get_state()
        return {name: getattr(self, name) for name in self.FIELDS} | {"axis": axis}

    @classmethod
    def from_state(cls, state):
        """The schema of which `get_state` gave the state."""
        check_types(state, cls.FIELDS | {"axis": (dict, type(None))}, "schema")
        schema = cls(state["mode"], state["estimator_name"])
        for name in cls.FIELDS:
            setattr(schema, name, state[name])
        if state["axis"] is not None:
            schema._axis = TimeAxis.from_state(state["axis"])
        schema._prepare()
        return schema

    @property
    def freq(self):
        """The frequency as pandas would call it, None without dates."""
        return None if self._axis is None else self._axis.freq

    @property
    def time_kind(self):
        """What tells the times: "datetime", "period", "integer" or None."""
        return None if self._axis is None else self._axis.kind

    @property
    def n_covariates(self):
        """How many columns `Series.x` has."""
        return self.n_past_only + self.n_known_future

    @property
    def n_calendar(self):
        """How many columns `Series.calendar` has."""
        return 2 * sum(n_harmonics for _, n_harmonics in self.calendar)

    @property
    def calendar_names(self):
        """What the columns of `Series.calendar` are."""
        return [
            f"{wave}({cycle})" if k == 1 else f"{wave}({k} * {cycle})"
            for cycle, n_harmonics in self.calendar
            for k in range(1, n_harmonics + 1)
            for wave in ("sin", "cos")
        ]

    @property
    def covariate_names(self):
        """What the columns of `Series.x` are."""
        names = self.feature_names or [f"x{j}" for j in range(self.n_features_in)]
        return [
            names[j] if category is None else f"{names[j]}={category}"
            for j, categories in self._layout
            for category in (categories or [None])
        ]

    # Learning ----------------------------------------------------------------------

    def _columns_of(self, *roles):
        return [j for j, role in enumerate(self.roles) if role in roles]

    def _set_columns(self, table, static, known_future, *, auto, target=None):
        """Give each column of a table its role."""
        self.feature_names = table.names()
        self.categories = [None] * table.n_columns
        roles = self.roles = ["past"] * table.n_columns
        if table.time_column is not None:
            roles[table.time_column] = "time"
        if isinstance(known_future, str) and known_future == "auto":
            known_future = auto
        chosen = [("target", target), ("static", static)]
        if isinstance(known_future, str) and known_future == "all":
            everything = True
        else:
            everything = False
            chosen.append(("future", known_future))
        for role, selection in chosen:
            option = "known_future" if role == "future" else role
            for j in select_columns(selection, table, option):
                if roles[j] == "past":
                    roles[j] = role
                elif roles[j] != "static":
                    other = "the time index" if roles[j] == "time" else "a target"
                    raise ValueError(
                        f"{option} names {table.column_name(j)}, which is {other}."
                    )
        if everything:
            roles[:] = ["future" if role == "past" else role for role in roles]

    def _set_categories(self, tables, pasts, columns):
        """Learn the categories of columns, from the rows that are read."""
        for j in columns:
            if self.roles[j] in ("target", "time"):
                raise ValueError(
                    f"categorical_features names {tables[0].column_name(j)}, which is "
                    f"{'a target' if self.roles[j] == 'target' else 'the time index'}."
                )
            found = set()
            for table, n_past in zip(tables, pasts, strict=True):
                stop = n_past if self.roles[j] == "past" else table.n_rows
                found |= table.categories(j, stop)
            self.categories[j] = sorted(found, key=lambda v: (isinstance(v, str), v))

    def _prepare(self):
        """Derive what follows from roles and categories."""
        self.n_features_in = len(self.roles)
        self.n_targets = len(self.target_names)
        self._targets = np.array(self._columns_of("target"), dtype=np.intp)
        self._layout = []  # columns of X in the order of x, and their categories
        self._codes = {}  # for a column of categories: those of each of them
        self._parts = []  # for past and future: numbers, and those of categories
        for roles in (["past"], ["future", "static"]):
            columns = self._columns_of(*roles)
            numbers = [j for j in columns if self.categories[j] is None]
            others = [j for j in columns if self.categories[j] is not None]
            self._layout += [(j, None) for j in numbers]
            # A column that never had any category leaves none.
            self._layout += [(j, self.categories[j]) for j in others]
            self._parts.append((np.array(numbers, dtype=np.intp), others))
        self._where = {}  # for a column: its slice of x
        start = 0
        for j, categories in self._layout:
            stop = start + (1 if categories is None else len(categories))
            self._where[j] = slice(start, stop)
            start = stop
            if categories is not None:
                self._codes[j] = {value: i for i, value in enumerate(categories)}
        width = [
            len(numbers) + sum(len(self._codes[j]) for j in others)
            for numbers, others in self._parts
        ]
        self.n_past_only, self.n_known_future = width
        self._static = self._columns_of("static")
        self._blank = np.full(start, np.nan)  # a row of which nothing is known
        for j in self._codes:
            self._blank[self._where[j]] = 0.0

    def _learn_axis(self, tables):
        """Learn the time axis of a panel; the rows of each table, and its phase."""
        telling = [table for table in tables if table.times is not None]
        kinds = {table.times.kind for table in telling if not table.times.weak}
        if kinds - {"integer"}:
            telling = [table for table in telling if not table.times.weak]
        elif not kinds and len(telling) < len(tables):
            telling = []  # numbers of rows, of some
        if telling:
            kind = telling[0].times.kind
            for table in tables:
                if table not in telling or table.times.kind != kind:
                    raise ValueError(
                        f"The times of {telling[0].name} are of the kind {kind}, but "
                        f"{table.name} has none of it. Give all series the same kind of"
                        " index, or none."
                    )
        for table in telling:
            table.check_order()
        if telling:
            longest = max(telling, key=lambda table: table.n_rows)
            self._axis = TimeAxis.learn(longest.times, longest.name)
        if self._axis is None:
            return [(np.arange(table.n_rows), 0) for table in tables]
        places = [
            self._axis.place(table.times, table.name, any_phase=True)
            for table in tables
        ]
        start = min(int(rows[0]) for rows, _ in places)
        self._axis.start_at(start)
        return [(rows - start, phase) for rows, phase in places]

    def _set_calendar(self, calendar, n_steps):
        if calendar is None or calendar is False:
            self.calendar = []
            return
        if calendar is True or (isinstance(calendar, str) and calendar == "auto"):
            self.calendar = []
            if self._axis is not None:
                self.calendar = self._axis.choose_calendar(n_steps)
            return
        names = [calendar] if isinstance(calendar, str) else list(calendar)
        for name in names:
            if not isinstance(name, str) or name not in CYCLES:
                raise ValueError(
                    f"calendar names {name!r}, which is none of {list(CYCLES)}."
                )
        if names and self.time_kind in (None, "integer"):
            raise ValueError(
                f"calendar={calendar!r} needs rows with dates: a DatetimeIndex, a "
                "PeriodIndex, or a column of dates."
            )
        self.calendar = [[name, CYCLES[name]] for name in dict.fromkeys(names)]

    def _set_season(self, arrays):
        season = None if self._axis is None else self._axis.season()
        self.season = estimate_season(arrays) if season is None else season

    # Reading -----------------------------------------------------------------------

    def read_rows(
        self,
        X_past,
        y_past,
        X_future=None,
        n_future=0,
        *,
        names=("X_past", "y_past", "X_future"),
        allow_unknown=False,
        after=None,
    ):
        """Read a history, and what is known of the rows after it.

        Parameters
        ----------
        X_past : array-like or DataFrame of shape (n_past, n_columns), or None
            The covariates of the history; None if they are unknown, or none.
        y_past : array-like, Series or DataFrame
            The targets, of shape (n_past,) or (n_past, n_targets).
        X_future : array-like or DataFrame of shape (n_rows, n_columns), or None
            The covariates from then on. Rows between the history and the first of
            these are unknown, if both have an index.
        n_future : int
            How many future rows there must be at least.
        names : tuple of three str
            What messages call the tables.
        allow_unknown : bool
            Whether all targets may be NaN.
        after : Series or None
            The series that rows follow if they have no index, or no more than numbers
            from 0 on. None is the history that `fit` saw, for rows without an index.

        Returns
        -------
        series : Series
            If `X_future` alone has an index, the history ends before it.
        """
        targets = open_target_table(y_past, names[1])
        if targets.n_value_columns != self.n_targets:
            raise ValueError(
                f"{names[1]} has {targets.n_value_columns} targets, but "
                f"{self.estimator_name} was fitted with {self.n_targets}."
            )
        past = None if X_past is None else open_row_table(X_past, names[0])
        future = None if X_future is None else open_row_table(X_future, names[2])
        for table in (past, future):
            if table is not None:
                self._check_columns(table, warn=table is past or past is None)
        times, named = row_times(past, targets)
        y = targets.numbers(targets.value_columns, targets.n_rows)
        if not allow_unknown:
            n_past_of(y, names[1])
        n_rows = targets.n_rows
        rows = beyond = None
        if times is not None and not (times.weak and after is not None):
            rows = self._place(times, named)
        if future is not None and future.times is not None and not future.times.weak:
            future.check_order()
            beyond = self._place(future.times, future.name)
        if rows is None:
            if after is not None:
                start = after.position + after.n_past
            elif beyond is not None:
                start = int(beyond[0]) - n_rows
            else:
                start = self.next_position
            rows = np.arange(start, start + n_rows)
        x = None if past is None else self._covariates(past, n_rows)
        n_past = int(rows[-1] - rows[0]) + 1
        parts = [(rows, y, x)]
        if future is not None:
            if beyond is None:
                beyond = np.arange(rows[-1] + 1, rows[-1] + 1 + future.n_rows)
            elif beyond[0] <= rows[-1]:
                raise ValueError(
                    f"{future.name} starts at {future.times.label(0)}, but the history "
                    f"ends at {self._axis.label(rows[-1])}. Leave out the rows of "
                    f"{future.name} that are not after it."
                )
            parts.append((beyond, None, self._covariates(future, 0)))
        return self._series(names[1], n_past, 0, *parts, n_rows=n_past + n_future)

    def read_future(self, X, name="X"):
        """Read the covariates of rows to forecast, wherever they lie.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)
            The covariates. Their times may leave steps out, but must increase.
        name : str
            What messages call it.

        Returns
        -------
        positions : ndarray of shape (n_rows,), int64 or None
            Where the rows lie on the time axis; None if `X` has no index like that of
            fit, or numbers of rows from 0 on. They are the rows from `next_position`
            on, then.
        x : ndarray of shape (n_rows, n_covariates)
            The covariates, those known of the past only being unknown.
        calendar : ndarray of shape (n_rows, n_calendar)
            The features of the calendar.
        """
        if X is None:
            raise ValueError(
                f"{name} is None, so that nothing tells how many rows to forecast. Pass"
                " a DataFrame of their index, or an array of shape (n_rows, 0), if "
                "there are no covariates."
            )
        table = open_row_table(X, name)
        self._check_columns(table)
        positions = None
        if table.times is not None and not table.times.weak:
            table.check_order()
            positions = self._place(table.times, name)
        if positions is not None and positions[0] < 0:
            raise ValueError(
                f"Row 0 of {name} ({table.times.label(0)}) is before the first row that"
                f" was seen in fit ({self._axis.label(0)}), of which there is no past."
            )
        x = self._covariates(table, 0)
        rows = positions
        if rows is None:
            rows = np.arange(self.next_position, self.next_position + table.n_rows)
        return positions, x, self._features(rows)

    def read_panel(self, X, n_future=0, *, after=None):
        """Read series, and what is known of the rows after their last target.

        Parameters
        ----------
        X : list of tables, array of shape (n_series, n_steps, n_columns), or one table
            Tables as in fit.
        n_future : int
            How many rows there must be after the last target at least.
        after : list of Series or None
            The series that rows follow if they have no index, or no more than numbers
            from 0 on, one for each table. None is the history that `fit` saw if it had
            an index, and else nothing: row 0 is at position 0.

        Returns
        -------
        panel : list of Series
        """
        panel, tables = [], tables_of(X, "X")
        if after is not None and len(after) != len(tables):
            raise ValueError(
                f"X has {len(tables)} series, but there were {len(after)}. Give the new"
                " rows of each, in the same order."
            )
        for table in tables:
            self._check_columns(table, warn=not panel)
            last = None if after is None else after[len(panel)]
            y = table.numbers(self._targets, table.n_rows)
            n_past = n_past_of(y, table.name)
            rows, phase = None, 0
            told = table.times is not None and self._axis is not None
            if told and not (table.times.weak and last is not None):
                table.check_order()
                rows, phase = self._axis.place(table.times, table.name, any_phase=True)
            if rows is None:
                start = 0 if self._axis is None else self.next_position
                if last is not None:
                    start, phase = last.position + last.n_past, last.phase
                rows = np.arange(start, start + table.n_rows)
            x = self._covariates(table, n_past) if self._layout else None
            n_past = int(rows[n_past - 1] - rows[0]) + 1
            series = self._series(
                table.name, n_past, phase, (rows, y, x), n_rows=n_past + n_future
            )
            panel.append(series)
        return panel

    def row_numbers(self, X, y=None):
        """Which row of its `Series` each row of each table is.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            As in fit.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            As in fit.

        Returns
        -------
        numbers : list of ndarray
            One array a series; rows that are absent from an index count.
        """
        if self.mode == "panel":
            told = [(t.n_rows, t.times, t.name) for t in tables_of(X, "X")]
        else:
            targets = open_target_table(y, "y")
            table = None if X is None else open_row_table(X, "X")
            told = [(targets.n_rows, *row_times(table, targets))]
        numbers = []
        for n_rows, times, name in told:
            rows = None
            if times is not None and self._axis is not None:
                rows, _ = self._axis.place(times, name, any_phase=True)
            numbers.append(np.arange(n_rows) if rows is None else rows - rows[0])
        return numbers

    def _check_columns(self, table, *, warn=True):
        """Compare the columns of a table with those that fit saw."""
        if table.columns is not None or self.feature_names is not None:
            names = table.names()
            if names != self.feature_names:
                self._compare_names(names, table.name, warn)
        if table.n_columns != self.n_features_in:
            hint = "" if table.name == "X" else f" ({table.name})"
            raise ValueError(
                f"X has {table.n_columns} features, but {self.estimator_name} is "
                f"expecting {self.n_features_in} features as input{hint}."
            )
        if table.columns is not None and "time" in self.roles:
            column = self.roles.index("time")
            if table.time_column != column:
                raise ValueError(
                    f"The times of rows were in {table.column_name(column)} in fit, but"
                    " it holds none. Convert it to datetimes."
                )

    def _compare_names(self, names, table_name, warn):
        """Warn or refuse, in the words of scikit-learn."""
        fitted = self.feature_names
        if names is None or fitted is None:
            if not warn:
                return
            has, with_names = "has feature names", "without"
            if names is None:
                has, with_names = "does not have valid feature names", "with"
            warnings.warn(
                f"X {has}, but {self.estimator_name} was fitted {with_names} feature "
                "names",
                UserWarning,
                stacklevel=2,
            )
            return
        message = "The feature names should match those that were passed during fit.\n"
        unseen = sorted(set(names) - set(fitted))
        missing = sorted(set(fitted) - set(names))
        for title, listed in (
            ("Feature names unseen at fit time:", unseen),
            ("Feature names seen at fit time, yet now missing:", missing),
        ):
            if listed:
                lines = listed[:5] + ["..."] * (len(listed) > 5)
                message += "\n- ".join([title, *lines]) + "\n"
        if not unseen and not missing:
            message += "Feature names must be in the same order as they were in fit.\n"
        if table_name != "X":
            message += f"They are those of {table_name}.\n"
        raise ValueError(message)

    def _place(self, times, name):
        """The positions of times, or None if they tell nothing."""
        return None if self._axis is None else self._axis.place(times, name)[0]

    def _covariates(self, table, n_past):
        """The covariates of all rows of a table, `n_past` of which are history."""
        n_rows = table.n_rows
        x = np.empty((n_rows, self.n_covariates))
        x[:] = self._blank
        stop = n_past
        for numbers, others in self._parts:
            if numbers.size:
                start = self._where[numbers[0]].start
                x[:stop, start : start + numbers.size] = table.numbers(numbers, stop)
            for j in others:
                codes = table.codes(j, stop, self._codes[j])
                row = np.flatnonzero(codes >= 0)
                x[row, codes[row] + self._where[j].start] = 1.0
            stop = n_rows
        if self._static:
            self._fill_static(x, table.name)
        return x

    def _fill_static(self, x, name):
        """Give all rows the constant that some of them have."""
        for j in self._static:
            part = x[:, self._where[j]]
            if j in self._codes:
                known = np.flatnonzero(part.any(axis=1))
            else:
                known = np.flatnonzero(~np.isnan(part[:, 0]))
            if not known.size:
                continue
            odd = np.flatnonzero((part[known] != part[known[0]]).any(axis=1))
            if odd.size:
                label = self.feature_names[j] if self.feature_names else j
                raise ValueError(
                    f"Column {label!r} of {name} is static, but it varies: it changes "
                    f"in row {known[odd[0]]}. Take it out of static."
                )
            part[:] = part[known[0]]

    def _series(self, name, n_past, phase, *parts, n_rows=0):
        """A series of parts, tuples of positions, targets and covariates."""
        start = int(parts[0][0][0])
        n_rows = max(n_rows, int(parts[-1][0][-1]) + 1 - start)
        rows, y, x = parts[0]
        whole = len(rows) == n_rows  # and so it is the only one
        if not whole:
            y = np.full((n_rows, self.n_targets), np.nan)
        if not whole or x is None:
            x = np.empty((n_rows, self.n_covariates))
            x[:] = self._blank
            filled = False
            for rows, some_y, some_x in parts:
                rows = rows - start
                if rows[-1] - rows[0] + 1 == len(rows):
                    rows = slice(int(rows[0]), int(rows[-1]) + 1)
                if some_y is not None and not whole:
                    y[rows] = some_y
                if some_x is not None:
                    x[rows] = some_x
                    filled = True
            if filled and self._static:
                self._fill_static(x, name)
        calendar = self.calendar_at(start, n_rows, phase)
        return Series(y, x, calendar, n_past, name, start, phase)

    def _features(self, positions, phase=0):
        if not self.calendar:
            return np.empty((len(positions), 0))
        return self._axis.features(self.calendar, positions, phase)

    # Going on ----------------------------------------------------------------------

    def calendar_at(self, position, n, phase=0):
        """The features of the calendar of consecutive rows.

        Parameters
        ----------
        position : int
            Where the first row lies on the time axis.
        n : int
            How many rows.
        phase : int
            The phase of their series.

        Returns
        -------
        calendar : ndarray of shape (n, n_calendar)
        """
        if not self.calendar:
            return np.empty((n, 0))
        return self._features(np.arange(position, position + n), phase)

    def extend(self, series, n_future):
        """A series with at least `n_future` rows after its history.

        Parameters
        ----------
        series : Series
            Any series of this schema.
        n_future : int
            How many rows.

        Returns
        -------
        series : Series
            The same one if it is long enough. Of new rows the calendar is known, and
            what is static.
        """
        n_rows, n_old = series.n_past + n_future, len(series)
        if n_old >= n_rows:
            return series
        y = np.full((n_rows, self.n_targets), np.nan)
        y[:n_old] = series.y
        x = np.empty((n_rows, self.n_covariates))
        x[:] = self._blank
        x[:n_old] = series.x
        for j in self._static:
            x[n_old:, self._where[j]] = series.x[0, self._where[j]]
        calendar = np.empty((n_rows, self.n_calendar))
        calendar[:n_old] = series.calendar
        calendar[n_old:] = self.calendar_at(
            series.position + n_old, n_rows - n_old, series.phase
        )
        return Series(
            y, x, calendar, series.n_past, series.name, series.position, series.phase
        )

    def join(self, series, later):
        """The history of a series, and that of a later one after it.

        Parameters
        ----------
        series, later : Series
            Rows of `series` that are no history are left out. Steps between them are
            unknown rows.

        Returns
        -------
        series : Series
            With the name and the future rows of `later`.
        """
        start = later.position - series.position
        if start < series.n_past or series.phase != later.phase:
            label = str
            if self._axis is not None:
                label = self._axis.label
            raise ValueError(
                f"{later.name} starts at {label(later.position)}, but what is known "
                f"already ends at {label(series.position + series.n_past - 1)}. Pass "
                "the rows after it only, in the same steps."
            )
        old, first = slice(0, series.n_past), series.position
        joined = self._series(
            later.name,
            start + later.n_past,
            series.phase,
            (np.arange(first, first + series.n_past), series.y[old], series.x[old]),
            (np.arange(first + start, first + start + len(later)), later.y, later.x),
        )
        return joined

    def labels(self, series, start, stop):
        """The labels of the rows of a series, also of rows beyond its end.

        Parameters
        ----------
        series : Series
            Any series of this schema.
        start, stop : int
            The first row, and the one after the last.

        Returns
        -------
        labels : DatetimeIndex, PeriodIndex or ndarray
            Numbers if there is an integer index or none. Times are datetime64, in UTC
            if they have a zone, if the index of fit was none of pandas.
        """
        positions = np.arange(series.position + start, series.position + stop)
        if self._axis is None:
            return positions
        return self._axis.labels(positions, series.phase)
