"""Table V: EIE beside other platforms on AlexNet FC7, batch 1."""

from __future__ import annotations

from eie.chip import Hardware
from eie.cost import cost
from eie.literature import reported
from eie.paper.comparison import Comparison, Plot, Reproduction, Scale, modelled
from eie.paper.study import Study
from eie.support.tables import Column, Provenance

__all__ = ["WORKLOAD", "chip", "reproduce"]

WORKLOAD = "Alex-7"
THIS_CPU = "this CPU"
QUANTITIES = {
    "frames_per_s": ("speed", "frames/s"),
    "area_mm2": ("area", "mm2"),
    "power_w": ("power", "W"),
    "frames_per_s_mm2": ("speed per area", "frames/s/mm2"),
    "frames_per_j": ("speed per power", "frames/J"),
}
TIMED = {"Core i7-5930K": "cpu", "Titan X": "gpu", "Tegra K1": "mobile_gpu"}
# A number, where it comes from, and a note on it.
Number = tuple[float, Provenance, str]

# The paper's two chips: as built, and its projection to 28 nm.
CHIPS = {
    "EIE 64 PE": (Hardware(), 45.0),
    "EIE 256 PE": (Hardware(n_pe=256, clock_mhz=1200), 28.0),
}


def reproduce(study: Study) -> Reproduction:
    """EIE simulated and modelled; other platforms' speed worked out from Table IV; this CPU measured."""
    paper = reported("table5")
    times = reported("table4")
    place = times["layers"].index(WORKLOAD)
    ours: dict[str, dict[str, Number]] = {}
    for platform, key in TIMED.items():
        ours[platform] = {"frames_per_s": (1e6 / times[key]["dense_1"][place], Provenance.DERIVED, "")}
    ours["DaDianNao"] = {"frames_per_s": (_dadiannao_frames_per_s(), Provenance.DERIVED, "")}
    for platform in CHIPS:
        ours[platform] = chip(study, platform)
    timed = study.cpu_times(WORKLOAD).dense
    ours[THIS_CPU] = {"frames_per_s": (1e6 / timed.median_us, Provenance.MEASURED, timed.spread)}
    comparisons = []
    for platform in [*paper["platforms"], THIS_CPU]:
        numbers, theirs = ours.get(platform, {}), paper["platforms"].get(platform, {})
        for key, (quantity, unit) in QUANTITIES.items():
            value, provenance, note = numbers.get(key, (None, Provenance.REPORTED, ""))
            if value is not None or key in theirs:
                labels = {"platform": platform, "quantity": quantity}
                comparisons.append(Comparison(labels, value, theirs.get(key), provenance, unit, note))
    small, projected = ours["EIE 64 PE"], ours["EIE 256 PE"]
    reported_mm2 = paper["platforms"]["EIE 64 PE"]["area_mm2"]
    return Reproduction(
        name="table5",
        title=paper["title"],
        source=paper["source"],
        labels=(Column("platform", "platform"), Column("quantity", "quantity")),
        comparisons=tuple(comparisons),
        scale=Scale.RATIO,
        verdict=(
            "The speeds of CPU, GPUs and DaDianNao follow from Table IV and from memory bandwidth. The "
            "paper's 256 PEs at "
            "28 nm are 3.25 times its 64 PEs, times 1.6 for the clock, although it gives the clock as 1200 "
            "MHz, which is "
            f"1.5; simulated at 1200 MHz they do {projected['frames_per_s'][0]:,.0f} frames per second. 64 PEs take "
            f"{small['power_w'][0]:.2f} W on {WORKLOAD} and the paper's {paper['platforms']['EIE 64 PE']['power_w']:g}."
        ),
        headlines=(
            (
                f"{small['area_mm2'][0]:.1f} mm²",
                f"64 PEs at 45 nm, {small['area_mm2'][1]}; the paper says {reported_mm2:g} mm²",
            ),
        ),
        plot=Plot(category="platform", panel="quantity", value_title="", logarithmic=True),
        conditions=(
            f"{WORKLOAD}, generated. EIE: {study.technology.title}; {study.speed_of_memories()} "
            "At 28 nm scaled by the paper's rule (clock times s, area over s squared, power of a PE unchanged)."
        ),
    )


def chip(study: Study, platform: str) -> dict[str, Number]:
    """One of the paper's two chips on AlexNet FC7: every quantity of the table with its provenance and a note."""
    hardware, node_nm = CHIPS[platform]
    made = cost(study.simulation(WORKLOAD, hardware), study.technology.scaled(node_nm))
    slow = "" if made.keeps_clock else f"; its memories are read every {made.slowest_memory_ns:.2f} ns at best"
    (area, area_note), (power, power_note) = modelled(made.area_put_in), modelled(made.power_put_in)
    return {
        "frames_per_s": (made.frames_per_s, Provenance.SIMULATED, slow.removeprefix("; ")),
        "area_mm2": (made.area_mm2, area, area_note),
        "power_w": (made.power_mw / 1000, power, f"{power_note}{slow}".removeprefix("; ")),
        "frames_per_s_mm2": (made.frames_per_s_mm2, Provenance.MODELLED, f"area {made.area_put_in:.0%} put in"),
        "frames_per_j": (made.frames_per_j, power, f"energy {made.power_put_in:.0%} put in"),
    }


def _dadiannao_frames_per_s() -> float:
    """Its eDRAM's bandwidth over the bytes of the dense layer."""
    table = reported("table5")
    chip, clock_mhz = table["dadiannao"], table["platforms"]["DaDianNao"]["clock_mhz"]
    bytes_per_s = chip["tiles"] * chip["banks_per_tile"] * chip["bank_width_bits"] / 8 * clock_mhz * 1e6
    layer = reported("table3")["layers"][WORKLOAD]
    return float(bytes_per_s / (layer["inputs"] * layer["outputs"] * chip["bytes_per_weight"]))
