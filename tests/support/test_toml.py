from pathlib import Path

import pytest
from pydantic import BaseModel

from eie.errors import InputError
from eie.support.toml import read_toml


class Thing(BaseModel):
    """A file of one entry."""

    size: int


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """One sentence with what was wanted and where."""
    with pytest.raises(InputError) as error:
        read_toml(tmp_path / "thing.toml", Thing, "thing file")
    assert str(error.value) == f"thing file {tmp_path / 'thing.toml'} does not exist"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "is not UTF-8 text, expected TOML"),
        (b"size = 'x", 'is not TOML: Expected "\'" (at end of document)'),
    ],
)
def test_what_is_not_toml_is_said_to_be_so(tmp_path: Path, content: bytes, sentence: str) -> None:
    """Binary files and cut ones are refused before anything else."""
    path = tmp_path / "thing.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_toml(path, Thing, "thing file")
    assert str(error.value) == f"thing file {path} {sentence}"


def test_a_wrong_type_is_named_with_its_value(tmp_path: Path) -> None:
    """The place, the value, the expectation."""
    path = tmp_path / "thing.toml"
    path.write_text("size = 'large'")
    with pytest.raises(InputError) as error:
        read_toml(path, Thing, "thing file")
    assert str(error.value).startswith(f"thing file {path}: size is 'large': input should be a valid integer")
