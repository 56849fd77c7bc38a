"""Digests of predictions and of whole fits, which are the same on every machine.

    python tests/digests.py             compare with tests/data/digests.json
    python tests/digests.py --update    write them there

Data and weights come from a generator of integers, divided by powers of two; neither a
BLAS nor a C library has a part in them. So a digest is the same for any number of
threads, instruction set, process and order of the sequences, and changes only when the
arithmetic of skrnn does. That is a decision, as kept models then predict other numbers:
whoever updates the file says so in CHANGELOG.rst.

L-BFGS is left out: SciPy runs it on a BLAS, whose last bit depends on the processor.
"""

import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fitted import set_theta, theta_of
from skrnn import (
    LanguageModel,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)

PATH = Path(__file__).parent / "data" / "digests.json"


# Data ----------------------------------------------------------------------------


def integers(seed, size):
    """64-bit integers of the generator splitmix64 (Steele, Lea & Flood 2014)."""
    state = np.arange(1, size + 1, dtype=np.uint64) + np.uint64(seed * 2**32)
    state *= np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def numbers(seed, shape):
    """Multiples of 1/1024 between -2 and 2, which every type of float holds."""
    drawn = integers(seed, int(np.prod(shape))) >> np.uint64(52)
    return (drawn.astype(np.int64).reshape(shape) - 2048) / 1024


def sequences(n_seqs=12, n_features=3, longest=11):
    """Ragged sequences of 1 to `longest` steps, in a scrambled order of lengths."""
    lengths = 1 + integers(1, n_seqs) % np.uint64(longest)
    return [
        numbers(100 + i, (int(n_steps), n_features)) * (1 + i % 3)
        for i, n_steps in enumerate(lengths)
    ]


def with_gaps(X):
    """The same with NaN where another generator says so."""
    for i, x in enumerate(X):
        x[integers(300 + i, x.size).reshape(x.shape) % np.uint64(5) == 0] = np.nan
    return X


def texts(n_seqs=12, n_letters=12, longest=11):
    """Strings of 1 to `longest` letters; some letters occur once."""
    lengths = 1 + integers(1, n_seqs) % np.uint64(longest)
    letters = "abcdefghijklmnopqrstuvwxyz"[:n_letters]
    return [
        "".join(letters[k] for k in integers(400 + i, int(n)) % np.uint64(n_letters))
        for i, n in enumerate(lengths)
    ]


def steps_with_tokens():
    """Steps of a number, a letter and an id."""
    return [
        [
            [float(value), letter, int(key)]
            for value, letter, key in zip(
                numbers(500 + i, (len(text),)),
                text,
                integers(600 + i, len(text)) % np.uint64(4),
                strict=True,
            )
        ]
        for i, text in enumerate(texts())
    ]


def labels(n_seqs=12, n_classes=3):
    return np.arange(n_seqs) * 5 % 7 % n_classes


def targets(n_seqs=12, *shape):
    return 100 + 10 * numbers(2, (n_seqs, *shape))


def sample_weight(n_seqs=12):
    return (integers(3, n_seqs) % np.uint64(4)).astype(float)  # some of them 0


# Cases ---------------------------------------------------------------------------


class Case(NamedTuple):
    """An estimator, what it is fitted to, and what it predicts.

    A new estimator needs nothing but cases of its own in `CASES`: outputs are those of
    all `METHODS` that it has.
    """

    estimator: Any
    fit: tuple  # arguments
    X: list
    options: dict = {}


METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function",
    "hidden_states", "attention_weights", "predict_interval", "predict_quantiles",
    "label_log_proba", "score_tokens",
)  # fmt: skip
CELLS = {
    "rnn": {"cell": "rnn"},
    "relu": {"cell": "rnn", "activation": "relu"},
    "lstm": {"cell": "lstm"},
    "gru": {"cell": "gru"},
}
NETWORKS = {
    "small": {"hidden_layer_sizes": 5, "pooling": "last"},
    "wide": {"hidden_layer_sizes": 35, "pooling": "mean", "segment_length": 2},
    "deep": {"hidden_layer_sizes": (9, 6, 4), "pooling": "max", "bptt_steps": 3},
    "both": {"hidden_layer_sizes": (17, 3), "bidirectional": True, "pooling": "max"},
    "gaps": {
        "hidden_layer_sizes": 6,
        "bidirectional": True,
        "pooling": "attention",
        "missing": "indicator",
        "segment_length": 3,
    },
}
FORECASTS = {
    "targets": {"normalize": "mean"},
    "covariates": {"target": [0], "cell": "lstm", "segment_length": 2},
    "quantiles": {"target": [0], "loss": "quantile", "dtype": "float64"},
}
DETECTORS = {
    "defaults": {},
    "windows": {"evidence": ("path", "window"), "combine": "max", "onset": 0},
}
TRAINING = {"max_iter": 3, "batch_size": 5, "dropout": 0.3, "random_state": 7}
RATE = {"learning_rate_init": 0.008}  # of regressors, which had this default once
SMALL = {**TRAINING, **NETWORKS["small"]}
SOLVERS = {
    "adam": {"solver": "adam", "learning_rate": "linear"},
    "adam invscaling": {"solver": "adam", "learning_rate": "invscaling"},
    "adam adaptive": {
        "solver": "adam",
        "learning_rate": "adaptive",
        "tol": 10.0,
        "n_iter_no_change": 1,
        "max_iter": 6,
    },
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "sgd plain": {"solver": "sgd", "nesterovs_momentum": False, "max_grad_norm": None},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.25},
    "raw": {"standardize": False, "dropout": 0.0, "recurrent_dropout": 0.0},
}


def network_cases():
    """Every cell in every network, and in one that is large."""
    X, gaps = sequences(), with_gaps(sequences())
    cases = {}
    for cell, parameters in CELLS.items():
        for name, network in NETWORKS.items():
            data = gaps if name == "gaps" else X
            for dtype in ("float32", "float64"):
                options = {**TRAINING, **parameters, **network, "dtype": dtype}
                if name == "both":
                    estimator, y = RNNRegressor(**RATE | options), targets(12, 2)
                elif name == "deep":
                    estimator, y = RNNRegressor(**RATE | options), targets()
                elif name == "wide":
                    estimator, y = RNNClassifier(**options), labels(n_classes=2)
                else:
                    estimator, y = RNNClassifier(**options), labels()
                cases[f"{cell}, {name}, {dtype}"] = Case(estimator, (data, y), data)
        # Work enough for several threads, which smaller ones stay below.
        options = {**TRAINING, **parameters, "max_iter": 1, "batch_size": 64}
        options |= {"hidden_layer_sizes": 64, "segment_length": 1, "pooling": "max"}
        options |= {"convolutions": 0}
        many = sequences(64, 24, 120)
        estimator = RNNClassifier(**options)
        cases[f"{cell}, large"] = Case(estimator, (many, labels(64)), many)
    return cases


def training_cases():
    """Solvers, weights of classes and several labels."""
    X, cases = sequences(), {}
    for solver, parameters in SOLVERS.items():
        options = {**SMALL, **parameters}
        for estimator, y in (
            (RNNClassifier(**options), labels()),
            (RNNRegressor(**RATE | options), targets()),
        ):
            name = f"{type(estimator).__name__}, {solver}"
            weights = {"sample_weight": sample_weight()}
            cases[name] = Case(estimator, (X, y), X, weights)
    cases["balanced"] = Case(
        RNNClassifier(**SMALL, class_weight="balanced"), (X, labels()), X
    )
    indicator = np.stack([labels(), labels(n_classes=2)], axis=1) % 2
    cases["multilabel"] = Case(RNNClassifier(**SMALL), (X, indicator), X)
    return cases


def series_cases():
    """Forecasters and detectors of panels."""
    series = [numbers(10 + i, (40 + 5 * i, 2)) for i in range(4)]
    cases = {}
    for name, parameters in FORECASTS.items():
        estimator = SequenceForecaster(
            3, window=8, hidden_layer_sizes=5, max_iter=2, random_state=7, **parameters
        )
        cases[f"forecaster, {name}"] = Case(estimator, (series,), series)
    panel = [numbers(20 + i, (180 - 20 * i, 2)) for i in range(2)]
    later = [numbers(30 + i, (40, 2)) for i in range(2)]
    quick = SequenceForecaster(window=8, hidden_layer_sizes=5, max_iter=2)
    for name, parameters in DETECTORS.items():
        estimator = SeriesOutlierDetector(
            horizon=4, warm_up=60, forecaster=quick, random_state=7, **parameters
        )
        cases[f"detector, {name}"] = Case(estimator, (panel,), later)
    return cases


def token_cases():
    """Texts, and steps that hold tokens beside numbers."""
    characters, many, mixed = texts(), texts(64, longest=40), steps_with_tokens()
    tokens = {**SMALL, "embedding_dropout": 0.25}
    shared = tokens | {"embedding_size": 12, "batch_size": 64}
    beside = tokens | {"categorical_features": [1, 2], "embedding_size": 5}
    return {
        "characters": Case(RNNClassifier(**tokens), (characters, labels()), characters),
        "shared rows": Case(RNNClassifier(**shared), (many, labels(64)), many),
        "tokens beside numbers": Case(
            RNNRegressor(**beside, **RATE, dtype="float64"), (mixed, targets()), mixed
        ),
    }


def step_cases():
    """A label or a number for each step."""
    X = sequences()
    steps = [np.arange(len(x)) * 5 % 7 % 3 for x in X]
    firsts = [x[:, 0] for x in X]
    options = without(SMALL, "pooling", "segment_length")
    segments = {"segment_length": 3}
    return {
        name: Case(estimator, (X, y), X)
        for name, estimator, y in (
            ("tagger", SequenceTagger(**options), steps),
            ("tagger, crf", SequenceTagger(**options, crf=True), steps),
            ("step regressor", StepRegressor(**options), firsts),
            (
                "tagger, crf, segments",
                SequenceTagger(**options, crf=True, **segments),
                steps,
            ),
            ("step regressor, segments", StepRegressor(**options, **segments), firsts),
        )
    }


def writing_cases():
    """Transcribers, translators and language models."""
    X, characters, cases = sequences(), texts(), {}
    written = [[int(k) for k in own] for own in integers(6, 24).reshape(12, 2) % 3]
    written = [own[: len(x) // 3] for own, x in zip(written, X, strict=True)]
    transcriber = without(SMALL, "pooling")
    for name, parameters in (
        ("transcriber", {"beam_width": 3}),
        ("transcriber, own mean", {"standardize": "sequence", "dtype": "float64"}),
    ):
        estimator = SequenceTranscriber(**transcriber, **parameters)
        weights = {"sample_weight": sample_weight()}
        cases[name] = Case(estimator, (X, written), X, weights)
    translator = {"max_iter": 3, "batch_size": 5, "random_state": 7}
    for name, X_of, more in (
        ("numbers", X, {"bidirectional": True, "missing": "error"}),
        ("characters", characters, {"cell": "lstm", "attention": "additive"}),
        ("words", characters, {"dtype": "float64", "tie_embeddings": False}),
    ):
        model = SequenceTranslator((9, 7), **translator, **more)
        cases[f"translator, {name}"] = Case(model, (X_of, written), X_of)
    language = {"max_iter": 3, "batch_size": 3, "bptt_steps": 4, "random_state": 7}
    language |= {"dropout": 0.1, "learning_rate_init": 0.008}
    for name, more in (
        ("lstm", {"cell": "lstm", "embedding_dropout": 0.25}),
        ("gru, tied", {"cell": "gru", "tie_embeddings": True, "dtype": "float64"}),
        ("n-grams", {"cell": "lstm", "ngram_order": 3}),
    ):
        model = LanguageModel((9, 7), **language, **more)
        cases[f"language model, {name}"] = Case(model, (characters,), characters)
    return cases


def front_cases():
    """Convolutions in front, joined poolings, and a block of one length."""
    X, gaps = sequences(), with_gaps(sequences())
    front = TRAINING | {"hidden_layer_sizes": 6, "pooling": "joined"}
    cases = {}
    for name, data, parameters in (
        ("one direction", X, {"bidirectional": False, "segment_length": 2}),
        ("both directions", X, {"bidirectional": True, "dtype": "float64"}),
        (
            "gaps",
            gaps,
            {"bidirectional": False, "missing": "indicator", "segment_length": 1},
        ),
    ):
        cases[f"convolutions, {name}"] = Case(
            RNNClassifier(**front, **parameters, convolutions=10, rocket=False),
            (data, labels()),
            data,
        )
    for name, data, missing, y in (
        ("rocket", X, "error", labels()),
        ("rocket, gaps", gaps, "indicator", labels(n_classes=2)),
    ):
        model = RNNClassifier(**front, missing=missing, convolutions=0, rocket=True)
        cases[name] = Case(model, (data, y), data)
    cases["joined"] = Case(
        RNNRegressor(**front, **RATE, convolutions=0), (X, targets()), X
    )
    block = numbers(4, (12, 8, 2)).astype(np.float32)
    cases["block of float32"] = Case(RNNClassifier(**SMALL), (block, labels()), block)
    return cases


def without(options, *names):
    return {name: value for name, value in options.items() if name not in names}


CASES = {
    **network_cases(),
    **training_cases(),
    **series_cases(),
    **token_cases(),
    **step_cases(),
    **writing_cases(),
    **front_cases(),
}


# Digests -------------------------------------------------------------------------


def digest(arrays):
    """SHA-256 of the types, shapes and bits of arrays, with little-endian bytes."""
    sha = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        if array.dtype.kind in "iu":
            array = array.astype(np.int64)
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        sha.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return sha.hexdigest()


def is_ragged(found):
    """Whether there is an array for each sequence."""
    return isinstance(found, list) or np.asarray(found).dtype == object


def outputs(estimator, X):
    """Everything that a fitted estimator says of X, as arrays."""
    for name in methods_of(estimator):
        found = getattr(estimator, name)(X)
        yield from found if is_ragged(found) else [found]


def methods_of(estimator):
    """The names of the methods that say something of X alone."""
    names = [name for name in METHODS if hasattr(estimator, name)]
    if isinstance(estimator, SequenceTranscriber):
        names += ["score_samples", "align"]
    if isinstance(estimator, SequenceTranslator):
        names += ["score_samples"]
    if isinstance(estimator, SeriesOutlierDetector):
        names = ["score_samples", "evidence_of"]
    return names


def fitted(case, **parameters):
    """The estimator of a case after its fit, with other parameters if given."""
    estimator = clone(case.estimator).set_params(**parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*case.fit, **case.options)


def with_fixed_weights(case, **parameters):
    """The same with weights of the generator, which owe nothing to a fit."""
    if isinstance(case.estimator, SeriesOutlierDetector):
        return fitted(case, **parameters)
    estimator = fitted(case, max_iter=1, **parameters)
    theta = theta_of(estimator)
    fixed = numbers(5, theta.shape) / 8
    return set_theta(estimator, fixed.astype(theta.dtype))


def digests(case, **parameters):
    """Digest of predictions with fixed weights, and of a fit and what it predicts."""
    estimator = fitted(case, **parameters)
    if isinstance(estimator, SeriesOutlierDetector):
        fit = [*estimator.score_samples_, *estimator.decision_function(case.X)]
        return {"predict": digest(outputs(estimator, case.X)), "fit": digest(fit)}
    fit = [
        theta_of(estimator),
        np.array(estimator.loss_curve_),
        *outputs(estimator, case.X),
    ]
    fixed = with_fixed_weights(case, **parameters)
    return {"predict": digest(outputs(fixed, case.X)), "fit": digest(fit)}


def all_digests(only=""):
    return {name: digests(case) for name, case in CASES.items() if only in name}


def kept():
    """The digests in the file."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--update", action="store_true", help="write the file")
    parser.add_argument(
        "--json", action="store_true", help="print, and compare nothing"
    )
    parser.add_argument("--only", default="", help="cases with this in their name")
    args = parser.parse_args()
    found = all_digests(args.only)
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    if args.update and args.only:
        parser.error("--update writes all cases")
    before = kept() if PATH.exists() else {}
    before = {name: kept for name, kept in before.items() if args.only in name}
    n_changed = 0
    for name in sorted(before.keys() | found.keys()):
        for what in ("predict", "fit"):
            old = before.get(name, {}).get(what, "none")
            new = found.get(name, {}).get(what, "none")
            n_changed += old != new
            mark = "same   " if old == new else "CHANGED"
            print(f"{mark} {new[:16]:16} {name}: {what}")
    print(f"{2 * len(found)} digests, {n_changed} changed")
    if args.update:
        text = json.dumps(found, indent=1) + "\n"
        PATH.write_text(text, encoding="utf-8", newline="\n")
        print(f"written to {PATH}")
        return 0
    return n_changed > 0


if __name__ == "__main__":
    sys.exit(main())
