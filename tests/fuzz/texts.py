"""What users write, and a sweep's journal: recipes, spaces, technologies, layouts."""

from __future__ import annotations

import json
import random
import tomllib
from importlib.resources import files
from typing import Any

from eie.chip import Hardware
from eie.cost import load_technology, require_figures
from eie.errors import EieError
from eie.explore.journal import Journal
from eie.explore.space import Space, load_space
from eie.importers.dotnet import load_layout
from eie.pytorch.recipe import read_recipe
from fuzz.mutators import mutate_bytes, mutate_text, mutate_tree, to_toml
from fuzz.target import Target, check_sentence

__all__ = ["Journals", "Layouts", "Recipes", "Spaces", "Technologies"]

RECIPE = """name = "r"
seed = 3
input_shape = [1, 28, 28]
train = {epochs = 2, learning_rate = 0.001, batch_size = 4, optimiser = "adam", patience = 2}
prune = {epochs = 3, density = 0.1, scope = "global", schedule = "gradual", ramp = 0.5, regrow = true}
share = {bits = 4, clustering = "optimal", bias = "shared"}
encode = {n_pe = 64, index_bits = "best", huffman = true}
numbers = {value_bits = 16, accumulator_bits = 24, calibration_inputs = 9}
layers = {fc1 = {density = 0.2, bits = 3}, conv2 = {compress = false, winograd = true}}
"""
SPACES = (
    'name = "s"\nlayers = ["NT-We", "all"]\nparameters = {n_pe = [2, 4], clock_mhz = [800.0], batched = [true]}\n',
    'name = "s"\nlayers = ["NT-We"]\nstrategy = "random"\nsamples = 2\nseed = 1\nparameters = {n_pe = [2, 4, 8]}\n',
    'name = "s"\nlayers = ["NT-We"]\nstrategy = "list"\nruns = [{layer = "NT-We", n_pe = 3}, {queue_depth = 4}]\n',
    'name = "s"\ngenerated_layers = [{name = "g", inputs = 4, outputs = 5, weight_density = 0.5, '
    "activation_density = 0.5, skew = 1.0, seed = 2}]\n"
    'model_layers = [{name = "m", model = "m.safetensors", layer = "l", activations = "x.npy"}]\n',
)
LAYOUT = 'layers = [{name = "a", shape = [6, 5], code_bits = 4}, {name = "b", shape = [3, 2, 3], code_bits = 8}]\n'


class _Toml(Target):
    """A TOML file: half of the changes are to what it says, half to how."""

    texts: tuple[str, ...]

    def seeds(self) -> list[bytes]:
        """Return whole files."""
        return [text.encode() for text in self.texts]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change the document, the text, or a byte."""
        kind = random.randrange(8)
        text = data.decode()
        document = tomllib.loads(text)
        if kind < 6:
            changed = mutate_tree(document, random)
            return to_toml(changed).encode() if isinstance(changed, dict) else b""
        return mutate_text(text, random).encode("utf-8", "surrogatepass") if kind == 6 else mutate_bytes(data, random)


class Recipes(_Toml):
    """read_recipe."""

    name = "recipe"
    texts = (RECIPE,)

    def read(self, data: bytes) -> None:
        """Read it and ask it of a layer."""
        recipe = read_recipe(self.path("x.toml", data))
        density = recipe.density_of("fc1")
        assert density is None or 0 < density <= 1
        assert 1 <= recipe.bits_of("fc1") <= 8
        recipe.require_layers(["fc1", "conv2"])


class Spaces(_Toml):
    """load_space, and every run of it where there are not too many."""

    name = "space"
    texts = SPACES

    def read(self, data: bytes) -> None:
        """Read it, list its runs, load its technology."""
        space = load_space(self.path("x.toml", data))
        space.load_technology()
        points = 1
        for values in space.parameters.values():
            points *= len(values)
        if points * len(space.layer_names) < 1000:
            assert space.runs()


class Technologies(_Toml):
    """load_technology, the shipped ones' texts and small ones."""

    name = "technology"
    texts = tuple(
        (files("eie.cost") / "tech" / f"{name}.toml").read_text(encoding="utf-8")
        for name in ("eie-paper-45nm", "cacti-45nm")
    )

    def read(self, data: bytes) -> None:
        """Read it, look memories up for a chip, and scale it."""
        technology = load_technology(self.path("x.toml", data))
        assert technology.fastest_clock_mhz > 0
        technology.scaled(28)
        require_figures(technology, Hardware(n_pe=4))


class Layouts(_Toml):
    """load_layout."""

    name = "layout"
    texts = (LAYOUT,)

    def read(self, data: bytes) -> None:
        """Read it."""
        assert load_layout(str(self.path("x.toml", data))).layers


class Journals(Target):
    """A sweep's journal: what is read is written on, and reads as the same runs again."""

    name = "journal"

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.space = Space(name="s", layers=("NT-We",), parameters={"n_pe": (2, 4)})
        self.technology = load_technology("eie-paper-45nm")

    def seeds(self) -> list[bytes]:
        """Return a journal of two runs."""
        path = self.folder / "seed.jsonl"
        path.unlink(missing_ok=True)
        journal = Journal(path, self.space, self.technology)
        journal.add([run.parameters | {"cycles": 10, "latency_us": 0.5} for run in self.space.runs()])
        return [path.read_bytes(), path.read_bytes()[:-9]]

    def mutate(self, data: bytes, random: random.Random) -> bytes:
        """Change what one line says, or any byte."""
        lines = data.split(b"\n")
        if random.randrange(3) == 0:
            return mutate_bytes(data, random)
        at = random.randrange(len(lines))
        try:
            lines[at] = json.dumps(mutate_tree(json.loads(lines[at]), random)).encode()
        except ValueError:
            lines[at] = mutate_bytes(lines[at], random)
        return b"\n".join(lines)

    def read(self, data: bytes) -> None:
        """Open it, add a run, and open it again."""
        path = self.path("x.jsonl", data)
        try:
            journal = Journal(path, self.space, self.technology)
        except EieError as error:
            assert path.read_bytes() == data, "a journal that was refused was changed"
            check_sentence(error)
            raise
        journal.add([self.space.runs()[0].parameters])
        again = Journal(path, self.space, self.technology)
        assert json.dumps(again.rows) == json.dumps(journal.rows)
