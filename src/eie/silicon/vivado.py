"""A script and constraints for AMD's Vivado: the chip behind its bus, synthesised and implemented out of context."""

from __future__ import annotations

from pathlib import Path

from eie.silicon.fpga import fpga_parameters
from eie.silicon.parameters import Parameters

__all__ = ["write_vivado"]

TOP = "eie_axi"
PART = "xcvu9p-flga2104-2-i"  # 960 UltraRAMs: the weights of 64 full PEs take 256
PERIOD_NS = 5.0

_SCRIPT = """\
# Synthesises and implements the chip behind its bus, out of context; written by `eie rtl export`. No Vivado has run it.
#   vivado -mode batch -source vivado.tcl [-tclargs PART]
# The clock is in eie.xdc. What comes out is in vivado/.
set part {part}
if {{$argc > 0}} {{set part [lindex $argv 0]}}
set here [file dirname [file normalize [info script]]]
set results [file join $here vivado]
file mkdir $results

set list [open [file join $here files.f]]
set names [split [string trim [read $list]]]
close $list
foreach name $names {{
  read_verilog -sv [file join $here $name]
}}
read_xdc -mode out_of_context [file join $here eie.xdc]

set parameters [list]
foreach {{name value}} {{
{parameters}
}} {{
  lappend parameters -generic $name=$value
}}
synth_design -top {top} -part $part -mode out_of_context -verilog_define EIE_ULTRARAM=1 {{*}}$parameters
write_checkpoint -force [file join $results synthesised.dcp]
report_utilization -hierarchical -file [file join $results synthesised_utilization.txt]

opt_design
place_design
phys_opt_design
route_design
write_checkpoint -force [file join $results routed.dcp]
report_utilization -hierarchical -file [file join $results utilization.txt]
report_timing_summary -file [file join $results timing.txt]
report_drc -file [file join $results drc.txt]
"""

_CONSTRAINTS = """\
# The clock, and what the logic around the chip takes of its period.
create_clock -name aclk -period {period:g} [get_ports aclk]
set_input_delay -clock aclk {delay:g} [get_ports -filter {{DIRECTION == IN && NAME != aclk}}]
set_output_delay -clock aclk {delay:g} [all_outputs]
"""


def write_vivado(folder: Path, parameters: Parameters) -> None:
    """Write vivado.tcl and eie.xdc beside the sources that files.f lists in `folder`."""
    given = "\n".join(f"  {name} {value}" for name, value in fpga_parameters(parameters).items())
    (folder / "vivado.tcl").write_text(_SCRIPT.format(part=PART, top=TOP, parameters=given))
    (folder / "eie.xdc").write_text(_CONSTRAINTS.format(period=PERIOD_NS, delay=PERIOD_NS / 5))
