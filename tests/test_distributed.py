"""One model of shards: the bits of `fit` on any executor, and failures."""

import _thread
import os
import signal
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from cases import assert_same_bits
from skrnn import (
    LanguageModel,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.distributed import fit_shards
from skrnn.inputs.moments import Moments
from test_threads import alone
from toys import QUICK, make_classes, make_labels, make_sequences, make_targets

FEW = {**QUICK, "max_iter": 3}


def series(n_series=8):
    rng = np.random.default_rng(0)
    return [
        np.sin(np.arange(60 + i) * 2 * np.pi / 12 + i) + 0.1 * rng.normal(size=60 + i)
        for i in range(n_series)
    ]


def tagged():
    X = make_sequences(30)
    return X, [np.where(x[:, 0] > 0, "up", "down") for x in X]


def words():
    rng = np.random.default_rng(0)
    X = ["".join(rng.choice(list("abcd"), rng.integers(3, 9))) for _ in range(40)]
    return X, np.array([word[0] < "c" for word in X])


def weighted(make=make_classes):
    X, y = make()
    return X, y, np.random.default_rng(2).uniform(0.5, 2, len(X)) * (np.arange(40) > 3)


def unknown():
    X, y = make_classes(("a", "b", "c"))
    X[3][0, 1] = np.nan
    return X, y


def steps():
    X = make_sequences(30)
    return X, [x[:, 0].cumsum() for x in X]


def transcribed():
    X = make_sequences(30)
    X = [np.repeat(x, 8, axis=0) for x in X]
    return X, [["up" if value > 0 else "down" for value in x[:16:8, 0]] for x in X]


def texts(n=40):
    rng = np.random.default_rng(0)
    X = ["".join(rng.choice(list("abcd"), rng.integers(0, 30))) for _ in range(n)]
    X[3] += "z"
    return X, None, rng.integers(0, 3, n)


def one_text():
    return (["the cat saw a cat that saw the cat. " * 9],)


def ids():
    rng = np.random.default_rng(0)
    return ([rng.integers(0, 5, rng.integers(1, 20)) for _ in range(20)],)


WRITER = {"hidden_layer_sizes": 6, "max_iter": 2, "bptt_steps": 7, "random_state": 0}
PROBLEMS = {
    "classes": (RNNClassifier(**FEW), make_classes),
    "balanced": (RNNClassifier(**FEW, class_weight="balanced"), weighted),
    "labels": (RNNClassifier(**FEW, class_weight="balanced"), make_labels),
    "unknown": (RNNClassifier(**FEW, missing="indicator"), unknown),
    "no scale": (RNNClassifier(**FEW, standardize=False), make_classes),
    "words": (RNNClassifier(**FEW), words),
    "numbers": (RNNRegressor(**FEW), partial(weighted, make_targets)),
    "more numbers": (RNNRegressor(**FEW, solver="sgd"), partial(make_targets, 2)),
    "tags": (SequenceTagger(**FEW), tagged),
    "paths": (SequenceTagger(**FEW, crf=True, dtype="float64"), tagged),
    "steps": (StepRegressor(**FEW), steps),
    "labels in order": (SequenceTranscriber(**FEW), transcribed),
    "texts": (LanguageModel(**WRITER), texts),
    "n-grams": (LanguageModel(**WRITER, ngram_order=3), texts),
    "one text": (LanguageModel(**WRITER, ngram_order=2, ends=False), one_text),
    "ids": (LanguageModel(**WRITER, carry_state=True, solver="sgd"), ids),
    "bytes": (LanguageModel(**WRITER, analyzer="byte", min_frequency=2), texts),
    "series": (SequenceForecaster(6, **FEW), lambda: (series(),)),
}


def assert_same_model(found, expected):
    found, expected = found._pack(), expected._pack()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
            assert_same_bits(found[name], value)
        else:
            assert str(found[name]) == str(value), name


@pytest.mark.parametrize("name", PROBLEMS)
def test_one_shard_is_fit(name):
    estimator, make = PROBLEMS[name]
    shard = make()
    found = fit_shards(estimator, [shard])
    assert not hasattr(estimator, "n_iter_")
    assert_same_model(found, estimator.fit(*shard))
    assert found.get_params() == estimator.get_params()


@pytest.mark.parametrize("n_shards", [1, 2])
def test_kernels_are_learned_from_the_first_shard(n_shards):
    X, y = make_classes()
    estimator = RNNClassifier(**FEW, convolutions=9)
    shards = [(X[k::n_shards], y[k::n_shards]) for k in range(n_shards)]
    found, expected = fit_shards(estimator, shards), estimator.fit(*shards[0])
    kernels = found._model.convolutions.pack()
    for name, values in expected._model.convolutions.pack().items():
        assert np.array_equal(kernels[name], values), name
    if n_shards == 1:
        assert_same_model(found, expected)


def test_one_shard_is_fit_with_validation():
    X, y = make_classes(n_seqs=60)
    options = {"early_stopping": True, "scoring": "accuracy"}
    estimator = RNNClassifier(**FEW, **options, class_weight="balanced")
    given = {"X_val": X[40:], "y_val": y[40:]}
    expected = estimator.fit(X[:40], y[:40], **given)
    assert_same_model(fit_shards(estimator, [(X[:40], y[:40])], **given), expected)
    assert len(expected.validation_scores_) == 3


def test_a_fit_goes_on_after_shards():
    X, y = make_classes()
    found = fit_shards(RNNClassifier(**FEW), [(X, y)]).partial_fit(X, y)
    assert_same_model(found, RNNClassifier(**FEW).fit(X, y).partial_fit(X, y))


# Many shards ------------------------------------------------------------------------


def make_shard(k, n_shards=3):
    """A shard as a worker loads it."""
    X, y = make_classes(("a", "b", "c"), n_seqs=60)
    return X[k::n_shards], y[k::n_shards]


LOADERS = [partial(make_shard, k) for k in range(3)]


def test_statistics_merge():
    X, y = make_targets(n_seqs=60)
    X = [x * 1e3 + 1e6 for x in X]
    whole = RNNRegressor(**FEW).fit(X, y)
    shards = [(X[:10], y[:10]), (X[10:11], y[10:11]), ([], []), (X[11:], y[11:])]
    found = fit_shards(RNNRegressor(**FEW), shards)
    for name in ("_input_mean", "_input_scale", "_target_mean", "_target_scale"):
        expected = whole._pack()[name]
        np.testing.assert_allclose(found._pack()[name], expected, rtol=1e-12)
    assert found.t_ == whole.t_


def test_moments_of_parts():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(30, 4)), rng.integers(0, 3, size=(30, 4)).astype(float)
    w[:10, 2] = w[:, 3] = 0  # nothing is known of one part, and of one column

    def moments(x, w):
        weight = w.sum(axis=0)
        n = np.maximum(weight, 1)
        mean = (w * x).sum(axis=0) / n
        return Moments(weight, mean, (w * (x - mean) ** 2).sum(axis=0) / n)

    parts = [moments(x[i], w[i]) for i in np.split(np.arange(30), [10, 11, 25])]
    for found, expected in zip(Moments.merged(parts), moments(x, w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    for found, own in zip(Moments.merged(parts[:1]), parts[0], strict=True):
        assert_same_bits(found, own)


def test_a_class_that_a_shard_lacks():
    X, y = make_classes(("a", "b", "c"), n_seqs=60)
    few = np.flatnonzero(y != "c")
    shards = [(X, y), ([X[i] for i in few[:6]], y[few[:6]]), (X[:1], y[:1])]
    found = fit_shards(RNNClassifier(**QUICK), shards)
    assert found.classes_.tolist() == ["a", "b", "c"]
    assert found.score(X, y) > 0.9


def test_shards_of_one_class_are_warned_of():
    X, y = make_classes(("a", "b"), n_seqs=60)
    order = np.argsort(y, kind="stable")
    halves = [([X[i] for i in rows], y[rows]) for rows in np.split(order, 2)]
    with pytest.warns(UserWarning, match="50 % of a shard would have to be"):
        fit_shards(RNNClassifier(**FEW), halves)


def test_words_of_shards_are_joined():
    X, y = words()
    found = fit_shards(RNNClassifier(**FEW), [(X[:20], y[:20]), (X[20:], y[20:])])
    assert found.categories_[0].tolist() == ["a", "b", "c", "d"]
    [vocabulary] = found._model.categories.vocabularies
    assert vocabulary.counts.sum() == sum(map(len, X))


def test_series_in_shards():
    X = series()
    shards = [([],), (X[:4],), lambda: (X[4:],)]
    found = fit_shards(SequenceForecaster(6, **FEW), shards)
    assert found.score(X) > 0.9
    first = SequenceForecaster(6, **FEW).fit(X[:4])
    assert_same_bits(found.linear_weights_, first.linear_weights_)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
@pytest.mark.filterwarnings("ignore:The shards hold different classes")
def test_two_shards_are_the_same_on_threads(name):
    estimator, make = PROBLEMS[name]
    parts = make()
    n = len(parts[0]) // 2 or 1
    shards = [
        tuple(part if part is None else part[rows] for part in parts)
        for rows in (slice(n), slice(n, None))
    ]
    expected = fit_shards(estimator, shards)
    with ThreadPoolExecutor(2) as threads:
        found = fit_shards(estimator, shards, threads)
    assert_same_model(found, expected)


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_threads_give_the_same_bits(rounds):
    estimator = RNNClassifier(**FEW)
    alone = fit_shards(estimator, LOADERS, rounds_per_epoch=rounds)
    assert alone.t_ == 3 * 60
    with ThreadPoolExecutor(2) as threads:
        found = fit_shards(estimator, LOADERS, threads, rounds_per_epoch=rounds)
    assert_same_model(found, alone)
    in_memory = [load() for load in LOADERS]
    assert_same_model(fit_shards(estimator, in_memory, rounds_per_epoch=rounds), alone)


def die_once(marker, k):
    """Kill the worker that loads this the third time: in the second round."""
    with open(marker, "a") as file:
        file.write(str(k))
    if k == 1 and marker.read_text().count("1") == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return make_shard(k)


def interrupt_once(marker, k):
    """Interrupt the driver and all workers in the third round, as Ctrl-C does."""
    with open(marker, "a") as file:
        file.write(str(k))
    if k == 1 and marker.read_text().count("1") == 4:
        os.killpg(0, signal.SIGINT)
        time.sleep(0.5)
    return make_shard(k)


def interrupt_all(estimator, make, marker):
    """Fit to shards on processes that are interrupted with this one.

    It leads a group of its own.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells may ignore it
    shards = [partial(interrupt_once, marker, k) for k in range(3)]
    constant = clone(estimator).set_params(learning_rate="constant")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fit_shards(constant, shards, partial(make, 2))
        two = clone(constant).set_params(max_iter=2)
        expected = fit_shards(two, LOADERS)
    assert "Training interrupted by user." in map(str, (c.message for c in caught))
    assert found.n_iter_ == 2
    assert_same_bits(found._model.theta, expected._model.theta)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@alone
def test_processes_give_the_same_bits():
    estimator = RNNClassifier(**FEW)
    expected = fit_shards(estimator, LOADERS)
    make = partial(ProcessPoolExecutor, mp_context=get_context("fork"))
    for n in (1, 2, 3):
        with make(n) as pool:
            assert_same_model(fit_shards(estimator, LOADERS, pool), expected)
    writer = LanguageModel(**WRITER, ngram_order=2)
    with make(2) as pool:
        found = fit_shards(writer, TEXT_LOADERS, pool)
    assert_same_model(found, fit_shards(writer, TEXT_LOADERS))
    with tempfile.TemporaryDirectory() as folder:
        interrupt_all(estimator, make, Path(folder, "c"))
        shards = [partial(die_once, Path(folder, "a"), k) for k in range(3)]
        assert_same_model(fit_shards(estimator, shards, partial(make, 2)), expected)
        assert Path(folder, "a").read_text().count("1") == 5  # one more than rounds
        shards = [partial(die_once, Path(folder, "b"), k) for k in range(3)]
        with (
            make(2) as pool,
            pytest.raises(RuntimeError, match="Pass a function that makes"),
        ):
            fit_shards(estimator, shards, pool)
        with (
            make(1) as pool,
            pytest.raises(TypeError, match=r"(?s)shards\[0\].*top level of a module"),
        ):
            fit_shards(estimator, [lambda: make_shard(0)], pool)


# Failures ----------------------------------------------------------------------------


class Loader:
    """Loads a shard, and does something else when it is called some time."""

    def __init__(self, at, action, k=1):
        self.at, self.action, self.k, self.n_calls = at, action, k, 0

    def __call__(self):
        self.n_calls += 1
        if self.n_calls == self.at:
            self.action()
        return make_shard(self.k)


def fail(kind, message):
    raise kind(message)


@pytest.mark.parametrize("executor", [None, partial(ThreadPoolExecutor, 2)])
def test_a_loader_that_fails(executor):
    estimator = RNNClassifier(**FEW)
    for kind, raised in ((ValueError, ValueError), (KeyError, RuntimeError)):
        for at in (1, 3):
            bad = Loader(at, partial(fail, kind, "no such day"))
            with pytest.raises(raised, match=r"shards\[1\].*no such day") as error:
                fit_shards(estimator, [LOADERS[0], bad, LOADERS[2]], executor)
            assert isinstance(error.value.__cause__, kind)
    assert not hasattr(estimator, "n_iter_")


def test_what_may_pass_is_tried_again():
    flaky = Loader(3, partial(fail, OSError, "timed out"))
    shards = [LOADERS[0], flaky, LOADERS[2]]
    found = fit_shards(RNNClassifier(**FEW), shards)
    assert_same_model(found, fit_shards(RNNClassifier(**FEW), LOADERS))
    flaky.n_calls = 0
    with pytest.raises(RuntimeError, match=r"shards\[1\]: OSError: timed out"):
        fit_shards(RNNClassifier(**FEW), shards, retries=0)


def test_a_bad_sequence_is_named():
    X, y = make_classes(n_seqs=20)
    X[7][0, 1] = np.nan
    message = r"(?s)shards\[1\]: Input X contains NaN.*X\[7\] has it at step 0"
    with pytest.raises(ValueError, match=message):
        fit_shards(RNNClassifier(**FEW), [make_classes(), (X, y)])


def refused():
    X, y = make_classes()
    wide = [np.ones((3, 5))] * 4, y[:4]
    classifier = RNNClassifier(**FEW)
    return {
        r"shards\[1\] has 5 features, but shards\[0\] has 2": (
            classifier,
            [(X, y), wide],
        ),
        "strings in some shards": (classifier, [(X, y), (X, np.arange(40) % 2)]),
        "No shard has any": (classifier, [([], []), lambda: ([], [])]),
        "shards is empty": (classifier, []),
        "needs all data": (RNNClassifier(solver="lbfgs"), [(X, y)]),
        "early_stopping=True needs X_val": (
            RNNClassifier(early_stopping=True),
            [(X, y)],
        ),
        r"shards\[0\]: .*requires y": (classifier, [(X,)]),
        r"shards\[0\]: a shard of a forecaster": (SequenceForecaster(), [(X, y)]),
        r"y of shards\[1\] has the shape": (
            RNNRegressor(**FEW),
            [(X, np.zeros(40)), (X, np.zeros((40, 2)))],
        ),
    }


REFUSED = refused()


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused(message):
    with pytest.raises(ValueError, match=message):
        fit_shards(*REFUSED[message])


def test_other_kinds_are_refused():
    shard = make_classes()
    with pytest.raises(TypeError, match="fit_shards takes RNNClassifier"):
        fit_shards(SequenceTranslator(), [shard])
    with pytest.raises(TypeError, match="one detector to the series of each shard"):
        fit_shards(SeriesOutlierDetector(), [shard])
    with pytest.raises(TypeError, match=r"the class RNN.* object of it: RNNClassif"):
        fit_shards(RNNClassifier, [shard])
    with pytest.raises(TypeError, match=r"shards\[0\] must be a tuple"):
        fit_shards(RNNClassifier(), [list(shard)])
    with pytest.raises(TypeError, match=r"shards\[0\]: what the function returns"):
        fit_shards(RNNClassifier(), [lambda: shard[0]])
    with pytest.raises(TypeError, match="shards must be a list"):
        fit_shards(RNNClassifier(), make_shard)
    with pytest.raises(TypeError, match="executor must have a method submit"):
        fit_shards(RNNClassifier(), [shard], 2)
    with pytest.raises(ValueError, match="rounds_per_epoch must be an int"):
        fit_shards(RNNClassifier(), [shard], rounds_per_epoch=0)


@pytest.mark.parametrize("executor", [None, partial(ThreadPoolExecutor, 1)])
def test_ctrl_c_keeps_the_last_whole_round(executor):
    constant = {**FEW, "learning_rate": "constant"}
    action = partial(fail, KeyboardInterrupt, "") if executor is None else interrupt
    shards = [LOADERS[0], Loader(4, action), LOADERS[2]]
    # A shell ignores interrupts in what it runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="interrupted by user"):
            found = fit_shards(RNNClassifier(**constant), shards, executor)
    finally:
        signal.signal(signal.SIGINT, before)
    assert found.n_iter_ == len(found.loss_curve_) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two epochs are few
        constant["max_iter"] = 2
        expected = fit_shards(RNNClassifier(**constant), LOADERS)
    assert_same_bits(found._model.theta, expected._model.theta)
    assert found._pack()["t_"] == expected.t_
    assert str(found._training) == str(expected._training).replace(
        "'max_iter'", "'interrupted'"
    )


def interrupt():
    _thread.interrupt_main()
    time.sleep(0.2)


# Language models ----------------------------------------------------------------------


def load_texts(k, n_shards=3):
    X, _, weight = texts(60)
    return X[k::n_shards], None, weight[k::n_shards]


TEXT_LOADERS = [partial(load_texts, k) for k in range(3)]


@pytest.mark.parametrize("rounds", [1, 3])
def test_texts_in_shards(rounds):
    estimator = LanguageModel(**WRITER, ngram_order=3)
    shards = [*TEXT_LOADERS, lambda: ([],), lambda: (["", ""], None, [1, 0])]
    found = fit_shards(estimator, shards, rounds_per_epoch=rounds)
    with ThreadPoolExecutor(2) as threads:
        again = fit_shards(estimator, shards, threads, rounds_per_epoch=rounds)
    assert_same_model(again, found)
    in_memory = [shard() for shard in shards]
    again = fit_shards(estimator, in_memory, rounds_per_epoch=rounds)
    assert_same_model(again, found)
    X, _, weight = texts(60)
    whole = estimator.fit(X, None, weight)
    assert found.tokens_.tolist() == whole.tokens_.tolist()
    counts = found._model.vocabulary.counts
    assert np.array_equal(counts, whole._model.vocabulary.counts)
    ngrams = found._model.mixture.ngrams
    # The empty text of the last shard is one more begin and end.
    assert ngrams.counts.sum() == whole._model.mixture.ngrams.counts.sum() + 1
    assert abs(found.score(X) - whole.score(X)) < 0.2


def test_texts_with_validation():
    X, _, weight = texts(60)
    estimator = LanguageModel(**WRITER, early_stopping=True, ngram_order=3)
    found = fit_shards(estimator, [(X[:40], None, weight[:40])], X_val=X[40:])
    assert_same_model(found, estimator.fit(X[:40], None, weight[:40], X_val=X[40:]))
    with pytest.raises(ValueError, match="y_val and sample_weight_val are not for"):
        fit_shards(estimator, [(X,)], X_val=X, y_val=X)
    with pytest.raises(ValueError, match="X_val is given, but early_stopping is False"):
        fit_shards(LanguageModel(), [(X,)], X_val=X)


def test_texts_that_cannot_be_are_refused():
    model = LanguageModel(**WRITER)
    with pytest.raises(ValueError, match=r"shards\[1\] holds lists of tokens, and sha"):
        fit_shards(model, [(["ab"],), ([["a", "b"]],)])
    with pytest.raises(ValueError, match="No shard has any texts"):
        fit_shards(model, [([],)])
    with pytest.raises(TypeError, match=r"shards\[1\]: X\[1\] is None"):
        fit_shards(model, [(["ab"],), (["ab", None],)])
    with pytest.raises(ValueError, match="all of one form|All texts of X are empty"):
        fit_shards(model, [([""],)])


def test_labels_of_shards_are_joined():
    X, y = transcribed()
    y = [*y[:-1], ["left"]]
    found = fit_shards(SequenceTranscriber(**FEW), [(X[:9], y[:9]), (X[9:], y[9:])])
    assert found.classes_.tolist() == ["down", "left", "up"]
    whole = SequenceTranscriber(**FEW).fit(X, y)
    assert found.segment_length_ == whole.segment_length_
    with pytest.raises(ValueError, match="y has the form 'sequence' in one shard"):
        fit_shards(found, [(X, y), (X, ["ab"] * len(X))])
