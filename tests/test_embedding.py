"""Rows of tables by id, and the sums of their gradients."""

import numpy as np
import pytest

from cases import ISAS, instruction_set
from skrnn._embedding import (
    IdIndex,
    StartRows,
    distinct_pairs,
    gather,
    row_factors,
    sum_by_id,
)
from skrnn._recurrence import PackedShape, Recurrence

KINDS = {
    "all equal": lambda rng, n: np.full(n, 3),
    "all different": lambda rng, n: rng.permutation(n),
    "few": lambda rng, n: rng.randint(5, size=n),
    "Zipf": lambda rng, n: np.minimum(rng.zipf(1.3, size=n), n) - 1,
}


def ids_of(kind, n=1000):
    rng = np.random.RandomState(0)
    return KINDS[kind](rng, n).astype(np.int32)


@pytest.mark.parametrize("kind", KINDS)
def test_distinct_ids(kind):
    ids, index = ids_of(kind), IdIndex(1000)
    for _ in range(2):  # nothing stays of the first call
        found = index.distinct(ids)
        first = np.sort(np.unique(ids, return_index=True)[1])
        assert np.array_equal(found.ids, ids[first])
        assert np.array_equal(found.ids[found.inverse], ids)
        assert np.array_equal(found.order, np.argsort(found.inverse, kind="stable"))
        counts = np.bincount(found.inverse, minlength=len(found))
        assert np.array_equal(np.diff(found.starts), counts)
    strided = np.stack([ids, ids[::-1]], axis=1)
    assert np.array_equal(index.distinct(strided[:, 1]).inverse[::-1] >= 0, ids >= 0)
    assert len(index.distinct(ids[:0])) == 0


@pytest.mark.parametrize("bad", [-1, 7])
def test_an_id_that_is_none(bad):
    index = IdIndex(7)
    with pytest.raises(IndexError, match=f"Row 2 has the id {bad}, of 7"):
        index.distinct(np.array([0, 6, bad], dtype=np.int32))
    assert list(index.distinct(np.array([6, 0, 6], dtype=np.int32)).ids) == [6, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_their_gradient(kind, scaled, dtype):
    rng = np.random.RandomState(1)
    ids = ids_of(kind)
    found = IdIndex(1000).distinct(ids)
    table = rng.normal(size=(1000, 7)).astype(dtype)
    factor = rng.randint(3, size=1000).astype(dtype) if scaled else None
    rows = np.full((1000, 12), np.nan, dtype=dtype)
    gather(table[found.ids], found.inverse, factor, rows[:, 2:9])
    by = 1 if factor is None else factor[:, np.newaxis]
    assert np.array_equal(rows[:, 2:9], by * table[ids])
    assert np.isnan(rows[:, :2]).all() and np.isnan(rows[:, 9:]).all()
    drows = rng.normal(size=(1000, 9)).astype(dtype)
    sums = np.full((len(found), 7), np.nan, dtype=dtype)
    sum_by_id(drows[:, 1:8], found.order, found.starts, factor, sums)
    gradient = np.ones((1000, 7), dtype=dtype)
    gradient[found.ids] += sums
    desired = np.ones((1000, 7))
    np.add.at(desired, ids, by * drows[:, 1:8].astype(float))
    tolerance = 1e-3 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(gradient, desired, atol=tolerance)
    untouched = np.setdiff1d(np.arange(1000), ids)
    assert (gradient[untouched] == 1).all()


def test_sums_are_chains_of_256_rows():
    rng = np.random.RandomState(0)
    drows = rng.normal(size=(700, 3)).astype(np.float32)
    found = IdIndex(2).distinct(np.zeros(700, dtype=np.int32))
    sums = np.empty((1, 3), dtype=np.float32)
    sum_by_id(drows, found.order, found.starts, None, sums)
    total = np.zeros(3, dtype=np.float32)
    for start in (0, 256, 512):
        part = np.zeros(3, dtype=np.float32)
        for row in drows[start : start + 256]:
            part += row
        total += part
    assert np.array_equal(sums[0], total)


@pytest.mark.parametrize("isa", ISAS)
def test_bits_depend_neither_on_the_instruction_set_nor_on_the_names_of_ids(isa):
    def run(ids):
        found = IdIndex(3000).distinct(ids.astype(np.int32))
        sums = np.empty((len(found), 33), dtype=np.float32)
        sum_by_id(drows, found.order, found.starts, None, sums)
        return sums

    ids = ids_of("Zipf")
    drows = np.random.RandomState(2).normal(size=(1000, 33)).astype(np.float32)
    expected = run(ids)
    with instruction_set(isa):
        assert np.array_equal(run(ids), expected)
        assert np.array_equal(run(2999 - ids), expected)


def test_factors_of_whole_ids():
    n_active = np.array([3, 2, 1], dtype=np.int32)
    inverse = np.array([0, 1, 0, 1, 1, 0], dtype=np.intp)
    mask = np.array([[0, 2], [2, 0], [2, 2]], dtype=np.float32)
    out = np.empty(6, dtype=np.float32)
    row_factors(mask, inverse, n_active, out)
    assert list(out) == [0, 0, 2, 2, 0, 0]


def test_one_token_a_thousand_times_against_finite_differences():
    """A loss sum(sin(rows * weights)) of a table, through rows and sums."""
    rng = np.random.RandomState(0)
    table, weights = rng.normal(size=(4, 3)), rng.normal(size=(1000, 3))
    found = IdIndex(4).distinct(np.full(1000, 2, dtype=np.int32))

    def rows():
        out = np.empty((1000, 3))
        gather(table[found.ids], found.inverse, None, out)
        return out

    sums, gradient = np.empty((1, 3)), np.zeros((4, 3))
    drows = weights * np.cos(rows() * weights)
    sum_by_id(drows, found.order, found.starts, None, sums)
    gradient[found.ids] += sums
    for j in range(3):
        around = []
        for step in (1e-5, -1e-5):
            table[2, j] += step
            around.append(np.sin(rows() * weights).sum())
            table[2, j] -= step
        difference = (around[0] - around[1]) / 2e-5
        assert gradient[2, j] == pytest.approx(difference, rel=1e-7)
    assert not gradient[[0, 1, 3]].any()


def test_arrays_that_do_not_fit_are_refused():
    rows, index = np.zeros((3, 2)), np.zeros(3, dtype=np.intp)
    starts = np.array([0, 3], dtype=np.intp)
    with pytest.raises(ValueError, match="3 rows of 2 columns"):
        gather(rows, index, None, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="contiguous"):
        gather(rows, index, None, np.zeros((3, 4))[:, ::2])
    with pytest.raises(IndexError, match="Row 3 of a table of 3 rows"):
        gather(rows, index + 3, None, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="1 ids of 2 columns"):
        sum_by_id(rows, index[:2], starts, None, np.zeros((1, 2)))
    with pytest.raises(ValueError, match="1 to 2\\*\\*31 - 1 ids"):
        IdIndex(0)
    with pytest.raises(ValueError, match="packed rows"):
        row_factors(rows, index, np.array([2], dtype=np.int32), np.zeros(3))


# Starts of sums -----------------------------------------------------------------------


class Started:
    """A recurrence whose first inputs are rows of a table."""

    def __init__(self, kernel, dtype, n_start=5, n_numbers=0, n_units=19, seed=0):
        rng = np.random.RandomState(seed)
        self.shape = PackedShape(np.array([7, 7, 5, 1, 1], dtype=np.int32))
        self.recurrence = Recurrence(kernel, n_start + n_numbers, n_units, dtype)
        n = self.recurrence.n_gates * n_units
        n_biases = {"gru": 4, "lstm": 4}.get(kernel, 1)
        self.W = rng.normal(size=(n_start + n_numbers, n)).astype(dtype)
        self.U = 0.3 * rng.normal(size=(n_units, n)).astype(dtype)
        self.b = rng.normal(size=(1, n_biases * n_units)).astype(dtype)
        self.recurrence.load(self.W, self.U, self.b)
        self.e = rng.normal(size=(4, n_start)).astype(dtype)
        self.rows = rng.randint(4, size=self.shape.n_rows).astype(np.int32)
        self.numbers = rng.normal(size=(self.shape.n_rows, n_numbers)).astype(dtype)
        self.dy = rng.normal(size=(self.shape.n_rows, n_units)).astype(dtype)
        self.starts = StartRows(self.recurrence, n_start)

    def dense(self, n_threads=1):
        x = np.concatenate([self.e[self.rows], self.numbers], axis=1)
        return self.recurrence.forward(self.shape, x, training=True).copy()

    def started(self):
        starts = self.starts.make(self.e, self.rows)
        return self.recurrence.forward(
            self.shape, self.numbers, training=True, starts=starts
        ).copy()

    def gradients(self):
        return [np.zeros_like(a) for a in (self.W, self.U, self.b)]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_numbers", [0, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kernel", ["gru", "lstm", "rnn_tanh"])
def test_starts_have_the_bits_of_inputs(kernel, dtype, n_numbers, isa):
    with instruction_set(isa):
        for n_units in (3, 19, 70):
            problem = Started(kernel, dtype, n_numbers=n_numbers, n_units=n_units)
            assert np.array_equal(problem.started(), problem.dense())


@pytest.mark.parametrize("n_numbers", [0, 3])
@pytest.mark.parametrize("kernel", ["gru", "lstm", "rnn_tanh"])
def test_gradients_of_starts_are_those_of_inputs(kernel, n_numbers):
    problem = Started(kernel, np.float64, n_numbers=n_numbers)
    problem.dense()
    desired = problem.gradients()
    dx = np.empty((problem.shape.n_rows, 5 + n_numbers))
    problem.recurrence.backward(*desired, dy=problem.dy, dx=dx)
    de = np.zeros_like(problem.e)
    np.add.at(de, problem.rows, dx[:, :5])
    problem.started()
    found = problem.gradients()
    problem.recurrence.backward(*found, dy=problem.dy)
    distinct = IdIndex(4).distinct(problem.rows)
    dz = problem.starts.gradient_of_sums()
    by_id = np.empty((len(distinct), dz.shape[1]))
    sum_by_id(dz, distinct.order, distinct.starts, None, by_id)
    sums = np.zeros((4, dz.shape[1]))
    sums[distinct.ids] = by_id
    own = np.empty_like(problem.e)
    problem.starts.backward(sums, found[0], own)
    for name, a, b in zip("WUb", found, desired, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(own, de, rtol=1e-11, atol=1e-12)


def test_starts_last_for_one_pass_and_are_checked():
    problem = Started("gru", np.float32, n_numbers=2)
    dense = problem.dense()
    problem.started()
    assert np.array_equal(problem.dense(), dense)
    with pytest.raises(ValueError, match="5 are in the starts, got 21 starts and 1"):
        problem.numbers = problem.numbers[:, :1]
        problem.started()
    problem = Started("gru", np.float32)
    problem.rows[3] = 4
    with pytest.raises(IndexError, match="no row 4 among 4 starts"):
        problem.started()
    with pytest.raises(ValueError, match="n_start is 1 to 5"):
        StartRows(problem.recurrence, 6)


# Ids that are pairs -------------------------------------------------------------------


def test_distinct_pairs():
    first, second = ids_of("Zipf"), ids_of("few")
    found = IdIndex(1000).distinct(first)
    pairs = distinct_pairs(found, second, 5)
    key = 5 * first.astype(int) + second
    _, place, desired = np.unique(key, return_index=True, return_inverse=True)
    assert list(pairs.ids) == list(range(len(place)))
    rank = np.argsort(np.argsort(desired[pairs.order[pairs.starts[:-1]]]))
    assert np.array_equal(rank[pairs.inverse], desired)
    assert np.array_equal(pairs.order, np.argsort(pairs.inverse, kind="stable"))
    assert np.array_equal(np.diff(pairs.starts), np.bincount(pairs.inverse))
    assert len(distinct_pairs(IdIndex(1).distinct(first[:0]), first[:0], 2)) == 0
    with pytest.raises(IndexError, match="Row 0 has the id 7, of 5"):
        distinct_pairs(found, second + 7 - second[0], 5)
    with pytest.raises(ValueError, match="1000 rows need as many ids, got 3"):
        distinct_pairs(found, second[:3], 5)
