"""Nothing that is made of the rows before an origin sees a row from there on."""

import numpy as np
import pytest

from forecasts import QUICK, make_panel, make_series, make_table
from skrnn import SequenceForecaster
from skrnn.forecasting.linear import evidence_of, moments_of, regression
from skrnn.forecasting.smoothing import forecasts_of
from skrnn.forecasting.windows import Lines, WindowReader
from skrnn.inputs.schema import SeriesSchema
from skrnn.models.forecast_fit import ForecastFit, start_model

CHANGES = {
    "shifted": lambda values: values + 1000.0,
    "reversed": lambda values: values[::-1],
    "unknown": lambda values: np.full_like(values, np.nan),
    "wild": lambda values: np.full_like(values, 1e6),
}
pytestmark = pytest.mark.filterwarnings("ignore:Among the targets are")
change_after = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


def changed_from(values, origin, change):
    """Return a copy of values whose rows from the origin on are others."""
    out = values.copy()
    out[origin:] = change(out[origin:])
    return out


def same_before(found, other, last):
    """Assert that forecasts from origins up to `last` have the same bits."""
    # A series of a panel that ends in unknown values has fewer origins.
    keys, others = (list(zip(f.series, f.origins, strict=True)) for f in (found, other))
    rows = [i for i, key in enumerate(keys) if key[1] <= last and key in others]
    same = [others.index(keys[i]) for i in rows]
    assert 0 < len(rows) < len(keys)
    for name in ("y_pred", "interval", "naive", "seasonal_naive"):
        np.testing.assert_array_equal(found[name][rows], other[name][same])


def indicators(n=84, n_columns=12, seed=0):
    """Return random walks, and a seasonal target that they say nothing of."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_columns)).cumsum(axis=0)
    return X, 5 * np.sin(np.arange(n) * np.pi / 6) + 2 * make_series(n, seed=seed + 1)


@change_after
def test_a_regression_sees_no_row_from_its_stop_on(change):
    X, y = indicators()
    sizes = {"window": 12, "horizon": 4, "segment_length": 4}
    sizes |= {"future_segment_length": 4, "n_past_only": 0, "n_known_future": 12}
    reader = WindowReader(**sizes, n_calendar=0, n_targets=0, dtype="float32")
    calendar = np.empty((len(y), 0))
    coefs = [
        regression(Lines([(b[:, np.newaxis], a, calendar)]), reader, 12, 50)
        for a, b in [(X, y), [changed_from(v, 50, change) for v in (X, y)]]
    ]
    assert coefs[0].any()
    np.testing.assert_array_equal(*coefs)


@change_after
def test_a_fold_takes_out_the_effect_of_covariates_as_its_training_rows_say(change):
    X, y = make_table(100)
    structure = SequenceForecaster(**QUICK)._describe_structure()

    def fit(y):
        schema, panel = SeriesSchema.learn(X, y)
        return ForecastFit(start_model(structure, schema, panel), panel, 0.4)

    found = fit(y)
    assert found.model.coef is not None
    assert len(found.folds.stops) == len(found._fold_lines) == 2
    for nth, stop in enumerate(found.folds.stops):
        later = fit(changed_from(y, stop, change))
        if later._fold_lines is None or len(later._fold_lines) < 2:
            continue  # what is left needs no regression, or cannot be tested
        lines = found._fold_lines[nth], later._fold_lines[nth]
        np.testing.assert_array_equal(*(each.values[:stop] for each in lines))
        # All rows say something else.
        assert (found.lines.values[:stop] != lines[0].values[:stop]).any()


def test_indicators_that_say_nothing_are_left_out():
    kept, errors, covered = [], [], []
    for seed in range(8):
        X, y = indicators(84, (8, 24)[seed % 2], seed=10 * seed)
        forecaster = SequenceForecaster(12, max_iter=2, random_state=0)
        forecaster.fit(X[:72], y[:72])
        low, high = forecaster.predict_interval(X[72:], coverage=0.9).T
        kept.append(forecaster._model.coef is not None)
        covered.append(np.mean((low <= y[72:]) & (y[72:] <= high)))
        errors.append(np.abs(forecaster.predict(X[72:]) - y[72:]).mean())
    assert np.mean(kept) <= 0.25  # with the coefficients of all rows: 1
    assert np.mean(covered) >= 0.75


def test_a_covariate_that_drives_the_target_is_kept():
    X, y = make_table(100)
    assert SequenceForecaster(**QUICK).fit(X, y)._model.coef is not None


@pytest.mark.filterwarnings("ignore:y ends with")
@change_after
@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile"])
def test_a_backtest_sees_nothing_from_its_origin_on(change, refit, loss):
    y = make_series(90)
    forecaster = SequenceForecaster(**QUICK, loss=loss).fit(None, y[:60])
    options = {"start": 60, "stride": 8, "refit": refit}
    found = forecaster.backtest(None, y, **options)
    other = forecaster.backtest(None, changed_from(y, 76, change), **options)
    same_before(found, other, 76)


@pytest.mark.filterwarnings("ignore:y ends with")
@change_after
@pytest.mark.parametrize("refit", [False, True])
def test_a_backtest_of_logarithms_sees_nothing_from_its_origin_on(change, refit):
    t = np.arange(90)
    y = np.exp(t / 20 + np.sin(t * np.pi / 2) + make_series(90) / 20)
    forecaster = SequenceForecaster(**QUICK).fit(None, y[:60])
    assert forecaster._model.log_floor is not None
    options = {"start": 60, "stride": 8, "refit": refit}
    found = forecaster.backtest(None, y, **options)
    other = forecaster.backtest(None, changed_from(y, 76, change), **options)
    same_before(found, other, 76)


def test_a_fold_takes_logarithms_as_its_training_rows_say(monkeypatch):
    monkeypatch.setattr("skrnn.models.forecast_fit.LOG_GAIN", -1e3)  # always
    t = np.arange(90)
    y = np.exp(t / 60 + 2 * np.sin(t * np.pi / 2) + make_series(90) / 20)
    structure = SequenceForecaster(**QUICK)._describe_structure()

    def fit(y):
        schema, panel = SeriesSchema.learn(None, y)
        return ForecastFit(start_model(structure, schema, panel), panel, 0.4)

    found = fit(y)
    assert found.model.log_floor is not None
    stop = found.folds.stops[-1]
    # A later value is far smaller than all before, which moves the floor of all.
    changed = y.copy()
    changed[stop + y[stop:].argmin()] = 0.45 * y.min()
    later = fit(changed)
    assert found.model.log_floor == y.min() / 2
    assert later.model.log_floor < found.model.log_floor
    for one, other in zip(found._fold_models, later._fold_models, strict=True):
        assert one.log_floor == other.log_floor


@change_after
def test_what_a_fold_of_a_short_series_learns_sees_no_row_that_it_is_tested_on(change):
    y = make_series(90)
    structure = SequenceForecaster(**QUICK)._describe_structure()

    def learned(y, stop=None):
        schema, panel = SeriesSchema.learn(None, y)
        fit = ForecastFit(start_model(structure, schema, panel), panel, 0.4)
        stop = stop or fit.folds.stops[0]
        training = np.flatnonzero(fit.origin + QUICK["horizon"] <= stop)
        where = fit.line[training], fit.origin[training]
        sizes = QUICK["window"], QUICK["horizon"]
        moments = moments_of(fit.lines, *where, *sizes, fit.model.options, np.ones(1))
        sets = [(fit.lines, *where)]
        seen = evidence_of(sets, QUICK["horizon"], fit.model.options)
        return stop, forecasts_of(moments, 1, False, *seen)

    stop, found = learned(y)
    _, other = learned(changed_from(y, stop, change), stop)
    assert list(found) == list(other)
    for name, weights in found.items():
        np.testing.assert_array_equal(other[name], weights)


@pytest.mark.filterwarnings("ignore:y ends with")
@change_after
@pytest.mark.parametrize("refit", [False, True])
def test_a_backtest_sees_covariates_of_its_horizon_and_no_more(change, refit):
    X, y = make_table(90)
    forecaster = SequenceForecaster(**QUICK).fit(X[:60], y[:60])
    options = {"start": 60, "stride": 8, "refit": refit}
    found = forecaster.backtest(X, y, **options)
    later = changed_from(X, 76 + QUICK["horizon"], change)
    other = forecaster.backtest(later, changed_from(y, 76, change), **options)
    same_before(found, other, 76)


@pytest.mark.filterwarnings("ignore:y ends with")
@change_after
@pytest.mark.parametrize("refit", [False, True])
def test_a_backtest_of_a_panel_sees_nothing_from_its_origin_on(change, refit):
    panel = make_panel((90, 80, 85))
    forecaster = SequenceForecaster(**QUICK).fit([y[:60] for y in panel])
    options = {"start": 60, "stride": 8, "refit": refit}
    found = forecaster.backtest(panel, **options)
    later = [changed_from(y, 76, change) for y in panel]
    same_before(found, forecaster.backtest(later, **options), 76)
