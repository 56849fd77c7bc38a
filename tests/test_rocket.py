"""A linear model of whole sequences beside the network of a classifier."""

import functools
import io
import pickle

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skrnn import RNNClassifier
from skrnn.distributed import fit_shards
from skrnn.export import from_torch, load, save, to_torch
from skrnn.inputs import shares as shares_module
from skrnn.inputs.convolutions import weights_of
from skrnn.inputs.sequences import check_sequences
from skrnn.inputs.shares import Shares
from skrnn.losses import LogLoss
from skrnn.models import ridge as ridge_module
from skrnn.models import rocket as rocket_module
from skrnn.models.ridge import ridge
from skrnn.models.rocket import Rocket
from toys import with_gaps

RNG = np.random.default_rng(0)
LENGTHS = [1, 2, 3, 9, 14, 30, 17, 25, 8, 21, 12, 5]
Y = np.arange(len(LENGTHS)) % 3
# The classes differ in the pace of a wave, which kernels see.
X = [
    np.sin(np.arange(n)[:, np.newaxis] * (k + 1)) + RNG.normal(size=(n, 2)) / 4
    for n, k in zip(LENGTHS, Y, strict=True)
]
FEW = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0, "rocket": True}


GAPS = with_gaps(X, RNG)


@pytest.fixture(autouse=True, scope="module")
def few_shares():
    """Tests are quick with a share of each kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shares_module, "N_SHARES", 84)
        yield


@functools.cache
def fitted():
    return RNNClassifier(**FEW).fit(X, Y)


# The ridge regression --------------------------------------------------------------


@pytest.mark.parametrize("n_columns", [40, 9])
def test_rows_left_out(n_columns, monkeypatch):
    rng = np.random.default_rng(1)
    weight = rng.choice([0.5, 1.0, 2.0], size=25)
    x = rng.normal(size=(25, n_columns))
    x -= (weight[:, np.newaxis] * x).sum(axis=0) / weight.sum()
    y = x[:, :2] + rng.normal(size=(25, 2)) + 3
    unit = (weight[:, np.newaxis] * x**2).sum() / 25
    errors, found = [], []
    for strength in (0.01, 0.5):
        monkeypatch.setattr(ridge_module, "STRENGTHS", (strength,))
        coef, intercept, left_out = ridge(x.copy(), y, weight)
        model = Ridge(strength * unit).fit(x, y, weight)
        np.testing.assert_allclose(coef, model.coef_.T, atol=1e-10)
        np.testing.assert_allclose(intercept, model.intercept_, atol=1e-10)
        for i in range(25):
            rest = np.arange(25) != i
            model = Ridge(strength * unit).fit(x[rest], y[rest], weight[rest])
            np.testing.assert_allclose(left_out[i], model.predict(x[[i]])[0], atol=1e-9)
        errors.append((weight[:, np.newaxis] * (left_out - y) ** 2).sum())
        found.append(coef)
    monkeypatch.setattr(ridge_module, "STRENGTHS", (0.01, 0.5))
    coef, _, _ = ridge(x.copy(), y, weight)
    assert np.array_equal(coef, found[np.argmin(errors)])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n):
    x = np.array([[1.0, 2.0], [-1.0, 0.5], [0.0, -2.5]])[:n]
    x = x - x.mean(axis=0)
    results = ridge(x, np.array([[1.0], [-1.0], [1.0]])[:n], np.ones(n))
    assert all(np.isfinite(result).all() for result in results)


def test_inverse(monkeypatch):
    monkeypatch.setattr(ridge_module, "BLOCK", 3)
    factor = np.tril(np.random.default_rng(1).normal(size=(10, 10))) + 5 * np.eye(10)
    np.testing.assert_allclose(
        ridge_module._inverse(factor), np.linalg.inv(factor), atol=1e-12
    )


# Shares ----------------------------------------------------------------------------


def learn(sequences, weight=None):
    sequences = check_sequences(sequences, missing="indicator")
    weight = np.ones(len(sequences)) if weight is None else weight
    shares, table = Shares.learn(sequences, seed=1, weight=weight)
    parts = [part for _, part in shares.tables(sequences)]
    assert np.array_equal(table, np.concatenate(parts))
    return shares


def by_hand(s, x):
    """The shares of one sequence, (n_shares,), kernel by kernel."""
    z = (x - s.mean) / s.scale
    # A sum with NaN is NaN.
    z = np.stack([z[:, chosen].sum(axis=1) for chosen in s.sums], axis=1)
    found = []
    for j, weights in enumerate(weights_of(s.kernels.taps)):
        d, v = s.kernels.dilation[j], z[:, s.kernels.channel[j]]
        known = ~np.isnan(v)
        padded = np.pad(np.nan_to_num(v), 4 * d)
        outputs = sum(w * padded[i * d : i * d + len(v)] for i, w in enumerate(weights))
        if not s.whole[j] and len(v) > 8 * d:
            outputs, known = outputs[4 * d : -4 * d], known[4 * d : -4 * d]
        for threshold in s.threshold[s.first[j] : s.first[j + 1]]:
            over = outputs[known] > threshold
            found.append(over.mean() if len(over) else np.nan)
    return np.nan_to_num((np.array(found) - s.out_mean) / s.out_scale)


@pytest.mark.parametrize("sequences", [X, GAPS], ids=["known", "gaps"])
def test_shares_by_hand(sequences, monkeypatch):
    s = learn(sequences)
    monkeypatch.setattr(shares_module, "BLOCK", 1 << 13)
    opened = check_sequences(sequences, missing="indicator")
    parts = list(s.tables(opened))
    assert len(parts) > 2
    table = np.concatenate([table for _, table in parts])
    expected = np.stack([by_hand(s, x) for x in sequences])
    assert table.shape == (len(X), 84)
    np.testing.assert_allclose(table, expected, atol=1e-5)
    np.testing.assert_allclose(table.mean(axis=0), 0, atol=0.2)


def test_the_order_of_the_sequences_does_not_matter():
    order = np.random.default_rng(2).permutation(len(X))
    one, other = learn(X).pack(), learn([X[i] for i in order]).pack()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_weight_of_two_is_two_sequences():
    weight = np.ones(len(X))
    weight[6] = 2
    one, other = learn(X, weight).pack(), learn([*X, X[6]]).pack()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, err_msg=name)


# The model --------------------------------------------------------------------------


def test_outputs_add_up():
    model = fitted()
    alone = RNNClassifier(**{**FEW, "rocket": False}).fit(X, Y)
    for name, weights in alone.weights_.items():
        assert np.array_equal(weights, model.weights_[name])
    rocket = model._model.rocket
    _, shares = next(rocket.shares.tables(check_sequences(X)))
    expected = rocket.network * alone.decision_function(X)
    expected += shares @ rocket.coef + rocket.intercept
    np.testing.assert_allclose(model.decision_function(X), expected, rtol=1e-5)
    assert "_rocket" not in alone._pack()


@pytest.mark.parametrize(
    "y", [Y, Y % 2, np.eye(3, dtype=int)[Y], 0 * Y], ids=["3", "2", "labels", "1"]
)
def test_a_batch_does_not_matter(y):
    for sequences, missing in ((X, "error"), (GAPS, "indicator")):
        model = RNNClassifier(**FEW, missing=missing).fit(sequences, y)
        together = model.predict_proba(sequences)
        alone = [model.predict_proba([x])[0] for x in sequences]
        assert np.array_equal(together, alone)
        assert np.array_equal(
            model.set_params(n_jobs=2).predict_proba(sequences[::-1]), together[::-1]
        )


def test_a_linear_model_that_knows_nothing_says_little():
    rng = np.random.default_rng(3)
    noise = check_sequences(rng.normal(size=(60, 50, 1)))
    shape = np.convolve(rng.normal(size=80), np.ones(4), "same")
    y = np.arange(60) % 2
    shaped = [rng.normal(size=50) + 2 * c * np.roll(shape, 7 * i)[:50]
              for i, c in enumerate(y)]  # fmt: skip
    sizes = []
    for sequences in (noise, check_sequences(np.stack(shaped))):
        rocket = Rocket.learn(sequences, y, LogLoss(2), seed=0)
        sizes.append(abs(rocket.joined(np.zeros((60, 1)), sequences)).mean())
    assert sizes[0] < 0.5 < 2 < sizes[1]


def test_weights():
    weight = np.arange(len(X)) % 2 + (Y == 0)
    options = {**FEW, "class_weight": "balanced"}
    model = RNNClassifier(**options).fit(X, Y, weight)
    kept = np.flatnonzero(weight)
    again = RNNClassifier(**options).fit([X[i] for i in kept], Y[kept], weight[kept])
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    plain = fitted()
    assert not np.array_equal(plain._model.rocket.coef, model._model.rocket.coef)


def test_large_sets_are_thinned(monkeypatch):
    monkeypatch.setattr(rocket_module, "MOST_SEQS", 5)
    found = Rocket.learn(check_sequences(X), Y, LogLoss(3), seed=0)
    rows = [0, 2, 4, 7, 9]
    monkeypatch.undo()
    few = check_sequences([X[i] for i in rows])
    expected = Rocket.learn(few, Y[rows], LogLoss(3), seed=0)
    assert np.array_equal(found.coef, expected.coef)


def test_auto():
    y = [0, 1] * 6
    long = np.random.default_rng(3).normal(size=(12, 40, 2)) / 4
    long[1::2] += np.sin(np.arange(40) * 2)[:, np.newaxis]
    options = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
    model = RNNClassifier(**options).fit(long, y)
    assert model._model.rocket is not None
    assert model._model.structure["rocket"] == "auto"
    named = RNNClassifier(**options, rocket=True).fit(long, y)
    assert np.array_equal(named.predict_proba(long), model.predict_proba(long))
    for other in ({"convolutions": 0}, {"bidirectional": False}, {"rocket": False}):
        changed = RNNClassifier(**options, **other).fit(long, y)
        assert changed._model.rocket is None
    assert RNNClassifier(**options).fit(long[:, :39], y)._model.rocket is None
    noise = np.random.default_rng(4).normal(size=(30, 40, 1))
    assert RNNClassifier(**options).fit(noise, [0, 1] * 15)._model.rocket is None
    part = RNNClassifier(**options).partial_fit(long, y, classes=[0, 1])
    assert part._model.rocket is None


def test_the_first_of_several_shards_teaches_it():
    estimator = RNNClassifier(**FEW)
    first, other = (X[:8], Y[:8]), (X[8:], Y[8:])
    found = fit_shards(estimator, [([], []), first, other])._model.rocket
    expected = estimator.fit(*first)._model.rocket
    assert np.array_equal(found.coef, expected.coef)
    estimator = RNNClassifier(**{**FEW, "rocket": "auto"}, convolutions=4)
    estimator.set_params(bidirectional=True)
    first = [*X, *X], [*Y, *Y]
    assert fit_shards(estimator, [first, other])._model.rocket is not None
    lacking = X[:2], Y[:2]  # one of the three classes is not there
    assert fit_shards(estimator, [lacking, first])._model.rocket is None


def test_what_cannot_learn_it_says_so():
    with pytest.raises(ValueError, match="rocket=True is learned from all sequences"):
        RNNClassifier(**FEW).partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="rocket=True reads numbers, and feature 0"):
        RNNClassifier(**FEW).fit(["abc", "cab"], [0, 1])


def test_warm_starts_and_partial_fits_keep_it():
    model = RNNClassifier(**FEW, warm_start=True).fit(X, Y)
    rocket = model._model.rocket
    model.fit([x + 1 for x in X], Y).partial_fit(X[:4], Y[:4])
    assert model._model.rocket is rocket
    with pytest.raises(ValueError, match="rocket cannot change from True to False"):
        model.set_params(rocket=False).fit(X, Y)


def test_streams_and_weights_of_torch():
    model = fitted()
    with pytest.raises(ValueError, match="rocket=False to follow a stream"):
        model.stream()
    with pytest.raises(ValueError, match="Fit with rocket=False, or use to_onnx"):
        to_torch(model)
    plain = RNNClassifier(**{**FEW, "rocket": False}).fit(X, Y)
    with pytest.raises(ValueError, match="Set rocket=False, got True"):
        from_torch(to_torch(plain), model)


def test_early_stopping_reads_no_held_out_sequences():
    options = {**FEW, "early_stopping": True, "scoring": None}
    model = RNNClassifier(**options).fit(X, Y, X_val=X[:3], y_val=Y[:3])
    assert np.array_equal(model._model.rocket.coef, fitted()._model.rocket.coef)
    assert model.validation_scores_[-1] <= model.best_validation_score_


def test_files_and_pickles():
    model = RNNClassifier(**FEW, missing="indicator").fit(GAPS, Y)
    save(model, file := io.BytesIO())
    file.seek(0)
    for again in (load(file), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.predict_proba(GAPS), model.predict_proba(GAPS))
        again.partial_fit(GAPS, Y)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("taps", lambda taps: taps + 9),
        ("taps", lambda taps: taps[:0]),
        ("dilation", lambda dilation: dilation * 0),
        ("channel", lambda channel: channel + 64),
        ("sums", lambda sums: sums[:, :1]),
        ("first", lambda first: first[::-1].copy()),
        ("first", lambda first: first + 1),
        ("first", lambda first: first[:-1]),
        ("whole", lambda whole: whole + 1),
        ("threshold", lambda threshold: threshold[:-1]),
        ("scale", lambda scale: scale * 0),
        ("out_mean", lambda mean: mean[:-1]),
        ("coef", lambda coef: coef[:, :2]),
        ("intercept", lambda intercept: intercept * np.nan),
        ("network", lambda network: 2.0),
    ],
)
def test_fields_that_do_not_go_together(name, change):
    fields = fitted()._pack()
    fields["_rocket"] = fields["_rocket"] | {name: change(fields["_rocket"][name])}
    with pytest.raises(ValueError, match="_rocket"):
        RNNClassifier._check_fitted(fields)


def test_a_file_has_it_where_it_says_so():
    fields = fitted()._pack()
    RNNClassifier._check_fitted(fields)
    del fields["_rocket"]
    with pytest.raises(ValueError, match="_rocket must be there if rocket is True"):
        RNNClassifier._check_fitted(fields)


def test_values_that_are_too_large():
    large = [X[3], X[4].copy()]
    large[1][2, 0] = 1e38
    with pytest.raises(ValueError, match=r"X\[1\] contains a value that is too large"):
        fitted().predict(large)


def test_constant_features():
    flat = [np.ones((n, 2)) for n in LENGTHS]
    assert np.isfinite(RNNClassifier(**FEW).fit(flat, Y).predict_proba(flat)).all()
