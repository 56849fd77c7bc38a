"""Sums over all paths through a chain of tags.

The probability of a path is the exponential of its score, divided by the sum over all
paths; that of a forbidden one is zero.

All is computed in double. `alpha` of a step is the distribution of its tag given all
up to this step, normalised to the sum 1. The usual way is in the exponential domain: a
product of matrices by the package's kernels for all sequences at once. Where a tag that
can be reached has an alpha below `TINY`, something might have been lost that counts
later on, and this sequence goes on in the logarithmic domain until all are above it
again. If none is below, what rounding to zero took away stays below 1e-160 of what is
kept. Every sum over tags has one fixed order, so that what comes out for a sequence
depends on it alone. Sizes are checked by the callers where nothing else is said.
"""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memset

from skrnn._chain cimport Chain, most_of, sum_of, sum_of_products
from skrnn._elementary cimport exp, log
from skrnn._memory cimport Buffer
from skrnn._recurrence cimport PackedShape

cdef double TINY = 1e-140
cdef double LOG_TINY = -322.0    # somewhat above log(TINY)


# ----------------------------------------------------------------- loops over the tags


cdef inline double shifted_reachable(const double* p, const double* e, double* out,
                                     Py_ssize_t n) noexcept nogil:
    # out = e where p > 0 else minus infinity, minus the largest of them: returned.
    cdef Py_ssize_t i
    cdef double most
    for i in range(n):
        out[i] = e[i] if p[i] > 0.0 else -INFINITY
    most = most_of(out, n)
    if most > -INFINITY:
        for i in range(n):
            out[i] -= most
    return most


cdef inline Py_ssize_t not_tiny(const double* x, Py_ssize_t n,
                                double least) noexcept nogil:
    cdef Py_ssize_t i, count = 0
    for i in range(n):
        count += x[i] >= least
    return count


cdef double log_sum(const double* x, Py_ssize_t n) noexcept nogil:
    # log of the sum of exp(x), in order
    cdef double most = most_of(x, n), total = 0.0
    cdef Py_ssize_t i
    if not most > -INFINITY:
        # Not a number, if there is one, or else minus infinity.
        return sum_of(x, n)
    for i in range(n):
        total += exp(x[i] - most)
    return most + log(total)


cdef double* rows_of(Buffer buffer, Py_ssize_t n_rows, Py_ssize_t width) except NULL:
    # Memory for so many rows; what was never written in it is zero.
    cdef Py_ssize_t n_bytes = n_rows * width * <Py_ssize_t>sizeof(double)
    if n_bytes > buffer.capacity:
        buffer.reserve(n_bytes)
        memset(buffer.data, 0, n_bytes)
    return <double*>buffer.data


# --------------------------------------------------------------- the logarithmic domain


cdef double log_step(Chain chain, const double* before, const double* e,
                     Py_ssize_t label, double* out, double* scratch) noexcept nogil:
    # One step of log alpha, normalised; `before` NULL: the first one. Returns what the
    # normalisation takes away.
    cdef Py_ssize_t i, j, n = chain.n_tags, width = chain.width
    cdef double gain
    for j in range(width):
        scratch[j] = -INFINITY
    for j in range(width):
        if j >= n or (label >= 0 and j != label):
            out[j] = -INFINITY
        elif before == NULL:
            out[j] = chain.pstart[j] + e[j]
        else:
            for i in range(n):
                scratch[i] = before[i] + chain.T[i * width + j]
            out[j] = log_sum(scratch, width)
            # A sum over nothing stays one, whatever is emitted.
            if out[j] != -INFINITY:
                out[j] += e[j]
    gain = log_sum(out, width)
    if gain != -INFINITY:
        for j in range(n):
            out[j] -= gain
    return gain


cdef void log_of(const double* x, double* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = log(x[i])


# ------------------------------------------------------------------------- the sums


cdef class PathSums:
    """Forward and backward sums of a chain over one packed batch at a time.

    Parameters
    ----------
    chain : Chain
        It must not change between `forward` and what is asked for afterwards.
    """

    cdef readonly Chain chain
    cdef PackedShape shape
    cdef readonly object log_z, log_domain, pairs, starts, ends
    cdef bint went_back
    cdef Buffer e_rows, alpha_rows, factor_rows, back_rows, beta_rows
    cdef Buffer gain_rows, scale_rows, end_rows, mode_rows, scratch_rows
    cdef Py_ssize_t n_rows
    cdef double* e               # (n_rows, width) emissions
    cdef double* alpha           # (n_rows, width), its logarithm where mode is 1
    cdef double* factor          # (n_rows, width) exp(e - most); then the marginals
    cdef double* back            # (n_rows, width) what the next step hands back
    cdef double* beta            # (n_seqs, width)
    cdef double* gain            # (n_rows,) log of what normalised alpha
    cdef double* scale           # (n_rows,) sum of alpha before
    cdef double* end_scale       # (n_seqs,) sum of alpha times the ends
    cdef uint8_t* mode           # (n_rows,) 1: logarithmic, 2: no longer
    cdef double* scratch         # (5, width)

    def __init__(self, Chain chain):
        self.chain = chain
        self.e_rows, self.alpha_rows, self.factor_rows = Buffer(), Buffer(), Buffer()
        self.back_rows, self.beta_rows, self.gain_rows = Buffer(), Buffer(), Buffer()
        self.scale_rows, self.end_rows, self.mode_rows = Buffer(), Buffer(), Buffer()
        self.scratch_rows = Buffer()

    cdef int reserve(self, Py_ssize_t n_rows) except -1:
        cdef Py_ssize_t width = self.chain.width
        self.n_rows = n_rows
        self.e = rows_of(self.e_rows, n_rows, width)
        self.alpha = rows_of(self.alpha_rows, n_rows, width)
        self.factor = rows_of(self.factor_rows, n_rows, width)
        self.gain = rows_of(self.gain_rows, n_rows, 1)
        self.scale = rows_of(self.scale_rows, n_rows, 1)
        self.end_scale = rows_of(self.end_rows, n_rows, 1)
        self.mode_rows.reserve(n_rows)
        self.mode = <uint8_t*>self.mode_rows.data
        self.scratch = rows_of(self.scratch_rows, 5, width)
        return 0

    cdef take(self, Buffer buffer, Py_ssize_t n_rows, Py_ssize_t width):
        # The numbers of a buffer as an array.
        array = buffer.array.view(np.float64)[: n_rows * width]
        return array.reshape(n_rows, width)

    def forward(self, PackedShape shape, emissions, labels=None, state=None):
        """The logarithm of the sum over all paths, for each sequence.

        Parameters
        ----------
        shape : PackedShape
        emissions : ndarray (n_rows, n_tags) of float32 or float64
        labels : ndarray of intp (n_rows,) or None
            The tag that a path must have at a step, or -1: any.
        state : tuple or None
            What `step` or `state_after` returned of the steps before the first one, if
            there were any. Then `log_z` is that of the steps that are given.

        Returns
        -------
        log_z : ndarray (n_seqs,)
            Minus infinity where no path is allowed.
        """
        cdef const long long[::1] counts
        cdef const Py_ssize_t[::1] label
        cdef double[::1] log_z
        cdef uint8_t[::1] log_domain
        cdef const Py_ssize_t* plabel = NULL
        cdef const double[:, ::1] earlier
        cdef const uint8_t[::1] earlier_mode
        cdef const double* before = NULL
        cdef const uint8_t* mode = NULL
        cdef Py_ssize_t t, row, last, b, n_tags = self.chain.n_tags
        cdef Py_ssize_t width = self.chain.width
        if emissions.shape != (shape.n_rows, n_tags):
            raise ValueError(
                f"emissions must have shape {(shape.n_rows, n_tags)}, got "
                f"{emissions.shape}.")
        self.shape, self.went_back = shape, False
        self.reserve(shape.n_rows)
        self.take(self.e_rows, shape.n_rows, width)[:, :n_tags] = emissions
        counts = self.chain.reachable(shape.n_steps)[0].astype(np.int64)
        if labels is not None:
            if len(labels) != shape.n_rows or labels.max() >= n_tags:
                raise ValueError(f"labels must be {shape.n_rows} indices of tags.")
            label = labels
            plabel = &label[0]
        if state is not None:
            earlier, earlier_mode = self.checked_state(state, shape.n_seqs)
            before, mode = &earlier[0, 0], &earlier_mode[0]
            counts = np.full(shape.n_steps, -1, dtype=np.int64)
        self.log_z = np.zeros(shape.n_seqs)
        self.log_domain = np.zeros(shape.n_seqs, dtype=np.uint8)
        log_z, log_domain = self.log_z, self.log_domain
        with nogil:
            for t in range(shape.steps.n_steps):
                row, last = shape.steps.offset[t], shape.steps.offset[t - 1] if t else 0
                if t > 0:
                    before, mode = self.alpha + last * width, self.mode + last
                self.advance(before, mode, shape.steps.n_active[t], row, plabel,
                             counts[t])
                for b in range(shape.steps.n_active[t]):
                    log_z[b] += self.gain[row + b]
                    log_domain[b] |= self.mode[row + b] != 0
            for t in range(shape.steps.n_steps):
                b = shape.steps.n_active[t + 1] if t + 1 < shape.steps.n_steps else 0
                for b in range(b, shape.steps.n_active[t]):
                    self.finish(shape.steps.offset[t] + b, b, &log_z[b],
                                &log_domain[b])
        return self.log_z

    cdef void advance(self, const double* before, const uint8_t* mode, Py_ssize_t n,
                      Py_ssize_t row, const Py_ssize_t* labels,
                      Py_ssize_t count) noexcept nogil:
        # Rows row .. row + n of alpha from those before, or the first ones from NULL.
        # count: how many tags can be reached; with labels it is found for each row.
        cdef Py_ssize_t b, i, r, width = self.chain.width, label = -1, wanted = count
        cdef double* alpha = self.alpha + row * width
        cdef const double* one = NULL
        cdef double keep, first = self.chain.start_most
        if before != NULL:
            first = self.chain.transitions_most
            self.chain.table.product(
                self.chain.forward_panels.data, self.chain.n_tags, self.chain.n_tags,
                before, width, NULL, alpha, width, 0, n)
        for b in range(n):
            r = row + b
            if before == NULL:
                memcpy(alpha + b * width, self.chain.pexp_start, width * sizeof(double))
            else:
                # The product leaves what fills up a row as another pass left it.
                for i in range(self.chain.n_tags, width):
                    alpha[b * width + i] = 0.0
            if labels != NULL and labels[r] >= 0:
                keep = alpha[b * width + labels[r]]
                memset(alpha + b * width, 0, width * sizeof(double))
                alpha[b * width + labels[r]] = keep
            # A row that was logarithmic before is made below.
            self.gain[r] = first + shifted_reachable(
                alpha + b * width, self.e + r * width, self.factor + r * width, width)
        self.chain.table.exponential(
            self.factor + row * width, self.factor + row * width, n * width)
        for b in range(n):
            r = row + b
            if before != NULL:
                one = before + b * width
            if labels != NULL or count < 0:
                label = labels[r] if labels != NULL else -1
                wanted = self.chain.n_followers(
                    one, -INFINITY if before != NULL and mode[b] == 1 else 0.0, label)
            self.normalize(r, one, mode[b] if before != NULL else 0, wanted, label)

    cdef void normalize(self, Py_ssize_t r, const double* before, uint8_t mode,
                        Py_ssize_t wanted, Py_ssize_t label) noexcept nogil:
        # alpha of a row from the product and the factors, or in the logarithmic domain
        # where that is not enough for the `wanted` tags.
        cdef Py_ssize_t i, width = self.chain.width
        cdef double* alpha = self.alpha + r * width
        cdef double* factor = self.factor + r * width
        cdef double total = 0.0, by
        # A sequence that was ever logarithmic is marked to the end.
        self.mode[r] = 0 if mode == 0 else 2
        if wanted == 0:
            memset(alpha, 0, width * sizeof(double))
            memset(factor, 0, width * sizeof(double))
            self.gain[r], self.scale[r] = -INFINITY, 1.0
            return
        if mode != 1:
            for i in range(width):
                alpha[i] *= factor[i]
            total = sum_of(alpha, width)
            if total >= TINY:
                by = 1.0 / total
                for i in range(width):
                    alpha[i] *= by
                if not_tiny(alpha, width, TINY) == wanted:
                    self.gain[r] += log(total)
                    self.scale[r] = total
                    return
        if before != NULL and mode != 1:
            log_of(before, self.scratch, width)
            before = self.scratch
        self.gain[r] = log_step(
            self.chain, before, self.e + r * width, label, alpha, self.scratch + width)
        self.scale[r] = 1.0
        self.mode[r] = 1
        if not_tiny(alpha, width, LOG_TINY) == wanted:
            self.mode[r] = 2  # back to the exponential domain
            for i in range(width):
                alpha[i] = exp(alpha[i])

    cdef void finish(self, Py_ssize_t r, Py_ssize_t b, double* log_z,
                     uint8_t* log_domain) noexcept nogil:
        # Add the end to the sum of sequence b, whose last row is r.
        cdef Py_ssize_t i, width = self.chain.width
        cdef double* alpha = self.alpha + r * width
        cdef double total
        if log_z[0] == -INFINITY:
            return
        if self.mode[r] != 1:
            total = sum_of_products(alpha, self.chain.pexp_end, width)
            if total >= TINY:
                self.end_scale[b] = total
                log_z[0] += self.chain.end_most + log(total)
                return
            if not self.chain.may_be_last(alpha, 0.0):
                log_z[0] = -INFINITY
                return
            log_domain[0] = 1
            log_of(alpha, self.scratch, width)
            alpha = self.scratch
        for i in range(width):
            self.scratch[i] = alpha[i] + self.chain.pend[i]
        log_z[0] += log_sum(self.scratch, width)

    def backward(self, weights=None):
        """The marginals after `forward`, and the weighted expectations of the scores.

        Parameters
        ----------
        weights : ndarray of float64 (n_seqs,) or None
            What each sequence's expectations are multiplied by; None: there are none.
            A sequence of weight 0 does not count, whatever is in it.

        Returns
        -------
        marginals : ndarray of float64 (n_rows, n_tags)
            Probability of each tag at each step, which sum to 1; in memory that the
            next call uses. Zeros for a sequence without a path.
        """
        cdef PackedShape shape = self.shape
        if shape is None or self.went_back:
            raise RuntimeError("backward() needs a forward() of its own.")
        self.went_back = True
        cdef Py_ssize_t n_rows = shape.n_rows, width = self.chain.width
        cdef Py_ssize_t k = self.chain.n_tags, t, b, more
        cdef const double[::1] weight
        cdef double[:, ::1] pairs
        cdef const double[::1] log_z = self.log_z
        cdef uint8_t[::1] log_domain = self.log_domain
        cdef const double* pweight = NULL
        self.back = rows_of(self.back_rows, n_rows, width)
        self.beta = rows_of(self.beta_rows, shape.n_seqs, width)
        if weights is not None:
            weight = weights
            pweight = &weight[0]
        self.pairs = np.zeros((width, width))
        pairs = self.pairs
        with nogil:
            for b in range(shape.n_seqs):
                if log_z[b] == -INFINITY:
                    log_domain[b] = 2
            for t in range(shape.steps.n_steps - 1, -1, -1):
                more = shape.steps.n_active[t + 1] if t + 1 < shape.steps.n_steps else 0
                self.retreat(t, more, pweight, &log_domain[0])
            for b in range(shape.n_seqs):
                if log_domain[b] == 2:
                    self.clear_sequence(b)
        for b in np.flatnonzero(self.log_domain == 1):
            self.backward_in_logarithms(b, 0.0 if weights is None else weights[b],
                                        &pairs[0, 0])
        if weights is not None:
            self.sum_expectations(weights)
        return self.take(self.factor_rows, n_rows, width)[:, :k]

    cdef void retreat(self, Py_ssize_t t, Py_ssize_t n_more, const double* weight,
                      const uint8_t* log_domain) noexcept nogil:
        # Marginals of step t, of whose sequences the first n_more have a step after it.
        cdef Py_ssize_t b, i, r, width = self.chain.width
        cdef Py_ssize_t row = self.shape.steps.offset[t], last = 0
        cdef double* beta
        cdef double* factor
        cdef double* back
        cdef double by
        if t > 0:
            last = self.shape.steps.offset[t - 1]
        self.chain.table.product(
            self.chain.backward_panels.data, self.chain.n_tags, self.chain.n_tags,
            self.back + row * width, width, NULL, self.beta, width, 0, n_more)
        for b in range(self.shape.steps.n_active[t]):
            r = row + b
            beta, factor = self.beta + b * width, self.factor + r * width
            if log_domain[b]:
                if b >= n_more:
                    memset(self.back + r * width, 0, width * sizeof(double))
                if t > 0:
                    memset(self.back + (last + b) * width, 0, width * sizeof(double))
                continue
            if b >= n_more:
                memset(self.back + r * width, 0, width * sizeof(double))
                self.start_beta(b)
            if t > 0:
                back = self.back + (last + b) * width
                by = 1.0 / self.scale[r]
                for i in range(width):
                    back[i] = factor[i] * beta[i] * by
            by = self.take_marginals(r, b)
            if weight != NULL and b < n_more:
                by *= weight[b]
                back = self.back + r * width
                for i in range(width):
                    back[i] *= by

    cdef void start_beta(self, Py_ssize_t b) noexcept nogil:
        # beta of a sequence's last step
        cdef Py_ssize_t i
        cdef double by = 1.0 / self.end_scale[b]
        for i in range(self.chain.width):
            self.beta[b * self.chain.width + i] = self.chain.pexp_end[i] * by

    cdef double take_marginals(self, Py_ssize_t r, Py_ssize_t b) noexcept nogil:
        # From alpha and beta, where the factors were; returns 1 / their sum.
        cdef Py_ssize_t i, width = self.chain.width
        cdef const double* alpha = self.alpha + r * width
        cdef const double* beta = self.beta + b * width
        cdef double* marginal = self.factor + r * width
        cdef double by = 1.0 / sum_of_products(alpha, beta, width)
        for i in range(width):
            marginal[i] = alpha[i] * beta[i] * by
        return by

    cdef double take_log_marginals(self, Py_ssize_t r, const double* alpha,
                                   const double* beta, double* free) noexcept nogil:
        # The same from logarithms; returns the logarithm of the sum.
        cdef Py_ssize_t i, width = self.chain.width
        cdef double* marginal = self.factor + r * width
        cdef double total, by
        for i in range(width):
            free[i] = alpha[i] + beta[i]
        total = log_sum(free, width)
        for i in range(width):
            marginal[i] = exp(free[i] - total)
        by = 1.0 / sum_of(marginal, width)
        for i in range(width):
            marginal[i] *= by
        return total

    cdef void clear_sequence(self, Py_ssize_t b) noexcept nogil:
        cdef Py_ssize_t t, width = self.chain.width
        for t in range(self.shape.steps.n_steps):
            if self.shape.steps.n_active[t] <= b:
                break
            memset(self.factor + (self.shape.steps.offset[t] + b) * width, 0,
                   width * sizeof(double))

    cdef void log_alpha(self, Py_ssize_t r, double* out) noexcept nogil:
        if self.mode[r] == 1:
            memcpy(out, self.alpha + r * self.chain.width,
                   self.chain.width * sizeof(double))
        else:
            log_of(self.alpha + r * self.chain.width, out, self.chain.width)

    cdef void backward_in_logarithms(self, Py_ssize_t b, double weight,
                                     double* pairs) noexcept nogil:
        # Marginals and expected pairs of one sequence. `ahead`: emission and beta of
        # the step after, minus infinity for tags that cannot be reached.
        cdef Py_ssize_t t, i, j, r, n = self.chain.n_tags, width = self.chain.width
        cdef Py_ssize_t length = 0
        cdef double* alpha = self.scratch
        cdef double* beta = self.scratch + width
        cdef double* ahead = self.scratch + 2 * width
        cdef double* free = self.scratch + 3 * width
        cdef double total, most, by
        while (length < self.shape.steps.n_steps
               and self.shape.steps.n_active[length] > b):
            length += 1
        for j in range(width):
            free[j] = -INFINITY
        for t in range(length - 1, -1, -1):
            r = self.shape.steps.offset[t] + b
            self.log_alpha(r, alpha)
            for i in range(width):
                if t == length - 1:
                    beta[i] = self.chain.pend[i]
                elif i < n:
                    for j in range(n):
                        free[j] = self.chain.T[i * width + j] + ahead[j]
                    beta[i] = log_sum(free, width)
            total = self.take_log_marginals(r, alpha, beta, free)
            if weight != 0.0 and t < length - 1:
                for i in range(n):
                    if alpha[i] == -INFINITY:
                        continue
                    for j in range(n):
                        by = self.chain.T[i * width + j] + ahead[j]
                        if by != -INFINITY:
                            pairs[i * width + j] += weight * exp(alpha[i] + by - total)
            # Where alpha is nothing, so is what comes back; the rest stays near zero.
            for i in range(width):
                ahead[i] = beta[i] if alpha[i] != -INFINITY else -INFINITY
            most = most_of(ahead, width)
            for i in range(width):
                if ahead[i] != -INFINITY:
                    ahead[i] += self.e[r * width + i] - most

    cdef int sum_expectations(self, weights) except -1:
        # pairs, starts and ends: how often each is expected, times the weights.
        cdef double[:, ::1] total = np.zeros((self.chain.width, self.chain.width))
        cdef double[:, ::1] pairs = self.pairs
        cdef double[:, ::1] exp_T = self.chain.exp_transitions
        cdef double[::1] starts, ends
        cdef const double[::1] weight = weights
        cdef const int[::1] lengths = self.shape.lengths
        cdef Py_ssize_t r, i, j, b, width = self.chain.width, n = self.chain.n_tags
        self.starts, self.ends = np.zeros((2, n))
        starts, ends = self.starts, self.ends
        with nogil:
            for r in range(self.shape.n_rows):
                if self.mode[r] == 1:
                    memset(self.alpha + r * width, 0, width * sizeof(double))
            self.chain.table.outer(&total[0, 0], width, self.alpha, width, n, self.back,
                                   width, n, 0, self.shape.n_rows)
            for i in range(n):
                for j in range(n):
                    pairs[i, j] += exp_T[i, j] * total[i, j]
            for b in range(self.shape.n_seqs):
                if weight[b] == 0.0:
                    continue
                r = self.shape.steps.offset[lengths[b] - 1] + b
                for i in range(n):
                    starts[i] += weight[b] * self.factor[b * width + i]
                    ends[i] += weight[b] * self.factor[r * width + i]
        return 0

    cdef tuple checked_state(self, state, Py_ssize_t n):
        alpha, mode = state
        if alpha.shape != (n, self.chain.width) or mode.shape != (n,):
            raise ValueError("The state is not of as many sequences as are given.")
        return alpha, mode

    def state_after(self, Py_ssize_t t):
        """The state of the sequences that have a step t, after it, as `step` has it."""
        cdef Py_ssize_t row = self.shape.offset[t], n = self.shape.n_active[t]
        alpha = self.take(self.alpha_rows, self.n_rows, self.chain.width)
        modes = self.mode_rows.array
        return alpha[row : row + n].copy(), modes[row : row + n].copy()

    def step(self, emissions, state=None):
        """One step of `forward` for streams, with its bits.

        Parameters
        ----------
        emissions : ndarray (n, n_tags)
        state : tuple or None
            What the step before returned; None: the first step.

        Returns
        -------
        state : tuple (alpha (n, width), mode (n,))
        marginals : ndarray (n, n_tags)
            Probability of each tag at this step, given all up to it and that the
            sequence ends here: what `backward` gives at the end of this prefix. Zeros
            where it can't end here.
        """
        cdef Py_ssize_t n = len(emissions), width = self.chain.width, b
        cdef Py_ssize_t k = self.chain.n_tags
        cdef const double[:, ::1] before
        cdef const uint8_t[::1] mode
        cdef double log_z
        cdef uint8_t log_domain
        self.reserve(n)
        self.beta = rows_of(self.beta_rows, n, width)
        self.take(self.e_rows, n, width)[:, :k] = emissions
        if n == 0:
            return state, np.zeros((0, k))
        if state is None:
            self.advance(NULL, NULL, n, 0, NULL, -1)
        else:
            before, mode = self.checked_state(state, n)
            self.advance(&before[0, 0], &mode[0], n, 0, NULL, -1)
        for b in range(n):
            log_z, log_domain = self.gain[b], self.mode[b]
            self.finish(b, b, &log_z, &log_domain)
            if log_z == -INFINITY:
                memset(self.factor + b * width, 0, width * sizeof(double))
            elif log_domain:
                self.log_alpha(b, self.scratch)
                self.take_log_marginals(b, self.scratch, self.chain.pend,
                                        self.scratch + width)
            else:
                self.start_beta(b)
                self.take_marginals(b, b)
        alpha = self.take(self.alpha_rows, n, width).copy()
        modes = self.mode_rows.array[:n].copy()
        return (alpha, modes), self.take(self.factor_rows, n, width)[:, :k].copy()

    def span_probability(self, spans, const Py_ssize_t[::1] path, stops):
        """The probability that a path has these tags there and goes on no further.

        It is asked for after ``backward()`` without weights.

        Parameters
        ----------
        spans : ndarray of intp (n_spans, 3)
            Sequence in packed order, start and stop.
        path : ndarray of intp (n_rows,)
            The tags.
        stops : ndarray of bool (n_tags, n_tags)
            Whether a span whose last tag is the first one is over, if the second one
            comes after it.

        Returns
        -------
        probability : ndarray (n_spans,)
        """
        cdef const Py_ssize_t[:, ::1] span = np.ascontiguousarray(spans, dtype=np.intp)
        cdef const uint8_t[:, ::1] stop = np.ascontiguousarray(stops).view(np.uint8)
        cdef double[::1] out = np.empty(span.shape[0])
        cdef Py_ssize_t i
        for i in range(span.shape[0]):
            out[i] = self.one_span(span[i, 0], span[i, 1], span[i, 2], &path[0],
                                   &stop[0, 0])
        return np.asarray(out)

    cdef double one_span(self, Py_ssize_t b, Py_ssize_t start, Py_ssize_t stop,
                         const Py_ssize_t* path, const uint8_t* stops) noexcept nogil:
        # Along the span alpha of its own path, in logarithms; then, of the marginals of
        # the step after, the share that comes from it.
        cdef Py_ssize_t t, j, r = 0, last, width = self.chain.width
        cdef Py_ssize_t n = self.chain.n_tags
        cdef double own = 0.0, total = 0.0
        cdef double* alpha = self.scratch
        for t in range(start, stop):
            last, r = r, self.shape.steps.offset[t] + b
            if t == start:
                self.log_alpha(r, alpha)
                own = alpha[path[r]]
            else:
                own += (self.chain.T[path[last] * width + path[r]]
                        + (self.e[r * width + path[r]] - self.gain[r]))
        last = path[r]
        if stop == self.shape.steps.n_steps or b >= self.shape.steps.n_active[stop]:
            self.log_alpha(r, alpha)
            total = self.factor[r * width + last] * exp(own - alpha[last])
            return total if total < 1.0 else 1.0
        r = self.shape.steps.offset[stop] + b
        self.log_alpha(r, alpha)
        for j in range(n):
            if stops[last * n + j] and self.factor[r * width + j] > 0.0:
                total += self.factor[r * width + j] * exp(
                    own + self.chain.T[last * width + j]
                    + (self.e[r * width + j] - self.gain[r]) - alpha[j])
        return total if total < 1.0 else 1.0


# --------------------------------------------------------------------------- the loss


def gradient_rows(
    PackedShape shape,
    const double[:, :] marginals,      # IN  (n_rows, n_tags)
    const Py_ssize_t[::1] labels,      # IN  (n_rows,) or -1
    const double[::1] weight,          # IN  (n_seqs,)
    floating[:, ::1] out,              # OUT (n_rows, n_tags)
):
    """out = weight (marginals - 1 at the label), without cancellation."""
    cdef Py_ssize_t t, b, r, j, label, n = out.shape[1]
    cdef double rest
    with nogil:
        for t in range(shape.steps.n_steps):
            for b in range(shape.steps.n_active[t]):
                r = shape.steps.offset[t] + b
                if weight[b] == 0.0:
                    for j in range(n):
                        out[r, j] = 0
                    continue
                label = labels[r]
                rest = 0.0
                for j in range(n):
                    out[r, j] = <floating>(weight[b] * marginals[r, j])
                    if j != label:
                        rest += marginals[r, j]
                if label >= 0:
                    out[r, label] = <floating>(-weight[b] * rest)
