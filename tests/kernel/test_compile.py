"""The recipe: it compiles where it can, and where it cannot it says why and breaks nothing."""

import shutil
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from relay.forward.kernel import compile as recipe

_FILES = ("compile.py", "fastpath.bpf.c", *(path.name for path in recipe.DIRECTORY.glob("*.h")))


@pytest.fixture
def copied(tmp_path: Path) -> ModuleType:
    """The recipe in a directory of its own, loaded as the build hook loads it."""
    for name in _FILES:
        shutil.copy(recipe.DIRECTORY / name, tmp_path)
    spec = spec_from_file_location("compile", tmp_path / "compile.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_program_compiles_to_an_elf_object_that_names_no_directory(copied: ModuleType) -> None:
    pytest.importorskip("ziglang")
    assert copied.compile_program() == ""
    made = copied.OBJECT.read_bytes()
    assert made[:4] == b"\x7fELF"
    assert str(copied.DIRECTORY).encode() not in made
    assert sys.prefix.encode() not in made
    assert not copied.REASON.exists()


def test_program_that_does_not_compile_leaves_the_reason(copied: ModuleType) -> None:
    pytest.importorskip("ziglang")
    copied.OBJECT.write_bytes(b"an older one")
    copied.SOURCE.write_text("#error nothing to see here\n")
    reason = copied.compile_program()
    assert "nothing to see here" in reason
    assert copied.REASON.read_text() == f"{reason}\n"
    assert "\n" not in reason
    assert not copied.OBJECT.exists()


def test_missing_compiler_leaves_the_reason(
    copied: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied.importlib.util, "find_spec", lambda name: None)
    assert "ziglang" in copied.compile_program()
    assert "ziglang" in copied.REASON.read_text()


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [("platform", "darwin", "Linux only"), ("byteorder", "big", "big-endian")],
)
def test_host_that_cannot_run_it_leaves_the_reason(
    copied: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    attribute: str,
    value: str,
    expected: str,
) -> None:
    monkeypatch.setattr(copied.sys, attribute, value)
    assert expected in copied.compile_program()
