"""Training: epochs, batches, stopping, and recovery from errors."""

from skrnn.training.data import Data, LabelData, SequenceData, StepData
from skrnn.training.history import History
from skrnn.training.loops import Updates
from skrnn.training.options import Hooks, TrainingOptions
from skrnn.training.trainer import Trainer

__all__ = [
    "Data",
    "History",
    "Hooks",
    "LabelData",
    "SequenceData",
    "StepData",
    "Trainer",
    "TrainingOptions",
    "Updates",
]
