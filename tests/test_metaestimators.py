"""scikit-learn's tools take ragged lists as they are, but for a few that are known."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import (
    OneVsOneClassifier,
    OneVsRestClassifier,
    OutputCodeClassifier,
)
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from skrnn import RNNClassifier, RNNRegressor
from skrnn.preprocessing import SequenceScaler
from toys import QUICK, make_classes, make_labels, make_targets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFIER = RNNClassifier(**QUICK)
REGRESSOR = RNNRegressor(**QUICK)
GROUPS = np.arange(40) // 5


@pytest.fixture
def classes():
    return make_classes(("a", "b", "c"))


@pytest.fixture
def targets():
    return make_targets()


# Parameters ----------------------------------------------------------------------


def test_clone_and_set_params():
    estimator = RNNClassifier((8, 4), cell="lstm", n_jobs=2)
    assert clone(estimator).get_params() == estimator.get_params()
    estimator.set_params(cell="rnn", hidden_layer_sizes=[3])
    assert estimator.get_params()["cell"] == "rnn"
    with pytest.raises(ValueError, match="Invalid parameter 'n_units'"):
        estimator.set_params(n_units=3)


def test_pipeline(classes):
    X, y = classes
    pipeline = make_pipeline(SequenceScaler(), clone(CLASSIFIER)).fit(X, y)
    assert pipeline.score(X, y) > 0.9
    assert pipeline.predict_proba(X).shape == (40, 3)
    pipeline.set_params(rnnclassifier__cell="rnn").fit(X, y)
    assert pipeline[-1].cell == "rnn"


# Splitting and scoring -----------------------------------------------------------


def test_train_test_split(classes):
    X, y = classes
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, stratify=y, random_state=0
    )
    assert isinstance(X_train, list)
    assert clone(CLASSIFIER).fit(X_train, y_train).score(X_test, y_test) > 0.7


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_validate(classes, n_jobs):
    X, y = classes
    results = cross_validate(
        CLASSIFIER,
        X,
        y,
        cv=3,
        n_jobs=n_jobs,
        scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"],
        return_train_score=True,
        return_estimator=True,
    )
    assert results["train_accuracy"].mean() > 0.9
    assert all(len(e.loss_curve_) == 12 for e in results["estimator"])
    again = cross_val_score(CLASSIFIER, X, y, cv=3)
    np.testing.assert_array_equal(again, results["test_accuracy"])


def test_cross_val_predict(classes, targets):
    X, y = classes
    proba = cross_val_predict(CLASSIFIER, X, y, cv=3, method="predict_proba")
    assert proba.shape == (40, 3)
    X, y = targets
    assert cross_val_predict(REGRESSOR, X, y, cv=3).shape == (40,)


@pytest.mark.parametrize("splitter", [StratifiedGroupKFold(3), GroupKFold(3)])
def test_group_splitters(classes, splitter):
    X, y = classes
    scores = cross_val_score(CLASSIFIER, X, y, groups=GROUPS, cv=splitter)
    assert len(scores) == 3
    assert np.isfinite(scores).all()


def test_learning_curve(classes):
    X, y = classes
    sizes, train, test = learning_curve(
        CLASSIFIER, X, y, train_sizes=[12, 24], cv=3, shuffle=True, random_state=0
    )
    np.testing.assert_array_equal(sizes, [12, 24])
    assert train.shape == test.shape == (2, 3)
    # With partial_fit, the curve is of one and the same estimator.
    _, train, _ = learning_curve(
        CLASSIFIER,
        X,
        y,
        train_sizes=[12, 24],
        cv=3,
        exploit_incremental_learning=True,
    )
    assert train.shape == (2, 3)


def test_validation_curve(targets):
    X, y = targets
    train, test = validation_curve(
        REGRESSOR, X, y, param_name="max_iter", param_range=[1, 30], cv=3
    )
    assert train[1].mean() > train[0].mean()


def test_permutation_test_score(classes):
    X, y = classes
    score, permuted, _ = permutation_test_score(
        CLASSIFIER, X, y, cv=2, n_permutations=3, random_state=0
    )
    assert score > permuted.mean()


# Searching -----------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(classes, n_jobs):
    X, y = classes
    pipeline = make_pipeline(SequenceScaler(), CLASSIFIER)
    grid = {
        "rnnclassifier__cell": ["rnn", "lstm", "gru"],
        "rnnclassifier__hidden_layer_sizes": [(4,), (4, 4)],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs).fit(X, y)
    assert search.best_score_ > 0.8
    assert search.predict(X[:3]).shape == (3,)


@pytest.mark.parametrize("form", ["object array", "3-D"])
def test_grid_search_over_other_forms(classes, form):
    X, y = classes
    if form == "3-D":
        array = np.stack([np.resize(x, (12, 2)) for x in X])
    else:
        array = np.empty(40, dtype=object)
        array[:] = X
    search = GridSearchCV(CLASSIFIER, {"cell": ["rnn", "gru"]}, cv=2).fit(array, y)
    assert search.best_score_ > 0.7


def test_randomized_search(targets):
    X, y = targets
    search = RandomizedSearchCV(
        REGRESSOR, {"alpha": [1e-4, 1e-2, 1.0]}, n_iter=2, cv=2, random_state=0
    )
    assert np.isfinite(search.fit(X, y).best_score_)


def test_halving_search_over_epochs(classes):
    X, y = classes
    search = HalvingGridSearchCV(
        CLASSIFIER,
        {"cell": ["rnn", "lstm", "gru"], "hidden_layer_sizes": [4, 8]},
        resource="max_iter",
        min_resources=2,
        max_resources=18,
        cv=2,
        random_state=0,
    )
    search.fit(X, y)
    assert search.n_resources_ == [2, 6]
    assert search.best_estimator_.n_iter_ == 6


def test_halving_search_over_sequences(classes):
    X, y = classes
    search = HalvingGridSearchCV(
        CLASSIFIER, {"cell": ["rnn", "gru"]}, min_resources=20, cv=2, random_state=0
    )
    assert search.fit(X, y).n_resources_ == [20]


def test_search_scores_what_validation_data_do_not_see(classes):
    # X_val of another length than X goes to each fit as it is.
    X, y = classes
    X_val, y_val = make_classes(("a", "b", "c"), n_seqs=12, seed=3)
    estimator = clone(CLASSIFIER).set_params(early_stopping=True)
    search = GridSearchCV(estimator, {"cell": ["rnn", "gru"]}, cv=2)
    search.fit(X, y, X_val=X_val, y_val=y_val)
    best = search.best_estimator_
    assert best.best_validation_score_ == max(best.validation_scores_)


# Metadata ------------------------------------------------------------------------


def test_sample_weight_is_sliced_with_the_sequences(classes):
    X, y = classes
    weight = (y != "b").astype(float)
    results = cross_validate(
        CLASSIFIER, X, y, params={"sample_weight": weight}, cv=3, return_estimator=True
    )
    for estimator in results["estimator"]:
        np.testing.assert_array_equal(estimator.classes_, ["a", "c"])


def test_validation_data_are_transformed_by_a_pipeline(classes):
    X, y = classes
    X_val, y_val = make_classes(("a", "b", "c"), n_seqs=12, seed=3)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = clone(CLASSIFIER).set_params(early_stopping=True, standardize=False)
        estimator.set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline(
            [("scale", SequenceScaler()), ("rnn", estimator)], transform_input=["X_val"]
        )
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    by_hand = clone(CLASSIFIER).set_params(early_stopping=True, standardize=False)
    scaler = SequenceScaler().fit(X)
    by_hand.fit(scaler.transform(X), y, X_val=scaler.transform(X_val), y_val=y_val)
    assert pipeline["rnn"].validation_scores_ == by_hand.validation_scores_


def test_groups_are_for_splitters_unless_requested(classes):
    X, y = classes
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            clone(CLASSIFIER).set_params(early_stopping=True, max_iter=2),
            {"cell": ["rnn"]},
            cv=StratifiedGroupKFold(2),
        )
        search.fit(X, y, groups=GROUPS)
        search.set_params(estimator=search.estimator.set_fit_request(groups=True))
        search.fit(X, y, groups=GROUPS)


@pytest.mark.parametrize("piped", [False, True])
def test_groups_of_a_search_reach_the_inner_split_by_routing(classes, piped):
    """Without routing they reach the splitter only, as the docstring of fit says."""
    X, y = classes
    model = clone(CLASSIFIER).set_params(
        early_stopping=True, scoring="loss", max_iter=4
    )
    splitter = GroupKFold(2)

    def inner_curves(estimator, routed):
        with sklearn.config_context(enable_metadata_routing=routed):
            if routed:
                estimator = clone(estimator).set_fit_request(groups=True)
            if piped:
                estimator = make_pipeline(SequenceScaler(), estimator)
            search = GridSearchCV(estimator, {}, cv=splitter)
            search.fit(X, y, groups=GROUPS)
            groups = {"params": {"groups": GROUPS}} if routed else {"groups": GROUPS}
            folds = cross_validate(
                estimator, X, y, cv=splitter, return_estimator=True, **groups
            )["estimator"]
        fitted = [search.best_estimator_, *folds]
        return [(e[-1] if piped else e).validation_loss_curve_ for e in fitted]

    def expected(with_groups):
        train = [np.arange(40), *(rows for rows, _ in splitter.split(X, y, GROUPS))]
        curves = []
        for rows in train:
            given = [X[i] for i in rows]
            if piped:
                given = SequenceScaler().fit_transform(given)
            groups = GROUPS[rows] if with_groups else None
            fitted = clone(model).fit(given, y[rows], groups=groups)
            curves.append(fitted.validation_loss_curve_)
        return curves

    assert inner_curves(model, True) == expected(True)
    assert inner_curves(model, False) == expected(False) != expected(True)
    assert "set_fit_request(groups=True)" in RNNClassifier.fit.__doc__


# Ensembles and wrappers ----------------------------------------------------------


def test_voting(classes, targets):
    X, y = classes
    other = clone(CLASSIFIER).set_params(cell="rnn")
    vote = VotingClassifier([("gru", CLASSIFIER), ("rnn", other)], voting="soft")
    assert vote.fit(X, y).score(X, y) > 0.9
    X, y = targets
    vote = VotingRegressor([("a", REGRESSOR), ("b", clone(REGRESSOR))])
    assert vote.fit(X, y).predict(X).shape == (40,)


def test_stacking(classes, targets):
    X, y = classes
    other = clone(CLASSIFIER).set_params(cell="rnn")
    stack = StackingClassifier(
        [("gru", CLASSIFIER), ("rnn", other)], GaussianNB(), cv=3
    )
    assert stack.fit(X, y).score(X, y) > 0.9
    X, y = targets
    stack = StackingRegressor([("gru", REGRESSOR)], Ridge(), cv=3)
    assert stack.fit(X, y).score(X, y) > 0.3


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(classes, method):
    X, y = classes
    calibrated = CalibratedClassifierCV(CLASSIFIER, method=method, cv=3).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    frozen = FrozenEstimator(clone(CLASSIFIER).fit(X[:20], y[:20]))
    CalibratedClassifierCV(frozen, method=method, cv=3).fit(X[20:], y[20:])


def test_thresholds():
    X, y = make_classes((0, 1))
    tuned = TunedThresholdClassifierCV(CLASSIFIER, cv=3, random_state=0).fit(X, y)
    assert tuned.score(X, y) > 0.9
    fixed = FixedThresholdClassifier(CLASSIFIER, threshold=0.0).fit(X, y)
    assert fixed.predict(X).all()


def test_transformed_target(targets):
    X, y = targets
    wrapped = TransformedTargetRegressor(REGRESSOR, transformer=StandardScaler())
    assert wrapped.fit(X, y).predict(X).shape == (40,)
    wrapped = TransformedTargetRegressor(REGRESSOR, func=np.log, inverse_func=np.exp)
    assert abs(wrapped.fit(X, y).predict(X) - y).mean() < 10


def test_one_vs_rest(classes):
    X, y = classes
    assert OneVsRestClassifier(CLASSIFIER).fit(X, y).score(X, y) > 0.9


def test_multi_output():
    X, y = make_labels()
    wrapped = MultiOutputClassifier(CLASSIFIER).fit(X, y)
    assert wrapped.predict(X).shape == y.shape


def test_feature_union(classes):
    # It joins what its parts return side by side: for parts that return tables.
    X, y = classes
    stack = StackingClassifier(
        [("gru", CLASSIFIER)], GaussianNB(), cv=2, passthrough=False
    )
    union = FeatureUnion([("stack", stack), ("again", clone(stack))])
    assert union.fit(X, y).transform(X).shape == (40, 6)
    # Sequences are appended in time, or not at all: SequenceUnion is for these.
    union = FeatureUnion([("a", SequenceScaler()), ("b", SequenceScaler())])
    same = [x[:1].repeat(3, axis=0) for x in X]
    assert union.fit_transform(same).shape == (40, 6, X[0].shape[1])
    with pytest.raises(ValueError, match="inhomogeneous"):
        union.fit_transform(X)


@pytest.mark.parametrize("form", ["frame", "object array"])
def test_tools_that_make_one_column_of_sequences(classes, form):
    """Estimators refused a frame or an object array with one column of sequences."""
    X, y = classes
    objects = np.empty(len(X), dtype=object)
    objects[:] = X
    frame = pd.DataFrame({"x": objects, "id": y})
    columns = ColumnTransformer([("x", "passthrough", ["x"])])
    columns.set_output(transform="pandas" if form == "frame" else "default")
    expected = clone(CLASSIFIER).fit(X, y).predict_proba(X)
    for steps in ([CLASSIFIER], [SequenceScaler(), CLASSIFIER]):
        pipeline = make_pipeline(columns, *steps).fit(frame, y)
        proba = pipeline.predict_proba(frame)
        np.testing.assert_allclose(proba, expected, atol=1e-6)
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    from imblearn.pipeline import make_pipeline as make_imblearn_pipeline

    table = frame[["x"]] if form == "frame" else objects[:, np.newaxis]
    rare = np.flatnonzero((y != "c") | (np.arange(len(y)) < 12))
    table, y = (table.iloc[rare] if form == "frame" else table[rare]), y[rare]
    sampler = over_sampling.RandomOverSampler(random_state=0)
    drawn = sampler.fit(table, y).fit_resample(table, y)[1]
    assert len(set(np.unique(drawn, return_counts=True)[1])) == 1
    pipeline = make_imblearn_pipeline(sampler, SequenceScaler(), CLASSIFIER)
    scores = cross_val_score(pipeline, table, y, cv=2)
    assert scores.min() > 0.6
    by_hand = clone(CLASSIFIER).fit(
        [X[rare[i]] for i in sampler.sample_indices_], drawn
    )
    direct = make_imblearn_pipeline(sampler, CLASSIFIER).fit(table, y)
    np.testing.assert_array_equal(
        direct.predict_proba(table), by_hand.predict_proba(table)
    )


def test_scoring_of_a_search_sees_the_classes(classes):
    X, y = classes
    search = GridSearchCV(
        CLASSIFIER,
        {"alpha": [1e-4]},
        scoring=["roc_auc_ovr", "neg_brier_score", "f1_macro"],
        refit=False,
        cv=StratifiedKFold(2),
    )
    if sklearn.__version__.startswith("1.6"):
        search.set_params(scoring=["roc_auc_ovr", "f1_macro"])  # two classes only there
    results = search.fit(X, y).cv_results_
    assert all(np.isfinite(v).all() for k, v in results.items() if "test" in k)


# Those that check the sequences as if they were a table --------------------------

REFUSING = {
    "BaggingClassifier": BaggingClassifier(CLASSIFIER, n_estimators=2),
    "BaggingRegressor": BaggingRegressor(REGRESSOR, n_estimators=2),
    "AdaBoostClassifier": AdaBoostClassifier(CLASSIFIER, n_estimators=2),
    "OneVsOneClassifier": OneVsOneClassifier(CLASSIFIER),
    "OutputCodeClassifier": OutputCodeClassifier(CLASSIFIER, random_state=0),
    "ClassifierChain": ClassifierChain(CLASSIFIER),
    "SelfTrainingClassifier": SelfTrainingClassifier(CLASSIFIER),
}


@pytest.mark.parametrize("name", REFUSING)
def test_tools_that_refuse_ragged_lists(name):
    X, y = make_classes((0, 1, 2))
    if name == "ClassifierChain":
        y = make_labels()[1]
    with pytest.raises(
        ValueError, match="inhomogeneous shape|setting an array element"
    ):
        clone(REFUSING[name]).fit(X, y).predict(X)


def test_permutation_importance_refuses_ragged_lists(classes):
    X, y = classes
    with pytest.raises(
        ValueError, match="inhomogeneous shape|setting an array element"
    ):
        permutation_importance(clone(CLASSIFIER).fit(X, y), X, y, n_repeats=2)


class RowNumbers(RNNClassifier):
    """The way round: the tool sees row numbers, and the estimator has the sequences."""

    sequences = ()

    def fit(self, X, y, sample_weight=None):
        return super().fit(self._rows(X), y, sample_weight)

    def predict(self, X):
        return super().predict(self._rows(X))

    def predict_proba(self, X):
        return super().predict_proba(self._rows(X))

    def _rows(self, X):
        return [self.sequences[int(i)] for i in np.ravel(X)]


def test_bagging_over_row_numbers(classes, monkeypatch):
    X, y = classes
    monkeypatch.setattr(RowNumbers, "sequences", X)
    rows = np.arange(len(X))[:, np.newaxis]
    bagging = BaggingClassifier(RowNumbers(**QUICK), n_estimators=3, random_state=0)
    assert bagging.fit(rows, y).score(rows, y) > 0.8


def test_splits_of_any_kind(classes):
    X, y = classes
    scores = cross_val_score(CLASSIFIER, X, y, cv=ShuffleSplit(2, random_state=0))
    assert len(scores) == 2
