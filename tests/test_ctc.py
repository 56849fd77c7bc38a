"""Connectionist temporal classification, against all paths one by one."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from cases import ISAS, instruction_set
from gradcheck import numerical_gradient
from outside import import_oracle
from skrnn._ctc import AlignmentSums, LabelSequences
from skrnn._recurrence import PackedShape
from skrnn.losses import CTCLoss

LABELS = [[], [1], [1, 1], [1, 2], [2, 1, 2], [1, 1, 1], [1, 2, 2, 1], [1, 1, 1, 1]]


def packed(lengths):
    """The shape of a packed batch of these lengths, longest first."""
    n_active = [sum(n > t for n in lengths) for t in range(lengths[0])]
    return PackedShape(np.array(n_active, dtype=np.int32))


def rows_of(shape, b):
    return shape.offset[: shape.lengths[b]] + b


def log_softmax(raw):
    raw = raw - raw.max(axis=1, keepdims=True)
    return raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))


def read(path):
    """The labels of a path."""
    return [k for k, _ in itertools.groupby(path) if k != 0]


def all_paths(log_p, labels):
    """Paths with these labels, and their log-probabilities."""
    n_steps, n_symbols = log_p.shape
    paths = [
        path
        for path in itertools.product(range(n_symbols), repeat=n_steps)
        if read(path) == list(labels)
    ]
    return paths, np.array([log_p[np.arange(n_steps), path].sum() for path in paths])


def loss_of(raw, shape, sequences, weight=None, gradient=None):
    targets = LabelSequences(sequences, raw.shape[1])
    weight = np.ones(len(sequences)) if weight is None else weight
    return AlignmentSums().loss_and_gradient(shape, raw, targets, weight, gradient)


@pytest.mark.parametrize("by", [1, 50, 1e4])
@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_the_loss_is_that_of_all_paths(labels, by):
    lengths = [5, 4, 3, 2, 1]
    shape = packed(lengths)
    raw = by * np.random.RandomState(0).normal(size=(shape.n_rows, 3))
    gradient = np.empty_like(raw)
    loss = loss_of(raw, shape, [labels] * 5, gradient=gradient)
    least = LabelSequences([labels] * 5, 3).least_steps()
    for b in range(5):
        rows = rows_of(shape, b)
        log_p = log_softmax(raw[rows])
        paths, each = all_paths(log_p, labels)
        assert (len(paths) > 0) == (lengths[b] >= least[b])
        if not paths:
            assert loss[b] == np.inf and not gradient[rows].any()
            continue
        desired = each.max() + np.log(np.exp(each - each.max()).sum())
        assert loss[b] == pytest.approx(-desired, rel=1e-13, abs=1e-13)
        d_raw = np.exp(log_p)
        for path, share in zip(paths, np.exp(each - desired), strict=True):
            d_raw[np.arange(len(rows)), path] -= share
        np.testing.assert_allclose(gradient[rows], d_raw, rtol=1e-9, atol=1e-11)
        assert np.abs(gradient[rows].sum(axis=1)).max() < 1e-14


def test_probabilities_of_all_labels_sum_to_one():
    raw = np.random.RandomState(0).normal(size=(4, 3))
    total = 0.0
    for n in range(5):
        for labels in itertools.product([1, 2], repeat=n):
            total += np.exp(-loss_of(raw, packed([4]), [labels])[0])
    assert total == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("labels", LABELS, ids=str)
def test_the_best_alignment_is_the_best_of_all(labels):
    shape = packed([6, 5, 4, 3, 2, 1])
    raw = np.random.RandomState(1).normal(size=(shape.n_rows, 3))
    targets = LabelSequences([labels] * 6, 3)
    position = np.empty(shape.n_rows, dtype=np.intp)
    possible = AlignmentSums().align(shape, raw, targets, position)
    for b in range(6):
        own = position[rows_of(shape, b)]
        paths, each = all_paths(log_softmax(raw[rows_of(shape, b)]), labels)
        assert possible[b] == (len(paths) > 0)
        if not paths:
            assert (own == -1).all()
            continue
        found = tuple(labels[i] if i >= 0 else 0 for i in own)
        assert found == paths[each.argmax()]
        assert list(np.unique(own[own >= 0])) == list(range(len(labels)))


def test_each_sequence_has_labels_of_its_own():
    shape = packed([9, 7, 7, 4])
    raw = np.random.RandomState(2).normal(size=(shape.n_rows, 4))
    sequences = [[1, 1, 2], [], [3, 2, 1, 3], [2]]
    gradient = np.empty_like(raw)
    loss = loss_of(raw, shape, sequences, np.array([1.0, 2.0, 0.5, 0.0]), gradient)
    assert loss[3] == 0 and not gradient[rows_of(shape, 3)].any()
    for b, weight in enumerate([1.0, 2.0, 0.5]):
        rows = rows_of(shape, b)
        alone = np.empty((len(rows), 4))
        own = loss_of(raw[rows], packed([len(rows)]), [sequences[b]], gradient=alone)
        assert own[0] == loss[b]
        assert np.array_equal(gradient[rows], weight * alone)


@pytest.mark.parametrize("isa", ISAS)
def test_bits_do_not_depend_on_the_instruction_set(isa):
    shape = packed([40, 33, 5])
    raw = 20 * np.random.RandomState(2).normal(size=(shape.n_rows, 9))
    sequences = [[1, 1, 2, 5, 8, 3] * 3, [4] * 10, []]
    gradient, other = np.empty_like(raw), np.empty_like(raw)
    loss = loss_of(raw, shape, sequences, gradient=gradient)
    with instruction_set(isa):
        assert np.array_equal(loss_of(raw, shape, sequences, gradient=other), loss)
        assert np.array_equal(other, gradient)


@pytest.mark.parametrize("by", [1, 10, 1000])
def test_long_sequences_against_torch(by):
    torch = import_oracle("torch")
    n_steps, n_labels = 4000, 400
    rng = np.random.RandomState(0)
    raw = by * rng.normal(size=(n_steps, 8))
    labels = rng.randint(1, 8, n_labels)
    gradient = np.empty_like(raw)
    loss = loss_of(raw, packed([n_steps]), [labels], gradient=gradient)
    x = torch.tensor(raw[:, np.newaxis], requires_grad=True)
    desired = torch.nn.functional.ctc_loss(
        x.log_softmax(-1), torch.tensor(labels[np.newaxis]), [n_steps], [n_labels]
    )
    (n_labels * desired).backward()
    assert loss[0] == pytest.approx(n_labels * desired.item(), rel=1e-12)
    np.testing.assert_allclose(gradient, x.grad[:, 0], atol=1e-9 * max(1, by / 10))


def test_what_is_no_number_stays_with_its_sequence():
    shape = packed([4, 4])
    raw = np.random.RandomState(2).normal(size=(shape.n_rows, 3))
    kept = loss_of(raw, shape, [[1], [2]])
    for bad in (np.nan, np.inf):
        raw[1, 0] = bad
        loss = loss_of(raw, shape, [[1], [2]], gradient=np.empty_like(raw))
        assert loss[0] == kept[0] and np.isnan(loss[1])
    raw[1, 0] = -np.inf
    assert np.isfinite(loss_of(raw, shape, [[1], [2]])).all()
    raw[1, :2] = -np.inf  # only label 2 at the first step
    assert loss_of(raw, shape, [[1], [1]])[1] == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mean_loss_and_its_gradient(dtype):
    shape = packed([6, 5, 3])
    raw = np.random.RandomState(3).normal(size=(shape.n_rows, 4)).astype(dtype)
    loss, weight = CTCLoss(3), np.array([1.0, 2.0, 0.5])
    run = SimpleNamespace(shape=shape)
    targets = loss.targets([[1, 2, 2], [3], []])
    value, d_raw = loss.value_and_gradient(targets, raw, weight, run, share=0.5)
    each = loss_of(raw, shape, [[1, 2, 2], [3], []])
    assert value == pytest.approx(0.5 * (weight @ each) / weight.sum())
    assert d_raw.dtype == dtype
    if dtype == np.float64:
        desired = numerical_gradient(
            lambda: 0.5 * loss.value(targets, raw, weight, run), raw
        )
        np.testing.assert_allclose(d_raw, desired, rtol=1e-7, atol=1e-9)


def test_labels_that_are_none():
    with pytest.raises(ValueError, match="Labels are 1 to 3"):
        LabelSequences([[1], [0]], 4)
    with pytest.raises(ValueError, match="Labels are 1 to 3"):
        LabelSequences([[4]], 4)
