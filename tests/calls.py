"""How many functions are called: what Python costs, on any machine at any load."""

import sys


def count_calls(function):
    """Return how many functions of Python and C are called by one call."""
    n_calls = 0

    def count(frame, event, value):
        nonlocal n_calls
        n_calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return n_calls
