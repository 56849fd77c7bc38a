"""TaggingDisplay: the labels of a sequence as a picture."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

from skrnn import SequenceTagger  # noqa: E402
from skrnn.plotting import TaggingDisplay  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts_of(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def test_words_and_probabilities():
    X = [["to", "New", "York"], ["from", "Boston"]] * 10
    y = [["O", "B", "I"], ["O", "B"]] * 10
    tagger = SequenceTagger(4, max_iter=30, random_state=0).fit(X, y)
    display = TaggingDisplay.from_estimator(tagger, X, y, number=0)
    assert texts_of(display.ax_) == ["to", "New", "York"]
    legend = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert sorted(legend) == ["B", "I", "O"]
    assert len(display.ax_.lines) == 3
    assert np.allclose(display.proba.sum(axis=1), 1)


def test_a_table_and_given_axes():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(X[:, 0] > 0, "on", "off")
    tagger = SequenceTagger(4, max_iter=5, random_state=0).fit(X, y)
    _, ax = plt.subplots()
    display = TaggingDisplay.from_estimator(tagger, X, y, ax=ax)
    assert display.ax_ is ax
    assert len(display.labels) == 30


def test_many_classes_and_gaps():
    labels = [f"class {i % 9}" for i in range(40)]
    true = [None if i % 5 == 0 else label for i, label in enumerate(labels)]
    display = TaggingDisplay.from_predictions(labels, true_labels=true)
    legend = [t.get_text() for t in display.ax_.get_legend().get_texts()]
    assert len(legend) == 7 and "others" in legend


def test_no_entity_has_no_colour_of_its_own():
    labels = ["O", "O", "B-city", "I-city", "O", "B-day"]
    display = TaggingDisplay.from_predictions(labels)
    colors = [patch.get_facecolor()[:3] for patch in display.ax_.patches]
    assert len({*colors}) == 4 and len({colors[i] for i in (0, 1, 4)}) == 1
    assert len({*colors[0]}) == 1  # a grey
    few = TaggingDisplay.from_predictions(labels).plot(n_classes=1)
    legend = [t.get_text() for t in few.ax_.get_legend().get_texts()]
    assert sorted(legend) == ["B-city", "O", "others"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"labels": []}, "one sequence"),
        ({"labels": ["a"], "steps": ["x", "y"]}, "steps has 2 steps, and labels has 1"),
        ({"labels": ["a"], "proba": [[1.0]]}, "proba needs classes"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        TaggingDisplay.from_predictions(**arguments)
