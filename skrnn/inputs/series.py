"""What is read from users' tables: series as arrays of one form.

A series is a table whose rows are consecutive time steps; NaN means unknown.
"""

import numpy as np

from skrnn.inputs.columns import input_name
from skrnn.inputs.time_axis import check_types

__all__ = ["Series", "n_past_of"]


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
    """

    FIELDS = ("calendar", "n_past", "name", "phase", "position", "x", "y")
    __slots__ = (*FIELDS, "ahead")

    def __init__(self, y, x, calendar, n_past, name="X", position=0, phase=0):
        self.ahead = None
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


def n_past_of(y, name):
    """How many rows there are up to the last one with a target."""
    n_rows = len(y)
    if not np.isnan(y[-1]).all():
        return n_rows
    known = np.flatnonzero(~np.isnan(y).all(axis=1))
    if not known.size:
        raise ValueError(
            f"Input {input_name(name)} contains NaN.\n{name} has no known value "
            "in its targets. Leave it out."
        )
    return int(known[-1]) + 1
