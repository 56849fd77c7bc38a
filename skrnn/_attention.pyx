"""Attention of rows of a decoder to the rows of an encoder.

Rows stand sequence by sequence, so that each row looks at one run of source rows and at
nothing else: there is no padding and no mask. Every sum has one order, which depends on
the sequence alone. Nothing is fused, and the exponential is the package's own: every
machine gives the same bits.

Shapes: n rows of targets, m rows of sources, d columns of queries and keys, e columns
of values. `start` (n_seqs + 1,) has the first source row of each sequence, `owner` (n,)
the sequence of each target row, and `place` (n + 1,) the first weight of each row.
"""

from cython cimport floating
from skrnn._elementary cimport exp

cdef enum:
    LANES = 16


cdef inline double dot(const floating* a, const floating* b,
                       Py_ssize_t n) noexcept nogil:
    # Lane j takes the elements j, j + LANES, ...: a fixed order that is also fast.
    cdef floating[LANES] lanes
    cdef Py_ssize_t _
    cdef int j
    cdef double total = 0
    for j in range(LANES):
        lanes[j] = 0
    for _ in range(n // LANES):
        for j in range(LANES):
            lanes[j] += a[j] * b[j]
        a += LANES
        b += LANES
    for j in range(<int>(n % LANES)):
        lanes[j] += a[j] * b[j]
    for j in range(LANES):
        total += lanes[j]
    return total


cdef inline void add_scaled(floating* out, floating by, const floating* a,
                            Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t u
    for u in range(n):
        out[u] += by * a[u]


cdef inline double tanh(double x) noexcept nogil:
    cdef double e = exp(2 * x if x < 0 else -2 * x)
    return (e - 1) / (1 + e) if x < 0 else (1 - e) / (1 + e)


cdef inline double additive(const floating* query, const floating* key,
                            const floating* v, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t u
    cdef double total = 0
    for u in range(n):
        total += <double>v[u] * tanh(<double>query[u] + key[u])
    return total


cdef int check(Py_ssize_t n, Py_ssize_t m, const Py_ssize_t[::1] start,
               const Py_ssize_t[::1] owner, const Py_ssize_t[::1] place,
               Py_ssize_t n_weights) except -1:
    # The loops do not check their indices.
    cdef Py_ssize_t i, s, n_seqs = start.shape[0] - 1
    if owner.shape[0] != n or place.shape[0] != n + 1 or n_seqs < 0:
        raise ValueError("the shapes do not match.")
    for s in range(n_seqs):
        if not 0 <= start[s] < start[s + 1] <= m:
            raise ValueError("a sequence must have source rows.")
    for i in range(n):
        if not 0 <= owner[i] < n_seqs:
            raise IndexError(f"there is no sequence {owner[i]}.")
        s = owner[i]
        if place[i] < 0 or place[i + 1] - place[i] != start[s + 1] - start[s]:
            raise ValueError("a row must have a weight for each source row.")
    if place[n] > n_weights:
        raise ValueError("there is no place for all weights.")
    return 0


def attend(
    const floating[:, ::1] query,      # IN  (n, d)
    const floating[:, ::1] keys,       # IN  (m, d)
    const floating[:, ::1] values,     # IN  (m, e)
    const floating[::1] v,             # IN  (d,) or empty
    const Py_ssize_t[::1] start,
    const Py_ssize_t[::1] owner,
    const Py_ssize_t[::1] place,
    floating[::1] weights,             # OUT softmax of the scores of each row
    floating[:, ::1] context,          # OUT (n, e) weighted sums of the values
):
    """Weights and contexts of rows.

    The score of a key is its product with the query or, with `v`, the product of v and
    tanh(query + key).
    """
    cdef Py_ssize_t i, j, at, first, n_own, d = query.shape[1], e = values.shape[1]
    cdef double most, total, score
    check(query.shape[0], keys.shape[0], start, owner, place, weights.shape[0])
    if keys.shape[1] != d or values.shape[0] != keys.shape[0] or (
        context.shape[0] != query.shape[0] or context.shape[1] != e
    ) or v.shape[0] not in (0, d):
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(query.shape[0]):
            first, at = start[owner[i]], place[i]
            n_own = start[owner[i] + 1] - first
            most = 0
            for j in range(n_own):
                if v.shape[0]:
                    score = additive(&query[i, 0], &keys[first + j, 0], &v[0], d)
                else:
                    score = dot(&query[i, 0], &keys[first + j, 0], d)
                weights[at + j] = <floating>score
                if j == 0 or not weights[at + j] <= most:
                    most = weights[at + j]
            total = 0
            for j in range(n_own):
                score = exp(weights[at + j] - most)
                weights[at + j] = <floating>score
                total += score
            for j in range(e):
                context[i, j] = 0
            for j in range(n_own):
                weights[at + j] = <floating>(weights[at + j] / total)
                add_scaled(&context[i, 0], weights[at + j], &values[first + j, 0], e)


def attend_backward(
    const floating[:, ::1] dcontext,   # IN  (n, e)
    const floating[:, ::1] query,
    const floating[:, ::1] keys,
    const floating[:, ::1] values,
    const floating[::1] v,
    const Py_ssize_t[::1] start,
    const Py_ssize_t[::1] owner,
    const Py_ssize_t[::1] place,
    const floating[::1] weights,
    floating[::1] dscore,              # (n_weights,)
    floating[:, ::1] dquery,           # OUT (n, d)
    floating[:, ::1] dkeys,            # OUT (m, d)
    floating[:, ::1] dvalues,          # OUT (m, e)
    floating[::1] dv,                  # +=  (d,) or empty
):
    """Gradients of what `attend` read."""
    cdef Py_ssize_t i, j, u, at, first, n_own, d = query.shape[1], e = values.shape[1]
    cdef double total, t, own
    check(query.shape[0], keys.shape[0], start, owner, place, weights.shape[0])
    check(query.shape[0], keys.shape[0], start, owner, place, dscore.shape[0])
    if (
        keys.shape[1] != d or values.shape[0] != keys.shape[0]
        or v.shape[0] not in (0, d) or dv.shape[0] != v.shape[0]
        or dcontext.shape[0] != query.shape[0] or dcontext.shape[1] != e
        or dquery.shape[0] != query.shape[0] or dquery.shape[1] != d
        or dkeys.shape[0] != keys.shape[0] or dkeys.shape[1] != d
        or dvalues.shape[0] != values.shape[0] or dvalues.shape[1] != e
    ):
        raise ValueError("the shapes do not match.")
    with nogil:
        dquery[...] = 0
        dkeys[...] = 0
        dvalues[...] = 0
        for i in range(query.shape[0]):
            first, at = start[owner[i]], place[i]
            n_own = start[owner[i] + 1] - first
            total = 0
            for j in range(n_own):
                own = dot(&dcontext[i, 0], &values[first + j, 0], e)
                dscore[at + j] = <floating>own
                total += weights[at + j] * own
                add_scaled(&dvalues[first + j, 0], weights[at + j], &dcontext[i, 0], e)
            for j in range(n_own):
                dscore[at + j] = <floating>(weights[at + j] * (dscore[at + j] - total))
                if not v.shape[0]:
                    add_scaled(&dquery[i, 0], dscore[at + j], &keys[first + j, 0], d)
                    add_scaled(&dkeys[first + j, 0], dscore[at + j], &query[i, 0], d)
                    continue
                for u in range(d):
                    t = tanh(<double>query[i, u] + keys[first + j, u])
                    own = dscore[at + j] * v[u] * (1 - t * t)
                    dv[u] += <floating>(dscore[at + j] * t)
                    dquery[i, u] += <floating>own
                    dkeys[first + j, u] += <floating>own
