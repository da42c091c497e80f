"""The native module under AddressSanitizer and UBSan: encodings, packed and flat streams, plans of networks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/encoding",
    "tests/storage",
    "tests/importers/test_dotnet.py",
    "tests/test_native_bounds.py",
    "tests/engine/test_plan.py",
    "tests/engine/test_attention.py",
)
# It limits the addresses of a process, of which AddressSanitizer takes terabytes.
LEFT_OUT = "tests/storage/test_budget.py::test_a_small_file_of_gigabytes_is_refused_at_once"
# The module that is built here comes before the installed one; then pytest runs in the same process.
RUN = """
import importlib.machinery, importlib.util, sys
path = sys.argv.pop(1)
loader = importlib.machinery.ExtensionFileLoader("eie._native", path)
spec = importlib.util.spec_from_file_location("eie._native", path, loader=loader)
module = importlib.util.module_from_spec(spec)
sys.modules["eie._native"] = module
loader.exec_module(module)
import eie
eie._native = module
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_parsers_run_clean(tmp_path: Path) -> None:
    """Tests of all that reads entries, pointers, Huffman codes and gaps, hostile ones too, with no error found."""
    if shutil.which("g++") is None or shutil.which("cmake") is None or os.uname().machine != "x86_64":
        pytest.skip("needs a C++ compiler on x86-64")
    flags = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    nanobind = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True, check=True
    ).stdout.strip()
    configure = [
        *("cmake", "-S", str(ROOT), "-B", str(tmp_path), f"-DPython_EXECUTABLE={sys.executable}"),
        *(f"-Dnanobind_DIR={nanobind}", f"-DCMAKE_CXX_FLAGS={flags}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"),
    ]
    subprocess.run(configure, check=True, capture_output=True)
    subprocess.run(["cmake", "--build", str(tmp_path), "--parallel", "2"], check=True, capture_output=True)
    (module,) = tmp_path.glob("_native*.so")
    libraries = [
        subprocess.run(["g++", f"-print-file-name=lib{name}.so"], capture_output=True, text=True, check=True).stdout
        for name in ("asan", "ubsan", "stdc++")
    ]
    environment = os.environ | {
        "LD_PRELOAD": " ".join(library.strip() for library in libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python itself leaves memory to the end
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(module), *TESTS, f"--deselect={LEFT_OUT}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert " passed" in done.stdout
