"""Prediction step by step, with the bits of the whole sequence so far."""

import hashlib
from collections.abc import Mapping
from copy import copy

import numpy as np

from skrnn._step_network import StepInput, StepNetwork, StepPooling
from skrnn._stepper import Stepper

__all__ = [
    "Stream",
    "choosing",
    "fingerprint",
    "reading",
    "scaling",
    "step_network",
    "transforming",
]


def step_network(network, encoder, n_seqs, names=None):
    """Return a network that takes steps.

    Parameters
    ----------
    network : Network
        Loaded, and able to follow a stream.
    encoder : StepEncoder
    n_seqs : int
    names : sequence of str or None, default=None
        The names of the features, if they have any.

    Returns
    -------
    steps : StepNetwork
    """
    layers = [recurrence for (recurrence,) in network.stack.recurrences]
    stepper = Stepper(layers, n_seqs)
    pooling = network.pooling
    return StepNetwork(
        StepInput(encoder, n_seqs, network.dtype),
        stepper,
        StepPooling(pooling.stream, n_seqs, pooling.n_out, network.dtype),
        network.readout.head,
        names,
    )


def fingerprint(theta, network, encoder):
    """Return a str that tells models apart by what their states depend on."""
    digest = hashlib.sha256(np.ascontiguousarray(theta))
    for values in (encoder.mean, encoder.scale, encoder.fill):
        digest.update(b"-" if values is None else np.ascontiguousarray(values))
    facts = [(r.cell, r.n_in, r.n_units) for (r,) in network.stack.recurrences]
    facts += [network.pooling.stream, encoder.segment_length, encoder.missing]
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]


# What a step returns: each function takes a StepNetwork and returns a function of x.


def choosing(answers):
    """One stream's result, looked up by which output is the largest."""

    def answer(steps):
        steps.answers = answers
        return steps.choose

    return answer


def scaling(scale, mean, shape):
    """The outputs times `scale` plus `mean`, as an array of this shape."""

    def answer(steps):
        scaled = steps.scaled
        return lambda x: scaled(x, scale, mean).reshape(shape)

    return answer


def reading(read):
    """What a function makes of the raw outputs, (n_seqs, n_out)."""

    def answer(steps):
        step = steps.step
        return lambda x: read(step(x))

    return answer


def transforming(transforms, names, answer):
    """What `answer` gives for steps that go through transforms before.

    Parameters
    ----------
    transforms : list of callables
        ``transform(rows, n_steps)`` takes the rows (n_seqs, n_features) of a step and
        the number of steps (n_seqs,) before it, and returns rows.
    names : sequence of str or None
        The names of the features, if they have any.
    answer : callable
        `choosing`, `scaling` or `reading`.
    """

    def transformed_answer(steps):
        answer_to_rows = answer(steps)

        def answer_to_step(x):
            rows = steps.as_rows(x, names)
            n_steps = steps.n_steps
            for transform in transforms:
                rows = transform(rows, n_steps)
            return answer_to_rows(rows)

        return answer_to_step

    return transformed_answer


class Stream:
    """Sequences that a fitted estimator reads as they come, one step at a time.

    Made by the estimator's method `stream`. A step costs the same however many came
    before it, and gives, to the last bit, what the estimator's `method` gives for the
    sequence so far. The stream keeps the parameters that the estimator had when it was
    made. One stream is for one thread at a time; streams do not disturb each other, and
    a copy of a stream is a stream of its own.

    Parameters
    ----------
    steps : StepNetwork
    answer : callable
        `choosing`, `scaling` or `reading`: what a step returns.
    model : str
        The `fingerprint` of the model, so that a state of another one is refused.

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

    def __init__(self, steps, answer, model):
        self._steps, self._make_answer, self._model = steps, answer, model
        self._answer = answer(steps)

    def step(self, x):
        """Read one more step of each sequence.

        Parameters
        ----------
        x : array-like of shape (n_seqs, n_features), or (n_features,) of one sequence
            The step. If it is refused, the stream is as it was before. The columns of a
            DataFrame, and the index of a pandas Series, must be the names of the
            features if the estimator was fitted with names.

        Returns
        -------
        prediction : ndarray of shape (n_seqs,) or (n_seqs, n_outputs)
            What the estimator's `method` gives for the sequences so far.
        """
        return self._answer(x)

    def reset(self, rows=None):
        """Begin new sequences, in all streams or in some of them.

        Parameters
        ----------
        rows : int, array-like of int or mask of shape (n_seqs,), default=None
            Which of the `n_seqs` sequences begin anew, counted from 0; the others go
            on. None is all of them.

        Returns
        -------
        self : Stream
        """
        self._steps.reset(rows)
        return self

    @property
    def state(self):
        """What the steps so far have left, as a dict of new arrays.

        Assign it to this or another stream of the same model, with the same `n_seqs`,
        to go on from there. It can be pickled, or saved by :func:`numpy.savez`.
        """
        return {"model": np.array(self._model), **self._steps.get_state()}

    @state.setter
    def state(self, state):
        if isinstance(state, Mapping):  # an open file of np.savez is one, too
            state = dict(state)
            if str(state.pop("model", None)) != self._model:
                raise ValueError(
                    "The state is not of this model: it was left by other parameters."
                )
        self._steps.set_state(state)

    def transformed(self, transforms, names, model):
        """Return a new stream whose steps go through transforms before.

        Parameters
        ----------
        transforms, names
            As `transforming` has them.
        model : str
            What tells the transforms apart from others.
        """
        answer = transforming(transforms, names, self._make_answer)
        return Stream(copy(self._steps), answer, f"{self._model} {model}")

    def __copy__(self):
        return Stream(copy(self._steps), self._make_answer, self._model)

    def __deepcopy__(self, memo):
        return self.__copy__()  # the parameters never change

    def __reduce__(self):
        raise TypeError(
            "A stream cannot be pickled. Pickle the estimator and `stream.state`, then "
            "make a new stream by the estimator's `stream` and give it the state."
        )
