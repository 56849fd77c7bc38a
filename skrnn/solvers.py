"""Solvers: they move one flat vector of parameters along its gradient.

A solver knows nothing of networks, batches or epochs, with one exception: the learning
rate of a stochastic solver may change when an epoch ends. The state of a solver is a
few plain arrays.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from skrnn import _elementary, _solver

# The factor of the learning rate after n_seen sequences of all epochs; `progress` is
# the share of max_iter that is done. When progress stalls, an "adaptive" rate falls.
# The other schedules stop the training then, except for those in PLANNED: they reach a
# learning rate of nearly zero at max_iter.
PLANNED = {"linear"}
SCHEDULES = {
    "constant": lambda solver, n_seen, progress: 1.0,
    "invscaling": lambda solver, n_seen, progress: _elementary.power(
        n_seen + 1.0, -solver.power_t
    ),
    "adaptive": lambda solver, n_seen, progress: 1.0 / 5 ** int(solver.n_stalls),
    "linear": lambda solver, n_seen, progress: max(1.0 - progress, 1e-3),
}


class _Stochastic:
    loop = "epochs"  # the training loop that runs it
    has_partial_fit = has_validation = drops_out = True
    arrays = ("n_stalls",)  # the state; other arrays are None before the first step
    # How many parameters, the first ones, are left as they are: their gradient is zero,
    # and so is what was kept of it, so that a step would change nothing but the time.
    n_frozen = 0

    def __init__(self, learning_rate_init, learning_rate, power_t):
        self.learning_rate_init = learning_rate_init
        self.schedule = learning_rate
        self.power_t = power_t
        self.set_state({})

    def set_time(self, n_seen, progress):
        """Set the learning rate of the schedule after n_seen sequences."""
        self.n_seen, self.progress = n_seen, progress
        factor = SCHEDULES[self.schedule](self, n_seen, progress)
        self.learning_rate = self.learning_rate_init * factor

    @property
    def planned(self):
        """Whether the schedule ends at max_iter, so that all epochs are needed."""
        return self.schedule in PLANNED

    def stall(self):
        """React to a stall of the progress; return whether to stop."""
        if self.schedule != "adaptive" or self.learning_rate <= 1e-6:
            return True
        self.n_stalls = np.array(self.n_stalls + 1)
        self.set_time(self.n_seen, self.progress)
        return False

    def remedies(self, max_grad_norm):
        """Return what a user can change when training diverges."""
        rate = f"{self.learning_rate_init:g}"
        if max_grad_norm is None:
            clipping = "set max_grad_norm (to 1.0, for example)"
        else:
            clipping = f"lower max_grad_norm (it is {max_grad_norm:g})"
        return [f"lower learning_rate_init (it is {rate})", clipping]

    def limit_message(self, history, max_iter):
        """Return the warning for a training that ended at a limit, or None."""
        if history.stopped_because != "max_iter" or self.planned:
            return None
        return (
            f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
            "optimization hasn't converged yet."
        )

    def get_state(self):
        """Return copies of the arrays of the state, by name."""
        state = {name: getattr(self, name) for name in self.arrays}
        return {name: a.copy() for name, a in state.items() if a is not None}

    def set_state(self, state):
        """Continue from a result of `get_state`; an empty one means from the start."""
        for name in self.arrays:
            array = state.get(name)
            setattr(self, name, None if array is None else array.copy())
        if self.n_stalls is None:
            self.n_stalls = np.array(0)
        self.set_time(0, 0.0)


class Adam(_Stochastic):
    """Adam (Kingma and Ba, 2014, arXiv:1412.6980).

    Parameters
    ----------
    learning_rate_init : float, default=0.001
        Step size before the schedule.
    learning_rate : str, default="constant"
        Name of a schedule of the step size.
    power_t : float, default=0.5
        Exponent of "invscaling".
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of the averages of the gradient and of its square.
    epsilon : float, default=1e-8
        Added to the root of the average square.
    """

    arrays = ("n_stalls", "first_moment", "second_moment", "powers")

    def __init__(
        self,
        learning_rate_init=1e-3,
        *,
        learning_rate="constant",
        power_t=0.5,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
    ):
        super().__init__(learning_rate_init, learning_rate, power_t)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, theta, grad, scale=1.0):
        """Change theta in place by one step along scale * grad."""
        if self.first_moment is None:
            self.first_moment = np.zeros_like(theta)
            self.second_moment = np.zeros_like(theta)
            self.powers = np.ones(2)
        _check_sizes(theta, grad, self.first_moment)
        trained = slice(self.n_frozen, None)
        _solver.adam_step(
            theta[trained],
            grad[trained],
            self.first_moment[trained],
            self.second_moment[trained],
            self.powers,
            self.learning_rate,
            self.beta_1,
            self.beta_2,
            self.epsilon,
            scale,
        )


class SGD(_Stochastic):
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    learning_rate_init : float, default=0.001
        Step size before the schedule.
    learning_rate : str, default="constant"
        Name of a schedule of the step size.
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Share of the last change that is kept.
    nesterovs_momentum : bool, default=True
        Whether the momentum is Nesterov's.
    """

    arrays = ("n_stalls", "velocity")

    def __init__(
        self,
        learning_rate_init=1e-3,
        *,
        learning_rate="constant",
        power_t=0.5,
        momentum=0.9,
        nesterovs_momentum=True,
    ):
        super().__init__(learning_rate_init, learning_rate, power_t)
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum

    def step(self, theta, grad, scale=1.0):
        """Change theta in place by one step along scale * grad."""
        if self.velocity is None:
            self.velocity = np.zeros_like(theta)
        _check_sizes(theta, grad, self.velocity)
        trained = slice(self.n_frozen, None)
        _elementary.sgd_step(
            theta[trained],
            grad[trained],
            self.velocity[trained],
            self.learning_rate,
            self.momentum,
            self.nesterovs_momentum,
            scale,
        )


class Minimum(NamedTuple):
    """The point where `LBFGS.minimize` ended, and the reason."""

    x: np.ndarray
    n_iter: int
    reason: str  # converged, max_iter, max_fun, abnormal, not finite
    message: str


class LBFGS:
    """L-BFGS through SciPy, for the loss of all sequences at once.

    Parameters
    ----------
    max_fun : int, default=15000
        Largest number of evaluations.
    """

    name = "lbfgs"
    loop = "whole"
    # A line search needs the same loss at each evaluation, so there is no dropout.
    has_partial_fit = has_validation = drops_out = False

    def __init__(self, *, max_fun=15000):
        self.max_fun = max_fun

    def remedies(self, max_grad_norm):
        """Return what a user can change when training diverges."""
        return []

    def limit_message(self, history, max_iter):
        """Return the warning for a training that ended at a limit, or None."""
        reason = history.stopped_because
        if reason not in ("max_iter", "max_fun", "abnormal"):
            return None
        advice = "Scale the data."
        if reason != "abnormal":
            limit = max_iter if reason == "max_iter" else self.max_fun
            advice = f"Increase {reason} (it is {limit}) or scale the data."
        return f"lbfgs failed to converge after {history.n_iter} iteration(s). {advice}"

    def get_state(self):
        """Return nothing: each call of `minimize` starts anew."""
        return {}

    def set_state(self, state):
        """Do nothing."""

    def minimize(self, objective, start, *, max_iter, tol, on_iteration):
        """Minimise objective(x) -> (value, gradient) from `start`, all in float64.

        `on_iteration(x, value)` is called after each iteration. A value that is not
        finite ends the search if it is the first one. Later it means that a step was
        too long.
        """
        value, grad = objective(start)
        if not math.isfinite(value):
            return Minimum(start, 0, "not finite", "")
        reference = value
        first = (value, grad)

        def guarded(x):
            nonlocal first
            if first is not None:
                (value, grad), first = first, None
                return value, grad
            value, grad = objective(x)
            if not math.isfinite(value):
                # Worse than the start of the line search, so that it steps back.
                return reference + max(1.0, abs(reference)), np.zeros_like(x)
            return value, grad

        def callback(intermediate_result):
            nonlocal reference
            reference = float(intermediate_result.fun)
            on_iteration(intermediate_result.x, reference)

        # Products of vectors change with the number of threads of the BLAS.
        with threadpool_limits(1, user_api="blas"):
            found = minimize(
                guarded,
                start,
                method="L-BFGS-B",
                jac=True,
                callback=callback,
                options={"maxiter": max_iter, "maxfun": self.max_fun, "gtol": tol},
            )
        reason = {0: "converged", 1: "max_iter"}.get(found.status, "abnormal")
        if reason == "max_iter" and found.nit < max_iter:
            reason = "max_fun"
        return Minimum(found.x, found.nit, reason, found.message)


SOLVERS = {"adam": Adam, "sgd": SGD, "lbfgs": LBFGS}


def gradient_norm(grad):
    """Return the Euclidean norm; it is finite if all elements are finite."""
    norm = math.sqrt(_elementary.sum_of_squares(grad))
    if norm == math.inf:
        largest = float(np.abs(grad).max())
        if largest < math.inf:
            norm = largest * math.sqrt(_elementary.sum_of_squares(grad / largest))
    return norm


def _check_sizes(theta, grad, moment):
    # The compiled steps do not check their indices.
    if not theta.shape == grad.shape == moment.shape:
        raise ValueError(
            f"The sizes differ: {theta.size} parameters, a gradient of {grad.size}, a "
            f"solver's state of {moment.size}."
        )
