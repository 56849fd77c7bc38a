"""SequenceScaler: mean 0 and variance 1 for the features of sequences."""

import sys
from contextlib import contextmanager
from functools import partial

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skrnn._callbacks import CallbackSupportMixin, with_callbacks
from skrnn._stamp import Stamped
from skrnn.inputs.blocks import map_blocks
from skrnn.inputs.containers import column_of_sequences, open_container
from skrnn.inputs.frames import naming
from skrnn.inputs.sequences import check_sequences, check_total_weight, scale_of
from skrnn.preprocessing._base import SequenceTransformerMixin

__all__ = ["SequenceScaler"]


@contextmanager
def _unchanged_on_error(estimator):
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


class SequenceScaler(
    CallbackSupportMixin, Stamped, SequenceTransformerMixin, BaseEstimator
):
    """Standardise the features of sequences to mean 0 and variance 1.

    What :class:`~sklearn.preprocessing.StandardScaler` is for tables: each feature is
    centred and scaled by its mean and standard deviation over all steps of all
    sequences in the training set. Sequences go in and come out in any of the forms
    that the estimators of this package take. Missing values (NaN) are left out of the
    statistics, and stay.

    The estimators standardise their inputs by default; this is for other statistics
    than theirs, or to see and invert the scaling.

    Parameters
    ----------
    copy : bool, default=True
        Whether to leave the data as they are. With False, one writeable array of floats
        that holds all sequences is changed in place. The arrays of a list are never
        changed: a list may hold an array twice, or windows of one array, and a search
        hands the same arrays over for each fold.
    with_mean : bool, default=True
        Whether to centre.
    with_std : bool, default=True
        Whether to scale to unit variance.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,) or None
        What each feature is divided by: the square root of `var_`, and 1 for constant
        features. None with ``with_std=False``.
    mean_ : ndarray of shape (n_features,) or None
        The mean of each feature. None with ``with_mean=False`` and ``with_std=False``.
    var_ : ndarray of shape (n_features,) or None
        The variance of each feature. None with ``with_std=False``.
    n_features_in_ : int
        Features per step; for an array (n_seqs, n_steps), the number of steps. Such an
        array has one feature, and is scaled by one mean and one variance.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if `fit` was given DataFrames with string columns.
    n_samples_seen_ : int or ndarray of shape (n_features,)
        Steps seen; for each feature if some values were missing. The sum of their
        weights if there were weights.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : The same for tables.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import SequenceScaler
    >>> X = [np.array([[0.0, 10.0], [2.0, 30.0]]), np.array([[4.0, 20.0]])]
    >>> scaler = SequenceScaler().fit(X)
    >>> scaler.mean_
    array([ 2., 20.])
    >>> scaler.transform(X)[1].round(2)
    array([[1.22, 0.  ]])
    """

    __module__ = "skrnn.preprocessing"

    _parameter_constraints = {
        "copy": ["boolean"],
        "with_mean": ["boolean"],
        "with_std": ["boolean"],
    }

    def __init__(self, *, copy=True, with_mean=True, with_std=True):
        self.copy = copy
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X, y=None, sample_weight=None):
        """Compute the mean and standard deviation of each feature.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_seqs,), default=None
            What each step of a sequence weighs.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.
        """
        with _unchanged_on_error(self):
            for name in ("scale_", "mean_", "var_", "n_samples_seen_"):
                vars(self).pop(name, None)
            return self._learn(X, y, sample_weight)

    def partial_fit(self, X, y=None, sample_weight=None):
        """Add sequences to the statistics, which then belong to all sequences so far.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_seqs,), default=None
            What each step of a sequence weighs.

        Returns
        -------
        self : SequenceScaler
            The fitted scaler.
        """
        with _unchanged_on_error(self):
            return self._learn(X, y, sample_weight)

    @with_callbacks
    def _learn(self, X, y, sample_weight):
        if not get_config()["skip_parameter_validation"]:
            self._validate_params()
        first = not hasattr(self, "n_samples_seen_")
        sequences = check_sequences(
            X, estimator=self, reset=first, missing="indicator", measure=True
        )
        if sample_weight is not None:
            with naming("sample_weight"):
                if np.iscomplexobj(np.asarray(sample_weight)):
                    raise ValueError("Complex data not supported in sample_weight.")
                sample_weight = _check_sample_weight(
                    sample_weight, sequences, dtype=np.float64, ensure_non_negative=True
                )
            check_total_weight(sample_weight)
        task = None
        if hasattr(self, "_init_callback_context"):
            task = self._init_callback_context()
            task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        seen, mean, var = sequences.statistics(sample_weight)
        whole = sample_weight is None
        if not first:
            before = np.asarray(self.n_samples_seen_)
            whole = whole and before.dtype.kind == "i"
            total = before + seen
            share = np.divide(seen, total, out=np.zeros_like(total), where=total > 0)
            seen = total
            if self.mean_ is not None:
                change = mean - self.mean_
                mean = self.mean_ + share * change
            if self.var_ is not None:
                with np.errstate(over="ignore"):
                    var = self.var_ + share * (
                        var - self.var_ + (1 - share) * change**2
                    )
                if not np.isfinite(var).all():
                    raise ValueError(
                        f"The variance of all that was given is too large for "
                        f"{var.dtype!r}. Divide the values by a constant."
                    )
        if whole:
            seen = seen.astype(np.int64)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = var if self.with_std else None
        self.scale_ = scale_of(mean, var, seen) if self.with_std else None
        self.n_samples_seen_ = seen[0] if (seen == seen[0]).all() else seen
        if task is not None:
            task.call_on_fit_task_end(
                estimator=self, X=X, y=y, reconstruction_attributes={}
            )
        return self

    def transform(self, X):
        """Standardise sequences.

        Parameters
        ----------
        X : sequences
            A list of arrays (n_steps, n_features), or another form of sequences.

        Returns
        -------
        X : sequences in the same form
            The standardised sequences; float32 stays float32. A list with a DataFrame
            for each sequence comes back so, one DataFrame with a row for each sequence
            as an array.
        """
        check_is_fitted(self)
        return self._map(X, self._standardize, check_names=True)

    def inverse_transform(self, X):
        """Undo the standardisation.

        Parameters
        ----------
        X : sequences
            Standardised sequences, in any form.

        Returns
        -------
        X : sequences in the same form
            The sequences as they were before.
        """
        check_is_fitted(self)
        return self._map(X, self._restore, check_names=False)

    def _standardize(self, values):
        if self.with_mean:
            values = values - self.mean_
        return values / self.scale_ if self.with_std else values

    def _transform_steps(self, steps):
        """Return steps (n, n_features) of streams with the bits of `transform`."""
        return _converted(steps, self._standardize)

    def _restore(self, values):
        if self.with_std:
            values = values * self.scale_
        return values + self.mean_ if self.with_mean else values

    def _map(self, X, function, check_names):
        """The sequences of X through `function`, in the form of X."""
        sequences = check_sequences(
            X,
            estimator=self if check_names else None,
            reset=False,
            missing="indicator",
        )
        check_sequences(sequences, estimator=self, reset=False)

        owner = sequences.owner
        if isinstance(owner, np.ndarray):
            result = _converted(owner, function)
            if not self.copy and _can_change(owner):
                owner[...] = result
                result = owner
            return _like(X, result)
        convert = partial(_converted, function=function)
        return _like(X, map_blocks(convert, list(owner)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _converted(array, function):
    """Return what a function makes of an array, in double precision inside."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = function(array.astype(np.float64))
        if array.dtype.kind == "f" and array.itemsize <= 8:
            result = result.astype(array.dtype.newbyteorder("="), copy=False)
    if not (np.isfinite(result) | (array != array)).all():
        raise ValueError(
            f"A value is too large for {result.dtype!r} on the scale that it "
            "gets. Give the sequences as float64, or leave such values out."
        )
    return result


def _can_change(array):
    """Whether an array holds floats, writeable and each in a place of its own."""
    if array.dtype.kind != "f" or not array.flags.writeable:
        return False
    # Windows of one series share memory: a stride is shorter than what is inside.
    extent = array.itemsize
    for stride, n in sorted(
        (abs(stride), n)
        for stride, n in zip(array.strides, array.shape, strict=True)
        if n > 1
    ):
        if stride < extent:
            return False
        extent += stride * (n - 1)
    return True


def _like(X, result):
    """An array, or a list of arrays, in the form of the sequences X."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    column = column_of_sequences(X)
    if column is not X:
        column = _like(column, result)
        if isinstance(X, np.ndarray):
            return column[:, np.newaxis]
        return column.to_frame()
    if polars is not None and isinstance(X, polars.Series):
        if isinstance(result, np.ndarray):
            return polars.Series(X.name, result)
        single = result[0].dtype == np.float32
        dtype = polars.List(polars.Float32 if single else polars.Float64)
        if result[0].ndim == 2:
            dtype = polars.List(dtype)
        return polars.Series(X.name, [a.tolist() for a in result], dtype=dtype)
    if isinstance(result, np.ndarray):
        return result
    for i, item in enumerate(open_container(X, "X").to_list()):
        if hasattr(item, "iloc") and hasattr(item, "columns"):
            result[i] = type(item)(result[i], index=item.index, columns=item.columns)
        elif hasattr(item, "columns"):
            result[i] = type(item)(result[i], schema=item.columns, orient="row")
    if isinstance(X, tuple):
        return tuple(result)
    if isinstance(X, list):
        return result
    objects = np.empty(len(result), dtype=object)
    objects[:] = result
    if pandas is not None and isinstance(X, pandas.Series):
        return type(X)(objects, index=X.index, name=X.name)
    return objects if isinstance(X, np.ndarray) else result
