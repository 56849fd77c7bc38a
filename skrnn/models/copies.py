"""Streams are copied with all that they have read, and are not pickled."""

__all__ = ["CopiedStream"]


class CopiedStream:
    """A stream, whose `__copy__` has the same parameters, which never change."""

    _maker = "estimator"  # what its method `stream` belongs to

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __reduce__(self):
        raise TypeError(
            f"A stream cannot be pickled. Pickle the {self._maker} and `stream.state`, "
            f"then make a new stream by the {self._maker}'s `stream` and give it the "
            "state."
        )
