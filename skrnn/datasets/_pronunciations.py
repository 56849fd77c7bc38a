import gzip
from importlib import resources

from sklearn.utils import Bunch

from skrnn.datasets._parts import part_of

N_TRAIN = 4500


def load_pronunciations(*, subset="all", return_X_y=False):
    """Load English words and their pronunciations (sequences into sequences).

    Each word is a string of small letters, and its pronunciation a list of phones in
    the notation ARPAbet, without stress: "jurist" is JH UH R AH S T.

    =================   =====================
    Words                4,500 train, 500 test
    Letters of a word                  2 to 20
    Phones of a word                   1 to 17
    Different phones                        39
    =================   =====================

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Which words: those for training, those for testing, or first the former and then
        the latter. Both parts were drawn at random, and no word is in both.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : list of n_words str
            The words.
        target : list of n_words lists of str
            The phones of each word.
        DESCR : str
            The full description of the data set: origin, licence, references.
        filename : str
            The name of the file with the data.
        data_module : str
            The package in which that file is.
    (data, target) : tuple if ``return_X_y`` is True
        The words and their phones.

    Raises
    ------
    ValueError
        If there is no such subset.

    See Also
    --------
    make_dates : Another task of sequences into sequences, of any size.
    skrnn.SequenceTranslator : Learns to turn letters into phones.

    Notes
    -----
    An extract from the CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie
    Mellon University. Its licence, of the kind of BSD, is part of ``DESCR``.

    Examples
    --------
    >>> from skrnn.datasets import load_pronunciations
    >>> X, y = load_pronunciations(subset="train", return_X_y=True)
    >>> len(X), X[1], " ".join(y[1])
    (4500, 'schoolmate', 'S K UW L M EY T')
    """
    part = part_of(subset, N_TRAIN, "load_pronunciations")
    filename, data_module = "data/pronunciations.txt.gz", "skrnn.datasets"
    folder = resources.files(data_module)
    text = gzip.decompress((folder / filename).read_bytes()).decode("ascii")
    lines = [line.split() for line in text.splitlines()[part]]
    data, target = [line[0] for line in lines], [line[1:] for line in lines]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        DESCR=(folder / "data/pronunciations.rst").read_text(encoding="utf-8"),
        filename=filename,
        data_module=data_module,
    )
