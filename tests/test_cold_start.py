"""Series of a panel without a value: what their covariates tell."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest

from cases import assert_same_bits
from skrnn import SequenceForecaster
from skrnn.forecasting.cold import fit_cold

KINDS = {"a": 20.0, "b": 50.0, "c": 90.0}


def make_shops(n, seed):
    """Return sales whose level follows the kind of a shop, and promotions."""
    rng, shops = np.random.default_rng(seed), []
    for _ in range(n):
        n_days, kind = int(rng.integers(40, 80)), rng.choice(list(KINDS))
        days = pd.date_range("2024-01-01", periods=n_days, freq="D")
        promotion = (rng.random(n_days) < 0.2).astype(float)
        sales = KINDS[kind] * np.exp(0.2 * rng.normal()) * (1 + 0.4 * promotion)
        sales *= np.exp(0.1 * rng.normal(size=n_days))
        shops.append(
            pd.DataFrame({"sales": sales, "promo": promotion, "kind": kind}, days)
        )
    return shops


@pytest.fixture(scope="module")
def fitted():
    options = {"target": "sales", "known_future": ["promo"], "static": ["kind"]}
    forecaster = SequenceForecaster(7, max_iter=1, hidden_layer_sizes=4, **options)
    return forecaster.set_params(random_state=0).fit(make_shops(24, 0))


def test_covariates_forecast_a_series_without_a_value(fitted):
    shops = make_shops(60, 1)
    new = [shop.iloc[-7:].assign(sales=np.nan) for shop in shops]
    true = np.array([shop["sales"].to_numpy()[-7:] for shop in shops])
    forecast, interval = fitted.predict(new), fitted.predict_interval(new)
    mean = np.mean([shop["sales"].mean() for shop in make_shops(24, 0)])
    assert np.abs(forecast - true).mean() < 0.5 * np.abs(mean - true).mean()
    covered = (interval[..., 0] <= true) & (true <= interval[..., 1])
    assert 0.8 <= covered.mean() <= 0.98
    promotion = np.array([shop["promo"].to_numpy() for shop in new]) > 0
    assert forecast[promotion].mean() > 1.1 * forecast[~promotion].mean()
    assert list(fitted.future_index(new)[3]) == list(new[3].index)
    quantiles = fitted.predict_quantiles(new[:2])
    assert (np.diff(quantiles, axis=-1) > 0).all()


def test_a_series_without_a_value_changes_no_other(fitted):
    old, new = make_shops(2, 3)
    new = new.iloc[:7].assign(sales=np.nan)
    old.loc[old.index[-7:], "sales"] = np.nan
    together = fitted.predict([old, new])
    assert_same_bits(together[:1], fitted.predict([old]))
    assert_same_bits(together[1:], fitted.predict([new]))
    with io.BytesIO() as file:
        joblib.dump(fitted, file)
        file.seek(0)
        assert_same_bits(joblib.load(file).predict([old, new]), together)


def test_with_few_series_intervals_are_wide():
    rng = np.random.default_rng(0)
    covered, n = [], 400
    for _ in range(n):
        level = rng.normal(size=5)[:, np.newaxis]
        y = level + 0.1 * rng.normal(size=(5, 20))
        tables = [(v[:, np.newaxis], np.zeros((20, 1))) for v in y]
        cold = fit_cold(tables[:4])
        low, high = cold.quantiles(cold.forecast(tables[4][1]), np.array([0.05, 0.95]))[
            0, 0
        ]
        covered.append((low <= y[4]) & (y[4] <= high))
    assert np.mean(covered) > 0.8
    assert fit_cold(tables[:2]) is None


def test_what_is_missing_is_said():
    y = np.arange(40.0) % 7
    single = SequenceForecaster(4, max_iter=1).fit(None, y)
    with pytest.raises(ValueError, match=r"fitted to a panel, fit\(X\)"):
        single.predict(y_past=[np.nan] * 9)
    panel = SequenceForecaster(4, max_iter=1).fit([y, y, y, y])
    with pytest.raises(ValueError, match="no known value"):
        panel.predict([[np.nan] * 9])
