"""A chain of tags: what scores a path, what is forbidden, and the best path.

A path gives each step of a sequence one of n_tags tags. Its score is the sum of an
emission for each step, a transition for each pair of neighbours, a start for the first
tag and an end for the last one. What is forbidden has the score minus infinity. All is
computed in double, and what comes out for a sequence depends on it alone.
"""

import numpy as np

from cython cimport floating
from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from skrnn._memory cimport Buffer
from skrnn._recurrence cimport PackedShape, find_table


cdef class Chain:
    """The transitions, starts and ends of a chain of tags.

    Parameters
    ----------
    n_tags : int
    allowed : tuple (transitions, start, end) of bool arrays, or None
        Of shapes (n_tags, n_tags), (n_tags,) and (n_tags,): which pairs (previous,
        next), first tags and last tags there are. None: all.
    """

    def __init__(self, Py_ssize_t n_tags, allowed=None):
        if not 1 <= n_tags <= 1 << 14:
            raise ValueError(f"A chain has 1 to {1 << 14} tags, got {n_tags}.")
        self.table = find_table(np.float64)
        self.n_tags = n_tags
        self.width = (n_tags + WIDTH - 1) // WIDTH * WIDTH
        if allowed is None:
            allowed = np.ones((n_tags, n_tags), bool), np.ones(n_tags, bool), np.ones(
                n_tags, bool)
        self.allowed = tuple(np.ascontiguousarray(a, dtype=bool) for a in allowed)
        shapes = [a.shape for a in self.allowed]
        if shapes != [(n_tags, n_tags), (n_tags,), (n_tags,)]:
            raise ValueError(f"{n_tags} tags do not go with what is allowed: {shapes}.")
        self.everything = all(a.all() for a in self.allowed)
        self.find_words()
        self.transitions = np.full((self.width, self.width), -np.inf)
        self.exp_transitions = np.zeros((self.width, self.width))
        self.start, self.end = np.full((2, self.width), -np.inf)
        self.exp_start, self.exp_end = np.zeros((2, self.width))
        self.forward_panels, self.backward_panels = Buffer(), Buffer()
        size = self.table.product_size(n_tags, n_tags) * <Py_ssize_t>sizeof(double)
        self.forward_panels.reserve(size)
        self.backward_panels.reserve(size)
        self.load(np.zeros((n_tags, n_tags)), np.zeros(n_tags), np.zeros(n_tags))

    cdef find_words(self):
        # What is allowed, as bits of 64-bit words.
        cdef uint64_t[:, ::1] follows
        cdef uint64_t[::1] may_start, may_end
        self.n_words = (self.n_tags + 63) // 64
        bits = np.zeros((self.n_tags + 2, 8 * self.n_words), dtype=np.uint8)
        for row, which in zip(bits, [*self.allowed[0], *self.allowed[1:]], strict=True):
            packed = np.packbits(which, bitorder="little")
            row[: len(packed)] = packed
        words = bits.view("<u8").astype(np.uint64)
        self.follows = words[: self.n_tags].copy()
        self.may_start, self.may_end = words[self.n_tags :].copy()
        follows, may_start, may_end = self.follows, self.may_start, self.may_end
        self.pfollows = &follows[0, 0]
        self.pmay_start, self.pmay_end = &may_start[0], &may_end[0]

    def load(self, transitions, start, end):
        """Take transitions (n_tags, n_tags), start and end (n_tags,)."""
        cdef double[:, ::1] T = self.transitions, exp_T = self.exp_transitions
        cdef double[::1] first = self.start, last = self.end
        cdef double[::1] exp_first = self.exp_start, exp_last = self.exp_end
        cdef Py_ssize_t k = self.n_tags
        parts = (self.transitions[:k, :k], self.start[:k], self.end[:k])
        for part, values, which in zip(parts, (transitions, start, end), self.allowed,
                                       strict=True):
            part[...] = -np.inf
            np.copyto(part, np.reshape(values, part.shape), where=which)
        self.T, self.pstart, self.pend = &T[0, 0], &first[0], &last[0]
        self.pexp_start, self.pexp_end = &exp_first[0], &exp_last[0]
        self.transitions_most = exponentials(
            self.table, self.T, &exp_T[0, 0], self.width * self.width)
        self.start_most = exponentials(
            self.table, self.pstart, &exp_first[0], self.width)
        self.end_most = exponentials(self.table, self.pend, &exp_last[0], self.width)
        self.table.pack_product(
            self.forward_panels.data, &exp_T[0, 0], k, k, self.width, 0)
        self.table.pack_product(
            self.backward_panels.data, &exp_T[0, 0], k, k, self.width, 1)

    cdef Py_ssize_t n_followers(self, const double* x, double least,
                                Py_ssize_t label) noexcept nogil:
        # How many tags may follow those whose x is above `least`, or may be the first
        # ones where x is NULL; only the label counts, if there is one.
        cdef Py_ssize_t i, w, count = 0
        cdef uint64_t word
        if self.everything:
            return self.n_tags if label < 0 else 1
        for w in range(self.n_words):
            if label >= 0 and w != label // 64:
                continue
            word = self.pmay_start[w] if x == NULL else 0
            if x != NULL:
                for i in range(self.n_tags):
                    if x[i] > least:
                        word |= self.pfollows[i * self.n_words + w]
            if label >= 0:
                return (word >> (label % 64)) & 1
            count += popcount(word)
        return count

    cdef bint may_be_last(self, const double* x, double least) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.n_tags):
            if x[i] > least and (self.pmay_end[i // 64] >> (i % 64)) & 1:
                return True
        return False

    def reachable(self, Py_ssize_t n_steps):
        """How many tags a step can have, and whether it can be the last, for each step.

        Returns
        -------
        counts : ndarray of int64 (n_steps,)
        may_end : ndarray of bool (n_steps,)
        """
        allowed, start, end = self.allowed
        counts = np.full(n_steps, self.n_tags)
        may_end = np.ones(n_steps, dtype=bool)
        now = start
        for t in range(n_steps if not self.everything else 0):
            if t > 0:
                after = allowed[now].any(axis=0)
                if (after == now).all():
                    counts[t:], may_end[t:] = counts[t - 1], may_end[t - 1]
                    break
                now = after
            counts[t], may_end[t] = now.sum(), (now & end).any()
        return counts, may_end


cdef double exponentials(const Table* table, const double* x, double* out,
                         Py_ssize_t n) noexcept:
    # out = exp(x - the largest of x); returned. n is a multiple of LANES.
    cdef Py_ssize_t i
    cdef double most = most_of(x, n), by = most if most > -INFINITY else 0.0
    for i in range(n):
        out[i] = x[i] - by
    table.exponential(out, out, n)
    return by


cdef inline int popcount(uint64_t x) noexcept nogil:
    cdef int count = 0
    while x:
        x &= x - 1
        count += 1
    return count


# ------------------------------------------------------------------------- given paths


def path_scores(
    Chain chain,
    PackedShape shape,
    const floating[:, ::1] emissions,  # IN  (n_rows, n_tags)
    const Py_ssize_t[::1] labels,      # IN  (n_rows,) the path; no -1
    double[::1] out,                   # OUT (n_seqs,)
):
    """The score of one path of each sequence."""
    cdef Py_ssize_t t, b, row, before
    with nogil:
        for t in range(shape.steps.n_steps):
            row = shape.steps.offset[t]
            before = shape.steps.offset[t - 1] if t > 0 else 0
            for b in range(shape.steps.n_active[t]):
                if t == 0:
                    out[b] = chain.pstart[labels[b]]
                else:
                    out[b] += chain.T[labels[before + b] * chain.width
                                      + labels[row + b]]
                out[b] += emissions[row + b, labels[row + b]]
                if (t + 1 == shape.steps.n_steps
                        or b >= shape.steps.n_active[t + 1]):
                    out[b] += chain.pend[labels[row + b]]


def count_paths(
    Chain chain,
    PackedShape shape,
    const Py_ssize_t[::1] labels,      # IN  (n_rows,)
    const double[::1] weight,          # IN  (n_seqs,) of 0: not counted
    double[:, ::1] pairs,              # +=  (n_tags, n_tags)
    double[::1] starts,                # +=  (n_tags,)
    double[::1] ends,                  # +=  (n_tags,)
):
    """Add the weight of each pair of neighbours, first and last tag of the paths."""
    cdef Py_ssize_t t, b, row, before
    with nogil:
        for t in range(shape.steps.n_steps):
            row = shape.steps.offset[t]
            before = shape.steps.offset[t - 1] if t > 0 else 0
            for b in range(shape.steps.n_active[t]):
                if weight[b] == 0.0:
                    continue
                if t == 0:
                    starts[labels[b]] += weight[b]
                else:
                    pairs[labels[before + b], labels[row + b]] += weight[b]
                if (t + 1 == shape.steps.n_steps
                        or b >= shape.steps.n_active[t + 1]):
                    ends[labels[row + b]] += weight[b]


# ----------------------------------------------------------------------- the best path


cdef inline void best_step(Chain chain, const double* before, double* delta,
                           double* from_tag) noexcept nogil:
    # delta = the best score of a path that ends in each tag, without its emission;
    # from_tag: the tag before, the lowest one among equals.
    cdef Py_ssize_t i, j, width = chain.width
    cdef const double* T = chain.T
    cdef double score, by = before[0], one = 0.0
    for j in range(width):
        delta[j] = by + T[j]
        from_tag[j] = 0.0
    for i in range(1, chain.n_tags):
        T += width
        by, one = before[i], <double>i
        for j in range(width):
            score = by + T[j]
            from_tag[j] = one if score > delta[j] else from_tag[j]
            delta[j] = score if score > delta[j] else delta[j]


cdef inline double rebase(double* delta, Py_ssize_t width) noexcept nogil:
    # Take the largest away, so that delta stays near zero, however long a sequence is.
    cdef double most = most_of(delta, width)
    cdef Py_ssize_t j
    if most > -INFINITY:
        for j in range(width):
            delta[j] -= most
    return most


cdef inline Py_ssize_t best_last(Chain chain, const double* delta,
                                 double* score) noexcept nogil:
    cdef Py_ssize_t j, best = 0
    score[0] = delta[0] + chain.pend[0]
    for j in range(1, chain.n_tags):
        if delta[j] + chain.pend[j] > score[0]:
            best = j
            score[0] = delta[j] + chain.pend[j]
    return best


cdef void viterbi_step(Chain chain, const double* before, const floating* e,
                       double* delta, double* from_tag) noexcept nogil:
    cdef Py_ssize_t j
    if before == NULL:
        memcpy(delta, chain.pstart, chain.width * sizeof(double))
    else:
        best_step(chain, before, delta, from_tag)
    for j in range(chain.n_tags):
        # What is forbidden stays it, whatever is emitted.
        if delta[j] != -INFINITY:
            delta[j] += e[j]
    rebase(delta, chain.width)


def viterbi(
    Chain chain,
    PackedShape shape,
    const floating[:, ::1] emissions,  # IN  (n_rows, n_tags)
    Py_ssize_t[::1] path,              # OUT (n_rows,)
    const double[:, ::1] earlier=None,
):
    """The best path of each sequence; of equals, read from the end, the lowest tags.

    `earlier`, (n_seqs, width), is what `viterbi_advance` gave of the steps before the
    first one, if there were any.

    Returns
    -------
    possible : ndarray of bool (n_seqs,)
        Whether a sequence has a path that is not forbidden.
    """
    cdef Py_ssize_t t, b, r, before, i, width = chain.width
    cdef double score
    cdef const double* last = NULL
    # What a backward walk reads has 16 bits: the tag before, by row and tag.
    cdef unsigned short[:, ::1] back = np.empty((shape.n_rows, width), dtype=np.uint16)
    cdef double[:, :, ::1] delta = np.empty((2, shape.n_seqs, width))
    cdef double[::1] from_tag = np.zeros(width)
    cdef bint begins = earlier is None
    possible = np.empty(shape.n_seqs, dtype=bool)
    cdef unsigned char[::1] is_possible = possible.view(np.uint8)
    with nogil:
        for t in range(shape.steps.n_steps):
            for b in range(shape.steps.n_active[t]):
                r = shape.steps.offset[t] + b
                if t > 0:
                    last = &delta[(t + 1) % 2, b, 0]
                elif not begins:
                    last = &earlier[b, 0]
                viterbi_step[floating](chain, last, &emissions[r, 0],
                                       &delta[t % 2, b, 0], &from_tag[0])
                for i in range(width):
                    back[r, i] = <unsigned short>from_tag[i]
                if (t + 1 == shape.steps.n_steps
                        or b >= shape.steps.n_active[t + 1]):
                    path[r] = best_last(chain, &delta[t % 2, b, 0], &score)
                    is_possible[b] = score != -INFINITY
        for t in range(shape.steps.n_steps - 2, -1, -1):
            before = shape.steps.offset[t]
            for b in range(shape.steps.n_active[t + 1]):
                r = shape.steps.offset[t + 1] + b
                path[before + b] = back[r, path[r]]
    return possible


def viterbi_advance(
    Chain chain,
    const double[:, ::1] before,       # IN  (n, width), or None: the first step
    const floating[:, ::1] emissions,  # IN  (n, n_tags)
    double[:, ::1] delta,              # OUT (n, width)
    Py_ssize_t[::1] last,              # OUT (n,) last tag of the best path so far
):
    """One step of `viterbi` for streams, with its bits."""
    cdef Py_ssize_t b
    cdef double score
    cdef double[::1] from_tag = np.zeros(chain.width)
    cdef const double* start = NULL
    cdef bint first = before is None
    with nogil:
        for b in range(emissions.shape[0]):
            if not first:
                start = &before[b, 0]
            viterbi_step[floating](chain, start, &emissions[b, 0], &delta[b, 0],
                                   &from_tag[0])
            last[b] = best_last(chain, &delta[b, 0], &score)
