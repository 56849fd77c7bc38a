"""Sequences in forms that users may have, for tests of how they are read."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator


class Model(BaseEstimator):
    """What check_sequences may set attributes of."""

    def __init__(self, missing="error"):
        self.missing = missing


def ragged(lengths=(3, 5, 1, 4), n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, n_features)) for n in lengths]


def objects(items):
    """An array of objects, whatever the items are."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def matrix(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a better class
        return np.asmatrix(values)
