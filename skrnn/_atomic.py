"""Methods that change an object as a whole, or not at all."""

import functools

__all__ = ["all_or_nothing"]


def all_or_nothing(method):
    """Leave the estimator as it was when the method fails."""

    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        # Fitted objects are replaced and never written to, so the names are enough.
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self.__dict__ = before
            raise

    return wrapper
