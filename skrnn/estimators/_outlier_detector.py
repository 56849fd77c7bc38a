"""Detection of unusual rows in series."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from skrnn._detection import LEAST
from skrnn._elementary import log
from skrnn.detection.episodes import episodes_of, with_refractory
from skrnn.detection.evidence import EVIDENCE, NO_FORECAST, statistics
from skrnn.detection.scorer import Scorer
from skrnn.estimators._base import all_or_nothing
from skrnn.estimators._fitted import FittedEstimator, Of, fitted
from skrnn.estimators._forecaster import SequenceForecaster
from skrnn.estimators._parameters import count_threads, current
from skrnn.inputs.columns import is_panel, tables_of
from skrnn.inputs.schema import SeriesSchema
from skrnn.models.checks import Optional, integer, names_of
from skrnn.models.detector import DetectorModel, score_rows
from skrnn.models.detector_fields import DETECTOR_FIELDS, check_detector_model
from skrnn.models.detector_learning import Learner
from skrnn.models.detector_stream import OutlierStream

MOST_WARM_UP = 500
MOST_HORIZON, LEAST_HORIZON = 48, 12  # of those that are chosen by the season
NO_SEASON = 24
MOST_MEMORY = 20_000


class SeriesOutlierDetector(OutlierMixin, FittedEstimator, BaseEstimator):
    """Detector of unusual rows in series, for a promised rate of false alarms.

    A row is a time step. Its score is the logarithm of a p-value: how probable it is
    that a normal row looks as unusual, judged by the rows before it. A row alarms if
    its p-value is below `false_alarm_rate`. So about one of 1 / `false_alarm_rate`
    normal rows alarms.

    Several kinds of evidence make a score, such as the error of a forecast from the row
    before, the errors of a forecast that was made some rows ago, and the mean of the
    last rows. :class:`SequenceForecaster` makes the forecasts. Each kind of evidence
    becomes a p-value among its own earlier values [1]_, with a fitted tail [2]_. Their
    sum of logarithms (Fisher [3]_) becomes the p-value of the row in the same way,
    because the kinds of evidence depend on each other.

    Parameters
    ----------
    false_alarm_rate : float, default=1e-3
        The expected share of normal rows that alarm. It may be changed after `fit`:
        scores stay as they are, and :attr:`offset_` moves.
    horizon : 'auto' or int, default='auto'
        How many rows ago the forecasts of 'ahead' and 'path' were made, and how many
        rows the mean of 'level' takes. 'auto' is a season, or as many seasons as make
        12 rows, and at most 48; 24 without a season.
    evidence : array-like of str, default=('step', 'ahead', 'path', 'level', 'drift', \
            'window', 'still')
        What is looked at. 'step' is the error of the forecast from the row before,
        'ahead' that of the forecast made `horizon` rows ago, 'path' the mean error of
        all steps of that forecast, 'level' how far the mean of the last `horizon`
        rows is from that of ten times as many rows before, 'drift' the mean of the
        last 8 `horizon` rows, which is compared with all earlier ones, 'window' the
        distance of the last `horizon` rows from those of the last 5000 rows that are
        most like them, and 'still' how much less the last `horizon` / 2 rows change
        than usual. The last four do not see the size of a single wild value.
    combine : {'fisher', 'max'}, default='fisher'
        How evidence is combined: by the sum of the logarithms of the p-values, or by
        the smallest p-value. 'still' stands beside the sum.
    onset : float, default=3
        How much the beginning of a fault counts. The difference between the combined
        evidence of a row and the largest one of the last `horizon` rows, if it is
        positive, is multiplied by `onset` and added to the evidence of the row. 0 marks
        more rows of long faults, larger values find more faults.
    memory : 'auto' or int, default='auto'
        Number of normal rows that p-values are made of: the newest ones. 'auto' is
        20,000.
    warm_up : 'auto' or int, default='auto'
        Number of rows of a series that the first forecaster learns from. These rows
        have the score 0. 'auto' is 500, or half of the rows if there are fewer than
        1000.
    refit : 'doubling', int or False, default='doubling'
        When `fit` learns the forecaster anew, while it scores the rows one after
        another. 'doubling' does so each time that the number of rows has doubled, an
        int each time after this number of rows. Both do so at the end, too. With False
        the first forecaster stays.
    refractory : int, default=0
        Number of rows after an alarm in which only a smaller p-value alarms again.
    forecaster : SequenceForecaster or None, default=None
        Makes the forecasts; a clone is fitted. Its `horizon` is not used. None is a
        forecaster with default parameters.
    random_state : int, RandomState instance or None, default=None
        Determines the random numbers of the forecaster, unless `forecaster` has a
        `random_state`. Pass an int for reproducible results across multiple function
        calls.
    n_jobs : int or None, default=None
        Number of threads, as in :class:`SequenceForecaster`. Results are the same for
        any number.

    Attributes
    ----------
    score_samples_ : ndarray of shape (n_rows,), or of a panel an object array of them
        The score of each row of `fit`, by a forecaster and a memory of earlier rows
        only.
    offset_ : float
        The logarithm of `false_alarm_rate`. Rows with a smaller score alarm.
    horizon_ : int
        How many rows ago forecasts were made.
    n_warm_up_ : int
        Number of rows at the beginning of a series that were not scored.
    window_ : int
        Number of rows that a forecast looks back on.
    season_ : int
        Number of rows after which series tend to repeat, 1 without a season.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if they are all strings.
    weights_ : dict of str to ndarray
        Read-only views of the weights of the forecaster's network.

    See Also
    --------
    SequenceForecaster : Makes the forecasts.
    skrnn.plotting.OutlierDisplay : Draws series, alarms and evidence.

    Notes
    -----
    Rows that `predict` and `score_samples` are given follow those of `fit`. They are
    not remembered from call to call: :meth:`update` remembers them, and :meth:`stream`
    takes them one at a time. All three give the same bits.

    A row whose value is unknown (NaN, or absent from the index) has the score 0.

    Rows that alarm are not remembered as normal ones, except for the share of rows that
    is expected to alarm. So a long fault stays unusual until the forecaster is fitted
    again.

    References
    ----------
    .. [1] Laxhammar, R. & Falkman, G. (2015). Inductive conformal anomaly detection for
           sequential detection of anomalous sub-trajectories. Annals of Mathematics
           and Artificial Intelligence.
    .. [2] Hosking, J. R. M. & Wallis, J. R. (1987). Parameter and quantile estimation
           for the generalized Pareto distribution. Technometrics.
    .. [3] Fisher, R. A. (1932). Statistical methods for research workers. 4th ed.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceForecaster, SeriesOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(720) * 2 * np.pi / 24) + rng.normal(scale=0.1, size=720)
    >>> y[600] += 1
    >>> detector = SeriesOutlierDetector(
    ...     forecaster=SequenceForecaster(max_iter=2, hidden_layer_sizes=8),
    ...     random_state=0,
    ... )
    >>> int(detector.fit_predict(y)[600])
    -1
    >>> stream = detector.stream()
    >>> round(stream.step(0.1), 1) > detector.offset_
    True
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules
    _doc_link_module = "skrnn"
    _doc_link_template = (
        "https://skrnn.readthedocs.io/en/latest/generated/skrnn.{estimator_name}.html"
    )

    _parameter_constraints: dict = {
        "false_alarm_rate": [Interval(Real, 0, 0.5, closed="neither")],
        "horizon": [StrOptions({"auto"}), Interval(Integral, 1, 1000, closed="both")],
        "evidence": ["array-like"],
        "combine": [StrOptions({"fisher", "max"})],
        "onset": [Interval(Real, 0, None, closed="left")],
        "memory": [StrOptions({"auto"}), Interval(Integral, 100, None, closed="left")],
        "warm_up": [StrOptions({"auto"}), Interval(Integral, 4, None, closed="left")],
        "refit": [
            StrOptions({"doubling"}),
            Interval(Integral, 1, None, closed="left"),
            "boolean",
        ],
        "refractory": [Interval(Integral, 0, None, closed="left")],
        "forecaster": [SequenceForecaster, None],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }
    _fields = {
        **DETECTOR_FIELDS,
        "n_features_in_": Optional(integer()),
        "feature_names_in_": Optional(
            names_of(lambda fields: len(fields["_schema_state"]["roles"]))
        ),
    }

    n_warm_up_ = Of("_model")

    def __init__(
        self,
        false_alarm_rate=1e-3,
        *,
        horizon="auto",
        evidence=("step", "ahead", "path", "level", "drift", "window", "still"),
        combine="fisher",
        onset=3.0,
        memory="auto",
        warm_up="auto",
        refit="doubling",
        refractory=0,
        forecaster=None,
        random_state=None,
        n_jobs=None,
    ):
        self.false_alarm_rate = false_alarm_rate
        self.horizon = horizon
        self.evidence = evidence
        self.combine = combine
        self.onset = onset
        self.memory = memory
        self.warm_up = warm_up
        self.refit = refit
        self.refractory = refractory
        self.forecaster = forecaster
        self.random_state = random_state
        self.n_jobs = n_jobs

    # Facts -----------------------------------------------------------------------

    @property
    def offset_(self):
        """The logarithm of `false_alarm_rate`. Rows with a smaller score alarm."""
        fitted(self, "_model", "offset_")
        return log(current(self, "false_alarm_rate"))

    @property
    def score_samples_(self):
        """The score of each row of `fit`, by what was known of earlier rows."""
        model = fitted(self, "_model", "score_samples_")
        return self._finish([scores.copy() for scores in model.scores])

    @property
    def horizon_(self):
        """How many rows ago forecasts were made."""
        return fitted(self, "_model", "horizon_").forecast.horizon

    @property
    def window_(self):
        """Number of rows that a forecast looks back on."""
        return fitted(self, "_model", "window_").forecast.reader.window

    @property
    def season_(self):
        """Number of rows after which series tend to repeat, 1 without a season."""
        return fitted(self, "_model", "season_").forecast.schema.season

    # Fitting ---------------------------------------------------------------------

    @all_or_nothing
    def fit(self, X, y=None):
        """Learn what is normal, and score each row by the rows before it.

        If this fails, the detector stays as it was.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            One series, whose rows are consecutive time steps, or a list of series. An
            index of dates, periods or integers says where rows are. NaN means unknown.
        y : None
            Ignored; the interface of scikit-learn has it.

        Returns
        -------
        self : object
            The fitted detector.
        """
        self._check_parameters()
        single = not is_panel(X, "X")
        tables = tables_of(X, "X")
        if not tables[0].n_columns:
            raise ValueError(
                f"Found array with 0 feature(s) (shape=({tables[0].n_rows}, 0)) while "
                "a minimum of 1 is required."
            )
        schema, panel = self._read(X)
        self._set_features(schema)
        longest = max(series.n_past for series in panel)
        if longest < 8:
            raise ValueError(
                f"Too little history: n_samples={longest} rows, but at least 8 are "
                "needed to learn what is normal. Give a longer history."
            )
        first = self.warm_up
        if first == "auto":
            first = min(MOST_WARM_UP, longest // 2)
        numbers = schema.row_numbers(X)
        ends = self._ends(first, longest)
        forecaster = self._start_forecaster()
        scorers, scores = None, [np.zeros(int(n[-1]) + 1) for n in numbers]
        for i, end in enumerate(ends):
            before = _rows_before(tables, numbers, end, single)
            if i == 0:
                forecaster.set_params(horizon=self._choose_horizon(before, end))
            model = clone(forecaster).fit(before)._model
            known = model.schema.read_panel(X, allow_unknown=True)
            if scorers is None:
                scorers = self._start_scorers(model, known, end)
            stop = ends[i + 1] if i + 1 < len(ends) else end
            if self.refit is False and i == 0:
                stop = longest
            for series, scorer, score in zip(known, scorers, scores, strict=True):
                last = min(stop, series.n_past)
                if last > end:
                    found = score_rows(
                        model, series, end, scorer, last, self._n_threads()
                    )
                    score[end:last] = found[0]
        scores = [score[n] for score, n in zip(scores, numbers, strict=True)]
        warm_up = min(first + 2 * LEAST, longest)
        self._model = DetectorModel.keep(
            model, known, scorers, scores, warm_up, not single
        )
        return self

    def _read(self, X):
        """Return what all of `X` says about columns and times, and its series."""
        given = self.forecaster or SequenceForecaster()
        return SeriesSchema.learn(
            X,
            target=given.target,
            known_future=given.known_future,
            static=given.static,
            categorical_features=given.categorical_features,
            calendar=given.calendar,
            estimator_name=type(self).__name__,
        )

    def _ends(self, first, longest):
        """Return the numbers of rows after which the forecaster is fitted."""
        if first >= longest:
            return [longest]
        if self.refit is False:
            return [first]
        if self.refit in ("doubling", True):
            ends = [first]
            while 2 * ends[-1] < longest:
                ends.append(2 * ends[-1])
        else:
            ends = list(range(first, longest, int(self.refit)))
        return [*ends, longest]

    def _start_forecaster(self):
        """Return an unfitted forecaster, whose random numbers are settled."""
        forecaster = clone(self.forecaster or SequenceForecaster())
        options = {"n_jobs": self.n_jobs, "warm_start": False}
        if self.forecaster is not None and forecaster.n_jobs is not None:
            options.pop("n_jobs")
        seed = forecaster.random_state
        if seed is None:
            seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        return forecaster.set_params(**options, random_state=seed)

    def _choose_horizon(self, before, n_rows):
        """Return how many rows ago forecasts are made."""
        if self.horizon != "auto":
            return int(self.horizon)
        season = self._read(before)[0].season
        horizon = NO_SEASON
        if season > 1:
            horizon = min(season * -(-LEAST_HORIZON // season), MOST_HORIZON)
        return int(max(1, min(horizon, n_rows // 8)))

    def _start_scorers(self, model, panel, end):
        """Return scorers that know what needs no forecast of the first rows."""
        rate, capacity = float(self.false_alarm_rate), self.memory
        capacity = MOST_MEMORY if capacity == "auto" else int(capacity)
        names = self._evidence()
        options = capacity, self.combine, rate, float(self.onset), model.horizon
        scorers = [Scorer(names, model.n_targets, *options) for _ in panel]
        names = [name for name in names if name in NO_FORECAST]
        for series, scorer in zip(panel, scorers, strict=True):
            stop = min(end, series.n_past)
            scorer.remember(statistics(model, series, 0, stop, names))
        return scorers

    def _set_features(self, schema):
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        self.n_features_in_ = schema.n_features_in
        if schema.feature_names is not None:
            self.feature_names_in_ = np.array(schema.feature_names, dtype=object)

    @all_or_nothing
    def update(self, X):
        """Remember new rows, without training.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            The rows that follow. For a panel, the rows that follow in each series.

        Returns
        -------
        self : object
            The detector, which goes on from the last of these rows.
        """
        self._check_is_fitted()
        self._model = self._model.updated(self._given(X), self._n_threads())
        return self

    # Scores ----------------------------------------------------------------------

    def score_samples(self, X):
        """Return the log p-values of rows that follow those of `fit`.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            The rows that follow. For a panel, the rows that follow in each series.

        Returns
        -------
        scores : ndarray of shape (n_steps,), or of a panel an object array of them
            The smaller, the more unusual; 0 is the largest.
        """
        self._check_is_fitted()
        return self._finish(self._model.score(self._given(X), self._n_threads())[0])

    def evidence_of(self, X):
        """Return the log p-values of each kind of evidence.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`score_samples`.

        Returns
        -------
        evidence : ndarray of shape (n_steps, n_evidence), or an object array of them
            A column for each item of the parameter `evidence`. With several targets,
            the smallest of their p-values.
        """
        self._check_is_fitted()
        return self._finish(self._model.score(self._given(X), self._n_threads())[1])

    def decision_function(self, X):
        """Return scores less :attr:`offset_`: negative for rows that alarm.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`score_samples`.

        Returns
        -------
        decision : ndarray of shape (n_steps,), or of a panel an object array of them
            The smaller, the more unusual.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Say for rows that follow those of `fit` whether they alarm.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`score_samples`.

        Returns
        -------
        labels : ndarray of shape (n_steps,), or of a panel an object array of them
            -1 for a row that alarms, else 1.
        """
        self._check_is_fitted()
        scores = self._model.score(self._given(X), self._n_threads())[0]
        pairs = zip(self._model.scores, scores, strict=True)
        return self._finish([self._labels(new, old) for old, new in pairs])

    def fit_predict(self, X, y=None):
        """Fit, and say for each row whether it alarms, judged by the rows before it.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`fit`.
        y : None
            Ignored.

        Returns
        -------
        labels : ndarray of shape (n_steps,), or of a panel an object array of them
            -1 for a row that alarms, else 1.
        """
        self.fit(X)
        return self._finish([self._labels(scores) for scores in self._model.scores])

    def predict_expected(self, X):
        """Forecast rows that follow those of `fit`, each from the row before.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel of series
            As in :meth:`score_samples`.

        Returns
        -------
        expected : ndarray of shape (n_steps[, n_targets]), or an object array of them
            The forecasts.
        interval : ndarray of shape (n_steps[, n_targets], 2), or an object array
            The ends between which 1 - `false_alarm_rate` of the values are expected.
        """
        self._check_is_fitted()
        coverage = 1 - current(self, "false_alarm_rate")
        found = self._model.expect(self._given(X), coverage, self._n_threads())
        if self._model.forecast.schema.target_is_1d:
            found = [[values[:, 0] for values in part] for part in found]
        return tuple(self._finish(part) for part in found)

    def episodes(self, X=None):
        """Return stretches of rows that alarm.

        Parameters
        ----------
        X : table of shape (n_steps,) or (n_steps, n_columns), or panel, default=None
            As in :meth:`score_samples`. None is the rows of `fit`.

        Returns
        -------
        episodes : structured ndarray, or of a panel an object array of them
            An item for each episode: numbers of its rows ``start``, ``stop`` (one after
            the last) and ``peak``, and the log p-value ``score`` there. Alarms whose
            row numbers differ by at most `horizon_` belong to one episode.
        """
        self._check_is_fitted()
        scores = self._model.scores
        if X is not None:
            scores = self._model.score(self._given(X), self._n_threads())[0]
        gap = self._model.forecast.horizon
        return self._finish([episodes_of(s, self.offset_, gap) for s in scores])

    def stream(self, learn=False):
        """Return a stream that scores the rows that follow, one at a time.

        Parameters
        ----------
        learn : bool, default=False
            Whether the forecaster is fitted anew while rows come, as `refit` says, with
            all rows so far: each time that their number has doubled, for example. Such
            a step takes as long as a fit. This detector stays as it is.

        Returns
        -------
        stream : OutlierStream
            With the method ``step(row)``, which returns a score with the bits of
            :meth:`score_samples`, and the attributes ``alarm`` and ``state``.
        """
        self._check_is_fitted()
        if self._model.is_panel:
            raise ValueError(
                "A stream follows one series, and this detector was fitted to a panel. "
                "Fit one detector to each series."
            )
        past, learner = self._model.scores[0], None
        if learn:
            if self._model.targets is None:
                raise ValueError(
                    "A stream learns from a series without covariates, fitted by this "
                    "version. Use stream(), and call fit again with all rows."
                )
            forecaster = self._start_forecaster().set_params(horizon=self.horizon_)
            learner = Learner(
                self._model, lambda X: clone(forecaster).fit(X)._model, self.refit
            )
        options = self.offset_, current(self, "refractory"), past, learner
        return OutlierStream(self._model, *options)

    # Within ----------------------------------------------------------------------

    def _labels(self, scores, past=()):
        refractory = current(self, "refractory")
        alarms = with_refractory(scores, self.offset_, refractory, past)
        return np.where(alarms, -1, 1)

    def _given(self, X):
        """Return what a method is given, as the rows of one series or of a panel."""
        if is_panel(X, "X") != self._model.is_panel:
            fitted_to = "a list of series" if self._model.is_panel else "one series"
            raise ValueError(
                f"This {type(self).__name__} was fitted to {fitted_to}: give the rows "
                "that follow in the same form."
            )
        return X

    def _finish(self, values):
        """Return values of each series in the form of users."""
        if not self._model.is_panel:
            return values[0]
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out

    def _evidence(self):
        given = self.evidence
        several = not isinstance(given, str) and hasattr(given, "__iter__")
        names = tuple(str(name) for name in (given if several else [given]))
        if not names or len({*names}) < len(names) or not {*names} <= {*EVIDENCE}:
            raise ValueError(
                f"evidence must be some of {list(EVIDENCE)}, each once, got "
                f"{self.evidence!r}."
            )
        return names

    def _check_parameters(self):
        self._validate_params()
        self._evidence()
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0: work needs at least one thread.")

    def _describe_structure(self):
        self._evidence()

    def _n_threads(self):
        return count_threads(self.n_jobs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    # The state -------------------------------------------------------------------

    def _pack(self):
        """Return the fitted attributes as a file holds them."""
        names = "n_features_in_", "feature_names_in_"
        fields = {name: vars(self)[name] for name in names if name in vars(self)}
        return fields | self._model.pack()

    @classmethod
    def _unpack(cls, fields):
        """Return the fitted attributes that `_pack` was made of."""
        names = "n_features_in_", "feature_names_in_"
        attributes = {name: fields[name] for name in names if name in fields}
        return attributes | {"_model": DetectorModel.unpack(fields)}

    @classmethod
    def _check_together(cls, fields):
        """Raise ValueError unless the fields of a file go together."""
        check_detector_model(fields)


def _rows_before(tables, numbers, end, single):
    """Return the given rows before a number of rows, in each series that has begun."""
    found = []
    for table, places in zip(tables, numbers, strict=True):
        rows = np.arange(np.searchsorted(places, end))
        found.append(_safe_indexing(table.given, rows))
    return found[0] if single else found
