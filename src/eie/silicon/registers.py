"""The register map, `registers.toml`, and what is made from it: an RTL package, a C header and a page of the manual.

`make registers` writes them into a checkout.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from eie.support.toml import parse_toml

__all__ = ["FILES", "HEADER", "MAP", "Field", "Kind", "Register", "RegisterMap", "Space", "write_files"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Entry):
    """Bits `low` to `low + bits - 1` of a register or of a stream's header."""

    name: str
    low: int
    bits: int = 1
    meaning: str

    def put(self, value: int) -> int:
        """Return the register's bits with this field at `value`, the others 0."""
        return (value & ((1 << self.bits) - 1)) << self.low


class Register(_Entry):
    """One register of 32 bits, `offset` bytes from the port's base; `setting` is its number at the chip's host port."""

    name: str
    offset: int
    access: Literal["read", "write", "read and write"]
    meaning: str
    setting: int | None = None
    fields: tuple[Field, ...] = ()


class Space(_Entry):
    """A memory of the chip as the host port numbers it."""

    name: str
    number: int
    words: str


class Kind(_Entry):
    """What a step of the chip does, by its number in FLAGS."""

    name: str
    number: int
    meaning: str


class RegisterMap(_Entry):
    """The whole port. Offsets are multiples of 4, ascend, and no two names or fields overlap."""

    identity: int
    spaces: tuple[Space, ...]
    kinds: tuple[Kind, ...]
    registers: tuple[Register, ...]
    header: tuple[Field, ...]

    @model_validator(mode="after")
    def _check(self) -> RegisterMap:
        offsets = [register.offset for register in self.registers]
        if offsets != sorted(set(offsets)) or any(offset % 4 for offset in offsets):
            raise ValueError("the registers' offsets must ascend in steps of 4")
        for name, fields in (*((r.name, r.fields) for r in self.registers), ("header", self.header)):
            taken = [bit for field in fields for bit in range(field.low, field.low + field.bits)]
            if taken != sorted(set(taken)):
                raise ValueError(f"the fields of {name} must ascend and must not overlap")
        settings = [r for r in self.registers if r.setting is not None]
        if any(r.offset - settings[0].offset != 4 * r.setting for r in settings if r.setting is not None):
            raise ValueError("the settings must follow each other, as their numbers do")
        return self

    def offset(self, name: str) -> int:
        """Return a register's offset."""
        return next(register.offset for register in self.registers if register.name == name)

    def bit(self, register: str, field: str) -> int:
        """Return a field of a register with all its bits set."""
        found = next(one for one in self.registers if one.name == register)
        return next(one for one in found.fields if one.name == field).put(-1)

    def setting(self, name: str) -> int:
        """Return a setting's number at the chip's host port."""
        return (self.offset(name) - self.register_of_setting_0) // 4

    @property
    def register_of_setting_0(self) -> int:
        """The offset of the first setting."""
        return next(register.offset for register in self.registers if register.setting == 0)

    def number(self, space: str) -> int:
        """Return a space's number."""
        return next(one.number for one in self.spaces if one.name == space)

    def kind(self, name: str) -> int:
        """Return a kind of step as FLAGS has it."""
        number = next(one.number for one in self.kinds if one.name == name)
        flags = next(one for one in self.registers if one.name == "FLAGS")
        return next(one for one in flags.fields if one.name == "KIND").put(number)


MAP = parse_toml(files("eie.silicon").joinpath("registers.toml").read_text("utf-8"), RegisterMap, "the register map")
HEADER = {field.name: field for field in MAP.header}

_MADE = "made from src/eie/silicon/registers.toml by `make registers`"


def _package(port: RegisterMap) -> str:
    """Return the SystemVerilog package of the port's numbers."""
    lines = [f"// Numbers of the chip's port; {_MADE}.", "// verilator lint_off UNUSEDPARAM", "package eie_registers;"]
    lines.append(f"  localparam logic [31:0] IDENTITY_VALUE = 32'h{port.identity:08x};")
    lines += [f"  localparam logic [2:0] SPACE_{space.name} = 3'd{space.number};" for space in port.spaces]
    lines += [f"  localparam logic [1:0] KIND_{kind.name} = 2'd{kind.number};" for kind in port.kinds]
    for register in port.registers:
        lines.append(f"  localparam logic [11:0] {register.name} = 12'h{register.offset:03x};")
        if register.setting is not None:
            lines.append(f"  localparam logic [2:0] SETTING_{register.name} = 3'd{register.setting};")
        lines += [f"  localparam int {register.name}_{field.name} = {field.low};" for field in register.fields]
    for field in port.header:
        lines.append(f"  localparam int HEADER_{field.name} = {field.low};")
        lines.append(f"  localparam int HEADER_{field.name}_BITS = {field.bits};")
    return "\n".join([*lines, "endpackage", "// verilator lint_on UNUSEDPARAM"]) + "\n"


def _c_header(port: RegisterMap) -> str:
    """Return the C header: offsets in bytes, masks of fields, numbers of spaces."""
    lines = [
        f"/* The registers of the chip's port, {_MADE}. */",
        "#ifndef EIE_REGISTERS_H",
        "#define EIE_REGISTERS_H",
        "",
    ]
    lines.append(f"#define EIE_IDENTITY_VALUE 0x{port.identity:08x}u")
    lines += [f"#define EIE_SPACE_{space.name} {space.number}u /* {space.words} */" for space in port.spaces]
    lines += [f"#define EIE_KIND_{kind.name} {kind.number}u /* {kind.meaning} */" for kind in port.kinds]
    lines.append("")
    for register in port.registers:
        lines.append(
            f"#define EIE_{register.name} 0x{register.offset:03x}u /* {register.access}: {register.meaning} */"
        )
        lines += [f"#define EIE_{register.name}_{f.name} 0x{f.put(-1):x}u /* {f.meaning} */" for f in register.fields]
    lines += ["", "/* The first word of a stream, of 64 bits or more: shifts and widths of its fields. */"]
    for field in port.header:
        lines.append(f"#define EIE_HEADER_{field.name}_SHIFT {field.low} /* {field.meaning} */")
        lines.append(f"#define EIE_HEADER_{field.name}_BITS {field.bits}")
    return "\n".join([*lines, "", "#endif"]) + "\n"


def _page(port: RegisterMap) -> str:
    """Return the page of the manual."""
    lines = [
        "# The registers",
        "",
        f"The port of `rtl/eie_axi.sv`; this page is {_MADE}, and so are `rtl/eie_registers.sv` and "
        "`rtl/eie_registers.h`. [Drive the chip](how-to/drive-the-chip.md) shows the Python driver.",
        "",
        "## AXI4-Lite",
        "",
        "Registers have 32 bits, offsets are in bytes. A write that cannot be done is answered with SLVERR and changes "
        "nothing: to settings, cursor and memories while a step, a run or a stream goes on, to a place that is not "
        "there, of a value that does not fit, of less than 32 bits, to what is only read. So is a read of what is not "
        "there.",
        "",
        "| offset | register | access | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for register in port.registers:
        fields = "".join(f"<br>{_bits(field)} **{field.name}**: {field.meaning}" for field in register.fields)
        value = f" (0x{port.identity:08x})" if register.name == "IDENTITY" else ""
        lines.append(
            f"| 0x{register.offset:03x} | {register.name} | {register.access} | {register.meaning}{value}{fields} |"
        )
    lines += ["", "## Spaces", "", "| number | space | a word of it |", "| --- | --- | --- |"]
    lines += [f"| {space.number} | {space.name} | {space.words} |" for space in port.spaces]
    lines += ["", "## Kinds of steps", "", "| KIND | name | what it does |", "| --- | --- | --- |"]
    lines += [f"| {kind.number} | {kind.name} | {kind.meaning} |" for kind in port.kinds]
    lines += [
        "",
        "## AXI4-Stream",
        "",
        "A stream is a header and the words that it announces, one word a transfer; then the next header. Words have "
        "DATA_BITS bits in a transfer of 64 bits or the next power of two, memories take the low bits. SETTINGS are "
        "words as well, so one stream loads a layer, starts its scans and asks for its sums: while a step or a run "
        "goes on the chip takes no words, and loses none. What is sent back are words of any space but SETTINGS, as "
        "DATA shows them, TLAST with the last of a header.",
        "",
        "| bits of the header | field | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {_bits(field)} | {field.name} | {field.meaning} |" for field in port.header]
    return "\n".join(lines) + "\n"


def _bits(field: Field) -> str:
    return str(field.low) if field.bits == 1 else f"{field.low + field.bits - 1}:{field.low}"


# What is made, by its place in a checkout.
FILES = {"rtl/eie_registers.sv": _package, "rtl/eie_registers.h": _c_header, "docs/registers.md": _page}


def write_files(checkout: Path) -> None:
    """Write what is made from the register map into a checkout."""
    for name, render in FILES.items():
        (checkout / name).write_text(render(MAP))
