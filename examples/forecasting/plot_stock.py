"""
Can the price of a stock be forecast? An honest try
===================================================

Two years of daily prices of Apple, 2015 to 2017. A price that everybody watches is hard
to beat: what could be known about tomorrow is mostly in the price of today already. So
this example is about how to notice that there is nothing to be had, and about what a
forecast is still good for. Pages that promise more have most often forecast prices
instead of changes, or have looked into the future somewhere.

The prices are not part of skrnn. Give the path of a CSV file with a column of dates and
the column ``AAPL.Adjusted`` as an argument, such as ``finance-charts-apple.csv`` of
https://github.com/plotly/datasets. Without it, a simulated random walk stands in, which
nobody can forecast for certain.
"""

# %%
# The data
# --------
#
# Rows are consecutive trading days, so that week-ends and holidays are no gaps. We look
# at logarithms: a change of 0.01 is one of one percent at any price.

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from sklearn.metrics import r2_score

from skrnn import SequenceForecaster
from skrnn.plotting import ForecastDisplay


def simulate():
    """A random walk, with changes as large as those of the stock."""
    days = pd.bdate_range("2015-02-17", periods=506)
    changes = 0.014 * np.random.default_rng(0).normal(size=506)
    return pd.Series(100 * np.exp(changes.cumsum()), days)


places = [
    Path("finance-charts-apple.csv"),
    Path("../../../shared/data/forecasting/apple_stock_daily.csv"),
]
if len(sys.argv) > 1:
    places = [Path(sys.argv[1])]
path = next((place for place in places if place.exists()), None)
if path is None:
    print("There is no file with prices here: this is a simulated random walk.")
    price = simulate()
else:
    price = pd.read_csv(path, index_col="Date", parse_dates=True)["AAPL.Adjusted"]
days, y = price.index, np.log(price.to_numpy())
n_train = int(0.8 * len(y))
print(f"{len(y)} days; the first {n_train} to learn from.")

# %%
# What the forecaster finds
# -------------------------
#
# A fit tests itself on the last part of the time that it is given. It keeps a linear
# forecast only if that has clearly beaten the last value repeated, and of the network
# only the share that has helped.

forecaster = SequenceForecaster(horizon=5, random_state=0).fit(None, y[:n_train])
print("Past values that the linear part uses:", len(forecaster.linear_weights_))
print("Share of the network that is kept:", forecaster.gate_.max())

# %%
# Where both are nothing, the forecast is the last price. That is no failure: it is the
# best forecast there is, and what says otherwise here has taken noise for a law.
#
# The trap: prices look well forecast
# -----------------------------------
#
# Each price of the last fifth, forecast from the day before. The curves nearly
# coincide, and R² is close to one. But look again: the forecast is the price of the day
# before, shifted by a day. What counts is the change, and of that nothing was foreseen.

result = forecaster.backtest(None, y, start=n_train)
forecast, truth = np.exp(result.y_pred[:, 0]), np.exp(result.y_true[:, 0])
print(f"R² of prices, one day ahead: {r2_score(truth, forecast):.3f}")

today = y[result.origins - 1]
foreseen, came = (100 * (a[:, 0] - today) for a in (result.y_pred, result.y_true))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
shown = days[result.origins]
left.plot(shown, truth, color="0.25", label="price")
left.plot(shown, forecast, color="C0", label="forecast, a day before")
left.xaxis.set_major_formatter(ConciseDateFormatter(left.xaxis.get_major_locator()))
left.set(title="Prices: this looks perfect", ylabel="US dollars")
left.legend()
right.scatter(foreseen, came, s=12, label="a day")
right.axline((0, 0), slope=1, color="0.4", ls=":", label="as foreseen")
right.set(title="Changes: nothing is foreseen", xlim=(-3, 3))
right.set(xlabel="foreseen change, %", ylabel="change that came, %")
right.legend(loc="upper left", fontsize="small")
plt.show()

# %%
# Changes themselves
# ------------------
#
# Can the changes be forecast, as a series of their own? They return to their mean,
# which ``normalize="mean"`` says. Judge the answer by what one can do without any
# model, which is to forecast no change, and by how sure the comparison is: the mean
# difference of the squared errors, with twice its standard error.

changes = np.diff(y)
for name, normalize in {"last value": "last", "mean": "mean"}.items():
    model = SequenceForecaster(horizon=1, normalize=normalize, random_state=0)
    model.fit(None, changes[: n_train - 1])
    tested = model.backtest(None, changes, start=n_train - 1)
    actual, predicted = (1e2 * a[:, 0] for a in (tested.y_true, tested.y_pred))
    gain = actual**2 - (actual - predicted) ** 2
    error = 2 * gain.std(ddof=1) / np.sqrt(len(gain))
    share = 100 * gain.mean() / np.square(actual).mean()
    print(
        f"About the {name:<10}: {gain.mean():+.3f} ± {error:.3f} better than no change,"
    )
    print(f"{'':<22}which is {share:+.1f} % of the mean squared change.")

# %%
# A gain that is smaller than its error is no gain. And a small one that is not would
# have to pay for the costs of trading, and be there the next year, too.
#
# What a forecast is good for here
# --------------------------------
#
# How far may the price go? Intervals are made of the errors that the forecaster has
# made in the past. They widen about with the root of the time, as those of a random
# walk do, and hold about as many values as they promise.

low, high = np.moveaxis(result.interval, -1, 0)
inside = (low <= result.y_true) & (result.y_true <= high)
print(" day   half width, %   share within")
for step in range(5):
    width = 50 * (high - low)[:, step].mean()
    print(f"{step + 1:>4}{width:>16.1f}{inside[:, step].mean():>15.2f}")

# %%
# Beyond the horizon, forecasts are made from forecasts, and their errors add up. Here
# are four weeks from the middle of the test. A table without columns says how many rows
# are to be forecast.

origin, rows = (n_train + len(y)) // 2, np.empty((20, 0))
forecast = forecaster.predict(rows, y_past=y[:origin])
interval = forecaster.predict_interval(rows, y_past=y[:origin])
display = ForecastDisplay.from_predictions(
    np.exp(y[origin : origin + 20]),
    np.exp(forecast),
    interval=np.exp(interval),
    coverage=0.9,
    y_past=np.exp(y[:origin]),
    index=days[origin : origin + 20],
    past_index=days[:origin],
)
display.ax_.set_title("Price, US dollars", loc="left")
plt.show()
