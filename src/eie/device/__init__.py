"""The chip behind its bus: a driver of its registers and streams, over a simulation or memory-mapped registers."""

from eie.device.buses import Bus, MappedBus, SimulatedBus, StreamBus
from eie.device.driver import Device, DeviceLayer, DeviceRun

__all__ = ["Bus", "Device", "DeviceLayer", "DeviceRun", "MappedBus", "SimulatedBus", "StreamBus"]
