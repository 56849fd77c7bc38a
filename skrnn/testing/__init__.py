"""Checks of estimators that take sequences, for any package.

scikit-learn's ``check_estimator`` hands in tables. These checks ask the same of ragged
lists, and what only sequences can get wrong. What they know of an estimator is what
scikit-learn's protocol says: its methods, parameters and tags.
"""

from skrnn.testing._suite import (
    check_sequence_estimator,
    parametrize_with_sequence_checks,
    sequence_checks_generator,
)

__all__ = [
    "check_sequence_estimator",
    "parametrize_with_sequence_checks",
    "sequence_checks_generator",
]
