"""
How long will a pump last? A number for a sequence
==================================================

A pump wears out. Each day its vibration and its temperature are measured, and the
question is in how many days it will fail. Pumps have run for different times, so that
their records are sequences of different lengths. ``RNNRegressor`` takes them as they
are.
"""

# %%
# The data
# --------
#
# Made-up pumps, from their first day to the last. Each wears at a rate of its own, and
# faster under a heavy load. Vibration rises late, temperature follows the load, too.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import mean_absolute_error

from skrnn import RNNRegressor


def make_pump(rng):
    """Vibration and temperature of each day (n_days, 2) until a pump fails."""
    wear, rate, days = 0.0, rng.uniform(0.007, 0.014), []
    load = rng.uniform(0.5, 1.5)
    while wear < 1:
        if rng.random() < 0.03:
            load = rng.uniform(0.5, 1.5)
        wear += rate * load**2
        vibration = 2 + 2 * wear**2 + 0.3 * rng.normal()
        temperature = 50 + 10 * load + 6 * wear + 1.5 * rng.normal()
        days.append([vibration, temperature])
    return np.array(days)


rng = np.random.default_rng(0)
pumps = [make_pump(rng) for _ in range(120)]
test_pumps = [make_pump(rng) for _ in range(60)]
lives = [len(pump) for pump in pumps]
print(f"pumps last for {min(lives)} to {max(lives)} days")

# %%
# A record ends today, and the pump goes on. So each pump gives six records, that end at
# days which are drawn at random, and the target is how many days were left.


def make_records(pumps, n, rng):
    X, y = [], []
    for pump in pumps:
        for end in rng.integers(5, len(pump) + 1, size=n):
            X.append(pump[:end])
            y.append(len(pump) - end)
    return X, np.array(y, dtype=float)


X, y = make_records(pumps, 6, rng)
X_test, y_test = make_records(test_pumps, 6, rng)
model = RNNRegressor(32, pooling="last", max_iter=40, random_state=0).fit(X, y)
y_pred = model.predict(X_test)
print(f"R² {model.score(X_test, y_test):.3f}")
print(f"mean absolute error {mean_absolute_error(y_test, y_pred):.1f} days,")
ages = np.array([len(x) for x in X])
by_age = np.polyfit(ages, y, 2)
guess = np.polyval(by_age, [len(x) for x in X_test])
print(f"from the age alone {mean_absolute_error(y_test, guess):.1f} days")

# %%
# Pumps that were not learned from. On the left, a dot is a record. On the right, three
# pumps are followed day by day, by a stream: the longer a pump is known and the more it
# is worn, the better the answer.

COLORS = ["#0072B2", "#D55E00", "#009E73"]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.scatter(y_test, y_pred, s=9, color="#0072B2", alpha=0.6, label="a record")
left.axline((0, 0), slope=1, color="0.2", linestyle=":", label="exactly right")
left.set(xlabel="days left", ylabel="days left, as predicted")
left.legend(frameon=False)
for pump, color, name in zip(test_pumps, COLORS, "ABC", strict=False):
    stream = model.stream()
    followed = [float(stream.step(day)[0]) for day in pump]
    days = np.arange(1, len(pump) + 1)
    right.plot(days, followed, color=color, label=f"pump {name}, predicted")
    right.plot(days, len(pump) - days, color=color, ls=":", label=f"pump {name}, true")
right.set(xlabel="day", ylabel="days left")
right.legend(frameon=False, fontsize="small")
plt.show()
