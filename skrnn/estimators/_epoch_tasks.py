"""The epochs of a fit as tasks that scikit-learn's callbacks follow."""

from skrnn.training import Hooks


class EpochTasks:
    """Tells the callbacks of an estimator about the epochs of one fit.

    Parameters
    ----------
    estimator : estimator instance
        The estimator being fitted.
    max_iter : int
        The largest number of epochs.
    fitted_attributes : callable
        Returns the attributes that make a copy of the estimator ready to predict with
        the current parameters.
    data : dict
        ``X``, ``y`` and ``metadata`` for the hooks; values may be callables, which are
        called only when a callback asks for them.
    """

    def __init__(self, estimator, max_iter, fitted_attributes, data):
        self._estimator = estimator
        self._reconstruct = fitted_attributes
        self._data = data
        self._fit = self._epoch = None
        if hasattr(estimator, "_init_callback_context"):
            self._fit = estimator._init_callback_context(max_subtasks=max_iter)
            self._fit.call_on_fit_task_begin(estimator=estimator, **data)

    @property
    def watched(self):
        """Whether the estimator has callbacks."""
        return self._fit is not None and bool(
            getattr(self._estimator, "_skl_callbacks", ())
        )

    def hooks(self):
        """Return the hooks that training calls around each epoch, or None."""
        return Hooks(self.begin_epoch, self.end_epoch) if self.watched else None

    def begin_epoch(self):
        """Announce an epoch."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def end_epoch(self, history):
        """Announce the end of an epoch; return True if a callback asks to stop."""
        return self._epoch.call_on_fit_task_end(
            estimator=self._estimator,
            reconstruction_attributes=self._reconstruct,
            **self._data,
        )

    def end(self):
        """Announce the end of the fit."""
        if self._fit is not None:
            self._fit.call_on_fit_task_end(
                estimator=self._estimator,
                reconstruction_attributes=self._reconstruct,
                **self._data,
            )
