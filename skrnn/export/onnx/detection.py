"""Detectors of outliers, which no graph can replace."""

from skrnn.export.onnx.graph import NotConvertibleError, exports
from skrnn.models.detector import DetectorModel

__all__ = ["refuse_detectors"]


@exports(DetectorModel)
def refuse_detectors(g, model, transformers, dtype, streaming):
    """Raise the error that says why, and what to do instead."""
    raise NotConvertibleError(
        "a score tells how unusual a row is among all rows before, and a graph has no "
        "memory of these. Keep the detector in a file with skrnn.export.save, or "
        "convert a SequenceForecaster that was fitted to the same rows, and judge its "
        "errors where the graph runs."
    )
