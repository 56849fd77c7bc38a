"""Training: epochs, batches, when to stop, and what to do when it goes wrong."""

from skrnn.training.data import Data, SequenceData
from skrnn.training.history import History
from skrnn.training.options import Hooks, TrainingOptions
from skrnn.training.trainer import Trainer

__all__ = [
    "Data",
    "History",
    "Hooks",
    "SequenceData",
    "Trainer",
    "TrainingOptions",
]
