"""The chip unit by unit, stepped a clock cycle at a time: one file per unit, as in the RTL."""

from eie.chip.stepped.chip import Chip, Observer, SteppedLayer, SteppedRun, run_from_table, run_stepped

__all__ = ["Chip", "Observer", "SteppedLayer", "SteppedRun", "run_from_table", "run_stepped"]
