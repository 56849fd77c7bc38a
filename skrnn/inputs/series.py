"""What is read from users' tables: series as arrays of one form.

A series is a table whose rows are consecutive time steps; NaN means unknown.
"""

import numpy as np

from skrnn.inputs.columns import input_name
from skrnn.inputs.time_axis import check_types

__all__ = ["Room", "Series", "n_past_of", "newest_rows"]


class Room:
    """Arrays with room for more rows, which series share that grow from one another.

    A series sees the first rows only. More are written after them, unless another
    series has grown from the same one and was first.

    Parameters
    ----------
    tables : tuple of ndarray of shape (n_rows, n_columns)
        The rows so far.
    n_rows : int
        How many rows will be needed next.
    """

    def __init__(self, tables, n_rows):
        self.size = n_rows + n_rows // 4 + 64
        self.used = len(tables[0])
        self.tables = []
        for table in tables:
            roomy = np.empty((self.size, table.shape[1]))
            roomy[: self.used] = table
            self.tables.append(roomy)

    def has(self, begin, n_rows):
        """Say whether rows from `begin` on are free."""
        return self.used == begin and n_rows <= self.size

    def grown(self, n_rows):
        """Take more rows, and return the tables with all that are in use."""
        self.used = n_rows
        return [table[:n_rows] for table in self.tables]


class Series:
    """Consecutive rows of one table.

    Attributes
    ----------
    y : ndarray of shape (n_rows, n_targets), float64
        The targets, NaN where unknown: so are all from row `n_past` on.
    x : ndarray of shape (n_rows, n_covariates), float64
        The covariates, NaN where unknown, in the order of the schema: those known of
        the past only, numbers and then categories, and those known of the future, in
        this order too. A category is a column of 0 and 1 for each value that `fit`
        saw, all 0 for others. From row `n_past` on the first ones are unknown.
    calendar : ndarray of shape (n_rows, n_calendar), float64
        Sines and cosines of the cycles of the calendar.
    n_past : int
        How many rows are history.
    name : str
        What messages call it.
    position : int
        The number of row 0 on the time axis of the schema.
    phase : int
        How far after that its time lies, for series of a panel.
    ahead : ndarray of shape (n_rows, n_covariates), float64 or None
        The covariates that rows to forecast have, where they are others than `x`. They
        are not part of the state.
    room : Room or None
        The arrays that `y`, `x` and `calendar` are the first rows of, if more rows can
        be appended to them. It is not part of the state.
    """

    FIELDS = ("calendar", "n_past", "name", "phase", "position", "x", "y")
    __slots__ = (*FIELDS, "ahead", "room")

    def __init__(self, y, x, calendar, n_past, name="X", position=0, phase=0):
        self.ahead = self.room = None
        self.y = y
        self.x = x
        self.calendar = calendar
        self.n_past = n_past
        self.name = name
        self.position = position
        self.phase = phase

    def __len__(self):
        return len(self.y)

    def __repr__(self):
        return f"<Series {self.name}: {self.n_past} of {len(self)} rows are history>"

    def get_state(self):
        """All of it, as a dict of plain values and arrays."""
        return {name: getattr(self, name) for name in self.FIELDS}

    @classmethod
    def from_state(cls, state):
        """The series of which `get_state` gave the state."""
        fields = dict.fromkeys(("calendar", "x", "y"), np.ndarray)
        fields |= {"n_past": int, "name": str, "phase": int, "position": int}
        check_types(state, fields, "series")
        return cls(**state)


def n_past_of(y, name, allow_none=False):
    """How many rows there are up to the last one with a target."""
    n_rows = len(y)
    if not np.isnan(y[-1]).all():
        return n_rows
    known = np.flatnonzero(~np.isnan(y).all(axis=1))
    if not known.size:
        if allow_none:
            return 0
        raise ValueError(
            f"Input {input_name(name)} contains NaN.\n{name} has no known value "
            "in its targets. Leave it out. A series without a value is forecast only "
            "by what was fitted to a panel, fit(X), of three series or more, with "
            "columns in known_future or static."
        )
    return int(known[-1]) + 1


def newest_rows(series, n_rows):
    """Return the rows of a series from `n_rows` before its last known values on."""
    start = max(0, series.n_past - n_rows)
    if not np.isfinite(series.y[series.n_past - 1]).all():
        known = np.isfinite(series.y[: series.n_past])
        since = known[::-1].argmax(axis=0)[known.any(axis=0)]
        start = max(0, start - int(since.max(initial=0)))
    return Series(
        series.y[start:].copy(),
        series.x[start:].copy(),
        series.calendar[start:].copy(),
        series.n_past - start,
        series.name,
        series.position + start,
        series.phase,
    )
