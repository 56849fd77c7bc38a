"""The times that the rows of tables have, as they were given.

Times are int64: nanoseconds since 1970, in UTC where there is a time zone, and the
labels themselves of an integer index.
"""

import datetime
import functools
import sys
import warnings
import zoneinfo

import numpy as np

from skrnn.inputs.calendar import DAY, HOUR, MINUTE, SECOND
from skrnn.inputs.time_levels import advice_on_levels
from skrnn.inputs.time_text import (
    TIME_NAMES,
    dates_of_text,
    is_like_dates,
    refuse_number_dates,
)

__all__ = [
    "Times",
    "clocks_change",
    "nanoseconds",
    "quiet",
    "time_label",
    "times_of",
    "to_local",
    "to_utc",
    "zone_name",
    "zone_of",
]

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
    is_default_range : bool
        Whether they are just the numbers of the rows: 0, 1, ...
    remedy : str
        How to sort the table.
    unit : str or None
        The unit that pandas has them in; None if they are not of pandas.
    """

    __slots__ = ("freq", "is_default_range", "kind", "remedy", "tz", "unit", "values")

    def __init__(
        self,
        kind,
        values,
        *,
        tz=None,
        freq=None,
        is_default_range=False,
        remedy="",
        unit="ns",
    ):
        self.kind = kind
        self.values = values
        self.tz = tz
        self.freq = freq
        self.is_default_range = is_default_range
        self.remedy = remedy
        self.unit = unit

    def __len__(self):
        return len(self.values)

    def label(self, row):
        """What messages call the time of a row."""
        return time_label(self.kind, int(self.values[row]), self.tz)

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
        put_back = ""
        if self.kind == "datetime" and self.tz is None:
            back, night = self.values[row - 1 : row + 1], 4 * HOUR
            if back[0] - back[1] <= HOUR and (back % DAY < night).all():
                put_back = (
                    " If the clocks were put back then, do not sort: name the zone, "
                    f"such as {name}.index.tz_localize('Europe/Berlin', "
                    "ambiguous='infer'), while the rows are in the order in which they "
                    "were recorded."
                )
        if self.values[row] == self.values[row - 1]:
            raise ValueError(
                f"{name} has two rows for the same time: rows {row - 1} and {row} are "
                f"both of {self.label(row)}. Keep one of them.{put_back}{several}"
            )
        if put_back:
            raise ValueError(
                f"{name} is not in the order of time: row {row} ({self.label(row)}) "
                f"comes after row {row - 1} ({self.label(row - 1)}).{put_back} "
                f"If they were not: Sort it first: {self.remedy}.{several}"
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
        return _times_of_pandas(pandas, frame, name)
    if hasattr(frame, "columns"):
        return _times_of_polars(sys.modules["polars"], frame, name)
    return None, None


def _times_of_pandas(pandas, frame, name):
    index = frame.index
    if isinstance(index, pandas.MultiIndex):
        raise ValueError(
            f"{name} has an index of {index.nlevels} levels. "
            + advice_on_levels(pandas, index, name)
        )
    index = _readable(pandas, index, f"{name}.index")
    if isinstance(index, pandas.DatetimeIndex | pandas.PeriodIndex):
        return _of_pandas(index, name, f"{name}.sort_index()"), None
    if frame.ndim == 2:
        columns = [
            j
            for j, dtype in enumerate(frame.dtypes)
            if _is_time(pandas, dtype) or _has_dates(pandas, frame.iloc[:, j])
        ]
        if len(columns) == 1:
            column = frame.iloc[:, columns[0]]
            where = f"{name}[{column.name!r}]"
            if isinstance(column.dtype, pandas.PeriodDtype):
                index = pandas.PeriodIndex(column)
            else:
                index = _readable(pandas, pandas.Index(column), where)
            remedy = f"{name}.sort_values({column.name!r})"
            return _of_pandas(index, name, remedy), columns[0]
    if index.dtype.kind not in "iu":
        return None, None
    return _times_of_numbers(pandas, frame, index, name), None


def _times_of_numbers(pandas, frame, index, name):
    """Return the times that an index of integers tells."""
    values = index.to_numpy().astype(np.int64)
    if not isinstance(index, pandas.RangeIndex):
        refuse_number_dates(values, f"{name}.index")
    if frame.ndim == 2:
        for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
            if dtype.kind in "iu" and str(column).lower() in TIME_NAMES:
                numbers = frame[column].to_numpy(dtype=float, na_value=0)
                where = f"{name}[{column!r}]"
                refuse_number_dates(np.unique(numbers).astype(np.int64), where)
    # As pandas makes them, or reads them from a file with index_col=0.
    default = bool((values == np.arange(len(values))).all())
    remedy = f"{name}.sort_index()"
    return Times("integer", values, is_default_range=default, remedy=remedy)


def _times_of_polars(polars, frame, name):
    columns = [
        j
        for j, dtype in enumerate(frame.dtypes)
        if dtype == polars.Date
        or dtype == polars.Datetime
        or (
            dtype == polars.String
            and is_like_dates(frame.to_series(j).drop_nulls().head(5).to_list())
        )
    ]
    if len(columns) != 1:
        return None, None
    column = frame.to_series(columns[0])
    if column.null_count():
        _refuse_no_time(name, int(column.is_null().arg_max()))
    if column.dtype == polars.String:
        where = f"{name}[{column.name!r}]"
        dates = dates_of_text(column.to_list(), where)
        values = _parsed(lambda: np.array(dates, dtype="M8[ns]"), where)
    else:
        values = column.to_numpy()
    values = nanoseconds(values, name)
    tz = getattr(column.dtype, "time_zone", None)
    remedy = f"{name}.sort({column.name!r})"
    times = Times("datetime", values, tz=tz, remedy=remedy, unit=None)
    return times, columns[0]


def _is_time(pandas, dtype):
    return dtype.kind == "M" or isinstance(dtype, pandas.PeriodDtype)


def _holds_text(pandas, dtype):
    """Whether a dtype is one of objects: of texts, of dates, or of anything else."""
    return dtype.kind == "O" or isinstance(
        dtype, pandas.StringDtype | pandas.CategoricalDtype
    )


def _has_dates(pandas, column):
    """Whether a column holds dates as text, or as objects."""
    if not _holds_text(pandas, column.dtype):
        return False
    some = column.iloc[:200].dropna().iloc[:5].tolist()
    return is_like_dates(some) or _are_dates(some)


def _are_dates(values):
    return bool(values) and all(isinstance(value, datetime.date) for value in values)


def _parsed(read, where):
    try:
        return read()
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{where} holds dates that cannot be read: {error}. Convert them first: "
            f"{where} = pd.to_datetime({where}, utc=True)."
        ) from error


def _readable(pandas, index, where):
    """An index of dates as pandas has it, whatever it was; refuse what is not clear.

    An index that does not tell times is returned as it is.
    """
    if isinstance(index, pandas.DatetimeIndex | pandas.PeriodIndex):
        return index
    dtype = index.dtype
    if dtype.kind == "M":
        return pandas.DatetimeIndex(index)
    if dtype.kind == "m":
        raise ValueError(
            f"{where} holds durations, which have no date. Convert them first: {where} "
            f"= pd.Timestamp('2000-01-01') + {where}."
        )
    if dtype.kind == "f":
        values = index.to_numpy(dtype=float, na_value=np.nan)
        if (values == np.rint(values)).all() and (np.abs(values) < 2**53).all():
            return pandas.Index(values.astype(np.int64))
        raise ValueError(
            f"{where} holds fractions. If they are seconds, convert them first: {where}"
            f" = pd.to_datetime({where}, unit='s'). If they are not times, use "
            f"{where.removesuffix('.index')}.reset_index(drop=True)."
        )
    if not _holds_text(pandas, dtype):
        return index
    values = index.to_numpy(dtype=object)
    some = [value for value in values[:200].tolist() if not pandas.isna(value)][:5]
    if is_like_dates(some):
        missing = np.flatnonzero(pandas.isna(values))
        if missing.size:
            _refuse_no_time(where, int(missing[0]))
        dates = dates_of_text(values.tolist(), where)
        return _parsed(lambda: pandas.to_datetime(dates, format="ISO8601"), where)
    if _are_dates(some):
        return _parsed(lambda: pandas.DatetimeIndex(pandas.to_datetime(values)), where)
    return index


def _of_pandas(index, name, remedy):
    """The times of a DatetimeIndex or PeriodIndex."""
    missing = np.flatnonzero(index.isna())
    if missing.size:
        _refuse_no_time(name, int(missing[0]))
    if hasattr(index, "to_timestamp"):
        freq = index.dtype.name[len("period[") : -1]
        with quiet():
            values = nanoseconds(index.to_timestamp(how="start").to_numpy(), name)
        return Times("period", values, freq=freq, remedy=remedy)
    freq, unit, tz = index.freqstr, index.unit, None
    if index.tz is not None:
        tz, index = zone_name(index.tz, name), index.tz_convert(None)
    values = nanoseconds(index.to_numpy(), name)
    return Times("datetime", values, tz=tz, freq=freq, remedy=remedy, unit=unit)


def quiet():
    """A context in which pandas does not warn that periods of weekdays are to go."""
    return warnings.catch_warnings(action="ignore")


def _refuse_no_time(name, row):
    raise ValueError(f"Row {row} of {name} has no time. Leave it out.")


def nanoseconds(values, name):
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
def zone_of(tz):
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
    zone = zone_of(tz)

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


@functools.lru_cache(maxsize=256)
def _offset_at(hours, tz):
    moment = EPOCH + datetime.timedelta(hours=hours)
    return moment.astimezone(zone_of(tz)).utcoffset()


def clocks_change(begin, end, tz):
    """Return whether the clocks of a zone may change between two times.

    They are asked each 30 days, since no zone changes its clocks and changes them back
    within fewer, but for a fast in some years, which does not count.
    """
    begin, end = begin // HOUR, -(-end // HOUR)
    asked = [*range(begin, end, 30 * 24), end]
    return len({_offset_at(hours, tz) for hours in asked}) > 1


def to_local(values, tz):
    return values if tz is None else values + _offsets(values, tz)


def to_utc(values, tz):
    return values if tz is None else values - _offsets(values, tz, local=True)


def time_label(kind, value, tz):
    """What messages call a time."""
    if kind == "integer":
        return str(value)
    local = int(to_local(np.array([value]), tz)[0])
    units = {"D": DAY, "m": MINUTE, "s": SECOND, "ns": 1}
    unit = next(unit for unit, size in units.items() if local % size == 0)
    text = np.datetime_as_string(np.datetime64(local, "ns"), unit=unit)
    return str(text).replace("T", " ")
