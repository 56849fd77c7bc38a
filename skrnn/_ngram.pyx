"""Counts of n-grams, and the probabilities that Kneser and Ney make of them.

A *gram* is a row of `order` keys: the tokens before a token, the newest first, and then
the token itself. A key is a token's id plus one. The symbol that stands before each
text has the key n_tokens + 1, and zero stands for what is not there, before that
symbol. Rows are sorted, so the grams of one context stand side by side, whatever the
length of the context. Grams and their counts are whole numbers, and all else follows
from them.

An *index* makes a tree of the contexts: a child has one older token than its parent.
Contexts are numbered by length. The counts of the full contexts, and of those that
begin with a text, are those of the grams. A token's count in a shorter context is the
number of its children in which the token occurs.

References
----------
Chen & Goodman 1998, "An empirical study of smoothing techniques for language modeling".
"""

import numpy as np

from libc.string cimport memset

from skrnn._elementary cimport exp, log

cdef enum:
    LONGEST = 32                 # order of n-grams
    FEW = 24                     # followers that insertion sorts
    OFTEN = 8                    # groups of contexts of one length

cdef long long MOST = 2147483647

ctypedef fused gram_t:
    unsigned char
    unsigned short
    int


# --------------------------------------------------------------------- count and merge


def key_type(n_tokens):
    """Return the smallest dtype that holds the keys of `n_tokens` tokens."""
    if n_tokens < 2**8 - 1:
        return np.uint8
    return np.uint16 if n_tokens < 2**16 - 1 else np.int32


def count_grams(const int[::1] line, Py_ssize_t first, int order, int n_tokens):
    """Count the grams of a line of tokens by one stable sort for each of their keys.

    Parameters
    ----------
    line : ndarray of int32 (n,)
        Ids of tokens. ``n_tokens`` stands before each text.
    first : int
        Where the tokens begin that are counted; those before are contexts only.
    order, n_tokens : int

    Returns
    -------
    grams : ndarray (n_grams, order)
    counts : ndarray of int64 (n_grams,)
    """
    cdef Py_ssize_t n = line.shape[0], i, r, m = 0, n_rows = 0, begin = 0
    cdef int k, j, same, n_keys = n_tokens + 2
    if not 1 <= order <= LONGEST:
        raise ValueError(f"The order must be from 1 to {LONGEST}, got {order}.")
    cdef unsigned char[::1] before = np.empty(n, dtype=np.uint8)
    cdef int[::1] here = np.empty(n, dtype=np.int32)
    cdef int[::1] there = np.empty(n, dtype=np.int32)
    cdef int[::1] swap
    cdef Py_ssize_t[::1] place = np.empty(n_keys + 1, dtype=np.intp)
    for i in range(n):
        if not 0 <= line[i] <= n_tokens:
            raise IndexError(f"Token {i} has the id {line[i]}, of {n_tokens} ids.")
    with nogil:
        for i in range(n):
            if line[i] == n_tokens:
                begin = i
            before[i] = <unsigned char>min(i - begin, order - 1)
            if i >= first and line[i] != n_tokens:
                here[m] = <int>i
                m += 1
    for k in range(order):
        j = 0 if k == 0 else order - k   # how far behind; the newest is sorted last
        with nogil:
            memset(&place[0], 0, (n_keys + 1) * sizeof(Py_ssize_t))
            for r in range(m):
                i = here[r]
                place[(line[i - j] + 1 if j <= before[i] else 0) + 1] += 1
            for r in range(n_keys):
                place[r + 1] += place[r]
            for r in range(m):
                i = here[r]
                same = line[i - j] + 1 if j <= before[i] else 0
                there[place[same]] = <int>i
                place[same] += 1
        swap = here
        here = there
        there = swap
    # `there` now says for each place whether another gram begins.
    with nogil:
        for r in range(m):
            same = r > 0
            if same:
                for j in range(order):
                    if (
                        (line[here[r] - j] if j <= before[here[r]] else -1)
                        != (line[here[r - 1] - j] if j <= before[here[r - 1]] else -1)
                    ):
                        same = 0
                        break
            there[r] = not same
            n_rows += not same
    grams = np.empty((n_rows, order), dtype=key_type(n_tokens))
    counts = np.zeros(n_rows, dtype=np.int64)
    _write_grams(grams, counts, line, before, here[:m], there[:m])
    return grams, counts


def _write_grams(
    gram_t[:, ::1] grams, long long[::1] counts, const int[::1] line,
    const unsigned char[::1] before, const int[::1] places, const int[::1] is_new
):
    cdef Py_ssize_t r, i, row = -1
    cdef int j, key, order = <int>grams.shape[1]
    with nogil:
        for r in range(places.shape[0]):
            if is_new[r]:
                row += 1
                i = places[r]
                for j in range(1, order):
                    key = line[i - j] + 1 if j <= before[i] else 0
                    grams[row, j - 1] = <gram_t>key
                grams[row, order - 1] = <gram_t>(line[i] + 1)
            counts[row] += 1


def merge_grams(
    const gram_t[:, ::1] a, const long long[::1] in_a,
    const gram_t[:, ::1] b, const long long[::1] in_b
):
    """Return the grams and the counts of two sorted tables as one."""
    cdef Py_ssize_t i = 0, j = 0, r = 0, n_a = a.shape[0], n_b = b.shape[0]
    cdef int k, order = <int>a.shape[1], which
    cdef long long number
    grams = np.empty((n_a + n_b, order), dtype=np.asarray(a).dtype)
    counts = np.empty(n_a + n_b, dtype=np.int64)
    cdef gram_t[:, ::1] rows = grams
    cdef long long[::1] numbers = counts
    with nogil:
        while i < n_a or j < n_b:
            which = -1 if j == n_b else 1 if i == n_a else 0
            if which == 0:
                for k in range(order):
                    if a[i, k] != b[j, k]:
                        which = -1 if a[i, k] < b[j, k] else 1
                        break
            for k in range(order):
                rows[r, k] = a[i, k] if which <= 0 else b[j, k]
            number = 0
            if which <= 0:
                number += in_a[i]
                i += 1
            if which >= 0:
                number += in_b[j]
                j += 1
            numbers[r] = number
            r += 1
    return grams[:r].copy(), counts[:r].copy()


def check_grams(
    const gram_t[:, ::1] grams, const long long[::1] counts, int n_tokens
):
    """Return how many leading keys each gram shares with the one before.

    Returns
    -------
    shared : ndarray of int8 (n_grams,)
        -1 for the first gram.
    lengths : ndarray of int8 (n_grams,)
        The number of tokens in the context.

    Raises
    ------
    ValueError
        If the table isn't one that `count_grams` makes.
    """
    cdef Py_ssize_t r, n = grams.shape[0]
    cdef int k, order = <int>grams.shape[1], begin = n_tokens + 1, wrong = 0
    cdef long long total = 0
    if not 1 <= order <= LONGEST or n == 0 or counts.shape[0] != n:
        raise ValueError("There must be grams of 1 to 32 keys, each with a count.")
    shared_, lengths_ = np.empty(n, dtype=np.int8), np.empty(n, dtype=np.int8)
    cdef signed char[::1] shared = shared_, lengths = lengths_
    with nogil:
        for r in range(n):
            lengths[r] = <signed char>(order - 1)
            for k in range(order - 1):
                if grams[r, k] == begin:
                    lengths[r] = <signed char>(k + 1)
                    break
                wrong |= not 1 <= <int>grams[r, k] <= n_tokens
            for k in range(lengths[r], order - 1):
                wrong |= grams[r, k] != 0
            wrong |= not 1 <= <int>grams[r, order - 1] <= n_tokens
            wrong |= not 1 <= counts[r] <= MOST
            total += min(counts[r], MOST)
            wrong |= total > MOST
            shared[r] = -1
            if r > 0:
                k = 0
                while k < order and grams[r, k] == grams[r - 1, k]:
                    k += 1
                wrong |= k == order or grams[r, k] < grams[r - 1, k]
                shared[r] = <signed char>k
            if wrong:
                break
    if wrong:
        raise ValueError(
            f"Gram {r} is out of order, has no possible token, or makes more than "
            "2**31 - 1 tokens."
        )
    return shared_, lengths_


# --------------------------------------------------------------------------- the index


cdef void sort(int[::1] found, Py_ssize_t n, const int[::1] sums) noexcept nogil:
    """Sort the first `n` tokens; `sums` of all tokens are positive for these alone."""
    cdef Py_ssize_t i, j, m = 0
    cdef int token
    if n > FEW:
        for i in range(sums.shape[0]):
            found[m] = <int>i
            m += sums[i] > 0
            if m == n:
                return
    for i in range(1, n):
        token = found[i]
        j = i
        while j > 0 and found[j - 1] > token:
            found[j] = found[j - 1]
            j -= 1
        found[j] = token


cdef class NgramIndex:
    """The tree of contexts, in flat arrays. Children and followers are sorted by token.

    Parameters
    ----------
    grams : ndarray (n_grams, order)
    counts : ndarray of int64 (n_grams,)
        As `count_grams` makes them.
    n_tokens : int

    Attributes
    ----------
    token : ndarray of int32 (n_nodes,)
        The oldest token of each context.
    child, entry : ndarray of int32 (n_nodes + 1,)
        Where the children and the followers of each context begin.
    follower, count : ndarray of int32 (n_entries,)
        The tokens that follow the contexts, and their counts there.
    total : ndarray of int32 (n_nodes,)
    backoff : ndarray of float64 (n_nodes,)
        The share that a context leaves to the next shorter one.
    discount : ndarray of float64 (order, 4)
        What is taken from the counts 1, 2, and 3 and more; from 0 nothing is.
    """

    def __init__(self, grams, counts, int n_tokens):
        shared, lengths = check_grams(grams, counts, n_tokens)
        self.order, self.n_tokens = grams.shape[1], n_tokens
        # Node `v` of length k comes of the rows that share k keys.
        sizes = [int(np.sum((lengths >= k) & (shared < k))) for k in range(self.order)]
        bases = np.cumsum([0, *sizes, 0]).astype(np.int64)
        self.n_nodes = int(bases[self.order])
        if self.n_nodes >= 2**31 - 1:
            raise ValueError("There are more than 2**31 - 2 contexts of n-grams.")
        rows = np.empty((2, self.n_nodes), dtype=np.int32)
        self.token = np.full(self.n_nodes, -1, dtype=np.int32)
        self.child = np.full(self.n_nodes + 1, self.n_nodes, dtype=np.int32)
        _grow(self, grams, shared, lengths, bases.copy(), rows)
        del shared, lengths
        tokens = grams[:, self.order - 1].astype(np.int32) - 1
        self._count_followers(tokens, counts.astype(np.int32), bases, rows)
        self._discount(bases)

    def _count_followers(
        self, const int[::1] tokens, const int[::1] counts, const long long[::1] bases,
        const int[:, ::1] rows
    ):
        """Fill the followers: those of the longest contexts first."""
        cdef Py_ssize_t v, e, c, n, n_found, base, last
        cdef int k, raw
        cdef int[::1] sums = np.zeros(self.n_tokens, dtype=np.int32)
        cdef int[::1] found = np.empty(self.n_tokens + 1, dtype=np.int32)
        cdef int[::1] starts, below = np.zeros(1, dtype=np.int32)
        cdef int[::1] own, number, followers, numbers
        cdef Py_ssize_t room
        parts = []
        followers = numbers = np.empty(0, dtype=np.int32)
        for k in range(self.order - 1, -1, -1):
            base, last = bases[k], bases[k + 1]
            room = followers.shape[0]
            for v in range(base, last):
                room += rows[1, v] - rows[0, v]
            own = np.empty(room, dtype=np.int32)
            number = np.empty(room, dtype=np.int32)
            starts = np.empty(last - base + 1, dtype=np.int32)
            n = 0
            with nogil:
                for v in range(base, last):
                    starts[v - base] = <int>n
                    raw = rows[1, v] > rows[0, v]
                    if raw:
                        for e in range(rows[0, v], rows[1, v]):
                            own[n] = tokens[e]
                            number[n] = counts[e]
                            n += 1
                        continue
                    n_found = 0
                    for c in range(self.child[v] - last, self.child[v + 1] - last):
                        for e in range(below[c], below[c + 1]):
                            if sums[followers[e]] == 0:
                                found[n_found] = followers[e]
                                n_found += 1
                            sums[followers[e]] += 1
                    sort(found, n_found, sums)
                    for e in range(n_found):
                        own[n] = found[e]
                        number[n] = sums[found[e]]
                        sums[found[e]] = 0
                        n += 1
                starts[last - base] = <int>n
            part = np.asarray(own)[:n].copy(), np.asarray(number)[:n].copy()
            below, followers, numbers = starts, part[0], part[1]
            parts.append((np.asarray(starts), *part))
        parts.reverse()
        ends = np.cumsum([0] + [len(part[1]) for part in parts])
        self.n_entries = int(ends[self.order])
        if self.n_entries >= 2**31:
            raise ValueError("There are more than 2**31 - 1 n-grams of all orders.")
        # The end of the last context of a length is the beginning of the next length.
        shifted = [part[0][1:] + end for part, end in zip(parts, ends, strict=False)]
        self.entry = np.concatenate([ends[:1], *shifted]).astype(np.int32)
        self.follower = np.concatenate([part[1] for part in parts])
        self.count = np.concatenate([part[2] for part in parts])

    def _discount(self, const long long[::1] bases):
        """Learn the discounts of each order, and what each context leaves."""
        cdef Py_ssize_t v, e, base, last
        cdef int k
        cdef long long[5] n
        cdef double taken
        cdef double[:, ::1] d
        self.discount = d = np.zeros((self.order, 4))
        self.total = np.empty(self.n_nodes, dtype=np.int32)
        self.backoff = np.empty(self.n_nodes)
        for k in range(self.order):
            base, last = bases[k], bases[k + 1]
            with nogil:
                memset(&n[0], 0, sizeof(n))
                for e in range(self.entry[base], self.entry[last]):
                    n[min(self.count[e], 5) - 1] += 1
            discounts = _discounts(n[0], n[1], n[2], n[3])
            d[k, 1], d[k, 2], d[k, 3] = discounts
            with nogil:
                for v in range(base, last):
                    self.total[v] = 0
                    memset(&n[0], 0, sizeof(n))
                    for e in range(self.entry[v], self.entry[v + 1]):
                        self.total[v] += self.count[e]
                        n[min(self.count[e], 3)] += 1
                    taken = d[k, 1] * n[1] + d[k, 2] * n[2] + d[k, 3] * n[3]
                    self.backoff[v] = taken / self.total[v]

    # ------------------------------------------------------------------ probabilities

    cdef int find(
        self, const int *newest, Py_ssize_t available, int *nodes
    ) noexcept nogil:
        """Put the known contexts into `nodes`, the longest last; return its length.

        `newest` points to the token before; `available` is the number of tokens there,
        backwards. The symbol before a text, or -1, ends the context.
        """
        cdef Py_ssize_t low, high, middle
        cdef int depth = 0, node = 0, token
        nodes[0] = 0
        while depth < self.order - 1 and depth < available:
            token = (newest - depth)[0]
            low, high = self.child[node], self.child[node + 1]
            while low < high:
                middle = (low + high) // 2
                if self.token[middle] < token:
                    low = middle + 1
                else:
                    high = middle
            if low == self.child[node + 1] or self.token[low] != token:
                break
            node = <int>low
            depth += 1
            nodes[depth] = node
            if token == self.n_tokens:
                break
        return depth

    cdef double probability(
        self, const int *nodes, int depth, int token
    ) noexcept nogil:
        """The probability of a token after the longest of the contexts."""
        cdef double p = 1.0 / self.n_tokens
        cdef Py_ssize_t low, high, middle
        cdef int k, node, count
        for k in range(depth + 1):
            node = nodes[k]
            low, high = self.entry[node], self.entry[node + 1]
            while low < high:
                middle = (low + high) // 2
                if self.follower[middle] < token:
                    low = middle + 1
                else:
                    high = middle
            p = self.backoff[node] * p
            if low < self.entry[node + 1] and self.follower[low] == token:
                count = self.count[low]
                p += (count - self.discount[k, min(count, 3)]) / self.total[node]
        return p

    cdef void fill_row(self, const int *nodes, int depth, double *row) noexcept nogil:
        """The same of all tokens, with the same bits."""
        cdef Py_ssize_t e, w
        cdef int k, node, count
        cdef double left
        for w in range(self.n_tokens):
            row[w] = 1.0 / self.n_tokens
        for k in range(depth + 1):
            node = nodes[k]
            left = self.backoff[node]
            for w in range(self.n_tokens):
                row[w] = left * row[w]
            for e in range(self.entry[node], self.entry[node + 1]):
                count = self.count[e]
                row[self.follower[e]] += (
                    (count - self.discount[k, min(count, 3)]) / self.total[node])

    def probabilities(self, const int[::1] line, Py_ssize_t first):
        """Return the probability of each token of a line from `first`.

        Parameters
        ----------
        line : ndarray of int32 (n,)
            Ids; ``n_tokens`` stands before a text, and its own probability is 1. The
            tokens before `first` are contexts only.
        first : int

        Returns
        -------
        p : ndarray of float64 (n - first,)
        lengths : ndarray of int8 (n - first,)
            Of the longest contexts that are known.
        totals : ndarray of int32 (n - first,)
            How often those contexts occur.
        """
        cdef Py_ssize_t i, n = line.shape[0]
        cdef int depth
        cdef int[LONGEST] nodes
        p_ = np.ones(n - first)
        lengths_, totals_ = np.zeros(n - first, np.int8), np.zeros(n - first, np.int32)
        cdef double[::1] p = p_
        cdef signed char[::1] lengths = lengths_
        cdef int[::1] totals = totals_
        self._check(line)
        with nogil:
            for i in range(first, n):
                if line[i] == self.n_tokens:
                    continue
                depth = self.find(&line[0] + i - 1, i, nodes)
                p[i - first] = self.probability(nodes, depth, line[i])
                lengths[i - first] = <signed char>depth
                totals[i - first] = self.total[nodes[depth]]
        return p_, lengths_, totals_

    def rows(self, const int[:, ::1] contexts, double[:, ::1] out):
        """Write the probabilities of all tokens after each context.

        Parameters
        ----------
        contexts : ndarray of int32 (n, width)
            The newest tokens last; -1 is before the symbol before a text.
        out : ndarray of float64 (n, n_tokens)

        Returns
        -------
        lengths : ndarray of int8 (n,)
        totals : ndarray of int32 (n,)
            Of the longest contexts that are known.
        """
        cdef Py_ssize_t r, n = contexts.shape[0], width = contexts.shape[1]
        cdef int depth
        cdef int[LONGEST] nodes
        if out.shape[0] != n or out.shape[1] != self.n_tokens:
            raise ValueError(f"`out` must have the shape {(n, self.n_tokens)}.")
        lengths_, totals_ = np.empty(n, np.int8), np.empty(n, np.int32)
        cdef signed char[::1] lengths = lengths_
        cdef int[::1] totals = totals_
        cdef const int *last
        with nogil:
            for r in range(n):
                last = &contexts[r, 0] + width - 1 if width else NULL
                depth = self.find(last, width, nodes)
                self.fill_row(nodes, depth, &out[r, 0])
                lengths[r] = <signed char>depth
                totals[r] = self.total[nodes[depth]]
        return lengths_, totals_

    def _check(self, const int[::1] line):
        cdef Py_ssize_t i
        for i in range(line.shape[0]):
            if not -1 <= line[i] <= self.n_tokens:
                raise IndexError(
                    f"Token {i} has the id {line[i]}, of {self.n_tokens} ids.")

    @property
    def nbytes(self):
        """The memory that the arrays take, in bytes."""
        return 20 * self.n_nodes + 8 * self.n_entries + 8


def _discounts(n1, n2, n3, n4):
    """The three discounts of an order, of the numbers of counts 1, 2, 3 and 4.

    They are half the counts where the formula has no meaning, as for the few tokens of
    an alphabet.
    """
    if min(n1, n2, n3, n4) > 0:
        y = n1 / (n1 + 2.0 * n2)
        d = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
        if min(d) > 0:
            return d
    return 0.5, 1.0, 1.5


def _grow(
    NgramIndex index, const gram_t[:, ::1] grams, const signed char[::1] shared,
    const signed char[::1] lengths, long long[::1] free, int[:, ::1] rows
):
    """Number the contexts by length, and find the rows of those that have grams.

    Parameters
    ----------
    free : ndarray of int64 (order + 2,)
        Where the contexts of each length begin. It is overwritten.
    rows : ndarray of int32 (2, n_nodes)
        Is filled with where the grams of each context begin and end.
    """
    cdef Py_ssize_t r, v
    cdef int k
    with nogil:
        for r in range(grams.shape[0]):
            for k in range(shared[r] + 1, lengths[r] + 1):
                v = free[k]
                free[k] += 1
                index.token[v] = -1 if k == 0 else <int>grams[r, k - 1] - 1
                index.child[v] = <int>free[k + 1]
                rows[0, v] = rows[1, v] = 0
            v = free[lengths[r]] - 1
            if rows[1, v] == rows[0, v]:
                rows[0, v] = <int>r
            rows[1, v] = <int>(r + 1)


# ------------------------------------------------------------ beside another model


cdef inline int group_of(int length, int total) noexcept nogil:
    """The group of a context: its length, and how often it occurs: 1, 2-3, 4-7 ..."""
    cdef int often = 0
    while often < OFTEN - 1 and total >= 2 << often:
        often += 1
    return length * OFTEN + often


def count_groups(int order):
    """Return the number of groups of contexts."""
    return order * OFTEN


cdef class Mixer:
    """Mixes the probabilities of n-grams with those of another model.

    Parameters
    ----------
    index : NgramIndex
    share : ndarray of float64 (n_groups,)
        The share of the other model, by how much the n-grams know of a context.
    """

    def __init__(self, NgramIndex index, const double[::1] share):
        if share.shape[0] != count_groups(index.order):
            raise ValueError(f"{share.shape[0]} shares for an order of {index.order}.")
        self.index, self.share = index, share

    def mix_tokens(self, const int[::1] line, double[::1] log_p):
        """Change log-probabilities of the tokens of a line into those of the mixture.

        Parameters
        ----------
        line : ndarray of int32 (n,)
            Ids; ``n_tokens`` stands before each text.
        log_p : ndarray of float64
            Of each token, without what stands before texts.
        """
        cdef Py_ssize_t i, at = 0
        cdef int depth
        cdef int[LONGEST] nodes
        cdef double p, w
        cdef NgramIndex index = self.index
        index._check(line)
        for i in range(line.shape[0]):
            at += line[i] != index.n_tokens
        if at != log_p.shape[0]:
            raise ValueError(f"{log_p.shape[0]} probabilities of {at} tokens.")
        at = 0
        with nogil:
            for i in range(line.shape[0]):
                if line[i] == index.n_tokens:
                    continue
                depth = index.find(&line[0] + i - 1, i, nodes)
                p = index.probability(nodes, depth, line[i])
                w = self.share[group_of(depth, index.total[nodes[depth]])]
                log_p[at] = log(w * exp(log_p[at]) + (1 - w) * p)
                at += 1

    def mix_rows(self, const int[:, ::1] contexts, double[:, ::1] log_p):
        """Do the same for all tokens after each context.

        Parameters
        ----------
        contexts : ndarray of int32 (n, width)
            The newest tokens last; -1 is before what stands before a text.
        log_p : ndarray of float64 (n, n_tokens)
        """
        cdef Py_ssize_t r, n = contexts.shape[0], width = contexts.shape[1]
        cdef const int *last
        if log_p.shape[0] != n or log_p.shape[1] != self.index.n_tokens:
            raise ValueError(f"log_p must be of {(n, self.index.n_tokens)}.")
        cdef double[::1] row = np.empty(self.index.n_tokens)
        with nogil:
            for r in range(n):
                last = &contexts[r, 0] + width - 1 if width else NULL
                self.mix_row(last, width, &log_p[r, 0], &row[0])

    cdef void mix_row(
        self, const int *newest, Py_ssize_t available, double *log_p, double *row
    ) noexcept nogil:
        """Mix one row; `row` lends the memory of another."""
        cdef int[LONGEST] nodes
        cdef int depth = self.index.find(newest, available, nodes)
        cdef double w = self.share[group_of(depth, self.index.total[nodes[depth]])]
        cdef Py_ssize_t k
        self.index.fill_row(nodes, depth, row)
        for k in range(self.index.n_tokens):
            log_p[k] = log(w * exp(log_p[k]) + (1 - w) * row[k])


def groups_of(const signed char[::1] lengths, const int[::1] totals):
    """Return the group of each context, by its length and how often it occurs."""
    cdef Py_ssize_t i
    found = np.empty(lengths.shape[0], dtype=np.intp)
    cdef Py_ssize_t[::1] groups = found
    for i in range(lengths.shape[0]):
        groups[i] = group_of(lengths[i], totals[i])
    return found


def learn_shares(
    const double[::1] log_p, const double[::1] ngram, const Py_ssize_t[::1] group,
    Py_ssize_t n_groups, double prior, int n_iter
):
    """Choose the shares of a mixture by expectation maximisation.

    Parameters
    ----------
    log_p : ndarray of float64 (n,)
        What the other model says of tokens that neither model has seen.
    ngram : ndarray of float64 (n,)
        Their probabilities by n-grams.
    group : ndarray of intp (n,)
    n_groups : int
    prior : float
        So many tokens speak for the share of all groups together.
    n_iter : int

    Returns
    -------
    share : ndarray of float64 (n_groups,)
        Of the other model.
    """
    cdef Py_ssize_t i, n = log_p.shape[0]
    cdef double common = 0.5, a, total
    share_, number = np.empty(n_groups), np.bincount(group, minlength=n_groups)
    cdef double[::1] share = share_, won = np.empty(n_groups)
    cdef Py_ssize_t[::1] seen = number.astype(np.intp)
    if not n:
        raise ValueError("There is no token to choose the shares with.")
    cdef double[::1] other = np.empty(n)
    for i in range(n):
        other[i] = exp(log_p[i])
    for _ in range(n_iter):
        total = 0
        for i in range(n):
            a = common * other[i]
            total += a / (a + (1 - common) * ngram[i])
        common = total / n
    share[:] = common
    for _ in range(n_iter):
        won[:] = 0
        for i in range(n):
            a = share[group[i]] * other[i]
            won[group[i]] += a / (a + (1 - share[group[i]]) * ngram[i])
        for i in range(n_groups):
            share[i] = (won[i] + prior * common) / (seen[i] + prior)
    return share_
