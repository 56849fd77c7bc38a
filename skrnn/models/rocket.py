"""A linear model on shares of whole sequences, whose outputs a network's add to."""

from dataclasses import dataclass

import numpy as np

from skrnn._elementary import total_weight
from skrnn.inputs.shares import Shares
from skrnn.models.ridge import multiply, ridge

__all__ = ["Rocket"]

MOST_SEQS = 2048  # that the linear model learns from
NETWORK = 0.67  # what the outputs of a network count beside those of the linear model
# Factors of the linear model's outputs that are tried, from the least on.
LEAST, GROWTH, N_FACTORS = 0.01, 1.15, 55
DOUBT = 0.1  # sequences whose loss grows with the factor: it stays finite


@dataclass(frozen=True)
class Rocket:
    """Shares of a sequence, and a ridge regression that tells classes by them.

    Attributes
    ----------
    shares : Shares
    coef : ndarray of shape (n_shares, n_out), float64
    intercept : ndarray of shape (n_out,), float64
    network : float
        What the outputs of the network count beside these.
    """

    shares: Shares
    coef: np.ndarray
    intercept: np.ndarray
    network: float

    def pack(self):
        """Return plain values by name."""
        own = {"coef": self.coef, "intercept": self.intercept, "network": self.network}
        return {**self.shares.pack(), **own}

    @classmethod
    def unpack(cls, fields):
        """Return what `pack` was made of."""
        coef = np.ascontiguousarray(fields["coef"])
        network = float(fields["network"])
        return cls(Shares.unpack(fields), coef, fields["intercept"], network)

    @classmethod
    def learn(cls, sequences, y, loss, *, seed, weight=None, least_gain=0.0):
        """Learn shares, and the ridge regression on them; None if it is no good.

        Its outputs are multiplied by a factor that makes the loss of sequences least
        that were left out one at a time. So a linear model that knows nothing says
        nearly nothing.

        Parameters
        ----------
        sequences : Sequences
            Of numbers; NaN is unknown. At most `MOST_SEQS` of them are read.
        y : ndarray of shape (n_seqs,) or (n_seqs, n_labels)
            Indices of classes, or an indicator of labels.
        loss : LogLoss or MultilabelLogLoss
        seed : int
        weight : ndarray of shape (n_seqs,), float64, or None
        least_gain : float, default=0.0
            By which share of it the loss of left out sequences has to be smaller than
            that of a model that says nothing.
        """
        weight = np.ones(len(sequences)) if weight is None else weight
        used = np.flatnonzero(weight > 0)
        if len(used) > MOST_SEQS:
            used = used[np.arange(MOST_SEQS) * len(used) // MOST_SEQS]
        y, weight = y[used], weight[used]
        sequences = sequences.take(used)
        shares, table = Shares.learn(sequences, seed=seed, weight=weight)
        coef, intercept, left_out = ridge(table, _signs(y, loss.n_out), weight)
        factor, gain = _factor(left_out, y, loss, weight)
        if gain < least_gain:
            return None
        return cls(shares, factor * coef, factor * intercept, NETWORK)

    def joined(self, raw, sequences):
        """Return the outputs of a network, and these beside them, (n_seqs, n_out)."""
        out = np.empty_like(raw)
        for part, shares in self.shares.tables(sequences):
            own = multiply(shares, self.coef) + self.intercept
            out[part] = raw[part] * self.network + own
        return out


def _signs(y, n_out):
    """Return 1 for the class or the label of an output, and -1 for others."""
    if y.ndim == 1 and n_out > 1:
        y = y[:, np.newaxis] == np.arange(n_out)
    y = np.asarray(y, dtype=np.float64)
    return 2 * (y if y.ndim == 2 else y[:, np.newaxis]) - 1


def _factor(left_out, y, loss, weight):
    """Return the factor of outputs that makes the loss least, and what it gains."""
    nothing = loss.value(y, 0 * left_out, weight)
    factor, best, least = LEAST, 0.0, nothing
    doubt = DOUBT / total_weight(weight)
    for _ in range(N_FACTORS):
        value = loss.value(y, factor * left_out, weight) + doubt * factor
        if value < least:
            best, least = factor, value
        factor *= GROWTH
    return best, 1 - least / nothing
