"""The compiled passes over sequences, against plain loops."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skrnn._packing import Table, add_all, describe, describe_block, moments_of
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import Sequences

FLOATS = ["<f4", "<f8"]
OTHERS = ["f2", "g", ">f4", ">f8", "?", "i1", "u1", "i2", ">i2", "u4", "i8", "u8"]


def laid_out(values, layout):
    """The same numbers in another place or order of memory."""
    n_steps, n_features = values.shape
    if layout == "fortran":
        return np.asfortranarray(values)
    if layout == "backward":
        return values[::-1, ::-1].copy()[::-1, ::-1]
    if layout == "spread":
        big = np.zeros((3 * n_steps, 2 * n_features), values.dtype)
        view = big[1::3, ::2]
        view[...] = values
        return view
    if layout == "read-only":
        values = values.copy()
        values.setflags(write=False)
        return values
    if layout == "unaligned":
        raw = bytearray(1 + values.nbytes)
        view = np.frombuffer(raw, values.dtype, offset=1, count=values.size)
        view = view.reshape(values.shape)
        view[...] = values
        return view
    if layout == "repeated":  # all steps are the same memory
        return np.broadcast_to(values[:1], values.shape)
    return values


LAYOUTS = [
    "plain",
    "fortran",
    "backward",
    "spread",
    "read-only",
    "unaligned",
    "repeated",
]


def encoded_step(step, encoder):
    """The channels of one step, number by number, in double precision."""
    values, known = [], []
    for f, value in enumerate(np.asarray(step, dtype=np.float64)):
        mean = 0.0 if encoder.mean is None else encoder.mean[f]
        scale = 1.0 if encoder.scale is None else encoder.scale[f]
        fill = 0.0 if encoder.fill is None else encoder.fill[f]
        known.append(float(not np.isnan(value)))
        values.append(fill if np.isnan(value) else (value - mean) / scale)
    return values + known if encoder.missing == "indicator" else values


def packed_by_loops(sequences, encoder, dtype):
    k = encoder.segment_length
    rows = []  # of each sequence, one for each segment
    for sequence in sequences:
        steps = [encoded_step(step, encoder) for step in sequence]
        while len(steps) % k:
            steps.append(steps[-1])
        rows.append([sum(steps[i : i + k], []) for i in range(0, len(steps), k)])
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    lengths = [len(rows[i]) for i in order]
    n_active = [sum(n > t for n in lengths) for t in range(max(lengths, default=0))]
    x = [rows[i][t] for t in range(len(n_active)) for i in order if len(rows[i]) > t]
    return (
        np.array(x, dtype=np.float64).reshape(-1, encoder.n_in).astype(dtype),
        np.array(n_active, dtype=np.int32),
        np.cumsum([0, *n_active]),
        np.array(lengths, dtype=np.intp),
        np.array(order, dtype=np.intp),
    )


def assert_same_batch(batch, expected):
    names = ("x", "n_active", "offset", "lengths", "order")
    for name, value in zip(names, expected, strict=True):
        array = getattr(batch, name)
        assert array.dtype == value.dtype, name
        assert array.flags.c_contiguous, name
        # Equal to the bit: the sign of zero counts.
        assert array.tobytes() == value.tobytes(), name


def sequences_of(arrays):
    table = describe(arrays)
    assert isinstance(table, Table)
    return Sequences(table, "X[{}]")


@st.composite
def packings(draw):
    n_features = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    missing = draw(st.sampled_from(["error", "indicator"]))
    arrays = []
    for n_steps in lengths:
        values = rng.normal(scale=9, size=(n_steps, n_features))
        values = np.abs(values) if draw(st.booleans()) else values
        dtype = np.dtype(draw(st.sampled_from(FLOATS + OTHERS)))
        if dtype.kind == "u" or dtype.kind == "b":
            values = np.abs(values)
        values = values.astype(dtype)
        if missing == "indicator" and dtype.kind == "f":
            values[rng.random(values.shape) < 0.3] = np.nan
        layout = draw(st.sampled_from(LAYOUTS))
        array = laid_out(values, layout)
        arrays.append(array[:, 0] if n_features == 1 and draw(st.booleans()) else array)
    encoder = StepEncoder(
        n_features,
        mean=draw(st.sampled_from([None, rng.normal(size=n_features)])),
        scale=draw(st.sampled_from([None, rng.uniform(0.1, 9, size=n_features)])),
        segment_length=draw(st.integers(1, 5)),
        missing=missing,
        fill=draw(st.sampled_from([None, rng.normal(size=n_features)])),
    )
    indices = draw(st.lists(st.integers(0, len(lengths) - 1), max_size=9))
    return arrays, encoder, indices, draw(st.sampled_from([np.float32, np.float64]))


@given(packings())
def test_pack(packing):
    arrays, encoder, indices, dtype = packing
    sequences = sequences_of(arrays)
    columns = [array.reshape(len(array), -1) for array in arrays]
    batch = sequences.pack(indices, encoder, dtype)
    expected = packed_by_loops([columns[i] for i in indices], encoder, dtype)
    assert_same_batch(batch, expected)


@given(packings())
def test_bits_of_a_sequence_do_not_depend_on_the_batch(packing):
    arrays, encoder, _, dtype = packing
    sequences = sequences_of(arrays)
    batch = sequences.pack(None, encoder, dtype)
    for b, i in enumerate(batch.order):
        alone = sequences.pack([i], encoder, dtype)
        rows = batch.offset[: batch.lengths[b]] + b
        assert batch.x[rows].tobytes() == alone.x.tobytes()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(4, 6, 3), (4, 6, 1), (4, 6), (1, 1, 1)])
def test_block_is_as_its_list(dtype, shape):
    rng = np.random.default_rng(0)
    block = rng.normal(size=shape).astype(dtype)
    encoder = StepEncoder(shape[2] if len(shape) == 3 else 1, segment_length=4)
    expected = sequences_of(list(block)).pack(None, encoder, np.float32)
    for order in ("plain", "axes swapped", "backward"):
        if order == "axes swapped":
            block = block.T.copy().T
        elif order == "backward":
            block = block[::-1, ::-1].copy()[::-1, ::-1]
        table = describe_block(block)
        assert table.native and table.owner is block
        batch = Sequences(table, "X[{}]").pack(None, encoder, np.float32)
        assert_same_batch(
            batch,
            [getattr(expected, name) for name in ("x", "n_active", "offset")]
            + [expected.lengths, expected.order],
        )


def test_floats_are_described_not_copied():
    block = np.zeros((3, 4, 2), np.float32)
    arrays = list(block)
    sequences = sequences_of(arrays)
    block[1, 2, 1] = 7
    x = sequences.pack([1], StepEncoder(2), np.float32).x
    assert x[2, 1] == 7 and sequences[1][2, 1] == 7
    assert np.shares_memory(sequences[1], block)


@pytest.mark.parametrize("dtype", OTHERS)
def test_other_types_are_not_read_in_place(dtype):
    assert not describe([np.ones((2, 3), dtype)]).native
    assert not describe_block(np.ones((2, 3, 4), dtype)).native


@pytest.mark.parametrize("dtype", ["c8", "U3", "S3", "O", "M8[s]", "i4,f4", "V8"])
def test_describe_stops_at_what_is_no_number(dtype):
    good = np.ones((2, 3))
    assert describe([good, good, np.zeros((2, 3), dtype), good]) == 2
    with pytest.raises((ValueError, BufferError)):
        describe_block(np.zeros((2, 3), dtype))


@pytest.mark.parametrize(
    "misfit",
    [
        np.ones((0, 3)),
        np.ones((2, 2)),
        np.ones((3, 0)),
        np.ones(3),
        np.ones((1, 2, 3)),
        np.array(1.0),
        np.ma.ones((2, 3)),
        [[1.0, 2.0, 3.0]],
        None,
    ],
    ids=repr,
)
def test_describe_stops_at_a_misfit(misfit):
    good = np.ones((2, 3))
    assert describe([good, misfit]) == 1


def test_describe_stops_at_the_first_without_features():
    assert describe([np.ones((3, 0)), np.ones((3, 0))]) == 0


def test_table_is_made_of_arrays_only():
    with pytest.raises(TypeError, match="made by describe"):
        Table()


def test_table_keeps_the_memory():
    arrays = [np.full((50, 40), i, dtype=np.float64) for i in range(20)]
    sequences = sequences_of(arrays)
    taken = sequences.take([3, 17])
    del arrays, sequences
    np.full(100000, -1.0)  # would take the memory if it were free
    x = taken.pack(None, StepEncoder(40), np.float32).x
    assert (x[::2] == 3).all() and (x[1::2] == 17).all()


@pytest.mark.parametrize("indices", [[0, 2], [-1], [2**40], [-(2**40)]])
def test_indices_out_of_range(indices):
    sequences = sequences_of([np.ones((2, 3)), np.ones((4, 3))])
    with pytest.raises(IndexError, match="of 2"):
        sequences.pack(indices, StepEncoder(3), np.float32)
    with pytest.raises(IndexError):
        sequences._table.take(np.array(indices))
    with pytest.raises(IndexError):
        sequences._table.row(indices[-1])
    with pytest.raises(IndexError):
        sequences._table.is_native(indices[-1])


def test_pack_checks_what_it_is_given():
    table = describe([np.ones((2, 3))])
    one = np.array([0])
    three, four = np.ones(3), np.ones(4)
    with pytest.raises(ValueError, match="expected 3 float64"):
        table.pack(one, True, 1, four, three, None, False)
    with pytest.raises(ValueError, match="expected 6 float64"):
        table.pack(one, True, 2, three, three, None, False)
    with pytest.raises(ValueError, match="expected 3 float64"):
        table.pack(one, True, 1, three, three, four, True)
    with pytest.raises(ValueError, match="need mean"):
        table.pack(one, True, 1, None, None, three, True)
    with pytest.raises(ValueError, match="at least 1"):
        table.pack(one, True, 0, None, None, None, False)
    with pytest.raises(ValueError, match="converted"):
        describe([np.ones((2, 3), int)]).pack(one, True, 1, None, None, None, False)


@pytest.mark.parametrize(
    "k, order",
    [(1, [1, 3, 2, 0, 4]), (7, [1, 3, 0, 2, 4]), (10**6, [0, 1, 2, 3, 4])],
)
def test_very_different_lengths(k, order):
    lengths = [1, 50_000, 3, 50_000, 1]
    arrays = [np.arange(n, dtype=np.float32) for n in lengths]
    batch = sequences_of(arrays).pack(None, StepEncoder(1, segment_length=k), "f4")
    assert batch.order.tolist() == order
    assert batch.lengths.tolist() == sorted(-(-n // k) for n in lengths)[::-1]
    assert batch.offset[-1] == len(batch.x) == batch.lengths.sum()


def test_no_sequences_in_a_batch():
    sequences = sequences_of([np.ones((2, 3))])
    batch = sequences.pack([], StepEncoder(3), np.float32)
    assert batch.x.shape == (0, 3) and batch.offset.tolist() == [0]
    assert batch.n_active.shape == batch.lengths.shape == batch.order.shape == (0,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_first_bad(bad, layout, dtype):
    rng = np.random.default_rng(0)
    for _ in range(30):
        shape = rng.integers(1, 40), rng.integers(1, 5)
        values = rng.normal(size=shape).astype(dtype)
        values[0 if layout == "repeated" else rng.integers(shape[0]), -1] = bad
        array = laid_out(values, layout)
        fine = laid_out(np.ones((3, shape[1]), dtype), layout)
        table = describe([fine, array, array])
        expected = -1 if layout == "unaligned" else 1  # that is converted first
        assert table.first_bad(False) == expected
        assert table.first_bad(True) == (-1 if np.isnan(bad) else expected)


def test_extreme_numbers_are_finite():
    for dtype in (np.float32, np.float64):
        info = np.finfo(dtype)
        values = np.array([info.max, -info.max, info.tiny, info.smallest_subnormal])
        assert describe([values.astype(dtype)]).first_bad(False) == -1


def exact_sums(arrays, center, weights):
    """The same as Table.add_sums, in rational numbers."""
    sums = np.full((3, len(center)), Fraction(0))
    for array, weight in zip(arrays, weights, strict=True):
        for step in array:
            for f, value in enumerate(step):
                if not np.isnan(value):
                    distance = Fraction(float(value)) - Fraction(float(center[f]))
                    for q, term in enumerate((1, distance, distance**2)):
                        sums[q, f] += Fraction(weight) * term
    return sums


@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(FLOATS))
def test_sums_are_exact(seed, weighted, dtype):
    rng = np.random.default_rng(seed)
    arrays = [
        (rng.normal(size=(n, 2)) * 10.0 ** rng.integers(-9, 10, (n, 1))).astype(dtype)
        for n in rng.integers(1, 12, size=6)
    ]
    arrays[0][0, 1] = np.nan
    weights = rng.uniform(0, 3, size=6) if weighted else np.ones(6)
    center = rng.normal(size=2)
    sums = np.zeros((6, 2))
    describe(arrays).add_sums(sums, center, weights if weighted else None)
    expected = exact_sums(arrays, center, weights)
    for f in range(2):
        size = exact_sums([np.abs(a) for a in arrays], -np.abs(center), weights)[:, f]
        for q in range(3):
            found = Fraction(sums[2 * q, f]) + Fraction(sums[2 * q + 1, f])
            assert abs(found - expected[q, f]) <= size[q] * Fraction(2) ** -95


def test_sums_check_what_they_are_given():
    table = describe([np.ones((2, 3))])
    with pytest.raises(ValueError, match="a column for each"):
        table.add_sums(np.zeros((6, 2)), np.zeros(3), None)
    with pytest.raises(ValueError, match="a column for each"):
        table.add_sums(np.zeros((6, 3)), np.zeros(2), None)
    with pytest.raises(ValueError, match="2 weights, 1 sequences"):
        table.add_sums(np.zeros((6, 3)), np.zeros(3), np.ones(2))
    with pytest.raises(ValueError, match="converted"):
        describe([np.ones((2, 3), int)]).add_sums(np.zeros((6, 3)), np.zeros(3), None)


@given(st.integers(0, 2**32), st.booleans())
def test_moments_are_rounded_once(seed, weighted):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(100, 3, size=(n, 2)) for n in rng.integers(1, 12, size=6)]
    weights = rng.uniform(0, 3, size=6) if weighted else np.ones(6)
    center = rng.normal(size=2)
    table = describe(arrays)
    parts, sums, again = np.empty((6, 5, 2)), np.zeros((6, 2)), np.zeros((6, 2))
    table.sum_each(parts, center)
    add_all(sums, parts, weights if weighted else None)
    table.add_sums(again, center, weights if weighted else None)
    np.testing.assert_array_equal(sums, again)
    weight, mean, var, _ = moments_of(sums, center)
    exact = exact_sums(arrays, np.zeros(2), weights)
    for f in range(2):
        n, total, squares = exact[:, f]
        assert (weight[f], mean[f]) == (float(n), float(total / n))
        assert var[f] == float(squares / n - (total / n) ** 2)


def test_moments_of_nothing():
    sums = np.zeros((6, 2))
    sums[[0, 2, 4], 1] = 2, 6, 18  # two steps, both 3 more than the center
    found = moments_of(sums, np.array([7.0, 1.0]))
    expected = [[0, 2], [0, 4], [0, 0], [0, np.inf]]
    np.testing.assert_array_equal(np.array(found), expected)


def test_sums_of_each_check_what_they_are_given():
    table, center = describe([np.ones((2, 3))]), np.zeros(3)
    with pytest.raises(ValueError, match="a column for each"):
        table.sum_each(np.zeros((2, 5, 3)), center)
    with pytest.raises(ValueError, match="converted"):
        describe([np.ones((2, 3), int)]).sum_each(np.zeros((1, 5, 3)), center)
    with pytest.raises(ValueError, match="a column for each"):
        add_all(np.zeros((6, 2)), np.zeros((1, 5, 3)))
    with pytest.raises(ValueError, match="2 weights, 1 sequences"):
        add_all(np.zeros((6, 3)), np.zeros((1, 5, 3)), np.ones(2))
    with pytest.raises(ValueError, match="a column for each"):
        moments_of(np.zeros((6, 3)), np.zeros(2))
