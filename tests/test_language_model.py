"""LanguageModel: probabilities of texts, lanes, and what it writes."""

import functools
import itertools
import tracemalloc

import numpy as np
import pytest

from digests import CASES, numbers
from fitted import set_theta, theta_of
from gradcheck import numerical_gradient
from outside import import_oracle, onnx_session
from skrnn import LanguageModel, export
from skrnn.estimators._language_defaults import (
    auto_dropout,
    auto_epochs,
    auto_rate,
    auto_units,
)
from skrnn.losses import TokenLogLoss
from skrnn.network import Network, NetworkSpec
from skrnn.network.inputs import TokenInput
from skrnn.network.readout import BlockedReadout, LinearReadout, row_blocks
from skrnn.solvers import SGD
from skrnn.training import Trainer, TrainingOptions
from skrnn.training.lanes import LaneData, Texts
from toy_texts import WORDS, fit


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def oracle(model, text):
    """The log-probabilities of a text by an LSTM in NumPy, in float64."""
    weights = {name: w.astype(np.float64) for name, w in model.weights_.items()}
    known = {token: i for i, token in enumerate(model.tokens_)}
    ids = [known.get(token, model.unknown_) for token in text]
    n = weights["layer0.U"].shape[0]
    h, c, found = np.zeros(n), np.zeros(n), []
    head = weights.get("head.W")
    if head is None:
        head = weights["embedding0.W"][: model.n_tokens_].T
    targets = [*ids, model.end_] if model.end_ is not None else ids
    for token, target in zip([model.begin_, *ids], targets, strict=False):
        x = weights["embedding0.W"][token] if "embedding0.W" in weights else None
        if x is None:
            x = np.zeros(model.begin_)
            if token < model.begin_:
                x[token] = 1
        z = x @ weights["layer0.W"] + h @ weights["layer0.U"] + weights["layer0.b"]
        i, f, g, o = np.split(z, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        raw = h @ head + weights["head.b"]
        found.append(raw[target] - np.logaddexp.reduce(raw))
    return np.array(found)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"ends": False}, {"tie_embeddings": True}, {"embedding_size": 3}],
    ids=str,
)
def test_scores_are_those_of_the_oracle(parameters):
    model = fit(dtype="float64", **parameters)
    texts = [*WORDS, "zebra"]
    with pytest.warns(UserWarning, match="did not occur in fit"):
        found = model.score_tokens(texts)
    for text, values in zip(texts, found, strict=True):
        assert len(values) == len(text) + (parameters.get("ends", True))
        np.testing.assert_allclose(values, oracle(model, text), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "X, known, new, names",
    [
        (["ab", "ba"], {}, ["aß", "", "zß"], "3 of 4 tokens .*: 'ß', 'z'. They"),
        (["ab", "ba"], {"lowercase": True}, ["AZ"], "1 of 2 tokens .*: 'z'. They"),
        (["a b"], {"analyzer": "word"}, ["a", "b cat"], "1 of 3 .*: 'cat'. They"),
        ([["a", "b"]], {}, [["b"], ["dog", "a"]], "1 of 3 .*: 'dog'. They"),
        ([[1, 2]], {}, [np.array([2, 7])], "1 of 2 tokens .*: 7. They"),
        (["ab"], {}, ["cdefghabi"], "7 of 9 .*: 'c', 'd', 'e', 'f', 'g', .... They"),
        (["ab"], {}, ["c" * 60], "60 of 60 .*: 'c', .... They"),
    ],
    ids=["char", "lower", "word", "tokens", "ids", "many", "often"],
)
def test_a_warning_names_unknown_tokens(X, known, new, names):
    model = fit(X, max_iter=1, **known)
    with pytest.warns(UserWarning, match=f"^{names} are read as unknown.$"):
        model.score_tokens(new)


def test_probabilities_of_all_strings_sum_to_one():
    model = fit(["ab", "ba", "a", "b", "aab"], dtype="float64")
    n_known = model.n_tokens_ - 1  # with the unknown token
    alphabet = [*model.tokens_, "?"]
    assert len(alphabet) == n_known
    total, open_ends = 0.0, 1.0
    with pytest.warns(UserWarning, match="did not occur"):
        for length in range(5):
            strings = ["".join(s) for s in itertools.product(alphabet, repeat=length)]
            scores = model.score_tokens(strings)
            begun = sum(np.exp(s[:-1].sum()) for s in scores)
            assert begun == pytest.approx(1 - total, abs=1e-12)
            total += sum(np.exp(s.sum()) for s in scores)
            open_ends = begun
    assert 0 < total < 1 and open_ends > 0


def test_measures():
    model = fit()
    tokens = model.score_tokens(WORDS)
    n = sum(map(len, tokens))
    assert n == sum(len(text) + 1 for text in WORDS)
    total = sum(values.sum() for values in tokens)
    np.testing.assert_allclose(
        model.score_samples(WORDS), [values.sum() for values in tokens]
    )
    assert model.score(WORDS) == pytest.approx(total / n)
    assert model.perplexity(WORDS) == pytest.approx(np.exp(-total / n))
    characters = sum(map(len, WORDS))
    expected = -total / np.log(2) / characters
    assert model.bits_per_character(WORDS) == pytest.approx(expected)
    weight = np.arange(len(WORDS))
    weighted = (weight * model.score_samples(WORDS)).sum()
    weighted /= (weight * [len(text) + 1 for text in WORDS]).sum()
    assert model.score(WORDS, sample_weight=weight) == pytest.approx(weighted)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_same_bits_whatever_stands_beside(cell, monkeypatch):
    model = fit(cell=cell, hidden_layer_sizes=(6, 5))
    texts = [*WORDS, "hannahannasusanna" * 30]
    expected = model.score_tokens(texts)
    proba = model.predict_log_proba(texts)
    for i, text in enumerate(texts):
        np.testing.assert_array_equal(model.score_tokens([text])[0], expected[i])
        np.testing.assert_array_equal(model.predict_log_proba([text])[0], proba[i])
        stream, found = model.stream(), []
        for token in text:
            found.append(stream.log_proba()[list(model.tokens_).index(token)])
            stream.step(token)
        found.append(stream.log_proba()[model.end_])
        np.testing.assert_array_equal(found, expected[i])
    monkeypatch.setattr("skrnn.models.language.READ_LANES", 2)
    monkeypatch.setattr("skrnn.models.language.READ_STEPS", 7)
    for one, other in zip(model.score_tokens(texts), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    model.set_params(n_jobs=3)
    np.testing.assert_array_equal(model.predict_log_proba(texts), proba)


# Lanes -----------------------------------------------------------------------------


def make_texts(lengths=(7, 3, 5, 1, 9), seed=0, end=3):
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, size=sum(lengths)).astype(np.int32)
    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.intp)
    return Texts(ids, start, 3, end)


def total_gradient(model, data):
    """The sum of the gradients of all windows, and of the losses of all tokens."""
    network = Network(model.spec)
    network.load(model.theta)
    grad, value = np.zeros_like(model.theta), 0.0
    for window in data.blocks():
        batch, targets, weight = data.batch(window, network.dtype)
        value += network.add_gradient(
            model.loss,
            batch,
            targets,
            weight,
            grad,
            share=float(weight.sum()),
            random_state=None,
            n_threads=1,
        )
    return value, grad


def make_model(cell="lstm", tied=False, **parameters):
    words = ["abc", "cab", "bca"]
    model = LanguageModel(
        5, cell=cell, dtype="float64", tie_embeddings=tied, max_iter=1, random_state=0
    )
    model.set_params(min_frequency=1, **parameters).fit(words)
    return model._model


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("n_steps", [4, 100])
def test_gradients_of_lanes_are_the_sum_over_texts(cell, n_steps):
    model, texts = make_model(cell), make_texts()
    whole = LaneData(texts, None, 2, n_steps, split=False)
    value, grad = total_gradient(model, whole)
    value_alone, grad_alone = 0.0, 0.0
    for i in range(len(texts)):
        one = texts.take(np.array([i]))
        # The cuts of the lane lie elsewhere in the text, unless there are none.
        if n_steps == 100:
            more = total_gradient(model, LaneData(one, None, 1, n_steps))
            value_alone, grad_alone = value_alone + more[0], grad_alone + more[1]
        else:
            value_alone += total_gradient(model, LaneData(one, None, 1, 100))[0]
    assert value == pytest.approx(value_alone, rel=1e-12)
    if n_steps == 100:
        np.testing.assert_allclose(grad, grad_alone, atol=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_gradients_against_finite_differences(tied, monkeypatch):
    monkeypatch.setattr("skrnn.network.readout.BLOCK_ROWS", 4)
    monkeypatch.setattr("skrnn.network.readout.BLOCK_OUTPUTS", 1)
    model, texts = make_model(tied=tied), make_texts()
    data = LaneData(texts, np.array([1.0, 2.0, 0.0, 1.0, 0.5]), 2, 100)
    value, grad = total_gradient(model, data)

    theta = model.theta.copy()
    changed = model.with_theta(theta)
    expected = numerical_gradient(lambda: total_gradient(changed, data)[0], theta)
    np.testing.assert_allclose(grad, expected, atol=1e-6)
    assert value > 0


@pytest.mark.parametrize("dtype, rtol", [("float32", 2e-5), ("float64", 1e-12)])
def test_the_fused_head_against_the_plain_one(dtype, rtol):
    """Outputs by blocks of 128 rows, and all 600 rows by 700 tokens at once."""
    texts = make_texts((600,), end=None)
    texts.ids = np.random.default_rng(0).integers(700, size=600).astype(np.int32)
    found = []
    for readout in (BlockedReadout, LinearReadout):
        spec = NetworkSpec(
            0,
            (5,),
            700,
            cell="gru",
            pooling="none",
            input=functools.partial(TokenInput, (700,), (4,), 1.0),
            readout=readout,
            dtype=dtype,
        )
        network = Network(spec)
        theta = spec.initialize(np.random.RandomState(0))
        network.load(theta)
        data, grad = LaneData(texts, None, 4, 150), np.zeros_like(theta)
        (window,) = data.blocks()
        value = network.add_gradient(
            TokenLogLoss(700),
            *data.batch(window, network.dtype),
            grad,
            random_state=None,
            n_threads=1,
        )
        found.append((value, grad))
    (fused, grad), (plain, expected) = found
    np.testing.assert_allclose(fused, plain, rtol=rtol)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(grad, expected, rtol=0, atol=rtol * scale)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 8])
@pytest.mark.parametrize("n_lanes", [1, 2, 7])
@pytest.mark.parametrize("end", [3, None])
def test_each_prediction_is_made_once(n_steps, n_lanes, end):
    for longest in range(1, 3 * n_steps + 2):
        texts = make_texts((longest, 2, 1, longest // 2 + 1), end=end)
        data = LaneData(texts, None, n_lanes, n_steps)
        seen = []
        for window in data.blocks():
            batch, text, at = data.window(window, np.float32)
            seen += list(zip(text.tolist(), at.tolist(), strict=True))
            assert batch.lengths.max() <= n_steps
            assert (np.diff(batch.n_active) <= 0).all()
        expected = [(i, j) for i, n in enumerate(texts.lengths) for j in range(n)]
        assert sorted(seen) == expected


def test_a_border_ends_the_state():
    """What stands before a text in its lane does not change its gradient."""
    model = make_model()
    first, second = make_texts((6, 4)), make_texts((6, 4), seed=1)
    ids = np.concatenate([first.ids[:6], second.ids[6:]])
    mixed = Texts(ids, second.start, 3, 3)
    for texts in (second, mixed):
        data = LaneData(texts, np.array([1e-300, 1.0]), 1, 3, split=False)
        value, grad = total_gradient(model, data)
        alone = LaneData(texts.take(np.array([1])), None, 1, 100)
        assert value == pytest.approx(total_gradient(model, alone)[0], rel=1e-12)


def test_states_are_carried_across_borders_if_asked():
    texts = make_texts((5, 4, 3), end=None)
    model = make_model(ends=False)
    whole = Texts(texts.ids, np.array([0, 12], dtype=np.intp), 3, None)
    data = LaneData(texts, None, 1, 4, carried=True)
    sources = [data._source[slice(*data._window_starts[w : w + 2])] for w in range(3)]
    assert [s.tolist() for s in sources][0][0] == -1
    assert sum((s < 0).sum() for s in sources) == 1
    assert total_gradient(model, data)[0] > 0 and len(whole) == 1
    carried = fit(["abab", "baba"], carry_state=True, ends=False)
    assert carried.score(["abab", "baba"]) < 0


def test_an_epoch_of_one_step_is_that_of_one_update():
    texts = make_texts()
    model = make_model()
    network, options = Network(model.spec), TrainingOptions(2, 1)
    solver, generator = SGD(0.1, learning_rate="linear"), np.random.RandomState(0)
    trainer = Trainer(network, model.loss, solver, options, generator)
    theta = model.theta.copy()
    history = trainer.fit(theta, LaneData(texts, None, 3, 100))
    assert (
        len(history.loss_curve) == 2 and history.loss_curve[1] < history.loss_curve[0]
    )
    assert history.t == 2 * len(texts)


# Ways out ----------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_onnx(cell, tied):
    import_oracle("onnx")
    model = fit(cell=cell, tie_embeddings=tied, hidden_layer_sizes=(5, 6))
    text = "hanna"
    ids = [model.begin_, *(list(model.tokens_).index(c) for c in text)]
    expected = np.array([model.predict_log_proba([text[:n]])[0] for n in range(6)])

    def session(**options):
        graph = export.to_onnx(model, input_dtype="float64", **options)
        return onnx_session(graph)

    batch = {"ids": np.array([ids, ids]), "sequence_lens": np.array([6, 3])}
    (found,) = session().run(None, batch)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found[1, :3], expected[:3], atol=1e-5)
    graph = export.to_onnx(model, input_dtype="float64", streaming=True)
    state = export.onnx_initial_state(graph)
    step = session(streaming=True)
    for token, row in zip(ids, expected, strict=True):
        found, *state_next = step.run(None, {"ids": np.array([token]), **state})
        state = dict(zip(state, state_next, strict=True))
        np.testing.assert_allclose(found[0], row, atol=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_torch(tied):
    torch = import_oracle("torch")
    size = {} if tied else {"embedding_size": 3}
    model = fit(tie_embeddings=tied, dtype="float64", **size)
    weights = {k: torch.tensor(v) for k, v in export.to_torch(model).items()}
    table = weights["embedding0.weight"]
    rnn = torch.nn.LSTM(table.shape[1], 6, batch_first=True, dtype=torch.float64)
    rnn.load_state_dict(
        {k.removeprefix("rnn."): v for k, v in weights.items() if k[:4] == "rnn."}
    )
    ids = [model.begin_, *(list(model.tokens_).index(c) for c in "hanna")]
    states, _ = rnn(table[ids][None])
    raw = states[0] @ weights["head.weight"].T + weights["head.bias"]
    found = torch.log_softmax(raw, 1).detach().numpy()
    expected = [model.predict_log_proba(["hanna"[:n]])[0] for n in range(6)]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_samples_have_the_same_bits_everywhere():
    model = fit(CASES["language model, lstm"].X, random_state=0)
    theta = theta_of(model)
    set_theta(model, (numbers(5, theta.shape) / 2).astype(theta.dtype))
    written = model.generate("a", n_samples=3, max_new_tokens=20, random_state=5)
    greedy = model.generate("b", temperature=0, max_new_tokens=20)
    assert [*written, greedy] == [
        "adcjedeedcjhjllgkfekl",
        "ajldele",
        "addbj",
        "beeeeeeeeeeeeeeeeeeee",
    ]


@pytest.mark.parametrize("n_tokens", [1, 2, 15, 16, 17, 300])
def test_the_loss_of_tokens_in_floats(n_tokens):
    rng = np.random.default_rng(n_tokens)
    raw = (rng.normal(size=(9, n_tokens)) * 20).astype(np.float32)
    raw[0] *= 100
    y = rng.integers(n_tokens, size=9)
    y[:4] = raw[:4].argmax(axis=1)
    weight = rng.uniform(size=9)
    weight[5] = 0
    loss = TokenLogLoss(n_tokens)
    value, gradient = loss.value_and_gradient(y, raw, weight)
    expected, exact = loss.value_and_gradient(y, raw.astype(np.float64), weight)
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(gradient, exact, rtol=3e-6, atol=1e-12)


def test_what_a_model_chooses():
    assert [auto_units(n, 65) for n in (49_999, 50_000, 800_000)] == [128, 256, 352]
    assert auto_units(400_000, 1001) == 128
    dropout = [auto_dropout(n) for n in (0, 20_000, 200_000, 10**6, 10**8)]
    assert dropout == [0.5, 0.5, 0.35, 0.25, 0.1]
    assert [auto_rate((n,)) for n in (8, 128, 512)] == [0.008, 0.008, 0.004]
    assert [auto_epochs(n, 65, 10**6) for n in (0, 833_333, 10**8)] == [8, 2, 1]
    assert auto_epochs(1000, 1001, 1000) == 4
    model = LanguageModel(ngram_order="auto", random_state=0, n_jobs=1).fit(WORDS)
    told = LanguageModel(
        128,
        ngram_order=7,
        dropout=0.5,
        learning_rate_init=0.008,
        max_iter=8,
        random_state=0,
    )
    assert model.n_iter_ == 8 and model.mixture_weights_.shape == (7, 8)
    assert model.loss_curve_ == told.fit(WORDS).loss_curve_
    assert model.set_params(warm_start=True).fit(WORDS).n_iter_ == 8
    words = LanguageModel(4, ngram_order="auto", max_iter=1, analyzer="word")
    assert words.fit(WORDS).mixture_weights_.shape == (4, 8)
    lists = LanguageModel(4, ngram_order="auto", max_iter=1)
    assert lists.fit([list(word) for word in WORDS]).mixture_weights_.shape == (4, 8)


def test_a_pass_holds_few_outputs():
    """The outputs of 2,048 tokens alone would take 67 MB."""
    assert max(s.stop - s.start for s in row_blocks(999, 20_000)) == 32
    parameters = {"hidden_layer_sizes": 64, "max_iter": 1, "batch_size": 32}
    model = fit([np.arange(8192)], **parameters, dropout=0)
    texts = model._model.texts(model._reader(), [np.arange(8192).repeat(2)])
    data = model._lanes(texts, None, True)
    batch, targets, weight = data.batch(np.array([0]), np.float32)
    network = Network(model._model.spec, options=model._pass_options())
    network.load(model._model.theta)
    grad = np.zeros_like(model._model.theta)
    tracemalloc.start()
    network.add_gradient(
        model._model.loss,
        batch,
        targets,
        weight,
        grad,
        random_state=np.random.RandomState(0),
        n_threads=1,
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(targets) == 2048 and peak < 9e6
