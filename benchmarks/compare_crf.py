"""Conditional random fields: skrnn, sklearn-crfsuite and pytorch-crf.

    python benchmarks/compare_crf.py [--quick] [--data FOLDER] [--seeds 2]

First the sums over paths alone: loss and gradient of batches of 16 sequences of 4 to 19
steps, and the best paths, on one thread. pytorch-crf has the same emissions and
transitions, and the losses and the best paths are compared before anything is timed. A
ratio is the median over the turns of pytorch-crf's time over ours.

Then accuracy beside seconds: slots of flight queries (ATIS) if FOLDER has its files
(`atis.train.iob.gz` and `atis.test.iob.gz`, lines of words, a tab, and tags), else
queries that are made up and say nothing of accuracy. crfsuite reads words, affixes and
shapes in a window of five words, and is trained by L-BFGS and by the averaged
perceptron. The networks are those of `SequenceTagger` with and without crf=True, and in
PyTorch a GRU in both directions of the same sizes with pytorch-crf, all with the same
epochs, dropout and learning rate. Seconds are CPU seconds of the whole fit, one thread.
"""

import gzip
import sys
from pathlib import Path
from time import process_time

import numpy as np
from measure import Machine, in_turns, options, table

from skrnn import SequenceTagger
from skrnn._recurrence import PackedShape
from skrnn.losses import CRFLoss
from skrnn.metrics import chunk_f1_score
from skrnn.network.layout import Layout

UNITS, SIZE, DROPOUT, RATE, BATCH, EPOCHS = 100, 100, 0.5, 0.004, 16, 12


# ------------------------------------------------------------------ sums over paths


class Paths:
    """A batch of random emissions and tags, and both ways to sum over its paths."""

    def __init__(self, n_tags, seed=0):
        import torch
        from torchcrf import CRF

        rng = np.random.default_rng(seed)
        lengths = np.sort(rng.integers(4, 20, size=16))[::-1].astype(np.int32)
        self.shape = PackedShape(
            np.array([(lengths > t).sum() for t in range(lengths[0])], dtype=np.int32)
        )
        n = self.n_rows = self.shape.n_rows
        self.emissions = rng.normal(size=(n, n_tags)).astype(np.float32)
        self.tags = rng.integers(n_tags, size=n).astype(np.intp)
        self.loss = CRFLoss(n_tags)
        layout = Layout()
        self.loss.declare(layout)
        theta = (0.3 * rng.normal(size=layout.n_params)).astype(np.float32)
        self.p, self.g = layout.bind(theta), layout.bind(np.zeros_like(theta))
        # The same, padded, for pytorch-crf.
        self.mask = torch.arange(lengths[0])[:, None] < torch.tensor(lengths.copy())
        self.crf = CRF(n_tags)
        for name, slot in zip(
            ("transitions", "start_transitions", "end_transitions"),
            self.loss.slots,
            strict=True,
        ):
            parameter = getattr(self.crf, name)
            values = torch.tensor(np.reshape(self.p[slot], parameter.shape))
            parameter.data = values
        self.padded = torch.zeros(*self.mask.shape, n_tags)
        self.padded[self.mask] = torch.tensor(self.emissions)
        self.padded.requires_grad_()
        self.padded_tags = torch.zeros(self.mask.shape, dtype=torch.long)
        self.padded_tags[self.mask] = torch.tensor(self.tags)

    def ours(self):
        value, _ = self.loss.value_and_gradient(
            self.tags, self.emissions, None, self, self.p, self.g
        )
        return value

    def theirs(self):
        self.padded.grad = None
        self.crf.zero_grad()
        loss = -self.crf(self.padded, self.padded_tags, self.mask, reduction="sum")
        loss.backward()
        return loss.item() / self.n_rows

    def our_path(self):
        return self.loss.predict(self.emissions, self.shape, self.p)[0]

    def their_path(self):
        return self.crf.decode(self.padded, self.mask)


def compare_sums(args):
    rows = []
    for n_tags in (9, 17, 121):
        paths = Paths(n_tags)
        ours, theirs = paths.ours(), paths.theirs()
        found = np.concatenate(list(_by_sequence(paths)))
        if abs(ours - theirs) > 1e-4 * abs(theirs) or not np.array_equal(
            found, np.concatenate(paths.their_path())
        ):
            sys.exit(f"{n_tags} tags: results differ, {ours} and {theirs}.")
        row = [n_tags]
        for pair in ((paths.ours, paths.theirs), (paths.our_path, paths.their_path)):
            times = in_turns(*pair, rounds=args.rounds)
            each = 1e6 * np.median(times, axis=1) / paths.n_rows
            row += [
                *(f"{t:.2f}" for t in each),
                f"{np.median(times[1] / times[0]):.0f}",
            ]
        rows.append(row)
    header = ["tags", "loss, skrnn", "pytorch-crf", "×"]
    header += ["best path, skrnn", "pytorch-crf", "×"]
    table("Loss and gradient, and the best path, µs a step:", header, rows)


def _by_sequence(paths):
    """Our best paths, a row for each sequence."""
    path, shape = paths.our_path(), paths.shape
    for b, n in enumerate(shape.lengths):
        yield path[shape.offset[:n] + b]


# ------------------------------------------------------------------ accuracy


def read(path):
    """The words and the tags of each query."""
    X, y = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            words, tags = (part.split() for part in line.rstrip("\n").split("\t"))
            words = words[1:-1]  # between marks of begin and end
            X.append(words)
            y.append(tags[1 : 1 + len(words)])
    return X, y


def make_up(n_queries, seed):
    """Queries of a few patterns."""
    rng = np.random.default_rng(seed)
    cities = [["boston"], ["denver"], ["new", "york"], ["san", "francisco"]]
    X, y = [], []
    for _ in range(n_queries):
        words, tags = ["flights"], ["O"]
        for word, kind in (("from", "from.city"), ("to", "to.city")):
            city = cities[rng.integers(4)]
            words += [word, *city]
            tags += ["O", f"B-{kind}", *[f"I-{kind}"] * (len(city) - 1)]
        X.append(words)
        y.append(tags)
    return X, y


def word_features(words, i):
    """What crfsuite reads of a word: itself, its affixes, and its neighbours."""
    word = words[i]
    found = {"bias": 1.0, "word": word, "prefix": word[:3], "suffix": word[-3:]}
    found["digits"] = sum(c.isdigit() for c in word)
    for offset in (-2, -1, 1, 2):
        inside = 0 <= i + offset < len(words)
        found[f"word{offset}"] = words[i + offset] if inside else "(none)"
    return found


class Crfsuite:
    """sklearn-crfsuite with features of words."""

    def __init__(self, **parameters):
        self.parameters = parameters

    def read(self, X):
        return [[word_features(x, i) for i in range(len(x))] for x in X]

    def fit(self, X, y):
        from sklearn_crfsuite import CRF

        self.crf = CRF(**self.parameters).fit(self.read(X), y)
        return self

    def predict(self, X):
        return self.crf.predict(self.read(X))


class TorchCrf:
    """A GRU in both directions under pytorch-crf, as its documentation has it."""

    def __init__(self, epochs, seed):
        self.epochs, self.seed = epochs, seed

    def fit(self, X, y):
        import torch
        from torchcrf import CRF

        torch.manual_seed(self.seed)
        words = sorted({word for x in X for word in x})
        self.words = {word: i + 1 for i, word in enumerate(words)}
        self.tags = sorted({tag for tags in y for tag in tags})
        n = len(self.tags)
        self.table = torch.nn.Embedding(len(words) + 1, SIZE)
        self.gru = torch.nn.GRU(SIZE, UNITS, bidirectional=True)
        self.head, self.crf = torch.nn.Linear(2 * UNITS, n), CRF(n)
        self.parts = torch.nn.ModuleList([self.table, self.gru, self.head, self.crf])
        codes = {tag: i for i, tag in enumerate(self.tags)}
        tags = [torch.tensor([codes[tag] for tag in each]) for each in y]
        ids = [self.ids(x) for x in X]
        adam = torch.optim.Adam(self.parts.parameters(), lr=RATE, fused=True)
        n_updates = self.epochs * -(-len(X) // BATCH)
        decay = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 1e-3, n_updates)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(X)).split(BATCH):
                # Words are read as unknown now and then, which trains that row.
                batch = [ids[i] * (torch.rand(len(ids[i])) > 0.02) for i in rows]
                emissions, mask = self.emissions(batch, dropout=DROPOUT)
                padded = torch.nn.utils.rnn.pad_sequence([tags[i] for i in rows])
                loss = -self.crf(emissions, padded, mask) / mask.sum()
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0)
                adam.step()
                decay.step()
        return self

    def ids(self, x):
        import torch

        return torch.tensor([self.words.get(word, 0) for word in x])

    def emissions(self, ids, dropout=0.0):
        import torch
        from torch.nn.functional import dropout as drop
        from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

        packed = pack_sequence(ids, enforce_sorted=False)
        data = drop(self.table(packed.data), dropout, training=dropout > 0)
        states, lengths = pad_packed_sequence(self.gru(packed._replace(data=data))[0])
        states = drop(states, dropout, training=dropout > 0)
        return self.head(states), torch.arange(len(states))[:, None] < lengths

    def predict(self, X):
        import torch

        with torch.no_grad():
            paths = []
            for start in range(0, len(X), 64):
                ids = [self.ids(x) for x in X[start : start + 64]]
                paths += self.crf.decode(*self.emissions(ids))
        return [[self.tags[code] for code in path] for path in paths]


def makers(epochs):
    """Functions of a seed that make a tagger, by name."""
    network = {
        "hidden_layer_sizes": UNITS,
        "embedding_size": SIZE,
        "dropout": DROPOUT,
        "recurrent_dropout": 0.0,
        "learning_rate_init": RATE,
        "batch_size": BATCH,
        "max_iter": epochs,
        "n_jobs": 1,
    }
    return {
        "crfsuite, L-BFGS": lambda seed: Crfsuite(c1=0.1, c2=0.01, max_iterations=60),
        "crfsuite, averaged perceptron": lambda seed: Crfsuite(
            algorithm="ap", max_iterations=20
        ),
        "pytorch-crf under a GRU": lambda seed: TorchCrf(epochs, seed),
        "SequenceTagger": lambda seed: SequenceTagger(random_state=seed, **network),
        "SequenceTagger(crf=True, scheme='IOB2')": lambda seed: SequenceTagger(
            crf=True, scheme="IOB2", random_state=seed, **network
        ),
    }


def compare_accuracy(args):
    folder = Path(args.data)
    if (folder / "atis.train.iob.gz").exists():
        what = "ATIS"
        (X, y), (X_test, y_test) = (
            read(folder / f"atis.{part}.iob.gz") for part in ("train", "test")
        )
    else:
        what = "MADE-UP queries (their accuracy means nothing)"
        (X, y), (X_test, y_test) = make_up(400, 0), make_up(100, 1)
    if args.quick:
        X, y = X[:300], y[:300]
    rows = []
    for name, make in makers(2 if args.quick else args.epochs).items():
        found = []
        if args.only not in name:
            continue
        for seed in range(1 if "crfsuite" in name else args.seeds):
            start = process_time()
            try:
                tagger = make(seed).fit(X, y)
            except ImportError as error:
                print(f"{name}: {error}")
                break
            seconds = process_time() - start
            start = process_time()
            predicted = [list(tags) for tags in tagger.predict(X_test)]
            took = process_time() - start
            pairs = list(zip(y_test, predicted, strict=True))
            hits = np.concatenate([np.equal(a, b) for a, b in pairs])
            f1 = chunk_f1_score(y_test, predicted)
            found.append((f1, hits.mean(), seconds, took))
        if found:
            f1, hits, seconds, took = np.mean(found, axis=0)
            each = ", ".join(f"{row[0]:.4f}" for row in found)
            rows.append([name, f"{f1:.4f}", each, f"{hits:.4f}", f"{seconds:.1f}"])
            rows[-1].append(f"{took:.2f}")
    header = ["tagger", "chunk F1", "of each seed", "tokens", "fit, s", "predict, s"]
    table(f"{what}: {len(X)} sequences to learn from, {len(X_test)} for the test:",
          header, rows)  # fmt: skip


def main():
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "tagging"
    args = options(
        __doc__,
        isa=False,
        data={"default": str(folder), "help": "where the files of ATIS are"},
        seeds={"type": int, "default": 2, "help": "seeds of the networks (2)"},
        epochs={"type": int, "default": EPOCHS, "help": f"of the networks ({EPOCHS})"},
        only={"default": "", "help": "taggers with this in their name"},
    )
    import torch

    torch.set_num_threads(1)
    Machine(np.matmul, args.rounds).describe(torch=torch.__version__)
    compare_sums(args)
    compare_accuracy(args)


if __name__ == "__main__":
    main()
