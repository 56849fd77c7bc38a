"""The description of a network, from which everything else about it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from skrnn.network.inputs import Input, NumbersInput
from skrnn.network.layout import Layout
from skrnn.network.pooling import ALL_POOLINGS, Pooling
from skrnn.network.readout import LinearReadout, Readout
from skrnn.network.stack import Layer, RecurrentStack

__all__ = ["NetworkSpec", "Parts"]


class OwnsParameters(Protocol):
    """A loss, as far as a layout is concerned."""

    def declare(self, layout: Layout) -> None:
        """Add own parameters to a layout."""


class Parts(NamedTuple):
    """The parts of one network, in the order in which data flow through them."""

    input: Input
    stack: RecurrentStack
    pooling: Pooling
    readout: Readout


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is made of; it allocates nothing.

    Parameters
    ----------
    n_in : int
        Columns of a packed batch.
    hidden_layer_sizes : tuple of int
        Units of each recurrent layer; with both directions, of each direction.
    n_out : int
        Number of outputs.
    cell : {"rnn", "lstm", "gru"}, default="gru"
    activation : {"tanh", "relu"}, default="tanh"
        The activation of the vanilla cell; the other cells have their own.
    bidirectional : bool, default=False
        Whether each layer also reads the sequences from their ends.
    pooling : str or callable, default="last"
        A name in `POOLINGS`, or a callable without arguments that makes a Pooling.
    input : callable, default=NumbersInput
        A callable without arguments that makes an Input.
    readout : callable, default=LinearReadout
        ``readout(n_out)`` makes a Readout.
    dtype : str, default="float32"
    """

    n_in: int
    hidden_layer_sizes: tuple[int, ...]
    n_out: int
    cell: str = "gru"
    activation: str = "tanh"
    bidirectional: bool = False
    pooling: str | Callable[[], Pooling] = "last"
    input: Callable[[], Input] = field(default=NumbersInput)
    readout: Callable[[int], Readout] = field(default=LinearReadout)
    dtype: str = "float32"

    def declare(self, layout: Layout) -> Parts:
        """Make the parts and add their parameters to a layout."""
        pooling = self.pooling
        make_pooling = ALL_POOLINGS[pooling] if isinstance(pooling, str) else pooling
        parts = Parts(
            self.input(),
            RecurrentStack(
                self.hidden_layer_sizes, self.cell, self.activation, self.bidirectional
            ),
            make_pooling(),
            self.readout(self.n_out),
        )
        n_columns = self.n_in
        for part in parts:
            n_columns = part.declare(layout, n_columns)
        return parts

    def parts(self) -> Parts:
        """Return the parts, which know their sizes and slots, and compute nothing."""
        return self.declare(Layout())

    def layout(self, loss: OwnsParameters | None = None) -> Layout:
        """Return where the parameters stand, those of a loss behind the network's."""
        layout = Layout()
        self.declare(layout)
        if loss is not None:
            loss.declare(layout)
        return layout

    def layers(self) -> list[list[Layer]]:
        """Return the recurrent layers, a list with a `Layer` per direction for each."""
        return self.parts().stack.layers

    @property
    def can_step(self) -> bool | str:
        """True if the network can follow a stream, else the words of the error."""
        for part in self.parts():
            if part.can_step is not True:
                return part.can_step
        return True

    @property
    def n_pooled(self) -> int:
        """The number of units that the readout reads."""
        return self.parts().pooling.n_out

    def initialize(
        self, random_state: np.random.RandomState, loss: OwnsParameters | None = None
    ) -> np.ndarray:
        """Draw the first parameters, (n_params,)."""
        return self.layout(loss).initialize(random_state, self.dtype)
