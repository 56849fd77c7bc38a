"""Rounds of local training: what a shard is sent, what it returns, their average."""

from typing import Any, NamedTuple

import numpy as np

from skrnn.distributed.tasks import Task
from skrnn.training import Updates

__all__ = ["Order", "Rounds", "ShardedData", "Trained"]


class Order(NamedTuple):
    """What a shard is to do in a round.

    Parameters
    ----------
    theta : ndarray of shape (n_params,)
    solver_state : dict
    time : tuple of (int, float)
        The arguments of `set_time` of the solver.
    mean_weight : float
    part : tuple of (int, int)
        Which part of an epoch, of how many.
    epoch : tuple of (int or None, int or None)
        Which epoch, where the learning rate is planned, and how many batches the one
        before had.
    begin, random_state : dict
        The states of the random generator of the shard, as the epoch began and now.
    """

    theta: np.ndarray
    solver_state: dict[str, np.ndarray]
    time: tuple
    mean_weight: float
    part: tuple
    epoch: tuple
    begin: dict[str, Any]
    random_state: dict[str, Any]

    def train(self, solver, make_trainer, data):
        """Carry the order out; ``make_trainer(solver, generator)`` gives a Trainer."""
        solver.set_state(self.solver_state)
        solver.set_time(*self.time)
        generator = _generator(self.random_state)
        trainer, theta = make_trainer(solver, generator), self.theta.copy()
        begin = None if self.part[0] == 0 else _generator(self.begin)
        updates = trainer.fit_part(
            theta, data, self.mean_weight, self.part, begin=begin, epoch=self.epoch
        )
        state = generator.get_state(legacy=False)
        return Trained(theta, solver.get_state(), state, updates, data.n_batches)


class Trained(NamedTuple):
    """What a shard returns: its parameters, states and sums."""

    theta: np.ndarray
    solver_state: dict[str, np.ndarray]
    random_state: dict[str, Any]
    updates: Updates
    n_batches: int | None


class ShardedData:
    """Stands for the data of all shards in a `Trainer`."""

    ordinary_weight = 1.0

    n_batches = None  # workers set the learning rate before each update

    def __init__(self, n_items, mean_weight):
        self.used, self.mean_weight = range(n_items), mean_weight

    @classmethod
    def of(cls, parts):
        """Return what stands for parts of so many items and this mean weight."""
        n_items, mean = 0, 0.0
        for n, weight in parts:  # the mean of a single part is its own
            n_items += n
            mean += (weight - mean) * (n / n_items)
        return cls(n_items, mean)


class Rounds:
    """Makes the updates of an epoch on all shards: the `run_epoch` of a `Trainer`.

    Parameters
    ----------
    runner : Runner
    work : Work
    shards : list
    numbers : list of int
        Those that have sequences.
    n_rounds : int
        Rounds of an epoch.
    seed : int
        Draws the order of the items of all shards but the first one, which goes on
        with the generator of the trainer.
    """

    def __init__(self, runner, work, shards, numbers, n_rounds, seed):
        self.runner, self.work, self.shards = runner, work, shards
        self.numbers, self.n_rounds = numbers, n_rounds
        self.states = {
            k: np.random.RandomState([seed, 2, k]).get_state(legacy=False)
            for k in numbers[1:]
        }
        self.n_batches = dict.fromkeys(numbers)

    def __call__(self, job, mean_weight):
        """Make the updates of one epoch; return the `Updates`."""
        first = self.numbers[0]
        generator = job.objective.random_state
        begin = {**self.states, first: generator.get_state(legacy=False)}
        states, total = begin, Updates()
        for i in range(self.n_rounds):
            mean, states_after, n_batches = Average(), {}, {}
            part = i, self.n_rounds
            tasks = self._tasks(job, mean_weight, part, begin, states)
            for k, trained in zip(self.numbers, self.runner.run(tasks), strict=True):
                mean.add(trained)
                states_after[k] = trained.random_state
                n_batches[k] = trained.n_batches
                total = Updates(
                    *(a + b for a, b in zip(total, trained.updates, strict=True))
                )
            states = states_after
            mean.write(job)
            generator.set_state(states[first])
            if i == 0:
                self._check_number(n_batches.values(), len(job.data.used))
        self.states, self.n_batches = states, n_batches
        return total

    def _check_number(self, n_batches, n_items):
        """Refuse more rounds than there can be batches, which would do nothing."""
        n_batches = list(n_batches)
        most = n_items if None in n_batches else sum(n_batches)
        if self.n_rounds > most:
            raise ValueError(
                f"rounds_per_epoch={self.n_rounds} is more than the {most} batches "
                "that the shards have together in an epoch. Set a smaller one."
            )

    def _tasks(self, job, mean_weight, part, begin, states):
        solver = job.solver
        theta, state = job.theta.copy(), solver.get_state()
        time = solver.n_seen, solver.progress
        for k in self.numbers:
            epoch = job.epoch, self.n_batches[k]
            order = Order(
                theta, state, time, mean_weight, part, epoch, begin[k], states[k]
            )
            yield Task(self.work, "train", k, self.shards[k], (order,))


class Average:
    """The mean of what shards return, weighted by the weight of what they have seen.

    It is kept in float64 and in the order of the shards. The mean of a single shard is
    what that shard returns, to the last bit.
    """

    def __init__(self):
        self.weight, self.theta, self.state = 0.0, None, None

    def add(self, trained):
        """Count what a shard returns."""
        weight = trained.updates.weight
        if not weight:
            return  # it had no batch in this part of the epoch
        self.weight += weight
        state = trained.solver_state
        if self.theta is None:
            self.theta = trained.theta.astype(np.float64)
            self.state = {
                name: array.astype(np.float64) if array.dtype.kind == "f" else array
                for name, array in state.items()
            }
            self.dtypes = {name: array.dtype for name, array in state.items()}
            return
        share = weight / self.weight
        self.theta += share * (trained.theta - self.theta)
        for name, array in state.items():
            if array.dtype.kind == "f":  # counts stay those of the first shard
                self.state[name] += share * (array - self.state[name])

    def write(self, job):
        """Give a job the parameters and the state of its solver."""
        if self.theta is None:
            return
        solver = job.solver
        state = {name: a.astype(self.dtypes[name]) for name, a in self.state.items()}
        time = solver.n_seen, solver.progress
        job.theta[:] = self.theta
        solver.set_state(state)
        solver.set_time(*time)
        job.load()


def _generator(state):
    generator = np.random.RandomState()
    generator.set_state(state)
    return generator
