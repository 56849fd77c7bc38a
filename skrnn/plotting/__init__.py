"""Pictures of what estimators say; matplotlib is imported when one is drawn."""

from skrnn.plotting._forecast import ForecastDisplay
from skrnn.plotting._tagging import TaggingDisplay

__all__ = ["ForecastDisplay", "TaggingDisplay"]
