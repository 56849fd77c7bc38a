"""Data that are not in memory: lazy sequences, blocks, and the cores of a cluster."""

from collections.abc import Sequence

import joblib
import numpy as np
import pytest

from cases import assert_same_bits
from skrnn import RNNClassifier, RNNRegressor, SequenceTagger
from skrnn.distributed import JoinedSequences, fit_shards
from skrnn.estimators._parameters import count_threads
from skrnn.inputs.sequences import Sequences, check_sequences
from skrnn.preprocessing import SequenceScaler
from skrnn.training.data import blocks_in_random_order
from toys import QUICK, make_classes, make_targets

FEW = {**QUICK, "max_iter": 3}


class Lazy(Sequence):
    """Makes a new array each time, and counts how often."""

    def __init__(self, arrays):
        self.arrays, self.n_reads = arrays, 0

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, i):
        self.n_reads += 1
        return self.arrays[i].copy()


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f4", "i2"])
def test_the_bits_of_a_list(dtype):
    X, y = make_classes(("a", "b", "c"))
    X = [(10 * x).astype(dtype) for x in X]
    weight = np.arange(40) % 3
    options = {"early_stopping": True, "categorical_features": None}
    for more in ({}, options):
        estimator = RNNClassifier(**FEW, **more)
        expected = estimator.fit(X, y, weight).predict_proba(X)
        lazy = Lazy(X)
        found = estimator.fit(lazy, y, weight)
        assert_same_bits(found.predict_proba(lazy), expected)
        assert_same_bits(found.predict_proba(X), expected)


def test_univariate_sequences_and_steps():
    X, y = make_targets()
    X = [x[:, 0] for x in X]
    expected = RNNRegressor(**FEW).fit(X, y).predict(X)
    assert_same_bits(RNNRegressor(**FEW).fit(Lazy(X), y).predict(Lazy(X)), expected)
    tags = [x > 0 for x in X]
    expected = SequenceTagger(**FEW).fit(X, tags).predict(X)
    found = SequenceTagger(**FEW).fit(Lazy(X), tags).predict(Lazy(X))
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a, b)
    scaled = SequenceScaler().fit(Lazy(X)).transform(Lazy(X))
    assert_same_bits(scaled[3], SequenceScaler().fit_transform(X)[3])


def test_how_often_each_is_read():
    X, y = make_classes()
    lazy, weight = Lazy(X), np.arange(40) % 3
    for options in ({}, {"early_stopping": True}, {"missing": "indicator"}):
        lazy.n_reads = 0
        RNNClassifier(**FEW, **options).fit(lazy, y, weight)
        # Once before the training, whatever is held out, and once in each epoch.
        assert lazy.n_reads <= (1 + FEW["max_iter"]) * len(X) + 5
    lazy.n_reads = 0
    model = RNNClassifier(**FEW).partial_fit(lazy, y, classes=["no", "yes"])
    model.partial_fit(lazy, y)
    assert lazy.n_reads <= 2 * 2 * len(X) + 10
    lazy.n_reads = 0
    fit_shards(RNNClassifier(**FEW), [lambda: (lazy, y)])
    # A worker remembers nothing, and looks for NaN each time.
    assert lazy.n_reads <= (1 + 2 * FEW["max_iter"]) * len(X) + 15


def test_outputs_of_kernels_are_kept_in_memory_alone(tmp_path):
    X = [x[:, 0] for x in make_classes()[0]]
    joined = JoinedSequences(X, tmp_path / "X.npy")
    kept = [check_sequences(data).in_memory for data in (X, Lazy(X), joined)]
    mapped = np.memmap(tmp_path / "Y", "f4", "w+", shape=(3, 5))
    kept += [check_sequences(data).in_memory for data in (mapped, list(mapped))]
    assert kept == [True, False, False, False, False]
    y = np.arange(40) % 2
    estimator = RNNClassifier(**FEW, convolutions=9)
    expected = estimator.fit(X, y).predict_proba(X)
    for given in (Lazy(X), joined):
        assert_same_bits(estimator.fit(given, y).predict_proba(given), expected)


@pytest.mark.parametrize("n_kept", [0, 1 << 20])
def test_a_list_is_read_once_before_the_training(monkeypatch, n_kept):
    monkeypatch.setattr("skrnn.inputs.moments.MOST_KEPT", n_kept)
    X, y = make_classes()
    n_read, passes = [0], Sequences._readable

    def count(self):
        for part, table in passes(self):
            n_read[0] += table.n_seqs
            yield part, table

    monkeypatch.setattr(Sequences, "_readable", count)
    found = RNNClassifier(**FEW).fit(X, y)
    assert n_read[0] == len(X)
    # With weights it is read again only if there are too many sequences to remember.
    RNNClassifier(**FEW).fit(X, y, np.arange(40) % 3)
    assert n_read[0] == len(X) * 2 + (0 if n_kept else 26)
    scaler = SequenceScaler().fit(X)
    assert n_read[0] == len(X) * 3 + (0 if n_kept else 26)
    assert_same_bits(scaler.mean_, found._pack()["_input_mean"])


def test_moments_far_from_the_first_step():
    rng = np.random.default_rng(0)
    X = [np.full((1, 2), 1e25), *(rng.normal(size=(9, 2)) for _ in range(8))]
    for x in X[1:]:
        x[:, 1] = 0.1
    y, weight = np.arange(9) % 2, np.arange(9) > 0
    found = RNNClassifier(**FEW).fit(X, y, weight)
    expected = RNNClassifier(**FEW).fit(X[1:], y[1:])
    for name in ("_input_mean", "_input_scale"):
        assert_same_bits(found._pack()[name], expected._pack()[name])


def test_predictions_read_each_twice_and_few_at_once(monkeypatch):
    monkeypatch.setattr("skrnn.network.blocks.WHOLE_BYTES", 400)
    X, y = make_classes()
    model = RNNClassifier(**FEW).fit(X, y)
    lazy, sizes = Lazy(X), []
    pack = Sequences.pack

    def count(self, indices, *more):
        sizes.append(len(indices))
        return pack(self, indices, *more)

    monkeypatch.setattr(Sequences, "pack", count)
    found = model.predict_proba(lazy)
    assert max(sizes) < len(X) == sum(sizes)
    assert lazy.n_reads <= 2 * len(X) + 5
    assert_same_bits(found, model.predict_proba(X))


@pytest.mark.parametrize("value, what", [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_what_is_not_finite_is_named(value, what):
    X, y = make_classes()
    X[7][0, 1] = value
    with pytest.raises(ValueError, match=rf"(?s)contains {what}.*X\[7\] has it at"):
        RNNClassifier(**FEW).fit(Lazy(X), y)
    with pytest.raises(ValueError, match=rf"(?s)contains {what}.*X\[7\] has it at"):
        RNNClassifier(**FEW).fit(X, y)


def test_what_is_unknown():
    X, y = make_classes()
    X[7][0, 1] = X[9][0, 0] = np.nan
    estimator = RNNClassifier(**FEW, missing="indicator")
    expected = estimator.fit(X, y).predict_proba(X)
    assert_same_bits(estimator.fit(Lazy(X), y).predict_proba(Lazy(X)), expected)
    X[11][0, 0] = np.inf
    with pytest.raises(ValueError, match=r"(?s)contains infinity.*X\[11\] has it at"):
        estimator.fit(Lazy(X), y)


def test_large_numbers_are_finite():
    X, y = make_classes()
    X[7][:] = 1.7e308  # whose sum is not
    with pytest.raises(ValueError, match="The variance of feature 0 is too large"):
        RNNClassifier(**FEW).fit(Lazy(X), y)


def test_other_shapes_are_refused():
    X, y = make_classes()
    X[5] = X[5][:, :1]
    with pytest.raises(ValueError, match=r"X\[5\] has 1 features, but X\[0\] has 2"):
        RNNClassifier(**FEW).fit(Lazy(X), y)
    X[5] = np.zeros((0, 2))
    with pytest.raises(ValueError, match=r"X\[5\] has no steps"):
        RNNClassifier(**FEW).fit(Lazy(X), y)


def test_a_sequence_that_changes_is_refused():
    class Grows(Lazy):
        def __getitem__(self, i):
            return np.vstack([super().__getitem__(i)] * (1 + self.n_reads // 100))

    X, y = make_classes()
    estimator = RNNClassifier(**FEW)
    with pytest.raises(ValueError, match=r"must be the same each time"):
        estimator.fit(Grows(X), y)
    assert not hasattr(estimator, "n_iter_")


def test_texts_are_read_at_once():
    class Words(Sequence):
        def __len__(self):
            return 20

        def __getitem__(self, i):
            if not 0 <= i < 20:
                raise IndexError(i)
            return "ab"[i % 2] * (i + 1)

    y = np.arange(20) % 2
    found = RNNClassifier(**FEW).fit(Words(), y)
    expected = RNNClassifier(**FEW).fit(list(Words()), y)
    assert_same_bits(found.predict_proba(Words()), expected.predict_proba(Words()))


# Blocks ------------------------------------------------------------------------------


def test_blocks_are_shuffled_as_blocks(monkeypatch):
    monkeypatch.setattr("skrnn.training.data.SHUFFLED_BLOCK", 10)
    order = blocks_in_random_order(35, np.random.RandomState(0))
    assert sorted(order) == list(range(35))
    blocks = [set(part // 10) for part in np.split(order, [10, 20, 30])]
    assert max(map(len, blocks)) <= 2  # the last block is shorter
    assert order.tolist() != list(range(35))
    X, y = make_classes()
    found = RNNClassifier(**FEW, shuffle="blocks").fit(X, y)
    again = RNNClassifier(**FEW, shuffle="blocks").fit(X, y)
    assert_same_bits(found.predict_proba(X), again.predict_proba(X))
    other = RNNClassifier(**FEW).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), found.predict_proba(X))


def test_a_block_far_off_the_learned_scale_is_warned_of():
    X, y = make_classes()
    classifier = RNNClassifier(**FEW)
    classifier.partial_fit([np.ones_like(x) for x in X], y, classes=["no", "yes"])
    classifier.partial_fit(X, y)
    with pytest.warns(UserWarning, match=r"feature 1 are 1e\+06 times as far"):
        classifier.partial_fit([x * [1, 0] + [0, 1e6] for x in X], y)


class Cluster(joblib.parallel.ParallelBackendBase):
    """Counts the cores of all its workers, whatever it is asked."""

    supports_retrieve_callback = True

    def effective_n_jobs(self, n_jobs):
        return 64

    def submit(self, func, callback=None):
        raise NotImplementedError

    def configure(self, n_jobs=1, parallel=None, **kwargs):
        return 64


def test_the_cores_of_a_cluster_are_not_those_of_this_process(monkeypatch):
    monkeypatch.setattr("skrnn.estimators._parameters.max_threads", lambda: 4)
    joblib.register_parallel_backend("cluster of a test", Cluster)
    counts = [count_threads(n) for n in (None, 1, 3)]
    with joblib.parallel_config("cluster of a test"):
        assert joblib.effective_n_jobs(None) == 64
        assert [count_threads(n) for n in (None, 1, 3)] == counts == [1, 1, 3]
        assert count_threads(-1) == min(joblib.cpu_count(), 4)
    with joblib.parallel_config("threading", n_jobs=2):
        assert count_threads(None) == 2
