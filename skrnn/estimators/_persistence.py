"""What an estimator's pickle holds, and which version wrote it."""

import re
import warnings
from collections import deque

from sklearn.exceptions import InconsistentVersionWarning

from skrnn import __version__


class NewerVersionWarning(InconsistentVersionWarning):
    """A model was kept by a newer skrnn than the one that loads it."""

    def __str__(self):
        return (
            f"Loading a {self.estimator_name} that was saved by skrnn "
            f"{self.original_sklearn_version} with skrnn "
            f"{self.current_sklearn_version}. A newer version may keep what this one "
            "does not know: predictions can be wrong. Use at least the version that "
            "saved the model."
        )


def release(version):
    """Numbers of a version: ``"1.10.0.dev0"`` gives ``(1, 10, 0)``."""
    return tuple(map(int, re.match(r"[\d.]*\d|", version)[0].split(".")))


class StampedState:
    """Mixin: the state carries the version that wrote it and leaves out caches."""

    def __getstate__(self):
        state = dict(super().__getstate__(), _skrnn_version=__version__)
        state.pop("_idle_networks", None)
        # Callbacks hold sockets and logs of a session. A search sends them to its
        # workers with an estimator that is not fitted yet: only then they go along.
        if self.__sklearn_is_fitted__():
            state.pop("_skl_callbacks", None)
        return state

    def __setstate__(self, state):
        state = dict(state)
        stamp = state.pop("_skrnn_version", __version__)
        if release(stamp) > release(__version__):
            warnings.warn(
                NewerVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=__version__,
                    original_sklearn_version=stamp,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
        self._idle_networks = deque()
