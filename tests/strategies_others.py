"""Generated calls of estimators that `strategies` does not draw."""

import copy
import functools
import math
import warnings

import numpy as np

import strategies
from skrnn import (
    LanguageModel,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.preprocessing import (
    ConvolutionFeatures,
    LogMel,
    RandomConvolutions,
    SequenceVectorizer,
)
from strategies import BAD, Broken, Call, contents, snapshot
from strategies_data import JUNK, anything, plain_values

SMALL = {"hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0}
TEXTS = ["ab", "ba\n", "", "aaab", "é\0", "\U0001f600b", "b" * 30]
WORDS = [["a", "b"], ["b"], [], ["a", "long", "one"]]
IDS = [np.array([0, 1, 2]), np.array([5, -3]), np.array([], dtype=int), np.array([1])]


# Data ----------------------------------------------------------------------------


def texts(source, n):
    """Texts in one of their forms, of which some mix these, or are none."""
    kind = source.pick([TEXTS, WORDS, IDS, TEXTS])
    X = [source.pick(kind) for _ in range(n)]
    if source.chance(12):
        X[source.integer(0, n - 1)] = source.pick([TEXTS, WORDS, IDS, JUNK])[0]
    if source.chance(12):
        return source.pick([TEXTS[0], X[0], None, b"ab", 3, math.nan, {}, np.ones(3)])
    return np.array(X, dtype=object) if source.chance(8) and kind is TEXTS else X


def lengths(X):
    """The lengths of what may be sequences."""
    try:
        return [len(x) for x in X]
    except TypeError:
        return [3]


def of_steps(source, X, values):
    """A target for each step, once in a while for another number of them."""
    y = [[source.pick(values) for _ in range(n)] for n in lengths(X)]
    if y and source.chance(12):
        y[0] = source.pick([y[0][:-1], [*y[0], values[0]], values[0], None, []])
    return source.pick(JUNK)() if source.chance(30) else y


TAGS = ["O", "B-x", "I-x"]
NUMBERS = [0.0, 1.5, -2.0]

# For each estimator, its options, and the function that makes its targets.
OTHERS = {
    LanguageModel: (
        [{}, {"ngram_order": 3, "ends": False}, {"tie_embeddings": True}],
        None,
    ),
    SequenceTagger: (
        [{}, {"crf": True}, {"scheme": "IOB2"}, {"segment_length": 2}],
        lambda source, X: of_steps(source, X, [*TAGS, *TAGS, None]),
    ),
    StepRegressor: (
        [{}, {"bidirectional": True}],
        lambda source, X: of_steps(source, X, [*NUMBERS, *NUMBERS, math.nan]),
    ),
    SequenceTranscriber: (
        [{}, {"beam_width": 2}],
        lambda source, X: [source.pick(["a", "b", "ab", ""]) for _ in lengths(X)],
    ),
    SequenceTranslator: (
        [{}, {"beam_width": 2}],
        lambda source, X: [source.pick(["a", "b", "ab", ""]) for _ in lengths(X)],
    ),
    SeriesOutlierDetector: (
        [{}, {"evidence": ("path", "window"), "combine": "max"}, {"refractory": 3}],
        None,
    ),
    SequenceVectorizer: ([{}, {"output": "id"}], None),
    RandomConvolutions: ([{"n_kernels": 3, "random_state": 0}], None),
    ConvolutionFeatures: ([{"n_features": 84, "random_state": 0}], None),
    LogMel: ([{"sample_rate": 800, "n_mels": 4}], None),
}
OF_TEXTS = (LanguageModel, SequenceVectorizer)
METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function",
    "hidden_states", "score_samples", "score_tokens", "perplexity", "predict_next",
    "bits_per_character", "generate", "transform", "predict_chunks", "evidence_of",
    "predict_expected", "fit_predict",
)  # fmt: skip
WRITES = ("generate",)
SERIES = {
    "forecaster": SequenceForecaster(hidden_layer_sizes=3, max_iter=1, window=4),
    "horizon": 2,
    "warm_up": 20,
    "random_state": 0,
}


def data(source, cls, n):
    """X of an estimator."""
    if cls in OF_TEXTS:
        return texts(source, n)
    if source.chance(4):
        return anything(source, n)
    if cls is SeriesOutlierDetector:
        X = [plain_values(source, (source.pick([9, 60, 3]), 2)) for _ in range(n)]
        return X[0] if source.chance(3) else X
    if cls is LogMel:
        sizes = [30, 41, 20, 3, 0]
        return [plain_values(source, (source.pick(sizes),)) for _ in range(n)]
    return [plain_values(source, (source.pick([3, 4, 1, 2, 9]), 2)) for _ in range(n)]


def make(cls, options):
    """An estimator that is quickly fitted."""
    small = {} if cls.__module__ == "skrnn.preprocessing" else SMALL
    small = SERIES if cls is SeriesOutlierDetector else small
    return cls(**small | options)


@functools.cache
def fitted(cls, i):
    """One after a fit, always the same object."""
    options, target = OTHERS[cls]
    estimator = make(cls, options[i])
    if cls in OF_TEXTS:
        return estimator.fit(["abba", "ab", "baba"])
    source = strategies.seeded(i)
    X = [plain_values(source, (3 + j % 3, 2)) for j in range(8)]
    if cls is SeriesOutlierDetector:
        X = [plain_values(source, (90 + j, 2)) for j in range(2)]
    if cls is LogMel:
        X = [plain_values(source, (30 + j,)) for j in range(8)]
    if target is None:
        return estimator.fit(X)
    if cls in (SequenceTranscriber, SequenceTranslator):
        y = ["ab", "a"] * 4
    else:
        values = TAGS[:2] if cls is SequenceTagger else NUMBERS
        y = [[values[j % 2] for j in range(len(x))] for x in X]
    return estimator.fit(X, y)


def calls(source):
    """Any call of one of these."""
    cls = source.pick(list(OTHERS))
    options, target = OTHERS[cls]
    which = source.integer(0, len(options) - 1)
    X = data(source, cls, source.integer(1, 5))
    if source.chance(2):
        estimator = fitted(cls, which)
        names = [name for name in METHODS if hasattr(estimator, name)]
        method = source.pick([name for name in names if name != "fit_predict"])
        given = {}
        if method in WRITES:
            given = {"max_new_tokens": 5, "random_state": 0}
            if source.chance(3):
                name = source.pick(
                    ["temperature", "top_k", "top_p", "stop", "n_samples"]
                )
                value = source.pick([0, 1, 0.5, 2, "b", ["a"], *BAD])
                if not (name == "n_samples" and isinstance(value, int) and value > 9):
                    given[name] = value
        return Call(estimator, method, (X,), given)
    estimator = make(cls, options[which])
    if source.chance(3):
        estimator = copy.copy(fitted(cls, which))
    if source.chance(3):
        names = sorted(set(estimator.get_params(deep=False)) - {"verbose", "n_jobs"})
        value = source.pick(BAD)
        if not (isinstance(value, int) and abs(value) > 2**20):
            estimator.set_params(**{source.pick(names): value})
    args = (X,) if target is None else (X, target(source, X))
    method = "fit"
    if source.chance(4) and hasattr(type(estimator), "partial_fit"):
        method = "partial_fit"
    return Call(estimator, method, args, {})


# What must hold ------------------------------------------------------------------


def state(estimator):
    """The bits of all attributes, in whatever order they were set."""
    return snapshot(dict(sorted(vars(estimator).items())))


def run(call):
    """Make a call; return what came of it, or raise `Broken`: see `strategies.run`."""
    estimator, method = call.estimator, call.method
    before, given = state(estimator), contents(call.args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if not hasattr(estimator, method):
                return "no such method"
            out, error = getattr(estimator, method)(*call.args, **call.kwargs), None
        except (ValueError, TypeError) as caught:
            out, error = None, caught
    if contents(call.args) != given:
        raise Broken("the data have changed")
    if error is not None or method not in strategies.FITS:
        if state(estimator) != before:
            raise Broken(f"the estimator has changed; {error!r}") from error
    if error is not None:
        message = str(error)
        if len(message) < 10 or strategies.UNCLEAR.search(message):
            raise Broken(f"an unclear message: {error!r}") from error
        return f"{type(error).__name__}: {message}"
    if method in strategies.FITS:
        if out is not estimator:
            raise Broken(f"{method} returned {type(out)}")
    else:
        check_finite(out, method)
    return "result"


def check_finite(out, method):
    """Numbers are no NaN; a logarithm of a probability may be minus infinity."""
    if isinstance(out, list | tuple):
        for each in out:
            check_finite(each, method)
        return
    found = np.asarray(out)
    if found.dtype == object:
        for each in found.ravel():
            if each is not out:
                check_finite(each, method)
    elif found.dtype.kind == "f":
        wrong = np.isnan(found) if "log" in method else ~np.isfinite(found)
        if method == "transform":  # what is missing may stay so
            wrong = np.isinf(found)
        if wrong.any():
            raise Broken(f"not finite: {found}")
