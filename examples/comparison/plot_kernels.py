"""
Recurrent networks, random kernels and summaries
================================================

Which is best depends on what tells the classes apart. Summaries, such as means and
extremes, see levels. Kernels, as in ROCKET and in convolutional networks, see local
shapes wherever they stand. Recurrent networks see order: what came first, however long
ago. Two made-up problems and a real one show what each sees, and what it misses.
:doc:`/comparison` has figures for known data sets, and for convolutional networks.
"""

# %%
# Three problems
# --------------
#
# *Shapes*: somewhere in a noisy curve is a bump that rises slowly and falls at once, or
# the same bump reversed; there are only 60 curves to learn from. *Order*: of two
# features, each has one spike; which one came first? *Speakers*: real recordings of
# Japanese vowels.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrnn import RNNClassifier
from skrnn.datasets import load_japanese_vowels
from skrnn.preprocessing import ConvolutionFeatures


def make_shapes(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size=n)
    X = [
        rng.normal(scale=0.4, size=length) for length in rng.integers(120, 180, size=n)
    ]
    for x, label in zip(X, y, strict=True):
        start = rng.integers(0, len(x) - 16)
        x[start : start + 16] += 1.5 * np.linspace(0, 1, 16)[:: 1 if label else -1]
    return X, y


def make_order(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size=n)
    X = [rng.normal(scale=0.5, size=(length, 2)) for length in rng.integers(30, 60, n)]
    for x, label in zip(X, y, strict=True):
        first, second = np.sort(rng.choice(len(x), 2, replace=False))
        x[first, label] += 4
        x[second, 1 - label] += 4
    return X, y


problems = {
    "shapes": (*make_shapes(60, 0), *make_shapes(300, 1)),
    "order": (*make_order(200, 0), *make_order(300, 1)),
    "speakers": (
        *load_japanese_vowels(subset="train", return_X_y=True),
        *load_japanese_vowels(subset="test", return_X_y=True),
    ),
}
fig, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
X = problems["shapes"][0]
for k, color in enumerate(["#0072B2", "#E69F00"]):
    i = np.flatnonzero(problems["shapes"][1] == k)[1]
    axes[0].plot(X[i] + 3 * k, color=color, label=f"class {k}")
X, y = problems["order"][:2]
for j, color in enumerate(["#009E73", "#CC79A7"]):
    axes[1].plot(X[0][:, j], color=color, label=f"feature {j}")
axes[1].set_title(f"order: one sequence, class {y[0]}")
for j in range(12):
    label = "a feature" if j == 0 else None
    axes[2].plot(problems["speakers"][0][0][:, j], color="0.4", lw=0.8, label=label)
axes[0].set_title("shapes: one sequence of each class")
axes[2].set_title("speakers: one sequence")
axes[0].set_yticks([])
for ax in axes:
    ax.set_xlabel("step")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.2 * (high - low))
    ax.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)
plt.show()

# %%
# Four methods
# ------------
#
# Each has one setting for all problems. The last one is a recurrent network that reads
# what random kernels find in each segment of steps, beside the steps themselves. The
# outputs of a ridge on kernels of whole sequences add to its own.


def summaries(X):
    """Mean, spread and extremes of each feature, and the length."""
    X = [x if x.ndim == 2 else x[:, np.newaxis] for x in X]
    numbers = (np.mean, np.std, np.min, np.max)
    return [np.concatenate([f(x, axis=0) for f in numbers] + [[len(x)]]) for x in X]


methods = {
    "summaries, forest": make_pipeline(
        FunctionTransformer(summaries), RandomForestClassifier(100, random_state=0)
    ),
    "kernels, ridge": make_pipeline(
        ConvolutionFeatures(random_state=0),
        StandardScaler(),
        RidgeClassifierCV(np.logspace(-1, 4, 10)),
    ),
    "GRU": RNNClassifier(convolutions=0, random_state=0),
    "GRU with kernels": RNNClassifier(convolutions=96, random_state=0),
}
accuracy = {
    name: [
        method.fit(X, y).score(X_test, y_test)
        for X, y, X_test, y_test in problems.values()
    ]
    for name, method in methods.items()
}
for name, values in accuracy.items():
    print(f"{name:18}", *(f"{value:.3f}" for value in values))

# %%
# Accuracy on new sequences. The dotted line is guessing: one of two, or of nine.

MARKERS = dict(zip(methods, "sD^o", strict=True))
COLORS = dict(zip(methods, ["#999999", "#E69F00", "#56B4E9", "#0072B2"], strict=True))
fig, ax = plt.subplots(figsize=(8, 3.2), layout="constrained")
for shift, (name, values) in zip(
    [-0.24, -0.08, 0.08, 0.24], accuracy.items(), strict=True
):
    places = np.arange(3) + shift
    ax.vlines(places, 0, values, color=COLORS[name], linewidth=2)
    ax.plot(places, values, MARKERS[name], color=COLORS[name], ms=9, label=name)
chance = [1 / len(np.unique(y)) for _, y, _, _ in problems.values()]
for k, level in enumerate(chance):
    label = "guessing" if k == 0 else None
    ax.hlines(level, k - 0.4, k + 0.4, color="black", linestyle=":", label=label)
ax.set_xticks(range(3), problems)
ax.set(ylabel="accuracy", ylim=(0, 1.05))
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
