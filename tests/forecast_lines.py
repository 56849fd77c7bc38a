"""Series as the windows of a forecaster read them."""

import numpy as np

from skrnn.forecasting.windows import (
    Lines,
    WindowReader,
)


def make_lines(lengths=(40, 23), n_targets=2, n_covariates=3, n_calendar=2, gaps=0.2):
    """Lines of random walks with values that are unknown."""
    rng = np.random.default_rng(0)
    tables = []
    for n in lengths:
        y = rng.normal(size=(n, n_targets)).cumsum(axis=0)
        y[rng.uniform(size=y.shape) < gaps] = np.nan
        x = rng.normal(size=(n, n_covariates))
        tables.append((y, x, rng.normal(size=(n, n_calendar))))
    return Lines(tables), tables


def make_reader(**options):
    default = {
        "window": 9,
        "horizon": 5,
        "segment_length": 4,
        "future_segment_length": 2,
        "n_past_only": 1,
        "n_known_future": 2,
        "n_calendar": 2,
        "n_targets": 2,
        "dtype": "float64",
    }
    return WindowReader(**default | options)


def all_windows(lines):
    line = np.repeat(np.arange(len(lines)), lines.n_rows - 1)
    origin = np.concatenate([np.arange(1, n) for n in lines.n_rows])
    return line, origin


def filled(window, season):
    """What stands for unknown values: a season before, a season after, from nearby."""
    w = window.copy()
    n = len(w)
    for t in range(n):
        if np.isnan(w[t]) and t >= season:
            w[t] = w[t - season]
    for t in reversed(range(n)):
        if np.isnan(w[t]) and t + season < n:
            w[t] = w[t + season]
    for t in range(1, n):
        if np.isnan(w[t]):
            w[t] = w[t - 1]
    for t in reversed(range(n - 1)):
        if np.isnan(w[t]):
            w[t] = w[t + 1]
    return w


def ar_lines(n=400, seed=0, phi=0.8):
    rng = np.random.default_rng(seed)
    y = np.zeros(n)
    for t in range(1, n):
        y[t] = phi * y[t - 1] + rng.normal()
    return Lines([(y[:, None], np.empty((n, 0)), np.empty((n, 0)))])
