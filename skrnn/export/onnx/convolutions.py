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
    _, x, known = _standardised(g, x, lens, convolutions)
    x, valid = _small(g, x, known)
    outputs = _run_kernels(g, x, convolutions.kernels)
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


def decide(g, x, lens, rocket):
    """Add the outputs of a linear model on shares of whole sequences.

    Parameters
    ----------
    g, x, lens
        As in `convolve`.
    rocket : Rocket

    Returns
    -------
    outputs : str
        (n_seqs, n_out) float64
    valid : str
        (n_seqs,) bool: whether all values are small enough.
    """
    shares = rocket.shares
    at, x, known = _standardised(g, x, lens, shares)
    # A sum with an unknown value is unknown.
    sums = shares.sums.astype(np.float64)
    x = g("MatMul", sums, g("Where", known, x, np.array(0.0)))
    unknown = g("MatMul", sums, g.cast(g("Not", known), np.float64))
    known = g("Equal", unknown, np.array(0.0))
    x, valid = _small(g, x, known)
    found = []
    for dilation in np.unique(shares.kernels.dilation).tolist():
        rows = np.flatnonzero(shares.kernels.dilation == dilation)
        found += _share(g, x, known, (at, lens), shares, rows)
    # Columns stand as they were found.
    order = np.concatenate([part for part, _ in found])
    table = g("Concat", *[part for _, part in found], axis=1)
    mean, scale = shares.out_mean[order], shares.out_scale[order]
    table = g("Div", g("Sub", g.cast(table, np.float64), mean), scale)
    table = g("Where", g("IsNaN", table), np.array(0.0), table)
    outputs = g("MatMul", table, rocket.coef[order])
    return g("Add", outputs, rocket.intercept), valid


def _share(g, x, known, places, shares, rows):
    """Return columns, and their shares, of kernels (rows) of one dilation."""
    kernels, (at, lens) = shares.kernels, places
    dilation = int(kernels.dilation[rows[0]])
    channel, margin = kernels.channel[rows].astype(np.int64), 4 * dilation
    outputs = g(
        "Conv",
        g("Gather", x, channel, axis=1),
        weights_of(kernels.taps[rows])[:, np.newaxis],
        dilations=[dilation],
        pads=[margin, margin],
        group=len(rows),
    )
    lens = g("Unsqueeze", lens, np.array([1]))
    inside = g("GreaterOrEqual", at, np.array(margin))
    inside = g("And", inside, g("Less", at, g("Sub", lens, np.array(margin))))
    inside = g("Or", inside, g("LessOrEqual", lens, np.array(2 * margin)))
    inside = g("Unsqueeze", inside, np.array([1]))
    inside = g("Or", inside, shares.whole[rows].astype(bool)[:, np.newaxis])
    counts = g("And", g("Gather", known, channel, axis=1), inside)
    n = g.reduce("ReduceSum", g.cast(counts, np.float32), 2)
    found = []
    n_thresholds = np.diff(shares.first)[rows]
    for j in range(int(n_thresholds.max(initial=0))):
        own = np.flatnonzero(n_thresholds > j)
        columns = shares.first[rows[own]] + j
        over = g("Gather", outputs, own, axis=1)
        over = g("Greater", over, shares.threshold[columns][:, np.newaxis])
        over = g("And", over, g("Gather", counts, own, axis=1))
        over = g.reduce("ReduceSum", g.cast(over, np.float32), 2)
        found.append((columns, g("Div", over, g("Gather", n, own, axis=1))))
    return found


def _standardised(g, x, lens, fitted):
    """Add the places of steps, standardised values, and whether these are known.

    Returns
    -------
    at : str
        (1, n_steps) int64
    x : str
        (n_seqs, n_features, n_steps) float64
    known : str
        The same shape, bool: what is no padding and not NaN.
    """
    at = g("Squeeze", g.size(x, 1), np.array([0]))
    at = g("Unsqueeze", g("Range", np.array(0), at, np.array(1)), np.array([0]))
    there = g("Less", at, g("Unsqueeze", lens, np.array([1])))
    there = g("Unsqueeze", there, np.array([1]))  # (n_seqs, 1, n_steps)
    x = g("Transpose", g.cast(x, np.float64), perm=[0, 2, 1])
    known = g("And", there, g("Not", g("IsNaN", x)))
    x = g("Sub", x, fitted.mean[:, np.newaxis])
    return at, g("Div", x, fitted.scale[:, np.newaxis]), known


def _small(g, x, known):
    """Add values in single, zeros for others; and whether all of them are small."""
    small = g("Less", g("Abs", x), np.array(LARGEST, dtype=np.float64))
    valid = all_true(g, g("Or", small, g("Not", known)), 1, 2)
    x = g("Where", g("And", known, small), x, np.array(0.0))
    return g.cast(x, np.float32), valid


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
