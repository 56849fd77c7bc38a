"""What is done to shards of a panel of series, by workers and by the driver."""

import copy
from dataclasses import replace

import numpy as np

from skrnn.distributed.rounds import ShardedData
from skrnn.distributed.tasks import Task, Work, is_empty, load

__all__ = ["PanelWork"]

SEEDS = 2**31 - 1


class PanelWork(Work):
    """The tasks of a forecaster.

    The first shard that has series decides about all but the network: the scales, the
    linear part, the share of the network and the intervals.

    Parameters
    ----------
    estimator : SequenceForecaster
        On the way to workers it holds its model, if there is one, without parameters.
    keeps : bool
        Whether the windows of shards in memory are kept for the next round.
    """

    # On a worker -----------------------------------------------------------------

    def start(self, number, shard):
        """Return the estimator without a trained network, None if there are no series.

        Also whether it was interrupted.
        """
        X = self._series(shard)
        if is_empty(X):
            return None
        estimator = copy.copy(self.estimator)
        _, interrupted = estimator._fit_parts(X, None, False)
        return vars(estimator), interrupted

    def weigh(self, number, shard):
        """Return how many windows an epoch takes, None if there are no series."""
        if is_empty(self._series(shard)):
            return None
        data = self._prepare(number, shard)
        most = self.estimator._window_options(data, None, False).epoch_size
        return min(len(data.used), most)

    def train(self, number, shard, order):
        """Carry out an `Order`."""
        data = self._prepare(number, shard)
        estimator = self.estimator
        options = estimator._window_options(data, None, False)

        def make_trainer(solver, generator):
            return estimator._make_trainer(estimator._model, solver, options, generator)

        return order.train(estimator._make_solver(), make_trainer, data)

    def _series(self, shard):
        X, y, sample_weight = load(shard)
        if y is not None or sample_weight is not None:
            raise ValueError(
                "a shard of a forecaster is a panel of series, (X,), without y and "
                "weights."
            )
        return X

    def _prepare(self, number, shard):
        """Return the windows of a shard."""
        if number in self._kept:
            return self._kept[number]
        estimator = self.estimator
        _, panel, _ = estimator._model.access.read_more(self._series(shard), None)
        data = estimator._window_data(panel)
        if self.keeps and not callable(shard):
            self._kept[number] = data
        return data

    # In the driver ---------------------------------------------------------------

    def begin(self, runner, shards, given):
        """Learn from the first shard all but the network; see `SequenceWork.begin`."""
        estimator = self.estimator
        if any(part is not None for part in given) or estimator.early_stopping:
            raise ValueError(
                "early_stopping and X_val are not for forecasters on shards. Set "
                "early_stopping=False, and choose max_iter by a fit to one shard."
            )
        if estimator.random_state is None:
            # Workers must not draw: a task that is tried again is the same.
            self.estimator = copy.copy(estimator)
            self.estimator.random_state = np.random.mtrand._rand.randint(SEEDS)
        for k, shard in enumerate(shards):
            [found] = runner.run([Task(self, "start", k, shard)])
            if found is not None:
                break
        else:
            raise ValueError("No shard has any series.")
        attributes, interrupted = found
        if interrupted:
            raise KeyboardInterrupt
        random_state = estimator.random_state
        vars(estimator).update(attributes)
        estimator.random_state = random_state
        model = estimator._model
        self.estimator = copy.copy(estimator)
        # Other series are read; those of the first shard need not travel.
        self.estimator._model = replace(model.with_theta(np.zeros(0)), history=())
        tasks = [Task(self, "weigh", i, shards[i]) for i in range(k, len(shards))]
        counts = dict(zip(range(k, len(shards)), runner.run(tasks), strict=True))
        numbers = [i for i, n in counts.items() if n is not None]
        data = ShardedData(sum(counts[i] for i in numbers), None)
        return data, numbers, None, None

    @staticmethod
    def make_trainer(estimator, solver, generator, data, early_stopping, rounds):
        """Return the `Trainer` of the driver, whose epochs are `rounds`."""
        options = estimator._training_options(1, False)  # batches are those of shards
        model = estimator._model
        return estimator._make_trainer(
            model, solver, options, generator, run_epoch=rounds
        )
