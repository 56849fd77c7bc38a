"""Noise and masks that training adds to numbers."""

from dataclasses import replace
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

from skrnn.solvers import SOLVERS

AUGMENTATION = {
    "input_noise": [Interval(Real, 0, None, closed="left")],
    "time_masks": [Interval(Integral, 0, None, closed="left")],
    "feature_masks": [Interval(Integral, 0, None, closed="left")],
}


def with_augmentation(estimator, options, model):
    """Return `PassOptions` with the noise and the masks of an estimator."""
    added = {name: getattr(estimator, name) for name in AUGMENTATION}
    if not any(added.values()) or not SOLVERS[estimator.solver].drops_out:
        return options
    if model.categories is not None:
        raise ValueError(
            f"{', '.join(AUGMENTATION)} are for features of numbers, and X has tokens. "
            "Set them to 0; embedding_dropout is for tokens."
        )
    return replace(
        options,
        n_channels=model.encoder.n_in // model.segment_length,
        n_features=model.encoder.n_features,
        **added,
    )
