"""Secrets by reference: `env:NAME` and `file:PATH` become what they name.

Rules of this file: no message shows a secret, nor a reference that might be one; an empty secret
is no secret. Raises ValueError and nothing else.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationInfo

MAX_SECRET_BYTES = 4096


def resolve(value: object, info: ValidationInfo) -> str:
    """Follow a reference once; other text is the secret itself.

    Args:
        value: what stood in the document.
        info: its `context` is the environment that `env:` looks into.
    Raises:
        ValueError: not text, empty, or a reference to nothing.
    """
    if not isinstance(value, str):
        raise ValueError("expected text (a number needs quotes), env:NAME or file:PATH")
    kind, separator, name = value.partition(":")
    if separator and kind == "env":
        value = _from_environment(name, info.context or {})
    elif separator and kind == "file":
        value = _from_file(name)
    if not value.strip():
        raise ValueError("expected a secret that is not empty")
    return value


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    """The variable's text; its name is shown only where it can be a name."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
        raise ValueError("expected env: with the name of an environment variable")
    if not environ.get(name):
        raise ValueError(f"expected the environment variable {name} to be set and not empty")
    return environ[name]


def _from_file(name: str) -> str:
    """The file's text without the line end that editors add."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError):
        raise ValueError("expected file: with the name of a file that can be read") from None
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError(f"expected a secret file of at most {MAX_SECRET_BYTES} bytes")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("expected a secret file in UTF-8") from None
