"""Opening hours: steps of a day or a week at which there is never a row."""

import warnings

import numpy as np

__all__ = ["opening_hours"]

LEAST_WEEKS, LEAST_DAYS = 4, 7  # that a pattern is learned from
LEAST_PRESENT = 0.5  # share of the rows at open times that there must be
# So many times as many times must be closed as would be if rows were absent by chance.
CLEARLY = 20
MUCH = 0.25  # share of a day that is worth a warning if it seems to be closed


def opening_hours(numbers, per_day, name):
    """Return the steps of a cycle that rows lie at, None if it is all of them.

    Parameters
    ----------
    numbers : list of ndarray of int64
        The numbers of the steps that each series has rows at, counted from a midnight.
    per_day : int
        Steps of a day.
    name : str
        What a warning calls the rows.

    Returns
    -------
    cycle : int
        Steps of the cycle, a day or a week.
    steps : ndarray of int64
        The steps of it that have rows. They are increasing.
    """
    numbers = np.unique(np.concatenate(numbers))
    cycles = [(7 * per_day, LEAST_WEEKS)]
    if per_day > 1:
        cycles.append((per_day, LEAST_DAYS))
    for cycle, least in cycles:
        n_cycles = (numbers[-1] - numbers[0] + 1) / cycle
        steps = np.unique(numbers % cycle)
        n_closed = cycle - len(steps)
        if n_cycles < least or not n_closed:
            continue
        present = min(len(numbers) / (n_cycles * len(steps)), 1.0)
        by_chance = cycle * (1 - present) ** n_cycles
        if present >= LEAST_PRESENT and n_closed >= CLEARLY * by_chance:
            return cycle, steps
    if per_day > 1 and LEAST_DAYS > (numbers[-1] - numbers[0] + 1) / per_day > 2:
        closed = 1 - len(np.unique(numbers % per_day)) / per_day
        if closed >= MUCH:
            warnings.warn(
                f"{name} has no rows in {closed:.0%} of the day, but spans less than "
                f"{LEAST_DAYS} days: too little to tell opening hours. These rows count"
                " as unknown, and are forecast, too. To forecast some rows only, pass "
                "an X whose index names them.",
                UserWarning,
                stacklevel=2,
            )
    return None
