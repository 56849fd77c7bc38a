"""
Sales of shops: promotions, prices, and shops that just opened
==============================================================

One model for many series of different lengths. The shops here are simulated, so that we
know what there is to find: sales have a weekly rhythm, a level that wanders, and a size
of their own; promotions lift them, by how much depends on what the shop sells; higher
prices lower them. Promotions and prices are planned, and thus known two weeks ahead.
And there are shops that the model has never seen.
"""

# %%
# The data
# --------
#
# A panel is a list of tables, one for each shop, whose rows are days. Shops have been
# open for different times, and now and then a day is missing: sales are NaN then.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import SequenceForecaster
from skrnn.plotting import ForecastDisplay

HORIZON = 14
LIFT = {"food": 0.3, "toys": 0.9, "books": 0.5}
rng = np.random.default_rng(0)


def make_shop(n_days):
    days = pd.date_range(end="2026-06-30", periods=n_days, freq="D", name="day")
    category = rng.choice(list(LIFT))
    starts = rng.random(n_days) < 0.04
    promotion = np.convolve(starts, np.ones(5))[:n_days] > 0
    months = rng.normal(size=n_days // 30 + 1)
    price = 10 * np.exp(0.1 * np.repeat(months, 30)[:n_days])
    week = np.array([0, 0, 0.05, 0.1, 0.3, 0.5, -0.6]) * rng.uniform(0.7, 1.3)
    log_sales = rng.normal(4, 1) + 0.02 * rng.normal(size=n_days).cumsum()
    log_sales += week[days.day_of_week] + LIFT[category] * promotion
    log_sales += -1.5 * np.log(price / 10) + 0.1 * rng.normal(size=n_days)
    sales = rng.poisson(np.exp(log_sales)).astype(float)
    sales[rng.random(n_days) < 0.02] = np.nan
    columns = {"sales": sales, "promotion": promotion, "price": price.round(2)}
    return pd.DataFrame(columns, days).assign(category=category)


shops = [make_shop(rng.integers(150, 500)) for _ in range(50)]
new_shops = [make_shop(rng.integers(60, 100)) for _ in range(30)]
print(shops[0].tail(3))

# %%
# The last two weeks are for the test. We hide the sales of these days, and leave the
# rest of the rows, since promotions and prices are known of them. This is how the
# future is given in a panel: rows after the last known value of the target.


def hide(shop):
    return shop.assign(sales=shop["sales"].where(np.arange(len(shop)) < len(shop) - 14))


known, truth = [hide(s) for s in shops], [s[-HORIZON:] for s in shops]
new_known, new_truth = [hide(s) for s in new_shops], [s[-HORIZON:] for s in new_shops]
print(known[0].tail(16)[["sales", "promotion", "price"]].iloc[[0, 1, 2, 3, -1]])

# %%
# Two models
# ----------
#
# ``target`` says what to forecast, ``known_future`` which columns are known ahead, and
# ``static`` which ones do not change within a shop. The category is text, and becomes
# one column for each of its values, with all zeros for one that is new. All other
# columns would be taken for past-only: their values are used up to the last known day
# and never after it, even if they are there.
#
# A second model sees nothing but past sales.

forecaster = SequenceForecaster(
    HORIZON,
    target="sales",
    known_future=["promotion", "price"],
    static=["category"],
    random_state=0,
).fit(known)
blind = SequenceForecaster(HORIZON, random_state=0)
blind.fit([shop["sales"][:-HORIZON] for shop in shops])

# %%
# How well they do
# ----------------
#
# The mean absolute error in percent of a shop's mean sales, in the two weeks that
# followed, for shops that were learned from and for shops that were not. A forecaster
# needs no history of its own to have been in the fit: a new shop has some weeks of
# sales, which go into ``predict``.


def error(forecast, which):
    parts = [
        np.abs(f - shop["sales"].to_numpy()[-HORIZON:]) / shop["sales"].mean()
        for f, shop in zip(forecast, which, strict=True)
    ]
    return f"{100 * np.nanmean(parts):.1f} %"


def week_before(which):
    weeks = [
        shop["sales"].ffill().to_numpy()[-HORIZON - 7 : -HORIZON] for shop in which
    ]
    return np.tile(weeks, 2)


def sales_only(which):
    return [shop["sales"][:-HORIZON] for shop in which]


table = {
    "shops of the fit": {
        "the week before": error(week_before(shops), shops),
        "past sales only": error(blind.predict(sales_only(shops)), shops),
        "all that is known": error(forecaster.predict(known), shops),
    },
    "new shops": {
        "the week before": error(week_before(new_shops), new_shops),
        "past sales only": error(blind.predict(sales_only(new_shops)), new_shops),
        "all that is known": error(forecaster.predict(new_known), new_shops),
    },
}
print(pd.DataFrame(table))

interval = forecaster.predict_interval(new_known)
sales = np.array([shop["sales"] for shop in new_truth])
inside = (interval[..., 0] <= sales) & (sales <= interval[..., 1])
print(f"\nWithin 90 % intervals, new shops: {inside[np.isfinite(sales)].mean():.0%}")

# %%
# A new shop
# ----------
#
# The forecasts of both models in the same axes, for the toy shop with the most
# promotions ahead. Promotions are shaded. (An interval does not know that sales are
# never negative; one that is learned from their logarithms does.)

toys = [i for i, shop in enumerate(new_shops) if shop["category"].iloc[0] == "toys"]
number = max(toys, key=lambda i: new_truth[i]["promotion"].std())
display = ForecastDisplay.from_estimator(
    forecaster, new_known, new_truth, series=number, name="all that is known"
)
half = pd.Timedelta(hours=12)
shop = new_shops[number]
left, right = display.ax_.get_xlim()
for day in shop.index[shop["promotion"]]:
    display.ax_.axvspan(
        day - half, day + half, color="#009E73", alpha=0.18, lw=0, label="promotion"
    )
display.ax_.set_xlim(left, right)
ForecastDisplay.from_estimator(
    blind,
    sales_only(new_shops),
    series=number,
    ax=display.ax_,
    name="past sales only",
    coverage=None,
    n_past=0,
    line_kwargs={"color": "#D55E00"},
)
display.ax_.set_title("A new shop", loc="left")
display.ax_.set_ylabel("sales a day")
plt.show()

# %%
# What if?
# --------
#
# Known-future columns are a plan, and the plan can be changed. The same shop, with a
# promotion in the second of the two weeks, and with none.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for color, (name, days) in zip(
    ["#0072B2", "#D55E00"],
    {"no promotion": [], "second week": range(7, 12)}.items(),
    strict=True,
):
    plan = new_known[number].copy()
    plan.loc[plan.index[-HORIZON:], "promotion"] = np.isin(np.arange(HORIZON), days)
    ForecastDisplay.from_estimator(
        forecaster,
        [plan],
        ax=ax,
        n_past=28 if not days else 0,
        coverage=None,
        name=name,
        line_kwargs={"color": color},
    )
ax.set_title("What would a promotion do?", loc="left")
ax.set_ylabel("sales a day")
plt.show()
