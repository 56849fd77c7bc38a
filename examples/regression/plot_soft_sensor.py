"""
A soft sensor
=============

What an instrument measures late and seldom, such as the quality of a product, often
follows from what is measured all the time. ``StepRegressor`` learns such a soft sensor:
it gives a number for each step, from this step and those before it.
"""

# %%
# Made-up data: a tank is heated, and product flows through it. The quality follows from
# both with a delay, and a laboratory measures it at one of ten steps only. A step is a
# minute, and all numbers are shares of their range.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import StepRegressor


def make_runs(n_runs, seed):
    """Return runs (n_steps, 2) of heat and flow, and the quality at each step."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n_runs):
        n_steps = rng.integers(150, 250)
        levels = rng.uniform(-1, 1, size=(n_steps // 25 + 1, 2))
        inputs = np.repeat(levels, 25, axis=0)[:n_steps]
        temperature = quality = 0.0
        found = np.empty(n_steps)
        for t, (heat, flow) in enumerate(inputs):
            temperature += 0.1 * (heat - temperature)
            quality += (0.05 + 0.04 * flow) * (np.tanh(2 * temperature) - quality)
            found[t] = quality
        X.append(inputs + rng.normal(scale=0.05, size=inputs.shape))
        y.append(found)
    return X, y


X, y = make_runs(60, seed=0)
X_test, y_test = make_runs(10, seed=1)
rng = np.random.default_rng(2)
measured = [np.where(rng.random(len(run)) < 0.1, run, np.nan) for run in y]

# %%
# NaN marks the steps that nobody measured. They do not count in the loss.

sensor = StepRegressor(32, random_state=0).fit(X, measured)
print(f"R2 on new runs: {sensor.score(X_test, y_test):.3f}")

# %%
# In use, the sensor reads one step at a time, with the same bits.

stream = sensor.stream()
answers = [stream.step(step)[0] for step in X_test[0]]
print("same bits:", np.array_equal(answers, sensor.predict(X_test[:1])[0]))

fig, (above, below) = plt.subplots(2, sharex=True, figsize=(8, 5), layout="constrained")
above.plot(X_test[0][:, 0], color="#D55E00", label="heat")
above.plot(X_test[0][:, 1], color="#56B4E9", label="flow")
above.set(ylabel="share of the range", title="measured all the time")
above.legend(loc="upper right")
below.plot(y_test[0], color="black", label="true quality")
below.plot(answers, color="#0072B2", linestyle="--", label="soft sensor")
below.set(xlabel="minutes", ylabel="quality", title="measured seldom, and late")
below.legend(loc="upper right")
plt.show()
