"""SequenceTranslator in ONNX: the encoder, and one step of the decoder."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from outside import import_oracle, onnx_session, run_onnx
from skrnn import SequenceTranslator
from skrnn.export import onnx_initial_state, to_onnx, to_torch
from skrnn.preprocessing import SequenceScaler

onnx = import_oracle("onnx")
ort = import_oracle("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
QUICK = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0, "dropout": 0.0}
TEXTS = ["abc", "b", "cabba", "ccab", "ab", "bca"]
ANSWERS = ["xy", "", "yxy", "yy", "x", "xyx"]


def run(session, **inputs):
    return run_onnx(session, inputs)


def padded(texts):
    table = np.full((len(texts), max(map(len, texts))), "a", dtype=object)
    for row, text in zip(table, texts, strict=True):
        row[: len(text)] = list(text)
    return {"tokens0": table, "sequence_lens": np.array(list(map(len, texts)))}


def fitted(X=TEXTS, y=ANSWERS, **more):
    model = SequenceTranslator(**QUICK | more).fit(X, y)
    rng = np.random.RandomState(1)  # weights far from those that a fit begins with
    theta = model._model.theta
    drawn = rng.uniform(-0.8, 0.8, theta.shape).astype(theta.dtype)
    model._model = model._model.with_theta(drawn)
    return model


def forced(encoder, decoder, sources, codes, about):
    """Log-probabilities and weights of given codes, by steps of the decoder."""
    state = run(encoder, **sources)
    begin, found = int(about["begin"]), []
    ids = np.full(len(codes), begin)
    for t in range(max(map(len, codes)) + 1):
        out = run(decoder, ids=ids, **state)
        found.append((out["log_proba"], out.get("attention")))
        state |= {
            name.removesuffix("_next"): value
            for name, value in out.items()
            if name.endswith("_next")
        }
        ids = np.array([own[t] if t < len(own) else 0 for own in codes])
    return found


def check_forced(model, X, y, sources, tolerance):
    exported = to_onnx(model), to_onnx(model, streaming=True)
    about = {p.key: p.value for p in exported[0].metadata_props}
    labels = json.loads(about["tokens"])
    assert labels == model.target_vocabulary_.tolist()
    codes = [[labels.index(label) + 1 for label in own] for own in y]
    found = forced(*map(onnx_session, exported), sources, codes, about)
    log_p = [
        sum(found[t][0][i, code] for t, code in enumerate([*own, int(about["end"])]))
        for i, own in enumerate(codes)
    ]
    assert_allclose(log_p, model.score_samples(X, y), rtol=tolerance, atol=tolerance)
    if model.attention is None:
        assert found[0][1] is None
        return
    for i, expected in enumerate(model.attention_weights(X, y)):
        n_rows, n_steps = expected.shape
        rows = np.array([found[t][1][i] for t in range(n_rows)])
        assert_allclose(rows[:, :n_steps], expected, atol=tolerance)
        assert not rows[:, n_steps:].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("attention", ["general", "additive", None])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"cell": "lstm", "hidden_layer_sizes": (4, 6)},
        {"cell": "rnn", "bidirectional": False, "tie_embeddings": False},
    ],
    ids=["gru", "lstm", "rnn"],
)
def test_texts(options, attention, dtype):
    model = fitted(attention=attention, dtype=dtype, **options)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    check_forced(model, TEXTS, ANSWERS, padded(TEXTS), tolerance)


@pytest.mark.parametrize("k", [1, 3])
def test_numbers(k):
    rng = np.random.RandomState(0)
    X = [10 * rng.randn(n, 2) for n in (4, 1, 9, 6)]
    y = [[7, 1], [], [1, 1, 7], [7]]
    X[0][1, 1] = np.nan
    options = {"segment_length": k, "missing": "indicator", "dtype": "float64"}
    model = fitted(X, y, **options)
    lengths = np.array(list(map(len, X)))
    table = np.full((len(X), 9, 2), np.inf)
    for row, x in zip(table, X, strict=True):
        row[: len(x)] = x
    sources = {"X": table, "sequence_lens": lengths}
    check_forced(model, X, y, sources, 1e-12)
    # What the estimator refuses is NaN, of that sequence alone.
    encoder, decoder = (
        onnx_session(to_onnx(model, streaming=s)) for s in (False, True)
    )
    good = run(encoder, **sources)
    table[2, 5] = np.inf
    bad = run(encoder, **sources)
    assert np.isnan(bad["values"][2]).all() and np.isnan(bad["h0"][2]).all()
    for name, value in good.items():
        assert np.array_equal(np.delete(bad[name], 2, 0), np.delete(value, 2, 0))
    log_p = run(decoder, ids=np.full(4, len(model.target_vocabulary_) + 1), **bad)
    assert np.isnan(log_p["log_proba"]).all(1).tolist() == [False, False, True, False]


def test_the_loop_of_the_guide():
    model = fitted(beam_width=1)
    encoder, exported = to_onnx(model), to_onnx(model, streaming=True)
    about = {p.key: p.value for p in exported.metadata_props}
    labels = ["", *json.loads(about["tokens"])]
    encoder, decoder = onnx_session(encoder), onnx_session(exported)
    limits = model._model.limits(model._check_sequences(TEXTS))
    for text, limit, expected in zip(TEXTS, limits, model.predict(TEXTS), strict=True):
        state, ids, written = run(encoder, **padded([text])), int(about["begin"]), []
        while len(written) < limit:
            out = run(decoder, ids=np.array([ids]), **state)
            ids = int(out["log_proba"][0].argmax())
            if ids == int(about["end"]):
                break
            written.append(labels[ids])
            state = {k: out.get(f"{k}_next", v) for k, v in state.items()}
        assert "".join(written) == expected


def test_no_rows_and_what_cannot_be():
    model = fitted()
    encoder, decoder = to_onnx(model), to_onnx(model, streaming=True)
    nothing = {
        "tokens0": np.empty((0, 3), dtype=object),
        "sequence_lens": np.empty(0, dtype=np.int64),
    }
    state = run(onnx_session(encoder), **nothing)
    out = run(onnx_session(decoder), ids=np.empty(0, dtype=np.int64), **state)
    assert out["log_proba"].shape == (0, 3) and out["h0_next"].shape == (0, 5)
    assert set(onnx_initial_state(decoder)) == {"h0"}

    X = [np.ones((3, 1)), np.zeros((2, 1))] * 3
    pipeline = make_pipeline(SequenceScaler(), SequenceTranslator(**QUICK))
    check = to_onnx(pipeline.fit(X, ANSWERS))
    assert [i.name for i in check.graph.input] == ["X", "sequence_lens"]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("attention", ["general", "additive", None])
def test_weights_of_torch(attention, cell, tied):
    torch = import_oracle("torch")
    model = fitted(
        attention=attention,
        cell=cell,
        tie_embeddings=tied,
        hidden_layer_sizes=(5, 5),
        dtype="float64",
    )
    w = {name: torch.from_numpy(value) for name, value in to_torch(model).items()}
    layer = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]

    def module(name, bidirectional):
        n_in = w[f"{name}.weight_ih_l0"].shape[1]
        rnn = layer(n_in, 5, 2, bidirectional=bidirectional, dtype=torch.float64)
        prefix = f"{name}."
        rnn.load_state_dict(
            {k.removeprefix(prefix): v for k, v in w.items() if k.startswith(prefix)}
        )
        return rnn

    known = model.source_vocabulary_.tolist()
    written = ["", *model.target_vocabulary_]
    encoder, decoder = module("rnn", True), module("decoder", False)

    def linear(x, name):
        return torch.nn.functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    for text, answer in zip(TEXTS, ANSWERS, strict=True):
        x = w["embedding0.weight"][[known.index(c) for c in text]]
        values, state = encoder(x)
        h = state if cell == "gru" else state[0]
        last = torch.cat([h[-2], h[-1]])
        kinds = ("", ".memory")[: 1 + (cell == "lstm")]
        first = [
            torch.stack([torch.tanh(linear(last, f"bridge.{k}{kind}")) for k in (0, 1)])
            for kind in kinds
        ]
        codes = [written.index(c) for c in answer]
        h, _ = decoder(
            w["target.weight"][[-1, *codes]], first[0] if cell == "gru" else (*first,)
        )
        joined = h
        if attention is not None:
            keys = linear(values, "attention.keys")
            if attention == "general":
                scores = h @ keys.T
            else:
                query = linear(h, "attention.query")
                near = torch.tanh(query[:, None] + keys)
                scores = linear(near, "attention.v")[..., 0]
            joined = torch.cat([h, scores.softmax(1) @ values], 1)
        rows = torch.tanh(linear(joined, "attention.join"))
        log_p = linear(rows, "head").log_softmax(1)
        expected = sum(log_p[t, code].item() for t, code in enumerate([*codes, 0]))
        found = model.score_samples([text], [answer])[0]
        assert found == pytest.approx(expected, rel=1e-11)
