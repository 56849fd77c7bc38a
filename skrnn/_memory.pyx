"""Memory of the kernels: buffers that calls reuse, and checked addresses of arrays."""

import numpy as np

cdef extern from *:
    """
    #if defined(__linux__)
    #include <sys/mman.h>
    #include <unistd.h>
    #elif defined(__APPLE__)
    #include <sys/sysctl.h>
    #endif

    /* Bytes of the second-level cache, as the machine reports it; 0: it does not. */
    static long long level2_cache(void) {
        long long size = 0;
    #if defined(__linux__) && defined(_SC_LEVEL2_CACHE_SIZE)
        size = sysconf(_SC_LEVEL2_CACHE_SIZE);
    #elif defined(__APPLE__)
        size_t n = sizeof(size);
        if (sysctlbyname("hw.l2cachesize", &size, &n, NULL, 0)) size = 0;
    #endif
        return size > 0 ? size : 0;
    }

    /* Let memory be made of large pages, which spares faults and misses of the table of
     * pages. Where there are none, nothing changes. */
    static void advise_large_pages(char* start, size_t size, size_t page) {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        char* first = start + (page - (size_t)start % page) % page;
        if (first < start + size)
            madvise(first, (size_t)(start + size - first) / page * page, MADV_HUGEPAGE);
    #else
        (void)start; (void)size; (void)page;
    #endif
    }
    """
    long long level2_cache()
    void advise_large_pages(char* start, size_t size, size_t page)

# Where a machine does not report its size: the smallest size that is common.
LEVEL2 = level2_cache() or 2**20

cdef enum:
    LARGE_PAGE = 2097152         # bytes
    LARGE_ENOUGH = 1048576       # from how many bytes on a buffer has such pages
    ALIGNED = 16777216           # from how many bytes on it begins at one


cdef Py_ssize_t second_level_cache():
    # Bytes of the cache in which weights stay from one step to the next.
    return LEVEL2


cdef class Buffer:
    """Memory that grows when asked for more, aligned to a cache line, and is kept."""

    cdef int reserve(self, Py_ssize_t n_bytes) except -1:
        cdef char[::1] memory
        cdef Py_ssize_t page, start
        if n_bytes < 0:
            raise MemoryError("The size of an array is beyond the address space.")
        if n_bytes <= self.capacity:
            return 0
        self.array = None
        self.data = NULL
        self.capacity = 0
        # A smaller one would hold up to twice as much, for pages that are not full.
        page = 64 if n_bytes < ALIGNED else LARGE_PAGE
        array = np.empty((n_bytes + page - 1) // page * page + page, dtype=np.uint8)
        memory = array
        start = (page - <size_t>&memory[0] % page) % page
        if n_bytes >= LARGE_ENOUGH:
            advise_large_pages(&memory[0], memory.shape[0], LARGE_PAGE)
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
