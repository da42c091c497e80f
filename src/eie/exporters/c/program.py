"""The files of a C program: its header, its code, its constants, and a main for the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import eie
from eie.engine import InferenceSession
from eie.errors import InputError
from eie.exporters.c.code_size import CodeSize, code_size
from eie.exporters.c.lowering import C_TYPES, Lowered, Operation, lower_to_c, place
from eie.exporters.c.text import comment, identifier, runtime_for
from eie.model.network import Network
from eie.support.output_files import atomic_folder

__all__ = ["NUMERICS", "CProgram", "write_c"]

NUMERICS = ("int8", "chip")

_CHECKS = """\
/* The outputs are the same to the bit wherever float and double are those of IEEE 754 and computed with as such. */
#if FLT_RADIX != 2 || FLT_MANT_DIG != 24 || FLT_MAX_EXP != 128%s
#error "this program needs floats of IEEE 754"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "floats must be computed with as such: on 32-bit x86, add -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || \\
    defined(__NO_SIGNED_ZEROS__)
#error "this program needs every rounding: compile it without -ffast-math and its parts"
#endif
"""


@dataclass(frozen=True)
class CProgram:
    """A C program that was written: `name` is what its functions' names begin with, `files` are within the folder.

    Sizes are bytes: `constant_bytes` of all constants, `stream_bytes` those of the compressed weights among them,
    `buffer_bytes` of the static arrays, `code` what was measured, None where it could not be. `inexact` names the steps
    whose outputs, and what follows from them, may differ from a session's in their last bits.
    """

    name: str
    files: tuple[str, ...]
    constant_bytes: int
    stream_bytes: int
    buffer_bytes: int
    inexact: tuple[str, ...]
    code: CodeSize | None


def write_c(network: Network, folder: Path, numerics: str = "int8", compiler: str | None = None) -> CProgram:
    """Write `network` as a C program into `folder`, which must not exist yet, whole or not at all; return its sizes.

    `numerics` is int8 or chip; `compiler` the command that measures the code's size, by default cc if it is there.
    Raises InputError for what a session refuses, and for steps that C is not written for; ToolError where a named
    compiler fails.
    """
    if numerics not in NUMERICS:
        raise InputError(f"a C program has the numerics {' or '.join(NUMERICS)}, not {numerics}")
    name = identifier(network.name, "model").lower()
    with atomic_folder(folder) as target:
        InferenceSession(network, numerics=numerics)  # refuses what these numerics cannot have
        lowered = lower_to_c(network, numerics)
        program = _Program(name, network, numerics, lowered)
        files = {
            f"{name}_model.h": program.header(),
            f"{name}_model.c": program.code(),
            f"{name}_weights.h": program.constants(),
            "main.c": program.main(),
        }
        for file, text in files.items():
            (target / file).write_text(text, encoding="ascii", newline="\n")
        size = code_size(target / f"{name}_model.c", compiler)
    return CProgram(
        name,
        tuple(files),
        lowered.constant_bytes,
        lowered.stream_bytes,
        program.buffer_bytes,
        tuple(lowered.inexact),
        size,
    )


class _Program:
    """The texts of one program."""

    def __init__(self, name: str, network: Network, numerics: str, lowered: Lowered) -> None:
        self._name, self._upper, self._network, self._numerics = name, name.upper(), network, numerics
        self._lowered = lowered
        self._around = _around_integers(lowered)
        if self._around is None:
            operations, inputs, outputs = lowered.operations, lowered.inputs, lowered.outputs
        else:
            first, last = self._around
            inputs, outputs = first.makes["y"], last.reads["x"]
            operations = lowered.operations[1:-1]
            operations[0] = replace(operations[0], title=first.title)
        self._inputs, self._outputs = inputs, outputs
        self._buffers = place(operations, inputs, outputs)
        self._body = _statements(operations, self._upper)

    @property
    def buffer_bytes(self) -> int:
        """Bytes of the static arrays."""
        kept = 4 * sum(self._lowered.caches)
        return kept + self._buffers.bytes + (2 * (self._network.inputs + self._network.outputs) if self._around else 0)

    def header(self) -> str:
        name, upper, network = self._name, self._upper, self._network
        image = getattr(network.steps[0], "image", None)
        shape = f"{network.inputs} numbers" if image is None else f"an image of {image}, channel by channel, row by row"
        inexact = ", ".join(map(comment, self._lowered.inexact))
        equal = f"but for the last bits from {inexact} on" if inexact else "bit for bit"
        lines = [
            f"/* {comment(network.name)} as C99, in the numerics {self._numerics}; written by eie {eie.__version__}.",
            "",
            f"   The outputs are those of `eie run --numerics {self._numerics}`, {equal}.",
            f"   Nothing is allocated: {self.buffer_bytes} bytes of buffers are static, so one call at a time;",
            f"   {self._lowered.constant_bytes} bytes are constants. */",
            f"#ifndef {upper}_MODEL_H",
            f"#define {upper}_MODEL_H",
            "",
        ]
        lines += ["#include <stdint.h>", ""] if self._around else []
        lines += [
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            f"#define {upper}_INPUTS {network.inputs}",
            f"#define {upper}_OUTPUTS {network.outputs}",
            "",
            "/* What a call returns. */",
            f"#define {upper}_OK 0",
            f"#define {upper}_NOT_FINITE 1 /* an input, or a number on the way, is NaN or infinite: no outputs */",
        ]
        if self._numerics == "chip":
            lines += [
                f"#define {upper}_OVERFLOWED 2 /* a sum did not fit its accumulator and wrapped, as on the chip */"
            ]
        functions = " ".join(self._body)
        if f"{upper}_NO_ENTRY" in functions:
            lines += [f"#define {upper}_NO_ENTRY 3 /* a number to look up is no entry of its table: no outputs */"]
        if self._lowered.caches:
            lines += [
                f"#define {upper}_FULL 4 /* no room for more tokens: no outputs */",
                "",
                f"/* A call of {name}_run follows those before it, of which attention keeps what it needs. This",
                "   forgets them, for another text, and after a call that gave no outputs. */",
                f"void {name}_restart(void);",
            ]
        lines += [
            "",
            f"/* input: {shape}. output: {network.outputs} numbers, which lie elsewhere. */",
            f"int {name}_run(const float *input, float *output);",
        ]
        if self._inputs.fixed and self._outputs.fixed:
            lines += [
                "",
                "/* The same with integers and no floats; a 1 stands for 2 to the minus so many fraction bits. */",
                f"#define {upper}_INPUT_FRACTION_BITS {self._inputs.fixed.fraction}",
                f"#define {upper}_OUTPUT_FRACTION_BITS {self._outputs.fixed.fraction}",
                f"#define {upper}_VALUE_BITS {self._inputs.fixed.bits} /* an input is within what these hold */",
                f"int {name}_run_fixed(const int16_t *input, int16_t *output);",
            ]
        return "\n".join([*lines, "", "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""])

    def code(self) -> str:
        name, network = self._name, self._network
        function = "\n".join(self._function())
        described = [text for text in self._lowered.constants if "static const eie_" in text]  # the others are numbers
        runtime = runtime_for([function, *described])
        doubles = "" if "double" not in runtime else " || DBL_MANT_DIG != 53"
        includes = ["float.h", *(["math.h"] if "eie_log_softmax" in runtime else []), "stddef.h", "stdint.h"]
        return "\n".join(
            [
                f"/* {comment(network.name)}: see {name}_model.h. */",
                f'#include "{name}_model.h"',
                "",
                *(f"#include <{one}>" for one in includes),
                "",
                _CHECKS % doubles,
                runtime,
                "",
                f'#include "{name}_weights.h"',
                "",
                function,
            ]
        )

    def _function(self) -> list[str]:
        name, upper = self._name, self._upper
        lines = [
            f"static {C_TYPES[kind][0]} {kind}[{count}];" for kind, count in self._buffers.numbers.items() if count
        ]
        lines = ["/* What lies between the steps; places are used again. */", *lines, ""] if lines else []
        caches = self._lowered.caches
        if caches:
            firsts = np.cumsum([0, *caches[:-1]]).tolist()
            lines += [
                "/* What attention keeps of the tokens before: of each step how many, their keys, their values. */",
                f"static float cache[{sum(caches)}];",
                "",
                f"void {name}_restart(void)",
                "{",
                *(f"    cache[{first}] = 0;" for first in firsts),
                "}",
                "",
            ]
        kind, suffix = ("int16_t", "_run_fixed") if self._around else ("float", "_run")
        lines += [f"int {name}{suffix}(const {kind} *input, {kind} *output)", "{"]
        body = self._body
        lines += ["    eie_int8_scale scale;"] if any("&scale" in line for line in body) else []
        overflows = any("&overflowed" in line for line in body)
        lines += ["    int overflowed = 0;"] if overflows else []
        lines += body
        lines += [
            f"    return overflowed ? {upper}_OVERFLOWED : {upper}_OK;" if overflows else f"    return {upper}_OK;",
            "}",
            "",
        ]
        if self._around:
            before, after = (one.text for one in self._around)
            lines += [
                f"/* Of {name}_run alone. */",
                f"static int16_t input_fixed[{self._inputs.length}];",
                f"static int16_t output_fixed[{self._outputs.length}];",
                "",
                f"int {name}_run(const float *input, float *output)",
                "{",
                "    int status;",
                "    " + before.format(x="input", y="input_fixed", upper=upper),
                f"    status = {name}_run_fixed(input_fixed, output_fixed);",
                "    " + after.format(x="output_fixed", y="output"),
                "    return status;",
                "}",
                "",
            ]
        return lines

    def constants(self) -> str:
        return "\n".join(
            [
                f"/* Constants of {self._name}_model.c, and of no other file. Hexadecimal reals are exact. */",
                "",
                *self._lowered.constants,
            ]
        )

    def main(self) -> str:
        name, upper = self._name, self._upper
        overflowed = f"{upper}_OVERFLOWED" if self._numerics == "chip" else f"{upper}_OK"
        return f"""\
/* Reads inputs from stdin, {upper}_INPUTS numbers each, and prints the outputs of each in a line:
   cc -std=c99 -O2 {name}_model.c main.c -o {name} -lm && ./{name} < inputs.txt */
#include <stdio.h>

#include "{name}_model.h"

static float input[{upper}_INPUTS], output[{upper}_OUTPUTS];

int main(void)
{{
    for (;;) {{
        int k, status;
        for (k = 0; k < {upper}_INPUTS; k++)
            if (scanf("%f", &input[k]) != 1) {{
                if (k == 0 && feof(stdin)) return 0;
                fprintf(stderr, "expected {upper}_INPUTS numbers for each input, and number %d is none\\n", k + 1);
                return 2;
            }}
        status = {name}_run(input, output);
        if (status != {upper}_OK) {{
            fprintf(stderr, "{name}_run returned %d\\n", status);
            if (status != {overflowed}) return 1;
        }}
        for (k = 0; k < {upper}_OUTPUTS; k++) printf("%s%.9g", k ? " " : "", (double)output[k]);
        putchar('\\n');
    }}
}}
"""


def _around_integers(lowered: Lowered) -> tuple[Operation, Operation] | None:
    """Return the first operation and the last where these make integers of the inputs and reals of the outputs.

    None where there are reals between them.
    """
    if len(lowered.operations) < 3:
        return None
    first, *between, last = lowered.operations
    values = [value for one in between for value in (*one.reads.values(), *one.makes.values())]
    given = [*first.makes.values(), *last.reads.values()]
    fixed = bool(given) and all(value.fixed is not None for value in given)
    return (first, last) if fixed and all(value.kind != "reals" for value in values) else None


def _statements(operations: list[Operation], upper: str) -> list[str]:
    """Return the lines of a function's body."""
    lines: list[str] = []
    for one in operations:
        lines += ["", f"    /* {one.title} */"] if one.title else []
        places = {name: value.text for name, value in (one.reads | one.makes).items()}
        depth = 1
        for line in one.text.format(**places, upper=upper).splitlines():
            depth -= line.startswith("}")
            lines.append("    " * depth + line)
            depth += line.endswith("{")
    return lines
