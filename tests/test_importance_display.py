"""ImportanceDisplay draws what the importances are."""

import numpy as np
import pytest
from sklearn.utils import Bunch

from skrnn import RNNClassifier
from skrnn.inspection import permutation_importance
from skrnn.plotting import ImportanceDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) for n in RNG.integers(4, 9, 30)]
y = np.array([x[:, 1].mean() > 0 for x in X])
MODEL = RNNClassifier(4, max_iter=3, random_state=0).fit(X, y)
OPTIONS = {"random_state": 0, "n_repeats": 3, "scoring": "neg_log_loss"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_features_are_drawn():
    _, ax = plt.subplots()
    display = ImportanceDisplay.from_estimator(MODEL, X, y, ax=ax, **OPTIONS)
    means = permutation_importance(MODEL, X, y, **OPTIONS).importances_mean
    assert display.ax_ is ax and display.figure_ is ax.figure
    order = np.argsort(-means)
    drawn = [bar.get_width() for bar in display.bars_]
    np.testing.assert_array_equal(drawn, means[order])
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == [f"feature {j}" for j in order]
    assert ax.get_xlabel() == "rise of the log loss"
    assert ax.get_legend_handles_labels()[1] == ["each exchange", "mean"]
    assert len(display.dots_.get_xdata()) == 9
    display.plot(n_features=2, sort=False, legend=False)
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == [f"feature {j}" for j in sorted(order[:2])]
    assert display.ax_.get_legend() is None


def test_time_is_drawn():
    display = ImportanceDisplay.from_estimator(
        MODEL, X, y, over="time", n_segments=4, **OPTIONS
    )
    heights = [bar.get_height() for bar in display.bars_]
    np.testing.assert_array_equal(heights, display.importances.mean(axis=1))
    assert display.ax_.get_xlim() == (0, 100)


def test_both_are_drawn():
    display = ImportanceDisplay.from_estimator(
        MODEL, X, y, over="both", n_segments=4, **OPTIONS
    )
    means = display.importances.mean(axis=2)
    order = np.argsort(-means.max(axis=1))
    np.testing.assert_array_equal(display.image_.get_array(), means[order])
    assert display.colorbar_.mappable is display.image_
    assert display.bars_ is None


def test_importances_of_scikit_learn_are_drawn_and_several_scores_are_not():
    result = Bunch(importances=np.array([[0.1, 0.2], [0.4, 0.3]]))
    display = ImportanceDisplay.from_importances(result, score_name="R²")
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == ["feature 1", "feature 0"]
    assert display.ax_.get_xlabel() == "drop of the R²"
    with pytest.raises(ValueError, match=r"scores \['a', 'b'\]. Draw one"):
        ImportanceDisplay.from_importances({"a": result, "b": result})
