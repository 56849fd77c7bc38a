"""
An answer while the gesture unfolds
===================================

A stream gives an answer after each step, and reads no step twice: what is the gesture
going to be? The answers after the last step have the same bits as those of ``predict``.
A classifier that has seen whole gestures only is too sure of itself at their beginning.
One that has learned from beginnings, too, knows how little it knows.
"""

# %%
# The data
# --------
#
# Made-up strokes of a finger: the speed to the right and upwards in centimetres a
# second, 60 times a second. All strokes begin to the right. Then they turn upwards,
# downwards, or not at all.

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNClassifier

RATE = 60
TURNS = {"straight": 0.0, "up": 1.0, "down": -1.0}
COLORS = {"straight": "#0072B2", "up": "#E69F00", "down": "#009E73"}
DASHES = {"straight": "-", "up": "--", "down": "-."}


def make_strokes(n, seed):
    """Strokes (n_steps, 2), what they are, and the step at which they turn."""
    rng = np.random.default_rng(seed)
    y = rng.choice(list(TURNS), size=n)
    X, turns = [], []
    for kind in y:
        n_steps = rng.integers(40, 90)
        turn = rng.integers(n_steps // 3, 2 * n_steps // 3)
        angle = np.zeros(n_steps)
        angle[turn:] = TURNS[kind] * np.minimum(np.arange(n_steps - turn) / 12, 1)
        speed = rng.uniform(8, 15) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        X.append(speed + rng.normal(scale=4, size=speed.shape))
        turns.append(turn)
    return X, y, turns


X, y, _ = make_strokes(300, seed=0)
X_test, y_test, turns = make_strokes(150, seed=1)

# %%
# Two classifiers
# ---------------
#
# The second one learns from each stroke five times: as a whole, and cut off at four
# steps that are drawn at random. It needs fewer epochs, as they are longer.

rng = np.random.default_rng(2)
beginnings = [x[: rng.integers(1, len(x) + 1)] for x in X * 4]
options = {"convolutions": 0, "bidirectional": False, "pooling": "last"}
options |= {"segment_length": 1, "random_state": 0}
models = {
    "whole strokes": RNNClassifier(32, **options).fit(X, y),
    "beginnings, too": RNNClassifier(32, max_iter=8, **options).fit(
        X + beginnings, np.tile(y, 5)
    ),
}


def follow(model, x):
    """The probabilities after each step (n_steps, 3)."""
    stream = model.stream(method="predict_proba")
    return np.concatenate([stream.step(step) for step in x])


begin = perf_counter()
followed = {name: [follow(model, x) for x in X_test] for name, model in models.items()}
n_steps = 2 * sum(map(len, X_test))
print(f"{1e6 * (perf_counter() - begin) / n_steps:.1f} microseconds a step")
for name, model in models.items():
    last = np.stack([proba[-1] for proba in followed[name]])
    assert np.array_equal(last, model.predict_proba(X_test))  # the same bits

# %%
# One stroke
# ----------
#
# The first classifier says "straight" from the beginning, since no stroke that it knows
# had ended by then without a turn. The second one waits for the turn.

i = next(i for i in range(len(y_test)) if y_test[i] == "up" and turns[i] > 30)
seconds = np.arange(1, len(X_test[i]) + 1) / RATE
fig, axes = plt.subplots(
    3, figsize=(8, 6), sharex=True, height_ratios=[1.2, 1, 1], layout="constrained"
)
axes[0].plot(seconds, X_test[i][:, 0], color="0.2", label="to the right")
axes[0].plot(seconds, X_test[i][:, 1], color="#D55E00", label="upwards")
axes[0].set(ylabel="speed, cm/s", title=f"A stroke that goes {y_test[i]}")
for ax, (name, model) in zip(axes[1:], models.items(), strict=True):
    for k, kind in enumerate(model.classes_):
        style = {"color": COLORS[kind], "linestyle": DASHES[kind], "label": kind}
        ax.plot(seconds, followed[name][i][:, k], **style)
    ax.set(ylabel="probability", ylim=(-0.03, 1.03))
    ax.set_title(f"learned from: {name}", fontsize="medium")
axes[-1].set_xlabel("seconds")
for ax in axes:
    ax.axvline(turns[i] / RATE, color="0.5", linewidth=1, label="the turn begins")
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# All strokes
# -----------
#
# How good are the answers, as more of a stroke is known? In the end
# both are right. Before, the log-loss of the first one is far higher than that of
# somebody who has no idea: it is sure of what is wrong.

shares = np.linspace(0.1, 1, 10)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for (name, probas), color, dash in zip(
    followed.items(), ["#D55E00", "#0072B2"], ["--", "-"], strict=True
):
    columns = np.searchsorted(models[name].classes_, y_test)
    right, losses = [], []
    for share in shares:
        known = [p[max(1, round(share * len(p))) - 1] for p in probas]
        right.append(np.mean(np.argmax(known, axis=1) == columns))
        true = np.asarray(known)[np.arange(len(known)), columns]
        losses.append(-np.log(np.maximum(true, 1e-15)).mean())
    for ax, values in zip(axes, (right, losses), strict=True):
        ax.plot(100 * shares, values, color=color, linestyle=dash, label=name)
axes[0].axhline(1 / 3, color="0.4", linestyle=":", label="no idea")
axes[1].axhline(np.log(3), color="0.4", linestyle=":", label="no idea")
axes[0].set(xlabel="% of the stroke known", ylabel="accuracy", ylim=(0, 1.02))
axes[1].set(xlabel="% of the stroke known", ylabel="log-loss", ylim=(0, None))
axes[0].legend(frameon=False, loc="lower right")
plt.show()
