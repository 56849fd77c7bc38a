"""Estimators, transformers and pipelines as plain values, and back.

The classes are those in `CLASSES` and no others, whatever a file asks for.
"""

from contextlib import contextmanager
from inspect import Parameter, signature
from reprlib import repr as short

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skrnn import estimators
from skrnn.estimators._fitted import FittedEstimator
from skrnn.models.checks import (
    Optional,
    array,
    boolean,
    check_fields,
    check_names,
    either,
    integer,
    list_of,
    names_of,
    number,
    one_of,
    text,
)
from skrnn.preprocessing import (
    ConvolutionFeatures,
    LogMel,
    RandomConvolutions,
    SequenceScaler,
    SequenceVectorizer,
)

# Not of the model: what a session has added, and what `describe` keeps in its own way.
LEFT_OUT = {
    "_model",
    "_training",
    "_metadata_request",
    "_skl_callbacks",
    "_sklearn_output_config",
}
REQUIRED = Parameter.empty  # what a parameter without a default has
METHODS = (
    "fit",
    "partial_fit",
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score",
    "transform",
    "inverse_transform",
)
OUTPUTS = ("default", "pandas", "polars")

# The transformers --------------------------------------------------------------------


def _n_features_in(state):
    return state["n_features_in_"]


def _n_features(state):
    # Each row of a table is a sequence with one feature.
    return 1 if state.get("_columns_are_steps") else state["n_features_in_"]


FEATURES = {
    "n_features_in_": integer(1),
    "feature_names_in_": Optional(names_of(_n_features_in)),
}
# All statistics of a feature that was never known are NaN.
per_feature = either(None, array("floating", _n_features, finite=False))
seen = either(
    number,
    array("int64", _n_features),
    array("float64", _n_features),
)


INTS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def _vocabulary(value, name, state):
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{name} must be a dict of tokens, not {short(value)}.")
    for token, index in value.items():
        text(token, f"A token of {name}", state)
        integer(0, len(value) - 1)(index, f"{name}[{short(token)}]", state)
    if len(set(value.values())) < len(value):
        raise ValueError(f"{name} has two tokens with one id.")


MOMENTS = {
    "mean_": per_feature,
    "var_": per_feature,
    "scale_": per_feature,
    "n_samples_seen_": seen,
}


def _kernels(value, name, state):
    """Check kernels of nine taps, of which three are 2 and the others -1."""
    array("float32", None, 9)(value, name, state)
    if not (((value == 2) | (value == -1)).all() and ((value == 2).sum(1) == 3).all()):
        raise ValueError(f"{name} must have three taps of 2 and six of -1 in each row.")


def _n_kernels(state):
    return len(state["kernels_"])


def _rows_of(name):
    """Return a check for the index of a row of a field, or of a feature."""

    def check(value, field, state):
        n_rows = len(state[name]) if name else _n_features(state)
        array("int32", _n_kernels, low=0, high=n_rows - 1)(value, field, state)

    return check


def _statistics(value, name, state):
    list_of(one_of("share", "max"))(value, name, state)
    if not value or len(set(value)) < len(value):
        raise ValueError(f"{name} must name each statistic once.")


def _first_thresholds(value, name, state):
    array("int64", len(state["kernels_"]) + 1, low=0)(value, name, state)
    if value[0] or (value[1:] < value[:-1]).any():
        raise ValueError(f"{name} must begin with 0 and never fall.")


CONVOLUTIONS = {
    **FEATURES,
    "_columns_are_steps": boolean,
    "mean_": array("float64", _n_features),
    "scale_": array("float64", _n_features, low=np.finfo(np.float64).tiny),
    "kernels_": _kernels,
    "dilations_": array("int32", _n_kernels, low=1, high=1 << 20),
}
FIELDS = {
    SequenceScaler: {**FEATURES, "_columns_are_steps": boolean, **MOMENTS},
    StandardScaler: {**FEATURES, **MOMENTS},
    MinMaxScaler: {
        **FEATURES,
        "min_": per_feature,
        "scale_": per_feature,
        "data_min_": per_feature,
        "data_max_": per_feature,
        "data_range_": per_feature,
        "n_samples_seen_": seen,
    },
    MaxAbsScaler: {
        **FEATURES,
        "max_abs_": per_feature,
        "scale_": per_feature,
        "n_samples_seen_": seen,
    },
    RobustScaler: {**FEATURES, "center_": per_feature, "scale_": per_feature},
    SequenceVectorizer: {"vocabulary_": _vocabulary},
    LogMel: {
        **FEATURES,
        "_columns_are_steps": boolean,
        "sample_type_": one_of("float", *INTS),
    },
    RandomConvolutions: {
        **CONVOLUTIONS,
        "channels_": _rows_of(None),
        "thresholds_": array("float32", _n_kernels),
        "pool_length_": integer(1, 1 << 20),
        "_causal": boolean,
        "_statistics": _statistics,
    },
    ConvolutionFeatures: {
        **CONVOLUTIONS,
        "_sums": array("bool", None, _n_features),
        "_channel": _rows_of("_sums"),
        "_first": _first_thresholds,
        "thresholds_": array("float32", lambda state: int(state["_first"][-1])),
        "_whole": array("uint8", _n_kernels),
    },
}
# What each uses, and the parameter that says whether it does.
USED = {
    SequenceScaler: {"mean_": "with_mean", "scale_": "with_std"},
    StandardScaler: {"mean_": "with_mean", "scale_": "with_std"},
    MinMaxScaler: {"min_": None, "scale_": None},
    MaxAbsScaler: {"scale_": None},
    RobustScaler: {"center_": "with_centering", "scale_": "with_scaling"},
}


def _check_scaler(scaler):
    if hasattr(scaler, "_parameter_constraints"):
        scaler._validate_params()
    else:
        for name, value in scaler.get_params().items():
            boolean(value, name, None)
    if isinstance(scaler, MinMaxScaler):
        # Only fit looks at them, but clip uses them.
        list_of(number, tuple)(scaler.feature_range, "feature_range", None)
        if len(scaler.feature_range) != 2:
            raise ValueError("feature_range must be two numbers.")
    state, kind = vars(scaler), type(scaler)
    if not _is_fitted(scaler):
        return
    check_fields(state, FIELDS[kind])
    for name, parameter in USED.get(kind, {}).items():
        if parameter is not None and not getattr(scaler, parameter):
            continue
        if state[name] is None:
            raise ValueError(f"{name} must not be None.")
        divides = name == "scale_" and kind is not MinMaxScaler
        if divides and (state[name] == 0).any():
            raise ValueError("scale_ must not be 0.")


def _check_vectorizer(vectorizer):
    # A list or a dict is checked where it is used.
    vectorizer._check_parameters()
    if _is_fitted(vectorizer):
        check_fields(vars(vectorizer), FIELDS[SequenceVectorizer])


# All of them -------------------------------------------------------------------------

_ESTIMATORS = [getattr(estimators, name) for name in estimators.__all__]
CLASSES = {
    cls.__name__: cls
    for cls in [Pipeline, *FIELDS, *_ESTIMATORS]
    if cls in FIELDS or cls is Pipeline or issubclass(cls, FittedEstimator)
}


def _fields(cls):
    return FIELDS[cls] if cls in FIELDS else cls._fields


def _pack(estimator):
    if isinstance(estimator, FittedEstimator):
        return estimator._pack()
    fields, state = FIELDS[type(estimator)], vars(estimator)
    return {name: state[name] for name in fields if name in state}


def _is_fitted(estimator):
    if isinstance(estimator, FittedEstimator):
        return estimator.__sklearn_is_fitted__()
    return any(name in vars(estimator) for name in FIELDS[type(estimator)])


def _check(estimator):
    if isinstance(estimator, FittedEstimator):
        estimator._check_state()
    elif isinstance(estimator, SequenceVectorizer):
        _check_vectorizer(estimator)
    else:
        _check_scaler(estimator)


def _check_pipeline(pipeline):
    pipeline._validate_params()
    if pipeline.transform_input is not None:
        list_of(text)(pipeline.transform_input, "transform_input", None)
    if not pipeline.steps:
        raise ValueError("It must have a step.")
    taken = set(pipeline.get_params(deep=False))
    for i, (name, step) in enumerate(pipeline.steps, 1):
        text(name, "The name of a step", None)
        if not name or "__" in name or name in taken:
            raise ValueError(f"A step cannot be called {short(name)}, or not again.")
        taken.add(name)
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        if not isinstance(step, BaseEstimator):
            raise ValueError(f"The step {short(name)} is {short(step)}.")
        if i < len(pipeline.steps) and not hasattr(step, "transform"):
            raise ValueError(f"The step {short(name)} does not transform.")


def describe(estimator, encoder, prefix=""):
    """Return what an estimator consists of as JSON.

    Parameters
    ----------
    estimator : estimator instance
    encoder : Encoder
        Makes JSON of values, and takes the arrays.
    prefix : str, default=""
        What stands before the names of parameters in errors: the steps of pipelines.

    Returns
    -------
    model : dict
    """
    cls = type(estimator)
    if CLASSES.get(cls.__name__) is not cls:
        advice = ""
        if hasattr(estimator, "best_estimator_"):
            advice = " Its best_estimator_ may be one of them."
        raise TypeError(
            f"{_title(cls, prefix)} cannot be kept in a model file. These can: "
            f"{', '.join(sorted(CLASSES))}.{advice}"
        )
    if cls is Pipeline:
        return _describe_pipeline(estimator, encoder, prefix)
    _refuse_unknown_attributes(estimator, prefix)
    with _saying(_title(cls, prefix)):
        _check(estimator)
    state, fitted = vars(estimator), None
    if _is_fitted(estimator):
        # In the order of the names, by which they are looked up.
        fitted = {
            name: encoder.encode(value, prefix + name)
            for name, value in sorted(_pack(estimator).items())
        }
    model = {
        "class": cls.__name__,
        "fitted": fitted,
        "parameters": _describe_parameters(estimator, encoder, prefix),
    }
    inner = _inner_estimators(estimator)
    if inner:
        model["estimators"] = {
            name: describe(value, encoder, f"{prefix}{name}__")
            for name, value in inner.items()
        }
    if "_sklearn_output_config" in state:
        model["output"] = state["_sklearn_output_config"].get("transform", "default")
    if "_metadata_request" in state:
        requests = estimator.get_metadata_routing()
        requests = {name: getattr(requests, name).requests for name in METHODS}
        model["requests"] = encoder.encode(
            {name: asked for name, asked in requests.items() if asked}, "requests"
        )
    return model


def _refuse_unknown_attributes(estimator, prefix):
    cls = type(estimator)
    known = LEFT_OUT | _fields(cls).keys() | estimator.get_params(deep=False).keys()
    unknown = sorted(vars(estimator).keys() - known)
    if unknown:
        raise TypeError(
            f"{prefix}{unknown[0]} cannot be kept in a model file: it is no attribute "
            f"that {cls.__name__} has by itself. Delete it first, or keep the "
            "estimator with joblib."
        )


def _inner_estimators(estimator):
    """Return the parameters that are estimators themselves, sorted by name."""
    parameters = estimator.get_params(deep=False)
    return {
        name: value
        for name, value in sorted(parameters.items())
        if isinstance(value, FittedEstimator)
    }


def _describe_parameters(estimator, encoder, prefix):
    parameters, inner = {}, _inner_estimators(estimator)
    cls = type(estimator)
    defaults = {} if issubclass(cls, FittedEstimator) else _defaults(cls)
    for name, value in sorted(estimator.get_params(deep=False).items()):
        if name in inner:
            continue
        # Of scikit-learn's classes only what differs from the default, so that versions
        # which have more parameters, or fewer, read it as well.
        # 1 is not 1.0: where one is a number of texts, the other is a share.
        default = defaults.get(name)
        if name not in defaults or type(value) is not type(default) or value != default:
            parameters[name] = encoder.encode(value, prefix + name)
    return parameters


def _defaults(cls):
    """Return the parameters of a class with their defaults, or `REQUIRED`."""
    parameters = signature(cls).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def _describe_pipeline(pipeline, encoder, prefix):
    if pipeline.memory is not None:
        raise TypeError(
            f"{prefix}memory cannot be kept in a model file: a cache is read by "
            "pickle, which runs code. Set it to None first."
        )
    with _saying(_title(Pipeline, prefix)):
        _check_pipeline(pipeline)
    return {
        "class": "Pipeline",
        "parameters": {
            name: encoder.encode(getattr(pipeline, name), prefix + name)
            for name in ("transform_input", "verbose")
        },
        "steps": [
            [name, step]
            if step is None or isinstance(step, str)
            else [name, describe(step, encoder, f"{prefix}{name}__")]
            for name, step in pipeline.steps
        ],
    }


def _title(cls, prefix):
    return f"{cls.__name__} of the step {prefix[:-2]!r}" if prefix else cls.__name__


@contextmanager
def _saying(name):
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name} cannot be kept in a model file: {error}") from error


def restore(model, decoder):
    """Return the estimator that `describe` was given; an error says what is wrong.

    Parameters
    ----------
    model : object
        JSON that anyone may have written.
    decoder : Decoder
        Makes values of it and of the arrays.

    Returns
    -------
    estimator : estimator instance
    """
    if not isinstance(model, dict) or not isinstance(model.get("class"), str):
        raise ValueError("a model is not described by its class")
    cls = CLASSES.get(model["class"])
    if cls is None:
        raise ValueError(f"there is no class {short(model['class'])} to make it of")
    if cls is Pipeline:
        return _restore_pipeline(model, decoder)
    optional = "estimators", "output", "requests"
    _check_keys(model, ("class", "fitted", "parameters"), optional)
    fitted = decoder.decode(model["fitted"])
    parameters = _restore_parameters(model, decoder, _defaults(cls))
    if "estimators" in model:
        inner = _expect_dict(model["estimators"])
        _check_keys(inner, (), _defaults(cls).keys() - parameters.keys())
        for name, each in inner.items():
            parameters[name] = restore(each, decoder)
    estimator = cls(**parameters)
    if fitted is not None:
        check_names(_expect_dict(fitted), _fields(cls), "what was fitted")
        if isinstance(estimator, FittedEstimator):
            cls._check_fitted(fitted)
            vars(estimator).update(cls._unpack(fitted))
        else:
            vars(estimator).update(fitted)
    _check(estimator)
    if "output" in model:
        one_of(*OUTPUTS)(model["output"], "output", None)
        estimator.set_output(transform=model["output"])
    if "requests" in model:
        _restore_requests(estimator, decoder.decode(model["requests"]))
    return estimator


def _restore_parameters(model, decoder, defaults):
    parameters = _expect_dict(decoder.decode(model["parameters"]))
    required = [name for name, value in defaults.items() if value is REQUIRED]
    _check_keys(parameters, required, defaults)
    return parameters


def _restore_requests(estimator, requests):
    for method, asked in _expect_dict(requests).items():
        one_of(*METHODS)(method, "a method with metadata", None)
        for value in _expect_dict(asked).values():
            if not (value is None or isinstance(value, bool | str)):
                raise ValueError(f"metadata cannot be asked for by {short(value)}")
        with config_context(enable_metadata_routing=True):
            getattr(estimator, f"set_{method}_request")(**asked)


def _restore_pipeline(model, decoder):
    _check_keys(model, ("class", "parameters", "steps"))
    known = {"transform_input": None, "verbose": False}
    parameters = _restore_parameters(model, decoder, known)
    steps = []
    for item in _expect(model["steps"], list):
        if not isinstance(item, list) or len(item) != 2:
            raise ValueError(f"a step is not described by {short(item)}")
        name, step = item
        steps.append((name, restore(step, decoder) if isinstance(step, dict) else step))
    pipeline = Pipeline(steps, **parameters)
    _check_pipeline(pipeline)
    return pipeline


def _check_keys(value, required, optional=()):
    for name in required:
        if name not in value:
            raise ValueError(f"there is no {name!r}")
    for name in value:
        if name not in required and name not in optional:
            raise ValueError(f"there is {short(name)}, which is not known")


def _expect(value, kind):
    if not isinstance(value, kind):
        raise ValueError(f"{short(value)} stands where a {kind.__name__} is due")
    return value


def _expect_dict(value):
    return _expect(value, dict)
