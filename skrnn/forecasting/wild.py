"""Wild values and jumps of the level, which a few words of advice are about."""

import numpy as np

from skrnn import _windows
from skrnn.forecasting.windows import wild_count

__all__ = ["describe_wild", "wild_rows"]

WARN_SHARE = 0.01  # of the values, at each end: more are no accidents
AROUND = 8  # rows before and after a jump, whose levels differ


def wild_rows(values, season):
    """Find what is wild in the values (n_values,) of one line; NaN is unknown.

    Returns
    -------
    wild, jumps : list of int
        The numbers of values far outside of the range of the others, and of those
        before which the level jumps.
    """
    values = np.ascontiguousarray(values, dtype=float)
    if np.isinf(values).any():
        return [], []
    n_wild = wild_count(len(values), WARN_SHARE)
    wild, steps = _windows.wild_rows(values, n_wild, season)
    calm = values.copy()
    calm[wild] = np.nan
    jumps = []
    for row in steps:
        before, after = calm[max(0, row - AROUND) : row], calm[row : row + AROUND]
        step = np.abs(values[row] - values[row - 1])
        if np.abs(np.nanmedian(after) - np.nanmedian(before)) > step / 2:
            jumps.append(row)
    return wild, jumps


def describe_wild(panel, season, label):
    """Return a warning of wild values in series, None if there are none.

    Parameters
    ----------
    panel : list of Series
    season : int
    label : callable
        ``label(series, row)`` returns how messages call a row.
    """
    n_wild = n_jumps = 0
    first = []
    for series in panel:
        for y in series.y[: series.n_past].T:
            wild, jumps = wild_rows(y, season)
            n_wild, n_jumps = n_wild + len(wild), n_jumps + len(jumps)
            if wild and len(first) < 3:
                at = label(series, wild[0])
                first.append(f"{y[wild[0]]:g} in row {wild[0]} of {series.name}{at}")
            if jumps and len(first) < 3:
                step = y[jumps[0]] - y[jumps[0] - 1]
                at = label(series, jumps[0])
                name = f"row {jumps[0]} of {series.name}{at}"
                first.append(f"a jump of the level by {step:g} before {name}")
    if not first:
        return None
    return (
        f"Among the targets are {n_wild} values far outside of the range of the others "
        f"and {n_jumps} jumps of the level, such as {'; '.join(first)}. They count "
        "much in the forecast and in its intervals. If they are errors, replace them "
        "by NaN, which means unknown. loss='absolute_error' bears a few of them."
    )
