"""Streams of fitted estimators and of pipelines."""

from copy import copy
from inspect import signature
from numbers import Integral

import joblib
import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skrnn.inputs.packed import StepEncoder
from skrnn.models.path_stream import DelayedStream, PathSteps, answering, in_segments
from skrnn.models.stream import (
    Stream,
    choosing,
    fingerprint,
    reading,
    scaling,
    step_network,
)
from skrnn.models.token_steps import TokenReader, reading_tokens
from skrnn.models.transcript_stream import TranscriptStream

# Scalers of scikit-learn that treat each value by itself, by additions, multiplications
# and divisions only. So a value gives the same bits beside any other values.
SCALERS = ("MaxAbsScaler", "MinMaxScaler", "RobustScaler", "StandardScaler")


def stream(model, n_seqs=1, *, method="predict"):
    """Return a stream, which reads sequences one step at a time, through a pipeline.

    For an estimator alone this is the estimator's method `stream`. In a pipeline each
    step goes through the transformers first. The result of a step has the bits of the
    pipeline's `method` on the sequence so far.

    Parameters
    ----------
    model : estimator or Pipeline
        A fitted :class:`RNNClassifier`, :class:`RNNRegressor`, :class:`SequenceTagger`,
        :class:`StepRegressor` or :class:`SequenceTranscriber`, or a fitted
        :class:`~sklearn.pipeline.Pipeline` that ends with one. The steps before it may
        be :class:`~skrnn.preprocessing.SequenceScaler` and scikit-learn's
        ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler`` and ``RobustScaler``.
        Other transformers are refused, since they may need the whole sequence.
    n_seqs : int, default=1
        Number of sequences that are read side by side.
    method : str, default="predict"
        The method whose results a step returns, as for the method `stream` of the
        estimator: "predict", and for a classifier also "predict_proba",
        "predict_log_proba" or "decision_function".

    Returns
    -------
    stream : Stream
        With the methods ``step(x)`` and ``reset(rows=None)`` and the attribute
        ``state``.

    Raises
    ------
    TypeError
        If the estimator has no stream, or a stream without a choice of `method`.
    ValueError
        If the network cannot follow a stream, or a transformer may need whole
        sequences.

    Notes
    -----
    A scaler of scikit-learn in a pipeline that was fitted on an array (n_seqs, n_steps)
    has a mean and a scale for each step of the sequences. Step t of a stream is scaled
    like column t, and a stream cannot have more steps than the array had columns.

    Examples
    --------
    >>> import numpy as np
    >>> import skrnn
    >>> from sklearn.pipeline import make_pipeline
    >>> from skrnn.preprocessing import SequenceScaler
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) + n % 2 for n in rng.integers(5, 20, size=40)]
    >>> y = [len(x) % 2 for x in X]
    >>> model = skrnn.RNNClassifier(standardize=False, random_state=0)
    >>> pipeline = make_pipeline(SequenceScaler(), model).fit(X, y)
    >>> stream = skrnn.stream(pipeline, method="predict_proba")
    >>> for x in X[0]:
    ...     proba = stream.step(x)
    >>> bool((proba == pipeline.predict_proba(X[:1])).all())
    True
    """
    *transformers, estimator = _steps(model) or [model]
    name = type(estimator).__name__
    follow = getattr(estimator, "stream", None)
    if not callable(follow) or isinstance(estimator, type):
        raise TypeError(
            f"{name} has no stream. Pass a fitted RNNClassifier, RNNRegressor, "
            "SequenceTagger, StepRegressor or SequenceTranscriber, or a pipeline that "
            "ends with one."
        )
    if "method" not in signature(follow).parameters:
        raise TypeError(
            f"A stream of {name} has no method to choose. Call its own method `stream`."
        )
    plain = estimator.stream(n_seqs, method=method)
    if not transformers:
        return plain
    by_column = estimator._columns_are_steps
    transforms = [_transform(each, by_column) for each in transformers]
    names = None
    if not by_column:
        found = (getattr(each, "feature_names_in_", None) for each in transformers)
        names = next((each for each in found if each is not None), None)
    return plain.transformed(transforms, names, joblib.hash(transformers)[:16])


def _steps(model):
    """Return the steps of a pipeline; any other model is its own only step."""
    if not isinstance(model, Pipeline):
        return [model]
    steps = [step for _, step in model.steps if step not in (None, "passthrough")]
    return [inner for step in steps for inner in _steps(step)]


def _transform(transformer, by_column):
    """Return the function of a fitted transformer for the rows of a step."""
    # A subclass from outside may do anything, so only the original classes are taken.
    name = type(transformer).__name__
    package = type(transformer).__module__.partition(".")[0]
    own = getattr(transformer, "_transform_steps", None) if package == "skrnn" else None
    if own is None and not (package == "sklearn" and name in SCALERS):
        raise ValueError(
            f"The pipeline cannot follow a stream: {name} may need whole sequences. "
            f"These transformers can: SequenceScaler, {', '.join(SCALERS)}. "
            "Transform the steps yourself, and give them to the stream of the last "
            "estimator, pipeline[-1].stream()."
        )
    check_is_fitted(transformer)
    if own is not None:
        return lambda rows, n_steps: own(rows)
    # The names were compared before. A scaler with names would warn about an array.
    scaler = copy(transformer)
    vars(scaler).pop("feature_names_in_", None)
    scaler.copy = True
    if not by_column:
        return lambda rows, n_steps: scaler.transform(rows)
    return lambda rows, n_steps: _column_of(scaler, rows, n_steps)


def _column_of(scaler, rows, n_steps):
    """Return the rows (n_seqs, 1), scaled like column n_steps of a scaler's columns."""
    n_columns = scaler.n_features_in_
    if n_steps.max() >= n_columns:
        raise ValueError(
            f"{type(scaler).__name__} was fitted on sequences of {n_columns} steps and "
            "has no scale for a later step. Begin a new sequence by reset()."
        )
    with np.errstate(all="ignore"):  # other columns may overflow
        scaled = scaler.transform(np.repeat(rows, n_columns, axis=1))
    return scaled[np.arange(len(rows)), n_steps][:, np.newaxis]


def check_n_seqs(n_seqs):
    """Refuse numbers of sequences that a stream cannot follow."""
    known = isinstance(n_seqs, Integral) and not isinstance(n_seqs, bool | np.bool_)
    if not known or not 1 <= n_seqs < 2**31:
        raise ValueError(
            f"n_seqs must be an int of at least 1 and below 2**31, got {n_seqs!r}."
        )


def make_stream(estimator, n_seqs, method, output=None, path_reader=None):
    """Return a stream of a fitted estimator; see the estimators' method `stream`.

    `output` is a maker of an output function, for a `method` that targets have not.
    With a `PathReader` it answers by whole paths.
    """
    check_n_seqs(n_seqs)
    model = estimator._model
    outputs = model.target.outputs()
    if method not in outputs and output is None:
        raise ValueError(
            f"method must be one of {sorted(outputs)} for "
            f"{type(estimator).__name__}, got {method!r}."
        )
    if model.spec.can_step is not True:
        raise ValueError(model.spec.can_step)
    if getattr(model, "rocket", None) is not None:
        raise ValueError(
            "The linear model of rocket=True reads whole sequences. Fit with "
            "rocket=False to follow a stream."
        )
    network, encoder = model.network(), model.encoder
    # The columns of a 2-D X are steps, so their names are not names of features.
    names = None
    if not estimator._columns_are_steps:
        names = getattr(estimator, "feature_names_in_", None)
    n_seqs, categories = int(n_seqs), model.categories
    if path_reader is not None:
        output = answering
    elif model.in_segments:
        output = in_segments(model.segment_length, outputs[method])
    output = output or _output_maker(model.target, n_seqs, method)
    convolutions = model.convolutions
    mark = fingerprint(model.theta, network, encoder, categories, convolutions)
    if categories is not None:
        # The layers read the rows that the input makes of numbers and tokens.
        reader = TokenReader(network, encoder, categories, n_seqs, names)
        output, names = reading_tokens(reader, output), None
        encoder = StepEncoder(reader.n_out)
    steps = step_network(network, encoder, n_seqs, names, convolutions)
    if path_reader is None:
        return Stream(steps, output, mark)
    steps = PathSteps(steps, path_reader, model.segment_length)
    kind = DelayedStream if path_reader.lookahead else Stream
    return kind(steps, output, f"{mark} {path_reader.mark}")


def _output_maker(target, n_seqs, method):
    choices = target.choices(method) if n_seqs == 1 else None
    if choices is not None:
        # One sequence: a look-up of the result is faster than argmax of an array.
        return choosing(choices)
    affine = target.affine(method)
    if affine is not None:
        scale, mean, shape = affine
        return scaling(scale, mean, (n_seqs, *shape))
    return reading(target.outputs()[method])


def make_transcript_stream(estimator, n_seqs, method):
    """Return a stream of a fitted `SequenceTranscriber`; see its method `stream`."""
    model = estimator._model
    if model.structure["standardize"] == "sequence":
        raise ValueError(
            "With standardize='sequence' the mean of a sequence is known when it "
            "has ended, so it cannot follow a stream. Fit with standardize='steps'."
        )
    if method != "predict":
        return make_stream(estimator, n_seqs, method)
    if estimator.beam_width > 1:
        raise ValueError(
            "A stream tells each label when it is certain, and a prefix search with "
            f"beam_width={estimator.beam_width} may take it back. Set beam_width=1."
        )
    if model.target.form == "label":
        raise ValueError(
            "Each sequence has exactly one label in `y`, and the best one is known "
            "when the sequence has ended. Fit with lists of one label in `y`."
        )
    best = reading(lambda raw: raw.argmax(axis=1))
    if n_seqs == 1:
        best = choosing(list(range(1 + len(model.target.labels))))
    symbols = make_stream(estimator, n_seqs, method, best)
    return TranscriptStream(symbols, model.segment_length, model.target)
