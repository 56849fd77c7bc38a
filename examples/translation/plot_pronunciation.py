"""
How is a word said? Letters into phones
=======================================

English spelling says a part of how a word is spoken: "gh" is said in "ghost" and not in
"though". A translator learns from words and their phones how to say words that it never
saw, most of them names.
"""

# %%
# The package brings 5,000 words of the CMU Pronouncing Dictionary. A word is a text,
# and its pronunciation a list of phones.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceTranslator
from skrnn.datasets import load_pronunciations
from skrnn.metrics import label_error_rate, sequence_accuracy_score
from skrnn.plotting import AttentionDisplay

X, y = load_pronunciations(subset="train", return_X_y=True)
X_test, y_test = load_pronunciations(subset="test", return_X_y=True)
for word, phones in zip(X[:4], y[:4], strict=True):
    print(f"{word:12}", *phones)

# %%
# `predict` answers with lists of phones, in the form of `y`.

model = SequenceTranslator(128, max_iter=20, random_state=0).fit(X, y)
predicted = model.predict(X_test)
print(f"phones wrong: {label_error_rate(y_test, predicted):.1%}")
print(f"words right: {sequence_accuracy_score(y_test, predicted):.1%}")
for word, phones, right in list(zip(X_test, predicted, y_test, strict=True))[:8]:
    print(
        f"{word:12} {' '.join(phones):28}", "" if phones == right else " ".join(right)
    )

# %%
# Several answers
# ---------------
#
# Of many words more than one pronunciation is plausible. `n_best` gives the most
# probable ones.

words = ["herald", "tomato", "lead"]
answers, scores = model.n_best(words, n=3)
for word, each, log_p in zip(words, answers, scores, strict=True):
    for phones, score in zip(each, log_p, strict=True):
        print(f"{word:12} {np.exp(score):6.1%} ", *phones)

# %%
# Which letters make a phone
# --------------------------
#
# Several letters make one phone, and "x" makes two.

fig, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, word in zip(axes, ["thoughts", "exchange"], strict=True):
    AttentionDisplay.from_estimator(model, [word], ax=ax)
plt.show()
