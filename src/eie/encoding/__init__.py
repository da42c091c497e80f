"""From weights to the chip's entries and back: clustering, interleaved CSC, and the flat stream of packed files."""

from eie.encoding.clustering import Clusters, assign, cluster, share
from eie.encoding.csc import InterleavedCSC, encode

__all__ = ["Clusters", "InterleavedCSC", "assign", "cluster", "encode", "share"]
