"""The loss of tokens, in the vectors of the kernels: outputs become their gradient."""

from skrnn._elementary cimport log
from skrnn._kernels.table cimport Table
from skrnn._memory cimport address
from skrnn._recurrence cimport find_table


def token_loss(const Py_ssize_t[::1] y, raw, Py_ssize_t n_tokens,
               const double[::1] weight, double total):
    """Turn outputs into the gradient of their loss, in place; return the loss.

    The loss is the sum of the weighted log losses of softmax(raw) over `total`. In
    float32 the loss and the gradient have an error of some 1e-7 of their size.

    Parameters
    ----------
    y : ndarray of shape (n,), dtype intp
        The token of each row.
    raw : ndarray of shape (n, width)
        The outputs; `width` is the next multiple of 16. The columns from `n_tokens` on
        become zero.
    n_tokens : int
    weight : ndarray of shape (n,)
    total : float

    Returns
    -------
    value : float
    """
    cdef Py_ssize_t n = raw.shape[0], i, ld, k
    cdef Py_ssize_t width = (n_tokens + 15) // 16 * 16
    cdef const Table* table = find_table(raw.dtype)
    cdef char* data = address(raw, raw.dtype, n, width, &ld, "raw")
    cdef char* row
    cdef bint small = table.itemsize == 4
    cdef double value = 0, most = 0, all_, own, share
    if y.shape[0] != n or weight.shape[0] != n:
        raise ValueError("there must be a token and a weight for each row.")
    for i in range(n):
        if not 0 <= y[i] < n_tokens:
            raise IndexError(f"there is no token {y[i]}.")
    with nogil:
        for i in range(n):
            row = data + i * ld * table.itemsize
            if weight[i] == 0:
                for k in range(width):
                    put(row, small, k, 0)
                continue
            own = at(row, small, y[i])
            all_ = table.soften(row, n_tokens, &most)
            value += weight[i] * ((most - own) + log(all_))
            own = at(row, small, y[i])
            share = weight[i] / total
            table.scale(row, width, share / all_)
            # p - 1 without cancellation
            put(row, small, y[i], -share * ((all_ - own) / all_))
    return value / total


cdef inline double at(const char* row, bint small, Py_ssize_t k) noexcept nogil:
    return (<const float*>row)[k] if small else (<const double*>row)[k]


cdef inline void put(char* row, bint small, Py_ssize_t k, double x) noexcept nogil:
    if small:
        (<float*>row)[k] = <float>x
    else:
        (<double*>row)[k] = x
