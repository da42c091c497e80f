"""A unit of the RTL and its stepped twin, clocked together: all outputs of its signal table are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from cocotb.handle import HierarchyObject
from cocotb.triggers import Timer

from eie.chip.stepped.signals import Direction
from eie.chip.stepped.unit import Unit, Wires

HALF_PERIOD = Timer(1, "ns")
SETTLING = Timer(1, "ps")  # inputs come from registers: latches need them settled before the clock is low


class Lockstep:
    """The two, driven by the same wires.

    `ports` names the ports whose names are not the signal's, and `portless` the inputs that the RTL takes in another
    form. An output is compared only while it means something, as its table says.
    """

    def __init__(
        self,
        dut: HierarchyObject,
        twin: Unit,
        ports: Mapping[str, str] | None = None,
        portless: Collection[str] = (),
    ) -> None:
        self.dut = dut
        self.twin = twin
        self.cycle = 0
        self._signals = {signal.name: signal for signal in twin.signals}
        self._ports = {name: name for name in self._signals} | dict(ports or {})
        self._portless = portless
        self._wires: Wires = {}
        if hasattr(dut, "scan_enable"):
            dut.scan_enable.value = 0
        self._latches = hasattr(dut, "LATCHES") and int(dut.LATCHES.value)

    async def drive(self, **values: int) -> None:
        """Clock the RTL alone, with `values` at ports: reset, or what the host does in I/O mode."""
        await self._settle(values)
        await self._edge()

    def propagate(self, **through: Any) -> Wires:
        """Set the `through` inputs and return the twin's wires: the other inputs may follow from its outputs."""
        self._set(through)
        self.twin.propagate(self._wires)
        return self._wires

    async def step(
        self,
        ports: Mapping[str, int] | None = None,
        meaningless: Collection[str] = (),
        watch: Collection[str] = (),
        **inputs: Any,
    ) -> list[int]:
        """Set the remaining inputs, compare all outputs but the `meaningless`, and clock both.

        `ports` are values for ports that the twin has not. Returns what the ports to `watch` showed before the edge.
        """
        self._set(inputs)
        await self._settle(ports or {})
        for name, signal in self._signals.items():
            if signal.direction is Direction.OUTPUT and name not in meaningless:
                self._compare(name)
        seen = [int(getattr(self.dut, port).value) for port in watch]
        self.twin.update(self._wires)
        await self._edge()
        self.cycle += 1
        return seen

    def _set(self, inputs: Mapping[str, Any]) -> None:
        for name, value in inputs.items():
            signal = self._signals[name]
            assert signal.direction is not Direction.OUTPUT, name
            self._wires[name] = np.atleast_1d(value) if signal.per_pe else value
            if name not in self._portless:
                port = getattr(self.dut, self._ports[name])
                port.value = packed(value, len(port))

    def _compare(self, name: str) -> None:
        condition = self._signals[name].when
        if condition and not np.all(self._wires[condition]):
            return
        port = getattr(self.dut, self._ports[name])
        expected = packed(self._wires[name], len(port))
        assert port.value == expected, f"cycle {self.cycle}: {name} is {port.value} in the RTL, expected {expected:#x}"

    async def _settle(self, values: Mapping[str, int]) -> None:
        for port, value in values.items():
            getattr(self.dut, port).value = value
        if self._latches:
            await SETTLING
        self.dut.clk.value = 0
        await HALF_PERIOD

    async def _edge(self) -> None:
        self.dut.clk.value = 1
        await HALF_PERIOD


def packed(value: Any, bits: int) -> int:
    """Return one value, or an array's, the first in the lowest bits, as the bits of a port."""
    values = np.atleast_1d(value)
    width = bits // len(values)
    return sum((int(number) & ((1 << width) - 1)) << (width * place) for place, number in enumerate(values))
