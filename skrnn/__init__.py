"""Recurrent neural networks as scikit-learn estimators."""

__version__ = "0.1.0.dev0"

from skrnn._show_versions import show_versions
from skrnn.estimators import RNNClassifier, RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor", "__version__", "show_versions"]
