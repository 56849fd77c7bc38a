"""Inputs: what a network makes of a batch before its first layer."""

from skrnn.network.parts import Part

__all__ = ["Input", "NumbersInput"]


class Input(Part):
    """The way from a packed batch to the rows (n_rows, n_out) of the first layer.

    Attributes
    ----------
    wants_dx : bool
        Whether the input has parameters, so that `backward` is called with the gradient
        of the rows.
    """

    wants_dx = False
    can_step = "A network with this kind of input cannot follow a stream."

    def forward(self, run):
        """Return the rows of a pass, (n_rows, n_out)."""
        raise NotImplementedError

    def backward(self, dx, g, run):
        """Add to the gradients `g` of the parameters; dx is (n_rows, n_out)."""


class NumbersInput(Input):
    """The numbers of the batch as they are."""

    can_step = True

    def forward(self, run):
        """Return the rows of a pass, (n_rows, n_in)."""
        return run.batch.x
