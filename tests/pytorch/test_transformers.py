"""Models of the package transformers, small and with random weights, from PyTorch to a compressed file and back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import eie
import eie.nn
from eie.compress import Recipe, decoder_of
from eie.engine import generate
from eie.engine.plan import is_native
from eie.errors import InputError
from eie.pytorch.onnx import read_onnx
from eie.pytorch.sensitivity import sensitivity
from eie.pytorch.tracing import network_of
from eie.storage.ties import ties
from eie.workloads.data import Data
from exporters.c_programs import build, run, write_with_cases

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytestmark = pytest.mark.slow

WORDS, TOKENS = 50, 7


def model_of(kind: str, positions: int = 12) -> Any:
    """Return a model of two blocks of 16 values and two heads; weights far from zero, biases and scales too."""
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"vocab_size": WORDS, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    if kind.startswith("OPT"):
        config = transformers.OPTConfig(**sizes, ffn_dim=32, max_position_embeddings=12, word_embed_proj_dim=16)
    elif kind.startswith("Llama"):
        config = transformers.LlamaConfig(
            **sizes | {"num_attention_heads": 4}, num_key_value_heads=2, intermediate_size=32
        )
    elif kind.startswith("GPT2"):
        config = transformers.GPT2Config(
            vocab_size=WORDS, n_embd=16, n_layer=2, n_head=2, n_positions=12, bos_token_id=0, eos_token_id=0
        )
    else:
        config = transformers.BertConfig(**sizes, intermediate_size=32, max_position_embeddings=positions)
    model = getattr(transformers, kind)(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def outputs_of(model: Any, words: torch.Tensor) -> np.ndarray:
    """Return the model's outputs in one row for each of `words`, (items, tokens)."""
    with torch.no_grad():
        found = model(words)
    return torch.cat([part.flatten(1) for part in found.values() if isinstance(part, torch.Tensor)], dim=1).numpy()


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM", "OPTForCausalLM"])
def test_the_network_computes_what_the_model_does(kind: str, tmp_path: Path) -> None:
    """As it is; and compressed, saved and loaded, with the weights that the model then has, tied ones tied."""
    model = model_of(kind)
    words = torch.randint(0, WORDS, (3, TOKENS))
    vectors = words.numpy().astype(np.float32)

    def check(network: eie.Network) -> None:
        found = eie.InferenceSession(network, numerics="float32").run(vectors)
        expected = outputs_of(model, words)
        # float32's rounding, of products of some tens of numbers, over two blocks
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())

    check(network_of(model, (TOKENS,)))
    recipe = Recipe.model_validate({"prune": {"density": 0.4}, "input_shape": (TOKENS,)})
    done = eie.compress_(model, recipe)
    eie.save(done.network, tmp_path / "model.safetensors", packed=True)
    network = eie.load(tmp_path / "model.safetensors")
    check(network)
    tied = {layer.name for layer in network.layers} - set(done.layers)
    if kind == "BertModel":
        assert not tied
        return
    assert tied == {name for name, module in model.named_modules() if module is model.get_input_embeddings()}
    head, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert torch.equal(head, embeddings)
    assert int(torch.count_nonzero(head)) == round(0.4 * head.numel())
    assert model.config.use_cache  # as it was


class FirstOutput(torch.nn.Module):
    """A model of transformers that returns its first output alone, as one does for ONNX."""

    def __init__(self, kind: str, positions: int = 12) -> None:
        super().__init__()
        self.model = model_of(kind, positions)
        self.model.config.use_cache = False

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return the first output."""
        return self.model(words)[0]


@pytest.mark.parametrize(
    ("kind", "dynamo"),  # the older exporter does not take GPT-2
    [*((kind, way) for kind in ("BertModel", "OPTForCausalLM") for way in (True, False)), ("GPT2LMHeadModel", True)],
)
def test_onnx_files_of_transformers(kind: str, dynamo: bool, tmp_path: Path) -> None:
    """As either exporter of PyTorch writes them."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    model = FirstOutput(kind).eval()
    words = torch.randint(0, WORDS, (2, TOKENS))
    torch.onnx.export(model, (words[:1],), str(tmp_path / "model.onnx"), dynamo=dynamo, opset_version=18)
    network = network_of(read_onnx(tmp_path / "model.onnx").eval(), (TOKENS,))
    with torch.no_grad():
        expected = model(words).flatten(1).numpy()
    found = eie.InferenceSession(network, numerics="float32").run(words.numpy().astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("batch", ["one", "open"])
def test_onnx_files_of_a_classifier_of_many_tokens(batch: str, tmp_path: Path) -> None:
    """More than 64: the exporter then leaves it to whoever reads the file to gather which kind each token is of."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    model = FirstOutput("BertForSequenceClassification", 80).eval()
    words = torch.randint(0, WORDS, (3, 70))
    if batch == "one":
        torch.onnx.export(model, (words[:1],), str(tmp_path / "model.onnx"), verbose=False)
    else:
        shapes = ({0: torch.export.Dim("batch")},)
        torch.onnx.export(model, (words,), str(tmp_path / "model.onnx"), verbose=False, dynamic_shapes=shapes)
    read = read_onnx(tmp_path / "model.onnx").eval()
    with torch.no_grad():
        expected = model(words).numpy()
        np.testing.assert_allclose(read(words).numpy(), expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    found = eie.InferenceSession(network_of(read, (70,)), numerics="float32").run(words.numpy().astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["OPTForCausalLM", "LlamaForCausalLM", "GPT2LMHeadModel"])
def test_decoders_write_what_transformers_does(kind: str) -> None:
    """Learned and rotary positions, heads that share keys: token by token the model's own likeliest ones."""
    model = model_of(kind)
    session = eie.InferenceSession(decoder_of(model, 12), numerics="float32")
    assert all(is_native(step, "float32") for step in session.network)
    text = model.generate(torch.tensor([[3, 1]]), max_new_tokens=9, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert generate(session, [3, 1], 9) == text[0, 2:].tolist()


def test_a_compressed_decoder(tmp_path: Path) -> None:
    """From a file, with the weights that the model then has, and no further than there is room."""
    model = model_of("OPTForCausalLM")
    recipe = Recipe.model_validate({"prune": {"density": 0.4}, "input_shape": (TOKENS,)})
    done = eie.compress_(model, recipe)
    eie.save(decoder_of(model, TOKENS, layers=done.layers), tmp_path / "opt.safetensors", packed=True)
    session = eie.InferenceSession(tmp_path / "opt.safetensors", numerics="float32")
    words = torch.randint(0, WORDS, (1, TOKENS))
    expected = outputs_of(model, words).reshape(TOKENS, WORDS)
    cache = session.new_cache()
    found = [session.run(np.float32([word, place]), cache=cache) for place, word in enumerate(words[0].tolist())]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    with pytest.raises(InputError, match="has room for 7 tokens, and its cache has 7 already"):
        session.run(np.float32([0, 7]), cache=cache)


CONV1D = [
    f"transformer.h.{block}.{name}"
    for block in (0, 1)
    for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
]


def test_gpt2_from_compression_to_a_text(tmp_path: Path) -> None:
    """Its linear layers, stored transposed, are compressed; the head stays tied, and is in the file once."""
    model = model_of("GPT2LMHeadModel")
    recipe = Recipe.model_validate({"prune": {"density": 0.4}, "input_shape": (TOKENS,)})
    done = eie.compress_(model, recipe)
    assert set(done.layers) == {*CONV1D, "lm_head"}
    assert all(layer.matrix.nnz == round(0.4 * np.prod(layer.matrix.shape)) for layer in done.layers.values())
    assert torch.equal(model.lm_head.weight, model.transformer.wte.weight)
    words = torch.randint(0, WORDS, (3, TOKENS))
    expected = outputs_of(model, words)
    eie.save(done.network, tmp_path / "gpt2.safetensors", packed=True)
    network = eie.load(tmp_path / "gpt2.safetensors")
    found = eie.InferenceSession(network, numerics="float32").run(words.numpy().astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    eie.save(decoder_of(model, 12, layers=done.layers), tmp_path / "decoder.safetensors", packed=True)
    session = eie.InferenceSession(tmp_path / "decoder.safetensors", numerics="float32")
    assert {layer.name for layer in session.network.layers} == {*done.layers, "transformer.wte"}
    for one in (network, session.network):
        assert [one.steps[k].name for k in ties(one)] == ["transformer.wte"]
    text = model.generate(torch.tensor([[3, 1]]), max_new_tokens=9, do_sample=False, pad_token_id=0, eos_token_id=None)
    assert generate(session, [3, 1], 9) == text[0, 2:].tolist()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine")
@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM"])
def test_encoders_as_c_programs(kind: str, tmp_path: Path) -> None:
    """Compressed, in int8: the session's bits."""
    done = eie.compress_(model_of(kind), Recipe.model_validate({"prune": {"density": 0.4}, "input_shape": (TOKENS,)}))
    words = torch.randint(0, WORDS, (5, TOKENS)).numpy().astype(np.float32)
    program = write_with_cases(done.network, words, tmp_path / "c", "int8")
    assert program is not None
    assert run(build(program, tmp_path / "c", ["gcc", "-O2"])) == 0


def test_gpt2_in_place(tmp_path: Path) -> None:
    """Its layers are replaced by compressed ones, in the model as it comes and as compression leaves it; and loaded."""
    done = eie.compress_(model_of("GPT2LMHeadModel"), Recipe.model_validate({"prune": {"density": 0.4}}))
    words = torch.randint(0, WORDS, (2, TOKENS))
    expected = outputs_of(done.model, words)
    fresh = model_of("GPT2LMHeadModel")
    fresh.transformer.wte.weight.data = done.model.transformer.wte.weight.detach().clone()
    layers = {name: layer for name, layer in done.layers.items() if name != "lm_head"}
    for model in (fresh, done.model):
        eie.nn.convert_(model, layers, numerics="float32")
        assert type(model.transformer.h[1].mlp.c_fc) is eie.nn.Linear
        np.testing.assert_allclose(outputs_of(model, words), expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    pruned = model_of("GPT2LMHeadModel")
    for name in CONV1D:
        weight = pruned.get_submodule(name).weight
        weight.data *= weight.abs() > 0.2
    safetensors.torch.save_model(pruned, str(tmp_path / "pruned.safetensors"))
    loaded = eie.nn.load_(model_of("GPT2LMHeadModel"), tmp_path / "pruned.safetensors", numerics="float32")
    eie.compress_(pruned, Recipe.model_validate({"layers": {"lm_head": {"compress": False}}}))
    expected = outputs_of(pruned, words)
    assert type(loaded.transformer.h[0].attn.c_proj) is eie.nn.Linear
    np.testing.assert_allclose(outputs_of(loaded, words), expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_linear_layers_stored_transposed(tmp_path: Path) -> None:
    """Left as it is, under two names, with a weight that is another's, of a size that is not the layer's."""
    conv1d = transformers.pytorch_utils.Conv1D

    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = conv1d(4, 6)
            self.again, self.last = self.first, torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.first(x) + self.again(x * 2))

    torch.manual_seed(0)
    model = Twice().eval()
    x = torch.randn(5, 6)
    data = Data(*(x.numpy(), np.zeros(5, np.int64)) * 3)
    assert {point.layer for point in sensitivity(model, data, (0.5,))} == {"first", "last"}
    layers = eie.compress_(model).layers
    assert model.first is model.again
    with torch.no_grad():
        expected = model(x)
    assert set(layers) == {"first", "last"}
    with pytest.raises(InputError, match="module first is 3 x 4, but the compressed layer is 4 x 6"):
        eie.nn.convert_(torch.nn.ModuleDict({"first": conv1d(3, 4)}), {"first": layers["first"]})
    with pytest.raises(InputError, match="layer first is called twice"):
        network_of(model, (6,), layers=layers)
    eie.nn.convert_(model, layers, numerics="float32")
    with torch.no_grad():
        torch.testing.assert_close(model(x), expected)
    left = Twice()
    eie.compress_(left, Recipe.model_validate({"layers": {"first": {"compress": False}}}))
    assert type(left.first) is conv1d
    tied = Twice()
    tied.again = conv1d(4, 6)
    tied.again.weight = tied.first.weight
    with pytest.raises(InputError, match=r"first.weight is also again.weight, but is compressed in another form"):
        eie.compress_(tied)
