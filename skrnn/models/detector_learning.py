"""A detector's forecaster that is fitted anew while rows come."""

import numpy as np

from skrnn.models.forecast import ForecastModel

__all__ = ["Learner"]


class Learner:
    """All rows of a series so far, and when a forecaster learns from them.

    Parameters
    ----------
    model : DetectorModel
        With all rows so far, of one series without covariates.
    fit : callable
        Gives the `ForecastModel` of a table.
    refit : "doubling", int or False
        As of `SeriesOutlierDetector`.
    """

    def __init__(self, model, fit, refit):
        self._fit, self._refit = fit, refit
        self._schema = model.forecast.schema
        [history] = model.forecast.history
        self._begin = history.position + history.n_past - len(model.targets)
        self._history = history
        self.rows = np.array(model.targets)
        self.n_rows = len(self.rows)
        self.model = None  # the newest one, if it has learned since
        self._wait_from(len(model.scores[0]))

    def _wait_from(self, n_rows):
        """Set the number of rows with which to learn next."""
        if self._refit in ("doubling", True):
            self.due = 2 * n_rows
        else:
            self.due = n_rows + int(self._refit) if self._refit else None

    def add(self, y):
        """Take the targets of a row in."""
        if self.n_rows == len(self.rows):
            room = np.full((self.n_rows + 64, self.rows.shape[1]), np.nan)
            self.rows = np.concatenate([self.rows, room])
        self.rows[self.n_rows] = y
        self.n_rows += 1

    def learn(self):
        """Return the series so far if a model was fitted to it, else None."""
        if self.due is None or self.n_rows < self.due:
            return None
        table = self._table()
        self.model = self._fit(table)
        self._wait_from(self.n_rows)
        return self._read(table)

    def _read(self, table):
        return self.model.schema.read_panel(table, allow_unknown=True)[0]

    def _table(self):
        """Return all rows as `fit` could have been given them."""
        rows = self.rows[: self.n_rows].copy()
        if self._schema.time_kind is None:
            return rows
        import pandas

        first = self._begin - self._history.position
        labels = self._schema.labels(self._history, first, first + self.n_rows)
        names = self._schema.feature_names
        return pandas.DataFrame(rows, pandas.Index(labels), names)

    def get_state(self):
        """Return all that the next rows depend on."""
        model = None if self.model is None else self.model.pack()
        return {"rows": self.rows[: self.n_rows].copy(), "due": self.due,
                "model": model}  # fmt: skip

    def set_state(self, state):
        """Go on where `get_state` was called."""
        self.rows, self.due = np.array(state["rows"]), state["due"]
        self.n_rows, packed = len(self.rows), state["model"]
        self.model = None if packed is None else ForecastModel.unpack(packed)
