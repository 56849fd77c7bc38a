"""Estimators that answer each step of a sequence."""

import re
import warnings
from contextlib import contextmanager

import numpy as np
from sklearn.exceptions import DataConversionWarning

from skrnn.estimators._base import SequenceEstimator
from skrnn.estimators._samples import check_sample_weight
from skrnn.inputs.containers import open_container, refuse_sparse
from skrnn.inputs.sequences import check_number_of
from skrnn.models.checks import boolean
from skrnn.targets.steps import is_table, labels_of_steps
from skrnn.training import StepData


class StepEstimator(SequenceEstimator):
    """Base of `SequenceTagger` and `StepRegressor`.

    `X` and `y` are lists with an item for each sequence, or one table whose rows are
    the steps of one sequence. The first call of `fit` decides, by `y`.
    """

    _parameter_constraints = {
        name: constraint
        for name, constraint in SequenceEstimator._parameter_constraints.items()
        if name != "pooling"
    }
    _fields = {**SequenceEstimator._fields, "_is_table": boolean}

    _fixed_structure = {"pooling": "none"}

    # Tables ----------------------------------------------------------------------

    def _as_sequences(self, X, y, sample_weight, reset):
        if y is None:
            return X, y, sample_weight
        X, y = _opened(X, "X"), _as_targets(_opened(y, "y"), X)
        table = is_table(y)
        known = vars(self).get("_learns_table")
        if known is None and not reset:
            known = self._model.target.table
        if not reset:
            self._check_form(table, known)
        else:
            self._learns_table = table
        if not table:
            return X, y, sample_weight
        _check_table(X, self._counterpart)
        if hasattr(X, "__len__") and len(X) != len(y):
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"{[len(X), len(y)]}"
            )
        if sample_weight is not None and not np.isscalar(sample_weight):
            sample_weight = [_opened(sample_weight, "sample_weight")]
        return [X], [y], sample_weight

    def _check_form(self, table, known):
        if table != known:
            known = "one table" if known else "sequences"
            raise ValueError(
                f"{type(self).__name__} was fitted to {known}; `X` and `y` must have "
                "that form in all calls."
            )

    def _check_sequences(self, X):
        self._check_is_fitted()
        if not self._model.target.table:
            return super()._check_sequences(X)
        X = _opened(X, "X")
        _check_table(X)
        with _renaming(True):
            return super()._check_sequences([X])

    def _hold_out(self, samples, given, target, seed):
        with _renaming(target.table, "_val"):
            return super()._hold_out(samples, given, target, seed)

    # Fitting -----------------------------------------------------------------------

    def _fit(self, X, y, *args, **kwargs):
        try:
            with _renaming(y is not None and is_table(_opened(y, "y"))):
                return super()._fit(X, y, *args, **kwargs)
        finally:
            vars(self).pop("_learns_table", None)

    def _check_lengths(self, y, sequences):
        lengths = sequences.lengths
        for i, (item, n_steps) in enumerate(zip(y, lengths, strict=True)):
            if len(item) != n_steps:
                hint = ""
                if len(y) > 1 and all(len(item) == 1 for item in y):
                    other = self._counterpart
                    hint = f" If these are targets of whole sequences, use {other}."
                raise ValueError(
                    f"y[{i}] has {len(item)} targets, and {sequences.name(i)} has "
                    f"{n_steps} steps. Each step needs one target; None or NaN is for "
                    f"a step without one.{hint}"
                )

    def _check_weight(self, sample_weight, sequences, name):
        if sample_weight is None or np.isscalar(sample_weight):
            return super()._check_weight(sample_weight, sequences, name)
        if not any(hasattr(item, "__len__") for item in sample_weight):
            return super()._check_weight(sample_weight, sequences, name)
        weights = labels_of_steps(sample_weight, name, "weights")
        check_number_of(weights, sequences, "X")
        for i, (item, n_steps) in enumerate(
            zip(weights, sequences.lengths.tolist(), strict=True)
        ):
            weights[i] = check_sample_weight(
                item.astype(np.float64), n_steps, f"{name}[{i}]", some=False
            )
        if not any(item.any() for item in weights):
            raise ValueError(f"{name} must contain at least one non-zero number.")
        return weights

    def _data(self, sequences, encoder, y, weight):
        return StepData(sequences, encoder, y, weight)

    # Prediction --------------------------------------------------------------------

    def _each_step(self, X, answer):
        """Return what `answer(raw, batch)` says of the rows, for each sequence."""
        sequences = self._check_sequences(X)
        model = self._model
        found = np.empty(len(sequences), dtype=object)
        for raw, batch, rows in model.run(sequences, "forward", self._n_threads()):
            values = answer(raw, batch, rows)
            for b, row in enumerate(rows):
                found[row] = values[batch.offset[: batch.lengths[b]] + b]
        return found[0] if model.target.table else found

    def _output(self, X, method):
        self._check_is_fitted()
        function = self._model.target.outputs()[method]
        return self._each_step(X, lambda raw, batch, rows: function(raw))

    def _targets_of(self, X, y):
        """Return sequences and checked targets to judge predictions by."""
        self._check_is_fitted()
        X, y, _ = self._as_sequences(X, y, None, False)
        with _renaming(self._model.target.table):
            sequences = super()._check_sequences(X)
            checked = self._target_kind.check(y)
            check_number_of(checked, sequences, "X")
            self._check_lengths(checked, sequences)
        return sequences, checked

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _check_table(X, counterpart=None):
    """Refuse anything but a table; `counterpart` learns targets of whole sequences."""
    if open_container(X, "X").kind == "sparse":
        refuse_sparse("X")
    if isinstance(X, str | bytes):
        raise ValueError(
            "X is one string. A list of texts, or of token lists, is expected, and y "
            "is a list with the labels of each."
        )
    try:
        n_dims = X.ndim if hasattr(X, "ndim") else np.ndim(X)
    except ValueError:  # items of several shapes
        n_dims = 1
    if n_dims != 2 and counterpart is not None and _holds_arrays(X):
        raise ValueError(
            "y has one target for each sequence of X. For sequences, y is a list with "
            "the targets of all steps of each, as many as it has steps. For one target "
            f"of a whole sequence, use {counterpart}."
        )
    if counterpart is not None:
        _refuse_tokens(X, counterpart)
    if n_dims != 2:
        raise ValueError(
            "Expected 2D array: y has one target for each row, so X must be a table "
            "with a row for each step. For sequences, y is a list with the targets of "
            "each sequence. Reshape your data."
        )


def _refuse_tokens(X, counterpart):
    """Refuse lists of tokens and texts: they may be sequences or rows of a table."""
    first = next(iter(X), None) if isinstance(X, list | tuple) else None
    if isinstance(first, str):
        raise ValueError(
            "X is a list of strings, and y has one target for each of them. If each "
            "string is a text, which is a sequence of characters, then y is a list "
            "with the targets of all characters of each. For one target of a whole "
            f"text, use {counterpart}. If the strings are the tokens of one sequence, "
            "pass the lists [X] and [y]."
        )
    if isinstance(first, list | tuple) and any(isinstance(v, str) for v in first):
        raise ValueError(
            "X is a list of token lists, and y has one target for each of them. For "
            "sequences, y is a list with the targets of all steps of each, as many as "
            f"it has steps. For one target of a whole sequence, use {counterpart}. If "
            "X is one table with a row for each step, pass a DataFrame or a NumPy "
            "array of objects."
        )


def _holds_arrays(X):
    """Whether the items of X are arrays or lists, and not numbers."""
    first = next(iter(X), None) if hasattr(X, "__iter__") else None
    return np.ndim(first) > 0


@contextmanager
def _renaming(table, suffix=""):
    """Let errors speak of the table or of `y_val` where they are what was given."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        if suffix:
            message = re.sub(r"\by(?=\[|\.iloc\[| has )", f"y{suffix}", message)
        if table:
            # The table is the only sequence.
            message = re.sub(r"\b(X|y|sample_weight)(_val)?\[0\]", r"\1\2", message)
        if message == str(error):
            raise
        raise type(error)(message) from error


def _opened(given, name):
    """Return what is only known to be array-like as an array, all else as it is."""
    if given is None or np.isscalar(given):
        return given
    return open_container(given, name).given


def _as_targets(y, X):
    """Return a column of targets (n_rows, 1), beside a table, as (n_rows,)."""
    is_column = isinstance(y, np.ndarray) and y.ndim == 2 and y.shape[1] == 1
    shape = getattr(X, "shape", ())
    if not is_column or len(shape) != 2 or shape[1] == 1:
        return y
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the "
        "shape of y to (n_samples,), for example using ravel().",
        DataConversionWarning,
        stacklevel=2,
    )
    return y.ravel()
