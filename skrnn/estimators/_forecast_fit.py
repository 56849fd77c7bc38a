"""How a forecaster learns: from users' tables to a model with a trained network."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from skrnn.estimators._epoch_tasks import EpochTasks
from skrnn.estimators._fitted import FittedEstimator, Of
from skrnn.estimators._parameters import Parameters
from skrnn.forecasting.scales import line_weights
from skrnn.forecasting.wild import describe_wild
from skrnn.forecasting.windows import training_windows
from skrnn.inputs.schema import SeriesSchema
from skrnn.losses import FORECAST_LOSSES
from skrnn.models.checks import Optional, integer, names_of
from skrnn.models.forecast import DEFAULT_QUANTILES, ForecastModel
from skrnn.models.forecast_fields import (
    FORECAST_FIELDS,
    check_forecast_model,
    pack_history,
    unpack_history,
)
from skrnn.models.forecast_fit import (
    ForecastFit,
    first_parameters,
    start_model,
    window_data,
)
from skrnn.models.training_state import (
    TRAINING_FIELDS,
    TrainingState,
    check_training,
)
from skrnn.network import Network
from skrnn.solvers import SOLVERS
from skrnn.training import Trainer

# Windows that an epoch takes at most. They overlap, and the next epoch takes others.
EPOCH_WINDOWS = 20_000
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


def auto_batch_size(n_windows):
    """Choose how many windows make an update."""
    return int(np.clip(n_windows // 50, 16, 256))


def warn_of_wild(schema, panel):
    """Warn of wild values and of jumps, which move a forecast much."""

    def label(series, row):
        if schema.time_kind in (None, "integer"):
            return ""
        return f" ({schema.labels(series, row, row + 1)[0]})"

    message = describe_wild(panel, schema.season, label)
    if message is not None:
        warnings.warn(message, UserWarning, stacklevel=2)


class FittedForecaster(FittedEstimator, Parameters):
    """What `fit` and `partial_fit` of a forecaster do, and what they leave."""

    _fields = {
        **FORECAST_FIELDS,
        **TRAINING_FIELDS,
        "n_features_in_": Optional(integer()),
        "feature_names_in_": Optional(
            names_of(lambda fields: len(fields["_schema_state"]["roles"]))
        ),
    }

    window_ = Of("_model")
    segment_length_ = Of("_model")
    season_ = Of("_model")
    n_outputs_ = Of("_model")
    linear_weights_ = Of("_model")
    ridge_strength_ = Of("_model")
    gate_ = Of("_model")

    # Parameters ------------------------------------------------------------------

    def _describe_structure(self):
        structure = {name: getattr(self, name) for name in STRUCTURE}
        structure["hidden_layer_sizes"] = self._layer_sizes()
        structure["dtype"] = np.dtype(self.dtype).name
        structure["quantiles"] = self._checked_quantiles()
        return structure

    def _checked_quantiles(self):
        """Return the quantiles that the network learns, as a tuple, or None."""
        if not FORECAST_LOSSES[self.loss].learns_quantiles:
            return None
        if self.quantiles is None:
            return DEFAULT_QUANTILES
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

    # Fitting ---------------------------------------------------------------------

    def _read_series(self, X, y):
        """Return the schema of what users hand in, and the series."""
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
                    "one series, where X may be None."
                )
            options["target"] = self.target
        elif self.target is not None:
            raise ValueError(
                "`target` names the columns of X to forecast, but y was given, which "
                "already holds the target. Set target=None, or call fit(X)."
            )
        elif isinstance(X, np.ndarray) and X.ndim == 2 and not X.shape[1]:
            raise ValueError(
                f"Found array with 0 feature(s) (shape={X.shape}) while a minimum "
                "of 1 is required. Without covariates, pass X=None, or a DataFrame "
                "that has an index only."
            )
        schema, histories = SeriesSchema.learn(X, y, **options)
        longest = max(series.n_past for series in histories)
        if longest <= self.horizon:
            self._refuse_short(X, y, longest)
        if y is not None:
            self._warn_of_unknown_end(schema, histories[0].y)
        if not FORECAST_LOSSES[self.loss].bears_wild:
            warn_of_wild(schema, histories)
        return schema, histories

    def _warn_of_unknown_end(self, schema, y):
        """Warn if rows without an index may be meant to be the unknown last ones."""
        known = np.isfinite(y).any(axis=1)
        n = int(known[::-1].argmax())
        if n >= self.horizon and schema.n_covariates and schema.time_kind is None:
            warnings.warn(
                f"y ends with {n} unknown rows. predict() forecasts these, but "
                "predict(X) takes rows without an index for those after them. To "
                "forecast the unknown rows with other covariates than those of fit, "
                f"leave them out: fit(X[:-{n}], y[:-{n}]).predict(X[-{n}:]).",
                UserWarning,
                stacklevel=2,
            )

    def _refuse_short(self, X, y, longest):
        owner = " of the longest series" if y is None else ""
        hint = ""
        if y is None and getattr(X, "ndim", 0) == 2:
            hint = (
                f" An array of shape {X.shape} is one series, whose rows are time "
                "steps; series of one column are X[..., np.newaxis]."
            )
        raise ValueError(
            f"Too little history: n_samples={longest} rows{owner}, but a forecast of "
            f"horizon={self.horizon} needs at least {self.horizon + 1} rows to learn "
            f"from. Lower horizon, or give a longer history.{hint}"
        )

    def _fit_model(self, X, y, resume):
        """Fit the linear part, decide how far to trust the network, and train it."""
        fit, interrupted = self._fit_parts(X, y, resume)
        if not interrupted:
            theta = self._model.theta.copy()
            tasks = EpochTasks(
                self,
                self.max_iter,
                lambda: {"_model": self._model.with_theta(theta.copy())},
                {"X": X, "y": y, "metadata": None},
            )
            self._train_network(theta, fit.data(), resume, tasks)
            tasks.end()

    def _fit_parts(self, X, y, resume):
        """Fit all but the network; return the fit, and whether it was interrupted."""
        schema, histories = self._read_series(X, y)
        model = start_model(self._describe_structure(), schema, histories)
        if resume:
            self._require_same_reader(model)
            training, theta = self._training, self._model.theta
        else:
            random_state = check_random_state(self.random_state)
            training = TrainingState.begin(random_state.randint(np.iinfo(np.int32).max))
            theta = first_parameters(model, training.seed)
        self._set_features(schema)
        fit = ForecastFit(model, histories, self.calibration_fraction)
        model = fit.model

        def train_in_fold(data):
            return self._train_in_fold(model, data, training.seed)

        found = fit.calibrate(train_in_fold)
        plain = fit.without_covariates() if schema.n_covariates else {}
        if found.widening is not None:
            plain |= {"moves": np.array(fit.moves()), "widening": found.widening}
        plain |= {"cold": fit.cold_start()}
        self._model = replace(
            model, gate=found.gate, errors=found.errors, theta=theta, **plain
        )
        self._training = training
        return fit, found.interrupted

    def _require_same_reader(self, model):
        needed, known = model.reader.get_state(), self._model.reader.get_state()
        if needed != known:
            raise ValueError(
                "warm_start continues training the fitted network, but these series "
                f"need another one: it reads {known}, and they need {needed}. To start "
                "anew, set warm_start=False."
            )

    def _set_features(self, schema):
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        if schema.n_features_in:
            self.n_features_in_ = schema.n_features_in
        if schema.feature_names is not None:
            self.feature_names_in_ = np.array(schema.feature_names, dtype=object)

    def _fit_more(self, X, y):
        """Make one more pass with the network, over new rows or series."""
        self._model, panel, start = self._model.access.read_more(X, y)
        data = self._window_data(panel, start)
        self._train_network(self._model.theta.copy(), data, resume=True)

    def _window_data(self, panel, start=None):
        """Return the windows of other series than those of `fit`."""
        model, reader = self._model, self._model.reader
        lines = model.lines(panel)
        if start is not None:  # of the one series, whose lines have places of their own
            start, _ = lines.at_origins(np.zeros_like(start), start, reader.horizon)
        windows = training_windows(lines, reader.window, reader.horizon, start)
        if not len(windows[0]):
            raise ValueError(
                "There is nothing to learn: no value of the target is known after "
                "another."
            )
        linear, weight = model.linear(), line_weights(lines)
        return window_data(model, lines, *windows, linear, weight)

    # Training --------------------------------------------------------------------

    def _train_network(self, theta, data, resume, tasks=None):
        """Train the parameters, and keep them; without tasks, make one pass only."""
        model, training, incremental = self._model, self._training, tasks is None
        data, validation = self._hold_out(data)
        if validation is not None and not (len(data.used) and len(validation.used)):
            raise ValueError(
                f"Too little history: validation_fraction={self.validation_fraction} "
                f"leaves {len(data.used)} windows to train on and "
                f"{len(validation.used)} to validate with. Change it, or set "
                "early_stopping=False."
            )
        state = training.solver_state if resume else None
        solver, generator = self._make_solver(state, incremental), training.generator()
        options = self._window_options(data, validation, bool(self.verbose))
        trainer = self._make_trainer(model, solver, options, generator)
        history = training.history if resume else None
        if incremental:
            history = trainer.fit_more(theta, data, history=history)
        else:
            more = {"validation": validation, "hooks": tasks.hooks()}
            history = trainer.fit(theta, data, history=history, **more)
        self._model = model.with_theta(theta)
        self._training = training.after(
            self.solver, solver, generator, history, incremental
        )

    def _train_in_fold(self, model, data, seed):
        """Train a network whose forecasts of later windows are tested.

        Return the network, and whether the training was interrupted.
        """
        training, validation = self._hold_out(data)
        if validation is not None and not (len(training.used) and len(validation.used)):
            training, validation = data, None  # a fold may be too short for that
        generator = np.random.RandomState([seed, 1])
        options = self._window_options(training, validation, verbose=False)
        trainer = self._make_trainer(model, self._make_solver(), options, generator)
        theta = first_parameters(model, seed)
        history = trainer.fit(theta, training, validation=validation)
        return trainer.network, history.stopped_because == "interrupted"

    def _hold_out(self, data):
        """Return the windows to train on, and those that early stopping watches."""
        if not self.early_stopping or not SOLVERS[self.solver].has_validation:
            return data, None
        return data.hold_out(self.validation_fraction)

    def _window_options(self, data, validation, verbose):
        """Return the options of a training on windows."""
        batch_size = self.batch_size
        if batch_size == "auto":
            batch_size = auto_batch_size(len(data.used))
        more = {"epoch_size": EPOCH_WINDOWS, "verbose": verbose}
        return self._training_options(batch_size, validation is not None, **more)

    def _make_trainer(self, model, solver, options, generator, **more):
        network = Network(model.spec, model.loss, self._pass_options())
        return Trainer(network, model.loss, solver, options, generator, **more)

    # The state -------------------------------------------------------------------

    def _pack(self):
        """Return the fitted attributes as a file holds them."""
        fields = {name: vars(self)[name] for name in self._fields if name in vars(self)}
        fields |= self._model.pack() | self._training.pack()
        return fields | {"_history": pack_history(fields["_history"])}

    @classmethod
    def _unpack(cls, fields):
        """Return the fitted attributes that `_pack` was made of."""
        names = "n_features_in_", "feature_names_in_"
        attributes = {name: fields[name] for name in names if name in fields}
        history = {"_history": unpack_history(fields["_history"])}
        attributes["_model"] = ForecastModel.unpack(fields | history)
        attributes["_training"] = TrainingState.unpack(fields)
        return attributes

    @classmethod
    def _check_together(cls, fields):
        """Raise ValueError unless the fields of a file go together."""
        check_forecast_model(fields)
        check_training(fields)
