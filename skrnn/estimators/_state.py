"""Estimators that can tell whether they are what `fit` leaves."""

from skrnn.models.checks import check_fields
from skrnn.models.sequence import check_theta
from skrnn.models.training_state import check_training


class DeclaredState:
    """Mixin: the estimator can tell whether it is what `fit` leaves."""

    _fields: dict = {}

    def _pack(self):
        """Return the fitted attributes as a file holds them."""
        return {name: vars(self)[name] for name in self._fields if name in vars(self)}

    @classmethod
    def _unpack(cls, fields):
        """Return what `_pack` was made of; the names in `fields` are right."""
        return fields

    def _check_state(self):
        """Raise ValueError unless parameters and fitted attributes are in order."""
        self._validate_params()
        self._describe_structure()
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0: there is no work without a thread.")
        if self.__sklearn_is_fitted__():
            check_fields(vars(self), self._fields)
            self._check_together()

    def _check_theta(self, spec):
        check_theta(spec, self._make_loss(), self._theta)

    def _check_history(self):
        check_training(vars(self))
