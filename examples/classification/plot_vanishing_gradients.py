"""
Gradients that vanish
=====================

The first step of a sequence says what its label is, and noise follows. To learn this, a
network must carry the news from the first step to the last one, and the gradient must
find its way back. In a vanilla cell it gets lost on the way. An LSTM and a GRU have
gates that keep what matters.
"""

# %%
# The data
# --------
#
# Sequences of 20 to 30 steps with four features, all of them noise. Only the first step
# is +2 or -2 in all features, and the label is its sign.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNClassifier


def make_sequences(n, seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size=n)
    X = [rng.normal(size=(length, 4)) for length in rng.integers(20, 31, size=n)]
    for x, label in zip(X, y, strict=True):
        x[0] = 4 * label - 2
    return X, y


X, y = make_sequences(600, seed=0)
X_test, y_test = make_sequences(300, seed=1)

# %%
# Three cells
# -----------
#
# Only the last state is read, one step after the other, so that nothing helps the news
# along. ``loss_curve_`` and ``grad_norm_curve_`` have a value for each epoch.

CELLS = {"rnn": "vanilla", "lstm": "LSTM", "gru": "GRU"}
COLORS = {"rnn": "#D55E00", "lstm": "#0072B2", "gru": "#009E73"}
DASHES = {"rnn": "-", "lstm": "--", "gru": "-."}
options = {
    "pooling": "last",
    "convolutions": 0,
    "bidirectional": False,
    "segment_length": 1,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "alpha": 0.0,
    "random_state": 0,
}
models = {}
for cell in CELLS:
    models[cell] = RNNClassifier(32, cell=cell, max_iter=30, **options).fit(X, y)
    accuracy = models[cell].score(X_test, y_test)
    print(f"{CELLS[cell]:8} accuracy on new sequences {accuracy:.2f}")

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for cell, model in models.items():
    style = {"color": COLORS[cell], "linestyle": DASHES[cell], "label": CELLS[cell]}
    epochs = np.arange(1, model.n_iter_ + 1)
    left.plot(epochs, model.loss_curve_, **style)
    right.plot(epochs, model.grad_norm_curve_, **style)
left.axhline(np.log(2), color="0.5", linestyle=":", label="guessing")
left.set(xlabel="epoch", ylabel="log-loss", ylim=(0, None))
right.set(xlabel="epoch", ylabel="norm of the gradient", yscale="log")
left.legend(frameon=False)
right.legend(frameon=False)
plt.show()

# %%
# The vanilla network does not see the first step. Its loss falls all the same, since it
# learns the noise by heart: on new sequences it guesses.
#
# What is left of a step
# ----------------------
#
# How much does the answer change if one step changes a little? This is the gradient of
# the answer with respect to that step. It is measured here by moving each step of a
# sequence up and down, before anything was learned (one epoch with a learning rate of
# nearly zero) and after it.


def influence(model, n_steps=25, n_seqs=20, by=0.01):
    """Mean absolute gradient of the answer with respect to each step."""
    rng = np.random.default_rng(2)
    moved = by * np.eye(n_steps)[:, :, np.newaxis]
    total = np.zeros(n_steps)
    for _ in range(n_seqs):
        x = rng.normal(size=(n_steps, 4))
        up, down = (model.decision_function(x + sign * moved) for sign in (1, -1))
        total += np.abs(up - down) / (2 * by)
    return total / n_seqs


fig, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for cell, model in models.items():
    fresh = RNNClassifier(
        32, cell=cell, max_iter=1, learning_rate_init=1e-12, **options
    ).fit(X, y)
    for ax, which in zip(axes, (fresh, model), strict=True):
        style = {"color": COLORS[cell], "linestyle": DASHES[cell]}
        ax.plot(np.arange(25)[::-1], influence(which), label=CELLS[cell], **style)
for ax, title in zip(axes, ("before learning", "after learning"), strict=True):
    ax.set(yscale="log", xlabel="steps before the end", title=title)
axes[0].set_ylabel("influence on the answer")
axes[0].legend(frameon=False)
plt.show()

# %%
# A straight line on this scale is a loss by the same factor in each step. The LSTM
# begins with an open forget gate and loses least. The GRU begins with gates that are
# half open, and loses as much as the vanilla cell, or more; but its gates learn to keep
# the first step, which stands out afterwards. The vanilla cell has no such choice: all
# steps have about the same influence on its answer, and the first one is lost in it.
