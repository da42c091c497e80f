"""Models of the kinds that people have, small, as they would write them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from zoo.samples import ITEMS, USERS, WINDOW, WORDS


class Residual(nn.Module):
    """A sum: what goes in, or `around` it, and the layers in a row."""

    def __init__(self, *layers: nn.Module, around: nn.Module | None = None) -> None:
        super().__init__()
        self.layers, self.around = nn.Sequential(*layers), nn.Identity() if around is None else around

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        result: torch.Tensor = self.around(x) + self.layers(x)
        return result


class Branches(nn.Module):
    """Several modules on the same channels, their own channels one after the other."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return all channels."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Turned(nn.Module):
    """The last two dimensions exchanged."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return them."""
        return x.transpose(-1, -2)


class Mean(nn.Module):
    """The mean over one dimension."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean."""
        return x.mean(self.dimension)


class LastOf(nn.Module):
    """A recurrent layer's outputs for the last of its inputs."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last outputs."""
        every: torch.Tensor = self.layer(x)[0]
        return every[:, -1]


class Places(nn.Module):
    """A vector to learn for each place of a sequence, added."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(length, width) * 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return x + self.places


class UNet(nn.Module):
    """Down, and up again beside what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.down = conv(1, 16), nn.Sequential(nn.MaxPool2d(2), conv(16, 32))
        self.bottom = nn.Sequential(nn.MaxPool2d(2), conv(32, 32), nn.Upsample(scale_factor=2))
        self.up = nn.Sequential(conv(64, 16), nn.Upsample(scale_factor=2))
        self.last = nn.Sequential(conv(32, 16), nn.Conv2d(16, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return an image."""
        high = self.first(x)
        middle = self.down(high)
        up = self.up(torch.cat((middle, self.bottom(middle)), dim=1))
        image: torch.Tensor = self.last(torch.cat((high, up), dim=1))
        return image


class Recommender(nn.Module):
    """A rating for a user and an item, from what is learned of either."""

    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(USERS, 32), nn.Embedding(ITEMS, 32)
        self.rating = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
        """Return the rating."""
        rating: torch.Tensor = self.rating(torch.cat((self.users(user), self.items(item)), dim=1))
        return rating


class TwoHeads(nn.Module):
    """One body, and two outputs: which digit, and how bright it is."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU())
        self.digit, self.brightness = nn.Linear(100, 10), nn.Linear(100, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both."""
        found = self.body(x)
        return self.digit(found), self.brightness(found)


class Experts(nn.Module):
    """Four layers, of which each input goes through the one with its highest score."""

    def __init__(self) -> None:
        super().__init__()
        self.score, self.last = nn.Linear(64, 4), nn.Linear(100, 10)
        self.experts = nn.Parameter(torch.randn(4, 64, 100) / 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs."""
        chosen = self.experts[self.score(x).argmax(dim=1)]
        found: torch.Tensor = self.last(F.relu(torch.bmm(x[:, None], chosen)[:, 0]))
        return found


class Logits(nn.Module):
    """A model of the package transformers that returns its logits alone."""

    def __init__(self, kind: str, **sizes: Any) -> None:
        super().__init__()
        import transformers

        config = transformers.AutoConfig.for_model(kind, use_cache=False, **sizes)
        kinds = {"bert": transformers.BertForSequenceClassification, "opt": transformers.OPTForCausalLM}
        self.model = kinds[kind](config)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.model(tokens).logits  # type: ignore[no-any-return]


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution that keeps an image's size but for the stride, then normalisation and ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution of each channel by itself, and one of all channels at each place."""
    return nn.Sequential(conv(inputs, inputs, 3, stride, groups=inputs), conv(inputs, outputs, 1))


def fire(inputs: int, squeezed: int, outputs: int) -> nn.Sequential:
    """Return SqueezeNet's module."""
    return nn.Sequential(conv(inputs, squeezed, 1), Branches(conv(squeezed, outputs, 1), conv(squeezed, outputs)))


def head(channels: int) -> list[nn.Module]:
    """Return what makes ten classes of images."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)]


def mlp(*widths: int, last: nn.Module | None = None) -> nn.Sequential:
    """Return linear layers, ReLU between them."""
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1], *(() if last is None else (last,)))


def lenet_5() -> nn.Module:
    """Return Caffe's LeNet-5, on which Deep Compression reports."""
    convolutions = [nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)]
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def recurrent(kind: type[nn.LSTM] | type[nn.GRU] | type[nn.RNN], layers: int = 1, *, both: bool = False) -> nn.Module:
    """Return a recurrent layer over the eight lines of a digit, and ten classes."""
    layer = kind(8, 64, num_layers=layers, batch_first=True, bidirectional=both)
    return nn.Sequential(LastOf(layer), nn.Linear(128 if both else 64, 10))


def mixer() -> nn.Module:
    """Return an MLP-Mixer of sixteen patches of 2 x 2 pixels."""
    places = nn.Sequential(Turned(), nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), Turned())
    channels = nn.Sequential(nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))
    blocks = [Residual(nn.LayerNorm(64), part) for part in (places, channels)]
    return nn.Sequential(nn.Conv2d(1, 64, 2, 2), nn.Flatten(2), Turned(), *blocks, Mean(1), nn.Linear(64, 10))


def language_model() -> nn.Module:
    """Return a model that reads characters one after the other, and gives scores of the next."""
    return nn.Sequential(nn.Embedding(WORDS, 64), LastOf(nn.LSTM(64, 128, batch_first=True)), nn.Linear(128, WORDS))


def encoder() -> nn.Module:
    """Return PyTorch's own encoder over the eight lines of a digit."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
    blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(8, 64), Places(8, 64), blocks, Mean(1), nn.Linear(64, 10))


def temporal() -> nn.Module:
    """Return dilated convolutions over the eight lines of a digit, as over time."""
    first = [Turned(), nn.Conv1d(8, 64, 3, padding=1), nn.ReLU()]
    dilated = Residual(nn.Conv1d(64, 64, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv1d(64, 64, 1))
    return nn.Sequential(*first, dilated, nn.ReLU(), Mean(2), nn.Linear(64, 10))


def bert() -> nn.Module:
    """Return an encoder that takes a digit's pixels for words, of which there are 17."""
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 256}
    return Logits("bert", vocab_size=17, num_labels=10, max_position_embeddings=64, hidden_dropout_prob=0.0, **sizes)


def opt() -> nn.Module:
    """Return a decoder whose blocks have a ReLU; all characters of a text at once."""
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "word_embed_proj_dim": 64}
    return Logits("opt", vocab_size=WORDS, ffn_dim=256, max_position_embeddings=WINDOW, dropout=0.0, **sizes)
