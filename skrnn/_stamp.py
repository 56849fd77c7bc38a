"""Pickles that say which version of skrnn wrote them."""

import re
import warnings

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
    return tuple(int(n) for n in re.match(r"[\d.]*", version)[0].split(".") if n)


def warn_if_newer(version, estimator_name, stacklevel):
    """Warn when `version` is a later release than this one."""
    if release(version) > release(__version__):
        warnings.warn(
            NewerVersionWarning(
                estimator_name=estimator_name,
                current_sklearn_version=__version__,
                original_sklearn_version=version,
            ),
            stacklevel=stacklevel + 1,
        )


class Stamped:
    """Mixin: the state of a pickle carries the version that wrote it."""

    def __getstate__(self):
        return dict(super().__getstate__(), _skrnn_version=__version__)

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_skrnn_version", __version__)
        warn_if_newer(version, type(self).__name__, stacklevel=3)
        super().__setstate__(state)
