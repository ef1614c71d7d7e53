"""The source of `relay` as the rules read it.

Rules of this folder: a rule is a function from modules to breaches, one line each; what is allowed
beyond a rule stands in a table with its reason; beside every rule stand breaches that it notices.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One file of `relay`: its path below the repository, and what is in it."""

    path: str
    text: str

    @property
    def part(self) -> str:
        """The first name below `relay`: a package or a module; empty for `relay` itself."""
        return Path(self.path).with_suffix("").parts[1].replace("__init__", "")

    @property
    def name(self) -> str:
        """What others import it by."""
        return ".".join(Path(self.path).with_suffix("").parts).removesuffix(".__init__")

    def nodes(self) -> Iterator[ast.AST]:
        """Every node of its syntax tree."""
        return ast.walk(ast.parse(self.text))


Rule = Callable[[Iterable[Module]], list[str]]

Breach = tuple[str, str]
"""The path of a module, and a text of it that breaks a rule."""

SOURCE = [
    Module(path.relative_to(ROOT).as_posix(), path.read_text())
    for path in sorted((ROOT / "relay").rglob("*.py"))
]

_NAMES = {module.name for module in SOURCE}


def imports(module: Module) -> Iterator[str]:
    """What a module imports, anywhere in it: modules by their full names."""
    for node in module.nodes():
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in _NAMES else base
