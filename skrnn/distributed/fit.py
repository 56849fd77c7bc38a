"""One model of many shards."""

from numbers import Integral

from sklearn.base import clone

from skrnn.distributed.panels import PanelWork
from skrnn.distributed.rounds import Rounds
from skrnn.distributed.runner import Runner
from skrnn.distributed.sequences import SequenceWork
from skrnn.distributed.tasks import check_shards
from skrnn.distributed.texts import TextWork
from skrnn.estimators import (
    LanguageModel,
    RNNClassifier,
    RNNRegressor,
    SequenceForecaster,
    SequenceTagger,
    SequenceTranscriber,
    SequenceTranslator,
    SeriesOutlierDetector,
    StepRegressor,
)
from skrnn.solvers import SOLVERS

__all__ = ["fit_shards"]

WORK = {
    RNNClassifier: SequenceWork,
    RNNRegressor: SequenceWork,
    SequenceForecaster: PanelWork,
    SequenceTagger: SequenceWork,
    StepRegressor: SequenceWork,
    SequenceTranscriber: SequenceWork,
    LanguageModel: TextWork,
}


def fit_shards(
    estimator,
    shards,
    executor=None,
    *,
    rounds_per_epoch=1,
    X_val=None,
    y_val=None,
    sample_weight_val=None,
    retries=3,
):
    """Fit one model to data that lie in shards, on any executor.

    First, each shard is read once, and its statistics are merged: the scale of the
    features and targets, the classes, the length of segments. Then rounds follow. In a
    round each shard trains a copy of the network on its own sequences, and the
    parameters and the state of the solver are averaged. A shard counts by the weight
    of its sequences.

    The result depends on the shards and their order, and not on what executes them: it
    has the same bits for any executor and any number of workers, also if workers are
    lost on the way. With one shard and one round in each epoch, it has the bits of
    ``fit``.

    Parameters
    ----------
    estimator : RNNClassifier, RNNRegressor, SequenceTagger, StepRegressor, \
            SequenceTranscriber, LanguageModel or SequenceForecaster
        It is cloned, and stays as it is.
    shards : list of tuples (X, y) or (X, y, sample_weight), or of callables
        The data, as for ``fit``; for a forecaster tuples ``(X,)``, panels of series;
        for a language model ``(X,)`` or ``(X, None, sample_weight)``, texts. A callable
        takes no arguments and returns such a tuple. It is called on the worker, once
        before the training and once in each round, so that the data of a shard are in
        memory only while they are used. It must return the same data each time. A shard
        without sequences is left out.
    executor : Executor, callable or None, default=None
        What runs the tasks: an executor of :mod:`concurrent.futures`,
        ``client.get_executor()`` of dask, or any object with such a method
        ``submit``. A callable returns an executor; another one is made when a
        worker's death has broken the first one. None runs one task after the other
        here, which is training out of core, with whole epochs.
    rounds_per_epoch : int, default=1
        How often an epoch averages. More rounds are nearer to a training of all
        sequences together, and send more.
    X_val, y_val, sample_weight_val : array-like, default=None
        Sequences, targets and weights for early stopping, as in ``fit``. They are read
        in this process. ``early_stopping=True`` needs them.
    retries : int, default=3
        How often a task is tried again when its worker is lost, or when it raises an
        :class:`OSError`.

    Returns
    -------
    estimator : object
        A fitted estimator, like one that ``fit`` returns.

    Raises
    ------
    ValueError
        If the data of a shard are refused, as by ``fit``; the message begins with
        ``shards[k]``. If there is ``early_stopping`` without `X_val`, or the solver
        is 'lbfgs'.
    TypeError
        If the estimator, the shards or the executor are of another kind, or a shard
        cannot be sent to a worker.
    RuntimeError
        If a callable raises another error, or a worker is lost more than `retries`
        times.

    Warns
    -----
    UserWarning
        If the shards hold different classes. After Ctrl-C, when the model of the last
        whole round is kept.

    See Also
    --------
    RNNClassifier.partial_fit : One pass over sequences that come one block at a time.

    Notes
    -----
    An int `batch_size` is the number of sequences of a shard that make an update.
    ``"auto"`` chooses it as ``fit`` would for the sequences of a shard over the number
    of shards: a shard makes at least 15 updates in an epoch for each shard that there
    is, as long as a batch has 4 to 32 sequences. A round sends each worker the
    parameters and, with 'adam', two more numbers for each of them, and receives as
    many.

    Averaging the parameters of workers that train by themselves is local SGD [1]_, also
    known as federated averaging [2]_. It suits shards that are alike: spread the
    sequences over the shards at random.

    All parts of a forecaster except its network come from the first shard alone: the
    scales, the linear part, the share of the network and the intervals. So it should
    hold series like those of the other shards. An epoch takes up to 20,000 windows of
    each shard.

    A language model learns the tokens of all shards. Each shard has lanes of its own,
    and reads on from where they are; at the beginning of each round it starts from zero
    states. With `ngram_order` the n-grams of all shards are counted after the training,
    in two more passes, and the share of the network is chosen by texts that each shard
    has held out.

    scikit-learn's callbacks are not called.

    References
    ----------
    .. [1] Stich, S. U. (2019). Local SGD converges fast and communicates little. ICLR.
           `arXiv:1805.09767 <https://arxiv.org/abs/1805.09767>`_
    .. [2] McMahan, B., et al. (2017). Communication-efficient learning of deep networks
           from decentralized data. AISTATS.
           `arXiv:1602.05629 <https://arxiv.org/abs/1602.05629>`_

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.distributed import fit_shards
    >>> def make_shard(seed):
    ...     rng = np.random.default_rng(seed)
    ...     X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(50)]
    ...     return X, [int(x[:, 0].sum() > 0) for x in X]
    >>> shards = [make_shard(0), make_shard(1)]
    >>> clf = fit_shards(RNNClassifier(16, random_state=0), shards)
    >>> clf.predict([np.full((3, 2), 2.0), np.full((9, 2), -2.0)])
    array([1, 0])
    """
    shards = check_shards(shards)
    work_kind = _check_estimator(estimator)
    for name, value, least in (
        ("rounds_per_epoch", rounds_per_epoch, 1),
        ("retries", retries, 0),
    ):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"{name} must be an int of at least {least}, got {value!r}."
            )
    estimator = clone(estimator)
    estimator._check_parameters(False)
    _check_training(estimator, X_val)
    runner = Runner(executor, retries)
    try:
        work = work_kind(estimator, keeps=runner.executor is None)
        given = X_val, y_val, sample_weight_val
        _train(estimator, work, runner, shards, int(rounds_per_epoch), given)
    finally:
        runner.close()
    return estimator


def _check_estimator(estimator):
    """Return the kind of work that an estimator needs."""
    for kind, work_kind in WORK.items():
        if isinstance(estimator, kind):
            return work_kind
    names = ", ".join(kind.__name__ for kind in WORK)
    kind, hint = type(estimator).__name__, ""
    if isinstance(estimator, SequenceTranslator):
        hint = (
            " A translator learns its pieces of words from all texts together, which "
            "no shard holds. partial_fit takes one block of pairs after the other."
        )
    if isinstance(estimator, SeriesOutlierDetector):
        hint = (
            " A detector scores all series in the call of fit. Fit it to the whole "
            "panel, or one detector to the series of each shard."
        )
    if isinstance(estimator, type):
        kind = f"the class {estimator.__name__}"
        hint = f" Make an object of it: {estimator.__name__}()."
    if hasattr(estimator, "steps"):
        hint = (
            " Of a pipeline, pass the last step, and transform the data of a shard in "
            "the function that loads them."
        )
    raise TypeError(f"fit_shards takes {names}, got {kind}.{hint}")


def _check_training(estimator, X_val):
    """Refuse ways to train that need all data in one place."""
    if not SOLVERS[estimator.solver].has_partial_fit:
        raise ValueError(
            f"solver={estimator.solver!r} needs all data at each evaluation. Set "
            "solver='adam' or 'sgd'."
        )
    if X_val is None and estimator.early_stopping:
        raise ValueError(
            "early_stopping=True needs X_val and y_val: fit_shards holds no sequences "
            "of the shards out."
        )


def _train(estimator, work, runner, shards, n_rounds, given):
    """Train an estimator on shards, and leave in it what came out."""
    data, numbers, validation, scorer = work.begin(runner, shards, given)
    model, training = estimator._model, estimator._training
    theta, generator = model.theta.copy(), training.generator()
    solver = estimator._make_solver()
    rounds = Rounds(runner, work, shards, numbers, n_rounds, training.seed)
    early_stopping = validation is not None
    trainer = work.make_trainer(
        estimator, solver, generator, data, early_stopping, rounds
    )
    history = trainer.fit(theta, data, validation=validation, scorer=scorer)
    estimator._model = model.with_theta(theta)
    estimator._training = training.after(
        estimator.solver, solver, generator, history, False
    )
    work.finish(runner, shards, estimator)
