# The step of Adam: a loop over numbers that a compiler turns into vectors. Nothing in
# it is fused, and division and root are exact: every instruction set has the same bits.


cdef inline real flushed(real x) noexcept nogil:
    # Moments that decay below the smallest normal number become zero: where the
    # gradient is zero they would otherwise stay denormal for ever, which is slow on
    # many CPUs.
    return 0 if x < REAL_MIN and x > -REAL_MIN else x


cdef void adam(void* theta, const void* grad, void* first, void* second, Py_ssize_t n,
               double beta_1, double beta_2, double epsilon, double rate,
               double scale) noexcept nogil:
    # theta, first and second (n,) moments: one step along scale * grad (n,)
    cdef real* at = <real*>theta
    cdef const real* slope = <const real*>grad
    cdef real* mean = <real*>first
    cdef real* square = <real*>second
    cdef real b1 = <real>beta_1, c1 = <real>(1.0 - beta_1)
    cdef real b2 = <real>beta_2, c2 = <real>(1.0 - beta_2)
    cdef real eps = <real>epsilon, by = <real>scale, along = <real>rate, g, m, v
    cdef Py_ssize_t i
    for i in range(n):
        g = by * slope[i]
        m = flushed(b1 * mean[i] + c1 * g)
        v = flushed(b2 * square[i] + c2 * (g * g))
        mean[i] = m
        square[i] = v
        at[i] -= along * m / (real_sqrt(v) + eps)
