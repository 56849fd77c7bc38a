"""Labels of sequences that are read one step at a time."""

from collections.abc import Mapping
from copy import copy

import numpy as np

from skrnn.models.copies import CopiedStream

__all__ = ["TranscriptStream"]


class TranscriptStream(CopiedStream):
    """A reader of sequences that tells labels as soon as they are certain.

    The method `stream` of a :class:`~skrnn.SequenceTranscriber` makes it. At any time
    `labels` is what `predict` gives for the steps so far, however these were cut into
    calls. The cost of a step does not grow with the number of steps before it.

    Parameters
    ----------
    symbols : Stream
        Gives the most probable symbol of the newest segment, 0 for the blank: an int,
        or with several sequences an array (n_seqs,).
    segment_length : int
        Steps of a segment.
    target : LabelSequenceTarget

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceTranscriber
    >>> rng = np.random.default_rng(0)
    >>> shapes = {"a": [1, 2, 1, 0], "b": [-1, -1, 0]}
    >>> y = ["".join(rng.choice(list("ab"), n)) for n in rng.integers(1, 6, size=80)]
    >>> X = [np.concatenate([shapes[k] for k in text]) for text in y]
    >>> model = SequenceTranscriber(
    ...     16, bidirectional=False, max_iter=30, random_state=0
    ... )
    >>> stream = model.fit(X, y).stream()
    >>> for value in [1, 2, 1, 0, -1, -1, 0]:
    ...     new = stream.step([value])
    >>> stream.labels
    'ab'
    """

    def __init__(self, symbols, segment_length, target):
        self._symbols, self._k, self._target = symbols, segment_length, target
        n_seqs = len(symbols._steps.n_steps)
        self._codes = [[] for _ in range(n_seqs)]
        self._last = [0] * n_seqs  # symbol of the last full segment
        self._newest = [0] * n_seqs  # and of the one that is not full yet

    def step(self, x):
        """Read one more step of each sequence.

        Parameters
        ----------
        x : array-like of shape (n_seqs, n_features), or (n_features,) of one sequence
            The step. Of one sequence several steps may be given at once, (n_steps,
            n_features). If any is refused, the stream does not change.

        Returns
        -------
        labels : list of labels, or with ``n_seqs > 1`` a list of them per sequence
            The labels that have become certain: those of segments that are full.
        """
        n_seqs = len(self._codes)
        several = n_seqs == 1 and np.ndim(x) == 2 and len(x) > 1
        if not several:
            found = self._one_step(x)
        else:
            before, found = self.state, [[]]
            try:
                for t in range(len(x)):
                    found[0] += self._one_step(x[t : t + 1])[0]
            except BaseException:
                self.state = before
                raise
        labels = [[self._target.labels[code - 1] for code in own] for own in found]
        return labels[0] if n_seqs == 1 else labels

    def _one_step(self, x):
        """Return the codes that have become certain, a list for each sequence."""
        symbols = self._symbols.step(x)
        symbols = [symbols] if len(self._codes) == 1 else symbols.tolist()
        filled = [0] * len(symbols)  # steps of a segment that is not full
        if self._k > 1:
            filled = (self._symbols._steps.n_steps % self._k).tolist()
        found = []
        for b, symbol in enumerate(symbols):
            new = []
            if filled[b]:
                self._newest[b] = symbol
            else:
                if symbol not in (0, self._last[b]):
                    new = [symbol]
                    self._codes[b].append(symbol)
                self._last[b], self._newest[b] = symbol, 0
            found.append(new)
        return found

    @property
    def labels(self):
        """What `predict` gives for the steps so far; per sequence if n_seqs > 1.

        The label of a segment that is not full yet may still change, and counts.
        """
        codes = [
            [*own, new] if new not in (0, last) else own
            for own, new, last in zip(
                self._codes, self._newest, self._last, strict=True
            )
        ]
        found = self._target.decode(codes)
        return found[0] if len(codes) == 1 else found

    def reset(self, rows=None):
        """Begin new sequences, all of them or some.

        Parameters
        ----------
        rows : int, array-like of int or mask of shape (n_seqs,), default=None
            The sequences that begin anew, as places from 0 to ``n_seqs - 1``. The other
            sequences continue. None means all of them.

        Returns
        -------
        self : TranscriptStream
        """
        self._symbols.reset(rows)
        places = np.arange(len(self._codes))
        for b in np.atleast_1d(places if rows is None else places[rows]):
            self._codes[b] = []
            self._last[b] = self._newest[b] = 0
        return self

    @property
    def state(self):
        """The state after the steps so far, as a dict of new arrays.

        Assign it to this or another stream of the same model, with the same `n_seqs`,
        to continue from there. It can be pickled, or saved by :func:`numpy.savez`.
        """
        return {
            **self._symbols.state,
            "last": np.array(self._last, dtype=np.intp),
            "newest": np.array(self._newest, dtype=np.intp),
            "n_labels": np.array([len(own) for own in self._codes], dtype=np.intp),
            "labels": np.array([k for own in self._codes for k in own], dtype=np.intp),
        }

    @state.setter
    def state(self, state):
        names = "last", "newest", "n_labels", "labels"
        state = dict(state) if isinstance(state, Mapping) else state
        if not isinstance(state, dict) or any(name not in state for name in names):
            raise ValueError(
                "The state is not one of a stream of a SequenceTranscriber."
            )
        own = [np.array(state.pop(name)) for name in names]
        n_seqs, n_labels = len(self._codes), own[2]
        shapes = [n_seqs, n_seqs, n_seqs, int(n_labels.sum())]
        if any(array.dtype.kind != "i" for array in own) or (
            [array.shape for array in own] != [(n,) for n in shapes]
        ):
            raise ValueError(f"The state is not one of {n_seqs} sequences.")
        low, high = (0, 0, 0, 1), len(self._target.labels)
        for k in (0, 1, 3):
            if len(own[k]) and not low[k] <= own[k].min() <= own[k].max() <= high:
                raise ValueError("The state has labels that the model has not.")
        self._symbols.state = state
        self._last, self._newest = own[0].tolist(), own[1].tolist()
        ends = np.cumsum(n_labels).tolist()
        starts = [0, *ends]
        self._codes = [own[3][a:b].tolist() for a, b in zip(starts, ends, strict=False)]

    def transformed(self, transforms, names, model):
        """Return a new stream whose steps go through transforms first."""
        symbols = self._symbols.transformed(transforms, names, model)
        return TranscriptStream(symbols, self._k, self._target)

    def __copy__(self):
        other = TranscriptStream(copy(self._symbols), self._k, self._target)
        other._codes = [own.copy() for own in self._codes]
        other._last, other._newest = self._last.copy(), self._newest.copy()
        return other
