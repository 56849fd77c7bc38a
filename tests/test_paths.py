"""Sums over paths and best paths, against all paths one by one."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from cases import ISAS, instruction_set
from gradcheck import numerical_gradient
from outside import import_oracle
from skrnn._chain import (
    Chain,
    path_scores,
    viterbi,
    viterbi_advance,
)
from skrnn._paths import PathSums
from skrnn._recurrence import PackedShape
from skrnn.losses import CRFLoss
from skrnn.network.layout import Layout

# Tags O, B, I of IOB2: I only after B or I.
IOB2 = (
    np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1]], dtype=bool),
    np.array([1, 1, 0], dtype=bool),
    np.ones(3, dtype=bool),
)
# Tags O, B, I, E, S of IOBES, of which only the first four.
IOBE = (
    np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]], dtype=bool),
    np.array([1, 1, 0, 0], dtype=bool),
    np.array([1, 0, 0, 1], dtype=bool),
)
LEFT_TO_RIGHT = (
    np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]], dtype=bool),
    np.array([1, 0, 0], dtype=bool),
    np.array([1, 1, 1], dtype=bool),
)
SCHEMES = {
    "one tag": (1, None),
    "two tags": (2, None),
    "four tags": (4, None),
    "IOB2": (3, IOB2),
    "IOBE": (4, IOBE),
    "left to right": (3, LEFT_TO_RIGHT),
}


def packed(lengths):
    """The shape of a packed batch of these lengths, longest first."""
    lengths = sorted(lengths, reverse=True)
    n_active = [sum(n > t for n in lengths) for t in range(lengths[0])]
    return PackedShape(np.array(n_active, dtype=np.int32))


def rows_of(shape, b):
    """The packed rows of one sequence."""
    return shape.offset[: shape.lengths[b]] + b


def everything(n_tags):
    return np.ones((n_tags, n_tags), bool), np.ones(n_tags, bool), np.ones(n_tags, bool)


class Problem:
    """A chain and a packed batch of emissions."""

    def __init__(self, n_tags, allowed=None, lengths=(5, 4, 4, 2, 1, 1), seed=0, by=1):
        rng = np.random.RandomState(seed)
        self.n_tags = n_tags
        self.shape = packed(lengths)
        self.emissions = by * rng.normal(size=(self.shape.n_rows, n_tags))
        self.scores = [
            rng.normal(size=(n_tags, n_tags)),
            rng.normal(size=n_tags),
            rng.normal(size=n_tags),
        ]
        self.allowed = allowed or everything(n_tags)
        self.chain = Chain(n_tags, allowed)
        self.load()

    def load(self):
        self.chain.load(*self.scores)
        self.sums = PathSums(self.chain)

    def paths(self, b, labels=None):
        """All allowed paths of a sequence that agree with labels, and their scores."""
        T, start, end = (
            np.where(which, score, -np.inf)
            for score, which in zip(self.scores, self.allowed, strict=True)
        )
        rows = rows_of(self.shape, b)
        paths, scores = [], []
        for path in itertools.product(range(self.n_tags), repeat=len(rows)):
            if labels is not None and any(
                label >= 0 and label != tag
                for label, tag in zip(labels[rows], path, strict=True)
            ):
                continue
            score = start[path[0]] + end[path[-1]]
            pairs = zip(rows, path, strict=True)
            score += sum(self.emissions[row, tag] for row, tag in pairs)
            score += sum(T[pair] for pair in itertools.pairwise(path))
            if score > -np.inf:
                paths.append(path)
                scores.append(score)
        return paths, np.array(scores)

    def expected(self, b, labels=None):
        """log Z, marginals and expected pairs from all paths."""
        paths, scores = self.paths(b, labels)
        n, k = self.shape.lengths[b], self.n_tags
        marginals, pairs = np.zeros((n, k)), np.zeros((k, k))
        if not paths:
            return -np.inf, marginals, pairs
        log_z = scores.max() + np.log(np.exp(scores - scores.max()).sum())
        for path, probability in zip(paths, np.exp(scores - log_z), strict=True):
            marginals[np.arange(n), path] += probability
            for pair in itertools.pairwise(path):
                pairs[pair] += probability
        return log_z, marginals, pairs

    def check(self, labels=None):
        shape = self.shape
        log_z = self.sums.forward(shape, self.emissions, labels)
        weight = np.random.RandomState(1).uniform(0.1, 2.0, shape.n_seqs)
        marginals = self.sums.backward(weight)
        pairs = np.zeros((self.n_tags, self.n_tags))
        for b in range(shape.n_seqs):
            desired = self.expected(b, labels)
            pairs += weight[b] * desired[2]
            assert log_z[b] == pytest.approx(desired[0], rel=1e-13, abs=1e-12)
            found = marginals[rows_of(shape, b)]
            np.testing.assert_allclose(found, desired[1], rtol=1e-9, atol=1e-11)
            if desired[0] > -np.inf:
                assert np.abs(found.sum(axis=1) - 1).max() < 1e-12
        k = self.n_tags
        np.testing.assert_allclose(
            self.sums.pairs[:k, :k], pairs, rtol=1e-9, atol=1e-10
        )


# Sums ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [1, 50, 1e4])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_sums_are_those_over_all_paths(scheme, by):
    Problem(*SCHEMES[scheme], by=by).check()


@pytest.mark.parametrize("by", [1, 1e4])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_missing_labels_are_summed_over(scheme, by):
    problem = Problem(*SCHEMES[scheme], by=by)
    rng = np.random.RandomState(3)
    for _ in range(5):
        labels = rng.randint(problem.n_tags, size=problem.shape.n_rows)
        labels[rng.uniform(size=len(labels)) < 0.6] = -1
        problem.check(labels)


def test_what_is_improbable_now_and_decides_later_is_kept():
    """A path that is 1000 nats below others up to its last step is the only one."""
    problem = Problem(4, IOBE, lengths=(6, 5, 4))
    problem.emissions[:, 0] += 1000
    problem.emissions[problem.shape.last_row, 3] += 9000
    problem.check()
    # All but the path O ... O go through B, E or I, which nothing but it can leave.
    problem = Problem(3, LEFT_TO_RIGHT, lengths=(6, 6, 3))
    problem.emissions[:, 2] -= 1000
    problem.scores[2][:2] -= 4000
    problem.load()
    problem.check()
    assert problem.sums.log_domain.any()


def test_backward_needs_a_forward_of_its_own():
    problem = Problem(3)
    with pytest.raises(RuntimeError, match="forward"):
        problem.sums.backward()
    problem.sums.forward(problem.shape, problem.emissions)
    problem.sums.backward()
    with pytest.raises(RuntimeError, match="forward"):
        problem.sums.backward()


def test_only_one_legal_path_far_below_the_illegal_ones():
    allowed = (np.eye(3, dtype=bool), np.array([0, 0, 1], bool), np.ones(3, bool))
    problem = Problem(3, allowed)
    problem.emissions[:, 2] -= 1000
    problem.check()
    problem.sums.forward(problem.shape, problem.emissions)
    marginals = problem.sums.backward()
    assert np.array_equal(marginals, np.tile([0.0, 0.0, 1.0], (len(marginals), 1)))


def test_transitions_of_any_size():
    problem = Problem(4, lengths=(6, 3, 1))
    for by in (300, 3000, 1e5):
        problem.scores = [by * score for score in problem.scores]
        problem.load()
        problem.check()


def test_no_path_at_all():
    allowed = (np.zeros((2, 2), bool), np.ones(2, bool), np.array([1, 0], bool))
    problem = Problem(2, allowed, lengths=(2, 1, 1))
    problem.check()
    assert list(problem.sums.log_z > -np.inf) == [False, True, True]
    path = np.empty(4, dtype=np.intp)
    possible = viterbi(problem.chain, problem.shape, problem.emissions, path)
    assert list(possible) == [False, True, True]


def test_a_tag_that_never_occurs_and_permuted_tags():
    problem = Problem(4)
    problem.emissions[:, 2] -= 1e4
    problem.check()
    log_z = problem.sums.log_z
    problem.sums.forward(problem.shape, problem.emissions)
    marginals = problem.sums.backward()
    assert marginals[:, 2].max() == 0.0
    order = [2, 0, 3, 1]
    other = Problem(4)
    other.emissions = problem.emissions[:, order]
    T, start, end = problem.scores
    other.scores = [T[np.ix_(order, order)], start[order], end[order]]
    other.load()
    assert np.allclose(other.sums.forward(other.shape, other.emissions), log_z)
    assert np.allclose(other.sums.backward(), marginals[:, order], atol=1e-14)


def test_many_tags_and_long_sequences():
    """Against sums in logarithms by NumPy."""
    problem = Problem(75, lengths=(40, 33, 7), by=3)
    shape, e = problem.shape, problem.emissions
    T, start, end = problem.scores
    log_z = problem.sums.forward(shape, e)
    for b in range(shape.n_seqs):
        rows = rows_of(shape, b)
        alpha = start + e[rows[0]]
        for row in rows[1:]:
            alpha = np.logaddexp.reduce(alpha[:, np.newaxis] + T, axis=0) + e[row]
        desired = np.logaddexp.reduce(alpha + end)
        assert log_z[b] == pytest.approx(desired, rel=1e-13)
    assert np.abs(problem.sums.backward().sum(axis=1) - 1).max() < 1e-12


def test_an_emission_that_is_no_number_stays_with_its_sequence():
    problem = Problem(3, lengths=(4, 4, 2))
    problem.check()
    kept = problem.sums.log_z
    pairs = problem.sums.forward(problem.shape, problem.emissions)
    problem.sums.backward(np.array([1.0, 0.0, 1.0]))
    pairs = problem.sums.pairs
    problem.emissions[rows_of(problem.shape, 1)[2]] = np.nan
    log_z = problem.sums.forward(problem.shape, problem.emissions)
    assert np.isnan(log_z[1]) and np.array_equal(log_z[[0, 2]], kept[[0, 2]])
    problem.sums.backward(np.array([1.0, 0.0, 1.0]))
    assert np.array_equal(problem.sums.pairs, pairs)


# The same bits ------------------------------------------------------------------------


@pytest.mark.parametrize("by", [1, 400])
@pytest.mark.parametrize("scheme", ["four tags", "IOB2", "left to right"])
def test_bits_do_not_depend_on_the_batch(scheme, by):
    n_tags, allowed = SCHEMES[scheme]
    problem = Problem(n_tags, allowed, lengths=(30, 30, 17, 4, 1), by=by)
    shape, e, sums = problem.shape, problem.emissions, problem.sums
    log_z = sums.forward(shape, e)
    marginals = sums.backward().copy()
    path = np.empty(shape.n_rows, dtype=np.intp)
    viterbi(problem.chain, shape, e, path)
    for b in range(shape.n_seqs):
        rows = rows_of(shape, b)
        alone = packed([len(rows)])
        assert sums.forward(alone, e[rows])[0] == log_z[b]
        assert np.array_equal(sums.backward(), marginals[rows])
        own = np.empty(len(rows), dtype=np.intp)
        viterbi(problem.chain, alone, e[rows], own)
        assert np.array_equal(own, path[rows])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_tags, by", [(3, 1), (17, 1), (50, 2), (5, 400)])
def test_bits_do_not_depend_on_the_instruction_set(isa, n_tags, by):
    def run():
        problem = Problem(n_tags, lengths=(9, 9, 8, 3, 1), by=by)
        weight = np.linspace(0.5, 2, problem.shape.n_seqs)
        log_z = problem.sums.forward(problem.shape, problem.emissions)
        return [log_z, problem.sums.backward(weight).copy(), problem.sums.pairs]

    expected = run()
    with instruction_set(isa):
        for found, desired in zip(run(), expected, strict=True):
            assert np.array_equal(found, desired)


@pytest.mark.parametrize("by", [1, 300])
@pytest.mark.parametrize("scheme", ["four tags", "IOB2", "IOBE", "left to right"])
def test_streams_have_the_bits_of_prefixes(scheme, by):
    n_tags, allowed = SCHEMES[scheme]
    problem = Problem(n_tags, allowed, lengths=(12, 12, 12), by=by)
    shape, sums, state = problem.shape, PathSums(problem.chain), None
    delta, earlier = None, []
    for t in range(12):
        e = problem.emissions[shape.offset[t] : shape.offset[t + 1]]
        state, marginals = sums.step(e, state)
        before, delta = delta, np.empty((3, problem.chain.width))
        earlier.append((state, delta))
        last = np.empty(3, dtype=np.intp)
        viterbi_advance(problem.chain, before, e, delta, last)
        prefix, rows = packed([t + 1] * 3), slice(0, shape.offset[t + 1])
        problem.sums.forward(prefix, problem.emissions[rows])
        whole = problem.sums.backward().copy()
        assert np.array_equal(whole[-3:], marginals)
        path = np.empty(prefix.n_rows, dtype=np.intp)
        viterbi(problem.chain, prefix, problem.emissions[rows], path)
        assert np.array_equal(path[-3:], last)
        if t < 4:
            continue
        # The last four steps again, after what those before have left.
        window, rows = packed([4] * 3), slice(shape.offset[t - 3], shape.offset[t + 1])
        state_before, delta_before = earlier[t - 4]
        sums.forward(window, problem.emissions[rows], state=state_before)
        for a, b in zip(sums.state_after(1), earlier[t - 2][0], strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(sums.backward(), whole[-12:])
        found = np.empty(12, dtype=np.intp)
        viterbi(problem.chain, window, problem.emissions[rows], found, delta_before)
        assert np.array_equal(found, path[-12:])


# Best paths, given paths, spans -------------------------------------------------------


@pytest.mark.parametrize("by", [1, 1e4])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_best_path_is_the_best_of_all(scheme, by):
    problem = Problem(*SCHEMES[scheme], by=by)
    path = np.empty(problem.shape.n_rows, dtype=np.intp)
    viterbi(problem.chain, problem.shape, problem.emissions.astype(np.float32), path)
    for b in range(problem.shape.n_seqs):
        paths, scores = problem.paths(b)
        assert tuple(path[rows_of(problem.shape, b)]) == paths[scores.argmax()]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_of_equal_paths_the_lowest_tags_read_from_the_end(scheme):
    problem = Problem(*SCHEMES[scheme], lengths=(5, 4, 3, 3, 2, 1))
    rng = np.random.RandomState(0)
    problem.emissions = rng.randint(3, size=problem.emissions.shape).astype(float)
    problem.scores = [
        rng.randint(2, size=s.shape).astype(float) for s in problem.scores
    ]
    problem.load()
    path = np.empty(problem.shape.n_rows, dtype=np.intp)
    viterbi(problem.chain, problem.shape, problem.emissions, path)
    for b in range(problem.shape.n_seqs):
        paths, scores = problem.paths(b)
        best = [
            p[::-1] for p, s in zip(paths, scores, strict=True) if s == scores.max()
        ]
        assert tuple(path[rows_of(problem.shape, b)][::-1]) == min(best)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_probabilities_of_all_paths_sum_to_one(scheme):
    n_tags, allowed = SCHEMES[scheme]
    problem = Problem(n_tags, allowed, lengths=[4])
    log_z = problem.sums.forward(problem.shape, problem.emissions)
    legal, total, out = set(problem.paths(0)[0]), 0.0, np.empty(1)
    for path in itertools.product(range(n_tags), repeat=4):
        labels = np.array(path, dtype=np.intp)
        path_scores(problem.chain, problem.shape, problem.emissions, labels, out)
        probability = np.exp(out[0] - log_z[0])
        assert (probability > 0.0) == (path in legal)  # exactly zero, if not
        total += probability
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("by", [1, 300])
@pytest.mark.parametrize("scheme", ["four tags", "IOB2", "IOBE"])
def test_spans_have_the_probability_of_all_paths_that_have_them(scheme, by):
    n_tags, allowed = SCHEMES[scheme]
    problem = Problem(n_tags, allowed, lengths=(5, 5, 3, 1), by=by)
    stops = np.random.RandomState(0).uniform(size=(n_tags, n_tags)) < 0.6
    problem.sums.forward(problem.shape, problem.emissions)
    problem.sums.backward()
    path = np.empty(problem.shape.n_rows, dtype=np.intp)
    viterbi(problem.chain, problem.shape, problem.emissions, path)
    spans, desired = [], []
    for b in range(problem.shape.n_seqs):
        rows, log_z = rows_of(problem.shape, b), problem.expected(b)[0]
        paths, scores = problem.paths(b)
        for start, stop in itertools.combinations(range(len(rows) + 1), 2):
            tags = tuple(path[rows[start:stop]])
            spans.append((b, start, stop))
            desired.append(
                sum(
                    np.exp(score - log_z)
                    for own, score in zip(paths, scores, strict=True)
                    if own[start:stop] == tags
                    and (stop == len(rows) or stops[tags[-1], own[stop]])
                )
            )
    found = problem.sums.span_probability(spans, path, stops)
    np.testing.assert_allclose(found, desired, rtol=1e-9, atol=1e-12)


# The loss -----------------------------------------------------------------------------


class LossProblem(Problem):
    """A loss, its parameters and targets."""

    def __init__(self, n_tags, allowed=None, missing=0.0, dtype=np.float64, **kwargs):
        super().__init__(n_tags, allowed, **kwargs)
        self.loss, layout = CRFLoss(n_tags, allowed), Layout()
        self.loss.declare(layout)
        rng = np.random.RandomState(5)
        self.theta = rng.normal(size=layout.n_params).astype(dtype)
        self.grad = np.zeros_like(self.theta)
        self.p, self.g = layout.bind(self.theta), layout.bind(self.grad)
        self.raw = self.emissions.astype(dtype)
        self.run = SimpleNamespace(shape=self.shape)
        self.weight = rng.uniform(0.5, 2, self.shape.n_rows)
        self.targets = np.empty(self.shape.n_rows, dtype=np.intp)
        viterbi(Chain(n_tags, allowed), self.shape, self.emissions, self.targets)
        self.targets[rng.uniform(size=len(self.targets)) < missing] = -1

    def value(self):
        return self.loss.value(self.targets, self.raw, self.weight, self.run, self.p)

    def gradients(self, share=1.0):
        self.grad[:] = 0
        value, d_raw = self.loss.value_and_gradient(
            self.targets, self.raw, self.weight, self.run, self.p, self.g, share
        )
        return value, d_raw, self.grad.copy()


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_loss_is_minus_the_mean_log_likelihood_of_a_labeled_step(scheme, missing):
    problem = LossProblem(*SCHEMES[scheme], missing=missing)
    problem.scores = [
        view.reshape(s.shape) for view, s in zip(problem.p, problem.scores, strict=True)
    ]
    value, total = 0.0, 0.0
    likelihood = problem.loss.log_likelihood(
        problem.targets, problem.raw, problem.shape, problem.p
    )
    for b in range(problem.shape.n_seqs):
        n = (problem.targets[rows_of(problem.shape, b)] >= 0).sum()
        each = problem.expected(b, problem.targets)[0] - problem.expected(b)[0]
        assert likelihood[b] == pytest.approx(each, abs=1e-12)
        if n > 0:
            value -= problem.weight[b] * each
            total += problem.weight[b] * n
    assert problem.value() == pytest.approx(value / total, rel=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradients_are_those_of_the_value(scheme, missing):
    problem = LossProblem(*SCHEMES[scheme], missing=missing)
    _, d_raw, grad = problem.gradients()
    for x, found in ((problem.raw, d_raw), (problem.theta, grad)):
        desired = numerical_gradient(problem.value, x)
        np.testing.assert_allclose(found, desired, rtol=1e-7, atol=1e-9)
    value, half, half_grad = problem.gradients(share=0.5)
    assert value == pytest.approx(0.5 * problem.value())
    np.testing.assert_allclose(half, 0.5 * d_raw)
    np.testing.assert_allclose(half_grad, 0.5 * grad)


def test_the_gradient_of_large_and_improbable_scores():
    problem = LossProblem(4, IOBE, lengths=(6, 5, 2), by=100)
    problem.raw[:, 0] += 500
    _, d_raw, _ = problem.gradients()
    desired = numerical_gradient(problem.value, problem.raw)
    np.testing.assert_allclose(d_raw, desired, rtol=1e-6, atol=1e-7)


def test_weights_count_sequences_and_unlabeled_ones_do_not():
    problem = LossProblem(3, missing=0.3, lengths=(5, 4, 4, 3))
    rows = rows_of(problem.shape, 2)
    problem.targets[rows] = -1
    value, d_raw, grad = problem.gradients()
    problem.raw[rows] = np.nan
    problem.weight[2] = 17.0
    other = problem.gradients()
    assert other[0] == value
    assert np.array_equal(other[1], d_raw) and not d_raw[rows].any()
    assert np.array_equal(other[2], grad)
    problem.targets[:] = -1
    value, d_raw, grad = problem.gradients()
    assert value == 0.0 and not d_raw.any() and not grad.any()


def test_float32_is_float64_rounded():
    problem, double = LossProblem(9, dtype=np.float32), LossProblem(9)
    double.raw[:] = problem.raw
    double.theta[:] = problem.theta
    found, desired = problem.gradients(), double.gradients()
    assert found[0] == desired[0]
    assert found[1].dtype == found[2].dtype == np.float32
    assert np.array_equal(found[1], desired[1].astype(np.float32))


@pytest.mark.parametrize("n_tags", [2, 9, 40])
def test_pytorch_crf(n_tags):
    torch = import_oracle("torch")
    torchcrf = import_oracle("torchcrf")
    problem = LossProblem(n_tags, lengths=(7, 7, 4, 1))
    shape = problem.shape
    crf = torchcrf.CRF(n_tags, batch_first=True).double()
    names = ("transitions", "start_transitions", "end_transitions")
    with torch.no_grad():
        for name, view in zip(names, problem.p, strict=True):
            target = getattr(crf, name)
            target.copy_(torch.tensor(view).reshape(target.shape))
    padded = torch.zeros(shape.n_seqs, 7, n_tags, dtype=torch.float64)
    tags = torch.zeros(shape.n_seqs, 7, dtype=torch.long)
    mask = torch.zeros(shape.n_seqs, 7, dtype=torch.bool)
    for b in range(shape.n_seqs):
        rows = rows_of(shape, b)
        padded[b, : len(rows)] = torch.tensor(problem.raw[rows])
        tags[b, : len(rows)] = torch.tensor(problem.targets[rows])
        mask[b, : len(rows)] = True
    padded.requires_grad_()
    likelihood = crf(padded, tags, mask=mask, reduction="none")
    weight = torch.tensor(problem.weight[: shape.n_seqs])
    loss = -(weight * likelihood).sum() / (weight * mask.sum(dim=1)).sum()
    loss.backward()
    value, d_raw, _ = problem.gradients()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    for b in range(shape.n_seqs):
        rows = rows_of(shape, b)
        np.testing.assert_allclose(
            d_raw[rows], padded.grad[b, : len(rows)], rtol=1e-9, atol=1e-13
        )
    for name, view in zip(names, problem.g, strict=True):
        desired = getattr(crf, name).grad.numpy().reshape(view.shape)
        np.testing.assert_allclose(view, desired, rtol=1e-9, atol=1e-13)
    path, possible = problem.loss.predict(problem.raw, shape, problem.p)
    assert possible.all()
    for b, own in enumerate(crf.decode(padded, mask=mask)):
        assert own == path[rows_of(shape, b)].tolist()
