"""Loops of `skrnn.forecasting`: windows of series, and the equations of a ridge.

All arithmetic is in double and in one order, so that a window has the same bits
whatever other windows are cut with it, and a fit the same on every machine.
"""

from libc.math cimport NAN, isnan, sqrt


def cut(const double[::1] values, const Py_ssize_t[::1] begin,
        const Py_ssize_t[::1] origin, Py_ssize_t season, bint centered,
        double[:, ::1] window,
        unsigned char[:, ::1] unknown, double[::1] level, double[::1] scale,
        double[::1] spread):
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
    """
    cdef Py_ssize_t i, n_lags = window.shape[1], n_values = values.shape[0]
    if not (begin.shape[0] == origin.shape[0] == window.shape[0] == unknown.shape[0]
            == level.shape[0] == scale.shape[0] == spread.shape[0]
            and unknown.shape[1] == n_lags and n_lags > 0 and season > 0):
        raise ValueError("the shapes do not match.")
    for i in range(window.shape[0]):
        if not 0 <= begin[i] <= origin[i] <= n_values:
            raise IndexError(f"window {i} lies outside of the values.")
    with nogil:
        for i in range(window.shape[0]):
            cut_one(&values[0] if n_values else NULL, begin[i], origin[i], season,
                    centered, n_lags, &window[i, 0], &unknown[i, 0], &level[i],
                    &scale[i], &spread[i])


cdef void cut_one(const double* values, Py_ssize_t begin, Py_ssize_t origin,
                  Py_ssize_t season, bint centered, Py_ssize_t n_lags, double* w,
                  unsigned char* unknown, double* level, double* scale,
                  double* spread) noexcept nogil:
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
    if n_gaps:
        fill_one(w, n_lags, season)


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


def solve(const double[:, ::1] factor, double[:, ::1] b):
    """Replace b (n, n_columns) by the solution for the matrix with this factor."""
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
        for i in range(n - 1, -1, -1):
            for j in range(i + 1, n):
                f = factor[j, i]
                for k in range(n_columns):
                    b[i, k] -= f * b[j, k]
            f = 1 / factor[i, i]
            for k in range(n_columns):
                b[i, k] *= f
