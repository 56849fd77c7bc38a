"""Windows of histories in the graph of a forecaster, as `skrnn.forecasting` cuts them.

A line is one target of one series, a lag a row of its window.
"""

from collections import namedtuple

import numpy as np

from skrnn.forecasting.windows import (
    GRAIN,
    MAX_NORMALIZED,
    MOST_CHANGES,
    WILD_RANGES,
)

__all__ = ["Rows", "Windows", "cut", "normalized", "short_units"]


class Rows:
    """Rows of histories of any length, and of what comes after them.

    Lines have an origin, the number of rows that their windows see: all there are, but
    where the last ones of a whole window are unknown, as many as make it end a number
    of seasons ago.

    Parameters
    ----------
    g : Graph
    y : str
        (n_series, n_past, n_targets)
    lengths : str
        (n_series,) int64: how many rows each history has.
    fitted : FittedForecaster
    """

    def __init__(self, g, y, lengths, fitted):
        self.g, self.n_targets = g, fitted.n_targets
        self.n_past = g.size(y, 1)
        self.lengths = g("Unsqueeze", lengths, np.array([1, 2]))
        window, season = fitted.reader.window, fitted.view.season
        zero = np.array(0)
        y = self._by_target(y)
        stop = g("Range", np.array(1), g("Add", self.n_past, np.array(1)), np.array(1))
        seen = g("And", g("Not", g("IsNaN", y)), g("LessOrEqual", stop, self.lengths))
        end = g.reduce("ReduceMax", g("Where", seen, stop, zero), 2)
        end = g("Unsqueeze", end, np.array([2]))
        silent = g("Sub", self.lengths, end)
        gap = g("Mod", silent, np.array(season))
        gap = g("Where", g("Less", gap, np.array(window)), gap, zero)
        lost = g("GreaterOrEqual", silent, np.array(window))
        lost = g("And", lost, g("Greater", end, zero))
        # (n_series, n_targets, 1)
        self.origin = g("Where", lost, g("Add", end, gap), self.lengths)

    def _by_target(self, y):
        return self.g("Transpose", y, perm=[0, 2, 1])

    def _take(self, x, at):
        # x (n_series, n_rows, n_columns) at (n_series, n_targets, n)
        g = self.g
        return g("GatherND", x, g("Reshape", at, np.array([0, -1, 1])), batch_dims=1)

    def targets(self, y, n):
        """Return windows (n_series, n_targets, n), NaN before the first row."""
        g = self.g
        at = g("Add", self.origin, np.arange(-n, 0))
        before = g("Less", at, np.array(0))
        y = g("GatherElements", self._by_target(y), g("Max", at, np.array(0)), axis=2)
        return g("Where", before, np.array(np.nan), y)

    def window(self, x, n):
        """Return what is beside them, (n_series, n_targets * n, n_columns)."""
        g = self.g
        at = g("Add", self.origin, np.arange(-n, 0))
        x = self._take(x, g("Max", at, np.array(0)))
        before = g("Reshape", g("Less", at, np.array(0)), np.array([0, -1, 1]))
        return g("Where", before, np.array(np.nan), x)

    def future(self, past, future, steps):
        """Return some rows from the origins on, of what is known of past and future.

        Parameters
        ----------
        past, future : str
            (n_series, n_past or horizon, n_columns)
        steps : ndarray of int

        Returns
        -------
        x : str
            (n_series, n_targets * len(steps), n_columns)
        """
        g = self.g
        at = g("Add", self.origin, steps)
        ahead = g("Sub", at, self.lengths)
        is_past = g("Reshape", g("Less", ahead, np.array(0)), np.array([0, -1, 1]))
        last = g("Sub", self.n_past, np.array(1))
        past = self._take(past, g("Min", at, last))
        future = self._take(future, g("Max", ahead, np.array(0)))
        return g("Where", is_past, past, future)


# Names of what is known of windows: see `_windows.cut`. All have two dimensions, `n` is
# how many values are known.
# `calm` is whether no level jumps in a window, None if it does not matter.
Windows = namedtuple(
    "Windows", ["values", "unknown", "level", "scale", "spread", "n", "calm"]
)


def cut(g, y, n_lags, view):
    """Add what describes windows y (n_lines, n_lags), NaN where unknown."""
    zero = np.array(0.0)

    def total(x, where):
        # In the order of `_windows.cut`: a mean or a scale that differs in its last bit
        # may move a value from one multiple of GRAIN to the next.
        return g.total(g("Where", where, x, zero), 1)

    def count(where):
        n = g.reduce("ReduceSum", g.cast(where, np.float64), 1)
        return g("Unsqueeze", n, np.array([1]))

    calm = None
    n_wild = view.n_wild(n_lags)
    if n_wild:
        y, calm = without_wild(g, y, n_lags, n_wild, view.season)
    unknown = g("IsNaN", y)
    known = g("Not", unknown)
    n = count(known)
    divisor = g("Max", n, np.array(1.0))
    last = g("Where", known, np.arange(n_lags), np.array(0))
    last = g("Unsqueeze", g.reduce("ReduceMax", last, 1), np.array([1]))
    level = g("GatherElements", y, last, axis=1)
    window = g("Sub", y, level)
    mean = g("Div", total(window, known), divisor)
    change, pairs = season_change(g, window, known, n_lags, view.season)
    centered = g("Sub", window, mean)
    square = total(g("Mul", centered, centered), known)
    scale = g("Sqrt", g("Div", square, divisor))
    spread = scale
    if change is not None:
        n_pairs = count(pairs)
        enough = g("Max", n_pairs, np.array(1.0))
        size = g("Abs", change)
        change = g("Sqrt", g("Div", total(g("Mul", change, change), pairs), enough))
        if n_wild:
            change = bounded(
                g, change, g("Where", pairs, size, np.array(np.inf)), n_pairs
            )
        spread = g("Where", g("Greater", n_pairs, zero), change, scale)
    if view.centered:
        level, window = g("Add", level, mean), centered
    for stride in sorted({view.season, 1}, reverse=True):
        window = fill(g, window, n_lags, stride)
        window = fill(g, window, n_lags, stride, backward=True)
    window = g("Where", g("IsNaN", window), zero, window)  # nothing is known
    return Windows(window, unknown, level, scale, spread, n, calm)


def wild(g, x, n, n_wild, season):
    """Add which of x (n_lines, n) are wild; see `is_wild` of `_windows`."""
    unknown = g("IsNaN", x)
    n_known = g.cast(g("Not", unknown), np.int64)
    n_known = g("Unsqueeze", g.reduce("ReduceSum", n_known, 1), np.array([1]))
    if n < 4 * n_wild + 8:
        return g("And", unknown, g("Not", unknown))
    ends = []
    for sign, largest in ((np.inf, 0), (-np.inf, 1)):
        filled = g("Where", unknown, np.array(sign), x)
        options = {"axis": 1, "largest": largest, "n_outputs": 2}
        found = g("TopK", filled, np.array([n_wild + 1]), **options)[0]
        ends.append(g.slice(found, 1, n_wild))
    low, high = ends
    reach = g("Mul", g("Sub", high, low), np.array(WILD_RANGES))
    enough = g("GreaterOrEqual", n_known, np.array(4 * n_wild + 8))
    enough = g("And", enough, g("Greater", reach, np.array(0.0)))
    sides = [g("Less", x, g("Sub", low, reach)), g("Greater", x, g("Add", high, reach))]
    out = []
    for side in sides:
        if 1 < season < n:
            # What is so a season before or after as well is not wild.
            number = g.cast(side, np.int64)
            fill = np.array(0)
            before = g.slice(number, 1, 0, n - season)
            before = g("Pad", before, np.array([0, season, 0, 0]), fill)
            after = g(
                "Pad", g.slice(number, 1, season), np.array([0, 0, 0, season]), fill
            )
            alone = g("Equal", g("Add", before, after), fill)
            side = g("And", side, alone)
        out.append(side)
    return g("And", enough, g("Or", *out))


def without_wild(g, y, n_lags, n_wild, season):
    """Add windows whose wild values are unknown, and whether no level jumps in them."""
    y = g("Where", wild(g, y, n_lags, n_wild, season), np.array(np.nan), y)
    if n_lags < 2:
        return y, None
    step = g("Sub", g.slice(y, 1, 1), g.slice(y, 1, 0, n_lags - 1))
    step = g("Pad", step, np.array([0, 1, 0, 0]), np.array(np.nan))
    jumps = g.cast(wild(g, step, n_lags, n_wild, season), np.int64)
    jumps = g("Unsqueeze", g.reduce("ReduceSum", jumps, 1), np.array([1]))
    return y, g("Equal", jumps, np.array(0))


def bounded(g, change, sizes, n_pairs):
    """Add the spread (n_lines, 1), bounded by the median of sizes (n_lines, n)."""
    n = g("Shape", sizes, start=1)
    in_order = g("TopK", sizes, n, axis=1, largest=0, n_outputs=2)[0]
    middle = g("Sub", g.cast(g("Max", n_pairs, np.array(1.0)), np.int64), np.array(1))
    middle = g("GatherElements", in_order, g("Div", middle, np.array(2)), axis=1)
    most = g("Mul", middle, np.array(MOST_CHANGES))
    cut = g("And", g("Greater", most, np.array(0.0)), g("Less", most, change))
    return g("Where", cut, most, change)


def short_units(g, window, fitted):
    """Add the unit of errors of windows, (n_lines, horizon); see `ShortHistories`."""
    short = fitted.model.short
    if short is None:
        return None
    n_lags, horizon = fitted.reader.window, fitted.reader.horizon
    n_targets = fitted.n_targets
    season, one = fitted.view.season, np.array(1.0)
    known, axis = g("Not", window.unknown), np.array([1])

    def count(where):
        n = g.reduce("ReduceSum", g.cast(where, np.float64), 1)
        return g("Unsqueeze", n, axis)

    def by_target(values):
        """Add values (n_targets,) for each line, (n_lines, 1)."""
        shape = np.array([-1, n_targets, 1])
        zeros = g("Mul", g("Reshape", window.n, shape), np.array(0.0))
        return g("Reshape", g("Add", zeros, values[:, np.newaxis]), np.array([-1, 1]))

    # What is expected at the level of the known values.
    size = g("Abs", g("Add", window.values, window.level))
    size = g("Where", known, size, np.array(0.0))
    level = g("Div", g.total(size, 1), g("Max", window.n, one))
    moves = short.moves
    power = by_target(moves.power)
    grown = g("Where", g("Equal", power, one), level, g("Sqrt", level))
    grown = g("Where", g("Equal", power, np.array(0.0)), one, grown)
    expected = g("Mul", by_target(moves.factor), grown)
    expected = g("Max", expected, by_target(moves.least))
    # The spread, drawn towards that.
    n = g("Sub", g("Max", window.n, one), one)
    if season < n_lags:
        earlier = g.slice(known, 1, 0, n_lags - season)
        pairs = count(g("And", g.slice(known, 1, season), earlier))
        n = g("Where", g("Greater", pairs, np.array(0.0)), pairs, n)
    unit = g("Max", window.spread, expected, np.array(np.finfo(float).tiny))
    own, other = (g("Div", x, unit) for x in (window.spread, expected))
    strength = by_target(moves.strength)
    square = g("Mul", n, g("Mul", own, own))
    square = g("Add", square, g("Mul", strength, g("Mul", other, other)))
    drawn = g("Mul", unit, g("Sqrt", g("Div", square, g("Add", n, strength))))
    # Wider, by the number of rows that are there.
    first = g("Where", known, np.arange(n_lags), np.array(n_lags))
    first = g("Unsqueeze", g.reduce("ReduceMin", first, 1), axis)
    n_rows = g("Mul", g.cast(window.n, np.int64), np.array(2))
    n_rows = g("Min", n_rows, g("Sub", np.array(n_lags), first))
    target = g.cast(by_target(np.arange(n_targets, dtype=float)), np.int64)
    at = g("Add", g("Mul", target, np.array(n_lags + 1)), n_rows)
    table = short.by_size.reshape(-1, horizon)
    wide = g("Gather", table, g("Squeeze", at, axis), axis=0)
    few = g("Less", n_rows, np.array(n_lags))
    return g("Where", few, g("Mul", drawn, wide), window.spread)


def season_change(g, window, known, n_lags, season):
    """Add the changes over a season, and which of them are known; None for none."""
    if season >= n_lags:
        return None, None
    later, earlier = (1, season), (1, 0, n_lags - season)
    change = g("Sub", g.slice(window, *later), g.slice(window, *earlier))
    return change, g("And", g.slice(known, *later), g.slice(known, *earlier))


def fill(g, x, n, stride, backward=False):
    """Give what is NaN in x (n_lines, n) the nearest value some strides before it.

    A value that is handed on by one stride, then by two, by four and so on comes as far
    as by one stride at a time.
    """
    shift = stride
    while shift < n:
        begin, stop, pads = 0, n - shift, [0, shift, 0, 0]
        if backward:
            begin, stop, pads = shift, n, [0, 0, 0, shift]
        moved = g("Pad", g.slice(x, 1, begin, stop), np.array(pads), np.array(np.nan))
        x = g("Where", g("IsNaN", x), moved, x)
        shift *= 2
    return x


def normalized(g, values, scale):
    """Add values (n_lines, n) in units of a scale (n_lines, 1), see `forecasting`."""
    x = g("Mul", g("Div", values, scale), np.array(1 / GRAIN))
    x = g("Mul", g("Round", x), np.array(GRAIN))
    x = g("Clip", x, np.array(-MAX_NORMALIZED), np.array(MAX_NORMALIZED))
    return g("Where", g("Greater", scale, np.array(0.0)), x, np.array(0.0))
