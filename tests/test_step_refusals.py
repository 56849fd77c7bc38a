"""What taggers and step regressors refuse: by name and place, and with a remedy."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor

QUICK = {"hidden_layer_sizes": 2, "max_iter": 1, "random_state": 0}
WORDS = [["a", "b"], ["b"], ["a", "c", "a"]]
TAGS = [["O", "B-x"], ["O"], ["O", "B-x", "I-x"]]
NUMBERS = [np.ones((2, 2)), np.zeros((1, 2)), np.ones((3, 2))]
Y = [[1.0, 2.0], [3.0], [1.0, 2.0, 3.0]]
TABLE = np.arange(6.0).reshape(3, 2)


@pytest.fixture(autouse=True)
def no_convergence():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def refuses(estimator, call, message):
    """The call is refused in these words, and the estimator stays as it was."""
    before = vars(estimator).copy()
    with pytest.raises((ValueError, TypeError), match=message):
        call()
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[name] is value for name, value in before.items())


OF_TAGS = {
    "X is a string": ("ab", ["O", "O"], {}, "X is one string"),
    "bytes": ([b"ab"], [["O", "O"]], {}, r"X\[0\] is bytes. Decode it"),
    "tokens of bytes": ([[b"a"]], [["O"]], {}, r"X\[0\] has bytes at step 0. Decode"),
    "array of bytes": ([np.array([b"a"])], [["O"]], {}, r"X\[0\] has bytes at step 0"),
    "no steps": ([["a"], []], [["O"], []], {}, r"X\[1\] has no steps. Leave it out"),
    "empty text": (["a", ""], [["O"], []], {}, r"X\[1\] has no steps: it is an empty"),
    "two kinds": ([["a", 1]], [["O", "O"]], {}, r"X\[0\] has 1 at step 1, a number"),
    "no token": ([["a", None]], [["O", "O"]], {}, r"X\[0\] has no token at step 1"),
    "a fraction": (
        [np.array([[1.5], [2.0]])], [["O", "O"]], {"categorical_features": [0]},
        r"X\[0\] has 1.5 at step 0, not an id",
    ),
    "y of other lengths": (
        WORDS, [["O"], ["O"], ["O"] * 3], {},
        r"y\[0\] has 1 targets, and X\[0\] has 2 steps.* without one.$",
    ),
    "a label in each list": (
        WORDS, [["O"], ["O"], ["O"]], {}, "without one. .* use RNNClassifier",
    ),
    "too few y": (WORDS, TAGS[:2], {}, r"inconsistent numbers of samples: \[3, 2\]"),
    "no y": (WORDS, None, {}, "requires y"),
    "y is a string": (WORDS, "OOO", {}, "y must hold a sequence of targets for each"),
    "y of strings": (WORDS, ["OO", "O", "OOO"], {}, "use RNNClassifier.$"),
    "y of numbers": (NUMBERS, [1, 2, 3], {}, "use RNNClassifier.$"),
    "one label for token lists of one length": (
        [["a", "b"], ["b", "a"]], ["x", "y"], {}, "use RNNClassifier. If X is one",
    ),
    "one label for each text": (
        ["ab", "ba"], ["x", "y"], {}, r"use RNNClassifier.*the lists \[X\] and \[y\]",
    ),
    "y is too deep": (WORDS, [[["O"], ["O"]], *TAGS[1:]], {}, r"y\[0\] holds a label"),
    "y of tables": (
        NUMBERS, [pd.DataFrame({"a": [1, 2]}), [1], [1, 2, 1]], {},
        r"y\[0\] is a DataFrame.* take one of its columns",
    ),
    "y is a table": (
        NUMBERS, pd.DataFrame({"a": [1, 2, 3]}), {}, "y is a DataFrame.*its columns",
    ),
    "no label": (WORDS, [[None] * 2, [None], [None] * 3], {}, "y has no label at all"),
    "labels of two kinds": (WORDS, [["O", 1], *TAGS[1:]], {}, "must be of one kind"),
    "labels of bytes": (
        WORDS, [["O", "O"], [b"O"], ["O"] * 3], {}, r"must be of one kind|Decode it",
    ),
    "only labels of bytes": (
        WORDS, [[b"O"] * 2, [b"O"], [b"O"] * 3], {}, r"y\[0\] has, at step 0, b'O', by",
    ),
    "fractions": (
        WORDS, [[1.0, 0.5], [1.0], [1.0] * 3], {},
        r"y\[0\] has, at step 1, 0.5, .*Use StepRegressor",
    ),
    "illegal pair": (
        WORDS, [["O", "I-x"], *TAGS[1:]], {"scheme": "IOB2"},
        r"y\[0\] breaks the scheme at step 1: 'I-x' cannot follow 'O'.*repair_tags",
    ),
    "illegal start": (
        WORDS, [TAGS[0], ["I-x"], TAGS[2]], {"scheme": "IOB2", "crf": True},
        r"y\[1\] breaks the scheme at step 0: 'I-x' cannot follow the start",
    ),
    "illegal end": (
        WORDS, TAGS, {"scheme": "IOBES"}, r"labels\[\d\]|at the end: the end cannot",
    ),
    "no tag": (
        WORDS, [["O", "x"], *TAGS[1:]], {"scheme": "IOB2"},
        r"is 'x', no tag of the scheme IOB2.*set scheme=None",
    ),
    "another scheme": (WORDS, TAGS, {"scheme": "BIO"}, "'scheme' parameter"),
    "scheme of other labels": (
        WORDS, TAGS, {"scheme": np.ones((2, 2), bool)}, r"shape \(3, 3\) for 3 labels",
    ),
    "class weights": (
        WORDS, TAGS, {"crf": True, "class_weight": "balanced"}, "Set class_weight=None",
    ),
    "segments of tokens": (
        WORDS, TAGS, {"segment_length": 2}, "Tokens are read one by one",
    ),
}  # fmt: skip
OF_NUMBERS = {
    "text": (NUMBERS, TAGS, r"y\[0\] holds what is not a number.* use SequenceTagger"),
    "infinity": (NUMBERS, [[1, np.inf], *Y[1:]], r"y\[0\] is infinite at step 1.* NaN"),
    "nothing": (NUMBERS, [[np.nan] * len(y) for y in Y], "y has no number at all"),
    "two dimensions": (
        NUMBERS, [np.ones((2, 2)), *Y[1:]], r"y\[0\] has the shape \(2, 2\)",
    ),
    "NaN in X": ([NUMBERS[0], [[np.nan, 1]], NUMBERS[2]], Y, r"X\[1\] has it at st"),
    "other features": (
        [np.ones((2, 3)), *NUMBERS[1:]], Y, r"X\[1\] has 2 features, but X\[0\] has 3",
    ),
    "table of other rows": (TABLE, [1.0, 2.0], r"numbers of samples: \[3, 2\]"),
    "column": (TABLE[:, 0], [1.0, 2.0, 3.0], "X must be a table with a row"),
    "sparse": (scipy.sparse.csr_matrix(TABLE), [1.0, 2.0, 3.0], r"X.toarray\(\)"),
    "text of a table": (TABLE, ["a", "b", "c"], "y holds what is not a number"),
    "infinity of a table": (TABLE, [1.0, np.inf, 2.0], "y is infinite at step 1"),
}  # fmt: skip
OF_WEIGHTS = {
    "too few": ([1, 2], r"sample_weight.shape == \(2,\), expected \(3,\)"),
    "negative": ([1, -1, 1], "Negative values in sample_weight"),
    "of other lengths": (
        [[1], [1], [1] * 3], r"sample_weight\[0\].shape == \(1,\), expected \(2,\)!",
    ),
    "a negative step": ([[1, -1], [1], [1] * 3], r"values in sample_weight\[0\]"),
    "a missing step": ([[1, 1], [np.nan], [1] * 3], r"sample_weight\[1\] contains NaN"),
    "of both kinds": ([[1, 1], 1, [1] * 3], r"sample_weight\[1\] is 1. The weights of"),
    "of too few sequences": ([[1, 1], [1]], "inconsistent numbers of samples"),
    "nothing counts": ([[0, 0], [0], [0] * 3], "at least one non-zero number"),
}  # fmt: skip


@pytest.mark.parametrize("what", OF_TAGS)
def test_what_taggers_refuse(what):
    X, y, options, message = OF_TAGS[what]
    tagger = SequenceTagger(**QUICK | options)
    refuses(tagger, lambda: tagger.fit(X, y), message)


@pytest.mark.parametrize("what", OF_NUMBERS)
def test_what_step_regressors_refuse(what):
    X, y, message = OF_NUMBERS[what]
    reg = StepRegressor(**QUICK)
    refuses(reg, lambda: reg.fit(X, y), message)


@pytest.mark.parametrize("what", OF_WEIGHTS)
@pytest.mark.parametrize("kind", [SequenceTagger, StepRegressor])
def test_weights_that_are_refused(kind, what):
    weight, message = OF_WEIGHTS[what]
    estimator = kind(**QUICK)
    y = TAGS if kind is SequenceTagger else Y
    refuses(estimator, lambda: estimator.fit(NUMBERS, y, sample_weight=weight), message)


def test_weights_of_paths():
    tagger = SequenceTagger(crf=True, **QUICK)
    weight = [[1, 1], [1], [1, 0.5, 1]]
    message = r"sample_weight\[2\] is 0.5 at step 1, .* set crf=False"
    refuses(tagger, lambda: tagger.fit(WORDS, TAGS, sample_weight=weight), message)
    nothing = [["O", None], [None], [None] * 3]
    weight = [[0, 1], [1], [1] * 3]
    tagger = SequenceTagger(**QUICK)
    refuses(
        tagger,
        lambda: tagger.fit(WORDS, nothing, sample_weight=weight),
        "No step that has a target has a positive sample weight",
    )


@pytest.mark.parametrize("options", [{"crf": True}, {"scheme": "IOB2"}], ids=str)
def test_too_many_labels_for_a_table_of_pairs(options):
    tagger = SequenceTagger(**QUICK, **options)
    labels = [f"B-{i}" for i in range(5001)]
    X = [np.zeros((5001, 1))]
    refuses(tagger, lambda: tagger.fit(X, [labels]), "5001 labels.* 200 MB")


def test_a_fitted_tagger():
    tagger = SequenceTagger(**QUICK).fit(WORDS, TAGS)
    new = [["Q", "O"], *TAGS[1:]]
    for call, message in (
        (lambda: tagger.predict(NUMBERS), "X has 2 features"),
        (lambda: tagger.predict("ab"), "X is one string"),
        (lambda: tagger.predict([[1, 2]]), r"X\[0\] in feature 0 are numbers"),
        (lambda: tagger.predict([]), "X has no sequences"),
        (lambda: tagger.score(WORDS, TAGS[:2]), r"numbers of samples: \[3, 2\]"),
        (lambda: tagger.score(WORDS, [["O"]] * 3), r"y\[0\] has 1 targets, and X\[0\]"),
        (lambda: tagger.score(WORDS, ["O"] * 3), "fitted to sequences"),
        (lambda: tagger.score_samples(WORDS, new), r"y\[0\] has the label 'Q' at st"),
        (lambda: tagger.partial_fit(WORDS, new), r"y\[0\] has the label 'Q' at step 0"),
        (lambda: tagger.partial_fit(WORDS, TAGS, classes=["O"]), "not the same as on"),
        (lambda: tagger.partial_fit(TABLE, ["O"] * 3), "fitted to sequences"),
        (lambda: tagger.stream(), "bidirectional=False"),
    ):
        refuses(tagger, call, message)


def test_a_fitted_table():
    reg = StepRegressor(**QUICK).fit(TABLE, [1.0, 2.0, 3.0])
    for call, message in (
        (lambda: reg.predict(TABLE[:, 0]), "X must be a table with a row for each"),
        (lambda: reg.predict(NUMBERS), "X must be a table with a row for each step"),
        (lambda: reg.predict(np.ones((3, 5))), "X has 5 features"),
        (lambda: reg.predict(TABLE[:0]), "^X has no steps"),
        (lambda: reg.score(TABLE, [1.0, 2.0]), r"numbers of samples: \[3, 2\]"),
        (lambda: reg.score(NUMBERS, Y), "fitted to one table"),
    ):
        refuses(reg, call, message)


def test_validation_sequences_are_named():
    tagger = SequenceTagger(early_stopping=True, **QUICK)
    for y_val, message in (
        ([["O"]] * 3, r"y_val\[0\] has 1 targets, and X_val\[0\] has 2 steps"),
        ([["O", "Q"], *TAGS[1:]], r"y_val\[0\] has the label 'Q' at step 1"),
    ):
        refuses(
            tagger,
            lambda y_val=y_val: tagger.fit(WORDS, TAGS, X_val=WORDS, y_val=y_val),
            message,
        )


@pytest.mark.parametrize("kind", [list, tuple, np.array])
@pytest.mark.parametrize(
    "estimator, other",
    [(RNNClassifier(), "SequenceTagger"), (RNNRegressor(), "StepRegressor")],
)
def test_estimators_of_sequences_name_those_of_steps(estimator, other, kind):
    y = [kind([0, 1]), kind([1]), kind([0, 1, 1])]
    call = partial(clone(estimator).fit, NUMBERS, y)
    refuses(estimator, call, f"a whole sequence. Use {other}.$")
