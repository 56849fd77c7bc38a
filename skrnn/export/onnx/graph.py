"""A graph under construction: pieces add nodes to it and return what they compute."""

import importlib
from collections import namedtuple
from functools import cached_property
from itertools import count

import numpy as np

# What a model becomes: its inputs, (dtype, shape) by name; its outputs; the name of the
# first axis of all of them; and what a user may want to know, as texts by name.
Exported = namedtuple(
    "Exported", ["inputs", "outputs", "first_axis", "about"], defaults=[{}]
)
OLDEST_OPSET = 14
ML = "ai.onnx.ml"  # the operators of classical machine learning
INPUT_DTYPES = ("float32", "float64")
# What a graph gives: its tensor, with the shape behind the number of sequences; a
# constant has no such number.
Output = namedtuple(
    "Output", ["name", "tensor", "dtype", "shape", "is_constant"], defaults=[False]
)


def import_optional(name, user):
    """Import what only the extra "onnx" installs."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{user} needs {name}: pip install skrnn[onnx]") from error


def check_input_dtype(input_dtype):
    """Refuse what no model takes."""
    if input_dtype not in INPUT_DTYPES:
        raise ValueError(
            f"input_dtype must be 'float64' or 'float32', got {input_dtype!r}."
        )


class NotConvertibleError(TypeError):
    """There is no converter of a class."""


class Registry:
    """What converts objects, by their class or the nearest base class.

    Parameters
    ----------
    kind : str
        What the objects are, for errors.
    """

    def __init__(self, kind):
        self._kind, self._converters = kind, {}

    def __call__(self, *classes):
        """Register what is decorated as the converter of some classes."""

        def register(converter):
            self._converters |= dict.fromkeys(classes, converter)
            return converter

        return register

    def __contains__(self, item):
        return any(cls in self._converters for cls in type(item).__mro__)

    def __getitem__(self, item):
        """Return the converter of an object."""
        for cls in type(item).__mro__:
            if cls in self._converters:
                return self._converters[cls]
        raise NotConvertibleError(
            f"no converter is registered for the {self._kind} {type(item).__name__}."
        )


# function(g, model, transformers, dtype, streaming) -> Exported
exports = Registry("kind of model")


class Graph:
    """Nodes and constants of a graph; a call adds a node and names what it gives.

    Parameters
    ----------
    opset : int
        The version of ONNX's operators.
    unique : callable, default=None
        Makes a name that is not in use from a name.

    Attributes
    ----------
    decode : bool
        Whether the graph finds the best paths of labels.
    """

    decode = True

    def __init__(self, opset, unique=None):
        from onnx import helper, numpy_helper

        numbers = count()
        self.opset = opset
        self.unique = unique or (lambda name: f"{name}_{next(numbers)}")
        self.nodes, self.initializers = [], []
        self._make_node, self._from_array = helper.make_node, numpy_helper.from_array
        self._type_of = helper.np_dtype_to_tensor_dtype

    def __call__(self, op, *inputs, output=None, n_outputs=1, **attributes):
        """Add a node; its inputs are names, or arrays, which become constants."""
        inputs = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        outputs = [output or self.unique(op.lower()) for _ in range(n_outputs)]
        node = self._make_node(op, inputs, outputs, name=outputs[0], **attributes)
        self.nodes.append(node)
        return outputs[0] if n_outputs == 1 else outputs

    def constant(self, value):
        """Add a constant."""
        name = self.unique("constant")
        value = np.array(value, order="C")
        self.initializers.append(self._from_array(value, name))
        return name

    def cast(self, x, dtype):
        """Add a cast to a NumPy dtype."""
        return self("Cast", x, to=self._type_of(np.dtype(dtype)))

    def reduce(self, op, x, *axes):
        """Add a reduction over axes, which were an attribute once."""
        if op == "ReduceSum" or self.opset >= 18:
            return self(op, x, np.array(axes), keepdims=0)
        return self(op, x, axes=axes, keepdims=0)

    def total(self, x, axis):
        """Add a sum over an axis, which stays, with one number after the other."""
        return self.slice(self("CumSum", x, np.array(axis)), axis, -1)

    def slice(self, x, axis, start, stop=2**31 - 1):
        """Add a slice along an axis; a str is the name of a number, (1,) int64."""
        numbers = (start, stop, axis)
        names = (n if isinstance(n, str) else np.array([n]) for n in numbers)
        return self("Slice", x, *names)

    def size(self, x, axis):
        """Add the size of an axis, (1,) int64."""
        return self("Gather", self("Shape", x), np.array([axis]))

    def missing(self, size):
        """Add how many there are too few, (1,) int64: 1 if the size is 0, else 0."""
        return self("Sub", np.array([1]), self("Min", size, np.array([1])))

    def pad(self, x, rank, missing):
        """Add zeros behind the ends of axes of x.

        Parameters
        ----------
        x : str
        rank : int
            How many axes x has.
        missing : dict of int to str
            How many zeros, (1,) int64, by the axis; the others stay.
        """
        none = np.zeros(1, np.int64)
        ends = [missing.get(axis, none) for axis in range(rank)]
        return self("Pad", x, self("Concat", np.zeros(rank, np.int64), *ends, axis=0))

    def body(self):
        """Return a graph for the inside of a node, whose names are new ones, too."""
        return Graph(self.opset, self.unique)


class Lengths:
    """How many steps the sequences of a batch have, and which of all they are.

    Parameters
    ----------
    graph : Graph
    lengths : str
        (n_seqs,) int64
    n_steps : str
        int64, of the longest sequence or more.
    """

    def __init__(self, graph, lengths, n_steps):
        self.graph, self.lengths, self.n_steps = graph, lengths, n_steps

    @cached_property
    def int32(self):
        """The lengths as the recurrent operators want them."""
        return self.graph.cast(self.lengths, np.int32)

    @cached_property
    def alive(self):
        """Which steps there are, (n_steps, n_seqs, 1) bool."""
        g = self.graph
        steps = g("Range", np.array(0), self.n_steps, np.array(1))
        steps = g("Unsqueeze", steps, np.array([1, 2]))
        return g("Less", steps, g("Unsqueeze", self.lengths, np.array([1])))


def all_true(g, x, *axes):
    """Add a logical and over axes."""
    x = g.reduce("ReduceMin", g.cast(x, np.int32), *axes)
    return g.cast(x, bool)
