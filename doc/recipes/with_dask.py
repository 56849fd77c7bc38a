"""A search, predictions and one model on a dask cluster."""

import dask
import dask.bag
import dask.dataframe
import distributed
import joblib
import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, ParameterGrid, cross_val_score

from skrnn import RNNClassifier
from skrnn.distributed import JoinedSequences, fit_shards

GRID = {"hidden_layer_sizes": [8, 16], "learning_rate_init": [0.01, 0.03]}


def load(seed=0, n_seqs=60):
    """Sequences of two features, and whether their first feature is high."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_seqs) % 2
    X = [rng.normal(size=(rng.integers(5, 15), 2)) + [3 * k, 0] for k in y]
    return X, y


def search(X, y):
    """Search by scikit-learn; `scatter` sends the data once to each worker."""
    estimator = RNNClassifier(max_iter=5, random_state=0)
    with joblib.parallel_config("dask", scatter=[X, y]):
        return GridSearchCV(estimator, GRID, cv=3).fit(X, y)


def search_without_scatter(X, y):
    """Search with sequences that travel as one array."""
    estimator = RNNClassifier(max_iter=5, random_state=0)
    with joblib.parallel_config("dask"):
        return GridSearchCV(estimator, GRID, cv=3).fit(JoinedSequences(X), y)


def score(parameters, data):
    """Return the score of one setting; runs on a worker."""
    estimator = RNNClassifier(max_iter=5, random_state=0, **parameters)
    return cross_val_score(estimator, *data, cv=3).mean()


def search_by_futures(client):
    """Search that survives lost workers: the data come from a task, too."""
    data = client.submit(load)
    settings = list(ParameterGrid(GRID))
    scores = client.gather(client.map(score, settings, data=data))
    return settings[int(np.argmax(scores))], scores


def predict(model, X):
    """Predict in partitions of a bag."""
    bag = dask.bag.from_sequence(X, npartitions=4)
    return np.array(bag.map_partitions(model.predict_proba).compute())


def predict_long_table(model, X):
    """Predict from a table with a row for each step."""
    rows = [pd.DataFrame(x, columns=["a", "b"]).assign(id=i) for i, x in enumerate(X)]
    table = dask.dataframe.from_pandas(
        pd.concat(rows, ignore_index=True), npartitions=3
    )

    def predict_one(steps):
        return model.predict([steps[["a", "b"]].to_numpy()])[0]

    groups = table.groupby("id")[["a", "b"]]
    return groups.apply(predict_one, meta=("y", int)).compute().sort_index()


class Day:
    """A shard: a worker makes or reads it when it needs it."""

    def __init__(self, number):
        self.number = number

    def __call__(self):
        return load(seed=self.number)


def fit(client):
    """Fit one model to the data of four days, each read where it is used."""
    estimator = RNNClassifier(8, max_iter=5, random_state=0)
    shards = [Day(number) for number in range(4)]
    return fit_shards(estimator, shards, client.get_executor())


def main():
    """Run all of this on two local workers."""
    # Workers have one thread for OpenMP unless the nanny sets another number.
    dask.config.set({"distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1})
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        X, y = load()
        print("search:", search(X, y).best_params_)
        print("search by futures:", search_by_futures(client)[0])
        model = fit(client)
        print("score of one model:", model.score(X, y))
        print("predictions:", predict(model, X).shape)
        print("labels of a table:", predict_long_table(model, X).shape)


if __name__ == "__main__":
    main()  # workers import this file, so nothing may run without this line
