"""Proves the RTL's units: their properties hold in every cycle of every run, and faults put in are found.

    python rtl/formal/prove.py [--quick] [--page docs/proofs.md]

Yosys makes an and-inverter graph of a unit and its property file, and the model checker in its ABC proves, by
property-directed reachability, that no run breaks a property, or finds one that does. What is proved is in proofs.toml.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from eie.errors import ToolError
from eie.silicon.sources import copy_sources
from eie.silicon.yosys import require_yosys, run_yosys

HERE = Path(__file__).parent
LIMIT_S = 300  # of one proof
PARTS = (
    *("eie_registers.sv", "sram.sv", "lnzd_node.sv", "register_file.sv"),
    *("low_gate.sv", "data_gate.sv"),
)  # of units


@dataclass(frozen=True)
class Proof:
    """A unit in one size, and how it is proved: see proofs.toml."""

    unit: str
    what: str
    sizes: dict[str, int] = field(default_factory=dict)
    invariants: bool = False
    one_word: bool = False
    any_chip: bool = False
    cut_products: bool = False
    whole: bool = False
    quick: bool = False


@dataclass(frozen=True)
class Fault:
    """A fault put into a unit, `wrong` in place of `right`, and the property that it breaks in the proof `of`."""

    unit: str
    property: str
    right: str
    wrong: str
    whole: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether no run breaks a property, or in how many cycles one does; and the seconds that it took."""

    proved: bool
    cycles: int
    seconds: float


def read_plan() -> tuple[list[Proof], list[Fault]]:
    """Return the proofs and the faults of proofs.toml."""
    plan = tomllib.loads((HERE / "proofs.toml").read_text())
    return [Proof(**one) for one in plan["proof"]], [Fault(**one) for one in plan.get("fault", [])]


def labels(unit: str, *, whole: bool = False) -> list[str]:
    """Return the names of a unit's properties, without the invariants'."""
    text = re.sub(r"`ifdef INVARIANTS.*?`endif", "", (HERE / f"{unit}.sv").read_text(), flags=re.S)
    if not whole:
        text = re.sub(r"`ifdef WHOLE.*?`endif", "", text, flags=re.S)
    return re.findall(r"(\w+)\s*:\s*assert", text)


def prove(proof: Proof, fault: Fault | None = None) -> Verdict:
    """Prove a unit's properties; or with a fault only the one that it breaks. Raises ToolError where a tool fails."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_sources(folder)
        (folder / "properties.sv").write_text((HERE / f"{proof.unit}.sv").read_text())
        if proof.one_word:
            (folder / "sram.sv").write_text((HERE / "sram.sv").read_text())
        if proof.any_chip:
            (folder / "eie.sv").write_text((HERE / "eie.sv").read_text())
        if fault is not None:
            source = folder / f"{proof.unit}.sv"
            text = source.read_text()
            if text.count(fault.right) != 1:
                raise ToolError(f"{source.name} has {fault.right!r} {text.count(fault.right)} times: mend proofs.toml")
            source.write_text(text.replace(fault.right, fault.wrong))
        # A fault is found soonest by looking at 1, 2, 3 and more cycles, which ABC does where there are registers.
        bounded = fault is not None and "posedge" in (folder / "properties.sv").read_text()
        search = f"{'bmc3 -F 20' if bounded else 'pdr'} -T {LIMIT_S}"
        (folder / "one.v").write_text(
            "module one(input a, input b, output y); \\$_AND_ g(.A(a), .B(b), .Y(y)); endmodule\n"
        )
        (folder / "check.abc").write_text(
            f"backup\nread_aiger unit.aig\nfold\norpos\nstrash\n{search}\nwrite_status status\nrestore\n"
        )
        run_yosys(folder, _script(proof, fault), f"the proof of {proof.unit}")
        status = (folder / "status").read_text().splitlines()[0].split()
    if status[0] not in ("snl_UNSAT", "snl_SAT"):
        raise ToolError(f"the model checker did not finish {proof.unit} within {LIMIT_S} s")
    proved = status[0] == "snl_UNSAT"
    return Verdict(proved, 0 if proved else int(status[-1]), time.perf_counter() - started)


def _script(proof: Proof, fault: Fault | None) -> list[str]:
    """Return the commands of one proof, which write the model checker's verdict to the file `status`."""
    defines = [f"-D {name.upper()}" for name in ("invariants", "whole") if getattr(proof, name)]
    sizes = [f"-G {name}={value}" for name, value in proof.sizes.items()]
    unit = "" if f"{proof.unit}.sv" in PARTS else f"{proof.unit}.sv"
    return [
        # In WebAssembly it has one thread.
        f"read_slang -j 1 {' '.join(defines)} {' '.join(PARTS)} "
        f"{'eie.sv' if proof.any_chip else ''} {unit} properties.sv --top {proof.unit} {' '.join(sizes)}",
        # What is driven by nothing is x to the front end, and has to be any value before an optimisation takes one.
        "setundef -anyseq",
        f"hierarchy -top {proof.unit}",
        "proc",
        "flatten",
        *(["cutpoint t:$mul"] if proof.cut_products else []),
        "memory_nordff",
        "memory_map -formal",
        "opt -full",
        "async2sync",
        "chformal -lower",
        *([f"delete t:$assert */properties.{fault.property} %d"] if fault else []),
        *(_induction() if proof.invariants and fault is None else _reachability()),
    ]


def _induction() -> list[str]:
    """Return the commands that prove all properties together: from any cycle in which they hold to the next."""
    return [
        "opt_clean",
        "sat -tempinduct -prove-asserts -set-assumes -maxsteps 2 -verify",
        "tee -o status log snl_UNSAT",
    ]


def _reachability() -> list[str]:
    """Return the commands that have ABC search for a run that breaks a property, until it knows that there is none."""
    return [
        "setundef -undriven -anyseq",
        "techmap",
        "opt -fast",
        "dffunmap",
        "aigmap",
        "delete -output o:*",  # the model checker would take them for properties
        "opt_clean",
        "write_aiger -I -B -zinit -no-startoffset unit.aig",
        # ABC is called by the pass `abc`, which wants a netlist of its own and loses what ABC says.
        "design -reset",
        "read_verilog -icells one.v",
        "abc -script check.abc",
    ]


def run(proofs: list[Proof], faults: list[Fault], workers: int) -> list[tuple[Proof | Fault, Verdict]]:
    """Prove all, `workers` at a time, and print each verdict as it comes."""
    found = []
    work = [(proof, None) for proof in proofs] + [(_with(fault), fault) for fault in faults]
    with ThreadPoolExecutor(workers) as pool:
        for (proof, fault), verdict in zip(work, pool.map(lambda one: prove(*one), work), strict=True):
            says = "proved" if verdict.proved else f"broken in cycle {verdict.cycles}"
            if fault is None:
                says = f"{proof.unit}, {_sizes(proof)}: {says}"
            else:
                says = f"{fault.unit}, {fault.wrong!r} instead of {fault.right!r}: {fault.property} {says}"
            print(f"{says}, {verdict.seconds:.1f} s", flush=True)
            found.append((fault or proof, verdict))
    return found


def _with(fault: Fault) -> Proof:
    """Return the proof in which a fault is looked for: the unit's first, or the one of whole products."""
    proofs, _ = read_plan()
    return next(proof for proof in proofs if proof.unit == fault.unit and proof.whole == fault.whole)


def _sizes(proof: Proof) -> str:
    return ", ".join(f"{name} = {value}" for name, value in proof.sizes.items()) or "default sizes"


def table(found: list[tuple[Proof | Fault, Verdict]]) -> str:
    """Return the proofs and faults of a run as two Markdown tables."""
    lines = ["| unit | sizes | what holds | properties | how | s |", "| --- | --- | --- | --- | --- | --- |"]
    for proof, verdict in found:
        if isinstance(proof, Proof):
            how = ["induction" if proof.invariants else "search"]
            how += ["one word of each memory"] * proof.one_word + ["any chip"] * proof.any_chip
            how += ["any product"] * proof.cut_products
            lines.append(
                f"| `{proof.unit}` | {_sizes(proof)} | {proof.what} | {len(labels(proof.unit, whole=proof.whole))} "
                f"| {', '.join(how)} | {verdict.seconds:.1f} |"
            )
    lines += ["", "| fault put in | instead of | property that breaks | after cycles |", "| --- | --- | --- | --- |"]
    for fault, verdict in found:
        if isinstance(fault, Fault):
            cells = (
                f"<code>{html.escape(' '.join(text.split())).replace('|', '&#124;')}</code>" if text else "nothing"
                for text in (fault.wrong, fault.right)
            )
            lines.append(f"| {' | '.join(cells)} | `{fault.unit}`: {fault.property} | {verdict.cycles} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the proofs; 1 if one fails or a fault is not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the quick proofs alone, without faults")
    parser.add_argument("--unit", help="this unit alone")
    parser.add_argument("--page", type=Path, help="the page whose tables are written anew")
    parser.add_argument("--workers", type=int, default=2, help="proofs at a time")
    given = parser.parse_args(arguments)
    require_yosys()
    proofs, faults = read_plan()
    started = time.perf_counter()
    found = run(
        [proof for proof in proofs if (proof.quick or not given.quick) and given.unit in (None, proof.unit)],
        [] if given.quick else [fault for fault in faults if given.unit in (None, fault.unit)],
        given.workers,
    )
    wrong = [one for one, verdict in found if verdict.proved != isinstance(one, Proof)]
    seconds = time.perf_counter() - started
    print(f"{len(found)} runs in {seconds:.0f} s, {len(wrong)} not as they must be")
    if given.page is not None and not wrong:
        text = given.page.read_text()
        start, end = text.index("<!-- tables -->"), text.index("<!-- end of tables -->")
        given.page.write_text(f"{text[:start]}<!-- tables -->\n\n{table(found)}\n\n{text[end:]}")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        sys.exit(str(error))
