"""
A gesture that nobody made before
=================================

Some sequences are unusual as a whole, though none of their steps is. To find them, each
sequence is described by many numbers: ``ConvolutionFeatures`` asks how often short
patterns occur in it. Then a detector of scikit-learn, ``LocalOutlierFactor``, says
which description is far from all known ones.
"""

# %%
# The data
# --------
#
# Made-up recordings of an arm, in two directions, of 60 to 90 steps. Three gestures are
# known: a circle, a lift and a swipe. Later somebody draws an eight, which no one did
# before: its steps look like those of the others, and only their order is new.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline

from skrnn.preprocessing import ConvolutionFeatures

SHAPES = {
    "circle": lambda p: (np.cos(2 * np.pi * p), np.sin(2 * np.pi * p)),
    "lift": lambda p: (0 * p, np.sin(2 * np.pi * p)),
    "swipe": lambda p: (np.sin(2 * np.pi * p), 0 * p),
    "eight": lambda p: (np.sin(2 * np.pi * p), np.sin(4 * np.pi * p)),
}
COLORS = {
    "circle": "#0072B2",
    "lift": "#009E73",
    "swipe": "#E69F00",
    "eight": "#D55E00",
}


def record(kind, rng):
    """A recording, (n_steps, 2)."""
    phase = np.linspace(0, 1, rng.integers(60, 91)) ** rng.uniform(0.85, 1.2)
    movement = np.stack(SHAPES[kind](phase), axis=1) * rng.uniform(0.8, 1.3)
    return movement + rng.normal(scale=0.15, size=movement.shape)


rng = np.random.default_rng(0)
known = ["circle", "lift", "swipe"]
X_train = [record(kind, rng) for kind in known * 40]
kinds = np.repeat(list(SHAPES), 15)
X_test = [record(kind, rng) for kind in kinds]

# %%
# The detector
# ------------
#
# It learns from normal gestures only. ``novelty=True`` lets it judge new ones.

detector = make_pipeline(
    ConvolutionFeatures(random_state=0), LocalOutlierFactor(novelty=True)
)
detector.fit(X_train)
scores = detector.score_samples(X_test)  # the smaller, the more unusual
labels = detector.predict(X_test)  # -1 is unusual

is_new = kinds == "eight"
print(f"area under the ROC curve: {roc_auc_score(is_new, -scores):.3f}")
print(f"found: {(labels[is_new] == -1).sum()} of {is_new.sum()} eights")
print(f"false alarms: {(labels[~is_new] == -1).sum()} of {(~is_new).sum()}")

# %%
# What was seen
# -------------
#
# Above, five recordings of each gesture as a path of the arm. Below, how far each
# recording of the test is from what is known, and the border from which on one counts
# as unusual.

fig = plt.figure(figsize=(8, 6), layout="constrained")
grid = fig.add_gridspec(2, 4, height_ratios=[1, 1.3])
for column, kind in enumerate(SHAPES):
    ax = fig.add_subplot(grid[0, column])
    for i in np.flatnonzero(kinds == kind)[:5]:
        ax.plot(*X_test[i].T, color=COLORS[kind], lw=1, alpha=0.7)
    ax.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal", title=kind)
    ax.set_xlabel("sideways")
    if column == 0:
        ax.set_ylabel("upwards")
ax = fig.add_subplot(grid[1, :])
for kind, color in COLORS.items():
    at = np.flatnonzero(kinds == kind)
    name = f"{kind}, never seen" if kind == "eight" else kind
    ax.scatter(at, -scores[at], color=color, label=name, s=25)
border = -detector[-1].offset_
ax.axhline(border, color="black", lw=1, ls="--", label="border")
ax.set(xlabel="recording of the test", ylabel="distance from known gestures")
ax.legend(loc="upper left")
plt.show()
