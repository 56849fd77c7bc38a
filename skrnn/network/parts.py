"""What all parts of a network have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from skrnn._initial import draw_mask
from skrnn._recurrence import PackedShape
from skrnn.network.layout import Layout

__all__ = ["Part", "Pass", "PassOptions", "SharedRows", "States", "StatesGradient"]


@dataclass(frozen=True)
class PassOptions:
    """What only the training of a network knows.

    Parameters
    ----------
    dropout : float, default=0.0
        Share of each layer's outputs that is dropped on their way to the next layer.
        The readout counts as a layer.
    recurrent_dropout : float, default=0.0
        Share of the state that is dropped where it feeds back, by one mask per sequence
        (Gal & Ghahramani 2016).
    bptt_steps : int, default=0
        The gradient is cut every `bptt_steps` steps, counted back from the last step
        that is read. 0 cuts nothing.
    trains : bool, default=True
        Whether `backward` will be called.
    embedding_dropout : float, default=0.0
        Share of the categories that are dropped, others for each sequence.
    embedding_frozen : bool, default=False
        Whether tables of embeddings stay as they are.
    seen_once : tuple of (ndarray of bool or None), default=()
        For each categorical feature, which ids are read as unknown half of the time.
    input_noise : float, default=0.0
        Standard deviation of what is added to the numbers that the network reads.
    time_masks, feature_masks : int, default=0
        How many stretches of steps, and of features, are set to zero in each sequence.
    n_channels : int, default=1
        Numbers of a step, of which segments have several side by side.
    n_features : int, default=1
        Features of a step; behind them stand the channels that say what is known.
    """

    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    bptt_steps: int = 0
    trains: bool = True
    embedding_dropout: float = 0.0
    embedding_frozen: bool = False
    seen_once: tuple = ()
    input_noise: float = 0.0
    time_masks: int = 0
    feature_masks: int = 0
    n_channels: int = 1
    n_features: int = 1


class Pass:
    """One run of a batch through a network.

    Parameters
    ----------
    batch : PackedBatch
    training : bool
        Whether to drop out, and to keep what `backward` needs.
    random_state : numpy.random.RandomState or None
        Draws the masks of dropout.
    n_threads : int

    Attributes
    ----------
    shape : PackedShape
        Which rows of the batch are which step of which sequence.
    """

    __slots__ = ("batch", "n_threads", "random_state", "shape", "training")

    def __init__(
        self,
        batch: Any,
        training: bool = False,
        random_state: np.random.RandomState | None = None,
        n_threads: int = 1,
    ) -> None:
        self.batch = batch
        self.shape = PackedShape(batch.n_active)
        self.training = training
        self.random_state = random_state
        self.n_threads = n_threads

    def mask(
        self, shape: tuple[int, int], rate: float, dtype: np.dtype
    ) -> np.ndarray | None:
        """Return a mask of dropout, or None where nothing is dropped.

        Its values are 0 with probability `rate` (in steps of 2**-16), else
        1 / (1 - rate).
        """
        if not self.training or rate == 0:
            return None
        if self.random_state is None:
            raise ValueError("dropout needs a random_state.")
        mask = np.empty(shape, dtype)
        # What draws in a RandomState; SciPy and others take it likewise.
        generator = self.random_state._bit_generator
        draw_mask(generator, round(rate * 65536), 1 / (1 - rate), mask)
        return mask


class Part(ABC):
    """A part of a network: it owns its parameters and the memory of its passes.

    A part is made of options, and costs nothing then. `declare` gives its parameters
    their places, `build` makes what computes, `load` takes the values of parameters.

    Attributes
    ----------
    n_in, n_out : int
        Columns of what the part reads and gives, known after `declare`.
    can_step : True or str
        True if the part can follow a stream, else the words of the error.
    """

    n_in: int
    n_out: int
    can_step: bool | str = True

    def declare(self, layout: Layout, n_in: int) -> int:
        """Add the parameters to a layout; return the number of outputs."""
        self.n_in = self.n_out = n_in
        return self.n_out

    def build(self, dtype: np.dtype, options: PassOptions) -> None:
        """Make what computes, for parameters of this dtype and these PassOptions."""
        self.dtype, self.options = dtype, options
        self._buffers: dict[str, np.ndarray] = {}

    def load(self, p: list[np.ndarray]) -> None:  # noqa: B027
        """Take the parameters from what `Layout.bind` gave; they may have changed."""

    def memory(self, name: str, n_rows: int, n_columns: int) -> np.ndarray:
        """Return uninitialised memory of a pass, which the next pass takes again."""
        size = n_rows * n_columns
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, dtype=self.dtype)
        return buffer[:size].reshape(n_rows, n_columns)

    @abstractmethod
    def forward(self, *inputs: Any) -> Any:
        """Compute the part's outputs for one pass."""


class SharedRows:
    """What the first layer reads, where many packed rows are the same.

    Parameters
    ----------
    x : ndarray of shape (n_distinct, n_columns)
        The distinct rows.
    found : DistinctIds
        ``x[found.inverse]`` are the packed rows.
    """

    __slots__ = ("found", "x")

    def __init__(self, x: np.ndarray, found: Any) -> None:
        self.x, self.found = x, found


class States:
    """The states of the last layer at all steps of a batch.

    Parameters
    ----------
    h : list of ndarrays of shape (n_rows, n_units)
        One array per direction, the forward direction first.
    part : Part
        The part that lends the memory for `joined`.
    """

    __slots__ = ("_joined", "h", "part")

    def __init__(self, h: list[np.ndarray], part: Part) -> None:
        self.h, self.part = h, part
        self._joined: np.ndarray | None = None

    def by_direction(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the columns of each direction in `joined`, and its states."""
        first = 0
        for h in self.h:
            last = first + h.shape[1]
            yield slice(first, last), h
            first = last

    def joined(self) -> np.ndarray:
        """Return the directions side by side, (n_rows, n_directions * n_units)."""
        if self._joined is None:
            self._joined = join(self.h, self.part, "joined")
        return self._joined


def join(h: list[np.ndarray], part: Part, name: str) -> np.ndarray:
    """Return arrays side by side, in memory of a part if there are several."""
    if len(h) == 1:
        return h[0]
    n_units = h[0].shape[1]
    joined = part.memory(name, h[0].shape[0], len(h) * n_units)
    for d, each in enumerate(h):
        joined[:, d * n_units : (d + 1) * n_units] = each
    return joined


class StatesGradient:
    """The gradient of the states of the last layer.

    Parameters
    ----------
    dy : ndarray of shape (n_rows, n_directions * n_units) or None
        The gradient of the states at all steps; None is zero.
    dlast : ndarray of shape (n_seqs, n_directions * n_units) or None
        The gradient of the states after the last step that was read; None is zero.
    """

    __slots__ = ("dlast", "dy")

    def __init__(
        self, dy: np.ndarray | None = None, dlast: np.ndarray | None = None
    ) -> None:
        self.dy, self.dlast = dy, dlast
