"""
How hot will the oil be? Loads of a transformer, four days ahead
================================================================

ETTh1 is two years of hourly measurements of a power transformer: six loads, and the
temperature of its oil, which must not get too hot. It is the set that papers on long
forecasts compare on, and this example follows their protocol: learn from the first
twelve months, standardise each column by these, and forecast the next 96 hours from
each hour of months 17 to 20.

The data are not part of skrnn: their licence (CC BY-ND 4.0) allows to use them, and not
to pass on changed copies. Download ``ETTh1.csv`` from
https://github.com/zhouhaoyi/ETDataset (folder ``ETT-small``) and run

.. code-block:: console

   $ python plot_etth1.py ETTh1.csv

Without the file, a simulated stand-in of the same size shows how it goes, and scores
differ.
"""

# %%
# The data
# --------

import sys
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import SequenceForecaster
from skrnn.plotting import ForecastDisplay


def simulate():
    """Seven columns with a day, a week, and noise that lasts for a while."""
    rng = np.random.default_rng(0)
    index = pd.date_range("2016-07-01", periods=14400, freq="h", name="date")
    hour, noise = np.arange(14400)[:, np.newaxis], rng.normal(size=(14400, 7))
    for t in range(1, 14400):
        noise[t] += 0.95 * noise[t - 1]
    day = np.sin(2 * np.pi * hour / 24 + np.arange(7))
    week = np.sin(2 * np.pi * hour / 168)
    columns = [*(f"load {i}" for i in range(6)), "oil temperature"]
    return pd.DataFrame(10 + 4 * day + week + noise, index, columns)


places = [Path("ETTh1.csv"), Path("../../../shared/data/forecasting/ETTh1.csv.gz")]
if len(sys.argv) > 1:
    places = [Path(sys.argv[1])]
path = next((place for place in places if place.exists()), None)
if path is None:
    print("There is no ETTh1.csv here: these are simulated data.")
    data = simulate()
else:
    data = pd.read_csv(path, index_col="date", parse_dates=True)
data = data[: 20 * 30 * 24]
print(data.describe().loc[["mean", "std", "min", "max"]].round(1))

# %%
# The fit
# -------
#
# With ``y`` given, a row is a time step. Nothing is known beside the series here, so
# there is no ``X``. ``y`` has seven columns, and so there are seven targets. The hour
# and the day of the week are taken from the index.

n_train, start = 12 * 30 * 24, 16 * 30 * 24
forecaster = SequenceForecaster(horizon=96, random_state=0)
begin = perf_counter()
forecaster.fit(None, data[:n_train])
print(f"Fitted in {perf_counter() - begin:.0f} s.")
print(f"A forecast looks back on {forecaster.window_} hours, and sees that series")
print(f"tend to repeat after {forecaster.season_} of them.")

# %%
# A forecast
# ----------
#
# The forecaster was fitted to the first year, and can go on from any other history
# without being fitted again: here from the first hour of the test months. We look at
# the last column, the temperature. The interval is to hold 90 % of the values of each
# hour.

display = ForecastDisplay.from_estimator(
    forecaster, y=data[start : start + 96], y_past=data[:start], target=-1
)
display.ax_.set_title("Oil temperature, °C", loc="left")
plt.show()

# %%
# The test
# --------
#
# One forecast proves nothing. ``backtest`` makes one from each hour of the test months,
# and compares all of them with what came, beside two forecasts that cost nothing: the
# last value, and the value a day before.

begin = perf_counter()
result = forecaster.backtest(None, data, start=start)
print(
    f"{len(result.origins)} forecasts of 96 hours in {perf_counter() - begin:.1f} s:\n"
)

scale = data[:n_train].std(ddof=0).to_numpy()
names = {"y_pred": "forecast", "naive": "last value", "seasonal_naive": "day before"}
errors = {text: (result[key] - result.y_true) / scale for key, text in names.items()}
table = pd.DataFrame(
    {
        "MSE": {text: np.square(error).mean() for text, error in errors.items()},
        "MAE": {text: np.abs(error).mean() for text, error in errors.items()},
    }
)
print(table.round(3))
print(
    f"\nValues within the 90 % intervals: {result.scores['forecast']['coverage']:.1%}"
)

# %%
# On the real data, a single linear layer that is trained well has an MSE of 0.37 to
# 0.38, and so have the best of the large models that have been published; plain
# recurrent ones were reported with more than 1. :doc:`/benchmarks` has the table of
# four horizons.
#
# Errors grow with the distance, as they must: the next hour is known best. A forecast
# whose error is the same at all steps has not looked at the latest values. The last
# value is good at whole days only, when it is also the value of that hour.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
hours = np.arange(1, 97)
for (text, error), color in zip(errors.items(), ["C0", "0.7", "0.3"], strict=True):
    left.plot(hours, np.abs(error).mean(axis=(0, 2)), color=color, label=text)
left.set(xlabel="hours ahead", ylabel="MAE, standardised", ylim=(0, None))
left.legend()
low, high = np.moveaxis(result.interval, -1, 0)
inside = (low <= result.y_true) & (result.y_true <= high)
right.plot(hours, inside.mean(axis=(0, 2)), label="found")
right.axhline(0.9, color="0.4", linestyle=":", label="promised")
right.legend()
right.set(xlabel="hours ahead", ylabel="share within 90 % intervals", ylim=(0.8, 1))
plt.show()
