"""First parameters and masks of dropout: the bits of their plain definitions."""

import numpy as np
import pytest

from cases import ISAS, instruction_set
from skrnn._initial import draw_mask, orthogonalize
from skrnn._pooling import pool_max


def in_eight_parts(x, y):
    n = len(x) // 8 * 8
    part = np.zeros(8)
    for start in range(0, n, 8):
        part = part + x[start : start + 8] * y[start : start + 8]
    part[: len(x) - n] += x[n:] * y[n:]
    odd = (part[1] + part[5]) + (part[3] + part[7])
    return ((part[0] + part[4]) + (part[2] + part[6])) + odd


def gram_schmidt(a):
    a = a.copy()
    for i, row in enumerate(a):
        for _ in range(2):
            for j in range(i):
                row -= in_eight_parts(row, a[j]) * a[j]
        row *= 1 / np.sqrt(in_eight_parts(row, row))
    return a


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 16, 21, 40])
def test_orthogonal_rows_on_every_instruction_set(isa, n):
    rows = np.random.default_rng(n).standard_normal((n, n))
    found = rows.copy()
    with instruction_set(isa):
        orthogonalize(found)
    assert found.tobytes() == gram_schmidt(rows).tobytes()
    assert np.abs(found @ found.T - np.eye(n)).max(initial=0) < 1e-14


def test_only_square_matrices_become_orthogonal():
    with pytest.raises(ValueError, match="square"):
        orthogonalize(np.ones((2, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (32, 33)], ids=str)
def test_masks_take_the_bytes_of_a_random_state(dtype, shape):
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    for rate in (0.2, 0.5, 0.999):
        mask = np.full(shape, np.nan, dtype)
        draw_mask(ours._bit_generator, round(rate * 65536), 1 / (1 - rate), mask)
        draws = np.frombuffer(theirs.bytes(2 * mask.size), "<u2").reshape(shape)
        kept = (draws >= round(rate * 65536)).astype(dtype)
        assert mask.tobytes() == (kept * dtype(1 / (1 - rate))).tobytes()
    # Both go on with the same numbers.
    assert ours.randint(1 << 30) == theirs.randint(1 << 30)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_state_is_the_first_of_equal_ones(dtype):
    rng = np.random.default_rng(0)
    n_active = np.array([5, 5, 3, 3, 1], dtype=np.int32)
    h = rng.integers(-2, 3, (n_active.sum(), 21)).astype(dtype)
    h[6, 4] = np.nan
    out = np.empty((5, 21), dtype)
    row = np.empty((5, 21), np.int32)
    pool_max(h, n_active, out, row)
    offset = np.concatenate([[0], np.cumsum(n_active)])
    for b in range(5):
        rows = offset[:-1][n_active > b] + b
        for u in range(21):
            if b == 1 and u == 4:
                # NaN is taken, and so is what comes after it.
                assert row[b, u] == rows[-1]
                continue
            assert out[b, u] == h[rows, u].max()
            assert row[b, u] == rows[h[rows, u].argmax()]
