"""TranscriptDisplay: labels where they stand in a sequence, as a picture."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

from skrnn import SequenceTranscriber  # noqa: E402
from skrnn.plotting import TranscriptDisplay  # noqa: E402
from test_transcriber import QUICK, drawn, problem  # noqa: E402


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_predicted_and_given_labels():
    X, y = problem()
    model = drawn(SequenceTranscriber(**QUICK).fit(X, y))
    display = TranscriptDisplay.from_estimator(model, X, number=2)
    upper, lower = display.axes_
    assert texts_of(lower) == list(model.predict(X)[2]) == display.labels
    assert len(upper.lines) == 1
    assert np.array_equal(display.spans, model.align(X)[2])
    _, axes = plt.subplots(2)
    display = TranscriptDisplay.from_estimator(model, X, y, number=2, ax=axes)
    assert display.axes_[0] is axes[0] and display.figure_ is axes[0].figure
    assert texts_of(axes[1]) == list(y[2])
    _, ax = plt.subplots()
    divided = TranscriptDisplay.from_estimator(model, X, number=2, ax=ax)
    assert divided.figure_ is ax.figure and not ax.axison
    named = [text.get_text() for text in divided.axes_[1].get_legend().get_texts()]
    assert named == ["a label", "steps of a label", "no label"]
    labels = [len(text) for text in y]
    one = SequenceTranscriber(**QUICK).fit(X, labels)
    assert len(TranscriptDisplay.from_estimator(one, X).labels) == 1
    words = SequenceTranscriber(target_unit="word", **QUICK).fit(X, ["on off"] * 24)
    display = TranscriptDisplay.from_estimator(words, X, ["on off"] * 24)
    assert display.labels == ["on", "off"]


def test_strokes():
    moves = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0], [2, 1, 1], [1, 0, 0]])
    display = TranscriptDisplay.from_predictions(
        [7, 1], [[1, 2], [4, 5]], moves, kind="strokes"
    )
    upper, lower = display.axes_
    assert len(upper.lines) == 3  # and none from stroke to stroke
    assert texts_of(upper) == texts_of(lower) == ["7", "1"]
    empty = TranscriptDisplay.from_predictions([], [], moves, kind="strokes")
    assert not empty.axes_[0].texts


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"spans": [[0, 1]]}, "2 labels and 1 spans"),
        ({"proba": np.ones((4, 3)) / 3}, "proba needs classes"),
        ({"kind": "circles"}, "kind must be"),
        ({"kind": "strokes"}, "two features"),
    ],
    ids=str,
)
def test_refusals(arguments, message):
    given = {"spans": [[0, 1], [2, 3]], "signal": np.zeros(4)} | arguments
    with pytest.raises(ValueError, match=message):
        TranscriptDisplay.from_predictions(["a", "b"], **given)
