"""Tables of series, how they are read, and what a refusal says."""

import re

import numpy as np
import pandas as pd
import pytest

from skrnn.inputs.schema import SeriesSchema


def learn_rows(X, y, **options):
    schema, [series] = SeriesSchema.learn(X, y, **options)
    return schema, series


learn_panel = SeriesSchema.learn


nan = np.nan
N = 12
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(N, 3))
VALUES[4, 0] = VALUES[7, 2] = nan
Y = np.arange(N, dtype=float)
HOURS = pd.date_range("2024-03-30", periods=N, freq="h")


def frame(values=VALUES, index=None, names="abc"):
    return pd.DataFrame(values, columns=list(names[: values.shape[1]]), index=index)


def assert_same(a, b, *, calendar=True):
    """Two series have the same rows."""
    np.testing.assert_array_equal(a.y, b.y)
    np.testing.assert_array_equal(a.x, b.x)
    if calendar:
        np.testing.assert_array_equal(a.calendar, b.calendar)
    assert a.n_past == b.n_past
    for array in (a.y, a.x, a.calendar):
        assert array.dtype == np.float64 and array.flags.c_contiguous


def refuses(call, message, kind=ValueError):
    with pytest.raises(kind, match=re.escape(message)) as caught:
        call()
    return str(caught.value)


SHUFFLED = HOURS[[0, 1, 3, 2, *range(4, N)]]
REPEATED = HOURS[[0, 1, 2, 2, *range(4, N)]]
JITTERED = HOURS + pd.to_timedelta([0] * 6 + [30] + [0] * 5, unit="min")
