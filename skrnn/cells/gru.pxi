# Gated recurrent unit (Cho et al. 2014), the reset gate after the product, as in
# PyTorch:
#
#     r, z = sigmoid(x W + b + h' U)
#     q = h' Un + bq
#     n = tanh(x Wn + bn + r q)
#     h = n + z (h' - n)
#
# Four accumulators, in the order n r z q: inputs feed n r z, the state feeds r z q. The
# parameters stand in PyTorch's order, r z n, and the biases as r z n q. Saved are n, r,
# z, q; `carry` is the part dh z of the gradient that reaches h' directly.


cdef void gru_forward(vec* a, int n_rows, int n_vec, const Rows* s) noexcept nogil:
    # In two passes: the chain from r to h is long, and what a processor looks ahead
    # would not reach over enough rows to fill it.
    cdef Rows own = s[0]
    cdef int i
    cdef vec n, r, z, q, h
    for i in range(n_rows):
        r = sigmoid(a[4 * i + 1])
        z = sigmoid(a[4 * i + 2])
        q = a[4 * i + 3]
        a[4 * i] = vfma(r, q, a[4 * i])
        a[4 * i + 2] = z
        if own.z != NULL:
            vstore(own.z + i * own.ldz + own.width, r)
            vstore(own.z + i * own.ldz + 2 * own.width, z)
            vstore(own.z + i * own.ldz + 3 * own.width, q)
    for i in range(n_rows):
        n = tanh(a[4 * i])
        h = vset1(0)
        if own.h_previous != NULL:
            h = vload(own.h_previous + i * own.width)
        vstore(own.h + i * own.width, vfma(a[4 * i + 2], h - n, n))
        if own.z != NULL:
            vstore(own.z + i * own.ldz, n)


cdef void gru_backward(const vec* dh, int n_rows, int n_vec,
                       const Rows* s) noexcept nogil:
    cdef Rows own = s[0]
    cdef int i, v
    cdef vec n, r, z, q, h, d, dn
    cdef real* saved
    for i in range(n_rows):
        for v in range(n_vec):
            saved = own.z + i * own.ldz + v * VL
            n = vload(saved)
            r = vload(saved + own.width)
            z = vload(saved + 2 * own.width)
            q = vload(saved + 3 * own.width)
            h = vset1(0)
            if own.h_previous != NULL:
                h = vload(own.h_previous + i * own.width + v * VL)
            d = dh[i * n_vec + v] + vload(own.carry + i * own.width + v * VL)
            dn = d * (vset1(1) - z) * (vset1(1) - n * n)
            vstore(saved, dn)
            vstore(saved + own.width, dn * q * (r * (vset1(1) - r)))
            vstore(saved + 2 * own.width, d * (h - n) * (z * (vset1(1) - z)))
            vstore(saved + 3 * own.width, dn * r)
            vstore(own.carry + i * own.width + v * VL, d * z)


cdef void gru_run(const Weights* w, const Steps* s, const Run* r,
                  Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    forward_gated(4, 0, 3, 1, 4, gru_forward, w, s, r, row_start, row_stop)


cdef Cell GRU = Cell(
    name=b"gru", accumulators=4, x_first=0, h_first=1, w_gates=b"201", u_gates=b"012",
    biases=b"2013", units_a_panel=1, has_memory=0, carry_is_h=1, saves=1,
    forward=<void*>gru_run, backward=<void*>gru_backward,
)
