"""One step of many streams at a time: the work of `Stream.step`.

The same kernels as a whole batch, with a batch of one step whose initial state is kept
from the step before; so the bits are those of the sequence so far.
"""

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cython cimport floating
from libc.string cimport memcpy

from skrnn._kernels.table cimport Run, Steps, Table, Weights
from skrnn._recurrence cimport Buffer, Linear, Recurrence

cdef enum:
    LAST, MEAN, MAX

cdef object float64 = np.dtype(np.float64)
cdef type ndarray = np.ndarray

POOLINGS = {"last": LAST, "mean": MEAN, "max": MAX}


# One layer: the state before in the first rows of h and m, the state after behind it.
cdef struct CursorRun:
    Run run
    const Weights* weights
    char* new_h
    Py_ssize_t n_bytes           # of n_seqs rows of a state


cdef class Cursor:
    """States of `n_seqs` streams that run through a network.

    Parameters
    ----------
    network : Network
        One direction, loaded; pooling last, mean or max.
    encoder : StepEncoder
    n_seqs : int
    """

    cdef const Table* table
    cdef object network, output
    cdef list buffers
    cdef CursorRun* runs
    cdef Linear head
    cdef Buffer segment, pooled, total, raw
    cdef int pooling
    cdef bint indicator
    cdef Py_ssize_t itemsize, n_layers, n_seqs, n_features, n_channels
    cdef Py_ssize_t segment_length, n_in, n_units
    cdef Py_ssize_t n_filled     # steps in the segment that is being filled
    cdef Py_ssize_t n_segments   # whole ones before it
    cdef const double[::1] mean, scale, fill
    cdef int[::1] active
    cdef Py_ssize_t[::1] offset
    cdef Steps steps

    def __init__(self, network, encoder, Py_ssize_t n_seqs):
        cdef Recurrence layer
        cdef CursorRun* run
        cdef Buffer h, m
        cdef Py_ssize_t i
        self.network = network
        self.head = network.readout.head
        self.table = self.head.table
        self.itemsize = self.table.itemsize
        self.pooling = POOLINGS[network.pooling.stream]
        self.n_seqs = n_seqs
        self.n_features = encoder.n_features
        self.indicator = encoder.missing == "indicator"
        self.n_channels = self.n_features * (2 if self.indicator else 1)
        self.segment_length = encoder.segment_length
        self.n_in = encoder.n_in
        self.mean = self.given(encoder.mean, 0)
        self.scale = self.given(encoder.scale, 1)
        self.fill = self.given(encoder.fill, 0)
        self.active = np.array([n_seqs], dtype=np.int32)
        self.offset = np.array([0, n_seqs], dtype=np.intp)
        self.steps.n_steps = 1
        self.steps.n_seqs = n_seqs
        self.steps.n_active = &self.active[0]
        self.steps.offset = &self.offset[0]
        self.n_layers = len(network.stack.recurrences)
        self.runs = <CursorRun*>PyMem_Calloc(self.n_layers, sizeof(CursorRun))
        if self.runs == NULL:
            raise MemoryError
        self.buffers = []
        for i in range(self.n_layers):
            layer = network.stack.recurrences[i][0]
            run = &self.runs[i]
            run.weights = &layer.w
            run.n_bytes = n_seqs * layer.w.width * self.itemsize
            # In training a kernel keeps all memories and does not overwrite them.
            run.run.training = True
            h, m = Buffer(), Buffer()
            h.reserve(2 * run.n_bytes)
            run.run.h = run.run.h_in = h.data
            run.new_h = h.data + run.n_bytes
            if layer.w.cell.has_memory:
                m.reserve(2 * run.n_bytes)
                run.run.m = m.data
            self.buffers.append((h, m))
        self.n_units = layer.w.n_units
        self.segment, self.pooled = Buffer(), Buffer()
        self.total, self.raw = Buffer(), Buffer()
        self.segment.reserve(n_seqs * self.n_in * self.itemsize)
        self.pooled.reserve(n_seqs * self.n_units * self.itemsize)
        self.total.reserve(n_seqs * self.n_units * self.itemsize)
        self.raw.reserve(n_seqs * self.head.n_out * self.itemsize)
        self.output = self.raw.array.view(self.head.dtype).reshape(n_seqs, -1)
        self.reset()

    def __dealloc__(self):
        PyMem_Free(self.runs)

    cdef given(self, values, default):
        if values is None:
            values = np.full(self.n_features, default)
        return np.ascontiguousarray(values, dtype=np.float64)

    def reset(self):
        """Begin new sequences."""
        self.n_filled = self.n_segments = 0
        for array in self.arrays().values():
            array[...] = 0

    def arrays(self):
        """The memory that a step leaves to the next one, by name."""
        cdef Buffer h, m
        arrays = {"segment": self.segment.array, "total": self.total.array}
        for k, (h, m) in enumerate(self.buffers):
            arrays[f"h{k}"] = h.array
            if m.array is not None:
                arrays[f"m{k}"] = m.array
        return {name: array.view(self.head.dtype) for name, array in arrays.items()}

    def get_state(self):
        """What the steps so far have left, as a dict of new arrays."""
        state = {name: array.copy() for name, array in self.arrays().items()}
        state["n_steps"] = np.array([self.n_segments, self.n_filled])
        return state

    def set_state(self, state):
        """Go on from a state of `get_state`."""
        arrays = self.arrays()
        if state.keys() != arrays.keys() | {"n_steps"} or any(
            state[name].shape != array.shape or state[name].dtype != array.dtype
            for name, array in arrays.items()
        ):
            raise ValueError(
                "The state is not of this model, or of another number of streams."
            )
        n_segments, n_filled = state["n_steps"]
        if n_segments < 0 or not 0 <= n_filled < self.segment_length:
            raise ValueError(f"The state cannot have n_steps={state['n_steps']}.")
        for name, array in arrays.items():
            array[...] = state[name]
        self.n_segments, self.n_filled = n_segments, n_filled

    def step(self, x):
        """Take one step of every stream and return what the network now gives.

        Parameters
        ----------
        x : array-like of shape (n_seqs, n_features), or (n_features,) of one stream

        Returns
        -------
        raw : ndarray of shape (n_seqs, n_out)
        """
        self.take(x)
        return self.output.copy()

    def choose(self, x):
        """Take one step of the only stream and return which output is the largest.

        Of a single output: 1 if it is positive, else 0.
        """
        cdef Py_ssize_t k, best = 0, n = self.head.n_out
        cdef double value, most
        self.take(x)
        most = self.raw_value(0)
        if n == 1:
            return int(most > 0)
        for k in range(1, n):
            value = self.raw_value(k)
            # The first NaN, if there is one, as numpy.argmax does.
            if most == most and not value <= most:
                best = k
                most = value
        return best

    def scaled(self, x, const double[::1] scale, const double[::1] mean):
        """Take one step of every stream and return raw * scale + mean.

        Returns
        -------
        values : ndarray of shape (n_seqs * n_out,), float64
        """
        cdef Py_ssize_t k, n = self.head.n_out
        cdef double[::1] values
        self.take(x)
        out = np.empty(self.n_seqs * n)
        values = out
        for k in range(self.n_seqs * n):
            values[k] = self.raw_value(k) * scale[k % n] + mean[k % n]
        return out

    cdef double raw_value(self, Py_ssize_t k) noexcept nogil:
        if self.itemsize == 8:
            return (<double*>self.raw.data)[k]
        return (<float*>self.raw.data)[k]

    cdef int take(self, x) except -1:
        cdef const double[::1] one
        cdef const double[:, ::1] many
        cdef const double* values = NULL
        cdef int bad
        if type(x) is not ndarray or x.dtype is not float64:
            x = self.numbers(x)
        if x.ndim == 1 and self.n_seqs == 1 and x.shape[0] == self.n_features:
            one = x if x.flags.carray else x.copy()  # contiguous and aligned
            values = &one[0]
        elif x.ndim == 2 and x.shape == (self.n_seqs, self.n_features):
            many = x if x.flags.carray else x.copy()
            values = &many[0, 0]
        else:
            self.refuse_shape(x)
        with nogil:
            bad = self.advance(values)
        if bad == 1:
            raise ValueError(
                "The step contains NaN, infinity or a value too large for"
                f" dtype('{self.head.dtype}'); the stream is as it was before it."
            )
        if bad:
            raise ValueError(
                "The step makes the network overflow: its values or the weights are"
                " too large; the stream is as it was before it."
            )
        return 0

    def numbers(self, x):
        """A step as float64, if it is of real numbers."""
        try:
            x = np.asarray(x)
            if x.dtype.kind == "O":
                x = np.asarray(x.tolist())  # of numbers, perhaps
            if x.dtype.kind == "O":
                x = x.astype(np.float64)
        except (OverflowError, TypeError, ValueError) as error:
            raise ValueError(
                f"A step must be an array of real numbers: {error}; the stream is as"
                " it was before it."
            ) from error
        if x.dtype.kind not in "biuf":
            raise ValueError(
                f"A step must be an array of real numbers, got {x.dtype}; the stream"
                " is as it was before it."
            )
        return np.asarray(x, dtype=np.float64)  # not a subclass

    def refuse_shape(self, x):
        expected = f"({self.n_seqs}, {self.n_features})"
        if self.n_seqs == 1:
            expected += f" or ({self.n_features},)"
        raise ValueError(f"A step must have shape {expected}, got {x.shape}.")

    cdef int advance(self, const double* x) noexcept nogil:
        # 1, and nothing changed, where x is not finite in the network's dtype; 2 where
        # the output is not, of which nothing is kept either.
        cdef Py_ssize_t i
        cdef double value
        cdef CursorRun* run
        cdef CursorRun* last = &self.runs[self.n_layers - 1]
        cdef bint bad
        if self.itemsize == 8:
            bad = fill_segment[double](<double*>self.segment.data, x, self)
        else:
            bad = fill_segment[float](<float*>self.segment.data, x, self)
        if bad:
            return 1
        for i in range(self.n_layers):
            run = &self.runs[i]
            run.run.has_initial = self.n_segments > 0
            if i == 0:
                run.run.x = self.segment.data
                run.run.ldx = self.n_in
            else:
                run.run.x = self.runs[i - 1].new_h
                run.run.ldx = self.runs[i - 1].weights.width
            self.table.forward(run.weights, &self.steps, &run.run, 0, self.n_seqs)
        if self.itemsize == 8:
            pool_segment[double](<double*>self.pooled.data, <double*>self.total.data,
                                 <double*>last.new_h, last.weights.width, self)
        else:
            pool_segment[float](<float*>self.pooled.data, <float*>self.total.data,
                                <float*>last.new_h, last.weights.width, self)
        self.table.product(self.head.panels.data, self.n_units, self.head.n_out,
                           self.pooled.data, self.n_units, self.head.bias.data,
                           self.raw.data, self.head.n_out, 0, self.n_seqs)
        for i in range(self.n_seqs * self.head.n_out):
            value = self.raw_value(i)
            if value - value != 0:
                return 2
        self.n_filled += 1
        if self.n_filled == self.segment_length:
            self.commit()
        return 0

    cdef void commit(self) noexcept nogil:
        # A whole segment was read: its states are what the next one starts from.
        cdef Py_ssize_t i
        cdef CursorRun* run = &self.runs[0]
        for i in range(self.n_layers):
            run = &self.runs[i]
            memcpy(run.run.h, run.new_h, run.n_bytes)
            if run.run.m != NULL:
                memcpy(run.run.m, <char*>run.run.m + run.n_bytes, run.n_bytes)
        if self.pooling == MEAN:
            # `pooled` has been divided: add once more.
            if self.itemsize == 8:
                add_segment[double](<double*>self.total.data, <double*>run.new_h,
                                    run.weights.width, self)
            else:
                add_segment[float](<float*>self.total.data, <float*>run.new_h,
                                   run.weights.width, self)
        elif self.pooling == MAX:
            memcpy(self.total.data, self.pooled.data,
                   self.n_seqs * self.n_units * self.itemsize)
        self.n_filled = 0
        self.n_segments += 1


cdef bint fill_segment(floating* segment, const double* x, Cursor c) noexcept nogil:
    # The step goes to its place in the segment and to all places after it: a segment
    # that is not full repeats its last step.
    cdef Py_ssize_t b, f, j
    cdef double value
    cdef floating* at
    for b in range(c.n_seqs):
        for f in range(c.n_features):
            value = x[b * c.n_features + f]
            if c.indicator and value != value:
                continue
            # inf - inf and NaN - NaN are not 0.
            value = <floating>((value - c.mean[f]) / c.scale[f])
            if value - value != 0:
                return 1
    for b in range(c.n_seqs):
        for j in range(c.n_filled, c.segment_length):
            at = segment + b * c.n_in + j * c.n_channels
            for f in range(c.n_features):
                value = x[b * c.n_features + f]
                if c.indicator:
                    at[c.n_features + f] = value == value
                if value == value:
                    at[f] = <floating>((value - c.mean[f]) / c.scale[f])
                else:
                    at[f] = <floating>c.fill[f]
    return 0


cdef void pool_segment(floating* pooled, const floating* total, const floating* h,
                       Py_ssize_t width, Cursor c) noexcept nogil:
    # pooled (n_seqs, n_units) from h (n_seqs, width) and what came before, `total`
    cdef Py_ssize_t b, u, i
    cdef Py_ssize_t n = c.n_segments + 1
    for b in range(c.n_seqs):
        for u in range(c.n_units):
            i = b * c.n_units + u
            if c.pooling == LAST:
                pooled[i] = h[b * width + u]
            elif c.pooling == MEAN:
                pooled[i] = (total[i] + h[b * width + u]) / n
            elif n == 1 or not h[b * width + u] <= total[i]:
                pooled[i] = h[b * width + u]
            else:
                pooled[i] = total[i]


cdef void add_segment(floating* total, const floating* h, Py_ssize_t width,
                      Cursor c) noexcept nogil:
    cdef Py_ssize_t b, u
    for b in range(c.n_seqs):
        for u in range(c.n_units):
            total[b * c.n_units + u] += h[b * width + u]
