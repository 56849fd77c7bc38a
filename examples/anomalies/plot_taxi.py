"""
Holidays among taxi rides
=========================

Seven months of taxi rides in New York, in half hours (a series of the Numenta Anomaly
Benchmark). Experts marked five events: a marathon, three holidays and a snowstorm. The
detector is told of none of them. Where the data are not at hand, simulated rides stand
in; the program says so.
"""

# %%
# The data
# --------
#
# Days and weeks repeat. A holiday is a weekday that looks like no other.

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
NAME = "nyc_taxi.csv"


def read():
    """The series, and the times that experts have marked."""
    rows = pd.read_csv(FOLDER / f"{NAME}.gz", index_col="timestamp", parse_dates=True)
    windows = json.loads((FOLDER / "combined_windows.json").read_text())
    marked = windows[f"realKnownCause/{NAME}"]
    return rows["value"].asfreq("30min"), [tuple(map(pd.Timestamp, w)) for w in marked]


def simulate():
    """Stand-in: days and weeks, and three quiet holidays."""
    rng = np.random.default_rng(0)
    halves = pd.date_range("2014-07-01", periods=48 * 215, freq="30min")
    hour = np.asarray(halves.hour + halves.minute / 60)
    value = 15 - 8 * np.cos(2 * np.pi * (hour - 5) / 24)
    value *= np.where(np.asarray(halves.day_of_week) < 5, 1.0, 0.8)
    value += 0.6 * rng.normal(size=len(halves))
    marked = []
    for day in ("2014-11-27", "2014-12-25", "2015-01-27"):
        holiday = halves.normalize() == day
        value[holiday] = 6 + 0.4 * (value[holiday] - 6)
        day = pd.Timestamp(day)
        marked.append((day - pd.Timedelta("1D"), day + pd.Timedelta("2D")))
    return pd.Series(1000 * value, halves, name="value"), marked


found = (FOLDER / f"{NAME}.gz").exists()
rides, marked = read() if found else simulate()
print("New York." if found else "SIMULATED: there is no real series here.")
print(f"{len(rides)} half hours")

# %%
# Learn until October
# -------------------
#
# One of 1000 normal rows may alarm: about five of those that follow.

known, later = rides[:"2014-10-15"], rides["2014-10-16":]
detector = SeriesOutlierDetector(false_alarm_rate=1e-3, random_state=0).fit(known)
print(f"a season of {detector.season_} half hours, warm-up {detector.n_warm_up_} rows")

# %%
# Read on
# -------
#
# Each episode is a stretch of alarms that are close to each other.

episodes = detector.episodes(later)
for episode in episodes:
    first, last = later.index[episode["start"]], later.index[episode["stop"] - 1]
    inside = any(start <= last and first <= end for start, end in marked)
    print(
        f"{first:%a %d %b %H:%M} to {last:%a %d %b %H:%M}: p = "
        f"{np.exp(episode['score']):.1e}{', marked' if inside else ''}"
    )
n_found = sum(
    any(
        start <= later.index[episode["stop"] - 1]
        and later.index[episode["start"]] <= end
        for episode in episodes
    )
    for start, end in marked
)
print(f"{n_found} of {len(marked)} events have an alarm")

# %%
# The picture
# -----------
#
# The marks of the experts are wide: an alarm anywhere in them counts.

fig, axes = plt.subplots(
    2, figsize=(9, 5), sharex=True, height_ratios=[2, 1], layout="constrained"
)
for ax in axes:
    for start, end in marked:
        first = ax is axes[0] and (start, end) == marked[0]
        label = "marked by experts" if first else None
        ax.axvspan(start, end, color="#F0E442", alpha=0.4, lw=0, label=label)
OutlierDisplay.from_estimator(detector, later, ax=axes)
axes[0].set_ylabel("rides in half an hour")
plt.show()
