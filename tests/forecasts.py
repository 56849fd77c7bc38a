"""Small series that a small forecaster reads in a moment."""

import numpy as np
import pandas as pd
import polars as pl

from fitted import set_fields, set_theta, theta_of
from skrnn import SequenceForecaster

QUICK = {
    "horizon": 4,
    "window": 12,
    "hidden_layer_sizes": 4,
    "max_iter": 2,
    "random_state": 0,
}


def make_series(n=120, n_targets=None, seed=0, phi=0.8):
    """An autoregressive process, or some of them side by side."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(n, n_targets or 1))
    for t in range(1, n):
        y[t] += phi * y[t - 1]
    return y if n_targets else y[:, 0]


def make_table(n=120, seed=0):
    """Two covariates, of which the first drives the target, and the target."""
    X = np.random.default_rng(seed + 1).normal(size=(n, 2))
    return X, 3 * X[:, 0] + make_series(n, seed=seed)


def make_panel(lengths=(80, 50, 95, 61), n_columns=None, seed=0):
    """Series of several lengths and scales."""
    return [
        10.0**i * make_series(n, n_columns, seed + i) for i, n in enumerate(lengths)
    ]


def awake(forecaster, seed=0):
    """Let all of the network count, with weights as large as those of a long training.

    What little a quick fit has learned may be judged to be worth nothing.
    """
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=theta_of(forecaster).shape) / 2
    set_theta(forecaster, theta.astype(theta_of(forecaster).dtype))
    return set_fields(forecaster, gate_=np.ones(len(forecaster.gate_)))


HOURS = pd.date_range("2024-03-01", periods=120, freq="h")
ODD = pd.Index(np.arange(5, 365, 3))
COLUMNS = ["temp", "wind"]


def forecaster(**options):
    return SequenceForecaster(**QUICK | options)


def hourly(**options):
    """A table with an index, its targets, and a forecaster fitted to 100 rows."""
    X, y = make_table()
    X, y = pd.DataFrame(X, HOURS, COLUMNS), pd.Series(y, HOURS)
    return X, y, awake(forecaster(**options).fit(X[:100], y[:100]))


PANELS = {
    "list": lambda X: X,
    "tuple of lists": lambda X: tuple(x.tolist() for x in X),
    "columns": lambda X: [x[:, None] for x in X],
    "pandas": lambda X: [pd.Series(x) for x in X],
    "frames": lambda X: [pd.DataFrame({"sold": x}) for x in X],
    "polars": lambda X: [pl.Series(x) for x in X],
    "polars lists": lambda X: pl.Series([x.tolist() for x in X]),
    "objects": lambda X: np.array([*X, None], dtype=object)[:-1],
    "hours": lambda X: [pd.Series(x, HOURS[: len(x)]) for x in X],
}
