# Tails of generalised Pareto distributions, for `_detection.pyx`: how probable values
# are beyond those that were seen.

cdef struct Tail:
    double threshold  # where the tail begins
    double scale
    double shape
    double log_share  # log of the probability of a value beyond the threshold


cdef double count_apart(
    const double* by_age, Py_ssize_t n, Py_ssize_t head, double threshold, double sign
) noexcept nogil:
    """How many values beyond a threshold came independently, by the waits for them.

    If values are independent, the waits between large ones are exponential, and their
    mean square is twice the square of their mean. Values that come in groups have many
    short waits and a few long ones, of a larger mean square (Ferro & Segers, 2003). The
    waits before the first one and after the last one count, too.
    """
    cdef Py_ssize_t i, j, wait = 1
    cdef double squares = 0.0, total = n + 1.0
    for i in range(n):
        j = head + i
        if j >= n:
            j -= n
        if sign * by_age[j] > threshold:
            squares += <double>wait * wait
            wait = 0
        wait += 1
    squares += <double>wait * wait
    return max(2 * total * total / squares - 1, 1.0)


cdef Tail fit_tail(
    const double* values, const double* by_age, Py_ssize_t n, Py_ssize_t head,
    double sign
) noexcept nogil:
    """Fit the tail of sorted values, by probability-weighted moments.

    With the sign -1 it is that of the smallest values, and all are negated.
    """
    cdef:
        Py_ssize_t i, at, k = <Py_ssize_t>(TAIL_SHARE * n)
        double excess, mean = 0.0, moment = 0.0, gap, n_apart
        Tail tail
    k = max(k, FEWEST_OF_TAIL)
    at = n - k if sign > 0 else k - 1
    tail.threshold = sign * (values[at - 1] if sign > 0 else values[k])
    for i in range(k):  # from the smallest excess on
        excess = sign * values[at + i if sign > 0 else at - i] - tail.threshold
        mean += excess
        moment += excess * (k - 0.5 - i) / k
    mean /= k
    moment /= k
    gap = mean - 2 * moment
    tail.shape = 2 - mean / gap if gap > 0 else MOST_SHAPE
    # The scale is known from few values only: neighbours are alike. What is expected of
    # an exponential tail whose scale is uncertain has the shape 1 / their number.
    n_apart = min(count_apart(by_age, n, head, tail.threshold, sign), <double>k)
    tail.shape = min(max(tail.shape, 0.0), MOST_SHAPE)
    tail.scale = mean * (1 - tail.shape)
    tail.shape = max(tail.shape, 1.0 / n_apart)
    tail.log_share = log(<double>k / (n + 1))
    return tail


cdef inline double beyond(const Tail* tail, double value) noexcept nogil:
    """Log of the probability of a value as large or larger, in a tail."""
    cdef double excess = value - tail.threshold, size
    if not tail.scale > 0:  # the largest values are all the same
        size = fabs(value) if tail.threshold >= 0 else -tail.threshold
        return tail.log_share - (log1p(excess / size) if excess > 0 else 0.0)
    size = excess / tail.scale
    if tail.shape > LEAST_SHAPE:
        if size < HUGE:
            size = log1p(tail.shape * size) / tail.shape
        else:
            size = (log(tail.shape) + log(excess) - log(tail.scale)) / tail.shape
    return tail.log_share - min(size, HUGE)


cdef inline double value_at(const Tail* tail, double log_p) noexcept nogil:
    """The value of which `log_p` is the log of the probability."""
    cdef double excess = max(0.0, tail.log_share - log_p)
    if tail.shape > LEAST_SHAPE:
        excess = (exp(tail.shape * excess) - 1.0) / tail.shape
    return tail.threshold + tail.scale * excess
