"""
New names for a nation, and odd ones out
========================================

A language model of names invents names of its own. It also says how usual a name is: a
low probability for each letter marks a name that is not like the others.
"""

# %%
# The data
# --------
#
# The Italian names of the PyTorch tutorials, if they are there. Else names are made up
# of syllables, so that the example runs anywhere; they say nothing of Italy then.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skrnn import LanguageModel

# From the repository, or from the folder of this file.
UP = "..", "../..", "../../.."
FOLDERS = [Path(up, "shared/data/text/names") for up in UP]
PATH = next((f for f in FOLDERS if f.exists()), FOLDERS[0]) / "Italian.txt"


def make_up_names(n_names=700):
    """Stand-ins of syllables that sound Italian."""
    rng = np.random.default_rng(0)
    first = ["ri", "be", "ca", "do", "fa", "mo", "pe", "sa", "ve", "lo"]
    middle = ["na", "ne", "ta", "lli", "rri", "vi", "ste", "gna"]
    last = ["ni", "tti", "lli", "no", "zzi", "ro", "cci"]
    parts = [rng.choice(syllables, n_names) for syllables in (first, middle, last)]
    return ["".join(name).title() for name in zip(*parts, strict=True)]


found = PATH.exists()
names = PATH.read_text(encoding="utf-8").split() if found else make_up_names()
names = sorted(set(names))
print("Names of people." if found else "MADE-UP names: there are no others here.")
order = np.random.RandomState(0).permutation(len(names))
train = [names[i] for i in order[:-60]]
held_out = [names[i] for i in order[-60:]]

# %%
# New names
# ---------
#
# Each name is a text with an end, so the names that are drawn end by themselves.

model = LanguageModel(
    64, max_iter=25, batch_size=16, dropout=0.3, ngram_order=4, random_state=0
).fit(train)
drawn = model.sample(40, random_state=0)
print("New:", ", ".join(sorted(set(drawn) - set(names))))
print(model.generate("Bel", n_samples=5, random_state=0))

# %%
# Odd ones out
# ------------
#
# Names that were held out beside names from elsewhere: the mean surprise of a letter.
# Those with letters that the model has never seen are left out.

others = ["Schubert", "Fitzgerald", "Thompson", "Higgs", "Brecht", "Strutt", "Vuong"]
others += ["Rhodes", "Chaudhuri", "Hughes", "O'Brien", "Ng"]
known = set(model.tokens_)
others = [name for name in others if set(name) <= known] or ["Bbrr", "Tttn", "Rrvl"]


def surprise(texts):
    """Mean surprise of a letter in bits, the end included."""
    return [-values.mean() / np.log(2) for values in model.score_tokens(texts)]


fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
bins = np.linspace(0, 9, 37)
ax.hist(surprise(held_out), bins, label="held out")
odd = surprise(others)
ax.plot(odd, np.full(len(odd), 0.15), "v", color="#D55E00", label="from elsewhere")
_, high = ax.get_ylim()
for i, (value, name) in enumerate(sorted(zip(odd, others, strict=True))):
    height = high * (0.08 + 0.85 * i / len(odd))
    ax.plot([value, value], [0.3, height], color="#D55E00", lw=0.5)
    ax.text(value + 0.04, height, name, fontsize=9, color="#D55E00")
ax.set(xlabel="surprise for each letter (bits)", ylabel="names")
ax.legend(loc="upper left")
plt.show()
