"""Networks: a description, the layout of the parameters, and the parts that compute."""

from skrnn.network.network import Network
from skrnn.network.parts import PassOptions
from skrnn.network.pooling import ALL_POOLINGS, POOLINGS
from skrnn.network.spec import NetworkSpec

__all__ = ["ALL_POOLINGS", "POOLINGS", "Network", "NetworkSpec", "PassOptions"]
