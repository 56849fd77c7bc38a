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

import importlib

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython cimport floating
from libc.math cimport INFINITY, NAN
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from skrnn._elementary cimport exp, log
from skrnn._kernels.lattice cimport NOTHING, LatticeTable
from skrnn._kernels.table cimport Table
from skrnn._recurrence cimport PackedShape, find_table

from skrnn._recurrence import build_info

cdef extern from *:
    """
    #define TWO_52 0x4330000000000000LL    /* bits of 2^52 */
    """
    const uint64_t TWO_52

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


# Pairs of numbers by place. Blank i stands before label i, and blank n behind the last
# one; places -1 and n + 1 are there, too, and label n has the probability zero.
cdef struct States:
    double* blank_v
    double* blank_e
    double* label_v
    double* label_e


cdef enum:
    FIRST = 8                    # numbers of a row before place 0
    SPARE = 24                   # numbers of a row beside those of the labels


cdef struct Lattice:
    Py_ssize_t n_steps
    Py_ssize_t n_labels
    Py_ssize_t n_symbols
    Py_ssize_t width             # n_labels + SPARE
    const Py_ssize_t* labels     # (n_labels,)
    const double* skip           # (width,) 1: label i may follow label i - 1 at once
    double* raw                  # (n_steps, n_symbols) less the largest of a step
    double* probability          # (n_steps, n_symbols)
    double* total                # (n_steps,) of exp(raw)
    double* pairs                # of the symbols of one step
    double* alpha                # (n_steps, 4, width)
    double* emission             # (n_steps, 2, width) of the labels
    double* blank                # (n_steps, 2) of the blank
    double* back                 # (2, 4, width) beta times emission
    double* gamma                # (2, width)


cdef inline States states_of(const Lattice* s, double* x) noexcept nogil:
    cdef States z
    z.blank_v, z.blank_e = x, x + s.width
    z.label_v, z.label_e = x + 2 * s.width, x + 3 * s.width
    return z


cdef inline double* alpha_at(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return s.alpha + 4 * t * s.width + FIRST


cdef inline double* emission_at(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return s.emission + 2 * t * s.width + FIRST


# Places that are reached by step t, and from which the end can be reached.
cdef inline Py_ssize_t first_place(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return max(0, s.n_labels - (s.n_steps - t))


cdef inline Py_ssize_t stop_place(const Lattice* s, Py_ssize_t t) noexcept nogil:
    return min(s.n_labels + 1, t + 1)


cdef inline void clear(States x, Py_ssize_t i) noexcept nogil:
    x.blank_v[i], x.blank_e[i] = 0.0, NOTHING
    x.label_v[i], x.label_e[i] = 0.0, NOTHING


cdef inline double sum_of(const double* x, Py_ssize_t n) noexcept nogil:
    # In four parts, so that one addition need not wait for the one before.
    cdef Py_ssize_t i
    cdef double a = 0.0, b = 0.0, c = 0.0, d = 0.0
    for i in range(0, n - 3, 4):
        a += x[i]
        b += x[i + 1]
        c += x[i + 2]
        d += x[i + 3]
    for i in range(n - n % 4, n):
        a += x[i]
    return (a + b) + (c + d)


cdef bint softmax_rows(const Table* table, const Lattice* s) noexcept nogil:
    # Probabilities of the symbols. False: some are not numbers.
    cdef Py_ssize_t t, k, n = s.n_symbols
    cdef double most, by
    cdef double* row
    for t in range(s.n_steps):
        row = s.raw + t * n
        most = row[0]
        for k in range(1, n):
            most = larger(row[k], most)
        for k in range(n):
            row[k] -= most
    table.exponential(s.raw, s.probability, s.n_steps * n)
    for t in range(s.n_steps):
        row = s.probability + t * n
        s.total[t] = sum_of(row, n)
        if not s.total[t] < INFINITY:
            return False
        by = 1.0 / s.total[t]
        for k in range(n):
            row[k] *= by
    return True


cdef inline void emit_symbol(const Lattice* s, Py_ssize_t t, Py_ssize_t symbol,
                             double* v, double* e) noexcept nogil:
    cdef double probability = s.probability[t * s.n_symbols + symbol]
    if probability > 1e-290:
        split(probability, 0.0, v, e)
    else:
        exp_pair(s.raw[t * s.n_symbols + symbol] - log(s.total[t]), v, e)


cdef void emit(const LatticeTable* kernels, const Lattice* s,
               Py_ssize_t t) noexcept nogil:
    # The probabilities of the labels and of the blank at a step.
    cdef Py_ssize_t i, k, n = s.n_symbols
    cdef const double* probability = s.probability + t * n
    cdef double* v = s.pairs
    cdef double* e = s.pairs + n + FIRST
    cdef double* yv = emission_at(s, t)
    cdef double* ye = yv + s.width
    if n <= s.n_labels:
        kernels.split(probability, v, e, n)
        for k in range(n):
            if not probability[k] > 1e-290:
                emit_symbol(s, t, k, &v[k], &e[k])
        for i in range(s.n_labels):
            yv[i], ye[i] = v[s.labels[i]], e[s.labels[i]]
    else:
        for i in range(s.n_labels):
            emit_symbol(s, t, s.labels[i], &yv[i], &ye[i])
    yv[s.n_labels], ye[s.n_labels] = 0.0, NOTHING
    emit_symbol(s, t, 0, &s.blank[2 * t], &s.blank[2 * t + 1])


cdef double sum_alignments(const Table* table, const LatticeTable* kernels,
                           const Lattice* s, double* v_all,
                           double* e_all) noexcept nogil:
    # Fill alpha; the pair of the sum, and its logarithm.
    cdef Py_ssize_t t, stop, n = s.n_labels
    cdef double most
    cdef States x = states_of(s, alpha_at(s, 0))
    if not softmax_rows(table, s):
        return NAN
    if first_place(s, 0) >= 1:
        return -INFINITY
    for t in range(s.n_steps):
        emit(kernels, s, t)
    x.blank_v[0], x.blank_e[0] = s.blank[0], s.blank[1]
    x.label_v[0], x.label_e[0] = emission_at(s, 0)[0], emission_at(s, 0)[s.width]
    clear(x, -1)
    clear(x, 1)
    for t in range(1, s.n_steps):
        stop = stop_place(s, t)
        kernels.step_on(alpha_at(s, t - 1), alpha_at(s, t), emission_at(s, t), s.skip,
                        s.blank[2 * t], s.blank[2 * t + 1], s.width, first_place(s, t),
                        stop)
        x = states_of(s, alpha_at(s, t))
        clear(x, -1)
        clear(x, stop)
    # The last blank and the last label; NOTHING is below what any of them has.
    most = larger(x.blank_e[n], x.label_e[n - 1])
    split(x.blank_v[n] * exp2_of(x.blank_e[n] - most)
          + x.label_v[n - 1] * exp2_of(x.label_e[n - 1] - most), most, v_all, e_all)
    if v_all[0] == 0.0:
        return -INFINITY
    return log(v_all[0]) + e_all[0] * LOG_2


cdef void step_back(const LatticeTable* kernels, const Lattice* s, Py_ssize_t t,
                    double* x, double* beta) noexcept nogil:
    # beta of step t; x is beta times emission of the step after.
    cdef Py_ssize_t i, n = s.n_labels
    cdef Py_ssize_t start = first_place(s, t), stop = stop_place(s, t)
    cdef States z = states_of(s, beta)
    if t < s.n_steps - 1:
        kernels.step_back(x, beta, s.skip, s.width, start, stop, min(stop, n))
        return
    for i in range(start, n + 1):
        clear(z, i)
    z.blank_v[n], z.blank_e[n] = 1.0, 0.0
    z.label_v[n - 1], z.label_e[n - 1] = 1.0, 0.0


cdef void occupancies(const LatticeTable* kernels, const Lattice* s, double v_all,
                      double e_all) noexcept nogil:
    # probability (n_steps, n_symbols): -= that a step has a symbol, given the labels.
    cdef Py_ssize_t t, i, start, stop
    cdef double* beta
    cdef double* row
    cdef double* blank = s.gamma + FIRST
    cdef double* label = blank + s.width
    cdef double of_blank, total
    for t in range(s.n_steps - 1, -1, -1):
        beta = s.back + (t % 2) * 4 * s.width + FIRST
        step_back(kernels, s, t, s.back + (t + 1) % 2 * 4 * s.width + FIRST, beta)
        start, stop = first_place(s, t), stop_place(s, t)
        kernels.occupy(alpha_at(s, t), beta, blank, 1.0 / v_all, e_all, s.width, start,
                       stop)
        of_blank = sum_of(blank + start, stop - start)
        total = 1.0 / (of_blank + sum_of(label + start, stop - start))
        row = s.probability + t * s.n_symbols
        row[0] -= of_blank * total
        for i in range(start, min(stop, s.n_labels)):
            row[s.labels[i]] -= label[i] * total
        kernels.emit(beta, emission_at(s, t), s.blank[2 * t], s.blank[2 * t + 1],
                     s.width, start, stop)
        clear(states_of(s, beta), start - 1)
        clear(states_of(s, beta), stop)


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
    cdef const LatticeTable* kernels
    cdef object memory, skip
    cdef Lattice lattice

    def __init__(self):
        self.table = find_table(np.float64)
        isa = build_info()["instruction set"]
        module = importlib.import_module(f"skrnn._kernels.{isa}_float64")
        self.kernels = <const LatticeTable*>PyCapsule_GetPointer(
            module.lattice, "skrnn.LatticeTable")
        self.memory = {}

    cdef double* take(self, name, Py_ssize_t n) except NULL:
        cdef double[::1] view
        array = self.memory.get(name)
        if array is None or len(array) < n:
            array = self.memory[name] = np.zeros(n)
        view = array
        return &view[0]

    cdef int start(self, Py_ssize_t n_steps, labels, Py_ssize_t n_symbols) except -1:
        # The lattice of one sequence.
        cdef const Py_ssize_t[::1] own
        cdef Lattice* s = &self.lattice
        cdef Py_ssize_t i, n = len(labels)
        cdef double* skip
        s.n_steps, s.n_labels, s.n_symbols = n_steps, n, n_symbols
        s.width = n + SPARE
        own = labels if n else EMPTY
        s.labels = &own[0]
        skip = self.take("skip", s.width)
        for i in range(n + 2):
            skip[i] = 0 < i < n and own[i] != own[i - 1]
        s.skip = skip
        s.raw = self.take("raw", n_steps * n_symbols)
        # Vectors may end beyond the last symbol.
        s.probability = self.take("probability", n_steps * n_symbols + SPARE)
        s.total = self.take("total", n_steps)
        s.pairs = self.take("pairs", 2 * n_symbols + SPARE)
        s.alpha = self.take("alpha", n_steps * 4 * s.width)
        s.emission = self.take("emission", n_steps * 2 * s.width)
        s.blank = self.take("blank", 2 * n_steps)
        s.back = self.take("back", 8 * s.width)
        s.gamma = self.take("gamma", 2 * s.width)
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
            copy = s.raw
            with nogil:
                if weight[b] != 0.0:
                    for t in range(length):
                        r = shape.steps.offset[t] + b
                        for k in range(n_symbols):
                            copy[t * n_symbols + k] = raw[r, k]
                    log_p = sum_alignments(self.table, self.kernels, s, &v_all, &e_all)
                    each[b] = -log_p
                    if wanted and log_p > -INFINITY:
                        occupancies(self.kernels, s, v_all, e_all)
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
        cdef double* memory
        cdef double* delta = NULL
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
            n_states = 2 * s.n_labels + 1
            memory = self.take("delta", 2 * n_states)
            back = np.empty((length, n_states), dtype=np.int8)
            for t in range(length):
                r = shape.steps.offset[t] + b
                delta = memory + t % 2 * n_states
                last = memory + (t + 1) % 2 * n_states
                for i in range(n_states):
                    back[t, i] = 0
                    best = last[i] if t > 0 else (0.0 if i < 2 else -INFINITY)
                    if t > 0 and i > 0 and last[i - 1] > best:
                        best, back[t, i] = last[i - 1], 1
                    if t > 0 and i % 2 and s.skip[i // 2] != 0.0 and last[i - 2] > best:
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
