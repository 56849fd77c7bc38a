"""What is drawn at random: first parameters, and masks of dropout."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport floating
from libc.stdint cimport uint16_t, uint32_t, uint64_t

import importlib

from skrnn._recurrence import build_info


# What NumPy calls bitgen_t: the interface of its generators to C.
cdef struct Generator:
    void* state
    uint64_t (*next_uint64)(void*) noexcept nogil
    uint32_t (*next_uint32)(void*) noexcept nogil
    double (*next_double)(void*) noexcept nogil
    uint64_t (*next_raw)(void*) noexcept nogil


ctypedef void (*orthogonalize_t)(double* a, Py_ssize_t n) noexcept nogil


def orthogonalize(double[:, ::1] a):
    """Make the rows of a square matrix orthonormal, by modified Gram-Schmidt.

    LAPACK's QR would give other bits on another processor.
    """
    if a.shape[0] != a.shape[1]:
        raise ValueError("the matrix must be square.")
    isa = build_info()["instruction set"]
    module = importlib.import_module(f"skrnn._kernels.{isa}_float64")
    cdef orthogonalize_t run = <orthogonalize_t>PyCapsule_GetPointer(
        module.orthogonalize, "skrnn.orthogonalize")
    if a.shape[0]:
        with nogil:
            run(&a[0, 0], a.shape[0])


def draw_mask(bit_generator, int least, double kept, floating[:, ::1] mask):
    """Fill a mask: `kept` where a draw of 16 bits is `least` or more, else 0.

    The draws are those of ``RandomState.bytes``.
    """
    cdef const Generator* draw
    cdef uint32_t two
    cdef floating value = <floating>kept
    cdef Py_ssize_t i, n = mask.shape[0] * mask.shape[1]
    cdef floating* out
    if n == 0:
        return
    out = &mask[0, 0]
    with bit_generator.lock:
        draw = <const Generator*>PyCapsule_GetPointer(
            bit_generator.capsule, "BitGenerator")
        for i in range(n // 2):
            two = draw.next_uint32(draw.state)
            out[2 * i] = value if <int><uint16_t>two >= least else 0
            out[2 * i + 1] = value if <int>(two >> 16) >= least else 0
        if n & 1:
            two = draw.next_uint32(draw.state)
            out[n - 1] = value if <int><uint16_t>two >= least else 0
