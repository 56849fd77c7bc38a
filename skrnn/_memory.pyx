"""Memory of the kernels: buffers that calls reuse, and checked addresses of arrays."""

import numpy as np


cdef class Buffer:
    """Memory that grows when asked for more, aligned to a cache line, and is kept."""

    cdef int reserve(self, Py_ssize_t n_bytes) except -1:
        cdef char[::1] memory
        if n_bytes < 0:
            raise MemoryError("The size of an array is beyond the address space.")
        if n_bytes <= self.capacity:
            return 0
        self.array = None
        self.data = NULL
        self.capacity = 0
        array = np.empty(n_bytes + 64, dtype=np.uint8)
        memory = array
        start = -<Py_ssize_t>&memory[0] % 64
        if start < 0:
            start += 64
        self.array = array[start : start + n_bytes]
        memory = self.array
        self.data = &memory[0]
        self.capacity = n_bytes
        return 0


cdef char* address(array, dtype, Py_ssize_t n_rows, Py_ssize_t n_columns,
                   Py_ssize_t* ld, str what) except NULL:
    # The first number of a 2-D array of exactly this shape whose rows are contiguous.
    cdef const float[:, :] a32
    cdef const double[:, :] a64
    cdef char* data
    cdef Py_ssize_t rows, columns, row_stride, stride, itemsize
    if dtype == np.float32:
        a32 = array
        rows, columns = a32.shape[0], a32.shape[1]
        row_stride, stride, itemsize = a32.strides[0], a32.strides[1], 4
        data = <char*>&a32[0, 0] if rows and columns else <char*>&EMPTY
    else:
        a64 = array
        rows, columns = a64.shape[0], a64.shape[1]
        row_stride, stride, itemsize = a64.strides[0], a64.strides[1], 8
        data = <char*>&a64[0, 0] if rows and columns else <char*>&EMPTY
    if rows != n_rows or columns != n_columns:
        raise ValueError(
            f"{what} must have shape ({n_rows}, {n_columns}), got ({rows}, {columns})."
        )
    if (columns > 1 and stride != itemsize) or row_stride % itemsize or row_stride < 0:
        raise ValueError(f"the rows of {what} must be contiguous.")
    ld[0] = row_stride // itemsize
    return data


cdef double EMPTY = 0
