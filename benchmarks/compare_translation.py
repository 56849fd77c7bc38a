"""Translation: skrnn against PyTorch, with the same network.

    python benchmarks/compare_translation.py [--quick] [--folder FOLDER] [--epochs N]

Both read and write words: one bidirectional GRU of 256 units that reads, one GRU that
writes, general attention after it, tables of 256 columns, that of the targets being the
output matrix, too. PyTorch is also run with input feeding, by which the decoder reads
what it found a step before and goes step by step. See `torch_translation.py`.

Training: parts of an epoch in turns, on one thread; tokens of the targets, ends
included, a CPU second. The time of a fit less that of a shorter one counts, so that
neither reading the words nor making the network does.

With ``--folder``, which holds multi30k:

Accuracy: BLEU on its test part beside the CPU seconds of the fit.

Search: a beam of 5, one sentence at a time and in batches of 50, by what was fitted.
PyTorch's model is also run with input feeding whose weights are zero, so that it says
the same.

Sentences of the first part are made up, as long as those of multi30k, and with as many
words.
"""

import gzip
import warnings
from copy import copy
from itertools import count
from pathlib import Path
from time import process_time

import numpy as np
import torch
from measure import Machine, options, table
from torch_translation import Training, Translator

from skrnn import SequenceTranslator
from skrnn.metrics import bleu_score

UNITS, SIZE, BATCH = 256, 256, 64
N_SOURCE, N_TARGET = 4568, 4869


def seconds(function, *args, **kwargs):
    start = process_time()
    found = function(*args, **kwargs)
    return process_time() - start, found


def translator(**more):
    return SequenceTranslator(
        UNITS,
        **{
            "source_unit": "word",
            "target_unit": "word",
            "embedding_size": SIZE,
            "batch_size": BATCH,
            "random_state": 0,
            "n_jobs": 1,
        }
        | more,
    )


def sentences(n, seed=0):
    """Made-up pairs: each word once at least, then words as rare as those of texts."""
    rng = np.random.default_rng(seed)

    def side(n_words):
        lengths = np.clip(rng.poisson(12.5, n), 3, 40)
        ids = np.minimum(rng.zipf(1.3, lengths.sum()) - 1, n_words - 1)
        ids[: min(n_words, len(ids))] = np.arange(min(n_words, len(ids)))
        parts = np.split(rng.permutation(ids), np.cumsum(lengths)[:-1])
        return [" ".join(f"w{i}" for i in part) for part in parts]

    return side(N_SOURCE), side(N_TARGET)


class Words:
    """Words by number, as a loop in PyTorch needs them."""

    def __init__(self, texts, min_frequency=1):
        counts = {}
        for text in texts:
            for word in text.split():
                counts[word] = counts.get(word, 0) + 1
        self.words = [w for w, c in counts.items() if c >= min_frequency]
        self.number = {word: i for i, word in enumerate(self.words)}
        self.unknown = len(self.words)

    def codes(self, texts):
        return [
            torch.tensor([self.number.get(w, self.unknown) for w in text.split()])
            for text in texts
        ]

    def text(self, codes):
        words = [*self.words, "<unk>"]
        return " ".join(words[code] for code in codes)


class Loop:
    """A training in PyTorch of some pairs."""

    def __init__(self, X, y, place, n_epochs, min_frequency=1):
        torch.manual_seed(0)
        self.source, self.target = Words(X, min_frequency), Words(y, min_frequency)
        sizes = self.source.unknown + 1, self.target.unknown + 2
        self.model = Translator(*sizes, UNITS, SIZE, place)
        sources, targets = self.source.codes(X), self.target.codes(y)
        n_updates = n_epochs * -(-len(X) // BATCH)
        self.training = Training(self.model, sources, targets, n_updates)
        self.rng, self.n_epochs = np.random.default_rng(0), n_epochs

    def fit(self):
        for _ in range(self.n_epochs):
            self.training.epoch(self.rng)
        return self

    def predict(self, X, beam=5):
        return [
            self.target.text(found)
            for found in self.model.translate(self.source.codes(X), beam)
        ]


def compare_training(args):
    n_batches = 6 if args.quick else 24
    X, y = sentences(n_batches * BATCH)
    n_tokens = sum(len(text.split()) + 1 for text in y)
    ours = translator(max_iter=2)
    loops = [Loop(X, y, place, 100) for place in ("after", "feeding")]
    rates = []
    for _ in range(3 if args.quick else 5):
        short, _ = seconds(ours.set_params(max_iter=1).fit, X, y)
        long, _ = seconds(ours.set_params(max_iter=3).fit, X, y)
        times = [(long - short) / 2]
        times += [seconds(loop.training.epoch, loop.rng)[0] for loop in loops]
        rates.append(n_tokens / np.array(times))
    ours, after, feeding = np.median(rates, axis=0)
    ratios = np.median([r[0] / np.array(r[1:]) for r in rates], axis=0)
    rows = [
        ["skrnn", f"{ours:,.0f}", ""],
        ["torch", f"{after:,.0f}", f"{ratios[0]:.1f}"],
        ["torch, input feeding", f"{feeding:,.0f}", f"{ratios[1]:.1f}"],
    ]
    table("Training, tokens a CPU second:", ["", "tokens/s", "×"], rows)


def compare_search(args, ours, loop, X):
    """Time a beam of 5 over sentences, by what was fitted."""
    fed = copy(loop)
    fed.model = loop.model.fed()
    loops = [loop, fed]
    ours.set_params(beam_width=5)
    n = 10 if args.quick else 100
    fresh = count()

    def part(size):
        first = next(fresh) * size % max(1, len(X) - size)
        return X[first : first + size]

    rows = []
    for name, size in (("singly", 1), ("in batches of 50", 50)):
        times = [[], [], []]
        for _ in range(max(1, n // size)):
            texts = part(size)
            times[0].append(seconds(ours.predict, texts)[0] / len(texts))
            for k, loop in enumerate(loops):
                times[1 + k].append(seconds(loop.predict, texts)[0] / len(texts))
        means = [np.mean(each) for each in times]
        rates = [f"{1 / mean:.0f}" for mean in means]
        ratios = [f"{mean / means[0]:.1f}" for mean in means[1:]]
        rows.append([name, *rates, *ratios])
    header = ["", "skrnn", "torch", "torch, input feeding", "×", "×"]
    table("Beam of 5, sentences a CPU second:", header, rows)


def read(folder, part, language):
    path = Path(folder) / f"multi30k.{part}.{language}.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def compare_accuracy(args):
    """Print BLEU beside seconds; return the models and the sources of the test."""
    parts = ("train", "test_2016_flickr")
    (X, y), (X_test, y_test) = (
        [read(args.folder, part, language) for language in ("en", args.language)]
        for part in parts
    )
    if args.quick:
        X, y, X_test, y_test = X[:640], y[:640], X_test[:50], y_test[:50]
    ours = translator(max_iter=args.epochs, min_frequency=3)
    time, _ = seconds(ours.fit, X, y)
    rows = [row("skrnn", time, y_test, ours.predict(X_test))]
    loop = Loop(X, y, "after", args.epochs, min_frequency=3)
    time, _ = seconds(loop.fit)
    found = [
        text
        for first in range(0, len(X_test), 50)
        for text in loop.predict(X_test[first : first + 50])
    ]
    rows.append(row("torch", time, y_test, found))
    title = f"multi30k, English to {args.language}, {args.epochs} epochs, beam of 5:"
    table(title, ["", "CPU seconds", "BLEU"], rows)
    return ours, loop, X_test


def row(name, time, y_test, found):
    return [name, f"{time:.0f}", f"{bleu_score(y_test, list(found)):.1f}"]


def main():
    args = options(
        __doc__,
        folder={"type": Path, "help": "folder of multi30k.train.en.gz and its kin"},
        language={"default": "fr", "help": "of the targets (fr)"},
        epochs={"type": int, "default": 3, "help": "epochs of the accuracy (3)"},
    )
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    warnings.simplefilter("ignore")
    machine = Machine(
        lambda a, b: torch.mm(torch.from_numpy(a), torch.from_numpy(b)), 3
    )
    machine.describe(torch=torch.__version__)
    compare_training(args)
    if args.folder is not None:
        compare_search(args, *compare_accuracy(args))


if __name__ == "__main__":
    main()
