include "kernels.pxi"
include "lattice.pxi"
