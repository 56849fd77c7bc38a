"""SequenceTranscriber in ONNX and as weights of torch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from outside import import_oracle, onnx_session
from skrnn import SequenceTranscriber
from skrnn.export import onnx_initial_state, to_onnx, to_torch
from test_transcriber import QUICK, drawn, problem

onnx = import_oracle("onnx")
ort = import_oracle("onnxruntime")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def padded(X, fill=np.nan):
    lengths = np.array([len(x) for x in X])
    table = np.full((len(X), lengths.max(), X[0].shape[1]), fill)
    for row, x in zip(table, X, strict=True):
        row[: len(x)] = x
    return table, lengths


@pytest.mark.parametrize("standardize", ["steps", "sequence", False])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("missing", ["error", "indicator"])
def test_batches(standardize, k, missing):
    X, y = problem()
    if missing == "indicator":
        X[3][1] = X[4][0] = np.nan
    options = {"segment_length": k, "missing": missing, "standardize": standardize}
    y = [text[:2] for text in y]
    model = SequenceTranscriber(**QUICK, **options, dtype="float64").fit(X, y)
    drawn(model, by=0.5)
    session = onnx_session(to_onnx(model))
    table, lengths = padded(X)
    (log_p,) = session.run(None, {"X": table, "sequence_lens": lengths})
    assert log_p.shape == (len(X), -(-table.shape[1] // k), len(model.classes_) + 1)
    for found, expected in zip(log_p, model.label_log_proba(X), strict=True):
        assert_allclose(found[: len(expected)], expected, atol=1e-10)
        assert np.isnan(found[len(expected) :]).all()
    # What the estimator refuses is NaN, of that sequence alone.
    lengths[2] = 0
    (again,) = session.run(None, {"X": table, "sequence_lens": lengths})
    assert np.isnan(again[2]).all()
    assert np.array_equal(again[3:], log_p[3:], equal_nan=True)


@pytest.mark.parametrize("k", [1, 3])
def test_streams(k):
    X, y = problem()
    y = [text[:2] for text in y]
    model = SequenceTranscriber(bidirectional=False, segment_length=k, **QUICK)
    drawn(model.fit(X, y), by=0.5)
    exported = to_onnx(model, streaming=True)
    session, state = onnx_session(exported), onnx_initial_state(exported, 2)
    names = [output.name for output in session.get_outputs()]
    assert names[0] == "log_probabilities"
    x = np.stack([np.concatenate(X)[i : i + 11] for i in (0, 7)])
    for t in range(11):
        log_p, *after = session.run(None, {"X": x[:, t], **state})
        state = dict(zip(state, after, strict=True))
        expected = model.label_log_proba(list(x[:, : t + 1]))
        assert_allclose(log_p, [own[-1] for own in expected], atol=1e-5)
    for options in ({"bidirectional": True}, {"standardize": "sequence"}):
        model.set_params(**{"bidirectional": False, **options})
        with pytest.raises(ValueError, match="stream"):
            to_onnx(model.fit(X, y), streaming=True)


def test_weights_of_torch():
    torch = import_oracle("torch")
    X, y = problem()
    model = SequenceTranscriber(**QUICK, dtype="float64", segment_length=1).fit(X, y)
    mapping = to_torch(model)
    rnn = torch.nn.GRU(1, 5, bidirectional=True, batch_first=True, dtype=torch.float64)
    head = torch.nn.Linear(10, 4, dtype=torch.float64)
    for name, module in (("rnn", rnn), ("head", head)):
        own = {k.removeprefix(f"{name}."): v for k, v in mapping.items() if name in k}
        module.load_state_dict({k: torch.from_numpy(v) for k, v in own.items()})
    for x, text in zip(X[:5], y, strict=False):
        steps = (x - mapping["input_mean"]) / mapping["input_scale"]
        with torch.no_grad():
            log_p = head(rnn(torch.from_numpy(steps[None]))[0])[0].log_softmax(-1)
        assert_allclose(model.label_log_proba([x])[0], log_p.numpy(), atol=1e-12)
        labels = torch.tensor([["abc".index(k) + 1 for k in text]])
        loss = torch.nn.functional.ctc_loss(
            log_p[:, None], labels, [len(x)], [len(text)], reduction="sum"
        )
        found = model.score_samples([x], [text])[0]
        assert found == pytest.approx(-loss.item(), rel=1e-12)
