"""
English into French
===================

A translator reads a sentence, and writes it in another language. Here it learns from
29,000 captions of photographs, word by word. Where the data are not at hand, made-up
sentences of a dozen words stand in; the program says so.
"""

# %%
# The data are multi30k, in small letters and with blanks around all marks.

import gzip
from pathlib import Path
from time import process_time

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SequenceTranslator
from skrnn.metrics import bleu_score, chrf_score
from skrnn.plotting import AttentionDisplay

# From the repository, or from the folder of this file.
UP = "..", "../..", "../../.."
FOLDERS = [Path(up, "shared/data/translation") for up in UP]
FOLDER = next((folder for folder in FOLDERS if folder.exists()), FOLDERS[0])
WORDS = {
    "a": ["man", "woman", "dog", "child"],
    "is": ["reading", "running", "sleeping"],
    "in": ["the street", "a park", "the snow"],
}
FRENCH = {
    "man": "un homme",
    "woman": "une femme",
    "dog": "un chien",
    "child": "un enfant",
    "reading": "lit",
    "running": "court",
    "sleeping": "dort",
    "the street": "dans la rue",
    "a park": "dans un parc",
    "the snow": "dans la neige",
}


def read(part, language):
    """The lines of one file."""
    path = FOLDER / f"multi30k.{part}.{language}.gz"
    return gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()


def make_up(n_pairs, seed):
    """Stand-ins: someone does something somewhere."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n_pairs):
        drawn = [str(rng.choice(words)) for words in WORDS.values()]
        X.append(" ".join(f"{a} {b}" for a, b in zip(WORDS, drawn, strict=True)))
        y.append(" ".join(FRENCH[word] for word in drawn))
    return X, y


found = FOLDER.exists()
if found:
    X, y = read("train", "en"), read("train", "fr")
    X_test, y_test = read("test_2016_flickr", "en"), read("test_2016_flickr", "fr")
else:
    print("MADE-UP sentences: there are no others here.")
    X, y = make_up(2000, seed=0)
    X_test, y_test = make_up(100, seed=1)
print(f"{len(X)} pairs, such as:\n{X[0]}\n{y[0]}")

# %%
# Words that occur once or twice count as unknown. Where the model writes an unknown
# word, the word that it looks at stands instead: often this is a name or a number.

model = SequenceTranslator(
    256,
    source_unit="word",
    target_unit="word",
    embedding_size=256,
    min_frequency=3,
    max_iter=3,
    random_state=0,
)
start = process_time()
model.fit(X, y)
print(f"fit: {process_time() - start:.0f} s of one core")
print(f"{len(model.source_vocabulary_)} and {len(model.target_vocabulary_)} words")

# %%
# BLEU counts words, pairs, triples and fours of them that are right; chrF counts runs
# of characters. Both go up to 100.

start = process_time()
predicted = list(model.predict(X_test))
seconds = process_time() - start
bleu, chrf = bleu_score(y_test, predicted), chrf_score(y_test, predicted)
print(f"BLEU {bleu:.1f}, chrF {chrf:.1f}")
print(f"{len(X_test) / seconds:.0f} sentences a second of one core")
for texts in list(zip(X_test, predicted, y_test, strict=True))[:4]:
    print("", *texts, sep="\n")

# %%
# Where the words come from
# -------------------------
#
# French puts most adjectives behind their noun: the dark places then leave the
# diagonal.

number = next(
    (i for i, text in enumerate(X_test) if " black " in text and len(text) < 60), 0
)
AttentionDisplay.from_estimator(model, X_test, number=number)
plt.show()
