"""Code that must not warn, whatever a test module lets pass."""

import contextlib
import warnings

# The kernels of OpenBLAS may compute on lanes that nobody reads, whose bits are left
# over (numpy/numpy#24067). pyproject.toml has the same pattern for all tests.
BLAS_FLAGS = (
    "(divide by zero|invalid value|overflow) encountered in (dot|matmul|vecdot)"
)


@contextlib.contextmanager
def no_warnings():
    """Make an error of each warning but of flags that matrix products leave."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", BLAS_FLAGS, RuntimeWarning)
        yield
