"""The peers: other libraries that compute the same product, each as a function that prepares a call.

That function gets the float32 weights (outputs, inputs), activations (batch, inputs) and the number of threads. It
returns a function that computes the product at each call and returns it, float32 (batch, outputs). What a library
wants its inputs and outputs to look like is seen to beforehand and costs no time; one vector goes through its product
of a matrix and a vector where it has one.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import tempfile
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

__all__ = ["PEERS", "Call", "Peer", "available", "set_threads"]

Floats = npt.NDArray[np.float32]
Call = Callable[[], Floats]

_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE = 101, 111, 112
_NON_TRANSPOSE, _GENERAL, _EXPECTED_CALLS, _AGGRESSIVE = 10, 20, 1_000_000, 51


@dataclass(frozen=True)
class Peer:
    """A library's way to multiply; `package` is the distribution that brings it, `sparse` if zeros are left out.

    `tolerance` is the largest error, relative to the largest output, that its number format explains, twice over: a
    product that is further off is wrong.
    """

    name: str
    package: str
    bytes_per_weight: float
    sparse: bool
    make: Callable[[Floats, Floats, int], Call]
    tolerance: float = 1e-5

    def bytes_read(self, weights: Floats) -> int:
        """Bytes of weights that one product reads."""
        count = np.count_nonzero(weights) if self.sparse else weights.size
        return round(int(count) * self.bytes_per_weight)


class _SparseDescription(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("mode", ctypes.c_int), ("diagonal", ctypes.c_int))


@cache
def _mkl() -> ctypes.CDLL:
    files = importlib.metadata.files("mkl") or []
    for file in files:
        if file.name.startswith("libmkl_rt.so"):
            return ctypes.CDLL(str(file.locate()))
    raise ImportError("the package mkl has no libmkl_rt.so here")


def _pointer(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _mkl_dense(weights: Floats, activations: Floats, threads: int) -> Call:
    mkl = _mkl()
    (outputs, inputs), batch = weights.shape, len(activations)
    product = np.zeros((batch, outputs), np.float32)
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    x, y = _pointer(activations), _pointer(product)
    vector = (_ROW_MAJOR, _NO_TRANSPOSE, outputs, inputs, one, _pointer(weights), inputs, x, 1, zero, y, 1)
    sizes = (_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE, batch, outputs, inputs)
    several = (*sizes, one, x, inputs, _pointer(weights), inputs, zero, y, outputs)

    def call() -> Floats:
        if batch == 1:
            mkl.cblas_sgemv(*vector)
        else:
            mkl.cblas_sgemm(*several)
        return product

    call.keep = weights, activations  # type: ignore[attr-defined]  # MKL has only their addresses
    return call


def _mkl_sparse(weights: Floats, activations: Floats, threads: int) -> Call:
    mkl = _mkl()
    outputs, inputs = weights.shape
    matrix = csr_array(weights)
    values, columns = matrix.data, matrix.indices.astype(np.int32)
    starts = matrix.indptr.astype(np.int32)
    handle = ctypes.c_void_p()
    ends = ctypes.c_void_p(starts.ctypes.data + starts.itemsize)
    status = mkl.mkl_sparse_s_create_csr(
        ctypes.byref(handle), 0, outputs, inputs, _pointer(starts), ends, _pointer(columns), _pointer(values)
    )
    description = _SparseDescription(_GENERAL, 0, 0)
    mkl.mkl_sparse_set_mv_hint(handle, _NON_TRANSPOSE, description, _EXPECTED_CALLS)
    mkl.mkl_sparse_set_memory_hint(handle, _AGGRESSIVE)
    status |= mkl.mkl_sparse_optimize(handle)
    if status:
        raise RuntimeError(f"MKL refused the matrix, status {status}")
    batch, vectors = len(activations), np.ascontiguousarray(activations.T)
    product = np.zeros((outputs, batch), np.float32)
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    x, y = _pointer(vectors), _pointer(product)

    def call() -> Floats:
        if batch == 1:
            mkl.mkl_sparse_s_mv(_NON_TRANSPOSE, one, handle, description, x, zero, y)
        else:
            mkl.mkl_sparse_s_mm(_NON_TRANSPOSE, one, handle, description, _ROW_MAJOR, x, batch, batch, zero, y, batch)
        return product.T

    call.keep = (values, columns, starts, vectors)  # type: ignore[attr-defined]  # MKL has only their addresses
    weakref.finalize(call, mkl.mkl_sparse_destroy, handle)
    return call


def _numpy_dense(weights: Floats, activations: Floats, threads: int) -> Call:
    product = np.zeros((len(activations), len(weights)), np.float32)
    if len(activations) == 1:
        vector, row = activations[0], product[0]
        return lambda: np.dot(weights, vector, out=row)[None]
    return lambda: np.dot(activations, weights.T, out=product)


def _scipy_sparse(weights: Floats, activations: Floats, threads: int) -> Call:
    matrix = csr_array(weights)
    if len(activations) == 1:
        vector = activations[0]
        return lambda: (matrix @ vector)[None]
    vectors = np.ascontiguousarray(activations.T)
    return lambda: (matrix @ vectors).T


def _torch_dense(weights: Floats, activations: Floats, threads: int) -> Call:
    import torch

    matrix, vectors = torch.from_numpy(weights), torch.from_numpy(activations)
    if len(activations) == 1:
        vector = vectors[0]
        return lambda: torch.mv(matrix, vector).numpy()[None]
    columns = matrix.T
    return lambda: torch.mm(vectors, columns).numpy()


def _torch_sparse(weights: Floats, activations: Floats, threads: int) -> Call:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that sparse CSR is in beta
        matrix = torch.from_numpy(weights).to_sparse_csr()
    if len(activations) == 1:
        vector = torch.from_numpy(activations[0])
        return lambda: (matrix @ vector).numpy()[None]
    vectors = torch.from_numpy(np.ascontiguousarray(activations.T))
    return lambda: (matrix @ vectors).numpy().T


def _torch_int8(weights: Floats, activations: Floats, threads: int) -> Call:
    import torch

    outputs, inputs = weights.shape
    linear = torch.nn.Linear(inputs, outputs, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weights))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning that eager quantisation is deprecated
        quantise: Any = torch.ao.quantization.quantize_dynamic
        model = quantise(torch.nn.Sequential(linear), {torch.nn.Linear}, torch.qint8)
    vectors = torch.from_numpy(activations)

    def call() -> Floats:
        with torch.inference_mode():
            product: Floats = model(vectors).numpy()
            return product

    return call


@cache
def _compiled_int8_product() -> Any:
    import torch

    def product(matrix: torch.Tensor, scale: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
        return (matrix.to(torch.float32) * vector).sum(dim=1) * scale

    return torch.compile(product)


def _torch_compiled_int8(weights: Floats, activations: Floats, threads: int) -> Call:
    import torch

    if len(activations) > 1:
        raise RuntimeError("it is a product with one vector, not with several")
    integers, scales = _int8_rows(weights)
    matrix, scale, vector = torch.from_numpy(integers), torch.from_numpy(scales), torch.from_numpy(activations[0])
    product = _compiled_int8_product()
    return lambda: product(matrix, scale, vector).numpy()[None]


def _int8_rows(weights: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Return the weights as int8 (outputs, inputs), and what 1 stands for in each row, (outputs,)."""
    scales = np.maximum(np.abs(weights).max(axis=1), np.finfo(np.float32).tiny) / 127
    return np.rint(weights / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def _unsigned(activations: Floats) -> tuple[float, int]:
    """Return the unit and the zero of activations as unsigned bytes."""
    least, most = min(0.0, float(activations.min())), max(0.0, float(activations.max()))
    unit = (most - least) / 255 or 1.0
    return unit, round(-least / unit)


def _onnx_model(nodes: list[Any], constants: list[Any], outputs: int, batch: int, inputs: int) -> bytes:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, outputs])],
        constants,
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    serialised: bytes = helper.make_model(graph, opset_imports=domains, ir_version=8).SerializeToString()
    return serialised


def _onnx_session(nodes: list[Any], constants: list[Any], weights: Floats, activations: Floats, threads: int) -> Call:
    import onnxruntime

    model = _onnx_model(nodes, constants, len(weights), *activations.shape)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several sessions are alive at once
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"x": activations}
    return lambda: session.run(None, feed)[0]


def _onnx_float32(weights: Floats, activations: Floats, threads: int) -> Call:
    from onnx import helper, numpy_helper

    constants = [numpy_helper.from_array(np.ascontiguousarray(weights.T), "w")]
    return _onnx_session([helper.make_node("MatMul", ["x", "w"], ["y"])], constants, weights, activations, threads)


def _onnx_int8(weights: Floats, activations: Floats, threads: int) -> Call:
    from onnx import TensorProto, helper, numpy_helper

    integers, scales = _int8_rows(weights)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_int", "x_scale", "x_zero"]),
        helper.make_node("MatMulInteger", ["x_int", "w", "x_zero"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x_scale", "w_scale"], ["scale"]),
        helper.make_node("Mul", ["real", "scale"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(integers.T), "w"),
        numpy_helper.from_array(scales, "w_scale"),
    ]
    return _onnx_session(nodes, constants, weights, activations, threads)


def _onnx_int4(weights: Floats, activations: Floats, threads: int) -> Call:
    return _onnx_blocks(weights, activations, threads, bits=4)


def _onnx_int8_blocks(weights: Floats, activations: Floats, threads: int) -> Call:
    return _onnx_blocks(weights, activations, threads, bits=8)


def _onnx_blocks(weights: Floats, activations: Floats, threads: int, bits: int, block: int = 32) -> Call:
    from onnx import helper, numpy_helper

    outputs, inputs = weights.shape
    blocks, half = -(-inputs // block), 2 ** (bits - 1)
    padded = np.zeros((outputs, blocks * block), np.float32)
    padded[:, :inputs] = weights
    grouped = padded.reshape(outputs, blocks, block)
    scales = np.maximum(np.abs(grouped).max(axis=2), np.finfo(np.float32).tiny) / (half - 1)
    codes = (np.clip(np.rint(grouped / scales[:, :, None]), -half, half - 1) + half).astype(np.uint8)
    packed = codes if bits == 8 else codes[:, :, 0::2] | codes[:, :, 1::2] << 4
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "scales"],
        ["y"],
        domain="com.microsoft",
        K=inputs,
        N=outputs,
        bits=bits,
        block_size=block,
        accuracy_level=4,
    )
    constants = [
        numpy_helper.from_array(packed, "w"),
        numpy_helper.from_array(scales.astype(np.float32).reshape(-1), "scales"),
    ]
    return _onnx_session([node], constants, weights, activations, threads)


def _deepsparse(nodes: list[Any], constants: list[Any], weights: Floats, activations: Floats, threads: int) -> Call:
    from deepsparse import compile_model

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(_onnx_model(nodes, constants, len(weights), *activations.shape))
        engine = compile_model(str(path), batch_size=len(activations), num_cores=threads)
    given = [activations]
    return lambda: engine.run(given, val_inp=False)[0]


def _deepsparse_float32(weights: Floats, activations: Floats, threads: int) -> Call:
    from onnx import helper, numpy_helper

    constants = [numpy_helper.from_array(np.ascontiguousarray(weights.T), "w")]
    return _deepsparse([helper.make_node("MatMul", ["x", "w"], ["y"])], constants, weights, activations, threads)


def _deepsparse_int8(weights: Floats, activations: Floats, threads: int) -> Call:
    from onnx import TensorProto, helper, numpy_helper

    # Other ways to write the product (dynamic quantisation, QDQ around MatMul or Gemm) are many times slower.
    integers, scales = _int8_rows(weights)
    unit, zero = _unsigned(activations)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_int"]),
        helper.make_node("MatMulInteger", ["x_int", "w", "x_zero", "w_zero"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "scale"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(integers.T), "w"),
        numpy_helper.from_array(np.array(unit, np.float32), "x_scale"),
        numpy_helper.from_array(np.array(zero, np.uint8), "x_zero"),
        numpy_helper.from_array(np.array(0, np.int8), "w_zero"),
        numpy_helper.from_array(scales * np.float32(unit), "scale"),
    ]
    return _deepsparse(nodes, constants, weights, activations, threads)


def _openvino(weights: Floats, activations: Floats, threads: int, *, quantised: bool) -> Call:
    import openvino
    from openvino import opset13

    integers, scales = _int8_rows(weights)
    x = given = opset13.parameter(activations.shape, np.float32, name="x")
    if quantised:
        unit, zero = _unsigned(activations)
        low, high = np.float32(-zero * unit), np.float32((255 - zero) * unit)
        given = opset13.fake_quantize(x, low, high, low, high, 256)
    matrix = opset13.multiply(opset13.convert(opset13.constant(integers), "f32"), opset13.constant(scales[:, None]))
    model = openvino.Model([opset13.matmul(given, matrix, False, True)], [x])
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": "32",
    }
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(activations)))

    def call() -> Floats:
        request.infer()
        product: Floats = request.get_output_tensor().data
        return product

    return call


def _openvino_int8(weights: Floats, activations: Floats, threads: int) -> Call:
    return _openvino(weights, activations, threads, quantised=True)


def _openvino_int8_weights(weights: Floats, activations: Floats, threads: int) -> Call:
    return _openvino(weights, activations, threads, quantised=False)


_INT8, _INT4 = 0.02, 0.15  # about twice what these formats were seen to be off

PEERS = (
    Peer("MKL dense", "mkl", 4, False, _mkl_dense),
    Peer("MKL sparse CSR", "mkl", 8, True, _mkl_sparse),
    Peer("OpenBLAS dense (NumPy)", "numpy", 4, False, _numpy_dense),
    Peer("SciPy sparse CSR", "scipy", 8, True, _scipy_sparse),
    Peer("PyTorch dense", "torch", 4, False, _torch_dense),
    Peer("PyTorch sparse CSR", "torch", 8, True, _torch_sparse),
    Peer("PyTorch dynamic int8", "torch", 1, False, _torch_int8, _INT8),
    Peer("PyTorch compiled int8", "torch", 1, False, _torch_compiled_int8, _INT8),
    Peer("ONNX Runtime float32", "onnxruntime", 4, False, _onnx_float32),
    Peer("ONNX Runtime int8", "onnxruntime", 1, False, _onnx_int8, _INT8),
    Peer("ONNX Runtime int8, blocks", "onnxruntime", 1.125, False, _onnx_int8_blocks, _INT8),
    Peer("ONNX Runtime int4", "onnxruntime", 0.625, False, _onnx_int4, _INT4),
    Peer("OpenVINO int8", "openvino", 1, False, _openvino_int8, _INT8),
    Peer("OpenVINO int8 weights", "openvino", 1, False, _openvino_int8_weights, _INT8),
    Peer("DeepSparse float32", "deepsparse", 4, True, _deepsparse_float32),
    Peer("DeepSparse int8", "deepsparse", 1, True, _deepsparse_int8, _INT8),
)


def available() -> tuple[list[Peer], list[str]]:
    """Return the peers whose packages are installed, and the names of those that are missing."""
    there = [peer for peer in PEERS if _installed(peer.package)]
    return there, [f"{peer.name} (package {peer.package})" for peer in PEERS if peer not in there]


def set_threads(threads: int) -> None:
    """Have every library that is installed use `threads` threads in this process (SciPy has one whatever is asked)."""
    if importlib.util.find_spec("threadpoolctl") is not None:
        import threadpoolctl

        threadpoolctl.threadpool_limits(threads)
    if _installed("torch"):
        import torch

        torch.set_num_threads(threads)
    if _installed("mkl"):
        _mkl().MKL_Set_Num_Threads(threads)


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
