"""Targets: what `y` means, how a loss wants it, and the way back from outputs."""

from skrnn.targets.base import Target
from skrnn.targets.classes import ClassTarget
from skrnn.targets.label_sequences import LabelSequenceTarget
from skrnn.targets.numbers import NumberTarget
from skrnn.targets.steps import StepClassTarget, StepNumberTarget

__all__ = [
    "ClassTarget",
    "LabelSequenceTarget",
    "NumberTarget",
    "StepClassTarget",
    "StepNumberTarget",
    "Target",
]
