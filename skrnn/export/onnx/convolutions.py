"""Random convolutions as a piece of an ONNX graph."""

import numpy as np

from skrnn.export.onnx.graph import all_true
from skrnn.inputs.convolutions import weights_of

LARGEST = np.finfo(np.float32).max / 32  # of standardised values: see `lay_out`


def convolve(g, x, lens, convolutions, segment_length):
    """Add what the kernels find in each segment of steps.

    Parameters
    ----------
    g : Graph
    x : str
        (n_seqs, n_steps, n_features), whole segments; what stands behind the end of a
        sequence is not read.
    lens : str
        (n_seqs,) int64
    convolutions : Convolutions
    segment_length : int

    Returns
    -------
    outputs : str
        (n_segments, n_seqs, n_out) float32
    valid : str
        (n_seqs,) bool: whether all values are small enough.
    """
    at = g("Squeeze", g.size(x, 1), np.array([0]))
    at = g("Unsqueeze", g("Range", np.array(0), at, np.array(1)), np.array([0]))
    there = g("Less", at, g("Unsqueeze", lens, np.array([1])))
    there = g("Unsqueeze", there, np.array([1]))  # (n_seqs, 1, n_steps)
    x = g("Transpose", g.cast(x, np.float64), perm=[0, 2, 1])
    known = g("And", there, g("Not", g("IsNaN", x)))
    x = g("Sub", x, convolutions.mean[:, np.newaxis])
    x = g("Div", x, convolutions.scale[:, np.newaxis])
    small = g("Less", g("Abs", x), np.array(LARGEST, dtype=np.float64))
    valid = all_true(g, g("Or", small, g("Not", known)), 1, 2)
    x = g("Where", g("And", known, small), x, np.array(0.0))
    outputs = _run_kernels(g, g.cast(x, np.float32), convolutions.kernels)
    kernels, threshold = convolutions.kernels, convolutions.threshold[:, np.newaxis]
    counts = g("Gather", known, kernels.channel.astype(np.int64), axis=1)
    over = g("And", counts, g("Greater", outputs, threshold))
    most = g("Where", counts, outputs, np.float32(-np.inf))
    shape = np.array([0, 0, -1, segment_length])
    counts, over = (
        g.reduce("ReduceSum", g("Reshape", g.cast(each, np.float32), shape), 3)
        for each in (counts, over)
    )
    share = g("Div", over, g("Max", counts, np.float32(1)))
    most = g.reduce("ReduceMax", g("Reshape", most, shape), 3)
    most = g("Sub", most, threshold)
    seen = g("Greater", counts, np.float32(0))
    pooled = g("Concat", share, most, axis=1)
    pooled = g("Sub", g.cast(pooled, np.float64), convolutions.out_mean[:, np.newaxis])
    pooled = g("Div", pooled, convolutions.out_scale[:, np.newaxis])
    seen = g("Concat", seen, seen, axis=1)
    pooled = g("Where", seen, g.cast(pooled, np.float32), np.float32(0))
    return g("Transpose", pooled, perm=[2, 0, 1]), valid


def _run_kernels(g, x, kernels):
    """Add the outputs of all kernels, (n_seqs, n_kernels, n_steps)."""
    order, found = [], []
    n_features = int(kernels.channel.max()) + 1
    x = g.slice(x, 1, 0, n_features)
    for dilation in np.unique(kernels.dilation).tolist():
        rows = np.flatnonzero(kernels.dilation == dilation)
        weights = np.zeros((len(rows), n_features, 9), dtype=np.float32)
        taps = weights_of(kernels.taps[rows])
        weights[np.arange(len(rows)), kernels.channel[rows]] = taps
        before = kernels.n_before * dilation
        pads = [before, 8 * dilation - before]
        found.append(g("Conv", x, weights, dilations=[dilation], pads=pads))
        order.extend(rows.tolist())
    outputs = found[0] if len(found) == 1 else g("Concat", *found, axis=1)
    return g("Gather", outputs, np.argsort(order), axis=1)
