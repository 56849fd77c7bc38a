"""Every form of series is read as what it means, or refused with what to do."""

import json
import pickle
import warnings
from collections import UserList
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from forms import objects
from series_tables import (
    HOURS,
    VALUES,
    N,
    assert_same,
    frame,
    learn_panel,
    learn_rows,
    nan,
    refuses,
)
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.series import Series


def nested(values):
    return [[None if np.isnan(v) else v for v in row] for row in values.tolist()]


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
