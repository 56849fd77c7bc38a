"""Fitted models as graphs of ONNX."""

from skrnn.export.onnx.convert import onnx_initial_state, to_onnx
from skrnn.export.onnx.forecast import onnx_inputs
from skrnn.export.onnx.skl2onnx import register_skl2onnx

__all__ = ["onnx_initial_state", "onnx_inputs", "register_skl2onnx", "to_onnx"]
