"""The two ways in which users give series to a forecaster: as rows, or as a panel.

Given `y`, a row of `X` is a time step of the one series. Without `y`, `X` is a panel: a
list of series, whose targets are among their columns.
"""

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight

from skrnn.forecasting.windows import origins_of
from skrnn.inputs.columns import open_target_table, tables_of
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import Series, newest_rows

__all__ = ["PanelAccess", "RowsAccess", "SeriesAccess"]


class SeriesAccess(ABC):
    """How users give series to a forecaster, and how they get forecasts.

    Parameters
    ----------
    model : ForecastModel

    Attributes
    ----------
    takes_y : bool
        Whether the targets are given apart from the other columns.
    """

    takes_y: bool

    def __init__(self, model):
        self.model, self.schema = model, model.schema

    @abstractmethod
    def open(self, X=None, y_past=None, X_past=None, *, whole=False):
        """Read what `predict` is given; return a list of (series, rows to forecast).

        With `whole`, a series of `fit` has all rows that are kept, and not only those
        that a forecast looks at.
        """

    @abstractmethod
    def forecast(self, asked, n_threads=1):
        """Return the `Forecast` of what `open` has returned."""

    @abstractmethod
    def unwrap(self, values):
        """Return values of each series in the form of users."""

    @abstractmethod
    def series_name(self, number):
        """Return how errors call a series."""

    @abstractmethod
    def keep(self, history):
        """Return a schema and the rows of series that predictions go on from."""

    @abstractmethod
    def read_known(self, X, y, method):
        """Read series whose targets are known, for a method of the estimator."""

    @abstractmethod
    def read_later(self, X, y):
        """Read the rows that follow the history."""

    @abstractmethod
    def read_more(self, X, y):
        """Read what `partial_fit` is given.

        Returns
        -------
        model : ForecastModel
            With the new history.
        panel : list of Series
            The series to learn from.
        start : ndarray of shape (n_lines,) or None
            The first row to forecast in each line, None for all.
        """

    @abstractmethod
    def fit_arguments(self, X, y, panel):
        """Return a function that gives the arguments of `fit` before a moment.

        A moment is a position on the time axis. `panel` is what `read_known` has
        returned.
        """

    @abstractmethod
    def score(self, X, y, sample_weight, n_threads=1):
        """Return R² of forecasts."""

    def _warn_of_unknown(self, forecast, remedy):
        """Warn if some rows are forecast without the covariates, which are unknown."""
        if forecast.unclear is None:
            return
        n_unclear, n = np.count_nonzero(forecast.unclear), forecast.unclear.size
        roles = self.schema.roles
        names = self.schema.feature_names or range(len(roles))
        used = ("future", "past")
        names = [
            repr(name) for name, role in zip(names, roles, strict=True) if role in used
        ]
        listed = ", ".join(names[:5]) + ", ..." * (len(names) > 5)
        warnings.warn(
            f"Covariates are unknown that {n_unclear} of {n} rows to forecast need "
            f"(features {listed}). These rows are forecast from the target alone. Pass "
            f"{remedy}.",
            UserWarning,
            stacklevel=4,
        )

    def labels(self, asked):
        """Return the labels of the rows that `open` has returned."""
        found = []
        for series, rows in asked:
            first, last = int(rows.min()), int(rows.max())
            labels = self.schema.labels(series, first, last + 1)
            found.append(labels[rows - first])
        return self.unwrap(found)


class RowsAccess(SeriesAccess):
    """One series: the targets are in `y`, and a row of `X` is a time step."""

    takes_y = True

    def open(self, X=None, y_past=None, X_past=None, *, whole=False):
        """Return one series that reaches to all rows to forecast, and these rows."""
        if y_past is not None:
            return [self._open_past(X, y_past, X_past)]
        if X_past is not None:
            raise ValueError("X_past is provided, but y_past was not provided.")
        return self._open_rows(X, whole=whole)

    def _open_rows(self, X, targets=None, whole=False):
        """Return the series, and the rows of `X`, or those of targets."""
        schema, [series] = self.schema, self.model.history
        window, horizon = self.model.reader.window, self.model.horizon
        margin = schema.clock_margin
        if X is None and targets is None:
            series = until_known(series)
            series = series if whole else newest_rows(series, window + margin)
            rows = series.n_past + np.arange(horizon)
            return [(schema.extend(series, horizon), rows)]
        positions, x, _ = schema.read_future(X, targets=targets, known=series)
        if positions is None:
            positions = schema.next_position + np.arange(len(x))
        rows = positions - series.position
        if not whole and rows.min() >= series.n_past:
            before = series.n_past
            series = newest_rows(series, window + margin)
            rows = rows - before + series.n_past
        later = rows >= series.n_past
        if later.any():
            series = schema.extend(series, int(rows.max()) + 1 - series.n_past)
            values = series.x.copy()
            values[rows[later]] = x[later]
            series = _with_x(series, values)
        if not later.all() and schema.n_known_future:
            # What X says of rows that are known counts, too, when they are forecast.
            series = _with_x(series, series.x)
            series.ahead = series.x.copy()
            series.ahead[rows, schema.n_past_only :] = x[:, schema.n_past_only :]
        return [(series, rows)]

    def _open_past(self, X, y_past, X_past):
        n_future = self.model.horizon if X is None else 0
        names = ("X_past", "y_past", "X")
        series = self.schema.read_rows(X_past, y_past, X, n_future, names=names)
        unknown = ~np.isfinite(series.y[: series.n_past]).any(axis=0)
        if unknown.any():
            name = "y_past"
            if len(unknown) > 1:
                name = f"column {np.argmax(unknown)} of y_past"
            raise ValueError(
                f"{name} is unknown in all rows: there is nothing to continue."
            )
        if X is None:
            series = self.schema.extend(until_known(series), n_future)
            rows = series.n_past + np.arange(n_future)
            return series, rows
        n_more = len(series.y) - series.n_past
        if n_more == len(X):
            rows = series.n_past + np.arange(n_more)
        else:
            rows = self.schema.read_future(X)[0] - series.position
        return series, rows

    def forecast(self, asked, n_threads=1):
        """Return the forecast of the rows of one series."""
        [(series, rows)] = asked
        forecast = self.model.forecast_rows(series, rows, n_threads)
        self._warn_of_unknown(
            forecast, "X with a row for each step, X_past with y_past"
        )
        return forecast

    def unwrap(self, values):
        """Return the values of the one series."""
        return values[0]

    def series_name(self, number):
        """Return the name of the argument."""
        return "y"

    def keep(self, history):
        """Keep all of the one series."""
        [series] = history
        end = {"next_position": series.position + series.n_past}
        return SeriesSchema.from_state(self.schema.get_state() | end), history

    def read_known(self, X, y, method):
        """Return a list of the one series."""
        self._require_y(y, f"{method}(X, y)")
        return [self.schema.read_rows(X, y, names=("X", "y", "X"))]

    def read_later(self, X, y):
        """Return a list of the rows that follow."""
        self._require_y(y, "update(X, y)")
        options = {"names": ("X", "y", "X"), "allow_unknown": True}
        [series] = self.model.history
        return [self.schema.read_rows(X, y, after=series, **options)]

    def read_more(self, X, y):
        """Append new rows, and learn to forecast these."""
        before = self.model.history[0].n_past
        model = replace(self.model.updated(X, y), unlearned=None)
        if not np.isfinite(model.history[0].y[before:]).any():
            raise ValueError("There is nothing to learn: no value of y is known.")
        return model, model.history, np.full(self.model.n_targets, before)

    def fit_arguments(self, X, y, panel):
        """Return a function that gives the rows before a moment."""
        [numbers] = self.schema.row_numbers(X, y)
        [series] = panel

        def before(moment):
            # Rows that an index leaves out were not given.
            rows = np.arange(np.searchsorted(numbers, moment - series.position))
            X_before = None if X is None else _safe_indexing(X, rows)
            return X_before, _safe_indexing(y, rows)

        return before

    def score(self, X, y, sample_weight, n_threads=1):
        """Return R² of the rows of `X`, the mean over targets."""
        self._require_y(y, "score(X, y)")
        targets = open_target_table(y, "y")
        asked = self._open_rows(X, targets=targets)
        forecast = self.forecast(asked, n_threads).middle[0]
        y = targets.numbers(targets.value_columns, targets.n_rows)
        if y.shape != forecast.shape:
            raise ValueError(
                f"y has {y.shape[0]} rows of {y.shape[1]} targets, but the forecast "
                f"has {forecast.shape[0]} rows of {forecast.shape[1]}."
            )
        sample_weight = _check_sample_weight(sample_weight, y, dtype=float)
        scores = []
        for true, column in zip(y.T, forecast.T, strict=True):
            known = ~np.isnan(true)
            if known.any():
                weight = sample_weight[known]
                scores.append(
                    r2_score(true[known], column[known], sample_weight=weight)
                )
        if not scores:
            raise ValueError("y is unknown in all rows: there is nothing to score.")
        return float(np.mean(scores))

    def _require_y(self, y, call):
        if y is None:
            raise ValueError(
                f"This {self.schema.estimator_name} was fitted with y: {call} needs y, "
                "too."
            )


class PanelAccess(SeriesAccess):
    """A list of series, whose targets are among their columns."""

    takes_y = False

    def open(self, X=None, y_past=None, X_past=None, *, whole=False):
        """Return each series with the horizon after its history."""
        if y_past is not None or X_past is not None:
            raise ValueError(
                f"This {self.schema.estimator_name} was fitted to a panel, fit(X): "
                "predict(X) takes the histories in X, and y_past and X_past must be "
                "None."
            )
        horizon = self.model.horizon
        if X is None:
            panel = [self.schema.extend(s, horizon) for s in self.model.history]
        else:
            cold = self.model.cold is not None
            panel = self.schema.read_panel(X, horizon, allow_cold=cold)
        return [(series, series.n_past + np.arange(horizon)) for series in panel]

    def forecast(self, asked, n_threads=1):
        """Return the forecast of the horizon after each history."""
        panel = [series for series, _ in asked]
        origin = np.array([series.n_past for series in panel])
        owner = np.arange(len(panel))
        forecast = self.model.forecast_from(panel, owner, origin, n_threads)
        self._warn_of_unknown(forecast, "them in the rows after each history in X")
        return forecast

    def unwrap(self, values):
        """Return the values as they are, one for each series."""
        return values

    def series_name(self, number):
        """Return the name of an item of the argument."""
        return f"X[{number}]"

    def keep(self, history):
        """Keep the ends of series."""
        most = 2 * self.model.reader.window + self.schema.season
        return self.schema, [newest_rows(series, most) for series in history]

    def read_known(self, X, y, method):
        """Return the series."""
        self._refuse_y(y)
        return self.schema.read_panel(X)

    def read_later(self, X, y):
        """Return the rows that follow each series."""
        self._refuse_y(y)
        return self.schema.read_panel(X, after=self.model.history)

    def read_more(self, X, y):
        """Learn from other series, and keep the history."""
        self._refuse_y(y)
        return self.model, self.schema.read_panel(X), None

    def fit_arguments(self, X, y, panel):
        """Return a function that gives the series that have begun before a moment."""
        given = [table.given for table in tables_of(X, "X")]
        numbers = self.schema.row_numbers(X, y)

        def before(moment):
            found = []
            for x, places, series in zip(given, numbers, panel, strict=True):
                origin = max(int(moment) - series.position, 0)
                rows = np.arange(np.searchsorted(places, origin))
                if np.isfinite(series.y[:origin]).any():
                    found.append(_safe_indexing(x, rows))
            return (found,)

        return before

    def score(self, X, y, sample_weight, n_threads=1):
        """Return R² of one horizon after the other, the mean over lines."""
        if sample_weight is not None:
            self._refuse_y(y)
            raise ValueError(
                "sample_weight is for the steps that score(X, y) forecasts. With a "
                "panel all series count the same: leave sample_weight out."
            )
        panel = self.read_known(X, y, "score")
        starts = []
        for series in panel:
            n_past, horizon = series.n_past, self.model.horizon
            first = origins_of(n_past, self.model.reader.window, horizon)[:1]
            stop = max(n_past, first[0] + 1) if len(first) else 0
            starts.append(np.arange(first[0] if len(first) else 0, stop, horizon))
        owner = np.repeat(np.arange(len(panel)), [len(o) for o in starts])
        origin = np.concatenate(starts).astype(np.intp)
        scores = []
        if len(origin):
            middle = self.model.forecast_from(panel, owner, origin, n_threads).middle
            true = true_values(panel, owner, origin, self.model.horizon)
            for i in range(len(panel)):
                for k in range(self.model.n_targets):
                    y, f = (a[owner == i, :, k].ravel() for a in (true, middle))
                    known = np.isfinite(y)
                    if known.sum() > 1:
                        scores.append(r2_score(y[known], f[known]))
        if not scores:
            raise ValueError("The series are too short to be scored.")
        return float(np.mean(scores))

    def _refuse_y(self, y):
        if y is not None:
            raise ValueError(
                f"This {self.schema.estimator_name} was fitted to a panel, fit(X): the "
                "target is in X, and y must be None."
            )


def true_values(panel, owner, origin, horizon):
    """Return what came after origins, (n_origins, horizon, n_targets), or NaN."""
    true = np.full((len(origin), horizon, panel[0].y.shape[1]), np.nan)
    for row, i, start in zip(true, owner, origin, strict=True):
        values = panel[i].y[start : start + horizon]
        row[: len(values)] = values
    return true


def until_known(series):
    """Return a series whose history ends with the last row of a known target.

    Rows after it are rows to forecast. Without a known value, all rows are history.
    """
    known = np.isfinite(series.y[: series.n_past]).any(axis=1)
    n_past = series.n_past - int(known[::-1].argmax())
    if n_past == series.n_past:
        return series
    return Series(**series.get_state() | {"n_past": n_past})


def _with_x(series, x):
    return Series(**series.get_state() | {"x": x})
