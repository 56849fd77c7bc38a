"""What a file may hold of a fitted detector, and whether its values go together."""

import numpy as np

from skrnn._detection import LEAST
from skrnn.detection.evidence import EVIDENCE
from skrnn.models.checks import (
    Optional,
    array,
    boolean,
    integer,
    list_of,
    number,
    one_of,
    record,
)
from skrnn.models.forecast_fields import FORECAST_FIELDS, check_forecast_model

__all__ = ["DETECTOR_FIELDS", "check_detector_model"]


def _n_series(fields):
    return len(fields["_history"]["n_rows"])


def _n_targets(fields):
    return len(fields["_schema_state"]["target_names"])


def _n_memories(fields):
    return len(fields["_memory"]["evidence"]) * _n_targets(fields) + 1


def _n_parts(fields):
    return _n_memories(fields) + 1  # and the sums of the last rows


def _memory(value, name, fields):
    record(
        {
            "evidence": list_of(one_of(*EVIDENCE)),
            "combine": one_of("fisher", "max"),
            "capacity": integer(LEAST),
            "rate": number,
            "onset": number,
            "credit": array("float64", _n_series, low=0),
            "n_quiet": Optional(array("int64", _n_series, low=0)),
            "sizes": array("int64", _n_series, _n_parts, low=0),
            "values": array("float64", None),
            "tails": array("float64", _n_series, _n_memories, 9),
        }
    )(value, name, fields)
    names = value["evidence"]
    if not names or len({*names}) != len(names):
        raise ValueError(f"{name} must have each kind of evidence once.")
    if not 0 < value["rate"] < 1:
        raise ValueError(f"The rate of {name} must be between 0 and 1.")
    if value["onset"] < 0:
        raise ValueError(f"The onset of {name} must not be negative.")
    sizes, horizon = value["sizes"], fields["_reader"]["horizon"]
    if (
        sizes[:, :-1].max() > value["capacity"]
        or sizes[:, -1].max() > horizon
        or int(sizes.sum()) != len(value["values"])
    ):
        raise ValueError(f"{name} does not hold the values that it announces.")
    shapes, until = value["tails"][..., [2, 6]], value["tails"][..., 8]
    if (shapes > 1).any() or (np.abs(until) > value["capacity"]).any():
        raise ValueError(f"{name} has a tail that no fit gives.")


DETECTOR_FIELDS = {
    **FORECAST_FIELDS,
    "_n_scores": array("int64", _n_series, low=0),
    "_scores": array("float64", lambda fields: int(fields["_n_scores"].sum())),
    "_memory": _memory,
    "_targets": Optional(array("float64", None, _n_targets, nan=True)),
    "n_warm_up_": integer(),
    "_is_panel": boolean,
}


def check_detector_model(fields):
    """Raise ValueError unless the fields of a `DetectorModel` go together."""
    check_forecast_model(fields)
    if not fields["_is_panel"] and _n_series(fields) > 1:
        raise ValueError("There is one series, or a panel.")
    targets = fields.get("_targets")
    if targets is not None:
        is_plain = {*fields["_schema_state"]["roles"]} == {"target"}
        if fields["_is_panel"] or not is_plain:
            raise ValueError("_targets are those of one series without covariates.")
        if len(targets) < fields["_history"]["n_rows"][0]:
            raise ValueError("_targets must have all rows of the history.")
