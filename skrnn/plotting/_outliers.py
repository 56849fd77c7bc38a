"""Pictures of unusual rows of series."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import _safe_indexing

from skrnn.estimators import SeriesOutlierDetector
from skrnn.plotting._pyplot import (
    COLORS,
    import_pyplot,
    legend_above,
    shorten_dates,
    two_axes,
)

__all__ = ["OutlierDisplay"]


class OutlierDisplay:
    """Picture of a series with its alarms, and of the scores below it.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are kept as attributes.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_targets)
        The series.
    scores : ndarray of shape (n_rows,)
        Logarithms of p-values.
    offset : float
        Rows with a smaller score alarm.
    index : array-like of shape (n_rows,) or None, default=None
        Where the rows stand: times, periods or numbers. None are numbers from 0 on.
    interval : ndarray of shape (n_rows, n_targets, 2) or None, default=None
        The ends between which values were expected.
    target_names : list of str or None, default=None
        Names of the targets.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The series, a line for each target.
    alarms_ : list of matplotlib PathCollection
        The rows that alarm, on each of these lines.
    intervals_ : list of matplotlib PolyCollection
        Where values were expected; empty without intervals.
    evidence_ : matplotlib Line2D
        The evidence: -log10 of the p-values.
    threshold_ : matplotlib Line2D
        The evidence from which on rows alarm.
    axes_ : ndarray of two matplotlib Axes
        Those of the series and of the evidence.
    figure_ : matplotlib Figure
        The figure with the axes.

    See Also
    --------
    skrnn.SeriesOutlierDetector : Finds unusual rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.plotting import OutlierDisplay
    >>> y = np.sin(np.arange(100.0))
    >>> scores = np.where(np.arange(100) == 60, -9.0, -1.0)
    >>> display = OutlierDisplay.from_predictions(y, scores, false_alarm_rate=0.001)
    >>> display.alarms_[0].get_offsets()[:, 0].tolist()
    [60.0]
    """

    __module__ = "skrnn.plotting"  # so that pickles do not know of private modules

    def __init__(
        self, values, scores, offset, *, index=None, interval=None, target_names=None
    ):
        self.values = values
        self.scores = scores
        self.offset = offset
        self.index = index
        self.interval = interval
        self.target_names = target_names

    @classmethod
    def from_estimator(cls, estimator, X, *, series=0, ax=None, **kwargs):
        """Score rows that follow those of `fit`, and draw them.

        Parameters
        ----------
        estimator : SeriesOutlierDetector
            A fitted one.
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`skrnn.SeriesOutlierDetector.score_samples`.
        series : int, default=0
            Which series of a panel to draw.
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw the series and the evidence. A single one is divided in two.
            None makes a figure.
        **kwargs : dict
            More arguments of :meth:`plot`.

        Returns
        -------
        display : OutlierDisplay
            The display, drawn.
        """
        import_pyplot(f"{cls.__name__}.from_estimator")
        if not isinstance(estimator, SeriesOutlierDetector):
            raise TypeError(
                "OutlierDisplay.from_estimator draws a SeriesOutlierDetector, got "
                f"{type(estimator).__name__}. What others score is drawn by "
                "from_predictions."
            )
        estimator._check_is_fitted()
        model = estimator._model
        X = estimator._given(X)
        joined, starts, rows = model.read(X)
        if not isinstance(series, Integral) or not -len(rows) <= series < len(rows):
            raise ValueError(
                f"series={series!r} does not exist: there are {len(rows)} series."
            )
        one, start, rows = joined[series], starts[series], rows[series]
        scores = model.score(X)[0][series]
        interval = None
        if model.forecast.errors is not None:
            interval = model.expect(X, 1 - estimator.false_alarm_rate)[1][series]
        schema = model.forecast.schema
        labels = schema.labels(one, start, int(rows[-1]) + 1)
        display = cls(
            one.y[rows],
            scores,
            estimator.offset_,
            index=_safe_indexing(labels, rows - start),
            interval=interval,
            target_names=[str(name) for name in schema.target_names],
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        X,
        scores,
        *,
        false_alarm_rate=1e-3,
        index=None,
        interval=None,
        ax=None,
        **kwargs,
    ):
        """Draw a series and its scores.

        Parameters
        ----------
        X : array-like of shape (n_rows,) or (n_rows, n_targets)
            The series.
        scores : array-like of shape (n_rows,)
            Logarithms of p-values, such as
            :attr:`skrnn.SeriesOutlierDetector.score_samples_`.
        false_alarm_rate : float, default=1e-3
            Rows with a smaller p-value alarm.
        index : array-like of shape (n_rows,), default=None
            Where the rows stand. None is the index of `X`, if it has one of pandas.
        interval : array-like of shape (n_rows, 2) or (n_rows, n_targets, 2), \
                default=None
            The ends between which values were expected.
        ax : matplotlib Axes or array-like of two, default=None
            As in :meth:`from_estimator`.
        **kwargs : dict
            More arguments of :meth:`plot`.

        Returns
        -------
        display : OutlierDisplay
            The display, drawn.
        """
        import_pyplot(f"{cls.__name__}.from_predictions")
        names = [str(name) for name in getattr(X, "columns", ())] or None
        found = getattr(X, "index", None)
        if index is None and found is not None and not callable(found):
            index = found
        values = np.asarray(X, dtype=float)
        if values.ndim not in (1, 2) or not values.size:
            raise ValueError(
                "X must be a series of shape (n_rows,) or (n_rows, n_targets), got "
                f"shape {values.shape}."
            )
        if not isinstance(false_alarm_rate, Real) or not 0 < false_alarm_rate < 1:
            raise ValueError(
                "false_alarm_rate must be a number between 0 and 1, got "
                f"{false_alarm_rate!r}."
            )
        values = values.reshape(len(values), -1)
        scores = np.asarray(scores, dtype=float)
        if scores.shape != (len(values),):
            raise ValueError(
                f"scores must be a number for each of {len(values)} rows, got an "
                f"array of shape {scores.shape}."
            )
        if interval is not None:
            interval = np.asarray(interval, dtype=float).reshape(*values.shape, 2)
        offset = float(np.log(false_alarm_rate))
        display = cls(
            values,
            scores,
            offset,
            index=index,
            interval=interval,
            target_names=names,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, line_kwargs=None, alarm_kwargs=None):
        """Draw.

        Lines are broken where rows are missing: at steps more than twice as long as
        nine of ten steps.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two, default=None
            Where to draw the series and the evidence. A single one is divided in two.
            None makes a figure.
        line_kwargs : dict, default=None
            Arguments of the ``plot`` of matplotlib, for the series.
        alarm_kwargs : dict, default=None
            Arguments of the ``scatter`` of matplotlib, for the alarms.

        Returns
        -------
        display : OutlierDisplay
            The display, drawn.
        """
        axes = two_axes(
            ax,
            f"{type(self).__name__}.plot",
            (8, 4.5),
            height_ratios=(2, 1),
            sharex=True,
        )
        self.axes_ = above, below = axes
        self.figure_ = above.figure
        places = _places(self.index, len(self.scores))
        gaps = _gaps(places)
        drawn = np.insert(places, gaps, places[gaps - 1])
        alarms = self.scores < self.offset
        self.lines_, self.alarms_, self.intervals_ = [], [], []
        n_targets = self.values.shape[1]
        names = self.target_names or [f"target {k}" for k in range(n_targets)]
        for k, values in enumerate(self.values.T):
            color = COLORS[k % 5]  # alarms have the sixth one
            options = {"linewidth": 1, "color": color}
            options["label"] = names[k] if n_targets > 1 else "value"
            options |= line_kwargs or {}
            [line] = above.plot(drawn, _broken(values, gaps), **options)
            self.lines_.append(line)
            if self.interval is not None:
                ends = _broken(self.interval[:, k], gaps).T
                options = {"alpha": 0.25, "color": line.get_color(), "linewidth": 0}
                options["label"] = "expected" if k == 0 else None
                self.intervals_.append(above.fill_between(drawn, *ends, **options))
        for k, values in enumerate(self.values.T):
            options = {"color": COLORS[5], "s": 14, "zorder": 3}
            options["label"] = "alarm" if k == 0 else None
            options |= alarm_kwargs or {}
            dots = above.scatter(places[alarms], values[alarms], **options)
            self.alarms_.append(dots)
        self._draw_evidence(below, drawn, gaps)
        named = n_targets == 1 and self.target_names and not names[0].isdigit()
        above.set_ylabel(names[0] if named else "value")
        for ax in (above, below):
            legend_above(ax, ncols=5)
        return self

    def _draw_evidence(self, below, places, gaps):
        evidence = _broken(-self.scores / np.log(10), gaps)
        options = {"linewidth": 1, "color": "0.35", "label": "evidence"}
        [self.evidence_] = below.plot(places, evidence, **options)
        options = {"linewidth": 1, "color": COLORS[5], "linestyle": "--"}
        options["label"] = "alarm from here on"
        self.threshold_ = below.axhline(-self.offset / np.log(10), **options)
        below.set_ylabel("$-\\log_{10} p$")
        if places.dtype.kind in "iuf":
            below.set_xlabel("row")
        shorten_dates(below, places)


def _places(index, n_rows):
    """Return labels as matplotlib takes them: numbers or datetime64."""
    if index is None:
        return np.arange(n_rows)
    if len(index) != n_rows:
        raise ValueError(f"index has {len(index)} labels for {n_rows} rows.")
    if hasattr(index, "to_timestamp"):
        index = index.to_timestamp()
    if getattr(index, "tz", None) is not None:
        index = index.tz_localize(None)
    return np.asarray(index)


def _gaps(places):
    """Return the numbers of the rows that follow others after a long time."""
    steps = np.diff(places).astype(float)
    if not len(steps):
        return np.zeros(0, dtype=int)
    return np.flatnonzero(steps > 2 * np.quantile(steps, 0.9)) + 1


def _broken(values, gaps):
    """Return values, (n_rows, ...), with a row of NaN before each gap's end."""
    return np.insert(values.astype(float), gaps, np.nan, axis=0)
