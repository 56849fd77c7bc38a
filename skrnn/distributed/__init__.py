"""One model of data in shards, on any executor, and lists that travel as one array."""

from skrnn.distributed.fit import fit_shards
from skrnn.inputs.joined import JoinedSequences

__all__ = ["JoinedSequences", "fit_shards"]
