"""Many short arrays computed as few long ones, since each call of NumPy costs."""

import numpy as np

__all__ = ["map_blocks"]

# How many numbers are computed at once: they stay in the cache.
BLOCK = 1 << 15


def map_blocks(function, arrays):
    """Compute a function of each array that treats all steps alike.

    Parameters
    ----------
    function : callable
        Makes of steps (n_steps, n_features) or (n_steps,) as many, each from one step.
    arrays : list of ndarray
        Sequences.

    Returns
    -------
    results : list of ndarray
        New arrays, with the bits of ``[function(array) for array in arrays]``.
    """
    results = []
    start, size = 0, 0
    for stop, array in enumerate(arrays):
        first = arrays[start]
        if size + array.size > BLOCK or not _joins(array, first):
            results += _map_block(function, arrays[start:stop])
            start, size = stop, 0
        size += array.size
    return results + _map_block(function, arrays[start:])


def _joins(array, first):
    """Whether an array can be computed together with another one."""
    return array.dtype == first.dtype and array.ndim == first.ndim


def _map_block(function, arrays):
    if len(arrays) < 2:
        return [function(array) for array in arrays]
    whole = function(np.concatenate(arrays))
    results, start = [], 0
    for array in arrays:
        stop = start + len(array)
        # A copy, so that one sequence does not keep the others in memory.
        results.append(whole[start:stop].copy())
        start = stop
    return results
