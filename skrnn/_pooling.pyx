"""Loops of the poolings: from the states of all packed steps to one row per sequence.

Every sum runs in one order, over the steps of a sequence or over its units, so that no
result depends on what else is in the batch. Vector lanes run along the outputs. Nothing
is fused, and the exponential is the package's own: every machine gives the same bits.
"""

from cython cimport floating
from libc.string cimport memcpy, memset

from skrnn._elementary cimport exp


cdef int refuse_strides(const floating[:, :] h) except -1:
    # Loops run over the numbers of a row, one by one, so that a compiler has vectors.
    if h.shape[1] > 1 and h.strides[1] != sizeof(floating):
        raise ValueError("the rows of h must be contiguous.")
    return 0


def pool_last(const floating[:, :] h, const Py_ssize_t[::1] row, floating[:, :] out):
    """out (n_seqs, n_units) = h (n_rows, n_units) at the rows given."""
    cdef Py_ssize_t b
    refuse_strides(h)
    refuse_strides(out)
    with nogil:
        for b in range(out.shape[0]):
            memcpy(&out[b, 0], &h[row[b], 0], out.shape[1] * sizeof(floating))


def pool_sum(const floating[:, :] h, const int[::1] n_active, floating[:, :] out):
    """out (n_seqs, n_units) += sum of h (n_rows, n_units) over the steps."""
    cdef Py_ssize_t t, b, u, r = 0, n = out.shape[1]
    cdef const floating* source
    cdef floating* target
    refuse_strides(h)
    refuse_strides(out)
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                source, target = &h[r, 0], &out[b, 0]
                for u in range(n):
                    target[u] += source[u]
                r += 1


def pool_mean(const floating[:, :] h, const int[::1] n_active, const int[::1] lengths,
              floating[:, :] out):
    """out (n_seqs, n_units) = mean of h (n_rows, n_units) over the steps."""
    cdef Py_ssize_t b, u
    out[...] = 0
    pool_sum(h, n_active, out)
    with nogil:
        for b in range(out.shape[0]):
            for u in range(out.shape[1]):
                out[b, u] /= lengths[b]


def pool_mean_backward(const floating[:, ::1] dout, const int[::1] n_active,
                       const int[::1] lengths, floating[:, ::1] dh):
    """dh (n_rows, n_units) from dout (n_seqs, n_units)."""
    cdef Py_ssize_t t, b, u, r = 0, size = dout.shape[1] * sizeof(floating)
    with nogil:
        for b in range(n_active[0]):
            for u in range(dout.shape[1]):
                dh[b, u] = dout[b, u] / lengths[b]
        r = n_active[0]
        for t in range(1, n_active.shape[0]):
            for b in range(n_active[t]):
                memcpy(&dh[r, 0], &dh[b, 0], size)
                r += 1


def pool_max(const floating[:, :] h, const int[::1] n_active, floating[:, :] out,
             int[:, :] row):
    """out (n_seqs, n_units) = largest h over the steps, row = where it first stood."""
    cdef Py_ssize_t t, b, u, r = 0, n = out.shape[1]
    cdef const floating* source
    cdef floating* target
    cdef int* where
    refuse_strides(h)
    refuse_strides(out)
    if row.shape[1] > 1 and row.strides[1] != sizeof(int):
        raise ValueError("the rows of places must be contiguous.")
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                source, target, where = &h[r, 0], &out[b, 0], &row[b, 0]
                if t == 0:
                    for u in range(n):
                        target[u] = source[u]
                        where[u] = <int>r
                else:
                    # NaN is taken, so that it does not go unseen. Two loops, each of
                    # which a compiler turns into vectors.
                    for u in range(n):
                        where[u] = where[u] if source[u] <= target[u] else <int>r
                    for u in range(n):
                        target[u] = target[u] if source[u] <= target[u] else source[u]
                r += 1


def pool_largest(const floating[:, :] h, const int[::1] n_active,
                 floating[:, :] out):
    """out (n_seqs, n_units) = largest h of the steps and of what stands in out."""
    cdef Py_ssize_t t, b, u, r = 0, n = out.shape[1]
    cdef const floating* source
    cdef floating* target
    refuse_strides(h)
    refuse_strides(out)
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                source, target = &h[r, 0], &out[b, 0]
                for u in range(n):
                    # NaN is taken, so that it does not go unseen.
                    target[u] = target[u] if source[u] <= target[u] else source[u]
                r += 1


def pool_max_backward(const floating[:, ::1] dout, const int[:, ::1] row,
                      floating[:, ::1] dh):
    """dh (n_rows, n_units) from dout (n_seqs, n_units)."""
    cdef Py_ssize_t b, u
    with nogil:
        memset(&dh[0, 0], 0, dh.shape[0] * dh.shape[1] * sizeof(floating))
        for b in range(dout.shape[0]):
            for u in range(dout.shape[1]):
                dh[row[b, u], u] = dout[b, u]


def add_max_backward(const floating[:, ::1] dout, const int[:, ::1] row,
                     floating[:, ::1] dh):
    """dh (n_rows, n_units) += what `pool_max_backward` makes of dout."""
    cdef Py_ssize_t b, u
    with nogil:
        for b in range(dout.shape[0]):
            for u in range(dout.shape[1]):
                dh[row[b, u], u] += dout[b, u]


def softmax_steps(const floating[:, ::1] score, const int[::1] n_active,
                  floating[::1] weight):
    """weight (n_rows,) = softmax of score (n_rows, 1) over each sequence's steps."""
    cdef Py_ssize_t t, b, r, n_steps = n_active.shape[0]
    cdef double most, total
    with nogil:
        for b in range(n_active[0]):
            most = score[b, 0]
            r = b
            for t in range(n_steps):
                if b >= n_active[t]:
                    break
                if not score[r, 0] <= most:
                    most = score[r, 0]
                r += n_active[t]
            total = 0
            r = b
            for t in range(n_steps):
                if b >= n_active[t]:
                    break
                total += exp(score[r, 0] - most)
                r += n_active[t]
            r = b
            for t in range(n_steps):
                if b >= n_active[t]:
                    break
                weight[r] = <floating>(exp(score[r, 0] - most) / total)
                r += n_active[t]


def pool_attention(const floating[:, :] h, const floating[::1] weight,
                   const int[::1] n_active, floating[:, ::1] out):
    """out (n_seqs, n_units) += sum over the steps of weight (n_rows,) times h."""
    cdef Py_ssize_t t, b, u, r = 0, n = out.shape[1]
    cdef const floating* source
    cdef floating* target
    cdef floating factor
    refuse_strides(h)
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                source, target, factor = &h[r, 0], &out[b, 0], weight[r]
                for u in range(n):
                    target[u] += factor * source[u]
                r += 1


def pool_attention_backward(const floating[:, ::1] dout, const floating[:, :] h,
                            const floating[::1] weight, const int[::1] n_active,
                            const int[::1] lengths, floating[:, ::1] dh,
                            floating[:, ::1] dscore):
    """dh (n_rows, n_units) = weight dout; dscore (n_rows, 1) through the softmax."""
    cdef Py_ssize_t t, b, u, r = 0
    cdef double total
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                total = 0
                for u in range(dout.shape[1]):
                    dh[r, u] = weight[r] * dout[b, u]
                    total += <double>h[r, u] * dout[b, u]
                dscore[r, 0] = <floating>total
                r += 1
        for b in range(n_active[0]):
            total = 0
            r = b
            for t in range(lengths[b]):
                total += <double>weight[r] * dscore[r, 0]
                r += n_active[t]
            r = b
            for t in range(lengths[b]):
                dscore[r, 0] = <floating>(weight[r] * (dscore[r, 0] - total))
                r += n_active[t]
