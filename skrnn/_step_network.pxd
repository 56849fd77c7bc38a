from libc.stdint cimport int64_t

from skrnn._convolutions cimport StepConvolutions
from skrnn._memory cimport Buffer
from skrnn._recurrence cimport Linear
from skrnn._stepper cimport Stepper


cdef class StepInput:
    cdef readonly Py_ssize_t n_seqs, n_features, n_out
    cdef readonly object dtype, encoder
    cdef bint indicator
    cdef Py_ssize_t itemsize, n_channels, segment_length
    cdef const double[::1] mean, scale, fill
    cdef object n_steps          # as an array
    cdef int64_t[::1] steps    # taken, by stream
    cdef int[::1] filled         # of them in the segment that is being filled
    cdef char[::1] whole         # whether that segment is full
    cdef Buffer segment
    cdef StepConvolutions convolutions  # or None

    cdef given(self, values, default)
    cdef dict arrays(self)
    cdef int recount(self) except -1
    cdef bint take(self, const double* x) noexcept nogil
    cdef const void* rows(self) noexcept nogil
    cdef Py_ssize_t commit(self) noexcept nogil


cdef class StepPooling:
    cdef readonly Py_ssize_t n_seqs, n_units, n_out
    cdef Py_ssize_t n_kept       # numbers of a sequence in `total`
    cdef int kind
    cdef Py_ssize_t itemsize
    cdef object dtype, name, n_pooled
    cdef int64_t[::1] count    # of the states in `total`, by stream
    cdef Buffer pooled, total
    cdef const void* out         # (n_seqs, ld) what `pool` made
    cdef Py_ssize_t ld

    cdef dict arrays(self)
    cdef void pool(self, const void* h, Py_ssize_t ldh) noexcept nogil
    cdef void commit(self, const void* h, Py_ssize_t ldh,
                     const char* which) noexcept nogil


cdef class StepNetwork:
    cdef readonly StepInput input
    cdef readonly Stepper stepper
    cdef readonly StepPooling pooling
    cdef readonly Linear head
    cdef object output, names
    cdef public list answers
    cdef Buffer raw
    cdef Py_ssize_t itemsize, n_seqs, n_out

    cdef dict arrays(self)
    cdef double raw_value(self, Py_ssize_t k) noexcept nogil
    cdef int take(self, x) except -1
    cdef bint fits(self, Py_buffer* view) noexcept
    cdef int advance(self, const double* x) noexcept nogil
