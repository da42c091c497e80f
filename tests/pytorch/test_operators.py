"""Compressed layers under torch.compile, torch.export, torch.jit.trace and torch.onnx.export: right, or refused."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.library import opcheck  # noqa: E402  torch may be missing

import eie.nn  # noqa: E402
from eie.errors import InputError  # noqa: E402
from eie.pytorch import operators  # noqa: E402

GRADIENT = "no gradient flows through a compressed layer"


@pytest.fixture(scope="module")
def converted() -> tuple[Any, Any, Any]:
    """A small network of convolutions and linear layers, compressed; inputs; and what it gave before."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(4, 4, 2, padding="same", dilation=2, groups=2),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 20),
        torch.nn.ReLU(),
        torch.nn.Linear(20, 5),
    ).eval()
    layers = eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.3}})).layers
    x = torch.randn(3, 2, 6, 6)
    with torch.no_grad():
        expected = model(x)
        eie.nn.convert_(model, layers, numerics="float32", kernel="columns")
    return model, x, expected


def check(run: Callable[[Any], Any], converted: tuple[Any, Any, Any]) -> None:
    """Run it on other inputs than it was made from as well, and on what asks for a gradient."""
    _, x, expected = converted
    with torch.no_grad():
        for batch in (3, 2, 1):
            torch.testing.assert_close(run(x[:batch]), expected[:batch])
        assert not torch.equal(run(x + 1), expected)
    with pytest.raises(Exception, match=GRADIENT):
        run(x.clone().requires_grad_())


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_without_graph_breaks(backend: str, converted: tuple[Any, Any, Any]) -> None:
    """The compiler knows the operators' shapes, for batches of any size."""
    torch._dynamo.reset()
    check(torch.compile(converted[0], fullgraph=True, dynamic=True, backend=backend), converted)


@pytest.mark.parametrize("strict", [False, True])
def test_exported(strict: bool, converted: tuple[Any, Any, Any]) -> None:
    """An exported program has the layers as operators."""
    model, x, _ = converted
    with torch.no_grad():
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("b")},), strict=strict)
    operations = [str(node.target) for node in program.graph.nodes if "eie." in str(node.target)]
    assert operations == ["eie.conv2d.default"] * 2 + ["eie.linear.default"] * 2
    check(program.module(), converted)


def test_traced(converted: tuple[Any, Any, Any]) -> None:
    """A traced module runs the layers, and on other inputs."""
    model, x, _ = converted
    with torch.no_grad():
        traced = torch.jit.trace(model, x)
    check(traced, converted)


LOADS = """
import sys
import torch
import eie.nn
from eie.pytorch import operators
read, calls = operators.layer_of, []
operators.layer_of = lambda state: calls.append(state) or read(state)
x, expected = torch.load(sys.argv[1])
for load in (lambda: torch.export.load(sys.argv[2]).module(), lambda: torch.jit.load(sys.argv[3])):
    run = load()
    for _ in range(3):
        torch.testing.assert_close(run(x), expected)
assert len(calls) == 8, len(calls)  # each of the four layers once for each model, and not for each call
"""


@pytest.mark.slow
def test_saved_programs_hold_their_layers(converted: tuple[Any, Any, Any], tmp_path: Path) -> None:
    """Another process needs nothing but the file and `import eie.nn`; without that, it is refused."""
    model, x, expected = converted
    files = [str(tmp_path / name) for name in ("tensors.pt", "program.pt2", "traced.pt")]
    torch.save((x, expected), files[0])
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (x,)), files[1])
        torch.jit.trace(model, x).save(files[2])
    subprocess.run([sys.executable, "-c", LOADS, *files], check=True, timeout=120)
    without = [sys.executable, "-c", "import sys, torch; torch.jit.load(sys.argv[1])", files[2]]
    assert "Unknown builtin op: eie::" in subprocess.run(without, capture_output=True, text=True, timeout=120).stderr


@pytest.mark.parametrize("dynamo", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.filterwarnings("ignore")  # the exporters' own
def test_onnx_has_the_expanded_weights(dynamo: bool, converted: tuple[Any, Any, Any], tmp_path: Path) -> None:
    """Both of PyTorch's exporters write what ONNX Runtime runs to the same outputs."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model, x, expected = converted
    with torch.no_grad():
        torch.onnx.export(model, (x,), str(tmp_path / "model.onnx"), dynamo=dynamo, input_names=["image"])
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    torch.testing.assert_close(torch.from_numpy(session.run(None, {"image": x.numpy()})[0]), expected)


def test_script_is_refused(converted: tuple[Any, Any, Any]) -> None:
    """TorchScript compiles Python code, which a compressed layer is not."""
    with pytest.raises(InputError, match=r"torch\.jit\.script cannot take a compressed layer: use torch\.export"):
        torch.jit.script(converted[0])


def test_operators_keep_pytorchs_rules(converted: tuple[Any, Any, Any]) -> None:
    """PyTorch's own checks of schema, shapes without data, autograd and ahead-of-time tracing."""
    model, x, _ = converted
    settings = ("float32", 1, None)
    window = ([3, 3], [1, 1], [1, 1], [1, 1])
    opcheck(operators.CONV2D, (x, model[0]._layer_file, 2, 4, *window, *settings))
    for kind in (torch.float32, torch.bfloat16):
        opcheck(operators.LINEAR, (torch.randn(3, 20, dtype=kind), model[6]._layer_file, 20, 5, *settings))


def test_no_gradient_of_any_kind_is_dropped(converted: tuple[Any, Any, Any]) -> None:
    """Backward, forward, and by torch.func."""
    layer = converted[0][6]
    x, ones = torch.randn(20), torch.ones(20)
    with pytest.raises(InputError, match=GRADIENT):
        torch.func.grad(lambda value: layer(value).sum())(x)
    with pytest.raises(InputError, match=GRADIENT):
        torch.func.jvp(layer, (x,), (ones,))
    with torch.no_grad(), torch.autograd.forward_ad.dual_level(), pytest.raises(InputError, match=GRADIENT):
        layer(torch.autograd.forward_ad.make_dual(x, ones))
    with torch.autograd.forward_ad.dual_level():
        assert torch.equal(layer(x), layer(x))


def test_shapes_without_data(converted: tuple[Any, Any, Any]) -> None:
    """On the device "meta", and refused there as everywhere else."""
    model = converted[0]
    assert model(torch.empty(7, 2, 6, 6, device="meta")).shape == (7, 5)
    for x, message in (
        (torch.empty(7, 3, 6, 6), r"inputs must have shape \(batch, 2, height, width\), not \(7, 3, 6, 6\)"),
        (torch.empty(7, 2, 6, 6, dtype=torch.int32), "inputs must be float16, bfloat16, float32 or float64, not int32"),
    ):
        for device in ("meta", "cpu"):
            with pytest.raises(InputError, match=message):
                model[0](x.to(device))


def test_a_layer_that_changes_is_compiled_anew(converted: tuple[Any, Any, Any]) -> None:
    """What `load_state_dict` brings is run, not what was compiled."""
    model, x, _ = converted
    model = copy.deepcopy(model)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(x)
        other = torch.nn.Sequential(torch.nn.Linear(20, 5))
        layers = eie.compress_(other).layers
        model[6].set_extra_state(eie.nn.convert_(other, layers)[0].get_extra_state())
        torch.testing.assert_close(compiled(x), model(x))


@pytest.mark.parametrize("batch_first", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_an_encoder_compiles_and_exports(batch_first: bool) -> None:
    """With its attention and both linear layers compressed."""
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=batch_first)
    encoder = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()
    layers = eie.compress_(encoder).layers
    x, mask = torch.randn(2, 5, 16), torch.nn.Transformer.generate_square_subsequent_mask(5 if batch_first else 2)
    torch._dynamo.reset()
    with torch.no_grad():
        expected = encoder(x, mask, is_causal=True)
        eie.nn.convert_(encoder, layers, numerics="float32")
        compiled = torch.compile(encoder, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x, mask, is_causal=True), expected, rtol=1e-4, atol=1e-5)
        program = torch.export.export(encoder, (x, mask), {"is_causal": True}).module()
        torch.testing.assert_close(program(x, mask, is_causal=True), expected, rtol=1e-4, atol=1e-5)


class Recurrents(torch.nn.Module):
    """Two layers in both directions with a state, a layer without, and cells in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 5, 2, bidirectional=True, batch_first=True)
        self.gru = torch.nn.GRU(10, 4)
        self.cell, self.last = torch.nn.LSTMCell(4, 6), torch.nn.GRUCell(6, 2)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what the last cell gives, and the states."""
        every, (h, c) = self.lstm(x, (h, c))
        every, end = self.gru(every.transpose(0, 1))
        state = self.cell(every[0], self.cell(every[1]))
        return self.last(state[0]), h, c, end


@pytest.fixture(scope="module")
def recurrents() -> tuple[Any, Any]:
    """It, compressed, and what it gave before, as a copy that PyTorch runs."""
    torch.manual_seed(5)
    plain = Recurrents().eval()
    layers = eie.compress_(plain, eie.compress.Recipe.model_validate({"prune": {"density": 0.5}})).layers
    assert len(layers) == 7
    return eie.nn.convert_(copy.deepcopy(plain), layers, numerics="float32"), plain


def sequences(batch: int, steps: int) -> tuple[torch.Tensor, ...]:
    """Return inputs and a state."""
    return torch.randn(batch, steps, 3), torch.randn(4, batch, 5), torch.randn(4, batch, 5)


def check_recurrents(run: Callable[..., Any], recurrents: tuple[Any, Any]) -> None:
    """Run it on inputs of other batches and lengths than it was made from, and on what asks for a gradient."""
    with torch.no_grad():
        for inputs in (sequences(3, 4), sequences(2, 7), sequences(5, 2)):
            for found, expected in zip(run(*inputs), recurrents[1](*inputs), strict=True):
                torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)
    for number in range(3):
        inputs = list(sequences(3, 4))
        inputs[number].requires_grad_()
        with pytest.raises(Exception, match=GRADIENT):
            run(*inputs)


@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_recurrent_layers_compile_without_graph_breaks(backend: str, recurrents: tuple[Any, Any]) -> None:
    """For batches and sequences of any size, with a state in and out."""
    torch._dynamo.reset()
    check_recurrents(torch.compile(recurrents[0], fullgraph=True, dynamic=True, backend=backend), recurrents)


@pytest.mark.parametrize("strict", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_recurrent_layers_are_exported(strict: bool, recurrents: tuple[Any, Any]) -> None:
    """Each module is one operator, and each call of a cell."""
    batch, steps = torch.export.Dim("batch"), torch.export.Dim("steps", min=2)
    sizes = {0: batch, 1: steps}, {1: batch}, {1: batch}
    with torch.no_grad():
        program = torch.export.export(recurrents[0], sequences(3, 4), dynamic_shapes=sizes, strict=strict)
    operations = [str(node.target) for node in program.graph.nodes if "eie." in str(node.target)]
    assert operations == ["eie.sequences.default"] * 5
    check_recurrents(program.module(), recurrents)


def test_recurrent_layers_are_traced(recurrents: tuple[Any, Any], tmp_path: Path) -> None:
    """No size of the example is kept, and the file holds the layers."""
    with torch.no_grad():
        torch.jit.trace(recurrents[0], sequences(3, 4)).save(str(tmp_path / "traced.pt"))
    check_recurrents(torch.jit.load(str(tmp_path / "traced.pt")), recurrents)


@pytest.mark.parametrize("dynamo", [pytest.param(True, marks=pytest.mark.slow), False])
@pytest.mark.filterwarnings("ignore")  # the exporters' own
def test_onnx_has_recurrent_layers(dynamo: bool, recurrents: tuple[Any, Any], tmp_path: Path) -> None:
    """With their weights expanded: ONNX Runtime gives the outputs and states."""
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    inputs, names = sequences(3, 4), ["x", "h", "c"]
    with torch.no_grad():
        expected = recurrents[1](*inputs)
        torch.onnx.export(recurrents[0], inputs, str(tmp_path / "model.onnx"), dynamo=dynamo, input_names=names)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    found = session.run(None, {name: one.numpy() for name, one in zip(names, inputs, strict=True)})
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.from_numpy(one), other, rtol=0, atol=5e-6)


def test_the_operator_of_sequences_keeps_pytorchs_rules(recurrents: tuple[Any, Any]) -> None:
    """PyTorch's own checks; inputs of other types, sizes and devices."""
    lstm = recurrents[0].lstm
    arguments = lstm._layer_file, *lstm._sizes, *lstm._settings
    x, state = torch.randn(2, 4, 3), torch.randn(2, 4, 2, 5)
    for batch, kind, before in ((2, torch.float32, state), (1, torch.float16, None)):
        given = None if before is None else before.to(kind)
        opcheck(operators.SEQUENCES, (x[:batch].to(kind), given, *arguments))
    every, last = operators.SEQUENCES(torch.empty(7, 4, 3, device="meta"), None, *arguments)
    assert (every.shape, last.shape) == ((7, 4, 10), (2, 4, 7, 5))
    for inputs, message in (
        ((x[:, :0], None), r"inputs must have shape \(batch, steps, 3\) with a step or more, not \(2, 0, 3\)"),
        ((x, state[:, :3]), r"the state must have shape \(2, 4, 2, 5\), not \(2, 3, 2, 5\)"),
        ((x.int(), None), "inputs must be float16, bfloat16, float32 or float64, not int32"),
    ):
        with pytest.raises(InputError, match=message):
            operators.SEQUENCES(*inputs, *arguments)
    with pytest.raises(InputError, match="the cell must be lstm or gru, not rnn"):
        operators.SEQUENCES(x, None, arguments[0], "rnn", *arguments[2:])
    with pytest.raises(InputError, match=r"l0 of this LSTM is 24 x 9, but layer lstm.l0 is 20 x 8"):
        operators.SEQUENCES(x, None, arguments[0], "lstm", 3, 6, *arguments[4:])
