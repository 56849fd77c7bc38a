"""Recurrent layers, one step of many sequences at a time.

A step runs the same kernels as a whole batch, on a batch of one step whose initial
state is what the step before has left. So its bits are those of the sequence so far,
whatever the other rows are.
"""

from collections.abc import Mapping

import numpy as np

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.string cimport memcpy, memset

from skrnn._memory cimport Buffer, address
from skrnn._recurrence cimport Recurrence

cdef type ndarray = np.ndarray


def row_numbers(rows, n_rows):
    """Return numbers of rows, given as an int, as ints or as a mask, as an array."""
    given = np.atleast_1d(np.asarray(rows))
    if given.size == 0:
        return np.empty(0, dtype=np.intp)
    if given.ndim != 1 or given.dtype.kind not in "biu":
        raise ValueError(f"rows must be an int, ints or a mask, got {rows!r}.")
    if given.dtype.kind == "b":
        if len(given) != n_rows:
            raise ValueError(
                f"A mask of rows must have length {n_rows}, got {len(given)}."
            )
        return np.flatnonzero(given)
    if given.min() < 0 or given.max() >= n_rows:
        raise ValueError(f"rows must be from 0 to {n_rows - 1}, got {rows!r}.")
    return given.astype(np.intp)


def check_state(state, arrays):
    """Return the arrays of a state, which must be like `arrays`; else refuse it."""
    if not isinstance(state, Mapping):
        raise ValueError(
            f"A state is a dict of arrays, got an object of type {type(state)}."
        )
    refused = "The state is not of this model, or of another number of streams: "
    if set(state) != set(arrays):
        names = sorted(map(str, state))
        raise ValueError(f"{refused}it has {names}, not {sorted(arrays)}.")
    values = {}
    for name, array in arrays.items():
        value = values[name] = np.asarray(state[name])
        if value.dtype != array.dtype or value.shape != array.shape:
            raise ValueError(
                f"{refused}{name!r} must be of {array.dtype} with shape {array.shape},"
                f" got {value.dtype} with shape {value.shape}."
            )
    return values


def copy_arrays(source, target):
    """Fill the arrays of one dict with those of another one."""
    for name, array in target.items():
        array[...] = source[name]


def copied(arrays):
    """Return the arrays of a dict as new ones."""
    return {name: array.copy() for name, array in arrays.items()}


# ----------------------------------------------------------- recurrent layers

cdef class Stepper:
    """The states of sequences that run through recurrent layers side by side.

    `forward` computes the states after a step and leaves those before it; `commit`
    makes them the states that the next step starts from.

    Parameters
    ----------
    layers : sequence of Recurrence
        The layers in order, one direction, loaded. The weights are those that a layer
        has at the time of a step.
    n_seqs : int
        How many rows there can be at most.

    Attributes
    ----------
    n_rows : int
        How many rows there are: `n_seqs`, or as many as `start` or `select` was given.
    n_in, n_units : int
        Inputs of the first layer, and units of the last one.
    """

    def __init__(self, layers, Py_ssize_t n_seqs):
        cdef Py_ssize_t k, n_in
        cdef Recurrence layer
        self.layers = tuple(layers)
        self.n_layers = len(self.layers)
        if not all(isinstance(layer, Recurrence) for layer in self.layers):
            raise TypeError(f"the layers must be recurrences, got {self.layers}.")
        if n_seqs < 1 or self.n_layers < 1:
            raise ValueError("a Stepper needs at least one layer and one row.")
        if n_seqs >= 2**31:
            raise MemoryError(f"{n_seqs} rows are too many.")
        self.runs = <StepRun*>PyMem_Calloc(self.n_layers, sizeof(StepRun))
        if self.runs == NULL:
            raise MemoryError
        layer = self.layers[0]
        self.table, self.dtype = layer.table, layer.dtype
        self.itemsize = self.table.itemsize
        self.n_in = n_in = layer.w.n_in
        self.n_seqs = self.n_rows = n_seqs
        self.memory = []
        for k in range(self.n_layers):
            layer = self.layers[k]
            if layer.reverse:
                raise ValueError("a layer that reads from the end cannot take a step.")
            if layer.table != self.table or layer.w.n_in != n_in:
                raise ValueError(f"layer {k} does not fit onto the layer below it.")
            self.add_layer(k)
            n_in = layer.w.n_units
        self.n_units = n_in
        self.n_active = <int>n_seqs
        self.offset[0], self.offset[1] = 0, n_seqs
        self.steps.n_steps, self.steps.n_seqs = 1, n_seqs
        self.steps.n_active, self.steps.offset = &self.n_active, &self.offset[0]
        self.reset()

    cdef add_layer(self, Py_ssize_t k):
        cdef Recurrence layer = self.layers[k]
        cdef StepRun* run = &self.runs[k]
        cdef Buffer h = Buffer(), m = Buffer(), begun = Buffer()
        run.weights = &layer.w
        run.row = layer.w.width * self.itemsize
        run.size = self.n_seqs * run.row
        # In training a kernel keeps all memories and does not overwrite them.
        run.run.training = True
        h.reserve(2 * run.size)
        memset(h.data, 0, 2 * run.size)
        run.run.h = run.run.h_in = h.data
        run.after = h.data + run.size
        if layer.w.cell.has_memory:
            m.reserve(2 * run.size)
            memset(m.data, 0, 2 * run.size)
            run.run.m = m.data
        begun.reserve(self.n_seqs)
        run.begun = begun.data
        self.memory.append((h, m, begun))

    def __dealloc__(self):
        PyMem_Free(self.runs)

    # States ------------------------------------------------------------------

    cdef dict arrays(self, Py_ssize_t n_rows):
        # The memory that a step leaves to the next one, by name.
        cdef Recurrence layer
        cdef Buffer h, m, begun
        cdef Py_ssize_t k
        arrays = {}
        for k in range(self.n_layers):
            layer = self.layers[k]
            h, m, begun = self.memory[k]
            name = f"{layer.cell}{k}"
            strides = (self.runs[k].row, self.itemsize)
            for letter, buffer in (("h", h.array), ("m", m.array)):
                if buffer is not None:
                    arrays[f"{name}.{letter}"] = ndarray(
                        (n_rows, layer.w.n_units), self.dtype, buffer, 0, strides)
            arrays[f"{name}.begun"] = ndarray((n_rows,), bool, begun.array)
        return arrays

    def start(self, h, m=None):
        """Begin from given states.

        Parameters
        ----------
        h : sequence of (ndarray of shape (n_rows, n_units) or None)
            The initial state of each layer; None is zero.
        m : like h, or None
            The initial memories; None is zero, for all layers.
        """
        m = [None] * self.n_layers if m is None else m
        if len(h) != self.n_layers or len(m) != self.n_layers:
            raise ValueError(
                f"there must be a state for each of {self.n_layers} layers, got"
                f" {len(h)} states and {len(m)} memories."
            )
        sizes = {len(a) for a in (*h, *m) if a is not None} or {self.n_seqs}
        if len(sizes) > 1 or not 1 <= min(sizes) <= self.n_seqs:
            raise ValueError(
                f"all states must have as many rows, at most {self.n_seqs}, got"
                f" {sorted(sizes)}."
            )
        (n_rows,) = sizes
        arrays = self.arrays(n_rows)
        given = {}
        for k, (state, memory) in enumerate(zip(h, m, strict=True)):
            name = f"{self.layers[k].cell}{k}"
            if state is not None:
                given[f"{name}.h"] = state
            if memory is not None:
                given[f"{name}.m"] = memory
            if state is not None or memory is not None:
                given[f"{name}.begun"] = np.ones(n_rows, dtype=bool)
        if given.keys() - arrays.keys():
            raise ValueError("a layer has no memory: its m must be None.")
        given = check_state(given, {name: arrays[name] for name in given})
        self.reset()
        self.n_rows = n_rows
        for name, value in given.items():
            arrays[name][...] = value

    def reset(self, rows=None):
        """Begin new sequences from zero states, in all rows or in some of them.

        Parameters
        ----------
        rows : int, ints or mask, or None
            None also restores `n_rows` to `n_seqs`.
        """
        if rows is None:
            self.n_rows = self.n_seqs
            chosen = slice(None)
        else:
            chosen = row_numbers(rows, self.n_rows)
        for array in self.arrays(self.n_rows).values():
            array[chosen] = 0
        self.stepped = False

    def get_state(self):
        """Return what the steps so far have left, as a dict of new arrays."""
        return copied(self.arrays(self.n_rows))

    def set_state(self, state):
        """Go on from a state of `get_state`; there are then as many rows as it has."""
        cdef Py_ssize_t n_rows = self.n_rows
        if isinstance(state, Mapping):
            begun = np.asarray(state.get(f"{self.layers[0].cell}0.begun"))
            if begun.ndim == 1 and 1 <= len(begun) <= self.n_seqs:
                n_rows = len(begun)
        arrays = self.arrays(n_rows)
        copy_arrays(check_state(state, arrays), arrays)
        self.n_rows = n_rows
        self.stepped = False

    def select(self, rows):
        """Let row i go on from the state of row ``rows[i]``.

        A step that was not committed is forgotten. There are then as many rows as were
        given, at most `n_seqs`.
        """
        cdef const Py_ssize_t[::1] numbers = row_numbers(rows, self.n_rows)
        if not 1 <= len(numbers) <= self.n_seqs:
            raise ValueError(
                f"between 1 and {self.n_seqs} rows can be selected, got"
                f" {len(numbers)}."
            )
        with nogil:
            self.select_rows(&numbers[0], numbers.shape[0])

    def __copy__(self):
        other = Stepper(self.layers, self.n_seqs)
        other.set_state(self.get_state())
        return other

    def __deepcopy__(self, memo):
        return self.__copy__()  # of the layers, only weights are read

    def __reduce__(self):
        raise TypeError(
            "A Stepper cannot be pickled. Pickle `get_state()` and the network, and"
            " give the state to a new Stepper by `set_state`."
        )

    # Steps -------------------------------------------------------------------

    def forward(self, x):
        """Compute a step, without committing it.

        Parameters
        ----------
        x : ndarray of shape (n_rows, n_in), rows contiguous

        Returns
        -------
        h : ndarray of shape (n_rows, n_units)
            The states of the last layer after the step. A view, good until the next
            call.
        """
        cdef Py_ssize_t ldx
        cdef Buffer h = self.memory[self.n_layers - 1][0]
        cdef StepRun* last = &self.runs[self.n_layers - 1]
        cdef char* px = address(x, self.dtype, self.n_rows, self.n_in, &ldx, "x")
        with nogil:
            self.advance(px, ldx)
        return ndarray((self.n_rows, self.n_units), self.dtype, h.array, last.size,
                       (last.row, self.itemsize))

    def commit(self):
        """Make the states of the last `forward` those that the next one starts from."""
        if not self.stepped:
            raise ValueError("there is no step to commit: call forward first.")
        with nogil:
            self.commit_rows(NULL)

    cdef void advance(self, const void* x, Py_ssize_t ldx) noexcept nogil:
        cdef Py_ssize_t k, b, stop
        cdef StepRun* run
        for k in range(self.n_layers):
            run = &self.runs[k]
            run.run.x, run.run.ldx = x, ldx
            # Where a sequence begins, the product with its state is left out, as it is
            # in a batch: adding zeros could turn -0 into 0.
            b = 0
            while b < self.n_rows:
                stop = b + 1
                while stop < self.n_rows and run.begun[stop] == run.begun[b]:
                    stop += 1
                run.run.has_initial = run.begun[b]
                self.table.forward(run.weights, &self.steps, &run.run, b, stop)
                b = stop
            x, ldx = run.after, run.weights.width
        self.stepped = True

    cdef const void* states(self) noexcept nogil:
        return self.runs[self.n_layers - 1].after

    cdef Py_ssize_t ld_states(self) noexcept nogil:
        return self.runs[self.n_layers - 1].weights.width

    cdef void commit_rows(self, const char* which) noexcept nogil:
        cdef Py_ssize_t k
        cdef StepRun* run
        for k in range(self.n_layers):
            run = &self.runs[k]
            copy_rows(<char*>run.run.h, run.after, run.row, self.n_rows, which)
            if run.run.m != NULL:
                copy_rows(<char*>run.run.m, <char*>run.run.m + run.size, run.row,
                          self.n_rows, which)
            set_rows(run.begun, 1, self.n_rows, which)
        self.stepped = False

    cdef void select_rows(self, const Py_ssize_t* rows, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t k
        cdef StepRun* run
        for k in range(self.n_layers):
            run = &self.runs[k]
            # The states after a step are the room where rows are sorted.
            gather_rows(<char*>run.run.h, run.after, run.row, rows, n)
            if run.run.m != NULL:
                gather_rows(<char*>run.run.m, <char*>run.run.m + run.size, run.row,
                            rows, n)
            gather_rows(run.begun, run.after, 1, rows, n)
        self.n_rows = n
        self.stepped = False


cdef void copy_rows(char* target, const char* source, Py_ssize_t row, Py_ssize_t n_rows,
                    const char* which) noexcept nogil:
    cdef Py_ssize_t b
    if which == NULL:
        memcpy(target, source, n_rows * row)
        return
    for b in range(n_rows):
        if which[b]:
            memcpy(target + b * row, source + b * row, row)


cdef void set_rows(char* target, char value, Py_ssize_t n_rows,
                   const char* which) noexcept nogil:
    cdef Py_ssize_t b
    for b in range(n_rows):
        if which == NULL or which[b]:
            target[b] = value


cdef void gather_rows(char* values, char* room, Py_ssize_t row, const Py_ssize_t* rows,
                      Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t b
    for b in range(n):
        memcpy(room + b * row, values + rows[b] * row, row)
    memcpy(values, room, n * row)
