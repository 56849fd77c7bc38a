"""How well SequenceForecaster forecasts short series, beside what is simple.

    python benchmarks/short_series.py [--data FOLDER] [--names a10.csv ...] [--seeds 1]

Each file of the folder is one series: its last column of numbers, in the order of its
rows. Everything is fitted anew to the rows before each of six origins, which are evenly
spaced over the last 40 % of the rows, and forecasts the rows after it: 12 of a monthly
series, 14 of a daily one, 6 of a yearly one. The error is the mean absolute one over
all origins and steps, as a ratio to that of the best of the five simple methods, which
is chosen afterwards, for each file:

`naive`     The last value, repeated.
`seasonal`  The value of a season before.
`drift`     The line through the first and the last value.
`ets`       Exponential smoothing of statsmodels: level, damped trend and season, each
            with and without, additive; the model with the smallest AICc.
`ridge`     Ridge regression of the next value on those of two seasons (8 without a
            season) and an intercept, step after step; the penalty is that of leave-one-
            out cross-validation (RidgeCV).
`ours`      SequenceForecaster with its defaults, and the season that it is told of by
            the index.

Seconds are CPU seconds of a fit and a forecast. The coverage is that of intervals of
90 % of `ours`.
"""

import argparse
import warnings
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from measure import Machine, table
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

from skrnn import SequenceForecaster

DATA = Path(__file__).parents[2] / "shared" / "data" / "forecasting" / "short"
# Season, rows to forecast, and the frequency of the index, by the kind of a series.
KINDS = {"monthly": (12, 12, "MS"), "daily": (7, 14, "D"), "yearly": (1, 6, "YS")}
N_ORIGINS = 6


def read(path):
    """Return the values of a file, and the kind of its series."""
    frame = pd.read_csv(path)
    values = frame.select_dtypes("number").iloc[:, -1].dropna().to_numpy(float)
    times = frame.iloc[:, 0].astype(str)
    if times.str.fullmatch(r"\d{4}").all():
        return values, "yearly"
    is_date = times.str.count("[-/]").eq(2).all()
    daily = is_date and not times.str.endswith("-01").all()
    return values, "daily" if daily else "monthly"


def naive(y, season, horizon):
    """The last value."""
    return np.full(horizon, y[-1])


def seasonal(y, season, horizon):
    """The value a season before."""
    return y[len(y) - season + np.arange(horizon) % season]


def drift(y, season, horizon):
    """The line through the first and the last value."""
    return y[-1] + (y[-1] - y[0]) / (len(y) - 1) * np.arange(1, horizon + 1)


def ets(y, season, horizon):
    """Exponential smoothing with the smallest AICc."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    kinds = [None, "add"] if 1 < season <= len(y) // 2 else [None]
    best, found = np.inf, None
    for trend in (None, "add"):
        for damped in (False, True) if trend else (False,):
            for kind in kinds:
                options = {"seasonal_periods": season} if kind else {}
                model = ETSModel(
                    y, trend=trend, damped_trend=damped, seasonal=kind, **options
                )
                result = model.fit(disp=False)
                if result.aicc < best:
                    best, found = result.aicc, result
    return found.forecast(horizon)


def ridge(y, season, horizon):
    """Ridge regression on lags, step after step."""
    n_lags = min(2 * season if season > 1 else 8, len(y) // 3)
    scale = y.std() or 1.0
    z = list((y - y.mean()) / scale)
    windows = np.lib.stride_tricks.sliding_window_view(z, n_lags)[:-1]
    model = RidgeCV(np.logspace(-3, 3, 13)).fit(windows, z[n_lags:])
    for _ in range(horizon):
        z.append(model.predict([z[-n_lags:]])[0])
    return np.array(z[-horizon:]) * scale + y.mean()


METHODS = {f.__name__: f for f in (naive, seasonal, drift, ets, ridge)}


def ours(y, kind, horizon, seed):
    """Return forecasts of SequenceForecaster, and its intervals."""
    index = pd.date_range("1950-01-01", periods=len(y), freq=KINDS[kind][2])
    forecaster = SequenceForecaster(horizon, random_state=seed)
    forecaster.fit(None, pd.Series(y, index))
    future = pd.DataFrame(
        index=pd.date_range(index[-1], periods=horizon + 1, freq=index.freq)[1:]
    )
    interval = forecaster.predict_interval(future, coverage=0.9)
    return np.asarray(forecaster.predict(future)), np.asarray(interval)


def run(path, n_seeds):
    """Return the row of a file."""
    y, kind = read(path)
    season, horizon, _ = KINDS[kind]
    origins = np.linspace(0.6 * len(y), len(y) - horizon, N_ORIGINS).astype(int)
    errors = {name: [] for name in [*METHODS, "ours"]}
    seconds, covered = dict.fromkeys(errors, 0.0), []
    for origin in origins:
        past, true = y[:origin], y[origin : origin + horizon]
        for name, method in METHODS.items():
            start = process_time()
            errors[name].append(np.abs(method(past, season, horizon) - true).mean())
            seconds[name] += (process_time() - start) / len(origins)
        for seed in range(n_seeds):
            start = process_time()
            forecast, interval = ours(past, kind, horizon, seed)
            seconds["ours"] += (process_time() - start) / len(origins) / n_seeds
            errors["ours"].append(np.abs(forecast - true).mean())
            covered.append((interval[:, 0] <= true) & (true <= interval[:, 1]))
    mean = {name: np.mean(e) for name, e in errors.items()}
    best = min(mean[name] for name in METHODS)
    ratios = {name: m / best for name, m in mean.items()}
    cells = [f"{ratios[name]:.2f} / {seconds[name]:.3f}" for name in errors]
    label = path.stem, f"{len(y)}, {kind}"
    return [*label, *cells, f"{np.mean(covered):.3f}"], ratios


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--names", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    paths = sorted(args.data.glob("*.csv"))
    if args.names:
        paths = [path for path in paths if path.name in args.names]
    Machine(np.matmul, rounds=5).describe(numpy=np.__version__)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [run(path, args.seeds) for path in paths]
    names = [*METHODS, "ours"]
    rows = [row for row, _ in found]
    means = [f"{np.mean([r[name] for _, r in found]):.2f}" for name in names]
    header = ["series", "rows", *names, "coverage"]
    title = "Error over that of the best of the first five / seconds of a fit."
    table(title, header, [*rows, ["mean", "", *means, ""]])


if __name__ == "__main__":
    main()
