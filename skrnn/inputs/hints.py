"""What to do about common mistakes: lines of code that messages end with."""

from numbers import Real

import numpy as np

from skrnn.inputs.containers import is_missing, open_container

__all__ = [
    "are_of_steps",
    "hint_about_container",
    "hint_about_labels",
    "hint_about_lengths",
    "hint_about_number",
    "hint_about_objects",
    "refuse_pairs",
]


def _is_sequence(item):
    """Whether an item may be a sequence of steps."""
    kinds = ("items", "array", "frame", "column")
    return getattr(item, "ndim", 1) > 0 and open_container(item, "").kind in kinds


def _is_value(item):
    """Whether an item is a single label, number or key."""
    if isinstance(item, tuple):
        return all(isinstance(part, str | int) for part in item)
    return isinstance(item, str | bytes) or np.ndim(item) == 0


def refuse_pairs(items, input_name):
    """Refuse a list of (sequence, target), or of (key, group) as of `groupby`.

    Parameters
    ----------
    items : list
        Sequences, as they should be.
    input_name : str
        What messages call the list.
    """
    if not all(isinstance(item, list | tuple) and len(item) == 2 for item in items):
        return
    firsts, seconds = zip(*items, strict=True)
    if all(hasattr(second, "columns") for second in seconds):
        if all(map(_is_value, firsts)):
            raise ValueError(
                f"{input_name} is a list of pairs of a key and a DataFrame, as groupby "
                f"gives them. Pass the DataFrames, without the column of the keys: "
                f"[steps for _, steps in {input_name}]."
            )
    of_texts = len(items) > 1 and all(
        isinstance(text, str) and isinstance(value, Real) and not is_missing(value)
        for text, value in items
    )
    if of_texts:
        raise ValueError(
            f"{input_name} is a list of pairs of a string and a number. If the numbers "
            "are the targets, pass them apart: X, y = zip(*pairs). If each pair is two "
            "tokens, convert the numbers with str(): the tokens of a sequence are all "
            "strings or all numbers."
        )
    if all(map(_is_sequence, firsts)) and not any(map(_is_sequence, seconds)):
        raise ValueError(
            f"{input_name} is a list of pairs of a sequence and a single value. If "
            "these are the targets, pass them apart: X, y = zip(*pairs)."
        )


def hint_about_objects(item, where):
    """What to do about an item that holds other objects than numbers."""
    if isinstance(item, dict):
        return (
            f" {where} is a dict. If its values are columns, make a DataFrame of it: "
            "[pd.DataFrame(x) for x in X]."
        )
    if isinstance(item, list | tuple) and any(isinstance(v, dict) for v in item):
        return (
            " Its steps are dicts. Make a DataFrame of each sequence: [pd.DataFrame(x) "
            "for x in X]."
        )
    return ""


def hint_about_container(X, input_name):
    """What to do about something that is not a list of sequences."""
    if isinstance(X, dict):
        return f" Pass list({input_name}.values())."
    if hasattr(X, "groups") and hasattr(X, "ngroups"):
        return f" Pass the groups: [steps for _, steps in {input_name}]."
    if hasattr(X, "__next__"):
        return f" Pass list({input_name})."
    return ""


def hint_about_lengths(arrays, input_name):
    """What to do if two arrays are steps of all sequences, and the lengths of these."""
    if len(arrays) != 2:
        return ""
    steps, lengths = arrays
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.size < 2:
        return ""
    if steps.ndim == 2 and lengths.sum() == len(steps) and lengths.min() > 0:
        return (
            f" If {input_name} is the steps of all sequences and the lengths of these, "
            "split it: np.split(steps, np.cumsum(lengths)[:-1])."
        )
    return ""


def hint_about_number(sequences, n_targets, input_name="X"):
    """What to do if there are fewer targets than sequences.

    Parameters
    ----------
    sequences : Sequences
        The sequences as they were read.
    n_targets : int
        How many targets there are.
    input_name : str
        What messages call the sequences.
    """
    lengths = sequences.lengths
    if sequences.n_features > 1 or (lengths != lengths[0]).any():
        return ""
    rows = (
        f"\n{input_name} was read as {len(lengths)} sequences of {lengths[0]} steps, "
        "with one feature: each row is a sequence."
    )
    if n_targets == 1:
        return f"{rows} One sequence of several features is [{input_name}]."
    if n_targets > len(lengths):
        return ""
    return (
        f"{rows} If its rows are the steps of {n_targets} sequences, one below the "
        f"other, split it: np.split({input_name}, np.cumsum(lengths)[:-1]), or, with "
        f"the name of the sequence of each row, [{input_name}[names == name] for name "
        "in np.unique(names)]."
    )


def are_of_steps(y, lengths):
    """Whether each item of targets holds as many as its sequence has steps."""
    if open_container(y, "y").kind not in ("items", "column", "array"):
        return False
    if len(y) != len(lengths) or not len(y) or max(lengths) < 2:
        return False
    return all(
        isinstance(item, list | tuple | np.ndarray) and len(item) == n
        for item, n in zip(y, lengths, strict=True)
    )


def hint_about_labels(name, y):
    """What is wrong with targets, if a missing one or several labels are.

    Parameters
    ----------
    name : str
        What messages call the targets.
    y : object
        The targets as they were given.

    Returns
    -------
    missing : str
        What a message says if a target is missing, or nothing.
    several : str
        What it adds if each target is a collection of labels.
    """
    container = open_container(y, name)
    if container.kind not in ("items", "column", "array"):
        return "", ""
    if container.kind == "array":
        array = container.given
        if array.dtype != object or array.ndim != 1:
            return "", ""
    items = container.to_list()
    for i, item in enumerate(items):
        if is_missing(item):
            where = container.each.format(i)
            return (
                f"Input {name} contains NaN.\n{where} is {item}, which means missing. "
                "Leave out the sequences without a target."
            ), ""
    if items and all(
        isinstance(item, set | frozenset | list | tuple) for item in items
    ):
        return "", (
            f"\nIf each of {name} is a set of labels, make an indicator of them: "
            f"MultiLabelBinarizer().fit_transform({name})."
        )
    return "", ""
