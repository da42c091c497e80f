"""Activation read and write beside its twin: files that swap roles, sums beyond B bits, batches out of the SRAM."""

import random

import cocotb
import numpy as np
from cocotb.handle import HierarchyObject

from eie.chip.stepped.act_rw import ActRw
from silicon.units.lockstep import Lockstep


@cocotb.test()
async def equals_twin(dut: HierarchyObject) -> None:
    """Every output of every cycle, over layers and batches as the host and the control unit make them."""
    value_bits, accumulator_bits, registers, words = (
        int(getattr(dut, name).value) for name in ("VALUE_BITS", "ACCUMULATOR_BITS", "REGISTER_ENTRIES", "SRAM_WORDS")
    )
    twin = ActRw(1, registers, value_bits)
    both = Lockstep(dut, twin)

    def sums(count: int) -> np.ndarray:
        bits = random.choices((value_bits - 1, value_bits, accumulator_bits - 1), k=count)
        return np.array([[random.randint(-(2**width), 2**width - 1)] for width in bits])

    async def write(port: str, rows: np.ndarray, first: int = 0) -> None:
        for place, value in enumerate(rows[:, 0].tolist()):
            await both.drive(
                **{port: 1},
                busy=0,
                load_enable=0,
                write_valid=0,
                host_address=first + place,
                host_data=value % 2**accumulator_bits,
            )
        await both.drive(**{port: 0})

    async def scan(rows: int) -> None:
        """As many cycles as there are rows load them, later ones write sums."""
        for cycle in range(rows + 40):
            row_address, read_row = random.randrange(registers), random.choice((random.randrange(registers), 0))
            both.propagate(row_address=row_address, read_row=read_row)
            loads = cycle < rows
            load_row = cycle if loads else random.randrange(registers)
            writes, write_row = not loads and random.random() < 0.7, random.randrange(registers)
            written = {"source_row": loads and row_address == load_row, "read_value": writes and read_row == write_row}
            await both.step(
                ports={"busy": 1, "load_read": cycle + 1 < rows, "load_address": (first_word + cycle + 1) % words},
                meaningless=[name for name, in_this_cycle in written.items() if in_this_cycle],
                write_valid=writes,
                write_row=write_row,
                write_value=int(sums(1)[0, 0]),
                load_enable=loads,
                load_row=load_row,
                store_enable=False,
            )

    async def store(rows: int, first: int) -> None:
        """Store the source file's first rows in the SRAM."""
        for row in range(rows):
            both.propagate(row_address=row, read_row=0)
            await both.step(
                ports={"busy": 1, "load_address": first + row, "load_read": 0},
                **{"write_valid": False, "write_row": 0, "write_value": 0},
                **{"load_enable": False, "load_row": row, "store_enable": True},
            )
        await both.drive(store_enable=0)

    ports = (
        "host_write_source",
        "host_write_destination",
        "host_write_sram",
        "host_read_sram",
        "load_read",
        "load_enable",
        "store_enable",
        "write_valid",
    )
    await both.drive(reset=0, busy=0, source=0, relu=0, **dict.fromkeys(ports, 0))
    first_word, source = 0, 0
    for layer in range(20):
        whole = sums(registers)
        twin.preset(whole, source)
        await write("host_write_destination", whole)
        if layer == 0 or random.random() < 0.3:
            inputs = sums(registers)
            twin.write_source(inputs, source)
            twin.start(first_word, source, relu=False)
            dut.relu.value = 0
            await write("host_write_source", inputs)
        await scan(0)
        if random.random() < 0.5:  # a second batch
            batch = np.array([[random.randint(-(2 ** (value_bits - 1)), 2 ** (value_bits - 1) - 1)] for _ in whole])
            first_word = random.randrange(words - registers + 1)
            twin.write_sram(np.pad(batch, ((first_word, words - first_word - registers), (0, 0))))
            twin.start(first_word, source, relu=False)
            dut.relu.value = 0
            await write("host_write_sram", batch, first_word)
            await both.drive(
                busy=0, load_read=1, load_address=first_word
            )  # the start's edge reads the first row's word
            await scan(registers)
            # Its rows, or what they become through ReLU, go to other words, from which a third batch is loaded.
            first_word = random.randrange(words - registers + 1)
            twin.start(first_word, source, layer % 2 == 0)
            await both.drive(relu=layer % 2 == 0)
            await store(registers, first_word)
            await both.drive(relu=0, load_read=1, load_address=first_word)
            twin.start(first_word, source, relu=False)
            await scan(registers)
        source, relu = 1 - source, layer % 3 == 0
        twin.start(first_word, source, relu)
        await both.drive(source=source, relu=int(relu), load_read=0, load_enable=0, write_valid=0)
