"""Loops of `skrnn.forecasting`: windows of series, and the equations of a ridge.

All arithmetic is in double and in one order, so that a window has the same bits
whatever other windows are cut with it, and a fit the same on every machine.
"""

from cython cimport floating
from libc.math cimport INFINITY, NAN, fabs, isinf, isnan, rint, sqrt
from libc.stdlib cimport free, malloc

# A value is wild if it lies more than so many ranges outside of the range of the
# others. The extreme ones, `n_wild` on each side, do not count in this range.
cdef double WILD_RANGES = 5
cdef enum:
    MOST_WILD = 64
# A spread is at most so many median changes.
cdef double MOST_CHANGES = 3
LIMITS = {
    "wild_ranges": WILD_RANGES, "most_wild": MOST_WILD, "most_changes": MOST_CHANGES,
}


def cut(const double[::1] values, const Py_ssize_t[::1] begin,
        const Py_ssize_t[::1] origin, Py_ssize_t season, bint centered,
        double[:, ::1] window,
        unsigned char[:, ::1] unknown, double[::1] level, double[::1] scale,
        double[::1] spread, Py_ssize_t n_wild=0):
    """Cut the windows that end before the origins, and describe them.

    Parameters
    ----------
    values : (n_values,)
        Series end to end; NaN is unknown.
    begin, origin : (n_windows,)
        Where the series of a window begins, and the first value that it does not see.
    season : int
        Rows after which a series tends to repeat.
    centered : bool
        Whether the level is the mean of the known values, and not the last one.
    window : OUT (n_windows, n_lags)
        Values less the level, oldest first. What is unknown, or before the beginning,
        is filled in from a season before, else from a season after, else from nearby.
    unknown : OUT (n_windows, n_lags)
        1 for what was filled in.
    level : OUT (n_windows,)
        The last known value, or the mean; NaN where none is known, and then all of
        the window is 0.
    scale : OUT (n_windows,)
        Standard deviation of the known values.
    spread : OUT (n_windows,)
        Root mean square of the change over a season; `scale` where that is not known.
    n_wild : Py_ssize_t
        How many values at each end of the order of size may be wild. These are unknown
        then, all before a wild step is brought to the level after it, and the spread is
        bounded by the median change. 0 takes all as they are.

    Returns
    -------
    is_finite : bool
        Whether nothing of this is infinite.
    """
    cdef Py_ssize_t i, n_lags = window.shape[1], n_values = values.shape[0]
    if not (begin.shape[0] == origin.shape[0] == window.shape[0] == unknown.shape[0]
            == level.shape[0] == scale.shape[0] == spread.shape[0]
            and unknown.shape[1] == n_lags and n_lags > 0 and season > 0
            and 0 <= n_wild <= MOST_WILD):
        raise ValueError("the shapes do not match.")
    for i in range(window.shape[0]):
        if not 0 <= begin[i] <= origin[i] <= n_values:
            raise IndexError(f"window {i} lies outside of the values.")
    cdef double* changes = NULL
    if n_wild:
        changes = <double*>malloc(n_lags * sizeof(double))
        if changes == NULL:
            raise MemoryError("there is no memory for the changes of a window.")
    with nogil:
        for i in range(window.shape[0]):
            cut_one(&values[0] if n_values else NULL, begin[i], origin[i], season,
                    centered, n_lags, &window[i, 0], &unknown[i, 0], &level[i],
                    &scale[i], &spread[i], n_wild, changes)
    free(changes)
    return is_finite(window, level, scale, spread)


cdef bint is_finite(const double[:, ::1] window, const double[::1] level,
                    const double[::1] scale, const double[::1] spread) noexcept nogil:
    """Whether nothing is infinite."""
    cdef Py_ssize_t i, t
    for i in range(window.shape[0]):
        if isinf(level[i]) or isinf(scale[i]) or isinf(spread[i]):
            return False
        for t in range(window.shape[1]):
            if isinf(window[i, t]):
                return False
    return True


def normalize(const double[:, ::1] window, const unsigned char[:, ::1] unknown,
              const double[::1] scale, double grain, double most,
              floating[:, :, ::1] rows):
    """Write windows as a network reads them.

    Parameters
    ----------
    window, unknown, scale :
        Of `cut`.
    grain, most : float
        What the values in units of the scale are multiples of, and the largest one.
    rows : OUT (n_windows, n_rows, n_channels)
        The newest rows get the value, 0 where the scale is 0, and the mark of unknown
        values.
    """
    cdef Py_ssize_t i, t, n_lags = window.shape[1], first = rows.shape[1] - n_lags
    cdef double x
    if not (window.shape[0] == unknown.shape[0] == scale.shape[0] == rows.shape[0]
            and unknown.shape[1] == n_lags and first >= 0 and rows.shape[2] >= 2):
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(window.shape[0]):
            for t in range(n_lags):
                x = 0.0
                if scale[i] > 0:
                    x = rint(window[i, t] / scale[i] / grain) * grain
                    x = min(max(x, -most), most)
                rows[i, first + t, 0] = <floating>x
                rows[i, first + t, 1] = <floating>unknown[i, t]


def correct(const double[:, ::1] linear, const double[::1] level,
            const double[:, :, :] change, const double[::1] scale,
            const double[::1] gate, double[:, :, ::1] out):
    """out = linear + level + change * scale * gate.

    Returns whether nothing of it is infinite.

    Parameters
    ----------
    linear : (n_windows, horizon)
    level, scale : (n_windows,)
    change : (n_windows, horizon, n_quantiles)
    gate : (horizon,)
    out : OUT (n_windows, horizon, n_quantiles)
    """
    cdef Py_ssize_t i, t, q, n = out.shape[0], horizon = out.shape[1]
    cdef double at, by, value
    cdef bint bounded = True
    if not (linear.shape[0] == level.shape[0] == change.shape[0] == scale.shape[0] == n
            and linear.shape[1] == change.shape[1] == gate.shape[0] == horizon
            and change.shape[2] == out.shape[2]):
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(n):
            for t in range(horizon):
                at, by = linear[i, t] + level[i], scale[i] * gate[t]
                for q in range(out.shape[2]):
                    value = at + change[i, t, q] * by
                    out[i, t, q] = value
                    bounded &= not isinf(value)
    return bounded


def are_known(const double[:, :, ::1] forecast, const double[:, ::1] spread):
    """Whether all forecasts are finite, and all spreads are, too, and positive."""
    cdef Py_ssize_t i, t, q
    for i in range(spread.shape[0]):
        for t in range(spread.shape[1]):
            if not 0 < spread[i, t] < INFINITY:
                return False
    for i in range(forecast.shape[0]):
        for t in range(forecast.shape[1]):
            for q in range(forecast.shape[2]):
                if not -INFINITY < forecast[i, t, q] < INFINITY:
                    return False
    return True


cdef void cut_one(const double* values, Py_ssize_t begin, Py_ssize_t origin,
                  Py_ssize_t season, bint centered, Py_ssize_t n_lags, double* w,
                  unsigned char* unknown, double* level, double* scale,
                  double* spread, Py_ssize_t n_wild, double* changes) noexcept nogil:
    cdef Py_ssize_t t, first = origin - n_lags, n = 0, n_pairs = 0, n_gaps = 0
    cdef double last = NAN, mean = 0, square = 0, change = 0, x
    for t in range(n_lags):
        x = values[first + t] if first + t >= begin else NAN
        w[t] = x
        unknown[t] = isnan(x)
        if isnan(x):
            n_gaps += 1
        else:
            last = x
    if n_wild and forget_wild(w, n_lags, n_wild, season, changes):
        n_gaps = 0
        for t in range(n_lags):
            unknown[t] = isnan(w[t])
            if isnan(w[t]):
                n_gaps += 1
            else:
                last = w[t]
    level[0] = last
    if n_gaps == n_lags:
        scale[0] = spread[0] = 0
        for t in range(n_lags):
            w[t] = 0
        return
    for t in range(n_lags):
        w[t] -= last
        if not unknown[t]:
            n += 1
            mean += w[t]
            if t >= season and not unknown[t - season]:
                if n_wild:
                    changes[n_pairs] = fabs(w[t] - w[t - season])
                n_pairs += 1
                change += (w[t] - w[t - season]) * (w[t] - w[t - season])
    mean /= n
    if centered:
        level[0] = last + mean
        for t in range(n_lags):
            w[t] -= mean
        mean = 0
    for t in range(n_lags):
        if not unknown[t]:
            square += (w[t] - mean) * (w[t] - mean)
    scale[0] = sqrt(square / n)
    spread[0] = sqrt(change / n_pairs) if n_pairs else scale[0]
    if n_wild and n_pairs:
        # A jump of the level is in the changes over a whole season.
        x = MOST_CHANGES * smallest(changes, n_pairs, (n_pairs - 1) // 2)
        if 0 < x < spread[0]:
            spread[0] = x
    if n_gaps:
        fill_one(w, n_lags, season)


cdef bint bounds_of(const double* a, Py_ssize_t n, Py_ssize_t n_wild, double* bottom,
                    double* top) noexcept nogil:
    """Find the bounds that wild values are beyond; say whether any value is.

    Of few known values none is wild.
    """
    cdef double low[MOST_WILD + 1]
    cdef double high[MOST_WILD + 1]
    cdef Py_ssize_t t, i, n_known = 0
    cdef double reach, least = INFINITY, most = -INFINITY
    for i in range(n_wild + 1):
        low[i] = INFINITY
        high[i] = -INFINITY
    # The smallest values in order, and the largest.
    for t in range(n):
        if isnan(a[t]):
            continue
        n_known += 1
        if a[t] < low[n_wild]:
            i = n_wild
            while i > 0 and a[t] < low[i - 1]:
                low[i] = low[i - 1]
                i -= 1
            low[i] = a[t]
        if a[t] > high[n_wild]:
            i = n_wild
            while i > 0 and a[t] > high[i - 1]:
                high[i] = high[i - 1]
                i -= 1
            high[i] = a[t]
    if n_known < 4 * n_wild + 8:
        return False
    reach = WILD_RANGES * (high[n_wild] - low[n_wild])
    bottom[0] = low[n_wild] - reach
    top[0] = high[n_wild] + reach
    least, most = low[0], high[0]
    return reach > 0 and (least < bottom[0] or most > top[0])


cdef bint is_wild(const double* a, Py_ssize_t t, Py_ssize_t n, Py_ssize_t season,
                  double bottom, double top) noexcept nogil:
    """Say whether a value is out of bounds, and the one a season away is not."""
    cdef Py_ssize_t side, other
    if not (a[t] < bottom or a[t] > top):
        return False
    if season > 1:
        for side in range(2):
            other = t + season if side else t - season
            if 0 <= other < n and ((a[t] > top and a[other] > top)
                                   or (a[t] < bottom and a[other] < bottom)):
                return False
    return True


cdef bint forget_wild(double* w, Py_ssize_t n, Py_ssize_t n_wild, Py_ssize_t season,
                      double* changes) noexcept nogil:
    """Make NaN of values far outside of the range of the others.

    Then bring all before a wild step to the level after it. Say if anything changed.
    """
    cdef Py_ssize_t t
    cdef double bottom = 0, top = 0, shift = 0
    cdef bint found = bounds_of(w, n, n_wild, &bottom, &top)
    if found:
        for t in range(n):
            changes[t] = w[t]
        for t in range(n):
            if is_wild(changes, t, n, season, bottom, top):
                w[t] = NAN
    changes[0] = NAN
    for t in range(1, n):
        changes[t] = w[t] - w[t - 1]
    if bounds_of(changes, n, n_wild, &bottom, &top):
        found = True
        for t in range(n - 1, 0, -1):
            w[t] += shift
            if is_wild(changes, t, n, season, bottom, top):
                shift += jump_at(w, t, n, season, shift, changes[t])
        w[0] += shift
    return found


cdef double jump_at(const double* w, Py_ssize_t t, Py_ssize_t n, Py_ssize_t season,
                    double shift, double step) noexcept nogil:
    """The jump before a value: the mean change over a season across it, or the step.

    Values from `t` on are at their final level, and `shift` below it before.
    """
    cdef Py_ssize_t i, n_pairs = 0
    cdef double total = 0, change
    if season < 4 or t < season:
        return step
    for i in range(t, min(t + season, n)):
        change = w[i] - (w[i - season] + shift)
        if not isnan(change):
            n_pairs += 1
            total += change
    return total / n_pairs if n_pairs else step


cdef double smallest(double* a, Py_ssize_t n, Py_ssize_t k) noexcept nogil:
    # The value that is at place k of n in order; others change their places.
    cdef Py_ssize_t low = 0, high = n - 1, i, j
    cdef double pivot, swap
    while low < high:
        pivot = a[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                swap = a[i]
                a[i] = a[j]
                a[j] = swap
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return a[k]


def wild_rows(const double[::1] values, Py_ssize_t n_wild, Py_ssize_t season=1):
    """Find values (n_values,) that are far outside of the range of the others.

    Returns
    -------
    wild, jumps : lists of int
        The numbers of wild values, and of those before which the level jumps.
    """
    cdef Py_ssize_t t, n = values.shape[0]
    cdef double bottom = 0, top = 0
    cdef double* copy
    cdef double* changes
    if not 0 < n_wild <= MOST_WILD:
        raise ValueError(f"n_wild must be between 1 and {MOST_WILD}.")
    copy = <double*>malloc(2 * (n + 1) * sizeof(double))
    if copy == NULL:
        raise MemoryError("there is no memory for the values.")
    changes = copy + n + 1
    wild, jumps = [], []
    try:
        for t in range(n):
            copy[t] = changes[t] = values[t]
        if bounds_of(changes, n, n_wild, &bottom, &top):
            for t in range(n):
                if is_wild(changes, t, n, season, bottom, top):
                    copy[t] = NAN
                    wild.append(t)
        if n:
            changes[0] = NAN
        for t in range(1, n):
            changes[t] = copy[t] - copy[t - 1]
        if bounds_of(changes, n, n_wild, &bottom, &top):
            jumps = [t for t in range(1, n)
                     if is_wild(changes, t, n, season, bottom, top)]
        return wild, jumps
    finally:
        free(copy)


cdef void fill_one(double* w, Py_ssize_t n, Py_ssize_t season) noexcept nogil:
    # From a season before, a season after, or the nearest before or after.
    cdef Py_ssize_t t
    for t in range(season, n):
        if isnan(w[t]):
            w[t] = w[t - season]
    for t in range(n - season - 1, -1, -1):
        if isnan(w[t]):
            w[t] = w[t + season]
    for t in range(1, n):
        if isnan(w[t]):
            w[t] = w[t - 1]
    for t in range(n - 2, -1, -1):
        if isnan(w[t]):
            w[t] = w[t + 1]


def fill(double[:, ::1] rows, Py_ssize_t season):
    """Fill what is NaN in each row in, as `cut` does."""
    cdef Py_ssize_t i
    if season < 1:
        raise ValueError("a season has one row at least.")
    with nogil:
        for i in range(rows.shape[0]):
            if rows.shape[1]:
                fill_one(&rows[i, 0], rows.shape[1], season)


def cholesky(double[:, ::1] a):
    """Replace the lower triangle of a symmetric matrix by its Cholesky factor.

    Returns whether there is one: the matrix is positive definite.
    """
    cdef Py_ssize_t i, j, k, n = a.shape[0]
    cdef double pivot, factor
    if a.shape[1] != n:
        raise ValueError("the matrix is not square.")
    with nogil:
        # By columns of the factor, whose transpose grows in the rows above the
        # diagonal: the inner loop runs along rows.
        for i in range(n):
            pivot = a[i, i]
            if not pivot > 0:
                with gil:
                    return False
            pivot = 1 / sqrt(pivot)
            for k in range(i, n):
                a[i, k] *= pivot
            for j in range(i + 1, n):
                factor = a[i, j]
                for k in range(j, n):
                    a[j, k] -= factor * a[i, k]
        for i in range(n):
            for j in range(i):
                a[i, j] = a[j, i]
    return True


def whiten(const double[:, ::1] factor, double[:, ::1] b):
    """Replace b (n, n_columns) by its solution for a Cholesky factor.

    Rows are solved one after another: the first ones are those of a smaller matrix.
    """
    cdef Py_ssize_t i, j, k, n = factor.shape[0], n_columns = b.shape[1]
    cdef double f
    if factor.shape[1] != n or b.shape[0] != n:
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(n):
            for j in range(i):
                f = factor[i, j]
                for k in range(n_columns):
                    b[i, k] -= f * b[j, k]
            f = 1 / factor[i, i]
            for k in range(n_columns):
                b[i, k] *= f


def solve(const double[:, ::1] factor, double[:, ::1] b):
    """Replace b (n, n_columns) by the solution for the matrix with this factor."""
    cdef Py_ssize_t i, j, k, n = factor.shape[0], n_columns = b.shape[1]
    cdef double f
    if factor.shape[1] != n or b.shape[0] != n:
        raise ValueError("the shapes do not match.")
    whiten(factor, b)
    with nogil:
        for i in range(n - 1, -1, -1):
            for j in range(i + 1, n):
                f = factor[j, i]
                for k in range(n_columns):
                    b[i, k] -= f * b[j, k]
            f = 1 / factor[i, i]
            for k in range(n_columns):
                b[i, k] *= f
