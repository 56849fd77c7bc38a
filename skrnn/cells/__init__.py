"""The recurrent cells: a cell is its equations."""

from collections import namedtuple

__all__ = ["CELLS", "CellSpec"]

# kernel     the cell's name in the kernels' table, by the estimators' `activation`
# n_gates    blocks of n_units columns in W and U
# biases     what each block of n_units numbers of b starts from
# has_memory whether it hands a memory to the next step beside the state
CellSpec = namedtuple(
    "CellSpec", ["kernel", "n_gates", "biases", "has_memory"], defaults=[False]
)

# The forget gate starts open (Gers et al. 2000; Jozefowicz et al. 2015).
CELLS = {
    "rnn": CellSpec({"tanh": "rnn_tanh", "relu": "rnn_relu"}, 1, (0.0,)),
    "lstm": CellSpec("lstm", 4, (0.0, 1.0, 0.0, 0.0), True),
    "gru": CellSpec("gru", 3, (0.0, 0.0, 0.0, 0.0)),
}
