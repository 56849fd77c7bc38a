"""Recurrences over packed batches: checks, buffers, threads, instruction set.

This module owns memory and threads; the arithmetic is in `_kernels`, one compiled
module per instruction set and dtype, from which a table of functions is taken here.
Nothing in it knows one cell from another.
"""

import importlib.util
import os
import time

import numpy as np

from cpython.pycapsule cimport PyCapsule_GetPointer
from cython.parallel cimport prange
from libc.string cimport memcpy, memset, strlen

from skrnn._kernels.table cimport Cell, Run, Table

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    static int omp_get_max_threads(void) { return 1; }
    #endif
    #if defined(__clang__)
    #define SKRNN_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define SKRNN_COMPILER "gcc " __VERSION__
    #else
    #define SKRNN_COMPILER "unknown"
    #endif
    #ifdef _OPENMP
    #define SKRNN_OPENMP _OPENMP
    #else
    #define SKRNN_OPENMP 0
    #endif

    /* What the processor has and the operating system saves; best set last. */
    #if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
    static int cpu_has(int which) {
        __builtin_cpu_init();
        int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        if (which == 1 || !avx2) return avx2;
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    }
    #else
    static int cpu_has(int which) { (void)which; return 0; }
    #endif
    """
    int cpu_has(int which)
    int omp_get_max_threads()
    const char* SKRNN_COMPILER
    const int SKRNN_OPENMP

# Every row of a state is filled up to a multiple of this with exact zeros, on every
# instruction set, so that sums over it are the same sums.
cdef enum:
    WIDTH = 16

# Threads are not worth their start below this many floating-point operations each: some
# hundreds of microseconds of work on one core.
cdef double LEAST_WORK = 5e7

cdef bint in_forked_child = False


def _after_fork():
    # An OpenMP runtime that has run threads cannot run them in a forked child: libgomp
    # waits for ever. The child keeps to one thread, with the same bits.
    global in_forked_child
    in_forked_child = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# --------------------------------------------------------- the instruction set

def _find_isas():
    found = ["baseline"]
    for name in ("neon", "avx2", "avx512"):
        if name == "avx2" and not cpu_has(1) or name == "avx512" and not cpu_has(2):
            continue
        # Modules may be absent: the compiler did not know the set.
        if all(importlib.util.find_spec(_module(name, dtype)) for dtype in DTYPES):
            found.append(name)
    return tuple(found)


def _module(isa, dtype):
    return f"skrnn._kernels.{isa}_{dtype}"


DTYPES = ("float32", "float64")
_ISAS = _find_isas()
_isa = _ISAS[len(_ISAS) - 1]


def available_isas():
    """Names of the instruction sets that this machine and this build have."""
    return _ISAS


def use_isa(name):
    """Choose the instruction set of recurrences made from now on; return the last one.

    Raises ValueError for one that this machine or this build does not have.
    """
    global _isa
    if name not in _ISAS:
        raise ValueError(
            f"The instruction set {name!r} is not available; this machine and this"
            f" build have: {', '.join(_ISAS)}."
        )
    last, _isa = _isa, name
    return last


if os.environ.get("SKRNN_ISA"):
    use_isa(os.environ["SKRNN_ISA"].strip().lower())


def build_info():
    """What the compiled part was built with and runs on, as a dict of strings."""
    return {
        "compiler": SKRNN_COMPILER.decode(),
        "OpenMP": str(SKRNN_OPENMP) if SKRNN_OPENMP else "no",
        "OpenMP threads": str(omp_get_max_threads()),
        "instruction set": _isa,
        "instruction sets": ", ".join(_ISAS),
    }


def max_threads():
    """Threads that the OpenMP runtime may use here: its own limit and the user's."""
    return 1 if in_forked_child else omp_get_max_threads()


cdef dict _tables = {}  # those that were asked for


cdef const Table* find_table(dtype) except NULL:
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {dtype}.")
    table = _tables.get((_isa, dtype))
    if table is None:
        table = importlib.import_module(_module(_isa, dtype.name)).table
        _tables[_isa, dtype] = table
    return <const Table*>PyCapsule_GetPointer(table, "skrnn.Table")


# ----------------------------------------------------------- packed batches

cdef class PackedShape:
    """Lengths of a packed batch: which rows are which step of which sequence.

    Parameters
    ----------
    n_active : ndarray of int32 (n_steps,)
        Sequences that have a step t, never increasing, the first at least 1.
    """

    def __init__(self, n_active):
        cdef const int[::1] active
        cdef Py_ssize_t[::1] offset
        cdef int[::1] lengths
        cdef Py_ssize_t[::1] last_row
        cdef Py_ssize_t t, b, n_steps, total = 0
        self.n_active = np.ascontiguousarray(n_active, dtype=np.int32)
        active = self.n_active
        n_steps = active.shape[0]
        if n_steps == 0 or active[n_steps - 1] < 1:
            raise ValueError(
                "a packed batch has at least one step, with a sequence in it."
            )
        for t in range(n_steps):
            if t > 0 and active[t] > active[t - 1]:
                raise ValueError("n_active must not increase.")
            total += active[t]
        # Rows of states, the initial ones too, are counted in 32 bits.
        if total + active[0] >= 2**31:
            raise ValueError(
                f"a packed batch has less than 2**31 rows and sequences, got {total}"
                f" and {active[0]}."
            )
        total = 0
        self.offset = np.empty(n_steps + 1, dtype=np.intp)
        self.lengths = np.empty(active[0], dtype=np.int32)
        self.last_row = np.empty(active[0], dtype=np.intp)
        offset, lengths, last_row = self.offset, self.lengths, self.last_row
        for t in range(n_steps):
            offset[t] = total
            total += active[t]
            for b in range(active[t + 1] if t + 1 < n_steps else 0, active[t]):
                lengths[b] = <int>(t + 1)
                last_row[b] = offset[t] + b
        offset[n_steps] = total
        self.n_rows, self.n_seqs, self.n_steps = total, active[0], n_steps
        self.steps.n_steps = n_steps
        self.steps.n_seqs = self.n_seqs
        self.steps.n_active = &active[0]
        self.steps.offset = &offset[0]

    cdef const int* previous(self, bint reverse) except NULL:
        # For each packed row, the row of the states that stands before it: packed row r
        # is row n_seqs + r there, the initial state of sequence b is row b.
        cdef int[::1] previous
        cdef Py_ssize_t t, b, before, n_before
        kept = self.previous_reverse if reverse else self.previous_forward
        if kept is None:
            kept = np.empty(self.n_rows, dtype=np.int32)
            previous = kept
            for t in range(self.n_steps):
                before = t + 1 if reverse else t - 1
                n_before = 0
                if 0 <= before < self.n_steps:
                    n_before = self.steps.n_active[before]
                for b in range(self.steps.n_active[t]):
                    if b < n_before:
                        previous[self.steps.offset[t] + b] = <int>(
                            self.n_seqs + self.steps.offset[before] + b)
                    else:
                        previous[self.steps.offset[t] + b] = <int>b
            if reverse:
                self.previous_reverse = kept
            else:
                self.previous_forward = kept
        previous = kept
        return &previous[0]

    cdef int cut(self, int n_parts, Py_ssize_t* cuts) noexcept:
        # Rows of the batch in parts of like work: cuts[i] .. cuts[i + 1].
        cdef const int[::1] lengths = self.lengths
        cdef Py_ssize_t b, total = 0
        cdef int part = 1
        cuts[0] = 0
        for b in range(self.n_seqs):
            total += lengths[b]
            while part < n_parts and total * n_parts >= self.n_rows * part:
                cuts[part] = b + 1
                part += 1
        while part <= n_parts:
            cuts[part] = self.n_seqs
            part += 1
        return 0


cdef enum:
    MOST_THREADS = 64


cdef int threads_for(double work, int n_threads, Py_ssize_t most) noexcept:
    cdef double n = work / LEAST_WORK
    if in_forked_child or n_threads <= 1 or n < 2:
        return 1
    return <int>min(<double>min(n_threads, MOST_THREADS), n, <double>most)


cdef int refuse_sizes(Py_ssize_t n_in, Py_ssize_t n_units) except -1:
    # Sizes of buffers are products of these, and must not wrap around.
    if n_in < 1 or n_units < 1:
        raise ValueError(f"sizes must be at least 1, got {n_in} and {n_units}.")
    if 64.0 * (<double>n_in + n_units) * (n_units + 64.0) >= 2.0**62:
        raise MemoryError(f"{n_units} units of {n_in} inputs are too many.")
    return 0


cdef class Recurrence:
    """One cell run over a packed batch in one direction, and its gradient.

    Parameters
    ----------
    cell : str
        A name of the kernels' table.
    n_in, n_units : int
    dtype : float32 or float64
    reverse : bool
        Read the sequences from their ends.
    trains : bool
        Whether `backward` will be called.
    """

    def __init__(self, cell, Py_ssize_t n_in, Py_ssize_t n_units, dtype, *,
                 bint reverse=False, bint trains=True):
        cdef int i
        self.table = find_table(dtype)
        self.dtype = np.dtype(dtype)
        self.itemsize = self.table.itemsize
        name = cell.encode()
        for i in range(self.table.n_cells):
            if name == self.table.cells[i].name:
                self.w.cell = &self.table.cells[i]
                break
        else:
            raise ValueError(f"unknown cell {cell!r}.")
        refuse_sizes(n_in, n_units)
        self.cell = cell
        self.w.n_in = n_in
        self.w.n_units = n_units
        self.w.width = (n_units + WIDTH - 1) // WIDTH * WIDTH
        self.reverse = reverse
        self.trains = trains
        self.forward_panels = Buffer()
        self.state_panels = Buffer()
        self.input_panels = Buffer()
        self.h, self.h_in, self.m, self.z = Buffer(), Buffer(), Buffer(), Buffer()
        self.carry, self.dw = Buffer(), Buffer()
        self.forward_panels.reserve(self.table.forward_size(&self.w) * self.itemsize)
        self.w.forward = self.forward_panels.data
        if trains:
            self.state_panels.reserve(self.itemsize * self.table.product_size(
                strlen(self.w.cell.u_gates) * self.w.width, self.w.width))
            self.w.to_state = self.state_panels.data

    @property
    def n_in(self):
        return self.w.n_in

    @property
    def n_units(self):
        return self.w.n_units

    @property
    def n_gates(self):
        return strlen(self.w.cell.w_gates)

    def load(self, W, U, b):
        """Take the weights W (n_in, n_gates n_units), U (n_units, ...), b (1, ...).

        They must not change between a forward pass and its backward pass.
        """
        cdef Py_ssize_t ld, n = self.w.n_units
        cdef char* pW = address(W, self.dtype, self.w.n_in,
                                strlen(self.w.cell.w_gates) * n,
                                &ld, "W")
        cdef char* pU = address(U, self.dtype, n, strlen(self.w.cell.u_gates) * n, &ld,
                                "U")
        cdef char* pb = address(b, self.dtype, 1, strlen(self.w.cell.biases) * n, &ld,
                                "b")
        if not (W.flags.c_contiguous and U.flags.c_contiguous):
            raise ValueError("W and U must be C-contiguous.")
        self.W, self.b = W, b
        with nogil:
            self.table.pack(&self.w, pW, pU, pb)

    cdef double work(self):
        cdef const Cell* cell = self.w.cell
        return 2.0 * self.shape.n_rows * self.w.width * (
            strlen(cell.w_gates) * self.w.n_in + strlen(cell.u_gates) * self.w.n_units)

    @property
    def width(self):
        """Numbers of a row of states: `n_units`, filled up with zeros."""
        return self.w.width

    def forward(self, PackedShape shape, x, *, bint training=False, mask=None, h0=None,
                m0=None, last_h=None, last_m=None, starts=None, bint states=True,
                pooling=None, pooled=None, int n_threads=1):
        """Run over the packed rows x (n_rows, n_in).

        Parameters
        ----------
        shape : PackedShape
        x : ndarray (n_rows, n_in), rows contiguous
        training : bool
            Keep what `backward` needs; x must then not change before it.
        mask : ndarray (n_seqs, n_units) or None
            Multiplies the state wherever U does.
        h0, m0 : ndarray (n_seqs, n_units) or None
            Initial state and memory; zero if None.
        last_h, last_m : ndarray (n_seqs, n_units) or None
            Filled with the state and the memory after the last step processed of each
            sequence.
        starts : StartRows or None, for the first inputs, which x then does not have
        states : bool
            Whether to keep the states of all steps. Without them the memory of a pass
            that is not `training` does not depend on the number of steps.
        pooling : {"sum", "max"} or None
        pooled : ndarray (n_seqs, width), C-contiguous, or None
            The states of all steps are added to it, or it keeps the largest.

        Returns
        -------
        h : ndarray (n_rows, n_units), or None without `states`
            A view, good until the next call.
        """
        cdef Run* run = &self.run
        cdef Py_ssize_t[MOST_THREADS + 1] cuts
        cdef int n, i
        self.shape = None
        self.refuse_memory(m0, "m0")
        self.refuse_memory(last_m, "last_m")
        self.take_pooled(pooling, pooled, shape.n_seqs)
        run.start, run.n_start = NULL, 0
        if starts is not None:
            starts.attach(shape, x)
        run.x = address(x, self.dtype, shape.n_rows, self.w.n_in - run.n_start,
                        &run.ldx, "x")
        run.reverse = self.reverse
        run.training = training
        run.ring = not (states or training or mask is not None)
        run.has_initial = h0 is not None or m0 is not None
        self.reserve_forward(shape)
        self.fill_rows(self.h.data, h0, shape.n_seqs, "h0")
        if run.m != NULL:
            self.fill_rows(self.m.data, m0, shape.n_seqs, "m0")
        self.kept = (x, self.take_mask(mask, h0, shape), starts)
        self.shape = shape
        n = threads_for(self.work(), n_threads, shape.n_seqs)
        if n == 1:
            with nogil:
                self.table.forward(&self.w, &shape.steps, run, 0, shape.n_seqs)
        else:
            shape.cut(n, cuts)
            for i in prange(n, nogil=True, num_threads=n, schedule="static",
                            chunksize=1):
                self.table.forward(&self.w, &shape.steps, run, cuts[i], cuts[i + 1])
        run.z = self.z.data if training else NULL
        if last_h is not None:
            self.copy_last(last_h, self.h, True, "last_h")
        if last_m is not None:
            self.copy_last(last_m, self.m, training, "last_m")
        return None if run.ring else self.states()

    cdef int take_pooled(self, pooling, pooled, Py_ssize_t n_seqs) except -1:
        cdef Py_ssize_t ld
        self.run.pooling = 0
        if pooling is None:
            return 0
        self.run.pooled = address(pooled, self.dtype, n_seqs, self.w.width, &ld,
                                  "pooled")
        if not pooled.flags.c_contiguous:
            raise ValueError("pooled must be C-contiguous.")
        self.run.pooling = ("sum", "max").index(pooling) + 1
        return 0

    cdef int refuse_memory(self, values, str what) except -1:
        if values is not None and not self.w.cell.has_memory:
            raise ValueError(
                f"the cell {self.cell} has no memory, {what} must be None."
            )
        return 0

    cdef int reserve_forward(self, PackedShape shape) except -1:
        # The memory of a forward pass.
        cdef Run* run = &self.run
        cdef Py_ssize_t n_seqs = shape.n_seqs, n_rows = shape.n_rows
        cdef Py_ssize_t row = self.w.width * self.itemsize
        cdef const Cell* cell = self.w.cell
        self.h.reserve((3 * n_seqs if run.ring else n_seqs + n_rows) * row)
        run.h = self.h.data
        run.m = NULL
        if cell.has_memory:
            self.m.reserve((n_seqs + n_rows if run.training else n_seqs) * row)
            run.m = self.m.data
        # Weights that do not stay in the cache beside the states are asked for ahead. A
        # training fills it with more.
        run.asks_panels = self.forward_panels.capacity > (
            second_level_cache() * (2 if run.training else 3) // 4)
        run.z = NULL
        # 16 numbers more keep rows off a distance of 4096 bytes, at which all of them
        # would fall into one set of the first-level cache.
        run.ldz = cell.accumulators * self.w.width + WIDTH
        if run.training:
            if not self.trains:
                raise ValueError("this recurrence was made with trains=False.")
            self.z.reserve(n_rows * run.ldz * self.itemsize)
            run.z = self.z.data if cell.saves else NULL
        run.asks_rows = run.training and self.z.capacity > 4 * second_level_cache()
        return 0

    cdef take_mask(self, mask, h0, PackedShape shape):
        # Dropped states have memory of their own. Return what must be kept alive.
        cdef Run* run = &self.run
        cdef Py_ssize_t n_seqs = shape.n_seqs, row = self.w.width * self.itemsize
        run.h_in = run.h
        run.mask = NULL
        if mask is None:
            return None
        mask = self.padded(np.ascontiguousarray(mask), n_seqs, "mask")
        run.mask = address(mask, self.dtype, n_seqs, self.w.width, &run.ldmask, "mask")
        self.h_in.reserve((n_seqs + shape.n_rows) * row)
        run.h_in = self.h_in.data
        memset(run.h_in, 0, n_seqs * row)
        if h0 is not None:
            self.fill_rows(self.h_in.data, h0 * mask[:, : self.w.n_units], n_seqs, "h0")
        return mask

    cdef int copy_last(self, target, Buffer source, bint moves, str what) except -1:
        # From `source`, where a step has rows of its own if it `moves` on.
        cdef Py_ssize_t ld, b, at, row = self.w.width * self.itemsize
        cdef Py_ssize_t n_seqs = self.shape.n_seqs
        cdef const Py_ssize_t[::1] last_row = self.shape.last_row
        cdef const int[::1] lengths = self.shape.lengths
        cdef char* out = address(target, self.dtype, n_seqs, self.w.n_units, &ld, what)
        for b in range(n_seqs):
            at = b
            if moves and self.run.ring:
                at += n_seqs * (1 if self.reverse else 1 + ((lengths[b] - 1) & 1))
            elif moves:
                at = n_seqs + (b if self.reverse else last_row[b])
            memcpy(out + b * ld * self.itemsize, source.data + at * row,
                   self.w.n_units * self.itemsize)
        return 0

    cdef states(self):
        cdef Py_ssize_t row = self.w.width * self.itemsize
        return np.ndarray((self.shape.n_rows, self.w.n_units), self.dtype,
                          buffer=self.h.array, offset=self.shape.n_seqs * row,
                          strides=(row, self.itemsize))

    cdef int fill_rows(self, char* target, values, Py_ssize_t n_seqs,
                       str what) except -1:
        cdef Py_ssize_t ld, i, row = self.w.width * self.itemsize
        cdef char* source
        memset(target, 0, n_seqs * row)
        if values is not None:
            source = address(values, self.dtype, n_seqs, self.w.n_units, &ld, what)
            for i in range(n_seqs):
                memcpy(target + i * row, source + i * ld * self.itemsize,
                       self.w.n_units * self.itemsize)
        return 0

    cdef padded(self, values, Py_ssize_t n_rows, str what):
        # The same with rows of `width`, the rest zero.
        if values.shape != (n_rows, self.w.n_units):
            raise ValueError(f"{what} must have shape ({n_rows}, {self.w.n_units}),"
                             f" got {values.shape}.")
        if self.w.n_units == self.w.width:
            return values
        wide = np.zeros((n_rows, self.w.width), dtype=self.dtype)
        wide[:, : self.w.n_units] = values
        return wide

    def backward(self, dW, dU, db, *, dy=None, dlast=None, dm_last=None, dx=None,
                 dh0=None, dm0=None, Py_ssize_t bptt_steps=0, int n_threads=1):
        """Gradients of what the last ``forward(training=True)`` computed.

        Parameters
        ----------
        dW, dU, db : ndarray, C-contiguous
            The gradients of the weights are added to these; shapes as in `load`.
        dy : ndarray (n_rows, n_units) or None
            Gradient of every state.
        dlast, dm_last : ndarray (n_seqs, n_units) or None
            Gradients of the state and of the memory after the last step processed of
            each sequence.
        dx, dh0, dm0 : ndarray or None
            Filled with the gradients of the inputs and of the initial state.
        bptt_steps : int
            The gradient is cut every `bptt_steps` steps, counted back from the last
            step; 0: never.
        """
        cdef Run* run = &self.run
        cdef PackedShape shape = self.shape
        cdef Py_ssize_t ld, lddx = 0, n = self.w.n_units
        cdef const Cell* cell = self.w.cell
        cdef int n_threads_
        cdef char* pdW
        cdef char* pdU
        cdef char* pdb
        cdef char* pdx = NULL
        if shape is None or run.z == NULL:
            raise ValueError(
                "backward needs a forward pass with training=True before it."
            )
        pdW = address(dW, self.dtype, self.w.n_in, strlen(cell.w_gates) * n, &ld, "dW")
        pdU = address(dU, self.dtype, n, strlen(cell.u_gates) * n, &ld, "dU")
        pdb = address(db, self.dtype, 1, strlen(cell.biases) * n, &ld, "db")
        if not (dW.flags.c_contiguous and dU.flags.c_contiguous):
            raise ValueError("dW and dU must be C-contiguous.")
        _kept = self.take_gradients(dy, dlast, dm_last)
        if dx is not None:
            pdx = address(dx, self.dtype, shape.n_rows, self.w.n_in, &lddx, "dx")
            self.pack_for_inputs()
        run.dh0 = NULL
        run.dm0 = NULL
        if dh0 is not None or dm0 is not None:
            start = self.reserve_start()
        run.bptt_steps = bptt_steps
        run.asks_panels = self.state_panels.capacity > second_level_cache() / 2
        n_threads_ = threads_for(2 * self.work(), n_threads, shape.n_seqs)
        self.run_backward(n_threads_)
        with nogil:
            self.table.unpack(&self.w, run.dw, pdW, pdU, pdb)
        if pdx != NULL:
            self.run_input_gradient(pdx, lddx, n_threads_)
        if dh0 is not None:
            dh0[...] = start[0][:, :n]
        if dm0 is not None:
            dm0[...] = start[1][:, :n]
        # z holds dz now: a second backward pass needs a new forward pass.
        run.z = NULL

    cdef take_gradients(self, dy, dlast, dm_last):
        # What comes in from outside. Return what must be kept alive.
        cdef Run* run = &self.run
        cdef Py_ssize_t n_rows = self.shape.n_rows, n_seqs = self.shape.n_seqs
        cdef Py_ssize_t width = self.w.width
        run.dy = NULL
        run.dlast = NULL
        if dy is not None:
            dy = self.padded(dy, n_rows, "dy")
            run.dy = address(dy, self.dtype, n_rows, width, &run.lddy, "dy")
        if dlast is not None:
            dlast = self.padded(dlast, n_seqs, "dlast")
            run.dlast = address(dlast, self.dtype, n_seqs, width, &run.lddlast, "dlast")
        self.refuse_memory(dm_last, "dm_last")
        self.carry.reserve(n_seqs * width * self.itemsize)
        run.carry = self.carry.data
        self.fill_rows(self.carry.data, dm_last, n_seqs, "dm_last")
        return dy, dlast

    cdef int pack_for_inputs(self) except -1:
        cdef Py_ssize_t ld, n_columns = strlen(self.w.cell.w_gates) * self.w.n_units
        cdef char* W = address(self.W, self.dtype, self.w.n_in, n_columns, &ld, "W")
        self.input_panels.reserve(self.itemsize * self.table.product_size(
            strlen(self.w.cell.w_gates) * self.w.width, self.w.n_in))
        self.w.to_input = self.input_panels.data
        self.table.pack_input(&self.w, W)
        return 0

    cdef reserve_start(self):
        # Memory for the gradients of the initial state and memory.
        cdef Run* run = &self.run
        cdef Py_ssize_t ld, n_seqs = self.shape.n_seqs, width = self.w.width
        start = np.zeros((2, n_seqs, width), dtype=self.dtype)
        run.dh0 = address(start[0], self.dtype, n_seqs, width, &ld, "dh0")
        if self.w.cell.has_memory:
            run.dm0 = address(start[1], self.dtype, n_seqs, width, &ld, "dm0")
        return start

    cdef int run_backward(self, int n_threads) except -1:
        # z -> dz, and the gradients of the weights.
        cdef Run* run = &self.run
        cdef PackedShape shape = self.shape
        cdef Py_ssize_t[MOST_THREADS + 1] cuts
        cdef Py_ssize_t n_columns = self.w.n_in + self.w.n_units + 1, size
        cdef const int[::1] lengths = shape.lengths
        cdef int i
        run.lengths = &lengths[0]
        run.previous = shape.previous(self.reverse)
        size = n_columns * self.w.cell.accumulators * self.w.width * self.itemsize
        self.dw.reserve(size)
        run.dw = self.dw.data
        run.fuse_weight_gradients = n_threads == 1
        if n_threads == 1:
            with nogil:
                memset(run.dw, 0, size)
                self.table.backward(&self.w, &shape.steps, run, 0, shape.n_seqs)
            return 0
        shape.cut(n_threads, cuts)
        for i in prange(n_threads, nogil=True, num_threads=n_threads,
                        schedule="static", chunksize=1):
            self.table.backward(&self.w, &shape.steps, run, cuts[i], cuts[i + 1])
        memset(run.dw, 0, size)
        for i in prange(n_threads, nogil=True, num_threads=n_threads,
                        schedule="static", chunksize=1):
            self.table.weight_gradients(&self.w, run, n_columns * i // n_threads,
                                        n_columns * (i + 1) // n_threads, shape.n_rows)
        return 0

    cdef int run_input_gradient(self, char* dx, Py_ssize_t lddx,
                                int n_threads) except -1:
        cdef Run* run = &self.run
        cdef Py_ssize_t n_rows = self.shape.n_rows
        cdef int i
        if n_threads == 1:
            with nogil:
                self.table.input_gradient(&self.w, run, dx, lddx, 0, n_rows)
            return 0
        for i in prange(n_threads, nogil=True, num_threads=n_threads,
                        schedule="static", chunksize=1):
            self.table.input_gradient(&self.w, run, dx, lddx, n_rows * i // n_threads,
                                      n_rows * (i + 1) // n_threads)
        return 0

    def buffers(self):
        """The memory that calls reuse, as arrays: tests fill it with NaN."""
        cdef Buffer b
        return [
            b.array.view(self.dtype)
            for b in (self.h, self.h_in, self.m, self.z, self.carry, self.dw)
            if b.array is not None
        ]


cdef class Linear:
    """Rows times a matrix plus a bias, in the kernels' order of summation.

    Parameters
    ----------
    n_in, n_out : int
    dtype : float32 or float64
    """

    def __init__(self, Py_ssize_t n_in, Py_ssize_t n_out, dtype):
        self.table = find_table(dtype)
        self.dtype = np.dtype(dtype)
        self.itemsize = self.table.itemsize
        refuse_sizes(n_in, n_out)
        self.n_in, self.n_out = n_in, n_out
        self.width = (n_out + WIDTH - 1) // WIDTH * WIDTH
        self.panels, self.panels_back, self.bias = Buffer(), Buffer(), Buffer()
        self.panels.reserve(self.table.product_size(n_in, n_out) * self.itemsize)
        self.panels_back.reserve(self.table.product_size(n_out, n_in) * self.itemsize)
        self.bias.reserve(n_out * self.itemsize)

    def load(self, W, b=None):
        """Take W (n_in, n_out) and b (1, n_out)."""
        cdef Py_ssize_t ld
        cdef char* p = address(W, self.dtype, self.n_in, self.n_out, &ld, "W")
        self.table.pack_product(self.panels.data, p, self.n_in, self.n_out, ld, 0)
        self.table.pack_product(self.panels_back.data, p, self.n_out, self.n_in, ld, 1)
        memset(self.bias.data, 0, self.n_out * self.itemsize)
        if b is not None:
            p = address(b, self.dtype, 1, self.n_out, &ld, "b")
            memcpy(self.bias.data, p, self.n_out * self.itemsize)

    def forward(self, a, out):
        """out (n_rows, n_out) = b + a (n_rows, n_in) @ W."""
        cdef Py_ssize_t lda, ldc, n_rows = a.shape[0]
        cdef char* pa = address(a, self.dtype, n_rows, self.n_in, &lda, "a")
        cdef char* pc = address(out, self.dtype, n_rows, self.n_out, &ldc, "out")
        with nogil:
            self.run(pa, lda, pc, ldc, n_rows)
        return out

    cdef void run(self, const void* a, Py_ssize_t lda, void* out, Py_ssize_t ldout,
                  Py_ssize_t n_rows) noexcept nogil:
        self.table.product(self.panels.data, self.n_in, self.n_out, a, lda,
                           self.bias.data, out, ldout, 0, n_rows)

    def backward(self, a, dout, dW, db, da=None):
        """dW += a' dout, db += sum of dout, da = dout W'. dout may be `width` wide."""
        cdef Py_ssize_t lda, ldd, ldw, ldb, ldda, n_rows = a.shape[0]
        cdef char* pa = address(a, self.dtype, n_rows, self.n_in, &lda, "a")
        cdef char* pd
        cdef char* pw = address(dW, self.dtype, self.n_in, self.n_out, &ldw, "dW")
        cdef char* pb = NULL
        cdef char* pda = NULL
        if db is not None:
            pb = address(db, self.dtype, 1, self.n_out, &ldb, "db")
        if da is not None:
            pda = address(da, self.dtype, n_rows, self.n_in, &ldda, "da")
        if (wide := dout).shape[1] != self.width:  # zeros fill up vectors
            wide = np.zeros((n_rows, self.width), dtype=self.dtype)
            wide[:, : self.n_out] = dout
        pd = address(wide, self.dtype, n_rows, self.width, &ldd, "dout")
        with nogil:
            self.table.outer(pw, ldw, pa, lda, self.n_in, pd, ldd, self.n_out, 0,
                             n_rows)
            if pb != NULL:
                self.table.outer(pb, self.n_out, NULL, 0, 1, pd, ldd, self.n_out, 0,
                                 n_rows)
            if pda != NULL:
                self.table.product(self.panels_back.data, self.n_out, self.n_in, pd,
                                   ldd, NULL, pda, ldda, 0, n_rows)
        return da


def activation(which, x):
    """An activation function of the kernels, element by element, for tests."""
    x = np.ascontiguousarray(x).reshape(1, -1)
    y = np.empty_like(x)
    cdef const Table* table = find_table(x.dtype)
    cdef Py_ssize_t ld
    cdef char* px = address(x, x.dtype, 1, x.shape[1], &ld, "x")
    cdef char* py = address(y, x.dtype, 1, x.shape[1], &ld, "y")
    table.activate(("sigmoid", "tanh", "relu").index(which), px, py, x.shape[1])
    return y[0]


def peak(dtype=np.float32):
    """Speed of a loop that only multiplies and adds registers, in GFLOP/s."""
    cdef const Table* table = find_table(dtype)
    cdef double done = 0, best = 0
    for _ in range(20):
        start = time.perf_counter()
        with nogil:
            done = table.peak(100_000)
        best = max(best, done / (time.perf_counter() - start) / 1e9)
    return best
