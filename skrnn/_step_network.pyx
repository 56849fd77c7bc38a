"""One step of a whole network at a time: the work of `Stream.step`.

A `StepNetwork` is a `StepInput`, a `Stepper`, a `StepPooling` and the head. Each part
keeps what it needs of the steps before, row by row.
"""

from collections.abc import Mapping
from copy import copy

import numpy as np

from skrnn._stepper import check_state, copied, copy_arrays, row_numbers

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from cython cimport floating
from libc.string cimport memset

from skrnn._convolutions cimport StepConvolutions
from skrnn._memory cimport Buffer
from skrnn._recurrence cimport Linear
from skrnn._stepper cimport Stepper

cdef enum:
    LAST, MEAN, MAX, JOINED

cdef object float64 = np.dtype(np.float64)
cdef type ndarray = np.ndarray

# What a pooling keeps of the steps before; its attribute `stream` says it.
STEP_POOLINGS = {"last": LAST, "mean": MEAN, "max": MAX, "joined": JOINED}


# ------------------------------------------------------------------ the input

cdef class StepInput:
    """Steps of numbers as a network reads them: scaled, by segments.

    Parameters
    ----------
    encoder : StepEncoder
    n_seqs : int
    dtype : dtype
    convolutions : Convolutions or None, default=None
        Causal ones, whose outputs stand behind the steps of a segment.
    """

    def __init__(self, encoder, Py_ssize_t n_seqs, dtype, convolutions=None):
        self.encoder = encoder
        self.dtype = np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.n_seqs = n_seqs
        self.n_features = encoder.n_features
        self.indicator = encoder.missing == "indicator"
        self.n_channels = self.n_features * (2 if self.indicator else 1)
        self.segment_length = encoder.segment_length
        self.n_out = encoder.n_in
        self.convolutions = None
        if convolutions is not None:
            self.convolutions = StepConvolutions(convolutions, n_seqs)
            self.n_out += self.convolutions.n_out
        self.mean = self.given(encoder.mean, 0)
        self.scale = self.given(encoder.scale, 1)
        self.fill = self.given(encoder.fill, 0)
        self.segment = Buffer()
        self.segment.reserve(n_seqs * self.n_out * self.itemsize)
        memset(self.segment.data, 0, n_seqs * self.n_out * self.itemsize)
        self.steps = self.n_steps = np.zeros(n_seqs, dtype=np.int64)
        self.filled = np.zeros(n_seqs, dtype=np.int32)
        self.whole = np.zeros(n_seqs, dtype=np.int8)

    cdef given(self, values, default):
        if values is None:
            values = np.full(self.n_features, default)
        return np.ascontiguousarray(values, dtype=np.float64)

    cdef dict arrays(self):
        # `segment` also holds the steps of the segment that is being filled.
        segment = self.segment.array.view(self.dtype).reshape(self.n_seqs, self.n_out)
        own = {} if self.convolutions is None else self.convolutions.arrays()
        return {"n_steps": self.n_steps, "segment": segment, **own}

    def __copy__(self):
        given = None if self.convolutions is None else self.convolutions.convolutions
        cdef StepInput other = StepInput(self.encoder, self.n_seqs, self.dtype, given)
        copy_arrays(self.arrays(), other.arrays())
        other.recount()
        return other

    cdef int recount(self) except -1:
        # After n_steps was set.
        cdef Py_ssize_t b
        for b in range(self.n_seqs):
            self.filled[b] = <int>(self.steps[b] % self.segment_length)
        return 0

    cdef bint take(self, const double* x) noexcept nogil:
        # Put a step, (n_seqs, n_features), into the segments. 1, and nothing changed,
        # where it is not finite in the network's dtype.
        if self.convolutions is not None and self.convolutions.take(x):
            return 1
        if self.itemsize == 8:
            return fill_segment[double](<double*>self.segment.data, x, self)
        return fill_segment[float](<float*>self.segment.data, x, self)

    cdef const void* rows(self) noexcept nogil:
        return self.segment.data

    cdef Py_ssize_t commit(self) noexcept nogil:
        # Count the step. Return how many segments are now full; `whole` says which.
        cdef Py_ssize_t b, n_whole = 0
        for b in range(self.n_seqs):
            self.steps[b] += 1
            self.filled[b] += 1
            self.whole[b] = self.filled[b] == self.segment_length
            if self.whole[b]:
                self.filled[b] = 0
                n_whole += 1
        if self.convolutions is not None:
            self.convolutions.commit(&self.whole[0])
        return n_whole


cdef bint fill_segment(floating* segment, const double* x, StepInput c) noexcept nogil:
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
        for j in range(c.filled[b], c.segment_length):
            at = segment + b * c.n_out + j * c.n_channels
            for f in range(c.n_features):
                value = x[b * c.n_features + f]
                if c.indicator:
                    at[c.n_features + f] = value == value
                if value == value:
                    at[f] = <floating>((value - c.mean[f]) / c.scale[f])
                else:
                    at[f] = <floating>c.fill[f]
        if c.convolutions is not None:
            at = segment + b * c.n_out + c.segment_length * c.n_channels
            for f in range(c.convolutions.n_out):
                at[f] = c.convolutions.outputs[b, f]
    return 0


# ---------------------------------------------------------------- the pooling

cdef class StepPooling:
    """What a pooling makes of the states so far.

    Parameters
    ----------
    kind : {"last", "mean", "max", "joined"}
        What is kept of the steps before: a sum, the largest states, or both with
        "joined", which gives last states, means and largest states side by side. "last"
        keeps nothing, and so is also right for a network with an output for each step.
    n_seqs, n_units : int
    dtype : dtype
    """

    def __init__(self, kind, Py_ssize_t n_seqs, Py_ssize_t n_units, dtype):
        self.name, self.kind = kind, STEP_POOLINGS[kind]
        self.dtype = np.dtype(dtype)
        self.itemsize = self.dtype.itemsize
        self.n_seqs, self.n_units = n_seqs, n_units
        self.n_out = 3 * n_units if self.kind == JOINED else n_units
        self.n_kept = 2 * n_units if self.kind == JOINED else n_units
        self.count = self.n_pooled = np.zeros(n_seqs, dtype=np.int64)
        self.pooled, self.total = Buffer(), Buffer()
        if self.kind != LAST:
            self.pooled.reserve(n_seqs * self.n_out * self.itemsize)
            self.total.reserve(n_seqs * self.n_kept * self.itemsize)
            memset(self.total.data, 0, n_seqs * self.n_kept * self.itemsize)

    cdef dict arrays(self):
        if self.kind == LAST:
            return {}
        total = self.total.array.view(self.dtype).reshape(self.n_seqs, self.n_kept)
        return {"n_pooled": self.n_pooled, "total": total}

    def __copy__(self):
        cdef StepPooling other = StepPooling(self.name, self.n_seqs, self.n_units,
                                             self.dtype)
        copy_arrays(self.arrays(), other.arrays())
        return other

    cdef void pool(self, const void* h, Py_ssize_t ldh) noexcept nogil:
        # `out` from the states h (n_seqs, ldh) and from those before
        if self.kind == LAST:
            self.out, self.ld = h, ldh
            return
        self.out, self.ld = self.pooled.data, self.n_out
        if self.itemsize == 8:
            pool_states[double](<double*>self.pooled.data, <double*>self.total.data,
                                <const double*>h, ldh, self)
        else:
            pool_states[float](<float*>self.pooled.data, <float*>self.total.data,
                               <const float*>h, ldh, self)

    cdef void commit(self, const void* h, Py_ssize_t ldh,
                     const char* which) noexcept nogil:
        # The states count among those before from now on; which: as `commit_rows` has
        # it.
        cdef Py_ssize_t b
        if self.kind == LAST:
            return
        if self.itemsize == 8:
            keep_states[double](<double*>self.total.data, <double*>self.pooled.data,
                                <const double*>h, ldh, which, self)
        else:
            keep_states[float](<float*>self.total.data, <float*>self.pooled.data,
                               <const float*>h, ldh, which, self)
        for b in range(self.n_seqs):
            if which == NULL or which[b]:
                self.count[b] += 1


cdef void pool_states(floating* pooled, const floating* total, const floating* h,
                      Py_ssize_t ldh, StepPooling c) noexcept nogil:
    # pooled (n_seqs, n_out) of total (n_seqs, n_kept) and h (n_seqs, ldh): with JOINED
    # the last states, the means, the largest ones.
    cdef Py_ssize_t b, u, n
    cdef floating *out
    cdef const floating *before
    cdef const floating *new
    for b in range(c.n_seqs):
        n = c.count[b] + 1
        new, before, out = h + b * ldh, total + b * c.n_kept, pooled + b * c.n_out
        if c.kind == JOINED:
            for u in range(c.n_units):
                out[u] = new[u]
            out += c.n_units
        if c.kind != MAX:
            for u in range(c.n_units):
                out[u] = (before[u] + new[u]) / n
            out, before = out + c.n_units, before + c.n_units
        if c.kind != MEAN:
            for u in range(c.n_units):
                if n == 1 or not new[u] <= before[u]:
                    out[u] = new[u]
                else:
                    out[u] = before[u]


cdef void keep_states(floating* total, const floating* pooled, const floating* h,
                      Py_ssize_t ldh, const char* which, StepPooling c) noexcept nogil:
    # `pooled` has been divided where it is a mean: add the states once more.
    cdef Py_ssize_t b, u
    cdef floating *kept
    for b in range(c.n_seqs):
        if which != NULL and not which[b]:
            continue
        kept = total + b * c.n_kept
        if c.kind != MAX:
            for u in range(c.n_units):
                kept[u] += h[b * ldh + u]
            kept += c.n_units
        if c.kind != MEAN:
            for u in range(c.n_units):
                kept[u] = pooled[(b + 1) * c.n_out - c.n_units + u]


# ---------------------------------------------------------- the whole network

cdef class StepNetwork:
    """A network that takes one step of every stream at a time.

    Parameters
    ----------
    input : StepInput
    stepper : Stepper
    pooling : StepPooling
    head : Linear
        Loaded.
    names : sequence of str or None
        The names of the features, with which those of a DataFrame or a Series are
        compared.

    Attributes
    ----------
    answers : list
        What `choose` returns, for each output that can be the largest.
    """

    def __init__(self, StepInput input not None, Stepper stepper not None,
                 StepPooling pooling not None, Linear head not None, names=None):
        if not (input.n_seqs == stepper.n_seqs == pooling.n_seqs
                and input.n_out == stepper.n_in
                and stepper.n_units == pooling.n_units and pooling.n_out == head.n_in):
            raise ValueError("the parts of a StepNetwork do not fit together.")
        self.input, self.stepper, self.pooling = input, stepper, pooling
        self.head, self.names = head, names
        self.itemsize = head.itemsize
        self.n_seqs, self.n_out = stepper.n_seqs, head.n_out
        self.raw = Buffer()
        self.raw.reserve(self.n_seqs * self.n_out * self.itemsize)
        self.output = self.raw.array.view(head.dtype).reshape(self.n_seqs, -1)

    def reset(self, rows=None):
        """Begin new sequences, in all streams or in some of them."""
        chosen = slice(None) if rows is None else row_numbers(rows, self.n_seqs)
        for array in self.arrays().values():
            array[chosen] = 0
        self.input.recount()

    cdef dict arrays(self):
        # The memory that a step leaves to the next one, by name.
        return {**self.input.arrays(), **self.pooling.arrays(),
                **self.stepper.arrays(self.n_seqs)}

    @property
    def n_steps(self):
        """How many steps each stream has taken, a new array (n_seqs,)."""
        return self.input.n_steps.copy()

    def get_state(self):
        """Return what the steps so far have left, as a dict of new arrays."""
        return copied(self.arrays())

    def set_state(self, state):
        """Go on from a state of `get_state`."""
        arrays = self.arrays()
        if isinstance(state, Mapping) and "n_steps" in state:
            n_steps = np.asarray(state["n_steps"])
            if n_steps.shape != (self.n_seqs,) or n_steps.dtype.kind != "i" or (
                    n_steps < 0).any():
                raise ValueError(
                    f"The state cannot have n_steps={n_steps}: it is a count of steps"
                    f" for each of {self.n_seqs} streams."
                )
        copy_arrays(check_state(state, arrays), arrays)
        self.input.recount()

    def __copy__(self):
        parts = self.input, self.stepper, self.pooling
        return StepNetwork(*map(copy, parts), self.head, self.names)

    def as_rows(self, x, names=None):
        """Return a step as rows (n_seqs, n_features), in its own dtype if of floats."""
        values = numbers(x, names)
        given = np.asarray(x).dtype
        if given.kind == "f" and given.itemsize <= 8:
            values = values.astype(given.newbyteorder("="), copy=False)
        if values.shape == (self.input.n_features,) and self.n_seqs == 1:
            return values[np.newaxis]
        if values.shape != (self.n_seqs, self.input.n_features):
            self.refuse_shape(values)
        return values

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
        """Take one step of the only stream; return the answer of the largest output.

        With a single output it is the second answer if that is positive, else the
        first one.
        """
        cdef Py_ssize_t k, best = 0, n = self.n_out
        cdef double value, most
        self.take(x)
        most = self.raw_value(0)
        if n == 1:
            return self.answers[most > 0]
        for k in range(1, n):
            value = self.raw_value(k)
            # The first NaN, if there is one, as numpy.argmax does.
            if most == most and not value <= most:
                best = k
                most = value
        return self.answers[best]

    def scaled(self, x, const double[::1] scale, const double[::1] mean):
        """Take one step of every stream and return raw * scale + mean.

        Returns
        -------
        values : ndarray of shape (n_seqs * n_out,), float64
        """
        cdef Py_ssize_t k, n = self.n_out
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
        cdef Py_buffer view
        cdef int bad = -1
        if type(x) is not ndarray or x.dtype is not float64:
            x = numbers(x, self.names)
        # A memoryview would cost as much as all the rest of a small network's step.
        try:
            PyObject_GetBuffer(x, &view, PyBUF_C_CONTIGUOUS)
        except ValueError:
            x = x.copy()
            PyObject_GetBuffer(x, &view, PyBUF_C_CONTIGUOUS)
        try:
            if <size_t>view.buf % sizeof(double) == 0 and self.fits(&view):
                with nogil:
                    bad = self.advance(<const double*>view.buf)
        finally:
            PyBuffer_Release(&view)
        if bad != 0:
            self.refuse(bad, x)
        return 0

    cdef bint fits(self, Py_buffer* view) noexcept:
        if view.ndim == 1:
            return self.n_seqs == 1 and view.shape[0] == self.input.n_features
        return (view.ndim == 2 and view.shape[0] == self.n_seqs
                and view.shape[1] == self.input.n_features)

    def refuse(self, bad, x):
        """Say why a step was not taken; take it if its memory was not aligned."""
        if bad == 1:
            raise ValueError(
                "The step contains NaN, infinity or a value too large for"
                f" dtype('{self.head.dtype}'); the stream is as it was before it."
            )
        if bad == 2:
            raise ValueError(
                "The step makes the network overflow: its values or the weights are"
                " too large; the stream is as it was before it."
            )
        if not x.flags.aligned:
            self.take(x.copy())
            return
        self.refuse_shape(x)

    def refuse_shape(self, x):
        """Say which shape a step must have."""
        n_features = self.input.n_features
        expected = f"({self.n_seqs}, {n_features})"
        if self.n_seqs == 1:
            expected += f" or ({n_features},)"
        raise ValueError(f"A step must have shape {expected}, got {x.shape}.")

    cdef int advance(self, const double* x) noexcept nogil:
        # 1, and nothing changed, where x is not finite in the network's dtype; 2, and
        # nothing kept, where the output is not.
        cdef Py_ssize_t i, n_whole, ldh
        cdef double value
        cdef const void* h
        cdef const char* which = NULL
        if self.input.take(x):
            return 1
        self.stepper.advance(self.input.rows(), self.input.n_out)
        h, ldh = self.stepper.states(), self.stepper.ld_states()
        self.pooling.pool(h, ldh)
        self.head.run(self.pooling.out, self.pooling.ld, self.raw.data, self.n_out,
                      self.n_seqs)
        for i in range(self.n_seqs * self.n_out):
            value = self.raw_value(i)
            if value - value != 0:
                return 2
        n_whole = self.input.commit()
        # What was read of a whole segment is where the next one starts from.
        if n_whole > 0:
            if n_whole < self.n_seqs:
                which = &self.input.whole[0]
            self.pooling.commit(h, ldh, which)
            self.stepper.commit_rows(which)
        return 0


def numbers(x, names=None):
    """A step as float64, if it is of real numbers."""
    if names is not None:
        refuse_names(x, names)
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


def refuse_names(x, names):
    """Refuse a table, or a step of one, whose features have not the names at fit."""
    given = getattr(x, "columns", None)
    if given is None and hasattr(x, "iloc"):
        given = x.index  # a row of a DataFrame
    given = [] if given is None else list(given)
    if given == list(names) or not any(isinstance(name, str) for name in given):
        return
    unexpected = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unexpected or missing:
        why = f"the step has {unexpected} and lacks {missing}"
    else:
        why = f"the step has the order {given}, not {list(names)}"
    raise ValueError(
        "The feature names should match those that were passed during fit, in the same"
        f" order: {why}; the stream is as it was before it."
    )
