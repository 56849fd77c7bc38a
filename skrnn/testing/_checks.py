"""All checks: functions of a name and an estimator, as scikit-learn's are."""

from skrnn.testing import (  # noqa: F401 - they register their checks
    _checks_fit,
    _checks_forms,
    _checks_neighbours,
    _checks_protocol,
    _checks_targets,
    _checks_tokens,
    _checks_tools,
    _checks_values,
)
from skrnn.testing._registry import SEQUENCE_CHECKS

__all__ = ["SEQUENCE_CHECKS"]
