"""Messages about common mistakes, each with the line of code that helps."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import MultiLabelBinarizer

from skrnn import RNNClassifier, RNNRegressor
from skrnn.inputs.sequences import check_sequences
from skrnn.preprocessing import SequenceScaler

LENGTHS = [3, 4, 5, 3]
X = [np.random.default_rng(n).normal(size=(n, 2)) for n in LENGTHS]
Y = [0, 1, 0, 1]
QUICK = {"hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0}


def message_of(call, kind=ValueError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def run(code, **names):
    """What the line of code of a message makes."""
    scope = {"np": np, "pd": pd, **names}
    exec(code, scope)
    return scope


def fitted():
    return RNNClassifier(**QUICK).fit(X, Y)


@pytest.fixture(autouse=True)
def unconverged():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def test_one_sequence_as_nested_lists():
    one = X[0].tolist()
    assert "one sequence of several features is [X]" in message_of(
        lambda: fitted().predict(one)
    )
    message = message_of(lambda: RNNClassifier(**QUICK).fit(one, [1]))
    assert message.startswith("Found input variables with inconsistent numbers")
    assert "One sequence of several features is [X]" in message
    # Other lengths say nothing about features.
    message = message_of(lambda: fitted().predict([[1.0, 2.0, 3.0]]))
    assert "[X]" not in message


def test_steps_of_all_sequences_below_each_other():
    steps = np.concatenate(X)
    for given in (steps, pd.DataFrame(steps), steps.tolist()):
        message = message_of(lambda given=given: RNNClassifier(**QUICK).fit(given, Y))
        assert "np.split(X, np.cumsum(lengths)[:-1])" in message
    found = run(
        "split = np.split(X, np.cumsum(lengths)[:-1])", X=steps, lengths=LENGTHS
    )
    for a, b in zip(found["split"], X, strict=True):
        np.testing.assert_array_equal(a, b)
    for pair in ((steps, LENGTHS), [steps, np.array(LENGTHS)]):
        message = message_of(lambda pair=pair: RNNClassifier(**QUICK).fit(pair, Y))
        assert "np.split(steps, np.cumsum(lengths)[:-1])" in message


def test_dicts():
    steps = [[{"a": 1.0}, {"a": 2.0}], [{"a": 1.0}]]
    message = message_of(lambda: SequenceScaler().fit(steps), TypeError)
    assert "[pd.DataFrame(x) for x in X]" in message
    columns = [{"a": [1.0, 2.0]}, {"a": [1.0]}]
    message = message_of(lambda: SequenceScaler().fit(columns), TypeError)
    assert "[pd.DataFrame(x) for x in X]" in message
    SequenceScaler().fit([pd.DataFrame(x) for x in columns])
    message = message_of(lambda: SequenceScaler().fit({"a": [1.0]}), TypeError)
    assert "Pass list(X.values())" in message


@pytest.mark.parametrize(
    "pairs",
    [
        list(zip(X, Y, strict=True)),
        [[x, label] for x, label in zip(X, "abab", strict=True)],
        [(x.tolist(), np.int64(label)) for x, label in zip(X, Y, strict=True)],
        [(pd.DataFrame(x), 1.5) for x in X],
    ],
)
def test_pairs_of_sequences_and_targets(pairs):
    message = message_of(lambda: RNNClassifier(**QUICK).fit(pairs, Y))
    assert "X, y = zip(*pairs)" in message
    RNNClassifier(**QUICK).fit(run("X, y = zip(*pairs)", pairs=pairs)["X"], Y)


def test_pairs_of_texts_and_targets():
    pairs = [("abc", 1), ("de", 0)]
    message = message_of(
        lambda: check_sequences(pairs, categorical_features="from_dtype")
    )
    assert "X, y = zip(*pairs)" in message
    assert "tokens, convert the numbers with str()" in message
    words = [("the", "dog"), ("a", "cat")]
    assert len(check_sequences(words, categorical_features="from_dtype")) == 2


def test_groups():
    frame = pd.DataFrame({"id": np.repeat(range(4), LENGTHS), "a": np.arange(15.0)})
    for key in ("id", ["id"]):
        groups = list(frame.groupby(key))
        message = message_of(lambda groups=groups: SequenceScaler().fit(groups))
        assert "[steps for _, steps in X]" in message
        found = run("found = [steps for _, steps in X]", X=groups)["found"]
        SequenceScaler().fit([steps.drop(columns="id") for steps in found])
    message = message_of(lambda: SequenceScaler().fit(frame.groupby("id")), TypeError)
    assert "[steps for _, steps in X]" in message
    message = message_of(lambda: SequenceScaler().fit(x for x in X), TypeError)
    assert "Pass list(X)" in message


@pytest.mark.parametrize(
    "y, where",
    [
        ([1, 0, pd.NA, 1], "y[2]"),
        (["a", "b", pd.NA, "a"], "y[2]"),
        (["a", None, "b", "a"], "y[1]"),
        (np.array([1, 0, pd.NA, 1], dtype=object), "y[2]"),
        (pd.Series([1, 0, pd.NA, 1], dtype="Int64"), "y.iloc[2]"),
        (pd.Series(["a", "b", pd.NA, "a"], dtype="string"), "y.iloc[2]"),
        (pd.Series(["a", "b", None, "a"], dtype=object), "y.iloc[2]"),
    ],
)
def test_missing_targets(y, where):
    message = message_of(lambda: RNNClassifier(**QUICK).fit(X, y))
    assert message.startswith(f"Input y contains NaN.\n{where} is ")
    assert "means missing" in message


def test_missing_numbers():
    message = message_of(lambda: RNNRegressor(**QUICK).fit(X, [1, 0, pd.NA, 1]))
    assert message.startswith("Input y contains NaN.\ny[2] is <NA>")


@pytest.mark.parametrize(
    "y",
    [
        [["a", "b"], ["a"], [], ["b"]],
        [["a", "b"], ["a", "c"], ["c", "b"], ["b", "a"]],
        [{"a", "b"}, {"a"}, set(), {"b"}],
        pd.Series([["a", "b"], ["a"], [], ["b"]]),
        [("a", "b"), ("a",), (), ("b",)],
    ],
)
def test_sets_of_labels(y):
    message = message_of(lambda: RNNClassifier(**QUICK).fit(X, y))
    assert "MultiLabelBinarizer().fit_transform(y)" in message
    RNNClassifier(**QUICK).fit(X, MultiLabelBinarizer().fit_transform(y))


# Padding -----------------------------------------------------------------------------


def padded(front=False):
    block = np.full((4, 5, 2), np.nan)
    for i, x in enumerate(X):
        block[i, -len(x) :] = x
        if not front:
            block[i] = np.nan
            block[i, : len(x)] = x
    return block


def columns(block):
    return block[:, :, 0]


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize(
    "form, expected",
    [
        (lambda block: block, X),
        (list, X),
        (columns, [x[:, 0] for x in X]),
        (lambda block: columns(block).tolist(), [x[:, 0] for x in X]),
        (lambda block: pd.DataFrame(columns(block)), [x[:, 0] for x in X]),
        (lambda block: [pd.DataFrame(x) for x in block], X),
        (lambda block: pd.Series(list(block)), X),
        (lambda block: block.transpose(0, 2, 1), X),
    ],
)
def test_padding_is_named(form, expected, front):
    given = form(padded(front))
    message = message_of(lambda: RNNClassifier(**QUICK).fit(given, Y))
    if front and getattr(given, "shape", ())[1:] == (2, 5):
        assert "X[0] has it at step 0" in message  # axes to exchange, in front
        return
    assert message.startswith("Input X contains NaN.")
    assert "padding" in message
    # The line of the message cuts it off.
    found = run(message.rpartition("\n")[2].strip(), X=given)["X"]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_missing_values_are_no_padding():
    given = [x.copy() for x in X]
    given[1][2, 0] = np.nan
    message = message_of(lambda: RNNClassifier(**QUICK).fit(given, Y))
    assert "padding" not in message and "or set missing='indicator'." in message
    message = message_of(lambda: RNNClassifier(**QUICK).fit([x * np.nan for x in X], Y))
    assert "padding" not in message


def test_the_indicator_warns_of_padding():
    options = {"missing": "indicator", **QUICK}
    for given in (padded(), list(padded()), columns(padded())):
        with pytest.warns(UserWarning, match="3 of 4 sequences of X look padded"):
            fitted = RNNClassifier(**options).fit(given, Y)
        fitted.predict(given)  # says nothing, again
    unknown = padded()
    unknown[2, 1, 0] = np.nan
    RNNClassifier(**options).fit(unknown, Y)
    RNNClassifier(**options).fit([*X[:3], np.full((2, 2), np.nan)], Y)
