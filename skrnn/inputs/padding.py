"""Padding: steps of NaN only with which sequences are brought to one length."""

import warnings

import numpy as np

__all__ = ["describe_padding", "warn_of_padding"]


def describe_padding(values, source, where, is_1d):
    """What a message says about a sequence that is padded.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_features)
        The sequence.
    source : str
        What the user's code calls all sequences.
    where : str
        What messages call this one.
    is_1d : bool
        Whether the user's sequence has no axis for features.

    Returns
    -------
    text : str
        Nothing if it neither starts nor ends with steps of NaN only.
    """
    unknown = np.isnan(values)
    steps = unknown.all(axis=1)
    if steps.all() or not (steps[0] or steps[-1]):
        return _describe_columns(unknown, source, where)
    known = np.flatnonzero(~steps)
    mask = "~np.isnan(x)" if is_1d else "~np.isnan(x).all(axis=1)"
    if steps[-1]:
        n = len(steps) - 1 - int(known[-1])
        text = f"{where} ends with {n} {_steps(n)} of NaN only"
        cut = f"x[: np.flatnonzero({mask})[-1] + 1]"
    else:
        n = int(known[0])
        text = f"{where} starts with {n} {_steps(n)} of NaN only"
        cut = f"x[np.flatnonzero({mask})[0] :]"
    return (
        f"\n{text}. If this is padding, cut it off, since sequences may be of any "
        "length:\n"
        f"    X = [{cut} for x in {source}]"
    )


def _steps(n):
    return "step" if n == 1 else "steps"


def _describe_columns(unknown, source, where):
    """The same if the axes of features and steps are exchanged."""
    features = unknown.all(axis=0)
    if features.all() or not features[-1] or unknown[:, ~features].any():
        return ""
    return (
        f"\nThe last {np.count_nonzero(features)} features of {where} are NaN in all "
        "steps. If this is padding of an array (n_seqs, n_features, n_steps), exchange "
        "the axes, and cut it off:\n"
        f"    X = [x[:, ~np.isnan(x).all(axis=0)].T for x in {source}]"
    )


def warn_of_padding(sequences, source, input_name):
    """Warn if unknown steps are most likely padding, which would be read as data.

    So they are if all sequences are of one length, and there is no NaN but in steps of
    NaN only at the end of some.

    Parameters
    ----------
    sequences : Sequences
        Sequences that may have NaN.
    source : str
        What the user's code calls all of them.
    input_name : str
        What messages call them.
    """
    lengths, n = sequences.lengths, len(sequences)
    if n < 2 or not sequences.n_numeric or (lengths != lengths[0]).any():
        return
    arrays = [sequences.numbers(i) for i in range(n)]
    if any(array.dtype.kind != "f" for array in arrays):
        return
    padded = [i for i, array in enumerate(arrays) if np.isnan(array[-1]).all()]
    if not padded:
        return
    for array in arrays:
        unknown = np.isnan(array)
        if not unknown.any():
            continue
        steps = unknown.all(axis=1)
        known = np.flatnonzero(~steps)
        if not known.size or unknown[: known[-1] + 1].any():
            return
    where, values = sequences.name(padded[0]), arrays[padded[0]]
    is_1d = np.ndim(sequences.owner[padded[0]]) == 1
    warnings.warn(
        f"{len(padded)} of {n} sequences of {input_name} look padded, and "
        "missing='indicator' reads padding as data."
        f"{describe_padding(values, source, where, is_1d)}",
        UserWarning,
        stacklevel=2,
    )
