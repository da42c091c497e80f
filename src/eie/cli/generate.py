"""`eie generate`: the tokens that a decoder writes after others, and how many it writes in a second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from eie.cli.output import JsonOption, print_json, result
from eie.cli.run import Numerics
from eie.engine import InferenceSession, generate
from eie.errors import InputError
from eie.storage import load

__all__ = ["command"]


def command(
    model: Annotated[Path, typer.Argument(help="A model file (.safetensors) of a decoder: eie.compress.decoder_of.")],
    prompt: Annotated[str, typer.Argument(help="The numbers of the first tokens, comma-separated: 3,14,15.")],
    tokens: Annotated[int, typer.Option(min=1, help="How many to write at most.")] = 20,
    temperature: Annotated[
        float, typer.Option(min=0, help="0 takes the likeliest token; above it, one is drawn.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 0,
    stop: Annotated[int | None, typer.Option(min=0, help="The token that ends a text.")] = None,
    numerics: Annotated[
        Numerics, typer.Option(help="int16: fast fixed point; int8: faster and coarser; chip: bit for bit; float32.")
    ] = Numerics.INT16,
    threads: Annotated[int, typer.Option(help="Threads to compute with.")] = 1,
    kernel: Annotated[str | None, typer.Option(help="Force one kernel instead of the fastest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the tokens that MODEL writes after PROMPT, and how many it takes in and writes in a second.

    Tokens are numbers: which words they are, the model's own tokeniser knows.

    Example: eie generate opt.safetensors 2,133,812 --tokens 50 --numerics int8
    """
    given = _numbers(prompt)
    session = InferenceSession(load(model), numerics=numerics.value, threads=threads, kernel=kernel)
    start = time.perf_counter()
    found = generate(session, given, tokens, temperature=temperature, seed=seed, stop=stop)
    seconds = time.perf_counter() - start
    passed = len(given) + len(found) - 1  # the last token written is not read again
    if as_json:
        print_json(
            {
                "model": model,
                "numerics": numerics.value,
                "prompt": given,
                "tokens": found,
                "seconds": seconds,
                "tokens_per_second": passed / seconds,
                "time_provenance": "measured here, once; tokens of the prompt are counted",
            }
        )
        return
    result.print(",".join(map(str, found)))
    result.print(
        f"{len(found)} token{'s' if len(found) > 1 else ''} after {len(given)}: {passed / seconds:,.0f} tokens per "
        f"second (measured here, once; {numerics.value})"
    )


def _numbers(prompt: str) -> list[int]:
    parts = [part.strip() for part in prompt.split(",")]
    for part in parts:
        if not part.isascii() or not part.isdigit():
            raise InputError(f"the prompt has {part!r} in it, expected whole numbers with commas between: 3,14,15")
    return [int(part) for part in parts]
