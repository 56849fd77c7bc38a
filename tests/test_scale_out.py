"""The recipes for dask run, give what one process gives, and bear a lost worker."""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from cases import assert_same_bits
from skrnn import RNNClassifier
from skrnn.distributed import fit_shards
from test_distributed import FEW, LOADERS, assert_same_model, die_once
from test_processes import assert_both, predict_and_fit
from test_threads import alone, classifier, data, results

RECIPES = Path(__file__).parents[1] / "doc" / "recipes"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.skipif(not RECIPES.exists(), reason="there are no sources of the pages")
def test_recipes_for_dask():
    for module in ("distributed", "pandas", "pyarrow"):
        pytest.importorskip(module)
    with_two_workers(folder=str(RECIPES))


@alone
def with_two_workers(folder):
    import dask
    import distributed

    sys.path.insert(0, folder)
    import with_dask as recipes

    X, y = recipes.load()
    shards = [recipes.Day(number)() for number in range(4)]
    with tempfile.TemporaryDirectory() as space:
        dask.config.set(temporary_directory=space)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.run(sys.path.insert, 0, folder)
            model = recipes.fit(client)
            alone = fit_shards(model, shards)
            assert_same_bits(model._model.theta, alone._model.theta)
            wide = [np.tile(x, (1, 100)) for x in X]

            def plain(X, y):
                with joblib.parallel_config("dask"):
                    return clone(local).fit(X, y)

            joined = recipes.search_without_scatter
            most = {recipes.search: 1.1, joined: 1.1, plain: 7}
            for how, limit in most.items():
                search, shipped = count_bytes(client, how, wide, y)
                if how is recipes.search:
                    local = clone(search).fit(wide, y)
                assert_same_bits(
                    search.cv_results_["mean_test_score"],
                    local.cv_results_["mean_test_score"],
                )
                assert limit / 2 < shipped < limit, how
            best, scores = recipes.search_by_futures(client)
            assert len(scores) == 4 and best in search.cv_results_["params"]
            assert_same_bits(recipes.predict(model, X), model.predict_proba(X))
            labels = recipes.predict_long_table(model, X)
            assert labels.tolist() == model.predict(X).tolist()
            fit_and_predict(client)
            lose_a_worker(client, space)


def fit_and_predict(client):
    """Workers come to the same results as this process."""
    X, y = data()
    estimator = classifier().fit(X, y)
    calls = [
        client.submit(predict_and_fit, estimator, X, y, pure=False) for _ in range(2)
    ]
    for found in client.gather(calls):
        assert_both(found, results(estimator, X))


def lose_a_worker(client, folder):
    """Fit to shards of which one kills its worker in the second round."""
    estimator = RNNClassifier(**FEW)
    shards = [partial(die_once, Path(folder, "a"), k) for k in range(3)]
    found = fit_shards(estimator, shards, client.get_executor())
    assert_same_model(found, fit_shards(estimator, LOADERS))
    assert Path(folder, "a").read_text().count("1") == 5  # one more than rounds


def count_bytes(client, how, X, y):
    """Return a search, and what was sent of the data.

    This is the size of all messages over the size of the data on each of two workers.
    """
    from distributed.protocol import pickle

    sizes = []
    submit, scatter = client.submit, client.scatter

    def count_submit(*args, **kwargs):
        sizes.append(len(pickle.dumps((args, kwargs))))
        return submit(*args, **kwargs)

    def count_scatter(data, *args, **kwargs):
        sizes.append(2 * len(pickle.dumps(data)))  # now or later, to both
        return scatter(data, *args, **kwargs)

    client.submit, client.scatter = count_submit, count_scatter
    try:
        search = how(X, y)
    finally:
        client.submit, client.scatter = submit, scatter
    return search, sum(sizes) / (2 * len(pickle.dumps((X, y))))
