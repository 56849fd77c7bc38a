"""AttentionDisplay: what a translator looks at, as a picture."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

from skrnn.plotting import AttentionDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    matplotlib.pyplot.close("all")


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
    _, ax = matplotlib.pyplot.subplots()
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
