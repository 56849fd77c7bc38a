"""Orthogonal matrices for the first parameters of a network."""

from libc.math cimport sqrt


def orthogonalize(double[:, ::1] a):
    """Make the rows of a square matrix orthonormal, by modified Gram-Schmidt.

    LAPACK's QR would give other bits on another processor.
    """
    cdef Py_ssize_t i, j, k, _, n = a.shape[0]
    cdef double dot
    with nogil:
        for i in range(n):
            # Twice is enough (Kahan; Parlett 1980) for rows nearly in a span.
            for _ in range(2):
                for j in range(i):
                    dot = dot_product(&a[i, 0], &a[j, 0], n)
                    subtract_row(&a[i, 0], &a[j, 0], dot, n)
            dot = 1 / sqrt(dot_product(&a[i, 0], &a[i, 0], n))
            for k in range(n):
                a[i, k] *= dot


cdef double dot_product(const double* x, const double* y, Py_ssize_t n) noexcept nogil:
    # Eight partial sums, whatever the machine's vectors are.
    cdef double part[8]
    cdef Py_ssize_t i = 0, j
    for j in range(8):
        part[j] = 0
    while i + 8 <= n:
        for j in range(8):
            part[j] += x[i + j] * y[i + j]
        i += 8
    for j in range(n - i):
        part[j] += x[i + j] * y[i + j]
    return ((part[0] + part[4]) + (part[2] + part[6])) + (
        (part[1] + part[5]) + (part[3] + part[7]))


cdef void subtract_row(double* x, const double* y, double factor,
                       Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] -= factor * y[i]
