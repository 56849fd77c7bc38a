"""The scikit-learn face of the networks."""

from skrnn.estimators._classifier import RNNClassifier
from skrnn.estimators._forecaster import SequenceForecaster
from skrnn.estimators._regressor import RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor", "SequenceForecaster"]
