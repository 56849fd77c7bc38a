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

from skrnn.inputs.columns import (
    open_row_table,
    open_target_table,
    row_times,
    tables_of,
)
from skrnn.inputs.facts import SeriesFacts
from skrnn.inputs.learning import learn_panel, learn_rows
from skrnn.inputs.series import n_past_of

__all__ = ["SeriesSchema"]


class SeriesSchema(SeriesFacts):
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
        Rows of a season, 1 without a season.
    next_position : int
        The position that rows without an index start from: the one after the last
        history that `fit` saw. To be set when more is.
    n_targets, n_features_in : int
        How many targets there are, and columns of `X`.
    n_past_only, n_known_future : int
        How many columns of `Series.x` are known of the past only, and then, how many
        of the future too.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> index = pd.date_range("2024-01-29", periods=4, freq="D")
    >>> X = pd.DataFrame({"wind": [3.0, 5.0, 4.0, 4.0]}, index=index)
    >>> y = [1.0, 2.0, np.nan, 4.0]
    >>> schema, [series] = SeriesSchema.learn(X, y, calendar=["dayofweek"])
    >>> schema.freq, schema.season, schema.covariate_names
    ('D', 7, ['wind'])
    >>> series.y.ravel()
    array([ 1.,  2., nan,  4.])
    >>> schema, panel = SeriesSchema.learn([[1.0, 2.0, 3.0], [5.0, 4.0]])
    >>> [len(series) for series in panel]
    [3, 2]
    """

    # Learning ----------------------------------------------------------------------

    @classmethod
    def learn(
        cls,
        X,
        y=None,
        *,
        target=None,
        known_future="auto",
        static=None,
        categorical_features="from_dtype",
        calendar="auto",
        estimator_name="SequenceForecaster",
    ):
        """Learn from series: from a panel, or from one whose targets are apart.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            With `y` the covariates of one series; no columns are as good as None. The
            index of a DataFrame tells the times, see `skrnn.inputs.times.times_of`.

            Without `y` a list of tables, an array of shape (n_series, n_steps,
            n_columns), or one table. A table is an array or DataFrame (n_steps,
            n_columns), or an array or Series (n_steps,) of one target; lists of
            numbers, too. They may be of any length. An array of two dimensions is one
            table, whose rows are time steps; a list of lists of numbers is a list of
            univariate series. The rows after the last one with a target are future.
        y : array-like, Series or DataFrame of shape (n_steps,) or (n_steps, n_targets)
            The targets. Their index counts if `X` has none, or has no more than the
            numbers of its rows; else both must be the same. None: they are columns.
        target : None, callable, str, int or list of these
            The columns of the targets of a panel: names, numbers, a mask, or a
            function of the first table that gives these. None is all that are not
            given by `known_future`, `static` or `categorical_features`.
        known_future : "auto", "all", None, callable, str, int or list of these
            The columns of `X` that are known of the future too. "auto" is all of them
            if there is `y`, else none.
        static : None, callable, str, int or list of these
            The columns that are constant in each series. They are known of the future
            too, and read from any row that has them.
        categorical_features : "from_dtype", None, callable, str, int or list of these
            The columns of categories. "from_dtype" are those of dtype category or
            string, and those of objects that hold strings.
        calendar : "auto", None or list of {"minute", "hour", "dayofweek", \
                "dayofyear", "month"}
            The cycles that become features. "auto" are those that the frequency
            suggests.
        estimator_name : str
            What messages call the estimator.

        Returns
        -------
        schema : SeriesSchema
        panel : list of Series
            One if there is `y`.
        """
        selections = {"static": static, "known_future": known_future}
        options = {"categorical_features": categorical_features, "calendar": calendar}
        if y is None:
            selections["target"] = target
            facts, tables = learn_panel(X, selections=selections, **options)
        else:
            facts, tables = learn_rows(X, y, selections=selections, **options)
        schema = cls(estimator_name=estimator_name, **facts)
        return schema, [schema._series_of(table) for table in tables]

    def _series_of(self, read):
        """The series of a table of the training data."""
        x = None
        if read.table is not None:
            x = self._read_covariates(read.table, read.n_past)
        n_past = int(read.rows[read.n_past - 1] - read.rows[0]) + 1
        return self._series(read.name, n_past, read.phase, (read.rows, read.y, x))

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
            The series that rows follow if they have no index, or just the numbers
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
        rows, beyond = self._place_history(times, named, targets.n_rows, future, after)
        x = None if past is None else self._read_covariates(past, targets.n_rows)
        n_past = int(rows[-1] - rows[0]) + 1
        parts = [(rows, y, x)]
        if future is not None:
            parts.append((beyond, None, self._read_covariates(future, 0)))
        return self._series(names[1], n_past, 0, *parts, n_rows=n_past + n_future)

    def _place_history(self, times, named, n_rows, future, after):
        """The positions of the rows of a history, and of those of a future table."""
        rows = beyond = None
        if times is not None and not (times.is_default_range and after is not None):
            rows = self._place(times, named)
        if future is not None and future.has_explicit_times:
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
        if future is None:
            return rows, None
        if beyond is None:
            beyond = np.arange(rows[-1] + 1, rows[-1] + 1 + future.n_rows)
        elif beyond[0] <= rows[-1]:
            raise ValueError(
                f"{future.name} starts at {future.times.label(0)}, but the history "
                f"ends at {self._axis.label(rows[-1])}. Leave out the rows of "
                f"{future.name} that are not after it."
            )
        return rows, beyond

    def read_future(self, X, name="X", *, targets=None, known=None):
        """Read the covariates of rows to forecast, wherever they lie.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_columns)
            The covariates. Their times may leave steps out, but must increase. May be
            None if there are targets.
        name : str
            What messages call it.
        targets : Table or None
            The targets of the same rows. Their index counts as in fit.
        known : Series or None
            The history, by which rows that are numbered from 1 are told from others.

        Returns
        -------
        positions : ndarray of shape (n_rows,), int64 or None
            Where the rows lie on the time axis; None if `X` has no index like that of
            fit, or numbers that merely count rows. They are the rows from
            `next_position` on, then.
        x : ndarray of shape (n_rows, n_covariates)
            The covariates, those known of the past only being unknown.
        calendar : ndarray of shape (n_rows, n_calendar)
            The features of the calendar.
        """
        if X is None and targets is None:
            raise ValueError(
                f"{name} is None, so that nothing tells how many rows to forecast. Pass"
                " a DataFrame of their index, or an array of shape (n_rows, 0), if "
                "there are no covariates."
            )
        table = None
        if X is not None:
            table = open_row_table(X, name)
            self._check_columns(table)
        if targets is None:
            times, named, n_rows = table.times, name, table.n_rows
        else:
            (times, named), n_rows = row_times(table, targets), targets.n_rows
        if table is None:
            x = self._covariates.unknown(n_rows)
        else:
            x = self._read_covariates(table, 0)
        positions = None
        if times is not None and not times.is_default_range:
            if table is None or table.times is not times:
                times.check_increasing(named)
            else:
                table.check_order()
            positions = self._place(times, named)
        if positions is not None and self._merely_counts(times, positions, x, known):
            positions = None
        if positions is not None and positions[0] < 0:
            raise ValueError(
                f"Row 0 of {named} ({times.label(0)}) is before the first row that"
                f" was seen in fit ({self._axis.label(0)}), so its history is unknown."
            )
        rows = positions
        if rows is None:
            rows = np.arange(self.next_position, self.next_position + n_rows)
        return positions, x, self._features(rows)

    def _merely_counts(self, times, positions, x, known):
        """Whether times are numbers from 1 on, of rows that are not those of fit."""
        if known is None or times.kind != "integer" or positions[0] not in (0, 1):
            return False
        n = len(positions)
        if times.values[0] != 1 or times.values[-1] != n or n > known.n_past:
            return False
        if self.n_known_future:
            seen = known.x[positions[0] : positions[0] + n, self.n_past_only :]
            if np.array_equal(x[:, self.n_past_only :], seen, equal_nan=True):
                return False
        warnings.warn(
            "The index of X counts rows from 1. They are taken for the rows that follow"
            " the history, as numbers from 0 are, since their values are not those of "
            "the first rows of fit. Number the rows on from those of fit to say which "
            "they are.",
            UserWarning,
            stacklevel=2,
        )
        return True

    def read_panel(
        self, X, n_future=0, *, after=None, allow_unknown=False, allow_cold=False
    ):
        """Read series, and what is known of the rows after their last target.

        Parameters
        ----------
        X : list of tables, array of shape (n_series, n_steps, n_columns), or one table
            Tables as in fit.
        n_future : int
            How many rows there must be after the last target at least.
        after : list of Series or None
            The series that rows follow if they have no index, or just the numbers
            from 0 on, one for each table. None is the history that `fit` saw if it had
            an index, and else nothing: row 0 is at position 0.
        allow_unknown : bool
            Whether all targets may be NaN. All rows are history, then.
        allow_cold : bool
            Whether a series may have no known target. It has no history, then.

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
            if allow_unknown:
                n_past = table.n_rows
            else:
                n_past = n_past_of(y, table.name, allow_cold)
            rows, phase = None, 0
            has_times = table.times is not None and self._axis is not None
            if has_times and not (table.times.is_default_range and last is not None):
                table.check_order()
                rows, phase = self._axis.place(table.times, table.name, any_phase=True)
            if rows is None:
                start = 0 if self._axis is None else self.next_position
                if last is not None:
                    start, phase = last.position + last.n_past, last.phase
                rows = np.arange(start, start + table.n_rows)
            x = self._read_covariates(table, n_past) if len(self._covariates) else None
            n_past = int(rows[n_past - 1] - rows[0]) + 1 if n_past else 0
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
            given = [(t.n_rows, t.times, t.name) for t in tables_of(X, "X")]
        else:
            targets = open_target_table(y, "y")
            table = None if X is None else open_row_table(X, "X")
            given = [(targets.n_rows, *row_times(table, targets))]
        numbers = []
        for n_rows, times, name in given:
            rows = None
            if times is not None and self._axis is not None:
                rows, _ = self._axis.place(times, name, any_phase=True)
            numbers.append(np.arange(n_rows) if rows is None else rows - rows[0])
        return numbers

    # Columns -----------------------------------------------------------------------

    def _check_columns(self, table, *, warn=True):
        """Compare the columns of a table with those that fit saw."""
        if table.columns is not None or self.feature_names is not None:
            names = table.names()
            if names != self.feature_names:
                self._compare_names(names, table.name, warn)
        if table.n_columns != self.n_features_in:
            hint = "" if table.name == "X" else f" ({table.name})"
            remedy = "" if self.n_features_in else " Earlier values go into y_past."
            raise ValueError(
                f"X has {table.n_columns} features, but {self.estimator_name} is "
                f"expecting {self.n_features_in} features as input{hint}.{remedy}"
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

    def _read_covariates(self, table, n_past):
        """The covariates of all rows of a table, `n_past` of which are history."""
        return self._covariates.read(table, n_past, self.feature_names)
