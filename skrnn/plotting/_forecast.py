"""Pictures of what models do, drawn with matplotlib."""

from numbers import Integral

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from skrnn.estimators import SequenceForecaster
from skrnn.plotting._pyplot import import_pyplot, legend_above, shorten_dates

__all__ = ["ForecastDisplay"]


class ForecastDisplay:
    """Picture of a forecast, of the values known before it, and of the true values.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are kept as attributes.

    Parameters
    ----------
    y_pred : ndarray of shape (n_steps, n_targets)
        The forecast.
    interval : ndarray of shape (n_steps, n_targets, 2) or None, default=None
        The lower and upper ends of intervals around it.
    coverage : float or None, default=None
        The share of the values that these are meant to hold.
    y_true : ndarray of shape (n_steps, n_targets) or None, default=None
        The true values; NaN where they are not known.
    y_past : ndarray of shape (n_past, n_targets) or None, default=None
        What was known before the forecast.
    index : array-like of shape (n_steps,) or None, default=None
        Where the forecast steps stand: times, periods or numbers. None goes on from
        `past_index`, if these are numbers.
    past_index : array-like of shape (n_past,) or None, default=None
        Where the rows of `y_past` stand. None are numbers up to `index`, or from 0 on.
    target_names : list of str or None, default=None
        Names of the targets.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The forecast.
    interval_ : matplotlib PolyCollection or LineCollection, or None
        The intervals; of a single step, a line.
    history_ : matplotlib Line2D or None
        What was known before.
    truth_ : matplotlib Line2D or None
        What came.
    ax_ : matplotlib Axes
        Where it was drawn. With several targets, this and those above are arrays of
        shape (n_targets,).
    figure_ : matplotlib Figure
        The figure with the axes.

    See Also
    --------
    skrnn.SequenceForecaster : Makes the forecasts.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceForecaster
    >>> from skrnn.plotting import ForecastDisplay
    >>> y = np.sin(np.arange(300) * 2 * np.pi / 12)
    >>> forecaster = SequenceForecaster(horizon=12, max_iter=5, random_state=0)
    >>> forecaster = forecaster.fit(None, y[:276])
    >>> display = ForecastDisplay.from_estimator(forecaster, y=y[276:288])
    >>> display.ax_.get_legend_handles_labels()[1]
    ['history', 'truth', '90 % interval', 'forecast']
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(
        self,
        y_pred,
        *,
        interval=None,
        coverage=None,
        y_true=None,
        y_past=None,
        index=None,
        past_index=None,
        target_names=None,
    ):
        self.y_pred = y_pred
        self.interval = interval
        self.coverage = coverage
        self.y_true = y_true
        self.y_past = y_past
        self.index = index
        self.past_index = past_index
        self.target_names = target_names

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X=None,
        y=None,
        *,
        y_past=None,
        X_past=None,
        series=0,
        target=None,
        coverage=0.9,
        n_past=None,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Forecast, and draw it.

        Parameters
        ----------
        estimator : SequenceForecaster
            A fitted one; or a pipeline that ends with one, a search for one, or a
            :class:`~sklearn.compose.TransformedTargetRegressor` of one.
        X : table of shape (n_steps, n_columns), panel of series, or None, default=None
            As in :meth:`skrnn.SequenceForecaster.predict`: the rows to forecast, or the
            histories of a panel. None is what follows the series of `fit`.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The true values of these rows, as far as they are known. For a panel, a list
            with such an array for each series. Rows that the forecaster knows already
            need no `y`.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            As in :meth:`skrnn.SequenceForecaster.predict`.
        X_past : table of shape (n_past, n_columns), default=None
            As in :meth:`skrnn.SequenceForecaster.predict`.
        series : int, default=0
            Which series of a panel to draw.
        target : int, str or None, default=None
            Which target to draw, by its number or its name. None is all, each in axes
            of its own.
        coverage : float or None, default=0.9
            Share of the values that the intervals should hold. None draws no intervals.
        n_past : int or None, default=None
            How many rows of the history to draw. None is three times the number of
            forecast rows, and at least 30.
        name : str or None, default=None
            What the forecast is called in the legend.
        ax : matplotlib Axes, array-like of them, or None, default=None
            Where to draw: axes for each target. None makes a figure.
        **kwargs : dict
            More arguments of :meth:`plot`.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        forecaster, X, X_past, y_past, back = _unwrap(estimator, X, X_past, y_past)
        forecaster._check_is_fitted()
        model = forecaster._model
        schema, access = model.schema, model.access
        if access.takes_y:
            if X is None and y is not None and not schema.n_features_in:
                X = _rows_like(y, model, {"X_past": X_past, "y_past": y_past})
        elif y is not None and np.ndim(y := y[series]) == 0:
            raise ValueError("y must have the true values of each series.")
        asked = _one_series(access.open(X, y_past, X_past, whole=True), series)
        [(history, rows)] = asked
        forecast = access.forecast(asked)
        y_pred = back(forecast.middle[0])
        interval, shape = None, y_pred.shape
        if coverage is not None and model.errors is not None:
            interval = model.interval(forecast, coverage)[0]
            interval = np.sort([back(end) for end in np.moveaxis(interval, 2, 0)], 0)
            interval = np.moveaxis(interval, 0, 2)
        # What is known of the rows that are forecast, if these are not new.
        y_true = np.full(shape, np.nan)
        y_true[rows < history.n_past] = history.y[rows[rows < history.n_past]]
        y_true = back(y_true) if y is None else _as_truth(y, shape, schema.target_names)
        begin = min(rows[0], history.n_past)
        display = cls(
            y_pred,
            interval=interval,
            coverage=coverage,
            y_true=None if np.isnan(y_true).all() else y_true,
            y_past=back(history.y[:begin]),
            index=_labels(schema, history, rows),
            past_index=_labels(schema, history, np.arange(begin)),
            target_names=_names(schema.target_names, y),
        )
        return display._of_target(target).plot(ax, n_past=n_past, name=name, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        interval=None,
        coverage=None,
        y_past=None,
        index=None,
        past_index=None,
        target=None,
        n_past=None,
        name=None,
        ax=None,
        **kwargs,
    ):
        """Draw a forecast that has been made.

        Parameters
        ----------
        y_true : array-like of shape (n_steps,) or (n_steps, n_targets), or None
            The true values, as far as they are known.
        y_pred : array-like of shape (n_steps,) or (n_steps, n_targets)
            The forecast.
        interval : array-like of shape (n_steps, 2) or (n_steps, n_targets, 2), \
                default=None
            Intervals around it.
        coverage : float or None, default=None
            The share of the values that these are meant to hold, for the legend.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            What was known before.
        index : array-like of shape (n_steps,), default=None
            Where the forecast steps stand: times, periods or numbers. None is the index
            of `y_true` or of `y_pred`, if one of them has one of pandas.
        past_index : array-like of shape (n_past,), default=None
            Where the rows of `y_past` stand. None is its index, if it has one of
            pandas.
        target : int, str or None, default=None
            As in :meth:`from_estimator`.
        n_past : int or None, default=None
            As in :meth:`from_estimator`.
        name : str or None, default=None
            As in :meth:`from_estimator`.
        ax : matplotlib Axes, array-like of them, or None, default=None
            As in :meth:`from_estimator`.
        **kwargs : dict
            More arguments of :meth:`plot`.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        given = [y for y in (y_true, y_pred, y_past) if y is not None]
        if index is None:
            found = [_index_of(y) for y in given[: 1 + (y_true is not None)]]
            index = next((i for i in found if i is not None), None)
        if past_index is None:
            past_index = _index_of(y_past)
        names = next((n for n in map(_names_of, given) if n is not None), None)
        y_pred = _as_table(y_pred, "y_pred")
        shape = y_pred.shape
        names = names or list(range(shape[1]))
        if interval is not None:
            interval = np.asarray(interval, dtype=float)
            if interval.shape not in (
                (*shape, 2),
                (shape[0], 2)[: 2 * (shape[1] == 1)],
            ):
                raise ValueError(
                    f"interval has shape {interval.shape}, but y_pred {shape}: it must "
                    "be that of y_pred, with the two ends in a last dimension."
                )
            interval = interval.reshape(*shape, 2)
        if y_past is not None:
            y_past = _as_table(y_past, "y_past")
            if y_past.shape[1] != shape[1]:
                raise ValueError(
                    f"y_past has {y_past.shape[1]} targets, but y_pred {shape[1]}."
                )
        for label, what, n in [
            ("index", index, shape[0]),
            ("past_index", past_index, 0 if y_past is None else len(y_past)),
        ]:
            if what is not None and len(what) != n:
                raise ValueError(f"{label} has {len(what)} labels for {n} rows.")
        display = cls(
            y_pred,
            interval=interval,
            coverage=coverage,
            y_true=None if y_true is None else _as_truth(y_true, shape, names),
            y_past=y_past,
            index=index,
            past_index=past_index,
            target_names=_names(names, None),
        )
        return display._of_target(target).plot(ax, n_past=n_past, name=name, **kwargs)

    def plot(
        self,
        ax=None,
        *,
        n_past=None,
        name=None,
        history_kwargs=None,
        truth_kwargs=None,
        line_kwargs=None,
        interval_kwargs=None,
    ):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, array-like of them, or None, default=None
            Where to draw: axes for each target. None makes a figure.
        n_past : int or None, default=None
            How many rows of the history to draw. None is three times the number of
            forecast rows, and at least 30.
        name : str or None, default=None
            What the forecast is called in the legend.
        history_kwargs : dict, default=None
            Arguments of the ``plot`` of matplotlib, for the history.
        truth_kwargs : dict, default=None
            The same for the true values.
        line_kwargs : dict, default=None
            The same for the forecast.
        interval_kwargs : dict, default=None
            Arguments of the ``fill_between`` of matplotlib (of a single step:
            ``vlines``), for the intervals.

        Returns
        -------
        display : ForecastDisplay
            The display, drawn.
        """
        plt = import_pyplot(f"{type(self).__name__}.plot")
        n_steps, n_targets = self.y_pred.shape
        if ax is None:
            size = 8, 4 if n_targets == 1 else 1 + 1.8 * n_targets
            figure, ax = plt.subplots(
                n_targets, sharex=True, figsize=size, layout="constrained"
            )
            figure.align_ylabels()
        axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(axes) != n_targets:
            raise ValueError(
                f"There are {n_targets} targets to draw, and ax has {len(axes)} axes. "
                "Give one for each, or choose a `target`."
            )
        if n_past is None:
            n_past = max(30, 3 * n_steps)
        n_past = min(n_past, 0 if self.y_past is None else len(self.y_past))
        given = history_kwargs, truth_kwargs, line_kwargs, interval_kwargs
        styles = self._styles(name or "forecast", given)
        where, before = self._places()
        before = before[len(before) - n_past :]
        drawn = [
            self._draw(axes[k], k, where, before, styles) for k in range(n_targets)
        ]
        columns = zip(*drawn, strict=True)
        for attribute, artists in zip(
            ("history_", "truth_", "line_", "interval_", "ax_"), columns, strict=True
        ):
            if n_targets == 1:
                setattr(self, attribute, artists[0])
            else:
                array = np.empty(n_targets, dtype=object)
                array[:] = artists
                setattr(self, attribute, array)
        _add_legend(axes[0])
        self.figure_ = axes[0].figure
        return self

    def _styles(self, name, given):
        """Return the arguments of matplotlib for each part, `given` ones last."""
        styles = {
            "history": {"color": "0.25", "linewidth": 1.2, "label": "history"},
            "truth": {"color": "0.25", "linewidth": 1.2, "label": "truth"},
            "line": {"color": "C0", "linewidth": 1.8, "label": name},
            "interval": {"color": "C0", "alpha": 0.25},
        }
        styles["truth"]["linestyle"] = (0, (2, 1))
        styles["interval"]["label"] = "interval"
        if self.coverage is not None:
            styles["interval"]["label"] = f"{100 * self.coverage:g} % interval"
        if len(self.y_pred) == 1:
            styles["truth"]["marker"], styles["line"]["marker"] = "x", "o"
            styles["interval"].update(linewidth=6)
        for key, more in zip(
            ("history", "truth", "line", "interval"), given, strict=True
        ):
            styles[key] |= more or {}
        return styles

    def _draw(self, ax, k, where, before, styles):
        """Draw a target; return what was drawn."""
        history = truth = interval = None
        past = np.empty(0) if not len(before) else self.y_past[-len(before) :, k]
        if len(before):
            (history,) = ax.plot(before, past, **styles["history"])
        if self.y_true is not None:
            # It goes on from the last row before, if there is one.
            at = np.concatenate([before[-1:], where]) if len(before) else where
            values = np.concatenate([past[-1:], self.y_true[:, k]])
            (truth,) = ax.plot(at, values, **styles["truth"])
        if self.interval is not None:
            low, high = self.interval[:, k].T
            draw = ax.vlines if len(where) == 1 else ax.fill_between
            style = styles["interval"]
            if len(where) > 1:
                style = {"linewidth": 0, **style}
            interval = draw(where, low, high, **style)
        (line,) = ax.plot(where, self.y_pred[:, k], **styles["line"])
        shorten_dates(ax, np.asarray(where))
        if self.target_names is not None:
            ax.set_ylabel(self.target_names[k])
        return history, truth, line, interval, ax

    def _places(self):
        """Where forecast and history stand, as numbers or datetime64."""
        n_past = 0 if self.y_past is None else len(self.y_past)
        where, before = _as_places(self.index), _as_places(self.past_index)
        if n_past and (where is None) != (before is None):
            name, one = ("index", where) if before is None else ("past_index", before)
            if one.dtype.kind not in "iuf":
                raise ValueError(
                    f"{name} are no numbers, of which others would follow: both "
                    "`index` and `past_index` are needed."
                )
        if before is None:
            before = np.arange(n_past) + (0 if where is None else where[0] - n_past)
        if where is None:
            where = np.arange(len(self.y_pred)) + (before[-1] + 1 if n_past else 0)
        return where, before

    def _of_target(self, target):
        """This display, of one target only if one is named."""
        if target is None:
            return self
        names = self.target_names or []
        n_targets = self.y_pred.shape[1]
        if isinstance(target, str) and target in names:
            target = names.index(target)
        if not isinstance(target, Integral) or not -n_targets <= target < n_targets:
            raise ValueError(
                f"target={target!r} is none of the {n_targets} targets"
                f"{': ' + ', '.join(names) if names else ''}."
            )
        for attribute in ("y_pred", "y_true", "y_past", "interval"):
            values = getattr(self, attribute)
            if values is not None:
                setattr(self, attribute, values[:, [target]])
        self.target_names = [names[target]] if names else None
        return self


def _add_legend(ax):
    # Each name once, if something was drawn there before. Above the axes, a legend
    # hides nothing, and a title finds place on the left.
    named = {}
    for artist, label in zip(*ax.get_legend_handles_labels(), strict=True):
        named.setdefault(label, artist)
    ncols = len(named) if len(named) <= 5 else -(-len(named) // 2)
    legend_above(ax, named.values(), named.keys(), ncols=ncols)


# ------------------------------------------------------- what estimators are asked for


def _unwrap(estimator, X, X_past, y_past):
    """Return the forecaster in an estimator, what it reads, and the way back.

    The way back is a function of values (n, n_targets) of the forecaster's target, to
    those of the estimator's.
    """
    transformers = []
    while not isinstance(estimator, SequenceForecaster):
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline) and len(estimator) > 1:
            first, estimator = estimator[:-1], estimator[-1]
            X, X_past = (x if x is None else first.transform(x) for x in (X, X_past))
        elif isinstance(estimator, TransformedTargetRegressor):
            transformers.append(estimator.transformer_)
            if y_past is not None:
                y_past = transformers[-1].transform(_as_table(y_past))
                y_past = y_past[:, 0] if y_past.shape[1] == 1 else y_past
            estimator = estimator.regressor_
        else:
            raise TypeError(
                f"There is no fitted SequenceForecaster in {type(estimator).__name__}. "
                "Of any other estimator, draw what it predicts by from_predictions."
            )

    def back(values):
        known = np.isfinite(values).all(axis=1)
        for transformer in transformers[::-1]:
            if known.any():
                values = values.copy()
                new = transformer.inverse_transform(values[known])
                values[known] = np.reshape(new, (known.sum(), -1))
        return values

    return estimator, X, X_past, y_past, back


def _rows_like(y, model, past):
    """Return rows to forecast like those of y, if nothing else is known of them."""
    index = _index_of(y)
    if len(y) <= model.horizon:
        access = model.access
        following = np.asarray(access.labels(access.open(**past))[: len(y)])
        if index is None or np.array_equal(np.asarray(index), following):
            return None  # the whole horizon, of which y is the beginning
    if index is None:
        return np.empty((len(y), 0))
    return (y.to_frame() if y.ndim == 1 else y)[[]]


def _one_series(asked, number):
    """Return a list of one of the series to forecast."""
    if not isinstance(number, Integral) or not -len(asked) <= number < len(asked):
        raise ValueError(
            f"series={number!r} does not exist: there are {len(asked)} series."
        )
    return [asked[number]]


def _labels(schema, series, rows):
    if not len(rows):
        return schema.labels(series, 0, 0)
    first = int(rows[0])
    return schema.labels(series, first, int(rows[-1]) + 1)[rows - first]


# ------------------------------------------------------------------ what users hand in


def _index_of(values):
    """The index of something of pandas, None of anything else."""
    index = getattr(values, "index", None)
    return None if callable(index) else index


def _names_of(values):
    """Names of the columns of a table or the name of a column, None without."""
    if hasattr(values, "columns"):
        return list(values.columns)
    name = getattr(values, "name", None)
    return [name] if isinstance(name, str) and name else None


def _names(names, y):
    """Labels of targets: their names, if they have some."""
    if len(names) == 1 and not isinstance(names[0], str):
        return _names_of(y) if _names_of(y) and len(_names_of(y)) == 1 else None
    return [n if isinstance(n, str) else f"target {n}" for n in names]


def _as_table(values, name="y"):
    values = np.asarray(values, dtype=float)
    if values.ndim not in (1, 2):
        raise ValueError(
            f"{name} must have the shape (n_steps,) or (n_steps, n_targets), got "
            f"{values.shape}."
        )
    return values[:, np.newaxis] if values.ndim == 1 else values


def _as_truth(y, shape, names):
    """What came, (n_steps, n_targets), NaN after its end."""
    if hasattr(y, "columns") and y.shape[1] > shape[1]:
        y = y[list(names)]
    y = _as_table(y)
    if y.ndim != 2 or y.shape[1] != shape[1] or len(y) > shape[0]:
        raise ValueError(
            f"y has {len(y)} rows of {y[:1].size} targets, but what is forecast are "
            f"{shape[0]} rows of {shape[1]}."
        )
    truth = np.full(shape, np.nan)
    truth[: len(y)] = y
    return truth


def _as_places(index):
    """Labels as matplotlib takes them, numbers or datetime64; None of none."""
    if index is None:
        return None
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    if getattr(index, "tz", None) is not None:
        index = index.tz_localize(None)
    return np.asarray(index)
