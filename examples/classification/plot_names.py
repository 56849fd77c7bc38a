"""
Where does a name come from? Characters as a sequence
=====================================================

A string is the sequence of its characters: :class:`~skrnn.RNNClassifier` takes a list
of names as it is. The characters are learned in ``fit``, with a vector for each, and
the network reads a name from both ends.
"""

# %%
# The data
# --------
#
# The names of 18 nations are those of the PyTorch tutorials, if they are there. Else
# names are made up of syllables, so that the example runs anywhere; its figures say
# nothing then.

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay, accuracy_score, f1_score

from skrnn import RNNClassifier

# From the repository, or from the folder of this file.
UP = "..", "../..", "../../.."
FOLDERS = [Path(up, "shared/data/text/names") for up in UP]
FOLDER = next((folder for folder in FOLDERS if folder.exists()), FOLDERS[0])


def read_names(folder):
    """The lines of all files, and the names of the files."""
    names, nations = [], []
    for path in sorted(folder.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        found = [line.strip() for line in lines if line.strip()]
        names += found
        nations += [path.stem] * len(found)
    return names, nations


def make_up_names(n_names=1500):
    """Stand-ins: each nation has syllables that it likes."""
    rng = np.random.default_rng(0)
    syllables = {
        "Italian": ["ri", "no", "lo", "zzi", "be", "tta", "ca"],
        "Japanese": ["ka", "shi", "mo", "to", "ra", "su", "ki"],
        "Russian": ["ov", "ski", "va", "dre", "ni", "kol", "ch"],
        "English": ["son", "wood", "ham", "ley", "ton", "har", "smi"],
    }
    nations = rng.choice(list(syllables), size=n_names)
    names = ["".join(rng.choice(syllables[n], size=3)).title() for n in nations]
    return names, nations.tolist()


found = any(FOLDER.glob("*.txt"))
names, nations = read_names(FOLDER) if found else make_up_names()
print("Names of people." if found else "MADE-UP names: there are no others here.")
order = np.random.RandomState(0).permutation(len(names))
X = [names[i] for i in order]
y = np.array(nations)[order]
n_train = int(0.8 * len(X))
print(f"{len(X)} names, such as {', '.join(X[:4])}")

# %%
# The network
# -----------
#
# A name is short, and every letter counts: the mean of all states is read. There are
# many names, so twelve epochs do, without a penalty.

model = RNNClassifier(
    128,
    bidirectional=True,
    pooling="mean",
    embedding_size=32,
    alpha=0,
    learning_rate_init=0.004,
    max_iter=12,
    random_state=0,
)
model.fit(X[:n_train], y[:n_train])
predicted = model.predict(X[n_train:])
accuracy = accuracy_score(y[n_train:], predicted)
macro = f1_score(y[n_train:], predicted, average="macro")
print(
    f"{len(model.categories_[0])} characters, vectors of {model.embeddings_[0].shape}"
)
print(f"accuracy {accuracy:.3f}, macro F1 {macro:.3f}")

# %%
# Which nations are taken for one another
# ---------------------------------------

fig, ax = plt.subplots(figsize=(8, 7.5), layout="constrained")
display = ConfusionMatrixDisplay.from_predictions(
    y[n_train:],
    predicted,
    normalize="true",
    include_values=False,
    xticks_rotation="vertical",
    cmap="Blues",
    im_kw={"vmin": 0, "vmax": 1},
    ax=ax,
)
display.im_.colorbar.set_label("share of the names of a nation")
ax.set(xlabel="predicted nation", ylabel="true nation")
ax.set_title(f"Names by nation: {accuracy:.1%} are right")
plt.show()

# %%
# A name as it is typed
# ---------------------
#
# A network that reads in one direction follows a name character by character.

reader = RNNClassifier(64, pooling="last", max_iter=5, random_state=0)
reader.fit(X[:n_train], y[:n_train])
stream = reader.stream(method="predict_proba")
name = "Rossini" if found else "Kashimo"
steps = np.concatenate([stream.step(character) for character in name])
best = np.argsort(-steps.max(axis=0))[:4]

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
colors = ["#0072B2", "#E69F00", "#009E73", "#CC79A7"]
for k, color, marker in zip(best, colors, "o^sD", strict=True):
    ax.plot(steps[:, k], marker=marker, color=color, label=reader.classes_[k])
ax.set_xticks(range(len(name)), list(name))
ax.set_ylim(-0.02, 1.02)
ax.set(xlabel="letter", ylabel="probability so far")
ax.set_title(f"Where does {name} come from?")
ax.legend(frameon=False)
plt.show()
