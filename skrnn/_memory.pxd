cdef char* address(array, dtype, Py_ssize_t n_rows, Py_ssize_t n_columns,
                   Py_ssize_t* ld, str what) except NULL

cdef Py_ssize_t second_level_cache()


cdef class Buffer:
    cdef object array
    cdef char* data
    cdef Py_ssize_t capacity

    cdef int reserve(self, Py_ssize_t n_bytes) except -1
