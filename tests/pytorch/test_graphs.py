"""Models that are no chains, each from PyTorch to a compressed file and back: the same outputs as the model's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eie
from eie.compress import Recipe
from eie.errors import InputError
from eie.pytorch.tracing import network_of

Made = tuple[nn.Module, tuple[int, ...]]


class Residual(nn.Module):
    """x + f(x), twice: once as it is, once projected."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.down = nn.Linear(6, 6), nn.Linear(6, 4), nn.Linear(6, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of two branches."""
        x = F.relu(x + self.fc1(x))
        return self.down(x) + torch.tanh(self.fc2(x))


class Block(nn.Module):
    """ResNet's basic block, in place as everyone writes it."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.down = nn.Conv2d(channels, out, 1, stride) if channels != out else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return relu(f(x) + x)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.down(x)
        return self.relu(out)


class Branches(nn.Module):
    """Convolutions side by side, a gate per channel, channels concatenated and shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect")
        self.squeeze, self.excite = nn.Linear(8, 4), nn.Linear(4, 8)
        self.head = nn.Linear(8 * 5 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits and the gates."""
        x = torch.cat((F.relu(self.a(x)), F.avg_pool2d(self.b(x), 3, 1, 1, count_include_pad=False)), 1)
        gates = torch.sigmoid(self.excite(F.silu(self.squeeze(x.mean((2, 3))))))
        x = x * gates[:, :, None, None]
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        return torch.cat((self.head(x.flatten(1)), gates.flip(1)[:, ::2]), dim=1)


class Attention(nn.Module):
    """Attention of two heads by PyTorch's own function, layer normalisation and a feed-forward part."""

    def __init__(self, causal: bool = False) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.RMSNorm(8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.position = nn.Parameter(torch.randn(5, 8))
        self.causal = causal
        nn.init.normal_(self.norm1.weight)
        nn.init.normal_(self.norm1.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a sequence."""
        x = x + self.position
        batch, length, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class ByHand(nn.Module):
    """Attention of products, a mask and a softmax, the normalisation and division of the scores written out."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(6, 6) for _ in range(3))
        self.register_buffer("mask", torch.ones(4, 4).triu(1).bool())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return one vector."""
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        scores = self.q(x) @ self.k(x).transpose(1, 2) / 6**0.5
        weights = scores.masked_fill(self.mask, -torch.inf).softmax(-1)
        return torch.einsum("bij,bjk->bik", weights, self.v(x)).amax(1)


class Recommender(nn.Module):
    """Two embeddings of a user and an item, their product, and what is known to be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(7, 6), nn.Embedding(5, 6)
        self.fc = nn.Linear(18, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return two scores."""
        user, item = self.user(ids[:, 0]), self.item(ids[:, 1])
        both = torch.where((ids[:, 1:] > 2), user * item, torch.zeros(()))
        return self.fc(torch.cat((user, item, both), dim=-1))


class Functions(nn.Module):
    """Functions of each number, one after the other."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each function's numbers."""
        found = [F.hardswish(x), F.hardsigmoid(x), F.elu(x), F.leaky_relu(x, 0.1), F.softplus(x), F.mish(x), F.relu6(x)]
        found += [x.clamp(-0.5, 1.5), torch.rsqrt(x.abs() + 1), x**2, x**3, 2 / (1 + x.exp()), x.square().sum(-1, True)]
        found += [
            (x > 0.1).float(),
            (x <= 0.1).float(),
            torch.where(x < 0, -x, x * 2),
            F.log_softmax(x, -1),
            1 - x,
            F.selu(x),
        ]
        return torch.cat(found, dim=1)


def models() -> dict[str, Callable[[], Made]]:
    def blocks() -> nn.Module:
        layers = (Block(3, 3, 1), Block(3, 6, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(True), nn.MaxPool2d(3, 2, 1), *layers)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.running_var, 0.5, 2)
                nn.init.normal_(module.running_mean)
        return model

    def inverted() -> nn.Module:
        """Depthwise and grouped convolutions, one of them with holes."""
        layers = (nn.Conv2d(3, 6, 1), nn.ReLU6(), nn.Conv2d(6, 6, 3, 2, 1, groups=6), nn.Hardswish())
        holes = (nn.Conv2d(6, 4, (3, 2), dilation=(2, 1), padding="same", groups=2), nn.MaxPool2d(2, dilation=2))
        return nn.Sequential(*layers, *holes, nn.Flatten(), nn.Linear(8, 3))

    return {
        "residual": lambda: (Residual(), (6,)),
        "resnet": lambda: (blocks(), (2, 12, 12)),
        "branches": lambda: (Branches(), (3, 5, 4)),
        "attention": lambda: (Attention(), (5, 8)),
        "causal attention": lambda: (Attention(causal=True), (5, 8)),
        "attention by hand": lambda: (ByHand(), (4, 6)),
        "mobilenet": lambda: (inverted(), (3, 9, 8)),
        "recommender": lambda: (Recommender(), (2,)),
        "functions": lambda: (nn.Sequential(nn.Linear(3, 4), Functions()), (3,)),
        "group norm": lambda: (nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()), (2, 5, 5)),
        "mixer": lambda: (nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 6), nn.LayerNorm(6)), (4, 6)),
    }


def inputs_of(model: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    if isinstance(model, Recommender):
        return torch.tensor([[0, 4], [6, 1], [3, 2]])
    return torch.randn(3, *shape)


@pytest.mark.parametrize("name", list(models()))
def test_the_network_computes_what_the_model_does(name: str, tmp_path: Path) -> None:
    """As it is; and compressed, saved and loaded, with the weights that the model then has."""
    torch.manual_seed(1)
    model, shape = models()[name]()
    model.eval()
    x = inputs_of(model, shape)
    flat = x.flatten(1).numpy()
    with torch.no_grad():
        found = eie.InferenceSession(network_of(model, shape), numerics="float32").run(flat)
        assert np.allclose(found, model(x).flatten(1).numpy(), atol=2e-5)
        done = eie.compress_(model, Recipe.model_validate({"prune": {"density": 0.5}, "input_shape": shape}))
        eie.save(done.network, tmp_path / "model.safetensors", packed=True)
        network = eie.load(tmp_path / "model.safetensors")
        found = eie.InferenceSession(network, numerics="float32").run(flat)
        assert np.allclose(found, model(x).flatten(1).numpy(), atol=2e-5)
    assert {layer.name for layer in network.layers} == set(done.layers)
    found = eie.InferenceSession(eie.calibrate(network, flat), numerics="chip").run(flat)
    with torch.no_grad():
        assert np.allclose(found, model(x).flatten(1).numpy(), atol=0.05)


def test_lookups_are_compressed_where_that_is_asked_for(tmp_path: Path) -> None:
    """By their name in the recipe, or as they are tied; otherwise they keep their numbers."""
    torch.manual_seed(1)
    model = Recommender().eval()
    before = model.item.weight.detach().clone()
    recipe = Recipe.model_validate({"layers": {"user": {"density": 0.5, "bits": 3}}, "input_shape": (2,)})
    done = eie.compress_(model, recipe)
    assert set(done.layers) == {"user", "fc"}
    assert int(torch.count_nonzero(model.user.weight)) == 21
    assert len(torch.unique(model.user.weight)) <= 8
    assert torch.equal(model.item.weight, before)
    eie.save(done.network, tmp_path / "model.safetensors", packed=True)
    session = eie.InferenceSession(tmp_path / "model.safetensors", numerics="float32")
    x = inputs_of(model, (2,))
    assert np.allclose(session.run(x.numpy()), model(x).detach().numpy(), atol=1e-6)
    with pytest.raises(InputError, match="layer 'user'"):  # a lookup that does more than look up is left alone
        eie.compress_(Scaled(), recipe)


class Scaled(Recommender):
    """Embeddings of another length."""

    def __init__(self) -> None:
        super().__init__()

        class Times(nn.Embedding):
            def forward(self, ids: torch.Tensor) -> torch.Tensor:
                return 2 * super().forward(ids)

        self.user = Times(7, 6)


def test_a_lookup_of_two_is_made_for_each() -> None:
    """The first is compressed, the next ones keep the same numbers."""
    torch.manual_seed(2)
    model = Same().eval()
    recipe = Recipe.model_validate({"layers": {"words": {"bits": 2}}, "input_shape": (2,)})
    network = eie.compress_(model, recipe).network
    x = torch.tensor([[3, 0], [1, 1]])
    found = eie.InferenceSession(network, numerics="float32").run(x.numpy())
    assert np.allclose(found, model(x).detach().numpy(), atol=1e-6)


class Same(nn.Module):
    """One table for two."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.fc = nn.Embedding(5, 4), nn.Linear(4, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return three numbers."""
        return self.fc(self.words(ids[:, 0]) - self.words(ids[:, 1]))


def test_nothing_is_moved_that_need_not_be() -> None:
    """Shapes, slices of constants and what leads nowhere are no steps; what is moved twice is moved once."""
    kinds = [type(step).__name__ for step in network_of(Residual(), (6,))]
    assert kinds == ["Dense", "Sum", "Activation", "Dense", "Dense", "Activation", "Sum"]
    moved = [step.name for step in network_of(Attention(), (5, 8)) if type(step).__name__ == "Gather"]
    assert len(moved) == 4  # queries, keys turned, values, and the heads side by side again


class Refused(nn.Module):
    """A model of one function."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function of a layer's outputs."""
        return self.function(self.fc(x))


OTHERWISE = (
    "which a network cannot hold: compress the model in place with eie.compress_ and run its layers with "
    "eie.pytorch.nn.convert_"
)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: x.cumsum(1), f"cumsum is a cumsum, {OTHERWISE}"),
        (lambda x: x if x.sum() > 0 else -x, "the model does not run on one input of shape (4,): "),
        (lambda x: x.long().float(), f"_to_copy is a conversion of torch.float32 to torch.int64, {OTHERWISE}"),
        (lambda x: torch.ones(1, 3), "the model's outputs do not depend on its input, expected a model with a layer "),
        (
            lambda x: F.dropout(x),
            "native_dropout is a native_dropout, whose numbers are random, which a network cannot hold: ",
        ),
        (lambda x: x + torch.rand(1, 4), "rand is a rand, whose numbers are random, which a network cannot hold: "),
        (lambda x: x**0.3, f"pow_1 is a power of 0.3, {OTHERWISE}"),
        (lambda x: x * torch.inf, "mul has a constant that is NaN or infinite"),
        (lambda x: x[:, x[0].sort()[1]], f"sort is a sort, {OTHERWISE}"),
    ],
)
def test_what_cannot_run_is_named(function: Callable[[torch.Tensor], torch.Tensor], sentence: str) -> None:
    """The error names the first operation, and what to do."""
    with pytest.raises(InputError) as error:
        network_of(Refused(function), (4,))
    assert str(error.value).startswith(sentence)


def test_a_layer_called_twice_is_refused() -> None:
    """A network has each of its layers once."""
    with pytest.raises(InputError) as error:
        network_of(Refused(lambda x: x), (4,)) and network_of(Twice(), (4,))
    assert str(error.value) == ("layer fc is called twice, and a network has each layer once: give each call its own")


class Twice(nn.Module):
    """One layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return f(f(x))."""
        return self.fc(self.fc(x))


class Two(nn.Module):
    """Two inputs, two outputs, one of them whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = nn.Embedding(5, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return a dictionary."""
        found = self.fc(x + self.embedding(ids))
        return {"found": found, "doubled": found[:, :1] * 2}


def test_several_inputs_and_outputs() -> None:
    """One after the other in the network's vectors."""
    model, x, ids = Two(), torch.randn(1, 3), torch.tensor([4])
    network = network_of(model, (x, ids))
    assert (network.inputs, network.outputs) == (4, 3)
    found = eie.InferenceSession(network, numerics="float32").run(np.append(x.numpy(), 4.0))
    with torch.no_grad():
        expected = model(x, ids)
    assert np.allclose(found, torch.cat((expected["found"], expected["doubled"]), 1)[0].numpy(), atol=1e-6)


def test_the_model_is_left_as_it_was() -> None:
    """Its mode, and its layers' own forward."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Sequential(nn.Linear(3, 2)).eval())
    network_of(model, (4,))
    assert [module.training for module in model.modules()] == [True, True, True, False, False]
    assert not any("forward" in vars(module) for module in model.modules())
