"""The scikit-learn face of the networks."""

from skrnn.estimators._classifier import RNNClassifier
from skrnn.estimators._forecaster import SequenceForecaster
from skrnn.estimators._language_model import LanguageModel
from skrnn.estimators._outlier_detector import SeriesOutlierDetector
from skrnn.estimators._regressor import RNNRegressor
from skrnn.estimators._step_regressor import StepRegressor
from skrnn.estimators._tagger import SequenceTagger
from skrnn.estimators._transcriber import SequenceTranscriber
from skrnn.estimators._translator import SequenceTranslator

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
]
