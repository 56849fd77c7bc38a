"""
Early stopping: ending before the noise is learned
==================================================

A network that trains for long on few sequences learns them by heart, noise and all.
Some sequences that it does not learn from show when this begins: their loss rises while
the loss of the training still falls. ``early_stopping=True`` holds out a tenth of the
sequences, ends when they get no better, and keeps the weights of the best epoch.
"""

# %%
# The data
# --------
#
# Made-up curves with two features. The label says whether the first one rises or falls,
# a sixth of the labels are wrong, and there are only 150 sequences to learn from.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNClassifier


def make_curves(n, seed, wrong=1 / 6):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, size=n)
    X = [rng.normal(size=(length, 2)) for length in rng.integers(15, 30, size=n)]
    for x, label in zip(X, y, strict=True):
        x[:, 0] += (2 * label - 1) * np.linspace(-0.7, 0.7, len(x))
    return X, np.where(rng.random(n) < wrong, 1 - y, y)


X, y = make_curves(150, seed=0)
X_test, y_test = make_curves(1000, seed=1)

# %%
# Two fits
# --------
#
# The first network makes all epochs. ``partial_fit`` makes one at a time, so that we
# can look at new sequences after each. The second one holds out a third of its
# sequences, since a tenth of 150 is too few to tell a good epoch from a lucky one.

options = {
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "alpha": 0.0,
    "learning_rate": "constant",
    "learning_rate_init": 0.003,
    "random_state": 0,
}


def log_loss(model):
    log_proba = model.predict_log_proba(X_test)
    return -log_proba[np.arange(len(y_test)), y_test].mean()


long = RNNClassifier(**options)
new = []
for _ in range(60):
    long.partial_fit(X, y, classes=[0, 1])
    new.append(log_loss(long))
stopped = RNNClassifier(
    early_stopping=True,
    validation_fraction=1 / 3,
    n_iter_no_change=10,
    max_iter=60,
    **options,
).fit(X, y)
best = int(np.argmin(stopped.validation_loss_curve_)) + 1
print(f"ended after {stopped.n_iter_} epochs, and kept the weights of epoch {best}")
for name, model in {"all epochs": long, "early stopping": stopped}.items():
    print(f"{name:15} loss {log_loss(model):.3f}  {model.score(X_test, y_test):.1%}")

# %%
# The curves
# ----------
#
# On the left the gap opens: what is learned after the first epochs helps with the
# sequences of the training only. On the right the second network has ended soon after
# its held-out sequences got worse. A sixth of the labels cannot be known: no network
# can be right more often than in 83 %, and less than the dotted loss is not to be had.

floor = -(np.log(5 / 6) * 5 / 6 + np.log(1 / 6) / 6)
fig, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.8), sharex=True, sharey=True, layout="constrained"
)
epochs = np.arange(1, 61)
left.plot(epochs, long.loss_curve_, color="#0072B2", label="training")
left.plot(epochs, new, color="#D55E00", linestyle="--", label="new sequences")
left.set(title="all epochs", xlabel="epoch", ylabel="log-loss", ylim=(0, 1.8))
epochs = np.arange(1, stopped.n_iter_ + 1)
right.plot(epochs, stopped.loss_curve_, color="#0072B2", label="training")
right.plot(
    epochs,
    stopped.validation_loss_curve_,
    color="#CC79A7",
    linestyle="-.",
    label="held out",
)
right.axvline(best, color="0.4", linewidth=1, label="the epoch that is kept")
right.set(title="early stopping", xlabel="epoch")
for ax in (left, right):
    ax.axhline(floor, color="0.4", linestyle=":", label="the best there can be")
    ax.legend(frameon=False, loc="upper left")
plt.show()
