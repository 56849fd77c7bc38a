"""Whole fits and predictions of the estimators."""

import warnings

import numpy as np

from skrnn import RNNClassifier, RNNRegressor
from skrnn.datasets import load_japanese_vowels

from .cases import CELLS, SHAPES, make_case, make_stream


class EstimatorSuite:
    """What a data set costs to fit and to predict, and how well that goes."""

    params = [CELLS]
    param_names = ["cell"]
    timeout = 300

    def setup(self, cell, *_):
        warnings.simplefilter("ignore")
        self.make_data()
        self.est = self.make(cell).fit(self.X, self.y)

    def time_fit(self, cell, *_):
        self.make(cell).fit(self.X, self.y)

    def peakmem_fit(self, cell, *_):
        self.make(cell).fit(self.X, self.y)

    def time_predict(self, cell, *_):
        self.est.predict(self.X_test)

    def time_predict_one(self, cell, *_):
        self.est.predict(self.X_test[:1])

    def track_test_score(self, cell, *_):
        return self.est.score(self.X_test, self.y_test)


class JapaneseVowels(EstimatorSuite):
    """Short recordings of different lengths, 12 features, 9 classes."""

    def make_data(self):
        self.X, self.y = load_japanese_vowels(subset="train", return_X_y=True)
        self.X_test, self.y_test = load_japanese_vowels(subset="test", return_X_y=True)

    def make(self, cell):
        return RNNClassifier((64,), cell=cell, max_iter=20, random_state=0)


class Sums(EstimatorSuite):
    """Long univariate sequences, whose target is their discounted sum."""

    def make_data(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((400, 400, 1))
        y = X[:, :, 0] @ 0.9 ** np.arange(400)[::-1]
        self.X, self.y, self.X_test, self.y_test = X[:300], y[:300], X[300:], y[300:]

    def make(self, cell):
        return RNNRegressor((32,), cell=cell, max_iter=10, random_state=0)


class Cases(EstimatorSuite):
    """An epoch over two batches of each shape that the peers are compared on."""

    params = [CELLS, [str(shape) for shape in SHAPES if shape[0] > 1]]
    param_names = ["cell", "shape"]
    track_test_score = None  # the targets are noise

    def setup(self, cell, shape):
        self.shape = SHAPES[self.params[1].index(shape)]
        super().setup(cell)

    def make_data(self):
        n_seqs, *sizes = self.shape
        x = make_case("rnn", (2 * n_seqs, *sizes)).x
        self.X = self.X_test = np.ascontiguousarray(x.transpose(1, 0, 2))
        self.y = np.arange(2 * n_seqs) % 2

    def make(self, cell):
        n_seqs, _, _, n_units = self.shape
        est = RNNClassifier((n_units,), cell=cell, batch_size=n_seqs)
        return est.set_params(segment_length=1, max_iter=1, random_state=0)


class Streaming:
    """A step of a sequence that arrives step by step."""

    params = [CELLS, [32, 64, 128, 256]]
    param_names = ["cell", "n_units"]

    def setup(self, cell, n_units):
        self.step = make_stream(cell, 8, n_units)
        self.x = np.zeros(8, dtype=np.float32)

    def time_step(self, cell, n_units):
        self.step(self.x)
