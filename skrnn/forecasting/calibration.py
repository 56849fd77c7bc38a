"""Calibration: how far to trust the network, and how large the errors are.

Both are found on windows that a model was not trained on, fold by fold.
"""

import math
from typing import NamedTuple

import numpy as np

from skrnn.forecasting.linear import NO_HARM_FACTOR, clear_gain
from skrnn.forecasting.short import drawn, history_sizes, widening
from skrnn.forecasting.windows import Windows, thinned

__all__ = [
    "LEVELS",
    "Calibration",
    "calibrate",
    "choose_gate",
    "error_quantiles",
    "pooled_quantiles",
    "small_sample",
    "without_gaps",
]

MAX_CALIBRATION_WINDOWS = 8_000  # larger sets are thinned out evenly
MAX_SHORT_WINDOWS = 250  # of each fold and each length of short histories
# With this many forecasts that do not overlap, the errors of both tails together count
# as much as those of each tail.
TAIL_FORECASTS = 20
NORMAL, LEAST_DEGREES = 1.6448536269514722, 1.2  # the quantile .95
# Probabilities at which the distribution of the errors is kept.
LEVELS = np.concatenate(
    [[0.0, 0.001, 0.0025, 0.005], np.arange(1, 100) / 100, [0.995, 0.9975, 0.999, 1.0]]
)


def choose_gate(residual, change, weight, loss, fold, least_gain=0.0):
    """Choose the share of the network's corrections, for four parts of the horizon.

    Parameters
    ----------
    residual : ndarray of shape (n_windows, horizon)
        Errors of the linear forecast on windows that were not trained on.
    change : ndarray of shape (n_windows, horizon[, n_quantiles])
        The network's corrections.
    weight : ndarray of shape (n_windows,)
    loss : loss of forecasts
    fold : ndarray of shape (n_windows,)
        The fold that each window was tested in.
    least_gain : float, default=0.0
        The share by which the error must fall. If it does not, the gate is 0.

    Returns
    -------
    gate : ndarray of shape (horizon,)
    """
    horizon = residual.shape[1]
    gate = np.zeros(horizon)
    known = ~np.isnan(residual)
    target = np.where(known, residual, 0.0)
    share = known * weight[:, np.newaxis]
    candidates = np.arange(21) / 20
    errors = np.empty((len(candidates), fold.max() + 1, horizon))
    for i, candidate in enumerate(candidates):
        error = share * loss.of_forecasts(target, candidate * change)
        for f in range(errors.shape[1]):
            errors[i, f] = error[fold == f].sum(axis=0)
    for steps in np.array_split(np.arange(horizon), min(4, horizon)):
        by_fold = errors[:, :, steps].sum(axis=-1)
        harmless = (by_fold <= NO_HARM_FACTOR * by_fold[0]).all(axis=1)
        error = by_fold.sum(axis=1)
        best = np.where(harmless, error, np.inf).argmin()
        if error[best] <= (1 - least_gain) * error[0]:
            gate[steps] = candidates[best]
    return gate


def error_quantiles(error, group, n_groups):
    """Return quantiles of errors at `LEVELS`, by group and step.

    Parameters
    ----------
    error : ndarray of shape (n_windows, horizon)
        Errors of forecasts in units of the spread of their windows; NaN is unknown.
    group : ndarray of shape (n_windows,)

    Returns
    -------
    quantiles : ndarray of shape (n_groups, horizon, n_levels), float64
        NaN where no error is known.
    """
    out = np.full((n_groups, error.shape[1], len(LEVELS)), np.nan)
    for g in range(n_groups):
        rows = np.sort(error[group == g], axis=0)  # NaN last
        for step in range(error.shape[1]):
            known = rows[: len(rows) - np.isnan(rows[:, step]).sum(), step]
            n = len(known)
            if n:
                # As in split-conformal prediction, a rank of n + 1.
                at = np.clip(LEVELS * (n + 1) - 1, 0, n - 1)
                below = np.floor(at).astype(np.intp)
                above = np.minimum(below + 1, n - 1)
                part = at - below
                out[g, step] = known[below] * (1 - part) + known[above] * part
    return out


def pooled_quantiles(error, group, n_groups):
    """Return quantiles of errors that are alike at all steps but for their size.

    The size of the errors of a step is the mean of the absolute ones, and does not fall
    from step to step. Both tails are alike. For the rest, see `error_quantiles`.
    """
    size = np.full((n_groups, error.shape[1]), np.nan)
    for g in range(n_groups):
        rows = np.abs(error[group == g])
        for step in range(error.shape[1]):
            known = rows[:, step][np.isfinite(rows[:, step])]
            if len(known):
                size[g, step] = math.fsum(known) / len(known)
        size[g] = _rising(size[g])
    unit = size[group]
    shape = np.divide(error, unit, out=np.zeros_like(error), where=unit > 0)
    shape[np.isnan(error)] = np.nan
    column = np.concatenate([shape.ravel(), -shape.ravel()])[:, np.newaxis]
    owner = np.tile(np.repeat(group, error.shape[1]), 2)
    return error_quantiles(column, owner, n_groups) * size[:, :, np.newaxis]


def _rising(values):
    """Return the values (n,) nearest to some that do not fall; NaN stays."""
    blocks = []
    for value in values[np.isfinite(values)]:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (high, n), (low, m) = blocks[-2:]
            blocks[-2:] = [[(high * n + low * m) / (n + m), n + m]]
    out = values.copy()
    out[np.isfinite(values)] = [value for value, n in blocks for _ in range(n)]
    return out


def without_gaps(quantiles):
    """Return quantiles of errors without NaN, or None if no error is known.

    A step without errors takes the quantiles of the nearest step that has some. A group
    without errors takes the means of the other groups.
    """
    if np.isnan(quantiles).all():
        return None
    out = quantiles.copy()
    for group in out:
        for step in range(1, len(group)):
            if np.isnan(group[step, 0]):
                group[step] = group[step - 1]
        for step in range(len(group) - 2, -1, -1):
            if np.isnan(group[step, 0]):
                group[step] = group[step + 1]
    known = ~np.isnan(out[:, 0, 0])
    out[~known] = np.add.accumulate(out[known])[-1] / known.sum()
    return out


def small_sample(n_degrees):
    """Return by how much intervals widen since few forecasts tell their errors.

    It is the quantile .95 of Student's distribution over that of the normal one, by
    its expansion for large degrees of freedom.
    """
    z, v = NORMAL, max(float(n_degrees), LEAST_DEGREES)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return (z + first / v + second / v**2 + third / v**3) / z


class Calibration(NamedTuple):
    """What is learned from windows that were not trained on."""

    gate: np.ndarray  # share of the network's correction at each step
    errors: np.ndarray | None  # quantiles by group of lines, step and level
    interrupted: bool = False
    widening: np.ndarray | None = None  # of short histories, by group, size and step


def calibrate(make_data, folds, choice, loss, group, train_network, moves=None):
    """Train a network in each fold, and measure its errors on the test windows.

    Parameters
    ----------
    make_data : callable
        ``make_data(rows, linear, fold)`` returns the `WindowData` of some windows, as
        one of the complete folds knows them.
    folds : Folds
    choice : LinearChoice
    loss : loss of forecasts
    group : ndarray of shape (n_lines,)
        The group of each line. Lines of a group share their errors' distribution.
    train_network : callable
        ``train_network(data)`` returns a loaded network and whether it was interrupted.
    moves : MovesOfLines, default=None
        With these, forecasts from short histories are tested, too.

    Returns
    -------
    calibration : Calibration
    """
    horizon, n_groups = loss.horizon, group.max() + 1
    tested, seen, trained = [], np.zeros(n_groups), []
    pairs = zip(choice.forecasts_by_fold(), folds.pairs, strict=True)
    for nth, (linear, (training, test)) in enumerate(pairs):
        network, interrupted = train_network(make_data(training, linear, nth))
        if interrupted:
            return Calibration(np.zeros(horizon), None, True)
        whole = make_data(test, linear, nth)
        seen += np.bincount(group[whole.line], minlength=n_groups)
        data = make_data(thinned(test, MAX_CALIBRATION_WINDOWS // 2), linear, nth)
        tested.append(_test(data, network, loss))
        trained.append((data, network))
    if not tested:
        return Calibration(np.full(horizon, 0.5), None)
    fold = np.repeat(np.arange(len(tested)), [len(test[0]) for test in tested])
    residual, change, weight, ratio, line = map(
        np.concatenate, zip(*tested, strict=True)
    )
    least_gain = clear_gain(seen.sum() / horizon) if choice.cautious else 0.0
    gate = choose_gate(residual, change, weight, loss, fold, least_gain)
    middle = change if loss.quantiles is None else change[..., loss.middle]
    error = (residual - gate * middle) * ratio[:, np.newaxis]
    # Few forecasts that do not overlap say little about each tail of the errors. With
    # few of them, both tails are taken to be alike, and all steps of short series.
    group = group[line]
    errors = error_quantiles(error, group, n_groups)
    if choice.cautious:
        alike = pooled_quantiles(error, group, n_groups)
    else:
        mirrored = np.concatenate([error, -error]), np.concatenate([group, group])
        alike = error_quantiles(*mirrored, n_groups)
    share = (seen / (seen + TAIL_FORECASTS * horizon))[:, np.newaxis, np.newaxis]
    errors = share * errors + (1 - share) * alike
    if choice.cautious:
        wider = [small_sample(n) for n in seen / horizon]
        errors *= np.array(wider)[:, np.newaxis, np.newaxis]
    errors = without_gaps(errors)
    widths = None
    if moves is not None and errors is not None:
        few = _test_short(trained, gate, loss, moves)
        widths = widening(few, error, group, horizon)
    return Calibration(gate, errors, widening=widths)


def _test_short(trained, gate, loss, moves):
    """Return errors of forecasts from short histories, and their targets, by size.

    They are in units of the spread that is drawn towards that of the lines of `fit`.
    """
    found = []
    for size in history_sizes(trained[0][0].reader.window):
        parts = []
        for data, network in trained:
            data = data.thinned(MAX_SHORT_WINDOWS).shortened(size)
            target = data.lines.target
            for rows in data.blocks():
                error = _short_errors(data, rows, network, gate, loss, moves)
                parts.append((error, target[rows]))
        empty = np.empty((0, len(gate))), np.empty(0, dtype=np.intp)
        joined = zip(*[empty, *parts], strict=True)
        found.append(tuple(np.concatenate(part) for part in joined))
    return found


def _short_errors(data, rows, network, gate, loss, moves):
    line, origin, reader = data.line[rows], data.origin[rows], data.reader
    windows = Windows.cut(data.lines, line, origin, reader.window, data.options)
    level = windows.level, data.lines.target[line]
    middle = data.linear.forecast(windows.values, *level)
    if gate.any():
        raw = network.forward(reader.read(data.lines, line, origin, windows))
        change = loss.forecast(raw.astype(float))
        change = change if loss.quantiles is None else change[..., loss.middle]
        middle += windows.scale[:, np.newaxis] * gate * change
    middle += windows.level[:, np.newaxis]
    target = data.lines.target[line]
    unit = drawn(windows, target, data.options.season, moves)[:, np.newaxis]
    error = data.lines.future(line, origin, reader.horizon) - middle
    nothing = np.full_like(error, np.nan)
    return np.divide(error, unit, out=nothing, where=unit > 0)


def _test(data, network, loss):
    """Return arrays with a row for each window.

    They are the residuals in units of the scale, the network's corrections, the
    weights, scale over spread, and the lines.
    """
    parts = []
    for rows in data.blocks():
        line, origin = data.line[rows], data.origin[rows]
        windows = Windows.cut(
            data.lines, line, origin, data.reader.window, data.options
        )
        raw = network.forward(data.reader.read(data.lines, line, origin, windows))
        ratio = np.divide(
            windows.scale,
            windows.spread,
            out=np.zeros(len(rows)),
            where=windows.spread > 0,
        )
        weight = (windows.scale * data.weight[line]) ** data.power
        change = loss.forecast(raw.astype(float))
        if not np.isfinite(change).all():
            raise ValueError(
                "Training diverged: a forecast of held-out windows is not finite. To "
                "avoid this, lower learning_rate_init."
            )
        parts.append(
            (data.residual(line, origin, windows), change, weight, ratio, line)
        )
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
