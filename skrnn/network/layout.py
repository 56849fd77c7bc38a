"""The place of each parameter in the one flat vector that holds all of them."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from skrnn._initial import orthogonalize

__all__ = ["Layout", "Slot", "constants", "glorot_uniform", "orthogonal", "zeros"]


# Writes the first values of a parameter to a view of it.
Init = Callable[[np.ndarray, np.random.RandomState], None]


class Slot(int):
    """The place of one parameter: an index into what `Layout.bind` returns.

    Attributes
    ----------
    name : str
    start : int
        The parameter's first number in the flat vector.
    shape : tuple of int
    init : callable
        ``init(view, random_state)`` writes the first values.
    penalized : bool
        Whether the L2 penalty counts the parameter: weights yes, biases no.
    """

    name: str
    start: int
    shape: tuple[int, ...]
    init: Init
    penalized: bool

    def __new__(
        cls,
        index: int,
        name: str,
        start: int,
        shape: tuple[int, ...],
        init: Init,
        penalized: bool,
    ) -> "Slot":
        slot = super().__new__(cls, index)
        slot.name, slot.start, slot.shape = name, start, shape
        slot.init, slot.penalized = init, penalized
        return slot

    @property
    def stop(self) -> int:
        """The end of the parameter in the flat vector."""
        return self.start + math.prod(self.shape)


class Layout:
    """The parameters of all parts, in the order in which the parts declared them."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.n_params = 0
        self._names: set[str] = set()

    def add(
        self, name: str, shape: tuple[int, ...], init: Init, penalized: bool = True
    ) -> Slot:
        """Give a parameter its place.

        Parameters
        ----------
        name : str
            A name that no other parameter has.
        shape : tuple of int
        init : callable
            ``init(view, random_state)`` writes the first values.
        penalized : bool, default=True

        Returns
        -------
        slot : Slot
        """
        if name in self._names:
            raise ValueError(f"There is already a parameter called {name!r}.")
        slot = Slot(len(self.slots), name, self.n_params, shape, init, penalized)
        self.slots.append(slot)
        self._names.add(name)
        self.n_params = slot.stop
        return slot

    def bind(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the parameters in a flat vector as a list of 2-D views, by slot.

        A parameter with one axis becomes one row, since compiled parts take 2-D arrays.
        """
        return [np.atleast_2d(view) for view in self.views(vector).values()]

    def views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Return the parameters in a flat vector by name, as arrays on its memory."""
        return {
            slot.name: vector[slot.start : slot.stop].reshape(slot.shape)
            for slot in self.slots
        }

    def initialize(
        self, random_state: np.random.RandomState, dtype: DTypeLike
    ) -> np.ndarray:
        """Draw the first parameters.

        Parameters
        ----------
        random_state : numpy.random.RandomState
        dtype : float32 or float64

        Returns
        -------
        theta : ndarray of shape (n_params,)
        """
        theta = np.zeros(self.n_params, dtype=dtype)
        for slot, view in zip(self.slots, self.views(theta).values(), strict=True):
            slot.init(view, random_state)
        return theta

    def penalized_spans(self) -> np.ndarray:
        """Return (start, stop) of each parameter that the L2 penalty counts."""
        spans = [(slot.start, slot.stop) for slot in self.slots if slot.penalized]
        return np.array(spans, dtype=np.intp).reshape(-1, 2)


# First values ------------------------------------------------------------------------


def zeros(view: np.ndarray, random_state: np.random.RandomState) -> None:
    """Leave the parameter at zero."""


def glorot_uniform(n_blocks: int = 1) -> Init:
    """Return an init that draws from the uniform distribution of Glorot & Bengio 2010.

    The columns are `n_blocks` matrices side by side, one for each gate.
    """

    def init(view: np.ndarray, random_state: np.random.RandomState) -> None:
        bound = np.sqrt(6 / (view.shape[0] + view.shape[1] // n_blocks))
        # Not `uniform(-bound, bound)`: NumPy may be compiled to fuse its sum.
        view[...] = 2 * bound * random_state.random_sample(view.shape) - bound

    return init


def orthogonal(view: np.ndarray, random_state: np.random.RandomState) -> None:
    """Draw an orthogonal matrix per gate (Saxe, McClelland & Ganguli 2014).

    The columns are square matrices side by side, one for each gate.
    """
    n = view.shape[0]
    for start in range(0, view.shape[1], n):
        # A sum of four uniform numbers is nearly normal. It needs no logarithm, whose
        # last bit would depend on the machine.
        rows = random_state.uniform(-1, 1, size=(4, n, n))
        rows = (rows[0] + rows[1]) + (rows[2] + rows[3])
        orthogonalize(rows)
        view[:, start : start + n] = rows


def constants(values: Sequence[float]) -> Init:
    """Return an init that repeats each of `values` over an equal share of a vector."""

    def init(view: np.ndarray, random_state: np.random.RandomState) -> None:
        view[...] = np.repeat(values, view.size // len(values))

    return init
