"""What a careless user hands in: a clear error, or the same as in a usual form."""

import numpy as np
import pytest

from skrnn import (
    LanguageModel,
    RNNClassifier,
    SequenceForecaster,
    SequenceTagger,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.metrics import (
    bleu_score,
    chrf_score,
    chunk_f1_score,
    edit_distance,
    sequence_accuracy_score,
)
from skrnn.preprocessing import SequenceColumns, SequenceScaler
from skrnn.text import scheme_constraints, spans_to_tags, tags_to_spans

SMALL = {"hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0}
X = [np.arange(2.0 * n).reshape(n, 2) for n in (3, 2, 4)]
LABELS = [["a", "b", "a"], ["b", "a"], ["a", "a", "b", "b"]]
NUMBERS = [[1.0, 2.0, 3.0], [2.0, 1.0], [0.0, 1.0, 2.0, 3.0]]


# Tables of Arrow -----------------------------------------------------------------


def arrow():
    return pytest.importorskip("pyarrow"), pytest.importorskip("pandas")


def tables(kind, columns=("a", "b")):
    pyarrow, pandas = arrow()
    frames = [pandas.DataFrame(x, columns=columns) for x in X]
    if kind == "pandas":
        return frames
    cls = {"table": pyarrow.Table, "batch": pyarrow.RecordBatch}[kind]
    return [cls.from_pandas(frame) for frame in frames]


@pytest.mark.parametrize("kind", ["table", "batch"])
def test_arrow_tables_are_read_as_frames(kind):
    model = SequenceTagger(**SMALL).fit(tables(kind), LABELS)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    frames = tables("pandas")
    expected = SequenceTagger(**SMALL).fit(frames, LABELS).predict_proba(frames)[0]
    np.testing.assert_array_equal(model.predict_proba(tables(kind))[0], expected)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(tables(kind, ("b", "a")))
    scaler = SequenceScaler().fit(tables(kind))
    scaled = scaler.transform(tables(kind))
    assert [list(frame.columns) for frame in scaled] == [["a", "b"]] * 3


def test_arrow_tables_of_series_have_names():
    _, pandas = arrow()
    values = np.random.RandomState(0).randn(40, 2).cumsum(axis=0)
    frame = pandas.DataFrame(values, columns=["a", "b"])
    make = SequenceForecaster(2, window=3, target=["a"], **SMALL)
    expected = make.fit(frame).predict()
    pyarrow, _ = arrow()
    found = make.fit(pyarrow.Table.from_pandas(frame)).predict()
    np.testing.assert_array_equal(found, expected)
    assert make.feature_names_in_.tolist() == ["a", "b"]


def test_arrow_tables_with_columns_of_sequences():
    pyarrow, pandas = arrow()
    columns = {"k": [1.0, 2.0], "s": [[1.0, 2.0], [3.0]]}
    found = SequenceColumns().fit_transform(pyarrow.table(columns))
    expected = SequenceColumns().fit_transform(pandas.DataFrame(columns))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_null_values_of_arrow_are_missing():
    pyarrow, _ = arrow()
    table = pyarrow.table({"a": [1.0, None], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"X\[0\] has it at step 1 in feature 0"):
        RNNClassifier(**SMALL).fit([table, table], ["a", "b"])


def test_a_list_that_holds_itself_is_refused():
    pytest.importorskip("pyarrow")
    itself = []
    itself.append(itself)
    with pytest.raises(ValueError, match="not an array of numbers"):
        RNNClassifier(**SMALL).fit(itself, ["a"])


# Targets and weights -------------------------------------------------------------

TIMES = [np.full(len(x), "2020-01-01", dtype="M8[D]") for x in X]


@pytest.mark.parametrize(
    ("estimator", "y", "message"),
    [
        (SequenceTagger, TIMES, r"y\[0\] has, at step 0, .*a time"),
        (StepRegressor, TIMES, r"y\[0\] has, at step 0, .*a time"),
        (StepRegressor, [t - t[0] for t in TIMES], r"y\[0\] has, at step 0, .*a time"),
        (SequenceTagger, [{"a", "b", "c"}, *LABELS[1:]], r"y\[0\] is \{"),
        (SequenceTagger, [dict.fromkeys("abc"), *LABELS[1:]], r"y\[0\] is \{"),
        (
            SequenceTagger,
            ["a", "b", "a"],
            "one target for each sequence.*RNNClassifier",
        ),
        (StepRegressor, [1.0, 2.0, 3.0], "one target for each sequence.*RNNRegressor"),
    ],
)
def test_targets_of_steps(estimator, y, message):
    with pytest.raises(ValueError, match=message):
        estimator(**SMALL).fit(X, y)


def test_a_score_needs_a_label():
    tagger = SequenceTagger(**SMALL).fit(X, LABELS)
    with pytest.raises(ValueError, match="no label to compare with"):
        tagger.score(X, [[None] * len(x) for x in X])
    weights = [np.zeros(3), np.zeros(2), np.ones(4)]
    with pytest.raises(ValueError, match="no label to compare with"):
        tagger.score(X, [*LABELS[:2], [None] * 4], weights)
    regressor = StepRegressor(**SMALL).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="no number to compare with"):
        regressor.score(X, [[np.nan] * len(x) for x in X])


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ("ab", ValueError, "sample_weight does not hold numbers"),
        ({}, TypeError, "sample_weight does not hold numbers"),
        ([1j, 1, 1], TypeError, "sample_weight does not hold numbers"),
        ([1, 1, -2], ValueError, r"Negative values in sample_weight.\n.*\[2\] is -2"),
    ],
)
def test_weights_are_named(weight, error, message):
    for estimator in (RNNClassifier(**SMALL), SequenceTagger(**SMALL)):
        y = LABELS if isinstance(estimator, SequenceTagger) else ["a", "b", "a"]
        with pytest.raises(error, match=message):
            estimator.fit(X, y, weight)
    if not isinstance(weight, list):
        with pytest.raises(error, match=message):
            sequence_accuracy_score(LABELS, LABELS, sample_weight=weight)


# Metrics -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metric", [chunk_f1_score, sequence_accuracy_score, bleu_score, chrf_score]
)
def test_weights_that_overflow(metric):
    y = [["B-x", "O"], ["O"]]
    for weight in ([1e308, 1e308], [1e-320, 0]):
        with pytest.raises(ValueError, match="sample_weight sums up to"):
            metric(y, y, sample_weight=weight)


@pytest.mark.parametrize("y", [{0: ["O"]}, {"O"}, None, 3])
@pytest.mark.parametrize(
    "metric", [chunk_f1_score, sequence_accuracy_score, bleu_score, chrf_score]
)
def test_metrics_of_what_has_no_order(metric, y):
    with pytest.raises(ValueError, match="y_true is .*A list of"):
        metric(y, y)


@pytest.mark.parametrize("item", [{"a": 1}, {"a"}])
def test_metrics_of_items_without_order(item):
    for metric in (sequence_accuracy_score, bleu_score, chrf_score, edit_distance):
        given = item if metric is edit_distance else [item]
        with pytest.raises(TypeError, match="no order|A str, or a list of labels"):
            metric(given, given)
    with pytest.raises(ValueError, match=r"y_true\[0\] is "):
        chunk_f1_score([item], [item])


@pytest.mark.parametrize("item", [1, None, b"ab", [[1]]])
def test_translations_that_are_no_texts(item):
    with pytest.raises(TypeError, match=r"y_true\[1\] (is|has) "):
        bleu_score(["a", item], ["a", item])
    with pytest.raises(TypeError, match=r"y_true\[1\] (is|has) "):
        chrf_score(["a", item], ["a", item])


def test_characters_are_texts():
    with pytest.raises(TypeError, match=r"y_true\[0\] is \[1, 2\]"):
        chrf_score([[1, 2]], [[1, 2]])


def test_one_string_is_no_list_of_labels():
    with pytest.raises(ValueError, match="labels is one str"):
        chunk_f1_score([["B-x"]], [["B-x"]], labels="x")


def test_tags_and_spans_that_are_missing():
    with pytest.raises(ValueError, match="y is None"):
        tags_to_spans(None)
    with pytest.raises(ValueError, match="labels is None"):
        scheme_constraints(None, "IOB2")
    with pytest.raises(ValueError, match="spans is None"):
        spans_to_tags(["ab"], None)
    with pytest.raises(ValueError, match=r"spans\[0\] is None"):
        spans_to_tags(["ab"], [None])


# Other arguments -----------------------------------------------------------------


@pytest.mark.parametrize("n_seqs", [2**31, 2**70, 0, True, 1.0, None])
def test_numbers_of_sequences_of_streams(n_seqs):
    language = LanguageModel(**SMALL).fit(["ab", "ba"])
    for model in (
        language,
        SequenceTagger(**SMALL, bidirectional=False).fit(X, LABELS),
    ):
        with pytest.raises(ValueError, match="n_seqs must be an int of at least 1"):
            model.stream(n_seqs)


@pytest.mark.parametrize("n_jobs", ["2", 1.5])
def test_threads_after_fit(n_jobs):
    model = SequenceTagger(**SMALL).fit(X, LABELS).set_params(n_jobs=n_jobs)
    with pytest.raises(ValueError, match="n_jobs must be None or an int"):
        model.predict(X)


def test_one_text_in_an_array_of_no_dimensions():
    with pytest.raises(TypeError, match="X is array.*Texts are expected"):
        LanguageModel(**SMALL).fit(np.array("ab"))


def test_a_complex_row_of_a_stream():
    values = np.random.RandomState(0).randn(60, 2)
    forecaster = SequenceForecaster(window=3, **SMALL)
    stream = (
        SeriesOutlierDetector(forecaster=forecaster, warm_up=20).fit(values).stream()
    )
    with pytest.raises(ValueError, match="Complex data not supported"):
        stream.step(values[0] + 1j)
