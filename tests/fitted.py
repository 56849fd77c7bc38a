"""What tests change inside of fitted estimators."""


def theta_of(estimator):
    """Return the parameters of a fitted estimator."""
    return estimator._model.theta


def set_theta(estimator, theta):
    """Give a fitted estimator other parameters."""
    estimator._model = estimator._model.with_theta(theta)
    return estimator


def set_fields(estimator, **fields):
    """Change fitted values by the names that they have in a file."""
    vars(estimator).update(estimator._unpack(estimator._pack() | fields))
    return estimator


def set_season(forecaster, season):
    """Change the season of a fitted forecaster."""
    schema = forecaster._pack()["_schema_state"] | {"season": season}
    return set_fields(forecaster, _schema_state=schema)
