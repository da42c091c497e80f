"""The chip in SystemVerilog: sized for a network, built, run beside the stepped simulator, exported."""

from eie.silicon.cosimulation import Difference, Verification, verify
from eie.silicon.parameters import Parameters
from eie.silicon.sources import UNITS, source_files

__all__ = ["UNITS", "Difference", "Parameters", "Verification", "source_files", "verify"]
