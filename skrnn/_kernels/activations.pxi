# The point-wise functions that the cells share, on whole vectors.
#
# exp(y) - 1 = 2**n * q + (2**n - 1) with y = n ln 2 + r, |r| <= ln 2 / 2, and
# q = expm1(r) = r + r**2 P(r), P being the polynomial of least relative error.
# Largest errors, tested over all of float32: tanh and sigmoid below 3 ulp.

cdef extern from *:
    """
    #ifdef SKRNN_DOUBLE
    #define LN2_HIGH 0x1.62e42fee00000p-1
    #define LN2_LOW 0x1.a39ef35793c76p-33
    #define ROUND_SHIFT (0x1.8p52 + EXPONENT_BIAS)
    #define SIGMOID_LEAST -709.0
    #define SIGMOID_MOST 36.8
    #define TANH_MOST 20.0
    #define EXP_LEAST -708.0
    #else
    #define LN2_HIGH 0x1.62e4p-1f
    #define LN2_LOW 0x1.7f7d1cp-20f
    #define ROUND_SHIFT (0x1.8p23f + EXPONENT_BIAS)
    #define SIGMOID_LEAST -88.0f
    #define SIGMOID_MOST 17.4f
    #define TANH_MOST 9.1f
    #define EXP_LEAST -87.0f
    #endif
    #define LOG2_E ((real)1.4426950408889634)

    /* P of expm1(r) = r + r*r*P(r) for |r| <= ln(2)/2. The largest errors of expm1 are
    1.4e-8 in float32 and 3e-19 in float64. */
    INLINE vec expm1_polynomial(vec r) {
    #ifdef SKRNN_DOUBLE
        vec p = vset1(2.0875327008400885e-09);
        p = vfma(p, r, vset1(2.5109024587398977e-08));
        p = vfma(p, r, vset1(2.7557402781896429e-07));
        p = vfma(p, r, vset1(2.7557244253815957e-06));
        p = vfma(p, r, vset1(2.4801587172222495e-05));
        p = vfma(p, r, vset1(1.9841269886073842e-04));
        p = vfma(p, r, vset1(1.3888888888962609e-03));
        p = vfma(p, r, vset1(8.3333333333216540e-03));
        p = vfma(p, r, vset1(4.1666666666666508e-02));
        p = vfma(p, r, vset1(1.6666666666666677e-01));
        p = vfma(p, r, vset1(0.5));
    #else
        vec p = vset1(1.38825139e-3f);
        p = vfma(p, r, vset1(8.36654727e-3f));
        p = vfma(p, r, vset1(4.16672007e-2f));
        p = vfma(p, r, vset1(1.66665434e-1f));
        p = vfma(p, r, vset1(0.499999981f));
    #endif
        return vfma(r * r, p, r);
    }
    """
    vec expm1_polynomial(vec r) noexcept nogil
    const real LN2_HIGH, LN2_LOW, LOG2_E, ROUND_SHIFT
    const real SIGMOID_LEAST, SIGMOID_MOST, TANH_MOST, EXP_LEAST


cdef inline vec exp_plus(vec y, vec shift) noexcept nogil:
    # exp(y) + shift, with one rounding at the end: 2**n + shift is exact for |n| < 24.
    cdef vec t, n, r
    t = vfma(y, vset1(LOG2_E), vset1(ROUND_SHIFT))
    n = t - vset1(ROUND_SHIFT)
    r = vfma(n, vset1(-LN2_LOW), vfma(n, vset1(-LN2_HIGH), y))
    t = vexp2_rounded(t)
    return vfma(t, expm1_polynomial(r), t + shift)


cdef inline vec sigmoid(vec x) noexcept nogil:
    # 1 / (1 + exp(-x)); where exp(-x) would overflow the result is flushed to zero.
    cdef vec y = vmax(vset1(SIGMOID_LEAST), vmin(vset1(SIGMOID_MOST), x))
    return vset1(1) / exp_plus(-y, vset1(1))


cdef inline vec tanh(vec x) noexcept nogil:
    # -e / (2 + e) with e = expm1(-2 |x|), and the sign of x.
    cdef vec e
    e = exp_plus(vmin(vset1(TANH_MOST), vabs(x)) * vset1(-2), vset1(-1))
    return vwith_sign(e / (vset1(2) + e), x)


cdef inline vec relu(vec x) noexcept nogil:
    return vmax(vset1(0), x)


cdef void activate(int which, const void* x, void* y, Py_ssize_t n) noexcept nogil:
    # y (n,) = an activation of x (n,), for the tests of their accuracy.
    cdef Py_ssize_t i = 0
    cdef real lanes[16]
    cdef int j, m
    cdef vec v
    cdef uint64_t state = denormals_off()
    while i < n:
        m = VL if n - i > VL else <int>(n - i)
        for j in range(m):
            lanes[j] = (<const real*>x)[i + j]
        for j in range(m, VL):
            lanes[j] = 0
        v = vload(lanes)
        v = sigmoid(v) if which == 0 else tanh(v) if which == 1 else relu(v)
        vstore(lanes, v)
        for j in range(m):
            (<real*>y)[i + j] = lanes[j]
        i += VL
    denormals_restore(state)


cdef void exponential(const void* x, void* y, Py_ssize_t n) noexcept nogil:
    # y (n,) = exp(x), for x up to 700 (80 in float32); below the normal numbers zero.
    cdef Py_ssize_t i = 0
    cdef vec v
    cdef uint64_t state = denormals_off()
    while i < n:
        v = load_lanes(<const real*>x + i, n - i)
        v = vselect_lt(v, vset1(EXP_LEAST), vset1(0),
                       exp_plus(vmax(vset1(EXP_LEAST), v), vset1(0)))
        store_lanes(<real*>y + i, v, n - i)
        i += VL
    denormals_restore(state)


cdef double soften(void* row, Py_ssize_t n, double* most) noexcept nogil:
    # row (n,) = exp(row - most), most being the largest of them; their sum. Behind
    # them there is room up to a multiple of 16, which becomes zero. Sums go by 16
    # lanes, of which each adds up 32 numbers before a double takes them.
    cdef real* x = <real*>row
    cdef Py_ssize_t i, j, stop, width = (n + 15) // 16 * 16
    cdef real lanes[16]
    cdef double sums[16]
    cdef double total = 0
    cdef vec top[16]
    cdef vec added[16]
    cdef vec v
    cdef int k, n_vec = 16 // VL
    cdef uint64_t state = denormals_off()
    for i in range(n, width):
        x[i] = x[0]
    for k in range(n_vec):
        top[k] = vload(x + k * VL)
    for i in range(16, width, 16):
        for k in range(n_vec):
            top[k] = vmax(top[k], vload(x + i + k * VL))
    for k in range(n_vec):
        vstore(lanes + k * VL, top[k])
    most[0] = lanes[0]
    for k in range(1, 16):
        most[0] = max(most[0], <double>lanes[k])
    for i in range(n, width):
        x[i] = -INFINITY
    for k in range(16):
        sums[k] = 0
    i = 0
    while i < width:
        stop = min(i + 512, width)
        for k in range(n_vec):
            added[k] = vset1(0)
        for j in range(i, stop, 16):
            for k in range(n_vec):
                v = vload(x + j + k * VL) - vset1(<real>most[0])
                v = vselect_lt(v, vset1(EXP_LEAST), vset1(0),
                               exp_plus(vmax(vset1(EXP_LEAST), v), vset1(0)))
                vstore(x + j + k * VL, v)
                added[k] = added[k] + v
        for k in range(n_vec):
            vstore(lanes + k * VL, added[k])
        for k in range(16):
            sums[k] += lanes[k]
        i = stop
    for k in range(16):
        total += sums[k]
    denormals_restore(state)
    return total


cdef void scale(void* row, Py_ssize_t n, double by) noexcept nogil:
    # row (n,) *= by; there is room as above.
    cdef real* x = <real*>row
    cdef Py_ssize_t i = 0
    cdef uint64_t state = denormals_off()
    while i < n:
        vstore(x + i, vload(x + i) * vset1(<real>by))
        i += VL
    denormals_restore(state)
