"""Tables with an index of several levels: what makes series of them."""

import datetime

from skrnn.inputs.time_text import TIME_NAMES, is_like_dates

__all__ = ["advice_on_levels"]

# Names of levels whose numbers count time.
NAMES = TIME_NAMES | {"cycle", "hour", "index", "minute", "row", "step", "t", "year"}
PARTS = ("year", "month", "day", "hour", "minute", "second")


def advice_on_levels(pandas, index, name):
    """Return the line that makes a table, or a list of tables, with one level.

    Parameters
    ----------
    pandas : module
    index : MultiIndex
    name : str
        What messages call the table.
    """
    together = _together(pandas, index, name)
    if together is not None:
        return f"Its levels are one time. Join them first: {together}."
    time = _time_level(pandas, index)
    others = [i for i in range(index.nlevels) if i != time]
    keys = others[0] if len(others) == 1 else others
    return (
        f"A table is one series: make a list of them with [g.droplevel({keys}) for "
        f"_, g in {name}.groupby(level={keys})], whose times are those of level {time}."
    )


def _dates(pandas, level):
    """Whether a level holds dates, of whatever form."""
    if level.dtype.kind == "M" or isinstance(level.dtype, pandas.PeriodDtype):
        return True
    some = level[:5].tolist()
    return is_like_dates(some) or (
        bool(some) and all(isinstance(value, datetime.date) for value in some)
    )


def _time_level(pandas, index):
    """Return the level of the time: dates, or one with such a name, or the last."""
    levels = index.levels
    named = [str(label).lower() in NAMES for label in index.names]
    for told in ([_dates(pandas, level) for level in levels], named):
        if any(told):
            return len(told) - 1 - told[::-1].index(True)
    return index.nlevels - 1


def _together(pandas, index, name):
    """Return the line that joins levels which are parts of one time, or None."""
    labels = [str(label).lower() for label in index.names]
    if labels == list(PARTS[: len(labels)]):
        day = "" if "day" in labels else ".assign(day=1)"
        frame = f"{name}.index.to_frame(index=False).rename(columns=str.lower){day}"
        return f"{name}.index = pd.DatetimeIndex(pd.to_datetime({frame}))"
    if index.nlevels != 2 or not _dates(pandas, index.levels[0]):
        return None
    dates, second = (f"{name}.index.get_level_values({i})" for i in (0, 1))
    dates, level = f"pd.to_datetime({dates})", index.levels[1]
    if level.dtype.kind == "m":
        return f"{name}.index = {dates} + {second}"
    if all(isinstance(value, datetime.time) for value in level[:5]):
        return f"{name}.index = {dates} + pd.to_timedelta({second}.astype(str))"
    hours = level.dtype.kind in "iu" and 0 <= level.min() and level.max() <= 24
    if hours and (len(level) >= 23 or labels[1] in ("hour", "h", "hr", "he")):
        start = f"{second} - 1" if level.min() == 1 and level.max() == 24 else second
        return f"{name}.index = {dates} + pd.to_timedelta({start}, unit='h')"
    return None
