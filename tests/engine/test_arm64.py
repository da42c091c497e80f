"""The portable kernels on ARM64, cross-built and emulated: the same bits as here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.programs import build


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="Debian's g++-aarch64-linux-gnu is missing")
@pytest.mark.skipif(shutil.which("qemu-aarch64") is None, reason="no emulator: Debian's qemu-user brings it")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="compares with x86-64")
def test_exact_numerics_give_the_same_bits_on_arm64(tmp_path: Path) -> None:
    """`int8` and `chip`: every output of some hundred networks, by each kernel that both processors have."""
    digests = []
    for compiler, x86, emulator in (("g++", True, []), ("aarch64-linux-gnu-g++", False, ["qemu-aarch64"])):
        folder = tmp_path / compiler
        folder.mkdir()
        program = build(folder, compiler, ["-O2", "-static"], x86=x86)
        done = subprocess.run([*emulator, str(program)], capture_output=True, text=True, timeout=300, check=True)
        digests.append(
            {line for line in done.stdout.splitlines() if line.startswith(("columns ", "bitmask ", "taps "))}
        )
    # Codes of 4 and 8 bits: columns in both numerics, bitmasks in int8. Convolutions in both.
    assert len(digests[0]) == 8
    assert digests[0] == digests[1]
