"""What is done to shards of texts, by workers and by the driver."""

import copy
from functools import reduce
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from skrnn.distributed.rounds import ShardedData
from skrnn.distributed.tasks import Task, Work, is_empty, load
from skrnn.estimators._samples import check_sample_weight
from skrnn.inputs.texts import NAMES, open_texts
from skrnn.inputs.tokens import merge_counts
from skrnn.models.mixture import Mixture
from skrnn.models.training_state import TrainingState
from skrnn.training.lanes import Texts

__all__ = ["TextWork"]


class Counted(NamedTuple):
    """What a model needs to know of the texts of one shard.

    Parameters
    ----------
    form : {"text", "tokens", "ids"}
    tokens : tuple
        The tokens, and how often each occurs: see `TextReader.count`.
    """

    form: str
    tokens: tuple


class Prepared(NamedTuple):
    """The texts of one shard, as ids.

    Parameters
    ----------
    texts, kept : Texts
        All, and those to train on.
    weight : ndarray of shape (n_kept,) or None
    unseen : Texts or None
        Those that choose the shares of a mixture.
    """

    texts: Texts
    kept: Texts
    weight: np.ndarray | None
    unseen: Texts | None


class TextWork(Work):
    """The tasks of a language model.

    Parameters
    ----------
    estimator : LanguageModel
        On the way to workers it holds its model, if there is one, without parameters.
    keeps : bool
        Whether the texts of shards in memory are kept for the next round.
    """

    n_shards, first = 1, 0  # how many have texts, and the first of them
    splits = True  # whether texts are held out to choose the shares of a mixture

    # On a worker -----------------------------------------------------------------

    def summarize(self, number, shard):
        """Return what was `Counted` in a shard, None if it has no texts."""
        found = self._open(shard)
        if found is None:
            return None
        items, form, _ = found
        return Counted(form, self.estimator._reader(form).count(items))

    def weigh(self, number, shard):
        """Return how many texts count, the mean weight of windows, and how many.

        None if there is nothing to predict.
        """
        prepared = self._prepare(number, shard)
        if not prepared.kept.lengths.any():
            return None
        data = self._lanes(prepared)
        return len(data.used), data.mean_weight, data.n_windows

    def train(self, number, shard, order):
        """Carry out an `Order`."""
        estimator = self.estimator
        data = self._lanes(self._prepare(number, shard))

        def make_trainer(solver, generator):
            return estimator._make_trainer(solver, generator, False)

        return order.train(estimator._make_solver(), make_trainer, data)

    def count_kept(self, number, shard):
        """Return the n-grams of the texts that trained, and those that did not."""
        prepared = self._prepare(number, shard)
        return self._ngrams(prepared.kept), prepared.unseen

    def count_all(self, number, shard):
        """Return the n-grams of all texts."""
        return self._ngrams(self._prepare(number, shard).texts)

    def _ngrams(self, texts):
        model, order = self.estimator._model, self.estimator._order
        return Mixture.count(texts, order, model.n_out).ngrams

    def _open(self, shard):
        """Return the texts of a shard, their form and their weights, or None."""
        X, _, sample_weight = load(shard)
        if is_empty(X):
            return None
        items, form = open_texts(X)
        weight = check_sample_weight(sample_weight, len(items), "sample_weight")
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            items, weight = [items[i] for i in kept], weight[kept]
        return items, form, weight

    def _prepare(self, number, shard):
        """Return the texts of a shard."""
        if number in self._kept:
            return self._kept[number]
        estimator = self.estimator
        items, _, weight = self._open(shard)
        texts = estimator._model.texts(estimator._reader(), items)
        kept, unseen = texts, None
        if self.splits:
            part = () if number == self.first else (number,)
            kept, weight, unseen = estimator._split_for_shares(
                texts, weight, part, self.n_shards
            )
        found = Prepared(texts, kept, weight, unseen)
        if self.keeps and not callable(shard):
            self._kept[number] = found
        return found

    def _lanes(self, prepared):
        return self.estimator._lanes(
            prepared.kept, prepared.weight, True, self.n_shards
        )

    # In the driver ---------------------------------------------------------------

    def begin(self, runner, shards, given):
        """Learn the tokens of all shards; see `SequenceWork.begin`."""
        estimator = self.estimator
        X_val, *others = given
        if any(part is not None for part in others):
            raise ValueError(
                "y_val and sample_weight_val are not for language models: X_val holds "
                "texts."
            )
        if X_val is not None and not estimator.early_stopping:
            raise ValueError(
                "X_val is given, but early_stopping is False. Set early_stopping=True."
            )
        tasks = [Task(self, "summarize", k, shard) for k, shard in enumerate(shards)]
        found = {k: part for k, part in enumerate(runner.run(tasks)) if part}
        if not found:
            raise ValueError("No shard has any texts.")
        form = _only_form(found)
        counted = merge_counts(part.tokens for part in found.values())
        seed = check_random_state(estimator.random_state).randint(
            np.iinfo(np.int32).max
        )
        estimator._model = model = estimator._model_of(counted, form, seed)
        estimator._training = TrainingState.begin(seed)
        held_out = None if X_val is None else estimator._read(X_val, "X_val")
        self.estimator = light = copy.copy(estimator)
        light._model = model.with_theta(np.zeros(0))
        self.n_shards, self.first = len(found), min(found)
        self.splits = estimator._order is not None and held_out is None
        tasks = [Task(self, "weigh", k, shards[k]) for k in found]
        weighed = dict(zip(found, runner.run(tasks), strict=True))
        weighed = {k: part for k, part in weighed.items() if part is not None}
        if not weighed:
            raise ValueError("No shard has a token to predict.")
        windows = [(n_windows, mean) for _, mean, n_windows in weighed.values()]
        n_texts = sum(n for n, _, _ in weighed.values())
        data = ShardedData(n_texts, ShardedData.of(windows).mean_weight)
        self._counting, self._held_out = list(found), held_out
        validation = None
        if held_out is not None:
            validation = estimator._lanes(held_out, None, False)
        return data, list(weighed), validation, None

    @staticmethod
    def make_trainer(estimator, solver, generator, data, early_stopping, rounds):
        """Return the `Trainer` of the driver, whose epochs are `rounds`."""
        return estimator._make_trainer(
            solver, generator, early_stopping, run_epoch=rounds
        )

    def finish(self, runner, shards, estimator):
        """Count the n-grams of all shards, and weigh them against the network."""
        if estimator._order is None:
            return
        numbers, held_out = self._counting, self._held_out
        self._counting = self._held_out = None  # what workers need not have
        kept, unseen = zip(
            *runner.run(Task(self, "count_kept", k, shards[k]) for k in numbers),
            strict=True,
        )
        model = estimator._model
        mixture = Mixture.of(_merged(kept))
        unseen = _joined([texts for texts in (held_out, *unseen) if texts is not None])
        if unseen is not None:
            mixture = estimator._choose_share(mixture, unseen)
        if self.splits:
            tasks = (Task(self, "count_all", k, shards[k]) for k in numbers)
            mixture = mixture.with_ngrams(_merged(runner.run(tasks)))
        estimator._model = model.with_mixture(mixture)


def _only_form(found):
    """Return the form of the texts of all shards."""
    (first, part), *others = found.items()
    for k, other in others:
        if other.form != part.form:
            raise ValueError(
                f"shards[{k}] holds {NAMES[other.form]}, and shards[{first}] holds "
                f"{NAMES[part.form]}. Give all texts in one form."
            )
    return part.form


def _merged(ngrams):
    """Return what all n-grams together are."""
    return reduce(lambda a, b: a.merged(b), ngrams)


def _joined(parts):
    """Return `Texts` of several shards, None if there are none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    starts = [part.start[:-1] for part in parts]
    before = np.cumsum([0, *(len(part.ids) for part in parts)])
    starts = [start + n for start, n in zip(starts, before, strict=False)]
    start = np.concatenate([*starts, before[-1:]]).astype(np.intp)
    ids = np.concatenate([part.ids for part in parts])
    return Texts(ids, start, parts[0].begin, parts[0].end)
