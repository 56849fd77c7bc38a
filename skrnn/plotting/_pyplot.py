"""matplotlib, which is imported where it is used."""

from numbers import Integral

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

__all__ = [
    "COLORS",
    "NOTHING",
    "OTHERS",
    "check_axes",
    "import_pyplot",
    "legend_above",
    "one_of",
    "shorten_dates",
    "two_axes",
]

# Colours that people tell apart who see no red or no green (Okabe & Ito 2008).
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"]
OTHERS = "#888888"
NOTHING = "#D4D4D4"  # for anything that is not looked for


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


def one_of(number, X, y=None):
    """Return one sequence of X, in whatever form it is, and its target.

    Parameters
    ----------
    number : int
        Which one; a negative one counts from the last.
    X : sequences
    y : array-like or None
        Targets, one for each sequence.

    Returns
    -------
    sequence : object
    target : object
        None if there are no targets.
    """
    n_seqs = _num_samples(X)
    if not isinstance(number, Integral) or not -n_seqs <= number < n_seqs:
        raise ValueError(
            f"number={number!r} does not exist: there are {n_seqs} sequences."
        )
    number = int(number) % n_seqs
    if y is None:
        return _safe_indexing(X, number), None
    if number >= _num_samples(y):
        raise ValueError(
            f"y has {_num_samples(y)} targets, and X has {n_seqs} sequences. Give one "
            "for each."
        )
    return _safe_indexing(X, number), _safe_indexing(y, number)


def check_axes(ax):
    """Refuse what is not one pair of rectangular axes of matplotlib."""
    if not hasattr(ax, "get_subplotspec") or "top" not in getattr(ax, "spines", ()):
        raise TypeError(
            "ax must be one Axes of matplotlib, with four sides, got "
            f"{type(ax).__name__}."
        )


def two_axes(ax, what, figsize, height_ratios=(1, 1), sharex=False):
    """Return two axes, one above the other: new ones, those given, or parts of one.

    Parameters
    ----------
    ax : None, matplotlib Axes or array-like of two of them
        A single one is divided: its frame vanishes, and two stand in its place.
    what : str
        What messages call the drawing.
    figsize : (float, float)
        Width and height of a new figure in inches.
    height_ratios : (float, float)
        Heights of new axes.
    sharex : bool
        Whether new axes have the same horizontal axis.

    Returns
    -------
    axes : ndarray of two matplotlib Axes
    """
    plt = import_pyplot(what)
    if ax is None:
        ax = plt.figure(figsize=figsize, layout="constrained").add_subplot()
    if not hasattr(ax, "get_subplotspec"):
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != 2:
            raise ValueError(f"ax must be one or two axes, got {len(axes)}.")
        for ax in axes:
            check_axes(ax)
        return axes
    check_axes(ax)
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax does not belong to a grid, and cannot be divided. Give two axes, or "
            "one that plt.subplots made."
        )
    ax.set_axis_off()
    grid = place.subgridspec(2, 1, height_ratios=height_ratios)
    above = ax.figure.add_subplot(grid[0])
    below = ax.figure.add_subplot(grid[1], sharex=above if sharex else None)
    if sharex:
        above.tick_params(labelbottom=False)
    axes = np.empty(2, dtype=object)
    axes[:] = above, below
    return axes


def legend_above(ax, *named, ncols):
    """Put a legend above the axes, where it covers nothing; `named` are its entries."""
    ax.legend(
        *named,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=ncols,
        frameon=False,
        fontsize="small",
        borderaxespad=0.2,
    )


def shorten_dates(ax, places):
    """Let labels of dates say no more than they must, so that they stay apart."""
    if places.dtype.kind == "M":
        from matplotlib import dates

        locator = dates.AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
