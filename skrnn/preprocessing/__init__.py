"""Transformers of sequences."""

from skrnn.preprocessing._columns import SequenceColumns
from skrnn.preprocessing._convolutions import (
    ConvolutionFeatures,
    ConvolutionStream,
    RandomConvolutions,
)
from skrnn.preprocessing._mel import LogMel, LogMelStream
from skrnn.preprocessing._scaler import SequenceScaler
from skrnn.preprocessing._union import SequenceUnion, make_sequence_union
from skrnn.preprocessing._vectorizer import SequenceVectorizer

__all__ = [
    "ConvolutionFeatures",
    "ConvolutionStream",
    "LogMel",
    "LogMelStream",
    "RandomConvolutions",
    "SequenceColumns",
    "SequenceScaler",
    "SequenceUnion",
    "SequenceVectorizer",
    "make_sequence_union",
]
