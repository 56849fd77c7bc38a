"""ONNX: fitted networks as graphs that other runtimes score.

A graph is put together from pieces, each a function that adds nodes and returns the
names of what they compute: standardisation, segments, recurrent layers, pooling, head,
and last what an estimator makes of the raw outputs. A batch and a stream share them.
"""

from numbers import Integral

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrnn import __version__
from skrnn.estimators import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn.export._onnx_forecast import FittedForecaster, forecast
from skrnn.export._onnx_graph import (
    OLDEST_OPSET,
    ONNX_CELLS,
    Fitted,
    Graph,
    Lengths,
    Output,
    all_true,
    check_input_dtype,
    import_optional,
    is_finite,
    run_layers,
)
from skrnn.preprocessing import SequenceScaler

__all__ = ["onnx_initial_state", "to_onnx"]


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


def pool_last(g, y, last, lengths, fitted):
    """Add the last state of each direction."""
    pooled = g("Transpose", last[-1][0], perm=[1, 0, 2])
    return g("Reshape", pooled, np.array([0, len(fitted.weights["head.W"])]))


def pool_mean(g, y, last, lengths, fitted):
    """Add the mean over the steps."""
    total = g.reduce("ReduceSum", _alive(g, y, lengths, fitted), 0)
    n = g.cast(g("Unsqueeze", lengths.lengths, np.array([1])), fitted.dtype)
    return g("Div", total, n)


def pool_max(g, y, last, lengths, fitted):
    """Add the largest value over the steps."""
    return g.reduce("ReduceMax", _alive(g, y, lengths, fitted, -np.inf), 0)


def pool_attention(g, y, last, lengths, fitted):
    """Add the mean with weights softmax(y q) over the steps."""
    score = g("MatMul", y, fitted.weights["attention.q"][:, np.newaxis])
    weight = g("Softmax", _alive(g, score, lengths, fitted, -np.inf), axis=0)
    y = _alive(g, y, lengths, fitted)
    return g.reduce("ReduceSum", g("Mul", weight, y), 0)


def _alive(g, x, lengths, fitted, else_value=0):
    return g("Where", lengths.alive, x, fitted.dtype.type(else_value))


# (g, states of the last layer, last states of all, lengths, fitted) -> what is pooled,
# (n_seqs, n_pooled)
POOLINGS = {
    "last": pool_last,
    "mean": pool_mean,
    "max": pool_max,
    "attention": pool_attention,
}


def read_head(g, pooled, valid, fitted):
    """Add the head: raw outputs (n_seqs, n_out) in double, NaN where they are none."""
    weights = fitted.weights
    raw = g("Add", g("MatMul", pooled, weights["head.W"]), weights["head.b"])
    valid = g("And", valid, all_true(g, is_finite(g, raw, fitted), 1))
    valid = g("Unsqueeze", valid, np.array([1]))
    return g("Where", valid, g.cast(raw, np.float64), np.array(np.nan))


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
    """One step of streams: what `Cursor` is for the compiled kernels.

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


# ------------------------------------------------------------------ model


def pipeline_steps(estimator):
    """Return the steps that an estimator has, itself if it is no pipeline."""
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = []
    for _, step in estimator.steps:
        if step is not None and not isinstance(step, str):  # "passthrough"
            steps += pipeline_steps(step)
    return steps


def stamp(model, estimator, **about):
    """Say in a model where it comes from, and what else is to be said about it."""
    from onnx import helper

    model.producer_name, model.producer_version = "skrnn", __version__
    properties = {"skrnn_version": __version__, "estimator": type(estimator).__name__}
    helper.set_model_props(model, properties | about)
    return model


def to_onnx(
    estimator, *, streaming=False, input_dtype="float64", target_opset=18, name=None
):
    """Convert a fitted estimator, or a pipeline that ends with one, to ONNX.

    The model scores padded batches of sequences, or forecasts padded histories of
    series: standardisation, missing values, windows and segments are part of it.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor, SequenceForecaster or Pipeline
        A fitted estimator, or a fitted :class:`~sklearn.pipeline.Pipeline` of
        transformers and a classifier or regressor. Any number of
        :class:`~skrnn.preprocessing.SequenceScaler` keeps what is said here of inputs;
        with other transformers, which skl2onnx must know, the only input is the array
        ``X`` of shape (n_seqs, n_steps) that the pipeline was fitted on.
    streaming : bool, default=False
        Whether the model takes one step of each sequence at a time, and the state of
        the network as further inputs and outputs.
    input_dtype : {'float64', 'float32'}, default='float64'
        Type of the inputs but ``sequence_lens``, and of probabilities, predictions and
        forecasts. Values that are large beside their spread, such as times, do not
        survive in float32.
    target_opset : int, default=18
        Version of ONNX's operators, at least 14.
    name : str, default=None
        Name of the graph; None is the name of the estimator's class.

    Returns
    -------
    model : onnx.ModelProto
        The inputs are ``X`` of shape (n_seqs, n_steps, n_features) and
        ``sequence_lens`` of shape (n_seqs,), int64: the number of steps of each
        sequence, which begin at step 0. What stands in ``X`` behind them does not
        matter.

        The outputs of a classifier are ``label`` (int64 or strings) of shape (n_seqs,),
        or (n_seqs, n_labels) for a multilabel indicator, and ``probabilities``; of a
        regressor ``variable`` of shape (n_seqs, n_outputs).

        With ``streaming=True``, ``X`` has the shape (n_seqs, n_features), there is no
        ``sequence_lens``, and each further input, such as ``h0``, goes with an output
        ``h0_next``, in the same order, behind those above. A sequence begins with
        zeros: :func:`onnx_initial_state` makes them.

        Of a forecaster, the inputs are ``y_past`` of shape (n_series, n_past,
        n_targets), where NaN is unknown, and ``sequence_lens``: the number of rows of
        each history, which begin at row 0. Where the forecaster reads such things,
        there are also ``x_past`` (n_series, n_past, n_covariates), ``x_future``
        (n_series, horizon, n_known_future) and ``calendar_future`` (n_series, horizon,
        n_calendar); :func:`onnx_inputs` makes all of them of tables. The outputs are
        ``forecast`` of shape (n_series, horizon, n_targets) and ``quantiles``
        (n_series, horizon, n_targets, n_quantiles).

    Raises
    ------
    ValueError
        If the estimator cannot follow a stream: it is bidirectional, its pooling is
        "attention", or it is a forecaster.

    See Also
    --------
    onnx_inputs : What the model of a forecaster is fed.
    register_skl2onnx : Let skl2onnx convert estimators of this package.

    Notes
    -----
    ONNX has no exceptions. What an estimator refuses comes out as NaN (a label is then
    without meaning): a length that is not from 1 to n_steps, infinity, NaN unless
    ``missing='indicator'`` or in series, a value too large for the `dtype` of the
    estimator, one that makes the network overflow. In a stream, a step that is refused
    leaves the state of its sequence as it was.

    Networks of float32 use the operators RNN, LSTM and GRU. ONNX Runtime has none of
    them for float64: networks of float64 are written out as equations in a Scan.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.export import to_onnx
    >>> X = [np.ones((3, 2)), np.zeros((5, 2))] * 10
    >>> clf = RNNClassifier(8, max_iter=20, random_state=0).fit(X, ["a", "b"] * 10)
    >>> model = to_onnx(clf)  # doctest: +SKIP
    >>> [output.name for output in model.graph.output]  # doctest: +SKIP
    ['label', 'probabilities']
    """
    onnx = import_optional("onnx", "to_onnx")
    _check_options(onnx, input_dtype, target_opset, name)
    dtype = np.dtype(input_dtype)
    *transformers, final = pipeline_steps(estimator) or [estimator]
    forecasts = isinstance(final, SequenceForecaster)
    if not forecasts:
        output_function(final)
    final._check_is_fitted()
    for transformer in transformers:
        check_is_fitted(transformer)
    name = type(final).__name__ if name is None else name
    if forecasts:
        _check_forecaster(transformers, streaming)
        fitted, g = FittedForecaster(final), Graph(target_opset)
        inputs, outputs = fitted.inputs(dtype), forecast(g, fitted, dtype)
        model = _make_model(g, name, inputs, outputs, "n_series")
        return stamp(model, final, **fitted.about())
    if streaming:
        final.stream()  # refuses what no stream can follow
    others = [t for t in transformers if not isinstance(t, SequenceScaler)]
    if others:
        if streaming:
            raise ValueError(
                "A pipeline can follow a stream if all its transformers are "
                f"SequenceScaler, and {others[0]!r} is not: it takes all steps of a "
                "sequence at once."
            )
        return _convert_by_skl2onnx([*transformers, final], dtype, target_opset, name)
    g = Graph(target_opset)
    x = "X"
    for scaler in transformers:
        x = scale(g, x, scaler, dtype)
    n_features = final._model.structure["n_features"]
    if streaming:
        step = StepGraph(g, final)
        outputs = step.score(x, dtype)
        inputs = {"X": (dtype, ("n_seqs", n_features))}
        inputs |= {s: (d, ("n_seqs", *shape)) for s, (d, shape) in step.state.items()}
    else:
        outputs = score_batch(g, x, "sequence_lens", final, dtype)
        inputs = {
            "X": (dtype, ("n_seqs", "n_steps", n_features)),
            "sequence_lens": (np.dtype(np.int64), ("n_seqs",)),
        }
    return stamp(_make_model(g, name, inputs, outputs, "n_seqs"), final)


def _check_forecaster(transformers, streaming):
    if streaming:
        raise ValueError(
            "A forecaster has no stream: each forecast reads its window anew. Leave "
            "streaming=False, and give the model the newest rows with each run."
        )
    if transformers:
        raise ValueError(
            f"A forecaster is converted alone, and not with {transformers[0]!r} before "
            "it, which takes tables. Convert the last step of the pipeline, and give "
            "the model what the steps before make of them."
        )


def _check_options(onnx, input_dtype, target_opset, name):
    check_input_dtype(input_dtype)
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(target_opset, Integral) or not (
        OLDEST_OPSET <= target_opset <= newest
    ):
        raise ValueError(
            f"target_opset must be an int from {OLDEST_OPSET} to {newest}, the newest "
            f"that the installed onnx knows, got {target_opset!r}."
        )
    if name is not None and (not isinstance(name, str) or not name):
        raise ValueError(f"name must be a str that is not empty, got {name!r}.")


def _make_model(g, name, inputs, outputs, first_axis):
    from onnx import helper

    for output in outputs:
        g("Identity", output.tensor, output=output.name)

    def declare(name, dtype, shape):
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        g.nodes,
        name,
        [declare(name, *about) for name, about in inputs.items()],
        [declare(o.name, o.dtype, (first_axis, *o.shape)) for o in outputs],
        g.initializers,
    )
    opset = helper.make_opsetid("", g.opset)
    version = helper.find_min_ir_version_for([opset])
    return helper.make_model(graph, opset_imports=[opset], ir_version=version)


def _convert_by_skl2onnx(steps, dtype, target_opset, name):
    skl2onnx = import_optional("skl2onnx", "to_onnx of such a pipeline")
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    from skrnn.export._skl2onnx import register_skl2onnx

    register_skl2onnx()
    tensor_type = FloatTensorType if dtype == np.float32 else DoubleTensorType
    pipeline = Pipeline([(f"step{i}", step) for i, step in enumerate(steps)])
    model = skl2onnx.to_onnx(
        pipeline,
        initial_types=[("X", tensor_type([None, steps[0].n_features_in_]))],
        target_opset=target_opset,
        options={id(steps[-1]): {"zipmap": False}} if _has_labels(steps[-1]) else None,
        name=name,
    )
    return stamp(model, steps[-1])


def _has_labels(estimator):
    return isinstance(estimator, RNNClassifier)


def onnx_initial_state(model, n_seqs=1):
    """Make the state that a streaming model begins a sequence with.

    Parameters
    ----------
    model : onnx.ModelProto
        What ``to_onnx(estimator, streaming=True)`` returned.
    n_seqs : int, default=1
        How many sequences are read side by side.

    Returns
    -------
    state : dict of str to ndarray
        Zeros for each input but ``X``. Set the rows of a sequence to zero to begin
        that one anew.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.export import onnx_initial_state, to_onnx
    >>> X = np.random.default_rng(0).normal(size=(20, 6, 2))
    >>> reg = RNNRegressor(8, cell="lstm", max_iter=5).fit(X, X[:, 0, 0])
    >>> model = to_onnx(reg, streaming=True)  # doctest: +SKIP
    >>> state = onnx_initial_state(model, n_seqs=3)  # doctest: +SKIP
    >>> {name: zeros.shape for name, zeros in state.items()}  # doctest: +SKIP
    {'n_steps': (3,), 'total': (3, 8), 'h0': (3, 8), 'c0': (3, 8)}
    """
    onnx = import_optional("onnx", "onnx_initial_state")
    if not isinstance(n_seqs, Integral) or n_seqs < 1:
        raise ValueError(f"n_seqs must be an int of at least 1, got {n_seqs!r}.")
    state = {}
    outputs = {output.name for output in model.graph.output}
    for given in model.graph.input:
        if f"{given.name}_next" not in outputs:
            continue
        tensor = given.type.tensor_type
        shape = [n_seqs, *(dim.dim_value for dim in tensor.shape.dim[1:])]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        state[given.name] = np.zeros(shape, dtype)
    if not state:
        raise ValueError(
            "The model has no state. Convert with to_onnx(estimator, streaming=True)."
        )
    return state
