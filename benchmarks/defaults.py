"""What the defaults of RNNClassifier and RNNRegressor reach, and the search for them.

    python benchmarks/defaults.py table [--data ../shared/data] [--seeds 5]
    python benchmarks/defaults.py search [--kinds regression] [--repeats 2] [--first 0]
    python benchmarks/defaults.py several [--repeats 2] [--first 0]

`table` fits plain defaults on each training set in the folders `classification` and
`regression` of the data, once a seed, and scores them on the test set: accuracy, or
root mean squared error. Beside are the best scores in INDEX.md of the data.

`search` changes one parameter at a time around the defaults, whatever they are, and
scores it by repeated (stratified) K-fold on the tasks of `read_tasks`, which hold none
of those test sets. A score is the accuracy, or the share of the error (RMSE) of the
training mean that a model takes away. A gain is the mean difference from the defaults
on the same folds and seeds, ± its standard error over folds; these overlap, and the
best of many rows is so in part by luck. The choice was made with repeats 0 to 2, and
`--first 3` begins with other folds. Seconds of a fit are those of one thread.

`several` compares kernels with none on sequences of several features: pen strokes,
spoken digits, four days of a transformer, noisy motion, and two that are made up.
"""

import argparse
import gzip
import sys
import warnings
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
import pandas as pd
from measure import Machine, table
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, StratifiedKFold

from skrnn import RNNClassifier, RNNRegressor

KINDS = {  # the estimator, how it is scored, how data are split, type of targets
    "classification": (RNNClassifier, "accuracy", StratifiedKFold, str),
    "regression": (RNNRegressor, "neg_root_mean_squared_error", KFold, float),
}
REFERENCES = {  # the best of INDEX.md: of a GRU in PyTorch, of others, published
    "JapaneseVowels": (".978", "logistic .989", "FCN .993"),
    "BasicMotions": (".983", "forest .975", "ROCKET 1.00"),
    "GunPoint": (".976", "forest .940", "ROCKET 1.00"),
    "PickupGestureWiimoteZ": (".753", "forest .780", "ROCKET .830"),
    "CardanoSentiment": (".286", "forest .291", "FreshPRINCE .290"),
}


class Share(NamedTuple):
    """An n-th of the median length or of the number of sequences, within bounds."""

    of: str
    n: int
    bounds: tuple

    def __call__(self, X):
        size = np.median([len(x) for x in X]) if self.of == "steps" else len(X)
        return int(np.clip(size // self.n, *self.bounds))


SIZES = {"JapaneseVowels": 180, "taxi": 150, "ettmonth": 150}  # of samples of tasks
SIZES |= {"R_jv": 120, "R_ett": 150, "R_add": 200}
CHANGES = {
    "hidden_layer_sizes": [(32,), (64,), (100,), (128,), (64, 64)],
    "cell": ["gru", "lstm"],
    "bidirectional": [False, True],
    "pooling": ["last", "mean", "max", "attention"],
    "segment_length": [1, *(Share("steps", n, (1, 16)) for n in (10, 15, 20, 30))],
    "batch_size": [8, 16, 32, *(Share("sequences", n, (4, 32)) for n in (10, 20))],
    "learning_rate": ["linear", "constant"],
    "learning_rate_init": [1e-3, 2e-3, 3e-3, 5e-3, 8e-3],
    "max_iter": [60, 100, 200],
    "max_grad_norm": [0.3, 1.0, 5.0],
    "dropout": [0.0, 0.1, 0.3, 0.5],
    "recurrent_dropout": [0.0, 0.2, 0.4],
    "alpha": [1e-4, 1e-3, 1e-2, 1e-1],
    "early_stopping": [False, True],
}


def read_sets(data, kind, part):
    """Return the training or test parts of all sets of a kind, by name."""
    sets = {}
    for path in sorted((data / kind).glob(f"*_{part}.ts.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            cases = [line.strip().split(":") for line in lines if line[0] not in "#@\n"]
        X = [np.array([dim.split(",") for dim in case[:-1]], float).T for case in cases]
        y = np.array([case[-1] for case in cases], KINDS[kind][3])
        sets[path.name.removesuffix(f"_{part}.ts.gz")] = X, y
    return sets


def sample(X, y, n, seed=5):
    rows = np.random.RandomState(seed).permutation(len(X))[:n]
    return [X[i] for i in rows], np.asarray(y)[rows]


def read_tasks(data, kind):
    """Return the tasks of the search by name: sequences, and what to predict."""
    tasks = read_sets(data, kind, "TRAIN")
    sets = read_sets(data, "classification", "TRAIN")
    ett = pd.read_csv(data / "forecasting" / "ETTh1.csv.gz", parse_dates=[0])[:17400]
    days = ett.iloc[:, 1:].to_numpy().reshape(-1, 24, 7)
    if kind == "classification":
        # A day of a transformer -> its month; of taxi rides -> its day of the week.
        tasks["ettmonth"] = sample(days, ett.date[::24].dt.month, 300, seed=0)
        taxi = pd.read_csv(data / "anomaly" / "nyc_taxi.csv.gz", parse_dates=[0])
        rides = taxi.value.to_numpy(float).reshape(-1, 48, 1)
        tasks["taxi"] = rides, taxi.timestamp[::48].dt.day_of_week
    else:
        # Four days of the transformer -> next day's mean less the last oil temperature.
        spans = [days[i : i + 4].reshape(96, -1) for i in range(len(days) - 5)]
        rise = days[4:-1, :, 6].mean(axis=1) - days[3:-2, -1, 6]
        tasks["R_ett"] = sample(spans, rise, 300, seed=1)
        X = sets["JapaneseVowels"][0]
        tasks["R_jv"] = [x[:, :11] for x in X], [x[:, 11].mean() for x in X]
        X = sets["BasicMotions"][0]
        tasks["R_bm"] = [x[:, 3:] for x in X], [abs(x[:, 0]).mean() for x in X]
        X = sets["PickupGestureWiimoteZ"][0]
        tasks["R_pick"] = X, [abs(np.diff(x[:, 0])).mean() for x in X]
        # As in scikit-learn's check of regressors: a column is a step, one has a say.
        X, y = make_regression(200, 10, n_informative=1, noise=20, random_state=42)
        tasks["R_sk"] = X[:, :, np.newaxis], y
        # Random numbers, two of which are marked -> the sum of these two.
        tasks["R_add"], random = ([], []), np.random.RandomState(0)
        for _ in range(400):
            x = random.rand(random.randint(20, 40))
            marked = random.choice(len(x), 2, replace=False)
            tasks["R_add"][0].append(np.c_[x, np.isin(range(len(x)), marked)])
            tasks["R_add"][1].append(x[marked].sum())
    return {k: sample(*t, SIZES[k]) if k in SIZES else t for k, t in tasks.items()}


def smooth(random, n, width):
    """Smooth noise, (n,)."""
    window = np.hanning(2 * width + 1) / width
    noise = np.convolve(random.randn(n + 4 * width), window, "same")
    return noise[2 * width : 2 * width + n]


def warped_motion(random):
    """Six movements of three features, each time at another pace and height."""
    seeds = 300 + np.arange(18)
    shapes = [smooth(np.random.RandomState(seed), 60, 7) for seed in seeds]
    X, y = [], np.arange(84) % 6
    for kind in y:
        n = random.randint(30, 80)
        at = np.linspace(0, 59, n)
        at += 4 * np.sin(np.linspace(0, 3, n) + 6 * random.rand())
        own = [np.interp(at, np.arange(60), s) for s in shapes[3 * kind : 3 * kind + 3]]
        x = np.stack(own, axis=1) * (1 + 0.2 * random.randn(3)) + random.randn(3) / 2
        x += 0.6 * np.stack([smooth(random, n, 5) for _ in range(3)], axis=1)
        X.append(x + 0.15 * random.randn(n, 3))
    return X, y


def rhythms(random):
    """Five rhythms, with overtones or without, of six noisy sensors."""
    X, y = [], np.arange(90) % 5
    for kind in y:
        rate = [0.05, 0.07, 0.05, 0.09, 0.07][kind] * (1 + 0.1 * random.randn())
        heights = np.random.RandomState(400 + kind).rand(6)
        heights *= 1 + 0.4 * random.randn(6)
        at = 2 * np.pi * (rate * np.arange(100)[:, np.newaxis] + random.rand())
        waves = np.sin(at + np.arange(6))
        waves += [0, 0, 0.5, 0.5, 1][kind] * np.sin(2 * at + np.arange(6))
        X.append(heights * waves + 0.8 * random.randn(100, 6))
    return X, y


def read_several(data):
    """Return tasks of several features by name: sequences, and their class."""
    random = np.random.RandomState(21)
    strokes = np.load(data / "handwriting" / "pendigits_30writers.npz")
    digits = np.split(strokes["points"], np.cumsum(strokes["lengths"])[:-1])
    X, digit = sample(digits, strokes["digits"], 150)
    tasks = {"strokes": ([(x - x.mean(0)) / x.std(0) for x in X], digit)}
    sys.path.insert(0, str(data / "speech"))
    from fsdd_digits import load

    waves, digits, *_ = load(data / "speech" / "fsdd_4speakers.npz")
    X, digit = sample(waves, digits, 150)
    tasks["speech"] = [bands(x) for x in X], digit
    X, y = read_sets(data, "classification", "TRAIN")["BasicMotions"]
    spread = 1.5 * np.concatenate(X).std(axis=0)
    halves = [half for x in X for half in (x[:50], x[50:])]
    halves = [x + spread * random.randn(*x.shape) for x in halves]
    tasks["noisy motion"] = halves, np.repeat(y, 2)
    ett = pd.read_csv(data / "forecasting" / "ETTh1.csv.gz", parse_dates=[0])[:17280]
    days = ett.iloc[:, 1:].to_numpy().reshape(-1, 96, 7)
    tasks["season"] = sample(days, ett.date[::96].dt.month // 3 % 4, 150, seed=3)
    return tasks | {"movements": warped_motion(random), "rhythms": rhythms(random)}


def bands(wave):
    """Logarithms of the power in eight bands, each 80 samples."""
    wave = np.pad(wave.astype(float), (0, max(0, 256 - len(wave))))
    frames = np.lib.stride_tricks.sliding_window_view(wave, 256)[::80]
    power = abs(np.fft.rfft(frames * np.hanning(256))) ** 2
    ends = np.geomspace(3, 128, 9).astype(int)
    parts = [power[:, i:j].sum(axis=1) for i, j in zip(ends, ends[1:], strict=False)]
    return np.log(np.stack(parts, axis=1) + 10)


def evaluate(kind, train, test, seed, **changes):
    """Return the score of a model, the seconds of its fit, and the model."""
    model = KINDS[kind][0](random_state=seed, **changes)
    start = process_time()
    model.fit(*train)
    seconds = process_time() - start
    return get_scorer(KINDS[kind][1])(model, *test), seconds, model


def make_table(kind, args):
    rows, tests = [], read_sets(args.data, kind, "TEST")
    for name, train in read_sets(args.data, kind, "TRAIN").items():
        fits = [evaluate(kind, train, tests[name], seed) for seed in range(args.seeds)]
        scores, seconds, models = zip(*fits, strict=True)
        row = [name, f"{abs(np.mean(scores)):.3f} ± {np.std(scores, ddof=1):.3f}"]
        epochs = np.mean([model.n_iter_ for model in models])
        row += [f"{np.median(seconds):.2f}", f"{epochs:g}", models[0].segment_length_]
        rows.append([*row, *REFERENCES.get(name, "???")])
    header = ["set", "test", "fit, s", "`n_iter_`", "`segment_length_`"]
    header += ["PyTorch GRU", "others", "published"]
    table(f"Plain defaults, {kind}, {args.seeds} seeds:", header, rows)


def evaluate_folds(kind, X, y, change, args):
    for repeat in range(args.first, args.first + args.repeats):
        splitter = KINDS[kind][2](3, shuffle=True, random_state=repeat)
        for fold, parts in enumerate(splitter.split(y, y)):
            train, test = (([X[i] for i in rows], np.take(y, rows)) for rows in parts)
            made = {k: v(train[0]) if callable(v) else v for k, v in change.items()}
            score, seconds, _ = evaluate(kind, train, test, 17 * repeat + fold, **made)
            if kind == "regression":
                score = 1 + score / np.sqrt(np.mean((test[1] - train[1].mean()) ** 2))
            yield score, seconds


def search(kind, args):
    tasks, defaults = read_tasks(args.data, kind), KINDS[kind][0]().get_params()
    changes = [{k: v} for k in CHANGES for v in CHANGES[k] if v != defaults[k]]
    rows, base = [], 0
    for change in [{}, *changes]:
        runs = [list(evaluate_folds(kind, *t, change, args)) for t in tasks.values()]
        scores, seconds = np.moveaxis(runs, -1, 0)  # (n_tasks, n_folds) each
        base = base if change else scores
        gains = (scores - base).mean(axis=0)
        gain = f"{gains.mean():+.3f} ± {gains.std(ddof=1) / len(gains) ** 0.5:.3f}"
        what = "".join(f"{k}={v}" for k, v in change.items()) or "defaults"
        row = [what, f"{scores.mean():.3f}", gain]
        row += [f"{number:.3f}" for number in (seconds.mean(), *scores.mean(axis=1))]
        rows.append(row)
        print("..", *row, flush=True)
    table(f"Search, {kind}:", ["change", "mean", "gain", "fit, s", *tasks], rows)


def compare_several(kind, args):
    changes = [{"convolutions": 0}, {"convolutions": 96}]
    changes.append({"bidirectional": True, "pooling": "joined", **changes[0]})
    rows = []
    for name, task in read_several(args.data).items():
        rows.append([name])
        for change in changes:
            scores = [score for score, _ in evaluate_folds(kind, *task, change, args)]
            rows[-1].append(f"{np.mean(scores):.3f}")
        print("..", *rows[-1], flush=True)
    table("Several features:", ["task", "none", "96", "none, both directions"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage=__doc__)
    commands = {"table": make_table, "search": search, "several": compare_several}
    parser.add_argument("command", choices=commands)
    shared = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=shared)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    for option, number in {"--seeds": 5, "--repeats": 2, "--first": 0}.items():
        parser.add_argument(option, type=int, default=number)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    Machine(np.matmul, rounds=5).describe(numpy=np.__version__)
    kinds = ["classification"] if args.command == "several" else args.kinds
    for kind in kinds:
        commands[args.command](kind, args)
