"""The loss of a whole path of classes: a conditional random field."""

import numpy as np

from skrnn._chain import Chain, count_paths, path_scores, viterbi
from skrnn._ctc import AlignmentSums, LabelSequences
from skrnn._elementary import softmax
from skrnn._paths import PathSums, gradient_rows
from skrnn._recurrence import PackedShape
from skrnn.losses.base import Loss

__all__ = ["CRFLoss", "CTCLoss", "labeled_paths"]


class CRFLoss(Loss):
    """Minus the log-likelihood of the classes of all steps of a sequence.

    The raw outputs are the emissions of a linear-chain conditional random field; its
    transitions, starts and ends are parameters of the loss. Its value is the sum over
    the sequences of their weight times their loss, divided by the sum of their weight
    times the number of their labeled steps. A step without a label may have any class:
    the likelihood is the sum over all paths that agree with the labels. A sequence
    without labels does not count.

    Parameters
    ----------
    n_classes : int
    allowed : tuple of bool arrays or None, default=None
        Which pairs (previous, next), which first and which last classes there are, of
        shapes (n_classes, n_classes), (n_classes,) and (n_classes,). All others have
        the probability zero. None allows all.

    References
    ----------
    Lafferty, McCallum & Pereira 2001, "Conditional random fields".
    """

    out_activation = "crf"
    scale_power = 0

    def __init__(self, n_classes, allowed=None):
        self.n_out = self.n_classes = n_classes
        self.allowed = allowed
        self._chain = None

    def __getstate__(self):
        # What is compiled is made anew.
        return self.__dict__ | dict.fromkeys(("_chain", "_sums", "_partial_sums"))

    def declare(self, layout):
        """Add the transitions, starts and ends, which begin at zero.

        They say how frequent pairs are, as biases do for classes: no penalty.
        """
        n = self.n_classes
        self.transitions = layout.add("crf.transitions", (n, n), _zeros, False)
        self.start = layout.add("crf.start", (n,), _zeros, False)
        self.end = layout.add("crf.end", (n,), _zeros, False)

    @property
    def slots(self):
        """The parameters' places: transitions, starts, ends."""
        return self.transitions, self.start, self.end

    def load(self, p):
        """Take the parameters from what `Layout.bind` gave; return the chain."""
        if self._chain is None:
            self._chain = Chain(self.n_classes, self.allowed)
            self._sums = PathSums(self._chain)
            self._partial_sums = PathSums(self._chain)
        self._chain.load(*(p[slot] for slot in self.slots))
        return self._chain

    # Training --------------------------------------------------------------------

    def value_and_gradient(
        self, targets, raw, weight=None, run=None, p=None, g=None, share=1.0
    ):
        """Return ``share`` times the loss and its gradient.

        Parameters
        ----------
        targets : ndarray of intp (n_rows,)
            Classes of the packed steps, -1 where there is none.
        raw : ndarray of shape (n_rows, n_classes), dtype float32 or float64
        weight : ndarray of shape (n_rows,), dtype float64, default=None
            A sequence has the weight of its first step.
        run : Pass
            The pass that made `raw`.
        p, g : lists of ndarrays
            All parameters and all gradients, by slot; the latter may be None.
        share : float, default=1.0

        Returns
        -------
        value : float
        d_raw : ndarray like raw
        """
        shape, chain = run.shape, self.load(p)
        # The compiled loops index without looking.
        if not (
            raw.shape == (len(targets), self.n_classes)
            and len(targets) == shape.n_rows
            and -1 <= targets.min() <= targets.max() < self.n_classes
        ):
            raise ValueError(
                f"A CRF of {self.n_classes} classes got targets of shape "
                f"{targets.shape} for raw outputs of shape {raw.shape}."
            )
        n_labels = labeled_paths(targets, shape)
        weight = np.ones(shape.n_seqs) if weight is None else weight[: shape.n_seqs]
        weight = np.where(n_labels > 0, weight, 0.0)
        total = _total(weight * n_labels)
        each = weight * (share / total if total > 0 else 0.0)
        log_z = self._sums.forward(shape, raw)
        d_raw = np.empty_like(raw)
        gradient_rows(shape, self._sums.backward(each), targets, each, d_raw)
        n = self.n_classes
        pairs = self._sums.pairs[:n, :n].copy()
        starts, ends = self._sums.starts, self._sums.ends
        loss = np.where(each > 0, log_z, 0.0)
        whole = n_labels == shape.lengths
        if whole.all() or not each[~whole].any():
            scores = np.empty(shape.n_seqs)
            safe = np.maximum(targets, 0)
            path_scores(chain, shape, raw, safe, scores)
            loss -= np.where(each > 0, scores, 0.0)
            count_paths(chain, shape, safe, -each, pairs, starts, ends)
        else:
            sums = self._partial_sums
            log_sum = sums.forward(shape, raw, targets)
            marginals = sums.backward(-each)
            loss -= np.where(each > 0, log_sum, 0.0)
            free = np.flatnonzero(targets < 0)
            by = each[_sequence_of_rows(shape)[free]]
            counted = by > 0
            free, by = free[counted], by[counted]
            d_raw[free] -= (by[:, np.newaxis] * marginals[free]).astype(raw.dtype)
            pairs += sums.pairs[:n, :n]
            starts += sums.starts
            ends += sums.ends
        if g is not None:
            for slot, gradient in zip(self.slots, (pairs, starts, ends), strict=True):
                g[slot] += gradient.reshape(g[slot].shape).astype(g[slot].dtype)
        return _total(each * loss), d_raw

    # Prediction ------------------------------------------------------------------

    def predict_proba(self, raw, shape, p):
        """Return the marginals of the packed steps, (n_rows, n_classes) float64."""
        self.load(p)
        self._sums.forward(shape, raw)
        return self._sums.backward().copy()

    def predict(self, raw, shape, p):
        """Return the classes of the best paths.

        Returns
        -------
        path : ndarray of intp (n_rows,)
        possible : ndarray of bool (n_seqs,)
            False for a sequence that no allowed path is as long as.
        """
        path = np.empty(shape.n_rows, dtype=np.intp)
        return path, viterbi(self.load(p), shape, raw, path)

    def log_likelihood(self, targets, raw, shape, p):
        """Return log p(targets) of each sequence.

        Steps without a label are summed over. What is forbidden has minus infinity.
        """
        chain = self.load(p)
        log_z = self._sums.forward(shape, raw).copy()
        scores = np.empty(shape.n_seqs)
        path_scores(chain, shape, raw, np.maximum(targets, 0), scores)
        if (targets < 0).any():
            partial = labeled_paths(targets, shape) < shape.lengths
            sums = self._partial_sums.forward(shape, raw, targets)
            scores = np.where(partial, sums, scores)
        found = np.full(shape.n_seqs, -np.inf)
        return np.subtract(scores, log_z, out=found, where=scores > -np.inf).clip(
            max=0.0
        )

    def span_probability(self, spans, path, stops, raw, shape, p):
        """Return the probability of each span; see `PathSums.span_probability`."""
        self.load(p)
        self._sums.forward(shape, raw)
        self._sums.backward()
        return self._sums.span_probability(spans, path, stops)


class CTCLoss(Loss):
    """Minus the log-probability of the labels of a sequence, however they are aligned.

    The raw outputs of a step are the blank's and those of the labels. A path gives each
    step one of them; it has the labels of a sequence if they remain when equal
    neighbours are one and blanks are left out. Its value is the weighted mean over the
    sequences.

    Parameters
    ----------
    n_labels : int

    References
    ----------
    Graves et al. 2006, "Connectionist temporal classification".
    """

    out_activation = "softmax"
    scale_power = 0

    def __init__(self, n_labels):
        self.n_labels = n_labels
        self.n_out = n_labels + 1
        self._sums = None

    def __getstate__(self):
        # What is compiled is made anew.
        return self.__dict__ | {"_sums": None}

    @property
    def sums(self):
        """The compiled sums and their memory."""
        if self._sums is None:
            self._sums = AlignmentSums()
        return self._sums

    def value_and_gradient(
        self, targets, raw, weight=None, run=None, p=None, g=None, share=1.0
    ):
        """Return ``share`` times the loss and its gradient.

        Parameters
        ----------
        targets : LabelSequences
            Labels of each sequence from 1 on, in packed order. The value is infinite
            where a sequence has fewer steps than ``targets.least_steps()``.
        raw : ndarray of shape (n_rows, n_labels + 1), dtype float32 or float64
        weight : ndarray of shape (n_seqs,), dtype float64, default=None
        run : Pass
            The pass that made `raw`.
        p, g : lists of ndarrays or None, default=None
            Not used: the loss has no parameters.
        share : float, default=1.0

        Returns
        -------
        value : float
        d_raw : ndarray like raw
        """
        weight = np.ones(len(targets)) if weight is None else weight
        total = _total(weight)
        each = weight * (share / total if total > 0 else 0.0)
        d_raw = np.empty_like(raw)
        loss = self.sums.loss_and_gradient(run.shape, raw, targets, each, d_raw)
        return _total(each[each > 0] * loss[each > 0]), d_raw

    def predict_log_proba(self, raw):
        """Return the logarithms of the symbols' probabilities in float64."""
        out = np.empty(raw.shape)
        softmax(raw, out, True)
        return out

    def log_likelihood(self, targets, raw, shape):
        """Return log p(labels) of each sequence; minus infinity where no path has them.

        See `value_and_gradient`; `shape` is that of the packed batch.
        """
        return -self.sums.loss_and_gradient(shape, raw, targets, np.ones(shape.n_seqs))

    def align(self, targets, raw, shape):
        """Return the place of each row's label on the best path, -1 for a blank.

        Returns
        -------
        position : ndarray of intp (n_rows,)
        possible : ndarray of bool (n_seqs,)
            False where no path has the labels.
        """
        position = np.empty(shape.n_rows, dtype=np.intp)
        return position, self.sums.align(shape, raw, targets, position)

    def targets(self, sequences):
        """Return label sequences, lists of 1 .. n_labels, as the loss takes them."""
        return LabelSequences(sequences, self.n_out)


def labeled_paths(targets, shape):
    """Return the number of labeled steps of each sequence of a packed batch."""
    is_labeled = targets >= 0
    if is_labeled.all():
        return np.asarray(shape.lengths, dtype=np.intp)
    return np.bincount(
        _sequence_of_rows(shape)[is_labeled], minlength=shape.n_seqs
    ).astype(np.intp)


def _sequence_of_rows(shape: PackedShape):
    starts = np.repeat(shape.offset[:-1], shape.n_active)
    return np.arange(shape.n_rows) - starts


def _total(values):
    # In order, and not as NumPy would.
    total = 0.0
    for value in values.tolist():
        total += value
    return total


def _zeros(view, random_state):
    """Leave the parameter at zero."""
