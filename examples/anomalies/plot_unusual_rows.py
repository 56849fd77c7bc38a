"""
Alarms that keep their promise
==============================

``SeriesOutlierDetector`` says which rows of a series are unusual. Its parameter is not
a share of outliers, which nobody knows, but the rate of false alarms that you can bear.
"""

# %%
# Made-up data: the temperature of a machine, every hour. It follows the time of day,
# and wanders a little. After 60 days a sensor spikes, later the cooling fails slowly,
# and in the end the daily rhythm is gone for a day.

import matplotlib.pyplot as plt
import numpy as np

from skrnn import SeriesOutlierDetector
from skrnn.plotting import OutlierDisplay

rng = np.random.default_rng(0)
hours = np.arange(24 * 100)
drift = np.zeros(len(hours))
for t in range(1, len(hours)):
    drift[t] = 0.98 * drift[t - 1] + rng.normal(scale=0.05)
temperature = 60 + 3 * np.sin(2 * np.pi * hours / 24) + drift
temperature += rng.normal(scale=0.3, size=len(hours))
normal = temperature.copy()
temperature[1440] += 5
temperature[1700:1760] += np.linspace(0, 5, 60)
temperature[2200:2224] = temperature[2200:2224].mean()

# %%
# A detector learns from the first rows, which may hold faults themselves. It scores the
# rows that follow. A score is the logarithm of a p-value: how probable it is that a
# normal row looks as unusual.

detector = SeriesOutlierDetector(false_alarm_rate=1e-3, random_state=0)
detector.fit(temperature[:1200])
scores = detector.score_samples(temperature[1200:])
print(f"{(scores < detector.offset_).sum()} of {len(scores)} rows alarm")

display = OutlierDisplay.from_estimator(detector, temperature[1200:])
display.axes_[0].set_ylabel("temperature, °C")
display.axes_[1].set_xlabel("hours")
plt.show()

# %%
# Was the promise kept? Without the faults, about one of a thousand rows should alarm.

labels = detector.predict(normal[1200:])
print(f"{(labels == -1).sum()} of {len(labels)} normal rows alarm")

# %%
# Alarms that are close to each other are one episode.

for episode in detector.episodes(temperature[1200:]):
    print(f"rows {episode['start']} to {episode['stop']}, log p {episode['score']:.1f}")

# %%
# In use, rows come one at a time. A stream gives the same bits.

stream = detector.stream()
for value, score in zip(temperature[1200:1500], scores, strict=False):
    assert stream.step(value) == score
    if stream.alarm:
        print(f"alarm: {value:.1f} degrees")
