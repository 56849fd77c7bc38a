# Register tiles: the only multiplications of matrices in the package.
#
# Every element of a product is one chain of fused multiply-adds over k, in order, from
# a start value. A tile holds n_rows x n_vec accumulators for one pass over k; lanes run
# along outputs. So neither the tile's size, nor the vector's, nor how rows are cut, nor
# a detour through memory between two parts of k changes a bit.
#
# Sizes named in capitals are literals at each call: the functions are inlined, the
# loops over them unrolled, and the arrays live in registers. (An array that is ever
# indexed by a run-time value, or handed to a function that is not inlined, would not;
# hence the copies to `out`.)

cdef enum:
    LINE = 64                    # bytes of a line of the cache, or fewer
    PRODUCT_K = 512              # terms of a part of a long sum
    FAR_OUTPUTS = 131072         # sums that do not stay in the cache


cdef inline void term(int ROWS, int VECS, int FIRST, int LAST, vec* acc,
                      const real* a, Py_ssize_t lda, const real* w) noexcept nogil:
    # acc (ROWS, VECS)[:, FIRST:LAST] += a (ROWS,) times w (LAST - FIRST,)
    # With fewer rows than vectors the broadcasts stay in registers and the weights are
    # memory operands, else the other way round: 16 registers are enough for both. One
    # of either needs no array, which Clang would keep in memory.
    cdef int i, v
    cdef vec row[12]
    cdef vec one
    if ROWS == 1:
        one = vset1(a[0])
        for v in range(FIRST, LAST):
            acc[v] = vfma(one, vload(w + (v - FIRST) * VL), acc[v])
    elif LAST - FIRST == 1:
        one = vload(w)
        for i in range(ROWS):
            acc[i * VECS + FIRST] = vfma(vset1(a[i * lda]), one, acc[i * VECS + FIRST])
    elif ROWS < LAST - FIRST:
        for i in range(ROWS):
            row[i] = vset1(a[i * lda])
        for v in range(FIRST, LAST):
            one = vload(w + (v - FIRST) * VL)
            for i in range(ROWS):
                acc[i * VECS + v] = vfma(row[i], one, acc[i * VECS + v])
    else:
        for v in range(FIRST, LAST):
            row[v] = vload(w + (v - FIRST) * VL)
        for i in range(ROWS):
            one = vset1(a[i * lda])
            for v in range(FIRST, LAST):
                acc[i * VECS + v] = vfma(one, row[v], acc[i * VECS + v])


cdef inline void chain(int ROWS, int VECS, int FIRST, int LAST, vec* acc,
                       const real* a, Py_ssize_t lda, const real* w,
                       Py_ssize_t n_k, const char* ahead) noexcept nogil:
    # acc (ROWS, VECS)[:, FIRST:LAST] += a (ROWS, n_k) @ w (n_k, LAST - FIRST)
    # With each term, a line of what comes next is asked for, if `ahead` says where; in
    # a loop of its own, since small products would lose by it.
    cdef Py_ssize_t k
    if ahead != NULL:
        for k in range(n_k):
            prefetch_far(ahead + k * LINE)
            term(ROWS, VECS, FIRST, LAST, acc, a + k, lda, w)
            w += (LAST - FIRST) * VL
    else:
        for k in range(n_k):
            term(ROWS, VECS, FIRST, LAST, acc, a + k, lda, w)
            w += (LAST - FIRST) * VL


cdef inline void tile_product(int ROWS, int VECS, vec* out, const real* a,
                              Py_ssize_t lda, const real* w, Py_ssize_t n_k,
                              const char* ahead) noexcept nogil:
    # out (ROWS, VECS) += a (ROWS, n_k) @ w (n_k, 2): panels are two vectors wide.
    cdef vec acc[24]
    cdef Py_ssize_t k
    vcopy(acc, out, ROWS * VECS)
    if ahead != NULL:
        for k in range(n_k):
            prefetch_far(ahead + k * LINE)
            term(ROWS, VECS, 0, VECS, acc, a + k, lda, w)
            w += 2 * VL
    else:
        for k in range(n_k):
            term(ROWS, VECS, 0, VECS, acc, a + k, lda, w)
            w += 2 * VL
    vcopy(out, acc, ROWS * VECS)


cdef inline void any_rows_product(int VECS, int n_rows, vec* out, const real* a,
                                  Py_ssize_t lda, const real* w, Py_ssize_t n_k,
                                  const char* ahead) noexcept nogil:
    # The conditions on ROWS2 are known when this is compiled: no taller tile is made.
    if n_rows == 1:
        tile_product(1, VECS, out, a, lda, w, n_k, ahead)
    elif n_rows == 2:
        tile_product(2, VECS, out, a, lda, w, n_k, ahead)
    elif n_rows == 3:
        tile_product(3, VECS, out, a, lda, w, n_k, ahead)
    elif n_rows == 4:
        tile_product(4, VECS, out, a, lda, w, n_k, ahead)
    elif n_rows == 5:
        tile_product(5, VECS, out, a, lda, w, n_k, ahead)
    elif n_rows == 6:
        tile_product(6, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 7 and n_rows == 7:
        tile_product(7, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 8 and n_rows == 8:
        tile_product(8, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 9 and n_rows == 9:
        tile_product(9, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 10 and n_rows == 10:
        tile_product(10, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 11 and n_rows == 11:
        tile_product(11, VECS, out, a, lda, w, n_k, ahead)
    elif ROWS2 >= 12 and n_rows == 12:
        tile_product(12, VECS, out, a, lda, w, n_k, ahead)


cdef void panel_product(int n_rows, int n_vec, vec* out, const real* a, Py_ssize_t lda,
                        const real* w, Py_ssize_t n_k,
                        const char* ahead) noexcept nogil:
    # out (n_rows, n_vec) += a (n_rows, n_k) @ w (n_k, 2 vectors); n_rows <= ROWS2
    if n_vec == 2:
        any_rows_product(2, n_rows, out, a, lda, w, n_k, ahead)
    else:
        any_rows_product(1, n_rows, out, a, lda, w, n_k, ahead)


cdef inline int tile_height(Py_ssize_t n_rows, int most) noexcept nogil:
    # Tiles of equal heights: 32 rows by 6 are 6 6 5 5 5 5 and not 6 6 6 6 6 2.
    cdef Py_ssize_t n_tiles = (n_rows + most - 1) // most
    return <int>((n_rows + n_tiles - 1) // n_tiles)


cdef Py_ssize_t product_size(Py_ssize_t n_k, Py_ssize_t n_out) noexcept nogil:
    return (n_out + 2 * VL - 1) // (2 * VL) * n_k * 2 * VL


cdef void pack_product(void* panels, const void* w, Py_ssize_t n_k, Py_ssize_t n_out,
                       Py_ssize_t ldw, int transposed) noexcept nogil:
    # w (n_k, n_out), or (n_out, n_k) where `transposed`, to panels of two vectors of
    # outputs, k-major; the last one filled up with zeros.
    cdef Py_ssize_t p, k, j, out_start
    cdef real* target = <real*>panels
    cdef const real* source = <const real*>w
    for p in range((n_out + 2 * VL - 1) // (2 * VL)):
        out_start = p * 2 * VL
        for k in range(n_k):
            for j in range(2 * VL):
                if out_start + j >= n_out:
                    target[j] = 0
                elif transposed:
                    target[j] = source[(out_start + j) * ldw + k]
                else:
                    target[j] = source[k * ldw + out_start + j]
            target += 2 * VL


cdef inline void store_lanes(real* target, vec value, Py_ssize_t n) noexcept nogil:
    # The first n lanes, where fewer than a vector are wanted.
    cdef real lanes[16]
    cdef Py_ssize_t j
    if n >= VL:
        vstore(target, value)
    else:
        vstore(lanes, value)
        for j in range(n):
            target[j] = lanes[j]


cdef inline vec load_lanes(const real* source, Py_ssize_t n) noexcept nogil:
    cdef real lanes[16]
    cdef Py_ssize_t j
    if n >= VL:
        return vload(source)
    for j in range(VL):
        lanes[j] = source[j] if j < n else 0
    return vload(lanes)


cdef void product(const void* panels, Py_ssize_t n_k, Py_ssize_t n_out,
                  const void* a, Py_ssize_t lda, const void* bias,
                  void* c, Py_ssize_t ldc,
                  Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # c (rows, n_out) = bias (n_out,) + a (rows, n_k) @ w; bias NULL: zero. A long sum
    # is made in parts, so that a panel's part stays in the cache for all rows.
    cdef uint64_t state
    cdef vec out[24]
    cdef vec start[2]
    cdef Py_ssize_t p, row, left, j, first, n
    cdef int height, n_rows, n_vec, i, v, nth
    cdef real* target
    cdef const char* ahead
    cdef bint far = n_out * (row_stop - row_start) > FAR_OUTPUTS
    if row_stop <= row_start:
        return
    state = denormals_off()
    height = tile_height(row_stop - row_start, ROWS2)
    first = 0
    while first == 0 or first < n_k:
        n = n_k - first
        if n_k > 2 * PRODUCT_K and n > PRODUCT_K:
            n = PRODUCT_K
        for p in range((n_out + 2 * VL - 1) // (2 * VL)):
            j = p * 2 * VL
            n_vec = 2 if n_out - j > VL else 1
            for v in range(n_vec):
                start[v] = vset1(0)
                if bias != NULL:
                    start[v] = load_lanes(<const real*>bias + j + v * VL,
                                          n_out - j - v * VL)
            row, nth = row_start, 0
            while row < row_stop:
                n_rows = <int>(height if row_stop - row > height else row_stop - row)
                ahead = NULL
                if far:
                    # The sums of this tile are far away, and so is the next panel.
                    for i in range(n_rows):
                        prefetch_near(<real*>c + (row + i) * ldc + j)
                        prefetch_near(<real*>c + (row + i) * ldc + j + VL)
                    if nth < 2:
                        ahead = <const char*>panels + nth * n * LINE
                        ahead += ((p + 1) * n_k + first) * 2 * VL * sizeof(real)
                    nth += 1
                for i in range(n_rows):
                    target = <real*>c + (row + i) * ldc + j
                    for v in range(n_vec):
                        out[i * n_vec + v] = start[v]
                        if first > 0:
                            out[i * n_vec + v] = load_lanes(target + v * VL,
                                                            n_out - j - v * VL)
                panel_product(n_rows, n_vec, out, <const real*>a + row * lda + first,
                              lda, <const real*>panels + (p * n_k + first) * 2 * VL, n,
                              ahead)
                for i in range(n_rows):
                    target = <real*>c + (row + i) * ldc + j
                    for v in range(n_vec):
                        left = n_out - j - v * VL
                        store_lanes(target + v * VL, out[i * n_vec + v], left)
                row += n_rows
        first += max(n, <Py_ssize_t>1)
    denormals_restore(state)


# ------------------------------------------------------- sums of outer products

cdef enum:
    CHUNK = 256                  # rows that a weight gradient sums before it adds to dw
    PACKED_COLUMNS = 256         # from how many columns on a strip is packed
    FAR_COLUMNS = 64             # the same where rows are a page apart
    PAGE = 4096                  # bytes


cdef inline void tile_outer(int COLUMNS, int VECS, real* c, Py_ssize_t ldc,
                            Py_ssize_t n_lanes, const real** a, Py_ssize_t first,
                            const real* d, Py_ssize_t ldd,
                            Py_ssize_t n_rows) noexcept nogil:
    # c (COLUMNS, VECS) += a (n_rows, COLUMNS)' @ d (n_rows, VECS), where row r of `a`
    # stands at a[r] + first. a NULL: a column of ones.
    cdef vec acc[24]
    cdef vec out[24]
    cdef vec one
    cdef Py_ssize_t r
    cdef int i, v
    vfill(acc, vset1(0), COLUMNS * VECS)
    for i in range(COLUMNS * VECS):
        # Sums that are added to this at the end may be far away.
        prefetch_near(c + i // VECS * ldc + i % VECS * VL)
    for r in range(n_rows):
        if a == NULL:
            for v in range(VECS):
                acc[v] = acc[v] + vload(d + v * VL)
        else:
            term(COLUMNS, VECS, 0, VECS, acc, a[r] + first, 1, d)
        d += ldd
    vcopy(out, acc, COLUMNS * VECS)
    for i in range(COLUMNS):
        for v in range(VECS):
            one = load_lanes(c + i * ldc + v * VL, n_lanes - v * VL)
            store_lanes(c + i * ldc + v * VL, one + out[i * VECS + v],
                        n_lanes - v * VL)


cdef inline void outer_strip(int VECS, real* c, Py_ssize_t ldc, Py_ssize_t n_lanes,
                             const real** a, Py_ssize_t n_a, const real* d,
                             Py_ssize_t ldd, Py_ssize_t n_rows) noexcept nogil:
    cdef Py_ssize_t j = 0
    cdef int height, n
    if a == NULL:
        tile_outer(1, VECS, c, ldc, n_lanes, NULL, 0, d, ldd, n_rows)
        return
    if n_a == 0:
        return
    height = tile_height(n_a, ROWS4)
    while j < n_a:
        n = <int>(height if n_a - j > height else n_a - j)
        if n == 1:
            tile_outer(1, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        elif n == 2:
            tile_outer(2, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        elif n == 3:
            tile_outer(3, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        elif ROWS4 >= 4 and n == 4:
            tile_outer(4, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        elif ROWS4 >= 5 and n == 5:
            tile_outer(5, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        elif ROWS4 >= 6 and n == 6:
            tile_outer(6, VECS, c, ldc, n_lanes, a, j, d, ldd, n_rows)
        c += n * ldc
        j += n


cdef void outer_chunk(real* c, Py_ssize_t ldc, const real* a, Py_ssize_t lda,
                      Py_ssize_t n_a, const int* index, const real* d, Py_ssize_t ldd,
                      Py_ssize_t n_d, Py_ssize_t n_rows) noexcept nogil:
    # c (n_a, n_d) += a[index]' d over one chunk of rows, at most CHUNK
    # Four vectors of all rows are read for each few columns of `a`: where these are
    # many, they are put side by side first. Where rows stand is found once: without a
    # choice in the loop over rows, a compiler keeps all sums in registers.
    cdef char memory[(4 * CHUNK + 1) * LINE]
    cdef real* strip = <real*>(memory + LINE - <size_t>memory % LINE)
    cdef const real* places[CHUNK]
    cdef const real** rows = NULL
    cdef Py_ssize_t j = 0, r
    cdef int v
    cdef bint packs = n_a >= PACKED_COLUMNS
    # Rows that are pages apart are read slowly.
    if ldd * <Py_ssize_t>sizeof(real) >= PAGE and n_a >= FAR_COLUMNS:
        packs = True
    if a != NULL:
        rows = places
        for r in range(n_rows):
            places[r] = a + (index[r] if index != NULL else r) * lda
    while j < n_d:
        if n_d - j > 3 * VL and packs:
            for r in range(n_rows):
                for v in range(4):
                    vstore(strip + (r * 4 + v) * VL, vload(d + r * ldd + j + v * VL))
            outer_strip(4, c + j, ldc, n_d - j, rows, n_a, strip, 4 * VL, n_rows)
            j += 4 * VL
        elif n_d - j > 3 * VL:
            outer_strip(4, c + j, ldc, n_d - j, rows, n_a, d + j, ldd, n_rows)
            j += 4 * VL
        elif n_d - j > VL:
            outer_strip(2, c + j, ldc, n_d - j, rows, n_a, d + j, ldd, n_rows)
            j += 2 * VL
        else:
            outer_strip(1, c + j, ldc, n_d - j, rows, n_a, d + j, ldd, n_rows)
            j += VL


cdef void outer(void* c, Py_ssize_t ldc, const void* a, Py_ssize_t lda, Py_ssize_t n_a,
                const void* d, Py_ssize_t ldd, Py_ssize_t n_d,
                Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # c (n_a, n_d) += a (rows, n_a)' d (rows, n_d), in chunks of CHUNK rows; a NULL: a
    # column of ones. ldd and what is read of d must be whole vectors.
    cdef uint64_t state = denormals_off()
    cdef Py_ssize_t r = row_start, n
    while r < row_stop:
        n = CHUNK if row_stop - r > CHUNK else row_stop - r
        outer_chunk(<real*>c, ldc, (<const real*>a) + r * lda if a != NULL else NULL,
                    lda, n_a, NULL, (<const real*>d) + r * ldd, ldd, n_d, n)
        r += n
    denormals_restore(state)


cdef double peak(Py_ssize_t n) noexcept nogil:
    # n rounds of multiply-adds on registers alone, and how many operations they were:
    # what a core can do at best, for benchmarks to set against.
    cdef vec acc[12]
    cdef vec one = vset1(1)
    cdef real lanes[16]
    cdef Py_ssize_t i
    cdef int j
    for j in range(12):
        acc[j] = vset1(<real>j)
    for i in range(n):
        for j in range(12):
            acc[j] = vfma(acc[j], one, one)
    for j in range(1, 12):
        acc[0] = acc[0] + acc[j]
    vstore(lanes, acc[0])
    return 24.0 * VL * n if lanes[0] != 0 else 0
