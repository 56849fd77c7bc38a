"""What users hand in as sequences, checked, and gathered into packed batches.

All forms end as a `Sequences`: a table of where each sequence lies in the user's own
memory. Arrays of float32 and float64 are never copied; other numbers are converted
one batch at a time, when they are read.
"""

import sys
from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from skrnn._packing import describe, describe_block, divide

__all__ = ["PackedBatch", "Sequences", "StepEncoder", "check_sequences"]

# How many numbers are converted to float at once.
CHUNK = 1 << 20


class StepEncoder:
    """What happens to a step before a network reads it.

    A value becomes ``(value - mean) / scale``, computed in float64. A network reads
    `segment_length` consecutive steps at once: all channels of the first, then all of
    the second, and so on; a last segment that is not full repeats the last step.

    Parameters
    ----------
    n_features : int
        Features per step of the sequences.
    mean, scale : array-like of shape (n_features,) or None
        What values are standardised with; None for 0 and for 1.
    segment_length : int
        How many steps are read at once.
    missing : {"error", "indicator"}
        With "indicator" a step has twice as many channels: the values, `fill` where
        they are NaN, then for each whether it is known (1) or not (0).
    fill : array-like of shape (n_features,) or None
        What stands for an unknown value, after standardisation; None for 0, which is
        the mean.

    Attributes
    ----------
    n_in : int
        Channels that the network reads at once.
    """

    def __init__(
        self,
        n_features,
        *,
        mean=None,
        scale=None,
        segment_length=1,
        missing="error",
        fill=None,
    ):
        def tiled(values):
            values = np.ascontiguousarray(values, dtype=np.float64)
            if values.shape != (n_features,):
                raise ValueError(
                    f"Expected one number for each of {n_features} features, got an "
                    f"array of shape {values.shape}."
                )
            return np.tile(values, segment_length)

        self.n_features = n_features
        self.segment_length = segment_length
        self.missing = missing
        self.n_in = segment_length * n_features * (1 + (missing == "indicator"))
        self.mean, self.scale, self.fill = mean, scale, fill
        # As the compiled gather wants them: a number for each that a segment holds.
        self._mean = self._scale = self._fill = None
        if mean is not None or scale is not None or missing == "indicator":
            self._mean = tiled(np.zeros(n_features) if mean is None else mean)
            self._scale = tiled(np.ones(n_features) if scale is None else scale)
            self._fill = tiled(np.zeros(n_features) if fill is None else fill)


class PackedBatch:
    """Sequences side by side, longest first, time-major, without padding.

    Attributes
    ----------
    x : ndarray of shape (n_rows, n_in)
        The rows of step 0 of all sequences, then those of step 1, and so on.
    n_active : ndarray of shape (n_steps,), int32
        How many sequences reach each step; they are the first ones.
    offset : ndarray of shape (n_steps + 1,), intp
        The first row of each step, and the number of rows.
    lengths : ndarray of shape (n_seqs,), intp
        Steps of each sequence as the network counts them, in packed order.
    order : ndarray of shape (n_seqs,), intp
        Packed sequence `b` is the one given as number ``order[b]``. Sequences of the
        same length keep their order.
    """

    __slots__ = ("lengths", "n_active", "offset", "order", "x")

    def __init__(self, x, n_active, offset, lengths, order):
        self.x = x
        self.n_active = n_active
        self.offset = offset
        self.lengths = lengths
        self.order = order


class Sequences:
    """Checked sequences, where the user holds them. Made by `check_sequences`.

    Attributes
    ----------
    lengths : ndarray of shape (n_seqs,), intp
        Steps of each sequence.
    n_features : int
        Features per step.
    """

    def __init__(self, table, name, columns=None):
        self._table = table
        self._name = name  # what messages call one: "X[{}]"
        self._columns = columns  # the names of the features, if they have any
        self.n_features = table.n_features
        self.lengths = table.lengths

    @property
    def owner(self):
        """The array of all sequences that was given, or a list with one of each."""
        return self._table.owner

    def name(self, i):
        """What messages call sequence `i`."""
        return self._name.format(self._table.row(i))

    def __len__(self):
        return self._table.n_seqs

    def __getitem__(self, i):
        """Sequence `i` as the user's own numbers, (n_steps, n_features)."""
        if i < 0:
            i += len(self)
        array = self.owner[self._table.row(i)]
        return array if array.ndim == 2 else array[:, None]

    def take(self, indices):
        """The sequences with these indices (or this mask), in this order."""
        indices = np.asarray(indices)
        if indices.dtype == bool:
            if indices.shape != (len(self),):
                raise IndexError(f"a mask of {indices.shape} for {len(self)} sequences")
            indices = np.flatnonzero(indices)
        if not indices.size:
            indices = indices.astype(np.intp)
        indices = np.ascontiguousarray(indices).astype(
            np.intp, casting="same_kind", copy=False
        )
        if indices.size and indices.min() < 0:
            indices = np.where(indices < 0, indices + len(self), indices)
        return Sequences(self._table.take(indices), self._name, self._columns)

    def pack(self, indices, encoder, dtype):
        """Gather the sequences `indices` into a `PackedBatch` of float32 or float64."""
        if indices is None:
            indices = np.arange(len(self))
        indices = np.ascontiguousarray(indices, dtype=np.intp)
        if encoder.n_features != self.n_features:
            raise ValueError(
                f"an encoder of {encoder.n_features} features for sequences of "
                f"{self.n_features}"
            )
        table, rows = self._table, indices
        if not table.native:
            taken, rows = self.take(indices), np.arange(len(indices))
            table = taken._table if taken._table.native else taken._converted()
        *arrays, finite = table.pack(
            rows,
            np.dtype(dtype) == np.float32,
            encoder.segment_length,
            encoder._mean,
            encoder._scale,
            encoder._fill,
            encoder.missing == "indicator",
        )
        batch = PackedBatch(*arrays)
        if not finite:
            self._refuse_packed(batch, indices, encoder)
        return batch

    def moments(self, sample_weight=None):
        """The mean and the variance of each feature over all steps.

        Parameters
        ----------
        sample_weight : array-like of shape (n_seqs,) or None
            What each step of a sequence weighs.

        Returns
        -------
        mean, var : ndarray of shape (n_features,), float64
            NaN does not count. Exact to the last bit or two, whatever the order of the
            sequences; the variance of a constant is 0.
        """
        return self.statistics(sample_weight)[1:]

    def statistics(self, sample_weight=None):
        """What the known values of each feature weigh, their mean and variance."""
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(sample_weight, dtype=np.float64)
            if sample_weight.shape != (len(self),):
                raise ValueError(
                    f"sample_weight.shape == {sample_weight.shape}, expected "
                    f"{(len(self),)}!"
                )
        _, mean, _ = self._sums(np.zeros(self.n_features), sample_weight)
        weight, rest, var = self._sums(mean, sample_weight)
        with np.errstate(over="ignore", invalid="ignore"):
            var = np.maximum(var - rest**2, 0)
        if not np.isfinite(var).all():
            feature = self._feature(np.flatnonzero(~np.isfinite(var))[0])
            raise ValueError(
                f"The variance of {feature} is too large for {var.dtype!r}. Divide its "
                "values by a constant."
            )
        return weight, mean, var

    def _sums(self, center, sample_weight):
        """What all weighs, and the means of value - center and of its square."""
        sums = np.zeros((6, self.n_features))
        for part, table in self._readable():
            weight = None if sample_weight is None else sample_weight[part]
            table.add_sums(sums, center, weight)
        return (
            sums[0] + sums[1],
            divide(sums[2], sums[3], sums[0], sums[1]),
            divide(sums[4], sums[5], sums[0], sums[1]),
        )

    def _readable(self):
        """Pairs of a slice and the table of those sequences, all native floats."""
        if self._table.native:
            yield slice(0, None), self._table
            return
        start = 0
        while start < len(self):
            stop, size = start, 0
            while stop < len(self) and (stop == start or size < CHUNK):
                size += self.lengths[stop] * self.n_features
                stop += 1
            part = self.take(np.arange(start, stop))
            yield slice(start, stop), part._converted()
            start = stop

    def _converted(self):
        """The table of these sequences with other numbers converted to floats."""
        arrays = [self[i] for i in range(len(self))]
        floats = {}  # what numbers become: float32 if it holds all of them
        with np.errstate(over="ignore"):
            for i, array in enumerate(arrays):
                if not self._table.is_native(i):
                    dtype = array.dtype
                    if dtype not in floats:
                        exact = np.can_cast(dtype, np.float32)
                        floats[dtype] = np.float32 if exact else np.float64
                    arrays[i] = np.array(array, floats[dtype])  # aligned, too
        return describe(arrays)

    def _feature(self, f):
        return f"feature {f}" + (f" ({self._columns[f]!r})" if self._columns else "")

    def _check_finite(self, allow_nan, estimator, input_name):
        bad = (
            part.start + i
            for part, table in self._readable()
            if (i := table.first_bad(allow_nan)) >= 0
        )
        i = next(bad, None)
        if i is None:
            return
        with np.errstate(over="ignore"):
            values = np.asarray(self[i], dtype=np.float64)
        bad = np.isinf(values) if allow_nan else ~np.isfinite(values)
        step, feature = (int(index) for index in np.argwhere(bad)[0])
        remedy = "Fill it in, or leave the sequence out"
        if np.isnan(values[step, feature]):
            what = "NaN"
            if estimator is None or hasattr(estimator, "missing"):
                remedy += ", or set missing='indicator'"
        else:
            what = f"infinity or a value too large for {values.dtype!r}"
        raise ValueError(
            f"Input {input_name} contains {what}.\n{self._name.format(i)} has it at "
            f"step {step} in {self._feature(feature)}. {remedy}."
        )

    def _refuse_packed(self, batch, indices, encoder):
        """Name the value that a network would see as infinity."""
        row, column = np.argwhere(~np.isfinite(batch.x))[0]
        s = int(np.searchsorted(batch.offset, row, side="right")) - 1
        i = indices[batch.order[row - batch.offset[s]]]
        k = encoder.segment_length
        width = batch.x.shape[1] // k
        step = min(s * k + column // width, self.lengths[i] - 1)
        remedy = ", or set dtype='float64'" if batch.x.dtype == np.float32 else ""
        raise ValueError(
            f"{self.name(i)} contains infinity or a value too large for "
            f"{batch.x.dtype!r}, at step {step} in "
            f"{self._feature(column % width)}. Scale it down{remedy}."
        )


# How NumPy begins to say that something is no array of numbers or labels.
NAMELESS = ("setting an array element", "The truth value", "'<' not supported")


@contextmanager
def naming(name):
    """Name the argument that NumPy can make no array of."""
    try:
        # Checks for infinity add up, and warn of what they find.
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except ArithmeticError as error:
        raise ValueError(
            f"{name} contains a value that is too large or no number: {error}."
        ) from error
    except (TypeError, ValueError) as error:
        if not str(error).startswith(NAMELESS):
            raise
        raise type(error)(
            f"{name} is no array of numbers, or of labels of one type: {error}"
        ) from error


def check_total_weight(sample_weight, name="sample_weight"):
    """Refuse weights whose sum is so far from 1 that what is made of it overflows."""
    with np.errstate(over="ignore"):
        total = sample_weight.sum()
    if not 1e-30 < total < 1e30:
        raise ValueError(
            f"{name} sums up to {total:g}. Multiply it by a constant, so that its sum "
            "is nearer to 1."
        )


def scale_of(mean, var, n_steps):
    """What to divide features by: their standard deviation, 1 if they are constant.

    As in `StandardScaler`, a spread that can come from rounding is none.

    Parameters
    ----------
    mean, var : ndarray of shape (n_features,)
        The moments.
    n_steps : float or ndarray of shape (n_features,)
        The number of steps that they are of.

    Returns
    -------
    scale : ndarray of shape (n_features,)
    """
    error = n_steps * np.finfo(np.float64).eps
    constant = np.sqrt(var * np.maximum(1 - error, 0)) <= error * np.abs(mean)
    return np.where(constant, 1.0, np.sqrt(var))


def check_sequences(X, *, estimator=None, reset=True, missing="error", input_name="X"):
    """Check what a user hands in as sequences.

    Parameters
    ----------
    X : sequences in any accepted form
        A list (or tuple, object array, pandas Series, polars List column) of arrays
        (n_steps, n_features) or, univariate, (n_steps,); an array (n_seqs, n_steps,
        n_features) or, univariate, (n_seqs, n_steps); nested lists of numbers; a list
        with a DataFrame for each sequence, whose columns name the features.
    estimator : estimator or None
        Its `n_features_in_` and `feature_names_in_` are set or compared, its name is
        used in messages.
    reset : bool
        Whether to set these attributes, as in `fit`, or to compare with them.
    missing : {"error", "indicator"}
        Whether NaN is refused or stays.
    input_name : str
        What messages call `X`.

    Returns
    -------
    sequences : Sequences
    """
    if isinstance(X, Sequences):
        # Checked before: of no form, and without names to compare.
        if estimator is not None:
            _check_features(estimator, X, False, X[0], reset, input_name)
        return X
    # Compared with the columns at fit, a DataFrame needs no guess what it is.
    fitted_wide = not reset and getattr(estimator, "_columns_are_steps", False)
    sequences, wide, example = _open(X, estimator, input_name, fitted_wide)
    sequences._check_finite(missing == "indicator", estimator, input_name)
    if wide and not reset and isinstance(X, list | tuple):
        wide, example = False, None  # nested lists, which may be of any length
    if estimator is not None:
        if example is None:
            example = sequences[0]
        _check_features(estimator, sequences, wide, example, reset, input_name)
        if not reset:
            _check_names(estimator, sequences, wide, example)
    return sequences


def _check_features(estimator, sequences, wide, example, reset, input_name):
    """Set the number of features and their names, or compare the number.

    Of a 2-D X `n_features_in_` counts the columns, which are steps. So the estimator
    remembers whether it was fitted on such an X: then columns are compared with
    columns, and sequences in another form may be of any length.
    """
    if reset:
        validate_data(estimator, example, reset=True, skip_check_array=True)
        estimator._columns_are_steps = wide
    elif hasattr(estimator, "n_features_in_"):
        expected = estimator.n_features_in_
        if getattr(estimator, "_columns_are_steps", False):
            expected = 1
        if sequences.n_features != expected:
            hint = ""
            if wide:
                hint = (
                    f" Each row of a 2-D {input_name} is a univariate sequence; one "
                    f"sequence of several features is [{input_name}]."
                )
            raise ValueError(
                f"{input_name} has {sequences.n_features} features, but "
                f"{type(estimator).__name__} is expecting {expected} features as "
                f"input.{hint}"
            )


def _check_names(estimator, sequences, wide, example):
    """Compare the names of the features, and the columns of a 2-D X."""
    fitted_wide = getattr(estimator, "_columns_are_steps", False)
    if fitted_wide and not wide:
        return  # the names, if there are any, are those of steps
    if wide and not fitted_wide:
        wide, example = False, sequences[0]
    named = hasattr(example, "columns") or hasattr(estimator, "feature_names_in_")
    if named or (wide and example.shape[1] != estimator.n_features_in_):
        validate_data(estimator, example, reset=False, skip_check_array=True)


def _open(X, estimator, input_name, fitted_wide):
    """The `Sequences` of X, whether X is 2-D, and what names its features, or None."""
    name = input_name + "[{}]"
    if isinstance(X, memoryview):
        X = np.asarray(X)
    if isinstance(X, list | tuple):
        return _open_list(X, name, estimator, input_name)
    if isinstance(X, np.ndarray):
        return _open_array(X, name, estimator, input_name)
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if polars is not None and isinstance(X, polars.Series) and X.dtype.is_nested():
        return _open_polars(X, polars, name, estimator, input_name)
    if polars is not None and isinstance(X, polars.DataFrame):
        if not fitted_wide:
            kinds = [_polars_kind(column) for column in X]
            _refuse_long_form(X, kinds, input_name)
        return *_open_array(X.to_numpy(), name, estimator, input_name)[:2], X
    if pandas is not None and isinstance(X, pandas.Series | pandas.DataFrame):
        name = input_name + ".iloc[{}]"
    if pandas is not None and isinstance(X, pandas.Series) and X.dtype.kind == "O":
        return _open_list(X, name, estimator, input_name)
    if pandas is not None and isinstance(X, pandas.DataFrame):
        if len(X) and not fitted_wide:
            kinds = [
                _pandas_kind(X.iloc[:, i], pandas) if dtype.kind == "O" else dtype.kind
                for i, dtype in enumerate(X.dtypes)
            ]
            _refuse_long_form(X, kinds, input_name)
        with naming(input_name):
            values = check_array(
                X, ensure_all_finite=False, estimator=estimator, input_name=input_name
            )
        return *_open_array(values, name, estimator, input_name)[:2], X
    if hasattr(X, "__array__") or hasattr(X, "__array_interface__"):
        return _open_array(np.asarray(X), name, estimator, input_name)
    if issparse(X):
        check_array(X, estimator=estimator, input_name=input_name)  # refuses it
    if isinstance(X, Sequence) and not isinstance(X, str | bytes):
        return _open_list(X, name, estimator, input_name)
    raise TypeError(
        f"Expected sequence or array-like, got {type(X)}. Pass a list with an array of "
        "shape (n_steps, n_features) for each sequence."
    )


def _open_array(X, name, estimator, input_name):
    if X.ndim == 1 and X.dtype == object:
        return _open_list(X, name, estimator, input_name)
    if X.ndim > 3:
        raise ValueError(
            f"Found array with dim {X.ndim}, while dim <= 3 is required: "
            "(n_seqs, n_steps, n_features), or (n_seqs, n_steps) if univariate."
        )
    if X.ndim < 2:
        _refuse_scalars(X, estimator, input_name)
    if X.size == 0 or isinstance(X, np.matrix):
        # scikit-learn has the words, but for the axes of three dimensions.
        check_array(
            X, dtype=None, allow_nd=True, estimator=estimator, input_name=input_name
        )
        raise ValueError(
            f"Found array of shape {X.shape}: sequences, (n_seqs, n_steps, n_features),"
            " need at least one step and one feature."
        )
    if X.dtype.kind in "biuf" and not isinstance(X, np.ma.MaskedArray):
        X = np.asarray(X)  # not a subclass
    else:
        rows = [_as_array(row, name.format(i)) for i, row in enumerate(X)]
        for i, row in enumerate(rows):
            if row.shape != X.shape[1:]:
                raise ValueError(
                    f"{name.format(i)} holds arrays in an array. Pass a list with an "
                    "array of numbers, (n_steps, n_features), for each sequence."
                )
        X = np.stack(rows)
    wide = X.ndim == 2
    return Sequences(describe_block(X), name), wide, X if wide else None


def _open_list(X, name, estimator, input_name):
    given = list(X)
    if not given:
        by = "" if estimator is None else f" by {type(estimator).__name__}"
        raise ValueError(
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is "
            f"required{by}: {input_name} has no sequences."
        )
    table = describe(given)
    if not isinstance(table, int):
        return Sequences(table, name), False, None
    # Something else than arrays of numbers of the right shape.
    example = columns = None
    if all(hasattr(item, "columns") for item in given):
        example, columns = given[0], list(given[0].columns)
    arrays = []
    for i, item in enumerate(given):
        if columns is not None and list(item.columns) != columns:
            raise ValueError(
                f"{name.format(i)} has the columns {list(item.columns)}, but "
                f"{name.format(0)} has {columns}. Give all the same, in one order."
            )
        arrays.append(_as_array(item, name.format(i)))
    if all(array.ndim == 0 for array in arrays):
        _refuse_scalars(np.stack(arrays), estimator, input_name)
    if (
        all(isinstance(item, list | tuple) for item in given)
        and len({array.shape for array in arrays}) == 1
        and arrays[0].ndim == 1
    ):
        # As NumPy reads nested lists: a 2-D array if all are of one length.
        return _open_array(np.stack(arrays), name, estimator, input_name)
    table = describe(arrays)
    if isinstance(table, int):
        _refuse_shape(arrays, table, name)
    return Sequences(table, name, columns), False, example


def _open_polars(X, polars, name, estimator, input_name):
    """Read a List or Array column as slices of one array."""
    if isinstance(X.dtype, polars.Array):
        return _open_array(X.to_numpy(), name, estimator, input_name)
    if not len(X):
        return _open_list([], name, estimator, input_name)
    lengths = X.list.len().fill_null(0).to_numpy() if X.dtype == polars.List else None
    if lengths is None:
        raise TypeError(f"{input_name} is a polars column of {X.dtype}, expected List.")
    if not lengths.all():
        _refuse_shape([np.empty(n) for n in lengths], int(lengths.argmin()), name)
    ends = np.cumsum(lengths, dtype=np.intp)
    flat = X.explode()

    def to_numpy(numbers):
        # NumPy has no integers of 128 bits, as which polars holds large ones.
        wide = str(numbers.dtype) in ("Int128", "UInt128")
        return (numbers.cast(polars.Float64) if wide else numbers).to_numpy()

    if isinstance(flat.dtype, polars.List):
        widths = flat.list.len().fill_null(0).to_numpy()
        odd = np.flatnonzero(widths != widths[0])
        if odd.size:
            i = int(np.searchsorted(ends, odd[0], side="right"))
            raise ValueError(
                f"{name.format(i)} has {widths[odd[0]]} features in a step, but the "
                f"first step of {name.format(0)} has {widths[0]}. All steps need the "
                "same features."
            )
        flat = to_numpy(flat.explode()).reshape(-1, widths[0])
    else:
        flat = to_numpy(flat)
    arrays = np.split(flat, ends[:-1])
    return _open_list(arrays, name, estimator, input_name)


def _refuse_scalars(array, estimator, input_name):
    """Say in scikit-learn's words that numbers are no sequences."""
    try:
        check_array(array, estimator=estimator, input_name=input_name)
    except ValueError as error:
        raise ValueError(
            f"{error} One sequence alone, (n_steps, n_features) or (n_steps,), is "
            f"[{input_name}]."
        ) from None


def _as_array(item, where):
    """One sequence as an array of real numbers, of whatever shape."""
    if issparse(item):
        raise TypeError(
            "Sparse data was passed, but dense data is required. Use "
            f"{where}.toarray() to convert it."
        )
    if hasattr(item, "columns") or hasattr(item, "to_frame"):
        return _read_frame(item, where)
    if isinstance(item, np.ma.MaskedArray):
        item = np.ma.filled(item.astype(np.float64), np.nan)  # masked is unknown
    try:
        array = np.asarray(item)
        if array.dtype == object:
            array = np.asarray(array.tolist())  # of steps, perhaps
    except ValueError as error:
        raise ValueError(
            f"{where} is not an array of numbers: {error} Every step needs the same "
            "number of features."
        ) from error
    kind = array.dtype.kind
    if kind == "c":
        raise ValueError(f"Complex data not supported\n{where} is complex.")
    if kind == "O" and any(isinstance(value, str | bytes) for value in array.flat):
        kind = "U"
    if kind == "O":
        try:
            return array.astype(np.float64)
        except OverflowError as error:
            raise ValueError(
                f"{where} contains a value too large for dtype('float64'): {error}."
            ) from error
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}\n{where} does not hold numbers.") from error
    if kind not in "biuf":
        what = "strings" if kind in "US" else f"values of type {array.dtype}"
        raise ValueError(
            f"{where} holds {what}, which are no numbers. Convert or encode them first."
        )
    return array


def _read_frame(item, where):
    """The numbers of a DataFrame or Series, of pandas or polars."""
    array = item.to_numpy()
    if array.dtype.kind in "biuf":
        return np.asarray(array)
    frame = item.to_frame() if array.ndim == 1 else item
    for column in frame.columns:
        if frame[column].to_numpy().dtype.kind in "mM":
            raise ValueError(
                f"{where} holds times in {column!r}, which are no numbers. Leave them "
                "out, or convert them first."
            )
    try:
        with naming(where):
            values = check_array(frame, dtype=np.float64, ensure_all_finite=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error}\n{where} does not hold numbers.") from error
    return values[:, 0] if array.ndim == 1 else values


def _refuse_shape(arrays, i, name):
    """Say why array `i`, the first misfit, is no sequence like the first one."""
    where, shape = name.format(i), arrays[i].shape
    if shape == ():
        raise ValueError(
            f"{where} is a single value, expected an array (n_steps, n_features)."
        )
    if len(shape) > 2:
        raise ValueError(
            f"{where} has the shape {shape}, expected (n_steps, n_features), or "
            "(n_steps,) if univariate."
        )
    if shape[0] == 0:
        raise ValueError(
            f"{where} has no steps. Leave empty sequences out, and their targets."
        )
    if shape[-1] == 0:
        raise ValueError(
            f"{where} has 0 feature(s) (shape={shape}) while a minimum of 1 is "
            "required."
        )
    n_features, expected = (
        array.shape[1] if array.ndim == 2 else 1 for array in (arrays[i], arrays[0])
    )
    hint = ""
    if len({array.shape[:1] for array in arrays}) == 1:
        hint = " If they are (n_features, n_steps), pass them transposed."
    raise ValueError(
        f"{where} has {n_features} features, but {name.format(0)} has {expected}. "
        f"Sequences are (n_steps, n_features), with the same features.{hint}"
    )


# What columns are called that tell sequences, or the steps of one, apart.
ID_NAMES = ("id", "case", "group", "instance", "sequence", "series", "session")
TIME_NAMES = ("date", "datetime", "step", "time", "timestamp")


def _pandas_kind(column, pandas):
    """What a column of objects holds: a letter as of dtypes, "V" for sequences."""
    if isinstance(column.iloc[0], list | tuple | np.ndarray | pandas.Series):
        return "V"
    if isinstance(column.dtype, pandas.PeriodDtype):
        return "M"
    values = pandas.api.types.infer_dtype(column, skipna=True)
    numbers = ("integer", "floating", "mixed-integer-float", "boolean", "decimal")
    return "f" if values in numbers else "O"


def _polars_kind(column):
    dtype = column.dtype
    if dtype.is_nested():
        return "V"
    if dtype.is_temporal():
        return "M"
    if dtype.is_integer():
        return "i"
    return "f" if dtype.is_numeric() or str(dtype) == "Boolean" else "O"


def _refuse_long_form(X, kinds, input_name):
    """Refuse a DataFrame with a row for each step, and show how to make the list.

    Its rows are sequences only if all columns are numbers, none of them the number of
    a sequence or the time of a step.
    """
    names = [str(column).lower() for column in X.columns]
    columns = list(zip(X.columns, names, kinds, strict=True))
    nested = [column for column, _, kind in columns if kind == "V"]
    if nested:
        rows = "iter_rows()" if hasattr(X, "iter_rows") else "itertuples(index=False)"
        remedy = (
            f"{input_name}[{nested[0]!r}]"
            if len(nested) == 1
            else f"[np.column_stack(row) for row in {input_name}[{nested!r}].{rows}]"
        )
        raise ValueError(
            f"{input_name} is a DataFrame with sequences in {nested!r}. Pass these: "
            f"{remedy}."
        )
    times = [c for c, name, kind in columns if name in TIME_NAMES or kind in "mM"]
    keys = [c for c, name, _ in columns if name in ID_NAMES or name.endswith("_id")]
    keys += [c for c, _, kind in columns if kind == "O" and c not in keys + times]
    if "f" in kinds:
        keys += [
            column
            for i, (column, _, kind) in enumerate(columns)
            if kind in "iu" and column not in keys + times and _is_grouped(X, i)
        ]
    levels = getattr(getattr(X, "index", None), "nlevels", 1)
    if not (keys or times or levels > 1):
        return
    drop = keys + times
    if levels > 1:
        reason = f"its index has {levels} levels"
        groups = f"{input_name}.groupby(level=0)"
    else:
        reason = f"it has the column {drop[0]!r}"
        key = keys[0] if keys else "the column that tells sequences apart"
        if hasattr(X, "groupby"):
            order = f".sort_values({times[0]!r})" if times else ""
            groups = f"{input_name}{order}.groupby({key!r})"
        else:
            order = ", ".join(repr(c) for c in [key, *times[:1]])
            groups = f"{input_name}.sort({order}).group_by({key!r}"
            groups += ", maintain_order=True)"
    values = "steps.to_numpy()"
    if drop:
        how = f"columns={drop!r}" if hasattr(X, "groupby") else f"{drop!r}"
        values = f"steps.drop({how}).to_numpy()"
    raise ValueError(
        f"{input_name} is a DataFrame in long form, with a row for each step: {reason}."
        " Make it a list with an array for each sequence:\n"
        f"    [{values} for _, steps in {groups}]\n"
        "and y the targets in this order, that of the sorted keys. If each row is a "
        "whole sequence, leave only the columns of its steps, or pass an array."
    )


def _is_grouped(X, i):
    """Whether each value of column `i` fills some rows, all next to each other."""
    values = np.asarray(X.iloc[:, i] if hasattr(X, "iloc") else X[:, i])
    n_runs = 1 + np.count_nonzero(values[1:] != values[:-1])
    return 2 <= n_runs <= len(values) / 2 and n_runs == len(np.unique(values))
