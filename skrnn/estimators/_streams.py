"""Streams of fitted estimators and of pipelines."""

from numbers import Integral

from skrnn.models.stream import (
    Stream,
    choosing,
    fingerprint,
    reading,
    scaling,
    step_network,
)


def make_stream(estimator, n_seqs, method):
    """Return a stream of a fitted estimator; see the estimators' method `stream`."""
    if not isinstance(n_seqs, Integral) or not 1 <= n_seqs < 2**31:
        raise ValueError(
            f"n_seqs must be an int of at least 1 and below 2**31, got {n_seqs!r}."
        )
    model = estimator._model
    outputs = model.target.outputs()
    if method not in outputs:
        raise ValueError(
            f"method must be one of {sorted(outputs)} for "
            f"{type(estimator).__name__}, got {method!r}."
        )
    if model.spec.can_step is not True:
        raise ValueError(model.spec.can_step)
    network, encoder = model.network(), model.encoder
    # The columns of a 2-D X are steps, and their names name no features.
    names = None
    if not estimator._columns_are_steps:
        names = getattr(estimator, "feature_names_in_", None)
    return Stream(
        step_network(network, encoder, int(n_seqs), names),
        _answer(model.target, int(n_seqs), method),
        fingerprint(model.theta, network, encoder),
    )


def _answer(target, n_seqs, method):
    choices = target.choices(method) if n_seqs == 1 else None
    if choices is not None:
        # The result of one stream is looked up: shorter than an array's argmax.
        return choosing(choices)
    affine = target.affine(method)
    if affine is not None:
        scale, mean, shape = affine
        return scaling(scale, mean, (n_seqs, *shape))
    return reading(target.outputs()[method])
