"""Loops of the poolings: from the states of all packed steps to one row per sequence.

Every sum runs in one order, over the steps of a sequence or over its units, so that no
result depends on what else is in the batch. Vector lanes run along the outputs. Nothing
is fused, and the exponential is the package's own: every machine gives the same bits.
"""

from cython cimport floating
from skrnn._elementary cimport exp


def pool_last(const floating[:, :] h, const Py_ssize_t[::1] row, floating[:, :] out):
    """out (n_seqs, n_units) = h (n_rows, n_units) at the rows given."""
    cdef Py_ssize_t b, u
    with nogil:
        for b in range(out.shape[0]):
            for u in range(out.shape[1]):
                out[b, u] = h[row[b], u]


def pool_mean(const floating[:, :] h, const int[::1] n_active, const int[::1] lengths,
              floating[:, ::1] out):
    """out (n_seqs, n_units) = mean of h (n_rows, n_units) over the steps."""
    cdef Py_ssize_t t, b, u, r = 0
    with nogil:
        out[...] = 0
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                for u in range(out.shape[1]):
                    out[b, u] += h[r, u]
                r += 1
        for b in range(out.shape[0]):
            for u in range(out.shape[1]):
                out[b, u] /= lengths[b]


def pool_mean_backward(const floating[:, ::1] dout, const int[::1] n_active,
                       const int[::1] lengths, floating[:, ::1] dh):
    """dh (n_rows, n_units) from dout (n_seqs, n_units)."""
    cdef Py_ssize_t t, b, u, r = 0
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                for u in range(dout.shape[1]):
                    dh[r, u] = dout[b, u] / lengths[b]
                r += 1


def pool_max(const floating[:, :] h, const int[::1] n_active, floating[:, ::1] out,
             int[:, ::1] row):
    """out (n_seqs, n_units) = largest h over the steps, row = where it first stood."""
    cdef Py_ssize_t t, b, u, r = 0
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                for u in range(out.shape[1]):
                    # NaN is taken, so that it does not go unseen.
                    if t == 0 or not h[r, u] <= out[b, u]:
                        out[b, u] = h[r, u]
                        row[b, u] = <int>r
                r += 1


def pool_max_backward(const floating[:, ::1] dout, const int[:, ::1] row,
                      floating[:, ::1] dh):
    cdef Py_ssize_t b, u
    with nogil:
        dh[...] = 0
        for b in range(dout.shape[0]):
            for u in range(dout.shape[1]):
                dh[row[b, u], u] = dout[b, u]


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
    cdef Py_ssize_t t, b, u, r = 0
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                for u in range(out.shape[1]):
                    out[b, u] += weight[r] * h[r, u]
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
