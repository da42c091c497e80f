"""The engine beside everything else that multiplies a matrix with a vector on this CPU."""

from eie.bench.measure import Contender, Measurement, Settings, bandwidth_gb_per_s, measure_layer
from eie.bench.peers import PEERS, Peer, available

__all__ = [
    "PEERS",
    "Contender",
    "Measurement",
    "Peer",
    "Settings",
    "available",
    "bandwidth_gb_per_s",
    "measure_layer",
]
