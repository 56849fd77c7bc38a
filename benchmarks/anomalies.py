"""How well SeriesOutlierDetector finds unusual rows, and whether it keeps its promise.

    python benchmarks/anomalies.py --data NAB/realKnownCause
    python benchmarks/anomalies.py --normal

The first compares detectors on labelled files of the Numenta Anomaly Benchmark (NAB,
https://github.com/numenta/NAB): CSV files with columns timestamp and value, and a file
combined_windows.json with the labelled windows, all in the folder `--data`. Rows are
sorted by time, and the second of two rows with one stamp is left out. The first 750
rows of a file, or 15 % of it, are not judged. Every detector scores a row from the row
itself and the rows before.

`NAB`    The score of NAB's standard profile, 100 for early alarms in all windows and no
         others, 0 for no alarm. One threshold serves all files: the best one, as NAB
         has it, and so it is an optimistic figure.
`at p`   The same at the promised threshold, 0.1 % of normal rows.
`hits`   Windows with a row among the 0.1 % of rows of each file with the most evidence.
`VUS`    Volume under the surface of precision and recall (Paparrizos et al., 2022),
         over buffers of 0 to 100 rows around windows; the mean over the files.
`false`  Alarms at the promised threshold in 1000 normal rows: those outside of windows
         and of the 50 rows after each.
`s`      CPU seconds for all files, with the fits.

The labels are few, and NAB's score is kind to chance: **a difference of ten points is
luck**. So random scores stand in the table: the mean of five draws.

The second, `--normal`, prints the alarms in 1000 rows of made-up normal series of
twenty kinds, at promised rates of 10 and 1, with whole fits and all defaults. `gap` is
the largest difference of the shares of p-values from those of evenly spread ones.
"""

import argparse
import gzip
import json
from functools import partial
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from sklearn.ensemble import IsolationForest

from skrnn import SeriesOutlierDetector

RATE = 1e-3
WIDTHS = range(0, 101, 10)
AFTER = 50  # rows after a window that are not counted as normal

# Data --------------------------------------------------------------------------------


def read_files(folder):
    """Yield the name, the values and the labelled windows of each file."""
    windows = json.loads((folder / "combined_windows.json").read_text())
    windows = {name.split("/")[-1]: found for name, found in windows.items()}
    for path in sorted(folder.glob("*.csv*")):
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
        with opened as file:
            table = pd.read_csv(file, parse_dates=["timestamp"])
        table = table.sort_values("timestamp").drop_duplicates("timestamp")
        times = table["timestamp"].to_numpy()
        found = []
        for start, stop in windows[path.name.removesuffix(".gz")]:
            first = np.searchsorted(times, np.datetime64(start))
            last = np.searchsorted(times, np.datetime64(stop), side="right")
            found.append((int(first), int(last)))
        yield path.name.partition(".")[0], table["value"].to_numpy(float), found


def normal_series(n, seed=0):
    """Return normal series of twenty kinds by name."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    wave, noise = np.sin(2 * np.pi * t / 24), rng.normal(size=(20, n))

    def autoregressive(phi, e):
        y = e.copy()
        for i in range(1, n):
            y[i] += phi * y[i - 1]
        return y

    variance, garch = 1.0, np.zeros(n)
    for i in range(n):
        garch[i] = np.sqrt(variance) * noise[0, i]
        variance = 0.05 + 0.1 * garch[i] ** 2 + 0.85 * variance
    return {
        "white": noise[1],
        "AR .5": autoregressive(0.5, noise[2]),
        "AR .95": autoregressive(0.95, noise[3]),
        "AR -.6": autoregressive(-0.6, noise[4]),
        "random walk": np.cumsum(noise[5]),
        "season": 3 * wave + 0.5 * noise[6],
        "two seasons": 3 * wave + 2 * np.sin(2 * np.pi * t / 168) + 0.5 * noise[7],
        "square wave": np.where(t % 24 < 8, 0, 4) + noise[8],
        "Student t, 3": rng.standard_t(3, n),
        "Student t, 2": rng.standard_t(2, n),
        "Laplace": rng.laplace(size=n),
        "log-normal": np.exp(noise[9]),
        "exponential": rng.exponential(size=n),
        "trend": 0.01 * t + noise[10],
        "trend, season": 0.005 * t + 3 * wave + noise[11],
        "steps of variance": noise[12] * np.where(t // 300 % 2, 3, 1),
        "GARCH": garch,
        "Poisson": rng.poisson(3, n).astype(float),
        "growing noise": (2 + wave) * (1 + 0.3 * noise[13]),
        "moving average": np.convolve(noise[14], np.ones(10) / 10, "same"),
    }


# Detectors ---------------------------------------------------------------------------
# Functions of a series and the number of rows that are not judged; scores like log p.


def ours(y, first, **options):
    """Return the scores of the detector with its defaults."""
    detector = SeriesOutlierDetector(random_state=0, warm_up=first, **options)
    return prequential(detector, y, first)


def prequential(detector, y, first):
    """Return the `score_samples_` of a fit to all rows, without its last training.

    That is for rows to come. What `fit` gives to the rows after the last doubling is
    what `score_samples` gives to them.
    """
    last = first
    while 2 * last < len(y):
        last *= 2
    detector.fit(y[:last])
    return np.r_[detector.score_samples_, detector.score_samples(y[last:])]


def moving_z(y, first, n=100):
    """Return minus the distance from the mean of the last rows, in their deviation."""
    past = pd.Series(y).rolling(n, min_periods=20)
    mean, deviation = past.mean().shift(), past.std().shift()
    z = np.abs(y - mean) / np.maximum(deviation, 1e-12)
    return -z.fillna(0).to_numpy()


def forest(y, first, n=50):
    """Return the scores of an isolation forest on windows, fitted to the first rows."""
    X = np.lib.stride_tricks.sliding_window_view(y, n)
    model = IsolationForest(random_state=0).fit(X[: first - n])
    return np.r_[np.zeros(n - 1), model.score_samples(X)]


def window_distance(y, first, n=50, n_components=5):
    """Return minus the distance of windows from the main directions of the first."""
    X = np.lib.stride_tricks.sliding_window_view(y, n)
    mean = X[: first - n].mean(axis=0)
    _, _, directions = np.linalg.svd(X[: first - n] - mean, full_matrices=False)
    left = X - mean
    left = left - left @ directions[:n_components].T @ directions[:n_components]
    return np.r_[np.zeros(n - 1), -np.linalg.norm(left, axis=1)]


LONG_FAULTS = {"evidence": ("path", "drift", "window"), "onset": 0}
DETECTORS = {
    "z of the last 100 rows": (moving_z, False),
    "IsolationForest, 50 rows": (forest, False),
    "PCA, 50 rows": (window_distance, False),
    "SeriesOutlierDetector": (ours, True),
    "the same for long faults": (partial(ours, **LONG_FAULTS), True),
}

# Measures ----------------------------------------------------------------------------


def nab_score(scores, files, threshold):
    """Return NAB's score, 100 for perfect detection and 0 for none."""
    total = best = 0.0
    for s, (y, windows, first) in zip(scores, files, strict=True):
        alarms = np.flatnonzero(s < threshold)
        alarms = alarms[alarms >= first]
        inside = np.zeros(len(y), dtype=bool)
        best += 2 * len(windows)
        for start, stop in windows:
            inside[start:stop] = True
            hit = alarms[(alarms >= start) & (alarms < stop)]
            if len(hit):
                early = (stop - hit[0]) / (stop - start)
                total += 1 + sigmoid(-early) / sigmoid(-1)
        for alarm in alarms[~inside[alarms]]:
            before = [window for window in windows if window[1] <= alarm]
            weight = -1.0
            if before:
                start, stop = before[-1]
                late = (alarm - stop + 1) / (stop - start - 1)
                weight = sigmoid(late) if late < 3 else -1.0
            total += 0.11 * weight
    return 100 * total / best


def sigmoid(x):
    """Return NAB's weight of an alarm at a place relative to the end of a window."""
    return 2 / (1 + np.exp(5 * x)) - 1


def best_nab_score(scores, files, n=500):
    """Return NAB's score at the best one threshold of all files."""
    judged = [s[first:] for s, (_, _, first) in zip(scores, files, strict=True)]
    thresholds = np.unique(np.concatenate(judged))[:n]
    return max(nab_score(scores, files, np.nextafter(t, 1)) for t in thresholds)


def volume(evidence, windows, n_thresholds=100):
    """Return the volume under the surface of precision and recall."""
    n, areas = len(evidence), []
    places = np.linspace(0, n - 1, n_thresholds).astype(int)
    thresholds = np.sort(evidence)[::-1][places]
    n_labelled = sum(stop - start for start, stop in windows)
    for width in WIDTHS:
        label = soft_labels(n, windows, width)
        edges = np.flatnonzero(np.diff(np.r_[0, label > 0, 0].astype(int)))
        stretches = edges.reshape(-1, 2)
        precision, recall = [1.0], [0.0]
        for threshold in thresholds:
            chosen = evidence >= threshold
            found = (label * chosen).sum()
            exists = np.mean([chosen[a:b].any() for a, b in stretches])
            share = min(1.0, found / ((n_labelled + label.sum()) / 2))
            precision.append(found / chosen.sum())
            recall.append(share * exists)
        areas.append(np.sum(np.diff(recall) * precision[1:]))
    return float(np.mean(areas))


def soft_labels(n, windows, width):
    """Return 1 in windows, and what falls to 0 within half a width beside them."""
    label = np.zeros(n)
    for start, stop in windows:
        label[max(start, 0) : stop] = 1
    for start, stop in windows if width else ():
        after = np.arange(stop, min(stop + width // 2, n))
        label[after] += np.sqrt(1 - (after - stop + 1) / width)
        before = np.arange(max(start - width // 2, 0), start)
        label[before] += np.sqrt(1 - (start - before) / width)
    return np.minimum(label, 1)


# Tables ------------------------------------------------------------------------------


def judge(files, detect, promised):
    """Return a row of the table."""
    begin = process_time()
    scores = [detect(y, first) for y, _, first in files]
    seconds = process_time() - begin
    volumes, hits, n_false, n_normal = [], 0, 0, 0
    for s, (y, windows, first) in zip(scores, files, strict=True):
        shifted = [(start - first, stop - first) for start, stop in windows]
        shifted = [(max(start, 0), stop) for start, stop in shifted if stop > 0]
        volumes.append(volume(-s[first:], shifted))
        top = first + np.argsort(s[first:], kind="stable")[: len(y) // 1000]
        hits += sum(((a <= top) & (top < b)).any() for a, b in windows)
        normal = np.ones(len(y), dtype=bool)
        normal[:first] = False
        for start, stop in windows:
            normal[start : stop + AFTER] = False
        n_false += np.count_nonzero(s[normal] < np.log(RATE))
        n_normal += np.count_nonzero(normal)
    return {
        "NAB": best_nab_score(scores, files),
        "at p": nab_score(scores, files, np.log(RATE)) if promised else np.nan,
        "hits": hits,
        "VUS": float(np.mean(volumes)),
        "false": 1000 * n_false / n_normal if promised else np.nan,
        "s": seconds,
    }


def compare(folder):
    """Print the table of detectors."""
    named = list(read_files(folder))
    for name, y, windows in named:
        print(f"{name}: {len(y)} rows, {len(windows)} windows")
    files = [(y, w, min(len(y) * 15 // 100, 750)) for _, y, w in named]
    random = [
        judge(files, lambda y, first, g=g: np.log(g.random(len(y))), True)
        for g in map(np.random.default_rng, range(5))
    ]
    rows = {"random scores": {k: np.mean([r[k] for r in random]) for k in random[0]}}
    for name, (detect, promised) in DETECTORS.items():
        rows[name] = judge(files, detect, promised)
        print(name, {k: round(float(v), 3) for k, v in rows[name].items()}, flush=True)
    print(pd.DataFrame(rows).T.round(3).to_string(na_rep=""))


def promise_of(y):
    """Return the alarms in 1000 rows of a normal series."""
    detector = SeriesOutlierDetector(random_state=0)
    scores = prequential(detector, y, 500)[detector.n_warm_up_ :]
    p = np.sort(np.exp(scores))
    return {
        "promised 10": 1000 * np.mean(scores < np.log(1e-2)),
        "promised 1": 1000 * np.mean(scores < np.log(1e-3)),
        "gap": np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max(),
    }


def check_promise(n, seed, only):
    """Print the alarms in 1000 rows of normal series."""
    rows = {}
    for name, y in normal_series(n, seed).items():
        if only in name:
            rows[name] = promise_of(y)
            print(f"{name:20s} {rows[name]}", flush=True)
    table = pd.DataFrame(rows).T
    table.loc["mean"] = table.mean()
    print(table.round(2).to_string())


def main():
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="the folder of the files")
    parser.add_argument("--normal", action="store_true", help="check the promise")
    parser.add_argument("--n-rows", type=int, default=16000, help="of normal series")
    parser.add_argument("--seed", type=int, default=0, help="of normal series")
    parser.add_argument("--only", default="", help="normal series with this name")
    arguments = parser.parse_args()
    if arguments.data is not None:
        compare(arguments.data)
    if arguments.normal:
        check_promise(arguments.n_rows, arguments.seed, arguments.only)


if __name__ == "__main__":
    main()
