# Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000):
#
#     i, f, o = sigmoid(x W + b + h' U),   g = tanh(x W + b + h' U)
#     c = f c' + i g
#     h = o tanh(c)
#
# Four accumulators, i f g o, fed by inputs and state alike; saved as they are. The
# memory m is c; `carry` is dc on its way to the step before.


cdef void lstm_forward(vec* a, int n_rows, int n_vec, const Rows* s) noexcept nogil:
    # In two passes: the chain from a gate to h is long, and what a processor looks
    # ahead would not reach over enough rows to fill it.
    cdef Rows own = s[0]
    cdef int r
    cdef vec i, f, g, o, c
    for r in range(n_rows):
        i = sigmoid(a[4 * r])
        f = sigmoid(a[4 * r + 1])
        g = tanh(a[4 * r + 2])
        o = sigmoid(a[4 * r + 3])
        c = vfma(f, vload(own.m_previous + r * own.width), i * g)
        vstore(own.m + r * own.width, c)
        a[4 * r] = c
        a[4 * r + 3] = o
        if own.z != NULL:
            vstore(own.z + r * own.ldz, i)
            vstore(own.z + r * own.ldz + own.width, f)
            vstore(own.z + r * own.ldz + 2 * own.width, g)
            vstore(own.z + r * own.ldz + 3 * own.width, o)
    for r in range(n_rows):
        vstore(own.h + r * own.width, a[4 * r + 3] * tanh(a[4 * r]))


cdef void lstm_backward(const vec* dh, int n_rows, int n_vec,
                        const Rows* s) noexcept nogil:
    cdef Rows own = s[0]
    cdef int r, v
    cdef vec i, f, g, o, c, d, dc, carry
    cdef real* z
    for r in range(n_rows):
        for v in range(n_vec):
            z = own.z + r * own.ldz + v * VL
            i = vload(z)
            f = vload(z + own.width)
            g = vload(z + 2 * own.width)
            o = vload(z + 3 * own.width)
            c = tanh(vload(own.m + r * own.width + v * VL))
            d = dh[r * n_vec + v]
            carry = vload(own.carry + r * own.width + v * VL)
            dc = vfma(d * o, vset1(1) - c * c, carry)
            vstore(z, dc * g * (i * (vset1(1) - i)))
            vstore(z + own.width,
                   dc * vload(own.m_previous + r * own.width + v * VL)
                   * (f * (vset1(1) - f)))
            vstore(z + 2 * own.width, dc * i * (vset1(1) - g * g))
            vstore(z + 3 * own.width, d * c * (o * (vset1(1) - o)))
            vstore(own.carry + r * own.width + v * VL, dc * f)


cdef void lstm_run(const Weights* w, const Steps* s, const Run* r,
                   Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    forward_gated(4, 0, 4, 0, 4, lstm_forward, w, s, r, row_start, row_stop)


cdef Cell LSTM = Cell(
    name=b"lstm", accumulators=4, x_first=0, h_first=0, w_gates=b"0123",
    u_gates=b"0123",
    biases=b"0123", units_a_panel=1, has_memory=1, carry_is_h=0, saves=1,
    forward=<void*>lstm_run, backward=<void*>lstm_backward,
)
