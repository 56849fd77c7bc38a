"""SequenceUnion puts the channels of several transformers side by side."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from calls import count_calls
from skrnn import RNNClassifier
from skrnn.preprocessing import (
    SequenceScaler,
    SequenceUnion,
    SequenceVectorizer,
    make_sequence_union,
)
from toys import make_classes

LENGTHS = (3, 5, 1, 4)


def ragged(n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    return [5 + rng.normal(size=(n, n_features)) for n in LENGTHS]


def changes(X):
    return [np.diff(x, axis=0, prepend=x[:1]) for x in X]


def union(**options):
    parts = [("scale", SequenceScaler()), ("changes", FunctionTransformer(changes))]
    return SequenceUnion([*parts, ("same", "passthrough")], **options)


def expected(X):
    scaled = SequenceScaler().fit_transform(X)
    return [
        np.concatenate(parts, axis=1)
        for parts in zip(scaled, changes(X), X, strict=True)
    ]


def assert_equal(found, wanted):
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_channels_stand_side_by_side(n_jobs):
    """FeatureUnion failed, and appended in time what was of one length."""
    X = ragged()
    result = union(n_jobs=n_jobs).fit_transform(X)
    assert type(result) is list
    assert_equal(result, expected(X))
    fitted = union(n_jobs=n_jobs).fit(X)
    assert_equal(fitted.transform(X), expected(X))
    assert_equal(fitted.transform(X[:2]), expected(X)[:2])
    assert fitted.n_features_in_ == 2
    assert isinstance(fitted, FeatureUnion)


FORMS = {
    "tuple": tuple,
    "Series": lambda X: pd.Series(X, index=list("abcd")),
    "polars": lambda X: pl.Series("x", [x.tolist() for x in X]),
    "lists": lambda X: [x.tolist() for x in X],
    "univariate": lambda X: [x[:, 0] for x in X],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form):
    X = FORMS[form](ragged())
    plain = [np.asarray(x).reshape(len(x), -1) for x in FORMS["lists"](ragged())]
    if form == "univariate":
        plain = [x[:, :1] for x in plain]
    parts = [("scale", SequenceScaler()), ("same", "passthrough")]
    result = SequenceUnion(parts).fit_transform(X)
    scaled = SequenceScaler().fit_transform(plain)
    wanted = [np.concatenate(pair, axis=1) for pair in zip(scaled, plain, strict=True)]
    assert_equal(result, wanted)


def test_arrays_of_three_dimensions():
    X = np.stack([x[:1] for x in ragged()])
    scaled = SequenceScaler().fit_transform(X)
    result = make_sequence_union(SequenceScaler(), "passthrough").fit_transform(X)
    np.testing.assert_array_equal(result, np.concatenate([scaled, X], axis=2))
    X = X[:, :, 0].repeat(3, axis=1)  # univariate
    result = make_sequence_union("passthrough", "passthrough").fit_transform(X)
    np.testing.assert_array_equal(result, np.stack([X, X], axis=2))


@pytest.mark.parametrize("library", [pd, pl])
def test_frames_keep_the_names_of_their_columns(library):
    X = [library.DataFrame({"a": x[:, 0], "b": x[:, 1]}) for x in ragged()]
    parts = [("scale", SequenceScaler()), ("same", "passthrough")]
    result = SequenceUnion(parts).fit_transform(X)
    assert type(result[0]) is library.DataFrame
    names = ["scale__a", "scale__b", "same__a", "same__b"]
    assert list(result[3].columns) == names
    np.testing.assert_array_equal(result[3].to_numpy()[:, 2:], X[3].to_numpy())
    model = RNNClassifier(2, max_iter=1).fit(result, [0, 1, 0, 1])
    # scikit-learn 1.6 knows no names of a polars that lacks __dataframe__.
    if library is pd or not sklearn.__version__.startswith("1.6"):
        assert model.feature_names_in_.tolist() == names
    short = SequenceUnion(parts, verbose_feature_names_out=False)
    with pytest.raises(ValueError, match=r"\['a', 'b'\] are not unique"):
        short.fit_transform(X)
    short.set_params(same="drop")
    assert list(short.fit_transform(X)[0].columns) == ["a", "b"]


def test_tokens_beside_numbers():
    texts = ["one two", "two three four"]
    lengths = FunctionTransformer(lambda X: [[len(t) for t in x.split()] for x in X])
    result = make_sequence_union(SequenceVectorizer(), lengths).fit_transform(texts)
    assert result[1].tolist() == [["two", 3], ["three", 5], ["four", 4]]
    weighted = SequenceUnion(
        [("t", SequenceVectorizer())], transformer_weights={"t": 2}
    )
    with pytest.raises(ValueError, match="'t' has the weight 2, but it returns tokens"):
        weighted.fit_transform(texts)


def test_weights():
    X = [x.astype(np.float32) for x in ragged()]
    weighted = union(transformer_weights={"scale": 0.5, "same": 2})
    factors = np.repeat([0.5, 1, 2], 2).astype(np.float32)
    result = weighted.fit_transform(X)
    assert result[0].dtype == np.float32
    assert_equal(result, [x * factors for x in expected(X)])
    assert_equal(weighted.transform(X), result)
    with pytest.raises(ValueError, match='transformer "other", but it is not present'):
        union(transformer_weights={"other": 1}).fit(X)


def test_parameters():
    X = ragged()
    made = union()
    assert made.get_params()["scale__with_std"] is True
    made.set_params(scale__with_std=False, changes="drop", verbose=False)
    result = made.fit_transform(X)
    scaled = SequenceScaler(with_std=False).fit_transform(X)
    assert_equal(result, [np.hstack(p) for p in zip(scaled, X, strict=True)])
    made.set_params(scale="passthrough")
    assert_equal(made.fit_transform(X), [np.hstack([x, x]) for x in X])
    assert made.named_transformers["changes"] == "drop"
    assert repr(clone(made).get_params()) == repr(made.get_params())
    again = pickle.loads(pickle.dumps(made))
    assert_equal(again.transform(X), made.transform(X))
    for method in (made.fit, made.fit_transform, made.transform):
        made.set_params(scale="drop", same="drop")
        with pytest.raises(ValueError, match="no transformer left"):
            method(X)
    with pytest.raises(NotFittedError):
        union().transform(X)


def test_verbose(capsys):
    union(verbose=True).fit(ragged())
    assert "(step 1 of 3) Processing scale" in capsys.readouterr().out


@pytest.mark.parametrize(
    "function, message",
    [
        (
            lambda X: [*X[:2], X[2][:0], *X[3:]],
            r"X\[2\] has 1 steps after transformer 'same', but 0 after 'odd'",
        ),
        (
            lambda X: [*X[:3], X[3][1:]],
            r"X\[3\] has 4 steps after transformer 'same', but 3 after 'odd'",
        ),
        (lambda X: X[1:], "'same' returned 4 sequences, but 'odd' returned 3"),
        (lambda X: pd.DataFrame({"a": [1.0] * 4}), "'odd' returned a DataFrame"),
        (lambda X: [np.ones((1, 1, 1))] * 4, r"odd\[0\] has the shape \(1, 1, 1\)"),
    ],
)
def test_wrong_results_are_refused(function, message):
    parts = [("same", "passthrough"), ("odd", FunctionTransformer(function))]
    with pytest.raises(ValueError, match=message):
        SequenceUnion(parts).fit_transform(ragged())


def test_blocks_of_other_lengths_are_refused():
    X = np.ones((3, 4, 2))
    parts = [("same", "passthrough"), ("odd", FunctionTransformer(lambda X: X[:, 1:]))]
    with pytest.raises(ValueError, match=r"X\[0\] has 4 steps after .* 3 after 'odd'"):
        SequenceUnion(parts).fit_transform(X)


def test_in_a_pipeline_and_a_search():
    X, y = make_classes()
    pipeline = make_pipeline(union(), RNNClassifier(4, max_iter=2, random_state=0))
    grid = {"sequenceunion__changes": ["drop", FunctionTransformer(changes)]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert len(search.predict(X)) == len(X)
    wanted = expected(X)
    pipeline[0].set_params(changes="drop")
    for container in ("default", "pandas", "polars"):
        again = clone(pipeline).set_output(transform=container).fit(X, y)
        with sklearn.config_context(transform_output=container):
            result = again[0].transform(X)
        assert_equal(result, [np.delete(x, [2, 3], axis=1) for x in wanted])


class Weighed(TransformerMixin, BaseEstimator):
    """Remembers its weights."""

    def fit(self, X, y=None, sample_weight=None):
        self.weight_ = sample_weight
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("routed", [False, True])
def test_weights_of_sequences_reach_those_that_take_them(routed):
    X, weight = ragged(), [1.0, 2.0, 3.0, 4.0]
    with sklearn.config_context(enable_metadata_routing=routed):
        first, second = Weighed(), Weighed()
        if routed:
            first.set_fit_request(sample_weight=True)
            second.set_fit_request(sample_weight=False)
        made = SequenceUnion([("a", first), ("b", second)])
        assert len(made.fit_transform(X, sample_weight=weight)) == 4
        assert made["a"].weight_ == weight
        assert made["b"].weight_ == (None if routed else weight)


# FeatureUnion keeps the fitted transformers in its parameter, and so does this.
AS_FEATURE_UNION = {
    "check_estimators_overwrite_params": "fitted transformers are in transformer_list",
    "check_dont_overwrite_parameters": "fitted transformers are in transformer_list",
}
CHECKS = parametrize_with_checks(
    [
        SequenceUnion([("scale", SequenceScaler()), ("plain", SequenceScaler())]),
        SequenceUnion([("scale", SequenceScaler()), ("same", "passthrough")]),
    ],
    expected_failed_checks=lambda estimator: AS_FEATURE_UNION,
)


# scikit-learn < 1.9 gives a generator, of which pytest >= 9.1 warns.
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_many_short_sequences_are_cheap():
    X = [np.ones((5, 2))] * 2_000
    made = make_sequence_union("passthrough", "passthrough").fit(X)
    assert count_calls(lambda: made.transform(X)) < 40 * len(X)
