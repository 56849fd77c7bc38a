"""Compiled passes over sequences where they lie in the user's memory.

A `Table` describes each sequence by the address of its first number, two strides and
a length, so that float32 and float64 arrays of any layout are read without a copy.
It is made from the arrays themselves, is never changed, and holds a reference to
them: no pass can read outside of what the user gave.

Nothing here depends on which sequences are read together, so the bits do not either.
"""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_SIMPLE,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.math cimport HUGE_VAL, fabs, sqrt
from libc.stdint cimport INT32_MAX, int32_t
from libc.stdlib cimport calloc, free, malloc

import sys

import numpy as np

ctypedef fused source:
    float
    double

ctypedef fused target:
    float
    double

cdef struct View:
    const char *address  # of the first feature of the first step
    Py_ssize_t step  # bytes from one step to the next
    Py_ssize_t feature  # bytes from one feature to the next
    Py_ssize_t length  # steps
    Py_ssize_t row  # which of the user's sequences it is
    int itemsize  # 4: float32, 8: float64, 0: must be converted to be read


cdef object empty = np.empty
cdef object intp = np.dtype(np.intp)
cdef object int32 = np.dtype(np.int32)
cdef object float32 = np.dtype(np.float32)
cdef object float64 = np.dtype(np.float64)
cdef type ndarray = np.ndarray
cdef char own_order = c"<" if sys.byteorder == "little" else c">"


cdef int itemsize_of(const Py_buffer *buffer) noexcept nogil:
    """4 or 8 for native floats, 0 for other real numbers, -1 for what is neither."""
    cdef const char *format = buffer.format
    cdef bint native = True
    if format == NULL:
        return -1
    # Not aligned, or with an order of bytes of its own, perhaps that of the machine.
    if format[0] in (c"^", c"=", c"<", c">"):
        native = format[0] == own_order
        format += 1
    if format[0] == 0 or format[1] != 0:
        return -1
    if native and format[0] == c"f" and buffer.itemsize == 4:
        return 4
    if native and format[0] == c"d" and buffer.itemsize == 8:
        return 8
    cdef const char *real = b"?bBhHiIlLqQefdg"
    while real[0] != 0 and real[0] != format[0]:
        real += 1
    return 0 if real[0] != 0 else -1


cdef void check_alignment(View *view, Py_ssize_t n_features) noexcept nogil:
    # What the compiled loops may not read in place is converted first.
    if view.itemsize > 0 and (
        <size_t> view.address % view.itemsize
        or (view.length > 1 and view.step % view.itemsize)
        or (n_features > 1 and view.feature % view.itemsize)
    ):
        view.itemsize = 0


cdef void *pointer(object array, Py_buffer *buffer, int flags) except NULL:
    PyObject_GetBuffer(array, buffer, PyBUF_SIMPLE | flags)
    return buffer.buf


cdef class Table:
    """Where sequences lie in memory. Made by `describe` and `describe_block`."""

    cdef View *views
    cdef readonly Py_ssize_t n_seqs
    cdef readonly Py_ssize_t n_features
    cdef readonly bint native  # all can be read without conversion
    cdef readonly object owner  # keeps the memory; owner[row] is a sequence

    def __cinit__(self):
        self.views = NULL

    def __dealloc__(self):
        free(self.views)

    def __init__(self):
        raise TypeError("A Table is made by describe or describe_block.")

    @property
    def lengths(self):
        lengths = empty(self.n_seqs, intp)
        cdef Py_buffer buffer
        cdef Py_ssize_t *out = <Py_ssize_t *> pointer(lengths, &buffer, PyBUF_WRITABLE)
        cdef Py_ssize_t i
        for i in range(self.n_seqs):
            out[i] = self.views[i].length
        PyBuffer_Release(&buffer)
        return lengths

    @property
    def rows(self):
        """For each sequence of this table: which of the user's it is."""
        rows = empty(self.n_seqs, intp)
        cdef Py_buffer buffer
        cdef Py_ssize_t *out = <Py_ssize_t *> pointer(rows, &buffer, PyBUF_WRITABLE)
        cdef Py_ssize_t i
        for i in range(self.n_seqs):
            out[i] = self.views[i].row
        PyBuffer_Release(&buffer)
        return rows

    def row(self, Py_ssize_t i):
        """Which of the user's sequences is sequence `i` of this table."""
        if not 0 <= i < self.n_seqs:
            raise IndexError(f"sequence {i} of {self.n_seqs}")
        return self.views[i].row

    def is_native(self, Py_ssize_t i):
        if not 0 <= i < self.n_seqs:
            raise IndexError(f"sequence {i} of {self.n_seqs}")
        return self.views[i].itemsize != 0

    def take(self, indices):
        """The table of the sequences `indices` (intp, contiguous), same memory."""
        cdef Py_buffer buffer
        cdef const Py_ssize_t *index = <const Py_ssize_t *> pointer(indices, &buffer, 0)
        cdef Py_ssize_t n = buffer.len // <Py_ssize_t> sizeof(Py_ssize_t), i
        cdef Table taken
        try:
            taken = new_table(n, self.n_features, self.owner)
            for i in range(n):
                if not 0 <= index[i] < self.n_seqs:
                    raise IndexError(f"sequence {index[i]} of {self.n_seqs}")
                taken.views[i] = self.views[index[i]]
                taken.native &= taken.views[i].itemsize != 0
        finally:
            PyBuffer_Release(&buffer)
        return taken

    def steps(self, indices, Py_ssize_t first, Py_ssize_t stop):
        """The table of steps first..stop of the sequences `indices`, same memory.

        indices: intp, contiguous; each of the sequences has step `first`.
        """
        cdef Table taken = self.take(indices)
        cdef View *view
        cdef Py_ssize_t i
        for i in range(taken.n_seqs):
            view = &taken.views[i]
            if not 0 <= first < min(view.length, stop):
                raise IndexError(f"steps {first} to {stop} of {view.length}")
            view.address += first * view.step
            view.length = min(view.length, stop) - first
        return taken

    def first_bad(self, bint allow_nan):
        """The first native sequence with an infinity (or a NaN), -1 without one."""
        cdef Py_ssize_t i, found = -1
        cdef bint bad = False
        with nogil:
            for i in range(self.n_seqs):
                if self.views[i].itemsize == 4:
                    bad = is_bad[float](&self.views[i], self.n_features, allow_nan, 0)
                elif self.views[i].itemsize == 8:
                    bad = is_bad[double](&self.views[i], self.n_features, allow_nan, 0)
                if bad:
                    found = i
                    break
        return found

    def pack(
        self, indices, bint single, Py_ssize_t k, mean, scale, fill, bint indicator
    ):
        """Gather the sequences `indices` (intp, contiguous) into a packed batch.

        `mean` and `scale` (or None and None, without `indicator`) and `fill` are
        float64, contiguous, one for each of the k * n_features numbers of a segment.
        Returns x, n_active, offset, lengths, order and whether all of x is finite.
        """
        if k < 1:
            raise ValueError(f"segment_length={k} must be at least 1")
        if indicator and mean is None:
            raise ValueError("indicators need mean, scale and fill")
        if not self.native:
            raise ValueError("sequences of other types must be converted first")
        cdef Py_ssize_t n_in = k * self.n_features
        cdef Py_ssize_t width = 2 * n_in if indicator else n_in
        cdef Py_buffer at[9]
        cdef int held = 0
        cdef const Py_ssize_t *index
        cdef const double *shift = NULL
        cdef const double *divisor = NULL
        cdef const double *filling = NULL
        cdef Py_ssize_t *place = NULL
        cdef Py_ssize_t *offset
        cdef Py_ssize_t *lengths
        cdef Py_ssize_t *order
        cdef int32_t *n_active
        cdef void *x
        cdef Py_ssize_t n, i, j, b, t, length, n_steps = 0, running = 0
        cdef bint finite
        try:
            index = <const Py_ssize_t *> pointer(indices, &at[held], 0)
            n = at[held].len // <Py_ssize_t> sizeof(Py_ssize_t)
            held += 1
            if n > INT32_MAX:
                raise ValueError(f"{n} sequences are too many for one batch")
            if mean is not None:
                shift = <const double *> pointer(mean, &at[held], 0)
                held += 1
                check_size(&at[held - 1], n_in)
                divisor = <const double *> pointer(scale, &at[held], 0)
                held += 1
                check_size(&at[held - 1], n_in)
            if indicator:
                filling = <const double *> pointer(fill, &at[held], 0)
                held += 1
                check_size(&at[held - 1], n_in)
            for j in range(n):
                if not 0 <= index[j] < self.n_seqs:
                    raise IndexError(f"sequence {index[j]} of {self.n_seqs}")
                length = n_segments(self.views[index[j]].length, k)
                if length > n_steps:
                    n_steps = length

            active_array = empty(n_steps, int32)
            n_active = <int32_t *> pointer(active_array, &at[held], PyBUF_WRITABLE)
            held += 1
            offset_array = empty(n_steps + 1, intp)
            offset = <Py_ssize_t *> pointer(offset_array, &at[held], PyBUF_WRITABLE)
            held += 1
            lengths_array = empty(n, intp)
            lengths = <Py_ssize_t *> pointer(lengths_array, &at[held], PyBUF_WRITABLE)
            held += 1
            order_array = empty(n, intp)
            order = <Py_ssize_t *> pointer(order_array, &at[held], PyBUF_WRITABLE)
            held += 1
            place = <Py_ssize_t *> calloc(n_steps + 1, sizeof(Py_ssize_t))
            if place == NULL:
                raise MemoryError

            # A stable counting sort, longest first: the sequences that are longer than
            # a length come before it, and they are those alive at that step.
            for j in range(n):
                place[n_segments(self.views[index[j]].length, k)] += 1
            for t in range(n_steps, 0, -1):
                length = place[t]
                place[t] = running
                running += length
                n_active[t - 1] = <int32_t> running
            offset[0] = 0
            for t in range(n_steps):
                offset[t + 1] = offset[t] + n_active[t]
            for j in range(n):
                length = n_segments(self.views[index[j]].length, k)
                b = place[length]
                place[length] += 1
                order[b] = j
                lengths[b] = length

            x_array = empty((offset[n_steps], width), float32 if single else float64)
            x = pointer(x_array, &at[held], PyBUF_WRITABLE)
            held += 1
            with nogil:
                if single:
                    gather[float](
                        <float *> x, self.views, index, order, n, offset,
                        self.n_features, k, shift, divisor, filling,
                    )
                    finite = all_finite[float](<float *> x, offset[n_steps] * width)
                else:
                    gather[double](
                        <double *> x, self.views, index, order, n, offset,
                        self.n_features, k, shift, divisor, filling,
                    )
                    finite = all_finite[double](<double *> x, offset[n_steps] * width)
        finally:
            free(place)
            for i in range(held):
                PyBuffer_Release(&at[i])
        return x_array, active_array, offset_array, lengths_array, order_array, finite

    def add_sums(self, double[:, ::1] sums, const double[::1] center, weights):
        """Add to `sums` what the steps of these sequences hold.

        sums : (6, n_features): the weight of the known steps, the weighted sum of
        value - center, and of its square, each as a number and what was rounded off.
        `weights` is None or float64, one for each sequence.
        """
        cdef const double[::1] weight
        cdef Py_ssize_t F = self.n_features, i
        cdef double *scratch
        cdef double w = 1.0
        if sums.shape[0] != 6 or sums.shape[1] != F or center.shape[0] != F:
            raise ValueError("sums and center must have a column for each feature")
        if not self.native:
            raise ValueError("sequences of other types must be converted first")
        if weights is not None:
            weight = weights
            if weight.shape[0] != self.n_seqs:
                raise ValueError(f"{weight.shape[0]} weights, {self.n_seqs} sequences")
        if F == 0:
            return
        scratch = <double *> malloc(5 * F * sizeof(double))
        if scratch == NULL:
            raise MemoryError
        with nogil:
            for i in range(self.n_seqs):
                if weights is not None:
                    w = weight[i]
                    if w == 0:
                        continue
                if self.views[i].itemsize == 4:
                    sum_steps[float](scratch, &self.views[i], F, &center[0], 0)
                else:
                    sum_steps[double](scratch, &self.views[i], F, &center[0], 0)
                add_weighted(&sums[0, 0], scratch, F, w)
        free(scratch)

    def sum_each(self, double[:, :, ::1] parts, const double[::1] center):
        """Write what the steps of each sequence hold.

        parts : (n_seqs, 5, n_features): how many known steps there are, the sum of
        value - center and what was rounded off, and the sum of its square and what was
        rounded off.
        """
        cdef Py_ssize_t F = self.n_features, i
        if (
            parts.shape[0] != self.n_seqs or parts.shape[1] != 5
            or parts.shape[2] != F or center.shape[0] != F
        ):
            raise ValueError("parts and center must have a column for each feature")
        if not self.native:
            raise ValueError("sequences of other types must be converted first")
        if F == 0:
            return
        with nogil:
            for i in range(self.n_seqs):
                if self.views[i].itemsize == 4:
                    sum_steps[float](
                        &parts[i, 0, 0], &self.views[i], F, &center[0], 0
                    )
                else:
                    sum_steps[double](
                        &parts[i, 0, 0], &self.views[i], F, &center[0], 0
                    )


cdef Table new_table(Py_ssize_t n_seqs, Py_ssize_t n_features, object owner):
    cdef Table table = Table.__new__(Table)
    table.views = <View *> malloc(max(n_seqs, 1) * sizeof(View))
    if table.views == NULL:
        raise MemoryError
    table.n_seqs = n_seqs
    table.n_features = n_features
    table.native = True
    table.owner = owner
    return table


def describe(list arrays):
    """The `Table` of a list of arrays (n_steps, n_features) or (n_steps,).

    Or the index of the first that is not an ndarray of real numbers with steps and as
    many features as the first array.
    """
    cdef Py_ssize_t i, n_features = -1, features
    cdef Table table = new_table(len(arrays), 0, arrays)
    cdef View *view
    cdef Py_buffer buffer
    for i in range(table.n_seqs):
        array = arrays[i]
        if type(array) is not ndarray:
            return i
        try:
            PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return i
        view = &table.views[i]
        view.itemsize = itemsize_of(&buffer)
        view.row = i
        view.address = <const char *> buffer.buf
        features = 1
        if buffer.ndim == 1 or buffer.ndim == 2:
            view.length = buffer.shape[0]
            view.step = buffer.strides[0]
            view.feature = view.step
            if buffer.ndim == 2:
                features = buffer.shape[1]
                view.feature = buffer.strides[1]
        else:
            view.length = 0
        PyBuffer_Release(&buffer)
        if n_features < 0:
            n_features = features
        if view.itemsize < 0 or view.length < 1 or features != n_features:
            return i
        if features < 1:
            return i
        check_alignment(view, n_features)
        table.native &= view.itemsize != 0
    table.n_features = max(n_features, 0)
    return table


def describe_block(block):
    """The `Table` of an array (n_seqs, n_steps, n_features) or (n_seqs, n_steps)."""
    cdef Py_buffer buffer
    cdef Table table
    cdef Py_ssize_t i, n_features
    PyObject_GetBuffer(block, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)
    try:
        if buffer.ndim != 2 and buffer.ndim != 3:
            raise ValueError(f"a block has 2 or 3 dimensions, not {buffer.ndim}")
        n_features = buffer.shape[2] if buffer.ndim == 3 else 1
        table = new_table(buffer.shape[0], n_features, block)
        for i in range(table.n_seqs):
            table.views[i].itemsize = itemsize_of(&buffer)
            table.views[i].row = i
            table.views[i].address = <const char *> buffer.buf + i * buffer.strides[0]
            table.views[i].length = buffer.shape[1]
            table.views[i].step = buffer.strides[1]
            table.views[i].feature = buffer.strides[buffer.ndim - 1]
            if table.views[i].itemsize < 0 or table.views[i].length < 1:
                raise ValueError("a block holds real numbers and at least one step")
            check_alignment(&table.views[i], n_features)
            table.native &= table.views[i].itemsize != 0
    finally:
        PyBuffer_Release(&buffer)
    return table


def describe_lengths(const Py_ssize_t[::1] lengths, owner):
    """The `Table` of sequences of these lengths that have no numbers."""
    cdef Py_ssize_t i
    cdef Table table = new_table(lengths.shape[0], 0, owner)
    for i in range(table.n_seqs):
        if lengths[i] < 1:
            raise ValueError("a sequence has at least one step")
        table.views[i].itemsize = sizeof(double)
        table.views[i].row = i
        table.views[i].address = NULL
        table.views[i].length = lengths[i]
        table.views[i].step = 0
        table.views[i].feature = sizeof(double)
    return table


def gather_ids(
    const int32_t[:, ::1] ids,
    const Py_ssize_t[::1] start,
    const Py_ssize_t[::1] order,
    const Py_ssize_t[::1] lengths,
    const Py_ssize_t[::1] offset,
):
    """The ids of a packed batch, time-major like its rows.

    ids : (n_rows, n_columns) of all sequences, one below the other; start: (n_seqs,),
    the first row of each sequence of the batch, as it was given; order, lengths and
    offset: as `Table.pack` gives them.
    """
    cdef Py_ssize_t n = order.shape[0], n_columns = ids.shape[1]
    cdef Py_ssize_t n_rows = offset[offset.shape[0] - 1], b, t, j, first, row
    gathered = empty((n_rows, n_columns), int32)
    cdef int32_t[:, ::1] out = gathered
    if start.shape[0] != n or lengths.shape[0] != n:
        raise ValueError(f"{start.shape[0]} starts, {lengths.shape[0]} lengths, {n}")
    for b in range(n):
        if not 0 <= order[b] < n:
            raise IndexError(f"sequence {order[b]} of {n}")
        first = start[order[b]]
        if first < 0 or first + lengths[b] > ids.shape[0]:
            raise IndexError(f"rows from {first} on of {ids.shape[0]}")
        if lengths[b] >= offset.shape[0]:
            raise IndexError(f"{lengths[b]} steps of {offset.shape[0] - 1}")
        for t in range(lengths[b]):
            row = offset[t] + b
            if not 0 <= row < n_rows:
                raise IndexError(f"row {row} of {n_rows}")
            for j in range(n_columns):
                out[row, j] = ids[first + t, j]
    return gathered


cdef int check_size(const Py_buffer *buffer, Py_ssize_t n) except -1:
    if buffer.len != n * <Py_ssize_t> sizeof(double):
        raise ValueError(f"expected {n} float64 numbers")
    return 0


cdef inline Py_ssize_t n_segments(Py_ssize_t n_steps, Py_ssize_t k) noexcept nogil:
    return n_steps // k + (n_steps % k != 0)


cdef inline bint is_bad(
    const View *view, Py_ssize_t n_features, bint allow_nan, source zero
) noexcept nogil:
    cdef Py_ssize_t _t, f, n_rows = view.length, n = n_features
    cdef Py_ssize_t size = sizeof(source)
    cdef const char *row = view.address
    cdef source value
    cdef bint bad = False
    if view.feature == size or n == 1:
        if view.step == n * size:
            n *= n_rows
            n_rows = 1
        for _t in range(n_rows):
            if allow_nan:
                for f in range(n):
                    value = (<const source *> row)[f]
                    bad |= (value - value != 0) & (value == value)
            else:
                for f in range(n):
                    value = (<const source *> row)[f]
                    bad |= value - value != 0
            row += view.step
        return bad
    for _t in range(n_rows):
        for f in range(n):
            value = (<const source *> (row + f * view.feature))[0]
            bad |= (value - value != 0) & (value == value or not allow_nan)
        row += view.step
    return bad


cdef inline bint all_finite(const target *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef bint bad = False
    for i in range(n):
        bad |= x[i] - x[i] != 0
    return not bad


cdef void gather(
    target *x,  # OUT (n_rows, k * n_features) or twice as wide with `fill`
    const View *views,
    const Py_ssize_t *index,  # IN (n,)
    const Py_ssize_t *order,  # IN (n,)
    Py_ssize_t n,
    const Py_ssize_t *offset,  # IN (n_steps + 1,)
    Py_ssize_t n_features,
    Py_ssize_t k,
    const double *mean,  # IN (k * n_features,) or NULL
    const double *scale,  # IN (k * n_features,) or NULL
    const double *fill,  # IN (k * n_features,) or NULL: no indicators
) noexcept nogil:
    cdef Py_ssize_t b
    for b in range(n):
        if views[index[order[b]]].itemsize == 4:
            gather_one[target, float](
                x, &views[index[order[b]]], b, offset, n_features, k, mean, scale, fill,
                0,
            )
        else:
            gather_one[target, double](
                x, &views[index[order[b]]], b, offset, n_features, k, mean, scale, fill,
                0,
            )


cdef inline void gather_one(
    target *x, const View *view, Py_ssize_t b, const Py_ssize_t *offset,
    Py_ssize_t n_features, Py_ssize_t k, const double *mean, const double *scale,
    const double *fill, source zero,
) noexcept nogil:
    cdef Py_ssize_t n_in = k * n_features, size = sizeof(source)
    cdef Py_ssize_t width = 2 * n_in if fill != NULL else n_in
    cdef Py_ssize_t full = view.length // k, s = 0, j, t, at
    cdef Py_ssize_t stride = view.step if n_features == 1 else view.feature
    cdef const char *row = view.address
    cdef const source *values
    cdef target *out
    # One number a step: most of the time would go to calls for it.
    if fill == NULL and n_in == 1:
        for s in range(full):
            values = <const source *> row
            if mean == NULL:
                x[offset[s] + b] = <target> values[0]
            else:
                x[offset[s] + b] = <target> ((<double> values[0] - mean[0]) / scale[0])
            row += view.step
        return
    # A whole segment is one run of numbers when its steps lie end to end.
    if fill == NULL and (
        (view.step == n_features * size and (view.feature == size or n_features == 1))
        or n_features == 1 or k == 1
    ):
        for s in range(full):
            encode[target, source](
                x + (offset[s] + b) * width, row, stride, n_in, mean, scale, 0
            )
            row += k * view.step
        s = full
    while s * k < view.length:
        out = x + (offset[s] + b) * width
        for j in range(k):
            t = min(s * k + j, view.length - 1)
            row = view.address + t * view.step
            at = j * n_features
            if fill == NULL:
                encode[target, source](
                    out + at, row, view.feature, n_features,
                    mean + at if mean != NULL else NULL,
                    scale + at if mean != NULL else NULL, 0,
                )
            else:
                encode_known[target, source](
                    out + 2 * at, row, view.feature, n_features, mean + at, scale + at,
                    fill + at, 0,
                )
        s += 1


cdef inline void encode(
    target *out, const char *row, Py_ssize_t stride, Py_ssize_t n,
    const double *mean, const double *scale, source zero,
) noexcept nogil:
    cdef Py_ssize_t f
    cdef const source *values = <const source *> row
    if stride == <Py_ssize_t> sizeof(source):
        if mean == NULL:
            for f in range(n):
                out[f] = <target> values[f]
        else:
            for f in range(n):
                out[f] = <target> ((<double> values[f] - mean[f]) / scale[f])
    elif mean == NULL:
        for f in range(n):
            out[f] = <target> (<const source *> (row + f * stride))[0]
    else:
        for f in range(n):
            out[f] = <target> (
                (<double> (<const source *> (row + f * stride))[0] - mean[f]) / scale[f]
            )


cdef inline void encode_known(
    target *out, const char *row, Py_ssize_t stride, Py_ssize_t n,
    const double *mean, const double *scale, const double *fill, source zero,
) noexcept nogil:
    cdef Py_ssize_t f
    cdef double value
    cdef const source *values = <const source *> row
    if stride == <Py_ssize_t> sizeof(source):
        for f in range(n):
            value = <double> values[f]
            value = (value - mean[f]) / scale[f] if value == value else fill[f]
            out[f] = <target> value
        for f in range(n):
            out[n + f] = <target> (1 if values[f] == values[f] else 0)
    else:
        for f in range(n):
            value = <double> (<const source *> (row + f * stride))[0]
            out[n + f] = <target> (1 if value == value else 0)
            value = (value - mean[f]) / scale[f] if value == value else fill[f]
            out[f] = <target> value


include "_moments.pxi"
