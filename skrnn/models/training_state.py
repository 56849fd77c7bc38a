"""The state of a training, from which the next training continues."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skrnn.models.checks import (
    SOLVER_STATES,
    array,
    check_wrong_type,
    either,
    integer,
    list_of,
    number,
    one_of,
    random_state,
    record,
)
from skrnn.training import History

__all__ = ["TRAINING_FIELDS", "TrainingState", "check_training"]


@dataclass(frozen=True)
class TrainingState:
    """The result of a training, except for the parameters of the network.

    Parameters
    ----------
    seed : int
        The seed of all random numbers of the fits.
    random_state : dict
        The state of the random generator after the training.
    solver_state : tuple of (str, dict) or None
        The name of a solver and its arrays.
    history : History
    """

    seed: int
    random_state: dict[str, Any]
    solver_state: tuple[str, dict[str, np.ndarray]] | None
    history: History

    @classmethod
    def begin(cls, seed):
        """Return the state before the first training."""
        random_state = np.random.RandomState([seed, 2]).get_state(legacy=False)
        return cls(seed, random_state, None, History())

    def generator(self):
        """Return the random generator, as the last training left it."""
        generator = np.random.RandomState()
        generator.set_state(self.random_state)
        return generator

    def after(self, solver_name, solver, generator, history, incremental):
        """Return the state after a training."""
        if incremental:
            history.n_iter = len(history.loss_curve)
        solver_state = self.solver_state
        if solver.has_partial_fit:
            solver_state = (solver_name, solver.get_state())
        return replace(
            self,
            random_state=generator.get_state(legacy=False),
            solver_state=solver_state,
            history=history,
        )

    def pack(self):
        """Return the state as plain values; the keys are those of `TRAINING_FIELDS`."""
        history = self.history
        watched = history.best_validation_score is not None
        return {
            "_seed": self.seed,
            "_training_state": self.random_state,
            "_solver_state": self.solver_state,
            "loss_curve_": history.loss_curve,
            "grad_norm_curve_": history.grad_norm_curve,
            "validation_loss_curve_": (
                history.validation_loss_curve if watched else None
            ),
            "validation_scores_": history.validation_scores if watched else None,
            "n_iter_": history.n_iter,
            "t_": history.t,
            "loss_": history.loss,
            "best_loss_": history.best_loss,
            "best_validation_score_": history.best_validation_score,
            "_no_improvement": history.no_improvement,
        }

    @classmethod
    def unpack(cls, fields):
        """Return the state from the result of `pack`."""
        history = History(
            loss_curve=fields["loss_curve_"],
            validation_loss_curve=fields["validation_loss_curve_"] or [],
            validation_scores=fields["validation_scores_"] or [],
            grad_norm_curve=fields["grad_norm_curve_"],
            n_iter=fields["n_iter_"],
            t=fields["t_"],
            best_loss=fields["best_loss_"],
            best_validation_score=fields["best_validation_score_"],
            no_improvement=fields["_no_improvement"],
        )
        return cls(
            fields["_seed"], fields["_training_state"], fields["_solver_state"], history
        )


# Each stall divides the learning rate by 5; more stalls than this make it zero.
MOST_STALLS = 440


def solver_state(value, name, state):
    """Accept the state of a solver for the next fit, or None."""
    if value is None:
        return
    if not isinstance(value, tuple) or len(value) != 2:
        raise check_wrong_type(
            name, "None, or the name of a solver and its state", value
        )
    one_of(*SOLVER_STATES)(value[0], f"{name}[0]", state)
    fields = {"n_stalls": array("int64", low=0, high=MOST_STALLS)}
    if not isinstance(value[1], dict) or len(value[1]) > 1:  # it has made a step
        fields |= SOLVER_STATES[value[0]]
    record(fields)(value[1], f"{name}[1]", state)


curve = list_of(number)
TRAINING_FIELDS = {
    "_seed": integer(0, 2**31 - 1),
    "_training_state": random_state,
    "_solver_state": solver_state,
    "loss_curve_": curve,
    "grad_norm_curve_": curve,
    "validation_loss_curve_": either(None, curve),
    "validation_scores_": either(None, curve),
    "n_iter_": integer(),
    "t_": integer(),
    "loss_": number,
    "best_loss_": number,
    "best_validation_score_": either(None, number),
    "_no_improvement": integer(),
}


def check_training(fields):
    """Raise ValueError unless the fields of a `TrainingState` go together."""
    curves = fields["loss_curve_"]
    n_epochs, scores = len(curves), fields["validation_scores_"]
    watched = scores is not None
    if len(fields["grad_norm_curve_"]) != n_epochs or fields["n_iter_"] > n_epochs:
        raise ValueError("The curves and n_iter_ disagree about the number of epochs.")
    for name in ("validation_loss_curve_", "best_validation_score_"):
        if (fields[name] is not None) != watched:
            raise ValueError(f"{name} must {'not ' * watched}be None.")
    if watched and not (
        len(fields["validation_loss_curve_"]) == len(scores) <= n_epochs
    ):
        raise ValueError("The validation curves disagree about the number of epochs.")
    loss, last = fields["loss_"], curves[-1] if n_epochs else math.nan
    if loss != last and not (math.isnan(loss) and math.isnan(last)):
        raise ValueError(f"loss_ must be the loss of the last epoch, {last}.")
