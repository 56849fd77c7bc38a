# Sums over alignments; see lattice.pxd. For stubs of double only, behind kernels.pxi.

from skrnn._kernels.lattice cimport NOTHING, LatticeTable

cdef extern from * nogil:
    """
    /* The exponent e and the mantissa, in [1, 2), of x; of zero -1023 and zero. */
    INLINE vec vexponent(vec x) {
        return from_bits((as_bits(x) >> 52) | iset1(0x4330000000000000LL))
               - vset1(4503599627371519.0);
    }
    INLINE vec vmantissa(vec x) {
        return x * from_bits((iset1(2046) - (as_bits(x) >> 52)) << 52);
    }
    """
    vec vexponent(vec x)
    vec vmantissa(vec x)


cdef inline vec exp2_of(vec d) noexcept nogil:
    # 2^d for a whole d; below -1000 it is 2^-1000.
    return vexp2_rounded(vmax(d, vset1(-1000)) + vset1(6755399441055744.0 + 1023.0))


cdef inline void store_pair(vec x, vec by, real* v, real* e) noexcept nogil:
    vstore(v, vmantissa(x))
    vstore(e, vexponent(x) + by)


cdef void split(const void* x, void* v, void* e, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef vec one
    while i < n:
        one = vload(<const real*>x + i)
        store_pair(one, vset1(0), <real*>v + i, <real*>e + i)
        i += VL


cdef void step_on(const void* x, void* z, const void* y, const void* skip, double vb,
                  double eb, Py_ssize_t width, Py_ssize_t start,
                  Py_ssize_t stop) noexcept nogil:
    # A blank follows itself and the label before it. A label follows itself, the blank
    # before it, and with `skip` the label before that.
    cdef Py_ssize_t i = start
    cdef const real* before = <const real*>x
    cdef real* after = <real*>z
    cdef vec v, e, v_blank, e_blank, v_label, e_label, most, skips
    while i < stop:
        v_blank, e_blank = vload(before + i), vload(before + width + i)
        v_label = vload(before + 2 * width + i - 1)
        e_label = vload(before + 3 * width + i - 1)
        e = vmax(e_blank, e_label)
        v = v_blank * exp2_of(e_blank - e) + v_label * exp2_of(e_label - e)
        store_pair(v * vset1(vb), vmax(e, vset1(NOTHING)) + vset1(eb), after + i,
                   after + width + i)
        skips = vload(<const real*>skip + i)
        v = vselect_lt(skips, vset1(0.5), v_blank, v)
        e = vselect_lt(skips, vset1(0.5), e_blank, e)
        v_label = vload(before + 2 * width + i)
        e_label = vload(before + 3 * width + i)
        most = vmax(e, e_label)
        v = v * exp2_of(e - most) + v_label * exp2_of(e_label - most)
        store_pair(v * vload(<const real*>y + i),
                   vmax(most, vset1(NOTHING)) + vload(<const real*>y + width + i),
                   after + 2 * width + i, after + 3 * width + i)
        i += VL


cdef void step_back(const void* x, void* beta, const void* skip, Py_ssize_t width,
                    Py_ssize_t start, Py_ssize_t stop,
                    Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t i = start
    cdef const real* after = <const real*>x
    cdef real* here = <real*>beta
    cdef vec v, e, v_label, e_label, most, skips
    while i <= last:
        v, e = vload(after + i), vload(after + width + i)
        v_label, e_label = vload(after + 2 * width + i), vload(after + 3 * width + i)
        most = vmax(e, e_label)
        v = v * exp2_of(e - most) + v_label * exp2_of(e_label - most)
        vstore(here + i, v)
        vstore(here + width + i, vmax(most, vset1(NOTHING)))
        i += VL
    i = start
    while i < stop:
        skips = vload(<const real*>skip + i + 1)
        v = vselect_lt(skips, vset1(0.5), vload(after + i + 1), vload(here + i + 1))
        e = vselect_lt(skips, vset1(0.5), vload(after + width + i + 1),
                       vload(here + width + i + 1))
        v_label, e_label = vload(after + 2 * width + i), vload(after + 3 * width + i)
        most = vmax(e, e_label)
        v = v * exp2_of(e - most) + v_label * exp2_of(e_label - most)
        vstore(here + 2 * width + i, v)
        vstore(here + 3 * width + i, vmax(most, vset1(NOTHING)))
        i += VL


cdef void occupy(const void* alpha, const void* beta, void* gamma, double by, double e,
                 Py_ssize_t width, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i, k
    cdef const real* a
    cdef const real* b
    cdef vec v
    for k in range(2):
        a, b = <const real*>alpha + 2 * k * width, <const real*>beta + 2 * k * width
        i = start
        while i < stop:
            v = (vload(a + i) * vload(b + i)) * vset1(by)
            v = v * exp2_of(vload(a + width + i) + vload(b + width + i) - vset1(e))
            vstore(<real*>gamma + k * width + i, v)
            i += VL


cdef void emit(void* beta, const void* y, double vb, double eb, Py_ssize_t width,
               Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i = start
    cdef real* blank = <real*>beta
    cdef real* label = blank + 2 * width
    cdef vec v, e
    while i < stop:
        v, e = vload(blank + i) * vset1(vb), vload(blank + width + i) + vset1(eb)
        store_pair(v, e, blank + i, blank + width + i)
        v = vload(label + i) * vload(<const real*>y + i)
        e = vload(label + width + i) + vload(<const real*>y + width + i)
        store_pair(v, e, label + i, label + width + i)
        i += VL


cdef LatticeTable LATTICE = LatticeTable(
    split=split, step_on=step_on, step_back=step_back, occupy=occupy, emit=emit,
)

lattice = PyCapsule_New(&LATTICE, "skrnn.LatticeTable", NULL)
