"""Frames of waveforms: window, Fourier transform, mel filters, logarithm and cosines.

A frame is made of its own samples alone, by the same operations in the same order, in
double. So its bits do not depend on how samples were cut, on the other sequences, or on
the instruction set. Cosines are series, as those of C libraries differ in their last
bits.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memmove

import numpy as np

from skrnn._elementary cimport log


cpdef double cos_turn(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """The cosine of ``k / n`` turns, which is ``cos(2 pi k / n)``, for k >= 0."""
    # The octant and what is left of it are exact, as ints.
    cdef Py_ssize_t octant = 8 * (k % n) // n, rest = 8 * (k % n) % n
    cdef double x
    if octant & 1:
        rest = n - rest
    x = 0.7853981633974483 * (<double> rest / <double> n)
    x = sine(x) if octant in (1, 2, 5, 6) else cosine(x)
    return -x if octant in (2, 3, 4, 5) else x


cdef inline double sine(double x) noexcept nogil:
    """The sine for 0 <= x <= pi / 4, by its series."""
    cdef double z = x * x, term = 1.0
    cdef int k
    for k in range(8, 0, -1):
        term = 1.0 - z / (2 * k * (2 * k + 1)) * term
    return x * term


cdef inline double cosine(double x) noexcept nogil:
    cdef double z = x * x, term = 1.0
    cdef int k
    for k in range(8, 0, -1):
        term = 1.0 - z / (2 * k * (2 * k - 1)) * term
    return term


cdef class Frames:
    """Frames of one waveform, as its samples come in.

    Parameters
    ----------
    window : ndarray of shape (n_window,), dtype float64
        What the samples of a frame are multiplied by.
    hop : int
        Samples from the begin of a frame to that of the next.
    n_fft : int
        Length of the Fourier transform: a power of two, at least 4 and `n_window`.
    first, start, weight : ndarrays of shapes (n_mels,), (n_mels + 1,) and (n_weights,)
        Filter m adds the bins from ``first[m]`` on, by the weights from ``start[m]``
        to ``start[m + 1]``.
    cosines : ndarray of shape (n_coefficients, n_mels)
        What a row of coefficients multiplies the logarithms by. No rows: no cosines.
    preemphasis, floor : float
    n_mean : int
        How many frames the running mean that is subtracted looks back at. 0 subtracts
        nothing.
    """

    cdef readonly tuple arguments
    cdef readonly Py_ssize_t n_out
    cdef Py_ssize_t n_window, hop, n_fft, n_mels, n_coefficients
    cdef const double[::1] window
    cdef const int[::1] first, start
    cdef const double[::1] weight
    cdef const double[:, ::1] cosines
    cdef double preemphasis, floor
    # Twiddles of each stage of the transform, one after the other, and those that
    # separate the even and the odd samples.
    cdef double[::1] re_turns, im_turns, re_last, im_last
    cdef Py_ssize_t[::1] reverse
    # The samples of the next frame, and how many there are. Negative: so many samples
    # lie between two frames and are left out.
    cdef double[::1] waiting
    cdef Py_ssize_t n_waiting
    cdef double last
    cdef bint begun
    # The running mean, and how many frames it is of.
    cdef double[::1] mean
    cdef Py_ssize_t n_mean, n_in_mean
    cdef readonly Py_ssize_t n_frames

    def __init__(self, window, hop, n_fft, first, start, weight, cosines, preemphasis,
                 floor, n_mean=0):
        self.arguments = (window, hop, n_fft, first, start, weight, cosines,
                          preemphasis, floor, n_mean)
        self.window, self.first, self.start = window, first, start
        self.weight, self.cosines = weight, cosines
        self.hop, self.n_fft = hop, n_fft
        self.n_window, self.n_mels = len(window), len(first)
        self.n_coefficients = len(cosines)
        self.n_out = self.n_coefficients or self.n_mels
        self.preemphasis, self.floor = preemphasis, floor
        cdef Py_ssize_t m, half, k, j, bits, at = 0, n = n_fft // 2
        if (n_fft < 4 or n_fft & (n_fft - 1) or not 1 <= self.n_window <= n_fft
                or hop < 1 or len(start) != self.n_mels + 1 or start[0] != 0
                or start[self.n_mels] > len(weight)
                or (self.n_coefficients and cosines.shape[1] != self.n_mels)):
            raise ValueError("the sizes do not match.")
        for m in range(self.n_mels):
            if (first[m] < 0 or start[m + 1] < start[m]
                    or first[m] + start[m + 1] - start[m] > n + 1):
                raise IndexError(f"filter {m} reads what is not there.")
        self.re_turns, self.im_turns = np.zeros(n), np.zeros(n)
        half = 1
        while half < n:
            for j in range(half):
                self.re_turns[at] = cos_turn(j, 2 * half)
                self.im_turns[at] = cos_turn(4 * j + 2 * half, 8 * half)
                at += 1
            half *= 2
        self.re_last, self.im_last = np.zeros(n), np.zeros(n)
        for k in range(n):
            self.re_last[k] = cos_turn(k, n_fft)
            self.im_last[k] = cos_turn(4 * k + n_fft, 4 * n_fft)
        self.reverse = np.zeros(n, dtype=np.intp)
        bits = 0
        while 1 << bits < n:
            bits += 1
        for k in range(n):
            at = 0
            for j in range(bits):
                at |= ((k >> j) & 1) << (bits - 1 - j)
            self.reverse[k] = at
        self.waiting = np.zeros(self.n_window)
        self.n_mean, self.mean = n_mean, np.zeros(self.n_out)
        self.reset()

    def reset(self):
        """Begin a new waveform."""
        self.n_waiting = self.n_frames = self.n_in_mean = 0
        self.last, self.begun = 0.0, False
        self.mean[:] = 0.0

    def __reduce__(self):
        state = (np.array(self.waiting), self.n_waiting, self.n_frames, self.last,
                 self.begun, np.array(self.mean), self.n_in_mean)
        return Frames, self.arguments, state

    def __setstate__(self, state):
        cdef const double[::1] waiting, mean
        waiting, self.n_waiting, self.n_frames, self.last, self.begun = state[:5]
        mean, self.n_in_mean = state[5:]
        self.waiting[:] = waiting
        self.mean[:] = mean

    def push(self, const double[::1] samples):
        """Read samples; return the frames that they complete, (n_complete, n_out).

        None if a sample is NaN or beyond 1e100: then nothing was read.
        """
        cdef Py_ssize_t i, n = samples.shape[0], kept, n_complete, row = 0
        cdef double x
        for i in range(n):
            if not -1e100 <= samples[i] <= 1e100:
                return None
        n_complete = self.n_waiting + n - self.n_window
        n_complete = 0 if n_complete < 0 else n_complete // self.hop + 1
        out = np.empty((n_complete, self.n_out), dtype=np.float32)
        cdef float[:, ::1] frames = out
        cdef double* work = <double*> malloc(
            (2 * self.n_fft + 2 + self.n_mels) * sizeof(double)
        )
        if work == NULL:
            raise MemoryError("no memory for a frame.")
        kept = self.n_window - self.hop if self.hop < self.n_window else 0
        with nogil:
            for i in range(n):
                x = samples[i]
                if self.n_waiting >= 0:
                    self.waiting[self.n_waiting] = x - self.preemphasis * (
                        self.last if self.begun else x
                    )
                self.n_waiting += 1
                self.last, self.begun = x, True
                if self.n_waiting == self.n_window:
                    self.compute(&frames[row, 0], work)
                    row += 1
                    if kept:
                        memmove(&self.waiting[0], &self.waiting[self.n_window - kept],
                                kept * sizeof(double))
                    self.n_waiting = self.n_window - self.hop
        free(work)
        self.n_frames += n_complete
        return out

    def finish(self):
        """Return the frame of a waveform shorter than a window, and begin a new one."""
        cdef Py_ssize_t i
        out = np.empty((0, self.n_out), dtype=np.float32)
        if self.begun and not self.n_frames:
            # Zeros after pre-emphasis.
            for i in range(self.n_waiting, self.n_window):
                self.waiting[i] = 0.0
            out = np.empty((1, self.n_out), dtype=np.float32)
            self.write(out, np.empty(2 * self.n_fft + 2 + self.n_mels))
        self.reset()
        return out

    cdef write(self, float[:, ::1] out, double[::1] work):
        self.compute(&out[0, 0], &work[0])

    cdef void compute(self, float* out, double* work) noexcept nogil:
        """The features (n_out,) of the samples that wait."""
        cdef Py_ssize_t i, k, m, n = self.n_fft // 2
        cdef double even_re, even_im, odd_re, odd_im, a, b, total
        cdef double* re = work
        cdef double* im = re + n
        cdef double* power = im + n                # (n_fft / 2 + 1,)
        cdef double* logs = power + n + 1          # (n_mels,)
        if self.n_in_mean < self.n_mean:
            self.n_in_mean += 1
        # Even samples are real parts and odd ones imaginary parts: a transform of half
        # the length for both.
        for k in range(n):
            i = 2 * self.reverse[k]
            re[k] = self.waiting[i] * self.window[i] if i < self.n_window else 0.0
            i += 1
            im[k] = self.waiting[i] * self.window[i] if i < self.n_window else 0.0
        self.transform(re, im, n)
        a, b = re[0] + im[0], re[0] - im[0]
        power[0], power[n] = a * a, b * b
        for k in range(1, n):
            even_re, even_im = re[k] + re[n - k], im[k] - im[n - k]
            odd_re, odd_im = im[k] + im[n - k], re[n - k] - re[k]
            a = even_re + (odd_re * self.re_last[k] - odd_im * self.im_last[k])
            b = even_im + (odd_re * self.im_last[k] + odd_im * self.re_last[k])
            power[k] = 0.25 * (a * a + b * b)
        for m in range(self.n_mels):
            total = 0.0
            k = self.first[m] - self.start[m]
            for i in range(self.start[m], self.start[m + 1]):
                total += self.weight[i] * power[k + i]
            logs[m] = log(total + self.floor)
            if not self.n_coefficients:
                out[m] = <float> self.centred(m, logs[m])
        for k in range(self.n_coefficients):
            total = 0.0
            for m in range(self.n_mels):
                total += self.cosines[k, m] * logs[m]
            out[k] = <float> self.centred(k, total)

    cdef inline double centred(self, Py_ssize_t k, double value) noexcept nogil:
        """Add a value to the running mean of feature k, and subtract this mean."""
        if not self.n_mean:
            return value
        self.mean[k] += (value - self.mean[k]) / <double> self.n_in_mean
        return value - self.mean[k]

    cdef void transform(self, double* re, double* im, Py_ssize_t n) noexcept nogil:
        """The Fourier transform of n numbers that stand in the order of `reverse`."""
        cdef Py_ssize_t half = 1, at = 0, block, j
        cdef double a, b
        cdef double* top_re
        cdef double* top_im
        cdef double* low_re
        cdef double* low_im
        while half < n:
            block = 0
            while block < n:
                top_re, top_im = re + block, im + block
                low_re, low_im = top_re + half, top_im + half
                for j in range(half):
                    a = (low_re[j] * self.re_turns[at + j]
                         - low_im[j] * self.im_turns[at + j])
                    b = (low_re[j] * self.im_turns[at + j]
                         + low_im[j] * self.re_turns[at + j])
                    low_re[j], low_im[j] = top_re[j] - a, top_im[j] - b
                    top_re[j], top_im[j] = top_re[j] + a, top_im[j] + b
                block += 2 * half
            at += half
            half *= 2
