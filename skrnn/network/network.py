"""The network: an input, recurrent layers, a pooling and a readout, run together.

The caller owns the parameters, and must call `load` after each change.
"""

import numpy as np

from skrnn.network.layout import Layout
from skrnn.network.parts import Pass, PassOptions

__all__ = ["Network"]


class Network:
    """The parts of a `NetworkSpec`, with the memory of a pass.

    Parameters
    ----------
    spec : NetworkSpec
    loss : Loss or None, default=None
        A loss whose parameters stand behind those of the network.
    options : PassOptions, default=PassOptions()

    Attributes
    ----------
    layout : Layout
    p : list of ndarrays
        The parameters that are loaded, by slot.
    """

    def __init__(self, spec, loss=None, options=None):
        self.spec = spec
        self.dtype = np.dtype(spec.dtype)
        self.layout = Layout()
        self.parts = spec.declare(self.layout)
        if loss is not None:
            loss.declare(self.layout)
        self.options = PassOptions() if options is None else options
        for part in self.parts:
            part.build(self.dtype, self.options)
        self.input, self.stack, self.pooling, self.readout = self.parts
        self.n_out = spec.n_out
        self.n_params = self.layout.n_params
        self._theta = self._grad = None

    def views(self, vector):
        """Return the parameters in a flat vector by name, as arrays on its memory."""
        return self.layout.views(vector)

    def initialize(self, random_state):
        """Draw the first parameters, (n_params,)."""
        return self.layout.initialize(random_state, self.dtype)

    def load(self, theta):
        """Use the current values of these parameters in later passes."""
        if theta is not self._theta:
            self._theta = theta
            self.p = self.layout.bind(theta)
        for part in self.parts:
            part.load(self.p)

    def _gradients(self, grad):
        if grad is not self._grad:
            self._grad = grad
            self._g = self.layout.bind(grad)
        return self._g

    # Forward ---------------------------------------------------------------------

    def forward(self, batch, *, training=False, random_state=None, n_threads=1):
        """Return the outputs for a packed batch.

        Parameters
        ----------
        batch : PackedBatch
        training : bool, default=False
            Whether to apply dropout, and to keep the values that `backward` needs.
        random_state : numpy.random.RandomState or None, default=None
            Draws the masks of dropout.
        n_threads : int, default=1

        Returns
        -------
        raw : ndarray of shape (n_seqs, n_out) or (n_rows, n_out)
            Rows in packed order.
        """
        self._pass = run = Pass(batch, training, random_state, n_threads)
        pooled, states = self._pooled(run)
        return self.readout.forward(pooled, states, run)

    def states(self, run, pool=None):
        """Return the states of a pass, or give them to a RunningPool."""
        x, carry = self.input.forward(run), run.batch.carry
        if carry is None:
            return self.stack.forward(x, run, pool=pool)
        start = carry.start(self.stack)
        states = self.stack.forward(x, run, start, carry.room(), pool)
        carry.keep()
        return states

    @property
    def by_blocks(self):
        """Whether a prediction may read some steps at a time: see `StepBlocks`."""
        return (
            self.input.by_row
            and self.pooling.by_blocks
            and not self.readout.reads_states
        )

    @property
    def pools_while_running(self):
        """Whether a prediction need not keep the states of the last layer."""
        running = self.pooling.running
        return (
            running is not None
            and running.fits(self.stack)
            and not self.readout.reads_states
        )

    def _pooled(self, run):
        # The rows that the readout reads, and the states, or None without need.
        if run.training or not self.pools_while_running:
            states = self.states(run)
            return self.pooling.forward(states, run), states
        pool = self.pooling.running(self.stack, run.shape.n_seqs)
        self.states(run, pool)
        return pool.rows(run.shape.lengths), None

    def hidden_states(self, batch, n_threads=1):
        """Return the states of the last layer, one row for each packed step."""
        run = Pass(batch, n_threads=n_threads)
        return self.states(run).joined().copy()

    def pooled(self, batch, n_threads=1):
        """Return the rows that the readout reads, good until the next pass."""
        return self._pooled(Pass(batch, n_threads=n_threads))[0]

    def attention(self, batch, n_threads=1):
        """Return the weights (n_rows,) that the pooling gives the packed steps."""
        run = Pass(batch, n_threads=n_threads)
        return self.pooling.weights(self.states(run), run)

    # Backward --------------------------------------------------------------------

    def backward(self, d_raw, grad, dx=None):
        """Add the gradient of the last ``forward(training=True)`` to `grad`.

        Parameters
        ----------
        d_raw : ndarray like the outputs
            The gradient of the outputs, rows in packed order.
        grad : ndarray of shape (n_params,)
        dx : ndarray of shape (n_rows, n_in) or None, default=None
            Filled with the gradient of the rows that the first layer read, if these
            are numbers.
        """
        g = self._gradients(grad)
        self._backward(self.readout.backward(d_raw, g, self._pass), g, self._pass, dx)

    def _backward(self, dpooled, g, run, dx=None):
        dstates = self.pooling.backward(dpooled, g, run)
        if dx is None and self.input.wants_dx:
            # Once all is done that reads x, its memory is free.
            name = "x" if len(self.stack.directions) == 1 else "dx"
            dx = self.input.memory(name, self.stack.n_read, self.input.n_out)
        self.stack.backward(dstates, g, run, dx=dx)
        if self.input.wants_dx:
            self.input.backward(dx, g, run)

    def value(self, loss, batch, targets, weight, n_threads=1):
        """Return a loss on a batch, without dropout."""
        run = Pass(batch, n_threads=n_threads)
        pooled, states = self._pooled(run)
        return self.readout.value(pooled, states, run, loss, targets, weight, self.p)

    def add_gradient(
        self, loss, batch, targets, weight, grad, *, share=1.0, random_state, n_threads
    ):
        """Add the gradient of ``share * loss`` on a batch to `grad`; return its value.

        Parameters
        ----------
        loss : Loss
        batch : PackedBatch
        targets, weight : ndarrays
            The arrays that the loss reads.
        grad : ndarray of shape (n_params,)
        share : float, default=1.0
        random_state : numpy.random.RandomState
            Draws the masks of dropout.
        n_threads : int

        Returns
        -------
        value : float
        """
        g = self._gradients(grad)
        run = Pass(batch, True, random_state, n_threads)
        states = self.states(run)
        pooled = self.pooling.forward(states, run)
        value, dpooled = self.readout.value_and_gradient(
            pooled, states, run, loss, targets, weight, self.p, g, share
        )
        self._backward(dpooled, g, run)
        return value
