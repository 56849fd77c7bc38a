"""One model of data that lie in shards, on any executor of `concurrent.futures`."""

from skrnn.distributed.fit import fit_shards

__all__ = ["fit_shards"]
