"""
Rare classes: class weights
===========================

One of twenty pumps is about to fail. A classifier that never warns is right in 95 %,
and useless. ``class_weight="balanced"`` gives both classes the same weight in the loss,
so that a missed failure costs as much as 19 false alarms. It does not make a better
model: it moves the point at which the model warns.
"""

# %%
# The data
# --------
#
# Made-up recordings of the vibration of pumps, with two sensors. A pump that will fail
# shakes a little more from some moment on.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    balanced_accuracy_score,
    precision_score,
    recall_score,
)

from skrnn import RNNClassifier

NAMES = ["works", "fails"]


def make_pumps(n, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.05).astype(int)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(20, 50, size=n)]
    for x, fails in zip(X, y, strict=True):
        if fails:
            x[rng.integers(0, len(x) // 2) :] *= rng.uniform(1.15, 1.7)
    return [np.abs(x) for x in X], y


X, y = make_pumps(1500, seed=0)
X_test, y_test = make_pumps(2000, seed=1)
print(f"{y.mean():.1%} of {len(y)} pumps fail")

# %%
# Two fits, and what they do with new pumps.

models = {}
for name, weight in {"no weights": None, "balanced": "balanced"}.items():
    model = RNNClassifier(
        32, class_weight=weight, pooling="mean", max_iter=25, random_state=0
    )
    models[name] = model.fit(X, y)
    y_pred = model.predict(X_test)
    print(
        f"{name:10}  accuracy {model.score(X_test, y_test):.3f}  "
        f"balanced accuracy {balanced_accuracy_score(y_test, y_pred):.3f}  "
        f"failures found {recall_score(y_test, y_pred):.0%}  "
        f"alarms right {precision_score(y_test, y_pred):.0%}"
    )

# %%
# The curve of precision and recall has a point for each threshold of the probability.
# Both models have about the same curve: they know the same. The dots are the thresholds
# of one half that ``predict`` takes. Weights are one way to move along the curve, and
# scikit-learn's ``TunedThresholdClassifierCV`` is another one, which leaves the
# probabilities as they are: those of the balanced model are too high.

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
COLORS = {"no weights": "#0072B2", "balanced": "#D55E00"}
for ax, (name, model) in zip(axes, models.items(), strict=False):
    ConfusionMatrixDisplay.from_estimator(
        model, X_test, y_test, display_labels=NAMES, normalize="true",
        values_format=".0%", cmap="Blues", colorbar=False, ax=ax,
        im_kw={"vmin": 0, "vmax": 1},
    )  # fmt: skip
    ax.set(title=name, xlabel="predicted", ylabel="true")
    PrecisionRecallDisplay.from_estimator(
        model,
        X_test,
        y_test,
        name=name,
        ax=axes[2],
        curve_kwargs={"color": COLORS[name]},
    )
    y_pred = model.predict(X_test)
    axes[2].plot(
        recall_score(y_test, y_pred),
        precision_score(y_test, y_pred),
        "o",
        color=COLORS[name],
        label=f"{name}: predict",
    )
axes[2].set(xlabel="share of failures found", ylabel="share of alarms that are right")
axes[2].set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title="all thresholds")
axes[2].legend(frameon=False, loc="lower left", fontsize="small")
plt.show()
