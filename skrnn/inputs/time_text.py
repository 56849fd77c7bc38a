"""Dates that are written as text or as numbers: read if clear, else refused by name."""

import re

import numpy as np

__all__ = ["TIME_NAMES", "dates_of_text", "is_like_dates", "refuse_number_dates"]

CLOCK = r"([T ]\d{2}(:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?)?"
# Year, month and day in this order, as ISO 8601 has them, or with slashes.
CLEAR = re.compile(rf"\d{{4}}([-/])\d{{2}}(\1\d{{2}}{CLOCK})?")
NAMES = "jan feb mar apr may jun jul aug sep oct nov dec".split()
MONTH = rf"({'|'.join(NAMES)})[a-z]*\.?"
SEVERAL = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?!\d)")
DAY_0 = "pd.Timestamp('2000-01-01')"
MIXED = "pd.to_datetime({0}, format='mixed')"
# Other forms, and what converts an index or a column of them.
OTHERS = (
    (rf"(\d{{1,2}}[ -])?{MONTH}[ ,-]*\d{{2,4}}.*", MIXED),
    (rf"{MONTH} \d{{1,2}},? \d{{4}}.*", MIXED),
    (r"(19|20)\d{2}(0[1-9]|1[0-2])[0-3]\d", "pd.to_datetime({0}, format='%Y%m%d')"),
    (
        r"(19|20)\d{2}[ -]?Q[1-4]|Q[1-4][ -]?(19|20)\d{2}",
        "pd.PeriodIndex({0}, freq='Q')",
    ),
    (r"(19|20)\d{2}-?W\d{2}", "pd.to_datetime({0} + '-1', format='%G-W%V-%u')"),
    (r"(19|20)\d{2}M\d{1,2}", "pd.to_datetime({0}, format='%YM%m')"),
    (r"\d{1,2}:\d{2}", f"{DAY_0} + pd.to_timedelta({{0}} + ':00')"),
    (r"\d{1,2}:\d{2}:\d{2}(\.\d+)?", f"{DAY_0} + pd.to_timedelta({{0}})"),
)
OTHERS = [(re.compile(form, re.IGNORECASE), remedy) for form, remedy in OTHERS]
# How columns are called that hold dates as numbers.
TIME_NAMES = ("date", "datetime", "day", "ds", "month", "period", "quarter", "time")
TIME_NAMES = {*TIME_NAMES, "timestamp", "week", "yearmonth"}


def _remedy(text):
    """Return what reads a text as a date: "" if it is clear, None if it is no date."""
    text = text.strip()
    if CLEAR.fullmatch(text):
        return ""
    several = SEVERAL.match(text)
    if several:
        parts = [int(part) for part in several.groups()]
        if len(several[1]) > 2:  # the year comes first
            return "pd.to_datetime({0})" if 0 < parts[1] <= 12 else None
        if 0 < min(parts[:2]) <= 12 and max(parts[:2]) <= 31:
            return (
                "pd.to_datetime({0}, dayfirst=True), or dayfirst=False if months come "
                "first"
            )
        return None
    return next((remedy for form, remedy in OTHERS if form.fullmatch(text)), None)


def is_like_dates(values):
    """Return whether some values are texts that are all dates of some form."""
    return bool(values) and all(
        isinstance(value, str) and _remedy(value) is not None for value in values
    )


def dates_of_text(values, where):
    """Read texts as dates.

    Parameters
    ----------
    values : list of str
    where : str
        The expression of what holds them, which messages name.

    Returns
    -------
    dates : list of str
        In the form of ISO 8601.

    Raises
    ------
    ValueError
        If any of them is not clear. The message has the line that converts them.
    """
    out = []
    for row, value in enumerate(values):
        remedy = _remedy(value) if isinstance(value, str) else None
        if remedy == "":
            out.append(value.strip().replace("/", "-"))
            continue
        line = (remedy or "pd.to_datetime({0})").format(where)
        raise ValueError(
            f"{where} holds dates as text, of which only those like 2024-01-31 are "
            f"clear: row {row} is {value!r}. Convert them first: {where} = {line}."
        )
    return out


def refuse_number_dates(values, where):
    """Refuse integers that are dates: years with months, days, quarters or weeks."""
    if len(values) < 3 or values[0] < 10_000 or values[-1] > 22_000_000:
        return
    steps = np.diff(values)
    if steps.min() <= 0:
        return
    kind = None
    high, low = np.divmod(values, 100)
    if 19_000_101 <= values[0]:
        days = high // 100, high % 100, low
        if _within(days[1], 12) and _within(low, 31) and _within(days[0], 2199):
            kind, line = "days", "pd.to_datetime({0}.astype(str), format='%Y%m%d')"
    elif steps.min() == steps.max():
        return
    elif 190_001 <= values[0] and values[-1] <= 219_953 and high[0] < high[-1]:
        if _within(low, 12):
            to_period = "to_period" if where.endswith(".index") else "dt.to_period"
            line = (
                "pd.to_datetime({0}.astype(str), format='%Y%m')" + f".{to_period}('M')"
            )
            kind = "months"
        elif _within(low, 53):
            line = "pd.to_datetime({0}.astype(str) + '1', format='%G%V%u')"
            kind = "weeks"
    elif 19_001 <= values[0] and values[-1] <= 21_994 and _within(values % 10, 4):
        kind = "quarters"
        line = (
            "pd.PeriodIndex({0}.astype(str).str.replace(r'(.)$', r'Q\\1', regex=True),"
            " freq='Q')"
        )
    if kind is not None:
        raise ValueError(
            f"{where} holds {kind} as numbers, {values[0]} to {values[-1]}, of which "
            "most would be taken for rows that are absent. Convert them first: "
            f"{where} = {line.format(where)}."
        )


def _within(values, most):
    return values.min() >= 1 and values.max() <= most
