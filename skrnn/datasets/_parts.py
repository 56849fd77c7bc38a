"""Parts of a data set for training and for testing."""


def part_of(subset, n_train, function):
    """Return the rows of a part, as a slice.

    Parameters
    ----------
    subset : {"all", "train", "test"}
    n_train : int
        How many rows, the first ones, are for training.
    function : str
        Whose parameter `subset` is.
    """
    ranges = {
        "all": slice(None),
        "train": slice(None, n_train),
        "test": slice(n_train, None),
    }
    if subset not in ranges:
        raise ValueError(
            f"The 'subset' parameter of {function} must be a str among "
            f"{set(ranges)}. Got {subset!r} instead."
        )
    return ranges[subset]
