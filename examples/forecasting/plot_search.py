"""
Tuning a forecaster: GridSearchCV and TimeSeriesSplit as they are
=================================================================

How far back should a forecast of the load of a power grid look, and with which cell?
The rows of ``X`` and ``y`` are hours, scikit-learn's
:class:`~sklearn.model_selection.TimeSeriesSplit` splits them so that the test always
comes after the training, and :class:`~sklearn.model_selection.GridSearchCV` does the
rest. The forecaster is the last step of an ordinary pipeline.
"""

# %%
# The data
# --------
#
# The load is simulated: people rise, work and sleep, on week-ends less so, they heat
# when it is cold, and there is always something that nobody foresees, and that lasts
# for some hours. There is a weather report of the temperature, so that it counts as
# known ahead.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import SequenceForecaster
from skrnn.plotting import ForecastDisplay

rng = np.random.default_rng(0)
n_hours, horizon = 24 * 7 * 6, 24
hours = pd.date_range("2026-01-05", periods=n_hours, freq="h", name="hour")


def lasting(persistence, scale):
    """Noise that lasts for a while."""
    noise = scale * rng.normal(size=n_hours)
    for t in range(1, n_hours):
        noise[t] += persistence * noise[t - 1]
    return noise


day = 2 * np.pi * hours.hour / 24
temperature = 8 - 5 * np.cos(day - 0.7) + lasting(0.99, 0.5)
work = np.where(hours.day_of_week < 5, 1.0, 0.6)
load = 50 + 12 * work * (np.sin(day - 2) + 0.5 * np.sin(2 * day - 1))
load += 1.2 * np.maximum(15 - temperature, 0) + lasting(0.9, 0.8)
X = pd.DataFrame({"temperature": temperature}, hours)
y = pd.Series(load, hours, name="load")
train, test = slice(0, -14 * 24), slice(-14 * 24, None)
print(X.assign(load=y).head(3).round(1))

# %%
# The search
# ----------
#
# A column transformer makes of the temperature what heating depends on. ``set_output``
# keeps DataFrames, and with them the index, so that the forecaster is told the hour and
# the day of the week.
#
# Each test part is one horizon long, so that its rows are forecast in one go, as they
# will be in use. Without ``test_size``, a test part would have ten days or so, and all
# but the first of them would be forecast from forecasts.


def heating(temperature):
    return np.maximum(15 - temperature, 0)


pipeline = make_pipeline(
    make_column_transformer((FunctionTransformer(heating), ["temperature"])),
    SequenceForecaster(horizon, max_iter=5, random_state=0),
).set_output(transform="pandas")
name = "sequenceforecaster"
candidates = {f"{name}__window": [24, 168], f"{name}__cell": ["rnn", "gru"]}
search = GridSearchCV(
    pipeline,
    candidates,
    cv=TimeSeriesSplit(3, test_size=horizon),
    scoring="neg_mean_absolute_error",
)
search.fit(X[train], y[train])

found = pd.DataFrame(search.cv_results_)
folds = -found.filter(regex="split._test_score").to_numpy()
table = found[[f"param_{name}__window", f"param_{name}__cell"]]
table.columns = ["window", "cell"]
table["error"] = folds.mean(axis=1)
table["above the best"] = table["error"] - table["error"].min()
difference = folds - folds[table["error"].argmin()]
table["± standard error"] = difference.std(axis=1, ddof=1) / np.sqrt(folds.shape[1])
print(table.round(2).to_string(index=False))

# %%
# Mind the last columns. Days differ more than candidates do, and a difference that is
# not larger than its standard error, over the same days, is none. Where many are about
# as good, take the one that is fastest.
#
# The test
# --------
#
# The last two weeks have not been looked at so far. The pipeline goes on from its
# training, day after day, when it is told what came: ``backtest`` does that, from the
# start of each day, with the best candidate as it is.

best = search.best_estimator_
first, forecaster = best[:-1], best[-1]
start = len(X[train])
result = forecaster.backtest(first.transform(X), y, start=start, stride=24)
rows = {"forecast": "forecast", "naive": "last hour", "seasonal_naive": "day before"}
scores = pd.DataFrame({rows[k]: v for k, v in result.scores.items()}).T
print(scores[["mae", "rmse", "coverage"]].round(2))

# %%
# The first days of the test, in one picture. A search and a pipeline are looked into,
# so that they can be drawn like the forecaster itself. The forecast of more than one
# day is made from forecasts, and the interval says what that means.

ahead = slice(start, start + 3 * 24)
display = ForecastDisplay.from_estimator(search, X[ahead], y[ahead], n_past=7 * 24)
display.ax_.set_title("Three days from one origin", loc="left")
display.ax_.set_ylabel("load, GW")
plt.show()

# %%
# And each of them from its own midnight.

figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for i, color in enumerate(["#0072B2", "#D55E00", "#009E73"]):
    origin = result.origins[i]
    ForecastDisplay.from_predictions(
        y[origin : origin + 24],
        result.y_pred[i],
        interval=result.interval[i],
        coverage=0.9,
        y_past=y[:origin],
        n_past=7 * 24 if i == 0 else 0,
        ax=ax,
        name=f"day {i + 1}",
        line_kwargs={"color": color},
        interval_kwargs={"color": color},
    )
ax.set_title("Day by day", loc="left")
ax.set_ylabel("load, GW")
plt.show()
