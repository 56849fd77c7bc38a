"""SequenceColumns: a table with sequences in it as sequences."""

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from skrnn._stamp import Stamped
from skrnn.inputs.containers import holds_sequences, is_missing, open_container
from skrnn.inputs.frames import as_numbers
from skrnn.inputs.sequences import check_sequences
from skrnn.preprocessing._base import SequenceTransformerMixin

__all__ = ["SequenceColumns"]


class SequenceColumns(Stamped, SequenceTransformerMixin, BaseEstimator):
    """Make sequences of a table with a column of sequences and columns of numbers.

    What is known of a whole sequence, such as the age of a patient beside a curve, is
    a column of its own in a table. An estimator reads it if it stands in each step:
    the steps of a sequence get a channel for each plain column, with the same value in
    all of them. From there the network can combine it with what happens in the steps.

    Plain columns hold numbers. A :class:`~sklearn.compose.ColumnTransformer` before
    this can encode categories; it passes the sequences through.

    Attributes
    ----------
    sequence_columns_ : ndarray of int
        Which columns hold sequences. If these are several, a row has as many steps in
        all of them, and their features stand side by side.
    n_channels_ : int
        Features per step of the sequences that come out: those of the sequences
        first, then the plain columns, in the order of the table.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Only if `fit` was given a DataFrame with string columns.

    See Also
    --------
    sklearn.compose.ColumnTransformer : Encode or scale some columns of a table.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skrnn.preprocessing import SequenceColumns
    >>> table = pd.DataFrame({"age": [31, 64], "pulse": [[70.0, 75.0, 72.0], [80.0]]})
    >>> SequenceColumns().fit_transform(table)
    [array([[70., 31.],
           [75., 31.],
           [72., 31.]]), array([[80., 64.]])]
    """

    __module__ = "skrnn.preprocessing"

    def fit(self, X, y=None):
        """Find out which columns hold sequences.

        Parameters
        ----------
        X : DataFrame or object array of shape (n_seqs, n_columns)
            A table with at least one column of sequences.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceColumns
            The fitted transformer.
        """
        self._fit(X)
        return self

    def fit_transform(self, X, y=None):
        """Find out which columns hold sequences, and join all.

        Parameters
        ----------
        X : DataFrame or object array of shape (n_seqs, n_columns)
            A table with at least one column of sequences.
        y : None
            Ignored.

        Returns
        -------
        sequences : list of ndarray of shape (n_steps, `n_channels_`)
            A sequence for each row of the table.
        """
        sequences, plain = self._fit(X)
        return _joined(sequences, plain)

    def transform(self, X):
        """Join the sequences in the rows of a table and its plain columns.

        Parameters
        ----------
        X : DataFrame or object array of shape (n_seqs, n_columns)
            A table with the columns of `fit`.

        Returns
        -------
        sequences : list of ndarray of shape (n_steps, `n_channels_`)
            A sequence for each row of the table.
        """
        check_is_fitted(self)
        columns = _columns_of(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        found = _find(columns)
        if found != self.sequence_columns_.tolist():
            odd = sorted(set(found) ^ set(self.sequence_columns_.tolist()))[0]
            was = "numbers" if odd in found else "sequences"
            raise ValueError(
                f"{columns[odd][0]} held {was} in fit. Give columns of the same kinds."
            )
        sequences, plain = _read(columns, found)
        n_channels = sum(s.n_features for s in sequences) + len(plain)
        if n_channels != self.n_channels_:
            raise ValueError(
                f"The sequences and plain columns of X make {n_channels} features, but "
                f"{type(self).__name__} is expecting {self.n_channels_} features."
            )
        return _joined(sequences, plain)

    def _fit(self, X):
        columns = _columns_of(X)
        found = _find(columns)
        if not found:
            raise ValueError(
                "X has no column of sequences. If its rows are sequences, the "
                "estimators take it as it is."
            )
        sequences, plain = _read(columns, found)
        validate_data(self, X, reset=True, skip_check_array=True)
        self.sequence_columns_ = np.array(found)
        self.n_channels_ = sum(s.n_features for s in sequences) + len(plain)
        return sequences, plain

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


def _columns_of(X):
    """Pairs of what messages call a column, and the column."""
    container = open_container(X, "X")
    X = container.given
    if container.kind == "array" and container.given.ndim == 2:
        table = container.given
        columns = [(f"X[:, {j}]", table[:, j]) for j in range(table.shape[1])]
    elif container.kind == "frame" and container.library == "pandas":
        columns = [(f"X[{name!r}]", X.iloc[:, j]) for j, name in enumerate(X.columns)]
    elif container.kind == "frame":
        columns = [(f"X[{column.name!r}]", column) for column in X]
    else:
        raise ValueError(
            f"X is a {type(X).__name__}. A DataFrame is expected, or an object array "
            "of 2 dimensions, with a row for each sequence."
        )
    if not len(X):
        raise ValueError(
            "Found array with 0 sample(s) while a minimum of 1 is required: X has no "
            "rows."
        )
    return columns


def _find(columns):
    return [j for j, (_, column) in enumerate(columns) if holds_sequences(column)]


def _read(columns, found):
    """The checked columns of sequences, and the plain ones as numbers."""
    sequences, plain = [], []
    for j, (name, column) in enumerate(columns):
        if j in found:
            checked = check_sequences(column, missing="indicator", input_name=name)
            sequences.append(checked)
            _check_lengths(sequences, [columns[found[0]][0], name])
        else:
            plain.append(_numbers(column, name))
    return sequences, plain


def _check_lengths(sequences, names):
    first, last = sequences[0].lengths, sequences[-1].lengths
    odd = np.flatnonzero(first != last)
    if odd.size:
        i = odd[0]
        raise ValueError(
            f"{names[0]} has {first[i]} steps in row {i}, but {names[1]} has {last[i]}."
            " Give as many in both, or choose one column of sequences."
        )


def _numbers(column, name):
    try:
        if isinstance(column, np.ndarray) and column.dtype == object:
            values = [np.nan if is_missing(value) else value for value in column]
            column = np.array(values, dtype=np.float64)
        values = as_numbers(column, name)
        if np.isinf(values).any():
            raise ValueError(f"{name} contains infinity.")
        return values
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{error}\n{name} does not hold finite numbers. Encode it before by a "
            "ColumnTransformer, such as one of OneHotEncoder(sparse_output=False), or "
            "leave it out."
        ) from error


def _joined(sequences, plain):
    lengths = sequences[0].lengths
    blocks = [
        np.concatenate([checked.numbers(i) for i in range(len(lengths))])
        for checked in sequences
    ]
    if plain:
        blocks.append(np.repeat(np.column_stack(plain), lengths, axis=0))
    whole = np.concatenate(blocks, axis=1)
    ends = np.cumsum(lengths).tolist()
    # Copies, so that one sequence does not keep the others in memory.
    return [
        whole[end - n : end].copy()
        for end, n in zip(ends, lengths.tolist(), strict=True)
    ]
