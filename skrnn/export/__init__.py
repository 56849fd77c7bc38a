"""Ways in and out: model files, ONNX and PyTorch."""

from skrnn.export._file import ModelFileError, load, save
from skrnn.export._onnx import onnx_initial_state, to_onnx
from skrnn.export._onnx_forecast import onnx_inputs
from skrnn.export._skl2onnx import register_skl2onnx
from skrnn.export._torch import from_torch, to_torch

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
