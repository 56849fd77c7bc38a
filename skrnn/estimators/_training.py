"""What a training leaves in an estimator, and how the next one goes on from it."""

from collections import deque

import numpy as np

from skrnn.solvers import SOLVERS
from skrnn.training import History


class Trained:
    """Mixin: the parameters of a network, and where their training stands."""

    def _begin_training(self):
        """Forget the solver, and draw from the start."""
        self._solver_state = None
        self._training_state = np.random.RandomState([self._seed, 2]).get_state(
            legacy=False
        )

    def _training_random_state(self):
        """Return the generator of the training, where the last one left it."""
        random_state = np.random.RandomState()
        random_state.set_state(self._training_state)
        return random_state

    def _keep_training(self, theta, solver, random_state, history, incremental):
        """Keep what came out of a training."""
        self._theta = theta
        self._idle_networks = deque()
        if SOLVERS[self.solver].has_partial_fit:
            self._solver_state = (self.solver, solver.get_state())
        self._training_state = random_state.get_state(legacy=False)
        self._set_history(history, incremental)

    def _set_history(self, history, incremental=False):
        n_all = len(history.loss_curve)
        self.n_iter_ = n_all if incremental else history.n_iter
        self.t_ = history.t
        self.loss_ = history.loss
        self.best_loss_ = history.best_loss
        self.loss_curve_ = history.loss_curve
        self.grad_norm_curve_ = history.grad_norm_curve
        watched = history.best_validation_score is not None
        self.validation_loss_curve_ = history.validation_loss_curve if watched else None
        self.validation_scores_ = history.validation_scores if watched else None
        self.best_validation_score_ = history.best_validation_score
        self._no_improvement = history.no_improvement

    def _get_history(self):
        return History(
            loss_curve=self.loss_curve_,
            validation_loss_curve=self.validation_loss_curve_ or [],
            validation_scores=self.validation_scores_ or [],
            grad_norm_curve=self.grad_norm_curve_,
            n_iter=self.n_iter_,
            t=self.t_,
            best_loss=self.best_loss_,
            best_validation_score=self.best_validation_score_,
            no_improvement=self._no_improvement,
        )
