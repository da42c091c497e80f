from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

torch = pytest.importorskip("torch")

import eie.nn  # noqa: E402  torch may be missing, and eie.nn needs it
from eie.encoding.clustering import share  # noqa: E402
from eie.encoding.csc import encode  # noqa: E402
from eie.errors import InputError  # noqa: E402
from eie.model.network import Layer, Network  # noqa: E402


def pruned(outputs: int, inputs: int) -> torch.nn.Linear:
    """Return a linear module whose weights are few and shared, so that compressing it loses nothing."""
    module = torch.nn.Linear(inputs, outputs)
    with torch.no_grad():
        weights = torch.randn(outputs, inputs) * (torch.rand(outputs, inputs) < 0.3)
        codes, codebook = share(weights.numpy())
        module.weight.copy_(torch.from_numpy(codebook[codes]))
    return module


def compressed(module: torch.nn.Linear, name: str = "layer", relu: bool = False) -> Layer:
    """Return the module's weights and bias as a compressed layer."""
    matrix = encode(*share(module.weight.detach().numpy()))
    return Layer(name, matrix, module.bias.detach().numpy().copy(), relu)


@pytest.fixture
def model() -> torch.nn.Module:
    """A small network with a convolution in front of two linear layers."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        pruned(50, 4 * 6 * 6),
        torch.nn.ReLU(),
        pruned(10, 50),
    ).eval()


@pytest.mark.parametrize("shape", [(30,), (4, 30), (2, 3, 30), (0, 30)])
def test_linear_is_the_torch_layer(shape: tuple[int, ...]) -> None:
    """The module gives what torch.nn.Linear gives with the same weights, for any leading dimensions."""
    torch.manual_seed(1)
    module = pruned(20, 30)
    x = torch.randn(shape)
    ours = eie.nn.Linear(compressed(module), numerics="float32")(x)
    torch.testing.assert_close(ours, module(x).detach(), rtol=1e-5, atol=1e-5)


def test_converted_model_gives_the_same_outputs(model: torch.nn.Module) -> None:
    """Both linear layers are swapped in place; the convolution before them stays."""
    x = torch.randn(5, 1, 8, 8)
    expected = model(x).detach()
    network = Network((compressed(model[3], "3", relu=True), compressed(model[5], "5")))
    assert eie.nn.convert_(model, network, numerics="float32") is model
    assert isinstance(model[0], torch.nn.Conv2d)
    assert isinstance(model[3], eie.nn.Linear)
    with torch.no_grad():
        torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)


def test_nested_modules_are_found_by_their_dotted_names(model: torch.nn.Module) -> None:
    """A mapping names modules as named_modules() does."""
    outer = torch.nn.ModuleDict({"classifier": model})
    eie.nn.convert_(outer, {"classifier.5": compressed(model[5])})
    assert isinstance(outer["classifier"][5], eie.nn.Linear)


def test_copies_work_by_themselves() -> None:
    """A deep copy of a module makes its own session and gives the same outputs."""
    module = eie.nn.Linear(compressed(pruned(20, 30)), kernel="columns")
    x = torch.randn(30)
    assert torch.equal(copy.deepcopy(module)(x), module(x))


def test_printed_form_tells_the_layer() -> None:
    """The module prints its size, weights, numerics and kernel."""
    layer = compressed(pruned(20, 30))
    text = repr(eie.nn.Linear(layer, kernel="columns"))
    assert text == (
        f"Linear(in_features=30, out_features=20, weights={layer.matrix.nnz}, numerics=int16, kernel=columns)"
    )


def test_wrong_names_and_sizes_leave_the_model_as_it_is(model: torch.nn.Module) -> None:
    """What cannot be replaced is named, and nothing has been replaced then."""
    good, bad = compressed(model[5]), compressed(model[5])
    for name, message in (
        ("7", "the model has no module called '7', expected a torch.nn.Linear, Conv2d, LSTM, GRU, LSTMCell or GRUCell"),
        ("0", "module 0 is 4 x 9, but the compressed layer is 10 x 50"),
        ("1", "the model has a ReLU called '1', expected a torch.nn.Linear, Conv2d, LSTM, GRU, LSTMCell or GRUCell"),
        ("", "the model has no module called '', expected a torch.nn.Linear, Conv2d, LSTM, GRU, LSTMCell or GRUCell"),
        ("3", "module 3 is 50 x 144, but the compressed layer is 10 x 50"),
    ):
        with pytest.raises(InputError) as caught:
            eie.nn.convert_(model, {"5": good, name: bad})
        assert str(caught.value) == message
        assert type(model[5]) is torch.nn.Linear


def test_wrong_inputs_are_named() -> None:
    """Tensors whose last dimension is not the layer's inputs are refused."""
    module = eie.nn.Linear(compressed(pruned(20, 30)))
    with pytest.raises(InputError) as caught:
        module(torch.zeros(2, 31))
    assert str(caught.value) == "inputs must have shape (..., 30), not (2, 31)"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_outputs_have_the_type_of_the_inputs(kind: torch.dtype) -> None:
    """Half, bfloat16 and double go in and come out, rounded to their own precision; batches may be empty."""
    torch.manual_seed(3)
    source = pruned(20, 30)
    module = eie.nn.Linear(compressed(source), numerics="float32")
    conv = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3)).eval()
    layers = eie.compress_(conv).layers
    expected = copy.deepcopy(conv).to(kind)
    eie.nn.convert_(conv, layers, numerics="float32")
    x, image = torch.randn(3, 30).to(kind), torch.randn(2, 2, 5, 5).to(kind)
    with torch.no_grad():
        torch.testing.assert_close(module(x), source.to(kind)(x), rtol=2e-2, atol=2e-2)
        torch.testing.assert_close(conv.to(kind)(image), expected(image), rtol=2e-2, atol=2e-2)
        assert conv(image[:0]).shape == (0, 4, 3, 3)
        assert module(x[:0]).dtype == conv(image[:0]).dtype == kind
    with pytest.raises(InputError) as error:
        module(torch.zeros(30, dtype=torch.int64))
    assert str(error.value) == "inputs must be float16, bfloat16, float32 or float64, not int64"


def test_right_tensors_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session reads the tensor's own memory, and its outputs are the tensor's."""
    module = eie.nn.Linear(compressed(pruned(20, 30)))
    seen: list[tuple[int, np.ndarray]] = []
    run = module._run

    def watched(vectors: np.ndarray) -> np.ndarray:
        seen.append((vectors.ctypes.data, run(vectors)))
        return seen[-1][1]

    monkeypatch.setattr(module, "_run", watched)
    for x in (torch.randn(30), torch.randn(1, 30), torch.randn(2, 3, 30)):
        outputs = module(x)
        assert (x.data_ptr(), outputs.data_ptr()) == (seen[-1][0], seen[-1][1].ctypes.data)


def test_layers_have_no_weight_to_read() -> None:
    """Code that looks for weights finds none, and is told what to do where it insists."""
    module = eie.nn.Linear(compressed(pruned(20, 30)))
    assert not hasattr(module, "weight")
    with pytest.raises(AttributeError, match="a compressed layer has no bias as a tensor: call the module"):
        _ = module.bias


class Gated(torch.nn.Linear):
    """A linear layer with a way of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs, less themselves."""
        return super().forward(x) * 0


def test_a_layer_with_a_way_of_its_own_is_not_replaced() -> None:
    """Its own way would be lost."""
    model = torch.nn.Sequential(Gated(4, 3))
    with pytest.raises(InputError, match="the model has a Gated called"):
        eie.nn.convert_(model, {"0": compressed(pruned(3, 4))})


class Branches(torch.nn.Module):
    """A model that no chain can hold: two convolutions of one image, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.left = torch.nn.Conv2d(2, 3, 3, padding=1, stride=2)
        self.right = torch.nn.Conv2d(2, 4, 1, stride=2, bias=False)
        self.fc = torch.nn.Linear(7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return five numbers per pixel."""
        return self.fc(torch.cat((self.left(x), self.right(x)), dim=1).permute(0, 2, 3, 1))


def test_a_model_that_is_no_chain_runs_on_compressed_layers() -> None:
    """Compressed in place, its convolutions and linear layers are swapped: the same outputs, any size of image."""
    torch.manual_seed(1)
    model = Branches().eval()
    layers = eie.compress_(model, eie.compress.Recipe.model_validate({"prune": {"density": 0.6}})).layers
    images = [torch.randn(2, 2, 7, 6), torch.randn(1, 2, 4, 9)]
    with torch.no_grad():
        expected = [model(image) for image in images]
    eie.nn.convert_(model, layers, numerics="float32")
    with torch.no_grad():
        for image, outputs in zip(images, expected, strict=True):
            assert torch.allclose(model(image), outputs, atol=1e-5)
    with pytest.raises(InputError) as error:
        model.left(torch.zeros(1, 3, 4, 4))
    assert str(error.value) == "inputs must have shape (batch, 2, height, width), not (1, 3, 4, 4)"


def test_a_state_dict_holds_the_layers(model: torch.nn.Module, tmp_path: Path) -> None:
    """Saved by torch, as a whole or by name, and by safetensors, it loads into a model that was not compressed."""
    fresh = copy.deepcopy(model)
    layers = {"3": compressed(model[3], "3", relu=True), "5": compressed(model[5], "5")}
    eie.nn.convert_(model, layers, kernel="columns")
    x = torch.randn(5, 1, 8, 8)
    with torch.no_grad():
        expected = model(x)
    state = model.state_dict()
    assert {name: str(tensor.dtype) for name, tensor in state.items()} == {
        "0.weight": "torch.float32",
        "0.bias": "torch.float32",
        "3._extra_state": "torch.uint8",
        "5._extra_state": "torch.uint8",
    }
    torch.save(model, tmp_path / "whole.pt")
    torch.save(state, tmp_path / "state.pt")
    (tmp_path / "pretrained").mkdir()
    safetensors.torch.save_file(state, tmp_path / "pretrained" / "model.safetensors")
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "whole.pt", weights_only=False)(x), expected)
        for file in ("state.pt", "pretrained"):
            assert torch.equal(eie.nn.load_(copy.deepcopy(fresh), tmp_path / file, kernel="columns")(x), expected)
        other = copy.deepcopy(model)
        other[3].set_extra_state(eie.nn.Linear(compressed(pruned(50, 144))).get_extra_state())
        assert not torch.equal(other(x), expected)
        other.load_state_dict(state)
        assert torch.equal(other(x), expected)
    with pytest.raises(InputError) as error:
        other[3].set_extra_state(state["5._extra_state"])
    assert str(error.value) == "a compressed layer of 10 x 50 cannot become one of 50 x 144"
    with pytest.raises(InputError) as error:
        other[3].set_extra_state(torch.zeros(4))
    assert str(error.value) == "the state of a compressed layer must be the bytes of a model file, a uint8 tensor"


def test_a_gradient_is_refused_and_not_dropped(model: torch.nn.Module) -> None:
    """An input that asks for a gradient is refused in forward; without one, or under no_grad, it runs."""
    eie.nn.convert_(model, {"5": compressed(model[5], "5")})
    x = torch.randn(5, 1, 8, 8)
    with pytest.raises(InputError) as error:
        model(x)
    assert str(error.value) == (
        "no gradient flows through a compressed layer, but its input asks for one: run the model under "
        "torch.no_grad(), or train it before its layers are converted"
    )
    with torch.no_grad():
        assert model(x).shape == (5, 10)
    assert model[5](torch.zeros(3, 50)).shape == (3, 10)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_a_convolution_pads_as_it_did(mode: str) -> None:
    """Its compressed form fills the borders in the same way."""
    torch.manual_seed(2)
    outer = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode=mode)).eval()
    layers = eie.compress_(outer).layers
    x = torch.randn(2, 2, 6, 7)
    with torch.no_grad():
        expected = outer(x)
        torch.testing.assert_close(eie.nn.convert_(outer, layers, numerics="float32")(x), expected)


@pytest.mark.parametrize(
    "arguments",
    [
        {"groups": 2},
        {"groups": 4, "bias": False},
        {"dilation": (2, 1), "padding": (2, 0)},
        {"padding": "same", "dilation": 2},
        {"padding": "same", "kernel_size": (4, 2)},
        {"padding": "same", "padding_mode": "reflect", "kernel_size": 4},
        {"padding": "valid", "stride": (2, 1), "groups": 2},
    ],
)
def test_convolutions_of_every_kind(arguments: dict[str, Any], tmp_path: Path) -> None:
    """Groups, dilation and padding by name compute what PyTorch's do, compressed in place and loaded."""
    torch.manual_seed(4)
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 8, **{"kernel_size": 3} | arguments)).eval()
    fresh = copy.deepcopy(model)
    done = eie.compress_(model)
    images = [torch.randn(2, 4, 9, 8), torch.randn(4, 7, 7)]
    with torch.no_grad():
        expected = [model(image) for image in images]
        torch.save({"0.weight": model[0].weight.clone(), "0.bias": model[0].bias}, tmp_path / "model.pt")
        loaded = torch.load(tmp_path / "model.pt")
        torch.save({name: tensor for name, tensor in loaded.items() if tensor is not None}, tmp_path / "model.pt")
        eie.nn.load_(fresh, tmp_path / "model.pt", numerics="float32")
        for converted in (eie.nn.convert_(model, done.layers, numerics="float32"), fresh):
            for image, outputs in zip(images, expected, strict=True):
                torch.testing.assert_close(converted(image), outputs, rtol=1e-4, atol=1e-5)


def test_weights_outside_a_convolutions_groups_are_refused() -> None:
    """A matrix that is full cannot be that of a convolution with groups."""
    model = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 1, groups=2))
    full = Layer("0", encode(*share(np.ones((8, 4), np.float32))))
    with pytest.raises(InputError, match=r"layer 0: row \d has a weight in column \d, outside its group of 2"):
        eie.nn.convert_(model, {"0": full})


@pytest.mark.parametrize(("batch_first", "norm_first"), [(True, False), (False, True)])
def test_encoders_are_right_with_and_without_masks(batch_first: bool, norm_first: bool) -> None:
    """Every layer inside is called, where PyTorch's fast path and its attention would read weights."""
    torch.manual_seed(5)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 48, batch_first=batch_first, norm_first=norm_first)
    encoder = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=not norm_first and batch_first).eval()
    layers = eie.compress_(encoder, eie.compress.Recipe.model_validate({"prune": {"density": 0.5}})).layers
    assert sorted(layers)[:3] == ["layers.0.linear1", "layers.0.linear2", "layers.0.self_attn.out_proj"]
    x = torch.randn(3, 7, 32) if batch_first else torch.randn(7, 3, 32)
    padding = torch.arange(7) >= torch.tensor([[7], [5], [3]])
    causal = torch.nn.Transformer.generate_square_subsequent_mask(7)
    calls: list[dict[str, Any]] = [
        {},
        {"src_key_padding_mask": padding},
        {"mask": causal, "is_causal": True},
        {"mask": causal < 0, "src_key_padding_mask": padding},
        {"mask": torch.randn(12, 7, 7)},
    ]
    real = ~padding if batch_first else ~padding.T  # what is at padded places is anything
    with torch.no_grad():
        torch.backends.mha.set_fastpath_enabled(False)  # it gives NaN for some of these masks
        expected = [encoder(x, **call) for call in calls]
        torch.backends.mha.set_fastpath_enabled(True)
        eie.nn.convert_(encoder, layers, numerics="float32")
        for call, outputs in zip(calls, expected, strict=True):
            torch.testing.assert_close(encoder(x, **call)[real], outputs[real], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", [{}, {"kdim": 5, "vdim": 9}, {"bias": False}, {"batch_first": True}])
def test_an_attention_calls_its_compressed_projection(sizes: dict[str, Any]) -> None:
    """With weights asked for or not, masks, other sizes of keys and values, with and without a batch."""
    torch.manual_seed(6)
    model = torch.nn.ModuleDict({"attention": torch.nn.MultiheadAttention(16, 4, **sizes)}).eval()
    layers = eie.compress_(model).layers
    order = (0, 1, 2) if sizes.get("batch_first") else (1, 0, 2)
    widths = (16, sizes.get("kdim", 16), sizes.get("vdim", 16))
    given = [torch.randn(3, length, width) for length, width in zip((6, 8, 8), widths, strict=True)]
    batch, alone = [one.permute(order) for one in given], [one[0] for one in given]
    padding = torch.arange(8) >= torch.tensor([[8], [5], [2]])
    cases: list[tuple[list[torch.Tensor], dict[str, Any]]] = [
        (batch, {}),
        (batch, {"average_attn_weights": False, "key_padding_mask": padding}),
        (batch, {"need_weights": False, "attn_mask": torch.randn(6, 8)}),
        (batch, {"attn_mask": torch.randn(12, 6, 8)}),
        (alone, {"key_padding_mask": padding[1]}),
    ]
    with torch.no_grad():
        expected = [model["attention"](*inputs, **call) for inputs, call in cases]
        eie.nn.convert_(model, layers, numerics="float32")
        for (inputs, call), outputs in zip(cases, expected, strict=True):
            torch.testing.assert_close(model["attention"](*inputs, **call), outputs)


def test_an_attention_that_cannot_call_its_projection_is_refused() -> None:
    """Its key and value biases are read together with its weights."""
    model = torch.nn.ModuleDict({"attention": torch.nn.MultiheadAttention(16, 4, add_bias_kv=True)})
    layers = eie.compress_(model).layers
    with pytest.raises(InputError, match=r"attention\.out_proj belongs to an attention with add_bias_kv"):
        eie.nn.convert_(model, layers)
