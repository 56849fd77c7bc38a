"""Ways in and out: model files, ONNX and PyTorch."""

from skrnn.export.file import ModelFileError, load, save
from skrnn.export.onnx import (
    onnx_initial_state,
    onnx_inputs,
    register_skl2onnx,
    to_onnx,
)
from skrnn.export.torch import from_torch, to_torch

__all__ = [
    "ModelFileError",
    "from_torch",
    "load",
    "onnx_initial_state",
    "onnx_inputs",
    "register_skl2onnx",
    "save",
    "to_onnx",
    "to_torch",
]

for _name in __all__:  # where users find them, wherever they are written
    globals()[_name].__module__ = __name__
