"""matplotlib, which is imported where it is used."""

__all__ = ["import_pyplot"]


def import_pyplot(what):
    """Return matplotlib's pyplot; an error that says how to get it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            f"{what} draws with matplotlib, which is not installed. To install it: "
            "pip install 'skrnn[plot]'"
        ) from error
    return pyplot
