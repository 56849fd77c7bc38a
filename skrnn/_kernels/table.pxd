# What the kernels of one instruction set and dtype offer, as plain C structs.
#
# Buffers are `void*` here and `real*` inside the kernels: whoever calls holds a table
# and knows only the size of a number. Every function works on the caller's buffers,
# allocates nothing, runs on the calling thread, and holds no lock.


# The shape of a packed batch: at step t the rows offset[t] .. offset[t] + n_active[t]
# of the packed arrays, one a sequence, longest sequence first.
cdef struct Steps:
    Py_ssize_t n_steps
    Py_ssize_t n_seqs
    const int* n_active          # (n_steps,) never increasing
    const Py_ssize_t* offset     # (n_steps + 1,)


# A cell: which accumulators (vectors of pre-activations) a unit has, which columns of
# the parameters feed them, and its point-wise functions. Inputs feed the accumulators
# from x_first on, one for each of `w_gates`; the state feeds those from h_first on, one
# for each of `u_gates`. Gates are digits: w_gates = "201" says that the third block of
# columns of W feeds the first of these accumulators, and so on. `biases` names a block
# of b for each accumulator.
cdef struct Cell:
    const char* name
    int accumulators
    int x_first
    int h_first
    const char* w_gates
    const char* u_gates
    const char* biases
    int units_a_panel            # vectors of units in a panel of the forward pass
    int has_memory               # a second state beside h
    int carry_is_h               # what backward carries is part of dh, not of m
    int saves                    # forward fills z
    void* forward                # run_t
    void* backward               # the point-wise gradient


# One recurrence: its shape, and its weights in the order in which the tiles read them.
cdef struct Weights:
    const Cell* cell
    Py_ssize_t n_in
    Py_ssize_t n_units
    Py_ssize_t width             # n_units up to a multiple of 16: a row of states
    void* forward                # b, W, U by panels
    void* to_state               # U transposed, by panels: dz -> dh; or NULL
    void* to_input               # W transposed, by panels: dz -> dx; or NULL


# The buffers of a recurrence over one batch. The first n_seqs rows of h, h_in and m are
# the initial state, row n_seqs + r is the state after packed row r. With `ring` only
# the states of two steps are kept: those of step t stand in the n_seqs rows from row
# n_seqs + (t & 1) n_seqs on, and the last one of a sequence stays where it is.
cdef struct Run:
    int reverse                  # read the sequences from their ends
    int ring
    int pooling                  # 1: add the states of all steps up, 2: the largest
    int asks_panels              # ask for weights ahead: they do not stay in the cache
    int asks_rows                # forward asks for the rows that it will write
    void* pooled                 # IN/OUT (n_seqs, width) what the states are pooled to
    int has_initial              # 0: it is zero, and its product left out
    int training                 # keep what backward needs
    const void* x                # IN (n_rows, ldx)
    Py_ssize_t ldx
    const void* start            # IN (any, accumulators * width) where sums start
    const int* start_row         # IN (n_rows,) row of `start` for each packed row
    Py_ssize_t n_start           # inputs that `start` holds besides the bias
    void* h                      # IN/OUT (n_seqs + n_rows, width)
    void* h_in                   # what U multiplies: h, or h times `mask`
    const void* mask             # IN (n_seqs, ldmask), or NULL: recurrent dropout
    Py_ssize_t ldmask
    void* m                      # IN/OUT as h; without `training` (n_seqs, width)
    void* z                      # OUT (n_rows, ldz): what the cell saves, then dz
    Py_ssize_t ldz
    const int* previous          # (n_rows,) row of h and m before each packed row
    # backward only
    const void* dy               # IN (n_rows, lddy) gradient of every state, or NULL
    Py_ssize_t lddy
    const void* dlast            # IN (n_seqs, lddlast) gradient of last states, or NULL
    Py_ssize_t lddlast
    void* carry                  # IN/OUT (n_seqs, width): gradient of last memories
    void* dh0                    # OUT (n_seqs, width), or NULL
    void* dm0                    # OUT (n_seqs, width), or NULL
    const int* lengths           # (n_seqs,)
    Py_ssize_t bptt_steps        # steps between cuts of the gradient; 0: none
    int fuse_weight_gradients    # backward makes dw, too; for all rows in one call
    void* dw                     # += (n_in + n_units + 1, n_accumulators * width)


ctypedef void (*run_t)(const Weights* w, const Steps* s, const Run* r,
                       Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil


cdef struct Table:
    Py_ssize_t vector_length
    Py_ssize_t itemsize
    int n_cells
    const Cell* cells
    # numbers that the panels of a recurrence, and of a product, take
    Py_ssize_t (*forward_size)(const Weights* w) noexcept nogil
    Py_ssize_t (*product_size)(Py_ssize_t n_k, Py_ssize_t n_out) noexcept nogil
    # flat parameters -> panels
    void (*pack)(const Weights* w, const void* W, const void* U,
                 const void* b) noexcept nogil
    void (*pack_input)(const Weights* w, const void* W) noexcept nogil
    # over the steps, for some rows of the batch: h, m, z; and z -> dz
    run_t forward
    run_t backward
    # dw += dz' [x | h | 1] for some columns of the right side
    void (*weight_gradients)(const Weights* w, const Run* r,
                             Py_ssize_t column_start, Py_ssize_t column_stop,
                             Py_ssize_t n_rows) noexcept nogil
    # dW, dU, db += dw
    void (*unpack)(const Weights* w, const void* dw, void* dW, void* dU,
                   void* db) noexcept nogil
    # dx = dz W' for some packed rows
    void (*input_gradient)(const Weights* w, const Run* r, void* dx, Py_ssize_t lddx,
                           Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil
    void (*pack_product)(void* panels, const void* w, Py_ssize_t n_k, Py_ssize_t n_out,
                         Py_ssize_t ldw, int transposed) noexcept nogil
    # c = bias + a w for some rows
    void (*product)(const void* panels, Py_ssize_t n_k, Py_ssize_t n_out,
                    const void* a, Py_ssize_t lda, const void* bias,
                    void* c, Py_ssize_t ldc,
                    Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil
    # c += a' d over some rows
    void (*outer)(void* c, Py_ssize_t ldc, const void* a, Py_ssize_t lda,
                  Py_ssize_t n_a, const void* d, Py_ssize_t ldd, Py_ssize_t n_d,
                  Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil
    void (*activate)(int which, const void* x, void* y, Py_ssize_t n) noexcept nogil
    void (*exponential)(const void* x, void* y, Py_ssize_t n) noexcept nogil
    # row = exp(row - most), in place; the largest, and the sum
    double (*soften)(void* row, Py_ssize_t n, double* most) noexcept nogil
    void (*scale)(void* row, Py_ssize_t n, double by) noexcept nogil
    # one step of Adam
    void (*adam)(void* theta, const void* grad, void* first, void* second,
                 Py_ssize_t n, double beta_1, double beta_2, double epsilon,
                 double rate, double scale) noexcept nogil
    double (*peak)(Py_ssize_t n) noexcept nogil
