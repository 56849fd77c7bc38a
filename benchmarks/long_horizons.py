"""How well SequenceForecaster forecasts two weeks of hours, beside ridge regressions.

    python benchmarks/long_horizons.py [--data FILE] [--horizon 336] [--rows 2000]
                                       [--seeds 1] [--linear]

Hourly series: the seven columns of ETTh1 (the first 8,640 rows; tested on the next
5,760), and made-up ones with a season of a day and of a week, whose level and season
change as their names say. Forecasts are made every 24 rows of the rows after the fit.
The figure is the mean squared error over that of `ours`, so that more than 1 is to our
favour:

`last`     The last value, repeated.
`change`   A direct ridge regression of the horizon on the last 336 values, less the
           last one (a quarter of the rows, if these are fewer). The penalty is 1e-4 of
           the mean square of the inputs.
`level`    The same of values less the mean of the training, and so with an intercept.
`ours`     SequenceForecaster with its defaults, seed 0, in CPU seconds of the fit. With
           --linear its network is tiny, so that only the linear part counts.
"""

import argparse
import warnings
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from measure import Machine, table
from threadpoolctl import threadpool_limits

from skrnn import SequenceForecaster

DATA = Path(__file__).parents[2] / "shared" / "data" / "forecasting" / "ETTh1.csv.gz"
LAGS, STRENGTH, STRIDE = 336, 1e-4, 24


def recursive(noise, share):
    """Return a process that keeps a share of itself from row to row."""
    out = np.zeros(len(noise))
    for t in range(1, len(noise)):
        out[t] = share * out[t - 1] + noise[t]
    return out


def make_series(kind, n, seed):
    """Return hours with a season of a day and of a week, and a level that changes."""
    rng, t = np.random.default_rng([seed, n]), np.arange(n)
    first, second, third = rng.uniform(0, 6, 3)
    day = np.sin(2 * np.pi * t / 24 + first) + 0.5 * np.sin(4 * np.pi * t / 24 + second)
    week = -1.0 * (t // 24 % 7 >= 5)
    noise = recursive(0.5 * rng.normal(size=n), 0.8)
    season = 2 * day + 1.5 * week
    y = 10 + season + noise
    wander = rng.normal(size=n)
    if kind == "wanders":
        return y + np.cumsum(0.06 * wander)
    if kind == "jumps":
        return y + np.cumsum(3 * wander * (rng.random(n) < 1 / 700))
    if kind == "year":
        return y + 5 * np.sin(2 * np.pi * t / 8766)
    if kind == "amplitude":
        return y + 1.2 * np.sin(2 * np.pi * t / 3000 + third) * day
    if kind == "returns":
        return y + recursive(0.15 * wander, 0.995)
    if kind == "product":
        return np.exp(2 + season / 10 + noise / 10 + np.cumsum(0.003 * wander))
    if kind == "growth":
        return y + t / 1000 + season * t / n
    return y


KINDS = "steady wanders jumps year amplitude returns product growth".split()


def cases(path, sizes, n_seeds):
    """Yield the name, the values and the number of rows of the fit."""
    frame = pd.read_csv(path).iloc[:14400, 1:]
    for name in frame:
        yield f"ETTh1 {name}", frame[name].to_numpy(float), 8640
    for n in sizes:
        for kind in KINDS:
            for seed in range(n_seeds):
                yield f"{kind} {seed}, {n}", make_series(kind, n * 7 // 5, seed), n


def windows(y, n_lags, horizon, origin):
    """Return the values before and after origins."""
    before = np.lib.stride_tricks.sliding_window_view(y, n_lags)[origin - n_lags]
    return before, np.lib.stride_tricks.sliding_window_view(y, horizon)[origin]


def ridge(y, n, horizon, origin, level):
    """Return forecasts of a ridge regression of values less a level."""
    n_lags = min(LAGS, n // 4)
    x, future = windows(y, n_lags, horizon, np.arange(n_lags, n - horizon + 1))
    base = level(x)
    x, future = x - base, future - base
    center, mean = x.mean(axis=0), future.mean(axis=0)
    product = (x - center).T @ (x - center)
    product += STRENGTH * np.trace(product) / n_lags * np.eye(n_lags)
    weights = np.linalg.solve(product, (x - center).T @ (future - mean))
    past = windows(y, n_lags, horizon, origin)[0]
    return (past - level(past) - center) @ weights + mean + level(past)


def run(y, n, horizon, options):
    """Return the mean squared error of each method, and the seconds of ours."""
    origin = np.arange(n, len(y) - horizon + 1, STRIDE)
    true = windows(y, 1, horizon, origin)[1]
    mean = y[:n].mean()
    forecasts = {
        "last": y[origin - 1, np.newaxis],
        "change": ridge(y, n, horizon, origin, lambda x: x[:, -1:]),
        "level": ridge(y, n, horizon, origin, lambda x: mean),
    }
    index = pd.date_range("2020-01-01", periods=len(y), freq="h")
    series, start = pd.Series(y, index), process_time()
    forecaster = SequenceForecaster(horizon, random_state=0, **options)
    forecaster.fit(None, series[:n])
    seconds = process_time() - start
    result = forecaster.backtest(None, series, start=n, stride=STRIDE)
    forecasts["ours"] = result.y_pred
    return {k: ((f - true) ** 2).mean() for k, f in forecasts.items()}, seconds


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--horizon", type=int, default=336)
    parser.add_argument("--rows", type=int, nargs="*", default=[2000])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--linear", action="store_true")
    parser.add_argument("--only", default="", help="part of the name of a series")
    args = parser.parse_args()
    Machine(np.matmul, rounds=5).describe(numpy=np.__version__)
    rows, names = [], ("last", "change", "level")
    ratios = []
    options = {"hidden_layer_sizes": 1, "max_iter": 1} if args.linear else {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, y, n in cases(args.data, args.rows, args.seeds):
            if args.only not in name:
                continue
            error, seconds = run(y, n, args.horizon, options)
            ratios.append([error[k] / error["ours"] for k in names])
            cells = [f"{ratio:.2f}" for ratio in ratios[-1]]
            rows.append([name, *cells, f"{error['ours']:.4g}", f"{seconds:.1f}"])
            print(*rows[-1], flush=True)
    mean = np.exp(np.log(ratios).mean(axis=0))
    rows.append(["geometric mean", *(f"{m:.2f}" for m in mean), "", ""])
    table("Squared errors over ours", ["series", *names, "ours", "seconds"], rows)


if __name__ == "__main__":
    main()
