"""What a fitted estimator relies on: which features, and which stretches of time."""

from skrnn.inspection._permutation import permutation_importance

__all__ = ["permutation_importance"]
