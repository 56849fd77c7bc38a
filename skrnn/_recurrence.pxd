from skrnn._kernels.table cimport Run, Steps, Table, Weights
from skrnn._memory cimport Buffer, address, second_level_cache


cdef const Table* find_table(dtype) except NULL


cdef class PackedShape:
    cdef Steps steps
    cdef readonly object n_active, offset, lengths, last_row
    cdef object previous_forward, previous_reverse
    cdef readonly Py_ssize_t n_rows, n_seqs, n_steps

    cdef const int* previous(self, bint reverse) except NULL
    cdef int cut(self, int n_parts, Py_ssize_t* cuts) noexcept


cdef class Recurrence:
    cdef const Table* table
    cdef Weights w
    cdef Run run
    cdef readonly object dtype, cell
    cdef readonly bint reverse, trains
    cdef Buffer forward_panels, state_panels, input_panels
    cdef Buffer h, h_in, m, z, carry, dw
    cdef Py_ssize_t itemsize
    cdef PackedShape shape       # of the last forward pass
    cdef object W, b             # as loaded
    cdef object kept             # arrays of that pass, alive until the next one

    cdef double work(self)
    cdef int refuse_memory(self, values, str what) except -1
    cdef int reserve_forward(self, PackedShape shape) except -1
    cdef int take_pooled(self, pooling, pooled, Py_ssize_t n_seqs) except -1
    cdef take_mask(self, mask, h0, PackedShape shape)
    cdef int copy_last(self, target, Buffer source, bint moves, str what) except -1
    cdef take_gradients(self, dy, dlast, dm_last)
    cdef int pack_for_inputs(self) except -1
    cdef reserve_start(self)
    cdef int run_backward(self, int n_threads) except -1
    cdef int run_input_gradient(self, char* dx, Py_ssize_t lddx,
                                int n_threads) except -1
    cdef states(self)
    cdef int fill_rows(self, char* target, values, Py_ssize_t n_seqs,
                       str what) except -1
    cdef padded(self, values, Py_ssize_t n_rows, str what)


cdef class Linear:
    cdef const Table* table
    cdef readonly Py_ssize_t n_in, n_out, width
    cdef readonly object dtype
    cdef Buffer panels, panels_back, bias
    cdef Py_ssize_t itemsize

    # out (n_rows, n_out) = b + a (n_rows, n_in) @ W, rows lda and ldout apart
    cdef void run(self, const void* a, Py_ssize_t lda, void* out, Py_ssize_t ldout,
                  Py_ssize_t n_rows) noexcept nogil
