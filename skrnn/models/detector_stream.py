"""Rows of one series, scored as they come."""

import copy

import numpy as np

from skrnn.detection.episodes import Refractory
from skrnn.detection.evidence import RowEvidence
from skrnn.inputs.series import Series, newest_rows
from skrnn.models.copies import CopiedStream
from skrnn.models.detector import n_rows_back, score_rows

__all__ = ["OutlierStream"]

BLOCK = 512  # rows that there is room for at once


class OutlierStream(CopiedStream):
    """Scores of the rows that follow a series, one at a time.

    A step gives the bits of :meth:`~skrnn.SeriesOutlierDetector.score_samples` on all
    rows so far. If the stream learns, it gives those of `score_samples_` of a detector
    that was fitted to all rows. A row comes with its covariates, also those that are
    known of the future.

    Attributes
    ----------
    alarm : bool
        Whether the newest row alarms.
    state : dict
        All that the next steps depend on. It may be set to what it was before, or to
        that of another stream of the same detector.
    """

    __module__ = "skrnn"
    _maker = "detector"

    def __init__(self, model, offset, refractory, past, learner=None):
        self._model, self._forecast = model, model.forecast
        self._learner = learner
        self._schema = model.forecast.schema
        self._scorer = model.scorers[0].copy()
        self._refractory = Refractory(offset, refractory)
        for score in past.tolist() if refractory else ():
            self._refractory.take(score)
        self._is_plain = all(role == "target" for role in self._schema.roles)
        self._evidence = None
        if not self._schema.n_covariates:
            self._evidence = RowEvidence(self._forecast, self._scorer.names)
        self._follow(self._with_room(model.forecast.history[0]))
        self.alarm = False

    def step(self, row):
        """Score the next row.

        Parameters
        ----------
        row : float, or array-like of shape (n_columns,)
            A number, or a value for each column of `X`. NaN means unknown.

        Returns
        -------
        score : float
            The log p-value of the row.
        """
        y, x = self._read(row)
        if self._learner is not None:
            self._learn()
        if self._series.n_past + self._forecast.horizon >= len(self._series):
            self._follow(self._with_room(self._series))
        series, start = self._series, self._series.n_past
        series.y[start] = y
        if x is not None:
            series.x[start] = x
        series.n_past += 1
        try:
            score = self._score(start)
        except ValueError:  # of a value that is too large
            series.y[start], series.n_past = np.nan, start
            raise
        if self._learner is not None:
            self._learner.add(y)
        self.alarm = self._refractory.take(score)
        return score

    def _learn(self):
        """Go on with a forecaster that was fitted to all rows, if it is time."""
        series = self._learner.learn()
        if series is not None:
            self._set_forecast(self._learner.model)
            self._follow(self._with_room(series))

    def _set_forecast(self, forecast):
        self._forecast, self._schema = forecast, forecast.schema
        self._evidence = RowEvidence(forecast, self._scorer.names)

    def _score(self, row):
        if self._evidence is None:
            scores, _ = score_rows(self._forecast, self._series, row, self._scorer)
        else:
            scores, _ = self._scorer.score_table(self._evidence.of(row))
        return float(scores[0])

    def _follow(self, series):
        self._series = series
        if self._evidence is not None:
            self._evidence.follow(series, series.n_past)

    def _read(self, row):
        """Return the targets and the covariates of a row."""
        schema = self._schema
        if self._is_plain:
            values = np.asarray(row)
            if values.dtype.kind == "c":
                raise ValueError("Complex data not supported\nThe row is complex.")
            values = values.astype(float).ravel()
            if len(values) != schema.n_targets:
                raise ValueError(
                    f"The row has {len(values)} values, but the detector was fitted "
                    f"to {schema.n_targets} columns."
                )
            if np.isinf(values).any():
                raise ValueError("The row contains infinity.")
            return values, None
        if not hasattr(row, "columns"):
            row = np.asarray(row)[np.newaxis]
        [series] = schema.read_panel(row, after=[self._series], allow_unknown=True)
        if len(series) > 1 or series.position != self._position():
            raise ValueError("step takes the one row that follows.")
        return series.y[0], series.x[0]

    def _position(self):
        return self._series.position + self._series.n_past

    def _with_room(self, series):
        """Return the newest rows of a series, and room for those that follow."""
        known = Series(
            series.y[: series.n_past],
            series.x[: series.n_past],
            series.calendar[: series.n_past],
            series.n_past,
            series.name,
            series.position,
            series.phase,
        )
        known = newest_rows(known, n_rows_back(self._forecast, self._scorer.names))
        return self._schema.extend(known, BLOCK + self._forecast.horizon)

    @property
    def state(self):
        """All that the next steps depend on."""
        refractory, learner = self._refractory, self._learner
        return copy.deepcopy(
            {
                "learned": None if learner is None else learner.get_state(),
                "alarm": self.alarm,
                "memory": self._scorer.get_state(),
                "refractory": (refractory.last, refractory.left),
                "series": self._series.get_state(),
            }
        )

    @state.setter
    def state(self, state):
        before = self.state
        if not isinstance(state, dict) or state.keys() != before.keys():
            raise ValueError(
                "A state is a dict, what `state` of another stream of this detector "
                "was."
            )
        if (state["learned"] is None) != (self._learner is None):
            raise ValueError("One of the two streams learns, and the other does not.")
        try:
            self._set(copy.deepcopy(state))
        except (KeyError, TypeError, ValueError) as error:
            self._set(before)
            raise ValueError(
                f"The state is not of this detector: {error}. The stream is as it was "
                "before."
            ) from error

    def _set(self, state):
        series = Series.from_state(state["series"])
        for name in ("x", "y"):
            n_columns = getattr(self._series, name).shape[1:]
            if getattr(series, name).shape[1:] != n_columns:
                raise ValueError("its series has other columns")
        self._scorer.set_state(*state["memory"])
        self._refractory.last, self._refractory.left = state["refractory"]
        if self._learner is not None:
            self._learner.set_state(state["learned"])
            self._set_forecast(self._learner.model or self._model.forecast)
        self._follow(series)
        self.alarm = state["alarm"]

    def __copy__(self):
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other._scorer, other._refractory = (
            self._scorer.copy(), copy.copy(self._refractory),
        )  # fmt: skip
        other._learner = copy.copy(self._learner)
        if self._evidence is not None:
            other._evidence = RowEvidence(self._forecast, self._scorer.names)
        other.state = self.state
        return other
