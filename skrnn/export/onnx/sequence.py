"""Graphs of classifiers and regressors, for whole sequences and step by step.

A graph is put together from pieces: standardisation, segments, recurrent layers,
pooling, head, and last what an estimator makes of the raw outputs. A batch and a stream
share them.
"""

import numpy as np

from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.export.onnx.graph import Lengths, Output, all_true
from skrnn.export.onnx.parts import (
    ONNX_CELLS,
    POOLINGS,
    Fitted,
    is_finite,
    read_head,
    run_layers,
)

# ----------------------------------------------------------------- pieces


def scale(g, x, scaler, dtype):
    """Add what a `SequenceScaler` does to values of a dtype."""
    x = g.cast(x, np.float64)
    if scaler.with_mean:
        x = g("Sub", x, scaler.mean_)
    if scaler.with_std:
        x = g("Div", x, scaler.scale_)
    return g.cast(x, dtype)


def encode(g, x, fitted):
    """Add what a `StepEncoder` does to steps, but for segments.

    Parameters
    ----------
    g : Graph
    x : str
        (..., n_features)
    fitted : Fitted

    Returns
    -------
    x : str
        (..., n_channels) in the dtype of the network; 0 for what is not finite.
    finite : str
        (..., n_features) bool: whether a value is one that a network can read.
    """
    encoder = fitted.encoder
    indicator = encoder.missing == "indicator"
    # In double, or a mean far from zero leaves nothing of a float32.
    if indicator or encoder.mean is not None:
        x = g.cast(x, np.float64)
    if indicator:
        known = g("Not", g("IsNaN", x))
    if encoder.mean is not None:
        x = g("Div", g("Sub", x, encoder.mean), encoder.scale)
    if indicator:
        n_features = encoder.n_features
        fill = np.zeros(n_features) if encoder.fill is None else encoder.fill
        x = g("Where", known, x, fill)
    x = g.cast(x, fitted.dtype)
    finite = is_finite(g, x, fitted)
    x = g("Where", finite, x, fitted.dtype.type(0))
    if indicator:
        x = g("Concat", x, g.cast(known, fitted.dtype), axis=-1)
    return x, finite


def read_batch(g, x, sequence_lens, fitted):
    """Add the way from padded sequences to what the first layer reads.

    Parameters
    ----------
    g : Graph
    x : str
        (n_seqs, n_steps, n_features), padding at the end of the steps.
    sequence_lens : str or None
        (n_seqs,) int64; None if there is no padding.
    fitted : Fitted

    Returns
    -------
    x : str
        (n_segments, n_seqs, n_in)
    lengths : Lengths
        In segments.
    valid : str
        (n_seqs,) bool: whether a sequence is one that an estimator takes.
    """
    shape = g("Shape", x)
    n_steps = g("Gather", shape, np.array(1))
    if sequence_lens is None:
        lens = g("Expand", n_steps, g("Gather", shape, np.array([0])))
        in_range = g("Greater", lens, np.array(0))
    else:
        in_range = g(
            "And",
            g("Greater", sequence_lens, np.array(0)),
            g("LessOrEqual", sequence_lens, n_steps),
        )
        lens = g("Max", g("Min", sequence_lens, n_steps), np.array(1))
    k = fitted.encoder.segment_length
    n_segments, segments = n_steps, lens
    if k > 1:
        n_segments, segments = (
            g("Div", g("Add", n, np.array(k - 1)), np.array(k)) for n in (n_steps, lens)
        )
    # The last step stands for all after it: it fills up its segment, and whatever the
    # padding holds is never read.
    steps = g("Mul", n_segments, np.array(k)) if k > 1 else n_steps
    steps = g("Range", np.array(0), steps, np.array(1))
    last = g("Unsqueeze", g("Sub", lens, np.array(1)), np.array([1]))
    steps = g("Unsqueeze", g("Min", steps, last), np.array([2]))
    x = g("GatherND", x, steps, batch_dims=1)
    x, finite = encode(g, x, fitted)
    if k > 1:
        x = g("Reshape", x, np.array([0, -1, fitted.encoder.n_in]))
    x = g("Transpose", x, perm=[1, 0, 2])
    valid = g("And", in_range, all_true(g, finite, 1, 2))
    return x, Lengths(g, segments, n_segments), valid


def label_values(classes):
    """Return the classes as ONNX can have them, int64 or strings."""
    kind = classes.dtype.kind
    if kind in "OU" and all(isinstance(label, str) for label in classes):
        return classes.astype(object)
    if kind in "biuf":
        with np.errstate(invalid="ignore"):
            integers = classes.astype(np.int64)
        if (integers == classes).all():
            return integers
    raise TypeError(
        f"Labels in ONNX are integers or strings, and the classes are {classes!r}: fit "
        "with such labels."
    )


def classify(g, raw, estimator, dtype, labels=None):
    """Add label and probabilities, from raw outputs in double."""
    classes = label_values(estimator.classes_) if labels is None else labels
    first = g("Gather", raw, np.array(0), axis=1)
    if estimator._model.target.multilabel:
        proba = g("Sigmoid", raw)
        label = g.cast(g("Greater", raw, np.array(0.0)), np.int64)
    elif len(classes) > 2:
        proba = g("Softmax", raw, axis=1)
        label = g("Gather", classes, g("ArgMax", raw, axis=1, keepdims=0))
    elif len(classes) > 1:
        proba = g("Concat", g("Sigmoid", g("Neg", raw)), g("Sigmoid", raw), axis=1)
        positive = g.cast(g("Greater", first, np.array(0.0)), np.int64)
        label = g("Gather", classes, positive)
    else:
        # The only class is certain, and NaN stays NaN.
        nothing = g("Mul", raw, np.array(0.0))
        proba = g("Add", nothing, np.array(1.0))
        label = g("Gather", classes, g.cast(g("Greater", first, first), np.int64))
    label_shape = (len(classes),) if estimator._model.target.multilabel else ()
    return [
        Output("label", label, classes.dtype, label_shape),
        Output("probabilities", g.cast(proba, dtype), dtype, (len(classes),)),
    ]


def regress(g, raw, estimator, dtype, labels=None):
    """Add predictions, from raw outputs in double."""
    value = g("Mul", raw, estimator._model.target.scale)
    value = g.cast(g("Add", value, estimator._model.target.mean), dtype)
    return [Output("variable", value, dtype, (estimator.n_outputs_,))]


# What a graph gives for the raw outputs of an estimator.
OUTPUTS = {RNNClassifier: classify, RNNRegressor: regress}


def output_function(estimator):
    """Return the function of OUTPUTS for an estimator, and refuse the rest."""
    for kind, function in OUTPUTS.items():
        if isinstance(estimator, kind):
            return function
    names = ", ".join(kind.__name__ for kind in OUTPUTS)
    raise TypeError(
        f"Expected a fitted {names} or SequenceForecaster, or a Pipeline that ends "
        f"with one, got {estimator!r}."
    )


def score_batch(g, x, sequence_lens, estimator, dtype, labels=None):
    """Add all from padded sequences to the outputs of an estimator."""
    function, fitted = output_function(estimator), Fitted(estimator)
    x, lengths, valid = read_batch(g, x, sequence_lens, fitted)
    y, last = run_layers(g, x, lengths, fitted)
    pooled = POOLINGS[fitted.structure["pooling"]](g, y, last, lengths, fitted)
    return function(g, read_head(g, pooled, valid, fitted), estimator, dtype, labels)


# ----------------------------------------------------------------- stream


class StepGraph:
    """One step of streams: what `StepNetwork` is for the compiled kernels.

    Parameters
    ----------
    g : Graph
    estimator : RNNClassifier or RNNRegressor
        Fitted, and able to follow a stream.
    """

    def __init__(self, g, estimator):
        self.g, self.estimator, self.fitted = g, estimator, Fitted(estimator)
        structure, encoder = self.fitted.structure, self.fitted.encoder
        sizes = structure["hidden_layer_sizes"]
        self.k = encoder.segment_length
        self.pooling = structure["pooling"]
        self.counts = self.k > 1 or self.pooling in ("mean", "max")
        # The state by name: dtype, and the shape behind n_seqs. Zeros begin.
        dtype = self.fitted.dtype
        self.state = {}
        if self.counts:
            self.state["n_steps"] = np.dtype(np.int64), ()
        if self.k > 1:
            self.state["segment"] = dtype, (encoder.n_in,)
        if self.pooling in ("mean", "max"):
            self.state["total"] = dtype, (sizes[-1],)
        self.letters = ONNX_CELLS[structure["cell"]].states
        for i, n_units in enumerate(sizes):
            for letter in self.letters:
                self.state[f"{letter}{i}"] = dtype, (n_units,)

    def score(self, x, dtype):
        """Add a step (n_seqs, n_features); return the outputs, and then the state's."""
        g, k, fitted = self.g, self.k, self.fitted
        x, finite = encode(g, x, fitted)
        valid = all_true(g, finite, 1)
        after = {}
        commit = valid  # whether the step is the last one of its segment
        if self.counts:
            one = g.cast(valid, np.int64)
            after["n_steps"] = g("Add", "n_steps", one)
        if k > 1:
            x, filled = self._fill_segment(x)
            after["segment"] = self._where(valid, x, "segment")
            commit = g("And", valid, g("Equal", filled, np.array(k - 1)))
        initial = [
            [g("Unsqueeze", f"{letter}{i}", np.array([0])) for letter in self.letters]
            for i in range(len(fitted.layers()))
        ]
        x = g("Unsqueeze", x, np.array([0]))
        y, last = run_layers(g, x, None, fitted, initial)
        pooled, total = self._pool(g("Squeeze", y, np.array([0])))
        if total is not None:
            after["total"] = self._where(commit, total, "total")
        for i, states in enumerate(last):
            for letter, new in zip(self.letters, states, strict=True):
                name = f"{letter}{i}"
                new = g("Squeeze", new, np.array([0]))
                after[name] = self._where(commit, new, name)
        raw = read_head(g, pooled, valid, fitted)
        outputs = output_function(self.estimator)(g, raw, self.estimator, dtype)
        for name, (dtype_, shape) in self.state.items():
            outputs.append(Output(f"{name}_next", after[name], dtype_, shape))
        return outputs

    def _fill_segment(self, x):
        # The step goes to its place and to all after it.
        g, k = self.g, self.k
        n_channels = self.fitted.encoder.n_in // k
        filled = g("Mod", "n_steps", np.array(k))
        place = np.repeat(np.arange(k), n_channels)
        here = g("GreaterOrEqual", place, g("Unsqueeze", filled, np.array([1])))
        return g("Where", here, g("Tile", x, np.array([1, k])), "segment"), filled

    def _pool(self, h):
        # What is pooled, and what `total` becomes when the segment is full.
        g = self.g
        if not self.counts or self.pooling not in ("mean", "max"):
            return h, None
        n_before = g("Div", "n_steps", np.array(self.k)) if self.k > 1 else "n_steps"
        n_before = g("Unsqueeze", n_before, np.array([1]))
        if self.pooling == "mean":
            total = g("Add", "total", h)
            n = g.cast(g("Add", n_before, np.array(1)), self.fitted.dtype)
            return g("Div", total, n), total
        first = g("Equal", n_before, np.array(0))
        total = g("Where", first, h, g("Max", "total", h))
        return total, total

    def _where(self, condition, new, old):
        g = self.g
        return g("Where", g("Unsqueeze", condition, np.array([1])), new, old)
