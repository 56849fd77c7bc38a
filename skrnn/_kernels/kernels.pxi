# The kernels of one instruction set and dtype. A stub `.pyx` per set includes this file
# and is compiled with the set's flags; see setup.py.

from cpython.pycapsule cimport PyCapsule_New
from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.string cimport memset, strlen

from skrnn._kernels.table cimport Cell, Run, Steps, Table, Weights, run_t

cdef extern from "vec.h" nogil:
    # To Cython a vector is a number: + - * / and the unary minus pass as they stand and
    # are the compiler's vector operators. Comparing or casting one would type-check
    # here and mean nothing: vset1 and vselect_lt are for that.
    ctypedef float real
    ctypedef float vec
    const int VL, ROWS1, ROWS2, ROWS3, ROWS4
    vec vload(const real* p)
    void vstore(real* p, vec a)
    vec vset1(real a)
    vec vfma(vec a, vec b, vec c)
    vec vselect_lt(vec a, vec b, vec x, vec y)
    vec vmin(vec a, vec b)
    vec vmax(vec a, vec b)
    vec vabs(vec a)
    vec vwith_sign(vec a, vec s)
    vec vexp2_rounded(vec t)
    void vfill(vec* a, vec value, int n)
    void vcopy(vec* to, const vec* source, int n)
    void vload_repeated(vec* a, const real* p, int n_rows, int n)
    void vload_rows(vec* a, const real** rows, Py_ssize_t stride, int n_rows, int n)
    void prefetch_near(const void* p)
    void prefetch_far(const void* p)
    real real_sqrt(real x)
    const real REAL_MIN
    uint64_t denormals_off()
    void denormals_restore(uint64_t state)

include "activations.pxi"
include "tiles.pxi"
include "loop.pxi"
include "adam.pxi"
include "../cells/cells.pxi"

cdef void forward(const Weights* w, const Steps* s, const Run* r,
                  Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    (<run_t>w.cell.forward)(w, s, r, row_start, row_stop)


cdef Table TABLE = Table(
    vector_length=VL, itemsize=sizeof(real),
    n_cells=sizeof(ALL_CELLS) // sizeof(Cell), cells=&ALL_CELLS[0],
    forward_size=forward_size, product_size=product_size, pack=pack,
    pack_input=pack_input, forward=forward,
    backward=backward, weight_gradients=weight_gradients, unpack=unpack,
    input_gradient=input_gradient, pack_product=pack_product, product=product,
    outer=outer, activate=activate,
    exponential=exponential, soften=soften, scale=scale, adam=adam,
    peak=peak,
)

table = PyCapsule_New(&TABLE, "skrnn.Table", NULL)
