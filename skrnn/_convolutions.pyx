"""Random convolutions: kernels of nine taps over sequences, as MiniRocket has them.

A kernel has six taps of -1 and three of 2, `dilation` steps apart, and reads one
channel. All outputs are float32, and each is made of the same nine values by the same
additions in the same order. So an output has the same bits whatever stands beside it.
"""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY, NAN
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memmove

cdef enum:
    N_TAPS_C = 9

N_TAPS = N_TAPS_C


def pool(const float[:, ::1] values, const unsigned char[:, ::1] unknown,
         const Py_ssize_t[::1] start, const Py_ssize_t[::1] n_steps, int n_before,
         const int[:, ::1] taps, const int[::1] dilation, const int[::1] channel,
         const float[::1] threshold, Py_ssize_t pool_length, float[:, ::1] share,
         float[:, ::1] largest):
    """Pool the outputs of kernels over segments of sequences.

    Parameters
    ----------
    values : (n_channels, n_values)
        Sequences end to end, each with what the kernels read before and after it.
    unknown : (n_channels, n_values) or (n_channels, 0)
        1 where a value is unknown: the output at that step does not count. No columns
        if all are known.
    start, n_steps : (n_seqs,)
        Where the first step of a sequence stands in `values`, and its steps.
    n_before : int
        How many taps of a kernel lie before the step that its output belongs to: 4, or
        8 for causal kernels.
    taps : (n_kernels, 3)
        Which of the nine taps are 2.
    dilation, channel, threshold : (n_kernels,)
        Kernels of the same channel and dilation stand side by side.
    pool_length : int
        Steps in a segment. The last segment of a sequence may have fewer.
    share, largest : OUT (n_segments, n_kernels)
        The share of outputs over the threshold, and how far the largest lies over it;
        NaN where no output of a segment counts.
    """
    cdef Py_ssize_t i, k, n, longest = 0, n_segments = 0, n_kernels = taps.shape[0]
    cdef bint known = unknown.shape[1] == 0
    cdef const float* x
    cdef const unsigned char* gaps
    check_kernels(taps, dilation, channel, values.shape[0], n_before)
    check_places(start, n_steps, dilation, n_before, values.shape[1])
    for i in range(n_steps.shape[0]):
        longest = max(longest, n_steps[i])
        n_segments += (n_steps[i] + pool_length - 1) // pool_length
    if not (pool_length > 0 and threshold.shape[0] == n_kernels
            and share.shape[0] == largest.shape[0] == n_segments
            and share.shape[1] == largest.shape[1] == n_kernels
            and unknown.shape[0] == values.shape[0]
            and (known or unknown.shape[1] == values.shape[1])):
        raise ValueError("the shapes do not match.")
    if not n_segments or not n_kernels:
        return
    cdef float* memory = <float*> malloc(2 * longest * sizeof(float))
    if memory == NULL:
        raise MemoryError("no memory for the outputs of a kernel.")
    cdef float* sums = memory
    cdef float* outputs = memory + longest
    cdef Py_ssize_t row = 0
    with nogil:
        for i in range(n_steps.shape[0]):
            n = n_steps[i]
            for k in range(n_kernels):
                x = &values[channel[k], start[i]]
                if k == 0 or (channel[k] != channel[k - 1]
                              or dilation[k] != dilation[k - 1]):
                    add_taps(x - n_before * dilation[k], n, dilation[k], sums)
                convolve(x - n_before * dilation[k], n, dilation[k], &taps[k, 0], sums,
                         outputs)
                gaps = NULL if known else &unknown[channel[k], start[i]]
                pool_one(outputs, gaps, n, pool_length, threshold[k], n_kernels,
                         &share[row, k], &largest[row, k])
            row += (n + pool_length - 1) // pool_length
    free(memory)


def count(const float[:, ::1] values, const unsigned char[:, ::1] unknown,
          const Py_ssize_t[::1] start, const Py_ssize_t[::1] n_steps,
          const Py_ssize_t[::1] begin, const Py_ssize_t[::1] length, int n_before,
          const int[:, ::1] taps, const int[::1] dilation, const int[::1] channel,
          const Py_ssize_t[::1] first, const float[::1] threshold,
          const unsigned char[::1] whole, int[:, ::1] over, int[:, ::1] counted):
    """Count the outputs of whole sequences, or of pieces, that are over thresholds.

    Parameters
    ----------
    values, unknown, start, n_steps, n_before, taps, dilation, channel
        As in `pool`.
    begin, length : (n_seqs,)
        How many steps a sequence has before the first one that is counted here, and
        how many it has in all.
    first : (n_kernels + 1,)
        Which thresholds are those of a kernel: from ``first[k]`` to ``first[k + 1]``.
    threshold : (n_features,)
    whole : (n_kernels,)
        Whether all outputs of a kernel count. If not, outputs that read beyond the
        sequence do not, unless these are all.
    over : IN OUT (n_seqs, n_features)
        How many outputs are over each threshold; these are added.
    counted : IN OUT (n_seqs, n_kernels)
        How many outputs of each kernel count; these are added.
    """
    cdef Py_ssize_t i, k, f, a, b, n, d, longest = 0, n_kernels = taps.shape[0]
    cdef bint known = unknown.shape[1] == 0
    cdef const float* x
    cdef const unsigned char* gaps
    check_kernels(taps, dilation, channel, values.shape[0], n_before)
    check_places(start, n_steps, dilation, n_before, values.shape[1])
    for i in range(n_steps.shape[0]):
        longest = max(longest, n_steps[i])
    if not (first.shape[0] == n_kernels + 1 and whole.shape[0] == n_kernels
            and over.shape[0] == counted.shape[0] == n_steps.shape[0]
            and begin.shape[0] == length.shape[0] == n_steps.shape[0]
            and over.shape[1] == threshold.shape[0] and counted.shape[1] == n_kernels
            and unknown.shape[0] == values.shape[0]
            and (known or unknown.shape[1] == values.shape[1])):
        raise ValueError("the shapes do not match.")
    for k in range(n_kernels):
        if not 0 <= first[k] <= first[k + 1] <= threshold.shape[0]:
            raise IndexError(f"kernel {k} has no such thresholds.")
    if not longest or not n_kernels:
        return
    cdef float* memory = <float*> malloc(2 * longest * sizeof(float))
    if memory == NULL:
        raise MemoryError("no memory for the outputs of a kernel.")
    cdef float* sums = memory
    cdef float* outputs = memory + longest
    with nogil:
        for i in range(n_steps.shape[0]):
            n = n_steps[i]
            for k in range(n_kernels):
                d = dilation[k]
                x = &values[channel[k], start[i]]
                if k == 0 or channel[k] != channel[k - 1] or d != dilation[k - 1]:
                    add_taps(x - n_before * d, n, d, sums)
                convolve(x - n_before * d, n, d, &taps[k, 0], sums, outputs)
                a, b = 0, n
                if not whole[k] and length[i] > (N_TAPS_C - 1) * d:
                    a = min(max(n_before * d - begin[i], 0), n)
                    b = length[i] - (N_TAPS_C - 1 - n_before) * d - begin[i]
                    b = max(min(b, n), a)
                gaps = NULL if known else &unknown[channel[k], start[i]] + a
                counted[i, k] += <int> (b - a)
                if gaps != NULL:
                    counted[i, k] -= count_gaps(gaps, b - a)
                for f in range(first[k], first[k + 1]):
                    over[i, f] += count_over(outputs + a, gaps, b - a, threshold[f])
    free(memory)


def outputs_at(const float[::1] values, const Py_ssize_t[::1] position, int n_before,
               const int[::1] taps, int dilation, float[::1] out):
    """Compute the outputs of one kernel at some steps, with the bits of `pool`.

    Parameters
    ----------
    values : (n_values,)
        One channel of sequences.
    position : (n,)
        Where the steps stand in `values`.
    n_before, dilation : int
    taps : (3,)
        As in `pool`.
    out : OUT (n,)
    """
    cdef Py_ssize_t i, before = n_before * dilation, p
    cdef Py_ssize_t after = (N_TAPS_C - 1 - n_before) * dilation
    cdef float total
    if taps.shape[0] != 3 or position.shape[0] != out.shape[0] or dilation < 1:
        raise ValueError("the shapes do not match.")
    for i in range(3):
        if not 0 <= taps[i] < N_TAPS_C:
            raise IndexError("a kernel has no such tap.")
    for i in range(position.shape[0]):
        p = position[i]
        if p - before < 0 or p + after >= values.shape[0]:
            raise IndexError(f"step {i} lies outside of the values.")
        add_taps(&values[p - before], 1, dilation, &total)
        convolve(&values[p - before], 1, dilation, &taps[0], &total, &out[i])


cdef check_kernels(const int[:, ::1] taps, const int[::1] dilation,
                   const int[::1] channel, Py_ssize_t n_channels, int n_before):
    cdef Py_ssize_t k, j
    if not (taps.shape[1] == 3 and dilation.shape[0] == taps.shape[0]
            and channel.shape[0] == taps.shape[0] and 0 <= n_before < N_TAPS_C):
        raise ValueError("the shapes do not match.")
    for k in range(taps.shape[0]):
        if dilation[k] < 1 or not 0 <= channel[k] < n_channels:
            raise IndexError(f"kernel {k} reads what is not there.")
        for j in range(3):
            if not 0 <= taps[k, j] < N_TAPS_C:
                raise IndexError(f"kernel {k} has no tap {taps[k, j]}.")


cdef check_places(const Py_ssize_t[::1] start, const Py_ssize_t[::1] n_steps,
                  const int[::1] dilation, int n_before, Py_ssize_t n_values):
    """Check that all that the kernels read lies inside of the values."""
    cdef Py_ssize_t i, widest = 0
    if start.shape[0] != n_steps.shape[0]:
        raise ValueError("the shapes do not match.")
    for i in range(dilation.shape[0]):
        widest = max(widest, dilation[i])
    for i in range(start.shape[0]):
        if (n_steps[i] < 0 or start[i] < n_before * widest
                or start[i] + n_steps[i] + (N_TAPS_C - 1 - n_before) * widest
                > n_values):
            raise IndexError(f"sequence {i} lies outside of the values.")


cdef void add_taps(const float* x, Py_ssize_t n, Py_ssize_t d,
                   float* sums) noexcept nogil:
    """Add the nine values that each of n outputs reads; x is the first one's first."""
    cdef Py_ssize_t t
    for t in range(n):
        sums[t] = (((x[t] + x[t + d]) + (x[t + 2 * d] + x[t + 3 * d]))
                   + ((x[t + 4 * d] + x[t + 5 * d]) + (x[t + 6 * d] + x[t + 7 * d]))
                   + x[t + 8 * d])


cdef void convolve(const float* x, Py_ssize_t n, Py_ssize_t d, const int* taps,
                   const float* sums, float* out) noexcept nogil:
    """Three times the values at three taps, less the values at all nine."""
    cdef Py_ssize_t t
    cdef const float* p = x + taps[0] * d
    cdef const float* q = x + taps[1] * d
    cdef const float* r = x + taps[2] * d
    for t in range(n):
        out[t] = 3 * ((p[t] + q[t]) + r[t]) - sums[t]


cdef int count_over(const float* c, const unsigned char* gaps, Py_ssize_t n,
                    float threshold) noexcept nogil:
    """How many outputs that count are over a threshold."""
    cdef Py_ssize_t t
    cdef int over = 0
    if gaps == NULL:
        for t in range(n):
            over += c[t] > threshold
    else:
        for t in range(n):
            over += c[t] > threshold and not gaps[t]
    return over


cdef int count_gaps(const unsigned char* gaps, Py_ssize_t n) noexcept nogil:
    """How many values are unknown."""
    cdef Py_ssize_t t
    cdef int unknown = 0
    for t in range(n):
        unknown += gaps[t] != 0
    return unknown


cdef float share_over(const float* c, const unsigned char* gaps, Py_ssize_t n,
                      float threshold) noexcept nogil:
    """The share of outputs over a threshold; NaN if no output counts."""
    cdef int counted = <int> n - (0 if gaps == NULL else count_gaps(gaps, n))
    if not counted:
        return NAN
    return <float> count_over(c, gaps, n, threshold) / <float> counted


cdef void pool_one(const float* c, const unsigned char* gaps, Py_ssize_t n,
                   Py_ssize_t pool_length, float threshold, Py_ssize_t stride,
                   float* share, float* largest) noexcept nogil:
    """Pool the outputs of one kernel; a row of `share` has `stride` numbers."""
    cdef Py_ssize_t a = 0, t, m
    cdef float top
    while a < n:
        m = min(pool_length, n - a)
        share[0] = share_over(c + a, NULL if gaps == NULL else gaps + a, m, threshold)
        top = -INFINITY
        for t in range(a, a + m):
            if (gaps == NULL or not gaps[t]) and c[t] > top:
                top = c[t]
        largest[0] = top - threshold if share[0] == share[0] else NAN
        share += stride
        largest += stride
        a += pool_length


# ------------------------------------------------------------------- streams

cdef class StepConvolutions:
    """Outputs of causal kernels over the segment of a stream that is being filled.

    Parameters
    ----------
    convolutions : Convolutions
        Fitted, with causal kernels.
    n_seqs : int
    """

    def __init__(self, convolutions, Py_ssize_t n_seqs):
        kernels = convolutions.kernels
        if kernels.n_before != N_TAPS_C - 1:
            raise ValueError("a stream needs causal kernels.")
        self.convolutions, self.n_seqs = convolutions, n_seqs
        self.mean, self.scale = convolutions.mean, convolutions.scale
        self.out_mean, self.out_scale = convolutions.out_mean, convolutions.out_scale
        self.threshold = convolutions.threshold
        self.taps, self.dilation = kernels.taps, kernels.dilation
        self.channel = kernels.channel
        self.n_features, self.n_kernels = self.mean.shape[0], self.taps.shape[0]
        self.before, self.n_out = kernels.before, 2 * self.n_kernels
        check_kernels(self.taps, self.dilation, self.channel, self.n_features,
                      N_TAPS_C - 1)
        if not (self.scale.shape[0] == self.n_features
                and self.out_mean.shape[0] == self.n_out == self.out_scale.shape[0]
                and self.threshold.shape[0] == self.n_kernels):
            raise ValueError("the shapes do not match.")
        of_features, of_kernels = (n_seqs, self.n_features), (n_seqs, self.n_kernels)
        self.history = np.zeros((*of_features, self.before), dtype=np.float32)
        self.fresh = np.zeros(of_features, dtype=np.float32)
        self.largest = np.zeros(of_kernels, dtype=np.float32)
        self.new_largest = np.zeros(of_kernels, dtype=np.float32)
        self.over = np.zeros(of_kernels, dtype=np.intc)
        self.new_over = np.zeros(of_kernels, dtype=np.intc)
        self.seen = np.zeros(of_features, dtype=np.intc)
        self.new_seen = np.zeros(of_features, dtype=np.intc)
        self.outputs = np.zeros((n_seqs, self.n_out), dtype=np.float32)

    cdef dict arrays(self):
        return {"history": np.asarray(self.history), "over": np.asarray(self.over),
                "largest": np.asarray(self.largest), "seen": np.asarray(self.seen)}

    cdef bint take(self, const double* x) noexcept nogil:
        # Find `outputs` with one more step, (n_seqs, n_features). 1, and nothing
        # changed, where a value is too large.
        cdef Py_ssize_t b, f, k, j, d, at, K = self.n_kernels
        cdef double value
        cdef float small = 3.4028234663852886e38 / 32, output = 0, total = 0
        cdef float v[N_TAPS_C]
        cdef float* row
        for b in range(self.n_seqs):
            for f in range(self.n_features):
                value = x[b * self.n_features + f]
                self.new_seen[b, f] = self.seen[b, f] + (value == value)
                self.fresh[b, f] = 0
                if value == value:
                    self.fresh[b, f] = <float>((value - self.mean[f]) / self.scale[f])
                    if not (-small < self.fresh[b, f] < small):
                        return 1
            for k in range(K):
                f, d = self.channel[k], self.dilation[k]
                if k == 0 or f != self.channel[k - 1] or d != self.dilation[k - 1]:
                    for j in range(N_TAPS_C - 1):
                        at = self.before - (N_TAPS_C - 1 - j) * d
                        v[j] = self.history[b, f, at]
                    v[N_TAPS_C - 1] = self.fresh[b, f]
                    add_taps(v, 1, 1, &total)
                convolve(v, 1, 1, &self.taps[k, 0], &total, &output)
                self.new_over[b, k] = self.over[b, k]
                self.new_largest[b, k] = self.largest[b, k]
                if self.new_seen[b, f] > self.seen[b, f]:
                    self.new_over[b, k] += output > self.threshold[k]
                    if self.seen[b, f] == 0 or output > self.largest[b, k]:
                        self.new_largest[b, k] = output
                row = &self.outputs[b, 0]
                row[k] = row[K + k] = 0
                if self.new_seen[b, f]:
                    row[k] = (<float>self.new_over[b, k]
                              / <float>self.new_seen[b, f])
                    row[k] = <float>((row[k] - self.out_mean[k]) / self.out_scale[k])
                    row[K + k] = self.new_largest[b, k] - self.threshold[k]
                    row[K + k] = <float>((row[K + k] - self.out_mean[K + k])
                                         / self.out_scale[K + k])
                if row[K + k] - row[K + k] != 0:
                    return 1
        return 0

    cdef void commit(self, const char* whole) noexcept nogil:
        # The step counts from now on; whole: whether it was the last of its segment.
        cdef Py_ssize_t b, f, k
        cdef float* row
        for b in range(self.n_seqs):
            for f in range(self.n_features):
                row = &self.history[b, f, 0]
                memmove(row, row + 1, (self.before - 1) * sizeof(float))
                row[self.before - 1] = self.fresh[b, f]
                self.seen[b, f] = 0 if whole[b] else self.new_seen[b, f]
            for k in range(self.n_kernels):
                self.over[b, k] = 0 if whole[b] else self.new_over[b, k]
                self.largest[b, k] = 0 if whole[b] else self.new_largest[b, k]


def put_beside(const floating[:, ::1] x, const float[:, ::1] outputs,
               const Py_ssize_t[::1] start, const Py_ssize_t[::1] lengths,
               const Py_ssize_t[::1] offset, floating[:, ::1] joined):
    """joined (n_rows, n_in + n_out) = packed rows with the outputs of their segments.

    Parameters
    ----------
    x : (n_rows, n_in)
        A packed batch.
    outputs : (any, n_out)
        Of segments, those of a sequence one below the other.
    start : (n_seqs,)
        Where the first segment of each sequence stands, in packed order.
    lengths : (n_seqs,)
        Segments of each sequence.
    offset : (n_steps + 1,)
        The first row of each step, and the number of rows.
    joined : OUT
    """
    cdef Py_ssize_t t, b, j, row, n_rows = x.shape[0], n_in = x.shape[1]
    cdef Py_ssize_t n_out = outputs.shape[1], n_seqs = start.shape[0]
    cdef const float* source
    cdef floating* target
    if (joined.shape[0] != n_rows or joined.shape[1] != n_in + n_out
            or lengths.shape[0] != n_seqs):
        raise ValueError("the shapes do not match.")
    for b in range(n_seqs):
        if start[b] < 0 or start[b] + lengths[b] > outputs.shape[0]:
            raise IndexError(f"{lengths[b]} segments from {start[b]} on.")
        if lengths[b] >= offset.shape[0]:
            raise IndexError(f"{lengths[b]} steps of {offset.shape[0] - 1}.")
    for t in range(offset.shape[0]):
        if not 0 <= offset[t] <= n_rows - (n_seqs if t == 0 else 0):
            raise IndexError(f"row {offset[t]} of {n_rows}.")
    # One sequence after the other, since its outputs stand together.
    with nogil:
        for b in range(n_seqs):
            for t in range(lengths[b]):
                row = offset[t] + b
                target, source = &joined[row, 0], &outputs[start[b] + t, 0]
                memcpy(target, &x[row, 0], n_in * sizeof(floating))
                for j in range(n_out):
                    target[n_in + j] = source[j]
