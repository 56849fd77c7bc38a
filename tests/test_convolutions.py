"""RandomConvolutions and ConvolutionFeatures: their formulas and their promises."""

import gzip
import pickle
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from digests import digest, is_ragged, sequences, with_gaps
from skrnn import RNNClassifier, export
from skrnn.preprocessing import ConvolutionFeatures, RandomConvolutions

DATA = Path(__file__).parents[2] / "shared" / "data" / "classification"


def make(n_seqs=12, n_features=2, seed=0, shortest=1, longest=60, gaps=0.0):
    rng = np.random.default_rng(seed)
    X = [
        rng.normal(size=(n, n_features)).cumsum(axis=0) + 100
        for n in rng.integers(shortest, longest, size=n_seqs)
    ]
    for x in X:
        x[rng.random(x.shape) < gaps] = np.nan
    return X


def outputs(x, weights, dilation, causal):
    """The outputs of a kernel at each step of one channel, and whether they count."""
    before = (8 if causal else 4) * dilation
    known = np.isfinite(x)
    padded = np.zeros(len(x) + 8 * dilation)
    padded[before : before + len(x)] = np.where(known, x, 0)
    out = sum(w * padded[j * dilation :][: len(x)] for j, w in enumerate(weights))
    return out, known


@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize("causal", [False, True])
def test_segments_are_those_of_the_formula(causal, gaps):
    X = make(gaps=gaps)
    model = RandomConvolutions(
        20, dilations=[1, 3], pool_length=7, causal=causal, random_state=0
    ).fit(X)
    for x, segments in zip(X, model.transform(X), strict=True):
        z = (x - model.mean_) / model.scale_
        assert segments.shape == (-(-len(x) // 7), 40)
        for k in range(20):
            c, known = outputs(
                z[:, model.channels_[k]], model.kernels_[k], model.dilations_[k], causal
            )
            for s in range(len(segments)):
                at = known[7 * s : 7 * s + 7]
                part = c[7 * s : 7 * s + 7][at] - model.thresholds_[k]
                if not at.any():
                    assert np.isnan(segments[s, [k, 20 + k]]).all()
                    continue
                assert np.isclose(segments[s, 20 + k], part.max(), atol=2e-5)
                if (abs(part) > 1e-4).all():
                    assert segments[s, k] == np.float32((part > 0).mean())


def test_features_are_those_of_the_formula():
    X = make(n_features=3, shortest=5, gaps=0.1)
    model = ConvolutionFeatures(4 * 84, random_state=0).fit(X)
    table = model.transform(X)
    assert table.shape == (len(X), 4 * 84) and table.dtype == np.float32
    assert len(model.get_feature_names_out()) == 4 * 84
    for x, row in zip(X, table, strict=True):
        z = (x - model.mean_) / model.scale_
        for k in range(0, len(model.kernels_), 5):
            chosen = z[:, model.channels_[k]].sum(axis=1)
            dilation = model.dilations_[k]
            c, known = outputs(chosen, model.kernels_[k], dilation, False)
            if not model._whole[k] and len(x) > 8 * dilation:
                inner = slice(4 * dilation, len(x) - 4 * dilation)
                c, known = c[inner], known[inner]
            for f in range(model._first[k], model._first[k + 1]):
                over = c[known] - model.thresholds_[f]
                if (abs(over) > 1e-4).all() and len(over):
                    assert row[f] == np.float32((over > 0).mean())


def test_kernels_are_those_of_minirocket():
    model = ConvolutionFeatures(84, random_state=0).fit(make())
    expected = {
        tuple(2.0 if j in taps else -1.0 for j in range(9))
        for taps in combinations(range(9), 3)
    }
    assert set(map(tuple, model.kernels_)) == expected


@pytest.mark.parametrize("n_steps", [5, 9, 100, 1000])
@pytest.mark.parametrize("n_features", [84, 100, 840, 9996])
def test_there_are_as_many_features_as_were_asked_for(n_features, n_steps):
    X = np.random.default_rng(0).normal(size=(2, n_steps, 1))
    model = ConvolutionFeatures(n_features).fit(X)
    assert model.transform(X).shape == (2, n_features // 84 * 84)
    assert 8 * model.dilations_.max() <= max(n_steps, 9)


MODELS = [
    RandomConvolutions(30, random_state=0),
    RandomConvolutions(30, causal=True, statistics="max", random_state=0),
    ConvolutionFeatures(252, random_state=0),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_bits_depend_on_the_sequence_alone(model, monkeypatch):
    X = make(n_seqs=20, gaps=0.05)
    fitted = clone(model).fit(X)
    expected = fitted.transform(X)
    order = np.random.default_rng(1).permutation(len(X))
    again = clone(model).fit([X[i] for i in order])
    assert (again.thresholds_ == fitted.thresholds_).all()
    for i in range(len(X)):
        np.testing.assert_array_equal(fitted.transform([X[i]])[0], expected[i])
    monkeypatch.setattr("skrnn.inputs.convolutions.BLOCK", 100)
    for one, other in zip(fitted.transform(X), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (clone(model).fit(X).thresholds_ == fitted.thresholds_).all()
    restored = pickle.loads(pickle.dumps(fitted))
    for one, other in zip(restored.transform(X), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_model_files(model, tmp_path):
    X = make()
    fitted = clone(model).fit(X)
    export.save(fitted, tmp_path / "model.skrnn")
    restored = export.load(tmp_path / "model.skrnn")
    for one, other in zip(restored.transform(X), fitted.transform(X), strict=True):
        np.testing.assert_array_equal(one, other)
    assert vars(restored).keys() == vars(fitted).keys()


@pytest.mark.parametrize(
    "model, name, change, words",
    [
        (MODELS[0], "kernels_", lambda a: a + 1, "three taps of 2"),
        (MODELS[0], "dilations_", lambda a: a * 0, "at least 1"),
        (MODELS[0], "channels_", lambda a: a + 2, "at most 1"),
        (MODELS[0], "scale_", lambda a: a * 0, "at least"),
        (MODELS[0], "pool_length_", lambda a: 0, "at least 1"),
        (MODELS[0], "_statistics", lambda a: ["mean"], "one of"),
        (MODELS[0], "_statistics", lambda a: [], "must name"),
        (MODELS[2], "_channel", lambda a: a + 64, "at most 63"),
        (MODELS[2], "_first", lambda a: a[::-1].copy(), "begin with 0"),
        (MODELS[2], "thresholds_", lambda a: a[1:], "shape"),
    ],
)
def test_changed_models_are_refused(model, name, change, words, tmp_path):
    fitted = clone(model).fit(make())
    vars(fitted)[name] = change(vars(fitted)[name])
    with pytest.raises(ValueError, match=words):
        export.save(fitted, tmp_path / "model.skrnn")


@pytest.mark.parametrize(
    "model, expected",
    [
        (MODELS[0], "3be635db72ddd08d"),
        (MODELS[1], "61fbd46d37028c7b"),
        (MODELS[2], "826ee4efbdb04b3d"),
    ],
    ids=str,
)
def test_digests(model, expected):
    X = with_gaps(sequences(longest=60))
    table = clone(model).fit(X).transform(X)
    assert digest(table if is_ragged(table) else [table])[:16] == expected


@pytest.mark.parametrize("sizes", [[1], [3, 1, 20], [200]])
def test_a_stream_has_the_bits_of_the_whole(sizes):
    X = make(n_seqs=5, gaps=0.1)
    model = RandomConvolutions(16, pool_length=4, causal=True, random_state=0).fit(X)
    stream = model.stream()
    for x, expected in zip(X, model.transform(X), strict=True):
        parts, at = [], 0
        while at < len(x):
            n = sizes[len(parts) % len(sizes)]
            parts.append(stream.step(x[at] if n == 1 else x[at : at + n]))
            at += n
        assert sum(map(len, parts)) == len(x) // 4
        parts.append(stream.finish())
        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_a_stream_says_what_is_wrong():
    X = make()
    with pytest.raises(ValueError, match="causal=True"):
        RandomConvolutions(8).fit(X).stream()
    stream = RandomConvolutions(8, pool_length=2, causal=True).fit(X).stream()
    before = stream.step(X[0][:1])
    for bad, words in [
        ([1.0, 2.0, 3.0], "3 features, but the stream is expecting 2"),
        ([np.inf, 0.0], "infinity"),
        ([1e300, 0.0], "too large on the scale"),
        (["a", "b"], "could not convert"),
    ]:
        with pytest.raises(ValueError, match=words):
            stream.step(bad)
    assert len(before) == 0 and len(stream.step(X[0][1:2])) == 1


def test_constant_unknown_and_short_sequences_are_harmless():
    X = [np.ones((30, 2)), np.ones((1, 2)), np.full((9, 2), np.nan)]
    segments = RandomConvolutions(8, pool_length=3).fit(X).transform(X)
    assert (segments[0][:, :8] == 0).all() and (segments[0][:, 8:] == 0).all()
    assert segments[1].shape == (1, 16) and np.isnan(segments[2]).all()
    table = ConvolutionFeatures(84).fit(X).transform(X)
    assert (table[:2] == 0).all() and np.isnan(table[2]).all()


def test_a_shift_and_a_scale_change_nothing():
    X = make(shortest=20)
    one = RandomConvolutions(16, random_state=0).fit(X).transform(X)
    moved = [3 * x - 7 for x in X]
    other = RandomConvolutions(16, random_state=0).fit(moved).transform(moved)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a[:, 16:], b[:, 16:], atol=2e-4)


@pytest.mark.parametrize(
    "parameters, words",
    [
        ({"n_kernels": 0}, "n_kernels"),
        ({"dilations": 0}, "dilations"),
        ({"dilations": [1, 0]}, "between 1 and"),
        ({"dilations": [1.5]}, "list of ints"),
        ({"dilations": []}, "list of ints"),
        ({"dilations": "many"}, "dilations"),
        ({"pool_length": 0}, "pool_length"),
        ({"statistics": "mean"}, "statistics"),
        ({"statistics": ("share", "share")}, "statistics must be"),
        ({"statistics": ()}, "statistics must be"),
    ],
)
def test_wrong_parameters_are_named(parameters, words):
    with pytest.raises(ValueError, match=words):
        RandomConvolutions(**parameters).fit(make())


def test_wrong_sequences_are_named():
    model = RandomConvolutions(8).fit(make())
    with pytest.raises(ValueError, match="X has 3 features"):
        model.transform(make(n_features=3))
    X = make(shortest=5)
    X[3][2, 1] = 1e200
    with pytest.raises(ValueError, match=r"X\[3\] contains a value that is too large"):
        model.transform(X)
    X[3][2, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.fit(X)


def test_names_of_features_are_compared():
    X = [pd.DataFrame(x, columns=["a", "b"]) for x in make()]
    model = RandomConvolutions(8, random_state=0).fit(X)
    assert list(model.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        model.transform([x.rename(columns={"a": "c"}) for x in X])


def shapes(n_seqs, seed):
    """Bumps up or down somewhere in noise, so that only the local shape tells."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n_seqs)
    X = []
    for label in y:
        x = rng.normal(size=rng.integers(100, 140)) / 4
        at = rng.integers(10, 80)
        x[at : at + 9] += np.hanning(9) * (3 if label else -3)
        X.append(x)
    return X, y


def test_a_network_reads_shapes_anywhere():
    X, y = shapes(60, 0)
    X_test, y_test = shapes(60, 1)
    network = RNNClassifier(
        16, pooling="mean", segment_length=1, max_iter=30, random_state=0
    )
    model = make_pipeline(RandomConvolutions(32, random_state=0), network)
    assert model.fit(X, y).score(X_test, y_test) >= 0.9
    linear = make_pipeline(ConvolutionFeatures(840, random_state=0), RidgeClassifier())
    assert linear.fit(X, y).score(X_test, y_test) >= 0.9
    assert cross_val_score(linear, X, y, cv=2).mean() > 0.8
    search = GridSearchCV(
        linear, {"convolutionfeatures__n_features": [84, 420]}, cv=2
    ).fit(X, y)
    assert search.best_score_ > 0.7


def read(path):
    """Sequences of one feature, and their labels, of a file of the UCR archive."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        cases = [line.strip().split(":") for line in lines if line[0] not in "#@\n"]
    X = [np.array(values.split(","), dtype=float)[:, np.newaxis] for values, _ in cases]
    return X, [label for _, label in cases]


@pytest.mark.skipif(not DATA.is_dir(), reason="the sets are not here")
@pytest.mark.parametrize(
    ("name", "published"), [("GunPoint", 0.993), ("PickupGestureWiimoteZ", 0.84)]
)
def test_features_reach_what_minirocket_is_published_to(name, published):
    X, y = read(DATA / f"{name}_TRAIN.ts.gz")
    model = make_pipeline(
        ConvolutionFeatures(random_state=0),
        StandardScaler(),
        RidgeClassifierCV(np.logspace(-3, 3, 10)),
    ).fit(X, y)
    assert model.score(*read(DATA / f"{name}_TEST.ts.gz")) >= published - 0.01
