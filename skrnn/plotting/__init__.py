"""Pictures of what estimators say; matplotlib is imported when one is drawn."""

from skrnn.plotting._attention import AttentionDisplay
from skrnn.plotting._forecast import ForecastDisplay
from skrnn.plotting._importance import ImportanceDisplay
from skrnn.plotting._outliers import OutlierDisplay
from skrnn.plotting._tagging import TaggingDisplay
from skrnn.plotting._transcript import TranscriptDisplay

__all__ = [
    "AttentionDisplay",
    "ForecastDisplay",
    "ImportanceDisplay",
    "OutlierDisplay",
    "TaggingDisplay",
    "TranscriptDisplay",
]
