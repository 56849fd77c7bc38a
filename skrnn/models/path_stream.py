"""Streams that decode whole paths of classes, and streams of segments of steps."""

import hashlib
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np

from skrnn._chain import Chain, viterbi, viterbi_advance
from skrnn._paths import PathSums
from skrnn._recurrence import PackedShape
from skrnn._stepper import check_state, copied, copy_arrays, row_numbers
from skrnn.models.labeler import log_of
from skrnn.models.stream import Stream

__all__ = [
    "DelayedStream",
    "PathReader",
    "PathSteps",
    "answering",
    "in_segments",
    "path_reader",
]


def in_segments(segment_length, read):
    """Return a maker: `read` of the outputs (n_seqs, n_out) for the newest step.

    The network gives outputs for each step of a segment, (n_seqs, segment_length
    * n_out); see `skrnn.models.stream`.
    """

    def make_output(steps):
        def output(x):
            raw = steps.step(x)
            place = (steps.n_steps - 1) % segment_length
            outputs = raw.reshape(len(raw), segment_length, -1)
            return read(outputs[np.arange(len(raw)), place])

        return output

    return make_output


def answering(steps):
    """Make the function of a step of `PathSteps`, which makes answers by itself."""
    return steps.step


class BestPath:
    """The best paths of a chain, a few steps at a time.

    Parameters
    ----------
    chain : Chain
    """

    def __init__(self, chain):
        self.chain = chain
        self.dtype, self.shape = np.dtype(np.intp), ()

    def arrays(self, n):
        """Return memory for what the steps so far leave to the next ones, by name."""
        return {"delta": np.zeros((n, self.chain.width))}

    def read(self, before, emissions, n_final):
        """Return the classes of some steps, and what its first steps leave.

        Parameters
        ----------
        before : dict of ndarrays or None
            Like `arrays`, of the steps before; None if there are none.
        emissions : ndarray of shape (n_steps, n, n_classes), dtype float64
        n_final : int
            How many of the steps are read once and for all.

        Returns
        -------
        classes : ndarray of intp, shape (n_steps, n)
        after : dict of ndarrays or None
            What the first `n_final` steps leave.
        """
        n_steps, n, _ = emissions.shape
        delta = None if before is None else before["delta"]
        path = np.empty((n_steps, n), dtype=np.intp)
        start, last = delta, np.empty(n, dtype=np.intp)
        for t in range(n_final):
            delta, earlier = np.empty((n, self.chain.width)), delta
            viterbi_advance(self.chain, earlier, emissions[t], delta, last)
        if n_steps == n_final == 1:
            path[0] = last
        else:
            shape = PackedShape(np.full(n_steps, n, dtype=np.int32))
            rows = emissions.reshape(n_steps * n, -1)
            viterbi(self.chain, shape, rows, path.reshape(-1), start)
        return path, None if delta is None else {"delta": delta}


class Marginals:
    """The probabilities of the classes of a chain, a few steps at a time.

    Parameters
    ----------
    chain : Chain
    """

    def __init__(self, chain):
        self.chain = chain
        self.sums = PathSums(chain)
        self.dtype, self.shape = np.dtype(np.float64), (chain.n_tags,)

    def __copy__(self):
        return Marginals(self.chain)  # with memory of its own

    def arrays(self, n):
        """Return memory for what the steps so far leave to the next ones, by name."""
        return {
            "alpha": np.zeros((n, self.chain.width)),
            "mode": np.zeros(n, dtype=np.uint8),
        }

    def read(self, before, emissions, n_final):
        """Return the probabilities of some steps, (n_steps, n, n_classes).

        See `BestPath.read`.
        """
        n_steps, n, n_classes = emissions.shape
        state = None if before is None else (before["alpha"], before["mode"])
        if n_steps == n_final == 1:
            state, found = self.sums.step(emissions[0], state)
        else:
            shape = PackedShape(np.full(n_steps, n, dtype=np.int32))
            self.sums.forward(shape, emissions.reshape(n_steps * n, -1), state=state)
            if n_final:
                state = self.sums.state_after(n_final - 1)
            found = self.sums.backward().copy()
        after = None if state is None else {"alpha": state[0], "mode": state[1]}
        return found.reshape(n_steps, n, n_classes), after


@dataclass(frozen=True)
class PathReader:
    """What makes answers of the outputs of a network, one step at a time.

    Parameters
    ----------
    decoder : BestPath or Marginals
    emissions : callable
        Makes what is decoded, (n, n_classes), of outputs (n, n_out).
    answers : callable
        Makes answers of what the decoder gives.
    lookahead : int
        How many later steps an answer waits for.
    mark : str
        Identifies what the decoder allows.
    """

    decoder: BestPath | Marginals
    emissions: Callable
    answers: Callable
    lookahead: int
    mark: str

    def __copy__(self):
        return replace(self, decoder=copy(self.decoder))


def path_reader(model, method, lookahead):
    """Return the `PathReader` of a tagger's method, None if it needs no paths.

    Parameters
    ----------
    model : SequenceModel
        Whose target is a `StepClassTarget`.
    method : str
    lookahead : int
    """
    if not isinstance(lookahead, Integral) or lookahead < 0:
        raise ValueError(f"lookahead must be an int of at least 0, got {lookahead!r}.")
    target = model.target
    best = method == "predict"
    of_chain = target.crf and method != "decision_function"
    if not (of_chain or (best and target.allowed is not None)):
        if lookahead:
            raise ValueError(
                f"lookahead={lookahead} needs answers that later steps can change: "
                "those of crf=True, and of 'predict' with a scheme. Set lookahead=0."
            )
        return None
    allowed = target.allowed
    if allowed is not None and best:
        refuse_dead_ends(allowed)
    if target.crf:
        loss = target.loss()
        chain = loss.load(model.spec.layout(loss).bind(model.theta))
        emissions = np.asarray
    else:
        first, pairs, last = allowed
        chain = Chain(len(target.classes), (pairs, first, last))
        emissions = target.outputs()["predict_log_proba"]
    answers = np.asarray
    if best:
        answers = target.classes.take
    elif method == "predict_log_proba":
        answers = log_of
    mark = hashlib.sha256(b"".join(a.tobytes() for a in chain.allowed)).hexdigest()
    decoder = (BestPath if best else Marginals)(chain)
    return PathReader(decoder, emissions, answers, int(lookahead), mark[:8])


class PathSteps:
    """A network that takes steps, and answers that look at the whole path so far.

    What a step of the path is decoded from may change later on, if the network reads
    segments of steps, or if the answers come late. These last steps are kept, and
    decoded again with each step. All steps before them leave one state.

    Parameters
    ----------
    steps : StepNetwork
    reader : PathReader
    segment_length : int, default=1
    """

    def __init__(self, steps, reader, segment_length=1):
        self.steps, self.reader, self.segment_length = steps, reader, segment_length
        self.decoder, self.lookahead = reader.decoder, reader.lookahead
        n, n_classes = steps.n_steps.size, self.decoder.chain.n_tags
        self.path = self.decoder.arrays(n)
        n_kept = max(segment_length, self.lookahead + 1)
        self.window = np.zeros((n, n_kept, n_classes))

    def __copy__(self):
        steps, reader = copy(self.steps), copy(self.reader)
        other = PathSteps(steps, reader, self.segment_length)
        copy_arrays(self._arrays(), other._arrays())
        return other

    def _arrays(self):
        return {**self.path, f"last_steps_{self.lookahead}": self.window}

    @property
    def n_steps(self):
        """How many steps each stream has taken, a new array (n_seqs,)."""
        return self.steps.n_steps

    def as_rows(self, x, names=None):
        """Return a step as rows (n_seqs, n_features)."""
        return self.steps.as_rows(x, names)

    def reset(self, rows=None):
        """Begin new sequences, in all streams or in some of them."""
        chosen = slice(None) if rows is None else row_numbers(rows, len(self.window))
        self.steps.reset(rows)
        for array in self._arrays().values():
            array[chosen] = 0

    def get_state(self):
        """Return what the steps so far have left, as a dict of new arrays."""
        return {**self.steps.get_state(), **copied(self._arrays())}

    def set_state(self, state):
        """Go on from a state of `get_state`."""
        own = self._arrays()
        expected = {**self.steps.get_state(), **own}
        values = check_state(state, expected)
        self.steps.set_state({k: v for k, v in values.items() if k not in own})
        copy_arrays(values, own)

    def _n_left(self, n_steps):
        """Return how many steps have left a state, after so many."""
        k = self.segment_length
        return max(min(n_steps // k * k, n_steps - self.lookahead), 0)

    def _groups(self, n_steps):
        """Yield how many steps some streams have taken, and which these are.

        All that counts repeats with each segment after the first ones.
        """
        k, first = self.segment_length, self.lookahead + 2 * self.segment_length
        alike = np.where(n_steps < first, n_steps, first + (n_steps - first) % k)
        if (alike == alike[0]).all():
            yield int(alike[0]), slice(None)
            return
        for value in np.unique(alike).tolist():
            yield value, np.flatnonzero(alike == value)

    def step(self, x):
        """Take one step of every stream.

        Returns
        -------
        answers : ndarray of shape (n_seqs,) or (n_seqs, n_classes)
            Those for the step that came `lookahead` steps before: None or NaN if there
            was no such step.
        """
        n_before, raw = self.n_steps, self.steps.step(x)
        k, n = self.segment_length, len(raw)
        e = self.reader.emissions(raw.reshape(n * k, -1)).reshape(n, k, -1)
        answers = np.zeros((n, *self.decoder.shape), dtype=self.decoder.dtype)
        # Streams of which equally many steps are at hand are decoded together.
        for before, rows in self._groups(n_before):
            start, stop = self._n_left(before), self._n_left(before + 1)
            filled = before % k + 1  # steps of the segment that is being filled
            n_steps = before + 1 - start
            self.window[rows, n_steps - filled : n_steps] = e[rows, :filled]
            found = self._decode(rows, start > 0, n_steps, stop - start)
            if before >= self.lookahead:
                answers[rows] = found[before - self.lookahead - start]
        found = self.reader.answers(answers)
        if self.lookahead:
            if found.ndim == 1:
                found = found.astype(object)
            waits = n_before < self.lookahead
            found[waits] = None if found.dtype == object else np.nan
        return found

    def _decode(self, rows, goes_on, n_steps, n_final):
        """Decode the steps at hand of some streams; forget those that are final."""
        window = self.window[rows, :n_steps]
        earlier = {k: v[rows] for k, v in self.path.items()} if goes_on else None
        emissions = np.ascontiguousarray(np.moveaxis(window, 1, 0))
        found, after = self.decoder.read(earlier, emissions, n_final)
        if n_final:
            for name, values in after.items():
                self.path[name][rows] = values
            self.window[rows, : n_steps - n_final] = window[:, n_final:]
        return found

    def rest(self):
        """Return the answers that steps to come were waited for, a list of arrays."""
        found = []
        for b, n_steps in enumerate(self.n_steps.tolist()):
            start = self._n_left(n_steps)
            answers = np.zeros((0, *self.decoder.shape), self.decoder.dtype)
            if n_steps > start:
                answers = self._decode(np.array([b]), start > 0, n_steps - start, 0)
                first = max(n_steps - self.lookahead, 0) - start
                answers = answers[first:, 0]
            found.append(self.reader.answers(answers))
        return found


class DelayedStream(Stream):
    """A stream whose answers come some steps late, and look at these steps, too.

    See :class:`Stream`. A step returns the answer for the step that came `lookahead`
    steps before: None, or NaN in an array of probabilities, if there was none yet.
    """

    def rest(self):
        """Return the answers for the last steps, which no step has returned yet.

        Returns
        -------
        answers : list of ndarrays, one for each sequence
            Of shape (n,) or (n, n_classes), n being `lookahead`, or fewer if the
            sequence has fewer steps. The stream does not change.
        """
        return self._steps.rest()


def refuse_dead_ends(allowed):
    """Raise ValueError if a scheme has no labels for sequences of some length."""
    start, pairs, end = allowed
    now, seen, n_steps = start, set(), 1
    while now.tobytes() not in seen and n_steps < 4096:
        if not (now & end).any():
            raise ValueError(
                f"A stream labels each prefix of a sequence, and the scheme allows no "
                f"labels for {n_steps} steps. Choose method='predict_proba', or fit "
                "with labels of which one may stand alone, such as 'O'."
            )
        seen.add(now.tobytes())
        now, n_steps = pairs[now].any(axis=0), n_steps + 1
