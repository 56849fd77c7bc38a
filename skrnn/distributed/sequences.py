"""What is done to shards of sequences, by workers and by the driver."""

import copy
import warnings
from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from skrnn.distributed.rounds import ShardedData
from skrnn.distributed.summary import (
    ShardSummary,
    merge_counts_of_classes,
    merge_samples,
)
from skrnn.distributed.tasks import Task, Work, is_empty, load
from skrnn.estimators._embeddings import initialize_embeddings
from skrnn.inputs.convolved import Convolutions
from skrnn.models.training_state import TrainingState

__all__ = ["SequenceWork"]

# By how much the shares of the classes in shards may differ from those in all data.
MOST_APART = 0.25


class SequenceWork(Work):
    """The tasks of an estimator of whole sequences, or of their steps.

    Parameters
    ----------
    estimator : SequenceEstimator
        On the way to workers it holds its model, if there is one, without parameters.
    keeps : bool
        Whether what was checked of shards in memory is kept for the next round.
    """

    n_shards = 1  # that have sequences

    # On a worker -----------------------------------------------------------------

    def summarize(self, number, shard):
        """Return the `ShardSummary` of a shard, None if it has no sequences."""
        X, y, sample_weight = load(shard)
        if is_empty(X):
            return None
        estimator = copy.copy(self.estimator)
        samples = estimator._check_samples(
            X, y, sample_weight, reset=True, measure=True
        )
        target = estimator._learn_target(samples.y, None)
        needs_moments = estimator.standardize or estimator.missing == "indicator"
        return ShardSummary.of(estimator, samples, target, needs_moments)

    def convolve(self, number, shard, sizes, options):
        """Return the `Convolutions` that a shard teaches; see `Convolutions.learn`."""
        estimator = copy.copy(self.estimator)
        samples = estimator._check_samples(*load(shard), reset=True, measure=True)
        weight = samples.sample_weight
        return Convolutions.learn(samples.sequences, *sizes, weight=weight, **options)

    def learn_rocket(self, number, shard, model, seed):
        """Return the `Rocket` that a shard teaches, or None."""
        estimator = copy.copy(self.estimator)
        samples = estimator._check_samples(*load(shard), reset=True, measure=True)
        counts = model.target.counts(samples.y, samples.sample_weight)
        if estimator.rocket == "auto" and not counts.all():
            return None  # of a class that it has not seen it would say that it is rare
        return estimator._with_rocket(model, samples, seed, False).rocket

    def weigh(self, number, shard):
        """Return how many sequences count, and their mean weight in the loss."""
        data, _ = self._prepare(number, shard)
        return len(data.used), data.mean_weight

    def train(self, number, shard, order):
        """Carry out an `Order`."""
        data, n_seqs = self._prepare(number, shard)
        estimator = self.estimator

        def make_trainer(solver, generator):
            # The fewer updates a shard makes, the smaller they are.
            n_alone = n_seqs // self.n_shards
            return estimator._make_trainer(solver, generator, n_alone, False)

        return order.train(estimator._make_solver(), make_trainer, data)

    def _prepare(self, number, shard):
        """Return the data of a shard, and its number of sequences."""
        if number in self._kept:
            return self._kept[number]
        estimator = self.estimator
        samples = estimator._check_samples(*load(shard))
        found = estimator._make_data(samples, samples), len(samples)
        if self.keeps and not callable(shard):
            self._kept[number] = found
        return found

    # In the driver ---------------------------------------------------------------

    def begin(self, runner, shards, given):
        """Learn what the estimator has to know of all shards, before it trains.

        Parameters
        ----------
        runner : Runner
        shards : list
        given : tuple
            ``X_val``, ``y_val`` and ``sample_weight_val``.

        Returns
        -------
        data : ShardedData
        numbers : list of int
            The shards that have sequences.
        validation : Data or None
        scorer : callable or None
        """
        estimator = self.estimator
        given = estimator._check_given(*given)
        tasks = [Task(self, "summarize", k, shard) for k, shard in enumerate(shards)]
        summaries = list(runner.run(tasks))
        samples, form = merge_samples(summaries)
        vars(estimator).update(form)
        target = self._learn_target(summaries)
        seed = check_random_state(estimator.random_state).randint(
            np.iinfo(np.int32).max
        )
        validation = None
        if given is not None:
            validation = estimator._hold_out(samples, given, target, seed)[1]

        def ask(name, *args):
            # What kernels look for is learned from the first shard alone.
            first = next(k for k, part in enumerate(summaries) if part is not None)
            return next(
                iter(runner.run([Task(self, name, first, shards[first], args)]))
            )

        def learn(sequences, *sizes, weight, **options):
            return ask("convolve", sizes, options)

        model = estimator._make_model(samples, target, seed, learn)
        if estimator._wants_rocket(model):
            rocket = ask("learn_rocket", model.with_theta(np.zeros(0)), seed)
            model = replace(model, rocket=rocket)
        model = model.initialize(seed)
        estimator._model = initialize_embeddings(model, estimator.embedding_init, seed)
        estimator._training = TrainingState.begin(seed)
        scorer = estimator._make_scorer(validation)
        vars(estimator).pop("_learns_table", None)
        self._make_light(summaries, estimator)
        if validation is not None:
            validation = self.estimator._make_data(validation, validation)
        numbers = [k for k, summary in enumerate(summaries) if summary is not None]
        self.n_shards = len(numbers)
        data = ShardedData(len(samples), samples.mean_weight)
        if target.per == "step" or getattr(estimator, "class_weight", None) is not None:
            tasks = [Task(self, "weigh", k, shards[k]) for k in numbers]
            data = ShardedData.of(runner.run(tasks))
        return data, numbers, validation, scorer

    def _learn_target(self, summaries):
        """Return the target of all shards."""
        targets = [part.target for part in summaries if part is not None]
        no_targets = next(part.no_targets for part in summaries if part is not None)
        if targets[0].all_labels is None:
            return targets[0].joined(targets[1:])
        labels = [target.all_labels for target in targets]
        if len({array.dtype.kind in "OUS" for array in labels}) > 1:
            raise ValueError(
                "The labels are strings in some shards and numbers in others. Convert "
                "them to one kind."
            )
        return self.estimator._learn_target(no_targets, np.concatenate(labels))

    def _make_light(self, summaries, estimator):
        """Leave to workers a copy of the estimator that has no parameters."""
        target, light = estimator._model.target, copy.copy(estimator)
        light._model = estimator._model.with_theta(np.zeros(0))
        counts = merge_counts_of_classes(summaries, target)
        if counts is not None:
            if str(light.class_weight) == "balanced":
                light.class_weight = target.balanced(counts.sum(axis=0))
            _warn_if_sorted(counts)
        self.estimator = light

    @staticmethod
    def make_trainer(estimator, solver, generator, data, early_stopping, rounds):
        """Return the `Trainer` of the driver, whose epochs are `rounds`."""
        n_seqs = len(data.used)
        return estimator._make_trainer(
            solver, generator, n_seqs, early_stopping, run_epoch=rounds
        )


def _warn_if_sorted(counts):
    """Warn if the classes of shards differ so much that averages lose by it.

    Parameters
    ----------
    counts : ndarray of shape (n_shards, n_columns, n_classes)
    """
    weight = counts.sum(axis=2, keepdims=True)
    share = counts / np.where(weight > 0, weight, 1.0)
    total = counts.sum(axis=0)
    overall = total / total.sum(axis=1, keepdims=True)
    apart = 0.5 * np.abs(share - overall).sum(axis=2)
    # What chance alone makes of shards that are drawn at random.
    spread = np.sqrt(overall * (1 - overall) / np.maximum(weight, 1.0))
    chance = spread.sum(axis=2) / np.sqrt(2 * np.pi)
    mean = np.average(apart, axis=0, weights=weight[:, :, 0])
    by_chance = np.average(chance, axis=0, weights=weight[:, :, 0])
    if (mean > MOST_APART + 2 * by_chance).any():
        warnings.warn(
            "The shards hold different classes: on average, "
            f"{100 * mean.max():.0f} % of a shard would have to be of another class "
            "for its classes to have the shares of all data. A shard forgets the "
            "classes that it lacks, and averages of such shards may be worse. Spread "
            "the sequences over the shards at random, or set rounds_per_epoch higher.",
            UserWarning,
            stacklevel=4,
        )
