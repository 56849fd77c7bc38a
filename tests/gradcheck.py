"""Gradients by finite differences."""

import numpy as np

# (f(x+h) - f(x-h)) and (f(x+2h) - f(x-2h)) so weighted that the error is O(h^4):
# at this step it is far below the rounding of f, which leaves about eleven digits;
# and few kinks (relu, a maximum) lie that near to a random point.
STEP = 1e-4


def numerical_gradient(f, x, step=STEP):
    """Gradient of the scalar function ``f()`` in the array ``x``, changed in place.

    ``x`` must be writable and ``f`` must see the changes; ``x`` is restored.
    """
    gradient = np.empty(x.shape)
    for index in np.ndindex(*x.shape):
        kept = x[index]

        def at(offset, index=index, kept=kept):
            x[index] = kept + offset
            return f()

        gradient[index] = (
            8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))
        ) / (12 * step)
        x[index] = kept
    return gradient
