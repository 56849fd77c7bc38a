"""Prediction step by step, with the bits of the whole sequence so far."""

from numbers import Integral

import numpy as np
from sklearn.base import is_classifier, is_regressor

from skrnn._streaming import Cursor

__all__ = ["Stream"]


def has_one_label(estimator):
    """Whether a classifier gives each sequence one of its classes."""
    return is_classifier(estimator) and not estimator._multilabel


class Stream:
    """Sequences that a fitted estimator reads as they come, one step at a time.

    Made by the estimator's method `stream`. A step costs the same however many came
    before it, and gives, to the last bit, what the estimator's `method` gives for the
    sequence so far. The stream keeps the parameters that the estimator had when it was
    made. One stream is for one thread at a time; streams do not disturb each other.

    Parameters
    ----------
    estimator : RNNClassifier or RNNRegressor
        A fitted estimator that reads in one direction, with the pooling "last", "mean"
        or "max".
    n_seqs : int, default=1
        How many sequences are read side by side.
    method : str, default="predict"
        What a step returns: "predict", and of a classifier also "predict_proba",
        "predict_log_proba" or "decision_function".

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) + n % 2 for n in rng.integers(5, 20, size=40)]
    >>> y = [len(x) % 2 for x in X]
    >>> model = RNNClassifier(random_state=0).fit(X, y)
    >>> stream = model.stream()
    >>> for x in X[0]:
    ...     prediction = stream.step(x)
    >>> bool(prediction == model.predict(X[:1]))
    True
    >>> stream.reset().step(X[1][0]).shape
    (1,)
    """

    def __init__(self, estimator, n_seqs=1, method="predict"):
        if not isinstance(n_seqs, Integral) or not 1 <= n_seqs < 2**31:
            raise ValueError(
                f"n_seqs must be an int of at least 1 and below 2**31, got {n_seqs!r}."
            )
        readers = estimator._readers()
        if method not in readers:
            raise ValueError(
                f"method must be one of {sorted(readers)} for "
                f"{type(estimator).__name__}, got {method!r}."
            )
        can_step = estimator._make_spec().can_step
        if can_step is not True:
            raise ValueError(can_step)
        self._read = readers[method]
        network = estimator._make_network()
        network.load(estimator._theta)
        self._cursor = Cursor(network, estimator._make_encoder(), int(n_seqs))
        self._answers = self._scaling = None
        if method == "predict" and n_seqs == 1 and has_one_label(estimator):
            # The class of one stream is looked up: shorter than an array's argmax.
            raw = np.zeros((1, network.n_out))
            self._answers = []
            for k in range(max(2, network.n_out)):
                raw[0] = k == np.arange(network.n_out) if network.n_out > 1 else k - 0.5
                self._answers.append(self._read(raw))
            for answer in self._answers:
                answer.flags.writeable = False
        elif is_regressor(estimator):
            self._scaling = estimator._target_scale, estimator._target_mean
            self._shape = (int(n_seqs), *estimator._target_shape)

    def step(self, x):
        """Read one more step of each sequence.

        Parameters
        ----------
        x : array-like of shape (n_seqs, n_features), or (n_features,) of one sequence
            The step. If it is refused, the stream is as it was before.

        Returns
        -------
        prediction : ndarray of shape (n_seqs,) or (n_seqs, n_outputs)
            What the estimator's `method` gives for the sequences so far.
        """
        if self._answers is not None:
            return self._answers[self._cursor.choose(x)]
        if self._scaling is not None:
            return self._cursor.scaled(x, *self._scaling).reshape(self._shape)
        return self._read(self._cursor.step(x))

    def reset(self):
        """Begin new sequences.

        Returns
        -------
        self : Stream
        """
        self._cursor.reset()
        return self

    @property
    def state(self):
        """What the steps so far have left, as a dict of new arrays.

        Assign it to this or another stream of the same model to go on from there.
        """
        return self._cursor.get_state()

    @state.setter
    def state(self, state):
        self._cursor.set_state(state)
