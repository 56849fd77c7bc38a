"""Six ways to classify sequences, side by side: accuracy, and seconds of a fit.

    python benchmarks/comparison.py run [--data ../shared/data] [--seeds 3] [--only GRU]
        [--sets GunPoint]
    python benchmarks/comparison.py picture doc/comparison.svg < results.json

`run` fits each method to the training sets in the folder `classification` of the data
and scores it on the test sets, all on one thread, each with one setting for all sets.
It prints a table, and as its last line the results as JSON, from which `picture` draws
the figure of doc/comparison.rst. Seconds are those of the processor, of a fit and of a
prediction of the test set. PyTorch is needed for the convolutional network alone.

The convolutional network is the fully convolutional one of Wang, Yan and Oates 2017
(arXiv:1611.06455) with half the channels (64, 128, 64), 100 epochs of Adam, batches of
16, and a mean over the steps that a sequence has. Nearest neighbours are found by
dynamic time warping of standardised sequences, without a window. Boosting sees the
mean, spread, extremes, quartiles, ends and mean absolute change of each feature, and
the length.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path
from time import process_time

import numpy as np
from defaults import read_sets
from measure import table
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrnn import RNNClassifier
from skrnn.preprocessing import ConvolutionFeatures, SequenceScaler


class Nearest(ClassifierMixin, BaseEstimator):
    """The nearest neighbour by dynamic time warping, squared Euclidean, no window."""

    def fit(self, X, y):
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        return np.array([self.y_[np.argmin(self.distances(x))] for x in X])

    def distances(self, x):
        """From one sequence to all of the training set at once."""
        longest = max(map(len, self.X_))
        padded = np.stack([np.pad(z, [(0, longest - len(z)), (0, 0)]) for z in self.X_])
        cost = ((x[:, None, None] - padded.transpose(1, 0, 2)[None]) ** 2).sum(axis=3)
        n, m, k = cost.shape  # steps of x, steps of the others, how many others
        total = np.full((n + 1, m + 1, k), np.inf)
        total[0, 0] = 0
        for d in range(2, n + m + 1):  # the cells of a diagonal do not need each other
            i = np.arange(max(1, d - m), min(n, d - 1) + 1)
            before = np.minimum(total[i - 1, d - i], total[i, d - i - 1])
            before = np.minimum(before, total[i - 1, d - i - 1])
            total[i, d - i] = cost[i - 1, d - i - 1] + before
        lengths = np.array([len(z) for z in self.X_])
        return total[n, lengths, np.arange(k)]


class Convolutional(ClassifierMixin, BaseEstimator):
    """Three learned convolutions, batch norm, and a mean over the steps, in PyTorch."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y):
        import torch
        from torch import nn

        torch.manual_seed(self.random_state)
        torch.set_num_threads(1)
        self.classes_, codes = np.unique(y, return_inverse=True)
        layers, n = [], X[0].shape[1]
        for n_out, width in ((64, 8), (128, 5), (64, 3)):
            layers += [nn.Conv1d(n, n_out, width, padding="same")]
            layers += [nn.BatchNorm1d(n_out), nn.ReLU()]
            n = n_out
        self.body_, self.head_ = (
            nn.Sequential(*layers),
            nn.Linear(n, len(self.classes_)),
        )
        modules = nn.ModuleList([self.body_, self.head_]).train()
        solver = torch.optim.Adam(modules.parameters(), lr=1e-3)
        codes = torch.from_numpy(codes)
        for _ in range(100):
            order = torch.randperm(len(X))
            for rows in torch.split(order, 16):
                if len(rows) < 2:
                    continue
                raw = self.raw([X[i] for i in rows])
                loss = nn.functional.cross_entropy(raw, codes[rows])
                solver.zero_grad()
                loss.backward()
                solver.step()
        modules.eval()
        return self

    def raw(self, X):
        import torch

        x = [torch.tensor(z, dtype=torch.float32) for z in X]
        lengths = torch.tensor([len(z) for z in x])
        x = torch.nn.utils.rnn.pad_sequence(x, batch_first=True).transpose(1, 2)
        there = (torch.arange(x.shape[2]) < lengths[:, None])[:, None]
        return self.head_((self.body_(x) * there).sum(dim=2) / lengths[:, None])

    def predict(self, X):
        import torch

        with torch.no_grad():
            return self.classes_[self.raw(X).argmax(dim=1).numpy()]


def summaries(X):
    """A row of statistics for each sequence."""
    rows = []
    for x in X:
        parts = [x.mean(0), x.std(0), *np.quantile(x, (0, 0.25, 0.5, 0.75, 1), axis=0)]
        parts += [x[0], x[-1], abs(np.diff(x, axis=0)).mean(0), [len(x)]]
        rows.append(np.concatenate(parts))
    return np.array(rows)


PLAIN = {"convolutions": 0, "bidirectional": False, "pooling": "max"}
METHODS = {  # name: (maker of a seed, whether the seed counts)
    "GRU": (lambda seed: RNNClassifier(**PLAIN, random_state=seed), True),
    "RNNClassifier": (lambda seed: RNNClassifier(random_state=seed), True),
    "FCN (PyTorch)": (
        lambda seed: make_pipeline(SequenceScaler(), Convolutional(seed)),
        True,
    ),
    "ConvolutionFeatures + ridge": (
        lambda seed: make_pipeline(
            ConvolutionFeatures(random_state=seed),
            StandardScaler(),
            RidgeClassifierCV(np.logspace(-3, 3, 10)),
        ),
        True,
    ),
    "nearest, DTW": (lambda seed: make_pipeline(SequenceScaler(), Nearest()), False),
    "boosting on summaries": (
        lambda seed: make_pipeline(
            FunctionTransformer(summaries),
            HistGradientBoostingClassifier(min_samples_leaf=3, random_state=seed),
        ),
        False,
    ),
}


def evaluate(make, train, test, seed):
    """Return accuracy, seconds of the fit and seconds of the prediction."""
    start = process_time()
    model = make(seed).fit(*train)
    fitted = process_time()
    found = model.predict(test[0])
    return np.mean(found == test[1]), fitted - start, process_time() - fitted


def run(args):
    tests = read_sets(args.data, "classification", "TEST")
    trains = read_sets(args.data, "classification", "TRAIN")
    trains = {name: trains[name] for name in args.sets or trains}
    results, rows = {}, []
    for name, (make, counts) in METHODS.items():
        if args.only and name not in args.only:
            continue
        row, results[name] = [name], {}
        for each, train in trains.items():
            seeds = range(args.seeds if counts else 1)
            runs = [evaluate(make, train, tests[each], seed) for seed in seeds]
            score, fit, predict = np.mean(runs, axis=0).tolist()
            results[name][each] = [score, fit, predict]
            row.append(f"{score:.3f} ({fit + predict:.2g} s)")
            print("..", name, each, results[name][each], file=sys.stderr, flush=True)
        rows.append(row)
    title = "Accuracy on the test set, and seconds of a fit and the test"
    table(title, ["method", *trains], rows)
    print(json.dumps(results))


def picture(args):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "skrnn"
    import matplotlib.pyplot as plt

    results = {}
    for line in sys.stdin:
        if line.startswith("{"):
            for method, found in json.loads(line).items():
                results.setdefault(method, {}).update(found)
    sets = list(next(iter(results.values())))
    figure, axes = plt.subplots(1, len(sets), figsize=(10, 3.2), sharey=True)
    for axis, name in zip(axes, sets, strict=True):
        for k, (method, found) in enumerate(results.items()):
            score, fit, predict = found[name]
            axis.plot(fit + predict, score, "o", color=f"C{k}", label=method)
        axis.set(xscale="log", title=name, xlabel="seconds, fit and test")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("accuracy")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.16, 1, 1))
    figure.savefig(args.path, metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    shared = Path(__file__).parents[2] / "shared" / "data"
    command.add_argument("--data", type=Path, default=shared)
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--only", nargs="+", choices=METHODS)
    command.add_argument("--sets", nargs="+")
    command.set_defaults(function=run)
    command = commands.add_parser("picture")
    command.add_argument("path", type=Path)
    command.set_defaults(function=picture)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    args.function(args)
