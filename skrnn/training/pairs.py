"""Pairs of sequences: what is read, and what is written, token by token."""

from typing import Any

import numpy as np

from skrnn.network.translation import PairBatch
from skrnn.training.data import SequenceData

__all__ = ["PairData"]


class PairData(SequenceData):
    """Sequences, and the tokens that each of them becomes.

    The loss is a mean over all tokens and ends.

    Parameters
    ----------
    sequences : Sequences
    encoder : StepEncoder
    y : ndarray of shape (n_seqs,), dtype object
        An array of codes (n_tokens_i,) for each sequence, without the end.
    sample_weight : ndarray of shape (n_seqs,), dtype float64, default=None
        The weight of each token of a sequence.
    begin : int
        What the decoder reads before the first token.
    end : int
        The code of the end.
    """

    def __init__(
        self,
        sequences: Any,
        encoder: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        begin: int,
        end: int,
    ) -> None:
        n_tokens = np.array([len(own) + 1 for own in y], dtype=np.float64)
        self._weight = np.ones(len(y)) if sample_weight is None else sample_weight
        super().__init__(sequences, encoder, y, self._weight * n_tokens)
        self.ordinary_weight = float(n_tokens[self.used].mean())
        self._whole = [np.concatenate([[begin], own, [end]]) for own in y]

    def batch(self, indices: np.ndarray, dtype: np.dtype) -> tuple[Any, Any, Any]:
        """Return a batch of pairs, its targets and the weights of these."""
        source = self.sequences.pack(indices, self.encoder, dtype)
        whole = [self._whole[i] for i in indices]
        targets = np.concatenate([own[1:] for own in whole])
        batch = PairBatch(source, [own[:-1] for own in whole], dtype)
        return batch, targets, self._weight[indices][batch.owner]
