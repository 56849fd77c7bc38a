# What the kernels of one instruction set offer for sums over alignments, in double.
#
# Numbers are pairs v 2^e, see _ctc.pyx; zero is (0, NOTHING). The states of a step are
# four rows of `width` numbers: v and e of the blanks, v and e of the labels. Pointers
# point to place 0 of the first row; place -1 is there, too. Kernels may fill up to 7
# places behind those that are asked for with anything.


cdef extern from *:
    """
    #define NOTHING (-1e15)
    """
    const double NOTHING


cdef struct LatticeTable:
    # v, e (n,) = the pairs of x (n,); x is positive and no denormal number
    void (*split)(const void* x, void* v, void* e, Py_ssize_t n) noexcept nogil
    # z = alpha of a step, x that of the step before; y is the emission of the labels
    # (2, width), vb and eb that of the blank
    void (*step_on)(const void* x, void* z, const void* y, const void* skip, double vb,
                    double eb, Py_ssize_t width, Py_ssize_t start,
                    Py_ssize_t stop) noexcept nogil
    # beta of a step, x is beta times emission of the step after; blanks up to last
    void (*step_back)(const void* x, void* beta, const void* skip, Py_ssize_t width,
                      Py_ssize_t start, Py_ssize_t stop,
                      Py_ssize_t last) noexcept nogil
    # gamma (2, width) = alpha beta / p, where p is 2^e / by
    void (*occupy)(const void* alpha, const void* beta, void* gamma, double by,
                   double e, Py_ssize_t width, Py_ssize_t start,
                   Py_ssize_t stop) noexcept nogil
    # beta times emission, in place
    void (*emit)(void* beta, const void* y, double vb, double eb, Py_ssize_t width,
                 Py_ssize_t start, Py_ssize_t stop) noexcept nogil
