include "kernels.pxi"
include "lattice.pxi"
include "orthogonal.pxi"
