"""Fitted estimators: attributes that models own, pickles, and checks of both."""

from abc import ABC, abstractmethod

from sklearn.exceptions import NotFittedError

from skrnn._stamp import Stamped
from skrnn.models.checks import check_fields


class Of:
    """A fitted attribute that an object of the estimator owns, under the same name.

    Parameters
    ----------
    owner : str
        The attribute of the estimator that holds the object. Its method `pack` gives
        the value by the attribute's name.
    """

    def __init__(self, owner):
        self._owner = owner

    def __set_name__(self, cls, name):
        self._name = name

    def __get__(self, estimator, cls=None):
        if estimator is None:
            return self
        return fitted(estimator, self._owner, self._name).pack()[self._name]

    def __set__(self, estimator, value):
        raise AttributeError(
            f"{self._name} is a result of fit and cannot be set. Call fit again."
        )


def fitted(estimator, owner, name):
    """Return the object that owns a fitted attribute; before fit there is none."""
    if owner not in vars(estimator):
        raise AttributeError(
            f"{type(estimator).__name__!r} object has no attribute {name!r} before fit"
        )
    return vars(estimator)[owner]


class FittedEstimator(Stamped, ABC):
    """Mixin: the objects `_model` and `_training` own all fitted attributes.

    A pickle holds their plain values and none of their classes, like a model file. So
    private modules can move.
    """

    _fields: dict = {}

    loss_curve_ = Of("_training")
    grad_norm_curve_ = Of("_training")
    validation_loss_curve_ = Of("_training")
    validation_scores_ = Of("_training")
    best_validation_score_ = Of("_training")
    n_iter_ = Of("_training")
    t_ = Of("_training")
    loss_ = Of("_training")
    best_loss_ = Of("_training")

    @property
    def weights_(self):
        """Weights and biases by name, read-only views."""
        return fitted(self, "_model", "weights_").weights

    @abstractmethod
    def _pack(self):
        """Return the fitted attributes in the form of a file."""

    @classmethod
    @abstractmethod
    def _unpack(cls, fields):
        """Return the fitted attributes from the result of `_pack`."""

    @classmethod
    @abstractmethod
    def _check_together(cls, fields):
        """Raise ValueError unless the fields of a file are consistent."""

    def __sklearn_is_fitted__(self):
        return "_model" in vars(self)

    def _check_is_fitted(self):
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' "
                "with appropriate arguments before using this estimator."
            )

    @classmethod
    def _check_fitted(cls, fields):
        """Raise ValueError unless the fields of a file are valid and consistent."""
        check_fields(fields, cls._fields)
        cls._check_together(fields)

    def _check_state(self):
        """Raise ValueError unless parameters and fitted attributes are valid."""
        self._validate_params()
        self._describe_structure()
        if self.n_jobs == 0:
            raise ValueError("n_jobs must not be 0: work needs at least one thread.")
        if self.__sklearn_is_fitted__():
            self._check_fitted(self._pack())

    def __getstate__(self):
        state = super().__getstate__()
        if self.__sklearn_is_fitted__():
            for name in ("_model", "_training"):
                state.pop(name, None)
            state |= self._pack()
            # Callbacks hold sockets and logs of a session, so a fitted estimator is
            # pickled without them. A search sends an estimator that is not fitted yet
            # to its workers, and that one keeps its callbacks.
            state.pop("_skl_callbacks", None)
        return state

    def __setstate__(self, state):
        state = dict(state)
        if "_theta" in state:
            names = [name for name in self._fields if name in state]
            fields = {name: state.pop(name) for name in names}
            state |= self._unpack(fields)
        super().__setstate__(state)
