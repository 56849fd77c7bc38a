"""Short histories: how far a series moves of which only a few values are known.

The spread of a few values says little. It is drawn towards what the series of `fit`
have shown, and the errors are widened by what forecasts from so few values have lacked.
"""

import math
from typing import NamedTuple

import numpy as np

__all__ = ["MovesOfLines", "ShortHistories", "history_sizes", "moves_of", "widening"]

# How the spread of a line may grow with its level: not at all, as counts do, in
# proportion.
POWERS = (0.0, 0.5, 1.0)
# Values that the lines of `fit` count as at least and at most, and those of one line.
STRENGTHS, STRENGTH_OF_ONE = (1.0, 50.0), 4.0
WIDE_QUANTILE = 0.9  # of the absolute errors, by which a widening is measured
WIDENINGS = 0.5, 20.0
LEAST_ERRORS = 20  # of which a quantile is taken


class MovesOfLines(NamedTuple):
    """What the lines of `fit` tell of the spread of another line, by targets.

    The spread is expected to be ``factor * level ** power``, and ``least`` at least,
    where the level is the mean of the absolute values. It counts as much as `strength`
    known changes. All are (n_targets,).
    """

    power: np.ndarray
    factor: np.ndarray
    least: np.ndarray
    strength: np.ndarray

    def expected(self, level, target):
        """Return the spread that is expected at a level, (n_windows,)."""
        power = self.power[target]
        size = np.where(power == 1, level, np.where(power == 0.5, np.sqrt(level), 1.0))
        return np.maximum(self.factor[target] * size, self.least[target])


def moves_of(lines, season, scale):
    """Return the `MovesOfLines`.

    Parameters
    ----------
    lines : Lines
    season : int
        Rows of a season, over which changes count.
    scale : ndarray of shape (n_targets,)
        What is expected if no line moves.
    """
    spread, level = np.empty((2, len(lines)))
    for i, (begin, stop) in enumerate(zip(lines.begin, lines.stop, strict=True)):
        y = lines.values[begin:stop]
        spread[i], level[i] = _spread_and_level(y[np.isfinite(y).argmax() :], season)
    out = [np.zeros(len(scale)), scale.copy(), np.zeros(len(scale))]
    out = MovesOfLines(*out, np.full(len(scale), STRENGTH_OF_ONE))
    for k in range(len(scale)):
        usable = (lines.target == k) & (spread > 0) & (level > 0)
        if usable.any():
            found = _power_of(*map(_logarithms, (spread[usable], level[usable])))
            for values, value in zip(out, found, strict=True):
                values[k] = value
    return out


def _spread_and_level(y, season):
    """Return the root mean square of the change over a season, and the mean size."""
    change = np.empty(0)
    for step in (season, 1):
        change = y[step:] - y[:-step]
        change = change[np.isfinite(change)]
        if len(change):
            break
    known = np.abs(y[np.isfinite(y)])
    if not len(change):
        return 0.0, 0.0
    with np.errstate(over="ignore"):
        square = math.fsum(change**2) / len(change)
    size = math.fsum(known) / len(known)
    return (math.sqrt(square), size) if np.isfinite(square) else (0.0, 0.0)


def _logarithms(values):
    # NumPy's own have other bits on other processors.
    return np.array([math.log(value) for value in values])


def _power_of(spread, level):
    """Return power, factor, least and strength, by logarithms of lines."""
    best = None
    for power in POWERS:
        rest = spread - power * level
        mean = math.fsum(rest) / len(rest)
        variance = math.fsum((rest - mean) ** 2) / max(len(rest) - 1, 1)
        if best is None or variance < best[0]:
            best = variance, power, mean
    variance, power, mean = best
    least = math.exp(spread.min())  # of zeros something is expected, too
    if len(spread) == 1:
        return 0.0, least, least, STRENGTH_OF_ONE
    # The logarithm of a variance of k values has itself a variance of about 2 / k.
    low, high = STRENGTHS
    strength = high if variance * high < 0.5 else max(0.5 / variance, low)
    return power, math.exp(mean), least if power else 0.0, strength


def history_sizes(window):
    """Return the lengths of short histories that are tried: 1, 2, 4 and so on."""
    return [2**i for i in range(window.bit_length()) if 2**i < window]


class ShortHistories:
    """The unit of errors of windows that are not full.

    Parameters
    ----------
    moves : MovesOfLines
    widening : ndarray of shape (n_targets, n_sizes, horizon)
        By how much errors are larger, in this unit, than those of full windows.
    window : int
        Rows of a full window.
    """

    def __init__(self, moves, widening, window):
        self.moves, self.window = moves, window
        self.by_size = by_size(widening, window)

    def units(self, windows, target, season):
        """Return the unit of the errors of `Windows`, (n_windows, horizon).

        It is the spread of a window, unless the window has few values.
        """
        horizon = self.by_size.shape[2]
        units = np.repeat(windows.spread[:, np.newaxis], horizon, axis=1)
        if not windows.unknown.any():
            return units
        size = known_sizes(windows.unknown)
        few = np.flatnonzero((size > 0) & (size < self.window))
        if len(few):
            part = type(windows)(*(values[few] for values in windows))
            spread = drawn(part, target[few], season, self.moves)
            units[few] = spread[:, np.newaxis] * self.by_size[target[few], size[few]]
        return units


def by_size(widening, window):
    """Return the widening for each size up to a full window, which is not widened.

    Between the sizes that were tried it follows their logarithm. The shape is
    (n_targets, window + 1, horizon).
    """
    sizes = np.array([math.log2(n) for n in (*history_sizes(window), window)])
    full = np.ones((len(widening), 1, widening.shape[2]))
    known = np.concatenate([widening, full], axis=1)
    at = np.array([math.log2(max(n, 1)) for n in range(window + 1)])
    after = np.clip(np.searchsorted(sizes, at), 1, max(len(sizes) - 1, 1))
    if len(sizes) == 1:
        return np.repeat(known, window + 1, axis=1)
    part = (at - sizes[after - 1]) / (sizes[after] - sizes[after - 1])
    part = part[:, np.newaxis]
    return known[:, after - 1] * (1 - part) + known[:, after] * part


def known_sizes(unknown):
    """Return how many rows each window (n_windows, n_lags) counts as.

    They are those from the first known value on, and at most twice as many as there
    are known values.
    """
    known = unknown == 0
    n_known = known.sum(axis=1)
    since = unknown.shape[1] - known.argmax(axis=1)
    return np.minimum(since, 2 * n_known) * (n_known > 0)


def drawn(windows, target, season, moves):
    """Return the spread of windows, drawn towards that of the lines of `fit`."""
    known = windows.unknown == 0
    n_known = np.maximum(known.sum(axis=1), 1)
    size = np.abs(windows.values + windows.level[:, np.newaxis])
    level = np.where(known, size, 0.0).sum(axis=1) / n_known
    n = n_known - 1
    if season < known.shape[1]:
        pairs = (known[:, season:] & known[:, :-season]).sum(axis=1)
        n = np.where(pairs > 0, pairs, n)
    strength = moves.strength[target]
    expected = moves.expected(level, target)
    # The scale, by which they are divided first, keeps squares from overflowing.
    unit = np.maximum(np.maximum(windows.spread, expected), np.finfo(float).tiny)
    square = n * (windows.spread / unit) ** 2 + strength * (expected / unit) ** 2
    return unit * np.sqrt(square / (n + strength))


def widening(few, full, group, horizon):
    """Return by how much errors of short histories are wider than those of full ones.

    Parameters
    ----------
    few : list of (error (n_windows, horizon), group (n_windows,))
        For each size, errors in units of the drawn spread; NaN is unknown.
    full : ndarray of shape (n_windows, horizon)
        Those of full windows, in units of their spread.
    group : ndarray of shape (n_windows,)
        The target of each full window.
    horizon : int

    Returns
    -------
    widening : ndarray of shape (n_targets, n_sizes, horizon)
    """
    n_targets = group.max() + 1
    out = np.ones((n_targets, len(few), horizon))
    for k in range(n_targets):
        usual = _wide(full[group == k])
        for i, (error, owner) in enumerate(few):
            found = _wide(error[owner == k])
            for step in range(horizon):
                if usual[step] > 0 and found[step] > 0:
                    out[k, i, step] = found[step] / usual[step]
    return np.clip(out, *WIDENINGS)


def _wide(error):
    """Return a high quantile of the absolute errors of each step, NaN if few are."""
    out = np.full(error.shape[1], np.nan)
    rows = np.sort(np.abs(error), axis=0)
    for step in range(len(out)):
        n = len(rows) - np.isnan(rows[:, step]).sum()
        if n >= LEAST_ERRORS:
            at = min(int(WIDE_QUANTILE * (n + 1)), n) - 1
            out[step] = rows[at, step]
    return out
