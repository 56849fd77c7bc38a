"""
Dates as people write them, into ISO
====================================

"The 3rd of May, 1983", "3.5.1983" and "May 3, 1983" are one day. A translator reads
such a text character by character, and writes 1983-05-03. It is given pairs and no
rules.
"""

# %%
# :func:`~skrnn.datasets.make_dates` writes days of two centuries in 26 ways.

from time import process_time

import matplotlib.pyplot as plt

from skrnn import SequenceTranslator
from skrnn.datasets import make_dates
from skrnn.metrics import sequence_accuracy_score
from skrnn.plotting import AttentionDisplay

X, y = make_dates(10_000, random_state=0)
X_test, y_test = make_dates(1000, random_state=1)
for text, iso in zip(X[:4], y[:4], strict=True):
    print(f"{iso}  {text}")

# %%
# Texts are read as characters. There are few of them, and a date is short, so a small
# network and a few epochs do.

model = SequenceTranslator(64, max_iter=4, random_state=0)
start = process_time()
model.fit(X, y)
print(f"fit: {process_time() - start:.1f} s of one core")
predicted = model.predict(X_test)
print(f"exactly right: {sequence_accuracy_score(y_test, predicted):.1%}")

# %%
# What it looks at
# ----------------
#
# Attention shows which characters the model looks at while it writes. It writes the
# year first, and looks for it wherever it stands.

texts = ["Wednesday, May 9th, 2085", "the 31st of december 2002"]
fig, axes = plt.subplots(2, figsize=(8, 8), layout="constrained")
for k, ax in enumerate(axes):
    AttentionDisplay.from_estimator(model, texts, number=k, ax=ax)
plt.show()

# %%
# How sure it is
# --------------
#
# "Ju" may begin June or July. `n_best` gives several readings, and the logarithm of the
# probability of each.

written = "4 Ju 2001"
readings, scores = model.n_best([written], n=3)
for reading, score in zip(readings[0], scores[0], strict=True):
    print(f"{written} may be {reading}: log p = {score:.2f}")
