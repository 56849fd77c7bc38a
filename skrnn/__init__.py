"""Recurrent neural networks as scikit-learn estimators."""

from importlib.util import find_spec

if find_spec("skrnn._recurrence") is None:
    raise ImportError(
        "This folder holds the sources of skrnn, which are not compiled. If skrnn is "
        "installed, start Python in another folder or as `python -P`; or compile the "
        "sources in place with `pip install -e .`"
    )

try:
    import _interpreters
except ImportError:  # CPython < 3.13, or another Python
    try:
        import _xxsubinterpreters as _interpreters
    except ImportError:
        _interpreters = None
if _interpreters and _interpreters.get_current() != _interpreters.get_main():
    raise ImportError(
        "skrnn cannot be imported in a subinterpreter: NumPy, SciPy and scikit-learn "
        "do not support them. Use processes, or threads of the main interpreter."
    )

__version__ = "0.1.0"

from skrnn._show_versions import show_versions
from skrnn.estimators import (
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
from skrnn.estimators._streams import stream

__all__ = [
    "LanguageModel",
    "RNNClassifier",
    "RNNRegressor",
    "SequenceForecaster",
    "SequenceTagger",
    "SequenceTranscriber",
    "SequenceTranslator",
    "SeriesOutlierDetector",
    "StepRegressor",
    "__version__",
    "show_versions",
    "stream",
]
