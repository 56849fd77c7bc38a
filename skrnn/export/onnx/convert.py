"""ONNX: fitted networks as graphs that other runtimes score."""

from numbers import Integral

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from skrnn import __version__
from skrnn.estimators._fitted import FittedEstimator
from skrnn.export.onnx import (  # noqa: F401 - they register models and targets
    detection,
    forecast,
    language,
    sequence,
    step_targets,
    translation,
)
from skrnn.export.onnx.graph import (
    ML,
    OLDEST_OPSET,
    Graph,
    NotConvertibleError,
    check_input_dtype,
    exports,
    import_optional,
)
from skrnn.export.onnx.sequence import transforms
from skrnn.export.onnx.skl2onnx import OPTIONS, register_skl2onnx

__all__ = ["onnx_initial_state", "to_onnx"]


def pipeline_steps(estimator):
    """Return the steps of an estimator that change X; itself if it is no pipeline."""
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = []
    for _, step in estimator.steps:
        if step is None or isinstance(step, str):  # "passthrough"
            continue
        if isinstance(step, FunctionTransformer) and step.func is None:
            check_is_fitted(step)
            continue
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
    estimator,
    *,
    streaming=False,
    decode=True,
    input_dtype="float64",
    target_opset=18,
    name=None,
):
    """Convert a fitted estimator, or a pipeline that ends with one, to ONNX.

    The model scores padded batches of sequences, or forecasts padded histories of
    series: standardisation, missing values, windows and segments are part of it.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor, \
            SequenceTranscriber, SequenceTranslator, LanguageModel, \
            SequenceForecaster or Pipeline
        A fitted estimator, or a fitted :class:`~sklearn.pipeline.Pipeline` of
        transformers and a classifier or regressor. Any number of
        :class:`~skrnn.preprocessing.SequenceScaler` does not change the inputs that are
        described here; with other transformers, which skl2onnx must know, the only
        input is the array ``X`` of shape (n_seqs, n_steps) that the pipeline was fitted
        on.
    streaming : bool, default=False
        Whether the model takes one step of each sequence at a time, and the state of
        the network as further inputs and outputs. The model of a
        :class:`~skrnn.SequenceTranslator` is the encoder, or with True one step of the
        decoder, which reads what the encoder gives.
    decode : bool, default=True
        Whether the model of a :class:`~skrnn.SequenceTagger` with ``crf=True`` finds
        the best path of labels. False leaves ``label`` out.
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

        With categorical features, ``X`` has the features of numbers, and is left out
        if there are none. For each categorical feature, such as the first one, there is
        an input ``tokens0`` of shape (n_seqs, n_steps), of strings or of int64 (0 and 1
        for bools). Tokens that were not in `fit` are unknown ones.

        The outputs of a classifier are ``label`` (int64 or strings) of shape (n_seqs,),
        or (n_seqs, n_labels) for a multilabel indicator, and ``probabilities``; of a
        regressor ``variable`` of shape (n_seqs, n_outputs).

        The outputs of a tagger and of a step regressor have the axes (n_seqs, n_steps)
        in place of n_seqs. Behind the end of a sequence, numbers are NaN, and a label
        is without meaning. A model with ``crf=True`` gives ``emissions`` (n_seqs,
        n_steps, n_classes) and the constants ``transitions`` (n_classes, n_classes),
        ``start_transitions`` and ``end_transitions`` (n_classes,) in place of
        ``probabilities``; what is not allowed has minus infinity. A table is a batch of
        one sequence.

        With ``streaming=True``, ``X`` has the shape (n_seqs, n_features) and
        ``tokens0`` the shape (n_seqs,), outputs have no axis of steps, there is no
        ``sequence_lens``, and each further input, such as ``h0``, goes with an output
        ``h0_next``, in the same order, behind those above. A sequence begins with
        zeros: :func:`onnx_initial_state` makes them.

        Of a translator, the encoder gives ``keys``, ``values``, ``source_lens`` and the
        first states ``h0`` and so on. The step of the decoder reads these and ``ids``
        (n_rows,), the last token of each target, and gives ``log_proba`` (n_rows,
        n_outputs), ``attention`` (n_rows, n_segments) and the next states. The metadata
        ``tokens``, ``begin`` and ``end`` say what the ids are: the user guide has the
        loop.

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
        If the model is to follow a stream and the estimator cannot: it is
        bidirectional, its pooling is "attention", or it is a forecaster.
    TypeError
        If no graph can do what the estimator does, such as a
        :class:`~skrnn.SeriesOutlierDetector`, which remembers rows.

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
    if not isinstance(final, FittedEstimator):
        raise TypeError(
            "Expected a fitted estimator of skrnn, or a Pipeline that ends with one, "
            f"got {estimator!r}."
        )
    final._check_is_fitted()
    for transformer in transformers:
        check_is_fitted(transformer)
    name = type(final).__name__ if name is None else name
    if streaming and hasattr(final, "stream"):
        final.stream()  # refuses what no stream can follow
    others = [t for t in transformers if t not in transforms]
    if others and isinstance(final, (*OPTIONS,)):
        if streaming:
            raise ValueError(
                "A pipeline can follow a stream if all its transformers are "
                f"SequenceScaler, and {others[0]!r} is not: it takes all steps of a "
                "sequence at once."
            )
        return _convert_by_skl2onnx([*transformers, final], dtype, target_opset, name)
    g = Graph(target_opset)
    g.decode = decode
    try:
        exported = exports[final._model](
            g, final._model, transformers, dtype, streaming
        )
    except NotConvertibleError as error:
        kind = type(final).__name__
        raise TypeError(f"{kind} cannot be converted to ONNX: {error}") from error
    return stamp(_make_model(g, name, exported), final, **exported.about)


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


def _make_model(g, name, exported):
    from onnx import helper

    for output in exported.outputs:
        g("Identity", output.tensor, output=output.name)

    def declare(name, dtype, shape):
        kind = helper.np_dtype_to_tensor_dtype(dtype)
        return helper.make_tensor_value_info(name, kind, shape)

    first = exported.first_axis
    graph = helper.make_graph(
        g.nodes,
        name,
        [declare(name, *about) for name, about in exported.inputs.items()],
        [
            declare(o.name, o.dtype, o.shape if o.is_constant else (first, *o.shape))
            for o in exported.outputs
        ],
        g.initializers,
    )
    opsets = [helper.make_opsetid("", g.opset)]
    if any(node.domain == ML for node in g.nodes):
        opsets.append(helper.make_opsetid(ML, 2))
    version = helper.find_min_ir_version_for(opsets)
    return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def _convert_by_skl2onnx(steps, dtype, target_opset, name):
    skl2onnx = import_optional("skl2onnx", "to_onnx of such a pipeline")
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    final = steps[-1]
    if not final._columns_are_steps:
        others = [step for step in steps[:-1] if step not in transforms]
        raise ValueError(
            f"{others[0]!r} cannot be converted: skl2onnx converts transformers of "
            "tables, and the pipeline was fitted on sequences of several lengths or "
            "features. Take only SequenceScaler before the estimator, or convert the "
            "last step alone, and give the model what the steps before make of X."
        )
    register_skl2onnx()
    tensor_type = FloatTensorType if dtype == np.float32 else DoubleTensorType
    pipeline = Pipeline([(f"step{i}", step) for i, step in enumerate(steps)])
    has_labels = hasattr(final, "classes_")
    model = skl2onnx.to_onnx(
        pipeline,
        initial_types=[("X", tensor_type([None, steps[0].n_features_in_]))],
        target_opset=target_opset,
        options={id(final): {"zipmap": False}} if has_labels else None,
        name=name,
    )
    return stamp(model, final)


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
    >>> reg = RNNRegressor(8, cell="lstm", pooling="max", max_iter=5).fit(X, X[:, 0, 0])
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
