"""Ridge regression whose strength is chosen by leaving out one row at a time.

All products and factors have the same bits on every processor, which those of LAPACK
have not.
"""

import math

import numpy as np

from skrnn._elementary import total_weight
from skrnn._recurrence import Linear
from skrnn._windows import cholesky, solve, whiten

__all__ = ["multiply", "ridge"]

# Strengths of the penalty, in units of the mean square of a row.
STRENGTHS = (1e-4, 1e-2, 0.1, 0.5, 3.0)
BLOCK = 128  # columns of an inverse, and rows, that are looked at together


def multiply(a, b):
    """Return the product of a (n, k) and b (k, m), float64, in the kernels' order."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    product = Linear(*b.shape, np.float64)
    product.load(b)
    return product.forward(a, np.empty((len(a), b.shape[1])))


def ridge(x, y, weight):
    """Return the coefficients of the best strength, and forecasts of rows left out.

    Parameters
    ----------
    x : ndarray of shape (n, n_in), float64
        With a weighted mean of zero. There is at least one row. It is overwritten.
    y : ndarray of shape (n, n_out), float64
    weight : ndarray of shape (n,), float64
        All positive.

    Returns
    -------
    coef : ndarray of shape (n_in, n_out)
    intercept : ndarray of shape (n_out,)
    left_out : ndarray of shape (n, n_out)
        What the model of all other rows says of each row.
    """
    total = total_weight(weight)
    intercept = (weight[:, np.newaxis] * y).sum(axis=0) / total
    root = np.sqrt(weight)[:, np.newaxis]
    x *= root
    unit = math.fsum((x**2).sum(axis=0)) / len(x)
    if not unit > 0:  # nothing differs
        return np.zeros((x.shape[1], y.shape[1])), intercept, intercept + 0 * y
    system = (_Rows if len(x) <= x.shape[1] else _Columns)(x, root * (y - intercept))
    least = np.inf
    for strength in STRENGTHS:
        found = system.solved(strength * unit)
        if found is None:  # too weak for the precision of floats
            continue
        residual, kept, solution = found
        # The intercept, too, is learned from the other rows. Where nearly nothing is
        # kept a row stands alone, and its error is that of the model.
        kept = kept - weight / total
        kept = np.where(kept > 1e-9, kept, 1.0)[:, np.newaxis]
        errors = residual / kept
        error = (errors**2).sum()
        if error < least:
            least, left_out, best = error, y - errors / root, solution
    return system.coefficients(best), intercept, left_out


class _Rows:
    """Normal equations of a table with few rows: one unknown for each row."""

    def __init__(self, z, t):
        self.z, self.t = z, t
        self.products = multiply(z, z.T)

    def solved(self, penalty):
        """Return residuals, how much of each its own row keeps, and the unknowns."""
        factor = _factor(self.products, penalty)
        if factor is None:
            return None
        unknowns = self.t.copy()
        solve(factor, unknowns)
        kept = penalty * (_inverse(factor) ** 2).sum(axis=0)
        return penalty * unknowns, kept, unknowns

    def coefficients(self, unknowns):
        """Return the coefficients of columns, (n_in, n_out)."""
        return multiply(self.z.T, unknowns)


class _Columns:
    """Normal equations of a table with many rows: one unknown for each column."""

    def __init__(self, z, t):
        self.z, self.t = z, t
        self.products, self.right = multiply(z.T, z), multiply(z.T, t)

    def solved(self, penalty):
        """Return residuals, how much of each its own row keeps, and the unknowns."""
        factor = _factor(self.products, penalty)
        if factor is None:
            return None
        unknowns = self.right.copy()
        solve(factor, unknowns)
        inverse, hat = _inverse(factor), np.empty(len(self.z))
        for start in range(0, len(hat), BLOCK):
            rows = self.z[start : start + BLOCK]
            hat[start : start + BLOCK] = (multiply(inverse, rows.T) ** 2).sum(axis=0)
        return self.t - multiply(self.z, unknowns), 1 - hat, unknowns

    def coefficients(self, unknowns):
        """Return the coefficients of columns, (n_in, n_out)."""
        return unknowns


def _factor(products, penalty):
    factor = products.copy()
    factor[np.diag_indices(len(factor))] += penalty
    return factor if cholesky(factor) else None


def _inverse(factor):
    """Return the inverse of a lower triangle."""
    n = len(factor)
    inverse = np.zeros((n, n))
    for start in range(0, n, BLOCK):
        columns = np.eye(n - start, min(BLOCK, n - start))
        whiten(np.ascontiguousarray(factor[start:, start:]), columns)
        inverse[start:, start : start + BLOCK] = columns
    return inverse
