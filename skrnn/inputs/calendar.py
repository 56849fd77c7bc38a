"""Days, months and weekdays as numbers, and what repeats: cycles and seasons."""

import functools

import numpy as np

__all__ = [
    "CYCLES",
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "day_of_month",
    "days_of",
    "estimate_season",
    "harmonics",
    "months_of",
    "weekdays_of",
]

# In nanoseconds.
SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
LONGEST_SEASON = 1500
# Steps are bounded by so many times the one that this share of the steps are below.
CLIP_FACTOR, CLIP_SHARE = 3.0, 0.9
LEAST_REFINED, MOST_MULTIPLES = 12, 12


def months_of(days):
    """The months since 1970 of days since 1970."""
    return days.view("M8[D]").astype("M8[M]").astype(np.int64)


def days_of(months, day):
    """The days since 1970 that are `day` of months, as `TimeAxis` has it."""
    first, after = (
        (months + k).view("M8[M]").astype("M8[D]").astype(np.int64) for k in (0, 1)
    )
    if day > 0:
        return np.minimum(first + (day - 1), after - 1)
    if day == 0:
        weekday = (first + 3) % 7
        return first + np.where(weekday > 4, 7 - weekday, 0)
    return after - 1 - np.maximum((after + 2) % 7 - 4, 0)


def day_of_month(days, months):
    """Which day of its month each of some days is, or None if they differ."""
    most = int((days - days_of(months, 1)).max()) + 1
    for day in (31, most, 0, -1):
        if (days == days_of(months, day)).all():
            return day
    return None


def weekdays_of(days):
    """The numbers of days when only Monday to Friday count; weekends are Fridays."""
    days = days + 3
    return days // 7 * 5 + np.minimum(days % 7, 4)


# What repeats ------------------------------------------------------------------------

# Cycles that a calendar can have, and how many harmonics of each.
CYCLES = {"minute": 2, "hour": 2, "dayofweek": 3, "dayofyear": 2, "month": 2}


def _waves(turns, n_harmonics):
    """Sine and cosine of each harmonic, beside each other."""
    angles = 2 * np.pi * np.multiply.outer(turns, np.arange(1, n_harmonics + 1))
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(turns), -1)


@functools.lru_cache(maxsize=32)
def _table(n, n_harmonics):
    """The waves at `n` points of a turn. Looking them up takes much less time."""
    return _waves(np.arange(n) / n, n_harmonics)


def harmonics(cycle, local, n_harmonics):
    """The waves of a cycle at times of the clocks."""
    if cycle == "dayofweek":
        return _table(7, n_harmonics).take((local // DAY + 3) % 7, axis=0)
    if cycle == "month":
        return _table(12, n_harmonics).take(months_of(local // DAY) % 12, axis=0)
    if cycle == "dayofyear":
        days = local // DAY
        years = days.view("M8[D]").astype("M8[Y]")
        first, after = ((years + k).astype("M8[D]").astype(np.int64) for k in (0, 1))
        day, leap = days - first, after - first == 366
        return np.where(
            leap[:, None],
            _table(366, n_harmonics)[day],
            _table(365, n_harmonics)[np.minimum(day, 364)],
        )
    turn = {"minute": HOUR, "hour": DAY}[cycle]
    minutes, rest = np.divmod(local, MINUTE)
    if rest.any():
        return _waves(local % turn / turn, n_harmonics)
    n = turn // MINUTE
    return _table(n, n_harmonics).take(minutes % n, axis=0)


def _clipped(steps, mask):
    """Bound the steps (n_rows, n_columns) by what most of them are: wild ones hide all.

    Where most steps are 0 they stay as they are.
    """
    for column, known in zip(steps.T, mask.T, strict=True):
        sizes = np.sort(np.abs(column[known]))
        most = CLIP_FACTOR * sizes[int(CLIP_SHARE * len(sizes))]
        if most > 0:
            np.clip(column, -most, most, out=column)
    return steps


def estimate_season(arrays):
    """How many rows make a season, by the autocorrelation of what they change by.

    Parameters
    ----------
    arrays : list of ndarray of shape (n_rows, n_targets)
        The targets of some series; NaN does not count.

    Returns
    -------
    season : int
        The lag of the highest peak, or of an earlier one within a tenth of it; 1 if no
        peak is high enough.
    """
    if len(arrays) > 200:
        arrays = [arrays[i] for i in np.linspace(0, len(arrays) - 1, 200).astype(int)]
    most = min(max(map(len, arrays)) // 3, LONGEST_SEASON)
    if most < 2:
        return 1
    total, weight, known = np.zeros(most + 2), np.zeros(most + 2), 0
    for array in arrays:
        n_lags = min(len(array) // 3, most) + 2
        if n_lags < 4:
            continue
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.diff(array, axis=0)
            mask = ~np.isnan(steps)
            counts = mask.sum(axis=0)
            scale = np.nanmax(np.abs(steps), axis=0, initial=0.0)
            usable = (counts > 2) & (scale > 0) & np.isfinite(scale)
            steps = np.where(mask, steps, 0.0)[:, usable] / scale[usable]
        mask = mask[:, usable]
        steps = _clipped(steps, mask)
        steps = np.where(mask, steps - steps.sum(axis=0) / counts[usable], 0.0)
        size = 1 << (len(steps) + n_lags).bit_length()
        products, pairs = (
            np.fft.irfft(np.abs(np.fft.rfft(part, size, axis=0)) ** 2, size, axis=0)
            for part in (steps, mask.astype(float))
        )
        variance = (steps**2).sum(axis=0) / counts[usable]
        usable = variance > 0
        products, pairs = products[:n_lags, usable], np.rint(pairs[:n_lags, usable])
        # The longer the lag the fewer its pairs, and the higher it may be by chance.
        shrinkage = 1 - np.arange(n_lags)[:, None] / len(steps)
        products *= shrinkage / (np.maximum(pairs, 1) * variance[usable])
        total[:n_lags] += np.where(pairs > 0, products, 0).sum(axis=1)
        weight[:n_lags] += (pairs > 0).sum(axis=1)
        known += int(counts.sum())
    if not known:
        return 1
    correlation = total / np.maximum(weight, 1)
    lags = np.arange(2, most + 1)
    inner = correlation[lags]
    peaks = (inner > correlation[lags - 1]) & (inner >= correlation[lags + 1])
    peaks &= inner > max(0.15, 4 / np.sqrt(known))
    if not peaks.any():
        return 1
    high = lags[peaks & (inner >= 0.9 * inner[peaks].max())]
    best = lags[peaks][inner[peaks].argmax()]
    # Two seasons are alike, too. Two rows of a smooth curve may look like one by noise.
    for lag in high[high < best]:
        if 2 * lag <= most and correlation[2 * lag] >= 0.75 * correlation[lag]:
            best = lag
            break
    return _refined(int(best), correlation[: most + 1], 1 / known)


def _refined(lag, correlation, variance):
    """Return the lag near a peak, or near a part of it, whose multiples are high.

    Noise moves a flat peak by a row, and makes two or three seasons look better than
    one. But all multiples of a season are high.

    Parameters
    ----------
    lag : int
    correlation : ndarray of shape (n_lags,)
    variance : float
        Of a correlation by chance.
    """
    most = len(correlation) - 1
    if lag < LEAST_REFINED:
        return lag

    def mean_of(one):
        """Return the mean correlation at multiples of a lag, and their number."""
        multiples = np.arange(one, most + 1, one)[:MOST_MULTIPLES]
        return correlation[multiples].mean(), len(multiples)

    def near(one):
        """Return the best lag that differs by a twelfth or less."""
        lags = range(one - one // LEAST_REFINED, one + one // LEAST_REFINED + 1)
        return max((at for at in lags if at <= most), key=lambda at: mean_of(at)[0])

    if mean_of(near(lag))[0] < correlation[lag] / 2:  # a season of no whole rows
        return lag
    lag = near(lag)
    high, n = mean_of(lag)
    for n_parts in range(lag // LEAST_REFINED, 1, -1):
        part = near(round(lag / n_parts))
        found, n_found = mean_of(part)
        chance = np.sqrt(variance * max(1 / n - 1 / n_found, 0))
        if found > high - 2 * chance:
            return part
    return lag
