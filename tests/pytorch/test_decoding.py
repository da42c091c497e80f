"""Decoders as networks of one token at a time: what they give for a sequence is what the model does for all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import eie
from eie.cli.commands import app
from eie.compress import Recipe, decoder_of
from eie.engine import activities, generate
from eie.errors import InputError

WORDS, CONTEXT = 11, 9

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


class Decoder(nn.Module):
    """One block of two heads, as small as can be, whose head is tied to its embeddings."""

    def __init__(self, attend: Attend = causal) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 8), nn.Embedding(CONTEXT + 3, 8)
        self.norm, self.qkv, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, WORDS, bias=False)
        self.head.weight = self.words.weight
        self.attend = attend

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Return the scores of each next token, (batch, tokens, WORDS)."""
        x = self.words(tokens) + self.places(positions)
        batch, length, _ = x.shape
        query, key, value = self.qkv(self.norm(x)).view(batch, length, 3, 2, 4).permute(2, 0, 3, 1, 4)
        x = x + self.out(self.attend(query, key, value).transpose(1, 2).reshape(batch, length, 8))
        return self.head(x + self.down(F.relu(self.up(x))))


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Decoder, eie.InferenceSession]:
    """Return a model, and its network compressed, saved and loaded."""
    torch.manual_seed(2)
    model = Decoder().eval()
    recipe = Recipe.model_validate({"prune": {"density": 0.6}, "input_shape": (8,)})
    compressor = eie.compress.Compressor(model, recipe)
    compressor.prune(1.0)
    done = compressor.encode()
    path = tmp_path_factory.mktemp("decoder") / "decoder.safetensors"
    eie.save(decoder_of(model, CONTEXT, layers=done.layers), path, packed=True)
    return model, eie.InferenceSession(path, numerics="float32")


@torch.no_grad()
def scores_of(model: nn.Module, tokens: list[int]) -> np.ndarray:
    """Return the model's scores for every token of a sequence, at once."""
    return model(torch.tensor([tokens]), torch.arange(len(tokens))[None])[0].numpy()


def test_token_by_token_is_the_whole_sequence(compressed: tuple[Decoder, eie.InferenceSession]) -> None:
    """With the compressed weights, from a file; sequences side by side, too; and not past the room that there is."""
    model, session = compressed
    assert {layer.name for layer in session.network.layers} == {"words", "qkv", "out", "up", "down", "head"}
    sequences = np.random.default_rng(1).integers(0, WORDS, (2, CONTEXT))
    cache = session.new_cache(2)
    for position, tokens in enumerate(sequences.T):
        found = session.run(np.stack((tokens, np.full(2, position)), axis=1).astype(np.float32), cache=cache)
        expected = [scores_of(model, sequence.tolist())[position] for sequence in sequences]
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    with pytest.raises(InputError, match=r"has room for 9 tokens, and its cache has 9 already$"):
        session.run(np.zeros((2, 2), np.float32), cache=cache)


def test_generated_texts_are_the_models(compressed: tuple[Decoder, eie.InferenceSession]) -> None:
    """The likeliest token each time; with a temperature, by the model's probabilities and a seed; until a stop."""
    model, session = compressed
    text = [3, 1]
    for _ in range(5):
        text.append(int(scores_of(model, text)[-1].argmax()))
    assert generate(session, [3, 1], 5) == text[2:]
    assert generate(session, [3, 1], 5, stop=text[4])[-1] == text[4]
    drawn = [generate(session, [3], 1, temperature=2.0, seed=seed)[0] for seed in range(400)]
    assert drawn[:20] == [generate(session, [3], 1, temperature=2.0, seed=seed)[0] for seed in range(20)]
    shares = torch.softmax(torch.from_numpy(scores_of(model, [3])[-1]) / 2, 0).numpy()
    # 400 draws: five standard deviations of a share
    np.testing.assert_allclose(np.bincount(drawn, minlength=WORDS) / 400, shares, rtol=0, atol=5 * 0.5 / 20)


def test_the_command_line_writes_the_same(
    compressed: tuple[Decoder, eie.InferenceSession], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens in, tokens out, in text and in JSON; what is no token is refused."""
    _, session = compressed
    path = str(tmp_path / "decoder.safetensors")
    eie.save(session.network, path)
    expected = generate(session, [3, 1], 5)
    arguments = ["generate", path, "3, 1", "--tokens", "5", "--numerics", "float32"]
    app(arguments, standalone_mode=False)
    written, speed = capsys.readouterr().out.splitlines()
    assert written == ",".join(map(str, expected))
    assert speed.startswith("5 tokens after 2: ")
    app([*arguments, "--stop", str(expected[2]), "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["tokens"] == expected[: expected.index(expected[2]) + 1]
    assert document["tokens_per_second"] > 0
    for prompt in ("3,x", "", "3,-1", "3.5"):
        with pytest.raises(InputError, match="expected whole numbers with commas between"):
            app(["generate", path, "--", prompt], standalone_mode=False)
    with pytest.raises(InputError, match=str(WORDS)):
        app(["generate", path, str(WORDS)], standalone_mode=False)


def test_activities_of_a_sequence(compressed: tuple[Decoder, eie.InferenceSession]) -> None:
    """What stands behind the ReLU is zero where the model's is."""
    model, session = compressed
    tokens = [4, 0, 7, 7, 1]
    counted: list[torch.Tensor] = []
    with torch.no_grad(), model.down.register_forward_hook(lambda module, given, made: counted.append(given[0])):
        model(torch.tensor([tokens]), torch.arange(5)[None])
    found = {one.name: one for one in activities(session.network, np.stack((tokens, np.arange(5)), axis=1))}
    assert (found["down"].inputs, found["down"].active) == (80, int(torch.count_nonzero(counted[0])))
    assert 0 < found["down"].share < 1
    assert [found[name].share for name in ("qkv", "out", "up", "head")] == [1, 1, 1, 1]
    assert found["words"].share == 1 / WORDS  # a lookup reads one column


def by_hand(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).triu(1)
    return (query @ key.transpose(-1, -2)).masked_fill(mask, -torch.inf).softmax(-1) @ value


def backwards(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(query, key, value)


class Unplaced(Decoder):
    """A decoder that takes something else."""

    def forward(self, tokens: torch.Tensor, *, depth: int, width: int) -> torch.Tensor:
        """Return nothing of use."""
        return tokens


@pytest.mark.parametrize(
    ("make", "context", "sentence"),
    [
        (Decoder, 0, "context must be 1 token or more, not 0"),
        (lambda: Decoder(by_hand), 4, "the model has no attention that keeps the tokens before, expected calls of "),
        (
            lambda: Decoder(backwards),
            4,
            "the network does not compute what the model does: token by token, the outputs",
        ),
        (Unplaced, 4, "the model takes tokens, depth, width, expected input_ids and position_ids among it, or tokens "),
    ],
)
def test_what_is_no_decoder_is_refused(make: Callable[[], nn.Module], context: int, sentence: str) -> None:
    """Attention that is not seen, that looks ahead, and a model that cannot be told where a token is."""
    torch.manual_seed(3)
    with pytest.raises(InputError) as error:
        decoder_of(make().eval(), context)
    assert str(error.value).startswith(sentence)


def test_texts_that_cannot_be_are_refused(compressed: tuple[Decoder, eie.InferenceSession]) -> None:
    """Without a beginning, longer than there is room for, of other tokens, or by a network that is no decoder."""
    _, session = compressed
    other = eie.InferenceSession(session.network.layers[0])
    for call, sentence in (
        (lambda: generate(session, [], 3), "a text has 1 token or more before and behind, not 0 and 3"),
        (lambda: generate(session, [1], 3, temperature=-1.0), "temperature must be 0 or above, not -1.0"),
        (lambda: generate(session, [1] * 5, 6), "has room for 9 tokens, and its cache has 9 already"),
        (lambda: generate(session, [11], 3), "words looks up whole numbers from 0 to 10, not 11"),
        (
            lambda: generate(other, [1], 3),
            "network words takes 11 values, expected a decoder, which takes a token and its",
        ),
    ):
        with pytest.raises(InputError) as error:
            call()
        assert sentence in str(error.value)
