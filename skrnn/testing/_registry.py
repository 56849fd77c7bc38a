"""The register of all checks."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from skrnn.testing._trial import Trial

# In the order in which they are defined: pairs of a check and of a function of a Trial,
# which says whether the estimator gets it.
SEQUENCE_CHECKS = []


def always(trial):
    return True


def sequence_check(applies=always, name=None, doc=None):
    """Make a function of a `Trial` a check of a name and an estimator."""

    def register(function):
        def check(name, estimator_orig, *, exact=False, min_length=1, methods=()):
            trial = Trial(name, estimator_orig, exact, min_length, methods)
            with warnings.catch_warnings():
                # Nobody expects of the estimators here that they learn much.
                warnings.simplefilter("ignore", ConvergenceWarning)
                function(trial)

        check.__name__ = check.__qualname__ = name or function.__name__
        check.__doc__ = doc or function.__doc__
        SEQUENCE_CHECKS.append((check, applies))
        return check

    return register
