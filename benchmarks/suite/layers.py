"""One recurrent layer: the kernels."""

from .cases import CELLS, SHAPES, Layer, make_case


class LayerSuite:
    """A training step and a forward pass of every case, on one thread and on two."""

    params = [CELLS, [str(shape) for shape in SHAPES], [1, 2]]
    param_names = ["cell", "shape", "n_threads"]

    def setup(self, cell, shape, n_threads):
        shape = SHAPES[self.params[1].index(shape)]
        self.layer = Layer(make_case(cell, shape), n_threads)
        self.layer.train()

    def time_train(self, cell, shape, n_threads):
        self.layer.train()

    def time_forward(self, cell, shape, n_threads):
        self.layer.forward()
