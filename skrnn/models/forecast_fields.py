"""What a file may hold of a fitted forecast, and whether its values go together."""

from numbers import Real

import numpy as np

from skrnn.cells import CELLS
from skrnn.forecasting.calibration import LEVELS
from skrnn.forecasting.cold import ColdStart
from skrnn.forecasting.short import history_sizes
from skrnn.inputs.calendar import CYCLES, DAY
from skrnn.inputs.schema import SeriesSchema
from skrnn.inputs.times import zone_of
from skrnn.losses import FORECAST_LOSSES
from skrnn.models.checks import (
    Optional,
    array,
    boolean,
    either,
    integer,
    list_of,
    number,
    one_of,
    record,
    text,
    tuple_of,
)
from skrnn.models.forecast import ForecastModel
from skrnn.models.sequence import check_theta, theta

__all__ = [
    "FORECAST_FIELDS",
    "check_forecast_model",
    "pack_history",
    "unpack_history",
]

INT64 = 2**63 - 1


def _horizon(state):
    return state["_reader"]["horizon"]


def _n_targets(state):
    return len(state["_schema_state"]["target_names"])


def _n_covariates(state):
    return state["_reader"]["n_past_only"] + state["_reader"]["n_known_future"]


def _n_known_future(state):
    return state["_reader"]["n_known_future"]


def _n_calendar(state):
    return state["_reader"]["n_calendar"]


def _n_ahead(state):
    return _n_known_future(state) + _n_calendar(state)


def _n_series(state):
    return len(state["_history"]["name"])


def _n_sizes(state):
    return len(history_sizes(state["_reader"]["window"]))


def category(value, name, state):
    """Accept a string or a number."""
    if not isinstance(value, str | Real) or value != value:
        raise ValueError(f"{name} must be a string or a number.")


def cycle(value, name, state):
    """Accept a cycle of the calendar and the number of its harmonics."""
    list_of(either(text, integer()))(value, name, state)
    if value not in [[name, n] for name, n in CYCLES.items()]:
        raise ValueError(f"{name} must be one of {CYCLES}, got {value}.")


def zone(value, name, state):
    """Accept the name of a time zone that is known here, or an offset."""
    text(value, name, state)
    try:
        zone_of(value)
    except (ValueError, LookupError, OSError) as error:
        raise ValueError(f"{name}: there is no time zone {value[:80]!r}.") from error


def check_opening(axis, name, state):
    """Accept opening hours: steps of a cycle in increasing order."""
    if ("open" in axis) != (axis["grid"] == "open"):
        raise ValueError(f"{name}: `open` belongs to the grid 'open'.")
    if "open" not in axis:
        return
    cycle, *steps = axis["open"] or [0]
    day, rest = divmod(DAY, axis["step"])
    ends = [-1, *steps, cycle]
    if rest or cycle not in (day, 7 * day) or not steps or min(np.diff(ends)) < 1:
        raise ValueError(f"{name}: `open` must be a cycle and increasing steps of it.")


axis = record(
    {
        "kind": one_of("datetime", "period", "integer"),
        "tz": either(None, zone),
        "grid": one_of("step", "month", "weekday", "open"),
        "step": integer(1, INT64),
        "origin": integer(-INT64, INT64),
        "local": boolean,
        "day": integer(-1, 31),
        "time": integer(0, DAY - 1),
        "period": either(None, text),
        "unit": either(None, one_of("s", "ms", "us", "ns")),
        "open": Optional(list_of(integer(0, 7 * DAY))),
    },
    check_opening,
)
# A series that predictions go on from, and how a file holds all of them: end to end.
series = record(
    {
        "n_past": integer(1),
        "name": text,
        "phase": integer(0, INT64),
        "position": integer(-INT64, INT64),
        "y": array("float64", None, _n_targets, nan=True),
        "x": array("float64", None, _n_covariates, nan=True),
        "calendar": array("float64", None, _n_calendar),
    }
)
NUMBERS = ("n_past", "phase", "position")
TABLES = ("y", "x", "calendar")


def pack_history(history):
    """Return the states of series end to end, as a file holds them."""
    packed = {"name": [each["name"] for each in history]}
    packed["n_rows"] = np.array([len(each["y"]) for each in history], np.int64)
    for name in NUMBERS:
        packed[name] = np.array([each[name] for each in history], np.int64)
    for name in TABLES:
        packed[name] = np.concatenate([each[name] for each in history])
    return packed


def unpack_history(packed):
    """Return the states of series that `pack_history` was given."""
    history, start = [], 0
    for i, n_rows in enumerate(packed["n_rows"].tolist()):
        each = {"name": packed["name"][i]}
        each |= {name: int(packed[name][i]) for name in NUMBERS}
        rows = slice(start, start + n_rows)
        history.append(each | {name: packed[name][rows].copy() for name in TABLES})
        start += n_rows
    return history


def all_series(value, name, fields):
    """Accept series end to end."""
    record(
        {
            "name": list_of(text),
            "n_rows": array("int64", None, low=1),
            **{key: array("int64", None) for key in NUMBERS},
            **{key: array("float64", None, None, finite=False) for key in TABLES},
        }
    )(value, name, fields)
    sizes = value["n_rows"].tolist()
    if any(len(value[key]) != len(sizes) for key in ("name", *NUMBERS)) or any(
        len(value[key]) != sum(sizes) for key in TABLES
    ):
        raise ValueError(f"{name} does not hold the series and rows that it announces.")
    list_of(series)(unpack_history(value), name, fields)


per_target = array("float64", _n_targets)
FORECAST_FIELDS = {
    "_structure": record(
        {
            "horizon": integer(1),
            "window": either(one_of("auto"), integer(1)),
            "segment_length": either(one_of("auto"), integer(1)),
            "normalize": one_of("last", "mean"),
            "loss": one_of(*FORECAST_LOSSES),
            "quantiles": either(None, tuple_of(number)),
            "cell": one_of(*CELLS),
            "activation": one_of("tanh", "relu"),
            "hidden_layer_sizes": tuple_of(integer(1)),
            "dtype": one_of("float32", "float64"),
        }
    ),
    "_reader": record(
        {
            "window": integer(1),
            "horizon": integer(1),
            "segment_length": integer(1),
            "future_segment_length": integer(1),
            "n_past_only": integer(),
            "n_known_future": integer(),
            "n_calendar": integer(),
            "n_targets": integer(),
            "dtype": one_of("float32", "float64"),
        }
    ),
    "_schema_state": record(
        {
            "mode": one_of("rows", "panel"),
            "estimator_name": text,
            "roles": list_of(one_of("target", "past", "future", "static", "time")),
            "categories": list_of(either(None, list_of(category))),
            "feature_names": either(None, list_of(text)),
            "target_names": list_of(either(text, integer())),
            "target_is_1d": boolean,
            "calendar": list_of(cycle),
            "season": integer(1, 2**31),
            "next_position": integer(-INT64, INT64),
            "axis": either(None, axis),
        }
    ),
    "window_": integer(1),
    "segment_length_": integer(1),
    "season_": integer(1),
    "n_outputs_": integer(1),
    "_x_mean": array("float64", _n_covariates),
    "_x_scale": array("float64", _n_covariates),
    "_target_mean": per_target,
    "_target_scale": per_target,
    "_coef": either(None, array("float64", _n_known_future, _n_targets)),
    "_history": all_series,
    "linear_weights_": array("float64", None, _horizon),
    "ridge_strength_": either(None, number),
    "gate_": array("float64", _horizon, low=0, high=1),
    "_errors": either(
        None, array("float64", _n_targets, _horizon, len(LEVELS), nan=True)
    ),
    "_theta": theta,
    # If covariates may be unknown in rows to forecast.
    "_plain_weights": Optional(array("float64", None, _horizon)),
    "_plain_errors": Optional(
        array("float64", _n_targets, _horizon, len(LEVELS), nan=True)
    ),
    # If short histories have units of their own, as in newer versions.
    "_moves": Optional(array("float64", 4, _n_targets, low=0)),
    "_widening": Optional(array("float64", _n_targets, _n_sizes, _horizon, low=0)),
    # If the forecaster learns logarithms of the targets.
    "_log_floor": Optional(number),
    # If forecasts return to a mean.
    **{
        name: Optional(array("float64", *shape))
        for kind in ("_home", "_plain_home")
        for name, shape in {
            f"{kind}_levels": (3, _n_targets),
            f"{kind}_pull": (_horizon,),
        }.items()
    },
    # If the forecaster forecasts series of a panel without a value.
    "_cold_coef": Optional(array("float64", None, _n_targets)),
    "_cold_center": Optional(array("float64", _n_ahead)),
    "_cold_errors": Optional(array("float64", _n_targets, len(LEVELS))),
    "_cold_floor": Optional(array("float64", _n_targets, low=0)),
    # After an update.
    "_unlearned": Optional(array("int64", _n_series, low=0)),
}


def check_forecast_model(fields):
    """Raise ValueError unless the fields of a `ForecastModel` go together."""
    _check_reader(fields)
    _check_schema(fields)
    if not 0 < fields.get("_log_floor", 1.0) < np.inf:
        raise ValueError("_log_floor must be a positive number.")
    history = unpack_history(fields["_history"])
    _check_history(fields | {"_history": history})
    model = ForecastModel.unpack(fields | {"_history": history})
    check_theta(model.spec, model.loss, fields["_theta"])


def _check_reader(fields):
    reader, structure = fields["_reader"], fields["_structure"]
    quantiles = structure["quantiles"]
    if (quantiles is None) == FORECAST_LOSSES[structure["loss"]].learns_quantiles:
        raise ValueError("Quantiles belong to the loss 'quantile'.")
    if quantiles is not None and not (
        quantiles
        and 0 < quantiles[0]
        and quantiles[-1] < 1
        and all(np.diff(quantiles) > 0)
    ):
        raise ValueError("Quantiles must increase from above 0 to below 1.")
    segment = reader["segment_length"]
    for name, value, expected in (
        ("dtype", reader["dtype"], structure["dtype"]),
        ("horizon", structure["horizon"], reader["horizon"]),
        ("window", structure["window"], ("auto", reader["window"])),
        ("window_", fields["window_"], reader["window"]),
        ("segment_length_", fields["segment_length_"], segment),
        (
            "future_segment_length",
            reader["future_segment_length"],
            min(segment, reader["horizon"]),
        ),
        ("season_", fields["season_"], fields["_schema_state"]["season"]),
        (
            "n_outputs_",
            fields["n_outputs_"],
            len(fields["_schema_state"]["target_names"]),
        ),
    ):
        if value not in (expected if isinstance(expected, tuple) else (expected,)):
            raise ValueError(f"{name} must be {expected}, got {value}.")
    if not len(fields["linear_weights_"]) <= reader["window"] >= segment:
        raise ValueError("A window is shorter than its segments or the lags.")
    if ("_moves" in fields) != ("_widening" in fields):
        raise ValueError("_moves and _widening belong together.")
    for home in ("_home", "_plain_home"):
        if (f"{home}_levels" in fields) != (f"{home}_pull" in fields):
            raise ValueError(f"{home}_levels and {home}_pull belong together.")
    cold = [f"_cold_{name}" for name in ColdStart._fields]
    if 0 < sum(name in fields for name in cold) < len(cold):
        raise ValueError(f"{cold} belong together.")
    if cold[0] in fields and len(fields[cold[0]]) != _n_ahead(fields) + 1:
        raise ValueError("_cold_coef must have a row for each known column, and one.")
    if len(fields.get("_plain_weights", ())) > reader["window"]:
        raise ValueError("A window is shorter than the lags of _plain_weights.")


def _check_schema(fields):
    state, reader = fields["_schema_state"], fields["_reader"]
    roles, names = state["roles"], state["feature_names"]
    n_columns = len(roles)
    if len(state["categories"]) != n_columns or (
        names is not None and len(names) != n_columns
    ):
        raise ValueError(f"Categories and names must be of {n_columns} columns.")
    for categories in state["categories"]:
        if categories is not None and len({*categories}) != len(categories):
            raise ValueError("A category must not be there twice.")
    n_targets = len(state["target_names"])
    expected = n_targets if state["mode"] == "panel" else 0
    if not n_targets or roles.count("target") != expected:
        raise ValueError(f"There must be {expected} columns of targets.")
    if state["target_is_1d"] and n_targets > 1:
        raise ValueError("Only one target can be without a dimension.")
    if fields.get("n_features_in_", n_columns) != n_columns:
        raise ValueError(f"n_features_in_ must be {n_columns}.")
    named = fields.get("feature_names_in_")
    if named is not None and named.tolist() != names:
        raise ValueError("feature_names_in_ must be the names of the columns.")
    cycles = [name for name, _ in state["calendar"]]
    if len({*cycles}) != len(cycles):
        raise ValueError("A cycle of the calendar must not be there twice.")
    if cycles and (state["axis"] is None or state["axis"]["kind"] == "integer"):
        raise ValueError("A calendar needs an index of dates.")
    schema = SeriesSchema.from_state(state)
    for name in ("n_past_only", "n_known_future", "n_calendar"):
        if getattr(schema, name) != reader[name]:
            raise ValueError(f"{name} must be {getattr(schema, name)}.")
    shared = n_targets == 1 or not schema.n_covariates
    if reader["n_targets"] != (0 if shared else n_targets):
        raise ValueError("n_targets must be that of the columns.")
    if "_cold_coef" in fields and state["mode"] != "panel":
        raise ValueError("_cold_coef is of a panel.")
    if fields["_coef"] is not None and state["mode"] == "panel":
        raise ValueError("_coef must be None for a panel.")
    for name in ("_x_scale", "_target_scale"):
        if not (fields[name] > 0).all():
            raise ValueError(f"{name} must be positive.")


def _check_history(fields):
    state, horizon = fields["_schema_state"], fields["_reader"]["horizon"]
    rows = state["mode"] == "rows"
    if not fields["_history"] or (rows and len(fields["_history"]) > 1):
        raise ValueError("_history must be one series, or those of a panel.")
    next_position, phase = state["next_position"], 0
    first = last = next_position
    for each in fields["_history"]:
        n_rows = len(each["y"])
        if not len(each["x"]) == len(each["calendar"]) == n_rows >= each["n_past"]:
            raise ValueError("The parts of a series must be of the same rows.")
        first = min(first, each["position"])
        last = max(last, each["position"] + n_rows)
        phase = max(phase, each["phase"])
        if rows and (each["position"], each["n_past"]) != (0, next_position):
            # Rows are counted from the first one: others would be far away.
            raise ValueError("next_position must be that after the last row.")
    if state["axis"] is not None:
        axis = state["axis"]
        units = {"step": 1, "month": 32 * DAY, "weekday": 2 * DAY, "open": 7 * DAY}
        unit, step = units[axis["grid"]], axis["step"]
        if axis["grid"] == "open":
            step = 1
        for position in (first, last + 2 * horizon):
            time = position * step + axis["origin"] + phase
            if abs(time) * unit + DAY > INT64:
                raise ValueError("The times of a series are beyond all calendars.")
