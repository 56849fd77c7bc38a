"""Who called `fit`: the user, who presses Ctrl-C to keep a model, or a tool."""

import sys
import sysconfig

TOOLS = {"sklearn", "joblib", "threading", "multiprocessing", "concurrent"}
LIBRARIES = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
# scikit-learn wraps methods of estimators, also those that a user calls.
WRAPPERS = ("sklearn.base", "sklearn.callback", "sklearn.utils")
# Our own modules that fit other estimators, and would go on with the next fit.
OUR_TOOLS = {
    "skrnn.estimators._backtest",
    "skrnn.estimators._outlier_detector",
    "skrnn.models.detector_learning",
}


def called_by_user():
    """Return whether the user's own code calls the estimator, and no tool does.

    A tool is code of an installed library that makes the call, and scikit-learn or
    joblib anywhere above it: a search, a pipeline, a worker. A detector that fits a
    forecaster is one, too.
    """
    frame, caller = sys._getframe(1), None
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        top = name.partition(".")[0]
        if name in OUR_TOOLS:
            return False
        if top == "skrnn" or name.startswith(WRAPPERS):
            frame = frame.f_back
            continue
        if caller is None:
            caller = frame.f_code.co_filename
        if top in TOOLS:
            return False
        frame = frame.f_back
    return caller is not None and not any(
        caller.startswith(folder) for folder in LIBRARIES
    )
