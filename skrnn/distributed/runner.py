"""Runs tasks in order: here, or on an executor, with retries."""

import pickle
from concurrent.futures import BrokenExecutor

from skrnn.distributed.tasks import Failure, run_task

__all__ = ["Runner"]

UNSENDABLE = (pickle.PicklingError, AttributeError, TypeError)


class Runner:
    """Runs tasks, and yields what they make in their order.

    Parameters
    ----------
    executor : Executor, callable or None
        None runs each task here when its turn comes. A callable returns an executor;
        it is called again when that one is broken.
    retries : int
        How often a task is tried again.
    """

    def __init__(self, executor, retries):
        self.executor, self.retries = executor, retries
        self._make = None
        self._left = False  # whether tasks were begun that nobody waits for
        # A class of executors has the method, and makes an executor when it is called.
        makes = isinstance(executor, type) or not hasattr(executor, "submit")
        if executor is not None and makes:
            if not callable(executor):
                raise TypeError(
                    "executor must have a method submit, like those of "
                    "concurrent.futures and client.get_executor() of dask, or be a "
                    f"function that returns such an object, got {executor!r}."
                )
            self._make = executor
            self.executor = executor()
            if not hasattr(self.executor, "submit"):
                raise TypeError(
                    "What executor returns must have a method submit, got "
                    f"{self.executor!r}."
                )

    def close(self):
        """Shut down an executor that was made here."""
        if self._make is None or not hasattr(self.executor, "shutdown"):
            return
        # Ctrl-C reaches processes, too, and may leave the queue between them locked.
        # Those that nobody waits for are ended, so that nobody waits for ever.
        processes = dict(getattr(self.executor, "_processes", None) or {})
        self.executor.shutdown(wait=not self._left, cancel_futures=True)
        if self._left:
            for process in processes.values():
                process.terminate()

    def run(self, tasks):
        """Yield what each task makes, in order; raise the error of the first failure.

        Tasks that were not begun are cancelled after an error, and when the generator
        is closed.
        """
        if self.executor is None:
            for task in tasks:
                yield self._run_here(task)
            return
        tasks = list(tasks)
        futures = {}
        try:
            for i, task in enumerate(tasks):
                futures[i] = self._submit(task)
            for i in range(len(tasks)):
                yield self._result(i, tasks, futures)
                # What is done need not be kept.
                tasks[i] = futures[i] = None
        finally:
            for future in futures.values():
                if future is not None:
                    self._left = True
                    future.cancel()

    def _run_here(self, task):
        for attempt in range(self.retries + 1):
            found = run_task(task)
            if not isinstance(found, Failure):
                return found
            if not found.transient or attempt == self.retries:
                break
        raise found.error()

    def _submit(self, task):
        try:
            return self.executor.submit(run_task, task)
        except BrokenExecutor as error:
            self._renew(error)
            return self.executor.submit(run_task, task)

    def _renew(self, error):
        """Make another executor in place of a broken one."""
        if self._make is None:
            raise RuntimeError(
                "A worker died, and its executor can run nothing more. Pass a function "
                "that makes an executor, so that another one can go on: "
                "executor=lambda: ProcessPoolExecutor(2)."
            ) from error
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._make()

    def _result(self, i, tasks, futures):
        """Return what task `i` makes; begin it again if its worker is lost."""
        while True:
            try:
                found = futures[i].result()
            except UNSENDABLE as error:
                raise TypeError(
                    f"shards[{tasks[i].number}] cannot be sent to a worker: {error}. "
                    "Processes of concurrent.futures need functions that are defined "
                    "at the top level of a module; dask and ray also take others."
                ) from error
            except BrokenExecutor as error:
                self._count(i, tasks, error)
                self._renew(error)
                for j in range(i, len(tasks)):
                    if not _is_made(futures[j]):
                        futures[j] = self._submit(tasks[j])
                continue
            except Exception as error:  # the engine has lost the task
                self._count(i, tasks, error)
                futures[i] = self._submit(tasks[i])
                continue
            if not isinstance(found, Failure):
                return found
            if not found.transient or tasks[i].attempt >= self.retries:
                raise found.error()
            tasks[i] = tasks[i]._replace(attempt=tasks[i].attempt + 1)
            futures[i] = self._submit(tasks[i])

    def _count(self, i, tasks, error):
        """Count one more attempt of a task whose worker was lost."""
        task = tasks[i]
        if task.attempt >= self.retries:
            raise RuntimeError(
                f"shards[{task.number}]: the worker was lost {task.attempt + 1} times "
                f"({type(error).__name__}: {error}). Does it have enough memory for "
                "the shard?"
            ) from error
        tasks[i] = task._replace(attempt=task.attempt + 1)


def _is_made(future):
    """Return whether a future has a result."""
    return future.done() and not future.cancelled() and future.exception() is None
