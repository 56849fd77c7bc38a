"""One step of a search for sequences of tokens, in a fixed order for each sequence."""


def grow(
    const Py_ssize_t[:, ::1] tokens,   # IN  (n, n_best) the best of each row, or -1
    const double[:, ::1] log_p,        # IN  (n, n_best)
    const double[::1] score,           # IN  (n,) log p of each row so far
    const Py_ssize_t[::1] start,       # IN  (n_seqs + 1,) first row of each sequence
    Py_ssize_t[:, ::1] parent,         # OUT (n_seqs, most) rows
    Py_ssize_t[:, ::1] token,          # OUT (n_seqs, most)
    double[:, ::1] total,              # OUT (n_seqs, most)
    Py_ssize_t[::1] n,                 # OUT (n_seqs,) how many there are
):
    """The best ways in which the targets of each sequence go on.

    They are ordered by their log p, then by their row, then by their token.
    """
    cdef Py_ssize_t s, r, j, k, n_found, most = parent.shape[1]
    cdef double x
    cdef bint worse
    if (
        log_p.shape[0] != tokens.shape[0] or log_p.shape[1] != tokens.shape[1]
        or score.shape[0] != tokens.shape[0] or token.shape[1] != most
        or total.shape[1] != most
        or start.shape[0] != parent.shape[0] + 1
        or token.shape[0] != parent.shape[0] or total.shape[0] != parent.shape[0]
        or n.shape[0] != parent.shape[0]
        or start[start.shape[0] - 1] > tokens.shape[0] or start[0] < 0
    ):
        raise ValueError("the shapes do not match.")
    with nogil:
        for s in range(parent.shape[0]):
            n_found = 0
            for r in range(start[s], start[s + 1]):
                for j in range(tokens.shape[1]):
                    if tokens[r, j] < 0:
                        break
                    x = score[r] + log_p[r, j]
                    k = n_found
                    while k > 0:
                        # Rows come in order: an equal one before stays before, but for
                        # tokens of one row whose sums are equal.
                        worse = total[s, k - 1] < x or (
                            total[s, k - 1] == x and parent[s, k - 1] == r
                            and token[s, k - 1] > tokens[r, j]
                        )
                        if not worse:
                            break
                        if k < most:
                            parent[s, k] = parent[s, k - 1]
                            token[s, k] = token[s, k - 1]
                            total[s, k] = total[s, k - 1]
                        k -= 1
                    if k < most:
                        parent[s, k], token[s, k], total[s, k] = r, tokens[r, j], x
                        if n_found < most:
                            n_found += 1
            n[s] = n_found
