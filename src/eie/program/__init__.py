"""The lowered program: a network for one hardware as plain data, which every implementation of the chip executes."""

from eie.program.arithmetic import ChipOutputs, chip_layer, read_out
from eie.program.constants import Constants, constants_of
from eie.program.entries import AbsoluteIndex, Entries, EntryRule, RelativeIndex
from eie.program.hardware import Hardware
from eie.program.host import HostStep, HostWords, host_steps, host_words
from eie.program.lowering import Batch, LoweredLayer, Pass, Program, lower, lower_layer, passes_of
from eie.program.rules import BalancedRows, InOrderScan, RoundRobin, RowAssignment, Scan, ScanRule
from eie.program.table import LayerTable, layer_table

__all__ = [
    "AbsoluteIndex",
    "BalancedRows",
    "Batch",
    "ChipOutputs",
    "Constants",
    "Entries",
    "EntryRule",
    "Hardware",
    "HostStep",
    "HostWords",
    "InOrderScan",
    "LayerTable",
    "LoweredLayer",
    "Pass",
    "Program",
    "RelativeIndex",
    "RoundRobin",
    "RowAssignment",
    "Scan",
    "ScanRule",
    "chip_layer",
    "constants_of",
    "host_steps",
    "host_words",
    "layer_table",
    "lower",
    "lower_layer",
    "passes_of",
    "read_out",
]
