"""Convolutions in front of the network of an estimator."""

import io
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor
from skrnn._convolutions import put_beside
from skrnn.distributed import fit_shards
from skrnn.export import from_torch, load, save, to_torch
from skrnn.inputs import convolved
from skrnn.inputs.convolutions import TAPS, weights_of
from skrnn.inputs.convolved import Convolutions, between_outputs
from skrnn.inputs.sequences import check_sequences
from skrnn.models.sequence import SequenceModel
from toys import with_gaps

RNG = np.random.default_rng(0)
LENGTHS = [1, 2, 3, 9, 14, 30, 17, 25, 8, 21, 12, 5]
X = [RNG.normal(size=(n, 2)) + i % 3 for i, n in enumerate(LENGTHS)]
Y = np.arange(len(X)) % 3
FEW = {"convolutions": 12, "hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0}
FEW |= {"bidirectional": False}
BOTH = {**FEW, "bidirectional": True}


GAPS = with_gaps(X, RNG)


def learn(sequences, n_kernels=12, segment_length=3, causal=False, **options):
    sequences = check_sequences(sequences, missing="indicator")
    return Convolutions.learn(
        sequences, n_kernels, segment_length, causal=causal, seed=1, **options
    )


def by_hand(c, x, k):
    """The standardised outputs of one sequence, (n_segments, n_out), step by step."""
    z = (x - c.mean) / c.scale
    rows = []
    for start in range(0, len(x), k):
        share, largest = [], []
        for j, weights in enumerate(weights_of(c.kernels.taps)):
            d, f = c.kernels.dilation[j], c.kernels.channel[j]
            found = []
            for t in range(start, min(start + k, len(x))):
                if np.isnan(x[t, f]):
                    continue
                at = t + d * (np.arange(9) - c.kernels.n_before)
                values = [z[i, f] if 0 <= i < len(x) else 0.0 for i in at]
                found.append(np.nan_to_num(values) @ weights)
            over = np.array(found) > c.threshold[j]
            share.append(over.mean() if found else np.nan)
            largest.append(max(found) - c.threshold[j] if found else np.nan)
        rows.append(share + largest)
    return np.nan_to_num((np.array(rows) - c.out_mean) / c.out_scale, nan=0.0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sequences", [X, GAPS], ids=["known", "gaps"])
def test_outputs_by_hand(sequences, causal):
    c = learn(sequences, causal=causal)
    outputs = c.outputs(check_sequences(sequences, missing="indicator"), 3)
    expected = np.concatenate([by_hand(c, x, 3) for x in sequences])
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert outputs.dtype == np.float32


def test_the_order_of_the_sequences_does_not_matter():
    order = np.random.default_rng(1).permutation(len(X))
    one, other = learn(X).pack(), learn([X[i] for i in order]).pack()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_weight_of_two_is_two_sequences():
    weight = np.ones(len(X))
    weight[6] = 2
    one, other = learn(X, weight=weight).pack(), learn([*X, X[6]]).pack()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)


def test_thresholds_lie_between_outputs():
    outputs = np.repeat([0.0, 1.0, 4.0], 5).astype(np.float32)
    weight = np.ones(15)
    assert between_outputs(outputs, weight, 0.2) == 0.5
    outputs[5] += np.float32(1e-6)  # as another order of a sum may give it
    assert abs(between_outputs(outputs, weight, 0.35) - 2.5) < 1e-5
    assert between_outputs(outputs, weight, 0.9) > 4
    assert between_outputs(outputs[:0], weight[:0], 0.5) == 0
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 100):  # values alone are not sorted, those with weights are
        outputs, weight = rng.integers(-5, 5, n).astype(np.float32), np.ones(n)
        for q in rng.uniform(0.2, 0.8, 9):
            expected = between_outputs(outputs, 2 * weight, q)
            assert between_outputs(outputs, weight, q) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_stand_beside_packed_rows(dtype):
    rng = np.random.default_rng(0)
    lengths, n_active = np.array([4, 3, 3, 1]), np.array([4, 3, 3, 1])
    offset = np.concatenate([[0], np.cumsum(n_active)])
    x, outputs = rng.normal(size=(11, 2)).astype(dtype), rng.normal(size=(20, 3))
    outputs, start = outputs.astype(np.float32), np.array([16, 0, 3, 9])
    joined = np.empty((11, 5), dtype)
    put_beside(x, outputs, start, lengths, offset, joined)
    for t, n in enumerate(n_active):
        rows = slice(offset[t], offset[t + 1])
        assert np.array_equal(joined[rows, :2], x[rows])
        assert np.array_equal(joined[rows, 2:], outputs[start[:n] + t].astype(dtype))
    for bad in (start + 1, start - 1):
        with pytest.raises(IndexError):
            put_beside(x, outputs, bad, lengths, offset, joined)
    with pytest.raises(IndexError):
        put_beside(x, outputs, start, lengths, offset + 1, joined)


@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_batch_does_not_matter(estimator, bidirectional, monkeypatch):
    model = estimator(**{**FEW, "bidirectional": bidirectional}).fit(X, Y)
    found = model.predict(X)
    assert np.array_equal(found, [model.predict([x])[0] for x in X])
    monkeypatch.setattr(convolved, "KEPT_BYTES", 0)  # computed anew for each batch
    assert np.array_equal(clone(model).fit(X, Y).predict(X), found)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "joined"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("segment_length", [1, 4])
def test_streams(pooling, dtype, segment_length):
    model = RNNClassifier(
        **FEW, pooling=pooling, dtype=dtype, segment_length=segment_length,
        missing="indicator",
    ).fit(GAPS, Y)  # fmt: skip
    stream = model.stream(2, method="decision_function")
    for x in GAPS[4:7]:
        other = model.stream(2, method="decision_function")
        for t, step in enumerate(x):
            if t == 5:  # another stream goes on
                other.state = stream.state
            found = (stream if t < 5 else other).step(np.stack([step, step]))
            expected = model.decision_function([x[: t + 1]])
            assert np.array_equal(found, np.repeat(expected, 2, axis=0))
        stream.reset()


def test_a_refused_step_changes_nothing():
    model = RNNClassifier(**FEW).fit(X, Y)
    stream = model.stream(method="predict_proba")
    for step in X[5][:7]:
        stream.step(step)
    before = stream.state
    for bad in (1e39, 1e38, np.nan):
        with pytest.raises(ValueError, match="too large"):
            stream.step([0.0, bad])
    after = stream.state
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_network_in_both_directions_has_no_stream():
    model = RNNClassifier(**BOTH).fit(X, Y)
    assert not model._model.convolutions.kernels.causal
    with pytest.raises(ValueError, match="bidirectional=False"):
        model.stream()


def test_warm_starts_and_partial_fits_keep_the_kernels():
    model = RNNClassifier(**FEW, warm_start=True).fit(X, Y)
    kernels = model._model.convolutions
    model.fit([x + 1 for x in X], Y).partial_fit(X[:4], Y[:4])
    assert model._model.convolutions is kernels
    with pytest.raises(ValueError, match="convolutions cannot change from 12 to 8"):
        model.set_params(convolutions=8).fit(X, Y)


def test_no_convolutions_are_no_part_of_the_model():
    options = {**FEW, "convolutions": 0}
    model = RNNClassifier(**options).fit(X, Y)
    assert model._model.convolutions is None
    assert "_convolutions" not in model._pack()
    assert model.weights_["layer0.W"].shape[0] == 2


@pytest.mark.parametrize(
    ("n_steps", "n_features", "marks", "n_kernels"),
    [(40, 1, 0, 96), (39, 2, 0, 0), (40, 2, 0, 96), (60, 2, 1, 0), (60, 1, 1, 96)],
)
def test_auto(n_steps, n_features, marks, n_kernels):
    model = RNNClassifier(5, max_iter=1, random_state=0)
    with pytest.raises(AttributeError):
        model.attention_weights(X)
    long = np.random.default_rng(2).normal(size=(6, n_steps, n_features))
    if marks:
        long[..., -1] = long[..., -1] > 0
    model.fit(long, [0, 1] * 3)
    found = model._model
    structure = found.structure
    assert structure["bidirectional"] == bool(n_kernels)
    assert structure["pooling"] == ("joined" if n_kernels else "max")
    assert structure["convolutions"] == "auto"
    assert (0 if found.convolutions is None else len(found.convolutions.threshold)) == (
        n_kernels
    )
    model.set_params(warm_start=True).fit(long, [0, 1] * 3).partial_fit(
        long, [0, 1] * 3
    )
    save(model, path := io.BytesIO())
    path.seek(0)
    again = load(path)
    assert np.array_equal(again.predict_proba(long), model.predict_proba(long))
    explicit = RNNClassifier(
        5, max_iter=1, random_state=0, convolutions=n_kernels,
        bidirectional=bool(n_kernels), pooling=structure["pooling"],
    ).fit(long, [0, 1] * 3)  # fmt: skip
    model.set_params(warm_start=False).fit(long, [0, 1] * 3)
    assert np.array_equal(explicit.predict_proba(long), model.predict_proba(long))


def test_marks_are_zeros_and_ones_in_all_sequences():
    rng = np.random.default_rng(3)
    sequences = [rng.normal(size=(5, 4)) for _ in range(6)]
    for x in sequences:
        x[:, 1:] = x[:, 1:] > 0
    sequences[0][2, 1] = np.nan  # what is unknown does not count
    sequences[-1][3, 2] = 2
    found = check_sequences(sequences, missing="indicator")
    expected = [False, True, False, True]
    assert found.marks().tolist() == expected
    parts = found.take([0, 1, 2]).marks(), found.take([3, 4, 5]).marks()
    assert np.all(parts, axis=0).tolist() == expected


def test_shards_have_the_kernels_of_all_together():
    rng = np.random.default_rng(4)
    X = [rng.normal(size=(41, 2)) for _ in range(12)]
    for x in X[:6]:
        x[:, 1] = x[:, 1] > 0
    y = [0, 1] * 6
    shards = [(X[:6], y[:6]), (X[6:], y[6:])]
    estimator = RNNClassifier(4, max_iter=1, random_state=0)
    assert len(fit_shards(estimator, shards)._model.convolutions.threshold) == 96
    for x in X:
        x[:, 1] = x[:, 1] > 0
    assert fit_shards(estimator, shards)._model.convolutions is None


def test_the_default_regressor_learns_the_last_value():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 1)) for n in rng.integers(5, 60, size=150)]
    last = [x[-1, 0] for x in sequences]
    model = RNNRegressor(max_iter=40, random_state=0).fit(sequences[:100], last[:100])
    assert model._model.convolutions is None
    assert model.score(sequences[100:], last[100:]) > 0.9


def test_early_stopping_and_weights():
    options = {**FEW, "early_stopping": True, "scoring": None}
    weight = np.arange(len(X)) % 2
    model = RNNClassifier(**options)
    model.fit(X, Y, weight, X_val=X[:3], y_val=Y[:3], sample_weight_val=[1, 2, 3])
    seen = [x for x, w in zip(X, weight, strict=True) if w]
    expected = Convolutions.learn(
        check_sequences(seen), 12, model.segment_length_, causal=True,
        seed=model._training.seed,
    )  # fmt: skip
    assert np.array_equal(model._model.convolutions.threshold, expected.threshold)


def test_pickles_hold_plain_values():
    model = RNNClassifier(**FEW).fit(X, Y)
    state = model.__getstate__()
    assert isinstance(state["_convolutions"]["taps"], np.ndarray)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(
        again.partial_fit(X, Y).predict_proba(X),
        model.partial_fit(X, Y).predict_proba(X),
    )


def test_model_files(tmp_path):
    path = tmp_path / "model.skrnn"
    model = RNNClassifier(**FEW, pooling="joined").fit(X, Y)
    save(model, path)
    again = load(path)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(
        again.partial_fit(X, Y).predict_proba(X),
        model.partial_fit(X, Y).predict_proba(X),
    )


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("taps", lambda taps: taps + 9),
        ("dilation", lambda dilation: dilation * 0),
        ("channel", lambda channel: channel + 2),
        ("threshold", lambda threshold: threshold[:-1]),
        ("scale", lambda scale: scale * 0),
        ("out_mean", lambda mean: mean[:-1]),
        ("causal", lambda causal: not causal),
    ],
)
def test_fields_that_do_not_go_together(name, change):
    fields = RNNClassifier(**FEW).fit(X, Y)._pack()
    RNNClassifier._check_fitted(fields)
    kept = fields["_convolutions"]
    fields["_convolutions"] = kept | {name: change(kept[name])}
    with pytest.raises(ValueError, match="_convolutions"):
        RNNClassifier._check_fitted(fields)


def test_weights_of_torch():
    model = RNNClassifier(**FEW).fit(X, Y)
    with pytest.raises(ValueError, match="Fit with convolutions=0, or use to_onnx"):
        to_torch(model)
    plain = RNNClassifier(**{**FEW, "convolutions": 0}, pooling="joined").fit(X, Y)
    mapping = to_torch(plain)
    with pytest.raises(ValueError, match="Set convolutions=0, got 12"):
        from_torch(mapping, model)
    again = from_torch(mapping, plain)
    assert np.array_equal(again.predict_proba(X), plain.predict_proba(X))


def test_tokens_are_not_convolved():
    texts = ["abc", "cab", "bca", "aabb"]
    with pytest.raises(
        ValueError, match=r"convolutions=12 read numbers, and feature 0"
    ):
        RNNClassifier(**FEW).fit(texts, [0, 1, 0, 1])
    RNNClassifier(max_iter=2).fit(texts, [0, 1, 0, 1])


def test_values_that_are_too_large():
    model = RNNClassifier(**FEW).fit(X, Y)
    large = [X[3].astype(float), X[4].copy()]
    large[1][2, 0] = 1e38
    with pytest.raises(ValueError, match=r"X\[1\] contains a value that is too large"):
        model.predict(large)


def test_states_are_those_of_segments():
    model = RNNClassifier(**FEW, segment_length=4).fit(X, Y)
    states = model.hidden_states(X)
    assert [len(h) for h in states] == [-(-n // 4) for n in LENGTHS]


def test_constant_features():
    flat = [np.ones((n, 2)) for n in LENGTHS]
    model = RNNClassifier(**FEW).fit(flat, Y)
    assert np.isfinite(model.predict_proba(flat)).all()


def test_the_network_has_columns_for_the_outputs():
    model = RNNRegressor(**FEW, segment_length=3).fit(X, Y)
    assert isinstance(model._model, SequenceModel)
    assert model.weights_["layer0.W"].shape[0] == 3 * 2 + 2 * 12
    assert len(TAPS) == 84
