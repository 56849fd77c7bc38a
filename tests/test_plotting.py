"""Pictures: everything that is drawn is what was predicted, given or known."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import SequenceForecaster
from skrnn.plotting import ForecastDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

TINY = {"hidden_layer_sizes": 4, "max_iter": 1, "window": 12, "random_state": 0}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_y(n=120, n_targets=1, seed=0):
    rng = np.random.default_rng(seed)
    y = np.sin(np.arange(n) * 2 * np.pi / 12)[:, np.newaxis] + np.arange(n_targets)
    y = y + 0.1 * rng.normal(size=(n, n_targets))
    return y[:, 0] if n_targets == 1 else y


Y = make_y()
DAYS = pd.date_range("2024-01-01", periods=len(Y), freq="D")


@pytest.fixture(scope="module")
def plain():
    return SequenceForecaster(6, **TINY).fit(None, Y[:100])


@pytest.fixture(scope="module")
def dated():
    y = pd.Series(Y, DAYS, name="load")
    return SequenceForecaster(6, **TINY).fit(None, y[:100])


def drawn(line):
    """The points of a line."""
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), dtype=float)


def ends(interval):
    """The lower and upper ends of what `fill_between` drew, (n_steps, 2)."""
    (path,) = interval.get_paths()
    x, y = path.vertices.T
    return np.array([[y[x == at].min(), y[x == at].max()] for at in np.unique(x)])


def test_draws_what_is_predicted(plain):
    display = ForecastDisplay.from_estimator(plain, y=Y[100:103])
    where, values = drawn(display.line_)
    np.testing.assert_array_equal(where, np.arange(100, 106))
    np.testing.assert_array_equal(values, plain.predict())
    np.testing.assert_array_equal(ends(display.interval_), plain.predict_interval())
    where, values = drawn(display.history_)
    np.testing.assert_array_equal(where, np.arange(70, 100))
    np.testing.assert_array_equal(values, Y[70:100])
    # The truth goes on from the last known row, and may end before the forecast.
    where, values = drawn(display.truth_)
    np.testing.assert_array_equal(where, np.arange(99, 106))
    np.testing.assert_array_equal(values, [*Y[99:103], *3 * [np.nan]])
    labels = display.ax_.get_legend_handles_labels()[1]
    assert labels == ["history", "truth", "90 % interval", "forecast"]
    assert display.figure_ is display.ax_.figure
    assert display.y_pred.shape == (6, 1)


def test_nothing_known_of_the_future(plain):
    display = ForecastDisplay.from_estimator(plain, n_past=0, coverage=None, name="GRU")
    assert display.truth_ is display.interval_ is display.history_ is None
    assert display.ax_.get_legend_handles_labels()[1] == ["GRU"]
    np.testing.assert_array_equal(drawn(display.line_)[0], np.arange(100, 106))


def test_coverage(plain):
    display = ForecastDisplay.from_estimator(plain, coverage=0.5)
    np.testing.assert_array_equal(
        ends(display.interval_), plain.predict_interval(coverage=0.5)
    )
    assert display.interval_.get_label() == "50 % interval"


def test_too_short_for_intervals():
    forecaster = SequenceForecaster(3, **TINY).fit(None, Y[:5])
    display = ForecastDisplay.from_estimator(forecaster)
    assert display.interval_ is None


def test_more_rows_than_a_horizon(plain, dated):
    display = ForecastDisplay.from_estimator(plain, y=Y[100:120])
    np.testing.assert_array_equal(
        display.y_pred[:, 0], plain.predict(pd.DataFrame(index=range(100, 120)))
    )
    later = pd.Series(Y, DAYS)[105:115]  # a gap before
    display = ForecastDisplay.from_estimator(dated, y=later)
    where, values = drawn(display.line_)
    np.testing.assert_array_equal(where, DAYS[105:115])
    np.testing.assert_array_equal(
        values, dated.predict(pd.DataFrame(index=DAYS[105:115]))
    )
    assert drawn(display.history_)[0][-1] == DAYS[99]


@pytest.mark.parametrize("kind", ["D", "tz", "period", "integer"])
def test_index(kind):
    index = {
        "D": DAYS,
        "tz": DAYS.tz_localize("Europe/Rome"),
        "period": DAYS.to_period("D"),
        "integer": pd.Index(np.arange(1000, 1000 + len(Y))),
    }[kind]
    y = pd.Series(Y, index, name="load")
    forecaster = SequenceForecaster(6, **TINY).fit(None, y[:100])
    display = ForecastDisplay.from_estimator(forecaster, y=y[100:106], n_past=9)
    places = index if kind == "integer" else DAYS
    np.testing.assert_array_equal(drawn(display.line_)[0], places[100:106])
    np.testing.assert_array_equal(drawn(display.history_)[0], places[91:100])
    np.testing.assert_array_equal(drawn(display.truth_)[1], Y[99:106])
    assert display.ax_.get_ylabel() == "load"
    display.figure_.canvas.draw()


def test_known_rows_are_their_own_truth(dated):
    X = pd.DataFrame(index=DAYS[60:80])
    display = ForecastDisplay.from_estimator(dated, X)
    np.testing.assert_array_equal(drawn(display.line_)[1], dated.predict(X))
    np.testing.assert_array_equal(drawn(display.truth_)[1], Y[59:80])
    np.testing.assert_array_equal(drawn(display.history_)[0], DAYS[:60])
    # From the last known rows on, there is no truth.
    X = pd.DataFrame(index=DAYS[97:103])
    display = ForecastDisplay.from_estimator(dated, X)
    np.testing.assert_array_equal(display.y_true[:, 0], [*Y[97:100], *3 * [np.nan]])


def test_another_origin(plain):
    y_past = make_y(50, seed=1)
    display = ForecastDisplay.from_estimator(plain, y_past=y_past, n_past=1000)
    np.testing.assert_array_equal(drawn(display.line_)[1], plain.predict(y_past=y_past))
    np.testing.assert_array_equal(drawn(display.history_)[1], y_past)


def test_covariates():
    X = np.random.default_rng(0).normal(size=(len(Y), 2))
    y = Y + X[:, 0]
    forecaster = SequenceForecaster(6, **TINY).fit(X[:100], y[:100])
    display = ForecastDisplay.from_estimator(forecaster, X[100:110], y[100:110])
    np.testing.assert_array_equal(display.y_pred[:, 0], forecaster.predict(X[100:110]))
    past = {"X_past": X[:40], "y_past": y[:40]}
    display = ForecastDisplay.from_estimator(forecaster, X[40:46], **past)
    np.testing.assert_array_equal(
        display.y_pred[:, 0], forecaster.predict(X[40:46], **past)
    )
    with (
        pytest.warns(UserWarning, match="Covariates are unknown"),
        pytest.raises(ValueError, match="y has 20 rows of 1 targets, but .* are 6"),
    ):
        ForecastDisplay.from_estimator(forecaster, y=y[100:])


@pytest.fixture(scope="module")
def two_targets():
    y = pd.DataFrame(make_y(n_targets=2), columns=["load", "price"])
    return SequenceForecaster(6, **TINY).fit(None, y[:100]), y


def test_several_targets(two_targets):
    forecaster, y = two_targets
    display = ForecastDisplay.from_estimator(forecaster, y=y[100:106])
    for k in range(2):
        np.testing.assert_array_equal(
            drawn(display.line_[k])[1], forecaster.predict()[:, k]
        )
        np.testing.assert_array_equal(
            ends(display.interval_[k]), forecaster.predict_interval()[:, k]
        )
        np.testing.assert_array_equal(
            drawn(display.truth_[k])[1], y.to_numpy()[99:106, k]
        )
        assert display.ax_[k].get_ylabel() == y.columns[k]
    assert display.ax_[0].get_legend() and not display.ax_[1].get_legend()
    with pytest.raises(ValueError, match="2 targets to draw, and ax has 1 axes"):
        display.plot(plt.gca())


@pytest.mark.parametrize("target", ["price", 1, -1])
def test_one_of_several_targets(two_targets, target):
    forecaster, y = two_targets
    _, ax = plt.subplots()
    display = ForecastDisplay.from_estimator(
        forecaster, y=y[100:106], target=target, ax=ax
    )
    assert display.ax_ is ax and ax.get_ylabel() == "price"
    np.testing.assert_array_equal(drawn(display.line_)[1], forecaster.predict()[:, 1])
    np.testing.assert_array_equal(drawn(display.truth_)[1], y["price"][99:106])


def test_strange_target(two_targets):
    with pytest.raises(
        ValueError, match="target='rain' is none of the 2 .*load, price"
    ):
        ForecastDisplay.from_estimator(two_targets[0], target="rain")
    with pytest.raises(ValueError, match="target=2 is none of the 2"):
        ForecastDisplay.from_estimator(two_targets[0], target=2)


def test_panel():
    panel = [make_y(n, seed=n) for n in (40, 60, 50)]
    forecaster = SequenceForecaster(6, **TINY).fit([y[:-6] for y in panel])
    display = ForecastDisplay.from_estimator(forecaster, series=1)
    np.testing.assert_array_equal(drawn(display.line_)[1], forecaster.predict()[1])
    new = [make_y(30, seed=9), make_y(20, seed=8)]
    display = ForecastDisplay.from_estimator(
        forecaster, [y[:-6] for y in new], [y[-6:] for y in new], series=-1
    )
    histories = [y[:-6] for y in new]
    np.testing.assert_array_equal(
        drawn(display.line_)[1], forecaster.predict(histories)[1]
    )
    np.testing.assert_array_equal(
        ends(display.interval_), forecaster.predict_interval(histories)[1]
    )
    np.testing.assert_array_equal(drawn(display.truth_)[1], new[1][-7:])
    np.testing.assert_array_equal(drawn(display.history_)[1], new[1][:-6])
    with pytest.raises(ValueError, match="series=3 does not exist: there are 3"):
        ForecastDisplay.from_estimator(forecaster, series=3)
    with pytest.raises(ValueError, match="the true values of each series"):
        ForecastDisplay.from_estimator(forecaster, y=panel[0][-6:])


def test_panel_of_tables():
    rng = np.random.default_rng(0)
    shops = []
    for start in range(3):
        promotion = rng.integers(2, size=60)
        sales = make_y(60, seed=start) + promotion
        index = pd.date_range("2024-01-01", periods=60) + pd.Timedelta(days=start)
        shops.append(pd.DataFrame({"sales": sales, "promotion": promotion}, index))
    histories = [shop.copy() for shop in shops]
    for shop in histories:
        shop.loc[shop.index[54:], "sales"] = np.nan
    forecaster = SequenceForecaster(
        6, target="sales", known_future=["promotion"], **TINY
    ).fit(histories)
    truth = [shop[54:] for shop in shops]  # with the other column, too
    display = ForecastDisplay.from_estimator(forecaster, histories, truth, series=2)
    np.testing.assert_array_equal(drawn(display.line_)[0], shops[2].index[54:])
    np.testing.assert_array_equal(
        drawn(display.line_)[1], forecaster.predict(histories)[2]
    )
    np.testing.assert_array_equal(drawn(display.truth_)[1], shops[2]["sales"][53:])
    assert display.ax_.get_ylabel() == "sales"


def test_missing_values_break_the_line():
    y = Y.copy()
    y[80:84] = np.nan
    forecaster = SequenceForecaster(6, **TINY).fit(None, y[:100])
    display = ForecastDisplay.from_estimator(forecaster)
    assert np.isnan(drawn(display.history_)[1]).sum() == 4


def test_single_step():
    forecaster = SequenceForecaster(1, **TINY).fit(None, Y[:100])
    display = ForecastDisplay.from_estimator(forecaster, y=Y[100:101])
    assert display.line_.get_marker() == "o"
    (segment,) = display.interval_.get_segments()
    np.testing.assert_array_equal(segment[:, 1], forecaster.predict_interval()[0])


def test_within_other_estimators():
    X = np.random.default_rng(0).normal(size=(len(Y), 2))
    y = np.exp(Y + X[:, 0])
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), SequenceForecaster(6, **TINY)),
        func=np.log,
        inverse_func=np.exp,
    )
    cell = "regressor__sequenceforecaster__cell"
    search = GridSearchCV(model, {cell: ["gru", "rnn"]}, cv=TimeSeriesSplit(2))
    search.fit(X[:100], y[:100])
    display = ForecastDisplay.from_estimator(search, X[100:106], y[100:106])
    np.testing.assert_allclose(drawn(display.line_)[1], search.predict(X[100:106]))
    np.testing.assert_array_equal(drawn(display.truth_)[1][1:], y[100:106])
    np.testing.assert_allclose(drawn(display.history_)[1], y[70:100])
    low, high = ends(display.interval_).T
    assert (low > 0).all() and (low < high).all()
    # From another origin, the history goes the same way.
    display = ForecastDisplay.from_estimator(
        search, X[40:46], X_past=X[:40], y_past=y[:40]
    )
    np.testing.assert_allclose(drawn(display.history_)[1], y[10:40])
    regressor = search.best_estimator_.regressor_
    scaled = regressor[0].transform(X)
    expected = np.exp(
        regressor[-1].predict(scaled[40:46], X_past=scaled[:40], y_past=np.log(y[:40]))
    )
    np.testing.assert_allclose(drawn(display.line_)[1], expected)


def test_no_forecaster():
    with pytest.raises(TypeError, match="no fitted SequenceForecaster in Ridge"):
        ForecastDisplay.from_estimator(Ridge().fit(Y[:, np.newaxis], Y))


def test_from_predictions(plain):
    result = plain.backtest(None, Y, start=100, stride=6)
    origin = result.origins[1]
    display = ForecastDisplay.from_predictions(
        result.y_true[1],
        result.y_pred[1],
        interval=result.interval[1],
        coverage=0.9,
        y_past=Y[:origin],
        n_past=10,
    )
    np.testing.assert_array_equal(drawn(display.line_)[1], result.y_pred[1])
    np.testing.assert_array_equal(drawn(display.line_)[0], np.arange(106, 112))
    np.testing.assert_array_equal(drawn(display.history_)[0], np.arange(96, 106))
    np.testing.assert_array_equal(ends(display.interval_), result.interval[1])
    np.testing.assert_array_equal(drawn(display.truth_)[1], Y[105:112])


def test_from_predictions_with_index():
    y = pd.Series(Y, DAYS, name="load")
    display = ForecastDisplay.from_predictions(
        y[100:106], Y[90:96], y_past=y[:100], n_past=5
    )
    np.testing.assert_array_equal(drawn(display.line_)[0], DAYS[100:106])
    np.testing.assert_array_equal(drawn(display.history_)[0], DAYS[95:100])
    assert display.ax_.get_ylabel() == "load"
    assert display.interval_ is None
    # Numbers follow from numbers; times do not follow from nothing.
    display = ForecastDisplay.from_predictions(
        None, Y[:6], y_past=Y[:9], index=np.arange(50, 56)
    )
    np.testing.assert_array_equal(drawn(display.history_)[0], np.arange(41, 50))
    assert display.truth_ is None
    for index, past_index in [(DAYS[9:15], None), (None, DAYS[:9])]:
        with pytest.raises(ValueError, match="both `index` and `past_index`"):
            ForecastDisplay.from_predictions(
                None, Y[:6], y_past=Y[:9], index=index, past_index=past_index
            )


def test_from_predictions_of_several_targets():
    y = make_y(n_targets=2)
    interval = np.stack([y[:6] - 1, y[:6] + 1], axis=-1)
    display = ForecastDisplay.from_predictions(y[:6], y[:6], interval=interval)
    assert [ax.get_ylabel() for ax in display.ax_] == ["target 0", "target 1"]
    np.testing.assert_array_equal(ends(display.interval_[1]), interval[:, 1])


@pytest.mark.parametrize(
    "given, message",
    [
        ({"interval": np.zeros((6, 3))}, "interval has shape"),
        ({"y_past": np.zeros((9, 2))}, "y_past has 2 targets, but y_pred 1"),
        ({"index": [1, 2]}, "index has 2 labels for 6 rows"),
        ({"past_index": [1, 2], "y_past": Y[:9]}, "past_index has 2 labels for 9 rows"),
        ({"y_true": Y[:7]}, "y has 7 rows of 1 targets"),
        ({"y_true": np.zeros((6, 2))}, "y has 6 rows of 2 targets"),
    ],
)
def test_bad_predictions(given, message):
    with pytest.raises(ValueError, match=message):
        ForecastDisplay.from_predictions(**{"y_true": None, "y_pred": Y[:6]} | given)


def test_styles(plain):
    display = ForecastDisplay.from_estimator(
        plain,
        y=Y[100:106],
        history_kwargs={"color": "red"},
        truth_kwargs={"label": "what came"},
        line_kwargs={"linewidth": 3},
        interval_kwargs={"alpha": 0.1},
    )
    assert display.history_.get_color() == "red"
    assert display.truth_.get_label() == "what came"
    assert display.line_.get_linewidth() == 3
    assert display.interval_.get_alpha() == 0.1
    again = display.plot(n_past=4)
    assert again is display and len(drawn(display.history_)[0]) == 4


def test_several_forecasts_in_the_same_axes(plain):
    ax = ForecastDisplay.from_estimator(plain, name="GRU").ax_
    display = ForecastDisplay.from_estimator(plain, ax=ax, n_past=0, name="again")
    assert display.ax_ is ax and display.figure_ is ax.figure
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["history", "90 % interval", "GRU", "again"]


def test_without_matplotlib(plain, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skrnn\[plot\]'"):
        ForecastDisplay.from_estimator(plain)
    with pytest.raises(ImportError, match=r"pip install 'skrnn\[plot\]'"):
        ForecastDisplay.from_predictions(None, Y[:6])
    with pytest.raises(ImportError, match=r"pip install 'skrnn\[plot\]'"):
        ForecastDisplay(Y[:6, np.newaxis]).plot()


def test_matplotlib_is_imported_when_needed_only():
    code = "import sys, skrnn.plotting; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
