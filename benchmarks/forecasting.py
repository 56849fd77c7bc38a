"""How well SequenceForecaster forecasts, beside what is simpler and beside DLinear.

    python benchmarks/forecasting.py [--sets ETTh1 walk ar seasonal daily]
    python benchmarks/forecasting.py --sets my.csv --horizons 24 --season 24

The protocol is that of the papers on long horizons. A set is split in time into
training, validation and test rows; each column is standardised by the training rows;
a forecast is made from every row of the test part that is followed by a whole horizon,
none left out; the mean squared and the mean absolute error are means over all of
these, all steps and all columns, in standardised units.

ETTh1 (https://github.com/zhouhaoyi/ETDataset) has 7 columns and its usual 8640, 2880
and 2880 rows; it is read from --data. The simulated sets are random walks (`walk`),
autoregressive processes that return to their means (`ar`), hourly loads with a season
of 24, a trend and correlated noise (`seasonal`), and daily sales with a season of 7 on
a level that wanders (`daily`). They, and any CSV file that is given by its path, are
split into 70, 10 and 20 %; of a file, all columns of numbers are forecast.

The models, one fit for each horizon:

`ours`      SequenceForecaster with its defaults, fitted to the training rows.
`last`      The last value, repeated.
`seasonal`  The value of a season before.
`ridge`     One linear map of the last 336 values of a column to all steps of the
            horizon, the same for all columns, the last value subtracted before and
            added after, by ridge regression. The strength of the penalty is the best
            on the validation rows.
`dlinear`   DLinear (Zeng et al., 2023) in PyTorch: a moving average over 25 values and
            what it leaves, a linear layer for each, 336 values back. As its authors
            train it on ETTh1: Adam with rate 0.005, which is halved in each epoch from
            the third on, batches of 32 rows, 10 epochs at most, the best one on the
            validation rows kept, and the end when that was 3 epochs ago. On other sets
            they take other rates: there 5e-4 is tried too, and the validation rows
            decide.

Neither of the last two is a straw man: they beat most of what is published. Seconds are
CPU time, which on one thread is the time on an idle machine. The last column is the
share of values within the 90 % intervals of `ours`.
"""

import argparse
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
import pandas as pd
from measure import Machine, table
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

from skrnn import SequenceForecaster

LOOKBACK = 336
STRENGTHS = (0.0, 1e1, 1e2, 1e3, 3e3, 1e4, 3e4, 1e5)


class Case(NamedTuple):
    """A set: standardised values (n_rows, n_columns), and how it is split."""

    values: np.ndarray
    train: slice
    validation: slice
    test: slice
    season: int
    rates: tuple  # of learning, for DLinear

    def origins(self, part, horizon, least=0):
        """How many rows lie before each forecast of rows within a part."""
        return np.arange(max(part.start, least), part.stop - horizon + 1)

    def truth(self, origins, horizon):
        """What came after origins, (n_origins, n_columns, horizon)."""
        return sliding_window_view(self.values, horizon, axis=0)[origins]

    def windows(self, origins, n_rows):
        """The rows before origins, (n_origins, n_columns, n_rows)."""
        return sliding_window_view(self.values, n_rows, axis=0)[origins - n_rows]

    def errors(self, forecast, origins, horizon):
        """The mean squared and absolute error of ``forecast(origins)``, by blocks."""
        squares = absolutes = n = 0
        for some in np.array_split(origins, max(1, len(origins) // 256)):
            error = forecast(some) - self.truth(some, horizon)
            squares += np.square(error).sum()
            absolutes += np.abs(error).sum()
            n += error.size
        return squares / n, absolutes / n


# ------------------------------------------------------------------------- sets


def walk(rng):
    return rng.normal(size=(7600, 8)).cumsum(axis=0), 1


def ar(rng):
    return _autoregressive(rng, 0.9, (7600, 4)), 1


def seasonal(rng):
    hour = np.arange(6000)[:, np.newaxis]
    day, peak = 2 * np.pi * hour / 24, rng.uniform(0, 2 * np.pi, size=4)
    swing = 1 + 0.3 * np.sin(2 * np.pi * hour / 2400 + peak)
    values = swing * np.sin(day + peak) + 0.4 * np.sin(2 * day + peak)
    return values + hour / 2000 + 0.3 * _autoregressive(rng, 0.8, (6000, 4)), 24


def daily(rng):
    day = np.arange(2000)
    week = rng.normal(scale=0.4, size=(7, 10))[day % 7]
    level = 0.02 * rng.normal(size=(2000, 10)).cumsum(axis=0)
    return np.exp(level + week + 0.1 * rng.normal(size=(2000, 10))), 7


def _autoregressive(rng, coefficient, shape):
    values = rng.normal(size=shape)
    for t in range(1, len(values)):
        values[t] += coefficient * values[t - 1]
    return values


SIMULATED = {"walk": walk, "ar": ar, "seasonal": seasonal, "daily": daily}
HORIZONS = {"ETTh1": (96, 192, 336, 720), "daily": (7, 28)}


def load(name, args):
    """Return a set by its name, or by the path of a CSV file, as a `Case`."""
    if name in SIMULATED:
        values, season = SIMULATED[name](np.random.default_rng(0))
    else:
        path = args.data / "ETTh1.csv.gz" if name == "ETTh1" else Path(name)
        values = pd.read_csv(path).select_dtypes("number").to_numpy(dtype=float)
        season = 24
    n = len(values)
    parts = args.parts
    if parts is None:
        parts = 8640, 2880, 2880
        if name != "ETTh1":
            parts = int(0.7 * n), n - int(0.7 * n) - int(0.2 * n), int(0.2 * n)
    begin = np.cumsum([0, *parts])
    if begin[-1] > n:
        raise SystemExit(
            f"{name} has {n} rows, fewer than {' + '.join(map(str, parts))}."
        )
    train, validation, test = map(slice, begin[:-1].tolist(), begin[1:].tolist())
    values = values[: test.stop]
    values = (values - values[train].mean(axis=0)) / values[train].std(axis=0)
    if args.train_rows is not None:
        train = slice(max(0, train.stop - args.train_rows), train.stop)
    rates = (5e-3,) if name == "ETTh1" else (5e-3, 5e-4)
    return Case(values, train, validation, test, args.season or season, rates)


# ----------------------------------------------------------------------- models


class Ours:
    """SequenceForecaster, through its public methods."""

    def fit(self, case, horizon, seed):
        self.forecaster = SequenceForecaster(horizon, random_state=seed)
        self.forecaster.fit(None, case.values[case.train])

    def test(self, case, horizon):
        start = case.test.start
        result = self.forecaster.backtest(None, case.values, start=start)
        error = result.y_pred - result.y_true
        assert len(result.origins) == len(case.origins(case.test, horizon))
        scores = np.square(error).mean(), np.abs(error).mean()
        return *scores, result.scores["forecast"].get("coverage", np.nan)


class Simple:
    """A model that forecasts from origins; those below say how."""

    def fit(self, case, horizon, seed):
        """Learn from the training rows, and choose by the validation rows."""

    def test(self, case, horizon):
        def forecast(origins):
            return self.forecast(case, horizon, origins)

        return *case.errors(forecast, case.origins(case.test, horizon), horizon), np.nan


class Last(Simple):
    def forecast(self, case, horizon, origins):
        return case.windows(origins, 1)


class Seasonal(Simple):
    def forecast(self, case, horizon, origins):
        ahead = np.arange(horizon) % case.season
        return case.windows(origins, case.season)[..., ahead]


class Ridge(Simple):
    def fit(self, case, horizon, seed):
        xx, xy = 0, 0
        origins = training_origins(case, horizon)
        for some in np.array_split(origins, max(1, len(origins) // 256)):
            x = case.windows(some, LOOKBACK).reshape(-1, LOOKBACK)
            y = case.truth(some, horizon).reshape(-1, horizon)
            x, y = x[:, :-1] - x[:, -1:], y - x[:, -1:]
            xx, xy = xx + x.T @ x, xy + x.T @ y
        best = np.inf
        for strength in STRENGTHS:
            penalty = (strength + 1e-9 * np.trace(xx) / len(xx)) * np.eye(len(xx))
            self.weights = np.linalg.solve(xx + penalty, xy)
            origins = case.origins(case.validation, horizon)
            error, _ = case.errors(
                lambda o: self.forecast(case, horizon, o), origins, horizon
            )
            if error < best:
                best, kept = error, self.weights
        self.weights = kept

    def forecast(self, case, horizon, origins):
        x = case.windows(origins, LOOKBACK)
        return (x[..., :-1] - x[..., -1:]) @ self.weights + x[..., -1:]


class DLinear(Simple):
    AVERAGED, EPOCHS, BATCH, PATIENCE = 25, 10, 32, 3

    def fit(self, case, horizon, seed):
        import torch

        self.torch = torch
        torch.set_num_threads(1)
        self.series = torch.from_numpy(case.values.astype(np.float32))
        tried = [self._train(case, horizon, seed, rate) for rate in case.rates]
        self.layers.load_state_dict(min(tried, key=lambda found: found[0])[1])

    def _train(self, case, horizon, seed, rate):
        """Return the least error on the validation rows, and the weights with it."""
        torch = self.torch
        torch.manual_seed(seed)
        layers = [torch.nn.Linear(LOOKBACK, horizon) for _ in range(2)]
        self.layers = torch.nn.ModuleList(layers)
        solver = torch.optim.Adam(self.layers.parameters(), lr=rate)
        origins = training_origins(case, horizon)
        validation = case.origins(case.validation, horizon)
        best, worse = np.inf, 0
        for epoch in range(self.EPOCHS):
            solver.param_groups[0]["lr"] = rate * 0.5 ** max(0, epoch - 1)
            order = torch.randperm(len(origins)).numpy()
            for rows in np.array_split(order, -(-len(order) // self.BATCH)):
                truth = self.rows(origins[rows], horizon)
                loss = torch.nn.functional.mse_loss(self(origins[rows]), truth)
                solver.zero_grad()
                loss.backward()
                solver.step()
            error, _ = case.errors(
                lambda o: self.forecast(case, horizon, o), validation, horizon
            )
            worse += 1
            if error < best:
                best, worse = error, 0
                kept = {k: v.clone() for k, v in self.layers.state_dict().items()}
            if worse == self.PATIENCE:
                break
        return best, kept

    def rows(self, begin, n_rows):
        """Rows from some on, (n, n_columns, n_rows)."""
        return self.series.unfold(0, n_rows, 1)[self.torch.from_numpy(begin)]

    def __call__(self, origins):
        x = self.rows(origins - LOOKBACK, LOOKBACK)
        padding = 2 * (self.AVERAGED // 2,)
        padded = self.torch.nn.functional.pad(x, padding, mode="replicate")
        trend = self.torch.nn.functional.avg_pool1d(padded, self.AVERAGED, stride=1)
        return self.layers[0](x - trend) + self.layers[1](trend)

    def forecast(self, case, horizon, origins):
        with self.torch.no_grad():
            return self(origins).numpy()


def training_origins(case, horizon):
    """The origins that see a whole window, and are followed by a whole horizon."""
    origins = case.origins(case.train, horizon, case.train.start + LOOKBACK)
    if not len(origins):
        raise SystemExit(
            f"{case.train.stop - case.train.start} rows are too few to learn "
            f"{horizon} steps from {LOOKBACK} rows. Leave ridge and dlinear out."
        )
    return origins


MODELS = {
    "ours": Ours,
    "last": Last,
    "seasonal": Seasonal,
    "ridge": Ridge,
    "dlinear": DLinear,
}
SEEDED = {"ours", "dlinear"}


# ----------------------------------------------------------------------- tables


def evaluate(case, name, horizon, seed):
    """Fit and test a model: its errors, its coverage, and seconds of both."""
    model = MODELS[name]()
    start = process_time()
    model.fit(case, horizon, seed)
    fitted = process_time()
    scores = model.test(case, horizon)
    return *scores, fitted - start, process_time() - fitted


def spread(values):
    """The mean over seeds, with the standard deviation if there are several."""
    text = f"{np.mean(values):.3f}"
    return text if len(values) < 2 else f"{text} ± {np.std(values, ddof=1):.3f}"


def run(name, args):
    case = load(name, args)
    horizons = args.horizons or HORIZONS.get(name, (24, 96))
    rows, costs, means = [], [], []
    for horizon in horizons:
        found = {}
        for model in args.models:
            seeds = range(args.seeds if model in SEEDED else 1)
            runs = [evaluate(case, model, horizon, seed) for seed in seeds]
            found[model] = np.array(runs).T
            print(
                "..", name, horizon, model, *np.round(found[model][:, 0], 4), flush=True
            )
        rows.append([horizon])
        for mse, mae, *_ in found.values():
            rows[-1].append(f"{spread(mse)} / {np.mean(mae):.3f}")
        if "ours" in found:
            rows[-1].append(f"{found['ours'][2].mean():.3f}")
        costs.append([horizon])
        for *_, fit, test in found.values():
            costs[-1].append(f"{fit.mean():.1f} + {test.mean():.1f}")
        means.append([m[:2].mean(axis=1) for m in found.values()])
    mean = np.mean(means, axis=0)
    rows.append(["mean", *(f"{mse:.3f} / {mae:.3f}" for mse, mae in mean)])
    sizes = [part.stop - part.start for part in case[1:4]]
    what = f"{name}, {case.values.shape[1]} columns, {' / '.join(map(str, sizes))} rows"
    header = ["horizon", *args.models, *(["coverage"] * ("ours" in args.models))]
    if "ours" in args.models:
        rows[-1].append("")
    seeds = f", {args.seeds} seeds" if args.seeds > 1 else ""
    table(f"{what}{seeds}: MSE / MAE.", header, rows)
    table(f"{what}: seconds of a fit + of the test.", header[: len(costs[0])], costs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    shared = Path(__file__).parents[2] / "shared" / "data" / "forecasting"
    add("--data", type=Path, default=shared, help="folder with ETTh1.csv.gz")
    add("--sets", nargs="+", default=["ETTh1", *SIMULATED], help="names or CSV files")
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add("--horizons", nargs="+", type=int, help="steps to forecast")
    add("--parts", nargs=3, type=int, help="rows to train, validate and test with")
    add("--train-rows", type=int, help="learn from the last ones of these only")
    add("--season", type=int, help="rows of a season (of the files: 24)")
    add("--seeds", type=int, default=1, help="fits of ours and of dlinear (1)")
    args = parser.parse_args()
    Machine(np.matmul, rounds=5).describe(numpy=np.__version__)
    with threadpool_limits(1):
        for name in args.sets:
            run(name, args)
