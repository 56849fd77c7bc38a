"""The objective of a training: the loss of a network plus the penalty."""

import numpy as np

from skrnn._elementary import add_decay, total_weight

__all__ = ["Objective"]


class Objective:
    """The loss of a network plus the penalty, and the gradient of both, batch by batch.

    Parameters
    ----------
    network : Network
    loss : Loss
    options : TrainingOptions
    random_state : numpy.random.RandomState
        Draws the masks of dropout.
    theta : ndarray of shape (n_params,)
        Parameters. The gradient has their dtype.

    Attributes
    ----------
    grad : ndarray of shape (n_params,)
    """

    def __init__(self, network, loss, options, random_state, theta):
        self.network, self.loss = network, loss
        self.alpha, self.n_threads = options.alpha, options.n_threads
        self.random_state = random_state
        self.grad = np.zeros_like(theta)
        self._spans = network.layout.penalized_spans()

    def clear(self):
        """Set the gradient to zero."""
        self.grad.fill(0)

    def add(self, batch, targets, weight, share=1.0):
        """Add the gradient of ``share`` times the loss of a batch; return that loss."""
        # The caller checks once, at the end, that everything is finite.
        with np.errstate(over="ignore", invalid="ignore"):
            return self.network.add_gradient(
                self.loss,
                batch,
                targets,
                weight,
                self.grad,
                share=share,
                random_state=self.random_state,
                n_threads=self.n_threads,
            )

    def add_penalty(self, theta, weight):
        """Add the gradient of the penalty for data of this weight; return its value."""
        if not self.alpha:
            return 0.0
        strength = self.alpha / weight
        return 0.5 * strength * add_decay(theta, self.grad, self._spans, strength)

    def value(self, data):
        """Return the mean loss on data, without penalty and dropout."""
        value = total = 0.0
        for block in data.blocks():
            batch, targets, weight = data.batch(block, self.grad.dtype)
            share = total_weight(weight)
            value += share * self.network.value(
                self.loss, batch, targets, weight, n_threads=self.n_threads
            )
            total += share
        return value / total
