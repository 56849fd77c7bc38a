"""Options of a training, and hooks that are called while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Hooks", "TrainingOptions"]


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training.

    Parameters
    ----------
    max_iter : int
        Largest number of epochs.
    batch_size : int
        Number of items per update; the last batch of an epoch may be smaller.
    shuffle : bool or "blocks", default=True
        Whether each epoch has its own random order of the items, or of blocks of
        `SHUFFLED_BLOCK` neighbours and within each block.
    alpha : float, default=0.0
        Strength of the L2 penalty: half the sum of squares of the penalized parameters,
        divided by the sum of sample weights in the batch.
    max_grad_norm : float, default=None
        A gradient (of loss and penalty) with a larger norm is scaled down to this norm.
        The limit is multiplied by the weight of the batch over the weight of an
        ordinary batch.
    tol, n_iter_no_change : float and int
        Training stops when more than `n_iter_no_change` epochs have not improved the
        watched value by `tol`. With a 'linear' schedule of the learning rate the
        training loss never stops training.
    early_stopping : bool, default=False
        Whether the validation data decide when to stop, in place of the training loss.
        Training then ends with the parameters of the best epoch.
    epoch_size : int, default=None
        Largest number of items per epoch; with `shuffle`, each epoch takes other items.
        None takes all items.
    n_threads : int, default=1
    verbose : bool, default=False
    keep_interrupted : bool, default=True
        Whether Ctrl-C ends the training with the parameters of the last whole update.
        Otherwise KeyboardInterrupt is raised, like an error.
    """

    max_iter: int
    batch_size: int
    shuffle: bool | str = True
    alpha: float = 0.0
    max_grad_norm: float | None = None
    tol: float = 1e-4
    n_iter_no_change: float = 10
    early_stopping: bool = False
    epoch_size: int | None = None
    n_threads: int = 1
    verbose: bool = False
    keep_interrupted: bool = True


class Hooks(NamedTuple):
    """Functions that are called around each epoch.

    Parameters
    ----------
    on_epoch_begin : callable, default=None
        ``on_epoch_begin()`` is called before each epoch.
    on_epoch : callable, default=None
        ``on_epoch(history)`` is called after each epoch; True stops the training.
    """

    on_epoch_begin: Callable[[], Any] | None = None
    on_epoch: Callable[[Any], bool] | None = None
