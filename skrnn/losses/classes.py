"""Losses of classes and labels."""

import numpy as np

from skrnn import _elementary
from skrnn._elementary import total_weight
from skrnn._token_loss import token_loss
from skrnn.losses.base import PointLoss

__all__ = ["LogLoss", "MultilabelLogLoss", "SmoothedTokenLoss", "TokenLogLoss"]


class _LogLoss(PointLoss):
    def predict_proba(self, raw):
        """Return the probabilities of the classes or labels, in float64."""
        return self._predict(raw, logarithm=False)

    def predict_log_proba(self, raw):
        """Return the logarithms of the probabilities, finite where raw is finite."""
        return self._predict(raw, logarithm=True)


class LogLoss(_LogLoss):
    """Log loss of class indices.

    Two classes have one output: the log-odds of the second class. Three or more classes
    have one output each.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    """

    def __init__(self, n_classes):
        if n_classes < 2:
            raise ValueError(f"LogLoss needs at least 2 classes, got {n_classes}.")
        self.n_classes = n_classes
        self.n_out = n_classes if n_classes > 2 else 1
        self.out_activation = "softmax" if n_classes > 2 else "logistic"

    def _compute(self, y, raw, weight, gradient):
        if self.n_out == 1:
            y = y.astype(np.float64)[:, np.newaxis]
            return _elementary.logistic_loss(y, raw, weight, gradient)
        scratch = np.empty(self.n_classes)
        return _elementary.multinomial_loss(y, raw, weight, gradient, scratch)

    def _predict(self, raw, logarithm):
        out = np.empty((len(raw), self.n_classes))
        if self.n_out == 1:
            _elementary.expit(raw, -1.0, out[:, :1], logarithm)
            _elementary.expit(raw, 1.0, out[:, 1:], logarithm)
        else:
            _elementary.softmax(raw, out, logarithm)
        return out


class TokenLogLoss(_LogLoss):
    """Log loss of the next token, with an output for each token, even for two.

    Parameters
    ----------
    n_tokens : int
        Number of tokens, at least 1.
    """

    out_activation = "softmax"

    def __init__(self, n_tokens):
        self.n_classes = self.n_out = n_tokens

    def replace(self, targets, wide, weight, share=1.0):
        """Turn outputs into their gradient, in place; return the loss."""
        total = total_weight(weight) / share
        return token_loss(targets, wide, self.n_out, weight, total)

    def _compute(self, y, raw, weight, gradient):
        wide = np.empty((len(raw), -(-self.n_out // 16) * 16), raw.dtype)
        wide[:, : self.n_out] = raw
        value = TokenLogLoss.replace(self, y, wide, weight)
        gradient[...] = wide[:, : self.n_out]
        return value

    def _predict(self, raw, logarithm):
        out = np.empty(raw.shape)
        _elementary.softmax(raw, out, logarithm)
        return out


class SmoothedTokenLoss(TokenLogLoss):
    """Log loss in training where each token has a share of every target.

    Without a gradient it is the plain log loss, which validation looks at.

    Parameters
    ----------
    n_tokens : int
    smoothing : float
        The share that all tokens have together, in [0, 1).

    References
    ----------
    Szegedy et al. 2016, "Rethinking the inception architecture": label smoothing.
    """

    def __init__(self, n_tokens, smoothing):
        super().__init__(n_tokens)
        self.smoothing = smoothing

    replace = PointLoss.replace

    def _compute(self, y, raw, weight, gradient):
        value = super()._compute(y, raw, weight, gradient)
        more = _elementary.smooth_labels(y, raw, weight, gradient, self.smoothing)
        return value + more

    def value(self, targets, raw, weight=None, run=None, p=None):
        """Return the weighted mean of the plain log loss."""
        return TokenLogLoss(self.n_out).value(targets, raw, weight, run, p)


class MultilabelLogLoss(_LogLoss):
    """Log loss of each label of an indicator matrix, summed over the labels.

    Parameters
    ----------
    n_labels : int
        Number of labels, each with one output: its log-odds.
    """

    out_activation = "logistic"

    def __init__(self, n_labels):
        self.n_out = n_labels

    def _compute(self, y, raw, weight, gradient):
        return _elementary.logistic_loss(y, raw, weight, gradient)

    def _predict(self, raw, logarithm):
        out = np.empty(raw.shape)
        _elementary.expit(raw, 1.0, out, logarithm)
        return out
