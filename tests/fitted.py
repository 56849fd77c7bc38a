"""What tests change inside of fitted estimators."""


def theta_of(estimator):
    """Return the parameters of a fitted estimator."""
    if "_model" in vars(estimator):
        return estimator._model.theta
    return estimator._theta


def set_theta(estimator, theta):
    """Give a fitted estimator other parameters."""
    if "_model" in vars(estimator):
        estimator._model = estimator._model.with_theta(theta)
    else:
        estimator._theta = theta
    return estimator


def set_fields(estimator, **fields):
    """Change fitted values by the names that they have in a file."""
    if "_model" in vars(estimator):
        vars(estimator).update(estimator._unpack(estimator._pack() | fields))
    else:
        vars(estimator).update(fields)
    return estimator
