"""Graphs of what taggers and step regressors make of the raw outputs of each step.

The best path of labels is that of `skrnn._chain.viterbi`: a `Scan` goes forwards with
the scores of the best paths that end in each label, and another one goes back.
"""

import numpy as np

from skrnn.export.onnx.graph import NotConvertibleError, Output
from skrnn.export.onnx.sequence import (
    ClassOutputs,
    NumberOutputs,
    Outputs,
    label_values,
    outputs_of,
)
from skrnn.targets import LabelSequenceTarget, StepClassTarget, StepNumberTarget


class _EachStep:
    # Outputs have an axis of steps, but for streams.
    per_step = True
    streaming = False
    decode = True

    @property
    def axes(self):
        """The axes behind that of the sequences."""
        return () if self.streaming else ("n_steps",)

    def add_steps(self, g, raw, alive, dtype):
        """Add the outputs of a batch.

        Parameters
        ----------
        g : Graph
        raw : str
            (n_steps, n_seqs, n_out), double.
        alive : str
            Which steps there are, (n_steps, n_seqs, 1) bool.
        dtype : dtype
            Of numbers that come out.

        Returns
        -------
        outputs : list of str
            (n_seqs, n_steps, ...) each, NaN behind the end of a sequence.
        """
        return self.add(g, by_sequence(g, raw, alive), dtype)


def by_sequence(g, raw, alive):
    """Add raw outputs as (n_seqs, n_steps, n_out), NaN where there is no step."""
    raw = g("Where", alive, raw, np.array(np.nan))
    return g("Transpose", raw, perm=[1, 0, 2])


@outputs_of(StepNumberTarget)
class StepNumberOutputs(_EachStep, NumberOutputs):
    """A number for each step."""

    @classmethod
    def of(cls, g, model, streaming):
        """Return the outputs of a model for a graph."""
        outputs = cls(model.target)
        outputs.streaming = streaming
        return outputs

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        return [("variable", dtype, self.axes)]

    def add(self, g, raw, dtype):
        """Add the outputs, from raw outputs in double."""
        target = self.target
        raw = g("Squeeze", raw, np.array([-1]))
        value = g("Mul", raw, np.array(target.scale))
        return [g.cast(g("Add", value, np.array(target.mean)), dtype)]


@outputs_of(StepClassTarget)
class StepClassOutputs(_EachStep, ClassOutputs):
    """A label for each step, and its probabilities; or the scores of paths."""

    def __init__(self, target):
        self.several = False
        self.target, self.classes = target, label_values(target.classes)

    @classmethod
    def of(cls, g, model, streaming):
        """Return the outputs of a model for a graph."""
        target = model.target
        if target.crf:
            return PathOutputs(g, model, streaming)
        if target.allowed is not None and len(target.classes) > 1:
            return AllowedOutputs(g, model, streaming)
        outputs = cls(target)
        outputs.streaming = streaming
        return outputs

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        return [
            ("label", self.classes.dtype, self.axes),
            ("probabilities", dtype, (*self.axes, len(self.classes))),
        ]


@outputs_of(LabelSequenceTarget)
class SymbolOutputs(_EachStep, Outputs):
    """Logarithms of the probabilities of the blank and of the labels, by segment."""

    per_segment = True

    def __init__(self, target):
        self.n_symbols = len(target.labels) + 1

    @classmethod
    def of(cls, g, model, streaming):
        """Return the outputs of a model for a graph."""
        outputs = cls(model.target)
        outputs.streaming = streaming
        return outputs

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        axes = () if self.streaming else ("n_segments",)
        return [("log_probabilities", dtype, (*axes, self.n_symbols))]

    def add(self, g, raw, dtype):
        """Add the outputs, from raw outputs in double."""
        return [g.cast(g("LogSoftmax", raw, axis=-1), dtype)]


class AllowedOutputs(StepClassOutputs):
    """Probabilities of each step, and the labels of the best path that is allowed.

    Parameters
    ----------
    g : Graph
    model : SequenceModel
    streaming : bool
    """

    def __init__(self, g, model, streaming):
        super().__init__(model.target)
        self.streaming = streaming
        if streaming and model.segment_length > 1:
            raise NotConvertibleError(
                "a stream that finds paths reads single steps. Fit with "
                "segment_length=1."
            )
        self.start, self.pairs, self.end = self._scores(model)
        if streaming:
            self.state = {"path": (np.dtype(np.float64), (len(self.classes),))}

    def _scores(self, model):
        # Scores of the first label, of pairs of labels, and of the last one.
        return [np.where(which, 0.0, -np.inf) for which in model.target.allowed]

    def emissions(self, g, raw):
        """Add the score of each label by itself, and what comes out beside labels."""
        _, proba = super().add(g, raw, np.dtype(np.float64))
        return g("Log", proba), proba

    def named_outputs(self, g, label, scores, dtype):
        """Return the outputs in the order of `declare`."""
        return [g("Gather", self.classes, label), g.cast(scores, dtype)]

    def add_steps(self, g, raw, alive, dtype):
        """Add the outputs of a batch; see `_EachStep.add_steps`."""
        emissions, scores = self.emissions(g, raw)
        path = None
        if self.decode:
            path = best_path(g, emissions, alive, self.start, self.pairs, self.end)
            path = g("Transpose", path, perm=[1, 0])
        return self.named_outputs(g, path, by_sequence(g, scores, alive), dtype)

    def step(self, g, raw, before, is_first, dtype):
        """Add the outputs of a step of streams; return them, and the new state."""
        emissions, scores = self.emissions(g, raw)
        pairs = g("Add", g("Unsqueeze", before["path"], np.array([2])), self.pairs)
        best = g.reduce("ReduceMax", pairs, 1)
        best = g("Add", g("Where", is_first, self.start, best), emissions)
        best = rebase(g, best)
        label = g("ArgMax", g("Add", best, self.end), axis=1, keepdims=0)
        return self.named_outputs(g, label, scores, dtype), {"path": best}


class PathOutputs(AllowedOutputs):
    """What scores the paths of a conditional random field, and its best path."""

    def __init__(self, g, model, streaming):
        super().__init__(g, model, streaming)
        self.decode = g.decode
        if not g.decode:
            self.state = {}
        n = len(self.classes)
        self.constants = [
            Output(name, g.constant(scores), scores.dtype, shape, True)
            for name, scores, shape in (
                ("transitions", self.pairs, (n, n)),
                ("start_transitions", self.start, (n,)),
                ("end_transitions", self.end, (n,)),
            )
        ]

    def _scores(self, model):
        names = "crf.start", "crf.transitions", "crf.end"
        scores = [model.weights[name].astype(np.float64) for name in names]
        n, allowed = len(self.classes), model.target.allowed
        scores[1] = scores[1].reshape(n, n)
        if allowed is None:
            return scores
        pairs = zip(allowed, scores, strict=True)
        return [np.where(which, score, -np.inf) for which, score in pairs]

    def declare(self, dtype):
        """Return the name, the dtype and the shape of each output."""
        declared = [("emissions", dtype, (*self.axes, len(self.classes)))]
        if self.decode:
            declared.insert(0, ("label", self.classes.dtype, self.axes))
        return declared

    def emissions(self, g, raw):
        """Add the score of each label by itself, and what comes out beside labels."""
        return raw, raw

    def named_outputs(self, g, label, scores, dtype):
        """Return the outputs in the order of `declare`."""
        if not self.decode:
            return [g.cast(scores, dtype)]
        return super().named_outputs(g, label, scores, dtype)

    def step(self, g, raw, before, is_first, dtype):
        """Add the outputs of a step of streams; return them, and the new state."""
        if not self.decode:
            return self.named_outputs(g, None, raw, dtype), {}
        return super().step(g, raw, before, is_first, dtype)


# ------------------------------------------------------------------ best paths


def rebase(g, scores):
    """Add scores (n_seqs, n) minus the largest of each row, unless that is infinite."""
    most = g.reduce("ReduceMax", scores, 1)
    least = np.array(np.finfo(np.float64).min)
    most = g("Where", g("Less", most, least), np.array(0.0), most)
    return g("Sub", scores, g("Unsqueeze", most, np.array([1])))


def best_path(g, emissions, alive, start, pairs, end):
    """Add the best paths of a batch.

    Parameters
    ----------
    g : Graph
    emissions : str
        (n_steps, n_seqs, n), double.
    alive : str
        Which steps there are, (n_steps, n_seqs, 1) bool.
    start, pairs, end : ndarrays of shape (n,), (n, n) and (n,)

    Returns
    -------
    path : str
        (n_steps, n_seqs) int64. Steps behind the end have the label before.
    """
    first = g("Squeeze", g.slice(emissions, 0, 0, 1), np.array([0]))
    first = rebase(g, g("Add", first, start))
    # One step that is not there: a Scan needs a step, also of a batch of single steps.
    later = g.pad(g.slice(emissions, 0, 1), 3, {0: np.ones(1, np.int64)})
    is_there = g.cast(g.slice(alive, 0, 1), np.int64)
    is_there = g.pad(is_there, 3, {0: np.ones(1, np.int64)})
    is_there = g.cast(is_there, bool)
    score, before = _scan_forwards(g, first, later, is_there, pairs)
    last = g("ArgMax", g("Add", score, end), axis=1, keepdims=0)
    return _scan_back(g, last, before, is_there)


def _declare(name, kind, shape):
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, shape)


def _scan_forwards(g, first, emissions, alive, pairs):
    """Add scores (n_seqs, n) of the best paths, and the labels before, by step."""
    from onnx import helper

    n = len(pairs)
    body = g.body()
    score, e, there = (body.unique(name) for name in ("score", "e", "there"))
    by_pair = body("Add", body("Unsqueeze", score, np.array([2])), pairs)
    before = body("ArgMax", by_pair, axis=1, keepdims=0)
    best = rebase(body, body("Add", body.reduce("ReduceMax", by_pair, 1), e))
    best = body("Where", there, best, score)
    double, int64, boolean = 11, 7, 9
    inside = helper.make_graph(
        body.nodes,
        body.unique("forwards"),
        [
            _declare(score, double, [None, n]),
            _declare(e, double, [None, n]),
            _declare(there, boolean, [None, 1]),
        ],
        [_declare(best, double, [None, n]), _declare(before, int64, [None, n])],
        body.initializers,
    )
    return g(
        "Scan", first, emissions, alive, n_outputs=2, body=inside, num_scan_inputs=2
    )


def _scan_back(g, last, before, alive):
    """Add the labels of all steps (n_steps, n_seqs), from the last one back."""
    from onnx import helper

    body = g.body()
    label, by_label, there = (body.unique(name) for name in ("label", "by", "there"))
    found = body("Unsqueeze", label, np.array([1]))
    found = body("GatherElements", by_label, found, axis=1)
    found = body("Where", there, found, body("Unsqueeze", label, np.array([1])))
    found = body("Squeeze", found, np.array([1]))
    given = body("Identity", found)
    int64, boolean = 7, 9
    inside = helper.make_graph(
        body.nodes,
        body.unique("back"),
        [
            _declare(label, int64, [None]),
            _declare(by_label, int64, [None, None]),
            _declare(there, boolean, [None, 1]),
        ],
        [_declare(found, int64, [None]), _declare(given, int64, [None])],
        body.initializers,
    )
    _, labels = g(
        "Scan",
        last,
        before,
        alive,
        n_outputs=2,
        body=inside,
        num_scan_inputs=2,
        scan_input_directions=[1, 1],
        scan_output_directions=[1],
    )
    return labels
