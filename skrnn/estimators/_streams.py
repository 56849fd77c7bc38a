"""Streams of fitted estimators and of pipelines."""

from numbers import Integral

import numpy as np
from sklearn.base import is_classifier, is_regressor

from skrnn.models.stream import (
    Stream,
    choosing,
    fingerprint,
    reading,
    scaling,
    step_network,
)


def has_one_label(estimator):
    """Whether a classifier gives each sequence one of its classes."""
    return is_classifier(estimator) and not estimator._multilabel


def make_stream(estimator, n_seqs, method):
    """Return a stream of a fitted estimator; see `FittedNetwork.stream`."""
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
    spec = estimator._make_spec()
    if spec.can_step is not True:
        raise ValueError(spec.can_step)
    network, encoder = estimator._make_network(), estimator._make_encoder()
    network.load(estimator._theta)
    # The columns of a 2-D X are steps, and their names name no features.
    names = None
    if not estimator._columns_are_steps:
        names = getattr(estimator, "feature_names_in_", None)
    return Stream(
        step_network(network, encoder, int(n_seqs), names),
        _answer(estimator, int(n_seqs), method, network.n_out),
        fingerprint(estimator._theta, network, encoder),
    )


def _answer(estimator, n_seqs, method, n_out):
    read = estimator._readers()[method]
    if method == "predict" and n_seqs == 1 and has_one_label(estimator):
        # The class of one stream is looked up: shorter than an array's argmax.
        raw = np.zeros((1, n_out))
        answers = []
        for k in range(max(2, n_out)):
            raw[0] = k == np.arange(n_out) if n_out > 1 else k - 0.5
            answers.append(read(raw))
        for answer in answers:
            answer.flags.writeable = False
        return choosing(answers)
    if is_regressor(estimator):
        shape = (n_seqs, *estimator._target_shape)
        return scaling(estimator._target_scale, estimator._target_mean, shape)
    return reading(read)
