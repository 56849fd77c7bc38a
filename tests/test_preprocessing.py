"""SequenceScaler does to sequences what StandardScaler does to tables."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from calls import count_calls
from forms import objects
from quiet import no_warnings
from skrnn import RNNClassifier
from skrnn.preprocessing import SequenceScaler, SequenceVectorizer

LENGTHS = (3, 5, 1, 4, 8)


def ragged(lengths=LENGTHS, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    spread = 10.0 ** np.arange(n_features)
    return [5 + spread * rng.normal(size=(n, n_features)) for n in lengths]


def table(X):
    return np.concatenate([np.asarray(x, dtype=float) for x in X])


def assert_same_state(scaler, expected, rtol=1e-12):
    for name in ("mean_", "var_", "scale_", "n_samples_seen_"):
        found, wanted = getattr(scaler, name), getattr(expected, name)
        assert (found is None) == (wanted is None), name
        if wanted is not None:
            np.testing.assert_allclose(found, wanted, rtol=rtol, err_msg=name)
            assert np.ndim(found) == np.ndim(wanted), name


def checks():
    mark = parametrize_with_checks(
        [
            SequenceScaler(with_mean=False),
            SequenceScaler(with_std=False),
            SequenceScaler(with_mean=False, with_std=False),
        ]
    )
    # scikit-learn < 1.9 gives a generator, of which pytest >= 9.1 warns.
    return pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs)


@checks()
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("with_mean", [True, False])
@pytest.mark.parametrize("with_std", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_is_standard_scaler_of_all_steps(with_mean, with_std, weighted, missing):
    X = ragged()
    if missing:
        X[1][2:4, 1] = X[0][0, 0] = np.nan
    weight = np.array([0.5, 2, 0, 1, 3]) if weighted else None
    each = None if weight is None else np.repeat(weight, LENGTHS)
    options = {"with_mean": with_mean, "with_std": with_std}
    scaler = SequenceScaler(**options).fit(X, sample_weight=weight)
    expected = StandardScaler(**options).fit(table(X), sample_weight=each)
    if weighted and not (with_mean or with_std):
        expected.n_samples_seen_ = scaler.n_samples_seen_  # it does not read weights
    assert_same_state(scaler, expected)
    assert scaler.n_features_in_ == 3
    scaled = scaler.transform(X)
    np.testing.assert_allclose(table(scaled), expected.transform(table(X)), rtol=1e-9)
    np.testing.assert_allclose(table(scaler.inverse_transform(scaled)), table(X))
    fitted = SequenceScaler(**options).fit_transform(X, sample_weight=weight)
    np.testing.assert_array_equal(table(fitted), table(scaled))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_partial_fit(weighted, missing):
    X = ragged((3, 5, 1, 4, 8, 2, 2))
    if missing:
        X[1][:, 1] = X[4][3, 2] = np.nan
    weight = np.arange(1.0, 8) if weighted else None
    whole = SequenceScaler().fit(X, sample_weight=weight)
    parts = SequenceScaler()
    for part in (slice(2), slice(2, 3), slice(3, 7)):
        parts.partial_fit(X[part], sample_weight=weight[part] if weighted else None)
    assert_same_state(parts, whole, rtol=1e-13)
    parts.fit(X[:2])
    assert_same_state(parts, SequenceScaler().fit(X[:2]), rtol=0)


def test_partial_fit_after_weights_counts_weights():
    X = ragged()
    scaler = SequenceScaler().fit(X, sample_weight=np.full(5, 0.5))
    assert scaler.n_samples_seen_ == 10.5
    scaler.partial_fit(X)
    assert scaler.n_samples_seen_ == 31.5
    assert SequenceScaler().fit(X).n_samples_seen_.dtype == np.int64
    assert SequenceScaler().partial_fit(X).partial_fit(X).n_samples_seen_ == 42


def test_weights_are_repetitions():
    X = ragged()
    scaler = SequenceScaler().fit(X, sample_weight=[2, 1, 0, 3, 1])
    repeated = SequenceScaler().fit([X[i] for i in (0, 0, 1, 3, 3, 3, 4)])
    for name in ("mean_", "var_", "scale_"):
        np.testing.assert_array_equal(getattr(scaler, name), getattr(repeated, name))
    with pytest.raises(ValueError, match="Negative values"):
        SequenceScaler().fit(X, sample_weight=[2, 1, 0, -3, 1])
    with pytest.raises(ValueError, match="sample_weight.shape"):
        SequenceScaler().fit(X, sample_weight=[2, 1])


@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 1.0, 1e8, -1e8]),
    st.sampled_from([1e-5, 1.0, 1e9]),
)
def test_scaled_training_sequences_have_mean_0_and_variance_1(seed, offset, scale):
    rng = np.random.default_rng(seed)
    X = [offset + scale * rng.normal(size=(n, 2)) for n in rng.integers(1, 20, 9)]
    scaled = table(SequenceScaler().fit_transform(X))
    # As good as the digits that the values themselves have.
    digits = 2e-16 * max(1, abs(offset) / scale)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=4 * digits + 1e-13)
    np.testing.assert_allclose(scaled.var(axis=0), 1, atol=4 * digits + 1e-13)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 + 0.1, -1e200])
def test_constant_features(value):
    X = [np.full((n, 1), value) for n in (10, 5)]
    scaler = SequenceScaler().fit(X)
    assert (scaler.mean_, scaler.var_, scaler.scale_) == (value, 0, 1)
    assert (table(scaler.transform(X)) == 0).all()


def test_almost_constant_feature_is_not_blown_up():
    X = [np.array([[1e8], [np.nextafter(1e8, 2e8)]] * 50)]
    assert SequenceScaler().fit(X).scale_ == StandardScaler().fit(X[0]).scale_ == 1


# --- forms -------------------------------------------------------------------------


def assert_alike(result, X, scaled):
    """`result` is in the form of X, with the numbers of `scaled`."""
    assert type(result) is type(X)
    assert len(result) == len(X)
    for found, given_, expected in zip(result, X, scaled, strict=True):
        if hasattr(given_, "columns"):
            assert type(found) is type(given_)
            assert list(found.columns) == list(given_.columns)
            found = found.to_numpy()
        if isinstance(found, pl.Series):
            found = found.to_list()
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-14)


RAGGED = {
    "list": list,
    "tuple": tuple,
    "object array": objects,
    "Series": lambda X: pd.Series(objects(X), index=list("edcba"), name="x"),
    "polars": lambda X: pl.Series("x", [x.tolist() for x in X]),
    "frames": lambda X: [
        pd.DataFrame(x, columns=["a", "b", "c"], index=np.arange(len(x)) * 2) for x in X
    ],
    "polars frames": lambda X: [
        pl.DataFrame(x, schema=["a", "b", "c"], orient="row") for x in X
    ],
}


@pytest.mark.parametrize("form", RAGGED)
def test_ragged_forms(form):
    X = ragged()
    scaled = SequenceScaler().fit_transform(X)
    given_ = RAGGED[form](X)
    scaler = SequenceScaler().fit(given_)
    result = scaler.transform(given_)
    assert_alike(result, given_, scaled)
    assert_alike(scaler.inverse_transform(result), given_, X)
    if form == "Series":
        assert result.index.equals(given_.index) and result.name == "x"
    if form == "polars":
        assert result.name == "x" and result.dtype == given_.dtype
    if form == "frames":
        assert result[1].index.equals(given_[1].index)
        assert scaler.feature_names_in_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("form", ["list", "tuple", "object array", "Series", "polars"])
def test_univariate_forms(form):
    X = [x[:, 0] for x in ragged()]
    expected = StandardScaler().fit(np.concatenate(X)[:, None])
    scaled = [expected.transform(x[:, None])[:, 0] for x in X]
    given_ = RAGGED[form](X)
    scaler = SequenceScaler().fit(given_)
    assert scaler.mean_.shape == (1,)
    assert_alike(scaler.transform(given_), given_, scaled)
    assert_alike(scaler.inverse_transform(scaler.transform(given_)), given_, X)


def test_one_column_of_sequences():
    X = [x[:, 0] for x in ragged()]
    expected = SequenceScaler().fit_transform(X)
    frame = pd.DataFrame({"x": objects(X)}, index=list("abcde"))
    lists = pl.DataFrame({"x": [x.tolist() for x in X]})
    for given_ in (frame, lists, objects(X)[:, np.newaxis]):
        scaler = SequenceScaler().fit(given_)
        result = scaler.transform(given_)
        assert type(result) is type(given_) and result.shape == (5, 1)
        back = scaler.inverse_transform(result)
        column, back = (
            x.to_numpy()[:, 0] if hasattr(x, "columns") else x[:, 0]
            for x in (result, back)
        )
        np.testing.assert_allclose(np.concatenate(column), np.concatenate(expected))
        np.testing.assert_allclose(np.concatenate(back), np.concatenate(X))
    assert SequenceScaler().fit_transform(frame).index.tolist() == list("abcde")


def test_nested_lists():
    X = [x.tolist() for x in ragged()]
    scaled = SequenceScaler().fit_transform(ragged())
    result = SequenceScaler().fit_transform(X)
    assert type(result) is list
    for x, expected in zip(result, scaled, strict=True):
        np.testing.assert_array_equal(x, expected)
    result = SequenceScaler().fit_transform([[1, 2, 3], [4, 5]])
    np.testing.assert_allclose(result[0], np.array([-2, -1, 0]) / np.sqrt(2))
    result = SequenceScaler().fit_transform([[1, 3], [3, 1]])
    np.testing.assert_array_equal(result, [[-1, 1], [1, -1]])


def test_three_dimensions():
    X = np.random.default_rng(0).normal(size=(4, 5, 3))
    expected = StandardScaler().fit(X.reshape(-1, 3))
    scaled = expected.transform(X.reshape(-1, 3)).reshape(X.shape)
    for given_ in (pl.Series("x", X), np.asfortranarray(X), X):
        scaler = SequenceScaler().fit(given_)
        result = scaler.transform(given_)
        assert type(result) is type(given_)
        back = scaler.inverse_transform(result)
        if isinstance(result, pl.Series):
            assert result.name == "x" and result.dtype == given_.dtype
            result, back = result.to_numpy(), back.to_numpy()
        np.testing.assert_allclose(result, scaled)
        np.testing.assert_allclose(back, X, atol=1e-14)
    np.testing.assert_array_equal(scaler.transform(list(X)), scaler.transform(X))


def test_two_dimensions_are_univariate():
    X = 3 + np.random.default_rng(0).normal(size=(4, 5))
    expected = (X - X.mean()) / X.std()
    for given_ in (pd.DataFrame(X, columns=list("abcde")), pl.DataFrame(X), X):
        scaler = SequenceScaler().fit(given_)
        assert scaler.n_features_in_ == 5 and scaler.mean_.shape == (1,)
        result = scaler.transform(given_)
        assert type(result) is np.ndarray
        np.testing.assert_allclose(result, expected)
        np.testing.assert_allclose(scaler.inverse_transform(result), X)
    with pytest.raises(ValueError, match="X has 4 features, but SequenceScaler is exp"):
        scaler.transform(X[:, :4])
    ragged = [X[0, :2], X[1]]
    np.testing.assert_allclose(scaler.transform(ragged)[0], expected[0, :2])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", ">f4", "i4", "u1", "?"])
def test_types(dtype):
    wide = [(10 * np.abs(x)).round() for x in ragged(n_features=1)]
    X = [x.astype(dtype) for x in wide]
    expected = StandardScaler().fit(table(X))
    kept = np.dtype(dtype).newbyteorder("=") if dtype in ("f2", "f4", ">f4") else "f8"
    for given_ in (X, np.stack([X[0], X[0][::-1]])):
        result = SequenceScaler().fit(X).transform(given_)
        for x, out in zip(given_, result, strict=True):
            assert out.dtype == kept and out.dtype.isnative
            exact = expected.transform(x.astype(float))
            np.testing.assert_allclose(out, exact.astype(kept), rtol=1e-12)
    with no_warnings():
        back = SequenceScaler().fit(X).inverse_transform(result)
    assert back[0].dtype == kept


def test_float32_is_scaled_in_double_precision():
    X = [np.array([[16777216.0], [16777218.0]], np.float32)]
    assert table(SequenceScaler().fit_transform(X)).ravel().tolist() == [-1, 1]


def test_copy():
    block = np.random.default_rng(0).normal(size=(3, 4, 2))
    X = block.copy()
    expected = SequenceScaler().fit_transform(X)
    np.testing.assert_array_equal(X, block)
    scaler = SequenceScaler(copy=False).fit(X)
    assert scaler.transform(X) is X
    np.testing.assert_array_equal(X, expected)
    assert scaler.inverse_transform(X) is X
    np.testing.assert_allclose(X, block)
    X.setflags(write=False)
    before = X.copy()
    result = SequenceScaler(copy=False).fit_transform(X)
    np.testing.assert_array_equal(X, before)
    assert not np.shares_memory(X, result)


def test_arrays_that_occur_twice_are_scaled_once():
    """With copy=False they came out scaled twice: -1.42 for 0.33."""
    series = np.random.default_rng(0).normal(5, 3, size=(30, 2))
    lists = {
        "oversampled": [series[:9], series[9:], series[:9]],
        "windows": [series[i : i + 8] for i in range(0, 20, 2)],
        "reversed": [series[:9], series[:9][::-1]],
    }
    for name, X in lists.items():
        before = copy.deepcopy(X)
        for make in (list, tuple, objects, pd.Series):
            result = SequenceScaler(copy=False).fit_transform(make(X))
            expected = SequenceScaler().fit_transform(before)
            np.testing.assert_array_equal(table(result), table(expected), name)
            np.testing.assert_array_equal(table(X), table(before), name)
    windows = np.lib.stride_tricks.as_strided(
        series, (10, 8, 2), (32, 16, 8), writeable=True
    )
    expected = SequenceScaler().fit_transform(windows.copy())
    before = series.copy()
    result = SequenceScaler(copy=False).fit_transform(windows)
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(series, before)


def test_a_search_leaves_the_arrays_of_a_list_as_they_are():
    """With copy=False the folds of a list scaled the arrays of the user."""
    X, y = ragged((4, 6, 3, 8, 5, 7, 9, 4)), [0, 1, 0, 1, 0, 1, 0, 1]
    before = copy.deepcopy(X)
    scores = []
    for copied in (True, False):
        pipeline = make_pipeline(
            SequenceScaler(copy=copied),
            RNNClassifier(4, standardize=False, max_iter=3, random_state=0),
        )
        grid = {"rnnclassifier__cell": ["rnn", "gru"]}
        search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss").fit(X, y)
        scores.append(search.cv_results_["mean_test_score"])
        np.testing.assert_array_equal(table(X), table(before))
    np.testing.assert_array_equal(*scores)


def test_missing_values_stay():
    X = [np.array([[1.0, np.nan], [3.0, 5.0]]), np.array([[np.nan, 7.0]])]
    scaler = SequenceScaler().fit(X)
    assert scaler.n_samples_seen_ == 2
    result = scaler.transform(X)
    np.testing.assert_array_equal(result[0], [[-1, np.nan], [1, -1]])
    np.testing.assert_array_equal(result[1], [[np.nan, 1]])
    np.testing.assert_array_equal(scaler.inverse_transform(result)[0], X[0])
    with pytest.raises(ValueError, match=r"infinity.*\nX\[0\] has it at step 1"):
        scaler.transform([np.array([[1, 2], [np.inf, 3]])])


def test_feature_without_any_value():
    X = [np.array([[1.0, np.nan], [3.0, np.nan]])]
    scaler = SequenceScaler().fit(X)
    assert scaler.n_samples_seen_.tolist() == [2, 0]
    assert scaler.mean_.tolist() == [2, 0] and scaler.scale_.tolist() == [1, 1]
    scaler.partial_fit([np.array([[5.0, 7.0]])])
    assert scaler.mean_.tolist() == [3, 7] and scaler.var_[1] == 0


# --- scikit-learn ------------------------------------------------------------------


def test_estimator():
    X = ragged()
    scaler = SequenceScaler(with_std=False)
    with pytest.raises(NotFittedError):
        scaler.transform(X)
    with pytest.raises(NotFittedError):
        scaler.inverse_transform(X)
    scaler.fit(X)
    assert clone(scaler).get_params() == {
        "copy": True,
        "with_mean": True,
        "with_std": False,
    }
    again = pickle.loads(pickle.dumps(scaler))
    np.testing.assert_array_equal(table(again.transform(X)), table(scaler.transform(X)))
    # Sequences are no table: there are no columns to name.
    assert not hasattr(scaler, "get_feature_names_out")
    for method in (scaler.transform, scaler.inverse_transform, scaler.partial_fit):
        with pytest.raises(ValueError, match="X has 2 features, but SequenceScaler is"):
            method(ragged(n_features=2))


def test_in_a_pipeline():
    X = ragged()
    pipeline = make_pipeline(SequenceScaler(with_std=False), SequenceScaler())
    result = pipeline.fit_transform(X)
    np.testing.assert_allclose(
        table(result), table(SequenceScaler().fit_transform(X)), rtol=1e-9
    )
    names = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    pipeline.fit(names)
    assert pipeline[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(
        table(pipeline.inverse_transform(pipeline.transform(names))), table(X)
    )


@pytest.mark.parametrize("container", ["default", "pandas", "polars", None])
def test_set_output_changes_nothing(container):
    """It said "Unable to configure output", even for "default"."""
    X, texts = ragged(), ["one two", "two three"]
    expected = SequenceScaler().fit_transform(X)
    pipeline = make_pipeline(FunctionTransformer(), SequenceScaler())
    pipeline.set_output(transform=container)
    assert pipeline[-1].set_output(transform=container) is pipeline[-1]
    np.testing.assert_array_equal(table(pipeline[1:].fit_transform(X)), table(expected))
    with config_context(transform_output=container or "default"):
        result = pipeline[1:].fit_transform(X)
        np.testing.assert_array_equal(table(result), table(expected))
        tokens = SequenceVectorizer().set_output(transform=container)
        assert tokens.fit_transform(texts)[1].tolist() == ["two", "three"]


def test_failed_first_partial_fit_can_be_repeated():
    scaler = SequenceScaler()
    with pytest.raises(ValueError, match="sample_weight"):
        scaler.partial_fit(ragged(), sample_weight=[1])
    scaler.partial_fit(ragged(n_features=2))
    assert scaler.n_features_in_ == 2


def test_callbacks():
    callback = pytest.importorskip("sklearn.callback", reason="scikit-learn < 1.9")
    X = ragged()
    scaler = SequenceScaler().set_callbacks(callback.ProgressBar())
    pipeline = make_pipeline(SequenceScaler(), SequenceScaler())
    pipeline.set_callbacks(callback.ProgressBar())
    for estimator in (scaler, pipeline):
        result = estimator.fit_transform(X)
        np.testing.assert_allclose(
            table(result), table(SequenceScaler().fit_transform(X)), rtol=1e-9
        )
        clone(estimator).fit(X)


def test_many_short_sequences_cost_little_more_than_joining_them():
    """Each sequence cost 7 microseconds, however short it was."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 3)) for n in rng.integers(4, 12, 2000)]
    scaler = SequenceScaler().fit(X)
    assert count_calls(lambda: SequenceScaler().fit(X)) < len(X)
    assert count_calls(lambda: scaler.transform(X)) < 10 * len(X)
    whole = (np.concatenate(X) - scaler.mean_) / scaler.scale_
    joined = np.split(whole, np.cumsum([len(x) for x in X])[:-1])
    for a, b in zip(scaler.transform(X), joined, strict=True):
        np.testing.assert_array_equal(a, b)


def test_blocks_of_sequences_have_the_bits_of_each_alone():
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(n, 2)) for n in rng.integers(1, 9, 60)]
    X[3] = X[3].astype(np.float32)
    X[7] = np.asfortranarray(X[7])
    X[9] = rng.normal(size=(40_000, 2))
    X[12] = X[12].round().astype(int)
    X[20] = X[20].astype(np.dtype("f8").newbyteorder(">"))
    scaler = SequenceScaler().fit(X)
    for i, (x, scaled) in enumerate(zip(X, scaler.transform(X), strict=True)):
        (alone,) = scaler.transform([x])
        np.testing.assert_array_equal(scaled, alone, err_msg=str(i))
        assert scaled.dtype == alone.dtype and scaled.flags.owndata
