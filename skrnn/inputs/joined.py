"""Sequences of numbers in one array or one file, so that they travel as one."""

import operator
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["JoinedSequences"]


class JoinedSequences(Sequence):
    """Ragged sequences that travel to other processes as one array, or a file name.

    joblib's backend for dask sends a plain list with each task of a search: twelve
    fits, twelve copies. An object of this class is sent once to each worker. With
    processes of one machine, joblib maps its array into their memory. It is accepted
    wherever a list of arrays is, with the same bits.

    Parameters
    ----------
    X : list of ndarrays of shape (n_steps_i, n_features) or (n_steps_i,)
        The sequences. They are copied once. Their common dtype is that of NumPy.
    file : str, Path or None, default=None
        Where to write the numbers, in NumPy's format. Then pickles hold the name of the
        file alone, and each process maps the file into its memory. All processes must
        reach it under this name, and it must stay as it is.

    Attributes
    ----------
    values : ndarray of shape (n_steps, n_features) or (n_steps,)
        The sequences, one below the other.
    start : ndarray of shape (n_seqs + 1,), intp
        The first step of each, and the number of all steps.

    Raises
    ------
    TypeError
        If `X` holds something else than arrays or lists of numbers.
    ValueError
        If the sequences have different numbers of features.

    See Also
    --------
    fit_shards : One model of data in shards.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.distributed import JoinedSequences
    >>> X = [np.zeros((3, 2)), np.ones((5, 2)), np.zeros((2, 2)), np.ones((4, 2))]
    >>> joined = JoinedSequences(X)
    >>> len(joined), joined[1].shape
    (4, (5, 2))
    >>> model = RNNClassifier(4, max_iter=5, random_state=0).fit(joined, [0, 1, 0, 1])
    """

    __module__ = "skrnn.distributed"  # so that pickles do not know of private modules

    def __init__(self, X, file=None):
        if not hasattr(X, "__iter__"):
            raise TypeError(f"X is {X!r}. A list of sequences is expected.")
        arrays = [_as_numbers(x, i) for i, x in enumerate(X)]
        for i, array in enumerate(arrays):
            if array.shape[1:] != arrays[0].shape[1:]:
                raise ValueError(
                    f"X[{i}] has the shape {array.shape}, and X[0] has "
                    f"{arrays[0].shape}. All sequences need the same features."
                )
        lengths = [len(array) for array in arrays]
        self.start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
        self.values = np.concatenate(arrays) if arrays else np.zeros(0)
        self._file = None
        if file is not None:
            self._file = str(Path(file).resolve())
            with open(self._file, "wb") as opened:
                np.save(opened, self.values)
            self._map()

    def _map(self):
        # A plain array: views of a memmap are slower to make.
        self.values = np.asarray(np.load(self._file, mmap_mode="r"))

    def __len__(self):
        return len(self.start) - 1

    def __getitem__(self, i):
        """Return sequence `i`, a view; a list of views for a slice."""
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        place = operator.index(i)
        if not -len(self) <= place < len(self):
            raise IndexError(f"sequence {place} of {len(self)}")
        place %= len(self)
        return self.values[self.start[place] : self.start[place + 1]]

    def __sizeof__(self):
        # dask asks for it: what is small goes with each task.
        return super().__sizeof__() + self.start.nbytes + self.values.nbytes

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._file is not None:
            del state["values"]
        return state

    def __setstate__(self, state):
        self.__dict__.update(state)
        if self._file is not None:
            self._map()

    def __repr__(self):
        where = "" if self._file is None else f", file={self._file!r}"
        n_seqs, n_steps = len(self), self.start[-1]
        return f"<JoinedSequences: {n_seqs} sequences, {n_steps} steps{where}>"


def _as_numbers(x, i):
    """Return one sequence as an array of real numbers."""
    array = np.asarray(x)
    if array.ndim not in (1, 2) or array.dtype.kind not in "biuf":
        raise TypeError(
            f"X[{i}] is no sequence of numbers (n_steps, n_features) or (n_steps,): it "
            f"has the shape {array.shape} and the dtype {array.dtype}."
        )
    return array
