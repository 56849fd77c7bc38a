cdef class StepConvolutions:
    cdef readonly Py_ssize_t n_seqs, n_out
    cdef readonly object convolutions
    cdef Py_ssize_t n_features, n_kernels, before
    cdef const double[::1] mean, scale, out_mean, out_scale
    cdef const float[::1] threshold
    cdef const int[:, ::1] taps
    cdef const int[::1] dilation, channel
    cdef float[:, :, ::1] history     # (n_seqs, n_features, before), newest last
    cdef float[:, ::1] largest        # (n_seqs, n_kernels), of the segment so far
    cdef int[:, ::1] over, seen       # (n_seqs, n_kernels), (n_seqs, n_features)
    # The same after the newest step, which may yet be refused.
    cdef float[:, ::1] fresh, new_largest
    cdef int[:, ::1] new_over, new_seen
    cdef float[:, ::1] outputs        # (n_seqs, n_out)

    cdef dict arrays(self)
    cdef bint take(self, const double* x) noexcept nogil
    cdef void commit(self, const char* whole) noexcept nogil
