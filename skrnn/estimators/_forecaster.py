"""Forecasting of series."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import RegressorMixin, clone
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from skrnn._callbacks import CallbackSupportMixin, with_callbacks
from skrnn.estimators._backtest import Backtest
from skrnn.estimators._base import all_or_nothing
from skrnn.estimators._forecast_fit import FittedForecaster
from skrnn.estimators._parameters import Parameters, has_partial_fit
from skrnn.losses import FORECAST_LOSSES
from skrnn.models.forecast import DEFAULT_QUANTILES

TRAINING = (
    "hidden_layer_sizes",
    "cell",
    "activation",
    "dropout",
    "recurrent_dropout",
    "solver",
    "alpha",
    "batch_size",
    "learning_rate",
    "learning_rate_init",
    "power_t",
    "max_iter",
    "shuffle",
    "max_grad_norm",
    "bptt_steps",
    "momentum",
    "nesterovs_momentum",
    "beta_1",
    "beta_2",
    "epsilon",
    "max_fun",
    "tol",
    "n_iter_no_change",
    "early_stopping",
    "validation_fraction",
    "warm_start",
    "random_state",
    "verbose",
    "dtype",
    "n_jobs",
)


class SequenceForecaster(RegressorMixin, CallbackSupportMixin, FittedForecaster):
    """Forecaster of series, with a linear part and a recurrent network.

    A series is a table whose rows are consecutive time steps. NaN means unknown, in
    targets and in covariates. Forecasts go on from the last known value.

    With `y`, a row of `X` is a time step: ``fit(X, y)`` learns one series, and
    ``predict(X)`` forecasts a value for each row of `X`, the rows that follow.
    :class:`~sklearn.model_selection.TimeSeriesSplit` splits such data.
    Without `y`, a sample is a series: ``fit(X)`` learns a panel of series of any
    length, and ``predict(X)`` forecasts the next `horizon` steps of each history in
    `X`.

    The forecast of a window, the last rows of a series, is the last known value plus a
    linear function of the values before (ridge regression, as in NLinear [1]_), plus a
    part of what a recurrent network adds. The network reads the window in segments and
    makes all steps from its last state, a segment at a time, as SegRNN does [2]_. Tests
    on later rows decide the penalty of the linear part, and the share of the network.
    Each target is forecast from its own past and from the covariates, with weights that
    all targets share.

    Parameters
    ----------
    horizon : int, default=1
        Number of steps that are forecast at once. More steps than that are forecast
        from forecasts.
    window : 'auto' or int, default='auto'
        Number of rows that a forecast looks back on. 'auto' is a quarter of the rows of
        a series and at most 504; in short series five seasons, or all rows but
        those of a forecast. See `window_`.
    target : int, str, array-like of int or str, or None, default=None
        Without `y`, the columns to forecast. None means all columns that no other
        parameter names.
    known_future : 'auto', array-like of int or str, callable or None, default='auto'
        The columns whose values are known before they happen. Other columns are never
        read in rows that are forecast. 'auto' means all columns of `X` with `y`, and
        no columns without `y`.
    static : int, str, array-like of int or str, callable or None, default=None
        The columns that do not change within a series.
    categorical_features : 'from_dtype', array-like, callable or None, \
            default='from_dtype'
        The columns that are categories. 'from_dtype' means columns of strings and of
        the categorical types of pandas and polars. A category that was not seen in
        `fit` is read as unknown.
    normalize : {'last', 'mean'}, default='last'
        What is subtracted from the values of a window: the last known value, or the
        mean. The mean suits series that return to it.
    calendar : 'auto', array-like of str, bool or None, default='auto'
        What the network reads of the date of a step, if the index has dates: some of
        'minute', 'hour', 'dayofweek', 'dayofyear' and 'month'. 'auto' chooses by the
        frequency.
    segment_length : 'auto' or int, default='auto'
        Number of rows that the network reads at once. 'auto' divides a window into
        about 24 segments, of whole seasons. See `segment_length_`.
    loss : {'squared_error', 'absolute_error', 'quantile'}, default='squared_error'
        What the network minimises: forecasts are means, medians or `quantiles`. The
        linear part always minimises the squared error.
    quantiles : array-like of float or None, default=None
        The quantiles that ``loss='quantile'`` learns, in increasing order. None is
        0.05, 0.25, 0.5, 0.75 and 0.95.
    calibration_fraction : float, default=0.4
        The last part of time, on which forecasts are tested in two folds. Each fold is
        forecast by a model of all rows before it. These tests choose the strength of
        the penalty and the share of the network, and intervals are made of their
        errors. The model that is kept is fitted to all rows.
    hidden_layer_sizes : int or array-like of shape (n_hidden_layers,), default=(64,)
        Number of units of each recurrent layer. An int is one layer.
    cell : {'gru', 'lstm', 'rnn'}, default='gru'
        Kind of the layers; see :class:`RNNRegressor`.
    activation : {'tanh', 'relu'}, default='tanh'
        Activation of the cell 'rnn'. The other cells have their own.
    dropout : float, default=0.3
        Share of the outputs of each layer that is set to zero in training. Not with
        'lbfgs'.
    recurrent_dropout : float, default=0.2
        Share of the states that is set to zero in training where they feed back. Not
        with 'lbfgs'.
    solver : {'adam', 'sgd', 'lbfgs'}, default='adam'
        The solver that minimises the loss of the network; see :class:`RNNRegressor`.
    alpha : float, default=0.001
        Strength of the L2 penalty on the weights of the network.
    batch_size : 'auto' or int, default='auto'
        Number of windows for each update. 'auto' is a fiftieth of all windows, but at
        least 16 and at most 256.
    learning_rate : {'linear', 'constant', 'invscaling', 'adaptive'}, default='linear'
        How the learning rate changes from `learning_rate_init` on; see
        :class:`RNNRegressor`.
    learning_rate_init : float, default=0.002
        The initial learning rate of 'adam' and 'sgd'.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=10
        Number of epochs at most. An epoch takes each window once, but no more than
        20,000 of them. With 'lbfgs', number of iterations.
    shuffle : bool, default=True
        Whether each epoch takes the windows in a new order.
    max_grad_norm : float or None, default=1.0
        A gradient with a longer norm is scaled down to this one.
    bptt_steps : int or None, default=None
        Number of segments through which gradients flow back. None means all.
    momentum : float, default=0.9
        Momentum of 'sgd', between 0 and 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum.
    beta_1 : float, default=0.9
        Decay of the average of the gradient in 'adam', in [0, 1).
    beta_2 : float, default=0.999
        Decay of the average of the squared gradient in 'adam', in [0, 1).
    epsilon : float, default=1e-8
        Added to the root of the average squared gradient in 'adam'.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by 'lbfgs'.
    tol : float, default=1e-4
        Training stops when the loss (with `early_stopping`: that of the held-out
        windows) has not improved by this much for `n_iter_no_change` epochs in a row. A
        'linear' learning rate is stopped by `early_stopping` only.
    n_iter_no_change : int, default=10
        Number of epochs without an improvement by `tol` before training stops.
    early_stopping : bool, default=False
        Whether to hold the last part of time out of the training, to stop when the loss
        there no longer improves and to keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        The part of time that `early_stopping` holds out.
    warm_start : bool, default=False
        Whether :meth:`fit` continues training the network of the last call. The linear
        part and the results of the tests are learned anew.
    random_state : int, RandomState instance or None, default=None
        Determines the initial weights, the order of the windows and the dropout.
        Pass an int for reproducible results across multiple function calls.
    verbose : bool or int, default=False
        Whether to print a line for each epoch of the last training.
    dtype : {'float32', 'float64'}, default='float32'
        Type of the numbers in the network.
    n_jobs : int or None, default=None
        Number of threads, as in :class:`RNNRegressor`. Results are the same for any
        number.

    Attributes
    ----------
    window_ : int
        Number of rows that a forecast looks back on.
    segment_length_ : int
        Number of rows that the network reads at once.
    season_ : int
        Number of rows after which series tend to repeat: from the frequency of the
        index, else from the autocorrelation of changes. 1 means no season.
    n_features_in_ : int
        Number of columns of `X`, if it had any.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if they are all strings.
    n_outputs_ : int
        Number of targets.
    linear_weights_ : ndarray of shape (n_lags, horizon)
        Weights of the newest `n_lags` values of a window, oldest first, less the last
        known one. There are no lags if repeating the last value did as well.
    ridge_strength_ : float
        The penalty of the linear part, in units of the mean square of its inputs. Of
        several regressions, that of the one that counts most; infinite if smoothing
        alone does.
    gate_ : ndarray of shape (horizon,)
        The share of the network's output that is added, at each step.
    weights_ : dict of str to ndarray
        Read-only views of the weights of the network by name; see
        :class:`RNNRegressor`. The step that makes a segment of the forecast is
        ``segment``.
    n_iter_ : int
        Number of epochs of the last call to :meth:`fit`. After :meth:`partial_fit`,
        number of epochs of all calls.
    t_ : int
        Number of windows that the solver has seen.
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float
        The smallest loss of an epoch.
    loss_curve_ : list of float
        The loss of each epoch, with the penalty.
    grad_norm_curve_ : list of float
        The mean norm of the gradient in each epoch, before it is scaled down.
    validation_loss_curve_ : list of float or None
        With `early_stopping`, the loss of the held-out windows after each epoch.
    validation_scores_ : list of float or None
        With `early_stopping`, minus that loss.
    best_validation_score_ : float or None
        With `early_stopping`, the largest value in `validation_scores_`.

    See Also
    --------
    RNNRegressor : Recurrent neural network regressor of sequences.
    StepRegressor : A number for each step, from other measurements.
    SeriesOutlierDetector : Alarms in unusual rows.
    skrnn.plotting.ForecastDisplay : Draws forecasts and intervals.

    Notes
    -----
    An index of dates, periods or integers says where rows are: rows that are missing
    from it count as unknown. A table without such an index follows the rows before it.
    In a table without another index, and in polars, a single column of dates is the
    index.

    With `y`, a linear regression can take the effect of the known covariates out of the
    target first, and add it to the forecasts again. It does if that forecasts later
    rows better. This is regression with errors that are a series of their own [4]_.

    Of series of at most 1,500 rows, with a season of at most 31, the linear part is an
    average of forecasts: exponential smoothing with trends and seasons of many kinds,
    as best linear forecasts of structural models [7]_, and ridge regressions that begin
    there. How much each counts follows from its errors on later rows, and of smoothing
    from the likelihood, too. If all values of
    the targets are positive and their logarithms forecast later rows better, all of
    this is learned of logarithms, so that a season may grow with the level.

    Making a forecast from the last state follows [3]_. Intervals are those of
    split-conformal prediction [5]_. One of the scores of :meth:`backtest` is the mean
    absolute scaled error [6]_.

    The forecast of ``a * y + b`` is `a` times that of `y`, plus `b`, for positive `a`;
    of logarithms, for `b` = 0. A forecast has the same bits beside any other forecasts,
    and for any number of threads.

    If no value of a window is known, the forecast is that of the last window with a
    known value, whole seasons before. A series of a panel without a known value is
    forecast by a ridge regression of all values on the columns of `known_future` and
    `static`, whose errors on series that were left out make its intervals.

    Long forecasts of one series return to its mean in part, if a regression of values
    less this mean clearly does better on later rows. From a level outside of what `fit`
    saw they do not.

    References
    ----------
    .. [1] Zeng, A., Chen, M., Zhang, L., & Xu, Q. (2023). Are transformers effective
           for time series forecasting? AAAI.
           `arXiv:2205.13504 <https://arxiv.org/abs/2205.13504>`_
    .. [2] Lin, S., et al. (2023). SegRNN: Segment recurrent neural network for
           long-term time series forecasting.
           `arXiv:2308.11200 <https://arxiv.org/abs/2308.11200>`_
    .. [3] Cho, K., et al. (2014). Learning phrase representations using RNN
           encoder-decoder for statistical machine translation. EMNLP.
           `arXiv:1406.1078 <https://arxiv.org/abs/1406.1078>`_
    .. [4] Hyndman, R. J., & Athanasopoulos, G. (2021). Forecasting: principles and
           practice, 3rd edition, chapter 10.
           `otexts.com/fpp3 <https://otexts.com/fpp3>`_
    .. [5] Lei, J., et al. (2018). Distribution-free predictive inference for
           regression. JASA, 113(523). `arXiv:1604.04173 <https://arxiv.org/abs/1604.04173>`_
    .. [6] Hyndman, R. J., & Koehler, A. B. (2006). Another look at measures of forecast
           accuracy. International Journal of Forecasting, 22(4), 679-688.
    .. [7] Harvey, A. C. (1989). Forecasting, structural time series models and the
           Kalman filter. Cambridge University Press.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceForecaster
    >>> rng = np.random.default_rng(0)
    >>> y = np.sin(np.arange(300) * 2 * np.pi / 12) + 0.1 * rng.normal(size=300)
    >>> forecaster = SequenceForecaster(horizon=12, random_state=0).fit(None, y[:276])
    >>> forecaster.predict().shape
    (12,)
    >>> bool(np.abs(forecaster.predict() - y[276:288]).mean() < 0.15)
    True
    >>> lower, upper = forecaster.predict_interval(coverage=0.9).T
    >>> bool((lower < upper).all())
    True
    """

    __module__ = "skrnn"  # so that pickles do not know of private modules
    _doc_link_module = "skrnn"
    _doc_link_template = (
        "https://skrnn.readthedocs.io/en/latest/generated/skrnn.{estimator_name}.html"
    )

    _parameter_constraints: dict = {
        "horizon": [Interval(Integral, 1, 2**20, closed="both")],
        "window": [StrOptions({"auto"}), Interval(Integral, 1, 2**20, closed="both")],
        "target": ["array-like", str, Integral, None],
        "known_future": ["array-like", str, Integral, callable, None],
        "static": ["array-like", str, Integral, callable, None],
        "categorical_features": ["array-like", str, Integral, callable, None],
        "normalize": [StrOptions({"last", "mean"})],
        "calendar": [StrOptions({"auto"}), "array-like", "boolean", None],
        "segment_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, 2**20, closed="both"),
        ],
        "loss": [StrOptions(set(FORECAST_LOSSES))],
        "quantiles": ["array-like", None],
        "calibration_fraction": [Interval(Real, 0, 1, closed="neither")],
        **{name: Parameters._parameter_constraints[name] for name in TRAINING},
    }

    def __init__(
        self,
        horizon=1,
        *,
        window="auto",
        target=None,
        known_future="auto",
        static=None,
        categorical_features="from_dtype",
        normalize="last",
        calendar="auto",
        segment_length="auto",
        loss="squared_error",
        quantiles=None,
        calibration_fraction=0.4,
        hidden_layer_sizes=(64,),
        cell="gru",
        activation="tanh",
        dropout=0.3,
        recurrent_dropout=0.2,
        solver="adam",
        alpha=0.001,
        batch_size="auto",
        learning_rate="linear",
        learning_rate_init=0.002,
        power_t=0.5,
        max_iter=10,
        shuffle=True,
        max_grad_norm=1.0,
        bptt_steps=None,
        momentum=0.9,
        nesterovs_momentum=True,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        max_fun=15000,
        tol=1e-4,
        n_iter_no_change=10,
        early_stopping=False,
        validation_fraction=0.1,
        warm_start=False,
        random_state=None,
        verbose=False,
        dtype="float32",
        n_jobs=None,
    ):
        self._set_parameters(locals())

    # Fitting ---------------------------------------------------------------------

    @all_or_nothing
    @with_callbacks
    def fit(self, X, y=None):
        """Fit to one series with `y`, or to a panel of series without.

        If this fails, the forecaster stays as it was.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            With `y`, the covariates: an array or a DataFrame with a row for each row of
            `y`. It may have no columns; None means the same. Without `y`, the series: a
            list of arrays (n_steps_i,) or (n_steps_i, n_columns) or of DataFrames, an
            array (n_series, n_steps, n_columns), or one series.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The targets, in order of time. NaN means unknown.

        Returns
        -------
        self : object
            The fitted forecaster.
        """
        resume = self._check_parameters(incremental=False)
        self._fit_model(X, y, resume)
        return self

    @available_if(has_partial_fit)
    @all_or_nothing
    def partial_fit(self, X, y=None):
        """Continue training the network, by one pass over new rows or series.

        The linear part, the scales and the intervals stay as they are. An unfitted
        forecaster is fitted.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            Rows that follow the series; forecasts go on from them afterwards, as after
            :meth:`update`. If the forecaster was fitted to a panel, series.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The new values of the targets.

        Returns
        -------
        self : object
            The fitted forecaster.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y)
        self._check_parameters(incremental=True)
        self._fit_more(X, y)
        return self

    @all_or_nothing
    def update(self, X=None, y=None):
        """Append new rows to the history, without training.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            The rows that follow, as in :meth:`fit`; for a panel, those of each series.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The targets of these rows.

        Returns
        -------
        self : object
            The forecaster, which goes on from the last of these rows.
        """
        self._check_is_fitted()
        self._model = self._model.updated(X, y)
        return self

    # Forecasting -----------------------------------------------------------------

    def predict(self, X=None, *, y_past=None, X_past=None):
        """Forecast.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            If the forecaster was fitted with `y`: a row for each step to forecast, with
            its covariates. They are the rows after the last one of `y`. If they have an
            index like that of `fit`, the index says which rows they are; rows within
            `y` are forecast from the rows before them, a horizon at a time. (Numbers
            from 0 on, which pandas gives to rows without an index, are not used.) None
            means the `horizon` rows after the last known value. Otherwise: the
            histories of the series to forecast, seen at fit or not; rows after the last
            known value of the target hold the known future. A series without a known
            value is forecast from columns of `known_future` and `static`, if there are
            any. None means the series of `fit`.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            A history to go on from, in place of the one that the forecaster was fitted
            to. It may belong to another series, and may be shorter than the window.
        X_past : table of shape (n_past, n_columns), default=None
            The covariates of `y_past`.

        Returns
        -------
        y : ndarray of shape (n_steps,) or (n_steps, n_targets), or of a panel \
                (n_series, horizon) or (n_series, horizon, n_targets)
            The forecasts. With ``loss='quantile'``, the quantile nearest to the median.
        """
        return self._finish(self._forecast(X, y_past, X_past).middle)

    def predict_interval(self, X=None, *, coverage=0.9, y_past=None, X_past=None):
        """Forecast intervals that a share of `coverage` of the values fall into.

        The ends are a forecast plus two quantiles of the errors of forecasts that were
        tested on later rows (split-conformal prediction). There are quantiles for each
        step of the horizon, in units of the spread of a window.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            As in :meth:`predict`.
        coverage : float, default=0.9
            Between 0 and 1.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            As in :meth:`predict`.
        X_past : table of shape (n_past, n_columns), default=None
            As in :meth:`predict`.

        Returns
        -------
        interval : ndarray of shape (..., 2)
            Lower and upper ends; the other dimensions are those of :meth:`predict`.
        """
        forecast = self._forecast(X, y_past, X_past)
        return self._finish(self._model.interval(forecast, coverage))

    def predict_quantiles(self, X=None, quantiles=None, *, y_past=None, X_past=None):
        """Forecast quantiles, which never cross.

        With ``loss='quantile'`` the network has learned them. Otherwise they are made
        of errors, as the ends of :meth:`predict_interval`.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            As in :meth:`predict`.
        quantiles : array-like of shape (n_quantiles,), default=None
            Numbers between 0 and 1; with ``loss='quantile'`` some of the learned ones.
            None is all learned ones, and otherwise 0.05, 0.25, 0.5, 0.75 and 0.95.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            As in :meth:`predict`.
        X_past : table of shape (n_past, n_columns), default=None
            As in :meth:`predict`.

        Returns
        -------
        quantiles : ndarray of shape (..., n_quantiles)
            The other dimensions are those of :meth:`predict`.
        """
        self._check_is_fitted()
        learned = self._model.learned_quantiles
        if quantiles is None:
            quantiles = learned or DEFAULT_QUANTILES
        levels = np.atleast_1d(np.asarray(quantiles, dtype=float))
        if levels.ndim != 1 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(
                f"quantiles must be numbers between 0 and 1, got {quantiles!r}."
            )
        if learned is None:
            forecast = self._forecast(X, y_past, X_past)
            return self._finish(self._model.quantiles(forecast, levels))
        strange = [q for q in levels.tolist() if q not in learned]
        if strange:
            raise ValueError(
                f"The network has learned the quantiles {list(learned)}, and not "
                f"{strange}. Fit with these in `quantiles`."
            )
        columns = [learned.index(q) for q in levels.tolist()]
        forecast = self._forecast(X, y_past, X_past)
        return self._finish(forecast.quantiles[..., columns])

    def future_index(self, X=None, *, y_past=None, X_past=None):
        """Return the labels of the rows to forecast.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            As in :meth:`predict`.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            As in :meth:`predict`.
        X_past : table of shape (n_past, n_columns), default=None
            As in :meth:`predict`.

        Returns
        -------
        index : pandas Index or ndarray of shape (n_steps,), of a panel a list of them
            Stamps or periods of the forecasts of :meth:`predict`, if the series were
            given with an index, else numbers of rows.
        """
        self._check_is_fitted()
        access = self._model.access
        return access.labels(access.open(X, y_past, X_past))

    def hidden_states(self, X=None, *, y_past=None, X_past=None):
        """Return the states of the last recurrent layer over the forecasts' windows.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            As in :meth:`predict`; only the rows after the history count.
        y_past : array-like of shape (n_past,) or (n_past, n_targets), default=None
            As in :meth:`predict`.
        X_past : table of shape (n_past, n_columns), default=None
            As in :meth:`predict`.

        Returns
        -------
        states : ndarray of shape (n_segments, n_units) or (n_targets, n_segments, \
                n_units), or of a panel (n_series, ...)
            The oldest segment first.
        """
        self._check_is_fitted()
        panel = [series for series, _ in self._model.access.open(X, y_past, X_past)]
        return self._finish(self._model.hidden_states(panel, self._n_threads()), axis=1)

    # Judging ---------------------------------------------------------------------

    def score(self, X=None, y=None, sample_weight=None):
        """Return the coefficient of determination, R², of forecasts.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), or panel of series
            With `y`, the steps to forecast, as in :meth:`predict`. Without `y`, the
            series. In each of them one horizon after the other is forecast from the
            rows before it, from the middle on if the series is shorter than two
            windows.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The true values; NaN does not count.
        sample_weight : array-like of shape (n_steps,), default=None
            Weights of the steps.

        Returns
        -------
        score : float
            R², the mean over targets and series.
        """
        self._check_is_fitted()
        return self._model.access.score(X, y, sample_weight, self._n_threads())

    def backtest(self, X=None, y=None, *, start, stride=1, refit=False, coverage=0.9):
        """Forecast from many origins in known series, and compare with true values.

        The forecasts have the bits of a loop of :meth:`predict` with `y_past` and a row
        of `X` for each step, and are made in one batch.

        Parameters
        ----------
        X : table of shape (n_steps, n_columns), panel of series, or None
            Known rows, as in :meth:`fit`.
        y : array-like of shape (n_steps,) or (n_steps, n_targets), default=None
            The targets of these rows.
        start : int, str or date
            The first origin: the number of rows before it, if it is negative the number
            of rows after it, or the date of the first row to forecast. If rows of `fit`
            come after it, the model has seen them, and without `refit` a warning says
            so.
        stride : int, default=1
            Rows from an origin to the next one. The last origin is followed by a whole
            horizon of known rows.
        refit : bool or int, default=False
            Whether to fit a clone to the rows before an origin. An int k does so before
            every k-th origin. In a panel with an index of times, an origin is a moment
            for all series: the clone sees no row after it of any series.
        coverage : float, default=0.9
            Share of the values that intervals should hold.

        Returns
        -------
        result : :class:`~sklearn.utils.Bunch`
            Dictionary-like object, with the following attributes.

            origins : ndarray of shape (n_origins,)
                Number of rows before each origin.
            series : ndarray of shape (n_origins,)
                Number of the series of each origin, 0 without a panel.
            y_true, y_pred, naive, seasonal_naive : ndarray of shape \
                    (n_origins, horizon[, n_targets])
                The true values, the forecasts, the last known value, and the value a
                season before.
            interval : ndarray of shape (n_origins, horizon[, n_targets], 2)
                None if the model has no errors to make intervals of.
            scores : dict of dict
                For ``'forecast'``, ``'naive'`` and ``'seasonal_naive'`` the mean
                absolute error ``'mae'``, the root mean squared error ``'rmse'`` and the
                mean absolute scaled error ``'mase'``, whose unit is the mean absolute
                change over a season in the rows before `start`; ``'coverage'`` of
                the intervals.
        """
        self._check_is_fitted()

        def fit(*arguments):
            return clone(self).fit(*arguments)._model

        backtest = Backtest(self._model, X, y, coverage, self._n_threads())
        return backtest.run(start, stride, refit, fit)

    # Within ----------------------------------------------------------------------

    def _forecast(self, X, y_past, X_past):
        """Return the forecast of what `predict` is given."""
        self._check_is_fitted()
        access = self._model.access
        return access.forecast(access.open(X, y_past, X_past), self._n_threads())

    def _finish(self, values, axis=2):
        """Return values (n_series, ...) as users expect them, `axis` the targets."""
        if self._model.schema.target_is_1d:
            values = values.take(0, axis)
        return np.ascontiguousarray(self._model.access.unwrap(values))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        # Rows are steps of time, and those of the usual tests follow no other.
        tags.regressor_tags.poor_score = True
        return tags
