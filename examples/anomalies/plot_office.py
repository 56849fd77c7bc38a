"""
Alarms on a real series: the temperature of an office
=====================================================

A year of hourly temperatures of an office, in which the system failed twice (a series
of the Numenta Anomaly Benchmark). A detector learns from the first months, and then
reads on, hour by hour. Where the data are not at hand, a simulated office stands in;
the program says so.
"""

# %%
# The data
# --------
#
# The hours have gaps. Rows without a value stay in the table, as NaN: they are read as
# unknown, and never alarm.

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import SeriesOutlierDetector
from skrnn.plotting import OutlierDisplay

# From the repository, or from the folder of this file.
UP = "..", "../..", "../../.."
FOLDERS = [Path(up, "shared/data/anomaly") for up in UP]
FOLDER = next((folder for folder in FOLDERS if folder.exists()), FOLDERS[0])
NAME = "ambient_temperature_system_failure.csv"


def read():
    """The series, and the times that experts have marked."""
    rows = pd.read_csv(FOLDER / f"{NAME}.gz", index_col="timestamp", parse_dates=True)
    windows = json.loads((FOLDER / "combined_windows.json").read_text())
    marked = windows[f"realKnownCause/{NAME}"]
    return rows["value"].asfreq("h"), [tuple(map(pd.Timestamp, w)) for w in marked]


def simulate():
    """Stand-in: a day, noise that lasts, and two failures."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2013-07-04", periods=7888, freq="h", name="timestamp")
    drift = np.zeros(len(hours))
    for t in range(1, len(hours)):
        drift[t] = 0.99 * drift[t - 1] + 0.15 * rng.normal()
    value = 70 + 2 * np.sin(2 * np.pi * np.asarray(hours.hour) / 24) + drift
    value += 0.3 * rng.normal(size=len(hours))
    starts = [4000, 7400]
    for start in starts:
        value[start : start + 30] -= np.linspace(0, 12, 30)
    value[rng.random(len(hours)) < 0.08] = np.nan
    marked = [(hours[start - 60], hours[start + 90]) for start in starts]
    return pd.Series(value, hours, name="value"), marked


found = (FOLDER / f"{NAME}.gz").exists()
print("An office." if found else "SIMULATED: there is no real series here.")
series, marked = read() if found else simulate()
n_train = 1500
print(f"{len(series)} hours, {series.isna().mean():.0%} of them without a value")

# %%
# The detector
# ------------
#
# One false alarm in a thousand hours can be borne. The fit says nothing of how many
# anomalies there are, as nobody knows.

detector = SeriesOutlierDetector(false_alarm_rate=1e-3, random_state=0)
detector.fit(series[:n_train])
later = series[n_train:]

# %%
# The alarms and what was marked by experts. The marks are wide: an alarm anywhere in
# them counts as a find, the earlier the better. Each false alarm would cost somebody a
# walk to the office.

fig, axes = plt.subplots(
    2, figsize=(9, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
)
for ax in axes:
    for begin, end in marked:
        first = ax is axes[0] and (begin, end) == marked[0]
        label = "marked by experts" if first else None
        ax.axvspan(begin, end, color="#F0E442", alpha=0.4, lw=0, label=label)
display = OutlierDisplay.from_estimator(detector, later, ax=axes)
axes[0].set_ylabel("temperature, °F")
plt.show()

# %%
# Alarms that are close to each other are one episode.

episodes = detector.episodes(later)
for episode in episodes[:10]:
    first, last = later.index[[episode["start"], episode["stop"] - 1]]
    hit = any(begin <= first <= end for begin, end in marked)
    print(f"{first} to {last}  log p {episode['score']:6.1f}{'  marked' * hit}")
print(f"{len(episodes)} episodes in {len(later)} hours")
