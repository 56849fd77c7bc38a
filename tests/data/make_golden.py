"""Make the model files that every later version must load, and what they predict.

    python tests/data/make_golden.py [--again]

A case that has its file keeps it, since old files are what the tests are about; with
``--again`` all are made anew, for a change of the format before its first release. Add
a case for each new kind of estimator. All numbers come from a generator of integers, so
that the inputs are the same on every machine.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skrnn import (
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.export import save
from skrnn.preprocessing import SequenceScaler

FOLDER = Path(__file__).parent
SMALL = {"hidden_layer_sizes": 3, "max_iter": 2, "batch_size": 4, "random_state": 0}
METHODS = (
    "decision_function",
    "predict_proba",
    "predict",
    "transform",
    "inverse_transform",
    "label_log_proba",
)


class Integers:
    """A linear congruential generator, whose multiples of 1/64 are exact floats."""

    def __init__(self, seed):
        self.state = seed

    def draw(self, low, high):
        """Return an int from `low` to `high`, both included."""
        self.state = (1664525 * self.state + 1013904223) % 2**32
        return low + (self.state >> 8) % (high - low + 1)

    def array(self, *shape):
        """Return numbers between -4 and 4."""
        numbers = [self.draw(-256, 256) / 64 for _ in range(np.prod(shape))]
        return np.array(numbers).reshape(shape)


def sequences(n_features=2, seed=1, n_seqs=12):
    """Return sequences of 1 to 7 steps."""
    integers = Integers(seed)
    return [integers.array(integers.draw(1, 7), n_features) for _ in range(n_seqs)]


def missing(n_features=2):
    """Return sequences some of whose values are not known."""
    X = sequences(n_features)
    for x in X[::3]:
        x[0, 0] = np.nan
    return X


def table(n_steps=5, n_seqs=12):
    """Return univariate sequences as the rows of an array."""
    return Integers(2).array(n_seqs, n_steps)


def classes(*labels, dtype=None, n_seqs=12):
    """Return labels in turn."""
    return np.array([labels[i % len(labels)] for i in range(n_seqs)], dtype=dtype)


def targets(*shape, n_seqs=12):
    """Return numbers far from 0."""
    return 100 + Integers(3).array(n_seqs, *shape)


def transcripts():
    """Return the labels of sequences, of several kinds; some have none."""
    kinds = ["ä", 7, "b", 7.5]
    return [[kinds[i % 4], *kinds[: i % 3]][: len(x)] for i, x in enumerate(letters())]


def letters(n_seqs=12):
    """Return sequences of 4 to 9 steps."""
    integers = Integers(10)
    return [integers.array(integers.draw(4, 9), 2) for _ in range(n_seqs)]


def indicator(n_labels=3, n_seqs=12):
    """Return labels that a sequence has or has not."""
    return (Integers(4).array(n_seqs, n_labels) > 0).astype(int)


def named(X):
    """Return sequences whose features have names."""
    import pandas as pd

    return [pd.DataFrame(x, columns=["höhe", "width"][: x.shape[1]]) for x in X]


def hours(n_rows=24):
    """Return a table with times, numbers and categories."""
    import pandas as pd

    index = pd.date_range("2024-02-28 20:00", periods=n_rows, freq="h")
    columns = {"wind": Integers(5).array(n_rows), "kind": ["a", "b", "ä"] * 8}
    return pd.DataFrame(columns, index=index)


def panel():
    """Return series of two targets, some of whose values are not known."""
    series = sequences(2, seed=6, n_seqs=3)
    series = [np.concatenate([x, Integers(7 + len(x)).array(9, 2)]) for x in series]
    series[0][2, 1] = np.nan
    return series


def labels_of_steps(X, *labels):
    """Return labels in turn for the steps of sequences, and now and then none."""
    integers = Integers(10)
    return [[labels[integers.draw(0, len(labels) - 1)] for _ in x] for x in X]


def words():
    """Return sequences of words and tags of the scheme IOB2."""
    sentences = ["to new york", "new", "from ä to new york city", "to to"] * 3
    tags = ["O B-city I-city", "O", "O B-ä O B-city I-city I-city", "O O"] * 3
    return [x.split() for x in sentences], [y.split() for y in tags]


def numbers_of_steps(X):
    """Return a number for each step of sequences, and now and then none."""
    y = [50 + Integers(len(x)).array(len(x)) for x in X]
    y[1][0] = y[4][-1] = np.nan
    return y


def asking(estimator):
    """Return a transformer whose output is a DataFrame."""
    return estimator.set_output(transform="pandas")


def cases():
    """Return for each name an estimator, X and y to fit it with, and X to predict.

    Without the first X the estimator is not fitted.
    """
    C, R, F = RNNClassifier, RNNRegressor, SequenceForecaster
    T, S = SequenceTagger, StepRegressor
    X, rows, rows_with_gaps = sequences(), table(), np.concatenate(missing())
    return {
        "binary_gru": (C(**SMALL), X, classes("no", "yes")),
        "multiclass_lstm": (
            C(**SMALL, cell="lstm", pooling="mean"),
            X,
            classes(7, -1, 30),
        ),
        "multilabel_rnn": (
            C(**SMALL, cell="rnn", pooling="last", class_weight=[{0: 1, 1: 2.5}] * 3),
            X,
            indicator(),
        ),
        "objects_attention": (
            C(**SMALL, bidirectional=True, pooling="attention"),
            X,
            classes("ä", "b$", "", dtype=object),
        ),
        "early_stopping": (
            C(
                **SMALL | {"random_state": np.random.RandomState(5)},
                early_stopping=True,
                learning_rate="adaptive",
                class_weight={False: 1.0, True: 3},
                n_iter_no_change=np.inf,
                max_grad_norm=None,
                dtype=np.float32,
                warm_start=True,
            ),
            X,
            classes(False, True),
        ),
        "one_class": (C(**SMALL), X, classes(2.0)),
        "single_sgd": (R(**SMALL, solver="sgd"), X, targets()),
        "several_lbfgs": (
            R(
                **SMALL | {"hidden_layer_sizes": (2, 3)},
                cell="lstm",
                solver="lbfgs",
                bptt_steps=2,
            ),
            X,
            targets(2),
        ),
        "missing_values": (
            R(**SMALL, missing="indicator", standardize=False, pooling="mean"),
            missing(),
            targets(),
        ),
        "segments_relu": (
            R(
                **SMALL,
                cell="rnn",
                activation="relu",
                segment_length=3,
                missing="indicator",
                dtype="float64",
                bidirectional=True,
            ),
            missing(1),
            targets(),
        ),
        "rows": (R(**SMALL, segment_length=2), rows, targets()),
        "named": (C(**SMALL), named(X), classes("a", "b")),
        "forecaster_rows": (
            F(2, **SMALL, known_future=[0], window=4),
            Integers(8).array(24, 2),
            Integers(9).array(24),
        ),
        "forecaster_hours": (
            F(2, **SMALL, window=5, cell="rnn", calendar=["hour"], normalize="mean"),
            hours(),
            Integers(9).array(24),
        ),
        "forecaster_panel": (
            F(
                2,
                **SMALL,
                window=4,
                segment_length=2,
                loss="quantile",
                quantiles=(0.25, 0.5, 0.9),
            ),
            panel(),
            None,
        ),
        "detector": (
            SeriesOutlierDetector(
                horizon=3,
                warm_up=60,
                evidence=("step", "path", "drift", "window"),
                forecaster=F(window=6, hidden_layer_sizes=3, max_iter=2),
                random_state=0,
            ),
            Integers(10).array(150),
            None,
        ),
        "tagger": (
            T(**SMALL, cell="lstm", class_weight="balanced"),
            X,
            labels_of_steps(X, "no", "yes", None),
        ),
        "tagger_paths": (T(**SMALL, crf=True, scheme="IOB2"), *words()),
        "tagger_table": (
            T(
                **SMALL,
                segment_length=3,
                bidirectional=False,
                missing="indicator",
                scheme=~np.eye(3, dtype=bool),
                dtype="float64",
            ),
            rows_with_gaps,
            np.arange(len(rows_with_gaps)) * 5 % 7 % 3,
        ),
        "step_regressor": (
            S(**SMALL, loss="absolute_error", segment_length=2),
            X,
            numbers_of_steps(X),
        ),
        "transcriber": (
            SequenceTranscriber(**SMALL, standardize="sequence", beam_width=4),
            letters(),
            transcripts(),
        ),
        "translator": (
            SequenceTranslator(
                **SMALL,
                cell="lstm",
                source_unit="word",
                target_unit="subword",
                n_subwords=3,
            ),
            [" ".join(own) for own in words()[0]],
            ["-".join(map(str, own)) for own in transcripts()],
        ),
        "unfitted": (R(dtype=np.float64, n_jobs=2), None, None),
        "scaler": (SequenceScaler(), missing(), None),
        "scaler_of_rows": (SequenceScaler(with_mean=False), rows, None),
        "pipeline": (
            make_pipeline(SequenceScaler(), C(**SMALL, standardize=False)),
            X,
            classes("no", "yes"),
        ),
        "pipeline_of_rows": (
            Pipeline(
                [
                    ("inner", make_pipeline(asking(StandardScaler()), MinMaxScaler())),
                    ("nothing", "passthrough"),
                    ("absolute", MaxAbsScaler()),
                    ("robust", RobustScaler(quantile_range=(10.0, 90.0))),
                    ("net", R(**SMALL)),
                ],
                verbose=False,
            ),
            rows,
            targets(),
        ),
    }


def outputs(estimator, X):
    """Return what the methods of an estimator give for X, as lists of numbers."""
    if isinstance(X, list) and hasattr(X[0], "columns"):
        X = [x.to_numpy() for x in X]
    given = {}
    for name in METHODS:
        if hasattr(estimator, name):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "X does not have valid feature names")
                result = getattr(estimator, name)(X)
            given[name] = [np.asarray(item).tolist() for item in result]
    return given


def main():
    for name, (estimator, X, y) in cases().items():
        path = FOLDER / f"{name}.skrnn"
        if path.exists() and "--again" not in sys.argv:
            continue
        expected = {}
        if X is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator.fit(X, y)
            expected = outputs(estimator, X)
        save(estimator, path)
        text = json.dumps(expected, separators=(",", ":"))
        path.with_suffix(".json").write_text(text + "\n")
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
