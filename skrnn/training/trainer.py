"""The trainer: fits the parameters of a network, and restores them after an error.

The code never asks for the kind of a network, loss or solver: each of them declares its
needs.
"""

import math
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skrnn.training.history import History
from skrnn.training.loops import LOOPS, Job, make_updates, timed
from skrnn.training.objective import Objective
from skrnn.training.options import Hooks

__all__ = ["Trainer"]


class Trainer:
    """Fit the parameters of a network to data.

    Parameters
    ----------
    network : Network
    loss : Loss
    solver : Adam, SGD or LBFGS
        Its state is changed in place. L-BFGS takes all data at once, and has neither
        batches nor validation.
    options : TrainingOptions
    random_state : numpy.random.RandomState
        Draws one permutation per epoch, and the masks of dropout.
    run_epoch : callable, default=None
        ``run_epoch(job, mean_weight) -> Updates`` makes the updates of an epoch in
        another place: it changes ``job.theta`` and ``job.solver``. None makes them
        here.
    """

    def __init__(self, network, loss, solver, options, random_state, run_epoch=None):
        self.network, self.loss, self.solver = network, loss, solver
        self.options, self.random_state = options, random_state
        self.run_epoch = run_epoch

    def fit(
        self, theta, data, *, validation=None, scorer=None, history=None, hooks=None
    ):
        """Train for at most `max_iter` epochs.

        After any error the parameters and the state of the solver are restored, and the
        error is raised again. With the option `keep_interrupted`, a keyboard interrupt
        is not an error: the parameters of the last whole update are kept, with a
        warning.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Parameters, changed in place; the network is loaded with them at the end.
        data : Data
        validation : Data, default=None
            The data that early stopping watches.
        scorer : callable, default=None
            ``scorer(theta) -> float``, higher is better, replaces the validation loss
            for early stopping. The network has theta loaded when it is called.
        history : History, default=None
            The result of an earlier call; the new history continues it. The counts for
            stopping and the search for the best parameters start anew.
        hooks : Hooks, default=None

        Returns
        -------
        history : History
        """
        n_epochs = self.options.max_iter
        return self._run(theta, data, n_epochs, validation, scorer, history, hooks)

    def fit_more(self, theta, data, *, history=None):
        """Make one pass over data, and carry on the counts for stopping.

        One pass does not converge, and there is no warning about that. The parameters
        and the result of the method are described in `fit`.
        """
        if self.options.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True.")
        return self._run(theta, data, 1, None, None, history, None, incremental=True)

    def fit_part(
        self, theta, data, mean_weight, part, *, begin=None, epoch=(None, None)
    ):
        """Make the updates of a part of one epoch.

        After an error, theta and the solver are in no defined state.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Parameters, changed in place.
        data : Data
        mean_weight : float or None
            The mean weight of an item of all data, of which these are some.
        part : tuple of (int, int)
            Which of how many parts.
        begin : RandomState, default=None
            Draws the order of the items, as it was when the epoch began. None is the
            generator of the trainer, for the first part.
        epoch : tuple of (int or None, int or None)
            Which epoch it is, where the learning rate is planned, and how many batches
            the epoch before had.

        Returns
        -------
        updates : Updates
        """
        objective = Objective(
            self.network, self.loss, self.options, self.random_state, theta
        )
        job = Job(objective, theta, data, self.solver, self.options)
        job.load()
        begin = self.random_state if begin is None else begin
        job.epoch, n_batches = epoch
        if n_batches is None:
            n_batches = data.n_batches
        batches = list(data.batches(begin, self.options))
        i, n_parts = part
        first, stop = (len(batches) * j // n_parts for j in (i, i + 1))
        batches = batches[first:stop]
        if n_batches and job.epoch is not None:
            batches = timed(job, batches, n_batches, first)
        return make_updates(job, batches, mean_weight)

    def _run(
        self,
        theta,
        data,
        n_epochs,
        validation,
        scorer,
        history,
        hooks,
        incremental=False,
    ):
        network, solver, options = self.network, self.solver, self.options
        resumed = history is not None
        history = history.copy() if resumed else History()
        history.n_iter, history.no_improvement = 0, history.no_improvement * incremental
        history.stopped_because = ""
        objective = Objective(network, self.loss, options, self.random_state, theta)
        report = Report(history, options.verbose, Hooks() if hooks is None else hooks)
        watch = Watch(
            objective, history, options.tol, options.early_stopping, validation, scorer
        )
        job = Job(
            objective, theta, data, solver, options, watch, report, self.run_epoch
        )
        theta_before, state_before, t_before = (
            theta.copy(),
            solver.get_state(),
            history.t,
        )
        curves = [(curve, len(curve)) for curve in history.curves()]
        network.load(theta)
        try:
            LOOPS[solver.loop](job, n_epochs, resumed, incremental)
        except BaseException as error:
            if not (options.keep_interrupted and isinstance(error, KeyboardInterrupt)):
                theta[:] = theta_before
                solver.set_state(state_before)
                network.load(theta)
                raise
            history.stopped_because = "interrupted"
            # The interrupt may have come while an epoch was recorded.
            for curve, n_before in curves:
                del curve[n_before + history.n_iter :]
            n_seen = history.n_iter * len(data.used[: options.epoch_size])
            history.t = t_before + n_seen
        if watch.best_theta is not None:
            theta[:] = watch.best_theta
        network.load(theta)
        _warn(history, solver, options.max_iter, incremental)
        scores = history.validation_scores[-history.n_iter :]
        if options.early_stopping and scores and np.isnan(scores).all():
            warnings.warn(
                "The validation score was NaN in each epoch, so there is no best epoch "
                "and the last parameters are kept. Check `scoring`.",
                stacklevel=3,
            )
        return history


def _warn(history, solver, max_iter, incremental):
    if history.stopped_because == "interrupted":
        warnings.warn("Training interrupted by user.", stacklevel=4)
        return
    message = solver.limit_message(history, max_iter)
    if message is not None and not incremental:
        warnings.warn(message, ConvergenceWarning, stacklevel=4)


class Watch:
    """Keeps the best parameters, and counts epochs without improvement."""

    def __init__(self, objective, history, tol, early_stopping, validation, scorer):
        if early_stopping and validation is None:
            raise ValueError("early_stopping needs validation data.")
        self.objective = objective
        self.history = history
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation = validation
        self.scorer = scorer
        self.best_loss = history.best_loss
        self.best_theta = None

    def start_anew(self, theta=None):
        """Forget the best values; with early stopping, theta is the best so far."""
        self.best_loss = math.inf
        if self.early_stopping:
            self.history.best_validation_score = -math.inf
            if theta is not None:
                score = self.validate(theta)[1]
                self.best_theta = theta.copy()
                if score > -math.inf:
                    self.history.best_validation_score = score

    def validate(self, theta):
        """Return the validation loss and score, each None if it is not needed."""
        loss = score = None
        if self.validation is not None:
            loss = self.objective.value(self.validation)
        if self.early_stopping:
            score = -loss if self.scorer is None else float(self.scorer(theta))
        return loss, score

    def look(self, theta, n_seen, value, norm):
        """Record an epoch that ended with the parameters theta."""
        validation_loss, score = self.validate(theta)
        history = self.history
        improved = value <= self.best_loss - self.tol
        self.best_loss = min(self.best_loss, value)
        if score is not None:
            # A score of NaN compares false, so it is neither better nor the best.
            improved = score >= history.best_validation_score + self.tol
            if score > history.best_validation_score:
                self.best_theta = theta.copy()
                history.best_validation_score = score
        history.record(n_seen, value, norm, validation_loss, score)
        history.no_improvement = 0 if improved else history.no_improvement + 1


class Report:
    """Reports each epoch; a call returns whether a hook asks to stop."""

    def __init__(self, history, verbose, hooks):
        self.history = history
        self.verbose = verbose
        self.hooks = hooks
        self.begun = False

    def begin(self):
        """Announce an epoch, once."""
        if not self.begun and self.hooks.on_epoch_begin is not None:
            self.hooks.on_epoch_begin()
        self.begun = True

    def __call__(self):
        self.begun = False
        if self.verbose:
            print(self.history.line())
        on_epoch = self.hooks.on_epoch
        return on_epoch is not None and bool(on_epoch(self.history))
