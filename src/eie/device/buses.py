"""Ways to the registers and streams of rtl/eie_axi.sv: a simulation, registers mapped into memory, or SPI."""

from __future__ import annotations

import mmap
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from eie.errors import InputError, ToolError
from eie.model.network import Layer, Network
from eie.program.hardware import Hardware
from eie.program.lowering import lower
from eie.program.table import layer_table
from eie.silicon.parameters import Parameters
from eie.silicon.registers import MAP
from eie.silicon.verilated import build

__all__ = ["Bus", "MappedBus", "SimulatedBus", "SpiBus", "StreamBus"]

PORT_BYTES = 4096
_SPI_WRITE = 0x8000  # in the head of a frame

Bytes = npt.NDArray[np.uint8]


def transfer_bytes(data_bits: int) -> int:
    """Return the bytes of a stream's transfer: 8, or the next power of two that holds a word of `data_bits`."""
    return max(64, 1 << (data_bits - 1).bit_length()) // 8


class Bus(Protocol):
    """Registers of 32 bits, at byte offsets."""

    def read(self, offset: int) -> int:
        """Return a register. Raises ToolError where the chip refuses it."""

    def write(self, offset: int, value: int) -> None:
        """Write a register. Raises ToolError where the chip refuses it."""


@runtime_checkable
class StreamBus(Bus, Protocol):
    """Registers, and a stream each way."""

    def send(self, transfers: Bytes) -> None:
        """Send a stream, uint8 (transfers, bytes of a transfer); return when the chip has taken all of it."""

    def receive(self, count: int) -> Bytes:
        """Wait for `count` transfers from the chip, and return them, uint8 (count, bytes of a transfer)."""


class SimulatedBus:
    """The chip of `parameters` with its port in Verilator, clocked as far as each access needs.

    The first one with new parameters builds it, which takes a while. Close it, or use it in a `with`. Raises ToolError
    where a tool is missing or fails.
    """

    def __init__(self, parameters: Parameters, cache: Path | None = None) -> None:
        program = build(parameters, cache, top="eie_axi")
        self._transfer_bytes = transfer_bytes(parameters.data_bits)
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @classmethod
    def of(cls, network: Network | Layer, hardware: Hardware | None = None) -> SimulatedBus:
        """Return a chip of `hardware`, its memories and table large enough for `network`, which must have formats."""
        network = Network.of(network)
        hardware = Hardware(n_pe=network.n_pe) if hardware is None else hardware
        program = lower(network, replace(hardware, batched=True))
        try:
            table = layer_table(program)
        except InputError:  # it runs step by step
            table = None
        return cls(Parameters.of(program, table))

    def read(self, offset: int) -> int:
        """Return a register. Raises ToolError where the chip refuses it."""
        self._ask(b"R", offset)
        response, value = self._answer(1)[0], self._answer(4)
        if response:
            raise ToolError(f"the chip refused the read of {_name(offset)}")
        return int.from_bytes(value, "little")

    def write(self, offset: int, value: int) -> None:
        """Write a register. Raises ToolError where the chip refuses it."""
        self._ask(b"W", offset, value)
        if self._answer(1)[0]:
            raise ToolError(f"the chip refused the write of {value} to {_name(offset)}")

    def send(self, transfers: Bytes) -> None:
        """Send a stream, uint8 (transfers, bytes of a transfer); return when the chip has taken all of it."""
        self._ask(b"S", len(transfers), more=transfers.tobytes())
        self._answer(1)

    def receive(self, count: int) -> Bytes:
        """Wait for `count` transfers from the chip, and return them, uint8 (count, bytes of a transfer)."""
        self._ask(b"G", count)
        self._answer(1)
        return np.frombuffer(self._answer(self._transfer_bytes * count), np.uint8).reshape(count, -1)

    def wait_for_interrupt(self, cycles: int) -> bool:
        """Clock the chip until its interrupt line is high, for at most `cycles` cycles; return whether it is."""
        self._ask(b"I", cycles)
        return bool(self._answer(1)[0])

    @property
    def cycles(self) -> int:
        """Clock cycles since the start, those of the bus included."""
        self._ask(b"N")
        return int.from_bytes(self._answer(8), "little")

    def close(self) -> None:
        """End the simulation."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the simulation."""
        self.close()

    def _ask(self, request: bytes, first: int = 0, second: int = 0, more: bytes = b"") -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request + first.to_bytes(4, "little") + second.to_bytes(4, "little") + more)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise ToolError("the simulated chip has ended") from error

    def _answer(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) != size:
            raise ToolError(f"the simulated chip has ended with exit code {self._process.wait()}")
        return data


class MappedBus:
    """Registers mapped into memory: `path` is a UIO device, or /dev/mem with the port's address as `base`.

    It has no streams: `eie.device.Device` then moves every word through the register DATA. An access that the chip
    answers with SLVERR ends the process with SIGBUS on most processors, so the driver asks STATUS before it writes.
    Raises InputError for a file that cannot be mapped.
    """

    def __init__(self, path: str | os.PathLike[str], base: int = 0) -> None:
        if base % mmap.ALLOCATIONGRANULARITY:
            raise InputError(f"base must be a multiple of {mmap.ALLOCATIONGRANULARITY}, not {base}")
        try:
            with open(path, "r+b", buffering=0) as file:
                mapped = mmap.mmap(file.fileno(), PORT_BYTES, offset=base)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot map {PORT_BYTES} bytes of registers of {os.fspath(path)}: {error}") from error
        self._registers = np.frombuffer(mapped, np.uint32)

    def read(self, offset: int) -> int:
        """Return a register."""
        return int(self._registers[offset // 4])

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self._registers[offset // 4] = value


class SpiBus:
    """Registers behind rtl/eie_spi.sv: `exchange` selects the chip, sends some bytes and returns as many.

    SPI mode 0, at most a fifth of the chip's clock. It has no streams: every word goes through the register DATA.
    """

    def __init__(self, exchange: Callable[[bytes], bytes]) -> None:
        self._exchange = exchange

    def read(self, offset: int) -> int:
        """Return a register. Raises ToolError where the chip refuses it."""
        response, value = self._ask(offset)
        if response:
            raise ToolError(f"the chip refused the read of {_name(offset)}")
        return value

    def write(self, offset: int, value: int) -> None:
        """Write a register. Raises ToolError where the chip refuses it."""
        if self._ask(offset | _SPI_WRITE, value)[0]:
            raise ToolError(f"the chip refused the write of {value} to {_name(offset)}")

    def _ask(self, head: int, value: int = 0) -> tuple[int, int]:
        """Send a frame, then one that reads IDENTITY, with which the answer to the first comes back."""
        self._exchange(head.to_bytes(2, "big") + value.to_bytes(4, "big"))
        answer = bytes(self._exchange(bytes(6)))
        return answer[1] & 3, int.from_bytes(answer[2:], "big")


def _name(offset: int) -> str:
    return next((r.name for r in MAP.registers if r.offset == offset), "a register") + f" at {offset:#05x}"
