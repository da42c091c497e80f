"""The chip in SystemVerilog: sized for a network, built, run beside the stepped simulator, exported."""

from eie.rtl.parameters import Parameters
from eie.rtl.sources import UNITS, source_files
from eie.rtl.verify import Difference, Verification, verify

__all__ = ["UNITS", "Difference", "Parameters", "Verification", "source_files", "verify"]
