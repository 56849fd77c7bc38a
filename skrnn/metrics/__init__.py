"""Metrics of answers that are sequences: tags, texts, and a label for each step."""

from skrnn.metrics._chunks import (
    chunk_f1_score,
    chunk_precision_score,
    chunk_recall_score,
    chunk_report,
)
from skrnn.metrics._edits import (
    edit_distance,
    label_error_rate,
    sequence_accuracy,
    sequence_accuracy_score,
)
from skrnn.metrics._steps import step_scorer
from skrnn.metrics._translation import bleu_score, chrf_score

__all__ = [
    "bleu_score",
    "chrf_score",
    "chunk_f1_score",
    "chunk_precision_score",
    "chunk_recall_score",
    "chunk_report",
    "edit_distance",
    "label_error_rate",
    "sequence_accuracy",
    "sequence_accuracy_score",
    "step_scorer",
]
