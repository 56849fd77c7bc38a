"""How a forecaster learns: from series to a linear forecast and a trained network."""

from collections import deque

import numpy as np
from sklearn.utils import check_random_state

from skrnn.estimators._callbacks import EpochTasks
from skrnn.estimators._forecast_state import ForecasterState
from skrnn.estimators._parameters import Parameters
from skrnn.estimators._persistence import StampedState
from skrnn.estimators._training import Trained
from skrnn.forecasting.calibration import calibrate
from skrnn.forecasting.folds import split_by_series, split_by_time
from skrnn.forecasting.linear import LinearForecast, fit_linear, regression
from skrnn.forecasting.network import WindowData, initialize, make_spec
from skrnn.forecasting.scales import column_moments, line_weights
from skrnn.forecasting.windows import (
    Lines,
    WindowOptions,
    WindowReader,
    has_known_values,
    origins_of,
    thinned,
)
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import Series
from skrnn.losses import FORECAST_LOSSES
from skrnn.network import Network
from skrnn.solvers import SOLVERS
from skrnn.training import History, Trainer

# Windows that an epoch takes at most. They overlap, and the next epoch takes others.
EPOCH_WINDOWS = 20_000
MAX_WINDOWS = 100_000  # that a fit learns from; more are thinned out evenly
# Parameters that a fitted forecaster is made of.
STRUCTURE = (
    "horizon",
    "window",
    "segment_length",
    "normalize",
    "loss",
    "cell",
    "activation",
)


def auto_window(n_rows, horizon, season):
    """Choose how many rows a forecast looks back on.

    Up to 504, three weeks of hours, as long as that is a quarter of the series; in
    short series two seasons, if there are as many.
    """
    least = min(2 * season if season > 1 else 16, (n_rows - horizon) // 2)
    return int(max(min(504, n_rows // 4), least, 1))


def auto_segment(window, season):
    """Choose how many rows are read at once: whole seasons, or for some 24 segments."""
    if season > 1 and 8 * season <= window:
        return season * max(1, round(window / 24 / season))
    return max(1, window // 24)


def auto_batch_size(n_windows):
    """Choose how many windows make an update."""
    return int(np.clip(n_windows // 50, 16, 256))


def newest_rows(series, n_rows):
    """The rows of a series from `n_rows` before its last known values on."""
    known = np.isfinite(series.y[: series.n_past])
    start = max(0, series.n_past - n_rows)
    if not known[-1].all():
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


class ForecastFit(StampedState, ForecasterState, Trained, Parameters):
    """What `fit` and `partial_fit` of a forecaster do."""

    def __sklearn_is_fitted__(self):
        return getattr(self, "_theta", None) is not None

    def _fitted_structure(self):
        return self._structure

    def _describe_structure(self):
        structure = {name: getattr(self, name) for name in STRUCTURE}
        structure["hidden_layer_sizes"] = self._layer_sizes()
        structure["dtype"] = np.dtype(self.dtype).name
        structure["quantiles"] = self._checked_quantiles()
        return structure

    def _checked_quantiles(self):
        """The quantiles that the network learns, as a tuple, None if it learns none."""
        if self.loss != "quantile":
            return None
        if self.quantiles is None:
            return (0.05, 0.25, 0.5, 0.75, 0.95)
        quantiles = np.asarray(self.quantiles)
        if (
            quantiles.ndim != 1
            or quantiles.dtype.kind not in "iuf"
            or not len(quantiles)
            or not ((quantiles > 0) & (quantiles < 1)).all()
            or not (np.diff(quantiles) > 0).all()
        ):
            raise ValueError(
                "quantiles must be numbers between 0 and 1 in increasing order, got "
                f"{self.quantiles!r}."
            )
        return tuple(quantiles.tolist())

    # From what users hand in to windows ------------------------------------------

    def _learn(self, X, y):
        """Return what columns and rows mean, and the series."""
        options = {
            "known_future": self.known_future,
            "static": self.static,
            "categorical_features": self.categorical_features,
            "calendar": self.calendar,
            "estimator_name": type(self).__name__,
        }
        if y is None:
            if X is None:
                raise ValueError(
                    "fit needs series: fit(X) with a list of them, or fit(X, y) with "
                    "one, where X is None if nothing is known beside y."
                )
            options["target"] = self.target
        elif self.target is not None:
            raise ValueError(
                "`target` says which columns of X to forecast, but y was given, which "
                "is what to forecast. Set target=None, or call fit(X)."
            )
        else:
            if isinstance(X, np.ndarray) and X.ndim == 2 and not X.shape[1]:
                raise ValueError(
                    f"Found array with 0 feature(s) (shape={X.shape}) while a minimum "
                    "of 1 is required. If nothing is known beside y, pass X=None, or a "
                    "DataFrame that has no more than an index."
                )
        schema, histories = SeriesSchema.learn(X, y, **options)
        longest = max(series.n_past for series in histories)
        if longest <= self.horizon:
            raise ValueError(
                f"Too little history: n_samples={longest} rows"
                f"{' of the longest series' if y is None else ''} where a forecast of "
                f"horizon={self.horizon} is learned from {self.horizon + 1} at least. "
                "Lower horizon, or give a longer history."
                + (
                    f" An array of shape {X.shape} is one series, whose rows are time "
                    "steps; series of one column are X[..., np.newaxis]."
                    if y is None and getattr(X, "ndim", 0) == 2
                    else ""
                )
            )
        return schema, histories

    def _start(self, schema, histories, resume):
        """Learn shapes and scales of what the model reads."""
        lengths = np.sort([series.n_past for series in histories])
        window, segment = self.window, self.segment_length
        if window == "auto":
            typical = lengths[len(lengths) // 2]
            window = auto_window(typical, self.horizon, schema.season)
        if segment == "auto":
            segment = auto_segment(window, schema.season)
        segment = int(min(segment, window))
        shared = schema.n_targets == 1 or not schema.n_covariates
        reader = {
            "window": int(window),
            "horizon": int(self.horizon),
            "segment_length": segment,
            "future_segment_length": min(segment, int(self.horizon)),
            "n_past_only": schema.n_past_only,
            "n_known_future": schema.n_known_future,
            "n_calendar": schema.n_calendar,
            "n_targets": 0 if shared else schema.n_targets,
            "dtype": np.dtype(self.dtype).name,
        }
        if resume and reader != self._reader:
            raise ValueError(
                "warm_start trains the fitted network on, but these series need "
                f"another one: it reads {self._reader}, and they need {reader}. To "
                "start anew, set warm_start=False."
            )
        if not resume:
            state = check_random_state(self.random_state)
            self._seed = state.randint(np.iinfo(np.int32).max)
            self._theta = self._solver_state = None
        self._reader, self._structure = reader, self._describe_structure()
        self._set_schema(schema)
        self.window_, self.segment_length_ = reader["window"], segment
        self.season_, self.n_outputs_ = schema.season, schema.n_targets
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        if schema.n_features_in:
            self.n_features_in_ = schema.n_features_in
        if schema.feature_names is not None:
            self.feature_names_in_ = np.array(schema.feature_names, dtype=object)
        self._coef = None
        past = [
            (series.x[: series.n_past], series.y[: series.n_past])
            for series in histories
        ]
        self._x_mean, self._x_scale = column_moments([x for x, _ in past])
        self._target_mean, self._target_scale = column_moments([y for _, y in past])
        self._keep(schema, histories)

    def _set_schema(self, schema):
        self._schema_state = schema.get_state()
        self._idle_networks = deque()

    def _keep(self, schema, histories):
        """Keep what `predict` goes on from: a series, or the ends of a panel's."""
        if schema.mode == "panel":
            most = 2 * self._reader["window"] + schema.season
            histories = [newest_rows(series, most) for series in histories]
        self._history = [series.get_state() for series in histories]

    def _make_lines(self, tables):
        """Return `Lines` of series: standardised, less the effect of covariates."""
        return Lines([self._table(series) for series in tables])

    def _table(self, series):
        x = self._standardized(series.x)
        y = series.y if self._coef is None else series.y - self._effect(x)
        return y, x, series.calendar

    def _standardized(self, x):
        x = (x - self._x_mean) / self._x_scale
        return np.nan_to_num(x, copy=False, nan=0.0)

    def _effect(self, x):
        """What the known covariates add to the targets, (n_rows, n_targets)."""
        effect = np.zeros((len(x), len(self._target_mean)))
        known = x[:, self._reader["n_past_only"] :]
        for column, coef in zip(known.T, self._coef, strict=True):
            effect += column[:, np.newaxis] * coef
        return effect

    def _windows(self, lines, start=None):
        """Return the windows (which line, origin) to learn from, in order of time.

        With `start`, one number a line, only those that forecast rows from there on.
        """
        reader, which, origin = self._reader, [], []
        for i, n_rows in enumerate(lines.n_rows):
            o = origins_of(n_rows, reader["window"], reader["horizon"])
            if start is not None:
                o = np.arange(1, n_rows)
                o = o[o + reader["horizon"] > start[i]]
            which.append(np.full(len(o), i))
            origin.append(o)
        which, origin = np.concatenate(which), np.concatenate(origin)
        seen = has_known_values(lines, which, origin, reader["horizon"])
        which, origin = which[seen], origin[seen]
        order = np.lexsort((which, origin / lines.n_rows[which]))
        rows = thinned(order, MAX_WINDOWS)
        return which[rows], origin[rows]

    # From windows to a model -----------------------------------------------------

    def _view(self):
        return WindowOptions(self.season_, self._structure["normalize"] == "mean")

    def _make_loss(self):
        horizon, quantiles = self._reader["horizon"], self._structure["quantiles"]
        loss = FORECAST_LOSSES[self._structure["loss"]]
        return loss(horizon) if quantiles is None else loss(horizon, quantiles)

    def _make_spec(self):
        structure = self._structure
        n_out = self._make_loss().n_out
        kind = structure["cell"], structure["activation"]
        reader = WindowReader(**self._reader)
        return make_spec(reader, n_out, structure["hidden_layer_sizes"], *kind)

    def _untrained(self):
        reader = WindowReader(**self._reader)
        return initialize(self._make_spec(), reader, np.random.RandomState(self._seed))

    def _learn_lines(self, X, y, schema, histories, resume):
        """Learn a linear forecast, how far to trust the network, and the network."""
        lines = self._make_lines(histories)
        which, origin = self._windows(lines)
        if not len(which):
            raise ValueError(
                "Too little history: no value of the target is known after another."
            )
        reader, loss, view = (
            WindowReader(**self._reader),
            self._make_loss(),
            self._view(),
        )
        parts = split_by_time(
            origin, reader.horizon, lines.n_rows[which], self.calibration_fraction
        )
        if len(parts.pairs) < 2 and len(histories) > 3:
            parts = split_by_series(lines.series[which])
        weight = line_weights(lines)
        sizes = reader.window, reader.horizon
        choice = fit_linear(lines, which, origin, parts, *sizes, view, weight)
        if schema.mode == "rows" and schema.n_known_future:
            # As in regression with errors that are a series of their own.
            self._coef = regression(lines, reader, view.season)
            others = self._make_lines(histories)
            other = fit_linear(others, which, origin, parts, *sizes, view, weight)
            if other.error < choice.error:
                lines, choice = others, other
            else:
                self._coef = None
        self.linear_weights_, self.ridge_strength_ = choice.weights, choice.strength

        def windows(rows, linear):
            chosen = which[rows], origin[rows]
            power = loss.scale_power
            return WindowData(lines, *chosen, reader, linear, view, weight, power)

        def train_in_fold(data):
            network = Network(self._make_spec(), loss, self._pass_options())
            theta = self._untrained()
            history = self._train(network, theta, data, loss, verbose=False)
            return network, history.stopped_because == "interrupted"

        found = calibrate(windows, parts, choice, loss, lines.target, train_in_fold)
        self.gate_, self._errors = found.gate, found.errors
        if not resume or self._theta is None:
            self._theta = self._untrained()
            self._set_history(History())
            self._begin_training()
        if not found.interrupted:
            data = windows(np.arange(len(which)), LinearForecast(choice.weights))
            self._train_further(X, y, data, loss, resume)

    def _continue(self, lines, which, origin):
        """Make one more pass with the network, over some windows."""
        reader, loss = WindowReader(**self._reader), self._make_loss()
        linear = LinearForecast(self.linear_weights_)
        data = WindowData(
            lines,
            which,
            origin,
            reader,
            linear,
            self._view(),
            line_weights(lines),
            loss.scale_power,
        )
        self._train_further(None, None, data, loss, resume=True, incremental=True)

    def _train_further(self, X, y, data, loss, resume, incremental=False):
        """Train the network that is kept."""
        theta = self._theta.copy()
        network = Network(self._make_spec(), loss, self._pass_options())
        tasks = None
        if not incremental:
            tasks = EpochTasks(
                self,
                self.max_iter,
                lambda: {"_theta": theta.copy()},
                {"X": X, "y": y, "metadata": None},
            )
        solver = self._make_solver(
            self._solver_state if resume or incremental else None, incremental
        )
        random_state = self._training_random_state()
        history = self._train(
            network,
            theta,
            data,
            loss,
            solver=solver,
            random_state=random_state,
            verbose=bool(self.verbose),
            history=self._get_history() if resume or incremental else None,
            incremental=incremental,
            hooks=None if tasks is None else tasks.hooks(),
        )
        self._keep_training(theta, solver, random_state, history, incremental)
        if tasks is not None:
            tasks.end()

    def _train(
        self,
        network,
        theta,
        data,
        loss,
        solver=None,
        random_state=None,
        history=None,
        incremental=False,
        hooks=None,
        verbose=False,
    ):
        """Train a network on windows; return the history."""
        validation = None
        if self.early_stopping and SOLVERS[self.solver].has_validation:
            training, validation = data.hold_out(self.validation_fraction)
            if len(training.used) and len(validation.used):
                data = training
            elif solver is None:
                validation = None  # a fold may be too short for that
            else:
                raise ValueError(
                    f"Too little history: validation_fraction="
                    f"{self.validation_fraction} leaves {len(training.used)} windows "
                    f"to train on and {len(validation.used)} to validate with. Change "
                    "it, or set early_stopping=False."
                )
        if solver is None:
            solver = self._make_solver()
            random_state = np.random.RandomState([self._seed, 1])
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = auto_batch_size(len(data.used))
        options = self._training_options(
            batch_size,
            validation is not None,
            epoch_size=EPOCH_WINDOWS,
            verbose=verbose,
        )
        trainer = Trainer(network, loss, solver, options, random_state)
        if incremental:
            return trainer.fit_more(theta, data, history=history)
        return trainer.fit(
            theta, data, validation=validation, history=history, hooks=hooks
        )
