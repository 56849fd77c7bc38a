"""Texts as a language model reads them: side by side in lanes, piece by piece."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from skrnn.inputs.packed import PackedBatch, packed_places, packed_rows
from skrnn.network.carry import Carry
from skrnn.training.data import Data
from skrnn.training.options import TrainingOptions

__all__ = ["LaneData", "Texts"]


class Texts:
    """Texts as ids, one below the other, and what a network reads and predicts.

    A network reads `begin` and then the tokens; it predicts each token and then `end`.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,), dtype of unsigned or int32 integers
        The tokens of all texts.
    start : ndarray of shape (n_texts + 1,), intp
        The first token of each text, and the number of tokens.
    begin : int
    end : int or None
        None if the end of a text is not predicted.
    """

    def __init__(
        self, ids: np.ndarray, start: np.ndarray, begin: int, end: int | None
    ) -> None:
        self.ids, self.start = ids, start
        self.begin, self.end = begin, end
        self.n_tokens = np.diff(start)

    @property
    def lengths(self) -> np.ndarray:
        """How many predictions there are in each text."""
        return self.n_tokens + (self.end is not None)

    def __len__(self) -> int:
        return len(self.n_tokens)

    def take(self, rows: np.ndarray) -> "Texts":
        """Return some of the texts."""
        n_tokens = self.n_tokens[rows]
        start = np.concatenate([[0], np.cumsum(n_tokens)]).astype(np.intp)
        parts = [self.ids[self.start[i] : self.start[i + 1]] for i in rows]
        ids = np.concatenate(parts) if parts else self.ids[:0]
        return Texts(ids, start, self.begin, self.end)

    def read(self, text: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return what a network reads before prediction `at` of a text, int32."""
        place = np.maximum(self.start[text] + at - 1, 0)
        found = self.ids[place].astype(np.int32) if len(self.ids) else place * 0
        return np.where(at == 0, np.int32(self.begin), found).astype(np.int32)

    def predicted(self, text: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the token that prediction `at` of a text is about, intp."""
        last = max(len(self.ids) - 1, 0)
        place = np.minimum(self.start[text] + at, last)
        found = self.ids[place].astype(np.intp) if len(self.ids) else place * 0
        if self.end is None:
            return found
        return np.where(at == self.n_tokens[text], self.end, found)


class LaneData(Data):
    """Texts in lanes, of which each batch reads some steps.

    Each lane reads its texts one after another. A batch has the next `n_steps`
    predictions of each lane, cut where a text ends: the network reads these pieces side
    by side, and nothing is padded. A piece in the middle of a text starts from the
    state that the piece before it has left. Long texts are cut into as many parts as
    there are lanes; a later part starts from a zero state.

    Parameters
    ----------
    texts : Texts
    weight : ndarray of shape (n_texts,) or None
        A text of weight 0 is never read.
    n_lanes : int
    n_steps : int
        Predictions of a lane in one batch. The gradient is cut there.
    carried : bool, default=False
        Whether the texts are one stream: each starts from the last state of the one
        before, in the order given.
    split : bool, default=True
        Whether a long text is cut into parts for several lanes.
    hidden : ndarray of shape (n_ids,), dtype bool, or None, default=None
        Ids that an epoch reads as `unknown`, half of them.
    unknown : int or None, default=None

    Attributes
    ----------
    used : ndarray of int
        The texts that are read.
    """

    def __init__(
        self,
        texts: Texts,
        weight: np.ndarray | None,
        n_lanes: int,
        n_steps: int,
        carried: bool = False,
        split: bool = True,
        hidden: np.ndarray | None = None,
        unknown: int | None = None,
    ) -> None:
        self.texts, self.carried = texts, carried
        self.weight = np.ones(len(texts)) if weight is None else weight
        self.n_lanes, self.n_steps, self._split = n_lanes, n_steps, split
        self._hidden, self._unknown = hidden, unknown
        self.used = np.flatnonzero((self.weight > 0) & (texts.lengths > 0))
        if not len(self.used):
            raise ValueError("No text has a positive sample weight.")
        lengths = texts.lengths[self.used]
        total = float((lengths * self.weight[self.used]).sum())
        n_windows = -(-int(lengths.sum()) // (n_lanes * n_steps))
        self.mean_weight = total / n_windows
        self.ordinary_weight = float(lengths.sum()) / n_windows
        self._names: np.ndarray | None = None
        self._plan(self.used)

    @property
    def n_batches(self) -> int:
        """How many windows an epoch has: a few epochs read a long text often enough."""
        return self.n_windows

    # Planning ----------------------------------------------------------------------

    def _plan(self, order: np.ndarray) -> None:
        """Lay the texts into lanes, in an order, and cut the lanes into pieces."""
        lengths = self.texts.lengths[order]
        total = int(lengths.sum())
        most = max(-(-total // self.n_lanes), 1)
        n_parts = -(-lengths // most) if self._split else np.ones_like(lengths)
        text = np.repeat(order, n_parts)
        nth = np.arange(len(text)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
        first = nth * most
        size = np.repeat(lengths, n_parts) - first
        if self._split:
            size = np.minimum(size, most)
        middle = np.cumsum(size) - size / 2
        lane = np.minimum((middle / most).astype(np.intp), self.n_lanes - 1)
        begins = np.cumsum(size) - size
        opens = np.flatnonzero(np.diff(lane, prepend=-1))
        place = begins - np.repeat(begins[opens], np.diff(opens, append=len(lane)))

        # Pieces: parts cut at multiples of n_steps along the lane.
        window, n_steps = place // self.n_steps, self.n_steps
        n_pieces = (place + size - 1) // n_steps - window + 1
        part = np.repeat(np.arange(len(text)), n_pieces)
        nth = np.arange(len(part)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
        window = window[part] + nth
        start = np.maximum(window * n_steps, place[part])
        stop = np.minimum((window + 1) * n_steps, place[part] + size[part])
        last = stop == place[part] + size[part]
        fresh = nth == 0
        if self.carried:
            is_first = np.zeros(len(text), dtype=bool)
            is_first[opens] = True
            fresh &= is_first[part]
            last[:] = False
        order = np.lexsort((-(stop - start), window))
        self._window_starts = np.searchsorted(
            window[order], np.arange(window.max() + 2)
        )
        lane = lane[part]
        self._source = np.where(fresh, -1, lane)[order]
        self._target = np.where(last, -1, lane)[order]
        if self.carried:
            self._keep_last_of_lane(order, window, lane, stop)
        self._text = text[part][order]
        self._at = (first[part] + start - place[part])[order]
        self._length = (stop - start)[order]
        self.n_windows = len(self._window_starts) - 1

    def _keep_last_of_lane(self, order, window, lane, stop):
        """If a batch has several pieces of one lane, only the last leaves its state."""
        by_place = np.lexsort((stop, lane, window))
        window, lane = window[by_place], lane[by_place]
        is_last = (np.diff(window, append=-1) != 0) | (np.diff(lane, append=-1) != 0)
        keeps = np.zeros(len(order), dtype=bool)
        keeps[by_place] = is_last
        self._target = np.where(keeps[order], self._target, -1)

    # Data ------------------------------------------------------------------------

    def batches(
        self, random_state: np.random.RandomState, options: TrainingOptions
    ) -> Iterator[np.ndarray]:
        """Yield the indices of the windows of one epoch, in order."""
        self._carry = Carry(self.n_lanes)  # also if the first ones are left out
        if options.shuffle and not self.carried:
            self._plan(self.used[random_state.permutation(len(self.used))])
        if self._hidden is not None:
            self._names = np.arange(len(self._hidden), dtype=np.int32)
            drawn = random_state.random_sample(len(self._hidden)) < 0.5
            self._names[self._hidden & drawn] = self._unknown
        yield from self.blocks()

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the index of each window."""
        for window in range(self.n_windows):
            yield np.array([window])

    def weight_of(self, indices: np.ndarray) -> np.ndarray:
        """Return the weights of all predictions of a window."""
        pieces = self._pieces(indices)
        return np.repeat(self.weight[self._text[pieces]], self._length[pieces])

    def _pieces(self, indices: np.ndarray) -> slice:
        (window,) = indices
        return slice(*self._window_starts[window : window + 2])

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return the packed pieces of a window, what they predict, and the weights."""
        batch, text, at = self.window(indices, dtype)
        targets = self.texts.predicted(text, at)
        if self._names is not None:
            batch.ids = self._renamed(batch.ids)
            targets = self._renamed(targets)
        return batch, targets, self.weight[text]

    def window(
        self, indices: np.ndarray, dtype: np.dtype
    ) -> tuple[PackedBatch, np.ndarray, np.ndarray]:
        """Return the packed pieces of a window.

        Windows are read in their order, since each goes on with the states that the one
        before it has left.

        Returns
        -------
        batch : PackedBatch
            Without numbers; its `ids` are what the network reads.
        text, at : ndarrays of shape (n_rows,), intp
            Which prediction of which text each row is.
        """
        if indices[0] == 0:
            self._carry = Carry(self.n_lanes)
        pieces = self._pieces(indices)
        self._carry.route(self._source[pieces], self._target[pieces])
        lengths = self._length[pieces]  # the longest first
        n_active, offset = packed_places(lengths)
        step, piece = packed_rows(n_active, offset)
        text, at = self._text[pieces][piece], self._at[pieces][piece] + step
        batch = PackedBatch(
            np.zeros((len(step), 0), dtype=dtype),
            n_active,
            offset,
            lengths,
            np.arange(len(lengths)),
            self.texts.read(text, at)[:, np.newaxis],
            carry=self._carry,
        )
        return batch, text, at

    def _renamed(self, ids: np.ndarray) -> np.ndarray:
        return self._names[ids].astype(ids.dtype)
