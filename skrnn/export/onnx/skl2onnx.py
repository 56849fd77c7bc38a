"""The estimators as skl2onnx converts them, for pipelines with what it knows."""

import numpy as np

from skrnn.estimators import RNNClassifier, RNNRegressor
from skrnn.export.onnx.graph import OLDEST_OPSET, Graph, import_optional
from skrnn.export.onnx.sequence import label_values, outputs_of, scale, score_batch
from skrnn.preprocessing import SequenceScaler

__all__ = ["OPTIONS", "register_skl2onnx"]

# The estimators that skl2onnx is told about, and the options that it has for them.
OPTIONS = {
    RNNClassifier: {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
    },
    RNNRegressor: None,
}


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
    register = skl2onnx.update_registered_converter
    for kind, options in OPTIONS.items():
        name = f"Skrnn{kind.__name__}"
        register(kind, name, _network_types, _convert_network, options=options)
    register(
        SequenceScaler,
        "SkrnnSequenceScaler",
        _scaler_types,
        _convert_scaler,
        parser=_parse_scaler,
    )


# ------------------------------------------------------------------ types


def _dtype(operator):
    # float32 stays so; whatever else comes in becomes float64, as NumPy has it.
    from skl2onnx.common.data_types import FloatTensorType

    single = isinstance(operator.inputs[0].type, FloatTensorType)
    return np.dtype(np.float32 if single else np.float64)


def _type(dtype, shape):
    from skl2onnx.common.data_types import (
        DoubleTensorType,
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    kinds = {
        "float64": DoubleTensorType,
        "float32": FloatTensorType,
        "int64": Int64TensorType,
        "object": StringTensorType,
    }
    return kinds[np.dtype(dtype).name](shape)


def _network_types(operator):
    estimator = operator.raw_operator
    if estimator._model.categories is not None:
        raise ValueError(
            f"skl2onnx cannot convert an {type(estimator).__name__} that reads tokens. "
            "Use skrnn.export.to_onnx."
        )
    _check_shape(operator, estimator._model.encoder.n_features)
    n_seqs = operator.inputs[0].get_first_dimension()
    declared = _outputs(operator).declare(_dtype(operator))
    for output, (_, dtype, shape) in zip(operator.outputs, declared, strict=True):
        output.set_type(_type(dtype, [n_seqs, *shape]))


def _scaler_types(operator):
    scaler, x = operator.raw_operator, operator.inputs[0].type
    _check_shape(operator, 1 if scaler._columns_are_steps else scaler.n_features_in_)
    operator.outputs[0].set_type(_type(_dtype(operator), x.shape))
    for given, output in zip(operator.inputs[1:], operator.outputs[1:], strict=True):
        output.set_type(type(given.type)(given.type.shape))


def _check_shape(operator, n_features):
    """Refuse inputs that are not declared as the sequences of `fit`."""
    estimator, shape = operator.raw_operator, operator.inputs[0].type.shape
    name = type(estimator).__name__
    if estimator._columns_are_steps:
        if len(shape) == 2 and shape[1] in (None, estimator.n_features_in_):
            return
        said = f"tables with {estimator.n_features_in_} columns, which are steps"
        right = f"DoubleTensorType([None, {estimator.n_features_in_}])"
    else:
        # One column is what skl2onnx guesses of sequences with one feature.
        if len(shape) == 3 and shape[2] in (None, n_features):
            return
        if len(shape) == 2 and n_features == 1 and shape[1] != 1:
            return
        said = f"sequences with n_features={n_features}"
        right = f"DoubleTensorType([None, None, {n_features}])"
        if len(operator.inputs) == 1:
            right += '), ("sequence_lens", Int64TensorType([None])'
    raise ValueError(
        f"{name} was fitted on {said}, and the first input is declared with the shape "
        f'{shape}. Pass initial_types=[("X", {right})] instead of X.'
    )


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


def _outputs(operator):
    # With the option "nocl" the labels are the numbers of the classes.
    from skl2onnx.common.utils_classifier import get_label_classes

    estimator, labels = operator.raw_operator, None
    if hasattr(estimator, "classes_"):
        labels = label_values(get_label_classes(operator.scope_inst, estimator))
    target = estimator._model.target
    return outputs_of[target](target, labels)


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
        # What comes before may give (n_seqs, n_steps, 1) where it declares two axes.
        sizes = g.slice(g("Shape", x), 0, 0, 2)
        x = g("Reshape", x, g("Concat", sizes, np.array([1]), axis=0))
    if sequence_lens is not None:
        sequence_lens = g.cast(sequence_lens, np.int64)
    outputs, dtype = _outputs(operator), _dtype(operator)
    tensors = score_batch(g, x, sequence_lens, estimator._model, outputs, dtype)
    _close(g, tensors, operator, container)


def _convert_scaler(scope, operator, container):
    g, x, sequence_lens = _open(scope, operator, container)
    tensors = [scale(g, operator.raw_operator, x, _dtype(operator))]
    if sequence_lens is not None:
        tensors.append(sequence_lens)
    _close(g, tensors, operator, container)
