"""Other people's data, which are not part of this project: how to get each set, in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

__all__ = ["HOW_TO_GET", "DataSet", "data_set"]

# A set is a folder of this name in the folder that --data names.
HOW_TO_GET = {
    "eie-simulator-alex8": "the folder data/ of https://github.com/RalphMao/EIE-simulator",
    "lenet": "the models of https://github.com/yiwenguo/Dynamic-Network-Surgery as .npz of layer.weight and layer.bias",
    "mnist": "train.npz and test.npz with `images` and `labels`, from https://github.com/rasbt/mnist-pngs",
    "nangate45": "nangate45_typ.lib.gz of https://github.com/The-OpenROAD-Project/OpenSTA, folder examples/, and for "
    "layouts NangateOpenCellLibrary.tech.lef, NangateOpenCellLibrary.macro.mod.lef and rcx_patterns.rules of "
    "https://github.com/The-OpenROAD-Project/OpenROAD-flow-scripts, folder flow/platforms/nangate45/",
    "squeezenet": "compressed_SqueezeNet.net of https://github.com/songhan/SqueezeNet-Deep-Compression",
}

DataSet = Callable[[str], Path]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --data."""
    parser.addoption(
        "--data",
        type=Path,
        default=Path(__file__).parents[2] / "shared" / "data",
        help="folder of other people's data, a folder per set; tests that need a set are skipped where it is missing",
    )


@pytest.fixture(scope="session")
def data_set(request: pytest.FixtureRequest) -> DataSet:
    """Give a set's folder by its name; skip the test, saying how to get the set, where it is missing."""
    root: Path = request.config.getoption("--data")

    def folder(name: str) -> Path:
        how = HOW_TO_GET[name]
        if not (root / name).is_dir():
            pytest.skip(
                f"data set {name} is missing: copy {how} to {root / name}, or name the folder above it with --data"
            )
        return root / name

    return folder
