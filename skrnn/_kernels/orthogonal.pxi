# Orthonormal rows, for the first parameters. For stubs of double only, behind
# kernels.pxi.

from libc.math cimport sqrt

cdef enum:
    PARTS = 8                    # of a dot product, whatever the vectors are


cdef inline real sum_of_parts(const vec* parts, const real* x, const real* y,
                              Py_ssize_t n) noexcept nogil:
    # What is left of a dot product of n numbers, after its whole parts.
    cdef real part[PARTS]
    cdef Py_ssize_t first = n // PARTS * PARTS
    cdef int j
    for j in range(PARTS // VL):
        vstore(part + j * VL, parts[j])
    for j in range(n - first):
        part[j] += x[first + j] * y[first + j]
    return ((part[0] + part[4]) + (part[2] + part[6])) + (
        (part[1] + part[5]) + (part[3] + part[7]))


cdef real dot(const real* x, const real* y, Py_ssize_t n) noexcept nogil:
    cdef vec parts[PARTS]
    cdef Py_ssize_t i = 0
    cdef int j
    for j in range(PARTS // VL):
        parts[j] = vset1(0)
    while i + PARTS <= n:
        for j in range(PARTS // VL):
            parts[j] = parts[j] + vload(x + i + j * VL) * vload(y + i + j * VL)
        i += PARTS
    return sum_of_parts(parts, x, y, n)


cdef inline void project(int ROWS, real* x, const real* y, const real* next, real* dots,
                         Py_ssize_t n) noexcept nogil:
    # x (ROWS, n) -= dots y, and then dots = x next, for ROWS rows side by side: each
    # waits for its own sums only. The row behind `next` is asked for. All is read
    # before anything is written: where rows are pages apart, a processor takes what is
    # read for what was just written elsewhere, and waits.
    cdef vec parts[2 * PARTS]
    cdef vec rest[2]
    cdef vec one, other
    cdef Py_ssize_t i = 0, k
    cdef int r, j
    for j in range(ROWS * (PARTS // VL)):
        parts[j] = vset1(0)
    while i + PARTS <= n:
        prefetch_near(next + n + i)
        for j in range(PARTS // VL):
            k = i + j * VL
            one, other = vload(y + k), vload(next + k)
            for r in range(ROWS):
                rest[r] = vload(x + r * n + k) - vset1(dots[r]) * one
            for r in range(ROWS):
                vstore(x + r * n + k, rest[r])
                parts[r * (PARTS // VL) + j] = (
                    parts[r * (PARTS // VL) + j] + rest[r] * other)
        i += PARTS
    for r in range(ROWS):
        for k in range(i, n):
            x[r * n + k] -= dots[r] * y[k]
        dots[r] = sum_of_parts(parts + r * (PARTS // VL), x + r * n, next, n)


cdef void orthogonalize_rows(real* a, Py_ssize_t n) noexcept nogil:
    # The rows of a (n, n) become orthonormal. Each is projected twice on all rows
    # before it: twice is enough (Kahan; Parlett 1980) for rows nearly in a span. The
    # second time goes beside the first time of the next row.
    cdef Py_ssize_t i, j, k
    cdef real dots[2]
    cdef real* x
    cdef real norm
    for i in range(n):
        x = a + i * n
        if i > 0:
            dots[0] = dot(x, a, n)
            if i + 1 < n:
                dots[1] = dot(x + n, a, n)
            for j in range(i):
                # Behind the last row there is none; the first one will do.
                k = j + 1 if j + 1 < i else 0
                if i + 1 < n:
                    project(2, x, a + j * n, a + k * n, dots, n)
                else:
                    project(1, x, a + j * n, a + k * n, dots, n)
        norm = 1 / sqrt(dot(x, x, n))
        for k in range(n):
            x[k] *= norm
        if i + 1 < n:
            dots[0] = dot(x + n, x, n)
            project(1, x + n, x, x, dots, n)


orthogonalize = PyCapsule_New(<void*>&orthogonalize_rows, "skrnn.orthogonalize", NULL)
