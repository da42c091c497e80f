"""A decoder that writes token by token and an encoder, pruned, beside dense ones: measured, and written as a table.

python benchmarks/transformer_models.py [--rounds N] [--small]
"""

from __future__ import annotations

import argparse
import copy
import logging
import statistics
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import nn
from torch.nn import functional as F

import eie
from convolutions import busy
from eie.compress import Compressor, Recipe, decoder_of
from eie.engine import Activity, activities
from eie.support.output_files import atomic_write
from eie.support.processor import processor
from timing import faster, interleaved

RESULTS = Path(__file__).parent / "results" / "transformer_models.md"
NUMERICS = ("float32", "int16", "int8")
DENSITY, TOKENS = 0.1, 64
PEERS = ("PyTorch float32", "PyTorch int8", "ONNX Runtime float32", "ONNX Runtime int8")

CAVEAT = " Others read the memory as well, which slows down most who reads most of it: dense weights in float32."

Floats = npt.NDArray[np.float32]
Run = Callable[[], Floats]


@dataclass(frozen=True)
class Size:
    """Sizes of a model: blocks of `hidden` values."""

    hidden: int = 512
    blocks: int = 4
    heads: int = 8
    words: int = 4096

    @property
    def facts(self) -> dict[str, Any]:
        """The arguments of a transformers configuration."""
        return {
            "vocab_size": self.words,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.blocks,
            "num_attention_heads": self.heads,
            "max_position_embeddings": TOKENS,
        }


class Stepwise(nn.Module):
    """OPT's own layers for one token, the keys and values of those before it given and returned: what peers run."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder, self.head = model.model.decoder, model.lm_head

    def forward(self, token: torch.Tensor, position: torch.Tensor, *past: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the scores of the next token, and for each block all keys and values."""
        x = self.decoder.embed_tokens(token) + F.embedding(position + 2, self.decoder.embed_positions.weight)
        kept: list[torch.Tensor] = []
        for number, block in enumerate(self.decoder.layers):
            attention, given = block.self_attn, block.self_attn_layer_norm(x)
            query, key, value = (
                part(given).view(1, 1, attention.num_heads, attention.head_dim).transpose(1, 2)
                for part in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            kept += [torch.cat((past[2 * number], key), dim=2), torch.cat((past[2 * number + 1], value), dim=2)]
            mixed = F.scaled_dot_product_attention(query, kept[-2], kept[-1])
            x = x + attention.out_proj(mixed.transpose(1, 2).reshape(1, 1, -1))
            x = x + block.fc2(F.relu(block.fc1(block.final_layer_norm(x))))
        return self.head(self.decoder.final_layer_norm(x)), *kept


def main() -> None:
    """Measure and write benchmarks/results/transformer_models.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--small", action="store_true", help="sizes for a try; writes nothing")
    arguments = parser.parse_args()
    size = Size(64, 2, 2, 128) if arguments.small else Size()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    lines = [
        "# Pruned transformers beside dense ones",
        "",
        f"Measured on {processor()}, commit {commit.strip()}; one thread, one sequence of {TOKENS} tokens. Models of "
        f"the package transformers {transformers.__version__} with random weights, {size.blocks} blocks of "
        f"{size.hidden} values and {size.words} words: {DENSITY:.0%} of each layer's weights are kept and share 15 "
        "values, those of the decoder's words too. The peers run the same weights, zeros among them: PyTorch in "
        "float32 and with its dynamic int8 for linear layers, ONNX Runtime in float32 and with its own dynamic int8. "
        "The decoder is OPT with ReLU, which takes one token after the other and keeps keys and values; the peers run "
        "its layers without what transformers does around them. The encoder is BERT, all tokens at once. All "
        f"take turns; medians of {arguments.rounds} rounds. *Over* a peer: median of the rounds' ratios of speed, and "
        "their quartiles. *Error*: the largest, over the largest output of PyTorch in float32."
        + busy()
        + CAVEAT * bool(busy()),
        "",
    ]
    for share in (0.5, 0.1):
        lines += decoder(size, share, arguments.rounds)
    lines += encoder(size, arguments.rounds)
    text = "\n".join(lines)
    if not arguments.small:
        with atomic_write(RESULTS) as temporary:
            temporary.write_text(text)
    print(text)


def decoder(size: Size, share: float, rounds: int) -> list[str]:
    """Return the section of a decoder of whose hidden values about `share` are active behind the ReLU."""
    torch.manual_seed(0)
    config = transformers.OPTConfig(**size.facts, ffn_dim=4 * size.hidden, word_embed_proj_dim=size.hidden)
    model = transformers.OPTForCausalLM(config).eval()  # type: ignore[no-untyped-call]
    layers, dense = compressed(model, ("lm_head", "fc1", "fc2", "_proj"))
    tokens = np.random.default_rng(0).integers(0, size.words, TOKENS)
    quiet(dense, tokens, share)
    for own, other in zip(model.model.decoder.layers, dense.model.decoder.layers, strict=True):
        own.fc1.bias.data.copy_(other.fc1.bias)
    network = decoder_of(model, TOKENS, layers=layers().layers)
    inputs = np.stack((tokens, np.arange(TOKENS)), axis=1).astype(np.float32)

    def ours(numerics: str) -> Run:
        session = eie.InferenceSession(network, numerics=numerics)

        def call() -> Floats:
            cache = session.new_cache()
            return np.stack([session.run(vector, cache=cache) for vector in inputs])

        return call

    steps = Stepwise(dense).eval()
    width = size.hidden // size.heads
    nothing = [torch.zeros(1, size.heads, 0, width) for _ in range(2 * size.blocks)]

    def by_pytorch(module: nn.Module) -> Run:
        def call() -> Floats:
            past, found = list(nothing), []
            with torch.inference_mode():
                for position, token in enumerate(tokens.tolist()):
                    scores, *past = module(torch.tensor([[token]]), torch.tensor([[position]]), *past)
                    found.append(scores[0, 0].numpy())
            return np.stack(found)

        return call

    names = [f"{part}{number}" for number in range(size.blocks) for part in ("key", "value")]
    example = (torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, dtype=torch.int64))
    past = [torch.zeros(1, size.heads, 3, width) for _ in names]
    growing = {f"{when}.{name}": {2: f"{when}"} for when in ("past", "all") for name in names}
    inputs_named = ["token", "position", *(f"past.{name}" for name in names)]
    outputs_named = ["scores", *(f"all.{name}" for name in names)]
    sessions = onnx_sessions(steps, (*example, *past), inputs_named, outputs_named, growing)

    def by_onnx(session: Any) -> Run:
        def call() -> Floats:
            kept, found = [array.numpy() for array in nothing], []
            for position, token in enumerate(tokens):
                feed = dict(zip(inputs_named, (np.array([[token]]), np.array([[position]]), *kept), strict=True))
                scores, *kept = session.run(None, feed)
                found.append(scores[0, 0])
            return np.stack(found)

        return call

    calls = {name: ours(name) for name in NUMERICS}
    calls |= dict(zip(PEERS, (*map(by_pytorch, (steps, quantised(steps))), *map(by_onnx, sessions)), strict=True))
    found = activities(network, inputs)
    title = f"## Decoder, one token at a time, {mean_share(found, 'fc2'):.0%} of what follows the ReLU active"
    return [title, "", *table(calls, rounds), *activity_table(found)]


def encoder(size: Size, rounds: int) -> list[str]:
    """Return the section of an encoder."""
    torch.manual_seed(0)
    config = transformers.BertConfig(**size.facts, intermediate_size=4 * size.hidden)
    model = transformers.BertModel(config, add_pooling_layer=False).eval()  # type: ignore[no-untyped-call]
    done, dense = compressed(model, ("query", "key", "value", "dense"))
    network = done().network
    tokens = np.random.default_rng(0).integers(0, size.words, TOKENS)
    vector, words = tokens.astype(np.float32), torch.from_numpy(tokens)[None]

    def ours(numerics: str) -> Run:
        session = eie.InferenceSession(network, numerics=numerics)
        return lambda: session.run(vector)

    def by_pytorch(module: nn.Module) -> Run:
        def call() -> Floats:
            with torch.inference_mode():
                return module(words).last_hidden_state.numpy().ravel()  # type: ignore[no-any-return]

        return call

    sessions = onnx_sessions(OneOutput(dense).eval(), (words,), ["words"], ["found"], {})

    def by_onnx(session: Any) -> Run:
        return lambda: session.run(None, {"words": tokens[None]})[0].ravel()

    calls = {name: ours(name) for name in NUMERICS}
    calls |= dict(zip(PEERS, (*map(by_pytorch, (dense, quantised(dense))), *map(by_onnx, sessions)), strict=True))
    return ["## Encoder, all tokens at once", "", *table(calls, rounds), *activity_table(activities(network, vector))]


class OneOutput(nn.Module):
    """A model of transformers that returns its first output alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return the last hidden state."""
        return self.model(words).last_hidden_state  # type: ignore[no-any-return]


def compressed(model: nn.Module, parts: tuple[str, ...]) -> tuple[Callable[[], Any], Any]:
    """Compress `model` in place; return what gives its Compression, and a copy with the same weights as plain ones."""
    plain = copy.deepcopy(model)
    compressor = Compressor(model, Recipe.model_validate({"prune": {"density": DENSITY}, "input_shape": (TOKENS,)}))
    assert all(name.endswith(parts) for name in compressor.targets), list(compressor.targets)
    compressor.prune(1.0)
    done = compressor.encode()
    modules = dict(model.named_modules())
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            owner, _, tensor = name.rpartition(".")
            parameter.copy_(getattr(modules[owner], tensor))
    return lambda: done, plain


@torch.no_grad()
def quiet(model: Any, tokens: npt.NDArray[np.int64], share: float) -> None:
    """Shift the biases before each ReLU so that about `share` of what follows it is active; block by block."""
    for block in model.model.decoder.layers:
        seen: list[torch.Tensor] = []
        with block.fc1.register_forward_hook(lambda module, given, made, seen=seen: seen.append(made)):
            model(torch.from_numpy(tokens)[None])
        block.fc1.bias -= torch.quantile(seen[0].reshape(-1, len(block.fc1.bias)), 1 - share, dim=0)


def quantised(module: nn.Module) -> nn.Module:
    """Return the module with PyTorch's dynamic int8 for its linear layers."""
    quantize = torch.ao.quantization.quantize_dynamic
    made: nn.Module = quantize(copy.deepcopy(module), {nn.Linear}, dtype=torch.qint8)  # type: ignore[no-untyped-call]
    return made


def onnx_sessions(
    module: nn.Module, example: tuple[torch.Tensor, ...], inputs: list[str], outputs: list[str], growing: Any
) -> tuple[Any, Any]:
    """Return ONNX Runtime's sessions in float32 and in dynamic int8."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    def session(path: Path) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    with tempfile.TemporaryDirectory() as folder:
        real, integer = Path(folder) / "real.onnx", Path(folder) / "integer.onnx"
        torch.onnx.export(
            module,
            example,
            str(real),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=growing,
            opset_version=17,
            dynamo=False,
        )
        logging.disable(logging.WARNING)
        quantize_dynamic(str(real), str(integer), weight_type=QuantType.QInt8, per_channel=True)
        logging.disable(logging.NOTSET)
        return session(real), session(integer)


def table(calls: dict[str, Run], rounds: int) -> list[str]:
    """Return the table of tokens per second; each call is a whole sequence."""
    outputs = {name: call() for name, call in calls.items()}
    expected = outputs["PyTorch float32"]
    times = interleaved(calls, rounds)
    lines = [
        "| | tokens per second | " + " | ".join(f"over {peer}" for peer in PEERS) + " | error |",
        "| --- " + "| ---: " * (len(PEERS) + 2) + "|",
    ]
    for name in calls:
        error = float(np.abs(outputs[name] - expected).max() / np.abs(expected).max())
        rates = f"{TOKENS * 1e6 / statistics.median(times[name]):,.0f}"
        cells = [faster(times[name], times[peer]) if name in NUMERICS else "" for peer in PEERS]
        lines.append(f"| {'ours, ' * (name in NUMERICS)}{name} | {rates} | " + " | ".join(cells) + f" | {error:.0e} |")
    return [*lines, ""]


def activity_table(found: tuple[Activity, ...]) -> list[str]:
    """Return the mean activity of the inputs of each kind of layer, and its range over the blocks."""
    kinds: dict[str, list[float]] = {}
    for one in found:
        kind = ".".join(part for part in one.name.split(".")[-2:] if not part.isdigit())
        kinds.setdefault(kind, []).append(one.share)
    lines = ["| layer | of its inputs active | least and most of a block |", "| --- | ---: | ---: |"]
    for kind, shares in kinds.items():
        lines.append(f"| {kind} | {statistics.mean(shares):.0%} | {min(shares):.0%}, {max(shares):.0%} |")
    return [*lines, ""]


def mean_share(found: tuple[Activity, ...], ending: str) -> float:
    """Return the mean activity of the layers of that name."""
    return statistics.mean(one.share for one in found if one.name.endswith(ending))


if __name__ == "__main__":
    main()
