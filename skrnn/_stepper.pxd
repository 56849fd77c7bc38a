from skrnn._kernels.table cimport Run, Steps, Table, Weights


# Rows of `row` bytes; `which` NULL: all of them, else those whose byte is not 0.
cdef void copy_rows(char* target, const char* source, Py_ssize_t row, Py_ssize_t n_rows,
                    const char* which) noexcept nogil


# One layer: h and m hold the states before a step, then those after it.
cdef struct StepRun:
    Run run
    const Weights* weights
    char* begun                  # (n_seqs,) 0: the state is zero, its product left out
    char* after                  # the states after the step
    Py_ssize_t row               # bytes of a row of a state
    Py_ssize_t size              # bytes of n_seqs rows


cdef class Stepper:
    cdef const Table* table
    cdef readonly tuple layers
    cdef readonly object dtype
    cdef readonly Py_ssize_t n_seqs, n_rows, n_in, n_units
    cdef Py_ssize_t n_layers, itemsize
    cdef StepRun* runs
    cdef list memory
    cdef bint stepped            # whether there is a step to commit
    cdef int n_active
    cdef Py_ssize_t[2] offset
    cdef Steps steps

    cdef add_layer(self, Py_ssize_t k)
    cdef dict arrays(self, Py_ssize_t n_rows)
    # For loops without Python. x holds n_rows rows of numbers, ldx apart. What they
    # compute is `states`, n_rows rows that are `ld_states` apart.
    cdef void advance(self, const void* x, Py_ssize_t ldx) noexcept nogil
    cdef const void* states(self) noexcept nogil
    cdef Py_ssize_t ld_states(self) noexcept nogil
    # `which` as above.
    cdef void commit_rows(self, const char* which) noexcept nogil
    cdef void select_rows(self, const Py_ssize_t* rows, Py_ssize_t n) noexcept nogil
