"""
Alarms as the rows come
=======================

A stream takes one row at a time, and says at once whether it alarms. It gives the same
scores as a table of all rows would, and its state can be kept and set: after a crash,
the stream goes on where it was.
"""

# %%
# Made-up data: the power that a house takes, in kilowatts, every quarter of an hour for
# 40 days. In the last week the oven stays on for a night, and a fuse fails for a while.

import pickle

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SeriesOutlierDetector

rng = np.random.default_rng(1)
day = 96  # rows
t = np.arange(40 * day)
hour = t % day / 4
power = 0.4 + 0.5 * np.exp(-(((hour - 7.5) / 1.2) ** 2))
power += 1.1 * np.exp(-(((hour - 19) / 2) ** 2))
power *= np.exp(rng.normal(scale=0.15, size=len(t)))
oven = slice(35 * day + 4, 35 * day + 14)
fuse = slice(38 * day + 60, 38 * day + 72)
power[oven] += 1
power[fuse] = 0.02

# %%
# The detector learns from 33 days. Then the rows of the last week come one by one. In
# an application, the loop waits for a message in each turn.
#
# All evidence remembers a fault for a while, and may alarm again and again.
# ``refractory`` says that for a day after an alarm only a stronger one counts.

past, coming = power[: 33 * day], power[33 * day :]
detector = SeriesOutlierDetector(refractory=day, random_state=0)
detector.fit(past)

stream = detector.stream()
scores, alarms = [], []
for number, value in enumerate(coming):
    if number == 300:  # a restart of the machine: keep the state, and go on from it
        kept = pickle.dumps(stream.state)
        stream = detector.stream()
        stream.state = pickle.loads(kept)
    scores.append(stream.step(value))
    alarms.append(stream.alarm)
    if stream.alarm:
        hours = number % day / 4
        print(f"day {number // day + 1}, {hours:5.2f} h: alarm at {value:.2f} kW")

# %%
# The same as all at once, to the bit.

assert (np.array(scores) == detector.score_samples(coming)).all()

# %%
# The upper panel shows the rows of the week and the alarms, the lower one how
# improbable each row was. Alarms are above the dashed line.

days = np.arange(len(coming)) / day + 1
alarms = np.array(alarms)
fig, (above, below) = plt.subplots(
    2, 1, figsize=(8, 5), sharex=True, layout="constrained", height_ratios=[2, 1]
)
above.plot(days, coming, color="#0072B2", lw=1, label="power")
above.scatter(days[alarms], coming[alarms], color="#D55E00", s=20, zorder=3,
              label="alarm")  # fmt: skip
for i, (span, name) in enumerate([(oven, "oven on at night"), (fuse, "fuse out")]):
    edges = (np.array([span.start, span.stop]) - 33 * day) / day + 1
    label = "a fault" if i == 0 else None
    above.axvspan(*edges, color="#CC79A7", alpha=0.25, lw=0, label=label)
    above.annotate(name, (edges.mean(), 0.97), xycoords=("data", "axes fraction"),
                   ha="center", va="top")  # fmt: skip
above.set(ylabel="power in kW", ylim=(0, 3))
evidence, border = -np.array(scores) / np.log(10), -detector.offset_ / np.log(10)
below.plot(days, evidence, color="#009E73", lw=1, label="evidence")
below.axhline(border, color="black", lw=1, ls="--", label="alarm from here on")
below.set(xlabel="day", ylabel="$-\\log_{10} p$")
for ax in (above, below):
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
plt.show()
