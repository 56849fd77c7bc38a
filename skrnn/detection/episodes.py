"""Alarms, and the stretches of rows that they make."""

import numpy as np

__all__ = ["episodes_of", "with_refractory"]

EPISODE = np.dtype(
    [("start", np.int64), ("stop", np.int64), ("peak", np.int64), ("score", float)]
)


class Refractory:
    """Which rows alarm, if only stronger evidence does soon after an alarm.

    Parameters
    ----------
    offset : float
        A smaller score alarms.
    n_rows : int
        For so many rows after an alarm, only a score below its own one does.
    """

    def __init__(self, offset, n_rows):
        self.offset, self.n_rows = offset, n_rows
        self.last, self.left = 0.0, 0

    def take(self, score):
        """Return whether a row alarms."""
        alarms = score < (self.last if self.left else self.offset)
        self.left = max(0, self.left - 1)
        if alarms:
            self.last, self.left = score, self.n_rows
        return alarms


def with_refractory(scores, offset, n_rows, past=()):
    """Return which rows alarm, (n_rows,) of bool.

    `past` are the scores of rows before.
    """
    if not n_rows:
        return np.asarray(scores) < offset
    state = Refractory(offset, n_rows)
    for score in past:
        state.take(score)
    return np.array([state.take(score) for score in scores], dtype=bool)


def episodes_of(scores, offset, gap):
    """Return stretches of alarms, `gap` rows apart at most, as an array."""
    alarms = np.flatnonzero(scores < offset)
    if not len(alarms):
        return np.empty(0, EPISODE)
    first = np.concatenate([[True], np.diff(alarms) > gap])
    starts = alarms[first]
    stops = alarms[np.concatenate([first[1:], [True]])] + 1
    out = np.empty(len(starts), EPISODE)
    for row, start, stop in zip(out, starts, stops, strict=True):
        peak = start + int(np.argmin(scores[start:stop]))
        row["start"], row["stop"], row["peak"] = start, stop, peak
        row["score"] = scores[peak]
    return out
