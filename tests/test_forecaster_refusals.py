"""What SequenceForecaster refuses, and what an error leaves as it was."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from cases import assert_same_bits
from forecasts import (
    COLUMNS,
    HOURS,
    forecaster,
    hourly,
    make_panel,
    make_series,
    make_table,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Covariates are unknown"),
]


# Bad input


def spoiled(name):
    """(X, y) for predict or fit with one thing wrong, and what the message says."""
    X, y = make_table()
    X, y = pd.DataFrame(X, HOURS, COLUMNS), pd.Series(y, HOURS)
    nothing = pd.Series(np.full(120, np.nan), HOURS)
    infinite = y.copy()
    infinite.iloc[7] = np.inf
    return {
        "unsorted": (X[::-1], y[::-1], "order of time.*sort_index"),
        "swapped rows": (
            X.iloc[[*range(50), 51, 50, *range(52, 120)]],
            y.to_numpy(),
            "row 51",
        ),
        "duplicated": (
            X.iloc[[*range(60), 59, *range(60, 120)]],
            np.zeros(121),
            "two rows for the same time",
        ),
        "irregular": (
            X.set_axis(HOURS + pd.to_timedelta(np.arange(120) ** 2, "min")),
            y.to_numpy(),
            "[Rr]egular|steps",
        ),
        "other rows": (X, y.set_axis(HOURS + pd.Timedelta("1h")), "same"),
        "fewer rows": (X[:100], y, r"inconsistent numbers of samples: \[100, 120\]"),
        "nothing known": (X, nothing, "has no known value"),
        "infinite y": (X, infinite, "infinity.*\n?.*7"),
        "infinite X": (X.replace(X.iloc[3, 1], -np.inf), y, "infinity"),
        "too little": (X[:4], y[:4], "Too little history"),
        "no rows": (X[:0], y[:0], "0 sample"),
        "strings": (X, y.astype(str) + "x", "string|float"),
        "times": (X.assign(when=HOURS), y, "times|time"),
        "one dimension": (X["temp"].to_numpy(), y, "2D array"),
        "a panel with y": (np.zeros((3, 120, 2)), y, "several tables"),
        "no columns": (np.empty((120, 0)), y, r"0 feature\(s\)"),
        "mixed names": (X.rename(columns={"temp": 3}), y, "Feature names"),
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "unsorted",
        "swapped rows",
        "duplicated",
        "irregular",
        "other rows",
        "fewer rows",
        "nothing known",
        "infinite y",
        "infinite X",
        "too little",
        "no rows",
        "strings",
        "one dimension",
        "a panel with y",
        "no columns",
        "mixed names",
    ],
)
def test_a_fit_that_fails_leaves_the_forecaster_as_it_was(name):
    X, y, match = spoiled(name)
    good_X, _, model = hourly()
    before, forecast = vars(model).copy(), model.predict(good_X[100:])
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[key] is value for key, value in before.items())
    assert_same_bits(model.predict(good_X[100:]), forecast)


@pytest.mark.parametrize(
    "X, match",
    [
        (None, "fit needs series"),
        ([], "no series"),
        ([[1.0, 2.0, 3.0], []], r"X\[1\]"),
        ([np.full(9, np.nan), np.arange(9.0)], r"X\[0\]"),
        ([np.arange(9.0), np.r_[1:8, np.inf]], r"X\[1\]"),
        ([np.arange(9.0), np.zeros((9, 2))], r"X\[1\]"),
        ([np.arange(4.0), np.arange(3.0)], "Too little history"),
        ([np.arange(9.0), list("abc")], r"X\[1\]"),
        (np.zeros((2, 3, 4, 5)), "dim 4"),
        ({"a": [1.0, 2.0]}, "dict"),
        ("abc", "str"),
    ],
)
def test_panels_that_cannot_be(X, match):
    model = forecaster().fit(make_panel())
    before = vars(model).copy()
    with pytest.raises((ValueError, TypeError), match=match):
        model.fit(X)
    assert all(vars(model)[key] is value for key, value in before.items())
    if X is not None and "little" not in match:
        with pytest.raises((ValueError, TypeError)):
            model.predict(X)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda X: X[::-1], "order of time"),
        (lambda X: X.iloc[[0, 0, 1]], "two rows for the same time"),
        (lambda X: X.set_axis(X.index + pd.Timedelta("20min")), "off the times"),
        (lambda X: X.tz_localize("UTC"), "time zone"),
        (lambda X: X[["wind", "temp"]], "same order"),
        (lambda X: X[["temp"]], "seen at fit time, yet now missing"),
        (lambda X: X.assign(rain=0.0), "unseen at fit time"),
        (lambda X: X.replace(X.iloc[0, 0], np.inf), "infinity"),
        (lambda X: X.assign(temp="warm"), "string|float"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X.to_numpy()[:, 0], "2D array"),
        (lambda X: X.shift(freq="-4000h"), "before the first row"),
        (lambda X: np.zeros((2, 3)), "3 features, but SequenceForecaster is expecting"),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_that_cannot_be_forecast(change, match):
    X, _, model = hourly()
    expected = model.predict(X[100:])
    with pytest.raises(ValueError, match=match):
        model.predict(change(X[100:]))
    assert_same_bits(model.predict(X[100:]), expected)


@pytest.mark.parametrize(
    "past, match",
    [
        (lambda X, y: {"y_past": y, "X_past": X[:9]}, "inconsistent numbers"),
        (lambda X, y: {"y_past": y[::-1], "X_past": None}, "order of time"),
        (lambda X, y: {"y_past": np.zeros((9, 2))}, "2 targets.*fitted with 1"),
        (lambda X, y: {"y_past": np.full(9, np.nan)}, "no known value"),
        (lambda X, y: {"y_past": [1.0, np.inf]}, "infinity"),
        (lambda X, y: {"y_past": []}, "0 sample"),
        (lambda X, y: {"X_past": X}, "y_past was not provided"),
        (lambda X, y: {"y_past": y, "X_past": X[["temp"]]}, "X_past"),
        (lambda X, y: {"y_past": y, "X": X[100:]}, "X starts at"),
    ],
)
def test_histories_that_cannot_be(past, match):
    X, y, model = hourly()
    expected = model.predict(X[100:])
    with pytest.raises(ValueError, match=match):
        model.predict(**past(X, y))
    assert_same_bits(model.predict(X[100:]), expected)


def test_a_target_of_which_nothing_is_known():
    Y = make_series(n_targets=2)
    model = forecaster().fit(None, Y)
    Y[:, 1] = np.nan
    with pytest.raises(ValueError, match="column 1 of y_past"):
        model.predict(y_past=Y)
    with pytest.raises(ValueError, match="Target 1"):
        forecaster().fit(None, Y)


def test_the_two_ways_in_do_not_mix():
    X, y, model = hourly()
    with pytest.raises(ValueError, match="needs y"):
        model.score(X)
    panel = forecaster().fit(make_panel())
    for past in ({"y_past": y}, {"X_past": X}):
        with pytest.raises(ValueError, match="takes the histories in X"):
            panel.predict(**past)
    for wrong in (y[100:110], np.zeros((20, 2))):
        with pytest.raises(ValueError, match="y has|inconsistent numbers"):
            model.score(X[100:], wrong)


@pytest.mark.parametrize(
    "parameter, value",
    [
        ("horizon", 0),
        ("horizon", 1.5),
        ("window", 0),
        ("window", "long"),
        ("segment_length", 0),
        ("loss", "huber"),
        ("normalize", "first"),
        ("calibration_fraction", 0),
        ("calibration_fraction", 1.0),
        ("cell", "transformer"),
        ("hidden_layer_sizes", 0),
        ("dropout", 1.0),
        ("max_iter", 0),
        ("validation_fraction", 0.0),
        ("dtype", "float16"),
        ("n_jobs", 1.5),
    ],
)
def test_parameters_that_cannot_be(parameter, value):
    model = forecaster().fit(None, make_series())
    expected = model.predict()
    before = model.get_params()[parameter]
    with pytest.raises(InvalidParameterError, match=parameter):
        model.set_params(**{parameter: value}).fit(None, make_series())
    model.set_params(**{parameter: before})
    assert_same_bits(model.predict(), expected)


@pytest.mark.parametrize("parameter", ["known_future", "static", "target"])
def test_columns_that_are_not_there(parameter):
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in make_panel(n_columns=2)]
    for wrong in ("c", 2, ["a", "c"]):
        with pytest.raises(ValueError, match=parameter):
            forecaster(**{parameter: wrong}).fit(frames)
