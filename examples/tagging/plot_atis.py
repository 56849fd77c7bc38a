"""
Slots of flight queries
=======================

Someone asks for a flight: which words are the city of departure, which the time of
arrival? This is the data set ATIS, whose words have tags in the scheme IOB2: ``B-``
begins an entity and ``I-`` goes on with it. Where the data are not at hand, a few
made-up queries stand in; the program says so.
"""

# %%
# The queries are lists of words, and so are the tags.

import gzip
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceTagger
from skrnn.metrics import chunk_f1_score
from skrnn.plotting import TaggingDisplay


def find(name):
    """Return the path of a file of the data set, or None."""
    here = Path(__file__).resolve() if "__file__" in globals() else Path.cwd() / "x"
    for folder in here.parents:
        path = folder / "shared" / "data" / "tagging" / name
        if path.exists():
            return path
    return None


def read(name):
    """Return queries and their tags."""
    X, y = [], []
    with gzip.open(find(name), "rt") as file:
        for line in file:
            words, tags = (part.split() for part in line.rstrip("\n").split("\t"))
            words = words[1:-1]  # between marks of begin and end
            X.append(words)
            y.append(tags[1 : 1 + len(words)])
    return X, y


def made_up(n_queries, seed):
    """Return queries of a few patterns."""
    rng = np.random.default_rng(seed)
    cities = [["boston"], ["denver"], ["new", "york"], ["san", "francisco"]]
    X, y = [], []
    for _ in range(n_queries):
        words, tags = ["flights"], ["O"]
        for word, kind in (("from", "fromloc.city_name"), ("to", "toloc.city_name")):
            city = cities[rng.integers(4)]
            words += [word, *city]
            tags += ["O", f"B-{kind}", *[f"I-{kind}"] * (len(city) - 1)]
        X.append(words)
        y.append(tags)
    return X, y


if find("atis.train.iob.gz"):
    X, y = read("atis.train.iob.gz")
    X_test, y_test = read("atis.test.iob.gz")
    X, y = X[:2000], y[:2000]  # enough for a picture
else:
    print("ATIS is not at hand: made-up queries stand in for it.")
    X, y = made_up(400, seed=0)
    X_test, y_test = made_up(100, seed=1)

# %%
# A network reads each query in both directions, and a conditional random field scores
# whole paths of tags. What the scheme does not allow has the probability zero.

# The picture needs queries whose tags are all known. This F1 is of these queries alone,
# and so it is higher than that of the whole test set would be.
known = {tag for tags in y for tag in tags}
kept = [i for i, tags in enumerate(y_test) if set(tags) <= known]
X_test, y_test = [X_test[i] for i in kept], [y_test[i] for i in kept]
tagger = SequenceTagger(
    100,
    embedding_size=100,
    crf=True,
    scheme="IOB2",
    dropout=0.5,
    recurrent_dropout=0.0,
    learning_rate_init=0.004,
    max_iter=8,
    batch_size=16,
    random_state=0,
).fit(X, y)
f1 = chunk_f1_score(y_test, tagger.predict(X_test))
print(f"F1 of entities in queries of known tags: {f1:.3f}")

# %%
# The entities of a query, and how sure the model is of each.

# The query with the most kinds of tags, as long as each kind can have a colour.
few = [i for i in range(len(X_test)) if len(set(y_test[i])) <= 6]
number = max(few, key=lambda i: len(set(y_test[i])))
for start, stop, kind, chance in tagger.predict_chunks(X_test[number : number + 1])[0]:
    print(f"{' '.join(X_test[number][start:stop]):20} {kind:28} {chance:.3f}")

# %%
# The same as a picture: the probabilities of the tags above, and the tags that were
# predicted and the true ones below.

TaggingDisplay.from_estimator(tagger, X_test, y_test, number=number)
plt.show()
