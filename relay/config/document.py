"""Reads a YAML document into a tree of dict, list, str, int, bool and None.

Rules of this file: it accepts the small, unambiguous part of YAML only, so that every value is what
it looks like: no aliases (a short file could unfold to gigabytes), no tags, no merge keys, no
dates, no octal or base-60 numbers, and `off`, `no` and `yes` are words. A key may stand once.
Faults give line and column and never quote the document, because it holds secrets.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from relay.errors import ConfigError

MAX_BYTES = 1 << 16
"""Thirty times a configuration with every key; PyYAML reads 100 kB in a second."""
MAX_DEPTH = 16
"""Deeper than any configuration, and far from Python's recursion limit."""

_BOOL, _INT, _NULL = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:null"


class _Composer(yaml.SafeLoader):
    """PyYAML's composer, with its own resolvers and three refusals."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  declared so upstream
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # of the stubs
        if isinstance(event, yaml.AliasEvent):
            raise _fault(event.start_mark, "aliases (*) are not accepted")
        if event.tag is not None:
            raise _fault(event.start_mark, "tags (!) are not accepted")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _fault(
                event.start_mark, f"more than {MAX_DEPTH} levels of nesting are not accepted"
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Composer.add_implicit_resolver(_BOOL, re.compile(r"(?:true|false)\Z"), list("tf"))
_Composer.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|)\Z"), ["~", "n", ""])
_Composer.add_implicit_resolver(
    _INT, re.compile(r"-?(?:0|[1-9][0-9_]{0,17})\Z", re.A), list("-0123456789")
)


def _fault(mark: Any, problem: str) -> ConfigError:
    return ConfigError(f"line {mark.line + 1}, column {mark.column + 1}: {problem}")


def read(
    path: Path, most: int = MAX_BYTES, expected: str = "a configuration of at most 64 KiB"
) -> bytes:
    """Read a file that the operator names.

    Args:
        most: bytes that it may have; `expected` says so in words.
    Raises: ConfigError, naming the file. Nothing else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        raise ConfigError(f"{str(path)!r}: cannot be read: {reason}") from None
    if len(content) > most:
        raise ConfigError(f"{str(path)!r}: expected {expected}")
    return content


def parse(content: bytes) -> dict[str, Any]:
    """Read one document whose root is a mapping. An empty document is an empty mapping.

    Raises:
        ConfigError: not UTF-8, not YAML, a part of YAML that is not accepted, a repeated key, or
            another root than a mapping. Nothing else.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"line {line}: expected UTF-8") from None
    root = _compose(text)
    if root is None:
        return {}
    tree = _value(root)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise _fault(root.start_mark, "expected a mapping of keys to values")
    return tree


def _compose(text: str) -> Any:
    """Compose the node of the document; None where it has only space and comments."""
    try:
        composer = _Composer(text)
        try:
            return composer.get_single_node()
        finally:
            composer.dispose()
    except yaml.MarkedYAMLError as error:
        problem = error.problem or ""
        quotes = "'" in problem or '"' in problem
        raise _fault(error.problem_mark, "not YAML" if quotes else f"not YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"line {line}: a control character is not accepted") from None


def _value(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if node.tag == _INT:
        return int(node.value)
    if node.tag == _BOOL:
        return node.value == "true"
    return None if node.tag == _NULL else node.value


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _fault(key.start_mark, "expected a word as key")
        if key.value in mapping:
            raise _fault(key.start_mark, "this key is here for the second time")
        mapping[key.value] = _value(value)
    return mapping
