"""SequenceTagger and StepRegressor: an answer for each step."""

import io
import itertools
import pickle
import warnings
from copy import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
)

from cases import ISAS, assert_same_bits, instruction_set
from fitted import set_theta, theta_of
from gradcheck import numerical_gradient
from skrnn import SequenceTagger, StepRegressor
from skrnn.export import load, save, to_torch
from skrnn.metrics import chunk_f1_score
from skrnn.network import Network
from skrnn.training import StepData

QUICK = {"hidden_layer_sizes": 6, "max_iter": 8, "random_state": 0}
TAGS = ["O", "B-a", "I-a", "B-long-name"]


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def problem(n_seqs=24, seed=0, longest=7):
    """Sequences whose tags, legal in IOB2, follow from their numbers."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(1, longest, size=n_seqs)]
    y = []
    for x in X:
        tags = []
        for value in x[:, 0]:
            inside = bool(tags) and tags[-1] in ("B-a", "I-a")
            tag = "O" if value < 0 else "I-a" if inside else "B-a"
            tags.append("B-long-name" if value > 1.2 else tag)
        y.append(np.array(tags))
    return X, y


def numbers(n_seqs=24, seed=0):
    X, _ = problem(n_seqs, seed)
    return X, [np.cumsum(x[:, 0]) for x in X]


def assert_same_steps(actual, expected):
    assert len(actual) == len(expected)
    for a, b in zip(actual, expected, strict=True):
        assert_same_bits(np.ascontiguousarray(a), np.ascontiguousarray(b))


# What is computed ---------------------------------------------------------------------


def scores_of_all_paths(tagger, x, K):
    """The unnormalised log-score of each allowed path."""
    e = tagger.decision_function([x])[0]
    T, s, f = tagger.transitions_, tagger.start_transitions_, tagger.end_transitions_
    allowed = tagger._model.target.allowed
    paths = {}
    for path in itertools.product(range(K), repeat=len(x)):
        if allowed is not None and not (
            allowed.start[path[0]]
            and allowed.end[path[-1]]
            and all(allowed.transitions[a, b] for a, b in itertools.pairwise(path))
        ):
            continue
        score = s[path[0]] + f[path[-1]] + sum(e[t, k] for t, k in enumerate(path))
        paths[path] = score + sum(T[a, b] for a, b in itertools.pairwise(path))
    return paths


@pytest.mark.parametrize("scheme", [None, "IOB2"])
def test_a_crf_against_all_paths(scheme):
    X, y = problem(longest=6)
    tagger = SequenceTagger(crf=True, scheme=scheme, dtype="float64", **QUICK)
    tagger.fit(X, y)
    rng = np.random.default_rng(0)
    theta = theta_of(tagger)
    set_theta(tagger, theta + rng.normal(size=theta.shape) / 3)
    classes, K = tagger.classes_.tolist(), len(tagger.classes_)
    proba, best = tagger.predict_proba(X), tagger.predict(X)
    found = tagger.score_samples(X, y)
    chunks = tagger.predict_chunks(X)
    for i, x in enumerate(X[:10]):
        paths = scores_of_all_paths(tagger, x, K)
        log_z = np.logaddexp.reduce(list(paths.values()))
        p = {path: np.exp(score - log_z) for path, score in paths.items()}
        expected = np.zeros((len(x), K))
        for path, chance in p.items():
            expected[np.arange(len(x)), path] += chance
        assert_allclose(proba[i], expected, atol=1e-10)
        top = max(paths, key=paths.get)
        assert [classes[k] for k in top] == best[i].tolist()
        true = tuple(classes.index(tag) for tag in y[i])
        assert found[i] == pytest.approx(paths[true] - log_z, abs=1e-9)
        for start, stop, _, chance in chunks[i]:
            inside = classes.index("I-a")
            own = sum(
                value
                for path, value in p.items()
                if path[start:stop] == top[start:stop]
                and not (
                    stop < len(x)
                    and path[stop] == inside
                    and classes[path[stop - 1]][2:] == "a"
                )
            )
            assert chance == pytest.approx(own, abs=1e-9)


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("segment_length", [1, 3])
def test_gradient_through_the_network(crf, partial, segment_length):
    X, y = problem(6)
    if partial:
        y = [np.array([None if i % 3 == 1 else t for i, t in enumerate(z)]) for z in y]
        y[2] = [None] * len(X[2])
    tagger = SequenceTagger(3, crf=crf, dtype="float64", max_iter=1, random_state=0)
    tagger.set_params(segment_length=segment_length)
    model = tagger.fit(X, y)._model
    loss = model.target.loss()
    network = Network(model.spec, loss)
    codes = model.target.encode(model.target.check(y))
    sequences = tagger._check_sequences(X)
    data = StepData(sequences, model.encoder, codes, whole=crf)
    batch, targets, weight = data.batch(data.used, np.float64)
    theta = np.random.default_rng(1).normal(size=network.n_params) / 2

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
    if crf:
        assert network.views(grad)["crf.transitions"].any()


@pytest.mark.parametrize("scheme", ["IOB2", "BILOU", lambda a, b: (a, b) != (1, 1)])
@pytest.mark.parametrize("crf", [False, True])
def test_schemes_are_kept(scheme, crf):
    X, _ = problem(40)
    rng = np.random.default_rng(0)
    if scheme == "BILOU":
        y = [["U-a" if v > 0 else "O" for v in x[:, 0]] for x in X]
        y[0] = (["B-a"] + ["I-a"] * len(X[0]))[: len(X[0]) - 1] + ["L-a"]
        if len(X[0]) == 1:
            y[0] = ["U-a"]
    elif scheme == "IOB2":
        y = problem(40)[1]
    else:
        y = [np.zeros(len(x), int) for x in X]
        for labels in y:
            labels[:: 2 + rng.integers(2)] = 1
    tagger = SequenceTagger(scheme=scheme, crf=crf, **QUICK).fit(X, y)
    theta = theta_of(tagger)
    set_theta(tagger, rng.normal(size=theta.shape).astype(theta.dtype))
    allowed = tagger.allowed_transitions_
    codes = {label: k for k, label in enumerate(tagger.classes_.tolist())}
    for path in tagger.predict(X):
        path = [codes[label] for label in path.tolist()]
        assert all(allowed[a, b] for a, b in itertools.pairwise(path))


def test_chunks_are_read_by_the_scheme_of_the_fit():
    X, y = problem()
    tagger = SequenceTagger(crf=True, scheme="IOB2", **QUICK).fit(X, y)
    chunks = tagger.predict_chunks(X)
    assert tagger.set_params(scheme="IOBES").predict_chunks(X) == chunks


def test_illegal_labels_are_refused_by_name():
    X = [np.zeros((3, 1)), np.zeros((2, 1))]
    for crf in (False, True):
        with pytest.raises(ValueError, match=r"y\[1\] breaks .* step 1: 'I-a'"):
            SequenceTagger(scheme="IOB2", crf=crf).fit(
                X, [["O", "B-a", "I-a"], ["O", "I-a"]]
            )


def test_it_learns():
    X, y = problem(150)
    test = problem(50, seed=9)
    for options in ({}, {"crf": True}, {"crf": True, "scheme": "IOB2"}):
        tagger = SequenceTagger(16, random_state=0, max_iter=60, **options).fit(X, y)
        assert tagger.score(*test) > 0.9
        assert chunk_f1_score(test[1], tagger.predict(test[0])) > 0.8
    for loss in ("squared_error", "absolute_error"):
        reg = StepRegressor(16, random_state=0, loss=loss).fit(*numbers(100))
        X, y = numbers(30, seed=9)
        assert reg.score(X, y) > 0.9
        flat = r2_score(np.concatenate(y), np.concatenate(list(reg.predict(X))))
        assert reg.score(X, y) == pytest.approx(flat)


# The same bits ------------------------------------------------------------------------


@pytest.mark.parametrize("crf", [False, True])
@pytest.mark.parametrize("isa", ISAS)
def test_the_same_bits(crf, isa):
    X, y = problem()
    tagger = SequenceTagger(crf=crf, **QUICK).fit(X, y)
    with instruction_set(isa):
        other = SequenceTagger(crf=crf, n_jobs=2, **QUICK).fit(X, y)
        assert_same_bits(theta_of(other), theta_of(tagger))
        for method in ("predict_proba", "decision_function"):
            expected = getattr(tagger, method)(X)
            function = getattr(other, method)
            assert_same_steps(function(X), expected)
            assert_same_steps(function(X[::-1])[::-1], expected)
            assert_same_steps([function([x])[0] for x in X], expected)
        assert_same_bits(other.score_samples(X, y), tagger.score_samples(X, y))
        assert other.predict_chunks(X) == tagger.predict_chunks(X)
        for a, b in zip(other.predict(X), tagger.predict(X), strict=True):
            assert a.tolist() == b.tolist()


@pytest.mark.parametrize("segment_length", [1, 3])
def test_streams(segment_length):
    X, y = problem()
    options = {"segment_length": segment_length, **QUICK}
    tagger = SequenceTagger(bidirectional=False, **options).fit(X, y)
    reg = StepRegressor(**options).fit(*numbers())
    for estimator, method in (
        (tagger, "predict"), (tagger, "predict_proba"), (tagger, "decision_function"),
        (reg, "predict"),
    ):  # fmt: skip
        stream = estimator.stream(method=method)
        x = max(X, key=len)
        for t, step in enumerate(x):
            found = stream.step(step)
            whole = getattr(estimator, method)([x[: t + 1]])[0]
            assert np.array_equal(np.squeeze(found), np.squeeze(whole[-1]))
    for other in (SequenceTagger(**QUICK), SequenceTagger(crf=True, **QUICK)):
        with pytest.raises(ValueError, match="stream"):
            other.fit(X, y).stream()


PATHS = {
    "crf": {"crf": True},
    "crf and scheme": {"crf": True, "scheme": "IOB2"},
    "scheme": {"scheme": "IOB2"},
}


@pytest.mark.parametrize("lookahead", [0, 1, 3])
@pytest.mark.parametrize("segment_length", [1, 3])
@pytest.mark.parametrize("paths", PATHS)
def test_streams_of_paths(paths, segment_length, lookahead):
    X, y = problem()
    options = {"bidirectional": False, "segment_length": segment_length}
    tagger = SequenceTagger(**options, **PATHS[paths], **QUICK).fit(X, y)
    methods = ["predict"]
    if tagger.crf:
        methods += ["predict_proba", "predict_log_proba"]
    rng = np.random.default_rng(0)
    # The second stream begins anew on its way.
    X = [rng.normal(size=(n, 2)) for n in (9, 9)]
    for method in methods:
        function = getattr(tagger, method)
        stream = tagger.stream(2, method=method, lookahead=lookahead)
        for t in range(9):
            if t == 4:
                stream.reset(1)
            if t == 6:
                stream = copy(stream)
                state = pickle.loads(pickle.dumps(stream.state))
                stream = tagger.stream(2, method=method, lookahead=lookahead)
                stream.state = state
            found = stream.step([X[0][t], X[1][t]])
            prefixes = [X[0][: t + 1], X[1][4 if t >= 4 else 0 : t + 1]]
            for i, prefix in enumerate(prefixes):
                expected = function([prefix])[0]
                if len(prefix) <= lookahead:
                    assert np.all(pd.isna(found[i]))
                else:
                    expected = expected[len(prefix) - 1 - lookahead]
                    assert np.array_equal(found[i], expected)
            if lookahead:
                before = stream.state
                rest = stream.rest()
                for prefix, answers in zip(prefixes, rest, strict=True):
                    expected = function([prefix])[0][-lookahead:]
                    assert np.array_equal(answers, expected)
                for name, value in stream.state.items():
                    assert np.array_equal(value, before[name])


def test_streams_of_paths_refuse():
    X, y = problem()
    plain = SequenceTagger(bidirectional=False, **QUICK).fit(X, y)
    tagger = SequenceTagger(bidirectional=False, crf=True, **QUICK).fit(X, y)
    for estimator, options in (
        (plain, {"lookahead": 2}),
        (tagger, {"lookahead": 2, "method": "decision_function"}),
        (tagger, {"lookahead": -1}),
        (tagger, {"lookahead": 1.5}),
    ):
        with pytest.raises(ValueError, match="lookahead"):
            estimator.stream(**options)
    stream = tagger.stream()
    stream.step(X[0][0])
    before = stream.state
    with pytest.raises(ValueError, match="shape"):
        stream.step([1.0])
    with pytest.raises(ValueError, match="NaN"):
        stream.step([np.nan, 1.0])
    for name, value in stream.state.items():
        assert np.array_equal(value, before[name])
    for other in (
        plain.stream(), tagger.stream(lookahead=1), tagger.stream(2),
        tagger.stream(method="predict_proba"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="state is not of this model"):
            other.state = before
    pairs = SequenceTagger(bidirectional=False, scheme="BILOU", **QUICK)
    pairs.fit([np.zeros((2, 1))] * 8, [["B-a", "L-a"]] * 8)
    with pytest.raises(ValueError, match="no labels for 1 steps"):
        pairs.stream()


# Forms --------------------------------------------------------------------------------


def test_tables():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y = np.where(X[:, 0] > 0, "up", "down")
    tagger = SequenceTagger(**QUICK | {"max_iter": 60}).fit(X, y)
    assert tagger.predict(X).shape == (120,)
    assert tagger.predict_proba(X).shape == (120, 2)
    assert tagger.score(X, y) > 0.7
    cv = TimeSeriesSplit(3)
    scorings = ["accuracy", "f1_macro"]
    if not sklearn.__version__.startswith("1.6"):  # which takes it for a regressor
        scorings.append("neg_log_loss")
    for scoring in scorings:
        scores = cross_val_score(tagger, X, y, cv=cv, scoring=scoring)
        assert np.isfinite(scores).all()
    proba = cross_val_predict(tagger, X, y, cv=KFold(3), method="predict_proba")
    assert proba.shape == (120, 2)
    frame = pd.DataFrame(X, columns=list("abc"))
    reg = StepRegressor(**QUICK).fit(frame, np.cumsum(X[:, 0]))
    assert reg.feature_names_in_.tolist() == ["a", "b", "c"]
    assert cross_val_score(reg, frame, np.cumsum(X[:, 0]), cv=cv).shape == (3,)
    assert reg.predict(frame).shape == (120,)
    with pytest.raises(ValueError, match="2D array"):
        tagger.predict(X[:, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SequenceTagger(**QUICK).fit(X, y[:-1])
    with pytest.raises(ValueError, match="fitted to one table"):
        tagger.partial_fit([X], [y])


def test_labels_are_not_cut():
    X = [np.zeros((2, 1)), np.ones((2, 1))] * 10
    y = [["a", "b"], ["a" * 40, "b"]] * 10
    tagger = SequenceTagger(**QUICK | {"max_iter": 40}).fit(X, y)
    assert tagger.predict(X[:2])[1][0] == "a" * 40
    tagger = SequenceTagger(**QUICK).fit(X, [[-1, 1], [0, 1]] * 10)
    assert tagger.classes_.tolist() == [-1, 0, 1]
    assert tagger.predict(X)[0].dtype == tagger.classes_.dtype


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("crf", [False, True])
def test_unlabeled_steps(missing, crf):
    X, y = problem()
    X += [np.ones((3, 2))]
    options = {"shuffle": False, "batch_size": 99, "standardize": False}
    options |= {"dropout": 0, "recurrent_dropout": 0}
    without = SequenceTagger(crf=crf, **options, **QUICK)
    expected = clone(without).fit(X[:-1], y)
    found = clone(without).fit(X, [*y, [missing] * 3])
    assert_same_bits(theta_of(found), theta_of(expected))
    some = [[missing, *item[1:]] for item in y]
    tagger = clone(without).fit(X[:-1], some)
    assert np.isfinite(tagger.loss_curve_).all()
    kept = [item[1:] for item in y]
    right = sum(
        int((p[1:] == k).sum()) for p, k in zip(tagger.predict(X), kept, strict=False)
    )
    assert tagger.score(X[:-1], some) == pytest.approx(right / sum(map(len, kept)))
    with pytest.raises(ValueError, match="no label at all"):
        clone(without).fit(X[:2], [[missing] * len(x) for x in X[:2]])


def test_numbers_that_are_missing():
    X, y = numbers()
    y[0] = np.full(len(y[0]), np.nan)
    y[1] = [None, *y[1][1:]]
    reg = StepRegressor(**QUICK).fit(X, y)
    assert np.isfinite(np.concatenate(list(reg.predict(X)))).all()
    assert np.isfinite(reg.score(X, y))


@pytest.mark.parametrize("kind", [SequenceTagger, StepRegressor])
def test_a_weight_of_two_is_the_sequence_twice(kind):
    X, y = problem() if kind is SequenceTagger else numbers()
    options = {
        **QUICK, "dropout": 0, "recurrent_dropout": 0, "batch_size": 999,
        "dtype": "float64", "alpha": 0.0,
    }  # fmt: skip
    weight = np.arange(len(X)) % 3
    twice = [i for i, w in enumerate(weight) for _ in range(w)]
    a = kind(**options).fit(X, y, sample_weight=weight)
    b = kind(**options).fit([X[i] for i in twice], [y[i] for i in twice])
    assert_allclose(theta_of(a), theta_of(b), rtol=1e-6, atol=1e-8)
    steps = [np.full(len(x), w, float) for x, w in zip(X, weight, strict=True)]
    c = kind(standardize=False, **options).fit(X, y, sample_weight=weight)
    d = kind(standardize=False, **options).fit(X, y, sample_weight=steps)
    assert_allclose(theta_of(c), theta_of(d), rtol=1e-7, atol=1e-9)


# Keeping, going on, refusing ----------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        SequenceTagger(**QUICK),
        SequenceTagger(crf=True, scheme="IOB2", **QUICK),
        StepRegressor(loss="absolute_error", **QUICK),
    ],
    ids=str,
)
def test_files_pickles_and_going_on(estimator):
    X, y = numbers() if isinstance(estimator, StepRegressor) else problem()
    estimator = clone(estimator).fit(X, y)
    file = io.BytesIO()
    save(estimator, file)
    file.seek(0)
    loaded, pickled = load(file), pickle.loads(pickle.dumps(estimator))
    for other in (loaded, pickled):
        for a, b in zip(other.predict(X), estimator.predict(X), strict=True):
            assert a.tolist() == b.tolist()
    assert_same_bits(
        theta_of(loaded.partial_fit(X, y)), theta_of(pickled.partial_fit(X, y))
    )
    assert set(to_torch(estimator)) >= {"head.weight", "head.bias"}
    estimator.set_params(warm_start=True).fit(X, y)
    estimator.set_params(early_stopping=True).fit(X, y, X_val=X[:5], y_val=y[:5])


def test_class_weight_and_partial_fit():
    X, y = problem()
    SequenceTagger(class_weight="balanced", **QUICK).fit(X, y)
    tagger = SequenceTagger(class_weight={"O": 2.0}, **QUICK)
    with pytest.raises(ValueError, match="classes must be passed"):
        tagger.partial_fit(X, y)
    tagger.partial_fit(X, y, classes=[*TAGS, "later"])
    assert len(tagger.classes_) == 5
    with pytest.raises(ValueError, match="is not the same as on last call"):
        tagger.partial_fit(X, y, classes=TAGS)
    with pytest.raises(ValueError, match="not one of the 5 classes"):
        tagger.partial_fit(X, [["new"] * len(x) for x in X])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"y": None}, "requires y"),
        ({"y": "text"}, "sequence|2D"),
        ({"y": [["O"]] * 24}, r"y\[\d+\] has 1 targets, and X\[\d+\] has \d steps"),
        ({"crf": True, "class_weight": "balanced"}, "class_weight is not for crf=True"),
        (
            {"crf": True, "sample_weight": "steps"},
            r"\[0\] is 2.0 at step 0, ",
        ),
        ({"y": "mixed"}, "one kind"),
    ],
    ids=str,
)
def test_what_is_refused(change, message):
    X, y = problem()
    change = dict(change)
    given = change.pop("y", y)
    if isinstance(given, str) and given == "mixed":
        given = [[1 if i % 2 else "a" for i in range(len(x))] for x in X]
    weight = change.pop("sample_weight", None)
    if weight == "steps":
        weight = [np.full(len(x), 2.0) for x in X]
    tagger = SequenceTagger(**QUICK, **change)
    before = vars(tagger).copy()
    with pytest.raises((ValueError, TypeError), match=message):
        tagger.fit(X, given, sample_weight=weight)
    assert vars(tagger) == before
