# The cells, one line each here and in CELLS of __init__.py.

include "rnn.pxi"
include "lstm.pxi"
include "gru.pxi"

cdef Cell[4] ALL_CELLS
ALL_CELLS[:] = [RNN_TANH, RNN_RELU, LSTM, GRU]
