"""
Sentences that are unlike the others
====================================

A language model is also a detector of unusual texts. It learns from ordinary sentences
alone. The perplexity of a new sentence says how much each of its characters surprises:
sentences of another kind, language or time stand out.
"""

# %%
# Learning what is usual
# ----------------------
#
# Lines of three plays of Shakespeare. Each line is a text of its own, with an end.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score

from skrnn import LanguageModel
from skrnn.datasets import load_shakespeare


def lines(subset):
    """Lines of verse of at least 25 characters, without the names of speakers."""
    text = load_shakespeare(subset=subset).data
    return [line for line in text.split("\n") if len(line) >= 25]


train, usual = lines("train"), lines("test")[:200]
model = LanguageModel(
    128, max_iter=4, batch_size=16, ngram_order=5, dropout=0.2, random_state=0
).fit(train)
print(f"{len(train)} lines; perplexity of others: {model.perplexity(usual):.2f}")

# %%
# The score of a sentence
# -----------------------
#
# ``score_tokens`` has the logarithm of each character's probability. Their mean makes
# long and short sentences comparable. Characters that were not in ``fit`` are read as
# unknown, and a warning says how many there are.

odd = {
    "a bill": "Please transfer the amount of the invoice within a fortnight.",
    "a program": "for (int i = 0; i < n; i++) total += weight[i] * x[i];",
    "French": "Il faut que le roi se soumette, et il se soumettra.",
    "German": "Was soll der Koenig nun tun, soll er sich unterwerfen?",
    "a cat on the keys": "jjkkkk fdsa lkjweq oiu mnvcx lllpppq aaasd",
    "words in disorder": "it submit must the now he do shall king do what king must",
    "modern": "The update of the phone takes twenty minutes, so plug it in.",
    "news": "Shares in chip makers climbed after the bank cut its forecast.",
}


def perplexities(sentences):
    """How much each sentence surprises: its perplexity by character."""
    return np.exp([-values.mean() for values in model.score_tokens(sentences)])


ordinary, surprising = perplexities(usual), perplexities(list(odd.values()))
by_value = sorted(zip(surprising, odd.items(), strict=True), reverse=True)
for value, (kind, sentence) in by_value:
    print(f"{value:7.1f}  {kind:18} {sentence[:45]}")
print(f"{np.median(ordinary):7.1f}  an ordinary line   {usual[0]}")
labels = np.r_[np.zeros(len(ordinary)), np.ones(len(surprising))]
area = roc_auc_score(labels, np.r_[ordinary, surprising])
print(f"Area under the curve: {area:.3f}")

# %%
# A threshold
# -----------
#
# The 99th percentile of ordinary lines that the model has not read: one of a hundred
# such lines is reported in error.

threshold = np.quantile(ordinary, 0.99)
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
bins = np.geomspace(2, 100, 50)
ax.hist(ordinary, bins, label="lines of other plays")
ax.axvline(threshold, color="k", ls=":", lw=1, label="99 % of them are below")
for i, (value, kind) in enumerate(sorted(zip(surprising, odd, strict=True))):
    height, label = 10 + 6 * i, "odd sentences" if i == 0 else None
    ax.plot([value, value], [0, height], color="#D55E00", lw=0.8, label=label)
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1}
    ax.text(value * 1.02, height, kind, color="#D55E00", fontsize=9, bbox=box)
ax.set_xscale("log")
ax.set(xlabel="perplexity by character", ylabel="lines", xlim=(2, 600))
ax.set_xticks([2, 5, 10, 20, 50, 100, 200, 500])
ax.xaxis.set_major_formatter("{x:.0f}")
ax.legend(loc="lower right")
plt.show()

# %%
# ``model.score_tokens`` also says where a sentence is odd; see the example on writing
# Shakespeare for a picture.
