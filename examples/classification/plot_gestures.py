"""
Gestures of different lengths
=============================

A watch measures acceleration while somebody moves an arm. Each recording is a gesture,
with some rest before and after it, and no two are of the same length. The classifier
takes them as they are, as a list of arrays, and says which gesture it was. Attention
shows which moments it looked at.
"""

# %%
# The data
# --------
#
# Made-up recordings, so that we know when the arm moves: acceleration in three
# directions in m/s², 50 times a second. People move faster or slower, stronger or
# weaker, and hold the watch at a slant.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier

RATE = 50  # steps a second
COLORS = {"x": "#0072B2", "y": "#E69F00", "z": "#009E73"}
SHAPES = {
    "circle": lambda p: (np.cos(2 * np.pi * p), np.sin(2 * np.pi * p), 0 * p),
    "lift": lambda p: (0 * p, 0 * p, np.sin(2 * np.pi * p)),
    "shake": lambda p: (np.sin(6 * np.pi * p), 0 * p, 0 * p),
    "swipe": lambda p: (np.sin(2 * np.pi * p), 0 * p, 0 * p),
    "tap": lambda p: (0 * p, 0 * p, -2 * np.exp(-(((p - 0.5) / 0.15) ** 2))),
}


def record(kind, rng):
    """A recording (n_steps, 3), and the first and the last step of the movement."""
    before, during, after = rng.integers([10, 25, 10], [60, 70, 60])
    phase = np.linspace(0, 1, during)
    movement = np.stack(SHAPES[kind](phase), axis=1) * rng.uniform(1.5, 4)
    x = np.zeros((before + during + after, 3))
    x[before : before + during] = movement * np.hanning(during)[:, np.newaxis] ** 0.3
    slant, _ = np.linalg.qr(np.eye(3) + 0.25 * rng.normal(size=(3, 3)))
    slant *= np.sign(np.diag(slant))
    return x @ slant + rng.normal(scale=0.7, size=x.shape), (before, before + during)


rng = np.random.default_rng(0)
y = np.repeat(list(SHAPES), 80)
X, spans = zip(*(record(kind, rng) for kind in y), strict=True)
lengths = [len(x) for x in X]
print(f"{len(X)} recordings of {min(lengths)} to {max(lengths)} steps")

# %%
# Two recordings of each gesture. A row is a direction, a column a gesture.

fig, axes = plt.subplots(
    3, 5, figsize=(9, 4.5), sharex=True, sharey=True, layout="constrained"
)
for column, kind in zip(axes.T, SHAPES, strict=True):
    for i in np.flatnonzero(y == kind)[:2]:
        for ax, values, color in zip(column, X[i].T, COLORS.values(), strict=True):
            ax.plot(np.arange(len(values)) / RATE, values, color=color, linewidth=0.7)
    column[0].set_title(kind)
for ax, name in zip(axes[:, 0], COLORS, strict=True):
    ax.set_ylabel(f"{name}, m/s²")
fig.supxlabel("seconds")
plt.show()

# %%
# The fit
# -------
#
# Half of the recordings are for the test. ``train_test_split`` takes a list as it is.

X_train, X_test, y_train, y_test, _, spans_test = train_test_split(
    list(X), y, spans, test_size=0.5, stratify=y, random_state=0
)
model = RNNClassifier(pooling="attention", random_state=0).fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}")

fig, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
ConfusionMatrixDisplay.from_estimator(model, X_test, y_test, cmap="Blues", ax=ax)
ax.set_title("New recordings")
plt.show()

# %%
# Where it looks
# --------------
#
# ``pooling="attention"`` weighs the states of all steps, and learns how. The weights of
# a recording sum to one. Here is one recording of each of three gestures, with the time
# in which the arm moved: nobody told the model. A state knows what came before it, so
# the weights are large at the end of a movement rather than at its beginning.

fig, axes = plt.subplots(
    2, 3, figsize=(9, 4.2), sharex="col", sharey="row", layout="constrained",
    height_ratios=[3, 2],
)  # fmt: skip
shown = [np.flatnonzero(y_test == kind)[0] for kind in ("circle", "swipe", "tap")]
k = model.segment_length_
for (above, below), i in zip(axes.T, shown, strict=True):
    for values, (name, color) in zip(X_test[i].T, COLORS.items(), strict=True):
        seconds = np.arange(len(values)) / RATE
        above.plot(seconds, values, color=color, linewidth=1, label=name)
    [weights] = model.attention_weights([X_test[i]])
    places = (np.arange(len(weights)) + 0.5) * k / RATE
    below.bar(places, weights, width=k / RATE, color="0.3", label="attention")
    for ax in (above, below):
        start, stop = np.divide(spans_test[i], RATE)
        ax.axvspan(
            start, stop, color="#F0E442", alpha=0.5, lw=0, zorder=0, label="movement"
        )
    above.set_title(y_test[i])
    below.set_xlabel("seconds")
axes[0, 0].set_ylabel("acceleration, m/s²")
axes[1, 0].set_ylabel("weight of a segment")
handles, names = axes[0, 0].get_legend_handles_labels()
bars, bar_names = axes[1, 0].get_legend_handles_labels()
fig.legend(
    handles[:3] + bars[::-1], names[:3] + bar_names[::-1], ncols=5, frameon=False,
    loc="outside upper center",
)  # fmt: skip
plt.show()
