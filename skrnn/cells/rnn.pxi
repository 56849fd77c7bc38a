# The vanilla recurrent cell (Elman 1990):
#
#     h = f(x W + b + h' U),   f = tanh or relu
#
# One accumulator. Nothing is saved: the gradient of f is had from h.
# Rows of a tile hold n_vec vectors of units: a (n_rows, n_vec).


cdef void rnn_tanh_forward(vec* a, int n_rows, int n_vec,
                           const Rows* s) noexcept nogil:
    cdef Rows own = s[0]
    cdef int i, v
    for i in range(n_rows):
        for v in range(n_vec):
            vstore(own.h + i * own.width + v * VL, tanh(a[i * n_vec + v]))


cdef void rnn_tanh_backward(const vec* dh, int n_rows, int n_vec,
                            const Rows* s) noexcept nogil:
    # dz = dh (1 - h**2)
    cdef Rows own = s[0]
    cdef int i, v
    cdef vec h
    for i in range(n_rows):
        for v in range(n_vec):
            h = vload(own.h + i * own.width + v * VL)
            vstore(own.z + i * own.ldz + v * VL, dh[i * n_vec + v] * (vset1(1) - h * h))


cdef void rnn_relu_forward(vec* a, int n_rows, int n_vec,
                           const Rows* s) noexcept nogil:
    cdef Rows own = s[0]
    cdef int i, v
    for i in range(n_rows):
        for v in range(n_vec):
            vstore(own.h + i * own.width + v * VL, relu(a[i * n_vec + v]))


cdef void rnn_relu_backward(const vec* dh, int n_rows, int n_vec,
                            const Rows* s) noexcept nogil:
    # dz = dh where h > 0, else 0
    cdef Rows own = s[0]
    cdef int i, v
    cdef vec h
    for i in range(n_rows):
        for v in range(n_vec):
            h = vload(own.h + i * own.width + v * VL)
            vstore(own.z + i * own.ldz + v * VL,
                   vselect_lt(vset1(0), h, dh[i * n_vec + v], vset1(0)))


cdef void rnn_tanh_run(const Weights* w, const Steps* s, const Run* r,
                       Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    forward_plain(rnn_tanh_forward, w, s, r, row_start, row_stop)


cdef void rnn_relu_run(const Weights* w, const Steps* s, const Run* r,
                       Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    forward_plain(rnn_relu_forward, w, s, r, row_start, row_stop)


cdef Cell RNN_TANH = Cell(
    name=b"rnn_tanh", accumulators=1, x_first=0, h_first=0, w_gates=b"0", u_gates=b"0",
    biases=b"0", units_a_panel=4, has_memory=0, carry_is_h=0, saves=0,
    forward=<void*>rnn_tanh_run, backward=<void*>rnn_tanh_backward,
)
cdef Cell RNN_RELU = Cell(
    name=b"rnn_relu", accumulators=1, x_first=0, h_first=0, w_gates=b"0", u_gates=b"0",
    biases=b"0", units_a_panel=4, has_memory=0, carry_is_h=0, saves=0,
    forward=<void*>rnn_relu_run, backward=<void*>rnn_relu_backward,
)
