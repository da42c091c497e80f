"""The steps of a layout as OpenROAD's Tcl: from the mapped netlist to wires, their parasitics and the reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from eie.silicon.floorplan import Floorplan
from eie.silicon.mapping import NOT_READ_EARLY, NOT_TESTED, SLACK_REPORTS
from eie.silicon.memory_abstracts import FREE_UM
from eie.silicon.process_file import Process, Strap

__all__ = ["INPUT_DELAY_NS", "OUTPUT_DELAY_NS", "layout_plan"]

# What the block's neighbours take of the period: inputs come this late, and outputs are needed this early.
INPUT_DELAY_NS, OUTPUT_DELAY_NS = 0.2, 0.1
# What is kept for what routing adds. The period is shortened by the first, as a margin of setup would have every latch
# repaired that is open when its data arrive.
PERIOD_MARGIN_NS, HOLD_MARGIN_NS = 0.05, 0.04
# Before they are routed, wires are taken to have this times the resistance and capacitance of the shortest way, and
# drivers to bear so many percent less, as wires make room for each other.
DETOUR, LOAD_MARGIN, SLEW_MARGIN = 1.4, 45, 20


def layout_plan(
    unit: str,
    plan: Floorplan,
    process: Process,
    *,
    lef: Sequence[str],
    rules: str,
    period_ns: float,
    utilisation: float,
    clocked: bool,
) -> dict[str, Any]:
    """Return the plan that the runner plays in a folder with cells.lib, memories.lib, memories.lef and unsigned.v."""
    left, bottom = plan.margin
    right, top = left + plan.width, bottom + plan.height
    steps = {
        "reading": [
            "set_thread_count 1",
            *(f"read_lef {name}" for name in lef),
            *(["read_lef memories.lef"] if plan.memories else []),
            "read_liberty cells.lib",
            "read_liberty memories.lib",
            "read_verilog unsigned.v",
            f"link_design {unit}",
            *_constraints(process, period_ns - PERIOD_MARGIN_NS, clocked),
            *([f"set_dont_use {{{' '.join(process.dont_use)}}}"] if process.dont_use else []),
            NOT_READ_EARLY,
            NOT_TESTED,
        ],
        "floorplan": [],
        "memories and pins": _blocks(plan, process),
        "power grid": _power(plan, process),
        "placement": _placement(plan, process, utilisation),
        **({"clock tree": _clock_tree(process)} if clocked else {}),
        "timing repair": _repair(),
        "routing": [
            *(
                f"set_global_routing_layer_adjustment {layer.name} {layer.kept_free:g}"
                for layer in process.layers
                if layer.kept_free
            ),
            *(["set_macro_extension 2"] if plan.memories else []),
            "pin_access",
            "global_route",
            "detailed_route -no_pin_access -output_drc drc.rpt -verbose 1",
            f"filler_placement {process.fillers}",
            "global_connect",
        ],
        "extraction": [
            "define_process_corner -ext_model_index 0 typical",
            f"extract_parasitics -ext_model_file {rules}",
            "write_spef routed.spef",
            "read_spef routed.spef",
        ],
        "reports": [
            *_constraints(process, period_ns, clocked),
            *(["set_propagated_clock [all_clocks]"] if clocked else []),
            NOT_READ_EARLY,
            NOT_TESTED,
            *_reports(unit),
        ],
    }
    return {
        "steps": [{"name": name, "commands": commands} for name, commands in steps.items()],
        "floorplan": {
            "die": [0, 0, right + left, top + bottom],
            "core": [left, bottom, right, top],
            "site": process.site,
            "tracks": [layer.model_dump(include={"name", "x_um", "y_um"}) for layer in process.layers],
        },
    }


def _constraints(process: Process, period_ns: float, clocked: bool) -> list[str]:
    inputs = "[all_inputs -no_clocks]"
    return [
        f"create_clock -name clk -period {period_ns:g}" + (" [get_ports clk]" if clocked else ""),
        f"set_input_delay {INPUT_DELAY_NS:g} -clock clk {inputs}",
        f"set_output_delay {OUTPUT_DELAY_NS:g} -clock clk [all_outputs]",
        f"set_driving_cell -lib_cell {process.driving_cell} {inputs}",
        f"set_load {process.load_ff:g} [all_outputs]",
    ]


def _blocks(plan: Floorplan, process: Process) -> list[str]:
    halo = process.memory.halo_um
    pins = f"-hor_layers {{{' '.join(process.pins.horizontal)}}} -ver_layers {{{' '.join(process.pins.vertical)}}}"
    around = f" -halo_width_x {halo:g} -halo_width_y {halo:g}" if plan.memories else ""
    region = (
        []
        if plan.pins is None
        else [
            f"set_io_pin_constraint -region right:{plan.pins[0]:g}-{plan.pins[1]:g} -direction {way}"
            for way in ("INPUT", "OUTPUT")
        ]
    )
    return [
        *(
            f"place_macro -macro_name {{{one.instance}}} -location {{{one.x:g} {one.y:g}}} "
            f"-orientation {one.orientation} -exact"
            for one in plan.memories
        ),
        *([f"cut_rows{around}"] if around else []),
        *(f"create_blockage -region {{{' '.join(f'{edge:g}' for edge in box)}}}" for box in plan.blocked),
        *region,
        f"place_pins {pins}",
        f"tapcell -tapcell_master {process.tap_cell} -endcap_master {process.tap_cell} "
        f"-distance {process.tap_distance_um:g}{around}",
    ]


def _power(plan: Floorplan, process: Process) -> list[str]:
    rail, strap, over = process.power.rail, process.power.strap, process.power.over_memories
    lines = [
        "add_global_connection -net VDD -inst_pattern .* -pin_pattern {^VDD$} -power",
        "add_global_connection -net VSS -inst_pattern .* -pin_pattern {^VSS$} -ground",
        "global_connect",
        "set_voltage_domain -power VDD -ground VSS",
        "define_pdn_grid -name grid -voltage_domains CORE",
        f"add_pdn_stripe -grid grid -layer {rail.layer} -width {rail.width_um:g} -followpins",
        _stripe(strap.model_copy(update={"pitch_um": min(strap.pitch_um, math.floor(plan.width))})),
        f"add_pdn_connect -grid grid -layers {{{rail.layer} {strap.layer}}}",
    ]
    if plan.memories:
        # Two straps lie along each end, where the rows beyond the memories are.
        room = plan.height - 2 * over.offset_um - 2 * over.width_um
        pitch = math.floor(100 * room / math.ceil(room / over.pitch_um)) / 100
        halo = " ".join([f"{FREE_UM:g}"] * 4)
        lines += [
            _stripe(over.model_copy(update={"pitch_um": pitch})) + f" -spacing {over.width_um:g}",
            f"add_pdn_connect -grid grid -layers {{{strap.layer} {over.layer}}}",
            "define_pdn_grid -name memories -voltage_domains CORE -macro -default -grid_over_boundary "
            f"-halo {{{halo}}}",
            f"add_pdn_connect -grid memories -layers {{{process.memory.strap.layer} {over.layer}}}",
        ]
    return [*lines, "pdngen"]


def _stripe(strap: Strap) -> str:
    return (
        f"add_pdn_stripe -grid grid -layer {strap.layer} -width {strap.width_um:g} -pitch {strap.pitch_um:g} "
        f"-offset {strap.offset_um:g}"
    )


def _placement(plan: Floorplan, process: Process, utilisation: float) -> list[str]:
    return [
        *(
            f"set_layer_rc -layer {layer.name} -resistance {DETOUR * layer.resistance:g} "
            f"-capacitance {DETOUR * layer.capacitance:g}"
            for layer in process.layers
        ),
        f"set_wire_rc -signal -layer {process.wire_layer}",
        f"set_wire_rc -clock -layer {process.clock_wire_layer}",
        f"set_routing_layers -signal {process.signal_layers} -clock {process.clock_layers}",
        f"global_placement -density {min(0.95, utilisation + 0.1):g}",
        "estimate_parasitics -placement",
        "repair_design",
        "detailed_placement",
    ]


def _clock_tree(process: Process) -> list[str]:
    return [
        f"clock_tree_synthesis -root_buf {process.clock_buffer} -buf_list {process.clock_buffer}",
        "set_propagated_clock [all_clocks]",
        "detailed_placement",
    ]


def _repair() -> list[str]:
    return [
        "estimate_parasitics -placement",
        f"repair_design -slew_margin {SLEW_MARGIN} -cap_margin {LOAD_MARGIN}",
        "repair_timing -setup",
        f"repair_timing -hold -hold_margin {HOLD_MARGIN_NS:g}",
        "detailed_placement",
        # The blocked rows hold taps, and now fillers; a check would miss the rows.
        "foreach one [[ord::get_db_block] getBlockages] { odb::dbBlockage_destroy $one }",
        "check_placement -verbose",
    ]


def _reports(unit: str) -> list[str]:
    return [
        "report_worst_slack -max -digits 4 > setup.rpt",
        "report_worst_slack -min -digits 4 > hold.rpt",
        "report_checks -path_delay max -digits 4 -format full_clock_expanded > path.rpt",
        *(f"{command} {'>>' if place else '>'} slacks.rpt" for place, command in enumerate(SLACK_REPORTS)),
        "report_check_types -max_slew -max_capacitance -max_fanout -violators > limits.rpt",
        "report_clock_skew > skew.rpt",
        "report_power > power.rpt",
        "check_antennas -report_file antennas.rpt",
        f"write_def {unit}.def",
        f"write_verilog {unit}.v",
        # What a block around this one needs: its outline with pins and obstructions, and its timing at them.
        f"write_abstract_lef {unit}.lef",
        f"write_timing_model -library_name {unit} {unit}.lib",
    ]
