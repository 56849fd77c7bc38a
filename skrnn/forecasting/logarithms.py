"""Logarithms of targets, which go on as a straight line below a floor."""

import numpy as np

from skrnn._elementary import exp_above, log_above

__all__ = ["inward", "outward"]


def inward(values, floor):
    """Return logarithms of values of any shape, or the values if there is no floor."""
    return _through(log_above, values, floor)


def outward(values, floor):
    """Return the values that `inward` was given."""
    return _through(exp_above, values, floor)


def _through(function, values, floor):
    if not floor:
        return values
    out = np.empty(values.size)
    function(np.ascontiguousarray(values, float).ravel(), float(floor), out)
    return out.reshape(values.shape)
