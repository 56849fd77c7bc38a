"""
What does a model rely on? Importance of features and of time
=============================================================

If sequences exchange one of their features at random, how much worse does a classifier
get? This is the importance of the feature for this classifier. The same can be asked of
a stretch of time. :func:`~skrnn.inspection.permutation_importance` answers both for
sequences of any lengths: a sequence that gets a part of a longer or a shorter one reads
it faster or slower.
"""

# %%
# Data whose importance is known
# ------------------------------
#
# Made-up machines with four sensors, whose recordings differ in length. In a machine
# that will fail, the pressure is high in the middle third of the time, and so is the
# flow, though less. Temperature and voltage have nothing to do with it.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import RNNClassifier
from skrnn.datasets import load_japanese_vowels
from skrnn.inspection import permutation_importance
from skrnn.plotting import ImportanceDisplay


def make_machines(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.choice(["works", "fails"], size=n)
    X = []
    for label in y:
        n_steps = rng.integers(30, 60)
        phase = (np.arange(n_steps) + 0.5) / n_steps
        sensors = rng.normal(size=(n_steps, 4))
        middle = (phase > 1 / 3) & (phase < 2 / 3)
        sensors[middle & (label == "fails"), :2] += [1.0, 0.7]
        names = ["pressure", "flow", "temperature", "voltage"]
        X.append(pd.DataFrame(sensors, columns=names))
    return X, y


X, y = make_machines(400, seed=0)
X_test, y_test = make_machines(300, seed=1)
model = RNNClassifier(convolutions=0, random_state=0).fit(X, y)
print(f"accuracy {model.score(X_test, y_test):.3f}")

# %%
# The display measures and draws. The log-loss is a finer measure than the accuracy,
# which does not change as long as an answer stays right.

fig, axes = plt.subplots(1, 2, figsize=(9.5, 3), layout="constrained")
options = {"scoring": "neg_log_loss", "n_repeats": 3, "random_state": 0}
for ax, over in zip(axes, ["features", "time"], strict=True):
    ImportanceDisplay.from_estimator(
        model, X_test, y_test, over=over, n_segments=9, ax=ax, **options
    )
plt.show()

# %%
# Both at once, as a map: which sensor, and when.

display = ImportanceDisplay.from_estimator(
    model, X_test, y_test, over="both", n_segments=9, sort=False, **options
)
plt.show()

# %%
# Parts that stand in for each other
# ----------------------------------
#
# Pressure and flow tell the same, and each of them can stand in for the other. So each
# alone looks less important than the two are together. A list in ``features`` is a
# group that is exchanged as one.

result = permutation_importance(
    model,
    X_test,
    y_test,
    features=["pressure", "flow", ["pressure", "flow"], ["temperature", "voltage"]],
    **options,
)
for name, mean, std in zip(
    result.names, result.importances_mean, result.importances_std, strict=True
):
    print(f"{name:22} {mean:6.3f} ± {std:.3f}")

# %%
# Speakers
# --------
#
# Real recordings: nine men say two vowels, and the model says who it was. A step has
# twelve cepstral coefficients. Which of them tell the voices apart, and when?

X, y = load_japanese_vowels(subset="train", return_X_y=True)
X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
speakers = RNNClassifier(random_state=0).fit(X, y)
result = permutation_importance(
    speakers, X_test, y_test, over="both", n_segments=5, **options
)
result.names = [f"coefficient {j + 1}" for j in range(12)]
display = ImportanceDisplay.from_importances(
    result, score_name="neg_log_loss", sort=False
)
display.ax_.set_title("Speakers of Japanese vowels", loc="left")
plt.show()
