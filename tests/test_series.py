"""Every form of series is read as what it means, or refused with what to do."""

import datetime
import json
import pickle
import re
import subprocess
import sys
import textwrap
import warnings
import zoneinfo
from collections import UserList
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from quiet import no_warnings
from skrnn.inputs.calendar import estimate_season
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import Series
from skrnn.inputs.times import zone_name


def learn_rows(X, y, **options):
    schema, [series] = SeriesSchema.learn(X, y, **options)
    return schema, series


learn_panel = SeriesSchema.learn

nan = np.nan
N = 12
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(N, 3))
VALUES[4, 0] = VALUES[7, 2] = nan
Y = np.arange(N, dtype=float)
HOURS = pd.date_range("2024-03-30", periods=N, freq="h")


def objects(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def frame(values=VALUES, index=None, names="abc"):
    return pd.DataFrame(values, columns=list(names[: values.shape[1]]), index=index)


def nested(values):
    return [[None if np.isnan(v) else v for v in row] for row in values.tolist()]


def assert_same(a, b, *, calendar=True):
    """Two series have the same rows."""
    np.testing.assert_array_equal(a.y, b.y)
    np.testing.assert_array_equal(a.x, b.x)
    if calendar:
        np.testing.assert_array_equal(a.calendar, b.calendar)
    assert a.n_past == b.n_past
    for array in (a.y, a.x, a.calendar):
        assert array.dtype == np.float64 and array.flags.c_contiguous


def refuses(call, message, kind=ValueError):
    with pytest.raises(kind, match=re.escape(message)) as caught:
        call()
    return str(caught.value)


# --- forms of tables ----------------------------------------------------------------

TABLES = [
    np.asarray,
    np.asfortranarray,
    lambda v: v[::-1].copy()[::-1],
    lambda v: v.astype(object),
    lambda v: v.tolist(),
    nested,
    lambda v: [tuple(row) for row in v],
    lambda v: UserList(v.tolist()),
    lambda v: [[Decimal(x) for x in row] for row in v.tolist()],
    lambda v: np.ma.masked_invalid(v),
    lambda v: type("Lazy", (), {"__array__": lambda self, *a, **k: v})(),
    frame,
    lambda v: frame(v, index=list("lkjihgfedcba")),
    lambda v: frame(v, index=np.arange(N) * 1.0),
    lambda v: frame(v).astype(object),
    lambda v: frame(v).convert_dtypes(),
    lambda v: frame(v).astype("Float64"),
    lambda v: frame(v).astype(pd.SparseDtype(float)),
    lambda v: pl.DataFrame(v, schema=list("abc")),
    lambda v: pl.DataFrame(v, schema=list("abc")).fill_nan(None),
    lambda v: pl.DataFrame(
        {c: pl.Series(v[:, j].tolist(), dtype=pl.Object) for j, c in enumerate("abc")}
    ),
]


@pytest.mark.parametrize("form", TABLES)
def test_forms_of_covariates(form):
    y = np.arange(N, dtype=float)
    schema, series = learn_rows(form(VALUES), y)
    expected = Series(y[:, None], VALUES, np.empty((N, 0)), N)
    assert_same(series, expected)
    assert (schema.mode, schema.n_features_in, schema.n_targets) == ("rows", 3, 1)
    assert (schema.n_past_only, schema.n_known_future) == (0, 3)
    assert schema.target_is_1d and schema.target_names == [0]
    assert schema.time_kind in (None, "integer") and schema.freq is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that names come or go
        for other in TABLES:
            again = schema.read_rows(other(VALUES), y)
            assert_same(again, expected)


@pytest.mark.parametrize("form", TABLES)
def test_forms_of_targets(form):
    schema, series = learn_rows(None, form(VALUES))
    assert_same(series, Series(VALUES, np.empty((N, 0)), np.empty((N, 0)), N))
    assert schema.n_targets == 3 and not schema.target_is_1d
    assert schema.n_features_in == schema.n_covariates == 0
    if hasattr(form(VALUES), "columns"):
        assert schema.target_names == ["a", "b", "c"]


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        lambda y: y.astype(object),
        lambda y: y.tolist(),
        lambda y: [None if np.isnan(v) else v for v in y.tolist()],
        lambda y: pd.Series(y, name="load"),
        lambda y: pd.Series(y, dtype="Float64"),
        lambda y: pl.Series(y),
        lambda y: np.ma.masked_invalid(y),
    ],
)
def test_forms_of_one_target(form):
    y = VALUES[:, 0]
    expected = Series(y[:, None], np.empty((N, 0)), np.empty((N, 0)), N)
    schema, series = learn_rows(np.empty((N, 0)), form(y))
    assert_same(series, expected)
    assert schema.target_is_1d
    schema, panel = learn_panel(form(y))
    assert schema.target_is_1d and schema.n_targets == 1 and len(panel) == 1
    assert_same(panel[0], expected)
    schema, panel = learn_panel([form(y), form(y[:5])])
    assert schema.target_is_1d and [len(series) for series in panel] == [N, 5]
    assert panel[1].n_past == 4  # y[4] is unknown
    assert_same(schema.read_panel(form(y))[0], expected)


def test_a_column_of_targets_is_not_a_target():
    assert learn_rows(None, VALUES[:, 0])[0].target_is_1d
    assert not learn_rows(None, VALUES[:, :1])[0].target_is_1d
    assert not learn_rows(None, frame(VALUES[:, :1]))[0].target_is_1d
    assert not learn_panel(VALUES[:, :1])[0].target_is_1d
    assert learn_panel(frame(), target="b")[0].target_is_1d
    assert not learn_panel(frame(), target=["b"])[0].target_is_1d
    assert learn_panel(VALUES, target=-1)[0].target_names == [2]


@pytest.mark.parametrize("form", TABLES)
def test_forms_of_a_panel(form):
    tables = [form(VALUES), form(VALUES)]
    schema, panel = learn_panel(tables, target=[1], known_future=[2])
    assert (schema.mode, schema.n_features_in) == ("panel", 3)
    expected = Series(VALUES[:, [1]], VALUES[:, [0, 2]], np.empty((N, 0)), N)
    for series in panel + schema.read_panel(tuple(tables)):
        assert_same(series, expected)
    assert [series.name for series in panel] == ["X[0]", "X[1]"]


@pytest.mark.parametrize(
    "form, names",
    [
        (lambda P: np.stack(P), "X[{}]"),
        (lambda P: np.stack(P).astype(object), "X[{}]"),
        (objects, "X[{}]"),
        (tuple, "X[{}]"),
        (UserList, "X[{}]"),
        (lambda P: [p.tolist() for p in P], "X[{}]"),
        (lambda P: pd.Series(objects(P), index=[5, 5]), "X.iloc[{}]"),
        (lambda P: pd.Series(objects([p.tolist() for p in P])), "X.iloc[{}]"),
        (lambda P: pl.Series([p.tolist() for p in P]), "X[{}]"),
        (lambda P: pl.Series(np.stack(P)), "X[{}]"),
        (lambda P: np.ma.masked_invalid(np.stack(P)), "X[{}]"),
    ],
)
def test_containers(form, names):
    P = [VALUES, VALUES[::-1].copy()]
    schema, panel = learn_panel(form(P))
    assert schema.n_targets == 3 and not schema.target_is_1d
    for i, series in enumerate(panel):
        np.testing.assert_array_equal(series.y, P[i])
        assert series.name == names.format(i)


@pytest.mark.parametrize(
    "form",
    [
        list,
        objects,
        lambda P: [p.tolist() for p in P],
        lambda P: pd.Series(objects(P)),
        lambda P: pl.Series([p.tolist() for p in P]),
        lambda P: [P[0][:, None], *P[1:]],
        lambda P: [pd.Series(p) for p in P],
        lambda P: [pl.Series(p) for p in P],
    ],
)
def test_ragged_univariate_panel(form):
    P = [VALUES[:n, 1] for n in (12, 3, 7)]
    schema, panel = learn_panel(form(P))
    for p, series in zip(P, panel, strict=True):
        np.testing.assert_array_equal(series.y, p[:, None])


def test_what_two_dimensions_mean():
    # An array is one series, lists of numbers are univariate ones.
    assert len(learn_panel(VALUES)[1]) == 1
    assert len(learn_panel(VALUES.tolist())[1]) == N
    assert len(learn_panel([VALUES.tolist()])[1]) == 1


def test_nothing_given_is_changed_or_kept():
    X, y = VALUES.copy(), np.arange(N, dtype=float)
    for array in (X, y):
        array.flags.writeable = False
    schema, series = learn_rows(X, y)
    series.x[:] = series.y[:] = 0
    schema, panel = learn_panel([X, X])
    read = schema.read_panel([X])[0]
    panel[0].y[:] = read.y[:] = 0
    np.testing.assert_array_equal(X, VALUES)
    assert series.x.base is not X and read.y.base is not X


# --- columns ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known_future, past, future",
    [
        ("auto", "", "abc"),
        ("all", "", "abc"),
        (None, "abc", ""),
        ([], "abc", ""),
        (["c", "a"], "b", "ac"),
        ("b", "ac", "b"),
        (1, "ac", "b"),
        ([-1], "ab", "c"),
        (np.array([0, 2]), "b", "ac"),
        ([True, False, False], "bc", "a"),
        (np.array([False, True, True]), "a", "bc"),
        (slice(1, None), "a", "bc"),
        (lambda X: [c for c in X.columns if c != "b"], "b", "ac"),
        (pd.Index(["a"]), "bc", "a"),
    ],
)
def test_known_future(known_future, past, future):
    schema, series = learn_rows(frame(), np.arange(N), known_future=known_future)
    assert schema.covariate_names == [*past, *future]
    assert (schema.n_past_only, schema.n_known_future) == (len(past), len(future))
    expected = frame()[[*past, *future]].to_numpy().copy()
    np.testing.assert_array_equal(series.x, expected)
    positions, x, _ = schema.read_future(frame())
    expected[:, : len(past)] = nan
    np.testing.assert_array_equal(x, expected)


def test_panels_know_no_future_unless_told():
    schema, _ = learn_panel([frame()], target="a")
    assert (schema.n_past_only, schema.n_known_future) == (2, 0)
    schema, _ = learn_panel([frame()], target="a", known_future="all")
    assert (schema.n_past_only, schema.n_known_future) == (0, 2)
    schema, _ = learn_panel([frame()], known_future=["b"])
    assert schema.target_names == ["a", "c"] and schema.covariate_names == ["b"]
    X = frame().assign(b=1.0)
    schema, _ = learn_panel([X], known_future=["b"], static="b")
    assert schema.roles == ["target", "static", "target"]


KINDS = ["red", "blue", None, "red", "green", nan]


@pytest.mark.parametrize(
    "form",
    [
        lambda k: pd.DataFrame({"n": range(6), "kind": pd.Series(k, dtype="category")}),
        lambda k: pd.DataFrame({"n": range(6), "kind": pd.Series(k, dtype=object)}),
        lambda k: pd.DataFrame({"n": range(6), "kind": pd.Series(k, dtype="string")}),
        lambda k: pd.DataFrame({"n": range(6), "kind": k}),
        lambda k: pl.DataFrame(
            {"n": range(6), "kind": [v if isinstance(v, str) else None for v in k]}
        ),
        lambda k: pl.DataFrame(
            {"n": range(6), "kind": [v if isinstance(v, str) else None for v in k]}
        ).with_columns(pl.col("kind").cast(pl.Categorical)),
        lambda k: pl.DataFrame(
            {"n": range(6), "kind": [v if isinstance(v, str) else None for v in k]}
        ).with_columns(pl.col("kind").cast(pl.Enum(["pink", "red", "green", "blue"]))),
    ],
)
def test_categories_by_dtype(form):
    expected = [[0, 0, 0, 1], [1, 1, 0, 0], [2, 0, 0, 0]]
    expected += [[3, 0, 0, 1], [4, 0, 1, 0], [5, 0, 0, 0]]
    schema, series = learn_rows(form(KINDS), np.arange(6))
    names = ["n", "kind=blue", "kind=green", "kind=red"]
    assert schema.covariate_names == names
    np.testing.assert_array_equal(series.x, expected)
    # One that fit never saw is unknown, and so is one that is no value at all.
    new = pd.DataFrame({"n": [1, 2, 3], "kind": pd.Series(["grey", [], "red"])})
    np.testing.assert_array_equal(
        schema.read_future(new)[1], [[1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 1]]
    )
    assert json.loads(json.dumps(schema.categories)) == schema.categories


def test_categories_by_name():
    X = np.array([[3.0, 1.0], [1.0, 0.0], [nan, 1.0], [3.0, 1.0]])
    for option in (0, [0], [True, False], lambda X: [0]):
        schema, series = learn_rows(X, np.arange(4), categorical_features=option)
        assert schema.categories == [[1.0, 3.0], None]
        np.testing.assert_array_equal(
            series.x, [[1, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1]]
        )
    assert schema.covariate_names == ["x1", "x0=1.0", "x0=3.0"]
    assert schema.read_future([[3, 0]])[1].tolist() == [[0, 0, 1]]  # an int is the same
    X = np.array([["u", 1.0], ["v", 2.0], ["u", 3.0]], dtype=object)
    schema, series = learn_rows(X, np.arange(3), categorical_features=[0])
    np.testing.assert_array_equal(series.x, [[1, 1, 0], [2, 0, 1], [3, 1, 0]])
    mixed = pd.DataFrame({"a": [1, "u", True, np.int8(2)]}, dtype=object)
    schema, _ = learn_rows(mixed, np.arange(4))
    assert schema.categories == [[1, 2, "u"]]
    assert type(schema.categories[0][1]) is int


def test_numbers_are_no_categories():
    X = pd.DataFrame(
        {
            "object": pd.Series([1, 2.5, None, Decimal(3)], dtype=object),
            "bool": [True, False, True, True],
            "masked": pd.Series([1, None, 0, 1], dtype="boolean"),
            "empty": pd.Series([None] * 4, dtype=object),
        }
    )
    schema, series = learn_rows(X, np.arange(4))
    assert schema.categories == [None] * 4
    expected = [[1, 1, 1, nan], [2.5, 0, nan, nan], [nan, 1, 0, nan], [3, 1, 1, nan]]
    np.testing.assert_array_equal(series.x, expected)
    X = pl.DataFrame({"b": [True, None, False], "d": [Decimal("1.5"), None, None]})
    _, series = learn_rows(X, np.arange(3))
    np.testing.assert_array_equal(series.x, [[1, 1.5], [nan, nan], [0, nan]])
    X = pd.DataFrame({"a": pd.Categorical([3, 1, 3])})
    _, series = learn_rows(X, np.arange(3), categorical_features=None)
    assert series.x.ravel().tolist() == [3, 1, 3]


def test_order_of_covariates():
    X = pd.DataFrame(
        {
            "f": [1.0, 2.0],
            "F": ["u", "v"],
            "s": [7.0, nan],
            "P": ["x", "y"],
            "p": [3.0, 4.0],
        }
    )
    schema, series = learn_rows(X, [0, 1], known_future=["f", "F"], static="s")
    names = ["p", "P=x", "P=y", "f", "s", "F=u", "F=v"]
    assert schema.covariate_names == names
    assert (schema.n_past_only, schema.n_known_future) == (3, 4)
    np.testing.assert_array_equal(
        series.x, [[3, 1, 0, 1, 7, 1, 0], [4, 0, 1, 2, 7, 0, 1]]
    )
    _, x, _ = schema.read_future(X[:1])
    np.testing.assert_array_equal(x, [[nan, 0, 0, 1, 7, 1, 0]])


def test_static_columns_fill_all_rows():
    a = pd.DataFrame({"y": [1, 2, 3], "area": [nan, 5, nan], "city": [None, "A", None]})
    b = pd.DataFrame({"y": [1, 2, nan], "area": [nan, nan, 2], "city": ["B"] * 3})
    schema, panel = learn_panel([a, b], target="y", static=["area", "city"])
    assert (schema.n_past_only, schema.n_known_future) == (0, 3)
    np.testing.assert_array_equal(panel[0].x, [[5, 1, 0]] * 3)
    np.testing.assert_array_equal(panel[1].x, [[2, 0, 1]] * 3)
    assert panel[1].n_past == 2
    for series in (schema.extend(panel[0], 2), schema.read_panel([a], 2)[0]):
        np.testing.assert_array_equal(series.x, [[5, 1, 0]] * 5)
        assert np.isnan(series.y[3:]).all()
    c = a.assign(city=["A", "A", "B"])
    refuses(lambda: schema.read_panel([b, c]), "Column 'city' of X[1] is static")
    c = a.assign(area=[5, 5, 6])
    message = (
        "Column 'area' of X[1] is static, but its values differ: it changes in row 2."
    )
    refuses(lambda: learn_panel([b, c], target="y", static=["area"]), message)
    # A constant that fit never saw is no reason to refuse.
    assert not schema.read_panel([a.assign(city="C")])[0].x[:, 1:].any()


class Poison:
    """A value that must not be read."""

    def __float__(self):
        raise AssertionError("was read")

    __eq__ = __bool__ = __hash__ = __int__ = __float__

    def __str__(self):
        raise AssertionError("was read")

    __repr__ = __str__


@pytest.mark.parametrize("bad", [Poison(), "?", nan, np.inf, 1j, None, pd.NaT])
@pytest.mark.parametrize("form", ["frame", "objects", "lists", "polars"])
def test_past_only_columns_are_never_read_in_the_future(form, bad):
    clean = objects([1.0, 2.0, 3.0, 4.0, nan, nan])
    garbage = objects([1.0, 2.0, 3.0, 4.0, bad, bad])
    kinds = objects(["u", "v", "u", "v", bad, bad])
    known = objects([7.0, 8.0, 9.0, 10.0, 11.0, 12.0])

    def table(target, *columns):
        if form == "frame":
            columns = dict(zip("tpkf", [target, *columns], strict=True))
            return pd.DataFrame(columns, dtype=object)
        if form == "polars":
            columns = dict(zip("tpkf", [target, *columns], strict=True))
            return pl.DataFrame(
                {c: pl.Series(list(v), dtype=pl.Object) for c, v in columns.items()}
            )
        array = np.stack([target, *columns], axis=1)
        return array if form == "objects" else [list(row) for row in array]

    options = {"known_future": [3], "categorical_features": [2]}
    X = table(clean, garbage, kinds, known)
    expected = [[1, 1, 0, 7], [2, 0, 1, 8], [3, 1, 0, 9], [4, 0, 1, 10]]
    expected += [[nan, 0, 0, 11], [nan, 0, 0, 12]]
    schema, panel = learn_panel([X], target=0, **options)
    for series in (panel[0], schema.read_panel([X])[0]):
        assert series.n_past == 4
        np.testing.assert_array_equal(series.x, expected)

    if form in ("frame", "polars"):  # what the dtype says
        options.pop("categorical_features")
        schema, panel = learn_panel([X], target=0, **options)
        np.testing.assert_array_equal(panel[0].x, expected)

    # In rows mode the future is another table.
    options["categorical_features"] = [2]
    past, future = slice(0, 4), slice(4, 6)
    X = table(known[past], garbage[past], kinds[past], known[past])
    schema, _ = learn_rows(X, np.arange(4), **options)
    X_future = table(garbage[future], garbage[future], kinds[future], known[future])
    series = schema.read_rows(X, np.arange(4), X_future)
    np.testing.assert_array_equal(series.x[:, 1:], expected)
    _, x, _ = schema.read_future(X_future)
    np.testing.assert_array_equal(x[:, 1:], expected[4:])


# --- the time index -----------------------------------------------------------------

FREQS = "15min h 7h D 2D W-SUN W-WED 2W-TUE B 2B MS ME 2MS QS QE QS-FEB QE-JAN YS YE "
FREQS += "YE-JUN BMS BME BQE s 90s ms us"


@pytest.mark.parametrize("tz", [None, "UTC", "Europe/Berlin", "+05:30"])
@pytest.mark.parametrize("freq", FREQS.split())
def test_frequencies(freq, tz):
    index = pd.date_range("1995-01-20", periods=22, freq=freq, tz=tz)
    canonical = {"QS-FEB": "QS-FEB", "QS": "QS-JAN", "QE": "QE-DEC", "2MS": "2MS"}
    canonical |= {"QE-JAN": "QE-OCT", "YS": "YS-JAN", "YE": "YE-DEC", "BQE": "BQE-DEC"}
    gaps = np.delete(np.arange(22), [3, 4, 11, 18, 20])
    for rows in (np.arange(22), gaps):
        some = index
        if rows is gaps:
            some = pd.DatetimeIndex(list(index[rows])).as_unit(index.unit)
        assert (some.freq is None) == (rows is gaps)
        schema, series = learn_rows(None, pd.Series(rows, some, dtype=float))
        assert schema.freq == canonical.get(freq, freq)
        assert schema.time_kind == "datetime"
        assert len(series) == series.n_past == schema.next_position == 22
        np.testing.assert_array_equal(series.y[rows, 0], rows)
        assert np.isnan(np.delete(series.y, rows)).all()
        labels = schema.labels(series, 0, 22)
        assert labels.equals(index) and labels.dtype == index.dtype
        later = pd.date_range(index[0], periods=30, freq=freq)[22:]
        assert schema.labels(series, 22, 30).equals(later)
        positions, _, _ = schema.read_future(pd.DataFrame(index=later[2:]))
        assert positions.tolist() == list(range(24, 30))


@pytest.mark.parametrize(
    "freq", "M D h 15min W-SUN W-WED Q-DEC Q-NOV Y-DEC 2D B".split()
)
def test_periods(freq):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # periods of weekdays are to go
        index = pd.period_range("2015-01-20", periods=40, freq=freq)
    rows = np.delete(np.arange(40), [1, 2, 30])
    schema, series = learn_rows(None, pd.Series(rows, index[rows], dtype=float))
    assert schema.freq == freq and schema.time_kind == "period"
    np.testing.assert_array_equal(series.y[rows, 0], rows)
    labels = schema.labels(series, 0, 40)
    assert labels.equals(index) and labels.dtype == index.dtype
    if freq != "h":
        return
    series = schema.read_rows(None, pd.Series([1.0], index[-1:]))
    assert series.position == 39
    # One row is enough to know the frequency.
    schema, series = learn_rows(None, pd.Series([1.0], index[:1]))
    assert schema.labels(series, 1, 2).equals(index[1:2])


@pytest.mark.parametrize(
    "index", [range(5, 65, 5), pd.RangeIndex(-3, 9), np.arange(12)]
)
def test_integer_index(index):
    index = pd.Index(index)
    rows = np.delete(np.arange(N), [2, 3, 7])
    schema, series = learn_rows(None, pd.Series(rows, index[rows], dtype=float))
    assert schema.time_kind == "integer" and schema.freq is None
    np.testing.assert_array_equal(series.y[rows, 0], rows)
    np.testing.assert_array_equal(schema.labels(series, 0, N), index)
    positions, _, calendar = schema.read_future(pd.DataFrame(index=index[[4, 6]]))
    assert positions.tolist() == [4, 6] and calendar.shape == (2, 0)


def test_other_indexes_tell_nothing():
    for index in (list("abcdefghijkl"), [f"shop {i}-{i}" for i in range(N)]):
        schema, series = learn_rows(None, pd.Series(range(N), index))
        assert schema.time_kind is None
        assert schema.labels(series, N, N + 2).tolist() == [N, N + 1]


def test_which_index_counts():
    y = np.arange(N, dtype=float)
    dated, plain = frame(index=HOURS), frame()
    for X, target in [
        (dated, y),
        (dated, pd.Series(y)),
        (dated, pd.Series(y, HOURS)),
        (dated, pl.Series(y)),
        (plain, pd.Series(y, HOURS)),
        (VALUES, pd.Series(y, HOURS)),
        (VALUES, pd.DataFrame({"y": y}, HOURS)),
        (VALUES, pd.DataFrame({"when": HOURS, "y": y})),
        (VALUES, pl.DataFrame({"when": HOURS.to_numpy(), "y": y})),
        (None, pd.Series(y, HOURS)),
    ]:
        schema, series = learn_rows(X, target)
        assert (schema.freq, schema.time_kind) == ("h", "datetime")
        assert_same(series, learn_rows(X, pd.Series(y, HOURS))[1])
    offset = pd.RangeIndex(7, 7 + N)
    assert learn_rows(plain, pd.Series(y, offset))[0]._axis.origin == 7
    assert learn_rows(frame(index=offset), pd.Series(y))[0]._axis.origin == 7
    assert learn_rows(plain, pd.Series(y))[0]._axis.origin == 0
    message = "X and y have different indexes: row 3 is 2024-03-30 03:00 in X, but"
    other = HOURS.delete(3).append(HOURS[-1:] + pd.Timedelta("1h"))
    refuses(lambda: learn_rows(dated, pd.Series(y, other)), message)
    message = "X and y have indexes of different types, datetime and integer"
    refuses(lambda: learn_rows(dated, pd.Series(y, offset)), message)
    message = "or one has a time zone"
    refuses(lambda: learn_rows(dated, pd.Series(y, HOURS.tz_localize("UTC"))), message)
    # The same moments are the same, wherever.
    zone, utc = (HOURS.tz_localize("UTC").tz_convert(z) for z in ("Asia/Tokyo", "UTC"))
    schema, _ = learn_rows(frame(index=zone), pd.Series(y, utc))
    assert schema._axis.tz == "Asia/Tokyo"


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("form", ["pandas", "grouped", "polars", "period", "pyarrow"])
def test_a_column_of_dates_is_the_index(form, tz):
    when = HOURS.tz_localize(tz)
    X = frame().assign(when=when)[["a", "when", "b", "c"]]
    if form == "grouped":  # as groupby leaves it
        X.index = np.arange(N) * 3 + 1
    if form == "polars":
        X = X.assign(when=HOURS)
        X = pl.DataFrame({c: X[c].to_numpy() for c in X})
        X = X.with_columns(pl.col("when").dt.replace_time_zone(tz))
    if form == "period":
        when = HOURS  # in no zone
        X["when"] = when.to_period("h")
    if form == "pyarrow":
        pytest.importorskip("pyarrow")
        unit = "us" if tz is None else f"us, tz={tz}"
        X["when"] = X["when"].astype(f"timestamp[{unit}][pyarrow]")
    schema, series = learn_rows(X, np.arange(N))
    assert schema.roles == ["future", "time", "future", "future"]
    assert schema.n_features_in == 4
    assert schema.feature_names == ["a", "when", "b", "c"]
    expected, reference = learn_rows(frame(index=when), np.arange(N))
    assert_same(series, reference)
    assert schema.freq == "h" and schema.season == 24
    labels = schema.labels(series, 0, N)
    if form == "polars":
        utc = when if tz is None else when.tz_convert(None)
        np.testing.assert_array_equal(labels, utc.to_numpy())
    elif form == "period":
        assert labels.equals(when.to_period("h"))
    else:
        assert (labels == when).all() and labels.tz == when.tz
    assert schema.read_future(X[2:4])[0].tolist() == [2, 3]
    schema, panel = learn_panel([X, X[2:]])
    assert schema.roles == ["target", "time", "target", "target"]
    assert [series.position for series in panel] == [0, 2]


def test_dates_of_polars():
    X = pl.DataFrame(
        {
            "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 9), eager=True),
            "y": np.arange(9.0),
        }
    )
    schema, panel = learn_panel(X.filter(pl.col("y") != 4))
    assert schema.freq == "D" and np.isnan(panel[0].y[4])
    assert schema.labels(panel[0], 9, 10) == np.array(["2024-01-10"], "M8[ns]")


def test_two_columns_of_dates_are_no_index():
    X = frame().assign(when=HOURS, then=HOURS)
    message = "There are times in column 'when' of X, not numbers."
    refuses(lambda: learn_rows(X, np.arange(N)), message)
    X = pl.DataFrame({"a": HOURS.to_numpy(), "b": HOURS.to_numpy()})
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'a' of X")
    X = frame(index=HOURS).assign(when=HOURS)
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'when'")
    X = pd.DataFrame({"a": pd.to_timedelta(np.arange(N), unit="h")})
    refuses(lambda: learn_rows(X, np.arange(N)), "There are times in column 'a' of X")


def test_days_on_the_clocks_of_a_zone():
    days = pd.date_range("2024-03-28", periods=6, tz="Europe/Berlin")
    schema, series = learn_rows(None, pd.Series(range(6), days))
    assert len(series) == 6 and schema.freq == "D"
    # From a summer too, when fit saw none; and moments told in another zone.
    later = pd.date_range("2024-03-28", periods=300, tz="Europe/Berlin")[[200, 299]]
    for index in (later, later.tz_convert("UTC")):
        positions, _, _ = schema.read_future(pd.DataFrame(index=index))
        assert positions.tolist() == [200, 299]
    # Every 24 hours, whatever the clocks say, is another frequency.
    hours = pd.date_range("2024-03-28", periods=6, freq="24h", tz="UTC")
    hours = hours.tz_convert("Europe/Berlin")
    schema, series = learn_rows(None, pd.Series(range(6), hours))
    assert len(series) == 6
    assert schema.labels(series, 0, 6).equals(hours)
    # A midnight that the clocks skip is one o'clock.
    days = pd.date_range("2018-10-20", "2018-11-20")
    days = days.tz_localize("America/Sao_Paulo", nonexistent="shift_forward")
    assert days.hour.max() == 1
    schema, series = learn_rows(None, pd.Series(range(len(days)), days))
    assert len(series) == len(days) and schema.freq == "D"
    assert schema.labels(series, 0, len(days)).equals(days)


@pytest.mark.parametrize("step", ["h", "D"])
def test_hours_through_a_change_of_clocks(step):
    for zone in (
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
    ):
        index = pd.date_range("2023-02-01", "2024-01-20", freq=step, tz=zone)
        names = ["hour", "dayofweek", "dayofyear", "month"]
        y = pd.Series(np.arange(len(index), dtype=float), index)
        schema, series = learn_rows(None, y, calendar=names)
        assert len(series) == len(index)
        turns = {
            "hour": (index.hour * 60 + index.minute) / 1440,
            "dayofweek": index.day_of_week / 7,
            "dayofyear": (index.day_of_year - 1) / (365 + index.is_leap_year),
            "month": (index.month - 1) / 12,
        }
        for name, turn in turns.items():
            for wave in (np.sin, np.cos):
                column = schema.calendar_names.index(f"{wave.__name__}({name})")
                np.testing.assert_allclose(
                    series.calendar[:, column], wave(2 * np.pi * turn), atol=1e-12
                )


def test_weekdays_and_days():
    days = pd.date_range("2024-01-01", periods=30)
    weekdays = days[days.day_of_week < 5]
    for index, freq, n in [
        (days, "D", 30),
        (weekdays, "B", len(weekdays)),
        (weekdays.delete([3, 7, 8]), "B", len(weekdays)),  # holidays
        (weekdays[:5], "D", 5),  # no weekend yet
        (days.delete([5, 6, 12, 13, 19]), "D", 30),
        (days[[0, 7, 14, 28]], "W-MON", 5),
    ]:
        index = pd.DatetimeIndex(list(index))
        schema, series = learn_rows(None, pd.Series(range(len(index)), index))
        assert (schema.freq, len(series)) == (freq, n)
    schema, _ = learn_rows(None, pd.Series(range(len(weekdays)), weekdays))
    message = "Row 0 of X (2024-02-17) is off the times seen in fit: 2024-01-01, and"
    saturday = pd.DataFrame(index=pd.DatetimeIndex(["2024-02-17"]))
    assert "'B'" in refuses(lambda: schema.read_future(saturday), message)


@pytest.mark.parametrize("day", [2, 15, 29, 30])
def test_days_of_months(day):
    starts = pd.date_range("2023-01-01", periods=14, freq="MS")
    days = [start.replace(day=min(day, start.days_in_month)) for start in starts]
    index = pd.DatetimeIndex(days)
    schema, series = learn_rows(None, pd.Series(range(12), index[:12]))
    assert (schema.freq, schema.season, len(series)) == (f"M[{day}]", 12, 12)
    assert (schema.labels(series, 0, 14) == index).all()


def test_few_or_odd_dates():
    # One date tells no frequency, and so nothing.
    schema, series = learn_rows(None, pd.Series([1.0], HOURS[[3]]))
    assert schema.time_kind is None and series.position == 0
    assert learn_rows(None, pd.Series([1.0], HOURS[:1]))[0].freq == "h"
    assert learn_rows(None, pd.Series([1.0], [7]))[0].time_kind == "integer"
    # Nor do all frequencies of pandas have a fixed step.
    fridays = pd.date_range("2024-01-01", periods=9, freq="WOM-3FRI")
    message = "The times of y are irregular: row 3 (2024-04-19) comes 35D after row 2"
    refuses(lambda: learn_rows(None, pd.Series(range(9), fridays)), message)
    # Near the end of all times, what pandas says of more of them is not asked for.
    last = pd.date_range("2260-01-31", periods=5, freq="QE")
    assert learn_rows(None, pd.Series(range(5), last))[0].freq == "QE-DEC"


def test_zones():
    dateutil = pytest.importorskip("dateutil.tz")
    for zone, name in [
        (datetime.UTC, "UTC"),
        (datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)), "-03:30"),
        (dateutil.tzoffset("some", 7200), "+02:00"),
        (zoneinfo.ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
    ]:
        index = HOURS.tz_localize(zone)
        schema, series = learn_rows(None, pd.Series(Y, index))
        assert schema._axis.tz == name
        assert (schema.labels(series, 0, N) == index).all()

    class Nameless(datetime.tzinfo):
        def utcoffset(self, when):
            return datetime.timedelta(hours=1 + (when.month == 7))

    refuses(lambda: zone_name(Nameless(), "X"), "X has times in the zone <")


@pytest.mark.parametrize("freq", ["h", "D", "B", "ME", "QS", "W-SUN"])
def test_absent_rows_are_unknown_ones(freq):
    index = pd.date_range("2022-01-03", periods=40, freq=freq)
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=40), "b": ["u", "v"] * 20}, index)
    y = pd.Series(rng.normal(size=40), index)
    for rows in ([3], [10, 11, 12, 30], range(20, 36)):
        rows = index[list(rows)]
        blank, hole = X.copy(), y.copy()
        blank.loc[rows], hole[rows] = None, nan
        schema, series = learn_rows(blank, hole, known_future=["a"])
        other, shorter = learn_rows(X.drop(rows), y.drop(rows), known_future=["a"])
        assert_same(series, shorter)
        assert schema.get_state() == other.get_state()
        assert_same(
            schema.read_rows(blank, hole), schema.read_rows(X.drop(rows), y.drop(rows))
        )
        both = X.assign(y=y)
        schema, panel = learn_panel(blank.assign(y=hole), target="y")
        other, shorter = learn_panel(both.drop(rows), target="y")
        assert_same(panel[0], shorter[0])
        assert_same(schema.read_panel(both.drop(rows))[0], shorter[0])


def test_panels_share_one_axis():
    parts = [slice(4, 12), slice(0, 3), slice(6, 7)]
    schema, panel = learn_panel([frame(index=HOURS)[part] for part in parts])
    assert [series.position for series in panel] == [4, 0, 6]
    assert schema.next_position == 12 and schema.freq == "h"
    for part, series in zip(parts, panel, strict=True):
        assert schema.labels(series, 0, len(series)).equals(HOURS[part])
    # Also before, and between the times of others.
    early = pd.DatetimeIndex(["2023-12-31 22:30", "2024-01-01 00:30"])
    series = schema.read_panel([frame(VALUES[:2], early)])[0]
    assert len(series) == 3 and series.position < 0
    labels = schema.labels(series, 0, 4)
    assert labels.equals(pd.date_range(early[0], periods=4, freq="h"))
    column = schema.calendar_names.index("cos(hour)")
    np.testing.assert_allclose(
        series.calendar[:, column], np.cos(np.pi * np.array([22.5, 23.5, 24.5]) / 12)
    )
    # Numbers of the rows of a long table: each third is of one series.
    long = pd.DataFrame({"id": list("abc") * 10, "y": np.arange(30.0)})
    groups = [g[["y"]] for _, g in long.groupby("id")]
    schema, panel = learn_panel(groups)
    assert [len(series) for series in panel] == [10, 10, 10]
    assert schema.labels(panel[1], 0, 3).tolist() == [1, 4, 7]
    long = long.sort_values("id", kind="stable").reset_index(drop=True)
    groups = [g[["y"]] for _, g in long.groupby("id")]
    assert [len(series) for series in learn_panel(groups)[1]] == [10, 10, 10]


def test_panels_of_different_indexes():
    dated, plain = frame(index=HOURS), frame()
    message = "The times of X[0] are of the kind datetime, but X[1] has no such times."
    refuses(lambda: learn_panel([dated, plain]), message)
    message = "The times of X[1] are of the kind datetime, but X[0] has no such times."
    refuses(lambda: learn_panel([plain, dated]), message)
    refuses(lambda: learn_panel([VALUES, dated]), message)
    refuses(
        lambda: learn_panel([dated, frame(index=HOURS.to_period())]), "kind datetime"
    )
    # Numbers of rows are as good as none.
    assert learn_panel([plain, VALUES])[0].time_kind is None
    assert learn_panel([plain, frame(index=np.arange(N) + 5)])[0].time_kind == "integer"


def test_rows_without_an_index_are_the_next_ones():
    y = pd.Series(np.arange(N, dtype=float), HOURS)
    schema, _ = learn_rows(frame(index=HOURS), y)
    expected = schema.calendar_at(N, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that names are missing
        offset = pd.RangeIndex(30, 35)
        forms = [np.asarray, frame, lambda v: frame(v, offset), lambda v: v.tolist()]
        for form in forms:
            positions, x, calendar = schema.read_future(form(VALUES[:5]))
            assert positions is None
            np.testing.assert_array_equal(x, VALUES[:5])
            np.testing.assert_array_equal(calendar, expected)
        series = schema.read_rows(VALUES[:3], [1, 2, 3], VALUES[3:5])
        assert (series.position, series.n_past, len(series)) == (N, 3, 5)
        np.testing.assert_array_equal(series.calendar, expected)
        schema.next_position = 2
        np.testing.assert_array_equal(
            schema.read_future(VALUES[:5])[2], schema.calendar_at(2, 5)
        )
        schema.next_position = N
        # The history of what has an index ends before it.
        series = schema.read_rows(VALUES[:3], [1, 2, 3], frame(index=HOURS)[7:])
        assert series.position == 4 and len(series) == 8
        series = schema.read_rows(frame(index=HOURS)[2:5], [1, 2, 3], VALUES[:4])
        assert series.position == 2 and len(series) == 7
    schema, _ = learn_panel([y, y])
    assert schema.read_panel([y.to_numpy()])[0].position == N
    schema, _ = learn_panel([y.to_numpy(), [1.0]])
    assert schema.read_panel([[1.0, 2.0]])[0].position == 0


# --- reading ------------------------------------------------------------------------


def test_read_rows():
    y = pd.Series(np.arange(N, dtype=float), HOURS)
    X = frame(index=HOURS)
    schema, whole = learn_rows(X, y, known_future=["b"])
    series = schema.read_rows(X[:6], y[:6], X[6:])
    assert (len(series), series.n_past, series.position) == (N, 6, 0)
    np.testing.assert_array_equal(series.y[:6], whole.y[:6])
    assert np.isnan(series.y[6:]).all() and np.isnan(series.x[6:, :2]).all()
    np.testing.assert_array_equal(series.x[:6], whole.x[:6])
    np.testing.assert_array_equal(series.x[6:, 2], whole.x[6:, 2])
    np.testing.assert_array_equal(series.calendar, whole.calendar)

    # A gap before the future, fewer future rows than wanted, a hole in them.
    series = schema.read_rows(X[:6], y[:6], X.iloc[[8, 10]], n_future=9)
    assert len(series) == 15 and series.n_past == 6
    expected = np.full(9, nan)
    expected[[2, 4]] = VALUES[[8, 10], 1]
    np.testing.assert_array_equal(series.x[6:, 2], expected)

    # Targets alone, of another time; unknown ones at the end are history.
    other = pd.Series([1.0, nan], pd.date_range("2023-01-01", periods=2, freq="h"))
    series = schema.read_rows(None, other, n_future=1)
    assert (series.n_past, len(series)) == (2, 3) and series.position < 0
    assert np.isnan(series.x).all()
    message = (
        "X_future starts at 2024-03-30 05:00, but the history ends at 2024-03-30 05"
    )
    refuses(lambda: schema.read_rows(X[:6], y[:6], X[5:]), message)

    assert np.isnan(schema.read_rows(None, [nan], allow_unknown=True).y).all()
    refuses(lambda: schema.read_rows(None, [nan, nan]), "y_past has no known value")


def test_numbers_of_rows_do_not_place_the_future():
    schema, _ = learn_rows(frame(), np.arange(N))
    future = frame(VALUES[:3])
    series = schema.read_rows(frame(), pd.Series(np.arange(N)), future)
    assert (series.n_past, len(series)) == (N, N + 3)
    assert schema.read_future(future)[0] is None
    assert schema.read_future(frame(VALUES[:2], [3, 5]))[0].tolist() == [3, 5]


def test_read_panel():
    X = VALUES.copy()
    X[8:, 0] = X[0, 0] = nan
    schema, panel = learn_panel([VALUES], target=0, known_future=[2])
    for n_future, n_rows in ((0, N), (4, N), (7, 15)):
        series = schema.read_panel([X], n_future)[0]
        assert (series.n_past, len(series)) == (8, n_rows)
        np.testing.assert_array_equal(series.y[:8, 0], X[:8, 0])
        np.testing.assert_array_equal(series.x[:8], X[:8, 1:])
        np.testing.assert_array_equal(series.x[8:N, 1], X[8:, 2])
        assert np.isnan(series.y[8:]).all()
        assert np.isnan(series.x[8:, 0]).all() and np.isnan(series.x[N:]).all()
    # Of several targets any one counts.
    X[9, 1] = 5
    X[10:, 1] = nan
    schema, panel = learn_panel([X], target=[0, 1])
    assert panel[0].n_past == 10 and np.isnan(panel[0].y[9, 0])
    assert learn_panel([X], target=[0, 1])[0].next_position == 10


def test_extend():
    y = pd.Series(np.arange(N, dtype=float), HOURS)
    schema, series = learn_rows(frame(index=HOURS), y)
    assert schema.extend(series, 0) is series
    longer = schema.extend(series, 30)
    assert (len(longer), longer.n_past) == (N + 30, N)
    np.testing.assert_array_equal(longer.y[:N], series.y)
    np.testing.assert_array_equal(longer.x[:N], series.x)
    assert np.isnan(longer.y[N:]).all() and np.isnan(longer.x[N:]).all()
    np.testing.assert_array_equal(longer.calendar, schema.calendar_at(0, N + 30))
    assert schema.extend(longer, 20) is longer


def test_join():
    X, y = frame(index=HOURS), pd.Series(np.arange(N, dtype=float), HOURS)
    schema, whole = learn_rows(X, y, known_future=["a"])
    names = ("X", "y", "X_future")
    for cut, start in ((5, 5), (3, 7)):
        first = schema.read_rows(X[:cut], y[:cut], X[cut:])
        later = schema.read_rows(X[start:], y[start:], names=names)
        joined = schema.join(first, later)
        kept = np.r_[:cut, start:N]
        expected = schema.read_rows(X.iloc[kept], y.iloc[kept])
        assert_same(joined, expected)
        assert joined.position == 0
    message = (
        "y starts at 2024-03-30 07:00, but what is known already ends at 2024-03-30"
    )
    refuses(lambda: schema.join(whole, later), message)
    # Without an index rows follow what they are said to follow.
    whole = learn_rows(VALUES, np.arange(N))[1]
    for form in (np.asarray, frame):
        schema, first = learn_rows(form(VALUES[:5]), np.arange(5))
        later = schema.read_rows(form(VALUES[5:]), np.arange(5, N), after=first)
        assert_same(schema.join(first, later), whole)
        schema, panel = learn_panel([form(VALUES[:5]), form(VALUES[:2])])
        later = schema.read_panel([form(VALUES[5:]), form(VALUES[2:])], after=panel)
        for a, b in zip(panel, later, strict=True):
            np.testing.assert_array_equal(schema.join(a, b).y, VALUES)
        with pytest.raises(ValueError, match="but what is known already ends at 1"):
            schema.join(panel[1], panel[1])
        with pytest.raises(ValueError, match="X has 1 series, but there were 2."):
            schema.read_panel([form(VALUES)], after=panel)
    schema, panel = learn_panel([frame(index=HOURS)[:5], frame(index=HOURS)[:2]])
    later = schema.read_panel([frame(VALUES[5:]), frame(VALUES[2:])], after=panel)
    assert [series.position for series in later] == [5, 2]


def test_row_numbers():
    X = frame(index=HOURS).drop(HOURS[[2, 3]])
    kept = np.delete(np.arange(N), [2, 3])
    schema, _ = learn_rows(X, kept)
    assert schema.row_numbers(X, kept)[0].tolist() == kept.tolist()
    assert schema.row_numbers(X[2:], kept[2:])[0].tolist() == list(range(N - 4))
    assert schema.row_numbers(None, kept)[0].tolist() == list(range(N - 2))
    schema, _ = learn_panel([X, X[:2]])
    numbers = schema.row_numbers([X, VALUES])
    assert numbers[0].tolist() == kept.tolist()
    assert numbers[1].tolist() == list(range(N))


# --- the calendar and the season ----------------------------------------------------


@pytest.mark.parametrize(
    "freq, n, season, calendar",
    [
        ("h", 50, 24, [["hour", 2], ["dayofweek", 3]]),
        ("15min", 50, 96, [["hour", 2], ["dayofweek", 3]]),
        ("min", 50, 1440, [["hour", 2], ["dayofweek", 3]]),
        ("30s", 50, 120, [["hour", 2], ["dayofweek", 3]]),
        ("12h", 50, 2, [["hour", 1], ["dayofweek", 3]]),
        ("D", 50, 7, [["dayofweek", 3]]),
        ("D", 729, 7, [["dayofweek", 3]]),
        ("D", 730, 7, [["dayofweek", 3], ["dayofyear", 2]]),
        ("B", 50, 5, [["dayofweek", 3]]),
        ("B", 600, 5, [["dayofweek", 3], ["dayofyear", 2]]),
        ("W-SUN", 50, 52, []),
        ("W-SUN", 110, 52, [["dayofyear", 2]]),
        ("MS", 50, 12, [["month", 2]]),
        ("ME", 3, 12, [["month", 2]]),
        ("QE", 50, 4, [["month", 1]]),
        ("YS", 50, 1, []),
    ],
)
def test_what_the_frequency_suggests(freq, n, season, calendar):
    index = pd.date_range("2010-01-01", periods=n, freq=freq)
    y = pd.Series(np.random.default_rng(3).normal(size=n), index)
    schema, series = learn_rows(None, y)
    assert (schema.season, schema.calendar) == (season, calendar)
    assert series.calendar.shape == (n, schema.n_calendar)
    assert len(schema.calendar_names) == schema.n_calendar
    for option in (None, False, []):
        schema, series = learn_rows(None, y, calendar=option)
        assert schema.n_calendar == 0 and series.calendar.shape == (n, 0)
    schema, _ = learn_rows(None, y, calendar=["month", "minute"])
    assert schema.calendar == [["month", 2], ["minute", 2]]


def test_a_calendar_by_hand():
    index = pd.DatetimeIndex(
        ["2024-02-29 06:00", "2024-02-29 06:30", "2024-02-29 07:00"]
    )
    names = ["minute", "hour", "dayofweek", "dayofyear", "month"]
    schema, series = learn_rows(None, pd.Series([1.0, 2, 3], index), calendar=names)
    row = dict(zip(schema.calendar_names, series.calendar[1], strict=True))
    turns = {
        "minute": 0.5,
        "hour": 6.5 / 24,
        "dayofweek": 3 / 7,
        "dayofyear": 59 / 366,
        "month": 1 / 12,
    }
    expected = {}
    for name, turn in turns.items():
        for k in range(1, 4 if name == "dayofweek" else 3):
            cycle = name if k == 1 else f"{k} * {name}"
            expected[f"sin({cycle})"] = np.sin(2 * np.pi * k * turn)
            expected[f"cos({cycle})"] = np.cos(2 * np.pi * k * turn)
    assert row.keys() == expected.keys()
    np.testing.assert_allclose(list(row.values()), list(expected.values()), atol=1e-15)
    # Seconds are not looked up in a table, but are as good.
    index = pd.date_range("2024-02-29 05:59:30", periods=3, freq="30s")
    schema, other = learn_rows(None, pd.Series([1.0, 2, 3], index), calendar=names)
    np.testing.assert_array_equal(other.calendar[1], series.calendar[0])


def test_a_calendar_needs_dates():
    message = "calendar=['hour'] needs rows with dates"
    refuses(lambda: learn_rows(None, np.arange(9), calendar=["hour"]), message)
    refuses(lambda: learn_panel([pd.Series(range(9))], calendar=["hour"]), message)
    message = (
        "calendar names 'weekday', which is not one of ['minute', 'hour', 'dayofweek'"
    )
    y = pd.Series(range(N), HOURS)
    refuses(lambda: learn_rows(None, y, calendar=["weekday"]), message)


@pytest.mark.parametrize("season", [4, 7, 12, 24, 96])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_season_of_numbers(season, noise):
    rng = np.random.default_rng(season)
    n = 12 * season + 5
    pattern = rng.normal(size=season)
    y = np.resize(pattern, n) + noise * rng.normal(size=n) + 0.05 * np.arange(n)
    assert estimate_season([y[:, None]]) == season
    assert learn_rows(None, y)[0].season == season
    y[rng.random(n) < 0.15] = nan
    assert learn_rows(None, y * 1e9 - 1e12)[0].season == season
    assert learn_rows(None, pd.Series(y).dropna())[0].season == season
    parts = [y[: n // 2], y[n // 2 :], np.array([1.0, 2.0])]
    assert learn_panel(parts)[0].season == season
    assert estimate_season([part[:, None] for part in parts] * 90) == season


def test_no_season():
    rng = np.random.default_rng(3)
    for y in (
        rng.normal(size=500),
        rng.normal(size=500).cumsum(),
        np.zeros(100),
        np.arange(100.0),
        [1.0],
        [1.0, 2.0, 1.0, 2.0],
        [1e308, -1e308] * 10,
        np.where(np.arange(100) % 2, nan, 1.0),
    ):
        with no_warnings():
            assert learn_rows(None, y)[0].season in (1, 2)
            assert learn_panel([y])[0].season in (1, 2)
    assert learn_rows(None, rng.normal(size=500))[0].season == 1


# --- keeping it ---------------------------------------------------------------------


def assert_plain(value):
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in (str, int, float, bool, type(None)), type(value)


@pytest.mark.parametrize("case", ["rows", "panel", "plain", "zone", "period", "polars"])
def test_round_trip_of_the_state(case):
    X = frame(index=HOURS).assign(kind=["u", "v", None] * 4, size=3)
    y = np.arange(N, dtype=np.float32)
    if case == "rows":
        schema, series = learn_rows(X, y, known_future=["b"], static="size")
    elif case == "panel":
        schema, panel = learn_panel([X, X[3:]], target=["a"], static=["size"])
        series = panel[1]
    elif case == "plain":
        X = VALUES
        schema, series = learn_rows(X, y)
    elif case == "zone":
        X.index = HOURS.tz_localize("Europe/Berlin")
        schema, series = learn_rows(X, y)
    elif case == "period":
        X.index = HOURS.to_period()
        schema, series = learn_rows(X, y, calendar=["minute"])
    else:
        X = pl.DataFrame({"when": HOURS.to_numpy(), "a": VALUES[:, 0]})
        schema, series = learn_rows(X, y)
    state = schema.get_state()
    assert_plain(state)
    for kept in (
        state,
        json.loads(json.dumps(state)),
        pickle.loads(pickle.dumps(state)),
    ):
        again = SeriesSchema.from_state(kept)
        assert again.get_state() == state
        if schema.mode == "panel":
            assert_same(
                again.read_panel([X[3:]], 4)[0], schema.read_panel([X[3:]], 4)[0]
            )
        else:
            assert_same(again.read_rows(X, y), series)
            for a, b in zip(again.read_future(X), schema.read_future(X), strict=True):
                np.testing.assert_array_equal(a, b)
        labels = schema.labels(series, 1, 30), again.labels(series, 1, 30)
        assert len(labels[0]) == 29 and (labels[0] == labels[1]).all()
        for name in ("n_features_in", "covariate_names", "calendar_names", "freq"):
            assert getattr(again, name) == getattr(schema, name)
    kept = series.get_state()
    assert_plain({k: v for k, v in kept.items() if not isinstance(v, np.ndarray)})
    assert_same(Series.from_state(kept), series)
    pickled = pickle.loads(pickle.dumps((schema, series)))
    assert pickled[0].get_state() == state and len(pickled[1]) == len(series)

    for wrong in ({}, {**state, "more": 1}, {**state, "season": "7"}, None):
        with pytest.raises(ValueError, match="The state of a schema"):
            SeriesSchema.from_state(wrong)
    with pytest.raises(ValueError, match="The state of a series"):
        Series.from_state({**kept, "y": None})


# --- what is refused ----------------------------------------------------------------


def with_value(value, row=5, column=1, values=VALUES):
    values = values.astype(object if isinstance(value, str | dict | list) else float)
    values[row, column] = value
    return values


def reindexed(labels):
    return frame(index=pd.Index(labels))


SHUFFLED = HOURS[[0, 1, 3, 2, *range(4, N)]]
REPEATED = HOURS[[0, 1, 2, 2, *range(4, N)]]
JITTERED = HOURS + pd.to_timedelta([0] * 6 + [30] + [0] * 5, unit="min")
LEVELS = pd.MultiIndex.from_product([["u", "v"], range(6)])


@pytest.mark.parametrize(
    "X, y, message",
    [
        (np.empty((0, 3)), [], "Found array with 0 sample(s) (shape=(0,))"),
        (VALUES, Y[:5], "inconsistent numbers of samples: [12, 5]\nX and y need"),
        (VALUES[:, 0], Y, "Expected 2D array, got 1D array instead"),
        (VALUES[:, 0].tolist(), Y, "Expected 2D array, got 1D array instead"),
        (pd.Series(Y), Y, "Expected 2D array, got 1D array instead"),
        (pl.Series(Y), Y, "Reshape your data"),
        (np.float64(3), Y, "X has the shape ()"),
        (VALUES[None], Y, "X holds several tables, but if there is y its rows are"),
        ([VALUES, VALUES], Y, "Fit a panel of series without y"),
        ([frame(), frame()], Y, "Fit a panel of series without y"),
        ([[1, 2], [3]], [1, 2], "X is not a table:"),
        (VALUES, np.empty((N, 0)), "0 feature(s) (shape=(12, 0)) while a minimum of 1"),
        (VALUES, np.zeros((N, 2, 2)), "y has the shape (12, 2, 2)"),
        (VALUES + 1j, Y, "Complex data not supported\nX is complex."),
        (VALUES, Y + 1j, "Complex data not supported\ny is complex."),
        (frame() + 1j, Y, "Complex data not supported\nRow 0 of column 'a' of X"),
        (
            with_value(np.inf),
            Y,
            "Input X contains infinity or a value too large for dtype('float64').\n"
            "Row 5 has it in column 1 of X.",
        ),
        (frame(with_value(-np.inf)), Y, "Row 5 has it in column 'b' of X."),
        (with_value("1.5"), Y, "string to float: '1.5'\nRow 5 of column 1 of X is no"),
        (
            VALUES.astype(str),
            Y,
            "Row 0 of column 0 of X is not a number. Convert numbers",
        ),
        (VALUES.astype("M8[s]"), Y, "X holds values of type datetime64[s]"),
        (VALUES, with_value(np.inf)[:, 1], "Input y contains infinity or a value too"),
        (VALUES, np.full(N, nan), "Input y contains NaN.\nTarget 0 has no known value"),
        (VALUES, frame(with_value(nan, slice(None))), "Target 'b' has no known value"),
        (VALUES, list("abcdefghijkl"), "could not convert string to float: 'a'"),
        (
            reindexed(SHUFFLED),
            Y,
            "X is not in the order of time: row 3 (2024-03-30 02:00)",
        ),
        (reindexed(SHUFFLED), Y, "Sort it first: X.sort_index()."),
        (reindexed(SHUFFLED.to_period("h")), Y, "X is not in the order of time: row 3"),
        (
            reindexed([3, 1, *range(4, 14)]),
            Y,
            "X is not in the order of time: row 1 (1)",
        ),
        (VALUES, pd.Series(Y, SHUFFLED), "Sort it first: y.sort_index()."),
        (reindexed(REPEATED), Y, "X has two rows for the same time: rows 2 and 3 are"),
        (reindexed(REPEATED), Y, "X.groupby(...)]"),
        (
            reindexed(JITTERED),
            Y,
            "The times of X are irregular: row 6 (2024-03-30 06:30) comes 90min after "
            "row 5 (2024-03-30 05:00), where most steps are of h.",
        ),
        (reindexed([0, 2, 4, 6, 7, 9, 11, 13, 15, 17, 19, 21]), Y, "row 4 (7) comes 1"),
        (reindexed([*HOURS[:5], pd.NaT, *HOURS[6:]]), Y, "Row 5 of X has no time."),
        (frame(index=LEVELS), Y, "[g.droplevel(0) for _, g in X.groupby(level=0)]"),
        (VALUES, pd.Series(Y, LEVELS), "y has an index of 2 levels."),
        (frame().assign(when=SHUFFLED), Y, "Sort it first: X.sort_values('when')."),
        (
            pl.DataFrame({"when": SHUFFLED.to_numpy(), "a": Y}),
            Y,
            "Sort it first: X.sort('when').",
        ),
        (
            pl.DataFrame({"when": [datetime.date(2024, 1, 1), None]}),
            Y[:2],
            "Row 1 of X has no time.",
        ),
        (
            reindexed([*HOURS[:-1], pd.Timestamp("2204-01-01")]),
            Y,
            "rows are absent from X between row 10 (2024-03-30 10:00) and row 11 "
            "(2204-01-01), in steps of 'h'.",
        ),
    ],
)
def test_rows_refused(X, y, message):
    refuses(lambda: learn_rows(X, y), message)


@pytest.mark.parametrize(
    "X, kind, message",
    [
        (scipy.sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed"),
        (with_value({"a": 1}), TypeError, "argument must be a string or a real number"),
        ("rows", TypeError, "Expected a table of shape (n_steps, n_columns), but X is"),
        ({"a": [1]}, TypeError, "X is of type dict"),
        (5, TypeError, "X is of type int"),
        (
            pd.DataFrame([[1.0, 2.0]], columns=["a", 1]),
            TypeError,
            "Feature names are only supported if all input features have string names",
        ),
        (
            pd.DataFrame({"a": [(1, 2)] * 3 + ["u"]}),
            TypeError,
            "Row 0 of column 'a' of X is (1, 2), but categories are strings or",
        ),
    ],
)
def test_types_refused(X, kind, message):
    n = getattr(X, "shape", (1,))[0]
    refuses(lambda: learn_rows(X, np.arange(n)), message, kind)


def test_huge_numbers_are_refused():
    X = VALUES.astype(object)
    X[3, 2] = 10**400
    refuses(lambda: learn_rows(X, Y), "Row 3 of column 2 of X is not a number")
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        X = VALUES.astype(np.longdouble)
        X[3, 2] = np.finfo(np.longdouble).max
        refuses(lambda: learn_rows(X, Y), "Row 3 has it in column 2 of X.")
    index = pd.Index(np.array(["1500-01-01", "1501-01-01"], "M8[s]"))
    y = pd.Series([1.0, 2.0], index)
    refuses(lambda: learn_rows(None, y), "Row 0 of y is of the year 1500.")


@pytest.mark.parametrize(
    "X, message",
    [
        (
            [],
            "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is",
        ),
        (np.empty((0, 5, 2)), "X has no series."),
        ([VALUES, VALUES[:0]], "X[1] has no rows."),
        ([VALUES, VALUES[:, :2]], "X[1] has 2 columns, but X[0] has 3."),
        ([VALUES, VALUES[:, 0]], "X[1] has 1 columns, but X[0] has 3."),
        (
            [frame(), frame(names="acb")],
            "X[1] has the columns ['a', 'c', 'b'], but X[0]",
        ),
        ([VALUES, np.full((4, 3), nan)], "X[1] has no known value in its targets"),
        ([[1.0, nan], [nan]], "Input X contains NaN.\nX[1] has no known value"),
        (
            pd.Series([VALUES, np.full((4, 3), nan)]),
            "X.iloc[1] has no known value in its",
        ),
        ([with_value(nan, slice(None))], "Input X contains NaN.\nTarget 1 has no"),
        ([VALUES, with_value(np.inf)], "Row 5 has it in column 1 of X[1]."),
        ([[1.0, 2.0], [1.0, np.inf]], "Row 1 has it in the column of X[1]."),
        ([VALUES[None]], "X[0] has the shape (1, 12, 3), but a series is"),
        (VALUES[None, None], "Found array with dim 4, while dim <= 3 is required"),
        (
            frame(index=LEVELS),
            "X has an index of 2 levels. A table is one series: make",
        ),
        ([frame(index=HOURS), frame(index=REPEATED)], "X[1] has two rows for the same"),
        (
            [frame(index=HOURS), frame(index=JITTERED)],
            "Row 6 of X[1] (2024-03-30 06:30)",
        ),
        (
            pd.DataFrame(
                {"id": ["u"] * 3 + ["v"] * 3, "ds": [*HOURS[:3]] * 2, "y": Y[:6]}
            ),
            "If these are several series in long form, make a list of them: "
            "[g for _, g in X.groupby(...)].",
        ),
        (pd.DataFrame({"a": list("uvw")}), "No column of X is left to be the target."),
        (
            [frame().assign(when=HOURS), frame().assign(when=1.0)],
            "The time of rows is in column None of X[1], but in column 3 of X[0].",
        ),
    ],
)
def test_panels_refused(X, message):
    refuses(lambda: learn_panel(X), message)


@pytest.mark.parametrize(
    "X", ["text", 3, None, {"a": [1.0]}, iter([[1.0]]), {1.0, 2.0}]
)
def test_types_of_panels_refused(X):
    message = "Expected array-like (array or non-string sequence), got"
    text = refuses(lambda: learn_panel(X), message, TypeError)
    assert ("list(X.values())" in text) == isinstance(X, dict)
    refuses(lambda: learn_panel([VALUES, "text"]), "but X[1] is of type str", TypeError)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"known_future": "wind"},
            "known_future names the column 'wind', but the columns",
        ),
        ({"known_future": [3]}, "known_future names column 3, but X has 3 columns."),
        ({"known_future": [True]}, "known_future is a mask of 1 columns, but X has 3."),
        ({"static": "wind"}, "static names the column 'wind'"),
        ({"categorical_features": [5]}, "categorical_features names column 5"),
        (
            {"known_future": "when"},
            "known_future names column 'when' of X, which is the",
        ),
        ({"categorical_features": ["when"]}, "which is the time index."),
    ],
)
def test_columns_refused(options, message):
    X = frame()
    if "when" in str(options):
        X["when"] = HOURS
    refuses(lambda: learn_rows(X, Y, **options), message)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": "y"}, "target names the column 'y'"),
        ({"target": "a", "known_future": ["a"]}, "known_future names column 'a' of X["),
        (
            {"target": "a", "static": ["a"]},
            "static names column 'a' of X[0], which is a",
        ),
        ({"known_future": "all"}, "No column of X is left to be the target."),
        ({"target": 0, "categorical_features": [0]}, "'a' of X[0], which is a target."),
        (
            {"categorical_features": [0, 1, 2]},
            "No column of X is left to be the target.",
        ),
    ],
)
def test_targets_refused(options, message):
    refuses(lambda: learn_panel([frame()], **options), message)


def test_options_of_wrong_types():
    message = "known_future=3.5 names no columns."
    refuses(lambda: learn_rows(VALUES, Y, known_future=3.5), message, TypeError)
    message = "known_future names a column by 1.5."
    refuses(lambda: learn_rows(VALUES, Y, known_future=[1.5]), message, TypeError)
    message = "known_future names the column 'a', but the columns of X have no names."
    refuses(lambda: learn_rows(VALUES, Y, known_future="a"), message)


# --- later tables -------------------------------------------------------------------


def test_features_in_the_words_of_scikit_learn():
    schema, _ = learn_rows(VALUES, Y, estimator_name="Model")
    message = "X has 2 features, but Model is expecting 3 features as input"
    for call in (
        lambda: schema.read_future(VALUES[:, :2]),
        lambda: schema.read_rows(VALUES[:, :2], Y),
        lambda: schema.read_rows(VALUES, Y, VALUES[:, :2]),
    ):
        refuses(call, message)
    with pytest.warns(UserWarning, match="X has feature names, but Model was fitted"):
        schema.read_future(frame())
    message = "y_past has 2 targets, but Model was fitted with 1."
    refuses(lambda: schema.read_rows(VALUES, VALUES[:, :2]), message)
    schema, _ = learn_rows(None, Y)
    message = (
        "X has 3 features, but SequenceForecaster is expecting 0 features as input. "
        "Earlier values go into y_past."
    )
    refuses(lambda: schema.read_future(VALUES), message)

    for schema in (learn_rows(frame(), Y)[0], learn_panel([frame()])[0]):
        read = schema.read_future if schema.mode == "rows" else schema.read_panel
        message = (
            "X does not have valid feature names, but SequenceForecaster was fitted"
        )
        with pytest.warns(UserWarning, match=message) as caught:
            read(VALUES if schema.mode == "rows" else [VALUES, VALUES])
        assert len(caught) == 1
        start = "The feature names should match those that were passed during fit.\n"
        for names, message in [
            ("cba", "Feature names must be in the same order as they were in fit.\n"),
            (
                "xbc",
                "Feature names unseen at fit time:\n- x\nFeature names seen at fit ",
            ),
            ("ab", "Feature names seen at fit time, yet now missing:\n- c\n"),
        ]:
            X = pd.DataFrame(VALUES[:, : len(names)], columns=list(names))
            refuses(lambda X=X, read=read: read(X), start + message)
            X = pl.DataFrame(VALUES[:, : len(names)], schema=list(names))
            refuses(lambda X=X, read=read: read(X), start + message)
    refuses(lambda: schema.read_panel([frame(), frame(names="abx")]), "those of X[1].")


def test_names_are_compared_as_scikit_learn_does():
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import validate_data

    model = BaseEstimator()
    validate_data(model, frame(), skip_check_array=True)
    schema, _ = learn_rows(frame(), Y, estimator_name="BaseEstimator")
    for names in ("cba", "xbc", "xyc", "ab"):
        X = pd.DataFrame(VALUES[:, : len(names)], columns=list(names))
        with pytest.raises(ValueError) as theirs:
            validate_data(model, X, reset=False, skip_check_array=True)
        refuses(lambda X=X: schema.read_future(X), str(theirs.value))
    wide = pd.DataFrame(np.zeros((2, 9)), columns=list("abcdefghi"))
    with pytest.raises(ValueError) as theirs:
        validate_data(model, wide, reset=False, skip_check_array=True)
    refuses(lambda: schema.read_future(wide), str(theirs.value))


@pytest.mark.parametrize(
    "index, message",
    [
        (SHUFFLED, "X is not in the order of time: row 3"),
        (REPEATED, "X has two rows for the same time: rows 2 and 3"),
        (
            JITTERED,
            "Row 6 of X (2024-03-30 06:30) is off the times seen in fit: 2024-03",
        ),
        (
            HOURS + pd.Timedelta("1s"),
            "Row 0 of X (2024-03-30 00:00:01) is off the times",
        ),
        (
            HOURS - pd.Timedelta("3h"),
            "Row 0 of X (2024-03-29 21:00) is before the first row that was seen in fit"
            " (2024-03-30), so its history is unknown.",
        ),
        (HOURS.to_period(), "X has a PeriodIndex, but in fit it was a DatetimeIndex."),
        (
            HOURS.tz_localize("UTC"),
            "The times of X are in the time zone UTC, but in fit it was None. Use "
            "tz_localize(None).",
        ),
    ],
)
def test_later_times_refused(index, message):
    schema, _ = learn_rows(frame(index=HOURS), Y)
    before = schema.get_state()
    refuses(lambda: schema.read_future(frame(index=index)), message)
    assert schema.get_state() == before


def test_later_tables_refused():
    schema, _ = learn_rows(frame(index=HOURS.tz_localize("UTC")), Y)
    message = "in the time zone None, but in fit it was UTC. Use tz_localize('UTC')."
    refuses(lambda: schema.read_future(frame(index=HOURS)), message)
    refuses(
        lambda: schema.read_future(None), "X is None, so that nothing tells how many"
    )
    refuses(lambda: schema.read_rows(None, None), "the target y is None (y_past)")
    refuses(lambda: schema.read_rows(frame(), Y[:3]), "X_past and y_past need the same")
    dates = frame().assign(when=HOURS)
    schema, _ = learn_rows(dates, Y)
    message = "The times of rows were in column 'when' of X in fit, but it holds none."
    refuses(lambda: schema.read_future(dates.assign(when=["soon"] * N)), message)
    schema, _ = learn_panel([VALUES[:, 0]])
    refuses(lambda: schema.read_panel([[1.0], [nan, nan]]), "X[1] has no known value")
    refuses(lambda: schema.read_panel([VALUES]), "as input (X[0]).")


def test_frames_need_not_be_there():
    code = """
    import sys
    sys.modules["pandas"] = sys.modules["polars"] = None  # cannot be imported
    import numpy as np
    from skrnn.inputs.schema import SeriesSchema
    learn = SeriesSchema.learn
    schema, _ = learn(np.ones((9, 2)), np.arange(9), known_future=[0])
    schema.read_rows(np.ones((3, 2)), [1, 2, 3], np.ones((2, 2)))
    schema, panel = learn([[1.0, 2.0, 3.0], [4.0]])
    schema.read_panel(np.ones((3, 4, 1)), 2)
    print("done")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "done", done.stderr
