"""
Handwritten numbers from pen strokes
====================================

Someone writes a number with a pen. Which digits are they? The moves of the pen are a
sequence, and the digits are labels in order: nobody says which steps belong to which
digit. A transcriber learns that by itself. The strokes are those of UCI's data set
pendigits, digits side by side, by 30 writers. Where the data are not at hand, made-up
strokes of four digits stand in; the program says so.
"""

# %%
# A step is a move to the right, a move upwards, and whether a new stroke begins.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceTranscriber
from skrnn.metrics import label_error_rate, sequence_accuracy_score
from skrnn.plotting import TranscriptDisplay


def find(name):
    """Return the path of a file of the data set, or None."""
    here = Path(__file__).resolve() if "__file__" in globals() else Path.cwd() / "x"
    for folder in here.parents:
        path = folder / "shared" / "data" / "handwriting" / name
        if path.exists():
            return path
    return None


SHAPES = {
    1: [(0, 0), (0, -4)],
    4: [(0, 0), (-1, -2), (2, -2), None, (1, 0), (1, -4)],
    5: [(2, 0), (0, 0), (0, -2), (2, -2), (2, -4), (0, -4)],
    7: [(0, 0), (2, 0), (0, -4)],
}


def made_up(n_numbers, seed):
    """Return strokes of a few digits with straight lines, by an unsteady hand."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n_numbers):
        digits, points, begins = rng.choice(list(SHAPES), rng.integers(1, 6)), [], []
        for place, digit in enumerate(digits):
            pen_is_up = True
            for corner in SHAPES[int(digit)]:
                if corner is None:
                    pen_is_up = True
                    continue
                end = 25 * (np.array(corner) + rng.normal(0, 0.15, 2) + (4 * place, 0))
                n = 1 if pen_is_up else 5
                start = end if pen_is_up else points[-1]
                points += [start + (end - start) * (i + 1) / n for i in range(n)]
                begins += [pen_is_up, *[False] * (n - 1)]
                pen_is_up = False
        moves = np.diff(points, axis=0, prepend=points[:1])
        X.append(np.column_stack([moves, begins]))
        y.append(digits.tolist())
    return X, y


if find("pendigits_30writers.npz"):
    sys.path.insert(0, str(find("pendigits.py").parent))
    import pendigits

    data = pendigits.load(find("pendigits_30writers.npz"))
    X, y, _ = pendigits.numbers(data, range(1, 24))
    X_test, y_test, _ = pendigits.numbers(data, range(24, 31))
else:
    print("The strokes are not at hand: made-up ones stand in for them.")
    X, y = made_up(600, seed=0)
    X_test, y_test = made_up(100, seed=1)

# %%
# `y` is a list of lists of digits. Other writers than those of the training write the
# numbers that are read now.

model = SequenceTranscriber(max_iter=20, random_state=0).fit(X, y)
predicted = model.predict(X_test)
print(f"{len(X)} numbers to learn from, {len(X_test)} to read")
print(f"label error rate {label_error_rate(y_test, predicted):.3f}")
print(f"numbers right {sequence_accuracy_score(y_test, predicted):.3f}")

# %%
# The picture shows a number of five digits. The network names a digit in a few steps,
# often when it has been written. These steps are thick above and shaded below; those
# before have the same colour. In all other steps the network says "blank".

number = next(i for i, digits in enumerate(y_test) if len(digits) == 5)
TranscriptDisplay.from_estimator(model, X_test, number=number, kind="strokes")
plt.show()

# %%
# How sure is the model? `n_best` gives the most probable numbers, and the logarithm of
# the probability of each. A number that was read wrong often has its right reading
# among them.

wrong = next(
    (i for i in range(len(X_test)) if list(predicted[i]) != list(y_test[i])), number
)
texts, scores = model.n_best(X_test[wrong : wrong + 1], n=4)
print("written:", *y_test[wrong])
for digits, log_p in zip(texts[0], scores[0], strict=True):
    print(f"{np.exp(log_p):.3f}", *digits)
