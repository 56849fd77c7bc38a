"""Whole fits: RNNClassifier against a plain, careful PyTorch loop, with test accuracy.

    python benchmarks/fit_compare.py [--quick] [--isa avx2] [--seeds 5]

JapaneseVowels (270 training recordings of 7 to 29 steps, 12 features, 9 speakers; 370
for the test), one layer of 64 units, 50 epochs of batches of 32, on one thread. Both
sides standardise, shuffle, clip gradients to norm 1, and use Adam with the same
numbers and the same L2 penalty of weights. Each starts from its own usual initial
weights. The time is that of the whole fit from the list of arrays on; a ratio is the
median over seeds, whose fits run in turns in one process.

PyTorch reads its batches in two ways: packed (`pack_padded_sequence`), as its manual
teaches, and padded with the state read at each sequence's last step, which lets its
LSTM run in oneDNN. Padding is made once before the loop, and Adam is the fused one.
"""

import warnings
from time import perf_counter

import numpy as np
import torch
from measure import Machine, options, table
from sklearn.exceptions import ConvergenceWarning
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from skrnn import RNNClassifier
from skrnn.datasets import load_japanese_vowels

UNITS, BATCH, RATE, ALPHA, CLIP = 64, 32, 1e-3, 1e-4, 1.0
MODULES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


class Classifier(torch.nn.Module):
    def __init__(self, cell, n_features, n_classes, packed):
        super().__init__()
        self.layer = MODULES[cell](n_features, UNITS)
        self.head = torch.nn.Linear(UNITS, n_classes)
        self.packed = packed

    def forward(self, x, lengths):
        """Class scores of padded sequences (n_steps, n_seqs, n_features)."""
        if not self.packed:
            return self.head(self.layer(x)[0][lengths - 1, torch.arange(len(lengths))])
        batch = pack_padded_sequence(x, lengths, enforce_sorted=False)
        state = self.layer(batch)[1]
        return self.head((state[0] if isinstance(state, tuple) else state)[0])


class TorchFit:
    """Fit and predict as a careful user of PyTorch writes them."""

    def __init__(self, cell, seed, n_epochs, *, packed):
        self.cell, self.seed = cell, seed
        self.n_epochs, self.packed = n_epochs, packed

    def fit(self, X, y):
        torch.manual_seed(self.seed)
        rows = np.concatenate(X)
        self.mean, self.scale = rows.mean(axis=0), rows.std(axis=0)
        x, lengths = self._tensors(X)
        y = torch.from_numpy(y)
        model = Classifier(self.cell, x.shape[2], int(y.max()) + 1, self.packed)
        weights = [p for name, p in model.named_parameters() if "bias" not in name]
        biases = [p for name, p in model.named_parameters() if "bias" in name]
        # The penalty alpha / 2 * |w|**2 / batch, as its gradient.
        groups = [
            {"params": weights, "weight_decay": ALPHA / BATCH},
            {"params": biases},
        ]
        optimizer = torch.optim.Adam(groups, lr=RATE, fused=True)
        model.train()
        for _ in range(self.n_epochs):
            for rows in torch.randperm(len(y)).split(BATCH):
                longest = lengths[rows].max()
                raw = model(x[:longest, rows], lengths[rows])
                loss = torch.nn.functional.cross_entropy(raw, y[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimizer.step()
        self.model = model.eval()
        return self

    @torch.inference_mode()
    def score(self, X, y):
        raw = self.model(*self._tensors(X))
        return float((raw.argmax(dim=1).numpy() == y).mean())

    def _tensors(self, X):
        steps = [(x - self.mean) / self.scale for x in X]
        tensors = [torch.from_numpy(x.astype(np.float32)) for x in steps]
        return pad_sequence(tensors), torch.tensor([len(x) for x in X])


def skrnn_fit(cell, seed, n_epochs):
    return RNNClassifier(
        (UNITS,),
        cell=cell,
        pooling="last",
        segment_length=1,
        dropout=0,
        recurrent_dropout=0,
        learning_rate="constant",
        alpha=ALPHA,
        batch_size=BATCH,
        learning_rate_init=RATE,
        max_grad_norm=CLIP,
        max_iter=n_epochs,
        n_iter_no_change=np.inf,
        random_state=seed,
        n_jobs=1,
    )


def main():
    args = options(__doc__, seeds={"type": int, "default": 5})
    n_epochs = 5 if args.quick else 50
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    # 50 epochs are not meant to converge.
    warnings.simplefilter("ignore", ConvergenceWarning)
    Machine(np.matmul, args.rounds).describe(torch=torch.__version__)
    X, y = load_japanese_vowels(subset="train", return_X_y=True)
    X_test, y_test = load_japanese_vowels(subset="test", return_X_y=True)
    rows = []
    for cell in args.cells:
        times, scores = np.empty((2, 3, args.seeds))
        for seed in range(-1, args.seeds):  # the first one warms up
            sides = [
                skrnn_fit(cell, abs(seed), n_epochs),
                TorchFit(cell, abs(seed), n_epochs, packed=True),
                TorchFit(cell, abs(seed), n_epochs, packed=False),
            ]
            for i, side in enumerate(sides):
                start = perf_counter()
                side.fit(X, y)
                times[i, seed] = perf_counter() - start
                scores[i, seed] = side.score(X_test, y_test)
        for i, name in enumerate(("skrnn", "torch, packed", "torch, padded")):
            ratio = np.median(times[i] / times[0])
            accuracy = f"{scores[i].mean():.3f} ± {scores[i].std(ddof=1):.3f}"
            rows.append([cell, name, f"{np.median(times[i]):.3f}", f"{ratio:.1f}"])
            rows[-1] += [accuracy, f"{scores[i].min():.3f} to {scores[i].max():.3f}"]
    header = ["cell", "", "fit, s", "× skrnn", "test accuracy", "from to"]
    table(f"JapaneseVowels, {n_epochs} epochs, {args.seeds} seeds:", header, rows)


if __name__ == "__main__":
    main()
