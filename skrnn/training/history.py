"""The history of a training."""

import copy
import math
from dataclasses import dataclass, field

__all__ = ["History"]


@dataclass
class History:
    """Losses, scores and counts of a training, epoch by epoch."""

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
        """Return an independent copy."""
        return copy.deepcopy(self)

    def curves(self):
        """Return the lists that have one value per epoch."""
        return [value for value in vars(self).values() if isinstance(value, list)]

    def record(self, n_seen, loss, grad_norm, validation_loss=None, score=None):
        """Add an epoch; n_iter changes last, when the epoch is complete."""
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
        """Return one line of text about the last epoch."""
        text = f"Iteration {self.n_iter}, loss = {self.loss:.8f}"
        if self.validation_loss_curve:
            text += f", validation loss = {self.validation_loss_curve[-1]:.8f}"
        if self.validation_scores:
            text += f", validation score = {self.validation_scores[-1]:.6f}"
        return text + f", gradient norm = {self.grad_norm_curve[-1]:.4g}"
