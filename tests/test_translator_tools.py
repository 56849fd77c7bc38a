"""SequenceTranslator in the tools of scikit-learn, with y in every form."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    ShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import SequenceTranslator

QUICK = {"hidden_layer_sizes": 2, "max_iter": 1, "beam_width": 1, "random_state": 0}
N = 12
X = ["ab", "b", "bab", "a", "abba", "bb"] * 2
RAGGED = ["xyx", "y", "xx", "", "yxxy", "x"] * 2
EQUAL = ["xy", "yx", "xx", "yy", "xy", "xx"] * 2
GROUPS = np.arange(N) % 3
WIDTHS = {"beam_width": [1, 2]}


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def objects(items):
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def arrays(y):
    return [np.array(list(text), dtype="U1") for text in y]


FORMS = {
    "lists of lists": lambda y: [list(text) for text in y],
    "lists of tuples": lambda y: [tuple(text) for text in y],
    "lists of arrays": arrays,
    "texts": list,
    "array of texts": np.array,
    "objects, lists": lambda y: objects([list(text) for text in y]),
    "objects, arrays": lambda y: objects(arrays(y)),
    "series of lists": lambda y: pd.Series([list(text) for text in y]),
    "series of texts": lambda y: pd.Series(y),
}


def polars_lists(y):
    polars = pytest.importorskip("polars")
    return polars.Series([list(text) for text in y])


def same(items):
    return list(items)


def pipeline(estimator):
    return make_pipeline(FunctionTransformer(same), estimator)


def scores(estimator, y, cv, **more):
    found = cross_val_score(estimator, X, y, cv=cv, **more)
    assert np.isfinite(found).all()


def searched(search, y, **more):
    search.fit(X, y, **more)
    assert np.isfinite(search.best_score_)
    assert len(search.predict(X)) == N


def split(estimator, y):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert np.isfinite(estimator.fit(X_train, y_train).score(X_test, y_test))


def predicted(estimator, y):
    found = cross_val_predict(estimator, X, y, cv=KFold(2))
    assert found.shape == (N,) and found.dtype == object
    items = y.to_list() if hasattr(y, "to_list") else list(y)
    kind = str if isinstance(items[0], str) else list
    assert all(type(item) is kind for item in found)


def curves(estimator, y):
    _, *found = learning_curve(estimator, X, y, cv=2, train_sizes=[0.5, 1.0])
    assert np.isfinite(found).all()


# What takes an estimator, X and ragged y.
TOOLS = {
    "train_test_split": split,
    "KFold": lambda e, y: scores(e, y, KFold(2)),
    "GroupKFold": lambda e, y: scores(e, y, GroupKFold(2), groups=GROUPS),
    "LeaveOneGroupOut": lambda e, y: scores(e, y, LeaveOneGroupOut(), groups=GROUPS),
    "ShuffleSplit": lambda e, y: scores(e, y, ShuffleSplit(1, random_state=0)),
    "TimeSeriesSplit": lambda e, y: scores(e, y, TimeSeriesSplit(2)),
    "cv=int": lambda e, y: scores(e, y, 2),
    "cross_validate": lambda e, y: cross_validate(
        e, X, y, cv=2, return_train_score=True, params={"sample_weight": np.ones(N)}
    ),
    "cross_val_predict": predicted,
    "GridSearchCV": lambda e, y: searched(GridSearchCV(e, WIDTHS, cv=2), y),
    "RandomizedSearchCV": lambda e, y: searched(
        RandomizedSearchCV(e, WIDTHS, n_iter=1, cv=2, random_state=0), y
    ),
    "HalvingGridSearchCV": lambda e, y: searched(
        HalvingGridSearchCV(e, WIDTHS, cv=2, min_resources=6, random_state=0), y
    ),
    "learning_curve": curves,
    "validation_curve": lambda e, y: validation_curve(
        e, X, y, param_name="beam_width", param_range=[1, 2], cv=2
    ),
    "permutation_test_score": lambda e, y: permutation_test_score(
        e, X, y, cv=2, n_permutations=1, random_state=0
    ),
    "Pipeline": lambda e, y: scores(pipeline(e), y, 2),
    "search over a Pipeline": lambda e, y: searched(
        GridSearchCV(pipeline(e), {"sequencetranslator__beam_width": [1, 2]}, cv=2), y
    ),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("lengths", ["ragged", "equal"])
def test_tools(tool, lengths):
    y = {"ragged": RAGGED, "equal": EQUAL}[lengths]
    for form in FORMS.values():
        TOOLS[tool](SequenceTranslator(**QUICK), form(y))


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_with_series_of_polars(tool):
    TOOLS[tool](SequenceTranslator(**QUICK), polars_lists(RAGGED))
