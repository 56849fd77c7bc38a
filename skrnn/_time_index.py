"""Time as the rows of tables tell it: a regular axis, and cyclic features of it.

Times are int64: nanoseconds since 1970, in UTC where there is a time zone, and the
labels themselves of an integer index. An axis counts them in steps: a fixed number of
nanoseconds, of months, or of weekdays. Steps of whole days are counted on the clocks of
the time zone, so that midnight stays midnight when they change.
"""

import datetime
import functools
import sys
import warnings
import zoneinfo

import numpy as np

__all__ = ["CYCLES", "TimeAxis", "Times", "estimate_season", "times_of", "zone_name"]

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
UNITS = {"D": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 10**6, "us": 10**3}
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "MON TUE WED THU FRI SAT SUN".split()
# How many rows are inserted where some are absent: at most these for each one given,
# if they are many. More come of one wrong time rather than of a gap.
MOST_ABSENT, MANY = 100, 1_000_000
LONGEST_SEASON = 1500
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)


class Times:
    """The times of the rows of a table, as they were given.

    Attributes
    ----------
    kind : {"datetime", "period", "integer"}
        What tells them. A period counts as its start.
    values : ndarray of shape (n_rows,), int64
        Nanoseconds since 1970, or integers.
    tz : str or None
        The time zone; the values are UTC if there is one.
    freq : str or None
        The frequency that pandas knows them to have.
    weak : bool
        Whether they are no more than the numbers of the rows, 0, 1, ...
    remedy : str
        How to sort the table.
    unit : str or None
        The unit that pandas has them in; None if they are not of pandas.
    """

    __slots__ = ("freq", "kind", "remedy", "tz", "unit", "values", "weak")

    def __init__(
        self, kind, values, *, tz=None, freq=None, weak=False, remedy="", unit="ns"
    ):
        self.kind = kind
        self.values = values
        self.tz = tz
        self.freq = freq
        self.weak = weak
        self.remedy = remedy
        self.unit = unit

    def __len__(self):
        return len(self.values)

    def label(self, row):
        """What messages call the time of a row."""
        return _label(self.kind, int(self.values[row]), self.tz)

    def check_increasing(self, name, several=""):
        """Refuse times that are not in order, or that two rows share.

        Parameters
        ----------
        name : str
            What messages call the table.
        several : str
            What to do if the table holds several series.
        """
        back = np.flatnonzero(self.values[1:] <= self.values[:-1])
        if not back.size:
            return
        row = int(back[0]) + 1
        if self.values[row] == self.values[row - 1]:
            raise ValueError(
                f"{name} has two rows for the same time: rows {row - 1} and {row} are "
                f"both of {self.label(row)}. Keep one of them.{several}"
            )
        raise ValueError(
            f"{name} is not in the order of time: row {row} ({self.label(row)}) comes "
            f"after row {row - 1} ({self.label(row - 1)}). Sort it first: "
            f"{self.remedy}.{several}"
        )


def times_of(frame, name):
    """The times of the rows of a DataFrame or Series, and the column they are from.

    Parameters
    ----------
    frame : DataFrame or Series of pandas or polars
        A DatetimeIndex, PeriodIndex or integer index tells the times, or the only
        column of dates or datetimes of a DataFrame without the two former.
    name : str
        What messages call it.

    Returns
    -------
    times : Times or None
    column : int or None
        The number of the column that is the time index.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(frame, pandas.Series | pandas.DataFrame):
        index = frame.index
        if isinstance(index, pandas.MultiIndex):
            raise ValueError(
                f"{name} has an index of {index.nlevels} levels. A table is one series:"
                " make a list of them with [g.droplevel(0) for _, g in "
                f"{name}.groupby(level=0)]."
            )
        if isinstance(index, pandas.DatetimeIndex | pandas.PeriodIndex):
            return _of_pandas(index, name, f"{name}.sort_index()"), None
        if frame.ndim == 2:
            columns = [
                j for j, dtype in enumerate(frame.dtypes) if _is_time(pandas, dtype)
            ]
            if len(columns) == 1:
                column = frame.iloc[:, columns[0]]
                if isinstance(column.dtype, pandas.PeriodDtype):
                    index = pandas.PeriodIndex(column)
                else:
                    index = pandas.DatetimeIndex(column)
                remedy = f"{name}.sort_values({column.name!r})"
                return _of_pandas(index, name, remedy), columns[0]
        if index.dtype.kind not in "iu":
            return None, None
        counted = isinstance(index, pandas.RangeIndex)
        weak = counted and index.start == 0 and index.step == 1
        values = index.to_numpy().astype(np.int64)
        remedy = f"{name}.sort_index()"
        return Times("integer", values, weak=weak, remedy=remedy), None
    if hasattr(frame, "columns"):
        polars = sys.modules["polars"]
        columns = [
            j
            for j, dtype in enumerate(frame.dtypes)
            if dtype == polars.Date or dtype == polars.Datetime
        ]
        if len(columns) == 1:
            column = frame.to_series(columns[0])
            if column.null_count():
                _refuse_no_time(name, int(column.is_null().arg_max()))
            values = _nanoseconds(column.to_numpy(), name)
            tz = getattr(column.dtype, "time_zone", None)
            remedy = f"{name}.sort({column.name!r})"
            times = Times("datetime", values, tz=tz, remedy=remedy, unit=None)
            return times, columns[0]
    return None, None


def _is_time(pandas, dtype):
    return dtype.kind == "M" or isinstance(dtype, pandas.PeriodDtype)


def _of_pandas(index, name, remedy):
    """The times of a DatetimeIndex or PeriodIndex."""
    missing = np.flatnonzero(index.isna())
    if missing.size:
        _refuse_no_time(name, int(missing[0]))
    if hasattr(index, "to_timestamp"):
        freq = index.dtype.name[len("period[") : -1]
        with _quiet():
            values = _nanoseconds(index.to_timestamp(how="start").to_numpy(), name)
        return Times("period", values, freq=freq, remedy=remedy)
    freq, unit, tz = index.freqstr, index.unit, None
    if index.tz is not None:
        tz, index = zone_name(index.tz, name), index.tz_convert(None)
    values = _nanoseconds(index.to_numpy(), name)
    return Times("datetime", values, tz=tz, freq=freq, remedy=remedy, unit=unit)


def _quiet():
    """A context in which pandas does not warn that periods of weekdays are to go."""
    return warnings.catch_warnings(action="ignore")


def _refuse_no_time(name, row):
    raise ValueError(f"Row {row} of {name} has no time. Leave it out.")


def _nanoseconds(values, name):
    """Values of datetime64 of any unit as int64 nanoseconds."""
    if values.dtype != "M8[ns]":
        years = values.astype("M8[Y]").astype(np.int64) + 1970
        bad = np.flatnonzero((years <= 1677) | (years >= 2262))
        if bad.size:
            raise ValueError(
                f"Row {bad[0]} of {name} is of the year {years[bad[0]]}. Times must lie"
                " between 1678 and 2261; number the rows by an integer index instead."
            )
        values = values.astype("M8[ns]")
    return values.astype(np.int64)


# Time zones --------------------------------------------------------------------------


def zone_name(tz, name):
    """What a tzinfo is called by: the name of a zone, or an offset like "+02:00"."""
    for text in (getattr(tz, "key", None), getattr(tz, "zone", None), str(tz)):
        try:
            zoneinfo.ZoneInfo(text)
            return text
        except (TypeError, ValueError, zoneinfo.ZoneInfoNotFoundError, OSError):
            continue
    offsets = [tz.utcoffset(datetime.datetime(2000, month, 1)) for month in (1, 7)]
    if offsets[0] != offsets[1]:
        raise ValueError(
            f"{name} has times in the zone {tz}, which has no name. Convert them: "
            "tz_convert('UTC')."
        )
    minutes = round(offsets[0].total_seconds() / 60)
    sign, minutes = "-" if minutes < 0 else "+", abs(minutes)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"


@functools.lru_cache(maxsize=64)
def _zone(tz):
    if tz[0] in "+-":
        minutes = int(tz[1:3]) * 60 + int(tz[4:6])
        offset = datetime.timedelta(minutes=-minutes if tz[0] == "-" else minutes)
        return datetime.timezone(offset)
    return zoneinfo.ZoneInfo(tz)


def _offsets(values, tz, *, local=False):
    """How many nanoseconds the clocks are ahead of UTC at each of some times.

    With `local` the times are those of the clocks. Only where the clocks of the days
    before and after differ are they asked more often than once a day.
    """
    zone = _zone(tz)

    def ask(blocks, length):
        offsets = np.empty(len(blocks), dtype=np.int64)
        for i, block in enumerate(blocks.tolist()):
            moment = EPOCH + datetime.timedelta(seconds=block * (length // SECOND))
            if local:
                moment = moment.replace(tzinfo=zone)
            else:
                moment = moment.astimezone(zone)
            offsets[i] = moment.utcoffset() // MICROSECOND * 1000
        return offsets

    days, inverse = np.unique(values // DAY, return_inverse=True)
    near = np.unique(np.concatenate([days - 1, days + 2]))
    at = ask(near, DAY)
    before, after = (at[np.searchsorted(near, days + k)] for k in (-1, 2))
    offsets = before[inverse]
    changing = np.flatnonzero((before != after)[inverse])
    if changing.size:
        quarter = 15 * MINUTE  # clocks change at full ones
        blocks, inverse = np.unique(values[changing] // quarter, return_inverse=True)
        offsets[changing] = ask(blocks, quarter)[inverse]
    return offsets


def _to_local(values, tz):
    return values if tz is None else values + _offsets(values, tz)


def _to_utc(values, tz):
    return values if tz is None else values - _offsets(values, tz, local=True)


def _label(kind, value, tz):
    """What messages call a time."""
    if kind == "integer":
        return str(value)
    local = int(_to_local(np.array([value]), tz)[0])
    units = {"D": DAY, "m": MINUTE, "s": SECOND, "ns": 1}
    unit = next(unit for unit, size in units.items() if local % size == 0)
    text = np.datetime_as_string(np.datetime64(local, "ns"), unit=unit)
    return str(text).replace("T", " ")


# The axis ----------------------------------------------------------------------------


class TimeAxis:
    """Regular times, numbered: those of a series are consecutive numbers.

    Attributes
    ----------
    kind : {"datetime", "period", "integer"}
        What told the times.
    tz : str or None
        The time zone.
    grid : {"step", "month", "weekday"}
        What is counted: nanoseconds (or integers), months, or the days from Monday to
        Friday.
    step : int
        How many of these make a step.
    origin : int
        The number of that which position 0 is.
    local : bool
        Whether they are counted on the clocks of the time zone.
    day : int
        The day of the month: 1 to 31, the last one in shorter months; 0 for the first
        weekday and -1 for the last. Of months only.
    time : int
        The time of the day in nanoseconds. Of months and weekdays only.
    period : str or None
        The frequency of the periods.
    unit : str or None
        The unit of pandas' labels; None for labels of NumPy.
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
    __slots__ = tuple(FIELDS)

    def __init__(self, **fields):
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
        with _quiet():
            try:
                if times.kind == "period":
                    index = pandas.period_range(start, periods=count, freq=times.freq)
                    index = index.to_timestamp(how="start")
                else:
                    if times.tz is not None:
                        start = start.tz_localize("UTC").tz_convert(_zone(times.tz))
                    index = pandas.date_range(start, periods=count, freq=times.freq)
                    if times.tz is not None:
                        index = index.tz_convert(None)
                values = _nanoseconds(index.to_numpy(), "")
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
            local = _to_local(values, times.tz)
            time, count = _mode(local % DAY)
            # A midnight that the clocks of a zone skip is told as one o'clock.
            if count == len(values) or (times.tz and count > 0.9 * len(values)):
                for axis in cls._infer_days(times, (local - time) // DAY, time):
                    if axis._misfit(values) is None:
                        return axis
        step = _common_step(values)
        return cls._make(times, "step", step, values[0]) if step else None

    @classmethod
    def _infer_days(cls, times, days, time):
        """Axes that days may lie on, the likelier one first."""
        if np.diff(days).min() >= 28:
            months = _months(days)
            step, day = _common_step(months), _day_of_month(days, months)
            if step and day is not None:
                return [cls._make(times, "month", step, months[0], True, day, time)]
        axes, rows = [], []
        if step := _common_step(days):
            origin = days[0] * DAY + time
            axes.append(cls._make(times, "step", step * DAY, origin, True))
            rows.append((days[-1] - days[0]) // step)
        numbers = _weekdays(days)
        if ((days + 3) % 7 < 5).all() and (step := _common_step(numbers)):
            # Without a weekend in between these are days like others.
            axes.append(cls._make(times, "weekday", step, numbers[0], True, 0, time))
            rows.append((numbers[-1] - numbers[0]) // step)
        return [axes[i] for i in np.argsort(rows, kind="stable")]

    def start_at(self, position):
        """Make this position number 0."""
        self.origin += position * self.step

    # Times and positions -----------------------------------------------------------

    def _before(self, values, phase=0):
        """The position of each time, or the last position before it."""
        if self.local:
            values = _to_local(values, self.tz)
        if self.grid == "step":
            return (values - (self.origin + phase)) // self.step
        days = (values - self.time) // DAY
        units = _months(days) if self.grid == "month" else _weekdays(days)
        return (units - self.origin) // self.step

    def _local(self, positions, phase=0):
        """The times of positions, on the clocks if these count."""
        units = np.asarray(positions, dtype=np.int64) * self.step + self.origin
        if self.grid == "step":
            return units + phase
        if self.grid == "weekday":
            days = units // 5 * 7 + units % 5 - 3
        else:
            days = _days(units, self.day)
        return days * DAY + self.time

    def values(self, positions, phase=0):
        """The times of positions, as `Times` has them."""
        local = self._local(positions, phase)
        return _to_utc(local, self.tz) if self.local else local

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
                first = _to_local(first, self.tz)
            phase = (int(first[0]) - self.origin) % self.step
        row = self._misfit(times.values, phase)
        if row is not None:
            start = times.label(0) if phase else self.label(0)
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

    def label(self, position):
        """What messages call the time of a position."""
        return _label(self.kind, int(self.values([position])[0]), self.tz)

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
            with _quiet():
                return index.to_period(self.period)
        index = index.as_unit(self.unit)
        if self.tz is not None:
            # By its name pandas finds the class of zones that it prefers.
            tz = _zone(self.tz) if self.tz[0] in "+-" else self.tz
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
        if self.step >= DAY:
            return {DAY: 7, 7 * DAY: 52}.get(self.step)
        for whole, most in ((DAY, 1440), (HOUR, 3600)):
            if whole % self.step == 0 and whole // self.step <= most:
                return whole // self.step
        return None

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
        if self.grid == "step" and self.step < DAY:
            # The rows of a day cannot tell more than half as many harmonics apart.
            n_harmonics = min(2, max(DAY // self.step // 2, 1))
            return [["hour", n_harmonics], ["dayofweek", 3]]
        days = self.step / DAY if self.grid == "step" else self.step * 7 / 5
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
            local = _to_local(local, self.tz)
        start = 0
        for cycle, n_harmonics in calendar:
            stop = start + 2 * n_harmonics
            out[:, start:stop] = _harmonics(cycle, local, n_harmonics)
            start = stop
        return out

    # Keeping it --------------------------------------------------------------------

    def get_state(self):
        """All of it, as a dict of plain values."""
        return {name: getattr(self, name) for name in self.FIELDS}

    @classmethod
    def from_state(cls, state):
        """The axis of which `get_state` gave the state."""
        check_types(state, cls.FIELDS, "time axis")
        return cls(**state)


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


def _months(days):
    """The months since 1970 of days since 1970."""
    return days.view("M8[D]").astype("M8[M]").astype(np.int64)


def _days(months, day):
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


def _day_of_month(days, months):
    """Which day of its month each of some days is, or None if they differ."""
    most = int((days - _days(months, 1)).max()) + 1
    for day in (31, most, 0, -1):
        if (days == _days(months, day)).all():
            return day
    return None


def _weekdays(days):
    """The numbers of days when only Monday to Friday count; weekends are Fridays."""
    days = days + 3
    return days // 7 * 5 + np.minimum(days % 7, 4)


def _refuse_irregular(times, name):
    """Say which row is the first one off the most frequent step."""
    steps = np.diff(times.values)
    step = _mode(steps)[0]
    row = int((steps % step != 0).argmax()) + 1
    found = int(steps[row - 1])
    remedy = "Bring them to one frequency, or number the rows by an integer index"
    if times.kind == "integer":
        found, step = str(found), str(step)
        remedy = f"If these are no times, use {name}.reset_index(drop=True)"
    else:
        found, step = _duration(found), _duration(step)
    raise ValueError(
        f"The times of {name} are irregular: row {row} ({times.label(row)}) comes "
        f"{found} after row {row - 1} ({times.label(row - 1)}), where most steps are "
        f"of {step}. Rows may be absent, but none may lie in between. {remedy}."
    )


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


def _harmonics(cycle, local, n_harmonics):
    """The waves of a cycle at times of the clocks."""
    if cycle == "dayofweek":
        return _table(7, n_harmonics).take((local // DAY + 3) % 7, axis=0)
    if cycle == "month":
        return _table(12, n_harmonics).take(_months(local // DAY) % 12, axis=0)
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
    return int(lags[peaks & (inner >= 0.9 * inner[peaks].max())][0])
