from importlib import resources

import numpy as np
from sklearn.utils import Bunch

from skrnn.datasets._parts import part_of


def load_japanese_vowels(*, subset="all", return_X_y=False):
    """Load the Japanese Vowels data set (classification of ragged sequences).

    Nine men say the vowels /ae/, and the task is to tell who speaks. Each recording is
    a sequence of 7 to 29 steps (frames of speech) with 12 features (cepstrum
    coefficients).

    =================   =====================
    Classes                                 9
    Sequences              270 train, 370 test
    Steps                             7 to 29
    Features per step                      12
    =================   =====================

    Parameters
    ----------
    subset : {"all", "train", "test"}, default="all"
        Which recordings: those published for training, with 30 of each speaker, those
        for testing, made on other occasions, or first the former and then the latter.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : list of n_seqs ndarrays of shape (n_steps, 12)
            The sequences.
        target : ndarray of shape (n_seqs,)
            The speaker, 0 to 8.
        target_names : ndarray of shape (9,)
            The names of the speakers.
        feature_names : list of str
            The names of the features.
        DESCR : str
            The full description of the data set: origin, licence, references.
        filename : str
            The name of the file with the data.
        data_module : str
            The package in which that file is.
    (data, target) : tuple if ``return_X_y`` is True
        The sequences and the speakers.

    Notes
    -----
    By M. Kudo, J. Toyama and M. Shimbo, UCI Machine Learning Repository,
    https://doi.org/10.24432/C5NS47, licensed CC BY 4.0.

    Examples
    --------
    >>> from skrnn.datasets import load_japanese_vowels
    >>> X, y = load_japanese_vowels(subset="train", return_X_y=True)
    >>> len(X), X[0].shape, X[1].shape
    (270, (20, 12), (26, 12))
    """
    part = part_of(subset, 270, "load_japanese_vowels")
    filename, data_module = "data/japanese_vowels.npz", "skrnn.datasets"
    folder = resources.files(data_module)
    with (folder / filename).open("rb") as file, np.load(file) as stored:
        # Millionths, with the four bytes of the numbers apart (they compress better).
        flat = np.ascontiguousarray(stored["millionths"].T).view("<i4") / 1e6
        lengths, target = stored["lengths"], stored["speaker"].astype(np.int64)
    steps = np.split(flat.reshape(-1, 12), np.cumsum(lengths)[:-1])
    data = [sequence.copy() for sequence in steps[part]]
    target = target[part]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=np.array([f"speaker {i}" for i in range(1, 10)]),
        feature_names=[f"cepstrum {i}" for i in range(1, 13)],
        DESCR=(folder / "data/japanese_vowels.rst").read_text(encoding="utf-8"),
        filename=filename,
        data_module=data_module,
    )
