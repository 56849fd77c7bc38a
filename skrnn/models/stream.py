"""Prediction step by step, with the bits of the whole sequence so far."""

import hashlib
from collections.abc import Mapping
from copy import copy

import numpy as np

from skrnn._step_network import StepInput, StepNetwork, StepPooling
from skrnn._stepper import Stepper
from skrnn.models.copies import CopiedStream

__all__ = [
    "Stream",
    "choosing",
    "fingerprint",
    "reading",
    "scaling",
    "step_network",
    "transforming",
]


def step_network(network, encoder, n_seqs, names=None, convolutions=None):
    """Return a network that takes steps.

    Parameters
    ----------
    network : Network
        Loaded, and able to follow a stream.
    encoder : StepEncoder
    n_seqs : int
    names : sequence of str or None, default=None
        The names of the features, if they have any.
    convolutions : Convolutions or None, default=None
        Causal ones, whose outputs the network reads beside each segment.

    Returns
    -------
    steps : StepNetwork
    """
    layers = [recurrence for (recurrence,) in network.stack.recurrences]
    stepper = Stepper(layers, n_seqs)
    pooling = network.pooling
    return StepNetwork(
        StepInput(encoder, n_seqs, network.dtype, convolutions),
        stepper,
        StepPooling(pooling.stream, n_seqs, pooling.n_in, network.dtype),
        network.readout.head,
        names,
    )


def fingerprint(theta, network, encoder, categories=None, convolutions=None):
    """Return a str that identifies a model by everything that its states depend on."""
    digest = hashlib.sha256(np.ascontiguousarray(theta))
    for values in (encoder.mean, encoder.scale, encoder.fill):
        digest.update(b"-" if values is None else np.ascontiguousarray(values))
    facts = [(r.cell, r.n_in, r.n_units) for (r,) in network.stack.recurrences]
    facts += [network.pooling.stream, encoder.segment_length, encoder.missing]
    if categories is not None:
        known = categories.vocabularies
        facts.append([None if v is None else v.tokens.tolist() for v in known])
    if convolutions is not None:
        for name, values in sorted(convolutions.pack().items()):
            digest.update(name.encode() + np.asarray(values).tobytes())
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:16]


# Makers of output functions. A maker takes a StepNetwork and returns the function that
# turns a step x into a result.


def choosing(choices):
    """Return a maker: the choice with the largest output, for one sequence."""

    def make_output(steps):
        steps.answers = choices
        return steps.choose

    return make_output


def scaling(scale, mean, shape):
    """Return a maker: the outputs times `scale` plus `mean`, in this shape."""

    def make_output(steps):
        scaled = steps.scaled
        return lambda x: scaled(x, scale, mean).reshape(shape)

    return make_output


def reading(read):
    """Return a maker: a function of the raw outputs (n_seqs, n_out)."""

    def make_output(steps):
        step = steps.step
        return lambda x: read(step(x))

    return make_output


def transforming(transforms, names, make_output):
    """Return a maker: transforms, and then the function that `make_output` makes.

    Parameters
    ----------
    transforms : list of callables
        ``transform(rows, n_steps)`` takes the rows (n_seqs, n_features) of a step and
        the number of earlier steps (n_seqs,), and returns rows.
    names : sequence of str or None
        The names of the features, if they have any.
    make_output : callable
        The result of `choosing`, `scaling` or `reading`.
    """

    def make_transformed_output(steps):
        output = make_output(steps)

        def transformed_output(x):
            rows = steps.as_rows(x, names)
            n_steps = steps.n_steps
            for transform in transforms:
                rows = transform(rows, n_steps)
            return output(rows)

        return transformed_output

    return make_transformed_output


class Stream(CopiedStream):
    """A reader of sequences, one step at a time, with a fitted estimator.

    The estimator's method `stream` makes it. The cost of a step does not grow with the
    number of steps before it. The result of a step is, to the last bit, the result of
    the estimator's `method` for the sequence so far. The stream keeps the parameters
    that the estimator had when the stream was made. Only one thread at a time may use a
    stream. Streams do not disturb each other, and a copy of a stream is independent.

    Parameters
    ----------
    steps : StepNetwork
    make_output : callable
        The result of `choosing`, `scaling` or `reading`. It makes the function that
        computes the result of a step.
    model : str
        The `fingerprint` of the model. A state of another model is refused.

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

    def __init__(self, steps, make_output, model):
        self._steps, self._make_output, self._model = steps, make_output, model
        self._output = make_output(steps)

    def step(self, x):
        """Read one more step of each sequence.

        Parameters
        ----------
        x : array-like of shape (n_seqs, n_features), or (n_features,) of one sequence
            The step. If it is refused, the stream does not change. The columns of a
            DataFrame, and the index of a pandas Series, must be the names of the
            features if the estimator was fitted with names.

        Returns
        -------
        prediction : ndarray of shape (n_seqs,) or (n_seqs, n_outputs)
            The result of the estimator's `method` for the sequences so far.
        """
        return self._output(x)

    def reset(self, rows=None):
        """Begin new sequences, all of them or some.

        Parameters
        ----------
        rows : int, array-like of int or mask of shape (n_seqs,), default=None
            The sequences that begin anew, as places from 0 to ``n_seqs - 1``. The other
            sequences continue. None means all of them.

        Returns
        -------
        self : Stream
        """
        self._steps.reset(rows)
        return self

    @property
    def state(self):
        """The state after the steps so far, as a dict of new arrays.

        Assign it to this or another stream of the same model, with the same `n_seqs`,
        to continue from there. It can be pickled, or saved by :func:`numpy.savez`.
        """
        return {"model": np.array(self._model), **self._steps.get_state()}

    @state.setter
    def state(self, state):
        if isinstance(state, Mapping):  # an open file of np.savez is one, too
            state = dict(state)
            if str(state.pop("model", None)) != self._model:
                raise ValueError(
                    "The state is not of this model: the parameters differ. Assign it "
                    "to a stream of the model that it came from."
                )
        self._steps.set_state(state)

    def transformed(self, transforms, names, model):
        """Return a new stream whose steps go through transforms first.

        Parameters
        ----------
        transforms, names
            See `transforming`.
        model : str
            A fingerprint of the transforms.
        """
        make_output = transforming(transforms, names, self._make_output)
        return type(self)(copy(self._steps), make_output, f"{self._model} {model}")

    def __copy__(self):
        return type(self)(copy(self._steps), self._make_output, self._model)
