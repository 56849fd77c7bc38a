"""Time as the rows of tables tell it: a regular axis, whose steps are numbered.

An axis counts times in steps: a fixed number of nanoseconds, of months, or of weekdays.
Steps of whole days are counted on the clocks of the time zone, so that midnight stays
midnight when they change. So are shifts, such as 6, 14 and 22 h.
"""

import datetime

import numpy as np

from skrnn.inputs.calendar import (
    DAY,
    HOUR,
    MINUTE,
    day_of_month,
    days_of,
    harmonics,
    months_of,
    weekdays_of,
)
from skrnn.inputs.opening import opening_hours
from skrnn.inputs.times import (
    Times,
    clocks_change,
    nanoseconds,
    quiet,
    time_label,
    to_local,
    to_utc,
    zone_of,
)

__all__ = ["TimeAxis", "check_types", "learn_shared_axis"]

UNITS = {"D": DAY, "h": HOUR, "min": MINUTE, "s": 10**9, "ms": 10**6, "us": 10**3}
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "MON TUE WED THU FRI SAT SUN".split()
# How many rows are inserted where some are absent: at most these for each one given,
# if they are many. More come of one wrong time rather than of a gap.
MOST_ABSENT, MANY = 100, 1_000_000


class TimeAxis:
    """Regular times, numbered: those of a series are consecutive numbers.

    Attributes
    ----------
    kind : {"datetime", "period", "integer"}
        What kind of index the times are from.
    tz : str or None
        The time zone.
    grid : {"step", "month", "weekday", "open"}
        What is counted: nanoseconds (or integers), months, the days from Monday to
        Friday, or the steps of opening hours.
    step : int
        How many of these make a step; of opening hours, nanoseconds.
    origin : int
        The number of that which position 0 is.
    local : bool
        Whether they are counted on the clocks of the time zone.
    day : int
        The day of the month: 1 to 31, the last one in shorter months; 0 for the first
        weekday and -1 for the last. Used for months only.
    time : int
        The time of the day in nanoseconds. Used for months and weekdays only.
    period : str or None
        The frequency of the periods.
    unit : str or None
        The unit of pandas' labels; None for labels of NumPy.
    open : list of int or None
        Of opening hours: how many steps a cycle has, a day or a week, and then which of
        them are open, counted from the epoch.
    """

    FIELDS = {
        "kind": str,
        "tz": (str, type(None)),
        "grid": str,
        "step": int,
        "origin": int,
        "local": bool,
        "day": int,
        "time": int,
        "period": (str, type(None)),
        "unit": (str, type(None)),
    }
    __slots__ = (*FIELDS, "open")

    def __init__(self, **fields):
        self.open = fields.get("open")
        for name in self.FIELDS:
            setattr(self, name, fields[name])

    @classmethod
    def learn(cls, times, name):
        """The axis on which times lie, row 0 at position 0.

        Parameters
        ----------
        times : Times
            Increasing ones.
        name : str
            What messages call the table that they are of.

        Returns
        -------
        axis : TimeAxis or None
            None if they are too few to tell.
        """
        if times.freq is not None:
            axis = cls._from_freq(times)
            if axis is not None and axis._misfit(times.values) is None:
                return axis
        if len(times) < 2:
            if times.kind != "integer":
                return None
            return cls._make(times, "step", 1, times.values[0])
        axis = cls._infer(times)
        if axis is None:
            _refuse_irregular(times, name)
        return axis

    @classmethod
    def _make(cls, times, grid, step, origin, local=False, day=0, time=0):
        return cls(
            kind=times.kind,
            tz=times.tz,
            grid=grid,
            step=int(step),
            origin=int(origin),
            local=local,
            day=int(day),
            time=int(time),
            period=times.freq if times.kind == "period" else None,
            unit=times.unit,
        )

    @classmethod
    def _from_freq(cls, times):
        """The axis of a frequency that pandas knows, by the first few times on it."""
        import pandas

        count = 14
        start = pandas.Timestamp(int(times.values[0]), unit="ns")
        with quiet():
            try:
                if times.kind == "period":
                    index = pandas.period_range(start, periods=count, freq=times.freq)
                    index = index.to_timestamp(how="start")
                else:
                    if times.tz is not None:
                        start = start.tz_localize("UTC").tz_convert(zone_of(times.tz))
                    index = pandas.date_range(start, periods=count, freq=times.freq)
                    if times.tz is not None:
                        index = index.tz_convert(None)
                values = nanoseconds(index.to_numpy(), "")
            except ValueError:  # beyond the times that there can be
                return None
        return cls._infer(
            Times(times.kind, values, tz=times.tz, freq=times.freq, unit=times.unit)
        )

    @classmethod
    def _infer(cls, times):
        """The axis of at least two increasing times, or None if they are irregular."""
        values = times.values
        if times.kind != "integer":
            local = to_local(values, times.tz)
            time, count = _mode(local % DAY)
            # A midnight that the clocks of a zone skip is told as one o'clock.
            if count == len(values) or (times.tz and count > 0.9 * len(values)):
                for axis in cls._infer_days(times, (local - time) // DAY, time):
                    if axis._misfit(values) is None:
                        return axis
        step = _common_step(values)
        if (
            times.kind == "datetime"
            and times.tz is not None
            and (not step or (HOUR % step and times.freq is None))
        ):
            # Hours of the clocks, such as 6, 14 and 22, in summer and in winter.
            by_clock = _common_step(local)
            if by_clock and DAY % by_clock == 0:
                axis = cls._make(times, "step", by_clock, local[0], True)
                if axis._misfit(values) is None:
                    return axis
        return cls._make(times, "step", step, values[0]) if step else None

    @classmethod
    def _infer_days(cls, times, days, time):
        """Axes that days may lie on, the likelier one first."""
        if np.diff(days).min() >= 28:
            months = months_of(days)
            step, day = _common_step(months), day_of_month(days, months)
            if step and day is not None:
                return [cls._make(times, "month", step, months[0], True, day, time)]
        axes, rows = [], []
        if step := _common_step(days):
            origin = days[0] * DAY + time
            axes.append(cls._make(times, "step", step * DAY, origin, True))
            rows.append((days[-1] - days[0]) // step)
        numbers = weekdays_of(days)
        if ((days + 3) % 7 < 5).all() and (step := _common_step(numbers)):
            # Without a weekend in between these are days like others.
            axes.append(cls._make(times, "weekday", step, numbers[0], True, 0, time))
            rows.append((numbers[-1] - numbers[0]) // step)
        return [axes[i] for i in np.argsort(rows, kind="stable")]

    def with_opening_hours(self, tables, name):
        """Return an axis of the steps of opening hours, if it is rows that tell such.

        Parameters
        ----------
        tables : list of Times
            Those of all series. At a step at which none of them ever has a row, there
            is none in future, either.
        name : str
            What a warning calls them.
        """
        if self.kind == "integer" or self.grid != "step" or DAY % self.step:
            return self
        values = [times.values for times in tables]
        if self.tz is not None:
            values = [to_local(each, self.tz) for each in values]
        time = int(values[0][0] % self.step)
        numbers = [(each - time) // self.step for each in values]
        found = opening_hours(numbers, DAY // self.step, name)
        if found is None:
            return self
        cycle, steps = found
        fields = self.get_state() | {"grid": "open", "local": True, "time": time}
        axis = TimeAxis(**fields | {"open": [cycle, *map(int, steps)], "origin": 0})
        axis.origin = int(axis._before(tables[0].values[:1])[0])
        # Where clocks are put back, an open hour may be there twice.
        fits = all(axis._misfit(times.values) is None for times in tables)
        return axis if fits and self._are_steps(axis, tables) else self

    @staticmethod
    def _are_steps(axis, tables):
        return all((np.diff(axis._before(times.values)) > 0).all() for times in tables)

    def start_at(self, position):
        """Make this position number 0."""
        self.origin += position * (1 if self.grid == "open" else self.step)

    # Times and positions -----------------------------------------------------------

    def _before(self, values, phase=0):
        """The position of each time, or the last position before it."""
        if self.local:
            values = to_local(values, self.tz)
        if self.grid == "step":
            return (values - (self.origin + phase)) // self.step
        if self.grid == "open":
            cycle, *steps = self.open
            number, step = np.divmod((values - self.time) // self.step, cycle)
            within = np.searchsorted(steps, step, side="right") - 1
            return number * len(steps) + within - self.origin
        days = (values - self.time) // DAY
        units = months_of(days) if self.grid == "month" else weekdays_of(days)
        return (units - self.origin) // self.step

    def _local(self, positions, phase=0):
        """The times of positions, on the clocks if these count."""
        positions = np.asarray(positions, dtype=np.int64)
        if self.grid == "open":
            cycle, *steps = self.open
            number, within = np.divmod(positions + self.origin, len(steps))
            number = number * cycle + np.array(steps, dtype=np.int64)[within]
            return number * self.step + self.time
        units = positions * self.step + self.origin
        if self.grid == "step":
            return units + phase
        if self.grid == "weekday":
            days = units // 5 * 7 + units % 5 - 3
        else:
            days = days_of(units, self.day)
        return days * DAY + self.time

    def values(self, positions, phase=0):
        """The times of positions, as `Times` has them."""
        local = self._local(positions, phase)
        return to_utc(local, self.tz) if self.local else local

    def _misfit(self, values, phase=0):
        """The first row whose time is not on the axis, or None."""
        off = self.values(self._before(values, phase), phase) != values
        return int(off.argmax()) if off.any() else None

    def place(self, times, name, *, any_phase=False):
        """The positions of increasing times.

        Parameters
        ----------
        times : Times
            Those of a table.
        name : str
            What messages call the table.
        any_phase : bool
            Whether they may lie between the times of the axis, all equally far.

        Returns
        -------
        positions : ndarray of shape (n_rows,), int64 or None
            None if the times are of another kind than the axis, and tell nothing.
        phase : int
            How far after its position each row lies.
        """
        if times.kind != self.kind:
            if "integer" in (times.kind, self.kind):
                return None, 0
            kinds = {"datetime": "DatetimeIndex", "period": "PeriodIndex"}
            remedy = "to_timestamp" if times.kind == "period" else "to_period"
            raise ValueError(
                f"{name} has a {kinds[times.kind]}, but in fit it was a "
                f"{kinds[self.kind]}. Convert it: {name}.{remedy}()."
            )
        if (times.tz is None) != (self.tz is None):
            remedy = f"tz_localize({self.tz!r})" if self.tz else "tz_localize(None)"
            raise ValueError(
                f"The times of {name} are in the time zone {times.tz}, but in fit it "
                f"was {self.tz}. Use {remedy}."
            )
        phase = 0
        if any_phase and self.grid == "step":
            first = times.values[:1]
            if self.local:
                first = to_local(first, self.tz)
            phase = (int(first[0]) - self.origin) % self.step
        row = self._misfit(times.values, phase)
        if row is not None:
            start = times.label(0) if phase else self.label(0)
            if self.grid == "open" and not self._is_off_steps(times.values[row]):
                raise ValueError(
                    f"Row {row} of {name} ({times.label(row)}) is at a time of the day "
                    "or week at which there was never a row in fit, so that it was "
                    "taken to be closed. Leave it out, or give fit rows at such times, "
                    "with NaN where the target is unknown."
                )
            raise ValueError(
                f"Row {row} of {name} ({times.label(row)}) is off the times seen in "
                f"fit: {start}, and from there in steps of {self.step_name}. Bring the "
                "rows to them, or number the rows by an integer index."
            )
        positions = self._before(times.values, phase)
        n_all = int(positions[-1] - positions[0]) + 1
        if n_all > max(MANY, MOST_ABSENT * len(positions)):
            row = int(np.diff(positions).argmax()) + 1
            raise ValueError(
                f"{positions[row] - positions[row - 1] - 1} rows are absent from {name}"
                f" between row {row - 1} ({times.label(row - 1)}) and row {row} "
                f"({times.label(row)}), in steps of {self.step_name}. If the times are "
                "right, make two series of them, or number the rows by an integer "
                "index."
            )
        return positions, phase

    def _is_off_steps(self, value):
        if self.tz is not None:
            value = to_local(np.array([value]), self.tz)[0]
        return bool((value - self.time) % self.step)

    @property
    def follows_clocks(self):
        """Whether steps are hours or parts of a day, in a zone whose clocks change."""
        if self.kind != "datetime" or self.tz is None or self.tz[0] in "+-":
            return False
        return self.grid == "step" and not self.local and DAY % self.step == 0

    @property
    def clock_margin(self):
        """How many steps clocks are put back at most."""
        return -(-2 * HOUR // self.step) if self.follows_clocks else 0

    def clock_places(self, position, n_rows, phase=0):
        """Return the places of rows by the clocks; None if these do not change.

        Parameters
        ----------
        position : int
            That of row 0.
        n_rows : int
        phase : int, default=0

        Returns
        -------
        place : ndarray of shape (n_rows,), int64 or None
            None, too, if clocks change by other than whole steps.
        """
        ends = np.array([position, position + n_rows - 1])
        begin, end = (int(value) for value in self.values(ends, phase))
        if not clocks_change(begin, end, self.tz):
            return None
        times = self.values(np.arange(position, position + n_rows), phase)
        moved = to_local(times, self.tz) - times
        moved -= moved[0]
        if not moved.any() or (moved % self.step).any():
            return None
        place = np.arange(n_rows) + moved // self.step
        return np.maximum.accumulate(place)

    def position_at(self, time, name):
        """The first position at or after a time that users name."""
        try:
            if hasattr(time, "start_time"):
                time = time.start_time
            if hasattr(time, "isoformat"):
                time = time.isoformat()
            moment = datetime.datetime.fromisoformat(str(time)[:32])
        except ValueError:
            raise ValueError(
                f"{name} must be an int or a date like '2024-01-31', got {time!r}."
            ) from None
        if moment.tzinfo is None and self.tz is not None:
            moment = moment.replace(tzinfo=zone_of(self.tz))
        if moment.tzinfo is not None and self.tz is None:
            raise ValueError(f"{name} has a time zone, but the rows have none.")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        value = since // datetime.timedelta(microseconds=1) * 1000
        position = int(self._before(np.array([value]))[0])
        return position + int(self.values([position])[0] < value)

    def label(self, position):
        """What messages call the time of a position."""
        return time_label(self.kind, int(self.values([position])[0]), self.tz)

    def labels(self, positions, phase=0):
        """The labels of positions, in an index of the kind that was given.

        Parameters
        ----------
        positions : array-like of int
            Positions.
        phase : int
            How far after them the times lie.

        Returns
        -------
        index : DatetimeIndex, PeriodIndex or ndarray
            Integers, or datetime64 (UTC if there is a zone) if not given by pandas.
        """
        values = self.values(positions, phase)
        if self.kind == "integer":
            return values
        values = values.view("M8[ns]")
        if self.unit is None:
            return values
        import pandas

        index = pandas.DatetimeIndex(values)
        if self.kind == "period":
            with quiet():
                return index.to_period(self.period)
        index = index.as_unit(self.unit)
        if self.tz is not None:
            # By its name pandas finds the class of zones that it prefers.
            tz = zone_of(self.tz) if self.tz[0] in "+-" else self.tz
            index = index.tz_localize("UTC").tz_convert(tz)
        return index

    @property
    def freq(self):
        """The frequency as pandas would call it; None for integers."""
        if self.kind == "integer":
            return None
        if self.period is not None:
            return self.period
        times = "" if self.step == 1 else str(self.step)
        if self.grid == "weekday":
            return f"{times}B"
        if self.grid == "month":
            kind = {1: "S", 31: "E", 0: "S", -1: "E"}.get(self.day, f"[{self.day}]")
            business = "B" if self.day < 1 else ""
            if self.step == 3:
                month = self.origin % 3 + (9 if kind == "E" else 0)
                return f"{business}Q{kind}-{MONTHS[month]}"
            if self.step == 12:
                return f"{business}Y{kind}-{MONTHS[self.origin % 12]}"
            return f"{times}{business}M{kind}"
        if self.local and self.step % (7 * DAY) == 0:
            weeks, day = self.step // (7 * DAY), WEEKDAYS[(self.origin // DAY + 3) % 7]
            return f"{'' if weeks == 1 else weeks}W-{day}"
        return _duration(self.step)

    @property
    def step_name(self):
        """What messages call a step."""
        return str(self.step) if self.kind == "integer" else repr(self.freq)

    # What repeats ------------------------------------------------------------------

    def season(self):
        """The rows of the season that the frequency suggests, or None."""
        if self.kind == "integer":
            return None
        if self.grid == "weekday":
            return 5 if self.step == 1 else None
        if self.grid == "month":
            if self.step % 12 == 0:
                return 1
            return 12 // self.step if 12 % self.step == 0 else None
        if self.grid == "open":
            return self._open_season()
        if self.step >= DAY:
            return {DAY: 7, 7 * DAY: 52}.get(self.step)
        for whole, most in ((DAY, 1440), (HOUR, 3600)):
            if whole % self.step == 0 and whole // self.step <= most:
                return whole // self.step
        return None

    def _open_season(self):
        """The open steps of a day, if all open days have as many, else of the cycle."""
        cycle, *steps = self.open
        per_day = DAY // self.step
        _, counts = np.unique(np.array(steps) // per_day, return_counts=True)
        if per_day == 1 or (counts != counts[0]).any():
            return len(steps)
        return int(counts[0])

    def choose_calendar(self, n_steps):
        """The cycles worth features.

        Parameters
        ----------
        n_steps : int
            Steps that the training rows span.

        Returns
        -------
        calendar : list of [str, int]
            A cycle, and how many harmonics of it.
        """
        if self.kind == "integer":
            return []
        if self.grid == "month":
            if self.step % 12 == 0:
                return []
            return [["month", 2 if self.step < 3 else 1]]
        if self.grid in ("step", "open") and self.step < DAY:
            # The rows of a day cannot tell more than half as many harmonics apart.
            n_harmonics = min(2, max(DAY // self.step // 2, 1))
            return [["hour", n_harmonics], ["dayofweek", 3]]
        days = self.step / DAY if self.grid == "step" else self.step * 7 / 5
        if self.grid == "open":
            days = self.open[0] / (len(self.open) - 1)
        calendar = [] if days % 7 == 0 and self.grid == "step" else [["dayofweek", 3]]
        if n_steps * days >= 2 * 365:
            calendar.append(["dayofyear", 2])
        return calendar

    def features(self, calendar, positions, phase=0):
        """The sines and cosines of cycles at positions.

        Parameters
        ----------
        calendar : list of [str, int]
            Cycles, and how many harmonics of each.
        positions : ndarray of shape (n,), int64
            Positions.
        phase : int
            How far after them the times lie.

        Returns
        -------
        features : ndarray of shape (n, n_calendar)
        """
        out = np.empty((len(positions), 2 * sum(k for _, k in calendar)))
        if not calendar:
            return out
        local = self._local(positions, phase)
        if not self.local:
            local = to_local(local, self.tz)
        start = 0
        for cycle, n_harmonics in calendar:
            stop = start + 2 * n_harmonics
            out[:, start:stop] = harmonics(cycle, local, n_harmonics)
            start = stop
        return out

    # Keeping it --------------------------------------------------------------------

    def get_state(self):
        """All of it, as a dict of plain values."""
        state = {name: getattr(self, name) for name in self.FIELDS}
        return state if self.open is None else state | {"open": self.open}

    @classmethod
    def from_state(cls, state):
        """The axis of which `get_state` gave the state."""
        fields = cls.FIELDS | ({"open": list} if "open" in state else {})
        check_types(state, fields, "time axis")
        return cls(**state)


def learn_shared_axis(tables):
    """Learn the time axis that the tables of a panel share.

    Parameters
    ----------
    tables : list of Table
        Some with times, perhaps.

    Returns
    -------
    axis : TimeAxis or None
        None if nothing tells times.
    places : list of (positions, phase)
        Where the rows of each table lie on it.
    """
    timed = [table for table in tables if table.times is not None]
    kinds = {table.times.kind for table in timed if not table.times.is_default_range}
    if kinds - {"integer"}:
        timed = [table for table in timed if not table.times.is_default_range]
    elif not kinds and len(timed) < len(tables):
        timed = []  # numbers of rows, of some
    if timed:
        kind = timed[0].times.kind
        for table in tables:
            if table not in timed or table.times.kind != kind:
                raise ValueError(
                    f"The times of {timed[0].name} are of the kind {kind}, but "
                    f"{table.name} has no such times. Give all series the same kind of"
                    " index, or none."
                )
    for table in timed:
        table.check_order()
    axis = None
    if timed:
        longest = max(timed, key=lambda table: table.n_rows)
        axis = TimeAxis.learn(longest.times, longest.name)
    if axis is None:
        return None, [(np.arange(table.n_rows), 0) for table in tables]
    places = [axis.place(table.times, table.name, any_phase=True) for table in tables]
    if not any(phase for _, phase in places):
        opened = axis.with_opening_hours([table.times for table in tables], "X")
        if opened is not axis:
            axis = opened
            places = [axis.place(table.times, table.name) for table in tables]
    start = min(int(rows[0]) for rows, _ in places)
    axis.start_at(start)
    return axis, [(rows - start, phase) for rows, phase in places]


def check_types(state, fields, what):
    """Refuse a state that has not these fields, of these types."""
    if not isinstance(state, dict) or state.keys() != fields.keys():
        raise ValueError(f"The state of a {what} needs the fields {list(fields)}.")
    for name, types in fields.items():
        if not isinstance(state[name], types):
            raise ValueError(
                f"The state of a {what} has {name} of type "
                f"{type(state[name]).__name__}."
            )


def _mode(values):
    """The most frequent of some integers, the least one if several are."""
    unique, counts = np.unique(values, return_counts=True)
    i = counts.argmax()
    return int(unique[i]), int(counts[i])


def _common_step(values):
    """The most frequent difference if all are multiples of it, else None."""
    steps = np.diff(values)
    step = _mode(steps)[0]
    return None if not step or (steps % step).any() else step


def _duration(ns):
    unit = next((unit for unit, size in UNITS.items() if ns % size == 0), "ns")
    count = ns // UNITS.get(unit, 1)
    return unit if count == 1 else f"{count}{unit}"


def _refuse_irregular(times, name):
    """Say which row is the first one off the most frequent step."""
    steps = np.diff(times.values)
    step = _mode(steps)[0]
    row = int((steps % step != 0).argmax()) + 1
    found = int(steps[row - 1])
    remedy = "Bring them to one frequency, or number the rows by an integer index"
    if times.kind == "integer":
        found, step = str(found), str(step)
        remedy = f"If these are not times, use {name}.reset_index(drop=True)"
    else:
        if times.kind == "datetime":
            unit = next((u for u, size in UNITS.items() if step % size == 0), "s")
            remedy = (
                f"If they are off by little, round them: {name}.index.round({unit!r}). "
                "The last trading days of months become months by "
                f"{name}.index.to_period('M'). {remedy}"
            )
        found, step = _duration(found), _duration(step)
    raise ValueError(
        f"The times of {name} are irregular: row {row} ({times.label(row)}) comes "
        f"{found} after row {row - 1} ({times.label(row - 1)}), where most steps are "
        f"of {step}. Rows may be absent, but none may lie in between. {remedy}."
    )
