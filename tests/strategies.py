"""Generated calls of the estimators, and what must hold of each.

All that is generated is made of whole numbers, so that whatever draws whole numbers can
generate it: Hypothesis in the tests, a seed in ``benchmarks/fuzz.py``, and what a
coverage-guided fuzzer has found in ``.ci/fuzz``.
"""

import collections
import contextlib
import copy
import decimal
import functools
import inspect
import io
import math
import random
import re
import warnings

import numpy as np
from hypothesis import strategies as st
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from quiet import no_warnings
from skrnn import RNNClassifier, RNNRegressor, SequenceForecaster
from skrnn.inputs.sequences import check_sequences
from skrnn.preprocessing import SequenceScaler
from strategies_data import (
    FORMS,
    JUNK,
    LAYOUTS,
    anything,
    classes,
    groups,
    one_dimensional,
    plain_values,
    targets,
    values,
    weights,
)


class Source:
    """Draws from one function, `integer(low, high)` with both ends included.

    The first option of each choice is the simplest, which Hypothesis shrinks to.
    """

    def __init__(self, integer):
        self.integer = integer

    def pick(self, options):
        """One of a sequence."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, n):
        """True once in `n` times."""
        return self.integer(1, n) == n


def seeded(seed):
    """A source that draws from a seed: the same on every machine."""
    uniform = random.Random(seed).random
    return Source(lambda low, high: low + int(uniform() * (high - low + 1)))


@st.composite
def drawn(draw, make, *args):
    """What ``make(source, *args)`` makes of a source that Hypothesis draws from."""
    return make(Source(lambda low, high: draw(st.integers(low, high))), *args)


# Parameters ----------------------------------------------------------------------

# By parameter: values that mean something, the mild ones first.
GOOD = {
    "hidden_layer_sizes": [3, (2, 3), 1, [4], np.array([2]), np.int64(5), (17,)],
    "cell": ["gru", "lstm", "rnn"],
    "activation": ["tanh", "relu"],
    "bidirectional": [False, True],
    "pooling": ["max", "last", "mean", "attention"],
    "convolutions": [0, "auto", 9],
    "rocket": ["auto", True, False],
    "segment_length": ["auto", 1, 2, 3, 50],
    "standardize": [True, False],
    "missing": ["error", "indicator"],
    "embedding_size": ["auto", 3, {0: 2}, {"x": 1}],
    "embedding_init": [None, {"a": [1.0, 2.0]}, {}],
    "embedding_trainable": [True, False],
    "embedding_dropout": [0.0, 0.4],
    "min_frequency": [1, 2, 0.5],
    "max_categories": [None, 3, 1],
    "dropout": [0.0, 0.3, 0, 1 - 1e-16, 1e-300],
    "recurrent_dropout": [0.0, 0.2, 1 - 1e-9],
    "class_weight": [
        None, "balanced", {0: 1.0, 1: 2.0}, {"a": 0.5}, {1: 0}, [{0: 1, 1: 2}] * 2,
    ],
    "solver": ["adam", "sgd", "lbfgs"],
    "alpha": [0.001, 0, 1.0, 1e-300, 1e10, 1e300],
    "batch_size": ["auto", 1, 2, 1000, 10**18],
    "learning_rate": ["linear", "constant", "invscaling", "adaptive"],
    "learning_rate_init": [0.01, 1e-300, 1.0, 1e10, 1e39, 1e300, np.float32(0.1)],
    "power_t": [0.5, 0, 1e300, 1e-300],
    "max_iter": [1, 2, 3],
    "shuffle": [True, False],
    "max_grad_norm": [1.0, None, 1e-300, 1e300, 1e-3],
    "bptt_steps": [None, 1, 2, 10**6],
    "momentum": [0.9, 0, 1],
    "nesterovs_momentum": [True, False],
    "beta_1": [0.9, 0, 1 - 1e-16],
    "beta_2": [0.999, 0, 1 - 1e-16],
    "epsilon": [1e-8, 1e-300, 1e300],
    "max_fun": [10, 1, 2, 3],
    "tol": [1e-4, 0, 1e300],
    "n_iter_no_change": [10, 1, math.inf],
    "early_stopping": [False, True],
    "validation_fraction": [0.25, 1e-300, 1 - 1e-16, 0.5],
    "scoring": ["loss", None, "neg_log_loss", "r2", "no such scorer"],
    "warm_start": [False, True],
    "random_state": [0, 1, 2**32 - 1, np.random.RandomState(3)],
    "verbose": [False, True, 2],
    "dtype": ["float32", "float64", np.float32, np.float64],
    "n_jobs": [None, 1, 2, -1, 10**6],
    "horizon": [1, 2, 3],
    "window": [4, "auto", 1, 9],
    "target": [None, 0, [0, 1], "f0"],
    "known_future": ["auto", None, [1], "f1"],
    "static": [None, [1], "f1"],
    "categorical_features": ["from_dtype", [1], None],
    "normalize": ["last", "mean"],
    "calendar": ["auto", False, None, ["hour"]],
    "loss": ["squared_error", "absolute_error", "quantile"],
    "quantiles": [None, [0.1, 0.9], [0.5]],
    "calibration_fraction": [0.4, 0.1, 1e-300, 1 - 1e-16],
    "copy": [True, False],
    "with_mean": [True, False],
    "with_std": [True, False],
}  # fmt: skip
# And what is hardly ever meant.
BAD = [
    None, True, 0, 1, -1, 2.5, -0.0, math.nan, math.inf, -math.inf, 2**31, 2**63,
    2**64, 10**400, -(10**400), "no", "", b"adam", [], (), {}, [1, 2], (0,), ("a",),
    (2, 1.5), [[1], [2, 3]], {"a": 1}, {0: -1.0}, {0: math.nan}, {0: "x", 1: 2},
    1j, object, len, np.array([]), np.array([1.5, 2.5]), np.float64("nan"),
    np.bool_(True), np.int8(-3), np.str_("gru"), decimal.Decimal(1), "auto", "loss",
]  # fmt: skip


def parameters(source, cls):
    """Parameters of an estimator, of which one is bad now and then."""
    names = sorted(inspect.signature(cls).parameters)
    chosen = {}
    for name in names:
        always = name in SMALL
        if always or source.chance(6):
            options = GOOD[name]
            # Extremes are enough of a test one or two at a time.
            n = len(options) if source.chance(3) else min(3, len(options))
            chosen[name] = options[source.integer(0, n - 1)]
    if source.chance(8):
        name, value = source.pick(names), source.pick(BAD)
        many = isinstance(value, int) and value > 2**30
        if not (name in ("max_iter", "max_fun") and many):  # many, and no mistake
            chosen[name] = value
    return chosen


# Without these each fit would take long; their defaults are for real data.
SMALL = ("hidden_layer_sizes", "max_iter", "max_fun", "random_state")


# Calls ---------------------------------------------------------------------------

# A new estimator brings its targets: None for a transformer.
MAKE_TARGETS = {
    RNNClassifier: classes,
    RNNRegressor: targets,
    SequenceScaler: None,
    SequenceForecaster: None,
}
FITS = ("fit", "partial_fit")
PREDICTS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function",
    "hidden_states", "attention_weights", "score", "transform", "inverse_transform",
    "stream",
)  # fmt: skip


class Call:
    """One call of a method of an estimator."""

    def __init__(self, estimator, method, args, kwargs):
        self.estimator, self.method = estimator, method
        self.args, self.kwargs = args, kwargs

    def __repr__(self):
        return f"{self.estimator!r}.{self.method}(*{self.args!r}, **{self.kwargs!r})"


FITTED = [
    (RNNClassifier, {}),
    (RNNClassifier, {"pooling": "attention", "cell": "lstm", "bidirectional": True}),
    (RNNClassifier, {"cell": "rnn", "activation": "relu", "standardize": False}),
    (RNNClassifier, {"missing": "indicator", "pooling": "mean", "segment_length": 2}),
    (RNNClassifier, {"dtype": "float64", "hidden_layer_sizes": (3, 2), "n_jobs": 2}),
    (RNNRegressor, {"pooling": "last"}),
    (RNNRegressor, {"cell": "rnn", "activation": "relu", "pooling": "mean"}),
    (RNNRegressor, {"missing": "indicator", "cell": "lstm", "segment_length": 3}),
    (RNNRegressor, {"dtype": "float64", "standardize": False, "cell": "lstm"}),
    (SequenceScaler, {}),
    (SequenceScaler, {"with_mean": False, "with_std": False}),
]


@functools.cache
def fitted(i, n_features, kind):
    """One of `FITTED` after a fit, always the same object."""
    cls, options = FITTED[i]
    if cls is SequenceScaler:
        estimator = cls(**options)
    else:
        estimator = cls(**{"hidden_layer_sizes": 3, "max_iter": 2, **options})
        estimator.set_params(random_state=0)
    source = seeded(i)
    X = [plain_values(source, (2 + j % 3, n_features)) for j in range(8)]
    if kind == "wide":
        X = np.stack([x[:2, 0] for x in X])
    y = np.arange(8) % 3
    if kind == "several":
        y = np.arange(16).reshape(8, 2) % 2
    return estimator.fit(X, y) if MAKE_TARGETS[cls] else estimator.fit(X)


def calls(source):
    """Any call of any estimator."""
    if source.chance(5):
        return forecasts(source)
    predicts = source.chance(2)
    if predicts or source.chance(4):
        n_features = source.pick([2, 1, 3])
        kind = source.pick(["list", "wide", "several"]) if source.chance(2) else "list"
        estimator = fitted(source.integer(0, len(FITTED) - 1), n_features, kind)
        cls = type(estimator)
        if kind == "wide":
            n_features = 1
    else:
        cls = source.pick(list(MAKE_TARGETS)[:3])
        estimator = cls(**parameters(source, cls))
        n_features = None
    n_seqs = source.integer(1, 6)
    X = anything(source, n_seqs, n_features)
    if predicts:
        methods = [name for name in PREDICTS if hasattr(estimator, name)]
        method = source.pick(methods)
        if method == "score":
            return Call(estimator, method, (X, MAKE_TARGETS[cls](source, n_seqs)), {})
        if method == "stream":
            given = {"n_seqs": source.pick([1, 2]) if source.chance(3) else 1}
            if source.chance(3):
                given["method"] = source.pick([*PREDICTS, "no", None])
            if source.chance(20):
                given["n_seqs"] = source.pick(BAD)
            return Call(estimator, method, (X,), given)
        return Call(estimator, method, (X,), {})
    if hasattr(estimator, "n_features_in_"):
        # A copy trains on what is fitted, and may be told to become something else.
        estimator = copy.copy(estimator)
        if source.chance(2):
            estimator.set_params(**parameters(source, cls))
    return fits(source, estimator, X, n_seqs)


def fits(source, estimator, X, n_seqs):
    """A call of fit or partial_fit."""
    cls = type(estimator)
    method = source.pick(FITS)
    if MAKE_TARGETS[cls] is None:
        return Call(estimator, method, (X, None, weights(source, n_seqs)), {})
    y = MAKE_TARGETS[cls](source, n_seqs)
    args, kwargs = (X, y), {"sample_weight": weights(source, n_seqs)}
    if method == "partial_fit":
        if is_classifier(estimator) and not source.chance(8):
            kwargs["classes"] = source.pick([[0, 1, 2], [0, 1], ["a", "b"], [], [None]])
            if not source.chance(4):
                kwargs["classes"] = [0, 1]
        return Call(estimator, method, args, kwargs)
    kwargs["groups"] = groups(source, n_seqs)
    if source.chance(12):
        kwargs["X_val"] = anything(source, n_seqs)
        if not source.chance(8):
            kwargs["y_val"] = MAKE_TARGETS[cls](source, n_seqs)
        kwargs["sample_weight_val"] = weights(source, n_seqs)
    return Call(estimator, method, args, kwargs)


@functools.cache
def forecaster(i, n_columns):
    """A fitted forecaster, always the same one."""
    options = [{}, {"loss": "quantile", "dtype": "float64"}, {"normalize": "mean"}][i]
    options = {"hidden_layer_sizes": 3, "max_iter": 1, "window": 4, **options}
    estimator = SequenceForecaster(2, target=[0], random_state=0, **options)
    series = [plain_values(seeded(j), (25 + j, n_columns)) for j in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(series)


def forecasts(source):
    """Any call of a forecaster."""
    n_columns = source.pick([1, 2])
    form = source.pick(FORMS[:14]) if source.chance(3) else list
    n_series = source.integer(1, 3)
    X = []
    for _ in range(n_series):
        x = values(source, (source.pick([12, 9, 3, 25, 1, 0]), n_columns))
        x = source.pick(LAYOUTS)(source, x) if source.chance(8) and x.size else x
        X.append(source.pick(JUNK)() if source.chance(30) else x)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            X = form(X)
    except Exception:
        pass
    if source.chance(40):
        X = source.pick(JUNK)()
    estimator = forecaster(source.integer(0, 2), n_columns)
    methods = [name for name in FORECASTS if hasattr(estimator, name)]
    if source.chance(2):
        method, options = source.pick(methods), {}
        if method == "backtest":
            options["start"] = source.pick([5, 1, 0.5, 0, -1, 100, None, math.nan])
            options["stride"] = source.pick([1, 3, 0])
        elif method == "predict_interval":
            options["coverage"] = source.pick([0.9, 0.5, 1e-300, 0, 1, math.nan, "a"])
        elif method == "predict_quantiles":
            options["quantiles"] = source.pick([[0.1, 0.9], None, [2], "a", [], 0.5])
        elif source.chance(4):
            options["y_past"] = values(source, (source.pick([6, 0, 1]),))
            if method in ("update", "score"):
                options["y"] = options.pop("y_past")
        if method == "update":
            estimator = copy.copy(estimator)
        return Call(estimator, method, (X,), options)
    if source.chance(2):
        estimator = SequenceForecaster(**parameters(source, SequenceForecaster))
    else:
        estimator = copy.copy(estimator)
    y = None
    if source.chance(3):
        y = values(source, (source.pick([12, 9, 3, 25, 1, 0]),))
        y = one_dimensional(source, y) if source.chance(4) else y
        X = X[0] if isinstance(X, list) and X and source.chance(2) else X
    return Call(estimator, source.pick(FITS), (X, y), {})


FORECASTS = (
    "predict", "predict_interval", "predict_quantiles", "future_index", "backtest",
    "hidden_states", "score", "update",
)  # fmt: skip


# What must hold ------------------------------------------------------------------

# Warnings that the documentation or scikit-learn's speaks of.
DOCUMENTED = [
    (ConvergenceWarning, "Stochastic Optimizer: Maximum iterations|lbfgs failed to"),
    (UserWarning, r"The values of feature \d+( \('.*'\))? are \S+ times as far from"),
    (DataConversionWarning, "A column-vector y was passed"),
    (UserWarning, "The number of unique classes is greater than 50%"),
    (UserWarning, "R\\^2 score is not well-defined with less than two samples"),
    (UserWarning, "A single label was found in 'y_true'|A single label was found"),
    (UserWarning, "y_pred contains classes not in y_true"),
    (UserWarning, "The validation score was NaN in each epoch"),
    (UserWarning, "y has \\d+ columns, as many as each sequence has steps"),
    (UserWarning, "X does not have valid feature names|X has feature names, but"),
    (UserWarning, "Warning: converting a masked element to nan"),
    (UserWarning, "Covariates are unknown that|The index of X counts rows from 1"),
    (UserWarning, "Among the targets are"),
    (UserWarning, "y ends with \\d+ unknown rows|too little to tell opening hours"),
    (FutureWarning, "Support for labels represented as bytes is deprecated"),
]
# NumPy warns in these, from checks of targets and metrics of scikit-learn's.
CHECKS = [
    "sklearn.metrics", "sklearn.externals", "sklearn.utils", "numpy._core.fromnumeric",
    "numpy._core._methods", "numpy.ma.core",
]  # fmt: skip
# Words of NumPy, SciPy and Cython that tell a user nothing about what is wrong.
UNCLEAR = re.compile(
    r"(?s)Buffer dtype mismatch|memoryview|cannot be interpreted|could not be broadcast"
    r"|unhashable|^'<' not supported|object is not (iterable|subscriptable)"
    r"|has no attribute|^The truth value|unsupported operand|ufunc|index out of"
    r"|Maximum allowed dimension|array is too big|Cannot convert|not enough values"
    r"|unexpected keyword|positional argument|^setting an array element(?!.*X)"
)


class Broken(AssertionError):
    """A call that did what no call may do."""


def snapshot(value):
    """A copy of a state that compares equal, bit for bit, to what is the same."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, dict):
        return [(repr(k), snapshot(v)) for k, v in value.items()]
    if isinstance(value, list | tuple | np.ndarray):
        return (type(value).__name__, [snapshot(v) for v in value])
    if isinstance(value, np.random.RandomState):
        # An estimator may draw from one that it is given.
        return "RandomState"
    if isinstance(value, float) or value is None or isinstance(value, int | str):
        return repr(value)
    if isinstance(value, collections.deque):
        return "idle networks"
    return (type(value).__name__, id(value))


def contents(X):
    """The bits of the arrays in some data."""
    if type(X) is np.ndarray and X.dtype != object and X.size < 10**6:
        return X.tobytes()
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 1):
        return [contents(x) if x is not X else None for x in X]
    return None


def run(call):
    """Make a call; return what came of it, or raise `Broken`.

    Either it gives a clear ValueError or TypeError, and estimator and data are as they
    were; or finite results of the right shape. Nothing is warned of or printed but what
    the documentation says.
    """
    estimator, method = call.estimator, call.method
    if not hasattr(estimator, method):
        return "no such method"  # which says why, as an AttributeError
    before, data = snapshot(vars(estimator)), contents(call.args)
    changes_data = "transform" in method and not estimator.copy
    theirs = method == "score"  # the metrics of scikit-learn have words of their own
    out, printed = None, io.StringIO()
    with no_warnings(), contextlib.redirect_stdout(printed):
        for category, message in DOCUMENTED:
            warnings.filterwarnings("ignore", message, category)
        for module in CHECKS:
            warnings.filterwarnings("ignore", module=module)
        try:
            if method == "stream":
                out = stream(estimator, *call.args, **call.kwargs)
            else:
                out = getattr(estimator, method)(*call.args, **call.kwargs)
            error = None
        except (ValueError, TypeError) as caught:
            error = caught
        except OverflowError as caught:
            if not theirs:
                raise
            error = caught
        except AttributeError as caught:
            # A scorer may want a method that there is not.
            if "none of the following attributes" not in str(caught):
                raise
            error = caught
        except MemoryError:
            if not asks_for_much(estimator, call):
                raise
            error = MemoryError("as much as was asked for")
        if error is None:
            check_result(estimator, call, out)
    if printed.getvalue() and not getattr(estimator, "verbose", False):
        raise Broken(f"printed {printed.getvalue()!r}")
    if contents(call.args) != data and not changes_data:
        raise Broken("the data have changed")
    if error is not None or method not in (*FITS, "update"):
        if snapshot(vars(estimator)) != before:
            raise Broken(f"the estimator has changed; {error!r}") from error
    if error is None:
        return "result"
    message = str(error)
    if not theirs and (len(message) < 10 or UNCLEAR.search(message)):
        raise Broken(f"an unclear message: {error!r}") from error
    return f"{type(error).__name__}: {message}"


def asks_for_much(estimator, call):
    """Whether so much is asked for that there may be no memory for it."""
    given = estimator.get_params()
    sizes = [*np.ravel(given.get("hidden_layer_sizes", 1)), given.get("segment_length")]
    return any(isinstance(n, int | np.integer) and n >= 2**20 for n in sizes) or (
        "n_seqs" in call.kwargs and call.kwargs["n_seqs"] not in (1, 2)
    )


def stream(estimator, X, n_seqs=1, method="predict"):
    """The answers to the steps of one sequence, or of junk."""
    stream = estimator.stream(n_seqs, method=method)
    steps = X if isinstance(X, list | tuple | np.ndarray) else [X]
    out = []
    for step in list(steps)[:3]:
        step = (
            step[0]
            if isinstance(step, np.ndarray) and step.ndim and len(step)
            else step
        )
        out.append(stream.step(step if n_seqs == 1 else [step] * n_seqs))
    return out


def check_result(estimator, call, out):
    """Finite numbers, one for each sequence; a fit can predict what it has seen."""
    X, method = call.args[0], call.method
    if isinstance(estimator, SequenceForecaster):
        check_forecast(estimator, call, out)
        return
    if method in FITS:
        if out is not estimator:
            raise Broken(f"{method} returned {type(out)}")
        if hasattr(estimator, "transform"):
            check_finite(estimator.mean_, estimator.var_, estimator.scale_)
            return
        check_finite(*estimator.weights_.values(), estimator.loss_curve_)
        for name in PREDICTS[:4]:
            if hasattr(estimator, name):
                try:
                    found = getattr(estimator, name)(X)
                except ValueError as error:
                    # Weights are huge after huge steps, and a sequence that weighs
                    # nothing may hold anything.
                    if "overflow" in str(error) or "too large" in str(error):
                        return
                    raise
                check_outputs(estimator, X, found, name)
    elif method == "stream":
        check_finite(*out)
    elif method == "score":
        if is_classifier(estimator):  # R^2 of one sequence is not defined
            check_finite(out)
    else:
        check_outputs(estimator, X, out, method)


def check_forecast(estimator, call, out):
    """Finite forecasts; a fit can go on from where its data ended."""
    if call.method in (*FITS, "update"):
        if out is not estimator:
            raise Broken(f"{call.method} returned {type(out)}")
        check_finite(*estimator.weights_.values())
        try:
            out = estimator.predict()
        except ValueError as error:
            if len(str(error)) < 10 or UNCLEAR.search(str(error)):
                raise Broken(f"an unclear message: {error!r}") from error
            return
        check_finite(*(out if isinstance(out, list) else [out]))
    elif call.method in ("predict", "predict_interval", "predict_quantiles"):
        check_finite(*(out if isinstance(out, list) else [out]))


def check_outputs(estimator, X, out, method):
    if isinstance(X, collections.abc.Iterator):
        raise Broken("took an iterator, which cannot be read twice")
    if method in ("transform", "inverse_transform"):
        X, out = (check_sequences(x, missing="indicator") for x in (X, out))
        for i in range(len(X)):
            if out[i].shape != X[i].shape:
                raise Broken(f"{out[i].shape} of {X[i].shape}")
            if (np.isnan(out[i]) != np.isnan(X[i].astype(float))).any():
                raise Broken("what is missing has changed")
        return
    # As the estimator reads a table that could be in long form.
    selected = {}
    if hasattr(estimator, "_selected_features"):
        selected = {"categorical_features": estimator._selected_features(X, False)}
    lengths = check_sequences(
        X, estimator=estimator, reset=False, missing="indicator", **selected
    )
    lengths = lengths.lengths
    if len(out) != len(lengths):
        raise Broken(f"{len(out)} results for {len(lengths)} sequences")
    if method in ("hidden_states", "attention_weights"):
        k = estimator.segment_length_
        if [len(steps) for steps in out] != [-(-n // k) for n in lengths]:
            raise Broken("not one state for each step")
        check_finite(*out)
        return
    shape = out.shape[1:]
    if is_regressor(estimator) and shape != estimator._pack()["_target_shape"]:
        raise Broken(f"predictions of shape {shape}")
    if is_classifier(estimator):
        n = len(estimator.classes_)
        vector = not estimator._pack()["_multilabel"] and (
            method == "predict" or (method == "decision_function" and n <= 2)
        )
        if shape != (() if vector else (n,)):
            raise Broken(f"{method} of shape {shape}")
        if method == "predict" and vector:
            if not np.isin(out, estimator.classes_).all():
                raise Broken("predicted what is no class")
            return
        if method == "predict_proba" and not estimator._pack()["_multilabel"]:
            if abs(out.sum(axis=1) - 1).max() > 1e-12:
                raise Broken("probabilities do not sum to one")
    check_finite(out)


def check_finite(*arrays):
    for x in arrays:
        if x is not None and np.asarray(x).dtype.kind in "fc":
            if not np.isfinite(x).all():
                raise Broken(f"not finite: {x}")


def unfitted(estimator):
    """The same parameters in a new estimator."""
    return clone(estimator)
