"""SequenceColumns: what is known of a whole sequence, beside its steps."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from forms import objects
from skrnn import RNNClassifier
from skrnn.preprocessing import SequenceColumns

LENGTHS = (3, 1, 4)
EXPECTED = [
    np.column_stack([np.arange(2.0 * n).reshape(n, 2), np.full(n, age), np.full(n, i)])
    for i, (n, age) in enumerate(zip(LENGTHS, (31.0, 64.0, 25.0), strict=True))
]


SEQUENCES = [x[:, :2] for x in EXPECTED]
TABLE = pd.DataFrame(
    {"age": [31, 64, 25], "pulse": objects(SEQUENCES), "place": [0.0, 1.0, 2.0]}
)
FORMS = {
    "pandas": TABLE,
    "pandas, lists": TABLE.assign(pulse=[x.tolist() for x in SEQUENCES]),
    "pandas, two columns of sequences": pd.DataFrame(
        {
            "a": objects([x[:, 0] for x in SEQUENCES]),
            "age": [31, 64, 25],
            "b": objects([x[:, 1] for x in SEQUENCES]),
            "place": [False, True, 2.0],
        }
    ),
    "polars": pl.DataFrame(
        {
            "age": [31, 64, 25],
            "pulse": [x.tolist() for x in SEQUENCES],
            "place": [0.0, 1.0, 2.0],
        }
    ),
    "array": TABLE.to_numpy(),
}


@pytest.mark.parametrize("form", FORMS)
def test_plain_columns_stand_in_each_step(form):
    """The advised line left them out."""
    X = FORMS[form]
    joiner = SequenceColumns()
    result = joiner.fit_transform(X)
    assert type(result) is list
    for found in (result, joiner.transform(X), joiner.transform(X[:3])):
        for x, expected in zip(found, EXPECTED, strict=True):
            np.testing.assert_array_equal(x, expected)
    assert joiner.n_features_in_ == X.shape[1] and joiner.n_channels_ == 4
    # scikit-learn 1.6 knows no names of a polars that lacks __dataframe__.
    if form != "polars" or not sklearn.__version__.startswith("1.6"):
        assert hasattr(joiner, "feature_names_in_") == (form != "array")


def test_float32_stays_where_all_is_float32():
    table = pd.DataFrame({"x": objects([np.ones((2, 1), "f4")])})
    assert SequenceColumns().fit_transform(table)[0].dtype == np.float32
    table["age"] = np.float32(3)
    assert SequenceColumns().fit_transform(table)[0].dtype == np.float32
    table["age"] = 3.0
    assert SequenceColumns().fit_transform(table)[0].dtype == np.float64


def test_unknown_values_stay_unknown():
    table = TABLE.astype({"age": object})
    table.loc[1, "age"] = None
    assert np.isnan(SequenceColumns().fit_transform(table)[1][0, 2])


@pytest.mark.parametrize(
    "X, message",
    [
        (TABLE.assign(sex="f"), r"X\['sex'\] does not hold finite .* OneHotEncoder"),
        (TABLE.assign(age=np.inf), r"X\['age'\] contains infinity"),
        (TABLE[["age"]], "no column of sequences"),
        (SEQUENCES, "X is a list. A DataFrame is expected"),
        (TABLE[:0], r"0 sample\(s\)"),
        (
            TABLE.assign(other=objects([np.ones(3), np.ones(1), np.ones(5)])),
            r"X\['pulse'\] has 4 steps in row 2, but X\['other'\] has 5",
        ),
        (
            TABLE.assign(pulse=objects([np.ones(3), np.zeros(0), np.ones(5)])),
            r"X\['pulse'\].*\[1\] has no steps",
        ),
    ],
)
def test_refused(X, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        SequenceColumns().fit(X)


def test_other_columns_than_in_fit_are_refused():
    joiner = SequenceColumns()
    with pytest.raises(NotFittedError):
        joiner.transform(TABLE)
    joiner.fit(TABLE)
    for X, message in (
        (TABLE[["pulse", "age", "place"]], "must be in the same order"),
        (TABLE.assign(age=TABLE["pulse"]), r"X\['age'\] held numbers in fit"),
        (TABLE.assign(pulse=objects([np.ones(2)] * 3)), "expecting 4 features"),
    ):
        with pytest.raises(ValueError, match=message):
            joiner.transform(X)


def test_estimator():
    with pytest.warns(SkipTestWarning, match="SequenceColumns"):
        check_estimator(SequenceColumns())
    joiner = clone(SequenceColumns()).set_output(transform="pandas").fit(TABLE)
    again = pickle.loads(pickle.dumps(joiner)).transform(TABLE)
    np.testing.assert_array_equal(again[2], EXPECTED[2])


def test_an_estimator_uses_what_stands_beside_the_sequences():
    """Its class is the sign of a sequence in one group, its opposite in the other."""
    rng = np.random.default_rng(0)
    X = [rng.choice([-1, 1]) + rng.normal(size=(n, 1)) for n in rng.integers(4, 9, 80)]
    table = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], 80),
            "age": rng.integers(20, 90, 80),
            "x": objects(X),
        }
    )
    y = np.array([x.mean() > 0 for x in X]) ^ (table["sex"] == "f").to_numpy()
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False, drop="first"), ["sex"]),
        (StandardScaler(), ["age"]),
        ("passthrough", ["x"]),
    )
    model = RNNClassifier(8, max_iter=60, random_state=0)
    for container in ("default", "pandas"):
        encoder.set_output(transform=container)
        pipeline = make_pipeline(encoder, SequenceColumns(), model).fit(table, y)
        assert pipeline.score(table, y) > 0.9
    assert clone(model).fit(table["x"], y).score(table["x"], y) < 0.8
