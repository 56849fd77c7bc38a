"""SequenceTranscriber: labels in order, by sums over all alignments."""

import io
import itertools
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline

import skrnn
from cases import ISAS, assert_same_bits, instruction_set
from fitted import set_theta, theta_of
from forms import objects
from gradcheck import numerical_gradient
from ids import plain
from skrnn import SequenceTranscriber
from skrnn.export import load, save
from skrnn.inputs.packed import StepEncoder
from skrnn.inputs.sequences import check_sequences
from skrnn.metrics import edit_distance, label_error_rate
from skrnn.network import Network, PassOptions
from skrnn.network.inputs import NumbersInput
from skrnn.network.parts import Pass
from skrnn.preprocessing import SequenceScaler
from skrnn.training import LabelData

QUICK = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}
SHAPES = {"a": [1, 2, 1], "b": [-1, -1], "c": [0, 2, -2, 0]}


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem(n_seqs=24, seed=0, longest=4):
    """Signals that are written letter by letter, and what they say."""
    rng = np.random.default_rng(seed)
    y = ["".join(rng.choice(list("abc"), n)) for n in rng.integers(1, longest, n_seqs)]
    X = [np.concatenate([[0, *SHAPES[k]] for k in text] + [[0]]) for text in y]
    return [x[:, np.newaxis] + 0.1 * rng.normal(size=(len(x), 1)) for x in X], y


def drawn(estimator, seed=0, by=1.0):
    """The same estimator with weights that are larger than a short fit leaves."""
    theta = theta_of(estimator)
    more = by * np.random.default_rng(seed).normal(size=theta.shape)
    return set_theta(estimator, (theta + more).astype(theta.dtype))


def some_fit(**options):
    X, y = problem()
    return drawn(SequenceTranscriber(**QUICK | options).fit(X, y)), X, y


def read(path):
    return tuple(k for k, _ in itertools.groupby(path) if k != 0)


def labellings(log_p):
    """The probability of each label sequence, and its best path, over all paths."""
    proba, best = {}, {}
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        score = log_p[np.arange(len(log_p)), path].sum()
        labels = read(path)
        proba[labels] = proba.get(labels, 0.0) + np.exp(score)
        if labels not in best or score > best[labels][0]:
            best[labels] = score, path
    return proba, best


# What is computed ---------------------------------------------------------------------


def test_against_all_paths():
    model, _, _ = some_fit(dtype="float64")
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(n, 1)) for n in (1, 2, 3, 4, 5)]
    log_p = model.label_log_proba(X)
    hypotheses, scores = model.n_best(X, 1000)
    for i, x in enumerate(X):
        assert log_p[i].shape == (len(x), 4)
        proba, best = labellings(log_p[i])
        texts = ["".join("abc"[k - 1] for k in labels) for labels in proba]
        found = np.exp(model.score_samples([x] * len(texts), texts))
        assert_allclose(found, list(proba.values()), rtol=1e-12)
        assert found.sum() == pytest.approx(1, abs=1e-13)
        # Wide enough, the search finds all, in the order of their probability.
        assert len(hypotheses[i]) == len(texts)
        assert set(hypotheses[i]) == set(texts)
        assert (np.diff(scores[i]) <= 0).all()
        again = model.score_samples([x] * len(texts), hypotheses[i])
        assert_same_bits(scores[i], again)
        top = max(proba, key=proba.get)
        assert hypotheses[i][0] == "".join("abc"[k - 1] for k in top)
        assert model.set_params(beam_width=100).predict([x])[0] == hypotheses[i][0]
        model.set_params(beam_width=1)
        greedy = read(log_p[i].argmax(axis=1))
        assert model.predict([x])[0] == "".join("abc"[k - 1] for k in greedy)
        for (labels, (_, path)), text in zip(best.items(), texts, strict=True):
            assert_alignment(model.align([x], [text])[0], labels, path)


def assert_alignment(spans, labels, path):
    expected, previous = [], 0
    for t, symbol in enumerate(path):
        if symbol and symbol != previous:
            expected.append([t, t + 1])
        elif symbol:
            expected[-1][1] = t + 1
        previous = symbol
    assert spans.tolist() == expected
    assert len(spans) == len(labels)


def test_gradient_through_the_network():
    X, y = problem(6)
    y[2] = ""
    model = SequenceTranscriber(
        3, dtype="float64", max_iter=1, random_state=0, segment_length=2
    ).fit(X, y)
    fitted = model._model
    target, loss = fitted.target, fitted.target.loss()
    network = Network(fitted.spec, loss)
    theta = drawn(model, by=0.3)._model.theta.copy()
    sequences = model._check_sequences(X)
    codes = target.encode(target.check(y))
    data = LabelData(sequences, fitted.encoder, codes, np.arange(1.0, 7.0), n_symbols=4)
    batch, targets, weight = data.batch(np.arange(6), theta.dtype)

    def value(grad=None):
        network.load(theta)
        return network.add_gradient(
            loss,
            batch,
            targets,
            weight,
            np.zeros_like(theta) if grad is None else grad,
            random_state=None,
            n_threads=1,
        )

    grad = np.zeros_like(theta)
    value(grad)
    assert_allclose(grad, numerical_gradient(value, theta), rtol=1e-5, atol=1e-8)
    each = -model.score_samples(X, y)
    set_theta(model, theta)
    each = -model.score_samples(X, y)
    mean = np.average(each, weights=np.arange(1.0, 7.0))
    assert value() == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("options", [{}, {"standardize": "sequence"}], ids=str)
def test_it_learns(options):
    X, y = problem(120)
    test = problem(40, seed=9)
    model = SequenceTranscriber(16, max_iter=40, random_state=0, **options).fit(X, y)
    assert model.score(*test) > 0.95
    predicted = model.predict(test[0])
    assert model.score(*test) == 1 - label_error_rate(test[1], predicted)
    for x, text, spans in zip(*test, model.align(*test), strict=True):
        ends = np.cumsum([1 + len(SHAPES[k]) for k in text])
        starts = ends - [1 + len(SHAPES[k]) for k in text]
        middle = spans.mean(axis=1)
        assert ((middle > starts - 1) & (middle < ends + 2)).all()
        assert spans.max() <= len(x)


def test_longer_segments():
    model, X, y = some_fit(segment_length=3)
    proba = model.label_log_proba(X)
    assert [len(p) for p in proba] == [-(-len(x) // 3) for x in X]
    for spans, x in zip(model.align(X, y), X, strict=True):
        assert (spans[:, 0] % 3 == 0).all()
        assert all(stop % 3 == 0 or stop == len(x) for stop in spans[:, 1])


def test_segments_are_chosen_so_that_all_labels_fit():
    X = [np.zeros((n, 1)) for n in (90, 100, 110)]
    y = ["ab", "ba", "aba"]
    k = SequenceTranscriber(**QUICK).fit(X, y).segment_length_
    assert k > 1
    for text in ("abababab" * 4, "aaaaaaaa" * 2):  # 32 segments, 31 segments
        model = SequenceTranscriber(**QUICK).fit([*X, X[0]], [*y, text])
        assert 1 <= model.segment_length_ <= 2 < k + 1
        assert np.isfinite(model.score_samples([X[0]], [text])[0])
    one = SequenceTranscriber(**QUICK).fit(X[:2], ["a", "b"])
    assert one.segment_length_ <= 16


def test_each_sequence_has_its_own_mean():
    X, y = problem()
    model = SequenceTranscriber(standardize="sequence", **QUICK).fit(X, y)
    moved = [x + i for i, x in enumerate(X)]
    for a, b in zip(
        model.label_log_proba(X), model.label_log_proba(moved), strict=True
    ):
        assert_allclose(a, b, atol=1e-5)
    with pytest.raises(ValueError, match="standardize='sequence'"):
        model.set_params(bidirectional=False).fit(X, y).stream()
    steps = SequenceTranscriber(**QUICK).fit(X, y)
    same = SequenceTranscriber(standardize=True, **QUICK).fit(X, y)
    assert_same_bits(theta_of(steps), theta_of(same))


AUGMENTED = {"input_noise": 0.3, "time_masks": 2, "feature_masks": 1}


def test_noise_and_masks():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 8)) + 5 for n in rng.integers(30, 40, size=20)]
    y = ["ab"] * 20
    plain = SequenceTranscriber(**QUICK).fit(X, y)
    thetas = [theta_of(plain)]
    for name, value in AUGMENTED.items():
        model = SequenceTranscriber(**QUICK, **{name: value}).fit(X, y)
        again = SequenceTranscriber(**QUICK, **{name: value}).fit(X, y)
        assert_same_bits(theta_of(model), theta_of(again))
        assert not any(np.array_equal(theta_of(model), theta) for theta in thetas)
        thetas.append(theta_of(model))
        # Predictions and validation see the sequences as they are.
        assert_same_bits(
            model.score_samples(X[:3], y[:3]), model.score_samples(X, y)[:3]
        )
    with pytest.raises(ValueError, match="input_noise, .* are for features of numbers"):
        SequenceTranscriber(**QUICK, time_masks=1).fit(["abc", "ab"], ["a", "b"])


@pytest.mark.parametrize("missing", ["error", "indicator"])
def test_what_noise_and_masks_do(missing):
    X = [np.ones((n, 8)) for n in (40, 40, 21, 1)]
    encoder = StepEncoder(8, segment_length=2, missing=missing)
    batch = check_sequences(X).pack(None, encoder, np.float64)
    n_channels, kept = encoder.n_in // 2, batch.x.copy()

    def read(seed=0, **options):
        part = NumbersInput()
        options |= {"n_channels": n_channels, "n_features": 8}
        part.build(np.dtype(np.float64), PassOptions(**options))
        run = Pass(batch, True, np.random.RandomState(seed))
        found = part.forward(run)
        assert np.array_equal(batch.x, kept)
        return [found[batch.offset[:n] + b] for b, n in enumerate(batch.lengths)]

    hidden_steps, hidden_features = set(), set()
    for seed in range(30):
        for x in read(seed, time_masks=1):
            assert ((x == 0).all(axis=1) | (x == 1).all(axis=1)).all()
            hidden_steps.add((len(x), int((x == 0).all(axis=1).sum())))
        for x in read(seed, feature_masks=1):
            # The same features in both halves of a segment, and what is known of them.
            parts = x.reshape(len(x), 2, -1, 8)
            assert (parts == parts[:1, :1, :1]).all()
            hidden_features.add(int((parts[0, 0, 0] == 0).sum()))
    assert {(20, 0), (20, 1), (20, 2), (11, 1), (1, 1)} <= hidden_steps
    assert hidden_steps <= {(n, m) for n in (20, 11, 1) for m in range(n // 10 + 2)}
    assert hidden_features == {0, 1, 2}
    noise = np.concatenate(read(input_noise=0.5)) - 1
    assert abs(noise.mean()) < 0.05 and 0.45 < noise.std() < 0.55


# The same bits ------------------------------------------------------------------------


@pytest.mark.parametrize("isa", ISAS)
def test_the_same_bits(isa):
    X, y = problem()
    options = QUICK | {"standardize": "sequence", "segment_length": 2}
    model = SequenceTranscriber(**options).fit(X, y)
    expected = everything(drawn(model, by=0.5), X, y)
    with instruction_set(isa):
        other = SequenceTranscriber(**options, n_jobs=2).fit(X, y)
        assert_same_bits(theta_of(drawn(other, by=0.5)), theta_of(model))
        order = np.random.default_rng(0).permutation(len(X))
        for cut in (1, 5, len(X)):
            found = []
            for start in range(0, len(X), cut):
                part = order[start : start + cut]
                found += everything(other, [X[i] for i in part], [y[i] for i in part])
            for i, own in zip(order, found, strict=True):
                for a, b in zip(own, expected[i], strict=True):
                    assert np.array_equal(a, b)


def everything(model, X, y):
    """What is said of each sequence."""
    model.set_params(beam_width=1)
    greedy = model.predict(X)
    model.set_params(beam_width=4)
    texts, scores = model.n_best(X, 3)
    return list(
        zip(
            map(str, greedy),
            map(str, model.predict(X)),
            [item.astype(str) for item in texts],
            scores,
            model.align(X, y),
            model.label_log_proba(X),
            model.score_samples(X, y),
            strict=True,
        )
    )


# Streams ------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_streams(k, cell):
    X, y = problem(60)
    y = [text[: 1 + len(text) // k] for text in y]
    model = SequenceTranscriber(
        12,
        cell=cell,
        bidirectional=False,
        segment_length=k,
        max_iter=99,
        random_state=0,
    ).fit(X, y)
    x = np.concatenate(X)[:60]
    whole = model.predict([x[: n + 1] for n in range(len(x))])
    assert len(whole[-1]) > 2
    for cut in range(1, k + 3):
        stream, certain = model.stream(), []
        for start in range(0, len(x), cut):
            certain += stream.step(x[start : start + cut])
            stop = min(start + cut, len(x))
            assert stream.labels == whole[stop - 1]
            full = stop - stop % k
            assert certain == list(whole[full - 1] if full else "")
    kept = stream.state
    assert stream.reset().labels == ""
    other = model.stream()
    other.state = pickle.loads(pickle.dumps(kept))
    assert other.labels == whole[-1]
    with pytest.raises(ValueError, match="NaN"):
        other.step([[0.0], [np.nan]])
    assert other.labels == whole[-1]
    with pytest.raises(ValueError, match="not one of"):
        other.state = {"a": 1}


def test_streams_side_by_side():
    X, y = problem()
    model = SequenceTranscriber(bidirectional=False, **QUICK).fit(X, y)
    drawn(model, by=0.5)
    x = np.stack([np.concatenate(X)[i : i + 20] for i in (0, 5, 9)])
    stream = model.stream(3)
    for t in range(12):
        stream.step(x[:, t])
    stream.reset([1])
    for t in range(12, 20):
        found = stream.step(x[:, t])
    assert len(found) == 3
    expected = [model.predict([each])[0] for each in (x[0], x[1, 12:], x[2])]
    assert stream.labels.tolist() == expected
    proba = model.stream(3, method="label_log_proba")
    for t in range(20):
        newest = proba.step(x[:, t])
    for b in range(3):
        assert_same_bits(newest[b], model.label_log_proba([x[b]])[0][-1])


def test_streams_of_pipelines():
    X, y = problem()
    model = SequenceTranscriber(bidirectional=False, standardize=False, **QUICK)
    pipeline = make_pipeline(SequenceScaler(), model).fit(X, y)
    drawn(pipeline[-1], by=0.5)
    stream = skrnn.stream(pipeline)
    for step in X[0]:
        stream.step(step)
    assert stream.labels == pipeline.predict(X[:1])[0]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"bidirectional": True}, "bidirectional"),
        ({"beam_width": 2}, "beam_width"),
        ({"single": True}, "exactly one label"),
    ],
    ids=str,
)
def test_what_cannot_follow_a_stream(options, message):
    X, y = problem()
    if options.pop("single", False):
        y = np.array([len(text) for text in y])
    options = {"bidirectional": False, **options}
    model = SequenceTranscriber(**QUICK, **options).fit(X, y)
    with pytest.raises(ValueError, match=message):
        model.stream()


# Forms --------------------------------------------------------------------------------

LABELS = {
    "str": dict(zip("abc", ["x", "yy", "z"], strict=True)),
    "int": dict(zip("abc", [7, 3, 12], strict=True)),
    "tuple": dict(zip("abc", [("x", 1), ("y", 0), ("z", 2)], strict=True)),
    "bool": {"a": True, "b": False, "c": True},
}
FORMS = {
    "lists": lambda y: [list(item) for item in y],
    "tuples": lambda y: [tuple(item) for item in y],
    "tuple of lists": lambda y: tuple(list(item) for item in y),
    "objects": lambda y: objects([list(item) for item in y]),
    "series": lambda y: pd.Series([list(item) for item in y]),
    "a table": lambda y: pd.DataFrame({"y": [list(item) for item in y]}),
    "arrays": lambda y: [objects(item) for item in y],
    "objects of arrays": lambda y: objects([objects(item) for item in y]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("kind", LABELS)
def test_forms_of_labels(form, equal, kind):
    X, y = problem()
    if equal:
        y = [(text * 3)[:2] for text in y]
    names = LABELS[kind]
    labels = [[names[k] for k in text] for text in y]
    codes = {names[k]: i for i, k in enumerate("abc")}
    expected = SequenceTranscriber(**QUICK).fit(X, labels)
    model = SequenceTranscriber(**QUICK).fit(X, FORMS[form](labels))
    assert_same_bits(theta_of(model), theta_of(expected))
    predicted = drawn(model).predict(X)
    assert predicted.shape == (len(X),) and predicted.dtype == object
    assert all(type(item) is list for item in predicted)
    kinds = {type(label) for item in predicted for label in item}
    assert kinds == {type(names["a"])}
    assert all(label in codes for item in predicted for label in item)
    assert model.classes_.tolist() == sorted(set(names.values()))


@pytest.mark.parametrize(
    "form",
    [list, np.array, objects, pd.Series, lambda y: pd.Series(y).to_frame()],
    ids=["list", "array", "objects", "series", "table"],
)
def test_forms_of_texts(form):
    X, y = problem()
    expected = SequenceTranscriber(**QUICK).fit(X, [list(text) for text in y])
    model = SequenceTranscriber(**QUICK).fit(X, form(y))
    assert_same_bits(theta_of(model), theta_of(expected))
    predicted, lists = drawn(model).predict(X), drawn(expected).predict(X)
    assert [type(text) for text in predicted] == [str] * len(X)
    assert predicted.tolist() == ["".join(own) for own in lists]
    assert model.score(X, y) == expected.score(X, y)
    assert_same_bits(model.score_samples(X, y), expected.score_samples(X, y))


def test_forms_of_polars():
    polars = pytest.importorskip("polars")
    X, y = problem()
    for given, items in (
        (polars.Series(y), y),
        (polars.Series([list(text) for text in y]), [list(text) for text in y]),
        (polars.Series([[len(text)] * 2 for text in y]), [[len(t)] * 2 for t in y]),
    ):
        expected = SequenceTranscriber(**QUICK).fit(X, items)
        model = SequenceTranscriber(**QUICK).fit(X, given)
        assert_same_bits(theta_of(model), theta_of(expected))


def test_words():
    X, y = problem()
    texts = [" ".join({"a": "one", "b": "two", "c": "three"}[k] for k in t) for t in y]
    model = SequenceTranscriber(target_unit="word", **QUICK).fit(X, texts)
    assert model.classes_.tolist() == ["one", "three", "two"]
    predicted = drawn(model).predict(X)
    assert {word for text in predicted for word in text.split()} <= {*model.classes_}
    spaced = model.score_samples(X[:1], ["  " + texts[0].replace(" ", " \n ")])
    assert_same_bits(spaced, model.score_samples(X[:1], texts[:1]))
    with pytest.raises(ValueError, match="target_unit cannot change"):
        model.set_params(warm_start=True, target_unit="character").fit(X, texts)


def test_matrices_of_numbers():
    X, y = problem()
    numbers = np.array([["abc".index(k) for k in (text * 2)[:2]] for text in y])
    expected = SequenceTranscriber(**QUICK).fit(X, numbers.tolist())
    model = SequenceTranscriber(**QUICK).fit(X, numbers)
    assert_same_bits(theta_of(model), theta_of(expected))
    assert all(type(k) is int for own in drawn(model).predict(X) for k in own)


def test_one_label_for_each_sequence():
    X, y = problem()
    labels = np.array([len(text) for text in y])
    model = SequenceTranscriber(**QUICK).fit(X, labels)
    predicted = drawn(model).predict(X)
    assert predicted.dtype == labels.dtype and predicted.shape == labels.shape
    scores = [
        model.score_samples(X, np.full(len(X), label)) for label in model.classes_
    ]
    assert predicted.tolist() == model.classes_[np.argmax(scores, axis=0)].tolist()
    assert model.score(X, labels) == pytest.approx(np.mean(predicted == labels))
    best, found = model.n_best(X, 2)
    assert [own[0] for own in best] == predicted.tolist()
    assert_same_bits(np.array([s[0] for s in found]), np.max(scores, axis=0))
    column = SequenceTranscriber(**QUICK)
    with pytest.warns(UserWarning, match="column"):
        column.fit(X, labels[:, np.newaxis])
    assert column.predict(X).shape == (len(X),)


def test_kinds_of_labels_stay_apart():
    X, _ = problem(6)
    y = [[1, True], [1.0], ["1", 1], [True, 1.0], [(1,)], []]
    model = SequenceTranscriber(**QUICK).fit(X, y)
    assert len(model.classes_) == 5
    kinds = [type(label) for label in model.classes_]
    assert kinds == [int, bool, float, str, tuple]  # as first seen
    numbers = SequenceTranscriber(**QUICK).fit(X, [[2.5, 1], [1.0], [True]] * 2)
    assert [type(k) for k in numbers.classes_] == [int, float, bool, float]


@pytest.mark.parametrize("form", ["lists", "objects", "series", "texts", "labels"])
@pytest.mark.parametrize("equal", [False, True])
def test_tools(form, equal):
    X, y = problem()
    if equal:
        y = [(text * 2)[:2] for text in y]
        X = [np.resize(x, (8, 1)) for x in X]
    if form == "labels":
        y = [len(text) for text in y]
    elif form != "texts":
        y = FORMS[form]([list(text) for text in y])
    estimator = SequenceTranscriber(**QUICK | {"max_iter": 1})
    groups = np.arange(len(X)) % 4
    assert np.isfinite(cross_val_score(estimator, X, y, cv=2)).all()
    cross_validate(estimator, X, y, cv=TimeSeriesSplit(2))
    cross_val_score(estimator, X, y, groups=groups, cv=GroupKFold(2))
    search = GridSearchCV(estimator, {"beam_width": [1, 2]}, cv=2).fit(X, y)
    assert len(search.predict(X)) == len(X)
    learning_curve(estimator, X, y, cv=2, train_sizes=[0.5, 1.0])
    permutation_test_score(estimator, X, y, cv=2, n_permutations=1)
    train_test_split(X, y)
    predicted = cross_val_predict(estimator, X, y, cv=KFold(2))
    assert predicted.shape == (len(X),)
    if form not in ("texts", "labels"):
        assert all(type(own) is list for own in predicted)
    if form == "texts":
        cross_val_score(estimator, X, y, cv=KFold(2), scoring="accuracy")
    make_pipeline(SequenceScaler(), estimator).fit(X, y).score(X, y)


# Weights, keeping, going on, refusing -------------------------------------------------


def test_a_weight_of_two_is_the_sequence_twice():
    X, y = problem()
    options = {
        **QUICK, "dropout": 0, "recurrent_dropout": 0, "batch_size": 999,
        "dtype": "float64", "alpha": 0.0, "segment_length": 1,
    }  # fmt: skip
    weight = np.arange(len(X)) % 3
    twice = [i for i, w in enumerate(weight) for _ in range(w)]
    a = SequenceTranscriber(**options).fit(X, y, sample_weight=weight)
    b = SequenceTranscriber(**options).fit([X[i] for i in twice], [y[i] for i in twice])
    assert_allclose(theta_of(a), theta_of(b), rtol=1e-6, atol=1e-8)
    drawn(a)
    score = a.score(X, y, sample_weight=weight)
    again = a.score([X[i] for i in twice], [y[i] for i in twice])
    assert score == pytest.approx(again, abs=1e-12)


def test_files_pickles_and_going_on():
    X, y = problem()
    for labels in (
        y,
        [[("k", ord(k)) for k in text] for text in y],
        [len(text) for text in y],
        [[1, 1.5, True, "z"][: 1 + len(text)] for text in y],
    ):
        model = SequenceTranscriber(standardize="sequence", **QUICK).fit(X, labels)
        file = io.BytesIO()
        save(model, file)
        file.seek(0)
        loaded, pickled = load(file), pickle.loads(pickle.dumps(model))
        for other in (loaded, pickled):
            assert other.predict(X).tolist() == model.predict(X).tolist()
            kinds = [type(label) for label in other.classes_.tolist()]
            assert kinds == [type(label) for label in model.classes_.tolist()]
        assert_same_bits(
            theta_of(loaded.partial_fit(X, labels)),
            theta_of(pickled.partial_fit(X, labels)),
        )
    model.set_params(warm_start=True).fit(X, labels)
    model.set_params(early_stopping=True)
    model.fit(X, labels, X_val=X[:5], y_val=labels[:5])
    assert len(model.validation_scores_) == model.n_iter_
    model.set_params(scoring=None).fit(X, labels)
    assert 0 <= model.best_validation_score_ <= 1


def test_partial_fit():
    X, y = problem()
    model = SequenceTranscriber(**QUICK)
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, y)
    model.partial_fit(X, y, classes="abcd")
    assert model.classes_.tolist() == list("abcd")
    model.partial_fit(X, y, classes=list("dcba")).partial_fit(X[:3], ["d", "a", ""])
    with pytest.raises(ValueError, match="is not the same as on last call"):
        model.partial_fit(X, y, classes="abc")
    with pytest.raises(ValueError, match=r"y\[1\] has the label 'e', .* 4 labels"):
        model.partial_fit(X[:2], ["ab", "ae"])
    assert model.t_ == 2 * len(X) + 3


def test_labels_that_were_not_learned():
    model, X, y = some_fit()
    assert model.score_samples(X[:2], ["ax", "a"])[0] == -np.inf
    assert model.score_samples(X[:1], ["abc" * 30])[0] == -np.inf
    predicted = model.predict(X[:1])[0]
    score = model.score(X[:1], ["xyz"])
    assert score == 1 - edit_distance("xyz", predicted) / 3
    with pytest.raises(ValueError, match=r"y\[0\] has a label .* at place 1"):
        model.align(X[:1], ["ax"])
    with pytest.raises(ValueError, match=r"y\[1\] has more labels than X\[1\]"):
        model.align(X[:2], ["a", "abc" * 30])


def test_empty_targets():
    X, y = problem()
    y[3] = y[5] = ""
    model = SequenceTranscriber(**QUICK).fit(X, y)
    expected = [p[:, 0].sum() for p in model.label_log_proba(X)]
    assert_allclose(model.score_samples(X, [""] * len(X)), expected, rtol=1e-10)
    assert model.align(X[:1], [""])[0].shape == (0, 2)
    own = model.score_samples(X, model.predict(X))
    assert_same_bits(model.score_samples(X), own)
    silent = SequenceTranscriber(max_iter=60, random_state=0).fit(X, ["a"] + [""] * 23)
    assert silent.score(X[1:], [""] * 23) == 1.0


REFUSED = [
    ({"y": None}, "requires y"),
    ({"y": "text"}, "y is one str"),
    ({"y": {1: 2}}, "A list with the labels of each sequence"),
    ({"at": {3: None}}, r"y\[3\] is None, which means missing"),
    ({"at": {3: ["a", "b"]}}, r"y\[0\] is a text, and y\[3\] is \['a'"),
    ({"at": {3: 5}}, r"y\[0\] is a text, and y\[3\] is 5"),
    ({"lists": {2: ["a", None]}}, r"y\[2\]\[1\] is None, which is no label"),
    ({"lists": {2: ["a", np.nan]}}, r"Input y contains NaN.\ny\[2\]\[1\]"),
    ({"lists": {2: ["a", ["b"]]}}, r"y\[2\]\[1\] is \['b'\], which is no label"),
    ({"lists": {2: ["a", b"b"]}}, r"y\[2\]\[1\] is b'b', which is no label"),
    ({"lists": {2: (k for k in "ab")}}, r"y\[2\] is <generator"),
    ({"lists": {2: np.zeros((2, 2))}}, r"y\[2\] has the shape \(2, 2\)"),
    ({"y": np.zeros((24, 2, 2))}, r"y has the shape \(24, 2, 2\)"),
    ({"y": [[]] * 24}, "no label at all"),
    ({"y": ["a"] * 23}, "inconsistent numbers of samples"),
    ({"y": pd.DataFrame({"a": [1], "b": [2]})}, "DataFrame of 2 columns"),
    (
        {"at": {3: "ab" * 40}},
        r"y\[3\] has 80 labels and needs 80 steps, but X\[3\] has",
    ),
    (
        {"at": {3: "aabbb"}, "segment_length": 3, "steps": {3: 10}},
        r"y\[3\] has 5 labels, 3 of them repeats, and needs 8 segments, but X\[3\] has "
        r"4 \(10 steps by segment_length=3\). Use segment_length=1, or leave it out.",
    ),
    (
        {"at": {3: "aabbb"}, "segment_length": 3, "steps": {3: 7}},
        "Leave it out, or give it more steps",
    ),
    ({"steps": {4: 0}}, r"X\[4\]"),
    ({"nan": True}, "contains NaN"),
    ({"weight": -1.0}, "Negative values"),
    ({"beam_width": 0}, "beam_width"),
    ({"target_unit": "syllable"}, "target_unit"),
    ({"standardize": "mean"}, "standardize"),
]


@pytest.mark.parametrize("change, message", REFUSED, ids=plain)
def test_what_is_refused(change, message):
    X, y = problem()
    change = dict(change)
    y = change.pop("y", y)
    for i, item in change.pop("at", {}).items():
        y[i] = item
    lists = change.pop("lists", {})
    if lists:
        y = [list(text) for text in y]
    for i, item in lists.items():
        y[i] = item
    for i, n_steps in change.pop("steps", {}).items():
        X[i] = np.resize(X[i], (n_steps, 1))
    if change.pop("nan", False):
        X[2][1] = np.nan
    weight = np.full(24, change.pop("weight", 1.0))
    model = SequenceTranscriber(**QUICK, **change)
    before = vars(model).copy()
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(X, y, sample_weight=weight)
    assert vars(model) == before


def test_what_is_refused_in_validation_and_later():
    X, y = problem()
    model = SequenceTranscriber(early_stopping=True, **QUICK)
    with pytest.raises(ValueError, match=r"y_val\[1\] has 90 labels .* X_val\[1\]"):
        model.fit(X, y, X_val=X[:2], y_val=["a", "abc" * 30])
    model.fit(X, y)
    with pytest.raises(ValueError, match="n must be"):
        model.n_best(X, 0)
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(X, y[:3])
    with pytest.raises(ValueError, match="features"):
        model.predict([np.zeros((4, 2))])


def test_tokens_can_be_transcribed():
    words = ["night", "knee", "gnat", "tea", "eat"] * 4
    sounds = [list("nyt"), list("ni"), list("nat"), list("ti"), list("it")] * 4
    model = SequenceTranscriber(16, max_iter=60, random_state=0).fit(words, sounds)
    assert model.score(words, sounds) > 0.9
    assert model.segment_length_ == 1
