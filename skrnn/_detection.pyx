"""Loops of `skrnn.detection`: how improbable values are among earlier ones.

All sums have one order, and logarithms are the package's own, so that scores have the
same bits on every machine.
"""

from libc.math cimport INFINITY, NAN, fabs, sqrt
from libc.string cimport memmove

import numpy as np

from skrnn._elementary cimport exp, log, log1p

# ---------------------------------------------------------------------------- memories

cdef enum:
    FEWEST = 30  # values, before there are p-values
    FEWEST_OF_TAIL = 8
    RENEWAL = 50  # the tail is fitted again when this part of the values is new
    ROOM = 64  # values that there is room for at first

cdef:
    double TAIL_SHARE = 0.05  # the share of values that a tail is fitted to
    double MOST_SHAPE = 0.5  # with a heavier tail there would be no variance
    double HUGE = 1e300  # quotients beyond may be infinite
    double LEAST_SHAPE = 1e-6  # a smaller one is that of an exponential tail
    double LOG_2 = 0.6931471805599453
    double LEAST_CHANGE = 1e-3  # of the usual one: less is as still

LEAST = FEWEST


cdef Py_ssize_t count_smaller(
    const double* in_order, Py_ssize_t n, double value
) noexcept nogil:
    """How many of n sorted values are smaller than another."""
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:
        middle = (low + high) // 2
        if in_order[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


include "_tails.pxi"


cdef class Memory:
    """The newest values of a statistic, and how improbable others are among them.

    A rank alone gives no p-value below 1 / (n + 1): all large outliers would be alike.
    So the largest values are followed by a generalised Pareto tail.

    Parameters
    ----------
    capacity : int
        Number of values that are kept.
    two_sided : bool, default=False
        Whether small values are improbable, too, and not large ones only.
    """

    cdef:
        readonly Py_ssize_t capacity
        readonly bint two_sided
        Py_ssize_t n, head, until  # `until`: values before the tails are fitted again
        double[::1] by_age, in_order
        Tail above, below

    def __init__(self, Py_ssize_t capacity, bint two_sided=False):
        if capacity < FEWEST:
            raise ValueError(f"capacity must be at least {FEWEST}, got {capacity}.")
        self.capacity, self.two_sided = capacity, two_sided
        self.by_age = np.zeros(min(ROOM, capacity))
        self.in_order = np.zeros(min(ROOM, capacity))

    def __len__(self):
        return self.n

    def copy(self):
        """Return a memory that goes on apart from this one."""
        cdef Memory new = Memory(self.capacity, self.two_sided)
        new.by_age = np.array(self.by_age)
        new.in_order = np.array(self.in_order)
        new.n, new.head, new.until = self.n, self.head, self.until
        new.above, new.below = self.above, self.below
        return new

    cdef Py_ssize_t rank(self, double value) noexcept nogil:
        return count_smaller(&self.in_order[0], self.n, value)

    cpdef void add(self, double value):
        """Take a value in, and the oldest one out if there are too many."""
        cdef Py_ssize_t at = self.rank(value), out = self.n
        if self.n == self.by_age.shape[0] and self.n < self.capacity:
            self._make_room()
        if self.n < self.capacity:
            self.by_age[self.n] = value
            self.n += 1
        else:
            out = self.rank(self.by_age[self.head])
            self.by_age[self.head] = value
            self.head = (self.head + 1) % self.capacity
        cdef double* values = &self.in_order[0]
        cdef const double* ages
        if at <= out:
            memmove(values + at + 1, values + at, (out - at) * sizeof(double))
        else:
            at -= 1
            memmove(values + out, values + out + 1, (at - out) * sizeof(double))
        values[at] = value
        self.until -= 1
        if self.until <= 0 and self.n >= FEWEST:
            ages = &self.by_age[0]
            self.above = fit_tail(values, ages, self.n, self.head, 1.0)
            if self.two_sided:
                self.below = fit_tail(values, ages, self.n, self.head, -1.0)
            self.until = self.n // RENEWAL

    def _make_room(self):
        more = min(max(2 * self.n, ROOM), self.capacity) - self.n
        self.by_age = np.concatenate([self.by_age, np.zeros(more)])
        self.in_order = np.concatenate([self.in_order, np.zeros(more)])

    cpdef double log_p(self, double value) noexcept:
        """Return the log of the probability of a value as unusual; 0 with few values.

        With two sides it is that of a value as far from the middle.
        """
        cdef double p
        if self.n < FEWEST:
            return 0.0
        p = self._above(value)
        if self.two_sided:
            p = min(0.0, min(p, self._below(value)) + LOG_2)
        return p

    cdef double _above(self, double value) noexcept nogil:
        if value > self.above.threshold:
            return beyond(&self.above, value)
        return log(<double>(self.n - self.rank(value) + 1) / (self.n + 1))

    cdef double _below(self, double value) noexcept nogil:
        cdef Py_ssize_t low = 0, high = self.n, middle
        if -value > self.below.threshold:
            return beyond(&self.below, -value)
        while low < high:  # how many values are not larger
            middle = (low + high) // 2
            if self.in_order[middle] <= value:
                low = middle + 1
            else:
                high = middle
        return log(<double>(low + 1) / (self.n + 1))

    cpdef double clipped(self, double value, double log_p) noexcept:
        """Return the value, but no farther out than one of the probability `log_p`."""
        if self.n < FEWEST:
            return value
        value = min(value, value_at(&self.above, log_p))
        if self.two_sided:
            value = max(value, -value_at(&self.below, log_p))
        return value

    def get_state(self):
        """Return the values from the oldest on, and how the tails stand."""
        values = np.asarray(self.by_age)[: self.n]
        numbers = [
            self.above.threshold, self.above.scale,
            self.above.shape, self.above.log_share,
            self.below.threshold, self.below.scale,
            self.below.shape, self.below.log_share,
            self.until,
        ]
        return np.roll(values, -self.head), np.array(numbers, dtype=float)

    def set_state(self, values, numbers):
        """Go on where `get_state` was called."""
        cdef const double[::1] numbered = np.asarray(numbers, dtype=float)
        self.by_age = np.array(values, dtype=float)
        if not FEWEST <= self.capacity or self.by_age.shape[0] > self.capacity:
            raise ValueError("There are more values than the memory has room for.")
        self.in_order = np.sort(self.by_age)
        self.n, self.head = self.by_age.shape[0], 0
        self.above = Tail(numbered[0], numbered[1], numbered[2], numbered[3])
        self.below = Tail(numbered[4], numbered[5], numbered[6], numbered[7])
        self.until = <Py_ssize_t>numbered[8]


# ------------------------------------------------------------------------------ scores

cdef:
    double MOST_CREDIT = 3.0
    # A row that alarms is remembered as one whose log p is so far below the rate.
    double CLIP = 2.0
    # The share of the false alarms that is left to evidence outside of the sum.
    double ASIDE = 0.05


cdef class RowScorer:
    """Scores of the rows of one series, one after another, from their evidence.

    Parameters
    ----------
    memories : list of Memory
        One for each kind of evidence and each target, the targets side by side.
    whole : Memory
        That of the sums.
    n_targets : int
    adds_up : bool
        Whether negative log p-values are added up. Otherwise the largest one counts.
    rate : float
        The share of normal rows that is expected to be unusual.
    onset : float
        How many times it counts what a sum is larger by than those of the last rows.
    n_recent : int
        Number of these rows.
    weights : (n_memories,)
        How much each log p-value counts. One with the weight 0 stands beside the sum:
        a row is as unusual as the sum or as that says, whichever is more (Bonferroni).

    Attributes
    ----------
    credit : float
        Number of unusual rows that may be remembered.
    n_quiet : int
        Number of rows since the last unusual one.
    """

    cdef:
        readonly list memories
        readonly Memory whole
        readonly Py_ssize_t n_targets
        bint adds_up
        double log_rate, rate, onset
        public double credit
        public Py_ssize_t n_quiet
        const double[::1] weights
        double[::1] recent  # sums of the last rows, a ring
        Py_ssize_t n_seen

    def __init__(self, list memories, Memory whole, Py_ssize_t n_targets, bint adds_up,
                 double rate, double onset, Py_ssize_t n_recent,
                 const double[::1] weights):
        if weights.shape[0] != len(memories):
            raise ValueError("there must be a weight for each memory.")
        self.weights = weights
        self.memories, self.whole = memories, whole
        self.n_targets, self.adds_up = n_targets, adds_up
        self.rate, self.log_rate = rate, log(rate)
        self.credit, self.onset = MOST_CREDIT, onset
        self.recent = np.zeros(n_recent)
        self.n_seen = 0
        self.n_quiet = n_recent

    def get_recent(self):
        """Return the sums of the last rows, from the oldest on."""
        n = self.recent.shape[0]
        if self.n_seen < n:
            return np.array(self.recent[: self.n_seen])
        return np.roll(self.recent, -(self.n_seen % n))

    def set_recent(self, sums):
        """Go on where `get_recent` was called."""
        cdef const double[::1] given = np.asarray(sums, dtype=float)
        if given.shape[0] > self.recent.shape[0]:
            raise ValueError("There are more sums than recent rows.")
        self.recent[: given.shape[0]] = given
        self.n_seen = given.shape[0]

    def score(self, const double[:, ::1] table, double[::1] scores,
              double[:, ::1] evidence):
        """Score rows, and remember them.

        Parameters
        ----------
        table : (n_rows, n_memories)
            NaN where there is no evidence.
        scores : OUT (n_rows,)
            Log p-values; 0 where there is nothing to tell.
        evidence : OUT (n_rows, n_evidence)
            Log p-values of each kind of evidence, the smallest one of all targets.
        """
        cdef Py_ssize_t i, n_evidence = len(self.memories) // self.n_targets
        if (table.shape[1] != len(self.memories) or evidence.shape[1] != n_evidence
                or not table.shape[0] == scores.shape[0] == evidence.shape[0]):
            raise ValueError("the shapes do not match.")
        for i in range(table.shape[0]):
            if n_evidence:
                scores[i] = self.score_row(&table[i, 0], &evidence[i, 0])

    cdef double score_row(self, const double* row, double* evidence) except 1:
        cdef:
            Py_ssize_t j, kind, n_memories = len(self.memories)
            double log_p, most, total = 0.0, score = 0.0, aside = 0.0
            bint is_ready = False, is_known = False, is_first
            Py_ssize_t n_aside = 0
            Memory memory
        for kind in range(n_memories // self.n_targets):
            evidence[kind] = 0.0
        for j in range(n_memories):
            if row[j] != row[j]:
                continue
            is_known = True
            memory = <Memory>self.memories[j]
            if memory.n < FEWEST:
                continue
            is_ready = True
            log_p = memory.log_p(row[j])
            kind = j // self.n_targets
            evidence[kind] = min(evidence[kind], log_p)
            if self.weights[j] == 0:
                aside = min(aside, log_p)
                n_aside += 1
                continue
            log_p *= self.weights[j]
            total = total - log_p if self.adds_up else max(total, -log_p)
        if not is_known:
            return 0.0
        if is_ready:
            total = self.with_news(total)
            score = self.whole.log_p(total)
            if n_aside:
                score = min(score - log1p(-ASIDE), aside + log(n_aside / ASIDE), 0.0)
        most = 0.0  # no value is clipped
        if score < self.log_rate:
            is_first = self.n_quiet >= self.recent.shape[0]
            self.n_quiet = 0
            if self.credit < 1 and not is_first:
                return score
            self.credit = max(self.credit - 1, 0.0)
            most = self.log_rate - CLIP
        else:
            self.n_quiet += 1
            self.credit = min(MOST_CREDIT, self.credit + self.rate)
        for j in range(n_memories):
            if row[j] == row[j]:
                memory = <Memory>self.memories[j]
                memory.add(memory.clipped(row[j], most) if most < 0 else row[j])
        if is_ready:
            self.whole.add(self.whole.clipped(total, most) if most < 0 else total)
        return score

    cdef double with_news(self, double total) noexcept:
        """Add to a sum what it is larger by than those of the last rows."""
        cdef Py_ssize_t i, n = self.recent.shape[0]
        cdef double news, largest = total
        if self.n_seen:
            largest = self.recent[0]
            for i in range(1, min(self.n_seen, n)):
                largest = max(largest, self.recent[i])
        self.recent[self.n_seen % n] = total
        self.n_seen += 1
        if self.n_seen == 2 * n:
            self.n_seen = n  # a ring that is full
        news = total - largest
        return total + self.onset * news if news > 0 else total


# ------------------------------------------------------------------- bounds and changes


cdef class Bounds:
    """Values of a series, no farther out than those of the rows before.

    The second largest of fifty rows, and the second smallest, are bounds with half of
    their distance beyond them: a single wild value shall not enter the means of all
    rows after it, but a level that lasts does.

    Parameters
    ----------
    n_rows : int
        How many rows before a row bound it; half of them must be known.
    """

    cdef:
        readonly Py_ssize_t n_rows
        Py_ssize_t n
        double[::1] in_order

    def __init__(self, Py_ssize_t n_rows):
        if n_rows < 1:
            raise ValueError("there must be rows before.")
        self.n_rows, self.n = n_rows, 0
        self.in_order = np.empty(n_rows + 1)

    def start(self, const double[::1] y, Py_ssize_t row):
        """Make ready for a row of a series."""
        cdef Py_ssize_t i
        if not 0 <= row <= y.shape[0]:
            raise ValueError("there is no such row.")
        self.n = 0
        for i in range(max(row - self.n_rows, 0), row):
            self._put(y[i])

    def follow(self, const double[::1] y, Py_ssize_t start, double[::1] out):
        """Write the bounded values of rows from `start` on, which go on."""
        cdef Py_ssize_t i, row
        if start < 0 or start + out.shape[0] > y.shape[0]:
            raise ValueError("there is no such row.")
        for i in range(out.shape[0]):
            row = start + i
            out[i] = self._bound(y[row])
            self._put(y[row])
            if row >= self.n_rows:
                self._drop(y[row - self.n_rows])

    cdef double _bound(self, double value) noexcept nogil:
        cdef Py_ssize_t rank = max(self.n // 50, 1)
        cdef double low, high, more
        if 2 * self.n < self.n_rows or value != value:
            return value
        low, high = self.in_order[rank - 1], self.in_order[self.n - rank]
        more = 0.5 * (high - low)
        return min(max(value, low - more), high + more)

    cdef void _put(self, double value) noexcept nogil:
        cdef Py_ssize_t at
        cdef double* values = &self.in_order[0]
        # Rows that do not follow each other may not write beyond the memory.
        if value != value or self.n > self.n_rows:
            return
        at = count_smaller(values, self.n, value)
        memmove(values + at + 1, values + at, (self.n - at) * sizeof(double))
        values[at] = value
        self.n += 1

    cdef void _drop(self, double value) noexcept nogil:
        cdef Py_ssize_t at
        cdef double* values = &self.in_order[0]
        at = count_smaller(values, self.n, value)
        if value != value or at == self.n:
            return
        self.n -= 1
        memmove(values + at, values + at + 1, (self.n - at) * sizeof(double))


cdef double mean_change(
    const double[:, ::1] y, Py_ssize_t k, Py_ssize_t first, Py_ssize_t last
) noexcept nogil:
    """Mean change from row to row of the rows up to `last`; NaN if half is unknown."""
    cdef Py_ssize_t i, known = 0
    cdef double change, total = 0.0
    for i in range(max(first, 1), last + 1):
        change = fabs(y[i, k] - y[i - 1, k])
        if change == change:
            total += change
            known += 1
    return total / known if 2 * known > last - first + 1 else NAN


def stillness(const double[:, ::1] y, Py_ssize_t n_rows, Py_ssize_t n_before,
              Py_ssize_t start, Py_ssize_t stop, double[:, ::1] out):
    """How much less the last rows change than those before.

    Parameters
    ----------
    y : (n, n_targets)
        NaN is unknown.
    n_rows, n_before : int
        How many rows are compared, and with how many up to the same one.
    start, stop : int
        The rows from `start` to `stop`, which may be numbers below 0.
    out : OUT (stop - start, n_targets)
        Minus the log of the quotient of the mean changes, which is taken to be at
        least `LEAST_CHANGE`. NaN if half of the changes are unknown, or all are 0.
    """
    cdef Py_ssize_t t, k
    cdef double now, usual
    if (out.shape[0] != stop - start or out.shape[1] != y.shape[1] or n_rows < 1
            or n_before < n_rows or stop > y.shape[0]):
        raise ValueError("the shapes do not match.")
    for t in range(start, stop):
        for k in range(y.shape[1]):
            now = mean_change(y, k, t - n_rows + 1, t)
            usual = mean_change(y, k, t - n_before + 1, t)
            out[t - start, k] = (
                -log(max(now / usual, LEAST_CHANGE)) if usual > 0 and now == now
                else NAN
            )


# ------------------------------------------------------------------------------- means


def means_of_errors(const double[:, :, ::1] error, double[:, ::1] out):
    """Means (n_rows, n_targets) of errors (n_rows, horizon, n_targets).

    NaN unless half of the errors are known.
    """
    cdef Py_ssize_t i, j, k, known, horizon = error.shape[1]
    cdef double total
    if out.shape[0] != error.shape[0] or out.shape[1] != error.shape[2]:
        raise ValueError("the shapes do not match.")
    with nogil:
        for i in range(error.shape[0]):
            for k in range(error.shape[2]):
                total, known = 0.0, 0
                for j in range(horizon):
                    if error[i, j, k] == error[i, j, k]:
                        total = total + error[i, j, k]
                        known = known + 1
                out[i, k] = total / known if known and 2 * known >= horizon else NAN


def keep_forecast(const double[:, :, ::1] forecast, int which,
                  const double[:, ::1] unit, const double[::1] least,
                  double[:, ::1] middle, double[:, ::1] spread):
    """Keep the forecasts of all targets from one origin.

    Parameters
    ----------
    forecast : (n_targets, horizon, n_quantiles)
    which : int
        The quantile that is kept.
    unit : (n_targets, horizon)
    least : (n_targets,)
        The smallest spread.
    middle, spread : OUT (horizon, n_targets)
    """
    cdef Py_ssize_t k, t, n_targets = middle.shape[1], horizon = middle.shape[0]
    if not (forecast.shape[0] == unit.shape[0] == least.shape[0] == n_targets
            and spread.shape[1] == n_targets and spread.shape[0] == horizon
            and forecast.shape[1] == unit.shape[1] == horizon
            and 0 <= which < forecast.shape[2]):
        raise ValueError("the shapes do not match.")
    for k in range(n_targets):
        for t in range(horizon):
            middle[t, k] = forecast[k, t, which]
            spread[t, k] = max(unit[k, t], least[k])


def errors_of_row(const double[:, ::1] y, const double[:, :, ::1] middle,
                  const double[:, :, ::1] spread, Py_ssize_t row,
                  double[:, ::1] out, Py_ssize_t step, Py_ssize_t ahead,
                  Py_ssize_t path):
    """Errors of the forecasts of a row, in units of their spread.

    Parameters
    ----------
    y : (n, n_targets)
        NaN is unknown.
    middle, spread : (horizon, horizon, n_targets)
        The newest forecasts: that from an origin is at its remainder by the horizon.
    row : int
        At least 1. The forecasts from it and from a horizon before are there.
    out : OUT (n_evidence, n_targets)
    step, ahead, path : int
        Where in `out` to write each kind of evidence; -1 is nowhere.
    """
    cdef:
        Py_ssize_t k, j, known, horizon = middle.shape[0], n_targets = y.shape[1]
        Py_ssize_t at = row % horizon, first = row - horizon + 1
        double error = NAN, total
    if (not 0 < row < y.shape[0] or middle.shape[2] != n_targets
            or out.shape[1] != n_targets or max(step, ahead, path) >= out.shape[0]):
        raise ValueError("the shapes do not match.")
    for k in range(n_targets):
        if step >= 0:
            out[step, k] = fabs(y[row, k] - middle[at, 0, k]) / spread[at, 0, k]
    if first <= 0:
        return
    at = first % horizon
    for k in range(n_targets):
        total, known = 0.0, 0
        for j in range(horizon):
            error = fabs(y[first + j, k] - middle[at, j, k]) / spread[at, j, k]
            if error == error:
                total = total + error
                known = known + 1
        if ahead >= 0:
            out[ahead, k] = error
        if path >= 0:
            out[path, k] = total / known if known and 2 * known >= horizon else NAN


def means(const double[:, ::1] y, Py_ssize_t n_rows, Py_ssize_t start, Py_ssize_t stop,
          double[:, ::1] out):
    """Means of the `n_rows` rows up to each row.

    Parameters
    ----------
    y : (n, n_targets)
        NaN is unknown.
    n_rows, start, stop : int
        The rows from `start` to `stop`, which may be numbers below 0.
    out : OUT (stop - start, n_targets)
        NaN if half of the rows of a mean are unknown or before the first one.
    """
    cdef Py_ssize_t t, k, i, known
    cdef double total
    if (out.shape[0] != stop - start or out.shape[1] != y.shape[1] or n_rows < 1
            or stop > y.shape[0]):
        raise ValueError("the shapes do not match.")
    with nogil:
        for t in range(start, stop):
            for k in range(y.shape[1]):
                total, known = 0.0, 0
                for i in range(max(t - n_rows + 1, 0), t + 1):
                    if y[i, k] == y[i, k]:
                        total = total + y[i, k]
                        known = known + 1
                out[t - start, k] = total / known if 2 * known > n_rows else NAN


# ------------------------------------------------------------------------------ windows


cdef class NearestWindow:
    """How far the newest rows of a series are from those of the past most like them.

    A window is `n_rows` rows, and the distance is Euclid's. The sums of squares of all
    lags slide on with the rows: those of rows from an anchor on, which comes every
    `n_rows` rows, are added one by one, and those of the rows before it were added
    back from it when it came. So each sum has one order, which depends on the number
    of the row only, and nothing is subtracted.

    Parameters
    ----------
    n_rows : int
        Rows of a window. The two windows share no row.
    n_back : int
        How many rows before a window the earlier ones may reach back.
    """

    cdef:
        readonly Py_ssize_t n_rows, n_back
        Py_ssize_t since  # rows from the last anchor on that are in `after`
        double[:, ::1] before  # sums of the last i rows before the anchor, by lag
        double[::1] after

    def __init__(self, Py_ssize_t n_rows, Py_ssize_t n_back):
        if n_rows < 1 or n_back < 1:
            raise ValueError("a window has rows, and others before it.")
        self.n_rows, self.n_back = n_rows, n_back
        self.before = np.zeros((n_rows, n_back))
        self.after = np.zeros(n_back)
        self.since = 0

    def start(self, const double[::1] y, Py_ssize_t row, Py_ssize_t number):
        """Make ready for a row of a series, whose number on its time axis is given."""
        cdef Py_ssize_t i, since = (number % self.n_rows + self.n_rows) % self.n_rows
        if not 0 <= row <= y.shape[0]:
            raise ValueError("there is no such row.")
        with nogil:
            self._set_anchor(y, row - since, since + 1)
            for i in range(since):
                self._add(y, row - since + i, &self.after[0], &self.after[0])
            self.since = since

    def distances(self, const double[::1] y, Py_ssize_t start, double[::1] out):
        """Write the distances of rows from `start` on, which the rows before led to.

        NaN if a row of the window is unknown, or there is no earlier window that is
        known.
        """
        cdef Py_ssize_t i
        if start < 0 or start + out.shape[0] > y.shape[0]:
            raise ValueError("there is no such row.")
        with nogil:
            for i in range(out.shape[0]):
                out[i] = self._distance(y, start + i)

    cdef double _distance(self, const double[::1] y, Py_ssize_t row) noexcept nogil:
        cdef:
            Py_ssize_t k
            const double* rest
            double* after = &self.after[0]
            double least = INFINITY, total
        if self.since == self.n_rows:
            self._set_anchor(y, row, 1)
        self._add(y, row, after, after)
        self.since += 1
        rest = &self.before[self.n_rows - self.since, 0]
        for k in range(self.n_back):
            total = rest[k] + after[k]
            least = total if total < least else least
        return sqrt(least) if least < INFINITY else NAN

    cdef void _set_anchor(
        self, const double[::1] y, Py_ssize_t row, Py_ssize_t n_after
    ) noexcept nogil:
        """Add up rows before an anchor, if a window has at least `n_after` after it."""
        cdef Py_ssize_t i
        self.since = 0
        self.after[:] = 0
        self.before[0, :] = 0
        for i in range(1, self.n_rows - n_after + 1):
            self._add(y, row - i, &self.before[i - 1, 0], &self.before[i, 0])

    cdef void _add(
        self, const double[::1] y, Py_ssize_t row, const double* sums, double* out
    ) noexcept nogil:
        """Add the squares of a row and of each lag; the longest lag is first."""
        cdef:
            Py_ssize_t k, first = row - self.n_rows - self.n_back + 1
            Py_ssize_t unknown = min(max(-first, 0), self.n_back)
            double gap, value = y[row] if row >= 0 else NAN
            const double* earlier = &y[0] + first
        for k in range(unknown):
            out[k] = INFINITY
        for k in range(unknown, self.n_back):
            gap = value - earlier[k]
            out[k] = sums[k] + gap * gap


def window_distances(const double[:, ::1] y, Py_ssize_t n_rows, Py_ssize_t n_back,
                     Py_ssize_t number, Py_ssize_t start, Py_ssize_t stop,
                     double[:, ::1] out):
    """Distances of the windows up to each row from the nearest earlier ones.

    Parameters
    ----------
    y : (n, n_targets)
        NaN is unknown.
    n_rows, n_back : int
        See `NearestWindow`.
    number : int
        The number of row 0 on the time axis.
    start, stop : int
        The rows.
    out : OUT (stop - start, n_targets)
    """
    if (out.shape[0] != stop - start or out.shape[1] != y.shape[1] or n_rows < 1
            or start < 0 or stop > y.shape[0]):
        raise ValueError("the shapes do not match.")
    nearest = NearestWindow(n_rows, n_back)
    for k in range(y.shape[1]):
        column, found = np.ascontiguousarray(y[:, k]), np.empty(stop - start)
        nearest.start(column, start, number + start)
        nearest.distances(column, start, found)
        np.asarray(out)[:, k] = found
