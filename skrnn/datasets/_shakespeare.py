import gzip
from importlib import resources

from sklearn.utils import Bunch

from skrnn.datasets._parts import part_of

N_TRAIN = 399_863  # up to the end of a speech


def load_shakespeare(*, subset="all"):
    """Load three plays by Shakespeare (one long text for language models).

    The plays are Coriolanus, Richard III and Richard II: the speakers' names and what
    they say.

    ====================   ========================
    Characters                              442,993
    Different characters                         63
    Speeches                                  2,751
    Split                  399,863 train, rest test
    ====================   ========================

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Which part: the first nine tenths for training, the rest, which is the end of
        Richard II, for testing, or both.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : str
            The text. ``data.split("\\n\\n")`` are the speeches.
        DESCR : str
            The full description of the data set: origin, licence, references.
        filename : str
            The name of the file with the data.
        data_module : str
            The package in which that file is.

    Raises
    ------
    ValueError
        If there is no such subset.

    Notes
    -----
    The plays are in the public domain. The text is the beginning of the file
    `tinyshakespeare` of A. Karpathy's program char-rnn.

    Examples
    --------
    >>> from skrnn.datasets import load_shakespeare
    >>> text = load_shakespeare(subset="train").data
    >>> len(text)
    399863
    >>> print(text[:66])
    First Citizen:
    Before we proceed any further, hear me speak.
    <BLANKLINE>
    All:
    """
    part = part_of(subset, N_TRAIN, "load_shakespeare")
    filename, data_module = "data/shakespeare.txt.gz", "skrnn.datasets"
    folder = resources.files(data_module)
    text = gzip.decompress((folder / filename).read_bytes()).decode("ascii")
    return Bunch(
        data=text[part],
        DESCR=(folder / "data/shakespeare.rst").read_text(encoding="utf-8"),
        filename=filename,
        data_module=data_module,
    )
