"""SequenceForecaster where covariates, times or values are missing, odd or misread."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.compose import TransformedTargetRegressor

from cases import assert_same_bits
from fitted import set_fields
from forecasts import QUICK, make_series
from skrnn import SequenceForecaster

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Among the targets are"),
]
UNKNOWN = "Covariates are unknown"
N = 480
HOURS = pd.date_range("2024-01-01", periods=N, freq="h")


def forecaster(**options):
    return SequenceForecaster(**QUICK | {"horizon": 24, "window": 48} | options)


def heated():
    """Hours of a target that two covariates drive."""
    rng = np.random.default_rng(0)
    noise = 3 * rng.normal(size=N)
    level = 10 + rng.normal(size=N).cumsum() / 3
    season = 10 * np.sin(np.arange(N) * 2 * np.pi / 24)
    y = pd.Series(50 + season + 5 * noise + 2 * level + rng.normal(size=N), HOURS)
    return pd.DataFrame({"noise": noise, "level": level}, HOURS), y


def mean_error(forecast, y):
    return np.abs(forecast - y[-24:].to_numpy()).mean()


@pytest.fixture(scope="module")
def fitted():
    X, y = heated()
    model = forecaster().fit(X[:-24], y[:-24])
    plain = forecaster().fit(None, y[:-24])
    return model, mean_error(plain.predict(), y), mean_error(model.predict(X[-24:]), y)


# Covariates that are not there


@pytest.mark.parametrize("what", ["X", "X_past", "both", "half", "one column"])
def test_unknown_covariates_do_no_harm(fitted, what):
    X, y = heated()
    model, plain, full = fitted
    assert full < plain / 4
    past = {"y_past": y[:-24], "X_past": X[:-24]}
    future = X[-24:].copy()
    if what == "both":
        arguments = {"y_past": y[:-24]}
    elif what == "X":
        arguments = {}
    elif what == "X_past":
        arguments = {"X": future, "y_past": y[:-24]}
    elif what == "half":
        future.iloc[8:] = np.nan
        arguments = {"X": future} | past
    else:
        future["noise"] = np.nan
        arguments = {"X": future} | past
    with pytest.warns(UserWarning, match=f"{UNKNOWN}.*'noise', 'level'"):
        forecast = model.predict(**arguments)
    assert mean_error(forecast, y) < 1.1 * plain
    if what == "half":
        assert_same_bits(forecast[:8], model.predict(X[-24:], **past)[:8])
    with pytest.warns(UserWarning, match=UNKNOWN):
        lower, upper = model.predict_interval(**arguments).T
    assert np.mean((lower <= y[-24:]) & (y[-24:] <= upper)) > 0.6


@pytest.mark.parametrize("rows", [[-1], [-3, -2, -1], [-30, -7, -1]])
def test_an_unknown_covariate_of_the_history_shifts_nothing(fitted, rows):
    X, y = heated()
    model, _, full = fitted
    past = X[:-24].copy()
    past.iloc[rows] = np.nan
    forecast = model.predict(X[-24:], y_past=y[:-24], X_past=past)
    assert mean_error(forecast, y) < 1.3 * full


def test_a_column_that_is_seldom_known_needs_no_value():
    X, y = heated()
    X["price"] = np.where(np.arange(N) % 7 == 0, 1.0, np.nan)
    model = forecaster().fit(X[:-24], y[:-24])
    assert np.isfinite(model.predict(X[-24:])).all()  # without a warning


def test_unknown_covariates_of_a_panel():
    rng = np.random.default_rng(1)
    panel = []
    for n in (200, 150, 180):
        x = rng.normal(size=n)
        panel.append(np.column_stack([make_series(n) + 5 * x, x]))
    options = {"target": 0, "horizon": 6, "window": 20, "max_iter": 5}
    model = forecaster(known_future=[1], **options).fit(panel)
    set_fields(model, gate_=np.ones(6))
    with pytest.warns(UserWarning, match="18 of 18 rows"):
        forecast = model.predict([x[:100] for x in panel])
    plain = set_fields(model, gate_=np.zeros(6)).predict([x[:100] for x in panel])
    assert_same_bits(forecast, plain)


def test_learned_quantiles_where_covariates_are_unknown():
    X, y = heated()
    model = forecaster(loss="quantile", quantiles=[0.1, 0.5, 0.9])
    model.fit(X[:-24], y[:-24])
    with pytest.warns(UserWarning, match=UNKNOWN):
        quantiles = model.predict_quantiles()
    assert (np.diff(quantiles, axis=1) > 0).all()


# X that is given for rows of the training


def test_x_counts_that_is_given_for_rows_of_fit(fitted):
    X, y = heated()
    model, *_ = fitted
    inside = X[200:260]
    before = model.predict(inside)
    other = inside.assign(noise=inside["noise"] - 6)
    change = model.predict(other) - before
    assert_allclose(change, -30, atol=4)
    # What came before an origin is what was observed.
    some = inside.copy()
    some.iloc[3, 0] += 1
    change = model.predict(some) - before
    assert abs(change[3]) > 3
    assert not change[24:].any()


# Rows that are numbered anew, and the index of y


def numbered(first):
    X, y = (table[:120] for table in heated())
    rows = pd.Index(np.arange(first, first + 120))
    return X.set_axis(rows), y.set_axis(rows)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("again", [0, 1])
def test_rows_that_are_counted_anew_are_the_next_ones(first, again):
    X, y = numbered(first)
    model = forecaster(horizon=4).fit(X[:100], y[:100])
    new = X[100:].set_axis(pd.Index(np.arange(again, again + 20)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        forecast = model.predict(new)
    assert len(caught) == again
    assert_same_bits(forecast, model.predict(X[100:]))
    if first == 1:  # these are those of fit
        inside = model.predict(X[:20])
        assert not np.array_equal(inside, forecast)


def test_the_score_looks_at_the_index_of_y(fitted):
    X, y = heated()
    model = forecaster(horizon=4).fit(X[:100], y[:100])
    score = model.score(X[105:112], y[105:112])
    with pytest.warns(UserWarning, match="feature names"):
        assert model.score(X[105:112].to_numpy(), y[105:112]) == score
    with pytest.raises(ValueError, match="different indexes: row 0"):
        model.score(X[105:112], y[106:113])
    assert model.score(X[105:112], y[105:112].to_numpy()) == score
    plain = forecaster(horizon=4).fit(None, y[:100])
    expected = plain.score(pd.DataFrame(index=HOURS[103:107]), y[103:107])
    assert plain.score(None, y[103:107]) == expected
    assert plain.score(np.empty((4, 0)), y[103:107]) == expected


# Times in other forms

DAYS = pd.date_range("2010-01-01", periods=60, freq="D")
MONTHS = pd.date_range("2010-01-01", periods=60, freq="MS")


def quick():
    return forecaster(horizon=2, window=6, max_iter=1)


READ = {
    "text": (DAYS.strftime("%Y-%m-%d"), 7),
    "slashes": (DAYS.strftime("%Y/%m/%d"), 7),
    "text in UTC": (HOURS[:60].strftime("%Y-%m-%dT%H:%M:%SZ"), 24),
    "months": (MONTHS.strftime("%Y-%m"), 12),
    "dates": (pd.Index(DAYS.date), 7),
    "categories": (pd.CategoricalIndex(DAYS.strftime("%Y-%m-%d")), 7),
}


@pytest.mark.parametrize("form", READ)
def test_times_that_are_clear_are_read(form):
    index, season = READ[form]
    y = make_series(60)
    model = quick().fit(None, pd.Series(y, index))
    assert model.season_ == season
    assert isinstance(model.future_index(), pd.DatetimeIndex)
    table = pd.DataFrame({"when": index, "y": y})
    assert quick().set_params(target="y").fit(table).season_ == season


REFUSED = {
    "day first": (DAYS.strftime("%d/%m/%Y"), "dayfirst=True"),
    "month names": (MONTHS.strftime("%b %Y"), "to_datetime"),
    "quarters": ([f"{2000 + i // 4}Q{i % 4 + 1}" for i in range(60)], "PeriodIndex"),
    "clock": ([f"00:{i:02}" for i in range(60)], "to_timedelta"),
    "days as text": (DAYS.strftime("%Y%m%d"), "format='%Y%m%d'"),
    "fractions": (np.arange(60) / 10, "unit='s'"),
    "durations": (pd.to_timedelta(np.arange(60), unit="s"), "Timestamp"),
    "YYYYMM": (MONTHS.strftime("%Y%m").astype(int), "months as numbers"),
    "YYYYMMDD": (DAYS.strftime("%Y%m%d").astype(int), "days as numbers"),
    "YYYYQ": ([10 * (2000 + i // 4) + i % 4 + 1 for i in range(60)], "quarters"),
    "YYYYWW": ([100 * (2000 + i // 52) + i % 52 + 1 for i in range(60)], "weeks"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_times_that_are_not_clear_are_refused_with_the_line_that_converts(form):
    index, match = REFUSED[form]
    y = pd.Series(make_series(60), index)
    with pytest.raises(ValueError, match=match) as error:
        quick().fit(None, y)
    _, line = str(error.value).split("first: ", 1)
    line = line.split(", or ")[0].split(". If")[0].rstrip(".")
    exec(line, {"y": y, "pd": pd})  # an assignment
    assert quick().fit(None, y).future_index().dtype.kind in "MO"
    if form not in ("fractions", "durations"):
        X = pd.DataFrame({"date": index, "y": y.to_numpy()})
        with pytest.raises(ValueError, match=match) as error:
            quick().set_params(target="y").fit(X)


def test_integers_that_are_no_dates_are_positions():
    y = make_series(60)
    for index in (pd.RangeIndex(202401, 202461), 1900 + np.arange(60)):
        assert list(quick().fit(None, pd.Series(y, index)).future_index()) == list(
            index[-1] + 1 + np.arange(2)
        )


def test_a_long_frame_with_dates_as_text_is_not_one_series():
    X = pd.concat(
        pd.DataFrame({"date": DAYS.strftime("%Y-%m-%d"), "stock": s, "y": 1.0})
        for s in "abc"
    )
    for table in (X, X.sort_values("date")):
        with pytest.raises(ValueError, match="several series in long form"):
            quick().set_params(target="y").fit(table)
    table = X.set_index(["date", "stock"])
    with pytest.raises(ValueError, match=r"droplevel\(1\).*groupby\(level=1\)"):
        quick().fit(table)


# Numbers as text


@pytest.mark.parametrize("form", ["commas", "one is ?", "whole", "names"])
def test_text_that_is_no_category(form):
    values = np.random.default_rng(0).normal(size=60)
    column = {
        "commas": [f"{v:.1f}".replace(".", ",") for v in values],
        "one is ?": ["?"] + [f"{v:.3f}" for v in values[1:]],
        "whole": [str(int(1e6 * v)) for v in values],
        "names": [f"{v} EUR" for v in values],
    }[form]
    X, y = pd.DataFrame({"price": column}), make_series(60)
    with pytest.raises(ValueError, match="column 'price' of X.*to_numeric"):
        quick().fit(X, y)


def test_text_that_is_a_category():
    kinds = pd.DataFrame({"kind": [f"{i % 7}" for i in range(60)]})
    assert quick().fit(kinds, make_series(60)).n_features_in_ == 1
    named = pd.DataFrame({"kind": [f"{i / 10}" for i in range(60)]})
    quick().set_params(categorical_features=["kind"]).fit(named, make_series(60))


def test_targets_that_are_no_numbers_name_their_remedy():
    with pytest.raises(ValueError, match="to_numeric.*thousands"):
        quick().fit(None, pd.Series(["1,234"] * 60))
    with pytest.raises(ValueError, match="total_seconds"):
        quick().fit(None, pd.Series(pd.to_timedelta(np.arange(60), unit="h")))


def test_a_covariate_that_was_constant_moves_nothing_when_it_changes():
    X, y = heated()
    X["strike"] = 0.0
    model = forecaster(max_iter=3).fit(X[:-24], y[:-24])
    set_fields(model, gate_=np.ones(24))
    expected = model.predict(X[-24:])
    assert_same_bits(model.predict(X[-24:].assign(strike=1.0)), expected)


# Backtests


def staggered():
    """Series of days that begin and end on different dates."""
    return [
        pd.DataFrame({"y": make_series(n, seed=i)}, DAYS_OF_YEARS[begin : begin + n])
        for i, (begin, n) in enumerate([(0, 120), (70, 110), (30, 90)])
    ]


DAYS_OF_YEARS = pd.date_range("2020-01-01", periods=400, freq="D")


@pytest.mark.parametrize("refit", [True, 3])
def test_a_refit_sees_no_row_after_its_moment_of_any_series(refit):
    panel = staggered()
    model = forecaster(horizon=3, window=10, max_iter=1).fit(panel)
    options = {"start": 60, "stride": 15, "refit": refit}
    result = model.backtest(panel, **options)
    begin = np.array([0, 70, 30])[result.series]
    moments = begin + result.origins
    assert not ((moments - 60) % 15).any()
    moment = np.unique(moments)[2]
    destroyed = [
        x.assign(y=x["y"].where(x.index < DAYS_OF_YEARS[moment], 1e6 * (1 + i)))
        for i, x in enumerate(panel)
    ]
    other = model.backtest(destroyed, **options)
    before = moments <= moment
    assert before.sum() > 3 and not before.all()
    assert_same_bits(other.y_pred[before], result.y_pred[before])
    assert_same_bits(other.interval[before], result.interval[before])


@pytest.mark.filterwarnings("ignore:From .* rows that it has seen:UserWarning")
def test_backtests_start_at_dates_or_count_from_the_end():
    panel = staggered()
    model = forecaster(horizon=3, window=10, max_iter=1).fit(panel)
    by_date = model.backtest(panel, start="2020-04-20", stride=5)
    begin = np.array([0, 70, 30])[by_date.series]
    assert (begin + by_date.origins).min() == 110
    for start in (pd.Timestamp("2020-04-20"), np.datetime64("2020-04-20"), -70):
        again = model.backtest(panel, start=start, stride=5)
        assert list(again.origins) == list(by_date.origins)
    y = make_series(100)
    one = forecaster(horizon=3, window=10, max_iter=1).fit(None, y)
    assert one.backtest(None, y, start=-9).origins.tolist() == list(range(91, 98))
    with pytest.raises(ValueError, match="start must be an int, got"):
        one.backtest(None, y, start="2020-04-20")
    with pytest.raises(ValueError, match="or a date"):
        model.backtest(panel, start="soon")


# Other things that were unclear


def test_a_window_does_not_hold_seasons_of_thousands_of_rows():
    seconds = pd.date_range("2024-01-01", periods=7300, freq="s")
    y = pd.Series(make_series(7300), seconds)
    model = SequenceForecaster(hidden_layer_sizes=2, max_iter=1).fit(None, y[:4000])
    assert model.window_ == 504


def test_rows_after_the_last_known_target_are_forecast_in_both_ways_in():
    y = make_series(60)
    y[-6:] = np.nan
    model = quick().fit(None, y)
    assert model.future_index()[0] == 54
    assert_same_bits(model.predict(), model.predict(y_past=y[:-6]))
    assert_same_bits(model.predict(y_past=y), model.predict(y_past=y[:-6]))
    panel = quick().fit([y])
    assert_same_bits(panel.predict([y]), panel.predict([y[:-6]]))
    # An index says which rows: those after all rows of y.
    dated = quick().fit(None, pd.Series(y, DAYS))
    assert dated.future_index()[0] == DAYS[54]
    later = pd.DataFrame(index=DAYS[-2:] + pd.Timedelta("2D"))
    assert list(dated.future_index(later)) == list(later.index)


def test_covariates_of_fit_count_in_unknown_rows_at_its_end():
    X = np.arange(60.0)[:, np.newaxis] % 7
    y = 3 * X[:, 0] + make_series(60) / 9
    true = y[-6:].copy()
    y[-6:] = np.nan
    with pytest.warns(UserWarning, match=r"ends with 6 unknown rows.*fit\(X\[:-6\]"):
        model = SequenceForecaster(6, max_iter=1, random_state=0).fit(X, y)
    assert np.abs(model.predict() - true).mean() < 1.0
    with pytest.warns(UserWarning, match="Covariates are unknown"):
        model.predict(np.full((9, 1), np.nan))


def test_a_transformed_target_keeps_the_index_that_x_has():
    y = pd.Series(np.exp(make_series(60) / 9), DAYS)
    logs = TransformedTargetRegressor(quick(), func=np.log, inverse_func=np.exp)
    logs.fit(pd.DataFrame(index=DAYS), y)
    assert logs.regressor_.season_ == 7
    expected = np.exp(quick().fit(None, np.log(y)).predict())
    later = pd.DataFrame(index=DAYS[-2:] + pd.Timedelta("2D"))
    assert_same_bits(logs.predict(later), expected)


def test_times_off_by_little_name_their_remedy():
    jitter = DAYS + pd.to_timedelta((np.arange(60) % 7 == 3) * 60, unit="s")
    with pytest.raises(ValueError, match=r"y.index.round\('D'\).*to_period\('M'\)"):
        quick().fit(None, pd.Series(make_series(60), jitter))
