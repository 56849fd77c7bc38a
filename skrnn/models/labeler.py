"""What a fitted tagger says of whole sequences: labels, chunks and likelihoods."""

import numpy as np

from skrnn._elementary import log
from skrnn._recurrence import PackedShape
from skrnn.text import chunks_of, continues_chunk

__all__ = ["Labeler", "log_of"]


class Labeler:
    """Reads the outputs of a network as labels of steps, or as whole paths of labels.

    Parameters
    ----------
    model : SequenceModel
        Whose target is a `StepClassTarget`.
    """

    def __init__(self, model):
        self.model, self.target = model, model.target
        self.by_step = self.target.outputs()
        if self.target.crf:
            self.loss = self.target.loss()
            self.p = model.spec.layout(self.loss).bind(model.theta)

    # Batches: raw outputs (n_rows, n_out), the batch, and the places of its sequences.

    def codes(self, raw, batch, rows):
        """Return the code of the label of each row, those of the best paths."""
        target = self.target
        if not target.crf and target.allowed is None:
            if raw.shape[1] > 1:
                return raw.argmax(axis=1)
            return (raw[:, 0] > 0).astype(np.intp) * (len(target.classes) > 1)
        shape = PackedShape(batch.n_active)
        if target.crf:
            path, possible = self.loss.predict(raw, shape, self.p)
        else:
            path, possible = target.best_path(
                self.by_step["predict_log_proba"](raw), shape
            )
        if not possible.all():
            row = rows[int(np.flatnonzero(~possible)[0])]
            raise ValueError(
                f"The scheme allows no labels for as many steps as X[{row}] has. Leave "
                "the sequence out."
            )
        return path

    def labels(self, raw, batch, rows):
        """Return the label of each row."""
        return self.target.classes.take(self.codes(raw, batch, rows))

    def proba(self, raw, batch, rows):
        """Return the probabilities of the classes of each row."""
        if not self.target.crf:
            return self.by_step["predict_proba"](raw)
        return self.loss.predict_proba(raw, PackedShape(batch.n_active), self.p)

    def log_proba(self, raw, batch, rows):
        """Return their logarithms."""
        if not self.target.crf:
            return self.by_step["predict_log_proba"](raw)
        return log_of(self.proba(raw, batch, rows))

    # All sequences -------------------------------------------------------------------

    def chunks(self, sequences, n_threads, proba=True):
        """Return the chunks of each sequence, (start, stop, label[, probability])."""
        found, target = [None] * len(sequences), self.target
        for raw, batch, rows in self.model.run(sequences, "forward", n_threads):
            codes = self.codes(raw, batch, rows)
            spans = []
            for b, row in enumerate(rows):
                own = codes[batch.offset[: batch.lengths[b]] + b]
                tags = target.classes.take(own).tolist()
                found[row] = chunks_of(tags, target.scheme, f"X[{row}]")
                spans += [(b, start, stop) for start, stop, _ in found[row]]
            if proba:
                chances = iter(self._chances(spans, codes, raw, batch, rows))
                for row in rows:
                    found[row] = [(*chunk, next(chances)) for chunk in found[row]]
        return found

    def _chances(self, spans, codes, raw, batch, rows):
        """Return the probabilities of spans (sequence, start, stop), a list."""
        if not spans:
            return []
        if not self.target.crf:
            own = self.proba(raw, batch, rows)[np.arange(len(codes)), codes]
            return [
                float(np.multiply.accumulate(own[batch.offset[s:e] + b])[-1])
                for b, s, e in spans
            ]
        classes = self.target.classes.tolist()
        stops = ~continues_chunk(classes, self.target.scheme)
        shape, codes = PackedShape(batch.n_active), codes.astype(np.intp)
        spans = np.array(spans, dtype=np.intp)
        found = self.loss.span_probability(spans, codes, stops, raw, shape, self.p)
        return found.tolist()

    def log_likelihood(self, sequences, codes, n_threads):
        """Return the log-probability of the labels of each sequence, (n_seqs,).

        Parameters
        ----------
        sequences : Sequences
        codes : array of arrays of intp
            Those of `StepClassTarget.encode`: -1 for no label.
        n_threads : int
        """
        found = np.empty(len(sequences))
        for raw, batch, rows in self.model.run(sequences, "forward", n_threads):
            packed = np.empty(len(raw), dtype=np.intp)
            for b, row in enumerate(rows):
                packed[batch.offset[: batch.lengths[b]] + b] = codes[row]
            if self.target.crf:
                shape = PackedShape(batch.n_active)
                found[rows] = self.loss.log_likelihood(packed, raw, shape, self.p)
                continue
            log_proba = self.log_proba(raw, batch, rows)
            own = log_proba[np.arange(len(raw)), np.maximum(packed, 0)]
            own = np.where(packed >= 0, own, 0.0)
            for b, row in enumerate(rows):
                steps = own[batch.offset[: batch.lengths[b]] + b]
                found[row] = np.add.accumulate(steps)[-1]
        return found


def log_of(proba):
    """Return logarithms that have the same bits on every machine."""
    found = [log(p) if p > 0 else -np.inf for p in proba.ravel().tolist()]
    return np.array(found).reshape(proba.shape)
