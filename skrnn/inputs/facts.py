"""What is known of the columns and the time of series, and how series go on by it."""

import numpy as np

from skrnn.inputs.covariates import Covariates
from skrnn.inputs.series import Room, Series
from skrnn.inputs.time_axis import TimeAxis, check_types

__all__ = ["SeriesFacts"]


class SeriesFacts:
    """What `fit` learned; parameters and attributes are those of `SeriesSchema`."""

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

    def __init__(
        self,
        *,
        mode,
        estimator_name,
        roles,
        categories,
        feature_names,
        target_names,
        target_is_1d,
        calendar,
        season,
        next_position,
        axis,
    ):
        self.mode = mode
        self.estimator_name = estimator_name
        self.roles = roles
        self.categories = categories
        self.feature_names = feature_names
        self.target_names = target_names
        self.target_is_1d = target_is_1d
        self.calendar = calendar
        self.season = season
        self.next_position = next_position
        self._axis = axis
        self._covariates = Covariates(roles, categories)
        self._targets = np.flatnonzero([role == "target" for role in roles])

    def get_state(self):
        """All of it, as a dict of plain values."""
        axis = None if self._axis is None else self._axis.get_state()
        return {name: getattr(self, name) for name in self.FIELDS} | {"axis": axis}

    @classmethod
    def from_state(cls, state):
        """The schema of which `get_state` gave the state."""
        check_types(state, cls.FIELDS | {"axis": (dict, type(None))}, "schema")
        axis = None if state["axis"] is None else TimeAxis.from_state(state["axis"])
        return cls(**{**state, "axis": axis})

    @property
    def n_targets(self):
        """How many targets there are."""
        return len(self.target_names)

    @property
    def n_features_in(self):
        """How many columns `X` has."""
        return len(self.roles)

    @property
    def n_past_only(self):
        """How many columns of `Series.x` are known of the past only: the first ones."""
        return self._covariates.n_past_only

    @property
    def n_known_future(self):
        """How many columns of `Series.x` are known of the future too."""
        return self._covariates.n_known_future

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
        return len(self._covariates)

    @property
    def changing(self):
        """Which columns of `Series.x` are not static."""
        return self._covariates.changing

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
        return self._covariates.names(names)

    # Time --------------------------------------------------------------------------

    @property
    def clock_margin(self):
        """How many rows more than places a window may have, by the clocks of a zone."""
        return 0 if self._axis is None else self._axis.clock_margin

    def clock_places(self, series, n_rows):
        """Return the places of rows by the clocks of a zone, None if these are even.

        Parameters
        ----------
        series : Series
        n_rows : int
            How many rows, also beyond the end of the series.

        Returns
        -------
        place : ndarray of shape (n_rows,), int64 or None
            The place of row 0 is 0. Where clocks are put forward a place is left out,
            and where they are put back two rows share one.
        """
        if self._axis is None or not self._axis.follows_clocks:
            return None
        return self._axis.clock_places(series.position, n_rows, series.phase)

    def position_of(self, time, name):
        """Return the position of the first row at or after a time.

        Parameters
        ----------
        time : Timestamp, Period, datetime, date, datetime64 or str
            On the clocks of the zone, if there is one and it has none.
        name : str
            What messages call it.
        """
        if self.time_kind not in ("datetime", "period"):
            raise ValueError(
                f"{name} must be an int, got {time!r}: the rows have no dates."
            )
        return self._axis.position_at(time, name)

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

    def _features(self, positions, phase=0):
        if not self.calendar:
            return np.empty((len(positions), 0))
        return self._axis.features(self.calendar, positions, phase)

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
            if they have a zone, unless the index of fit was one of pandas.
        """
        positions = np.arange(series.position + start, series.position + stop)
        if self._axis is None:
            return positions
        return self._axis.labels(positions, series.phase)

    # Series ------------------------------------------------------------------------

    def _series(self, name, n_past, phase, *parts, n_rows=0, calendar=None):
        """A series of parts, tuples of positions, targets and covariates.

        `calendar` has the features of the first rows, if they are there already.
        """
        start = int(parts[0][0][0])
        n_rows = max(n_rows, int(parts[-1][0][-1]) + 1 - start)
        rows, y, x = parts[0]
        whole = len(rows) == n_rows  # and so it is the only one
        if not whole:
            y = np.full((n_rows, self.n_targets), np.nan)
        if not whole or x is None:
            x = self._covariates.unknown(n_rows)
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
            if filled:
                self._covariates.fill_static(x, name, self.feature_names)
        if calendar is None:
            calendar = self.calendar_at(start, n_rows, phase)
        else:
            n = len(calendar)
            new = self.calendar_at(start + n, n_rows - n, phase)
            calendar = np.concatenate([calendar, new])
        return Series(y, x, calendar, n_past, name, start, phase)

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
            The same one if it is long enough. The calendar and the static columns of
            new rows are known.
        """
        n_rows, n_old = series.n_past + n_future, len(series)
        if n_old >= n_rows:
            return series
        y = np.full((n_rows, self.n_targets), np.nan)
        y[:n_old] = series.y
        x = self._covariates.unknown(n_rows)
        x[:n_old] = series.x
        self._covariates.copy_static(x[n_old:], series.x[0])
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
            Rows of `series` after its history are left out. Steps between them are
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
        if self._covariates.changing.all():
            return self._appended(series, later, start)
        old, first = slice(0, series.n_past), series.position
        joined = self._series(
            later.name,
            start + later.n_past,
            series.phase,
            (np.arange(first, first + series.n_past), series.y[old], series.x[old]),
            (np.arange(first + start, first + start + len(later)), later.y, later.x),
            calendar=series.calendar[old],
        )
        return joined

    def _appended(self, series, later, start):
        """Join series in time that does not grow with the rows of the first one."""
        begin, stop = series.n_past, start + len(later)
        room = series.room
        if room is None or not room.has(begin, stop):
            tables = series.y[:begin], series.x[:begin], series.calendar[:begin]
            room = Room(tables, stop)
        y, x, calendar = room.grown(stop)
        y[begin:start] = np.nan
        x[begin:start] = self._covariates.unknown(start - begin)
        y[start:], x[start:] = later.y, later.x
        calendar[begin:] = self.calendar_at(
            series.position + begin, stop - begin, series.phase
        )
        n_past, where = start + later.n_past, (series.position, series.phase)
        joined = Series(y, x, calendar, n_past, later.name, *where)
        joined.room = room
        return joined
