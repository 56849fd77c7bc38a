"""The two ways to minimise: epochs of batches, or all data at each evaluation."""

import math
from typing import NamedTuple

import numpy as np

from skrnn._elementary import total_weight
from skrnn.solvers import gradient_norm

__all__ = ["LOOPS", "Job", "Updates", "make_updates", "timed"]


class Job:
    """One call of a trainer: the objects that its loop works on.

    Parameters
    ----------
    objective : Objective
    theta : ndarray of shape (n_params,)
        Parameters, changed in place.
    data : Data
    solver : solver
    options : TrainingOptions
    watch : Watch, default=None
    report : Report, default=None
        Both are None in a job that is one part of an epoch: see `Trainer.fit_part`.
    run_epoch : callable, default=None
        See `Trainer`.
    """

    def __init__(
        self,
        objective,
        theta,
        data,
        solver,
        options,
        watch=None,
        report=None,
        run_epoch=None,
    ):
        self.objective, self.theta, self.data = objective, theta, data
        self.solver, self.options = solver, options
        self.watch, self.report = watch, report
        self.history = None if report is None else report.history
        self.run_epoch = run_epoch_here if run_epoch is None else run_epoch
        self.epoch = None  # which one it is, where the learning rate is planned

    def load(self):
        """Load the current parameters into the network."""
        self.objective.network.load(self.theta)

    def diverged(self, what):
        """Return the error for a number that is not finite."""
        remedies = self.solver.remedies(self.options.max_grad_norm)
        remedies.append("standardize the inputs and the targets")
        return ValueError(
            f"Training diverged: {what} is not finite. To avoid this, "
            f"{', or '.join(remedies)}."
        )


def run_epochs(job, n_epochs, resumed=False, incremental=False):
    """Make one update per batch, epoch by epoch, until a reason to stop comes."""
    options, solver, history, watch = job.options, job.solver, job.history, job.watch
    if not incremental:
        watch.start_anew(job.theta if resumed else None)
    solver.set_time(history.t, 0.0)
    # A call of partial_fit does not know the weights of other calls. So it takes 1 for
    # an ordinary weight.
    mean_weight = job.data.mean_weight
    if incremental and mean_weight is not None:
        mean_weight = job.data.ordinary_weight
    for epoch in range(n_epochs):
        job.report.begin()
        job.epoch = None if incremental else epoch
        value, norm = job.run_epoch(job, mean_weight).means()
        watch.look(job.theta, len(job.data.used[: options.epoch_size]), value, norm)
        solver.set_time(history.t, (epoch + 1) / options.max_iter)
        if job.report():
            history.stopped_because = "callback"
            return
        if history.no_improvement > options.n_iter_no_change and (
            options.early_stopping or not solver.planned
        ):
            if solver.stall():
                history.stopped_because = "tol"
                return
            history.no_improvement = 0
    history.stopped_because = "max_iter"


class Updates(NamedTuple):
    """Sums over updates: of loss times weight, of weights, and of gradient norms."""

    value: float = 0.0
    weight: float = 0.0
    norm: float = 0.0
    n_updates: int = 0

    def means(self):
        """Return the mean loss and the mean norm of the gradient."""
        return self.value / self.weight, self.norm / self.n_updates


def run_epoch_here(job, mean_weight):
    """Make the updates of one epoch."""
    batches = job.data.batches(job.objective.random_state, job.options)
    if job.data.n_batches and job.epoch is not None:
        batches = timed(job, batches, job.data.n_batches)
    return make_updates(job, batches, mean_weight)


def timed(job, batches, n_batches, first=0):
    """Yield batches of an epoch from `first` on; set the learning rate before each."""
    n_epochs, n_seen = job.options.max_iter, job.solver.n_seen
    for i, batch in enumerate(batches, first):
        job.solver.set_time(n_seen, (job.epoch + i / n_batches) / n_epochs)
        yield batch


def make_updates(job, batches, mean_weight):
    """Make one update per batch; return the `Updates`.

    A batch counts by its weight: its loss is divided by the mean weight of all data,
    and not by the mean weight of the batch. So an epoch follows the gradient of the
    weighted mean.
    """
    objective, theta, options = job.objective, job.theta, job.options
    most = options.max_grad_norm
    value_sum = weight_sum = norm_sum = n_batches = 0
    for chosen in batches:
        batch, targets, sample_weight = job.data.batch(chosen, theta.dtype)
        weight, share = total_weight(sample_weight), 1.0
        if mean_weight is not None:
            expected = mean_weight * len(chosen)
            weight, share = expected, weight / expected
        objective.clear()
        value = objective.add(batch, targets, sample_weight, share)
        value += objective.add_penalty(theta, weight)
        norm = gradient_norm(objective.grad)
        if not math.isfinite(value):
            raise job.diverged("the loss")
        if not math.isfinite(norm):
            raise job.diverged("the gradient")
        # A batch of twice the weight may make a step of twice the length.
        clipped = most is not None and norm > most * share
        scale = most * share / norm if clipped else 1.0
        job.solver.step(theta, objective.grad, scale)
        job.load()
        value_sum += weight * value
        weight_sum += weight
        norm_sum += norm
        n_batches += 1
    if not np.isfinite(theta).all():
        raise job.diverged("a parameter")
    return Updates(value_sum, weight_sum, norm_sum, n_batches)


def minimize_whole(job, n_epochs, resumed=False, incremental=False):
    """Let the solver minimise the objective over all data."""
    objective, data, theta = job.objective, job.data, job.theta
    network, history, options = objective.network, job.history, job.options
    if network.options.dropout or network.options.recurrent_dropout:
        raise ValueError(
            f"solver={job.solver.name!r} needs the same loss at each evaluation, which "
            "dropout does not give. Use another solver, or set dropout to 0."
        )
    blocks = list(data.blocks())
    total = sum(total_weight(data.weight_of(block)) for block in blocks)
    norm = None

    def evaluate(x):
        nonlocal norm
        if norm is not None:  # not the first evaluation: an iteration has begun
            job.report.begin()
        with np.errstate(over="ignore"):
            at = x.astype(theta.dtype)
        network.load(at)
        objective.clear()
        value = 0.0
        for block in blocks:
            part = data.batch(block, theta.dtype)
            value += objective.add(*part, share=total_weight(part[2]) / total)
        value += objective.add_penalty(at, total)
        norm = gradient_norm(objective.grad)
        return value if math.isfinite(norm) else math.nan, objective.grad.astype(float)

    def on_iteration(x, value):
        theta[:] = x
        network.load(theta)
        history.record(len(data.used), value, norm)
        if job.report():
            history.stopped_because = "callback"
            raise StopIteration

    found = job.solver.minimize(
        evaluate,
        theta.astype(float),
        max_iter=n_epochs,
        tol=options.tol,
        on_iteration=on_iteration,
    )
    if found.reason == "not finite":
        raise job.diverged("the loss")
    with np.errstate(over="ignore"):
        theta[:] = found.x
    if not np.isfinite(theta).all():
        raise job.diverged("a parameter")
    history.stopped_because = history.stopped_because or found.reason


# The keys are the `loop` of the solvers.
LOOPS = {"epochs": run_epochs, "whole": minimize_whole}
