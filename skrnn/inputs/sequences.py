"""Checked sequences, where the user holds them, and gathered into packed batches.

A `Sequences` is a table of where each sequence lies in the user's own memory. Arrays of
float32 and float64 are never copied; other numbers are converted one batch at a time,
when they are read. So are sequences that are made only when they are asked for.
"""

from mmap import mmap

import numpy as np
from sklearn.utils.validation import check_consistent_length, validate_data

from skrnn._packing import describe, gather_ids
from skrnn.inputs.containers import column_of_sequences
from skrnn.inputs.frames import open_sequences
from skrnn.inputs.hints import hint_about_number
from skrnn.inputs.joined import JoinedSequences
from skrnn.inputs.lazy import LazyTable, is_lazy, open_lazy
from skrnn.inputs.moments import Moments, Sums, Total, center_of
from skrnn.inputs.packed import PackedBatch
from skrnn.inputs.padding import describe_padding, warn_of_padding
from skrnn.inputs.steps import OpenedSteps, open_steps

__all__ = [
    "Sequences",
    "center_and_scale",
    "check_number_of",
    "check_sequences",
    "check_total_weight",
    "scale_of",
    "statistics_of",
]

# How many numbers are converted to float at once.
CHUNK = 1 << 20


class Sequences:
    """Checked sequences, where the user holds them. Made by `check_sequences`.

    Attributes
    ----------
    lengths : ndarray of shape (n_seqs,), intp
        Steps of each sequence.
    n_features : int
        Features per step.
    categorical : list of int
        Which of these hold tokens; the others hold numbers.
    tokens : Tokens or None
        These tokens, of all sequences that were given.
    ids : ndarray of shape (n_rows, n_categorical), int32, or None
        Their ids, as soon as categories are learned: see `with_ids`.
    splits : bool
        Whether `pack` can gather some of the steps alone.
    reads_around : bool
        Whether that means to read steps around these, too: it does not.
    """

    splits = True
    reads_around = False

    def __init__(self, table, name, columns=None, tokens=None, n_features=None):
        self._table = table
        self._name = name  # what messages call one: "X[{}]"
        self._columns = columns  # the names of the features, if they have any
        self.n_features = table.n_features if n_features is None else n_features
        self.lengths = table.lengths
        if not getattr(table, "splits", True):
            self.splits = False
        self.tokens = tokens
        self.categorical = [] if tokens is None else tokens.features
        self.ids = None
        self._sums = None

    @property
    def owner(self):
        """The array of all sequences that was given, or a list with one of each."""
        return self._table.owner if self.tokens is None else self.tokens.given

    @property
    def in_memory(self):
        """Whether the numbers are in memory, and not made or read when asked for."""
        if isinstance(self._table, LazyTable) or not len(self):
            return not len(self)
        array = self._table.owner[self._table.row(0)]
        while isinstance(array, np.ndarray):
            if isinstance(array, np.memmap):
                return False
            array = array.base
        return not isinstance(array, mmap)

    @property
    def n_numeric(self):
        """How many features hold numbers."""
        return self._table.n_features

    @property
    def rows(self):
        """Which of the sequences that were given each of these is."""
        return self._table.rows

    def with_ids(self, ids):
        """The same sequences, whose batches get these ids."""
        sequences = self._with_table(self._table)
        sequences.ids = ids
        return sequences

    def _with_table(self, table):
        sequences = Sequences(
            table, self._name, self._columns, self.tokens, self.n_features
        )
        sequences.ids = self.ids
        return sequences

    def name(self, i):
        """What messages call sequence `i`."""
        return self._name.format(self._table.row(i))

    def __len__(self):
        return self._table.n_seqs

    def __getitem__(self, i):
        """Sequence `i` as the user's own numbers, (n_steps, n_features), or tokens."""
        if self.tokens is None:
            return self.numbers(i)
        return self.tokens.given[self._table.row(i + len(self) if i < 0 else i)]

    def token_at(self, i, step):
        """Return the token of the first categorical feature at a step of sequence i."""
        tokens = self.tokens
        row = tokens.start[self._table.row(i)] + step
        return tokens.columns[0].token(row)

    def numbers(self, i):
        """The numbers of sequence `i`, (n_steps, n_numeric)."""
        if i < 0:
            i += len(self)
        array = self._table.owner[self._table.row(i)]
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
        taken = self._with_table(self._table.take(indices))
        if self._sums is not None:
            taken._sums = self._sums.take(indices)
        return taken

    def pack(self, indices, encoder, dtype, first=0, stop=None):
        """Gather the sequences `indices` into a `PackedBatch` of float32 or float64.

        With only the steps from `first` on that stand before `stop`, as the network
        counts them, if these are given; all of the sequences must have the first one.
        """
        if indices is None:
            indices = np.arange(len(self))
        indices = np.ascontiguousarray(indices, dtype=np.intp)
        if encoder.n_features != self.n_numeric:
            raise ValueError(
                f"an encoder of {encoder.n_features} features for sequences of "
                f"{self.n_numeric}"
            )
        k = encoder.segment_length
        steps = None if stop is None else slice(first * k, stop * k)
        *arrays, finite = self._table_of(indices, steps).pack(
            indices
            if steps is None and self._table.native
            else np.arange(len(indices)),
            np.dtype(dtype) == np.float32,
            k,
            encoder._mean,
            encoder._scale,
            encoder._fill,
            encoder.missing == "indicator",
        )
        batch = PackedBatch(*arrays)
        batch.n_steps = self.lengths[indices][batch.order]
        if steps is not None:
            batch.n_steps = np.minimum(batch.n_steps, steps.stop) - steps.start
        if not finite:
            self._refuse_packed(batch, indices, encoder, first)
        if self.tokens is not None:
            batch.ids = self._pack_ids(batch, indices, encoder, first)
        return batch

    def _table_of(self, indices, steps):
        """A table that can be read, of all sequences or of those with the indices."""
        table = self._table
        if steps is None and table.native:
            return table
        taken = self.take(indices)
        if not taken._table.native:
            return taken._converted(steps)
        if steps is None:
            return taken._table
        return table.steps(indices, steps.start, steps.stop)

    def _pack_ids(self, batch, indices, encoder, first):
        """The ids of the rows of a batch."""
        if self.ids is None:
            raise ValueError("tokens have no ids before Categories.encode")
        if encoder.segment_length != 1:
            raise ValueError(
                f"segment_length={encoder.segment_length} reads several steps at once, "
                "but tokens are read one by one. Set segment_length=1."
            )
        start = self.tokens.start[self.rows[indices]] + first
        return gather_ids(self.ids, start, batch.order, batch.lengths, batch.offset)

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

    def token_counts(self, sample_weight=None):
        """What there is of each token, by feature: see `Tokens.counts`.

        Sequences of weight 0 are left out; other weights do not count.
        """
        if self.tokens is None:
            return {}
        indices = self.rows
        if sample_weight is not None:
            indices = indices[np.asarray(sample_weight) > 0]
        return self.tokens.counts(indices)

    def statistics(self, sample_weight=None):
        """The `Moments` of each feature, of what is known of it."""
        if sample_weight is not None:
            sample_weight = np.ascontiguousarray(sample_weight, dtype=np.float64)
            if sample_weight.shape != (len(self),):
                raise ValueError(
                    f"sample_weight.shape == {sample_weight.shape}, expected "
                    f"{(len(self),)}!"
                )
        known = None if self._sums is None else self._sums.weighted(sample_weight)
        weight, mean, var = statistics_of(
            self._readable, self.n_numeric, sample_weight, known
        )
        if not np.isfinite(var).all():
            feature = self.feature_name(np.flatnonzero(~np.isfinite(var))[0])
            raise ValueError(
                f"The variance of {feature} is too large for {var.dtype!r}. Divide its "
                "values by a constant."
            )
        return Moments(weight, mean, var)

    def marks(self):
        """Whether each feature is zeros and ones only, (n_numeric,).

        What is not known does not count. Reading ends as soon as no feature is.
        """
        found = np.ones(self.n_numeric, dtype=bool)
        for i in range(len(self) if self.n_numeric else 0):
            numbers = self.numbers(i)
            mark = (numbers == 0) | (numbers == 1) | (numbers != numbers)
            found &= mark.all(axis=0)
            if not found.any():
                break
        return found

    def spread_around(self, center):
        """The root of the mean square distance of each feature from `center`."""
        _, mean, var = statistics_of(
            self._readable,
            self.n_numeric,
            known=None if self._sums is None else self._sums.total,
        )
        return np.sqrt(var + (mean - center) ** 2)

    def measure(self):
        """Read all sequences once, for whatever moments of them are asked for later."""
        self._sums = Sums(len(self), self.n_numeric)
        for part, table in self._readable():
            self._sums.add(part, table)

    def centered(self):
        """The same sequences, each less its own mean of each feature, in float64.

        What is not known does not count, and stays unknown.
        """
        owner = [np.zeros((1, self.n_numeric))] * (int(self.rows.max(initial=0)) + 1)
        for i, row in enumerate(self.rows):
            numbers = np.asarray(self.numbers(i), dtype=np.float64)
            owner[row] = numbers - self.take([i]).moments()[0]
        return self._with_table(describe(owner).take(np.asarray(self.rows, np.intp)))

    def _readable(self):
        """Pairs of a slice and the table of those sequences, all native floats."""
        if self._table.native:
            yield slice(0, None), self._table
            return
        start = 0
        while start < len(self):
            stop, size = start, 0
            while stop < len(self) and (stop == start or size < CHUNK):
                size += self.lengths[stop] * self.n_numeric
                stop += 1
            part = self.take(np.arange(start, stop))
            yield slice(start, stop), part._converted()
            start = stop

    def _converted(self, steps=None):
        """The table of these sequences with other numbers converted to floats."""
        arrays = [self.numbers(i)[steps or slice(None)] for i in range(len(self))]
        with np.errstate(over="ignore"):
            for i, array in enumerate(arrays):
                if not self._table.is_native(i):
                    arrays[i] = _as_floats(array)
        return describe(arrays)

    def feature_name(self, f):
        """What messages call feature `f` of those that hold numbers."""
        if self.categorical:
            f = [j for j in range(self.n_features) if j not in self.categorical][f]
        return f"feature {f}" + (f" ({self._columns[f]!r})" if self._columns else "")

    def check_finite(self, allow_nan, estimator, input_name):
        """Refuse infinity, and NaN if it is not allowed."""
        if self._seem_finite(allow_nan):
            return
        i = self._first_bad(allow_nan)
        if i < 0:
            return
        with np.errstate(over="ignore"):
            values = np.asarray(self.numbers(i), dtype=np.float64)
        bad = np.isinf(values) if allow_nan else ~np.isfinite(values)
        step, feature = (int(index) for index in np.argwhere(bad)[0])
        remedy = "Fill it in, or leave the sequence out."
        if np.isnan(values[step, feature]):
            what = "NaN"
            if estimator is None or hasattr(estimator, "missing"):
                remedy = f"{remedy[:-1]}, or set missing='indicator'."
            is_1d = np.ndim(self._table.owner[self._table.row(i)]) == 1
            source = self._source(input_name)
            remedy += describe_padding(values, source, self.name(i), is_1d)
        else:
            what = f"infinity or a value too large for {values.dtype!r}"
        raise ValueError(
            f"Input {input_name} contains {what}.\n{self._name.format(i)} has it at "
            f"step {step} in {self.feature_name(feature)}. {remedy}"
        )

    def _seem_finite(self, allow_nan):
        """Whether sums say that there is no infinity (or NaN)."""
        if self._sums is None:
            return False
        known, _, distance, *_ = self._sums.total.sums
        if not np.isfinite(distance).all():
            return False
        return allow_nan or (known == self.lengths.sum()).all()

    def _first_bad(self, allow_nan):
        """The first sequence with an infinity (or a NaN), -1 without one."""
        known = getattr(self._table, "first_of", None)
        if known is not None:  # seen when they were opened
            return known[allow_nan]
        for part, table in self._readable():
            i = table.first_bad(allow_nan)
            if i >= 0:
                return part.start + i
        return -1

    def _source(self, input_name):
        """What the user's code calls all sequences, to go through them."""
        return f"{input_name}.to_numpy()" if ".iloc" in self._name else input_name

    def warn_of_padding(self, input_name):
        """Warn if unknown steps look like padding, which would be read as data."""
        warn_of_padding(self, self._source(input_name), input_name)

    def _refuse_packed(self, batch, indices, encoder, first=0):
        """Name the value that a network would see as infinity."""
        row, column = np.argwhere(~np.isfinite(batch.x))[0]
        s = int(np.searchsorted(batch.offset, row, side="right")) - 1
        i = indices[batch.order[row - batch.offset[s]]]
        k = encoder.segment_length
        width = batch.x.shape[1] // k
        step = min((first + s) * k + column // width, self.lengths[i] - 1)
        remedy = ", or set dtype='float64'" if batch.x.dtype == np.float32 else ""
        raise ValueError(
            f"{self.name(i)} contains infinity or a value too large for "
            f"{batch.x.dtype!r}, at step {step} in "
            f"{self.feature_name(column % width)}. Scale it down{remedy}."
        )


def _as_floats(array):
    """Numbers as floats, aligned: float32 if it holds all of them."""
    exact = np.can_cast(array.dtype, np.float32)
    return np.array(array, np.float32 if exact else np.float64)


def _native(array):
    """The table of one sequence, as native floats."""
    table = describe([np.asarray(array)])
    return table if table.native else describe([_as_floats(array)])


def statistics_of(tables, n_features, sample_weight=None, known=None):
    """Return what the known values of features weigh, their means and variances.

    The tables are read once, or not at all. If a mean is very far from the first step,
    they are read once more.

    Parameters
    ----------
    tables : callable
        ``tables()`` yields pairs of a slice of the sequences and their `Table`.
    n_features : int
    sample_weight : ndarray of shape (n_seqs,), float64, or None
        What each step of a sequence weighs.
    known : Total, default=None
        The sums, if they are known.

    Returns
    -------
    moments : Moments
    """
    if known is None:
        known = total_of(tables, n_features, sample_weight)
    moments, clear = known.moments()
    if not clear and np.isfinite(moments.mean).all():
        known = total_of(tables, n_features, sample_weight, moments.mean)
        moments, _ = known.moments()
    return moments


def total_of(tables, n_features, sample_weight, center=None):
    """Return the `Total` of the values of tables less a center, the first step."""
    sums = np.zeros((6, n_features))
    for part, table in tables():
        center = center_of(table) if center is None else center
        weight = None if sample_weight is None else sample_weight[part]
        table.add_sums(sums, center, weight)
    return Total(sums, np.zeros(n_features) if center is None else center)


def check_number_of(targets, sequences, input_name="X"):
    """Refuse another number of targets than of sequences.

    Parameters
    ----------
    targets : array-like of shape (n_seqs, ...)
        What belongs to the sequences.
    sequences : Sequences
        Checked sequences.
    input_name : str
        What messages call these.
    """
    try:
        check_consistent_length(sequences, targets)
    except ValueError as error:
        hint = hint_about_number(sequences, len(targets), input_name)
        raise ValueError(f"{error}{hint}") from None


def check_total_weight(sample_weight, name="sample_weight"):
    """Refuse weights whose sum is so large or small that it would overflow."""
    with np.errstate(over="ignore"):
        total = sample_weight.sum()
    if not 1e-30 < total < 1e30:
        raise ValueError(
            f"{name} sums up to {total:g}. Multiply it by a constant, so that its sum "
            "is nearer to 1."
        )


def scale_of(mean, var, n_steps):
    """What to divide features by: their standard deviation, 1 if they are constant.

    As in `StandardScaler`, a spread that can come from rounding counts as 0.

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


def center_and_scale(moments, least=0.0):
    """Return what to subtract from features, and what to divide them by.

    They are 0 and 1 for a feature of which nothing is known.

    Parameters
    ----------
    moments : tuple of ndarray of shape (n_features,)
        The weight, the mean and the variance of each feature.
    least : float, default=0.0
        A weight counts at least so many steps where rounding is judged.
    """
    seen, mean, var = moments
    scale = scale_of(mean, var, np.maximum(seen, least))
    return np.where(seen > 0, mean, 0.0), np.where(seen > 0, scale, 1.0)


def check_sequences(
    X,
    *,
    estimator=None,
    reset=True,
    missing="error",
    input_name="X",
    categorical_features=None,
    measure=False,
):
    """Check what a user hands in as sequences.

    Parameters
    ----------
    X : sequences in any accepted form
        A list (or tuple, object array, pandas Series, polars List column) of arrays
        (n_steps, n_features) or, univariate, (n_steps,); a DataFrame or object array
        with one column of these; an array (n_seqs, n_steps, n_features) or,
        univariate, (n_seqs, n_steps); nested lists of numbers; a list with a DataFrame
        for each sequence, whose columns name the features.
    estimator : estimator or None
        Its `n_features_in_` and `feature_names_in_` are set or compared, its name is
        used in messages.
    reset : bool
        Whether to set these attributes, as in `fit`, or to compare with them.
    missing : {"error", "indicator"}
        Whether NaN is refused or stays.
    input_name : str
        What messages call `X`.
    categorical_features : None, "from_dtype", callable, str, int or list of these
        Which features hold tokens: names, numbers, a mask, or a function that gives
        these for the first sequence. None is that all hold numbers. "from_dtype" are
        those that hold strings, and the columns of DataFrames of a dtype of
        categories, strings or bools. A string is the sequence of its characters.
    measure : bool
        Whether the pass that looks for NaN makes the sums of moments, too.

    Returns
    -------
    sequences : Sequences
        If it has tokens, learn their categories by `Categories.learn`, and give them
        ids by `Categories.encode`.
    """
    if isinstance(X, Sequences):
        # Checked before: of no form, and without names to compare.
        if estimator is not None:
            _check_features(estimator, X, False, _example(X), reset, input_name)
        return X
    X = list(X) if isinstance(X, JoinedSequences) else column_of_sequences(X)
    from_dtype = isinstance(categorical_features, str) and (
        categorical_features == "from_dtype"
    )
    if (from_dtype or _selects_none(categorical_features)) and is_lazy(X):
        opened = open_lazy(X, f"{input_name}[{{}}]", _native if measure else None)
    else:
        opened = _open(X, estimator, reset, input_name, categorical_features)
    sequences = _sequences_of(opened, missing, input_name)
    if measure and sequences._sums is None:
        sequences.measure()
    sequences.check_finite(missing == "indicator", estimator, input_name)
    if reset and getattr(estimator, "missing", None) == "indicator":
        sequences.warn_of_padding(input_name)
    wide, example = opened.wide, opened.example
    if wide and not reset and isinstance(X, list | tuple):
        wide, example = False, None  # nested lists, which may be of any length
    if estimator is not None:
        if example is None:
            example = _example(sequences)
        _check_features(estimator, sequences, wide, example, reset, input_name)
        if not reset:
            _check_names(estimator, sequences, wide, example)
    return sequences


def _selects_none(selected):
    """Whether it is said that no feature holds tokens."""
    return selected is None or (isinstance(selected, list | tuple) and not selected)


def _open(X, estimator, reset, input_name, selected):
    """Open sequences, of which some features may be categorical."""
    # Compared with the columns at fit, a DataFrame needs no guess what it is.
    fitted_wide = not reset and getattr(estimator, "_columns_are_steps", False)
    if _selects_none(selected):
        return open_sequences(X, estimator, input_name, fitted_wide)
    return open_steps(X, estimator, input_name, fitted_wide, selected)


def _sequences_of(opened, missing, input_name):
    """The `Sequences` of what was opened."""
    tokens = n_features = None
    if isinstance(opened, OpenedSteps):
        tokens, n_features = opened.tokens, opened.n_features
        if missing == "error":
            tokens.check_known(input_name)
    sequences = Sequences(opened.table, opened.name, opened.columns, tokens, n_features)
    sequences._sums = getattr(opened.table, "sums", None)
    return sequences


def _example(sequences):
    """An array with as many columns as sequences have features."""
    if sequences.tokens is None:
        return sequences[0]
    return np.zeros((1, sequences.n_features))


def _check_features(estimator, sequences, wide, example, reset, input_name):
    """Set the number of features and their names, or compare the number.

    If X is 2-D, `n_features_in_` counts the columns, which are steps. So the estimator
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
            if wide or (sequences.lengths == expected).all():
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
        wide, example = False, _example(sequences)
    named = hasattr(example, "columns") or hasattr(estimator, "feature_names_in_")
    if named or (wide and example.shape[1] != estimator.n_features_in_):
        validate_data(estimator, example, reset=False, skip_check_array=True)
