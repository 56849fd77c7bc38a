"""Checks of fitted values.

A model declares the fields of its plain form, with one check per field. A check may
read the fields before it. It is called with the value, its name, and all fields by
name, and raises ValueError.

Model files are written and read by these declarations. A file may hold anything. So a
check must refuse a harmful value before it is used: an int that asks for a network of
10^9 units, an index beyond an array, a count that becomes an exponent.
"""

import reprlib
from numbers import Integral, Real

import numpy as np

# Kinds of values ---------------------------------------------------------------------


def boolean(value, name, state):
    """Accept a bool."""
    if not isinstance(value, bool | np.bool_):
        raise check_wrong_type(name, "a bool", value)


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
            raise check_wrong_type(name, f"an int of at least {low}{upper}", value)

    return check


def number(value, name, state):
    """Accept a float or an int, also NaN and infinity."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise check_wrong_type(name, "a number", value)


def text(value, name, state):
    """Accept a string."""
    if not isinstance(value, str):
        raise check_wrong_type(name, "a string", value)


def one_of(*options):
    """Return a check for one of some strings."""

    def check(value, name, state):
        if not isinstance(value, str) or value not in options:
            raise check_wrong_type(name, f"one of {sorted(options)}", value)

    return check


def either(*checks):
    """Return a check for values that pass one of `checks`; None stands for None."""

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
            raise check_wrong_type(name, f"a {kind.__name__}", value)
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
        A check for each key. A key whose check is wrapped by `Optional` may be missing.
    check_together : callable, default=None
        ``check_together(value, name, state)`` checks all fields together, after each
        one has passed its own check.
    """

    def check(value, name, state):
        if not isinstance(value, dict):
            raise check_wrong_type(name, "a dict", value)
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
        Name of the dtype, "floating" for any floating-point dtype, or a function of the
        fitted attributes that returns one of these.
    *shape : int, None or callable
        Each length: a number, None for any number, or a function of the fitted
        attributes.
    finite : bool, default=True
        Whether NaN and infinity are refused.
    nan : bool, default=False
        Whether NaN is accepted although `finite` is true.
    low, high : float, default=None
        Bounds of the values. NaN is outside of all bounds.
    """

    def check(value, name, state):
        kind = dtype(state) if callable(dtype) else dtype
        if not isinstance(value, np.ndarray) or (
            value.dtype.kind != "f"
            if kind == "floating"
            else value.dtype.newbyteorder("=") != np.dtype(kind)
        ):
            raise check_wrong_type(name, f"an ndarray of {kind}", value)
        _check_shape(value, name, [n(state) if callable(n) else n for n in shape])
        if finite and not (np.isfinite(value) | (nan & np.isnan(value))).all():
            raise ValueError(f"{name} must be finite.")
        if low is not None and not (value >= low).all():
            raise ValueError(f"{name} must be at least {low}.")
        if high is not None and not (value <= high).all():
            raise ValueError(f"{name} must be at most {high}.")

    return check


def names_of(n_features):
    """Return a check for names of columns; `n_features` is a function of the state.

    scikit-learn keeps names as an object array of strings.
    """

    def check(value, name, state):
        if (
            not isinstance(value, np.ndarray)
            or value.dtype != object
            or not all(isinstance(item, str) for item in value.flat)
        ):
            raise check_wrong_type(name, "an object array of strings", value)
        _check_shape(value, name, [n_features(state)])

    return check


def labels(value, name, state):
    """Accept labels of classes, sorted and without repetition."""
    kinds = "biufUSmMO"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        raise check_wrong_type(name, "an ndarray of labels", value)
    if value.dtype == object and not all(isinstance(item, str) for item in value.flat):
        raise ValueError(f"{name} is an object array, so its labels must be strings.")
    _check_shape(value, name, [None])
    if not len(value):
        raise ValueError(f"{name} must hold at least one label.")
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite.")
    if not (value[1:] > value[:-1]).all() or (value != value).any():
        raise ValueError(f"{name} must be sorted, and hold each label once.")


def _check_key(value, name, state):
    # A generator whose state is zero returns only zeros. Rejection sampling would then
    # never end.
    key = value["state"]["key"]
    if not (key[0] >> np.uint32(31) or key[1:].any()):
        raise ValueError(f"{name} must not hold only zeros.")


# The result of RandomState.get_state(legacy=False).
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
        raise check_wrong_type(name, "a plain value", value)


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


def check_wrong_type(name, expected, value):
    """Return the error for a value of a wrong kind."""
    if isinstance(value, np.ndarray):
        got = f"an ndarray of {value.dtype}"
    else:
        got = reprlib.repr(value)
    return ValueError(f"{name} must be {expected}, got {got}.")


# States of solvers -------------------------------------------------------------------


def _dtype(state):
    return state["_structure"]["dtype"]


def _n_params(state):
    return len(state["_theta"])


like_theta = array(_dtype, _n_params)
SOLVER_STATES = {
    # The square of a gradient may be too large for float32.
    "adam": {
        "first_moment": like_theta,
        "second_moment": array(_dtype, _n_params, finite=False, low=0),
        "powers": array("float64", 2, low=0, high=1),
    },
    "sgd": {"velocity": like_theta},
}
