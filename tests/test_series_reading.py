"""Later rows and tables are read as those of the series that was learned."""

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import polars as pl
import pytest

from series_tables import (
    HOURS,
    JITTERED,
    REPEATED,
    SHUFFLED,
    VALUES,
    N,
    Y,
    assert_same,
    frame,
    learn_panel,
    learn_rows,
    nan,
    refuses,
)

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
    # With several targets, any one counts.
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
