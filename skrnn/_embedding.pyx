"""Rows of a table for the ids of a batch, and their gradient.

All works on the distinct ids of a batch. A gradient is first summed for each of them:
its rows in order, in chunks of a fixed number of rows, so that the bits depend neither
on threads, of which there is one, nor on where an id stands in the table.
"""

import numpy as np

from cython cimport floating
from libc.string cimport memset, strlen

from skrnn._memory cimport Buffer, address
from skrnn._recurrence cimport PackedShape, Recurrence

cdef enum:
    CHUNK = 256                  # rows that are summed before they are added


class DistinctIds:
    """Which ids a batch has, and where.

    Attributes
    ----------
    ids : ndarray of int32 (n_distinct,)
        In the order in which they come first.
    inverse : ndarray of intp (n_rows,)
        ``ids[inverse]`` are the ids of the rows.
    order : ndarray of intp (n_rows,)
        The rows by id; those of the same id keep their order.
    starts : ndarray of intp (n_distinct + 1,)
        ``order[starts[u] : starts[u + 1]]`` are the rows of ``ids[u]``.
    """

    __slots__ = ("ids", "inverse", "order", "starts")

    def __init__(self, ids, inverse, order, starts):
        self.ids, self.inverse, self.order, self.starts = ids, inverse, order, starts

    def __len__(self):
        return len(self.ids)


cdef class IdIndex:
    """Finds the distinct ids of batches, in time that their rows alone decide.

    Parameters
    ----------
    n_ids : int
        Ids are 0 .. n_ids - 1.
    """

    cdef readonly Py_ssize_t n_ids
    cdef int[::1] place          # of each id among the distinct ones; -1 between calls

    def __init__(self, Py_ssize_t n_ids):
        if not 1 <= n_ids < 2**31:
            raise ValueError(f"There are 1 to 2**31 - 1 ids, got {n_ids}.")
        self.n_ids = n_ids
        self.place = np.full(n_ids, -1, dtype=np.int32)

    def distinct(self, const int[:] ids):
        """Return the DistinctIds of the rows of a batch.

        Parameters
        ----------
        ids : ndarray of int32 (n_rows,)
        """
        cdef Py_ssize_t r, u, n_rows = ids.shape[0], n = 0
        cdef int[::1] found = np.empty(min(n_rows, self.n_ids), dtype=np.int32)
        inverse = np.empty(n_rows, dtype=np.intp)
        order = np.empty(n_rows, dtype=np.intp)
        cdef Py_ssize_t[::1] to_distinct = inverse, rows = order, starts, free
        for r in range(n_rows):
            if not 0 <= ids[r] < self.n_ids:
                raise IndexError(
                    f"Row {r} has the id {ids[r]}, of {self.n_ids} ids from 0 on.")
        with nogil:
            for r in range(n_rows):
                if self.place[ids[r]] < 0:
                    self.place[ids[r]] = <int>n
                    found[n] = ids[r]
                    n += 1
                to_distinct[r] = self.place[ids[r]]
            for u in range(n):
                self.place[found[u]] = -1
        kept = np.zeros(n + 1, dtype=np.intp)
        starts, free = kept, np.empty(n, dtype=np.intp)
        with nogil:
            for r in range(n_rows):
                starts[to_distinct[r] + 1] += 1
            for u in range(n):
                starts[u + 1] += starts[u]
                free[u] = starts[u]
            for r in range(n_rows):
                u = to_distinct[r]
                rows[free[u]] = r
                free[u] += 1
        return DistinctIds(np.asarray(found)[:n], inverse, order, kept)


def distinct_pairs(found, const int[::1] other, Py_ssize_t n_other):
    """Return the DistinctIds of rows whose ids are pairs.

    The ids are 0, 1, ... in the order in which the pairs come first.

    Parameters
    ----------
    found : DistinctIds
        Of the first id of each row.
    other : ndarray of int32 (n_rows,)
        The second id of each row, 0 .. n_other - 1.
    n_other : int
    """
    cdef const Py_ssize_t[::1] order = found.order, starts = found.starts
    cdef Py_ssize_t u, i, r, n = 0, n_rows = order.shape[0]
    cdef int[::1] pair = np.empty(n_rows, dtype=np.int32)
    # What each second id was last seen with, and which pair that is.
    cdef Py_ssize_t[::1] seen = np.full(n_other, -1, dtype=np.intp)
    cdef int[::1] place = np.empty(n_other, dtype=np.int32)
    if other.shape[0] != n_rows:
        raise ValueError(f"{n_rows} rows need as many ids, got {other.shape[0]}.")
    for r in range(n_rows):
        if not 0 <= other[r] < n_other:
            raise IndexError(f"Row {r} has the id {other[r]}, of {n_other} from 0 on.")
    with nogil:
        for u in range(starts.shape[0] - 1):
            for i in range(starts[u], starts[u + 1]):
                r = order[i]
                if seen[other[r]] != u:
                    seen[other[r]] = u
                    place[other[r]] = <int>n
                    n += 1
                pair[r] = place[other[r]]
    pairs = IdIndex(max(n, 1)).distinct(pair)
    return DistinctIds(np.arange(n, dtype=np.int32), pairs.inverse, pairs.order,
                       pairs.starts)


cdef int refuse_strides(const floating[:, :] x) except -1:
    if x.shape[1] > 1 and x.strides[1] != <Py_ssize_t>sizeof(floating):
        raise ValueError("Rows must be contiguous.")
    return 0


def gather(
    const floating[:, :] table,        # IN  (n_table, n_columns)
    const Py_ssize_t[::1] index,       # IN  (n_rows,)
    const floating[::1] factor,        # IN  (n_rows,) of each row, or None
    floating[:, :] out,                # OUT (n_rows, n_columns)
):
    """out = table[index], each row times its factor."""
    cdef Py_ssize_t r, j, n = table.shape[1]
    cdef const floating* source
    cdef floating* target
    cdef floating by = 1
    cdef bint scaled = factor is not None
    if out.shape[0] != index.shape[0] or out.shape[1] != n or (
            scaled and factor.shape[0] != index.shape[0]):
        raise ValueError(f"out must have {index.shape[0]} rows of {n} columns.")
    refuse_strides(table)
    refuse_strides(out)
    for r in range(index.shape[0]):
        if not 0 <= index[r] < table.shape[0]:
            raise IndexError(f"Row {index[r]} of a table of {table.shape[0]} rows.")
    if n == 0:
        return
    with nogil:
        for r in range(index.shape[0]):
            source, target = &table[index[r], 0], &out[r, 0]
            if scaled:
                by = factor[r]
                for j in range(n):
                    target[j] = by * source[j]
            else:
                for j in range(n):
                    target[j] = source[j]


def row_factors(
    const floating[:, ::1] mask,       # IN  (n_seqs, n_distinct)
    const Py_ssize_t[::1] inverse,     # IN  (n_rows,)
    const int[::1] n_active,           # IN  (n_steps,)
    floating[::1] out,                 # OUT (n_rows,)
):
    """What a mask of whole ids for each sequence is for each packed row."""
    cdef Py_ssize_t t, b, r = 0
    cdef Py_ssize_t total = 0
    for t in range(n_active.shape[0]):
        if n_active[t] > mask.shape[0]:
            raise ValueError(f"mask must have a row for each of {n_active[t]}.")
        total += n_active[t]
    if total != inverse.shape[0] or total != out.shape[0]:
        raise ValueError(f"{total} packed rows need as many numbers.")
    for r in range(total):
        if not 0 <= inverse[r] < mask.shape[1]:
            raise IndexError(f"mask has no column {inverse[r]}.")
    r = 0
    with nogil:
        for t in range(n_active.shape[0]):
            for b in range(n_active[t]):
                out[r] = mask[b, inverse[r]]
                r += 1


def sum_by_id(
    const floating[:, :] drows,        # IN  (n_rows, n_columns)
    const Py_ssize_t[::1] order,       # IN  (n_rows,)
    const Py_ssize_t[::1] starts,      # IN  (n_distinct + 1,)
    const floating[::1] factor,        # IN  (n_rows,) of each row, or None
    floating[:, ::1] out,              # OUT (n_distinct, n_columns)
):
    """out = for each id the sum of its rows times their factors, in order."""
    cdef Py_ssize_t u, i, stop, j, n = out.shape[1], n_distinct = out.shape[0]
    cdef floating* total
    cdef floating[::1] part = np.empty(max(n, 1), dtype=np.asarray(out).dtype)
    cdef bint scaled = factor is not None
    if (drows.shape[0] != order.shape[0] or drows.shape[1] != n
            or starts.shape[0] != n_distinct + 1
            or starts[n_distinct] != order.shape[0]
            or (scaled and factor.shape[0] != order.shape[0])):
        raise ValueError(f"The arrays do not fit {n_distinct} ids of {n} columns.")
    refuse_strides(drows)
    if n == 0:
        return
    with nogil:
        for u in range(n_distinct):
            total = &out[u, 0]
            memset(total, 0, n * sizeof(floating))
            i = starts[u]
            while i < starts[u + 1]:
                stop = min(i + CHUNK, starts[u + 1])
                memset(&part[0], 0, n * sizeof(floating))
                while i < stop:
                    add_row(&part[0], &drows[order[i], 0], n,
                            factor[order[i]] if scaled else 1)
                    i += 1
                for j in range(n):
                    total[j] += part[j]


cdef inline void add_row(floating* total, const floating* row, Py_ssize_t n,
                         floating by) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        total[j] += by * row[j]


# ------------------------------------------------------------------ starts of sums


cdef class StartRows:
    """What the sums of a recurrence start from, for rows that many steps share.

    A start is the bias and the product of the recurrence's first inputs with W, in the
    order of summation of the recurrence: to start from it, or to read these inputs at
    each step, gives the same bits.

    Parameters
    ----------
    recurrence : Recurrence
    n_start : int
        How many inputs these are.
    """

    cdef Recurrence recurrence
    cdef readonly Py_ssize_t n_start
    cdef Buffer panels, panels_back
    cdef object W                # (n_start, n_gates * width) of the last `make`
    cdef readonly object table   # (n, accumulators * width) the starts that it made
    cdef object e, rows

    def __init__(self, Recurrence recurrence, Py_ssize_t n_start):
        if not 1 <= n_start <= recurrence.w.n_in:
            raise ValueError(f"n_start is 1 to {recurrence.w.n_in}, got {n_start}.")
        self.recurrence, self.n_start = recurrence, n_start
        self.panels, self.panels_back = Buffer(), Buffer()

    cdef list blocks(self, const char* gates):
        # (columns of a parameter, columns of as many accumulators) for each gate.
        cdef Py_ssize_t n = self.recurrence.w.n_units, width = self.recurrence.w.width
        return [
            (slice((gates[a] - c"0") * n, (gates[a] - c"0") * n + n),
             slice(a * width, a * width + n))
            for a in range(strlen(gates))
        ]

    def make(self, e, rows):
        """Make the starts for the weights that are loaded.

        Parameters
        ----------
        e : ndarray (n, n_start)
            The inputs that many steps share.
        rows : ndarray of int32 (n_rows,)
            Which row of e each packed row has.
        """
        cdef Recurrence r = self.recurrence
        cdef Py_ssize_t width = r.w.width, k = self.n_start, lde, ld, n = len(e)
        cdef Py_ssize_t n_out = r.w.cell.accumulators * width
        W = np.zeros((k, n_out), dtype=r.dtype)
        bias = np.zeros((1, n_out), dtype=r.dtype)
        self.W = W[:, r.w.cell.x_first * width :][:, : r.n_gates * width]
        for source, target in self.blocks(r.w.cell.w_gates):
            self.W[:, target] = r.W[:k, source]
        for source, target in self.blocks(r.w.cell.biases):
            bias[:, target] = r.b[:, source]
        out = np.empty((n, n_out), dtype=r.dtype)
        self.panels.reserve(r.table.product_size(k, n_out) * r.itemsize)
        r.table.pack_product(self.panels.data, address(W, r.dtype, k, n_out, &ld, "W"),
                             k, n_out, ld, 0)
        cdef char* pe = address(e, r.dtype, n, k, &lde, "e")
        cdef char* pbias = address(bias, r.dtype, 1, n_out, &ld, "b")
        cdef char* pout = address(out, r.dtype, n, n_out, &ld, "out")
        with nogil:
            r.table.product(self.panels.data, k, n_out, pe, lde, pbias, pout, ld, 0, n)
        self.e, self.table = e, out
        self.rows = np.ascontiguousarray(rows, dtype=np.int32)
        return self

    def attach(self, PackedShape shape, x):
        """Let the pass of the recurrence that begins start from here."""
        cdef Recurrence r = self.recurrence
        cdef const int[::1] rows = self.rows
        cdef Py_ssize_t i, ld, n = len(self.table)
        if (rows.shape[0] != shape.n_rows
                or x.shape[1] + self.n_start != r.w.n_in):
            raise ValueError(
                f"{shape.n_rows} rows of {r.w.n_in} inputs, of which {self.n_start} are"
                f" in the starts, got {rows.shape[0]} starts and {x.shape[1]} inputs.")
        for i in range(rows.shape[0]):
            if not 0 <= rows[i] < n:
                raise IndexError(f"There is no row {rows[i]} among {n} starts.")
        r.run.start = address(self.table, r.dtype, n,
                              r.w.cell.accumulators * r.w.width, &ld, "starts")
        r.run.start_row = &rows[0]
        r.run.n_start = self.n_start

    def gradient_of_sums(self):
        """The gradient of what the inputs add up to, after `Recurrence.backward`.

        Returns
        -------
        dz : ndarray (n_rows, n_gates * width)
            Gates in the order of the accumulators; a view, good until the next call.
        """
        cdef Recurrence r = self.recurrence
        return np.ndarray((r.shape.n_rows, r.n_gates * r.w.width), r.dtype,
                          buffer=r.z.array,
                          offset=r.w.cell.x_first * r.w.width * r.itemsize,
                          strides=(r.run.ldz * r.itemsize, r.itemsize))

    def room(self, Py_ssize_t n_columns):
        """Return the memory of the starts, which nobody reads any more, as rows."""
        n = len(self.table)
        return self.table.reshape(-1)[: n * n_columns].reshape(n, n_columns)

    def backward(self, sums, dW, de):
        """Gradients of what `make` was given, after `Recurrence.backward`.

        Parameters
        ----------
        sums : ndarray (n, n_gates * width)
            `gradient_of_sums` summed over the packed rows of each row of e.
        dW : ndarray (n_in, n_gates * n_units)
            The gradient of its first rows is added to them.
        de : ndarray (n, n_start) or None
            Filled with the gradient of e.
        """
        e = self.e
        cdef Recurrence r = self.recurrence
        cdef Py_ssize_t k = self.n_start, n = len(e), n_sums = r.n_gates * r.w.width
        cdef Py_ssize_t lde, lds, ldp, ldd, ldw
        part = np.zeros((k, n_sums), dtype=r.dtype)
        cdef char* pe = address(e, r.dtype, n, k, &lde, "e")
        cdef char* ps = address(sums, r.dtype, n, n_sums, &lds, "sums")
        cdef char* pp = address(part, r.dtype, k, n_sums, &ldp, "part")
        cdef char* pd = NULL
        cdef char* pW = address(self.W, r.dtype, k, n_sums, &ldw, "W")
        if de is not None:
            pd = address(de, r.dtype, n, k, &ldd, "de")
            self.panels_back.reserve(r.table.product_size(n_sums, k) * r.itemsize)
        with nogil:
            r.table.outer(pp, ldp, pe, lde, k, ps, lds, n_sums, 0, n)
            if pd != NULL:
                r.table.pack_product(self.panels_back.data, pW, n_sums, k, ldw, 1)
                r.table.product(self.panels_back.data, n_sums, k, ps, lds, NULL, pd,
                                ldd, 0, n)
        for target, source in self.blocks(r.w.cell.w_gates):
            dW[:k, target] += part[:, source]
