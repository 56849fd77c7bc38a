cpdef double exp(double x) noexcept nogil
