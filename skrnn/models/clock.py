"""Lags by the clocks of a time zone, which are put forward and back.

The rows of a series are steps of equal length. Where the clocks change, the same hour
of the day before is 23 or 25 of them ago. So a line has a place for each hour of the
clocks: one that is skipped is unknown, and of two that are alike the first one counts.
"""

import numpy as np

from skrnn.inputs.series import Series

__all__ = ["by_clock", "series_by_clock"]


def by_clock(place, tables):
    """Return tables with a row for each place.

    Parameters
    ----------
    place : ndarray of shape (n_rows or more,)
        The place of each row, which do not fall.
    tables : tuple of ndarray of shape (n_rows, n_columns)
        Targets first. These are NaN in places without a row, and other columns are
        those of the row before.

    Returns
    -------
    tables : tuple of ndarray of shape (n_places, n_columns)
    """
    n_rows = len(tables[0])
    place = place[:n_rows]
    places = np.arange(place[-1] + 1)
    row = np.searchsorted(place, places)
    empty = place[row] != places
    row[empty] -= 1
    y, *others = (table[row] for table in tables)
    y[empty] = np.nan
    return y, *others


def series_by_clock(schema, series, horizon):
    """Return a series with a row for each place, `horizon` of them in the future."""
    n_past = series.n_past
    whole = schema.extend(series, horizon + schema.clock_margin)
    place = schema.clock_places(whole, len(whole))
    if place is None:
        return series
    y, x, calendar = by_clock(place, (whole.y, whole.x, whole.calendar))
    n_past = int(max(place[n_past], place[n_past - 1] + 1))
    y[n_past:] = np.nan
    return Series(y, x, calendar, n_past, series.name, series.position, series.phase)
