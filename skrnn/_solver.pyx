"""Steps of solvers by the kernels of the instruction set, with the same bits on all."""

from cython cimport floating
from libc.math cimport sqrt

from skrnn._kernels.table cimport Table
from skrnn._recurrence cimport find_table


def adam_step(
    floating[::1] theta,               # IN/OUT (n_params,)
    const floating[::1] grad,          # IN     (n_params,)
    floating[::1] first_moment,        # IN/OUT (n_params,)
    floating[::1] second_moment,       # IN/OUT (n_params,)
    double[::1] powers,                # IN/OUT beta_1^t, beta_2^t
    double learning_rate,
    double beta_1,
    double beta_2,
    double epsilon,
    double scale,
):
    """One step of Adam along scale * grad.

    All that changes changes in one call, which Ctrl-C cannot cut in two. The caller
    checks the sizes.
    """
    cdef const Table* table = find_table("f4" if floating is float else "f8")
    cdef double rate
    cdef Py_ssize_t n = theta.shape[0]
    with nogil:
        powers[0] *= beta_1
        powers[1] *= beta_2
        rate = learning_rate * (sqrt(1.0 - powers[1]) / (1.0 - powers[0]))
        if n:
            table.adam(&theta[0], &grad[0], &first_moment[0], &second_moment[0], n,
                       beta_1, beta_2, epsilon, rate, scale)
