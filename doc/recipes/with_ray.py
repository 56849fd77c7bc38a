"""A search, predictions and one model on Ray."""

import os
from concurrent.futures import Future, ThreadPoolExecutor

os.environ.setdefault("RAY_raylet_start_wait_time_s", "600")

import joblib
import numpy as np
import ray
from ray.util.joblib import register_ray
from sklearn.model_selection import GridSearchCV
from with_dask import GRID, Day, load

from skrnn import RNNClassifier
from skrnn.distributed import fit_shards


def search(X, y):
    """Search by scikit-learn."""
    register_ray()
    estimator = RNNClassifier(max_iter=5, random_state=0)
    with joblib.parallel_config("ray"):
        return GridSearchCV(estimator, GRID, cv=3).fit(X, y)


@ray.remote
def predict_part(model, X):
    """Predict some sequences on a worker."""
    return model.predict_proba(X)


def predict(model, X, n_parts=4):
    """Predict in tasks; the model is sent once."""
    model = ray.put(model)
    parts = [X[i::n_parts] for i in range(n_parts)]
    found = ray.get([predict_part.remote(model, part) for part in parts])
    proba = np.empty((len(X), found[0].shape[1]))
    for i, rows in enumerate(found):
        proba[i::n_parts] = rows
    return proba


class RayExecutor:
    """An executor of `concurrent.futures` whose calls are tasks of Ray."""

    def __init__(self):
        self._call = ray.remote(lambda function, *args: function(*args))

    def submit(self, function, *args) -> Future:
        """Run a call on a worker."""
        return self._call.remote(function, *args).future()


def fit():
    """Fit one model to the data of four days."""
    estimator = RNNClassifier(8, max_iter=5, random_state=0)
    return fit_shards(estimator, [Day(number) for number in range(4)], RayExecutor())


def main():
    """Run all of this on two local workers, and compare with this process."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    X, y = load()
    found = search(X, y)
    alone = GridSearchCV(found.estimator, GRID, cv=3).fit(X, y)
    scores = "mean_test_score"
    print("search:", (found.cv_results_[scores] == alone.cv_results_[scores]).all())
    model = fit()
    with ThreadPoolExecutor(1) as executor:
        shards = [Day(number) for number in range(4)]
        alone = fit_shards(model, shards, executor)
    expected = alone.predict_proba(X)
    print("one model:", np.array_equal(model.predict_proba(X), expected))
    print("predictions:", np.array_equal(predict(model, X), expected))


if __name__ == "__main__":
    main()
