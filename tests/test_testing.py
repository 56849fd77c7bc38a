"""The checks of sequence estimators pass what is right, and each catches what is wrong.

The estimators here are no part of skrnn. Each wrong one differs from a right one in one
respect.
"""

import fnmatch
import importlib
import pickle
import re
import sys
import unittest
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.exceptions import EstimatorCheckFailedWarning, SkipTestWarning
from sklearn.utils.validation import (
    check_is_fitted,
)

from sequence_toys import (
    Classifier,
    Forecaster,
    Labels,
    Regressor,
    Scaler,
    TokenClassifier,
)
from skrnn.inputs.sequences import check_sequences
from skrnn.testing import (
    check_sequence_estimator,
    parametrize_with_sequence_checks,
    sequence_checks_generator,
)
from skrnn.testing._checks import SEQUENCE_CHECKS
from wrong_estimators import (
    WRONG,
    Disagrees,
    HoldsAFunction,
    IsRandom,
    TakesDifferences,
)

OURS = [check.__name__ for check, _ in SEQUENCE_CHECKS]


RIGHT = [
    Classifier(),
    Labels(),
    Regressor(),
    Scaler(),
    Forecaster(),
    TokenClassifier(),
]


def statuses(estimator, **options):
    """What became of each check, by its name."""
    results = check_sequence_estimator(estimator, on_fail=None, on_skip=None, **options)
    return {result["check_name"]: result["status"] for result in results}


@pytest.mark.parametrize("estimator", RIGHT, ids=str)
def test_right_estimators_pass(estimator):
    results = check_sequence_estimator(estimator)
    assert {result["status"] for result in results} == {"passed"}
    assert not [name for name in vars(estimator) if name.endswith("_")]


# Wrong ---------------------------------------------------------------------------

# A check says what is wrong, or the estimator does, when it refuses what it should not.
FAILURES = (AssertionError, TypeError, ValueError, AttributeError, pickle.PicklingError)


def selected(estimator, *patterns):
    """Those of the estimator's checks that are ours and whose names match."""
    for _, check in sequence_checks_generator(estimator):
        name = check.func.__name__
        if name in OURS and any(fnmatch.fnmatch(name, p) for p in patterns):
            yield name, check


@pytest.mark.parametrize(
    "estimator, patterns",
    WRONG,
    ids=[type(estimator).__name__ for estimator, _ in WRONG],
)
def test_wrong_estimators_are_caught(estimator, patterns):
    for pattern in patterns:
        checks = list(selected(estimator, pattern))
        assert checks
        for _, check in checks:
            with pytest.raises(FAILURES) as failure:
                check(estimator)
            assert str(failure.value)


def test_every_check_catches_something():
    caught = set()
    for estimator, patterns in WRONG:
        caught |= {name for name, _ in selected(estimator, *patterns)}
    assert caught == set(OURS)


# What the functions do -----------------------------------------------------------


def names_for(estimator, **options):
    checks = sequence_checks_generator(estimator, **options)
    return [check.func.__name__ for _, check in checks]


def run_one(estimator, name, **options):
    for _, check in sequence_checks_generator(estimator, **options):
        if check.func.__name__ == name:
            check(estimator)


def test_checks_are_selected_by_kind():
    names = {type(e).__name__: set(names_for(e)) for e in RIGHT}
    assert "check_classifier_output" in names["Classifier"]
    assert "check_multi_label" in names["Labels"] - names["Classifier"]
    assert "check_regressor_output" in names["Regressor"] - names["Classifier"]
    assert "check_missing_values" in names["Scaler"] - names["Regressor"]
    assert "check_error_nan" in names["Regressor"] - names["Scaler"]
    assert "check_fit_transform" in names["Scaler"] - names["Regressor"]
    assert "check_partial_fit" in names["Regressor"] - names["Forecaster"]
    for name in ("check_sample_weight_zero", "check_target_forms"):
        assert name in names["Regressor"] - names["Forecaster"] - names["Scaler"]
    assert set().union(*names.values()).issuperset(OURS)


class WantsPositive(Regressor):
    def summarize(self, arrays):
        assert min(x.min() for x in arrays) >= 0
        return super().summarize(arrays)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.positive_only = True
        return tags


def test_checks_are_selected_by_tags():
    names = names_for(WantsPositive())
    assert len(names) == len(set(names))
    assert not [n for n in names if n in OURS and ("error" in n or n.endswith("_2d"))]
    assert "check_unfitted" not in names
    check_sequence_estimator(WantsPositive())


class AdmitsChance(IsRandom):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def test_chance_is_allowed_if_the_tags_say_so():
    names = names_for(AdmitsChance())
    ends = ("invariance", "idempotent")
    assert not [n for n in names if n in OURS and n.endswith(ends)]
    check_sequence_estimator(AdmitsChance())


def test_shortest_sequences():
    assert "check_length_one" in names_for(TakesDifferences())
    assert "check_length_one" not in names_for(TakesDifferences(), min_length=2)
    check_sequence_estimator(TakesDifferences(), min_length=2)


class RoundsByTheBatch(Regressor):
    def summarize(self, arrays):
        return super().summarize(arrays) * (1 + 1e-9 * len(arrays))


def test_exact():
    run_one(RoundsByTheBatch(), "check_one_by_one_invariance")
    with pytest.raises(AssertionError, match="one by one"):
        run_one(RoundsByTheBatch(), "check_one_by_one_invariance", exact=True)
    run_one(RoundsByTheBatch(), "check_methods_repeat", exact=True)


class Explains(Regressor):
    def explain(self, X):
        check_is_fitted(self)
        return [np.cumsum(x, axis=0) * len(X) for x in check_sequences(X)]


def test_further_methods():
    run_one(Explains(), "check_subset_invariance")
    run_one(Explains(), "check_order_invariance", methods=["explain", "unknown"])
    with pytest.raises(AssertionError, match="Explains.explain depends on what"):
        run_one(Explains(), "check_subset_invariance", methods=["explain", "unknown"])


def test_the_first_failure_is_raised():
    with pytest.raises(AssertionError, match="Disagrees.predict and predict_proba dis"):
        check_sequence_estimator(Disagrees())


def test_results_and_warnings_of_failures():
    seen = []
    with pytest.warns(EstimatorCheckFailedWarning, match="check_classifier_output"):
        results = check_sequence_estimator(
            Disagrees(), on_fail="warn", callback=lambda **result: seen.append(result)
        )
    assert seen == results
    failed = [result for result in results if result["status"] != "passed"]
    assert [result["check_name"] for result in failed] == ["check_classifier_output"]
    assert failed[0]["status"] == "failed"
    assert isinstance(failed[0]["exception"], AssertionError)
    assert not failed[0]["expected_to_fail"]


def test_expected_failures():
    expected = {"check_classifier_*": "its classes are the other way round"}
    results = check_sequence_estimator(Disagrees(), expected_failed_checks=expected)
    failed = [result for result in results if result["status"] != "passed"]
    assert [result["status"] for result in failed] == ["xfail"]
    assert failed[0]["expected_to_fail_reason"] == expected["check_classifier_*"]
    with pytest.raises(ValueError, match="no check of this name: .'check_clasifier'"):
        check_sequence_estimator(
            Disagrees(), expected_failed_checks={"check_clasifier": "a typo"}
        )
    # What concerns others than this estimator may be named.
    check_sequence_estimator(
        Regressor(), expected_failed_checks={"check_multi_label": "none"}
    )


def test_marks():
    expected = {"check_classifier_output": "for this reason"}
    checks = list(
        sequence_checks_generator(
            Disagrees(), expected_failed_checks=expected, mark="xfail"
        )
    )
    params = [
        check for check in checks if not isinstance(check, tuple) or len(check) > 2
    ]
    assert len(params) == 1
    assert params[0].marks[0].kwargs == {"reason": "for this reason"}
    strict = sequence_checks_generator(
        Disagrees(), expected_failed_checks=expected, mark="xfail", xfail_strict=True
    )
    marks = [item.marks for item in strict if hasattr(item, "marks")]
    assert marks[0][0].kwargs == {"reason": "for this reason", "strict": True}
    skipped = sequence_checks_generator(
        Disagrees(), expected_failed_checks=expected, mark="skip"
    )
    functions = [check for _, check in skipped if not hasattr(check, "func")]
    assert [check.__name__ for check in functions] == ["check_classifier_output"]
    with pytest.raises(unittest.SkipTest, match="for this reason"):
        functions[0](Disagrees())


def test_parametrize():
    decorator = parametrize_with_sequence_checks(
        [Disagrees(penalty=2.0), Scaler()],
        expected_failed_checks=lambda estimator: (
            {"check_classifier_output": "a reason"}
            if isinstance(estimator, Disagrees)
            else {}
        ),
    )
    names, pairs = decorator.args
    assert names == "estimator, check"
    assert len(pairs) == len(names_for(Disagrees())) + len(names_for(Scaler()))
    assert sum(hasattr(pair, "marks") for pair in pairs) == 1
    make_id = decorator.kwargs["ids"]
    estimator, check = pairs[-1]
    assert (make_id(estimator), make_id(check)) == (
        "Scaler()",
        names_for(Scaler())[-1],
    )
    assert make_id(pairs[0][0]) == "Disagrees(penalty=2.0)"


def test_arguments_are_checked():
    with pytest.raises(TypeError, match=r"Pass an instance: Regressor\(\)"):
        check_sequence_estimator(Regressor)
    with pytest.raises(TypeError, match=r"Pass an instance: Regressor\(\)"):
        parametrize_with_sequence_checks([Regressor])
    with pytest.raises(ValueError, match="on_skip must be"):
        check_sequence_estimator(Regressor(), on_skip="raise")
    with pytest.raises(ValueError, match="on_fail must be"):
        check_sequence_estimator(Regressor(), on_fail="stop")
    with pytest.raises(ValueError, match="mark must be"):
        list(sequence_checks_generator(Regressor(), mark="fail"))
    with pytest.raises(ValueError, match="callback cannot be provided"):
        check_sequence_estimator(Regressor(), callback=print)


def test_what_cannot_run_is_skipped(monkeypatch):
    missing = {"polars"}

    def import_or_skip(package):
        if package in missing:
            raise unittest.SkipTest(f"{package} is not installed")
        return importlib.import_module(package)

    for name, module in list(sys.modules.items()):
        if name.startswith("skrnn.testing.") and hasattr(module, "import_or_skip"):
            monkeypatch.setattr(module, "import_or_skip", import_or_skip)
    with pytest.warns(SkipTestWarning, match="polars is not installed"):
        results = check_sequence_estimator(Forecaster())
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped == {name for name in names_for(Forecaster()) if "polars" in name}
    missing.add("pandas")
    found = statuses(Regressor())
    assert set(found.values()) == {"passed", "skipped"}
    assert found["check_cross_val_predict"] == found["check_target_forms"] == "passed"


def test_a_check_can_be_called_alone():
    check_pickle = next(c for c, _ in SEQUENCE_CHECKS if c.__name__ == "check_pickle")
    check_pickle("Regressor", Regressor())
    with pytest.raises(Exception, match="HoldsAFunction|lambda|[Pp]ickle"):
        check_pickle("HoldsAFunction", HoldsAFunction())


def test_the_estimator_is_left_alone_and_so_is_the_generator():
    estimator = Regressor()
    np.random.seed(0)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    with warnings.catch_warnings():
        filters = list(warnings.filters)
        check_sequence_estimator(estimator)
        assert warnings.filters == filters
    assert np.random.random() == expected  # noqa: NPY002
    assert vars(estimator) == vars(Regressor())


def test_every_check_is_documented():
    page = (Path(__file__).parents[1] / "doc" / "testing.rst").read_text("utf-8")
    for check, _ in SEQUENCE_CHECKS:
        name = re.sub("check_(token_)?(form|error)_", "", check.__name__)
        assert f"``{name}``" in page, name
        assert check.__doc__.endswith(".") and len(check.__doc__) < 120
