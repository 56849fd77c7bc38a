"""How the parts of a forecast besides the network are fitted."""

import math
from dataclasses import replace

import numpy as np

from skrnn.forecasting.calibration import calibrate
from skrnn.forecasting.cold import fit_cold
from skrnn.forecasting.folds import (
    split_by_moments,
    split_by_series,
    split_by_time,
    split_often,
)
from skrnn.forecasting.linear import fit_linear, regression
from skrnn.forecasting.network import WindowData, initialize
from skrnn.forecasting.scales import column_moments, line_weights, usual_weights
from skrnn.forecasting.short import moves_of
from skrnn.forecasting.smoothing import MAX_SEASON, is_short
from skrnn.forecasting.windows import (
    BLOCK_WINDOWS,
    WindowReader,
    Windows,
    training_windows,
)
from skrnn.losses import make_forecast_loss
from skrnn.models.forecast import ForecastModel

__all__ = ["ForecastFit", "first_parameters", "start_model", "window_data"]


LONG_SEASON = 504
# A fit adds up products of all rows of a window with each other and with those of a
# forecast, several times over: with as many, these take some gigabytes.
MOST_ROWS, MOST_WEIGHTS = 10_000, 10_000_000
# Logarithms must forecast better by this share: a forecast of what is not positive, or
# of shifted values, makes more sense without.
LOG_GAIN = 0.02


def auto_window(n_rows, horizon, season):
    """Choose how many rows a forecast looks back on.

    A window is a quarter of the series, and at most 504 rows, which are three weeks of
    hours. In a short series it is five seasons, or all rows but those of a forecast: a
    season must be seen twice. With seasons of more than `MAX_SEASON` rows it is two
    seasons, if there are twice as many rows. Seasons of more than `LONG_SEASON` rows,
    such as an hour of seconds, do not count: what a window costs grows with its square.
    """
    least, most = 16, (n_rows - horizon) // 2
    if 1 < season <= LONG_SEASON:
        least = season * (5 if season <= MAX_SEASON else 2)
        most = n_rows - horizon if season <= MAX_SEASON else most
    least = min(least, most)
    return int(max(min(504, n_rows // 4), least, 1))


def auto_segment(window, season):
    """Choose how many rows are read at once: whole seasons, or for some 24 segments."""
    if season > 1 and 8 * season <= window:
        return season * max(1, round(window / 24 / season))
    return max(1, window // 24)


def refuse_large(window, horizon, n_rows):
    """Raise the error of windows and horizons that would fill the memory."""
    if window > MOST_ROWS:
        raise ValueError(
            f"window={window} rows are too many: the linear part of a forecast needs a "
            f"table of {window} x {window} numbers. The longest series has {n_rows} "
            f"rows. Set window to {MOST_ROWS} at most, or to 'auto'."
        )
    if window * horizon > MOST_WEIGHTS:
        raise ValueError(
            f"horizon={horizon} steps of a window of {window} rows are too many: a "
            f"forecast has a weight for each row and each step, and {MOST_WEIGHTS} are "
            f"the most. Set horizon to {MOST_WEIGHTS // window} at most: a forecast "
            "goes on beyond it by itself. Or set a smaller window."
        )


def start_model(structure, schema, panel):
    """Return a model that knows the sizes and the scales of series, and the series.

    Parameters
    ----------
    structure : dict
        Parameters of the estimator. Window and segment length may be "auto".
    schema : SeriesSchema
    panel : list of Series

    Returns
    -------
    model : ForecastModel
    """
    horizon = int(structure["horizon"])
    lengths = np.sort([series.n_past for series in panel])
    window, segment = structure["window"], structure["segment_length"]
    if window == "auto":
        window = auto_window(lengths[len(lengths) // 2], horizon, schema.season)
    refuse_large(int(window), horizon, lengths[-1])
    if segment == "auto":
        segment = auto_segment(window, schema.season)
    segment = int(min(segment, window))
    shared = schema.n_targets == 1 or not schema.n_covariates
    reader = WindowReader(
        window=int(window),
        horizon=horizon,
        segment_length=segment,
        future_segment_length=min(segment, horizon),
        n_past_only=schema.n_past_only,
        n_known_future=schema.n_known_future,
        n_calendar=schema.n_calendar,
        n_targets=0 if shared else schema.n_targets,
        dtype=structure["dtype"],
    )
    past = [(series.x[: series.n_past], series.y[: series.n_past]) for series in panel]
    of_x, of_y = (
        column_moments([x for x, _ in past]),
        column_moments([y for _, y in past]),
    )
    model = ForecastModel(structure, schema, reader, *of_x, *of_y)
    return model.with_history(panel)


def first_parameters(model, seed):
    """Return first parameters of the network. With these, it corrects nothing.

    Covariates that have not changed yet count for nothing at first, or chance would
    decide what the first change does.
    """
    constant = np.ones(model.schema.n_covariates, dtype=bool)
    for series in model.history:
        x = series.x[: series.n_past]
        constant &= ((x == model.x_mean) | np.isnan(x)).all(axis=0)
    constant &= model.x_scale == 1
    random_state = np.random.RandomState(seed)
    return initialize(model.spec, model.reader, random_state, np.flatnonzero(constant))


def window_data(model, lines, line, origin, linear, weight):
    """Return windows as the training of a model reads them."""
    chosen = lines, line, origin, model.reader, linear
    return WindowData(*chosen, model.options, weight, model.loss.scale_power)


class NoNetwork:
    """A network that corrects nothing.

    Parameters
    ----------
    horizon : int
    """

    def __init__(self, horizon):
        self.horizon = horizon

    def forward(self, batch):
        """Return zeros, (n_windows, horizon)."""
        return np.zeros((batch.n_active[0], self.horizon))


class ForecastFit:
    """The fit of a linear forecast to windows, and tests of a network on later ones.

    Parameters
    ----------
    model : ForecastModel
        As `start_model` returns it.
    panel : list of Series
    calibration_fraction : float
        The last part of time, which two folds test.

    Attributes
    ----------
    model : ForecastModel
        With a linear forecast.
    """

    def __init__(self, model, panel, calibration_fraction):
        self.model, self.lines, reader = model, model.lines(panel), model.reader
        self._panel = panel
        self._cut(reader.window, calibration_fraction)
        if not self.folds.pairs and is_short(self.lines.n_rows, model.schema.season):
            # Windows that are hardly full are better than no test at all.
            first = int(self.lines.n_rows.max() * (1 - calibration_fraction))
            if 0 < first - reader.horizon < reader.window:
                self._cut(first - reader.horizon, calibration_fraction)
        begin = self._moments(panel)
        if begin is not None:
            moment = begin[self.lines.series[self.line]] + self.origin
            folds = split_by_moments(moment, reader.horizon, calibration_fraction)
            if len(folds.pairs) == 2:
                self.folds = folds
        if len(self.folds.pairs) < 2 and len(panel) > 3:
            self.folds = split_by_series(self.lines.series[self.line])
        self.weight = self._weights(self.lines)
        self._fold_lines = self._fold_models = None
        self.choice = self._fit_linear(self.lines)
        if is_short(self.lines.n_rows, self.model.schema.season):
            self._try_logarithms(panel)
        model = self.model
        self._plain = self.lines, self._fold_lines, self.choice
        if model.access.takes_y and reader.n_known_future:
            self._try_regression(panel)
        choice = self.choice
        self.model = replace(
            self.model,
            linear_weights=choice.weights,
            ridge_strength=choice.strength,
            home=choice.home,
        )

    def _cut(self, n_before, fraction):
        """Choose windows, the first with `n_before` rows, and split them by time."""
        horizon = self.model.horizon
        self.line, self.origin = training_windows(self.lines, n_before, horizon)
        if not len(self.line):
            raise ValueError(
                "Too little history: no value of the target is known after another."
            )
        n_rows = self.lines.n_rows[self.line]
        times = self.origin, horizon, n_rows, fraction
        self.folds = split_by_time(*times)
        self._late = split_often(*times) if self.model.access.takes_y else None

    def _moments(self, panel):
        """Return when each series begins on the axis that all share, None without one.

        Series that begin and end together need no moments: shares of them are the same.
        """
        begin = np.array([series.position for series in panel])
        n_rows = np.array([len(series) for series in panel])
        kind = self.model.schema.time_kind
        # Numbers that all begin at 0 count rows, and are no times.
        counts = kind in (None, "integer") and not np.ptp(begin)
        return None if counts or not (np.ptp(begin) or np.ptp(n_rows)) else begin

    def _weights(self, lines):
        """Return one over the scale of each line."""
        if not self.model.options.robust:
            return line_weights(lines)
        windows = self.line, self.origin, self.model.reader.window
        return usual_weights(lines, *windows, self.model.options)

    def _fit_linear(self, lines, fold_lines=None):
        reader, options = self.model.reader, self.model.options
        sizes = reader.window, reader.horizon
        windows = lines, self.line, self.origin, self.folds
        chosen = *windows, *sizes, options, self.weight, fold_lines
        return fit_linear(*chosen, late=self._late)

    def _try_logarithms(self, panel):
        """Learn logarithms of the targets, if these forecast later rows better.

        Logarithms go on as a straight line below a floor. Each fold has a floor of its
        own, made of what it is trained on, as the model that is kept has one of all
        values.
        """
        values = self.lines.values[np.isfinite(self.lines.values)]
        if not self.folds.pairs or values.min() <= 0:
            return
        model, lines = self._logarithms(panel, values)
        seen = [self._seen_values(training) for training, _ in self.folds.pairs]
        pairs = [self._logarithms(panel, some) for some in seen]
        models, by_fold = map(list, zip(*pairs, strict=True))
        if all(np.array_equal(each.values, lines.values, True) for each in by_fold):
            by_fold = None
        weight = self.weight
        self.weight = self._weights(lines)
        choice = self._fit_linear(lines, by_fold)
        n = len(models)
        error = self._later_error(models, by_fold or [lines] * n, choice, weight)
        straight = [self.model] * n, [self.lines] * n, self.choice
        if error < (1 - LOG_GAIN) * self._later_error(*straight, weight):
            self.model, self.lines, self.choice = model, lines, choice
            self._fold_lines, self._fold_models = by_fold, models
        else:
            self.weight = weight

    def _logarithms(self, panel, seen):
        """Return a model of logarithms, by the values that it has seen, and lines."""
        model = replace(self.model, log_floor=float(seen.min()) / 2)
        past = [model.inward(series.y[: series.n_past]) for series in panel]
        mean, scale = column_moments(past)
        model = replace(model, target_mean=mean, target_scale=scale)
        return model, model.lines(panel)

    def _seen_values(self, training):
        """Return the known values that some windows and what follows them hold."""
        lines, seen = self.lines, []
        for i in np.unique(self.line[training]):
            stop = self.origin[training[self.line[training] == i]].max()
            values = lines.values[lines.begin[i] : lines.stop[i]]
            seen.append(values[: stop + self.model.horizon])
        seen = np.concatenate(seen)
        return seen[np.isfinite(seen)]

    def _later_error(self, models, lines, choice, weight):
        """Return the sum of absolute errors on the test windows of all folds.

        There are a model and lines for each fold.
        """
        horizon, total = self.model.horizon, 0.0
        forecasts = choice.forecasts_by_fold()
        folds = zip(models, lines, forecasts, self.folds.pairs, strict=True)
        for model, lines, linear, (_, test) in folds:
            line = self.line[test]
            for start in range(0, len(test), BLOCK_WINDOWS):
                rows = slice(start, start + BLOCK_WINDOWS)
                chosen = line[rows], self.origin[test[rows]]
                windows = Windows.cut(
                    lines, *chosen, model.reader.window, model.options
                )
                level = windows.level, lines.target[chosen[0]]
                found = linear.forecast(windows.values, *level)
                found += windows.level[:, np.newaxis]
                true = model.outward(lines.future(*chosen, horizon))
                error = np.abs(model.outward(found) - true)
                error *= weight[chosen[0]][:, np.newaxis]
                total += math.fsum(error[np.isfinite(error)])
        return total

    def _try_regression(self, panel):
        """Take the effect of known covariates out of the targets, if that helps.

        This is regression with errors that are a series of their own. Each fold has a
        regression of its own, which does not see the rows that the fold is tested on:
        with the coefficients of all rows, covariates that say nothing seem to help.
        """

        def without_effect(model, lines, stop=None):
            seen = lines, model.reader, model.schema.season
            model = replace(model, coef=regression(*seen, stop))
            return model, model.lines(panel)

        stops = [self.folds.stops[f] for f in self.folds.complete]
        models = self._fold_models or [self.model] * len(stops)
        by_fold = self._fold_lines or [self.lines] * len(stops)
        fold_lines = [
            without_effect(*each)[1]
            for each in zip(models, by_fold, stops, strict=True)
        ]
        model, lines = without_effect(self.model, self.lines)
        choice = self._fit_linear(lines, fold_lines)
        if choice.error < self.choice.error:
            self.model, self.lines, self.choice = model, lines, choice
            self._fold_lines = fold_lines

    def calibrate(self, train_network):
        """Return the `Calibration`.

        ``train_network(data)`` returns a network that was trained on windows, and
        whether the training was interrupted.
        """
        parts = self._data, self.folds, self.choice, self.model.loss
        return calibrate(*parts, self.lines.target, train_network, self.moves())

    def cold_start(self):
        """Return how series without a value are forecast, None if nothing tells it."""
        model, reader = self.model, self.model.reader
        if model.access.takes_y or not reader.n_known_future:
            return None
        tables = []
        for series in self._panel:
            past = slice(0, series.n_past)
            tables.append((series.y[past], model.known_ahead(series)[past]))
        return fit_cold(tables)

    def moves(self):
        """Return what the series tell of the spread of others."""
        season, scale = self.model.schema.season, self.model.target_scale
        return moves_of(self.lines, season, scale)

    def without_covariates(self):
        """Return the linear forecast without covariates, and its errors.

        They are for rows whose covariates are unknown.
        """
        lines, fold_lines, choice = self._plain
        loss = make_forecast_loss("squared_error", self.model.horizon, None)

        def make_data(rows, linear, fold=None):
            seen = lines if fold is None or fold_lines is None else fold_lines[fold]
            chosen = seen, self.line[rows], self.origin[rows]
            return window_data(self.model, *chosen, linear, self.weight)

        silent = NoNetwork(self.model.horizon), False
        parts = make_data, self.folds, choice, loss, lines.target
        found = calibrate(*parts, lambda data: silent)
        plain = {"plain_weights": choice.weights, "plain_home": choice.home}
        return plain | {"plain_errors": found.errors}

    def data(self):
        """Return all windows, as the training of the network reads them."""
        return self._data(np.arange(len(self.line)), self.choice.forecast())

    def _data(self, rows, linear, fold=None):
        lines = self.lines
        if fold is not None and self._fold_lines is not None:
            lines = self._fold_lines[fold]
        chosen = lines, self.line[rows], self.origin[rows]
        return window_data(self.model, *chosen, linear, self.weight)
