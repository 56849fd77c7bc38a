"""What a careless user hands in: a clear error, or the same as in a usual form."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone

import skrnn
from ids import plain
from skrnn import (
    LanguageModel,
    RNNClassifier,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.distributed import JoinedSequences, fit_shards
from skrnn.export import load
from skrnn.inspection import permutation_importance
from skrnn.metrics import (
    bleu_score,
    chrf_score,
    chunk_f1_score,
    edit_distance,
    sequence_accuracy_score,
)
from skrnn.plotting import (
    AttentionDisplay,
    ForecastDisplay,
    ImportanceDisplay,
    OutlierDisplay,
    TaggingDisplay,
    TranscriptDisplay,
)
from skrnn.preprocessing import SequenceColumns, SequenceScaler, SequenceVectorizer
from skrnn.solvers import SOLVERS, Adam
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


@pytest.mark.parametrize("estimator", [RNNClassifier, SequenceTranslator])
def test_a_list_that_holds_itself_is_refused(estimator):
    pytest.importorskip("pyarrow")
    itself = []
    itself.append(itself)
    with pytest.raises(ValueError, match="not an array of numbers"):
        estimator(**SMALL).fit(itself, ["a"])


def test_evidence_that_is_no_list_of_names():
    with pytest.raises(ValueError, match="evidence must be some of"):
        SeriesOutlierDetector(evidence=[[1], [2, 3]]).fit(np.arange(60.0))


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


@pytest.mark.parametrize("weight", [1e308, 1e-320])
def test_class_weights_that_overflow(weight):
    given = {"class_weight": {"a": weight, "b": 1.0}}
    with pytest.raises(ValueError, match="class_weight=.* is so large or small"):
        RNNClassifier(**SMALL, **given).fit(X, ["a", "b", "a"])
    with pytest.raises(ValueError, match="class_weight=.* is so large or small"):
        SequenceTagger(**SMALL, **given).fit(X, LABELS)


def test_labels_that_numpy_would_cut_off():
    y = ["a\0", "a", "a\0"]
    with pytest.raises(ValueError, match=r"y\[0\] is 'a\\x00', and NumPy strips zeros"):
        RNNClassifier(**SMALL).fit(X, y)
    model = RNNClassifier(**SMALL).fit(X, np.array(y, dtype=object))
    assert model.classes_.tolist() == ["a", "a\0"]
    assert set(model.predict(X)) <= {"a", "a\0"}


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


# Shards --------------------------------------------------------------------------


def test_more_rounds_than_batches():
    shards = [(X, ["a", "b", "a"]), (X[:2], ["b", "a"])]
    model = RNNClassifier(**SMALL, batch_size=1)
    fit_shards(model, shards, rounds_per_epoch=5)
    with pytest.raises(ValueError, match="rounds_per_epoch=6 is more than the 5"):
        fit_shards(model, shards, rounds_per_epoch=6)
    texts = [(["ab", "ba"],), (["aab"],)]
    with pytest.raises(ValueError, match="rounds_per_epoch=1000 is more than the 2"):
        fit_shards(LanguageModel(**SMALL), texts, rounds_per_epoch=1000)


def test_a_class_of_executors_makes_one():
    shards = [(X, ["a", "b", "a"])]
    expected = fit_shards(RNNClassifier(**SMALL), shards).predict_proba(X)
    found = fit_shards(RNNClassifier(**SMALL), shards, ThreadPoolExecutor)
    np.testing.assert_array_equal(found.predict_proba(X), expected)
    with pytest.raises(TypeError, match="What executor returns"):
        fit_shards(RNNClassifier(**SMALL), shards, lambda: None)


def test_joined_sequences_of_nothing():
    with pytest.raises(TypeError, match="X is None"):
        JoinedSequences(None)
    for place in (1.5, "a", None):
        with pytest.raises(TypeError):
            JoinedSequences(X)[place]


def test_too_small_a_share_of_sequences():
    model = RNNClassifier(**SMALL).fit(X, ["a", "b", "a"])
    with pytest.raises(ValueError, match="less than one of 3 sequences"):
        permutation_importance(model, X, ["a", "b", "a"], max_samples=0.1)


def test_a_number_is_no_path():
    for number in (0, 3, True):
        with pytest.raises(TypeError, match="path must be a path or a file"):
            load(number)


# Parameters that were set after fit ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_width", 0),
        ("beam_width", None),
        ("length_penalty", np.nan),
        ("length_penalty", -1),
        ("max_length", "long"),
        ("unknown", "guess"),
    ],
    ids=plain,
)
def test_searches_check_what_was_set_after_fit(name, value):
    model = SequenceTranslator(**SMALL).fit(["ab", "b"], ["ba", "b"])
    model.set_params(**{name: value})
    for predict in (model.predict, model.n_best, model.score_samples):
        with pytest.raises(ValueError, match=f"The {name!r} parameter of"):
            predict(["ab"])


def test_beams_of_transcribers_that_were_set_after_fit():
    model = SequenceTranscriber(**SMALL, segment_length=1).fit(X, ["a", "b", "ab"])
    model.set_params(beam_width=0)
    for predict in (model.predict, model.n_best, model.score_samples):
        with pytest.raises(ValueError, match="The 'beam_width' parameter of"):
            predict(X)


@pytest.mark.parametrize("penalty", [1e300, 10**9])
def test_a_length_penalty_beyond_all_numbers(penalty):
    model = SequenceTranslator(**SMALL, length_penalty=penalty)
    found = model.fit(["ab", "b"], ["ba", "b"]).n_best(["ab"], 2, return_rank=True)
    assert len(set(found[0][0])) == 2
    assert np.isfinite(found[2][0]).all()


def test_rates_of_detectors_that_were_set_after_fit():
    values = np.random.RandomState(0).randn(40)
    forecaster = SequenceForecaster(window=3, **SMALL)
    detector = SeriesOutlierDetector(forecaster=forecaster, warm_up=20).fit(values)
    for name, values_of in (
        ("false_alarm_rate", (0, np.nan)),
        ("refractory", (-1, 1.5)),
    ):
        for value in values_of:
            other = copy.copy(detector).set_params(**{name: value})
            for call in (other.predict, lambda X, other=other: other.stream()):
                with pytest.raises(ValueError, match=f"The {name!r} parameter of"):
                    call(values)


# What functions of users give ----------------------------------------------------


class Tokenizer:
    """What a translator takes for a unit."""

    def __init__(self, encode, decode):
        self.encode, self.decode = encode, decode


def test_functions_that_make_no_tokens():
    for given in (None, 3):
        with pytest.raises(
            TypeError, match=r"analyzer\(X\[0\]\) is .*a list of tokens"
        ):
            LanguageModel(**SMALL, analyzer=lambda text, given=given: given).fit(["a"])
        vectorizer = SequenceVectorizer(tokenizer=lambda text, given=given: given)
        with pytest.raises(TypeError, match=r"tokenizer\(X\[0\]\) is .*a list of"):
            vectorizer.fit(["a"])


def test_patterns_that_are_none():
    for model in (
        LanguageModel(**SMALL, analyzer="word", token_pattern="("),
        SequenceVectorizer(token_pattern="("),
    ):
        with pytest.raises(ValueError, match=r"token_pattern='\(' is no regular expr"):
            model.fit(["a b", "b"])


def test_units_that_make_no_text():
    unit = Tokenizer(list, lambda tokens: None)
    model = SequenceTranslator(**SMALL, target_unit=unit).fit(["ab", "b"], ["ba", "b"])
    with pytest.raises(TypeError, match="Tokenizer.decode gives None"):
        model.predict(["ab"])
    unit = Tokenizer(lambda text: [], "".join)
    with pytest.raises(ValueError, match="which has no token. Leave it out"):
        SequenceTranslator(**SMALL, source_unit=unit).fit(["ab", "b"], ["ba", "b"])


# Streams -------------------------------------------------------------------------


@pytest.mark.parametrize("learn", [False, True])
def test_copies_of_a_stream_of_outliers(learn):
    values = np.random.RandomState(0).randn(60, 2)
    forecaster = SequenceForecaster(window=3, **SMALL)
    detector = SeriesOutlierDetector(
        forecaster=forecaster, warm_up=20, random_state=0, refit=8, refractory=2
    )
    stream = detector.fit(values[:40]).stream(learn)
    for row in values[40:44]:
        stream.step(row)
    copies = copy.copy(stream), copy.deepcopy(stream)
    expected = [(stream.step(row), stream.alarm) for row in values[44:56]]
    for other in copies:
        found = [(other.step(row), other.alarm) for row in values[44:56]]
        assert found == expected
    with pytest.raises(TypeError, match="A stream cannot be pickled"):
        pickle.dumps(stream)


@pytest.mark.parametrize("ngram_order", [None, 2])
@pytest.mark.parametrize("token", ["a", ["a", "b"]])
def test_copies_of_a_stream_of_texts(token, ngram_order):
    model = LanguageModel(**SMALL, ngram_order=ngram_order).fit(["ab", "ba", "aab"])
    stream = model.stream(np.size(token))
    stream.step(token)
    copies = copy.copy(stream), copy.deepcopy(stream)
    expected = [stream.step(token) for _ in range(3)]
    for other in copies:
        found = [other.step(token) for _ in range(3)]
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(TypeError, match="A stream cannot be pickled"):
        pickle.dumps(stream)


def test_states_of_other_streams_of_outliers():
    values = np.random.RandomState(0).randn(60, 2)
    forecaster = SequenceForecaster(window=3, **SMALL)
    detector = SeriesOutlierDetector(forecaster=forecaster, warm_up=20, random_state=0)
    stream = detector.fit(values[:40]).stream()
    stream.step(values[40])
    before = stream.state
    of_one = clone(detector).fit(values[:40, :1]).stream().state
    other = {**before, "memory": of_one["memory"]}
    learning = detector.stream(learn=True).state
    for state in (None, {}, 3, {"alarm": True}, of_one, other, learning):
        with pytest.raises(ValueError, match="A state is a dict|is not of|One of the"):
            stream.state = state
        twin = detector.stream()
        twin.state = before
        assert copy.copy(stream).step(values[41]) == twin.step(values[41])


@pytest.mark.parametrize("token", [None, {"a": 1}, {1}, [1], 1.5, np.nan, "1", 1j])
def test_steps_that_are_no_ids(token):
    stream = LanguageModel(**SMALL).fit([[1, 2], [2, 1]]).stream()
    before = stream.log_proba()
    with pytest.raises(ValueError, match="tokens in fit were numbers"):
        stream.step([token])
    np.testing.assert_array_equal(stream.log_proba(), before)
    stream.step(np.int64(2))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LanguageModel(), "A stream of LanguageModel has no method to choose"),
        (SequenceForecaster(), "SequenceForecaster has no stream"),
        (RNNClassifier, "has no stream. Pass a fitted RNNClassifier"),
    ],
)
def test_what_has_no_stream(model, message):
    with pytest.raises(TypeError, match=message):
        skrnn.stream(model)


# Interrupts ----------------------------------------------------------------------


class Interrupted(Adam):
    """A solver of a user who presses Ctrl-C during the third update, and no more."""

    n_left = 2

    def step(self, *args, **kwargs):
        type(self).n_left -= 1
        if type(self).n_left == -1:
            raise KeyboardInterrupt
        return super().step(*args, **kwargs)


@pytest.fixture
def third_update(monkeypatch):
    monkeypatch.setitem(SOLVERS, "adam", Interrupted)

    def again():
        monkeypatch.setattr(Interrupted, "n_left", 2)

    again()
    return again


def test_one_interrupt_ends_all_fits_of_a_detector(third_update):
    values = np.random.RandomState(0).randn(32)
    forecaster = SequenceForecaster(window=3, **SMALL | {"max_iter": 3})
    with pytest.warns(UserWarning, match="interrupted by user"):
        clone(forecaster).fit(values)  # the user's own call keeps a model
    third_update()
    detector = SeriesOutlierDetector(forecaster=forecaster, warm_up=20)
    with pytest.raises(KeyboardInterrupt):
        detector.fit(values)
    assert not hasattr(detector, "offset_")
    stream = detector.fit(values).set_params(refit=2).stream(learn=True)
    stream.step(values[0]), stream.step(values[1])
    third_update()
    with pytest.raises(KeyboardInterrupt):
        stream.step(values[2])
    stream.step(values[2])


def test_one_interrupt_ends_all_fits_of_a_backtest(third_update):
    values = np.random.RandomState(0).randn(60)
    Interrupted.n_left = -1
    forecaster = SequenceForecaster(window=3, **SMALL | {"max_iter": 9}).fit(values)
    third_update()
    with pytest.raises(KeyboardInterrupt):
        forecaster.backtest(values, start=58, refit=True)


# Displays ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    pytest.importorskip("matplotlib")
    tagger = SequenceTagger(**SMALL).fit(X, LABELS)
    translator = SequenceTranslator(**SMALL).fit(["ab", "b", "a"], ["ba", "b", "a"])
    options = SMALL | {"segment_length": 1}
    transcriber = SequenceTranscriber(**options).fit(X, ["a", "b", "ab"])
    return {
        "tagger": (TaggingDisplay, tagger, X),
        "translator": (AttentionDisplay, translator, ["ab", "b", "a"]),
        "transcriber": (TranscriptDisplay, transcriber, X),
    }


@pytest.mark.parametrize("name", ["tagger", "translator", "transcriber"])
def test_which_sequence_is_drawn(name, drawn):
    from matplotlib import pyplot

    display, model, sequences = drawn[name]
    for number in (3, -4, 1.0, "a", None):
        with pytest.raises(ValueError, match="number=.* does not exist: there are 3"):
            display.from_estimator(model, sequences, number=number)
    targets = LABELS if name == "tagger" else ["a", "b", "a"]
    with pytest.raises(ValueError, match="y has 1 targets, and X has 3"):
        display.from_estimator(model, sequences, targets[:1], number=1)
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(sequences, index=[7, 8, 9])
    rows = pandas.Series(targets, index=[7, 8, 9])
    assert display.from_estimator(model, column, rows, number=-1).figure_
    pyplot.close("all")


@pytest.mark.parametrize("name", ["tagger", "translator", "transcriber"])
@pytest.mark.parametrize("other", [None, "a regressor"])
def test_what_displays_draw(name, other, drawn):
    display, _, sequences = drawn[name]
    if other is not None:
        other = StepRegressor(**SMALL).fit(X, NUMBERS)
    with pytest.raises(TypeError, match="draws a Sequence.*, got "):
        display.from_estimator(other, sequences)


@pytest.mark.parametrize("name", ["tagger", "translator", "transcriber"])
def test_axes_of_displays(name, drawn):
    from matplotlib import pyplot

    display, model, sequences = drawn[name]
    figure = pyplot.figure()
    polar = figure.add_subplot(projection="polar")
    for ax in ("x", figure, polar, np.array([polar, polar]), [polar] * 3):
        with pytest.raises((TypeError, ValueError), match="ax must be one"):
            display.from_estimator(model, sequences, ax=ax)
    pyplot.close("all")


def test_numbers_of_displays():
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="proba must have a row for each of 2 steps"):
        TaggingDisplay.from_predictions(
            ["a", "b"], proba=[0.5, 0.5], classes=["a", "b"]
        )
    with pytest.raises(ValueError, match="importances must be an array"):
        ImportanceDisplay([1.0, 2.0]).plot()
    with pytest.raises(ValueError, match="y_pred must have the shape"):
        ForecastDisplay.from_predictions(None, 3.0)
    for rate in (0, 1, -1, np.nan, "a"):
        with pytest.raises(ValueError, match="false_alarm_rate must be a number"):
            OutlierDisplay.from_predictions([1.0], [-1.0], false_alarm_rate=rate)
    with pytest.raises(ValueError, match="X must be a series of shape"):
        OutlierDisplay.from_predictions([], [])
    with pytest.raises(TypeError, match="draws a SeriesOutlierDetector, got NoneType"):
        OutlierDisplay.from_estimator(None, [1.0])
