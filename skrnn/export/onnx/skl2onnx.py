"""The estimators as skl2onnx converts them, for pipelines with what it knows."""

import numpy as np

from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.export.onnx.graph import OLDEST_OPSET, Graph, import_optional
from skrnn.export.onnx.sequence import label_values, scale, score_batch
from skrnn.preprocessing import SequenceScaler

__all__ = ["register_skl2onnx"]


def register_skl2onnx():
    """Let skl2onnx convert the estimators and the transformer of this package.

    After this call ``skl2onnx.to_onnx`` and ``convert_sklearn`` take pipelines and
    other meta-estimators with :class:`~skrnn.RNNClassifier`,
    :class:`~skrnn.RNNRegressor` and :class:`~skrnn.preprocessing.SequenceScaler`
    inside. They declare one input or two: sequences (n_seqs, n_steps, n_features), or
    (n_seqs, n_steps) if univariate, and then, for padded ones, how many steps each has.
    Calling it again changes nothing.

    See Also
    --------
    to_onnx : Convert without skl2onnx; it also makes models for streams.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skrnn import RNNRegressor
    >>> from skrnn.export import register_skl2onnx
    >>> X = np.random.default_rng(0).normal(size=(20, 6))
    >>> model = make_pipeline(StandardScaler(), RNNRegressor(8, max_iter=5))
    >>> model = model.fit(X, X[:, 0])
    >>> register_skl2onnx()  # doctest: +SKIP
    >>> import skl2onnx  # doctest: +SKIP
    >>> skl2onnx.to_onnx(model, X).graph.output[0].name  # doctest: +SKIP
    'variable'
    """
    skl2onnx = import_optional("skl2onnx", "register_skl2onnx")
    labels = {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
    }
    register = skl2onnx.update_registered_converter
    register(
        RNNClassifier,
        "SkrnnRNNClassifier",
        _classifier_types,
        _convert_network,
        options=labels,
    )
    register(RNNRegressor, "SkrnnRNNRegressor", _regressor_types, _convert_network)
    register(
        SequenceScaler,
        "SkrnnSequenceScaler",
        _scaler_types,
        _convert_scaler,
        parser=_parse_scaler,
    )


# ------------------------------------------------------------------ types


def _float_type(operator, shape):
    # float32 stays so; whatever else comes in becomes float64, as NumPy has it.
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    given = operator.inputs[0].type
    kind = FloatTensorType if isinstance(given, FloatTensorType) else DoubleTensorType
    return kind(shape)


def _dtype(operator):
    from skl2onnx.common.data_types import FloatTensorType

    single = isinstance(operator.inputs[0].type, FloatTensorType)
    return np.dtype(np.float32 if single else np.float64)


def _classifier_types(operator):
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    estimator = operator.raw_operator
    n_seqs = operator.inputs[0].get_first_dimension()
    shape = [n_seqs, len(estimator.classes_)]
    kind = StringTensorType if _labels(operator).dtype == object else Int64TensorType
    operator.outputs[0].set_type(
        kind(shape if estimator._model.target.multilabel else [n_seqs])
    )
    operator.outputs[1].set_type(_float_type(operator, shape))


def _regressor_types(operator):
    n_seqs = operator.inputs[0].get_first_dimension()
    shape = [n_seqs, operator.raw_operator.n_outputs_]
    operator.outputs[0].set_type(_float_type(operator, shape))


def _scaler_types(operator):
    x = operator.inputs[0].type
    operator.outputs[0].set_type(_float_type(operator, x.shape))
    for given, output in zip(operator.inputs[1:], operator.outputs[1:], strict=True):
        output.set_type(type(given.type)(given.type.shape))


# ------------------------------------------------------------- converters


def _parse_scaler(scope, model, inputs, custom_parsers=None):
    # The number of steps goes through, to whoever comes next.
    operator = scope.declare_local_operator("SkrnnSequenceScaler", model)
    operator.inputs = inputs
    names = ["variable", "sequence_lens"][: len(inputs)]
    for name, given in zip(names, inputs, strict=True):
        output = scope.declare_local_variable(name, given.type)
        operator.outputs.append(output)
    return operator.outputs


def _labels(operator):
    from skl2onnx.common.utils_classifier import get_label_classes

    # With the option "nocl" these are the numbers of the classes.
    return label_values(get_label_classes(operator.scope_inst, operator.raw_operator))


def _open(scope, operator, container):
    """Return a graph for a container, and the operator's inputs."""
    opset = container.target_opset_any_domain("")
    if opset < OLDEST_OPSET:
        raise ValueError(
            f"target_opset must be at least {OLDEST_OPSET} for "
            f"{type(operator.raw_operator).__name__}, got {opset}."
        )
    g = Graph(opset, scope.get_unique_variable_name)
    x, *sequence_lens = [variable.onnx_name for variable in operator.inputs]
    return g, x, sequence_lens[0] if sequence_lens else None


def _close(g, tensors, operator, container):
    for tensor, variable in zip(tensors, operator.outputs, strict=True):
        g("Identity", tensor, output=variable.onnx_name)
    container.nodes.extend(g.nodes)
    container.initializers.extend(g.initializers)
    container.node_domain_version_pair_sets.add(("", g.opset))


def _convert_network(scope, operator, container):
    estimator = operator.raw_operator
    g, x, sequence_lens = _open(scope, operator, container)
    shape = operator.inputs[0].type.shape
    if len(shape) == 2:
        x = g("Unsqueeze", x, np.array([2]))
    if sequence_lens is not None:
        sequence_lens = g.cast(sequence_lens, np.int64)
    labels = _labels(operator) if hasattr(estimator, "classes_") else None
    outputs = score_batch(g, x, sequence_lens, estimator, _dtype(operator), labels)
    _close(g, [output.tensor for output in outputs], operator, container)


def _convert_scaler(scope, operator, container):
    g, x, sequence_lens = _open(scope, operator, container)
    tensors = [scale(g, x, operator.raw_operator, _dtype(operator))]
    if sequence_lens is not None:
        tensors.append(sequence_lens)
    _close(g, tensors, operator, container)
