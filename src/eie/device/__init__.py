"""The chip behind its bus: a driver of its registers and streams, over a simulation, memory-mapped registers or SPI."""

from eie.device.buses import Bus, MappedBus, SimulatedBus, SpiBus, StreamBus
from eie.device.driver import Device, DeviceLayer, DeviceRun, LoadedNetwork, TableRun

__all__ = [
    "Bus",
    "Device",
    "DeviceLayer",
    "DeviceRun",
    "LoadedNetwork",
    "MappedBus",
    "SimulatedBus",
    "SpiBus",
    "StreamBus",
    "TableRun",
]
