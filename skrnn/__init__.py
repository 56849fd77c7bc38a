"""Recurrent neural networks as scikit-learn estimators."""

from importlib.util import find_spec

if find_spec("skrnn._recurrence") is None:
    raise ImportError(
        "This folder holds the sources of skrnn, which are not compiled. If skrnn is "
        "installed, start Python in another folder or as `python -P`; or compile the "
        "sources in place with `pip install -e .`"
    )

__version__ = "0.1.0.dev0"

from skrnn._show_versions import show_versions
from skrnn.estimators import RNNClassifier, RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor", "__version__", "show_versions"]
