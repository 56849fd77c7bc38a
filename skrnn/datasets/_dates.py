from datetime import date
from numbers import Integral

from sklearn.utils import check_random_state

FIRST, LAST = date(1900, 1, 1).toordinal(), date(2099, 12, 31).toordinal()
# The ways to write a date. None of them leaves open which number is the month.
FORMS = [
    "{d} {Month} {y}",
    "{d} {month} {y}",
    "{d}. {Month} {y}",
    "{th} {Month} {y}",
    "{th} of {Month}, {y}",
    "the {th} of {month} {y}",
    "{Month} {d}, {y}",
    "{Month} {th}, {y}",
    "{month} {d} {y}",
    "{MONTH} {d}, {y}",
    "{Mon} {d}, {y}",
    "{mon} {dd} {y}",
    "{d} {Mon}. {y}",
    "{dd}-{Mon}-{y}",
    "{dd} {MON} {y}",
    "{Weekday}, {d} {Month} {y}",
    "{Weekday}, {Month} {th}, {y}",
    "{weekday} {d} {month} {y}",
    "{Wd}, {dd} {Mon} {y}",
    "{Wd} {Mon} {d} {y}",
    "{y}, {Month} {d}",
    "{y} {Mon} {dd}",
    "{y}/{m}/{d}",
    "{y}.{mm}.{dd}",
    "{d}.{m}.{y}",
    "{dd}.{mm}.{y}",
]
MONTHS = (
    "January February March April May June July August September October November "
    "December"
).split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def make_dates(n_samples=1000, *, random_state=None):
    """Generate dates as people write them, and the same dates by ISO 8601.

    A small task of sequences into sequences, which needs no file: "the 3rd of may 1983"
    becomes "1983-05-03". There are 26 ways to write a date, from names of months and
    weekdays, long and short, and numbers. Points stand between numbers whose first one
    is the day, and slashes between numbers whose first one is the year. The days are
    those from 1900 to 2099, all equally likely.

    Parameters
    ----------
    n_samples : int, default=1000
        How many dates. They are drawn with replacement from more than a million pairs
        of a day and a way to write it, so few are there twice.
    random_state : int, RandomState instance or None, default=None
        Draws the days and the ways to write them. An int gives the same dates in each
        call, and the first ones of a longer list are those of a shorter one.

    Returns
    -------
    texts : list of n_samples str
        The dates as they are written.
    iso : list of n_samples str
        The dates as YYYY-MM-DD.

    Raises
    ------
    TypeError
        If `n_samples` is not an int.
    ValueError
        If `n_samples` is negative, or `random_state` is not one.

    See Also
    --------
    load_pronunciations : Another task of sequences into sequences.
    skrnn.SequenceTranslator : Learns such a task.

    Examples
    --------
    >>> from skrnn.datasets import make_dates
    >>> texts, iso = make_dates(3, random_state=0)
    >>> for text, date in zip(texts, iso):
    ...     print(date, text)
    2086-11-29 Friday, 29 November 2086
    2016-09-02 2 September 2016
    2025-08-24 24th August 2025
    """
    if isinstance(n_samples, bool) or not isinstance(n_samples, Integral):
        raise TypeError(f"n_samples must be an int, got {n_samples!r}.")
    if n_samples < 0:
        raise ValueError(f"n_samples must be at least 0, got {n_samples}.")
    random_state = check_random_state(random_state)
    texts, iso = [], []
    for _ in range(n_samples):
        day = date.fromordinal(int(random_state.randint(FIRST, LAST + 1)))
        form = FORMS[random_state.randint(len(FORMS))]
        texts.append(form.format(**_parts(day)))
        iso.append(day.isoformat())
    return texts, iso


def _parts(day):
    """What a form may write of a day."""
    month, weekday = MONTHS[day.month - 1], WEEKDAYS[day.weekday()]
    return {
        "y": day.year,
        "m": day.month,
        "mm": f"{day.month:02d}",
        "d": day.day,
        "dd": f"{day.day:02d}",
        "th": f"{day.day}{_ending(day.day)}",
        "Month": month,
        "month": month.lower(),
        "MONTH": month.upper(),
        "Mon": month[:3],
        "mon": month[:3].lower(),
        "MON": month[:3].upper(),
        "Weekday": weekday,
        "weekday": weekday.lower(),
        "Wd": weekday[:3],
    }


def _ending(number):
    """What follows a number of a row, as in 1st, 2nd, 3rd, 11th and 21st."""
    if 10 < number < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
