"""Texts, tokens and categories as sequences, in all estimators."""

import copy
import io
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from cases import ISAS, assert_same_bits, instruction_set
from gradcheck import numerical_gradient
from networks import make_network
from outside import import_oracle
from skrnn import RNNClassifier, RNNRegressor, SequenceTagger
from skrnn.estimators import _base, _embeddings
from skrnn.export import load, save, to_torch
from skrnn.inputs.packed import PackedBatch
from skrnn.network import inputs
from skrnn.network.inputs import TokenInput, auto_embedding_size
from skrnn.preprocessing import SequenceVectorizer

QUICK = {"max_iter": 8, "random_state": 0}
LETTERS = "abcdefghijklmnop"


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def texts(n=60, seed=0):
    """Words, and whether each has a letter of the first four."""
    rng = np.random.default_rng(seed)
    X = ["".join(rng.choice(list(LETTERS), size=rng.integers(1, 9))) for _ in range(n)]
    return X, np.array([int(any(c in "abcd" for c in word)) for word in X])


def batch_of_ids(lengths=(4, 2, 1), n_ids=(5, 3), n_numbers=2, ids=None):
    rng = np.random.default_rng(1)
    n_active = np.array([sum(n > t for n in lengths) for t in range(max(lengths))])
    offset = np.concatenate([[0], np.cumsum(n_active)])
    x = rng.normal(size=(offset[-1], n_numbers))
    if ids is None:
        columns = [rng.integers(n, size=len(x)) for n in n_ids]
        ids = np.stack(columns, axis=1).astype(np.int32)
    n_seqs = np.arange(len(lengths))
    return PackedBatch(
        x, n_active.astype(np.int32), offset, np.array(lengths), n_seqs, ids
    )


# The part -----------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(3, 2), (4, 0), (0, 0)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("same", [False, True])
def test_gradient_of_tables(sizes, dropout, same):
    batch = batch_of_ids()
    if same:  # one token, again and again: no gradient is lost
        batch.ids[:] = 1
    net = make_network(
        2, (3,), 2, dtype="float64", embedding_dropout=dropout, pooling="mean",
        input=lambda: TokenInput((5, 3), sizes),
    )  # fmt: skip
    theta = np.random.default_rng(2).normal(size=net.n_params)
    d_raw = np.random.default_rng(3).normal(size=(3, 2))

    def forward():
        net.load(theta)
        state = np.random.RandomState(0)
        return net.forward(batch, training=True, random_state=state)

    forward()
    grad = np.zeros_like(theta)
    net.backward(d_raw, grad)
    numerical = numerical_gradient(lambda: np.sum(d_raw * forward()), theta)
    assert_allclose(grad, numerical, rtol=1e-6, atol=1e-8)
    names = [f"embedding{j}.W" for j, size in enumerate(sizes) if size]
    assert [name for name in net.views(grad) if "embedding" in name] == names


@pytest.fixture
def shares(monkeypatch):
    """A function that says whether the rows of tokens are shared."""

    def choose(shared):
        monkeypatch.setattr(inputs, "SHARED", 1.0 if shared else -1.0)
        monkeypatch.setattr(inputs, "LEAST", 0)

    return choose


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize(
    "sizes, options",
    [((3, 2), {}), ((4, 0), {"embedding_dropout": 0.4}), ((0, 0), {})],
)
def test_rows_that_are_shared(shares, cell, sizes, options):
    batch = batch_of_ids((14, 9, 9, 1), n_numbers=0)
    net = make_network(
        0, (3, 2), 2, dtype="float64", pooling="mean", cell=cell, bidirectional=True,
        input=lambda: TokenInput((5, 3), sizes), **options,
    )  # fmt: skip
    theta = np.random.default_rng(2).normal(size=net.n_params) / 2
    d_raw = np.random.default_rng(3).normal(size=(4, 2))

    def forward():
        net.load(theta)
        state = np.random.RandomState(0)
        return net.forward(batch, training=True, random_state=state).copy()

    found = {}
    for shared in (False, True):
        shares(shared)
        raw, grad = forward(), np.zeros_like(theta)
        assert (net.stack.n_read < 33) is shared
        net.backward(d_raw, grad)
        found[shared] = raw, grad
    assert_same_bits(found[True][0], found[False][0])
    assert_allclose(found[True][1], found[False][1], rtol=1e-9, atol=1e-12)
    numerical = numerical_gradient(lambda: np.sum(d_raw * forward()), theta)
    assert_allclose(found[True][1], numerical, rtol=1e-5, atol=1e-8)


def test_fits_with_rows_that_are_shared(shares):
    X, y = texts()
    found = []
    for shared in (False, True):
        shares(shared)
        clf = RNNClassifier(6, embedding_size=5, alpha=0, dtype="float64", **QUICK)
        frozen = clone(clf).set_params(embedding_trainable=False).fit(X, y)
        found.append([*clf.fit(X, y).predict_proba(X), *frozen.predict_proba(X)])
        alone = np.concatenate([clf.predict_proba(X[i : i + 1]) for i in range(60)])
        assert_same_bits(alone, clf.predict_proba(X))
    assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_solvers_leave_out_what_is_frozen(solver, monkeypatch):
    X, y = texts()
    clf = RNNClassifier(6, embedding_size=5, embedding_trainable=False, solver=solver)
    clf.set_params(**QUICK)
    found = clf.fit(X, y).predict_proba(X)
    with monkeypatch.context() as patch:
        patch.setattr(_base, "count_frozen", lambda estimator, model: 0)
        assert_same_bits(clf.fit(X, y).predict_proba(X), found)
    (table,) = clf.embeddings_.values()
    assert _embeddings.count_frozen(clf, clf._model) == table.size
    # What was trained before is left as it is from now on.
    clf.set_params(warm_start=True, embedding_trainable=True).fit(X, y)
    table = clf.embeddings_[0].copy()
    clf.set_params(embedding_trainable=False).fit(X, y)
    assert_same_bits(clf.embeddings_[0], table)


def test_a_token_repeated_a_thousand_times():
    ids = np.full((1000, 1), 2, np.int32)
    batch = batch_of_ids((1000,), (5,), 0, ids)
    net = make_network(
        0, (3,), 1, dtype="float64", pooling="mean", cell="rnn",
        input=lambda: TokenInput((5,), (4,)),
    )  # fmt: skip
    theta = net.initialize(np.random.RandomState(0))

    def value():
        net.load(theta)
        return net.forward(batch, training=True).sum()

    value()
    grad = np.zeros_like(theta)
    net.backward(np.ones((1, 1)), grad)
    part = net.views(grad)["embedding0.W"]
    numerical = net.views(numerical_gradient(value, theta))["embedding0.W"]
    assert_allclose(part, numerical, rtol=1e-5, atol=1e-8)
    assert part[2].any() and not part[[0, 1, 3, 4]].any()


def test_same_as_torch():
    torch = import_oracle("torch")
    X, y = texts()
    clf = RNNClassifier(6, embedding_size=5, pooling="last", dtype="float64", **QUICK)
    clf.fit(X, y)
    weights = {k: torch.tensor(v) for k, v in to_torch(clf).items()}
    table = torch.nn.Embedding.from_pretrained(weights["embedding0.weight"])
    gru = torch.nn.GRU(5, 6, batch_first=True).double()
    gru.load_state_dict(
        {k.removeprefix("rnn."): v for k, v in weights.items() if "rnn." in k}
    )
    (letters,) = clf.categories_
    ids = {letter: i for i, letter in enumerate(letters)}
    expected = []
    for word in X:
        states, _ = gru(table(torch.tensor([[ids[c] for c in word]])))
        out = states[0, -1] @ weights["head.weight"].T + weights["head.bias"]
        expected.append(out.item())
    assert_allclose(clf.decision_function(X), expected, rtol=1e-9, atol=1e-9)


def test_sizes():
    assert [auto_embedding_size(n) for n in (2, 8, 9, 65, 900, 10**6)] == [
        0, 0, 5, 17, 72, 128,
    ]  # fmt: skip


# Estimators ---------------------------------------------------------------------------

FORMS = {
    "list": list,
    "array": np.array,
    "objects": lambda X: np.array(X, dtype=object),
    "series": pd.Series,
    "tokens": lambda X: [list(x) for x in X],
    "tuples": lambda X: [tuple(x) for x in X],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_texts(form):
    X, y = texts()
    expected = RNNClassifier(8, **QUICK).fit(X, y).predict_proba(X)
    clf = RNNClassifier(8, **QUICK).fit(FORMS[form](X), y)
    assert_same_bits(clf.predict_proba(FORMS[form](X)), expected)
    assert clf.n_features_in_ == 1
    assert clf.categories_[0].tolist() == sorted(LETTERS)
    assert clf.embeddings_[0].shape == (17, auto_embedding_size(16))
    assert clf.segment_length_ == 1


def test_it_learns():
    X, y = texts(200)
    clf = RNNClassifier(16, random_state=0, max_iter=40).fit(X, y)
    assert clf.score(*texts(100, seed=1)) > 0.95
    lengths = [float(len(x)) for x in X]
    reg = RNNRegressor(16, random_state=0, max_iter=60).fit(X, lengths)
    assert reg.score(X, lengths) > 0.9


@pytest.mark.parametrize("isa", ISAS)
def test_the_same_bits(isa):
    X, y = texts(40)
    frames = [
        pd.DataFrame({"v": np.arange(len(x)) / 7, "k": pd.Categorical(list(x))})
        for x in X
    ]
    for data in (X, frames):
        clf = RNNClassifier(8, embedding_dropout=0.2, **QUICK).fit(data, y)
        expected = clf.predict_proba(data)
        with instruction_set(isa):
            other = RNNClassifier(8, embedding_dropout=0.2, n_jobs=2, **QUICK)
            other.fit(data, y)
            assert_same_bits(other.predict_proba(data), expected)
            backwards = other.predict_proba(data[::-1])[::-1]
            assert_same_bits(np.ascontiguousarray(backwards), expected)
            alone = [other.predict_proba(data[i : i + 1])[0] for i in range(5)]
            assert_same_bits(np.array(alone), expected[:5])


def test_streams_have_the_bits_of_prefixes():
    X, y = texts()
    clf = RNNClassifier(8, **QUICK).fit(X, y)
    stream = clf.stream(method="predict_proba")
    for t, letter in enumerate(X[3] + "?"):
        prefix = (X[3] + "?")[: t + 1]
        if t == 2:
            stream = copy.copy(stream)
        assert_same_bits(stream.step(letter), clf.predict_proba([prefix]))
    several = clf.stream(2, method="predict_proba")
    several.step(["a", "b"])
    assert_same_bits(several.step(["c", "d"]), clf.predict_proba(["ac", "bd"]))
    with pytest.raises(ValueError, match="an item for each of the 2 sequences"):
        several.step(["a"])
    with pytest.raises(ValueError, match="strings in fit"):
        clf.stream().step(3)
    assert several.step(["x", "y"]).shape == (2, 2)


def test_streams_of_numbers_beside_categories():
    rng = np.random.default_rng(0)
    X = [
        np.column_stack([rng.normal(size=n), rng.integers(-4, 20, size=n)])
        for n in rng.integers(2, 9, size=30)
    ]
    y = [int(x[:, 1].max() > 15) for x in X]
    clf = RNNClassifier(8, categorical_features=[1], **QUICK).fit(X, y)
    stream = clf.stream(method="decision_function")
    for t, step in enumerate(X[0]):
        assert_same_bits(stream.step(step), clf.decision_function([X[0][: t + 1]]))
    assert clf.categories_[0] is None
    assert clf.categories_[1].tolist() == sorted({int(v) for x in X for v in x[:, 1]})


def test_files_and_pickles():
    X, y = texts()
    late = [[c > "c" for c in x] for x in X]
    for estimator, given in (
        (RNNClassifier(8, **QUICK), X),
        (RNNRegressor(8, max_categories=5, **QUICK), X),
        (RNNClassifier(8, categorical_features=[0], **QUICK), late),
    ):
        estimator.fit(given, y)
        file = io.BytesIO()
        save(estimator, file)
        file.seek(0)
        for other in (load(file), pickle.loads(pickle.dumps(estimator))):
            assert_same_bits(other.predict(given), estimator.predict(given))
            assert other.categories_[0].tolist() == estimator.categories_[0].tolist()
            other.set_params(warm_start=True, max_iter=1).fit(given, y)


def test_unknown_and_rare_categories():
    X, y = texts(80)
    clf = RNNClassifier(8, **QUICK).fit(X, y)
    assert_same_bits(clf.predict_proba(["?"]), clf.predict_proba(["\0"]))
    rare = RNNClassifier(8, min_frequency=30, **QUICK).fit([*X, "zzz"], [*y, 0])
    assert "z" not in rare.categories_[0]
    few = RNNClassifier(8, max_categories=5, embedding_size=3, **QUICK).fit(X, y)
    assert few.embeddings_[0].shape == (5, 3)
    # Where nothing is rare, tokens that occur once train the unknown row.
    once = [*X, "xyz"]
    trained = RNNClassifier(8, embedding_size=3, **QUICK).fit(once, [*y, 0])
    start = trained._model.initialize(trained._training.seed).embeddings[0]
    assert not np.array_equal(trained.embeddings_[0][-1], start[-1])


def test_given_vectors():
    X, y = texts()
    vectors = {letter: [float(i), 1.0, -1.0] for i, letter in enumerate("abcde")}
    frame = pd.DataFrame(vectors).T
    for init in (vectors, frame):
        clf = RNNClassifier(
            8, embedding_init=init, embedding_trainable=False, alpha=0.1, **QUICK
        ).fit(X, y)
        table = clf.embeddings_[0]
        assert_allclose(table[:5], list(vectors.values()))
        before = clf._model.spec.layout(clf._model.target.loss())
        assert before.n_params == len(clf._model.theta)
        again = copy.deepcopy(clf).set_params(warm_start=True).fit(X, y)
        assert_same_bits(again.embeddings_[0], table)
    with pytest.raises(ValueError, match="embedding_size is 4"):
        RNNClassifier(8, embedding_init=vectors, embedding_size=4).fit(X, y)


def test_later_calls_keep_the_ids():
    X, y = texts()
    clf = RNNClassifier(8, **QUICK)
    clf.partial_fit(X, y, classes=[0, 1])
    known = clf.categories_[0].tolist()
    clf.partial_fit(["new!", "abc"], [0, 1])
    assert clf.categories_[0].tolist() == known


# scikit-learn -------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["list", "objects", "series", "tokens"])
def test_tools(form):
    X, y = texts()
    X = FORMS[form](X)
    clf = RNNClassifier(4, max_iter=2, random_state=0)
    assert len(cross_val_score(clf, X, y, cv=2)) == 2
    assert cross_val_predict(clf, X, y, cv=2, method="predict_proba").shape == (60, 2)
    GridSearchCV(clf, {"embedding_size": [2, 3]}, cv=2).fit(X, y).predict(X)
    train, test, y_train, _ = train_test_split(X, y, random_state=0)
    CalibratedClassifierCV(clf, cv=2).fit(train, y_train).predict(test)
    OneVsRestClassifier(clf).fit(X, y).predict(X)
    VotingClassifier([("a", clf), ("b", clf)]).fit(X, y).predict(X)
    StackingClassifier([("a", clf)], cv=2).fit(X, y).predict(X)


def test_a_pipeline_with_words():
    X = ["The dog barks.", "A cat sleeps!", "The cat barks?"] * 10
    y = ["dog", "cat", "cat"] * 10
    pipe = make_pipeline(SequenceVectorizer(), RNNClassifier(8, **QUICK))
    assert pipe.fit(X, y).predict(X[:3]).shape == (3,)
    assert set(pipe[-1].categories_[0]) | {"<unk>"} == set(pipe[0].tokens_)


# Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X, message",
    [
        ("abc", "X is one string. A list of texts is expected"),
        (["ab", ""], r"X\[1\] has no steps"),
        ([["a", 1], ["b"]], r"X\[0\] has 1 at step 1, a number"),
        ([["a", ["b"]], ["c"]], r"X\[0\]"),
        ([b"ab", b"c"], "bytes|decode"),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [RNNClassifier, RNNRegressor])
def test_what_is_refused(make, X, message):
    estimator = make(4, **QUICK)
    with pytest.raises((TypeError, ValueError), match=message):
        estimator.fit(X, [0, 1])
    assert not hasattr(estimator, "n_features_in_")


def test_other_kinds_at_predict():
    X, y = texts()
    clf = RNNClassifier(4, **QUICK).fit(X, y)
    before = clf.predict_proba(X)
    with pytest.raises(ValueError, match="numbers, but they were strings in fit"):
        clf.predict([np.ones((3, 1))])
    numbers = RNNClassifier(4, **QUICK).fit([np.ones((3, 1)), np.zeros((2, 1))], [0, 1])
    with pytest.raises(ValueError, match="strings"):
        numbers.predict(["abc"])
    with pytest.raises(ValueError, match="segment_length"):
        RNNClassifier(4, segment_length=2).fit(X, y)
    assert_same_bits(clf.predict_proba(X), before)


def test_words_are_tagged():
    X = [["the", "cat", "sat"], ["a", "dog", "ran", "away"]] * 20
    y = [["D", "N", "V"], ["D", "N", "V", "P"]] * 20
    tagger = SequenceTagger(8, crf=True, random_state=0, max_iter=30).fit(X, y)
    assert tagger.predict([["the", "dog", "sat"]])[0].tolist() == ["D", "N", "V"]


# Trained on ---------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_tables_that_are_not_trained_any_more_stay(solver):
    X, y = texts()
    options = {"solver": solver, "warm_start": True, "alpha": 0.1, **QUICK}
    clf = RNNClassifier(4, **options).fit(X, y)
    before = clf.embeddings_[0].copy()
    clf.set_params(embedding_trainable=False).fit(X, y)
    assert_same_bits(clf.embeddings_[0], before)
    clf.set_params(embedding_trainable=True).fit(X, y)
    assert not np.array_equal(clf.embeddings_[0], before)


def test_rows_of_tokens_that_do_not_come_stay():
    X, y = texts()
    clf = RNNClassifier(4, alpha=0.1, **QUICK)
    clf.partial_fit(X, y, classes=[0, 1])
    absent = clf.categories_[0].tolist().index("a")
    new = clf._model.initialize(clf._training.seed)
    clf = RNNClassifier(4, alpha=0.1, solver="sgd", momentum=0, **QUICK)
    clf.partial_fit(X, y, classes=[0, 1])
    before = clf.embeddings_[0].copy()
    clf.partial_fit(["bcd", "ef"], [1, 0])
    assert_same_bits(clf.embeddings_[0][absent], before[absent])
    assert new.embeddings[0].shape == before.shape


def test_a_pickle_is_trained_on_with_the_same_bits():
    X, y = texts()
    # Letters that occur once are read as unknown by chance.
    X = [x + chr(200 + i) if i % 2 else x for i, x in enumerate(X)]
    options = {"learning_rate": "constant", "warm_start": True, **QUICK}
    clf = RNNClassifier(4, **options).fit(X, y)
    other = pickle.loads(pickle.dumps(clf))
    file = io.BytesIO()
    save(clf, file)
    file.seek(0)
    expected = clf.fit(X, y).predict_proba(X)
    for fitted in (other, load(file)):
        assert_same_bits(fitted.fit(X, y).predict_proba(X), expected)


def test_validation_sequences_are_read_like_the_others():
    X, y = texts()
    numbers = [np.full((len(x), 1), len(x)) for x in X]
    clf = RNNClassifier(4, early_stopping=True, **QUICK)
    for given in (X, numbers, X):
        clf.fit(given, y, X_val=given[:9], y_val=y[:9])
    assert clf.embeddings_
    with pytest.raises(ValueError, match="0"):
        clf.fit(X, y, X_val=numbers[:9], y_val=y[:9])


def test_steps_of_strings_and_numbers_in_lists():
    X, y = texts()
    rows = [[[letter, float(i)] for i, letter in enumerate(x)] for x in X]
    clf = RNNClassifier(4, **QUICK).fit(rows, y)
    assert clf.categories_[1] is None
    stream = clf.stream(method="predict_proba")
    for t, step in enumerate(rows[3]):
        assert_same_bits(stream.step(step), clf.predict_proba([rows[3][: t + 1]]))
    for wrong in ([1.0, 1.0], ["a"], ["a", np.inf], [None, 1.0], [b"a", 1.0], "a"):
        state = stream.state
        with pytest.raises((TypeError, ValueError)):
            stream.step(wrong)
        assert all(np.array_equal(state[k], v) for k, v in stream.state.items())


def test_steps_that_are_no_ids_are_refused():
    X = [[3, 5, 3], [5, 7], [7, 3]] * 8
    clf = RNNClassifier(4, categorical_features=[0], **QUICK).fit(X, [0, 1, 1] * 8)
    stream = clf.stream(method="predict_proba")
    for wrong in (0.5, np.inf, {}, "3", b"3"):
        with pytest.raises((TypeError, ValueError), match=r"The step"):
            stream.step(wrong)
    for t, step in enumerate([3, 5.0, np.int8(3), 2]):
        prefix = [[3, 5, 3, 2][: t + 1]]
        assert_same_bits(stream.step(step), clf.predict_proba(prefix))


def test_nothing_but_rare_and_missing_tokens():
    X, y = texts()
    clf = RNNClassifier(4, min_frequency=10**6, **QUICK).fit(X, y)
    assert len(clf.categories_[0]) == 0
    assert clf.predict(X).shape == y.shape
    gaps = [[None, letter] for letter in LETTERS] * 2
    clf = RNNClassifier(4, missing="indicator", **QUICK).fit(gaps, [0, 1] * 16)
    stream = clf.stream(method="predict_proba")
    for t in range(2):
        expected = clf.predict_proba([gaps[0][: t + 1]])
        assert_same_bits(stream.step(gaps[0][t]), expected)


def test_a_text_is_not_a_list_of_tokens():
    """One list of words for [words] would be read as texts, letter by letter."""
    X, y = [["to", "Oslo"], ["from", "a", "b"]] * 5, [0, 1] * 5
    model = RNNClassifier(4, max_iter=1, solver="sgd", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        letters = clone(model).fit(["ab", "ba"] * 5, y)
    for other in (X[0], ["to Oslo"]):
        with pytest.raises(ValueError, match=r"such as 'Oslo'.*\[X\].*text\.split\(\)"):
            model.predict(other)
    assert len(letters.predict(["a", "abc"])) == 2
