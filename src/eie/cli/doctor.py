"""`eie doctor`: the instruction sets and kernels usable here, and the kernel that a layer gets."""

from __future__ import annotations

import os
import platform
import sys

import numpy as np

import eie
import eie._native as _native
from eie.cli.output import JsonOption, print_json, print_table, result
from eie.encoding.clustering import share
from eie.encoding.csc import encode
from eie.engine import KERNELS, NUMERICS, InferenceSession
from eie.errors import InputError
from eie.model.network import Layer, Network
from eie.peers.libraries import available
from eie.support.processor import build, processor

__all__ = ["command"]

SHAPE, DENSITIES = (1024, 2048), (0.05, 0.1, 0.25)


def command(as_json: JsonOption = False) -> None:
    """Print the processor, its instruction sets and kernels, and the fastest kernel for each density.

    Kernels are measured on a layer of 1024 x 2048, as on every layer that a session loads; where two are named, each
    call takes the one that is quicker for its number of active inputs. EIE_KERNEL forces one
    for all layers, EIE_INSTRUCTION_SET (portable, avx2, vnni, avx512; on ARM64 portable, neon, dotprod) excludes
    kernels that need more. Here vnni is AVX2 with a dot product of bytes, AVX-VNNI's or AVX-512's.
    """
    facts = {
        "eie": eie.__version__,
        "Python": sys.version.split()[0],
        "NumPy": np.__version__,
        "build": build(),
        "system": platform.system(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "instruction set": _native.instruction_set(),
        "EIE_KERNEL": os.environ.get("EIE_KERNEL", "not set"),
        "EIE_INSTRUCTION_SET": os.environ.get("EIE_INSTRUCTION_SET", "not set"),
    }
    layers = {density: _layer(density) for density in DENSITIES}
    plans = []
    for density, layer in layers.items():
        for numerics in NUMERICS:
            network = Network((layer,))
            if numerics == "chip":
                network = eie.calibrate(network, np.ones(layer.inputs, np.float32))
            plans.append((density, numerics, InferenceSession(network, numerics=numerics).plan[0]))
    unusable = {kernel: reason for kernel in KERNELS if (reason := _reason_against(kernel, layers[DENSITIES[0]]))}
    _, missing = available()
    if as_json:
        measured = [
            {"density": density, "numerics": numerics, "kernel": plan.kernel, "measured_us": plan.measured_us}
            | {"few_kernel": plan.few_kernel, "few_below": plan.few_below}
            for density, numerics, plan in plans
        ]
        print_json({"facts": facts, "plans": measured, "unusable_kernels": unusable, "missing_peers": missing})
        return
    print_table("This installation", ["what", "is"], [[name, str(value)] for name, value in facts.items()])
    print_table(
        f"Kernel chosen for a layer of {SHAPE[0]} x {SHAPE[1]}, and what each that was tried took (us, measured)",
        ["density", "numerics", "kernel", *KERNELS],
        [
            [
                density,
                numerics,
                " or ".join(filter(None, (plan.kernel, plan.few_kernel))),
                *(plan.measured_us.get(kernel) for kernel in KERNELS),
            ]
            for density, numerics, plan in plans
        ],
    )
    for kernel, reason in unusable.items():
        result.print(f"not usable here: {kernel}: {reason}")
    for name in missing:
        result.print(f"not installed: {name}, for eie bench")


def _layer(density: float) -> Layer:
    draw = np.random.default_rng(0)
    weights = draw.standard_normal(SHAPE) * (draw.random(SHAPE) < density)
    return Layer("example", encode(*share(weights)))


def _reason_against(kernel: str, layer: Layer) -> str:
    try:
        InferenceSession(Network((layer,)), numerics="int8", kernel=kernel)  # the numerics that every kernel has
    except InputError as error:
        return str(error)
    return ""
