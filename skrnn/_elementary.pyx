"""Losses and solvers element by element, with the same bits everywhere.

The functions exp, log and log1p are made of + - * / and of the bits of a double, so
that they do not depend on the C library or on the instruction set. The square root is
exact by IEEE 754. Every sum has one fixed order. The losses are computed in double for
any dtype of the network, since this costs little beside the network. The solvers work
in the dtype of the parameters. The callers check the sizes.
"""

from cython cimport floating
from libc.float cimport DBL_MIN, FLT_MIN
from libc.math cimport INFINITY, NAN
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    LANES = 8


# ----------------------------------------------------------------- elementary functions


cdef inline int64_t bits(double x) noexcept nogil:
    cdef int64_t i
    memcpy(&i, &x, sizeof(double))
    return i


cdef inline double from_bits(int64_t i) noexcept nogil:
    cdef double x
    memcpy(&x, &i, sizeof(double))
    return x


cpdef double exp(double x) noexcept nogil:
    """e to the power of x; the error is below 1 ulp, also for denormal results."""
    # x = n ln 2 + r with |r| <= ln 2 / 2, and exp(r) = 1 + r + r^2 (1/2 + r q(r)) where
    # q is the polynomial of least relative error (6e-18 of exp(r)).
    cdef double n, high, low, r, correction, q
    cdef int64_t n_half
    if x != x:
        return x
    if x > 710.0:
        return INFINITY
    if x < -746.0:
        return 0.0
    # Adding and taking away 1.5 * 2^52 rounds to the nearest integer.
    n = (x * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    high = x - n * 0.6931471803691238  # exact: 21 trailing zero bits
    low = n * 1.9082149292705877e-10
    r = high - low
    correction = (high - r) - low
    q = 2.4978406876238207e-08
    q = q * r + 2.7625189484289587e-07
    q = q * r + 2.755764080153914e-06
    q = q * r + 2.4801508676680833e-05
    q = q * r + 1.9841269469266165e-04
    q = q * r + 1.3888888926800313e-03
    q = q * r + 8.333333333500023e-03
    q = q * r + 4.166666666660395e-02
    q = q * r + 1.6666666666666433e-01
    r = 1.0 + (r + (r * r * (0.5 + r * q) + correction))
    # In two factors: 2^n alone may be out of range although the result is not.
    n_half = (<int64_t>n) >> 1
    r *= from_bits((n_half + 1023) << 52)
    return r * from_bits((<int64_t>n - n_half + 1023) << 52)


cpdef double log(double x) noexcept nogil:
    """Natural logarithm; the error is below 1 ulp."""
    # x = 2^n (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), and with s = f / (2 + f)
    # log(1 + f) = log((1 + s) / (1 - s)) = 2 s + s z q(z), z = s^2, 2 s = f - s f,
    # where q is the polynomial of least relative error (2e-18).
    cdef double n = 0.0, f, s, z, q
    cdef int64_t exponent
    if not x > 0.0:
        return -INFINITY if x == 0.0 else NAN
    if x == INFINITY:
        return x
    if x < DBL_MIN:
        x *= 18014398509481984.0  # 2^54
        n = -54.0
    exponent = (bits(x) >> 52) - 1023
    x = from_bits(bits(x) - <int64_t>(<uint64_t>exponent << 52))
    n += exponent
    if x > 1.4142135623730951:
        x *= 0.5
        n += 1.0
    f = x - 1.0
    s = f / (2.0 + f)
    z = s * s
    q = 0.14796069342366963
    q = q * z + 0.15314039701084264
    q = q * z + 0.18183564702834096
    q = q * z + 0.22222198566960186
    q = q * z + 0.28571428742436655
    q = q * z + 0.3999999999941452
    q = q * z + 0.6666666666666734
    return n * 0.6931471803691238 - (
        (s * (f - z * q) - n * 1.9082149292705877e-10) - f
    )


def log_above(const double[::1] x, double floor, double[::1] out):
    """Logarithms of numbers, (n,); below `floor` the tangent there goes on.

    So all numbers have one, and NaN stays. `exp_above` is the way back.
    """
    cdef Py_ssize_t i
    cdef double start = log(floor)
    if out.shape[0] != x.shape[0]:
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(x.shape[0]):
            if x[i] < floor:
                out[i] = start + (x[i] / floor - 1.0)
            else:
                out[i] = log(x[i])


def exp_above(const double[::1] x, double floor, double[::1] out):
    """The numbers, (n,), that `log_above` was given."""
    cdef Py_ssize_t i
    cdef double start = log(floor)
    if out.shape[0] != x.shape[0]:
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(x.shape[0]):
            if x[i] < start:
                out[i] = floor * (1.0 + (x[i] - start))
            else:
                out[i] = exp(x[i])


cpdef double log1p(double x) noexcept nogil:
    """log(1 + x) for x >= 0; the error is below 2 ulp."""
    cdef double u = 1.0 + x
    if u == INFINITY:
        return u
    # The second term is the rounding error of u (lost from x or from 1).
    return log(u) + ((x - (u - 1.0)) if u < 2.0 else (1.0 - (u - x))) / u


cpdef double power(double x, double y) noexcept nogil:
    """x to the power of y for x > 0, to a relative error of about 1e-16 y log(x)."""
    return exp(y * log(x))


# ------------------------------------------------------------------------------- losses


def multinomial_loss(
    const Py_ssize_t[::1] y,           # IN  (n,) index of the class
    const floating[:, ::1] raw,        # IN  (n, n_classes)
    const double[::1] weight,          # IN  (n,)
    floating[:, ::1] d_raw,             # OUT (n, n_classes)
    double[::1] scratch,               # (n_classes,)
):
    """Weighted mean of the log loss of softmax(raw); d_raw = its gradient."""
    cdef:
        Py_ssize_t i, k, top, n = raw.shape[0], n_classes = raw.shape[1]
        double most, rest, share, value = 0.0, total = total_weight(weight)
    with nogil:
        for i in range(n):
            share = weight[i]
            if share == 0.0:
                for k in range(n_classes):
                    d_raw[i, k] = 0
                continue
            top = argmax(&raw[i, 0], n_classes)
            most = raw[i, top]
            rest = 0.0  # the sum of all but the largest, which is exp(0) = 1
            for k in range(n_classes):
                scratch[k] = exp(raw[i, k] - most)
                if k != top:
                    rest += scratch[k]
            value += share * (most - raw[i, y[i]] + log1p(rest))
            share /= total
            for k in range(n_classes):
                d_raw[i, k] = <floating>(share * (scratch[k] / (1.0 + rest)))
            # p - 1 without cancellation
            if y[i] == top:
                rest = rest / (1.0 + rest)
            else:
                rest = 1.0 - scratch[y[i]] / (1.0 + rest)
            d_raw[i, y[i]] = <floating>(-share * rest)
    return value / total


cdef extern from *:
    """
    #include <string.h>

    /* The exponentials of x - most, for values up to 0, in floats that a compiler can
       compute side by side. The polynomial is that of the Cephes library (Moshier
       1992), with an error of some 2 units in the last place. */
    static void skrnn_exps(const float *x, float most, float *e, Py_ssize_t n)
    {
        Py_ssize_t i;
        for (i = 0; i < n; i++) {
            float z = x[i] - most, whole, f, y;
            int bits;
            z = z < -87.0f ? -87.0f : z;
            whole = (z * 1.44269504f + 12582912.0f) - 12582912.0f;
            f = (z - whole * 0.693359375f) + whole * 2.12194440e-4f;
            y = 1.9875691500e-4f;
            y = y * f + 1.3981999507e-3f;
            y = y * f + 8.3334519073e-3f;
            y = y * f + 4.1665795894e-2f;
            y = y * f + 1.6666665459e-1f;
            y = y * f + 5.0000001201e-1f;
            y = (y * (f * f) + f) + 1.0f;
            bits = ((int)whole + 127) << 23;
            memcpy(&z, &bits, sizeof z);
            e[i] = y * z;
        }
    }

    /* A sum in 16 lanes, and then lane by lane. */
    static double skrnn_total(const float *e, Py_ssize_t n)
    {
        double lanes[16] = {0}, total = 0;
        Py_ssize_t i = 0, j;
        for (; i + 16 <= n; i += 16)
            for (j = 0; j < 16; j++)
                lanes[j] += e[i + j];
        for (j = 0; i + j < n; j++)
            lanes[j] += e[i + j];
        for (j = 0; j < 16; j++)
            total += lanes[j];
        return total;
    }
    """
    void skrnn_exps(const float* x, float most, float* e, Py_ssize_t n) noexcept nogil
    double skrnn_total(const float* e, Py_ssize_t n) noexcept nogil


def smooth_labels(
    const Py_ssize_t[::1] y,           # IN  (n,) index of the class
    const floating[:, ::1] raw,        # IN  (n, n_classes)
    const double[::1] weight,          # IN  (n,)
    floating[:, ::1] d_raw,            # +=  (n, n_classes)
    double share,
):
    """What to add to a log loss for targets with a share for all classes alike.

    The log loss of a row grows by share * (raw at its class - mean of raw); d_raw is
    changed by the gradient. Returns the weighted mean of what is added.
    """
    cdef:
        Py_ssize_t i, k, n = raw.shape[0], n_classes = raw.shape[1]
        double part, mean, value = 0.0, total = total_weight(weight)
        floating each
    with nogil:
        for i in range(n):
            if weight[i] == 0.0:
                continue
            mean = sum_in_lanes(&raw[i, 0], n_classes) / n_classes
            part = share * weight[i]
            value += part * (raw[i, y[i]] - mean)
            part /= total
            each = <floating>(part / n_classes)
            for k in range(n_classes):
                d_raw[i, k] -= each
            d_raw[i, y[i]] += <floating>part
    return value / total


cdef inline double sum_in_lanes(const floating* x, Py_ssize_t n) noexcept nogil:
    cdef double lanes[LANES]
    cdef Py_ssize_t _
    cdef int j
    clear(lanes)
    for _ in range(n // LANES):
        for j in range(LANES):
            lanes[j] += x[j]
        x += LANES
    for j in range(<int>(n % LANES)):
        lanes[j] += x[j]
    return sum_of_lanes(lanes)


def logistic_loss(
    const double[:, ::1] y,            # IN  (n, n_out) 0, 1, or between
    const floating[:, ::1] raw,        # IN  (n, n_out)
    const double[::1] weight,          # IN  (n,)
    floating[:, ::1] d_raw,             # OUT (n, n_out)
):
    """Weighted mean of the binary log losses of expit(raw), summed over the outputs."""
    cdef:
        Py_ssize_t i, k, n = raw.shape[0], n_out = raw.shape[1]
        double z, e, row, share, value = 0.0, total = total_weight(weight)
    with nogil:
        for i in range(n):
            share = weight[i]
            row = 0.0
            for k in range(n_out):
                if share == 0.0:
                    d_raw[i, k] = 0
                    continue
                z = raw[i, k]
                # log(1 + exp(z)) - y z, with the derivative expit(z) - y, which is
                # (1 - y) expit(z) - y expit(-z).
                if z > 0.0:
                    e = exp(-z)
                    row += (z - y[i, k] * z) + log1p(e)
                    z = (1.0 - y[i, k]) - y[i, k] * e
                else:
                    e = exp(z)
                    row += log1p(e) - y[i, k] * z
                    z = (1.0 - y[i, k]) * e - y[i, k]
                d_raw[i, k] = <floating>(share / total * (z / (1.0 + e)))
            value += share * row
    return value / total


def squared_loss(
    const double[:, ::1] y,            # IN  (n, n_targets)
    const floating[:, ::1] raw,        # IN  (n, n_targets)
    const double[::1] weight,          # IN  (n,)
    floating[:, ::1] d_raw,             # OUT (n, n_targets)
):
    """Weighted mean of half the squared errors, averaged over the targets."""
    cdef:
        Py_ssize_t i, k, n = raw.shape[0], n_out = raw.shape[1]
        double error, row, share, value = 0.0
        double total = total_weight(weight) * n_out
    with nogil:
        for i in range(n):
            share = weight[i]
            row = 0.0
            for k in range(n_out):
                if share == 0.0:
                    d_raw[i, k] = 0
                    continue
                error = raw[i, k] - y[i, k]
                row += error * error
                d_raw[i, k] = <floating>(share / total * error)
            value += share * row
    return 0.5 * (value / total)


def softmax(const floating[:, ::1] raw, double[:, ::1] out, bint logarithm):
    """out = softmax of each row of raw, or its logarithm."""
    cdef Py_ssize_t i, k, top, n_classes = raw.shape[1]
    cdef double most, rest
    with nogil:
        for i in range(raw.shape[0]):
            top = argmax(&raw[i, 0], n_classes)
            most = raw[i, top]
            rest = 0.0
            for k in range(n_classes):
                out[i, k] = exp(raw[i, k] - most)
                if k != top:
                    rest += out[i, k]
            if logarithm:
                rest = log1p(rest)
                for k in range(n_classes):
                    out[i, k] = (raw[i, k] - most) - rest
            else:
                for k in range(n_classes):
                    out[i, k] /= 1.0 + rest


def log_proba_at(const floating[:, ::1] raw, const Py_ssize_t[::1] y, double[::1] out):
    """out = the logarithm of the softmax of each row at one class, as `softmax` has it.

    raw : (n, n_classes); y : (n,) the class; out : (n,)
    """
    cdef Py_ssize_t i, k, top, n_classes = raw.shape[1]
    cdef double most, rest
    if y.shape[0] != raw.shape[0] or out.shape[0] != raw.shape[0]:
        raise ValueError("the shapes do not match.")
    for i in range(y.shape[0]):
        if not 0 <= y[i] < n_classes:
            raise IndexError(f"there is no class {y[i]}.")
    with nogil:
        for i in range(raw.shape[0]):
            top = argmax(&raw[i, 0], n_classes)
            most = raw[i, top]
            rest = 0.0
            for k in range(n_classes):
                if k != top:
                    rest += exp(raw[i, k] - most)
            out[i] = (raw[i, y[i]] - most) - log1p(rest)


def best_tokens(
    const floating[:, ::1] raw,        # IN  (n, n_tokens)
    Py_ssize_t[:, ::1] tokens,         # OUT (n, n_best), -1 where there are no more
    double[:, ::1] log_p,              # OUT (n, n_best)
    const unsigned char[::1] banned,   # IN  (n_tokens,) tokens that are left out
    floating[::1] scratch,             # (n_tokens,)
):
    """The most probable tokens of each row, the best first; the lower id before.

    Logarithms of the softmax over all tokens have the bits of `token_log_proba`.
    """
    cdef Py_ssize_t i, j, k, n_best = tokens.shape[1], n_tokens = raw.shape[1], n_found
    cdef double most, total
    if (
        tokens.shape[0] != raw.shape[0] or log_p.shape[0] != raw.shape[0]
        or log_p.shape[1] != n_best or banned.shape[0] != n_tokens or not n_best
        or scratch.shape[0] != n_tokens
    ):
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(raw.shape[0]):
            n_found = 0
            for k in range(n_tokens):
                if banned[k] or (
                    n_found == n_best and not raw[i, k] > raw[i, tokens[i, n_best - 1]]
                ):
                    continue
                j = n_found if n_found < n_best else n_best - 1
                while j > 0 and raw[i, k] > raw[i, tokens[i, j - 1]]:
                    if j < n_best:
                        tokens[i, j] = tokens[i, j - 1]
                    j -= 1
                tokens[i, j] = k
                if n_found < n_best:
                    n_found += 1
            most = raw[i, argmax(&raw[i, 0], n_tokens)]
            total = log(total_of_exps(&raw[i, 0], most, &scratch[0], n_tokens))
            for j in range(n_best):
                if j < n_found:
                    log_p[i, j] = (raw[i, tokens[i, j]] - most) - total
                else:
                    tokens[i, j] = -1
                    log_p[i, j] = -INFINITY


def token_log_proba(const floating[:, ::1] raw, const Py_ssize_t[::1] y,
                    double[::1] out, floating[::1] scratch):
    """out (n,) = logarithm of the softmax of raw (n, n_tokens) at one token a row."""
    cdef Py_ssize_t i, n_tokens = raw.shape[1]
    cdef double most
    if (
        y.shape[0] != raw.shape[0] or out.shape[0] != raw.shape[0]
        or scratch.shape[0] != n_tokens
    ):
        raise ValueError("the shapes do not match.")
    for i in range(y.shape[0]):
        if not 0 <= y[i] < n_tokens:
            raise IndexError(f"there is no token {y[i]}.")
    with nogil:
        for i in range(raw.shape[0]):
            most = raw[i, argmax(&raw[i, 0], n_tokens)]
            out[i] = (raw[i, y[i]] - most) - log(
                total_of_exps(&raw[i, 0], most, &scratch[0], n_tokens)
            )


cdef inline double total_of_exps(const floating* x, double most, floating* scratch,
                                 Py_ssize_t n) noexcept nogil:
    # In the precision of x: the sum over many tokens takes most of the time.
    cdef Py_ssize_t k
    cdef double total = 0.0
    if floating is float:
        skrnn_exps(x, <float>most, scratch, n)
        return skrnn_total(scratch, n)
    for k in range(n):
        total += exp(x[k] - most)
    return total


def expit(const floating[:, ::1] raw, double sign, double[:, :] out, bint logarithm):
    """out = 1 / (1 + exp(-sign * raw)), or its logarithm."""
    cdef Py_ssize_t i, k
    cdef double z, e
    with nogil:
        for i in range(raw.shape[0]):
            for k in range(raw.shape[1]):
                z = sign * raw[i, k]
                e = exp(-z if z > 0.0 else z)
                if logarithm:
                    out[i, k] = -log1p(e) if z > 0.0 else z - log1p(e)
                else:
                    out[i, k] = (1.0 if z > 0.0 else e) / (1.0 + e)


cdef inline Py_ssize_t argmax(const floating* x, Py_ssize_t n) noexcept nogil:
    # The first of the largest. A NaN is not found, and is in the sum that follows.
    cdef Py_ssize_t k, top = 0
    for k in range(1, n):
        if x[k] > x[top]:
            top = k
    return top


cpdef double total_weight(const double[::1] weight) noexcept nogil:
    """The sum of weights."""
    cdef Py_ssize_t i
    cdef double total = 0.0
    for i in range(weight.shape[0]):
        total += weight[i]
    return total


# ------------------------------------------------------------------------------ solvers


def sum_of_squares(const floating[::1] x):
    """The sum of squares of a vector, in double."""
    cdef double lanes[LANES]
    with nogil:
        clear(lanes)
        if x.shape[0]:
            add_squares(&x[0], x.shape[0], lanes)
    return sum_of_lanes(lanes)


def add_decay(
    const floating[::1] theta,         # IN  (n_params,)
    floating[::1] grad,                # +=  (n_params,)
    const Py_ssize_t[:, ::1] spans,    # IN  (n_spans, 2) start and stop of the weights
    double strength,
):
    """grad += strength * theta over the spans; returns the sum of their squares."""
    cdef double lanes[LANES]
    cdef floating factor = <floating>strength
    cdef Py_ssize_t i, j
    with nogil:
        clear(lanes)
        for i in range(spans.shape[0]):
            if spans[i, 0] < spans[i, 1]:
                add_squares(&theta[spans[i, 0]], spans[i, 1] - spans[i, 0], lanes)
            for j in range(spans[i, 0], spans[i, 1]):
                grad[j] += factor * theta[j]
    return sum_of_lanes(lanes)


cdef inline void clear(double* lanes) noexcept nogil:
    cdef int j
    for j in range(LANES):
        lanes[j] = 0.0


cdef inline void add_squares(
    const floating* x, Py_ssize_t n, double* lanes
) noexcept nogil:
    # Lane j takes the elements j, j + LANES, ...: a fixed order that is also fast.
    cdef Py_ssize_t _
    cdef int j
    for _ in range(n // LANES):
        for j in range(LANES):
            lanes[j] += <double>x[j] * <double>x[j]
        x += LANES
    for j in range(n % LANES):
        lanes[j] += <double>x[j] * <double>x[j]


cdef inline double sum_of_lanes(const double* lanes) noexcept nogil:
    cdef int j
    cdef double total = 0.0
    for j in range(LANES):
        total += lanes[j]
    return total


# A step changes everything that it changes in one call, which Ctrl-C cannot cut in two.
# A velocity that decays below the smallest normal number becomes zero: where the
# gradient is zero it would otherwise stay denormal for ever, which is slow on many
# CPUs. The step of Adam is in `_solver`.


cdef inline floating flushed(floating x) noexcept nogil:
    cdef floating least = FLT_MIN if floating is float else DBL_MIN
    return 0 if x < least and x > -least else x


def sgd_step(
    floating[::1] theta,               # IN/OUT (n_params,)
    const floating[::1] grad,          # IN     (n_params,)
    floating[::1] velocity,            # IN/OUT (n_params,)
    double learning_rate,
    double momentum,
    bint nesterov,
    double scale,
):
    """One step of gradient descent with momentum along scale * grad."""
    cdef:
        Py_ssize_t i
        floating mu = <floating>momentum, step = <floating>(learning_rate * scale)
        # Without Nesterov's look ahead the change is the velocity itself.
        floating ahead = mu if nesterov else 1, again = step if nesterov else 0, v
    with nogil:
        for i in range(theta.shape[0]):
            v = flushed(mu * velocity[i] - step * grad[i])
            velocity[i] = v
            theta[i] += ahead * v - again * grad[i]
