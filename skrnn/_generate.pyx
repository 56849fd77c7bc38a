"""Texts that a network writes: steps, outputs and draws, without Python in between.

Each row draws from a generator of its own, by the seed of the call and the number of
the row. So a text does not depend on what is written beside it.
"""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memmove

from skrnn._elementary cimport exp, log
from skrnn._kernels.table cimport Table
from skrnn._memory cimport Buffer, address
from skrnn._ngram cimport Mixer
from skrnn._recurrence cimport Linear, find_table
from skrnn._stepper cimport Stepper

cdef extern from *:
    """
    static inline double skrnn_unit(unsigned long long z) {
        return (double)(z >> 11) * 0x1p-53;
    }
    """
    double skrnn_unit(unsigned long long z) noexcept nogil


cdef inline uint64_t mix(uint64_t z) noexcept nogil:
    # The finaliser of splitmix64 (Steele, Lea & Flood 2014).
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


def seeds_of(uint64_t seed, const int64_t[::1] number):
    """Return the seed of the generator of each row, from the seed of a call."""
    cdef Py_ssize_t i
    seeds = np.empty(number.shape[0], dtype=np.uint64)
    cdef uint64_t[::1] out = seeds
    for i in range(number.shape[0]):
        out[i] = mix(mix(seed + <uint64_t>0x9E3779B97F4A7C15) + <uint64_t>number[i])
    return seeds


cpdef double uniform_at(uint64_t seed, uint64_t n) noexcept nogil:
    """Return draw `n` of the generator of a row, from 0 to below 1."""
    return skrnn_unit(mix(seed + (n + 1) * <uint64_t>0x9E3779B97F4A7C15))


cdef double largest(const double* z, const unsigned char* allowed,
                    Py_ssize_t n) noexcept nogil:
    """Return the largest of the values that are allowed."""
    cdef Py_ssize_t i, k
    cdef double x, most = -INFINITY
    cdef double[8] lanes
    for k in range(8):
        lanes[k] = -INFINITY
    for i in range(0, n - 7, 8):
        for k in range(8):
            x = z[i + k] if allowed[i + k] else -INFINITY
            lanes[k] = x if x > lanes[k] else lanes[k]
    for i in range(n - n % 8, n):
        if allowed[i] and z[i] > most:
            most = z[i]
    for k in range(8):
        most = max(most, lanes[k])
    return most


cdef class Rules:
    """How a token is drawn.

    Parameters
    ----------
    temperature : float
        The logarithms of the probabilities are divided by it; 0 takes the most
        probable token.
    top_k : int
        How many of the most probable tokens may be drawn; 0 is all.
    top_p : float
        Then, only the most probable ones that have this share together; 1 is all.
    allowed : ndarray of shape (n_tokens,), dtype uint8
        Which tokens may be drawn.
    """
    cdef const Table* table
    cdef double temperature, top_p
    cdef Py_ssize_t top_k, n_tokens
    cdef const unsigned char[::1] allowed
    cdef double[::1] weight, sums
    cdef Py_ssize_t[::1] heap
    cdef unsigned char[::1] kept

    def __init__(self, double temperature, Py_ssize_t top_k, double top_p, allowed):
        self.table = find_table(np.float64)
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.allowed = np.ascontiguousarray(allowed, dtype=np.uint8)
        self.n_tokens = len(allowed)
        if not np.any(allowed):
            raise ValueError("there is no token to draw.")
        self.weight, self.sums = np.empty(self.n_tokens), np.empty(self.n_tokens)
        self.heap = np.empty(self.n_tokens, dtype=np.intp)
        self.kept = np.empty(self.n_tokens, dtype=np.uint8)

    def draw(self, const double[::1] z, double u):
        """Return the token that is drawn from log-probabilities z by u in [0, 1)."""
        if z.shape[0] != self.n_tokens:
            raise ValueError(f"{z.shape[0]} values for {self.n_tokens} tokens.")
        return self.choose(&z[0], u)

    cdef Py_ssize_t choose(self, const double* z, double u) noexcept nogil:
        cdef Py_ssize_t k, low = 0, high, n = self.n_tokens
        cdef double* weight = &self.weight[0]
        cdef double* sums = &self.sums[0]
        cdef const unsigned char* allowed = &self.allowed[0]
        cdef double most, total = 0, temperature = self.temperature
        most = largest(z, allowed, n)
        if temperature == 0:
            while not allowed[low] or z[low] < most:
                low += 1
            return low
        for k in range(n):
            weight[k] = (z[k] - most) / temperature if allowed[k] else -INFINITY
        self.table.exponential(weight, weight, n)
        if 0 < self.top_k < n or self.top_p < 1:
            self.cut()
        for k in range(n):
            total += weight[k]
            sums[k] = total
        # The first token whose sum is above u has a weight, since the sum grows there.
        u *= total
        high = n
        while low < high:
            k = (low + high) // 2
            if sums[k] > u:
                high = k
            else:
                low = k + 1
        if low == n:
            low = n - 1
            while weight[low] == 0:
                low -= 1
        return low

    cdef void cut(self) noexcept nogil:
        """Set the weights of tokens to zero that may not be drawn."""
        cdef Py_ssize_t i, k, n = 0, left
        cdef double total = 0, sum_ = 0
        for k in range(self.n_tokens):
            self.kept[k] = False
            if self.weight[k] > 0:
                self.heap[n] = k
                n += 1
        for i in range(n // 2 - 1, -1, -1):
            self.sift(i, n)
        left = n
        if 0 < self.top_k < n:
            left = self.top_k
        # The most probable ones, of which the first ones may be enough.
        for i in range(left):
            k = self.heap[0]
            self.heap[0] = self.heap[n - 1 - i]
            self.heap[n - 1 - i] = k
            self.sift(0, n - 1 - i)
            total += self.weight[k]
        for i in range(left):
            k = self.heap[n - 1 - i]
            self.kept[k] = True
            sum_ += self.weight[k]
            if sum_ >= self.top_p * total:
                break
        for k in range(self.n_tokens):
            if not self.kept[k]:
                self.weight[k] = 0

    cdef bint before(self, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
        # The more probable token comes first, of equal ones the first.
        if self.weight[a] != self.weight[b]:
            return self.weight[a] > self.weight[b]
        return a < b

    cdef void sift(self, Py_ssize_t i, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t child, k = self.heap[i]
        while 2 * i + 1 < n:
            child = 2 * i + 1
            if child + 1 < n and self.before(self.heap[child + 1], self.heap[child]):
                child += 1
            if not self.before(self.heap[child], k):
                break
            self.heap[i] = self.heap[child]
            i = child
        self.heap[i] = k


cdef class Writer:
    """Rows of texts that a network writes side by side.

    Parameters
    ----------
    stepper : Stepper
        Of the network's layers.
    head : Linear
        From states to the outputs of tokens.
    table : ndarray of shape (n_ids, n_in)
        What the first layer reads of each id.
    seeds : ndarray of shape (n_rows,), uint64
        Of the generator of each row.
    mixer : Mixer, default=None
        Counts of n-grams that the probabilities are mixed with.
    begin : int, default=-1
        The id that is read before a text.
    starts : ndarray of shape (n_ids, accumulators * width), default=None
        What the sums of the first layer start from for each id, in place of `table`:
        see StartRows.

    Attributes
    ----------
    current : ndarray of shape (n_rows,), int32
        The id that each row reads next.
    active : ndarray of shape (n_rows,), uint8
        Which rows have not come to their end.
    """
    cdef Stepper stepper
    cdef Linear head
    cdef object table
    cdef const char* rows_of_table
    cdef Py_ssize_t n_ids, n_rows, row_size
    cdef Buffer x, raw
    cdef double[::1] z
    cdef const uint64_t[::1] seeds
    cdef int64_t[::1] n_drawn
    cdef readonly object current, active
    cdef Mixer mixer
    cdef int begin
    cdef int[:, ::1] contexts      # the newest tokens of each row last
    cdef double[::1] row
    cdef object starts

    def __init__(
        self, Stepper stepper, Linear head, table, seeds, Mixer mixer=None,
        int begin=-1, starts=None
    ):
        cdef Py_ssize_t ld
        self.stepper, self.head = stepper, head
        if head.n_in != stepper.n_units or head.dtype != stepper.dtype:
            raise ValueError("the head does not fit onto the layers.")
        self.table = np.ascontiguousarray(table, dtype=stepper.dtype)
        self.n_ids, self.n_rows = len(table), stepper.n_rows
        self.rows_of_table = address(self.table, stepper.dtype, self.n_ids,
                                     stepper.n_in, &ld, "the table")
        self.row_size = stepper.n_in * stepper.itemsize
        self.starts = starts
        if starts is not None:
            stepper.runs[0].run.start = address(
                starts, stepper.dtype, self.n_ids, starts.shape[1], &ld, "starts")
            stepper.runs[0].run.n_start = stepper.n_in
        self.x, self.raw = Buffer(), Buffer()
        self.x.reserve(max(self.n_rows * self.row_size, 1))
        self.raw.reserve(self.n_rows * head.n_out * stepper.itemsize)
        self.z = np.empty(head.n_out)
        self.seeds = np.ascontiguousarray(seeds, dtype=np.uint64)
        if self.seeds.shape[0] != self.n_rows:
            raise ValueError(f"{len(seeds)} seeds for {self.n_rows} rows.")
        self.n_drawn = np.zeros(self.n_rows, dtype=np.int64)
        self.current = np.zeros(self.n_rows, dtype=np.int32)
        self.active = np.ones(self.n_rows, dtype=np.uint8)
        self.mixer, self.begin = mixer, begin
        if mixer is not None:
            if mixer.index.n_tokens != head.n_out:
                raise ValueError("the n-grams are those of other tokens.")
            width = mixer.index.order - 1
            self.contexts = np.full((self.n_rows, width), -1, dtype=np.int32)
            self.row = np.empty(head.n_out)

    cdef int check(self, const int32_t[::1] ids) except -1:
        cdef Py_ssize_t b
        for b in range(self.n_rows):
            if not 0 <= ids[b] < self.n_ids:
                raise IndexError(f"there is no id {ids[b]}.")
        return 0

    def read(self, const int32_t[:, ::1] ids, const char[:, ::1] which):
        """Read tokens that are given.

        Parameters
        ----------
        ids : (n_steps, n_rows)
        which : (n_steps, n_rows), int8
            The rows that read their token; the others stay as they are.
        """
        cdef Py_ssize_t s
        if not (ids.shape[1] == which.shape[1] == self.n_rows
                and ids.shape[0] == which.shape[0]):
            raise ValueError("the shapes do not match.")
        for s in range(ids.shape[0]):
            self.check(ids[s])
        with nogil:
            for s in range(ids.shape[0]):
                self.advance(&ids[s, 0])
                self.stepper.commit_rows(&which[s, 0])
                self.remember(&ids[s, 0], &which[s, 0])

    def write(self, Py_ssize_t n_steps, Rules rules, Py_ssize_t end,
              bint scored=True):
        """Write tokens.

        Parameters
        ----------
        n_steps : int
            How many, at most.
        rules : Rules
        end : int
            The token after which a row has come to its end, -1 if there is no such.
        scored : bool
            Whether the probabilities of the tokens are wanted.

        Returns
        -------
        ids : ndarray of shape (n_steps, n_rows), int32
            -1 in rows that had come to their end.
        log_proba : ndarray of the same shape
            The logarithm of each token's probability, without the rules; 0 if that is
            not wanted.
        """
        cdef Py_ssize_t s, b
        found = np.full((n_steps, self.n_rows), -1, dtype=np.int32)
        values = np.zeros((n_steps, self.n_rows))
        cdef int32_t[:, ::1] out = found
        cdef double[:, ::1] log_proba = values
        cdef int32_t[::1] current = self.current
        cdef unsigned char[::1] active = self.active
        cdef bint going = True
        if rules.n_tokens != self.head.n_out or self.head.n_out > self.n_ids:
            raise ValueError("the rules are those of other tokens.")
        self.check(current)
        with nogil:
            for s in range(n_steps):
                if not going:
                    break
                self.advance(&current[0])
                self.head.run(self.stepper.states(), self.stepper.ld_states(),
                              self.raw.data, self.head.n_out, self.n_rows)
                self.stepper.commit_rows(NULL)
                self.remember(&current[0], NULL)
                going = False
                for b in range(self.n_rows):
                    if active[b]:
                        out[s, b] = self.draw(b, rules, scored, &log_proba[s, b])
                        current[b] = out[s, b]
                        active[b] = out[s, b] != end
                        going = going or active[b]
        return found, values

    cdef void advance(self, const int32_t* ids) noexcept nogil:
        cdef Py_ssize_t b
        if self.starts is not None:
            self.stepper.runs[0].run.start_row = <const int*>ids
            self.stepper.advance(self.x.data, 0)
            return
        for b in range(self.n_rows):
            memcpy(self.x.data + b * self.row_size,
                   self.rows_of_table + ids[b] * self.row_size, self.row_size)
        self.stepper.advance(self.x.data, self.stepper.n_in)

    cdef void remember(self, const int32_t* ids, const char* which) noexcept nogil:
        """Put the tokens that rows have read at the end of their contexts."""
        cdef Py_ssize_t b, k, width
        if self.mixer is None or self.contexts.shape[1] == 0:
            return
        width = self.contexts.shape[1]
        for b in range(self.n_rows):
            if which != NULL and not which[b]:
                continue
            if ids[b] == self.begin:
                for k in range(width):
                    self.contexts[b, k] = -1
                self.contexts[b, width - 1] = self.mixer.index.n_tokens
                continue
            memmove(&self.contexts[b, 0], &self.contexts[b, 0] + 1,
                    (width - 1) * sizeof(int))
            self.contexts[b, width - 1] = ids[b]

    cdef int32_t draw(self, Py_ssize_t b, Rules rules, bint scored,
                      double* log_proba) noexcept nogil:
        cdef Py_ssize_t k, n = self.head.n_out, token, width
        cdef double most = -INFINITY, rest = 0
        cdef double* z = &self.z[0]
        cdef const int* newest = NULL
        cdef const char* row = self.raw.data + b * n * self.stepper.itemsize
        if self.stepper.itemsize == 4:
            for k in range(n):
                z[k] = (<const float*>row)[k]
        else:
            memcpy(z, row, n * sizeof(double))
        if scored or self.mixer is not None:
            for k in range(n):
                most = max(most, z[k])
        if self.mixer is not None:
            for k in range(n):
                rest += exp(self.z[k] - most)
            rest = most + log(rest)
            for k in range(n):
                self.z[k] -= rest
            width = self.contexts.shape[1]
            if width > 0:
                newest = &self.contexts[b, width - 1]
            self.mixer.mix_row(newest, width, &self.z[0], &self.row[0])
            token = rules.choose(&self.z[0], self.unit(b))
            log_proba[0] = self.z[token]
            return <int32_t> token
        token = rules.choose(&self.z[0], self.unit(b))
        if not scored:
            return <int32_t> token
        for k in range(n):
            rest += exp(self.z[k] - most)
        log_proba[0] = self.z[token] - most - log(rest)
        return <int32_t> token

    cdef double unit(self, Py_ssize_t b) noexcept nogil:
        cdef double u = uniform_at(self.seeds[b], self.n_drawn[b])
        self.n_drawn[b] += 1
        return u
