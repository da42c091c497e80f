"""The paper's CPU, GPU and mobile GPU on a layer: times and powers as reported, products of them."""

from __future__ import annotations

from eie.literature import reported

__all__ = ["MACHINES", "energy_uj", "power_w", "time_us"]

# Machine of Figures 6 and 7 -> platform and row of Table IV, batch 1.
MACHINES = {
    "CPU dense": ("cpu", "dense_1"),
    "CPU compressed": ("cpu", "sparse_1"),
    "GPU dense": ("gpu", "dense_1"),
    "GPU compressed": ("gpu", "sparse_1"),
    "mobile GPU dense": ("mobile_gpu", "dense_1"),
    "mobile GPU compressed": ("mobile_gpu", "sparse_1"),
}


def time_us(machine: str, layer: str) -> float:
    """Time of the layer, batch 1, as Table IV reports it."""
    table = reported("table4")
    platform, row = MACHINES[machine]
    return float(table[platform][row][table["layers"].index(layer)])


def power_w(machine: str, layer: str) -> float | None:
    """Power during the layer, as Deep Compression's Table 9 reports it; None where nothing does."""
    table = reported("power")
    platform, row = MACHINES[machine]
    if layer in table["layers"]:
        return float(table[platform][row][table["layers"].index(layer)])
    if machine == "CPU dense":
        derived = table["derived"]
        return float(derived["cpu_dense_1"][derived["layers"].index(layer)])
    return None


def energy_uj(machine: str, layer: str) -> float | None:
    """Energy of the layer, batch 1: time times power; None where no power is known."""
    power = power_w(machine, layer)
    return None if power is None else time_us(machine, layer) * power
