"""Generated calls: a clear error that changes nothing, or finite results.

``benchmarks/fuzz.py`` makes a million of them; what it found has a test of its own.
"""

import copy
import functools
import inspect
import math
import warnings
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

import strategies
import strategies_others
from ids import plain
from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn.preprocessing import SequenceScaler
from strategies import Broken, calls, drawn, run, seeded, snapshot
from toys import QUICK, make_classes, make_targets

ESTIMATORS = list(strategies.MAKE_TARGETS)
OF_SEQUENCES = [RNNClassifier, RNNRegressor, SequenceScaler]

# Generated calls -----------------------------------------------------------------


# The same calls each time: looking for others is what the programs are for.
@settings(
    max_examples=300,
    suppress_health_check=list(HealthCheck),
)
@given(drawn(calls))
def test_any_call(call):
    run(call)


@pytest.mark.parametrize("first", range(0, 2500, 500))
def test_calls_of_seeds(first):
    for seed in range(first, first + 500):
        call = calls(seeded(seed))
        try:
            run(call)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {call}") from error


def test_what_is_generated_is_not_all_refused():
    outcomes = [run(calls(seeded(seed))) for seed in range(400)]
    assert outcomes.count("result") > 100
    assert len(set(outcomes)) > 50


@pytest.mark.parametrize("first", range(0, 1200, 300))
def test_calls_of_other_estimators(first):
    for seed in range(first, first + 300):
        call = strategies_others.calls(seeded(seed))
        try:
            strategies_others.run(call)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {call}") from error


def test_what_is_generated_for_other_estimators_is_not_all_refused():
    outcomes = [
        strategies_others.run(strategies_others.calls(seeded(seed)))
        for seed in range(200)
    ]
    assert outcomes.count("result") > 50
    assert len(set(outcomes)) > 20


def test_a_broken_promise_is_seen():
    X, y = make_classes()
    estimator = RNNClassifier(**QUICK)

    def fit(X, y, sample_weight=None):
        estimator.random_state = 7
        raise ValueError("an error that changes the estimator")

    call = strategies.Call(estimator, "fit", (X, y), {"sample_weight": None})
    estimator.fit = fit
    with pytest.raises(Broken, match="the estimator has changed"):
        run(call)
    estimator.fit = lambda X, y, sample_weight: X[0].fill(0) or int("none")
    with pytest.raises(Broken, match="the data have changed"):
        run(call)
    estimator.fit = lambda X, y, sample_weight: warnings.warn("Boo!", stacklevel=1)
    with pytest.raises(UserWarning, match="Boo!"):
        run(call)
    fitted = RNNClassifier(**QUICK).fit(X, y)
    fitted.predict_proba = lambda X: np.full((len(X), 2), np.nan)
    with pytest.raises(Broken, match="do not sum|not finite"):
        run(strategies.Call(fitted, "predict_proba", (X,), {}))


# Parameters ----------------------------------------------------------------------

# What each parameter may be, in the words of its description. All values below that
# are not of the kind must be refused.
COLUMNS = {"str", "int", "huge int", "array"}  # what they say is looked at later
KINDS = {
    "hidden_layer_sizes": {"int from 1", "ints from 1"},
    "cell": {"gru"},
    "activation": {"tanh"},
    "bidirectional": {"bool"},
    "pooling": {"last"},
    "segment_length": {"auto", "int from 1"},
    "convolutions": {"auto", "int from 0"},
    "rocket": {"auto", "bool"},
    "standardize": {"bool"},
    "missing": {"error"},
    "embedding_size": {"auto", "int from 1", "dict"},
    "embedding_init": {"None", "dict"},
    "embedding_trainable": {"bool"},
    "embedding_dropout": {"0", "share"},
    "min_frequency": {"int from 1", "share", "huge int"},
    "max_categories": {"int from 1", "None", "huge int"},
    "dropout": {"0", "share"},
    "recurrent_dropout": {"0", "share"},
    "class_weight": {"balanced", "None", "dict", "list"},
    "solver": {"adam"},
    "alpha": {"0", "share", "1", "from 1"},
    "batch_size": {"auto", "int from 1", "huge int"},
    "learning_rate": {"constant"},
    "learning_rate_init": {"share", "1", "from 1"},
    "power_t": {"0", "share", "1", "from 1"},
    "max_iter": {"int from 1", "huge int"},
    "shuffle": {"bool"},
    "max_grad_norm": {"share", "1", "from 1", "None"},
    "bptt_steps": {"int from 1", "None"},
    "momentum": {"0", "share", "1"},
    "nesterovs_momentum": {"bool"},
    "beta_1": {"0", "share"},
    "beta_2": {"0", "share"},
    "epsilon": {"share", "1", "from 1"},
    "max_fun": {"int from 1", "huge int"},
    "tol": {"0", "share", "1", "from 1"},
    "n_iter_no_change": {"int from 1", "huge int", "infinity"},
    "early_stopping": {"bool"},
    "validation_fraction": {"share"},
    "scoring": {"str", "callable", "None"},
    "warm_start": {"bool"},
    "random_state": {"int from 0", "None", "generator"},
    "verbose": {"bool", "int from 0", "huge int"},
    "dtype": {"float32"},
    "n_jobs": {"int", "None"},
    "horizon": {"int from 1"},
    "window": {"auto", "int from 1"},
    "target": COLUMNS | {"None"},
    "known_future": COLUMNS | {"None", "callable"},
    "static": COLUMNS | {"None", "callable"},
    "categorical_features": COLUMNS | {"None", "callable"},
    "normalize": {"last"},
    "calendar": {"auto", "bool", "None", "array"},
    "loss": {"absolute_error"},
    "quantiles": {"None", "array"},
    "calibration_fraction": {"share"},
    "copy": {"bool"},
    "with_mean": {"bool"},
    "with_std": {"bool"},
}
OWN_KINDS = {
    (RNNClassifier, "bidirectional"): {"bool", "auto"},
    (RNNClassifier, "pooling"): {"last", "auto"},
}
# A value, and the kinds that it is of. As everywhere in scikit-learn, True is also 1.
VALUES = [
    (True, {"bool", "1", "int from 0", "int from 1", "int"}),
    (np.bool_(True), {"bool"}),
    (0, {"0", "int from 0", "int"}),
    (2, {"from 1", "int from 0", "int from 1", "int"}),
    (np.int64(2), {"from 1", "int from 0", "int from 1", "int"}),
    (2**40, {"from 1", "huge int", "int"}),
    (10**400, set()),
    (-1, {"int"}),
    (np.int8(-3), {"int"}),
    (-(10**400), set()),
    (0.0, {"0"}),
    (0.5, {"share"}),
    (np.float32(0.5), {"share"}),
    (1.0, {"1"}),
    (2.5, {"from 1"}),
    (-0.5, set()),
    (math.nan, set()),
    (np.float64("nan"), set()),
    (np.float32("nan"), set()),
    (math.inf, {"infinity"}),
    (-math.inf, set()),
    (1j, set()),
    (None, {"None"}),
    ("auto", {"auto", "str"}),
    ("balanced", {"balanced", "str"}),
    ("gru", {"gru", "str"}),
    (np.str_("gru"), {"gru", "str"}),
    ("tanh", {"tanh", "str"}),
    ("last", {"last", "str"}),
    ("error", {"error", "str"}),
    ("adam", {"adam", "str"}),
    ("constant", {"constant", "str"}),
    ("absolute_error", {"absolute_error", "str"}),
    ("float32", {"float32", "str"}),
    (np.float32, {"float32", "callable", "array"}),  # with a shape, as arrays
    (np.dtype("float32"), {"array"}),
    ("GRU", {"str"}),
    ("", {"str"}),
    (b"gru", set()),
    ([], {"list", "array"}),
    ((), {"array"}),
    ([1, 2], {"list", "array", "ints from 1"}),
    (np.array([1, 2]), {"array", "ints from 1"}),
    (np.array([], dtype=int), {"array"}),
    ((2, 0), {"array"}),
    ((2, 1.5), {"array"}),
    (("a",), {"array"}),
    ((2**31,), {"array"}),
    ((10**400,), {"array"}),
    ([[1], [2, 3]], {"list", "array"}),
    ([[1, 2]], {"list", "array"}),
    (np.array([1.5]), {"array"}),
    (np.array([math.nan]), {"array"}),
    ({}, {"dict", "array"}),
    ({1}, {"array"}),
    (len, {"callable"}),
    (object(), set()),
    (np.random.RandomState(0), {"generator"}),
    (np.random.default_rng(0), set()),
]


def parameters_of_estimators():
    for cls in ESTIMATORS:
        for name in inspect.signature(cls).parameters:
            yield pytest.param(cls, name, id=f"{cls.__name__}, {name}")


def problem(cls):
    if cls is SequenceForecaster:
        return [np.arange(30.0) % 7, np.arange(25.0) % 5], None
    X, y = make_targets() if cls is RNNRegressor else make_classes()
    return (X, None) if cls is SequenceScaler else (X, y)


@functools.cache
def new_and_fitted(cls):
    """An estimator before and after a fit, and what it is fitted to."""
    X, y = problem(cls)
    new = cls(**QUICK) if "max_iter" in inspect.signature(cls).parameters else cls()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two series are few
        return new, clone(new).fit(X, y), X, y


@pytest.mark.parametrize(("cls", "name"), list(parameters_of_estimators()))
def test_each_parameter_out_of_its_domain(cls, name):
    new, fitted, X, y = new_and_fitted(cls)
    n_refused = 0
    for value, kinds in VALUES:
        for estimator in (copy.copy(new), copy.copy(fitted)):
            estimator.set_params(**{name: value})
            if kinds & OWN_KINDS.get((cls, name), KINDS[name]):
                estimator._validate_params()
                continue
            before = snapshot(vars(estimator))
            with pytest.raises((TypeError, ValueError)) as caught:
                estimator.fit(X, y)
            message = rf"(?s)The '{name}' parameter of {cls.__name__} must be .* Got "
            if not isinstance(caught.value, InvalidParameterError):
                # What an array holds is more than scikit-learn's constraints say.
                message = "hidden_layer_sizes must hold a positive integer"
            caught.match(message)
            assert snapshot(vars(estimator)) == before
            n_refused += 1
    assert n_refused > 30


def test_every_estimator_and_parameter_is_generated():
    """A new estimator or parameter belongs into `MAKE_TARGETS`, `GOOD` and `KINDS`."""
    import skrnn
    import skrnn.preprocessing as preprocessing

    public = [getattr(m, n) for m in (skrnn, preprocessing) for n in m.__all__]
    # What is generated are numbers, with targets for sequences: others need their own.
    beside = {"SequenceTagger", "StepRegressor", "SequenceTranscriber"}
    beside |= {"LanguageModel", "SeriesOutlierDetector", "LogMel"}
    beside |= {"SequenceTranslator"}
    beside |= {"RandomConvolutions", "ConvolutionFeatures"}
    beside |= {"SequenceColumns", "SequenceUnion", "SequenceVectorizer"}
    found = {e for e in public if hasattr(e, "fit") and e.__name__ not in beside}
    assert found == set(ESTIMATORS)
    names = {n for cls in ESTIMATORS for n in inspect.signature(cls).parameters}
    assert names == set(KINDS)
    assert names == set(strategies.GOOD)


@pytest.mark.parametrize(
    "class_weight",
    [
        {0: -1.0, 1: 1.0},
        {0: math.nan, 1: 1.0},
        {0: math.inf, 1: 1.0},
        {0: "heavy", 1: 1.0},
        {7: 1.0},
    ],
    ids=str,
)
def test_class_weights_that_weigh_nothing_sound(class_weight):
    X, y = make_classes((0, 1))
    estimator = RNNClassifier(**QUICK, class_weight=class_weight)
    before = snapshot(vars(estimator))
    with pytest.raises(ValueError, match="class_weight|could not convert|classes"):
        estimator.fit(X, y)
    assert snapshot(vars(estimator)) == before


# What was found ------------------------------------------------------------------


@pytest.fixture(scope="module")
def relu():
    """A network whose states grow with its inputs, and what it was fitted to."""
    X, y = make_targets()
    parameters = QUICK | {"cell": "rnn", "activation": "relu", "standardize": False}
    parameters["pooling"] = "max"
    return RNNRegressor(**parameters).fit(X, y), X, y


@pytest.mark.parametrize("method", ["predict", "hidden_states"])
def test_a_network_that_overflows_says_on_which_sequence(relu, method):
    # Infinity, or NaN, came out without a word.
    estimator, X, y = relu
    X = [*X[:3], np.full((4, 2), 3e38), *X[3:5]]
    with pytest.raises(ValueError, match=r"X\[3\] makes the network overflow"):
        getattr(estimator, method)(X)
    with pytest.raises(ValueError, match=r"X\[0\] makes the network overflow"):
        getattr(estimator, method)([X[3], X[3][:1]])


def test_a_stream_that_overflows_is_as_it_was(relu):
    estimator, X, y = relu
    stream, other = estimator.stream(), estimator.stream()
    for stepped in (stream, other):
        stepped.step(X[5][0])
    with pytest.raises(ValueError, match="makes the network overflow.*as it was"):
        stream.step([3e38, 3e38])
    for x in X[5][1:]:
        assert stream.step(x) == other.step(x)


@pytest.mark.parametrize(
    "step",
    [[1j, 2.0], np.array([1j, 2]), ["1", "2"], [10**400, 1], [None, [1]], [[1], 2],
     np.array(["2020", "2021"], "M8[Y]"), object()],
    ids=plain,
)  # fmt: skip
def test_a_step_of_no_real_numbers(relu, step):
    # The imaginary part was dropped, strings were read, and an OverflowError came out.
    with pytest.raises(ValueError, match="A step must be an array of real numbers"):
        relu[0].stream().step(step)


def test_predictions_too_large_on_the_scale_of_y():
    X, y = make_targets()
    parameters = QUICK | {"learning_rate_init": 1e300, "batch_size": len(X)}
    estimator = RNNRegressor(**parameters, dtype="float64")
    estimator.partial_fit(X, y * 1e10)
    with pytest.raises(ValueError, match="too large for dtype.'float64'.|overflow"):
        estimator.predict(X)


@pytest.mark.parametrize("name", ["early_stopping", "solver", "class_weight"])
def test_parameters_that_are_arrays(name):
    # They were asked whether they are true before they were looked at.
    X, y = make_classes()
    estimator = RNNClassifier(**QUICK | {name: np.array([1, 2])})
    assert hasattr(estimator, "partial_fit")
    for call in (
        lambda: estimator.fit(X, y, X_val=X, y_val=y),
        lambda: estimator.partial_fit(X, y, classes=["no", "yes"]),
    ):
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter"):
            call()


def test_lbfgs_that_ends_nowhere():
    # SciPy's line search gave weights of NaN back, which became the model's.
    estimator = RNNClassifier(
        1, solver="lbfgs", alpha=1e300, dtype="float64", standardize=False,
        max_iter=2, max_fun=10, random_state=1,
    )  # fmt: skip
    before = snapshot(vars(estimator))
    with pytest.raises(ValueError, match="Training diverged: a parameter is not fin"):
        estimator.fit([np.full((1, 2), -2.0)], [1])
    assert snapshot(vars(estimator)) == before


HUGE = 10**400  # as an int, beyond the floats


@pytest.mark.parametrize("estimator", [cls() for cls in OF_SEQUENCES], ids=repr)
@pytest.mark.parametrize(
    "X", [[[HUGE, 1.0]] * 4, [[[HUGE]], [[1]], [[1]], [[1]]], np.full((4, 2), HUGE)]
)
def test_integers_beyond_the_floats(estimator, X):
    with pytest.raises(ValueError, match=r"X\[0\] contains a value too large"):
        estimator.fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize("estimator", [RNNClassifier(), RNNRegressor()], ids=repr)
@pytest.mark.parametrize("name", ["y", "sample_weight"])
@pytest.mark.parametrize(
    "values", [[HUGE, 1, 2, 1], [[1], [1, 2], [1], [1]], [1, [2], [3, 4], 5]], ids=str
)
def test_data_of_which_numpy_makes_no_array(estimator, name, values):
    data = {"X": [[[1.0]]] * 4, "y": [0, 1, 0, 1], name: values}
    message = f"^{name} (contains a value|is not an array)|^Unknown label type"
    with pytest.raises(ValueError, match=message):
        estimator.fit(**data)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_labels_of_several_types(method):
    X, y = make_classes()
    y = [None, *y[1:]]
    options = {"classes": ["no", "yes"]} if method == "partial_fit" else {}
    with pytest.raises(
        (TypeError, ValueError), match="^(Input )?y |Unknown label|classes"
    ):
        getattr(RNNClassifier(**QUICK), method)(X, y, **options)
    with pytest.raises(TypeError, match="^classes is not an array of numbers, or of"):
        RNNClassifier(**QUICK).partial_fit(X, ["a"] * len(X), classes=["a", None])


@pytest.mark.parametrize("estimator", [cls() for cls in OF_SEQUENCES], ids=repr)
def test_a_variance_beyond_the_floats(estimator):
    # There was a RuntimeWarning, too, which would fail the test.
    X = [np.array([[1e200], [1.0]]), np.array([[-1e200], [1.0]])]
    with pytest.raises(ValueError, match="variance of feature 0 is too large"):
        estimator.fit(X, [0, 1])


@pytest.mark.parametrize("estimator", [cls() for cls in OF_SEQUENCES], ids=repr)
@pytest.mark.parametrize("weight", [1e308, 1e200, 5e-324, 1e-200])
def test_weights_that_are_far_from_one(estimator, weight):
    # The sum became infinite or the penalty did, and the message spoke of other things.
    X, y = make_classes((0, 1))
    with pytest.raises(ValueError, match="sample_weight sums up to"):
        estimator.fit(X, y, sample_weight=[weight] * len(X))


def test_targets_far_from_the_scale_that_was_learned():
    X, y = make_targets()
    estimator = RNNRegressor(**QUICK).fit(X, y * 1e-140)
    before = snapshot(vars(estimator))
    with pytest.raises(ValueError, match="far outside the range"):
        estimator.partial_fit(X, y * 1e200)
    assert snapshot(vars(estimator)) == before
    with pytest.raises(ValueError, match="too large to be standardised"):
        estimator.fit(X, np.resize([-1.7e308, 1.7e308], len(X)))


@pytest.mark.parametrize("copy", [True, False])
def test_a_scaler_whose_result_does_not_fit(copy):
    X, _ = make_classes()
    scaler = SequenceScaler(copy=copy).fit([x * 1e-20 for x in X])
    huge = [np.full((2, 2), 1e30, np.float32)]
    with pytest.raises(ValueError, match="too large for dtype.'float32'"):
        scaler.transform(huge)
    assert (huge[0] == np.float32(1e30)).all()
    scaler = SequenceScaler(copy=copy).fit([x * 1e30 for x in X])
    with pytest.raises(ValueError, match="too large for dtype.'float64'"):
        scaler.inverse_transform([np.full((2, 2), 1e300)])


def test_a_scaler_that_is_given_what_lies_far_apart():
    # The variance became infinite, and everything was scaled to zero.
    scaler = SequenceScaler().fit([[1.0, 2.0], [3.0]])
    before = snapshot(vars(scaler))
    with pytest.raises(ValueError, match="The variance of all that was given is too l"):
        scaler.partial_fit([[1e200, 1e200]])
    assert snapshot(vars(scaler)) == before


def test_complex_weights_of_a_scaler():
    with pytest.raises(ValueError, match="Complex data not supported"):
        SequenceScaler().fit([[[1.0]]], sample_weight=1j)


def test_groups_that_cannot_be_ordered():
    X, y = make_classes()
    estimator = RNNClassifier(**QUICK, early_stopping=True)
    for groups in ([None, "a"] * 20, [Decimal(1), Decimal("NaN")] * 20):
        with pytest.raises((TypeError, ValueError), match="^groups "):
            estimator.fit(X, y, groups=groups)


def test_scalars_among_sequences():
    # The message about another misfit asked for the length of a number.
    X = [np.ones((2, 2)), np.ones(3), np.array(1.0)]
    with pytest.raises(ValueError, match=r"X\[1\] has 1 features, but X\[0\] has 2"):
        SequenceScaler().fit(X)


def test_a_memoryview_of_several_sequences():
    block = np.arange(24.0).reshape(4, 3, 2)
    found = SequenceScaler().fit(memoryview(block))
    np.testing.assert_array_equal(found.mean_, SequenceScaler().fit(block).mean_)


def test_a_polars_column_of_128_bits():
    pl = pytest.importorskip("polars")
    steps = pl.List(pl.Int128)
    for X in (
        pl.Series([[2**70, 1], [3, 2**70]], dtype=steps),
        pl.Series([[[2**70], [1]], [[3]]], dtype=pl.List(steps)),
    ):
        assert SequenceScaler().fit(X).mean_[0] > 2**60


def test_a_frame_of_objects_beyond_the_floats():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"t0": [HUGE, 1], "t1": [1, 2]}, dtype=object)
    with pytest.raises(ValueError, match="contains a value that is too large"):
        SequenceScaler().fit(frame)
    with pytest.raises(ValueError, match=r"X\[0\] contains a value that is too large"):
        SequenceScaler().fit([frame])


def test_forecasts_of_values_that_lie_far_apart():
    # Infinity went into the network with a RuntimeWarning, and NaN came out.
    X = [np.stack([np.arange(30.0) % 5, np.arange(30.0) % 7], axis=1)] * 2
    parameters = {"window": 4, "max_iter": 1, "target": [0], "random_state": 0}
    estimator = SequenceForecaster(2, hidden_layer_sizes=3, **parameters).fit(X)
    far = X[0].copy()
    far[-1, 0] = -1.7e308
    with pytest.raises(ValueError, match="values of a window are too large"):
        estimator.predict([far])
    # A network that is not trusted is not asked, whatever a covariate is.
    far = X[0].copy()
    far[-1, 1] = 1e200
    assert np.isfinite(estimator.predict([far])).all()
    far = np.resize([1.7e308, -1.7e308, 1.7e308, 1.7e308], 30)
    with pytest.raises(ValueError, match="too large to be standardised"):
        estimator.fit([far])
    estimator.set_params(calendar=[["hour"]])
    with pytest.raises((TypeError, ValueError), match="calendar names .*one of"):
        estimator.fit(X)


def test_forecasts_of_a_network_that_diverged():
    # The fit tests a network on windows held out, and went on with infinity.
    series = np.arange(30.0) % 7
    estimator = SequenceForecaster(
        2, window=4, hidden_layer_sizes=3, max_iter=1, random_state=0, batch_size=1000,
        loss="quantile", dtype="float64", learning_rate_init=1e300,
    )  # fmt: skip
    before = snapshot(vars(estimator))
    with pytest.raises(ValueError, match="Training diverged"):
        estimator.fit([series, series[::-1]])
    assert snapshot(vars(estimator)) == before
