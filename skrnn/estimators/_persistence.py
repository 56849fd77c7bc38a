"""What an estimator's pickle holds."""

from collections import deque

from skrnn._stamp import Stamped


class StampedState(Stamped):
    """Mixin: the state carries the version that wrote it and leaves out caches."""

    def __getstate__(self):
        state = super().__getstate__()
        state.pop("_idle_networks", None)
        # Callbacks hold sockets and logs of a session. A search sends them to its
        # workers with an estimator that is not fitted yet: only then they go along.
        if self.__sklearn_is_fitted__():
            state.pop("_skl_callbacks", None)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._idle_networks = deque()
