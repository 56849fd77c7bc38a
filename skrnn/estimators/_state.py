"""What a fitted estimator consists of, and whether its values go together.

An estimator declares the attributes that `fit` leaves in its class attribute `_fields`:
a check for each, in the order in which they may ask for one another. A check is called
with the value, its name, and all fitted attributes by name, and raises ValueError. What
the fields must be together is for the method `_check_together`.

Model files are written and read by these declarations. So a check must stop whatever a
file can hold before anything is made of it: an int that asks for a network of 10^9
units, an index beyond an array, a count that an exponent is made of.
"""

import math
import reprlib
from numbers import Integral, Real

import numpy as np

from skrnn.cells import CELLS
from skrnn.network import POOLINGS

# Kinds of values ---------------------------------------------------------------------


def boolean(value, name, state):
    """Accept a bool."""
    if not isinstance(value, bool | np.bool_):
        raise _wrong(name, "a bool", value)


def integer(low=0, high=None):
    """Return a check for an int of at least `low` and at most `high`."""

    def check(value, name, state):
        if (
            isinstance(value, bool | np.bool_)
            or not isinstance(value, Integral)
            or value < low
            or (high is not None and value > high)
        ):
            upper = "" if high is None else f" and at most {high}"
            raise _wrong(name, f"an int of at least {low}{upper}", value)

    return check


def number(value, name, state):
    """Accept a float or an int, also NaN and infinity."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise _wrong(name, "a number", value)


def text(value, name, state):
    """Accept a string."""
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)


def one_of(*options):
    """Return a check for one of some strings."""

    def check(value, name, state):
        if not isinstance(value, str) or value not in options:
            raise _wrong(name, f"one of {sorted(options)}", value)

    return check


def either(*checks):
    """Return a check for what passes one of `checks`, of which None is for None."""

    def check(value, name, state):
        for option in checks:
            if option is None:
                if value is None:
                    return
                continue
            try:
                return option(value, name, state)
            except ValueError as error:
                why = error
        raise why

    return check


def list_of(each, kind=list):
    """Return a check for a list, or a tuple, whose items pass `each`."""

    def check(value, name, state):
        if not isinstance(value, kind):
            raise _wrong(name, f"a {kind.__name__}", value)
        for i, item in enumerate(value):
            each(item, f"{name}[{i}]", state)

    return check


def tuple_of(each):
    """Return a check for a tuple whose items pass `each`."""
    return list_of(each, tuple)


def record(fields, check_together=None):
    """Return a check for a dict with these `fields` and no others.

    Parameters
    ----------
    fields : dict
        A check for each key; one that is wrapped by `Optional` may be missing.
    check_together : callable, default=None
        ``check_together(value, name, state)`` for fields that are right one by one.
    """

    def check(value, name, state):
        if not isinstance(value, dict):
            raise _wrong(name, "a dict", value)
        check_names(value, fields, name)
        for key, of_key in fields.items():
            if key in value:
                of_key(value[key], f"{name}[{key!r}]", state)
        if check_together is not None:
            check_together(value, name, state)

    return check


class Optional:
    """The check of a field that may be missing."""

    def __init__(self, check):
        self._check = check

    def __call__(self, value, name, state):
        self._check(value, name, state)


def array(dtype, *shape, finite=True, nan=False, low=None, high=None):
    """Return a check for an ndarray.

    Parameters
    ----------
    dtype : str or callable
        Name of the dtype, "floating" for any of floating point, or a function of the
        fitted attributes that gives one of these.
    *shape : int, None or callable
        Each length: a number, None for any, or a function of the fitted attributes.
    finite : bool, default=True
        Whether NaN and infinity are refused.
    nan : bool, default=False
        Whether NaN is taken all the same.
    low, high : float, default=None
        Bounds of the values, which NaN does not meet.
    """

    def check(value, name, state):
        kind = dtype(state) if callable(dtype) else dtype
        if not isinstance(value, np.ndarray) or (
            value.dtype.kind != "f"
            if kind == "floating"
            else value.dtype.newbyteorder("=") != np.dtype(kind)
        ):
            raise _wrong(name, f"an ndarray of {kind}", value)
        _check_shape(value, name, [n(state) if callable(n) else n for n in shape])
        if finite and not (np.isfinite(value) | (nan & np.isnan(value))).all():
            raise ValueError(f"{name} must be finite.")
        if low is not None and not (value >= low).all():
            raise ValueError(f"{name} must be at least {low}.")
        if high is not None and not (value <= high).all():
            raise ValueError(f"{name} must be at most {high}.")

    return check


def names_of(n_features):
    """Return a check for names of columns, `n_features` being a function of the state.

    scikit-learn keeps them as an object array of strings.
    """

    def check(value, name, state):
        if (
            not isinstance(value, np.ndarray)
            or value.dtype != object
            or not all(isinstance(item, str) for item in value.flat)
        ):
            raise _wrong(name, "an object array of strings", value)
        _check_shape(value, name, [n_features(state)])

    return check


def labels(value, name, state):
    """Accept labels of classes: sorted, and each of them once."""
    kinds = "biufUSmMO"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise _wrong(name, "an ndarray of labels", value)
    if value.dtype == object and not all(isinstance(item, str) for item in value.flat):
        raise ValueError(f"Labels in an object array must be strings, as in {name}.")
    _check_shape(value, name, [None])
    if not len(value):
        raise ValueError(f"{name} must hold a label at least.")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite.")
    if not (value[1:] > value[:-1]).all() or (value != value).any():
        raise ValueError(f"{name} must be sorted, and hold each label once.")


def _check_key(value, name, state):
    # A generator of zeros draws nothing else, and draws that are rejected never end.
    key = value["state"]["key"]
    if not (key[0] >> np.uint32(31) or key[1:].any()):
        raise ValueError(f"{name} must not be of zeros only.")


# The state of a RandomState, as its get_state(legacy=False) gives it.
random_state = record(
    {
        "bit_generator": one_of("MT19937"),
        "state": record(
            {"key": array("uint32", 624, finite=False), "pos": integer(0, 624)}
        ),
        "has_gauss": integer(0, 1),
        "gauss": number,
    },
    _check_key,
)


def plain(value, name, state):
    """Accept None, numbers, strings, arrays, and lists, tuples and dicts of them."""
    if isinstance(value, dict):
        for key, item in value.items():
            plain(item, f"{name}[{key!r}]", state)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            plain(item, f"{name}[{i}]", state)
    elif not (value is None or isinstance(value, bool | Real | str | np.ndarray)):
        raise _wrong(name, "a plain value", value)


def check_names(value, fields, name):
    """Refuse a dict that lacks a field or has one that is not among `fields`."""
    for key, of_key in fields.items():
        if key not in value and not isinstance(of_key, Optional):
            raise ValueError(f"{name} lacks {key!r}.")
    for key in value:
        if key not in fields:
            raise ValueError(f"{name} has {reprlib.repr(key)}, which is not known.")


def check_fields(state, fields):
    """Check fitted attributes one by one, in the order of `fields`."""
    for name, check in fields.items():
        if name in state:
            check(state[name], name, state)
        elif not isinstance(check, Optional):
            raise ValueError(f"{name} is missing.")


def _check_shape(value, name, shape):
    if value.ndim != len(shape) or any(
        n is not None and n != m for n, m in zip(shape, value.shape, strict=True)
    ):
        expected = ", ".join("n" if n is None else str(n) for n in shape)
        comma = "," if len(shape) == 1 else ""
        raise ValueError(
            f"{name} must have the shape ({expected}{comma}), got {value.shape}."
        )


def _wrong(name, expected, value):
    if isinstance(value, np.ndarray):
        got = f"an ndarray of {value.dtype}"
    else:
        got = reprlib.repr(value)
    return ValueError(f"{name} must be {expected}, got {got}.")


# The networks ------------------------------------------------------------------------


def n_features(state):
    """Return the features of a step."""
    return state["_structure"]["n_features"]


def n_out(state):
    """Return the outputs of the network."""
    return state["_structure"]["n_out"]


def _dtype(state):
    return state["_structure"]["dtype"]


def _n_params(state):
    return len(state["_theta"])


def _names_or_steps(state):
    return state["n_features_in_"]


# More stalls leave a learning rate of zero: it is divided by 5 for each.
MOST_STALLS = 440
n_stalls = array("int64", low=0, high=MOST_STALLS)
like_theta = array(_dtype, _n_params)
SOLVER_STATES = {
    # The square of a gradient may exceed what float32 holds.
    "adam": {
        "first_moment": like_theta,
        "second_moment": array(_dtype, _n_params, finite=False, low=0),
        "powers": array("float64", 2, low=0, high=1),
    },
    "sgd": {"velocity": like_theta},
}


def solver_state(value, name, state):
    """Accept what a solver carries over to the next fit; None if it is nothing."""
    if value is None:
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise _wrong(name, "None, or the name of a solver and its state", value)
    one_of(*SOLVER_STATES)(value[0], f"{name}[0]", state)
    fields = {"n_stalls": n_stalls}
    if not isinstance(value[1], dict) or len(value[1]) > 1:  # it has made a step
        fields |= SOLVER_STATES[value[0]]
    record(fields)(value[1], f"{name}[1]", state)


structure = record(
    {
        "hidden_layer_sizes": tuple_of(integer(1)),
        "cell": one_of(*CELLS),
        "activation": one_of("tanh", "relu"),
        "bidirectional": boolean,
        "pooling": one_of(*POOLINGS),
        "segment_length": either(one_of("auto"), integer(1)),
        "standardize": boolean,
        "missing": one_of("error", "indicator"),
        "dtype": one_of("float32", "float64"),
        "n_features": integer(1),
        "n_out": integer(1),
    }
)
curve = list_of(number)
per_feature = array("float64", n_features)
per_output = array("float64", n_out)

NETWORK_FIELDS = {
    "_structure": structure,
    "_theta": array(_dtype, None),
    "n_features_in_": integer(1),
    "feature_names_in_": Optional(names_of(_names_or_steps)),
    "_columns_are_steps": boolean,
    "segment_length_": integer(1),
    "_input_mean": either(None, per_feature),
    "_input_scale": either(None, per_feature),
    "_input_fill": either(None, per_feature),
    "n_outputs_": integer(1),
    "n_layers_": integer(3),
    "out_activation_": one_of("identity", "logistic", "softmax"),
    "_seed": integer(0, 2**31 - 1),
    "_training_state": random_state,
    "_solver_state": solver_state,
    "loss_curve_": curve,
    "grad_norm_curve_": curve,
    "validation_loss_curve_": either(None, curve),
    "validation_scores_": either(None, curve),
    "n_iter_": integer(),
    "t_": integer(),
    "loss_": number,
    "best_loss_": number,
    "best_validation_score_": either(None, number),
    "_no_improvement": integer(),
}


class DeclaredState:
    """Mixin: the estimator can tell whether it is what `fit` leaves."""

    _fields = NETWORK_FIELDS

    def _pack(self):
        """Return the fitted attributes as a file holds them."""
        return {name: vars(self)[name] for name in self._fields if name in vars(self)}

    @classmethod
    def _unpack(cls, fields):
        """Return what `_pack` was made of; the names in `fields` are right."""
        return fields

    def _check_state(self):
        """Raise ValueError unless parameters and fitted attributes are in order."""
        self._validate_params()
        self._describe_structure()
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0: there is no work without a thread.")
        if self.__sklearn_is_fitted__():
            check_fields(vars(self), self._fields)
            self._check_together()

    def _check_together(self):
        """Raise ValueError unless the fitted attributes go together."""
        self._check_inputs()
        self._check_theta(self._make_spec())
        self._check_outputs()
        self._check_history()

    def _check_theta(self, spec):
        n_params = spec.layout().n_params
        if n_params != len(self._theta):
            raise ValueError(
                f"A network like this has {n_params} parameters, and _theta holds "
                f"{len(self._theta)}."
            )

    def _check_outputs(self):
        loss = self._make_loss()
        expected = {
            "n_outputs_": loss.n_out,
            "n_layers_": len(self._structure["hidden_layer_sizes"]) + 2,
            "out_activation_": loss.out_activation,
        }
        for name, value in expected.items():
            if vars(self)[name] != value:
                raise ValueError(f"{name} must be {value!r}, got {vars(self)[name]!r}.")
        if self._structure["n_out"] != loss.n_out:
            raise ValueError(
                f"The network has {self._structure['n_out']} outputs, and the targets "
                f"need {loss.n_out}."
            )

    def _check_inputs(self):
        structure = self._structure
        indicator = structure["missing"] == "indicator"
        if self._columns_are_steps:
            if structure["n_features"] != 1:
                raise ValueError("Sequences that are rows of a table have 1 feature.")
        elif structure["n_features"] != self.n_features_in_:
            raise ValueError(
                f"n_features_in_ is {self.n_features_in_}, and the network reads "
                f"{structure['n_features']} features."
            )
        if structure["segment_length"] not in ("auto", self.segment_length_):
            raise ValueError(
                f"segment_length_ must be {structure['segment_length']}, got "
                f"{self.segment_length_}."
            )
        for name, known in (
            ("_input_mean", structure["standardize"]),
            ("_input_scale", structure["standardize"]),
            ("_input_fill", indicator and not structure["standardize"]),
        ):
            if (vars(self)[name] is not None) != known:
                raise ValueError(f"{name} must {'not ' * known}be None.")
        if structure["standardize"] and not (self._input_scale > 0).all():
            raise ValueError("_input_scale must be positive.")

    def _check_history(self):
        n_epochs = len(self.loss_curve_)
        watched = self.validation_scores_ is not None
        if len(self.grad_norm_curve_) != n_epochs or self.n_iter_ > n_epochs:
            raise ValueError("The curves and n_iter_ are not of the same epochs.")
        for name in ("validation_loss_curve_", "best_validation_score_"):
            if (vars(self)[name] is not None) != watched:
                raise ValueError(f"{name} must {'not ' * watched}be None.")
        if watched and not (
            len(self.validation_loss_curve_) == len(self.validation_scores_) <= n_epochs
        ):
            raise ValueError("The validation curves are not of the same epochs.")
        last = self.loss_curve_[-1] if n_epochs else math.nan
        if self.loss_ != last and not (math.isnan(self.loss_) and math.isnan(last)):
            raise ValueError(f"loss_ must be that of the last epoch, {last}.")
