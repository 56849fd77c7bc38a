"""Training: epochs, batches, when to stop, and what to do when it goes wrong.

Nothing here knows a cell, a loss or a solver by its name, but for L-BFGS, which takes
all sequences at once and minds its own iterations.
"""

import copy
import math
import warnings
from dataclasses import dataclass, field

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skrnn._elementary import add_decay, total_weight
from skrnn.solvers import LBFGS, gradient_norm

BLOCK_ROWS = 8192  # steps (or segments) that a pass over all sequences takes at once


class TrainingData:
    """Sequences with their targets, as the training reads them.

    Parameters
    ----------
    sequences : Sequences
    encoder : StepEncoder
        What happens to a step before the network reads it.
    y : ndarray of shape (n_seqs,) or (n_seqs, n_out)
        Targets as the loss wants them.
    sample_weight : ndarray of shape (n_seqs,), dtype float64, default=None
        A sequence of weight 0 is never read.
    """

    def __init__(self, sequences, encoder, y, sample_weight=None):
        self.sequences = sequences
        self.encoder = encoder
        self.y = y
        if sample_weight is None:
            sample_weight = np.ones(len(sequences))
        self.sample_weight = sample_weight
        self.drawn = np.flatnonzero(sample_weight > 0)
        if not len(self.drawn):
            raise ValueError("No sequence has a positive sample weight.")

    def batch(self, indices, dtype):
        """Return the packed batch of some sequences, its targets and its weights."""
        batch = self.sequences.pack(indices, self.encoder, dtype)
        rows = indices[batch.order]
        return batch, self.y[rows], self.sample_weight[rows]

    def blocks(self):
        """Yield the indices of all sequences, longest first, by bounded blocks."""
        lengths = self.sequences.lengths[self.drawn]
        order = self.drawn[np.argsort(-lengths, kind="stable")]
        start = 0
        while start < len(order):
            n_steps = self.sequences.lengths[order[start]]
            n_rows = -(-n_steps // self.encoder.segment_length)
            stop = start + max(16, BLOCK_ROWS // n_rows)
            yield order[start:stop]
            start = stop


@dataclass
class History:
    """What happened during training, epoch by epoch."""

    loss_curve: list = field(default_factory=list)
    validation_loss_curve: list = field(default_factory=list)
    validation_scores: list = field(default_factory=list)
    grad_norm_curve: list = field(default_factory=list)
    n_iter: int = 0  # epochs of the last call; len(loss_curve) counts all
    t: int = 0  # sequences seen
    best_loss: float = math.inf
    best_validation_score: float | None = None
    no_improvement: int = 0  # epochs in a row
    stopped_because: str = ""

    @property
    def loss(self):
        """The last training loss, NaN before the first epoch is over."""
        return self.loss_curve[-1] if self.loss_curve else math.nan

    def copy(self):
        """Return a history that can grow apart from this one."""
        return copy.deepcopy(self)

    def curves(self):
        """Return the lists that get a value per epoch."""
        return [value for value in vars(self).values() if isinstance(value, list)]

    def record(self, n_seen, loss, grad_norm, validation_loss=None, score=None):
        """Add an epoch; n_iter tells that all of it is there."""
        self.loss_curve.append(loss)
        self.grad_norm_curve.append(grad_norm)
        if validation_loss is not None:
            self.validation_loss_curve.append(validation_loss)
        if score is not None:
            self.validation_scores.append(score)
        self.best_loss = min(self.best_loss, loss)
        self.t += n_seen
        self.n_iter += 1

    def line(self):
        """Return the last epoch in one line."""
        text = f"Iteration {self.n_iter}, loss = {self.loss:.8f}"
        if self.validation_loss_curve:
            text += f", validation loss = {self.validation_loss_curve[-1]:.8f}"
        if self.validation_scores:
            text += f", validation score = {self.validation_scores[-1]:.6f}"
        return text + f", gradient norm = {self.grad_norm_curve[-1]:.4g}"


def train(
    network,
    theta,
    data,
    loss,
    solver,
    *,
    max_iter,
    batch_size,
    random_state,
    shuffle=True,
    alpha=0.0,
    max_grad_norm=None,
    tol=1e-4,
    n_iter_no_change=10,
    early_stopping=False,
    validation=None,
    scorer=None,
    n_threads=1,
    verbose=False,
    on_epoch_begin=None,
    on_epoch=None,
    history=None,
    incremental=False,
    epoch_size=None,
):
    """Fit the parameters of a network to data.

    Whatever goes wrong, the parameters and the state of the solver are put back as they
    were and the error is raised. A keyboard interrupt is not an error: the parameters
    of the last whole update are kept, with a warning.

    Parameters
    ----------
    network : Network
        Loaded with the final parameters at the end.
    theta : ndarray of shape (n_params,)
        Parameters, changed in place.
    data : TrainingData
    loss : LogLoss, MultilabelLogLoss or SquaredError
    solver : Adam, SGD or LBFGS
        Its state is changed in place. L-BFGS takes all sequences at once, and has
        neither batches nor validation.
    max_iter : int
        Number of epochs at most.
    batch_size : int
        Number of sequences per update; the last batch of an epoch may be smaller.
    random_state : RandomState instance
        Draws one permutation per epoch, and then what the network drops.
    shuffle : bool, default=True
    alpha : float, default=0.0
        Strength of the L2 penalty: half the sum of squares of all weights but the
        biases, divided by the sum of sample weights in the batch.
    max_grad_norm : float, default=None
        Longer gradients (of loss and penalty) are scaled down to this norm.
    tol, n_iter_no_change : float and int
        Stop when what is watched has not improved by `tol` for more epochs than that.
        The training loss stops nothing where the learning rate is planned to fall to
        zero over `max_iter` epochs.
    early_stopping : bool, default=False
        Watch the validation data and not the training loss, and end with the parameters
        of the best epoch.
    validation : TrainingData, default=None
    scorer : callable, default=None
        `scorer(theta) -> float`, higher is better, is watched in place of the
        validation loss. The network is loaded with theta when it is called.
    n_threads : int, default=1
    verbose : bool, default=False
    on_epoch_begin : callable, default=None
        `on_epoch_begin()` is called before each epoch.
    on_epoch : callable, default=None
        `on_epoch(history) -> bool` is called after each epoch; True stops.
    history : History, default=None
        What an earlier call returned, to be continued in the one that is returned.
        Counts for stopping start anew, and best parameters are sought anew.
    incremental : bool, default=False
        Make one pass, without a warning that this is not convergence, and carry the
        counts for stopping on from `history`.
    epoch_size : int, default=None
        How many sequences an epoch takes at most, with `shuffle` others each time; None
        is all.

    Returns
    -------
    history : History
    """
    if early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True.")
    resumed = history is not None
    history = history.copy() if resumed else History()
    history.n_iter, history.no_improvement = 0, history.no_improvement * incremental
    history.stopped_because = ""
    objective = _Objective(network, loss, alpha, random_state, n_threads, theta)
    report = _Report(history, verbose, on_epoch_begin, on_epoch)
    watch = _Watch(objective, history, tol, early_stopping, validation, scorer)
    theta_before, state_before = theta.copy(), solver.get_state()
    t_before, curves = history.t, [(curve, len(curve)) for curve in history.curves()]
    network.load(theta)
    try:
        if isinstance(solver, LBFGS):
            _minimize(objective, theta, data, solver, report, max_iter, tol)
        else:
            if not incremental:
                watch.start_anew(theta if resumed else None)
            solver.set_time(history.t, 0.0)
            for epoch in range(1 if incremental else max_iter):
                report.begin()
                indices = data.drawn
                if shuffle:
                    indices = indices[random_state.permutation(len(indices))]
                indices = indices[:epoch_size]
                batches = (
                    data.batch(indices[i : i + batch_size], theta.dtype)
                    for i in range(0, len(indices), batch_size)
                )
                value, norm = _epoch(objective, theta, batches, solver, max_grad_norm)
                watch.look(theta, len(indices), value, norm)
                solver.set_time(history.t, (epoch + 1) / max_iter)
                if report():
                    history.stopped_because = "callback"
                    break
                if history.no_improvement > n_iter_no_change and (
                    early_stopping or not solver.planned
                ):
                    if solver.stall():
                        history.stopped_because = "tol"
                        break
                    history.no_improvement = 0
            else:
                history.stopped_because = "max_iter"
    except KeyboardInterrupt:
        history.stopped_because = "interrupted"
        # It may have come while an epoch was being recorded.
        for curve, n_before in curves:
            del curve[n_before + history.n_iter :]
        history.t = t_before + history.n_iter * len(data.drawn[:epoch_size])
    except BaseException:
        theta[:] = theta_before
        solver.set_state(state_before)
        network.load(theta)
        raise
    if watch.best_theta is not None:
        theta[:] = watch.best_theta
    network.load(theta)
    _warn(history, solver, max_iter, incremental)
    return history


def _epoch(objective, theta, batches, solver, max_grad_norm):
    """Make one update per batch; return the mean loss and the mean gradient norm."""
    value_sum = weight_sum = norm_sum = n_batches = 0
    for batch, y, sample_weight in batches:
        weight = total_weight(sample_weight)
        objective.clear()
        value = objective.add(batch, y, sample_weight)
        value += objective.add_penalty(theta, weight)
        norm = gradient_norm(objective.grad)
        if not math.isfinite(value):
            raise _diverged("the loss", solver, max_grad_norm)
        if not math.isfinite(norm):
            raise _diverged("the gradient", solver, max_grad_norm)
        clipped = max_grad_norm is not None and norm > max_grad_norm
        solver.step(theta, objective.grad, max_grad_norm / norm if clipped else 1.0)
        objective.network.load(theta)
        value_sum += weight * value
        weight_sum += weight
        norm_sum += norm
        n_batches += 1
    if not np.isfinite(theta).all():
        raise _diverged("a parameter", solver, max_grad_norm)
    return value_sum / weight_sum, norm_sum / n_batches


def _minimize(objective, theta, data, solver, report, max_iter, tol):
    """Let L-BFGS minimise the objective over all sequences."""
    network, history = objective.network, report.history
    if network.dropout or network.recurrent_dropout:
        raise ValueError(
            "solver='lbfgs' needs a loss that is the same at each evaluation, and with "
            "dropout it is not: use another solver, or no dropout."
        )
    blocks = list(data.blocks())
    total = sum(total_weight(data.sample_weight[block]) for block in blocks)
    norm = None

    def evaluate(x):
        nonlocal norm
        if norm is not None:  # this is not the start, but part of an iteration
            report.begin()
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
        history.record(len(data.drawn), value, norm)
        if report():
            history.stopped_because = "callback"
            raise StopIteration

    found = solver.minimize(
        evaluate,
        theta.astype(float),
        max_iter=max_iter,
        tol=tol,
        on_iteration=on_iteration,
    )
    if found.reason == "not finite":
        raise _diverged("the loss", solver, None)
    with np.errstate(over="ignore"):
        theta[:] = found.x
    if not np.isfinite(theta).all():
        raise _diverged("a parameter", solver, None)
    history.stopped_because = history.stopped_because or found.reason


def _warn(history, solver, max_iter, incremental):
    reason = history.stopped_because
    if reason == "interrupted":
        warnings.warn("Training interrupted by user.", stacklevel=3)
    elif isinstance(solver, LBFGS) and reason in ("max_iter", "max_fun", "abnormal"):
        advice = "Scale the data."
        if reason != "abnormal":
            limit = max_iter if reason == "max_iter" else solver.max_fun
            advice = f"Increase {reason} (it is {limit}) or scale the data."
        warnings.warn(
            f"lbfgs failed to converge after {history.n_iter} iteration(s). {advice}",
            ConvergenceWarning,
            stacklevel=3,
        )
    elif reason == "max_iter" and not incremental and not solver.planned:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _diverged(what, solver, max_grad_norm):
    remedies = []
    if not isinstance(solver, LBFGS):
        rate = f"{solver.learning_rate_init:g}"
        remedies.append(f"lower learning_rate_init (it is {rate})")
        if max_grad_norm is None:
            remedies.append("set max_grad_norm (to 1.0, for example)")
        else:
            remedies.append(f"lower max_grad_norm (it is {max_grad_norm:g})")
    remedies.append("standardize the inputs and the targets")
    return ValueError(
        f"Training diverged: {what} is not finite. To avoid this, "
        f"{', or '.join(remedies)}."
    )


class _Objective:
    """The loss of a network with its penalty, and the gradient of both, by parts."""

    def __init__(self, network, loss, alpha, random_state, n_threads, theta):
        self.network = network
        self.loss = loss
        self.alpha = alpha
        self.random_state = random_state
        self.n_threads = n_threads
        self.grad = np.zeros_like(theta)
        spans = [(weight.start, weight.stop) for weight in network.weights]
        self.spans = np.array(spans, dtype=np.intp).reshape(-1, 2)

    def clear(self):
        self.grad.fill(0)

    def add(self, batch, y, weight, share=1.0):
        """Add the gradient of share * the mean loss of a batch; return that loss."""
        # Whether all of it is finite is looked at afterwards, once.
        with np.errstate(over="ignore", invalid="ignore"):
            raw = self.network.forward(
                batch,
                training=True,
                random_state=self.random_state,
                n_threads=self.n_threads,
            )
            value, draw = self.loss.value_and_gradient(y, raw, weight)
            if share != 1.0:
                draw *= share
            self.network.backward(draw, self.grad)
        return share * value

    def add_penalty(self, theta, weight):
        """Add the gradient of the penalty for data of this weight; return it."""
        if not self.alpha:
            return 0.0
        strength = self.alpha / weight
        return 0.5 * strength * add_decay(theta, self.grad, self.spans, strength)

    def value(self, data):
        """Return the mean loss of data, without penalty, dropout or gradient."""
        value = total = 0.0
        for block in data.blocks():
            batch, y, weight = data.batch(block, self.grad.dtype)
            raw = self.network.forward(batch, n_threads=self.n_threads)
            share = total_weight(weight)
            value += share * self.loss.value(y, raw, weight)
            total += share
        return value / total


class _Watch:
    """Keep the curves, the best parameters, and count epochs without improvement."""

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
        """Forget what was best; with early stopping, theta is the one to beat."""
        self.best_loss = math.inf
        if self.early_stopping:
            self.history.best_validation_score = -math.inf
            if theta is not None:
                score = self.validate(theta)[1]
                self.best_theta = theta.copy()
                if score > -math.inf:
                    self.history.best_validation_score = score

    def validate(self, theta):
        loss = score = None
        if self.validation is not None:
            loss = self.objective.value(self.validation)
        if self.early_stopping:
            score = -loss if self.scorer is None else float(self.scorer(theta))
        return loss, score

    def look(self, theta, n_seen, value, norm):
        """Record an epoch that ended with theta."""
        validation_loss, score = self.validate(theta)
        history = self.history
        improved = value <= self.best_loss - self.tol
        self.best_loss = min(self.best_loss, value)
        if score is not None:
            # A score of NaN compares false: it is no improvement, and never the best.
            improved = score >= history.best_validation_score + self.tol
            if score > history.best_validation_score:
                self.best_theta = theta.copy()
                history.best_validation_score = score
        history.record(n_seen, value, norm, validation_loss, score)
        history.no_improvement = 0 if improved else history.no_improvement + 1


class _Report:
    """Say what an epoch brought; return whether the training is asked to stop."""

    def __init__(self, history, verbose, on_epoch_begin, on_epoch):
        self.history = history
        self.verbose = verbose
        self.on_epoch_begin = on_epoch_begin
        self.on_epoch = on_epoch
        self.begun = False

    def begin(self):
        if not self.begun and self.on_epoch_begin is not None:
            self.on_epoch_begin()
        self.begun = True

    def __call__(self):
        self.begun = False
        if self.verbose:
            print(self.history.line())
        return self.on_epoch is not None and bool(self.on_epoch(self.history))
