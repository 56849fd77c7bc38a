"""Which checks an estimator gets, and running them."""

import functools
import re
import unittest
import warnings
from fnmatch import fnmatchcase

from sklearn import config_context
from sklearn.exceptions import EstimatorCheckFailedWarning, SkipTestWarning
from sklearn.utils import estimator_checks

from skrnn.testing._checks import SEQUENCE_CHECKS
from skrnn.testing._trial import Trial

# scikit-learn's own checks that hand in no data.
SKLEARN_CHECKS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_mixin_order,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
]


def sequence_checks_generator(
    estimator,
    *,
    exact=False,
    min_length=1,
    methods=(),
    expected_failed_checks=None,
    mark=None,
    xfail_strict=None,
):
    """Yield the checks that an estimator of sequences gets.

    What scikit-learn's
    :func:`~sklearn.utils.estimator_checks.estimator_checks_generator` is for tables.
    Which checks an estimator gets follows from its methods, parameters and tags.

    Parameters
    ----------
    estimator : estimator object
        The estimator. It is cloned, never fitted itself.
    exact : bool, default=False
        Whether results that must be the same, such as those for one sequence alone and
        among others, have to be equal, and not only to the rounding of float32.
    min_length : int, default=1
        Steps of the shortest sequences, for an estimator that needs more than one.
    methods : sequence of str, default=()
        Names of further methods that take `X` and return an item for each sequence.
    expected_failed_checks : dict of str to str, default=None
        Reasons by the names of checks that are expected to fail. A name may be a
        pattern such as ``"check_form_polars*"``.
    mark : {'xfail', 'skip'} or None, default=None
        Whether the checks that are expected to fail come marked with
        ``pytest.mark.xfail``, or as functions that raise
        :class:`unittest.SkipTest`.
    xfail_strict : bool, default=None
        Whether such a check fails when it passes; None for what pytest is configured
        to do.

    Yields
    ------
    estimator : estimator object
        The estimator.
    check : functools.partial
        A check, to be called with the estimator.

    See Also
    --------
    check_sequence_estimator : Run the checks.
    parametrize_with_sequence_checks : Make each a test of pytest.

    Examples
    --------
    >>> from skrnn import RNNRegressor
    >>> from skrnn.testing import sequence_checks_generator
    >>> checks = sequence_checks_generator(RNNRegressor())
    >>> estimator, check = next(checks)
    >>> check(estimator)
    """
    if isinstance(estimator, type):
        raise TypeError(f"Pass an instance: {estimator.__name__}(), not the class.")
    if mark not in ("xfail", "skip", None):
        raise ValueError(f"mark must be 'xfail', 'skip' or None, got {mark!r}.")
    expected_failed_checks = expected_failed_checks or {}
    _refuse_unknown_names(expected_failed_checks)
    name = type(estimator).__name__
    options = {"exact": exact, "min_length": min_length, "methods": tuple(methods)}
    checks = [functools.partial(check, name) for check in SKLEARN_CHECKS]
    trial = Trial(name, estimator, **options)
    for check, applies in SEQUENCE_CHECKS:
        if applies(trial):
            checks.append(functools.partial(check, name, **options))
    for check in checks:
        reason = _expected_failure(check, expected_failed_checks)
        if reason is None or mark is None:
            yield estimator, check
        elif mark == "xfail":
            import pytest

            strict = {} if xfail_strict is None else {"strict": xfail_strict}
            marks = pytest.mark.xfail(reason=reason, **strict)
            yield pytest.param(estimator, check, marks=marks)
        else:
            yield estimator, _skipping(check, reason)


def parametrize_with_sequence_checks(
    estimators,
    *,
    exact=False,
    min_length=1,
    methods=(),
    expected_failed_checks=None,
    xfail_strict=None,
):
    """Parametrise a test of pytest with the checks of estimators of sequences.

    What scikit-learn's
    :func:`~sklearn.utils.estimator_checks.parametrize_with_checks` is for tables. The
    id of a test is the estimator and the name of the check.

    Parameters
    ----------
    estimators : list of estimator objects
        The estimators.
    exact : bool, default=False
        Whether results that must be the same, such as those for one sequence alone and
        among others, have to be equal, and not only to the rounding of float32.
    min_length : int, default=1
        Steps of the shortest sequences, for estimators that need more than one.
    methods : sequence of str, default=()
        Names of further methods that take `X` and return an item for each sequence.
        An estimator need not have them.
    expected_failed_checks : callable, default=None
        Takes an estimator and returns a dict with reasons by the names of the checks
        that are expected to fail; these are marked ``xfail``. A name may be a pattern
        such as ``"check_form_polars*"``.
    xfail_strict : bool, default=None
        Whether such a check fails when it passes; None for what pytest is configured
        to do.

    Returns
    -------
    decorator : pytest.mark.parametrize
        For a test with the arguments `estimator` and `check`.

    See Also
    --------
    check_sequence_estimator : Run the checks, without pytest.

    Examples
    --------
    >>> from skrnn import RNNClassifier, RNNRegressor
    >>> from skrnn.testing import parametrize_with_sequence_checks
    >>> @parametrize_with_sequence_checks([RNNClassifier(4), RNNRegressor(4)])
    ... def test_sequence_estimator(estimator, check):
    ...     check(estimator)
    """
    import pytest

    pairs, estimators = [], list(estimators)
    for estimator in estimators:
        expected = None
        if expected_failed_checks is not None:
            expected = expected_failed_checks(estimator)
        pairs += sequence_checks_generator(
            estimator,
            exact=exact,
            min_length=min_length,
            methods=methods,
            expected_failed_checks=expected,
            mark="xfail",
            xfail_strict=xfail_strict,
        )
    # Each estimator stands in hundreds of pairs, and takes a millisecond to be shown.
    shown = {id(estimator): _shown(estimator) for estimator in estimators}

    def make_id(item):
        return shown[id(item)] if id(item) in shown else _name_of(item)

    return pytest.mark.parametrize("estimator, check", pairs, ids=make_id)


def check_sequence_estimator(
    estimator,
    *,
    exact=False,
    min_length=1,
    methods=(),
    expected_failed_checks=None,
    on_skip="warn",
    on_fail="raise",
    callback=None,
):
    """Check that an estimator treats sequences as scikit-learn's treat tables.

    What scikit-learn's :func:`~sklearn.utils.estimator_checks.check_estimator` is for
    tables: all forms of sequences mean the same, no sequence depends on the others, bad
    data are refused and change nothing, and scikit-learn's tools take ragged lists.
    Which checks an estimator gets follows from its methods, parameters and tags.

    Parameters
    ----------
    estimator : estimator object
        The estimator. It is cloned, never fitted itself; one that fits in some
        milliseconds is checked in seconds.
    exact : bool, default=False
        Whether results that must be the same, such as those for one sequence alone and
        among others, have to be equal, and not only to the rounding of float32.
    min_length : int, default=1
        Steps of the shortest sequences, for an estimator that needs more than one.
    methods : sequence of str, default=()
        Names of further methods that take `X` and return an item for each sequence.
    expected_failed_checks : dict of str to str, default=None
        Reasons by the names of checks that are expected to fail. A name may be a
        pattern such as ``"check_form_polars*"``.
    on_skip : {'warn'} or None, default='warn'
        Whether a check that cannot run, for want of a package for example, gives a
        :class:`~sklearn.exceptions.SkipTestWarning`.
    on_fail : {'raise', 'warn'} or None, default='raise'
        Whether the first unexpected failure is raised, or all give an
        :class:`~sklearn.exceptions.EstimatorCheckFailedWarning`, or nothing.
    callback : callable, default=None
        Called with the items of each result as keyword arguments. Not together with
        ``on_fail='raise'``.

    Returns
    -------
    results : list of dict
        For each check: ``"estimator"``, ``"check_name"``, ``"exception"`` (or None),
        ``"status"`` ("passed", "failed", "xfail" or "skipped"),
        ``"expected_to_fail"`` and ``"expected_to_fail_reason"``.

    See Also
    --------
    parametrize_with_sequence_checks : Make each check a test of pytest.
    sequence_checks_generator : Get the checks.

    Examples
    --------
    >>> from skrnn import RNNRegressor
    >>> from skrnn.testing import check_sequence_estimator
    >>> results = check_sequence_estimator(RNNRegressor(4, max_iter=2), on_skip=None)
    >>> {result["status"] for result in results} <= {"passed", "skipped"}
    True
    """
    if on_skip not in ("warn", None):
        raise ValueError(f"on_skip must be 'warn' or None, got {on_skip!r}.")
    if on_fail not in ("raise", "warn", None):
        raise ValueError(f"on_fail must be 'raise', 'warn' or None, got {on_fail!r}.")
    if on_fail == "raise" and callback is not None:
        raise ValueError("callback cannot be provided together with on_fail='raise'.")
    results = []
    for _, check in sequence_checks_generator(
        estimator,
        exact=exact,
        min_length=min_length,
        methods=methods,
        expected_failed_checks=expected_failed_checks,
    ):
        reason = _expected_failure(check, expected_failed_checks or {})
        result = {
            "estimator": estimator,
            "check_name": _name_of(check),
            "exception": None,
            "status": "passed",
            "expected_to_fail": reason is not None,
            "expected_to_fail_reason": reason or "Check is not expected to fail",
        }
        try:
            check(estimator)
        except unittest.SkipTest as error:
            result.update(exception=error, status="skipped")
            if on_skip == "warn":
                warnings.warn(
                    f"Skipping check {_name_of(check)} for "
                    f"{type(estimator).__name__} because it raised "
                    f"{type(error).__name__}: {error}",
                    SkipTestWarning,
                    stacklevel=2,
                )
        except Exception as error:
            if on_fail == "raise" and reason is None:
                raise
            status = "failed" if reason is None else "xfail"
            result.update(exception=error, status=status)
            if on_fail == "warn":
                warnings.warn(EstimatorCheckFailedWarning(**result), stacklevel=2)
        results.append(result)
        if callback is not None:
            callback(**result)
    return results


def _name_of(check):
    return check.func.__name__ if hasattr(check, "func") else check.__name__


def _shown(estimator):
    """What pytest calls an estimator."""
    with config_context(print_changed_only=True):
        return re.sub(r"\s", "", str(estimator))


def _expected_failure(check, expected_failed_checks):
    """The reason why a check is expected to fail, or None."""
    name = _name_of(check)
    for pattern, reason in expected_failed_checks.items():
        if fnmatchcase(name, pattern):
            return reason
    return None


def _refuse_unknown_names(expected_failed_checks):
    checks = [*SKLEARN_CHECKS, *(check for check, _ in SEQUENCE_CHECKS)]
    names = [_name_of(check) for check in checks]
    unknown = [
        pattern
        for pattern in expected_failed_checks
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    if unknown:
        raise ValueError(f"expected_failed_checks has no check of this name: {unknown}")


def _skipping(check, reason):
    def skip(estimator):
        name = type(estimator).__name__
        raise unittest.SkipTest(f"Skipping {_name_of(check)} for {name}: {reason}")

    skip.__name__ = _name_of(check)
    return skip
