"""
A writer of Shakespeare in a minute
===================================

:class:`~skrnn.LanguageModel` reads three plays, character by character, and then writes
a scene of its own. Counts of n-grams stand beside the network: ``ngram_order``.
"""

# %%
# The data
# --------
#
# Three plays come with the package: the speakers' names and what they say.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import LanguageModel
from skrnn.datasets import load_shakespeare

train = load_shakespeare(subset="train").data
test = load_shakespeare(subset="test").data[:20_000]
print(train[:300])

# %%
# Learning
# --------
#
# One string is one long text, without an end. Half a minute is enough, as the counts
# know the words at once.

model = LanguageModel(
    256,
    cell="gru",
    ends=False,
    max_iter=4,
    dropout=0.2,
    learning_rate_init=0.006,
    ngram_order=7,
    random_state=0,
).fit(train)
print(f"{model.bits_per_character(test):.3f} bits for each character of the test text")

# %%
# What it writes
# --------------
#
# A low temperature stays close to what is common, and a high one invents words.

for temperature in (0.5, 0.8, 1.1):
    print(f"--- temperature {temperature}")
    print(
        model.generate(
            "KING RICHARD II:\n",
            max_new_tokens=350,
            temperature=temperature,
            random_state=1,
        )
    )

# %%
# In a terminal, ``generate_iter`` shows the text while it is written::
#
#     for piece in model.generate_iter("KING RICHARD II:\n", max_new_tokens=2000):
#         print(piece, end="", flush=True)

# %%
# Where it is surprised
# ---------------------
#
# Each character of a line in the colour of its surprise, in bits. Beginnings of words
# are hard to guess, and their ends are easy.

line = "What must the king do now? must he submit?\nThe king shall do it: must he be"
bits = -np.concatenate(model.score_tokens([line])) / np.log(2)
fig, ax = plt.subplots(figsize=(8, 2.2), layout="constrained")
rows = line.split("\n")
width = max(map(len, rows))
place = 0
for row, text in enumerate(rows):
    for column, letter in enumerate(text):
        share = min(bits[place] / 8, 1)
        box = {"facecolor": plt.cm.OrRd(0.8 * share), "edgecolor": "none", "pad": 2}
        ax.text(column, -row, letter, family="monospace", ha="center", bbox=box)
        place += 1
    place += 1  # the end of the line
ax.set(xlim=(-1, width), ylim=(-len(rows) + 0.4, 0.6))
ax.axis("off")
colours = plt.cm.ScalarMappable(plt.Normalize(0, 8), plt.cm.OrRd)
fig.colorbar(colours, ax=ax, label="surprise (bits)")
plt.show()
