"""What is drawn at random: first parameters, and masks of dropout."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport uint16_t, uint32_t, uint64_t


# What NumPy calls bitgen_t: the interface of its generators to C.
cdef struct Generator:
    void* state
    uint64_t (*next_uint64)(void*) noexcept nogil
    uint32_t (*next_uint32)(void*) noexcept nogil
    double (*next_double)(void*) noexcept nogil
    uint64_t (*next_raw)(void*) noexcept nogil


def orthogonalize(double[:, ::1] a):
    """Make the rows of a square matrix orthonormal, by modified Gram-Schmidt.

    LAPACK's QR would give other bits on another processor.
    """
    cdef Py_ssize_t i, j, k, _, n = a.shape[0]
    cdef double dot
    if a.shape[0] != a.shape[1]:
        raise ValueError("the matrix must be square.")
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


def draw_mask(bit_generator, int least, double kept, floating[:, ::1] mask):
    """Fill a mask: `kept` where a draw of 16 bits is `least` or more, else 0.

    The draws are those of ``RandomState.bytes``.
    """
    cdef const Generator* draw
    cdef uint32_t two = 0
    cdef Py_ssize_t i, n = mask.shape[0] * mask.shape[1]
    cdef floating* out
    if n == 0:
        return
    out = &mask[0, 0]
    with bit_generator.lock:
        draw = <const Generator*>PyCapsule_GetPointer(
            bit_generator.capsule, "BitGenerator")
        for i in range(n):
            two = two >> 16 if i & 1 else draw.next_uint32(draw.state)
            out[i] = <floating>kept if <int><uint16_t>two >= least else 0
