"""Networks that read tokens: against PyTorch, and against the same numbers as inputs.

    python benchmarks/compare_embeddings.py [--quick] [--data FOLDER] [--seeds 2]

First whole fits of kinds of questions (TREC) if FOLDER has its files, else of questions
that are made up. Both sides have the same network and training: a GRU of 64 units in
both directions, embeddings of 100 numbers, the largest state, dropout, 10 epochs of
batches of 32 with Adam and a linear schedule, gradients clipped to norm 1, and words
that occur once read as unknown half of the time. The torch loop packs its batches.
Seconds are CPU seconds of the whole fit on one thread, from the lists of words on.

Then token input against dense input: the same network reads the rows of a table as
numbers. Fits in turns; a ratio is the median over the turns of the dense side's seconds
over those of the tokens. The table of the tokens is trained, or frozen as the numbers
are.
"""

import gzip
import re
import warnings
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
from measure import Machine, options, table
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier
from skrnn.preprocessing import SequenceVectorizer

UNITS, SIZE, DROPOUT, RATE, BATCH, EPOCHS = 64, 100, 0.5, 0.004, 32, 10
# Name, vocabulary, lengths, sequences, batch, columns and the network.
SHAPES = {
    "names": (65, (4, 12), 600, 17, {"hidden_layer_sizes": 64, "bidirectional": True}),
    "characters": (65, (64, 65), 128, 64, {"hidden_layer_sizes": 128, "cell": "lstm"}),
    "questions": (
        3000, (5, 16), 800, 100, {"hidden_layer_sizes": 64, "bidirectional": True},
    ),
    "sentences": (
        10000, (20, 40), 256, 128, {"hidden_layer_sizes": 128, "cell": "lstm"},
    ),
}  # fmt: skip


def seconds(function):
    """Return the CPU seconds of a call."""
    start = process_time()
    function()
    return process_time() - start


# ------------------------------------------------------------------ questions


def read(path):
    """The questions of a file, as lists of words, and their kinds."""
    with gzip.open(path, "rt", encoding="latin-1") as file:
        lines = file.read().strip().split("\n")
    kinds, questions = zip(*(line.split(" ", 1) for line in lines), strict=True)
    return list(questions), np.array([kind.split(":")[0] for kind in kinds])


def make_up(n_questions, seed):
    """Questions of a few patterns."""
    rng = np.random.default_rng(seed)
    patterns = {"HUM": "Who was {} ?", "LOC": "Where is {} ?", "NUM": "How old is {} ?"}
    names = ["Galileo", "Florence", "the moon", "Pisa"]
    kinds = rng.choice(list(patterns), size=n_questions)
    return [patterns[kind].format(rng.choice(names)) for kind in kinds], kinds


class TorchClassifier:
    """The network and its training as a careful user of PyTorch writes them."""

    def __init__(self, epochs, seed):
        self.epochs, self.seed = epochs, seed

    def fit(self, X, y):
        import torch

        torch.manual_seed(self.seed)
        words, counts = np.unique([word for x in X for word in x], return_counts=True)
        self.words = {word: i + 1 for i, word in enumerate(words)}
        once = torch.tensor([False, *(counts == 1)])
        self.classes = np.unique(y)
        targets = torch.from_numpy(np.searchsorted(self.classes, y))
        self.table = torch.nn.Embedding(len(words) + 1, SIZE)
        self.gru = torch.nn.GRU(SIZE, UNITS, bidirectional=True)
        self.head = torch.nn.Linear(2 * UNITS, len(self.classes))
        self.parts = torch.nn.ModuleList([self.table, self.gru, self.head])
        ids = [self.ids(x) for x in X]
        adam = torch.optim.Adam(self.parts.parameters(), lr=RATE, fused=True)
        n_updates = self.epochs * -(-len(X) // BATCH)
        decay = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 1e-3, n_updates)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(X)).split(BATCH):
                batch = [ids[i] for i in rows]
                hidden = [once[x] & (torch.rand(len(x)) < 0.5) for x in batch]
                batch = [x * ~h for x, h in zip(batch, hidden, strict=True)]
                raw = self.raw(batch, DROPOUT)
                loss = torch.nn.functional.cross_entropy(raw, targets[rows])
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.parts.parameters(), 1.0)
                adam.step()
                decay.step()
        return self

    def ids(self, x):
        import torch

        return torch.tensor([self.words.get(word, 0) for word in x])

    def raw(self, ids, dropout=0.0):
        import torch
        from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

        packed = pack_sequence(ids, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.gru(packed._replace(data=self.table(packed.data)))[0],
            padding_value=-torch.inf,
        )
        largest = states.amax(dim=0)
        return self.head(torch.nn.functional.dropout(largest, dropout, dropout > 0))

    def score(self, X, y):
        import torch

        with torch.no_grad():
            codes = self.raw([self.ids(x) for x in X]).argmax(dim=1).numpy()
        return np.mean(self.classes[codes] == y)


def our_classifier(epochs, seed, **changes):
    parameters = {
        "hidden_layer_sizes": UNITS,
        "bidirectional": True,
        "pooling": "max",
        "embedding_size": SIZE,
        "dropout": DROPOUT,
        "recurrent_dropout": 0.0,
        "alpha": 0.0,
        "learning_rate": "linear",
        "learning_rate_init": RATE,
        "batch_size": BATCH,
        "max_iter": epochs,
        "n_jobs": 1,
        "random_state": seed,
    }
    return RNNClassifier(**parameters | changes)


def compare_fits(args):
    folder = Path(args.data)
    if (folder / "TREC.train.gz").exists():
        what = "TREC"
        (X, y), (X_test, y_test) = (
            read(folder / f"TREC.{part}.gz") for part in ("train", "test")
        )
    else:
        what = "MADE-UP questions (their accuracy means nothing)"
        (X, y), (X_test, y_test) = make_up(400, 0), make_up(100, 1)
    vectorizer = SequenceVectorizer().fit(X)
    X, X_test = ([list(x) for x in vectorizer.transform(part)] for part in (X, X_test))
    epochs, found = 2 if args.quick else args.epochs, {}
    for seed in range(args.seeds):
        for name, make in (("torch", TorchClassifier), ("skrnn", our_classifier)):
            model = make(epochs, seed)
            took = seconds(partial(model.fit, X, y))
            found.setdefault(name, []).append((took, model.score(X_test, y_test)))
    rows = []
    reference = np.array(found["torch"])[:, 0]
    for name, pairs in found.items():
        took, scores = np.transpose(pairs)
        ratio = np.median(reference / took)
        each = ", ".join(f"{score:.3f}" for score in scores)
        rows.append([name, f"{took.mean():.1f}", f"{ratio:.1f}", each])
    header = ["side", "fit, CPU s", "×", "accuracy of each seed"]
    table(f"{what}: {len(X)} questions, {epochs} epochs:", header, rows)


# ------------------------------------------------------------------ dense inputs


def compare_dense(args):
    rng, rows = np.random.default_rng(0), []
    for name, (n_words, lengths, n, size, network) in SHAPES.items():
        share = 1 / np.arange(1.0, n_words + 1)
        ids = [
            rng.choice(n_words, size=rng.integers(*lengths), p=share / share.sum())
            for _ in range(n)
        ]
        numbers = rng.uniform(-1, 1, size=(n_words, size)).astype(np.float32)
        words = np.array([f"w{i}" for i in range(n_words)], dtype=object)
        y = rng.integers(6, size=n)
        tokens, dense = [words[i] for i in ids], [numbers[i] for i in ids]
        options = {"max_iter": 3, "batch_size": 32, "random_state": 0, "n_jobs": 1}
        options |= network
        sides = [
            (RNNClassifier(segment_length=1, standardize=False, **options), dense),
            (RNNClassifier(embedding_size=size, **options), tokens),
            (
                RNNClassifier(
                    embedding_size=size, embedding_trainable=False, **options
                ),
                tokens,
            ),
        ]
        times = np.empty((2, len(sides), args.rounds))
        for r in range(args.rounds):
            for i, (model, X) in enumerate(sides):
                times[0, i, r] = seconds(partial(model.fit, X, y))
                times[1, i, r] = seconds(partial(model.predict, X))
        fit, predict = (np.median(t[:1] / t[1:], axis=1) for t in times)
        row = [f"{name}: {n_words} words, {lengths[0]} to {lengths[1] - 1} steps"]
        kind = re.sub("[^a-z]", "", str(network.get("cell", "gru")))
        units = network["hidden_layer_sizes"]
        row += [f"{kind} {units}" + ", both ways" * ("bidirectional" in network), size]
        rows.append([*row, *(f"{ratio:.2f}" for ratio in (*fit, predict[0]))])
    header = ["tokens", "layer", "columns", "fit", "fit, frozen table", "predict"]
    table("Dense inputs' seconds over those of tokens:", header, rows)


def main():
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "text"
    args = options(
        __doc__,
        isa=False,
        data={"default": str(folder), "help": "where the files of TREC are"},
        seeds={"type": int, "default": 2},
        epochs={"type": int, "default": EPOCHS},
    )
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    Machine(np.matmul, args.rounds).describe(torch=torch.__version__)
    compare_dense(args)
    compare_fits(args)


if __name__ == "__main__":
    main()
