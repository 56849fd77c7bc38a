"""AttentionDisplay: what a translator looks at, as a picture."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

from skrnn import SequenceTranslator  # noqa: E402
from skrnn.plotting import AttentionDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def names_of(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def weights_of(n_rows, n_columns):
    drawn = np.random.RandomState(0).rand(n_rows, n_columns)
    return drawn / drawn.sum(1, keepdims=True)


def test_words_and_characters():
    weights = weights_of(3, 4)
    words = "a little girl .".split()
    display = AttentionDisplay.from_weights(weights, words, ["une", "petite"])
    ax = display.ax_
    assert names_of(ax.yaxis) == ["une", "petite", "(end)"]
    assert names_of(ax.xaxis) == words
    assert ax.get_ylim() == (2.5, -0.5) and ax.get_xlim() == (-0.5, 3.5)
    drawn = np.asarray(display.image_.get_array()).reshape(3, 4)
    np.testing.assert_array_equal(drawn, weights)
    assert display.image_.get_clim() == (0, weights.max())
    assert display.figure_ is ax.figure
    display.plot(end=False, vmax=1, cmap="Greys")
    assert display.ax_ is not ax
    assert names_of(display.ax_.yaxis) == ["une", "petite"]
    assert display.image_.get_clim() == (0, 1)
    display = AttentionDisplay.from_weights(weights, "3 m\n", "05-")
    assert names_of(display.ax_.xaxis) == ["3", "\u2423", "m", "\u2423"]
    assert names_of(display.ax_.yaxis) == ["0", "5", "-"]


def test_numbers_and_given_axes():
    _, ax = pyplot.subplots()
    display = AttentionDisplay.from_weights(
        weights_of(3, 20), None, [7, 1], segment_length=5, ax=ax
    )
    assert display.ax_ is ax and ax.get_xlim() == (-0.5, 99.5)
    assert names_of(ax.yaxis) == ["7", "1", "(end)"]
    assert ax.get_xlabel() == "step of the source"
    display = AttentionDisplay.from_weights(weights_of(2, 3))
    assert names_of(display.ax_.yaxis) == ["0", "1"]


def test_sizes():
    none = AttentionDisplay.from_weights(np.zeros((1, 2)), "ab", "")
    assert names_of(none.ax_.yaxis) == ["(end)"]
    large = AttentionDisplay.from_weights(weights_of(200, 100), "ab" * 50, "a" * 200)
    assert max(large.figure_.get_size_inches()) < 15


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": np.ones(3)}, "must be a table"),
        ({"source": "abc"}, "3 tokens, and weights has 2 columns"),
        ({"target": "abcd"}, "4 tokens, and weights has 3 rows"),
        ({"target": "a"}, "1 tokens, and weights has 3 rows"),
    ],
    ids=["line", "source", "long", "short"],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionDisplay.from_weights(**{"weights": weights_of(3, 2)} | arguments)


QUICK = {"hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0, "max_length": 4}


def drawn_of(display):
    shape = display.weights.shape
    return np.asarray(display.image_.get_array()).reshape(shape)


def test_a_translator_of_texts():
    X, y = ["a b", "b", "ab a"] * 4, ["x y", "", "yx"] * 4
    for unit in ("character", "word", "subword"):
        options = QUICK | {"source_unit": unit, "target_unit": unit}
        model = SequenceTranslator(**options, n_subwords=1).fit(X, y)
        display = AttentionDisplay.from_estimator(model, X, y, number=2)
        rows, columns = names_of(display.ax_.yaxis), names_of(display.ax_.xaxis)
        assert (
            rows[-1] == "(end)"
            and rows[:-1]
            == {
                "character": ["y", "x"],
                "word": ["yx"],
                "subword": ["\u2423y", "x"],
            }[unit]
        )
        assert len(columns) == {"character": 4, "word": 2, "subword": 3}[unit]
        (weights,) = model.attention_weights(X[2:3], y[2:3])
        np.testing.assert_array_equal(drawn_of(display), weights.astype(float))
        _, ax = pyplot.subplots()
        display = AttentionDisplay.from_estimator(model, X, ax=ax)
        assert display.ax_ is ax
        written = model.predict(X[:1])
        (weights,) = model.attention_weights(X[:1], written)
        np.testing.assert_array_equal(drawn_of(display), weights.astype(float))


def test_a_translator_of_numbers():
    X = [np.arange(float(n))[:, np.newaxis] for n in (4, 7, 9)] * 4
    model = SequenceTranslator(**QUICK, segment_length=3).fit(X, [[1, 2], [2], []] * 4)
    display = AttentionDisplay.from_estimator(model, X, [[2, 1]], number=0, cmap="Reds")
    assert display.source is None and display.target == [2, 1]
    assert display.ax_.get_xlim() == (-0.5, 5.5)
    tokens = SequenceTranslator(**QUICK, source_unit="token")
    tokens.fit([[1, 2], [3]] * 6, [4, 5] * 6)
    display = AttentionDisplay.from_estimator(tokens, [[3, 1, 2]], [4])
    assert names_of(display.ax_.xaxis) == ["3", "1", "2"]
    assert names_of(display.ax_.yaxis) == ["4", "(end)"]
    no_attention = SequenceTranslator(**QUICK, attention=None).fit(X, [[1], []] * 6)
    with pytest.raises(AttributeError, match="attention_weights"):
        AttentionDisplay.from_estimator(no_attention, X)
    with pytest.raises(ValueError, match="A list of sequences is expected"):
        AttentionDisplay.from_estimator(tokens, "31")
