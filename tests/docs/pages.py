"""The project's own pages: their blocks, and the names they mention."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REFERENCE = re.compile(r"`(?=[^`]*/|[^`]*::)([\w/]+\.py)(?:::([\w.]+))?`")
_OMITTED = "…"


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


class Reference(NamedTuple):
    """A file of the project, or a name in it: `turn/nonce.py::make` in a page."""

    file: Path
    name: str

    def is_there(self) -> bool:
        """Whether the file exists and defines the name."""
        return self.file.is_file() and self.name in {"", *defined_in(self.file)}


def read(page: str) -> str:
    """A page's text, by its path below the repository."""
    return (ROOT / page).read_text()


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(*found) for found in _BLOCK.findall(read(page))]


def references(text: str) -> Iterator[Reference]:
    """Every name of the source in a text. Tests are below `tests/`, all else below `relay/`."""
    for path, name in _REFERENCE.findall(text):
        below = "tests" if Path(path).name.startswith("test_") else "relay"
        yield Reference(ROOT / below / path, name)


@cache
def defined_in(file: Path) -> frozenset[str]:
    """Functions, classes and constants of a file, members as `Class.member`."""
    return frozenset(_defined(ast.parse(file.read_text()).body))


def _defined(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{prefix}{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


def assert_shows(shown: Any, actual: Any, where: str = "") -> None:
    """Check that a page's JSON is what was answered, but for what it leaves out with `…`."""
    if isinstance(shown, dict) and _OMITTED not in shown:
        assert isinstance(actual, dict), where
        assert list(shown) == list(actual), where
        for key, value in shown.items():
            assert_shows(value, actual[key], f"{where}.{key}")
    elif isinstance(shown, list):
        assert len(shown) == len(actual), where
        for index, value in enumerate(shown):
            assert_shows(value, actual[index], f"{where}[{index}]")
    elif isinstance(shown, str) and isinstance(actual, str) and shown.endswith(_OMITTED):
        assert actual.startswith(shown.removesuffix(_OMITTED)), where
    elif shown != _OMITTED and not isinstance(shown, dict):
        assert shown == actual, where


def parse_json(block: Block) -> Any:
    """What a `json` block holds."""
    assert block.language == "json"
    return json.loads(block.text)
