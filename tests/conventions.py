"""What scikit-learn asks of any estimator, even of one that reads no tables."""

from sklearn.utils import estimator_checks


def check_conventions(estimator):
    """Run the checks of scikit-learn that need no data."""
    for check in (
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_mixin_order,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
    ):
        check(type(estimator).__name__, estimator)
