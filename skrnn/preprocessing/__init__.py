"""Transformers of sequences."""

from skrnn.preprocessing._columns import SequenceColumns
from skrnn.preprocessing._scaler import SequenceScaler
from skrnn.preprocessing._vectorizer import SequenceVectorizer

__all__ = ["SequenceColumns", "SequenceScaler", "SequenceVectorizer"]
