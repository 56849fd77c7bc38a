"""Tasks: what is done to one shard, and how it is told that it failed."""

import traceback
from typing import Any, NamedTuple

__all__ = ["Failure", "Task", "Work", "check_shards", "is_empty", "load", "run_task"]


class Work:
    """The tasks of an estimator, and what the driver does with their results.

    Parameters
    ----------
    estimator : estimator
        On the way to workers it holds its model, if there is one, without parameters.
    keeps : bool
        Whether what was read of shards in memory is kept for the next round.
    """

    def __init__(self, estimator, keeps=False):
        self.estimator, self.keeps = estimator, keeps
        self._kept = {}

    def __getstate__(self):
        return {**self.__dict__, "_kept": {}}

    def finish(self, runner, shards, estimator):
        """Learn from all shards what comes after the training."""


class Task(NamedTuple):
    """A method of some work, and the shard that it is for.

    A task depends on nothing but its arguments, so it may run anywhere, and twice.

    Parameters
    ----------
    work : Work
    method : str
        ``method(number, shard, *arguments)`` of the work is called.
    number : int
        Which of the shards.
    shard : tuple or callable
    arguments : tuple
    attempt : int
        How often the task was begun before. Engines that remember the results of
        equal calls see that this is another one.
    """

    work: Any
    method: str
    number: int
    shard: Any
    arguments: tuple = ()
    attempt: int = 0


class Failure:
    """An error of a task, as it travels from a worker to the driver.

    Parameters
    ----------
    error : Exception
    number : int
        Which of the shards.

    Attributes
    ----------
    transient : bool
        Whether the task may succeed when it is tried again.
    """

    def __init__(self, error, number):
        plain = next((kind for kind in PLAIN if isinstance(error, kind)), None)
        self.kind = RuntimeError if plain is None else plain
        what = str(error) if plain else f"{type(error).__name__}: {error}"
        self.message = f"shards[{number}]: {what}"
        self.transient = isinstance(error, OSError)
        self.lines = "".join(traceback.format_exception(error))
        self.cause = error

    def __getstate__(self):
        # An exception may hold what cannot be sent.
        return {**self.__dict__, "cause": None}

    def error(self):
        """Return the error to raise in the driver."""
        error = self.kind(self.message)
        if self.cause is None:
            error.add_note(f"On the worker:\n{self.lines}")
        error.__cause__ = self.cause
        return error


PLAIN = (ValueError, TypeError)


def run_task(task):
    """Return what a task makes, or the `Failure`."""
    try:
        method = getattr(task.work, task.method)
        return method(task.number, task.shard, *task.arguments)
    except Exception as error:
        return Failure(error, task.number)


def check_shards(shards):
    """Return the shards as a list; refuse anything else."""
    if isinstance(shards, str | bytes | dict) or not hasattr(shards, "__iter__"):
        raise TypeError(
            "shards must be a list of tuples (X, y[, sample_weight]), or of functions "
            f"that return one, got {type(shards).__name__}."
        )
    shards = list(shards)
    if not shards:
        raise ValueError("shards is empty. At least one shard is needed.")
    for number, shard in enumerate(shards):
        if not callable(shard):
            check_parts(shard, f"shards[{number}]")
    return shards


def check_parts(shard, what):
    """Refuse what is not (X, y) or (X, y, sample_weight)."""
    if not isinstance(shard, tuple) or not 1 <= len(shard) <= 3:
        found = type(shard).__name__
        if isinstance(shard, tuple):
            found = f"a tuple of {len(shard)}"
        raise TypeError(
            f"{what} must be a tuple (X, y) or (X, y, sample_weight), or a function "
            f"that returns one, got {found}."
        )


def load(shard):
    """Return the X, y and sample_weight of a shard; y and the weight may be None."""
    if callable(shard):
        shard = shard()
        check_parts(shard, "what the function returns")
    return (*shard, None, None)[:3]


def is_empty(X):
    """Return whether a shard has no sequences."""
    return hasattr(X, "__len__") and len(X) == 0
