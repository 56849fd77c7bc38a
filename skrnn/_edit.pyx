"""The least number of insertions, deletions and substitutions between two sequences.

Row by row of the table of distances between beginnings, of which one row is kept.
"""

from libc.stdlib cimport free, malloc


cdef Py_ssize_t _distance(
    const int *a, Py_ssize_t n_a, const int *b, Py_ssize_t n_b, Py_ssize_t *row
) noexcept nogil:
    """Distance of a[:n_a] and b[:n_b]; `row` has room for n_b + 1 numbers."""
    cdef Py_ssize_t i, j, diagonal, above, best
    for j in range(n_b + 1):
        row[j] = j
    for i in range(n_a):
        diagonal = row[0]  # of the beginnings a[:i] and b[:j]
        best = row[0] = i + 1
        for j in range(n_b):
            above = row[j + 1]
            diagonal += a[i] != b[j]
            best = min(best + 1, above + 1, diagonal)
            row[j + 1] = best
            diagonal = above
    return row[n_b]


def distance(const int[::1] a, const int[::1] b):
    """The edit distance of two sequences of numbers."""
    cdef Py_ssize_t n_a = a.shape[0], n_b = b.shape[0], start = 0, found
    cdef Py_ssize_t *row
    # What they have in common at both ends costs nothing.
    while n_a > 0 and n_b > 0 and a[n_a - 1] == b[n_b - 1]:
        n_a -= 1
        n_b -= 1
    while start < n_a and start < n_b and a[start] == b[start]:
        start += 1
    n_a -= start
    n_b -= start
    if n_a == 0 or n_b == 0:
        return n_a + n_b
    row = <Py_ssize_t *> malloc((n_b + 1) * sizeof(Py_ssize_t))
    if row == NULL:
        raise MemoryError()
    with nogil:
        found = _distance(&a[start], n_a, &b[start], n_b, row)
    free(row)
    return found
