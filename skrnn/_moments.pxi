# Sums, means and variances of steps, for `_packing.pyx`.
#
# The sums have twice the precision of double: what each addition rounds off is added up
# too. So they hardly depend on the order of the sequences, a weight of two equals the
# sequence twice, and a constant has exactly its own mean. The distance from a center
# and its square are kept in the same precision, so that one pass gives the variance.

cdef inline void add(double *sum, double *rest, double value) noexcept nogil:
    cdef double total = sum[0] + value
    cdef double moved = total - sum[0]
    rest[0] += (sum[0] - (total - moved)) + (value - moved)
    sum[0] = total


cdef inline double product_rest(double a, double b, double product) noexcept nogil:
    """a * b - product, exactly (Dekker; Veltkamp's splitting at 27 bits)."""
    cdef double c = 134217729.0 * a
    cdef double a_high = c - (c - a)
    c = 134217729.0 * b
    cdef double b_high = c - (c - b)
    cdef double a_low = a - a_high, b_low = b - b_high
    return a_low * b_low - (
        ((product - a_high * b_high) - a_low * b_high) - a_high * b_low
    )


cdef inline void sum_steps(
    double *sums,  # OUT (5, n_features): known steps, sum, rest, sum of squares, rest
    const View *view, Py_ssize_t n_features, const double *center, source zero,
) noexcept nogil:
    cdef Py_ssize_t _t, f
    cdef const char *row = view.address
    cdef double value, known, distance, moved, low, square
    for f in range(5 * n_features):
        sums[f] = 0
    for _t in range(view.length):
        for f in range(n_features):
            value = <double> (<const source *> (row + f * view.feature))[0]
            known = 1.0 if value == value else 0.0
            value = value if value == value else center[f]
            distance = value - center[f]
            moved = distance - value
            low = (value - (distance - moved)) - (center[f] + moved)
            square = distance * distance
            sums[f] += known
            add(&sums[n_features + f], &sums[2 * n_features + f], distance)
            sums[2 * n_features + f] += low
            add(&sums[3 * n_features + f], &sums[4 * n_features + f], square)
            sums[4 * n_features + f] += (
                product_rest(distance, distance, square) + 2 * distance * low
            )
        row += view.step


cdef inline void add_weighted(
    double *sums,  # IN/OUT (6, n_features)
    const double *steps,  # IN (5, n_features)
    Py_ssize_t n_features, double weight,
) noexcept nogil:
    cdef Py_ssize_t f, q
    cdef double value, rest, product
    for q in range(3):
        for f in range(n_features):
            value = steps[max(2 * q - 1, 0) * n_features + f]
            rest = steps[2 * q * n_features + f] if q else 0.0
            product = value
            if weight != 1:
                product = weight * value
                rest = rest * weight + product_rest(weight, value, product)
            add(
                &sums[2 * q * n_features + f], &sums[(2 * q + 1) * n_features + f],
                product,
            )
            sums[(2 * q + 1) * n_features + f] += rest


def add_all(
    double[:, ::1] sums, const double[:, :, ::1] parts, const double[::1] weights=None,
):
    """Add the sums of some sequences, as `Table.sum_each` gives them, to `sums`."""
    cdef Py_ssize_t F = parts.shape[2], i
    cdef double w = 1.0
    if sums.shape[0] != 6 or parts.shape[1] != 5 or sums.shape[1] != F:
        raise ValueError("sums and parts must have a column for each feature")
    if weights is not None and weights.shape[0] != parts.shape[0]:
        raise ValueError(f"{weights.shape[0]} weights, {parts.shape[0]} sequences")
    if F == 0:
        return
    for i in range(parts.shape[0]):
        if weights is not None:
            w = weights[i]
            if w == 0:
                continue
        add_weighted(&sums[0, 0], &parts[i, 0, 0], F, w)


def moments_of(const double[:, ::1] sums, const double[::1] center):
    """What sums weigh, the mean and the variance of their values, each (n_features,).

    The last result says how far the mean is from the center, in standard deviations.
    Each is rounded once, unless that distance is very large. Where nothing is known,
    mean and variance are 0.
    """
    cdef Py_ssize_t F = center.shape[0], f
    if sums.shape[0] != 6 or sums.shape[1] != F:
        raise ValueError("sums and center must have a column for each feature")
    found = np.zeros((4, F))
    cdef double[:, ::1] out = found
    cdef double n, apart, rest, total, moved, variance, low, square
    for f in range(F):
        n = sums[0, f]
        out[0, f] = n + sums[1, f]
        if n == 0:
            continue
        apart = quotient(sums[2, f], sums[3, f], n, sums[1, f], &rest)
        total = center[f] + apart
        moved = total - center[f]
        out[1, f] = total + (
            (center[f] - (total - moved)) + (apart - moved) + rest
        )
        variance = quotient(sums[4, f], sums[5, f], n, sums[1, f], &low)
        square = apart * apart
        low -= product_rest(apart, apart, square) + 2 * apart * rest
        total = variance - square
        moved = total - variance
        out[2, f] = total + ((variance - (total - moved)) - (square + moved) + low)
        if out[2, f] < 0:
            out[2, f] = 0
        out[3, f] = fabs(apart) / sqrt(out[2, f]) if out[2, f] > 0 else HUGE_VAL
        if apart == 0:
            out[3, f] = 0
    return tuple(row.copy() for row in found)


cdef inline double quotient(
    double sum, double rest, double weight, double weight_rest,
    double *low,  # OUT: what the result lacks
) noexcept nogil:
    cdef double q = sum / weight
    cdef double product = q * weight
    cdef double remainder = (sum - product) - product_rest(q, weight, product)
    low[0] = (remainder + rest - q * weight_rest) / weight
    return q
