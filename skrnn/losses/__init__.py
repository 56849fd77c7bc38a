"""Losses of raw outputs: their values, gradients and probabilities.

All arithmetic is in double; a probability depends on its own row and on nothing else.
"""

from skrnn.losses.base import Loss
from skrnn.losses.classes import (
    LogLoss,
    MultilabelLogLoss,
    SmoothedTokenLoss,
    TokenLogLoss,
)
from skrnn.losses.forecasts import (
    FORECAST_LOSSES,
    ForecastAbsoluteError,
    ForecastQuantileLoss,
    ForecastSquaredError,
    make_forecast_loss,
)
from skrnn.losses.numbers import (
    SquaredError,
    StepAbsoluteError,
    StepSquaredError,
)
from skrnn.losses.paths import CRFLoss, CTCLoss

__all__ = [
    "FORECAST_LOSSES",
    "CRFLoss",
    "CTCLoss",
    "ForecastAbsoluteError",
    "ForecastQuantileLoss",
    "ForecastSquaredError",
    "LogLoss",
    "Loss",
    "MultilabelLogLoss",
    "SquaredError",
    "StepAbsoluteError",
    "StepSquaredError",
    "SmoothedTokenLoss",
    "TokenLogLoss",
    "make_forecast_loss",
]
