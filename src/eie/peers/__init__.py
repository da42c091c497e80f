"""Benchmarks of the engine beside other libraries that multiply a matrix with a vector on this CPU."""

from eie.peers.libraries import PEERS, Peer, available
from eie.peers.measure import Contender, Measurement, Settings, bandwidth_gb_per_s, measure_layer

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
