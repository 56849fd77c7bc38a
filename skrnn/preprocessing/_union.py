"""SequenceUnion: the channels that several transformers make, side by side."""

from collections import Counter

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import FeatureUnion, make_union
from sklearn.utils import get_tags

from skrnn._stamp import Stamped
from skrnn.inputs.containers import open_container
from skrnn.inputs.frames import as_numbers
from skrnn.preprocessing._base import SequenceTransformerMixin

__all__ = ["SequenceUnion", "make_sequence_union"]


class _Unchanged(SequenceTransformerMixin, BaseEstimator):
    """What "passthrough" stands for. FunctionTransformer would make a table."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X

    def get_feature_names_out(self, input_features=None):
        return np.asarray(input_features, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class SequenceUnion(Stamped, SequenceTransformerMixin, FeatureUnion):
    """Put the channels that several transformers make of sequences side by side.

    What :class:`~sklearn.pipeline.FeatureUnion` is for tables: each transformer gets
    the same sequences, and a step has the channels of all. FeatureUnion itself appends
    sequences of one length to each other in time, and fails where lengths differ.

    Parameters
    ----------
    transformer_list : list of (str, transformer) tuples
        Names and transformers. A transformer keeps the number of sequences, and the
        steps of each. It can be "drop", which leaves it out, or "passthrough" for the
        sequences as they are.
    n_jobs : int, default=None
        How many transformers are computed at once, by processes of joblib.
    transformer_weights : dict, default=None
        What the channels of a transformer are multiplied by, by its name.
    verbose : bool, default=False
        Whether to print the time that fitting each transformer takes.
    verbose_feature_names_out : bool, default=True
        Whether the names of columns begin with the name of their transformer:
        ``"scale__pulse"``. With False, they must differ. Only where all transformers
        give a DataFrame for each sequence.

    Attributes
    ----------
    named_transformers : Bunch
        The transformers by name.
    n_features_in_ : int
        Features per step of what the first transformer was given.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names. Only if it was given DataFrames with string columns.

    See Also
    --------
    make_sequence_union : The same without names.
    sklearn.pipeline.FeatureUnion : The same for tables.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skrnn.preprocessing import SequenceUnion
    >>> def changes(X):
    ...     return [np.diff(x, axis=0, prepend=x[:1]) for x in X]
    >>> union = SequenceUnion(
    ...     [("values", "passthrough"), ("changes", FunctionTransformer(changes))]
    ... )
    >>> union.fit_transform([np.array([[1.0], [4.0], [9.0]]), np.array([[2.0]])])
    [array([[1., 0.],
           [4., 3.],
           [9., 5.]]), array([[2., 0.]])]
    """

    __module__ = "skrnn.preprocessing"

    def fit(self, X, y=None, **fit_params):
        """Fit all transformers.

        Parameters
        ----------
        X : sequences
            What the transformers take.
        y : array-like of shape (n_seqs,), default=None
            The targets.
        **fit_params : dict
            Arguments for `fit` of each transformer. With metadata routing enabled, only
            transformers that request them get them.

        Returns
        -------
        self : SequenceUnion
            The fitted union.
        """
        self._check_not_empty()
        return super().fit(X, y, **fit_params)

    def transform(self, X, **params):
        """Transform sequences by each transformer, and put the channels side by side.

        Parameters
        ----------
        X : sequences
            What the transformers take.
        **params : dict
            What is routed to their `transform`, if metadata routing is enabled.

        Returns
        -------
        sequences : list of ndarray of shape (n_steps, n_channels) or of DataFrame, \
                or ndarray of shape (n_seqs, n_steps, n_channels)
            An array if all transformers return one of numbers. DataFrames if all
            return one for each sequence.
        """
        self._check_not_empty()
        return super().transform(X, **params)

    def fit_transform(self, X, y=None, **params):
        """Fit all transformers, and transform the sequences that they are fitted to.

        Parameters
        ----------
        X : sequences
            What the transformers take.
        y : array-like of shape (n_seqs,), default=None
            The targets.
        **params : dict
            Arguments for `fit` of each transformer. With metadata routing enabled, only
            transformers that request them get them.

        Returns
        -------
        sequences : list or ndarray
            As `transform` returns them.
        """
        self._check_not_empty()
        return super().fit_transform(X, y, **params)

    def _check_not_empty(self):
        if not any(True for _ in self._iter()):
            raise ValueError(
                "There is no transformer left, so that steps would have no channel. "
                "Give one that is not 'drop'."
            )

    def set_output(self, *, transform=None):
        """Accept a container of output, and change nothing.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : SequenceUnion
            The union, as it was.
        """
        return self

    # Called by FeatureUnion ------------------------------------------------------

    def _iter(self):
        """Yield names, transformers and no weights: `_hstack` weighs the channels."""
        for name, transformer in self.transformer_list:
            if isinstance(transformer, str) and transformer == "drop":
                continue
            if isinstance(transformer, str) and transformer == "passthrough":
                transformer = _Unchanged()
            yield name, transformer, None

    def _hstack(self, Xs):
        names = [name for name, _, _ in self._iter()]
        weights = [(self.transformer_weights or {}).get(name) for name in names]
        given = [open_container(_as_read(X), "X") for X in Xs]
        if all(map(_is_block, given)):
            return _join_blocks(
                names, weights, [container.given for container in given]
            )
        for container, name in zip(given, names, strict=True):
            if container.kind not in ("items", "array", "column"):
                raise ValueError(
                    f"Transformer {name!r} returned a "
                    f"{type(container.given).__name__}. Sequences are expected, such "
                    "as a list of arrays (n_steps, n_channels)."
                )
        given = [container.to_list() for container in given]
        _check_numbers(names, given)
        rows = zip(*given, strict=True)
        if all(_is_frame(item) for items in given for item in items):
            columns = self._names_of_columns(names, [items[0] for items in given])
            return [
                _join_frames(i, names, weights, row, columns)
                for i, row in enumerate(rows)
            ]
        return [_join_steps(names, weights, i, row) for i, row in enumerate(rows)]

    def _names_of_columns(self, names, frames):
        columns = [
            f"{name}__{column}" if self.verbose_feature_names_out else column
            for name, frame in zip(names, frames, strict=True)
            for column in frame.columns
        ]
        twice = sorted(name for name, n in Counter(columns).items() if n > 1)
        if twice:
            raise ValueError(
                f"Output feature names: {twice} are not unique. Please set "
                "verbose_feature_names_out=True to add prefixes to feature names"
            )
        return columns

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = all(
            get_tags(transformer).input_tags.allow_nan
            for _, transformer in self.transformer_list
            if not isinstance(transformer, str)
        )
        return tags


def make_sequence_union(
    *transformers, n_jobs=None, verbose=False, verbose_feature_names_out=True
):
    """Make a SequenceUnion of transformers, named by their types.

    Parameters
    ----------
    *transformers : transformers
        What gets the sequences.
    n_jobs : int, default=None
        How many transformers are computed at once, by processes of joblib.
    verbose : bool, default=False
        Whether to print the time that fitting each transformer takes.
    verbose_feature_names_out : bool, default=True
        Whether the names of columns begin with the name of their transformer.

    Returns
    -------
    union : SequenceUnion
        The union, whose transformers are not fitted yet.

    See Also
    --------
    SequenceUnion : The same with names that are given.

    Examples
    --------
    >>> from skrnn.preprocessing import SequenceScaler, make_sequence_union
    >>> make_sequence_union(SequenceScaler(), "passthrough").transformer_list
    [('sequencescaler', SequenceScaler()), ('passthrough', 'passthrough')]
    """
    return SequenceUnion(
        make_union(*transformers).transformer_list,
        n_jobs=n_jobs,
        verbose=verbose,
        verbose_feature_names_out=verbose_feature_names_out,
    )


def _as_read(X):
    """Nested lists of one length are an array, as for the estimators."""
    if isinstance(X, list | tuple) and all(isinstance(x, list | tuple) for x in X):
        try:
            block = np.asarray(X)
        except ValueError:  # of several lengths
            return X
        return block if block.dtype.kind in "biuf" else X
    return X


def _is_block(container):
    """Whether something is one array of numbers of all sequences."""
    X = container.given
    return container.kind == "array" and X.ndim in (2, 3) and X.dtype.kind in "biuf"


def _is_frame(item):
    return hasattr(item, "columns")


def _join_blocks(names, weights, blocks):
    """Join arrays (n_seqs, n_steps, n_channels), or without the last if it is one."""
    _check_numbers(names, blocks)
    blocks = [block if block.ndim == 3 else block[:, :, np.newaxis] for block in blocks]
    for block, name in zip(blocks, names, strict=True):
        _check_steps(names[0], name, 0, blocks[0].shape[1], block.shape[1])
    return np.concatenate(_weighted(blocks, weights, names), axis=2)


def _join_frames(i, names, weights, frames, columns):
    """Join the DataFrames of one sequence, of which the first says the type."""
    data = []
    for frame, name, weight in zip(frames, names, weights, strict=True):
        _check_steps(names[0], name, i, len(frames[0]), len(frame))
        values = [frame[column].to_numpy() for column in frame.columns]
        n = len(values)
        data += _weighted(values, [weight] * n, [name] * n)
    data = dict(zip(columns, data, strict=True))
    first = frames[0]
    if hasattr(first, "index"):
        return type(first)(data, index=first.index)
    return type(first)(data)


def _channels(item, where):
    """One sequence as an array (n_steps, n_channels) of numbers or of objects."""
    if not isinstance(item, np.ndarray):
        item = _as_array(item, where)
    if item.dtype.kind in "UST":
        item = item.astype(object)
    if item.ndim not in (1, 2):
        raise ValueError(
            f"{where} has the shape {item.shape}, expected (n_steps, n_channels) or "
            "(n_steps,)."
        )
    return item if item.ndim == 2 else item[:, np.newaxis]


def _as_array(item, where):
    values = item.to_numpy() if hasattr(item, "to_numpy") else np.asarray(item, object)
    strings = values.dtype.kind in "UST" or (
        values.dtype == object and any(isinstance(v, str) for v in values.flat)
    )
    return values if strings else as_numbers(item, where)


def _join_steps(names, weights, i, row):
    """Join the arrays of one sequence."""
    arrays = [_channels(x, f"{name}[{i}]") for name, x in zip(names, row, strict=True)]
    for name, array in zip(names, arrays, strict=True):
        _check_steps(names[0], name, i, len(arrays[0]), len(array))
    return np.concatenate(_weighted(arrays, weights, names), axis=1)


def _weighted(arrays, weights, names):
    """Multiply the arrays that have a weight."""
    results = []
    for array, weight, name in zip(arrays, weights, names, strict=True):
        if weight is not None and array.dtype.kind == "O":
            raise ValueError(
                f"Transformer {name!r} has the weight {weight}, but it returns tokens. "
                "Leave it out of transformer_weights."
            )
        results.append(array if weight is None else array * weight)
    return results


def _check_numbers(names, given):
    for name, items in zip(names, given, strict=True):
        if len(items) != len(given[0]):
            raise ValueError(
                f"Transformer {names[0]!r} returned {len(given[0])} sequences, but "
                f"{name!r} returned {len(items)}. Give transformers that keep all."
            )


def _check_steps(first, name, i, expected, n_steps):
    if n_steps != expected:
        raise ValueError(
            f"X[{i}] has {expected} steps after transformer {first!r}, but {n_steps} "
            f"after {name!r}. Give transformers that keep all steps."
        )
