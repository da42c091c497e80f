"""The streams of the authors' own simulator: one folder, a layer split over PEs, and one image's activations.

`act.dat`: float32 input activations. `arithm.dat`: the codebook, 16 float32. `ptr/ptrI.dat`: PE I's column pointers,
uint32. `spm/spmI.dat`: PE I's entries as pairs of uint32, code and relative index. All little-endian. Where the
pointers have one column more than there are activations, it is the bias, and its activation is 1.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from eie.encoding.csc import InterleavedCSC
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.model.reference import calibrate
from eie.support.output_files import existing_file

__all__ = ["SimulatorStreams", "read_eie_simulator"]

Word = TypeVar("Word", np.float32, np.uint32)


class SimulatorStreams(NamedTuple):
    """The layer as a network of one, calibrated on its activations; the activations, float32 (inputs,)."""

    network: Network
    activations: npt.NDArray[np.float32]


def read_eie_simulator(folder: str | Path, outputs: int | None = None, name: str | None = None) -> SimulatorStreams:
    """Read the streams in `folder`.

    The streams do not tell how many rows the layer has: `outputs` does; without it, the last row with an entry counts.
    Raises InputError where a file is missing, cut short or holds what the encoding does not allow.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"folder {folder} does not exist")
    activations = _words(folder / "act.dat", np.float32)
    codebook = _words(folder / "arithm.dat", np.float32)
    if len(codebook) != 16:
        raise InputError(f"{folder / 'arithm.dat'} holds {len(codebook)} values, expected a codebook of 16")
    n_pe = len(list(folder.glob("ptr/ptr*.dat")))
    if n_pe == 0:
        raise InputError(f"{folder / 'ptr'} holds no pointer streams, expected ptr0.dat and on")
    n_slices = len(list(folder.glob("spm/spm*.dat")))
    if n_slices != n_pe:
        raise InputError(
            f"{folder} holds {n_pe} pointer streams and {n_slices} entry streams, expected one of each per PE"
        )
    pointers = [_words(folder / "ptr" / f"ptr{pe}.dat", np.uint32) for pe in range(n_pe)]
    for pe, stream in enumerate(pointers):
        if len(stream) != len(pointers[0]) or len(stream) < 2:
            raise InputError(
                f"{folder / 'ptr' / f'ptr{pe}.dat'} holds {len(stream)} pointers, expected "
                f"{max(len(pointers[0]), 2)} as for every PE"
            )
    inputs = len(pointers[0]) - 1
    if inputs == len(activations) + 1:
        activations = np.append(activations, np.float32(1.0))
    if inputs != len(activations):
        raise InputError(
            f"{folder / 'act.dat'} holds {len(activations)} activations, expected {inputs}, one per column, "
            f"or {inputs - 1} and a bias column"
        )
    streams = []
    last_row = 0
    for pe in range(n_pe):
        path = folder / "spm" / f"spm{pe}.dat"
        words = _words(path, np.uint32)
        if len(words) % 2 or words.max(initial=0) > 15:
            raise InputError(f"{path} must hold pairs of a code and a relative index, each 0 to 15")
        pairs = words.reshape(-1, 2)
        streams.append((pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8))
        if len(pairs):
            last_row = max(last_row, _last_local_row(pairs[:, 1], pointers[pe], path) * n_pe + pe)
    shape = (last_row + 1 if outputs is None else outputs, inputs)
    try:
        matrix = InterleavedCSC(shape, n_pe, 4, 4, codebook, np.concatenate(streams), np.array(pointers, np.uint32))
        matrix.validate()
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    network = Network((Layer(name or folder.name, matrix),), name or folder.name)
    return SimulatorStreams(calibrate(network, activations), activations)


def _words(path: Path, word: type[Word]) -> npt.NDArray[Word]:
    existing_file(path, "stream")
    data = path.read_bytes()
    if len(data) % 4:
        raise InputError(f"{path} has {len(data)} bytes, expected a multiple of 4: it is cut short")
    return np.frombuffer(data, np.dtype(word).newbyteorder("<")).astype(word, copy=False)


def _last_local_row(indices: npt.NDArray[np.uint32], pointers: npt.NDArray[np.uint32], path: Path) -> int:
    """Return the largest local row of one PE's entries, of which there are some."""
    starts = np.unique(pointers[:-1][np.diff(pointers.astype(np.int64)) > 0])
    if len(starts) == 0 or starts[0] != 0 or int(pointers[-1]) != len(indices):
        raise InputError(f"{path} holds {len(indices)} entries, but its pointers end at {int(pointers[-1])}")
    if starts[-1] >= len(indices):
        raise InputError(f"{path} holds {len(indices)} entries, but a column starts at {int(starts[-1])}")
    return int(np.add.reduceat(indices.astype(np.int64) + 1, starts).max()) - 1
