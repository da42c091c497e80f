"""The driver: runs a network on a chip behind its bus, by the host's steps of its program."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import groupby

import numpy as np
import numpy.typing as npt

from eie.device.buses import Bus, StreamBus, transfer_bytes
from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError, ToolError
from eie.model.network import Layer, Network
from eie.model.numerics import Integers, dequantise, quantise
from eie.program.arithmetic import read_out
from eie.program.hardware import Hardware
from eie.program.host import ReadOutputs, host_steps
from eie.program.lowering import LoweredLayer, as_rows, lower, lower_run, one_input
from eie.program.table import LayerTable, layer_table
from eie.silicon.host_words import MEMORIES, READ, RUN, SCAN, Memory, memory, run_words, step_words, table_words
from eie.silicon.parameters import Parameters
from eie.silicon.registers import HEADER, MAP

__all__ = ["Device", "DeviceLayer", "DeviceRun", "LoadedNetwork", "Packet", "TableRun", "packets"]

_MOST_WORDS = 2 ** HEADER["COUNT"].bits - 1
_LONGEST_S = 60.0  # a scan, and a stream


@dataclass(frozen=True, eq=False)
class DeviceLayer:
    """One layer as the chip ran it: `outputs` in Q(fo) after ReLU, (outputs,), and the cycles of its scans."""

    layer: Layer
    cycles: int
    outputs: Integers = field(repr=False)


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """A run: every layer's part, the words that went to the chip and came from it, and `outputs`, (outputs,).

    `outputs` are those of the last layer as real numbers, the same as of `InferenceSession(numerics="chip")`.
    """

    layers: tuple[DeviceLayer, ...]
    words_written: int
    words_read: int
    outputs: npt.NDArray[np.float32] = field(repr=False)

    @property
    def cycles(self) -> int:
        """Cycles of all layers' scans."""
        return sum(layer.cycles for layer in self.layers)


@dataclass(frozen=True, eq=False)
class TableRun:
    """A run from the chip's table: its cycles, those between layers included, words to and from the chip, `outputs`.

    `outputs`, (outputs,), are those of the last layer as real numbers, the same as of
    `InferenceSession(numerics="chip")`.
    """

    cycles: int
    words_written: int
    words_read: int
    outputs: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Packet:
    """Words that follow each other in a space: from PE `pe`, `address` on; `data`, uint8 (words, bytes), to write.

    By row, the PE counts first, else the address. With `starts`, the last word starts a step or a run.
    """

    space: int
    pe: int
    address: int
    by_row: bool
    reads: bool
    starts: bool
    data: npt.NDArray[np.uint8]

    def place(self, word: int, n_pe: int) -> tuple[int, int]:
        """Return the PE and the address of a word of the packet, counted from 0."""
        if self.by_row:
            address, pe = divmod(self.address * n_pe + self.pe + word, n_pe)
            return pe, address
        return self.pe, self.address + word

    def header(self) -> int:
        """Return the header of its stream."""
        values = {"SPACE": self.space, "BY_ROW": self.by_row, "SEND": self.reads, "PE": self.pe}
        values |= {"COUNT": len(self.data), "ADDRESS": self.address}
        return sum(HEADER[name].put(int(value)) for name, value in values.items())


def packets(words: Sequence[np.ndarray], n_pe: int) -> Iterator[Packet]:
    """Iterate over the packets of host words, arrays of `word_type`, in order."""
    for (reads, space), group in groupby(words, lambda some: (some["operation"][0] == READ, some["space"][0])):
        joined = np.concatenate(list(group))
        pes, addresses = joined["pe"].astype(np.int64), joined["address"].astype(np.int64)
        by_row = bool((np.diff(addresses * n_pe + pes) == 1).all())
        follows = (np.diff(pes) == 0) & (np.diff(addresses) == 1)
        cuts = np.flatnonzero(~follows & (not by_row)) + 1
        for part in np.split(joined, cuts):
            for first in range(0, len(part), _MOST_WORDS):
                some = part[first : first + _MOST_WORDS]
                yield Packet(
                    space=int(space),
                    pe=int(some["pe"][0]),
                    address=int(some["address"][0]),
                    by_row=by_row,
                    reads=bool(reads),
                    starts=bool(some["operation"][-1] in (SCAN, RUN)),
                    data=some["data"],
                )


def _parts(space: str, pe: int, address: int, words: npt.NDArray[np.uint8], *, reads: bool) -> list[Packet]:
    """Return the packets of words of one PE, uint8 (words, bytes), from `address` on."""
    return [
        Packet(MAP.number(space), pe, address + first, by_row=False, reads=reads, starts=False, data=part)
        for first in range(0, len(words), _MOST_WORDS)
        for part in (words[first : first + _MOST_WORDS],)
    ]


class Device:
    """The chip on a bus. Its sizes are read from it.

    Words go as streams where the bus has them, else through the register DATA. Raises ToolError where no chip answers.
    """

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        identity = self.read("IDENTITY")
        if identity != MAP.identity:
            raise ToolError(f"no chip answers: IDENTITY is {identity:#010x}, expected {MAP.identity:#010x}")
        self.parameters = Parameters(**{one.name: self.read(one.name.upper()) for one in fields(Parameters)})

    def read(self, register: str) -> int:
        """Return a register, by its name in docs/registers.md."""
        return self.bus.read(MAP.offset(register))

    def write(self, register: str, value: int) -> None:
        """Write a register, by its name in docs/registers.md."""
        self.bus.write(MAP.offset(register), value)

    @property
    def hardware(self) -> Hardware:
        """The chip's sizes; a layer that its memories cannot hold is refused."""
        return self.parameters.hardware()

    def read_memory(self, space: str, pe: int, address: int, count: int = 1) -> list[int]:
        """Return `count` words of PE `pe`, from `address` on, of a space by its name in docs/registers.md.

        Numbers are signed, pointers and rows of weights are not. Reading WEIGHTS empties the PE's weight buffer. Raises
        InputError for words that are not there, and ToolError where the chip refuses an access: it is busy.
        """
        kind = self._memory(space, pe, address, count)
        words = np.zeros((count, self._word_bytes), np.uint8)
        found = [self._read(part) for part in _parts(space, pe, address, words, reads=True)]
        return [int.from_bytes(word.tobytes(), "little", signed=kind.signed) for word in np.concatenate(found)]

    def write_memory(self, space: str, pe: int, address: int, words: Sequence[int]) -> None:
        """Write words of PE `pe` from `address` on, of a space by its name in docs/registers.md.

        CODEBOOK is all PEs', its entry 0 is 0, and it has no -2^(B-1) (docs/hardware.md, E2 and A3). An FPGA's chip
        takes a PE's pointers in ascending order, from 0 on or after the one written last. Raises InputError for words
        that are not there or that hold no such value, and ToolError where the chip refuses an access: it is busy.
        """
        kind = self._memory(space, pe, address, len(words))
        most = (1 << (kind.bits - kind.signed)) - 1
        least = (0 if not kind.signed else -most) - (kind.signed and space != "CODEBOOK")
        wrong = next((word for word in words if not least <= word <= most), None)
        if wrong is not None:
            raise InputError(f"a word of {space} is {least} to {most}, not {wrong}")
        if space == "CODEBOOK" and address == 0 and words[0] != 0:
            raise InputError(f"entry 0 of a codebook is 0, not {words[0]}")
        size = self._word_bytes
        data = b"".join((word % (1 << 8 * size)).to_bytes(size, "little") for word in words)
        self._write(_parts(space, pe, address, np.frombuffer(data, np.uint8).reshape(-1, size), reads=False))

    def load(self, network: Network | Layer, *, verify: bool = False) -> LoadedNetwork:
        """Write a network of linear layers, which must have Q formats, into the chip's memories and table of layers.

        With `verify` all that went to memories is read back and compared; the table is not read. Raises InputError,
        before anything is written, where the chip cannot hold all of it at once, and ToolError where the chip refuses
        an access or a memory does not hold what was written.
        """
        program = lower(Network.of(network), self.hardware)
        program.network.chain()
        table = layer_table(program)
        self.parameters.require_fit(program)
        self.parameters.require_table(table)
        self.write("RESET", 0)
        words = table_words(table, self.parameters)
        parts = list(packets(words, program.hardware.n_pe))
        self._write(parts)
        if verify:
            for part in parts:
                self._verify(part)
        return LoadedNetwork(self, table, sum(map(len, words)))

    def run(self, network: Network | Layer | InterleavedCSC, inputs: npt.ArrayLike) -> DeviceRun:
        """Run a network of linear layers on one input vector of real numbers, (inputs,), step by step.

        The host writes each layer, starts its scans and reads its outputs: for networks that the chip cannot hold at
        once, and for every layer's outputs and cycles. If it has no Q formats, they are chosen from this input. Raises
        InputError, before anything is written, where the chip cannot hold a layer, and ToolError where the chip refuses
        an access or does not come to an end.
        """
        program, activations = lower_run(Network.of(network), inputs, self.hardware)
        self.parameters.require_fit(program)
        self.write("RESET", 0)
        written = read = 0
        ran: list[DeviceLayer] = []
        for layer, steps in groupby(host_steps(program), lambda step: step.layer):
            rows = as_rows(layer.places(activations), program.hardware.n_pe)
            cycles, sums = 0, []
            for step in steps:
                words = step_words(step, layer, rows, self.parameters)
                if not isinstance(step, ReadOutputs):
                    written += sum(map(len, words))
                    self._write(list(packets(words, program.hardware.n_pe)))
                    continue
                read += sum(map(len, words))
                sums += [self._read_sums(part) for part in packets(words, program.hardware.n_pe)]
                cycles += self.read("CYCLES")  # those of the pass: each begins with CLEAR
            ran.append(self._layer(layer, cycles, np.concatenate(sums)))
            activations = ran[-1].outputs
        self._require_no_refusal()
        fraction = program.layers[-1].constants.formats.output_fraction
        outputs = dequantise(ran[-1].outputs, fraction).astype(np.float32)
        return DeviceRun(tuple(ran), written, read, outputs)

    def run_loaded(self, table: LayerTable, inputs: npt.ArrayLike) -> TableRun:
        """Run the network that `load` has written; `LoadedNetwork.run` calls it."""
        program, last = table.program, table.last
        vector = one_input(program.network, inputs)
        formats = program.layers[0].constants.formats
        activations = quantise(vector[0], formats.activation_fraction, formats.value_bits)
        words = run_words(table, activations, self.parameters)
        sums: list[Integers] = []
        written = cycles = 0
        for part in packets(words, program.hardware.n_pe):
            if not part.reads:
                written += len(part.data)
                self._write([part])
                continue
            if not sums:
                self._wait()
                cycles = self.read("CYCLES")
            sums.append(self._read_sums(part))
        self._require_no_refusal()
        found = np.concatenate(sums)
        outputs = read_out(last.outputs(found), last.constants.formats, last.layer.relu)
        fraction = last.constants.formats.output_fraction
        return TableRun(cycles, written, len(found), dequantise(outputs, fraction).astype(np.float32))

    def _require_no_refusal(self) -> None:
        if self.read("INTERRUPT") & MAP.bit("INTERRUPT", "REFUSED"):
            raise ToolError("the chip refused a word of a stream: its outputs are not to be trusted")

    def _layer(self, layer: LoweredLayer, cycles: int, sums: Integers) -> DeviceLayer:
        outputs = read_out(layer.outputs(sums), layer.constants.formats, layer.layer.relu)
        return DeviceLayer(layer.layer, cycles, outputs)

    def _write(self, parts: Sequence[Packet]) -> None:
        """Write packets in order; a scan may still run when it returns."""
        if isinstance(self.bus, StreamBus):
            self.bus.send(np.concatenate([self._transfers(part) for part in parts]))
            return
        for part in parts:
            self._set_cursor(part)
            for word in part.data:
                registers = word.view("<u4")
                for place in range(len(registers) - 1, -1, -1):
                    self.bus.write(MAP.offset("DATA") + 4 * place, int(registers[place]))
            if part.starts:
                self._wait()

    def _read(self, part: Packet, registers: int | None = None) -> npt.NDArray[np.uint8]:
        """Return the words of a packet, uint8 (words, bytes), when no scan runs any more; of `registers`, if given."""
        registers = self._word_bytes // 4 if registers is None else registers
        if isinstance(self.bus, StreamBus):
            self.bus.send(self._transfers(part))
            return np.ascontiguousarray(self.bus.receive(len(part.data))[:, : 4 * registers])
        self._set_cursor(part)
        words = np.empty((len(part.data), registers), "<u4")
        for word in words:
            for place in range(registers - 1, -1, -1):
                word[place] = self.bus.read(MAP.offset("DATA") + 4 * place)
        return words.view(np.uint8)

    def _read_sums(self, part: Packet) -> Integers:
        return self._read(part, registers=1).view("<i4")[:, 0].astype(np.int64)

    def _verify(self, part: Packet) -> None:
        """Raise ToolError where a memory does not hold a packet's words."""
        name = next(space.name for space in MAP.spaces if space.number == part.space)
        if name not in MEMORIES:
            return
        mask = np.frombuffer(
            ((1 << memory(name, self.parameters).bits) - 1).to_bytes(self._word_bytes, "little"), np.uint8
        )
        found, expected = self._read(replace(part, reads=True)) & mask, part.data & mask
        wrong = np.flatnonzero((found != expected).any(axis=1))
        if len(wrong):
            pe, address = part.place(int(wrong[0]), self.parameters.n_pe)
            raise ToolError(
                f"the chip does not hold what was written: {name} of PE {pe} at {address} is "
                f"0x{found[wrong[0]][::-1].tobytes().hex()}, expected 0x{expected[wrong[0]][::-1].tobytes().hex()}"
            )

    def _memory(self, space: str, pe: int, address: int, count: int) -> Memory:
        """Return a memory. Raises InputError where `count` words from `address` on are not there."""
        if space not in MEMORIES:
            raise InputError(f"{space} is no memory of the chip; there are {', '.join(MEMORIES)}")
        kind = memory(space, self.parameters)
        if not (0 <= pe < self.parameters.n_pe and address >= 0 and 0 < count <= kind.words - address):
            raise InputError(
                f"{space} of PE {pe} has no {count} words from {address} on: the chip has "
                f"{self.parameters.n_pe} PEs, and {space} {kind.words} words of each"
            )
        return kind

    @property
    def _word_bytes(self) -> int:
        """The bytes of a word in whole registers."""
        return -(-self.parameters.data_bits // 32) * 4

    def _transfers(self, part: Packet) -> npt.NDArray[np.uint8]:
        width = transfer_bytes(self.parameters.data_bits)
        transfers = np.zeros((1 if part.reads else 1 + len(part.data), width), np.uint8)
        transfers[0, :8] = np.array([part.header()], "<u8").view(np.uint8)
        if not part.reads:
            transfers[1:, : part.data.shape[1]] = part.data
        return transfers

    def _set_cursor(self, part: Packet) -> None:
        self.write("CURSOR", part.space | MAP.bit("CURSOR", "BY_ROW") * part.by_row)
        self.write("CURSOR_PE", part.pe)
        self.write("CURSOR_ADDRESS", part.address)

    def _wait(self) -> None:
        """Wait until the chip is not busy. Raises ToolError if that takes more than a minute."""
        until = time.monotonic() + _LONGEST_S
        while self.read("STATUS") & MAP.bit("STATUS", "BUSY"):
            if time.monotonic() > until:
                raise ToolError(f"the chip has not come to an end in {_LONGEST_S:g} s")


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network in the chip's memories and table of layers; `words_written` loaded it."""

    device: Device = field(repr=False)
    table: LayerTable = field(repr=False)
    words_written: int

    def run(self, inputs: npt.ArrayLike) -> TableRun:
        """Run it on one input vector of real numbers, (inputs,): the chip goes from layer to layer by itself.

        Raises InputError for wrong inputs, and ToolError where the chip refuses an access or does not come to an end.
        """
        return self.device.run_loaded(self.table, inputs)
