cpdef double exp(double x) noexcept nogil
cpdef double log(double x) noexcept nogil
cpdef double log1p(double x) noexcept nogil
