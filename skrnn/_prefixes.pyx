"""Prefix search: the most probable label sequences of a connectionist classification.

A prefix keeps two sums over its paths, of those that end in a blank and of those that
end in its last label, since only after a blank an equal label is a new one. After each
step the `width` best prefixes stay; of equals those that come first in the order of
labels. All sums are logarithms, in double. A path is lost with its prefix, so the sums
at the end are lower bounds.

References
----------
Graves 2012, "Supervised sequence labelling with recurrent neural networks", 7.5.
Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using
bi-directional recurrent DNNs".
"""

import numpy as np

from libc.math cimport INFINITY

from skrnn._elementary cimport exp, log


# The prefixes that were ever kept, as a tree; node 0 is the empty one.
cdef struct Tree:
    Py_ssize_t n_nodes
    Py_ssize_t* parent      # (n_nodes,)
    Py_ssize_t* label
    Py_ssize_t* depth
    Py_ssize_t* child       # the newest child, -1: none
    Py_ssize_t* sibling     # the next older child of the same parent, -1: none
    Py_ssize_t* place       # where a node stands among those kept, -1: nowhere


# A prefix of a step: `node`, or `node` and one more label if that is not 0.
cdef struct Candidate:
    double score
    double blank            # sum over paths that end in a blank
    double own              # and over those that end in the last label
    Py_ssize_t node
    Py_ssize_t label


cdef double log_add(double a, double b) noexcept nogil:
    if a < b:
        a, b = b, a
    if b == -INFINITY:
        return a
    return a + log(1.0 + exp(b - a))


cdef Py_ssize_t label_at(const Tree* tree, const Candidate* c,
                         Py_ssize_t i) noexcept nogil:
    # Label i of a candidate's prefix, -1 behind its end.
    cdef Py_ssize_t node = c.node, n = tree.depth[c.node]
    if i >= n:
        return c.label if i == n and c.label else -1
    while tree.depth[node] > i + 1:
        node = tree.parent[node]
    return tree.label[node]


cdef bint is_better(const Tree* tree, const Candidate* a,
                    const Candidate* b) noexcept nogil:
    cdef Py_ssize_t i, k, m
    if a.score != b.score:
        return a.score > b.score
    for i in range(max(tree.depth[a.node], tree.depth[b.node]) + 1):
        k, m = label_at(tree, a, i), label_at(tree, b, i)
        if k != m:
            return k < m
    return False


cdef Py_ssize_t keep(const Tree* tree, Candidate* best, Py_ssize_t n, Py_ssize_t width,
                     const Candidate* one) noexcept nogil:
    # Put a candidate in its place among the n best so far; return how many there are.
    cdef Py_ssize_t i
    if one.score == -INFINITY:
        return n
    if n == width:
        if not is_better(tree, one, &best[n - 1]):
            return n
        n -= 1
    i = n
    while i > 0 and is_better(tree, one, &best[i - 1]):
        best[i] = best[i - 1]
        i -= 1
    best[i] = one[0]
    return n + 1


cdef Py_ssize_t node_of(Tree* tree, const Candidate* c) noexcept nogil:
    # The node of a candidate's prefix, made if there is none yet.
    cdef Py_ssize_t node
    if c.label == 0:
        return c.node
    node = tree.child[c.node]
    while node >= 0:
        if tree.label[node] == c.label:
            return node
        node = tree.sibling[node]
    node = tree.n_nodes
    tree.n_nodes += 1
    tree.parent[node], tree.label[node] = c.node, c.label
    tree.depth[node] = tree.depth[c.node] + 1
    tree.sibling[node], tree.child[c.node] = tree.child[c.node], node
    tree.child[node] = tree.place[node] = -1
    return node


cdef Py_ssize_t one_step(
    Tree* tree, const double* log_p, Py_ssize_t n_symbols, Candidate* kept,
    Py_ssize_t n, Candidate* best, char* taken, Py_ssize_t width
) noexcept nogil:
    # From the n kept prefixes to the best of the next step; returns their number.
    cdef Py_ssize_t i, j, k, last, parent, n_best = 0
    cdef double longer
    cdef Candidate one
    cdef Candidate* c
    for i in range(n * n_symbols):
        taken[i] = 0
    for j in range(n):
        c = &kept[j]
        last, parent = tree.label[c.node], tree.parent[c.node]
        one.node, one.label = c.node, 0
        one.blank = c.score + log_p[0]
        one.own = c.own + log_p[last] if c.node else -INFINITY
        if c.node and tree.place[parent] >= 0:
            i = tree.place[parent]
            taken[i * n_symbols + last] = 1
            longer = kept[i].score if tree.label[parent] != last else kept[i].blank
            one.own = log_add(one.own, longer + log_p[last])
        one.score = log_add(one.blank, one.own)
        n_best = keep(tree, best, n_best, width, &one)
    for i in range(n):
        c = &kept[i]
        one.node, one.blank = c.node, -INFINITY
        for k in range(1, n_symbols):
            if taken[i * n_symbols + k]:
                continue
            longer = c.blank if c.node and tree.label[c.node] == k else c.score
            one.label = k
            one.score = one.own = longer + log_p[k]
            n_best = keep(tree, best, n_best, width, &one)
    return n_best


def prefix_search(const double[:, ::1] log_p, Py_ssize_t width):
    """Return the labels of the best prefixes of a whole sequence, the best one first.

    Parameters
    ----------
    log_p : ndarray of shape (n_steps, n_symbols)
        Logarithms of the probabilities; symbol 0 is the blank.
    width : int
        How many prefixes stay after each step.

    Returns
    -------
    prefixes : list of lists of int
        At most `width`, all of them different.
    """
    cdef Py_ssize_t t, i, j, n = 1, n_steps = log_p.shape[0], n_symbols = log_p.shape[1]
    cdef Py_ssize_t n_nodes = 1 + n_steps * width, node
    cdef Py_ssize_t[:, ::1] nodes = np.empty((6, n_nodes), dtype=np.intp)
    cdef char[::1] taken = np.empty(width * n_symbols, dtype=np.int8)
    cdef char[:, ::1] room = np.empty((2, (width + 1) * sizeof(Candidate)), np.int8)
    cdef Candidate* kept = <Candidate*>&room[0, 0]
    cdef Candidate* best = <Candidate*>&room[1, 0]
    cdef Tree tree
    tree.parent, tree.label, tree.depth = &nodes[0, 0], &nodes[1, 0], &nodes[2, 0]
    tree.child, tree.sibling, tree.place = &nodes[3, 0], &nodes[4, 0], &nodes[5, 0]
    tree.n_nodes = 1
    tree.parent[0] = tree.label[0] = tree.depth[0] = tree.place[0] = 0
    tree.child[0] = tree.sibling[0] = -1
    kept[0].score = kept[0].blank = 0.0
    kept[0].own = -INFINITY
    kept[0].node = kept[0].label = 0
    with nogil:
        for t in range(n_steps):
            j = one_step(
                &tree, &log_p[t, 0], n_symbols, kept, n, best, &taken[0], width
            )
            for i in range(n):
                tree.place[kept[i].node] = -1
            n = j
            kept, best = best, kept
            for j in range(n):
                node = node_of(&tree, &kept[j])
                kept[j].node, kept[j].label = node, 0
                tree.place[node] = j
    found = []
    for j in range(n):
        node, prefix = kept[j].node, []
        while node:
            prefix.append(tree.label[node])
            node = tree.parent[node]
        found.append(prefix[::-1])
    return found
