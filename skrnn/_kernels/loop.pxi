# The recurrence: time, rows, ragged lengths. It knows of a cell how many accumulators a
# unit has, which of them the inputs feed and which the state feeds, and two point-wise
# functions; nothing else.

# What a point-wise function sees: `n_rows` rows, from one unit on. All pointers are at
# the first of them; rows of states are `width` apart, rows of z `ldz` apart. A function
# copies it: after each store it would have to be read again, as it might have changed.
cdef struct Rows:
    real* z                      # what the cell saves: accumulator a at z + a * width
    Py_ssize_t ldz
    Py_ssize_t width
    const real* h_previous       # NULL: zero
    real* h
    const real* m_previous
    real* m
    real* carry                  # backward: what the cell hands to its own step before


ctypedef void (*forward_t)(vec* a, int n_rows, int n_vec,
                           const Rows* s) noexcept nogil
ctypedef void (*backward_t)(const vec* dh, int n_rows, int n_vec,
                            const Rows* s) noexcept nogil


cdef inline Py_ssize_t state_row(const Steps* s, const Run* r,
                                 Py_ssize_t t) noexcept nogil:
    # The row of h at which the states of step t begin.
    return s.n_seqs + ((t & 1) * s.n_seqs if r.ring else s.offset[t])


cdef inline void first_rows(const Steps* s, const Run* r, Py_ssize_t t,
                            Py_ssize_t* previous,
                            Py_ssize_t* n_previous) noexcept nogil:
    # The rows of step t that continue a sequence are its first `n_previous`; their
    # states before stand at row `previous` of h on. The others start from the initial
    # state.
    cdef Py_ssize_t before = t + 1 if r.reverse else t - 1
    if before < 0 or before >= s.n_steps:
        n_previous[0] = 0
        previous[0] = 0
    else:
        n_previous[0] = min(s.n_active[t], s.n_active[before])
        previous[0] = state_row(s, r, before)


# ------------------------------------------------------------------- forward

# What the inputs bring to one panel's accumulators of some rows. With `starts` these
# hold the bias and the first n_skip inputs.
cdef struct Inputs:
    const real* x                # (rows, ldx) the inputs that are left
    Py_ssize_t ldx
    Py_ssize_t n_in              # how many these are
    Py_ssize_t n_skip
    const real** starts          # (rows,) where accumulators stand; or NULL
    Py_ssize_t stride            # from one of these vectors to the next


cdef inline void start_sums(int ROWS, int VECS, vec* acc, const real* panel,
                            const Inputs* s) noexcept nogil:
    if s.starts == NULL:
        vload_repeated(acc, panel, ROWS, VECS)
    else:
        vload_rows(acc, s.starts, s.stride, ROWS, VECS)


cdef inline void forward_tile(int ROWS, int VECS, int X_FIRST, int X_LAST, int H_FIRST,
                              int H_LAST, vec* out, const real* panel,
                              const Inputs* s, const real* h, Py_ssize_t ldh,
                              Py_ssize_t n_units, const char* ahead) noexcept nogil:
    # out (ROWS, VECS) = b + x @ W + h @ U for one panel, which holds b, W and U in
    # turn. A line from `ahead` on is asked for with each term of h @ U.
    cdef vec acc[24]
    start_sums(ROWS, VECS, acc, panel, s)
    panel += (VECS + s.n_skip * (X_LAST - X_FIRST)) * VL
    chain(ROWS, VECS, X_FIRST, X_LAST, acc, s.x, s.ldx, panel, s.n_in, NULL)
    if h != NULL:
        panel += s.n_in * (X_LAST - X_FIRST) * VL
        chain(ROWS, VECS, H_FIRST, H_LAST, acc, h, ldh, panel, n_units, ahead)
    vcopy(out, acc, ROWS * VECS)


cdef inline void forward_pair(int VECS, int X_FIRST, int X_LAST, int H_FIRST,
                              int H_LAST,
                              vec* out, const real* panel, Py_ssize_t panel_size,
                              const Inputs* s, const real* h,
                              Py_ssize_t n_units) noexcept nogil:
    # One row through two panels at once: twice the independent chains, since one row of
    # one panel waits for the multiply-add's latency. out (2, VECS).
    cdef vec acc[8]
    cdef vec one
    cdef const real* w
    cdef Py_ssize_t k
    cdef int v
    for v in range(VECS):
        if s.starts == NULL:
            acc[v] = vload(panel + v * VL)
            acc[VECS + v] = vload(panel + panel_size + v * VL)
        else:
            acc[v] = vload(s.starts[0] + v * s.stride)
            acc[VECS + v] = vload(s.starts[1] + v * s.stride)
    w = panel + (VECS + s.n_skip * (X_LAST - X_FIRST)) * VL
    for k in range(s.n_in):
        one = vset1(s.x[k])
        for v in range(X_FIRST, X_LAST):
            acc[v] = vfma(one, vload(w + (v - X_FIRST) * VL), acc[v])
            acc[VECS + v] = vfma(one, vload(w + panel_size + (v - X_FIRST) * VL),
                                 acc[VECS + v])
        w += (X_LAST - X_FIRST) * VL
    if h != NULL:
        for k in range(n_units):
            one = vset1(h[k])
            for v in range(H_FIRST, H_LAST):
                acc[v] = vfma(one, vload(w + (v - H_FIRST) * VL), acc[v])
                acc[VECS + v] = vfma(one, vload(w + panel_size + (v - H_FIRST) * VL),
                                     acc[VECS + v])
            w += (H_LAST - H_FIRST) * VL
    for v in range(2 * VECS):
        out[v] = acc[v]


cdef inline void forward_any(int VECS, int X_FIRST, int X_LAST, int H_FIRST, int H_LAST,
                             int MOST_ROWS, int n_rows, vec* out, const real* panel,
                             const Inputs* s, const real* h, Py_ssize_t ldh,
                             Py_ssize_t n_units, const char* ahead) noexcept nogil:
    # The conditions on MOST_ROWS are known when this is compiled: no taller tile is
    # made.
    if n_rows == 1:
        forward_tile(1, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif n_rows == 2:
        forward_tile(2, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif n_rows == 3:
        forward_tile(3, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 4 and n_rows == 4:
        forward_tile(4, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 5 and n_rows == 5:
        forward_tile(5, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 6 and n_rows == 6:
        forward_tile(6, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 7 and n_rows == 7:
        forward_tile(7, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 8 and n_rows == 8:
        forward_tile(8, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 9 and n_rows == 9:
        forward_tile(9, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 10 and n_rows == 10:
        forward_tile(10, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 11 and n_rows == 11:
        forward_tile(11, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)
    elif MOST_ROWS >= 12 and n_rows == 12:
        forward_tile(12, VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panel, s, h,
                     ldh, n_units, ahead)


cdef void drop_state(real* h_in, const real* h, const real* mask, Py_ssize_t ldmask,
                     Py_ssize_t n_rows, Py_ssize_t n, Py_ssize_t width) noexcept nogil:
    # h_in (n_rows, n) = h * mask: recurrent dropout, the same mask at every step. n is
    # whole vectors.
    cdef Py_ssize_t i, j
    for i in range(n_rows):
        j = 0
        while j < n:
            vstore(h_in + j, vload(h + j) * vload(mask + j))
            j += VL
        h_in += width
        h += width
        mask += ldmask


# Panels of weights that rows go through together: one, or two for a row alone.
cdef struct Panels:
    const real* first
    Py_ssize_t size              # numbers of one panel
    int n_panels
    Py_ssize_t unit              # the first unit of the first panel
    const char* ahead            # the panel that comes next; NULL: do not ask for it


# Rows first..last of one step: row i is packed row packed + i, its state is row
# state + i of h, and its state before is row previous + i, unless that is zero.
cdef struct Span:
    Py_ssize_t packed
    Py_ssize_t state
    Py_ssize_t previous
    bint has_state
    Py_ssize_t first
    Py_ssize_t last


cdef inline Rows rows_of(const Weights* w, const Run* r, const Span* span,
                         Py_ssize_t i, Py_ssize_t unit) noexcept nogil:
    # What the point-wise function sees of the rows from i on.
    cdef Rows rows
    cdef Py_ssize_t width = w.width
    cdef Py_ssize_t after = (span.state + i) * width + unit
    cdef Py_ssize_t before = (span.previous + i) * width + unit
    rows.width = width
    rows.ldz = r.ldz
    rows.carry = NULL
    rows.z = NULL
    if r.z != NULL:
        rows.z = <real*>r.z + (span.packed + i) * r.ldz + unit
    rows.h = <real*>r.h + after
    rows.h_previous = NULL
    if span.has_state:
        rows.h_previous = <const real*>r.h + before
    rows.m = NULL
    rows.m_previous = NULL
    if r.m != NULL and r.training:
        rows.m = <real*>r.m + after
        rows.m_previous = <const real*>r.m + before
    elif r.m != NULL:
        rows.m = <real*>r.m + i * width + unit
        rows.m_previous = rows.m
    return rows


cdef void ask_rows(const Rows* s, const Cell* cell, int n_rows, int n_vec,
                   bint has_memories) noexcept nogil:
    # Ask for the lines of a tile that its point-wise function reads and writes, before
    # the tile's product, so that they are there when it is done.
    cdef Py_ssize_t i, lanes = n_vec * VL
    cdef int a
    for i in range(n_rows):
        ask_lanes(s.h + i * s.width, lanes)
        if s.z != NULL:
            for a in range(cell.accumulators):
                ask_lanes(s.z + i * s.ldz + a * s.width, lanes)
        if s.m != NULL and has_memories:
            ask_lanes(s.m + i * s.width, lanes)
            ask_lanes(s.m_previous + i * s.width, lanes)


cdef inline void ask_lanes(const real* p, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    while i < n:
        prefetch_near(p + i)
        i += LINE // <Py_ssize_t>sizeof(real)


cdef void find_starts(const real** starts, const Weights* w, const Run* r,
                      Py_ssize_t packed, int n_rows,
                      const Panels* panels) noexcept nogil:
    # Where the accumulators of rows start; those of two panels for a row alone.
    cdef Py_ssize_t ld = w.cell.accumulators * w.width
    cdef int i
    for i in range(n_rows):
        starts[i] = <const real*>r.start + r.start_row[packed + i] * ld + panels.unit
    if panels.n_panels == 2:
        starts[1] = starts[0] + VL


cdef inline void forward_rows(int VECS, int UNITS, int X_FIRST, int X_LAST, int H_FIRST,
                              int H_LAST, int MOST_ROWS, forward_t pointwise,
                              const Weights* w, const Run* r, const Panels* panels,
                              const Span* span) noexcept nogil:
    cdef vec out[24]
    cdef Rows rows
    cdef Py_ssize_t width = w.width, i = span.first, unit
    cdef int height, n_rows, p
    cdef const real* h
    cdef const real* starts[12]
    cdef const char* ahead = panels.ahead
    cdef Inputs inputs
    height = tile_height(span.last - i, MOST_ROWS)
    inputs.ldx, inputs.starts = r.ldx, NULL
    inputs.n_in, inputs.n_skip = w.n_in - r.n_start, r.n_start
    inputs.stride = VL if w.cell.accumulators == 1 else width
    while i < span.last:
        n_rows = <int>(height if span.last - i > height else span.last - i)
        inputs.x = <const real*>r.x + (span.packed + i) * r.ldx
        if r.start != NULL:
            inputs.starts = starts
            find_starts(starts, w, r, span.packed + i, n_rows, panels)
        h = NULL
        if span.has_state:
            h = <const real*>r.h_in + (span.previous + i) * width
        if panels.n_panels == 2:
            forward_pair(VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, out, panels.first,
                         panels.size, &inputs, h, w.n_units)
        else:
            if r.asks_rows:
                rows = rows_of(w, r, span, i, panels.unit)
                ask_rows(&rows, w.cell, n_rows, UNITS, r.training)
            forward_any(VECS, X_FIRST, X_LAST, H_FIRST, H_LAST, MOST_ROWS, n_rows, out,
                        panels.first, &inputs, h, width, w.n_units, ahead)
            if ahead != NULL and h != NULL:
                ahead += w.n_units * LINE
        for p in range(panels.n_panels):
            unit = panels.unit + p * UNITS * VL
            rows = rows_of(w, r, span, i, unit)
            pointwise(out + p * VECS, n_rows, UNITS, &rows)
            if r.mask != NULL:
                drop_state(<real*>r.h_in + (rows.h - <real*>r.h), rows.h,
                           <const real*>r.mask + i * r.ldmask + unit, r.ldmask, n_rows,
                           UNITS * VL, width)
        i += n_rows


cdef inline void forward_step(int VECS, int UNITS, int X_FIRST, int X_LAST, int H_FIRST,
                              int H_LAST, int MOST_ROWS, forward_t pointwise,
                              const Weights* w, const Steps* s, const Run* r,
                              Py_ssize_t t, const Panels* panels, Py_ssize_t row_start,
                              Py_ssize_t row_stop) noexcept nogil:
    cdef Span span
    cdef Py_ssize_t n_previous
    cdef Py_ssize_t last = min(row_stop, <Py_ssize_t>s.n_active[t])
    span.packed = s.offset[t]
    span.state = state_row(s, r, t)
    span.has_state = 1
    first_rows(s, r, t, &span.previous, &n_previous)
    span.first = row_start
    span.last = min(last, max(row_start, n_previous))
    if span.last > span.first:
        forward_rows(VECS, UNITS, X_FIRST, X_LAST, H_FIRST, H_LAST, MOST_ROWS,
                     pointwise, w, r, panels, &span)
    # A sequence that begins: its state before is a row of the initial state.
    span.first = span.last
    span.last = last
    span.previous = 0
    span.has_state = r.has_initial
    if span.last > span.first:
        forward_rows(VECS, UNITS, X_FIRST, X_LAST, H_FIRST, H_LAST, MOST_ROWS,
                     pointwise, w, r, panels, &span)


cdef void pool_step(const Weights* w, const Steps* s, const Run* r, Py_ssize_t t,
                    Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # pooled (n_seqs, width) takes the states of step t, while they are in the cache.
    cdef Py_ssize_t i, first = row_start * w.width
    cdef Py_ssize_t last = min(row_stop, <Py_ssize_t>s.n_active[t]) * w.width
    cdef const real* h = <const real*>r.h + state_row(s, r, t) * w.width
    cdef real* pooled = <real*>r.pooled
    i = first
    if r.pooling == 1:
        while i < last:
            vstore(pooled + i, vload(pooled + i) + vload(h + i))
            i += VL
    else:
        # NaN is taken, so that it does not go unseen.
        while i < last:
            vstore(pooled + i, vmax(vload(pooled + i), vload(h + i)))
            i += VL


cdef inline void forward_gated(int ACCUMULATORS, int X_FIRST, int X_LAST, int H_FIRST,
                               int H_LAST, forward_t pointwise, const Weights* w,
                               const Steps* s, const Run* r, Py_ssize_t row_start,
                               Py_ssize_t row_stop) noexcept nogil:
    # A cell of several accumulators: a panel is one vector of units with all of them.
    cdef uint64_t state = denormals_off()
    cdef Panels panels
    cdef Py_ssize_t i, t, p, n_rows, n_panels = w.width // VL
    panels.size = forward_size(w) // w.width * VL
    for i in range(s.n_steps):
        t = s.n_steps - 1 - i if r.reverse else i
        n_rows = min(row_stop, <Py_ssize_t>s.n_active[t]) - row_start
        if n_rows <= 0:
            continue
        p = 0
        while p < n_panels:
            panels.first = <const real*>w.forward + p * panels.size
            panels.unit = p * VL
            panels.ahead = NULL
            if r.asks_panels:
                panels.ahead = <const char*>(
                    <const real*>w.forward + (p + 1) % n_panels * panels.size)
            if n_rows == 1 and p + 1 < n_panels:
                panels.n_panels = 2
                forward_step(ACCUMULATORS, 1, X_FIRST, X_LAST, H_FIRST, H_LAST, 1,
                             pointwise, w, s, r, t, &panels, row_start, row_stop)
                p += 2
            else:
                panels.n_panels = 1
                forward_step(ACCUMULATORS, 1, X_FIRST, X_LAST, H_FIRST, H_LAST, ROWS4,
                             pointwise, w, s, r, t, &panels, row_start, row_stop)
                p += 1
        if r.pooling:
            pool_step(w, s, r, t, row_start, row_stop)
    denormals_restore(state)


cdef inline void forward_plain(forward_t pointwise, const Weights* w, const Steps* s,
                               const Run* r, Py_ssize_t row_start,
                               Py_ssize_t row_stop) noexcept nogil:
    # A cell of one accumulator: a panel is four vectors of units, the last one may be
    # narrower.
    cdef uint64_t state = denormals_off()
    cdef Panels panels
    cdef Py_ssize_t i, t, v, left, next, size = forward_size(w) // w.width * VL
    panels.size = 0
    panels.n_panels = 1
    for i in range(s.n_steps):
        t = s.n_steps - 1 - i if r.reverse else i
        if min(row_stop, <Py_ssize_t>s.n_active[t]) <= row_start:
            continue
        v = 0
        while v < w.width // VL:
            left = w.width // VL - v
            panels.first = <const real*>w.forward + v * size
            panels.unit = v * VL
            panels.ahead = NULL
            if r.asks_panels:
                next = v + 4 if v + 4 < w.width // VL else 0
                panels.ahead = <const char*>(<const real*>w.forward + next * size)
            if left >= 4:
                forward_step(4, 4, 0, 4, 0, 4, ROWS4, pointwise, w, s, r, t, &panels,
                             row_start, row_stop)
            elif left == 3:
                forward_step(3, 3, 0, 3, 0, 3, ROWS3, pointwise, w, s, r, t, &panels,
                             row_start, row_stop)
            elif left == 2:
                forward_step(2, 2, 0, 2, 0, 2, ROWS2, pointwise, w, s, r, t, &panels,
                             row_start, row_stop)
            else:
                forward_step(1, 1, 0, 1, 0, 1, ROWS1, pointwise, w, s, r, t, &panels,
                             row_start, row_stop)
            v += 4
        if r.pooling:
            pool_step(w, s, r, t, row_start, row_stop)
    denormals_restore(state)


# ------------------------------------------------------------------ backward

cdef inline bint is_cut(const Steps* s, const Run* r, Py_ssize_t t,
                        Py_ssize_t b) noexcept nogil:
    # Whether the gradient from the step after t (in the order of processing) is cut for
    # sequence b: every bptt_steps, counted from the end, so that the last ones are
    # whole.
    cdef Py_ssize_t left = t if r.reverse else r.lengths[b] - 1 - t
    return r.bptt_steps > 0 and left % r.bptt_steps == 0


cdef void cut_carry(const Steps* s, const Run* r, Py_ssize_t t, Py_ssize_t row_start,
                    Py_ssize_t row_stop, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t b
    for b in range(row_start, row_stop):
        if is_cut(s, r, t, b):
            memset(<real*>r.carry + b * width, 0, width * sizeof(real))


cdef void start_of_dh(vec* out, int n_rows, int n_vec, const Run* r, Py_ssize_t packed,
                      Py_ssize_t b, Py_ssize_t unit, bint is_last) noexcept nogil:
    # out (n_rows, n_vec) = what reaches the states from outside the recurrence
    cdef int i, v
    cdef const real* source
    if r.dy != NULL:
        for i in range(n_rows):
            source = <const real*>r.dy + (packed + i) * r.lddy + unit
            for v in range(n_vec):
                out[i * n_vec + v] = vload(source + v * VL)
    else:
        for i in range(n_rows * n_vec):
            out[i] = vset1(0)
    if is_last and r.dlast != NULL:
        for i in range(n_rows):
            source = <const real*>r.dlast + (b + i) * r.lddlast + unit
            for v in range(n_vec):
                out[i * n_vec + v] = out[i * n_vec + v] + vload(source + v * VL)


cdef void dropped_product(vec* out, int n_rows, int n_vec, const Steps* s, const Run* r,
                          Py_ssize_t t, Py_ssize_t b, Py_ssize_t unit, const real* dz,
                          const real* panel, Py_ssize_t n_k,
                          const char* ahead) noexcept nogil:
    # out += mask * (dz @ U'), and nothing for rows where the gradient is cut
    cdef vec part[24]
    cdef int i, v
    cdef const real* mask = NULL
    for i in range(n_rows * n_vec):
        part[i] = vset1(0)
    panel_product(n_rows, n_vec, part, dz, r.ldz, panel, n_k, ahead)
    if r.mask != NULL:
        mask = <const real*>r.mask + b * r.ldmask + unit
    for i in range(n_rows):
        if r.bptt_steps == 0 or t < 0 or not is_cut(s, r, t, b + i):
            if mask == NULL:
                for v in range(n_vec):
                    out[i * n_vec + v] = out[i * n_vec + v] + part[i * n_vec + v]
            else:
                for v in range(n_vec):
                    out[i * n_vec + v] = (out[i * n_vec + v]
                                          + part[i * n_vec + v] * vload(mask + v * VL))
        if mask != NULL:
            mask += r.ldmask


cdef void backward_step(const Weights* w, const Steps* s, const Run* r, Py_ssize_t t,
                        Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # dz of step t: dh = dy + dz(next step) @ U', then the cell's point-wise gradient on
    # the hot tile. Rows that end at this step have no next one.
    cdef vec out[24]
    cdef Rows rows
    cdef backward_t pointwise = <backward_t>w.cell.backward
    cdef Py_ssize_t width = w.width, n_k = strlen(w.cell.u_gates) * width
    cdef Py_ssize_t after = t - 1 if r.reverse else t + 1
    cdef Py_ssize_t last = min(row_stop, <Py_ssize_t>s.n_active[t])
    cdef Py_ssize_t n_next = 0, next_packed = 0, previous, n_previous, packed, middle
    cdef Py_ssize_t unit, b, stop, i
    cdef int n_vec, n_rows, height, part
    cdef const real* panel
    cdef const real* dz
    cdef const char* ahead
    cdef bint dropped = r.mask != NULL or r.bptt_steps > 0
    packed = s.offset[t]
    if 0 <= after < s.n_steps:
        n_next = min(s.n_active[t], s.n_active[after])
        next_packed = s.offset[after]
    first_rows(s, r, t, &previous, &n_previous)
    if r.bptt_steps > 0:
        cut_carry(s, r, t, row_start, min(last, n_next), width)
    middle = min(last, max(row_start, n_next))
    rows.width = width
    rows.ldz = r.ldz
    rows.m = NULL
    unit = 0
    while unit < width:
        n_vec = 2 if width - unit > VL else 1
        panel = <const real*>w.to_state + unit * n_k
        ahead = NULL
        if r.asks_panels:
            ahead = <const char*>w.to_state
            if unit + 2 * VL < width:
                ahead = <const char*>(panel + 2 * VL * n_k)
        # part 0: rows with a next step, part 1: rows that end here
        for part in range(2):
            b = row_start if part == 0 else middle
            stop = middle if part == 0 else last
            height = tile_height(stop - b, ROWS2) if stop > b else 1
            while b < stop:
                n_rows = <int>(height if stop - b > height else stop - b)
                # Rows of one tile must agree on where their states before stand.
                if b < n_previous < b + n_rows:
                    n_rows = <int>(n_previous - b)
                i = previous + b if b < n_previous else b
                rows.z = <real*>r.z + (packed + b) * r.ldz + unit
                rows.h = <real*>r.h + (s.n_seqs + packed + b) * width + unit
                rows.h_previous = NULL
                if b < n_previous or r.has_initial:
                    rows.h_previous = <const real*>r.h + i * width + unit
                if r.m != NULL:
                    rows.m = <real*>r.m + (s.n_seqs + packed + b) * width + unit
                    rows.m_previous = <const real*>r.m + i * width + unit
                rows.carry = <real*>r.carry + b * width + unit
                start_of_dh(out, n_rows, n_vec, r, packed + b, b, unit, part == 1)
                if part == 0:
                    ask_rows(&rows, w.cell, n_rows, n_vec, 1)
                    dz = <const real*>r.z + (next_packed + b) * r.ldz
                    dz += w.cell.h_first * width
                    if dropped:
                        dropped_product(out, n_rows, n_vec, s, r, t, b, unit, dz, panel,
                                        n_k, ahead)
                    else:
                        panel_product(n_rows, n_vec, out, dz, r.ldz, panel, n_k, ahead)
                    if ahead != NULL:
                        ahead += n_k * LINE
                pointwise(out, n_rows, n_vec, &rows)
                b += n_rows
        unit += 2 * VL


cdef void initial_gradient(const Weights* w, const Steps* s, const Run* r,
                           Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # dh0 (n_seqs, width) = mask * (dz(first step) @ U') + what the cell carries of h;
    # dm0 = what it carries of its memory.
    cdef vec out[24]
    cdef Py_ssize_t width = w.width, n_k = strlen(w.cell.u_gates) * width
    cdef Py_ssize_t b, unit, packed
    cdef int n_vec, v
    cdef real* carry
    for b in range(row_start, row_stop):
        packed = s.offset[r.lengths[b] - 1 if r.reverse else 0] + b
        unit = 0
        while unit < width:
            n_vec = 2 if width - unit > VL else 1
            for v in range(n_vec):
                out[v] = vset1(0)
            dropped_product(out, 1, n_vec, s, r, -1, b, unit,
                            <const real*>r.z + packed * r.ldz + w.cell.h_first * width,
                            <const real*>w.to_state + unit * n_k, n_k, NULL)
            carry = <real*>r.carry + b * width + unit
            for v in range(n_vec):
                if w.cell.carry_is_h:
                    out[v] = out[v] + vload(carry + v * VL)
                vstore(<real*>r.dh0 + b * width + unit + v * VL, out[v])
                if r.dm0 != NULL:
                    vstore(<real*>r.dm0 + b * width + unit + v * VL,
                           vload(carry + v * VL))
            unit += 2 * VL


cdef void backward(const Weights* w, const Steps* s, const Run* r,
                   Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # Rows row_start..row_stop of the batch through all steps, backwards. With
    # `fuse_weight_gradients`, which wants all rows, each chunk of packed rows gives its
    # part of dw as soon as it is whole: its dz is still in the cache.
    cdef uint64_t state = denormals_off()
    cdef Py_ssize_t i, t, n_rows = s.offset[s.n_steps]
    cdef Py_ssize_t chunk = 0 if r.reverse else (n_rows - 1) // CHUNK * CHUNK
    for i in range(s.n_steps):
        t = i if r.reverse else s.n_steps - 1 - i
        if s.n_active[t] > row_start:
            backward_step(w, s, r, t, row_start, row_stop)
        while r.fuse_weight_gradients and 0 <= chunk < n_rows and (
            min(chunk + CHUNK, n_rows) <= s.offset[t + 1] if r.reverse
            else chunk >= s.offset[t]
        ):
            weight_gradients_chunk(w, r, 0, w.n_in + w.n_units + 1, chunk,
                                   min(<Py_ssize_t>CHUNK, n_rows - chunk))
            chunk += CHUNK if r.reverse else -CHUNK
    if r.dh0 != NULL:
        initial_gradient(w, s, r, row_start, row_stop)
    denormals_restore(state)


cdef void weight_gradients_chunk(const Weights* w, const Run* r,
                                 Py_ssize_t column_start, Py_ssize_t column_stop,
                                 Py_ssize_t chunk, Py_ssize_t n_rows) noexcept nogil:
    # dw (n_in + n_units + 1, accumulators * width) += [x | h before | 1]' dz over
    # n_rows packed rows, for some columns of [x | h | 1].
    cdef const Cell* cell = w.cell
    cdef Py_ssize_t width = w.width, ldw = cell.accumulators * width
    # Inputs that `start` holds have none here.
    cdef Py_ssize_t first = max(column_start, r.n_start)
    cdef Py_ssize_t last = min(column_stop, w.n_in)
    cdef const real* z = <const real*>r.z + chunk * r.ldz
    cdef real* dw = <real*>r.dw
    if last > first:
        outer_chunk(dw + first * ldw + cell.x_first * width, ldw,
                    <const real*>r.x + chunk * r.ldx + first - r.n_start, r.ldx,
                    last - first,
                    NULL, z + cell.x_first * width, r.ldz,
                    strlen(cell.w_gates) * width, n_rows)
    first = max(column_start, w.n_in)
    last = min(column_stop, w.n_in + w.n_units)
    if last > first:
        outer_chunk(dw + first * ldw + cell.h_first * width, ldw,
                    <const real*>r.h_in + first - w.n_in, width, last - first,
                    r.previous + chunk, z + cell.h_first * width, r.ldz,
                    strlen(cell.u_gates) * width, n_rows)
    if column_stop > w.n_in + w.n_units:
        outer_chunk(dw + (w.n_in + w.n_units) * ldw, ldw, NULL, 0, 1, NULL, z, r.ldz,
                    ldw, n_rows)


cdef void weight_gradients(const Weights* w, const Run* r, Py_ssize_t column_start,
                           Py_ssize_t column_stop, Py_ssize_t n_rows) noexcept nogil:
    # The same over all packed rows, in the order of chunks of a sweep that fuses them.
    cdef uint64_t state = denormals_off()
    cdef Py_ssize_t n_chunks = (n_rows + CHUNK - 1) // CHUNK, i, chunk
    for i in range(n_chunks):
        chunk = (i if r.reverse else n_chunks - 1 - i) * CHUNK
        weight_gradients_chunk(w, r, column_start, column_stop, chunk,
                               min(<Py_ssize_t>CHUNK, n_rows - chunk))
    denormals_restore(state)


cdef void input_gradient(const Weights* w, const Run* r, void* dx, Py_ssize_t lddx,
                         Py_ssize_t row_start, Py_ssize_t row_stop) noexcept nogil:
    # dx (n_rows, n_in) = dz @ W'
    product(w.to_input, strlen(w.cell.w_gates) * w.width, w.n_in,
            <const real*>r.z + w.cell.x_first * w.width, r.ldz, NULL, dx, lddx,
            row_start, row_stop)


# ------------------------------------------------------------------- packing

cdef Py_ssize_t forward_size(const Weights* w) noexcept nogil:
    return (w.cell.accumulators + w.n_in * strlen(w.cell.w_gates)
            + w.n_units * strlen(w.cell.u_gates)) * w.width


cdef real* pack_row(real* target, const real* source, const char* gates,
                    Py_ssize_t unit, int n_vec, Py_ssize_t n) noexcept nogil:
    # The vectors from `unit` on of each gate's block of n columns.
    cdef int v
    while gates[0]:
        for v in range(n_vec):
            copy_lanes(target, source + (gates[0] - c'0') * n, unit + v * VL, n)
            target += VL
        gates += 1
    return target


cdef void pack(const Weights* w, const void* W, const void* U,
               const void* b) noexcept nogil:
    # W (n_in, gates n_units), U (n_units, gates n_units), b (biases n_units) to panels
    # of one or a few vectors of units, each holding its b, W and U in turn; lanes from
    # n_units on are zero.
    cdef const Cell* cell = w.cell
    cdef Py_ssize_t n = w.n_units, ldw = strlen(cell.w_gates) * n
    cdef Py_ssize_t k, unit = 0
    cdef int n_vec
    cdef real* target = <real*>w.forward
    while unit < w.width:
        n_vec = <int>min(<Py_ssize_t>cell.units_a_panel, (w.width - unit) // VL)
        target = pack_row(target, <const real*>b, cell.biases, unit, n_vec, n)
        for k in range(w.n_in):
            target = pack_row(target, <const real*>W + k * ldw, cell.w_gates, unit,
                              n_vec, n)
        for k in range(n):
            target = pack_row(target, <const real*>U + k * ldw, cell.u_gates, unit,
                              n_vec, n)
        unit += cell.units_a_panel * VL
    if w.to_state != NULL:
        pack_transposed(<real*>w.to_state, <const real*>U, n, w.width, n, w.width,
                        cell.u_gates)


cdef void pack_input(const Weights* w, const void* W) noexcept nogil:
    pack_transposed(<real*>w.to_input, <const real*>W, w.n_in, w.n_in, w.n_units,
                    w.width, w.cell.w_gates)


cdef inline void copy_lanes(real* target, const real* source, Py_ssize_t start,
                            Py_ssize_t n) noexcept nogil:
    # source[start : start + VL], zeros from n on
    cdef Py_ssize_t j
    if start + VL <= n:
        vstore(target, vload(source + start))
    else:
        for j in range(VL):
            target[j] = source[start + j] if start + j < n else 0


cdef void pack_transposed(real* target, const real* w, Py_ssize_t n_rows,
                          Py_ssize_t n_outputs, Py_ssize_t n, Py_ssize_t width,
                          const char* gates) noexcept nogil:
    # w (n_rows, gates of n columns) to panels of two vectors of rows, k = gate * width
    # + unit: the matrix of dz @ w'. Rows up to n_outputs and units up to width are
    # zero.
    cdef Py_ssize_t start = 0, j, u, n_gates = strlen(gates), a
    cdef real* panel
    cdef const real* source
    while start < n_outputs:
        panel = target + start * n_gates * width
        memset(panel, 0, 2 * VL * n_gates * width * sizeof(real))
        for j in range(min(<Py_ssize_t>(2 * VL), n_rows - start)):
            for a in range(n_gates):
                source = w + ((start + j) * n_gates + gates[a] - c'0') * n
                for u in range(n):
                    panel[(a * width + u) * 2 * VL + j] = source[u]
        start += 2 * VL


cdef void unpack(const Weights* w, const void* dw, void* dW, void* dU,
                 void* db) noexcept nogil:
    # dW, dU, db += dw (n_in + n_units + 1, accumulators * width)
    cdef const Cell* cell = w.cell
    cdef Py_ssize_t ldw = cell.accumulators * w.width, k
    cdef const real* source = <const real*>dw
    for k in range(w.n_in):
        add_row(<real*>dW + k * strlen(cell.w_gates) * w.n_units,
                source + cell.x_first * w.width, cell.w_gates, w.n_units, w.width)
        source += ldw
    for k in range(w.n_units):
        add_row(<real*>dU + k * strlen(cell.u_gates) * w.n_units,
                source + cell.h_first * w.width, cell.u_gates, w.n_units, w.width)
        source += ldw
    add_row(<real*>db, source, cell.biases, w.n_units, w.width)


cdef void add_row(real* target, const real* source, const char* gates, Py_ssize_t n,
                  Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t u
    cdef real* block
    while gates[0]:
        block = target + (gates[0] - c'0') * n
        for u in range(n):
            block[u] += source[u]
        source += width
        gates += 1
