# A chain of tags, and loops over tags whose order is always the same.

from libc.math cimport INFINITY
from libc.stdint cimport uint64_t

from skrnn._kernels.table cimport Table
from skrnn._recurrence cimport Buffer

cdef enum:
    LANES = 8
    WIDTH = 16                   # rows are filled up to a multiple of this


cdef inline double sum_of_lanes(const double* lanes) noexcept nogil:
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + (
        (lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))


cdef inline double sum_of(const double* x, Py_ssize_t n) noexcept nogil:
    # n is a multiple of LANES: lane j sums the elements j, j + LANES, ...
    cdef double lanes[LANES]
    cdef Py_ssize_t _
    cdef int j
    for j in range(LANES):
        lanes[j] = x[j]
    for _ in range(1, n // LANES):
        x += LANES
        for j in range(LANES):
            lanes[j] += x[j]
    return sum_of_lanes(lanes)


cdef inline double sum_of_products(const double* x, const double* y,
                                   Py_ssize_t n) noexcept nogil:
    cdef double lanes[LANES]
    cdef Py_ssize_t _
    cdef int j
    for j in range(LANES):
        lanes[j] = x[j] * y[j]
    for _ in range(1, n // LANES):
        x += LANES
        y += LANES
        for j in range(LANES):
            lanes[j] += x[j] * y[j]
    return sum_of_lanes(lanes)


cdef inline double most_of(const double* x, Py_ssize_t n) noexcept nogil:
    # The largest of x; one that is not a number counts as minus infinity.
    cdef double lanes[LANES]
    cdef Py_ssize_t _
    cdef int j
    for j in range(LANES):
        lanes[j] = -INFINITY
    for _ in range(n // LANES):
        for j in range(LANES):
            lanes[j] = x[j] if x[j] > lanes[j] else lanes[j]
        x += LANES
    for j in range(1, LANES):
        if lanes[j] > lanes[0]:
            lanes[0] = lanes[j]
    return lanes[0]


cdef class Chain:
    cdef const Table* table
    cdef readonly Py_ssize_t n_tags, width
    cdef readonly bint everything
    cdef readonly object allowed
    cdef readonly object transitions      # (width, width), minus infinity: forbidden
    cdef readonly object start, end       # (width,)
    cdef readonly object exp_transitions  # exp(transitions - transitions_most)
    cdef readonly double transitions_most, start_most, end_most
    cdef object exp_start, exp_end
    cdef object follows                   # (n_tags, n_words) bits of the tags that may
    cdef object may_start, may_end        # (n_words,)
    cdef Py_ssize_t n_words
    cdef const double* T
    cdef const double* pstart
    cdef const double* pend
    cdef const double* pexp_start
    cdef const double* pexp_end
    cdef const uint64_t* pfollows
    cdef const uint64_t* pmay_start
    cdef const uint64_t* pmay_end
    cdef Buffer forward_panels, backward_panels

    cdef find_words(self)
    cdef Py_ssize_t n_followers(self, const double* x, double least,
                                Py_ssize_t label) noexcept nogil
    cdef bint may_be_last(self, const double* x, double least) noexcept nogil
