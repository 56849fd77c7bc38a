"""Connectionist temporal classification: sums over all alignments of labels to steps.

A path gives each step a label or the blank, which is symbol 0; equal neighbours without
a blank between them are one label. The states of a sequence of L labels are blank,
label, blank, ..., label, blank: 2 L + 1, of which those are computed that can be
reached and can still reach the end.

A probability is a pair of doubles, v 2^e with 1 <= v < 2 and e a whole number; zero is
(0, NOTHING). Nothing underflows at any length, sums have the accuracy of a double, and
no logarithm is taken but the last one. What comes out for a sequence depends on it
alone.

References
----------
Graves et al. 2006, "Connectionist temporal classification".
"""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY, NAN
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from skrnn._elementary cimport exp, log
from skrnn._kernels.table cimport Table
from skrnn._recurrence cimport PackedShape, find_table

cdef extern from *:
    """
    #define TWO_52 0x4330000000000000LL    /* bits of 2^52 */
    #define NOTHING (-1e15)
    """
    const uint64_t TWO_52
    const double NOTHING

cdef double LOG_2 = 0.6931471805599453
cdef double LOG_2_HIGH = 0.6931471803691238  # 21 trailing zero bits
cdef double LOG_2_LOW = 1.9082149292705877e-10


# --------------------------------------------------------- numbers with wide exponents


cdef inline uint64_t bits(double x) noexcept nogil:
    cdef uint64_t i
    memcpy(&i, &x, sizeof(double))
    return i


cdef inline double from_bits(uint64_t i) noexcept nogil:
    cdef double x
    memcpy(&x, &i, sizeof(double))
    return x


cdef inline double exp2_of(double d) noexcept nogil:
    # 2^d for a whole d; below -1000 it is 2^-1000.
    d = d if d > -1000.0 else -1000.0
    return from_bits(bits(d + (6755399441055744.0 + 1023.0)) << 52)


cdef inline void split(double x, double by, double* v, double* e) noexcept nogil:
    # x 2^by as a pair; x is positive and no denormal number, or zero, where `by` is
    # about NOTHING. The exponent of x stands at bit 52, that of its inverse is made.
    cdef uint64_t i = bits(x) >> 52
    v[0] = x * from_bits((2046 - i) << 52)
    e[0] = (from_bits(i | TWO_52) - 4503599627371519.0) + by


cdef inline double larger(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline void exp_pair(double x, double* v, double* e) noexcept nogil:
    # exp(x) for x <= 0
    cdef double n
    if x < -1e14:
        v[0], e[0] = 0.0, NOTHING
        return
    n = (x * 1.4426950408889634 + 6755399441055744.0) - 6755399441055744.0
    split(exp((x - n * LOG_2_HIGH) - n * LOG_2_LOW), n, v, e)


# ----------------------------------------------------------------------- one sequence


# The states -2 .. n_states + 1 of a step stand at v and e; the four outside are zero.
cdef struct Lattice:
    Py_ssize_t n_steps
    Py_ssize_t n_states
    Py_ssize_t n_symbols
    Py_ssize_t width             # n_states + 4
    const Py_ssize_t* labels     # (n_states // 2,)
    const double* skip           # (n_states + 2,) 1: may be reached from two before
    const double* raw            # (n_steps, n_symbols)
    double* probability          # (n_steps, n_symbols)
    double* v                    # alpha, (n_steps, width)
    double* e
    double* vy                   # probability of the states' symbols, (n_steps, width)
    double* ey
    double* back                 # beta times y of two steps, (4, width)


cdef inline Py_ssize_t first_state(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return max(0, s.n_states - 2 * (s.n_steps - t))


cdef inline Py_ssize_t last_state(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return min(s.n_states, 2 * (t + 1))


cdef double softmax_row(const Table* table, const double* raw, double* out,
                        Py_ssize_t n) noexcept nogil:
    # out = softmax(raw); returns the logarithm of what it was divided by.
    cdef Py_ssize_t k
    cdef double most = raw[0], total = 0.0, by
    for k in range(1, n):
        if raw[k] > most:
            most = raw[k]
    for k in range(n):
        out[k] = raw[k] - most
    table.exponential(out, out, n)
    for k in range(n):
        total += out[k]
    by = 1.0 / total
    for k in range(n):
        out[k] *= by
    return most + log(total)


cdef bint emit(const Table* table, const Lattice* s, Py_ssize_t t) noexcept nogil:
    # The probabilities of the states' symbols at a step. False: some are not numbers.
    cdef Py_ssize_t i, symbol
    cdef const double* raw = s.raw + t * s.n_symbols
    cdef double* probability = s.probability + t * s.n_symbols
    cdef double* v = s.vy + t * s.width + 2
    cdef double* e = s.ey + t * s.width + 2
    cdef double most = softmax_row(table, raw, probability, s.n_symbols)
    if not (most > -INFINITY and most < INFINITY):
        return False
    for i in range(-1, s.n_states // 2):
        symbol = 0 if i < 0 else s.labels[i]
        if raw[symbol] != raw[symbol]:
            return False
        if probability[symbol] > 1e-290:
            split(probability[symbol], 0.0, &v[2 * i + 1], &e[2 * i + 1])
        else:
            exp_pair(raw[symbol] - most, &v[2 * i + 1], &e[2 * i + 1])
    for i in range(s.n_states // 2 + 1):
        v[2 * i], e[2 * i] = (v - 1)[0], (e - 1)[0]
    return True


cdef void clear_pairs(double* v, double* e, Py_ssize_t start,
                      Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        v[i], e[i] = 0.0, NOTHING


cdef void add_three(
    const double* vb, const double* eb, int to, const double* skip, const double* vy,
    const double* ey, double* v, double* e, Py_ssize_t start, Py_ssize_t stop
) noexcept nogil:
    # (b[i] + b[i + to] + b[i + 2 to], unless skip is 0) y[i]; y NULL: 1. In two loops,
    # which compilers make vectors of.
    cdef Py_ssize_t i
    cdef double ec, most
    for i in range(start, stop):
        ec = eb[i + 2 * to] + (1.0 - skip[i]) * NOTHING
        most = larger(larger(eb[i], eb[i + to]), ec)
        v[i] = (vb[i] * exp2_of(eb[i] - most) + vb[i + to] * exp2_of(eb[i + to] - most)
                ) + vb[i + 2 * to] * skip[i] * exp2_of(ec - most)
        e[i] = larger(most, NOTHING)
    if vy == NULL:
        for i in range(start, stop):
            split(v[i], e[i], &v[i], &e[i])
    else:
        for i in range(start, stop):
            split(v[i] * vy[i], e[i] + ey[i], &v[i], &e[i])


cdef double sum_alignments(const Table* table, const Lattice* s, double* v_all,
                           double* e_all) noexcept nogil:
    # Fill alpha; the pair of the sum, and its logarithm.
    cdef Py_ssize_t t, i, start, stop
    cdef double most
    cdef double* v = s.v
    cdef double* e = s.e
    cdef const double* vy
    cdef const double* ey
    for t in range(s.n_steps):
        if not emit(table, s, t):
            return NAN
        v, e = s.v + t * s.width + 2, s.e + t * s.width + 2
        vy, ey = s.vy + t * s.width + 2, s.ey + t * s.width + 2
        start, stop = first_state(s, t), last_state(s, t)
        if start >= stop:
            return -INFINITY
        if t == 0:
            for i in range(start, stop):
                v[i], e[i] = vy[i], ey[i]
        else:
            add_three(v - s.width, e - s.width, -1, s.skip, vy, ey, v, e, start, stop)
        clear_pairs(v, e, start - 2, start)
        clear_pairs(v, e, stop, stop + 2)
    # The last two states; NOTHING is below what any of them has.
    i = s.n_states - 1
    most = larger(e[i], e[i - 1])
    split(v[i] * exp2_of(e[i] - most) + v[i - 1] * exp2_of(e[i - 1] - most), most,
          v_all, e_all)
    if v_all[0] == 0.0:
        return -INFINITY
    return log(v_all[0]) + e_all[0] * LOG_2


cdef void step_back(const Lattice* s, Py_ssize_t t, double* v, double* e,
                    const double* va, const double* ea) noexcept nogil:
    # beta of step t from beta times y of the step after.
    cdef Py_ssize_t i, start = first_state(s, t), stop = last_state(s, t)
    if t == s.n_steps - 1:
        for i in range(start, stop):
            v[i], e[i] = 1.0, 0.0
        return
    add_three(va, ea, 1, s.skip + 2, NULL, NULL, v, e, start, stop)


cdef void occupancies(const Lattice* s, double v_all, double e_all, double* share,
                      double* gamma) noexcept nogil:
    # share (n_steps, n_symbols): -= the probability that a step has a symbol.
    cdef Py_ssize_t t, i, start, stop
    cdef double* v
    cdef double* e
    cdef double* row
    cdef const double* alpha
    cdef const double* exponent
    cdef const double* vy
    cdef const double* ey
    cdef double total
    for t in range(s.n_steps - 1, -1, -1):
        v = s.back + (t % 2) * 2 * s.width + 2
        e = v + s.width
        step_back(s, t, v, e, s.back + ((t + 1) % 2) * 2 * s.width + 2,
                  s.back + ((t + 1) % 2) * 2 * s.width + s.width + 2)
        start, stop = first_state(s, t), last_state(s, t)
        alpha, exponent = s.v + t * s.width + 2, s.e + t * s.width + 2
        vy, ey = s.vy + t * s.width + 2, s.ey + t * s.width + 2
        row = share + t * s.n_symbols
        total = 0.0
        for i in range(start, stop):
            gamma[i] = (alpha[i] * v[i] / v_all) * exp2_of(exponent[i] + e[i] - e_all)
        for i in range(start, stop):
            total += gamma[i]
        total = 1.0 / total
        for i in range(start, stop):
            row[s.labels[i // 2] if i % 2 else 0] -= gamma[i] * total
        for i in range(start, stop):
            split(v[i] * vy[i], e[i] + ey[i], &v[i], &e[i])
        clear_pairs(v, e, start - 2, start)
        clear_pairs(v, e, stop, stop + 2)


# --------------------------------------------------------------------------- batches


cdef class LabelSequences:
    """Labels of each sequence of a packed batch, in packed order.

    Parameters
    ----------
    sequences : list of sequences of int
        Labels count from 1: symbol 0 is the blank.
    n_symbols : int
    """

    cdef readonly object lengths, labels, starts, skip
    cdef readonly Py_ssize_t n_symbols, longest

    def __init__(self, sequences, Py_ssize_t n_symbols):
        self.n_symbols = n_symbols
        self.lengths = np.array([len(s) for s in sequences], dtype=np.intp)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.intp)
        self.longest = self.lengths.max(initial=0)
        self.labels = np.empty(self.starts[len(self.lengths)], dtype=np.intp)
        for start, own in zip(self.starts, sequences):
            self.labels[start : start + len(own)] = own
        if len(self.labels) and not (
            1 <= self.labels.min() <= self.labels.max() < n_symbols
        ):
            raise ValueError(f"Labels are 1 to {n_symbols - 1}.")

    def __len__(self):
        return len(self.lengths)

    def least_steps(self):
        """The steps that each sequence needs at least: a blank between equal labels."""
        least = self.lengths.copy()
        for b, start in enumerate(self.starts[: len(self)]):
            own = self.labels[start : start + self.lengths[b]]
            least[b] += np.count_nonzero(own[1:] == own[: max(len(own) - 1, 0)])
        return least


cdef class AlignmentSums:
    """Losses, gradients and best alignments, with the memory that they need."""

    cdef const Table* table
    cdef object memory, skip
    cdef Lattice lattice

    def __init__(self):
        self.table = find_table(np.float64)
        self.memory = {}

    cdef double* take(self, name, Py_ssize_t n) except NULL:
        cdef double[::1] view
        array = self.memory.get(name)
        if array is None or len(array) < n:
            array = self.memory[name] = np.empty(n)
        view = array
        return &view[0]

    cdef int start(self, Py_ssize_t n_steps, labels, Py_ssize_t n_symbols) except -1:
        # The lattice of one sequence.
        cdef const Py_ssize_t[::1] own
        cdef Lattice* s = &self.lattice
        cdef Py_ssize_t i, n_labels = len(labels)
        cdef double* skip
        s.n_steps, s.n_states = n_steps, 2 * n_labels + 1
        s.n_symbols, s.width = n_symbols, 2 * n_labels + 5
        own = labels if n_labels else EMPTY
        s.labels = &own[0]
        skip = self.take("skip", s.n_states + 2)
        for i in range(s.n_states + 2):
            skip[i] = (i % 2 == 1 and i > 2 and i < s.n_states
                       and own[i // 2] != own[i // 2 - 1])
        s.skip = skip
        s.raw = self.take("raw", n_steps * n_symbols)
        s.probability = self.take("probability", n_steps * n_symbols)
        s.v = self.take("v", n_steps * s.width)
        s.e = self.take("e", n_steps * s.width)
        s.vy = self.take("vy", n_steps * s.width)
        s.ey = self.take("ey", n_steps * s.width)
        s.back = self.take("back", 4 * s.width)
        return 0

    def loss_and_gradient(self, PackedShape shape, const floating[:, ::1] raw,
                          LabelSequences targets, const double[::1] weight,
                          floating[:, ::1] draw=None):
        """Minus the log-probability of the labels of each sequence, and its gradient.

        Parameters
        ----------
        shape : PackedShape
        raw : ndarray (n_rows, n_symbols) of float32 or float64
        targets : LabelSequences
        weight : ndarray of float64 (n_seqs,)
            What each gradient is multiplied by. A sequence of weight 0 has the loss 0,
            whatever is in it.
        draw : ndarray like raw, or None
            Filled with the gradient. It is zero where no path has the labels.

        Returns
        -------
        loss : ndarray (n_seqs,)
            Infinite where no path has the labels.
        """
        cdef Py_ssize_t b, t, k, r, n_symbols = raw.shape[1], length
        cdef const Py_ssize_t[::1] starts = targets.starts
        cdef const int[::1] lengths = shape.lengths
        cdef Lattice* s = &self.lattice
        cdef double* copy
        cdef double* gamma = self.take("gamma", 2 * targets.longest + 1)
        cdef double v_all = 0.0, e_all = 0.0, log_p, by
        cdef bint wanted = draw is not None
        if (raw.shape[0] != shape.n_rows or n_symbols != targets.n_symbols
                or len(targets) != shape.n_seqs or weight.shape[0] != shape.n_seqs
                or (wanted and (draw.shape[0] != shape.n_rows
                                or draw.shape[1] != n_symbols))):
            raise ValueError("The arrays are not of the same batch.")
        loss = np.zeros(shape.n_seqs)
        cdef double[::1] each = loss
        for b in range(shape.n_seqs):
            length = lengths[b]
            self.start(length, targets.labels[starts[b] : starts[b + 1]], n_symbols)
            copy = <double*>s.raw
            with nogil:
                if weight[b] != 0.0:
                    for t in range(length):
                        r = shape.steps.offset[t] + b
                        for k in range(n_symbols):
                            copy[t * n_symbols + k] = raw[r, k]
                    log_p = sum_alignments(self.table, s, &v_all, &e_all)
                    each[b] = -log_p
                    if wanted and log_p > -INFINITY:
                        occupancies(s, v_all, e_all, s.probability, gamma)
                if wanted:
                    by = weight[b]
                    for t in range(length):
                        r = shape.steps.offset[t] + b
                        for k in range(n_symbols):
                            draw[r, k] = 0
                            if by != 0.0 and each[b] != INFINITY:
                                draw[r, k] = <floating>(
                                    by * s.probability[t * n_symbols + k])
                            if each[b] != each[b]:
                                draw[r, k] = <floating>NAN
        return loss

    def align(self, PackedShape shape, const floating[:, ::1] raw,
              LabelSequences targets, Py_ssize_t[::1] position):
        """The most probable path that has the labels of each sequence.

        Of equals the one that is ahead at the last step where they differ.

        Parameters
        ----------
        shape, raw, targets
            As for `loss_and_gradient`.
        position : ndarray of intp (n_rows,)
            Filled with the place of a step's label in its sequence, -1 for a blank and
            where no path has the labels.

        Returns
        -------
        possible : ndarray of bool (n_seqs,)
        """
        cdef Py_ssize_t b, t, i, r, length, n_states, symbol, state
        cdef const Py_ssize_t[::1] starts = targets.starts
        cdef const int[::1] lengths = shape.lengths
        cdef Lattice* s = &self.lattice
        cdef double* delta = self.take("gamma", 1)
        cdef double* last
        cdef double best
        cdef signed char[:, ::1] back
        if (raw.shape[0] != shape.n_rows or raw.shape[1] != targets.n_symbols
                or len(targets) != shape.n_seqs or position.shape[0] != shape.n_rows):
            raise ValueError("The arrays are not of the same batch.")
        possible = np.empty(shape.n_seqs, dtype=bool)
        for b in range(shape.n_seqs):
            length = lengths[b]
            self.start(length, targets.labels[starts[b] : starts[b + 1]], raw.shape[1])
            n_states = s.n_states
            back = np.empty((length, n_states), dtype=np.int8)
            for t in range(length):
                r = shape.steps.offset[t] + b
                delta, last = s.v + (t % 2) * s.width, s.v + ((t + 1) % 2) * s.width
                for i in range(n_states):
                    back[t, i] = 0
                    best = last[i] if t > 0 else (0.0 if i < 2 else -INFINITY)
                    if t > 0 and i > 0 and last[i - 1] > best:
                        best, back[t, i] = last[i - 1], 1
                    if t > 0 and i > 1 and s.skip[i] and last[i - 2] > best:
                        best, back[t, i] = last[i - 2], 2
                    symbol = s.labels[i // 2] if i % 2 else 0
                    delta[i] = best if best == -INFINITY else best + raw[r, symbol]
            state = n_states - 1
            if n_states > 1 and delta[n_states - 2] > delta[n_states - 1]:
                state = n_states - 2
            possible[b] = delta[state] > -INFINITY
            for t in range(length - 1, -1, -1):
                r = shape.steps.offset[t] + b
                position[r] = -1
                if possible[b]:
                    position[r] = state // 2 if state % 2 else -1
                    state -= back[t, state]
        return possible


cdef Py_ssize_t[::1] EMPTY = np.zeros(1, dtype=np.intp)
