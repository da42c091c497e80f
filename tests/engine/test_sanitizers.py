from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.programs import build


@pytest.mark.slow
def test_kernels_stay_within_their_buffers(tmp_path: Path) -> None:
    """Every kernel, numerics, shape and batch runs clean under AddressSanitizer and UBSan, threads included."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    options = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = build(tmp_path, compiler, options, x86=True)
    finished = subprocess.run([str(program)], capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-6000:]
    assert "networks ran" in finished.stdout
    # (kernel, numerics, code bits, digest of all outputs): exact numerics give every kernel the same bits.
    digests: dict[tuple[str, str], set[str]] = {}
    for _, numerics, *digest in (line.split() for line in finished.stdout.splitlines()[:-1]):
        digests.setdefault((numerics, digest[0]), set()).add(digest[1])
    assert {key: len(found) for key, found in digests.items()} == dict.fromkeys(digests, 1)
    assert len(digests) == 4
