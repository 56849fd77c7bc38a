cdef class NgramIndex:
    cdef readonly int order, n_tokens
    cdef readonly Py_ssize_t n_nodes, n_entries
    cdef readonly int[::1] token, child, entry, total
    cdef readonly int[::1] follower, count
    cdef readonly double[::1] backoff
    cdef readonly double[:, ::1] discount

    cdef int find(
        self, const int *newest, Py_ssize_t available, int *nodes
    ) noexcept nogil
    cdef double probability(self, const int *nodes, int depth, int token) noexcept nogil
    cdef void fill_row(self, const int *nodes, int depth, double *row) noexcept nogil


cdef class Mixer:
    cdef readonly NgramIndex index
    cdef const double[::1] share

    cdef void mix_row(
        self, const int *newest, Py_ssize_t available, double *log_p, double *row
    ) noexcept nogil
